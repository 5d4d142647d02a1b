//! Whether a payment may be made: every validation of a pay request, collected into one verdict.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;

use crate::bounds;
use crate::clock::Time;
use crate::id::{InvoiceId, MethodId, TenantId, UserId};
use crate::model::invoice::{Counterparty, Invoice, InvoiceStatus, Kind};
use crate::model::method::{Method, MethodStatus, Owner};
use crate::model::payment::{Direction, FrozenTransfer, Gateway, PaymentMethod};
use crate::model::schedule::Schedule;
use crate::model::tenant::{Member, Settings};
use crate::money::{Currency, Money};
use crate::policy::refusal::{Code, Refusal};
use crate::policy::route::{default_owner, takes_method};
use crate::policy::{approval, presentment};

/// A pay request whose form is right.
#[derive(Clone, Debug)]
pub struct PayRequest {
    /// The tenant that the body names, if it does.
    pub tenant_id: Option<TenantId>,
    /// What is paid.
    pub target: Target,
    /// With what.
    pub payment_method: PaymentMethod,
    /// With which method of it; else the default.
    pub payment_method_id: Option<MethodId>,
    /// Who answers for it.
    pub approved_by: Option<UserId>,
    /// When.
    pub scheduled_date: When,
}

/// What is paid.
#[derive(Clone, Debug)]
pub enum Target {
    /// An invoice that is there; amount and currency, if given, must be its own.
    Existing {
        /// The invoice.
        invoice_id: InvoiceId,
        /// In minor units.
        amount: Option<i64>,
        /// Of the amount.
        currency: Option<Currency>,
    },
    /// An invoice that is made and approved in the same step.
    New(Box<NewInvoice>),
}

/// An invoice that a payment makes.
#[derive(Clone, Debug)]
pub struct NewInvoice {
    /// What is owed.
    pub money: Money,
    /// Which way the money goes.
    pub kind: Kind,
    /// The other side.
    pub counterparty: Counterparty,
    /// What statements say.
    pub description: String,
}

/// When a payment is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// On a date in the tenant's time zone.
    On(Date),
}

/// What was read before the verdict.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The tenant's settings.
    pub settings: &'a Settings,
    /// The members that were read, the caller among them.
    pub members: &'a BTreeMap<UserId, Member>,
    /// The invoice, or the one that would be made.
    pub invoice: Option<&'a Invoice>,
    /// Who would move the money.
    pub gateway: Gateway,
    /// The method named, or the owner's default.
    pub method: Option<&'a Method>,
    /// The gateway account that the tenant's secret names; `None`: there is no secret.
    pub account: Option<&'a str>,
    /// What the gateway says against the amount.
    pub amount_refusal: Option<String>,
    /// The date in the tenant's time zone.
    pub today: Date,
    /// The time.
    pub now: Time,
}

/// A payment that may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Who answers for it.
    pub approved_by: Vec<UserId>,
    /// Whether a method is charged, or paid into: else the tenant's balance at the gateway pays.
    pub takes_method: bool,
    /// What a transfer at Plaid is made of besides.
    pub transfer: Option<FrozenTransfer>,
    /// Who is paid: the connected account, or the e-mail address at PayPal.
    pub destination: Option<String>,
    /// The money stays in the tenant's own balance at the gateway.
    pub own_balance: bool,
    /// It is promised for this date.
    pub later: Option<Date>,
}

/// Whether the payment may be made, now or on its date. `schedules`: it is a promise even for today.
///
/// # Errors
/// Everything that stands against it.
pub fn decide(request: &PayRequest, schedules: bool, caller: &Member, facts: &Facts<'_>) -> Result<Plan, Vec<Refusal>> {
    let mut refusals = Vec::new();
    if request.tenant_id.as_ref().is_some_and(|tenant| *tenant != facts.settings.tenant_id) {
        refusals.push(Refusal::field(Code::TenantMismatch, "tenant_id", "The caller belongs to another tenant."));
    }
    let later = match request.scheduled_date {
        When::On(date) if against_date(date, facts.today, &mut refusals) => None,
        When::On(date) if date > facts.today || schedules => Some(date),
        When::On(_) | When::Now => None,
    };
    refusals.extend(configured(request.payment_method, facts));
    let mut approved_by = Vec::new();
    match (facts.invoice, &request.target) {
        (Some(invoice), target) => {
            refusals.extend(against_invoice(invoice, target, facts));
            let named = request.payment_method_id.as_ref();
            refusals.extend(against_method(invoice, request.payment_method, named, facts));
            match approvers(invoice, request, caller, facts) {
                Ok(users) => approved_by = users,
                Err(against) => refusals.extend(against),
            }
            refusals.extend(against_destination(invoice, request.payment_method, facts));
        }
        (None, Target::Existing { invoice_id, .. }) => {
            let detail = format!("There is no invoice {invoice_id}.");
            refusals.push(Refusal::field(Code::InvoiceNotFound, "invoice_id", detail));
        }
        (None, Target::New(_)) => {}
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    Ok(plan(facts, request.payment_method, approved_by, later))
}

/// Whether a scheduled payment that is due may be made: everything is checked again.
///
/// # Errors
/// Everything that stands against it.
pub fn decide_due(schedule: &Schedule, facts: &Facts<'_>) -> Result<Plan, Vec<Refusal>> {
    let Some(invoice) = facts.invoice else {
        let detail = format!("There is no invoice {}.", schedule.invoice_id);
        return Err(vec![Refusal::new(Code::InvoiceNotFound, detail)]);
    };
    let mut refusals = Vec::new();
    if invoice.schedule_id.as_ref() != Some(&schedule.id) || invoice.status != InvoiceStatus::Scheduled {
        let detail =
            format!("Invoice {} is {} and does not wait for {}.", invoice.invoice_id, invoice.status, schedule.id);
        refusals.push(Refusal::new(Code::InvoiceNotApproved, detail));
    }
    if invoice.money() != schedule.money() {
        let detail = format!("The invoice is over {}, the promise over {}.", invoice.money(), schedule.money());
        refusals.push(Refusal::new(Code::AmountMismatch, detail));
    }
    if facts.settings.needs_second_approval(invoice.money())
        && schedule.approved_by.len().max(invoice.approvals.len()) < 2
    {
        let detail = format!("{} needs two approvers by now, and has one.", invoice.money());
        refusals.push(Refusal::new(Code::SecondApprovalRequired, detail));
    }
    refusals.extend(configured(schedule.payment_method, facts));
    refusals.extend(facts.amount_refusal.iter().map(|detail| Refusal::new(Code::AmountOutOfRange, detail.clone())));
    let named = schedule.payment_method_id.as_ref();
    refusals.extend(against_method(invoice, schedule.payment_method, named, facts));
    refusals.extend(against_destination(invoice, schedule.payment_method, facts));
    let answer = approval::still_answer(
        &schedule.approved_by,
        &invoice.created_by,
        invoice.money(),
        facts.settings,
        facts.members,
    );
    match answer {
        Ok(users) if refusals.is_empty() => Ok(plan(facts, schedule.payment_method, users, None)),
        Ok(_) => Err(refusals),
        Err(against) => {
            refusals.extend(against);
            Err(refusals)
        }
    }
}

fn plan(facts: &Facts<'_>, by: PaymentMethod, approved_by: Vec<UserId>, later: Option<Date>) -> Plan {
    let payable = facts.invoice.filter(|invoice| invoice.kind == Kind::Payable);
    let destination = payable.and_then(|invoice| destination(invoice, by, facts.gateway).map(ToOwned::to_owned));
    let own_balance = destination.is_none() && payable.is_some() && by == PaymentMethod::Stripe;
    let takes_method = facts.invoice.is_some_and(|invoice| takes_method(by, facts.gateway, invoice.kind));
    let transfer = facts.invoice.filter(|_| facts.gateway == Gateway::Plaid).map(|invoice| transfer(invoice, facts));
    Plan { approved_by, takes_method, transfer, destination, own_balance, later }
}

/// What a transfer at Plaid is made of besides.
fn transfer(invoice: &Invoice, facts: &Facts<'_>) -> FrozenTransfer {
    const COMPANY: &str = "ccd";
    let plaid = facts.settings.gateways.ach.as_ref().and_then(|ach| ach.plaid.as_ref());
    let class = plaid.and_then(|plaid| plaid.ach_class.as_deref()).unwrap_or(COMPANY);
    let (direction, ach_class) = match invoice.kind {
        Kind::Receivable => (Direction::Debit, class),
        // Whoever consented online or by phone is a consumer; money that is paid has these two classes alone.
        Kind::Payable if class == COMPANY => (Direction::Credit, COMPANY),
        Kind::Payable => (Direction::Credit, "ppd"),
    };
    let so_far = facts.method.and_then(|method| invoice.presentments.get(&method.id)).map_or(0, |so_far| so_far.made);
    // NACHA has words for a debit that is presented again.
    let statement = match so_far {
        again @ 1.. if direction == Direction::Debit => format!("Retry {again}"),
        _ => last_ten(&invoice.invoice_number)
            .unwrap_or_else(|| last_ten(invoice.invoice_id.as_str()).unwrap_or_default()),
    };
    FrozenTransfer {
        direction,
        ach_class: ach_class.to_owned(),
        ledger_id: plaid.and_then(|plaid| plaid.ledger_id.clone()),
        holder: invoice.counterparty.name.clone(),
        statement,
    }
}

/// The last ten characters of what a bank statement can say of a text; `None`: nothing.
fn last_ten(text: &str) -> Option<String> {
    let plain: Vec<char> = text.chars().filter(|c| c.is_ascii_alphanumeric() || " -._".contains(*c)).collect();
    let last: String = plain.iter().skip(plain.len().saturating_sub(10)).collect();
    let last = last.trim();
    (!last.is_empty()).then(|| last.to_owned())
}

/// The vendor's account at the gateway that is paid.
fn destination(invoice: &Invoice, by: PaymentMethod, gateway: Gateway) -> Option<&str> {
    let counterparty = &invoice.counterparty;
    match (by, gateway) {
        (PaymentMethod::Paypal, _) => counterparty.paypal_email.as_deref(),
        (_, Gateway::Plaid) => None,
        (PaymentMethod::Stripe | PaymentMethod::Ach, _) => counterparty.stripe_account.as_deref(),
    }
}

fn against_destination(invoice: &Invoice, by: PaymentMethod, facts: &Facts<'_>) -> Option<Refusal> {
    let to_bank = facts.gateway == Gateway::Plaid && invoice.counterparty.plaid_method_id.is_some();
    if invoice.kind == Kind::Receivable || to_bank || destination(invoice, by, facts.gateway).is_some() {
        return None;
    }
    // An invoice that is made with the payment names its counterparty here.
    let (field, detail) = match by {
        PaymentMethod::Stripe if own_balance_allowed(facts) => return None,
        PaymentMethod::Stripe => {
            ("invoice_id", "The counterparty has no stripe_account, and the tenant does not pay into its own balance.")
        }
        PaymentMethod::Paypal => {
            ("counterparty.paypal_email", "The counterparty has no paypal_email, which PayPal pays to.")
        }
        PaymentMethod::Ach => (
            "counterparty.stripe_account",
            "The counterparty has neither a stripe_account nor a plaid_method_id, which bank payments go to.",
        ),
    };
    Some(Refusal::field(Code::CounterpartyAccountRequired, field, detail))
}

/// Whether a date is past or too far ahead; says so.
pub fn against_date(date: Date, today: Date, refusals: &mut Vec<Refusal>) -> bool {
    const FIELD: &str = "scheduled_date";
    if date < today {
        let detail = format!("{date} is past; today is {today} for the tenant.");
        refusals.push(Refusal::field(Code::ScheduledDatePast, FIELD, detail));
        return true;
    }
    let is_too_far = today.checked_add(bounds::SCHEDULE_YEARS.years()).is_ok_and(|last| date > last);
    if is_too_far {
        let detail = format!("{date} is more than {} years ahead.", bounds::SCHEDULE_YEARS);
        refusals.push(Refusal::field(Code::ScheduledDateTooFar, FIELD, detail));
    }
    is_too_far
}

/// What stands against the method that a change of a scheduled payment names. Its gateway account, and how often it was
/// debited, is looked at when it is due.
#[must_use]
pub fn against_named(
    invoice: &Invoice,
    by: PaymentMethod,
    gateway: Gateway,
    id: &MethodId,
    method: Option<&Method>,
) -> Vec<Refusal> {
    against(invoice, by, gateway, Some(id), method, None)
}

fn configured(method: PaymentMethod, facts: &Facts<'_>) -> Option<Refusal> {
    let gateways = &facts.settings.gateways;
    let enabled = match method {
        PaymentMethod::Stripe => gateways.stripe.as_ref().is_some_and(|stripe| stripe.enabled),
        PaymentMethod::Ach => gateways.ach.as_ref().is_some_and(|ach| ach.enabled),
        PaymentMethod::Paypal => gateways.paypal.as_ref().is_some_and(|paypal| paypal.enabled),
    };
    let missing = if !enabled {
        "is not enabled in the tenant's settings (PUT /tenant)"
    } else if facts.account.is_none() {
        "has no secret in Secrets Manager for the tenant"
    } else {
        return None;
    };
    Some(Refusal::field(Code::GatewayNotConfigured, "payment_method", format!("{method} {missing}.")))
}

fn own_balance_allowed(facts: &Facts<'_>) -> bool {
    facts.settings.gateways.stripe.as_ref().is_none_or(|stripe| stripe.payable_without_destination)
}

fn against_invoice(invoice: &Invoice, target: &Target, facts: &Facts<'_>) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    match target {
        Target::Existing { amount, currency, .. } => {
            refusals.extend(approval::not_payable(invoice));
            if amount.is_some_and(|amount| amount != invoice.amount) {
                let detail = format!("The invoice is over {} ({}).", invoice.amount, invoice.money());
                refusals.push(Refusal::field(Code::AmountMismatch, "amount", detail));
            }
            if currency.is_some_and(|currency| currency != invoice.currency) {
                let detail = format!("The invoice is in {}.", invoice.currency);
                refusals.push(Refusal::field(Code::CurrencyMismatch, "currency", detail));
            }
        }
        Target::New(_) if facts.settings.needs_second_approval(invoice.money()) => {
            refusals.push(Refusal::field(
                Code::SecondApprovalRequired,
                "amount",
                format!("{} needs two approvers: create the invoice and have it approved.", invoice.money()),
            ));
        }
        Target::New(_) => {}
    }
    if let Some(detail) = &facts.amount_refusal {
        refusals.push(Refusal::field(Code::AmountOutOfRange, "amount", detail.clone()));
    }
    refusals
}

fn against_method(invoice: &Invoice, by: PaymentMethod, named: Option<&MethodId>, facts: &Facts<'_>) -> Vec<Refusal> {
    let mut refusals = against(invoice, by, facts.gateway, named, facts.method, facts.account);
    let debited = facts.method.filter(|_| by == PaymentMethod::Ach && invoice.kind == Kind::Receivable);
    let limit = presentment::limit(facts.gateway, facts.settings.gateways.ach.as_ref());
    refusals.extend(debited.and_then(|method| presentment::refusal(invoice, &method.id, limit, facts.now)));
    refusals
}

fn against(
    invoice: &Invoice,
    by: PaymentMethod,
    gateway: Gateway,
    named: Option<&MethodId>,
    method: Option<&Method>,
    account: Option<&str>,
) -> Vec<Refusal> {
    const FIELD: &str = "payment_method_id";
    if !takes_method(by, gateway, invoice.kind) {
        return named
            .map(|id| {
                let detail =
                    format!("{id} can't be charged for this: {by} pays vendors from the balance at {gateway}.");
                Refusal::field(Code::PaymentMethodMismatch, FIELD, detail)
            })
            .into_iter()
            .collect();
    }
    let to_vendor = gateway == Gateway::Plaid && invoice.kind == Kind::Payable;
    let named = named.or(invoice.counterparty.plaid_method_id.as_ref().filter(|_| to_vendor));
    // Without an account that could be paid into: said of the counterparty.
    if to_vendor && named.is_none() {
        return Vec::new();
    }
    let owner = default_owner(invoice.kind, &invoice.counterparty);
    let Some(method) = method else {
        let detail = match (named, owner) {
            (Some(id), _) => format!("There is no payment method {id}."),
            (None, Some(owner)) => format!("{owner} has no default method for {by}; add one or name one."),
            (None, None) => "The counterparty has no customer_id, so it has no default method.".to_owned(),
        };
        return vec![Refusal::field(Code::PaymentMethodRequired, FIELD, detail)];
    };
    let mut refusals = Vec::new();
    match method.status {
        MethodStatus::Active => {}
        MethodStatus::Inactive => refusals.push(Refusal::field(
            Code::PaymentMethodInactive,
            FIELD,
            format!("{} is inactive; use another.", method.id),
        )),
        MethodStatus::Blocked => refusals.push(Refusal::field(
            Code::PaymentMethodBlocked,
            FIELD,
            format!("{} is blocked: its owner did not authorize it.", method.id),
        )),
    }
    let mismatch = |detail: String| Refusal::field(Code::PaymentMethodMismatch, FIELD, detail);
    if method.serves() != by {
        refusals.push(mismatch(format!("{} is for {}, not {by}.", method.id, method.serves())));
    } else if method.gateway != gateway {
        refusals.push(mismatch(format!("{} is at {}; {gateway} pays this vendor.", method.id, method.gateway)));
    } else if account.is_some_and(|account| account != method.account) {
        let detail = format!("{} was added in another gateway account than the tenant's secret names.", method.id);
        refusals.push(mismatch(detail));
    }
    let (fits, wanted) = if to_vendor {
        let wanted = invoice.counterparty.vendor_id.clone().map(Owner::Vendor);
        let is_named_there = invoice.counterparty.plaid_method_id.as_ref() == Some(&method.id);
        // The invoice's own account may belong to a vendor that the invoice does not name.
        let fits = match &wanted {
            Some(wanted) => *wanted == method.owner,
            None => is_named_there && matches!(method.owner, Owner::Vendor(_)),
        };
        (fits, wanted.map_or_else(|| "the invoice's vendor".to_owned(), |owner| owner.to_string()))
    } else {
        let wanted = owner.as_ref().map_or_else(|| "the invoice's customer".to_owned(), ToString::to_string);
        (owner.as_ref() == Some(&method.owner), wanted)
    };
    if !fits {
        refusals.push(mismatch(format!("{} belongs to {}; a method of {wanted} is needed.", method.id, method.owner)));
    }
    refusals
}

fn approvers(
    invoice: &Invoice,
    request: &PayRequest,
    caller: &Member,
    facts: &Facts<'_>,
) -> Result<Vec<UserId>, Vec<Refusal>> {
    let recorded = match request.target {
        Target::Existing { .. } => Some(invoice.approvals.as_slice()),
        Target::New(_) => None,
    };
    approval::answers_for(
        caller,
        request.approved_by.as_ref(),
        recorded,
        &invoice.created_by,
        invoice.money(),
        facts.settings,
        facts.members,
    )
}
