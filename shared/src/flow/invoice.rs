//! Invoices: entered once, approved by the right people, void only while nothing was paid.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::recover::touch_payment;
use super::schedule::about;
use super::settings::no_tenant;
use super::{Invocation, Stop, permitted, require};
use crate::app::App;
use crate::bounds;
use crate::id::{InvoiceId, fingerprint};
use crate::model::audit::{Audited, Entry, Head, is_intact};
use crate::model::invoice::{Counterparty, Draft, Invoice, InvoiceStatus, Kind};
use crate::model::payment::Payment;
use crate::model::schedule::{Schedule, ScheduleStatus};
use crate::model::tenant::{Member, Settings};
use crate::money::Money;
use crate::policy::approval::{self, Approved};
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;
use crate::store::commit::{Commit, CommitError, Part};
use crate::store::{Bill, Consistency, Items, Key, Table};

/// An invoice to enter.
#[derive(Clone, Debug)]
pub struct InvoiceOrder {
    /// Chosen by the client; else from the key, else new.
    pub invoice_id: Option<InvoiceId>,
    /// The client's idempotency key.
    pub key: Option<String>,
    /// For people; else the id.
    pub invoice_number: Option<String>,
    /// Which way the money goes.
    pub kind: Kind,
    /// The other side.
    pub counterparty: Counterparty,
    /// What is owed.
    pub money: Money,
    /// `YYYY-MM-DD`.
    pub due_date: Option<String>,
    /// Beside another invoice for the same bill.
    pub allow_duplicate: bool,
    /// Of the request.
    pub fingerprint: String,
}

/// What the first audit entry of an invoice says.
#[must_use]
pub fn created(invoice: &Invoice) -> Value {
    json!({
        "status": [null, "draft"], "invoice_number": invoice.invoice_number, "kind": invoice.kind,
        "amount": invoice.amount, "currency": invoice.currency,
        // Names and addresses stay out of the trail; the hash binds them.
        "counterparty": fingerprint(&[&serde_json::to_string(&invoice.counterparty).unwrap_or_default()]),
    })
}

/// Enters an invoice; `true`: the same request had entered it before.
///
/// # Errors
/// `invoice_exists`, `duplicate_invoice`, `idempotency_key_reused`, or the store.
pub async fn create(app: &App, invocation: &Invocation, order: &InvoiceOrder) -> Result<(Invoice, bool), Stop> {
    require(app, invocation, Permission::InvoicesWrite).await?;
    let tenant = invocation.tenant();
    let now = app.clock.now();
    let from_key = order.invoice_id.is_none().then_some(order.key.as_deref()).flatten();
    let id = match (&order.invoice_id, from_key) {
        (Some(id), _) => id.clone(),
        (None, Some(key)) => InvoiceId::keyed(tenant, key),
        (None, None) => InvoiceId::new(now),
    };
    let mut invoice = Invoice::enter(Draft {
        tenant_id: tenant.clone(),
        invoice_id: id,
        invoice_number: order.invoice_number.clone(),
        kind: order.kind,
        counterparty: order.counterparty.clone(),
        money: order.money,
        due_date: order.due_date.clone(),
        description: None,
        created_by: invocation.actor.user_id.clone(),
        created_at: now,
        fingerprint: order.fingerprint.clone(),
    });
    let entry = invoice.record(&invocation.actor, "create", &created(&invoice), now);
    let mut commit = Commit::default();
    commit.invoice(&app.store, &invoice, 0);
    commit.take_bill(&app.store, &invoice, order.allow_duplicate);
    commit.entry(&app.store, entry);
    let error = match app.store.commit(commit, invocation.deadline).await {
        Ok(()) => return Ok((invoice, false)),
        Err(error) => error,
    };
    if !matches!(error, CommitError::Conflict(_)) {
        return Err(error.into());
    }
    let bill_key = Key::new(Table::Invoices, tenant, invoice.bill_key());
    let invoice_key = Key::invoice(tenant, &invoice.invoice_id);
    let found = app.store.read([invoice_key.clone(), bill_key.clone()], Consistency::Strong).await?;
    if let Some(existing) = found.get::<Invoice>(&invoice_key)? {
        return match (existing.fingerprint == order.fingerprint, from_key) {
            (true, _) => Ok((existing, true)),
            (false, Some(_)) => Err(Stop::refused(Refusal::new(
                Code::IdempotencyKeyReused,
                "The Idempotency-Key was used for another request; use a new one for another invoice.",
            ))),
            (false, None) => {
                let detail = format!("There is another invoice {}; choose another id.", invoice.invoice_id);
                Err(Stop::refused(Refusal::field(Code::InvoiceExists, "invoice_id", detail)))
            }
        };
    }
    if error.is_on(Part::Bill) {
        let holder = found.get::<Bill>(&bill_key)?.and_then(|bill| bill.holders.into_iter().next());
        let other = holder.map_or_else(|| "another invoice".to_owned(), |id| format!("invoice {id}"));
        let detail = format!(
            "{} of {} is entered already as {other}; void that one, or send allow_duplicate: true if it is another bill.",
            invoice.invoice_number, invoice.counterparty.name
        );
        return Err(Stop::refused(Refusal::field(Code::DuplicateInvoice, "invoice_number", detail)));
    }
    Err(Stop::Busy)
}

/// Approves an invoice, or notes one of two approvals.
///
/// # Errors
/// What stands against it, all of it.
pub async fn approve(app: &App, invocation: &Invocation, id: &InvoiceId) -> Result<Invoice, Stop> {
    let tenant = invocation.tenant();
    let approvers = |invoice: &Invoice| {
        invoice.approvals.iter().map(|approval| Key::member(tenant, &approval.user_id)).collect::<Vec<_>>()
    };
    change(app, invocation, id, approvers, |caller, settings, invoice, found| {
        let now = app.clock.now();
        let before = invoice.status;
        let mut members = BTreeMap::new();
        for key in approvers(invoice) {
            members.extend(found.get::<Member>(&key)?.map(|member| (member.user_id.clone(), member)));
        }
        match approval::approve(invoice, caller, &members, settings, now).map_err(Stop::Refused)? {
            Approved::Unchanged => return Ok(None),
            Approved::Partly(approvals) => invoice.approvals = approvals,
            Approved::Fully(approvals) => {
                invoice.approvals = approvals;
                invoice.status = InvoiceStatus::Approved;
            }
        }
        let changes = json!({ "status": [before, invoice.status], "approved_by": caller.user_id,
                              "approvals": invoice.approvals.len() });
        let entry = invoice.record(&invocation.actor, "approve", &changes, now);
        Ok(Some(Changed { entry, freed: None, canceled: None }))
    })
    .await
}

/// Voids an invoice that nothing was paid on, and frees its bill. What was promised for it is called off.
///
/// # Errors
/// What stands against it.
pub async fn void(app: &App, invocation: &Invocation, id: &InvoiceId) -> Result<Invoice, Stop> {
    let tenant = invocation.tenant();
    let bill = |invoice: &Invoice| Key::new(Table::Invoices, tenant, invoice.bill_key());
    change(
        app,
        invocation,
        id,
        |invoice| {
            let schedule = invoice.schedule_id.as_ref().map(|id| Key::schedule(tenant, id));
            [bill(invoice)].into_iter().chain(schedule).collect()
        },
        |_, _, invoice, found| {
            let before = invoice.status;
            match before {
                InvoiceStatus::Void => return Ok(None),
                InvoiceStatus::Draft | InvoiceStatus::Approved | InvoiceStatus::Scheduled => {}
                _ => return Err(Stop::Refused(approval::not_payable(invoice).into_iter().collect())),
            }
            invoice.status = InvoiceStatus::Void;
            let mut changes = json!({ "status": [before, "void"] });
            let promised = invoice.schedule_id.take().map(|id| found.get::<Schedule>(&Key::schedule(tenant, &id)));
            let mut canceled = promised.transpose()?.flatten().filter(|schedule| schedule.status.is_open());
            if let (Some(schedule), Some(members)) = (&mut canceled, changes.as_object_mut()) {
                let was = schedule.clone();
                schedule.become_(ScheduleStatus::Canceled);
                schedule.revision += 1;
                members.insert("schedule".to_owned(), about(Some(&was), schedule));
            }
            let entry = invoice.record(&invocation.actor, "void", &changes, app.clock.now());
            let freed = Some(found.get(&bill(invoice))?.unwrap_or_default());
            Ok(Some(Changed { entry, freed, canceled }))
        },
    )
    .await
}

struct Changed {
    entry: Entry,
    /// The bill that the invoice gives back, as it was read.
    freed: Option<Bill>,
    /// The scheduled payment that is called off.
    canceled: Option<Schedule>,
}

/// Reads the invoice and what else is `needed`, decides and commits, again while others change the same.
async fn change(
    app: &App,
    invocation: &Invocation,
    id: &InvoiceId,
    needed: impl Fn(&Invoice) -> Vec<Key>,
    decide: impl Fn(&Member, &Settings, &mut Invoice, &Items) -> Result<Option<Changed>, Stop>,
) -> Result<Invoice, Stop> {
    let tenant = invocation.tenant();
    let keys = [Key::member(tenant, &invocation.actor.user_id), Key::settings(tenant), Key::invoice(tenant, id)];
    let mut looked_up = false;
    for round in 1..=bounds::DECISIONS {
        let mut found = app.store.read(keys.clone(), Consistency::Strong).await?;
        let [member_key, settings_key, invoice_key] = &keys;
        let caller = permitted(found.get(member_key)?, Permission::InvoicesApprove)?;
        let Some(settings) = found.get::<Settings>(settings_key)? else { return Err(no_tenant()) };
        let Some(before) = found.get::<Invoice>(invoice_key)? else { return Err(not_found(id)) };
        if before.status == InvoiceStatus::Paying && !looked_up {
            looked_up = true;
            look_up_current(app, invocation, &before).await?;
            continue;
        }
        let mut invoice = before.clone();
        let needed = needed(&invoice);
        if !needed.is_empty() {
            found.extend(app.store.read(needed, Consistency::Strong).await?);
        }
        let Some(changed) = decide(&caller, &settings, &mut invoice, &found)? else { return Ok(before) };
        let mut commit = Commit::default();
        commit.invoice(&app.store, &invoice, before.version);
        if let Some(bill) = &changed.freed {
            commit.release_bill(&app.store, &invoice, bill);
        }
        if let Some(schedule) = &changed.canceled {
            commit.schedule(&app.store, schedule);
        }
        commit.entry(&app.store, changed.entry);
        match app.store.commit(commit, invocation.deadline).await {
            Ok(()) => return Ok(invoice),
            Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round).await => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Busy)
}

async fn look_up_current(app: &App, invocation: &Invocation, invoice: &Invoice) -> Result<(), Stop> {
    if let Some(id) = &invoice.current
        && let Some(payment) = app.store.get::<Payment>(&Key::payment(&invoice.tenant_id, id)).await?
    {
        touch_payment(app, invocation, payment).await?;
    }
    Ok(())
}

/// Reads an invoice; one that is being paid has its payment looked up first.
///
/// # Errors
/// `invoice_not_found`, or the store.
pub async fn read(app: &App, invocation: &Invocation, id: &InvoiceId) -> Result<Invoice, Stop> {
    require(app, invocation, Permission::InvoicesRead).await?;
    let key = Key::invoice(invocation.tenant(), id);
    let invoice = app.store.get::<Invoice>(&key).await?.ok_or_else(|| not_found(id))?;
    if invoice.status != InvoiceStatus::Paying {
        return Ok(invoice);
    }
    look_up_current(app, invocation, &invoice).await?;
    app.store.get(&key).await?.ok_or_else(|| not_found(id))
}

/// An invoice's audit trail.
#[derive(Clone, Debug)]
pub struct Trail {
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// Whether nothing was removed, edited or overwritten.
    pub intact: bool,
}

/// Reads an invoice's audit trail and checks its chain.
///
/// # Errors
/// `invoice_not_found`, or the store.
pub async fn trail(app: &App, invocation: &Invocation, id: &InvoiceId) -> Result<Trail, Stop> {
    require(app, invocation, Permission::AuditRead).await?;
    let key = Key::invoice(invocation.tenant(), id);
    let mut head: Option<Head> = None;
    for _ in 0..bounds::DECISIONS {
        let invoice = app.store.get::<Invoice>(&key).await?.ok_or_else(|| not_found(id))?;
        let now = invoice.head();
        let entries = app.store.trail(&invoice.entity().key(invocation.tenant())).await?;
        let intact = is_intact(&entries, &now);
        // A change between the two reads looks like a broken chain: only a head that stays is judged.
        if intact || head.as_ref() == Some(&now) {
            return Ok(Trail { entries, intact });
        }
        head = Some(now);
    }
    Err(Stop::Busy)
}

/// There is no such invoice in the caller's tenant.
#[must_use]
pub fn not_found(id: &InvoiceId) -> Stop {
    Stop::refused(Refusal::new(Code::InvoiceNotFound, format!("There is no invoice {id}.")))
}
