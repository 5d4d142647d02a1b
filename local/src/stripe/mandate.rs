//! Mandates: a customer's consent that a bank account may be debited, kept until a debit is disputed.

use serde_json::{Value, json};
use shared::clock::Clock;

use super::error::ApiError;
use super::form::Form;
use super::method::{Chargeable, set, text};
use super::{State, new_id};

/// A browser's consent: who gives it is seen, not said.
pub(super) const INFERRED: &str = "mandate_data[customer_acceptance][online][infer_from_client]";

/// Whether the parameters carry a customer's consent.
///
/// # Errors
/// It is not complete.
pub(super) fn is_given(form: &Form) -> Result<bool, ApiError> {
    const PREFIX: &str = "mandate_data[customer_acceptance]";
    if !form.0.keys().any(|name| name.starts_with("mandate_data")) {
        return Ok(false);
    }
    let kind = format!("{PREFIX}[type]");
    match form.required(&kind)? {
        "offline" => {}
        // Stripe sees itself where a browser comes from.
        "online" if form.flag(INFERRED)? => {}
        "online" => {
            for name in ["ip_address", "user_agent"] {
                form.required(&format!("{PREFIX}[online][{name}]"))?;
            }
        }
        _ => return Err(ApiError::parameter("parameter_invalid", &kind, "Must be one of online or offline.")),
    }
    Ok(true)
}

/// Keeps a new one.
pub(super) fn create(state: &mut State, clock: &Clock, account: &str, method: &str, form: &Form) -> String {
    let id = new_id("mandate");
    let kind = form.text("mandate_data[customer_acceptance][type]").unwrap_or("offline");
    let mut acceptance = json!({ "accepted_at": clock.now().seconds(), "type": kind });
    let online = "mandate_data[customer_acceptance][online]";
    let how = match kind {
        "online" if form.text(INFERRED).is_some() => {
            json!({ "ip_address": "127.0.0.1", "user_agent": state.cause.browser })
        }
        "online" => json!(form.members(online)),
        _ => json!({}),
    };
    set(&mut acceptance, kind, how);
    let mandate = json!({
        "id": id, "object": "mandate", "customer_acceptance": acceptance, "livemode": false, "multi_use": {},
        "payment_method": method, "payment_method_details": { "type": "us_bank_account", "us_bank_account": {} },
        "status": "active", "type": "multi_use",
    });
    state.mandates.push(id.clone());
    state.keep(account, mandate, "");
    id
}

/// The mandate by which a method is debited; a new one where the parameters carry consent.
///
/// # Errors
/// There is none, or not for this method any more.
pub(super) fn of_debit(
    state: &mut State,
    clock: &Clock,
    account: &str,
    method: &Chargeable,
    form: &Form,
) -> Result<String, ApiError> {
    let method = text(&method.object, "id");
    if let Some(id) = form.text("mandate") {
        let fits = state.find(account, id, "mandate").is_some_and(|stored| is_active(&stored.value, method));
        let message = "The provided mandate is invalid and can not be used for the payment intent.";
        return if fits {
            Ok(id.to_owned())
        } else {
            Err(ApiError::refused(Some("payment_intent_mandate_invalid"), Some("mandate"), message))
        };
    }
    if is_given(form)? {
        return Ok(create(state, clock, account, method, form));
    }
    let known = state.mandates.iter().rev().filter_map(|id| state.find(account, id, "mandate"));
    let active = known.map(|stored| &stored.value).find(|mandate| is_active(mandate, method));
    active.map(|mandate| text(mandate, "id").to_owned()).ok_or_else(|| {
        let message = "This PaymentIntent requires a mandate, but no existing mandate was found. Collect mandate \
                       acceptance from the customer and try again, providing acceptance data in the mandate_data \
                       parameter.";
        ApiError::refused(None, None, message)
    })
}

fn is_active(mandate: &Value, method: &str) -> bool {
    text(mandate, "status") == "active" && text(mandate, "payment_method") == method
}

/// Ends all consent of a method.
pub(super) fn revoke(state: &mut State, clock: &Clock, account: &str, method: &str) {
    for id in state.mandates.clone() {
        let Some(stored) = state.find(account, &id, "mandate").filter(|stored| is_active(&stored.value, method)) else {
            continue;
        };
        let mut mandate = stored.value.clone();
        set(&mut mandate, "status", json!("inactive"));
        let mandate = state.keep(account, mandate, "");
        state.tell_change(clock, account, "mandate.updated", &mandate, json!({ "status": "active" }));
    }
}
