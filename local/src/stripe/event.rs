//! Events: what changed in an account, as it was at that moment.

use serde_json::{Value, json};
use shared::clock::Clock;

use super::error::ApiError;
use super::form::Form;
use super::method::set;
use super::{State, new_id, page, signature};

/// The version that objects and events are rendered in.
pub(super) const API_VERSION: &str = "2026-08-26.dahlia";

/// What caused an event.
#[derive(Debug, Default)]
pub(super) struct Cause {
    /// `None`: nothing of the API.
    pub request_id: Option<String>,
    pub idempotency_key: Option<String>,
    /// What a browser calls itself, where it is one that asks, with a publishable key.
    pub browser: Option<String>,
}

impl State {
    /// Keeps a new event of `object`, and sends it to the account's endpoints.
    pub fn tell(&mut self, clock: &Clock, account: &str, kind: &str, object: &Value) {
        self.tell_data(clock, account, kind, json!({ "object": object }));
    }

    /// As [`State::tell`], with the former values of what changed.
    pub fn tell_change(&mut self, clock: &Clock, account: &str, kind: &str, object: &Value, previous: Value) {
        let mut data = json!({ "object": object });
        set(&mut data, "previous_attributes", previous);
        self.tell_data(clock, account, kind, data);
    }

    fn tell_data(&mut self, clock: &Clock, account: &str, kind: &str, data: Value) {
        let event = json!({
            "id": new_id("evt"), "object": "event", "api_version": API_VERSION, "created": clock.now().seconds(),
            "type": kind, "livemode": false, "pending_webhooks": 1,
            "request": { "id": self.cause.request_id, "idempotency_key": self.cause.idempotency_key }, "data": data,
        });
        self.post.send(account, &event, |_| true);
        self.events.entry(account.to_owned()).or_default().push(event);
    }
}

pub(super) fn list(state: &State, account: &str, form: &Form) -> Result<Value, ApiError> {
    let newest_first = state.events.get(account).into_iter().flatten().rev();
    page::page(form, "/v1/events", &["type"], newest_first)
}

/// An endpoint that all events of the account are sent to. Its secret is told only here.
pub(super) fn create_endpoint(state: &mut State, clock: &Clock, account: &str, form: &Form) -> Result<Value, ApiError> {
    form.only(&["url", "enabled_events[]", "api_version", "description", "metadata[]"])?;
    let url = form.required("url")?;
    if !url.starts_with("http") {
        return Err(ApiError::parameter("url_invalid", "url", "Invalid URL: an explicit scheme must be provided."));
    }
    let kinds: Vec<String> = form.members("enabled_events").into_values().collect();
    if kinds.is_empty() {
        let message = "Missing required param: enabled_events.";
        return Err(ApiError::parameter("parameter_missing", "enabled_events", message));
    }
    if kinds != ["*"] || form.text("api_version").is_some_and(|version| version != API_VERSION) {
        return Err(ApiError::request("The simulator sends all events (`*`), in its own version."));
    }
    let secret = new_id("whsec");
    state.post.add(clock.clone(), account, url, signature::seal(&secret));
    Ok(json!({
        "id": new_id("we"), "object": "webhook_endpoint", "api_version": form.text("api_version"),
        "application": null, "created": clock.now().seconds(), "description": form.text("description"),
        "enabled_events": kinds, "livemode": false, "metadata": form.members("metadata"), "secret": secret,
        "status": "enabled", "url": url,
    }))
}
