//! A vendor is paid into their bank account, over Plaid.

use serde_json::json;

use super::promise::DEBIT;
use super::show::{CONFIRMATION, INVOICE, heading, holds, is, line, text};
use super::{Cast, DemoError};
use crate::seed::{PLAID_CLIENT, TENANT};
use crate::stack::Stack;

const PAYABLE: &str = "INV-2025-005";

pub(super) async fn pays_a_vendor(Cast { stack, clerk, .. }: &Cast<'_>) -> Result<(), DemoError> {
    heading("A vendor who has linked a bank account is paid into it, over Plaid");
    let path = format!("/invoices/{PAYABLE}");
    clerk.get(&path, INVOICE).await?;
    let body = json!({ "invoice_id": PAYABLE, "payment_method": "ach" });
    let begun = clerk.post("/payments", Some("demo-10"), &body, CONFIRMATION).await?;
    holds(begun.status == 202 && is(&begun, "status", &json!("processing")), "it is under way, and not called paid")?;
    let date = begun.body.get("expected_settlement_date");
    holds(date.is_some_and(|date| date.is_string()), "it says when the money should have arrived")?;

    heading("The banks settle it: Plaid's webhook says that there are events, and we ask for them");
    let transfer = text(&begun, "payment_id");
    holds(stack.plaid.post(&transfer) && stack.plaid.settle(&transfer), "Plaid has settled the transfer")?;
    line(&format!("Plaid > POST /webhooks/plaid/{TENANT}   Plaid-Verification: …"));
    clerk.awaits(&format!("/payments/{}", text(&begun, "id")), "status", &json!("paid"), DEBIT).await?;
    let invoice = clerk.get(&path, &["invoice_id", "status", "payments"]).await?;
    holds(is(&invoice, "status", &json!("paid")), "its invoice is paid")
}

pub(super) fn is_in_plaids_books(stack: &Stack) -> Result<(), DemoError> {
    heading("What Plaid's books say");
    let books = stack.plaid.books(PLAID_CLIENT);
    for one in &books {
        line(&format!("  {}  {:?} of {} USD cents  {:?}", one.id, one.direction, one.amount, one.status));
    }
    holds(books.len() == 1 && books.iter().all(|one| one.amount == 84_000), "one credit of 840.00 USD")
}
