//! A customer's invoice is promised for a date, and paid on that day.

use serde_json::{Value, json};
use shared::clock::Time;

use super::show::{SCHEDULE, heading, holds, is, line, text};
use super::{Cast, DemoError};
use crate::stack::Stack;

pub(super) async fn is_kept(Cast { stack, admin, clerk }: &Cast<'_>) -> Result<(), DemoError> {
    heading("Another invoice is promised for the first of March, and paid on that day");
    let date = next_first_of_march(stack.clock.now());
    let body = json!({ "invoice_id": "INV-2025-002", "payment_method": "stripe", "scheduled_date": date });
    let promised = admin.post("/payments", Some("demo-5"), &body, SCHEDULE).await?;
    holds(promised.status == 202 && is(&promised, "status", &json!("pending")), "it is promised, and not paid yet")?;
    for (at, expected) in [(format!("{date}T00:00:00Z"), 0), (format!("{date}T12:00:00Z"), 1)] {
        let summary = execute(stack, &at).await?;
        holds(
            summary.get("paid") == Some(&json!(expected)),
            if expected == 0 { "the day before in New York, nothing is due" } else { "on the day it is paid" },
        )?;
    }
    let kept = clerk.get(&format!("/scheduled-payments/{}", text(&promised, "id")), SCHEDULE).await?;
    holds(is(&kept, "status", &json!("completed")), "the promise is kept")?;
    let invoice = clerk.get("/invoices/INV-2025-002", &["invoice_id", "status", "payments"]).await?;
    holds(is(&invoice, "status", &json!("paid")), "its invoice is paid")
}

/// The next first of March that is at least a day ahead.
fn next_first_of_march(now: Time) -> String {
    let today = now.date_in(&jiff::tz::TimeZone::UTC);
    let year = if today.month() < 3 { today.year() } else { today.year().saturating_add(1) };
    format!("{year}-03-01")
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
