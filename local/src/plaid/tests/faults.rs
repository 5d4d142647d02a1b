//! What goes wrong between client and Plaid goes wrong as the test wants it.

use super::*;

#[tokio::test]
async fn faults_are_switched_on_and_off_over_http() {
    let api = Api::start().await;
    let switch = async |method: reqwest::Method, body: Value| {
        let request = api.http.request(method, format!("{}/_faults", api.base)).json(&body);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(switch(reqwest::Method::POST, json!({ "kind": "rate_limited" })).await, 200);
    assert_eq!(switch(reqwest::Method::POST, json!({ "kind": "bad_mood" })).await, 400);
    let limited = api.authorize(&api.proposal("debit", "10.00")).await;
    assert_eq!(refusal(&limited), (429, "RATE_LIMIT_EXCEEDED", "RATE_LIMIT"));
    api.made("debit", "10.00").await;
    assert_eq!(switch(reqwest::Method::POST, json!({ "kind": { "error_before": 503 } })).await, 200);
    assert_eq!(switch(reqwest::Method::DELETE, json!({})).await, 200);
    api.made("debit", "10.00").await;
}

#[tokio::test]
async fn an_error_after_all_was_done_is_mended_by_the_same_authorization() {
    for (kind, made) in [(Kind::ErrorBefore(500), 0), (Kind::ErrorAfter(500), 1)] {
        let api = Api::start().await;
        let authorization = api.authorized("debit", "10.00").await;
        api.plaid.add_fault(Fault::transfer(kind));
        let lost = api.transfer(&authorization).await;
        assert_eq!(refusal(&lost), (500, "API_ERROR", "INTERNAL_SERVER_ERROR"));
        assert_eq!(api.plaid.books(CLIENT).len(), made);
        let (status, _) = api.post("/transfer/get", &json!({ "authorization_id": authorization })).await;
        assert_eq!(status, if made == 1 { 200 } else { 404 });
        assert_eq!(api.transfer(&authorization).await.0, 200);
        assert_eq!(api.plaid.books(CLIENT).len(), 1);
    }
}

#[tokio::test]
async fn a_lost_reply_transfers_and_a_request_that_never_arrived_does_not() {
    for (kind, made) in [(Kind::ReplyLost, 1), (Kind::NothingReached, 0)] {
        let api = Api::start().await;
        let authorization = api.authorized("debit", "10.00").await;
        api.plaid.add_fault(Fault::transfer(kind));
        assert!(api.try_post("/transfer/create", &api.order(&authorization)).await.is_err());
        assert_eq!(api.plaid.books(CLIENT).len(), made);
        assert_eq!(api.plaid.requests().pop().unwrap().status, 0);
    }
}

#[tokio::test]
async fn answers_can_be_slow_unreadable_of_another_amount_or_anything() {
    let api = Api::start().await;
    let authorization = api.authorized("debit", "10.00").await;
    api.plaid.add_fault(Fault::transfer(Kind::OtherAmount));
    assert_eq!(api.transfer(&authorization).await.1["transfer"]["amount"], "0.01");
    api.plaid.add_fault(Fault::transfer_look_up(Kind::Unreadable));
    assert!(api.try_post("/transfer/get", &json!({ "authorization_id": authorization })).await.is_err());
    let down = json!({ "error_type": "INSTITUTION_ERROR", "error_code": "INSTITUTION_DOWN", "error_message": "down",
                       "display_message": null, "request_id": "1" });
    api.plaid.add_fault(Fault::authorization(Kind::Status(400, down.clone())));
    assert_eq!(api.authorize(&api.proposal("debit", "1.00")).await, (400, down));
    api.plaid.set_latency(Duration::from_millis(20));
    api.plaid.add_fault(Fault::event_sync(Kind::Slow(20)));
    assert_eq!(api.post("/transfer/event/sync", &json!({ "after_id": 0 })).await.0, 200);
    api.plaid.add_fault(Fault::transfer_refund(Kind::ErrorBefore(503)));
    let refused = api.post("/transfer/refund/create", &json!({})).await;
    assert_eq!(refusal(&refused), (503, "API_ERROR", "PLANNED_MAINTENANCE"));
    api.plaid.add_fault(Fault::transfer(Kind::RateLimited).times(5));
    api.plaid.clear_faults();
    assert_eq!(api.transfer(&authorization).await.0, 200);
}
