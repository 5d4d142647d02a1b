//! What moves the money of payments: an authorization, and the transfer that is made under it
//! (plaid.com/docs/api/products/transfer/initiating-transfers).
//!
//! The authorization's key is our payment id, which Plaid keeps for two days; the transfer's is the authorization's id,
//! under which Plaid makes one transfer, whenever it is asked. Whoever calls keeps that id before the transfer is sent.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::object::Transferred;
use super::{Leave, Plaid, amount, classify};
use crate::gateway::{Answer, Found, Outcome, Trouble};
use crate::model::payment::Payment;
use crate::secrets::{BankAccess, PlaidSecret};

/// Characters of what a bank statement says.
const STATEMENT: usize = 10;
/// Standard ACH; its cut-offs and dates are what we reckon with.
const NETWORK: &str = "ach";

impl Plaid {
    /// Asks for leave to make the transfer of a payment; moves no money. The idempotency key is the payment's id.
    pub async fn authorize(
        &self,
        secret: &PlaidSecret,
        access: &BankAccess,
        payment: &Payment,
        timeout: Duration,
    ) -> Leave {
        let Some(body) = proposal(access, payment) else { return Leave::Answer(unsayable()) };
        match self.post(secret, "/transfer/authorization/create", &body, timeout).await {
            Ok(reply) => classify::leave(&reply, payment),
            Err(trouble) => Leave::Answer(classify::unmoved(Answer::of_trouble(trouble))),
        }
    }

    /// Makes the transfer of a payment under its authorization. No second one is ever made under the same: sent again, it
    /// is answered with the first.
    pub async fn transfer(
        &self,
        secret: &PlaidSecret,
        access: &BankAccess,
        payment: &Payment,
        authorization: &str,
        timeout: Duration,
    ) -> Answer {
        let Some(body) = order(access, payment, authorization) else { return unsayable() };
        match self.post(secret, "/transfer/create", &body, timeout).await {
            Ok(reply) => classify::transfer_reply(&reply),
            Err(trouble) => Answer::of_trouble(trouble),
        }
    }

    /// Reads a transfer, by `transfer_id` or `authorization_id`.
    pub(super) async fn read_transfer(&self, secret: &PlaidSecret, by: &str, id: &str, timeout: Duration) -> Found {
        match self.post(secret, "/transfer/get", &json!({ by: id }), timeout).await {
            Ok(reply) => match reply.object::<Transferred>() {
                Some(Transferred { transfer }) => Found::Object(classify::transfer(&transfer)),
                None if classify::is_missing(&reply) => Found::Nothing,
                None => Found::Unanswered(classify::trouble(&reply)),
            },
            Err(trouble) => Found::Unanswered(trouble),
        }
    }
}

fn unsayable() -> Answer {
    Answer::without_object(Outcome::NotSent(Trouble::Rejected), false)
}

/// The authorization that is asked for; always the same for a payment. `None`: it can't be said in Plaid's words.
fn proposal(access: &BankAccess, payment: &Payment) -> Option<Value> {
    let frozen = payment.frozen.transfer.as_ref()?;
    let mut body = json!({
        "access_token": access.access_token.expose_secret(),
        "account_id": payment.frozen.method,
        "type": frozen.direction,
        "network": NETWORK,
        "ach_class": frozen.ach_class,
        "amount": amount::to_wire(payment.money()).ok()?,
        "iso_currency_code": payment.currency,
        "user": { "legal_name": frozen.holder },
        "idempotency_key": payment.id,
    });
    if let (Some(ledger), Some(fields)) = (&frozen.ledger_id, body.as_object_mut()) {
        fields.insert("ledger_id".to_owned(), json!(ledger));
    }
    Some(body)
}

/// The transfer; always the same for a payment and its authorization.
fn order(access: &BankAccess, payment: &Payment, authorization: &str) -> Option<Value> {
    let frozen = payment.frozen.transfer.as_ref()?;
    let description: String = frozen.statement.chars().take(STATEMENT).collect();
    Some(json!({
        "access_token": access.access_token.expose_secret(),
        "account_id": payment.frozen.method,
        "authorization_id": authorization,
        "amount": amount::to_wire(payment.money()).ok()?,
        "description": description,
        "metadata": {
            "tenant_id": payment.tenant_id,
            "invoice_id": payment.invoice_id,
            "payment_id": payment.id,
        },
    }))
}

#[cfg(test)]
mod tests;
