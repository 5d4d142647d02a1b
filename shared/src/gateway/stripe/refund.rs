//! Refunds of PaymentIntents (docs.stripe.com/api/refunds); those of transfers are their reversals.

use std::time::Duration;

use super::object::Refund as RefundObject;
use super::{Stripe, amount, classify, transfer};
use crate::gateway::{Answer, Found, Outcome, SeenRefund, Trouble};
use crate::model::movement::Movement;
use crate::model::refund::{Reason, Refund};
use crate::secrets::StripeSecret;

impl Stripe {
    /// Creates the refund. A vendor's connected account that was paid gives the money back.
    pub(super) async fn refund(&self, secret: &StripeSecret, refund: &Refund, timeout: Duration) -> Answer {
        if transfer::is_one(&refund.frozen.payment) {
            return self.reverse(secret, refund, timeout).await;
        }
        let Some(amount) = amount::refund_to_wire(refund.money()).ok() else {
            return Answer::without_object(Outcome::NotSent(Trouble::Rejected), false);
        };
        let mut form = vec![
            ("payment_intent", refund.frozen.payment.clone()),
            ("amount", amount.to_string()),
            ("metadata[tenant_id]", refund.tenant_id.to_string()),
            ("metadata[invoice_id]", refund.invoice_id.to_string()),
            ("metadata[payment_id]", refund.payment_id.to_string()),
            ("metadata[refund_id]", refund.id.to_string()),
        ];
        // Stripe knows three reasons.
        if let Some(reason) = refund.reason.filter(|reason| *reason != Reason::Other) {
            form.push(("reason", reason.to_string()));
        }
        if refund.frozen.reverse_transfer {
            form.push(("reverse_transfer", "true".to_owned()));
        }
        match self.create(secret, Movement::Refund(refund), &form, timeout).await {
            Ok(reply) => classify::create_refund(&reply),
            Err(trouble) => Answer::of_trouble(trouble),
        }
    }

    /// Looks a refund up among those of its payment, by our id in the metadata.
    pub(super) async fn find_refund(
        &self,
        secret: &StripeSecret,
        refund: &Refund,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Found {
        match self.refunds(secret, &refund.frozen.payment, time).await {
            Ok(refunds) => {
                let is_it = |seen: &&SeenRefund| seen.labels.refund_id.as_deref() == Some(refund.id.as_str());
                match refunds.iter().find(is_it) {
                    Some(seen) => Found::Object(seen.answer.clone()),
                    None => Found::Nothing,
                }
            }
            Err(trouble) => Found::Unanswered(trouble),
        }
    }

    /// All refunds of a payment, newest first.
    ///
    /// # Errors
    /// Why Stripe did not say, or not all of it.
    pub async fn refunds(
        &self,
        secret: &StripeSecret,
        payment: &str,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Result<Vec<SeenRefund>, Trouble> {
        if transfer::is_one(payment) {
            return self.reversals(secret, payment, time).await;
        }
        let of = ("payment_intent", payment.to_owned());
        let refunds: Vec<RefundObject> =
            self.all_of(secret, "/v1/refunds", Some(of), |refund: &RefundObject| refund.id.clone(), time).await?;
        Ok(refunds.into_iter().map(seen).collect())
    }
}

/// A refund, as an event or a list shows it.
pub(super) fn seen(refund: RefundObject) -> SeenRefund {
    SeenRefund {
        answer: classify::refund(&refund),
        reference: refund.id,
        labels: refund.metadata.into(),
        created_at: crate::clock::Time::from_seconds(refund.created),
    }
}
