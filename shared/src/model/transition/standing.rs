//! What becomes of a payment after it was paid without us: refunds that the gateway tells of, disputes, reversals.

use super::super::alert::AlertKind;
use super::super::invoice::InvoiceStatus;
use super::super::payment::{Disputes, PaymentMethod, Refunds};
use super::payment::{after, follow_refunds};
use super::{Aftermath, Case, Change, release};

/// How the disputes of a payment stand at the gateway, all of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// One is open and may take the money back.
    pub disputed: bool,
    /// How many there are, and what was lost with them.
    pub disputes: Disputes,
}

/// The gateway told a running total of refunds. A smaller one than before says nothing: it is late. Nor does one that
/// the refunds we know make up already, since those are never less.
#[must_use]
pub fn told(case: &Case, total: i64) -> Option<Change> {
    let Refunds { told, listed, .. } = case.payment.refunds;
    if total <= told.max(listed) {
        return None;
    }
    let mut change = Change::of(case);
    change.case.payment.refunds.told = total;
    follow_refunds(&mut change.case);
    Some(change)
}

/// What the disputes make of a payment that was paid. An open one on a bank payment is the bank's return, and final.
#[must_use]
pub fn standing(case: &Case, standing: Standing) -> Option<Change> {
    let payment = &case.payment;
    let by_bank = payment.payment_method == PaymentMethod::Ach && standing.disputed;
    let lost = standing.disputes.lost;
    let taken = by_bank || (lost > 0 && lost + payment.refunds.refunded() >= payment.amount);
    let status = if taken { after(payment.status, Aftermath::Reversed) } else { payment.status };
    let disputed = standing.disputed && !by_bank;
    if status == payment.status && disputed == payment.disputed && standing.disputes == payment.disputes {
        return None;
    }
    let mut change = Change::of(case);
    let is_current = case.invoice.current.as_ref() == Some(&payment.id);
    change.case.payment.disputed = disputed;
    change.case.payment.disputes = standing.disputes;
    if standing.disputes.seen > payment.disputes.seen && !taken {
        change.alerts.push(AlertKind::Disputed);
    }
    if lost > payment.disputes.lost && !taken {
        change.alerts.push(AlertKind::DisputeLostInPart);
    }
    if status != payment.status {
        change.case.payment.status = status;
        change.case.payment.refundable_minor = 0;
        reversed(&mut change, is_current);
    }
    if is_current {
        change.case.invoice.disputed = disputed;
    }
    Some(change)
}

/// What a reversed payment means for its invoice: it is to be paid again, unless money went back another way too.
fn reversed(change: &mut Change, is_current: bool) {
    let Case { payment, invoice, .. } = &mut change.case;
    invoice.also_paid.retain(|other| *other != payment.id);
    if !is_current {
        change.alerts.push(AlertKind::Returned);
    } else if payment.refunds.is_none() && invoice.status == InvoiceStatus::Paid {
        change.alerts.push(AlertKind::Returned);
        release(change);
    } else {
        change.alerts.push(AlertKind::ReturnedAfterRefund);
    }
}
