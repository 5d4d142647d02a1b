//! A scheduled payment: a promise to pay an invoice on a date, kept by as many payments as it takes.

use std::time::Duration;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::movement::shard;
use super::names;
use super::payment::{FailureCode, PaymentMethod};
use crate::bounds;
use crate::clock::Time;
use crate::id::{InvoiceId, MethodId, PaymentId, ScheduleId, TenantId, UserId};
use crate::money::{Currency, Money};

names! {
    /// How far a scheduled payment is.
    ScheduleStatus {
        /// Waits for its date.
        Pending = "pending",
        /// Its payment is under way; for days, where a bank is.
        Executing = "executing",
        /// Paid.
        Completed = "completed",
        /// Waits for another payment method.
        AwaitingMethod = "awaiting_method",
        /// Waits for a person.
        InReview = "in_review",
        /// Will not be paid.
        Failed = "failed",
        /// Called off, or its invoice was paid or made void.
        Canceled = "canceled",
    }
}

impl ScheduleStatus {
    /// Whether it still holds its invoice.
    #[must_use]
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }

    /// Whether an executor looks at it when it is due.
    #[must_use]
    pub fn is_awaited(self) -> bool {
        matches!(self, Self::Pending | Self::AwaitingMethod)
    }
}

/// A scheduled payment as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Whose.
    pub tenant_id: TenantId,
    /// The record.
    #[serde(rename = "schedule_id")]
    pub id: ScheduleId,
    /// What it pays.
    pub invoice_id: InvoiceId,
    /// How far it is.
    pub status: ScheduleStatus,
    /// The date, as it was asked for.
    pub scheduled_date: Date,
    /// When an executor looks at it: midnight of the date in the tenant's time zone, or later.
    pub due_at: Time,
    /// Shard of the index of what is due; absent while no executor needs to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_shard: Option<String>,
    /// In minor units.
    pub amount: i64,
    /// Of the amount.
    pub currency: Currency,
    /// With what it is paid.
    pub payment_method: PaymentMethod,
    /// With which method of it, where one was named; else the default of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method_id: Option<MethodId>,
    /// Who answers for it.
    pub approved_by: Vec<UserId>,
    /// Who asked for it.
    pub created_by: UserId,
    /// When.
    pub created_at: Time,
    /// Of the request that made it.
    pub fingerprint: String,
    /// Its payments, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<PaymentId>,
    /// How often it was put off for want of money.
    #[serde(default)]
    pub retries: u32,
    /// How often it was put off since the gateway was not to be had.
    #[serde(default)]
    pub outages: u32,
    /// Since when it takes another method: when the payment was made whose method was no good, or a little before its
    /// methods were read where none was. Kept until another is named, or a payment of it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_since: Option<Time>,
    /// The default that was refused then. Any other is another method, also where the request that set it had begun
    /// before: a default has the time of that beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_default: Option<MethodId>,
    /// Why it is not paid yet, where a payment of it has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureCode>,
    /// Grows with each write.
    pub revision: u64,
}

impl Schedule {
    /// What it pays.
    #[must_use]
    pub fn money(&self) -> Money {
        Money { amount_minor: self.amount, currency: self.currency }
    }

    /// The number of its next payment, from 1.
    #[must_use]
    pub fn occurrence(&self) -> u32 {
        u32::try_from(self.payments.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Whether `payment` is the one that executes it.
    #[must_use]
    pub fn is_executed_by(&self, payment: &PaymentId) -> bool {
        self.status == ScheduleStatus::Executing && self.payments.last() == Some(payment)
    }

    /// Whether a default, which it has been `since` then, is one that was chosen since it waits.
    #[must_use]
    pub fn takes_default(&self, default: &MethodId, since: Time) -> bool {
        let is_another = self.refused_default.as_ref().is_some_and(|refused| refused != default);
        let slack = if is_another { bounds::REQUEST_TIME } else { Duration::ZERO };
        self.waits_since.is_none_or(|waits| since > waits.minus(slack))
    }

    /// Its next payment may be by any method.
    pub fn waits_no_more(&mut self) {
        self.waits_since = None;
        self.refused_default = None;
    }

    /// Becomes another state; executors look at it when they need to.
    pub fn become_(&mut self, status: ScheduleStatus) {
        self.status = status;
        self.due_shard = status.is_awaited().then(|| shard(&self.tenant_id));
        if !status.is_open() || status == ScheduleStatus::Executing {
            self.waits_no_more();
        }
    }
}

/// What becomes of a promise when a payment of it has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: there is no promise, and none is made.
    Nothing,
    /// Another payment.
    Again {
        /// On this date.
        date: Date,
        /// At this instant.
        at: Time,
        /// For want of money; else since the gateway was not to be had.
        for_funds: bool,
    },
    /// It waits for another method, and is looked at again then.
    AwaitMethod(Time),
    /// A person decides.
    Review,
    /// The promise ends, and the invoice is approved again.
    Fail,
}
