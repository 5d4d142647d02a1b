//! IBANs (ISO 13616): the country, its length, and check digits by MOD 97-10 (ISO 7064).
//!
//! Written as a word, or in groups as on paper, in upper or in lower case, alone or in a text. What could be part of a
//! longer word or of an id with `_`, as ours and the gateways' are, is none. Of words of as many random letters and
//! digits as an IBAN has, one in a hundred begins with such a country, one in thirteen of those goes on with two digits,
//! one in a hundred of those has the right check digits, and at most one in thirty of those is digits for the greater
//! part, as every IBAN in the registry is: less than one in three million is taken for one. A part number in groups that
//! begins like an IBAN of its very length is, in one of a hundred cases.

use super::separator;

/// Lengths by country, of the IBAN registry (swift.com/standards/data-standards/iban).
const LENGTHS: [(&[&str], usize); 18] = [
    (&["NO"], 15),
    (&["BE"], 16),
    (&["DK", "FI", "FK", "FO", "GL", "NL", "SD"], 18),
    (&["MK", "SI"], 19),
    (&["AT", "BA", "EE", "KZ", "LT", "LU", "MN", "XK"], 20),
    (&["CH", "HR", "LI", "LV"], 21),
    (&["BG", "BH", "CR", "DE", "GB", "GE", "IE", "ME", "RS", "VA"], 22),
    (&["AE", "GI", "IL", "IQ", "OM", "SO", "TL"], 23),
    (&["AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN", "VG"], 24),
    (&["LY", "PT", "ST"], 25),
    (&["IS", "TR"], 26),
    (&["BI", "DJ", "FR", "GR", "IT", "MC", "MR", "SM"], 27),
    (&["AL", "AZ", "BY", "CY", "DO", "GT", "HN", "HU", "LB", "NI", "PL", "SV"], 28),
    (&["BR", "EG", "PS", "QA", "UA"], 29),
    (&["JO", "KW", "MU", "YE"], 30),
    (&["MT", "SC"], 31),
    (&["LC"], 32),
    (&["RU"], 33),
];

/// Whether a text holds an IBAN.
pub(super) fn is_in(text: &[char]) -> bool {
    (0..text.len()).any(|start| begins_word(text, start) && text.get(start..).is_some_and(begins))
}

fn begins_word(text: &[char], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| text.get(before)).is_none_or(|c| !is_word(*c))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether an IBAN begins here.
fn begins(text: &[char]) -> bool {
    let [country, check] = [0..2, 2..4].map(|range| text.get(range).unwrap_or_default());
    if !(country.iter().all(char::is_ascii_alphabetic) && check.iter().all(char::is_ascii_digit)) {
        return false;
    }
    let Some(length) = length(country) else { return false };
    collected(text, length).is_some_and(|iban| is_valid(&iban))
}

fn length(country: &[char]) -> Option<usize> {
    let country: String = country.iter().map(char::to_ascii_uppercase).collect();
    LENGTHS.iter().find(|(countries, _)| countries.contains(&country.as_str())).map(|(_, length)| *length)
}

/// The first `length` letters and digits, whatever separates their groups, if a word ends there.
fn collected(text: &[char], length: usize) -> Option<Vec<char>> {
    let mut iban = Vec::with_capacity(length);
    let mut at = 0;
    while iban.len() < length {
        let gap = text.get(at..)?.iter().take_while(|c| !c.is_ascii_alphanumeric()).count();
        if gap > 0 {
            separator(text.get(at..at + gap)?).filter(|mark| *mark != Some('_'))?;
            at += gap;
        }
        iban.push(text.get(at)?.to_ascii_uppercase());
        at += 1;
    }
    text.get(at).is_none_or(|c| !is_word(*c)).then_some(iban)
}

fn is_valid(iban: &[char]) -> bool {
    let (head, account) = iban.split_at(4);
    let digits = account.iter().filter(|c| c.is_ascii_digit()).count();
    if digits * 2 < account.len() {
        return false;
    }
    let check: String = head.get(2..).unwrap_or_default().iter().collect();
    // 00, 01 and 99 are right by MOD 97 where 97, 98 and 02 are, and never given out.
    if matches!(check.as_str(), "00" | "01" | "99") {
        return false;
    }
    let rest = account.iter().chain(head).try_fold(0, |rest, c| {
        let value = c.to_digit(36)?;
        Some((if value < 10 { rest * 10 + value } else { rest * 100 + value }) % 97)
    });
    rest == Some(1)
}
