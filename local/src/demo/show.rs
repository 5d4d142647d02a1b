//! What the person who started the demo gets to see: requests, answers, and what held.
#![expect(clippy::print_stdout, reason = "it speaks to the person who started it")]

use reqwest::Method;
use serde_json::Value;

use super::DemoError;
use crate::client::{Answer, Client};
use crate::seed::{self, SeedError, TENANT};
use crate::stack::Stack;

/// What is shown of answers, in the order in which a person wants it.
pub(super) const INVOICE: &[&str] =
    &["invoice_id", "kind", "counterparty", "amount", "currency", "status", "approvals", "payments"];
pub(super) const CONFIRMATION: &[&str] = &[
    "success",
    "id",
    "invoice_id",
    "payment_id",
    "amount",
    "currency",
    "status",
    "paid_at",
    "payment_method",
    "expected_settlement_date",
    "confirmation_number",
    "approved_by",
];
pub(super) const REFUND: &[&str] =
    &["id", "payment_id", "amount", "currency", "status", "gateway_refund_id", "reason", "code", "detail", "remaining"];
pub(super) const PAYMENT: &[&str] = &["id", "payment_id", "amount", "status", "refunded", "refundable"];
pub(super) const SCHEDULE: &[&str] =
    &["id", "invoice_id", "status", "scheduled_date", "due_at", "amount", "currency", "payments"];
pub(super) const METHOD: &[&str] = &["id", "gateway", "kind", "owner", "brand", "status", "default"];
pub(super) const REFUSAL: &[&str] = &["status", "code", "detail", "payment_id", "request_id"];

/// Somebody of the tenant's, whose requests and answers are shown.
pub(super) struct Person {
    name: &'static str,
    client: Client,
}

impl Person {
    pub fn new(stack: &Stack, name: &'static str) -> Result<Self, DemoError> {
        Ok(Self { name, client: seed::client(stack, TENANT, name).map_err(SeedError::from)? })
    }

    pub async fn get(&self, path: &str, fields: &[&str]) -> Result<Answer, DemoError> {
        println!("  {} > GET {path}", self.name);
        let answer = self.client.get(path).await.map_err(SeedError::from)?;
        show(&answer, fields);
        Ok(answer)
    }

    /// Posts, under an Idempotency-Key where there is one.
    pub async fn post(
        &self,
        path: &str,
        key: Option<&str>,
        body: &Value,
        fields: &[&str],
    ) -> Result<Answer, DemoError> {
        let named = key.map(|key| format!("   Idempotency-Key: {key}")).unwrap_or_default();
        println!("  {} > POST {path}{named}\n    {body}", self.name);
        let answer = self.client.send(Method::POST, path, key, Some(body)).await.map_err(SeedError::from)?;
        show(&answer, fields);
        Ok(answer)
    }

    /// Waits until a webhook has told of something, and shows what is there then.
    pub async fn awaits(&self, path: &str, name: &str, value: &Value, fields: &[&str]) -> Result<Answer, DemoError> {
        for _ in 0..200 {
            let answer = self.client.get(path).await.map_err(SeedError::from)?;
            if is(&answer, name, value) {
                println!("  {} > GET {path}", self.name);
                show(&answer, fields);
                return Ok(answer);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Err(DemoError::Broken("the webhook arrives within ten seconds".to_owned()))
    }

    /// The audit trail of an invoice.
    pub async fn trail(&self, invoice: &str) -> Result<Answer, DemoError> {
        let path = format!("/invoices/{invoice}/audit");
        println!("  {} > GET {path}", self.name);
        let answer = self.client.get(&path).await.map_err(SeedError::from)?;
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
}

pub(super) fn heading(text: &str) {
    println!("\n── {text}");
}

/// A line of what happens elsewhere.
pub(super) fn line(text: &str) {
    println!("  {text}");
}

pub(super) fn holds(condition: bool, what: &str) -> Result<(), DemoError> {
    if !condition {
        return Err(DemoError::Broken(what.to_owned()));
    }
    println!("    ✓ {what}");
    Ok(())
}

pub(super) fn end() {
    println!("\nAll of it held.");
}

fn show(answer: &Answer, fields: &[&str]) {
    println!("  < {}", answer.status);
    for name in fields {
        if let Some(value) = answer.body.get(*name) {
            println!("    {name:<20} {value}");
        }
    }
}

pub(super) fn is(answer: &Answer, name: &str, value: &Value) -> bool {
    answer.body.get(name) == Some(value)
}

pub(super) fn text(answer: &Answer, name: &str) -> String {
    answer.body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
