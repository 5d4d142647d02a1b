//! Webhooks: where an app wants to be told of which events.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::clock::Clock;

use super::error::ApiError;
use super::notary::Notary;
use super::operation::{Answer, Call};
use super::schema::{self, text};
use super::{State, link, new_id, shapes};

/// An app has no more than these.
const MAX: usize = 10;

/// A registered webhook.
#[derive(Clone, Debug)]
pub(super) struct Webhook {
    pub id: String,
    pub account: String,
    pub url: String,
    /// Names of events, or `*`.
    pub events: Vec<String>,
}

impl Webhook {
    /// Whether it is told of an event.
    pub fn wants(&self, event: &str) -> bool {
        self.events.iter().any(|name| name == "*" || name == event)
    }
}

/// Adds a webhook; another id for the same URL takes the place of the one before.
pub(super) fn add(state: &mut State, clock: &Clock, notary: Arc<Notary>, webhook: Webhook) {
    let seal = notary.seal(&state.base, &webhook.id);
    state.post.add(clock.clone(), &webhook.account, &webhook.url, seal);
    state.webhooks.retain(|other| other.account != webhook.account || other.url != webhook.url);
    state.webhooks.push(webhook);
}

/// `POST /v1/notifications/webhooks`.
pub(super) fn create(
    state: &mut State,
    clock: &Clock,
    notary: Option<Arc<Notary>>,
    call: &Call,
) -> Result<Answer, ApiError> {
    let violations = schema::check(&shapes::WEBHOOK, &call.body);
    if !violations.is_empty() {
        return Err(ApiError::schema(&violations));
    }
    let url = text(&call.body, "/url").unwrap_or_default();
    if !is_allowed(url) {
        return Err(ApiError::field("INVALID_PARAMETER_VALUE", "/url", url));
    }
    let mine = || state.webhooks.iter().filter(|webhook| webhook.account == call.account);
    if mine().any(|webhook| webhook.url == url) {
        let mut error = ApiError::status(400);
        rename(&mut error, "WEBHOOK_URL_ALREADY_EXISTS", "Webhook URL already exists");
        return Err(error);
    }
    if mine().count() >= MAX {
        let mut error = ApiError::status(400);
        rename(&mut error, "WEBHOOK_NUMBER_LIMIT_EXCEEDED", "You have reached maximum number of webhooks allowed");
        return Err(error);
    }
    let names = call.body.get("event_types").and_then(Value::as_array).into_iter().flatten();
    let events: Vec<String> = names.filter_map(|kind| text(kind, "/name")).map(str::to_owned).collect();
    let webhook = Webhook { id: new_id(17), account: call.account.clone(), url: url.to_owned(), events };
    let Some(notary) = notary else { return Err(ApiError::status(500)) };
    let body = view(state, &webhook);
    add(state, clock, notary, webhook);
    Ok(Answer { status: 201, body, made: None })
}

fn rename(error: &mut ApiError, name: &str, message: &str) {
    if let Some(members) = error.body.as_object_mut() {
        members.insert("name".to_owned(), json!(name));
        members.insert("message".to_owned(), json!(message));
    }
}

/// Only `https`; on this machine itself, other than at PayPal, `http` will do.
fn is_allowed(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    url.scheme() == "https" || matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

pub(super) fn list(state: &State, account: &str) -> Value {
    let mine = state.webhooks.iter().filter(|webhook| webhook.account == account);
    json!({ "webhooks": mine.map(|webhook| view(state, webhook)).collect::<Vec<_>>() })
}

pub(super) fn read(state: &State, account: &str, id: &str) -> Result<Value, ApiError> {
    let found = state.webhooks.iter().find(|webhook| webhook.account == account && webhook.id == id);
    found.map(|webhook| view(state, webhook)).ok_or_else(ApiError::missing)
}

/// Its URL is told of nothing any more.
pub(super) fn delete(state: &mut State, account: &str, id: &str) -> Result<(), ApiError> {
    read(state, account, id)?;
    state.webhooks.retain(|webhook| webhook.account != account || webhook.id != id);
    Ok(())
}

fn view(state: &State, webhook: &Webhook) -> Value {
    let path = format!("/v1/notifications/webhooks/{}", webhook.id);
    let events: Vec<Value> = webhook.events.iter().map(|name| json!({ "name": name, "status": "ENABLED" })).collect();
    let links = [link(&state.base, &path, "self", "GET"), link(&state.base, &path, "delete", "DELETE")];
    json!({ "id": webhook.id, "url": webhook.url, "event_types": events, "links": links })
}
