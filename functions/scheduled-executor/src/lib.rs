//! The executor: EventBridge starts it daily and every 15 minutes, a queue hands it shards.
//!
//! Any event of EventBridge's runs everything that is due, and recovery; the daily one then writes down which cards end.
//! With a queue the daily run sends one message
//! for each shard instead, and the same function drains the shard of each message; one that it could not drain in its
//! time gets another message a little later.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};
use shared::app::{App, retries, timeouts};
use shared::bounds;
use shared::clock::Time;
use shared::flow::method::expiry::expire;
use shared::flow::run::{Executor, Run, Summary};
use shared::telemetry;
use tracing::Instrument;

/// How long a shard that could not be drained is left alone. Another executor may have it for minutes, and Lambda ends a
/// chain of about 16 invocations that start one another through a queue.
const PAUSE: Duration = Duration::from_mins(1);

/// The queue of shards.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
}

/// A message could not be sent.
#[derive(Debug, thiserror::Error)]
#[error("the queue took no message for shard {shard}: {reason}")]
pub struct NotSent {
    shard: u8,
    reason: String,
}

impl Queue {
    /// At `url`.
    #[must_use]
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// As the environment has it; `None`: there is none.
    pub async fn from_env(app: &App) -> Option<Self> {
        let url = app.config.executor_queue_url.clone()?;
        let aws = aws_config::defaults(aws_config::BehaviorVersion::latest());
        let aws = aws.retry_config(retries()).timeout_config(timeouts()).load().await;
        Some(Self::new(Client::new(&aws), url))
    }

    /// Sends a message that is delivered after `delay`.
    async fn send(&self, shard: u8, delay: Duration) -> Result<(), NotSent> {
        let body = json!({ "shard": shard }).to_string();
        let seconds = i32::try_from(delay.as_secs()).unwrap_or(i32::MAX);
        let message = self.client.send_message().queue_url(&self.url).message_body(body).delay_seconds(seconds);
        let sent = message.send().await;
        sent.map(drop).map_err(|error| NotSent { shard, reason: DisplayErrorContext(&error).to_string() })
    }
}

/// Handles one event: `{"run": "daily"}`, `{"run": "sweep"}`, or a batch of the queue.
///
/// # Errors
/// What keeps the whole run from its work; the invocation is tried again then. Of a batch, only the messages that failed
/// are.
pub async fn handle(executor: &Executor, queue: Option<&Queue>, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let span = telemetry::invocation(Some(&event.context), None);
    answer(executor, queue, event).instrument(span).await
}

async fn answer(executor: &Executor, queue: Option<&Queue>, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let started_at = executor.app.clock.now();
    let deadline = Time::from_millis(i64::try_from(event.context.deadline).unwrap_or(i64::MAX));
    let run = Run { request_id: event.context.request_id.clone(), started_at, deadline };
    if let Some(records) = event.payload.get("Records").and_then(Value::as_array) {
        return Ok(batch(executor, queue, &run, records).await);
    }
    let is_daily = event.payload.get("run") == Some(&json!("daily"));
    let done = due(executor, queue.filter(|_| is_daily), &run).await;
    // In the time that is left, and whatever came of that: a method is judged by its own date before each use.
    let expired = if is_daily { expire(&executor.app, &run.request_id, deadline).await } else { Ok(()) };
    if let Err(error) = &expired {
        tracing::error!(%error, "which cards end could not be read");
    }
    let summary = done?;
    tracing::info!(summary = %json!(summary), "run");
    expired?;
    Ok(json!(summary))
}

/// What is due, or, with a queue, a message for each shard; and recovery.
async fn due(executor: &Executor, queue: Option<&Queue>, run: &Run) -> Result<Summary, Error> {
    match queue {
        Some(queue) => {
            for shard in 0..bounds::SHARDS {
                queue.send(shard, Duration::ZERO).await?;
            }
            let mut summary = Summary::default();
            executor.recover(run, &mut summary).await?;
            Ok(summary)
        }
        None => Ok(executor.run(run).await?),
    }
}

/// Drains the shard of each message; answers which messages are to be delivered again.
async fn batch(executor: &Executor, queue: Option<&Queue>, run: &Run, records: &[Value]) -> Value {
    let mut failures = Vec::new();
    for record in records {
        let id = record.get("messageId").and_then(Value::as_str).unwrap_or_default();
        let body = record.get("body").and_then(Value::as_str).unwrap_or_default();
        let shard = serde_json::from_str::<Value>(body).ok().and_then(|body| body.get("shard")?.as_u64());
        let shard = shard.and_then(|shard| u8::try_from(shard).ok()).filter(|shard| *shard < bounds::SHARDS);
        let done = match shard {
            Some(shard) => message(executor, queue, run, shard).await,
            None => Err("the message names no shard".into()),
        };
        if let Err(error) = done {
            tracing::error!(%error, message = id, "a message is to be delivered again");
            failures.push(json!({ "itemIdentifier": id }));
        }
    }
    json!({ "batchItemFailures": failures })
}

async fn message(executor: &Executor, queue: Option<&Queue>, run: &Run, shard: u8) -> Result<(), Error> {
    let mut summary = Summary::default();
    let goes_on = executor.drain(run, shard, &mut summary).await?;
    tracing::info!(shard, summary = %json!(summary), "shard");
    match queue.filter(|_| goes_on) {
        Some(queue) => Ok(queue.send(shard, PAUSE).await?),
        None => Ok(()),
    }
}
