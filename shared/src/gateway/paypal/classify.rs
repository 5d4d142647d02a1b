//! What PayPal's answers mean. Pure, and cautious: only an answer that proves it says "not executed".
//!
//! The tables hold what PayPal documents: issues and error names of the Orders, Payments and Payouts APIs, response codes
//! and advice codes of card processors. A word that is in none of them is declined, for a person to look at; one that
//! sounds as if something had been done before leaves the outcome open.

use super::object::{Batch, Capture, ErrorBody, Item, Link, Order, ProcessorResponse, Refund, Unit};
use super::transport::Reply;
use crate::gateway::{Answer, NextAction, Outcome, Seen, Trouble};
use crate::model::payment::{Failure, FailureCode};
use crate::money::Money;

/// What a word of an error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
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

type Table = [(&'static [&'static str], Meaning)];

const FUNDS: Meaning = Meaning::Refused(FailureCode::InsufficientFunds);
const METHOD: Meaning = Meaning::Refused(FailureCode::PaymentMethodInvalid);
const REVIEW: Meaning = Meaning::Refused(FailureCode::Declined);
const NOT_REFUNDABLE: Meaning = Meaning::Refused(FailureCode::NotRefundable);
const TRY_LATER: Meaning = Meaning::Refused(FailureCode::GatewayUnavailable);

/// Issues of creating and capturing an order (developer.paypal.com/api/rest/reference/orders/v2/errors).
const ORDER: &Table = &[
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
const REFUND: &Table = &[
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
const PAYOUT: &Table = &[
    (&["INSUFFICIENT_FUNDS", "NEGATIVE_BALANCE"], FUNDS),
    (
        &[
            // The recipient must act, or the address be put right.
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
        ],
        METHOD,
    ),
    (
        &[
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
fn meaning(table: &Table, word: &str) -> Option<Meaning> {
    let listed = table.iter().find(|(words, _)| words.contains(&word)).map(|(_, meaning)| *meaning);
    let is_game = word.starts_with("GAMER_") || word.starts_with("GAMING_");
    listed.or(is_game.then_some(METHOD)).or(word.starts_with("MERCHANT_INITIATED_WITH_").then_some(Meaning::Rejected))
}

/// Words that are new to us and sound as if something had been, or were being, done.
fn sounds_done(word: &str) -> bool {
    let word = word.to_ascii_uppercase();
    ["ALREADY", "DUPLICATE", "IN_PROGRESS", "PREVIOUS_REQUEST"].iter().any(|part| word.contains(part))
}

/// What an error says by a table: of several words the one that says most about the money.
fn decisive(table: &Table, error: &ErrorBody) -> Option<Meaning> {
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

/// What kind of trouble a reply without a usable object is.
pub(super) fn trouble(reply: &Reply) -> Trouble {
    match reply.status {
        500.. => Trouble::Fault,
        // Not PayPal's words: something else may have answered, and proves nothing.
        _ if !reply.error().is_readable() => Trouble::Unreadable,
        401 | 403 => Trouble::KeyRefused,
        409 => Trouble::Conflict,
        // The limiter runs before anything is executed.
        429 => Trouble::Busy,
        400 | 404 | 405 | 406 | 415 | 422 => Trouble::Rejected,
        _ => Trouble::Unreadable,
    }
}

/// Whether PayPal has no such object.
pub(super) fn is_missing(reply: &Reply) -> bool {
    let error = reply.error();
    reply.status == 404 && error.words().any(|word| ["RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"].contains(&word))
}

/// The answer of a reply that brought no object, by a table; `refused` says what a refusal is.
fn refusal(reply: &Reply, table: &Table, refused: fn(Failure) -> Outcome) -> Answer {
    let error = reply.error();
    let may_say = matches!(reply.status, 400 | 403 | 404 | 409 | 422) && error.is_readable();
    let said = decisive(table, &error).filter(|_| may_say);
    let failure = |code| refused(Failure { code, gateway_code: error.code() });
    let mut answer = match said {
        Some(Meaning::Wait) => Answer::of_trouble(Trouble::Conflict),
        // Under another request, or one whose id is forgotten: only reading tells.
        Some(Meaning::Done) => Answer::without_object(Outcome::Unknown(Trouble::Conflict), false),
        Some(Meaning::Action) => match approval(&error.links) {
            Some(next_action) => {
                Answer { next_action: Some(next_action), ..Answer::without_object(Outcome::RequiresAction, false) }
            }
            // Nobody can act without a link: the customer must set the method up anew.
            None => Answer::without_object(failure(FailureCode::PaymentMethodInvalid), false),
        },
        Some(Meaning::Refused(code)) => Answer::without_object(failure(code), false),
        Some(Meaning::Rejected) => Answer::of_trouble(Trouble::Rejected),
        Some(Meaning::Busy) => Answer::of_trouble(Trouble::Busy),
        // A business rule that is new to us.
        None if reply.status == 422 && error.is_readable() => {
            Answer::without_object(failure(FailureCode::Declined), false)
        }
        None => Answer::of_trouble(trouble(reply)),
    };
    answer.retry_after = reply.retry_after;
    answer.gateway_code = error.code();
    answer
}

/// The answer to creating, capturing or reading an order.
pub(super) fn order_reply(reply: &Reply) -> Answer {
    match reply.object::<Order>() {
        Some(order) => self::order(&order),
        None => refusal(reply, ORDER, Outcome::Declined),
    }
}

/// Whether a refusal is that the customer must act.
pub(super) fn asks_customer(reply: &Reply) -> bool {
    decisive(ORDER, &reply.error()) == Some(Meaning::Action)
}

/// Whether an error has this word.
pub(super) fn says(reply: &Reply, word: &str) -> bool {
    reply.error().words().any(|said| said == word)
}

/// Where the customer approves.
pub(super) fn approval(links: &[Link]) -> Option<NextAction> {
    let link = links.iter().find(|link| ["payer-action", "approve"].contains(&link.rel.as_str()))?;
    link.href.starts_with("https://").then(|| NextAction::ApprovalUrl(link.href.clone()))
}

/// What an order says. It may be completed although its capture was declined or is pending: the capture decides.
pub(super) fn order(order: &Order) -> Answer {
    let unit = order.purchase_units.first().filter(|_| order.purchase_units.len() == 1);
    let begun = Seen {
        reference: order.id.clone(),
        money: unit.and_then(|unit| unit.amount.as_ref()?.money()),
        our_id: unit.and_then(Unit::our_id),
    };
    let brand = order.payment_source.card.as_ref().and_then(|card| card.brand.as_deref());
    let captures = unit.map(|unit| unit.payments.captures.as_slice()).unwrap_or_default();
    let answer = match (captures.iter().min_by_key(|capture| weight(&capture.status)), order.status.as_str()) {
        (Some(capture), _) => {
            let mut answer = self::capture(capture, brand);
            // A capture in an order may carry less than one alone: the ids are the order's.
            if let Some(seen) = answer.seen.as_mut().filter(|seen| seen.our_id.is_none()) {
                seen.our_id.clone_from(&begun.our_id);
            }
            answer
        }
        (None, "PAYER_ACTION_REQUIRED") => {
            Answer { next_action: approval(&order.links), ..Answer::without_object(Outcome::RequiresAction, false) }
        }
        (None, "VOIDED") => Answer::without_object(Outcome::Canceled, false),
        // Approved, and now to be captured: sent again, it is.
        (None, "APPROVED") => Answer::without_object(Outcome::Unknown(Trouble::Undecided), true),
        // Without a capture, whatever its status, it says nothing yet.
        _ => Answer::without_object(Outcome::Unknown(Trouble::Undecided), false),
    };
    Answer { begun: Some(Box::new(begun)), ..answer }
}

/// Of several captures the one that moved money decides, then the one that may.
fn weight(status: &str) -> u8 {
    match status {
        "COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED" => 0,
        "DECLINED" | "FAILED" => 2,
        _ => 1,
    }
}

/// What a capture says.
pub(super) fn capture(capture: &Capture, brand: Option<&str>) -> Answer {
    let reason = capture.status_details.reason.clone();
    let processor = capture.processor_response.clone().unwrap_or_default();
    let gateway_code = processor.response_code.clone().or(reason);
    let outcome = match capture.status.as_str() {
        "COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED" => Outcome::Succeeded,
        "PENDING" => Outcome::Pending,
        "DECLINED" | "FAILED" => {
            let code = by_processor(&processor, brand);
            Outcome::Declined(Failure { code, gateway_code: gateway_code.clone() })
        }
        _ => Outcome::Unknown(Trouble::Undecided),
    };
    Answer {
        seen: Some(Seen {
            reference: capture.id.clone(),
            money: capture.amount.as_ref().and_then(|amount| amount.money()),
            our_id: capture.custom_id.clone().or_else(|| capture.invoice_id.clone()),
        }),
        gateway_code: gateway_code.filter(|_| outcome != Outcome::Succeeded),
        ..Answer::without_object(outcome, false)
    }
}

/// Why a capture was declined. A code that is not in the tables is declined, for review.
fn by_processor(response: &ProcessorResponse, brand: Option<&str>) -> FailureCode {
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

/// The answer to creating or reading a refund.
pub(super) fn refund_reply(reply: &Reply) -> Answer {
    match reply.object::<Refund>() {
        Some(refund) => self::refund(&refund),
        // PayPal does not keep refusals: one says nothing of an earlier send.
        None => refusal(reply, REFUND, Outcome::Refused),
    }
}

/// What a refund says.
pub(super) fn refund(refund: &Refund) -> Answer {
    let reason = refund.status_details.reason.clone();
    let outcome = match refund.status.as_deref() {
        Some("COMPLETED") => Outcome::Succeeded,
        Some("PENDING") => Outcome::Pending,
        Some("FAILED") => Outcome::Declined(Failure { code: FailureCode::Declined, gateway_code: reason.clone() }),
        Some("CANCELLED") => Outcome::Canceled,
        _ => Outcome::Unknown(Trouble::Undecided),
    };
    Answer {
        seen: Some(Seen {
            reference: refund.id.clone(),
            money: refund.amount.as_ref().and_then(|amount| amount.money()),
            our_id: refund.custom_id.clone().or_else(|| refund.invoice_id.clone()),
        }),
        gateway_code: reason,
        ..Answer::without_object(outcome, false)
    }
}

/// What is known of a batch apart from what it says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    /// Its id is in our books. A denied batch frees our id for another: only then does its failure count.
    pub stored: bool,
    /// Our id and amount: whatever is under the id is what we sent, where the batch does not say it yet.
    pub ours: Option<(&'a str, Money)>,
}

/// The answer to creating a payout: the batch was taken, and nothing in it has been decided.
pub(super) fn payout_reply(reply: &Reply, known: Known<'_>) -> Answer {
    match reply.object::<Batch>() {
        Some(batch) => {
            let header = &batch.batch_header;
            Answer { seen: Some(batch_seen(&batch, None, known)), ..Answer::without_object(Outcome::Pending, false) }
                .with_code(Some(header.batch_status.as_str()).filter(|status| *status == "DENIED"))
        }
        None if is_about_receiver(reply) => {
            let failure = Failure { code: FailureCode::PaymentMethodInvalid, gateway_code: reply.error().code() };
            Answer::without_object(Outcome::Refused(failure), false)
        }
        None => refusal(reply, PAYOUT, Outcome::Refused),
    }
}

/// Whether PayPal does not take the address that is to be paid.
fn is_about_receiver(reply: &Reply) -> bool {
    let error = reply.error();
    let names_it = |field: &str| field.to_ascii_lowercase().ends_with("receiver");
    reply.status == 400
        && error.name.as_deref() == Some("VALIDATION_ERROR")
        && error.details.iter().any(|detail| detail.field.as_deref().is_some_and(names_it))
}

/// Whether a batch under our id exists already, and the id of it where PayPal links to it.
pub(super) fn duplicate(reply: &Reply) -> Option<Option<String>> {
    let error = reply.error();
    if reply.status != 400 || error.name.as_deref() != Some("USER_BUSINESS_ERROR") {
        return None;
    }
    error.details.iter().find_map(|detail| {
        let id = super::object::linked(&detail.link, "self", "/payments/payouts/").map(ToOwned::to_owned);
        let names_it = detail.field.as_deref().is_some_and(|field| field.eq_ignore_ascii_case("sender_batch_id"));
        (id.is_some() || names_it).then_some(id)
    })
}

/// What a batch of one says.
pub(super) fn batch(batch: &Batch, known: Known<'_>) -> Answer {
    let of_ours = |item: &&Item| {
        known.ours.is_none_or(|(id, _)| item.payout_item.sender_item_id.as_deref().is_none_or(|item| item == id))
    };
    let item = batch.items.iter().find(of_ours).or(batch.items.first()).filter(|_| batch.items.len() <= 1);
    let status = batch.batch_header.batch_status.as_str();
    let name = item.and_then(|item| item.errors.as_ref()).and_then(ErrorBody::code);
    let failed = |fallback| Outcome::Declined(payout_failure(name.as_deref(), fallback));
    let (outcome, came_back) = match (status, item) {
        ("DENIED", _) => (failed(FailureCode::Declined), false),
        ("CANCELED", _) => (Outcome::Canceled, false),
        (_, Some(item)) => item_outcome(item),
        ("PENDING" | "PROCESSING" | "SUCCESS", None) => (Outcome::Pending, false),
        _ => (Outcome::Unknown(Trouble::Undecided), false),
    };
    let seen = batch_seen(batch, item, known);
    payout(outcome, came_back, seen, name, known)
}

/// What an item says without its batch.
pub(super) fn item(item: &Item) -> Option<Answer> {
    let batch_id = item.payout_batch_id.clone().filter(|id| !id.is_empty())?;
    let (outcome, came_back) = item_outcome(item);
    let name = item.errors.as_ref().and_then(ErrorBody::code);
    let seen = Seen {
        reference: batch_id,
        money: item.payout_item.amount.as_ref().and_then(|amount| amount.money()),
        our_id: item.payout_item.sender_item_id.clone().or_else(|| item.sender_batch_id.clone()),
    };
    // An event is a hint: whether its batch is the stored one is asked when it is read.
    Some(payout(outcome, came_back, seen, name, Known { stored: true, ours: None }))
}

fn payout(outcome: Outcome, came_back: bool, seen: Seen, name: Option<String>, known: Known<'_>) -> Answer {
    let has_failed = matches!(outcome, Outcome::Declined(_) | Outcome::Canceled);
    if has_failed && !known.stored {
        // There may be another under the same id, or there will be: neither its failure nor its id is taken.
        return Answer::without_object(Outcome::Unknown(Trouble::Undecided), false).with_code(name.as_deref());
    }
    Answer { seen: Some(seen), came_back, ..Answer::without_object(outcome, false) }.with_code(name.as_deref())
}

impl Answer {
    fn with_code(self, code: Option<&str>) -> Self {
        Self { gateway_code: code.map(ToOwned::to_owned).or(self.gateway_code), ..self }
    }
}

fn batch_seen(batch: &Batch, item: Option<&Item>, known: Known<'_>) -> Seen {
    let header = &batch.batch_header;
    let our_id = item
        .and_then(|item| item.payout_item.sender_item_id.clone())
        .or_else(|| header.sender_batch_header.sender_batch_id.clone())
        .or_else(|| known.ours.map(|(id, _)| id.to_owned()));
    let amount = item.and_then(|item| item.payout_item.amount.as_ref()).or(header.amount.as_ref());
    let money = match (amount, known.ours) {
        // More than one payout: nothing that can be ours.
        _ if batch.items.len() > 1 => None,
        (Some(amount), _) => amount.money(),
        // Not told yet; under our id is what we sent: PayPal refuses a second batch under it.
        (None, Some((id, money))) if our_id.as_deref() == Some(id) => Some(money),
        (None, _) => None,
    };
    Seen { reference: header.payout_batch_id.clone(), money, our_id }
}

/// How an item stands, and whether what was paid with it has come back
/// (developer.paypal.com/docs/payouts/standard/reference/payouts-item-status).
fn item_outcome(item: &Item) -> (Outcome, bool) {
    let name = item.errors.as_ref().and_then(ErrorBody::code);
    let failed = |fallback| Outcome::Declined(payout_failure(name.as_deref(), fallback));
    match item.transaction_status.as_str() {
        "SUCCESS" => (Outcome::Succeeded, false),
        // Not paid: waits for the recipient, for a review, or for its turn.
        "UNCLAIMED" | "PENDING" | "ONHOLD" => (Outcome::Pending, false),
        "FAILED" | "BLOCKED" | "DENIED" => (failed(FailureCode::Declined), false),
        // Nobody claimed it for a month, or the sender took it back: if it had been paid, it has come back.
        "RETURNED" => (failed(FailureCode::PaymentMethodInvalid), true),
        "CANCELED" => (Outcome::Canceled, true),
        // It was paid, and came back.
        "REFUNDED" | "REVERSED" => (Outcome::Succeeded, true),
        _ => (Outcome::Unknown(Trouble::Undecided), false),
    }
}

/// Why a payout failed, by the name of its error. A name that is not in the table is declined, for review.
fn payout_failure(name: Option<&str>, unnamed: FailureCode) -> Failure {
    let code = match name.map(|name| meaning(PAYOUT, name)) {
        None => unnamed,
        Some(Some(Meaning::Refused(code))) => code,
        Some(_) => FailureCode::Declined,
    };
    Failure { code, gateway_code: name.map(ToOwned::to_owned) }
}

#[cfg(test)]
mod tests;
