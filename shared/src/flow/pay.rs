//! Paying: read, decide, reserve, send, settle.
//!
//! The reservation is the lock: the payment's id comes from the request, and its conditional put succeeds once, for
//! ever. Only the execution that made it sends at first.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::recover::touch_payment;
use super::send::{Sent, send};
use super::settings::no_tenant;
use super::settle::{Finding, Pace, Source, reread, settle};
use super::{Invocation, Stop, permitted};
use crate::app::App;
use crate::bounds;
use crate::gateway::stripe::{self, amount};
use crate::id::{InvoiceId, PaymentId, UserId};
use crate::model::alert::RunAction;
use crate::model::audit::{Audited, Entry};
use crate::model::invoice::{Approval, Draft, Invoice, InvoiceStatus};
use crate::model::method::{Method, Owner, default_key};
use crate::model::movement::Progress;
use crate::model::payment::{Disputes, Frozen, Gateway, Payment, PaymentMethod, PaymentStatus, Refunds};
use crate::model::tenant::{Member, Settings};
use crate::model::transition::Case;
use crate::policy::approval;
use crate::policy::pay::{Facts, PayRequest, Plan, Target, decide, default_owner};
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;
use crate::secrets::{SecretError, StripeSecret};
use crate::store::commit::{Commit, CommitError};
use crate::store::{Consistency, Key, Table};

/// A pay request with what tells it from others.
#[derive(Clone, Debug)]
pub struct PayOrder {
    /// What is asked.
    pub request: PayRequest,
    /// The client's idempotency key.
    pub key: Option<String>,
    /// Of the request; the same key with another one is refused.
    pub fingerprint: String,
}

/// What a pay request led to.
#[derive(Clone, Debug)]
pub struct PayResult {
    /// The payment as it stands.
    pub payment: Payment,
    /// What its customer needs to act.
    pub next_action: Option<crate::gateway::NextAction>,
    /// The same request had made it before.
    pub replayed: bool,
}

/// Pays, or answers what became of the same request before.
///
/// # Errors
/// Everything that stands against it; or [`Stop::Busy`] before anything was written.
pub async fn pay(app: &App, invocation: &Invocation, order: &PayOrder) -> Result<PayResult, Stop> {
    let mut looked_up = false;
    for round in 0..bounds::DECISIONS {
        let consistency = if round == 0 { Consistency::Invoices } else { Consistency::Strong };
        let read = read(app, invocation, order, consistency).await?;
        if let Some(existing) = &read.existing {
            return replay(app, invocation, order, existing.clone()).await;
        }
        if let Some(current) = read.running().filter(|_| !looked_up) {
            // The request may have come because nobody heard of the one before.
            looked_up = true;
            if let Some(payment) = app.store.get::<Payment>(&Key::payment(invocation.tenant(), &current)).await? {
                touch_payment(app, invocation, payment).await?;
            }
            continue;
        }
        let facts = read.facts(app);
        let plan = match decide(&order.request, &facts) {
            Ok(plan) => plan,
            Err(refusals) => return refused(app, invocation, order, consistency, refusals).await,
        };
        let (Some(secret), Some(invoice), Some(method)) = (&read.secret, &read.invoice, &read.method) else {
            return Err(Stop::Impossible("decided without a secret, an invoice or a method"));
        };
        if plan.later.is_some() {
            return Err(Stop::refused(Refusal::field(
                Code::NotYet,
                "scheduled_date",
                "Scheduled payments are not built yet; pay today or leave the date out.",
            )));
        }
        if app.config.payments_paused {
            return Err(Stop::refused(Refusal::new(
                Code::Paused,
                "The operator has paused payments; nothing was done.",
            )));
        }
        // A reservation that leaves no time to send would only burn its key.
        if invocation.gateway_time(app).is_none() {
            return Err(Stop::Busy);
        }
        match reserve(app, invocation, order, &read, invoice, method, secret, &plan).await {
            Ok(case) => return execute(app, invocation, case, Arc::clone(secret)).await,
            Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round + 1).await => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Busy)
}

/// What was read before the verdict.
struct Read {
    caller: Member,
    settings: Settings,
    members: BTreeMap<UserId, Member>,
    invoice: Option<Invoice>,
    method: Option<Method>,
    secret: Option<Arc<StripeSecret>>,
    existing: Option<Payment>,
}

impl Read {
    /// The payment that is paying the invoice right now.
    fn running(&self) -> Option<PaymentId> {
        self.invoice
            .as_ref()
            .filter(|invoice| invoice.status == InvoiceStatus::Paying)
            .and_then(|invoice| invoice.current.clone())
    }

    fn facts(&self, app: &App) -> Facts<'_> {
        let invoice = self.invoice.as_ref();
        Facts {
            caller: &self.caller,
            settings: &self.settings,
            members: &self.members,
            invoice,
            method: self.method.as_ref(),
            account: self.secret.as_ref().map(|secret| secret.account.as_str()),
            amount_refusal: invoice
                .and_then(|invoice| amount::to_wire(invoice.money()).err())
                .map(|error| format!("{error}.")),
            today: app.clock.now().date_in(&self.settings.zone()),
        }
    }
}

/// Everything in one round trip; a second for a customer's default method or the recorded approvers.
async fn read(app: &App, invocation: &Invocation, order: &PayOrder, consistency: Consistency) -> Result<Read, Stop> {
    let tenant = invocation.tenant();
    let request = &order.request;
    let caller_key = Key::member(tenant, &invocation.actor.user_id);
    let invoice_key = Key::invoice(tenant, &invoice_id(invocation, order)?);
    let payment_key = order.key.as_ref().map(|key| Key::payment(tenant, &PaymentId::keyed(tenant, key)));
    let method_key = |owner: Option<Owner>| match &request.payment_method_id {
        Some(id) => Some(Key::method(tenant, id)),
        None => owner.map(|owner| Key::new(Table::PaymentMethods, tenant, default_key(&owner, request.payment_method))),
    };
    let likely_owner = match &request.target {
        Target::New(new) => default_owner(new.kind, &new.counterparty),
        // Right for payables; a receivable's customer stands in the invoice.
        Target::Existing { .. } => Some(Owner::Tenant),
    };
    let mut keys = vec![Key::settings(tenant), caller_key.clone(), invoice_key.clone()];
    keys.extend(payment_key.clone());
    keys.extend(method_key(likely_owner));
    keys.extend(request.approved_by.as_ref().map(|user| Key::member(tenant, user)));

    let (found, secret) = tokio::join!(app.store.read(keys.clone(), consistency), secret(app, invocation, request));
    let mut found = found?;
    let caller = permitted(found.get(&caller_key)?, Permission::PaymentsCreate)?;
    let Some(settings) = found.get::<Settings>(&Key::settings(tenant))? else {
        return Err(no_tenant());
    };
    let existing = payment_key.as_ref().map(|key| found.get::<Payment>(key)).transpose()?.flatten();
    let mut read = Read {
        caller,
        settings,
        members: BTreeMap::new(),
        invoice: found.get(&invoice_key)?,
        method: None,
        secret: None,
        existing,
    };
    if read.existing.is_some() {
        return Ok(read);
    }
    built(request.payment_method, &read.settings)?;
    read.secret = secret?;
    if let Target::New(_) = request.target {
        match (&read.invoice, consistency) {
            (None, _) => read.invoice = Some(draft(app, invocation, order)?),
            // The invoice is read strongly: its payment may be there too, and only this read behind.
            (Some(_), Consistency::Invoices) => {
                return Box::pin(self::read(app, invocation, order, Consistency::Strong)).await;
            }
            (Some(_), Consistency::Strong) => return Err(Stop::refused(key_reused())),
        }
    }

    let method_key = method_key(read.invoice.as_ref().and_then(|i| default_owner(i.kind, &i.counterparty)));
    let recorded: Vec<UserId> = match (&read.invoice, &request.target) {
        (Some(invoice), Target::Existing { .. })
            if request.approved_by.is_none()
                && !approval::answers_alone(&read.caller, &invoice.created_by, &read.settings) =>
        {
            invoice.approvals.iter().map(|approval| approval.user_id.clone()).collect()
        }
        _ => Vec::new(),
    };
    let mut more: Vec<Key> = recorded.iter().map(|user| Key::member(tenant, user)).collect();
    more.extend(method_key.clone());
    more.retain(|key| !keys.contains(key));
    if !more.is_empty() {
        found.extend(app.store.read(more, consistency).await?);
    }
    read.method = method_key.as_ref().map(|key| found.get(key)).transpose()?.flatten();
    for user in recorded.iter().chain(&request.approved_by).chain([&invocation.actor.user_id]) {
        if let Some(member) = found.get(&Key::member(tenant, user))? {
            read.members.insert(user.clone(), member);
        }
    }
    Ok(read)
}

async fn secret(
    app: &App,
    invocation: &Invocation,
    request: &PayRequest,
) -> Result<Option<Arc<StripeSecret>>, SecretError> {
    if request.payment_method != PaymentMethod::Stripe {
        return Ok(None);
    }
    match app.secrets.stripe(invocation.tenant()).await {
        Ok(secret) => Ok(Some(secret)),
        Err(SecretError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Refuses, in plain words, what the tenant has enabled and this version can't do.
fn built(method: PaymentMethod, settings: &Settings) -> Result<(), Stop> {
    let enabled = match method {
        PaymentMethod::Stripe => false,
        PaymentMethod::Ach => settings.gateways.ach.as_ref().is_some_and(|ach| ach.enabled),
        PaymentMethod::Paypal => settings.gateways.paypal.as_ref().is_some_and(|paypal| paypal.enabled),
    };
    if enabled {
        let detail = format!("Payments by {method} are not built yet; use stripe.");
        return Err(Stop::refused(Refusal::field(Code::NotYet, "payment_method", detail)));
    }
    Ok(())
}

/// The invoice that the order is for; one that it makes has its id from the key.
fn invoice_id(invocation: &Invocation, order: &PayOrder) -> Result<InvoiceId, Stop> {
    match (&order.request.target, &order.key) {
        (Target::Existing { invoice_id, .. }, _) => Ok(invoice_id.clone()),
        (Target::New(_), Some(key)) => Ok(InvoiceId::keyed(invocation.tenant(), key)),
        (Target::New(_), None) => Err(Stop::Impossible("a payment without invoice and without key")),
    }
}

fn key_reused() -> Refusal {
    Refusal::new(
        Code::IdempotencyKeyReused,
        "The Idempotency-Key was used for another request; use a new one for a new payment.",
    )
}

/// The answer to a request that was made before.
async fn replay(app: &App, invocation: &Invocation, order: &PayOrder, payment: Payment) -> Result<PayResult, Stop> {
    if payment.fingerprint != order.fingerprint {
        return Err(Stop::refused(key_reused()));
    }
    let (payment, next_action) = touch_payment(app, invocation, payment).await?;
    Ok(PayResult { payment, next_action, replayed: true })
}

/// A refusal, unless the same key has been at work meanwhile: an eventual read may not show it yet.
async fn refused(
    app: &App,
    invocation: &Invocation,
    order: &PayOrder,
    consistency: Consistency,
    refusals: Vec<Refusal>,
) -> Result<PayResult, Stop> {
    if let Some(key) = order.key.as_ref().filter(|_| consistency != Consistency::Strong) {
        let id = PaymentId::keyed(invocation.tenant(), key);
        if let Some(payment) = app.store.get::<Payment>(&Key::payment(invocation.tenant(), &id)).await? {
            return replay(app, invocation, order, payment).await;
        }
    }
    Err(Stop::Refused(refusals))
}

/// The invoice that a payment makes, before it is written.
fn draft(app: &App, invocation: &Invocation, order: &PayOrder) -> Result<Invoice, Stop> {
    let Target::New(new) = &order.request.target else { return Err(Stop::Impossible("no invoice to make")) };
    Ok(Invoice::enter(Draft {
        tenant_id: invocation.tenant().clone(),
        invoice_id: invoice_id(invocation, order)?,
        invoice_number: None,
        kind: new.kind,
        counterparty: new.counterparty.clone(),
        money: new.money,
        due_date: None,
        description: Some(new.description.clone()),
        created_by: invocation.actor.user_id.clone(),
        created_at: app.clock.now(),
        fingerprint: order.fingerprint.clone(),
    }))
}

/// Writes the intent down: invoice `approved → paying`, payment `processing`, audit. Takes the only right to send.
#[expect(clippy::too_many_arguments, reason = "all of it is what the reservation freezes")]
async fn reserve(
    app: &App,
    invocation: &Invocation,
    order: &PayOrder,
    read: &Read,
    invoice: &Invoice,
    method: &Method,
    secret: &StripeSecret,
    plan: &Plan,
) -> Result<Case, CommitError> {
    let now = app.clock.now();
    let tenant = invocation.tenant();
    let read_version = invoice.version;
    let mut invoice = invoice.clone();
    let mut entries: Vec<Entry> = Vec::new();
    let mut commit = Commit::default();
    if read_version == 0 {
        entries.push(invoice.record(&invocation.actor, "create", &super::invoice::created(&invoice), now));
        invoice.approvals = plan.approved_by.iter().map(|user| Approval { user_id: user.clone(), at: now }).collect();
        let approved = json!({ "status": ["draft", "approved"], "approved_by": plan.approved_by });
        entries.push(invoice.record(&invocation.actor, "approve", &approved, now));
        commit.take_bill(&app.store, &invoice, false);
    }
    invoice.attempts += 1;
    let id = match &order.key {
        Some(key) => PaymentId::keyed(tenant, key),
        None => PaymentId::attempt(tenant, &invoice.invoice_id, invoice.attempts),
    };
    let payment = Payment {
        tenant_id: tenant.clone(),
        id: id.clone(),
        invoice_id: invoice.invoice_id.clone(),
        status: PaymentStatus::Processing,
        amount: invoice.amount,
        currency: invoice.currency,
        payment_method: order.request.payment_method,
        payment_method_id: Some(method.id.clone()),
        own_balance: plan.own_balance,
        frozen: Frozen {
            gateway: Gateway::Stripe,
            account: secret.account.clone(),
            api_version: stripe::API_VERSION.to_owned(),
            customer: method.customer.clone(),
            method: method.reference.clone(),
            destination: plan.destination.clone(),
            description: description(&invoice),
        },
        approved_by: plan.approved_by.clone(),
        created_by: read.caller.user_id.clone(),
        created_at: now,
        paid_at: None,
        fingerprint: order.fingerprint.clone(),
        failure: None,
        gateway_ref: None,
        refundable_minor: 0,
        refunds: Refunds::default(),
        disputed: false,
        disputes: Disputes::default(),
        progress: Progress::reserved(tenant, now),
    };
    invoice.status = InvoiceStatus::Paying;
    invoice.current = Some(id.clone());
    invoice.payments.push(id);
    let changes = json!({
        "status": ["approved", "paying"],
        "payment": { "id": payment.id, "status": [null, "processing"], "amount": payment.amount,
                     "currency": payment.currency, "payment_method": payment.payment_method,
                     "payment_method_id": payment.payment_method_id, "approved_by": payment.approved_by },
    });
    entries.push(invoice.record(&invocation.actor, "pay", &changes, now));
    commit.invoice(&app.store, &invoice, read_version);
    commit.payment(&app.store, &payment);
    for entry in entries {
        commit.entry(&app.store, entry);
    }
    app.store.commit(commit, invocation.deadline).await?;
    Ok(Case { invoice, payment, refund: None })
}

/// What statements say.
fn description(invoice: &Invoice) -> String {
    match &invoice.description {
        Some(description) => description.clone(),
        None => format!("Invoice {} - {}", invoice.invoice_number, invoice.counterparty.name),
    }
}

async fn execute(app: &App, invocation: &Invocation, case: Case, secret: Arc<StripeSecret>) -> Result<PayResult, Stop> {
    let sent: Sent = send(app, invocation, case.movement(), secret, false).await;
    let next_action = sent.next_action.clone();
    let finding = Finding { sent, source: Source::Reply, action: RunAction::Pay };
    let settled = match settle(app, invocation, case.clone(), &finding, Pace::Touch).await {
        Ok(settled) => settled,
        // The money may have moved; what the caller gets is what is written down.
        Err(error) => {
            tracing::error!(payment_id = %case.payment.id, %error, "settlement left to recovery");
            reread(app, case.movement()).await.unwrap_or(case)
        }
    };
    let waits = settled.movement().waits_for_customer();
    Ok(PayResult { payment: settled.payment, next_action: next_action.filter(|_| waits), replayed: false })
}
