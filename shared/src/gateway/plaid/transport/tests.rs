use serde_json::json;

use super::*;
use crate::gateway::plaid::stub::{TIMEOUT, plaid, secret, stub};

#[tokio::test]
async fn who_asks_stands_in_headers_and_in_no_body() {
    let stub = stub(|_| Some((200, json!({ "request_id": "q" }))));
    let reply = plaid(&stub).post(&secret(), "/transfer/get", &json!({ "transfer_id": "tr1" }), TIMEOUT).await.unwrap();
    assert!(reply.is_success());
    let asked = stub.asked().remove(0);
    assert_eq!(asked.line, "POST /transfer/get");
    assert_eq!(asked.body, json!({ "transfer_id": "tr1" }));
    for (name, value) in [
        ("plaid-client-id", "client"),
        ("plaid-secret", "hush"),
        ("plaid-version", "2020-09-14"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(asked.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_connection_that_was_never_made_sent_nothing_and_a_lost_one_may_have() {
    let nowhere = Plaid::new(crate::gateway::wire::http_client().unwrap(), "http://127.0.0.1:1/");
    let said = nowhere.post(&secret(), "/transfer/get", &json!({}), TIMEOUT).await;
    assert_eq!(said.err(), Some(Trouble::Unreachable));
    let stub = stub(|_| Some((0, json!({}))));
    let said = plaid(&stub).post(&secret(), "/transfer/get", &json!({}), TIMEOUT).await;
    assert_eq!(said.err(), Some(Trouble::Lost));
}

#[tokio::test]
async fn a_secret_that_fits_in_no_header_is_sent_nowhere() {
    let stub = stub(|_| Some((200, json!({}))));
    let broken = PlaidSecret { secret: "hu\nsh".into(), ..secret() };
    let said = plaid(&stub).post(&broken, "/transfer/get", &json!({}), TIMEOUT).await;
    assert_eq!(said.err(), Some(Trouble::KeyRefused));
    assert!(stub.asked().is_empty());
}

#[test]
fn neither_a_client_nor_a_header_shows_a_secret() {
    let shown = format!("{:?} {:?}", sensitive("hush").unwrap(), secret());
    assert!(!shown.contains("hush"), "{shown}");
}
