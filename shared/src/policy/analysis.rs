//! Which alerts are worth a model's time, and when: those that their own words don't explain, and not at every raise.

use crate::bounds;
use crate::model::alert::{AlertKind, AlertStatus, Raised};
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

/// Whether a model may be asked: the alert waits for somebody, may be complex, and has no explanation, or one of when it
/// was raised half as often, or of another day. So what each raise costs does not grow with how often it is raised.
#[must_use]
pub fn is_due(alert: &Raised) -> bool {
    let is_new = alert.explanation.as_ref().is_none_or(|explanation| {
        let is_of_another_day = alert.last_seen.since(explanation.at) >= bounds::ANALYSIS_AGE;
        alert.count >= explanation.count.saturating_mul(2) || alert.count > explanation.count && is_of_another_day
    });
    alert.status == AlertStatus::Open && is_new && !matches!(class(alert.kind), Class::Plain)
}

/// Why an alert is complex; `None`: it is not, and its own words will do.
#[must_use]
pub fn complex(alert: &Raised, facts: Facts) -> Option<Reason> {
    match class(alert.kind) {
        Class::Always(reason) => Some(reason),
        Class::Failure if facts.unknown_code => Some(Reason::UnknownCode),
        Class::Failure | Class::Trouble => {
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
    /// The gateway is not available, whatever it says meanwhile.
    Trouble,
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
        | AlertKind::GatewayRejected
        | AlertKind::ScheduleStopped
        | AlertKind::RefundFailed
        | AlertKind::RefundCameBack
        | AlertKind::Returned => Class::Failure,
        AlertKind::GatewayUnavailable => Class::Trouble,
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
    fn the_words_of_a_gateway_that_is_not_to_be_had_are_no_riddle() {
        let failed = |facts| complex(&alert(AlertKind::GatewayUnavailable, 1), facts);
        assert_eq!(failed(Facts { unknown_code: true, ..Facts::default() }), None);
        assert_eq!(failed(Facts { of_vendor: 3, ..Facts::default() }), Some(Reason::Repeated));
    }

    #[test]
    fn an_alert_is_asked_about_again_when_it_was_raised_twice_as_often_or_on_another_day() {
        let explained = |times, count, later: &str| {
            let mut alert = alert(AlertKind::OutcomeUnknown, count);
            let explanation = json!({ "summary": "s", "likely_cause": "c", "suggested_action": "a", "confidence": "low",
                "count": times, "model": "m", "at": alert.last_seen });
            alert.explanation = Some(serde_json::from_value(explanation).unwrap());
            alert.last_seen = later.parse().unwrap();
            is_due(&alert)
        };
        let (soon, next_day) = ("2026-01-16T14:29:59.999Z", "2026-01-16T14:30:00.000Z");
        assert!(is_due(&alert(AlertKind::OutcomeUnknown, 1)));
        assert!(!explained(1, 1, next_day), "once is enough for what was not raised since");
        assert!(explained(1, 2, soon));
        assert!(!explained(5, 9, soon));
        assert!(explained(5, 10, soon));
        assert!(explained(5, 6, next_day));
    }

    #[test]
    fn nobody_is_asked_about_what_is_resolved_or_plain() {
        let mut resolved = alert(AlertKind::OutcomeUnknown, 1);
        resolved.status = AlertStatus::Resolved;
        assert!(!is_due(&resolved));
        assert!(!is_due(&alert(AlertKind::Disputed, 9)));
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
