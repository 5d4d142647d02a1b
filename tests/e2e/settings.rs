//! Settings and members: the operator's bootstrap, then the admins'.

use local::seed;
use reqwest::Method;
use serde_json::{Value, json};
use shared::model::audit::{Head, is_intact};

use crate::world::{ADMIN, TENANT, World, refused};

fn settings() -> Value {
    json!({ "name": "Acme", "timezone": "Europe/Paris" })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_creates_the_tenant_and_its_first_admin_and_nothing_else() {
    let world = World::empty(|_| {}).await;
    let operator = seed::operator(&world.stack, TENANT).unwrap();
    let admin = json!({ "roles": ["admin"], "approval_limits": { "*": null } });
    refused(&operator.put(&format!("/members/{ADMIN}"), &admin).await.unwrap(), 404, &["tenant_not_found"]);
    refused(&world.user("stranger").put("/tenant", &settings()).await.unwrap(), 403, &["permission_denied"]);
    assert_eq!(operator.put("/tenant", &settings()).await.unwrap().status, 200);
    let clerk = json!({ "roles": ["clerk"] });
    refused(&operator.put("/members/clerk", &clerk).await.unwrap(), 403, &["permission_denied"]);
    // Even an admin who can't approve: the bootstrap never locks out.
    assert_eq!(operator.put(&format!("/members/{ADMIN}"), &json!({ "roles": ["admin"] })).await.unwrap().status, 200);
    refused(&operator.put("/members/second", &admin).await.unwrap(), 403, &["permission_denied"]);
    let mut other = settings();
    other["name"] = json!("Other");
    refused(&operator.put("/tenant", &other).await.unwrap(), 403, &["permission_denied"]);
    for path in ["/tenant", "/members", "/invoices", "/payments"] {
        refused(&operator.get(path).await.unwrap(), 403, &["permission_denied"]);
    }
    let gone = operator.send(Method::DELETE, &format!("/members/{ADMIN}"), None, None).await.unwrap();
    refused(&gone, 403, &["permission_denied"]);
    assert_eq!(world.admin().put("/members/clerk", &clerk).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn put_replaces_the_settings_and_what_is_absent_takes_its_default() {
    let world = World::new().await;
    let full = json!({
        "name": "Acme", "timezone": "Europe/Paris", "four_eyes": false, "second_approval_above": { "USD": 1_000_000 },
        "retry_days": [2], "on_insufficient_funds": "fail", "alert_email": "alerts@example.com",
        "gateways": { "stripe": { "enabled": true, "payable_without_destination": false },
                      "ach": { "enabled": true, "provider": "plaid", "plaid": { "ach_class": "ccd", "ledger_id": "l" } } },
    });
    let put = world.admin().put("/tenant", &full).await.unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    let read = world.admin().get("/tenant").await.unwrap().body;
    for name in ["name", "timezone", "second_approval_above", "retry_days", "on_insufficient_funds", "alert_email"] {
        assert_eq!(read[name], full[name], "{name}");
    }
    assert_eq!(read["gateways"]["stripe"], full["gateways"]["stripe"]);
    assert_eq!(world.admin().put("/tenant", &settings()).await.unwrap().status, 200);
    let read = world.admin().get("/tenant").await.unwrap().body;
    assert_eq!(read["retry_days"], json!([1, 3, 7]));
    assert_eq!(read["on_insufficient_funds"], json!("reschedule"));
    assert_eq!((&read["four_eyes"], &read["second_approval_above"]), (&json!(false), &json!({})));
    assert_eq!(read["gateways"], json!({}), "gateways are off unless said");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_out_of_the_settings_is_in_the_trail() {
    let world = World::new().await;
    world.member("jdoe", &["approver"], Some(10)).await;
    assert_eq!(world.settings(json!({ "second_approval_above": { "USD": 5 }, "four_eyes": true })).await.status, 200);
    assert_eq!(world.settings(json!({})).await.status, 200);
    let entries = world.items("AUDIT_LOG_TABLE", "entity", "acme/tenant/acme").await;
    let record: Value = serde_json::from_str(entries.last().unwrap()["record"].as_s().unwrap()).unwrap();
    let expected = json!({ "second_approval_above": [{ "USD": 5 }, null], "four_eyes": [true, false] });
    assert_eq!(record["changes"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_the_wrong_form_are_refused_with_every_field_named() {
    let world = World::new().await;
    let bad = json!({
        "name": "", "timezone": "Mars/Olympus", "four_eyes": "yes", "second_approval_above": { "usd": 1 },
        "retry_days": [0], "on_insufficient_funds": "hope", "alert_email": "nobody", "gateways": { "venmo": {} }, "colour": 1,
    });
    let answer = world.admin().put("/tenant", &bad).await.unwrap();
    assert_eq!(answer.status, 422);
    let mut fields: Vec<&str> =
        answer.body["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    let expected = [
        "alert_email",
        "colour",
        "four_eyes",
        "gateways.venmo",
        "name",
        "on_insufficient_funds",
        "retry_days",
        "second_approval_above",
        "timezone",
    ];
    assert_eq!(fields, expected);
    assert_eq!(world.admin().get("/tenant").await.unwrap().body["name"], json!(TENANT), "nothing was changed");

    let bad = json!({ "roles": ["king"], "approval_limits": { "USD": -1, "*": 5 } });
    let answer = world.admin().put("/members/jdoe", &bad).await.unwrap();
    refused(&answer, 422, &["invalid_field", "invalid_field", "invalid_field"]);
    refused(
        &world.admin().put("/members/system:x", &json!({ "roles": ["viewer"] })).await.unwrap(),
        422,
        &["invalid_field"],
    );
    refused(&world.admin().put("/members/jdoe", &json!({})).await.unwrap(), 422, &["missing_field"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go_and_each_change_is_one_entry_in_the_tenants_trail() {
    let world = World::new().await;
    world.member("jdoe", &["clerk", "approver"], Some(5)).await;
    world.member("jdoe", &["clerk", "approver"], Some(5)).await;
    let members = world.admin().get("/members").await.unwrap();
    let of: Vec<&str> =
        members.body["items"].as_array().unwrap().iter().map(|one| one["user_id"].as_str().unwrap()).collect();
    assert_eq!(of.len(), 2);
    assert_eq!(members.body["cursor"], Value::Null);
    assert_eq!(world.admin().send(Method::DELETE, "/members/jdoe", None, None).await.unwrap().status, 204);
    refused(
        &world.admin().send(Method::DELETE, "/members/jdoe", None, None).await.unwrap(),
        404,
        &["member_not_found"],
    );
    refused(&world.user("jdoe").get("/invoices").await.unwrap(), 403, &["permission_denied"]);

    let entries = world.entries("acme/tenant/acme").await;
    // Settings, the admin, jdoe (the second time changed nothing), jdoe gone.
    assert_eq!(entries.len(), 4);
    let head = Head { version: 4, hash: entries[3].hash.clone() };
    assert!(is_intact(&entries, &head));
    assert!(!is_intact(&entries[..3], &head));
}
