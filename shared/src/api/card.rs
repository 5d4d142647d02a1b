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

/// Whether a text holds a card number: the digits of a known issuer with the right check digit, in one run or in the
/// groups in which cards are printed.
#[must_use]
pub fn is_in(text: &str) -> bool {
    let groups = groups(text);
    (0..groups.len()).any(|first| {
        let run = groups.get(first..).unwrap_or_default();
        run.first().is_some_and(|group| group.stands_alone() && is_card(&group.digits))
            || LAYOUTS.iter().any(|layout| printed_as(run, layout))
    })
}

/// Groups of digits on cards: Visa and most others, those with 19 digits, American Express, Diners Club.
const LAYOUTS: [&[usize]; 8] =
    [&[4, 4, 4, 4], &[4, 4, 4, 4, 3], &[4, 6, 5], &[4, 6, 4], &[8, 8], &[8, 4, 4], &[12, 4], &[4, 8, 4]];

/// What separates the groups of one number: blanks, dashes, slashes and the like, at most so many.
const SEPARATOR: usize = 3;

/// A run of digits, and what stands around it.
struct Group {
    digits: Vec<u8>,
    /// What stands before it reads on as one word with it.
    before: Before,
    /// A letter follows at once.
    goes_on: bool,
    /// How many characters are between it and the group before.
    distance: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing that belongs to it.
    Nothing,
    /// Letters only, as in `VISA4242…`: no excuse for a number.
    Word,
    /// Part of an id, as in `pi_4242…` or `3a7f4242…`.
    Id,
}

impl Group {
    fn stands_alone(&self) -> bool {
        self.before != Before::Id && !self.goes_on
    }
}

fn groups(text: &str) -> Vec<Group> {
    let chars: Vec<char> = text.chars().collect();
    let mut groups: Vec<Group> = Vec::new();
    let (mut at, mut end, mut before) = (0, 0, Before::Nothing);
    while let Some(c) = chars.get(at) {
        let digits: Vec<u8> = chars.get(at..).unwrap_or_default().iter().map_while(|c| digit(*c)).collect();
        if digits.is_empty() {
            before = match before {
                _ if !is_word(*c) => Before::Nothing,
                Before::Id => Before::Id,
                _ if *c == '_' => Before::Id,
                _ => Before::Word,
            };
            at += 1;
            continue;
        }
        let distance = at - end;
        at += digits.len();
        end = at;
        groups.push(Group { digits, before, goes_on: chars.get(at).is_some_and(|c| c.is_alphanumeric()), distance });
        // What follows at once belongs to a word with digits in it.
        before = Before::Id;
    }
    groups
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Digits of any script that a keyboard may produce: ASCII, full width, Arabic-Indic.
fn digit(c: char) -> Option<u8> {
    let zero = match c {
        '0'..='9' => '0',
        '\u{ff10}'..='\u{ff19}' => '\u{ff10}',
        '\u{660}'..='\u{669}' => '\u{660}',
        '\u{6f0}'..='\u{6f9}' => '\u{6f0}',
        _ => return None,
    };
    u8::try_from(u32::from(c) - u32::from(zero)).ok()
}

fn printed_as(groups: &[Group], layout: &[usize]) -> bool {
    let Some(groups) = groups.get(..layout.len()) else { return false };
    // A UUID has groups of four too; the ones around them read on as hexadecimal.
    let alone =
        groups.first().is_some_and(|first| first.before != Before::Id) && groups.last().is_some_and(|l| !l.goes_on);
    let fits = alone
        && groups.iter().zip(layout).enumerate().all(|(place, (group, length))| {
            group.digits.len() == *length && (place == 0 || (1..=SEPARATOR).contains(&group.distance))
        });
    fits && is_card(&groups.iter().flat_map(|group| group.digits.iter().copied()).collect::<Vec<u8>>())
}

fn is_card(digits: &[u8]) -> bool {
    has_an_issuers_length(digits) && luhn(digits)
}

/// Issuer ranges of ISO/IEC 7812 that cards in use have, by their first digits, with the lengths that they come in.
fn has_an_issuers_length(digits: &[u8]) -> bool {
    let prefix = |length: usize| digits.iter().take(length).fold(0_u32, |value, digit| value * 10 + u32::from(*digit));
    let (two, three, four) = (prefix(2), prefix(3), prefix(4));
    let length = digits.len();
    match (digits.first(), two) {
        // Visa; its 13 digits of old are gone.
        (Some(4), _) => matches!(length, 16 | 18 | 19),
        // American Express.
        (_, 34 | 37) => length == 15,
        // Mastercard.
        (_, 51..=55) => length == 16,
        // Diners Club, JCB.
        (_, 36 | 38 | 39) => (14..=19).contains(&length),
        _ if matches!(three, 300..=305 | 309) => (14..=19).contains(&length),
        _ if matches!(four, 3528..=3589) => (16..=19).contains(&length),
        // Maestro, UnionPay, Discover.
        (_, 50 | 56..=58 | 62 | 65 | 67) => (14..=19).contains(&length),
        _ if matches!(three, 644..=649) || four == 6011 => (16..=19).contains(&length),
        // Mir, and Mastercard's newer range.
        _ => matches!(four, 2200..=2204 | 2221..=2720) && (16..=19).contains(&length),
    }
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
            json!("VISA4242424242424242"),
            json!("4242424242424242-3rd"),
            json!("4242 4242 4242 4242 12mo"),
            json!("4242  4242  4242  4242"),
            json!("4242/4242/4242/4242"),
            json!("4242_4242_4242_4242"),
            json!("4242\u{2011}4242\u{2011}4242\u{2011}4242"),
            json!(
                "\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}"
            ),
            json!("3782 822463 10005"),
            json!("42424242 42424242"),
            json!("42424242 4242 4242"),
            json!("424242424242-4242"),
            json!("4242 - 4242 - 4242 - 4242"),
            json!("4242424242424242_"),
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
            json!("b18c8632-2266-4668-8665-0967dbc38a39"),
            json!("pi_4242424242424242"),
            json!("order_4242424242424242_2"),
            json!("3a4242424242424242"),
            json!("5012-2025-000002"),
            json!("4000000000006"),
            json!("+44 20 7946 0958 12"),
            json!(50_000),
            json!("1234567890123"),
        ];
        for value in ordinary {
            assert!(!has_card(&value), "{value}");
        }
    }
}
