//! What starts the executor: the samples of EventBridge's events and of the queue's, each handed to the function as
//! Lambda does. The queue is a small server that keeps what it is sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use lambda_http::lambda_runtime::{Context, Error, LambdaEvent};
use local::stripe::fault::{Fault, Kind};
use scheduled_executor::{Queue, handle};
use serde_json::{Value, json};
use shared::flow::run::Executor;
use shared::model::movement::shard;

use crate::faults::books::Books;
use crate::world::{TENANT, World};

pub const DAILY: &str = include_str!("../../events/daily.json");
const SWEEP: &str = include_str!("../../events/sweep.json");
const QUEUE: &str = include_str!("../../events/executor-queue.json");

/// SQS, as far as sending goes.
#[derive(Clone, Default)]
pub struct Sqs(Arc<Mutex<Vec<Value>>>);

impl Sqs {
    /// Starts it; a queue at it, `gone` or there.
    pub async fn start(&self, gone: bool) -> Queue {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = axum::Router::new().fallback(take).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, server).await });
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&endpoint);
        let name = if gone { "gone" } else { "executor" };
        let url = format!("{endpoint}/123456789012/{name}");
        Queue::new(aws_sdk_sqs::Client::from_conf(config.build()), url)
    }

    /// The messages so far: the body of each and the seconds until it is delivered.
    pub fn sent(&self) -> Vec<(Value, i64)> {
        let sent = self.0.lock().unwrap();
        let read = |message: &Value| {
            let body = serde_json::from_str(message["MessageBody"].as_str().unwrap()).unwrap();
            (body, message["DelaySeconds"].as_i64().unwrap())
        };
        sent.iter().map(read).collect()
    }
}

async fn take(State(sqs): State<Sqs>, headers: HeaderMap, body: axum::body::Bytes) -> (StatusCode, Json<Value>) {
    assert_eq!(headers["x-amz-target"], "AmazonSQS.SendMessage");
    let message: Value = serde_json::from_slice(&body).unwrap();
    if message["QueueUrl"].as_str().unwrap().ends_with("/gone") {
        return (StatusCode::BAD_REQUEST, Json(json!({ "__type": "com.amazonaws.sqs#QueueDoesNotExist" })));
    }
    let mut sent = sqs.0.lock().unwrap();
    sent.push(message);
    // The SDK for Rust does not look at the digest.
    (StatusCode::OK, Json(json!({ "MessageId": format!("message-{}", sent.len()), "MD5OfMessageBody": "" })))
}

/// Hands an event to the function, with so much time to work.
pub async fn hand(world: &World, queue: Option<&Queue>, event: Value, time: Duration) -> Result<Value, Error> {
    let executor = Executor::new(world.stack.app.clone());
    let mut context = Context::default();
    context.request_id = uuid::Uuid::new_v4().to_string();
    context.deadline = u64::try_from(world.clock.now().plus(time).millis()).unwrap();
    handle(&executor, queue, LambdaEvent::new(event, context)).await
}

pub const TIME: Duration = Duration::from_mins(15);

pub fn sample(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Schedules an approved invoice and lets its day come; the invoice.
async fn due(world: &World) -> String {
    let invoice = world.approved(json!({})).await;
    let body = json!({ "invoice_id": invoice, "payment_method": "stripe", "scheduled_date": world.in_days(1) });
    assert_eq!(world.admin().post("/scheduled-payments", &body).await.unwrap().status, 202);
    world.clock.advance(Duration::from_hours(24));
    invoice
}

/// The number of the tenant's shard.
fn ours() -> u8 {
    shard(&TENANT.parse().unwrap()).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_queue_either_event_pays_what_is_due() {
    for event in [DAILY, SWEEP] {
        let world = World::new().await;
        let invoice = due(&world).await;
        let summary = hand(&world, None, sample(event), TIME).await.unwrap();
        let expected = json!({ "due": 1, "paid": 1, "pending": 0, "failed": 0, "rescheduled": 0, "recovered": 0,
                               "remaining": 0 });
        assert_eq!(summary, expected, "{event}");
        assert_eq!(world.charged(&invoice), [50_000]);
        Books::of(&world).await.at_rest();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_queue_the_daily_run_sends_a_message_for_each_shard_and_recovers_and_pays_nothing() {
    let world = World::new().await;
    // Paid, and only Stripe knows.
    let unknown = world.approved(json!({})).await;
    world.stack.stripe.add_fault(Fault::pay(Kind::ReplyLost).times(3));
    world.stack.stripe.add_fault(Fault::look_up(Kind::Status(503, json!({}))).times(100));
    assert_eq!(world.pay(&unknown, json!({})).await.status, 202);
    world.stack.stripe.clear_faults();
    let invoice = due(&world).await;

    let sqs = Sqs::default();
    let queue = sqs.start(false).await;
    let summary = hand(&world, Some(&queue), sample(DAILY), TIME).await.unwrap();
    assert_eq!((&summary["due"], &summary["recovered"]), (&json!(0), &json!(1)), "{summary}");
    let expected: Vec<(Value, i64)> = (0..16).map(|shard| (json!({ "shard": shard }), 0)).collect();
    assert_eq!(sqs.sent(), expected);
    assert_eq!((world.charged(&unknown), world.charged(&invoice)), (vec![50_000], vec![]));

    // What runs more often needs no queue.
    let summary = hand(&world, Some(&queue), sample(SWEEP), TIME).await.unwrap();
    assert_eq!((&summary["paid"], sqs.sent().len()), (&json!(1), 16), "{summary}");
    assert_eq!(world.charged(&invoice), [50_000]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_message_drains_the_shard_of_the_sample_tenant() {
    let world = World::new().await;
    let invoice = due(&world).await;
    let event = sample(QUEUE);
    assert_eq!(event["Records"][0]["body"], json!(format!("{{\"shard\":{}}}", ours())));
    let sqs = Sqs::default();
    let queue = sqs.start(false).await;
    // At least once means that it may come again.
    for _ in 0..2 {
        let answer = hand(&world, Some(&queue), event.clone(), TIME).await.unwrap();
        assert_eq!(answer, json!({ "batchItemFailures": [] }));
        assert_eq!(world.charged(&invoice), [50_000]);
    }
    assert_eq!(sqs.sent(), []);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_a_shard_is_delivered_again_and_the_others_are_done() {
    let world = World::new().await;
    let invoice = due(&world).await;
    let mut event = sample(QUEUE);
    let good = event["Records"][0].clone();
    let bodies = ["{}", "{\"shard\":16}", "{\"shard\":-1}", "{\"shard\":\"3\"}", "shard 3", ""];
    let bad = bodies.iter().enumerate().map(|(number, body)| {
        let mut record = good.clone();
        record["messageId"] = json!(format!("bad-{number}"));
        record["body"] = json!(body);
        record
    });
    event["Records"] = bad.chain([good.clone()]).collect();
    let answer = hand(&world, None, event, TIME).await.unwrap();
    let failed: Vec<Value> =
        (0..bodies.len()).map(|number| json!({ "itemIdentifier": format!("bad-{number}") })).collect();
    assert_eq!(answer, json!({ "batchItemFailures": failed }));
    assert_eq!(world.charged(&invoice), [50_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_is_not_drained_in_time_gets_another_message_a_minute_later() {
    let world = World::new().await;
    let invoice = due(&world).await;
    let sqs = Sqs::default();
    let queue = sqs.start(false).await;
    let answer = hand(&world, Some(&queue), sample(QUEUE), Duration::ZERO).await.unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(sqs.sent(), [(json!({ "shard": ours() }), 60)]);
    assert_eq!(world.charged(&invoice), [0; 0]);

    // Another executor has the shard.
    let until = world.clock.now().plus(Duration::from_secs(30));
    assert!(world.stack.app.store.lease(ours(), "other", until).await.unwrap());
    hand(&world, Some(&queue), sample(QUEUE), TIME).await.unwrap();
    assert_eq!((sqs.sent().len(), world.charged(&invoice)), (2, vec![]));

    world.clock.advance(Duration::from_mins(1));
    hand(&world, Some(&queue), sample(QUEUE), TIME).await.unwrap();
    assert_eq!((sqs.sent().len(), world.charged(&invoice)), (2, vec![50_000]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_takes_nothing_fails_the_run_and_has_the_message_delivered_again() {
    let world = World::new().await;
    due(&world).await;
    let queue = Sqs::default().start(true).await;
    let error = hand(&world, Some(&queue), sample(DAILY), TIME).await.unwrap_err().to_string();
    assert!(error.contains("the queue took no message for shard 0"), "{error}");
    let event = sample(QUEUE);
    let answer = hand(&world, Some(&queue), event.clone(), Duration::ZERO).await.unwrap();
    let failed = json!([{ "itemIdentifier": event["Records"][0]["messageId"] }]);
    assert_eq!(answer, json!({ "batchItemFailures": failed }));
}
