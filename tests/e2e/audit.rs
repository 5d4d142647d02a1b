//! The audit trail: whoever changes, removes or overwrites an entry is found out; refused attempts are in it too.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::model::audit::{GENESIS, chain};

use crate::world::{World, refused};

async fn paid(world: &World) -> String {
    let invoice = world.approved(json!({})).await;
    assert_eq!(world.pay(&invoice, json!({})).await.status, 201);
    invoice
}

async fn intact(world: &World, invoice: &str) -> Value {
    world.admin().get(&format!("/invoices/{invoice}/audit")).await.unwrap().body["intact"].clone()
}

/// An entry as somebody with a hand in the table would change it.
async fn tamper(world: &World, invoice: &str, seq: usize, change: impl FnOnce(&mut String, &mut String)) {
    let entity = format!("acme/invoice/{invoice}");
    let mut item = world.items("AUDIT_LOG_TABLE", "entity", &entity).await.swap_remove(seq - 1);
    let (mut record, mut hash) = (item["record"].as_s().unwrap().clone(), item["hash"].as_s().unwrap().clone());
    change(&mut record, &mut hash);
    item.insert("record".to_owned(), AttributeValue::S(record));
    item.insert("hash".to_owned(), AttributeValue::S(hash));
    let table = &world.stack.tables["AUDIT_LOG_TABLE"];
    world.stack.dynamodb.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_entry_is_found_even_when_its_own_hash_is_made_anew() {
    let world = World::new().await;
    for seq in 1..=4 {
        let invoice = paid(&world).await;
        assert_eq!(intact(&world, &invoice).await, json!(true));
        tamper(&world, &invoice, seq, |record, _| *record = record.replace("admin@example.com", "mallory@example.com"))
            .await;
        assert_eq!(intact(&world, &invoice).await, json!(false), "entry {seq}");
        let entries = world.items("AUDIT_LOG_TABLE", "entity", &format!("acme/invoice/{invoice}")).await;
        let before = if seq == 1 { GENESIS.to_owned() } else { entries[seq - 2]["hash"].as_s().unwrap().clone() };
        tamper(&world, &invoice, seq, |record, hash| *hash = chain(&before, record)).await;
        assert_eq!(intact(&world, &invoice).await, json!(false), "entry {seq} with a hash of its own");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_entry_is_found_the_last_one_too() {
    let world = World::new().await;
    for seq in 1..=4 {
        let invoice = paid(&world).await;
        let table = &world.stack.tables["AUDIT_LOG_TABLE"];
        let delete = world.stack.dynamodb.delete_item().table_name(table);
        let delete = delete.key("entity", AttributeValue::S(format!("acme/invoice/{invoice}")));
        delete.key("seq", AttributeValue::N(seq.to_string())).send().await.unwrap();
        assert_eq!(intact(&world, &invoice).await, json!(false), "entry {seq}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_overwritten_with_another_ones_is_found() {
    let world = World::new().await;
    let invoice = paid(&world).await;
    let entries = world.items("AUDIT_LOG_TABLE", "entity", &format!("acme/invoice/{invoice}")).await;
    let (record, hash) = (entries[1]["record"].as_s().unwrap().clone(), entries[1]["hash"].as_s().unwrap().clone());
    tamper(&world, &invoice, 3, |r, h| (*r, *h) = (record, hash)).await;
    assert_eq!(intact(&world, &invoice).await, json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_says_who_did_what_in_which_request_and_can_be_checked_by_anybody() {
    let world = World::new().await;
    let invoice = paid(&world).await;
    let trail = world.admin().get(&format!("/invoices/{invoice}/audit")).await.unwrap().body;
    let mut hash = GENESIS.to_owned();
    for (entry, (seq, action)) in
        trail["entries"].as_array().unwrap().iter().zip([(1, "create"), (2, "approve"), (3, "pay"), (4, "settle")])
    {
        let record = entry["record"].as_str().unwrap();
        hash = chain(&hash, record);
        assert_eq!(entry["hash"], json!(hash));
        assert_eq!((&entry["seq"], &entry["action"]), (&json!(seq), &json!(action)));
        for (name, value) in [("tenant_id", "acme"), ("user_id", "admin@example.com"), ("entity_type", "invoice")] {
            assert_eq!(entry[name], json!(value), "{entry}");
        }
        assert_eq!(entry["entity_id"], json!(invoice));
        assert!(entry["request_id"].as_str().is_some_and(|id| id.len() == 36), "{entry}");
        assert!(!record.contains("Office Supplies"), "names stay out of the trail: {record}");
    }
    let pay = &trail["entries"][2]["changes"];
    assert_eq!((&pay["status"], &pay["payment"]["amount"]), (&json!(["approved", "paying"]), &json!(50_000)));
    let settle = &trail["entries"][3]["changes"];
    assert_eq!(settle["payment"]["status"], json!(["processing", "paid"]));
    assert!(settle["payment"]["reference"].as_str().unwrap().starts_with("pi_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refused_attempt_to_pay_is_logged_with_caller_invoice_and_codes() {
    let world = World::new().await;
    world.member("clerk", &["clerk"], None).await;
    world.member("viewer", &["viewer"], None).await;
    let draft = world.draft(json!({})).await;
    for (user, change, status, codes) in [
        (
            "clerk",
            json!({ "amount": 1 }),
            403,
            &["approver_not_permitted", "invoice_not_approved", "amount_mismatch"][..],
        ),
        ("clerk", json!({ "memo": 1 }), 422, &["unknown_field"]),
        ("viewer", json!({}), 403, &["permission_denied"]),
    ] {
        let answer = world.pay_as(user, None, &draft, change).await;
        refused(&answer, status, codes);
        let request = answer.body["request_id"].as_str().unwrap();
        let entries = world.items("AUDIT_LOG_TABLE", "entity", &format!("acme/requests/{request}")).await;
        assert_eq!(entries.len(), 1);
        let record: Value = serde_json::from_str(entries[0]["record"].as_s().unwrap()).unwrap();
        assert_eq!(
            (&record["user_id"], &record["action"], &record["seq"]),
            (&json!(user), &json!("refuse"), &json!(1))
        );
        assert_eq!(record["changes"], json!({ "invoice_id": draft, "codes": codes }));
    }
    assert_eq!(world.trail(&draft).await, ["create"], "the invoice's own trail is not concerned");
}
