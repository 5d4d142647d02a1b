//! The confirmation number: a payment's id in a form that people can read out over the telephone.
//!
//! `PSL-` and eight symbols of Crockford's base 32 (no I, L, O or U; <https://www.crockford.com/base32.html>): seven
//! of data and Crockford's check symbol, the data modulo 37. Crockford needs five more symbols for remainders above
//! 31; ids whose remainder is one of those are hashed again, so that only letters and digits occur.

use crate::id::{PaymentId, confirmation_bits};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The confirmation number of a payment.
#[must_use]
pub fn number(payment: &PaymentId) -> String {
    let value = (0..u8::MAX)
        .map(|round| confirmation_bits(payment, round))
        .find(|value| check(*value) < 32)
        // Each round fails with 5 in 37; 255 in a row do not happen.
        .unwrap_or(0);
    let mut text: String = (0..7).rev().map(|place| symbol(value >> (5 * place))).collect();
    text.push(symbol(check(value)));
    let (left, right) = text.split_at(4);
    format!("PSL-{left}-{right}")
}

/// Whether `text` is a confirmation number without a slip of the pen. Case does not matter; I, L and O are read as
/// the digits they look like.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    let symbols: Option<Vec<u64>> =
        text.strip_prefix("PSL-").unwrap_or(&text).chars().filter(|c| *c != '-').map(value).collect();
    match symbols.as_deref() {
        Some([data @ .., last]) if data.len() == 7 => {
            check(data.iter().fold(0, |value, digit| value << 5 | digit)) == *last
        }
        _ => false,
    }
}

fn check(value: u64) -> u64 {
    value % 37
}

fn symbol(value: u64) -> char {
    let index = usize::try_from(value % 32).unwrap_or(0);
    ALPHABET.get(index).copied().map_or('0', char::from)
}

fn value(symbol: char) -> Option<u64> {
    let symbol = match symbol {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    ALPHABET.iter().position(|a| char::from(*a) == symbol).and_then(|place| u64::try_from(place).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(n: u32) -> String {
        number(&PaymentId::keyed(&"acme".parse().unwrap(), &n.to_string()))
    }

    #[test]
    fn every_number_checks_and_stays_in_the_alphabet() {
        for n in 0..2_000 {
            let text = some(n);
            assert!(is_valid(&text), "{text}");
            assert_eq!(text.len(), 13, "{text}");
            assert!(text.starts_with("PSL-") && text.as_bytes()[8] == b'-', "{text}");
        }
    }

    #[test]
    fn one_wrong_symbol_or_two_swapped_ones_are_noticed() {
        for n in 0..50 {
            let good: Vec<char> = some(n).replace("PSL-", "").replace('-', "").chars().collect();
            for place in 0..8 {
                for symbol in ALPHABET.iter().copied().map(char::from).filter(|s| *s != good[place]) {
                    let mut bad = good.clone();
                    bad[place] = symbol;
                    assert!(!is_valid(&bad.iter().collect::<String>()), "{good:?} {bad:?}");
                }
            }
            for place in 0..6 {
                let mut bad = good.clone();
                bad.swap(place, place + 1);
                assert!(bad == good || !is_valid(&bad.iter().collect::<String>()), "{good:?} {bad:?}");
            }
        }
    }

    #[test]
    fn what_people_write_for_a_digit_is_read_as_that_digit() {
        let with_one_and_zero = (0..).map(some).find(|t| t.contains('1') && t.contains('0')).unwrap();
        assert!(is_valid(&with_one_and_zero.replace('1', "l").replace('0', "o")));
    }
}
