//! Bank debits: handed to the customer's bank, answered days later, and returned even after they succeeded.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clock::{Clock, Time};

use super::attempt::{self, Decline};
use super::dispute::{self, Opened, Terms};
use super::error::ApiError;
use super::form::Form;
use super::method::{Chargeable, set, text};
use super::test_method::{self, Bank, Behaviour};
use super::{State, calendar, charge, mandate, refund};

/// Bank days until a debit is known to be good.
const TO_SETTLE: u32 = 4;
/// Bank days until a refund has arrived.
const TO_REFUND: u32 = 3;

/// What a blocked account is refused with.
const UNUSABLE: Decline = Decline { code: "bank_account_unusable", decline_code: None, advice_code: None };

/// Why a debit can fail, with the block that Stripe puts on the account: network code and reason. What is for want of
/// money, or says nothing of the account, does not block it.
const FAILURES: [(&str, Option<(&str, &str)>); 14] = [
    ("insufficient_funds", None),
    ("account_closed", Some(("R02", "bank_account_closed"))),
    ("no_account", Some(("R03", "bank_account_invalid_details"))),
    ("debit_not_authorized", Some(("R10", "debit_not_authorized"))),
    ("refer_to_customer", Some(("R08", "debit_not_authorized"))),
    ("bank_account_restricted", Some(("R20", "bank_account_restricted"))),
    ("bank_account_unusable", Some(("R16", "bank_account_frozen"))),
    ("invalid_currency", None),
    ("charge_exceeds_source_limit", None),
    ("charge_exceeds_transaction_limit", None),
    ("charge_exceeds_weekly_limit", None),
    ("payment_method_bank_account_blocked", None),
    ("payment_method_not_available", None),
    ("payment_intent_payment_attempt_failed", None),
];

/// A debit that was handed to a bank.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Debit {
    account: String,
    intent: String,
    charge: String,
    method: String,
    /// When it left Stripe: until then it can be called off.
    leaves: Time,
    /// When the bank's silence means that it is good.
    settles: Date,
    /// It was called off before it left.
    recalled: bool,
}

/// What a bank debit needs, before anything is made of it.
pub(super) fn check(method: &Value, currency: &str) -> Result<(), ApiError> {
    if currency != "usd" {
        let message = format!("The currency provided ({currency}) is invalid for us_bank_account.");
        return Err(ApiError::parameter("parameter_invalid", "currency", &message));
    }
    if method.pointer("/billing_details/name").and_then(Value::as_str).is_none_or(str::is_empty) {
        let message = "Missing required param: billing_details[name].";
        return Err(ApiError::parameter("parameter_missing", "billing_details[name]", message));
    }
    Ok(())
}

pub(super) fn is_bank(method: &Value) -> bool {
    text(method, "type") == "us_bank_account"
}

/// Confirms a PaymentIntent with a bank account.
///
/// # Errors
/// Without consent it stays unconfirmed; an account that Stripe has blocked, or a limit of Stripe's, leaves a failed
/// charge.
pub(super) fn confirm(
    state: &mut State,
    clock: &Clock,
    account: &str,
    mut intent: Value,
    method: &Chargeable,
    form: &Form,
) -> Result<Value, ApiError> {
    // Its own id from now on, also where it is the copy of a shared test method.
    state.keep(account, method.object.clone(), &method.origin);
    let mandate = match mandate::of_debit(state, clock, account, method, form) {
        Ok(mandate) => mandate,
        Err(mut error) => {
            set(&mut intent, "status", json!("requires_confirmation"));
            let intent = state.keep(account, intent, &method.origin);
            set(&mut error.body, "payment_intent", intent);
            return Err(error);
        }
    };
    let refused = match test_method::find(&method.origin).map(|test| test.behaviour) {
        _ if is_blocked(&method.object) => Some(UNUSABLE),
        Some(Behaviour::Debit(Bank::Refused(code))) => Some(Decline::of(code)),
        _ => None,
    };
    if let Some(decline) = refused {
        return Err(ApiError::card(attempt::fail(state, clock, account, intent, method, decline)));
    }
    Ok(present(state, clock, account, intent, method, &mandate))
}

fn is_blocked(method: &Value) -> bool {
    method.pointer("/us_bank_account/status_details/blocked").is_some_and(|blocked| !blocked.is_null())
}

/// Hands the debit to the bank.
fn present(
    state: &mut State,
    clock: &Clock,
    account: &str,
    mut intent: Value,
    method: &Chargeable,
    mandate: &str,
) -> Value {
    let now = clock.now();
    let settles = calendar::settles(now, TO_SETTLE);
    let mut charge = charge::create(state, clock, account, &intent, &method.origin, "pending");
    let mut details = method.object.get("us_bank_account").cloned().unwrap_or_default();
    if let Some(members) = details.as_object_mut() {
        members.remove("status_details");
    }
    set(&mut details, "expected_debit_date", json!(settles.to_string()));
    set(&mut details, "mandate", json!(mandate));
    if let Some(of_method) = charge.get_mut("payment_method_details") {
        set(of_method, "us_bank_account", details);
    }
    let charge = state.keep(account, charge, &method.origin);
    state.debits.push(Debit {
        account: account.to_owned(),
        intent: text(&intent, "id").to_owned(),
        charge: text(&charge, "id").to_owned(),
        method: text(&method.object, "id").to_owned(),
        leaves: calendar::leaves(now),
        settles,
        recalled: false,
    });
    set(&mut intent, "latest_charge", json!(text(&charge, "id")));
    state.tell(clock, account, "charge.pending", &charge);
    attempt::process(state, clock, account, intent, &method.origin)
}

/// How often debits of a method were handed to the bank.
pub(super) fn presentments(state: &State, account: &str, method: &str) -> u32 {
    let presented = |debit: &&Debit| debit.account == account && debit.method == method && !debit.recalled;
    u32::try_from(state.debits.iter().filter(presented).count()).unwrap_or(u32::MAX)
}

/// Whether a PaymentIntent's debit was handed to the bank.
pub(super) fn is_presented(state: &State, intent: &str) -> bool {
    state.debits.iter().any(|debit| debit.intent == intent && !debit.recalled)
}

/// Calls a debit off that has not left, with its charge. Whether that was possible.
pub(super) fn recall(state: &mut State, clock: &Clock, intent: &Value) -> bool {
    let (now, charge) = (clock.now(), text(intent, "latest_charge"));
    let Some(debit) = state.debits.iter_mut().find(|debit| debit.charge == charge) else { return false };
    let origin = state.objects.get(charge).map(|stored| stored.origin.as_str()).unwrap_or_default();
    let never_leaves = test_method::find(origin).is_some_and(|test| test.behaviour == Behaviour::Debit(Bank::Silent));
    if debit.leaves <= now && !never_leaves {
        return false;
    }
    debit.recalled = true;
    let account = debit.account.clone();
    let charge = charge::end(state, &account, charge, None);
    state.tell(clock, &account, "charge.failed", &charge);
    true
}

/// Everything happens whose day has come: debits end as their test methods say, refunds arrive.
pub(super) fn run(state: &mut State, clock: &Clock) {
    let now = clock.now();
    for debit in state.debits.clone() {
        let Some(stored) = state.objects.get(&debit.intent) else { continue };
        let is_open = text(&stored.value, "status") == "processing"
            && text(&stored.value, "latest_charge") == debit.charge
            && calendar::has_come(debit.settles, now);
        if !is_open {
            continue;
        }
        match test_method::find(&stored.origin).map(|test| test.behaviour) {
            Some(Behaviour::Debit(Bank::Fails(code))) => drop(fail(state, clock, &debit.intent, code)),
            Some(Behaviour::Debit(Bank::Silent)) => {}
            _ => attempt::finish(state, clock, &debit.intent, true),
        }
    }
    for id in state.refunds.clone() {
        let Some(stored) = state.objects.get(&id) else { continue };
        let made = Time::from_seconds(charge::number(&stored.value, "created"));
        let is_due = text(&stored.value, "status") == "pending"
            && stored.value.pointer("/destination_details/type") == Some(&json!("us_bank_transfer"))
            && calendar::has_come(calendar::settles(made, TO_REFUND), now);
        if is_due {
            refund::finish(state, clock, &id, true);
        }
    }
}

/// The bank refuses a debit that is under way. Whether it did: the code is documented, and the debit was.
pub(super) fn fail(state: &mut State, clock: &Clock, intent: &str, code: &str) -> bool {
    let Some((code, block)) = FAILURES.iter().find(|(known, _)| *known == code) else { return false };
    let Some(debit) = state.debits.iter().rev().find(|debit| debit.intent == intent).cloned() else { return false };
    let is_open = state.objects.get(intent).is_some_and(|stored| text(&stored.value, "status") == "processing");
    if !is_open {
        return false;
    }
    // Its own limits Stripe applies before a debit leaves.
    if code.starts_with("charge_exceeds_") {
        state.debits.iter_mut().filter(|debit| debit.intent == intent).for_each(|debit| debit.recalled = true);
    }
    attempt::finish_with(state, clock, intent, Some(Decline::of(code)));
    if let Some((network_code, reason)) = block {
        self::block(state, clock, &debit.account, &debit.method, Some(network_code), reason);
    }
    true
}

/// The bank takes a debit back that had succeeded: a dispute, lost from the start.
pub(super) fn take_back(state: &mut State, clock: &Clock, intent: &str, reason: &str) -> Option<String> {
    let stored = state.objects.get(intent)?;
    let account = stored.account.clone();
    let charge = charge::of_intent(state, &account, &stored.value).filter(|charge| charge::is_bank_debit(charge))?;
    let charge = charge.clone();
    let may_be = text(&charge, "status") == "succeeded" && charge.get("disputed") == Some(&json!(false));
    let how = Opened { reason, terms: Terms::Final };
    may_be.then(|| dispute::open(state, clock, &account, &charge, how))
}

/// What a dispute does to the account: its consent is gone, and from the second one on it is blocked. Refunds on their
/// way are given up.
pub(super) fn disputed(state: &mut State, clock: &Clock, account: &str, charge: &Value, reason: &str) {
    let method = text(charge, "payment_method");
    mandate::revoke(state, clock, account, method);
    refund::give_up(state, clock, account, text(charge, "id"));
    let is_of_method = |id: &&String| {
        let dispute = state.find(account, id, "dispute");
        let charge = dispute.and_then(|stored| state.find(account, text(&stored.value, "charge"), "charge"));
        charge.is_some_and(|stored| text(&stored.value, "payment_method") == method)
    };
    let times = state.disputes.iter().filter(is_of_method).count();
    let blocked = match reason {
        "insufficient_funds" => return,
        "incorrect_account_details" => (Some("R03"), "bank_account_invalid_details"),
        "debit_not_authorized" => (Some("R10"), "debit_not_authorized"),
        _ => (None, "bank_account_unusable"),
    };
    if times > 1 {
        block(state, clock, account, method, blocked.0, blocked.1);
    }
}

/// Blocks an account for what the network says. Whether there is such a code, and such an account.
pub(super) fn block_for(state: &mut State, clock: &Clock, method: &str, network_code: &str) -> bool {
    let reason = match network_code {
        "R02" => "bank_account_closed",
        "R03" | "R04" => "bank_account_invalid_details",
        "R05" | "R07" | "R08" | "R10" | "R11" | "R29" => "debit_not_authorized",
        "R16" => "bank_account_frozen",
        "R20" | "R31" => "bank_account_restricted",
        _ => return false,
    };
    let Some(stored) = state.objects.get(method).filter(|stored| is_bank(&stored.value)) else { return false };
    let account = stored.account.clone();
    block(state, clock, &account, method, Some(network_code), reason);
    true
}

/// Stripe takes no more debits of an account. (Really of all methods with its number; here each test method's copy is an
/// account of its own, as it is in test mode.)
fn block(state: &mut State, clock: &Clock, account: &str, method: &str, network_code: Option<&str>, reason: &str) {
    let Some(stored) = state.find(account, method, "payment_method") else { return };
    let (mut object, origin) = (stored.value.clone(), stored.origin.clone());
    let Some(bank) = object.get_mut("us_bank_account") else { return };
    let previous = json!({ "us_bank_account": { "status_details": bank.get("status_details") } });
    let blocked = json!({ "network_code": network_code, "reason": reason });
    set(bank, "status_details", json!({ "blocked": blocked }));
    let method = state.keep(account, object, &origin);
    state.tell_change(clock, account, "payment_method.automatically_updated", &method, previous);
}
