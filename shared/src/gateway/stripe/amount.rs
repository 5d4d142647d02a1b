//! Stripe's amounts: its own exponents, minimums and maximum (docs.stripe.com/currencies).

use crate::money::{Currency, Money};

/// Currencies that Stripe counts in whole units although ISO 4217 gives them decimals.
const WHOLE_AT_STRIPE: [&str; 1] = ["MGA"];
/// Currencies that Stripe counts in hundredths although ISO 4217 gives them none; the hundredths must be 00.
const HUNDREDTHS_AT_STRIPE: [&str; 2] = ["ISK", "UGX"];
/// The largest amount, in Stripe's units: eight digits.
const MAX: i64 = 99_999_999;

/// Why Stripe would refuse an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// It would have to be rounded.
    #[error("Stripe does not count {0} that finely; the last digit, or digits, must be 0")]
    TooFine(Currency),
    /// Below the least amount.
    #[error("Stripe takes at least {0}")]
    TooSmall(Money),
    /// Above the largest amount.
    #[error("Stripe takes at most {0}")]
    TooLarge(Money),
}

/// The number that Stripe is sent for `money`.
///
/// # Errors
/// [`AmountError`]; nothing is ever rounded.
pub fn to_wire(money: Money) -> Result<i64, AmountError> {
    let currency = money.currency;
    let (multiply, divide) = scale(currency);
    let wire = refund_to_wire(money)?;
    let in_minor = |wire: i64| Money { amount_minor: wire / multiply * divide, currency };
    let minimum = minimum(currency);
    if wire < minimum {
        return Err(AmountError::TooSmall(in_minor(minimum)));
    }
    if wire > MAX {
        return Err(AmountError::TooLarge(in_minor(MAX)));
    }
    Ok(wire)
}

/// The number that Stripe is sent for a refund of `money`: refunds have no least amount.
///
/// # Errors
/// [`AmountError::TooFine`]; nothing is ever rounded.
pub fn refund_to_wire(money: Money) -> Result<i64, AmountError> {
    let Money { amount_minor, currency } = money;
    let (multiply, divide) = scale(currency);
    // Thousandths go with a last digit of 0.
    let step = if currency.exponent() == 3 { 10 } else { divide };
    if amount_minor % step != 0 {
        return Err(AmountError::TooFine(currency));
    }
    Ok((amount_minor / divide).checked_mul(multiply).unwrap_or(i64::MAX))
}

/// What a number of Stripe's in `code` (any case) means; `None` when it is no amount that we could have sent.
#[must_use]
pub fn from_wire(wire: i64, code: &str) -> Option<Money> {
    let currency: Currency = code.to_ascii_uppercase().parse().ok()?;
    let (multiply, divide) = scale(currency);
    if wire % multiply != 0 {
        return None;
    }
    Some(Money { amount_minor: (wire / multiply).checked_mul(divide)?, currency })
}

/// What a balance of Stripe's in `currency` covers, in minor units: a part of one pays nothing.
#[must_use]
pub fn covered(wire: i64, currency: Currency) -> i64 {
    let (multiply, divide) = scale(currency);
    wire.div_euclid(multiply).saturating_mul(divide)
}

/// Factor and divisor from ISO minor units to Stripe's units.
fn scale(currency: Currency) -> (i64, i64) {
    let code = currency.code();
    if WHOLE_AT_STRIPE.contains(&code) {
        (1, 10_i64.pow(currency.exponent()))
    } else if HUNDREDTHS_AT_STRIPE.contains(&code) {
        (100, 1)
    } else {
        (1, 1)
    }
}

/// Least charge in Stripe's units, where Stripe publishes one (for charges settled in that currency).
fn minimum(currency: Currency) -> i64 {
    match currency.code() {
        "AED" | "MYR" | "PLN" | "RON" => 200,
        "CZK" => 1_500,
        "DKK" => 250,
        "GBP" => 30,
        "HKD" => 400,
        "HUF" => 17_500,
        "JPY" | "KRW" | "USD" | "ARS" | "AUD" | "BRL" | "CAD" | "CHF" | "COP" | "EUR" | "IDR" | "ILS" | "INR"
        | "NZD" | "PHP" | "RUB" | "SGD" | "ZAR" => 50,
        "MXN" | "THB" => 1_000,
        "NOK" | "SEK" => 300,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn money(amount_minor: i64, code: &str) -> Money {
        Money { amount_minor, currency: code.parse().unwrap() }
    }

    #[test]
    fn each_currency_arrives_as_the_number_that_stripe_means() {
        let cases = [
            (50_000, "USD", 50_000), // 500.00
            (500, "JPY", 500),       // no decimals on either side
            (5_120, "KWD", 5_120),   // thousandths, last digit 0
            (500, "ISK", 50_000),    // ISO none, Stripe hundredths
            (500, "UGX", 50_000),
            (50_000, "MGA", 500), // ISO hundredths, Stripe none
            (50_000, "HUF", 50_000),
            (50_000, "TWD", 50_000),
        ];
        for (minor, code, wire) in cases {
            assert_eq!(to_wire(money(minor, code)), Ok(wire), "{minor} {code}");
            assert_eq!(from_wire(wire, &code.to_lowercase()), Some(money(minor, code)), "{wire} {code}");
        }
    }

    #[test]
    fn what_would_have_to_be_rounded_is_refused() {
        assert!(matches!(to_wire(money(5_124, "KWD")), Err(AmountError::TooFine(_))));
        assert!(matches!(to_wire(money(50_050, "MGA")), Err(AmountError::TooFine(_))));
        assert_eq!(from_wire(50_050, "isk"), None);
    }

    #[test]
    fn a_balance_covers_whole_units_only() {
        let covers = |wire, code: &str| covered(wire, code.parse().unwrap());
        assert_eq!([covers(50_099, "USD"), covers(50_099, "ISK"), covers(500, "MGA")], [50_099, 500, 50_000]);
        assert_eq!([covers(-1, "USD"), covers(-1, "ISK")], [-1, -1]);
    }

    #[test]
    fn amounts_outside_stripes_range_are_refused_with_the_bound_in_our_units() {
        assert_eq!(to_wire(money(49, "USD")), Err(AmountError::TooSmall(money(50, "USD"))));
        assert_eq!(to_wire(money(100_000_000, "USD")), Err(AmountError::TooLarge(money(99_999_999, "USD"))));
        assert_eq!(to_wire(money(1_000_000, "ISK")), Err(AmountError::TooLarge(money(999_999, "ISK"))));
        assert!(to_wire(money(i64::MAX, "UGX")).is_err());
        assert!(to_wire(money(0, "EUR")).is_err());
        assert!(to_wire(money(-500, "VND")).is_err());
    }

    proptest! {
        #[test]
        fn what_stripe_is_sent_reads_back_as_what_was_meant(amount in 0_i64..2_000_000_000, code in prop::sample::select(vec!["USD", "JPY", "KWD", "ISK", "MGA", "UGX", "EUR", "CLP"])) {
            if let Ok(wire) = to_wire(money(amount, code)) {
                prop_assert_eq!(from_wire(wire, code), Some(money(amount, code)));
            }
        }
    }
}
