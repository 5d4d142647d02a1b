//! Unknown, then X: once a send's outcome is unknown, only a success or a decline under the same key, or the
//! gateway's own object, ends it. No refusal makes it "failed".

use std::time::Duration;

use serde_json::{Value, json};

use super::books::Books;
use super::execution::End;
use super::stage::{Answered, Call, Stage};
use super::wire::{Fault, Party, Plan};
use crate::world::ADMIN;

fn refusal(status: u16, kind: &str, code: &str) -> Fault {
    Fault::Answer(status, json!({ "error": { "type": kind, "code": code, "message": "injected" } }))
}

/// What the second send is answered, where that says nothing about the money.
fn refusals() -> Vec<(&'static str, Fault)> {
    let request = "invalid_request_error";
    vec![
        ("400", refusal(400, request, "parameter_missing")),
        ("401", refusal(401, request, "api_key_expired")),
        ("403", refusal(403, request, "more_permissions_required")),
        ("404", refusal(404, request, "resource_missing")),
        ("409", refusal(409, request, "idempotency_key_in_use")),
        ("429", refusal(429, request, "rate_limit")),
        ("429 lock", refusal(429, request, "lock_timeout")),
        ("idempotency_error", refusal(400, "idempotency_error", "idempotency_error")),
        ("500", Fault::ErrorBefore),
        ("503", refusal(503, "api_error", "")),
        ("no json", Fault::Answer(400, Value::Null)),
        ("connection lost", Fault::NothingReached),
        ("time-out", Fault::TimedOut),
    ]
}

async fn run(stage: &Stage, plan: Plan, call: &Call) -> Answered {
    match stage.wire.run(plan, stage.invoke(call)).await {
        End::Answered(answer) => answer,
        End::Killed | End::Frozen(_) => panic!("not in the plan"),
    }
}

fn pay(invoice: &str, method: &str) -> Call {
    let body = json!({ "invoice_id": invoice, "payment_method": "stripe", "payment_method_id": method });
    Call { user: ADMIN.to_owned(), method: "POST", path: "/payments".to_owned(), key: Some("k".to_owned()), body }
}

fn read(path: String) -> Call {
    Call { user: ADMIN.to_owned(), method: "GET", path, key: None, body: Value::Null }
}

/// Makes every look-up between the sends fail, so that only the sends speak.
fn blind(plan: &mut Plan, calls: impl IntoIterator<Item = u32>) {
    for call in calls {
        plan.entry((Party::Gateway, call)).or_insert(Fault::Answer(503, json!({})));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_unknown_send_no_refusal_of_the_next_makes_it_failed() {
    for first in [Fault::ReplyLost, Fault::NothingReached] {
        for (name, second) in refusals() {
            let stage = Stage::new().await;
            let method = stage.world.method("pm_card_visa", json!({})).await;
            let invoice = stage.world.approved(json!({})).await;
            // Calls of the execution: send, look-up, send, look-up, send, look-up.
            let mut plan = Plan::from([((Party::Gateway, 1), first.clone())]);
            plan.insert((Party::Gateway, 3), second.clone());
            plan.insert((Party::Gateway, 4), second.clone());
            plan.insert((Party::Gateway, 5), second.clone());
            blind(&mut plan, 2..=8);
            let answer = run(&stage, plan, &pay(&invoice, &method)).await;
            assert_eq!(
                (answer.status, &answer.body["status"]),
                (202, &json!("processing")),
                "{first:?}, {name}: {}",
                answer.body
            );
            Books::of(&stage.world).await.always();
            // Healed, it is found or sent again, and paid once.
            stage.world.clock.advance(Duration::from_secs(151));
            let id = answer.body["id"].as_str().unwrap();
            let answer = run(&stage, Plan::new(), &read(format!("/payments/{id}"))).await;
            assert_eq!(answer.body["status"], json!("paid"), "{first:?}, {name}");
            Books::of(&stage.world).await.at_rest();
            assert_eq!(stage.world.charged(&invoice), [50_000], "{first:?}, {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_of_recovery_that_is_refused_leaves_the_payment_unknown() {
    for (name, second) in refusals() {
        let stage = Stage::new().await;
        let method = stage.world.method("pm_card_visa", json!({})).await;
        let invoice = stage.world.approved(json!({})).await;
        let mut plan = Plan::from([((Party::Gateway, 1), Fault::NothingReached)]);
        blind(&mut plan, 2..=8);
        let answer = run(&stage, plan, &pay(&invoice, &method)).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        let id = answer.body["id"].as_str().unwrap();
        stage.world.clock.advance(Duration::from_secs(121));
        // Calls of recovery: look-up, send, and whatever comes after.
        let plan = (2..=8).map(|call| ((Party::Gateway, call), second.clone())).collect();
        let answer = run(&stage, plan, &read(format!("/payments/{id}"))).await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!("processing")), "{name}: {}", answer.body);
        Books::of(&stage.world).await.always();
        stage.world.clock.advance(Duration::from_secs(151));
        let answer = run(&stage, Plan::new(), &read(format!("/payments/{id}"))).await;
        assert_eq!(answer.body["status"], json!("paid"), "{name}");
        Books::of(&stage.world).await.at_rest();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_after_an_unknown_send_leaves_it_unknown_and_before_any_send_is_certainly_not_executed() {
    let stage = Stage::new().await;
    let method = stage.world.method("pm_card_visa", json!({})).await;
    let invoice = stage.world.approved(json!({})).await;
    // The first send's reply is lost, the look-up is the last thing that is answered.
    let plan = Plan::from([((Party::Gateway, 1), Fault::NothingReached), ((Party::Gateway, 2), Fault::LastAnswer)]);
    let answer = run(&stage, plan, &pay(&invoice, &method)).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    let other = stage.world.approved(json!({})).await;
    let refused = Call { key: Some("k2".to_owned()), ..pay(&other, &method) };
    let refused = run(&stage, Plan::new(), &refused).await;
    assert_eq!((refused.status, &refused.body["code"]), (502, &json!("gateway_unavailable")), "{}", refused.body);
    assert_eq!(stage.world.invoice(&other).await["status"], json!("approved"));
    stage.gateway.open().await;
    stage.world.clock.advance(Duration::from_secs(151));
    let id = answer.body["id"].as_str().unwrap();
    let answer = run(&stage, Plan::new(), &read(format!("/payments/{id}"))).await;
    assert_eq!(answer.body["status"], json!("paid"));
    Books::of(&stage.world).await.at_rest();
    assert_eq!((stage.world.charged(&invoice), stage.world.charged(&other)), (vec![50_000], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_unknown_send_a_success_or_a_decline_under_the_same_key_ends_it() {
    for first in [Fault::ReplyLost, Fault::NothingReached, Fault::TimedOut] {
        for (reference, status) in [("pm_card_visa", 201), ("pm_card_visa_chargeDeclinedInsufficientFunds", 402)] {
            let stage = Stage::new().await;
            let method = stage.world.method(reference, json!({})).await;
            let invoice = stage.world.approved(json!({})).await;
            let mut plan = Plan::from([((Party::Gateway, 1), first.clone())]);
            blind(&mut plan, [2]);
            let answer = run(&stage, plan, &pay(&invoice, &method)).await;
            assert_eq!(answer.status, status, "{first:?}, {reference}: {}", answer.body);
            Books::of(&stage.world).await.at_rest();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_alone_before_any_unknown_send_are_certainly_not_executed() {
    for (name, fault) in
        refusals().into_iter().filter(|(name, _)| ["400", "401", "403", "404", "429", "429 lock"].contains(name))
    {
        let stage = Stage::new().await;
        let method = stage.world.method("pm_card_visa", json!({})).await;
        let invoice = stage.world.approved(json!({})).await;
        let plan = (1..=6).map(|call| ((Party::Gateway, call), fault.clone())).collect();
        let answer = run(&stage, plan, &pay(&invoice, &method)).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (502, &json!("gateway_unavailable")),
            "{name}: {}",
            answer.body
        );
        Books::of(&stage.world).await.at_rest();
        assert_eq!(stage.world.invoice(&invoice).await["status"], json!("approved"));
    }
}
