//! A customer's invoice is promised for a date: their bank account is debited on that day, or on the next on which banks
//! work, and it is paid when their bank has paid.

use jiff::civil::Date;
use serde_json::{Value, json};
use shared::clock::Time;
use shared::policy::bank_day;

use super::show::{SCHEDULE, heading, holds, is, line, text};
use super::{Cast, DemoError};
use crate::stack::Stack;

pub(super) async fn is_kept(Cast { stack, admin, clerk }: &Cast<'_>) -> Result<(), DemoError> {
    heading("A customer's invoice is promised for the first of March, to be debited from their bank account");
    let date = next_first_of_march(stack.clock.now());
    let body = json!({ "invoice_id": "INV-2025-002", "payment_method": "ach", "scheduled_date": date });
    let promised = admin.post("/payments", Some("demo-5"), &body, SCHEDULE).await?;
    holds(promised.status == 202 && is(&promised, "status", &json!("pending")), "it is promised, and not paid yet")?;
    let day = bank_day::on_or_after(date);
    let run = async |at: String, outcome: &str, expected: u32, what| {
        let summary = execute(stack, &at).await?;
        holds(summary.get(outcome) == Some(&json!(expected)), what)
    };
    run(format!("{date}T00:00:00Z"), "due", 0, "the day before in New York, nothing is due").await?;
    if day != date {
        let rests = "banks rest on that day: it goes on the next bank day";
        run(format!("{date}T12:00:00Z"), "rescheduled", 1, rests).await?;
    }
    run(format!("{day}T12:00:00Z"), "pending", 1, "on the bank day it is debited, which is not paid yet").await?;

    let path = format!("/scheduled-payments/{}", text(&promised, "id"));
    let executing = clerk.get(&path, SCHEDULE).await?;
    holds(is(&executing, "status", &json!("executing")), "the promise waits for the bank")?;
    let payments = executing.body.get("payments").and_then(|payments| payments.get(0)).and_then(Value::as_str);
    let payment = format!("/payments/{}", payments.unwrap_or_default());
    let debited = clerk.get(&payment, DEBIT).await?;
    holds(is(&debited, "status", &json!("processing")), "its payment is under way for some bank days")?;

    heading("The customer's bank has paid: Stripe's webhook tells us");
    let intent = text(&debited, "payment_id");
    stack.stripe.finish_processing(&intent, true);
    line(&format!("Stripe > {intent}  succeeded"));
    clerk.awaits(&payment, "status", &json!("paid"), DEBIT).await?;
    let kept = clerk.get(&path, SCHEDULE).await?;
    holds(is(&kept, "status", &json!("completed")), "the promise is kept")?;
    let invoice = clerk.get("/invoices/INV-2025-002", &["invoice_id", "status", "payments"]).await?;
    holds(is(&invoice, "status", &json!("paid")), "its invoice is paid")
}

/// What is shown of a bank payment.
pub(super) const DEBIT: &[&str] =
    &["id", "payment_id", "amount", "status", "payment_method", "expected_settlement_date"];

/// The next first of March that is at least a day ahead.
fn next_first_of_march(now: Time) -> Date {
    let today = now.date_in(&jiff::tz::TimeZone::UTC);
    let year = if today.month() < 3 { today.year() } else { today.year().saturating_add(1) };
    Date::new(year, 3, 1).unwrap_or(today)
}

/// Runs the executor at a time of one's choice, as `cargo run -- execute --at` does.
async fn execute(stack: &Stack, at: &str) -> Result<Value, DemoError> {
    line(&format!("EventBridge > {{\"run\": \"daily\"}} at {at}"));
    let unreachable = |error: reqwest::Error| DemoError::Broken(format!("the executor answers: {error}"));
    let url = format!("{}/execute", stack.urls.control);
    let sent = stack.http.post(url).json(&json!({ "at": at })).send().await.map_err(unreachable)?;
    let summary: Value = sent.json().await.map_err(unreachable)?;
    line(&format!("< {summary}"));
    Ok(summary)
}
