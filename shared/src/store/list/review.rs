//! What people review: alerts, the trail of a day, agent runs.

use jiff::civil::Date;

use super::{List, ListError, Page, PageRequest};
use crate::id::TenantId;
use crate::model::alert::{AgentRun, AlertStatus, Raised};
use crate::model::audit::{Entry, day_key};
use crate::store::{Store, Table};

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
