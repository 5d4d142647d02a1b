//! The transaction of a change: invoice, payment, refund, the audit entry that says what changed, and the alerts.

use serde_json::{Map, Value, json};

use super::Invocation;
use super::alert::{alert, paid_twice};
use super::schedule::about;
use super::settle::was_paid;
use crate::app::App;
use crate::model::alert::AlertKind;
use crate::model::audit::Audited;
use crate::model::payment::{Failure, PaymentStatus};
use crate::model::refund::RefundStatus;
use crate::model::transition::{Case, Change};
use crate::store::commit::Commit;

/// What is written beside the change itself.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// The audit entry's action.
    pub action: &'a str,
    /// Why, where it is a failure.
    pub why: Option<&'a Failure>,
    /// Further alerts.
    pub alerts: Vec<AlertKind>,
    /// Further members of the audit entry's changes.
    pub more: Map<String, Value>,
}

impl<'a> Told<'a> {
    /// With the action alone.
    #[must_use]
    pub fn action(action: &'a str) -> Self {
        Self { action, why: None, alerts: Vec::new(), more: Map::new() }
    }

    /// With a member that the audit entry says besides.
    #[must_use]
    pub fn saying(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }
}

/// The transaction of a change of what was read as `before`, and the case as it then stands.
#[must_use]
pub fn record(app: &App, invocation: &Invocation, before: &Case, change: Change, told: Told<'_>) -> (Commit, Case) {
    let now = app.clock.now();
    let Change { mut case, alerts } = change;
    let kinds = alerts.into_iter().chain(told.alerts);
    let alerts: Vec<_> = kinds
        .flat_map(|kind| match kind {
            AlertKind::PaidTwice => paid_twice(&case, now).collect(),
            _ => vec![alert(&case, kind, told.why, now)],
        })
        .collect();
    let payment_changed = case.payment != before.payment;
    let refund_changed = case.refund.is_some() && case.refund != before.refund;
    let changes = changes(before, &case, told.why, &alerts.iter().map(|a| (&a.alert_id, a.kind)).collect::<Vec<_>>());
    let changes = Value::Object(changes.into_iter().chain(told.more).collect());

    let mut commit = Commit::default();
    let entry = case.invoice.record(&invocation.actor, told.action, &changes, now);
    commit.invoice(&app.store, &case.invoice, before.invoice.version);
    if payment_changed {
        case.payment.progress.revision += 1;
        commit.payment(&app.store, &case.payment);
    }
    // One whose refund came back is paid again: that was counted when it was paid.
    let is_paid_again = case.payment.status == PaymentStatus::Paid && was_paid(&before.payment);
    if case.payment.status != before.payment.status && !is_paid_again {
        commit.payment_came_to(&case.payment);
    }
    if let Some(refund) = case.refund.as_mut().filter(|_| refund_changed) {
        // One that is not stored yet has its first revision.
        if before.refund.is_some() {
            refund.progress.revision += 1;
        }
        commit.refund(&app.store, refund);
        let came_to = before.refund.as_ref().map(|before| before.status) != Some(refund.status);
        if came_to && refund.status != RefundStatus::Processing {
            commit.refund_came_to(refund, &case.payment);
        }
    }
    if let Some(schedule) = case.schedule.as_mut().filter(|schedule| before.schedule.as_ref() != Some(schedule)) {
        if before.schedule.is_some() {
            schedule.revision += 1;
        }
        commit.schedule(&app.store, schedule);
    }
    commit.entry(&app.store, entry);
    for alert in &alerts {
        commit.alert(alert);
    }
    (commit, case)
}

/// What the audit entry says: old and new of all that differs.
fn changes(
    before: &Case,
    after: &Case,
    why: Option<&Failure>,
    alerts: &[(&crate::id::AlertId, AlertKind)],
) -> Map<String, Value> {
    let mut changes = Map::new();
    let mut say = |name: &str, value: Value| changes.insert(name.to_owned(), value);
    if after.invoice.status != before.invoice.status {
        say("status", json!([before.invoice.status, after.invoice.status]));
    }
    if after.invoice.disputed != before.invoice.disputed {
        say("disputed", json!([before.invoice.disputed, after.invoice.disputed]));
    }
    if after.invoice.current != before.invoice.current {
        say("current_payment", json!([before.invoice.current, after.invoice.current]));
    }
    if after.invoice.also_paid != before.invoice.also_paid {
        say("also_paid", json!([before.invoice.also_paid, after.invoice.also_paid]));
    }
    let mut payment = Map::from_iter([("id".to_owned(), json!(after.payment.id))]);
    differ(&mut payment, "status", &before.payment.status, &after.payment.status);
    differ(&mut payment, "refundable", &before.payment.refundable_minor, &after.payment.refundable_minor);
    differ(&mut payment, "refunds_told", &before.payment.refunds.told, &after.payment.refunds.told);
    differ(&mut payment, "disputed", &before.payment.disputed, &after.payment.disputed);
    differ(&mut payment, "disputes", &before.payment.disputes, &after.payment.disputes);
    payment.extend(after.payment.reference().map(|reference| ("reference".to_owned(), json!(reference))));
    if let Some(refund) = &after.refund {
        let mut about = Map::from_iter([
            ("id".to_owned(), json!(refund.id)),
            ("amount".to_owned(), json!(refund.amount)),
            ("currency".to_owned(), json!(refund.currency)),
        ]);
        let old = before.refund.as_ref().map(|refund| refund.status);
        differ(&mut about, "status", &old, &Some(refund.status));
        about.extend(refund.reference().map(|reference| ("reference".to_owned(), json!(reference))));
        about.extend(refund.reason.map(|reason| ("reason".to_owned(), json!(reason))));
        about.extend(refund.external.then(|| ("external".to_owned(), json!(true))));
        about.extend(why.map(|why| ("failure".to_owned(), json!(why))));
        say("refund", Value::Object(about));
    } else if let Some(why) = why {
        payment.insert("failure".to_owned(), json!(why));
    }
    say("payment", Value::Object(payment));
    if let Some(schedule) = after.schedule.as_ref().filter(|schedule| before.schedule.as_ref() != Some(schedule)) {
        say("schedule", about(before.schedule.as_ref(), schedule));
    }
    if !alerts.is_empty() {
        let alerts: Vec<_> = alerts.iter().map(|(id, kind)| json!({ "id": id, "kind": kind })).collect();
        say("alerts", json!(alerts));
    }
    changes
}

fn differ<T: PartialEq + serde::Serialize>(changes: &mut Map<String, Value>, name: &str, old: &T, new: &T) {
    if old != new {
        changes.insert(name.to_owned(), json!([old, new]));
    }
}
