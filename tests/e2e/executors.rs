//! Executors: several at once, killed, bounded by a rate, paused, and over a whole year.

use std::sync::Arc;
use std::time::Duration;

use local::stripe::fault::{Fault, Kind};
use reqwest::Method;
use serde_json::json;
use shared::clock::Clock;
use shared::flow::run::{Executor, Run};
use tokio::task::JoinSet;

use crate::faults::books::Books;
use crate::schedules::{DECLINED, EXPIRED, NO_FUNDS, days, read, scheduled};
use crate::world::World;

/// Schedules so many invoices for tomorrow, several at a time.
async fn many(world: &Arc<World>, count: usize) -> Vec<String> {
    let mut lanes = JoinSet::new();
    for lane in 0..8 {
        let world = world.clone();
        lanes.spawn(async move {
            let mut invoices = Vec::new();
            for _ in (lane..count).step_by(8) {
                let invoice = world.approved(json!({})).await;
                scheduled(&world, &invoice, 1, json!({})).await;
                invoices.push(invoice);
            }
            invoices
        });
    }
    lanes.join_all().await.into_iter().flatten().collect()
}

pub fn executor(world: &World, rate: u32) -> Executor {
    let mut app = world.stack.app.clone();
    Arc::make_mut(&mut app.config).gateway_rate = rate.try_into().unwrap();
    Executor::new(app)
}

pub fn run(world: &World, name: &str) -> Run {
    let now = world.clock.now();
    Run { request_id: name.to_owned(), started_at: now, deadline: now.plus(Duration::from_mins(15)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_four_executors_at_once_with_one_killed_each_payment_is_made_once_and_none_is_left() {
    let world = Arc::new(World::with(|options| options.gateway_timeout = Some(Duration::from_secs(10))).await);
    let invoices = many(&world, 1_000).await;
    world.clock.advance(days(1));
    let mut executors = Vec::new();
    for _ in 0..4 {
        let executor = executor(&world, 100_000);
        // The lease keeps the rate and nothing else: all four work under one, and are in each other's way.
        let run = run(&world, "same");
        executors.push(tokio::spawn(async move { executor.run(&run).await.unwrap() }));
    }
    let charged = || world.stack.stripe.books("acct_acme").iter().filter(|entry| entry.captured).count();
    while charged() < 300 {
        tokio::task::yield_now().await;
    }
    executors.swap_remove(0).abort();
    for executor in executors {
        executor.await.unwrap();
    }
    // What the killed one had reserved is unsettled, and found in the next run.
    world.clock.advance(Duration::from_mins(15));
    executor(&world, 100_000).run(&run(&world, "last")).await.unwrap();
    assert_eq!(charged(), 1_000);
    for invoice in &invoices {
        assert_eq!(world.charged(invoice), [50_000], "{invoice}");
    }
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn four_executors_keep_the_rate_of_one_gateway_account() {
    let world = World::with(|options| {
        options.gateway_timeout = Some(Duration::from_secs(10));
        options.clock = Clock::system();
    });
    let world = Arc::new(world.await);
    let today = |world: &World| world.in_days(0);
    for _ in 0..30 {
        let invoice = world.approved(json!({})).await;
        let body = json!({ "invoice_id": invoice, "payment_method": "stripe", "scheduled_date": today(&world) });
        assert_eq!(world.admin().post("/scheduled-payments", &body).await.unwrap().status, 202);
    }
    let started = std::time::Instant::now();
    let mut executors = JoinSet::new();
    for n in 0..4 {
        let (executor, run) = (executor(&world, 5), run(&world, &format!("executor-{n}")));
        executors.spawn(async move { executor.run(&run).await.unwrap() });
    }
    let summaries = executors.join_all().await;
    let paid: u32 = summaries.iter().map(|summary| summary.paid).sum();
    assert_eq!(paid, 30, "{summaries:?}");
    // Five a second: four of them would have needed a quarter of the time.
    assert!(started.elapsed() >= Duration::from_millis(5_500), "{:?}", started.elapsed());
    let workers = summaries.iter().filter(|summary| summary.paid > 0).count();
    assert_eq!(workers, 1, "the lease leaves a tenant's work to one of them: {summaries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_payments_are_paused_no_promise_is_kept_and_none_is_lost() {
    let world = Arc::new(World::new().await);
    let invoices = many(&world, 3).await;
    world.clock.advance(days(1));
    let mut app = world.stack.app.clone();
    Arc::make_mut(&mut app.config).payments_paused = true;
    let summary = Executor::new(app).run(&run(&world, "paused")).await.unwrap();
    assert_eq!((summary.paid, summary.remaining), (0, 3));
    assert!(world.stack.stripe.books("acct_acme").is_empty());
    assert_eq!(world.execute().await["paid"], json!(invoices.len()));
}

/// A year of daily runs: every promise ends kept, called off, or before a person.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_year_of_failures_every_promise_is_kept_called_off_or_before_a_person() {
    let mut random = fastrand::Rng::with_seed(7);
    let world = Arc::new(World::with(|options| options.gateway_timeout = Some(Duration::from_secs(10))).await);
    assert_eq!(world.settings(json!({ "on_insufficient_funds": "reschedule" })).await.status, 200);
    let mut methods = Vec::new();
    for reference in ["pm_card_mastercard", NO_FUNDS, EXPIRED, DECLINED, "pm_card_authenticationRequired"] {
        methods.push(world.method(reference, json!({})).await);
    }
    let mut schedules = Vec::new();
    for _ in 0..200 {
        let invoice = world.approved(json!({})).await;
        // Half of them by the good card.
        let method = if random.bool() { &methods[0] } else { &methods[random.usize(0..methods.len())] };
        let day = random.i64(1..320);
        schedules.push((scheduled(&world, &invoice, day, json!({ "payment_method_id": method })).await, invoice));
    }
    for day in 0..365 {
        world.clock.advance(days(1));
        world.stack.stripe.clear_faults();
        for _ in 0..random.u32(0..3) {
            let kinds = [
                Kind::NothingReached,
                Kind::ReplyLost,
                Kind::RateLimited,
                Kind::ErrorAfter(500),
                Kind::ErrorBefore(503),
            ];
            let kind = kinds[random.usize(0..kinds.len())].clone();
            let fault = if random.bool() { Fault::pay(kind) } else { Fault::look_up(kind) };
            world.stack.stripe.add_fault(fault.times(random.u32(1..8)));
        }
        let summary = world.execute().await;
        if summary["pending"] != json!(0) || summary["remaining"] != json!(0) {
            // The runs every 15 minutes: while it lasts, and when it is over.
            world.clock.advance(Duration::from_mins(10));
            world.execute().await;
            world.stack.stripe.clear_faults();
            world.clock.advance(Duration::from_mins(40));
            world.execute().await;
        }
        if day % 30 == 7 {
            let (schedule, _) = &schedules[random.usize(0..schedules.len())];
            let path = format!("/scheduled-payments/{}", schedule["id"].as_str().unwrap());
            let canceled = world.admin().send(Method::DELETE, &path, None, None).await.unwrap();
            assert!(matches!(canceled.status, 200 | 409), "{}", canceled.body);
        }
    }
    world.stack.stripe.clear_faults();
    for _ in 0..20 {
        world.clock.advance(days(1));
        world.execute().await;
    }
    // What nobody could find out is before a person.
    for payment in Books::of(&world).await.payments.iter().filter(|payment| payment.status.is_unsettled()) {
        let word = json!({ "outcome": "not_executed", "note": "not in the dashboard" });
        let path = format!("/payments/{}/resolve", payment.id);
        let resolved = world.admin().post(&path, &word).await.unwrap();
        assert_eq!(resolved.status, 200, "{}", resolved.body);
    }
    let books = Books::of(&world).await;
    books.at_rest();
    let mut ends = std::collections::BTreeMap::new();
    for (schedule, invoice) in &schedules {
        let now = read(&world, schedule).await;
        let status = now["status"].as_str().unwrap().to_owned();
        let called = books.alerts.iter().any(|alert| alert.open && alert.invoice == *invoice);
        match status.as_str() {
            "completed" | "canceled" => {}
            "in_review" | "awaiting_method" => assert!(called, "{invoice} is {status} and nobody was called"),
            _ => panic!("{invoice} is {status}"),
        }
        // The first try and three more for want of money.
        let charges = world.stack.stripe.books("acct_acme").into_iter();
        let tried = charges.filter(|entry| entry.metadata.get("invoice_id") == Some(invoice)).count();
        assert!(tried <= 4, "{invoice} was presented {tried} times");
        *ends.entry(status).or_insert(0) += 1;
    }
    assert!(ends["completed"] > 90 && ends.len() >= 3, "{ends:?}");
}
