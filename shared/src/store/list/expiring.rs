//! Cards by the month in which they end.

use jiff::civil::Date;
use serde::Deserialize;

use crate::bounds;
use crate::id::{MethodId, TenantId};
use crate::model::method::MethodStatus;
use crate::store::commit::text;
use crate::store::{Item, Store, StoreError, Table, parse};

/// A usable card in the index of what ends.
#[derive(Clone, Debug, Deserialize)]
pub struct Expiring {
    /// Whose books it is in.
    pub tenant_id: TenantId,
    /// Which.
    pub method_id: MethodId,
    /// What it is written down as.
    pub status: MethodStatus,
}

/// Key of the index: `YYYY-MM`.
pub(in crate::store) fn month_key(month: Date) -> String {
    month.strftime("%Y-%m").to_string()
}

impl Store {
    /// A page of the usable cards that end in a month, of all tenants, and where the next begins. An entry that can't be
    /// read is logged, and stops none of the others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn expiring(
        &self,
        month: Date,
        after: Option<Item>,
    ) -> Result<(Vec<Expiring>, Option<Item>), StoreError> {
        let query = self
            .db
            .query()
            .table_name(self.name(Table::PaymentMethods))
            .index_name("expiring")
            .key_condition_expression("expires = :month")
            .expression_attribute_values(":month", text(month_key(month)))
            .set_exclusive_start_key(after)
            .limit(bounds::DUE_PAGE);
        let answer = query.send().await.map_err(|error| StoreError::unavailable(&error))?;
        let readable = |item: Item| {
            parse(Table::PaymentMethods, item)
                .inspect_err(|error| tracing::error!(%error, "an entry of the index of what ends can't be read"))
                .ok()
        };
        let items = answer.items.unwrap_or_default().into_iter().filter_map(readable).collect();
        Ok((items, answer.last_evaluated_key))
    }
}
