//! What a report makes of a payment and of the invoice that it pays.

use super::super::alert::AlertKind;
use super::super::invoice::InvoiceStatus;
use super::super::payment::{Failure, Payment, PaymentMethod, PaymentStatus};
use super::super::schedule::Next;
use super::{Aftermath, Case, Change, Report, release, schedule};
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
    next: &Next,
    reference: Option<&str>,
    at: Time,
) -> Option<Change> {
    let status = self::next(case.payment.status, report);
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
            schedule::paid(&mut change.case);
            // What was told of refunds before it was known to be paid counts from now on.
            follow(&mut change);
        }
        PaymentStatus::Failed | PaymentStatus::Canceled => {
            payment.failure = failure.cloned();
            let is_current = case.invoice.current.as_ref() == Some(&case.payment.id);
            if is_current && case.invoice.status == InvoiceStatus::Paying {
                release(&mut change);
                schedule::failed(&mut change, failure, next, at);
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
        // Kept, so that the invoice stays paid should the other one fail or be taken back.
        InvoiceStatus::Paying | InvoiceStatus::Paid | InvoiceStatus::PartiallyRefunded | InvoiceStatus::Refunded => {
            if invoice.status != InvoiceStatus::Paying || !invoice.also_paid.is_empty() {
                change.alerts.push(AlertKind::PaidTwice);
            }
            invoice.also_paid.push(payment.id.clone());
        }
        InvoiceStatus::Void => change.alerts.push(AlertKind::PaidVoidInvoice),
    }
}

/// Payment and invoice follow what went back: refunds, in both directions, and lost disputes.
pub(super) fn follow(change: &mut Change) {
    let Case { payment, invoice, .. } = &mut change.case;
    let before = payment.status;
    payment.status = after(payment.status, aftermath(payment));
    let can_be_refunded =
        matches!(payment.status, PaymentStatus::Paid | PaymentStatus::PartiallyRefunded | PaymentStatus::Refunded);
    let gone = payment.refunds.held + payment.refunds.external() + payment.disputes.lost;
    payment.refundable_minor = if can_be_refunded { payment.amount - gone } else { 0 };
    if payment.status == PaymentStatus::Returned {
        if before != PaymentStatus::Returned {
            reversed(change);
        }
        return;
    }
    if invoice.current.as_ref() == Some(&payment.id) {
        let follows =
            matches!(invoice.status, InvoiceStatus::Paid | InvoiceStatus::PartiallyRefunded | InvoiceStatus::Refunded);
        match payment.status {
            PaymentStatus::Paid if follows => invoice.status = InvoiceStatus::Paid,
            PaymentStatus::PartiallyRefunded if follows => invoice.status = InvoiceStatus::PartiallyRefunded,
            PaymentStatus::Refunded if follows => invoice.status = InvoiceStatus::Refunded,
            _ => {}
        }
    } else if payment.status == PaymentStatus::Refunded {
        // It pays nothing any more.
        invoice.also_paid.retain(|other| *other != payment.id);
    } else if before == PaymentStatus::Refunded && payment.status != before {
        // The money is here again.
        paid(change);
        schedule::paid(&mut change.case);
    }
}

fn aftermath(payment: &Payment) -> Aftermath {
    let (refunded, lost) = (payment.refunds.refunded(), payment.disputes.lost);
    // A bank's dispute is its return, and final.
    let by_bank = payment.payment_method == PaymentMethod::Ach && payment.disputes.seen > 0;
    match refunded {
        _ if by_bank || (lost > 0 && lost + refunded >= payment.amount) => Aftermath::Reversed,
        ..=0 => Aftermath::NotRefunded,
        refunded if refunded < payment.amount => Aftermath::PartlyRefunded,
        _ => Aftermath::AllRefunded,
    }
}

/// What a reversed payment means for its invoice: it is to be paid again, unless money went back another way too.
fn reversed(change: &mut Change) {
    let Case { payment, invoice, .. } = &mut change.case;
    invoice.also_paid.retain(|other| *other != payment.id);
    if invoice.current.as_ref() != Some(&payment.id) {
        change.alerts.push(AlertKind::Returned);
    } else if payment.refunds.is_none() && invoice.status == InvoiceStatus::Paid {
        change.alerts.push(AlertKind::Returned);
        release(change);
    } else {
        // The refund that came last counts too.
        if invoice.status == InvoiceStatus::Paid && payment.refunds.refunded() > 0 {
            invoice.status = InvoiceStatus::PartiallyRefunded;
        }
        change.alerts.push(AlertKind::ReturnedAfterRefund);
    }
}
