use super::payment::{after, next};
use super::*;

const MOVED: [PaymentStatus; 4] =
    [PaymentStatus::Paid, PaymentStatus::PartiallyRefunded, PaymentStatus::Refunded, PaymentStatus::Returned];

#[test]
fn money_that_moved_is_never_reported_away() {
    for status in MOVED {
        for report in Report::ALL {
            assert_eq!(next(status, *report), status, "{status} and {report}");
        }
    }
}

#[test]
fn a_late_success_wins_over_an_earlier_failure() {
    for status in [PaymentStatus::Failed, PaymentStatus::Canceled] {
        assert_eq!(next(status, Report::Succeeded), PaymentStatus::Paid);
    }
}

#[test]
fn a_payment_with_a_client_secret_given_out_ends_only_by_success_or_a_confirmed_cancellation() {
    for report in [Report::Declined, Report::NotSent, Report::NotExecuted, Report::Pending] {
        assert_eq!(next(PaymentStatus::RequiresAction, report), PaymentStatus::RequiresAction, "{report}");
    }
}

#[test]
fn only_what_was_paid_can_be_refunded_or_reversed_and_what_was_reversed_stays_so() {
    for aftermath in Aftermath::ALL {
        for status in PaymentStatus::ALL {
            let moved = MOVED.contains(status) && *status != PaymentStatus::Returned;
            assert!(moved || after(*status, *aftermath) == *status, "{status} and {aftermath}");
        }
        assert_eq!(after(PaymentStatus::Returned, *aftermath), PaymentStatus::Returned);
    }
}

#[test]
fn a_refund_that_failed_at_the_gateway_is_not_brought_back_by_an_older_report_of_success() {
    assert_eq!(refund::next(RefundStatus::Failed, true, Report::Succeeded), RefundStatus::Failed);
    assert_eq!(refund::next(RefundStatus::Failed, false, Report::Succeeded), RefundStatus::Succeeded);
    assert_eq!(refund::next(RefundStatus::Succeeded, true, Report::Declined), RefundStatus::Failed);
    assert_eq!(refund::next(RefundStatus::Succeeded, true, Report::Pending), RefundStatus::Succeeded);
}
