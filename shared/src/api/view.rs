//! How things look to clients: what several functions answer with, and read from bodies.

use serde_json::{Value, json};

use super::form::Fields;
use crate::bounds;
use crate::clock::Time;
use crate::flow::settle::acts_until;
use crate::gateway::NextAction;
use crate::model::audit::Entry;
use crate::model::confirmation;
use crate::model::invoice::{Counterparty, Invoice};
use crate::model::payment::{Payment, PaymentStatus};
use crate::model::refund::Refund;
use crate::model::schedule::Schedule;
use crate::policy::refusal::Code;

/// A payment, as confirmed, read and listed.
#[must_use]
pub fn payment(payment: &Payment, next_action: Option<&NextAction>) -> Value {
    let mut view = json!({
        "success": payment.paid_at.is_some() && payment.status != PaymentStatus::Returned,
        "id": payment.id,
        "invoice_id": payment.invoice_id,
        "payment_id": payment.reference(),
        "amount": payment.amount,
        "currency": payment.currency,
        "status": payment.status,
        "paid_at": payment.paid_at,
        "payment_method": payment.payment_method,
        "payment_method_id": payment.payment_method_id,
        "approved_by": payment.approved_by,
        "created_at": payment.created_at,
        "confirmation_number": confirmation::number(&payment.id),
        "refundable": refundable(payment),
        "refunded": payment.refunds.refunded(),
        "disputed": payment.disputed,
    });
    if let Some(members) = view.as_object_mut() {
        if payment.own_balance {
            members.insert("destination".to_owned(), json!("own_balance"));
        }
        if let Some(date) = payment.expected_settlement_date {
            members.insert("expected_settlement_date".to_owned(), json!(date));
        }
        if let Some(failure) = &payment.failure {
            // The gateway's own code is for support: a thief could use it.
            members.insert("failure".to_owned(), json!({ "code": failure.code }));
        }
        if let Some(action) = next_action {
            members.insert("next_action".to_owned(), to_do(action, Some(acts_until(payment))));
        }
    }
    view
}

/// What can still be refunded: nothing of what its vendor has for good.
fn refundable(payment: &Payment) -> i64 {
    if payment.is_out_of_reach() { 0 } else { payment.refundable_minor.max(0) }
}

/// A scheduled payment, as answered, read and listed.
#[must_use]
pub fn schedule(schedule: &Schedule) -> Value {
    let mut view = json!({
        "id": schedule.id,
        "invoice_id": schedule.invoice_id,
        "status": schedule.status,
        "scheduled_date": schedule.scheduled_date,
        "due_at": schedule.due_at,
        "amount": schedule.amount,
        "currency": schedule.currency,
        "payment_method": schedule.payment_method,
        "payment_method_id": schedule.payment_method_id,
        "approved_by": schedule.approved_by,
        "payments": schedule.payments,
        "created_by": schedule.created_by,
        "created_at": schedule.created_at,
    });
    if let (Some(members), Some(failure)) = (view.as_object_mut(), schedule.failure) {
        members.insert("failure".to_owned(), json!({ "code": failure }));
    }
    view
}

/// A refund, as answered, read and listed.
#[must_use]
pub fn refund(refund: &Refund) -> Value {
    let mut view = json!({
        "id": refund.id,
        "payment_id": refund.payment_id,
        "gateway_payment_id": refund.frozen.payment,
        "invoice_id": refund.invoice_id,
        "amount": refund.amount,
        "currency": refund.currency,
        "status": refund.status,
        "gateway_refund_id": refund.reference(),
        "reason": refund.reason,
        "external": refund.external,
        "created_by": refund.created_by,
        "created_at": refund.created_at,
    });
    if let (Some(members), Some(failure)) = (view.as_object_mut(), &refund.failure) {
        members.insert("failure".to_owned(), json!({ "code": failure.code }));
    }
    view
}

/// A counterparty, as clients send it.
pub fn counterparty(body: &mut Fields) -> Option<Counterparty> {
    let name = body.text("name", bounds::NAME_BYTES);
    let name = body.required("name", name);
    let email = email(body, "email");
    let customer_id = body.parsed("customer_id");
    let vendor_id = body.parsed("vendor_id");
    let stripe_account = body.text("stripe_account", bounds::NAME_BYTES);
    let is_account = |id: &String| {
        id.strip_prefix("acct_").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    if stripe_account.as_ref().is_some_and(|id| !is_account(id)) {
        body.refuse(Code::InvalidField, "stripe_account", "The id of a connected account, acct_…, is expected.");
    }
    let paypal_email = self::email(body, "paypal_email");
    let plaid_method_id = body.parsed("plaid_method_id");
    Some(Counterparty { name: name?, email, customer_id, vendor_id, stripe_account, paypal_email, plaid_method_id })
}

/// An e-mail address; only its shape is looked at.
pub fn email(body: &mut Fields, name: &str) -> Option<String> {
    let email = body.text(name, bounds::NAME_BYTES)?;
    let parts: Vec<&str> = email.split('@').collect();
    if !matches!(parts.as_slice(), [user, host] if !user.is_empty() && !host.is_empty()) || email.contains(' ') {
        body.refuse(Code::InvalidField, name, "An e-mail address is expected.");
        return None;
    }
    Some(email)
}

/// An audit entry: the record's members, its exact text, and its hash. Whoever doubts the chain can compute it.
#[must_use]
pub fn entry(entry: &Entry) -> Value {
    let mut view: Value = serde_json::from_str(&entry.record).unwrap_or_else(|_| json!({ "seq": entry.seq }));
    if let Some(members) = view.as_object_mut() {
        members.insert("record".to_owned(), json!(entry.record));
        members.insert("hash".to_owned(), json!(entry.hash));
    }
    view
}

/// An invoice.
#[must_use]
pub fn invoice(invoice: &Invoice) -> Value {
    json!({
        "invoice_id": invoice.invoice_id,
        "invoice_number": invoice.invoice_number,
        "kind": invoice.kind,
        "counterparty": invoice.counterparty,
        "amount": invoice.amount,
        "currency": invoice.currency,
        "due_date": invoice.due_date,
        "description": invoice.description,
        "status": invoice.status,
        "disputed": invoice.disputed,
        "approvals": invoice.approvals,
        "created_by": invoice.created_by,
        "created_at": invoice.created_at,
        "current_payment": invoice.current,
        "payments": invoice.payments,
        "schedule_id": invoice.schedule_id,
        "version": invoice.version,
    })
}

/// What the customer does next, and until when.
#[must_use]
pub fn to_do(action: &NextAction, until: Option<Time>) -> Value {
    let (name, key) = action.key();
    json!({ "type": action.kind(), name: key, "expires_at": until })
}
