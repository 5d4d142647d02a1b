//! What became of a capture after it was paid: whose it is, and its disputes
//! (developer.paypal.com/docs/api/customer-disputes/v1).

use std::time::Duration;

use super::object::{Capture, Dispute, Disputes as Page, labels};
use super::transport::{Budget, Request, segment};
use super::{PayPal, classify};
use crate::bounds;
use crate::clock::Time;
use crate::gateway::{Labels, Outcome, SeenDisputes, Trouble};
use crate::model::payment::Disputes;
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
    /// compared, and counts as all of it. What went back as a refund since the dispute began is a refund, and not lost
    /// once more.
    ///
    /// One that has ended in a way that PayPal does not say, or that is new to us, is still open.
    ///
    /// # Errors
    /// Why PayPal did not say, or not all of it.
    pub async fn disputes(
        &self,
        secret: &PayPalSecret,
        capture: &str,
        order: Option<&str>,
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
        let mut seen = SeenDisputes::default();
        let mut lost = 0_i64;
        let mut lost_since: Option<Time> = None;
        for item in page.items {
            // The list leaves out how a dispute has ended.
            let path = format!("/v1/customer/disputes/{}", segment(&item.dispute_id));
            let reply = self.send_request(secret, &Request::get(&path), budget()?).await?;
            let dispute: Dispute = reply.object().ok_or_else(|| classify::trouble(&reply))?;
            let is_lost = is_lost(dispute.dispute_outcome.outcome_code.as_deref());
            let is_over = dispute.status == "RESOLVED" && is_lost.is_some();
            let is_inquiry = dispute.dispute_life_cycle_stage.as_deref() == Some("INQUIRY");
            seen.standing.disputed |= !is_over && !is_inquiry;
            seen.standing.asked |= !is_over && is_inquiry;
            if is_over && is_lost == Some(true) {
                let began = dispute.create_time.as_deref().and_then(|text| text.parse().ok());
                lost_since = began.into_iter().chain(lost_since).min();
                let amount = dispute.dispute_outcome.amount_refunded.or(dispute.dispute_amount);
                let one = amount.and_then(|amount| amount.money()).filter(|one| one.currency == money.currency);
                lost = lost.saturating_add(one.map_or(money.amount_minor, |one| one.amount_minor));
            }
            seen.ended.insert(item.dispute_id, is_over);
        }
        if let Some(since) = lost_since {
            let refunds = self.refunds(secret, capture, order, time).await?;
            // Ours were not made to end it.
            let theirs = refunds.iter().filter(|one| one.labels.refund_id.is_none());
            let later = theirs.filter(|one| one.created_at >= since && is_going_back(&one.answer.outcome));
            let amounts = later.filter_map(|one| one.answer.seen.as_ref()?.money);
            let refunded = amounts.filter(|one| one.currency == money.currency).map(|one| one.amount_minor);
            lost = lost.saturating_sub(refunded.fold(0, i64::saturating_add)).max(0);
        }
        seen.standing.disputes = Disputes { seen: u32::try_from(seen.ended.len()).unwrap_or(u32::MAX), lost };
        Ok(seen)
    }
}

/// Whether the seller has paid for how a dispute ended
/// (developer.paypal.com/docs/api/customer-disputes/v1, `dispute_outcome`). `None`: it can't be said.
fn is_lost(outcome: Option<&str>) -> Option<bool> {
    match outcome? {
        "RESOLVED_BUYER_FAVOUR" | "ACCEPTED" => Some(true),
        // With a payout PayPal has paid, not the seller; without an outcome of its own, another dispute decides.
        "RESOLVED_SELLER_FAVOUR" | "RESOLVED_WITH_PAYOUT" | "CANCELED_BY_BUYER" | "DENIED" | "NONE" => Some(false),
        _ => None,
    }
}

/// Whether a refund has taken its amount, or is taking it.
fn is_going_back(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Succeeded | Outcome::Pending)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::gateway::paypal::stub::{Stub, TIMEOUT, capture, clock, order, payment_id, receivable, secret, usd};
    use crate::model::transition::Standing;

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
        let seen = stub
            .paypal(&clock())
            .disputes(&secret(), "CAP1", None, receivable().money(), &|| Some(TIMEOUT))
            .await
            .unwrap();
        let Standing { disputed, asked, disputes } = seen.standing;
        assert_eq!((disputed, asked, disputes), (false, true, Disputes { seen: 3, lost: 2_000 }));
        assert_eq!((seen.ended["D-1"], seen.ended["D-3"]), (true, false));
    }

    #[tokio::test]
    async fn what_the_seller_refunds_to_end_a_dispute_is_not_lost_once_more() {
        let refund = |id: &str, value: &str, at: &str| {
            json!({ "id": id, "status": "COMPLETED", "amount": usd(value), "create_time": at,
                    "links": [{ "rel": "up", "href": "https://api.paypal.com/v2/payments/captures/CAP1" }] })
        };
        let stub = Stub::start(move |asked| match asked.line.as_str() {
            "GET /v1/customer/disputes/D-1" => Some((
                200,
                json!({ "dispute_id": "D-1", "status": "RESOLVED", "create_time": "2027-01-20T00:00:00Z",
                        "dispute_amount": usd("500.00"),
                        "dispute_outcome": { "outcome_code": "RESOLVED_BUYER_FAVOUR", "amount_refunded": usd("250.00") } }),
            )),
            "GET /v2/checkout/orders/ORD1" => {
                let mut order = order("COMPLETED", &[capture("PARTIALLY_REFUNDED")]);
                // The first one was before the dispute.
                let refunds = [("REF1", "100.00", "2027-01-19T00:00:00Z"), ("REF2", "200.00", "2027-01-21T00:00:00Z")];
                order["purchase_units"][0]["payments"]["refunds"] =
                    refunds.iter().map(|(id, value, at)| refund(id, value, at)).collect();
                Some((200, order))
            }
            line if line.contains("disputed_transaction_id") => {
                Some((200, json!({ "items": [{ "dispute_id": "D-1" }] })))
            }
            _ => None,
        });
        let paypal = stub.paypal(&clock());
        let seen = paypal.disputes(&secret(), "CAP1", Some("ORD1"), receivable().money(), &|| Some(TIMEOUT)).await;
        assert_eq!(seen.unwrap().standing.disputes.lost, 5_000);
    }

    /// The disputes of 500.00 USD, one of which has ended so.
    async fn ended(outcome: serde_json::Value) -> SeenDisputes {
        let stub = Stub::start(move |asked| match asked.line.as_str() {
            "GET /v1/customer/disputes/D-1" => Some((
                200,
                json!({ "dispute_id": "D-1", "status": "RESOLVED", "dispute_life_cycle_stage": "CHARGEBACK",
                        "dispute_amount": usd("500.00"), "dispute_outcome": outcome }),
            )),
            line if line.contains("disputed_transaction_id") => {
                Some((200, json!({ "items": [{ "dispute_id": "D-1" }] })))
            }
            _ => None,
        });
        let paypal = stub.paypal(&clock());
        paypal.disputes(&secret(), "CAP1", None, receivable().money(), &|| Some(TIMEOUT)).await.unwrap()
    }

    #[tokio::test]
    async fn a_dispute_is_lost_when_paypal_says_so_and_how_it_ended_is_never_guessed() {
        for (code, lost) in [
            ("RESOLVED_BUYER_FAVOUR", 50_000),
            ("ACCEPTED", 50_000),
            ("RESOLVED_SELLER_FAVOUR", 0),
            ("RESOLVED_WITH_PAYOUT", 0),
            ("CANCELED_BY_BUYER", 0),
            ("DENIED", 0),
            // Another dispute goes on in its place.
            ("NONE", 0),
        ] {
            let seen = ended(json!({ "outcome_code": code })).await;
            assert_eq!((seen.standing.disputes.lost, seen.ended["D-1"]), (lost, true), "{code}");
            assert!(!seen.standing.disputed, "{code}");
        }
        // Still open to us: its event is wanted again, and a person is called when that does not help.
        for outcome in [json!({ "outcome_code": "AN_OUTCOME_OF_TOMORROW" }), json!({}), json!(null)] {
            let seen = ended(outcome.clone()).await;
            assert_eq!((seen.standing.disputes.lost, seen.ended["D-1"]), (0, false), "{outcome}");
            assert!(seen.standing.disputed, "{outcome}");
        }
    }
}
