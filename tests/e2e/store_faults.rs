//! DynamoDB's own trouble, injected in front of the SDK: conflicts, throttling, lost answers.

use serde_json::json;

use crate::faults::execution::End;
use crate::faults::stage::{Answered, Call, Stage};
use crate::faults::wire::{Fault, Party};
use crate::world::{ADMIN, TENANT};

/// One payment, with faults at its calls to DynamoDB.
async fn pay(stage: &Stage, invoice: &str, faults: impl IntoIterator<Item = (u32, Fault)>) -> Answered {
    let body = json!({ "invoice_id": invoice, "payment_method": "stripe" });
    let call = Call { user: ADMIN.to_owned(), method: "POST", path: "/payments".to_owned(), key: None, body };
    let plan = faults.into_iter().map(|(call, fault)| ((Party::DynamoDb, call), fault)).collect();
    match stage.wire.run(plan, stage.invoke(&call)).await {
        End::Answered(answer) => answer,
        End::Killed | End::Frozen(_) => panic!("not in the plan"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_invoice_costs_four_round_trips_in_sequence() {
    let stage = Stage::new().await;
    let world = &stage.world;
    // A sandbox reads the secret for its first payment.
    assert_eq!(pay(&stage, &world.approved(json!({})).await, []).await.status, 201);
    let invoice = world.approved(json!({})).await;
    let reads = world.stack.secrets.reads("passerelle/acme/stripe");
    assert_eq!(pay(&stage, &invoice, []).await.status, 201);
    let calls = ["BatchGetItem", "TransactWriteItems", "POST /v1/payment_intents", "TransactWriteItems"];
    assert_eq!(stage.wire.calls(), calls);
    assert_eq!(world.stack.secrets.reads("passerelle/acme/stripe"), reads, "secrets come from the cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_throttling_and_lost_answers_of_a_commit_change_nothing_about_the_outcome() {
    // The calls of a payment: 1 read, 2 reserve, 3 settle.
    for call in [1, 2, 3] {
        for fault in [
            Fault::Conflict,
            Fault::Throttled,
            Fault::ReplyLost,
            Fault::TimedOut,
            Fault::NothingReached,
            Fault::ErrorBefore,
            Fault::ErrorAfter,
        ] {
            if call == 1 && fault == Fault::Conflict {
                // Reads know none.
                continue;
            }
            let stage = Stage::new().await;
            let world = &stage.world;
            let invoice = world.approved(json!({})).await;
            let paid = pay(&stage, &invoice, [(call, fault.clone())]).await;
            assert_eq!(paid.status, 201, "call {call}, {fault:?}: {}", paid.body);
            assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle"], "call {call}, {fault:?}");
            assert_eq!(world.charged(&invoice), [50_000], "call {call}, {fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_that_stays_busy_is_503_and_moves_no_money() {
    let stage = Stage::new().await;
    let invoice = stage.world.approved(json!({})).await;
    let answer = pay(&stage, &invoice, (2..200).map(|call| (call, Fault::Conflict))).await;
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!("busy")), "{}", answer.body);
    assert!(stage.world.charged(&invoice).is_empty());
    assert_eq!(stage.world.invoice(&invoice).await["status"], json!("approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_that_cant_be_written_is_left_to_recovery() {
    let stage = Stage::new().await;
    let world = &stage.world;
    let invoice = world.approved(json!({})).await;
    let answer = pay(&stage, &invoice, (3..200).map(|call| (call, Fault::Throttled))).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")));
    assert_eq!(world.charged(&invoice), [50_000]);
    world.clock.advance(std::time::Duration::from_secs(61));
    world.sweep().await;
    assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle"]);
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decline_is_settled_and_alerted_about_though_the_tenants_address_is_not_to_be_had() {
    let stage = Stage::new().await;
    let world = &stage.world;
    world.settings(json!({ "alert_email": "ap@acme.example" })).await;
    world.method("pm_card_visa_chargeDeclined", json!({ "default": true })).await;
    let invoice = world.approved(json!({})).await;
    // The calls of a decline: 1 read, 2 reserve, 3 the terms of a decline, 4 the address, 5 settle.
    let answer = pay(&stage, &invoice, [(4, Fault::Hangs)]).await;
    assert_eq!(answer.status, 402, "{}", answer.body);
    assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle"]);
    let alerts = world.items("ALERTS_TABLE", "tenant_id", TENANT).await;
    assert_eq!(alerts.iter().map(|alert| alert["alert_email"].as_s().unwrap().as_str()).collect::<Vec<_>>(), [""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_dynamodb_nothing_is_sent_and_nothing_is_claimed() {
    let stage = Stage::new().await;
    let invoice = stage.world.approved(json!({})).await;
    let answer = pay(&stage, &invoice, (1..200).map(|call| (call, Fault::NothingReached))).await;
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!("unavailable")), "{}", answer.body);
    assert!(!answer.body.to_string().contains("injected"), "what the log is told is not the caller's");
    assert!(stage.world.charged(&invoice).is_empty());
    assert_eq!(pay(&stage, &invoice, []).await.status, 201);
}
