//! The client's money at Plaid: debits are pending until their hold ends, credits and refunds are paid out of what is
//! available. A return may take that below zero.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::schema::{self, text};
use super::{Client, State, money, new_id, shapes};

/// Amounts are in cents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ledger {
    pub id: String,
    pub available: i64,
    pub pending: i64,
}

impl Ledger {
    pub fn new() -> Self {
        Self { id: new_id(), available: 0, pending: 0 }
    }
}

impl State {
    /// The client of a request that was let in.
    pub fn client(&self, client: &str) -> Result<&Client, ApiError> {
        self.clients.get(client).ok_or_else(|| ApiError::status(500))
    }

    /// Money becomes available, or is no longer where `minor` is below zero.
    pub fn move_available(&mut self, client: &str, minor: i64) {
        if let Some(client) = self.clients.get_mut(client) {
            client.ledger.available = client.ledger.available.saturating_add(minor);
        }
    }

    /// Money is on its way in, or no longer where `minor` is below zero.
    pub fn move_pending(&mut self, client: &str, minor: i64) {
        if let Some(client) = self.clients.get_mut(client) {
            client.ledger.pending = client.ledger.pending.saturating_add(minor);
        }
    }
}

/// Refuses a ledger that is not the client's, and originators: there is one ledger, and no platform.
pub(super) fn own(client: &Client, body: &Map<String, Value>) -> Result<(), ApiError> {
    if text(body, "originator_client_id").is_some() {
        return Err(ApiError::transfer("TRANSFER_ORIGINATOR_NOT_FOUND", "the originator was not found"));
    }
    match text(body, "ledger_id") {
        Some(id) if id != client.ledger.id => Err(ApiError::field("ledger_id is not one of this client's ledgers")),
        _ => Ok(()),
    }
}

/// `POST /transfer/ledger/get`.
pub(super) fn read(state: &State, client: &str, body: &Map<String, Value>) -> Result<Value, ApiError> {
    schema::check(shapes::LEDGER, body)?;
    let client = state.client(client)?;
    own(client, body)?;
    let Ledger { id, available, pending } = &client.ledger;
    let balance = json!({ "available": money::text(*available), "pending": money::text(*pending) });
    Ok(json!({ "ledger_id": id, "name": "Default", "is_default": true, "balance": balance }))
}
