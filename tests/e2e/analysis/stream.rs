//! The function behind the stream: off, late, and when the store is away.

use std::time::Duration;

use local::dynamodb::DynamoDb;
use serde_json::json;
use shared::store::Store;

use crate::world::World;

use super::{Analyst, alert, declined_with, deliver, hand};

#[tokio::test(flavor = "multi_thread")]
async fn off_no_alert_is_read_no_secret_opened_and_nobody_asked() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    let invoice = declined_with(&world, "brand_new_word").await;
    let records = analyst.records().await;
    let off = &world.stack.functions["error-analyst"];
    assert_eq!(off.app.config.error_analysis, None, "as long as nobody turns it on");
    let unused = off.permissions.unused();
    assert_eq!(hand(&off.app, records).await, json!({ "batchItemFailures": [] }));
    assert_eq!(off.permissions.unused(), unused);
    assert!(world.stack.anthropic.requests().is_empty());
    assert_eq!(alert(&world, &invoice).await.get("explanation"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_almost_over_leaves_its_records_to_the_next() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    let invoice = declined_with(&world, "brand_new_word").await;
    let records = analyst.records().await;
    let event = json!({ "Records": records });
    let answer = deliver(&analyst.app, event.clone(), Duration::from_secs(20)).await;
    let number = &records[0]["dynamodb"]["SequenceNumber"];
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": number }] }));
    assert!(world.stack.anthropic.requests().is_empty());
    assert_eq!(alert(&world, &invoice).await.get("explanation"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_store_that_does_not_answer_brings_a_record_back() {
    let world = World::new().await;
    let mut analyst = Analyst::of(&world).await;
    declined_with(&world, "brand_new_word").await;
    let records = analyst.records().await;
    let mut app = analyst.app.clone();
    let nowhere = DynamoDb::at("http://127.0.0.1:1".to_owned()).client();
    app.store = Store::new(nowhere, app.config.tables.clone(), app.clock.clone());
    let number = &records[0]["dynamodb"]["SequenceNumber"];
    let answer = hand(&app, records.clone()).await;
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": number }] }));
    // What names no alert comes back never.
    let odd = vec![json!({}), json!({ "eventName": "INSERT", "dynamodb": { "Keys": {} } })];
    assert_eq!(hand(&analyst.app, odd).await, json!({ "batchItemFailures": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stack_explains_by_itself_when_it_is_told_to() {
    let world = World::with(|options| options.error_analysis = Some("on".to_owned())).await;
    let _analyst = Analyst::of(&world).await;
    let invoice = declined_with(&world, "brand_new_word").await;
    let explained = async {
        loop {
            let alert = alert(&world, &invoice).await;
            if alert.get("explanation").is_some() {
                return alert;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let alert = tokio::time::timeout(Duration::from_secs(10), explained).await.unwrap();
    assert_eq!(alert["explanation"]["suggestion"], json!(true));
    assert_eq!(world.stack.anthropic.requests().len(), 1);
}
