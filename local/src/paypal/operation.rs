//! Which operation a method and a path mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use shared::clock::Clock;

use super::error::ApiError;
use super::notary::Notary;
use super::request_id::Rule;
use super::schema::{self, Violation};
use super::{State, capture, dispute, event, item, order, payout, refund, shapes, vault, webhook};

/// A request of an account, taken apart.
pub(super) struct Call {
    pub account: String,
    pub verb: Method,
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// Null where there is none.
    pub body: Value,
    /// `PayPal-Request-Id`.
    pub request_id: Option<String>,
    /// `Prefer: return=representation`.
    pub representation: bool,
}

/// What is answered.
pub(super) struct Answer {
    pub status: u16,
    pub body: Value,
    /// The id under which it is found again.
    pub made: Option<String>,
}

impl Call {
    fn parts(&self) -> Vec<&str> {
        self.path.trim_matches('/').split('/').collect()
    }

    /// Refuses parameters that the operation does not take.
    pub fn only_query(&self, known: &[&str]) -> Result<(), Violation> {
        match self.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, value)) => Err(Violation::query(name, value, "NOT_SUPPORTED")),
            None => Ok(()),
        }
    }

    /// A number from 1 to `max`.
    pub fn number(&self, name: &str, default: usize, max: usize) -> Result<usize, Violation> {
        let Some(text) = self.query.get(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| (1..=max).contains(number));
        number.ok_or_else(|| Violation::query(name, text, "INVALID_PARAMETER_VALUE"))
    }

    /// How the request keeps ids, if it does.
    pub fn rule(&self) -> Option<Rule> {
        match (self.verb.as_str(), self.parts().as_slice()) {
            ("POST", ["v2", "checkout", "orders"]) => Some(Rule::Order),
            ("POST", ["v2", "checkout", "orders", _, "capture"]) => Some(Rule::Capture),
            ("POST", ["v2", "payments", "captures", _, "refund"]) => Some(Rule::Refund),
            ("POST", ["v3", "vault", "setup-tokens"]) => Some(Rule::SetupToken),
            ("POST", ["v3", "vault", "payment-tokens"]) => Some(Rule::PaymentToken),
            _ => None,
        }
    }

    /// Whether `PayPal-Mock-Response` is heard.
    pub fn is_mockable(&self) -> bool {
        matches!(self.parts().as_slice(), ["v2", "checkout" | "payments", ..])
    }
}

/// Executes a request.
pub(super) fn execute(
    state: &mut State,
    clock: &Clock,
    notary: impl FnOnce() -> Option<Arc<Notary>>,
    call: &Call,
) -> Result<Answer, ApiError> {
    let account = call.account.as_str();
    let parts = call.parts();
    match (call.verb.as_str(), parts.as_slice()) {
        ("POST", ["v2", "checkout", "orders"]) => return order::create(state, clock, call),
        ("POST", ["v2", "checkout", "orders", id, "capture"]) => return order::capture(state, clock, call, id),
        ("POST", ["v2", "payments", "captures", id, "refund"]) => return refund::create(state, clock, call, id),
        ("POST", ["v1", "payments", "payouts"]) => return payout::create(state, clock, call),
        ("POST", ["v3", "vault", "setup-tokens"]) => return vault::create_setup(state, clock, call),
        ("POST", ["v3", "vault", "payment-tokens"]) => return vault::create_token(state, clock, call),
        ("POST", ["v1", "notifications", "webhooks"]) => return webhook::create(state, clock, notary(), call),
        ("POST", ["v1", "notifications", "webhooks-events", id, "resend"]) => {
            if call.body.get("webhook_ids").is_none() {
                nothing(call)?;
            }
            return Ok(Answer { status: 202, body: event::resend(state, account, id)?, made: None });
        }
        ("DELETE", ["v1", "notifications", "webhooks", id]) => {
            webhook::delete(state, account, id)?;
            return Ok(Answer { status: 204, body: Value::Null, made: None });
        }
        ("DELETE", ["v3", "vault", "payment-tokens", id]) => {
            vault::delete(state, clock, account, id);
            return Ok(Answer { status: 204, body: Value::Null, made: None });
        }
        _ => {}
    }
    if matches!(parts.as_slice(), ["v2", "checkout", "orders", _]) {
        call.only_query(&["fields"]).map_err(|violation| ApiError::schema(&[violation]))?;
    } else if matches!(parts.as_slice(), ["v2", ..] | ["v3", "vault", _, _]) {
        call.only_query(&[]).map_err(|violation| ApiError::schema(&[violation]))?;
    }
    let body = match (call.verb.as_str(), parts.as_slice()) {
        ("POST", ["v1", "payments", "payouts-item", id, "cancel"]) => {
            nothing(call)?;
            item::cancel(state, clock, account, id)
        }
        ("GET", ["v1", "payments", "payouts", id]) => payout::read(state, call, id),
        ("GET", ["v1", "payments", "payouts-item", id]) => item::read(state, account, id),
        ("GET", ["v2", "checkout", "orders", id]) => order::read(state, clock, account, id, true),
        ("GET", ["v2", "payments", "captures", id]) => {
            capture::find(state, account, id).map(|capture| capture::view(state, capture, true))
        }
        ("GET", ["v2", "payments", "refunds", id]) => refund::read(state, account, id, true),
        ("GET", ["v3", "vault", "setup-tokens", id]) => vault::read_setup(state, clock, account, id),
        ("GET", ["v3", "vault", "payment-tokens"]) => vault::list(state, call),
        ("GET", ["v3", "vault", "payment-tokens", id]) => vault::read_token(state, account, id),
        ("GET", ["v1", "notifications", "webhooks"]) => Ok(webhook::list(state, account)),
        ("GET", ["v1", "notifications", "webhooks", id]) => webhook::read(state, account, id),
        ("GET", ["v1", "notifications", "webhooks-events"]) => event::list(state, clock, call),
        ("GET", ["v1", "notifications", "webhooks-events", id]) => event::read(state, account, id),
        ("GET", ["v1", "customer", "disputes"]) => dispute::search(state, call),
        ("GET", ["v1", "customer", "disputes", id]) => dispute::read(state, account, id),
        _ => Err(ApiError::status(404)),
    };
    body.map(|body| Answer { status: 200, body, made: None })
}

/// A body that must be empty, or an empty object.
fn nothing(call: &Call) -> Result<(), ApiError> {
    let body = if call.body.is_null() { json!({}) } else { call.body.clone() };
    let violations = schema::check(&shapes::NOTHING, &body);
    if violations.is_empty() { Ok(()) } else { Err(ApiError::schema(&violations)) }
}

/// What was made under an id before, as it is now.
pub(super) fn replay(state: &State, clock: &Clock, call: &Call, rule: Rule, made: &str) -> Result<Answer, ApiError> {
    let account = call.account.as_str();
    let body = match rule {
        Rule::Order | Rule::Capture => order::read(state, clock, account, made, call.representation),
        Rule::Refund => refund::read(state, account, made, call.representation),
        Rule::SetupToken => vault::read_setup(state, clock, account, made),
        Rule::PaymentToken => vault::read_token(state, account, made),
    };
    body.map(|body| Answer { status: 200, body, made: None })
}
