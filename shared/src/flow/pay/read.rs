//! What is read before the verdict on a pay request, and when it is asked for again.

use std::collections::BTreeMap;

use super::{PayOrder, key_reused};
use crate::app::App;
use crate::flow::keys::amount_refusal;
use crate::flow::settings::no_tenant;
use crate::flow::{Invocation, Stop, permitted};
use crate::id::{InvoiceId, MethodId, PaymentId, ScheduleId, TenantId, UserId};
use crate::model::invoice::{Draft, Invoice, InvoiceStatus};
use crate::model::method::{Method, Owner};
use crate::model::payment::{Gateway, Payment, PaymentMethod};
use crate::model::schedule::Schedule;
use crate::model::tenant::{Member, Settings};
use crate::policy::approval;
use crate::policy::pay::{Facts, Target};
use crate::policy::roles::Permission;
use crate::policy::route::{self, Part, default_owner};
use crate::secrets::{Keys, SecretError};
use crate::store::{Consistency, Cursor, Items, Key, StoreError};

/// What was read before the verdict.
pub(in crate::flow) struct Read {
    pub caller: Member,
    pub settings: Settings,
    members: BTreeMap<UserId, Member>,
    pub invoice: Option<Invoice>,
    pub method: Option<Method>,
    pub keys: Option<Keys>,
    pub payment_method: PaymentMethod,
    /// How far Plaid's events are read.
    pub cursor: Option<Cursor>,
    /// What the key has made before; a payment wins over a schedule.
    pub existing: Option<Existing>,
}

/// What the same key has made before.
pub(in crate::flow) enum Existing {
    Payment(Box<Payment>),
    Schedule(Box<Schedule>),
}

impl Read {
    /// The payment that is paying the invoice right now.
    pub fn running(&self) -> Option<PaymentId> {
        self.invoice
            .as_ref()
            .filter(|invoice| invoice.status == InvoiceStatus::Paying)
            .and_then(|invoice| invoice.current.clone())
    }

    pub fn facts(&self, app: &App) -> Facts<'_> {
        let invoice = self.invoice.as_ref();
        Facts {
            settings: &self.settings,
            members: &self.members,
            invoice,
            gateway: self.gateway(),
            method: self.method.as_ref(),
            account: self.keys.as_ref().map(Keys::account),
            amount_refusal: invoice
                .and_then(|invoice| amount_refusal(self.payment_method, self.gateway(), invoice.kind, invoice.money())),
            today: app.clock.now().date_in(&self.settings.zone()),
            now: app.clock.now(),
        }
    }

    /// Who would move the money.
    pub fn gateway(&self) -> Gateway {
        gateway_of(self.payment_method, self.invoice.as_ref(), self.method.as_ref(), &self.settings)
    }
}

/// Everything in one round trip; a second for a customer's default method or the recorded approvers.
pub(super) async fn read(
    app: &App,
    invocation: &Invocation,
    order: &PayOrder,
    consistency: Consistency,
) -> Result<Read, Stop> {
    let tenant = invocation.tenant();
    let request = &order.request;
    let caller_key = Key::member(tenant, &invocation.actor.user_id);
    let invoice_key = Key::invoice(tenant, &invoice_id(invocation, order)?);
    let keyed = order.key.as_ref().map(|key| keys_of(tenant, key));
    let by = request.payment_method;
    let likely_owner = match &request.target {
        Target::New(new) => default_owner(new.kind, &new.counterparty),
        // Right for payables; a receivable's customer stands in the invoice.
        Target::Existing { .. } => Some(Owner::Tenant),
    };
    let likely_method = match &request.payment_method_id {
        Some(id) => Some(Key::method(tenant, id)),
        None => likely_owner.map(|owner| Key::default_method(tenant, &owner, by)),
    };
    let cursor_key = Key::cursor(tenant);
    let mut keys = vec![Key::settings(tenant), caller_key.clone(), invoice_key.clone()];
    keys.extend(keyed.clone().into_iter().flatten());
    keys.extend(likely_method);
    keys.extend(request.approved_by.as_ref().map(|user| Key::member(tenant, user)));
    keys.extend((by == PaymentMethod::Ach).then(|| cursor_key.clone()));

    let (found, opened) = tokio::join!(app.store.read(keys.clone(), consistency), likely_keys(app, tenant, by));
    let mut found = found?;
    let caller = permitted(found.get(&caller_key)?, Permission::PaymentsCreate)?;
    let Some(settings) = found.get::<Settings>(&Key::settings(tenant))? else {
        return Err(no_tenant());
    };
    let existing = keyed.map(|keys| existing(&found, &keys)).transpose()?.flatten();
    let mut read = Read {
        caller,
        settings,
        members: BTreeMap::new(),
        invoice: found.get(&invoice_key)?,
        method: None,
        keys: None,
        payment_method: by,
        cursor: found.get(&cursor_key)?,
        existing,
    };
    if read.existing.is_some() {
        return Ok(read);
    }
    read.keys = opened?;
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

    let method_key = match &read.invoice {
        Some(invoice) => method_key(by, invoice, request.payment_method_id.as_ref(), &read.settings),
        None => request.payment_method_id.as_ref().map(|id| Key::method(tenant, id)),
    };
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
    if by == PaymentMethod::Ach {
        read.keys = gateway_keys(app, tenant, read.gateway(), Freshness::Cached).await?;
    }
    for user in recorded.iter().chain(&request.approved_by).chain([&invocation.actor.user_id]) {
        if let Some(member) = found.get(&Key::member(tenant, user))? {
            read.members.insert(user.clone(), member);
        }
    }
    Ok(read)
}

/// The keys of what an idempotency key may have made: a payment, and a schedule.
fn keys_of(tenant: &TenantId, key: &str) -> [Key; 2] {
    [Key::payment(tenant, &PaymentId::keyed(tenant, key)), Key::schedule(tenant, &ScheduleId::keyed(tenant, key))]
}

fn existing(found: &Items, [payment, schedule]: &[Key; 2]) -> Result<Option<Existing>, StoreError> {
    if let Some(payment) = found.get::<Payment>(payment)? {
        return Ok(Some(Existing::Payment(Box::new(payment))));
    }
    Ok(found.get::<Schedule>(schedule)?.map(|schedule| Existing::Schedule(Box::new(schedule))))
}

/// What the key has made, as it is now.
pub(super) async fn made_by(app: &App, tenant: &TenantId, key: &str) -> Result<Option<Existing>, Stop> {
    let keys = keys_of(tenant, key);
    let found = app.store.read(keys.clone(), Consistency::Strong).await?;
    Ok(existing(&found, &keys)?)
}

/// How old a secret may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flow) enum Freshness {
    /// As the cache has it.
    Cached,
    /// Fetched anew, unless that was done moments ago.
    Anew,
}

/// The secret of a payment method's gateway; nothing yet where that depends on what is read.
async fn likely_keys(app: &App, tenant: &TenantId, by: PaymentMethod) -> Result<Option<Keys>, SecretError> {
    let gateway = match by {
        PaymentMethod::Stripe => Gateway::Stripe,
        PaymentMethod::Paypal => Gateway::Paypal,
        PaymentMethod::Ach => return Ok(None),
    };
    gateway_keys(app, tenant, gateway, Freshness::Cached).await
}

/// The tenant's secret for a gateway; `None`: there is none.
pub(in crate::flow) async fn gateway_keys(
    app: &App,
    tenant: &TenantId,
    gateway: Gateway,
    freshness: Freshness,
) -> Result<Option<Keys>, SecretError> {
    let found = match freshness {
        Freshness::Cached => app.secrets.keys(tenant, gateway).await,
        Freshness::Anew => app.secrets.keys_anew(tenant, gateway).await,
    };
    match found {
        Ok(keys) => Ok(Some(keys)),
        Err(SecretError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Who would move the money of a payment of `invoice`.
pub(in crate::flow) fn gateway_of(
    by: PaymentMethod,
    invoice: Option<&Invoice>,
    method: Option<&Method>,
    settings: &Settings,
) -> Gateway {
    match (invoice, by) {
        (Some(Invoice { kind, counterparty, .. }), _) => {
            route::gateway(by, *kind, counterparty, method, settings.gateways.ach.as_ref())
        }
        (None, PaymentMethod::Paypal) => Gateway::Paypal,
        (None, PaymentMethod::Stripe | PaymentMethod::Ach) => Gateway::Stripe,
    }
}

/// The method that takes part in a payment of `invoice`; `None`: there is none, or it can't be told.
pub(in crate::flow) fn method_key(
    by: PaymentMethod,
    invoice: &Invoice,
    named: Option<&MethodId>,
    settings: &Settings,
) -> Option<Key> {
    let tenant = &invoice.tenant_id;
    match route::part(by, invoice.kind, &invoice.counterparty, named, settings.gateways.ach.as_ref()) {
        Part::Method(id) => Some(Key::method(tenant, &id)),
        Part::DefaultOf(owner) => Some(Key::default_method(tenant, &owner, by)),
        // One that is named all the same is read, to say what is wrong with it.
        Part::None | Part::Unknown => named.map(|id| Key::method(tenant, id)),
    }
}

/// The invoice that the order is for; one that it makes has its id from the key.
pub(super) fn invoice_id(invocation: &Invocation, order: &PayOrder) -> Result<InvoiceId, Stop> {
    match (&order.request.target, &order.key) {
        (Target::Existing { invoice_id, .. }, _) => Ok(invoice_id.clone()),
        (Target::New(_), Some(key)) => Ok(InvoiceId::keyed(invocation.tenant(), key)),
        (Target::New(_), None) => Err(Stop::Impossible("a payment without invoice and without key")),
    }
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
