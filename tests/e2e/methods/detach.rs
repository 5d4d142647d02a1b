//! Detaching: the gateway lets a method go, and it pays nothing any more.

use local::plaid::fault as plaid_fault;
use local::stripe::fault::{Fault, Kind};
use reqwest::Method;
use serde_json::{Value, json};

use super::at_stripe;
use crate::ach::plaid::{asked, later, method_status, moved, secret_of, send_back, standing};
use crate::world::{ADMIN, World, refused};

async fn detach(world: &World, method: &str) -> local::client::Answer {
    world.delete(ADMIN, &format!("/payment-methods/{method}")).await
}

async fn detached(world: &World, method: &str) {
    let answer = detach(world, method).await;
    let shown = (&answer.body["id"], &answer.body["status"], &answer.body["default"]);
    assert_eq!((answer.status, shown), (200, (&json!(method), &json!("inactive"), &json!(false))), "{}", answer.body);
}

/// The gateway's id of a method.
async fn reference(world: &World, method: &str) -> String {
    let item = crate::ach::plaid::item(world, "PAYMENT_METHODS_TABLE", "method_id", method).await.unwrap();
    item["reference"].as_s().unwrap().clone()
}

/// The actions in a method's trail.
async fn trail(world: &World, method: &str) -> Vec<String> {
    let entries = world.entries(&format!("acme/method/{method}")).await;
    let action = |record: &str| serde_json::from_str::<Value>(record).unwrap()["action"].as_str().unwrap().to_owned();
    entries.iter().map(|entry| action(&entry.record)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_detached_pays_nothing_any_more_here_or_at_stripe() {
    let world = World::new().await;
    let method = world.method("pm_card_visa", json!({ "customer_id": "globex" })).await;
    let reference = reference(&world, &method).await;
    detached(&world, &method).await;
    let path = format!("/v1/payment_methods/{reference}");
    assert_eq!(at_stripe(&world, Method::GET, &path, &[]).await["customer"], json!(null));

    let invoice = world.receivable(json!({})).await;
    refused(&world.pay(&invoice, json!({})).await, 422, &["payment_method_required"]);
    let named = json!({ "payment_method_id": method });
    refused(&world.pay(&invoice, named).await, 422, &["payment_method_inactive"]);
    let path = format!("/payment-methods/{method}/default");
    refused(&world.admin().post(&path, &json!({})).await.unwrap(), 422, &["payment_method_inactive"]);
    let again = json!({ "gateway": "stripe", "reference": reference, "customer_id": "globex" });
    refused(&world.admin().post("/payment-methods", &again).await.unwrap(), 422, &["reference_invalid"]);
    assert_eq!(world.charged(&invoice), Vec::<i64>::new());

    // Done once more, and told by Stripe, it is the same.
    detached(&world, &method).await;
    let event = world.events(&["payment_method.detached"]).pop().unwrap();
    assert_eq!(world.told(&event).await, "done");
    assert_eq!(trail(&world, &method).await, ["add_method", "detach_method"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_was_attached_here_and_detached_is_not_attached_again_by_an_old_answer() {
    let world = World::new().await;
    // Made in the browser, for nobody yet.
    let made = at_stripe(
        &world,
        Method::POST,
        "/v1/setup_intents",
        &[("confirm", "true"), ("payment_method", "pm_card_visa")],
    )
    .await;
    let card = json!({ "gateway": "stripe", "reference": made["payment_method"], "customer_id": "globex" });
    let added = world.admin().post("/payment-methods", &card).await.unwrap();
    assert_eq!(added.status, 201, "{}", added.body);
    detached(&world, added.body["id"].as_str().unwrap()).await;
    refused(&world.admin().post("/payment-methods", &card).await.unwrap(), 422, &["reference_invalid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paypal_account_that_is_detached_is_deleted_from_the_vault() {
    let world = World::with_paypal().await;
    let method = world.paypal_method("paypal_ok").await;
    let reference = reference(&world, &method).await;
    detached(&world, &method).await;
    let deleted = world.stack.paypal.requests().into_iter().filter(|asked| asked.method == "DELETE");
    let paths: Vec<String> = deleted.map(|asked| asked.path).collect();
    assert_eq!(paths, [format!("/v3/vault/payment-tokens/{reference}")]);
    refused(&world.pay_by_paypal(&world.receivable(json!({})).await).await, 422, &["payment_method_required"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_account_that_is_detached_loses_its_link_and_its_secret() {
    let world = World::with_plaid().await;
    let method = world.plaid_bank("acc_1", 1_000_000, json!({ "customer_id": "globex" })).await;
    assert!(secret_of(&world, &method).await.is_some());
    detached(&world, &method).await;
    assert_eq!(secret_of(&world, &method).await, None);
    assert_eq!(asked(&world, "/item/remove").iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200]);
    refused(&world.pay_by_bank(&world.receivable(json!({})).await, json!({})).await, 422, &["payment_method_required"]);
    detached(&world, &method).await;

    // Its owner may link it again.
    assert_eq!(world.plaid_bank("acc_1", 1_000_000, json!({ "customer_id": "globex" })).await, method);
    assert!(secret_of(&world, &method).await.is_some());
    world.clock.advance(std::time::Duration::from_mins(6));
    moved(&world, world.receivable(json!({})).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_does_not_answer_leaves_the_method_as_it_is() {
    let world = World::with_plaid().await;
    let card = world.method("pm_card_visa", json!({ "customer_id": "globex" })).await;
    let path = format!("/v1/payment_methods/{}/detach", reference(&world, &card).await);
    let account = world.plaid_bank("acc_1", 1_000_000, json!({ "customer_id": "globex" })).await;
    world.stack.stripe.add_fault(Fault::new(Kind::ErrorBefore(500), "POST", &path));
    let fault = plaid_fault::Fault::new(plaid_fault::Kind::ErrorBefore(500), "POST", "/item/remove");
    world.stack.plaid.add_fault(fault);
    for method in [&card, &account] {
        let answer = detach(&world, method).await;
        refused(&answer, 502, &["gateway_unavailable"]);
        assert_eq!(method_status(&world, method).await, "active");
    }
    assert!(secret_of(&world, &account).await.is_some());
    // Done at Stripe, and nobody heard: the next try finds it so.
    world.stack.stripe.add_fault(Fault::new(Kind::ErrorAfter(500), "POST", &path));
    refused(&detach(&world, &card).await, 502, &["gateway_unavailable"]);
    for method in [&card, &account] {
        detached(&world, method).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_that_is_under_way_is_settled_though_its_method_is_detached() {
    let world = World::with_plaid().await;
    let method = world.plaid_bank("acc_1", 1_000_000, json!({ "customer_id": "globex" })).await;
    let debit = moved(&world, world.receivable(json!({})).await).await;
    detached(&world, &method).await;
    crate::ach::plaid::settle(&world, &debit).await;
    assert_eq!(standing(&world, &debit).await, crate::ach::plaid::both("paid", "paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_blocked_stays_blocked_when_it_is_detached() {
    let world = World::with_plaid().await;
    let method = world.plaid_bank("acc_1", 1_000_000, json!({ "customer_id": "globex" })).await;
    let debit = moved(&world, world.receivable(json!({})).await).await;
    send_back(&world, &debit, "R10").await;
    later(&world);
    let answer = detach(&world, &method).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("blocked")), "{}", answer.body);
    assert_eq!(trail(&world, &method).await, ["add_method", "retire_method", "detach_method"]);
    assert_eq!(secret_of(&world, &method).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_whose_method_is_detached_waits_and_goes_on_when_a_default_appears() {
    let world = World::new().await;
    let method = world.method("pm_card_visa", json!({ "customer_id": "globex" })).await;
    let invoice = world.receivable(json!({})).await;
    let body = json!({ "invoice_id": invoice, "payment_method": "stripe", "scheduled_date": world.in_days(1) });
    let promised = world.admin().post("/scheduled-payments", &body).await.unwrap();
    assert_eq!(promised.status, 202, "{}", promised.body);
    let path = format!("/scheduled-payments/{}", promised.body["id"].as_str().unwrap());
    let status = async || world.admin().get(&path).await.unwrap().body["status"].clone();
    detached(&world, &method).await;
    world.clock.advance(std::time::Duration::from_hours(24));
    world.execute().await;
    assert_eq!(status().await, json!("awaiting_method"));
    world.clock.advance(std::time::Duration::from_mins(1));
    world.method("pm_card_amex", json!({ "customer_id": "globex" })).await;
    world.execute().await;
    assert_eq!(status().await, json!("completed"));
    assert_eq!(world.charged(&invoice), [50_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_detaches_what_is_not_theirs() {
    let world = World::new().await;
    world.tenant("initech", "acct_acme").await;
    let method = world.method("pm_card_visa", json!({ "customer_id": "globex" })).await;
    let path = format!("/payment-methods/{method}");
    let theirs = world.of("initech", ADMIN).send(Method::DELETE, &path, None, None).await.unwrap();
    refused(&theirs, 404, &["payment_method_not_found"]);
    world.member("clerk", &["clerk"], None).await;
    refused(&world.delete("clerk", &path).await, 403, &["permission_denied"]);
    for id in ["mth_x".to_owned(), format!("mth_{}", "a".repeat(26)), "default%23tenant%23stripe".to_owned()] {
        let answer = world.delete(ADMIN, &format!("/payment-methods/{id}")).await;
        refused(&answer, 404, &["payment_method_not_found"]);
    }
    assert_eq!(method_status(&world, &method).await, "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_of_an_account_that_the_tenant_has_left_is_detached_here() {
    let world = World::new().await;
    let method = world.method("pm_card_visa", json!({ "customer_id": "globex" })).await;
    world.stack.stripe.add_account("acct_other", "sk_test_CANARY_other");
    let secret = json!({ "account": "acct_other", "secret_key": "sk_test_CANARY_other" });
    world.stack.secrets.put("passerelle/acme/stripe", &secret).unwrap();
    world.clock.advance(std::time::Duration::from_mins(6));
    detached(&world, &method).await;
    let entry = world.entries(&format!("acme/method/{method}")).await.pop().unwrap();
    assert!(entry.record.contains(r#""at_gateway":false"#), "{}", entry.record);
    let again = detach(&world, &method).await;
    assert_eq!(again.body["detached_at_gateway"], json!(false), "{}", again.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_link_is_kept_while_the_tenant_has_no_key_to_its_account() {
    let world = World::with_plaid().await;
    let method = world.plaid_bank("acc_1", 1_000_000, json!({ "customer_id": "globex" })).await;
    world.stack.secrets.delete("passerelle/acme/plaid").unwrap();
    world.clock.advance(std::time::Duration::from_mins(6));
    detached(&world, &method).await;
    assert!(secret_of(&world, &method).await.is_some());
    let secret = json!({ "client_id": crate::ach::CLIENT, "secret": crate::ach::SECRET });
    world.stack.secrets.put("passerelle/acme/plaid", &secret).unwrap();
    world.clock.advance(std::time::Duration::from_mins(6));
    let again = detach(&world, &method).await;
    assert_eq!((again.status, &again.body["detached_at_gateway"]), (200, &json!(true)), "{}", again.body);
    assert_eq!(secret_of(&world, &method).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paypal_setup_that_became_a_method_does_not_bring_it_back() {
    let world = World::with_paypal().await;
    let setup = json!({ "gateway": "paypal", "customer_id": "globex", "return_url": "https://example.com/done",
                        "cancel_url": "https://example.com/back" });
    let begun = world.admin().post("/payment-methods/setup", &setup).await.unwrap().body;
    let reference = begun["reference"].as_str().unwrap();
    assert!(world.stack.paypal.approve_setup_token(reference, "paypal_ok"));
    let body = json!({ "gateway": "paypal", "reference": reference, "customer_id": "globex" });
    let added = world.admin().post("/payment-methods", &body).await.unwrap();
    assert_eq!(added.status, 201, "{}", added.body);
    detached(&world, added.body["id"].as_str().unwrap()).await;
    refused(&world.admin().post("/payment-methods", &body).await.unwrap(), 422, &["reference_invalid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_of_another_customer_can_not_be_used() {
    let world = World::new().await;
    let theirs = world.method("pm_card_visa", json!({ "customer_id": "initech" })).await;
    let tenants = world.method("pm_card_visa", json!({})).await;
    let invoice = world.receivable(json!({})).await;
    for method in [theirs, tenants] {
        let answer = world.pay(&invoice, json!({ "payment_method_id": method })).await;
        refused(&answer, 422, &["payment_method_mismatch"]);
    }
    assert_eq!(world.charged(&invoice), Vec::<i64>::new());
}
