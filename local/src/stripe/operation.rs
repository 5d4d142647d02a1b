//! Which operation a method and a path mean.

use http::Method;
use serde_json::{Value, json};
use shared::clock::Clock;

use super::error::ApiError;
use super::form::Form;
use super::{State, balance, dispute, event, expand, intent, mandate, method, refund, reversal, setup, transfer};

/// Executes a request in an account.
pub(super) fn execute(
    state: &mut State,
    clock: &Clock,
    account: &str,
    verb: &Method,
    path: &str,
    form: &Form,
) -> Result<Value, ApiError> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (verb.as_str(), parts.as_slice()) {
        (
            "GET",
            [
                "v1",
                "payment_intents" | "customers" | "payment_methods" | "setup_intents" | "charges" | "refunds"
                | "disputes" | "mandates" | "transfers",
                _,
            ],
        ) => {
            form.only(&["expand[]", "client_secret"])?;
        }
        ("GET", ["v1", "customers", _, "payment_methods"] | ["v1", "payment_methods"]) => {
            form.only(&["customer", "type", "limit", "starting_after", "ending_before", "expand[]"])?;
        }
        _ => {}
    }
    let is_list = verb == Method::GET
        && matches!(
            parts.as_slice(),
            [_, _] | ["v1", "customers", _, "payment_methods"] | ["v1", "transfers", _, "reversals"]
        );
    if state.cause.browser.is_none() && form.text(mandate::INFERRED).is_some() {
        let message = format!("Received unknown parameter: {}", mandate::INFERRED);
        return Err(ApiError::parameter("parameter_unknown", mandate::INFERRED, &message));
    }
    expand::check(form, &parts, is_list)?;
    let mut answer = dispatch(state, clock, account, verb, path, form, &parts)?;
    expand::expand(state, account, form, &mut answer);
    Ok(answer)
}

fn dispatch(
    state: &mut State,
    clock: &Clock,
    account: &str,
    verb: &Method,
    path: &str,
    form: &Form,
    parts: &[&str],
) -> Result<Value, ApiError> {
    match (verb.as_str(), parts) {
        ("POST", ["v1", "payment_intents"]) => intent::create(state, clock, account, form),
        ("GET", ["v1", "payment_intents"]) => intent::list(state, account, form),
        ("GET", ["v1", "payment_intents", id]) => intent::read(state, account, id),
        ("POST", ["v1", "payment_intents", id, "confirm"]) => intent::confirm(state, clock, account, id, form),
        ("POST", ["v1", "payment_intents", id, "cancel"]) => intent::cancel(state, clock, account, id, form),
        ("POST", ["v1", "customers"]) => method::create_customer(state, clock, account, form),
        ("DELETE", ["v1", "customers", id]) => method::delete_customer(state, account, id),
        ("POST", ["v1", "customers", id]) => method::update_customer(state, account, id, form),
        ("GET", ["v1", "customers", id]) => method::read(state, account, "customer", id),
        ("GET", ["v1", "customers", id, "payment_methods"]) => method::list(state, account, Some(id)),
        ("GET", ["v1", "payment_methods"]) => method::list(state, account, form.text("customer")),
        ("GET", ["v1", "payment_methods", id]) => method::read(state, account, "payment_method", id),
        ("POST", ["v1", "payment_methods", id, "attach"]) => method::attach(state, clock, account, id, form),
        ("POST", ["v1", "payment_methods", id, "detach"]) => method::detach(state, clock, account, id, form),
        ("POST", ["v1", "setup_intents"]) => setup::create(state, clock, account, form),
        ("GET", ["v1", "setup_intents", id]) => setup::read(state, account, id, form),
        ("POST", ["v1", "setup_intents", id, "confirm"]) => setup::confirm(state, clock, account, id, form),
        ("POST", ["v1", "setup_intents", id, "cancel"]) => setup::cancel(state, clock, account, id, form),
        ("POST", ["v1", "refunds"]) => refund::create(state, clock, account, form),
        ("GET", ["v1", "refunds"]) => refund::list(state, account, form),
        ("GET", ["v1", "refunds", id]) => method::read(state, account, "refund", id),
        ("POST", ["v1", "refunds", id, "cancel"]) => refund::cancel(state, clock, account, id, form),
        ("GET", ["v1", "disputes"]) => dispute::list(state, account, form),
        ("GET", ["v1", "disputes", id]) => method::read(state, account, "dispute", id),
        ("GET", ["v1", "charges", id]) => method::read(state, account, "charge", id),
        ("GET", ["v1", "mandates", id]) => method::read(state, account, "mandate", id),
        ("POST", ["v1", "transfers"]) => transfer::create(state, clock, account, form),
        ("GET", ["v1", "transfers"]) => transfer::list(state, account, form),
        ("GET", ["v1", "transfers", id]) => method::read(state, account, "transfer", id),
        ("POST", ["v1", "transfers", id]) => transfer::update(state, clock, account, id, form),
        ("POST", ["v1", "transfers", id, "reversals"]) => reversal::create(state, clock, account, id, form),
        ("GET", ["v1", "transfers", id, "reversals"]) => reversal::list(state, account, id, form),
        ("GET", ["v1", "transfers", of, "reversals", id]) => reversal::read(state, account, of, id, form),
        ("GET", ["v1", "balance"]) => balance::read(state, account, form),
        ("GET", ["v1", "events"]) => event::list(state, account, form),
        ("POST", ["v1", "webhook_endpoints"]) => event::create_endpoint(state, clock, account, form),
        ("GET", ["v1", "account"]) => Ok(json!({ "id": account, "object": "account" })),
        _ => Err(ApiError::unknown_url(verb.as_str(), path)),
    }
}
