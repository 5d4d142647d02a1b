//! Bank accounts that Stripe has blocked since their bank said so: the event about it takes the method out of use.

use serde_json::{Value, json};

use crate::ach::plaid::{item, method_status};
use crate::world::{TENANT, World, refused};

/// A customer's bank account at Stripe, and Stripe's id of it.
async fn with_bank() -> (World, String, String) {
    let world = World::with_stripe_ach().await;
    let method = world.stripe_bank("pm_usBankAccount_success").await;
    let reference = item(&world, "PAYMENT_METHODS_TABLE", "method_id", &method).await.unwrap()["reference"].clone();
    (world, method, reference.as_s().unwrap().clone())
}

/// Stripe tells that the account is blocked.
async fn told_of_block(world: &World, reference: &str, code: &str) -> String {
    assert!(world.stack.stripe.block_bank(reference, code));
    world.told(&world.events(&["payment_method.automatically_updated"]).pop().unwrap()).await
}

async fn alerts(world: &World) -> Vec<Value> {
    let alerts = world.listed(TENANT, "/alerts", 100).await;
    alerts.into_iter().map(|alert| json!([alert["kind"], alert["method_id"], alert["count"]])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_its_bank_has_closed_is_inactive_and_a_new_one_is_asked_for_once() {
    let (world, method, reference) = with_bank().await;
    assert_eq!(told_of_block(&world, &reference, "R02").await, "done");
    assert_eq!(method_status(&world, &method).await, "inactive");
    assert_eq!(told_of_block(&world, &reference, "R02").await, "done");
    assert_eq!(alerts(&world).await, [json!(["payment_method_invalid", method, 1])]);
    let invoice = world.receivable(json!({})).await;
    refused(&world.pay_by_bank(&invoice, json!({})).await, 422, &["payment_method_required"]);
    let again = json!({ "gateway": "stripe", "reference": reference, "customer_id": "globex" });
    let again = world.admin().post("/payment-methods", &again).await.unwrap();
    refused(&again, 422, &["reference_invalid"]);
    assert!(again.body["detail"].as_str().unwrap().contains("bank"), "{}", again.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_owner_said_no_is_blocked_for_good() {
    let (world, method, reference) = with_bank().await;
    assert_eq!(told_of_block(&world, &reference, "R10").await, "done");
    assert_eq!(method_status(&world, &method).await, "blocked");
    assert_eq!(alerts(&world).await, [json!(["debit_not_authorized", method, 1])]);
    // What else is told of it changes nothing.
    assert_eq!(told_of_block(&world, &reference, "R02").await, "done");
    assert_eq!(method_status(&world, &method).await, "blocked");
    assert_eq!(alerts(&world).await.len(), 1);
}
