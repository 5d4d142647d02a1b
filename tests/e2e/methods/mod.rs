//! Payment methods: set up, added by reference, read back from the gateway, one default for each owner, detached.

mod blocked;
mod claims;
mod detach;
mod expiry;
mod order;
mod races;
mod setup;

use local::client::Answer;
use serde_json::{Value, json};

use crate::world::{World, refused};

async fn add(world: &World, body: Value) -> Answer {
    world.admin().post("/payment-methods", &body).await.unwrap()
}

async fn list(world: &World, query: &str) -> Vec<Value> {
    let answer = world.admin().get(&format!("/payment-methods{query}")).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_is_read_back_from_the_gateway_and_the_first_is_the_default() {
    let world = World::new().await;
    let first =
        add(&world, json!({ "gateway": "stripe", "reference": "pm_card_mastercard", "customer_id": "globex" })).await;
    assert_eq!(first.status, 201, "{}", first.body);
    for (name, value) in [
        ("gateway", json!("stripe")),
        ("kind", json!("card")),
        ("owner", json!("customer:globex")),
        ("brand", json!("mastercard")),
        ("last4", json!("4444")),
        ("exp_year", json!(2030)),
        ("status", json!("active")),
        ("default", json!(true)),
    ] {
        assert_eq!(first.body[name], value, "{name}");
    }
    let second =
        add(&world, json!({ "gateway": "stripe", "reference": "pm_card_amex", "customer_id": "globex" })).await;
    assert_eq!(second.body["default"], json!(false));
    let third = json!({ "gateway": "stripe", "reference": "pm_card_visa", "customer_id": "globex", "default": true });
    assert_eq!(add(&world, third).await.body["default"], json!(true));
    let defaults = list(&world, "?customer_id=globex").await.iter().filter(|one| one["default"] == json!(true)).count();
    assert_eq!(defaults, 1);
    assert_eq!(list(&world, "").await.len(), 4, "the tenant's own card and three of the customer's");
    assert_eq!(list(&world, "?vendor_id=globex").await.len(), 0);
    world.clock.advance(std::time::Duration::from_secs(1));
    let newest = add(&world, json!({ "gateway": "stripe", "reference": "pm_card_jcb" })).await.body;
    assert_eq!(list(&world, "?limit=1").await[0]["id"], newest["id"], "newest first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_added_twice_is_one_item() {
    let world = World::new().await;
    let first = add(&world, json!({ "gateway": "stripe", "reference": "pm_card_visa", "vendor_id": "v" })).await.body;
    let item = world.items("PAYMENT_METHODS_TABLE", "tenant_id", "acme").await;
    let stored = item.iter().find(|item| item["method_id"].as_s().unwrap() == first["id"].as_str().unwrap()).unwrap();
    let reference = stored["reference"].as_s().unwrap();
    let again = add(&world, json!({ "gateway": "stripe", "reference": reference, "vendor_id": "v" })).await;
    assert_eq!((again.status, &again.body["id"]), (201, &first["id"]));
    assert_eq!(list(&world, "?vendor_id=v").await.len(), 1);
    let stolen = add(&world, json!({ "gateway": "stripe", "reference": reference, "vendor_id": "w" })).await;
    refused(&stolen, 422, &["reference_invalid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_pays_when_none_is_named() {
    let world = World::new().await;
    let other = world.method("pm_card_amex", json!({})).await;
    let path = format!("/payment-methods/{other}/default");
    assert_eq!(world.admin().post(&path, &json!({})).await.unwrap().body["default"], json!(true));
    let invoice = world.approved(json!({})).await;
    assert_eq!(world.pay(&invoice, json!({})).await.body["payment_method_id"], json!(other));
    world.member("clerk", &["clerk"], None).await;
    refused(&world.user("clerk").post(&path, &json!({})).await.unwrap(), 403, &["permission_denied"]);
    let nobody = format!("/payment-methods/mth_{}/default", "a".repeat(26));
    refused(&world.admin().post(&nobody, &json!({})).await.unwrap(), 404, &["payment_method_not_found"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_leads_nowhere_is_refused_with_its_field() {
    let world = World::new().await;
    for reference in ["pm_nothing", "seti_nothing"] {
        let answer = add(&world, json!({ "gateway": "stripe", "reference": reference })).await;
        refused(&answer, 422, &["reference_invalid"]);
        assert_eq!(answer.body["errors"][0]["field"], json!("reference"));
    }
    refused(&add(&world, json!({ "gateway": "stripe", "reference": "card_1" })).await, 422, &["invalid_field"]);
    refused(&add(&world, json!({ "gateway": "paypal", "reference": "x" })).await, 422, &["gateway_not_configured"]);
    refused(&add(&world, json!({ "gateway": "plaid", "reference": "x" })).await, 422, &["invalid_field"]);
    let linked = json!({ "gateway": "plaid", "reference": "public-sandbox-x" });
    refused(&add(&world, linked).await, 422, &["gateway_not_configured"]);
    refused(&add(&world, json!({})).await, 422, &["missing_field", "missing_field"]);
    let both = json!({ "gateway": "stripe", "reference": "pm_card_visa", "customer_id": "a", "vendor_id": "b" });
    refused(&add(&world, both).await, 422, &["invalid_field"]);
}

/// What Stripe is asked directly, as its dashboard would.
pub async fn at_stripe(world: &World, method: reqwest::Method, path: &str, form: &[(&str, &str)]) -> Value {
    let request = reqwest::Client::new().request(method, format!("{}{path}", world.stack.urls.stripe));
    let request = request.bearer_auth("sk_test_CANARY_acme");
    let request = if form.is_empty() { request } else { request.form(form) };
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_that_was_deleted_at_the_gateway_is_made_anew() {
    let world = World::new().await;
    world.method("pm_card_visa", json!({ "customer_id": "globex" })).await;
    let customer = async || {
        let records = world.items("TENANTS_TABLE", "tenant_id", "acme").await;
        let record = records.iter().find(|item| item["record"].as_s().unwrap() == "customer#customer:globex#stripe");
        record.unwrap()["customer"].as_s().unwrap().clone()
    };
    let before = customer().await;
    at_stripe(&world, reqwest::Method::DELETE, &format!("/v1/customers/{before}"), &[]).await;
    let method = world.method("pm_card_amex", json!({ "customer_id": "globex", "default": true })).await;
    assert_ne!(customer().await, before);
    let receivable = json!({ "kind": "receivable", "counterparty": { "name": "Globex", "customer_id": "globex" } });
    let invoice = world.approved(receivable).await;
    let paid = world.pay(&invoice, json!({})).await;
    assert_eq!((paid.status, &paid.body["payment_method_id"]), (201, &json!(method)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_at_a_shared_gateway_account_is_claimed_once() {
    let world = World::new().await;
    // Two tenants, one account; a customer that somebody made in its dashboard.
    world.tenant("globex", "acct_acme").await;
    let made = at_stripe(&world, reqwest::Method::POST, "/v1/customers", &[("name", "Initech")]).await;
    let path = "/v1/payment_methods/pm_card_visa/attach";
    let form = [("customer", made["id"].as_str().unwrap())];
    let card = at_stripe(&world, reqwest::Method::POST, path, &form).await;
    let body = json!({ "gateway": "stripe", "reference": card["id"], "customer_id": "initech" });
    assert_eq!(add(&world, body.clone()).await.status, 201);
    let theirs = world.of("globex", crate::world::ADMIN).post("/payment-methods", &body).await.unwrap();
    refused(&theirs, 422, &["reference_invalid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_does_not_keep_anybody_from_adding_a_method() {
    let world = World::new().await;
    world.stack.stripe.revoke_key("sk_test_CANARY_acme");
    world.stack.stripe.add_account("acct_acme", "sk_test_CANARY_new");
    let secret = json!({ "account": "acct_acme", "secret_key": "sk_test_CANARY_new" });
    world.stack.secrets.put("passerelle/acme/stripe", &secret).unwrap();
    world.clock.advance(std::time::Duration::from_secs(31));
    assert_eq!(add(&world, json!({ "gateway": "stripe", "reference": "pm_card_visa" })).await.status, 201);
}
