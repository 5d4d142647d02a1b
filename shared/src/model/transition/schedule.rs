//! What a payment's outcome means for the scheduled payment of its invoice.

use super::super::invoice::InvoiceStatus;
use super::super::payment::{Failure, Payment};
use super::super::schedule::{Next, Schedule, ScheduleStatus};
use super::{Case, Change};
use crate::clock::Time;
use crate::id::ScheduleId;

/// The invoice is paid, by whichever payment: nothing is promised any more.
pub(super) fn paid(case: &mut Case) {
    let Case { payment, invoice, schedule, .. } = case;
    if invoice.status == InvoiceStatus::Paying {
        return;
    }
    invoice.schedule_id = None;
    let Some(schedule) = schedule.as_mut().filter(|schedule| schedule.status.is_open()) else { return };
    let by_it = schedule.is_executed_by(&payment.id);
    schedule.become_(if by_it { ScheduleStatus::Completed } else { ScheduleStatus::Canceled });
    schedule.failure = None;
}

/// The payment that was paying the invoice has failed, and the invoice is free, or paid by another.
pub(super) fn failed(change: &mut Change, failure: Option<&Failure>, next: &Next, at: Time) {
    let Case { payment, invoice, schedule, .. } = &mut change.case;
    if invoice.status != InvoiceStatus::Approved {
        // Another payment has paid it.
        invoice.schedule_id = None;
        if let Some(schedule) = schedule.as_mut().filter(|schedule| schedule.status.is_open()) {
            schedule.become_(ScheduleStatus::Canceled);
        }
        return;
    }
    let code = failure.map(|failure| failure.code);
    match schedule.as_mut().filter(|schedule| schedule.is_executed_by(&payment.id)) {
        Some(schedule) => {
            schedule.failure = code;
            if *next == Next::Fail {
                schedule.become_(ScheduleStatus::Failed);
                invoice.schedule_id = None;
                return;
            }
            match next {
                Next::Again { date, at, for_funds } => {
                    schedule.scheduled_date = *date;
                    schedule.due_at = *at;
                    schedule.become_(ScheduleStatus::Pending);
                    let counter = if *for_funds { &mut schedule.retries } else { &mut schedule.outages };
                    *counter += 1;
                }
                // A default that was set while the payment was under way is another one.
                Next::AwaitMethod(until) => {
                    if schedule.payment_method_id.is_none() {
                        schedule.refused_default = payment.payment_method_id.clone();
                    }
                    wait_for_method(schedule, *until, payment.created_at);
                }
                Next::Review | Next::Nothing | Next::Fail => schedule.become_(ScheduleStatus::InReview),
            }
            invoice.status = InvoiceStatus::Scheduled;
        }
        None => {
            if let Next::Again { date, at: due_at, .. } = next {
                invoice.attempts += 1;
                let promised = promise(payment, *date, *due_at, at, code);
                invoice.schedule_id = Some(promised.id.clone());
                invoice.status = InvoiceStatus::Scheduled;
                *schedule = Some(promised);
            }
        }
    }
}

/// A scheduled payment waits for another method, and is looked at again `until` then. The one it named is no good.
pub fn wait_for_method(schedule: &mut Schedule, until: Time, since: Time) {
    schedule.waits_since.get_or_insert(since);
    schedule.become_(ScheduleStatus::AwaitingMethod);
    schedule.payment_method_id = None;
    schedule.due_at = until;
}

/// The promise that a failed payment leads to.
fn promise(
    payment: &Payment,
    date: jiff::civil::Date,
    due_at: Time,
    now: Time,
    failure: Option<super::super::payment::FailureCode>,
) -> Schedule {
    let mut schedule = Schedule {
        tenant_id: payment.tenant_id.clone(),
        id: ScheduleId::retry(&payment.tenant_id, &payment.id),
        invoice_id: payment.invoice_id.clone(),
        status: ScheduleStatus::Pending,
        scheduled_date: date,
        due_at,
        due_shard: None,
        amount: payment.amount,
        currency: payment.currency,
        payment_method: payment.payment_method,
        payment_method_id: payment.payment_method_id.clone(),
        approved_by: payment.approved_by.clone(),
        created_by: payment.created_by.clone(),
        created_at: now,
        fingerprint: String::new(),
        payments: Vec::new(),
        retries: 1,
        outages: 0,
        waits_since: None,
        refused_default: None,
        failure,
        revision: 1,
    };
    schedule.become_(ScheduleStatus::Pending);
    schedule
}
