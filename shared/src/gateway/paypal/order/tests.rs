use serde_json::json;

use super::*;
use crate::gateway::paypal::stub::{
    Stub, TIMEOUT, capture, clock, issue, known, order, payment_id, receivable, secret, usd,
};
use crate::model::movement::Movement;

async fn send(stub: &Stub, payment: &Payment, order: Option<&str>) -> Answer {
    stub.paypal(&clock()).send(&secret(), Movement::Payment(payment), order, TIMEOUT).await
}

#[tokio::test]
async fn one_request_creates_and_captures_under_our_id() {
    let stub =
        Stub::start(|asked| asked.line.contains("orders").then(|| (201, order("COMPLETED", &[capture("COMPLETED")]))));
    let answer = send(&stub, &receivable(), None).await;
    assert_eq!(answer.outcome, Outcome::Succeeded);
    let seen = answer.seen.unwrap();
    assert_eq!((seen.reference.as_str(), seen.money), ("CAP1", Some(receivable().money())));
    assert_eq!(seen.our_id, Some(payment_id()));
    assert!(is_ours(&receivable(), &answer.begun.unwrap()));

    let asked = stub.asked().pop().unwrap();
    assert_eq!(asked.line, "POST /v2/checkout/orders");
    assert_eq!(asked.header("paypal-request-id"), Some(payment_id().as_str()));
    assert_eq!(asked.header("prefer"), Some("return=representation"));
    let unit = &asked.body["purchase_units"][0];
    assert_eq!(unit["amount"], usd("500.00"));
    assert_eq!((&unit["custom_id"], &unit["invoice_id"]), (&json!(payment_id()), &json!(payment_id())));
    let source = &asked.body["payment_source"]["paypal"];
    assert_eq!(source["vault_id"], "8kk8451t");
    assert_eq!(source["stored_credential"]["payment_initiator"], "MERCHANT");
}

#[tokio::test]
async fn a_card_is_named_as_a_card_and_a_long_description_is_cut() {
    let mut payment = receivable();
    payment.frozen.method = Source::Card.frozen("tok:1");
    payment.frozen.description = "ä".repeat(200);
    let body = body(&payment).unwrap();
    assert_eq!(body["payment_source"]["card"]["vault_id"], "tok:1");
    assert_eq!(body["purchase_units"][0]["description"].as_str().unwrap().chars().count(), 127);
    payment.frozen.method = "8kk8451t".to_owned();
    assert_eq!(super::body(&payment), None, "nobody froze that");
}

#[tokio::test]
async fn an_amount_that_paypal_does_not_take_is_never_sent() {
    let stub = Stub::start(|_| None);
    for (amount, code) in [(50_050, "HUF"), (50_000, "KRW"), (0, "USD")] {
        let payment = Payment { amount, currency: code.parse().unwrap(), ..receivable() };
        let answer = send(&stub, &payment, None).await;
        assert_eq!(answer.outcome, Outcome::NotSent(Trouble::Rejected), "{code}");
    }
    assert!(stub.asked().is_empty());
}

#[tokio::test]
async fn the_first_order_under_an_id_shows_what_it_is_whatever_was_asked() {
    let stub = Stub::start(|asked| {
        let mut first = order("COMPLETED", &[capture("COMPLETED")]);
        first["purchase_units"][0]["payments"]["captures"][0]["amount"] = usd("7.00");
        asked.line.contains("orders").then_some((200, first))
    });
    let seen = send(&stub, &receivable(), None).await.seen.unwrap();
    assert_ne!(seen.money, Some(receivable().money()));
}

#[tokio::test]
async fn an_order_that_is_approved_is_captured_and_another_one_never() {
    let stub = Stub::start(|asked| match asked.line.as_str() {
        "POST /v2/checkout/orders" | "GET /v2/checkout/orders/ORD1" => Some((200, order("APPROVED", &[]))),
        "POST /v2/checkout/orders/ORD1/capture" => {
            // Less than all of it.
            let capture = json!({ "id": "CAP1", "status": "COMPLETED", "amount": usd("500.00") });
            Some((
                201,
                json!({ "id": "ORD1", "status": "COMPLETED", "purchase_units": [{ "payments": { "captures": [capture] } }] }),
            ))
        }
        _ => None,
    });
    for order in [None, Some("ORD1")] {
        let answer = send(&stub, &receivable(), order).await;
        assert_eq!(answer.outcome, Outcome::Succeeded);
        let seen = answer.seen.unwrap();
        assert_eq!((seen.reference.as_str(), seen.our_id), ("CAP1", Some(payment_id())));
        let asked = stub.asked().pop().unwrap();
        assert_eq!(asked.header("paypal-request-id"), Some(format!("{}-capture", payment_id()).as_str()));
    }

    for (member, other) in [("custom_id", json!("pay_of_another")), ("amount", usd("7.00"))] {
        let stub = Stub::start(move |asked| {
            let mut order = order("APPROVED", &[]);
            order["purchase_units"][0][member] = other.clone();
            asked.line.contains("orders").then_some((200, order))
        });
        let answer = send(&stub, &receivable(), None).await;
        assert!(matches!(answer.outcome, Outcome::Unknown(_)));
        assert!(!is_ours(&receivable(), &answer.begun.unwrap()));
        assert_eq!(stub.lines(), ["POST /v2/checkout/orders"], "{member}");
    }
}

#[tokio::test]
async fn a_capture_that_fails_leaves_what_the_order_shows() {
    let captured = order("COMPLETED", &[capture("COMPLETED")]);
    let approved = order("APPROVED", &[]);
    let waits = order("PAYER_ACTION_REQUIRED", &[]);
    let cases = [
        (422, issue("ORDER_ALREADY_CAPTURED"), captured.clone(), Outcome::Succeeded),
        (422, issue("ORDER_COMPLETION_IN_PROGRESS"), approved.clone(), Outcome::Unknown(Trouble::Conflict)),
        (403, json!({ "name": "NOT_AUTHORIZED" }), approved.clone(), Outcome::Unknown(Trouble::KeyRefused)),
        (422, issue("ORDER_NOT_APPROVED"), waits, Outcome::RequiresAction),
        (500, json!({ "name": "INTERNAL_SERVER_ERROR" }), captured, Outcome::Succeeded),
        (503, json!("<html>"), approved.clone(), Outcome::Unknown(Trouble::Fault)),
    ];
    for (status, error, after, outcome) in cases {
        let first = Mutex::new(true);
        let said = error.to_string();
        let stub = Stub::start(move |asked| match asked.line.as_str() {
            "POST /v2/checkout/orders/ORD1/capture" => Some((status, error.clone())),
            "GET /v2/checkout/orders/ORD1" => {
                let is_first = std::mem::replace(&mut *first.lock().unwrap(), false);
                Some((200, if is_first { order("APPROVED", &[]) } else { after.clone() }))
            }
            _ => None,
        });
        let answer = send(&stub, &receivable(), Some("ORD1")).await;
        assert_eq!(answer.outcome, outcome, "{said}");
    }
    let stub = Stub::start(move |asked| match asked.line.as_str() {
        "POST /v2/checkout/orders/ORD1/capture" => Some((422, issue("INSTRUMENT_DECLINED"))),
        _ => asked.line.contains("orders").then(|| (200, order("APPROVED", &[]))),
    });
    assert!(matches!(send(&stub, &receivable(), Some("ORD1")).await.outcome, Outcome::Declined(_)));
}

#[tokio::test]
async fn no_capture_is_begun_in_too_little_time_to_hear_of_it() {
    let stub = Stub::start(|asked| {
        std::thread::sleep(std::time::Duration::from_millis(if asked.line.starts_with("GET") { 700 } else { 0 }));
        asked.line.contains("orders").then(|| (200, order("APPROVED", &[])))
    });
    let timeout = crate::bounds::GATEWAY_TIMEOUT_MIN + std::time::Duration::from_millis(100);
    let payment = receivable();
    let answer = stub.paypal(&clock()).send(&secret(), Movement::Payment(&payment), Some("ORD1"), timeout).await;
    assert_eq!((answer.outcome, answer.again), (Outcome::Unknown(Trouble::Undecided), true));
    assert_eq!(stub.lines(), ["GET /v2/checkout/orders/ORD1"]);
}

#[tokio::test]
async fn a_customer_is_sent_to_paypals_own_pages_alone() {
    let approves_at = async |href: Box<dyn Fn(&str) -> String + Send>| {
        let base = std::sync::Arc::new(Mutex::new(String::new()));
        let own = std::sync::Arc::clone(&base);
        let stub = Stub::start(move |asked| {
            let mut order = order("PAYER_ACTION_REQUIRED", &[]);
            order["links"][0]["href"] = json!(href(&own.lock().unwrap()));
            asked.line.contains("orders").then_some((200, order))
        });
        base.lock().unwrap().clone_from(&stub.base);
        let answer = send(&stub, &receivable(), None).await;
        assert_eq!(answer.outcome, Outcome::RequiresAction);
        answer.next_action.is_some()
    };
    for good in
        ["https://www.paypal.com/checkoutnow?token=1", "https://www.sandbox.paypal.com/x", "https://paypal.com/x"]
    {
        assert!(approves_at(Box::new(move |_| good.to_owned())).await, "{good}");
    }
    assert!(approves_at(Box::new(|base| format!("{base}/checkoutnow?token=1"))).await, "a simulator's own");
    for bad in [
        "https://paypal.com.example.com/x",
        "https://evilpaypal.com/x",
        "https://example.com/www.paypal.com",
        "https://www.paypal.com@example.com/x",
        "https://user@www.paypal.com/x",
        "http://www.paypal.com/x",
        "https://127.0.0.1/x",
        "http://127.0.0.2:1/x",
        "javascript:alert(1)",
        "/checkoutnow",
    ] {
        assert!(!approves_at(Box::new(move |_| bad.to_owned())).await, "{bad}");
    }
}

#[tokio::test]
async fn what_has_an_order_or_an_id_is_never_created_again() {
    let stub = Stub::start(|_| None);
    let answer = send(&stub, &receivable(), Some("ORD1")).await;
    assert!(matches!(answer.outcome, Outcome::Unknown(_)), "an order that is gone says nothing");
    let answer = send(&stub, &known(receivable(), "CAP1"), None).await;
    assert!(matches!(answer.outcome, Outcome::Unknown(_)));
    assert_eq!(stub.lines(), ["GET /v2/checkout/orders/ORD1", "GET /v2/payments/captures/CAP1"]);
}

#[tokio::test]
async fn a_look_up_reads_what_is_known_and_executes_nothing() {
    let stub = Stub::start(|asked| match asked.line.as_str() {
        "GET /v2/checkout/orders/ORD1" => Some((200, order("APPROVED", &[]))),
        "GET /v2/payments/captures/CAP1" => Some((200, capture("PENDING"))),
        _ => None,
    });
    let paypal = stub.paypal(&clock());
    let time = || Some(TIMEOUT);
    let (fresh, captured) = (receivable(), known(receivable(), "CAP1"));
    let found = paypal.find(&secret(), Movement::Payment(&captured), Some("ORD1"), &time).await;
    assert!(matches!(found, Found::Object(answer) if answer.outcome == Outcome::Pending));
    let found = paypal.find(&secret(), Movement::Payment(&fresh), Some("ORD1"), &time).await;
    assert!(
        matches!(found, Found::Object(answer) if matches!(answer.outcome, Outcome::Unknown(_)) && answer.begun.is_some())
    );
    let found = paypal.cancel(&secret(), Movement::Payment(&captured), "CAP1", TIMEOUT).await;
    assert!(matches!(found, Found::Object(answer) if answer.outcome == Outcome::Pending));
    assert!(stub.lines().iter().all(|line| line.starts_with("GET ")));
    let nobody = paypal.find(&secret(), Movement::Payment(&fresh), None, &|| None).await;
    assert!(matches!(nobody, Found::Unanswered(_)));
}

use std::sync::Mutex;
