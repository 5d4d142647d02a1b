//! What customers pay: an order on the token of a customer's method, created and captured in one call
//! (developer.paypal.com/docs/api/orders/v2).
//!
//! The request id is our payment id: within its lifetime PayPal executes one order under it. It does not compare bodies:
//! whatever is sent again is answered with the first order, so that amount and ids of the answer are what counts. The
//! same call is therefore the look-up too, as long as something may be sent at all.

use std::time::Duration;

use serde_json::{Value, json};

use super::object::{Capture, Order};
use super::transport::{Budget, Reply, Request, segment};
use super::{PayPal, amount, classify};
use crate::gateway::{Answer, Found, Outcome, Seen, Trouble};
use crate::model::payment::Payment;
use crate::secrets::PayPalSecret;

/// Where a vaulted method draws from; an order names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The customer's PayPal account.
    Paypal,
    /// A card.
    Card,
}

impl Source {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Paypal => "paypal",
            Self::Card => "card",
        }
    }

    /// What a reservation freezes as its method: where the method draws from, and the id of its token.
    #[must_use]
    pub fn frozen(self, token: &str) -> String {
        format!("{}:{token}", self.as_str())
    }

    /// Reads what was frozen.
    fn thaw(method: &str) -> Option<(Self, &str)> {
        let (source, token) = method.split_once(':')?;
        let source = [Self::Paypal, Self::Card].into_iter().find(|one| one.as_str() == source)?;
        Some((source, token))
    }
}

/// Characters of a description that PayPal takes.
const DESCRIPTION: usize = 127;

impl PayPal {
    /// Creates and captures the order of a payment, or goes on with the one that is known: one that the customer has
    /// approved is captured.
    pub(super) async fn pay_order(
        &self,
        secret: &PayPalSecret,
        payment: &Payment,
        order: Option<&str>,
        budget: Budget,
    ) -> Answer {
        let reply = match order {
            Some(order) => self.get(secret, &path(order), budget).await,
            None => match body(payment) {
                Some(body) => {
                    let request = Request::post("/v2/checkout/orders", &body, Some(payment.id.as_str()));
                    self.send_request(secret, &request, budget).await
                }
                None => return Answer::without_object(Outcome::NotSent(Trouble::Rejected), false),
            },
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(trouble) => return of_trouble(trouble, order.is_some()),
        };
        let answer = match order {
            // Forgotten: nobody can say more of it.
            Some(_) if classify::is_missing(&reply) => of_trouble(Trouble::Undecided, true),
            Some(_) if !reply.is_success() => of_trouble(classify::trouble(&reply), true),
            _ => classify::order_reply(&reply, &self.base),
        };
        match approved(payment, &reply) {
            // In less time its reply would be missed, and then nobody knows what became of it.
            Some(order) if budget.is_enough() => self.capture(secret, payment, &order, answer, budget).await,
            _ => answer,
        }
    }

    /// Captures an approved order. Its own request id: sent again, PayPal answers with the same capture.
    async fn capture(
        &self,
        secret: &PayPalSecret,
        payment: &Payment,
        order: &str,
        before: Answer,
        budget: Budget,
    ) -> Answer {
        let key = format!("{}-capture", payment.id);
        let capture = format!("{}/capture", path(order));
        let body = json!({});
        let reply = match self.send_request(secret, &Request::post(&capture, &body, Some(&key)), budget).await {
            Ok(reply) => reply,
            // The order is there, whether or not it has been captured.
            Err(trouble) => return Answer { outcome: Outcome::Unknown(trouble), again: true, ..before },
        };
        let mut answer = classify::order_reply(&reply, &self.base);
        // The reply may say less than the order that was found to be ours.
        if let (Some(seen), Some(begun)) = (answer.seen.as_mut(), &before.begun) {
            seen.our_id = seen.our_id.take().or_else(|| begun.our_id.clone());
        }
        if reply.is_success() || matches!(answer.outcome, Outcome::Declined(_)) && !classify::asks_customer(&reply) {
            return Answer { begun: before.begun.or(answer.begun), ..answer };
        }
        // Captured before, being captured, or not approved after all: the order says it. If it says no more than before,
        // what counts is why it was not captured.
        let why = match answer.outcome {
            Outcome::NotSent(trouble) | Outcome::Unknown(trouble) => trouble,
            _ => Trouble::Undecided,
        };
        let shown = match self.read_order(secret, order, budget).await {
            Found::Object(after) if after.outcome != Outcome::Unknown(Trouble::Undecided) => return after,
            // It has not been captured, and that is the answer.
            Found::Object(after) => match answer.outcome {
                Outcome::Refused(failure) | Outcome::Declined(failure) => {
                    let declined = Answer::without_object(Outcome::Declined(failure), false);
                    return Answer { gateway_code: answer.gateway_code, begun: after.begun, ..declined };
                }
                Outcome::RequiresAction => return Answer { begun: after.begun, ..answer },
                _ => after,
            },
            _ => before,
        };
        let (outcome, again) = (Outcome::Unknown(why), !why.is_refusal());
        Answer { outcome, again, gateway_code: answer.gateway_code, ..shown }
    }

    /// Reads an order.
    pub(super) async fn read_order(&self, secret: &PayPalSecret, order: &str, budget: Budget) -> Found {
        match self.get(secret, &path(order), budget).await {
            Ok(reply) => found(&reply, |order: &Order| classify::order(order, &self.base)),
            Err(trouble) => Found::Unanswered(trouble),
        }
    }

    /// Reads a capture.
    pub(super) async fn read_capture(&self, secret: &PayPalSecret, capture: &str, budget: Budget) -> Found {
        let path = format!("/v2/payments/captures/{}", segment(capture));
        match self.get(secret, &path, budget).await {
            Ok(reply) => found(&reply, |capture: &Capture| classify::capture(capture, None)),
            Err(trouble) => Found::Unanswered(trouble),
        }
    }

    /// The order that a capture belongs to; `None`: PayPal does not say.
    ///
    /// # Errors
    /// Why PayPal did not answer.
    pub(super) async fn order_of(
        &self,
        secret: &PayPalSecret,
        capture: &str,
        timeout: Duration,
    ) -> Result<Option<String>, Trouble> {
        let path = format!("/v2/payments/captures/{}", segment(capture));
        let reply = self.get(secret, &path, Budget::of(timeout)).await?;
        let capture: Capture = reply.object().ok_or_else(|| classify::trouble(&reply))?;
        Ok(capture.supplementary_data.related_ids.order_id)
    }
}

/// What a reply to a read shows.
pub(super) fn found<T: serde::de::DeserializeOwned>(reply: &Reply, shows: impl FnOnce(&T) -> Answer) -> Found {
    match reply.object::<T>() {
        Some(object) => Found::Object(shows(&object)),
        None if classify::is_missing(reply) => Found::Nothing,
        None => Found::Unanswered(classify::trouble(reply)),
    }
}

/// Of a request about something that is there: "not sent" would say too much.
fn of_trouble(trouble: Trouble, is_there: bool) -> Answer {
    let answer = Answer::of_trouble(trouble);
    if is_there { Answer { outcome: Outcome::Unknown(trouble), ..answer } } else { answer }
}

fn path(order: &str) -> String {
    format!("/v2/checkout/orders/{}", segment(order))
}

/// The id of an order that its customer has approved, that nothing has captured, and that is the payment's: PayPal
/// answers with the first order under an id whatever it was asked for.
fn approved(payment: &Payment, reply: &Reply) -> Option<String> {
    let order: Order = reply.object()?;
    let unit = order.purchase_units.first().filter(|_| order.purchase_units.len() == 1)?;
    let is_ours =
        unit.amount.as_ref()?.money() == Some(payment.money()) && unit.our_id().as_deref() == Some(payment.id.as_str());
    (order.status == "APPROVED" && unit.payments.captures.is_empty() && is_ours).then_some(order.id)
}

/// The request; always the same for a payment. `None`: it can't be said in PayPal's words and units.
fn body(payment: &Payment) -> Option<Value> {
    let value = amount::to_wire(payment.money()).ok()?;
    let (source, token) = Source::thaw(&payment.frozen.method)?;
    let description: String = payment.frozen.description.chars().take(DESCRIPTION).collect();
    let method = json!({
        "vault_id": token,
        "stored_credential":
            { "payment_initiator": "MERCHANT", "payment_type": "UNSCHEDULED", "usage": "SUBSEQUENT" },
    });
    Some(json!({
        "intent": "CAPTURE",
        "purchase_units": [{
            "reference_id": "default",
            "amount": { "currency_code": payment.currency.code(), "value": value },
            // Both: one to find it by, the other so that an account that refuses repeated invoices refuses it twice.
            "custom_id": payment.id,
            "invoice_id": payment.id,
            "description": description,
        }],
        "payment_source": { source.as_str(): method },
    }))
}

/// Whether an object that is not the movement itself, an order, is the payment's.
#[must_use]
pub fn is_ours(payment: &Payment, begun: &Seen) -> bool {
    begun.money == Some(payment.money()) && begun.our_id.as_deref() == Some(payment.id.as_str())
}

#[cfg(test)]
mod tests;
