//! Refunds of debits, in part or whole, out of what is available on the ledger.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use shared::clock::{Clock, Time};

use super::error::ApiError;
use super::event::Happened;
use super::proposal;
use super::schema::{self, text};
use super::transfer::{self, Transfer, TransferStatus};
use super::{State, calendar, due, money, new_id, shapes, time_text};

/// A transfer can't be refunded after this.
const LIMIT: Duration = Duration::from_hours(180 * 24);

/// What became of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// Not yet with the network.
    Pending,
    /// With the network.
    Posted,
    /// The user has it.
    Settled,
    /// Called off in time.
    Cancelled,
    /// No money moved.
    Failed,
    /// Sent back.
    Returned,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Refund {
    pub id: String,
    pub client: String,
    pub transfer: String,
    /// In cents.
    pub amount: i64,
    pub status: RefundStatus,
    pub return_code: Option<String>,
    ledger: String,
    created: Time,
}

impl Refund {
    /// Whether its money is gone, or on its way.
    pub fn is_alive(&self) -> bool {
        matches!(self.status, RefundStatus::Pending | RefundStatus::Posted | RefundStatus::Settled)
    }

    fn failure(&self) -> Value {
        match (self.status, &self.return_code) {
            (RefundStatus::Returned, Some(code)) => transfer::returned_with(code),
            (RefundStatus::Failed, _) => {
                json!({ "failure_code": null, "ach_return_code": null, "description": "The refund failed." })
            }
            _ => Value::Null,
        }
    }
}

/// `POST /transfer/refund/create`.
pub(super) fn create(
    state: &mut State,
    clock: &Clock,
    client: &str,
    body: &Map<String, Value>,
) -> Result<Value, ApiError> {
    schema::check(shapes::REFUND, body)?;
    let key = format!("{client} {}", text(body, "idempotency_key").unwrap_or_default());
    if let Some(first) = state.refund_keys.get(&key).and_then(|id| state.refunds.get(id)) {
        return Ok(json!({ "refund": view(first) }));
    }
    let now = clock.now();
    let transfer = transfer::find(state, client, text(body, "transfer_id").unwrap_or_default())?.clone();
    let amount = proposal::amount(body)?;
    check(state, &transfer, amount, now)?;
    let refund = Refund {
        id: new_id(),
        client: client.to_owned(),
        transfer: transfer.id.clone(),
        amount,
        status: RefundStatus::Pending,
        return_code: None,
        ledger: transfer.proposal.ledger.clone(),
        created: now,
    };
    state.move_available(client, -amount);
    state.refund_keys.insert(key, refund.id.clone());
    state.due.insert((calendar::sending("ach", now), due::Due::RefundPosts(refund.id.clone())));
    if let Some(transfer) = state.transfers.get_mut(&refund.transfer) {
        transfer.refunds.push(refund.id.clone());
    }
    state.refunds.insert(refund.id.clone(), refund.clone());
    tell(state, &refund, now);
    Ok(json!({ "refund": view(&refund) }))
}

/// The key that a refund was made under.
pub(super) fn key<'a>(state: &'a State, refund: &Refund) -> Option<&'a str> {
    let (key, _) = state.refund_keys.iter().find(|(_, id)| **id == refund.id)?;
    key.strip_prefix(&refund.client)?.strip_prefix(' ')
}

/// Whether so much may be refunded now.
fn check(state: &State, transfer: &Transfer, amount: i64, now: Time) -> Result<(), ApiError> {
    if !transfer.proposal.is_debit() {
        return Err(ApiError::field("only debit transfers can be refunded"));
    }
    if !transfer.is_alive() {
        return Err(ApiError::field("a cancelled, failed or returned transfer can't be refunded"));
    }
    if now > transfer.created.plus(LIMIT) {
        return Err(ApiError::field("the transfer was initiated more than 180 days ago"));
    }
    let refunded: i64 = of(state, &transfer.id).filter(|refund| refund.is_alive()).map(|refund| refund.amount).sum();
    if amount > transfer.proposal.amount.saturating_sub(refunded) {
        return Err(ApiError::field("amount exceeds what remains of the transfer"));
    }
    if amount > state.client(&transfer.proposal.client)?.ledger.available {
        return Err(ApiError::field("amount exceeds the available balance of the ledger"));
    }
    Ok(())
}

/// A transfer's refunds, oldest first.
pub(super) fn of<'a>(state: &'a State, transfer: &str) -> impl Iterator<Item = &'a Refund> {
    let ids = state.transfers.get(transfer).into_iter().flat_map(|transfer| &transfer.refunds);
    ids.filter_map(|id| state.refunds.get(id))
}

/// Whether a status may follow another; nothing is posted before the transfer has settled.
fn follows(state: &State, refund: &Refund, next: RefundStatus) -> bool {
    use RefundStatus::{Cancelled, Failed, Pending, Posted, Returned, Settled};
    let settled = || {
        let transfer = state.transfers.get(&refund.transfer);
        let status = transfer.map(|transfer| transfer.status);
        matches!(status, Some(TransferStatus::Settled | TransferStatus::FundsAvailable))
    };
    match (refund.status, next) {
        (Pending, Posted) => settled(),
        (Pending, Failed | Cancelled) | (Posted, Settled) | (Posted | Settled, Returned) => true,
        _ => false,
    }
}

/// Moves a refund on, with a code if it is sent back. Whether that could be.
pub(super) fn move_to(state: &mut State, id: &str, next: RefundStatus, code: Option<&str>, at: Time) -> bool {
    let Some(refund) = state.refunds.get(id).filter(|refund| follows(state, refund, next)) else { return false };
    let return_code = code.map(str::to_owned).filter(|_| next == RefundStatus::Returned);
    let refund = Refund { status: next, return_code, ..refund.clone() };
    state.refunds.insert(id.to_owned(), refund.clone());
    if !refund.is_alive() {
        state.move_available(&refund.client, refund.amount);
    }
    if next == RefundStatus::Posted {
        state.due.insert((calendar::settling("ach", at), due::Due::RefundSettles(id.to_owned())));
    }
    tell(state, &refund, at);
    true
}

/// Refunds that have not been sent end with their transfer.
pub(super) fn call_off(state: &mut State, transfer: &str, at: Time) {
    let waiting = of(state, transfer).filter(|refund| refund.status == RefundStatus::Pending);
    for id in waiting.map(|refund| refund.id.clone()).collect::<Vec<_>>() {
        move_to(state, &id, RefundStatus::Cancelled, None, at);
    }
}

fn tell(state: &mut State, refund: &Refund, at: Time) {
    let status = json!(refund.status);
    let kind = format!("refund.{}", status.as_str().unwrap_or_default());
    let Some(transfer) = state.transfers.get(&refund.transfer).cloned() else { return };
    let happened = Happened { kind: &kind, transfer: &transfer, failure: refund.failure(), refund: Some(&refund.id) };
    state.tell(at, &happened);
}

/// The client's refund.
pub(super) fn find<'a>(state: &'a State, client: &str, body: &Map<String, Value>) -> Result<&'a Refund, ApiError> {
    let id = text(body, "refund_id").unwrap_or_default();
    let found = state.refunds.get(id).filter(|refund| refund.client == client);
    found.ok_or_else(|| ApiError::missing("the refund"))
}

/// `POST /transfer/refund/get`.
pub(super) fn read(state: &State, client: &str, body: &Map<String, Value>) -> Result<Value, ApiError> {
    schema::check(shapes::REFUND_ID, body)?;
    Ok(json!({ "refund": view(find(state, client, body)?) }))
}

/// `POST /transfer/refund/cancel`.
pub(super) fn cancel(
    state: &mut State,
    clock: &Clock,
    client: &str,
    body: &Map<String, Value>,
) -> Result<Value, ApiError> {
    schema::check(shapes::REFUND_ID, body)?;
    let id = find(state, client, body)?.id.clone();
    if move_to(state, &id, RefundStatus::Cancelled, None, clock.now()) {
        return Ok(json!({}));
    }
    Err(ApiError::transfer("TRANSFER_NOT_CANCELLABLE", "refund is not cancellable"))
}

pub(super) fn view(refund: &Refund) -> Value {
    json!({
        "id": refund.id, "transfer_id": refund.transfer, "amount": money::text(refund.amount),
        "status": refund.status, "failure_reason": refund.failure(), "ledger_id": refund.ledger,
        "created": time_text(refund.created), "network_trace_id": null,
    })
}
