//! Executing: paying what was promised, on its day, through the same flow as a pay-now.
//!
//! There is no claim and no lease: the reservation is the claim. It takes the schedule `pending → executing` on
//! condition of its revision, and the payment's id comes from schedule and occurrence; two executors at once are safe,
//! and one that is killed leaves an ordinary unsettled payment.

use std::collections::BTreeMap;

use serde_json::json;

use super::alert::schedule_alert;
use super::keys::amount_refusal;
use super::pay::execute;
use super::pay::read::{Freshness, gateway_keys, gateway_of, method_key};
use super::pay::reserve::{Intent, Origin, reserve};
use super::schedule::about;
use super::sync::watch;
use super::{Invocation, Stop};
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::id::{AlertId, UserId};
use crate::model::alert::{Alert, AlertKind};
use crate::model::audit::Audited;
use crate::model::invoice::{Invoice, Kind};
use crate::model::method::{Method, Owner};
use crate::model::payment::{Gateway, PaymentMethod, PaymentStatus};
use crate::model::schedule::{Schedule, ScheduleStatus};
use crate::model::tenant::{Member, Settings};
use crate::model::transition::{Case, wait_for_method};
use crate::policy::pay::{Facts, Plan, decide_due};
use crate::policy::refusal::{Code, Refusal};
use crate::policy::{bank_day, failure};
use crate::secrets::{Keys, SecretError};
use crate::store::commit::{Commit, CommitError};
use crate::store::list::Due;
use crate::store::{Consistency, Cursor, Items, Key};

/// What came of a scheduled payment that was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executed {
    /// Paid.
    Paid,
    /// Its payment is under way.
    Pending,
    /// It is promised for another time.
    Rescheduled,
    /// It waits for a method or for a person.
    Failed,
    /// No time was left to send; it stays due.
    NoTime,
    /// Not due any more: another executor, or its owner, was faster; or it still waits for a method.
    Skipped,
}

/// Everything that decides about a scheduled payment.
struct Ready {
    schedule: Schedule,
    invoice: Option<Invoice>,
    settings: Settings,
    members: BTreeMap<UserId, Member>,
    method: Option<Method>,
    keys: Option<Keys>,
    /// How far Plaid's events are read.
    cursor: Option<Cursor>,
    /// When reading all this began.
    asked_at: Time,
}

impl Ready {
    fn gateway(&self) -> Gateway {
        gateway_of(self.schedule.payment_method, self.invoice.as_ref(), self.method.as_ref(), &self.settings)
    }
}

/// Pays one scheduled payment that is due, unless something stands against it now.
///
/// # Errors
/// The store. It stays due then.
pub async fn execute_due(app: &App, invocation: &Invocation, due: &Due) -> Result<Executed, Stop> {
    for round in 1..=bounds::DECISIONS {
        // What is behind shows when a payment is reserved: then all is read as it is now.
        let consistency = if round == 1 { Consistency::Invoices } else { Consistency::Strong };
        let Some(ready) = read(app, due, consistency).await? else { return Ok(Executed::Skipped) };
        let now = app.clock.now();
        if !ready.schedule.status.is_awaited() || ready.schedule.due_at > now {
            return Ok(Executed::Skipped);
        }
        if let Some(at) = bank_day_of(&ready, now) {
            match wait_for_bank_day(app, invocation, ready.schedule, at).await {
                Err(Stop::Busy) if invocation.wait_for_turn(app, round).await => continue,
                done => return done,
            }
        }
        let gateway = ready.gateway();
        let facts = Facts {
            settings: &ready.settings,
            members: &ready.members,
            invoice: ready.invoice.as_ref(),
            gateway,
            method: ready.method.as_ref(),
            account: ready.keys.as_ref().map(Keys::account),
            amount_refusal: ready.invoice.as_ref().and_then(|invoice| {
                amount_refusal(ready.schedule.payment_method, gateway, invoice.kind, ready.schedule.money())
            }),
            today: now.date_in(&ready.settings.zone()),
            now,
        };
        let done = match decide_due(&ready.schedule, &facts) {
            Ok(plan) if is_worth_trying(&ready) => pay(app, invocation, &ready, &plan).await,
            // Nothing is put off for what may be behind.
            _ if consistency != Consistency::Strong => continue,
            Ok(_) => put_off(app, invocation, &ready, &[]).await,
            Err(refusals) => put_off(app, invocation, &ready, &refusals).await,
        };
        match done {
            Err(Stop::Busy) if invocation.wait_for_turn(app, round).await => {}
            done => return done,
        }
    }
    Err(Stop::Busy)
}

/// When a bank payment goes that is due on a day on which banks rest; `None`: now.
fn bank_day_of(ready: &Ready, now: Time) -> Option<Time> {
    let Schedule { payment_method, scheduled_date, .. } = &ready.schedule;
    if *payment_method != PaymentMethod::Ach {
        return None;
    }
    Some(bank_day::goes_at(*scheduled_date, &ready.settings.zone(), now)).filter(|at| *at > now)
}

/// It is due again on the next bank day. Nothing else changes.
async fn wait_for_bank_day(
    app: &App,
    invocation: &Invocation,
    mut schedule: Schedule,
    at: Time,
) -> Result<Executed, Stop> {
    schedule.due_at = at;
    schedule.revision += 1;
    let mut commit = Commit::default();
    commit.schedule(&app.store, &schedule);
    app.store.commit(commit, invocation.deadline).await?;
    Ok(Executed::Rescheduled)
}

/// One whose method was no good goes on only with a default that was set since. (Naming another ends the wait.) A
/// vendor's bank account is no default: it goes on when it can be used again.
fn is_worth_trying(ready: &Ready) -> bool {
    let to_vendor = ready.invoice.as_ref().is_some_and(|invoice| invoice.kind == Kind::Payable);
    if to_vendor && ready.gateway() == Gateway::Plaid {
        return true;
    }
    let default = ready.method.as_ref().and_then(|method| Some((&method.id, method.default_since?)));
    ready.schedule.waits_since.is_none() || default.is_some_and(|(id, since)| ready.schedule.takes_default(id, since))
}

/// Calls the operator: a secret is there and can't be used. Payments that need it stay due.
///
/// # Errors
/// The store.
pub async fn call_about_secret(
    app: &App,
    invocation: &Invocation,
    by: PaymentMethod,
    error: &SecretError,
) -> Result<(), Stop> {
    let tenant = invocation.tenant();
    let kind = AlertKind::GatewayRejected;
    let (severity, next_action) = failure::next_action(kind);
    let alert = Alert {
        tenant_id: tenant.clone(),
        alert_id: AlertId::of(tenant, kind.as_str(), &format!("secret/{by}")),
        kind,
        severity,
        invoice_id: None,
        payment_id: None,
        schedule_id: None,
        method_id: None,
        message: format!("Scheduled payments can't be made, and stay due: {error}."),
        next_action: next_action.to_owned(),
        at: app.clock.now(),
    };
    let mut commit = Commit::default();
    commit.alert(&alert);
    Ok(app.store.commit(commit, invocation.deadline).await?)
}

/// Everything in one go; a second read for a customer's default method.
async fn read(app: &App, due: &Due, consistency: Consistency) -> Result<Option<Ready>, Stop> {
    let asked_at = app.clock.now();
    let tenant = &due.tenant_id;
    let schedule_key = Key::schedule(tenant, &due.schedule_id);
    let invoice_key = Key::invoice(tenant, &due.invoice_id);
    let settings_key = Key::settings(tenant);
    let mut keys = vec![schedule_key.clone(), invoice_key.clone(), settings_key.clone()];
    keys.extend(due.approved_by.iter().map(|user| Key::member(tenant, user)));
    keys.extend(match (&due.payment_method_id, due.payment_method) {
        (Some(id), _) => Some(Key::method(tenant, id)),
        // Right for payables; a receivable's customer stands in the invoice.
        (None, Some(by)) => Some(Key::default_method(tenant, &Owner::Tenant, by)),
        (None, None) => None,
    });
    let cursor_key = Key::cursor(tenant);
    keys.extend((due.payment_method == Some(PaymentMethod::Ach)).then(|| cursor_key.clone()));
    let mut found = app.store.read(keys.clone(), consistency).await?;
    let Some(schedule) = found.get::<Schedule>(&schedule_key)? else { return Ok(None) };
    let Some(settings) = found.get::<Settings>(&settings_key)? else { return Ok(None) };
    let invoice = found.get::<Invoice>(&invoice_key)?;
    let (by, named) = (schedule.payment_method, schedule.payment_method_id.as_ref());
    let method_key = match &invoice {
        Some(invoice) => method_key(by, invoice, named, &settings),
        None => named.map(|id| Key::method(tenant, id)),
    };
    // The index may be behind: what it did not say is read too.
    let more: Vec<Key> = schedule
        .approved_by
        .iter()
        .map(|user| Key::member(tenant, user))
        .chain(method_key.clone())
        .filter(|key| !keys.contains(key))
        .collect();
    if !more.is_empty() {
        found.extend(app.store.read(more, consistency).await?);
    }
    let method: Option<Method> = method_key.map(|key| found.get(&key)).transpose()?.flatten();
    let members = members(&found, &schedule)?;
    let gateway = gateway_of(by, invoice.as_ref(), method.as_ref(), &settings);
    let mut keys = gateway_keys(app, tenant, gateway, Freshness::Cached).await?;
    let fits = keys.as_ref().zip(method.as_ref()).is_some_and(|(keys, method)| keys.account() == method.account);
    if !fits && consistency == Consistency::Strong {
        // The secret may have been made or changed since it was cached.
        keys = gateway_keys(app, tenant, gateway, Freshness::Anew).await?;
    }
    let cursor = found.get(&cursor_key)?;
    Ok(Some(Ready { schedule, invoice, settings, members, method, keys, cursor, asked_at }))
}

fn members(found: &Items, schedule: &Schedule) -> Result<BTreeMap<UserId, Member>, Stop> {
    let mut members = BTreeMap::new();
    for user in &schedule.approved_by {
        let member = found.get::<Member>(&Key::member(&schedule.tenant_id, user))?;
        members.extend(member.map(|member| (user.clone(), member)));
    }
    Ok(members)
}

async fn pay(app: &App, invocation: &Invocation, ready: &Ready, plan: &Plan) -> Result<Executed, Stop> {
    let (Some(keys), Some(invoice)) = (&ready.keys, &ready.invoice) else {
        return Err(Stop::Impossible("decided without a secret or an invoice"));
    };
    if invocation.gateway_time(app).is_none() {
        return Ok(Executed::NoTime);
    }
    watch(app, invocation, keys, ready.cursor.as_ref()).await?;
    let intent = Intent {
        invoice,
        method: ready.method.as_ref().filter(|_| plan.takes_method),
        payment_method: ready.schedule.payment_method,
        keys,
        plan,
        created_by: &ready.schedule.created_by,
        origin: Origin::Schedule(&ready.schedule),
    };
    let case = match reserve(app, invocation, &intent).await {
        Ok(case) => case,
        Err(CommitError::Conflict(_)) => return Err(Stop::Busy),
        Err(error) => return Err(error.into()),
    };
    let (case, _) = execute(app, invocation, case, keys.clone()).await;
    Ok(outcome(&case))
}

fn outcome(case: &Case) -> Executed {
    match (case.payment.status, case.schedule.as_ref().map(|schedule| schedule.status)) {
        (PaymentStatus::Processing | PaymentStatus::RequiresAction, _) => Executed::Pending,
        (PaymentStatus::Failed | PaymentStatus::Canceled, Some(ScheduleStatus::Pending)) => Executed::Rescheduled,
        (PaymentStatus::Failed | PaymentStatus::Canceled, _) => Executed::Failed,
        _ => Executed::Paid,
    }
}

/// Something stands against it: it waits for another method, where that is all, or for a person. Nothing was sent.
async fn put_off(app: &App, invocation: &Invocation, ready: &Ready, refusals: &[Refusal]) -> Result<Executed, Stop> {
    let now = app.clock.now();
    // A default that was not in the books yet when they were read is another one, also where the request that sets it
    // had begun before: it has the time of its beginning. None takes longer than a request may.
    let waits_since = ready.asked_at.minus(bounds::REQUEST_TIME);
    let Some(invoice) = &ready.invoice else { return Err(Stop::Impossible("a schedule without its invoice")) };
    let mut schedule = ready.schedule.clone();
    schedule.revision += 1;
    let mut commit = Commit::default();
    let for_method = refusals.iter().all(|refusal| is_about_method(refusal.code));
    if ready.schedule.status == ScheduleStatus::AwaitingMethod && for_method {
        // It still waits; somebody has been called.
        wait_for_method(&mut schedule, now.plus(bounds::DAILY), waits_since);
        commit.schedule(&app.store, &schedule);
        app.store.commit(commit, invocation.deadline).await?;
        return Ok(Executed::Skipped);
    }
    let kind = if for_method {
        wait_for_method(&mut schedule, now.plus(bounds::DAILY), waits_since);
        AlertKind::PaymentMethodInvalid
    } else {
        schedule.become_(ScheduleStatus::InReview);
        AlertKind::ScheduleStopped
    };
    let alert = schedule_alert(&schedule, kind, refusals, now);
    let codes: Vec<&str> = refusals.iter().map(|refusal| refusal.code.as_str()).collect();
    let changes = json!({ "schedule": about(Some(&ready.schedule), &schedule), "codes": codes,
                          "alerts": [{ "id": alert.alert_id, "kind": alert.kind }] });
    let mut after = invoice.clone();
    let entry = after.record(&invocation.actor, "put_off", &changes, now);
    commit.invoice(&app.store, &after, invoice.version);
    commit.schedule(&app.store, &schedule);
    commit.entry(&app.store, entry);
    commit.alert(&alert);
    app.store.commit(commit, invocation.deadline).await?;
    Ok(Executed::Failed)
}

fn is_about_method(code: Code) -> bool {
    matches!(
        code,
        Code::PaymentMethodRequired
            | Code::PaymentMethodInactive
            | Code::PaymentMethodBlocked
            | Code::PaymentMethodMismatch
    )
}
