//! The simulator is no easier than the API.

use super::*;

async fn at(anthropic: &Anthropic) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/messages", listener.local_addr().unwrap());
    tokio::spawn(serve(anthropic.clone(), listener));
    url
}

fn question() -> Value {
    json!({
        "model": "claude-sonnet-5-5", "max_tokens": 100, "system": "Be kind.",
        "messages": [{ "role": "user", "content": "Why?" }],
        "output_config": { "effort": "low", "format": { "type": "json_schema", "schema": {
            "type": "object", "additionalProperties": false, "required": ["why", "sure"],
            "properties": { "why": { "type": "string" }, "sure": { "type": "string", "enum": ["no", "yes"] } } } } },
    })
}

async fn ask(url: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
    let mut request = reqwest::Client::new().post(url).json(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

const HEADERS: [(&str, &str); 2] = [("x-api-key", "sk-ant-1"), ("anthropic-version", "2023-06-01")];

#[tokio::test]
async fn it_writes_what_the_schema_asks_for_and_always_the_same() {
    let anthropic = Anthropic::default();
    anthropic.add_key("sk-ant-1");
    let url = at(&anthropic).await;
    for _ in 0..2 {
        let (status, message) = ask(&url, &HEADERS, &question()).await;
        assert_eq!((status, &message["stop_reason"]), (200, &json!("end_turn")), "{message}");
        let text: Value = serde_json::from_str(message["content"][1]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, json!({ "why": "Simulated why: no model was asked.", "sure": "no" }));
    }
    assert!(anthropic.requests().iter().all(|request| request.status == 200 && request.body == question()));
}

#[tokio::test]
async fn keys_and_versions_are_required() {
    let anthropic = Anthropic::default();
    anthropic.add_key("sk-ant-1");
    let url = at(&anthropic).await;
    for (headers, status, kind) in [
        (&HEADERS[1..], 401, "authentication_error"),
        (&[("x-api-key", "sk-ant-2"), HEADERS[1]], 401, "authentication_error"),
        (&HEADERS[..1], 400, "invalid_request_error"),
        (&[HEADERS[0], ("anthropic-version", "2030-01-01")], 400, "invalid_request_error"),
    ] {
        let (answered, body) = ask(&url, headers, &question()).await;
        assert_eq!((answered, &body["error"]["type"]), (status, &json!(kind)), "{headers:?}");
    }
}

#[tokio::test]
async fn what_the_api_does_not_take_is_refused() {
    let anthropic = Anthropic::default();
    anthropic.add_key("sk-ant-1");
    let url = at(&anthropic).await;
    let bounded = json!({ "type": "object", "additionalProperties": false,
                          "properties": { "why": { "type": "string", "maxLength": 9 } } });
    for (place, value, status) in [
        ("/model", json!("claude-sonnet-4-20250514"), 404),
        ("/model", json!(7), 400),
        ("/max_tokens", json!(0), 400),
        ("/messages", json!([]), 400),
        ("/messages/0/role", json!("assistant"), 400),
        ("/messages/0/content", json!(" "), 400),
        ("/output_config/effort", json!("none"), 400),
        ("/output_config/format/type", json!("json"), 400),
        ("/output_config/format/schema", bounded, 400),
        ("/output_config/format/schema/additionalProperties", json!(true), 400),
    ] {
        let mut body = question();
        *body.pointer_mut(place).unwrap() = value;
        assert_eq!(ask(&url, &HEADERS, &body).await.0, status, "{place}");
    }
    for name in ["temperature", "tool_choice", "thinking", "anything"] {
        let mut body = question();
        body[name] = json!(1);
        assert_eq!(ask(&url, &HEADERS, &body).await.0, 400, "{name}");
    }
    for name in ["model", "max_tokens", "messages"] {
        let mut body = question();
        body.as_object_mut().unwrap().remove(name);
        assert_eq!(ask(&url, &HEADERS, &body).await.0, 400, "{name}");
    }
}
