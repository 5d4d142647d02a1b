//! What people review: alerts and what explains them, the trail of a day, agent runs.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::civil::Date;

use super::{List, ListError, Page, PageRequest};
use crate::id::TenantId;
use crate::model::alert::{AgentRun, AlertStatus, Explanation, Raised};
use crate::model::audit::{Entry, day_key};
use crate::store::commit::text;
use crate::store::{Key, Store, StoreError, Table};

impl Store {
    /// A tenant's alerts of one status: the open ones by when they were raised last, the others by when they were
    /// resolved.
    ///
    /// # Errors
    /// [`ListError`].
    pub async fn alerts(
        &self,
        tenant: &TenantId,
        status: AlertStatus,
        page: &PageRequest,
    ) -> Result<Page<Raised>, ListError> {
        let (index, partition, place): (_, _, &[&str]) = match status {
            AlertStatus::Open => ("open", "open_tenant", &["last_seen", "alert_id"]),
            AlertStatus::Resolved => ("resolved", "resolved_tenant", &["resolved_at", "alert_id"]),
        };
        let partition = (partition, tenant.to_string());
        let list = List { table: Table::Alerts, index: Some(index), partition, place, prefix: "" };
        self.page(&list, tenant, page, |alert: &Raised| alert.status == status).await
    }

    /// A tenant's audit entries of one day, in UTC, newest first.
    ///
    /// # Errors
    /// [`ListError`].
    pub async fn entries(&self, tenant: &TenantId, day: Date, page: &PageRequest) -> Result<Page<Entry>, ListError> {
        let partition = ("tenant_day", day_key(tenant, day));
        let place = &["at", "entity", "seq"];
        let list = List { table: Table::AuditLog, index: Some("by-day"), partition, place, prefix: "" };
        self.page(&list, tenant, page, |_| true).await
    }

    /// Writes on an alert what explains it: only while it is open, and once for a `count` of it. `false`: it is resolved,
    /// or explained as it is or by what came later, and nothing was written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn explain(&self, alert: &Raised, explanation: &Explanation) -> Result<bool, StoreError> {
        let key = Key::alert(&alert.tenant_id, &alert.alert_id);
        let count = AttributeValue::N(explanation.count.to_string());
        let explanation = serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(explanation)
            .map_err(|error| StoreError::Malformed { table: "a write", reason: error.to_string() })?;
        let written = self
            .db
            .update_item()
            .table_name(self.name(key.table))
            .set_key(Some(key.attributes()))
            .update_expression("SET explanation = :explanation")
            .condition_expression(
                "#status = :open AND (attribute_not_exists(explanation) OR explanation.#count < :count)",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":open", text(AlertStatus::Open.as_str()))
            .expression_attribute_values(":count", count)
            .expression_attribute_values(":explanation", explanation)
            .send()
            .await;
        match written {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                Ok(false)
            }
            Err(error) => Err(StoreError::unavailable(&error)),
        }
    }

    /// A tenant's agent runs, newest first: their ids are in the order of time.
    ///
    /// # Errors
    /// [`ListError`].
    pub async fn runs(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
        keep: impl Fn(&AgentRun) -> bool,
    ) -> Result<Page<AgentRun>, ListError> {
        let partition = ("tenant_id", tenant.to_string());
        let list = List { table: Table::AgentRuns, index: None, partition, place: &["run_id"], prefix: "" };
        self.page(&list, tenant, page, keep).await
    }
}
