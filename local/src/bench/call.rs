//! Calls of the functions, each from its sample event, as Lambda makes them.

use std::time::{Duration, Instant};

use axum::Router;
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Service};
use serde_json::{Value, json};
use shared::app::App;
use shared::clock::Clock;

use super::BenchError;
use crate::seed::{ADMIN, WEBHOOK_SECRET};
use crate::stripe::sign;

const PAY: &str = include_str!("../../../events/pay.json");
const REFUND: &str = include_str!("../../../events/refund.json");
const SWEEP: &str = include_str!("../../../events/sweep.json");
const WEBHOOK: &str = include_str!("../../../events/webhook.json");

/// The amount that a refund gives back.
const PART: u32 = 12_500;

/// A call that was answered as it should be.
#[derive(Debug)]
pub(super) struct Done {
    pub took: Duration,
    /// The body of the answer.
    pub answer: Value,
}

/// Pays an invoice; `status` is 201 where that is known to have happened.
pub(super) async fn pay(app: App, invoice: String, status: u64) -> Result<Done, BenchError> {
    hand(pay::router(app), paying(&invoice)?, &invoice, status).await
}

/// Gives a part of a payment back.
pub(super) async fn refund(app: App, payment: Value) -> Result<Done, BenchError> {
    let invoice = text(&payment, "/invoice_id");
    let body = json!({ "payment_id": payment.get("id"), "invoice_id": invoice, "amount": PART });
    hand(refund::router(app), asking(REFUND, &invoice, &body)?, &invoice, 201).await
}

/// Delivers an event of Stripe's; all of it must be new.
pub(super) async fn deliver(app: App, event: Value) -> Result<Done, BenchError> {
    let sample = signed(event.to_string())?;
    let what = format!("{} {}", text(&event, "/type"), text(&event, "/id"));
    let done = hand(webhook::router(app), sample, &what, 200).await?;
    if done.answer.get("status") == Some(&json!("done")) {
        return Ok(done);
    }
    Err(BenchError::Answered { what, status: 200, body: done.answer.to_string() })
}

/// The text at a place of a value.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The event of a payment.
pub(super) fn paying(invoice: &str) -> Result<Value, BenchError> {
    asking(PAY, invoice, &json!({ "invoice_id": invoice, "payment_method": "stripe" }))
}

/// The event of a request of the admin's that only reads.
pub(super) fn reading(path: &str) -> Result<Value, BenchError> {
    let route = format!("GET {path}");
    let values = [
        ("/routeKey", route.clone()),
        ("/requestContext/routeKey", route),
        ("/rawPath", path.to_owned()),
        ("/requestContext/http/path", path.to_owned()),
        ("/requestContext/http/method", "GET".to_owned()),
        ("/body", String::new()),
    ];
    filled(PAY, values)
}

/// The event of a webhook: the sample, signed now.
pub(super) fn delivering() -> Result<Value, BenchError> {
    signed(text(&serde_json::from_str(WEBHOOK)?, "/body"))
}

/// The event that starts the executor every quarter of an hour.
pub(super) fn sweep() -> Result<Value, BenchError> {
    Ok(serde_json::from_str(SWEEP)?)
}

fn signed(body: String) -> Result<Value, BenchError> {
    let signature = sign(WEBHOOK_SECRET, Clock::system().now(), body.as_bytes());
    filled(WEBHOOK, [("/body", body), ("/headers/stripe-signature", signature)])
}

/// The event of a request of the admin's about an invoice.
fn asking(sample: &str, invoice: &str, body: &Value) -> Result<Value, BenchError> {
    filled(
        sample,
        [
            ("/body", body.to_string()),
            ("/headers/idempotency-key", format!("bench-{invoice}")),
            ("/requestContext/authorizer/jwt/claims/sub", ADMIN.to_owned()),
        ],
    )
}

fn filled<const N: usize>(sample: &str, values: [(&str, String); N]) -> Result<Value, BenchError> {
    let mut event: Value = serde_json::from_str(sample)?;
    for (pointer, value) in values {
        if let Some(place) = event.pointer_mut(pointer) {
            *place = json!(value);
        }
    }
    Ok(event)
}

async fn hand(router: Router, event: Value, what: &str, status: u64) -> Result<Done, BenchError> {
    let request: LambdaRequest = serde_json::from_value(event)?;
    let mut context = Context::default();
    context.request_id = uuid::Uuid::new_v4().to_string();
    let started = Instant::now();
    let call = Adapter::from(router).call(LambdaEvent::new(request, context));
    let Ok(answer) = call.await;
    let took = started.elapsed();
    let answer = serde_json::to_value(answer)?;
    let body = text(&answer, "/body");
    let answered = answer.get("statusCode").and_then(Value::as_u64).unwrap_or_default();
    if answered == status {
        return Ok(Done { took, answer: serde_json::from_str(&body)? });
    }
    Err(BenchError::Answered { what: what.to_owned(), status: answered, body })
}
