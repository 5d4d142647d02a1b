//! What a report makes of a payment and of the invoice that it pays.

use super::super::alert::AlertKind;
use super::super::invoice::InvoiceStatus;
use super::super::payment::{Failure, Payment, PaymentStatus};
use super::{Aftermath, Case, Change, Report, release};
use crate::clock::Time;

/// The state after a report.
#[must_use]
pub(super) fn next(status: PaymentStatus, report: Report) -> PaymentStatus {
    use PaymentStatus::{Canceled, Failed, Paid, Processing, RequiresAction};
    match (status, report) {
        // The money moved, whatever was believed before.
        (Processing | RequiresAction | Failed | Canceled, Report::Succeeded) => Paid,
        (Processing, Report::RequiresAction) => RequiresAction,
        (Processing, Report::Declined | Report::NotSent | Report::NotExecuted) => Failed,
        // Who holds a client secret can try again after a decline: only a confirmed cancellation ends it.
        (Processing | RequiresAction, Report::Canceled) => Canceled,
        (status, _) => status,
    }
}

/// The state that refunds or a reversal lead to. What was reversed stays so.
#[must_use]
pub(super) fn after(status: PaymentStatus, aftermath: Aftermath) -> PaymentStatus {
    use PaymentStatus::{Paid, PartiallyRefunded, Refunded, Returned};
    match (status, aftermath) {
        (Paid | PartiallyRefunded | Refunded, Aftermath::NotRefunded) => Paid,
        (Paid | PartiallyRefunded | Refunded, Aftermath::PartlyRefunded) => PartiallyRefunded,
        (Paid | PartiallyRefunded | Refunded, Aftermath::AllRefunded) => Refunded,
        (Paid | PartiallyRefunded | Refunded, Aftermath::Reversed) => Returned,
        (status, _) => status,
    }
}

pub(super) fn apply(
    case: &Case,
    report: Report,
    failure: Option<&Failure>,
    reference: Option<&str>,
    at: Time,
) -> Option<Change> {
    let status = next(case.payment.status, report);
    if status == case.payment.status {
        return None;
    }
    let mut change = Change::of(case);
    let payment = &mut change.case.payment;
    payment.status = status;
    if let Some(reference) = reference {
        payment.learn_reference(reference);
    }
    if !status.is_unsettled() {
        payment.progress.settle();
    }
    match status {
        PaymentStatus::Paid => {
            payment.paid_at = Some(at);
            payment.failure = None;
            paid(&mut change);
            // What was told of refunds before it was known to be paid counts from now on.
            follow_refunds(&mut change.case);
        }
        PaymentStatus::Failed | PaymentStatus::Canceled => {
            payment.failure = failure.cloned();
            let is_current = case.invoice.current.as_ref() == Some(&case.payment.id);
            if is_current && case.invoice.status == InvoiceStatus::Paying {
                release(&mut change);
            }
        }
        _ => {}
    }
    Some(change)
}

/// What a paid payment means for its invoice.
fn paid(change: &mut Change) {
    let Case { payment, invoice, .. } = &mut change.case;
    let is_current = invoice.current.as_ref() == Some(&payment.id);
    match invoice.status {
        InvoiceStatus::Paying if is_current => {
            invoice.status = InvoiceStatus::Paid;
            if !invoice.also_paid.is_empty() {
                change.alerts.push(AlertKind::PaidTwice);
            }
        }
        InvoiceStatus::Approved | InvoiceStatus::Scheduled | InvoiceStatus::Draft => {
            invoice.status = InvoiceStatus::Paid;
            invoice.current = Some(payment.id.clone());
        }
        InvoiceStatus::Paying => {
            if !invoice.also_paid.is_empty() {
                change.alerts.push(AlertKind::PaidTwice);
            }
            invoice.also_paid.push(payment.id.clone());
        }
        InvoiceStatus::Paid | InvoiceStatus::PartiallyRefunded | InvoiceStatus::Refunded => {
            change.alerts.push(AlertKind::PaidTwice);
        }
        InvoiceStatus::Void => change.alerts.push(AlertKind::PaidVoidInvoice),
    }
}

/// Payment and invoice follow the sum of the refunds, in both directions.
pub(super) fn follow_refunds(case: &mut Case) {
    let Case { payment, invoice, .. } = case;
    payment.status = after(payment.status, aftermath(payment));
    payment.refundable_minor = match payment.status {
        PaymentStatus::Paid | PaymentStatus::PartiallyRefunded | PaymentStatus::Refunded => {
            payment.amount - payment.refunds.held - payment.refunds.external()
        }
        _ => 0,
    };
    let follows =
        matches!(invoice.status, InvoiceStatus::Paid | InvoiceStatus::PartiallyRefunded | InvoiceStatus::Refunded);
    if follows && invoice.current.as_ref() == Some(&payment.id) {
        invoice.status = match payment.status {
            PaymentStatus::Paid => InvoiceStatus::Paid,
            PaymentStatus::PartiallyRefunded => InvoiceStatus::PartiallyRefunded,
            PaymentStatus::Refunded => InvoiceStatus::Refunded,
            _ => invoice.status,
        };
    }
}

fn aftermath(payment: &Payment) -> Aftermath {
    match payment.refunds.refunded() {
        ..=0 => Aftermath::NotRefunded,
        refunded if refunded < payment.amount => Aftermath::PartlyRefunded,
        _ => Aftermath::AllRefunded,
    }
}
