//! Test receivers of payouts, by the local part of their e-mail address; `+anything` may follow it:
//!
//! | local part | what becomes of the item |
//! |---|---|
//! | `unregistered` | `UNCLAIMED`, `RECEIVER_UNREGISTERED`; returned after 30 days |
//! | `unconfirmed` | `UNCLAIMED`, `RECEIVER_UNCONFIRMED`; returned after 30 days |
//! | `own` | the account's own address: `FAILED`, `SELF_PAY_NOT_ALLOWED`; the batch is denied |
//! | `denied.ERROR` | `FAILED` with that error, or `RECEIVER_ACCOUNT_INVALID`; the batch is denied |
//! | `failed.ERROR` | `FAILED` with that error, or `RECEIVER_ACCOUNT_LOCKED`; the batch succeeds |
//! | `onhold.ERROR` | `ONHOLD`, with `REGULATORY_PENDING` or another |
//! | `blocked.ERROR` | `BLOCKED`, with `REGULATORY_BLOCKED` or another |
//! | `returned` | `RETURNED` at once |
//! | `refunded`, `reversed` | `SUCCESS`, and then sent or pulled back |
//! | `pending` | stays `PENDING`, as its batch stays `PROCESSING`, until a test moves it |
//! | anything else | `SUCCESS` |
//!
//! Telephone numbers are all registered; of PayPal's own ids only [`REGISTERED_ID`] is. A batch is denied only when
//! nothing of it could be paid.

use super::item::ItemStatus;

/// The one PayPal id that belongs to somebody.
pub(super) const REGISTERED_ID: &str = "QYR5Z8XDVJNXQ";

/// What becomes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub status: ItemStatus,
    pub error: Option<&'static str>,
    /// Whether it is a reason to deny the batch.
    pub denies: bool,
}

/// The errors that an item may have.
const ERRORS: &[&str] = &[
    "ACCOUNT_RESTRICTED",
    "ACCOUNT_UNCONFIRMED_EMAIL",
    "CLOSED_MARKET",
    "CURRENCY_COMPLIANCE",
    "CURRENCY_NOT_SUPPORTED_FOR_RECEIVER",
    "DUPLICATE_ITEM",
    "INSUFFICIENT_FUNDS",
    "INTERNAL_ERROR",
    "INVALID_EMAIL_ID",
    "NEGATIVE_BALANCE",
    "NON_HOLDING_CURRENCY",
    "PENDING_RECIPIENT_NON_HOLDING_CURRENCY_PAYMENT_PREFERENCE",
    "POS_LIMIT_EXCEEDED",
    "RECEIVER_ACCOUNT_INVALID",
    "RECEIVER_ACCOUNT_LOCKED",
    "RECEIVER_COUNTRY_NOT_ALLOWED",
    "RECEIVER_STATE_RESTRICTED",
    "RECEIVER_UNCONFIRMED",
    "RECEIVER_UNREGISTERED",
    "RECEIVER_YOUTH_ACCOUNT",
    "RECEIVING_LIMIT_EXCEEDED",
    "REFUSED_ACTION_DENIED",
    "REFUSED_RECEIVER_REFUSED",
    "REGULATORY_BLOCKED",
    "REGULATORY_PENDING",
    "RISK_DECLINE",
    "SELF_PAY_NOT_ALLOWED",
    "SENDER_ACCOUNT_LOCKED",
    "SENDER_ACCOUNT_UNVERIFIED",
    "SENDER_RESTRICTED",
    "SENDER_STATE_RESTRICTED",
    "SPENDING_LIMIT_EXCEEDED",
    "TRANSACTION_DECLINED_BY_TRAVEL_RULE",
    "TRANSACTION_LIMIT_EXCEEDED",
    "UNDEFINED",
    "UNVERIFIED_RECIPIENT_NOT_SUPPORTED",
    "USER_COUNTRY_NOT_ALLOWED",
    "USER_FUNDING_SOURCE_INELIGIBLE",
    "ZERO_AMOUNT",
];

/// What becomes of a payout to a receiver.
pub(super) fn fate(kind: &str, receiver: &str) -> Fate {
    let fate = |status, error, denies| Fate { status, error, denies };
    if kind == "PAYPAL_ID" && receiver != REGISTERED_ID {
        return fate(ItemStatus::Failed, Some("RECEIVER_ACCOUNT_INVALID"), true);
    }
    let local = receiver.split_once('@').filter(|_| kind == "EMAIL").map_or("", |(local, _)| local);
    let name = local.split_once('+').map_or(local, |(name, _)| name);
    let (name, named) = match name.split_once('.') {
        Some((name, error)) => match ERRORS.iter().find(|known| **known == error) {
            Some(error) => (name, Some(*error)),
            // A name with a dot in it.
            None => return fate(ItemStatus::Success, None, false),
        },
        None => (name, None),
    };
    let or = |default| Some(named.unwrap_or(default));
    match name {
        "unregistered" => fate(ItemStatus::Unclaimed, or("RECEIVER_UNREGISTERED"), false),
        "unconfirmed" => fate(ItemStatus::Unclaimed, or("RECEIVER_UNCONFIRMED"), false),
        "own" => fate(ItemStatus::Failed, or("SELF_PAY_NOT_ALLOWED"), true),
        "denied" => fate(ItemStatus::Failed, or("RECEIVER_ACCOUNT_INVALID"), true),
        "failed" => fate(ItemStatus::Failed, or("RECEIVER_ACCOUNT_LOCKED"), false),
        "onhold" => fate(ItemStatus::Onhold, or("REGULATORY_PENDING"), false),
        "blocked" => fate(ItemStatus::Blocked, or("REGULATORY_BLOCKED"), false),
        "returned" => fate(ItemStatus::Returned, named, false),
        "refunded" => fate(ItemStatus::Refunded, named, false),
        "reversed" => fate(ItemStatus::Reversed, named, false),
        "pending" => fate(ItemStatus::Pending, named, false),
        _ => fate(ItemStatus::Success, None, false),
    }
}
