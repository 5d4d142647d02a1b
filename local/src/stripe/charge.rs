//! Charges: one for each attempt that reached a bank, with what was given back of it.

use serde_json::{Value, json};
use shared::clock::Clock;

use super::method::{set, text};
use super::test_method;
use super::{State, balance, new_id};

/// The charge of an attempt; it has the PaymentIntent's metadata as they are now.
pub(super) fn create(
    state: &mut State,
    clock: &Clock,
    account: &str,
    intent: &Value,
    origin: &str,
    status: &str,
) -> Value {
    let copy = |name: &str| intent.get(name).cloned().unwrap_or_default();
    let kind = test_method::find(origin).map_or("card", |method| method.kind());
    let succeeded = status == "succeeded";
    let charge = json!({
        "id": new_id(if kind == "card" { "ch" } else { "py" }), "object": "charge", "amount": copy("amount"),
        "amount_captured": if succeeded { copy("amount") } else { json!(0) }, "amount_refunded": 0,
        "application_fee_amount": copy("application_fee_amount"), "currency": copy("currency"),
        "created": clock.now().seconds(), "customer": copy("customer"), "disputed": false, "metadata": copy("metadata"),
        "payment_intent": copy("id"), "payment_method": copy("payment_method"),
        "payment_method_details": { "type": kind },
        "status": status, "captured": succeeded, "paid": succeeded, "failure_code": null, "failure_message": null,
        "refunded": false, "transfer_data": copy("transfer_data"), "transfer_group": copy("transfer_group"),
        "livemode": false,
    });
    state.keep(account, charge, origin)
}

/// Ends a charge that was pending: it succeeds, or fails with a code; `None`: it was called off.
pub(super) fn end(state: &mut State, account: &str, id: &str, end: Option<Result<(), &str>>) -> Value {
    let charge = change(state, id, |charge| match end {
        Some(Ok(())) => {
            let amount = number(charge, "amount");
            for (name, value) in [
                ("status", json!("succeeded")),
                ("captured", json!(true)),
                ("paid", json!(true)),
                ("amount_captured", json!(amount)),
            ] {
                set(charge, name, value);
            }
        }
        Some(Err(code)) => fail(charge, code),
        None => set(charge, "status", json!("failed")),
    });
    if end == Some(Ok(())) {
        balance::charged(state, account, &charge);
    }
    charge
}

/// Writes down why a charge failed.
pub(super) fn fail(charge: &mut Value, code: &str) {
    set(charge, "status", json!("failed"));
    set(charge, "failure_code", json!(code));
    set(charge, "failure_message", json!("The payment was not made."));
}

pub(super) fn is_bank_debit(charge: &Value) -> bool {
    charge.pointer("/payment_method_details/type").and_then(Value::as_str) == Some("us_bank_account")
}

/// A number of an object.
pub(super) fn number(object: &Value, name: &str) -> i64 {
    object.get(name).and_then(Value::as_i64).unwrap_or_default()
}

/// A PaymentIntent's last charge.
pub(super) fn of_intent<'a>(state: &'a State, account: &str, intent: &Value) -> Option<&'a Value> {
    state.find(account, text(intent, "latest_charge"), "charge").map(|stored| &stored.value)
}

/// Changes a charge.
pub(super) fn change(state: &mut State, id: &str, change: impl FnOnce(&mut Value)) -> Value {
    let Some(stored) = state.objects.get_mut(id) else { return Value::Null };
    change(&mut stored.value);
    stored.value.clone()
}

/// Moves the running total of what was given back.
pub(super) fn add_refunded(state: &mut State, id: &str, amount: i64) -> Value {
    change(state, id, |charge| {
        let total = number(charge, "amount_refunded") + amount;
        set(charge, "amount_refunded", json!(total));
        set(charge, "refunded", json!(total == number(charge, "amount_captured")));
    })
}
