//! Unknown, then X: once a send's outcome is unknown, only a success or a decline under the same key, or the
//! gateway's own object, ends it. No refusal makes it "failed".

use std::time::Duration;

use serde_json::{Value, json};

use super::books::Books;
use super::execution::End;
use super::rail::{RAILS, Rail};
use super::stage::{Answered, Call, Stage};
use super::wire::{Fault, Party, Plan};
use crate::world::ADMIN;

async fn run(stage: &Stage, plan: Plan, call: &Call) -> Answered {
    match stage.wire.run(plan, stage.invoke(call)).await {
        End::Answered(answer) => answer,
        End::Killed | End::Frozen(_) => panic!("not in the plan"),
    }
}

/// A request to pay with the rail's `n`th method, of which the first works, or for the `n`th vendor; by a new sandbox.
async fn pay(stage: &mut Stage, key: &str, n: usize) -> (String, Call) {
    let method = stage.rail.methods(&stage.world).await.swap_remove(n);
    let invoice = stage.rail.invoice(&stage.world, n).await;
    let body = stage.rail.order(&invoice, method.as_deref());
    stage.cold();
    let call =
        Call { user: ADMIN.to_owned(), method: "POST", path: "/payments".to_owned(), key: Some(key.to_owned()), body };
    (invoice, call)
}

/// Faults at the gateway, by call from the first send on.
fn from_send(stage: &Stage, faults: impl IntoIterator<Item = (u32, Fault)>) -> Plan {
    let before = stage.rail.calls_before_send();
    faults.into_iter().map(|(call, fault)| ((Party::Gateway, before + call), fault)).collect()
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

/// Once all is healed, and the fence has passed, it is found, or sent again where that is safe, and paid once. What may
/// not be sent again waits for a person.
async fn ends(stage: &mut Stage, invoice: &str, id: &str, arrived: bool, what: &str) {
    stage.world.clock.advance(Duration::from_secs(151));
    stage.cold();
    let look = read(format!("/payments/{id}"));
    let mut answer = run(stage, Plan::new(), &look).await;
    if stage.rail.waits_for_bank() {
        assert_eq!(answer.body["status"], json!("processing"), "{what}");
        stage.banks_end().await;
        answer = run(stage, Plan::new(), &look).await;
    }
    if !arrived && !stage.rail.is_sent_again() {
        assert_eq!(answer.body["status"], json!("processing"), "{what}");
        assert!(stage.rail.charged(&stage.world, invoice).await.is_empty(), "{what}");
        return Books::of(&stage.world).await.always();
    }
    assert_eq!(answer.body["status"], json!("paid"), "{what}: {}", answer.body);
    Books::of(&stage.world).await.at_rest();
    assert_eq!(stage.rail.charged(&stage.world, invoice).await, [50_000], "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_unknown_send_no_refusal_of_the_next_makes_it_failed() {
    for rail in RAILS {
        for first in [Fault::ReplyLost, Fault::NothingReached] {
            for (name, second) in rail.refusals() {
                let what = format!("{rail:?}, {first:?}, {name}");
                let mut stage = Stage::of(rail).await;
                let (invoice, call) = pay(&mut stage, "k", 0).await;
                // Calls of the execution: send, look-up, send, look-up, send, look-up.
                let sends = [(1, first.clone()), (3, second.clone()), (4, second.clone()), (5, second.clone())];
                let mut plan = from_send(&stage, sends);
                blind(&mut plan, 2 + rail.calls_before_send()..=8);
                let answer = run(&stage, plan, &call).await;
                let status = (answer.status, &answer.body["status"]);
                assert_eq!(status, (202, &json!("processing")), "{what}: {}", answer.body);
                Books::of(&stage.world).await.always();
                let id = answer.body["id"].as_str().unwrap();
                // What timed out has had its effect.
                let arrived = first == Fault::ReplyLost || second == Fault::TimedOut;
                ends(&mut stage, &invoice, id, arrived, &what).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_of_recovery_that_is_refused_leaves_the_payment_unknown() {
    for rail in RAILS {
        for (name, second) in rail.refusals() {
            let what = format!("{rail:?}, {name}");
            let mut stage = Stage::of(rail).await;
            let (invoice, call) = pay(&mut stage, "k", 0).await;
            let mut plan = from_send(&stage, [(1, Fault::NothingReached)]);
            blind(&mut plan, 2 + rail.calls_before_send()..=8);
            let answer = run(&stage, plan, &call).await;
            assert_eq!(answer.status, 202, "{what}: {}", answer.body);
            let id = answer.body["id"].as_str().unwrap();
            stage.world.clock.advance(Duration::from_secs(121));
            // Calls of recovery: look-up, send, and whatever comes after; at PayPal the send is the look-up.
            let first = if rail.is_paypal() { 1 } else { 2 };
            let plan = (first..=8).map(|call| ((Party::Gateway, call), second.clone())).collect();
            let answer = run(&stage, plan, &read(format!("/payments/{id}"))).await;
            let status = (answer.status, &answer.body["status"]);
            assert_eq!(status, (200, &json!("processing")), "{what}: {}", answer.body);
            Books::of(&stage.world).await.always();
            ends(&mut stage, &invoice, id, false, &what).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_after_an_unknown_send_leaves_it_unknown_and_before_any_send_is_certainly_not_executed() {
    for rail in RAILS {
        let mut stage = Stage::of(rail).await;
        let (invoice, call) = pay(&mut stage, "k", 0).await;
        let (other, refused) = pay(&mut stage, "k2", 0).await;
        // The first send is lost; at Stripe a look-up is the last thing that is answered.
        let first = if rail.is_paypal() { Fault::LastLost } else { Fault::NothingReached };
        let mut plan = from_send(&stage, [(1, first)]);
        if !rail.is_paypal() {
            plan.extend(from_send(&stage, [(2, Fault::LastAnswer)]));
        }
        let answer = run(&stage, plan, &call).await;
        let status = (answer.status, &answer.body["status"]);
        assert_eq!(status, (202, &json!("processing")), "{rail:?}: {}", answer.body);
        let refused = run(&stage, Plan::new(), &refused).await;
        assert_eq!((refused.status, &refused.body["code"]), (502, &json!("gateway_unavailable")), "{}", refused.body);
        assert_eq!(stage.world.invoice(&other).await["status"], json!("approved"));
        stage.gateway.open().await;
        let id = answer.body["id"].as_str().unwrap();
        ends(&mut stage, &invoice, id, false, &format!("{rail:?}")).await;
        assert!(rail.charged(&stage.world, &other).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_unknown_send_a_success_or_a_decline_under_the_same_key_ends_it() {
    for rail in RAILS {
        for first in [Fault::ReplyLost, Fault::NothingReached, Fault::TimedOut] {
            for n in [0, 1] {
                let mut stage = Stage::of(rail).await;
                let (_, call) = pay(&mut stage, "k", n).await;
                let mut plan = from_send(&stage, [(1, first.clone())]);
                blind(&mut plan, [2 + rail.calls_before_send()]);
                let answer = run(&stage, plan, &call).await;
                // What becomes of a new payout, or of what a bank has, is not said at once.
                let is_new = rail == Rail::PaypalPayout && first == Fault::NothingReached;
                let is_open = is_new || (rail.waits_for_bank() && n == 0);
                let expected = if is_open { 202 } else { [201, 402][n] };
                assert_eq!(answer.status, expected, "{rail:?}, {first:?}, {n}: {}", answer.body);
                // A failure of what was stored while its send may be open is believed when that is over.
                stage.world.clock.advance(Duration::from_mins(3));
                stage.sweep().await.unwrap();
                stage.banks_end().await;
                Books::of(&stage.world).await.at_rest();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_alone_before_any_unknown_send_are_certainly_not_executed() {
    let certain = ["400", "401", "403", "404", "429", "429 lock"];
    for rail in RAILS {
        for (name, fault) in rail.refusals().into_iter().filter(|(name, _)| certain.contains(name)) {
            let mut stage = Stage::of(rail).await;
            let (invoice, call) = pay(&mut stage, "k", 0).await;
            let plan = from_send(&stage, (1..=6).map(|call| (call, fault.clone())));
            let answer = run(&stage, plan, &call).await;
            let refusal = (answer.status, &answer.body["code"]);
            assert_eq!(refusal, (502, &json!("gateway_unavailable")), "{rail:?}, {name}: {}", answer.body);
            Books::of(&stage.world).await.at_rest();
            assert_eq!(stage.world.invoice(&invoice).await["status"], json!("approved"));
        }
    }
}
