//! Payment methods in PayPal's vault: added by a setup that their customer has approved, or by their token.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, refused};

/// The setup of a customer's PayPal account, as the tenant's own pages begin it.
async fn begun(world: &World) -> String {
    let context = json!({ "return_url": "https://example.com/done", "cancel_url": "https://example.com/back" });
    let setup = json!({ "payment_source": { "paypal": { "usage_type": "MERCHANT", "experience_context": context } } });
    let setup = world.at_paypal(Method::POST, "/v3/vault/setup-tokens", "setup-1", &setup).await;
    assert_eq!(setup["status"], json!("PAYER_ACTION_REQUIRED"), "{setup}");
    setup["id"].as_str().unwrap().to_owned()
}

/// PayPal's id of a method of ours.
async fn token_of(world: &World, method: &str) -> String {
    let items = world.items("PAYMENT_METHODS_TABLE", "tenant_id", "acme").await;
    let item = items.iter().find(|item| item["method_id"].as_s().unwrap() == method).unwrap();
    item["reference"].as_s().unwrap().clone()
}

fn adding(reference: &str) -> Value {
    json!({ "gateway": "paypal", "reference": reference, "customer_id": "globex" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_becomes_a_method_once_its_customer_has_approved_it_and_is_charged() {
    let world = World::with_paypal().await;
    let setup = begun(&world).await;
    let early = world.admin().post("/payment-methods", &adding(&setup)).await.unwrap();
    refused(&early, 422, &["reference_invalid"]);
    assert!(early.body["detail"].as_str().unwrap().contains("not finished"), "{}", early.body);

    assert!(world.stack.paypal.approve_setup_token(&setup, "paypal_ok"));
    let added = world.admin().post("/payment-methods", &adding(&setup)).await.unwrap();
    for (name, value) in [
        ("gateway", json!("paypal")),
        ("kind", json!("paypal")),
        ("owner", json!("customer:globex")),
        ("brand", json!("p***@example.com")),
        ("status", json!("active")),
        ("default", json!(true)),
    ] {
        assert_eq!(added.body[name], value, "{name}: {}", added.body);
    }
    // The same setup, as after a lost answer, and the token that it became, are the same method.
    let method = added.body["id"].as_str().unwrap();
    let token = token_of(&world, method).await;
    assert_ne!(token, setup);
    for reference in [&setup, &token] {
        let again = world.admin().post("/payment-methods", &adding(reference)).await.unwrap();
        assert_eq!((again.status, &again.body["id"]), (201, &json!(method)), "{}", again.body);
    }

    let counterparty = json!({ "name": "Globex Corporation", "customer_id": "globex" });
    let invoice = world.approved(json!({ "kind": "receivable", "counterparty": counterparty })).await;
    let paid = world.pay_by_paypal(&invoice).await;
    assert_eq!((paid.status, &paid.body["payment_method_id"]), (201, &json!(method)), "{}", paid.body);
    let order =
        world.stack.paypal.requests().into_iter().find(|request| request.path == "/v2/checkout/orders").unwrap();
    assert_eq!(order.body["payment_source"]["paypal"]["vault_id"], json!(token));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_read_back_from_paypal_and_shown_without_what_others_could_use() {
    let world = World::with_paypal().await;
    let unknown = world.admin().post("/payment-methods", &adding("nothing")).await.unwrap();
    refused(&unknown, 422, &["reference_invalid"]);
    let card = world.admin().post("/payment-methods", &adding("card_ok")).await.unwrap();
    assert_eq!((card.status, &card.body["kind"], &card.body["last4"]), (201, &json!("card"), &json!("7704")));
    let account = json!({ "gateway": "paypal", "reference": "paypal_ok", "customer_id": "initech" });
    let added = world.admin().post("/payment-methods", &account).await.unwrap();
    assert_eq!((&added.body["kind"], &added.body["brand"]), (&json!("paypal"), &json!("p***@example.com")));
    assert!(!added.body.to_string().contains("payer@"), "{}", added.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_its_customer_deletes_at_paypal_pays_nothing_any_more() {
    let world = World::with_paypal().await;
    let setup = begun(&world).await;
    assert!(world.stack.paypal.approve_setup_token(&setup, "paypal_ok"));
    let (invoice, method) = world.receivable_of(&setup).await;
    let token = token_of(&world, &method).await;
    world.at_paypal(Method::DELETE, &format!("/v3/vault/payment-tokens/{token}"), "gone", &Value::Null).await;
    assert_eq!(world.paypal_told("VAULT.PAYMENT-TOKEN.DELETED").await, "done");

    let listed = world.admin().get("/payment-methods?customer_id=globex").await.unwrap().body;
    assert_eq!((&listed["items"][0]["status"], &listed["items"][0]["default"]), (&json!("inactive"), &json!(false)));
    refused(&world.pay_by_paypal(&invoice).await, 422, &["payment_method_required"]);
    let named = json!({ "payment_method": "paypal", "payment_method_id": method });
    refused(&world.pay(&invoice, named).await, 422, &["payment_method_inactive"]);
    refused(&world.admin().post("/payment-methods", &adding(&token)).await.unwrap(), 422, &["reference_invalid"]);
    assert_eq!(world.posts("/v2/checkout/orders"), 0);
    assert_eq!(world.paypal_told("VAULT.PAYMENT-TOKEN.DELETED").await, "seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_whose_token_is_gone_waits_for_another_method() {
    let world = World::with_paypal().await;
    let (invoice, _) = world.receivable_of("paypal_TOKEN_ID_NOT_FOUND").await;
    let body = json!({ "invoice_id": invoice, "payment_method": "paypal", "scheduled_date": world.in_days(1) });
    let promised = world.admin().post("/scheduled-payments", &body).await.unwrap();
    assert_eq!(promised.status, 202, "{}", promised.body);
    world.clock.advance(std::time::Duration::from_hours(24));
    world.execute().await;
    let path = format!("/scheduled-payments/{}", promised.body["id"].as_str().unwrap());
    assert_eq!(world.admin().get(&path).await.unwrap().body["status"], json!("awaiting_method"));
    world.clock.advance(std::time::Duration::from_mins(1));
    world.paypal_method("paypal_ok").await;
    world.execute().await;
    assert_eq!(world.admin().get(&path).await.unwrap().body["status"], json!("completed"));
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
}
