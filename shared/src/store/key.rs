//! The tables and the keys of their items.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::Item;
use crate::id::{AlertId, InvoiceId, MethodId, PaymentId, RefundId, ScheduleId, TenantId, UserId};
use crate::model::event::Event;
use crate::model::method::{Owner, default_key};
use crate::model::payment::PaymentMethod;

/// The tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Settings, members, customers at gateways.
    Tenants,
    /// Payment methods and defaults.
    PaymentMethods,
    /// Invoices and the locks on bills.
    Invoices,
    /// Payments and refunds.
    Payments,
    /// Scheduled payments.
    ScheduledPayments,
    /// The audit trail.
    AuditLog,
    /// Alerts.
    Alerts,
    /// Agent runs.
    AgentRuns,
    /// Events of gateways that were dealt with.
    WebhookEvents,
}

impl Table {
    /// Names of the partition and sort key attributes; of a table without sort key the same name twice.
    pub(super) const fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::Tenants => ("tenant_id", "record"),
            Self::PaymentMethods => ("tenant_id", "method_id"),
            Self::Invoices => ("tenant_id", "invoice_id"),
            Self::Payments => ("tenant_id", "id"),
            Self::ScheduledPayments => ("tenant_id", "schedule_id"),
            Self::AuditLog => ("entity", "seq"),
            Self::Alerts => ("tenant_id", "alert_id"),
            Self::AgentRuns => ("tenant_id", "run_id"),
            Self::WebhookEvents => ("event", "event"),
        }
    }

    /// The value of a key attribute, of the table or of an index of it.
    pub(super) fn attribute(self, name: &str, value: String) -> AttributeValue {
        // The one number among the keys.
        if self == Self::AuditLog && name == "seq" { AttributeValue::N(value) } else { AttributeValue::S(value) }
    }

    /// For people.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Tenants => "tenants",
            Self::PaymentMethods => "payment methods",
            Self::Invoices => "invoices",
            Self::Payments => "payments",
            Self::ScheduledPayments => "scheduled payments",
            Self::AuditLog => "the audit log",
            Self::Alerts => "alerts",
            Self::AgentRuns => "agent runs",
            Self::WebhookEvents => "webhook events",
        }
    }
}

/// The key of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub(super) table: Table,
    pub(super) partition: String,
    /// Of the audit log the number, as text.
    pub(super) sort: String,
}

impl Key {
    /// Of any table but the audit log.
    #[must_use]
    pub fn new(table: Table, tenant: &TenantId, sort: impl Into<String>) -> Self {
        Self { table, partition: tenant.to_string(), sort: sort.into() }
    }

    /// A tenant's settings.
    #[must_use]
    pub fn settings(tenant: &TenantId) -> Self {
        Self::new(Table::Tenants, tenant, "settings")
    }

    /// A member.
    #[must_use]
    pub fn member(tenant: &TenantId, user: &UserId) -> Self {
        Self::new(Table::Tenants, tenant, format!("member#{user}"))
    }

    /// The gateway's customer that stands for an owner.
    #[must_use]
    pub fn customer(tenant: &TenantId, owner: &str, gateway: &str) -> Self {
        Self::new(Table::Tenants, tenant, format!("customer#{owner}#{gateway}"))
    }

    /// An invoice.
    #[must_use]
    pub fn invoice(tenant: &TenantId, invoice: &InvoiceId) -> Self {
        Self::new(Table::Invoices, tenant, invoice.as_str())
    }

    /// A payment.
    #[must_use]
    pub fn payment(tenant: &TenantId, payment: &PaymentId) -> Self {
        Self::new(Table::Payments, tenant, payment.as_str())
    }

    /// A refund.
    #[must_use]
    pub fn refund(tenant: &TenantId, refund: &RefundId) -> Self {
        Self::new(Table::Payments, tenant, refund.as_str())
    }

    /// A scheduled payment.
    #[must_use]
    pub fn schedule(tenant: &TenantId, schedule: &ScheduleId) -> Self {
        Self::new(Table::ScheduledPayments, tenant, schedule.as_str())
    }

    /// The lease on a shard of what is due.
    pub(super) fn lease(shard: u8) -> Self {
        Self { table: Table::ScheduledPayments, partition: format!("shard#{shard}"), sort: "lease".to_owned() }
    }

    /// An event of a gateway.
    #[must_use]
    pub fn event(event: &Event) -> Self {
        Self { table: Table::WebhookEvents, partition: event.key(), sort: event.key() }
    }

    /// A payment method.
    #[must_use]
    pub fn method(tenant: &TenantId, method: &MethodId) -> Self {
        Self::new(Table::PaymentMethods, tenant, method.as_str())
    }

    /// The default method of an owner for a payment method.
    #[must_use]
    pub fn default_method(tenant: &TenantId, owner: &Owner, by: PaymentMethod) -> Self {
        Self::new(Table::PaymentMethods, tenant, default_key(owner, by))
    }

    /// How far Plaid's events are read.
    #[must_use]
    pub fn cursor(tenant: &TenantId) -> Self {
        Self::new(Table::Tenants, tenant, "cursor#plaid")
    }

    /// An alert.
    #[must_use]
    pub fn alert(tenant: &TenantId, alert: &AlertId) -> Self {
        Self::new(Table::Alerts, tenant, alert.as_str())
    }

    /// As DynamoDB takes it.
    pub(super) fn attributes(&self) -> Item {
        let (partition, sort) = self.table.keys();
        HashMap::from([
            (partition.to_owned(), AttributeValue::S(self.partition.clone())),
            (sort.to_owned(), self.table.attribute(sort, self.sort.clone())),
        ])
    }

    /// Of an item that has at least its keys.
    pub(super) fn of(table: Table, item: &Item) -> Option<Self> {
        let (partition, sort) = table.keys();
        let text = |name: &str| match item.get(name)? {
            AttributeValue::S(text) | AttributeValue::N(text) => Some(text.clone()),
            _ => None,
        };
        Some(Self { table, partition: text(partition)?, sort: text(sort)? })
    }
}
