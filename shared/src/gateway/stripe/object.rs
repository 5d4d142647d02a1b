//! Stripe's objects, as far as they are read. Every field is optional and every word an open string: Stripe adds to
//! both.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};

use crate::gateway::Labels;

/// A PaymentIntent.
#[derive(Deserialize)]
pub(super) struct Intent {
    pub id: String,
    pub status: String,
    pub amount: i64,
    #[serde(default)]
    pub amount_received: Option<i64>,
    pub currency: String,
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Ours,
    #[serde(default)]
    pub last_payment_error: Option<ApiError>,
    #[serde(default)]
    pub client_secret: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub payment_method_types: Vec<String>,
}

/// Whatever carries ids of ours.
#[derive(Deserialize)]
pub(super) struct Labeled {
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Ours,
}

/// The ids of ours in an object's metadata.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Ours {
    pub tenant_id: Option<String>,
    pub invoice_id: Option<String>,
    pub payment_id: Option<String>,
    pub refund_id: Option<String>,
}

/// A member that is null is one that is not there.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl From<Ours> for Labels {
    fn from(ours: Ours) -> Self {
        let Ours { tenant_id, invoice_id, payment_id, refund_id } = ours;
        Self { tenant_id, invoice_id, payment_id, refund_id }
    }
}

/// A Refund.
#[derive(Deserialize)]
pub(super) struct Refund {
    pub id: String,
    pub amount: i64,
    pub currency: String,
    #[serde(default)]
    pub status: Option<String>,
    #[serde(default)]
    pub failure_reason: Option<String>,
    #[serde(default)]
    pub created: i64,
    #[serde(default)]
    pub payment_intent: Option<Reference>,
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Ours,
}

/// A Charge.
#[derive(Deserialize)]
pub(super) struct Charge {
    pub currency: String,
    #[serde(default)]
    pub amount_refunded: i64,
    #[serde(default)]
    pub payment_intent: Option<Reference>,
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Ours,
}

/// A Dispute.
#[derive(Deserialize)]
pub(super) struct Dispute {
    pub id: String,
    pub amount: i64,
    pub currency: String,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub payment_intent: Option<Reference>,
}

/// A Transfer.
#[derive(Deserialize)]
pub(super) struct Transfer {
    pub id: String,
    #[serde(default)]
    pub amount: i64,
    pub currency: String,
    #[serde(default)]
    pub amount_reversed: i64,
    #[serde(default)]
    pub transfer_group: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Ours,
}

/// A reversal of a transfer.
#[derive(Deserialize)]
pub(super) struct Reversal {
    pub id: String,
    pub amount: i64,
    pub currency: String,
    #[serde(default)]
    pub created: i64,
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Ours,
}

/// What an account has.
#[derive(Deserialize)]
pub(super) struct Balance {
    pub available: Vec<Funds>,
}

/// Its part in one currency.
#[derive(Deserialize)]
pub(super) struct Funds {
    pub amount: i64,
    pub currency: String,
}

/// An object, or its id alone.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Reference {
    Id(String),
    Object { id: String },
}

impl Reference {
    pub fn id(self) -> String {
        match self {
            Self::Id(id) | Self::Object { id } => id,
        }
    }
}

/// What went wrong, inside or outside of a PaymentIntent.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ApiError {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub code: Option<String>,
    pub decline_code: Option<String>,
    pub advice_code: Option<String>,
    pub param: Option<String>,
    pub payment_intent: Option<Box<Intent>>,
}

#[derive(Deserialize)]
pub(super) struct Envelope {
    pub error: ApiError,
}

/// A page of a list.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub data: Vec<T>,
    #[serde(default)]
    pub has_more: bool,
}

/// A SetupIntent.
#[derive(Deserialize)]
pub(super) struct SetupIntent {
    pub id: String,
    pub status: String,
    #[serde(default)]
    pub client_secret: Option<String>,
    #[serde(default)]
    pub payment_method: Option<String>,
    #[serde(default)]
    pub mandate: Option<Reference>,
}

/// A PaymentMethod.
#[derive(Deserialize)]
pub(super) struct Method {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub customer: Option<String>,
    #[serde(default)]
    pub card: Option<Card>,
    #[serde(default)]
    pub us_bank_account: Option<Bank>,
}

#[derive(Deserialize)]
pub(super) struct Card {
    #[serde(default)]
    pub brand: Option<String>,
    #[serde(default)]
    pub last4: Option<String>,
    #[serde(default)]
    pub exp_month: Option<u8>,
    #[serde(default)]
    pub exp_year: Option<u16>,
}

#[derive(Deserialize)]
pub(super) struct Bank {
    #[serde(default)]
    pub bank_name: Option<String>,
    #[serde(default)]
    pub last4: Option<String>,
    #[serde(default)]
    pub status_details: Option<BankStatus>,
}

#[derive(Deserialize)]
pub(super) struct BankStatus {
    #[serde(default)]
    pub blocked: Option<Blocked>,
}

/// Why a bank account can't be debited any more.
#[derive(Deserialize)]
pub(super) struct Blocked {
    /// The return code that said so.
    #[serde(default)]
    pub network_code: Option<String>,
}

/// A Customer.
#[derive(Deserialize)]
pub(super) struct Customer {
    pub id: String,
    #[serde(default)]
    pub deleted: bool,
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}
