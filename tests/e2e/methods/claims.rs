//! Customers at Stripe that somebody else made: each stands for one owner.

use serde_json::{Value, json};

use super::{add, at_stripe};
use crate::world::{World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_claim_a_customer_before_either_mark_is_seen_one_gets_it() {
    let world = World::new().await;
    let post = reqwest::Method::POST;
    let made = at_stripe(&world, post.clone(), "/v1/customers", &[("name", "Initech")]).await;
    let customer = made["id"].as_str().unwrap();
    let card =
        at_stripe(&world, post.clone(), "/v1/payment_methods/pm_card_visa/attach", &[("customer", customer)]).await;
    let body = |owner: &str| json!({ "gateway": "stripe", "reference": card["id"], "customer_id": owner });
    assert_eq!(add(&world, body("initech")).await.status, 201);

    // What the other would have read before that mark was there.
    let path = format!("/v1/customers/{customer}");
    let unmarked = [("metadata[tenant_id]", ""), ("metadata[owner]", "")];
    assert_eq!(at_stripe(&world, post.clone(), &path, &unmarked).await["metadata"], json!({}));
    // As long as no mark is seen, the first claim may be on its way: it is to be asked again.
    refused(&add(&world, body("globex")).await, 502, &["gateway_unavailable"]);
    let marks = at_stripe(&world, reqwest::Method::GET, &path, &[]).await["metadata"].clone();
    assert_eq!(marks["owner"], Value::Null, "nothing of the other's claim was taken");

    // Keys are forgotten after a day; a claim that is made then finds the marks of any that went before.
    world.clock.advance(std::time::Duration::from_hours(25));
    assert_eq!(add(&world, body("initech")).await.status, 201);
    refused(&add(&world, body("globex")).await, 422, &["reference_invalid"]);
}
