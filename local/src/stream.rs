//! What Lambda does with a table's stream: reads it, filters it as the template says, and hands batches to a function.
//!
//! The engine has the API of DynamoDB Streams, with one shard for each table. No AWS SDK of it is built in for that: three
//! requests are sent by hand. A batch that fails is handed over again, from the record that failed on, as often as the template says.

use std::time::Duration;

use serde_json::{Value, json};

use crate::template::StreamSource;

/// Real time between looks at the stream.
const TICK: Duration = Duration::from_millis(100);

/// The stream can't be read.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The engine did not answer, or with an error.
    #[error("the stream did not answer: {0}")]
    NoAnswer(#[from] reqwest::Error),
    /// Another engine may have no streams.
    #[error("the engine has no stream of {0}")]
    Missing(String),
}

/// A place in the stream of one table.
#[derive(Debug)]
pub struct Stream {
    http: reqwest::Client,
    endpoint: String,
    iterator: String,
}

impl Stream {
    /// What is written from now on (`LATEST`), or all that was written (`TRIM_HORIZON`).
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn open(http: reqwest::Client, endpoint: &str, table: &str, from: &str) -> Result<Self, StreamError> {
        let mut stream = Self { http, endpoint: endpoint.to_owned(), iterator: String::new() };
        let missing = || StreamError::Missing(table.to_owned());
        let listed = stream.ask("ListStreams", &json!({ "TableName": table })).await?;
        let arn = text(&listed, "/Streams/0/StreamArn").ok_or_else(missing)?;
        let described = stream.ask("DescribeStream", &json!({ "StreamArn": arn })).await?;
        let shard = text(&described, "/StreamDescription/Shards/0/ShardId").ok_or_else(missing)?;
        let wanted = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": from });
        let iterator = stream.ask("GetShardIterator", &wanted).await?;
        stream.iterator = text(&iterator, "/ShardIterator").ok_or_else(missing)?;
        Ok(stream)
    }

    /// The records since, as Lambda hands them over.
    ///
    /// # Errors
    /// [`StreamError`]; the place is then kept.
    pub async fn next(&mut self) -> Result<Vec<Value>, StreamError> {
        let mut answer = self.ask("GetRecords", &json!({ "ShardIterator": self.iterator })).await?;
        if let Some(next) = text(&answer, "/NextShardIterator") {
            self.iterator = next;
        }
        Ok(match answer.pointer_mut("/Records").map(Value::take) {
            Some(Value::Array(records)) => records,
            _ => Vec::new(),
        })
    }

    async fn ask(&self, operation: &str, body: &Value) -> Result<Value, StreamError> {
        let request = self
            .http
            .post(&self.endpoint)
            .header("x-amz-target", format!("DynamoDBStreams_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            // Neither is looked at closer by an engine on a laptop.
            .header("x-amz-date", "20260101T000000Z")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=local")
            .body(body.to_string());
        let answer = request.send().await?.error_for_status()?.bytes().await?;
        Ok(serde_json::from_slice(&answer).unwrap_or_default())
    }
}

fn text(value: &Value, place: &str) -> Option<String> {
    value.pointer(place).and_then(Value::as_str).map(str::to_owned)
}

/// Hands what a source takes to a function, until the process ends.
pub async fn follow(mut stream: Stream, source: StreamSource, invoke: impl AsyncFn(Value) -> Value) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        let records = match stream.next().await {
            Ok(records) => records,
            Err(error) => {
                tracing::warn!(%error, "a stream is read again");
                continue;
            }
        };
        let taken: Vec<Value> = records.into_iter().filter(|record| source.takes(record)).collect();
        for batch in taken.chunks(source.batch.max(1)) {
            deliver(batch, source.deliveries, &invoke).await;
        }
    }
}

async fn deliver(batch: &[Value], times: u64, invoke: &impl AsyncFn(Value) -> Value) {
    let mut left = batch;
    for _ in 0..times {
        let answer = invoke(json!({ "Records": left })).await;
        let Some(failed) = text(&answer, "/batchItemFailures/0/itemIdentifier") else { return };
        let number = |record: &Value| text(record, "/dynamodb/SequenceNumber");
        let from = left.iter().position(|record| number(record).as_ref() == Some(&failed)).unwrap_or(0);
        left = left.get(from..).unwrap_or_default();
    }
    tracing::error!(records = left.len(), "records of a stream are given up");
}
