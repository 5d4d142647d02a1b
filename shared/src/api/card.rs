//! Card numbers: recognized so that they can be refused before anything is logged, stored or hashed.

use serde_json::Value;

/// Whether a value, a key or anything nested in it looks like a card number.
#[must_use]
pub fn has_card(value: &Value) -> bool {
    match value {
        Value::String(text) => is_in(text),
        Value::Number(number) => is_in(&number.to_string()),
        Value::Array(values) => values.iter().any(has_card),
        Value::Object(members) => members.iter().any(|(name, value)| is_in(name) || has_card(value)),
        Value::Null | Value::Bool(_) => false,
    }
}

/// Whether a text holds a card number: 13 to 19 digits, in groups or not, of a known range, with the right check digit.
#[must_use]
pub fn is_in(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let mut start = 0;
    while start < chars.len() {
        let Some(offset) = chars.iter().skip(start).position(char::is_ascii_digit) else { return false };
        let from = start + offset;
        let (groups, end) = groups(&chars, from);
        // Digits that touch letters are part of an id, not a number on a card.
        let touches = |at: Option<&char>| at.is_some_and(|c| c.is_alphanumeric());
        let before = from.checked_sub(1).and_then(|at| chars.get(at));
        if !touches(before) && !touches(chars.get(end)) && any_run_is_card(&groups) {
            return true;
        }
        start = end.max(from + 1);
    }
    false
}

/// The digit groups from `from` on that are separated by one blank, dash or dot; and where they end.
fn groups(chars: &[char], from: usize) -> (Vec<Vec<u8>>, usize) {
    let mut groups = vec![Vec::new()];
    let mut at = from;
    while let Some(c) = chars.get(at) {
        let next_is_digit = chars.get(at + 1).is_some_and(char::is_ascii_digit);
        match c.to_digit(10).and_then(|digit| u8::try_from(digit).ok()) {
            Some(digit) => groups.last_mut().map(|group| group.push(digit)).unwrap_or_default(),
            None if matches!(c, ' ' | '-' | '.' | '\u{a0}') && next_is_digit => groups.push(Vec::new()),
            None => break,
        }
        at += 1;
    }
    (groups, at)
}

fn any_run_is_card(groups: &[Vec<u8>]) -> bool {
    (0..groups.len()).any(|first| {
        let mut digits = Vec::new();
        groups.iter().skip(first).any(|group| {
            digits.extend_from_slice(group);
            is_card(&digits)
        })
    })
}

fn is_card(digits: &[u8]) -> bool {
    (13..=19).contains(&digits.len()) && in_known_range(digits) && luhn(digits)
}

/// Issuer ranges of ISO/IEC 7812 that cards in use have, by their first digits.
fn in_known_range(digits: &[u8]) -> bool {
    let prefix = |length: usize| digits.iter().take(length).fold(0_u32, |value, digit| value * 10 + u32::from(*digit));
    let (two, three, four) = (prefix(2), prefix(3), prefix(4));
    digits.first() == Some(&4)
        || matches!(two, 34 | 36..=39 | 50..=58 | 62 | 65 | 67)
        || matches!(three, 300..=305 | 309 | 644..=649)
        || matches!(four, 2200..=2204 | 2221..=2720 | 3528..=3589 | 6011)
}

/// The check of ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(*digit) * if place % 2 == 1 { 2 } else { 1 };
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn card_numbers_are_found_in_every_shape() {
        let shapes = [
            json!("4242424242424242"),
            json!("4242 4242 4242 4242"),
            json!("4242-4242-4242-4242"),
            json!("pay with 5555 5555 5555 4444, please"),
            json!("12 4242424242424242"),
            json!(4_242_424_242_424_242_u64),
            json!({ "note": { "deep": ["378282246310005"] } }),
            json!({ "6011111111111117": 1 }),
            json!("(3056930009020004)"),
        ];
        for shape in shapes {
            assert!(has_card(&shape), "{shape}");
        }
    }

    #[test]
    fn ordinary_ids_numbers_and_dates_are_no_cards() {
        let ordinary = [
            json!("4242424242424241"),
            json!("INV-2025-001"),
            json!("+1 (555) 010-9999"),
            json!("2026-01-15T14:30:00.000Z"),
            json!("550e8400-e29b-41d4-a716-446655440000"),
            json!("pi_4242424242424242"),
            json!(50_000),
            json!("1234567890123"),
        ];
        for value in ordinary {
            assert!(!has_card(&value), "{value}");
        }
    }
}
