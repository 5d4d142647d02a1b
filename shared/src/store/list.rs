//! Lists: pages over the indexes, newest first, behind cursors that say nothing to the caller.
//!
//! A cursor belongs to one list of one tenant; every other list refuses it.

mod due;
mod expiring;
mod review;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use data_encoding::BASE64URL_NOPAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::due::Due;
pub use self::expiring::Expiring;
pub(super) use self::expiring::month_key;
use super::commit::text;
use super::{Consistency, Item, Key, Store, StoreError, Table};
use crate::bounds;
use crate::id::{InvoiceId, PaymentId, TenantId, fingerprint};
use crate::model::invoice::Invoice;
use crate::model::method::Method;
use crate::model::payment::{Gateway, Payment, reference_key};
use crate::model::refund::{Refund, refund_of};
use crate::model::schedule::Schedule;

/// Which page of a list.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// How many items, 1 to 100.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// A page of a list. Empty with a cursor: nothing fitted the filter so far, there may be more.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub cursor: Option<String>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The cursor is not one that this list gave out.
    #[error("the cursor is not one of this list's")]
    Cursor,
    /// DynamoDB.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A list of one tenant over an index, or over the table itself, by time.
struct List {
    table: Table,
    index: Option<&'static str>,
    /// The partition key of the index and its value.
    partition: (&'static str, String),
    /// The other keys of index and table: with the partition they make a cursor.
    place: &'static [&'static str],
    /// What the sort key of the table begins with.
    prefix: &'static str,
}

/// The place of a payment or refund in a list.
const MOVEMENTS: &[&str] = &["created_at", "id"];

/// A page of what is read whole, newest first; `id` tells the items apart.
///
/// # Errors
/// [`ListError::Cursor`].
pub fn page_of<T>(items: Vec<T>, page: &PageRequest, id: impl Fn(&T) -> &str) -> Result<Page<T>, ListError> {
    let start = match &page.cursor {
        Some(cursor) => {
            let last = BASE64URL_NOPAD.decode(cursor.as_bytes()).map_err(|_| ListError::Cursor)?;
            items.iter().position(|item| id(item).as_bytes() == last).ok_or(ListError::Cursor)? + 1
        }
        None => 0,
    };
    let more = items.len() > start + page.limit;
    let items: Vec<T> = items.into_iter().skip(start).take(page.limit).collect();
    let cursor = items.last().filter(|_| more).map(|last| BASE64URL_NOPAD.encode(id(last).as_bytes()));
    Ok(Page { items, cursor })
}

impl Store {
    /// A tenant's invoices, newest first.
    ///
    /// # Errors
    /// [`ListError`].
    pub async fn invoices(
        &self,
        tenant: &TenantId,
        number: Option<&str>,
        page: &PageRequest,
        keep: impl Fn(&Invoice) -> bool,
    ) -> Result<Page<Invoice>, ListError> {
        let (index, partition) = match number {
            Some(number) => ("by-number", ("tenant_number", number_key(tenant, number))),
            None => ("by-created", ("tenant_id", tenant.to_string())),
        };
        let place = &["created_at", "invoice_id"];
        let list = List { table: Table::Invoices, index: Some(index), partition, place, prefix: "" };
        self.page(&list, tenant, page, keep).await
    }

    /// A tenant's payments, newest first.
    ///
    /// # Errors
    /// [`ListError`].
    pub async fn payments(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
        keep: impl Fn(&Payment) -> bool,
    ) -> Result<Page<Payment>, ListError> {
        let partition = ("tenant_id", tenant.to_string());
        let list =
            List { table: Table::Payments, index: Some("by-created"), partition, place: MOVEMENTS, prefix: "pay_" };
        self.page(&list, tenant, page, keep).await
    }

    /// A tenant's refunds, or those of one payment, newest first.
    ///
    /// # Errors
    /// [`ListError`].
    pub async fn refunds(
        &self,
        tenant: &TenantId,
        payment: Option<&PaymentId>,
        page: &PageRequest,
    ) -> Result<Page<Refund>, ListError> {
        let (index, partition) = match payment {
            Some(payment) => ("refunds", ("refund_of", refund_of(tenant, payment))),
            None => ("by-created", ("tenant_id", tenant.to_string())),
        };
        let list = List { table: Table::Payments, index: Some(index), partition, place: MOVEMENTS, prefix: "ref_" };
        self.page(&list, tenant, page, |_| true).await
    }

    /// A tenant's scheduled payments, newest first.
    ///
    /// # Errors
    /// [`ListError`].
    pub async fn schedules(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
        keep: impl Fn(&Schedule) -> bool,
    ) -> Result<Page<Schedule>, ListError> {
        let partition = ("tenant_id", tenant.to_string());
        let list = List {
            table: Table::ScheduledPayments,
            index: Some("by-created"),
            partition,
            place: &["created_at", "schedule_id"],
            prefix: "sch_",
        };
        self.page(&list, tenant, page, keep).await
    }

    /// A tenant's payment methods, newest first.
    ///
    /// # Errors
    /// [`ListError`].
    pub async fn methods(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
        keep: impl Fn(&Method) -> bool,
    ) -> Result<Page<Method>, ListError> {
        let partition = ("tenant_id", tenant.to_string());
        // The copies that are defaults stand beside the methods.
        let (index, place) = (Some("by-created"), &["created_at", "method_id"]);
        let list = List { table: Table::PaymentMethods, index, partition, place, prefix: "mth_" };
        self.page(&list, tenant, page, keep).await
    }

    /// Our id of the payment or refund that a gateway knows as `reference`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_reference(&self, tenant: &TenantId, reference: &str) -> Result<Option<String>, StoreError> {
        for gateway in Gateway::ALL {
            let query = self
                .db
                .query()
                .table_name(self.name(Table::Payments))
                .index_name("by-reference")
                .key_condition_expression("gateway_ref = :reference")
                .expression_attribute_values(":reference", text(reference_key(tenant, *gateway, reference)))
                .limit(1);
            let answer = query.send().await.map_err(|error| StoreError::unavailable(&error))?;
            if let Some(key) = answer.items().first().and_then(|item| Key::of(Table::Payments, item)) {
                return Ok(Some(key.sort));
            }
        }
        Ok(None)
    }

    /// An invoice's payments, newest first. The invoice lists them; none where there is no such invoice.
    ///
    /// # Errors
    /// [`ListError`].
    pub async fn payments_of(
        &self,
        tenant: &TenantId,
        invoice: &InvoiceId,
        page: &PageRequest,
        keep: impl Fn(&Payment) -> bool,
    ) -> Result<Page<Payment>, ListError> {
        let listed = self.get::<Invoice>(&Key::invoice(tenant, invoice)).await?;
        let mut ids: Vec<PaymentId> = listed.map(|invoice| invoice.payments).unwrap_or_default();
        ids.reverse();
        let Page { items: ids, cursor } = page_of(ids, page, PaymentId::as_str)?;
        let keys: Vec<Key> = ids.iter().map(|id| Key::payment(tenant, id)).collect();
        let mut items = Vec::new();
        if !keys.is_empty() {
            let found = self.read(keys.clone(), Consistency::Strong).await?;
            for key in &keys {
                items.extend(found.get::<Payment>(key)?.filter(&keep));
            }
        }
        Ok(Page { items, cursor })
    }

    async fn page<T: DeserializeOwned>(
        &self,
        list: &List,
        tenant: &TenantId,
        page: &PageRequest,
        keep: impl Fn(&T) -> bool,
    ) -> Result<Page<T>, ListError> {
        let mut start = page.cursor.as_deref().map(|cursor| decode(cursor, list, tenant)).transpose()?;
        let mut items = Vec::new();
        for _ in 0..bounds::PAGES_PER_LIST {
            let wanted = page.limit.saturating_sub(items.len());
            let query = self.query(list).limit(i32::try_from(wanted).unwrap_or(1));
            let answer = query.set_exclusive_start_key(start.take()).send().await.map_err(|error| {
                let refused = error.as_service_error().and_then(|e| e.meta().code()) == Some("ValidationException");
                // A cursor of the right form with keys that were never given out.
                if page.cursor.is_some() && refused {
                    ListError::Cursor
                } else {
                    StoreError::unavailable(&error).into()
                }
            })?;
            items.extend(self.whole::<T>(list, answer.items()).await?.into_iter().filter(&keep));
            start = answer.last_evaluated_key;
            if start.is_none() || items.len() >= page.limit {
                break;
            }
        }
        Ok(Page { items, cursor: start.map(|key| encode(&key, list)) })
    }

    /// What a query found, as its table has it.
    async fn whole<T: DeserializeOwned>(&self, list: &List, found: &[Item]) -> Result<Vec<T>, StoreError> {
        if list.index.is_none() {
            return found.iter().map(|item| super::parse(list.table, item.clone())).collect();
        }
        let keys: Vec<Key> = found
            .iter()
            .filter_map(|item| Key::of(list.table, item))
            .filter(|key| key.sort.starts_with(list.prefix))
            .collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let items = self.read(keys.clone(), Consistency::Invoices).await?;
        keys.iter().filter_map(|key| items.get(key).transpose()).collect()
    }

    fn query(&self, list: &List) -> QueryFluentBuilder {
        let (name, value) = &list.partition;
        self.db
            .query()
            .table_name(self.name(list.table))
            .set_index_name(list.index.map(str::to_owned))
            // What was written a moment ago is in it; indexes can't be read that way.
            .set_consistent_read(list.index.is_none().then_some(true))
            .key_condition_expression(format!("{name} = :partition"))
            .expression_attribute_values(":partition", text(value))
            .scan_index_forward(false)
    }
}

impl List {
    /// Tells this list's cursors from those of others.
    fn name(&self) -> String {
        fingerprint(&[self.table.label(), self.index.unwrap_or_default(), &self.partition.1, self.prefix])
    }
}

/// A cursor, before it is encoded.
#[derive(Serialize, Deserialize)]
struct Cursor {
    list: String,
    /// Where the page ended: values of the list's `place`.
    after: Vec<String>,
}

/// Key of the index by invoice number.
pub(super) fn number_key(tenant: &TenantId, number: &str) -> String {
    // Hashed: short, whatever the number.
    format!("{tenant}#{}", fingerprint(&[number]))
}

fn encode(last: &Item, list: &List) -> String {
    let text = |name: &&str| match last.get(*name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => text.clone(),
        _ => String::new(),
    };
    let cursor = Cursor { list: list.name(), after: list.place.iter().map(text).collect() };
    BASE64URL_NOPAD.encode(serde_json::to_string(&cursor).unwrap_or_default().as_bytes())
}

/// The tenant in the key is always the caller's own, whatever the cursor says.
fn decode(cursor: &str, list: &List, tenant: &TenantId) -> Result<Item, ListError> {
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).map_err(|_| ListError::Cursor)?;
    let cursor: Cursor = serde_json::from_slice(&bytes).map_err(|_| ListError::Cursor)?;
    if cursor.list != list.name() || cursor.after.len() != list.place.len() {
        return Err(ListError::Cursor);
    }
    let place = list.place.iter().zip(cursor.after);
    let mut item: Item = place.map(|(name, value)| ((*name).to_owned(), list.table.attribute(name, value))).collect();
    let (name, value) = &list.partition;
    item.insert((*name).to_owned(), text(value));
    if list.table.keys().0 == "tenant_id" {
        item.insert("tenant_id".to_owned(), text(tenant.as_str()));
    }
    Ok(item)
}
