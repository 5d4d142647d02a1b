//! Webhooks say only that there is something, and are believed by the key that the API hands out.

use axum::body::Bytes;
use data_encoding::HEXLOWER;
use http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use sha2::{Digest, Sha256};

use super::*;
use crate::plaid::Delivery;
use crate::simulator::endpoint::Endpoint;

/// The key that a webhook names.
fn key_of(headers: &HeaderMap) -> String {
    let token = headers["plaid-verification"].to_str().unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!((header.alg, header.typ.as_deref()), (Algorithm::ES256, Some("JWT")));
    header.kid.unwrap()
}

impl Api {
    async fn key(&self, id: &str) -> (u16, Value) {
        self.post("/webhook_verification_key/get", &json!({ "key_id": id })).await
    }

    /// Whether a receiver that has only the API would believe it: the time that was signed.
    async fn verified(&self, (headers, body): &(HeaderMap, Bytes)) -> Option<i64> {
        let (_, key) = self.key(&key_of(headers)).await;
        let coordinate = |name: &str| key["key"][name].as_str().unwrap().to_owned();
        let key = DecodingKey::from_ec_components(&coordinate("x"), &coordinate("y")).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let token = headers["plaid-verification"].to_str().unwrap();
        let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).ok()?.claims;
        let hash = HEXLOWER.encode(&Sha256::digest(body));
        (claims["request_body_sha256"] == hash.as_str()).then(|| claims["iat"].as_i64()).flatten()
    }
}

#[tokio::test]
async fn each_event_is_told_of_in_a_body_that_is_indented_and_signed() {
    let (api, endpoint) = (Api::start().await, Endpoint::start(0).await);
    api.plaid.add_webhook_endpoint(CLIENT, &endpoint.url);
    api.plaid.add_webhook_endpoint("client_2", &endpoint.url.replace("plaid", "other"));
    let transfer = api.made("debit", "10.00").await;
    assert!(api.plaid.post(&transfer));
    let arrived = endpoint.arrived(2).await;
    assert_eq!(arrived.len(), 2);
    let body = "{\n  \"webhook_type\": \"TRANSFER\",\n  \"webhook_code\": \"TRANSFER_EVENTS_UPDATE\",\n  \
                \"environment\": \"sandbox\"\n}";
    for webhook in &arrived {
        assert_eq!(webhook.1, body);
        assert_eq!(api.verified(webhook).await, Some(api.clock.now().seconds()));
    }
    let (headers, _) = arrived[0].clone();
    let compact = Bytes::from(serde_json::from_str::<Value>(body).unwrap().to_string());
    assert_eq!(api.verified(&(headers.clone(), compact)).await, None, "whitespace counts");
}

#[tokio::test]
async fn the_hash_of_a_body_is_the_documented_one() {
    let api = Api::start().await;
    let body = b"{\n  \"webhook_code\": \"TRANSFER_EVENTS_UPDATE\"\n}";
    let token = api.plaid.sign(api.clock.now(), body);
    let claims = token.split('.').nth(1).unwrap();
    let claims: Value =
        serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap();
    let hash = "3def9ace3bad61a58f0b0d43389774102708766b3eade31af1d3d5e08ff77cc6";
    assert_eq!(claims, json!({ "iat": api.clock.now().seconds(), "request_body_sha256": hash }));
}

#[tokio::test]
async fn keys_are_handed_out_by_id_rotated_and_expired() {
    let (api, endpoint) = (Api::start().await, Endpoint::start(0).await);
    let fire = async || {
        assert_eq!(api.post("/sandbox/transfer/fire_webhook", &json!({ "webhook": endpoint.url })).await.0, 200);
    };
    fire().await;
    let first = endpoint.arrived(1).await.remove(0);
    let second = api.plaid.rotate_key().unwrap();
    fire().await;
    let arrived = endpoint.arrived(2).await;
    assert_eq!(key_of(&arrived[1].0), second);
    assert!(api.verified(&first).await.is_some() && api.verified(&arrived[1]).await.is_some());
    let old = key_of(&first.0);
    assert_ne!(old, second);
    let (_, key) = api.key(&old).await;
    assert_eq!((&key["key"]["expired_at"], &key["key"]["kid"]), (&Value::Null, &json!(old)));
    assert_eq!(
        (&key["key"]["alg"], &key["key"]["crv"], &key["key"]["kty"]),
        (&json!("ES256"), &json!("P-256"), &json!("EC"))
    );
    api.clock.advance(Duration::from_secs(60));
    assert!(api.plaid.expire_key(&old) && !api.plaid.expire_key("other"));
    assert_eq!(api.key(&old).await.1["key"]["expired_at"], api.clock.now().seconds());
    assert_eq!(refusal(&api.key("other").await), (400, "INVALID_INPUT", "INVALID_WEBHOOK_VERIFICATION_KEY_ID"));
    assert_eq!(refusal(&api.post("/webhook_verification_key/get", &json!({})).await), MISSING_FIELDS);
}

#[tokio::test]
async fn what_was_not_taken_comes_again_and_what_is_dropped_does_not() {
    let (api, endpoint) = (Api::start().await, Endpoint::start(1).await);
    api.plaid.add_webhook_endpoint(CLIENT, &endpoint.url);
    let transfer = api.made("debit", "10.00").await;
    assert_eq!(endpoint.arrived(2).await.len(), 2);
    api.plaid.set_delivery(Delivery { dropped: true, ..Delivery::default() });
    assert!(api.plaid.post(&transfer));
    assert_eq!((endpoint.arrived(2).await.len(), api.told().len()), (2, 2));
    let request = api.http.post(format!("{}/_delivery", api.base)).json(&json!({ "copies": 2 }));
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert!(api.plaid.settle(&transfer));
    assert_eq!(endpoint.arrived(4).await.len(), 4);
}

#[tokio::test]
async fn a_simulated_event_tells_the_url_that_it_names() {
    let (api, endpoint) = (Api::start().await, Endpoint::start(0).await);
    let transfer = api.made("debit", "10.00").await;
    let body = json!({ "transfer_id": transfer, "event_type": "posted", "webhook": endpoint.url });
    assert_eq!(api.post("/sandbox/transfer/simulate", &body).await.0, 200);
    assert_eq!(endpoint.arrived(1).await.len(), 1);
    let fire = async |body: Value| api.post("/sandbox/transfer/fire_webhook", &body).await;
    assert_eq!(refusal(&fire(json!({ "webhook": "nowhere" })).await), INVALID_FIELD);
    assert_eq!(refusal(&fire(json!({})).await), MISSING_FIELDS);
}
