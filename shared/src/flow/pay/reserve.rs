//! The reservation of a payment: the intent is written down, and with it the only right to send is taken.

use serde_json::json;

use super::PayOrder;
use crate::app::App;
use crate::flow::Invocation;
use crate::flow::keys::api_version;
use crate::gateway::paypal::order::Source;
use crate::id::{PaymentId, UserId};
use crate::model::audit::{Audited, Entry};
use crate::model::invoice::{Approval, Invoice, InvoiceStatus};
use crate::model::method::{Method, MethodKind};
use crate::model::movement::Progress;
use crate::model::payment::{Disputes, Frozen, Gateway, Payment, PaymentMethod, PaymentStatus, Refunds};
use crate::model::schedule::{Schedule, ScheduleStatus};
use crate::model::transition::Case;
use crate::policy::pay::Plan;
use crate::secrets::Keys;
use crate::store::commit::{Commit, CommitError};

/// All that a reservation freezes.
pub(in crate::flow) struct Intent<'a> {
    /// As it was read; version 0: it is made with the payment.
    pub invoice: &'a Invoice,
    /// What is charged; nothing, where the tenant's balance at the gateway pays.
    pub method: Option<&'a Method>,
    pub payment_method: PaymentMethod,
    pub keys: &'a Keys,
    pub plan: &'a Plan,
    pub created_by: &'a UserId,
    pub origin: Origin<'a>,
}

/// What asked for a payment.
#[derive(Clone, Copy)]
pub(in crate::flow) enum Origin<'a> {
    /// A request.
    Request(&'a PayOrder),
    /// A scheduled payment that is due.
    Schedule(&'a Schedule),
}

/// Writes the intent down: invoice `approved → paying`, or `scheduled → paying` with its schedule; payment `processing`;
/// audit.
pub(in crate::flow) async fn reserve(
    app: &App,
    invocation: &Invocation,
    intent: &Intent<'_>,
) -> Result<Case, CommitError> {
    let now = app.clock.now();
    let tenant = invocation.tenant();
    let Intent { method, keys, plan, .. } = intent;
    let read_version = intent.invoice.version;
    let before = intent.invoice.status;
    let mut invoice = intent.invoice.clone();
    let mut commit = Commit::default();
    let mut entries = made(app, invocation, &mut commit, &mut invoice, plan);
    invoice.attempts += 1;
    let (id, fingerprint, schedule) = match intent.origin {
        Origin::Request(order) => {
            let id = match &order.key {
                Some(key) => PaymentId::keyed(tenant, key),
                None => PaymentId::attempt(tenant, &invoice.invoice_id, invoice.attempts),
            };
            (id, order.fingerprint.clone(), None)
        }
        Origin::Schedule(schedule) => {
            let id = PaymentId::occurrence(tenant, &schedule.id, schedule.occurrence());
            let mut schedule = schedule.clone();
            schedule.payments.push(id.clone());
            schedule.become_(ScheduleStatus::Executing);
            schedule.revision += 1;
            commit.schedule(&app.store, &schedule);
            (id, schedule.fingerprint.clone(), Some(schedule))
        }
    };
    let payment = Payment {
        tenant_id: tenant.clone(),
        id: id.clone(),
        invoice_id: invoice.invoice_id.clone(),
        schedule_id: schedule.as_ref().map(|schedule| schedule.id.clone()),
        status: PaymentStatus::Processing,
        amount: invoice.amount,
        currency: invoice.currency,
        payment_method: intent.payment_method,
        payment_method_id: method.map(|method| method.id.clone()),
        own_balance: plan.own_balance,
        frozen: Frozen {
            gateway: keys.gateway(),
            account: keys.account().to_owned(),
            api_version: api_version(keys.gateway()).to_owned(),
            customer: method.map(|method| method.customer.clone()).unwrap_or_default(),
            method: method.map(sent_as).unwrap_or_default(),
            mandate: None,
            destination: plan.destination.clone(),
            description: description(&invoice),
        },
        approved_by: plan.approved_by.clone(),
        created_by: intent.created_by.clone(),
        created_at: now,
        paid_at: None,
        fingerprint,
        failure: None,
        gateway_ref: None,
        order_id: None,
        refundable_minor: 0,
        refunds: Refunds::default(),
        disputed: false,
        disputes: Disputes::default(),
        progress: Progress::reserved(tenant, now),
    };
    let before = if read_version == 0 { InvoiceStatus::Approved } else { before };
    invoice.status = InvoiceStatus::Paying;
    invoice.current = Some(id.clone());
    invoice.payments.push(id);
    let mut changes = json!({
        "status": [before, "paying"],
        "payment": { "id": payment.id, "status": [null, "processing"], "amount": payment.amount,
                     "currency": payment.currency, "payment_method": payment.payment_method,
                     "payment_method_id": payment.payment_method_id, "approved_by": payment.approved_by },
    });
    if let (Some(schedule), Some(members)) = (&schedule, changes.as_object_mut()) {
        members.insert("schedule".to_owned(), json!({ "id": schedule.id, "status": schedule.status }));
    }
    entries.push(invoice.record(&invocation.actor, "pay", &changes, now));
    commit.invoice(&app.store, &invoice, read_version);
    commit.payment(&app.store, &payment);
    for entry in entries {
        commit.entry(&app.store, entry);
    }
    app.store.commit(commit, invocation.deadline).await?;
    Ok(Case { invoice, payment, refund: None, schedule })
}

/// An invoice that is made by what pays it, created and approved in the same step; nothing where it is there already.
pub(in crate::flow) fn made(
    app: &App,
    invocation: &Invocation,
    commit: &mut Commit,
    invoice: &mut Invoice,
    plan: &Plan,
) -> Vec<Entry> {
    if invoice.version > 0 {
        return Vec::new();
    }
    let now = app.clock.now();
    let created = invoice.record(&invocation.actor, "create", &crate::flow::invoice::created(invoice), now);
    invoice.approvals = plan.approved_by.iter().map(|user| Approval { user_id: user.clone(), at: now }).collect();
    let approved = json!({ "status": ["draft", "approved"], "approved_by": plan.approved_by });
    let approved = invoice.record(&invocation.actor, "approve", &approved, now);
    commit.take_bill(&app.store, invoice, false);
    vec![created, approved]
}

/// What a method is called in requests: PayPal wants to know what it draws on.
fn sent_as(method: &Method) -> String {
    match (method.gateway, method.kind) {
        (Gateway::Stripe, _) => method.reference.clone(),
        (Gateway::Paypal, MethodKind::Card) => Source::Card.frozen(&method.reference),
        (Gateway::Paypal, _) => Source::Paypal.frozen(&method.reference),
    }
}

/// What statements say.
fn description(invoice: &Invoice) -> String {
    match &invoice.description {
        Some(description) => description.clone(),
        None => format!("Invoice {} - {}", invoice.invoice_number, invoice.counterparty.name),
    }
}
