//! Balances: what an account can pay transfers and refunds with.
//!
//! Money of charges is available at once, where Stripe holds it back for some days: an account may be settled
//! that fast, and what is pending pays nothing. Stripe's fees are left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::State;
use super::charge::number;
use super::error::ApiError;
use super::form::Form;
use super::method::text;

/// What is available, by account and currency, in Stripe's units; below zero where refunds have taken more.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Balances(BTreeMap<String, BTreeMap<String, i64>>);

impl Balances {
    pub fn set(&mut self, account: &str, currency: &str, amount: i64) {
        self.0.entry(account.to_owned()).or_default().insert(currency.to_owned(), amount);
    }

    pub fn available(&self, account: &str, currency: &str) -> i64 {
        self.0.get(account).and_then(|balances| balances.get(currency)).copied().unwrap_or_default()
    }

    pub fn add(&mut self, account: &str, currency: &str, amount: i64) {
        self.set(account, currency, self.available(account, currency).saturating_add(amount));
    }

    /// From one account to another.
    pub fn transfer(&mut self, from: &str, to: &str, currency: &str, amount: i64) {
        self.add(from, currency, -amount);
        self.add(to, currency, amount);
    }
}

/// A charge that succeeded; with `transfer_data`, all but the fee is its destination's.
pub(super) fn charged(state: &mut State, account: &str, charge: &Value) {
    let (currency, amount) = (text(charge, "currency"), number(charge, "amount"));
    state.balances.add(account, currency, amount);
    if let Some(destination) = charge.pointer("/transfer_data/destination").and_then(Value::as_str) {
        let amount = amount - number(charge, "application_fee_amount");
        state.balances.transfer(account, destination, currency, amount);
    }
}

/// A refund that went out, or came back; where it reverses a transfer, the destination has paid it.
pub(super) fn refunded(state: &mut State, account: &str, refund: &Value, came_back: bool) {
    let amount = if came_back { -number(refund, "amount") } else { number(refund, "amount") };
    let destination = state
        .find(account, text(refund, "charge"), "charge")
        .filter(|_| refund.get("transfer_reversal").is_some_and(Value::is_string))
        .and_then(|charge| charge.value.pointer("/transfer_data/destination"))
        .and_then(Value::as_str);
    let payer = destination.unwrap_or(account).to_owned();
    state.balances.add(&payer, text(refund, "currency"), -amount);
}

pub(super) fn read(state: &State, account: &str, form: &Form) -> Result<Value, ApiError> {
    form.only(&["expand[]"])?;
    let balances = state.balances.0.get(account).cloned().unwrap_or_default();
    // An account that nothing has reached yet has its own currency all the same.
    let balances = if balances.is_empty() { BTreeMap::from([("usd".to_owned(), 0)]) } else { balances };
    let list = |of: &dyn Fn(i64) -> i64| -> Vec<Value> {
        let entry = |(currency, amount): (&String, &i64)| {
            let amount = of(*amount);
            json!({ "amount": amount, "currency": currency, "source_types": { "card": amount } })
        };
        balances.iter().map(entry).collect()
    };
    Ok(json!({
        "object": "balance", "livemode": false, "available": list(&|amount| amount), "pending": list(&|_| 0),
    }))
}
