//! Amounts: decimal strings with two digits, in USD; inside, cents.

use serde_json::Value;

/// Above this no amount is read.
const MAX_DIGITS: usize = 12;

/// Reads `"10.00"`. `None`: another form, or not above zero.
pub(super) fn read(text: &str) -> Option<i64> {
    let (whole, cents) = text.split_once('.')?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(cents) || cents.len() != 2 || whole.len() > MAX_DIGITS {
        return None;
    }
    format!("{whole}{cents}").parse().ok().filter(|minor| *minor > 0)
}

/// Writes `"10.00"`; ledgers may be below zero.
pub(super) fn text(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let minor = minor.unsigned_abs();
    format!("{sign}{}.{:02}", minor / 100, minor % 100)
}

/// As a JSON number, which balances of accounts are.
pub(super) fn number(minor: i64) -> Value {
    serde_json::from_str(&text(minor)).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_back_what_they_write_and_have_two_digits() {
        for (value, minor) in [("10.00", 1000), ("0.01", 1), ("1234567.89", 123_456_789)] {
            assert_eq!((read(value), text(minor)), (Some(minor), value.to_owned()));
        }
        assert_eq!(text(-105), "-1.05");
        assert_eq!(number(10_050).to_string(), "100.5");
        for wrong in ["10", "10.0", "10.000", "0.00", "-1.00", ".50", "1e3", "", "1,00", "1234567890123.00"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
