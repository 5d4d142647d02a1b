//! Which alerts are explained, how often, and by what failures are counted.

use std::time::Duration;

use local::anthropic::fault::Kind;
use local::stripe::fault::Fault as StripeFault;
use serde_json::{Value, json};
use shared::config::ERROR_ANALYSIS_MODEL;
use shared::id::{AlertId, TenantId};
use shared::model::alert::{Alert, AlertKind, Severity};
use shared::store::commit::Commit;

use crate::world::{ADMIN, TENANT, World, refused};

use super::{Analyst, alert, decline, declined_with, hand, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_complex_alert_is_explained_once_however_often_the_stream_delivers_it() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    let invoice = declined_with(&world, "brand_new_word").await;
    let records = analyst.records().await;
    assert_eq!(records.len(), 1);
    world.clock.advance(Duration::from_secs(1));
    world.stack.anthropic.say(&said("first"));
    world.stack.anthropic.say(&said("second"));
    // At once, and then once more with what its own write has put into the stream.
    let both = tokio::join!(hand(&analyst.app, records.clone()), hand(&analyst.app, records.clone()));
    assert_eq!(both, (json!({ "batchItemFailures": [] }), json!({ "batchItemFailures": [] })));
    let written = analyst.records().await;
    assert_eq!(written.len(), 1, "one write, of whoever was quicker: {written:?}");
    let first = alert(&world, &invoice).await;
    let asked = world.stack.anthropic.requests().len();
    hand(&analyst.app, records).await;
    hand(&analyst.app, written).await;
    assert_eq!(world.stack.anthropic.requests().len(), asked, "what is explained is not asked about again");

    let explanation = &first["explanation"];
    let summary = explanation["summary"].as_str().unwrap();
    assert!(["first", "second"].contains(&summary), "{first}");
    let expected = json!({ "suggestion": true, "summary": summary, "likely_cause": "The bank.", "suggested_action": "Ask the bank.",
                           "confidence": "low", "count": 1, "model": ERROR_ANALYSIS_MODEL, "at": world.clock.now() });
    assert_eq!(explanation, &expected);
    assert_eq!(alert(&world, &invoice).await, first);
    assert_eq!((&first["status"], &first["count"]), (&json!("open"), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_its_own_words_explain_is_left_to_them() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    let invoice = declined_with(&world, "brand_new_word").await;
    let simple = world.approved(json!({})).await;
    let broke = world.method("pm_card_visa_chargeDeclinedInsufficientFunds", json!({})).await;
    refused(&world.pay(&simple, json!({ "payment_method_id": broke })).await, 402, &["insufficient_funds"]);
    analyst.work().await;
    assert_eq!(world.stack.anthropic.requests().len(), 1);
    assert!(alert(&world, &invoice).await["explanation"].is_object());
    assert_eq!(alert(&world, &simple).await.get("explanation"), None);
}

/// Whether a payment over a method that has no money is explained, when it has failed.
async fn is_explained(world: &World, analyst: &mut Analyst, method: &str) -> bool {
    let invoice = world.approved(json!({})).await;
    refused(&world.pay(&invoice, json!({ "payment_method_id": method })).await, 402, &["insufficient_funds"]);
    analyst.work().await;
    alert(world, &invoice).await.get("explanation").is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_one_method_are_complex_from_the_third_in_a_week_on() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    let broke = world.method("pm_card_visa_chargeDeclinedInsufficientFunds", json!({})).await;
    assert!(!is_explained(&world, &mut analyst, &broke).await);
    assert!(!is_explained(&world, &mut analyst, &broke).await);
    world.clock.advance(Duration::from_hours(8 * 24));
    assert!(!is_explained(&world, &mut analyst, &broke).await, "two of them are long ago");
    assert!(!is_explained(&world, &mut analyst, &broke).await);
    assert!(is_explained(&world, &mut analyst, &broke).await);
    let asked = world.stack.anthropic.requests().pop().unwrap().body;
    let case: Value = serde_json::from_str(asked["messages"][0]["content"].as_str().unwrap()).unwrap();
    assert_eq!(case["why_it_is_looked_at"], json!("repeated_failures"));
    assert_eq!(case["failed_payments_lately"]["same_method"], json!(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_were_lost_of_payments_that_were_made_are_no_failures() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    let method = world.method("pm_card_visa", json!({})).await;
    for _ in 0..2 {
        let invoice = world.approved(json!({})).await;
        world.stack.stripe.add_fault(StripeFault::pay(Kind::ReplyLost).times(3));
        world.stack.stripe.add_fault(StripeFault::look_up(Kind::ErrorBefore(503)).times(100));
        assert_eq!(world.pay(&invoice, json!({ "payment_method_id": method })).await.status, 202);
        world.stack.stripe.clear_faults();
        world.clock.advance(Duration::from_mins(10));
        world.sweep().await;
        assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    }
    assert!(!world.runs().await.is_empty(), "they are in the log of executions all the same");
    let invoice = world.approved(json!({})).await;
    let error = json!({ "error": { "type": "card_error", "code": "card_declined", "decline_code": "do_not_honor" } });
    world.stack.stripe.add_fault(StripeFault::pay(Kind::Status(402, error)));
    refused(&world.pay(&invoice, json!({ "payment_method_id": method })).await, 402, &["declined"]);
    analyst.work().await;
    assert_eq!(alert(&world, &invoice).await.get("explanation"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_another_tenants_vendor_of_the_same_id_are_not_counted() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    world.tenant("other", "acct_other").await;
    let stranger = world.of("other", ADMIN);
    let vendor = json!({ "name": "Globex", "vendor_id": "globex" });
    for nth in 0..3 {
        let bill = json!({ "invoice_id": format!("THEIRS-{nth}"), "kind": "payable", "amount": 50_000, "currency": "USD", "counterparty": vendor });
        assert_eq!(stranger.post("/invoices", &bill).await.unwrap().status, 201);
        let path = format!("/invoices/THEIRS-{nth}/approve");
        assert_eq!(stranger.post(&path, &json!({})).await.unwrap().status, 200);
        let error =
            json!({ "error": { "type": "card_error", "code": "card_declined", "decline_code": "do_not_honor" } });
        world.stack.stripe.add_fault(StripeFault::pay(Kind::Status(402, error)));
        let payment = json!({ "invoice_id": format!("THEIRS-{nth}"), "payment_method": "stripe" });
        refused(&stranger.post("/payments", &payment).await.unwrap(), 402, &["declined"]);
    }
    analyst.work().await;
    // All three are read when all three are in the books.
    assert_eq!(world.stack.anthropic.requests().len(), 3, "theirs are complex");
    let broke = world.method("pm_card_visa_chargeDeclinedInsufficientFunds", json!({})).await;
    let invoice = world.approved(json!({ "counterparty": vendor })).await;
    refused(&world.pay(&invoice, json!({ "payment_method_id": broke })).await, 402, &["insufficient_funds"]);
    analyst.work().await;
    assert_eq!(alert(&world, &invoice).await.get("explanation"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_payment_in_the_books_is_explained_too() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    let tenant: TenantId = TENANT.parse().unwrap();
    let unknown = Alert {
        alert_id: AlertId::of(&tenant, "unknown_to_us", "payment/pay_nobodys"),
        tenant_id: tenant,
        kind: AlertKind::UnknownToUs,
        severity: Severity::Critical,
        invoice_id: None,
        payment_id: None,
        schedule_id: None,
        method_id: None,
        message: "m".to_owned(),
        next_action: "n".to_owned(),
        at: world.clock.now(),
    };
    let mut commit = Commit::default();
    commit.alert(&unknown);
    world.stack.app.store.commit(commit, world.clock.now().plus(Duration::from_mins(1))).await.unwrap();
    assert_eq!(analyst.work().await, json!({ "batchItemFailures": [] }));
    let alerts = world.listed(TENANT, "/alerts", 100).await;
    assert!(alerts[0]["explanation"].is_object(), "{}", alerts[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_one_vendor_are_complex_from_the_third_on_over_whatever_methods() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    for (nth, vendor, is_explained) in
        [(1, "globex", false), (2, "globex", false), (3, "initech", false), (4, "globex", true)]
    {
        let broke = world.method("pm_card_visa_chargeDeclinedInsufficientFunds", json!({})).await;
        let invoice =
            world.approved(json!({ "counterparty": { "name": format!("No. {nth}"), "vendor_id": vendor } })).await;
        refused(&world.pay(&invoice, json!({ "payment_method_id": broke })).await, 402, &["insufficient_funds"]);
        analyst.work().await;
        assert_eq!(alert(&world, &invoice).await.get("explanation").is_some(), is_explained, "failure {nth}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_is_raised_again_keeps_its_explanation_until_it_was_raised_twice_as_often() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    let invoice = declined_with(&world, "brand_new_word").await;
    for (nth, explained, is_resolved) in [(1, 1, false), (2, 2, true), (3, 2, false), (4, 4, false)] {
        let summary = format!("time {nth}");
        if nth == explained {
            world.stack.anthropic.say(&said(&summary));
        }
        analyst.work().await;
        let alert = alert(&world, &invoice).await;
        assert_eq!(alert["count"], json!(nth));
        assert_eq!(alert["explanation"]["summary"], json!(format!("time {explained}")));
        assert_eq!(alert["explanation"]["count"], json!(explained), "for which count it is");
        if is_resolved {
            let path = format!("/alerts/{}/resolve", alert["id"].as_str().unwrap());
            let answer = world.admin().post(&path, &json!({ "note": "called" })).await.unwrap();
            assert_eq!((answer.status, &answer.body["explanation"]["summary"]), (200, &json!(summary)));
        }
        decline(&world, &invoice, "brand_new_word").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_raised_twenty_times_costs_five_answers_and_one_the_next_day() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    let invoice = declined_with(&world, "brand_new_word").await;
    analyst.work().await;
    for _ in 1..20 {
        decline(&world, &invoice, "brand_new_word").await;
        analyst.work().await;
    }
    assert_eq!(world.stack.anthropic.requests().len(), 5);
    world.clock.advance(Duration::from_hours(24));
    for _ in 0..2 {
        decline(&world, &invoice, "brand_new_word").await;
        analyst.work().await;
    }
    assert_eq!(world.stack.anthropic.requests().len(), 6);
    let alert = alert(&world, &invoice).await;
    assert_eq!((&alert["count"], &alert["explanation"]["count"]), (&json!(22), &json!(21)));
}
