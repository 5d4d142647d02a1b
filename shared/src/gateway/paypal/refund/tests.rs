use serde_json::json;

use super::*;
use crate::gateway::paypal::stub::{Stub, TIMEOUT, capture, clock, issue, order, refund, refund_id, secret, usd};
use crate::model::movement::Movement;
use crate::model::payment::{Gateway, reference_key};

fn object(status: &str) -> serde_json::Value {
    json!({ "id": "REF1", "status": status, "amount": usd("5.00"), "custom_id": refund_id(), "invoice_id": refund_id(),
            "create_time": "2027-01-15T08:00:00Z" })
}

#[tokio::test]
async fn a_refund_is_of_its_capture_under_our_refund_id() {
    let stub = Stub::start(|asked| asked.line.ends_with("/refund").then(|| (201, object("COMPLETED"))));
    let refund = refund();
    let answer = stub.paypal(&clock()).send(&secret(), Movement::Refund(&refund), None, TIMEOUT).await;
    assert_eq!(answer.outcome, Outcome::Succeeded);
    let seen = answer.seen.unwrap();
    assert_eq!((seen.reference.as_str(), seen.money, seen.our_id), ("REF1", Some(refund.money()), Some(refund_id())));
    let asked = stub.asked().pop().unwrap();
    assert_eq!(asked.line, "POST /v2/payments/captures/CAP1/refund");
    assert_eq!(asked.header("paypal-request-id"), Some(refund_id().as_str()));
    assert_eq!(asked.body, json!({ "amount": usd("5.00"), "custom_id": refund_id(), "invoice_id": refund_id() }));
}

#[tokio::test]
async fn a_refund_that_is_known_is_read_and_never_sent_and_can_not_be_canceled() {
    let stub = Stub::start(|asked| asked.line.ends_with("/refunds/REF1").then(|| (200, object("PENDING"))));
    let refund = refund();
    let refund = Refund { gateway_ref: Some(reference_key(&refund.tenant_id, Gateway::Stripe, "REF1")), ..refund };
    let paypal = stub.paypal(&clock());
    let movement = Movement::Refund(&refund);
    assert_eq!(paypal.send(&secret(), movement, None, TIMEOUT).await.outcome, Outcome::Pending);
    let found = paypal.find(&secret(), movement, None, &|| Some(TIMEOUT)).await;
    assert!(matches!(found, Found::Object(answer) if answer.outcome == Outcome::Pending));
    let found = paypal.cancel(&secret(), movement, "REF1", TIMEOUT).await;
    assert!(matches!(found, Found::Object(answer) if answer.outcome == Outcome::Pending));
    assert!(stub.lines().iter().all(|line| line == "GET /v2/payments/refunds/REF1"));
}

#[tokio::test]
async fn what_paypal_does_not_refund_or_does_not_count_that_finely_is_not_refunded() {
    let stub = Stub::start(|asked| asked.line.ends_with("/refund").then(|| (422, issue("CAPTURE_FULLY_REFUNDED"))));
    let refund = refund();
    let paypal = stub.paypal(&clock());
    let answer = paypal.send(&secret(), Movement::Refund(&refund), None, TIMEOUT).await;
    assert!(matches!(answer.outcome, Outcome::Refused(_)));
    let fine = Refund { currency: "HUF".parse().unwrap(), amount: 50, ..refund };
    let answer = paypal.send(&secret(), Movement::Refund(&fine), None, TIMEOUT).await;
    assert_eq!(answer.outcome, Outcome::NotSent(Trouble::Rejected));
    assert_eq!(stub.lines().len(), 1);
}

#[tokio::test]
async fn the_refunds_of_a_capture_are_those_of_its_order_newest_first() {
    for (captures, known) in
        [(vec![capture("REFUNDED")], true), (vec![capture("REFUNDED"), capture("DECLINED")], false)]
    {
        let stub = Stub::start(move |asked| match asked.line.as_str() {
            "GET /v2/payments/captures/CAP1" => Some((200, capture("REFUNDED"))),
            "GET /v2/checkout/orders/ORD1" => {
                let mut order = order("COMPLETED", &captures);
                let external = json!({ "id": "REF2", "status": "COMPLETED", "amount": usd("7.00"),
                                       "create_time": "2027-01-15T09:00:00Z" });
                order["purchase_units"][0]["payments"]["refunds"] = json!([object("COMPLETED"), external]);
                Some((200, order))
            }
            _ => None,
        });
        let refunds = stub.paypal(&clock()).refunds(&secret(), "CAP1", &|| Some(TIMEOUT)).await;
        match refunds {
            Ok(refunds) => {
                assert!(known);
                let ids: Vec<_> =
                    refunds.iter().map(|one| (one.reference.as_str(), one.labels.refund_id.clone())).collect();
                assert_eq!(ids, [("REF2", None), ("REF1", Some(refund_id()))]);
            }
            Err(trouble) => assert!(!known && trouble == Trouble::Undecided),
        }
    }
}
