//! Orders charge vaulted methods once for each request id, and payers approve the others.

use super::*;
use crate::paypal::CapturesBecome;

#[tokio::test]
async fn a_vaulted_method_is_charged_by_the_creation_itself() {
    let api = Api::start().await;
    let (status, order) = api.pay("1", "paypal_ok").await;
    assert_eq!((status, &order["status"]), (201, &json!("COMPLETED")));
    let capture = capture_of(&order);
    assert_eq!(capture["amount"], json!({ "currency_code": "USD", "value": "25.00" }));
    let ours = ["status", "custom_id", "invoice_id"].map(|name| capture[name].as_str().unwrap());
    assert_eq!(ours, ["COMPLETED", "pay_1", "pay_1"]);
    assert_eq!(capture["seller_receivable_breakdown"]["gross_amount"]["value"], "25.00");
    let id = order["id"].as_str().unwrap();
    let again = api.post(&format!("/v2/checkout/orders/{id}/capture"), Some("2"), &json!({})).await;
    assert_eq!(refusal(&again), (422, "ORDER_ALREADY_CAPTURED"));
    assert_eq!(api.get(&format!("/v2/checkout/orders/{id}")).await.1, order);
    assert_eq!(api.captured(), 2500);
    assert_eq!(api.told(), ["CHECKOUT.ORDER.COMPLETED", "PAYMENT.CAPTURE.COMPLETED"]);
}

#[tokio::test]
async fn without_a_wish_for_more_the_answer_is_small() {
    let api = Api::start().await;
    let request = api.http.post(format!("{}/v2/checkout/orders", api.base)).bearer_auth(&api.token);
    let reply = request.header("PayPal-Request-Id", "1").json(&charge("paypal_ok")).send().await.unwrap();
    assert!(reply.headers().contains_key("paypal-debug-id"));
    let order: Value = reply.json().await.unwrap();
    assert_eq!(order.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "links", "status"]);
}

#[tokio::test]
async fn a_request_id_brings_the_first_order_whatever_the_body_for_six_hours() {
    let api = Api::start().await;
    let (_, first) = api.pay("1", "paypal_ok").await;
    let mut other = charge("card_ok");
    other["purchase_units"][0]["amount"]["value"] = json!("99.00");
    let (status, again) = api.post("/v2/checkout/orders", Some("1"), &other).await;
    assert_eq!((status, &again), (200, &first));
    // In its latest state.
    let capture = capture_of(&first)["id"].as_str().unwrap();
    api.paypal.refund_in_dashboard(capture, None).unwrap();
    assert_eq!(capture_of(&api.pay("1", "paypal_ok").await.1)["status"], "REFUNDED");
    assert_eq!(api.captured(), 2500);
    api.clock.advance(Duration::from_hours(6));
    assert_eq!(api.pay("1", "paypal_ok").await.0, 201);
    assert_eq!(api.captured(), 5000, "a forgotten id protects no more");
}

#[tokio::test]
async fn a_refused_charge_leaves_no_order_and_the_id_free() {
    let api = Api::start().await;
    for (method, status, issue) in [
        ("paypal_INSTRUMENT_DECLINED", 422, "INSTRUMENT_DECLINED"),
        ("paypal_PAYER_CANNOT_PAY", 422, "PAYER_CANNOT_PAY"),
        ("paypal_CONSENT_NEEDED", 403, "CONSENT_NEEDED"),
        ("card_CARD_EXPIRED", 422, "CARD_EXPIRED"),
        ("nobody-knows-it", 422, "TOKEN_ID_NOT_FOUND"),
    ] {
        assert_eq!(refusal(&api.pay("1", method).await), (status, issue), "{method}");
    }
    let mut wrong_place = charge("paypal_ok");
    wrong_place["payment_source"] = json!({ "card": { "vault_id": "paypal_ok" } });
    let answer = api.post("/v2/checkout/orders", Some("1"), &wrong_place).await;
    assert_eq!(refusal(&answer), (422, "MISMATCHED_VAULT_ID_TO_PAYMENT_SOURCE"));
    assert!(api.paypal.books(ACCOUNT).captures.is_empty());
    assert_eq!(api.pay("1", "paypal_ok").await.0, 201);
}

#[tokio::test]
async fn an_order_may_be_completed_and_its_capture_not() {
    let api = Api::start().await;
    let (status, order) = api.pay("1", "card_5120_02").await;
    assert_eq!((status, &order["status"]), (201, &json!("COMPLETED")));
    let capture = capture_of(&order);
    assert_eq!(capture["status"], "DECLINED");
    assert_eq!(capture["processor_response"], json!({ "response_code": "5120", "payment_advice_code": "02" }));
    let (_, order) = api.pay("2", "paypal_pending_ECHECK").await;
    let capture = capture_of(&order);
    assert_eq!((&capture["status"], &capture["status_details"]["reason"]), (&json!("PENDING"), &json!("ECHECK")));
    assert_eq!(api.captured(), 0);

    let id = capture["id"].as_str().unwrap();
    assert!(api.paypal.finish_capture(id, true));
    assert!(!api.paypal.finish_capture(id, false), "that is over");
    api.paypal.set_captures(CapturesBecome::Pending);
    let id = api.paid("3").await;
    assert!(api.paypal.finish_capture(&id, false));
    assert_eq!(api.get(&format!("/v2/payments/captures/{id}")).await.1["status"], "DECLINED");
    assert_eq!(api.captured(), 2500);
    let captures: Vec<String> = api.told().into_iter().filter(|name| name.contains("CAPTURE")).collect();
    let names = ["DECLINED", "PENDING", "COMPLETED", "PENDING", "DENIED"];
    assert_eq!(captures, names.map(|name| format!("PAYMENT.CAPTURE.{name}")));
}

#[tokio::test]
async fn an_order_without_a_vaulted_method_waits_for_its_payer() {
    let api = Api::start().await;
    let mut bare = charge("");
    bare.as_object_mut().unwrap().remove("payment_source");
    let mut wallet = charge("");
    let urls = json!({ "return_url": "https://example.com/back", "cancel_url": "https://example.com/no" });
    wallet["payment_source"] = json!({ "paypal": { "experience_context": urls } });
    for (body, status, state, rel) in
        [(bare, 201, "CREATED", "approve"), (wallet, 200, "PAYER_ACTION_REQUIRED", "payer-action")]
    {
        let (answered, order) = api.post("/v2/checkout/orders", Some(state), &body).await;
        assert_eq!((answered, &order["status"]), (status, &json!(state)));
        let id = order["id"].as_str().unwrap();
        let path = format!("/v2/checkout/orders/{id}/capture");
        assert_eq!(refusal(&api.post(&path, Some("a"), &json!({})).await), (422, "ORDER_NOT_APPROVED"));
        let links = order["links"].as_array().unwrap();
        let page = links.iter().find(|link| link["rel"] == rel).unwrap()["href"].as_str().unwrap();
        let visit = api.http.post(page).form(&[("choice", "approve")]).send().await.unwrap();
        assert_eq!(visit.headers().get("location").is_some(), state != "CREATED");
        assert_eq!(api.get(&format!("/v2/checkout/orders/{id}")).await.1["status"], "APPROVED");
        let (first, captured) = api.post(&path, Some(state), &json!({})).await;
        let (again, replayed) = api.post(&path, Some(state), &json!({})).await;
        assert_eq!((first, again, &captured["status"], &captured), (201, 200, &json!("COMPLETED"), &replayed));
    }
    assert_eq!(api.captured(), 5000);
    assert_eq!(api.told()[0], "CHECKOUT.ORDER.APPROVED");
}

#[tokio::test]
async fn an_order_that_no_payer_approves_is_forgotten_after_three_hours() {
    let api = Api::start().await;
    let mut waits = charge("");
    waits.as_object_mut().unwrap().remove("payment_source");
    let create = async |id: &str| {
        let (_, order) = api.post("/v2/checkout/orders", Some(id), &waits).await;
        order["id"].as_str().unwrap().to_owned()
    };
    let (forgotten, approved) = (create("1").await, create("2").await);
    let read = async |id: &str| api.get(&format!("/v2/checkout/orders/{id}")).await;
    api.clock.advance(Duration::from_secs(3 * 3600 - 1));
    assert!(api.paypal.approve_order(&approved, "paypal_ok"));
    assert_eq!(read(&forgotten).await.0, 200);
    api.clock.advance(Duration::from_secs(1));
    assert_eq!(refusal(&read(&forgotten).await), (404, "INVALID_RESOURCE_ID"));
    assert!(!api.paypal.approve_order(&forgotten, "paypal_ok"));
    let capture = api.post(&format!("/v2/checkout/orders/{forgotten}/capture"), Some("a"), &json!({})).await;
    assert_eq!(capture.0, 404);
    assert_eq!(api.post("/v2/checkout/orders", Some("1"), &waits).await.0, 404);
    assert_eq!(read(&approved).await.1["status"], "APPROVED");
}

#[tokio::test]
async fn an_invoice_is_paid_once_where_the_account_says_so() {
    let api = Api::start().await;
    api.pay("1", "card_declined").await;
    api.paypal.set_unique_invoices(ACCOUNT, true);
    assert_eq!(api.pay("2", "paypal_ok").await.0, 201, "what was declined is no payment");
    assert_eq!(refusal(&api.pay("3", "paypal_ok").await), (422, "DUPLICATE_INVOICE_ID"));
    assert_eq!(api.captured(), 2500);
}

#[tokio::test]
async fn orders_that_paypal_refuses_are_refused() {
    let api = Api::start().await;
    let with = |pointer: &str, value: Value| {
        let mut order = charge("paypal_ok");
        *order.pointer_mut(pointer).unwrap() = value;
        order
    };
    let money = |currency: &str, value: &str| {
        with("/purchase_units/0/amount", json!({ "currency_code": currency, "value": value }))
    };
    let credential =
        |name: &str, value: &str| with(&format!("/payment_source/paypal/stored_credential/{name}"), json!(value));
    let unit =
        |reference: &str| json!({ "reference_id": reference, "amount": { "currency_code": "USD", "value": "1.00" } });
    let amount = "/purchase_units/0/amount";
    for (order, status, issue, field) in [
        (json!({ "intent": "CAPTURE" }), 400, "MISSING_REQUIRED_PARAMETER", "/purchase_units".to_owned()),
        (with("/purchase_units", json!([])), 400, "INVALID_ARRAY_MIN_ITEMS", "/purchase_units".to_owned()),
        (with("/intent", json!("PAY")), 400, "INVALID_PARAMETER_VALUE", "/intent".to_owned()),
        (with("/intent", json!(1)), 400, "INVALID_PARAMETER_SYNTAX", "/intent".to_owned()),
        (with("/intent", json!("AUTHORIZE")), 422, "UNSUPPORTED_INTENT", "/intent".to_owned()),
        (
            with(amount, json!({ "currency_code": "USD", "value": 25 })),
            400,
            "INVALID_PARAMETER_SYNTAX",
            format!("{amount}/value"),
        ),
        (
            with(amount, json!({ "currency_code": "USD", "value": "1", "vaule": "1" })),
            400,
            "NOT_SUPPORTED",
            format!("{amount}/vaule"),
        ),
        (money("USD", "25,00"), 400, "INVALID_PARAMETER_SYNTAX", format!("{amount}/value")),
        (money("USD", "1.234"), 422, "DECIMAL_PRECISION", format!("{amount}/value")),
        (money("JPY", "1.00"), 422, "DECIMALS_NOT_SUPPORTED", format!("{amount}/value")),
        (money("USD", "0.00"), 422, "CANNOT_BE_ZERO_OR_NEGATIVE", format!("{amount}/value")),
        (money("KWD", "1.00"), 422, "INVALID_CURRENCY_CODE", format!("{amount}/currency_code")),
        (
            with("/purchase_units/0/custom_id", json!("x".repeat(128))),
            400,
            "INVALID_STRING_LENGTH",
            "/purchase_units/0/custom_id".to_owned(),
        ),
        (
            credential("payment_type", "ONE_TIME"),
            422,
            "INCOMPATIBLE_PARAMETER_VALUE",
            "/payment_source/paypal/stored_credential/payment_type".to_owned(),
        ),
        (
            credential("usage", "FIRST"),
            422,
            "INCOMPATIBLE_PARAMETER_VALUE",
            "/payment_source/paypal/stored_credential/usage".to_owned(),
        ),
        (
            with("/purchase_units", json!([unit("a"), unit("a")])),
            422,
            "DUPLICATE_REFERENCE_ID",
            "/purchase_units/1/reference_id".to_owned(),
        ),
        (
            with("/purchase_units", json!([unit("a"), unit("b")])),
            422,
            "MERCHANT_INITIATED_WITH_MULTIPLE_PURCHASE_UNITS",
            String::new(),
        ),
        (
            with("/payment_source", json!({ "card": { "number": "4111111111111111", "expiry": "2030-08" } })),
            422,
            "NOT_ENABLED_FOR_CARD_PROCESSING",
            String::new(),
        ),
    ] {
        let answer = api.post("/v2/checkout/orders", Some("1"), &order).await;
        assert_eq!(refusal(&answer), (status, issue), "{order}");
        assert_eq!(answer.1["details"][0]["field"].as_str().unwrap_or_default(), field);
        let name = if status == 400 { "INVALID_REQUEST" } else { "UNPROCESSABLE_ENTITY" };
        assert_eq!(answer.1["name"], name);
        assert!(answer.1["debug_id"].is_string());
    }
    let no_id = api.post("/v2/checkout/orders", None, &charge("paypal_ok")).await;
    assert_eq!(refusal(&no_id), (400, "PAYPAL_REQUEST_ID_REQUIRED"));
    let long = api.post("/v2/checkout/orders", Some(&"x".repeat(109)), &charge("paypal_ok")).await;
    assert_eq!(refusal(&long), (400, "INVALID_STRING_LENGTH"));
    let text = api.request(reqwest::Method::POST, "/v2/checkout/orders", Some("1"));
    let malformed = text.header("content-type", "application/json").body("{").send().await.unwrap();
    assert_eq!(malformed.json::<Value>().await.unwrap()["details"][0]["issue"], "MALFORMED_REQUEST_JSON");
    let form = api.request(reqwest::Method::POST, "/v2/checkout/orders", Some("1")).form(&[("a", "b")]);
    assert_eq!(form.send().await.unwrap().status(), 415);
    assert!(api.paypal.books(ACCOUNT).captures.is_empty());
}
