//! Attempts to charge a PaymentIntent: what comes of them at once, and of those that wait for customer or bank.

use serde_json::{Value, json};
use shared::clock::Clock;

use super::error::ApiError;
use super::form::Form;
use super::method::{Chargeable, set, text, with_id};
use super::test_method::{self, Behaviour, Later};
use super::{State, balance, bank, charge, dispute, intent};

/// Why a bank says no.
#[derive(Clone, Copy)]
pub(super) struct Decline {
    pub code: &'static str,
    pub decline_code: Option<&'static str>,
    pub advice_code: Option<&'static str>,
}

impl Decline {
    /// One that has no more than a code.
    pub const fn of(code: &'static str) -> Self {
        Self { code, decline_code: None, advice_code: None }
    }

    /// Adds to an error what is known beside its code.
    pub fn explain(self, error: &mut Value) {
        let param = match self.code {
            "expired_card" => Some("exp_month"),
            "incorrect_cvc" => Some("cvc"),
            _ => None,
        };
        for (name, value) in [("decline_code", self.decline_code), ("advice_code", self.advice_code), ("param", param)]
        {
            if let Some(value) = value {
                set(error, name, json!(value));
            }
        }
    }
}

/// One attempt to charge.
pub(super) fn attempt(
    state: &mut State,
    clock: &Clock,
    account: &str,
    id: &str,
    method: &Chargeable,
    form: &Form,
) -> Result<Value, ApiError> {
    let behaviour = test_method::find(&method.origin).map_or(Behaviour::Succeeds, |test| test.behaviour);
    let off_session = form.text("off_session").is_some_and(|value| value != "false");
    let fails_on_action = form.flag("error_on_requires_action")?;
    let mut intent = intent::read(state, account, id)?;
    set(&mut intent, "last_payment_error", Value::Null);
    set(&mut intent, "payment_method", json!(text(&method.object, "id")));
    let decline = match behaviour {
        Behaviour::Succeeds => return Ok(approve(state, clock, account, intent, &method.origin)),
        Behaviour::Debit(_) => return bank::confirm(state, clock, account, intent, method, form),
        Behaviour::Authenticates | Behaviour::AuthenticatesOnce if !off_session && !fails_on_action => {
            set(&mut intent, "status", json!("requires_action"));
            set(&mut intent, "next_action", json!({ "type": "use_stripe_sdk", "use_stripe_sdk": {} }));
            let intent = state.keep(account, intent, &method.origin);
            state.tell(clock, account, "payment_intent.requires_action", &intent);
            return Ok(intent);
        }
        Behaviour::Authenticates | Behaviour::AuthenticatesOnce => {
            let why = if off_session { "authentication_required" } else { "authentication_not_handled" };
            Decline { code: "authentication_required", decline_code: Some(why), advice_code: None }
        }
        Behaviour::Declined(code, decline_code, advice_code) => Decline { code, decline_code, advice_code },
    };
    Err(ApiError::card(fail(state, clock, account, intent, method, decline)))
}

/// The bank approves, now or later.
fn approve(state: &mut State, clock: &Clock, account: &str, intent: Value, origin: &str) -> Value {
    let next = if state.processing { process } else { succeed };
    next(state, clock, account, intent, origin)
}

pub(super) fn process(state: &mut State, clock: &Clock, account: &str, mut intent: Value, origin: &str) -> Value {
    set(&mut intent, "status", json!("processing"));
    set(&mut intent, "next_action", Value::Null);
    let intent = state.keep(account, intent, origin);
    state.tell(clock, account, "payment_intent.processing", &intent);
    intent
}

fn succeed(state: &mut State, clock: &Clock, account: &str, mut intent: Value, origin: &str) -> Value {
    let charge = match pending(state, account, &intent) {
        Some(id) => charge::end(state, account, &id, Some(Ok(()))),
        None => {
            let charge = charge::create(state, clock, account, &intent, origin, "succeeded");
            balance::charged(state, account, &charge);
            charge
        }
    };
    let amount = intent.get("amount").cloned().unwrap_or_default();
    set(&mut intent, "status", json!("succeeded"));
    set(&mut intent, "amount_received", amount);
    set(&mut intent, "latest_charge", json!(text(&charge, "id")));
    set(&mut intent, "next_action", Value::Null);
    let intent = state.keep(account, intent, origin);
    state.tell(clock, account, "charge.succeeded", &charge);
    state.tell(clock, account, "payment_intent.succeeded", &intent);
    if let Some(Later::Disputed(times, how)) = test_method::find(origin).map(|test| test.later) {
        for _ in 0..times {
            dispute::open(state, clock, account, &charge, how);
        }
    }
    intent
}

/// The charge that waits for the bank.
fn pending(state: &State, account: &str, intent: &Value) -> Option<String> {
    let charge = charge::of_intent(state, account, intent)?;
    (text(charge, "status") == "pending").then(|| text(charge, "id").to_owned())
}

/// A decline, which leaves a failed charge. Gives the error.
pub(super) fn fail(
    state: &mut State,
    clock: &Clock,
    account: &str,
    mut intent: Value,
    method: &Chargeable,
    decline: Decline,
) -> Value {
    let charge = match pending(state, account, &intent) {
        Some(id) => charge::end(state, account, &id, Some(Err(decline.code))),
        None => {
            let made = charge::create(state, clock, account, &intent, &method.origin, "failed");
            charge::change(state, text(&made, "id"), |charge| charge::fail(charge, decline.code))
        }
    };
    let (kind, message) = match bank::is_bank(&method.object) {
        true => ("invalid_request_error", "The bank account could not be debited."),
        false => ("card_error", "Your card was declined."),
    };
    let mut error = json!({
        "type": kind, "code": decline.code, "message": message, "charge": text(&charge, "id"),
        "payment_method": method.object,
    });
    decline.explain(&mut error);
    set(&mut intent, "status", json!("requires_payment_method"));
    set(&mut intent, "payment_method", Value::Null);
    set(&mut intent, "latest_charge", json!(text(&charge, "id")));
    set(&mut intent, "last_payment_error", error.clone());
    let intent = state.keep(account, intent, &method.origin);
    state.tell(clock, account, "charge.failed", &charge);
    state.tell(clock, account, "payment_intent.payment_failed", &intent);
    set(&mut error, "payment_intent", intent);
    error
}

/// The customer's part of authentication.
pub(super) fn authenticate(state: &mut State, clock: &Clock, id: &str, succeeds: bool) {
    let Some(stored) = state.objects.get(id).cloned() else { return };
    let (account, mut intent) = (stored.account, stored.value);
    if !matches!(text(&intent, "status"), "requires_action" | "requires_payment_method") {
        return;
    }
    if succeeds {
        set(&mut intent, "last_payment_error", Value::Null);
        approve(state, clock, &account, intent, &stored.origin);
        return;
    }
    set(&mut intent, "status", json!("requires_payment_method"));
    let error = json!({ "type": "card_error", "code": "payment_intent_authentication_failure" });
    set(&mut intent, "last_payment_error", error);
    let intent = state.keep(&account, intent, &stored.origin);
    state.tell(clock, &account, "payment_intent.payment_failed", &intent);
}

/// The bank's answer to an attempt that is processing: it succeeds, or funds are insufficient.
pub(super) fn finish(state: &mut State, clock: &Clock, id: &str, succeeds: bool) {
    finish_with(state, clock, id, (!succeeds).then_some(Decline::of("insufficient_funds")));
}

/// The bank's answer to an attempt that is processing; `None`: it succeeds.
pub(super) fn finish_with(state: &mut State, clock: &Clock, id: &str, decline: Option<Decline>) {
    let Some(stored) = state.objects.get(id).cloned() else { return };
    let (account, intent) = (stored.account, stored.value);
    if text(&intent, "status") != "processing" {
        return;
    }
    let Some(decline) = decline else {
        succeed(state, clock, &account, intent, &stored.origin);
        return;
    };
    let method = text(&intent, "payment_method");
    // A shared test method's copy is not kept.
    let object = state.find(&account, method, "payment_method").map(|found| found.value.clone()).unwrap_or_else(|| {
        let test = test_method::find(&stored.origin).map(test_method::TestMethod::object).unwrap_or_default();
        with_id(test, method.to_owned())
    });
    let method = Chargeable { object, origin: stored.origin };
    fail(state, clock, &account, intent, &method, decline);
}
