//! Disputes: opened by payers, decided by PayPal, only read over the API.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clock::{Clock, Time};

use super::capture::{self, CaptureStatus};
use super::error::ApiError;
use super::event::Kind;
use super::money::Money;
use super::{State, link, new_id, time_text};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Dispute {
    pub id: String,
    account: String,
    capture: String,
    amount: Money,
    reason: String,
    /// Whether the seller was right; `None`: it is open.
    won: Option<bool>,
    created: Time,
    updated: Time,
}

/// A payer disputes a capture, and the dispute's id. `None`: it moved no money.
pub(super) fn open(state: &mut State, clock: &Clock, capture: &str, reason: &str) -> Option<String> {
    let capture = state.captures.get(capture)?;
    let has_money = matches!(capture.status, CaptureStatus::Completed | CaptureStatus::PartiallyRefunded);
    if !has_money || is_open(state, &capture.id) {
        return None;
    }
    let dispute = Dispute {
        id: format!("PP-D-{}", new_id(8)),
        account: capture.account.clone(),
        capture: capture.id.clone(),
        amount: capture.amount.clone(),
        reason: reason.to_owned(),
        won: None,
        created: clock.now(),
        updated: clock.now(),
    };
    state.disputes.insert(dispute.id.clone(), dispute.clone());
    tell(state, clock, &dispute, "CUSTOMER.DISPUTE.CREATED");
    Some(dispute.id)
}

/// The end; what the payer wins is taken from the seller.
pub(super) fn resolve(state: &mut State, clock: &Clock, id: &str, won: bool) -> bool {
    let Some(dispute) = state.disputes.get_mut(id).filter(|dispute| dispute.won.is_none()) else { return false };
    dispute.won = Some(won);
    dispute.updated = clock.now();
    let dispute = dispute.clone();
    tell(state, clock, &dispute, "CUSTOMER.DISPUTE.RESOLVED");
    if !won {
        capture::reverse(state, clock, &dispute.capture);
    }
    true
}

/// Whether a capture is disputed.
pub(super) fn is_open(state: &State, capture: &str) -> bool {
    state.disputes.values().any(|dispute| dispute.capture == capture && dispute.won.is_none())
}

fn tell(state: &mut State, clock: &Clock, dispute: &Dispute, event: &'static str) {
    let resource = view(state, dispute);
    let kind = Kind { event, resource: "dispute", version: "1.0", summary: "A dispute has changed." };
    state.tell(clock, &dispute.account, kind, resource);
}

/// `GET /v1/customer/disputes/{id}`.
pub(super) fn read(state: &State, account: &str, id: &str) -> Result<Value, ApiError> {
    let dispute = state.disputes.get(id).filter(|dispute| dispute.account == account).ok_or_else(ApiError::missing)?;
    Ok(view(state, dispute))
}

/// The account's disputes: id, capture, and whether the seller won.
pub(super) fn list(state: &State, account: &str) -> Vec<(String, String, Option<bool>)> {
    let disputes = state.disputes.values().filter(|dispute| dispute.account == account);
    disputes.map(|dispute| (dispute.id.clone(), dispute.capture.clone(), dispute.won)).collect()
}

fn view(state: &State, dispute: &Dispute) -> Value {
    let capture = state.captures.get(&dispute.capture);
    let mut transaction = json!({ "seller_transaction_id": dispute.capture, "gross_amount": dispute.amount.v2(),
                                  "transaction_status": "COMPLETED" });
    if let Some(members) = transaction.as_object_mut() {
        let ours = [
            ("custom", capture.and_then(|capture| capture.custom_id.as_ref())),
            ("invoice_number", capture.and_then(|capture| capture.invoice_id.as_ref())),
        ];
        members.extend(ours.into_iter().filter_map(|(name, id)| Some((name.to_owned(), json!(id?)))));
    }
    let path = format!("/v1/customer/disputes/{}", dispute.id);
    let mut view = json!({
        "dispute_id": dispute.id, "create_time": time_text(dispute.created), "update_time": time_text(dispute.updated),
        "disputed_transactions": [transaction], "reason": dispute.reason,
        "status": if dispute.won.is_some() { "RESOLVED" } else { "OPEN" }, "dispute_amount": dispute.amount.v2(),
        "dispute_life_cycle_stage": "INQUIRY", "dispute_channel": "INTERNAL",
        "links": [link(&state.base, &path, "self", "GET")],
    });
    if let (Some(won), Some(members)) = (dispute.won, view.as_object_mut()) {
        let code = if won { "RESOLVED_SELLER_FAVOUR" } else { "RESOLVED_BUYER_FAVOUR" };
        let refunded = dispute.amount.with(if won { 0 } else { dispute.amount.minor });
        let outcome = json!({ "outcome_code": code, "amount_refunded": refunded.v2() });
        members.insert("dispute_outcome".to_owned(), outcome);
    }
    view
}
