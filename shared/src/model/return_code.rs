//! ACH return codes: one table, code → meaning → class → what we do.
//!
//! The codes are NACHA's (Operating Rules, Appendix Four); Stripe's own words for them are mapped in its module. What is
//! not in the table is looked at by a person.

use std::fmt::Write as _;

use super::method::MethodStatus;
use super::names;
use super::payment::{Failure, FailureCode};

names! {
    /// What a return says about trying again.
    ReturnClass {
        /// There was not enough money: it may be presented again, twice.
        Funds = "funds",
        /// The account can't be debited or credited: another is needed.
        Account = "account",
        /// The account's owner did not authorize it, or no longer does: never again.
        Unauthorized = "unauthorized",
        /// A person must look; the account may still be good.
        Review = "review",
        /// A person must look, and the account must not be used meanwhile.
        Frozen = "frozen",
    }
}

impl ReturnClass {
    /// Why the payment failed, as callers are told.
    #[must_use]
    pub const fn code(self) -> FailureCode {
        match self {
            Self::Funds => FailureCode::InsufficientFunds,
            Self::Account => FailureCode::PaymentMethodInvalid,
            Self::Unauthorized | Self::Review | Self::Frozen => FailureCode::Declined,
        }
    }

    /// What becomes of the method; `None`: it stays as it is.
    #[must_use]
    pub const fn method(self) -> Option<MethodStatus> {
        match self {
            Self::Account | Self::Frozen => Some(MethodStatus::Inactive),
            Self::Unauthorized => Some(MethodStatus::Blocked),
            Self::Funds | Self::Review => None,
        }
    }

    /// Whether the same debit may be put before the bank again.
    #[must_use]
    pub const fn may_come_again(self) -> bool {
        matches!(self, Self::Funds)
    }

    /// What is done, for people.
    const fn action(self) -> &'static str {
        match self {
            Self::Funds => "rescheduled by `retry_days`, presented at most twice more; then `in_review`",
            Self::Account => "method `inactive`; a new one is asked for",
            Self::Unauthorized => "method `blocked`, never debited again; review",
            Self::Review => "review; not presented again",
            Self::Frozen => "method `inactive`; review",
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnCode {
    /// NACHA's code.
    pub code: &'static str,
    /// What the bank says.
    pub meaning: &'static str,
    /// What follows.
    pub class: ReturnClass,
}

const fn row(code: &'static str, class: ReturnClass, meaning: &'static str) -> ReturnCode {
    ReturnCode { code, meaning, class }
}

/// The table. Codes of enrolments (R40 to R47), of disputes between banks (R61 to R77) and of international entries
/// (R80 to R85) don't come back to us; should one, a person looks.
pub const RETURN_CODES: [ReturnCode; 48] = {
    use ReturnClass::{Account, Frozen, Funds, Review, Unauthorized};
    [
        row("R01", Funds, "insufficient funds"),
        row("R02", Account, "account closed"),
        row("R03", Account, "no account, or it can't be located"),
        row("R04", Account, "invalid account number"),
        row("R05", Unauthorized, "a consumer's account was debited as a company's without authorization"),
        row("R06", Review, "returned at the request of our bank"),
        row("R07", Unauthorized, "authorization revoked"),
        row("R08", Review, "payment stopped"),
        row("R09", Funds, "uncollected funds"),
        row("R10", Unauthorized, "originator not known, or not authorized"),
        row("R11", Unauthorized, "not as it was authorized"),
        row("R12", Account, "branch sold to another bank"),
        row("R13", Account, "the bank takes no part in ACH, or the routing number is invalid"),
        row("R14", Frozen, "payee deceased"),
        row("R15", Frozen, "account holder deceased"),
        row("R16", Frozen, "account frozen"),
        row("R17", Review, "does not fit the bank's file, or looks questionable"),
        row("R18", Review, "improper effective date"),
        row("R19", Review, "amount field error"),
        row("R20", Account, "not an account for such entries"),
        row("R21", Review, "invalid company identification"),
        row("R22", Review, "invalid individual identification"),
        row("R23", Review, "credit refused by its receiver"),
        row("R24", Review, "duplicate entry"),
        row("R25", Review, "addenda error"),
        row("R26", Review, "mandatory field error"),
        row("R27", Review, "trace number error"),
        row("R28", Account, "routing number with a wrong check digit"),
        row("R29", Unauthorized, "a company has not authorized it"),
        row("R30", Review, "the bank takes no part in check truncation"),
        row("R31", Review, "permissible return, agreed between the banks"),
        row("R32", Review, "the bank can't settle"),
        row("R33", Review, "return of a converted check"),
        row("R34", Review, "the bank's participation is limited"),
        row("R35", Review, "improper debit"),
        row("R36", Review, "improper credit"),
        row("R37", Review, "source document presented"),
        row("R38", Review, "stop payment on the source document"),
        row("R39", Review, "improper source document"),
        row("R50", Review, "state law on represented checks"),
        row("R51", Unauthorized, "the item is ineligible, or its notice was improper"),
        row("R52", Review, "stop payment on an item"),
        row("R53", Review, "item and entry presented"),
        row("R61", Review, "misrouted return"),
        row("R67", Review, "duplicate return"),
        row("R68", Review, "untimely return"),
        row("R69", Review, "field error in a return"),
        row("R90", Review, "sanctions"),
    ]
};

/// The class of a code; one that is not in the table is looked at by a person.
#[must_use]
pub fn class(code: &str) -> ReturnClass {
    RETURN_CODES.iter().find(|row| row.code == code).map_or(ReturnClass::Review, |row| row.class)
}

/// What the bank says with a code, for people.
#[must_use]
pub fn meaning(code: &str) -> Option<&'static str> {
    RETURN_CODES.iter().find(|row| row.code == code).map(|row| row.meaning)
}

/// Why a payment failed that its bank returned with `code`. `gateway_code` is what the gateway calls it.
#[must_use]
pub fn failure(code: &str, gateway_code: Option<String>) -> Failure {
    let class = class(code);
    Failure { returned: Some(class), ..Failure::new(class.code(), gateway_code) }
}

/// The table in Markdown.
#[must_use]
pub fn table() -> String {
    let mut text = String::from("| code | the bank says | class | what is done |\n|---|---|---|---|\n");
    for row in RETURN_CODES {
        let _ = writeln!(text, "| {} | {} | `{}` | {} |", row.code, row.meaning, row.class, row.class.action());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_stands_twice_and_they_stand_in_order() {
        assert!(RETURN_CODES.is_sorted_by(|one, next| one.code < next.code));
    }

    #[test]
    fn only_want_of_money_may_come_again() {
        let again: Vec<&str> =
            RETURN_CODES.iter().filter(|row| row.class.may_come_again()).map(|row| row.code).collect();
        assert_eq!(again, ["R01", "R09"]);
    }

    #[test]
    fn a_code_that_is_new_to_us_is_looked_at_and_changes_no_method() {
        let failure = failure("R99", None);
        assert_eq!((failure.code, failure.returned), (FailureCode::Declined, Some(ReturnClass::Review)));
        assert_eq!(class("R99").method(), None);
    }
}
