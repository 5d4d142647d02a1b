//! Tenants never meet: another tenant's ids are unknown, whatever a body or a cursor says.

use reqwest::Method;
use serde_json::json;

use crate::world::{ADMIN, World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_ids_are_404_on_every_path() {
    let world = World::new().await;
    world.tenant("globex", "acct_globex").await;
    let invoice = world.approved(json!({})).await;
    let paid = world.pay(&invoice, json!({})).await.body;
    let (ours, theirs) = (paid["id"].as_str().unwrap(), paid["payment_id"].as_str().unwrap());
    let method = paid["payment_method_id"].as_str().unwrap();
    let stranger = world.of("globex", ADMIN);
    for path in [format!("/invoices/{invoice}"), format!("/invoices/{invoice}/audit")] {
        refused(&stranger.get(&path).await.unwrap(), 404, &["invoice_not_found"]);
    }
    for action in ["approve", "void"] {
        let path = format!("/invoices/{invoice}/{action}");
        refused(&stranger.post(&path, &json!({})).await.unwrap(), 404, &["invoice_not_found"]);
    }
    for id in [ours, theirs] {
        refused(&stranger.get(&format!("/payments/{id}")).await.unwrap(), 404, &["payment_not_found"]);
        refused(
            &stranger.post(&format!("/payments/{id}/cancel"), &json!({})).await.unwrap(),
            404,
            &["payment_not_found"],
        );
        let resolution = json!({ "outcome": "not_executed", "note": "mine" });
        let path = format!("/payments/{id}/resolve");
        refused(&stranger.post(&path, &resolution).await.unwrap(), 404, &["payment_not_found"]);
        assert_eq!(world.admin().get(&format!("/payments/{id}")).await.unwrap().body["id"], paid["id"]);
    }
    let long = format!("/payments/{}", "p".repeat(3_000));
    refused(&stranger.get(&long).await.unwrap(), 404, &["payment_not_found"]);
    let default = stranger.post(&format!("/payment-methods/{method}/default"), &json!({})).await.unwrap();
    refused(&default, 404, &["payment_method_not_found"]);
    let body = json!({ "invoice_id": invoice, "payment_method": "stripe" });
    refused(&stranger.post("/payments", &body).await.unwrap(), 404, &["invoice_not_found"]);
    let listed = stranger.get(&format!("/payments?invoice_id={invoice}")).await.unwrap();
    assert_eq!(listed.body["items"], json!([]));
    for path in ["/invoices", "/payments"] {
        assert_eq!(stranger.get(path).await.unwrap().body["items"], json!([]), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_can_name_only_the_callers_own_tenant() {
    let world = World::new().await;
    world.tenant("globex", "acct_globex").await;
    let invoice = world.approved(json!({})).await;
    refused(&world.pay(&invoice, json!({ "tenant_id": "globex" })).await, 403, &["tenant_mismatch"]);
    assert_eq!(world.pay(&invoice, json!({ "tenant_id": "acme" })).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_ids_and_keys_in_two_tenants_are_two_of_everything() {
    let world = World::new().await;
    world.tenant("globex", "acct_globex").await;
    let body = json!({ "invoice_id": "SAME", "kind": "payable", "amount": 700, "currency": "USD", "counterparty": { "name": "V" } });
    let mut ids = Vec::new();
    for tenant in ["acme", "globex"] {
        let admin = world.of(tenant, ADMIN);
        assert_eq!(admin.post("/invoices", &body).await.unwrap().status, 201);
        assert_eq!(admin.post("/invoices/SAME/approve", &json!({})).await.unwrap().status, 200);
        let pay = json!({ "invoice_id": "SAME", "payment_method": "stripe" });
        let paid = admin.send(Method::POST, "/payments", Some("same-key"), Some(&pay)).await.unwrap();
        assert_eq!(paid.status, 201, "{}", paid.body);
        ids.push(paid.body["id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
    for account in ["acct_acme", "acct_globex"] {
        assert_eq!(world.stack.stripe.books(account).len(), 1, "{account}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_tenant_shows_nothing_of_theirs() {
    let world = World::new().await;
    world.tenant("globex", "acct_globex").await;
    for _ in 0..3 {
        world.draft(json!({})).await;
        world.clock.advance(std::time::Duration::from_secs(1));
    }
    let page = world.admin().get("/invoices?limit=1").await.unwrap();
    let cursor = page.body["cursor"].as_str().unwrap();
    let theirs = world.of("globex", ADMIN).get(&format!("/invoices?cursor={cursor}")).await.unwrap();
    assert!(theirs.status == 422 || theirs.body["items"] == json!([]), "{}", theirs.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_one_tenant_is_nobody_in_another() {
    let world = World::new().await;
    world.tenant("globex", "acct_globex").await;
    world.member("jdoe", &["admin"], None).await;
    for path in ["/invoices", "/payments", "/payment-methods", "/tenant", "/members"] {
        refused(&world.of("globex", "jdoe").get(path).await.unwrap(), 403, &["permission_denied"]);
    }
}
