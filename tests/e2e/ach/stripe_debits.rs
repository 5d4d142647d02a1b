//! Debits by Stripe: handed to the customer's bank with the customer's consent, good days later.

use std::time::Duration;

use local::stripe::fault::{Fault, Kind};
use serde_json::{Value, json};
use shared::model::payment::PaymentStatus;

use super::stripe::GOOD;
use crate::faults::books::Books;
use crate::paypal::both;
use crate::world::{ACCOUNT, ADMIN, World, refused};

const DAY: Duration = Duration::from_hours(24);
const INTENTS: &str = "/v1/payment_intents";

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_is_handed_over_with_its_consent_and_paid_when_its_bank_has_paid() {
    let world = World::with_stripe_ach().await;
    let setup = world.stripe_consent(GOOD).await;
    world.method(&setup, json!({ "customer_id": "globex" })).await;
    let url = format!("{}/v1/setup_intents/{setup}", world.stack.urls.stripe);
    let asked = world.stack.http.get(url).bearer_auth("sk_test_CANARY_acme").send();
    let consent: Value = asked.await.unwrap().json().await.unwrap();

    let invoice = world.receivable(json!({})).await;
    let answer = world.pay_by_bank(&invoice, json!({})).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    assert_eq!((&answer.body["success"], &answer.body["paid_at"]), (&json!(false), &Value::Null));
    // Thursday morning in New York: Friday, then Tuesday to Thursday, since Monday is a holiday.
    assert_eq!(answer.body["expected_settlement_date"], json!("2026-01-22"));
    let text = |name: &str| answer.body[name].as_str().unwrap();
    let (payment, intent) = (text("id"), text("payment_id"));
    assert!(intent.starts_with("pi_"), "{intent}");

    let sent = world.posted(INTENTS).pop().unwrap();
    let parameter = |name: &str| sent.parameters.get(name).map(String::as_str);
    assert_eq!(parameter("payment_method_types[0]"), Some("us_bank_account"));
    assert_eq!(parameter("mandate"), consent["mandate"].as_str());
    assert_eq!(parameter("payment_method"), consent["payment_method"].as_str());
    assert_eq!((sent.key.as_deref(), parameter("metadata[payment_id]")), (Some(payment), Some(payment)));

    world.clock.advance(6 * DAY);
    world.stack.stripe.run_banks();
    assert_eq!(world.standing(&invoice, payment).await, both("processing", "paying"));
    world.clock.advance(DAY);
    world.stack.stripe.run_banks();
    assert_eq!(world.stripe_told("payment_intent.succeeded", intent).await, "done");
    assert_eq!(world.stripe_told("payment_intent.succeeded", intent).await, "seen");
    assert_eq!(world.standing(&invoice, payment).await, both("paid", "paid"));
    assert_eq!((world.charged(&invoice), world.presentments(intent)), (vec![50_000], 1));
    assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle"]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_that_nobody_tells_of_is_found_by_the_daily_look_up() {
    let (world, _) = World::with_bank().await;
    let (_, payment, _) = world.debit().await;
    let status = async || {
        let books = Books::of(&world).await;
        books.payments.into_iter().find(|found| found.id.as_str() == payment).unwrap().status
    };
    let looks = || world.stack.stripe.requests().iter().filter(|request| request.method == "GET").count();
    let before = looks();
    for _ in 0..6 {
        world.clock.advance(DAY);
        world.stack.stripe.run_banks();
        for _ in 0..3 {
            world.sweep().await;
        }
    }
    assert_eq!((status().await, looks() - before), (PaymentStatus::Processing, 6));
    world.clock.advance(DAY);
    world.stack.stripe.run_banks();
    world.sweep().await;
    assert_eq!(status().await, PaymentStatus::Paid);
    assert_eq!(world.posted(INTENTS).len(), 1);
    assert!(world.alerts().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_again_is_the_same_debit() {
    let (world, _) = World::with_bank().await;
    let invoice = world.receivable(json!({})).await;
    let by_bank = json!({ "payment_method": "ach" });
    let first = world.pay_as(ADMIN, Some("k"), &invoice, by_bank.clone()).await;
    assert_eq!(first.status, 202, "{}", first.body);
    let again = world.pay_as(ADMIN, Some("k"), &invoice, by_bank.clone()).await;
    assert_eq!((again.status, &again.headers["idempotent-replayed"]), (202, &"true".parse().unwrap()));
    for name in ["id", "payment_id", "expected_settlement_date", "confirmation_number"] {
        assert_eq!(again.body[name], first.body[name], "{name}");
    }
    let another = world.receivable(json!({})).await;
    let other = world.pay_as(ADMIN, Some("k"), &another, by_bank.clone()).await;
    refused(&other, 422, &["idempotency_key_reused"]);
    let second = world.pay_as(ADMIN, Some("k2"), &invoice, by_bank.clone()).await;
    refused(&second, 409, &["invoice_being_paid"]);
    world.bank_pays(first.body["payment_id"].as_str().unwrap()).await;
    let paid = world.pay_as(ADMIN, Some("k"), &invoice, by_bank).await;
    assert_eq!((paid.status, &paid.body["status"]), (200, &json!("paid")), "{}", paid.body);
    assert_eq!(world.posted(INTENTS).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_whose_reply_is_lost_is_found_and_made_once() {
    let (world, _) = World::with_bank().await;
    world.stack.stripe.add_fault(Fault::pay(Kind::ReplyLost).times(3));
    world.stack.stripe.add_fault(Fault::look_up(Kind::ErrorBefore(503)).times(100));
    let invoice = world.receivable(json!({})).await;
    let answer = world.pay_by_bank(&invoice, json!({})).await;
    assert_eq!((answer.status, &answer.body["payment_id"]), (202, &Value::Null), "{}", answer.body);
    world.stack.stripe.clear_faults();
    world.clock.advance(Duration::from_mins(10));
    world.sweep().await;
    let payment = answer.body["id"].as_str().unwrap();
    let found = world.payment(payment).await;
    assert_eq!(found["status"], json!("processing"), "{found}");
    let intent = found["payment_id"].as_str().unwrap();
    assert_eq!((world.stack.stripe.books(ACCOUNT).len(), world.presentments(intent)), (1, 1));
    world.bank_pays(intent).await;
    assert_eq!(world.standing(&invoice, payment).await, both("paid", "paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_bank_in_the_us_takes_is_refused_before_anything_is_sent() {
    let (world, bank) = World::with_bank().await;
    let euros = world.receivable(json!({ "currency": "EUR" })).await;
    refused(&world.pay_by_bank(&euros, json!({})).await, 422, &["amount_out_of_range"]);

    let card = world.method("pm_card_mastercard", json!({ "customer_id": "globex" })).await;
    let invoice = world.receivable(json!({})).await;
    let mismatch = world.pay_by_bank(&invoice, json!({ "payment_method_id": card })).await;
    refused(&mismatch, 422, &["payment_method_mismatch"]);
    let mismatch = world.pay(&invoice, json!({ "payment_method_id": bank })).await;
    refused(&mismatch, 422, &["payment_method_mismatch"]);

    let other = json!({ "counterparty": { "name": "Initech", "customer_id": "initech" } });
    let of_another = world.receivable(other).await;
    refused(&world.pay_by_bank(&of_another, json!({})).await, 422, &["payment_method_required"]);
    let mismatch = world.pay_by_bank(&of_another, json!({ "payment_method_id": bank })).await;
    refused(&mismatch, 422, &["payment_method_mismatch"]);

    world.taken_off(&bank).await;
    let inactive = world.pay_by_bank(&invoice, json!({ "payment_method_id": bank })).await;
    refused(&inactive, 422, &["payment_method_inactive"]);
    refused(&world.pay_by_bank(&invoice, json!({})).await, 422, &["payment_method_required"]);
    assert!(world.posted(INTENTS).is_empty());
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_setting_or_a_secret_bank_payments_are_not_configured() {
    let (world, _) = World::with_bank().await;
    let (owed, owing) =
        (world.receivable(json!({})).await, world.payable(json!({ "stripe_account": super::VENDOR })).await);
    world.ach(json!({ "enabled": false })).await;
    for invoice in [&owed, &owing] {
        refused(&world.pay_by_bank(invoice, json!({})).await, 422, &["gateway_not_configured"]);
    }
    world.ach(json!({})).await;
    world.stack.secrets.delete("passerelle/acme/stripe").unwrap();
    world.clock.advance(Duration::from_mins(6));
    for invoice in [&owed, &owing] {
        refused(&world.pay_by_bank(invoice, json!({})).await, 422, &["gateway_not_configured"]);
    }
    assert!(world.posted(INTENTS).is_empty() && world.stack.stripe.transfers(ACCOUNT).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_is_called_off_until_it_has_left_for_the_bank() {
    let (world, _) = World::with_bank().await;
    let (invoice, payment, _) = world.debit().await;
    let path = format!("/payments/{payment}/cancel");
    let canceled = world.admin().post(&path, &json!({})).await.unwrap();
    assert_eq!((canceled.status, &canceled.body["status"]), (200, &json!("canceled")), "{}", canceled.body);
    assert_eq!(world.standing(&invoice, &payment).await, both("canceled", "approved"));

    let (payment, intent) = world.under_way(&invoice).await;
    world.clock.advance(DAY);
    let path = format!("/payments/{payment}/cancel");
    let refusal = world.admin().post(&path, &json!({})).await.unwrap();
    refused(&refusal, 409, &["not_cancelable"]);
    assert!(refusal.body["detail"].as_str().unwrap().contains("with the banks"), "{}", refusal.body);
    refused(&world.refund("r1", &payment, json!({})).await, 409, &["not_refundable"]);
    world.bank_pays(&intent).await;
    assert_eq!(world.standing(&invoice, &payment).await, both("paid", "paid"));
    assert_eq!(world.charged(&invoice), [50_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_is_refunded_by_a_credit_of_its_own_days_later() {
    let (world, _) = World::with_bank().await;
    let (invoice, payment, _) = world.debited().await;
    let refund = world.refund("r1", &payment, json!({ "amount": 20_000 })).await;
    assert_eq!((refund.status, &refund.body["status"]), (202, &json!("processing")), "{}", refund.body);
    refused(&world.refund("r2", &payment, json!({ "amount": 30_001 })).await, 409, &["refund_exceeds_remaining"]);
    world.clock.advance(7 * DAY);
    world.stack.stripe.run_banks();
    world.sweep().await;
    let path = format!("/refunds/{}", refund.body["id"].as_str().unwrap());
    assert_eq!(world.admin().get(&path).await.unwrap().body["status"], json!("succeeded"));
    assert_eq!(world.standing(&invoice, &payment).await, both("partially_refunded", "partially_refunded"));
}
