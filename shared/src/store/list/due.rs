//! What is to be looked at now: scheduled payments that are due, payments and refunds to be checked, events to be asked
//! for. Indexes in shards, oldest first.

use serde::Deserialize;

use crate::bounds;
use crate::clock::Time;
use crate::id::{InvoiceId, MethodId, ScheduleId, TenantId, UserId};
use crate::model::movement::shard;
use crate::model::payment::PaymentMethod;
use crate::store::commit::text;
use crate::store::{Item, Key, Store, StoreError, Table, parse};

/// A scheduled payment in the index of what is due: enough to read all that decides about it in one go.
#[derive(Clone, Debug, Deserialize)]
pub struct Due {
    /// Whose.
    pub tenant_id: TenantId,
    /// Which.
    pub schedule_id: ScheduleId,
    /// What it pays.
    pub invoice_id: InvoiceId,
    /// With what. A guess of what else to read rests on it, and nothing more.
    #[serde(default)]
    pub payment_method: Option<PaymentMethod>,
    /// With which method of it, where one was named.
    #[serde(default)]
    pub payment_method_id: Option<MethodId>,
    /// Who answers for it.
    #[serde(default)]
    pub approved_by: Vec<UserId>,
}

impl Store {
    /// A tenant's scheduled payments that are due in a span of time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_of(&self, tenant: &TenantId, from: Time, to: Time) -> Result<Vec<ScheduleId>, StoreError> {
        let query = self
            .db
            .query()
            .table_name(self.name(Table::ScheduledPayments))
            .index_name("due")
            .key_condition_expression("due_shard = :shard AND due_at BETWEEN :from AND :to")
            .filter_expression("tenant_id = :tenant")
            .expression_attribute_values(":shard", text(shard(tenant)))
            .expression_attribute_values(":from", text(from.to_string()))
            .expression_attribute_values(":to", text(to.to_string()))
            .expression_attribute_values(":tenant", text(tenant.as_str()));
        let mut pages = query.into_paginator().items().send();
        let mut due = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| StoreError::unavailable(&error))?;
            due.extend(Key::of(Table::ScheduledPayments, &item).and_then(|key| key.sort.parse().ok()));
        }
        Ok(due)
    }

    /// A page of the scheduled payments of one shard that are due, oldest first, and whether there are more. An entry
    /// that can't be read is logged, and stops none of the others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due(&self, shard: u8, now: Time, after: Option<Item>) -> Result<(Vec<Due>, Option<Item>), StoreError> {
        let query = self
            .db
            .query()
            .table_name(self.name(Table::ScheduledPayments))
            .index_name("due")
            .key_condition_expression("due_shard = :shard AND due_at <= :now")
            .expression_attribute_values(":shard", text(shard.to_string()))
            .expression_attribute_values(":now", text(now.to_string()))
            .set_exclusive_start_key(after)
            .limit(bounds::DUE_PAGE);
        let answer = query.send().await.map_err(|error| StoreError::unavailable(&error))?;
        let items = answer.items.unwrap_or_default();
        let readable = |item: Item| {
            parse(Table::ScheduledPayments, item)
                .inspect_err(|error| tracing::error!(%error, "an entry of the index of what is due can't be read"))
                .ok()
        };
        Ok((items.into_iter().filter_map(readable).collect(), answer.last_evaluated_key))
    }

    /// Payments and refunds of one shard whose next check is due, oldest check first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_for_check(&self, shard: u8, now: Time) -> Result<Vec<(TenantId, String)>, StoreError> {
        let due = self.due_in(Table::Payments, "unsettled", shard, now).await?;
        Ok(due.into_iter().filter_map(|key| Some((key.partition.parse().ok()?, key.sort))).collect())
    }

    /// Tenants of one shard whose events at Plaid are to be asked for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_for_sync(&self, shard: u8, now: Time) -> Result<Vec<TenantId>, StoreError> {
        let due = self.due_in(Table::Tenants, "sync", shard, now).await?;
        Ok(due.into_iter().filter_map(|key| key.partition.parse().ok()).collect())
    }

    /// The first items of a shard of an index by `next_check_at` that have come to it. Its name and `_shard` is the
    /// attribute of the shard.
    async fn due_in(&self, table: Table, index: &'static str, shard: u8, now: Time) -> Result<Vec<Key>, StoreError> {
        let query = self
            .db
            .query()
            .table_name(self.name(table))
            .index_name(index)
            .key_condition_expression(format!("{index}_shard = :shard AND next_check_at <= :now"))
            .expression_attribute_values(":shard", text(shard.to_string()))
            .expression_attribute_values(":now", text(now.to_string()));
        let mut pages = query.into_paginator().items().send();
        let mut due = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| StoreError::unavailable(&error))?;
            due.extend(Key::of(table, &item));
            if due.len() >= bounds::SWEEP_PER_SHARD {
                break;
            }
        }
        Ok(due)
    }

    /// How many payments and refunds of one shard are unsettled, and when the oldest was begun.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unsettled(&self, shard: u8) -> Result<(u64, Option<Time>), StoreError> {
        #[derive(Deserialize)]
        struct Begun {
            created_at: Time,
        }
        let query = self
            .db
            .query()
            .table_name(self.name(Table::Payments))
            .index_name("unsettled")
            .key_condition_expression("unsettled_shard = :shard")
            .expression_attribute_values(":shard", text(shard.to_string()))
            .projection_expression("created_at");
        let mut pages = query.into_paginator().items().send();
        let (mut count, mut oldest) = (0, None::<Time>);
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| StoreError::unavailable(&error))?;
            count += 1;
            // One that can't be read is not to hide the others.
            if let Ok(Begun { created_at }) = parse(Table::Payments, item) {
                oldest = Some(oldest.map_or(created_at, |oldest| oldest.min(created_at)));
            }
        }
        Ok((count, oldest))
    }
}
