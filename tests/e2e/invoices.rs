//! Invoices: entered once, found again, void while nothing was paid.

use local::client::Answer;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, refused};

fn bill(change: Value) -> Value {
    let mut bill = json!({ "invoice_id": "A-1", "kind": "payable", "amount": 50_000, "currency": "USD",
                           "counterparty": { "name": "Office Supplies Ltd" } });
    bill.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    bill
}

async fn create(world: &World, key: Option<&str>, change: Value) -> Answer {
    world.admin().send(Method::POST, "/invoices", key, Some(&bill(change))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_invoice_id_is_the_record_the_same_again_is_replayed_and_another_is_refused() {
    let world = World::new().await;
    let first = create(&world, None, json!({})).await;
    assert_eq!((first.status, &first.body["status"]), (201, &json!("draft")));
    assert_eq!(first.body["invoice_number"], json!("A-1"), "the number defaults to the id");
    let again = create(&world, None, json!({})).await;
    assert_eq!((again.status, again.headers.contains_key("idempotent-replayed")), (200, true));
    assert_eq!(again.body, first.body);
    refused(&create(&world, None, json!({ "amount": 1 })).await, 409, &["invoice_exists"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_made_from_a_key_is_refused_for_another_body() {
    let world = World::new().await;
    let first = create(&world, Some("k-1"), json!({ "invoice_id": null, "invoice_number": "7" })).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let again = create(&world, Some("k-1"), json!({ "invoice_id": null, "invoice_number": "7" })).await;
    assert_eq!((again.status, &again.body["invoice_id"]), (200, &first.body["invoice_id"]));
    let other = create(&world, Some("k-1"), json!({ "invoice_id": null, "invoice_number": "8" })).await;
    refused(&other, 422, &["idempotency_key_reused"]);
    let id = first.body["invoice_id"].as_str().unwrap();
    assert_eq!(id.as_bytes()[14], b'8', "{id} is no UUID of version 8");
    let unkeyed = create(&world, None, json!({ "invoice_id": null, "invoice_number": "9" })).await;
    assert_eq!(unkeyed.body["invoice_id"].as_str().unwrap().as_bytes()[14], b'7');
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bill_is_entered_once_until_it_is_void() {
    let world = World::new().await;
    assert_eq!(create(&world, None, json!({ "invoice_number": "R-77" })).await.status, 201);
    let twin =
        json!({ "invoice_id": "A-2", "invoice_number": " r-77", "counterparty": { "name": "OFFICE SUPPLIES LTD" } });
    let duplicate = create(&world, None, twin.clone()).await;
    refused(&duplicate, 409, &["duplicate_invoice"]);
    assert!(duplicate.body["detail"].as_str().unwrap().contains("A-1"), "{}", duplicate.body);
    let on_purpose = json!({ "invoice_id": "A-3", "invoice_number": "R-77", "allow_duplicate": true });
    assert_eq!(create(&world, None, on_purpose).await.status, 201);
    for id in ["A-1", "A-3"] {
        refused(&create(&world, None, twin.clone()).await, 409, &["duplicate_invoice"]);
        assert_eq!(world.admin().post(&format!("/invoices/{id}/void"), &json!({})).await.unwrap().status, 200);
    }
    let bill = async || {
        let items = world.items("INVOICES_TABLE", "tenant_id", "acme").await;
        items.iter().filter(|item| item["invoice_id"].as_s().unwrap().starts_with("bill#")).count()
    };
    assert_eq!(bill().await, 0, "the last void takes the lock away");
    assert_eq!(create(&world, None, twin).await.status, 201);
    assert_eq!(bill().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_for_one_bill_one_is_entered() {
    let world = World::new().await;
    let world = std::sync::Arc::new(world);
    let tasks: Vec<_> = (0..10)
        .map(|n| {
            let world = world.clone();
            tokio::spawn(async move {
                create(&world, None, json!({ "invoice_id": format!("B-{n}"), "invoice_number": "same" })).await
            })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        if answer.status == 201 {
            made += 1;
        } else {
            refused(&answer, 409, &["duplicate_invoice"]);
        }
    }
    assert_eq!(made, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn void_ends_a_draft_or_approved_invoice_and_no_paid_one() {
    let world = World::new().await;
    world.member("clerk", &["clerk"], None).await;
    let (draft, approved, paid) =
        (world.draft(json!({})).await, world.approved(json!({})).await, world.approved(json!({})).await);
    assert_eq!(world.pay(&paid, json!({})).await.status, 201);
    let void =
        async |user: &str, id: &str| world.user(user).post(&format!("/invoices/{id}/void"), &json!({})).await.unwrap();
    refused(&void("clerk", &draft).await, 403, &["permission_denied"]);
    for id in [&draft, &approved] {
        let answer = void(crate::world::ADMIN, id).await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!("void")));
        assert_eq!(void(crate::world::ADMIN, id).await.status, 200, "void again is void");
    }
    refused(&void(crate::world::ADMIN, &paid).await, 409, &["invoice_paid"]);
    refused(&world.pay(&approved, json!({})).await, 409, &["invoice_void"]);
    let approve = world.admin().post(&format!("/invoices/{draft}/approve"), &json!({})).await.unwrap();
    refused(&approve, 409, &["invoice_void"]);
    assert_eq!(world.trail(&approved).await, ["create", "approve", "void"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_pages_newest_first_filtered_by_status_and_number() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for n in 0..7 {
        world.clock.advance(std::time::Duration::from_secs(1));
        let id = world.draft(json!({ "invoice_number": format!("N-{}", n % 2), "allow_duplicate": true })).await;
        if n % 3 == 0 {
            world.admin().post(&format!("/invoices/{id}/approve"), &json!({})).await.unwrap();
        }
        ids.push(id);
    }
    ids.reverse();
    let collect = async |query: &str| {
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..20 {
            let at = cursor.map_or(String::new(), |cursor| format!("&cursor={cursor}"));
            let page = world.admin().get(&format!("/invoices?{query}{at}")).await.unwrap();
            assert_eq!(page.status, 200, "{}", page.body);
            let items = page.body["items"].as_array().unwrap().clone();
            found.extend(items.iter().map(|item| item["invoice_id"].as_str().unwrap().to_owned()));
            match page.body["cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return found,
            }
        }
        panic!("the list {query} does not end");
    };
    assert_eq!(collect("limit=2").await, ids);
    assert_eq!(collect("limit=100").await, ids);
    let approved: Vec<_> = [0, 3, 6].map(|n| ids[n].clone()).to_vec();
    assert_eq!(collect("limit=2&status=approved").await, approved);
    assert_eq!(collect("limit=2&number=N-1").await.len(), 3);
    assert_eq!(collect("number=N-1&status=approved").await.len(), 1);

    for (query, code) in [
        ("limit=0", "invalid_field"),
        ("limit=101", "invalid_field"),
        ("limit=many", "invalid_field"),
        ("status=lost", "invalid_field"),
        ("cursor=xyz", "invalid_cursor"),
        ("order=asc", "unknown_field"),
    ] {
        refused(&world.admin().get(&format!("/invoices?{query}")).await.unwrap(), 422, &[code]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_of_the_wrong_form_is_refused_with_every_field_named() {
    let world = World::new().await;
    let bad = json!({ "invoice_id": "a b", "kind": "gift", "amount": 0, "currency": "usd", "due_date": "tomorrow", "color": "red",
                      "counterparty": { "email": "x", "stripe_account": "y", "phone": "1" } });
    let answer = world.admin().post("/invoices", &bad).await.unwrap();
    assert_eq!(answer.status, 422);
    let mut fields: Vec<_> =
        answer.body["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap().to_owned()).collect();
    fields.sort_unstable();
    let expected = [
        "amount",
        "color",
        "counterparty.email",
        "counterparty.name",
        "counterparty.phone",
        "counterparty.stripe_account",
        "currency",
        "due_date",
        "invoice_id",
        "kind",
    ];
    assert_eq!(fields, expected);
    let invoice = world.draft(json!({})).await;
    let with_body = world.admin().post(&format!("/invoices/{invoice}/approve"), &json!({ "amount": 1 })).await.unwrap();
    refused(&with_body, 422, &["unknown_field"]);
    refused(&world.admin().get("/invoices/nothing").await.unwrap(), 404, &["invoice_not_found"]);
    refused(&world.admin().get("/invoices/a%20b").await.unwrap(), 404, &["invoice_not_found"]);
}
