//! Plaid's objects, as far as they are read (its OpenAPI document, `Transfer…`). Every field that may be missing is
//! optional and every word an open string: Plaid adds to both.

use jiff::civil::Date;
use serde::{Deserialize, Deserializer};

use super::amount;
use crate::clock::Time;
use crate::money::Money;

/// Characters of a code of Plaid's at most; the longest known has half of them.
const WORD: usize = 64;

/// A member that is null is one that is not there.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Whether a text can be a code: it is kept, and shown.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= WORD && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

/// What `/transfer/authorization/create` answers.
#[derive(Deserialize)]
pub(super) struct Authorized {
    pub authorization: Authorization,
}

#[derive(Deserialize)]
pub(super) struct Authorization {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub decision: String,
    #[serde(default, deserialize_with = "or_default")]
    pub decision_rationale: Rationale,
    #[serde(default)]
    pub proposed_transfer: Option<Proposed>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Rationale {
    pub code: Option<String>,
}

/// What an authorization is for.
#[derive(Deserialize)]
pub(super) struct Proposed {
    #[serde(default)]
    pub account_id: Option<String>,
    #[serde(rename = "type")]
    pub direction: String,
    pub amount: String,
    pub iso_currency_code: String,
}

impl Proposed {
    pub fn money(&self) -> Option<Money> {
        amount::from_wire(&self.amount, &self.iso_currency_code)
    }
}

/// What the calls of a transfer answer.
#[derive(Deserialize)]
pub(super) struct Transferred {
    pub transfer: Transfer,
}

/// A transfer.
#[derive(Deserialize)]
pub(super) struct Transfer {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub status: String,
    #[serde(default, deserialize_with = "or_default")]
    pub amount: String,
    #[serde(default, deserialize_with = "or_default")]
    pub iso_currency_code: String,
    #[serde(default, deserialize_with = "or_default")]
    pub failure_reason: FailureReason,
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    #[serde(default)]
    pub expected_settlement_date: Option<String>,
    /// Of a debit into a ledger, where Plaid is to leave the other one out some day.
    #[serde(default)]
    pub expected_funds_available_date: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub refunds: Vec<Refund>,
}

impl Transfer {
    pub fn money(&self) -> Option<Money> {
        amount::from_wire(&self.amount, &self.iso_currency_code)
    }

    /// When the money should have arrived.
    pub fn expected(&self) -> Option<Date> {
        let date = |text: &Option<String>| text.as_ref()?.parse().ok();
        date(&self.expected_settlement_date).or_else(|| date(&self.expected_funds_available_date))
    }
}

/// Why a bank returned something, or the network refused it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct FailureReason {
    failure_code: Option<String>,
    /// Its older name.
    ach_return_code: Option<String>,
}

impl FailureReason {
    pub fn code(&self) -> Option<&str> {
        self.failure_code.as_deref().or(self.ach_return_code.as_deref()).filter(|code| is_word(code))
    }
}

/// Our ids on a transfer.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    pub tenant_id: Option<String>,
    pub invoice_id: Option<String>,
    pub payment_id: Option<String>,
}

/// What the calls of a refund answer.
#[derive(Deserialize)]
pub(super) struct Refunded {
    pub refund: Refund,
}

/// A refund of a transfer.
#[derive(Deserialize)]
pub(super) struct Refund {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub transfer_id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub amount: String,
    #[serde(default, deserialize_with = "or_default")]
    pub status: String,
    #[serde(default, deserialize_with = "or_default")]
    pub failure_reason: FailureReason,
    #[serde(default, deserialize_with = "or_default")]
    pub created: String,
}

impl Refund {
    /// It names no currency: there is one.
    pub fn money(&self) -> Option<Money> {
        amount::from_wire(&self.amount, amount::CURRENCY)
    }

    pub fn created_at(&self) -> Option<Time> {
        self.created.parse().ok()
    }
}

/// What `/transfer/ledger/get` answers.
#[derive(Deserialize)]
pub(super) struct Ledger {
    pub balance: Balance,
}

#[derive(Deserialize)]
pub(super) struct Balance {
    pub available: String,
}

/// A page of `/transfer/event/sync`.
#[derive(Deserialize)]
pub(super) struct EventPage {
    pub transfer_events: Vec<Event>,
    pub has_more: bool,
}

#[derive(Deserialize)]
pub(super) struct Event {
    pub event_id: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub timestamp: String,
    #[serde(default, deserialize_with = "or_default")]
    pub event_type: String,
    /// Empty where it is about no transfer.
    #[serde(default, deserialize_with = "or_default")]
    pub transfer_id: String,
    #[serde(default)]
    pub refund_id: Option<String>,
}

/// What `/link/token/create` answers.
#[derive(Deserialize)]
pub(super) struct LinkToken {
    pub link_token: String,
    #[serde(default)]
    pub expiration: String,
}

/// What `/item/public_token/exchange` answers.
#[derive(Deserialize)]
pub(super) struct Exchanged {
    pub access_token: secrecy::SecretString,
    pub item_id: String,
}

/// What `/accounts/get` answers.
#[derive(Deserialize)]
pub(super) struct Accounts {
    pub accounts: Vec<Account>,
    pub item: Item,
}

#[derive(Deserialize)]
pub(super) struct Account {
    pub account_id: String,
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    pub kind: String,
    #[serde(default, deserialize_with = "or_default")]
    pub subtype: String,
    /// The last two to four characters of its number.
    #[serde(default)]
    pub mask: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
}

/// A link to a bank.
#[derive(Deserialize)]
pub(super) struct Item {
    pub item_id: String,
    #[serde(default)]
    pub institution_name: Option<String>,
}

/// What `/webhook_verification_key/get` answers.
#[derive(Deserialize)]
pub(super) struct VerificationKey {
    pub key: Jwk,
}

/// A public key (RFC 7517, and how long it is in use).
#[derive(Deserialize)]
pub(super) struct Jwk {
    pub alg: String,
    pub kid: String,
    pub kty: String,
    pub crv: String,
    #[serde(rename = "use")]
    pub purpose: String,
    pub x: String,
    pub y: String,
    /// Unix seconds.
    #[serde(default)]
    pub expired_at: Option<i64>,
}

/// What went wrong.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorBody {
    pub error_type: Option<String>,
    pub error_code: Option<String>,
    error_message: Option<String>,
}

impl ErrorBody {
    /// Whether it is Plaid that speaks.
    pub fn is_readable(&self) -> bool {
        self.error_type.is_some() && self.error_code.is_some()
    }

    /// Its kind and its code.
    pub fn words(&self) -> (&str, &str) {
        (self.error_type.as_deref().unwrap_or_default(), self.error_code.as_deref().unwrap_or_default())
    }

    /// For support.
    pub fn code(&self) -> Option<String> {
        self.error_code.clone().filter(|code| is_word(code))
    }

    /// Whether a ledger holds too little. Plaid documents no code for it; the message only tells one refusal from
    /// another, neither of which has moved anything.
    pub fn says_insufficient(&self) -> bool {
        let says =
            |text: &Option<String>| text.as_ref().is_some_and(|t| t.to_ascii_lowercase().contains("insufficient"));
        says(&self.error_code) || says(&self.error_message)
    }
}
