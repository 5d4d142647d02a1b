//! Which gateway moves a payment, and with what: a method that is charged, a vendor's account that is paid.

use jiff::civil::Date;

use crate::clock::Time;
use crate::id::MethodId;
use crate::model::invoice::{Counterparty, Kind};
use crate::model::method::{Method, Owner};
use crate::model::payment::{Gateway, PaymentMethod};
use crate::model::tenant::{AchProvider, AchSettings};
use crate::policy::bank_day;

/// The gateway that moves the money.
///
/// A bank payment goes where its method is; to a vendor, where the vendor has an account, and if in both places, where
/// the tenant's settings say.
#[must_use]
pub fn gateway(
    by: PaymentMethod,
    kind: Kind,
    counterparty: &Counterparty,
    method: Option<&Method>,
    ach: Option<&AchSettings>,
) -> Gateway {
    match (by, kind) {
        (PaymentMethod::Stripe, _) => Gateway::Stripe,
        (PaymentMethod::Paypal, _) => Gateway::Paypal,
        (PaymentMethod::Ach, Kind::Receivable) => {
            let of_method = method.filter(|method| method.serves() == PaymentMethod::Ach).map(|method| method.gateway);
            of_method.unwrap_or_else(|| provider(ach))
        }
        (PaymentMethod::Ach, Kind::Payable) => match (&counterparty.stripe_account, &counterparty.plaid_method_id) {
            (Some(_), None) => Gateway::Stripe,
            (None, Some(_)) => Gateway::Plaid,
            _ => provider(ach),
        },
    }
}

fn provider(ach: Option<&AchSettings>) -> Gateway {
    match ach.map(|ach| ach.provider) {
        Some(AchProvider::Plaid) => Gateway::Plaid,
        Some(AchProvider::Stripe) | None => Gateway::Stripe,
    }
}

/// Which method takes part in a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// None: the tenant's balance at the gateway pays.
    None,
    /// This one.
    Method(MethodId),
    /// The default of this owner.
    DefaultOf(Owner),
    /// One that can't be told: the counterparty has no `customer_id`.
    Unknown,
}

/// The method that takes part in a payment: the one that is `named`, the default of who pays, or the vendor's bank
/// account that is paid over Plaid.
#[must_use]
pub fn part(
    by: PaymentMethod,
    kind: Kind,
    counterparty: &Counterparty,
    named: Option<&MethodId>,
    ach: Option<&AchSettings>,
) -> Part {
    let to_bank = kind == Kind::Payable && gateway(by, kind, counterparty, None, ach) == Gateway::Plaid;
    match named.or(counterparty.plaid_method_id.as_ref().filter(|_| to_bank)) {
        Some(id) if to_bank || kind == Kind::Receivable || by == PaymentMethod::Stripe => Part::Method(id.clone()),
        None if kind == Kind::Receivable || by == PaymentMethod::Stripe => {
            default_owner(kind, counterparty).map_or(Part::Unknown, Part::DefaultOf)
        }
        _ => Part::None,
    }
}

/// Whether a payment charges a method, or pays into one; else the tenant's balance at the gateway pays.
#[must_use]
pub fn takes_method(by: PaymentMethod, gateway: Gateway, kind: Kind) -> bool {
    kind == Kind::Receivable || by == PaymentMethod::Stripe || gateway == Gateway::Plaid
}

/// When the money of a bank payment that is sent now should have arrived (docs.stripe.com/payments/ach-direct-debit:
/// four business days; plaid.com/docs/transfer: the day after its window). The gateway may know better later.
#[must_use]
pub fn expected_settlement(gateway: Gateway, kind: Kind, now: Time) -> Date {
    let today = bank_day::day_at(now);
    let (cut_off, days) = match (gateway, kind) {
        // A transfer between balances takes no bank.
        (Gateway::Stripe, Kind::Payable) => return today,
        (Gateway::Stripe, Kind::Receivable) => (21, 4),
        _ => (20, 1),
    };
    let in_time = bank_day::is_bank_day(today) && bank_day::hour_at(now) < cut_off;
    bank_day::plus(if in_time { today } else { bank_day::after(today) }, days)
}

/// The owner whose default method pays an invoice when none is named.
#[must_use]
pub fn default_owner(kind: Kind, counterparty: &Counterparty) -> Option<Owner> {
    match kind {
        Kind::Payable => Some(Owner::Tenant),
        Kind::Receivable => counterparty.customer_id.clone().map(Owner::Customer),
    }
}
