//! What a report makes of a payment and of the invoice that it pays.

use super::super::alert::AlertKind;
use super::super::invoice::{AlsoPaid, Invoice, InvoiceStatus};
use super::super::payment::{Failure, Payment, PaymentMethod, PaymentStatus};
use super::super::schedule::Next;
use super::{Aftermath, Case, Change, Report, presentment, schedule};
use crate::clock::Time;

/// The state after a report.
#[must_use]
pub(super) fn next(status: PaymentStatus, report: Report) -> PaymentStatus {
    use PaymentStatus::{Canceled, Failed, Paid, Processing, RequiresAction};
    match (status, report) {
        // The money moved, whatever was believed before.
        (Processing | RequiresAction | Failed | Canceled, Report::Succeeded) => Paid,
        (Processing, Report::RequiresAction) => RequiresAction,
        // What is approved and captured by us, nobody else can pay or try again: from here on it can fail.
        (RequiresAction, Report::Capturing) => Processing,
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
        return presented_after_all(case, failure, reference, at);
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
            // Believed to be unseen by its bank, and seen after all.
            let was_unseen = !case.payment.status.is_unsettled()
                && case.payment.failure.as_ref().is_none_or(|failure| failure.returned.is_none());
            payment.paid_at = Some(at);
            payment.failure = None;
            if was_unseen {
                presentment::present(&mut change.case.invoice, &case.payment, at);
            }
            paid(&mut change);
            schedule::paid(&mut change.case);
            // From now on it can be refunded.
            follow(&mut change);
        }
        PaymentStatus::Failed | PaymentStatus::Canceled => {
            payment.failure = failure.cloned();
            presentment::ended(&mut change.case.invoice, &case.payment, failure);
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

/// A payment was believed never to have been sent, and its bank has returned it. It counts as the presentment that it
/// was; its invoice has been free since, or was paid by another, and stays so.
fn presented_after_all(case: &Case, failure: Option<&Failure>, reference: Option<&str>, at: Time) -> Option<Change> {
    let believed_unsent = case.payment.failure.as_ref().is_some_and(Failure::is_from_absence);
    let failure = failure.filter(|failure| believed_unsent && failure.returned.is_some())?;
    let mut change = Change::of(case);
    let Case { payment, invoice, .. } = &mut change.case;
    payment.failure = Some(failure.clone());
    if let Some(reference) = reference {
        payment.learn_reference(reference);
    }
    presentment::present(invoice, payment, at);
    presentment::ended(invoice, payment, Some(failure));
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
            invoice.also_paid.retain(|other| other.payment_id != payment.id);
            invoice.current = Some(payment.id.clone());
            invoice.status = status_by(payment.status).unwrap_or(InvoiceStatus::Paid);
            invoice.disputed = payment.disputed;
        }
        // Kept, so that the invoice stays paid should the other one fail or be taken back.
        InvoiceStatus::Paying | InvoiceStatus::Paid | InvoiceStatus::PartiallyRefunded | InvoiceStatus::Refunded => {
            invoice.also_paid.push(AlsoPaid::by(payment));
            if invoice.status != InvoiceStatus::Paying {
                change.alerts.push(AlertKind::PaidTwice);
            }
        }
        InvoiceStatus::Void => change.alerts.push(AlertKind::PaidVoidInvoice),
    }
}

/// The state of an invoice whose own payment is in this one.
fn status_by(status: PaymentStatus) -> Option<InvoiceStatus> {
    match status {
        PaymentStatus::Paid => Some(InvoiceStatus::Paid),
        PaymentStatus::PartiallyRefunded => Some(InvoiceStatus::PartiallyRefunded),
        PaymentStatus::Refunded => Some(InvoiceStatus::Refunded),
        _ => None,
    }
}

/// Payment and invoice follow what went back: refunds, in both directions, and lost disputes.
pub(super) fn follow(change: &mut Change) {
    let aftermath = aftermath(&change.case.payment);
    follow_to(change, aftermath);
}

/// The same, to what became of it.
pub(super) fn follow_to(change: &mut Change, aftermath: Aftermath) {
    let payment = &mut change.case.payment;
    let before = payment.status;
    payment.status = after(payment.status, aftermath);
    let can_be_refunded = status_by(payment.status).is_some();
    let gone = payment.refunds.gone().saturating_add(payment.disputes.lost);
    payment.refundable_minor = if can_be_refunded { payment.amount.saturating_sub(gone) } else { 0 };
    let Case { payment, invoice, .. } = &mut change.case;
    let is_settled =
        matches!(invoice.status, InvoiceStatus::Paid | InvoiceStatus::PartiallyRefunded | InvoiceStatus::Refunded);
    if invoice.current.as_ref() == Some(&payment.id) {
        if payment.status == PaymentStatus::Returned {
            if before != PaymentStatus::Returned {
                reversed(change);
            } else if invoice.status == InvoiceStatus::Paid && payment.refunds.refunded() > 0 {
                invoice.status = InvoiceStatus::PartiallyRefunded;
            }
        } else if is_settled && let Some(status) = status_by(payment.status) {
            invoice.status = status;
            // All of it went back, and another has paid too: the invoice is paid by that one.
            if status == InvoiceStatus::Refunded {
                promote(invoice);
            }
        }
        return;
    }
    invoice.also_paid.retain(|other| other.payment_id != payment.id || status_by(payment.status).is_some());
    invoice.also_paid.retain(|other| other.payment_id != payment.id || payment.status != PaymentStatus::Refunded);
    for other in invoice.also_paid.iter_mut().filter(|other| other.payment_id == payment.id) {
        *other = AlsoPaid::by(payment);
    }
    let is_free = matches!(invoice.status, InvoiceStatus::Approved | InvoiceStatus::Scheduled | InvoiceStatus::Draft);
    let pays = matches!(payment.status, PaymentStatus::Paid | PaymentStatus::PartiallyRefunded);
    if payment.status == PaymentStatus::Returned && before != PaymentStatus::Returned {
        change.alerts.push(AlertKind::Returned);
    } else if pays && (before == PaymentStatus::Refunded || (is_free && !payment.is_going_back())) {
        // The money is here again, or stays here after all.
        paid(change);
        schedule::paid(&mut change.case);
    }
}

fn aftermath(payment: &Payment) -> Aftermath {
    let (refunded, lost) = (payment.refunds.refunded(), payment.disputes.lost);
    // A bank's dispute is its return, and final.
    let by_bank = payment.payment_method == PaymentMethod::Ach && payment.disputes.seen > 0;
    match refunded {
        _ if by_bank || (lost > 0 && lost.saturating_add(refunded) >= payment.amount) => Aftermath::Reversed,
        ..=0 => Aftermath::NotRefunded,
        refunded if refunded < payment.amount => Aftermath::PartlyRefunded,
        _ => Aftermath::AllRefunded,
    }
}

/// What the reversal of its own payment means for an invoice: it is to be paid again, unless money went back another
/// way too.
fn reversed(change: &mut Change) {
    let Case { payment, invoice, .. } = &mut change.case;
    if payment.refunds.is_none() && invoice.status == InvoiceStatus::Paid {
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

/// Another payment that has paid the invoice becomes its own, unless all of it is on its way back; `false`: none is.
fn promote(invoice: &mut Invoice) -> bool {
    let Some(place) = invoice.also_paid.iter().position(|other| !other.going_back) else { return false };
    let other = invoice.also_paid.remove(place);
    invoice.status = if other.refunded { InvoiceStatus::PartiallyRefunded } else { InvoiceStatus::Paid };
    invoice.disputed = other.disputed;
    invoice.current = Some(other.payment_id);
    true
}

/// The current payment no longer pays its invoice: it is free again, unless another has paid it meanwhile.
fn release(change: &mut Change) {
    let invoice = &mut change.case.invoice;
    if !promote(invoice) {
        invoice.status = InvoiceStatus::Approved;
        invoice.current = None;
        invoice.disputed = false;
    } else if !invoice.also_paid.is_empty() {
        change.alerts.push(AlertKind::PaidTwice);
    }
}
