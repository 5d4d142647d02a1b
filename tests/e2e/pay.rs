//! Paying: the happy path, its confirmation and its trail.

use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_invoice_is_paid_once_confirmed_and_audited() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    let paid = world.pay(&invoice, json!({ "amount": 50_000, "currency": "USD" })).await;
    assert_eq!(paid.status, 201, "{}", paid.body);
    assert_eq!(paid.body["success"], json!(true));
    assert_eq!(paid.body["status"], json!("paid"));
    assert!(paid.body["payment_id"].as_str().unwrap().starts_with("pi_"));
    assert!(shared::model::confirmation::is_valid(paid.body["confirmation_number"].as_str().unwrap()));
    assert_eq!(world.charged(&invoice), [50_000]);
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle"]);
}
