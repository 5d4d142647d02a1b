//! Money: whole minor units and an ISO 4217 currency. No float, no rounding.
//!
//! Exponents are ISO 4217's; a gateway's own exceptions live in that gateway's module.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The largest amount of an invoice, in minor units: twelve digits, far above what any gateway takes at once.
pub const MAX_AMOUNT_MINOR: i64 = 999_999_999_999;

/// An ISO 4217 currency that has minor units (or none, like JPY); funds codes and metals are refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// US dollars: what ACH moves.
    pub const USD: Self = Self(iso_currency::Currency::USD);

    /// The three-letter code, upper case.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Decimals of the minor unit by ISO 4217: 2 for USD, 0 for JPY, 3 for KWD.
    #[must_use]
    pub fn exponent(self) -> u32 {
        u32::from(self.0.exponent().unwrap_or(0))
    }
}

/// What is wrong with a currency code.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 4217 currency code: three upper-case letters such as USD are expected")]
pub struct UnknownCurrency;

impl std::str::FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        iso_currency::Currency::from_code(code).filter(|c| c.exponent().is_some()).map(Self).ok_or(UnknownCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code().cmp(other.code())
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An amount in the minor unit of its currency: `50000` USD is 500.00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// Minor units.
    pub amount_minor: i64,
    /// The currency.
    pub currency: Currency,
}

impl fmt::Display for Money {
    /// For people: `500.00 USD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = self.currency.exponent();
        let unit = 10_i64.pow(exponent);
        let (whole, part) = (self.amount_minor / unit, (self.amount_minor % unit).abs());
        let sign = if self.amount_minor < 0 && whole == 0 { "-" } else { "" };
        if exponent == 0 {
            write!(f, "{whole} {}", self.currency)
        } else {
            let width = usize::try_from(exponent).unwrap_or(0);
            write!(f, "{sign}{whole}.{part:0width$} {}", self.currency)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount_minor: i64, code: &str) -> String {
        Money { amount_minor, currency: code.parse().unwrap() }.to_string()
    }

    #[test]
    fn money_is_shown_in_its_currencys_own_decimals() {
        assert_eq!(money(50_000, "USD"), "500.00 USD");
        assert_eq!(money(5, "USD"), "0.05 USD");
        assert_eq!(money(-5, "USD"), "-0.05 USD");
        assert_eq!(money(500, "JPY"), "500 JPY");
        assert_eq!(money(5_124, "KWD"), "5.124 KWD");
    }

    #[test]
    fn exponents_follow_iso_4217() {
        let of = |code: &str| code.parse::<Currency>().unwrap().exponent();
        for code in [
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF",
            "XPF",
        ] {
            assert_eq!(of(code), 0, "{code}");
        }
        for code in ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"] {
            assert_eq!(of(code), 3, "{code}");
        }
        for code in ["USD", "EUR", "HUF", "TWD", "MGA", "MRU"] {
            assert_eq!(of(code), 2, "{code}");
        }
    }

    #[test]
    fn codes_that_name_no_spendable_currency_are_refused() {
        for code in ["usd", "US", "XAU", "XXX", "XTS", "QQQ", ""] {
            assert_eq!(code.parse::<Currency>(), Err(UnknownCurrency), "{code}");
        }
    }
}
