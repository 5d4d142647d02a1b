//! Orders at PayPal that their customers are asked to approve: captured once, by us alone, however late the customer, and
//! whatever becomes of the capture.

use std::time::Duration;

use local::paypal::fault::{Fault, Kind};
use local::paypal::{CaptureStatus, CapturesBecome};
use serde_json::json;

use super::approvals::pay_what_waits;
use crate::world::{World, refused};

impl World {
    /// Recovery, at its own pace, for so many minutes.
    async fn recovery_for(&self, minutes: u64) {
        for _ in 0..minutes {
            self.sweep_after(1).await;
        }
    }

    async fn status(&self, payment: &str) -> String {
        self.payment(payment).await["status"].as_str().unwrap().to_owned()
    }
}

/// A fault of the capture of an order.
fn capture(order: &str, kind: Kind) -> Fault {
    Fault::new(kind, "POST", &format!("/v2/checkout/orders/{order}/capture"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_in_the_first_minute_is_captured_by_its_event_at_once() {
    let world = World::with_paypal().await;
    let (invoice, payment, order) = pay_what_waits(&world).await;
    assert!(world.stack.paypal.approve_order(&order, "paypal_ok"));
    assert_eq!(world.paypal_told("CHECKOUT.ORDER.APPROVED").await, "done");
    assert_eq!(world.status(&payment).await, "paid");
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    assert!(world.trail(&invoice).await.contains(&"capture".to_owned()));
    assert_eq!(world.paypal_told("CHECKOUT.ORDER.APPROVED").await, "seen");
    assert_eq!(world.captures().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_whose_event_is_lost_is_found_within_minutes() {
    let world = World::with_paypal().await;
    let (_, payment, order) = pay_what_waits(&world).await;
    world.recovery_for(2).await;
    assert!(world.stack.paypal.approve_order(&order, "paypal_ok"));
    world.recovery_for(40).await;
    let books = world.captures();
    assert_eq!((books.len(), books[0].status), (1, CaptureStatus::Completed));
    assert_eq!(world.status(&payment).await, "paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_capture_of_an_approved_order_fails_and_calls_somebody() {
    let world = World::with_paypal().await;
    let (invoice, payment, order) = pay_what_waits(&world).await;
    world.stack.paypal.set_captures(CapturesBecome::Declined("5120".to_owned()));
    assert!(world.stack.paypal.approve_order(&order, "card_ok"));
    assert_eq!(world.paypal_told("CHECKOUT.ORDER.APPROVED").await, "done");
    assert_eq!(world.status(&payment).await, "failed");
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    assert_eq!(world.alerts().await, ["insufficient_funds"]);
    world.recovery_for(30).await;
    assert_eq!(world.captures().len(), 1, "never tried again by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_capture_of_an_approved_order_is_not_tried_again() {
    let world = World::with_paypal().await;
    let (invoice, payment, order) = pay_what_waits(&world).await;
    assert!(world.stack.paypal.approve_order(&order, "paypal_TRANSACTION_REFUSED"));
    assert_eq!(world.paypal_told("CHECKOUT.ORDER.APPROVED").await, "done");
    assert_eq!(world.status(&payment).await, "failed");
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    assert_eq!(world.alerts().await, ["declined"]);
    world.recovery_for(30).await;
    assert_eq!(world.posts(&format!("/v2/checkout/orders/{order}/capture")), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_is_reviewed_is_processing_and_may_fail_days_later() {
    let world = World::with_paypal().await;
    let (invoice, payment, order) = pay_what_waits(&world).await;
    world.stack.paypal.set_captures(CapturesBecome::Pending);
    assert!(world.stack.paypal.approve_order(&order, "paypal_ok"));
    world.recovery_for(3).await;
    assert_eq!(world.status(&payment).await, "processing");
    world.clock.advance(Duration::from_hours(70));
    world.sweep().await;
    assert_eq!(world.status(&payment).await, "processing");
    assert!(world.stack.paypal.finish_capture(&world.captures()[0].id, false));
    world.clock.advance(Duration::from_hours(25));
    world.sweep().await;
    assert_eq!(world.status(&payment).await, "failed");
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_of_unknown_outcome_is_processing_and_never_given_up_on_absence() {
    let world = World::with_paypal().await;
    let (invoice, payment, order) = pay_what_waits(&world).await;
    world.clock.advance(Duration::from_mins(10));
    assert!(world.stack.paypal.approve_order(&order, "paypal_ok"));
    // It has its effect, and nobody hears of it, nor of the order.
    world.stack.paypal.add_fault(capture(&order, Kind::ReplyLost).times(3));
    world
        .stack
        .paypal
        .add_fault(Fault::new(Kind::Status(503, json!({})), "GET", "/v2/checkout/orders").times(50).after(1));
    world.paypal_told("CHECKOUT.ORDER.APPROVED").await;
    assert_eq!(world.status(&payment).await, "processing");
    assert_eq!(world.invoice(&invoice).await["status"], json!("paying"));
    world.clock.advance(Duration::from_hours(30));
    world.sweep().await;
    assert_eq!(world.status(&payment).await, "processing", "an order that is not shown says nothing");
    world.stack.paypal.clear_faults();
    world.clock.advance(Duration::from_hours(5));
    world.sweep().await;
    assert_eq!(world.status(&payment).await, "paid");
    assert_eq!(world.captures().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn canceling_an_order_that_is_approved_and_not_captured_captures_nothing_ever() {
    let world = World::with_paypal().await;
    let (invoice, payment, order) = pay_what_waits(&world).await;
    world.clock.advance(Duration::from_mins(1));
    assert!(world.stack.paypal.approve_order(&order, "paypal_ok"));
    let canceled = world.admin().post(&format!("/payments/{payment}/cancel"), &json!({})).await.unwrap();
    assert_eq!((canceled.status, &canceled.body["status"]), (200, &json!("canceled")), "{}", canceled.body);
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    assert_eq!(world.paypal_told("CHECKOUT.ORDER.APPROVED").await, "done");
    world.recovery_for(5).await;
    assert!(world.captures().is_empty());
    assert!(world.alerts().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_paypal_has_forgotten_is_canceled_by_the_sweep_and_sooner_by_a_person() {
    for by_person in [false, true] {
        let world = World::with_paypal().await;
        let (invoice, payment, _) = pay_what_waits(&world).await;
        let read = world.payment(&payment).await;
        assert_eq!(read["next_action"]["expires_at"], json!("2026-01-15T17:30:00.000Z"), "{read}");
        let gone = json!({ "name": "RESOURCE_NOT_FOUND", "details": [{ "issue": "INVALID_RESOURCE_ID" }] });
        world.stack.paypal.add_fault(Fault::new(Kind::Status(404, gone), "GET", "/v2/checkout/orders").times(100));
        world.recovery_for(5).await;
        assert_eq!(world.status(&payment).await, "requires_action", "it may only not be there yet");
        if by_person {
            let canceled = world.admin().post(&format!("/payments/{payment}/cancel"), &json!({})).await.unwrap();
            assert_eq!(canceled.status, 200, "{}", canceled.body);
        } else {
            world.clock.advance(Duration::from_hours(3));
            world.sweep().await;
        }
        assert_eq!(world.status(&payment).await, "canceled");
        assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_nothing_lets_through_ends_with_a_persons_word() {
    let world = World::with_paypal().await;
    let (invoice, payment, order) = pay_what_waits(&world).await;
    assert!(world.stack.paypal.approve_order(&order, "paypal_ok"));
    let refusal = json!({ "name": "NOT_AUTHORIZED", "details": [{ "issue": "PERMISSION_DENIED" }] });
    world.stack.paypal.add_fault(capture(&order, Kind::Status(403, refusal)).times(1_000));
    world.recovery_for(3).await;
    assert_eq!(world.status(&payment).await, "processing");
    assert_eq!(world.alerts().await, ["gateway_rejected"]);
    let said = json!({ "outcome": "not_executed", "note": "not captured in the dashboard" });
    let path = format!("/payments/{payment}/resolve");
    refused(&world.admin().post(&path, &said).await.unwrap(), 409, &["not_resolvable"]);
    world.clock.advance(Duration::from_hours(50));
    world.sweep().await;
    world.clock.advance(Duration::from_hours(25));
    world.sweep().await;
    assert!(world.alerts().await.contains(&"outcome_unknown".to_owned()), "{:?}", world.alerts().await);
    let resolved = world.admin().post(&path, &said).await.unwrap();
    assert_eq!((resolved.status, &resolved.body["status"]), (200, &json!("failed")), "{}", resolved.body);
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_payout_that_nobody_heard_of_ends_with_a_persons_word() {
    let world = World::with_paypal().await;
    let invoice = world.payout_to("denied@example.com").await;
    world.stack.paypal.add_fault(Fault::payout(Kind::ReplyLost));
    world.stack.paypal.add_fault(Fault::payout(Kind::NothingReached).times(2));
    let payment = world.pay_by_paypal(&invoice).await.body["id"].as_str().unwrap().to_owned();
    world.clock.advance(Duration::from_hours(2));
    world.sweep().await;
    world.clock.advance(Duration::from_hours(2));
    world.sweep().await;
    assert_eq!(world.status(&payment).await, "processing");
    assert_eq!(world.alerts().await, ["outcome_unknown"]);
    let said = json!({ "outcome": "not_executed", "note": "the dashboard shows the batch as denied" });
    let resolved = world.admin().post(&format!("/payments/{payment}/resolve"), &said).await.unwrap();
    assert_eq!((resolved.status, &resolved.body["status"]), (200, &json!("failed")), "{}", resolved.body);
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
}
