//! Plaid's amounts: decimal strings with two digits, US dollars, and what one ACH transfer may carry
//! (plaid.com/docs/errors/transfer, `TRANSFER_NETWORK_LIMIT_EXCEEDED`).

use rust_decimal::Decimal;

use crate::money::{Currency, Money};

/// The only currency of Transfer.
pub(super) const CURRENCY: &str = "USD";
/// Decimals of it.
const SCALE: u32 = 2;
/// The most that one transfer moves, in cents: 10,000,000.00.
const MAX_MINOR: i64 = 1_000_000_000;
/// Characters of an amount that is read at most.
const LENGTH: usize = 32;

/// Why Plaid would refuse an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not in US dollars.
    #[error("Plaid moves {CURRENCY} only, not {0}")]
    NotOffered(Currency),
    /// Nothing, or less.
    #[error("Plaid takes no amount that is not above zero")]
    NotPositive,
    /// More than ACH carries at once.
    #[error("Plaid moves at most 10,000,000.00 {CURRENCY} at once")]
    TooMuch,
}

/// The text that Plaid is sent for `money`.
///
/// # Errors
/// [`AmountError`]; nothing is ever rounded.
pub fn to_wire(money: Money) -> Result<String, AmountError> {
    let Money { amount_minor, currency } = money;
    if currency.code() != CURRENCY {
        return Err(AmountError::NotOffered(currency));
    }
    if amount_minor <= 0 {
        return Err(AmountError::NotPositive);
    }
    if amount_minor > MAX_MINOR {
        return Err(AmountError::TooMuch);
    }
    Ok(Decimal::new(amount_minor, SCALE).to_string())
}

/// What a text of Plaid's in `code` means; `None` when it is no amount that we could have sent.
#[must_use]
pub fn from_wire(value: &str, code: &str) -> Option<Money> {
    let currency: Currency = code.parse().ok()?;
    let amount_minor = minor(value).filter(|_| code == CURRENCY)?;
    Some(Money { amount_minor, currency })
}

/// The cents of a balance, which may be below zero.
#[must_use]
pub(super) fn balance(value: &str) -> Option<i64> {
    match value.strip_prefix('-') {
        Some(owed) => minor(owed)?.checked_neg(),
        None => minor(value),
    }
}

fn minor(value: &str) -> Option<i64> {
    let is_plain = value.len() <= LENGTH && value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let amount = is_plain.then(|| Decimal::from_str_exact(value).ok()).flatten()?;
    let minor = amount.checked_mul(Decimal::from(10_i64.pow(SCALE)))?;
    if minor.fract().is_zero() { i64::try_from(minor).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn money(amount_minor: i64, code: &str) -> Money {
        Money { amount_minor, currency: code.parse().unwrap() }
    }

    #[test]
    fn cents_arrive_as_the_text_that_plaid_means() {
        for (minor, wire) in [(1, "0.01"), (5, "0.05"), (50_000, "500.00"), (MAX_MINOR, "10000000.00")] {
            assert_eq!(to_wire(money(minor, "USD")).as_deref(), Ok(wire));
            assert_eq!(from_wire(wire, "USD"), Some(money(minor, "USD")));
        }
    }

    #[test]
    fn what_ach_does_not_carry_is_refused_with_its_reason() {
        let refused = |minor, code| to_wire(money(minor, code)).unwrap_err().to_string();
        assert_eq!(refused(500, "EUR"), "Plaid moves USD only, not EUR");
        assert_eq!(refused(MAX_MINOR + 1, "USD"), "Plaid moves at most 10,000,000.00 USD at once");
        for minor in [0, -1, i64::MIN] {
            assert_eq!(to_wire(money(minor, "USD")), Err(AmountError::NotPositive), "{minor}");
        }
    }

    #[test]
    fn other_spellings_and_other_currencies_are_no_amounts() {
        for value in ["500", "500.0", "500.00", "500.000"] {
            assert_eq!(from_wire(value, "USD"), Some(money(50_000, "USD")), "{value}");
        }
        for value in ["", ".", "-5.00", "+5", "5e2", "1_000", "1,000.00", " 5", "5.0.0", "0.001", &"9".repeat(33)] {
            assert_eq!(from_wire(value, "USD"), None, "{value}");
        }
        for code in ["EUR", "usd", ""] {
            assert_eq!(from_wire("5.00", code), None, "{code}");
        }
    }

    #[test]
    fn a_ledger_may_be_overdrawn() {
        assert_eq!(balance("-12.34"), Some(-1_234));
        assert_eq!(balance("20000000.00"), Some(2_000_000_000), "more than one transfer carries");
        assert_eq!(balance("--1.00"), None);
    }

    proptest! {
        #[test]
        fn what_plaid_is_sent_reads_back_as_what_was_meant(amount in any::<i64>()) {
            if let Ok(wire) = to_wire(money(amount, "USD")) {
                prop_assert_eq!(from_wire(&wire, "USD"), Some(money(amount, "USD")));
            }
        }

        #[test]
        fn no_text_makes_it_panic(value in "\\PC{0,40}", digits in "[0-9]{0,30}[.]?[0-9]{0,30}", code in "[A-Z]{3}") {
            let _ = from_wire(&value, &code);
            let _ = balance(&digits);
        }
    }
}
