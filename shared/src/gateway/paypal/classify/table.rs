//! What PayPal's words mean, as data: issues and error names of its APIs, response codes and advice codes of card
//! processors.

use crate::gateway::paypal::object::{ErrorBody, ProcessorResponse};
use crate::model::payment::FailureCode;

/// What a word of an error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It, or another request for it, is being executed.
    Wait,
    /// It was executed before: what became of it must be read.
    Done,
    /// The customer must act.
    Action,
    /// It is refused, for this.
    Refused(FailureCode),
    /// The request, or the set-up of the account, is not what it should be: the operator's business.
    Rejected,
    /// Not now; nothing was done.
    Busy,
}

pub(super) type Table = [(&'static [&'static str], Meaning)];

const FUNDS: Meaning = Meaning::Refused(FailureCode::InsufficientFunds);
const METHOD: Meaning = Meaning::Refused(FailureCode::PaymentMethodInvalid);
const REVIEW: Meaning = Meaning::Refused(FailureCode::Declined);
const NOT_REFUNDABLE: Meaning = Meaning::Refused(FailureCode::NotRefundable);
const TRY_LATER: Meaning = Meaning::Refused(FailureCode::GatewayUnavailable);

/// Issues of creating and capturing an order (developer.paypal.com/api/rest/reference/orders/v2/errors).
pub(super) const ORDER: &Table = &[
    (
        &[
            "ORDER_ALREADY_CAPTURED",
            "ORDER_ALREADY_AUTHORIZED",
            "ORDER_ALREADY_COMPLETED",
            "DUPLICATE_INVOICE_ID",
            "PAYMENT_ALREADY_APPROVED",
        ],
        Meaning::Done,
    ),
    (&["ORDER_COMPLETION_IN_PROGRESS", "PREVIOUS_REQUEST_IN_PROGRESS"], Meaning::Wait),
    (
        &[
            "PAYER_ACTION_REQUIRED",
            "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING",
            "ORDER_NOT_APPROVED",
            "ORDER_IS_PENDING_APPROVAL",
            "CONSENT_NEEDED",
        ],
        Meaning::Action,
    ),
    (
        &[
            "INSTRUMENT_DECLINED",
            "CARD_EXPIRED",
            "REFERENCED_CARD_EXPIRED",
            "CARD_BRAND_NOT_SUPPORTED",
            "CARD_TYPE_NOT_SUPPORTED",
            "PAYMENT_SOURCE_DECLINED_BY_PROCESSOR",
            "PAYMENT_SOURCE_INFO_CANNOT_BE_VERIFIED",
            "PAYMENT_SOURCE_CANNOT_BE_USED",
            "TOKEN_ID_NOT_FOUND",
            "TOKEN_EXPIRED",
            "MISMATCHED_VAULT_ID_TO_PAYMENT_SOURCE",
            "INVALID_EXPIRY_DATE",
            "BILLING_ADDRESS_INVALID",
            "ALIAS_DECLINED_BY_PROCESSOR",
            // The customer has ended the agreement, or its account can't pay.
            "AGREEMENT_ALREADY_CANCELLED",
            "BILLING_AGREEMENT_NOT_FOUND",
            "BILLING_AGREEMENT_ID_MISMATCH",
            "PAYER_CANNOT_PAY",
            "PAYER_ACCOUNT_RESTRICTED",
            "PAYER_ACCOUNT_LOCKED_OR_CLOSED",
        ],
        METHOD,
    ),
    (
        &[
            "TRANSACTION_LIMIT_EXCEEDED",
            "TRANSACTION_RECEIVING_LIMIT_EXCEEDED",
            "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED",
        ],
        FUNDS,
    ),
    (
        &[
            "TRANSACTION_REFUSED",
            "COMPLIANCE_VIOLATION",
            "PAYEE_BLOCKED_TRANSACTION",
            "TRANSACTION_BLOCKED_BY_PAYEE",
            "DECLINED_DUE_TO_RELATED_TXN",
            "PREVIOUS_TRANSACTION_REFERENCE_HAS_CHARGEBACK",
            "PREVIOUS_TRANSACTION_REFERENCE_VOIDED",
        ],
        REVIEW,
    ),
    (
        &[
            // The merchant's account.
            "PAYEE_ACCOUNT_INVALID",
            "PAYEE_ACCOUNT_LOCKED_OR_CLOSED",
            "PAYEE_ACCOUNT_RESTRICTED",
            "PAYEE_NOT_ENABLED_FOR_CARD_PROCESSING",
            "NOT_ENABLED_FOR_CARD_PROCESSING",
            "NOT_ENABLED_TO_VAULT_PAYMENT_SOURCE",
            "AUTH_CAPTURE_NOT_ENABLED",
            "NOT_ELIGIBLE_FOR_PNREF_PROCESSING",
            "NOT_ELIGIBLE_FOR_TOKEN_PROCESSING",
            "PERMISSION_DENIED",
            "INVALID_ACCOUNT_STATUS",
            "DOMESTIC_TRANSACTION_REQUIRED",
            "CURRENCY_NOT_SUPPORTED_FOR_COUNTRY",
            // The request.
            "AMOUNT_MISMATCH",
            "ITEM_TOTAL_MISMATCH",
            "TAX_TOTAL_MISMATCH",
            "DECIMAL_PRECISION",
            "DECIMALS_NOT_SUPPORTED",
            "CANNOT_BE_NEGATIVE",
            "CANNOT_BE_ZERO_OR_NEGATIVE",
            "MAX_VALUE_EXCEEDED",
            "INVALID_CURRENCY_CODE",
            "MULTI_CURRENCY_ORDER",
            "UNSUPPORTED_INTENT",
            "DUPLICATE_REFERENCE_ID",
            "REFERENCE_ID_REQUIRED",
            "INCOMPATIBLE_PARAMETER_VALUE",
            "MISSING_PREVIOUS_REFERENCE",
            "INVALID_PREVIOUS_TRANSACTION_REFERENCE",
            "MERCHANT_INITIATED_WITH_SECURITY_CODE",
            "MERCHANT_INITIATED_WITH_AUTHENTICATION_RESULTS",
            "MERCHANT_INITIATED_WITH_MULTIPLE_PURCHASE_UNITS",
            "REQUIRED_PARAMETER_FOR_CUSTOMER_INITIATED_PAYMENT",
            "RETURN_URL_REQUIRED",
            "CANCEL_URL_REQUIRED",
            "VAULT_INSTRUCTION_REQUIRED",
        ],
        Meaning::Rejected,
    ),
];

/// Issues of refunding a capture (developer.paypal.com/docs/api/payments/v2, "Refund captured payment").
pub(super) const REFUND: &Table = &[
    // Ours would have been answered with itself: another used the id, or an id that is forgotten.
    (&["DUPLICATE_INVOICE_ID"], Meaning::Done),
    (&["PREVIOUS_REQUEST_IN_PROGRESS"], Meaning::Wait),
    (&["PENDING_CAPTURE"], Meaning::Busy),
    (&["REFUND_FAILED_INSUFFICIENT_FUNDS"], FUNDS),
    (
        &[
            "CAPTURE_FULLY_REFUNDED",
            "REFUND_AMOUNT_EXCEEDED",
            "REFUND_AMOUNT_TOO_LOW",
            "PARTIAL_REFUND_NOT_ALLOWED",
            "REFUND_NOT_ALLOWED",
            "REFUND_TIME_LIMIT_EXCEEDED",
            "MAX_NUMBER_OF_REFUNDS_EXCEEDED",
            "REFUND_IS_RESTRICTED",
            "PAYEE_ACCOUNT_LOCKED_OR_CLOSED",
            "PAYER_ACCOUNT_LOCKED_OR_CLOSED",
            "PAYEE_ACCOUNT_RESTRICTED",
            "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK",
            "TRANSACTION_DISPUTED",
            "INVALID_RESOURCE_ID",
        ],
        NOT_REFUNDABLE,
    ),
    (
        &[
            "REFUND_CAPTURE_CURRENCY_MISMATCH",
            "CURRENCY_MISMATCH",
            "DECIMAL_PRECISION",
            "DECIMALS_NOT_SUPPORTED",
            "CANNOT_BE_ZERO_OR_NEGATIVE",
            "CANNOT_BE_NEGATIVE",
            "PLATFORM_FEE_EXCEEDED",
            "PLATFORM_FEE_NOT_ENABLED",
            "PERMISSION_DENIED",
        ],
        Meaning::Rejected,
    ),
];

/// Errors of payouts, of the request and of the item (developer.paypal.com/docs/payouts/standard/reference/error-codes).
pub(super) const PAYOUT: &Table = &[
    (&["INSUFFICIENT_FUNDS", "NEGATIVE_BALANCE"], FUNDS),
    (
        &[
            // The recipient must act, or the address be put right: no method of the tenant's can do that.
            "RECEIVER_UNREGISTERED",
            "RECEIVER_UNCONFIRMED",
            "ACCOUNT_UNCONFIRMED_EMAIL",
            "INVALID_EMAIL_ID",
            "RECEIVER_ACCOUNT_INVALID",
            "REFUSED_RECEIVER_REFUSED",
            "PENDING_RECIPIENT_NON_HOLDING_CURRENCY_PAYMENT_PREFERENCE",
            "UNVERIFIED_RECIPIENT_NOT_SUPPORTED",
            "RECEIVING_LIMIT_EXCEEDED",
            "POS_LIMIT_EXCEEDED",
            // The recipient can't be paid this way.
            "RECEIVER_ACCOUNT_LOCKED",
            "ACCOUNT_RESTRICTED",
            "RECEIVER_COUNTRY_NOT_ALLOWED",
            "RECEIVER_STATE_RESTRICTED",
            "RECEIVER_YOUTH_ACCOUNT",
            "CURRENCY_NOT_SUPPORTED_FOR_RECEIVER",
            "SELF_PAY_NOT_ALLOWED",
            // The sender's account.
            "SENDER_ACCOUNT_LOCKED",
            "SENDER_RESTRICTED",
            "SENDER_STATE_RESTRICTED",
            "SENDER_ACCOUNT_UNVERIFIED",
            "SENDER_EMAIL_UNCONFIRMED",
            "USER_COUNTRY_NOT_ALLOWED",
            "USER_FUNDING_SOURCE_INELIGIBLE",
            "SPENDING_LIMIT_EXCEEDED",
            "TRANSACTION_LIMIT_EXCEEDED",
            // A person's business.
            "RISK_DECLINE",
            "REGULATORY_PENDING",
            "REGULATORY_BLOCKED",
            "CURRENCY_COMPLIANCE",
            "TRANSACTION_DECLINED_BY_TRAVEL_RULE",
            "REFUSED_ACTION_DENIED",
            "UNDEFINED",
        ],
        REVIEW,
    ),
    (
        &["REQUIRED_SCOPE_MISSING", "ZERO_AMOUNT", "DUPLICATE_ITEM", "NON_HOLDING_CURRENCY", "AUTHORIZATION_ERROR"],
        Meaning::Rejected,
    ),
    (&["INTERNAL_ERROR", "REQUEST_TIMEOUT_EXCEEDED", "RATE_LIMIT_VALIDATION_FAILURES", "CLOSED_MARKET"], TRY_LATER),
];

/// Response codes of card processors of a capture that was declined
/// (developer.paypal.com/docs/checkout/advanced/processor-response-codes). Codes that are not here, and the vague ones
/// (`0500`, `5100`, `0100`), are declined.
const PROCESSOR: &[(&[&str], FailureCode)] = &[
    (&["5120", "5710", "PPAX", "PPEL", "PPNL"], FailureCode::InsufficientFunds),
    (&["0960", "5920", "8000", "8100", "8110", "8220", "9100", "PPER", "PPNT"], FailureCode::GatewayUnavailable),
    (
        &[
            // Security code, account, expiry, address, closed or not activated.
            "00N7", "5110", "PCVV", "1382", "0390", "6300", "1330", "1335", "1352", "1380", "5400", "PPEX", "PPEF",
            "5130", "5135", "5140", "5170", "5190", "5180", "5700", "5930", "5950", "9540", "PP06", "PPFI", "PPCT",
            // Authentication is wanted: this order has ended, and the customer must set the method up anew.
            "5650", "7700", "7710", "PPD3",
        ],
        FailureCode::PaymentMethodInvalid,
    ),
    (
        // Stolen, suspected, never again; `5200`: a duplicate, by the processor's word.
        &["5150", "9500", "9510", "9520", "0580", "PPRN", "PPAB", "PPFR", "5200"],
        FailureCode::Declined,
    ),
];

/// What the card networks advise; it outranks the response code. `02` is in [`advice`], others only inform.
const ADVICE: &[(&[&str], FailureCode)] = &[
    (&["01"], FailureCode::PaymentMethodInvalid),
    (&["03", "21"], FailureCode::Declined),
    // Not before some hours or days.
    (&["24", "25", "26", "27", "28", "29", "30"], FailureCode::InsufficientFunds),
];

/// What a word of an error says by a table.
pub(super) fn meaning(table: &Table, word: &str) -> Option<Meaning> {
    let listed = table.iter().find(|(words, _)| words.contains(&word)).map(|(_, meaning)| *meaning);
    let is_game = word.starts_with("GAMER_") || word.starts_with("GAMING_");
    listed.or(is_game.then_some(REVIEW)).or(word.starts_with("MERCHANT_INITIATED_WITH_").then_some(Meaning::Rejected))
}

/// Codes and words that say no more than that it was declined, or that all is well, and what stands where there is no
/// code (developer.paypal.com/docs/checkout/advanced/processor-response-codes).
const VAGUE: &[&str] = &["0000", "0100", "0500", "5100", "UNPROCESSABLE_ENTITY", "INTERNAL_SERVER_ERROR"];

/// Whether a code or a word is one that we know the meaning of.
pub(in crate::gateway) fn knows(word: &str) -> bool {
    [ORDER, REFUND, PAYOUT].into_iter().any(|table| meaning(table, word).is_some())
        || PROCESSOR.iter().any(|(codes, _)| codes.contains(&word))
        || VAGUE.contains(&word)
}

/// Words that are new to us and sound as if something had been, or were being, done.
fn sounds_done(word: &str) -> bool {
    let word = word.to_ascii_uppercase();
    ["ALREADY", "DUPLICATE", "IN_PROGRESS", "PREVIOUS_REQUEST"].iter().any(|part| word.contains(part))
}

/// What an error says by a table: of several words the one that says most about the money.
pub(super) fn decisive(table: &Table, error: &ErrorBody) -> Option<Meaning> {
    let rank = |meaning: &Meaning| match meaning {
        Meaning::Done => 0,
        Meaning::Wait => 1,
        Meaning::Action => 2,
        Meaning::Refused(_) => 3,
        Meaning::Rejected => 4,
        Meaning::Busy => 5,
    };
    let known = error.words().filter_map(|word| meaning(table, word));
    // A word in the table may sound as if something had been done, and means what the table says.
    let new = error.words().filter(|word| meaning(table, word).is_none() && sounds_done(word)).map(|_| Meaning::Done);
    known.chain(new).min_by_key(rank)
}

/// Why a capture was declined. A code that is not in the tables is declined, for review.
pub(super) fn by_processor(response: &ProcessorResponse, brand: Option<&str>) -> FailureCode {
    let by_advice = response.payment_advice_code.as_deref().and_then(|code| advice(code, brand));
    let in_table = |code: &str| PROCESSOR.iter().find(|(codes, _)| codes.contains(&code)).map(|(_, failure)| *failure);
    by_advice.or_else(|| response.response_code.as_deref().and_then(in_table)).unwrap_or(FailureCode::Declined)
}

/// What the network advises. `02` is "after 72 hours" by Mastercard and "stop" by Visa.
fn advice(code: &str, brand: Option<&str>) -> Option<FailureCode> {
    if code == "02" {
        let later = brand.is_some_and(|brand| brand.eq_ignore_ascii_case("mastercard"));
        return Some(if later { FailureCode::InsufficientFunds } else { FailureCode::Declined });
    }
    ADVICE.iter().find(|(codes, _)| codes.contains(&code)).map(|(_, failure)| *failure)
}
