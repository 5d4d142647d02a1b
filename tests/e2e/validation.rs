//! What stands against a payment: every validation and its code, collected into one answer, before anything moves.

use local::client::Answer;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{ACCOUNT, ADMIN, World, refused};

async fn post(world: &World, body: &Value) -> Answer {
    world.admin().send(Method::POST, "/payments", None, Some(body)).await.unwrap()
}

/// Nothing was sent to Stripe and nothing was reserved.
async fn untouched(world: &World, invoice: &str) {
    assert!(world.stack.stripe.books(ACCOUNT).is_empty());
    assert_eq!(world.invoice(invoice).await["payments"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_paid_only_where_it_exists_and_is_approved() {
    let world = World::new().await;
    refused(&world.pay("nothing", json!({})).await, 404, &["invoice_not_found"]);
    let draft = world.draft(json!({})).await;
    refused(&world.pay(&draft, json!({})).await, 409, &["invoice_not_approved"]);
    let paid = world.approved(json!({})).await;
    let payment = world.pay(&paid, json!({})).await;
    let again = world.pay(&paid, json!({})).await;
    refused(&again, 409, &["invoice_paid"]);
    assert_eq!(again.body["payment_id"], payment.body["id"], "it names the payment in the way");
}

#[tokio::test(flavor = "multi_thread")]
async fn amount_and_currency_must_be_the_invoices_and_within_what_the_gateway_takes() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    refused(&world.pay(&invoice, json!({ "amount": 49_999 })).await, 422, &["amount_mismatch"]);
    refused(&world.pay(&invoice, json!({ "currency": "EUR" })).await, 422, &["currency_mismatch"]);
    for (amount, currency) in [(49, "USD"), (100_000_000, "USD"), (5_124, "KWD"), (29, "GBP")] {
        let odd = world.approved(json!({ "amount": amount, "currency": currency })).await;
        refused(&world.pay(&odd, json!({})).await, 422, &["amount_out_of_range"]);
    }
    untouched(&world, &invoice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_must_be_enabled_and_have_a_secret() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    // Whom PayPal or a bank pays is known by an address or an account.
    for method in ["paypal", "ach"] {
        let answer = world.pay(&invoice, json!({ "payment_method": method })).await;
        refused(&answer, 422, &["gateway_not_configured", "counterparty_account_required"]);
        assert!(answer.body["detail"].as_str().unwrap().contains(method));
    }
    assert_eq!(world.settings(json!({ "gateways": { "stripe": { "enabled": false } } })).await.status, 200);
    refused(&world.pay(&invoice, json!({})).await, 422, &["gateway_not_configured"]);
    world.settings(json!({})).await;
    world.stack.secrets.delete("passerelle/acme/stripe").unwrap();
    world.clock.advance(std::time::Duration::from_mins(6));
    refused(&world.pay(&invoice, json!({})).await, 422, &["gateway_not_configured"]);
    untouched(&world, &invoice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_must_exist_fit_and_belong_to_who_pays() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    let customers = world.method("pm_card_visa", json!({ "customer_id": "globex" })).await;
    let bank = world.method("pm_usBankAccount_success", json!({})).await;
    let other_customer = world.method("pm_card_visa", json!({ "customer_id": "initech" })).await;
    let nobody = format!("mth_{}", "a".repeat(26));
    for (method, code) in [
        (&nobody, "payment_method_required"),
        (&customers, "payment_method_mismatch"),
        (&bank, "payment_method_mismatch"),
    ] {
        refused(&world.pay(&invoice, json!({ "payment_method_id": method })).await, 422, &[code]);
    }
    let receivable = |customer: Value| json!({ "kind": "receivable", "counterparty": { "name": "Globex", "customer_id": customer } });
    let of_globex = world.approved(receivable(json!("globex"))).await;
    refused(
        &world.pay(&of_globex, json!({ "payment_method_id": other_customer })).await,
        422,
        &["payment_method_mismatch"],
    );
    let of_nobody = world.approved(receivable(Value::Null)).await;
    refused(&world.pay(&of_nobody, json!({})).await, 422, &["payment_method_required"]);
    let of_hooli = world.approved(receivable(json!("hooli"))).await;
    refused(&world.pay(&of_hooli, json!({})).await, 422, &["payment_method_required"]);
    untouched(&world, &invoice).await;
    let paid = world.pay(&of_globex, json!({})).await;
    assert_eq!((paid.status, paid.body["payment_method_id"].as_str()), (201, Some(customers.as_str())));
    assert_eq!(paid.body.get("destination"), None, "what a customer pays is the tenant's anyway");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payable_goes_to_its_vendors_account_or_openly_into_the_tenants_own_balance() {
    let world = World::new().await;
    world.stack.stripe.add_connected_account(ACCOUNT, "acct_vendor");
    let own = world.approved(json!({})).await;
    let vendors =
        world.approved(json!({ "counterparty": { "name": "Vendor", "stripe_account": "acct_vendor" } })).await;
    let strict = json!({ "gateways": { "stripe": { "enabled": true, "payable_without_destination": false } } });
    world.settings(strict).await;
    refused(&world.pay(&own, json!({})).await, 422, &["counterparty_account_required"]);
    let paid = world.pay(&vendors, json!({})).await;
    assert_eq!((paid.status, paid.body.get("destination")), (201, None));
    world.settings(json!({})).await;
    let paid = world.pay(&own, json!({})).await;
    assert_eq!((paid.status, &paid.body["destination"]), (201, &json!("own_balance")));
    let to: Vec<_> = world.stack.stripe.books(ACCOUNT).into_iter().map(|entry| entry.destination).collect();
    assert_eq!(to, [Some("acct_vendor".to_owned()), None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_answers_for_a_payment_is_a_member_with_the_right_and_the_limit() {
    let world = World::new().await;
    world.member("jdoe", &["approver"], Some(50_000)).await;
    world.member("low", &["approver"], Some(1)).await;
    world.member("clerk", &["clerk"], None).await;
    world.member("worker", &["service"], None).await;
    world.member("viewer", &["viewer"], None).await;
    let invoice = world.approved(json!({})).await;
    let pay =
        async |user: &str, named: Value| world.pay_as(user, None, &invoice, json!({ "approved_by": named })).await;
    refused(&pay("viewer", Value::Null).await, 403, &["permission_denied"]);
    refused(&pay("stranger", Value::Null).await, 403, &["permission_denied"]);
    // The caller himself decides, with his limit.
    refused(&pay("low", Value::Null).await, 403, &["approval_limit_exceeded"]);
    refused(&pay("low", json!("low")).await, 403, &["approval_limit_exceeded"]);
    refused(&pay("clerk", json!("clerk")).await, 403, &["approver_not_permitted"]);
    // Naming someone else is for workers, and only one who has approved.
    refused(&pay("clerk", json!(ADMIN)).await, 403, &["approver_not_permitted"]);
    refused(&pay("worker", json!("clerk")).await, 403, &["approver_not_permitted"]);
    refused(&pay("worker", json!("jdoe")).await, 403, &["approver_not_permitted"]);
    refused(&pay("worker", json!("nobody")).await, 403, &["approver_not_permitted"]);
    untouched(&world, &invoice).await;
    let paid = pay("worker", json!(ADMIN)).await;
    assert_eq!((paid.status, &paid.body["approved_by"]), (201, &json!([ADMIN])));
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_approvers_are_checked_again_when_the_payment_is_made() {
    let world = World::new().await;
    world.member("jdoe", &["approver"], Some(50_000)).await;
    world.member("clerk", &["clerk"], None).await;
    let draft = world.draft(json!({})).await;
    let approve = world.user("jdoe").post(&format!("/invoices/{draft}/approve"), &json!({})).await.unwrap();
    assert_eq!(approve.status, 200);
    world.member("jdoe", &["approver"], Some(49_999)).await;
    refused(&world.pay_as("clerk", None, &draft, json!({})).await, 403, &["approval_limit_exceeded"]);
    world.member("jdoe", &["clerk"], Some(50_000)).await;
    refused(&world.pay_as("clerk", None, &draft, json!({})).await, 403, &["approver_not_permitted"]);
    untouched(&world, &draft).await;
    world.member("jdoe", &["approver"], Some(50_000)).await;
    let paid = world.pay_as("clerk", None, &draft, json!({})).await;
    assert_eq!((paid.status, &paid.body["approved_by"]), (201, &json!(["jdoe"])));
}

fn without_invoice(change: Value) -> Value {
    let mut body = json!({ "amount": 2_500, "currency": "USD", "kind": "payable", "payment_method": "stripe",
                           "counterparty": { "name": "Vendor" }, "description": "Order 1" });
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_without_invoice_needs_a_key_and_makes_its_invoice_approved_and_paid() {
    let world = World::new().await;
    refused(&post(&world, &without_invoice(json!({}))).await, 400, &["idempotency_key_required"]);
    let paid =
        world.admin().send(Method::POST, "/payments", Some("k"), Some(&without_invoice(json!({})))).await.unwrap();
    assert_eq!(paid.status, 201, "{}", paid.body);
    let invoice = paid.body["invoice_id"].as_str().unwrap();
    assert_eq!(world.trail(invoice).await, ["create", "approve", "pay", "settle"]);
    let again =
        world.admin().send(Method::POST, "/payments", Some("k"), Some(&without_invoice(json!({})))).await.unwrap();
    assert_eq!((again.status, &again.body["id"]), (200, &paid.body["id"]));
    let other = without_invoice(json!({ "amount": 2_501 }));
    let other = world.admin().send(Method::POST, "/payments", Some("k"), Some(&other)).await.unwrap();
    refused(&other, 422, &["idempotency_key_reused"]);
    assert_eq!(world.charged(invoice), [2_500]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_without_invoice_is_no_way_around_approval() {
    let world = World::new().await;
    world.member("clerk", &["clerk"], None).await;
    world.member("worker", &["service"], None).await;
    world.member("jdoe", &["approver"], Some(2_499)).await;
    let send = async |user: &str, key: &str, change: Value| {
        world.user(user).send(Method::POST, "/payments", Some(key), Some(&without_invoice(change))).await.unwrap()
    };
    refused(&send("clerk", "1", json!({})).await, 403, &["approver_not_permitted"]);
    refused(&send("jdoe", "2", json!({})).await, 403, &["approval_limit_exceeded"]);
    refused(&send("worker", "3", json!({ "approved_by": "jdoe" })).await, 403, &["approval_limit_exceeded"]);
    world.settings(json!({ "second_approval_above": { "USD": 2_000 } })).await;
    refused(&send(ADMIN, "4", json!({})).await, 409, &["second_approval_required"]);
    world.settings(json!({ "four_eyes": true })).await;
    // Under four eyes only a worker may, for another.
    refused(&send(ADMIN, "5", json!({})).await, 403, &["approver_not_permitted"]);
    refused(&send(ADMIN, "6", json!({ "approved_by": ADMIN })).await, 403, &["four_eyes"]);
    assert!(world.stack.stripe.books(ACCOUNT).is_empty());
    let paid = send("worker", "7", json!({ "approved_by": ADMIN })).await;
    assert_eq!((paid.status, &paid.body["approved_by"]), (201, &json!([ADMIN])));
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_are_the_tenants_own() {
    let world = World::new().await;
    // 14:30 UTC on the 15th is the 15th in New York.
    let invoice = world.approved(json!({})).await;
    refused(&world.pay(&invoice, json!({ "scheduled_date": "2026-01-14" })).await, 422, &["scheduled_date_past"]);
    for wrong in ["2026-02-30", "tomorrow", "2026-01-15T00:00:00Z", "15.01.2026"] {
        refused(&world.pay(&invoice, json!({ "scheduled_date": wrong })).await, 422, &["invalid_field"]);
    }
    untouched(&world, &invoice).await;
    // 04:30 UTC on the 16th is still the 15th there.
    world.clock.advance(std::time::Duration::from_hours(14));
    assert_eq!(world.pay(&invoice, json!({ "scheduled_date": "2026-01-15" })).await.status, 201);
    let later = world.approved(json!({})).await;
    assert_eq!(world.pay(&later, json!({ "scheduled_date": "2026-01-16" })).await.status, 202);
    let invoice = world.approved(json!({})).await;
    assert_eq!(world.pay(&invoice, json!({ "scheduled_date": "immediate" })).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_stands_against_a_payment_is_said_at_once_404_before_403_409_422() {
    let world = World::new().await;
    world.member("low", &["approver"], Some(1)).await;
    let draft = world.draft(json!({})).await;
    let change = json!({ "amount": 1, "currency": "EUR", "payment_method_id": format!("mth_{}", "a".repeat(26)),
                         "scheduled_date": "2020-01-01" });
    let answer = world.pay_as("low", None, &draft, change).await;
    let codes = [
        "approval_limit_exceeded",
        "invoice_not_approved",
        "scheduled_date_past",
        "amount_mismatch",
        "currency_mismatch",
        "payment_method_required",
    ];
    refused(&answer, 403, &codes);
    let fields: Vec<_> = answer.body["errors"].as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
    assert_eq!(fields[3..], [json!("amount"), json!("currency"), json!("payment_method_id")]);
    let gone = world.pay_as("low", None, "nothing", json!({ "scheduled_date": "2020-01-01" })).await;
    refused(&gone, 404, &["invoice_not_found", "scheduled_date_past"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_the_wrong_form_is_refused_before_anything_is_read() {
    let world = World::new().await;
    let bad = json!({ "invoice_id": "a b", "amount": "500", "currency": "dollar", "payment_method": "cash",
                      "payment_method_id": "pm_1", "approved_by": "", "tenant_id": "A!", "memo": "x" });
    let answer = post(&world, &bad).await;
    assert_eq!(answer.status, 422);
    let mut fields: Vec<_> =
        answer.body["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap().to_owned()).collect();
    fields.sort_unstable();
    let expected =
        ["amount", "approved_by", "currency", "invoice_id", "memo", "payment_method", "payment_method_id", "tenant_id"];
    assert_eq!(fields, expected);
    refused(&post(&world, &json!({})).await, 400, &["idempotency_key_required"]);
    let empty = world.admin().send(Method::POST, "/payments", Some("k"), Some(&json!({}))).await.unwrap();
    refused(&empty, 422, &["missing_field"; 6]);
    let twice = json!({ "invoice_id": "A", "payment_method": "stripe", "description": "x" });
    refused(&post(&world, &twice).await, 422, &["invalid_field"]);
    refused(&post(&world, &json!([1])).await, 400, &["invalid_json"]);
    refused(&post(&world, &json!({ "description": "x".repeat(66_000) })).await, 413, &["body_too_large"]);
    let raw = reqwest::Client::new()
        .post(format!("{}/payments", world.stack.urls.api))
        .bearer_auth(local::token::issue(ADMIN, "acme", &[], &world.clock).unwrap())
        .body("{\"invoice_id\": ")
        .send()
        .await
        .unwrap();
    assert_eq!(raw.status(), 400);
    for key in ["", " ", "a b", &"x".repeat(256)] {
        let answer = world.admin().send(Method::POST, "/payments", Some(key), Some(&json!({}))).await.unwrap();
        assert_eq!((answer.status, answer.code()), (400, "idempotency_key_invalid"), "{key:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_deployment_moves_no_money() {
    let world = World::with(|options| options.payments_paused = true).await;
    let invoice = world.approved(json!({})).await;
    refused(&world.pay(&invoice, json!({})).await, 503, &["paused"]);
    untouched(&world, &invoice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods_that_are_no_routes_are_api_gateways_to_refuse() {
    let world = World::new().await;
    assert_eq!(world.admin().get("/nothing").await.unwrap().status, 404);
    assert_eq!(world.admin().put("/payments", &json!({})).await.unwrap().status, 404);
}
