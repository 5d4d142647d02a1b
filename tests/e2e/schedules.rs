//! Scheduled payments: made on their day, once; what goes wrong is tried again where that is right, and put before a
//! person where it is not.

use std::sync::Arc;
use std::time::Duration;

use local::stripe::fault::{Fault, Kind};
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock::{Clock, Time};
use shared::flow::run::{Executor, Run};
use tokio::task::JoinSet;

use crate::faults::books::Books;
use crate::world::{ADMIN, World, refused};

const DECLINED: &str = "pm_card_visa_chargeDeclined";
const NO_FUNDS: &str = "pm_card_visa_chargeDeclinedInsufficientFunds";
const EXPIRED: &str = "pm_card_chargeDeclinedExpiredCard";

/// Schedules an invoice so many days ahead; the schedule.
async fn scheduled(world: &World, invoice: &str, days: i64, change: Value) -> Value {
    let mut body = json!({ "invoice_id": invoice, "payment_method": "stripe", "scheduled_date": world.in_days(days) });
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let answer = world.admin().post("/scheduled-payments", &body).await.unwrap();
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.body
}

async fn read(world: &World, schedule: &Value) -> Value {
    let path = format!("/scheduled-payments/{}", schedule["id"].as_str().unwrap());
    world.admin().get(&path).await.unwrap().body
}

async fn patch(world: &World, schedule: &Value, body: Value) -> local::client::Answer {
    let path = format!("/scheduled-payments/{}", schedule["id"].as_str().unwrap());
    world.admin().send(Method::PATCH, &path, None, Some(&body)).await.unwrap()
}

fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_is_kept_on_its_day_once_and_not_before() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    let date = world.in_days(3);
    let body = json!({ "invoice_id": invoice, "payment_method": "stripe", "scheduled_date": date });
    let answer = world.admin().send(Method::POST, "/payments", Some("k"), Some(&body)).await.unwrap();
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("pending")), "{}", answer.body);
    // Midnight in New York.
    assert_eq!(answer.body["due_at"], json!("2026-01-18T05:00:00.000Z"));
    let held = world.invoice(&invoice).await;
    assert_eq!((&held["status"], &held["schedule_id"]), (&json!("scheduled"), &answer.body["id"]));
    let now = world.pay(&invoice, json!({})).await;
    refused(&now, 409, &["invoice_scheduled"]);
    assert_eq!(now.body["schedule_id"], answer.body["id"]);
    let again = json!({ "invoice_id": invoice, "payment_method": "stripe", "scheduled_date": world.in_days(5) });
    refused(&world.admin().post("/scheduled-payments", &again).await.unwrap(), 409, &["invoice_scheduled"]);

    assert_eq!(world.execute().await["due"], json!(0));
    world.clock.set("2026-01-18T04:59:59Z".parse::<Time>().unwrap());
    assert_eq!(world.execute().await["due"], json!(0));
    world.clock.set("2026-01-18T05:00:00Z".parse::<Time>().unwrap());
    let summary = world.execute().await;
    assert_eq!((&summary["due"], &summary["paid"]), (&json!(1), &json!(1)), "{summary}");
    assert_eq!(world.execute().await["due"], json!(0));
    let done = read(&world, &answer.body).await;
    assert_eq!((&done["status"], done["payments"].as_array().unwrap().len()), (&json!("completed"), 1));
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    assert_eq!(world.trail(&invoice).await, ["create", "approve", "schedule", "pay", "settle"]);
    assert_eq!(world.charged(&invoice), [50_000]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_that_are_past_too_far_or_no_dates_are_refused() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    for (date, code) in [
        (world.in_days(-1), "scheduled_date_past"),
        (world.in_days(366 * 2), "scheduled_date_too_far"),
        ("immediate".to_owned(), "invalid_field"),
        ("2026-02-30".to_owned(), "invalid_field"),
        ("2026-03-01T10:00".to_owned(), "invalid_field"),
    ] {
        let body = json!({ "invoice_id": invoice, "payment_method": "stripe", "scheduled_date": date });
        refused(&world.admin().post("/scheduled-payments", &body).await.unwrap(), 422, &[code]);
    }
    let body = json!({ "invoice_id": invoice, "payment_method": "stripe" });
    refused(&world.admin().post("/scheduled-payments", &body).await.unwrap(), 422, &["missing_field"]);
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_begins_late_or_twice_is_due_at_its_first_instant() {
    for (zone, date, due) in [
        // Clocks go from 24:00 to 1:00.
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00:00.000Z"),
        // Clocks go from 1:00 back to 0:00: midnight comes twice.
        ("America/Havana", "2026-11-01", "2026-11-01T04:00:00.000Z"),
        ("Asia/Kathmandu", "2026-09-06", "2026-09-05T18:15:00.000Z"),
    ] {
        let world = World::new().await;
        assert_eq!(world.settings(json!({ "timezone": zone })).await.status, 200);
        let invoice = world.approved(json!({})).await;
        let body = json!({ "invoice_id": invoice, "payment_method": "stripe", "scheduled_date": date });
        let answer = world.admin().post("/scheduled-payments", &body).await.unwrap();
        assert_eq!(answer.body["due_at"], json!(due), "{zone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_on_both_sides_of_midnight_is_one_operation_as_payment_and_as_schedule() {
    for with_invoice in [true, false] {
        let world = World::new().await;
        // 23:59:30 in New York.
        world.clock.set("2026-01-16T04:59:30Z".parse::<Time>().unwrap());
        let date = "2026-01-16";
        let body = if with_invoice {
            let invoice = world.approved(json!({})).await;
            json!({ "invoice_id": invoice, "payment_method": "stripe", "scheduled_date": date })
        } else {
            json!({ "amount": 700, "currency": "USD", "kind": "payable", "counterparty": { "name": "V" }, "description": "d",
                    "payment_method": "stripe", "scheduled_date": date })
        };
        let send = async |path: &str| world.admin().send(Method::POST, path, Some("k"), Some(&body)).await.unwrap();
        let before = send("/payments").await;
        assert_eq!(before.status, 202, "{}", before.body);
        world.clock.advance(Duration::from_mins(1));
        for path in ["/payments", "/scheduled-payments"] {
            let after = send(path).await;
            assert_eq!((after.status, &after.body["id"]), (202, &before.body["id"]), "{path}: {}", after.body);
            assert!(after.headers.contains_key("idempotent-replayed"));
        }
        world.execute().await;
        let paid = send("/payments").await;
        assert_eq!((paid.status, &paid.body["status"]), (200, &json!("completed")), "{}", paid.body);
        let charges = world.stack.stripe.books("acct_acme").len();
        assert_eq!(charges, 1);
        // A key of a payment stays a payment's, whatever path it comes by.
        let other = world.approved(json!({})).await;
        let body = json!({ "invoice_id": other, "payment_method": "stripe", "scheduled_date": "2026-01-16" });
        let now = world.admin().send(Method::POST, "/payments", Some("k2"), Some(&body)).await.unwrap();
        assert_eq!(now.status, 201, "{}", now.body);
        let again = world.admin().send(Method::POST, "/scheduled-payments", Some("k2"), Some(&body)).await.unwrap();
        assert_eq!((again.status, &again.body["id"]), (200, &now.body["id"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pay_now_without_money_is_tried_again_by_the_tenants_days_and_then_put_before_a_person() {
    let world = World::new().await;
    assert_eq!(world.settings(json!({ "on_insufficient_funds": "reschedule" })).await.status, 200);
    let method = world.method(NO_FUNDS, json!({})).await;
    let invoice = world.approved(json!({})).await;
    let answer = world.pay_as(ADMIN, Some("k"), &invoice, json!({ "payment_method_id": method })).await;
    assert_eq!((answer.status, answer.code()), (402, "insufficient_funds"), "{}", answer.body);
    let promise = answer.body["scheduled_payment"].clone();
    assert_eq!(promise["scheduled_date"], json!(world.in_days(1)));
    assert_eq!(world.invoice(&invoice).await["status"], json!("scheduled"));
    let again = world.pay_as(ADMIN, Some("k"), &invoice, json!({ "payment_method_id": method })).await;
    assert_eq!((again.status, &again.body["scheduled_payment"]["id"]), (402, &promise["id"]));
    // Then 3 and 7 days later.
    for (wait, status) in [(1, "pending"), (3, "pending"), (7, "in_review")] {
        world.clock.advance(days(wait) - Duration::from_hours(20));
        assert_eq!(world.execute().await["due"], json!(0), "not yet");
        world.clock.advance(Duration::from_hours(20));
        let summary = world.execute().await;
        assert_eq!(summary["due"], json!(1), "{summary}");
        assert_eq!(read(&world, &promise).await["status"], json!(status), "after {wait} days");
        assert_eq!(world.invoice(&invoice).await["status"], json!("scheduled"), "never free meanwhile");
    }
    world.clock.advance(days(30));
    assert_eq!(world.execute().await["due"], json!(0), "a person decides");
    assert_eq!(world.alerts().await, ["insufficient_funds"]);
    // He names another method and a day.
    let good = world.method("pm_card_mastercard", json!({})).await;
    let changed =
        patch(&world, &promise, json!({ "payment_method_id": good, "scheduled_date": world.in_days(0) })).await;
    assert_eq!((changed.status, &changed.body["status"]), (200, &json!("pending")), "{}", changed.body);
    assert_eq!(world.execute().await["paid"], json!(1));
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_wants_no_second_try_has_its_invoice_back() {
    let world = World::new().await;
    let method = world.method(NO_FUNDS, json!({})).await;
    let invoice = world.approved(json!({})).await;
    let answer = world.pay(&invoice, json!({ "payment_method_id": method })).await;
    assert_eq!((answer.status, &answer.body["scheduled_payment"]), (402, &Value::Null));
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_whose_method_is_no_good_waits_for_another_and_goes_on_when_there_is_one() {
    let world = World::new().await;
    let bad = world.method(EXPIRED, json!({ "default": true })).await;
    let invoice = world.approved(json!({})).await;
    let schedule = scheduled(&world, &invoice, 1, json!({ "payment_method_id": bad })).await;
    world.clock.advance(days(1));
    let summary = world.execute().await;
    assert_eq!(summary["failed"], json!(1), "{summary}");
    assert_eq!(read(&world, &schedule).await["status"], json!("awaiting_method"));
    assert_eq!(world.alerts().await, ["payment_method_invalid"]);
    world.clock.advance(days(2));
    world.execute().await;
    assert_eq!(world.charged(&invoice), [0; 0], "the same default is not tried again");
    let attempts = world.stack.stripe.books("acct_acme").len();
    assert_eq!(attempts, 1);
    world.method("pm_card_mastercard", json!({ "default": true })).await;
    let summary = world.execute().await;
    assert_eq!(summary["paid"], json!(1), "{summary}");
    assert_eq!(read(&world, &schedule).await["status"], json!("completed"));
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decline_is_never_tried_again_by_itself() {
    let world = World::new().await;
    let method = world.method(DECLINED, json!({})).await;
    let invoice = world.approved(json!({})).await;
    let schedule = scheduled(&world, &invoice, 1, json!({ "payment_method_id": method })).await;
    world.clock.advance(days(1));
    world.execute().await;
    assert_eq!(read(&world, &schedule).await["status"], json!("in_review"));
    world.clock.advance(days(40));
    assert_eq!(world.execute().await["due"], json!(0));
    assert_eq!(world.stack.stripe.books("acct_acme").len(), 1);
    let path = format!("/scheduled-payments/{}", schedule["id"].as_str().unwrap());
    let canceled = world.admin().send(Method::DELETE, &path, None, None).await.unwrap();
    assert_eq!((canceled.status, &canceled.body["status"]), (200, &json!("canceled")), "{}", canceled.body);
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_gateway_is_away_a_promise_is_put_off_and_after_ten_times_a_person_is_called() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    let schedule = scheduled(&world, &invoice, 1, json!({})).await;
    world.stack.stripe.add_fault(Fault::pay(Kind::RateLimited).times(1_000));
    world.clock.advance(days(1));
    let mut waits = Vec::new();
    for _ in 0..20 {
        let summary = world.execute().await;
        if summary["due"] != json!(1) {
            break;
        }
        let now = read(&world, &schedule).await;
        if now["status"] != json!("pending") {
            break;
        }
        let due: Time = now["due_at"].as_str().unwrap().parse().unwrap();
        waits.push(due.since(world.clock.now()).as_secs() / 60);
        world.clock.set(due);
    }
    assert_eq!(waits, [15, 60, 240, 1_440, 1_440, 1_440, 1_440, 1_440, 1_440]);
    assert_eq!(read(&world, &schedule).await["status"], json!("in_review"));
    assert_eq!(world.charged(&invoice), [0; 0]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_checked_again_on_the_day() {
    for case in ["approver", "gateway", "method"] {
        let world = World::new().await;
        world.member("ann", &["approver"], Some(100_000)).await;
        let method = world.method("pm_card_mastercard", json!({})).await;
        let invoice = world.draft(json!({})).await;
        assert_eq!(
            world.user("ann").post(&format!("/invoices/{invoice}/approve"), &json!({})).await.unwrap().status,
            200
        );
        let body = json!({ "invoice_id": invoice, "payment_method": "stripe", "payment_method_id": method,
                           "scheduled_date": world.in_days(1) });
        let schedule = world.user("ann").post("/scheduled-payments", &body).await.unwrap().body;
        let (status, alert) = match case {
            "approver" => {
                world.member("ann", &["clerk"], None).await;
                ("in_review", "schedule_stopped")
            }
            "gateway" => {
                world.settings(json!({ "gateways": { "stripe": { "enabled": false } } })).await;
                ("in_review", "schedule_stopped")
            }
            _ => {
                let events = world.events(&["payment_method.attached"]);
                let id = events.last().unwrap()["data"]["object"]["id"].clone();
                let gone = json!({ "id": "evt_gone", "object": "event", "type": "payment_method.detached", "created": 1,
                                   "data": { "object": { "id": id } } });
                assert_eq!(world.told(&gone).await, "done");
                ("awaiting_method", "payment_method_invalid")
            }
        };
        world.clock.advance(days(1));
        let summary = world.execute().await;
        assert_eq!((&summary["paid"], &summary["failed"]), (&json!(0), &json!(1)), "{case}: {summary}");
        assert_eq!(read(&world, &schedule).await["status"], json!(status), "{case}");
        assert_eq!(world.alerts().await, [alert], "{case}");
        assert_eq!(world.stack.stripe.books("acct_acme").len(), 0, "{case}");
        assert_eq!(world.trail(&invoice).await.last().unwrap(), "put_off", "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_invoice_takes_its_promise_with_it_and_a_promise_can_be_put_off_and_called_off() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    let schedule = scheduled(&world, &invoice, 1, json!({})).await;
    let voided = world.admin().post(&format!("/invoices/{invoice}/void"), &json!({})).await.unwrap();
    assert_eq!(voided.status, 200, "{}", voided.body);
    assert_eq!(read(&world, &schedule).await["status"], json!("canceled"));
    refused(&patch(&world, &schedule, json!({ "scheduled_date": world.in_days(2) })).await, 409, &["schedule_closed"]);

    let invoice = world.approved(json!({})).await;
    let schedule = scheduled(&world, &invoice, 1, json!({})).await;
    let later = patch(&world, &schedule, json!({ "scheduled_date": world.in_days(4) })).await;
    assert_eq!((later.status, &later.body["scheduled_date"]), (200, &json!(world.in_days(4))), "{}", later.body);
    refused(
        &patch(&world, &schedule, json!({ "scheduled_date": world.in_days(-1) })).await,
        422,
        &["scheduled_date_past"],
    );
    refused(&patch(&world, &schedule, json!({})).await, 422, &["missing_field"]);
    world.clock.advance(days(2));
    assert_eq!(world.execute().await["due"], json!(0));
    world.stack.stripe.set_processing(true);
    world.clock.advance(days(2));
    assert_eq!(world.execute().await["pending"], json!(1));
    assert_eq!(read(&world, &schedule).await["status"], json!("executing"));
    refused(
        &patch(&world, &schedule, json!({ "scheduled_date": world.in_days(9) })).await,
        409,
        &["schedule_executing"],
    );
    let list = world.admin().get("/scheduled-payments?status=executing").await.unwrap();
    assert_eq!(list.body["items"][0]["id"], schedule["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_promises_are_not_to_be_found() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    let schedule = scheduled(&world, &invoice, 1, json!({})).await;
    world.tenant("evil", "acct_evil").await;
    let evil = world.of("evil", ADMIN);
    let path = format!("/scheduled-payments/{}", schedule["id"].as_str().unwrap());
    refused(&evil.get(&path).await.unwrap(), 404, &["scheduled_payment_not_found"]);
    let gone = evil.send(Method::DELETE, &path, None, None).await.unwrap();
    refused(&gone, 404, &["scheduled_payment_not_found"]);
    assert_eq!(evil.get("/scheduled-payments").await.unwrap().body["items"], json!([]));
}

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

fn executor(world: &World, rate: u32) -> Executor {
    let mut app = world.stack.app.clone();
    Arc::make_mut(&mut app.config).gateway_rate = rate.try_into().unwrap();
    Executor::new(app)
}

fn run(world: &World, name: &str) -> Run {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_that_waits_is_not_paid_with_a_default_that_nobody_chose_for_it() {
    let world = World::new().await;
    let bad = world.method(EXPIRED, json!({})).await;
    let invoice = world.approved(json!({})).await;
    // The tenant's default is another card, and good.
    let schedule = scheduled(&world, &invoice, 1, json!({ "payment_method_id": bad })).await;
    for _ in 0..3 {
        world.clock.advance(days(1));
        world.execute().await;
        assert_eq!(read(&world, &schedule).await["status"], json!("awaiting_method"));
    }
    let named = world.method("pm_card_mastercard", json!({})).await;
    assert_eq!(patch(&world, &schedule, json!({ "payment_method_id": named })).await.status, 200);
    assert_eq!(world.execute().await["paid"], json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_whose_customer_does_not_act_is_put_before_a_person() {
    let world = World::new().await;
    let waits = world.method("pm_card_authenticationRequired", json!({})).await;
    let invoice = world.approved(json!({})).await;
    let schedule = scheduled(&world, &invoice, 1, json!({ "payment_method_id": waits })).await;
    world.clock.advance(days(1));
    assert_eq!(world.execute().await["pending"], json!(1));
    world.clock.advance(Duration::from_hours(25));
    world.execute().await;
    assert_eq!(read(&world, &schedule).await["status"], json!("in_review"));
    assert_eq!(world.alerts().await, ["schedule_stopped"]);
    Books::of(&world).await.at_rest();
}

/// A year of daily runs: every promise ends kept, called off, or before a person.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_year_of_failures_every_promise_is_kept_called_off_or_before_a_person() {
    let mut random = fastrand::Rng::with_seed(7);
    let world = Arc::new(World::with(|options| options.gateway_timeout = Some(Duration::from_secs(10))).await);
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
