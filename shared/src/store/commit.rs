//! One transaction, and the truth about what became of it.
//!
//! Every commit carries a `writer`, random and kept over all its tries, on each item that it puts. When an answer is
//! lost the same commit is tried again: a condition that fails on an item with our own writer means that the first
//! try had gone through. Every cancellation reason is read. Conflicts between transactions and throttling are no
//! failed conditions: they are tried again with jitter until the deadline.

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, TransactWriteItem};

use super::{Item, Key, Store, StoreError};
use crate::bounds;
use crate::clock::Time;
use crate::id::TenantId;
use crate::model::alert::Alert;
use crate::model::audit::Entry;
use crate::model::tenant::Settings;
use crate::policy::retry;
use crate::telemetry::AUDIT;
use crate::telemetry::metrics::Happened;

/// Which part of a commit a condition was on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The settings record.
    Settings,
    /// A member.
    Member,
    /// The invoice's version.
    Invoice,
    /// The lock on the bill.
    Bill,
    /// The payment: absent, or its revision.
    Payment,
    /// The refund: absent, or its revision.
    Refund,
    /// The scheduled payment: absent, or its revision.
    Schedule,
    /// The event: not dealt with yet.
    Event,
    /// A payment method.
    Method,
    /// How far Plaid's events are read.
    Cursor,
    /// The alert: open, with the count that was read.
    Alert,
    /// The next entry of the trail.
    Audit,
    /// Written without a condition.
    Free,
}

/// Writes that happen together or not at all.
#[derive(Debug)]
pub struct Commit {
    pub(super) writer: String,
    pub(super) writes: Vec<(Part, TransactWriteItem)>,
    pub(super) entries: Vec<Entry>,
    /// Written with the rest; whom to tell is looked up last.
    pub(super) alerts: Vec<Alert>,
    /// Reported when the commit is made.
    pub(super) happened: Vec<Happened>,
    /// What could not be turned into an item; reported when the commit is made.
    pub(super) broken: Option<StoreError>,
}

impl Default for Commit {
    fn default() -> Self {
        let writer = uuid::Uuid::new_v4().to_string();
        let (alerts, happened) = (Vec::new(), Vec::new());
        Self { writer, writes: Vec::new(), entries: Vec::new(), alerts, happened, broken: None }
    }
}

/// Why a commit was not made, or may not have been.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else changed what it was decided on: read again, decide again.
    #[error("a condition on {0:?} failed")]
    Conflict(Vec<Part>),
    /// Not made: others kept changing the same items until the deadline.
    #[error("the items stay busy")]
    Busy,
    /// Nobody answered: it may have been made.
    #[error("the outcome of a commit is not known: {0}")]
    Unknown(String),
    /// DynamoDB refuses it as it is.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CommitError {
    /// Whether the condition on `part` was among those that failed.
    #[must_use]
    pub fn is_on(&self, part: Part) -> bool {
        matches!(self, Self::Conflict(parts) if parts.contains(&part))
    }
}

/// What one try shows.
enum Try {
    Made,
    Conflict(Vec<Part>),
    /// Certainly not made; may be tried again.
    Again,
    /// May have been made; the same commit may be tried again.
    Lost(String),
    Refused(String),
}

impl Store {
    /// Makes a commit, or finds out why not. Tries until `deadline`.
    ///
    /// # Errors
    /// [`CommitError`]; only `Unknown` leaves open whether it was made.
    pub async fn commit(&self, mut commit: Commit, deadline: Time) -> Result<(), CommitError> {
        let alerts = std::mem::take(&mut commit.alerts);
        if let Some(alert) = alerts.first() {
            let email = self.alert_email(&alert.tenant_id).await;
            for alert in &alerts {
                commit.write_alert(self, alert, &email);
            }
        }
        if let Some(broken) = commit.broken {
            return Err(broken.into());
        }
        let mut lost = None;
        for tries in 1..=bounds::COMMIT_TRIES {
            match self.try_commit(&commit).await {
                Try::Made => {
                    log_heads(&commit.entries, "audit head");
                    for happened in &commit.happened {
                        self.metrics.happened(happened, self.clock.now());
                    }
                    return Ok(());
                }
                Try::Conflict(parts) => return Err(CommitError::Conflict(parts)),
                Try::Refused(reason) => return Err(StoreError::Unavailable(reason).into()),
                Try::Again => {}
                Try::Lost(reason) => lost = Some(reason),
            }
            let pause = retry::backoff(bounds::COMMIT_BACKOFF, bounds::COMMIT_BACKOFF_MAX, tries, None);
            if self.clock.now().plus(pause) >= deadline {
                break;
            }
            self.clock.sleep(pause).await;
        }
        let Some(reason) = lost else { return Err(CommitError::Busy) };
        log_heads(&commit.entries, "audit head, if the commit was made");
        Err(CommitError::Unknown(reason))
    }

    /// Whom the tenant wants told of alerts; nobody, if that is not to be had: no settlement fails for it.
    async fn alert_email(&self, tenant: &TenantId) -> String {
        let read = tokio::time::timeout(bounds::ALERT_ADDRESS, self.get::<Settings>(&Key::settings(tenant))).await;
        let late = || StoreError::Unavailable("no answer in time".to_owned());
        match read.unwrap_or_else(|_| Err(late())) {
            Ok(settings) => settings.and_then(|settings| settings.alert_email).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(tenant_id = %tenant, %error, "an alert is raised without the tenant's address");
                String::new()
            }
        }
    }

    async fn try_commit(&self, commit: &Commit) -> Try {
        let sent = self
            .db
            .transact_write_items()
            .set_transact_items(Some(commit.writes.iter().map(|(_, write)| write.clone()).collect()))
            .client_request_token(&commit.writer)
            .customize()
            // The tries above are the retries: each of their answers is looked at.
            .config_override(aws_sdk_dynamodb::config::Config::builder().retry_config(RetryConfig::disabled()))
            .send()
            .await;
        let error = match sent {
            Ok(_) => return Try::Made,
            Err(error) => error,
        };
        if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error() {
            return judge(&commit.writer, &commit.writes, canceled.cancellation_reasons());
        }
        let reason = DisplayErrorContext(&error).to_string();
        match (&error, error.code()) {
            (SdkError::ConstructionFailure(_), _) => Try::Refused(reason),
            (_, Some("ThrottlingException" | "ProvisionedThroughputExceededException" | "RequestLimitExceeded")) => {
                Try::Again
            }
            (SdkError::ServiceError(service), code) => {
                let in_progress = code == Some("TransactionInProgressException");
                if in_progress || service.raw().status().is_server_error() {
                    Try::Lost(reason)
                } else {
                    Try::Refused(reason)
                }
            }
            _ => Try::Lost(reason),
        }
    }
}

/// Anchors of the trail outside of DynamoDB.
fn log_heads(entries: &[Entry], message: &str) {
    for entry in entries {
        tracing::info!(
            target: AUDIT,
            audit_entity = entry.entity,
            audit_seq = entry.seq,
            audit_hash = entry.hash,
            "{message}"
        );
    }
}

/// What the reasons of a canceled transaction mean, all of them together.
fn judge(writer: &str, writes: &[(Part, TransactWriteItem)], reasons: &[CancellationReason]) -> Try {
    let failed = |code: &str| reasons.iter().any(|reason| reason.code() == Some(code));
    let conditions: Vec<(Part, Option<&Item>)> = writes
        .iter()
        .zip(reasons)
        .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
        .map(|((part, _), reason)| (*part, reason.item()))
        .collect();
    if !conditions.is_empty() {
        let is_mine = |item: &Item| item.get("writer").and_then(|value| value.as_s().ok()).is_some_and(|w| w == writer);
        // All or nothing: one item of ours proves the whole commit.
        if conditions.iter().any(|(_, item)| item.is_some_and(is_mine)) {
            return Try::Made;
        }
        return Try::Conflict(conditions.into_iter().map(|(part, _)| part).collect());
    }
    if failed("ValidationError") || failed("ItemCollectionSizeLimitExceeded") {
        let messages: Vec<&str> = reasons.iter().filter_map(CancellationReason::message).collect();
        return Try::Refused(format!("the transaction is invalid: {}", messages.join("; ")));
    }
    // TransactionConflict, ThrottlingError, ProvisionedThroughputExceeded, and what DynamoDB may add to them.
    Try::Again
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn writes(parts: &[Part]) -> Vec<(Part, TransactWriteItem)> {
        parts.iter().map(|part| (*part, TransactWriteItem::builder().build())).collect()
    }

    fn reason(code: &str, writer: Option<&str>) -> CancellationReason {
        let item = writer.map(|w| HashMap::from([("writer".to_owned(), text(w))]));
        CancellationReason::builder().code(code).set_item(item).build()
    }

    #[test]
    fn every_reason_is_read_not_only_the_first() {
        let parts = writes(&[Part::Invoice, Part::Payment, Part::Audit]);
        let reasons = [reason("None", None), reason("None", None), reason("ConditionalCheckFailed", Some("other"))];
        assert!(matches!(judge("me", &parts, &reasons), Try::Conflict(parts) if parts == [Part::Audit]));
    }

    #[test]
    fn a_conflict_of_transactions_is_no_failed_condition() {
        let parts = writes(&[Part::Invoice, Part::Free]);
        for code in ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"] {
            assert!(matches!(judge("me", &parts, &[reason("None", None), reason(code, None)]), Try::Again), "{code}");
        }
    }

    #[test]
    fn a_failed_condition_on_my_own_write_is_my_own_success() {
        let parts = writes(&[Part::Invoice, Part::Payment]);
        let reasons = [reason("ConditionalCheckFailed", Some("me")), reason("ConditionalCheckFailed", Some("me"))];
        assert!(matches!(judge("me", &parts, &reasons), Try::Made));
        assert!(matches!(judge("you", &parts, &reasons), Try::Conflict(_)));
    }

    #[test]
    fn an_invalid_transaction_is_not_tried_for_ever() {
        assert!(matches!(judge("me", &writes(&[Part::Free]), &[reason("ValidationError", None)]), Try::Refused(_)));
    }
}
