//! The demo: an approved invoice is paid, and everything that can be seen of it is shown and checked.
#![expect(clippy::print_stdout, reason = "it speaks to the person who started it")]

use serde_json::{Value, json};

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

    heading("The invoice now, and its audit trail");
    let invoice = get(&clerk, "/invoices/INV-2025-001", INVOICE).await?;
    holds(is(&invoice, "status", &json!("paid")), "the invoice is paid")?;
    let trail = trail(&clerk, "/invoices/INV-2025-001/audit").await?;
    holds(is(&trail, "intact", &json!(true)), "the chain of the audit trail is intact")?;

    heading("What Stripe's books say");
    let books = stack.stripe.books("acct_acme");
    let ours: Vec<_> = books
        .iter()
        .filter(|entry| entry.metadata.get("payment_id").is_some_and(|id| *id == text(&paid, "id")))
        .collect();
    for entry in &ours {
        println!("    {}  {} {}  {}", entry.id, entry.amount, entry.currency, entry.status);
    }
    holds(ours.len() == 1 && ours.iter().all(|entry| entry.amount == 50_000), "one charge of 500.00 USD")?;
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

async fn trail(client: &Client, path: &str) -> Result<Answer, DemoError> {
    println!("  clerk > GET {path}");
    let answer = client.get(path).await.map_err(SeedError::from)?;
    for entry in answer.body.get("entries").and_then(Value::as_array).into_iter().flatten() {
        let of = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let status = entry.pointer("/changes/status").map(ToString::to_string).unwrap_or_default();
        let hash = of("hash");
        println!(
            "    {}  {}  {:<18} {:<8} {:<22} {}…",
            entry.get("seq").map(ToString::to_string).unwrap_or_default(),
            of("at"),
            of("user_id"),
            of("action"),
            status,
            hash.get(..12).unwrap_or_default()
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
