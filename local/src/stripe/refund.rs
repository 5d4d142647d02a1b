//! Refunds: made over the API or in the dashboard, ended by the customer's bank.

use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::{Clock, Time};

use super::error::ApiError;
use super::form::Form;
use super::method::{self, set, text};
use super::test_method::{self, Later};
use super::{State, balance, charge, dispute, new_id, page};

type Answer = Result<Value, ApiError>;

const CREATE: &[&str] = &[
    "payment_intent",
    "charge",
    "amount",
    "reason",
    "metadata[]",
    "reverse_transfer",
    "refund_application_fee",
    "instructions_email",
    "expand[]",
];
/// A bank debit can't be refunded after this.
const BANK_DEBIT_LIMIT: Duration = Duration::from_hours(180 * 24);

/// What new refunds become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefundsBecome {
    /// At once; those of bank debits are pending all the same.
    #[default]
    Succeeded,
    /// The bank has not answered.
    Pending,
    /// The customer must say where the money shall go.
    RequiresAction,
}

pub(super) fn create(state: &mut State, clock: &Clock, account: &str, form: &Form) -> Answer {
    form.only(CREATE)?;
    let amount = form.integer("amount")?;
    if amount.is_some_and(|amount| amount < 1) {
        return Err(ApiError::parameter("parameter_invalid_integer", "amount", "Invalid positive integer."));
    }
    if let Some(reason) = form.text("reason")
        && !["duplicate", "fraudulent", "requested_by_customer"].contains(&reason)
    {
        return Err(ApiError::parameter("parameter_invalid", "reason", "Invalid reason."));
    }
    let (reverse_transfer, refund_fee) = (form.flag("reverse_transfer")?, form.flag("refund_application_fee")?);
    let charge = charge_of(state, account, form)?;
    let has = |name: &str| charge.get(name).is_some_and(|value| !value.is_null());
    if reverse_transfer && !has("transfer_data") {
        return Err(ApiError::request("The charge has no transfer to reverse."));
    }
    if refund_fee && !has("application_fee_amount") {
        return Err(ApiError::request("The charge has no application fee to refund."));
    }
    let amount = refundable(state, clock, &charge, amount)?;

    let origin = state.objects.get(text(&charge, "id")).map(|stored| stored.origin.clone()).unwrap_or_default();
    let pends = test_method::find(&origin).is_some_and(|test| test.later == Later::RefundPends);
    let is_card = !charge::is_bank_debit(&charge);
    let status = match state.refunds_become {
        RefundsBecome::RequiresAction => "requires_action",
        RefundsBecome::Pending => "pending",
        RefundsBecome::Succeeded if pends || !is_card => "pending",
        RefundsBecome::Succeeded => "succeeded",
    };
    let copy = |name: &str| charge.get(name).cloned().unwrap_or_default();
    let id = new_id(if is_card { "re" } else { "pyr" });
    let mut refund = json!({
        "id": id, "object": "refund", "amount": amount, "charge": copy("id"), "created": clock.now().seconds(),
        "currency": copy("currency"), "payment_intent": copy("payment_intent"), "reason": form.text("reason"),
        "status": status, "metadata": form.members("metadata"),
        "balance_transaction": (status == "succeeded").then(|| new_id("txn")), "receipt_number": null,
        "destination_details": if is_card {
            json!({ "type": "card", "card": { "type": "refund", "reference_status": "pending" } })
        } else {
            json!({ "type": "us_bank_transfer", "us_bank_transfer": {} })
        },
        "source_transfer_reversal": null, "transfer_reversal": reverse_transfer.then(|| new_id("trr")),
    });
    if status == "pending" {
        set(&mut refund, "pending_reason", json!("processing"));
    }
    if let Some(email) = form.text("instructions_email") {
        set(&mut refund, "instructions_email", json!(email));
    }
    state.refunds.push(id);
    let refund = state.keep(account, refund, "");
    if status == "succeeded" {
        balance::refunded(state, account, &refund, false);
    }
    let previous = json!({ "amount_refunded": copy("amount_refunded"), "refunded": copy("refunded") });
    let charge = charge::add_refunded(state, text(&charge, "id"), amount);
    state.tell(clock, account, "refund.created", &refund);
    state.tell_change(clock, account, "charge.refunded", &charge, previous);
    Ok(refund)
}

/// The charge that the parameters name.
fn charge_of(state: &State, account: &str, form: &Form) -> Answer {
    match (form.text("payment_intent"), form.text("charge")) {
        (Some(_), Some(_)) => {
            Err(ApiError::parameter("parameters_exclusive", "charge", "You may only specify one of these."))
        }
        (Some(id), None) => {
            let Some(intent) = state.find(account, id, "payment_intent") else {
                return Err(ApiError::missing(400, "payment_intent", id));
            };
            let charge = charge::of_intent(state, account, &intent.value).cloned();
            charge.ok_or_else(|| ApiError::refused(None, None, "This PaymentIntent has no successful charge."))
        }
        (None, Some(id)) => {
            let charge = state.find(account, id, "charge").map(|stored| stored.value.clone());
            charge.ok_or_else(|| ApiError::missing(400, "charge", id))
        }
        (None, None) => {
            Err(ApiError::parameter("parameter_missing", "payment_intent", "A payment_intent or charge is needed."))
        }
    }
}

/// How much is refunded, where the charge's state allows it.
fn refundable(state: &State, clock: &Clock, charge: &Value, wanted: Option<i64>) -> Result<i64, ApiError> {
    if text(charge, "status") != "succeeded" {
        return Err(ApiError::refused(None, None, "This charge has not been captured."));
    }
    if dispute::blocks_refund(state, text(charge, "id")) {
        return Err(ApiError::refused(Some("charge_disputed"), None, "The charge has been charged back."));
    }
    let remaining = charge::number(charge, "amount_captured") - charge::number(charge, "amount_refunded");
    if remaining <= 0 {
        let message = "The charge has already been refunded.";
        return Err(ApiError::refused(Some("charge_already_refunded"), None, message));
    }
    let charged = Time::from_seconds(charge::number(charge, "created"));
    if charge::is_bank_debit(charge) && clock.now() > charged.plus(BANK_DEBIT_LIMIT) {
        return Err(ApiError::refused(Some("charge_not_refundable"), None, "The charge is too old."));
    }
    if wanted.is_some_and(|wanted| wanted > remaining) {
        let message = format!("The refund amount is greater than the unrefunded amount ({remaining}).");
        return Err(ApiError::refused(None, Some("amount"), &message));
    }
    Ok(wanted.unwrap_or(remaining))
}

pub(super) fn list(state: &State, account: &str, form: &Form) -> Answer {
    let newest_first = state.refunds.iter().rev().filter_map(|id| state.find(account, id, "refund"));
    page::page(form, "/v1/refunds", &["payment_intent", "charge"], newest_first.map(|stored| &stored.value))
}

/// Takes a refund back that still waits for the customer.
pub(super) fn cancel(state: &mut State, clock: &Clock, account: &str, id: &str, form: &Form) -> Answer {
    form.only(&["expand[]"])?;
    let refund = method::read(state, account, "refund", id)?;
    if text(&refund, "status") != "requires_action" {
        return Err(ApiError::refused(None, None, "Only refunds that require action can be canceled."));
    }
    Ok(end(state, clock, account, refund, "canceled", None))
}

/// The bank's answer, or the money that comes back later.
pub(super) fn finish(state: &mut State, clock: &Clock, id: &str, succeeds: bool) {
    let Some(stored) = state.objects.get(id).filter(|stored| text(&stored.value, "object") == "refund") else { return };
    let (account, refund) = (stored.account.clone(), stored.value.clone());
    let status = match (text(&refund, "status"), succeeds) {
        ("pending" | "requires_action", true) => "succeeded",
        ("pending" | "requires_action" | "succeeded", false) => "failed",
        _ => return,
    };
    end(state, clock, &account, refund, status, None);
}

/// The refunds of a charge that are under way go nowhere: its bank has taken the money back.
pub(super) fn give_up(state: &mut State, clock: &Clock, account: &str, charge: &str) {
    for id in state.refunds.clone() {
        let Some(stored) = state.find(account, &id, "refund") else { continue };
        let refund = stored.value.clone();
        if text(&refund, "charge") == charge && text(&refund, "status") == "pending" {
            end(state, clock, account, refund, "failed", Some("charge_for_pending_refund_disputed"));
        }
    }
}

/// Moves a refund on; what was not refunded after all can be refunded again.
fn end(state: &mut State, clock: &Clock, account: &str, mut refund: Value, status: &str, why: Option<&str>) -> Value {
    let had_succeeded = text(&refund, "status") == "succeeded";
    let previous = json!({ "status": text(&refund, "status") });
    set(&mut refund, "status", json!(status));
    if let Some(members) = refund.as_object_mut() {
        members.remove("pending_reason");
    }
    match status {
        "succeeded" => set(&mut refund, "balance_transaction", json!(new_id("txn"))),
        "failed" => {
            let by_card = refund.pointer("/destination_details/type") == Some(&json!("card"));
            let reason = why.unwrap_or(if by_card { "expired_or_canceled_card" } else { "declined" });
            set(&mut refund, "failure_reason", json!(reason));
            set(&mut refund, "failure_balance_transaction", json!(new_id("txn")));
        }
        _ => {}
    }
    let refund = state.keep(account, refund, "");
    if status == "succeeded" || had_succeeded {
        balance::refunded(state, account, &refund, had_succeeded);
    }
    if status != "succeeded" {
        charge::add_refunded(state, text(&refund, "charge"), -charge::number(&refund, "amount"));
    }
    if status == "failed" {
        state.tell_change(clock, account, "refund.failed", &refund, previous.clone());
    }
    state.tell_change(clock, account, "refund.updated", &refund, previous);
    refund
}
