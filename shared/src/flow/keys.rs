//! The one place where it matters which gateway a payment goes through: what the keys at hand open is asked.

use std::time::Duration;

use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::gateway::{Answer, Found, Labels, Outcome, SeenDisputes, SeenRefund, Trouble, paypal, stripe};
use crate::model::invoice::Kind;
use crate::model::movement::Movement;
use crate::model::payment::Gateway;
use crate::money::Money;
use crate::policy::retry;
use crate::secrets::Keys;

impl Keys {
    /// Sends a payment or a refund; `order`: the one at PayPal that an answer before this has told of.
    pub(super) async fn send(
        &self,
        app: &App,
        movement: Movement<'_>,
        order: Option<&str>,
        timeout: Duration,
    ) -> Answer {
        match self {
            Self::Stripe(secret) => app.stripe.send(secret, movement, timeout).await,
            Self::Paypal(secret) => app.paypal.send(secret, movement, order, timeout).await,
        }
    }

    /// Looks a payment or a refund up. Moves no money.
    pub(super) async fn find(
        &self,
        app: &App,
        movement: Movement<'_>,
        order: Option<&str>,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Found {
        match self {
            Self::Stripe(secret) => {
                let until = retry::created_until(app.clock.now(), movement);
                app.stripe.find(secret, movement, until, time).await
            }
            Self::Paypal(secret) => app.paypal.find(secret, movement, order, time).await,
        }
    }

    /// Reads one object.
    pub(super) async fn read(&self, app: &App, movement: Movement<'_>, reference: &str, timeout: Duration) -> Found {
        match self {
            Self::Stripe(secret) => app.stripe.read(secret, movement, reference, timeout).await,
            Self::Paypal(secret) => app.paypal.read(secret, movement, reference, timeout).await,
        }
    }

    /// Cancels what a look-up has just shown. What counts is the answer.
    ///
    /// An order at PayPal can't be canceled, and need not be: it moves nothing before we capture it. As long as its
    /// payment waits for its customer we have not, and once it is given up nobody ever will.
    pub(super) async fn cancel(&self, app: &App, movement: Movement<'_>, shown: Answer, timeout: Duration) -> Found {
        let reference = shown.seen.as_ref().map(|seen| seen.reference.as_str());
        match (self, reference.or(movement.reference())) {
            (Self::Stripe(secret), Some(reference)) => app.stripe.cancel(secret, movement, reference, timeout).await,
            (Self::Paypal(secret), Some(reference)) => app.paypal.cancel(secret, movement, reference, timeout).await,
            (Self::Paypal(_), None) if is_uncaptured(&shown) && may_be_given_up(app.clock.now(), movement) => {
                Found::Object(Answer { outcome: Outcome::Canceled, next_action: None, again: false, ..shown })
            }
            (_, None) => Found::Unanswered(Trouble::Undecided),
        }
    }

    /// The refunds of a payment, newest first; `order`: as above.
    pub(super) async fn refunds(
        &self,
        app: &App,
        payment: &str,
        order: Option<&str>,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Result<Vec<SeenRefund>, Trouble> {
        match self {
            Self::Stripe(secret) => app.stripe.refunds(secret, payment, time).await,
            Self::Paypal(secret) => app.paypal.refunds(secret, payment, order, time).await,
        }
    }

    /// How the disputes of a payment stand; `order`: as above.
    pub(super) async fn disputes(
        &self,
        app: &App,
        payment: &str,
        order: Option<&str>,
        money: Money,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Result<SeenDisputes, Trouble> {
        match self {
            Self::Stripe(secret) => app.stripe.disputes(secret, payment, money, time).await,
            Self::Paypal(secret) => app.paypal.disputes(secret, payment, order, money, time).await,
        }
    }

    /// What the payment there carries.
    pub(super) async fn labels(&self, app: &App, payment: &str, timeout: Duration) -> Result<Option<Labels>, Trouble> {
        match self {
            Self::Stripe(secret) => app.stripe.labels(secret, payment, timeout).await,
            Self::Paypal(secret) => app.paypal.labels(secret, payment, timeout).await,
        }
    }
}

/// Whether all that is there is an order without a capture.
fn is_uncaptured(shown: &Answer) -> bool {
    let is_open = matches!(shown.outcome, Outcome::RequiresAction | Outcome::Unknown(Trouble::Undecided));
    shown.begun.is_some() && shown.seen.is_none() && is_open
}

/// Whether nothing moves it any more once we say so: what waits for its customer at PayPal is captured by us alone, and
/// a capture is begun by a write that ends the waiting.
pub(super) fn may_be_given_up(now: Time, movement: Movement<'_>) -> bool {
    movement.gateway() == Gateway::Paypal
        && movement.waits_for_customer()
        && movement.reference().is_none()
        && retry::failure_is_final(now, movement.progress().send_until)
}

/// What the gateway says against the amount of a payment of such an invoice.
pub(super) fn amount_refusal(gateway: Gateway, kind: Kind, money: Money) -> Option<String> {
    match (gateway, kind) {
        (Gateway::Stripe, _) => stripe::amount::to_wire(money).err().map(|error| format!("{error}.")),
        (Gateway::Paypal, Kind::Receivable) => paypal::amount::to_wire(money).err().map(|error| format!("{error}.")),
        (Gateway::Paypal, Kind::Payable) => {
            paypal::amount::payout_to_wire(money).err().map(|error| format!("{error}."))
        }
    }
}

/// What the gateway says against the amount of a refund.
pub(super) fn refund_refusal(gateway: Gateway, money: Money) -> Option<String> {
    match gateway {
        Gateway::Stripe => stripe::amount::refund_to_wire(money).err().map(|error| format!("{error}.")),
        // Only what customers have paid is refunded.
        Gateway::Paypal => amount_refusal(gateway, Kind::Receivable, money),
    }
}

/// The version of the gateway's API that requests are written for.
pub(super) const fn api_version(gateway: Gateway) -> &'static str {
    match gateway {
        Gateway::Stripe => stripe::API_VERSION,
        Gateway::Paypal => paypal::API_VERSION,
    }
}

/// When to look again at what the gateway has and is not done with. A payout is done in minutes, or waits for whom it
/// is for; banks take days.
pub(super) fn pending_check(now: Time, movement: Movement<'_>) -> Time {
    if movement.is_payout() { retry::next_check(now, movement.progress().checks) } else { now.plus(bounds::DAILY) }
}
