use crate::model::payment::{Failure, FailureCode};
use serde_json::json;

use super::*;
use crate::gateway::paypal::stub::{
    Stub, TIMEOUT, batch, clock, header, issue, known as with_id, payable, payment_id, secret,
};
use crate::model::movement::Movement;

async fn send(stub: &Stub, payment: &Payment) -> Answer {
    stub.paypal(&clock()).send(&secret(), Movement::Payment(payment), None, TIMEOUT).await
}

fn duplicate(link: bool) -> Value {
    let link = link.then(|| json!([{ "href": "https://api-m.sandbox.paypal.com/v1/payments/payouts/BAT1", "rel": "self", "method": "GET" }]));
    json!({ "name": "USER_BUSINESS_ERROR", "message": "…", "details": [{ "field": "SENDER_BATCH_ID", "location": "body",
            "issue": "Batch with given sender_batch_id already exists", "link": link }] })
}

#[tokio::test]
async fn a_payout_is_one_item_under_our_id_and_pending_when_it_is_taken() {
    let stub = Stub::start(|asked| {
        let taken = json!({ "batch_header": header("PENDING"), "links": [] });
        (asked.line == "POST /v1/payments/payouts").then_some((201, taken))
    });
    let answer = send(&stub, &payable()).await;
    assert_eq!(answer.outcome, Outcome::Pending);
    let seen = answer.seen.unwrap();
    assert_eq!((seen.reference.as_str(), seen.money), ("BAT1", Some(payable().money())));
    assert_eq!(seen.our_id, Some(payment_id()));
    let body = stub.asked().pop().unwrap().body;
    assert_eq!(body["sender_batch_header"]["sender_batch_id"], json!(payment_id()));
    let items = body["items"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["sender_item_id"], json!(payment_id()));
    assert_eq!(items[0]["receiver"], "vendor@example.com");
    assert_eq!(items[0]["amount"], json!({ "value": "500.00", "currency": "USD" }));
}

#[tokio::test]
async fn a_batch_under_our_id_is_adopted_unless_it_was_denied() {
    let cases = [
        ("PENDING", "PENDING", Outcome::Pending),
        ("SUCCESS", "SUCCESS", Outcome::Succeeded),
        ("SUCCESS", "UNCLAIMED", Outcome::Pending),
        ("DENIED", "FAILED", Outcome::Unknown(Trouble::Undecided)),
        // It keeps our id, and nothing is sent under that again.
        ("SUCCESS", "FAILED", Outcome::Declined(Failure::new(FailureCode::Declined, None))),
    ];
    for (status, item, outcome) in cases {
        let stub = Stub::start(move |asked| match asked.line.as_str() {
            "POST /v1/payments/payouts" => Some((400, duplicate(true))),
            "GET /v1/payments/payouts/BAT1" => Some((200, batch(status, item, None))),
            _ => None,
        });
        let answer = send(&stub, &payable()).await;
        assert_eq!(answer.outcome, outcome, "{status} {item}");
        // The id of a batch that may not be ours is not taken either.
        assert_eq!(answer.seen.is_some(), outcome.is_known());
    }
    let stub = Stub::start(|asked| (asked.line == "POST /v1/payments/payouts").then(|| (400, duplicate(true))));
    assert!(matches!(send(&stub, &payable()).await.outcome, Outcome::Unknown(_)));
    let stub = Stub::start(|asked| (asked.line == "POST /v1/payments/payouts").then(|| (400, duplicate(false))));
    assert!(matches!(send(&stub, &payable()).await.outcome, Outcome::Unknown(_)));
}

#[tokio::test]
async fn nothing_is_sent_once_a_batch_is_known_and_a_denied_one_has_failed() {
    let stub = Stub::start(|asked| {
        asked.line.starts_with("GET ").then(|| (200, batch("DENIED", "FAILED", Some("SELF_PAY_NOT_ALLOWED"))))
    });
    let payment = with_id(payable(), "BAT1");
    assert!(Unsent::of(&payment, "vendor@example.com").is_none());
    let answer = send(&stub, &payment).await;
    let failure = Failure::new(FailureCode::Declined, Some("SELF_PAY_NOT_ALLOWED".to_owned()));
    assert_eq!(answer.outcome, Outcome::Declined(failure));
    assert_eq!(stub.lines(), ["GET /v1/payments/payouts/BAT1"]);

    // Another batch than the stored one.
    let found = stub.paypal(&clock()).read(&secret(), Movement::Payment(&payment), "BAT2", TIMEOUT).await;
    assert!(matches!(found, Found::Object(answer) if matches!(answer.outcome, Outcome::Unknown(_))));
}

#[tokio::test]
async fn what_paypal_refuses_to_take_did_nothing() {
    let validation = json!({ "name": "VALIDATION_ERROR", "details": [{ "field": "items[0].receiver", "issue": "Receiver is invalid" }] });
    let refused = |code, gateway_code: &str| Outcome::Refused(Failure::new(code, Some(gateway_code.to_owned())));
    let cases = [
        (422, issue("INSUFFICIENT_FUNDS"), refused(FailureCode::InsufficientFunds, "INSUFFICIENT_FUNDS")),
        (400, validation, refused(FailureCode::Declined, "VALIDATION_ERROR")),
        (400, json!({ "name": "VALIDATION_ERROR" }), Outcome::NotSent(Trouble::Rejected)),
        (403, json!({ "name": "AUTHORIZATION_ERROR" }), Outcome::NotSent(Trouble::Rejected)),
        (422, issue("A_RULE_OF_TOMORROW"), refused(FailureCode::Declined, "A_RULE_OF_TOMORROW")),
        (500, json!({ "name": "INTERNAL_ERROR" }), Outcome::Unknown(Trouble::Fault)),
    ];
    for (status, error, outcome) in cases {
        let said = error.to_string();
        let stub = Stub::start(move |asked| asked.line.contains("payouts").then(|| (status, error.clone())));
        assert_eq!(send(&stub, &payable()).await.outcome, outcome, "{said}");
    }
}

#[tokio::test]
async fn an_unclaimed_payout_is_canceled_and_any_other_is_what_it_is() {
    for (cancel, after, outcome) in [
        (200, "RETURNED", Some(Outcome::Canceled)),
        // Claimed in the meantime.
        (400, "SUCCESS", Some(Outcome::Succeeded)),
        (500, "UNCLAIMED", Some(Outcome::Pending)),
    ] {
        let item = std::sync::Mutex::new("UNCLAIMED");
        let stub = Stub::start(move |asked| match asked.line.as_str() {
            "GET /v1/payments/payouts/BAT1" => Some((200, batch("SUCCESS", *item.lock().unwrap(), None))),
            "POST /v1/payments/payouts-item/ITEM1/cancel" => {
                *item.lock().unwrap() = after;
                Some((cancel, json!({ "name": "ITEM_INCORRECT_STATUS", "transaction_status": after })))
            }
            _ => None,
        });
        let payment = with_id(payable(), "BAT1");
        let found = stub.paypal(&clock()).cancel(&secret(), Movement::Payment(&payment), "BAT1", TIMEOUT).await;
        let Found::Object(answer) = found else { panic!("{found:?}") };
        assert_eq!(Some(answer.outcome), outcome);
        let asked = stub.asked().into_iter().find(|asked| asked.line.ends_with("/cancel")).unwrap();
        assert_eq!((asked.header("content-type"), &asked.body), (Some("application/json"), &json!("")));
    }
    let stub = Stub::start(|asked| asked.line.starts_with("GET ").then(|| (200, batch("SUCCESS", "SUCCESS", None))));
    let payment = with_id(payable(), "BAT1");
    let found = stub.paypal(&clock()).cancel(&secret(), Movement::Payment(&payment), "BAT1", TIMEOUT).await;
    assert!(matches!(found, Found::Object(answer) if answer.outcome == Outcome::Succeeded));
    assert_eq!(stub.lines().len(), 1);
}

#[tokio::test]
async fn a_look_up_reads_the_batch_that_is_known() {
    let stub = Stub::start(|asked| asked.line.ends_with("BAT1").then(|| (200, batch("SUCCESS", "REVERSED", None))));
    let payment = with_id(payable(), "BAT1");
    let paypal = stub.paypal(&clock());
    let found = paypal.find(&secret(), Movement::Payment(&payment), None, &|| Some(TIMEOUT)).await;
    assert!(matches!(found, Found::Object(answer) if answer.outcome == Outcome::Succeeded && answer.came_back));
}
