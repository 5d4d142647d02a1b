//! Transfers: made once of each authorization, moved along by banks, and sent back at any later time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use shared::clock::{Clock, Time};

use super::error::ApiError;
use super::event::Happened;
use super::proposal::{self, Proposal};
use super::schema::{self, text};
use super::{State, calendar, due, item, ledger, new_id, refund, shapes, time_text};

/// A description on a statement that an ACH entry has room for.
const ACH_DESCRIPTION: usize = 10;
/// A returned debit is presented again within this time.
const RETRIES_WITHIN: Duration = Duration::from_hours(180 * 24);
/// Business days after settlement: for returns, for those of customers, and until the hold ends.
const RETURN_WINDOW: u32 = 3;
const UNAUTHORIZED_WINDOW: u32 = 61;
pub(super) const HOLD: u32 = 5;
/// Returns after which Plaid takes nothing of the account any more: it is not there, or its holder said no.
const BLOCKING: &[&str] = &["R02", "R03", "R04", "R05", "R07", "R10", "R11", "R29", "R51"];

/// What became of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferStatus {
    /// Not yet with the network.
    Pending,
    /// With the network.
    Posted,
    /// The network has settled it.
    Settled,
    /// A debit's hold has ended.
    FundsAvailable,
    /// Called off in time.
    Cancelled,
    /// No money moved.
    Failed,
    /// Sent back.
    Returned,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Transfer {
    pub id: String,
    pub authorization: String,
    pub proposal: Proposal,
    pub description: String,
    pub metadata: BTreeMap<String, String>,
    pub status: TransferStatus,
    /// It was put before the bank.
    pub presented: bool,
    pub return_code: Option<String>,
    pub created: Time,
    /// Ids of its refunds, oldest first.
    pub refunds: Vec<String>,
    trace: Option<String>,
}

impl Transfer {
    /// Whether its money is there or on its way.
    pub fn is_alive(&self) -> bool {
        !matches!(self.status, TransferStatus::Cancelled | TransferStatus::Failed | TransferStatus::Returned)
    }

    fn failure(&self) -> Value {
        match (self.status, &self.return_code) {
            (TransferStatus::Returned, Some(code)) => returned_with(code),
            (TransferStatus::Failed, _) => {
                json!({ "failure_code": null, "ach_return_code": null, "description": "The transfer failed." })
            }
            _ => Value::Null,
        }
    }
}

/// The reason of a return.
pub(super) fn returned_with(code: &str) -> Value {
    let ach = item::is_return_code(code).then_some(code);
    json!({ "failure_code": code, "ach_return_code": ach, "description": format!("Returned with {code}.") })
}

/// `POST /transfer/create`.
pub(super) fn create(
    state: &mut State,
    clock: &Clock,
    client: &str,
    body: &Map<String, Value>,
) -> Result<Value, ApiError> {
    schema::check(shapes::TRANSFER, body)?;
    let item = item::find(state, client, body)?;
    let account = text(body, "account_id").unwrap_or_default();
    item.account(account)?;
    let id = text(body, "authorization_id").unwrap_or_default();
    let found = state.authorizations.get(id).filter(|known| known.proposal.client == client);
    let authorization = found.ok_or_else(|| ApiError::missing("the authorization"))?.clone();
    if authorization.proposal.account != account {
        return Err(ApiError::field("account_id is not the one that was authorized"));
    }
    // The authorization is the key: whatever the body says now, nothing is made a second time.
    if let Some(first) = authorization.transfer.as_ref().and_then(|first| state.transfers.get(first)) {
        return Ok(json!({ "transfer": view(state, first) }));
    }
    let now = clock.now();
    authorization.check(now)?;
    let proposal = agreed(authorization.proposal, body)?;
    let description = text(body, "description").unwrap_or_default();
    check_description(state, &proposal, description, now)?;
    if !proposal.is_debit() && proposal.amount > state.client(client)?.ledger.available {
        return Err(ApiError::field("amount exceeds the available balance of the ledger"));
    }
    let metadata = body.get("metadata").and_then(Value::as_object).into_iter().flatten();
    let metadata = metadata.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    let transfer = Transfer {
        id: new_id(),
        authorization: id.to_owned(),
        proposal,
        description: description.to_owned(),
        metadata,
        status: TransferStatus::Pending,
        presented: false,
        return_code: None,
        created: now,
        refunds: Vec::new(),
        trace: None,
    };
    begin(state, &transfer, now);
    Ok(json!({ "transfer": view(state, &transfer) }))
}

fn begin(state: &mut State, transfer: &Transfer, now: Time) {
    if let Some(authorization) = state.authorizations.get_mut(&transfer.authorization) {
        authorization.transfer = Some(transfer.id.clone());
    }
    let Proposal { client, amount, network, .. } = &transfer.proposal;
    if transfer.proposal.is_debit() {
        state.move_pending(client, *amount);
    } else {
        state.move_available(client, -amount);
    }
    state.due.insert((calendar::sending(network, now), due::Due::Posts(transfer.id.clone())));
    state.made.push(transfer.id.clone());
    state.transfers.insert(transfer.id.clone(), transfer.clone());
    tell(state, transfer, now);
}

/// What was authorized, with the amount that is wanted of it. Deprecated members may only say the same again.
fn agreed(proposal: Proposal, body: &Map<String, Value>) -> Result<Proposal, ApiError> {
    let amount = if body.contains_key("amount") { proposal::amount(body)? } else { proposal.amount };
    if amount > proposal.amount {
        return Err(ApiError::field("amount exceeds the authorized amount"));
    }
    let view = proposal.view();
    let differs = |name: &&&str| body.get(**name).is_some_and(|value| view.get(**name) != Some(value));
    match ["type", "network", "ach_class"].iter().find(differs) {
        Some(name) => Err(ApiError::field(&format!("{name} is not the one that was authorized"))),
        None => Ok(proposal.of(amount)),
    }
}

/// ACH has room for ten characters; `Retry 1` and `Retry 2` are for debits that came back for want of money.
fn check_description(state: &State, proposal: &Proposal, description: &str, now: Time) -> Result<(), ApiError> {
    if proposal::is_ach(&proposal.network) && description.chars().count() > ACH_DESCRIPTION {
        return Err(ApiError::field("description must be at most 10 characters"));
    }
    let oldest = now.minus(RETRIES_WITHIN);
    let came_back = |before: &dyn Fn(&str) -> bool| {
        state.transfers.values().any(|first| {
            let same = first.proposal.account == proposal.account
                && first.proposal.is_debit()
                && first.proposal.amount == proposal.amount;
            let for_money = matches!(first.return_code.as_deref(), Some("R01" | "R09"));
            same && for_money && first.created >= oldest && before(&first.description)
        })
    };
    let fine = match description {
        "Retry 1" => came_back(&|before| !before.starts_with("Retry ")),
        "Retry 2" => came_back(&|before| before == "Retry 1"),
        other => other.strip_prefix("Retry ").is_none_or(|count| !count.bytes().all(|byte| byte.is_ascii_digit())),
    };
    if fine { Ok(()) } else { Err(ApiError::field("description: there is no returned transfer to retry")) }
}

/// Whether a status may follow another.
fn follows(transfer: &Transfer, next: TransferStatus) -> bool {
    use TransferStatus::{Cancelled, Failed, FundsAvailable, Pending, Posted, Returned, Settled};
    match (transfer.status, next) {
        (Pending, Posted | Failed | Cancelled) | (Posted, Settled) | (Posted | Settled | FundsAvailable, Returned) => {
            true
        }
        (Settled, FundsAvailable) => transfer.proposal.is_debit(),
        // Where receivers refuse at once, nothing is sent back.
        (Posted, Failed) => transfer.proposal.network == "rtp",
        _ => false,
    }
}

/// Moves a transfer on, with a code if it is sent back. Whether that could be.
pub(super) fn move_to(state: &mut State, id: &str, next: TransferStatus, code: Option<&str>, at: Time) -> bool {
    let Some(transfer) = state.transfers.get_mut(id).filter(|transfer| follows(transfer, next)) else { return false };
    let was = transfer.status;
    transfer.status = next;
    transfer.return_code = code.map(str::to_owned).filter(|_| next == TransferStatus::Returned);
    if next == TransferStatus::Posted {
        transfer.presented = true;
        let digits = std::iter::repeat_with(|| fastrand::digit(10)).take(15);
        transfer.trace = Some(digits.collect());
    }
    let transfer = transfer.clone();
    account_for(state, &transfer, was);
    tell(state, &transfer, at);
    plan(state, &transfer, at);
    if !transfer.is_alive() {
        refund::call_off(state, id, at);
    }
    if transfer.return_code.as_deref().is_some_and(|code| BLOCKING.contains(&code)) {
        state.blocked.insert(transfer.proposal.account);
    }
    true
}

/// Moves the client's money.
fn account_for(state: &mut State, transfer: &Transfer, was: TransferStatus) {
    let Proposal { client, amount, .. } = &transfer.proposal;
    match (transfer.proposal.is_debit(), transfer.status) {
        (true, TransferStatus::FundsAvailable) => {
            state.move_pending(client, -amount);
            state.move_available(client, *amount);
        }
        (true, _) if transfer.is_alive() => {}
        (true, _) if was == TransferStatus::FundsAvailable => state.move_available(client, -amount),
        (true, _) => state.move_pending(client, -amount),
        (false, _) if transfer.is_alive() => {}
        (false, _) => state.move_available(client, *amount),
    }
}

/// What banks do next.
fn plan(state: &mut State, transfer: &Transfer, at: Time) {
    let Proposal { account, network, .. } = &transfer.proposal;
    let id = transfer.id.clone();
    match transfer.status {
        TransferStatus::Posted => {
            state.due.insert((calendar::settling(network, at), due::Due::Settles(id.clone())));
            let account = account.clone();
            if let Some((code, days)) = transfer.proposal.is_debit().then(|| coming_back(state, &account)).flatten() {
                let day = calendar::days_after(calendar::date(at), days);
                state.due.insert((calendar::at(day, calendar::MORNING).max(at), due::Due::Returns(id, code)));
            }
        }
        TransferStatus::Settled if transfer.proposal.is_debit() => {
            let day = calendar::days_after(calendar::date(at), HOLD);
            state.due.insert((calendar::at(day, calendar::AFTERNOON), due::Due::IsAvailable(id)));
        }
        _ => {}
    }
}

/// The return that waits for a debit of an account: one that was booked, else what the account's name says.
fn coming_back(state: &mut State, account: &str) -> Option<(String, u32)> {
    let booked = state.booked.get_mut(account).filter(|booked| !booked.is_empty());
    if let Some(booked) = booked {
        return Some(booked.remove(0));
    }
    state.account_mut(account)?.test_code().map(|code| (code.to_owned(), 2))
}

fn tell(state: &mut State, transfer: &Transfer, at: Time) {
    let event = json!(transfer.status);
    let kind = event.as_str().unwrap_or_default();
    state.tell(at, &Happened { kind, transfer, failure: transfer.failure(), refund: None });
}

/// The client's transfer.
pub(super) fn find<'a>(state: &'a State, client: &str, id: &str) -> Result<&'a Transfer, ApiError> {
    let found = state.transfers.get(id).filter(|transfer| transfer.proposal.client == client);
    found.ok_or_else(|| ApiError::missing("the transfer"))
}

/// `POST /transfer/get`, by the transfer's id or its authorization's.
pub(super) fn read(state: &State, client: &str, body: &Map<String, Value>) -> Result<Value, ApiError> {
    schema::check(shapes::TRANSFER_GET, body)?;
    ledger::own(state.client(client)?, body)?;
    let id = match (text(body, "transfer_id"), text(body, "authorization_id")) {
        (Some(id), None) => id,
        (None, Some(id)) => {
            let known = state.authorizations.get(id).and_then(|known| known.transfer.as_deref());
            known.ok_or_else(|| ApiError::missing("the transfer"))?
        }
        _ => {
            let message = "exactly one of these fields is required: transfer_id, authorization_id";
            return Err(ApiError::request("MISSING_FIELDS", message));
        }
    };
    Ok(json!({ "transfer": view(state, find(state, client, id)?) }))
}

/// `POST /transfer/cancel`.
pub(super) fn cancel(
    state: &mut State,
    clock: &Clock,
    client: &str,
    body: &Map<String, Value>,
) -> Result<Value, ApiError> {
    schema::check(shapes::TRANSFER_CANCEL, body)?;
    ledger::own(state.client(client)?, body)?;
    let id = find(state, client, text(body, "transfer_id").unwrap_or_default())?.id.clone();
    if move_to(state, &id, TransferStatus::Cancelled, None, clock.now()) {
        return Ok(json!({}));
    }
    Err(ApiError::transfer("TRANSFER_NOT_CANCELLABLE", "transfer is not cancellable"))
}

fn view(state: &State, transfer: &Transfer) -> Value {
    let network = &transfer.proposal.network;
    let settled = calendar::date(calendar::settling(network, calendar::sending(network, transfer.created)));
    let after = |days: u32| calendar::days_after(settled, days).to_string();
    let is_ach = proposal::is_ach(network);
    let held = (transfer.proposal.is_debit() && transfer.is_alive()).then(|| after(HOLD));
    let metadata = if transfer.metadata.is_empty() { Value::Null } else { json!(transfer.metadata) };
    let refunds: Vec<Value> = refund::of(state, &transfer.id).map(refund::view).collect();
    let own = json!({
        "id": transfer.id, "authorization_id": transfer.authorization, "description": transfer.description,
        "created": time_text(transfer.created), "status": transfer.status, "sweep_status": null,
        "cancellable": transfer.status == TransferStatus::Pending, "failure_reason": transfer.failure(),
        "metadata": metadata, "guarantee_decision": null, "guarantee_decision_rationale": null,
        "standard_return_window": is_ach.then(|| after(RETURN_WINDOW)),
        "unauthorized_return_window": is_ach.then(|| after(UNAUTHORIZED_WINDOW)),
        "expected_settlement_date": settled.to_string(), "expected_funds_available_date": held, "refunds": refunds,
        "recurring_transfer_id": null, "network_trace_id": transfer.trace,
    });
    let mut members = transfer.proposal.view();
    members.extend(own.as_object().cloned().unwrap_or_default());
    Value::Object(members)
}
