//! Reversals of transfers: the connected account gives back what it got, as far as its balance goes.

use serde_json::{Value, json};
use shared::clock::Clock;

use super::charge::number;
use super::error::ApiError;
use super::form::Form;
use super::method::{set, text};
use super::{State, new_id, page};

type Answer = Result<Value, ApiError>;

pub(super) fn create(state: &mut State, clock: &Clock, account: &str, transfer: &str, form: &Form) -> Answer {
    form.only(&["amount", "description", "metadata[]", "refund_application_fee", "expand[]"])?;
    let wanted = form.integer("amount")?;
    if wanted.is_some_and(|amount| amount < 1) {
        return Err(ApiError::parameter("parameter_invalid_integer", "amount", "Invalid positive integer."));
    }
    if form.flag("refund_application_fee")? {
        return Err(ApiError::request("The transfer has no application fee to refund."));
    }
    let mut transfer = of_account(state, account, transfer)?;
    let remaining = number(&transfer, "amount") - number(&transfer, "amount_reversed");
    if remaining <= 0 {
        return Err(ApiError::refused(None, None, "The transfer is already fully reversed."));
    }
    let amount = wanted.unwrap_or(remaining);
    if amount > remaining {
        let message =
            format!("Transfer reversal amount ({amount}) is greater than unreversed amount on transfer ({remaining})");
        return Err(ApiError::refused(None, Some("amount"), &message));
    }
    let (destination, currency) = (text(&transfer, "destination").to_owned(), text(&transfer, "currency").to_owned());
    if state.balances.available(&destination, &currency) < amount {
        return Err(ApiError::balance_insufficient());
    }
    let reversal = json!({
        "id": new_id("trr"), "object": "transfer_reversal", "amount": amount, "balance_transaction": new_id("txn"),
        "created": clock.now().seconds(), "currency": currency, "destination_payment_refund": new_id("pyr"),
        "metadata": form.members("metadata"), "source_refund": null, "transfer": text(&transfer, "id"),
    });
    state.balances.transfer(&destination, account, &currency, amount);
    state.reversals.push(text(&reversal, "id").to_owned());
    let reversal = state.keep(account, reversal, "");
    let before = number(&transfer, "amount_reversed");
    let previous = json!({ "amount_reversed": before, "reversed": false });
    set(&mut transfer, "amount_reversed", json!(before + amount));
    set(&mut transfer, "reversed", json!(amount == remaining));
    show_in(state, account, &mut transfer);
    let transfer = state.keep(account, transfer, "");
    state.tell_change(clock, account, "transfer.reversed", &transfer, previous);
    Ok(reversal)
}

/// The newest ten reversals stand in the transfer itself.
fn show_in(state: &State, account: &str, transfer: &mut Value) {
    let id = text(transfer, "id").to_owned();
    let newest: Vec<Value> = of_transfer(state, account, &id).take(11).cloned().collect();
    let total = of_transfer(state, account, &id).count();
    if let Some(reversals) = transfer.get_mut("reversals") {
        set(reversals, "has_more", json!(total > 10));
        set(reversals, "total_count", json!(total));
        set(reversals, "data", newest.into_iter().take(10).collect());
    }
}

fn of_account(state: &State, account: &str, transfer: &str) -> Answer {
    let found = state.find(account, transfer, "transfer").map(|stored| stored.value.clone());
    found.ok_or_else(|| ApiError::missing(404, "transfer", transfer))
}

/// A transfer's reversals, newest first.
pub(super) fn of_transfer<'a>(
    state: &'a State,
    account: &'a str,
    transfer: &'a str,
) -> impl DoubleEndedIterator<Item = &'a Value> {
    let newest_first = state.reversals.iter().rev();
    let all = newest_first.filter_map(move |id| state.find(account, id, "transfer_reversal"));
    all.map(|stored| &stored.value).filter(move |reversal| text(reversal, "transfer") == transfer)
}

pub(super) fn list(state: &State, account: &str, transfer: &str, form: &Form) -> Answer {
    form.only(&["limit", "starting_after", "ending_before", "expand[]"])?;
    of_account(state, account, transfer)?;
    page::page(form, &format!("/v1/transfers/{transfer}/reversals"), &[], of_transfer(state, account, transfer))
}

pub(super) fn read(state: &State, account: &str, transfer: &str, id: &str, form: &Form) -> Answer {
    form.only(&["expand[]"])?;
    of_account(state, account, transfer)?;
    let found = of_transfer(state, account, transfer).find(|reversal| text(reversal, "id") == id);
    found.cloned().ok_or_else(|| ApiError::missing(404, "id", id))
}
