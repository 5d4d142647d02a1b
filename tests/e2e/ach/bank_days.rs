//! Bank days: what is promised over a bank for a day on which banks rest goes on the next one, in New York's days.

use serde_json::{Value, json};
use shared::clock::Time;

use super::VENDOR;
use super::stripe::GOOD;
use crate::faults::books::Books;
use crate::schedules::{days, read, scheduled};
use crate::world::World;

const INTENTS: &str = "/v1/payment_intents";

/// The world of a tenant in this zone, with a bank account of the customer's.
async fn in_zone(zone: &str) -> World {
    let (world, _) = World::with_bank().await;
    world.ach_and(json!({}), json!({ "timezone": zone })).await;
    world
}

/// Promises a receivable for a date, over the customer's bank.
async fn promised(world: &World, date: &str) -> Value {
    let invoice = world.receivable(json!({})).await;
    scheduled(world, &invoice, 0, json!({ "payment_method": "ach", "scheduled_date": date })).await
}

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

/// A run at this time: how many were due, under way, and promised for another time.
async fn runs_at(world: &World, at: Time) -> (u64, u64, u64) {
    world.clock.set(at);
    let summary = world.execute().await;
    assert_eq!((&summary["failed"], &summary["remaining"]), (&json!(0), &json!(0)), "{summary}");
    let number = |name: &str| summary[name].as_u64().unwrap();
    (number("due"), number("pending"), number("rescheduled"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_that_is_due_while_banks_rest_goes_on_the_next_bank_day() {
    // Zone, date, when it is due at midnight there, when it goes.
    for (zone, date, due, goes) in [
        // A weekend, in which clocks go forward.
        ("America/New_York", "2026-03-07", "2026-03-07T05:00:00.000Z", "2026-03-09T04:00:00.000Z"),
        // A holiday on Monday, and one after it all.
        ("America/New_York", "2026-02-16", "2026-02-16T05:00:00.000Z", "2026-02-17T05:00:00.000Z"),
        ("America/New_York", "2026-02-14", "2026-02-14T05:00:00.000Z", "2026-02-17T05:00:00.000Z"),
        // Thanksgiving, and Christmas on a Friday.
        ("America/New_York", "2026-11-26", "2026-11-26T05:00:00.000Z", "2026-11-27T05:00:00.000Z"),
        ("America/New_York", "2026-12-25", "2026-12-25T05:00:00.000Z", "2026-12-28T05:00:00.000Z"),
        // Monday in Paris and Tokyo begins on Sunday in New York.
        ("Europe/Paris", "2026-03-02", "2026-03-01T23:00:00.000Z", "2026-03-02T05:00:00.000Z"),
        ("Asia/Tokyo", "2026-03-02", "2026-03-01T15:00:00.000Z", "2026-03-02T05:00:00.000Z"),
        // Saturday there begins on Friday in New York, which is not yet the day that was promised.
        ("Europe/Paris", "2026-03-07", "2026-03-06T23:00:00.000Z", "2026-03-09T04:00:00.000Z"),
        ("Asia/Tokyo", "2026-03-07", "2026-03-06T15:00:00.000Z", "2026-03-09T04:00:00.000Z"),
        // New York's day has begun by then, and the tenant's has not.
        ("America/Los_Angeles", "2026-03-01", "2026-03-01T08:00:00.000Z", "2026-03-02T08:00:00.000Z"),
        ("America/Los_Angeles", "2026-11-26", "2026-11-26T08:00:00.000Z", "2026-11-27T08:00:00.000Z"),
    ] {
        let world = in_zone(zone).await;
        let promise = promised(&world, date).await;
        assert_eq!(promise["due_at"], json!(due), "{zone} {date}");
        assert_eq!(runs_at(&world, time(due)).await, (1, 0, 1), "{zone} {date}");
        let moved = read(&world, &promise).await;
        assert_eq!((&moved["status"], &moved["due_at"]), (&json!("pending"), &json!(goes)), "{zone} {date}");
        assert_eq!(moved["scheduled_date"], json!(date), "what was promised stays so");
        assert_eq!(runs_at(&world, time(due)).await, (0, 0, 0), "{zone} {date}: it was moved already");
        assert_eq!(runs_at(&world, time(goes).minus(std::time::Duration::from_secs(1))).await, (0, 0, 0));
        assert!(world.posted(INTENTS).is_empty(), "{zone} {date}");

        assert_eq!(runs_at(&world, time(goes)).await, (1, 1, 0), "{zone} {date}");
        assert_eq!(runs_at(&world, time(goes)).await, (0, 0, 0), "{zone} {date}");
        let done = read(&world, &promise).await;
        assert_eq!((&done["status"], world.posted(INTENTS).len()), (&json!("executing"), 1), "{zone} {date}");
        let invoice = promise["invoice_id"].as_str().unwrap();
        assert_eq!(world.trail(invoice).await, ["create", "approve", "schedule", "pay"], "{zone} {date}");
        Books::of(&world).await.always();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_that_is_due_on_a_bank_day_goes_at_once() {
    for (zone, date, due) in [
        ("America/New_York", "2026-03-02", "2026-03-02T05:00:00.000Z"),
        // The Fourth of July is a Saturday, for which no other day is kept.
        ("America/New_York", "2026-07-03", "2026-07-03T04:00:00.000Z"),
        ("America/Los_Angeles", "2026-03-02", "2026-03-02T08:00:00.000Z"),
    ] {
        let world = in_zone(zone).await;
        promised(&world, date).await;
        assert_eq!(runs_at(&world, time(due)).await, (1, 1, 0), "{zone} {date}");
    }
    // On a weekday, too, New York's day must have begun.
    let world = in_zone("Asia/Tokyo").await;
    promised(&world, "2026-03-03").await;
    assert_eq!(runs_at(&world, time("2026-03-02T15:00:00Z")).await, (1, 0, 1));
    assert_eq!(runs_at(&world, time("2026-03-03T05:00:00Z")).await, (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_missed_on_its_bank_day_does_not_go_on_a_weekend() {
    let world = in_zone("America/New_York").await;
    let promise = promised(&world, "2026-03-06").await;
    assert_eq!(runs_at(&world, time("2026-03-07T15:00:00Z")).await, (1, 0, 1));
    assert_eq!(read(&world, &promise).await["due_at"], json!("2026-03-09T04:00:00.000Z"));
    assert_eq!(runs_at(&world, time("2026-03-09T15:00:00Z")).await, (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_is_paid_on_bank_days_too_and_a_card_is_charged_on_any() {
    let (world, _) = World::with_bank().await;
    let saturday = json!({ "payment_method": "ach", "scheduled_date": "2026-01-17" });
    let transfer = scheduled(&world, &world.payable(json!({ "stripe_account": VENDOR })).await, 2, saturday).await;
    let card = scheduled(&world, &world.approved(json!({})).await, 2, json!({})).await;
    world.clock.set(time("2026-01-17T05:00:00Z"));
    let summary = world.execute().await;
    let counts = ["due", "paid", "rescheduled"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!(counts, [2, 1, 1], "{summary}");
    assert_eq!(read(&world, &card).await["status"], json!("completed"));
    // Monday is a holiday.
    assert_eq!(read(&world, &transfer).await["due_at"], json!("2026-01-20T05:00:00.000Z"));
    world.clock.set(time("2026-01-20T05:00:00Z"));
    assert_eq!(world.execute().await["paid"], json!(1));
    assert_eq!(read(&world, &transfer).await["status"], json!("completed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_that_came_back_for_want_of_money_comes_again_on_a_bank_day() {
    let world = in_zone("America/New_York").await;
    let again = json!({ "on_insufficient_funds": "reschedule", "retry_days": [1] });
    world.ach_and(json!({ "own_retries": true }), again).await;
    let promise = promised(&world, "2026-02-11").await;
    assert_eq!(runs_at(&world, time("2026-02-11T05:00:00Z")).await, (1, 1, 0));
    let intent = world.booked(&world.stack.stripe.books(crate::world::ACCOUNT)[0].id).id;
    // The bank says so on Friday; the day after is a Saturday, and Monday a holiday.
    world.bank_refuses(&intent, "insufficient_funds").await;
    let next = read(&world, &promise).await;
    assert_eq!((&next["status"], &next["due_at"]), (&json!("pending"), &json!("2026-02-14T05:00:00.000Z")));
    assert_eq!(runs_at(&world, time("2026-02-14T05:00:00Z")).await, (1, 0, 1));
    assert_eq!(read(&world, &promise).await["due_at"], json!("2026-02-17T05:00:00.000Z"));
    assert_eq!(runs_at(&world, time("2026-02-17T05:00:00Z")).await, (1, 1, 0));
    assert_eq!(world.posted(INTENTS).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_that_waits_for_a_method_goes_on_with_it_on_a_bank_day() {
    let world = World::with_stripe_ach().await;
    let first = world.stripe_bank(GOOD).await;
    let promise = promised(&world, "2026-01-16").await;
    world.taken_off(&first).await;
    world.clock.set(time("2026-01-16T05:00:00Z"));
    assert_eq!(world.execute().await["failed"], json!(1));
    assert_eq!(read(&world, &promise).await["status"], json!("awaiting_method"));
    // Saturday: there is another account now.
    world.clock.set(time("2026-01-17T15:00:00Z"));
    world.stripe_bank(GOOD).await;
    world.execute().await;
    assert!(world.posted(INTENTS).is_empty());
    for _ in 0..3 {
        world.clock.advance(days(1));
        world.execute().await;
    }
    assert_eq!(read(&world, &promise).await["status"], json!("executing"));
    assert_eq!(world.posted(INTENTS).len(), 1);
}
