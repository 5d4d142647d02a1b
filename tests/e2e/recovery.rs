//! Unknown outcomes: found out by whoever touches the payment and by the sweep, never guessed.

use std::time::Duration;

use local::client::Answer;
use local::stripe::fault::{Fault, Kind};
use serde_json::json;

use crate::world::{ACCOUNT, ADMIN, World, refused};

/// Pays with the reply of every send and every look-up lost: the outcome is unknown, whether or not `executed`.
async fn unknown(world: &World, executed: bool) -> (String, Answer) {
    let invoice = world.approved(json!({})).await;
    let kind = if executed { Kind::ReplyLost } else { Kind::NothingReached };
    world.stack.stripe.add_fault(Fault::pay(kind).times(3));
    world.stack.stripe.add_fault(Fault::look_up(Kind::Status(503, json!({}))).times(100));
    let answer = world.pay_as(ADMIN, Some(&format!("first-{invoice}")), &invoice, json!({})).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    world.stack.stripe.clear_faults();
    assert_eq!(world.charged(&invoice).len(), usize::from(executed));
    (invoice, answer)
}

fn sends(world: &World) -> usize {
    let is_send = |r: &local::stripe::LoggedRequest| r.method == "POST" && r.path == "/v1/payment_intents";
    world.stack.stripe.requests().iter().filter(|request| is_send(request)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_is_looked_up_within_the_request() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    world.stack.stripe.add_fault(Fault::pay(Kind::ReplyLost));
    assert_eq!(world.pay(&invoice, json!({})).await.status, 201);
    assert_eq!((world.charged(&invoice), sends(&world)), (vec![50_000], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_gateway_is_looked_up_and_paid_once() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    world.stack.stripe.add_fault(Fault::pay(Kind::Slow(2_000)));
    assert_eq!(world.pay(&invoice, json!({})).await.status, 201);
    assert_eq!(world.charged(&invoice), [50_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_touches_a_payment_of_unknown_outcome_has_it_looked_up() {
    for how in 0..4 {
        let world = World::new().await;
        let (invoice, answer) = unknown(&world, true).await;
        let id = answer.body["id"].as_str().unwrap();
        world.clock.advance(Duration::from_secs(3));
        match how {
            0 => assert_eq!(world.admin().get(&format!("/payments/{id}")).await.unwrap().body["status"], json!("paid")),
            1 => assert_eq!(world.invoice(&invoice).await["status"], json!("paid")),
            2 => refused(&world.pay_as(ADMIN, Some("second"), &invoice, json!({})).await, 409, &["invoice_paid"]),
            _ => {
                let void = world.admin().post(&format!("/invoices/{invoice}/void"), &json!({})).await.unwrap();
                refused(&void, 409, &["invoice_paid"]);
            }
        }
        assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle"]);
        assert_eq!((world.charged(&invoice), sends(&world)), (vec![50_000], 3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_asks_the_gateway_twice_within_two_seconds() {
    let world = World::new().await;
    let (invoice, _) = unknown(&world, false).await;
    let lookups = || world.stack.stripe.requests().iter().filter(|request| request.method == "GET").count();
    world.clock.advance(Duration::from_secs(3));
    let before = lookups();
    for _ in 0..5 {
        assert_eq!(world.invoice(&invoice).await["status"], json!("paying"));
    }
    assert_eq!(lookups() - before, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_arrived_is_sent_again_only_after_the_fence_and_is_paid_once() {
    let world = World::new().await;
    let (invoice, answer) = unknown(&world, false).await;
    let id = answer.body["id"].as_str().unwrap();
    world.clock.advance(Duration::from_secs(119));
    let read = world.admin().get(&format!("/payments/{id}")).await.unwrap();
    assert_eq!((&read.body["status"], sends(&world)), (&json!("processing"), 3), "not found is still unknown");
    refused(&world.pay_as(ADMIN, Some("second"), &invoice, json!({})).await, 409, &["invoice_being_paid"]);
    world.clock.advance(Duration::from_secs(2));
    let read = world.admin().get(&format!("/payments/{id}")).await.unwrap();
    assert_eq!((&read.body["status"], sends(&world)), (&json!("paid"), 4));
    assert_eq!(world.charged(&invoice), [50_000]);
    let again = world.pay_as(ADMIN, Some(&format!("first-{invoice}")), &invoice, json!({})).await;
    assert_eq!((again.status, &again.body["id"]), (200, &answer.body["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_executor_settles_everything_that_is_due() {
    let world = World::new().await;
    let mut invoices = Vec::new();
    for executed in [true, false, true] {
        invoices.push(unknown(&world, executed).await.0);
    }
    // What `cargo run -- execute` asks.
    let execute = async |at: &str| {
        let url = format!("{}/execute", world.stack.urls.control);
        let answer = reqwest::Client::new().post(url).json(&json!({ "at": at })).send().await.unwrap();
        let summary = answer.json::<serde_json::Value>().await.unwrap();
        json!([summary["recovered"], summary["remaining"]])
    };
    assert_eq!(execute("2026-01-15T14:30:30Z").await, json!([0, 0]));
    assert_eq!(execute("2026-01-15T14:31:30Z").await, json!([2, 1]));
    assert_eq!(execute("2026-01-15T14:40:00Z").await, json!([1, 0]));
    for invoice in invoices {
        assert_eq!(world.charged(&invoice), [50_000]);
        assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_found_by_recovery_has_all_the_consequences_of_a_failure() {
    let world = World::new().await;
    let broke = world.method("pm_card_visa_chargeDeclinedInsufficientFunds", json!({})).await;
    let invoice = world.approved(json!({})).await;
    world.stack.stripe.add_fault(Fault::pay(Kind::ReplyLost).times(3));
    world.stack.stripe.add_fault(Fault::look_up(Kind::Status(500, json!({}))).times(9));
    let answer = world.pay(&invoice, json!({ "payment_method_id": broke })).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    world.stack.stripe.clear_faults();
    // A decline that a look-up shows is believed only once no send can be under way.
    world.clock.advance(Duration::from_secs(90));
    world.sweep().await;
    assert_eq!(world.invoice(&invoice).await["status"], json!("paying"));
    world.clock.advance(Duration::from_secs(61));
    world.sweep().await;
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    assert_eq!(world.alerts().await, ["insufficient_funds"]);
    assert!(world.runs().await.contains(&"insufficient_funds".to_owned()));
    assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle"]);
    assert_eq!(world.pay(&invoice, json!({})).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_bound_to_its_gateway_account() {
    let world = World::new().await;
    let (invoice, answer) = unknown(&world, true).await;
    let secret = |account: &str, key: &str| json!({ "account": account, "secret_key": key });
    world.stack.stripe.add_account("acct_other", "sk_test_CANARY_other");
    let name = "passerelle/acme/stripe";
    world.stack.secrets.put(name, &secret("acct_other", "sk_test_CANARY_other")).unwrap();
    let before = world.stack.stripe.requests().len();
    world.clock.advance(Duration::from_mins(6));
    world.sweep().await;
    assert_eq!(world.stack.stripe.requests().len(), before, "nothing is sent or asked there");
    assert_eq!(world.alerts().await, ["account_changed"]);
    let id = answer.body["id"].as_str().unwrap();
    let cancel = world.admin().post(&format!("/payments/{id}/cancel"), &json!({})).await.unwrap();
    refused(&cancel, 409, &["not_cancelable"]);

    world.stack.secrets.put(name, &secret(ACCOUNT, "sk_test_CANARY_acme")).unwrap();
    world.clock.advance(Duration::from_mins(31));
    world.sweep().await;
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cant_be_read_hides_no_payment() {
    let world = World::new().await;
    let (invoice, answer) = unknown(&world, true).await;
    let id = answer.body["id"].as_str().unwrap();
    world.stack.secrets.put("passerelle/acme/stripe", &json!("not what is expected")).unwrap();
    world.clock.advance(Duration::from_mins(6));
    let read = world.admin().get(&format!("/payments/{id}")).await.unwrap();
    assert_eq!((read.status, &read.body["status"]), (200, &json!("processing")), "{}", read.body);
    let again = world.pay_as(ADMIN, Some(&format!("first-{invoice}")), &invoice, json!({})).await;
    assert_eq!((again.status, &again.body["id"]), (202, &answer.body["id"]));
    assert_eq!(world.invoice(&invoice).await["status"], json!("paying"));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_payments_are_paused_recovery_only_looks() {
    let world = World::new().await;
    let (arrived, _) = unknown(&world, true).await;
    let invoice = world.approved(json!({})).await;
    world.stack.stripe.add_fault(Fault::pay(Kind::NothingReached).times(3));
    world.stack.stripe.add_fault(Fault::look_up(Kind::NothingReached).times(100));
    assert_eq!(world.pay(&invoice, json!({})).await.status, 202);
    world.stack.stripe.clear_faults();
    let mut app = world.stack.app.clone();
    std::sync::Arc::make_mut(&mut app.config).payments_paused = true;
    let before = sends(&world);
    world.clock.advance(Duration::from_mins(3));
    let deadline = world.clock.now().plus(Duration::from_mins(15));
    let swept = shared::flow::recover::sweep(&app, "sweep", deadline).await.unwrap();
    assert_eq!((swept.due, swept.recovered), (2, 1));
    assert_eq!(sends(&world), before);
    assert_eq!(world.invoice(&arrived).await["status"], json!("paid"));
}
