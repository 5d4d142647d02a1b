//! When to send again, when to look again, and until when.

use std::time::Duration;

use crate::bounds;
use crate::clock::Time;
use crate::model::movement::Movement;
use crate::model::payment::{Gateway, Payment};

/// A pause before try number `tries_made` + 1: exponential with full jitter, at least what the other side asks for.
#[must_use]
pub fn backoff(first: Duration, longest: Duration, tries_made: u32, asked: Option<Duration>) -> Duration {
    let doubled = first.saturating_mul(2_u32.saturating_pow(tries_made.saturating_sub(1))).min(longest);
    let micros = u64::try_from(doubled.as_micros()).unwrap_or(u64::MAX);
    let pause = Duration::from_micros(fastrand::u64(0..=micros));
    asked.map_or(pause, |asked| asked.saturating_add(pause))
}

/// When to look again at a payment of unknown outcome that was looked at `checks` times without an end.
#[must_use]
pub fn next_check(now: Time, checks: u32) -> Time {
    let step = usize::try_from(checks).unwrap_or(usize::MAX);
    now.plus(bounds::CHECKS.get(step).copied().unwrap_or(bounds::DAILY))
}

/// Whether a failure is believed that does not come as the reply to the open send.
#[must_use]
pub fn failure_is_final(now: Time, send_until: Time) -> bool {
    now >= send_until.plus(bounds::SEND_MARGIN)
}

/// How long after its reservation something may be sent again, and how long the gateway keeps its key.
fn lifetimes(movement: Movement<'_>) -> (Duration, Duration) {
    match (movement.gateway(), movement) {
        (Gateway::Stripe, _) => (bounds::STRIPE_RESEND, bounds::STRIPE_KEY),
        (Gateway::Paypal, Movement::Refund(_)) => (bounds::PAYPAL_REFUND_RESEND, bounds::PAYPAL_REFUND_KEY),
        // A payout: nothing keeps its id once its batch is denied.
        (Gateway::Paypal, Movement::Payment(payment)) if payment.is_payout() => (Duration::ZERO, Duration::ZERO),
        // An order that is known is captured once, however often that is asked for.
        (Gateway::Paypal, Movement::Payment(payment)) if payment.order_id.is_some() => {
            (bounds::PAYPAL_CAPTURE, bounds::PAYPAL_CAPTURE)
        }
        (Gateway::Paypal, Movement::Payment(_)) => (bounds::PAYPAL_ORDER_RESEND, bounds::PAYPAL_ORDER_KEY),
        // No second transfer is made under an authorization, which ends by itself.
        (Gateway::Plaid, Movement::Payment(Payment { authorization: Some(authorization), created_at, .. })) => {
            let waited = authorization.at.since(*created_at);
            (waited + bounds::PLAID_AUTHORIZATION, waited + bounds::PLAID_UNUSED)
        }
        (Gateway::Plaid, _) => (bounds::PLAID_RESEND, bounds::PLAID_KEY),
    }
}

/// Whether the key of a payment or refund still protects another send.
#[must_use]
pub fn key_protects(now: Time, movement: Movement<'_>) -> bool {
    now < movement.created_at().plus(lifetimes(movement).0)
}

/// Whether it is still being found out what became of it. Afterwards only a person can say it.
#[must_use]
pub fn is_pursued(now: Time, movement: Movement<'_>) -> bool {
    // The last send that the key may have let through is seen in PayPal's events, which take their time.
    let created = movement.created_at().plus(lifetimes(movement).1).max(movement.progress().send_until);
    match movement.gateway() {
        _ if key_protects(now, movement) => true,
        Gateway::Paypal => now < created.plus(bounds::PAYPAL_EVENT_LAG),
        // A transfer may be made as long as its authorization lives.
        Gateway::Plaid => now < created,
        Gateway::Stripe => false,
    }
}

/// Until when something may have been created at the gateway. While its key protects, a send that arrived late is found
/// by sending again, and the last fence will do; afterwards only the look-up is left, and it looks at the whole time.
#[must_use]
pub fn created_until(now: Time, movement: Movement<'_>) -> Time {
    let send_until = movement.progress().send_until;
    if key_protects(now, movement) {
        return send_until;
    }
    send_until.max(movement.created_at().plus(lifetimes(movement).1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_stays_bounded_and_honours_what_was_asked() {
        let (first, longest) = (Duration::from_millis(500), Duration::from_secs(5));
        for tries in 1..40 {
            assert!(backoff(first, longest, tries, None) <= longest);
            let asked = Duration::from_secs(7);
            assert!(backoff(first, longest, tries, Some(asked)) >= asked);
        }
        assert!((0..50).all(|_| backoff(first, longest, 1, None) <= first));
    }

    #[test]
    fn unknown_payments_are_looked_at_after_1_5_30_minutes_2_4_8_16_hours_then_daily() {
        let start = Time::from_millis(0);
        let minutes: Vec<u64> = (0..9).map(|n| next_check(start, n).since(start).as_secs() / 60).collect();
        assert_eq!(minutes, [1, 5, 30, 120, 240, 480, 960, 1440, 1440]);
    }
}
