//! What a body may look like, and what is wrong with one. Nothing passes that no shape names.

use serde_json::Value;

use super::money;

/// What a value must be.
pub(super) enum Shape {
    /// A text of so many characters that a test lets pass.
    Text(usize, usize, fn(&str) -> bool),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A boolean.
    Flag,
    /// These members and no other.
    Object(&'static [Field]),
    /// Between so many values of a shape.
    List(usize, usize, &'static Shape),
}

/// A member of an object.
pub(super) struct Field {
    name: &'static str,
    required: bool,
    shape: &'static Shape,
}

pub(super) const fn must(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, required: true, shape }
}

pub(super) const fn may(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, required: false, shape }
}

/// What is wrong, and where.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub pointer: String,
    /// `body` or `query`; PayPal has no word for a header.
    pub location: Option<&'static str>,
    pub value: Option<String>,
    pub issue: &'static str,
}

impl Violation {
    /// Of a header.
    pub fn header(name: &str, value: Option<&str>, issue: &'static str) -> Self {
        Self { pointer: name.to_owned(), location: None, value: value.map(str::to_owned), issue }
    }

    /// Of a parameter in the query.
    pub fn query(name: &str, value: &str, issue: &'static str) -> Self {
        Self { pointer: name.to_owned(), location: Some("query"), value: Some(value.to_owned()), issue }
    }
}

/// Everything that is wrong with a body.
pub(super) fn check(shape: &Shape, body: &Value) -> Vec<Violation> {
    let mut violations = Vec::new();
    visit(shape, body, "", &mut violations);
    violations
}

fn visit(shape: &Shape, value: &Value, pointer: &str, found: &mut Vec<Violation>) {
    let mut wrong = |pointer: String, value: &Value, issue: &'static str| {
        let value = match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            _ => None,
        };
        found.push(Violation { pointer, location: Some("body"), value, issue });
    };
    match (shape, value) {
        (Shape::Text(min, max, form), Value::String(text)) => {
            if !(*min..=*max).contains(&text.chars().count()) {
                wrong(pointer.to_owned(), value, "INVALID_STRING_LENGTH");
            } else if !form(text) {
                wrong(pointer.to_owned(), value, "INVALID_PARAMETER_SYNTAX");
            }
        }
        (Shape::OneOf(known), Value::String(text)) => {
            if !known.contains(&text.as_str()) {
                wrong(pointer.to_owned(), value, "INVALID_PARAMETER_VALUE");
            }
        }
        (Shape::Flag, Value::Bool(_)) => {}
        (Shape::Object(fields), Value::Object(members)) => {
            for name in members.keys() {
                if !fields.iter().any(|field| field.name == name) {
                    wrong(format!("{pointer}/{name}"), &Value::Null, "NOT_SUPPORTED");
                }
            }
            for field in *fields {
                let pointer = format!("{pointer}/{}", field.name);
                match members.get(field.name) {
                    Some(member) => visit(field.shape, member, &pointer, found),
                    None if field.required => {
                        let issue = "MISSING_REQUIRED_PARAMETER";
                        found.push(Violation { pointer, location: Some("body"), value: None, issue });
                    }
                    None => {}
                }
            }
        }
        (Shape::List(min, max, of), Value::Array(values)) => {
            if values.len() < *min {
                wrong(pointer.to_owned(), &Value::Null, "INVALID_ARRAY_MIN_ITEMS");
            } else if values.len() > *max {
                wrong(pointer.to_owned(), &Value::Null, "INVALID_ARRAY_MAX_ITEMS");
            }
            for (index, value) in values.iter().enumerate() {
                visit(of, value, &format!("{pointer}/{index}"), found);
            }
        }
        _ => wrong(
            if pointer.is_empty() { "/".to_owned() } else { pointer.to_owned() },
            value,
            "INVALID_PARAMETER_SYNTAX",
        ),
    }
}

/// Any text.
pub(super) fn any(_: &str) -> bool {
    true
}

/// Letters, digits, `_` and `-`.
pub(super) fn is_id(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

pub(super) fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number of things, at least one.
pub(super) fn is_quantity(text: &str) -> bool {
    is_digits(text) && !text.starts_with('0')
}

pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let fine = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '@');
    fine(local) && fine(domain) && domain.split('.').count() > 1 && domain.split('.').all(|label| !label.is_empty())
}

pub(super) fn is_url(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// `de-DE`.
pub(super) fn is_language(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
}

/// `2030-08`.
pub(super) fn is_month(text: &str) -> bool {
    format!("{text}-01").parse::<jiff::civil::Date>().is_ok()
}

pub(super) fn is_number(text: &str) -> bool {
    money::is_number(text)
}

/// A text member, or nothing.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}
