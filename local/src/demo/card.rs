//! A vendor's invoice is paid with the tenant's card, once, and a part of it goes back.

use serde_json::json;

use super::show::{CONFIRMATION, INVOICE, PAYMENT, REFUND, REFUSAL, heading, holds, is, line, text};
use super::{Cast, DemoError};
use crate::seed::TENANT;
use crate::stack::Stack;

const INVOICE_ID: &str = "INV-2025-001";

/// A payment by card: ours, and Stripe's.
pub(super) struct ByCard {
    id: String,
    pub intent: String,
}

pub(super) async fn pays_an_invoice(Cast { stack, admin, clerk }: &Cast<'_>) -> Result<ByCard, DemoError> {
    heading("An approved invoice");
    let path = format!("/invoices/{INVOICE_ID}");
    let invoice = clerk.get(&path, INVOICE).await?;
    holds(is(&invoice, "status", &json!("approved")), "INV-2025-001 is approved")?;

    heading("The clerk pays it");
    let body = json!({ "invoice_id": INVOICE_ID, "amount": 50_000, "currency": "USD", "payment_method": "stripe" });
    let paid = clerk.post("/payments", Some("demo-1"), &body, CONFIRMATION).await?;
    holds(paid.status == 201, "the payment is answered 201")?;
    holds(is(&paid, "success", &json!(true)) && is(&paid, "status", &json!("paid")), "it is paid")?;
    let (id, intent) = (text(&paid, "id"), text(&paid, "payment_id"));
    holds(intent.starts_with("pi_"), "the confirmation names Stripe's PaymentIntent")?;

    heading("The same request again, as after a lost connection: nothing is paid twice");
    let again = clerk.post("/payments", Some("demo-1"), &body, &["id", "payment_id", "status"]).await?;
    holds(again.status == 200 && text(&again, "id") == id, "the answer is the same payment")?;
    holds(again.headers.contains_key("idempotent-replayed"), "it says that it is a replay")?;

    heading("Another request for the same invoice");
    let other = admin.post("/payments", Some("demo-2"), &body, REFUSAL).await?;
    holds(other.status == 409 && other.code() == "invoice_paid", "it is refused: the invoice is paid")?;

    heading("A part of it goes back");
    let body = json!({ "payment_id": intent, "amount": 12_500, "reason": "requested_by_customer" });
    let refund = admin.post("/refunds", Some("demo-3"), &body, REFUND).await?;
    holds(refund.status == 201 && is(&refund, "status", &json!("succeeded")), "it is refunded")?;
    let body = json!({ "payment_id": intent, "amount": 37_501 });
    let too_much = admin.post("/refunds", Some("demo-4"), &body, REFUND).await?;
    holds(too_much.code() == "refund_exceeds_remaining", "more than is left does not go back")?;

    heading("Somebody refunds another part in Stripe's dashboard: its webhook tells us");
    let made = stack.stripe.refund_in_dashboard(&intent, Some(5_000)).unwrap_or_default();
    line(&format!("Stripe > {made}  5000 usd  succeeded"));
    line(&format!("Stripe > POST /webhooks/stripe/{TENANT}   Stripe-Signature: t=…,v1=…"));
    let payment = clerk.awaits(&format!("/payments/{id}"), "refunded", &json!(17_500), PAYMENT).await?;
    holds(is(&payment, "refundable", &json!(32_500)), "both parts are off what can still be refunded")?;
    let invoice = clerk.get(&path, &["invoice_id", "status", "payments"]).await?;
    holds(is(&invoice, "status", &json!("partially_refunded")), "the invoice is refunded in part")?;
    Ok(ByCard { id, intent })
}

pub(super) fn is_in_stripes_books(stack: &Stack, paid: &ByCard) -> Result<(), DemoError> {
    heading("What Stripe's books say");
    let books = stack.stripe.books("acct_acme");
    let ours: Vec<_> =
        books.iter().filter(|entry| entry.metadata.get("payment_id").is_some_and(|id| *id == paid.id)).collect();
    for entry in &ours {
        let crate::stripe::BookEntry { id, amount, currency, status, refunded, .. } = entry;
        line(&format!("  {id}  {amount} {currency}  {status}, refunded {refunded}"));
    }
    holds(ours.len() == 1 && ours.iter().all(|entry| entry.amount == 50_000), "one charge of 500.00 USD")?;
    holds(ours.iter().all(|entry| entry.refunded == 17_500), "175.00 USD of it went back")
}
