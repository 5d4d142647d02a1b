//! Refunds of captures, ours and those that were made at PayPal, and captures that come back.

use local::paypal::fault::{Fault, Kind};
use local::paypal::{RefundStatus, RefundsBecome};
use serde_json::json;

use super::both;
use crate::world::{World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_is_refunded_in_parts_and_the_claim_is_checked() {
    let world = World::with_paypal().await;
    let (invoice, _, capture) = world.paid_by_paypal("paypal_ok").await;
    let part = world.refund("r1", &capture, json!({ "amount": 20_000, "payment_method": "paypal" })).await;
    assert_eq!((part.status, &part.body["status"]), (201, &json!("succeeded")), "{}", part.body);
    assert_eq!(part.body["gateway_refund_id"], json!(world.paypal_refunds()[0].id));
    refused(&world.refund("r2", &capture, json!({ "payment_method": "stripe" })).await, 422, &["payment_mismatch"]);
    let rest = world.refund("r3", &capture, json!({})).await;
    assert_eq!((rest.status, &rest.body["amount"]), (201, &json!(30_000)), "{}", rest.body);
    assert_eq!(world.invoice(&invoice).await["status"], json!("refunded"));

    let (_, _, intent) = world.paid().await;
    let mistaken = world.refund("r4", &intent, json!({ "payment_method": "paypal" })).await;
    refused(&mistaken, 422, &["payment_mismatch"]);
    let detail = mistaken.body["detail"].as_str().unwrap();
    assert!(detail.contains(&intent) && detail.contains("stripe") && detail.contains("paypal"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_was_captured_never_goes_back() {
    let world = World::with_paypal().await;
    let (_, payment, capture) = world.paid_by_paypal("paypal_ok").await;
    let too_much = world.refund("r1", &capture, json!({ "amount": 50_001 })).await;
    refused(&too_much, 409, &["refund_exceeds_remaining"]);
    assert_eq!(too_much.body["remaining"], json!(50_000));
    assert_eq!(world.refund("r2", &capture, json!({ "amount": 30_000 })).await.status, 201);
    let too_much = world.refund("r3", &capture, json!({ "amount": 20_001 })).await;
    refused(&too_much, 409, &["refund_exceeds_remaining"]);
    assert_eq!(too_much.body["remaining"], json!(20_000));

    // Somebody was faster at PayPal, and we have not heard of it: PayPal refuses, and the amount is free again.
    assert!(world.stack.paypal.refund_in_dashboard(&capture, Some(15_000)).is_some());
    let refusal = world.refund("r4", &capture, json!({ "amount": 20_000 })).await;
    assert_eq!((refusal.status, refusal.code()), (409, "not_refundable"), "{}", refusal.body);
    assert_eq!(refusal.body["refund"]["status"], json!("failed"));
    assert_eq!(world.payment(&payment).await["refundable"], json!(20_000));
    assert_eq!(world.paypal_told("PAYMENT.CAPTURE.REFUNDED").await, "done");
    assert_eq!(world.payment(&payment).await["refundable"], json!(5_000));
    assert_eq!(world.paypal_refunds().iter().map(|refund| refund.amount).collect::<Vec<_>>(), [30_000, 15_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_whose_reply_is_lost_is_made_once() {
    let world = World::with_paypal().await;
    let (_, _, capture) = world.paid_by_paypal("paypal_ok").await;
    world.stack.paypal.add_fault(Fault::capture_refund(Kind::ReplyLost).times(3));
    let answer = world.refund("r1", &capture, json!({ "amount": 20_000 })).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    world.sweep_after(10).await;
    let refund = answer.body["id"].as_str().unwrap();
    assert_eq!(world.admin().get(&format!("/refunds/{refund}")).await.unwrap().body["status"], json!("succeeded"));
    assert_eq!(world.paypal_refunds().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_waits_for_a_bank_keeps_its_amount_until_it_has_ended() {
    let world = World::with_paypal().await;
    world.stack.paypal.set_refunds(RefundsBecome::Pending);
    let (invoice, payment, capture) = world.paid_by_paypal("paypal_ok").await;
    for (key, ends, refund_is, invoice_is) in
        [("r1", RefundStatus::Failed, "failed", "paid"), ("r2", RefundStatus::Completed, "succeeded", "refunded")]
    {
        let answer = world.refund(key, &capture, json!({})).await;
        assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
        assert_eq!(world.payment(&payment).await["refundable"], json!(0));
        assert!(world.stack.paypal.finish_refund(answer.body["gateway_refund_id"].as_str().unwrap(), ends));
        world.sweep_after(25 * 60).await;
        let refund = format!("/refunds/{}", answer.body["id"].as_str().unwrap());
        assert_eq!(world.admin().get(&refund).await.unwrap().body["status"], json!(refund_is));
        assert_eq!(world.invoice(&invoice).await["status"], json!(invoice_is));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_was_made_at_paypal_is_followed() {
    let world = World::with_paypal().await;
    let (invoice, payment, capture) = world.paid_by_paypal("paypal_ok").await;
    assert!(world.stack.paypal.refund_in_dashboard(&capture, Some(20_000)).is_some());
    assert_eq!(world.paypal_told("PAYMENT.CAPTURE.REFUNDED").await, "done");
    assert_eq!(world.standing(&invoice, &payment).await, both("partially_refunded", "partially_refunded"));
    assert_eq!(world.payment(&payment).await["refundable"], json!(30_000));
    assert_eq!(world.paypal_told("PAYMENT.CAPTURE.REFUNDED").await, "seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_comes_back_is_returned_and_its_invoice_to_be_paid_again() {
    let world = World::with_paypal().await;
    // With the webhook as PayPal sends it, unasked.
    world.hear_paypal();
    let (invoice, payment, capture) = world.paid_by_paypal("paypal_ok").await;
    assert!(world.stack.paypal.reverse_capture(&capture));
    world.until(&format!("/payments/{payment}"), "returned").await;
    assert_eq!(world.standing(&invoice, &payment).await, both("returned", "approved"));
    assert_eq!(world.alerts().await, ["returned"]);
    refused(&world.refund("r1", &capture, json!({})).await, 409, &["not_refundable"]);

    let invoice = world.payout_to("vendor@example.com").await;
    let payment = world.pay_by_paypal(&invoice).await.body["id"].as_str().unwrap().to_owned();
    world.until(&format!("/payments/{payment}"), "paid").await;
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_unknown_outcome_that_is_refused_later_has_failed_and_gives_its_amount_back() {
    let world = World::with_paypal().await;
    let (_, payment, capture) = world.paid_by_paypal("paypal_ok").await;
    world.stack.paypal.add_fault(Fault::capture_refund(Kind::ErrorBefore(500)).times(3));
    let refund = world.refund("r1", &payment, json!({ "amount": 10_000 })).await;
    assert_eq!((refund.status, &refund.body["status"]), (202, &json!("processing")), "{}", refund.body);
    assert!(world.stack.paypal.open_dispute(&capture, "UNAUTHORISED").is_some());
    world.sweep_after(10).await;
    let path = format!("/refunds/{}", refund.body["id"].as_str().unwrap());
    let refund = world.admin().get(&path).await.unwrap();
    assert_eq!(refund.body["status"], json!("failed"), "{}", refund.body);
    assert!(world.paypal_refunds().is_empty());
    assert!(world.alerts().await.contains(&"refund_failed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_payers_bank_takes_back_after_a_refund_in_part_is_the_rest() {
    let world = World::with_paypal().await;
    let (invoice, payment, capture) = world.paid_by_paypal("paypal_ok").await;
    assert_eq!(world.refund("r1", &payment, json!({ "amount": 10_000 })).await.status, 201);
    assert!(world.stack.paypal.reverse_capture(&capture));
    assert_eq!(world.paypal_told("PAYMENT.CAPTURE.REVERSED").await, "done");
    assert_eq!(world.standing(&invoice, &payment).await, both("returned", "partially_refunded"));
    assert_eq!(world.alerts().await, ["returned_after_refund"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_was_made_unheard_is_found_whatever_its_path_answers_later() {
    for (status, name, issue) in
        [(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"), (403, "NOT_AUTHORIZED", "PAYEE_ACCOUNT_RESTRICTED")]
    {
        let world = World::with_paypal().await;
        let (_, payment, _) = world.paid_by_paypal("paypal_ok").await;
        world.stack.paypal.add_fault(Fault::capture_refund(Kind::ReplyLost).times(3));
        let refund = world.refund("r1", &payment, json!({ "amount": 10_000 })).await;
        assert_eq!(refund.body["status"], json!("processing"), "{}", refund.body);
        let refusal = json!({ "name": name, "details": [{ "issue": issue }] });
        world.stack.paypal.add_fault(Fault::capture_refund(Kind::Status(status, refusal)).times(100));
        world.sweep_after(10).await;
        let path = format!("/refunds/{}", refund.body["id"].as_str().unwrap());
        let refund = world.admin().get(&path).await.unwrap();
        assert_eq!(refund.body["status"], json!("succeeded"), "{status}: {}", refund.body);
        assert_eq!(world.payment(&payment).await["refundable"], json!(40_000));
    }
}
