//! DynamoDB's own trouble, injected in front of the SDK: conflicts, throttling, lost answers.

use serde_json::json;

use crate::faults::stage::Stage;
use crate::world::{ACCOUNT, TENANT, World, refused};

/// A world whose functions reach DynamoDB through a proxy.
async fn proxied() -> (World, Proxy) {
    let proxy = Proxy::start().await;
    let url = proxy.url.clone();
    let world = World::empty(|options| options.dynamodb_proxy = Some(url)).await;
    proxy.forward_to(&world.stack.urls.dynamodb);
    world.tenant(TENANT, ACCOUNT).await;
    (world, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_invoice_costs_four_round_trips_in_sequence() {
    let (world, proxy) = proxied().await;
    let invoice = world.approved(json!({})).await;
    let reads = world.stack.secrets.reads("passerelle/acme/stripe");
    let requests = world.stack.stripe.requests().len();
    proxy.plan([]);
    assert_eq!(world.pay(&invoice, json!({})).await.status, 201);
    let calls: Vec<(String, u32)> = proxy.calls().into_iter().collect();
    assert_eq!(calls, [("BatchGetItem".to_owned(), 1), ("TransactWriteItems".to_owned(), 2)]);
    assert_eq!(world.stack.stripe.requests().len() - requests, 1);
    assert_eq!(world.stack.secrets.reads("passerelle/acme/stripe"), reads, "secrets come from the cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_throttling_and_lost_answers_of_a_commit_change_nothing_about_the_outcome() {
    // The calls of a payment: 1 read, 2 reserve, 3 settle; a fault moves the later ones on by one.
    for call in [2, 3] {
        for fault in [
            Fault::Conflict,
            Fault::Throttled,
            Fault::ReplyLost,
            Fault::NothingReached,
            Fault::ErrorBefore,
            Fault::ErrorAfter,
        ] {
            let (world, proxy) = proxied().await;
            let invoice = world.approved(json!({})).await;
            proxy.plan([(call, fault.clone())]);
            let paid = world.pay(&invoice, json!({})).await;
            assert_eq!(paid.status, 201, "call {call}, {fault:?}: {}", paid.body);
            assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle"], "call {call}, {fault:?}");
            assert_eq!(world.charged(&invoice), [50_000], "call {call}, {fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_that_stays_busy_is_503_and_moves_no_money() {
    let (world, proxy) = proxied().await;
    let invoice = world.approved(json!({})).await;
    proxy.plan((2..200).map(|call| (call, Fault::Conflict)));
    let answer = world.pay(&invoice, json!({})).await;
    refused(&answer, 503, &["busy"]);
    assert!(answer.headers.contains_key("retry-after"));
    proxy.plan([]);
    assert!(world.charged(&invoice).is_empty());
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_that_cant_be_written_is_left_to_recovery() {
    let (world, proxy) = proxied().await;
    let invoice = world.approved(json!({})).await;
    proxy.plan((3..200).map(|call| (call, Fault::Throttled)));
    let answer = world.pay(&invoice, json!({})).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")));
    proxy.plan([]);
    assert_eq!(world.charged(&invoice), [50_000]);
    world.clock.advance(std::time::Duration::from_secs(61));
    world.sweep().await;
    assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle"]);
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_dynamodb_nothing_is_sent_and_nothing_is_claimed() {
    let (world, proxy) = proxied().await;
    let invoice = world.approved(json!({})).await;
    proxy.plan((1..200).map(|call| (call, Fault::NothingReached)));
    let answer = world.pay(&invoice, json!({})).await;
    refused(&answer, 503, &["unavailable"]);
    assert!(!answer.body.to_string().contains("dynamodb.v2"), "what the log is told is not the caller's");
    proxy.plan([]);
    assert!(world.charged(&invoice).is_empty());
    assert_eq!(world.pay(&invoice, json!({})).await.status, 201);
}
