//! What becomes of a payment after it was paid without us: refunds that the gateway tells of, and disputes.

use super::super::alert::AlertKind;
use super::super::payment::{Disputes, Failure, PaymentMethod, PaymentStatus, Refunds};
use super::payment::{follow, follow_to};
use super::{Aftermath, Case, Change, presentment};

/// How the disputes of a payment stand at the gateway, all of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// One is open and may take the money back.
    pub disputed: bool,
    /// One is an inquiry so far, and open.
    pub asked: bool,
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
    follow(&mut change);
    Some(change)
}

/// What the disputes make of a payment that was paid. One on a bank payment is the bank's return; `failure` says why.
#[must_use]
pub fn standing(case: &Case, standing: Standing, failure: Option<&Failure>) -> Option<Change> {
    let payment = &case.payment;
    let disputed = standing.disputed && payment.payment_method != PaymentMethod::Ach;
    if disputed == payment.disputed && standing.disputes == payment.disputes {
        return None;
    }
    let mut change = Change::of(case);
    change.case.payment.disputed = disputed;
    change.case.payment.disputes = standing.disputes;
    follow(&mut change);
    let after = change.case.payment.status;
    if after == PaymentStatus::Returned && payment.status != after {
        came_back(&mut change.case, failure);
    }
    let is_new = standing.disputes.seen > payment.disputes.seen;
    if (disputed && (is_new || !payment.disputed)) || (standing.asked && is_new) {
        change.alerts.push(AlertKind::Disputed);
    }
    if standing.disputes.lost > payment.disputes.lost && after != PaymentStatus::Returned {
        change.alerts.push(AlertKind::DisputeLostInPart);
    }
    if change.case.invoice.current.as_ref() == Some(&payment.id) {
        change.case.invoice.disputed = disputed;
    }
    Some(change)
}

/// All that was paid has come back, by whom it was paid to, by its bank or by the gateway; `None`: nothing was paid, or
/// that is known. `failure` says why, where that is told.
#[must_use]
pub fn returned(case: &Case, failure: Option<&Failure>) -> Option<Change> {
    let mut change = Change::of(case);
    follow_to(&mut change, Aftermath::Reversed);
    if change.case.payment.status == case.payment.status {
        return None;
    }
    came_back(&mut change.case, failure);
    Some(change)
}

/// Notes why a bank returned what was paid.
fn came_back(case: &mut Case, failure: Option<&Failure>) {
    if let Some(failure) = failure.filter(|failure| failure.returned.is_some()) {
        case.payment.failure = Some(failure.clone());
        presentment::ended(&mut case.invoice, &case.payment, Some(failure));
    }
}
