//! Races: many requests at the same moment, over HTTP, for the same invoice; one of them pays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use local::client::Answer;
use local::stripe::fault::{Fault, Kind};
use serde_json::json;
use tokio::task::JoinSet;

use super::books::Books;
use crate::world::{ADMIN, World, refused};

const MANY: usize = 200;

async fn world() -> Arc<World> {
    let world = World::with(|options| options.gateway_timeout = Some(Duration::from_secs(10))).await;
    // Slow enough for all of them to meet.
    world.stack.stripe.set_latency(Duration::from_millis(20));
    Arc::new(world)
}

/// Sends as many requests at once; `key` gives each its key, `invoice` what it is for.
async fn at_once(
    world: &Arc<World>,
    key: impl Fn(usize) -> Option<String>,
    invoice: impl Fn(usize) -> String,
) -> Vec<Answer> {
    let mut requests = JoinSet::new();
    for n in 0..MANY {
        let (world, key, invoice) = (world.clone(), key(n), invoice(n));
        requests.spawn(async move { world.pay_as(ADMIN, key.as_deref(), &invoice, json!({})).await });
    }
    requests.join_all().await
}

/// How often each status and code came.
fn tally(answers: &[Answer]) -> BTreeMap<(u16, String), usize> {
    let mut tally = BTreeMap::new();
    for answer in answers {
        *tally.entry((answer.status, answer.code().to_owned())).or_default() += 1;
    }
    tally
}

/// One of them has paid; the others were told so, with one of these.
fn one_has_paid(answers: &[Answer], others: &[(u16, &str)]) {
    let tally = tally(answers);
    assert_eq!(tally.get(&(201, String::new())), Some(&1), "{tally:?}");
    for (status, code) in tally.keys().filter(|(status, _)| *status != 201) {
        assert!(others.contains(&(*status, code.as_str())), "{tally:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_requests_with_different_keys_one_pays() {
    let world = world().await;
    let invoice = world.approved(json!({})).await;
    let answers = at_once(&world, |n| Some(format!("key-{n}")), |_| invoice.clone()).await;
    one_has_paid(&answers, &[(409, "invoice_paid"), (409, "invoice_being_paid")]);
    let paid = answers.iter().find(|answer| answer.status == 201).unwrap();
    for answer in answers.iter().filter(|answer| answer.status == 409) {
        assert_eq!(answer.body["payment_id"], paid.body["id"], "each is told which payment is in its way");
    }
    assert_eq!(world.charged(&invoice), [50_000]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_requests_with_one_key_one_pays_and_all_hear_of_the_same_payment() {
    let world = world().await;
    let invoice = world.approved(json!({})).await;
    let answers = at_once(&world, |_| Some("one".to_owned()), |_| invoice.clone()).await;
    one_has_paid(&answers, &[(200, ""), (202, "")]);
    assert!(answers.iter().all(|answer| answer.body["id"] == answers[0].body["id"]), "{:?}", tally(&answers));
    assert_eq!(world.charged(&invoice), [50_000]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_requests_without_a_key_one_pays() {
    let world = world().await;
    let invoice = world.approved(json!({})).await;
    let answers = at_once(&world, |_| None, |_| invoice.clone()).await;
    one_has_paid(&answers, &[(409, "invoice_paid"), (409, "invoice_being_paid")]);
    assert_eq!(world.charged(&invoice), [50_000]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_for_two_invoices_at_once_pays_one_of_them() {
    let world = world().await;
    let invoices = [world.approved(json!({})).await, world.approved(json!({})).await];
    let answers = at_once(&world, |_| Some("one".to_owned()), |n| invoices[n % 2].clone()).await;
    one_has_paid(&answers, &[(200, ""), (202, ""), (422, "idempotency_key_reused")]);
    let charged: Vec<i64> = invoices.iter().flat_map(|invoice| world.charged(invoice)).collect();
    assert_eq!(charged, [50_000]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_invoices_for_the_same_bill_are_never_both_paid() {
    let world = world().await;
    let bill = |id: &str| {
        json!({ "invoice_id": id, "invoice_number": "R-1", "kind": "payable", "amount": 700, "currency": "USD",
                                  "counterparty": { "name": "Vendor" } })
    };
    let enter_and_pay = async |id: &str| {
        let made = world.admin().post("/invoices", &bill(id)).await.unwrap();
        if made.status != 201 {
            return made;
        }
        world.admin().post(&format!("/invoices/{id}/approve"), &json!({})).await.unwrap();
        world.pay(id, json!({})).await
    };
    let (one, other) = tokio::join!(enter_and_pay("A"), enter_and_pay("B"));
    let (paid, duplicate) = if one.status == 201 { (one, other) } else { (other, one) };
    assert_eq!(paid.status, 201, "{}", paid.body);
    refused(&duplicate, 409, &["duplicate_invoice"]);
    assert_eq!(world.charged("A").len() + world.charged("B").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_a_reader_and_a_second_payment_at_the_same_moment_send_it_again_once() {
    for passed in [3, 125, 200, 19 * 3_600] {
        let world = world().await;
        let invoice = world.approved(json!({})).await;
        world.stack.stripe.add_fault(Fault::pay(Kind::NothingReached).times(3));
        world.stack.stripe.add_fault(Fault::look_up(Kind::Status(503, json!({}))).times(100));
        let answer = world.pay_as(ADMIN, Some("first"), &invoice, json!({})).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        world.stack.stripe.clear_faults();
        let path = format!("/payments/{}", answer.body["id"].as_str().unwrap());
        world.clock.advance(Duration::from_secs(passed));
        let admin = world.admin();
        let (voided, nothing) = (format!("/invoices/{invoice}/void"), json!({}));
        let (_, read, again, second, void) = tokio::join!(
            world.sweep(),
            admin.get(&path),
            world.pay_as(ADMIN, Some("first"), &invoice, json!({})),
            world.pay_as(ADMIN, Some("second"), &invoice, json!({})),
            admin.post(&voided, &nothing),
        );
        assert_eq!(read.unwrap().status, 200);
        assert!(matches!(again.status, 200 | 202), "{}", again.body);
        assert_eq!(second.status, 409, "{}", second.body);
        assert_eq!(void.unwrap().status, 409);
        world.clock.advance(Duration::from_secs(200));
        world.sweep().await;
        assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
        assert_eq!(world.charged(&invoice), [50_000], "after {passed} s");
        let requests = world.stack.stripe.requests();
        let sends = requests.iter().filter(|one| one.method == "POST" && one.path == "/v1/payment_intents").count();
        assert_eq!(sends, 3 + 1, "after {passed} s: one of them sent it again");
        Books::of(&world).await.at_rest();
    }
}
