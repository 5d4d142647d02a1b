//! Bad forms: of every request, in its body, its path, its query and its headers, what is unknown, missing, of the wrong
//! type, huge, strange or nested too deep is refused with the field's name, and nothing is written. Which requests and
//! fields there are, and what they take, says the OpenAPI document; its examples are the good requests that are spoiled.

mod bodies;
mod bounds;
mod callers;
mod edges;
mod parameters;
mod stage;
mod texts;
pub mod walk;

use local::client::Answer;
use serde_json::{Value, json};

/// It is refused with this code, for this field and no other.
#[track_caller]
fn is_refused(answer: &Answer, status: u16, code: &str, field: Option<&str>, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    let errors = answer.body["errors"].as_array().unwrap();
    assert!(errors.iter().any(|error| error["code"] == json!(code)), "{what}: {}", answer.body);
    let is_other = |error: &Value| error.get("field").and_then(Value::as_str) != field;
    assert!(!errors.iter().any(is_other), "{what}: {}", answer.body);
}

/// Whether its form is refused for this field: what is said about any other field's form is a fault.
#[track_caller]
fn refuses_form(answer: &Answer, field: &str, what: &str) -> bool {
    // The form of an account's id says nothing about whether Stripe knows it.
    let is_stripes = field.ends_with("stripe_account") && answer.code() == "gateway_unavailable";
    assert!(answer.status < 500 || is_stripes, "{what}: {}", answer.body);
    let of_form =
        |error: &&Value| ["invalid_field", "missing_field", "unknown_field"].contains(&error["code"].as_str().unwrap());
    let errors: Vec<&Value> = answer.body["errors"].as_array().into_iter().flatten().filter(of_form).collect();
    let about = |error: &Value| error["field"].as_str().is_some_and(|name| name == field);
    assert!(errors.iter().all(|error| about(error)), "{what}: {}", answer.body);
    !errors.is_empty()
}
