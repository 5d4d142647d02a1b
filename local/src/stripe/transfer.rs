//! Transfers of an account's balance to connected accounts. There is no status: what was created has been paid.

use serde_json::{Value, json};
use shared::clock::Clock;

use super::charge::number;
use super::error::ApiError;
use super::form::Form;
use super::method::{set, text};
use super::{State, new_id, page};

type Answer = Result<Value, ApiError>;

const CREATE: &[&str] = &[
    "amount",
    "currency",
    "destination",
    "description",
    "metadata[]",
    "source_transaction",
    "source_type",
    "transfer_group",
    "expand[]",
];

pub(super) fn create(state: &mut State, clock: &Clock, account: &str, form: &Form) -> Answer {
    form.only(CREATE)?;
    let currency = form.required("currency")?.to_owned();
    let destination = form.required("destination")?.to_owned();
    if !state.connected.contains(&(account.to_owned(), destination.clone())) {
        return Err(ApiError::missing(400, "destination", &destination));
    }
    let charge = form.text("source_transaction").map(|id| source(state, account, id)).transpose()?;
    let amount = match (form.integer("amount")?, &charge) {
        (Some(amount), _) if amount < 1 => {
            return Err(ApiError::parameter("parameter_invalid_integer", "amount", "Invalid positive integer."));
        }
        (Some(amount), _) => amount,
        (None, Some(charge)) => number(charge, "amount"),
        (None, None) => return form.required("amount").map(|_| Value::Null),
    };
    let source_type = form.text("source_type").unwrap_or("card");
    if !["card", "bank_account", "fpx"].contains(&source_type) {
        return Err(ApiError::parameter("parameter_invalid", "source_type", "Invalid source_type."));
    }
    let group = match &charge {
        Some(charge) => {
            within(state, account, charge, &currency, amount)?;
            Some(form.text("transfer_group").map_or_else(|| group_of(charge), str::to_owned))
        }
        None => {
            // Bank debits settle among the cards' money; nothing here has the other sources.
            let available = if source_type == "card" { state.balances.available(account, &currency) } else { 0 };
            if available < amount {
                return Err(ApiError::balance_insufficient());
            }
            form.text("transfer_group").map(str::to_owned)
        }
    };
    let id = new_id("tr");
    let transfer = json!({
        "id": id, "object": "transfer", "amount": amount, "amount_reversed": 0, "balance_transaction": new_id("txn"),
        "created": clock.now().seconds(), "currency": currency, "description": form.text("description"),
        "destination": destination, "destination_payment": new_id("py"), "livemode": false,
        "metadata": form.members("metadata"), "reversed": false,
        "reversals": { "object": "list", "data": [], "has_more": false, "total_count": 0,
                       "url": format!("/v1/transfers/{id}/reversals") },
        "source_transaction": form.text("source_transaction"), "source_type": source_type, "transfer_group": group,
    });
    state.balances.transfer(account, &destination, &currency, amount);
    state.transfers.push(id);
    let transfer = state.keep(account, transfer, "");
    state.tell(clock, account, "transfer.created", &transfer);
    Ok(transfer)
}

/// The charge that a transfer hands on.
fn source(state: &State, account: &str, id: &str) -> Answer {
    let found = state.find(account, id, "charge").map(|stored| stored.value.clone());
    let charge = found.ok_or_else(|| ApiError::missing(400, "source_transaction", id))?;
    if text(&charge, "status") != "succeeded" {
        return Err(ApiError::refused(None, Some("source_transaction"), "The charge has not succeeded."));
    }
    Ok(charge)
}

/// Of a charge, no more is handed on than was charged, in its own currency.
fn within(state: &State, account: &str, charge: &Value, currency: &str, amount: i64) -> Result<(), ApiError> {
    if text(charge, "currency") != currency {
        return Err(ApiError::refused(None, Some("currency"), "The charge is in another currency."));
    }
    let before: i64 = all(state, account)
        .filter(|transfer| text(transfer, "source_transaction") == text(charge, "id"))
        .map(|transfer| number(transfer, "amount"))
        .sum();
    if before.saturating_add(amount) > number(charge, "amount") {
        return Err(ApiError::refused(None, Some("amount"), "The transfers would exceed their charge."));
    }
    Ok(())
}

fn group_of(charge: &Value) -> String {
    match text(charge, "transfer_group") {
        "" => format!("group_{}", text(charge, "payment_intent")),
        group => group.to_owned(),
    }
}

/// An account's transfers, newest first.
pub(super) fn all<'a>(state: &'a State, account: &'a str) -> impl DoubleEndedIterator<Item = &'a Value> {
    let newest_first = state.transfers.iter().rev();
    newest_first.filter_map(move |id| state.find(account, id, "transfer")).map(|stored| &stored.value)
}

pub(super) fn list(state: &State, account: &str, form: &Form) -> Answer {
    page::page(form, "/v1/transfers", &["destination", "transfer_group"], all(state, account))
}

/// Changes description and metadata, which is all that can be.
pub(super) fn update(state: &mut State, clock: &Clock, account: &str, id: &str, form: &Form) -> Answer {
    form.only(&["description", "metadata[]", "expand[]"])?;
    let Some(stored) = state.find(account, id, "transfer") else {
        return Err(ApiError::missing(404, "transfer", id));
    };
    let mut transfer = stored.value.clone();
    let previous = json!({ "description": transfer.get("description"), "metadata": transfer.get("metadata") });
    if let Some(description) = form.text("description") {
        set(&mut transfer, "description", json!(Some(description).filter(|text| !text.is_empty())));
    }
    form.write_metadata(&mut transfer);
    let transfer = state.keep(account, transfer, "");
    state.tell_change(clock, account, "transfer.updated", &transfer, previous);
    Ok(transfer)
}
