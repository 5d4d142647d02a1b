//! How often a debit of one invoice may be put before the bank: once, and twice more where it came back for want of
//! money (NACHA, subsection 2.12.4: reinitiation within 180 days).
//!
//! Reschedules and pay-now count alike. What Stripe was asked to debit we present once, since Stripe may present it again
//! by itself, unless the tenant says that we do.

use crate::bounds;
use crate::clock::Time;
use crate::id::MethodId;
use crate::model::invoice::{Invoice, Presentments};
use crate::model::payment::Gateway;
use crate::model::tenant::AchSettings;
use crate::policy::refusal::{Code, Refusal};

/// How often a debit may be presented over `gateway`.
#[must_use]
pub fn limit(gateway: Gateway, ach: Option<&AchSettings>) -> u32 {
    let is_ours = gateway != Gateway::Stripe || ach.is_some_and(|ach| ach.own_retries);
    if is_ours { bounds::PRESENTMENTS } else { 1 }
}

/// Whether another presentment is left after `so_far`.
#[must_use]
pub fn is_left(so_far: Option<&Presentments>, limit: u32, now: Time) -> bool {
    so_far.is_none_or(|so_far| {
        let in_time = so_far.made == 0 || now < so_far.first_at.plus(bounds::PRESENTMENT_WINDOW);
        so_far.made < limit && !so_far.barred && in_time
    })
}

/// What stands against debiting `method` for `invoice` once more.
#[must_use]
pub fn refusal(invoice: &Invoice, method: &MethodId, limit: u32, now: Time) -> Option<Refusal> {
    let so_far = invoice.presentments.get(method);
    if is_left(so_far, limit, now) {
        return None;
    }
    let made = so_far.map_or(0, |so_far| so_far.made);
    let why = if so_far.is_some_and(|so_far| so_far.barred) {
        "its bank returned it for another reason than want of money"
    } else if made < limit {
        "the first time is more than 180 days ago"
    } else {
        "that is how often it may be"
    };
    let detail = format!(
        "{method} was debited {made} time(s) for invoice {}, and {why}. Use another payment method.",
        invoice.invoice_id
    );
    Some(Refusal::field(Code::PresentmentLimit, "payment_method_id", detail).with("presentments", made))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn so_far(made: u32, barred: bool) -> Presentments {
        Presentments { made, first_at: Time::from_millis(0), barred }
    }

    #[test]
    fn a_debit_is_presented_once_and_twice_more_within_180_days() {
        let (soon, late) = (Time::from_seconds(86_400), Time::from_seconds(181 * 86_400));
        assert!(is_left(None, 3, soon));
        assert!(is_left(Some(&so_far(2, false)), 3, soon));
        assert!(!is_left(Some(&so_far(3, false)), 3, soon));
        assert!(!is_left(Some(&so_far(1, true)), 3, soon));
        assert!(!is_left(Some(&so_far(1, false)), 3, late));
        // Nothing of it has reached a bank.
        assert!(is_left(Some(&so_far(0, false)), 3, late));
    }

    #[test]
    fn over_stripe_we_present_once_unless_the_tenant_says_otherwise() {
        let ach = |own_retries| AchSettings {
            enabled: true,
            provider: crate::model::tenant::AchProvider::Stripe,
            own_retries,
            plaid: None,
        };
        assert_eq!(limit(Gateway::Stripe, None), 1);
        assert_eq!(limit(Gateway::Stripe, Some(&ach(false))), 1);
        assert_eq!(limit(Gateway::Stripe, Some(&ach(true))), 3);
        assert_eq!(limit(Gateway::Plaid, Some(&ach(false))), 3);
    }
}
