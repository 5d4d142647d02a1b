//! Alerts, for people to look at, and agent runs, the log of executions that went wrong.

use serde::{Deserialize, Serialize};

use super::audit::{GENESIS, audited};
use super::names;
use crate::clock::Time;
use crate::id::{AlertId, InvoiceId, MethodId, PaymentId, RefundId, ScheduleId, TenantId, UserId};

names! {
    /// What an alert is about.
    AlertKind {
        /// A payment failed for want of money on the method.
        InsufficientFunds = "insufficient_funds",
        /// A payment failed because its method is wrong, expired or closed.
        PaymentMethodInvalid = "payment_method_invalid",
        /// The card of a payment method ends soon.
        PaymentMethodExpiring = "payment_method_expiring",
        /// The account's owner did not authorize a debit, or no longer does.
        DebitNotAuthorized = "debit_not_authorized",
        /// A payment was declined.
        Declined = "declined",
        /// A payment was certainly not executed: the gateway was not to be had.
        GatewayUnavailable = "gateway_unavailable",
        /// The gateway refuses our key or our request.
        GatewayRejected = "gateway_rejected",
        /// The outcome of a payment can't be found out; a person must.
        OutcomeUnknown = "outcome_unknown",
        /// The gateway shows another amount, currency or id than was reserved.
        AnswerMismatch = "answer_mismatch",
        /// The secret names another gateway account than the payment was reserved for.
        AccountChanged = "account_changed",
        /// An invoice was paid by two payments.
        PaidTwice = "paid_twice",
        /// A payment for a void invoice turned out to be executed.
        PaidVoidInvoice = "paid_void_invoice",
        /// A scheduled payment is not made, since something stands against it.
        ScheduleStopped = "schedule_stopped",
        /// A refund failed; its amount can be refunded again.
        RefundFailed = "refund_failed",
        /// A refund that was believed to have failed is under way or done after all.
        RefundExecuted = "refund_executed_after_all",
        /// A refund that had succeeded came back.
        RefundCameBack = "refund_came_back",
        /// The payer, or their bank, disputes a payment, or asks about it.
        Disputed = "disputed",
        /// A dispute about a part of a payment was lost.
        DisputeLostInPart = "dispute_lost_in_part",
        /// A payment was taken back; its invoice is to be paid again.
        Returned = "returned",
        /// A payment was taken back although money of it had been, or is being, refunded.
        ReturnedAfterRefund = "returned_after_refund",
        /// What a connected account was paid was taken back from it without a refund of ours.
        TransferReversed = "transfer_reversed",
        /// What the gateway tells can't be applied, for instance since its key may not read enough.
        EventNotApplied = "event_not_applied",
        /// The gateway tells of a payment or refund that carries an id of ours which is not in the books.
        UnknownToUs = "unknown_to_us",
    }
}

names! {
    /// How soon a person should look.
    Severity {
        /// Money may be in the wrong place.
        Critical = "critical",
        /// Something waits for a person.
        Warning = "warning",
    }
}

names! {
    /// Whether anybody has dealt with it.
    AlertStatus {
        /// Not yet.
        Open = "open",
        /// Yes.
        Resolved = "resolved",
    }
}

/// An alert to raise. Raised again for the same thing, it is the same alert with a higher count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Whose.
    pub tenant_id: TenantId,
    /// From tenant, kind and entity.
    pub alert_id: AlertId,
    /// What it is about.
    pub kind: AlertKind,
    /// How soon a person should look.
    pub severity: Severity,
    /// The invoice.
    pub invoice_id: Option<InvoiceId>,
    /// The payment.
    pub payment_id: Option<PaymentId>,
    /// The scheduled payment.
    pub schedule_id: Option<ScheduleId>,
    /// The payment method.
    pub method_id: Option<MethodId>,
    /// What happened.
    pub message: String,
    /// What to do.
    pub next_action: String,
    /// When.
    pub at: Time,
}

/// An alert as it stands. Raising it is an unconditional update, so it is never written as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Raised {
    /// Whose.
    pub tenant_id: TenantId,
    /// From tenant, kind and entity.
    pub alert_id: AlertId,
    /// What it is about.
    pub kind: AlertKind,
    /// How soon a person should look.
    pub severity: Severity,
    /// Whether anybody has dealt with it.
    pub status: AlertStatus,
    /// The invoice.
    pub invoice_id: Option<InvoiceId>,
    /// The payment.
    pub payment_id: Option<PaymentId>,
    /// The scheduled payment.
    pub schedule_id: Option<ScheduleId>,
    /// The payment method.
    pub method_id: Option<MethodId>,
    /// What happened, the last time.
    pub message: String,
    /// What to do.
    pub next_action: String,
    /// How often it was raised. It only grows, so an open alert with the same count is the same one.
    pub count: u64,
    /// When it was raised first.
    pub first_seen: Time,
    /// When it was raised last.
    pub last_seen: Time,
    /// What a model made of it: as it was when its `count` was that of the explanation.
    #[serde(default)]
    pub explanation: Option<Explanation>,
    /// Who dealt with it, when and how; gone when it is raised again, but for the audit trail.
    #[serde(flatten)]
    pub resolution: Option<AlertResolution>,
    /// Number of its audit entries: one for each time that it was resolved.
    #[serde(default)]
    pub version: u64,
    /// Hash of the last.
    #[serde(default = "genesis")]
    pub audit_head: String,
}

audited!(Raised, "alert", alert_id);

fn genesis() -> String {
    GENESIS.to_owned()
}

/// Who dealt with an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertResolution {
    /// Who.
    pub resolved_by: UserId,
    /// When.
    pub resolved_at: Time,
    /// What they did or found.
    pub note: String,
}

names! {
    /// How sure a model is of what it suggests, by its own account.
    Confidence {
        /// It guesses.
        Low = "low",
        /// The facts point there.
        Medium = "medium",
        /// The facts leave little else.
        High = "high",
    }
}

/// What a language model made of an alert, for people to read. Nothing is ever decided by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What happened.
    pub summary: String,
    /// Why, most likely.
    pub likely_cause: String,
    /// What a person might do.
    pub suggested_action: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// How often the alert had been raised then.
    pub count: u64,
    /// Which model.
    pub model: String,
    /// When.
    pub at: Time,
}

names! {
    /// What an execution was for.
    RunAction {
        /// Paying an invoice.
        Pay = "pay",
        /// Refunding a payment.
        Refund = "refund",
        /// Finding out what became of a payment or refund.
        Recover = "recover",
        /// Taking what a gateway tells.
        Receive = "receive",
    }
}

/// One failed or abnormal execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRun {
    /// Whose.
    pub tenant_id: TenantId,
    /// In the order of time.
    pub run_id: String,
    /// What for.
    pub action: RunAction,
    /// Who ran it.
    pub user_id: UserId,
    /// Of the invocation.
    pub request_id: String,
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// The payment.
    pub payment_id: PaymentId,
    /// The refund, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_id: Option<RefundId>,
    /// Class of the error.
    pub error_class: String,
    /// The gateway's own code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_code: Option<String>,
    /// Requests sent to the gateway.
    pub attempts: u32,
    /// Milliseconds from start to end.
    pub duration_ms: u64,
    /// When it ended.
    pub at: Time,
}
