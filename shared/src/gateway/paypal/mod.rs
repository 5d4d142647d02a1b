//! PayPal: orders that customers pay, payouts to vendors, refunds, and the vault, over its JSON API.
//!
//! `transport` sends and keeps the token, `object` reads what comes back, `classify` says what it means, `amount` knows
//! PayPal's own currencies, `order` and `payout` pay, `refund` refunds, `lookup` searches the events that PayPal has made,
//! `aftermath` lists disputes, `method` reads the vault, `event` and `signature` read and check webhooks. Sources: developer.paypal.com/docs/api and
//! /api/rest.
//!
//! There is no look-up by our own id at PayPal. Within its fence the look-up of a payment or refund is the same send
//! under the same request id; afterwards only what PayPal told of it is left to be searched.

mod aftermath;
pub mod amount;
mod classify;
pub mod event;
mod lookup;
pub mod method;
mod object;
pub mod order;
mod payout;
mod refund;
pub mod signature;
#[cfg(test)]
pub(in crate::gateway) mod stub;
mod transport;

use std::time::Duration;

pub(super) use self::classify::knows;
use self::payout::Unsent;
pub use self::transport::PayPal;
use self::transport::{Budget, Reply, Request};
use super::{Answer, Found, Outcome, Trouble};
use crate::model::movement::Movement;
use crate::model::payment::Payment;
use crate::secrets::PayPalSecret;

/// The API versions that requests are written for, which stand in their paths.
pub const API_VERSION: &str = "orders-v2,payments-v2,payouts-v1";

/// How a payment is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// A customer's method is charged.
    Order,
    /// A vendor is paid, at this address.
    Payout(&'a str),
}

impl<'a> Route<'a> {
    /// By what the reservation froze: only a payout has a destination.
    #[must_use]
    pub fn of(payment: &'a Payment) -> Self {
        payment.frozen.destination.as_deref().map_or(Self::Order, Self::Payout)
    }
}

impl PayPal {
    /// Sends a payment or a refund, or goes on with it: what is known at PayPal is read, an `order` that is known is gone
    /// on with, and anything else is sent under an id of ours, under which PayPal executes it once.
    ///
    /// It may execute something whenever it is called: only inside the fence, and never for what was given up.
    pub async fn send(
        &self,
        secret: &PayPalSecret,
        movement: Movement<'_>,
        order: Option<&str>,
        timeout: Duration,
    ) -> Answer {
        let budget = Budget::of(timeout);
        if let Some(reference) = movement.reference() {
            return match self.read_known(secret, movement, reference, budget).await {
                Found::Object(answer) => answer,
                Found::Nothing => Answer::without_object(Outcome::Unknown(Trouble::Undecided), false),
                Found::Unanswered(trouble) => Answer::without_object(Outcome::Unknown(trouble), true),
            };
        }
        match movement {
            Movement::Refund(refund) => self.refund(secret, refund, budget).await,
            Movement::Payment(payment) => match Route::of(payment) {
                Route::Order => self.pay_order(secret, payment, order, budget).await,
                Route::Payout(receiver) => match Unsent::of(payment, receiver) {
                    Some(unsent) => self.pay_out(secret, &unsent, budget).await,
                    None => Answer::without_object(Outcome::Unknown(Trouble::Undecided), false),
                },
            },
        }
    }

    /// Looks a payment or refund up, and never executes anything: by PayPal's id, or the `order`, where they are known,
    /// else among the events that PayPal has made about what carries our id. Events lag behind: nothing found says
    /// nothing.
    ///
    /// `time` is what there is for the next request, where `None` ends the look-up.
    pub async fn find(
        &self,
        secret: &PayPalSecret,
        movement: Movement<'_>,
        order: Option<&str>,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Found {
        match (movement.reference(), order, time()) {
            (_, _, None) => Found::Unanswered(Trouble::Unreachable),
            (Some(reference), _, Some(timeout)) => self.read(secret, movement, reference, timeout).await,
            (None, Some(order), Some(timeout)) => self.read_order(secret, order, Budget::of(timeout)).await,
            (None, None, _) => self.find_by_events(secret, movement, time).await,
        }
    }

    /// Reads one object: a capture, a batch of payouts, or a refund.
    pub async fn read(
        &self,
        secret: &PayPalSecret,
        movement: Movement<'_>,
        reference: &str,
        timeout: Duration,
    ) -> Found {
        self.read_known(secret, movement, reference, Budget::of(timeout)).await
    }

    async fn read_known(
        &self,
        secret: &PayPalSecret,
        movement: Movement<'_>,
        reference: &str,
        budget: Budget,
    ) -> Found {
        match movement {
            Movement::Refund(_) => self.read_refund(secret, reference, budget).await,
            Movement::Payment(payment) => match Route::of(payment) {
                Route::Order => self.read_capture(secret, reference, budget).await,
                Route::Payout(_) => self.read_batch(secret, payment, reference, budget).await,
            },
        }
    }

    /// Cancels a payout that nobody has claimed. Nothing else can be canceled at PayPal: what counts is the object
    /// afterwards. (An order that nobody captures moves nothing, and ends by itself.)
    pub async fn cancel(
        &self,
        secret: &PayPalSecret,
        movement: Movement<'_>,
        reference: &str,
        timeout: Duration,
    ) -> Found {
        match movement {
            Movement::Payment(payment) if matches!(Route::of(payment), Route::Payout(_)) => {
                self.cancel_payout(secret, payment, reference, Budget::of(timeout)).await
            }
            _ => self.read(secret, movement, reference, timeout).await,
        }
    }

    async fn get(&self, secret: &PayPalSecret, path: &str, budget: Budget) -> Result<Reply, Trouble> {
        self.send_request(secret, &Request::get(path), budget).await
    }
}
