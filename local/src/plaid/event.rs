//! Events: what changed, one after the other for each client; and the webhook that says no more than that.

use serde_json::{Map, Value, json};
use shared::clock::Time;

use super::error::ApiError;
use super::transfer::Transfer;
use super::{State, money, schema, shapes, time_text};

/// How many events are given at once, unless more are asked for.
const PAGE: u64 = 100;

/// What happened to a transfer, or to a refund of it.
pub(super) struct Happened<'a> {
    pub kind: &'a str,
    pub transfer: &'a Transfer,
    /// Null where nothing failed.
    pub failure: Value,
    pub refund: Option<&'a str>,
}

impl State {
    /// Keeps a new event, and tells the client's webhooks that there is one.
    pub fn tell(&mut self, at: Time, happened: &Happened<'_>) {
        let proposal = happened.transfer.proposal.view();
        let of = |name: &str| proposal.get(name).cloned().unwrap_or_default();
        let client = &happened.transfer.proposal.client;
        let events = self.events.entry(client.clone()).or_default();
        events.push(json!({
            "event_id": events.len().saturating_add(1), "timestamp": time_text(at), "event_type": happened.kind,
            "account_id": of("account_id"), "funding_account_id": of("funding_account_id"),
            "ledger_id": of("ledger_id"), "transfer_id": happened.transfer.id, "origination_account_id": null,
            "transfer_type": of("type"), "transfer_amount": money::text(happened.transfer.proposal.amount),
            "failure_reason": happened.failure, "sweep_id": null, "sweep_amount": null,
            "refund_id": happened.refund, "originator_client_id": null, "intent_id": null, "wire_return_fee": null,
        }));
        self.post.send_text(client, &webhook(), |_| true);
    }
}

/// The body of every webhook of Transfer, indented as Plaid's are: its hash is signed.
pub(super) fn webhook() -> String {
    let members = ["webhook_type", "webhook_code", "environment"];
    let values = ["TRANSFER", "TRANSFER_EVENTS_UPDATE", "sandbox"];
    let lines: Vec<String> =
        members.iter().zip(values).map(|(name, value)| format!("  \"{name}\": \"{value}\"")).collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

/// `POST /transfer/event/sync`: what came after an event.
pub(super) fn sync(state: &State, client: &str, body: &Map<String, Value>) -> Result<Value, ApiError> {
    schema::check(shapes::SYNC, body)?;
    let number = |name: &str| body.get(name).and_then(Value::as_u64);
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let (after, count) = (size(number("after_id").unwrap_or(0)), size(number("count").unwrap_or(PAGE)));
    let all = state.events.get(client).map_or(&[][..], Vec::as_slice);
    let page: Vec<&Value> = all.iter().skip(after).take(count).collect();
    let has_more = all.len() > after.saturating_add(page.len());
    Ok(json!({ "transfer_events": page, "has_more": has_more }))
}
