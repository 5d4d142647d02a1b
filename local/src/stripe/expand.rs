//! `expand[]`: members that are ids in an answer, shown as the objects that they name.

use serde_json::Value;

use super::State;
use super::error::ApiError;
use super::form::Form;
use super::method;

/// The members of a kind of object that can be expanded here, and what they become.
fn members(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "payment_intent" => &[("latest_charge", "charge"), ("customer", "customer")],
        "charge" => &[("customer", "customer"), ("payment_intent", "payment_intent")],
        "refund" | "dispute" => &[("charge", "charge"), ("payment_intent", "payment_intent")],
        "payment_method" | "setup_intent" => &[("customer", "customer")],
        _ => &[],
    }
}

/// The object that a path of the API shows.
fn kind_of(path: &[&str]) -> Option<&'static str> {
    Some(match path {
        ["v1", "customers", _, "payment_methods"] | ["v1", "payment_methods", ..] => "payment_method",
        ["v1", "payment_intents", ..] => "payment_intent",
        ["v1", "setup_intents", ..] => "setup_intent",
        ["v1", "charges", ..] => "charge",
        ["v1", "refunds", ..] => "refund",
        ["v1", "disputes", ..] => "dispute",
        _ => return None,
    })
}

/// Refuses what can't be expanded, before anything is executed. In a list a path begins with `data`.
pub(super) fn check(form: &Form, path: &[&str], is_list: bool) -> Result<(), ApiError> {
    for wanted in wanted(form) {
        let mut steps = wanted.split('.');
        let in_place = !is_list || steps.next() == Some("data");
        let start = kind_of(path).filter(|_| in_place);
        let end = steps.try_fold(start, |kind, step| {
            let (_, next) = members(kind?).iter().find(|(name, _)| *name == step)?;
            Some(Some(*next))
        });
        if end.flatten().is_none() {
            return Err(ApiError::request(&format!("This property cannot be expanded ({wanted}).")));
        }
    }
    Ok(())
}

/// Puts the objects in the place of their ids.
pub(super) fn expand(state: &State, account: &str, form: &Form, answer: &mut Value) {
    for wanted in wanted(form) {
        let steps: Vec<&str> = wanted.split('.').collect();
        follow(state, account, &steps, answer);
    }
}

fn wanted(form: &Form) -> impl Iterator<Item = String> {
    form.members("expand").into_values().chain(form.text("expand").map(str::to_owned))
}

fn follow(state: &State, account: &str, steps: &[&str], value: &mut Value) {
    let Some((step, rest)) = steps.split_first() else { return };
    if let Some(items) = value.get_mut(*step).and_then(Value::as_array_mut) {
        return items.iter_mut().for_each(|item| follow(state, account, rest, item));
    }
    let kind = value.get("object").and_then(Value::as_str).unwrap_or_default();
    let Some((_, target)) = members(kind).iter().find(|(name, _)| name == step) else { return };
    let Some(member) = value.get_mut(*step) else { return };
    if let Some(Ok(object)) = member.as_str().map(|id| method::read(state, account, target, id)) {
        *member = object;
    }
    follow(state, account, rest, member);
}
