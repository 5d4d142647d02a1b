use serde_json::{Value, json};

use super::*;
use crate::gateway::paypal::stub::{
    Stub, TIMEOUT, batch, capture, clock, header, payable, payment_id, receivable, refund, refund_id, secret, usd,
};

fn page(events: &[(&str, Value)], next: Option<&str>) -> Value {
    let events: Vec<Value> = events
        .iter()
        .map(|(kind, resource)| json!({ "id": "WH-1", "event_type": kind, "resource": resource }))
        .collect();
    let links: Vec<Value> = next.map(|href| json!({ "rel": "next", "href": href })).into_iter().collect();
    json!({ "events": events, "count": events.len(), "links": links })
}

async fn find(stub: &Stub, movement: Movement<'_>) -> Found {
    stub.paypal(&clock()).find(&secret(), movement, None, &|| Some(TIMEOUT)).await
}

#[tokio::test]
async fn what_an_event_names_with_our_id_is_read_on_whatever_page_it_is() {
    let mut other = capture("COMPLETED");
    other["custom_id"] = json!("pay_other");
    other["invoice_id"] = json!(null);
    let stub = Stub::start(move |asked| match asked.line.as_str() {
        "GET /v1/notifications/webhooks-events?next_page_token=2" => {
            Some((200, page(&[("PAYMENT.CAPTURE.PENDING", capture("PENDING"))], None)))
        }
        "GET /v2/payments/captures/CAP1" => Some((200, capture("COMPLETED"))),
        line if line.contains("webhooks-events") => {
            let next = "https://api-m.paypal.com/v1/notifications/webhooks-events?next_page_token=2";
            Some((200, page(&[("PAYMENT.CAPTURE.COMPLETED", other.clone()), ("X", json!(null))], Some(next))))
        }
        _ => None,
    });
    let payment = receivable();
    let Found::Object(answer) = find(&stub, Movement::Payment(&payment)).await else { panic!("not found") };
    assert_eq!(answer.outcome, Outcome::Succeeded);
    let lines = stub.lines();
    assert!(lines[0].contains("start_time=2027-01-15T07%3A55%3A00.000Z"), "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("GET ")), "a look-up executes nothing");
}

#[tokio::test]
async fn nothing_found_says_nothing_and_no_answer_says_why() {
    let payment = receivable();
    let stub = Stub::start(|asked| asked.line.contains("webhooks-events").then(|| (200, page(&[], None))));
    assert!(matches!(find(&stub, Movement::Payment(&payment)).await, Found::Nothing));
    let stub = Stub::start(|asked| asked.line.contains("webhooks-events").then(|| (500, json!({}))));
    assert!(matches!(find(&stub, Movement::Payment(&payment)).await, Found::Unanswered(Trouble::Fault)));
    let stub = Stub::start(|asked| asked.line.contains("webhooks-events").then(|| (200, json!("x"))));
    assert!(matches!(find(&stub, Movement::Payment(&payment)).await, Found::Unanswered(Trouble::Unreadable)));
}

#[tokio::test]
async fn a_refund_is_found_by_its_own_id_and_a_reversal_is_no_capture() {
    let one = json!({ "id": "REF1", "status": "COMPLETED", "amount": usd("5.00"), "custom_id": refund_id() });
    let reversal = json!({ "id": "REV1", "status": "COMPLETED", "amount": usd("500.00"), "custom_id": payment_id() });
    let stub = Stub::start(move |asked| match asked.line.as_str() {
        "GET /v2/payments/refunds/REF1" => Some((200, one.clone())),
        line if line.contains("webhooks-events") => Some((
            200,
            page(&[("PAYMENT.CAPTURE.REVERSED", reversal.clone()), ("PAYMENT.CAPTURE.REFUNDED", one.clone())], None),
        )),
        _ => None,
    });
    let (refund, payment) = (refund(), receivable());
    let found = find(&stub, Movement::Refund(&refund)).await;
    assert!(matches!(found, Found::Object(answer) if answer.outcome == Outcome::Succeeded));
    assert!(matches!(find(&stub, Movement::Payment(&payment)).await, Found::Nothing));
}

fn denied() -> Value {
    json!({ "batch_header": { "payout_batch_id": "BAT0", "batch_status": "DENIED",
                              "sender_batch_header": { "sender_batch_id": payment_id() } } })
}

/// What PayPal's batches and its events of them show of a payout whose batch is not in the books.
async fn unstored(events: Vec<(&'static str, Value)>, batch: Value) -> Found {
    let stub = Stub::start(move |asked| match asked.line.as_str() {
        "GET /v1/payments/payouts/BAT0" => Some((200, denied())),
        "GET /v1/payments/payouts/BAT1" => Some((200, batch.clone())),
        line if line.contains("webhooks-events") => Some((200, page(&events, None))),
        _ => None,
    });
    let payment = payable();
    find(&stub, Movement::Payment(&payment)).await
}

#[tokio::test]
async fn a_denied_batch_that_is_not_in_the_books_is_nothing_found_and_does_not_hide_the_one_that_pays() {
    let denies = || ("PAYMENT.PAYOUTSBATCH.DENIED", denied());
    let processes = ("PAYMENT.PAYOUTSBATCH.PROCESSING", json!({ "batch_header": header("PROCESSING") }));
    // A person can say the rest.
    let found = unstored(vec![denies()], json!({})).await;
    assert!(matches!(found, Found::Nothing), "{found:?}");
    let found = unstored(vec![denies(), processes.clone()], batch("SUCCESS", "SUCCESS", None)).await;
    assert!(matches!(found, Found::Object(answer) if answer.outcome == Outcome::Succeeded));
    // It is being processed, and may be denied yet.
    let found = unstored(vec![processes], batch("PROCESSING", "FAILED", None)).await;
    assert!(matches!(found, Found::Nothing), "{found:?}");
}

#[tokio::test]
async fn a_payout_that_failed_in_a_batch_that_keeps_our_id_has_failed_though_the_batch_was_not_in_the_books() {
    let item = batch("SUCCESS", "FAILED", None)["items"][0].clone();
    let found = unstored(vec![("PAYMENT.PAYOUTS-ITEM.FAILED", item)], batch("SUCCESS", "FAILED", None)).await;
    let Found::Object(answer) = found else { panic!("{found:?}") };
    assert!(matches!(answer.outcome, Outcome::Declined(_)), "{answer:?}");
    assert_eq!(answer.seen.unwrap().reference, "BAT1");
}

#[tokio::test]
async fn the_events_are_searched_up_to_now_and_as_far_back_as_paypal_has_them() {
    let events = |asked: &crate::gateway::paypal::stub::Asked| {
        asked.line.contains("webhooks-events").then(|| (200, page(&[], None)))
    };
    let (payout, order, refund) = (payable(), receivable(), refund());
    for (days, start) in [(3, "2027-01-15T07%3A55%3A00.000Z"), (40, "2027-01-25T08%3A00%3A00.000Z")] {
        let clock = clock();
        clock.advance(Duration::from_hours(days * 24));
        let end = clock.now().to_string().replace(':', "%3A");
        for movement in [Movement::Payment(&payout), Movement::Payment(&order), Movement::Refund(&refund)] {
            let stub = Stub::start(events);
            let found = stub.paypal(&clock).find(&secret(), movement, None, &|| Some(TIMEOUT)).await;
            assert!(matches!(found, Found::Nothing));
            let line = stub.lines().remove(0);
            assert!(line.contains(&format!("end_time={end}")), "{line}");
            assert!(line.contains(&format!("start_time={start}")), "{line}");
            assert!(!line.contains("event_type") && !line.contains("transaction_id"), "{line}");
        }
    }
}

#[test]
fn a_link_is_followed_below_the_list_alone() {
    let at = |path: &str| below_list(&format!("https://elsewhere.example{path}"));
    assert_eq!(at("/v1/notifications/webhooks-events?a=b"), Some("/v1/notifications/webhooks-events?a=b".to_owned()));
    assert_eq!(at("/v1/notifications/webhooks-events/WH-1/resend"), None);
    assert_eq!(at("/v1/payments/payouts"), None);
}
