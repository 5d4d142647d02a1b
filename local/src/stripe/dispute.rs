//! Disputes: opened and closed by banks and card networks, only read over the API.

use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::Clock;

use super::error::ApiError;
use super::form::Form;
use super::method::{set, text};
use super::{State, bank, charge, new_id, page};

/// Time to answer with evidence.
const TO_ANSWER: Duration = Duration::from_hours(9 * 24);

/// How a dispute begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened<'a> {
    pub reason: &'a str,
    pub terms: Terms,
}

/// What can be done about a dispute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Terms {
    /// The bank only asks: no money is taken back, and the charge can still be refunded.
    Inquiry,
    /// It can be answered with evidence.
    Claim,
    /// Nothing: a bank debit's return takes no evidence.
    Final,
}

/// Opens a dispute about the whole charge, and gives its id.
pub(super) fn open(state: &mut State, clock: &Clock, account: &str, charge: &Value, how: Opened<'_>) -> String {
    let copy = |name: &str| charge.get(name).cloned().unwrap_or_default();
    let id = new_id("dp");
    let (status, due_by) = match how.terms {
        Terms::Inquiry => ("warning_needs_response", Some(clock.now().plus(TO_ANSWER).seconds())),
        Terms::Claim => ("needs_response", Some(clock.now().plus(TO_ANSWER).seconds())),
        Terms::Final => ("lost", None),
    };
    let dispute = json!({
        "id": id, "object": "dispute", "amount": copy("amount"), "charge": copy("id"), "created": clock.now().seconds(),
        "currency": copy("currency"), "is_charge_refundable": how.terms == Terms::Inquiry, "livemode": false, "metadata": {},
        "payment_intent": copy("payment_intent"), "reason": how.reason,
        "status": status,
        "evidence_details": { "due_by": due_by, "has_evidence": false, "past_due": false, "submission_count": 0 },
    });
    charge::change(state, text(charge, "id"), |charge| set(charge, "disputed", json!(true)));
    if how.terms != Terms::Inquiry {
        withdraw(state, account, &dispute, -1);
    }
    state.disputes.push(id.clone());
    let dispute = state.keep(account, dispute, "");
    state.tell(clock, account, "charge.dispute.created", &dispute);
    if how.terms == Terms::Final {
        state.tell(clock, account, "charge.dispute.closed", &dispute);
        bank::disputed(state, clock, account, charge, how.reason);
    }
    id
}

/// What is disputed leaves the account's balance, also where a connected account was paid; or comes back.
fn withdraw(state: &mut State, account: &str, dispute: &Value, sign: i64) {
    let amount = charge::number(dispute, "amount");
    state.balances.add(account, text(dispute, "currency"), sign * amount);
}

/// Opens a dispute about a PaymentIntent's money, if it moved any.
pub(super) fn open_on_intent(state: &mut State, clock: &Clock, intent: &str, reason: &str) -> Option<String> {
    let stored = state.objects.get(intent)?;
    let account = stored.account.clone();
    let charge = charge::of_intent(state, &account, &stored.value)?.clone();
    if charge::is_bank_debit(&charge) {
        return bank::take_back(state, clock, intent, reason);
    }
    let how = Opened { reason, terms: Terms::Claim };
    (text(&charge, "status") == "succeeded").then(|| open(state, clock, &account, &charge, how))
}

/// The end; an inquiry that was lost has become a dispute meanwhile.
pub(super) fn close(state: &mut State, clock: &Clock, id: &str, won: bool) {
    let Some(stored) = state.objects.get(id).filter(|stored| text(&stored.value, "object") == "dispute") else {
        return;
    };
    let (account, mut dispute) = (stored.account.clone(), stored.value.clone());
    let before = text(&dispute, "status").to_owned();
    let status = match (before.as_str(), won) {
        ("warning_needs_response", true) => "warning_closed",
        ("needs_response", true) => "won",
        ("needs_response" | "warning_needs_response", false) => "lost",
        _ => return,
    };
    set(&mut dispute, "status", json!(status));
    if status == "lost" {
        set(&mut dispute, "is_charge_refundable", json!(false));
    }
    match (before.as_str(), status) {
        ("needs_response", "won") => withdraw(state, &account, &dispute, 1),
        ("warning_needs_response", "lost") => withdraw(state, &account, &dispute, -1),
        _ => {}
    }
    let dispute = state.keep(&account, dispute, "");
    state.tell_change(clock, &account, "charge.dispute.closed", &dispute, json!({ "status": before }));
}

/// Whether a dispute keeps the charge from being refunded.
pub(super) fn blocks_refund(state: &State, charge: &str) -> bool {
    let disputes = state.disputes.iter().filter_map(|id| state.objects.get(id));
    disputes
        .filter(|stored| text(&stored.value, "charge") == charge)
        .any(|stored| stored.value.get("is_charge_refundable") == Some(&json!(false)))
}

/// Why a charge was disputed last.
pub(super) fn reason<'a>(state: &'a State, charge: &Value) -> Option<&'a str> {
    let disputes = state.disputes.iter().rev().filter_map(|id| state.objects.get(id));
    let mut of_charge = disputes.filter(|stored| text(&stored.value, "charge") == text(charge, "id"));
    of_charge.next().map(|stored| text(&stored.value, "reason"))
}

pub(super) fn list(state: &State, account: &str, form: &Form) -> Result<Value, ApiError> {
    let newest_first = state.disputes.iter().rev().filter_map(|id| state.find(account, id, "dispute"));
    page::page(form, "/v1/disputes", &["payment_intent", "charge"], newest_first.map(|stored| &stored.value))
}
