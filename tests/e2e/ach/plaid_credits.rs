//! What vendors are paid through Plaid: credits out of the tenant's ledger, to an account that the vendor has linked.

use local::plaid::Direction;
use local::plaid::fault::{Fault, Kind};
use serde_json::{Value, json};

use super::plaid::{AUTHORIZE, CREATE, asked, both, error, method_status, moved, only, send_back, settle, standing};
use super::{CLIENT, VENDOR};
use crate::world::{World, refused};

/// A vendor who has linked an account; its method. Banks do nothing by themselves.
async fn vendor() -> (World, String) {
    let world = World::with_plaid().await;
    world.stack.plaid.set_banks_closed(true);
    let method = world.plaid_bank("acc_office", 0, json!({ "vendor_id": "office" })).await;
    (world, method)
}

async fn invoice(world: &World, method: &str) -> String {
    world.payable(json!({ "plaid_method_id": method })).await
}

/// Another payable, whose counterparty is `vendor` and nothing else.
async fn bill(world: &World, vendor: Value) -> String {
    world.approved(json!({ "counterparty": vendor })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_by_plaid_is_paid_when_it_has_settled() {
    let (world, method) = vendor().await;
    let credit = moved(&world, invoice(&world, &method).await).await;
    let entry = only(&world);
    assert_eq!((entry.direction, entry.amount, entry.account.as_str()), (Direction::Credit, 50_000, "acc_office"));
    assert_eq!((entry.id.as_str(), entry.description.as_str()), (credit.transfer.as_str(), credit.invoice.as_str()));
    let (_, proposal) = asked(&world, AUTHORIZE).pop().unwrap();
    assert_eq!((&proposal["type"], &proposal["ach_class"]), (&json!("credit"), &json!("ccd")));
    assert_eq!(proposal["user"]["legal_name"], json!("Office Supplies Ltd"));
    assert_eq!(proposal["idempotency_key"], json!(credit.payment));
    settle(&world, &credit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_short_pays_nothing_and_asks_for_no_authorization() {
    let (world, method) = vendor().await;
    world.stack.plaid.set_ledger(CLIENT, 49_999);
    let bill = invoice(&world, &method).await;
    refused(&world.pay_by_bank(&bill, json!({})).await, 402, &["insufficient_funds"]);
    assert!(asked(&world, AUTHORIZE).is_empty() && world.plaid_books().is_empty());
    assert_eq!(world.alerts().await, ["insufficient_funds"]);
    assert_eq!(world.invoice(&bill).await["status"], json!("approved"));
    world.stack.plaid.set_ledger(CLIENT, 50_000);
    moved(&world, bill).await;
    assert_eq!(world.stack.plaid.ledger(CLIENT).unwrap().1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_can_t_be_read_pays_nothing() {
    let (world, method) = vendor().await;
    let bill = invoice(&world, &method).await;
    world.stack.plaid.add_fault(Fault::new(Kind::ErrorBefore(500), "POST", "/transfer/ledger/get").times(3));
    refused(&world.pay_by_bank(&bill, json!({})).await, 502, &["gateway_unavailable"]);
    assert!(asked(&world, AUTHORIZE).is_empty());
    moved(&world, bill).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_vendors_own_account_is_paid_and_only_while_it_is_active() {
    let (world, method) = vendor().await;
    let other = world.plaid_bank("acc_other", 0, json!({ "vendor_id": "other" })).await;
    let customers = world.plaid_bank("acc_customer", 0, json!({ "customer_id": "globex" })).await;
    let card = world.method("pm_card_visa", json!({ "vendor_id": "office" })).await;
    for wrong in [&other, &customers, &card] {
        let bill = invoice(&world, wrong).await;
        refused(&world.pay_by_bank(&bill, json!({})).await, 422, &["payment_method_mismatch"]);
        // Nor by naming it.
        let bill = invoice(&world, &method).await;
        let answer = world.pay_by_bank(&bill, json!({ "payment_method_id": wrong })).await;
        refused(&answer, 422, &["payment_method_mismatch"]);
    }
    let nobody = format!("mth_{}", "a".repeat(26));
    let bill = invoice(&world, &nobody).await;
    refused(&world.pay_by_bank(&bill, json!({})).await, 422, &["payment_method_required"]);
    assert!(world.plaid_books().is_empty());

    let credit = moved(&world, invoice(&world, &method).await).await;
    send_back(&world, &credit, "R03").await;
    assert_eq!(standing(&world, &credit).await, both("failed", "approved"));
    assert_eq!(method_status(&world, &method).await, "inactive");
    assert_eq!(world.alerts().await, ["payment_method_invalid"]);
    refused(&world.pay_by_bank(&credit.invoice, json!({})).await, 422, &["payment_method_inactive"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_vendor_has_both_accounts_the_tenants_provider_decides() {
    let (world, method) = vendor().await;
    world.stack.stripe.add_connected_account(crate::world::ACCOUNT, VENDOR);
    world.stack.stripe.set_balance(crate::world::ACCOUNT, "usd", 10_000_000);
    let account = json!({ "stripe_account": VENDOR, "plaid_method_id": method });
    moved(&world, world.payable(account.clone()).await).await;
    assert_eq!(world.plaid_books().len(), 1);

    world.ach(json!({ "provider": "stripe" })).await;
    let bill = world.payable(account).await;
    assert_eq!(world.pay_by_bank(&bill, json!({})).await.status, 201);
    assert_eq!(world.stack.stripe.transfers(crate::world::ACCOUNT).len(), 1);
    assert_eq!(world.plaid_books().len(), 1);

    // One account is where it is, whoever is the provider.
    moved(&world, invoice(&world, &method).await).await;
    assert_eq!(world.plaid_books().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_without_an_account_can_t_be_paid() {
    let (world, _) = vendor().await;
    let bill = bill(&world, json!({ "name": "Office Supplies Ltd", "vendor_id": "office" })).await;
    refused(&world.pay_by_bank(&bill, json!({})).await, 422, &["counterparty_account_required"]);
    assert!(world.plaid_books().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_is_not_refunded_and_the_refusal_says_what_to_do() {
    let (world, method) = vendor().await;
    let credit = moved(&world, invoice(&world, &method).await).await;
    let early = world.refund("r1", &credit.payment, json!({})).await;
    refused(&early, 409, &["not_refundable"]);
    assert!(early.body["detail"].as_str().unwrap().contains("cancel"), "{}", early.body);
    settle(&world, &credit).await;
    let answer = world.refund("r2", &credit.payment, json!({})).await;
    refused(&answer, 409, &["not_refundable"]);
    assert!(answer.body["detail"].as_str().unwrap().contains("ask them to send it back"), "{}", answer.body);
    assert!(asked(&world, "/transfer/refund/create").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_that_comes_back_late_is_to_be_paid_again_to_another_account() {
    let (world, method) = vendor().await;
    let credit = moved(&world, invoice(&world, &method).await).await;
    settle(&world, &credit).await;
    send_back(&world, &credit, "R02").await;
    assert_eq!(standing(&world, &credit).await, both("returned", "approved"));
    assert_eq!(method_status(&world, &method).await, "inactive");
    assert_eq!(world.alerts().await, ["payment_method_invalid", "returned"]);
    let new = world.plaid_bank("acc_new", 0, json!({ "vendor_id": "office" })).await;
    let answer = world.pay_by_bank(&credit.invoice, json!({ "payment_method_id": new })).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(world.plaid_books()[1].account, "acc_new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_that_is_refused_when_it_is_made_has_moved_nothing_and_frees_its_invoice() {
    let (world, method) = vendor().await;
    let bill = invoice(&world, &method).await;
    // Somebody else may have taken the ledger's money since leave was given.
    let refusal = error("INVALID_REQUEST", "INVALID_FIELD");
    world.stack.plaid.add_fault(Fault::transfer(Kind::Status(400, refusal)));
    refused(&world.pay_by_bank(&bill, json!({})).await, 502, &["gateway_unavailable"]);
    assert_eq!((world.plaid_books().len(), asked(&world, CREATE).len()), (0, 1));
    assert_eq!(world.alerts().await, ["gateway_rejected"]);
    moved(&world, bill).await;
    only(&world);
}
