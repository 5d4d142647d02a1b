//! How payments and refunds change, whoever reports it: the reply, a look-up, a webhook, somebody in the gateway's
//! dashboard, or a person who found out.
//!
//! One pure function for each decides; reports are hints about one truth, the gateway's. Success is applied as it
//! stands, a failure only where things are not further on already. [`payment_table`] and [`refund_table`] print the
//! states from the same functions.

mod payment;
mod presentment;
mod refund;
mod schedule;
mod standing;

use std::fmt::{Display, Write as _};

use super::alert::AlertKind;
use super::invoice::Invoice;
use super::movement::{Movement, Progress};
use super::names;
use super::payment::{Failure, Payment, PaymentStatus};
use super::refund::{Refund, RefundStatus};
use super::schedule::{Next, Schedule};
use crate::clock::Time;

pub use self::presentment::present;
pub use self::refund::{discover, take};
pub use self::schedule::wait_for_method;
pub use self::standing::{Standing, returned, standing, told};

names! {
    /// What somebody says about a payment or a refund.
    Report {
        /// The gateway shows that the money moved.
        Succeeded = "succeeded",
        /// The gateway has it and is not done.
        Pending = "pending",
        /// The gateway waits for the customer.
        RequiresAction = "requires action",
        /// The customer has acted, and what is left is ours or the gateway's: a capture.
        Capturing = "capturing",
        /// The gateway refused it, or it failed there.
        Declined = "declined",
        /// The gateway confirms that it will not happen.
        Canceled = "canceled",
        /// It was certainly not executed: no request was taken.
        NotSent = "not sent",
        /// A person found that it was not executed.
        NotExecuted = "not executed",
    }
}

names! {
    /// What its refunds, or a reversal, make of a payment.
    Aftermath {
        /// Nothing of it is refunded, or no more.
        NotRefunded = "no refund",
        /// A part is refunded.
        PartlyRefunded = "refunded in part",
        /// All of it is refunded.
        AllRefunded = "refunded in full",
        /// The bank, the payer or a lost dispute took it back.
        Reversed = "reversed",
    }
}

/// What one movement of money settles on: the invoice, its payment, the refund where money goes back, and the scheduled
/// payment where one is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The root.
    pub invoice: Invoice,
    /// The payment.
    pub payment: Payment,
    /// The refund, where it is about one.
    pub refund: Option<Refund>,
    /// The scheduled payment that the invoice waits for, or is being paid by.
    pub schedule: Option<Schedule>,
}

impl Case {
    /// What it is about.
    #[must_use]
    pub fn movement(&self) -> Movement<'_> {
        match &self.refund {
            Some(refund) => Movement::Refund(refund),
            None => Movement::Payment(&self.payment),
        }
    }

    /// How far the pursuit of its outcome is.
    pub fn progress_mut(&mut self) -> &mut Progress {
        match &mut self.refund {
            Some(refund) => &mut refund.progress,
            None => &mut self.payment.progress,
        }
    }

    /// Notes the gateway's id of what it is about.
    pub fn learn_reference(&mut self, reference: &str) {
        match &mut self.refund {
            Some(refund) => refund.learn_reference(reference),
            None => self.payment.learn_reference(reference),
        }
    }
}

/// A change that a report makes.
#[derive(Clone, Debug)]
pub struct Change {
    /// Everything afterwards.
    pub case: Case,
    /// What a person must be told because of the change itself.
    pub alerts: Vec<AlertKind>,
}

impl Change {
    fn of(case: &Case) -> Self {
        Self { case: case.clone(), alerts: Vec::new() }
    }
}

/// What `report` makes of a case; `None`: nothing changes.
///
/// `failure` says why, where the report is one of failure, and `next` what becomes of the promise to pay then;
/// `reference` is the gateway's id of the object, where there is one.
#[must_use]
pub fn apply(
    case: &Case,
    report: Report,
    failure: Option<&Failure>,
    next: &Next,
    reference: Option<&str>,
    at: Time,
) -> Option<Change> {
    match &case.refund {
        Some(known) => refund::apply(case, known, report, failure, reference, at),
        None => payment::apply(case, report, failure, next, reference, at),
    }
}

/// The states of a payment and what each report makes of them, as a Markdown table; `·` stands for no change.
#[must_use]
pub fn payment_table() -> String {
    let rows = PaymentStatus::ALL.iter().map(|status| {
        let reports = Report::ALL.iter().map(|report| payment::next(*status, *report));
        let aftermath = Aftermath::ALL.iter().map(|aftermath| payment::after(*status, *aftermath));
        (format!("`{status}`"), reports.chain(aftermath).map(|after| (after != *status).then_some(after)).collect())
    });
    let columns = Report::ALL.iter().map(ToString::to_string).chain(Aftermath::ALL.iter().map(ToString::to_string));
    table("payment", columns, rows)
}

/// The states of a refund and what each report makes of them. A failure that the gateway's own object shows is final;
/// one that was concluded without an object is not.
#[must_use]
pub fn refund_table() -> String {
    let states = RefundStatus::ALL.iter().flat_map(|status| match status {
        RefundStatus::Failed | RefundStatus::Canceled => vec![(*status, true), (*status, false)],
        _ => vec![(*status, true)],
    });
    let rows = states.map(|(status, shown)| {
        let name = if shown { format!("`{status}`") } else { format!("`{status}`, no object known") };
        let after = Report::ALL.iter().map(|report| refund::next(status, shown, *report));
        (name, after.map(|after| (after != status).then_some(after)).collect())
    });
    table("refund", Report::ALL.iter().map(ToString::to_string), rows)
}

fn table<S: Display>(
    noun: &str,
    columns: impl Iterator<Item = String> + Clone,
    rows: impl Iterator<Item = (String, Vec<Option<S>>)>,
) -> String {
    let mut text = format!("| {noun} is |");
    for column in columns.clone() {
        let _ = write!(text, " {column} |");
    }
    let _ = write!(text, "\n|---|{}", "---|".repeat(columns.count()));
    for (name, cells) in rows {
        let _ = write!(text, "\n| {name} |");
        for cell in cells {
            let _ = match cell {
                Some(after) => write!(text, " `{after}` |"),
                None => write!(text, " · |"),
            };
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
