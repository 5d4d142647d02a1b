//! PayPal's amounts: decimal strings, its own list of currencies, and three that it counts in whole units
//! (developer.paypal.com/api/rest/reference/currency-codes).

use rust_decimal::Decimal;

use crate::money::{Currency, Money};

/// The currencies that PayPal takes.
const OFFERED: [&str; 24] = [
    "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY", "MXN", "MYR", "NOK",
    "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "USD",
];
/// Those that it takes no decimals of, although ISO 4217 gives two of them hundredths.
const WHOLE: [&str; 3] = ["HUF", "JPY", "TWD"];
/// Those that no account holds a balance in, and that no payout can be made in
/// (developer.paypal.com/docs/payouts/standard/reference/error-codes, `NON_HOLDING_CURRENCY`).
const NOT_HELD: [&str; 3] = ["BRL", "MYR", "THB"];
/// Characters of an amount that it takes at most.
const LENGTH: usize = 32;

/// Why PayPal would refuse an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not one of PayPal's currencies.
    #[error("PayPal does not take {0}")]
    NotOffered(Currency),
    /// Customers can pay in it, and nobody can be paid in it.
    #[error("PayPal makes no payouts in {0}")]
    NotHeld(Currency),
    /// It would have to be rounded.
    #[error("PayPal takes {0} in whole units only")]
    TooFine(Currency),
    /// Nothing, or less.
    #[error("PayPal takes no amount that is not above zero")]
    NotPositive,
}

/// The text that PayPal is sent for `money`.
///
/// # Errors
/// [`AmountError`]; nothing is ever rounded.
pub fn to_wire(money: Money) -> Result<String, AmountError> {
    let Money { amount_minor, currency } = money;
    if !OFFERED.contains(&currency.code()) {
        return Err(AmountError::NotOffered(currency));
    }
    if amount_minor <= 0 {
        return Err(AmountError::NotPositive);
    }
    let amount = Decimal::new(amount_minor, currency.exponent());
    if !WHOLE.contains(&currency.code()) {
        return Ok(amount.to_string());
    }
    if amount.fract().is_zero() { Ok(amount.trunc().to_string()) } else { Err(AmountError::TooFine(currency)) }
}

/// The text that PayPal is sent for a payout of `money`, which comes from a balance.
///
/// # Errors
/// [`AmountError`].
pub fn payout_to_wire(money: Money) -> Result<String, AmountError> {
    if NOT_HELD.contains(&money.currency.code()) {
        return Err(AmountError::NotHeld(money.currency));
    }
    to_wire(money)
}

/// What a text of PayPal's in `code` means; `None` when it is no amount that we could have sent.
#[must_use]
pub fn from_wire(value: &str, code: &str) -> Option<Money> {
    let currency: Currency = code.parse().ok()?;
    let is_plain = value.len() <= LENGTH && value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !OFFERED.contains(&currency.code()) || !is_plain {
        return None;
    }
    let amount = Decimal::from_str_exact(value).ok()?;
    let finest = if WHOLE.contains(&currency.code()) { 0 } else { currency.exponent() };
    if !amount.checked_mul(Decimal::from(10_i64.pow(finest)))?.fract().is_zero() {
        return None;
    }
    let minor = amount.checked_mul(Decimal::from(10_i64.pow(currency.exponent())))?;
    Some(Money { amount_minor: i64::try_from(minor).ok()?, currency })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn money(amount_minor: i64, code: &str) -> Money {
        Money { amount_minor, currency: code.parse().unwrap() }
    }

    #[test]
    fn each_currency_arrives_as_the_text_that_paypal_means() {
        let cases = [
            (50_000, "USD", "500.00"),
            (5, "EUR", "0.05"),
            (500, "JPY", "500"),
            (50_000, "HUF", "500"), // ISO hundredths, PayPal none
            (50_000, "TWD", "500"),
        ];
        for (minor, code, wire) in cases {
            assert_eq!(to_wire(money(minor, code)).as_deref(), Ok(wire), "{minor} {code}");
            assert_eq!(from_wire(wire, code), Some(money(minor, code)), "{wire} {code}");
        }
    }

    #[test]
    fn what_would_have_to_be_rounded_is_refused() {
        assert!(matches!(to_wire(money(50_050, "HUF")), Err(AmountError::TooFine(_))));
        assert!(matches!(to_wire(money(1, "TWD")), Err(AmountError::TooFine(_))));
        for (value, code) in [("1.5", "HUF"), ("1.5", "JPY"), ("1.234", "USD")] {
            assert_eq!(from_wire(value, code), None, "{value} {code}");
        }
    }

    #[test]
    fn currencies_that_paypal_lacks_are_refused() {
        for code in ["KRW", "INR", "KWD", "ISK", "RUB", "ZAR"] {
            assert!(matches!(to_wire(money(50_000, code)), Err(AmountError::NotOffered(_))), "{code}");
            assert_eq!(from_wire("500", code), None, "{code}");
        }
    }

    #[test]
    fn customers_pay_in_currencies_that_no_payout_is_made_in() {
        for code in ["BRL", "MYR", "THB"] {
            assert!(to_wire(money(50_000, code)).is_ok(), "{code}");
            assert!(matches!(payout_to_wire(money(50_000, code)), Err(AmountError::NotHeld(_))), "{code}");
        }
        assert_eq!(payout_to_wire(money(50_000, "HUF")).as_deref(), Ok("500"));
        assert!(matches!(payout_to_wire(money(50_050, "HUF")), Err(AmountError::TooFine(_))));
    }

    #[test]
    fn only_more_than_nothing_is_paid() {
        for minor in [0, -1, i64::MIN] {
            assert_eq!(to_wire(money(minor, "USD")), Err(AmountError::NotPositive), "{minor}");
        }
    }

    #[test]
    fn zeros_at_the_end_mean_nothing_and_other_spellings_are_no_amounts() {
        for value in ["500", "500.0", "500.00", "500.000"] {
            assert_eq!(from_wire(value, "USD"), Some(money(50_000, "USD")), "{value}");
        }
        assert_eq!(from_wire("500.00", "HUF"), Some(money(50_000, "HUF")));
        for value in ["", "-5.00", "+5", "5e2", "1_000", "1,000.00", " 5", "5.0.0", "NaN", &"9".repeat(33)] {
            assert_eq!(from_wire(value, "USD"), None, "{value}");
        }
        assert_eq!(from_wire("5.00", "usd"), None);
    }

    proptest! {
        #[test]
        fn what_paypal_is_sent_reads_back_as_what_was_meant(amount in any::<i64>(), code in prop::sample::select(OFFERED.to_vec())) {
            if let Ok(wire) = to_wire(money(amount, code)) {
                prop_assert!(wire.len() <= LENGTH);
                prop_assert_eq!(from_wire(&wire, code), Some(money(amount, code)));
            }
        }

        #[test]
        fn no_text_makes_it_panic(value in "\\PC{0,40}", digits in "[0-9]{0,30}[.]?[0-9]{0,30}", code in "[A-Z]{3}") {
            let _ = from_wire(&value, &code);
            let _ = from_wire(&digits, "USD");
        }
    }
}
