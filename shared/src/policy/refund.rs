//! Whether a payment can be refunded as asked: everything that stands against it, collected.

use crate::id::{InvoiceId, TenantId};
use crate::model::payment::{Payment, PaymentMethod, PaymentStatus};
use crate::model::refund::Reason;
use crate::model::tenant::Member;
use crate::money::{Currency, Money};
use crate::policy::refusal::{Code, Refusal};

/// What is asked.
#[derive(Clone, Debug)]
pub struct RefundRequest {
    /// The tenant that the body names; must be the caller's.
    pub tenant_id: Option<TenantId>,
    /// Ours, or the gateway's.
    pub payment_id: String,
    /// What the caller believes was paid with it.
    pub invoice_id: Option<InvoiceId>,
    /// In minor units; all that is left, when absent.
    pub amount: Option<i64>,
    /// What the caller believes was paid.
    pub currency: Option<Currency>,
    /// Why.
    pub reason: Option<Reason>,
    /// How the caller believes it was paid.
    pub payment_method: Option<PaymentMethod>,
}

/// What is asked to go back: the amount that is named, or all that is left.
#[must_use]
pub fn asked(request: &RefundRequest, payment: &Payment) -> Money {
    let remaining = payment.refundable_minor.max(0);
    Money { amount_minor: request.amount.unwrap_or(remaining), currency: payment.currency }
}

/// Decides what goes back. `amount_refusal`: why the gateway would not take the amount.
///
/// # Errors
/// All that stands against it.
pub fn decide(
    request: &RefundRequest,
    caller: &Member,
    payment: &Payment,
    amount_refusal: Option<String>,
) -> Result<Money, Vec<Refusal>> {
    let mut refusals = Vec::new();
    mismatches(request, payment, &mut refusals);
    let remaining = payment.refundable_minor.max(0);
    let money = asked(request, payment);
    if let Some(why) = obstacle(payment) {
        let detail = format!("{} is {}. {why}", payment.id, payment.status);
        refusals.push(Refusal::new(Code::NotRefundable, detail).with("payment_status", payment.status.as_str()));
    } else if money.amount_minor > remaining || remaining == 0 {
        let left = Money { amount_minor: remaining, ..money };
        let detail = format!("{left} of {} is left to refund.", payment.id);
        let refusal = Refusal::field(Code::RefundExceedsRemaining, "amount", detail);
        refusals.push(refusal.with("remaining", remaining));
    } else if let Some(detail) = amount_refusal {
        refusals.push(Refusal::field(Code::AmountOutOfRange, "amount", detail));
    }
    if !caller.approval_limits.cover(money) {
        let detail = format!("{money} is above the approval limit of {}.", caller.user_id);
        refusals.push(Refusal::new(Code::ApprovalLimitExceeded, detail));
    }
    if refusals.is_empty() { Ok(money) } else { Err(refusals) }
}

/// What the caller claims and the record says otherwise.
fn mismatches(request: &RefundRequest, payment: &Payment, refusals: &mut Vec<Refusal>) {
    if request.tenant_id.as_ref().is_some_and(|claimed| *claimed != payment.tenant_id) {
        refusals.push(Refusal::field(Code::TenantMismatch, "tenant_id", "The caller belongs to another tenant."));
    }
    let name = payment.reference().unwrap_or(payment.id.as_str());
    if let Some(claimed) = request.payment_method.filter(|claimed| *claimed != payment.payment_method) {
        let detail = format!("{name} was paid with {}, not {claimed}.", payment.payment_method);
        refusals.push(Refusal::field(Code::PaymentMismatch, "payment_method", detail));
    }
    if let Some(claimed) = request.invoice_id.as_ref().filter(|claimed| **claimed != payment.invoice_id) {
        let detail = format!("{name} paid invoice {}, not {claimed}.", payment.invoice_id);
        refusals.push(Refusal::field(Code::PaymentMismatch, "invoice_id", detail));
    }
    if let Some(claimed) = request.currency.filter(|claimed| *claimed != payment.currency) {
        let detail = format!("{name} was paid in {}, not {claimed}.", payment.currency);
        refusals.push(Refusal::field(Code::CurrencyMismatch, "currency", detail));
    }
}

/// Why nothing of a payment can be refunded, and what to do instead.
fn obstacle(payment: &Payment) -> Option<&'static str> {
    match payment.status {
        PaymentStatus::Processing | PaymentStatus::RequiresAction => {
            Some("Nothing was paid yet that could go back: POST /payments/{id}/cancel, or wait until it is paid.")
        }
        PaymentStatus::Failed | PaymentStatus::Canceled => Some("Nothing was paid."),
        PaymentStatus::Returned => Some("The money was taken back already."),
        PaymentStatus::Paid | PaymentStatus::PartiallyRefunded | PaymentStatus::Refunded if payment.disputed => {
            Some("It is disputed: answer the dispute at the gateway; what is lost with it goes back by itself.")
        }
        // One that a person confirmed without knowing its name there.
        PaymentStatus::Paid | PaymentStatus::PartiallyRefunded | PaymentStatus::Refunded
            if payment.reference().is_none() =>
        {
            Some("The gateway's id of it is not known: pay it back another way.")
        }
        // PayPal takes no payout back that somebody has claimed.
        PaymentStatus::Paid | PaymentStatus::PartiallyRefunded | PaymentStatus::Refunded if payment.is_payout() => {
            Some("Its recipient has it: ask them to send it back from their PayPal account.")
        }
        // Plaid takes back only what was debited.
        PaymentStatus::Paid | PaymentStatus::PartiallyRefunded | PaymentStatus::Refunded
            if payment.is_out_of_reach() =>
        {
            Some("It is in the vendor's bank account: ask them to send it back.")
        }
        PaymentStatus::Paid | PaymentStatus::PartiallyRefunded | PaymentStatus::Refunded => None,
    }
}
