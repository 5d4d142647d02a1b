//! PaymentIntents: created, confirmed, canceled, listed.

use serde_json::{Value, json};
use shared::clock::Clock;

use super::attempt::attempt;
use super::error::ApiError;
use super::form::Form;
use super::method::{set, text};
use super::{State, bank, mandate, new_id, page};

type Answer = Result<Value, ApiError>;

const CREATE: &[&str] = &[
    "amount",
    "currency",
    "customer",
    "payment_method",
    "payment_method_types[]",
    "automatic_payment_methods[enabled]",
    "automatic_payment_methods[allow_redirects]",
    "confirm",
    "off_session",
    "error_on_requires_action",
    "capture_method",
    "setup_future_usage",
    "mandate",
    "mandate_data[customer_acceptance][type]",
    "mandate_data[customer_acceptance][accepted_at]",
    "mandate_data[customer_acceptance][online][ip_address]",
    "mandate_data[customer_acceptance][online][user_agent]",
    "description",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "metadata[]",
    "transfer_data[destination]",
    "transfer_data[amount]",
    "transfer_group",
    "on_behalf_of",
    "application_fee_amount",
    "receipt_email",
    "return_url",
    "expand[]",
    "confirmation_method",
    "payment_method_options[]",
];
const MAX_AMOUNT: i64 = 99_999_999;

/// Least charges that Stripe publishes, in its units.
fn minimum(currency: &str) -> i64 {
    match currency {
        "usd" | "ars" | "aud" | "brl" | "cad" | "chf" | "cop" | "eur" | "idr" | "ils" | "inr" | "jpy" | "krw"
        | "nzd" | "php" | "rub" | "sgd" | "zar" => 50,
        "gbp" => 30,
        "dkk" => 250,
        "nok" | "sek" => 300,
        "hkd" => 400,
        "mxn" | "thb" => 1_000,
        "czk" => 1_500,
        "huf" => 17_500,
        "aed" | "myr" | "pln" | "ron" => 200,
        _ => 1,
    }
}

/// Hundredths that must be 00, and thousandths that must end in 0.
fn step(currency: &str) -> i64 {
    match currency {
        "isk" | "ugx" => 100,
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => 10,
        _ => 1,
    }
}

pub(super) fn create(state: &mut State, clock: &Clock, account: &str, form: &Form) -> Answer {
    form.only(CREATE)?;
    form.required("amount")?;
    let amount = form.integer("amount")?.unwrap_or_default();
    let currency = form.required("currency")?.to_owned();
    if currency.len() != 3
        || currency.to_ascii_uppercase().parse::<shared::money::Currency>().is_err()
        || currency != currency.to_ascii_lowercase()
    {
        return Err(ApiError::request(&format!("Invalid currency: {currency}")));
    }
    if amount < minimum(&currency) {
        return Err(ApiError::parameter("amount_too_small", "amount", "Amount must be no less than the minimum."));
    }
    if amount > MAX_AMOUNT {
        return Err(ApiError::parameter("amount_too_large", "amount", "Amount must be no more than 999,999.99."));
    }
    if amount % step(&currency) != 0 {
        return Err(ApiError::parameter(
            "parameter_invalid_integer",
            "amount",
            "The amount is too fine for the currency.",
        ));
    }
    let confirm = form.flag("confirm")?;
    if !confirm && form.text("off_session").is_some() {
        return Err(ApiError::parameter("parameter_invalid", "off_session", "off_session needs confirm=true."));
    }
    if let Some(value) = form.text("off_session")
        && !["true", "false", "one_off", "recurring"].contains(&value)
    {
        return Err(ApiError::parameter("parameter_invalid", "off_session", "Invalid off_session."));
    }
    let automatic = form.text("automatic_payment_methods[enabled]") == Some("true");
    let types: Vec<String> = form.members("payment_method_types").into_values().collect();
    if automatic && !types.is_empty() {
        return Err(ApiError::parameter(
            "parameters_exclusive",
            "payment_method_types",
            "You may only specify one of these.",
        ));
    }
    let redirects = form.text("automatic_payment_methods[allow_redirects]") != Some("never");
    if confirm && automatic && redirects && form.text("return_url").is_none() {
        return Err(ApiError::parameter("parameter_missing", "return_url", "return_url is needed with redirects."));
    }
    if let Some(customer) = form.text("customer")
        && state.find(account, customer, "customer").is_none()
    {
        return Err(ApiError::missing(400, "customer", customer));
    }
    if let Some(destination) = form.text("transfer_data[destination]")
        && !state.connected.contains(&(account.to_owned(), destination.to_owned()))
    {
        return Err(ApiError::missing(400, "transfer_data[destination]", destination));
    }
    let method = form.text("payment_method").map(|id| state.chargeable(account, id)).transpose()?;
    let types = if types.is_empty() { vec!["card".to_owned()] } else { types };
    if types.iter().any(|kind| kind == "card") && form.text("statement_descriptor").is_some() {
        let message = "Cards take a statement_descriptor_suffix.";
        return Err(ApiError::parameter("parameter_invalid", "statement_descriptor", message));
    }
    if let Some(method) = &method {
        check_method(&method.object, form.text("customer"), &types, &currency)?;
    } else if confirm {
        return Err(ApiError::parameter(
            "parameter_missing",
            "payment_method",
            "A PaymentIntent is confirmed with a payment method.",
        ));
    }

    check_consent(state, account, confirm, form)?;

    let id = new_id("pi");
    let intent = json!({
        "id": id, "object": "payment_intent", "amount": amount, "amount_capturable": 0, "amount_received": 0,
        "application_fee_amount": form.integer("application_fee_amount")?,
        "currency": currency, "status": if method.is_some() { "requires_confirmation" } else { "requires_payment_method" },
        "latest_charge": null, "last_payment_error": null, "next_action": null, "cancellation_reason": null,
        "canceled_at": null, "capture_method": "automatic_async", "client_secret": format!("{id}_secret_{}", new_id("x")),
        "confirmation_method": "automatic", "created": clock.now().seconds(), "customer": form.text("customer"),
        "description": form.text("description"), "livemode": false, "metadata": form.members("metadata"),
        "on_behalf_of": form.text("on_behalf_of"), "payment_method": method.as_ref().map(|m| text(&m.object, "id")),
        "payment_method_types": types, "processing": null, "receipt_email": form.text("receipt_email"),
        "setup_future_usage": form.text("setup_future_usage"), "statement_descriptor": null,
        "transfer_data": form.text("transfer_data[destination]").map(|to| json!({ "destination": to })),
        "transfer_group": form.text("transfer_group"),
    });
    state.intents.push(id.clone());
    let intent = state.keep(account, intent, "");
    state.tell(clock, account, "payment_intent.created", &intent);
    match (confirm, method) {
        (true, Some(method)) => attempt(state, clock, account, &id, &method, form),
        _ => read(state, account, &id),
    }
}

/// A customer's consent, where there is one: to an attempt, and one of the two.
fn check_consent(state: &State, account: &str, confirm: bool, form: &Form) -> Result<(), ApiError> {
    let is_given = mandate::is_given(form)?;
    let Some(id) = form.text("mandate") else {
        return if is_given && !confirm {
            Err(ApiError::parameter("parameter_invalid", "mandate_data", "mandate_data needs confirm=true."))
        } else {
            Ok(())
        };
    };
    if is_given {
        return Err(ApiError::parameter("parameters_exclusive", "mandate", "You may only specify one of these."));
    }
    if !confirm {
        return Err(ApiError::parameter("parameter_invalid", "mandate", "mandate needs confirm=true."));
    }
    state.find(account, id, "mandate").map(|_| ()).ok_or_else(|| ApiError::missing(400, "mandate", id))
}

fn check_method(method: &Value, customer: Option<&str>, types: &[String], currency: &str) -> Result<(), ApiError> {
    let owner = method.get("customer").and_then(Value::as_str);
    if owner.is_some() && owner != customer {
        return Err(ApiError::request(
            "The provided PaymentMethod is attached to a Customer; include that customer in the request.",
        ));
    }
    if !types.iter().any(|kind| kind == text(method, "type")) {
        return Err(ApiError::request("The payment method type is not among the PaymentIntent's types."));
    }
    if bank::is_bank(method) { bank::check(method, currency) } else { Ok(()) }
}

pub(super) fn read(state: &State, account: &str, id: &str) -> Answer {
    let found = state.find(account, id, "payment_intent").map(|stored| stored.value.clone());
    found.ok_or_else(|| ApiError::missing(404, "intent", id))
}

pub(super) fn confirm(state: &mut State, clock: &Clock, account: &str, id: &str, form: &Form) -> Answer {
    form.only(&[
        "payment_method",
        "off_session",
        "error_on_requires_action",
        "return_url",
        "mandate",
        "mandate_data[]",
        "expand[]",
    ])?;
    let intent = read(state, account, id)?;
    if !matches!(text(&intent, "status"), "requires_payment_method" | "requires_confirmation" | "requires_action") {
        return Err(ApiError::unexpected_state(&intent));
    }
    let method = form.text("payment_method").unwrap_or(text(&intent, "payment_method")).to_owned();
    let method = state.chargeable(account, &method)?;
    let types: Vec<String> = intent
        .get("payment_method_types")
        .and_then(|types| serde_json::from_value(types.clone()).ok())
        .unwrap_or_default();
    let customer = intent.get("customer").and_then(Value::as_str);
    check_method(&method.object, customer, &types, text(&intent, "currency"))?;
    check_consent(state, account, true, form)?;
    attempt(state, clock, account, id, &method, form)
}

pub(super) fn cancel(state: &mut State, clock: &Clock, account: &str, id: &str, form: &Form) -> Answer {
    form.only(&["cancellation_reason", "expand[]"])?;
    let mut intent = read(state, account, id)?;
    let allowed = ["requires_payment_method", "requires_confirmation", "requires_action", "requires_capture"];
    let is_called_off = text(&intent, "status") == "processing" && bank::recall(state, clock, &intent);
    if !is_called_off && !allowed.contains(&text(&intent, "status")) {
        return Err(ApiError::unexpected_state(&intent));
    }
    set(&mut intent, "status", json!("canceled"));
    set(&mut intent, "canceled_at", json!(clock.now().seconds()));
    set(&mut intent, "cancellation_reason", json!(form.text("cancellation_reason")));
    let intent = state.keep(account, intent, "");
    state.tell(clock, account, "payment_intent.canceled", &intent);
    Ok(intent)
}

pub(super) fn list(state: &State, account: &str, form: &Form) -> Answer {
    let newest_first = state.intents.iter().rev().filter_map(|id| state.find(account, id, "payment_intent"));
    page::page(form, "/v1/payment_intents", &["customer"], newest_first.map(|stored| &stored.value))
}
