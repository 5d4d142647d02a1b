//! What a report makes of a refund, and of the payment and invoice above it.

use super::super::alert::AlertKind;
use super::super::payment::Failure;
use super::super::refund::{Refund, RefundStatus};
use super::payment::follow;
use super::{Case, Change, Report};
use crate::bounds;
use crate::clock::Time;

/// The state after a report. `shown`: the gateway's object is known; a failure that it shows is final, so that an older
/// report of success can't undo it.
#[must_use]
pub(super) fn next(status: RefundStatus, shown: bool, report: Report) -> RefundStatus {
    use RefundStatus::{Canceled, Failed, Processing, Succeeded};
    match (status, report) {
        (Processing, Report::Succeeded) => Succeeded,
        (Failed | Canceled, Report::Succeeded) if !shown => Succeeded,
        (Failed | Canceled, Report::Pending) if !shown => Processing,
        (Processing, Report::Declined | Report::NotSent | Report::NotExecuted) => Failed,
        // It came back: the gateway says so days later.
        (Succeeded, Report::Declined) => Failed,
        (Processing | Succeeded, Report::Canceled) => Canceled,
        (status, _) => status,
    }
}

pub(super) fn apply(
    case: &Case,
    known: &Refund,
    report: Report,
    failure: Option<&Failure>,
    reference: Option<&str>,
    at: Time,
) -> Option<Change> {
    let status = next(known.status, known.reference().is_some(), report);
    // Which of the gateway's refunds it is changes what its running total means.
    let learns = reference.is_some() && known.reference().is_none();
    if status == known.status && !learns {
        return None;
    }
    let mut change = Change::of(case);
    let Case { payment, refund: Some(refund), .. } = &mut change.case else { return None };
    refund.status = status;
    refund.failure = if status.holds() { None } else { failure.cloned() };
    if !status.is_unsettled() {
        refund.progress.settle();
    } else if !known.status.is_unsettled() {
        let tenant = refund.tenant_id.clone();
        refund.progress.pursue(&tenant, at.plus(bounds::DAILY));
    }
    if let Some(reference) = reference {
        note_reference(refund, &mut payment.refunds.listed, reference);
    }
    if known.status.holds() != status.holds() {
        payment.refunds.held += if status.holds() { refund.amount } else { -refund.amount };
    }
    let succeeded = |status: RefundStatus| status == RefundStatus::Succeeded;
    if succeeded(known.status) != succeeded(status) {
        payment.refunds.succeeded += if succeeded(status) { refund.amount } else { -refund.amount };
    }
    if succeeded(known.status) && !succeeded(status) {
        change.alerts.push(AlertKind::RefundCameBack);
    }
    // Its amount had been given back, and may have been refunded again.
    if status.holds() && !known.status.holds() {
        change.alerts.push(AlertKind::RefundExecuted);
    }
    follow(&mut change);
    Some(change)
}

/// Notes the gateway's id of a refund, which is thereby one of those that the gateway's running total counts.
pub(super) fn note_reference(refund: &mut Refund, listed: &mut i64, reference: &str) {
    if refund.gateway_ref.is_none() {
        *listed += refund.amount;
    }
    refund.learn_reference(reference);
}

/// A refund is reserved: its amount is taken from what can still be refunded.
#[must_use]
pub fn take(case: &Case, refund: Refund) -> Change {
    let mut change = Change::of(case);
    change.case.payment.refunds.held += refund.amount;
    change.case.refund = Some(refund);
    follow(&mut change);
    change
}

/// A refund that the gateway shows and that we did not make becomes a record, as it stands there.
#[must_use]
pub fn discover(case: &Case, refund: Refund) -> Change {
    let mut change = Change::of(case);
    let refunds = &mut change.case.payment.refunds;
    refunds.listed += refund.amount;
    refunds.held += if refund.status.holds() { refund.amount } else { 0 };
    refunds.succeeded += if refund.status == RefundStatus::Succeeded { refund.amount } else { 0 };
    change.case.refund = Some(refund);
    follow(&mut change);
    change
}
