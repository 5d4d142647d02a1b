//! What a transfer is about, from the proposal that is authorized to the transfer itself.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::schema::text;
use super::{Client, money};

/// Where money goes, as the user sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the user to the client.
    Debit,
    /// From the client to the user.
    Credit,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Proposal {
    pub client: String,
    pub account: String,
    pub direction: Direction,
    pub network: String,
    pub ach_class: Option<String>,
    /// In cents.
    pub amount: i64,
    user: Value,
    pub ledger: String,
    funding_account: String,
}

/// The most that a network takes at once, in cents.
fn limit(network: &str) -> i64 {
    match network {
        "ach" => 1_000_000_000,
        "wire" => 99_999_999,
        _ => 100_000_000,
    }
}

impl Proposal {
    /// Reads a body that has the right shape.
    ///
    /// # Errors
    /// When its parts do not fit each other, or the client.
    pub fn read(id: &str, client: &Client, body: &Map<String, Value>) -> Result<Self, ApiError> {
        let own = |name: &str| text(body, name).map(str::to_owned);
        let network = own("network").unwrap_or_default();
        let direction = if text(body, "type") == Some("debit") { Direction::Debit } else { Direction::Credit };
        let ach_class = own("ach_class");
        let is_ach = is_ach(&network);
        if is_ach && ach_class.is_none() {
            let message = "the following required fields are missing: ach_class";
            return Err(ApiError::request("MISSING_FIELDS", message));
        }
        if !is_ach && ach_class.is_some() {
            return Err(ApiError::field("ach_class must be left out: the network is not ACH"));
        }
        if !is_ach && direction == Direction::Debit {
            return Err(ApiError::field("type must be credit on this network"));
        }
        if direction == Direction::Debit && text(body, "credit_funds_source").is_some() {
            return Err(ApiError::field("credit_funds_source must be left out of debits"));
        }
        let funding = text(body, "funding_account_id");
        if funding.is_some_and(|funding| funding != client.funding_account) {
            return Err(ApiError::field("funding_account_id is not one of this client's accounts"));
        }
        if ach_class.as_ref().is_some_and(|class| !may(client, direction, class)) {
            let message = "the ach_class is not permitted for this client and transfer type";
            return Err(ApiError::transfer("TRANSFER_FORBIDDEN_ACH_CLASS", message));
        }
        let amount = amount(body)?;
        if amount > limit(&network) {
            let message = "the amount exceeds the limit of the network";
            return Err(ApiError::transfer("TRANSFER_NETWORK_LIMIT_EXCEEDED", message));
        }
        Ok(Self {
            client: id.to_owned(),
            account: own("account_id").unwrap_or_default(),
            direction,
            network,
            ach_class,
            amount,
            user: user(body),
            ledger: client.ledger.id.clone(),
            funding_account: client.funding_account.clone(),
        })
    }

    /// Of another amount.
    pub fn of(self, amount: i64) -> Self {
        Self { amount, ..self }
    }

    pub fn is_debit(&self) -> bool {
        self.direction == Direction::Debit
    }

    /// The members that authorization and transfer show alike.
    pub fn view(&self) -> Map<String, Value> {
        let source = (!self.is_debit()).then_some("sweep");
        let view = json!({
            "account_id": self.account, "funding_account_id": self.funding_account, "ledger_id": self.ledger,
            "type": self.direction, "user": self.user, "amount": money::text(self.amount), "network": self.network,
            "origination_account_id": "", "iso_currency_code": "USD", "originator_client_id": null,
            "credit_funds_source": source,
        });
        let mut members = view.as_object().cloned().unwrap_or_default();
        members.extend(self.ach_class.as_ref().map(|class| ("ach_class".to_owned(), json!(class))));
        members
    }
}

/// Networks that have return codes and classes.
pub(super) fn is_ach(network: &str) -> bool {
    matches!(network, "ach" | "same-day-ach")
}

/// Whether a class is for this, and for the client.
fn may(client: &Client, direction: Direction, class: &str) -> bool {
    let fits = match direction {
        Direction::Debit => true,
        Direction::Credit => matches!(class, "ccd" | "ppd"),
    };
    fits && client.ach_classes.contains(class)
}

/// A body's `amount`.
pub(super) fn amount(body: &Map<String, Value>) -> Result<i64, ApiError> {
    let wrong = || ApiError::field("amount must be a decimal string above zero with two digits, such as 10.00");
    text(body, "amount").and_then(money::read).ok_or_else(wrong)
}

/// The user with all that answers show of one.
fn user(body: &Map<String, Value>) -> Value {
    let given = body.get("user");
    let of = |value: Option<&Value>, name: &str| value.and_then(|value| value.get(name)).cloned();
    let address = of(given, "address").map(|address| {
        let names = ["street", "city", "region", "postal_code", "country"];
        names.map(|name| (name.to_owned(), json!(of(Some(&address), name)))).into_iter().collect::<Map<_, _>>()
    });
    json!({
        "legal_name": of(given, "legal_name"), "phone_number": of(given, "phone_number"),
        "email_address": of(given, "email_address"), "address": address,
    })
}
