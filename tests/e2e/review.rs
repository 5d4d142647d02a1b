//! What people review: alerts wait until somebody resolves them, the trail shows each day, failures leave a run.

use std::sync::Arc;
use std::time::Duration;

use local::client::Answer;
use serde_json::{Value, json};
use shared::model::audit::{Head, is_intact};
use tokio::task::JoinSet;

use crate::faults::execution::End;
use crate::faults::stage::{Call, Stage};
use crate::faults::wire::{Fault, Party};
use crate::world::{ADMIN, TENANT, World, refused};

const SECOND: Duration = Duration::from_secs(1);

/// A method without funds; its payments fail and raise an alert about their invoice.
async fn broke(world: &World) -> String {
    world.method("pm_card_visa_chargeDeclinedInsufficientFunds", json!({})).await
}

/// Fails to pay an invoice, a second after what happened before; our id of the payment.
async fn fail(world: &World, invoice: &str, method: &str) -> String {
    world.clock.advance(SECOND);
    let answer = world.pay(invoice, json!({ "payment_method_id": method })).await;
    refused(&answer, 402, &["insufficient_funds"]);
    answer.body["payment"]["id"].as_str().unwrap().to_owned()
}

/// A failed payment: its invoice, the method without funds, and the alert.
async fn alerted(world: &World) -> (String, String, String) {
    let (method, invoice) = (broke(world).await, world.approved(json!({})).await);
    fail(world, &invoice, &method).await;
    let alert = about(world, "/alerts", &invoice).await;
    (invoice, method, alert["id"].as_str().unwrap().to_owned())
}

/// The one alert of a list that is about an invoice.
async fn about(world: &World, list: &str, invoice: &str) -> Value {
    let alerts = world.listed(TENANT, list, 100).await;
    let mut about = alerts.into_iter().filter(|alert| alert["invoice_id"] == json!(invoice));
    let alert = about.next().unwrap_or_else(|| panic!("no alert about {invoice} in {list}"));
    assert!(about.next().is_none(), "two alerts about {invoice} in {list}");
    alert
}

fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

async fn resolve(world: &World, user: &str, alert: &str, body: Value) -> Answer {
    world.user(user).post(&format!("/alerts/{alert}/resolve"), &body).await.unwrap()
}

/// The notes in an alert's trail, once its chain has been found intact and to end where the alert says.
async fn notes(world: &World, alert: &str) -> Vec<String> {
    let entries = world.entries(&format!("acme/alert/{alert}")).await;
    let items = world.items("ALERTS_TABLE", "tenant_id", TENANT).await;
    let item = items.iter().find(|item| item["alert_id"].as_s().unwrap() == alert).unwrap();
    let head = item.get("version").map_or_else(Head::default, |version| Head {
        version: version.as_n().unwrap().parse().unwrap(),
        hash: item["audit_head"].as_s().unwrap().clone(),
    });
    assert!(is_intact(&entries, &head), "{entries:?} does not end in {head:?}");
    let records = entries.iter().map(|entry| serde_json::from_str::<Value>(&entry.record).unwrap());
    records.map(|record| record["changes"]["note"].as_str().unwrap().to_owned()).collect()
}

/// The indexes in which the tenant's alerts stand.
async fn indexes(world: &World) -> Vec<&'static str> {
    let items = world.items("ALERTS_TABLE", "tenant_id", TENANT).await;
    let keys = [("open_tenant", "open"), ("resolved_tenant", "resolved")];
    items
        .iter()
        .flat_map(|item| keys.iter().filter(|(key, _)| item.contains_key(*key)).map(|(_, index)| *index))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_person_is_listed_by_its_last_occurrence_and_leaves_when_it_is_resolved() {
    let world = World::new().await;
    let method = broke(&world).await;
    let mut invoices = Vec::new();
    for _ in 0..5 {
        invoices.push(world.approved(json!({})).await);
        fail(&world, invoices.last().unwrap(), &method).await;
    }
    // The first again: it comes before the others.
    let payment = fail(&world, &invoices[0], &method).await;
    let open = world.listed(TENANT, "/alerts", 2).await;
    let order: Vec<&str> = open.iter().map(|alert| alert["invoice_id"].as_str().unwrap()).collect();
    assert_eq!(order, [0, 4, 3, 2, 1].map(|n: usize| invoices[n].as_str()));
    let expected = json!({
        "kind": "insufficient_funds", "severity": "warning", "status": "open", "invoice_id": invoices[0],
        "payment_id": payment, "count": 2, "first_seen": "2026-01-15T14:30:01.000Z",
        "last_seen": "2026-01-15T14:30:06.000Z",
        "next_action": "Make sure that the method, or for a payout the gateway's balance, has funds; then pay the invoice again.",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&open[0][name], value, "{name} in {}", open[0]);
    }
    assert_eq!(
        open[0].as_object().unwrap().len(),
        expected.as_object().unwrap().len() + 2,
        "id and message: {}",
        open[0]
    );

    let resolved = [open[1]["id"].as_str().unwrap(), open[3]["id"].as_str().unwrap()];
    for id in resolved {
        world.clock.advance(SECOND);
        assert_eq!(resolve(&world, ADMIN, id, json!({ "note": "paid by hand" })).await.status, 200);
    }
    let left = [&open[0], &open[2], &open[4]].map(|alert| alert["id"].as_str().unwrap());
    assert_eq!(ids(&world.listed(TENANT, "/alerts", 1).await), left);
    assert_eq!(ids(&world.listed(TENANT, "/alerts?status=open", 100).await), left);
    let done = world.listed(TENANT, "/alerts?status=resolved", 1).await;
    assert_eq!(ids(&done), [resolved[1], resolved[0]], "the last resolved comes first");
    assert!(done.iter().all(|alert| alert["status"] == json!("resolved")));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_resolved_an_alert_when_and_how_is_on_it_and_in_the_trail_once() {
    let world = World::new().await;
    world.member("tom", &["treasurer"], None).await;
    let (invoice, _, alert) = alerted(&world).await;
    world.clock.advance(SECOND);
    let first = resolve(&world, "tom", &alert, json!({ "note": "called the bank", "count": 1 })).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let now = json!(world.clock.now().to_string());
    let (by, at, note) = (&first.body["resolved_by"], &first.body["resolved_at"], &first.body["note"]);
    assert_eq!((by, at, note), (&json!("tom"), &now, &json!("called the bank")));
    assert_eq!((&first.body["status"], &first.body["invoice_id"]), (&json!("resolved"), &json!(invoice)));

    // Whoever comes later changes nothing, whatever count he saw.
    world.clock.advance(SECOND);
    for body in [json!({ "note": "me too" }), json!({ "note": "me too", "count": 7 })] {
        let again = resolve(&world, ADMIN, &alert, body).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
    }
    assert_eq!(about(&world, "/alerts?status=resolved", &invoice).await, first.body);
    assert_eq!(notes(&world, &alert).await, ["called the bank"]);
    let record: Value = serde_json::from_str(&world.entries(&format!("acme/alert/{alert}")).await[0].record).unwrap();
    assert_eq!((&record["user_id"], &record["action"], &record["at"]), (&json!("tom"), &json!("resolve"), &now));
    assert_eq!(record["changes"]["status"], json!(["open", "resolved"]));
    assert_eq!(record["changes"]["count"], json!(1));
    assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle"], "its invoice did not change");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_is_raised_again_waits_again_and_its_trail_goes_on() {
    let world = World::new().await;
    let (invoice, method, alert) = alerted(&world).await;
    for (count, note) in [(1, "one"), (2, "two"), (3, "three")] {
        let open = about(&world, "/alerts", &invoice).await;
        assert_eq!((&open["id"], &open["count"], &open["status"]), (&json!(alert), &json!(count), &json!("open")));
        for gone in ["resolved_by", "resolved_at", "note"] {
            assert_eq!(open.get(gone), None, "{gone}");
        }
        assert_eq!(world.listed(TENANT, "/alerts?status=resolved", 100).await, Vec::<Value>::new());
        assert_eq!(indexes(&world).await, ["open"]);
        assert_eq!(resolve(&world, ADMIN, &alert, json!({ "note": note, "count": count })).await.status, 200);
        assert_eq!(world.listed(TENANT, "/alerts", 100).await, Vec::<Value>::new());
        assert_eq!(indexes(&world).await, ["resolved"]);
        fail(&world, &invoice, &method).await;
    }
    assert_eq!(notes(&world, &alert).await, ["one", "two", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_saw_an_older_count_resolves_nothing() {
    let world = World::new().await;
    let (invoice, method, alert) = alerted(&world).await;
    fail(&world, &invoice, &method).await;
    let stale = resolve(&world, ADMIN, &alert, json!({ "note": "done", "count": 1 })).await;
    refused(&stale, 409, &["alert_changed"]);
    assert_eq!((&stale.body["count"], &stale.body["errors"][0]["field"]), (&json!(2), &json!("count")));
    assert_eq!(about(&world, "/alerts", &invoice).await["count"], json!(2));
    assert!(notes(&world, &alert).await.is_empty());
    assert_eq!(resolve(&world, ADMIN, &alert, json!({ "note": "done", "count": 2 })).await.status, 200);
    assert_eq!(notes(&world, &alert).await, ["done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_resolve_at_once_one_does() {
    let world = Arc::new(World::new().await);
    let (_, _, alert) = alerted(&world).await;
    let mut requests = JoinSet::new();
    for n in 0..20 {
        let (world, alert) = (world.clone(), alert.clone());
        requests.spawn(async move { resolve(&world, ADMIN, &alert, json!({ "note": format!("note {n}") })).await });
    }
    let answers = requests.join_all().await;
    let written = notes(&world, &alert).await;
    assert_eq!(written.len(), 1, "{written:?}");
    for answer in answers {
        assert_eq!((answer.status, &answer.body["note"]), (200, &json!(written[0])), "{}", answer.body);
    }
}

/// The call in which a resolution is written: after the reads of the caller and of the alert.
const WRITE: (Party, u32) = (Party::DynamoDb, 3);

fn resolution(alert: &str, body: Value) -> Call {
    let path = format!("/alerts/{alert}/resolve");
    Call { user: ADMIN.to_owned(), method: "POST", path, key: None, body }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_between_reading_and_writing_is_read_again() {
    for (count, raised, status, expected) in [
        // Raised again meanwhile: resolved with it, unless the caller says what he saw.
        (Value::Null, true, 200, &["frozen"][..]),
        (json!(1), true, 409, &[]),
        // Resolved by somebody else meanwhile.
        (Value::Null, false, 200, &["quicker"]),
    ] {
        let stage = Stage::new().await;
        let world = &stage.world;
        let (invoice, method, alert) = alerted(world).await;
        let call = resolution(&alert, json!({ "note": "frozen", "count": count }));
        let plan = [(WRITE, Fault::FreezeBefore)].into_iter().collect();
        let End::Frozen(frozen) = stage.wire.run(plan, stage.invoke(&call)).await else { panic!("not in the plan") };
        if raised {
            fail(world, &invoice, &method).await;
        } else {
            assert_eq!(resolve(world, ADMIN, &alert, json!({ "note": "quicker" })).await.status, 200);
        }
        let End::Answered(answer) = stage.wire.thaw(frozen).await else { panic!("not in the plan") };
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(notes(world, &alert).await, expected);
        if status == 200 {
            assert_eq!((&answer.body["note"], &answer.body["status"]), (&json!(expected[0]), &json!("resolved")));
            assert_eq!(answer.body["count"], json!(if raised { 2 } else { 1 }));
        } else {
            assert_eq!((&answer.body["code"], &answer.body["count"]), (&json!("alert_changed"), &json!(2)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolution_whose_answer_was_lost_is_one_entry_even_when_the_alert_was_raised_again_meanwhile() {
    for fault in [Fault::Conflict, Fault::Throttled, Fault::ReplyLost, Fault::TimedOut, Fault::ErrorAfter] {
        let stage = Stage::new().await;
        let (_, _, alert) = alerted(&stage.world).await;
        let plan = [(WRITE, fault.clone())].into_iter().collect();
        let call = resolution(&alert, json!({ "note": "done" }));
        let End::Answered(answer) = stage.wire.run(plan, stage.invoke(&call)).await else { panic!("not in the plan") };
        assert_eq!((answer.status, &answer.body["note"]), (200, &json!("done")), "{fault:?}: {}", answer.body);
        assert_eq!(notes(&stage.world, &alert).await, ["done"], "{fault:?}");
    }

    let stage = Stage::new().await;
    let world = &stage.world;
    let (invoice, method, alert) = alerted(world).await;
    let again = (WRITE.0, WRITE.1 + 1);
    let plan = [(WRITE, Fault::ReplyLost), (again, Fault::FreezeBefore)].into_iter().collect();
    let call = resolution(&alert, json!({ "note": "done" }));
    let End::Frozen(frozen) = stage.wire.run(plan, stage.invoke(&call)).await else { panic!("not in the plan") };
    fail(world, &invoice, &method).await;
    let End::Answered(answer) = stage.wire.thaw(frozen).await else { panic!("not in the plan") };
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(notes(world, &alert).await, ["done"]);
    let open = about(world, "/alerts", &invoice).await;
    assert_eq!((&open["status"], &open["count"]), (&json!("open"), &json!(2)), "what came later waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_look_and_only_treasurers_resolve() {
    let world = World::new().await;
    world.member("viewer", &["viewer"], None).await;
    world.member("ann", &["approver"], Some(1)).await;
    let (_, _, alert) = alerted(&world).await;
    for path in ["/alerts", "/alerts?status=resolved", "/audit?day=2026-01-15", "/agent-runs"] {
        assert_eq!(world.user("viewer").get(path).await.unwrap().status, 200, "{path}");
        refused(&world.user("nobody").get(path).await.unwrap(), 403, &["permission_denied"]);
    }
    for user in ["viewer", "ann", "nobody"] {
        for id in [alert.as_str(), "alr_nothing"] {
            refused(&resolve(&world, user, id, json!({ "note": "n" })).await, 403, &["permission_denied"]);
        }
    }
    assert_eq!(ids(&world.listed(TENANT, "/alerts", 100).await), [alert.as_str()]);
    assert!(notes(&world, &alert).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenant_sees_none_of_it_and_resolves_nothing() {
    let world = World::new().await;
    world.tenant("globex", "acct_globex").await;
    let (invoice, _, alert) = alerted(&world).await;
    for path in ["/alerts", "/alerts?status=resolved", "/agent-runs"] {
        assert_eq!(world.listed("globex", path, 100).await, Vec::<Value>::new(), "{path}");
    }
    let theirs = world.of("globex", ADMIN).post(&format!("/alerts/{alert}/resolve"), &json!({ "note": "n" })).await;
    refused(&theirs.unwrap(), 404, &["alert_not_found"]);
    assert_eq!(about(&world, "/alerts", &invoice).await["status"], json!("open"));
    assert!(world.entries(&format!("globex/alert/{alert}")).await.is_empty(), "nothing was written for them");
    assert_eq!(resolve(&world, ADMIN, &alert, json!({ "note": "n" })).await.status, 200);
    assert_eq!(world.listed("globex", "/alerts?status=resolved", 100).await, Vec::<Value>::new());
    for entry in world.listed("globex", "/audit?day=2026-01-15", 100).await {
        assert_eq!(entry["tenant_id"], json!("globex"), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_resolve_says_in_what_way_and_which() {
    let world = World::new().await;
    let (_, _, alert) = alerted(&world).await;
    for (body, code, field) in [
        (json!({}), "missing_field", "note"),
        (json!({ "note": " " }), "invalid_field", "note"),
        (json!({ "note": "n".repeat(201) }), "invalid_field", "note"),
        (json!({ "note": "n", "count": "1" }), "invalid_field", "count"),
        (json!({ "note": "n", "count": 0 }), "invalid_field", "count"),
        (json!({ "note": "n", "by": "me" }), "unknown_field", "by"),
    ] {
        let answer = resolve(&world, ADMIN, &alert, body).await;
        refused(&answer, 422, &[code]);
        assert_eq!(answer.body["errors"][0]["field"], json!(field));
    }
    let card = resolve(&world, ADMIN, &alert, json!({ "note": "paid with 4242424242424242" })).await;
    refused(&card, 422, &["card_data_forbidden"]);
    let unknown = format!("alr_{}", "a".repeat(26));
    for id in [unknown.as_str(), "alr_nothing", "x"] {
        refused(&resolve(&world, ADMIN, id, json!({ "note": "n" })).await, 404, &["alert_not_found"]);
    }
    assert!(notes(&world, &alert).await.is_empty());
    assert_eq!(resolve(&world, ADMIN, &alert, json!({ "note": "n".repeat(200) })).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_carries_the_address_of_its_own_tenant() {
    let world = World::new().await;
    world.tenant("other", "acct_other").await;
    world.settings(json!({ "alert_email": "ap@acme.example" })).await;
    world.method("pm_card_visa_chargeDeclined", json!({ "default": true })).await;
    let invoice = world.approved(json!({})).await;
    assert_eq!(world.pay(&invoice, json!({})).await.status, 402);
    let alerts = world.items("ALERTS_TABLE", "tenant_id", TENANT).await;
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["alert_email"].as_s().unwrap(), "ap@acme.example");
}
