//! Which operation a path means. All of them are POST, those that read too.

use serde_json::{Map, Value, json};
use shared::clock::Clock;

use super::error::ApiError;
use super::keyring::Keyring;
use super::schema::{self, text};
use super::{State, authorization, event, item, ledger, link, refund, sandbox, shapes, transfer};

/// Executes a request of a client; the body is without the client's credentials.
pub(super) fn execute(
    state: &mut State,
    clock: &Clock,
    keyring: &Keyring,
    client: &str,
    path: &str,
    body: &Map<String, Value>,
) -> Result<Value, ApiError> {
    match path {
        "/sandbox/public_token/create" => item::create(state, clock, client, body),
        "/sandbox/item/reset_login" => item::reset(state, client, body),
        "/link/token/create" => link::create(state, clock, client, body),
        "/item/public_token/exchange" => item::exchange(state, clock, client, body),
        "/item/remove" => item::remove(state, client, body),
        "/accounts/get" => item::accounts(state, client, body),
        "/transfer/authorization/create" => authorization::create(state, clock, client, body),
        "/transfer/create" => transfer::create(state, clock, client, body),
        "/transfer/get" => transfer::read(state, client, body),
        "/transfer/cancel" => transfer::cancel(state, clock, client, body),
        "/transfer/refund/create" => refund::create(state, clock, client, body),
        "/transfer/refund/get" => refund::read(state, client, body),
        "/transfer/refund/cancel" => refund::cancel(state, clock, client, body),
        "/transfer/ledger/get" => ledger::read(state, client, body),
        "/transfer/event/sync" => event::sync(state, client, body),
        "/webhook_verification_key/get" => key(keyring, body),
        "/sandbox/transfer/simulate" => sandbox::simulate(state, clock, keyring, client, body),
        "/sandbox/transfer/refund/simulate" => sandbox::simulate_refund(state, clock, keyring, client, body),
        "/sandbox/transfer/fire_webhook" => sandbox::fire(state, clock, keyring, client, body),
        _ => Err(ApiError::status(404)),
    }
}

/// `POST /webhook_verification_key/get`.
fn key(keyring: &Keyring, body: &Map<String, Value>) -> Result<Value, ApiError> {
    schema::check(shapes::KEY_GET, body)?;
    let key = keyring.public(text(body, "key_id").unwrap_or_default());
    let message = "invalid key_id provided. note that key_ids are specific to Plaid environments";
    let key = key.ok_or_else(|| ApiError::input("INVALID_WEBHOOK_VERIFICATION_KEY_ID", message))?;
    Ok(json!({ "key": key }))
}
