//! What vendors are paid by Stripe: transfers of the tenant's balance to their connected accounts, and back.

use std::time::Duration;

use local::client::Answer;
use local::stripe::fault::{Fault, Kind};
use serde_json::{Value, json};

use super::VENDOR;
use crate::faults::books::Books;
use crate::paypal::both;
use crate::schedules::{days, read, scheduled};
use crate::world::{ACCOUNT, World, refused};

const TRANSFERS: &str = "/v1/transfers";
const FUNDS: i64 = 10_000_000;

impl World {
    /// An approved payable to the vendor's connected account.
    async fn owing(&self) -> String {
        self.payable(json!({ "stripe_account": VENDOR })).await
    }

    /// A transfer that was made: the invoice, our payment, and Stripe's.
    async fn transferred(&self) -> (String, String, String) {
        let invoice = self.owing().await;
        let answer = self.pay_by_bank(&invoice, json!({})).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        (invoice, text("id"), text("payment_id"))
    }

    /// What the tenant, and the vendor, have at Stripe.
    fn balances(&self) -> (i64, i64) {
        (self.stack.stripe.balance(ACCOUNT, "usd"), self.stack.stripe.balance(VENDOR, "usd"))
    }

    /// Somebody reverses a transfer in the dashboard.
    async fn reversed_in_dashboard(&self, transfer: &str, amount: i64) {
        let url = format!("{}{TRANSFERS}/{transfer}/reversals", self.stack.urls.stripe);
        let form = [("amount", amount.to_string())];
        let asked = self.stack.http.post(url).bearer_auth("sk_test_CANARY_acme").form(&form).send();
        assert_eq!(asked.await.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_is_paid_at_once_out_of_the_balance_and_without_a_method() {
    let world = World::with_stripe_ach().await;
    let invoice = world.owing().await;
    let answer = world.pay_by_bank(&invoice, json!({})).await;
    assert_eq!((answer.status, &answer.body["status"]), (201, &json!("paid")), "{}", answer.body);
    let payment = answer.body["id"].as_str().unwrap();
    assert_eq!((&answer.body["success"], &answer.body["payment_method_id"]), (&json!(true), &Value::Null));
    assert_eq!(answer.body["expected_settlement_date"], json!("2026-01-15"), "no bank takes part");
    let transfer = world.stack.stripe.transfers(ACCOUNT).pop().unwrap();
    assert_eq!(answer.body["payment_id"], json!(transfer.id));
    assert!(transfer.id.starts_with("tr_"));
    assert_eq!((transfer.amount, transfer.currency.as_str(), transfer.destination.as_str()), (50_000, "usd", VENDOR));
    assert_eq!(transfer.transfer_group.as_deref(), Some(payment));
    assert_eq!(transfer.metadata["payment_id"], payment);
    assert_eq!(world.posted(TRANSFERS)[0].key.as_deref(), Some(payment));
    assert_eq!(world.balances(), (FUNDS - 50_000, 50_000));
    assert_eq!(world.standing(&invoice, payment).await, both("paid", "paid"));
    assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle"]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_balance_does_not_cover_is_not_sent() {
    let world = World::with_stripe_ach().await;
    world.stack.stripe.set_balance(ACCOUNT, "usd", 49_999);
    // Money in another currency pays no dollars.
    world.stack.stripe.set_balance(ACCOUNT, "eur", FUNDS);
    let invoice = world.owing().await;
    let answer = world.pay_by_bank(&invoice, json!({})).await;
    refused(&answer, 402, &["insufficient_funds"]);
    assert_eq!(answer.body["payment"]["status"], json!("failed"));
    assert!(world.posted(TRANSFERS).is_empty());
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    assert_eq!(world.alerts().await, ["insufficient_funds"]);
    world.stack.stripe.set_balance(ACCOUNT, "usd", 50_000);
    assert_eq!(world.pay_by_bank(&invoice, json!({})).await.status, 201, "once there is enough, and no limit counts");
    assert_eq!(world.balances(), (0, 50_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_that_the_balance_does_not_cover_is_tried_again_until_it_does() {
    let world = World::with_stripe_ach().await;
    world.ach_and(json!({}), json!({ "on_insufficient_funds": "reschedule" })).await;
    world.stack.stripe.set_balance(ACCOUNT, "usd", 0);
    let invoice = world.owing().await;
    let promise = scheduled(&world, &invoice, 1, json!({ "payment_method": "ach" })).await;
    world.clock.advance(days(1));
    let summary = world.execute().await;
    assert_eq!((&summary["due"], &summary["rescheduled"]), (&json!(1), &json!(1)), "{summary}");
    assert_eq!(read(&world, &promise).await["status"], json!("pending"));
    assert!(world.posted(TRANSFERS).is_empty());
    world.stack.stripe.set_balance(ACCOUNT, "usd", FUNDS);
    // Saturday, Sunday and a holiday: it goes on Tuesday.
    for _ in 0..4 {
        world.clock.advance(days(1));
        world.execute().await;
    }
    assert_eq!(read(&world, &promise).await["status"], json!("completed"));
    assert_eq!(world.stack.stripe.transfers(ACCOUNT).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_that_can_not_be_read_sends_nothing() {
    for fault in [Kind::ErrorBefore(503), Kind::NothingReached, Kind::Unreadable] {
        let world = World::with_stripe_ach().await;
        world.stack.stripe.add_fault(Fault::new(fault.clone(), "GET", "/v1/balance").times(100));
        let invoice = world.owing().await;
        let answer = world.pay_by_bank(&invoice, json!({})).await;
        refused(&answer, 502, &["gateway_unavailable"]);
        assert!(world.posted(TRANSFERS).is_empty(), "{fault:?}");
        assert_eq!(world.invoice(&invoice).await["status"], json!("approved"), "{fault:?}");
        world.stack.stripe.clear_faults();
        assert_eq!(world.pay_by_bank(&invoice, json!({})).await.status, 201, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_that_shrinks_between_look_and_transfer_is_no_riddle() {
    let world = World::with_stripe_ach().await;
    world.stack.stripe.set_balance(ACCOUNT, "usd", 0);
    let rich = json!({ "object": "balance", "livemode": false, "pending": [],
                       "available": [{ "amount": FUNDS, "currency": "usd", "source_types": { "card": FUNDS } }] });
    world.stack.stripe.add_fault(Fault::new(Kind::Status(200, rich), "GET", "/v1/balance").times(100));
    let invoice = world.owing().await;
    let answer = world.pay_by_bank(&invoice, json!({})).await;
    refused(&answer, 402, &["insufficient_funds"]);
    assert!(!world.posted(TRANSFERS).is_empty());
    assert!(world.stack.stripe.transfers(ACCOUNT).is_empty());
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_account_of_the_vendors_there_is_nowhere_to_pay_to() {
    let world = World::with_stripe_ach().await;
    let invoice = world.payable(json!({})).await;
    refused(&world.pay_by_bank(&invoice, json!({})).await, 422, &["counterparty_account_required"]);
    let owing = world.owing().await;
    let bank = world.stripe_bank(super::stripe::GOOD).await;
    let named = world.pay_by_bank(&owing, json!({ "payment_method_id": bank })).await;
    refused(&named, 422, &["payment_method_mismatch"]);
    let euros = json!({ "currency": "EUR", "counterparty": { "name": "Bureau", "stripe_account": VENDOR } });
    refused(&world.pay_by_bank(&world.approved(euros).await, json!({})).await, 422, &["amount_out_of_range"]);
    // One that the tenant has not connected is Stripe's to refuse: certainly not paid.
    let stranger = world.payable(json!({ "stripe_account": "acct_stranger" })).await;
    refused(&world.pay_by_bank(&stranger, json!({})).await, 502, &["gateway_unavailable"]);
    assert_eq!(world.alerts().await, ["gateway_rejected"]);
    assert!(world.stack.stripe.transfers(ACCOUNT).is_empty());
}

/// The amount that is refunded, where it is expected to be.
fn refunded(answer: &Answer) -> i64 {
    assert_eq!((answer.status, &answer.body["status"]), (201, &json!("succeeded")), "{}", answer.body);
    assert!(answer.body["gateway_refund_id"].as_str().unwrap().starts_with("trr_"), "{}", answer.body);
    answer.body["amount"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_refunded_by_its_reversal_and_never_beyond_its_amount() {
    let world = World::with_stripe_ach().await;
    let (invoice, payment, transfer) = world.transferred().await;
    assert_eq!(refunded(&world.refund("r1", &transfer, json!({ "amount": 20_000 })).await), 20_000);
    assert_eq!(world.standing(&invoice, &payment).await, both("partially_refunded", "partially_refunded"));
    let too_much = world.refund("r2", &payment, json!({ "amount": 30_001 })).await;
    refused(&too_much, 409, &["refund_exceeds_remaining"]);
    assert_eq!(too_much.body["remaining"], json!(30_000));
    let rest = world.refund("r3", &payment, json!({})).await;
    assert_eq!(refunded(&rest), 30_000);
    assert_eq!(world.standing(&invoice, &payment).await, both("refunded", "refunded"));
    let again = world.refund("r3", &payment, json!({})).await;
    assert_eq!((again.status, &again.body["id"]), (200, &rest.body["id"]), "{}", again.body);
    assert_eq!(world.balances(), (FUNDS, 0));
    let transfers = world.stack.stripe.transfers(ACCOUNT);
    let reversals: Vec<i64> = transfers[0].reversals.iter().map(|reversal| reversal.amount).collect();
    assert_eq!((transfers.len(), transfers[0].reversed, reversals), (1, 50_000, vec![20_000, 30_000]));
    // Stripe tells of our own, too: nobody is called.
    for event in world.events(&["transfer.reversed"]) {
        world.told(&event).await;
    }
    assert!(world.alerts().await.is_empty());
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_that_the_vendor_can_not_pay_gives_its_amount_back() {
    let world = World::with_stripe_ach().await;
    let (invoice, payment, _) = world.transferred().await;
    world.stack.stripe.set_balance(VENDOR, "usd", 100);
    let answer = world.refund("r1", &payment, json!({})).await;
    refused(&answer, 402, &["insufficient_funds"]);
    assert_eq!(answer.body["refund"]["status"], json!("failed"));
    assert_eq!(world.alerts().await, ["refund_failed"]);
    assert_eq!(world.payment(&payment).await["refundable"], json!(50_000));
    assert_eq!(world.standing(&invoice, &payment).await, both("paid", "paid"));
    world.stack.stripe.set_balance(VENDOR, "usd", 50_000);
    assert_eq!(refunded(&world.refund("r2", &payment, json!({})).await), 50_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_whose_reply_is_lost_is_made_once() {
    let world = World::with_stripe_ach().await;
    let (_, payment, transfer) = world.transferred().await;
    let path = format!("{TRANSFERS}/{transfer}/reversals");
    world.stack.stripe.add_fault(Fault::new(Kind::ReplyLost, "POST", &path).times(3));
    world.stack.stripe.add_fault(Fault::new(Kind::ErrorBefore(503), "GET", &path).times(100));
    let answer = world.refund("r1", &payment, json!({ "amount": 20_000 })).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    world.stack.stripe.clear_faults();
    world.clock.advance(Duration::from_mins(10));
    world.sweep().await;
    let path = format!("/refunds/{}", answer.body["id"].as_str().unwrap());
    assert_eq!(world.admin().get(&path).await.unwrap().body["status"], json!("succeeded"));
    assert_eq!(world.stack.stripe.transfers(ACCOUNT)[0].reversed, 20_000);
    assert_eq!(world.payment(&payment).await["refundable"], json!(30_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_in_stripes_dashboard_becomes_a_record() {
    let world = World::with_stripe_ach().await;
    let (invoice, payment, transfer) = world.transferred().await;
    world.reversed_in_dashboard(&transfer, 20_000).await;
    let event = world.events(&["transfer.reversed"]).pop().unwrap();
    assert_eq!(world.told(&event).await, "done");
    assert_eq!(world.told(&event).await, "seen");
    assert_eq!(world.standing(&invoice, &payment).await, both("partially_refunded", "partially_refunded"));
    assert_eq!(world.payment(&payment).await["refundable"], json!(30_000));
    let list = world.admin().get(&format!("/refunds?payment_id={payment}")).await.unwrap().body;
    assert_eq!((&list["items"][0]["external"], &list["items"][0]["amount"]), (&json!(true), &json!(20_000)));
    refused(&world.refund("r1", &payment, json!({ "amount": 30_001 })).await, 409, &["refund_exceeds_remaining"]);

    // Not told of the rest yet: Stripe refuses what is not there any more.
    world.reversed_in_dashboard(&transfer, 30_000).await;
    let refusal = world.refund("r2", &payment, json!({})).await;
    refused(&refusal, 409, &["not_refundable"]);
    assert_eq!(world.told(&world.events(&["transfer.reversed"]).pop().unwrap()).await, "done");
    assert_eq!(world.standing(&invoice, &payment).await, both("refunded", "refunded"));
    assert_eq!(world.balances(), (FUNDS, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_whose_reply_is_lost_is_found_in_its_group_and_made_once() {
    let world = World::with_stripe_ach().await;
    world.stack.stripe.add_fault(Fault::new(Kind::ReplyLost, "POST", TRANSFERS));
    let (invoice, ..) = world.transferred().await;
    assert_eq!(world.posted(TRANSFERS).len(), 1, "found within the request");
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));

    // All of it is used up by the transfer that nobody heard of: that is no want of money.
    world.stack.stripe.set_balance(ACCOUNT, "usd", 50_000);
    world.stack.stripe.add_fault(Fault::new(Kind::ReplyLost, "POST", TRANSFERS).times(3));
    world.stack.stripe.add_fault(Fault::new(Kind::ErrorBefore(503), "GET", TRANSFERS).times(100));
    let invoice = world.owing().await;
    let answer = world.pay_by_bank(&invoice, json!({})).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    refused(&world.pay_by_bank(&invoice, json!({})).await, 409, &["invoice_being_paid"]);
    world.stack.stripe.clear_faults();
    world.clock.advance(Duration::from_mins(10));
    world.sweep().await;
    let payment = answer.body["id"].as_str().unwrap();
    assert_eq!(world.standing(&invoice, payment).await, both("paid", "paid"));
    let transfers = world.stack.stripe.transfers(ACCOUNT);
    assert_eq!((transfers.len(), world.stack.stripe.balance(ACCOUNT, "usd")), (2, 0));
    assert!(world.alerts().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_never_arrived_is_sent_again_after_its_fence() {
    let world = World::with_stripe_ach().await;
    world.stack.stripe.add_fault(Fault::new(Kind::NothingReached, "POST", TRANSFERS).times(3));
    let invoice = world.owing().await;
    let answer = world.pay_by_bank(&invoice, json!({})).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    world.clock.advance(Duration::from_mins(10));
    world.sweep().await;
    assert_eq!(world.standing(&invoice, answer.body["id"].as_str().unwrap()).await, both("paid", "paid"));
    assert_eq!(world.balances(), (FUNDS - 50_000, 50_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_not_canceled_but_refunded() {
    let world = World::with_stripe_ach().await;
    let (invoice, payment, _) = world.transferred().await;
    let cancel =
        async |payment: &str| world.admin().post(&format!("/payments/{payment}/cancel"), &json!({})).await.unwrap();
    let refusal = cancel(&payment).await;
    refused(&refusal, 409, &["not_cancelable"]);
    assert!(refusal.body["detail"].as_str().unwrap().contains("refund"), "{}", refusal.body);
    assert_eq!(world.standing(&invoice, &payment).await, both("paid", "paid"));

    // One of unknown outcome is looked up: it is there, and paid.
    world.stack.stripe.add_fault(Fault::new(Kind::ReplyLost, "POST", TRANSFERS).times(3));
    world.stack.stripe.add_fault(Fault::new(Kind::ErrorBefore(503), "GET", TRANSFERS).times(100));
    let invoice = world.owing().await;
    let payment = world.pay_by_bank(&invoice, json!({})).await.body["id"].as_str().unwrap().to_owned();
    world.stack.stripe.clear_faults();
    world.clock.advance(Duration::from_secs(3));
    refused(&cancel(&payment).await, 409, &["not_cancelable"]);
    assert_eq!(world.standing(&invoice, &payment).await, both("paid", "paid"));
    assert_eq!(world.stack.stripe.transfers(ACCOUNT)[1].reversed, 0);
}
