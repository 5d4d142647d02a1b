//! What a failed payment or refund means: the code that the caller sees, the alert that calls a person, its words.

use crate::model::alert::{AlertKind, Severity};
use crate::model::payment::{Failure, FailureCode};
use crate::model::return_code::ReturnClass;
use crate::model::schedule::ScheduleStatus;
use crate::policy::refusal::Code;

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consequence {
    /// How it is answered.
    pub code: Code,
    /// Who is called; nobody for what a person did on purpose.
    pub alert: Option<AlertKind>,
    /// For the caller; says nothing that a thief could use.
    pub detail: &'static str,
}

/// What follows from the failure of a refund. Its amount can be refunded again, so that the alert is one and the same.
#[must_use]
pub fn refund_consequence(failure: &Failure) -> Consequence {
    let (code, detail) = match failure.code {
        FailureCode::NotRefundable => (
            Code::NotRefundable,
            "The gateway does not refund this, or not that much of it: it may be disputed, or refunded already in the gateway's dashboard. Read the payment again.",
        ),
        FailureCode::InsufficientFunds => (
            Code::InsufficientFunds,
            "The balance at the gateway is too low. Nothing went back; refund again when it has funds, with a new Idempotency-Key.",
        ),
        FailureCode::GatewayUnavailable => (
            Code::GatewayUnavailable,
            "The gateway did not take the request: certainly not executed. Refund again with a new Idempotency-Key.",
        ),
        FailureCode::NotExecuted => (
            Code::GatewayUnavailable,
            "A person found that the refund was not executed. Refund again with a new Idempotency-Key.",
        ),
        FailureCode::Canceled => (Code::Declined, "The refund was canceled. Nothing went back."),
        FailureCode::Declined | FailureCode::PaymentMethodInvalid => {
            (Code::Declined, "The refund failed: the money stayed, or came back. Pay it back another way.")
        }
    };
    let by_person = matches!(failure.code, FailureCode::Canceled | FailureCode::NotExecuted);
    Consequence { code, alert: (!by_person).then_some(AlertKind::RefundFailed), detail }
}

/// What follows from the failure of a payment.
#[must_use]
pub fn consequence(failure: &Failure) -> Consequence {
    match failure.code {
        FailureCode::Declined if failure.returned == Some(ReturnClass::Unauthorized) => Consequence {
            code: Code::Declined,
            alert: Some(AlertKind::DebitNotAuthorized),
            detail: "The bank returned the debit as not authorized. The bank account is blocked; another method is needed.",
        },
        FailureCode::InsufficientFunds => Consequence {
            code: Code::InsufficientFunds,
            alert: Some(AlertKind::InsufficientFunds),
            detail: "There are not enough funds: on the method, or for a payout in the gateway's balance. Nothing was taken; pay again when there are, with a new Idempotency-Key.",
        },
        FailureCode::PaymentMethodInvalid => Consequence {
            code: Code::PaymentMethodInvalid,
            alert: Some(AlertKind::PaymentMethodInvalid),
            detail: "The payment method is invalid or expired. Nothing was taken; add another method and pay again, with a new Idempotency-Key.",
        },
        FailureCode::Declined | FailureCode::NotRefundable => Consequence {
            code: Code::Declined,
            alert: Some(AlertKind::Declined),
            detail: "The payment was declined. Nothing was taken; a person should look before it is tried again.",
        },
        FailureCode::GatewayUnavailable => Consequence {
            code: Code::GatewayUnavailable,
            alert: Some(AlertKind::GatewayUnavailable),
            detail: "The gateway did not take the request: certainly not executed. The invoice is approved again; pay again with a new Idempotency-Key.",
        },
        FailureCode::Canceled => {
            Consequence { code: Code::Declined, alert: None, detail: "The payment was canceled. Nothing was taken." }
        }
        FailureCode::NotExecuted => Consequence {
            code: Code::GatewayUnavailable,
            alert: None,
            detail: "A person found that the payment was not executed. Pay again with a new Idempotency-Key.",
        },
    }
}

/// The next action where the payment was one of a promise, which now is in that state; `None`: no other than without.
#[must_use]
pub fn next_action_promised(kind: AlertKind, promise: ScheduleStatus) -> Option<&'static str> {
    match (kind, promise) {
        (AlertKind::InsufficientFunds, ScheduleStatus::Pending) => Some(
            "Make sure that the method, or the gateway's balance, has funds: it is tried again on the date of {schedule}.",
        ),
        (AlertKind::GatewayUnavailable, ScheduleStatus::Pending) => {
            Some("Look at the gateway's status page. It is tried again by itself.")
        }
        (AlertKind::PaymentMethodInvalid, ScheduleStatus::AwaitingMethod) => Some(
            "Ask for a new payment method and make it the default, or name it: PATCH /scheduled-payments/{schedule}; it goes on by itself then.",
        ),
        (
            AlertKind::InsufficientFunds
            | AlertKind::Declined
            | AlertKind::DebitNotAuthorized
            | AlertKind::GatewayUnavailable,
            ScheduleStatus::InReview,
        ) => Some(
            "Review it, then set a new date or method: PATCH /scheduled-payments/{schedule}; or call it off: DELETE.",
        ),
        _ => None,
    }
}

/// Severity, and the next action that an alert names.
#[must_use]
pub fn next_action(kind: AlertKind) -> (Severity, &'static str) {
    use Severity::{Critical, Warning};
    match kind {
        AlertKind::InsufficientFunds => (
            Warning,
            "Make sure that the method, or for a payout the gateway's balance, has funds; then pay the invoice again.",
        ),
        AlertKind::PaymentMethodInvalid => (Warning, "Ask for a new payment method, then pay the invoice again."),
        AlertKind::PaymentMethodExpiring => (
            Warning,
            "Ask its owner to add another, and make that the default; else scheduled payments wait for one from then on.",
        ),
        AlertKind::DebitNotAuthorized => {
            (Critical, "Don't debit this account again: it is blocked. Ask its owner why, and for another way to pay.")
        }
        AlertKind::Declined => (Warning, "Review the payment before the invoice is paid again."),
        AlertKind::GatewayUnavailable => (Warning, "Look at the gateway's status page, then pay the invoice again."),
        AlertKind::GatewayRejected => (
            Critical,
            "Operator: the gateway refuses our key or our request; check the tenant's secret and the gateway's log.",
        ),
        AlertKind::OutcomeUnknown => (
            Critical,
            "Look for it in the gateway's dashboard; cancel it there if it is open, else say what became of it: POST {path}/resolve.",
        ),
        AlertKind::AnswerMismatch => (
            Critical,
            "The gateway's object differs from what was reserved. Nothing was applied; compare both by hand.",
        ),
        AlertKind::AccountChanged => (
            Critical,
            "The tenant's secret names another account than the payment was reserved for. Restore the secret until it is settled.",
        ),
        AlertKind::PaidTwice => (Critical, "The invoice was paid twice. Refund the payment that this alert names."),
        AlertKind::PaidVoidInvoice => (Critical, "A payment of a void invoice was executed. Refund it."),
        AlertKind::ScheduleStopped => (
            Warning,
            "Put right what stands against it, then set its date anew: PATCH /scheduled-payments/{schedule}; or call it off.",
        ),
        AlertKind::RefundFailed => {
            (Warning, "Nothing went back. Find out why, then refund again or pay it back another way.")
        }
        AlertKind::RefundExecuted => (
            Critical,
            "Its amount had been given back and may have been refunded once more: compare with the gateway's books.",
        ),
        AlertKind::RefundCameBack => (Critical, "The money is back in the balance: pay it back another way."),
        AlertKind::Disputed => (
            Critical,
            "Answer it in the gateway's dashboard before its date. While a dispute is open nothing is refunded.",
        ),
        AlertKind::DisputeLostInPart => (Critical, "A part of the money is gone. Settle the rest with the payer."),
        AlertKind::Returned => (Critical, "The money was taken back. Find out why before the invoice is paid again."),
        AlertKind::ReturnedAfterRefund => (
            Critical,
            "The money went back more than once, or is about to: compare with the gateway's books and claim it.",
        ),
        AlertKind::TransferReversed => {
            (Critical, "The vendor no longer has the money. Find out who took it back, and pay again or refund.")
        }
        AlertKind::EventNotApplied => (
            Critical,
            "Operator: look at the reason; the key must be able to read what it tells of: payments, payouts, refunds, disputes. The gateway delivers for some days.",
        ),
        AlertKind::UnknownToUs => (
            Critical,
            "Look for it in the gateway's dashboard: data may be missing here, for instance after a restore.",
        ),
    }
}
