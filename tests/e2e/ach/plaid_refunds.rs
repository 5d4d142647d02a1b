//! Refunds of debits through Plaid: they carry no mark of ours, and are told apart all the same.

use std::time::Duration;

use local::client::Answer;
use local::plaid::fault::{Fault, Kind};
use local::plaid::{RefundEntry, RefundStatus};
use serde_json::{Value, json};

use super::CLIENT;
use super::plaid::{asked, both, debited, debtor, send_back, settled, standing, sweep_after};
use crate::world::{TENANT, World, refused};

const REFUND: &str = "/transfer/refund/create";

/// The refunds that Plaid has of its one transfer.
fn refunds(world: &World) -> Vec<RefundEntry> {
    world.plaid_books().remove(0).refunds
}

/// A refund under way: ours, and Plaid's.
fn under_way(answer: &Answer) -> (String, String) {
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
    (text("id"), text("gateway_refund_id"))
}

async fn status(world: &World, refund: &str) -> Value {
    world.admin().get(&format!("/refunds/{refund}")).await.unwrap().body["status"].clone()
}

/// The refunds of a payment, as we list them: status, and whether it was made without us.
async fn listed(world: &World, payment: &str) -> Vec<(String, i64)> {
    let listed = world.listed(TENANT, &format!("/refunds?payment_id={payment}"), 100).await;
    listed.iter().map(|one| (one["status"].as_str().unwrap().to_owned(), one["amount"].as_i64().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_is_refunded_in_parts_and_each_has_succeeded_when_it_has_settled() {
    let (world, _) = debtor().await;
    let debit = settled(&world).await;
    let (part, theirs) = under_way(&world.refund("r1", &debit.transfer, json!({ "amount": 20_000 })).await);
    assert_eq!(asked(&world, REFUND)[0].1["idempotency_key"], json!(part));
    assert_eq!(world.payment(&debit.payment).await["refundable"], json!(30_000));
    assert!(world.stack.plaid.finish_refund(&theirs, true));
    world.plaid_told().await;
    assert_eq!(status(&world, &part).await, json!("succeeded"));
    assert_eq!(standing(&world, &debit).await, both("partially_refunded", "partially_refunded"));
    let (rest, theirs) = under_way(&world.refund("r2", &debit.payment, json!({})).await);
    assert!(world.stack.plaid.finish_refund(&theirs, true));
    world.plaid_told().await;
    assert_eq!(status(&world, &rest).await, json!("succeeded"));
    assert_eq!(standing(&world, &debit).await, both("refunded", "refunded"));
    assert_eq!(refunds(&world).iter().map(|refund| refund.amount).collect::<Vec<_>>(), [20_000, 30_000]);
    assert_eq!(listed(&world, &debit.payment).await.len(), 2);
    assert!(world.alerts().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_is_settled_by_the_executor_where_no_webhook_comes() {
    let (world, _) = debtor().await;
    let debit = settled(&world).await;
    let (refund, theirs) = under_way(&world.refund("r", &debit.payment, json!({})).await);
    assert!(world.stack.plaid.finish_refund(&theirs, true));
    world.clock.advance(Duration::from_hours(25));
    world.execute().await;
    assert_eq!(standing(&world, &debit).await, both("refunded", "refunded"));
    assert_eq!(status(&world, &refund).await, json!("succeeded"));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_was_debited_never_goes_back() {
    let (world, _) = debtor().await;
    let debit = debited(&world).await;
    refused(&world.refund("r0", &debit.payment, json!({})).await, 409, &["not_refundable"]);
    super::plaid::settle(&world, &debit).await;
    let too_much = world.refund("r1", &debit.payment, json!({ "amount": 50_001 })).await;
    refused(&too_much, 409, &["refund_exceeds_remaining"]);
    under_way(&world.refund("r2", &debit.payment, json!({ "amount": 30_000 })).await);
    let too_much = world.refund("r3", &debit.payment, json!({ "amount": 20_001 })).await;
    refused(&too_much, 409, &["refund_exceeds_remaining"]);
    assert_eq!(too_much.body["remaining"], json!(20_000));
    assert_eq!(asked(&world, REFUND).len(), 1);

    // Somebody was faster in the dashboard, and we have not heard of it: Plaid refuses, and the amount is free again.
    let theirs = world.refund_at_plaid(&debit.transfer, "15.00").await;
    let refusal = world.refund("r4", &debit.payment, json!({ "amount": 19_000 })).await;
    assert_eq!((refusal.status, refusal.code()), (409, "not_refundable"), "{}", refusal.body);
    assert!(world.stack.plaid.finish_refund(&theirs, true));
    world.plaid_told().await;
    assert_eq!(world.payment(&debit.payment).await["refundable"], json!(18_500));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_short_refuses_a_refund_and_the_amount_is_free_again() {
    let (world, _) = debtor().await;
    let debit = settled(&world).await;
    world.stack.plaid.set_ledger(CLIENT, 100);
    let answer = world.refund("r1", &debit.payment, json!({})).await;
    assert!(matches!(answer.status, 402 | 409), "{}", answer.body);
    assert_eq!(answer.body["refund"]["status"], json!("failed"));
    assert_eq!(world.payment(&debit.payment).await["refundable"], json!(50_000));
    assert_eq!(world.alerts().await, ["refund_failed"]);
    assert!(refunds(&world).is_empty());
    world.stack.plaid.set_ledger(CLIENT, 50_000);
    under_way(&world.refund("r2", &debit.payment, json!({})).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_whose_answer_is_lost_is_sent_again_under_its_key_and_made_once() {
    for kind in [Kind::ReplyLost, Kind::ErrorAfter(500), Kind::NothingReached, Kind::Unreadable, Kind::Slow(2_000)] {
        let (world, _) = debtor().await;
        let debit = settled(&world).await;
        world.stack.plaid.add_fault(Fault::transfer_refund(kind.clone()).times(3));
        let answer = world.refund("r", &debit.payment, json!({ "amount": 20_000 })).await;
        assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{kind:?}: {}", answer.body);
        let refund = answer.body["id"].as_str().unwrap();
        world.stack.plaid.clear_faults();
        sweep_after(&world, 3).await;
        let made = refunds(&world);
        assert_eq!(made.len(), 1, "{kind:?}");
        assert!(asked(&world, REFUND).iter().all(|(_, body)| body["idempotency_key"] == json!(refund)), "{kind:?}");
        assert!(world.stack.plaid.finish_refund(&made[0].id, true));
        world.plaid_told().await;
        assert_eq!(listed(&world, &debit.payment).await, [("succeeded".to_owned(), 20_000)], "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_ours_that_has_not_heard_its_id_is_never_recorded_a_second_time() {
    let (world, _) = debtor().await;
    let debit = settled(&world).await;
    world.stack.plaid.add_fault(Fault::transfer_refund(Kind::ReplyLost).times(3));
    let answer = world.refund("r", &debit.payment, json!({ "amount": 20_000 })).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let made = refunds(&world);
    assert!(world.stack.plaid.finish_refund(&made[0].id, true));
    // The event is there before the id: it may be ours, so that it has to wait.
    assert_eq!(world.plaid_tells().await.status, 500);
    assert_eq!(listed(&world, &debit.payment).await, [("processing".to_owned(), 20_000)]);
    // The transfer's three events, and that the refund was begun; what comes after is asked for again.
    assert_eq!(super::plaid::cursor(&world).await, Some(4));
    sweep_after(&world, 3).await;
    world.plaid_told().await;
    assert_eq!(super::plaid::cursor(&world).await, Some(6));
    assert_eq!(listed(&world, &debit.payment).await, [("succeeded".to_owned(), 20_000)]);
    assert_eq!(world.payment(&debit.payment).await["refundable"], json!(30_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_was_made_in_the_dashboard_is_followed_once() {
    let (world, _) = debtor().await;
    let debit = settled(&world).await;
    let theirs = world.refund_at_plaid(&debit.transfer, "200.00").await;
    assert!(world.stack.plaid.finish_refund(&theirs, true));
    for _ in 0..2 {
        world.plaid_told().await;
        assert_eq!(listed(&world, &debit.payment).await, [("succeeded".to_owned(), 20_000)]);
    }
    assert_eq!(standing(&world, &debit).await, both("partially_refunded", "partially_refunded"));
    let (ours, theirs) = under_way(&world.refund("r", &debit.payment, json!({})).await);
    assert!(world.stack.plaid.finish_refund(&theirs, true));
    world.plaid_told().await;
    assert_eq!(status(&world, &ours).await, json!("succeeded"));
    assert_eq!(listed(&world, &debit.payment).await.len(), 2);
    assert_eq!(standing(&world, &debit).await, both("refunded", "refunded"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_fails_or_comes_back_gives_its_amount_back() {
    let (world, _) = debtor().await;
    let debit = settled(&world).await;
    let (failed, theirs) = under_way(&world.refund("r1", &debit.payment, json!({})).await);
    super::plaid::later(&world);
    assert!(world.stack.plaid.finish_refund(&theirs, false));
    world.plaid_told().await;
    assert_eq!(status(&world, &failed).await, json!("failed"));
    assert_eq!(world.alerts().await, ["refund_failed"]);
    assert_eq!(standing(&world, &debit).await, both("paid", "paid"));

    let (back, theirs) = under_way(&world.refund("r2", &debit.payment, json!({})).await);
    assert!(world.stack.plaid.finish_refund(&theirs, true));
    world.plaid_told().await;
    assert_eq!(standing(&world, &debit).await, both("refunded", "refunded"));
    assert!(world.stack.plaid.return_refund(&theirs, "R03"));
    world.plaid_told().await;
    assert_eq!(status(&world, &back).await, json!("failed"));
    assert_eq!(standing(&world, &debit).await, both("paid", "paid"));
    assert_eq!(world.payment(&debit.payment).await["refundable"], json!(50_000));
    assert_eq!(world.alerts().await, ["refund_came_back", "refund_failed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_has_not_left_yet_is_canceled() {
    let (world, _) = debtor().await;
    let debit = settled(&world).await;
    let (refund, _) = under_way(&world.refund("r", &debit.payment, json!({})).await);
    let answer = world.admin().post(&format!("/refunds/{refund}/cancel"), &json!({})).await.unwrap();
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("canceled")), "{}", answer.body);
    assert_eq!(refunds(&world)[0].status, RefundStatus::Cancelled);
    assert_eq!(world.payment(&debit.payment).await["refundable"], json!(50_000));
    world.plaid_told().await;
    assert_eq!(listed(&world, &debit.payment).await, [("canceled".to_owned(), 50_000)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_refund_asked_for_again_is_one_refund() {
    let (world, _) = debtor().await;
    let debit = settled(&world).await;
    let (first, _) = under_way(&world.refund("r", &debit.payment, json!({ "amount": 10_000 })).await);
    let again = world.refund("r", &debit.payment, json!({ "amount": 10_000 })).await;
    assert_eq!((again.status, &again.body["id"]), (202, &json!(first)));
    refused(&world.refund("r", &debit.payment, json!({ "amount": 9_000 })).await, 422, &["idempotency_key_reused"]);
    assert_eq!(refunds(&world).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_what_comes_back_meanwhile_ends_with_it() {
    let (world, _) = debtor().await;
    let debit = settled(&world).await;
    let (refund, _) = under_way(&world.refund("r", &debit.payment, json!({})).await);
    super::plaid::later(&world);
    send_back(&world, &debit, "R01").await;
    assert_eq!(status(&world, &refund).await, json!("canceled"));
    assert_eq!(world.payment(&debit.payment).await["status"], json!("returned"));
    assert!(world.alerts().await.contains(&"returned_after_refund".to_owned()), "{:?}", world.alerts().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_has_not_heard_its_id_when_its_debit_comes_back_is_told_by_its_amount_and_time() {
    for beside in [false, true] {
        let (world, _) = debtor().await;
        let debit = settled(&world).await;
        world.stack.plaid.add_fault(Fault::transfer_refund(Kind::ReplyLost).times(3));
        let answer = world.refund("r", &debit.payment, json!({ "amount": 20_000 })).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        world.stack.plaid.clear_faults();
        if beside {
            world.refund_at_plaid(&debit.transfer, "200.00").await;
        }
        assert!(world.stack.plaid.return_transfer(&debit.transfer, "R01"));
        assert_eq!(world.plaid_tells().await.status, 500, "a send may be open");
        assert_eq!(world.payment(&debit.payment).await["status"], json!("returned"));
        sweep_after(&world, 3).await;
        world.plaid_told().await;
        let canceled = ("canceled".to_owned(), 20_000);
        assert_eq!(listed(&world, &debit.payment).await, vec![canceled; if beside { 2 } else { 1 }]);
        assert_eq!(status(&world, answer.body["id"].as_str().unwrap()).await, json!("canceled"));
        let last = u64::try_from(world.stack.plaid.events(CLIENT).len()).unwrap();
        assert_eq!(super::plaid::cursor(&world).await, Some(last), "nothing holds it");
        let sent = asked(&world, REFUND).into_iter().filter(|(_, body)| body["idempotency_key"] == answer.body["id"]);
        assert_eq!(sent.count(), 3, "what came back is not given back once more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_refunds_of_one_amount_are_never_given_the_same_id_by_people() {
    let (world, _) = debtor().await;
    let debit = settled(&world).await;
    let mut paths = Vec::new();
    for (key, kind) in [("r1", Kind::NothingReached), ("r2", Kind::ReplyLost)] {
        world.stack.plaid.add_fault(Fault::transfer_refund(kind).times(3));
        let answer = world.refund(key, &debit.payment, json!({ "amount": 10_000 })).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        paths.push(format!("/refunds/{}/resolve", answer.body["id"].as_str().unwrap()));
    }
    let theirs = refunds(&world).remove(0).id;
    assert!(world.stack.plaid.finish_refund(&theirs, true));
    world.clock.advance(Duration::from_hours(49));
    let said = json!({ "outcome": "executed", "gateway_reference": theirs, "note": "It is in the dashboard." });
    let admin = world.admin();
    let (one, other) = tokio::join!(admin.post(&paths[0], &said), admin.post(&paths[1], &said));
    let (one, other) = (one.unwrap(), other.unwrap());
    let taken = [one.status, other.status].iter().filter(|status| **status == 200).count();
    assert_eq!(taken, 1, "{} {}", one.body, other.body);
    let left = if one.status == 200 { &paths[1] } else { &paths[0] };
    refused(&world.admin().post(left, &said).await.unwrap(), 422, &["payment_mismatch"]);
    let word = json!({ "outcome": "not_executed", "note": "There is only one." });
    assert_eq!(world.admin().post(left, &word).await.unwrap().status, 200);
    assert_eq!(world.payment(&debit.payment).await["refundable"], json!(40_000));
}
