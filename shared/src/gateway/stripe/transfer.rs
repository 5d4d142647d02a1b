//! Transfers of the tenant's balance to a vendor's connected account, and their reversals
//! (docs.stripe.com/connect/separate-charges-and-transfers). There is no status: what is there has happened.

use std::time::Duration;

use super::object::{Balance, Reversal, Transfer};
use super::transport::segment;
use super::{API_VERSION, Stripe, amount, classify};
use crate::clock::Time;
use crate::gateway::{Answer, Found, Outcome, SeenRefund, Trouble};
use crate::model::movement::Movement;
use crate::model::payment::Payment;
use crate::model::refund::Refund;
use crate::money::Currency;
use crate::secrets::StripeSecret;

pub(super) const PATH: &str = "/v1/transfers";

/// Whether a payment's id at Stripe is a transfer's.
pub(super) fn is_one(payment: &str) -> bool {
    payment.starts_with("tr_")
}

/// Where a transfer's reversals are.
pub(super) fn reversals_of(transfer: &str) -> String {
    format!("{PATH}/{}/reversals", segment(transfer))
}

impl Stripe {
    /// What the account's balance can pay at once, in minor units of `currency`; below zero where it owes.
    ///
    /// # Errors
    /// Why Stripe did not say.
    pub async fn available(
        &self,
        secret: &StripeSecret,
        currency: Currency,
        timeout: Duration,
    ) -> Result<i64, Trouble> {
        let reply = self.get(secret, "/v1/balance", &[], API_VERSION, timeout).await?;
        let balance: Balance = reply.object().ok_or_else(|| classify::trouble(&reply))?;
        let funds = balance.available.iter().filter(|funds| funds.currency.eq_ignore_ascii_case(currency.code()));
        let wire = funds.fold(0_i64, |sum, funds| sum.saturating_add(funds.amount));
        Ok(amount::covered(wire, currency))
    }

    /// Creates the transfer of a payment, in a group that is named by the payment's id.
    pub(super) async fn transfer(&self, secret: &StripeSecret, payment: &Payment, timeout: Duration) -> Answer {
        let (Ok(amount), Some(destination)) = (amount::to_wire(payment.money()), &payment.frozen.destination) else {
            return Answer::without_object(Outcome::NotSent(Trouble::Rejected), false);
        };
        let form = [
            ("amount", amount.to_string()),
            ("currency", payment.currency.code().to_ascii_lowercase()),
            ("destination", destination.clone()),
            ("transfer_group", payment.id.to_string()),
            ("description", payment.frozen.description.clone()),
            ("metadata[tenant_id]", payment.tenant_id.to_string()),
            ("metadata[invoice_id]", payment.invoice_id.to_string()),
            ("metadata[payment_id]", payment.id.to_string()),
        ];
        match self.create(secret, Movement::Payment(payment), &form, timeout).await {
            Ok(reply) => classify::create_transfer(&reply),
            Err(trouble) => Answer::of_trouble(trouble),
        }
    }

    /// Looks a transfer up in its group, by our id in the metadata.
    pub(super) async fn find_transfer(
        &self,
        secret: &StripeSecret,
        payment: &Payment,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Found {
        let group = ("transfer_group", payment.id.to_string());
        let id = |transfer: &Transfer| transfer.id.clone();
        let transfers: Vec<Transfer> = match self.all_of(secret, PATH, Some(group), id, time).await {
            Ok(transfers) => transfers,
            Err(trouble) => return Found::Unanswered(trouble),
        };
        let is_it = |transfer: &&Transfer| transfer.metadata.payment_id.as_deref() == Some(payment.id.as_str());
        match transfers.iter().find(is_it) {
            Some(transfer) => Found::Object(classify::transfer(transfer)),
            None => Found::Nothing,
        }
    }

    /// Reverses a transfer, in part or in full: the connected account's balance pays it.
    pub(super) async fn reverse(&self, secret: &StripeSecret, refund: &Refund, timeout: Duration) -> Answer {
        let Some(amount) = amount::refund_to_wire(refund.money()).ok() else {
            return Answer::without_object(Outcome::NotSent(Trouble::Rejected), false);
        };
        let form = [
            ("amount", amount.to_string()),
            ("metadata[tenant_id]", refund.tenant_id.to_string()),
            ("metadata[invoice_id]", refund.invoice_id.to_string()),
            ("metadata[payment_id]", refund.payment_id.to_string()),
            ("metadata[refund_id]", refund.id.to_string()),
        ];
        match self.create(secret, Movement::Refund(refund), &form, timeout).await {
            Ok(reply) => classify::create_reversal(&reply),
            Err(trouble) => Answer::of_trouble(trouble),
        }
    }

    /// All reversals of a transfer, newest first.
    pub(super) async fn reversals(
        &self,
        secret: &StripeSecret,
        transfer: &str,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Result<Vec<SeenRefund>, Trouble> {
        let id = |reversal: &Reversal| reversal.id.clone();
        let reversals: Vec<Reversal> = self.all_of(secret, &reversals_of(transfer), None, id, time).await?;
        Ok(reversals.into_iter().map(seen).collect())
    }
}

fn seen(reversal: Reversal) -> SeenRefund {
    SeenRefund {
        answer: classify::reversal(&reversal),
        reference: reversal.id,
        labels: reversal.metadata.into(),
        created_at: Time::from_seconds(reversal.created),
    }
}

#[cfg(test)]
mod tests;
