//! Many at once: whatever is chosen and detached in whatever order, an owner has one default or none.

use std::sync::Arc;
use std::time::Duration;

use local::client::Answer;
use serde_json::{Value, json};
use shared::model::audit::{Head, is_intact};
use tokio::task::JoinSet;

use crate::ach::plaid::item;
use crate::gate::{Gate, Held};
use crate::world::{ADMIN, TENANT, World, refused};

/// The customer's methods: their ids with their status, and the id and status of the copies that are defaults.
async fn books(world: &World) -> (Vec<(String, String)>, Vec<(String, String)>) {
    let items = world.items("PAYMENT_METHODS_TABLE", "tenant_id", TENANT).await;
    let of_customer = items.iter().filter(|item| item["owner"].as_s().unwrap() == "customer:globex");
    let text = |item: &std::collections::HashMap<_, aws_sdk_dynamodb::types::AttributeValue>, name: &str| {
        item[name].as_s().unwrap().clone()
    };
    let (defaults, methods): (Vec<_>, Vec<_>) =
        of_customer.partition(|item| item["method_id"].as_s().unwrap().starts_with("default#"));
    let shown = |items: Vec<_>| items.into_iter().map(|item| (text(item, "id"), text(item, "status"))).collect();
    (shown(methods), shown(defaults))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_chosen_and_detached_at_once_one_default_or_none_is_left() {
    for seed in 0..12_u64 {
        let mut random = fastrand::Rng::with_seed(seed);
        // Time enough for a busy machine.
        let slow = |options: &mut local::stack::Options| options.gateway_timeout = Some(Duration::from_secs(10));
        let world = Arc::new(World::with(slow).await);
        let mut methods = Vec::new();
        for _ in 0..3 {
            methods.push(world.method("pm_card_visa", json!({ "customer_id": "globex" })).await);
        }
        let requests: Vec<(u8, String)> =
            (0..12).map(|_| (random.u8(0..5), methods[random.usize(0..3)].clone())).collect();
        let mut sent = JoinSet::new();
        for (what, method) in requests.clone() {
            let world = Arc::clone(&world);
            sent.spawn(async move {
                let admin = world.admin();
                let answer = match what {
                    0 | 1 => world.delete(ADMIN, &format!("/payment-methods/{method}")).await,
                    2 => {
                        let card = json!({ "gateway": "stripe", "reference": "pm_card_amex", "customer_id": "globex" });
                        admin.post("/payment-methods", &card).await.unwrap()
                    }
                    _ => admin.post(&format!("/payment-methods/{method}/default"), &json!({})).await.unwrap(),
                };
                assert!([200, 201, 422, 503].contains(&answer.status), "{}", answer.body);
                if answer.status == 422 {
                    assert_eq!(answer.code(), "payment_method_inactive", "{}", answer.body);
                }
            });
        }
        sent.join_all().await;
        let (methods, defaults) = books(&world).await;
        assert!(defaults.len() <= 1, "seed {seed}: {defaults:?}");
        for (default, status) in &defaults {
            assert_eq!(status, "active", "seed {seed}: the copy");
            let own = methods.iter().find(|(id, _)| id == default).unwrap();
            assert_eq!(own.1, "active", "seed {seed}: {requests:?}");
        }
        for (id, status) in &methods {
            let entries = world.entries(&format!("{TENANT}/method/{id}")).await;
            let item = item(&world, "PAYMENT_METHODS_TABLE", "method_id", id).await.unwrap();
            let head = Head {
                version: item["version"].as_n().unwrap().parse().unwrap(),
                hash: item["audit_head"].as_s().unwrap().clone(),
            };
            assert!(is_intact(&entries, &head), "seed {seed}");
            let was_detached = entries.iter().any(|entry| entry.record.contains("detach_method"));
            assert_eq!(status == "inactive", was_detached, "seed {seed}: {id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_linked_and_detached_at_once_pays_if_it_is_active() {
    for seed in 0..9_u64 {
        let world = Arc::new(World::with_plaid().await);
        let method = world.plaid_bank("acc_1", 1_000_000, json!({ "customer_id": "globex" })).await;
        let account = local::plaid::Account::checking("acc_1", 1_000_000);
        let token = world.stack.plaid.add_item(crate::ach::CLIENT, vec![account]).unwrap().public_token;
        let mut sent = JoinSet::new();
        let detach = || {
            let (world, path) = (Arc::clone(&world), format!("/payment-methods/{method}"));
            async move { assert_eq!(world.delete(ADMIN, &path).await.status, 200) }
        };
        // So many begin before it is linked, the others after.
        for _ in 0..seed % 3 {
            sent.spawn(detach());
        }
        let linking = Arc::clone(&world);
        sent.spawn(async move {
            let link = json!({ "gateway": "plaid", "reference": token, "customer_id": "globex" });
            let answer = linking.admin().post("/payment-methods", &link).await.unwrap();
            // Detached meanwhile, the link is at its end.
            assert!([201, 422].contains(&answer.status), "{}", answer.body);
        });
        for _ in seed % 3..2 {
            sent.spawn(detach());
        }
        sent.join_all().await;
        let is_active = crate::ach::plaid::method_status(&world, &method).await == "active";
        let has_secret = crate::ach::plaid::secret_of(&world, &method).await.is_some();
        assert_eq!(is_active, has_secret, "seed {seed}");
        if is_active {
            world.clock.advance(Duration::from_mins(6));
            crate::ach::plaid::moved(&world, world.receivable(json!({})).await).await;
        }
    }
}

/// A world whose next addition of a method waits before it is written.
async fn gated() -> (Arc<World>, Gate) {
    let gate = Gate::default();
    let http = gate.http_client();
    let world = World::with(|options| {
        options.dynamodb_http = Some(http);
        options.gateway_timeout = Some(Duration::from_secs(10));
    })
    .await;
    (Arc::new(world), gate)
}

/// Adds a method, and does something else when all but the last write is done; the answer.
async fn overtaken(world: &Arc<World>, gate: &Gate, body: Value, meanwhile: impl Future<Output = ()>) -> Answer {
    gate.arm(Held::Request, &["add_method"]);
    let adding = {
        let world = Arc::clone(world);
        tokio::spawn(async move { world.admin().post("/payment-methods", &body).await.unwrap() })
    };
    gate.reached().await;
    meanwhile.await;
    gate.open();
    adding.await.unwrap()
}

async fn stands(world: &World, method: &str) -> (String, bool) {
    let listed = world.listed(TENANT, "/payment-methods", 100).await;
    let method = listed.iter().find(|one| one["id"] == json!(method)).unwrap();
    (method["status"].as_str().unwrap().to_owned(), method["default"].as_bool().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_detached_while_it_is_linked_anew_is_gone() {
    let (world, gate) = gated().await;
    world.plaid_account().await;
    let method = world.plaid_bank("acc_1", 1_000_000, json!({ "customer_id": "globex" })).await;
    let account = local::plaid::Account::checking("acc_1", 1_000_000);
    let token = world.stack.plaid.add_item(crate::ach::CLIENT, vec![account]).unwrap().public_token;
    let body = json!({ "gateway": "plaid", "reference": token, "customer_id": "globex" });
    // The new secret is written, the method is not: now it is detached, link and secret and all.
    let detach = async { assert_eq!(world.delete(ADMIN, &format!("/payment-methods/{method}")).await.status, 200) };
    let answer = overtaken(&world, &gate, body, detach).await;
    refused(&answer, 422, &["reference_invalid"]);
    assert_eq!(stands(&world, &method).await, ("inactive".to_owned(), false));
    assert!(crate::ach::plaid::secret_of(&world, &method).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_detached_while_it_is_added_again_stays_detached() {
    let (world, gate) = gated().await;
    let method = world.method("pm_card_visa", json!({ "customer_id": "globex" })).await;
    let reference = item(&world, "PAYMENT_METHODS_TABLE", "method_id", &method).await.unwrap()["reference"].clone();
    let reference = reference.as_s().unwrap();
    let body = json!({ "gateway": "stripe", "reference": reference, "customer_id": "globex", "default": true });
    let detach = async { assert_eq!(world.delete(ADMIN, &format!("/payment-methods/{method}")).await.status, 200) };
    let answer = overtaken(&world, &gate, body, detach).await;
    refused(&answer, 422, &["reference_invalid"]);
    assert_eq!(stands(&world, &method).await, ("inactive".to_owned(), false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_that_is_chosen_while_another_is_renewed_stays_chosen() {
    let (world, gate) = gated().await;
    let first = world.method("pm_card_visa", json!({ "customer_id": "globex" })).await;
    let second = world.method("pm_card_amex", json!({ "customer_id": "globex" })).await;
    let reference = item(&world, "PAYMENT_METHODS_TABLE", "method_id", &first).await.unwrap()["reference"].clone();
    let reference = reference.as_s().unwrap();
    world.stack.stripe.update_card(reference, 2034);
    let body = json!({ "gateway": "stripe", "reference": reference, "customer_id": "globex" });
    let choose = async {
        let path = format!("/payment-methods/{second}/default");
        assert_eq!(world.admin().post(&path, &json!({})).await.unwrap().status, 200);
    };
    let answer = overtaken(&world, &gate, body, choose).await;
    assert_eq!((answer.status, &answer.body["default"]), (201, &json!(false)), "{}", answer.body);
    assert_eq!(stands(&world, &first).await, ("active".to_owned(), false));
    assert_eq!(stands(&world, &second).await, ("active".to_owned(), true));
}
