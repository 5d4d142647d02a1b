//! The books, to compare with: what Stripe has of each account, whoever made it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::charge::{self, number};
use super::method::text;
use super::{State, Stripe, bank, dispute, reversal, transfer};

/// What Stripe's books say of a PaymentIntent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookEntry {
    /// `pi_…`.
    pub id: String,
    /// In Stripe's units.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    /// What the client wrote on it.
    pub metadata: BTreeMap<String, String>,
    /// The PaymentIntent's status.
    pub status: String,
    /// Money moved.
    pub captured: bool,
    /// The connected account that was paid.
    pub destination: Option<String>,
    /// What was given back, in Stripe's units.
    pub refunded: i64,
    /// The type of the method of the last attempt, `card` or `us_bank_account`; empty before it.
    pub method_type: String,
    /// The method of the last attempt.
    pub method: Option<String>,
    /// A debit was handed to its bank, and not called off before it left.
    pub presented: bool,
    /// Why the last attempt failed, or with which reason it was disputed.
    pub failure: Option<String>,
}

/// What Stripe's books say of a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundEntry {
    /// `re_…`, or `pyr_…` for a bank debit.
    pub id: String,
    /// The PaymentIntent.
    pub intent: String,
    /// In Stripe's units.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    /// The refund's status.
    pub status: String,
    /// What the client wrote on it.
    pub metadata: BTreeMap<String, String>,
    /// The reason that was given.
    pub reason: Option<String>,
    /// Whether the connected account paid it.
    pub reverse_transfer: bool,
}

/// What Stripe's books say of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferEntry {
    /// `tr_…`.
    pub id: String,
    /// In Stripe's units.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    /// The connected account that was paid.
    pub destination: String,
    /// What it belongs to, as the client says.
    pub transfer_group: Option<String>,
    /// What the client wrote on it.
    pub metadata: BTreeMap<String, String>,
    /// What went back, in Stripe's units.
    pub reversed: i64,
    /// How it went back, oldest first.
    pub reversals: Vec<ReversalEntry>,
}

/// What Stripe's books say of a reversal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReversalEntry {
    /// `trr_…`.
    pub id: String,
    /// In Stripe's units.
    pub amount: i64,
    /// What the client wrote on it.
    pub metadata: BTreeMap<String, String>,
}

impl Stripe {
    /// The account's PaymentIntents, oldest first.
    #[must_use]
    pub fn books(&self, account: &str) -> Vec<BookEntry> {
        let state = self.state();
        let intents = state.intents.iter().filter_map(|id| state.find(account, id, "payment_intent"));
        intents.map(|stored| entry(&state, account, &stored.value)).collect()
    }

    /// The account's refunds, oldest first.
    #[must_use]
    pub fn refunds(&self, account: &str) -> Vec<RefundEntry> {
        let state = self.state();
        let refunds = state.refunds.iter().filter_map(|id| state.find(account, id, "refund"));
        refunds.map(|stored| refund_entry(&stored.value)).collect()
    }

    /// The account's disputes, oldest first: id, PaymentIntent and status.
    #[must_use]
    pub fn disputes(&self, account: &str) -> Vec<(String, String, String)> {
        let state = self.state();
        let disputes = state.disputes.iter().filter_map(|id| state.find(account, id, "dispute"));
        let texts = |value: &Value| ["id", "payment_intent", "status"].map(|name| text(value, name).to_owned());
        disputes.map(|stored| texts(&stored.value).into()).collect()
    }

    /// The account's transfers, oldest first.
    #[must_use]
    pub fn transfers(&self, account: &str) -> Vec<TransferEntry> {
        let state = self.state();
        transfer::all(&state, account).rev().map(|transfer| transfer_entry(&state, account, transfer)).collect()
    }

    /// How often debits of a bank account were handed to its bank.
    #[must_use]
    pub fn presentments(&self, account: &str, method: &str) -> u32 {
        bank::presentments(&self.state(), account, method)
    }

    /// What an account, or a connected one, has available, in Stripe's units.
    #[must_use]
    pub fn balance(&self, account: &str, currency: &str) -> i64 {
        self.state().balances.available(account, currency)
    }
}

fn entry(state: &State, account: &str, intent: &Value) -> BookEntry {
    let charge = charge::of_intent(state, account, intent);
    let number = |name: &str| number(intent, name);
    let of_charge = |name: &str| charge.and_then(|charge| charge.pointer(name)).and_then(Value::as_str);
    BookEntry {
        id: text(intent, "id").to_owned(),
        amount: number("amount"),
        currency: text(intent, "currency").to_owned(),
        metadata: metadata(intent),
        status: text(intent, "status").to_owned(),
        captured: number("amount_received") > 0,
        destination: intent.pointer("/transfer_data/destination").and_then(Value::as_str).map(str::to_owned),
        refunded: charge.map_or(0, |charge| charge::number(charge, "amount_refunded")),
        method_type: of_charge("/payment_method_details/type").unwrap_or_default().to_owned(),
        method: of_charge("/payment_method").map(str::to_owned),
        presented: bank::is_presented(state, text(intent, "id")),
        failure: of_charge("/failure_code").or_else(|| dispute::reason(state, charge?)).map(str::to_owned),
    }
}

/// What the client wrote on an object.
fn metadata(object: &Value) -> BTreeMap<String, String> {
    object.get("metadata").and_then(|metadata| serde_json::from_value(metadata.clone()).ok()).unwrap_or_default()
}

fn refund_entry(refund: &Value) -> RefundEntry {
    RefundEntry {
        id: text(refund, "id").to_owned(),
        intent: text(refund, "payment_intent").to_owned(),
        amount: number(refund, "amount"),
        currency: text(refund, "currency").to_owned(),
        status: text(refund, "status").to_owned(),
        metadata: metadata(refund),
        reason: refund.get("reason").and_then(Value::as_str).map(str::to_owned),
        reverse_transfer: refund.get("transfer_reversal").is_some_and(Value::is_string),
    }
}

fn transfer_entry(state: &State, account: &str, transfer: &Value) -> TransferEntry {
    let id = text(transfer, "id");
    TransferEntry {
        id: id.to_owned(),
        amount: number(transfer, "amount"),
        currency: text(transfer, "currency").to_owned(),
        destination: text(transfer, "destination").to_owned(),
        transfer_group: transfer.get("transfer_group").and_then(Value::as_str).map(str::to_owned),
        metadata: metadata(transfer),
        reversed: number(transfer, "amount_reversed"),
        reversals: reversal::of_transfer(state, account, id).rev().map(reversal_entry).collect(),
    }
}

fn reversal_entry(reversal: &Value) -> ReversalEntry {
    ReversalEntry {
        id: text(reversal, "id").to_owned(),
        amount: number(reversal, "amount"),
        metadata: metadata(reversal),
    }
}
