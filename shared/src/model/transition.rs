//! How a payment changes, whoever reports it: the reply, a look-up, the customer's cancellation or a person.
//!
//! One pure function decides; reports are hints about one truth, the gateway's. Success is applied as it stands, a
//! failure only where the payment is not further on already. [`table`] prints the states from the same function.

use std::fmt::Write as _;

use super::alert::AlertKind;
use super::invoice::{Invoice, InvoiceStatus};
use super::names;
use super::payment::{Failure, Payment, PaymentStatus};
use crate::clock::Time;

names! {
    /// What somebody says about a payment.
    Report {
        /// The gateway shows that the money moved.
        Succeeded = "succeeded",
        /// The gateway has it and is not done.
        Pending = "pending",
        /// The gateway waits for the customer.
        RequiresAction = "requires action",
        /// The gateway refused it.
        Declined = "declined",
        /// The gateway confirms that it will not happen.
        Canceled = "canceled",
        /// It was certainly not executed: no request was taken.
        NotSent = "not sent",
        /// A person found that it was not executed.
        NotExecuted = "not executed",
    }
}

/// The state after a report.
#[must_use]
pub fn next(status: PaymentStatus, report: Report) -> PaymentStatus {
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

/// A change that a report makes.
#[derive(Clone, Debug)]
pub struct Change {
    /// The payment afterwards.
    pub payment: Payment,
    /// Its invoice afterwards.
    pub invoice: Invoice,
    /// What a person must be told because of the change itself.
    pub alerts: Vec<AlertKind>,
}

/// What `report` makes of a payment and its invoice; `None`: nothing changes.
///
/// `failure` says why, where the report is one of failure.
#[must_use]
pub fn apply(
    invoice: &Invoice,
    payment: &Payment,
    report: Report,
    failure: Option<&Failure>,
    at: Time,
) -> Option<Change> {
    let status = next(payment.status, report);
    if status == payment.status {
        return None;
    }
    let mut change = Change { payment: payment.clone(), invoice: invoice.clone(), alerts: Vec::new() };
    change.payment.status = status;
    match status {
        PaymentStatus::Paid => {
            change.payment.paid_at = Some(at);
            change.payment.failure = None;
            change.payment.refundable_minor = payment.amount;
            paid(&mut change);
        }
        PaymentStatus::Failed | PaymentStatus::Canceled => {
            change.payment.failure = failure.cloned();
            not_paid(&mut change);
        }
        _ => {}
    }
    if !status.is_unsettled() {
        change.payment.next_check_at = None;
        change.payment.unsettled_shard = None;
    }
    Some(change)
}

/// What a paid payment means for its invoice.
fn paid(change: &mut Change) {
    let Change { payment, invoice, alerts } = change;
    let is_current = invoice.current.as_ref() == Some(&payment.id);
    match invoice.status {
        InvoiceStatus::Paying if is_current => {
            invoice.status = InvoiceStatus::Paid;
            if !invoice.also_paid.is_empty() {
                alerts.push(AlertKind::PaidTwice);
            }
        }
        InvoiceStatus::Approved | InvoiceStatus::Scheduled | InvoiceStatus::Draft => {
            invoice.status = InvoiceStatus::Paid;
            invoice.current = Some(payment.id.clone());
        }
        InvoiceStatus::Paying => {
            if !invoice.also_paid.is_empty() {
                alerts.push(AlertKind::PaidTwice);
            }
            invoice.also_paid.push(payment.id.clone());
        }
        InvoiceStatus::Paid | InvoiceStatus::PartiallyRefunded | InvoiceStatus::Refunded => {
            alerts.push(AlertKind::PaidTwice);
        }
        InvoiceStatus::Void => alerts.push(AlertKind::PaidVoidInvoice),
    }
}

/// What a failed or canceled payment means for its invoice: nothing, unless it is the one that was paying it.
fn not_paid(change: &mut Change) {
    let Change { payment, invoice, alerts } = change;
    if invoice.status != InvoiceStatus::Paying || invoice.current.as_ref() != Some(&payment.id) {
        return;
    }
    if invoice.also_paid.is_empty() {
        invoice.status = InvoiceStatus::Approved;
        invoice.current = None;
    } else {
        invoice.status = InvoiceStatus::Paid;
        invoice.current = Some(invoice.also_paid.remove(0));
        if !invoice.also_paid.is_empty() {
            alerts.push(AlertKind::PaidTwice);
        }
    }
}

/// The states of a payment and what each report makes of them, as a Markdown table; `·` stands for no change.
#[must_use]
pub fn table() -> String {
    let mut text = String::from("| payment is |");
    for report in Report::ALL {
        let _ = write!(text, " {report} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(Report::ALL.len()));
    for status in PaymentStatus::ALL {
        let _ = write!(text, "\n| `{status}` |");
        for report in Report::ALL {
            let after = next(*status, *report);
            let _ = if after == *status { write!(text, " · |") } else { write!(text, " `{after}` |") };
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_that_moved_is_never_reported_away() {
        let settled =
            [PaymentStatus::Paid, PaymentStatus::PartiallyRefunded, PaymentStatus::Refunded, PaymentStatus::Returned];
        for status in settled {
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
}
