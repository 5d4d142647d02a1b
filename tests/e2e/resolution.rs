//! The ways out that a person has: cancel at the gateway, and a word on what nobody can look up any more.

use std::time::Duration;

use local::stripe::fault::{Fault, Kind};
use serde_json::{Value, json};

use crate::world::{ACCOUNT, ADMIN, World, refused};

/// A payment of which nothing arrived and nothing was found, past its key's lifetime; its invoice and its id.
async fn lost(world: &World) -> (String, String) {
    let invoice = world.approved(json!({})).await;
    world.stack.stripe.add_fault(Fault::pay(Kind::NothingReached).times(1_000));
    let answer = world.pay(&invoice, json!({})).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    for hours in [1, 2, 4, 8, 16] {
        world.clock.advance(Duration::from_hours(hours));
        world.sweep().await;
    }
    world.stack.stripe.clear_faults();
    (invoice, answer.body["id"].as_str().unwrap().to_owned())
}

async fn resolve(world: &World, user: &str, id: &str, body: Value) -> local::client::Answer {
    world.user(user).post(&format!("/payments/{id}/resolve"), &body).await.unwrap()
}

fn not_executed() -> Value {
    json!({ "outcome": "not_executed", "note": "Not in the dashboard." })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cant_be_found_past_the_keys_lifetime_stays_processing_and_calls_a_person() {
    let world = World::new().await;
    let (invoice, id) = lost(&world).await;
    assert_eq!(world.alerts().await, ["outcome_unknown"]);
    assert!(world.runs().await.len() >= 2, "the failed send, and the look-up that found nothing");
    let read = world.admin().get(&format!("/payments/{id}")).await.unwrap().body;
    assert_eq!(read["status"], json!("processing"), "running out of tries is no failure");
    refused(&world.pay(&invoice, json!({})).await, 409, &["invoice_being_paid"]);
    assert!(world.stack.stripe.books(ACCOUNT).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_person_resolves_it_once_and_the_wrong_one_never() {
    let world = World::new().await;
    world.member("jdoe", &["treasurer"], None).await;
    world.member("clerk", &["clerk"], None).await;
    world.settings(json!({ "four_eyes": true })).await;
    world.settings(json!({})).await;
    let (invoice, id) = lost(&world).await;
    world.settings(json!({ "four_eyes": true })).await;
    refused(&resolve(&world, "clerk", &id, not_executed()).await, 403, &["permission_denied"]);
    refused(&resolve(&world, ADMIN, &id, not_executed()).await, 403, &["four_eyes"]);
    refused(
        &resolve(&world, "jdoe", &id, json!({ "outcome": "perhaps" })).await,
        422,
        &["invalid_field", "missing_field"],
    );
    let answer = resolve(&world, "jdoe", &id, not_executed()).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("failed")), "{}", answer.body);
    assert_eq!(answer.body["failure"]["code"], json!("not_executed"));
    refused(&resolve(&world, "jdoe", &id, not_executed()).await, 409, &["not_resolvable"]);
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    let trail = world.admin().get(&format!("/invoices/{invoice}/audit")).await.unwrap().body;
    let last = trail["entries"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["action"], &last["user_id"]), (&json!("resolve"), &json!("jdoe")));
    assert_eq!(last["changes"]["note"], json!("Not in the dashboard."));
    world.settings(json!({})).await;
    assert_eq!(world.pay(&invoice, json!({})).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn executed_is_taken_with_a_reference_that_holds_or_on_a_persons_word_alone() {
    let world = World::new().await;
    let (invoice, id) = lost(&world).await;
    let wrong = json!({ "outcome": "executed", "gateway_reference": "pi_nothing", "note": "seen" });
    refused(&resolve(&world, ADMIN, &id, wrong).await, 422, &["payment_mismatch"]);
    // Another payment's charge is not this one's.
    let other = world.approved(json!({})).await;
    let other = world.pay(&other, json!({})).await.body;
    let wrong = json!({ "outcome": "executed", "gateway_reference": other["payment_id"], "note": "seen" });
    refused(&resolve(&world, ADMIN, &id, wrong).await, 422, &["payment_mismatch"]);
    let word = json!({ "outcome": "executed", "note": "The vendor has the money." });
    let answer = resolve(&world, ADMIN, &id, word).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("paid")));
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_resolved_while_the_gateway_may_still_say_it() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    world.stack.stripe.add_fault(Fault::pay(Kind::NothingReached).times(1_000));
    let id = world.pay(&invoice, json!({})).await.body["id"].as_str().unwrap().to_owned();
    world.clock.advance(Duration::from_hours(19));
    refused(&resolve(&world, ADMIN, &id, not_executed()).await, 409, &["not_resolvable"]);
    world.clock.advance(Duration::from_hours(2));
    world.stack.stripe.add_fault(Fault::look_up(Kind::Status(503, json!({}))).times(2));
    refused(&resolve(&world, ADMIN, &id, not_executed()).await, 409, &["not_resolvable"]);
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(resolve(&world, ADMIN, &id, not_executed()).await.status, 200);
    let paid = world.approved(json!({})).await;
    world.stack.stripe.clear_faults();
    let paid = world.pay(&paid, json!({})).await.body;
    refused(&resolve(&world, ADMIN, paid["id"].as_str().unwrap(), not_executed()).await, 409, &["not_resolvable"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_lost_account_could_tell_is_a_persons_to_say() {
    let world = World::new().await;
    let (invoice, id) = lost(&world).await;
    world
        .stack
        .secrets
        .put("passerelle/acme/stripe", &json!({ "account": "acct_new", "secret_key": "sk_test_CANARY_new" }))
        .unwrap();
    world.clock.advance(Duration::from_mins(6));
    let unchecked = json!({ "outcome": "executed", "gateway_reference": "pi_1", "note": "seen" });
    refused(&resolve(&world, ADMIN, &id, unchecked).await, 409, &["not_resolvable"]);
    // It may have been executed there: the invoice stays as it is.
    refused(&resolve(&world, ADMIN, &id, not_executed()).await, 409, &["not_resolvable"]);
    let word = json!({ "outcome": "executed", "note": "The vendor has the money." });
    assert_eq!(resolve(&world, ADMIN, &id, word).await.status, 200);
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_people_who_say_opposite_things_at_once_one_is_heard() {
    let world = World::new().await;
    let (invoice, id) = lost(&world).await;
    let (yes, no) = tokio::join!(
        resolve(&world, ADMIN, &id, json!({ "outcome": "executed", "note": "yes" })),
        resolve(&world, ADMIN, &id, not_executed()),
    );
    let mut statuses = [yes.status, no.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", yes.body, no.body);
    assert_eq!(world.trail(&invoice).await.iter().filter(|action| *action == "resolve").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_is_canceled_only_when_the_gateway_confirms_it() {
    let world = World::new().await;
    world.member("clerk", &["clerk"], None).await;
    let card = world.method("pm_card_authenticationRequired", json!({})).await;
    let invoice = world.approved(json!({})).await;
    let answer = world.pay(&invoice, json!({ "payment_method_id": card })).await.body;
    let path = format!("/payments/{}/cancel", answer["payment_id"].as_str().unwrap());
    refused(&world.user("clerk").post(&path, &json!({})).await.unwrap(), 403, &["permission_denied"]);
    world
        .stack
        .stripe
        .add_fault(Fault { path: "/v1/payment_intents/".to_owned(), ..Fault::pay(Kind::Status(500, json!({}))) });
    refused(&world.admin().post(&path, &json!({})).await.unwrap(), 409, &["not_cancelable"]);
    assert_eq!(world.invoice(&invoice).await["status"], json!("paying"));
    let canceled = world.admin().post(&path, &json!({})).await.unwrap();
    assert_eq!((canceled.status, &canceled.body["status"]), (200, &json!("canceled")));
    assert_eq!(world.admin().post(&path, &json!({})).await.unwrap().status, 200, "canceled again is canceled");
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    assert_eq!(world.stack.stripe.books(ACCOUNT)[0].status, "canceled");
    assert!(world.alerts().await.is_empty(), "what a person did on purpose calls nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_moved_is_refunded_not_canceled() {
    let world = World::new().await;
    let paid = world.approved(json!({})).await;
    let paid = world.pay(&paid, json!({})).await.body;
    let answer =
        world.admin().post(&format!("/payments/{}/cancel", paid["id"].as_str().unwrap()), &json!({})).await.unwrap();
    refused(&answer, 409, &["not_cancelable"]);
    assert!(answer.body["detail"].as_str().unwrap().contains("refund"), "{}", answer.body);

    // The customer finished at the gateway before the cancellation came.
    let card = world.method("pm_card_authenticationRequired", json!({})).await;
    let invoice = world.approved(json!({})).await;
    let waiting = world.pay(&invoice, json!({ "payment_method_id": card })).await.body;
    world.stack.stripe.authenticate(waiting["payment_id"].as_str().unwrap(), true);
    let path = format!("/payments/{}/cancel", waiting["id"].as_str().unwrap());
    refused(&world.admin().post(&path, &json!({})).await.unwrap(), 409, &["not_cancelable"]);
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
}
