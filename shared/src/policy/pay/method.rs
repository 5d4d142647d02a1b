//! What stands against the payment method that is to be charged, or paid into.

use super::Facts;
use crate::clock::Time;
use crate::id::MethodId;
use crate::model::invoice::{Invoice, InvoiceStatus, Kind};
use crate::model::method::{Method, MethodStatus, Owner};
use crate::model::payment::{Gateway, PaymentMethod};
use crate::policy::presentment;
use crate::policy::refusal::{Code, Refusal};
use crate::policy::route::{default_owner, takes_method};

/// What stands against the method of a payment that is to be made now.
pub(super) fn against_method(
    invoice: &Invoice,
    by: PaymentMethod,
    named: Option<&MethodId>,
    facts: &Facts<'_>,
) -> Vec<Refusal> {
    let mut refusals = against(invoice, by, named, facts.method, (facts.gateway, facts.account), facts.now);
    // While it is being paid, or once it is, the last presentment is that payment's own.
    let awaits = matches!(invoice.status, InvoiceStatus::Approved | InvoiceStatus::Scheduled);
    let is_debit = by == PaymentMethod::Ach && invoice.kind == Kind::Receivable;
    let debited = facts.method.filter(|_| is_debit && awaits);
    let limit = presentment::limit(facts.gateway, facts.settings.gateways.ach.as_ref());
    refusals.extend(debited.and_then(|method| presentment::refusal(invoice, &method.id, limit, facts.now)));
    refusals
}

fn against(
    invoice: &Invoice,
    by: PaymentMethod,
    named: Option<&MethodId>,
    method: Option<&Method>,
    (gateway, account): (Gateway, Option<&str>),
    now: Time,
) -> Vec<Refusal> {
    let to_vendor = gateway == Gateway::Plaid && invoice.kind == Kind::Payable;
    // What the caller did not say stands in the invoice.
    let field = if to_vendor && named.is_none() { "counterparty.plaid_method_id" } else { "payment_method_id" };
    if !takes_method(by, gateway, invoice.kind) {
        return named
            .map(|id| {
                let detail =
                    format!("{id} can't be charged for this: {by} pays vendors from the balance at {gateway}.");
                Refusal::field(Code::PaymentMethodMismatch, field, detail)
            })
            .into_iter()
            .collect();
    }
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
        return vec![Refusal::field(Code::PaymentMethodRequired, field, detail)];
    };
    let mut refusals = Vec::new();
    match method.status_at(now) {
        MethodStatus::Active | MethodStatus::Expiring => {}
        MethodStatus::Inactive => {
            let why = if method.status.is_usable() { "has expired" } else { "is inactive" };
            let detail = format!("{} {why}; use another.", method.id);
            refusals.push(Refusal::field(Code::PaymentMethodInactive, field, detail));
        }
        MethodStatus::Blocked => refusals.push(Refusal::field(
            Code::PaymentMethodBlocked,
            field,
            format!("{} is blocked: its owner did not authorize it. Use another.", method.id),
        )),
    }
    let mismatch = |detail: String| Refusal::field(Code::PaymentMethodMismatch, field, detail);
    if method.serves() != by {
        refusals.push(mismatch(format!("{} is for {}, not {by}.", method.id, method.serves())));
    } else if method.gateway != gateway {
        refusals.push(mismatch(format!("{} is at {}; {gateway} pays this vendor.", method.id, method.gateway)));
    } else if account.is_some_and(|account| account != method.account) {
        let detail =
            format!("{} was added in another gateway account than the tenant's secret names; add it anew.", method.id);
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

/// What stands against the method that a change of a scheduled payment names. Its gateway account, and how often it was
/// debited, is looked at when it is due.
#[must_use]
pub fn against_named(
    invoice: &Invoice,
    by: PaymentMethod,
    gateway: Gateway,
    id: &MethodId,
    method: Option<&Method>,
    now: Time,
) -> Vec<Refusal> {
    against(invoice, by, Some(id), method, (gateway, None), now)
}
