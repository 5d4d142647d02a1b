//! Captures: one for each purchase unit that was charged, whatever came of it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clock::{Clock, Time};

use super::error::ApiError;
use super::event::Kind;
use super::money::Money;
use super::order::{self, Order, OrderStatus};
use super::refund::{Refund, RefundStatus};
use super::test_method::{self, Later, Outcome, TestMethod};
use super::{State, dispute, link, new_id, refund, time_text};

/// What became of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CaptureStatus {
    /// The money is there.
    Completed,
    /// There is none.
    Declined,
    /// Some of it was given back.
    PartiallyRefunded,
    /// It may still come.
    Pending,
    /// All of it was given back, or taken.
    Refunded,
}

/// What captures become that would complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CapturesBecome {
    /// At once.
    #[default]
    Completed,
    /// They wait for a review.
    Pending,
    /// They are declined, with a processor's response code.
    Declined(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Capture {
    pub id: String,
    pub account: String,
    pub order: String,
    pub amount: Money,
    pub status: CaptureStatus,
    /// Why it is pending or was denied.
    reason: Option<String>,
    /// A processor's response and advice.
    response_code: Option<String>,
    advice_code: Option<String>,
    pub custom_id: Option<String>,
    pub invoice_id: Option<String>,
    /// The test method that paid.
    pub method: String,
    pub refunds: Vec<String>,
    /// The payer's bank took the money back.
    pub reversed: bool,
    pub created: Time,
    updated: Time,
}

/// Charges an order's method for all units, and completes the order.
pub(super) fn settle(state: &mut State, clock: &Clock, order: &mut Order) -> Result<(), ApiError> {
    let method = order.method.as_ref().map(|method| method.test.clone()).unwrap_or_default();
    let test = test_method::find(&method).unwrap_or(TestMethod {
        source: "paypal",
        outcome: Outcome::Completed,
        later: Later::Nothing,
    });
    let outcome = match (test.outcome, &state.settings.captures) {
        (Outcome::Refused(issue), _) => return Err(ApiError::issue(issue)),
        (Outcome::Completed, CapturesBecome::Pending) => Outcome::Pending("PENDING_REVIEW".to_owned()),
        (Outcome::Completed, CapturesBecome::Declined(code)) => Outcome::Declined(Some(code.clone()), None),
        (outcome, _) => outcome,
    };
    for unit in &order.units {
        let Some(invoice) = unit.text("invoice_id") else { continue };
        if state.settings.unique_invoices.contains(&order.account) && paid_before(state, &order.account, &invoice) {
            return Err(ApiError::issue("DUPLICATE_INVOICE_ID"));
        }
    }
    let (status, reason, response_code, advice_code) = match outcome {
        Outcome::Pending(reason) => (CaptureStatus::Pending, Some(reason), None, None),
        Outcome::Declined(code, advice) => (CaptureStatus::Declined, None, code, advice),
        _ => (CaptureStatus::Completed, None, None, None),
    };
    let mut made = Vec::new();
    for unit in &mut order.units {
        let capture = Capture {
            id: new_id(17),
            account: order.account.clone(),
            order: order.id.clone(),
            amount: unit.amount.clone(),
            status,
            reason: reason.clone(),
            response_code: response_code.clone(),
            advice_code: advice_code.clone(),
            custom_id: unit.text("custom_id"),
            invoice_id: unit.text("invoice_id"),
            method: method.clone(),
            refunds: Vec::new(),
            reversed: false,
            created: clock.now(),
            updated: clock.now(),
        };
        if status == CaptureStatus::Completed {
            state.receive(&capture.account, &capture.amount);
        }
        unit.capture = Some(capture.id.clone());
        state.made.push(capture.id.clone());
        made.push(capture.clone());
        state.captures.insert(capture.id.clone(), capture);
    }
    order.status = OrderStatus::Completed;
    order::tell(state, clock, order, "CHECKOUT.ORDER.COMPLETED");
    for capture in made {
        let event = match capture.status {
            CaptureStatus::Pending => "PAYMENT.CAPTURE.PENDING",
            CaptureStatus::Declined => "PAYMENT.CAPTURE.DECLINED",
            _ => "PAYMENT.CAPTURE.COMPLETED",
        };
        tell(state, clock, &capture, event);
        if test.later == Later::Disputed && capture.status == CaptureStatus::Completed {
            dispute::open(state, clock, &capture.id, "UNAUTHORISED");
        }
    }
    Ok(())
}

fn paid_before(state: &State, account: &str, invoice: &str) -> bool {
    let mut captures = state.captures.values().filter(|capture| capture.account == account);
    captures.any(|capture| capture.invoice_id.as_deref() == Some(invoice) && capture.status != CaptureStatus::Declined)
}

pub(super) fn tell(state: &mut State, clock: &Clock, capture: &Capture, event: &'static str) {
    let resource = view(state, capture, true);
    let kind = Kind { event, resource: "capture", version: "2.0", summary: "A capture has changed." };
    state.tell(clock, &capture.account, kind, resource);
}

/// A capture of the account.
pub(super) fn find<'a>(state: &'a State, account: &str, id: &str) -> Result<&'a Capture, ApiError> {
    state.captures.get(id).filter(|capture| capture.account == account).ok_or_else(ApiError::missing)
}

/// What was given back so far: for good, and with what is still pending.
pub(super) fn given_back(state: &State, capture: &Capture) -> (i64, i64) {
    let refunds = || capture.refunds.iter().filter_map(|id| state.refunds.get(id));
    let sum = |counts: fn(&Refund) -> bool| refunds().filter(|refund| counts(refund)).map(|r| r.amount.minor).sum();
    let completed = |refund: &Refund| refund.status == RefundStatus::Completed;
    let open = |refund: &Refund| matches!(refund.status, RefundStatus::Completed | RefundStatus::Pending);
    (sum(completed), sum(open))
}

/// Takes what refunds became into a capture's status.
pub(super) fn update(state: &mut State, clock: &Clock, id: &str) {
    let Some(capture) = state.captures.get(id) else { return };
    let (completed, _) = given_back(state, capture);
    let status = match completed {
        0 => CaptureStatus::Completed,
        all if all >= capture.amount.minor => CaptureStatus::Refunded,
        _ => CaptureStatus::PartiallyRefunded,
    };
    change(state, clock, id, status, None);
}

fn change(state: &mut State, clock: &Clock, id: &str, status: CaptureStatus, reason: Option<&str>) -> Option<Capture> {
    let capture = state.captures.get_mut(id)?;
    capture.status = status;
    capture.reason = reason.map(str::to_owned);
    capture.updated = clock.now();
    Some(capture.clone())
}

/// PayPal ends its review of a pending capture.
pub(super) fn finish(state: &mut State, clock: &Clock, id: &str, succeeds: bool) -> bool {
    if state.captures.get(id).is_none_or(|capture| capture.status != CaptureStatus::Pending) {
        return false;
    }
    let (status, event, reason) = match succeeds {
        true => (CaptureStatus::Completed, "PAYMENT.CAPTURE.COMPLETED", None),
        false => (CaptureStatus::Declined, "PAYMENT.CAPTURE.DENIED", Some("OTHER")),
    };
    let Some(capture) = change(state, clock, id, status, reason) else { return false };
    if succeeds {
        state.receive(&capture.account, &capture.amount);
    }
    tell(state, clock, &capture, event);
    true
}

/// The payer's bank takes back what has not been refunded.
pub(super) fn reverse(state: &mut State, clock: &Clock, id: &str) -> bool {
    let Some(capture) = state.captures.get(id).cloned() else { return false };
    let remaining = capture.amount.minor - given_back(state, &capture).1;
    let has_money = matches!(capture.status, CaptureStatus::Completed | CaptureStatus::PartiallyRefunded);
    if !has_money || remaining <= 0 {
        return false;
    }
    refund::reversal(state, clock, &capture, remaining);
    if let Some(capture) = state.captures.get_mut(id) {
        capture.reversed = true;
    }
    true
}

pub(super) fn view(state: &State, capture: &Capture, with_order: bool) -> Value {
    let path = format!("/v2/payments/captures/{}", capture.id);
    let order = format!("/v2/checkout/orders/{}", capture.order);
    let mut links = vec![link(&state.base, &path, "self", "GET")];
    links.push(link(&state.base, &format!("{path}/refund"), "refund", "POST"));
    links.push(link(&state.base, &order, "up", "GET"));
    let mut view = json!({
        "id": capture.id, "status": capture.status, "amount": capture.amount.v2(), "final_capture": true,
        "seller_protection": { "status": "NOT_ELIGIBLE" }, "create_time": time_text(capture.created),
        "update_time": time_text(capture.updated), "links": links,
    });
    let Some(members) = view.as_object_mut() else { return view };
    let mut put = |name: &str, value: Option<Value>| members.extend(value.map(|value| (name.to_owned(), value)));
    put("custom_id", capture.custom_id.as_ref().map(|id| json!(id)));
    put("invoice_id", capture.invoice_id.as_ref().map(|id| json!(id)));
    put("status_details", capture.reason.as_ref().map(|reason| json!({ "reason": reason })));
    if !matches!(capture.status, CaptureStatus::Declined | CaptureStatus::Pending) {
        let (fee, gross) = (capture.amount.fee(), &capture.amount);
        let net = gross.with(gross.minor - fee.minor);
        let parts = json!({ "gross_amount": gross.v2(), "paypal_fee": fee.v2(), "net_amount": net.v2() });
        put("seller_receivable_breakdown", Some(parts));
    }
    if let Some(code) = &capture.response_code {
        let mut response = json!({ "response_code": code });
        if let (Some(advice), Some(members)) = (&capture.advice_code, response.as_object_mut()) {
            members.insert("payment_advice_code".to_owned(), json!(advice));
        }
        put("processor_response", Some(response));
    }
    if with_order {
        put("supplementary_data", Some(json!({ "related_ids": { "order_id": capture.order } })));
    }
    view
}
