//! Events: what changed in an account, as it was at that moment.

use serde_json::{Value, json};
use shared::clock::Clock;

use super::method::set;
use super::{State, new_id};

/// The version that objects and events are rendered in.
pub(super) const API_VERSION: &str = "2026-08-26.dahlia";

/// What caused an event.
#[derive(Debug, Default)]
pub(super) struct Cause {
    /// `None`: nothing of the API.
    pub request_id: Option<String>,
    pub idempotency_key: Option<String>,
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
        self.post.send(account, &event);
        self.events.entry(account.to_owned()).or_default().push(event);
    }
}
