//! A card number is refused wherever it stands, alone, and leaves no trace (the tripwire in `logs` watches the lines).

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, refused};

const CARD: &str = "4242424242424242";

#[tokio::test(flavor = "multi_thread")]
async fn a_card_number_in_any_field_of_any_request_is_refused_alone() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    let bodies: [(&str, Method, Value); 13] = [
        ("/payments", Method::POST, json!({ "invoice_id": CARD, "payment_method": "stripe" })),
        ("/payments", Method::POST, json!({ "invoice_id": invoice, "payment_method": "stripe", "card": CARD })),
        ("/payments", Method::POST, json!({ "invoice_id": invoice, "payment_method": "4242 4242 4242 4242" })),
        ("/payments", Method::POST, json!({ "invoice_id": invoice, "amount": 4_242_424_242_424_242_u64 })),
        ("/payments", Method::POST, json!({ "invoice_id": invoice, "x": { "y": ["4242-4242-4242-4242"] } })),
        ("/payments", Method::POST, json!({ CARD: 1 })),
        ("/payments", Method::POST, json!({ "description": format!("card {CARD} please") })),
        ("/invoices", Method::POST, json!({ "invoice_number": CARD, "kind": "gift" })),
        ("/refunds", Method::POST, json!({ "payment_id": CARD })),
        ("/payment-methods", Method::POST, json!({ "gateway": "stripe", "reference": CARD })),
        ("/tenant", Method::PUT, json!({ "name": CARD })),
        ("/members/jdoe", Method::PUT, json!({ "roles": [CARD] })),
        (&format!("/payments/pay_{}/resolve", "a".repeat(26)), Method::POST, json!({ "note": CARD })),
    ];
    for (path, method, body) in bodies {
        let mut answer = world.admin().send(method, path, None, Some(&body)).await.unwrap();
        refused(&answer, 422, &["card_data_forbidden"]);
        // Random: it may hold any digits.
        answer.body.as_object_mut().unwrap().remove("request_id");
        assert!(!answer.body.to_string().contains("4242"), "{}", answer.body);
    }
    let roles = json!({ "roles": ["viewer"] });
    refused(&world.admin().put(&format!("/members/{CARD}"), &roles).await.unwrap(), 422, &["card_data_forbidden"]);
    refused(&world.admin().get(&format!("/invoices?number={CARD}")).await.unwrap(), 422, &["card_data_forbidden"]);
    let answer = world.admin().send(Method::POST, "/payments", Some(CARD), Some(&json!({}))).await.unwrap();
    refused(&answer, 422, &["card_data_forbidden"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_request_refused_for_card_data_only_the_caller_and_the_code_are_kept() {
    let world = World::new().await;
    let body = json!({ "invoice_id": "INV-7", "payment_method": "stripe", "card": CARD });
    let answer = world.admin().post("/payments", &body).await.unwrap();
    let request = answer.body["request_id"].as_str().unwrap();
    let entries = world.items("AUDIT_LOG_TABLE", "entity", &format!("acme/requests/{request}")).await;
    let record: Value = serde_json::from_str(entries[0]["record"].as_s().unwrap()).unwrap();
    assert_eq!(record["changes"], json!({ "codes": ["card_data_forbidden"] }));
    assert_eq!((&record["user_id"], &record["action"]), (&json!(crate::world::ADMIN), &json!("refuse")));
}
