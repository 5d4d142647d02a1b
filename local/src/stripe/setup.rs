//! SetupIntents: a method of a customer's is made ready for later, by us or by the customer's browser.

use serde_json::{Value, json};
use shared::clock::Clock;

use super::attempt::Decline;
use super::error::ApiError;
use super::form::{CLIENT_SECRET, Form};
use super::method::{self, Chargeable, set, text};
use super::test_method::{self, Behaviour, TestMethod};
use super::{State, bank, browser, mandate, new_id};

type Answer = Result<Value, ApiError>;

const CREATE: &[&str] = &[
    "customer",
    "payment_method",
    "payment_method_types[]",
    "confirm",
    "usage",
    "metadata[]",
    "description",
    "automatic_payment_methods[enabled]",
    "automatic_payment_methods[allow_redirects]",
    "return_url",
    "mandate_data[customer_acceptance][type]",
    "mandate_data[customer_acceptance][accepted_at]",
    "mandate_data[customer_acceptance][online][ip_address]",
    "mandate_data[customer_acceptance][online][user_agent]",
    "use_stripe_sdk",
    "expand[]",
];
const CONFIRM: &[&str] =
    &["payment_method", "return_url", "mandate_data[]", "use_stripe_sdk", CLIENT_SECRET, "expand[]"];

/// `POST /v1/setup_intents`; confirmed at once with `confirm=true`.
pub(super) fn create(state: &mut State, clock: &Clock, account: &str, form: &Form) -> Answer {
    form.only(CREATE)?;
    let confirms = form.flag("confirm")?;
    if mandate::is_given(form)? && !confirms {
        return Err(ApiError::parameter("parameter_invalid", "mandate_data", "mandate_data needs confirm=true."));
    }
    if let Some(usage) = form.text("usage").filter(|usage| !["off_session", "on_session"].contains(usage)) {
        return Err(ApiError::request(&format!("Invalid usage: must be one of on_session or off_session: {usage}")));
    }
    if let Some(customer) = form.text("customer")
        && state.find(account, customer, "customer").is_none()
    {
        return Err(ApiError::missing(400, "customer", customer));
    }
    let method = form.text("payment_method").map(|id| state.chargeable(account, id)).transpose()?;
    let types: Vec<String> = form.members("payment_method_types").into_values().collect();
    let types = if types.is_empty() { vec!["card".to_owned()] } else { types };
    let id = new_id("seti");
    let mut setup = json!({
        "id": id, "object": "setup_intent", "created": clock.now().seconds(), "livemode": false,
        "cancellation_reason": null, "client_secret": format!("{id}_secret_{}", new_id("x")),
        "customer": form.text("customer"), "description": form.text("description"), "last_setup_error": null,
        "latest_attempt": null, "mandate": null, "metadata": form.members("metadata"), "next_action": null,
        "payment_method": null, "payment_method_types": types, "status": "requires_payment_method",
        "usage": form.text("usage").unwrap_or("off_session"),
    });
    if let Some(method) = method.filter(|_| !confirms) {
        check_method(&setup, &method.object)?;
        set(&mut setup, "status", json!("requires_confirmation"));
        set(&mut setup, "payment_method", json!(text(&method.object, "id")));
        state.keep(account, method.object, &method.origin);
    }
    let setup = state.keep(account, setup, "");
    state.tell(clock, account, "setup_intent.created", &setup);
    if confirms { attempt(state, clock, account, setup, form) } else { Ok(setup) }
}

/// `GET /v1/setup_intents/{id}`.
pub(super) fn read(state: &State, account: &str, id: &str, form: &Form) -> Answer {
    let setup = find(state, account, id, form)?;
    Ok(if state.cause.browser.is_some() { browser::shown(setup) } else { setup })
}

/// The SetupIntent of a path; whoever has no secret key has to know its own secret.
fn find(state: &State, account: &str, id: &str, form: &Form) -> Answer {
    let setup = method::read(state, account, "setup_intent", id).map_err(|_| ApiError::missing(404, "intent", id))?;
    if state.cause.browser.is_some() {
        form.required(CLIENT_SECRET)?;
    }
    match form.text(CLIENT_SECRET) {
        Some(secret) if secret != text(&setup, CLIENT_SECRET) => Err(ApiError::other_client_secret()),
        _ => Ok(setup),
    }
}

/// `POST /v1/setup_intents/{id}/confirm`.
pub(super) fn confirm(state: &mut State, clock: &Clock, account: &str, id: &str, form: &Form) -> Answer {
    form.only(CONFIRM)?;
    let setup = find(state, account, id, form)?;
    let is_browser = state.cause.browser.is_some();
    let seen = |setup: Value| if is_browser { browser::shown(setup) } else { setup };
    match attempt(state, clock, account, setup, form) {
        Ok(setup) => Ok(seen(setup)),
        Err(mut error) => {
            if let Some(setup) = error.body.get("setup_intent").cloned() {
                set(&mut error.body, "setup_intent", seen(setup));
            }
            Err(error)
        }
    }
}

/// `POST /v1/setup_intents/{id}/cancel`.
pub(super) fn cancel(state: &mut State, clock: &Clock, account: &str, id: &str, form: &Form) -> Answer {
    form.only(&["cancellation_reason", "expand[]"])?;
    let reason = form.text("cancellation_reason");
    if reason.is_some_and(|reason| !["abandoned", "duplicate", "requested_by_customer"].contains(&reason)) {
        return Err(ApiError::parameter("parameter_invalid", "cancellation_reason", "Invalid cancellation_reason."));
    }
    let mut setup = find(state, account, id, form)?;
    check_open(&setup)?;
    set(&mut setup, "status", json!("canceled"));
    set(&mut setup, "cancellation_reason", json!(reason));
    set(&mut setup, "next_action", Value::Null);
    let setup = state.keep(account, setup, "");
    state.tell(clock, account, "setup_intent.canceled", &setup);
    Ok(setup)
}

fn check_open(setup: &Value) -> Result<(), ApiError> {
    match text(setup, "status") {
        "requires_payment_method" | "requires_confirmation" | "requires_action" => Ok(()),
        status => Err(ApiError::unexpected_setup_state(setup, status)),
    }
}

/// One attempt to set a method up.
fn attempt(state: &mut State, clock: &Clock, account: &str, mut setup: Value, form: &Form) -> Answer {
    check_open(&setup)?;
    let known = Some(text(&setup, "payment_method")).filter(|known| !known.is_empty());
    let id = match form.text("payment_method").or(known) {
        Some(id) => id.to_owned(),
        None => form.required("payment_method")?.to_owned(),
    };
    let method = state.chargeable(account, &id)?;
    check_method(&setup, &method.object)?;
    if bank::is_bank(&method.object) {
        check_bank(&method.object, state.cause.browser.is_some(), form)?;
    }
    set(&mut setup, "last_setup_error", Value::Null);
    let test = test_method::find(&method.origin);
    if let Some(decline) = test.and_then(TestMethod::setup_decline) {
        return Err(ApiError::card(fail(state, clock, account, setup, &method, decline)));
    }
    set(&mut setup, "payment_method", json!(text(&method.object, "id")));
    state.keep(account, method.object.clone(), &method.origin);
    let asks =
        test.is_some_and(|test| matches!(test.behaviour, Behaviour::Authenticates | Behaviour::AuthenticatesOnce));
    if asks {
        let next = next_action(&state.base, &setup, form);
        set(&mut setup, "status", json!("requires_action"));
        set(&mut setup, "next_action", next);
        let setup = state.keep(account, setup, "");
        state.tell(clock, account, "setup_intent.requires_action", &setup);
        return Ok(setup);
    }
    if bank::is_bank(&method.object) {
        let mandate = mandate::create(state, clock, account, text(&method.object, "id"), form);
        set(&mut setup, "mandate", json!(mandate));
    }
    Ok(succeed(state, clock, account, setup, method))
}

/// Where the customer authenticates: at a page that sends them back, or, without an address to send to, in Stripe.js.
fn next_action(base: &str, setup: &Value, form: &Form) -> Value {
    let in_page = form.text("use_stripe_sdk") == Some("true");
    let Some(back) = form.text("return_url").filter(|_| !in_page) else {
        return json!({ "type": "use_stripe_sdk", "use_stripe_sdk": {} });
    };
    let (id, secret) = (text(setup, "id"), text(setup, CLIENT_SECRET));
    let url = format!("{base}{}{id}?{CLIENT_SECRET}={secret}", browser::AUTHENTICATE);
    json!({ "type": "redirect_to_url", "redirect_to_url": { "url": url, "return_url": back } })
}

/// A method is of a kind that is asked for, and nobody else's.
fn check_method(setup: &Value, method: &Value) -> Result<(), ApiError> {
    let types = setup.get("payment_method_types").and_then(Value::as_array);
    if !types.is_some_and(|types| types.contains(&json!(text(method, "type")))) {
        return Err(ApiError::request("The payment method type is not among the SetupIntent's types."));
    }
    let owner = method.get("customer").filter(|customer| !customer.is_null());
    if owner.is_some() && owner != setup.get("customer") {
        let message = "The provided PaymentMethod is attached to a Customer; include that customer in the request.";
        return Err(ApiError::request(message));
    }
    Ok(())
}

/// A bank account is only set up with its holder's name and the customer's consent.
fn check_bank(method: &Value, is_browser: bool, form: &Form) -> Result<(), ApiError> {
    bank::check(method, "usd")?;
    let kind = "mandate_data[customer_acceptance][type]";
    if is_browser && form.text(kind) == Some("offline") {
        return Err(ApiError::parameter("parameter_invalid", kind, "Must be online."));
    }
    if !mandate::is_given(form)? {
        let message = "This SetupIntent requires a mandate, but no existing mandate was found. Collect mandate \
                       acceptance from the customer and try again, providing acceptance data in the mandate_data \
                       parameter.";
        return Err(ApiError::request(message));
    }
    Ok(())
}

/// The method is the customer's from now on.
fn succeed(state: &mut State, clock: &Clock, account: &str, mut setup: Value, method: Chargeable) -> Value {
    let Chargeable { mut object, origin } = method;
    let origin = test_method::find(&origin).map_or(origin, |test| test.once_set_up().to_owned());
    let owner = setup.get("customer").filter(|customer| !customer.is_null());
    let attached = owner.is_some() && object.get("customer") != owner;
    if let Some(customer) = owner {
        set(&mut object, "customer", customer.clone());
    }
    let method = state.keep(account, object, &origin);
    if attached {
        state.tell(clock, account, "payment_method.attached", &method);
    }
    set(&mut setup, "status", json!("succeeded"));
    set(&mut setup, "next_action", Value::Null);
    let setup = state.keep(account, setup, "");
    state.tell(clock, account, "setup_intent.succeeded", &setup);
    setup
}

/// The card's bank refuses. Gives the error.
fn fail(state: &mut State, clock: &Clock, account: &str, setup: Value, method: &Chargeable, decline: Decline) -> Value {
    let mut error = json!({
        "type": "card_error", "code": decline.code, "message": "Your card was declined.",
        "payment_method": method.object,
    });
    decline.explain(&mut error);
    let setup = failed(state, clock, account, setup, &error);
    set(&mut error, "setup_intent", setup);
    error
}

/// An attempt has failed; another may follow.
fn failed(state: &mut State, clock: &Clock, account: &str, mut setup: Value, error: &Value) -> Value {
    set(&mut setup, "status", json!("requires_payment_method"));
    set(&mut setup, "payment_method", Value::Null);
    set(&mut setup, "next_action", Value::Null);
    set(&mut setup, "last_setup_error", error.clone());
    let setup = state.keep(account, setup, "");
    state.tell(clock, account, "setup_intent.setup_failed", &setup);
    setup
}

/// The customer's part of authentication.
pub(super) fn authenticate(state: &mut State, clock: &Clock, id: &str, succeeds: bool) {
    let Some(stored) = state.objects.get(id).filter(|stored| text(&stored.value, "status") == "requires_action") else {
        return;
    };
    let (account, setup) = (stored.account.clone(), stored.value.clone());
    let Some(method) = state.find(&account, text(&setup, "payment_method"), "payment_method").cloned() else { return };
    if succeeds {
        let method = Chargeable { object: method.value, origin: method.origin };
        succeed(state, clock, &account, setup, method);
        return;
    }
    let message = "We are unable to authenticate your payment method. Please choose a different payment method and try \
                   again.";
    let error = json!({
        "type": "invalid_request_error", "code": "setup_intent_authentication_failure", "message": message,
        "payment_method": method.value,
    });
    failed(state, clock, &account, setup, &error);
}
