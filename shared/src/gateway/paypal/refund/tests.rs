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

fn up(mut refund: serde_json::Value, capture: &str) -> serde_json::Value {
    refund["links"] =
        json!([{ "rel": "up", "href": format!("https://api.paypal.com/v2/payments/captures/{capture}") }]);
    refund
}

/// The refunds of `CAP1`, of an order with these captures and refunds; the capture names no order.
async fn listed(captures: &[&str], refunds: Vec<serde_json::Value>) -> Result<Vec<SeenRefund>, Trouble> {
    let mut all = order("COMPLETED", &[]);
    let one = |id: &&str| {
        let mut one = capture(if *id == "CAP1" { "REFUNDED" } else { "DECLINED" });
        one["id"] = json!(id);
        one
    };
    all["purchase_units"][0]["payments"] =
        json!({ "captures": captures.iter().map(one).collect::<Vec<_>>(), "refunds": refunds });
    let stub = Stub::start(move |asked| (asked.line == "GET /v2/checkout/orders/ORD1").then(|| (200, all.clone())));
    let refunds = stub.paypal(&clock()).refunds(&secret(), "CAP1", Some("ORD1"), &|| Some(TIMEOUT)).await;
    assert_eq!(stub.lines(), ["GET /v2/checkout/orders/ORD1"]);
    refunds
}

#[tokio::test]
async fn the_refunds_of_a_capture_are_those_of_its_order_newest_first() {
    let external = json!({ "id": "REF2", "status": "COMPLETED", "amount": usd("7.00"),
                           "create_time": "2027-01-15T09:00:00Z" });
    let ids = |refunds: Vec<SeenRefund>| -> Vec<_> {
        refunds.into_iter().map(|one| (one.reference, one.labels.refund_id)).collect()
    };
    let both = [("REF2".to_owned(), None), ("REF1".to_owned(), Some(refund_id()))];
    let alone = listed(&["CAP1"], vec![object("COMPLETED"), external.clone()]).await;
    assert_eq!(ids(alone.unwrap()), both);
    // Beside a capture that was declined each refund says which it is of.
    let of = |capture: &str| vec![up(object("COMPLETED"), "CAP1"), up(external.clone(), capture)];
    assert_eq!(ids(listed(&["CAP0", "CAP1"], of("CAP1")).await.unwrap()), both);
    assert_eq!(ids(listed(&["CAP0", "CAP1"], of("CAP0")).await.unwrap()), both[1..]);
    assert_eq!(listed(&["CAP0", "CAP1"], vec![external]).await.unwrap_err(), Trouble::Undecided);
    assert_eq!(listed(&["CAP0"], Vec::new()).await.unwrap_err(), Trouble::Undecided);
}

#[tokio::test]
async fn an_order_that_is_not_in_the_books_is_named_by_its_capture() {
    let stub = Stub::start(|asked| match asked.line.as_str() {
        "GET /v2/payments/captures/CAP1" => Some((200, capture("COMPLETED"))),
        "GET /v2/checkout/orders/ORD1" => Some((200, order("COMPLETED", &[capture("COMPLETED")]))),
        _ => None,
    });
    let refunds = stub.paypal(&clock()).refunds(&secret(), "CAP1", None, &|| Some(TIMEOUT)).await;
    assert!(refunds.unwrap().is_empty());
}
