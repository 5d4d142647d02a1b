//! What a failed payment means: the code that the caller sees, the alert that calls a person, and its words.

use crate::model::alert::{AlertKind, Severity};
use crate::model::payment::{Failure, FailureCode};
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

/// What follows from `failure`.
#[must_use]
pub fn consequence(failure: &Failure) -> Consequence {
    match failure.code {
        FailureCode::InsufficientFunds => Consequence {
            code: Code::InsufficientFunds,
            alert: Some(AlertKind::InsufficientFunds),
            detail: "The method has not enough funds. Nothing was taken; pay again when it has, with a new Idempotency-Key.",
        },
        FailureCode::PaymentMethodInvalid => Consequence {
            code: Code::PaymentMethodInvalid,
            alert: Some(AlertKind::PaymentMethodInvalid),
            detail: "The payment method is invalid or expired. Nothing was taken; add another method and pay again, with a new Idempotency-Key.",
        },
        FailureCode::Declined => Consequence {
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

/// Severity, and the next action that an alert names.
#[must_use]
pub fn next_action(kind: AlertKind) -> (Severity, &'static str) {
    use Severity::{Critical, Warning};
    match kind {
        AlertKind::InsufficientFunds => (Warning, "Make sure that the method has funds, then pay the invoice again."),
        AlertKind::PaymentMethodInvalid => (Warning, "Ask for a new payment method, then pay the invoice again."),
        AlertKind::Declined => (Warning, "Review the payment before the invoice is paid again."),
        AlertKind::GatewayUnavailable => (Warning, "Look at the gateway's status page, then pay the invoice again."),
        AlertKind::GatewayRejected => (
            Critical,
            "Operator: the gateway refuses our key or our request; check the tenant's secret and the gateway's log.",
        ),
        AlertKind::OutcomeUnknown => (
            Critical,
            "Look for the payment in the gateway's dashboard, then say what became of it: POST /payments/{id}/resolve.",
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
    }
}
