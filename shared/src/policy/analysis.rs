//! Which alerts are worth a model's time: those that their own words don't explain.

use crate::bounds;
use crate::model::alert::{AlertKind, Raised};
use crate::model::names;

names! {
    /// Why an alert is complex.
    Reason {
        /// Recovery has looked everywhere and can't say what became of the money.
        FoundNothing = "recovery_found_nothing",
        /// Our books and the gateway's tell different stories.
        BooksDiffer = "books_differ",
        /// The gateway says why in a word that is in none of our tables.
        UnknownCode = "unknown_code",
        /// It is not the first time: of the same thing, method or vendor.
        Repeated = "repeated_failures",
    }
}

/// What is known about an alert besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The gateway's word for the failure is in none of our tables.
    pub unknown_code: bool,
    /// Payments over the same method that went wrong lately, this one included.
    pub of_method: u64,
    /// Payments to the same vendor that went wrong lately, this one included.
    pub of_vendor: u64,
}

/// Why an alert is complex; `None`: it is not, and its own words will do.
#[must_use]
pub fn complex(alert: &Raised, facts: Facts) -> Option<Reason> {
    match class(alert.kind) {
        Class::Always(reason) => Some(reason),
        Class::Failure if facts.unknown_code => Some(Reason::UnknownCode),
        Class::Failure => {
            let times = alert.count.max(facts.of_method).max(facts.of_vendor);
            (times >= bounds::REPEATED).then_some(Reason::Repeated)
        }
        Class::Plain => None,
    }
}

enum Class {
    Always(Reason),
    /// It may have happened for a plain reason, once.
    Failure,
    /// It says all that there is to say.
    Plain,
}

fn class(kind: AlertKind) -> Class {
    match kind {
        AlertKind::OutcomeUnknown => Class::Always(Reason::FoundNothing),
        AlertKind::AnswerMismatch
        | AlertKind::AccountChanged
        | AlertKind::PaidTwice
        | AlertKind::PaidVoidInvoice
        | AlertKind::RefundExecuted
        | AlertKind::ReturnedAfterRefund
        | AlertKind::TransferReversed
        | AlertKind::EventNotApplied
        | AlertKind::UnknownToUs => Class::Always(Reason::BooksDiffer),
        AlertKind::InsufficientFunds
        | AlertKind::PaymentMethodInvalid
        | AlertKind::DebitNotAuthorized
        | AlertKind::Declined
        | AlertKind::GatewayUnavailable
        | AlertKind::GatewayRejected
        | AlertKind::ScheduleStopped
        | AlertKind::RefundFailed
        | AlertKind::RefundCameBack
        | AlertKind::Returned => Class::Failure,
        AlertKind::PaymentMethodExpiring | AlertKind::Disputed | AlertKind::DisputeLostInPart => Class::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn alert(kind: AlertKind, count: u64) -> Raised {
        let at = "2026-01-15T14:30:00.000Z";
        let item = json!({ "tenant_id": "acme", "alert_id": "alr_aaaaaaaaaaaaaaaaaaaaaaaaaa", "kind": kind,
            "severity": "warning", "status": "open", "message": "m", "next_action": "n", "count": count,
            "first_seen": at, "last_seen": at });
        serde_json::from_value(item).unwrap()
    }

    #[test]
    fn what_its_own_words_explain_is_left_to_them() {
        let once = Facts { unknown_code: false, of_method: 1, of_vendor: 2 };
        assert_eq!(complex(&alert(AlertKind::InsufficientFunds, 2), once), None);
        let all = Facts { unknown_code: true, of_method: 9, of_vendor: 9 };
        assert_eq!(complex(&alert(AlertKind::PaymentMethodExpiring, 9), all), None);
        assert_eq!(complex(&alert(AlertKind::Disputed, 9), all), None);
    }

    #[test]
    fn a_failure_is_complex_when_its_code_is_new_or_it_comes_again_and_again() {
        let failed = |count, facts| complex(&alert(AlertKind::Declined, count), facts);
        assert_eq!(failed(1, Facts { unknown_code: true, ..Facts::default() }), Some(Reason::UnknownCode));
        assert_eq!(failed(3, Facts::default()), Some(Reason::Repeated));
        assert_eq!(failed(1, Facts { of_method: 3, ..Facts::default() }), Some(Reason::Repeated));
        assert_eq!(failed(1, Facts { of_vendor: 3, ..Facts::default() }), Some(Reason::Repeated));
    }

    #[test]
    fn lost_money_and_books_that_differ_are_always_complex() {
        for (kind, reason) in [
            (AlertKind::OutcomeUnknown, Reason::FoundNothing),
            (AlertKind::AnswerMismatch, Reason::BooksDiffer),
            (AlertKind::PaidTwice, Reason::BooksDiffer),
            (AlertKind::UnknownToUs, Reason::BooksDiffer),
        ] {
            assert_eq!(complex(&alert(kind, 1), Facts::default()), Some(reason), "{kind}");
        }
    }
}
