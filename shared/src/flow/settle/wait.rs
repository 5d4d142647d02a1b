//! How long a payment waits for its customer, and when it is looked at meanwhile.

use crate::bounds;
use crate::clock::Time;
use crate::model::payment::{Gateway, Payment};
use crate::policy::retry;

/// When to look again at what waits for its customer. At Stripe an event tells when he has acted, and until when is up
/// to the gateway; at PayPal it is we who go on.
pub(super) fn waiting_check(now: Time, payment: &Payment) -> Time {
    let until = waits_until(payment);
    match payment.frozen.gateway {
        Gateway::Stripe | Gateway::Plaid => until,
        Gateway::Paypal if now < until => retry::next_check(now, payment.progress.checks).min(until),
        Gateway::Paypal => retry::next_check(now, payment.progress.checks),
    }
}

/// Until when a customer can act: PayPal forgets an order that is not approved before the day is over.
#[must_use]
pub fn acts_until(payment: &Payment) -> Time {
    match payment.frozen.gateway {
        Gateway::Stripe | Gateway::Plaid => waits_until(payment),
        Gateway::Paypal => payment.created_at.plus(bounds::PAYPAL_APPROVAL),
    }
}

/// Until when a customer may act; then the payment is canceled at the gateway.
#[must_use]
pub fn waits_until(payment: &Payment) -> Time {
    payment.created_at.plus(bounds::ACTION_LIFETIME)
}
