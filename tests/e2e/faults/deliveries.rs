//! Deliveries: the events of one payment's life in every order, each once to three times, racing with recovery and a
//! reader; over every rail the end is the same.
//!
//! `EVENT_ORDERS` says how many orders are played.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shared::model::payment::Gateway;
use tokio::task::JoinSet;

use super::books::Books;
use super::rail::{RAILS, Rail};
use crate::world::World;

/// Deliveries at a time.
const LANES: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn every_order_of_the_events_of_a_payments_life_leads_to_the_same_end() {
    let seeds = std::env::var("EVENT_ORDERS").map_or(5, |text| text.parse().expect("a number"));
    for rail in RAILS {
        for seed in 0..seeds {
            let world = World::new().await;
            rail.set_up(&world).await;
            play(rail, Arc::new(world), seed).await;
        }
    }
}

async fn play(rail: Rail, world: Arc<World>, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    rail.methods(&world).await;
    let invoice = rail.invoice(&world, 0).await;
    // Nobody has heard of the payment, nor of anything that happens to it.
    let answer = rail.pay_unheard(&world, &invoice).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let payment = answer.body["id"].as_str().unwrap().to_owned();
    rail.live(&world);
    let mut events = rail.events(&world);
    events.retain(|event| event["type"] != json!("payment_method.attached"));
    for _ in 0..random.usize(0..=2) {
        events.extend(events.clone());
    }
    random.shuffle(&mut events);
    // No send of it is under way any more.
    world.clock.advance(Duration::from_mins(3));
    let mut racing = JoinSet::new();
    for lane in 0..LANES {
        let (world, mine) = (world.clone(), events.iter().skip(lane).step_by(LANES).cloned().collect::<Vec<_>>());
        racing.spawn(async move {
            for event in mine {
                // What was not applied is delivered again, as the gateway does.
                let mut tries = 0;
                while rail.tell(&world, &event).await != 200 {
                    tries += 1;
                    assert!(tries < 50, "never taken: {event}");
                }
            }
        });
    }
    let reader = {
        let (world, payment) = (world.clone(), payment.clone());
        async move { world.payment(&payment).await }
    };
    // Where a webhook says only that there is something, the executor asks for it as well.
    let sweep = {
        let world = world.clone();
        async move {
            world.clock.advance(if rail.gateway() == Gateway::Plaid {
                Duration::from_hours(25)
            } else {
                Duration::from_secs(70)
            });
            world.execute().await
        }
    };
    tokio::join!(reader, sweep);
    racing.join_all().await;
    let now = world.payment(&payment).await;
    let again = format!("{rail:?}, seed {seed}: EVENT_ORDERS={} again", seed + 1);
    let (end, refunds, disputes) = rail.lived();
    assert_eq!(json!([now["status"], now["refunded"], now["refundable"], now["disputed"]]), end, "{again}");
    let trail = world.trail(&invoice).await;
    let count = |action: &str| trail.iter().filter(|one| *one == action).count();
    assert_eq!((count("refund"), count("dispute")), (refunds, disputes), "{again}: {trail:?}");
    assert!((1..=2).contains(&count("settle")), "{again}: {trail:?}");
    Books::of(&world).await.at_rest();
}
