//! What vendors are paid, by payouts to their e-mail address.

use std::time::Duration;

use local::paypal::ItemStatus;
use local::paypal::fault::{Fault, Kind};
use reqwest::Method;
use serde_json::json;

use super::both;
use crate::executors::{executor, run};
use crate::world::{World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_is_paid_by_payout_without_a_method_and_the_sweep_settles_it_in_minutes() {
    let world = World::with_paypal().await;
    let invoice = world.payout_to("vendor@example.com").await;
    let answer = world.pay_by_paypal(&invoice).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    assert_eq!(answer.body["payment_id"], json!(world.payouts()[0].batch));
    assert!(answer.body["payment_method_id"].is_null(), "{}", answer.body);
    world.sweep_after(2).await;
    let payment = answer.body["id"].as_str().unwrap();
    assert_eq!(world.standing(&invoice, payment).await, both("paid", "paid"));
    let item = &world.payouts()[0];
    assert_eq!((item.amount, item.currency.as_str()), (50_000, "USD"));
    assert_eq!(item.sender_item_id.as_deref(), Some(payment));
    assert_eq!(world.posts("/v1/payments/payouts"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_is_never_sent_again_after_its_fence_but_found_by_paypals_events() {
    let world = World::with_paypal().await;
    world.stack.paypal.add_fault(Fault::payout(Kind::ReplyLost).times(3));
    // Not even the one that is linked to can be read.
    world.stack.paypal.add_fault(Fault::new(Kind::ErrorBefore(503), "GET", "/v1/payments/payouts").times(10));
    let (invoice, _) = world.paid_out_to("vendor@example.com").await;
    let sent = world.posts("/v1/payments/payouts");
    world.stack.paypal.clear_faults();
    world.sweep_after(10).await;
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    assert_eq!((world.payouts().len(), world.posts("/v1/payments/payouts")), (1, sent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_that_never_arrived_is_a_persons_business_after_an_hour() {
    let world = World::with_paypal().await;
    world.stack.paypal.add_fault(Fault::payout(Kind::NothingReached).times(u32::MAX));
    let (_, payment) = world.paid_out_to("vendor@example.com").await;
    let sent = world.posts("/v1/payments/payouts");
    world.stack.paypal.clear_faults();
    for minutes in [3, 10, 40] {
        world.sweep_after(minutes).await;
    }
    assert!(world.alerts().await.is_empty());
    world.clock.advance(Duration::from_hours(4));
    world.sweep().await;
    assert_eq!(world.alerts().await, ["outcome_unknown"]);
    assert_eq!(world.posts("/v1/payments/payouts"), sent);
    let body = json!({ "outcome": "not_executed", "note": "not in the dashboard" });
    let resolved = world.admin().post(&format!("/payments/{payment}/resolve"), &body).await.unwrap();
    assert_eq!((resolved.status, &resolved.body["status"]), (200, &json!("failed")), "{}", resolved.body);
    assert!(world.payouts().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_that_fails_frees_the_invoice() {
    let world = World::with_paypal().await;
    for email in ["failed.RECEIVER_ACCOUNT_LOCKED@example.com", "denied.RISK_DECLINE@example.com"] {
        let (invoice, payment) = world.paid_out_to(email).await;
        world.sweep_after(10).await;
        assert_eq!(world.standing(&invoice, &payment).await, both("failed", "approved"), "{email}");
    }
}

/// A payout of which nobody has heard since it was made, when none of its sends can be under way any more.
async fn made(world: &World, email: &str) -> (String, String, String) {
    let (invoice, payment) = world.paid_out_to(email).await;
    world.clock.advance(Duration::from_mins(3));
    let items = world.payouts();
    let item = items.iter().find(|item| item.sender_item_id.as_deref() == Some(payment.as_str())).unwrap();
    (invoice, payment, item.id.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_payout_is_told_by_its_item() {
    let world = World::with_paypal().await;
    let move_to = |item: &str, status, error| assert!(world.stack.paypal.move_payout_item(item, status, error));

    // PayPal looks into it first, and pays it, or does not.
    let (invoice, payment, item) = made(&world, "pending@example.com").await;
    move_to(&item, ItemStatus::Onhold, Some("REGULATORY_PENDING"));
    assert_eq!(world.paypal_told("PAYMENT.PAYOUTS-ITEM.HELD").await, "done");
    assert_eq!(world.standing(&invoice, &payment).await, both("processing", "paying"));
    move_to(&item, ItemStatus::Success, None);
    assert_eq!(world.paypal_told("PAYMENT.PAYOUTS-ITEM.SUCCEEDED").await, "done");
    assert_eq!(world.standing(&invoice, &payment).await, both("paid", "paid"));
    assert!(world.alerts().await.is_empty());

    let (invoice, payment, item) = made(&world, "pending@example.com").await;
    move_to(&item, ItemStatus::Blocked, Some("REGULATORY_BLOCKED"));
    assert_eq!(world.paypal_told("PAYMENT.PAYOUTS-ITEM.BLOCKED").await, "done");
    assert_eq!(world.standing(&invoice, &payment).await, both("failed", "approved"));
    assert_eq!(world.payment(&payment).await["failure"]["code"], json!("declined"));
    assert_eq!(world.alerts().await, ["declined"]);

    // Nobody claims it for a month, or somebody takes it back on PayPal's own pages.
    let (invoice, payment, item) = made(&world, "unregistered@example.com").await;
    assert_eq!(world.paypal_told("PAYMENT.PAYOUTS-ITEM.UNCLAIMED").await, "done");
    assert_eq!(world.standing(&invoice, &payment).await, both("processing", "paying"));
    move_to(&item, ItemStatus::Returned, None);
    assert_eq!(world.paypal_told("PAYMENT.PAYOUTS-ITEM.RETURNED").await, "done");
    assert_eq!(world.standing(&invoice, &payment).await, both("failed", "approved"));

    let (invoice, payment, item) = made(&world, "unregistered@example.com").await;
    let cancel = format!("/v1/payments/payouts-item/{item}/cancel");
    world.at_paypal(Method::POST, &cancel, "cancel", &json!({})).await;
    assert_eq!(world.paypal_told("PAYMENT.PAYOUTS-ITEM.CANCELED").await, "done");
    assert_eq!(world.standing(&invoice, &payment).await, both("failed", "approved"));
    assert_eq!(world.alerts().await, ["declined", "declined", "declined"]);

    // Claimed, and sent back.
    let (invoice, payment, item) = made(&world, "vendor@example.com").await;
    assert_eq!(world.paypal_told("PAYMENT.PAYOUTS-ITEM.SUCCEEDED").await, "done");
    assert_eq!(world.standing(&invoice, &payment).await, both("paid", "paid"));
    move_to(&item, ItemStatus::Refunded, None);
    assert_eq!(world.paypal_told("PAYMENT.PAYOUTS-ITEM.REFUNDED").await, "done");
    assert_eq!(world.standing(&invoice, &payment).await, both("returned", "approved"));
    assert!(world.alerts().await.contains(&"returned".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_event_tells_of_a_payout_is_read_before_a_failure_counts() {
    let world = World::with_paypal().await;
    let (invoice, payment, item) = made(&world, "pending@example.com").await;
    assert!(world.stack.paypal.move_payout_item(&item, ItemStatus::Onhold, None));
    assert!(world.stack.paypal.move_payout_item(&item, ItemStatus::Success, None));
    for (kind, status) in [("FAILED", "FAILED"), ("RETURNED", "RETURNED"), ("BLOCKED", "BLOCKED")] {
        let mut event = world.paypal_events(&["PAYMENT.PAYOUTS-ITEM.HELD"]).pop().unwrap();
        event["id"] = json!(format!("WH-{kind}"));
        event["event_type"] = json!(format!("PAYMENT.PAYOUTS-ITEM.{kind}"));
        event["resource"]["transaction_status"] = json!(status);
        assert_eq!(world.paypal_tells(&event).await.status, 200);
        assert_eq!(world.standing(&invoice, &payment).await, both("paid", "paid"), "{kind}");
    }
    assert!(world.alerts().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_that_came_back_before_it_was_seen_paid_is_returned_and_its_invoice_paid_anew() {
    let world = World::with_paypal().await;
    // The sweep finds it so.
    for email in ["refunded@example.com", "reversed@example.com"] {
        let (invoice, payment) = world.paid_out_to(email).await;
        world.sweep_after(10).await;
        assert_eq!(world.standing(&invoice, &payment).await, both("returned", "approved"), "{email}");
    }
    assert_eq!(world.alerts().await, ["returned", "returned"]);

    // An event tells of it, before the one that tells that it was paid.
    let (invoice, payment, _) = made(&world, "refunded@example.com").await;
    for _ in 0..2 {
        for kind in ["PAYMENT.PAYOUTS-ITEM.REFUNDED", "PAYMENT.PAYOUTS-ITEM.SUCCEEDED"] {
            world.paypal_told(kind).await;
            assert_eq!(world.standing(&invoice, &payment).await, both("returned", "approved"), "{kind}");
        }
    }
    let again = world.pay_by_paypal(&invoice).await;
    assert_eq!(again.status, 202, "{}", again.body);
    assert_ne!(again.body["id"], json!(payment));
    assert_eq!(world.payouts().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unclaimed_payout_is_canceled_and_a_claimed_one_is_not_refundable() {
    let world = World::with_paypal().await;
    let (invoice, payment) = world.paid_out_to("unregistered@example.com").await;
    world.sweep_after(10).await;
    let refusal = world.refund("r1", &payment, json!({})).await;
    refused(&refusal, 409, &["not_refundable"]);
    assert!(refusal.body["detail"].as_str().unwrap().contains("/cancel"), "{}", refusal.body);
    let canceled = world.admin().post(&format!("/payments/{payment}/cancel"), &json!({})).await.unwrap();
    assert_eq!((canceled.status, &canceled.body["status"]), (200, &json!("canceled")), "{}", canceled.body);
    assert_eq!(world.payouts()[0].status, ItemStatus::Returned);
    assert_eq!(world.standing(&invoice, &payment).await, both("canceled", "approved"));
    // What PayPal tells of it changes nothing, and what is canceled is canceled once.
    assert_eq!(world.paypal_told("PAYMENT.PAYOUTS-ITEM.CANCELED").await, "done");
    let again = world.admin().post(&format!("/payments/{payment}/cancel"), &json!({})).await.unwrap();
    assert_eq!((again.status, &again.body["status"]), (200, &json!("canceled")), "{}", again.body);
    assert!(world.alerts().await.is_empty());

    let (_, payment) = world.paid_out_to("vendor@example.com").await;
    world.sweep_after(2).await;
    refused(&world.refund("r2", &payment, json!({})).await, 409, &["not_refundable"]);
    let refusal = world.admin().post(&format!("/payments/{payment}/cancel"), &json!({})).await.unwrap();
    refused(&refusal, 409, &["not_cancelable"]);
    assert_eq!(world.payouts()[1].status, ItemStatus::Success);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_that_was_sent_moments_ago_is_canceled_at_once_and_for_good() {
    let world = World::with_paypal().await;
    let (invoice, payment) = world.paid_out_to("unregistered@example.com").await;
    world.clock.advance(Duration::from_secs(30));
    let canceled = world.admin().post(&format!("/payments/{payment}/cancel"), &json!({})).await.unwrap();
    assert_eq!((canceled.status, &canceled.body["status"]), (200, &json!("canceled")), "{}", canceled.body);
    world.sweep_after(10).await;
    assert_eq!(world.standing(&invoice, &payment).await, both("canceled", "approved"));
    assert!(world.alerts().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_payout_is_paid_on_its_day() {
    let world = World::with_paypal().await;
    let invoice = world.payout_to("vendor@example.com").await;
    let body = json!({ "invoice_id": invoice, "payment_method": "paypal", "scheduled_date": world.in_days(3) });
    let promised = world.admin().post("/scheduled-payments", &body).await.unwrap();
    assert_eq!(promised.status, 202, "{}", promised.body);
    world.clock.advance(Duration::from_hours(4 * 24));
    world.execute().await;
    world.clock.advance(Duration::from_mins(10));
    world.execute().await;
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    assert_eq!(world.payouts().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_payouts_begin_no_faster_than_paypal_takes_them() {
    let world = World::with_paypal().await;
    for _ in 0..7 {
        let invoice = world.payout_to("vendor@example.com").await;
        let body = json!({ "invoice_id": invoice, "payment_method": "paypal", "scheduled_date": world.in_days(3) });
        assert_eq!(world.admin().post("/scheduled-payments", &body).await.unwrap().status, 202);
    }
    world.clock.advance(Duration::from_hours(4 * 24));
    let begun = std::time::Instant::now();
    executor(&world, 100_000).run(&run(&world, "payouts")).await.unwrap();
    // Six at once, and the seventh in a second: the limit is real time.
    assert!(begun.elapsed() >= Duration::from_millis(990), "{:?}", begun.elapsed());
    assert_eq!(world.payouts().len(), 7);
}
