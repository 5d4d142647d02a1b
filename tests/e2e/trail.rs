//! The trail by day, and the runs that failures leave: all of a tenant's, in their order, and nobody else's.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::Time;

use crate::world::{ADMIN, TENANT, World, refused};

const SECOND: Duration = Duration::from_secs(1);

/// Fails to pay a new invoice; the invoice and our id of the payment.
async fn fail(world: &World, method: &str) -> (String, String) {
    world.clock.advance(SECOND);
    let invoice = world.approved(json!({})).await;
    let answer = world.pay(&invoice, json!({ "payment_method_id": method })).await;
    refused(&answer, 402, &["insufficient_funds"]);
    (invoice, answer.body["payment"]["id"].as_str().unwrap().to_owned())
}

async fn broke(world: &World) -> String {
    world.method("pm_card_visa_chargeDeclinedInsufficientFunds", json!({})).await
}

/// An invoice's entries as its own trail shows them.
async fn trail(world: &World, invoice: &str) -> Vec<Value> {
    let trail = world.admin().get(&format!("/invoices/{invoice}/audit")).await.unwrap().body;
    trail["entries"].as_array().unwrap().clone()
}

fn at(time: &str) -> Time {
    time.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_shows_what_was_done_and_refused_on_it_in_utc_and_nothing_else() {
    let world = World::new().await;
    world.tenant("globex", "acct_globex").await;
    let invoice = world.draft(json!({})).await;
    // The last moment of one day and the first of the next.
    world.clock.set(at("2026-01-15T23:59:59.999Z"));
    let early = world.pay(&invoice, json!({})).await;
    refused(&early, 409, &["invoice_not_approved"]);
    world.clock.set(at("2026-01-16T00:00:00.000Z"));
    let approved = world.admin().post(&format!("/invoices/{invoice}/approve"), &json!({})).await.unwrap();
    assert_eq!(approved.status, 200);
    world.clock.advance(SECOND);
    assert_eq!(world.pay(&invoice, json!({})).await.status, 201);
    world.clock.set(at("2026-01-17T09:00:00.000Z"));
    world.draft(json!({})).await;

    let own = trail(&world, &invoice).await;
    assert_eq!(own.len(), 4);
    let first = world.listed(TENANT, "/audit?day=2026-01-15", 100).await;
    assert_eq!((&first[0]["action"], &first[0]["entity_type"]), (&json!("refuse"), &json!("requests")));
    assert_eq!(first[0]["entity_id"], early.body["request_id"]);
    assert_eq!(first[0]["changes"], json!({ "invoice_id": invoice, "codes": ["invoice_not_approved"] }));
    assert!(first.contains(&own[0]), "an entry looks as in its own trail");
    let kinds: BTreeSet<&str> = first.iter().map(|entry| entry["entity_type"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["invoice", "method", "requests", "tenant"]));

    let second = world.listed(TENANT, "/audit?day=2026-01-16", 100).await;
    // Paid and settled in the same millisecond: in any order, before what was approved.
    assert_eq!(second.len(), 3, "{second:?}");
    assert!(second[..2].contains(&own[2]) && second[..2].contains(&own[3]), "{second:?}");
    assert_eq!(second[2], own[1]);
    assert_eq!(world.listed(TENANT, "/audit?day=2026-01-17", 100).await.len(), 1);
    assert_eq!(world.listed(TENANT, "/audit?day=2026-01-18", 100).await, Vec::<Value>::new());
    for entry in first.iter().chain(&second) {
        assert_eq!(entry["tenant_id"], json!("acme"), "{entry}");
    }
    assert_eq!(world.listed("globex", "/audit?day=2026-01-16", 100).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_day_leave_nothing_out_and_repeat_nothing() {
    let world = World::new().await;
    // All of it in the same millisecond, so that only the keys tell the entries apart.
    for _ in 0..2 {
        world.paid().await;
    }
    let whole = world.listed(TENANT, "/audit?day=2026-01-15", 100).await;
    assert!(whole.len() >= 11, "{}", whole.len());
    for limit in [1, 3] {
        assert_eq!(world.listed(TENANT, "/audit?day=2026-01-15", limit).await, whole, "{limit} at a time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_day_is_refused_with_its_field() {
    let world = World::new().await;
    for (query, code) in [
        ("", "missing_field"),
        ("?day=", "invalid_field"),
        ("?day=yesterday", "invalid_field"),
        ("?day=2026-02-30", "invalid_field"),
        ("?day=20260115", "invalid_field"),
        ("?day=2026-01-15T00:00:00Z", "invalid_field"),
        ("?day=2026-01-15%23", "invalid_field"),
    ] {
        let answer = world.admin().get(&format!("/audit{query}")).await.unwrap();
        refused(&answer, 422, &[code]);
        assert_eq!(answer.body["errors"][0]["field"], json!("day"), "{query}");
    }
    refused(&world.admin().get("/audit?day=2026-01-15&to=2026-01-16").await.unwrap(), 422, &["unknown_field"]);
    refused(&world.admin().get("/alerts?status=closed").await.unwrap(), 422, &["invalid_field"]);
    refused(&world.admin().get("/agent-runs?payment_id=pi_1").await.unwrap(), 422, &["invalid_field"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failed_execution_is_a_run_newest_first() {
    let world = World::new().await;
    world.member("clerk", &["clerk"], None).await;
    let method = broke(&world).await;
    let mut failed = Vec::new();
    for _ in 0..4 {
        failed.push(fail(&world, &method).await);
    }
    world.clock.advance(SECOND);
    let (invoice, _) = &failed[1];
    let last = world.pay_as("clerk", None, invoice, json!({ "payment_method_id": method })).await;
    refused(&last, 402, &["insufficient_funds"]);
    world.paid().await;

    let runs = world.listed(TENANT, "/agent-runs", 2).await;
    let payments: Vec<&str> = runs.iter().map(|run| run["payment_id"].as_str().unwrap()).collect();
    let newest = last.body["payment"]["id"].as_str().unwrap();
    assert_eq!(payments, [newest, &failed[3].1, &failed[2].1, &failed[1].1, &failed[0].1]);
    let expected = json!({
        "action": "pay", "user_id": "clerk", "request_id": last.body["request_id"], "invoice_id": invoice,
        "payment_id": newest, "error_class": "insufficient_funds", "gateway_code": "insufficient_funds",
        "attempts": 1, "duration_ms": 0, "at": "2026-01-15T14:30:05.000Z",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&runs[0][name], value, "{name} in {}", runs[0]);
    }
    let of_one = world.listed(TENANT, &format!("/agent-runs?payment_id={}", failed[2].1), 1).await;
    assert_eq!(of_one, [runs[2].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursor_of_one_list_is_refused_by_every_other() {
    let world = World::new().await;
    world.tenant("globex", "acct_globex").await;
    let method = broke(&world).await;
    for _ in 0..4 {
        fail(&world, &method).await;
    }
    for alert in world.listed(TENANT, "/alerts", 100).await.iter().take(2) {
        let path = format!("/alerts/{}/resolve", alert["id"].as_str().unwrap());
        assert_eq!(world.admin().post(&path, &json!({ "note": "n" })).await.unwrap().status, 200);
    }
    let (_, payment, _) = world.paid().await;
    for key in ["r1", "r2"] {
        assert_eq!(world.refund(key, &payment, json!({ "amount": 1 })).await.status, 201);
    }
    world.clock.set(at("2026-01-16T12:00:00Z"));
    world.draft(json!({})).await;
    world.draft(json!({})).await;

    let lists = [
        "/alerts?status=open",
        "/alerts?status=resolved",
        "/audit?day=2026-01-15",
        "/audit?day=2026-01-16",
        "/agent-runs?limit=1",
        "/payments?limit=1",
        "/refunds?limit=1",
        "/invoices?limit=1",
        "/payment-methods?limit=1",
    ];
    let admin = world.admin();
    for giver in lists {
        let one = if giver.contains("limit") { giver.to_owned() } else { format!("{giver}&limit=1") };
        let page = admin.get(&one).await.unwrap();
        let Some(cursor) = page.body["cursor"].as_str() else { panic!("{giver} has one page: {}", page.body) };
        for taker in lists {
            let path = format!("{taker}&cursor={cursor}");
            let answer = admin.get(&path).await.unwrap();
            if giver == taker {
                assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            } else {
                refused(&answer, 422, &["invalid_cursor"]);
            }
            refused(&world.of("globex", ADMIN).get(&path).await.unwrap(), 422, &["invalid_cursor"]);
        }
    }
}
