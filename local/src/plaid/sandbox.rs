//! What only the Sandbox has: tests move transfers and refunds by HTTP, and ask for webhooks.

use serde_json::{Map, Value, json};
use shared::clock::Clock;

use super::error::ApiError;
use super::item;
use super::keyring::Keyring;
use super::refund::{self, RefundStatus};
use super::schema::{self, text};
use super::transfer::{self, TransferStatus};
use super::{State, event, shapes};

/// The code of a return that names none.
const USUAL_RETURN: &str = "R01";

/// `POST /sandbox/transfer/simulate`.
pub(super) fn simulate(
    state: &mut State,
    clock: &Clock,
    keyring: &Keyring,
    client: &str,
    body: &Map<String, Value>,
) -> Result<Value, ApiError> {
    schema::check(shapes::SIMULATE, body)?;
    let id = transfer::find(state, client, text(body, "transfer_id").unwrap_or_default())?.id.clone();
    let next = match text(body, "event_type") {
        Some("posted") => TransferStatus::Posted,
        Some("settled") => TransferStatus::Settled,
        Some("failed") => TransferStatus::Failed,
        Some("funds_available") => TransferStatus::FundsAvailable,
        _ => TransferStatus::Returned,
    };
    let code = code(body)?;
    if !transfer::move_to(state, &id, next, Some(&code), clock.now()) {
        return Err(ApiError::transition());
    }
    tell(state, clock, keyring, client, body)
}

/// `POST /sandbox/transfer/refund/simulate`.
pub(super) fn simulate_refund(
    state: &mut State,
    clock: &Clock,
    keyring: &Keyring,
    client: &str,
    body: &Map<String, Value>,
) -> Result<Value, ApiError> {
    schema::check(shapes::REFUND_SIMULATE, body)?;
    let id = refund::find(state, client, body)?.id.clone();
    let next = match text(body, "event_type") {
        Some("refund.posted") => RefundStatus::Posted,
        Some("refund.settled") => RefundStatus::Settled,
        Some("refund.failed") => RefundStatus::Failed,
        _ => RefundStatus::Returned,
    };
    let code = code(body)?;
    if !refund::move_to(state, &id, next, Some(&code), clock.now()) {
        return Err(ApiError::transition());
    }
    tell(state, clock, keyring, client, body)
}

fn code(body: &Map<String, Value>) -> Result<String, ApiError> {
    let reason = body.get("failure_reason");
    let of = |name: &str| reason.and_then(|reason| reason.get(name)).and_then(Value::as_str);
    let code = of("failure_code").or_else(|| of("ach_return_code")).unwrap_or(USUAL_RETURN);
    if item::is_return_code(code) { Ok(code.to_owned()) } else { Err(ApiError::field("failure_code is not known")) }
}

/// `POST /sandbox/transfer/fire_webhook`.
pub(super) fn fire(
    state: &mut State,
    clock: &Clock,
    keyring: &Keyring,
    client: &str,
    body: &Map<String, Value>,
) -> Result<Value, ApiError> {
    schema::check(shapes::FIRE_WEBHOOK, body)?;
    tell(state, clock, keyring, client, body)
}

/// Sends one webhook to the URL that a body names, if it does.
fn tell(
    state: &mut State,
    clock: &Clock,
    keyring: &Keyring,
    client: &str,
    body: &Map<String, Value>,
) -> Result<Value, ApiError> {
    let Some(url) = text(body, "webhook") else { return Ok(json!({})) };
    if !reqwest::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        return Err(ApiError::field("webhook must be a URL"));
    }
    // Beside the client's own endpoints: this URL is told now, and of nothing else.
    let once = format!("{client} on demand");
    state.post.add(clock.clone(), &once, url, keyring.seal());
    state.post.send_text(&once, &event::webhook(), |known| known == url);
    Ok(json!({}))
}
