//! What customers pay, by an order on their vaulted method.

use std::time::Duration;

use local::paypal::CaptureStatus;
use local::paypal::fault::{Fault, Kind};
use serde_json::json;

use super::both;
use crate::world::{World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_charged_by_order_and_paid_at_once() {
    let world = World::with_paypal().await;
    let (invoice, payment, capture) = world.paid_by_paypal("paypal_ok").await;
    let captures = world.captures();
    assert_eq!((captures[0].id.as_str(), captures[0].amount), (capture.as_str(), 50_000));
    assert_eq!(captures[0].custom_id.as_deref(), Some(payment.as_str()));
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    assert_eq!(world.admin().get(&format!("/payments/{capture}")).await.unwrap().body["id"], json!(payment));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decline_frees_the_invoice_and_says_why() {
    let world = World::with_paypal().await;
    for (method, code) in [
        ("paypal_INSTRUMENT_DECLINED", "payment_method_invalid"),
        ("card_5120", "insufficient_funds"),
        ("paypal_declined", "declined"),
    ] {
        let (invoice, _) = world.receivable_of(method).await;
        let answer = world.pay_by_paypal(&invoice).await;
        assert_eq!((answer.status, answer.code()), (402, code), "{method}: {}", answer.body);
        assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_order_is_no_payment_when_its_capture_was_declined_whoever_tells_of_it() {
    let world = World::with_paypal().await;
    let (invoice, _) = world.receivable_of("card_9500").await;
    let answer = world.pay_by_paypal(&invoice).await;
    assert_eq!((answer.status, answer.code()), (402, "declined"), "{}", answer.body);
    let orders = world.paypal_events(&["CHECKOUT.ORDER.COMPLETED"]);
    assert_eq!(orders[0]["resource"]["status"], json!("COMPLETED"), "the order itself says that all is well");
    let payment = answer.body["payment"]["id"].as_str().unwrap();
    for kind in ["CHECKOUT.ORDER.COMPLETED", "PAYMENT.CAPTURE.DECLINED"] {
        assert_eq!(world.paypal_told(kind).await, "done");
        assert_eq!(world.standing(&invoice, payment).await, both("failed", "approved"), "{kind}");
    }

    // Nobody hears the reply: the sweep finds the same order.
    let (invoice, _) = world.receivable_of("card_9500").await;
    world.stack.paypal.add_fault(Fault::order(Kind::ReplyLost).times(3));
    let answer = world.pay_by_paypal(&invoice).await;
    let payment = answer.body["id"].as_str().unwrap();
    assert_eq!(world.standing(&invoice, payment).await, both("processing", "paying"));
    world.sweep_after(10).await;
    assert_eq!(world.standing(&invoice, payment).await, both("failed", "approved"));
    assert!(world.captures().iter().all(|capture| capture.status == CaptureStatus::Declined && !capture.paid));
    assert_eq!(world.captures().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_paid_is_refused_before_anything_is_reserved() {
    let world = World::with_paypal().await;
    let nobody = world.approved(json!({})).await;
    let answer = world.pay_by_paypal(&nobody).await;
    refused(&answer, 422, &["counterparty_account_required"]);
    assert_eq!(answer.body["errors"][0]["field"], json!("counterparty.paypal_email"));

    let (receivable, method) = world.receivable_of("paypal_ok").await;
    let of_another_gateway = world.pay(&receivable, json!({ "payment_method_id": method })).await;
    refused(&of_another_gateway, 422, &["payment_method_mismatch"]);
    let payout = world.payout_to("vendor@example.com").await;
    let named = json!({ "payment_method": "paypal", "payment_method_id": method });
    refused(&world.pay(&payout, named).await, 422, &["payment_method_mismatch"]);

    let gateways = json!({ "stripe": { "enabled": true } });
    assert_eq!(world.settings(json!({ "gateways": gateways })).await.status, 200);
    refused(&world.pay_by_paypal(&payout).await, 422, &["gateway_not_configured"]);
    assert!(world.payouts().is_empty() && world.captures().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_reply_is_lost_is_sent_again_under_the_same_id_and_paid_once() {
    let world = World::with_paypal().await;
    let (invoice, _) = world.receivable_of("paypal_ok").await;
    world.stack.paypal.add_fault(Fault::order(Kind::ReplyLost));
    let answer = world.pay_by_paypal(&invoice).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(world.captures().len(), 1);
    assert_eq!(world.posts("/v2/checkout/orders"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_nobody_heard_of_is_finished_by_the_sweep() {
    let world = World::with_paypal().await;
    let (invoice, _) = world.receivable_of("paypal_ok").await;
    world.stack.paypal.add_fault(Fault::order(Kind::ReplyLost).times(3));
    let answer = world.pay_by_paypal(&invoice).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    world.sweep_after(10).await;
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    assert_eq!(world.captures().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_never_arrived_is_sent_for_five_hours_and_then_a_person_is_called() {
    let world = World::with_paypal().await;
    let (invoice, _) = world.receivable_of("paypal_ok").await;
    world.stack.paypal.add_fault(Fault::order(Kind::NothingReached).times(u32::MAX));
    let answer = world.pay_by_paypal(&invoice).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    world.sweep_after(10).await;
    let sent = world.posts("/v2/checkout/orders");
    assert!(sent > 3, "{sent}");
    world.clock.advance(Duration::from_hours(5));
    world.sweep().await;
    assert_eq!(world.posts("/v2/checkout/orders"), sent);
    let payment = answer.body["id"].as_str().unwrap();
    let body = json!({ "outcome": "not_executed", "note": "not in the dashboard" });
    // While PayPal keeps the id, and for the time that its events take, one of the sends may still be seen.
    let early = world.admin().post(&format!("/payments/{payment}/resolve"), &body).await.unwrap();
    refused(&early, 409, &["not_resolvable"]);
    assert!(world.alerts().await.is_empty());
    world.clock.advance(Duration::from_hours(4));
    world.sweep().await;
    assert_eq!(world.posts("/v2/checkout/orders"), sent);
    assert_eq!(world.alerts().await, ["outcome_unknown"]);
    let resolved = world.admin().post(&format!("/payments/{payment}/resolve"), &body).await.unwrap();
    assert_eq!((resolved.status, &resolved.body["status"]), (200, &json!("failed")), "{}", resolved.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_capture_is_paid_or_not_when_paypal_has_looked_into_it() {
    let world = World::with_paypal().await;
    for (succeeds, kind, ends) in [
        (true, "PAYMENT.CAPTURE.COMPLETED", both("paid", "paid")),
        (false, "PAYMENT.CAPTURE.DENIED", both("failed", "approved")),
    ] {
        let (invoice, _) = world.receivable_of("paypal_pending").await;
        let answer = world.pay_by_paypal(&invoice).await;
        assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
        let payment = answer.body["id"].as_str().unwrap();
        assert_eq!(world.paypal_told("PAYMENT.CAPTURE.PENDING").await, "done");
        assert_eq!(world.standing(&invoice, payment).await, both("processing", "paying"));
        world.clock.advance(Duration::from_hours(20));
        assert!(world.stack.paypal.finish_capture(answer.body["payment_id"].as_str().unwrap(), succeeds));
        assert_eq!(world.paypal_told(kind).await, "done");
        assert_eq!(world.standing(&invoice, payment).await, ends, "{kind}");
    }
}
