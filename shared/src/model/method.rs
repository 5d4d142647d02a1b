//! A payment method: a gateway's token for a card or an account, and whose it is. Never a number.

use std::fmt;
use std::time::Duration;

use jiff::Span;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::audit::audited;
use super::names;
use super::payment::{Gateway, PaymentMethod};
use crate::bounds;
use crate::clock::Time;
use crate::id::{MethodId, PartyId, TenantId, ours};

names! {
    /// What a method draws on.
    MethodKind {
        /// A card.
        Card = "card",
        /// A bank account.
        BankAccount = "bank_account",
        /// A PayPal account.
        Paypal = "paypal",
    }
}

names! {
    /// Whether a method can be used.
    MethodStatus {
        /// Yes.
        Active = "active",
        /// Yes, and its card ends within 60 days.
        Expiring = "expiring",
        /// Detached, expired or refused by the bank.
        Inactive = "inactive",
        /// Its owner said that it was not authorized.
        Blocked = "blocked",
    }
}

impl MethodStatus {
    /// Whether payments may use it.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Active | Self::Expiring)
    }
}

/// Whose method it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The tenant's own.
    Tenant,
    /// A customer's.
    Customer(PartyId),
    /// A vendor's.
    Vendor(PartyId),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant => f.write_str("tenant"),
            Self::Customer(id) => write!(f, "customer:{id}"),
            Self::Vendor(id) => write!(f, "vendor:{id}"),
        }
    }
}

impl Owner {
    /// What a gateway may keep of an owner: the same each time, and it says nothing of tenant and owner.
    #[must_use]
    pub fn mark(&self, tenant: &TenantId) -> String {
        ours("", &["holder", tenant.as_str(), &self.to_string()])
    }
}

impl Serialize for Owner {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let party = |id: &str| id.parse().map_err(serde::de::Error::custom);
        match text.split_once(':') {
            None if text == "tenant" => Ok(Self::Tenant),
            Some(("customer", id)) => party(id).map(Self::Customer),
            Some(("vendor", id)) => party(id).map(Self::Vendor),
            _ => Err(serde::de::Error::custom("not an owner of a payment method")),
        }
    }
}

/// A payment method as it is stored; the default of an owner is a copy of it under another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// Whose books it is in.
    pub tenant_id: TenantId,
    /// The record.
    pub id: MethodId,
    /// Who knows the number behind it.
    pub gateway: Gateway,
    /// The gateway's id of it.
    pub reference: String,
    /// The gateway's account in which it was found.
    pub account: String,
    /// The gateway's id of its owner; at Plaid, which keeps none, of the bank link that the account belongs to.
    pub customer: String,
    /// Stripe's id of the consent under which a bank account is debited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandate: Option<String>,
    /// What it draws on.
    pub kind: MethodKind,
    /// Whose it is.
    pub owner: Owner,
    /// Card brand or bank name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// The last four digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last4: Option<String>,
    /// Month in which the card ends, 1 to 12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp_month: Option<u8>,
    /// Year in which the card ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp_year: Option<u16>,
    /// Whether it can be used.
    pub status: MethodStatus,
    /// Since when it is let go at its gateway, or is to count as that: nothing but adding it again makes it good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detached_at: Option<Time>,
    /// When it was added.
    pub created_at: Time,
    /// On the copy that is the default: since when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_since: Option<Time>,
    /// Grows with each change.
    pub version: u64,
    /// Hash of the last audit entry.
    pub audit_head: String,
}

audited!(Method, "method", id);

impl Method {
    /// The `payment_method` of a payment that this method can serve.
    #[must_use]
    pub fn serves(&self) -> PaymentMethod {
        match (self.gateway, self.kind) {
            (Gateway::Stripe, MethodKind::Card) => PaymentMethod::Stripe,
            (Gateway::Stripe, MethodKind::BankAccount) | (Gateway::Plaid, _) => PaymentMethod::Ach,
            (Gateway::Paypal, _) | (Gateway::Stripe, MethodKind::Paypal) => PaymentMethod::Paypal,
        }
    }

    /// Whether it can be used at that time: a card ends by itself, whatever was last written down.
    #[must_use]
    pub fn status_at(&self, now: Time) -> MethodStatus {
        match self.end() {
            Some(end) if self.status.is_usable() => status_of(end, now),
            _ => self.status,
        }
    }

    /// The method, out of use. What is blocked stays so.
    #[must_use]
    pub fn retired(&self, status: MethodStatus) -> Self {
        let is_blocked = self.status == MethodStatus::Blocked;
        Self { status: if is_blocked { MethodStatus::Blocked } else { status }, ..self.clone() }
    }

    /// The method, in use from now on with its card as it is. Where it was called expiring, nobody is called once more about
    /// an end that is as near.
    #[must_use]
    pub fn in_use(self, now: Time) -> Self {
        let was_called = self.status == MethodStatus::Expiring;
        let active = Self { status: MethodStatus::Active, ..self };
        if was_called { Self { status: active.status_at(now), ..active } } else { active }
    }

    /// The method, let go at its gateway.
    #[must_use]
    pub fn detached(&self, at: Time) -> Self {
        Self { detached_at: self.detached_at.or(Some(at)), ..self.retired(MethodStatus::Inactive) }
    }

    /// The month in which its card ends: the first day of it.
    #[must_use]
    pub fn end(&self) -> Option<Date> {
        end(self.exp_year, self.exp_month)
    }

    /// Sort key of the default method of this one's owner.
    #[must_use]
    pub fn default_key(&self) -> String {
        default_key(&self.owner, self.serves())
    }
}

/// The first day of the month in which a card ends, if that is a month.
#[must_use]
pub fn end(year: Option<u16>, month: Option<u8>) -> Option<Date> {
    Date::new(year?.try_into().ok()?, month?.try_into().ok()?, 1).ok()
}

/// The status of a usable card that ends in the month that begins with `end`. A card is good to the last day of its
/// month (ISO/IEC 7813), wherever its holder lives.
#[must_use]
pub fn status_of(end: Date, now: Time) -> MethodStatus {
    // Far in the future a date has no following month: such a card never ends.
    let Ok(over) = end.checked_add(Span::new().months(1)) else { return MethodStatus::Active };
    let over = Time::start_of(over, &TimeZone::UTC).plus(LAST_TO_END);
    if now >= over {
        MethodStatus::Inactive
    } else if now >= over.minus(bounds::EXPIRY_NOTICE) {
        MethodStatus::Expiring
    } else {
        MethodStatus::Active
    }
}

/// So much later than in Greenwich a month is over everywhere.
const LAST_TO_END: Duration = Duration::from_hours(12);

/// Sort key of the item that holds the default method of `owner` for `payment_method`.
#[must_use]
pub fn default_key(owner: &Owner, payment_method: PaymentMethod) -> String {
    format!("default#{owner}#{payment_method}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(status: MethodStatus) -> Method {
        serde_json::from_value(serde_json::json!({
            "tenant_id": "acme", "id": MethodId::of(&"acme".parse().unwrap(), "stripe", "pm_1"), "gateway": "stripe",
            "reference": "pm_1", "account": "acct_1", "customer": "cus_1", "kind": "card", "owner": "tenant",
            "exp_month": 2, "exp_year": 2028, "status": status, "created_at": "2026-01-15T14:30:00.000Z",
            "version": 1, "audit_head": "",
        }))
        .unwrap()
    }

    #[test]
    fn a_card_is_good_to_the_end_of_its_month_everywhere_and_said_to_end_60_days_before() {
        let at = |time: &str| card(MethodStatus::Active).status_at(time.parse().unwrap());
        assert_eq!(at("2026-01-15T14:30:00Z"), MethodStatus::Active);
        // 2028 is a leap year; noon of 1 March in Greenwich is midnight at the date line.
        assert_eq!(at("2028-01-01T11:59:59.999Z"), MethodStatus::Active);
        assert_eq!(at("2028-01-01T12:00:00Z"), MethodStatus::Expiring);
        assert_eq!(at("2028-03-01T11:59:59.999Z"), MethodStatus::Expiring);
        assert_eq!(at("2028-03-01T12:00:00Z"), MethodStatus::Inactive);
    }

    #[test]
    fn what_is_barred_is_not_made_good_by_a_date() {
        let now = "2026-01-15T14:30:00Z".parse().unwrap();
        for status in [MethodStatus::Inactive, MethodStatus::Blocked] {
            assert_eq!(card(status).status_at(now), status);
        }
        assert_eq!(card(MethodStatus::Expiring).status_at(now), MethodStatus::Active);
    }

    #[test]
    fn nobody_is_called_twice_about_an_end_that_stays_near() {
        let near = "2028-02-01T00:00:00Z".parse().unwrap();
        assert_eq!(card(MethodStatus::Expiring).in_use(near).status, MethodStatus::Expiring);
        assert_eq!(card(MethodStatus::Active).in_use(near).status, MethodStatus::Active, "called by the daily run");
        assert_eq!(card(MethodStatus::Inactive).in_use(near).status, MethodStatus::Active, "the same");
        let far = "2027-02-01T00:00:00Z".parse().unwrap();
        assert_eq!(card(MethodStatus::Expiring).in_use(far).status, MethodStatus::Active);
    }

    #[test]
    fn what_is_no_month_ends_nothing() {
        let now = "2026-01-15T14:30:00Z".parse().unwrap();
        for (year, month) in [(None, Some(2)), (Some(2020), None), (Some(2020), Some(13)), (Some(u16::MAX), Some(1))] {
            let card = Method { exp_year: year, exp_month: month, ..card(MethodStatus::Active) };
            assert_eq!((card.end(), card.status_at(now)), (None, MethodStatus::Active));
        }
        assert_eq!(status_of(Date::new(9999, 12, 1).unwrap(), now), MethodStatus::Active);
    }
}
