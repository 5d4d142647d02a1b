//! Authorizations: whether a transfer may be made, decided as the Sandbox decides, and kept under their keys.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use shared::clock::{Clock, Time};

use super::error::ApiError;
use super::item::{self, Account};
use super::proposal::Proposal;
use super::schema::{self, text};
use super::{Client, State, ledger, new_id, shapes, time_text};

/// It is used within this time.
const LIFETIME: Duration = Duration::from_hours(1);
/// Its key is kept for this time.
const KEY_LIFETIME: Duration = Duration::from_hours(48);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Approved,
    Declined,
    UserActionRequired,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Authorization {
    pub id: String,
    pub proposal: Proposal,
    decision: Decision,
    /// Why, where there is something to say.
    rationale: Option<String>,
    created: Time,
    /// The transfer that was made of it.
    pub transfer: Option<String>,
}

impl Authorization {
    /// Whether a transfer may be made of it now.
    pub fn check(&self, now: Time) -> Result<(), ApiError> {
        match self.decision {
            Decision::Approved if now > self.created.plus(LIFETIME) => {
                Err(ApiError::field("the authorization has expired"))
            }
            Decision::Approved => Ok(()),
            _ => Err(ApiError::field("the authorization was not approved")),
        }
    }
}

/// What rationales say, with the decisions that they come with.
const RATIONALES: &[(&str, Decision, &str)] = &[
    ("NSF", Decision::Declined, "The available balance is too low for the transfer."),
    ("RISK", Decision::Declined, "The transfer is of high risk."),
    ("TRANSFER_LIMIT_REACHED", Decision::Declined, "A limit of transfers has been reached."),
    ("MANUALLY_VERIFIED_ITEM", Decision::Approved, "The Item was verified by hand: its balance is not known."),
    ("ITEM_LOGIN_REQUIRED", Decision::Approved, "The Item is stale: its balance is not known."),
    ("MIGRATED_ACCOUNT_ITEM", Decision::Approved, "The account was migrated: its balance is not known."),
    ("ERROR", Decision::Approved, "The balance could not be read."),
];

/// A rationale that is known.
pub(super) fn rationale(code: &str) -> Option<String> {
    RATIONALES.iter().find(|(known, ..)| *known == code).map(|(known, ..)| (*known).to_owned())
}

/// `POST /transfer/authorization/create`.
pub(super) fn create(
    state: &mut State,
    clock: &Clock,
    client: &str,
    body: &Map<String, Value>,
) -> Result<Value, ApiError> {
    schema::check(shapes::AUTHORIZATION, body)?;
    let now = clock.now();
    let key = text(body, "idempotency_key").map(|key| format!("{client} {key}"));
    if let Some(known) = key.as_ref().and_then(|key| kept(state, key, now)) {
        return Ok(view(known));
    }
    let caller = state.client(client)?;
    ledger::own(caller, body)?;
    let item = item::find(state, client, body)?;
    let account = item.account(text(body, "account_id").unwrap_or_default())?;
    if !account.is_transferable() {
        let message = "the account type is not supported for transfers";
        return Err(ApiError::transfer("TRANSFER_UNSUPPORTED_ACCOUNT_TYPE", message));
    }
    let proposal = Proposal::read(client, caller, body)?;
    if state.blocked.contains(&account.id) {
        let message = "transfer was blocked due to a previous ACH return on this account";
        return Err(ApiError::transfer("TRANSFER_ACCOUNT_BLOCKED", message));
    }
    let (decision, rationale) = match item.login_required {
        true => (Decision::UserActionRequired, None),
        false => decide(caller, account, &proposal),
    };
    let authorization = Authorization { id: new_id(), proposal, decision, rationale, created: now, transfer: None };
    // What the user has to mend is asked for again under the same key.
    if let Some(key) = key.filter(|_| decision != Decision::UserActionRequired) {
        state.authorization_keys.insert(key, authorization.id.clone());
    }
    let view = view(&authorization);
    state.authorizations.insert(authorization.id.clone(), authorization);
    Ok(view)
}

/// What was made under a key, while that is kept.
fn kept<'a>(state: &'a State, key: &str, now: Time) -> Option<&'a Authorization> {
    let known = state.authorization_keys.get(key).and_then(|id| state.authorizations.get(id));
    known.filter(|known| now < known.created.plus(KEY_LIFETIME))
}

/// Debits are measured by the user's balance, credits by the client's ledger.
fn decide(client: &Client, account: &Account, proposal: &Proposal) -> (Decision, Option<String>) {
    let code = match &client.rationale {
        Some(code) => Some(code.as_str()),
        None if !proposal.is_debit() => (proposal.amount > client.ledger.available).then_some("NSF"),
        None if account.available == 0 => Some("RISK"),
        None => (proposal.amount > account.available).then_some("NSF"),
    };
    let found = code.and_then(|code| RATIONALES.iter().find(|(known, ..)| *known == code));
    found.map_or((Decision::Approved, None), |(code, decision, _)| (*decision, Some((*code).to_owned())))
}

fn view(authorization: &Authorization) -> Value {
    let code = authorization.rationale.as_deref();
    let words = |code: &str| RATIONALES.iter().find(|(known, ..)| *known == code).map(|(.., words)| *words);
    let rationale = code.map(|code| json!({ "code": code, "description": words(code).unwrap_or_default() }));
    let view = json!({
        "id": authorization.id, "created": time_text(authorization.created), "decision": authorization.decision,
        "decision_rationale": rationale, "guarantee_decision": null, "guarantee_decision_rationale": null,
        "payment_risk": null, "proposed_transfer": authorization.proposal.view(),
    });
    json!({ "authorization": view })
}
