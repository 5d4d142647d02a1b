//! How things look to clients: JSON views that several functions answer with.

use serde_json::{Value, json};

use crate::gateway::NextAction;
use crate::flow::settle::waits_until;
use crate::model::confirmation;
use crate::model::invoice::Invoice;
use crate::model::payment::{Payment, PaymentStatus};

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
        "refundable": payment.refundable_minor,
    });
    if let Some(members) = view.as_object_mut() {
        if payment.own_balance {
            members.insert("destination".to_owned(), json!("own_balance"));
        }
        if let Some(failure) = &payment.failure {
            members.insert("failure".to_owned(), json!(failure));
        }
        if let Some(action) = next_action {
            let view = json!({ "type": action.kind, "client_secret": action.client_secret,
                               "expires_at": waits_until(payment) });
            members.insert("next_action".to_owned(), view);
        }
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
