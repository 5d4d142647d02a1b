//! What a body may look like, and what is wrong with one. Nothing passes that no shape names.

use serde_json::{Map, Value};

use super::error::ApiError;

/// What a value must be.
pub(super) enum Shape {
    /// A text, not empty, of at most so many characters.
    Text(usize),
    /// Any text.
    Anything,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A boolean.
    Flag,
    /// A whole number between these.
    Number(u64, u64),
    /// These members and no other.
    Object(&'static [Field]),
    /// Texts by names: so many, with names and texts of so many ASCII characters.
    Texts(usize, usize, usize),
    /// Values of a shape, at least one.
    List(&'static Shape),
    /// Plaid knows it, and the simulator can't do what it asks for.
    Unsupported,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
    /// It may also be null.
    Nullable,
}

/// A member of an object.
pub(super) struct Field {
    name: &'static str,
    need: Need,
    shape: &'static Shape,
}

pub(super) const fn must(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, need: Need::Required, shape }
}

pub(super) const fn may(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, need: Need::Optional, shape }
}

pub(super) const fn null_or(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, need: Need::Nullable, shape }
}

/// Checks a body. What is unknown or missing is told before what is wrong.
///
/// # Errors
/// The error that Plaid would answer.
pub(super) fn check(fields: &[Field], body: &Map<String, Value>) -> Result<(), ApiError> {
    object(fields, body, "")
}

fn object(fields: &[Field], members: &Map<String, Value>, path: &str) -> Result<(), ApiError> {
    let unknown = |name: &&String| !fields.iter().any(|field| field.name == name.as_str());
    let unknown: Vec<String> = members.keys().filter(unknown).map(|name| format!("{path}{name}")).collect();
    if !unknown.is_empty() {
        let message = format!("the following fields are not recognized by this endpoint: {}", unknown.join(", "));
        return Err(ApiError::request("UNKNOWN_FIELDS", &message));
    }
    let missing = |field: &&Field| field.need == Need::Required && !members.contains_key(field.name);
    let missing: Vec<String> = fields.iter().filter(missing).map(|field| format!("{path}{}", field.name)).collect();
    if !missing.is_empty() {
        let message = format!("the following required fields are missing: {}", missing.join(", "));
        return Err(ApiError::request("MISSING_FIELDS", &message));
    }
    for field in fields {
        match members.get(field.name) {
            None => {}
            Some(Value::Null) if field.need == Need::Nullable => {}
            Some(value) => visit(field.shape, value, &format!("{path}{}", field.name))?,
        }
    }
    Ok(())
}

fn visit(shape: &Shape, value: &Value, path: &str) -> Result<(), ApiError> {
    let must_be = |what: &str| Err(ApiError::field(&format!("{path} must be {what}")));
    match (shape, value) {
        (Shape::Text(max), Value::String(text)) => match text.chars().count() {
            0 => must_be("a non-empty string"),
            count if count > *max => must_be(&format!("at most {max} characters")),
            _ => Ok(()),
        },
        (Shape::Anything, Value::String(_)) | (Shape::Flag, Value::Bool(_)) => Ok(()),
        (Shape::OneOf(known), Value::String(text)) if known.contains(&text.as_str()) => Ok(()),
        (Shape::OneOf(known), _) => must_be(&format!("one of {}", known.join(", "))),
        (Shape::Number(min, max), value) => match value.as_u64() {
            Some(number) if (*min..=*max).contains(&number) => Ok(()),
            _ => must_be(&format!("an integer between {min} and {max}")),
        },
        (Shape::Object(fields), Value::Object(members)) => object(fields, members, &format!("{path}.")),
        (Shape::Texts(count, name, text), Value::Object(members)) => {
            let fits = |(key, value): (&String, &Value)| {
                let fine = |text: &str, max: usize| text.is_ascii() && text.len() <= max;
                !key.is_empty() && fine(key, *name) && value.as_str().is_some_and(|value| fine(value, *text))
            };
            if members.len() <= *count && members.iter().all(fits) {
                return Ok(());
            }
            must_be(&format!("at most {count} ASCII strings of {text} characters, with keys of {name}"))
        }
        (Shape::List(of), Value::Array(values)) if !values.is_empty() => {
            values.iter().enumerate().try_for_each(|(index, value)| visit(of, value, &format!("{path}[{index}]")))
        }
        (Shape::Unsupported, _) => must_be("left out: the simulator does not support it"),
        (Shape::Anything | Shape::Text(_), _) => must_be("a string"),
        (Shape::Flag, _) => must_be("a boolean"),
        (Shape::Object(_) | Shape::Texts(..), _) => must_be("an object"),
        (Shape::List(_), _) => must_be("a non-empty array"),
    }
}

/// A text member, or nothing.
pub(super) fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}
