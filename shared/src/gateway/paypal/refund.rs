//! Refunds of captures (developer.paypal.com/docs/api/payments/v2). The request id is our refund id, which PayPal keeps
//! for 45 days: sent again, it answers with the same refund.

use std::time::Duration;

use serde_json::json;

use super::object::{Order, Refund as RefundObject, labels};
use super::order::found;
use super::transport::{Budget, Request, segment};
use super::{PayPal, amount, classify};
use crate::clock::Time;
use crate::gateway::{Answer, Found, Outcome, SeenRefund, Trouble};
use crate::model::refund::Refund;
use crate::secrets::PayPalSecret;

impl PayPal {
    /// Creates the refund.
    pub(super) async fn refund(&self, secret: &PayPalSecret, refund: &Refund, budget: Budget) -> Answer {
        let Some(value) = amount::to_wire(refund.money()).ok() else {
            return Answer::without_object(Outcome::NotSent(Trouble::Rejected), false);
        };
        let body = json!({
            "amount": { "currency_code": refund.currency.code(), "value": value },
            "custom_id": refund.id,
            "invoice_id": refund.id,
        });
        let path = format!("/v2/payments/captures/{}/refund", segment(&refund.frozen.payment));
        let request = Request::post(&path, &body, Some(refund.id.as_str()));
        match self.send_request(secret, &request, budget).await {
            Ok(reply) => classify::refund_reply(&reply),
            Err(trouble) => Answer::of_trouble(trouble),
        }
    }

    /// Reads a refund.
    pub(super) async fn read_refund(&self, secret: &PayPalSecret, refund: &str, budget: Budget) -> Found {
        let path = format!("/v2/payments/refunds/{}", segment(refund));
        match self.get(secret, &path, budget).await {
            Ok(reply) => found(&reply, |refund: &RefundObject| classify::refund(refund)),
            Err(trouble) => Found::Unanswered(trouble),
        }
    }

    /// All refunds of a capture, as its order lists them, newest first. (There is no list of a capture's refunds.)
    /// `order`: where it is known; else the capture names it.
    ///
    /// # Errors
    /// Why PayPal did not say. An order that does not show the capture, or does not say which capture a refund is of,
    /// says nothing.
    pub async fn refunds(
        &self,
        secret: &PayPalSecret,
        capture: &str,
        order: Option<&str>,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Result<Vec<SeenRefund>, Trouble> {
        let timeout = || time().ok_or(Trouble::Unreachable);
        let order = match order {
            Some(order) => order.to_owned(),
            None => self.order_of(secret, capture, timeout()?).await?.ok_or(Trouble::Undecided)?,
        };
        let path = format!("/v2/checkout/orders/{}", segment(&order));
        let reply = self.get(secret, &path, Budget::of(timeout()?)).await?;
        let order: Order = reply.object().ok_or_else(|| classify::trouble(&reply))?;
        let payments = || order.purchase_units.iter().map(|unit| &unit.payments);
        let captures: Vec<&str> = payments().flat_map(|of| &of.captures).map(|one| one.id.as_str()).collect();
        if !captures.contains(&capture) {
            return Err(Trouble::Undecided);
        }
        let mut refunds = Vec::new();
        for refund in payments().flat_map(|of| &of.refunds) {
            match refund.capture() {
                Some(of) if of == capture => refunds.push(refund.clone()),
                Some(_) => {}
                None if captures.len() == 1 => refunds.push(refund.clone()),
                None => return Err(Trouble::Undecided),
            }
        }
        let refunds = refunds.into_iter();
        let mut refunds: Vec<SeenRefund> = refunds.map(|refund| seen(refund, self.clock.now())).collect();
        refunds.sort_by_key(|refund| std::cmp::Reverse(refund.created_at));
        Ok(refunds)
    }
}

/// A refund, as an event or a list shows it. `now` stands for a time that PayPal does not say.
pub(super) fn seen(refund: RefundObject, now: Time) -> SeenRefund {
    let created_at = refund.create_time.as_deref().and_then(|text| text.parse().ok());
    SeenRefund {
        answer: classify::refund(&refund),
        labels: labels([refund.custom_id.as_ref(), refund.invoice_id.as_ref()]),
        reference: refund.id,
        created_at: created_at.unwrap_or(now),
    }
}

#[cfg(test)]
mod tests;
