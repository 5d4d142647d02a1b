//! Every step: a request is killed, or its connection breaks, at each of its calls in turn; its caller asks again, and
//! recovery runs. Whichever way the money goes, it goes once, and the books agree.

use std::time::Duration;

use serde_json::{Value, json};

use super::books::Books;
use super::execution::End;
use super::ledger::{State, charges, given_back};
use super::rail::{RAILS, Rail};
use super::stage::{Answered, Call, Stage};
use super::wire::{Fault, Party, Plan};
use crate::paypal::approvals::pay_what_waits_as;
use crate::world::ADMIN;

const FAULTS: [Fault; 4] = [Fault::KillBefore, Fault::KillAfter, Fault::NothingReached, Fault::ReplyLost];

fn request(path: String, key: &str, body: Value) -> Call {
    Call { user: ADMIN.to_owned(), method: "POST", path, key: Some(key.to_owned()), body }
}

/// One of the calls of an execution.
type Place = (Party, u32);

/// The calls of the newest execution.
fn places(stage: &Stage) -> Vec<Place> {
    let (mut gateway, mut store) = (0, 0);
    let calls = stage.wire.calls();
    let places = calls.iter().map(|name| {
        let at_gateway = name.contains(" /");
        let (party, count) = if at_gateway { (Party::Gateway, &mut gateway) } else { (Party::DynamoDb, &mut store) };
        *count += 1;
        (party, *count)
    });
    places.collect()
}

/// A request under a plan, in a new sandbox; `None`: it was killed.
async fn run(stage: &mut Stage, plan: Plan, call: &Call) -> Option<Answered> {
    stage.cold();
    match stage.wire.run(plan, stage.invoke(call)).await {
        End::Answered(answer) => Some(answer),
        End::Killed => None,
        End::Frozen(_) => panic!("not in the plan"),
    }
}

/// Recovery runs until nothing is left to it; then a person says what nobody else can.
async fn recovered(stage: &mut Stage) {
    stage.cold();
    for minutes in [3, 10, 60, 600, 1_440] {
        stage.world.clock.advance(Duration::from_mins(minutes));
        stage.sweep().await.unwrap();
        stage.rail.settle(&stage.world);
    }
    stage.banks_end().await;
    let books = Books::of(&stage.world).await;
    for payment in books.payments.iter().filter(|payment| payment.status.is_unsettled()) {
        assert_eq!(stage.rail, Rail::PaypalPayout, "{} could have been sent again", payment.id);
        let called = books.alerts.iter().any(|alert| alert.open && alert.payment == payment.id.as_str());
        assert!(called, "{} is not settled and nobody was called", payment.id);
        let body = json!({ "outcome": "not_executed", "note": "not in the dashboard" });
        let answer = stage.invoke(&request(format!("/payments/{}/resolve", payment.id), "said", body)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    Books::of(&stage.world).await.at_rest();
}

/// A new stage, with a method that works.
async fn fresh(rail: Rail) -> (Stage, Option<String>) {
    let stage = Stage::of(rail).await;
    let method = rail.methods(&stage.world).await.swap_remove(0);
    (stage, method)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_breaks_at_any_of_its_calls_is_made_once() {
    for rail in RAILS {
        let (mut stage, method) = fresh(rail).await;
        let pay = |invoice: &str, key: &str, method: &Option<String>| {
            request("/payments".to_owned(), key, rail.order(invoice, method.as_deref()))
        };
        let invoice = rail.invoice(&stage.world, 0).await;
        run(&mut stage, Plan::new(), &pay(&invoice, "clean", &method)).await.unwrap();
        let places = places(&stage);
        assert!(places.len() >= 4, "{rail:?}: {:?}", stage.wire.calls());
        let sends = rail.calls_before_send() + 1;
        assert!(places.contains(&(Party::Gateway, sends)), "{rail:?}: {:?}", stage.wire.calls());
        recovered(&mut stage).await;
        for (number, place) in places.iter().enumerate() {
            // Books grow, and are read after each play.
            let (mut stage, method) = fresh(rail).await;
            for fault in FAULTS {
                let invoice = rail.invoice(&stage.world, 0).await;
                let call = pay(&invoice, &format!("{number}-{fault:?}"), &method);
                let first = run(&mut stage, Plan::from([(*place, fault.clone())]), &call).await;
                let again = run(&mut stage, Plan::new(), &call).await.unwrap();
                assert!(matches!(again.status, 200..=202 | 502), "{place:?} {fault:?}: {}", again.body);
                recovered(&mut stage).await;
                let charged = rail.charged(&stage.world, &invoice).await;
                let told = first.into_iter().chain([again]).any(|answer| answer.status < 202);
                if told || (rail.is_sent_again() && stage.world.invoice(&invoice).await["status"] != json!("approved"))
                {
                    assert_eq!(charged, [50_000], "{rail:?} {place:?} {fault:?}");
                }
                assert!(charged.len() <= 1, "{rail:?} {place:?} {fault:?}");
            }
        }
    }
}

/// A payment that waits for its customer at PayPal, who has just approved it: our payment, and the event that tells so.
async fn approved(stage: &Stage, key: &str) -> (String, Value) {
    let (_, payment, order) = pay_what_waits_as(&stage.world, key).await;
    assert!(stage.world.stack.paypal.approve_order(&order, "paypal_ok"));
    let events = stage.rail.events(&stage.world);
    let tells = |event: &Value| event["event_type"] == json!("CHECKOUT.ORDER.APPROVED");
    (payment, events.into_iter().rfind(tells).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_order_whose_capture_breaks_at_any_of_its_calls_is_captured_once() {
    let mut stage = Stage::of(Rail::PaypalOrder).await;
    let mut play = async |key: &str, plan: Plan| {
        let (payment, event) = approved(&stage, key).await;
        stage.cold();
        let delivery = stage.deliver(&event);
        // Told again as long as it was not taken, while the sweep looks too.
        stage.wire.run(plan, delivery).await;
        let calls = places(&stage);
        stage.cold();
        stage.deliver(&event).await;
        recovered(&mut stage).await;
        assert_eq!(stage.deliver(&event).await.status, 200, "{key}");
        let charges = charges(&stage.world).into_iter().filter(|one| one.payment == payment);
        assert_eq!(charges.filter(|one| one.state == State::Moved).count(), 1, "{key}");
        assert_eq!(stage.world.payment(&payment).await["status"], json!("paid"), "{key}");
        calls
    };
    let places = play("clean", Plan::new()).await;
    assert!(places.len() >= 7, "{places:?}");
    for (number, place) in places.iter().enumerate() {
        for fault in FAULTS {
            play(&format!("{number}-{fault:?}"), Plan::from([(*place, fault.clone())])).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_breaks_at_any_of_its_calls_is_made_once() {
    for rail in RAILS.into_iter().filter(|rail| rail.refunds()) {
        let (mut stage, method) = fresh(rail).await;
        let refund = async |stage: &mut Stage, method: &Option<String>, key: &str, plan: Plan| {
            let invoice = rail.invoice(&stage.world, 0).await;
            let call = request("/payments".to_owned(), key, rail.order(&invoice, method.as_deref()));
            let paid = run(stage, Plan::new(), &call).await.unwrap();
            assert_eq!(paid.status, if rail.is_late() { 202 } else { 201 }, "{}", paid.body);
            stage.banks_end().await;
            let body = json!({ "payment_id": paid.body["id"], "amount": 12_500 });
            let call = request("/refunds".to_owned(), key, body);
            run(stage, plan, &call).await;
            let calls = places(stage);
            let again = run(stage, Plan::new(), &call).await.unwrap();
            assert!(matches!(again.status, 200..=202 | 502), "{key}: {}", again.body);
            recovered(stage).await;
            let given: i64 = given_back(&stage.world).iter().map(|one| one.amount).sum();
            let moved = charges(&stage.world).iter().filter(|one| one.state == State::Moved).count();
            let failed = usize::from(again.status == 502);
            (calls, given, moved, failed)
        };
        let (places, given, moved, _) = refund(&mut stage, &method, "clean", Plan::new()).await;
        assert_eq!((given, moved), (12_500, 1));
        for (number, place) in places.iter().enumerate() {
            let ((mut stage, method), mut failures) = (fresh(rail).await, 0);
            for fault in FAULTS {
                let plan = Plan::from([(*place, fault.clone())]);
                let key = format!("{number}-{fault:?}");
                let (_, given, moved, failed) = refund(&mut stage, &method, &key, plan).await;
                failures += failed;
                let due = i64::try_from(moved - failures).unwrap() * 12_500;
                assert_eq!(given, due, "{rail:?} {place:?} {fault:?}");
            }
        }
    }
}
