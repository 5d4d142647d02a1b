//! The tenant's account at PayPal: rotated secrets, other accounts, tokens that expire.

use std::time::Duration;

use local::paypal::fault::{Fault, Kind};
use serde_json::json;

use super::{CLIENT, SECRET, both};
use crate::world::{World, refused};

/// The account's secret is rotated: whatever is cached anywhere is good for nothing.
fn rotate(world: &World, secret: &str) {
    let paypal = &world.stack.paypal;
    paypal.revoke_client(CLIENT);
    paypal.add_account(CLIENT, CLIENT, secret);
    world.paypal_secret(CLIENT, secret);
    // Not fetched more often than twice a minute.
    world.clock.advance(Duration::from_secs(31));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_is_found_by_whatever_asks_paypal() {
    let world = World::with_paypal().await;
    let (_, _, capture) = world.paid_by_paypal("paypal_ok").await;
    let (invoice, _) = world.receivable_of("paypal_ok").await;
    let (payout, payment) = world.paid_out_to("vendor@example.com").await;

    rotate(&world, "secret_CANARY_1");
    assert_eq!(world.pay_by_paypal(&invoice).await.status, 201);
    rotate(&world, "secret_CANARY_2");
    assert_eq!(world.refund("r1", &capture, json!({ "amount": 100 })).await.status, 201);
    rotate(&world, "secret_CANARY_3");
    world.paypal_method("card_ok").await;
    rotate(&world, "secret_CANARY_4");
    world.sweep_after(2).await;
    assert_eq!(world.standing(&payout, &payment).await, both("paid", "paid"));
    world.stack.paypal.open_dispute(&capture, "UNAUTHORISED").unwrap();
    rotate(&world, "secret_CANARY_5");
    assert_eq!(world.paypal_told("CUSTOMER.DISPUTE.CREATED").await, "done");
    assert_eq!(world.alerts().await, ["disputed"], "and nobody had to be called for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_bound_to_its_paypal_account() {
    let world = World::with_paypal().await;
    let (paid, _, capture) = world.paid_by_paypal("paypal_ok").await;
    let (invoice, method) = world.receivable_of("paypal_ok").await;
    world.stack.paypal.add_fault(Fault::order(Kind::ReplyLost).times(3));
    let answer = world.pay_by_paypal(&invoice).await;
    let payment = answer.body["id"].as_str().unwrap();
    world.stack.paypal.refund_in_dashboard(&capture, Some(100)).unwrap();

    world.stack.paypal.add_account("client_other", "client_other", "secret_CANARY_other");
    world.paypal_secret("client_other", "secret_CANARY_other");
    let before = world.stack.paypal.requests().len();
    world.sweep_after(6).await;
    assert_eq!(world.standing(&invoice, payment).await, both("processing", "paying"));
    let event = world.paypal_events(&["PAYMENT.CAPTURE.REFUNDED"]).pop().unwrap();
    refused(&world.refund("r1", &capture, json!({})).await, 409, &["not_refundable"]);
    assert_eq!(world.stack.paypal.requests().len(), before, "nothing is sent or asked there");
    assert_eq!(world.alerts().await, ["account_changed"]);
    // It is asked there whose the refund is, and there is no such thing.
    assert_eq!(world.paypal_tells(&event).await.status, 500);
    let stranger =
        world.approved(json!({ "kind": "receivable", "counterparty": { "name": "G", "customer_id": "globex" } }));
    let named = json!({ "payment_method": "paypal", "payment_method_id": method });
    refused(&world.pay(&stranger.await, named).await, 422, &["payment_method_mismatch"]);
    assert_eq!(world.stack.paypal.books("client_other"), local::paypal::Books::default());

    world.paypal_secret(CLIENT, SECRET);
    world.sweep_after(31).await;
    assert_eq!(world.standing(&invoice, payment).await, both("paid", "paid"));
    assert_eq!(world.paypal_tells(&event).await.status, 200);
    assert_eq!(world.invoice(&paid).await["status"], json!("partially_refunded"));
    assert_eq!(world.captures().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_during_a_run_is_replaced_once_for_all_of_it() {
    let world = World::with_paypal().await;
    let tokens = || world.posts("/v1/oauth2/token");
    let schedule = async |day: i64| {
        let (invoice, _) = world.receivable_of("paypal_ok").await;
        let body = json!({ "invoice_id": invoice, "payment_method": "paypal", "scheduled_date": world.in_days(day) });
        let promised = world.admin().post("/scheduled-payments", &body).await.unwrap();
        assert_eq!(promised.status, 202, "{}", promised.body);
    };
    schedule(1).await;
    for _ in 0..6 {
        schedule(2).await;
    }
    world.stack.paypal.set_token_lifetime(Duration::from_hours(90));
    world.clock.advance(Duration::from_hours(24));
    assert_eq!(world.execute().await["paid"], json!(1));
    let before = tokens();

    world.clock.advance(Duration::from_hours(24));
    world.stack.paypal.expire_tokens();
    // So that all of them are refused before the first has another one.
    world.stack.paypal.set_latency(Duration::from_millis(50));
    let summary = world.execute().await;
    assert_eq!((&summary["paid"], &summary["failed"]), (&json!(6), &json!(0)), "{summary}");
    assert_eq!(tokens() - before, 1);
    assert_eq!(world.captures().len(), 7);
}
