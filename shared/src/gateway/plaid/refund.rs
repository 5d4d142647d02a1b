//! Refunds of debits (plaid.com/docs/api/products/transfer/refunds). The idempotency key is our refund id, which Plaid
//! keeps for two days: sent again, it answers with the same refund.
//!
//! A refund carries no id of ours, and is found by Plaid's id alone.

use std::time::Duration;

use serde_json::json;

use super::object::{Refund as RefundObject, Refunded, Transferred};
use super::{Plaid, amount, classify};
use crate::gateway::{Answer, Found, Labels, Outcome, SeenRefund, Trouble};
use crate::model::refund::Refund;
use crate::secrets::PlaidSecret;

impl Plaid {
    /// Makes the refund, out of what the ledger of its transfer has available.
    pub async fn refund(&self, secret: &PlaidSecret, refund: &Refund, timeout: Duration) -> Answer {
        let Ok(amount) = amount::to_wire(refund.money()) else {
            return Answer::without_object(Outcome::NotSent(Trouble::Rejected), false);
        };
        let body =
            json!({ "transfer_id": refund.frozen.payment, "amount": amount, "idempotency_key": refund.id.as_str() });
        let reply = match self.post(secret, "/transfer/refund/create", &body, timeout).await {
            Ok(reply) => reply,
            Err(trouble) => return Answer::of_trouble(trouble),
        };
        let mut answer = classify::refund_reply(&reply);
        // It carries no id of ours, but this is the reply under the key that is our id: no other refund is answered with.
        let is_ours = reply.object().is_some_and(|Refunded { refund: made }| made.transfer_id == refund.frozen.payment);
        if let Some(seen) = answer.seen.as_mut().filter(|_| is_ours) {
            seen.our_id = Some(refund.id.to_string());
        }
        answer
    }

    /// Reads a refund.
    pub(super) async fn read_refund(&self, secret: &PlaidSecret, refund: &str, timeout: Duration) -> Found {
        match self.post(secret, "/transfer/refund/get", &json!({ "refund_id": refund }), timeout).await {
            Ok(reply) => match reply.object::<Refunded>() {
                Some(Refunded { refund }) => Found::Object(classify::refund(&refund)),
                None if classify::is_missing(&reply) => Found::Nothing,
                None => Found::Unanswered(classify::trouble(&reply)),
            },
            Err(trouble) => Found::Unanswered(trouble),
        }
    }

    /// A refund as it is now; `None`: Plaid does not know it.
    ///
    /// # Errors
    /// Why Plaid did not say.
    pub async fn refund_shown(
        &self,
        secret: &PlaidSecret,
        refund: &str,
        timeout: Duration,
    ) -> Result<Option<SeenRefund>, Trouble> {
        let reply = self.post(secret, "/transfer/refund/get", &json!({ "refund_id": refund }), timeout).await?;
        if classify::is_missing(&reply) {
            return Ok(None);
        }
        let Refunded { refund } = reply.object().ok_or_else(|| classify::trouble(&reply))?;
        seen(&refund).map(Some)
    }

    /// All refunds of a transfer, newest first. They carry no ids of ours.
    ///
    /// # Errors
    /// Why Plaid did not say.
    pub async fn refunds(
        &self,
        secret: &PlaidSecret,
        transfer: &str,
        timeout: Duration,
    ) -> Result<Vec<SeenRefund>, Trouble> {
        let reply = self.post(secret, "/transfer/get", &json!({ "transfer_id": transfer }), timeout).await?;
        let Transferred { transfer } = reply.object().ok_or_else(|| classify::trouble(&reply))?;
        let mut refunds = transfer.refunds.iter().map(seen).collect::<Result<Vec<_>, _>>()?;
        refunds.sort_by_key(|refund| std::cmp::Reverse(refund.created_at));
        Ok(refunds)
    }
}

/// A refund, as a list or a read shows it.
fn seen(refund: &RefundObject) -> Result<SeenRefund, Trouble> {
    Ok(SeenRefund {
        answer: classify::refund(refund),
        reference: refund.id.clone(),
        labels: Labels::default(),
        created_at: refund.created_at().ok_or(Trouble::Unreadable)?,
    })
}

#[cfg(test)]
mod tests;
