//! Scheduled payments: promised, listed, put off, called off. `flow/execute.rs` keeps the promise.

use jiff::civil::Date;
use serde_json::json;

use super::pay::PayOrder;
use super::pay::read::{Read, gateway_of};
use super::pay::reserve::made;
use super::settings::no_tenant;
use super::{Invocation, Stop, permitted};
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::id::{MethodId, ScheduleId};
use crate::model::audit::Audited;
use crate::model::invoice::{Invoice, InvoiceStatus};
use crate::model::method::Method;
use crate::model::payment::Payment;
use crate::model::schedule::{Schedule, ScheduleStatus};
use crate::model::tenant::Settings;
use crate::policy::pay::{Plan, against_date, against_named};
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;
use crate::policy::route::default_owner;
use crate::store::commit::{Commit, CommitError};
use crate::store::{Consistency, Key};

/// Promises to pay: the invoice becomes `scheduled`.
pub(super) async fn promise(
    app: &App,
    invocation: &Invocation,
    order: &PayOrder,
    read: &Read,
    invoice: &Invoice,
    plan: &Plan,
    date: Date,
) -> Result<Schedule, CommitError> {
    let now = app.clock.now();
    let tenant = invocation.tenant();
    let read_version = invoice.version;
    let mut invoice = invoice.clone();
    let mut commit = Commit::default();
    let mut entries = made(app, invocation, &mut commit, &mut invoice, plan);
    invoice.attempts += 1;
    let id = match &order.key {
        Some(key) => ScheduleId::keyed(tenant, key),
        None => ScheduleId::attempt(tenant, &invoice.invoice_id, invoice.attempts),
    };
    let mut schedule = Schedule {
        tenant_id: tenant.clone(),
        id,
        invoice_id: invoice.invoice_id.clone(),
        status: ScheduleStatus::Pending,
        scheduled_date: date,
        due_at: Time::start_of(date, &read.settings.zone()),
        due_shard: None,
        amount: invoice.amount,
        currency: invoice.currency,
        payment_method: order.request.payment_method,
        payment_method_id: order.request.payment_method_id.clone(),
        approved_by: plan.approved_by.clone(),
        created_by: invocation.actor.user_id.clone(),
        created_at: now,
        fingerprint: order.fingerprint.clone(),
        payments: Vec::new(),
        retries: 0,
        outages: 0,
        waits_since: None,
        refused_default: None,
        failure: None,
        revision: 1,
    };
    schedule.become_(ScheduleStatus::Pending);
    invoice.status = InvoiceStatus::Scheduled;
    invoice.schedule_id = Some(schedule.id.clone());
    let changes = json!({ "status": ["approved", "scheduled"], "schedule": about(None, &schedule) });
    entries.push(invoice.record(&invocation.actor, "schedule", &changes, now));
    commit.invoice(&app.store, &invoice, read_version);
    commit.schedule(&app.store, &schedule);
    for entry in entries {
        commit.entry(&app.store, entry);
    }
    app.store.commit(commit, invocation.deadline).await?;
    Ok(schedule)
}

/// What an audit entry says of a scheduled payment.
pub(super) fn about(before: Option<&Schedule>, after: &Schedule) -> serde_json::Value {
    json!({
        "id": after.id, "status": [before.map(|before| before.status), after.status],
        "scheduled_date": after.scheduled_date, "due_at": after.due_at, "payment_method": after.payment_method,
        "payment_method_id": after.payment_method_id, "approved_by": after.approved_by,
    })
}

/// The promise that the failure of a payment led to.
pub(super) async fn led_to(app: &App, payment: &Payment) -> Result<Option<Schedule>, Stop> {
    if payment.failure.is_none() {
        return Ok(None);
    }
    let tenant = &payment.tenant_id;
    let id = payment.schedule_id.clone().unwrap_or_else(|| ScheduleId::retry(tenant, &payment.id));
    Ok(app.store.get(&Key::schedule(tenant, &id)).await?)
}

/// The tenant's scheduled payment, as it is now.
///
/// # Errors
/// `scheduled_payment_not_found`, or the store.
pub async fn find(app: &App, invocation: &Invocation, id: &ScheduleId) -> Result<Schedule, Stop> {
    app.store.get(&Key::schedule(invocation.tenant(), id)).await?.ok_or_else(|| not_found(id))
}

fn not_found(id: &ScheduleId) -> Stop {
    Stop::refused(Refusal::new(Code::ScheduledPaymentNotFound, format!("There is no scheduled payment {id}.")))
}

/// What is to change of a scheduled payment.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Another date or method, or both.
    Change {
        /// The date.
        date: Option<Date>,
        /// The method.
        method: Option<MethodId>,
    },
    /// It is called off, and its invoice is approved again.
    Cancel,
}

/// Changes or cancels a scheduled payment, until it executes.
///
/// # Errors
/// `schedule_executing`, `schedule_closed`, what stands against the date or the method, or the store.
pub async fn change(app: &App, invocation: &Invocation, id: &ScheduleId, wanted: &Wanted) -> Result<Schedule, Stop> {
    let tenant = invocation.tenant();
    let caller_key = Key::member(tenant, &invocation.actor.user_id);
    let (schedule_key, settings_key) = (Key::schedule(tenant, id), Key::settings(tenant));
    let method_key = match wanted {
        Wanted::Change { method: Some(method), .. } => Some(Key::method(tenant, method)),
        _ => None,
    };
    for round in 1..=bounds::DECISIONS {
        let keys = [caller_key.clone(), schedule_key.clone(), settings_key.clone()].into_iter();
        let found = app.store.read(keys.chain(method_key.clone()), Consistency::Strong).await?;
        permitted(found.get(&caller_key)?, Permission::PaymentsCreate)?;
        let before: Schedule = found.get(&schedule_key)?.ok_or_else(|| not_found(id))?;
        let Some(settings) = found.get::<Settings>(&settings_key)? else { return Err(no_tenant()) };
        let invoice_key = Key::invoice(tenant, &before.invoice_id);
        let invoice: Invoice =
            app.store.get(&invoice_key).await?.ok_or(Stop::Impossible("a schedule without its invoice"))?;
        let method = method_key.as_ref().map(|key| found.get::<Method>(key)).transpose()?.flatten();
        let Some(after) = decided(app, &before, &invoice, &settings, method.as_ref(), wanted)? else {
            return Ok(before);
        };
        let (commit, after) = changed(app, invocation, &invoice, &before, after);
        match app.store.commit(commit, invocation.deadline).await {
            Ok(()) => return Ok(after),
            Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round).await => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Busy)
}

/// What a change makes of it; `None`: it is so already.
fn decided(
    app: &App,
    before: &Schedule,
    invoice: &Invoice,
    settings: &Settings,
    method: Option<&Method>,
    wanted: &Wanted,
) -> Result<Option<Schedule>, Stop> {
    let now = app.clock.now();
    let refused = |code, detail: String| {
        Stop::refused(Refusal::new(code, detail).with("schedule_status", before.status.as_str()))
    };
    if matches!(wanted, Wanted::Cancel) && before.status == ScheduleStatus::Canceled {
        return Ok(None);
    }
    if before.status == ScheduleStatus::Executing {
        let detail =
            format!("{} is being executed; its payment can be canceled: POST /payments/{{id}}/cancel.", before.id);
        return Err(refused(Code::ScheduleExecuting, detail));
    }
    if !before.status.is_open() {
        return Err(refused(Code::ScheduleClosed, format!("{} is {}.", before.id, before.status)));
    }
    let mut after = before.clone();
    let Wanted::Change { date, method: named } = wanted else {
        after.become_(ScheduleStatus::Canceled);
        return Ok(Some(after));
    };
    let today = now.date_in(&settings.zone());
    if let Some(date) = date {
        let mut refusals = Vec::new();
        against_date(*date, today, &mut refusals);
        if !refusals.is_empty() {
            return Err(Stop::Refused(refusals));
        }
        after.scheduled_date = *date;
        after.due_at = Time::start_of(*date, &settings.zone());
        // A person has looked at it.
        (after.retries, after.outages) = (0, 0);
        after.become_(ScheduleStatus::Pending);
    }
    if let Some(id) = named {
        let gateway = gateway_of(before.payment_method, Some(invoice), method, settings);
        let refusals = against_named(invoice, before.payment_method, gateway, id, method, now);
        if !refusals.is_empty() {
            return Err(Stop::Refused(refusals));
        }
        after.payment_method_id = Some(id.clone());
        after.waits_no_more();
        if before.status == ScheduleStatus::AwaitingMethod {
            after.due_at = if date.is_some() { after.due_at } else { now };
            after.become_(ScheduleStatus::Pending);
        }
    }
    Ok((after != *before).then_some(after))
}

/// The transaction of a change, and the schedule as it then stands.
fn changed(
    app: &App,
    invocation: &Invocation,
    invoice_before: &Invoice,
    before: &Schedule,
    mut after: Schedule,
) -> (Commit, Schedule) {
    let mut invoice = invoice_before.clone();
    after.revision += 1;
    let action = if after.status == ScheduleStatus::Canceled { "cancel_schedule" } else { "change_schedule" };
    let mut changes = json!({ "schedule": about(Some(before), &after) });
    if after.status == ScheduleStatus::Canceled && invoice.schedule_id.as_ref() == Some(&after.id) {
        invoice.status = InvoiceStatus::Approved;
        invoice.schedule_id = None;
        if let Some(members) = changes.as_object_mut() {
            members.insert("status".to_owned(), json!([invoice_before.status, invoice.status]));
        }
    }
    let entry = invoice.record(&invocation.actor, action, &changes, app.clock.now());
    let mut commit = Commit::default();
    commit.invoice(&app.store, &invoice, invoice_before.version);
    commit.schedule(&app.store, &after);
    commit.entry(&app.store, entry);
    (commit, after)
}

/// A valid default method was set: scheduled payments of its owner that wait for one are due at once. Best effort: what
/// is missed here is found when it is looked at daily.
pub(super) async fn wake(app: &App, invocation: &Invocation, method: &Method) {
    if !method.status_at(app.clock.now()).is_usable() {
        return;
    }
    if let Err(error) = wake_all(app, invocation, method).await {
        tracing::warn!(%error, "scheduled payments that wait for a method are left to their daily look");
    }
}

async fn wake_all(app: &App, invocation: &Invocation, method: &Method) -> Result<(), Stop> {
    let now = app.clock.now();
    let tenant = invocation.tenant();
    let due = app.store.due_of(tenant, now, now.plus(bounds::DAILY)).await?;
    let keys: Vec<Key> = due.iter().map(|id| Key::schedule(tenant, id)).collect();
    let found = app.store.read(keys.clone(), Consistency::Strong).await?;
    let mut waiting: Vec<Schedule> = Vec::new();
    for key in &keys {
        waiting.extend(found.get::<Schedule>(key)?.filter(|schedule| {
            schedule.status == ScheduleStatus::AwaitingMethod && schedule.payment_method == method.serves()
        }));
    }
    let invoice_key = |schedule: &Schedule| Key::invoice(tenant, &schedule.invoice_id);
    let invoices = app.store.read(waiting.iter().map(invoice_key), Consistency::Strong).await?;
    for mut schedule in waiting {
        if app.clock.now().plus(bounds::SETTLE_RESERVE) >= invocation.deadline {
            break;
        }
        let invoice = invoices.get::<Invoice>(&invoice_key(&schedule))?;
        let owner = invoice.and_then(|invoice| default_owner(invoice.kind, &invoice.counterparty));
        if owner.as_ref() != Some(&method.owner) {
            continue;
        }
        schedule.due_at = now;
        schedule.revision += 1;
        let mut commit = Commit::default();
        commit.schedule(&app.store, &schedule);
        match app.store.commit(commit, invocation.deadline).await {
            // Whoever changed it has looked at it.
            Ok(()) | Err(CommitError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
