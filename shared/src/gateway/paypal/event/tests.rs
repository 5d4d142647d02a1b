use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::gateway::paypal::stub::{batch, capture, header, now, order, payment_id, refund_id, usd};

fn event(kind: &str, resource: Value) -> PayPalEvent {
    let body = json!({ "id": "WH-1", "event_version": "1.0", "create_time": "2027-01-15T08:00:00Z", "resource_type": "x",
                       "event_type": kind, "summary": "…", "resource": resource, "links": [] });
    parse(body.to_string().as_bytes(), now()).unwrap()
}

fn about(kind: &str, resource: Value) -> (String, Labels, Hint) {
    match event(kind, resource).told {
        Told::Payment { reference, labels, hint } => (reference, labels, hint),
        other => panic!("{other:?}"),
    }
}

fn answer(hint: Hint) -> Answer {
    let Hint::Payment(answer) = hint else { panic!("{hint:?}") };
    *answer
}

#[test]
fn a_captures_events_tell_how_it_stands() {
    for (kind, status, outcome) in [
        ("PAYMENT.CAPTURE.COMPLETED", "COMPLETED", Some(Outcome::Succeeded)),
        ("PAYMENT.CAPTURE.PENDING", "PENDING", Some(Outcome::Pending)),
        ("PAYMENT.CAPTURE.DENIED", "DECLINED", None),
        ("PAYMENT.CAPTURE.DECLINED", "DECLINED", None),
    ] {
        let (reference, labels, hint) = about(kind, capture(status));
        assert_eq!((reference.as_str(), labels.payment_id), ("CAP1", Some(payment_id())), "{kind}");
        let answer = answer(hint);
        match outcome {
            Some(outcome) => assert_eq!(answer.outcome, outcome, "{kind}"),
            None => assert!(matches!(answer.outcome, Outcome::Declined(_)), "{kind}"),
        }
    }
    assert_eq!(event("PAYMENT.CAPTURE.COMPLETED", capture("COMPLETED")).created_at.seconds(), 1_800_000_000);
}

#[test]
fn an_approved_order_is_to_be_captured_and_is_no_payment_yet() {
    let (reference, labels, hint) = about("CHECKOUT.ORDER.APPROVED", order("APPROVED", &[]));
    assert_eq!((reference.as_str(), labels.payment_id), ("ORD1", Some(payment_id())));
    let answer = answer(hint);
    assert!(answer.again && answer.seen.is_none());
    assert_eq!(answer.begun.unwrap().reference, "ORD1");
    let (reference, _, _) = about("CHECKOUT.ORDER.COMPLETED", order("COMPLETED", &[capture("COMPLETED")]));
    assert_eq!(reference, "CAP1");
}

#[test]
fn a_refund_names_its_capture_by_a_link() {
    let up = json!([{ "rel": "self", "href": "https://api.paypal.com/v2/payments/refunds/REF1" },
                    { "rel": "up", "href": "https://api.paypal.com/v2/payments/captures/CAP1" }]);
    let refund = json!({ "id": "REF1", "status": "COMPLETED", "amount": usd("5.00"), "custom_id": refund_id(),
                         "create_time": "2027-01-15T08:00:00-08:00", "links": up });
    let (reference, labels, hint) = about("PAYMENT.CAPTURE.REFUNDED", refund.clone());
    assert_eq!((reference.as_str(), labels.refund_id, labels.payment_id), ("CAP1", Some(refund_id()), None));
    let Hint::Refunds(Refunded::One(one)) = hint else { panic!("{hint:?}") };
    assert_eq!((one.reference.as_str(), one.answer.outcome), ("REF1", Outcome::Succeeded));
    assert_eq!(one.created_at.seconds(), 1_800_000_000 + 8 * 3600);

    let (reference, _, hint) = about(
        "PAYMENT.CAPTURE.REVERSED",
        json!({ "id": "REF1", "status": "COMPLETED",
        "amount": usd("500.00"), "custom_id": payment_id(), "links": up }),
    );
    let answer = answer(hint);
    assert_eq!((reference.as_str(), &answer.outcome, answer.came_back), ("CAP1", &Outcome::Succeeded, true));
    assert_eq!(answer.seen.unwrap().our_id, Some(payment_id()));
    // The capture itself, in some of PayPal's samples.
    let (reference, _, _) = about("PAYMENT.CAPTURE.REVERSED", capture("REFUNDED"));
    assert_eq!(reference, "CAP1");

    let orphan = json!({ "id": "REF1", "status": "COMPLETED", "amount": usd("5.00") });
    assert!(matches!(event("PAYMENT.CAPTURE.REFUNDED", orphan).told, Told::Nothing));
}

#[test]
fn a_payouts_events_are_about_its_batch() {
    let item = |status: &str| {
        let mut item = batch("SUCCESS", status, None)["items"][0].clone();
        item["sender_batch_id"] = json!(payment_id());
        item
    };
    for (kind, status, outcome) in [
        ("SUCCEEDED", "SUCCESS", Outcome::Succeeded),
        ("UNCLAIMED", "UNCLAIMED", Outcome::Pending),
        ("HELD", "ONHOLD", Outcome::Pending),
        ("REFUNDED", "REFUNDED", Outcome::Succeeded),
    ] {
        let (reference, labels, hint) = about(&format!("PAYMENT.PAYOUTS-ITEM.{kind}"), item(status));
        assert_eq!((reference.as_str(), labels.payment_id), ("BAT1", Some(payment_id())), "{kind}");
        assert_eq!(answer(hint).outcome, outcome, "{kind}");
    }
    for kind in ["FAILED", "BLOCKED", "DENIED", "RETURNED", "CANCELED"] {
        let (_, _, hint) = about(&format!("PAYMENT.PAYOUTS-ITEM.{kind}"), item(kind));
        assert!(matches!(answer(hint).outcome, Outcome::Declined(_) | Outcome::Canceled), "{kind}");
    }
    let (reference, labels, hint) =
        about("PAYMENT.PAYOUTSBATCH.PROCESSING", json!({ "batch_header": header("PROCESSING") }));
    assert_eq!((reference.as_str(), labels.payment_id), ("BAT1", Some(payment_id())));
    assert_eq!(answer(hint).outcome, Outcome::Pending);
    let (_, _, hint) = about("PAYMENT.PAYOUTSBATCH.DENIED", json!({ "batch_header": header("DENIED") }));
    assert!(matches!(answer(hint).outcome, Outcome::Declined(_)));
}

#[test]
fn disputes_and_tokens_are_told_by_their_ids() {
    let dispute = json!({ "dispute_id": "PP-D-1", "status": "OPEN", "disputed_transactions":
        [{ "seller_transaction_id": "CAP1", "buyer_transaction_id": "X", "invoice_number": payment_id() }] });
    for (kind, ended) in [("CREATED", false), ("RESOLVED", true)] {
        let (reference, labels, hint) = about(&format!("CUSTOMER.DISPUTE.{kind}"), dispute.clone());
        assert_eq!((reference.as_str(), labels.payment_id), ("CAP1", Some(payment_id())));
        assert!(matches!(hint, Hint::Dispute(id, has_ended) if id == "PP-D-1" && has_ended == ended), "{kind}");
    }
    assert!(matches!(event("CUSTOMER.DISPUTE.CREATED", json!({ "dispute_id": "PP-D-1" })).told, Told::Nothing));
    let told = event("VAULT.PAYMENT-TOKEN.DELETED", json!({ "id": "8kk8451t" })).told;
    assert!(matches!(told, Told::Method { reference, detached: true } if reference == "8kk8451t"));
}

#[test]
fn unknown_types_and_fields_are_fine_and_what_is_no_event_is_not() {
    assert!(matches!(event("SOMETHING.OF.TOMORROW", json!({ "x": 1 })).told, Told::Nothing));
    let no = |body: &str| assert!(parse(body.as_bytes(), now()).is_none(), "{body}");
    no("[]");
    no("{}");
    no(r#"{"id":"","event_type":"X","resource":{}}"#);
    no(r#"{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":"#);
    no(&format!(r#"{{"id":"{}","event_type":"X","resource":{{}}}}"#, "x".repeat(256)));
    let untimed = parse(br#"{"id":"WH-1","event_type":"X","create_time":"soon","resource":{}}"#, now()).unwrap();
    assert_eq!(untimed.created_at, now());
}

#[test]
fn an_event_whose_object_can_not_be_read_tells_nothing_and_is_not_wanted_again() {
    // As older APIs have it.
    let sale = json!({ "id": "8RS", "state": "completed", "amount": { "total": "7.00", "currency": "USD" } });
    let refund = json!({ "id": "1GF", "amount": { "total": "7.00", "currency": "USD" }, "state": "completed" });
    for (kind, resource) in [
        ("PAYMENT.CAPTURE.COMPLETED", sale.clone()),
        ("PAYMENT.CAPTURE.REFUNDED", refund),
        ("PAYMENT.CAPTURE.REVERSED", sale),
        ("PAYMENT.PAYOUTSBATCH.SUCCESS", json!({})),
        ("CUSTOMER.DISPUTE.CREATED", json!([])),
        ("CHECKOUT.ORDER.APPROVED", json!(null)),
    ] {
        assert!(matches!(event(kind, resource).told, Told::Nothing), "{kind}");
    }
    let bare = parse(br#"{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED"}"#, now()).unwrap();
    assert!(matches!(bare.told, Told::Nothing));
}

#[test]
fn ids_that_are_not_ours_are_no_labels() {
    let mut foreign = capture("COMPLETED");
    foreign["custom_id"] = json!("order-7");
    foreign["invoice_id"] = json!(null);
    let (_, labels, _) = about("PAYMENT.CAPTURE.COMPLETED", foreign);
    assert_eq!(labels, Labels::default());
}

/// A million in the long run: `PROPTEST_CASES=1000000 cargo test --release -p shared no_body`.
mod anything {
    use super::*;

    proptest! {
        #[test]
        fn no_body_makes_the_parser_panic(
            body in prop::collection::vec(any::<u8>(), 0..300),
            kind in "(CHECKOUT\\.ORDER|PAYMENT\\.CAPTURE|PAYMENT\\.PAYOUTS-ITEM|PAYMENT\\.PAYOUTSBATCH|CUSTOMER\\.DISPUTE)\\.[A-Z]{0,9}",
            resource in "(\\{\"id\":\"[a-zA-Z0-9]{0,9}\",\"status\":\"[A-Z]{0,9}\",\"amount\":\\{\"currency_code\":\"[A-Z]{0,4}\",\"value\":\"[0-9.]{0,9}\"\\}[^}]{0,40}\\}|null|\\[\\])",
        ) {
            let _ = parse(&body, now());
            let event = format!("{{\"id\":\"WH-1\",\"event_type\":\"{kind}\",\"resource\":{resource}}}");
            let _ = parse(event.as_bytes(), now());
        }
    }
}
