//! The demo that the README shows holds.

use local::paypal::CapturesBecome;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_holds_and_holds_again_on_the_same_data() {
    let world = World::empty(|_| {}).await;
    local::demo::run(&world.stack).await.unwrap();
    local::seed::acme(&world.stack).await.unwrap();
    // What its owner changed since stays changed.
    world.member("worker", &["viewer"], None).await;
    local::seed::acme(&world.stack).await.unwrap();
    let members = world.admin().get("/members").await.unwrap().body;
    let worker = members["items"].as_array().unwrap().iter().find(|one| one["user_id"] == "worker").unwrap();
    assert_eq!(worker["roles"], serde_json::json!(["viewer"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_says_what_did_not_hold() {
    let world = World::empty(|_| {}).await;
    world.stack.paypal.set_captures(CapturesBecome::Declined("5120".to_owned()));
    let broken = local::demo::run(&world.stack).await.unwrap_err();
    assert_eq!(broken.to_string(), "the demo did not hold: it is paid");
}
