//! The demo: an approved invoice is paid, and everything that can be seen of it is shown and checked.
#![expect(clippy::print_stdout, reason = "it speaks to the person who started it")]

use serde_json::{Value, json};
use shared::clock::Time;

use crate::client::{Answer, Client};
use crate::seed::{self, ADMIN, SeedError, TENANT};
use crate::stack::Stack;

/// What the demo found wrong.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The stack could not be set up or did not answer.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// Something did not hold.
    #[error("the demo did not hold: {0}")]
    Broken(String),
}

/// Plays the story on a stack with the seeds in it.
///
/// # Errors
/// The first thing that did not hold.
pub async fn run(stack: &Stack) -> Result<(), DemoError> {
    seed::acme(stack).await?;
    let admin = seed::client(stack, TENANT, ADMIN).map_err(SeedError::from)?;
    let clerk = seed::client(stack, TENANT, "clerk").map_err(SeedError::from)?;

    heading("An approved invoice");
    let invoice = get(&clerk, "/invoices/INV-2025-001", INVOICE).await?;
    holds(is(&invoice, "status", &json!("approved")), "INV-2025-001 is approved")?;

    heading("The clerk pays it");
    let body = json!({ "invoice_id": "INV-2025-001", "amount": 50_000, "currency": "USD", "payment_method": "stripe" });
    let paid = post(&clerk, "clerk", "demo-1", &body, CONFIRMATION).await?;
    holds(paid.status == 201, "the payment is answered 201")?;
    holds(is(&paid, "success", &json!(true)) && is(&paid, "status", &json!("paid")), "it is paid")?;
    let reference = text(&paid, "payment_id");
    holds(reference.starts_with("pi_"), "the confirmation names Stripe's PaymentIntent")?;

    heading("The same request again, as after a lost connection: nothing is paid twice");
    let again = post(&clerk, "clerk", "demo-1", &body, &["id", "payment_id", "status"]).await?;
    holds(again.status == 200 && text(&again, "id") == text(&paid, "id"), "the answer is the same payment")?;
    holds(again.headers.contains_key("idempotent-replayed"), "it says that it is a replay")?;

    heading("Another request for the same invoice");
    let other = post(&admin, ADMIN, "demo-2", &body, &["status", "code", "detail", "payment_id", "request_id"]).await?;
    holds(other.status == 409 && other.code() == "invoice_paid", "it is refused: the invoice is paid")?;

    heading("A part of it goes back");
    let body = json!({ "payment_id": reference, "amount": 12_500, "reason": "requested_by_customer" });
    let refund = refund(&admin, ADMIN, "demo-3", &body).await?;
    holds(refund.status == 201 && is(&refund, "status", &json!("succeeded")), "it is refunded")?;
    let body = json!({ "payment_id": reference, "amount": 37_501 });
    let too_much = self::refund(&admin, ADMIN, "demo-4", &body).await?;
    holds(too_much.code() == "refund_exceeds_remaining", "more than is left does not go back")?;

    heading("Somebody refunds another part in Stripe's dashboard: its webhook tells us");
    let made = stack.stripe.refund_in_dashboard(&reference, Some(5_000)).unwrap_or_default();
    println!(
        "  Stripe > {made}  5000 usd  succeeded\n  Stripe > POST /webhooks/stripe/{TENANT}   Stripe-Signature: t=…,v1=…"
    );
    let payment = arrival(&clerk, &text(&paid, "id"), 17_500).await?;
    holds(is(&payment, "refundable", &json!(32_500)), "both parts are off what can still be refunded")?;

    heading("The invoice now, and its audit trail");
    let invoice = get(&clerk, "/invoices/INV-2025-001", INVOICE).await?;
    holds(is(&invoice, "status", &json!("partially_refunded")), "the invoice is refunded in part")?;
    let trail = trail(&clerk, "/invoices/INV-2025-001/audit").await?;
    holds(is(&trail, "intact", &json!(true)), "the chain of the audit trail is intact")?;

    heading("Another invoice is promised for the first of March, and paid on that day");
    let date = next_first_of_march(stack.clock.now());
    let body = json!({ "invoice_id": "INV-2025-002", "payment_method": "stripe", "scheduled_date": date });
    println!("  {ADMIN} > POST /payments   Idempotency-Key: demo-5\n    {body}");
    let promised = admin.send(reqwest::Method::POST, "/payments", Some("demo-5"), Some(&body)).await;
    let promised = promised.map_err(SeedError::from)?;
    show(&promised, SCHEDULE);
    holds(promised.status == 202 && is(&promised, "status", &json!("pending")), "it is promised, and not paid yet")?;
    for (at, expected) in [(format!("{date}T00:00:00Z"), 0), (format!("{date}T12:00:00Z"), 1)] {
        let summary = execute(stack, &at).await?;
        holds(
            summary.get("paid") == Some(&json!(expected)),
            if expected == 0 { "the day before in New York, nothing is due" } else { "on the day it is paid" },
        )?;
    }
    let path = format!("/scheduled-payments/{}", text(&promised, "id"));
    let kept = get(&clerk, &path, SCHEDULE).await?;
    holds(is(&kept, "status", &json!("completed")), "the promise is kept")?;
    let invoice = get(&clerk, "/invoices/INV-2025-002", &["invoice_id", "status", "payments"]).await?;
    holds(is(&invoice, "status", &json!("paid")), "its invoice is paid")?;

    heading("What Stripe's books say");
    let books = stack.stripe.books("acct_acme");
    let ours: Vec<_> = books
        .iter()
        .filter(|entry| entry.metadata.get("payment_id").is_some_and(|id| *id == text(&paid, "id")))
        .collect();
    for entry in &ours {
        println!(
            "    {}  {} {}  {}, refunded {}",
            entry.id, entry.amount, entry.currency, entry.status, entry.refunded
        );
    }
    holds(ours.len() == 1 && ours.iter().all(|entry| entry.amount == 50_000), "one charge of 500.00 USD")?;
    holds(ours.iter().all(|entry| entry.refunded == 17_500), "175.00 USD of it went back")?;
    println!("\nAll of it held.");
    Ok(())
}

fn heading(text: &str) {
    println!("\n── {text}");
}

fn holds(condition: bool, what: &str) -> Result<(), DemoError> {
    if !condition {
        return Err(DemoError::Broken(what.to_owned()));
    }
    println!("    ✓ {what}");
    Ok(())
}

/// What is shown of answers, in the order in which a person wants it.
const INVOICE: &[&str] =
    &["invoice_id", "kind", "counterparty", "amount", "currency", "status", "approvals", "payments"];
const CONFIRMATION: &[&str] = &[
    "success",
    "id",
    "invoice_id",
    "payment_id",
    "amount",
    "currency",
    "status",
    "paid_at",
    "payment_method",
    "confirmation_number",
    "approved_by",
];

const REFUND: &[&str] =
    &["id", "payment_id", "amount", "currency", "status", "gateway_refund_id", "reason", "code", "detail", "remaining"];
const PAYMENT: &[&str] = &["id", "payment_id", "amount", "status", "refunded", "refundable"];

const SCHEDULE: &[&str] = &["id", "invoice_id", "status", "scheduled_date", "due_at", "amount", "currency", "payments"];

/// The next first of March that is at least a day ahead.
fn next_first_of_march(now: Time) -> String {
    let today = now.date_in(&jiff::tz::TimeZone::UTC);
    let year = if today.month() < 3 { today.year() } else { today.year().saturating_add(1) };
    format!("{year}-03-01")
}

/// Runs the executor at a time of one's choice, as `cargo run -- execute --at` does.
async fn execute(stack: &Stack, at: &str) -> Result<Value, DemoError> {
    println!("  EventBridge > {{\"run\": \"daily\"}} at {at}");
    let unreachable = |error: reqwest::Error| DemoError::Broken(format!("the executor answers: {error}"));
    let url = format!("{}/execute", stack.urls.control);
    let sent = stack.http.post(url).json(&json!({ "at": at })).send().await.map_err(unreachable)?;
    let summary: Value = sent.json().await.map_err(unreachable)?;
    println!("  < {summary}");
    Ok(summary)
}

async fn get(client: &Client, path: &str, fields: &[&str]) -> Result<Answer, DemoError> {
    println!("  clerk > GET {path}");
    let answer = client.get(path).await.map_err(SeedError::from)?;
    show(&answer, fields);
    Ok(answer)
}

async fn post(client: &Client, user: &str, key: &str, body: &Value, fields: &[&str]) -> Result<Answer, DemoError> {
    println!("  {user} > POST /payments   Idempotency-Key: {key}\n    {body}");
    let answer =
        client.send(reqwest::Method::POST, "/payments", Some(key), Some(body)).await.map_err(SeedError::from)?;
    show(&answer, fields);
    Ok(answer)
}

async fn refund(client: &Client, user: &str, key: &str, body: &Value) -> Result<Answer, DemoError> {
    println!("  {user} > POST /refunds   Idempotency-Key: {key}\n    {body}");
    let answer =
        client.send(reqwest::Method::POST, "/refunds", Some(key), Some(body)).await.map_err(SeedError::from)?;
    show(&answer, REFUND);
    Ok(answer)
}

/// Waits until the webhook has told of all that went back.
async fn arrival(client: &Client, payment: &str, refunded: i64) -> Result<Answer, DemoError> {
    let path = format!("/payments/{payment}");
    for _ in 0..200 {
        let answer = client.get(&path).await.map_err(SeedError::from)?;
        if is(&answer, "refunded", &json!(refunded)) {
            println!("  clerk > GET {path}");
            show(&answer, PAYMENT);
            return Ok(answer);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Err(DemoError::Broken("the webhook arrives within ten seconds".to_owned()))
}

async fn trail(client: &Client, path: &str) -> Result<Answer, DemoError> {
    println!("  clerk > GET {path}");
    let answer = client.get(path).await.map_err(SeedError::from)?;
    for entry in answer.body.get("entries").and_then(Value::as_array).into_iter().flatten() {
        let of = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let at = |pointer: &str| entry.pointer(pointer).map(ToString::to_string);
        let refund = at("/changes/refund/amount")
            .map(|amount| format!("refund of {amount} {}", at("/changes/refund/status").unwrap_or_default()));
        let status = [at("/changes/status"), refund].into_iter().flatten().collect::<Vec<_>>().join("  ");
        let hash = of("hash");
        println!(
            "    {}  {}  {:<18} {:<8} {}…  {}",
            entry.get("seq").map(ToString::to_string).unwrap_or_default(),
            of("at"),
            of("user_id"),
            of("action"),
            hash.get(..12).unwrap_or_default(),
            status
        );
    }
    println!("    intact: {}", answer.body.get("intact").map(ToString::to_string).unwrap_or_default());
    Ok(answer)
}

fn show(answer: &Answer, fields: &[&str]) {
    println!("  < {}", answer.status);
    for name in fields {
        if let Some(value) = answer.body.get(*name) {
            println!("    {name:<20} {value}");
        }
    }
}

fn is(answer: &Answer, name: &str, value: &Value) -> bool {
    answer.body.get(name) == Some(value)
}

fn text(answer: &Answer, name: &str) -> String {
    answer.body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
