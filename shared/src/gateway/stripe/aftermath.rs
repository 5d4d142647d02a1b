//! What became of a payment after it was paid: lists of its refunds and disputes, read to their end.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::object::{Dispute, Labeled, Page};
use super::{API_VERSION, Stripe, amount, classify, is_missing, transfer, transport};
use crate::bounds;
use crate::gateway::{Labels, SeenDisputes, Trouble};
use crate::model::payment::Disputes;
use crate::model::transition::Standing;
use crate::money::Money;
use crate::secrets::StripeSecret;

impl Stripe {
    /// What a PaymentIntent or a transfer carries; `None`: there is none, or it is another account's.
    ///
    /// # Errors
    /// Why Stripe did not say.
    pub async fn labels(
        &self,
        secret: &StripeSecret,
        payment: &str,
        timeout: Duration,
    ) -> Result<Option<Labels>, Trouble> {
        let path = match transfer::is_one(payment) {
            true => format!("/v1/transfers/{}", transport::segment(payment)),
            false => format!("/v1/payment_intents/{}", transport::segment(payment)),
        };
        let reply = self.get(secret, &path, &[], API_VERSION, timeout).await?;
        if is_missing(&reply) {
            return Ok(None);
        }
        let found: Labeled = reply.object().ok_or_else(|| classify::trouble(&reply))?;
        Ok(Some(found.metadata.into()))
    }

    /// How the disputes of a payment over `money` stand, all of them together, and the ids of those that are there and of
    /// those that have ended. Nobody can dispute a transfer: it has none. What was lost in another currency can't be compared, and counts as all of it.
    ///
    /// # Errors
    /// Why Stripe did not say, or not all of it.
    pub async fn disputes(
        &self,
        secret: &StripeSecret,
        payment: &str,
        money: Money,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Result<SeenDisputes, Trouble> {
        if transfer::is_one(payment) {
            return Ok(SeenDisputes::default());
        }
        let of = ("payment_intent", payment.to_owned());
        let disputes: Vec<Dispute> =
            self.all_of(secret, "/v1/disputes", Some(of), |dispute: &Dispute| dispute.id.clone(), time).await?;
        let lost = disputes.iter().filter(|dispute| dispute.status == "lost").map(|dispute| {
            let lost = amount::from_wire(dispute.amount, &dispute.currency);
            lost.filter(|lost| lost.currency == money.currency).map_or(money.amount_minor, |lost| lost.amount_minor)
        });
        let is_inquiry = |dispute: &&Dispute| INQUIRIES.contains(&dispute.status.as_str());
        Ok(SeenDisputes {
            standing: Standing {
                disputed: disputes.iter().any(|dispute| is_open(&dispute.status)),
                asked: disputes.iter().any(|dispute| is_inquiry(&dispute)),
                disputes: Disputes {
                    seen: u32::try_from(disputes.len()).unwrap_or(u32::MAX),
                    lost: lost.fold(0, i64::saturating_add),
                },
            },
            reason: disputes.first().and_then(|latest| latest.reason.clone()),
            ended: disputes
                .into_iter()
                .map(|dispute| {
                    let has_ended = !is_open(&dispute.status) && !is_inquiry(&&dispute);
                    (dispute.id, has_ended)
                })
                .collect(),
        })
    }

    /// All objects in a list that a filter lets through, newest first.
    pub(super) async fn all_of<T: DeserializeOwned>(
        &self,
        secret: &StripeSecret,
        path: &str,
        filter: Option<(&'static str, String)>,
        id: impl Fn(&T) -> String,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Result<Vec<T>, Trouble> {
        let mut all = Vec::new();
        for _ in 0..bounds::AFTERMATH_PAGES {
            let timeout = time().ok_or(Trouble::Unreachable)?;
            let mut query = vec![("limit", "100".to_owned())];
            query.extend(filter.clone());
            query.extend(all.last().map(|last| ("starting_after", id(last))));
            let reply = self.get(secret, path, &query, API_VERSION, timeout).await?;
            let page: Page<T> = reply.object().ok_or_else(|| classify::trouble(&reply))?;
            let more = page.has_more && !page.data.is_empty();
            all.extend(page.data);
            if !more {
                return Ok(all);
            }
        }
        // More than there should be: not seen is not the same as not there.
        Err(Trouble::Undecided)
    }
}

/// Inquiries do not hold the money back: refunding is one way to answer them.
const INQUIRIES: [&str; 2] = ["warning_needs_response", "warning_under_review"];

/// Whether a dispute holds the money back. A status that is new to us does.
fn is_open(status: &str) -> bool {
    !["won", "lost", "prevented", "warning_closed"].contains(&status) && !INQUIRIES.contains(&status)
}
