//! Disputes: opened by payers, decided by PayPal, only read over the API.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clock::{Clock, Time};

use super::capture::{self, CaptureStatus};
use super::error::ApiError;
use super::event::Kind;
use super::money::Money;
use super::operation::Call;
use super::schema::Violation;
use super::{State, link, new_id, time_text};

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Stage {
    /// Payer and seller settle it between them: about goods alone, and first of all.
    Inquiry,
    /// A claim, which PayPal decides; no bank has a part in it, whatever PayPal calls it.
    Chargeback,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Dispute {
    pub id: String,
    account: String,
    capture: String,
    amount: Money,
    reason: String,
    stage: Stage,
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
    let is_about_goods = reason.starts_with("MERCHANDISE_OR_SERVICE_");
    let dispute = Dispute {
        id: format!("PP-D-{}", new_id(8)),
        account: capture.account.clone(),
        capture: capture.id.clone(),
        amount: capture.amount.with(capture.amount.minor - capture::given_back(state, capture).1),
        reason: reason.to_owned(),
        stage: if is_about_goods { Stage::Inquiry } else { Stage::Chargeback },
        won: None,
        created: clock.now(),
        updated: clock.now(),
    };
    state.disputes.insert(dispute.id.clone(), dispute.clone());
    tell(state, clock, &dispute, "CUSTOMER.DISPUTE.CREATED");
    Some(dispute.id)
}

/// The payer, or the seller, makes a claim of an inquiry.
pub(super) fn escalate(state: &mut State, clock: &Clock, id: &str) -> bool {
    let is_inquiry = |dispute: &&mut Dispute| dispute.won.is_none() && dispute.stage == Stage::Inquiry;
    let Some(dispute) = state.disputes.get_mut(id).filter(is_inquiry) else { return false };
    dispute.stage = Stage::Chargeback;
    dispute.updated = clock.now();
    let dispute = dispute.clone();
    tell(state, clock, &dispute, "CUSTOMER.DISPUTE.UPDATED");
    true
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

/// `GET /v1/customer/disputes`: summaries, newest first.
pub(super) fn search(state: &State, call: &Call) -> Result<Value, ApiError> {
    let refused = |violation| ApiError::schema(&[violation]);
    call.only_query(&["disputed_transaction_id", "page_size", "next_page_token"]).map_err(refused)?;
    let size = call.number("page_size", 10, 50).map_err(refused)?;
    let capture = call.query.get("disputed_transaction_id");
    let fits = |dispute: &&Dispute| {
        dispute.account == call.account && capture.is_none_or(|capture| dispute.capture == *capture)
    };
    let mut disputes: Vec<&Dispute> = state.disputes.values().filter(fits).collect();
    disputes.sort_by_key(|dispute| (std::cmp::Reverse(dispute.created), &dispute.id));
    // The token is the id of the last one of the page before.
    let token = call.query.get("next_page_token");
    let seen = match token {
        None => 0,
        Some(token) => {
            let last = disputes.iter().position(|dispute| dispute.id == *token);
            let wrong = || Violation::query("next_page_token", token, "INVALID_PARAMETER_VALUE");
            last.ok_or_else(wrong).map_err(refused)?.saturating_add(1)
        }
    };
    let page: Vec<&Dispute> = disputes.iter().skip(seen).take(size).copied().collect();
    let address = |token: Option<&String>| {
        let ours = [("disputed_transaction_id", capture), ("next_page_token", token)];
        let ours = ours.into_iter().filter_map(|(name, value)| Some(format!("{name}={}&", value?)));
        format!("/v1/customer/disputes?{}page_size={size}", ours.collect::<String>())
    };
    let mut links = vec![link(&state.base, &address(token), "self", "GET")];
    links.push(link(&state.base, &address(None), "first", "GET"));
    if let Some(last) = page.last().filter(|_| seen.saturating_add(page.len()) < disputes.len()) {
        links.push(link(&state.base, &address(Some(&last.id)), "next", "GET"));
    }
    let items: Vec<Value> = page.iter().map(|dispute| summary(state, dispute)).collect();
    Ok(json!({ "items": items, "links": links }))
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
    let mut view = summary(state, dispute);
    let Some(members) = view.as_object_mut() else { return view };
    members.insert("disputed_transactions".to_owned(), json!([transaction]));
    if let Some(won) = dispute.won {
        let code = if won { "RESOLVED_SELLER_FAVOUR" } else { "RESOLVED_BUYER_FAVOUR" };
        let refunded = dispute.amount.with(if won { 0 } else { dispute.amount.minor });
        let outcome = json!({ "outcome_code": code, "amount_refunded": refunded.v2() });
        members.insert("dispute_outcome".to_owned(), outcome);
    }
    view
}

/// What a list shows of it: not what it is about, and not how it ended.
fn summary(state: &State, dispute: &Dispute) -> Value {
    let path = format!("/v1/customer/disputes/{}", dispute.id);
    let (status, standing) = match (dispute.won, dispute.stage) {
        (Some(_), _) => ("RESOLVED", "RESOLVED"),
        (None, Stage::Inquiry) => ("OPEN", "OPEN_INQUIRIES"),
        (None, Stage::Chargeback) => ("UNDER_REVIEW", "UNDER_PAYPAL_REVIEW"),
    };
    json!({
        "dispute_id": dispute.id, "create_time": time_text(dispute.created), "update_time": time_text(dispute.updated),
        "reason": dispute.reason, "status": status, "dispute_state": standing, "dispute_amount": dispute.amount.v2(),
        "dispute_life_cycle_stage": dispute.stage, "dispute_channel": "INTERNAL",
        "links": [link(&state.base, &path, "self", "GET")],
    })
}
