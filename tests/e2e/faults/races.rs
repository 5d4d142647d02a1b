//! Races: many requests at the same moment, over HTTP, for the same invoice; one of them pays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use local::client::Answer;
use serde_json::json;
use shared::model::payment::Gateway;
use tokio::task::JoinSet;

use super::books::Books;
use super::ledger::given_back;
use super::rail::{RAILS, Rail};
use crate::world::{ADMIN, World, refused};

const MANY: usize = 200;

async fn world(rail: Rail) -> Arc<World> {
    let world = World::with(|options| options.gateway_timeout = Some(Duration::from_secs(10))).await;
    rail.set_up(&world).await;
    // The first is the default of whoever pays.
    rail.methods(&world).await;
    // Slow enough for all of them to meet.
    world.stack.stripe.set_latency(Duration::from_millis(20));
    world.stack.paypal.set_latency(Duration::from_millis(20));
    world.stack.plaid.set_latency(Duration::from_millis(20));
    Arc::new(world)
}

/// Sends as many requests at once; `key` gives each its key, `invoice` what it is for.
async fn at_once(
    world: &Arc<World>,
    rail: Rail,
    key: impl Fn(usize) -> Option<String>,
    invoice: impl Fn(usize) -> String,
) -> Vec<Answer> {
    let mut requests = JoinSet::new();
    for n in 0..MANY {
        let (world, key, invoice) = (world.clone(), key(n), invoice(n));
        let order = rail.order(&invoice, None);
        requests.spawn(async move { world.pay_as(ADMIN, key.as_deref(), &invoice, order).await });
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

/// The answer to the one that pays: of a payout, or of what a bank has, nothing is known yet.
fn winner(rail: Rail) -> u16 {
    if rail.is_late() { 202 } else { 201 }
}

/// One of them has paid; the others were told so, with one of these.
fn one_has_paid(rail: Rail, answers: &[Answer], others: &[(u16, &str)]) {
    let (tally, winner) = (tally(answers), winner(rail));
    let winners = tally.get(&(winner, String::new())).copied().unwrap_or_default();
    assert!(winners == 1 || (winners > 1 && others.contains(&(winner, ""))), "{rail:?}: {tally:?}");
    for (status, code) in tally.keys().filter(|(status, _)| *status != winner) {
        assert!(others.contains(&(*status, code.as_str())), "{rail:?}: {tally:?}");
    }
}

/// What banks have comes to a good end, and is heard of.
async fn banks_end(rail: Rail, world: &World) {
    if rail.waits_for_bank() {
        rail.settle(world);
        world.clock.advance(Duration::from_hours(25));
        world.sweep().await;
    }
}

/// What is not known yet is looked up; then it was charged once, and the books agree.
async fn charged_once(rail: Rail, world: &World, invoices: &[String]) {
    world.clock.advance(Duration::from_mins(2));
    world.sweep().await;
    banks_end(rail, world).await;
    let mut charged = Vec::new();
    for invoice in invoices {
        charged.extend(rail.charged(world, invoice).await);
    }
    assert_eq!(charged, [50_000], "{rail:?}");
    Books::of(world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_requests_with_different_keys_one_pays() {
    for rail in RAILS {
        let world = world(rail).await;
        let invoice = rail.invoice(&world, 0).await;
        let answers = at_once(&world, rail, |n| Some(format!("key-{n}")), |_| invoice.clone()).await;
        one_has_paid(rail, &answers, &[(409, "invoice_paid"), (409, "invoice_being_paid")]);
        let paid = answers.iter().find(|answer| answer.status == winner(rail)).unwrap();
        for answer in answers.iter().filter(|answer| answer.status == 409) {
            assert_eq!(answer.body["payment_id"], paid.body["id"], "each is told which payment is in its way");
        }
        charged_once(rail, &world, &[invoice]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_requests_with_one_key_one_pays_and_all_hear_of_the_same_payment() {
    for rail in RAILS {
        let world = world(rail).await;
        let invoice = rail.invoice(&world, 0).await;
        let answers = at_once(&world, rail, |_| Some("one".to_owned()), |_| invoice.clone()).await;
        one_has_paid(rail, &answers, &[(200, ""), (202, "")]);
        assert!(answers.iter().all(|answer| answer.body["id"] == answers[0].body["id"]), "{:?}", tally(&answers));
        charged_once(rail, &world, &[invoice]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_requests_without_a_key_one_pays() {
    for rail in RAILS {
        let world = world(rail).await;
        let invoice = rail.invoice(&world, 0).await;
        let answers = at_once(&world, rail, |_| None, |_| invoice.clone()).await;
        one_has_paid(rail, &answers, &[(409, "invoice_paid"), (409, "invoice_being_paid")]);
        charged_once(rail, &world, &[invoice]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_for_two_invoices_at_once_pays_one_of_them() {
    for rail in RAILS {
        let world = world(rail).await;
        let invoices = [rail.invoice(&world, 0).await, rail.invoice(&world, 0).await];
        let answers = at_once(&world, rail, |_| Some("one".to_owned()), |n| invoices[n % 2].clone()).await;
        one_has_paid(rail, &answers, &[(200, ""), (202, ""), (422, "idempotency_key_reused")]);
        charged_once(rail, &world, &invoices).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_refunds_at_once_no_more_goes_back_than_was_paid() {
    for rail in RAILS.into_iter().filter(|rail| rail.refunds()) {
        let world = world(rail).await;
        let invoice = rail.invoice(&world, 0).await;
        let paid = world.pay(&invoice, rail.order(&invoice, None)).await;
        assert_eq!(paid.status, winner(rail), "{}", paid.body);
        banks_end(rail, &world).await;
        let payment = paid.body["id"].as_str().unwrap().to_owned();
        let mut requests = JoinSet::new();
        for n in 0..40 {
            let (world, payment) = (world.clone(), payment.clone());
            requests.spawn(async move {
                world.refund(&format!("r{}", n % 20), &payment, json!({ "amount": 12_500 })).await.status
            });
        }
        let answers = requests.join_all().await;
        assert!(answers.iter().all(|status| [200, 201, 202, 409, 503].contains(status)), "{rail:?}: {answers:?}");
        world.clock.advance(Duration::from_mins(3));
        world.sweep().await;
        banks_end(rail, &world).await;
        let given: i64 = given_back(&world).iter().map(|one| one.amount).sum();
        assert!((12_500..=50_000).contains(&given), "{rail:?}: {given}");
        Books::of(&world).await.at_rest();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_invoices_for_the_same_bill_are_never_both_paid() {
    let world = world(Rail::Stripe).await;
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
    let minutes = |rail: Rail| match rail.gateway() {
        Gateway::Stripe => 19 * 60,
        Gateway::Paypal => 4 * 60,
        // As long as its leave may be used.
        Gateway::Plaid => 45,
    };
    for rail in RAILS.into_iter().filter(|rail| rail.is_sent_again()) {
        for passed in [3, 125, 200, minutes(rail) * 60] {
            let world = world(rail).await;
            let invoice = rail.invoice(&world, 0).await;
            let order = rail.order(&invoice, None);
            rail.cut_off(&world, true);
            let answer = world.pay_as(ADMIN, Some("first"), &invoice, order.clone()).await;
            assert_eq!(answer.status, 202, "{}", answer.body);
            rail.cut_off(&world, false);
            let path = format!("/payments/{}", answer.body["id"].as_str().unwrap());
            world.clock.advance(Duration::from_secs(passed));
            let admin = world.admin();
            let (voided, nothing) = (format!("/invoices/{invoice}/void"), json!({}));
            let (_, read, again, second, void) = tokio::join!(
                world.sweep(),
                admin.get(&path),
                world.pay_as(ADMIN, Some("first"), &invoice, order.clone()),
                world.pay_as(ADMIN, Some("second"), &invoice, order.clone()),
                admin.post(&voided, &nothing),
            );
            assert_eq!(read.unwrap().status, 200);
            assert!(matches!(again.status, 200 | 202), "{}", again.body);
            assert_eq!(second.status, 409, "{}", second.body);
            assert_eq!(void.unwrap().status, 409);
            world.clock.advance(Duration::from_secs(200));
            world.sweep().await;
            banks_end(rail, &world).await;
            assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
            assert_eq!(rail.sends(&world), 3 + 1, "{rail:?} after {passed} s: one of them sent it again");
            charged_once(rail, &world, &[invoice]).await;
        }
    }
}
