//! What the daily run does first: what is due goes before what ends.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::executor_events::{DAILY, Sqs, TIME, hand, sample};
use crate::gate::{Gate, Held};
use crate::world::{TENANT, World};

/// The tenant's card and cards of customers', which end in 08/2030, in September; their ids. The index has them in any order.
async fn with_cards(gate: &Gate, count: usize) -> (Arc<World>, Vec<String>) {
    let world = World::with(|options| options.dynamodb_http = Some(gate.http_client())).await;
    let own = world.listed(TENANT, "/payment-methods", 100).await;
    let mut cards: Vec<String> = own.iter().map(|card| card["id"].as_str().unwrap().to_owned()).collect();
    for number in 0..count {
        cards.push(world.method("pm_card_visa", json!({ "customer_id": format!("customer-{number}") })).await);
    }
    world.clock.set("2030-09-02T14:00:00Z".parse().unwrap());
    (Arc::new(world), cards)
}

/// How many of these cards' ends are written down.
async fn written(world: &World, cards: &[String]) -> usize {
    let mut count = 0;
    for card in cards {
        let entries = world.entries(&format!("{TENANT}/method/{card}")).await;
        count += usize::from(entries.iter().any(|entry| entry.record.contains("expire_method")));
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_has_its_messages_before_any_card_is_looked_at() {
    let gate = Gate::default();
    let (world, cards) = with_cards(&gate, 1).await;
    let sqs = Sqs::default();
    let queue = sqs.start(false).await;
    gate.arm(Held::Request, &["expires = :month"]);
    let running = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { hand(&world, Some(&queue), sample(DAILY), TIME).await.map(drop) })
    };
    gate.reached().await;
    assert_eq!(sqs.sent().len(), 16);
    gate.open();
    running.await.unwrap().unwrap();
    assert_eq!(written(&world, &cards).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_time_the_cards_are_not_even_asked_for() {
    let gate = Gate::default();
    let (world, cards) = with_cards(&gate, 1).await;
    gate.arm(Held::Request, &["expires = :month"]);
    hand(&world, None, sample(DAILY), shared::bounds::SETTLE_RESERVE).await.unwrap();
    assert!(gate.is_armed());
    assert_eq!(written(&world, &cards).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_that_take_too_long_are_left_for_the_next_day() {
    let gate = Gate::default();
    let (world, cards) = with_cards(&gate, 3).await;
    gate.arm(Held::Request, &["expire_method"]);
    let running = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { hand(&world, None, sample(DAILY), TIME).await.map(drop) })
    };
    gate.reached().await;
    world.clock.advance(shared::bounds::EXPIRY_TIME);
    gate.open();
    running.await.unwrap().unwrap();
    assert_eq!(written(&world, &cards).await, 1, "the one that was begun");
    world.clock.advance(Duration::from_hours(24));
    hand(&world, None, sample(DAILY), TIME).await.unwrap();
    assert_eq!(written(&world, &cards).await, 4);
}
