//! What is taken of a model's answer, and what becomes of an alert without one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use local::anthropic::fault::{Fault, Kind};
use serde_json::{Value, json};

use crate::logs;
use crate::world::{ADMIN, World};

use super::{Analyst, KEY, alert, asking, decline, declined_with, hand, said};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_what_was_asked_for_is_refused_and_the_alert_is_as_it_was() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    // An alert's id is made of the invoice's: this one is of no other test.
    let invoice = world.approved(json!({ "invoice_id": "INV-ANSWERS" })).await;
    decline(&world, &invoice, "brand_new_word").await;
    let (records, before) = (analyst.records().await, alert(&world, &invoice).await);
    let id = before["id"].as_str().unwrap();
    logs::listen(id);
    let with = |name: &str, value: Value| {
        let mut answer = said("fine");
        answer[name] = value;
        (answer.to_string(), "end_turn")
    };
    let bad = [
        ("I can't say.".to_owned(), "end_turn"),
        (format!("```json\n{}\n```", said("fine")), "end_turn"),
        with("status", json!("resolved")),
        with("confidence", json!("absolute")),
        with("summary", json!("")),
        with("summary", json!("long ".repeat(100))),
        with("suggested_action", json!("Log in at https://evil.test/login")),
        with("likely_cause", json!("The key sk_live_1234 was used.")),
        with("likely_cause", json!("Card 4242 4242 4242 4242.")),
        (said("cut").to_string(), "max_tokens"),
        (said("no").to_string(), "refusal"),
    ];
    for (nth, (text, stop_reason)) in bad.iter().enumerate() {
        world.stack.anthropic.say_text(text, stop_reason);
        assert_eq!(hand(&analyst.app, records.clone()).await, json!({ "batchItemFailures": [] }), "{text}");
        assert_eq!(world.stack.anthropic.requests().len(), nth + 1, "it is not asked again: {text}");
        let line = "an alert stays without an explanation";
        assert_eq!(logs::heard(id).iter().filter(|heard| heard.contains(line)).count(), nth + 1, "and that is logged");
        assert_eq!(alert(&world, &invoice).await, before, "{text}");
    }
    for kind in [
        Kind::Unreadable,
        Kind::Status(200, json!({ "content": [] })),
        Kind::Status(400, json!({})),
        Kind::Status(400, json!({ "error": "a page of something in between ".repeat(4_000) })),
        Kind::ErrorBefore(403),
    ] {
        world.stack.anthropic.add_fault(Fault::question(kind.clone()));
        hand(&analyst.app, records.clone()).await;
        assert_eq!(alert(&world, &invoice).await, before, "{kind:?}");
    }
    hand(&analyst.app, records).await;
    assert!(alert(&world, &invoice).await["explanation"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_api_is_asked_three_times_and_then_left_alone() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    let invoice = declined_with(&world, "brand_new_word").await;
    let (records, before) = (analyst.records().await, alert(&world, &invoice).await);
    for kind in [Kind::ErrorBefore(529), Kind::RateLimited, Kind::NothingReached, Kind::ReplyLost, Kind::Slow(700)] {
        let (asked, slept) = (world.stack.anthropic.requests().len(), world.clock.slept());
        world.stack.anthropic.add_fault(Fault::question(kind.clone()).times(3));
        assert_eq!(hand(&analyst.app, records.clone()).await, json!({ "batchItemFailures": [] }), "{kind:?}");
        // The last answer of the slow ones is on its way when nobody waits for it any more.
        tokio::time::timeout(Duration::from_secs(5), async {
            while world.stack.anthropic.requests().len() < asked + 3 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .unwrap();
        assert_eq!(world.stack.anthropic.requests().len(), asked + 3, "{kind:?}");
        assert_eq!(alert(&world, &invoice).await, before, "{kind:?}");
        assert!(world.clock.slept() > slept, "with pauses: {kind:?}");
    }
    for kind in [Kind::RateLimited, Kind::ErrorBefore(529), Kind::NothingReached] {
        world.stack.anthropic.clear_faults();
        world.stack.anthropic.add_fault(Fault::question(kind.clone()).times(2));
        let invoice = declined_with(&world, "brand_new_word").await;
        analyst.work().await;
        assert!(alert(&world, &invoice).await["explanation"].is_object(), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_asks_for_more_time_than_there_is_is_not_waited_for() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    let invoice = declined_with(&world, "brand_new_word").await;
    let records = analyst.records().await;
    let asked = Arc::new(AtomicU32::new(0));
    for (pause, tries, waited) in [("1", 3, 2), ("120", 1, 0)] {
        let counter = asked.clone();
        let answer = async move || {
            counter.fetch_add(1, Ordering::SeqCst);
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", pause)], "{}")
        };
        let app = asking(&analyst.app, axum::Router::new().fallback(answer)).await;
        let before = world.clock.slept();
        assert_eq!(hand(&app, records.clone()).await, json!({ "batchItemFailures": [] }));
        assert_eq!(asked.swap(0, Ordering::SeqCst), tries, "retry-after: {pause}");
        let slept = world.clock.slept() - before;
        assert!((waited..=waited + 4).contains(&slept.as_secs()), "retry-after: {pause}, waited for {slept:?}");
        assert_eq!(alert(&world, &invoice).await.get("explanation"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_resolved_while_the_model_writes_is_not_explained_and_what_is_raised_again_as_it_was_before() {
    for resolves in [true, false] {
        let world = Arc::new(World::new().await);
        let mut analyst = Analyst::of(&world).await;
        let invoice = declined_with(&world, "brand_new_word").await;
        let records = analyst.records().await;
        let id = alert(&world, &invoice).await["id"].as_str().unwrap().to_owned();
        let (inside, again) = (world.clone(), invoice.clone());
        let meanwhile = async move || {
            if resolves {
                let path = format!("/alerts/{id}/resolve");
                let answer = inside.user(ADMIN).post(&path, &json!({ "note": "quicker" })).await.unwrap();
                assert_eq!(answer.status, 200, "{}", answer.body);
            } else {
                decline(&inside, &again, "brand_new_word").await;
            }
            Json(json!({ "model": "m", "stop_reason": "end_turn",
                         "content": [{ "type": "text", "text": said("too late").to_string() }] }))
        };
        let app = asking(&analyst.app, axum::Router::new().fallback(meanwhile)).await;
        assert_eq!(hand(&app, records).await, json!({ "batchItemFailures": [] }));
        let after = alert(&world, &invoice).await;
        assert_eq!(after["status"], json!(if resolves { "resolved" } else { "open" }));
        assert_eq!(after["count"], json!(if resolves { 1 } else { 2 }));
        assert_eq!(after["explanation"]["count"], if resolves { Value::Null } else { json!(1) }, "{after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_replaced_is_fetched_anew_and_one_that_is_missing_leaves_the_alert_as_it_was() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    let first = declined_with(&world, "brand_new_word").await;
    analyst.work().await;
    assert!(alert(&world, &first).await["explanation"].is_object());
    world.stack.anthropic.revoke_key(KEY);
    let second = declined_with(&world, "brand_new_word").await;
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(analyst.work().await, json!({ "batchItemFailures": [] }));
    assert_eq!(alert(&world, &second).await.get("explanation"), None);

    world.stack.anthropic.add_key("sk-ant-CANARY-2");
    world.stack.secrets.put("passerelle/error-analysis", &json!({ "api_key": "sk-ant-CANARY-2" })).unwrap();
    world.clock.advance(Duration::from_mins(1));
    let third = declined_with(&world, "brand_new_word").await;
    analyst.work().await;
    assert!(alert(&world, &third).await["explanation"].is_object());
}
