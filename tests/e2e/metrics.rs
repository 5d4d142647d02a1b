//! Metrics: what happened is reported once, in lines that CloudWatch understands.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use local::stripe::fault::{Fault, Kind};
use serde_json::{Value, json};
use shared::telemetry::metrics::{Metrics, NAMESPACE};

use crate::world::World;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// What was written since the last time, checked as CloudWatch does.
    fn take(&self) -> Vec<Value> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let lines: Vec<Value> =
            String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.iter().for_each(is_understood);
        lines
    }

    /// The values of a metric, each with those members.
    fn of(lines: &[Value], metric: &str, members: &[&str]) -> Vec<Value> {
        let lines = lines.iter().filter(|line| !line[metric].is_null());
        lines
            .map(|line| {
                let members = members.iter().map(|name| line[*name].clone());
                json!(members.chain([line[metric].clone()]).collect::<Vec<_>>())
            })
            .collect()
    }
}

/// The rules of the embedded metric format: each dimension is a text of the line, each metric a number of it.
fn is_understood(line: &Value) {
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    assert!(line["_aws"]["Timestamp"].as_u64().is_some_and(|ms| ms > 1_600_000_000_000), "{line}");
    assert!(!directives.is_empty());
    for directive in directives {
        assert_eq!(directive["Namespace"], json!(NAMESPACE));
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!(!metrics.is_empty(), "{line}");
        for metric in metrics {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{line}");
        }
        for set in directive["Dimensions"].as_array().unwrap() {
            for dimension in set.as_array().unwrap() {
                assert!(line[dimension.as_str().unwrap()].as_str().is_some_and(|text| !text.is_empty()), "{line}");
                // One metric for each tenant or payment would be a bill without end.
                assert!(!dimension.as_str().unwrap().ends_with("_id"), "{line}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_changes_the_books_is_reported_once_whoever_brought_it_about() {
    let lines = Lines::default();
    let metrics = Metrics::to(NAMESPACE, lines.clone());
    let world = World::with(|options| options.metrics = metrics).await;
    lines.take();

    let invoice = world.approved(json!({})).await;
    let paid = world.pay(&invoice, json!({})).await;
    assert_eq!(paid.status, 201);
    assert_eq!(world.pay(&invoice, json!({})).await.status, 409, "and reported no second time");
    let said = lines.take();
    assert_eq!(Lines::of(&said, "Payments", &["Gateway", "Outcome"]), [json!(["stripe", "paid", 1])]);
    assert_eq!(Lines::of(&said, "AmountMinor", &["Currency", "Movement"]), [json!(["USD", "paid", 50_000])]);
    assert_eq!(Lines::of(&said, "GatewayAttempts", &["Gateway"]), [json!(["stripe", 1])]);
    assert_eq!(said.iter().filter(|line| line["Result"] == json!("ok")).count(), 1);
    assert_eq!(Lines::of(&said, "Payments", &["payment_id"])[0][0], paid.body["id"]);

    // The reply is lost; recovery finds out.
    let invoice = world.approved(json!({})).await;
    for fault in [Fault::pay(Kind::ReplyLost), Fault::look_up(Kind::ErrorBefore(503))] {
        world.stack.stripe.add_fault(fault.times(100));
    }
    assert_eq!(world.pay(&invoice, json!({})).await.status, 202);
    let said = lines.take();
    assert_eq!(Lines::of(&said, "Payments", &["Outcome"]), Vec::<Value>::new());
    let attempts = Lines::of(&said, "GatewayAttempts", &[])[0][0].as_u64().unwrap();
    assert!(attempts > 1, "{said:?}");
    world.stack.stripe.clear_faults();
    world.clock.advance(Duration::from_mins(10));
    world.execute().await;
    let said = lines.take();
    assert_eq!(Lines::of(&said, "Payments", &["Outcome"]), [json!(["paid", 1])]);
    // As the run found it.
    assert_eq!(Lines::of(&said, "Unsettled", &["OldestUnsettledAge"]), [json!([600, 1])]);

    // A decline, and the alert about it.
    let broke = world.method("pm_card_visa_chargeDeclinedInsufficientFunds", json!({})).await;
    let invoice = world.approved(json!({})).await;
    assert_eq!(world.pay(&invoice, json!({ "payment_method_id": broke })).await.status, 402);
    let said = lines.take();
    assert_eq!(Lines::of(&said, "Payments", &["Outcome"]), [json!(["failed", 1])]);
    assert_eq!(Lines::of(&said, "Alerts", &["Kind", "Severity"]), [json!(["insufficient_funds", "warning", 1])]);
    assert_eq!(Lines::of(&said, "AmountMinor", &["Movement"]), Vec::<Value>::new());

    // A refund, and Stripe's event about it: told twice, counted once.
    let refund = world.refund("once", paid.body["id"].as_str().unwrap(), json!({ "amount": 20_000 })).await;
    assert_eq!(refund.status, 201, "{}", refund.body);
    let said = lines.take();
    assert_eq!(Lines::of(&said, "Refunds", &["Outcome"]), [json!(["succeeded", 1])]);
    assert_eq!(Lines::of(&said, "Payments", &["Outcome"]), [json!(["partially_refunded", 1])]);
    assert_eq!(Lines::of(&said, "AmountMinor", &["Movement"]), [json!(["refunded", 20_000])]);
    let event = world.events(&["charge.refunded"]).pop().unwrap();
    assert_eq!(world.deliver(&event).await.status, 200);
    assert_eq!(world.deliver(&event).await.status, 200);
    let said = lines.take();
    assert_eq!(
        Lines::of(&said, "WebhookEvents", &["Gateway", "Result"]),
        [json!(["stripe", "done", 1]), json!(["stripe", "seen", 1])]
    );
    assert_eq!(Lines::of(&said, "Refunds", &["Outcome"]), Vec::<Value>::new());

    // The refund comes back: the payment is paid again, which it was counted as before.
    let reference = refund.body["gateway_refund_id"].as_str().unwrap();
    world.stack.stripe.finish_refund(reference, false);
    world.told(&world.events(&["refund.failed"])[0]).await;
    let said = lines.take();
    assert_eq!(Lines::of(&said, "Refunds", &["Outcome"]), [json!(["failed", 1])]);
    assert_eq!(world.payment(paid.body["id"].as_str().unwrap()).await["status"], json!("paid"));
    assert_eq!(Lines::of(&said, "Payments", &["Outcome"]), Vec::<Value>::new());
    assert_eq!(Lines::of(&said, "AmountMinor", &["Movement"]), Vec::<Value>::new());
}

/// Metric and dimension names of the template's alarms on metrics of our own.
fn alarmed() -> BTreeSet<(String, Vec<String>)> {
    let template = include_str!("../../template.yaml");
    let resources = template.split("Type: AWS::CloudWatch::Alarm").skip(1);
    let ours = resources.filter_map(|alarm| alarm.split_once("Namespace: !Ref AWS::StackName")).map(|(_, alarm)| {
        let alarm = alarm.split("\n\n").next().unwrap();
        let after = |mark: &str| -> Vec<String> {
            let places = alarm.split(mark).skip(1);
            places.map(|rest| rest.split([',', '\n']).next().unwrap().trim().to_owned()).collect()
        };
        (after("MetricName:").remove(0), after("{ Name:"))
    });
    ours.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_alarm_on_a_metric_of_ours_looks_at_one_that_is_written() {
    let alarmed = alarmed();
    assert_eq!(alarmed.len(), 3, "{alarmed:?}");
    let lines = Lines::default();
    let metrics = Metrics::to(NAMESPACE, lines.clone());
    let world = World::with(|options| options.metrics = metrics).await;
    world.paid().await;
    world.told(&world.events(&["payment_intent.succeeded"])[0]).await;
    world.execute().await;
    let mut written = BTreeSet::new();
    for line in lines.take() {
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            for (metric, set) in directive["Metrics"].as_array().unwrap().iter().flat_map(|metric| {
                directive["Dimensions"].as_array().unwrap().iter().map(move |set| (metric["Name"].clone(), set))
            }) {
                let names = set.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
                written.insert((metric.as_str().unwrap().to_owned(), names.collect::<Vec<_>>()));
            }
        }
    }
    assert!(alarmed.is_subset(&written), "alarms on {alarmed:?}, but there are {written:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_settle_grows_older_in_sight_of_the_operator() {
    let lines = Lines::default();
    let metrics = Metrics::to(NAMESPACE, lines.clone());
    let world = World::with(|options| options.metrics = metrics).await;
    let invoice = world.approved(json!({})).await;
    world.stack.stripe.add_fault(Fault::pay(Kind::NothingReached).times(100));
    world.stack.stripe.add_fault(Fault::look_up(Kind::ErrorBefore(503)).times(100));
    assert_eq!(world.pay(&invoice, json!({})).await.status, 202);
    world.clock.advance(Duration::from_hours(3));
    lines.take();
    world.execute().await;
    let said = lines.take();
    let unsettled = Lines::of(&said, "Unsettled", &["OldestUnsettledAge"]);
    assert_eq!(unsettled.len(), 1);
    assert_eq!(unsettled[0][1], json!(1));
    let seconds = unsettled[0][0].as_u64().unwrap();
    assert!((3 * 3_600..3 * 3_600 + 120).contains(&seconds), "{seconds}");
}
