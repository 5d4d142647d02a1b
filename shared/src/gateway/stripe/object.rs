//! Stripe's objects, as far as they are read. Every field is optional and every word an open string: Stripe adds to
//! both.

use std::collections::HashMap;

use serde::Deserialize;

/// A PaymentIntent.
#[derive(Deserialize)]
pub(super) struct Intent {
    pub id: String,
    pub status: String,
    pub amount: i64,
    #[serde(default)]
    pub amount_received: Option<i64>,
    pub currency: String,
    #[serde(default)]
    pub metadata: HashMap<String, String>,
    #[serde(default)]
    pub last_payment_error: Option<ApiError>,
    #[serde(default)]
    pub client_secret: Option<String>,
}

impl Intent {
    /// The id of ours that it carries.
    pub fn payment_id(&self) -> Option<&str> {
        self.metadata.get("payment_id").map(String::as_str)
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
pub(super) struct Setup {
    pub status: String,
    #[serde(default)]
    pub payment_method: Option<String>,
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
