//! Cards end: their owner is told in time, and what has ended pays nothing until the card is renewed.

use serde_json::{Value, json};

use crate::world::{TENANT, World, refused};

/// A card of the customer's, which ends in 08/2030 as the simulator's all do.
async fn with_card() -> (World, String) {
    let world = World::new().await;
    let method = world.method("pm_card_visa", json!({ "customer_id": "globex" })).await;
    (world, method)
}

/// The method as it is listed.
async fn shown(world: &World, method: &str) -> (String, bool) {
    let listed = world.listed(TENANT, "/payment-methods", 100).await;
    let method = listed.iter().find(|one| one["id"] == json!(method)).unwrap();
    (method["status"].as_str().unwrap().to_owned(), method["default"].as_bool().unwrap())
}

fn is(status: &str, default: bool) -> (String, bool) {
    (status.to_owned(), default)
}

fn at(world: &World, time: &str) {
    world.clock.set(time.parse().unwrap());
}

/// The alerts about a method.
async fn alerts(world: &World, method: &str) -> Vec<(String, u64)> {
    let alerts = world.listed(TENANT, "/alerts", 100).await;
    let about = alerts.iter().filter(|alert| alert["method_id"] == json!(method));
    about.map(|alert| (alert["kind"].as_str().unwrap().to_owned(), alert["count"].as_u64().unwrap())).collect()
}

/// Stripe's id of a method.
async fn reference(world: &World, method: &str) -> String {
    let item = crate::ach::plaid::item(world, "PAYMENT_METHODS_TABLE", "method_id", method).await.unwrap();
    item["reference"].as_s().unwrap().clone()
}

/// A promise of the customer's default for tomorrow; its path.
async fn promised(world: &World) -> String {
    let invoice = world.receivable(json!({})).await;
    let body = json!({ "invoice_id": invoice, "payment_method": "stripe", "scheduled_date": world.in_days(1) });
    let promised = world.admin().post("/scheduled-payments", &body).await.unwrap();
    assert_eq!(promised.status, 202, "{}", promised.body);
    format!("/scheduled-payments/{}", promised.body["id"].as_str().unwrap())
}

async fn status(world: &World, path: &str) -> Value {
    world.admin().get(path).await.unwrap().body["status"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_ends_within_60_days_is_told_of_once_and_pays_until_it_ends() {
    let (world, method) = with_card().await;
    at(&world, "2030-07-03T11:59:00Z");
    world.daily().await;
    assert_eq!((shown(&world, &method).await, alerts(&world, &method).await), (is("active", true), vec![]));
    at(&world, "2030-07-03T12:00:00Z");
    assert_eq!(shown(&world, &method).await, is("expiring", true), "before anybody has written it down");
    for _ in 0..3 {
        world.daily().await;
        world.clock.advance(std::time::Duration::from_hours(24));
    }
    assert_eq!(alerts(&world, &method).await, [("payment_method_expiring".to_owned(), 1)]);
    let paid = world.pay(&world.receivable(json!({})).await, json!({})).await;
    assert_eq!((paid.status, &paid.body["payment_method_id"]), (201, &json!(method)), "{}", paid.body);
    let path = format!("/payment-methods/{method}/default");
    assert_eq!(world.admin().post(&path, &json!({})).await.unwrap().status, 200);
    at(&world, "2030-09-02T00:00:00Z");
    world.daily().await;
    assert_eq!(shown(&world, &method).await, is("inactive", false));
    assert_eq!(alerts(&world, &method).await, [("payment_method_expiring".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_has_ended_pays_nothing_even_before_the_daily_run() {
    let (world, method) = with_card().await;
    at(&world, "2030-09-01T12:00:00Z");
    let invoice = world.receivable(json!({})).await;
    let answer = world.pay(&invoice, json!({})).await;
    refused(&answer, 422, &["payment_method_inactive"]);
    assert!(answer.body["detail"].as_str().unwrap().contains("has expired"), "{}", answer.body);
    let path = format!("/payment-methods/{method}/default");
    refused(&world.admin().post(&path, &json!({})).await.unwrap(), 422, &["payment_method_inactive"]);
    let again = json!({ "gateway": "stripe", "reference": reference(&world, &method).await, "customer_id": "globex" });
    refused(&world.admin().post("/payment-methods", &again).await.unwrap(), 422, &["reference_invalid"]);
    world.daily().await;
    assert_eq!(shown(&world, &method).await, is("inactive", false));
    refused(&world.pay(&invoice, json!({})).await, 422, &["payment_method_required"]);
    assert_eq!(world.charged(&invoice), Vec::<i64>::new());
    // Nobody was told before: once, now.
    world.daily().await;
    assert_eq!(alerts(&world, &method).await, [("payment_method_expiring".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_whose_end_was_not_looked_at_for_months_is_found() {
    let (world, method) = with_card().await;
    at(&world, "2031-06-01T00:00:00Z");
    world.daily().await;
    assert_eq!(world.entries(&format!("acme/method/{method}")).await.len(), 2, "added, expired");
    assert_eq!(shown(&world, &method).await, is("inactive", false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_renewed_is_the_default_again_and_what_waited_goes_on() {
    let (world, method) = with_card().await;
    at(&world, "2030-08-31T15:00:00Z");
    let path = promised(&world).await;
    at(&world, "2030-09-01T15:00:00Z");
    world.daily().await;
    assert_eq!(status(&world, &path).await, json!("awaiting_method"));
    world.clock.advance(std::time::Duration::from_mins(1));

    world.stack.stripe.update_card(&reference(&world, &method).await, 2034);
    let event = world.events(&["payment_method.automatically_updated"]).pop().unwrap();
    assert_eq!(world.told(&event).await, "done");
    assert_eq!(shown(&world, &method).await, is("active", true));
    world.execute().await;
    assert_eq!(status(&world, &path).await, json!("completed"));
    assert_eq!(world.told(&event).await, "seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_renewed_after_another_took_its_place_leaves_that_the_default() {
    let (world, method) = with_card().await;
    let other = world.method("pm_card_mastercard", json!({ "customer_id": "globex" })).await;
    world.stack.stripe.update_card(&reference(&world, &other).await, 2034);
    let event = world.events(&["payment_method.automatically_updated"]).pop().unwrap();
    assert_eq!(world.told(&event).await, "done");
    at(&world, "2030-09-01T15:00:00Z");
    world.daily().await;
    let path = format!("/payment-methods/{other}/default");
    assert_eq!(world.admin().post(&path, &json!({})).await.unwrap().status, 200);
    world.stack.stripe.update_card(&reference(&world, &method).await, 2034);
    let event = world.events(&["payment_method.automatically_updated"]).pop().unwrap();
    assert_eq!(world.told(&event).await, "done");
    assert_eq!(shown(&world, &method).await, is("active", false));
    assert_eq!(shown(&world, &other).await, is("active", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiring_card_that_is_renewed_is_active_and_told_of_again_years_later() {
    let (world, method) = with_card().await;
    at(&world, "2030-08-01T00:00:00Z");
    world.daily().await;
    world.stack.stripe.update_card(&reference(&world, &method).await, 2034);
    let event = world.events(&["payment_method.automatically_updated"]).pop().unwrap();
    assert_eq!(world.told(&event).await, "done");
    assert_eq!(shown(&world, &method).await, is("active", true));
    at(&world, "2030-09-05T00:00:00Z");
    world.daily().await;
    assert_eq!(shown(&world, &method).await, is("active", true));
    at(&world, "2034-08-01T00:00:00Z");
    world.daily().await;
    assert_eq!(shown(&world, &method).await, is("expiring", true));
    assert_eq!(alerts(&world, &method).await, [("payment_method_expiring".to_owned(), 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_was_detached_is_not_made_good_by_a_later_end() {
    let (world, method) = with_card().await;
    let reference = reference(&world, &method).await;
    at(&world, "2030-09-01T15:00:00Z");
    world.daily().await;
    world.stack.stripe.update_card(&reference, 2034);
    let event = world.events(&["payment_method.automatically_updated"]).pop().unwrap();
    let answer = world.delete(crate::world::ADMIN, &format!("/payment-methods/{method}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    world.told(&event).await;
    assert_eq!(shown(&world, &method).await, is("inactive", false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_renewed_before_its_end_was_written_down_lets_go_on_what_waited() {
    let (world, method) = with_card().await;
    at(&world, "2030-08-31T15:00:00Z");
    world.daily().await;
    let path = promised(&world).await;
    // Over for good at noon; nobody has written it down.
    at(&world, "2030-09-01T15:00:00Z");
    world.execute().await;
    assert_eq!(status(&world, &path).await, json!("awaiting_method"));
    world.clock.advance(std::time::Duration::from_mins(1));
    world.stack.stripe.update_card(&reference(&world, &method).await, 2034);
    let event = world.events(&["payment_method.automatically_updated"]).pop().unwrap();
    assert_eq!(world.told(&event).await, "done");
    assert_eq!(shown(&world, &method).await, is("active", true));
    world.execute().await;
    assert_eq!(status(&world, &path).await, json!("completed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_added_when_the_default_has_ended_takes_its_place() {
    let (world, method) = with_card().await;
    let other = world.method("pm_card_amex", json!({ "customer_id": "globex" })).await;
    let reference_of_other = reference(&world, &other).await;
    world.stack.stripe.update_card(&reference_of_other, 2034);
    at(&world, "2030-09-01T15:00:00Z");
    let again = json!({ "gateway": "stripe", "reference": reference_of_other, "customer_id": "globex" });
    let added = world.admin().post("/payment-methods", &again).await.unwrap();
    assert_eq!((added.status, &added.body["default"]), (201, &json!(true)), "{}", added.body);
    world.daily().await;
    assert_eq!(
        (shown(&world, &other).await, shown(&world, &method).await),
        (is("active", true), is("inactive", false))
    );
    assert_eq!(world.pay(&world.receivable(json!({})).await, json!({})).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_was_detached_here_alone_is_not_brought_back_by_its_network() {
    let (world, method) = with_card().await;
    let key = world.stack.secrets.clone();
    let other = json!({ "account": "acct_other", "secret_key": "sk_test_CANARY_other", "webhook_secrets": ["whsec_CANARY_acme"] });
    world.stack.stripe.add_account("acct_other", "sk_test_CANARY_other");
    key.put("passerelle/acme/stripe", &other).unwrap();
    world.clock.advance(std::time::Duration::from_mins(6));
    let answer = world.delete(crate::world::ADMIN, &format!("/payment-methods/{method}")).await;
    assert_eq!(answer.body["detached_at_gateway"], json!(false), "{}", answer.body);
    let own = json!({ "account": "acct_acme", "secret_key": "sk_test_CANARY_acme", "webhook_secrets": ["whsec_CANARY_acme"] });
    key.put("passerelle/acme/stripe", &own).unwrap();
    at(&world, "2030-09-02T00:00:00Z");
    world.stack.stripe.update_card(&reference(&world, &method).await, 2034);
    world.told(&world.events(&["payment_method.automatically_updated"]).pop().unwrap()).await;
    assert_eq!(shown(&world, &method).await, is("inactive", false));
}
