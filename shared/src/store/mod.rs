//! DynamoDB: typed reads, and commits in which everything happens or nothing.
//!
//! No `Scan`. What an index returns is read again from its table before anything is decided on it.

pub mod commit;
mod key;
pub mod list;
mod write;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bounds;
use crate::clock::{Clock, Time};
use crate::config::Tables;
use crate::id::{InvoiceId, TenantId};
use crate::model::audit::Entry;
use crate::model::tenant::Member;
use crate::policy::retry;
use crate::telemetry::metrics::Metrics;

pub use self::key::{Key, Table};

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

/// The gateway's customer that stands for an owner.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CustomerRecord {
    /// The gateway's id.
    pub customer: String,
    /// The gateway's account that it is in.
    pub account: String,
}

/// How far Plaid's events are read for a tenant, and when they are asked for next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// By Plaid's account: each has events of its own.
    pub accounts: BTreeMap<String, Position>,
    /// When to ask again, in case a webhook is lost; absent once nothing can come any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_check_at: Option<Time>,
    /// Shard of the index of what is to be asked for; absent with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_shard: Option<String>,
    /// When all that there was had been applied last.
    pub synced_at: Time,
    /// When a person was called last since nothing could be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_at: Option<Time>,
    /// Grows with each write.
    pub revision: u64,
}

/// How far the events of one account are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The last event before which everything is applied; 0: none.
    pub after: u64,
    /// When the first payment over it was made: what is older is nothing of ours.
    pub since: Time,
    /// What was paid over it may come back until then.
    pub watch_until: Time,
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
    metrics: Metrics,
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
        Self { db, tables, clock, metrics: Metrics::default() }
    }

    /// The same, reporting what its commits bring about.
    #[must_use]
    pub fn reporting(&self, metrics: Metrics) -> Self {
        Self { metrics, ..self.clone() }
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

    /// Takes, or keeps, the lease on a shard of what is due until `until`; `false`: another has it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lease(&self, shard: u8, owner: &str, until: Time) -> Result<bool, StoreError> {
        let key = Key::lease(shard);
        let taken = self
            .db
            .update_item()
            .table_name(self.name(key.table))
            .set_key(Some(key.attributes()))
            .update_expression("SET #owner = :owner, leased_until = :until")
            .condition_expression("attribute_not_exists(leased_until) OR leased_until <= :now OR #owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", AttributeValue::S(owner.to_owned()))
            .expression_attribute_values(":until", AttributeValue::S(until.to_string()))
            .expression_attribute_values(":now", AttributeValue::S(self.clock.now().to_string()))
            .send()
            .await;
        match taken {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                Ok(false)
            }
            Err(error) => Err(StoreError::unavailable(&error)),
        }
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
