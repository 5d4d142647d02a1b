//! A tenant's settings and members.
//!
//! Both are one aggregate: the settings record carries the version and the audit head for itself and every member.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::audit::audited;
use super::names;
use crate::clock::Time;
use crate::id::{TenantId, UserId};
use crate::money::{Currency, Money};

names! {
    /// What a member is allowed to be; roles add up.
    Role {
        /// Reads everything.
        Viewer = "viewer",
        /// Enters invoices and pays approved ones.
        Clerk = "clerk",
        /// Approves, within limits.
        Approver = "approver",
        /// Refunds, resolves, keeps payment methods.
        Treasurer = "treasurer",
        /// Keeps settings and members.
        Admin = "admin",
        /// A worker program; may name an approver.
        Service = "service",
    }
}

names! {
    /// What to do with a pay-now that failed for insufficient funds.
    OnInsufficientFunds {
        /// Make it a scheduled payment.
        Reschedule = "reschedule",
        /// Leave the invoice approved.
        Fail = "fail",
    }
}

names! {
    /// Who moves bank payments for the tenant.
    AchProvider {
        /// Stripe.
        Stripe = "stripe",
        /// Plaid.
        Plaid = "plaid",
    }
}

/// Who pays through which gateway, how often to try again, who must approve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The tenant.
    pub tenant_id: TenantId,
    /// For people.
    pub name: String,
    /// IANA name; dates of schedules are midnights there.
    pub timezone: String,
    /// Whoever created an invoice may not approve it.
    #[serde(default)]
    pub four_eyes: bool,
    /// Minor units by currency above which two people must approve.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub second_approval_above: BTreeMap<Currency, i64>,
    /// Days after which a payment that failed for insufficient funds is tried again.
    pub retry_days: Vec<u16>,
    /// What a pay-now that failed for insufficient funds becomes.
    pub on_insufficient_funds: OnInsufficientFunds,
    /// Where alerts are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_email: Option<String>,
    /// What may be paid with.
    #[serde(default)]
    pub gateways: Gateways,
    /// Grows with each change of settings or members.
    pub version: u64,
    /// Hash of the last audit entry.
    pub audit_head: String,
}

audited!(Settings, "tenant", tenant_id);

/// What may be paid with; off unless said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateways {
    /// Cards over Stripe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe: Option<StripeSettings>,
    /// PayPal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paypal: Option<PaypalSettings>,
    /// Bank payments in the US.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ach: Option<AchSettings>,
}

/// Stripe for the tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripeSettings {
    /// Whether it may be used.
    pub enabled: bool,
    /// Whether a payable without a connected account may be paid into the tenant's own balance.
    pub payable_without_destination: bool,
}

/// PayPal for the tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaypalSettings {
    /// Whether it may be used.
    pub enabled: bool,
}

/// Bank payments for the tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AchSettings {
    /// Whether they may be used.
    pub enabled: bool,
    /// Who moves them when both could.
    pub provider: AchProvider,
    /// Whether we present a returned Stripe debit again, which Stripe may do by itself.
    pub own_retries: bool,
    /// What Plaid needs to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaid: Option<PlaidSettings>,
}

/// The SEC codes under which Plaid debits (plaid.com/docs/transfer): companies, consumers in writing, on the web, by phone.
pub const ACH_CLASSES: [&str; 4] = ["ccd", "ppd", "web", "tel"];

/// Plaid Transfer for the tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaidSettings {
    /// SEC code of entries, such as `ccd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ach_class: Option<String>,
    /// Ledger that credits are paid from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_id: Option<String>,
}

impl Settings {
    /// The tenant's time zone; UTC should the name have left the time zone database since it was checked.
    #[must_use]
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.timezone).unwrap_or(TimeZone::UTC)
    }

    /// Whether an invoice of `money` needs two approvers.
    #[must_use]
    pub fn needs_second_approval(&self, money: Money) -> bool {
        self.second_approval_above.get(&money.currency).is_some_and(|limit| money.amount_minor > *limit)
    }
}

/// A user of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The tenant.
    pub tenant_id: TenantId,
    /// As the identity provider names them.
    pub user_id: UserId,
    /// What they are allowed to be.
    pub roles: BTreeSet<Role>,
    /// How much they may approve.
    #[serde(default)]
    pub approval_limits: Limits,
    /// When the record was first made.
    pub created_at: Time,
}

/// Approval limits in minor units, by currency; `None`: without limit. `*` stands for every currency not named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Limits(pub BTreeMap<String, Option<i64>>);

impl Limits {
    /// Whether `money` may be approved. Without a limit for its currency: no.
    #[must_use]
    pub fn cover(&self, money: Money) -> bool {
        match self.0.get(money.currency.code()).or_else(|| self.0.get("*")) {
            Some(Some(limit)) => money.amount_minor <= *limit,
            Some(None) => true,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(of: &[(&str, Option<i64>)]) -> Limits {
        Limits(of.iter().map(|(code, limit)| ((*code).to_owned(), *limit)).collect())
    }

    fn usd(amount_minor: i64) -> Money {
        Money { amount_minor, currency: "USD".parse().unwrap() }
    }

    #[test]
    fn a_limit_covers_up_to_its_amount_and_no_other_currency() {
        let limits = limits(&[("USD", Some(1000))]);
        assert!(limits.cover(usd(1000)));
        assert!(!limits.cover(usd(1001)));
        assert!(!limits.cover(Money { amount_minor: 1, currency: "EUR".parse().unwrap() }));
    }

    #[test]
    fn a_star_lifts_the_limit_of_currencies_that_are_not_named() {
        let limits = limits(&[("USD", Some(1000)), ("*", None)]);
        assert!(limits.cover(Money { amount_minor: i64::MAX, currency: "EUR".parse().unwrap() }));
        assert!(!limits.cover(usd(1001)));
    }
}
