//! Card data: card numbers, IBANs and fields for account numbers, recognized so that a request that holds any is
//! refused before anything of it is logged, stored or hashed.
//!
//! What is recognized is a form, not an intent: whoever wants to smuggle digits past can. It holds for what a form, a
//! spreadsheet, a person or an agent sends by mistake. The other half of the promise is that ids, telephone numbers,
//! dates and amounts pass, which each file argues for what it looks for.

mod card;
mod field;
mod iban;
mod plain;

use serde_json::{Number, Value};

use crate::policy::refusal::{Code, Refusal};
pub use field::is_account_field;

/// The refusal of a request with card data in it. It says nothing about what or where.
#[must_use]
pub fn refusal() -> Refusal {
    Refusal::new(
        Code::CardDataForbidden,
        "The request holds what looks like a card or bank account number, or a field for one. Add cards and bank accounts at the gateway and send its token instead.",
    )
}

/// Whether a JSON value is, holds or names card data anywhere.
#[must_use]
pub fn is_within(value: &Value) -> bool {
    within(value, "")
}

/// `parent` is the member that the value belongs to, so that `{"card": {"number": …}}` reads as one name.
fn within(value: &Value, parent: &str) -> bool {
    match value {
        Value::String(text) => is_in(text),
        Value::Number(number) => is_number_in(number),
        Value::Array(values) => values.iter().any(|value| within(value, parent)),
        Value::Object(members) => members.iter().any(|(name, value)| {
            // Null says that there is none.
            let named = !value.is_null() && (is_account_field(name) || field::is_inside(parent, name));
            named || is_in(name) || within(value, name)
        }),
        Value::Null | Value::Bool(_) => false,
    }
}

/// Whether a text holds a card number or an IBAN.
#[must_use]
pub fn is_in(text: &str) -> bool {
    if text.is_ascii() && text.bytes().filter(u8::is_ascii_digit).count() < LEAST_DIGITS {
        return false;
    }
    let chars = plain::plain(text);
    card::is_in(&chars) || iban::is_in(&chars) || is_scientific_in(text)
}

/// Digits that even the shortest IBAN has, check digits included; a card has more. Most texts have fewer.
const LEAST_DIGITS: usize = 8;

/// Whether a JSON number is a card number. Of one with a point or an exponent only what is before the point counts: there
/// are up to 17 digits behind it.
fn is_number_in(number: &Number) -> bool {
    match number.as_f64() {
        Some(float) if number.is_f64() => near(float).iter().any(|digits| is_in(digits)),
        _ => is_in(&number.to_string()),
    }
}

/// What a spreadsheet makes of long numbers, `4.242424242424242E+15`, anywhere in a text.
fn is_scientific_in(text: &str) -> bool {
    let words =
        text.split(|c: char| !c.is_ascii_alphanumeric() && !".+-".contains(c)).map(|word| word.trim_matches('.'));
    words
        .filter(|word| word.contains('.') && word.contains(['e', 'E']))
        .filter_map(|word| word.parse::<f64>().ok())
        .any(|float| near(float).iter().any(|digits| card::is_in(&plain::plain(digits))))
}

/// The whole numbers that a float may have been before it was read: with sixteen digits it is off by two at most.
fn near(float: f64) -> Vec<String> {
    match format!("{:.0}", float.abs()).parse::<u64>() {
        Ok(whole) => (whole.saturating_sub(2)..=whole.saturating_add(2)).map(|number| number.to_string()).collect(),
        Err(_) => Vec::new(),
    }
}

/// What may stand between the groups of one number, and what marks it: one sort of mark with or without blanks around
/// it; `None`: blanks only. Words of a text have letters between them.
fn separator(gap: &[char]) -> Option<Option<char>> {
    // Columns are padded: blanks in a row are one.
    let blank = |place: usize| gap.get(place).is_some_and(|c| c.is_whitespace());
    let length = (0..gap.len()).filter(|place| *place == 0 || !blank(*place) || !blank(*place - 1)).count();
    if !(1..=SEPARATOR).contains(&length) || gap.iter().any(|c| c.is_alphanumeric()) {
        return None;
    }
    Some(gap.iter().copied().find(|c| !c.is_whitespace()))
}

/// Characters between two groups of one number, at most, blanks in a row as one: ` - `, `","`.
const SEPARATOR: usize = 5;

#[cfg(test)]
mod tests;
