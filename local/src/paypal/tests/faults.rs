//! What goes wrong between client and PayPal goes wrong as the test wants it.

use super::*;

const ORDERS: &str = "/v2/checkout/orders";

#[tokio::test]
async fn faults_are_switched_on_and_off_over_http() {
    let api = Api::start().await;
    let switch = async |method: reqwest::Method, body: Value| {
        let request = api.http.request(method, format!("{}/_faults", api.base)).json(&body);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(switch(reqwest::Method::POST, json!({ "kind": "rate_limited" })).await, 200);
    assert_eq!(switch(reqwest::Method::POST, json!({ "kind": { "error_after": 503 }, "after": 1 })).await, 200);
    assert_eq!(switch(reqwest::Method::POST, json!({ "kind": "bad_mood" })).await, 400);
    let (status, limited) = api.pay("1", "paypal_ok").await;
    assert_eq!((status, &limited["name"]), (429, &json!("RATE_LIMIT_REACHED")));
    assert_eq!(api.pay("1", "paypal_ok").await.0, 201);
    assert_eq!(switch(reqwest::Method::DELETE, json!({})).await, 200);
    assert_eq!(api.pay("2", "paypal_ok").await.0, 201);
}

#[tokio::test]
async fn an_error_after_all_was_done_is_mended_by_the_same_id() {
    for (kind, captured, again) in
        [(Kind::ErrorBefore(500), 0, 201), (Kind::ErrorAfter(500), 2500, 200), (Kind::ErrorAfter(503), 2500, 200)]
    {
        let api = Api::start().await;
        let status = match kind {
            Kind::ErrorBefore(status) | Kind::ErrorAfter(status) => status,
            _ => 0,
        };
        api.paypal.add_fault(Fault::order(kind));
        assert_eq!(api.pay("1", "paypal_ok").await.0, status);
        assert_eq!(api.captured(), captured);
        assert_eq!(api.pay("1", "paypal_ok").await.0, again);
        assert_eq!(api.captured(), 2500);
    }
}

#[tokio::test]
async fn a_lost_reply_charges_and_a_request_that_never_arrived_does_not() {
    for (kind, captured) in [(Kind::ReplyLost, 2500), (Kind::NothingReached, 0)] {
        let api = Api::start().await;
        api.paypal.add_fault(Fault::order(kind));
        assert!(api.try_post(ORDERS, Some("1"), &charge("paypal_ok")).await.is_err());
        assert_eq!(api.captured(), captured);
        assert_eq!(api.paypal.requests().pop().unwrap().status, 0);
    }
}

#[tokio::test]
async fn while_the_first_request_is_running_the_second_is_told_so() {
    let api = Api::start().await;
    api.paypal.add_fault(Fault::order(Kind::Slow(300)));
    let (slow, second) = tokio::join!(api.pay("1", "paypal_ok"), async {
        while api.captured() == 0 {
            tokio::task::yield_now().await;
        }
        api.pay("1", "paypal_ok").await
    });
    assert_eq!((slow.0, refusal(&second)), (201, (422, "ORDER_COMPLETION_IN_PROGRESS")));
    assert_eq!(api.captured(), 2500);

    let capture = capture_of(&slow.1)["id"].as_str().unwrap();
    let path = format!("/v2/payments/captures/{capture}/refund");
    api.paypal.add_fault(Fault::capture_refund(Kind::Slow(300)));
    let all = json!({});
    let (slow, second) = tokio::join!(api.post(&path, Some("2"), &all), async {
        while api.paypal.books(ACCOUNT).refunds.is_empty() {
            tokio::task::yield_now().await;
        }
        api.post(&path, Some("2"), &all).await
    });
    assert_eq!((slow.0, refusal(&second)), (201, (409, "PREVIOUS_REQUEST_IN_PROGRESS")));
    assert_eq!(second.1["name"], "RESOURCE_CONFLICT");
    api.paypal.add_fault(Fault::order(Kind::Conflict));
    assert_eq!(refusal(&api.pay("3", "paypal_ok").await), (422, "ORDER_COMPLETION_IN_PROGRESS"));
}

#[tokio::test]
async fn a_client_that_hangs_up_is_charged_all_the_same() {
    let api = Api::start().await;
    api.paypal.set_latency(Duration::from_millis(100));
    let request = api.request(reqwest::Method::POST, ORDERS, Some("1")).json(&charge("paypal_ok"));
    assert!(request.timeout(Duration::from_millis(20)).send().await.unwrap_err().is_timeout());
    while api.captured() == 0 {
        tokio::task::yield_now().await;
    }
    api.paypal.set_latency(Duration::ZERO);
    assert_eq!(api.pay("1", "paypal_ok").await.0, 200);
}

#[tokio::test]
async fn answers_come_unreadable_or_with_another_amount() {
    let api = Api::start().await;
    api.paypal.add_fault(Fault::order(Kind::Unreadable));
    assert_eq!(api.pay("1", "paypal_ok").await, (200, Value::Null));
    api.paypal.add_fault(Fault::order(Kind::OtherAmount));
    assert_eq!(capture_of(&api.pay("1", "paypal_ok").await.1)["amount"]["value"], "0.01");
    assert_eq!(capture_of(&api.pay("1", "paypal_ok").await.1)["amount"]["value"], "25.00");
}

#[tokio::test]
async fn a_header_asks_for_an_error_of_orders_and_payments() {
    let api = Api::start().await;
    let mock = async |method, path: &str, code: &str| {
        let request = api.request(method, path, Some("1")).json(&charge("paypal_ok"));
        let codes = json!({ "mock_application_codes": code }).to_string();
        let reply = request.header("PayPal-Mock-Response", codes).send().await.unwrap();
        let status = reply.status().as_u16();
        (status, reply.json::<Value>().await.unwrap())
    };
    let post = || reqwest::Method::POST;
    assert_eq!(refusal(&mock(post(), ORDERS, "INSTRUMENT_DECLINED").await), (422, "INSTRUMENT_DECLINED"));
    assert_eq!(refusal(&mock(post(), ORDERS, "NO_SUCH_CODE").await), (400, "INVALID_PARAMETER_VALUE"));
    assert_eq!(mock(post(), ORDERS, "INTERNAL_SERVER_ERROR").await.1["name"], "INTERNAL_SERVER_ERROR");
    let refund = "/v2/payments/captures/1/refund";
    assert_eq!(refusal(&mock(post(), refund, "REFUND_TIME_LIMIT_EXCEEDED").await), (422, "REFUND_TIME_LIMIT_EXCEEDED"));
    let elsewhere = mock(reqwest::Method::GET, "/v1/notifications/webhooks", "INSTRUMENT_DECLINED").await;
    assert_eq!(elsewhere.0, 200);
    assert_eq!(api.captured(), 0);
}
