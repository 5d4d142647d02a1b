//! What a commit can hold: each kind of write with the condition that keeps it safe.

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use serde::Serialize;

use super::commit::{Commit, Part, text};
use super::list::{month_key, number_key};
use super::{Bill, Cursor, CustomerRecord, Item, Key, Store, StoreError, Table};
use crate::bounds;
use crate::clock::Time;
use crate::id::{InvoiceId, MethodId, PaymentId, ScheduleId, TenantId, UserId};
use crate::model::alert::{AgentRun, Alert, AlertResolution, AlertStatus, Raised};
use crate::model::audit::Entry;
use crate::model::event::Event;
use crate::model::invoice::Invoice;
use crate::model::method::Method;
use crate::model::payment::Payment;
use crate::model::refund::Refund;
use crate::model::schedule::Schedule;
use crate::model::tenant::{Member, Settings};
use crate::telemetry::metrics::Happened;

/// What must hold for an item to be put.
enum Guard {
    /// There is none yet.
    Absent,
    /// The number attribute is still what was read.
    Still(&'static str, u64),
    /// The text attribute is this.
    Is(&'static str, String),
    /// Anything.
    Nothing,
}

/// An invoice with the key of its index by number.
#[derive(Serialize)]
struct InvoiceItem<'a> {
    #[serde(flatten)]
    invoice: &'a Invoice,
    tenant_number: String,
}

/// A method with the key of the index of what ends: of a card that can be used, and never of a copy.
#[derive(Serialize)]
struct MethodItem<'a> {
    #[serde(flatten)]
    method: &'a Method,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

/// An event, as it is remembered.
#[derive(Serialize)]
struct EventItem<'a> {
    kind: &'a str,
    at: Time,
    /// Unix seconds.
    expires_at: i64,
}

const OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

impl Commit {
    /// The settings: made (`read_version` 0), or changed since that version.
    pub fn settings(&mut self, store: &Store, settings: &Settings, read_version: u64) {
        let key = Key::settings(&settings.tenant_id);
        self.put(store, Part::Settings, &key, settings, changed_since(read_version));
    }

    /// A member, as it is now; the settings' version guards it.
    pub fn member(&mut self, store: &Store, member: &Member) {
        let key = Key::member(&member.tenant_id, &member.user_id);
        self.put(store, Part::Member, &key, member, Guard::Nothing);
    }

    /// A member no more; the settings' version guards it.
    pub fn remove_member(&mut self, store: &Store, tenant: &TenantId, user: &UserId) {
        let key = Key::member(tenant, user);
        let delete = Delete::builder().table_name(store.name(key.table)).set_key(Some(key.attributes())).build();
        let write = delete.map(|delete| TransactWriteItem::builder().delete(delete).build());
        self.push(Part::Member, write.map_err(|e| StoreError::unavailable(&e)));
    }

    /// An invoice: made (`read_version` 0), or changed since that version.
    pub fn invoice(&mut self, store: &Store, invoice: &Invoice, read_version: u64) {
        let key = Key::invoice(&invoice.tenant_id, &invoice.invoice_id);
        let item = InvoiceItem { invoice, tenant_number: number_key(&invoice.tenant_id, &invoice.invoice_number) };
        self.put(store, Part::Invoice, &key, &item, changed_since(read_version));
    }

    /// An invoice is still what was read; nothing of it is written.
    pub fn unchanged(&mut self, store: &Store, invoice: &Invoice) {
        let key = Key::invoice(&invoice.tenant_id, &invoice.invoice_id);
        let check = ConditionCheck::builder()
            .table_name(store.name(key.table))
            .set_key(Some(key.attributes()))
            .condition_expression("version = :read")
            .expression_attribute_values(":read", AttributeValue::N(invoice.version.to_string()))
            .build();
        let write = check.map(|check| TransactWriteItem::builder().condition_check(check).build());
        self.push(Part::Invoice, write.map_err(|e| StoreError::unavailable(&e)));
    }

    /// Takes the bill of an invoice; with `allow_duplicate` beside others.
    pub fn take_bill(&mut self, store: &Store, invoice: &Invoice, allow_duplicate: bool) {
        let condition = (!allow_duplicate).then_some("attribute_not_exists(holders)");
        self.bill(store, invoice, "SET writer = :writer ADD holders :holder", condition);
    }

    /// Gives the bill of an invoice back; the last holder, as `bill` was read, takes it away.
    pub fn release_bill(&mut self, store: &Store, invoice: &Invoice, bill: &Bill) {
        if bill.holders.iter().any(|holder| *holder != invoice.invoice_id) {
            let others = Some("holders <> :holder");
            return self.bill(store, invoice, "SET writer = :writer DELETE holders :holder", others);
        }
        let key = Key::new(Table::Invoices, &invoice.tenant_id, invoice.bill_key());
        let delete = Delete::builder()
            .table_name(store.name(key.table))
            .set_key(Some(key.attributes()))
            .condition_expression("attribute_not_exists(holders) OR holders = :holder")
            .expression_attribute_values(":holder", AttributeValue::Ss(vec![invoice.invoice_id.to_string()]))
            .return_values_on_condition_check_failure(OLD)
            .build();
        let write = delete.map(|delete| TransactWriteItem::builder().delete(delete).build());
        self.push(Part::Bill, write.map_err(|e| StoreError::unavailable(&e)));
    }

    fn bill(&mut self, store: &Store, invoice: &Invoice, change: &str, condition: Option<&str>) {
        let key = Key::new(Table::Invoices, &invoice.tenant_id, invoice.bill_key());
        let holder = AttributeValue::Ss(vec![invoice.invoice_id.to_string()]);
        let update = Update::builder()
            .table_name(store.name(key.table))
            .set_key(Some(key.attributes()))
            .update_expression(change)
            .set_condition_expression(condition.map(str::to_owned))
            .expression_attribute_values(":writer", text(&self.writer))
            .expression_attribute_values(":holder", holder)
            .set_return_values_on_condition_check_failure(condition.map(|_| OLD))
            .build();
        let write = update.map(|update| TransactWriteItem::builder().update(update).build());
        self.push(Part::Bill, write.map_err(|e| StoreError::unavailable(&e)));
    }

    /// A payment: new, and then its conditional put is the lock, for ever; or changed, and its revision moved on by
    /// one, since it was read.
    pub fn payment(&mut self, store: &Store, payment: &Payment) {
        let key = Key::payment(&payment.tenant_id, &payment.id);
        self.put(store, Part::Payment, &key, payment, revised(payment.progress.revision));
    }

    /// A refund, in the same way.
    pub fn refund(&mut self, store: &Store, refund: &Refund) {
        let key = Key::refund(&refund.tenant_id, &refund.id);
        self.put(store, Part::Refund, &key, refund, revised(refund.progress.revision));
    }

    /// Reports, once the commit is made, that a payment has come to another state.
    pub fn payment_came_to(&mut self, payment: &Payment) {
        self.happened.push(Happened::Payment(Box::new(payment.clone())));
    }

    /// Reports, once the commit is made, that a refund of `payment` has come to another state.
    pub fn refund_came_to(&mut self, refund: &Refund, payment: &Payment) {
        self.happened.push(Happened::Refund(Box::new(refund.clone()), payment.frozen.gateway));
    }

    /// A scheduled payment, in the same way.
    pub fn schedule(&mut self, store: &Store, schedule: &Schedule) {
        let key = Key::schedule(&schedule.tenant_id, &schedule.id);
        self.put(store, Part::Schedule, &key, schedule, revised(schedule.revision));
    }

    /// An event of a gateway is dealt with, once. DynamoDB forgets it when no gateway would deliver it any more.
    pub fn event(&mut self, store: &Store, event: &Event, now: Time) {
        let item = EventItem { kind: &event.kind, at: now, expires_at: now.plus(bounds::EVENT_TTL).seconds() };
        self.put(store, Part::Event, &Key::event(event), &item, Guard::Absent);
    }

    /// A payment method: made (`read_version` 0), or changed since that version.
    pub fn method(&mut self, store: &Store, method: &Method, read_version: u64) {
        let key = Key::method(&method.tenant_id, &method.id);
        let end = method.end().filter(|_| method.status.is_usable());
        let item = MethodItem { method, expires: end.map(month_key) };
        self.put(store, Part::Method, &key, &item, changed_since(read_version));
    }

    /// The default method of its owner: a copy, so that a payment reads it in one go.
    pub fn default_method(&mut self, store: &Store, method: &Method, since: Time) {
        let key = Key::new(Table::PaymentMethods, &method.tenant_id, method.default_key());
        let copy = Method { default_since: Some(since), ..method.clone() };
        self.put(store, Part::Free, &key, &copy, Guard::Nothing);
    }

    /// The default of its owner is renewed, if it is this one.
    pub fn renew_default_method(&mut self, store: &Store, method: &Method, since: Time) {
        let key = Key::new(Table::PaymentMethods, &method.tenant_id, method.default_key());
        let copy = Method { default_since: Some(since), ..method.clone() };
        self.put(store, Part::Method, &key, &copy, Guard::Is("id", method.id.to_string()));
    }

    /// Its owner has no default any more, if it was this one.
    pub fn no_default_method(&mut self, store: &Store, method: &Method) {
        let key = Key::new(Table::PaymentMethods, &method.tenant_id, method.default_key());
        let delete = Delete::builder()
            .table_name(store.name(key.table))
            .set_key(Some(key.attributes()))
            .condition_expression("id = :id")
            .expression_attribute_values(":id", text(method.id.as_str()))
            .return_values_on_condition_check_failure(OLD)
            .build();
        let write = delete.map(|delete| TransactWriteItem::builder().delete(delete).build());
        self.push(Part::Method, write.map_err(|e| StoreError::unavailable(&e)));
    }

    /// The default method of an owner who has none, or only the one that was read, which can't be used any more.
    pub fn first_default_method(&mut self, store: &Store, method: &Method, ended: Option<&Method>, since: Time) {
        let key = Key::new(Table::PaymentMethods, &method.tenant_id, method.default_key());
        let copy = Method { default_since: Some(since), ..method.clone() };
        let guard = ended.map_or(Guard::Absent, |ended| Guard::Is("id", ended.id.to_string()));
        self.put(store, Part::Method, &key, &copy, guard);
    }

    /// The gateway's customer that stands for an owner. Of two at once the last stays; each method knows its own.
    pub fn customer(&mut self, store: &Store, key: &Key, customer: &CustomerRecord) {
        self.put(store, Part::Free, key, customer, Guard::Nothing);
    }

    /// How far Plaid's events are read: new (revision 1), or its revision moved on by one since it was read.
    pub fn cursor(&mut self, store: &Store, tenant: &TenantId, cursor: &Cursor) {
        let read = cursor.revision.saturating_sub(1);
        let guard = if read == 0 { Guard::Absent } else { Guard::Still("revision", read) };
        self.put(store, Part::Cursor, &Key::cursor(tenant), cursor, guard);
    }

    /// An audit entry; nobody has written this one yet.
    pub fn entry(&mut self, store: &Store, entry: Entry) {
        let write = item(&entry).and_then(|mut item| {
            item.insert("writer".to_owned(), text(&self.writer));
            let put = Put::builder()
                .table_name(store.name(Table::AuditLog))
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(entity)")
                .return_values_on_condition_check_failure(OLD)
                .build();
            put.map(|put| TransactWriteItem::builder().put(put).build()).map_err(|e| StoreError::unavailable(&e))
        });
        self.push(Part::Audit, write);
        self.entries.push(entry);
    }

    /// An agent run.
    pub fn run(&mut self, store: &Store, run: &AgentRun) {
        let key = Key::new(Table::AgentRuns, &run.tenant_id, run.run_id.as_str());
        self.put(store, Part::Free, &key, run, Guard::Nothing);
    }

    /// An alert: new, or once more, and then open again. Without a condition: it never makes a settlement fail. The
    /// end of its audit trail stays on it, and so does what explained it: that says for which `count`.
    pub fn alert(&mut self, alert: &Alert) {
        let (tenant, id) = (alert.tenant_id.clone(), alert.alert_id.clone());
        self.happened.push(Happened::Alert(alert.kind, alert.severity, tenant, id));
        self.alerts.push(alert.clone());
    }

    /// Writes an alert, with the address that the tenant wants to be told at: whoever tells it reads nothing else.
    pub(super) fn write_alert(&mut self, store: &Store, alert: &Alert, email: &str) {
        let key = Key::alert(&alert.tenant_id, &alert.alert_id);
        let about = [
            ("invoice_id", alert.invoice_id.as_ref().map(InvoiceId::as_str)),
            ("payment_id", alert.payment_id.as_ref().map(PaymentId::as_str)),
            ("schedule_id", alert.schedule_id.as_ref().map(ScheduleId::as_str)),
            ("method_id", alert.method_id.as_ref().map(MethodId::as_str)),
        ];
        let about = about.into_iter().filter_map(|(name, id)| Some((name, id?)));
        let names: String = about.clone().map(|(name, _)| format!("{name} = :{name}, ")).collect();
        let values = about.map(|(name, id)| (format!(":{name}"), text(id)));
        let change = "SET kind = :kind, severity = :severity, #status = :open, message = :message, \
                      next_action = :next_action, alert_email = :email, last_seen = :at, \
                      first_seen = if_not_exists(first_seen, :at), open_tenant = :tenant, writer = :writer \
                      REMOVE resolved_tenant, resolved_by, resolved_at, note \
                      ADD #count :one";
        let update = Update::builder()
            .table_name(store.name(key.table))
            .set_key(Some(key.attributes()))
            .update_expression(change.replacen("SET ", &format!("SET {names}"), 1))
            .set_expression_attribute_values(Some(values.collect()))
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":kind", text(alert.kind.as_str()))
            .expression_attribute_values(":severity", text(alert.severity.as_str()))
            .expression_attribute_values(":open", text(AlertStatus::Open.as_str()))
            .expression_attribute_values(":message", text(&alert.message))
            .expression_attribute_values(":next_action", text(&alert.next_action))
            .expression_attribute_values(":email", text(email))
            .expression_attribute_values(":at", text(alert.at.to_string()))
            .expression_attribute_values(":tenant", text(alert.tenant_id.as_str()))
            .expression_attribute_values(":writer", text(&self.writer))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .build();
        let write = update.map(|update| TransactWriteItem::builder().update(update).build());
        self.push(Part::Free, write.map_err(|e| StoreError::unavailable(&e)));
    }

    /// An open alert is resolved, unless it was raised again, or resolved, since it was read. An update: others write
    /// to it without a condition.
    pub fn resolve_alert(&mut self, store: &Store, alert: &Raised, resolution: &AlertResolution) {
        let key = Key::alert(&alert.tenant_id, &alert.alert_id);
        let update = Update::builder()
            .table_name(store.name(key.table))
            .set_key(Some(key.attributes()))
            .update_expression(
                "SET #status = :resolved, resolved_tenant = :tenant, resolved_by = :by, resolved_at = :at, \
                 note = :note, version = :version, audit_head = :head, writer = :writer REMOVE open_tenant",
            )
            .condition_expression("#status = :open AND #count = :count")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":resolved", text(AlertStatus::Resolved.as_str()))
            .expression_attribute_values(":open", text(AlertStatus::Open.as_str()))
            .expression_attribute_values(":count", AttributeValue::N(alert.count.to_string()))
            .expression_attribute_values(":tenant", text(alert.tenant_id.as_str()))
            .expression_attribute_values(":by", text(resolution.resolved_by.as_str()))
            .expression_attribute_values(":at", text(resolution.resolved_at.to_string()))
            .expression_attribute_values(":note", text(&resolution.note))
            .expression_attribute_values(":version", AttributeValue::N(alert.version.to_string()))
            .expression_attribute_values(":head", text(&alert.audit_head))
            .expression_attribute_values(":writer", text(&self.writer))
            .return_values_on_condition_check_failure(OLD)
            .build();
        let write = update.map(|update| TransactWriteItem::builder().update(update).build());
        self.push(Part::Alert, write.map_err(|e| StoreError::unavailable(&e)));
    }

    fn put<T: Serialize>(&mut self, store: &Store, part: Part, key: &Key, value: &T, guard: Guard) {
        let write = item(value).and_then(|mut item| {
            item.extend(key.attributes());
            item.insert("writer".to_owned(), text(&self.writer));
            let put = Put::builder().table_name(store.name(key.table)).set_item(Some(item));
            let put = match guard {
                Guard::Nothing => put,
                Guard::Absent => put
                    .condition_expression("attribute_not_exists(#key)")
                    .expression_attribute_names("#key", key.table.keys().1)
                    .return_values_on_condition_check_failure(OLD),
                Guard::Is(attribute, value) => put
                    .condition_expression("#attribute = :value")
                    .expression_attribute_names("#attribute", attribute)
                    .expression_attribute_values(":value", text(value))
                    .return_values_on_condition_check_failure(OLD),
                Guard::Still(attribute, read) => put
                    .condition_expression("#attribute = :read")
                    .expression_attribute_names("#attribute", attribute)
                    .expression_attribute_values(":read", AttributeValue::N(read.to_string()))
                    .return_values_on_condition_check_failure(OLD),
            };
            let put = put.build().map_err(|e| StoreError::unavailable(&e))?;
            Ok(TransactWriteItem::builder().put(put).build())
        });
        self.push(part, write);
    }

    fn push(&mut self, part: Part, write: Result<TransactWriteItem, StoreError>) {
        match write {
            Ok(write) => self.writes.push((part, write)),
            Err(error) => self.broken = Some(error),
        }
    }
}

fn revised(revision: u64) -> Guard {
    if revision == 1 { Guard::Absent } else { Guard::Still("revision", revision - 1) }
}

fn changed_since(version: u64) -> Guard {
    if version == 0 { Guard::Absent } else { Guard::Still("version", version) }
}

fn item<T: Serialize>(value: &T) -> Result<Item, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_item(value)
        .map_err(|error| StoreError::Malformed { table: "a write", reason: error.to_string() })
}
