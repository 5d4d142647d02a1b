//! A payment method: a gateway's token for a card or an account, and whose it is. Never a number.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::audit::audited;
use super::names;
use super::payment::{Gateway, PaymentMethod};
use crate::clock::Time;
use crate::id::{MethodId, PartyId, TenantId};

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
        /// Detached, expired or refused by the bank.
        Inactive = "inactive",
        /// Its owner said that it was not authorized.
        Blocked = "blocked",
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

    /// Sort key of the default method of this one's owner.
    #[must_use]
    pub fn default_key(&self) -> String {
        default_key(&self.owner, self.serves())
    }
}

/// Sort key of the item that holds the default method of `owner` for `payment_method`.
#[must_use]
pub fn default_key(owner: &Owner, payment_method: PaymentMethod) -> String {
    format!("default#{owner}#{payment_method}")
}
