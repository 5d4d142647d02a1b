use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Bytes;
use axum::routing::{get, post, put};
use data_encoding::BASE64;
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;
use reqwest::{Client, RequestBuilder};
use shared::clock::Time;
use tokio::net::TcpListener;

use super::*;

const TEMPLATE: &str = r#"
Resources:
  NotesFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/notes
      Timeout: 1
      Events:
        Echo: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: PUT, Path: "/notes/{id}/lines/{line}" } }
        Bytes: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: POST, Path: /bytes } }
        Cookies: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: /cookies } }
        Panic: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: /panic } }
        Slow: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: /slow } }
        Steady: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: POST, Path: /steady } }
"#;

/// What the function saw of the request.
async fn echo(request: Request) -> Json<Value> {
    let (parts, body) = request.into_parts();
    let RequestContext::ApiGatewayV2(context) = parts.extensions.request_context() else { panic!("not an HTTP API") };
    let parameters = parts.extensions.path_parameters();
    let lambda = parts.extensions.lambda_context();
    Json(json!({
        "method": parts.method.as_str(),
        "path": parts.uri.path(),
        "id": parameters.first("id"),
        "line": parameters.first("line"),
        "query": parts.uri.query(),
        "tags": parts.extensions.query_string_parameters().all("tag"),
        "many": parts.headers.get("x-many").unwrap().to_str().unwrap(),
        "cookie": parts.headers.get("cookie").unwrap().to_str().unwrap(),
        "body": String::from_utf8(axum::body::to_bytes(body, MAX_BODY).await.unwrap().to_vec()).unwrap(),
        "route": context.route_key,
        "stage": context.stage,
        "time": context.time,
        "time_epoch": context.time_epoch,
        "source_ip": context.http.source_ip,
        "claims": context.authorizer.unwrap().jwt.unwrap().claims,
        "has_ids": lambda.request_id != context.request_id.unwrap() && !lambda.request_id.is_empty(),
        "deadline": lambda.deadline,
    }))
}

async fn reversed(body: Bytes) -> Response {
    let bytes: Vec<u8> = body.iter().rev().copied().collect();
    ([("content-type", "application/octet-stream")], bytes).into_response()
}

async fn panicking() {
    panic!("a bug");
}

/// A running gateway, its URL and its clock.
struct Stack {
    url: String,
    clock: Clock,
    finished: Arc<AtomicBool>,
}

impl Stack {
    async fn start() -> Self {
        let clock = Clock::simulated(Time::from_millis(1_700_000_000_123));
        let finished = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&finished);
        let router = Router::new()
            .route("/notes/{id}/lines/{line}", put(echo))
            .route("/bytes", post(reversed))
            .route("/cookies", get(|| async { [("set-cookie", "a=1"), ("x-one", "1")] }))
            .route("/panic", get(panicking))
            .route("/slow", get(std::future::pending::<()>))
            .route(
                "/steady",
                post(move || async move {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    flag.store(true, Ordering::SeqCst);
                }),
            );
        let functions = HashMap::from([("notes".to_owned(), router)]);
        let gateway = ApiGateway::new(&Template::load(TEMPLATE).unwrap(), functions, clock.clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(gateway, listener));
        Self { url, clock, finished }
    }

    fn anonymous(&self, method: &str, path: &str) -> RequestBuilder {
        Client::new().request(method.parse().unwrap(), format!("{}{path}", self.url))
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let token = token::issue("ann@acme.test", "acme", &["passerelle/operator"], &self.clock).unwrap();
        self.anonymous(method, path).bearer_auth(token)
    }
}

async fn status_and_message(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json::<Value>().await.unwrap()["message"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_function_sees_the_request_as_behind_api_gateway() {
    let stack = Stack::start().await;
    let request = stack
        .request("PUT", "/notes/ann%40acme.test/lines/7?tag=a%20b&tag=c")
        .header("content-type", "application/json")
        .header("x-many", "1")
        .header("x-many", "2")
        .header("cookie", "a=1; b=2")
        .body(r#"{"text":"é"}"#);
    let seen: Value = request.send().await.unwrap().json().await.unwrap();
    let expected = json!({
        "method": "PUT",
        "path": "/notes/ann@acme.test/lines/7",
        "id": "ann@acme.test",
        "line": "7",
        "query": "tag=a%20b&tag=c",
        "tags": ["a b", "c"],
        "many": "1,2",
        "cookie": "a=1; b=2",
        "body": r#"{"text":"é"}"#,
        "route": "PUT /notes/{id}/lines/{line}",
        "stage": "$default",
        "time": "14/Nov/2023:22:13:20 +0000",
        "time_epoch": 1_700_000_000_123_i64,
        "source_ip": "127.0.0.1",
        "claims": {
            "iss": token::ISSUER, "aud": token::AUDIENCE, "sub": "ann@acme.test", "tenant_id": "acme",
            "scope": "passerelle/operator", "iat": "1700000000", "exp": "1700043200",
        },
        "has_ids": true,
        "deadline": 1_700_000_001_123_i64,
    });
    assert_eq!(seen, expected);
}

#[test]
fn bytes_that_are_no_text_are_base64_in_the_event() {
    let event_of = |content_type: &str, body: &[u8]| {
        let request = http::Request::post("/bytes?a=1&a=2&b=").header("content-type", content_type);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let event = Admitted {
            parts: &parts,
            body,
            source_ip: "127.0.0.1".to_owned(),
            entry: Entry::Route {
                route: &Route { method: http::Method::POST, path: "/bytes".to_owned(), function: "notes".to_owned() },
                path_parameters: &routes::PathParameters::new(),
                claims: &json!({ "groups": ["a", "b"], "n": 1, "yes": true }).as_object().unwrap().clone(),
            },
            request_id: "r",
            time: Time::from_seconds(0),
        };
        event.event()
    };
    let event = event_of("application/json; charset=utf-8", b"{}");
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("{}"), &json!(false)));
    assert_eq!(event["queryStringParameters"], json!({ "a": "1,2", "b": "" }));
    let claims = &event["requestContext"]["authorizer"]["jwt"]["claims"];
    assert_eq!(claims, &json!({ "groups": "[a b]", "n": "1", "yes": "true" }));
    for (kind, body) in [("image/png", b"ab".as_slice()), ("text/plain", &[0xff, 0]), ("", b"ab")] {
        let event = event_of(kind, body);
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!(BASE64.encode(body)), &json!(true)), "{kind}");
    }
    let event = event_of("application/json", b"");
    assert!(event.get("body").is_none() && event.get("cookies").is_none() && event.get("pathParameters").is_none());
}

/// A gateway whose only function has a URL, and shows what it gets.
fn hooks() -> (ApiGateway, String) {
    let seen = |request: Request| async move {
        let (parts, body) = request.into_parts();
        let RequestContext::ApiGatewayV2(context) = parts.extensions.request_context() else { panic!("no URL") };
        Json(json!({
            "method": parts.method.as_str(),
            "path": parts.uri.path(),
            "raw_path": parts.extensions.raw_http_path(),
            "query": parts.uri.query(),
            "signature": parts.headers.get("x-signature").map(|value| value.to_str().unwrap()),
            "host": parts.headers.get("host").map(|value| value.to_str().unwrap()),
            "domain": context.domain_name,
            "body": BASE64.encode(&axum::body::to_bytes(body, MAX_BODY).await.unwrap()),
            "route": context.route_key,
            "stage": context.stage,
            "has_authorizer": context.authorizer.is_some(),
            "has_parameters": !parts.extensions.path_parameters().is_empty(),
        }))
    };
    let template = r#"
Resources:
  HooksFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/hooks
      Timeout: 1
      FunctionUrlConfig: { AuthType: NONE }
"#;
    let functions = HashMap::from([("hooks".to_owned(), Router::new().fallback(seen))]);
    let gateway = ApiGateway::new(&Template::load(template).unwrap(), functions, Clock::system()).unwrap();
    (gateway, template.to_owned())
}

#[tokio::test]
async fn a_function_url_hands_on_every_request_below_webhooks_without_token_and_byte_by_byte() {
    let (gateway, template) = hooks();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve(gateway, listener));
    let bodies: [(&str, &[u8]); 3] = [
        ("application/json; charset=utf-8", "{\"é\": 1 }\n".as_bytes()),
        ("application/json", &[0xff, 0, b'a']),
        ("application/octet-stream", b"plain"),
    ];
    for (kind, body) in bodies {
        let request = Client::new().post(format!("http://{host}/webhooks/stripe/a%2Fb?x=1")).body(body.to_vec());
        let reply = request.header("content-type", kind).header("x-signature", "t=1").send().await.unwrap();
        let expected = json!({
            "method": "POST", "path": "/webhooks/stripe/a%2Fb", "raw_path": "/webhooks/stripe/a%2Fb", "query": "x=1",
            "signature": "t=1", "host": host, "domain": host, "body": BASE64.encode(body), "route": "$default",
            "stage": "$default", "has_authorizer": false, "has_parameters": false,
        });
        assert_eq!(reply.json::<Value>().await.unwrap(), expected);
    }
    for path in ["/webhooks", "/webhook/x", "/x/webhooks/"] {
        let reply = Client::new().post(format!("http://{host}{path}")).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 404, "{path}");
    }
    let template = Template::load(&template).unwrap();
    let error = ApiGateway::new(&template, HashMap::new(), Clock::system()).unwrap_err();
    assert!(error.to_string().contains("hooks"), "a URL needs a router: {error}");
}

#[test]
fn the_event_of_a_function_url_is_text_or_base64_with_nothing_of_a_route() {
    let event_of = |content_type: &str, body: &[u8]| {
        let request = http::Request::post("/webhooks/a%20b").header("content-type", content_type);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let source_ip = "127.0.0.1".to_owned();
        Admitted { entry: Entry::Url, parts: &parts, body, source_ip, request_id: "r", time: Time::from_seconds(0) }
            .event()
    };
    let event = event_of("application/json; charset=utf-8", b"{}");
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("{}"), &json!(false)));
    assert_eq!((&event["routeKey"], &event["rawPath"]), (&json!("$default"), &json!("/webhooks/a%20b")));
    assert!(event["requestContext"].get("authorizer").is_none() && event.get("pathParameters").is_none());
    for (kind, body) in [("application/octet-stream", b"ab".as_slice()), ("application/json", &[0xff])] {
        let event = event_of(kind, body);
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!(BASE64.encode(body)), &json!(true)), "{kind}");
    }
}

#[tokio::test]
async fn without_a_function_url_paths_below_webhooks_are_not_found() {
    let stack = Stack::start().await;
    let answer = status_and_message(stack.anonymous("POST", "/webhooks/stripe/1")).await;
    assert_eq!(answer, (404, "Not Found".to_owned()));
}

#[tokio::test]
async fn bytes_pass_unchanged_in_both_directions() {
    let stack = Stack::start().await;
    let request = stack.request("POST", "/bytes").header("content-type", "application/octet-stream");
    let response = request.body(vec![0, 255, 128, 1]).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    assert_eq!(response.bytes().await.unwrap(), [1, 128, 255, 0].as_slice());
}

#[tokio::test]
async fn cookies_and_headers_of_the_answer_come_through() {
    let stack = Stack::start().await;
    let response = stack.request("GET", "/cookies").send().await.unwrap();
    assert_eq!(
        (&response.headers()["set-cookie"], &response.headers()["x-one"]),
        (&"a=1".parse().unwrap(), &"1".parse().unwrap())
    );
}

#[tokio::test]
async fn a_request_without_route_is_not_found_even_without_token() {
    let stack = Stack::start().await;
    for (method, path) in [("GET", "/bytes"), ("GET", "/"), ("POST", "/notes/1")] {
        let answer = status_and_message(stack.anonymous(method, path)).await;
        assert_eq!(answer, (404, "Not Found".to_owned()), "{method} {path}");
    }
}

#[tokio::test]
async fn a_request_without_a_valid_token_is_unauthorized() {
    let stack = Stack::start().await;
    let unauthorized = (401, "Unauthorized".to_owned());
    assert_eq!(status_and_message(stack.anonymous("GET", "/cookies")).await, unauthorized);
    assert_eq!(status_and_message(stack.anonymous("GET", "/cookies").bearer_auth("a.b.c")).await, unauthorized);
    let expiring = stack.request("GET", "/cookies");
    stack.clock.advance(Duration::from_hours(13));
    let response = expiring.send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["www-authenticate"]),
        (401, &"Bearer".parse().unwrap())
    );
}

#[tokio::test]
async fn a_token_may_come_without_its_scheme() {
    let stack = Stack::start().await;
    let token = token::issue("ann", "acme", &[], &stack.clock).unwrap();
    let response = stack.anonymous("GET", "/cookies").header("authorization", token).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
}

#[tokio::test]
async fn a_panic_is_an_error_answer_and_the_next_request_works() {
    let stack = Stack::start().await;
    assert_eq!(status_and_message(stack.request("GET", "/panic")).await, (500, "Internal Server Error".to_owned()));
    assert_eq!(stack.request("GET", "/cookies").send().await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn a_function_is_stopped_at_its_time_out() {
    let stack = Stack::start().await;
    assert_eq!(status_and_message(stack.request("GET", "/slow")).await, (500, "Internal Server Error".to_owned()));
}

#[tokio::test]
async fn a_function_runs_to_its_end_when_the_client_hangs_up() {
    let stack = Stack::start().await;
    let hung_up = stack.request("POST", "/steady").timeout(Duration::from_millis(100)).send().await;
    assert!(hung_up.unwrap_err().is_timeout());
    assert!(!stack.finished.load(Ordering::SeqCst));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(stack.finished.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_body_over_ten_megabytes_is_too_large() {
    let stack = Stack::start().await;
    let request = stack.request("POST", "/bytes").body(vec![b'a'; MAX_BODY + 1]);
    assert_eq!(status_and_message(request).await, (413, "Request Entity Too Large".to_owned()));
}

#[test]
fn a_route_to_a_function_that_is_not_there_is_an_error() {
    let template = Template::load(TEMPLATE).unwrap();
    let error = ApiGateway::new(&template, HashMap::new(), Clock::system()).unwrap_err();
    assert!(error.to_string().contains("notes"), "{error}");
}

async fn serve(gateway: ApiGateway, listener: TcpListener) {
    let service = gateway.into_router().into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await.unwrap();
}
