//! Bank accounts that are linked by Plaid: a public token is exchanged once, and what it becomes is kept in one secret.

use std::time::Duration;

use local::client::Answer;
use local::plaid::Account;
use local::plaid::fault::{Fault, Kind};
use serde_json::json;

use super::CLIENT;
use super::plaid::{ACCOUNT, asked, debtor, method_status, moved, secret_of, send_back};
use crate::world::{TENANT, World, refused};

const EXCHANGE: &str = "/item/public_token/exchange";

async fn add(world: &World, token: &str) -> Answer {
    let body = json!({ "gateway": "plaid", "reference": token, "customer_id": "globex" });
    world.admin().post("/payment-methods", &body).await.unwrap()
}

/// Everything that is in any table.
async fn all_items(world: &World) -> String {
    let mut text = String::new();
    for table in world.stack.tables.values() {
        let scan = world.stack.dynamodb.scan().table_name(table).send().await.unwrap();
        text.push_str(&format!("{:?}", scan.items));
    }
    text
}

/// Nothing was made: no method, and no secret of one.
async fn nothing_was_kept(world: &World) {
    let listed = world.listed(TENANT, "/payment-methods?customer_id=globex", 100).await;
    assert!(listed.is_empty(), "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_token_is_exchanged_once_and_its_access_token_is_in_one_secret_and_nowhere_else() {
    let world = World::with_plaid().await;
    let tokens = world.stack.plaid.add_item(CLIENT, vec![Account::checking(ACCOUNT, 1_000_000)]).unwrap();
    let added = add(&world, &tokens.public_token).await;
    assert_eq!(added.status, 201, "{}", added.body);
    for (name, value) in [
        ("gateway", json!("plaid")),
        ("kind", json!("bank_account")),
        ("owner", json!("customer:globex")),
        ("last4", json!("0000")),
        ("status", json!("active")),
        ("default", json!(true)),
    ] {
        assert_eq!(added.body[name], value, "{name}");
    }
    let method = added.body["id"].as_str().unwrap();
    assert_eq!(secret_of(&world, method).await, Some(json!({ "access_token": tokens.access_token })));
    assert_eq!(asked(&world, EXCHANGE).len(), 1);

    let invoice = world.receivable(json!({})).await;
    let paid = world.pay_by_bank(&invoice, json!({})).await;
    assert_eq!(paid.status, 202, "{}", paid.body);
    let listed = world.admin().get("/payment-methods").await.unwrap().body;
    let trail = world.admin().get(&format!("/invoices/{invoice}/audit")).await.unwrap().body;
    let items = all_items(&world).await;
    assert!(items.contains(method) && items.contains(ACCOUNT), "the scan has seen the method");
    // What is logged passes a tripwire for both.
    for (what, text) in [
        ("the answer", added.body.to_string()),
        ("the payment", paid.body.to_string()),
        ("the list", listed.to_string()),
        ("the trail", trail.to_string()),
        ("a table", items),
    ] {
        assert!(!text.contains(&tokens.access_token) && !text.contains(&tokens.public_token), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_two_accounts_or_to_none_that_can_be_used_is_refused_with_what_cures_it() {
    let world = World::with_plaid().await;
    let card = Account { subtype: "credit card".to_owned(), ..Account::checking("acc_card", 0) };
    let checking = |id| Account::checking(id, 100);
    for accounts in [vec![checking("acc_1"), checking("acc_2")], vec![card.clone()], vec![]] {
        let tokens = world.stack.plaid.add_item(CLIENT, accounts).unwrap();
        let answer = add(&world, &tokens.public_token).await;
        refused(&answer, 422, &["reference_invalid"]);
        assert_eq!(answer.body["errors"][0]["field"], json!("reference"), "{}", answer.body);
        assert!(answer.body["detail"].as_str().unwrap().contains("link exactly one account"), "{}", answer.body);
    }
    nothing_was_kept(&world).await;
    assert_eq!(asked(&world, "/item/remove").len(), 3, "nobody could end these links later");
    // What can't be transferred to or from does not count.
    let tokens = world.stack.plaid.add_item(CLIENT, vec![card, checking("acc_3")]).unwrap();
    assert_eq!(add(&world, &tokens.public_token).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_none_or_too_old_or_another_clients_is_refused() {
    let world = World::with_plaid().await;
    world.stack.plaid.add_client("client_other", "secret_CANARY_plaid_other");
    let others = world.stack.plaid.add_item("client_other", vec![Account::checking("acc_other", 1)]).unwrap();
    let old = world.stack.plaid.add_item(CLIENT, vec![Account::checking("acc_old", 1)]).unwrap();
    world.clock.advance(Duration::from_mins(31));
    for token in ["public-sandbox-none", &others.public_token, &old.public_token] {
        refused(&add(&world, token).await, 422, &["reference_invalid"]);
    }
    let sent = asked(&world, EXCHANGE).len();
    for token in ["pm_card_visa", &old.access_token, &format!("public-{}", "x".repeat(1_000))] {
        refused(&add(&world, token).await, 422, &["invalid_field"]);
    }
    assert_eq!(asked(&world, EXCHANGE).len(), sent, "what can be no public token goes nowhere");
    nothing_was_kept(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_used_twice_adds_one_method() {
    let world = World::with_plaid().await;
    let tokens = world.stack.plaid.add_item(CLIENT, vec![Account::checking(ACCOUNT, 1_000_000)]).unwrap();
    let first = add(&world, &tokens.public_token).await;
    refused(&add(&world, &tokens.public_token).await, 422, &["reference_invalid"]);
    let method = first.body["id"].as_str().unwrap();
    assert_eq!(secret_of(&world, method).await, Some(json!({ "access_token": tokens.access_token })));
    assert_eq!(world.listed(TENANT, "/payment-methods?customer_id=globex", 100).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_linked_again_is_the_same_method_with_a_new_secret_and_active_again() {
    let (world, method) = debtor().await;
    let debit = moved(&world, world.receivable(json!({})).await).await;
    send_back(&world, &debit, "R20").await;
    assert_eq!(method_status(&world, &method).await, "inactive");

    let tokens = world.stack.plaid.add_item(CLIENT, vec![Account::checking(ACCOUNT, 1_000_000)]).unwrap();
    let again = add(&world, &tokens.public_token).await;
    assert_eq!((again.status, &again.body["id"], &again.body["status"]), (201, &json!(method), &json!("active")));
    assert_eq!(secret_of(&world, &method).await, Some(json!({ "access_token": tokens.access_token })));

    // A sandbox that still has the first token goes on; the next one takes the new.
    world.clock.advance(Duration::from_mins(6));
    moved(&world, world.receivable(json!({})).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_owner_said_no_stays_blocked_when_it_is_linked_again() {
    let (world, method) = debtor().await;
    let debit = moved(&world, world.receivable(json!({})).await).await;
    send_back(&world, &debit, "R10").await;
    let tokens = world.stack.plaid.add_item(CLIENT, vec![Account::checking(ACCOUNT, 1_000_000)]).unwrap();
    let again = add(&world, &tokens.public_token).await;
    refused(&again, 422, &["payment_method_blocked"]);
    assert_eq!(method_status(&world, &method).await, "blocked");
    let invoice = world.receivable(json!({})).await;
    let answer = world.pay_by_bank(&invoice, json!({ "payment_method_id": method })).await;
    refused(&answer, 422, &["payment_method_blocked"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_or_a_secret_to_write_no_method_is_in_the_books() {
    let world = World::with_plaid().await;
    for path in [EXCHANGE, "/accounts/get"] {
        let tokens = world.stack.plaid.add_item(CLIENT, vec![Account::checking(ACCOUNT, 1_000_000)]).unwrap();
        world.stack.plaid.add_fault(Fault::new(Kind::ErrorBefore(500), "POST", path));
        let answer = add(&world, &tokens.public_token).await;
        assert!(answer.status >= 500, "{path}: {}", answer.body);
        nothing_was_kept(&world).await;
    }
    let tokens = world.stack.plaid.add_item(CLIENT, vec![Account::checking(ACCOUNT, 1_000_000)]).unwrap();
    // The tenant's own secret is in the cache by now.
    world.stack.secrets.fail_next(20);
    let answer = add(&world, &tokens.public_token).await;
    assert!(answer.status >= 500, "{}", answer.body);
    world.stack.secrets.fail_next(0);
    nothing_was_kept(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_a_secret_of_plaid_is_told_so() {
    let world = World::new().await;
    refused(&add(&world, "public-sandbox-1").await, 422, &["gateway_not_configured"]);
}
