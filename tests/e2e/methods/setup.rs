//! Setting a method up: begun here, done in its owner's browser with the gateway, finished here.

use std::sync::Arc;

use local::client::Answer;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::at_stripe;
use crate::world::{ADMIN, TENANT, World, refused};

/// Begins a setup in the admin's name.
async fn begin(world: &World, body: Value) -> Answer {
    world.admin().post("/payment-methods/setup", &body).await.unwrap()
}

/// Begins one that is begun; the answer.
async fn begun(world: &World, body: Value) -> Value {
    let answer = begin(world, body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body
}

fn reference(begun: &Value) -> String {
    begun["reference"].as_str().unwrap().to_owned()
}

/// What the browser does with a client secret of Stripe's.
async fn confirm(world: &World, begun: &Value, test_method: &str) {
    let mut form = vec![("payment_method", test_method)];
    if test_method.contains("usBankAccount") {
        form.push(("mandate_data[customer_acceptance][type]", "offline"));
    }
    let path = format!("/v1/setup_intents/{}/confirm", reference(begun));
    let setup = at_stripe(world, Method::POST, &path, &form).await;
    assert_eq!(setup["status"], json!("succeeded"), "{setup}");
}

async fn finish(world: &World, gateway: &str, reference: &str, owner: Value) -> Answer {
    let mut body = json!({ "gateway": gateway, "reference": reference });
    body.as_object_mut().unwrap().extend(owner.as_object().unwrap().clone());
    world.admin().post("/payment-methods", &body).await.unwrap()
}

fn globex() -> Value {
    json!({ "customer_id": "globex" })
}

/// A setup of the customer's with Stripe.
fn card() -> Value {
    json!({ "gateway": "stripe", "customer_id": "globex" })
}

fn paypal() -> Value {
    json!({ "gateway": "paypal", "customer_id": "globex", "return_url": "https://example.com/done?of=1",
            "cancel_url": "https://example.com/back" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_sets_a_card_up_in_the_browser_and_it_pays() {
    let world = World::new().await;
    let begun = begun(&world, card()).await;
    assert_eq!((&begun["gateway"], &begun["owner"]), (&json!("stripe"), &json!("customer:globex")));
    let next = &begun["next_action"];
    assert_eq!(next["type"], json!("stripe_confirm_setup"));
    assert!(next["client_secret"].as_str().unwrap().starts_with(&format!("{}_secret_", reference(&begun))));
    let at_gateway = at_stripe(&world, Method::GET, &format!("/v1/setup_intents/{}", reference(&begun)), &[]).await;
    assert_eq!(at_gateway["usage"], json!("off_session"));
    assert_eq!(at_gateway["payment_method_types"], json!(["card"]));

    confirm(&world, &begun, "pm_card_mastercard").await;
    let added = finish(&world, "stripe", &reference(&begun), globex()).await;
    assert_eq!(added.status, 201, "{}", added.body);
    for (name, value) in [
        ("kind", json!("card")),
        ("owner", json!("customer:globex")),
        ("brand", json!("mastercard")),
        ("last4", json!("4444")),
        ("exp_month", json!(8)),
        ("status", json!("active")),
        ("default", json!(true)),
    ] {
        assert_eq!(added.body[name], value, "{name}");
    }
    let paid = world.pay(&world.receivable(json!({})).await, json!({})).await;
    assert_eq!((paid.status, &paid.body["payment_method_id"]), (201, &added.body["id"]), "{}", paid.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_account_is_set_up_with_its_owners_consent() {
    let world = World::with_stripe_ach().await;
    let begun = begun(&world, json!({ "gateway": "stripe", "kind": "bank_account", "customer_id": "globex" })).await;
    confirm(&world, &begun, "pm_usBankAccount_success").await;
    let added = finish(&world, "stripe", &reference(&begun), globex()).await;
    assert_eq!((added.status, &added.body["kind"]), (201, &json!("bank_account")), "{}", added.body);
    let paid = world.pay_by_bank(&world.receivable(json!({})).await, json!({})).await;
    assert_eq!((paid.status, &paid.body["payment_method_id"]), (202, &added.body["id"]), "{}", paid.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paypal_account_is_set_up_by_its_owners_approval() {
    let world = World::with_paypal().await;
    let begun = begun(&world, paypal()).await;
    assert_eq!(begun["next_action"]["type"], json!("paypal_approve"));
    let url = begun["next_action"]["approval_url"].as_str().unwrap();
    assert!(url.starts_with(&world.stack.urls.paypal), "{url}");
    let early = finish(&world, "paypal", &reference(&begun), globex()).await;
    refused(&early, 422, &["reference_invalid"]);
    assert!(world.stack.paypal.approve_setup_token(&reference(&begun), "paypal_ok"));
    let added = finish(&world, "paypal", &reference(&begun), globex()).await;
    assert_eq!((added.status, &added.body["brand"]), (201, &json!("p***@example.com")), "{}", added.body);
    assert_eq!(world.pay_by_paypal(&world.receivable(json!({})).await).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_account_is_linked_by_link() {
    let world = World::with_plaid().await;
    let begun = begun(&world, json!({ "gateway": "plaid", "customer_id": "globex" })).await;
    assert_eq!((&begun["reference"], &begun["next_action"]["type"]), (&json!(null), &json!("plaid_link")));
    assert_eq!(begun["next_action"]["expires_at"], json!("2026-01-15T18:30:00.000Z"), "four hours");
    let token = begun["next_action"]["link_token"].as_str().unwrap();
    let public = world.stack.plaid.link(token, "0000").unwrap();
    let added = finish(&world, "plaid", &public, globex()).await;
    assert_eq!((added.status, &added.body["last4"]), (201, &json!("0000")), "{}", added.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn link_is_told_nothing_of_a_customer_and_shows_a_long_name_in_part() {
    let world = World::with_plaid().await;
    let name = "A name that is longer than the thirty characters that Link shows";
    world.ach_and(json!({ "provider": "plaid" }), json!({ "name": name })).await;
    world.stack.plaid.add_redirect_uri(crate::ach::CLIENT, "https://example.com/done");
    let body = json!({ "gateway": "plaid", "customer_id": "globex", "return_url": "https://example.com/done" });
    begun(&world, body).await;
    let asked = world.stack.plaid.requests().into_iter().find(|asked| asked.path == "/link/token/create").unwrap();
    assert_eq!(asked.body["client_name"], json!("A name that is longer than the"));
    assert_eq!(asked.body["redirect_uri"], json!("https://example.com/done"));
    let text = asked.body.to_string();
    assert!(!text.contains("globex") && !text.contains("acme"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_that_is_finished_twice_even_at_once_is_one_method() {
    let world = World::new().await;
    let begun = begun(&world, card()).await;
    confirm(&world, &begun, "pm_card_visa").await;
    let (world, mut finishing) = (Arc::new(world), JoinSet::new());
    for _ in 0..8 {
        let (world, reference) = (Arc::clone(&world), reference(&begun));
        finishing.spawn(async move { finish(&world, "stripe", &reference, globex()).await });
    }
    let answers = finishing.join_all().await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.body["id"]), (201, &answers[0].body["id"]), "{}", answer.body);
        assert_eq!(answer.body["default"], json!(true));
    }
    let listed = world.listed(TENANT, "/payment-methods?customer_id=globex", 100).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    let entries = world.entries(&format!("{TENANT}/method/{}", answers[0].body["id"].as_str().unwrap())).await;
    assert_eq!(entries.len(), 1, "{entries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_of_one_owner_is_nobody_elses() {
    let world = World::with_paypal().await;
    // Two tenants that share their accounts at the gateways.
    world.tenant("initech", "acct_acme").await;
    let secret = json!({ "client_id": crate::paypal::CLIENT, "client_secret": crate::paypal::SECRET });
    world.stack.secrets.put("passerelle/initech/paypal", &secret).unwrap();
    let stripe = begun(&world, card()).await;
    confirm(&world, &stripe, "pm_card_visa").await;
    let paypal = begun(&world, paypal()).await;
    assert!(world.stack.paypal.approve_setup_token(&reference(&paypal), "paypal_ok"));
    let theirs = world.of("initech", ADMIN);
    for (gateway, setup) in [("stripe", &stripe), ("paypal", &paypal)] {
        let body = json!({ "gateway": gateway, "reference": setup["reference"], "customer_id": "globex" });
        refused(&theirs.post("/payment-methods", &body).await.unwrap(), 422, &["reference_invalid"]);
        for owner in [json!({}), json!({ "customer_id": "other" }), json!({ "vendor_id": "globex" })] {
            let stolen = finish(&world, gateway, &reference(setup), owner).await;
            refused(&stolen, 422, &["reference_invalid"]);
        }
        let own = finish(&world, gateway, &reference(setup), globex()).await;
        assert_eq!(own.status, 201, "{gateway}: {}", own.body);
    }
    assert!(world.listed("initech", "/payment-methods?customer_id=globex", 10).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_that_is_never_finished_leaves_no_method_and_one_customer() {
    let world = World::new().await;
    let before = world.items("PAYMENT_METHODS_TABLE", "tenant_id", TENANT).await.len();
    let (first, second) = (begun(&world, card()).await, begun(&world, card()).await);
    assert_ne!(reference(&first), reference(&second));
    refused(&finish(&world, "stripe", &reference(&first), globex()).await, 422, &["reference_invalid"]);
    assert_eq!(world.items("PAYMENT_METHODS_TABLE", "tenant_id", TENANT).await.len(), before);
    let mut customers = Vec::new();
    for setup in [&first, &second] {
        let path = format!("/v1/setup_intents/{}", reference(setup));
        customers.push(at_stripe(&world, Method::GET, &path, &[]).await["customer"].clone());
    }
    assert_eq!(customers[0], customers[1]);
    // It is gone at Stripe: another takes its place.
    let gone = customers[0].as_str().unwrap();
    at_stripe(&world, Method::DELETE, &format!("/v1/customers/{gone}"), &[]).await;
    let third = begun(&world, card()).await;
    confirm(&world, &third, "pm_card_visa").await;
    assert_eq!(finish(&world, "stripe", &reference(&third), globex()).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opens_a_setup_is_in_no_table() {
    let world = World::with_plaid().await;
    world.paypal_account().await;
    let mut keys = Vec::new();
    for body in [card(), paypal(), json!({ "gateway": "plaid" })] {
        let begun = begun(&world, body).await;
        let next = begun["next_action"].as_object().unwrap();
        let key = ["client_secret", "approval_url", "link_token"].into_iter().find_map(|name| next.get(name)).unwrap();
        keys.push(key.as_str().unwrap().to_owned());
    }
    for table in world.stack.tables.values() {
        let items = format!("{:?}", world.stack.dynamodb.scan().table_name(table).send().await.unwrap().items);
        for key in &keys {
            assert!(!items.contains(key), "{table}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_setup_can_not_be_is_refused_by_its_field() {
    let world = World::new().await;
    for (body, fields) in [
        (json!({}), vec![("gateway", "missing_field")]),
        (json!({ "gateway": "ach" }), vec![("gateway", "invalid_field")]),
        (json!({ "gateway": "stripe", "kind": "paypal" }), vec![("kind", "invalid_field")]),
        (json!({ "gateway": "plaid", "kind": "bank_account" }), vec![("kind", "invalid_field")]),
        (json!({ "gateway": "stripe", "return_url": "https://e.com" }), vec![("return_url", "invalid_field")]),
        (json!({ "gateway": "plaid", "cancel_url": "https://e.com" }), vec![("cancel_url", "invalid_field")]),
        (json!({ "gateway": "paypal" }), vec![("return_url", "missing_field"), ("cancel_url", "missing_field")]),
        (
            json!({ "gateway": "paypal", "return_url": "http://e.com", "cancel_url": "javascript:alert(1)" }),
            vec![("return_url", "invalid_field"), ("cancel_url", "invalid_field")],
        ),
        (
            json!({ "gateway": "paypal", "return_url": "https://user@e.com", "cancel_url": "https://" }),
            vec![("return_url", "invalid_field"), ("cancel_url", "invalid_field")],
        ),
        (json!({ "gateway": "stripe", "customer_id": "a", "vendor_id": "b" }), vec![("vendor_id", "invalid_field")]),
        (json!({ "gateway": "stripe", "amount": 1 }), vec![("amount", "unknown_field")]),
    ] {
        let answer = begin(&world, body.clone()).await;
        let said: Vec<(&str, &str)> = answer.body["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("{body}: {}", answer.body))
            .iter()
            .map(|error| (error["field"].as_str().unwrap(), error["code"].as_str().unwrap()))
            .collect();
        assert_eq!((answer.status, said), (422, fields), "{body}");
    }
    for gateway in ["paypal", "plaid"] {
        let mut body = if gateway == "paypal" { paypal() } else { json!({}) };
        body["gateway"] = json!(gateway);
        refused(&begin(&world, body).await, 422, &["gateway_not_configured"]);
    }
    world.member("clerk", &["clerk"], None).await;
    refused(&world.user("clerk").post("/payment-methods/setup", &card()).await.unwrap(), 403, &["permission_denied"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_keeps_nobody_from_a_setup() {
    let world = World::new().await;
    world.stack.stripe.revoke_key("sk_test_CANARY_acme");
    world.stack.stripe.add_account("acct_acme", "sk_test_CANARY_new");
    let secret = json!({ "account": "acct_acme", "secret_key": "sk_test_CANARY_new" });
    world.stack.secrets.put("passerelle/acme/stripe", &secret).unwrap();
    world.clock.advance(std::time::Duration::from_secs(31));
    begun(&world, card()).await;
}
