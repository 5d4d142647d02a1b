//! How often a debit is put before its bank: over pay-now and promises alike, paid meanwhile or not, and how late.

use reqwest::Method;
use serde_json::{Value, json};

use super::plaid::{
    Moved, debited, debtor, descriptions, later, linked, moved, pay, presented, send_back, settle, settled,
};
use crate::schedules::{days, patch, read, scheduled};
use crate::world::{World, refused};

async fn call_off(world: &World, promise: &Value) {
    let path = format!("/scheduled-payments/{}", promise.as_str().unwrap());
    let answer = world.admin().send(Method::DELETE, &path, None, None).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The promise's next debit, which the executor makes on its day.
async fn executed(world: &World, promise: &Value, invoice: String) -> Moved {
    // A day on which banks are closed puts it off.
    for _ in 0..2 {
        let due = read(world, promise).await["due_at"].as_str().unwrap().parse().unwrap();
        world.clock.set(due);
        world.execute().await;
    }
    let promise = read(world, promise).await;
    assert_eq!(promise["status"], json!("executing"), "{promise}");
    let payment = promise["payments"].as_array().unwrap().last().unwrap().as_str().unwrap().to_owned();
    let transfer = world.plaid_books().last().unwrap().id.clone();
    later(world);
    Moved { invoice, payment, transfer }
}

#[tokio::test(flavor = "multi_thread")]
async fn want_of_money_is_presented_twice_more_by_pay_now_and_no_more() {
    for code in ["R01", "R09"] {
        let (world, method) = debtor().await;
        let invoice = world.receivable(json!({})).await;
        for _ in 0..3 {
            let debit = moved(&world, invoice.clone()).await;
            send_back(&world, &debit, code).await;
            world.clock.advance(days(1));
        }
        let refusal = pay(&world, &invoice, &method).await;
        refused(&refusal, 409, &["presentment_limit"]);
        assert_eq!(refusal.body["presentments"], json!(3));
        assert_eq!(descriptions(&world), [invoice.as_str(), "Retry 1", "Retry 2"], "{code}");
        assert_eq!(presented(&world), 3, "{code}");
        // Nor by a promise.
        let body = json!({ "invoice_id": invoice, "payment_method": "ach", "scheduled_date": world.in_days(1) });
        refused(&world.admin().post("/scheduled-payments", &body).await.unwrap(), 409, &["presentment_limit"]);
        // Another account of the customer's is another count.
        let other = world.plaid_bank("acc_second", 1_000_000, json!({ "customer_id": "globex" })).await;
        assert_eq!(pay(&world, &invoice, &other).await.status, 202);
        assert_eq!(descriptions(&world)[3], invoice, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn want_of_money_is_presented_twice_more_by_a_promise_and_then_reviewed() {
    let world = World::with_plaid().await;
    let reschedule = json!({ "on_insufficient_funds": "reschedule", "retry_days": [1, 3, 7, 9] });
    world.ach_and(json!({ "provider": "plaid" }), reschedule).await;
    linked(&world).await;
    let invoice = world.receivable(json!({})).await;
    let promise = scheduled(&world, &invoice, 1, json!({ "payment_method": "ach" })).await;
    for (code, status) in [("R01", "pending"), ("R09", "pending"), ("R01", "in_review")] {
        let debit = executed(&world, &promise, invoice.clone()).await;
        send_back(&world, &debit, code).await;
        assert_eq!(read(&world, &promise).await["status"], json!(status));
    }
    assert_eq!(descriptions(&world), [invoice.as_str(), "Retry 1", "Retry 2"]);
    world.clock.advance(days(10));
    world.execute().await;
    // Nor when a person sets another date.
    let answer = patch(&world, &promise, json!({ "scheduled_date": world.in_days(1) })).await;
    assert!(matches!(answer.status, 200 | 409), "{}", answer.body);
    world.clock.advance(days(2));
    world.execute().await;
    assert_eq!(read(&world, &promise).await["status"], json!("in_review"));
    assert_eq!((presented(&world), world.plaid_books().len()), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn promises_and_pay_now_count_alike() {
    let world = World::with_plaid().await;
    world.ach_and(json!({ "provider": "plaid" }), json!({ "on_insufficient_funds": "reschedule" })).await;
    let method = linked(&world).await;
    let invoice = world.receivable(json!({})).await;
    // A pay-now becomes a promise, which is called off; the second pay-now likewise.
    for _ in 0..2 {
        let debit = moved(&world, invoice.clone()).await;
        send_back(&world, &debit, "R01").await;
        call_off(&world, &world.invoice(&invoice).await["schedule_id"]).await;
    }
    let promise = scheduled(&world, &invoice, 1, json!({ "payment_method": "ach" })).await;
    let debit = executed(&world, &promise, invoice.clone()).await;
    send_back(&world, &debit, "R01").await;
    assert_eq!(read(&world, &promise).await["status"], json!("in_review"));
    assert_eq!(descriptions(&world), [invoice.as_str(), "Retry 1", "Retry 2"]);
    call_off(&world, &promise["id"]).await;
    refused(&pay(&world, &invoice, &method).await, 409, &["presentment_limit"]);
    assert_eq!(presented(&world), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_that_was_paid_and_came_back_counts_too() {
    let (world, method) = debtor().await;
    let debit = settled(&world).await;
    send_back(&world, &debit, "R01").await;
    for _ in 0..2 {
        let again = moved(&world, debit.invoice.clone()).await;
        settle(&world, &again).await;
        send_back(&world, &again, "R09").await;
    }
    refused(&pay(&world, &debit.invoice, &method).await, 409, &["presentment_limit"]);
    assert_eq!(descriptions(&world), [debit.invoice.as_str(), "Retry 1", "Retry 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_is_not_presented_again_180_days_after_the_first_time() {
    let (world, method) = debtor().await;
    let debit = debited(&world).await;
    send_back(&world, &debit, "R01").await;
    world.clock.advance(days(181));
    refused(&pay(&world, &debit.invoice, &method).await, 409, &["presentment_limit"]);
    assert_eq!(presented(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_invoice_has_a_count_of_its_own() {
    let (world, _) = debtor().await;
    for _ in 0..2 {
        let debit = debited(&world).await;
        send_back(&world, &debit, "R01").await;
    }
    assert!(
        descriptions(&world).iter().all(|description| description.starts_with("INV-")),
        "{:?}",
        descriptions(&world)
    );
}
