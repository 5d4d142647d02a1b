//! The error analyst: the stream of the alerts table starts it, for alerts that were raised.
//!
//! It has a language model explain those that the policy finds complex, and writes the explanation on the alert. Off
//! unless `ERROR_ANALYSIS` says `on`; then no alert is read and no secret opened. A model that fails fails quietly: the
//! alert stays as it is. Only a store that does not answer, or a batch without time, brings a record back.

use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};
use shared::app::App;
use shared::bounds;
use shared::clock::Time;
use shared::flow::analyze::{Verdict, analyze};
use shared::id::{AlertId, TenantId};
use shared::store::StoreError;
use shared::telemetry;
use tracing::Instrument;

/// Handles a batch of the stream; answers with the first record that is to be delivered again, and with it all behind.
///
/// # Errors
/// None; Lambda's signature.
pub async fn handle(app: &App, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let span = telemetry::invocation(Some(&event.context), None);
    Ok(answer(app, event).instrument(span).await)
}

async fn answer(app: &App, event: LambdaEvent<Value>) -> Value {
    let deadline = Time::from_millis(i64::try_from(event.context.deadline).unwrap_or(i64::MAX));
    let records = event.payload.get("Records").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut failures = Vec::new();
    // Off, records are done with: whoever turns it on later asks about what comes then.
    if let Some(model) = &app.config.error_analysis {
        for record in records {
            if let Err(error) = explain(app, model, record, deadline).await {
                let sequence_number = sequence_number(record);
                tracing::error!(%error, sequence_number, "a record is to be delivered again");
                // Lambda goes back to the first. Those behind are tried all the same: explained, they are passed over then.
                if failures.is_empty() {
                    failures.push(json!({ "itemIdentifier": sequence_number }));
                }
                if matches!(error, Again::Late) {
                    break;
                }
            }
        }
    }
    tracing::info!(records = records.len(), failures = failures.len(), "run");
    json!({ "batchItemFailures": failures })
}

/// A record is not done with.
#[derive(Debug, thiserror::Error)]
enum Again {
    #[error(transparent)]
    Store(StoreError),
    #[error("the batch has no time left")]
    Late,
}

async fn explain(app: &App, model: &str, record: &Value, deadline: Time) -> Result<(), Again> {
    let Some((tenant, alert)) = alert_of(record) else {
        // No delivery of it would be another.
        tracing::error!(sequence_number = sequence_number(record), "a record names no alert");
        return Ok(());
    };
    let until = app.clock.now().plus(bounds::ANALYSIS_TIME).min(deadline.minus(bounds::ANALYSIS_RESERVE));
    if until.since(app.clock.now()) < bounds::ANALYSIS_TIMEOUT {
        return Err(Again::Late);
    }
    match analyze(app, model, &tenant, &alert, until).await {
        Ok(Verdict::Late) => Err(Again::Late),
        Ok(_) => Ok(()),
        Err(error @ StoreError::Unavailable(_)) => Err(Again::Store(error)),
        Err(error @ StoreError::Malformed { .. }) => {
            let (tenant_id, alert_id) = (tenant.as_str(), alert.as_str());
            tracing::error!(tenant_id, alert_id, %error, "an alert stays without an explanation");
            Ok(())
        }
    }
}

/// The alert of a record; what it says of itself is read anew.
fn alert_of(record: &Value) -> Option<(TenantId, AlertId)> {
    let keys = record.get("dynamodb")?.get("Keys")?;
    let key = |name: &str| keys.get(name)?.get("S")?.as_str();
    Some((key("tenant_id")?.parse().ok()?, key("alert_id")?.parse().ok()?))
}

fn sequence_number(record: &Value) -> &str {
    let number = record.get("dynamodb").and_then(|change| change.get("SequenceNumber"));
    number.and_then(Value::as_str).unwrap_or_default()
}
