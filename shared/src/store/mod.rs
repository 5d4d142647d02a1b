//! DynamoDB: typed reads, and commits in which everything happens or nothing.
//!
//! No `Scan`. What an index returns is read again from its table before anything is decided on it.

pub mod commit;
pub mod list;
mod write;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bounds;
use crate::clock::Clock;
use crate::config::Tables;
use crate::id::{AlertId, InvoiceId, MethodId, PaymentId, RefundId, TenantId, UserId};
use crate::model::audit::Entry;
use crate::model::event::Event;
use crate::model::tenant::Member;
use crate::policy::retry;

/// An item as DynamoDB has it.
pub type Item = HashMap<String, AttributeValue>;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB did not answer, or refused.
    #[error("DynamoDB: {0}")]
    Unavailable(String),
    /// An item is not what the code expects.
    #[error("an item of {table} can't be read: {reason}")]
    Malformed {
        /// Which table.
        table: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl StoreError {
    fn unavailable(error: &(impl std::error::Error + 'static)) -> Self {
        Self::Unavailable(DisplayErrorContext(error).to_string())
    }
}

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
    const fn keys(self) -> (&'static str, &'static str) {
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
    fn attribute(self, name: &str, value: String) -> AttributeValue {
        // The one number among the keys.
        if self == Self::AuditLog && name == "seq" { AttributeValue::N(value) } else { AttributeValue::S(value) }
    }

    const fn label(self) -> &'static str {
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
    table: Table,
    partition: String,
    /// Of the audit log the number, as text.
    sort: String,
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

    /// An alert.
    #[must_use]
    pub fn alert(tenant: &TenantId, alert: &AlertId) -> Self {
        Self::new(Table::Alerts, tenant, alert.as_str())
    }

    fn attributes(&self) -> Item {
        let (partition, sort) = self.table.keys();
        HashMap::from([
            (partition.to_owned(), AttributeValue::S(self.partition.clone())),
            (sort.to_owned(), self.table.attribute(sort, self.sort.clone())),
        ])
    }

    fn of(table: Table, item: &Item) -> Option<Self> {
        let (partition, sort) = table.keys();
        let text = |name: &str| match item.get(name)? {
            AttributeValue::S(text) | AttributeValue::N(text) => Some(text.clone()),
            _ => None,
        };
        Some(Self { table, partition: text(partition)?, sort: text(sort)? })
    }
}

/// The gateway's customer that stands for an owner.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CustomerRecord {
    /// The gateway's id.
    pub customer: String,
    /// The gateway's account that it is in.
    pub account: String,
}

/// Invoices that hold a bill.
#[derive(Debug, Default, Deserialize)]
pub struct Bill {
    /// At least one; the last takes the item with it when it becomes void.
    #[serde(default)]
    pub holders: Vec<InvoiceId>,
}

/// What a read found, by key.
#[derive(Debug, Default)]
pub struct Items(HashMap<Key, Item>);

impl Items {
    /// Whether there is an item under `key`.
    #[must_use]
    pub fn has(&self, key: &Key) -> bool {
        self.0.contains_key(key)
    }

    /// The item under `key`, if it is there.
    ///
    /// # Errors
    /// [`StoreError::Malformed`].
    pub fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        self.0.get(key).map(|item| parse(key.table, item.clone())).transpose()
    }

    /// Adds what another read found.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

fn parse<T: DeserializeOwned>(table: Table, item: Item) -> Result<T, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
        .map_err(|error| StoreError::Malformed { table: table.label(), reason: error.to_string() })
}

/// The tables of a deployment.
#[derive(Clone, Debug)]
pub struct Store {
    db: Client,
    tables: Tables,
    clock: Clock,
}

/// How a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// Invoices as they are now, the rest as an up-to-date replica has it: half the price.
    Invoices,
    /// Everything as it is now.
    Strong,
}

impl Store {
    /// A store over a client.
    #[must_use]
    pub fn new(db: Client, tables: Tables, clock: Clock) -> Self {
        Self { db, tables, clock }
    }

    /// The same, going by another clock.
    #[must_use]
    pub fn at(&self, clock: Clock) -> Self {
        Self { clock, ..self.clone() }
    }

    fn name(&self, table: Table) -> &str {
        match table {
            Table::Tenants => &self.tables.tenants,
            Table::PaymentMethods => &self.tables.payment_methods,
            Table::Invoices => &self.tables.invoices,
            Table::Payments => &self.tables.payments,
            Table::ScheduledPayments => &self.tables.scheduled_payments,
            Table::AuditLog => &self.tables.audit_log,
            Table::Alerts => &self.tables.alerts,
            Table::AgentRuns => &self.tables.agent_runs,
            Table::WebhookEvents => &self.tables.webhook_events,
        }
    }

    /// Opens the connection, so that the first request finds it open. The answer does not matter.
    pub async fn warm(&self) {
        let key = Key { table: Table::Tenants, partition: "-".to_owned(), sort: "settings".to_owned() };
        let read = self.db.get_item().table_name(self.name(Table::Tenants)).set_key(Some(key.attributes())).send();
        if let Err(error) = read.await {
            tracing::warn!(error = %DisplayErrorContext(&error), "no connection to DynamoDB at start");
        }
    }

    /// Reads items together: 100 in each round trip.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn read(
        &self,
        keys: impl IntoIterator<Item = Key>,
        consistency: Consistency,
    ) -> Result<Items, StoreError> {
        // DynamoDB refuses a batch that names a key twice.
        let keys: Vec<Key> = keys.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut found = Items::default();
        for batch in keys.chunks(bounds::BATCH) {
            self.read_batch(batch, consistency, &mut found).await?;
        }
        Ok(found)
    }

    async fn read_batch(&self, keys: &[Key], consistency: Consistency, found: &mut Items) -> Result<(), StoreError> {
        let mut wanted: BTreeMap<Table, Vec<Item>> = BTreeMap::new();
        for key in keys {
            wanted.entry(key.table).or_default().push(key.attributes());
        }
        let mut request: HashMap<String, KeysAndAttributes> = HashMap::new();
        for (table, keys) in &wanted {
            let strong = consistency == Consistency::Strong || *table == Table::Invoices;
            let keys = KeysAndAttributes::builder().set_keys(Some(keys.clone())).consistent_read(strong).build();
            request.insert(self.name(*table).to_owned(), keys.map_err(|e| StoreError::unavailable(&e))?);
        }
        let mut tries = 0;
        while !request.is_empty() {
            let answer = self.db.batch_get_item().set_request_items(Some(request)).send().await;
            let answer = answer.map_err(|error| StoreError::unavailable(&error))?;
            for table in wanted.keys() {
                let items = answer.responses().and_then(|by_table| by_table.get(self.name(*table)));
                for item in items.into_iter().flatten() {
                    if let Some(key) = Key::of(*table, item) {
                        found.0.insert(key, item.clone());
                    }
                }
            }
            request = answer.unprocessed_keys.unwrap_or_default();
            if !request.is_empty() {
                tries += 1;
                if tries >= bounds::AWS_TRIES {
                    return Err(StoreError::Unavailable("a batch of reads stays unprocessed".to_owned()));
                }
                let pause = retry::backoff(bounds::COMMIT_BACKOFF, bounds::COMMIT_BACKOFF_MAX, tries, None);
                self.clock.sleep(pause).await;
            }
        }
        Ok(())
    }

    /// Reads one item as it is now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        self.read([key.clone()], Consistency::Strong).await?.get(key)
    }

    /// A tenant's members, as they are now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn members(&self, tenant: &TenantId) -> Result<Vec<Member>, StoreError> {
        let query = self
            .db
            .query()
            .table_name(self.name(Table::Tenants))
            .key_condition_expression("tenant_id = :tenant AND begins_with(#record, :prefix)")
            .expression_attribute_names("#record", "record")
            .expression_attribute_values(":tenant", AttributeValue::S(tenant.to_string()))
            .expression_attribute_values(":prefix", AttributeValue::S("member#".to_owned()))
            .consistent_read(true);
        self.all(query, Table::Tenants, bounds::MEMBERS).await
    }

    /// An entity's audit trail, oldest first, as it is now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn trail(&self, entity: &str) -> Result<Vec<Entry>, StoreError> {
        let query = self
            .db
            .query()
            .table_name(self.name(Table::AuditLog))
            .key_condition_expression("entity = :entity")
            .expression_attribute_values(":entity", AttributeValue::S(entity.to_owned()))
            .consistent_read(true);
        self.all(query, Table::AuditLog, usize::MAX).await
    }

    async fn all<T: DeserializeOwned>(
        &self,
        query: aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder,
        table: Table,
        most: usize,
    ) -> Result<Vec<T>, StoreError> {
        let mut pages = query.into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            if found.len() >= most {
                return Err(StoreError::Unavailable(format!("more than {most} items of {}", table.label())));
            }
            found.push(parse(table, item.map_err(|error| StoreError::unavailable(&error))?)?);
        }
        Ok(found)
    }
}
