//! Amounts as PayPal writes them: decimal text, with whole units only for three of its currencies.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What PayPal takes; HUF and TWD have no decimals here, other than in ISO 4217.
const WITH_CENTS: &[&str] = &[
    "AUD", "BRL", "CAD", "CNY", "CZK", "DKK", "EUR", "HKD", "ILS", "MYR", "MXN", "NZD", "NOK", "PHP", "PLN", "GBP",
    "SGD", "SEK", "CHF", "THB", "USD",
];
const WHOLE: &[&str] = &["HUF", "JPY", "TWD"];
/// Digits before the point: nothing above 999999999999999.99.
const MAX_DIGITS: usize = 15;

/// An amount in the smallest unit that PayPal has of its currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Money {
    pub minor: i64,
    pub currency: String,
}

/// Decimals of a currency; `None`: PayPal does not take it.
pub(super) fn decimals(currency: &str) -> Option<usize> {
    match currency {
        code if WHOLE.contains(&code) => Some(0),
        code if WITH_CENTS.contains(&code) => Some(2),
        _ => None,
    }
}

/// Whether a text is a number as the schema has it: `-?digits`, or `-?digits?.digits`.
pub(super) fn is_number(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    match unsigned.split_once('.') {
        Some((whole, decimals)) => digits(whole) && digits(decimals) && !decimals.is_empty(),
        None => digits(unsigned) && !unsigned.is_empty(),
    }
}

impl Money {
    pub fn new(minor: i64, currency: &str) -> Self {
        Self { minor, currency: currency.to_owned() }
    }

    /// Reads an amount that must be above zero.
    ///
    /// # Errors
    /// The issue that PayPal names.
    pub fn positive(value: &str, currency: &str) -> Result<Self, &'static str> {
        let amount = Self::read(value, currency)?;
        if amount.minor <= 0 { Err("CANNOT_BE_ZERO_OR_NEGATIVE") } else { Ok(amount) }
    }

    /// Reads an amount that may be zero.
    ///
    /// # Errors
    /// The issue that PayPal names.
    pub fn read(value: &str, currency: &str) -> Result<Self, &'static str> {
        let places = decimals(currency).ok_or("INVALID_CURRENCY_CODE")?;
        if value.starts_with('-') {
            return Err("CANNOT_BE_NEGATIVE");
        }
        let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
        if places == 0 && value.contains('.') {
            return Err("DECIMALS_NOT_SUPPORTED");
        }
        if fraction.len() > places {
            return Err("DECIMAL_PRECISION");
        }
        let whole = whole.trim_start_matches('0');
        if whole.len() > MAX_DIGITS {
            return Err("MAX_VALUE_EXCEEDED");
        }
        let minor = format!("0{whole}{fraction:0<places$}").parse().map_err(|_| "INVALID_PARAMETER_SYNTAX")?;
        Ok(Self::new(minor, currency))
    }

    /// As the APIs of version 2 have it.
    pub fn v2(&self) -> Value {
        json!({ "currency_code": self.currency, "value": self.to_string() })
    }

    /// As Payouts have it.
    pub fn v1(&self) -> Value {
        json!({ "currency": self.currency, "value": self.to_string() })
    }

    /// PayPal's share of a capture; which share does not matter, as long as it is one.
    pub fn fee(&self) -> Self {
        let fixed = if decimals(&self.currency) == Some(0) { 40 } else { 49 };
        let fee = (self.minor / 10_000).saturating_mul(349).saturating_add(fixed);
        Self::new(fee.min(self.minor), &self.currency)
    }

    pub fn with(&self, minor: i64) -> Self {
        Self::new(minor, &self.currency)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match decimals(&self.currency) {
            Some(0) => write!(f, "{}", self.minor),
            _ => write!(f, "{}.{:02}", self.minor / 100, self.minor % 100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_back_what_they_write_and_no_currency_gets_decimals_that_it_does_not_have() {
        for (value, currency, minor, text) in [
            ("25.00", "USD", 2500, "25.00"),
            ("0.5", "EUR", 50, "0.50"),
            (".07", "EUR", 7, "0.07"),
            ("007", "GBP", 700, "7.00"),
            ("2500", "JPY", 2500, "2500"),
            ("100", "HUF", 100, "100"),
        ] {
            let amount = Money::positive(value, currency).unwrap();
            assert_eq!((amount.minor, amount.to_string().as_str()), (minor, text));
        }
        for (value, currency, issue) in [
            ("1.234", "USD", "DECIMAL_PRECISION"),
            ("100.00", "TWD", "DECIMALS_NOT_SUPPORTED"),
            ("0.00", "USD", "CANNOT_BE_ZERO_OR_NEGATIVE"),
            ("-1", "USD", "CANNOT_BE_NEGATIVE"),
            ("1", "KWD", "INVALID_CURRENCY_CODE"),
            ("1000000000000000", "USD", "MAX_VALUE_EXCEEDED"),
        ] {
            assert_eq!(Money::positive(value, currency), Err(issue));
        }
        assert!(is_number("-.5") && !is_number("1.") && !is_number("") && !is_number("1e3"));
    }
}
