//! Charges: one for each attempt that reached a bank, with what was given back of it.

use serde_json::{Value, json};
use shared::clock::Clock;

use super::method::{set, text};
use super::test_method;
use super::{State, new_id};

/// The charge of an attempt; it has the PaymentIntent's metadata as they are now.
pub(super) fn create(
    state: &mut State,
    clock: &Clock,
    account: &str,
    intent: &Value,
    origin: &str,
    succeeded: bool,
) -> Value {
    let copy = |name: &str| intent.get(name).cloned().unwrap_or_default();
    let charge = json!({
        "id": new_id("ch"), "object": "charge", "amount": copy("amount"),
        "amount_captured": if succeeded { copy("amount") } else { json!(0) }, "amount_refunded": 0,
        "application_fee_amount": copy("application_fee_amount"), "currency": copy("currency"),
        "created": clock.now().seconds(), "customer": copy("customer"), "disputed": false, "metadata": copy("metadata"),
        "payment_intent": copy("id"), "payment_method": copy("payment_method"),
        "payment_method_details": { "type": test_method::find(origin).map_or("card", |method| method.kind()) },
        "status": if succeeded { "succeeded" } else { "failed" }, "captured": succeeded, "paid": succeeded,
        "refunded": false, "transfer_data": copy("transfer_data"), "livemode": false,
    });
    state.keep(account, charge, origin)
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
