//! Card numbers: 13 to 19 digits of a known issuer with the right check digit, in one run or in groups.
//!
//! In groups as cards are printed, the groups may stand anywhere. In even groups, which people also type, they must
//! be all that is grouped in that way: two telephone numbers in pairs of digits would otherwise make a card now and
//! then. What is part of an id (`pi_4242…`, `3a7f4242…`) is none, nor is a telephone number with its `+`.

use super::separator;

/// Groups of digits on cards: Visa and most others, also with 13 to 15 and 17 to 19 digits; American Express; Diners
/// Club; Visa's 13 as they were embossed; UnionPay's 19.
const LAYOUTS: [&[usize]; 15] = [
    &[4, 4, 4, 4],
    &[4, 4, 4, 1],
    &[4, 4, 4, 2],
    &[4, 4, 4, 3],
    &[4, 4, 4, 4, 1],
    &[4, 4, 4, 4, 2],
    &[4, 4, 4, 4, 3],
    &[4, 6, 5],
    &[4, 6, 4],
    &[8, 8],
    &[8, 4, 4],
    &[12, 4],
    &[4, 8, 4],
    &[4, 3, 3, 3],
    &[6, 13],
];

/// Sizes of even groups. Groups of four are among the layouts.
const EVEN: [usize; 4] = [2, 3, 5, 6];
/// Digits of a card.
const LENGTHS: std::ops::RangeInclusive<usize> = 13..=19;
/// Digits of a telephone number with its country's code, at most (ITU-T E.164).
const PHONE: usize = 15;

/// Whether a text holds a card number.
pub(super) fn is_in(text: &[char]) -> bool {
    let groups = groups(text);
    (0..groups.len()).any(|first| {
        let here = groups.get(first..).unwrap_or_default();
        makes_card(here, 1)
            || LAYOUTS.iter().any(|layout| printed_as(here, layout))
            || digit_by_digit(here)
            || (begins_run(&groups, first) && evenly(here))
    })
}

/// A run of digits, and what stands around it.
struct Group<'a> {
    digits: &'a [char],
    before: Side,
    after: Side,
    /// Right after a `+`.
    plus: bool,
    /// What separates it from the group before, if that can be of the same number.
    mark: Option<Option<char>>,
}

/// What reads on as one word with a run of digits, on one side of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Nothing.
    Nothing,
    /// Letters only, as in `VISA4242…`: no excuse for a number.
    Word,
    /// More of an id, as in `pi_4242…` or `3a7f4242…`.
    Id,
}

fn groups(text: &[char]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let (mut at, mut end, mut before) = (0, 0, Side::Nothing);
    while let Some(c) = text.get(at) {
        let length = text.get(at..).unwrap_or_default().iter().take_while(|c| c.is_ascii_digit()).count();
        if length == 0 {
            before = match before {
                _ if !c.is_alphanumeric() && *c != '_' => Side::Nothing,
                Side::Id => Side::Id,
                _ if *c == '_' => Side::Id,
                _ => Side::Word,
            };
            at += 1;
            continue;
        }
        let plus = at.checked_sub(1).and_then(|before| text.get(before)) == Some(&'+');
        let mark = if groups.is_empty() { None } else { separator(text.get(end..at).unwrap_or_default()) };
        end = at + length;
        let digits = text.get(at..end).unwrap_or_default();
        groups.push(Group { digits, before, after: after(text.get(end..).unwrap_or_default()), plus, mark });
        at = end;
        // What follows at once belongs to a word with digits in it.
        before = Side::Id;
    }
    groups
}

fn after(rest: &[char]) -> Side {
    let letters = rest.iter().take_while(|c| c.is_alphanumeric() && !c.is_ascii_digit()).count();
    match rest.get(letters) {
        _ if letters == 0 => Side::Nothing,
        Some(c) if c.is_ascii_digit() || *c == '_' => Side::Id,
        _ => Side::Word,
    }
}

fn printed_as(groups: &[Group<'_>], layout: &[usize]) -> bool {
    let Some(groups) = groups.get(..layout.len()) else { return false };
    groups.iter().map(|group| group.digits.len()).eq(layout.iter().copied())
        && groups.iter().skip(1).all(|group| group.mark.is_some())
        && makes_card(groups, groups.len())
}

/// Digits one by one: nothing ordinary is written so, so that they may begin anywhere.
fn digit_by_digit(groups: &[Group<'_>]) -> bool {
    let most = run(groups, 1);
    LENGTHS.take_while(|length| *length <= most).any(|length| makes_card(groups, length))
}

/// Groups of one size, the last of which may be shorter.
fn evenly(groups: &[Group<'_>]) -> bool {
    let Some(size) = groups.first().map(|group| group.digits.len()).filter(|size| EVEN.contains(size)) else {
        return false;
    };
    let even = run(groups, size);
    // Lists have commas, and what they list is often numbered by six digits.
    let listed = groups.get(1).is_none_or(|group| matches!(group.mark, Some(Some(',' | ';' | ':'))));
    let rest = groups.get(even).filter(|group| group.digits.len() < size && same_mark(groups, even));
    !listed && ((size < 6 && makes_card(groups, even)) || (rest.is_some() && makes_card(groups, even + 1)))
}

/// How many groups of this size stand in a row, separated in the same way; counted only until they are too many.
fn run(groups: &[Group<'_>], size: usize) -> usize {
    let fits = |place: usize| groups.get(place).is_some_and(|group| group.digits.len() == size);
    (0..=*LENGTHS.end()).take_while(|place| fits(*place) && (*place == 0 || same_mark(groups, *place))).count()
}

/// Whether the group is separated from the one before as the second is from the first.
fn same_mark(groups: &[Group<'_>], place: usize) -> bool {
    let mark = |place: usize| groups.get(place).and_then(|group| group.mark);
    mark(place).is_some() && mark(place) == mark(1)
}

/// Whether a row of even groups begins here, and not before.
fn begins_run(groups: &[Group<'_>], first: usize) -> bool {
    let Some(previous) = first.checked_sub(1).and_then(|before| groups.get(before)) else { return true };
    groups.get(first).is_none_or(|group| group.mark.is_none() || previous.digits.len() != group.digits.len())
}

/// Whether so many groups are, together, a card number and nothing else.
fn makes_card(groups: &[Group<'_>], count: usize) -> bool {
    let Some(groups) = groups.get(..count) else { return false };
    let [Some(first), Some(last)] = [groups.first(), groups.last()] else { return false };
    let length: usize = groups.iter().map(|group| group.digits.len()).sum();
    if !LENGTHS.contains(&length)
        || first.before == Side::Id
        || last.after == Side::Id
        || (first.plus && length <= PHONE)
    {
        return false;
    }
    let digits: Vec<u32> = groups.iter().flat_map(|group| group.digits).filter_map(|c| c.to_digit(10)).collect();
    has_an_issuers_length(&digits) && luhn(&digits)
}

/// Issuer ranges of ISO/IEC 7812 that cards have or had, by their first digits, with the lengths that they come in.
fn has_an_issuers_length(digits: &[u32]) -> bool {
    let prefix = |length: usize| digits.iter().take(length).fold(0, |value, digit| value * 10 + digit);
    let (two, three, four) = (prefix(2), prefix(3), prefix(4));
    let length = digits.len();
    match (digits.first(), two) {
        // Visa.
        (Some(4), _) => matches!(length, 13 | 16 | 18 | 19),
        // American Express.
        (_, 34 | 37) => length == 15,
        // Mastercard, and its newer range.
        (_, 51..=55) => length == 16,
        _ if matches!(four, 2221..=2720) => length == 16,
        // Diners Club, JCB; JCB of old.
        (_, 36 | 38 | 39) => (14..=19).contains(&length),
        _ if matches!(three, 300..=305 | 309) => (14..=19).contains(&length),
        _ if matches!(four, 3528..=3589) => (16..=19).contains(&length),
        _ if matches!(four, 1800 | 2131) => length == 15,
        // Maestro and the national cards in its ranges.
        (_, 50 | 56..=59 | 63 | 67) => LENGTHS.contains(&length),
        // UnionPay.
        (_, 62) => (14..=19).contains(&length),
        // Discover, RuPay.
        (_, 60 | 65 | 81 | 82) => (16..=19).contains(&length),
        _ if matches!(three, 644..=649) => (16..=19).contains(&length),
        // Mir and Borica; Troy, Uzcard, Humo.
        _ if matches!(four, 2200..=2205) => (16..=19).contains(&length),
        _ => matches!(four, 8600 | 9792 | 9860) && length == 16,
    }
}

/// The check of ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = digit * if place % 2 == 1 { 2 } else { 1 };
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}
