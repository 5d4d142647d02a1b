//! Scheduled payments: made on their day, once; what goes wrong is tried again where that is right, and put before a
//! person where it is not.

use std::time::Duration;

use local::stripe::fault::{Fault, Kind};
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock::Time;

use crate::faults::books::Books;
use crate::world::{ADMIN, World, refused};

pub const DECLINED: &str = "pm_card_visa_chargeDeclined";
pub const NO_FUNDS: &str = "pm_card_visa_chargeDeclinedInsufficientFunds";
pub const EXPIRED: &str = "pm_card_chargeDeclinedExpiredCard";

/// Schedules an invoice so many days ahead; the schedule.
pub async fn scheduled(world: &World, invoice: &str, days: i64, change: Value) -> Value {
    let mut body = json!({ "invoice_id": invoice, "payment_method": "stripe", "scheduled_date": world.in_days(days) });
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let answer = world.admin().post("/scheduled-payments", &body).await.unwrap();
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.body
}

pub async fn read(world: &World, schedule: &Value) -> Value {
    let path = format!("/scheduled-payments/{}", schedule["id"].as_str().unwrap());
    world.admin().get(&path).await.unwrap().body
}

pub async fn patch(world: &World, schedule: &Value, body: Value) -> local::client::Answer {
    let path = format!("/scheduled-payments/{}", schedule["id"].as_str().unwrap());
    world.admin().send(Method::PATCH, &path, None, Some(&body)).await.unwrap()
}

pub fn days(days: u64) -> Duration {
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
    let again = world.approved(json!({})).await;
    let schedule = scheduled(&world, &again, 1, json!({ "payment_method_id": method })).await;
    world.clock.advance(days(1));
    assert_eq!(world.execute().await["failed"], json!(1));
    assert_eq!(read(&world, &schedule).await["status"], json!("failed"));
    assert_eq!(world.invoice(&again).await["status"], json!("approved"));
    assert_eq!(world.alerts().await, ["insufficient_funds"; 2]);
    assert_eq!(world.pay(&again, json!({})).await.status, 201, "it is free");
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
