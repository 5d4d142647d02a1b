//! Refunds of captures, in part or whole, and reversals, which look like them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clock::{Clock, Time};

use super::capture::{self, Capture, CaptureStatus};
use super::error::ApiError;
use super::event::Kind;
use super::money::Money;
use super::operation::{Answer, Call};
use super::schema::{self, text};
use super::test_method::{self, Later};
use super::{State, dispute, link, new_id, order, shapes, time_text};

/// A capture can't be refunded after this.
const LIMIT: Duration = Duration::from_hours(180 * 24);

/// What became of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundStatus {
    /// The payer has the money.
    Completed,
    /// The payer's bank has not answered.
    Pending,
    /// The money did not arrive.
    Failed,
    /// It was called off.
    Cancelled,
}

/// What new refunds become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefundsBecome {
    /// At once.
    #[default]
    Completed,
    /// They wait for the payer's bank.
    Pending,
    /// They fail.
    Failed,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Refund {
    pub id: String,
    pub account: String,
    pub capture: String,
    pub amount: Money,
    pub status: RefundStatus,
    pub custom_id: Option<String>,
    pub invoice_id: Option<String>,
    note: Option<String>,
    /// Taken by the payer's bank, not given.
    pub reversal: bool,
    /// All refunds of the capture with this one.
    total_refunded: i64,
    created: Time,
    updated: Time,
}

pub(super) fn create(state: &mut State, clock: &Clock, call: &Call, id: &str) -> Result<Answer, ApiError> {
    let body = if call.body.is_null() { json!({}) } else { call.body.clone() };
    let violations = schema::check(&shapes::REFUND, &body);
    if !violations.is_empty() {
        return Err(ApiError::schema(&violations));
    }
    let refund = make(state, clock, &call.account, id, &body)?;
    let body = view(state, &refund, call.representation);
    Ok(Answer { status: 201, body, made: Some(refund.id) })
}

/// Refunds what a request says that has the right shape.
pub(super) fn make(
    state: &mut State,
    clock: &Clock,
    account: &str,
    capture: &str,
    body: &Value,
) -> Result<Refund, ApiError> {
    let capture = capture::find(state, account, capture)?.clone();
    let wanted = match body.get("amount") {
        Some(_) => Some(order::money(body, "/amount", "/amount", Money::positive)?),
        None => None,
    };
    let amount = refundable(state, clock, &capture, wanted)?;
    let invoice = text(body, "/invoice_id").map(str::to_owned);
    let used = |invoice: &String| {
        let mut refunds = state.refunds.values().filter(|refund| refund.account == account);
        refunds.any(|refund| refund.invoice_id.as_ref() == Some(invoice))
    };
    if state.settings.unique_invoices.contains(account) && invoice.as_ref().is_some_and(used) {
        return Err(ApiError::issue("DUPLICATE_INVOICE_ID"));
    }
    let later = test_method::find(&capture.method).map_or(Later::Nothing, |test| test.later);
    let status = match (state.settings.refunds, later) {
        (RefundsBecome::Failed, _) | (_, Later::RefundFails) => RefundStatus::Failed,
        (RefundsBecome::Pending, _) | (_, Later::RefundPends) => RefundStatus::Pending,
        _ => RefundStatus::Completed,
    };
    if status != RefundStatus::Failed && !state.spend(account, &amount) {
        return Err(ApiError::issue("REFUND_FAILED_INSUFFICIENT_FUNDS"));
    }
    let refund = Refund {
        id: new_id(17),
        account: account.to_owned(),
        capture: capture.id.clone(),
        status,
        custom_id: text(body, "/custom_id").map(str::to_owned),
        invoice_id: invoice,
        note: text(body, "/note_to_payer").map(str::to_owned),
        reversal: false,
        total_refunded: capture::given_back(state, &capture).1.saturating_add(amount.minor),
        amount,
        created: clock.now(),
        updated: clock.now(),
    };
    keep(state, clock, refund.clone());
    let event = match status {
        RefundStatus::Completed => "PAYMENT.CAPTURE.REFUNDED",
        RefundStatus::Pending => "PAYMENT.REFUND.PENDING",
        _ => "PAYMENT.REFUND.FAILED",
    };
    tell(state, clock, &refund, event);
    Ok(refund)
}

/// How much is refunded, where the capture's state allows it.
fn refundable(state: &State, clock: &Clock, capture: &Capture, wanted: Option<Money>) -> Result<Money, ApiError> {
    if wanted.as_ref().is_some_and(|wanted| wanted.currency != capture.amount.currency) {
        return Err(ApiError::issue("REFUND_CAPTURE_CURRENCY_MISMATCH"));
    }
    let refused = |issue: &str| Err(ApiError::issue(issue));
    match capture.status {
        CaptureStatus::Pending => return refused("PENDING_CAPTURE"),
        CaptureStatus::Declined => return refused("REFUND_NOT_ALLOWED"),
        _ if capture.reversed => return refused("REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK"),
        _ => {}
    }
    let remaining = capture.amount.minor - capture::given_back(state, capture).1;
    if remaining <= 0 {
        return refused("CAPTURE_FULLY_REFUNDED");
    }
    if clock.now() > capture.created.plus(LIMIT) {
        return refused("REFUND_TIME_LIMIT_EXCEEDED");
    }
    let amount = wanted.map_or(remaining, |wanted| wanted.minor);
    if amount > remaining {
        return refused("REFUND_AMOUNT_EXCEEDED");
    }
    if dispute::is_open(state, &capture.id) && amount < capture.amount.minor {
        return refused("TRANSACTION_DISPUTED");
    }
    Ok(capture.amount.with(amount))
}

fn keep(state: &mut State, clock: &Clock, refund: Refund) {
    let capture = refund.capture.clone();
    if let Some(capture) = state.captures.get_mut(&capture) {
        capture.refunds.push(refund.id.clone());
    }
    state.made.push(refund.id.clone());
    state.refunds.insert(refund.id.clone(), refund);
    capture::update(state, clock, &capture);
}

/// The payer's bank takes money back. PayPal shows that as a refund, and so its event.
pub(super) fn reversal(state: &mut State, clock: &Clock, capture: &Capture, amount: i64) {
    let amount = capture.amount.with(amount);
    state.pay_in_any_case(&capture.account, &amount);
    let refund = Refund {
        id: new_id(17),
        account: capture.account.clone(),
        capture: capture.id.clone(),
        amount,
        status: RefundStatus::Completed,
        custom_id: capture.custom_id.clone(),
        invoice_id: capture.invoice_id.clone(),
        note: Some("Payment reversed".to_owned()),
        reversal: true,
        total_refunded: capture.amount.minor,
        created: clock.now(),
        updated: clock.now(),
    };
    keep(state, clock, refund.clone());
    tell(state, clock, &refund, "PAYMENT.CAPTURE.REVERSED");
}

/// The end of a pending refund.
pub(super) fn finish(state: &mut State, clock: &Clock, id: &str, status: RefundStatus) -> bool {
    let Some(refund) = state.refunds.get_mut(id).filter(|refund| refund.status == RefundStatus::Pending) else {
        return false;
    };
    let event = match status {
        RefundStatus::Completed => "PAYMENT.CAPTURE.REFUNDED",
        RefundStatus::Failed => "PAYMENT.REFUND.FAILED",
        RefundStatus::Cancelled => "PAYMENT.REFUND.CANCELLED",
        RefundStatus::Pending => return false,
    };
    refund.status = status;
    refund.updated = clock.now();
    let refund = refund.clone();
    if status != RefundStatus::Completed {
        state.receive(&refund.account, &refund.amount);
    }
    capture::update(state, clock, &refund.capture);
    tell(state, clock, &refund, event);
    true
}

fn tell(state: &mut State, clock: &Clock, refund: &Refund, event: &'static str) {
    let resource = view(state, refund, true);
    let kind = Kind { event, resource: "refund", version: "2.0", summary: "A refund has changed." };
    state.tell(clock, &refund.account, kind, resource);
}

pub(super) fn read(state: &State, account: &str, id: &str, whole: bool) -> Result<Value, ApiError> {
    let refund = state.refunds.get(id).filter(|refund| refund.account == account).ok_or_else(ApiError::missing)?;
    Ok(view(state, refund, whole))
}

/// The refunds of a capture, as its order lists them. What a bank took is none.
pub(super) fn of(state: &State, capture: &str) -> Vec<Value> {
    let refunds = state.refunds.values().filter(|refund| refund.capture == capture && !refund.reversal);
    refunds.map(|refund| view(state, refund, true)).collect()
}

fn view(state: &State, refund: &Refund, whole: bool) -> Value {
    let own = link(&state.base, &format!("/v2/payments/refunds/{}", refund.id), "self", "GET");
    let up = link(&state.base, &format!("/v2/payments/captures/{}", refund.capture), "up", "GET");
    let mut view = json!({ "id": refund.id, "status": refund.status, "links": [own, up] });
    let Some(members) = view.as_object_mut() else { return view };
    let mut put = |name: &str, value: Option<Value>| members.extend(value.map(|value| (name.to_owned(), value)));
    put("status_details", (refund.status == RefundStatus::Pending).then(|| json!({ "reason": "ECHECK" })));
    if !whole {
        return view;
    }
    put("amount", Some(refund.amount.v2()));
    put("custom_id", refund.custom_id.as_ref().map(|id| json!(id)));
    put("invoice_id", refund.invoice_id.as_ref().map(|id| json!(id)));
    put("note_to_payer", refund.note.as_ref().map(|note| json!(note)));
    let parts = json!({
        "gross_amount": refund.amount.v2(), "paypal_fee": refund.amount.with(0).v2(),
        "net_amount": refund.amount.v2(), "total_refunded_amount": refund.amount.with(refund.total_refunded).v2(),
    });
    put("seller_payable_breakdown", Some(parts));
    put("create_time", Some(json!(time_text(refund.created))));
    put("update_time", Some(json!(time_text(refund.updated))));
    view
}
