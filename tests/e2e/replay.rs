//! The same request again: the payment as it stands, by its status; another request under the key: refused.

use local::client::Answer;
use local::stripe::fault::{Fault, Kind};
use serde_json::{Value, json};

use crate::world::{ADMIN, World, refused};

async fn keyed(world: &World, key: &str, invoice: &str, change: Value) -> Answer {
    world.pay_as(ADMIN, Some(key), invoice, change).await
}

fn is_replay(answer: &Answer) -> bool {
    answer.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_payment_is_answered_200_with_the_same_confirmation() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    let first = keyed(&world, "k", &invoice, json!({})).await;
    assert!(first.status == 201 && !is_replay(&first));
    let again = keyed(&world, "\"k\"", &invoice, json!({})).await;
    assert!(again.status == 200 && is_replay(&again), "quotes around the key are no part of it");
    assert_eq!(again.body, first.body);
    assert_eq!(world.charged(&invoice), [50_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_payment_is_answered_402_again_and_never_sent_again() {
    let world = World::new().await;
    let broke = world.method("pm_card_visa_chargeDeclinedInsufficientFunds", json!({})).await;
    let invoice = world.approved(json!({})).await;
    let change = json!({ "payment_method_id": broke });
    let first = keyed(&world, "k", &invoice, change.clone()).await;
    refused(&first, 402, &["insufficient_funds"]);
    let sent = world.stack.stripe.requests().len();
    let again = keyed(&world, "k", &invoice, change).await;
    refused(&again, 402, &["insufficient_funds"]);
    assert!(is_replay(&again) && !is_replay(&first));
    assert_eq!(again.body["payment"]["id"], first.body["payment"]["id"]);
    assert_eq!(world.stack.stripe.requests().len(), sent);
    // With a new key and a better method the invoice is paid.
    assert_eq!(keyed(&world, "k2", &invoice, json!({})).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_of_unknown_outcome_is_looked_up_by_its_replay() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    world.stack.stripe.add_fault(Fault::pay(Kind::ReplyLost).times(3));
    world.stack.stripe.add_fault(Fault::look_up(Kind::Status(503, json!({}))).times(10));
    let first = keyed(&world, "k", &invoice, json!({})).await;
    assert_eq!(
        (first.status, &first.body["status"], &first.body["success"]),
        (202, &json!("processing"), &json!(false))
    );
    world.clock.advance(std::time::Duration::from_secs(3));
    let again = keyed(&world, "k", &invoice, json!({})).await;
    assert!(again.status == 202 && is_replay(&again), "{}", again.body);
    world.stack.stripe.clear_faults();
    world.clock.advance(std::time::Duration::from_secs(3));
    let settled = keyed(&world, "k", &invoice, json!({})).await;
    assert_eq!((settled.status, &settled.body["status"]), (200, &json!("paid")));
    assert_eq!(world.charged(&invoice), [50_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_certainly_not_executed_is_answered_502_again_and_a_new_key_pays() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    world.stack.stripe.add_fault(Fault::pay(Kind::RateLimited).times(3));
    refused(&keyed(&world, "k", &invoice, json!({})).await, 502, &["gateway_unavailable"]);
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    let again = keyed(&world, "k", &invoice, json!({})).await;
    refused(&again, 502, &["gateway_unavailable"]);
    assert!(is_replay(&again));
    assert_eq!(keyed(&world, "k2", &invoice, json!({})).await.status, 201);
    assert_eq!(world.charged(&invoice), [50_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_one_request() {
    let world = World::new().await;
    let (invoice, other) = (world.approved(json!({})).await, world.approved(json!({})).await);
    let first = keyed(&world, "k", &invoice, json!({ "amount": 50_000 })).await;
    assert_eq!(first.status, 201);
    refused(&keyed(&world, "k", &other, json!({ "amount": 50_000 })).await, 422, &["idempotency_key_reused"]);
    refused(&keyed(&world, "k", &invoice, json!({})).await, 422, &["idempotency_key_reused"]);
    assert!(world.charged(&other).is_empty());
    assert_eq!(world.invoice(&other).await["status"], json!("approved"));
    // An order of members and a null that says nothing make no other request.
    let spelled = json!({ "currency": null, "amount": 50_000 });
    assert_eq!(keyed(&world, "k", &invoice, spelled).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_leaves_its_key_free() {
    let world = World::new().await;
    let invoice = world.draft(json!({})).await;
    refused(&keyed(&world, "k", &invoice, json!({})).await, 409, &["invoice_not_approved"]);
    world.admin().post(&format!("/invoices/{invoice}/approve"), &json!({})).await.unwrap();
    assert_eq!(keyed(&world, "k", &invoice, json!({})).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_each_attempt_after_a_failure_is_a_payment_of_its_own() {
    let world = World::new().await;
    let broke = world.method("pm_card_visa_chargeDeclined", json!({})).await;
    let invoice = world.approved(json!({})).await;
    let change = json!({ "payment_method_id": broke });
    let first = world.pay(&invoice, change.clone()).await;
    let second = world.pay(&invoice, change).await;
    refused(&first, 402, &["declined"]);
    refused(&second, 402, &["declined"]);
    assert_ne!(first.body["payment"]["id"], second.body["payment"]["id"]);
    assert_eq!(world.pay(&invoice, json!({})).await.status, 201);
    assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle", "pay", "settle", "pay", "settle"]);
    let listed = world.admin().get(&format!("/payments?invoice_id={invoice}&limit=2")).await.unwrap();
    let statuses: Vec<_> = listed.body["items"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, [json!("paid"), json!("failed")]);
    let cursor = listed.body["cursor"].as_str().unwrap();
    let rest = world.admin().get(&format!("/payments?invoice_id={invoice}&limit=2&cursor={cursor}")).await.unwrap();
    assert_eq!((rest.body["items"].as_array().unwrap().len(), &rest.body["cursor"]), (1, &Value::Null));
    let failed = world.admin().get("/payments?status=failed").await.unwrap();
    assert_eq!(failed.body["items"].as_array().unwrap().len(), 2);
}
