//! What became of a PaymentIntent after it was paid: lists of its refunds and disputes, read to their end.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::object::{Dispute, Intent, Page};
use super::{API_VERSION, Stripe, amount, classify, is_missing, transport};
use crate::bounds;
use crate::gateway::{Labels, Trouble};
use crate::model::payment::Disputes;
use crate::model::transition::Standing;
use crate::money::Currency;
use crate::secrets::StripeSecret;

impl Stripe {
    /// What a PaymentIntent carries; `None`: there is none, or it is another account's.
    ///
    /// # Errors
    /// Why Stripe did not say.
    pub async fn labels(
        &self,
        secret: &StripeSecret,
        payment: &str,
        timeout: Duration,
    ) -> Result<Option<Labels>, Trouble> {
        let path = format!("/v1/payment_intents/{}", transport::segment(payment));
        let reply = self.get(secret, &path, &[], API_VERSION, timeout).await?;
        if is_missing(&reply) {
            return Ok(None);
        }
        let intent: Intent = reply.object().ok_or_else(|| classify::trouble(&reply))?;
        Ok(Some(intent.metadata.into()))
    }

    /// How the disputes of a PaymentIntent stand, all of them together. What was lost in another currency than the
    /// payment's can't be told from here, and counts as nothing.
    ///
    /// # Errors
    /// Why Stripe did not say, or not all of it.
    pub async fn disputes(
        &self,
        secret: &StripeSecret,
        payment: &str,
        currency: Currency,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Result<Standing, Trouble> {
        let disputes: Vec<Dispute> =
            self.all_of(secret, "/v1/disputes", payment, |dispute: &Dispute| dispute.id.clone(), time).await?;
        let lost = |dispute: &&Dispute| dispute.status == "lost";
        let money = |dispute: &Dispute| amount::from_wire(dispute.amount, &dispute.currency);
        Ok(Standing {
            disputed: disputes.iter().any(|dispute| is_open(&dispute.status)),
            disputes: Disputes {
                seen: u32::try_from(disputes.len()).unwrap_or(u32::MAX),
                lost: disputes
                    .iter()
                    .filter(lost)
                    .filter_map(money)
                    .filter(|money| money.currency == currency)
                    .map(|money| money.amount_minor)
                    .sum(),
            },
        })
    }

    /// All objects of a PaymentIntent in a list, newest first.
    pub(super) async fn all_of<T: DeserializeOwned>(
        &self,
        secret: &StripeSecret,
        path: &str,
        payment: &str,
        id: impl Fn(&T) -> String,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Result<Vec<T>, Trouble> {
        let mut all = Vec::new();
        for _ in 0..bounds::AFTERMATH_PAGES {
            let timeout = time().ok_or(Trouble::Unreachable)?;
            let mut query = vec![("payment_intent", payment.to_owned()), ("limit", "100".to_owned())];
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

/// Whether a dispute holds the money back. An inquiry (`warning_…`) does not: refunding is one way to answer it. A
/// status that is new to us does.
fn is_open(status: &str) -> bool {
    let closed = ["won", "lost", "prevented", "warning_needs_response", "warning_under_review", "warning_closed"];
    !closed.contains(&status)
}
