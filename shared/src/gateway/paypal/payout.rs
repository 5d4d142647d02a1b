//! What vendors are paid: a batch of one payout to an e-mail address
//! (developer.paypal.com/docs/api/payments.payouts-batch/v1).
//!
//! Our payment id is the batch's own id, and all that protects: PayPal takes one batch under it, and frees it when that
//! batch is denied or canceled. So nothing is ever sent for a payment whose batch is known, and a failure counts only of
//! the batch that is in our books, or of one that PayPal is done with and that keeps our id. The request id, which PayPal documents for payouts too, was seen to
//! have no effect.

use http::Method as Verb;
use serde_json::{Value, json};

use super::classify::{self, Known};
use super::object::{Batch, Item};
use super::order::found;
use super::transport::{Budget, Request, segment};
use super::{PayPal, amount};
use crate::gateway::{Answer, Found, Outcome, Trouble};
use crate::model::payment::Payment;
use crate::secrets::PayPalSecret;

/// Characters of the subject that PayPal takes.
const SUBJECT: usize = 255;

/// A payment of which no batch is known: the only thing that a payout is sent for.
pub(super) struct Unsent<'a> {
    payment: &'a Payment,
    receiver: &'a str,
}

impl<'a> Unsent<'a> {
    /// `None`: it has a batch, which is to be read.
    pub fn of(payment: &'a Payment, receiver: &'a str) -> Option<Self> {
        payment.reference().is_none().then_some(Self { payment, receiver })
    }

    fn body(&self) -> Option<Value> {
        let Self { payment, receiver } = self;
        let value = amount::payout_to_wire(payment.money()).ok()?;
        let subject: String = payment.frozen.description.chars().take(SUBJECT).collect();
        Some(json!({
            "sender_batch_header": { "sender_batch_id": payment.id, "email_subject": subject },
            "items": [{
                "recipient_type": "EMAIL",
                "receiver": receiver,
                "amount": { "value": value, "currency": payment.currency.code() },
                "note": payment.frozen.description,
                "sender_item_id": payment.id,
            }],
        }))
    }
}

impl PayPal {
    /// Creates the payout, or adopts the batch that an earlier send has created.
    pub(super) async fn pay_out(&self, secret: &PayPalSecret, unsent: &Unsent<'_>, budget: Budget) -> Answer {
        let Some(body) = unsent.body() else {
            return Answer::without_object(Outcome::NotSent(Trouble::Rejected), false);
        };
        let payment = unsent.payment;
        let request = Request::post("/v1/payments/payouts", &body, Some(payment.id.as_str()));
        let reply = match self.send_request(secret, &request, budget).await {
            Ok(reply) => reply,
            Err(trouble) => return Answer::of_trouble(trouble),
        };
        match classify::duplicate(&reply) {
            Some(Some(batch)) => match self.read_batch(secret, payment, &batch, budget).await {
                Found::Object(answer) => answer,
                Found::Nothing => Answer::without_object(Outcome::Unknown(Trouble::Conflict), true),
                Found::Unanswered(trouble) => Answer::without_object(Outcome::Unknown(trouble), true),
            },
            // It exists, and is not linked to.
            Some(None) => Answer::without_object(Outcome::Unknown(Trouble::Conflict), false),
            None => classify::payout_reply(&reply, known(payment, None)),
        }
    }

    /// Reads a batch.
    pub(super) async fn read_batch(
        &self,
        secret: &PayPalSecret,
        payment: &Payment,
        batch: &str,
        budget: Budget,
    ) -> Found {
        match self.get(secret, &path(batch), budget).await {
            Ok(reply) => found(&reply, |found: &Batch| classify::batch(found, known(payment, Some(batch)))),
            Err(trouble) => Found::Unanswered(trouble),
        }
    }

    /// Takes back a payout that nobody has claimed. Whatever else it is, the batch says.
    pub(super) async fn cancel_payout(
        &self,
        secret: &PayPalSecret,
        payment: &Payment,
        batch: &str,
        budget: Budget,
    ) -> Found {
        let reply = match self.get(secret, &path(batch), budget).await {
            Ok(reply) => reply,
            Err(trouble) => return Found::Unanswered(trouble),
        };
        let unclaimed = reply.object::<Batch>().and_then(|batch| match <[Item; 1]>::try_from(batch.items) {
            Ok([item]) => (item.transaction_status == "UNCLAIMED").then_some(item.payout_item_id),
            Err(_) => None,
        });
        let known = known(payment, Some(batch));
        let Some(item) = unclaimed.filter(|_| known.stored) else {
            return found(&reply, |found: &Batch| classify::batch(found, known));
        };
        let cancel = format!("/v1/payments/payouts-item/{}/cancel", segment(&item));
        let request = Request { verb: Verb::POST, ..Request::get(&cancel) };
        // Canceled before, claimed meanwhile, or no answer: only the batch says which.
        let confirmed = match self.send_request(secret, &request, budget).await {
            Ok(reply) => reply.is_success() || classify::says(&reply, "ITEM_ALREADY_CANCELLED"),
            Err(_) => false,
        };
        match self.read_batch(secret, payment, batch, budget).await {
            Found::Object(answer) if confirmed => Found::Object(canceled(answer)),
            found => found,
        }
    }
}

/// What we canceled, and PayPal shows as returned, is canceled; by itself it would have failed.
fn canceled(answer: Answer) -> Answer {
    match &answer.outcome {
        Outcome::Declined(_) if answer.came_back => Answer { outcome: Outcome::Canceled, came_back: false, ..answer },
        _ => answer,
    }
}

fn known<'a>(payment: &'a Payment, batch: Option<&str>) -> Known<'a> {
    let stored = payment.reference().is_some() && payment.reference() == batch;
    Known { stored, ours: Some((payment.id.as_str(), payment.money())) }
}

fn path(batch: &str) -> String {
    format!("/v1/payments/payouts/{}", segment(batch))
}

#[cfg(test)]
mod tests;
