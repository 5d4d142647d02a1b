//! What became of a capture after it was paid: whose it is, and its disputes
//! (developer.paypal.com/docs/api/customer-disputes/v1).

use std::collections::BTreeMap;
use std::time::Duration;

use super::object::{Capture, Dispute, Disputes as Page, labels};
use super::transport::{Budget, Request, segment};
use super::{PayPal, classify};
use crate::bounds;
use crate::gateway::{Labels, SeenDisputes, Trouble};
use crate::model::payment::Disputes;
use crate::model::transition::Standing;
use crate::money::Money;
use crate::secrets::PayPalSecret;

impl PayPal {
    /// What a capture carries; `None`: there is none, or it is another account's.
    ///
    /// # Errors
    /// Why PayPal did not say.
    pub async fn labels(
        &self,
        secret: &PayPalSecret,
        capture: &str,
        timeout: Duration,
    ) -> Result<Option<Labels>, Trouble> {
        let path = format!("/v2/payments/captures/{}", segment(capture));
        let reply = self.send_request(secret, &Request::get(&path), Budget::of(timeout)).await?;
        if classify::is_missing(&reply) {
            return Ok(None);
        }
        let capture: Capture = reply.object().ok_or_else(|| classify::trouble(&reply))?;
        Ok(Some(labels([capture.custom_id.as_ref(), capture.invoice_id.as_ref()])))
    }

    /// How the disputes of a capture of `money` stand, all of them together. What was lost in another currency can't be
    /// compared, and counts as all of it.
    ///
    /// # Errors
    /// Why PayPal did not say, or not all of it.
    pub async fn disputes(
        &self,
        secret: &PayPalSecret,
        capture: &str,
        money: Money,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Result<SeenDisputes, Trouble> {
        let query = [("disputed_transaction_id", segment(capture)), ("page_size", bounds::PAYPAL_DISPUTES.to_string())];
        let budget = || time().map(Budget::of).ok_or(Trouble::Unreachable);
        let request = Request { query: &query, ..Request::get("/v1/customer/disputes") };
        let reply = self.send_request(secret, &request, budget()?).await?;
        let page: Page = reply.object().ok_or_else(|| classify::trouble(&reply))?;
        // A capture has a dispute or two. More than a page is not seen, and that is not the same as not there.
        if page.links.iter().any(|link| link.rel == "next") || page.items.len() > bounds::PAYPAL_DISPUTES {
            return Err(Trouble::Undecided);
        }
        let mut seen = SeenDisputes { standing: Standing::default(), ended: BTreeMap::new() };
        let mut lost = 0_i64;
        for item in page.items {
            // The list leaves out how a dispute has ended.
            let path = format!("/v1/customer/disputes/{}", segment(&item.dispute_id));
            let reply = self.send_request(secret, &Request::get(&path), budget()?).await?;
            let dispute: Dispute = reply.object().ok_or_else(|| classify::trouble(&reply))?;
            let is_over = dispute.status == "RESOLVED";
            let is_inquiry = dispute.dispute_life_cycle_stage.as_deref() == Some("INQUIRY");
            seen.standing.disputed |= !is_over && !is_inquiry;
            seen.standing.asked |= !is_over && is_inquiry;
            if is_over && is_lost(dispute.dispute_outcome.outcome_code.as_deref()) {
                let amount = dispute.dispute_outcome.amount_refunded.or(dispute.dispute_amount);
                let one = amount.and_then(|amount| amount.money()).filter(|one| one.currency == money.currency);
                lost = lost.saturating_add(one.map_or(money.amount_minor, |one| one.amount_minor));
            }
            seen.ended.insert(item.dispute_id, is_over);
        }
        seen.standing.disputes = Disputes { seen: u32::try_from(seen.ended.len()).unwrap_or(u32::MAX), lost };
        Ok(seen)
    }
}

/// Whether the seller has paid for how a dispute ended. An outcome that is new to us, or none, is a loss: somebody must
/// look.
fn is_lost(outcome: Option<&str>) -> bool {
    !outcome.is_some_and(|code| {
        // With a payout PayPal has paid, not the seller.
        ["RESOLVED_SELLER_FAVOUR", "RESOLVED_WITH_PAYOUT", "CANCELED_BY_BUYER", "DENIED"].contains(&code)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::gateway::paypal::stub::{Stub, TIMEOUT, capture, clock, payment_id, receivable, secret, usd};

    #[tokio::test]
    async fn a_capture_says_whose_it_is() {
        let stub = Stub::start(|asked| asked.line.ends_with("CAP1").then(|| (200, capture("COMPLETED"))));
        let paypal = stub.paypal(&clock());
        let found = paypal.labels(&secret(), "CAP1", TIMEOUT).await.unwrap().unwrap();
        assert_eq!(found.payment_id, Some(payment_id()));
        assert_eq!(paypal.labels(&secret(), "CAP2", TIMEOUT).await.unwrap(), None);
    }

    #[tokio::test]
    async fn disputes_are_read_one_by_one_and_stand_together() {
        let stub = Stub::start(|asked| {
            let ended = |outcome: serde_json::Value| json!({ "status": "RESOLVED", "dispute_amount": usd("500.00"), "dispute_outcome": outcome });
            let dispute = |id: &str, mut of: serde_json::Value| {
                of["dispute_id"] = json!(id);
                Some((200, of))
            };
            match asked.line.as_str() {
                line if line.contains("disputed_transaction_id=CAP1") => Some((
                    200,
                    json!({ "items": [{ "dispute_id": "D-1" }, { "dispute_id": "D-2" }, { "dispute_id": "D-3" }] }),
                )),
                "GET /v1/customer/disputes/D-1" => dispute(
                    "D-1",
                    ended(json!({ "outcome_code": "RESOLVED_BUYER_FAVOUR", "amount_refunded": usd("20.00") })),
                ),
                "GET /v1/customer/disputes/D-2" => {
                    dispute("D-2", ended(json!({ "outcome_code": "RESOLVED_WITH_PAYOUT" })))
                }
                "GET /v1/customer/disputes/D-3" => {
                    dispute("D-3", json!({ "status": "OPEN", "dispute_life_cycle_stage": "INQUIRY" }))
                }
                _ => None,
            }
        });
        let seen =
            stub.paypal(&clock()).disputes(&secret(), "CAP1", receivable().money(), &|| Some(TIMEOUT)).await.unwrap();
        let Standing { disputed, asked, disputes } = seen.standing;
        assert_eq!((disputed, asked, disputes), (false, true, Disputes { seen: 3, lost: 2_000 }));
        assert_eq!((seen.ended["D-1"], seen.ended["D-3"]), (true, false));
        assert!(is_lost(None) && is_lost(Some("AN_OUTCOME_OF_TOMORROW")) && !is_lost(Some("CANCELED_BY_BUYER")));
    }
}
