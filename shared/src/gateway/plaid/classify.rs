//! What Plaid's answers mean. Pure, and cautious: only an answer that proves it says "not executed".
//!
//! Errors are read by type and code, never by status alone: what is wrong at a bank has status 400 like a wrong field
//! (plaid.com/docs/errors). Words that Plaid does not document, and every refusal of its Transfer, are declined, for a
//! person to look at.

use super::Leave;
use super::object::{Authorized, ErrorBody, Proposed, Refund, Refunded, Transfer, Transferred};
use super::transport::Reply;
use crate::gateway::{Answer, Outcome, Seen, Trouble};
use crate::model::payment::{Failure, FailureCode, Payment};
use crate::model::return_code;

/// What kind of trouble a reply without a usable object is.
pub(super) fn trouble(reply: &Reply) -> Trouble {
    let error = reply.error();
    match error.words() {
        _ if reply.status >= 500 => Trouble::Fault,
        // Not Plaid's words: something else may have answered, and proves nothing.
        _ if !error.is_readable() => Trouble::Unreadable,
        ("API_ERROR", _) => Trouble::Fault,
        // The limiter runs before anything is executed. A bank that does not answer is asked before, too.
        ("RATE_LIMIT_EXCEEDED" | "INSTITUTION_ERROR", _) | (_, "PRODUCT_NOT_READY") => Trouble::Busy,
        _ if reply.status == 429 => Trouble::Busy,
        (_, "INVALID_API_KEYS" | "UNAUTHORIZED" | "UNAUTHORIZED_ENVIRONMENT") => Trouble::KeyRefused,
        _ if matches!(reply.status, 401 | 403) => Trouble::KeyRefused,
        _ if matches!(reply.status, 400..=499) => Trouble::Rejected,
        _ => Trouble::Unreadable,
    }
}

/// Whether Plaid has no such object.
pub(super) fn is_missing(reply: &Reply) -> bool {
    let error = reply.error();
    reply.status == 404 && error.is_readable() && error.words().1 == "NOT_FOUND"
}

/// Of errors that say that an account can't be reached any more as it was linked.
const UNLINKED: [&str; 3] = ["INVALID_ACCESS_TOKEN", "INVALID_ACCOUNT_ID", "ITEM_NOT_FOUND"];

/// Whether the account can't be reached any more as it was linked.
pub(super) fn is_unlinked(error: &ErrorBody) -> bool {
    let (kind, code) = error.words();
    kind == "ITEM_ERROR" || UNLINKED.contains(&code)
}

/// What Plaid's rules refuse (plaid.com/docs/errors/transfer), and what is the operator's to enable or put right: `None`.
const REFUSALS: &[(&[&str], Option<FailureCode>)] = &[
    (&["TRANSFER_ACCOUNT_BLOCKED", "TRANSFER_UNSUPPORTED_ACCOUNT_TYPE"], Some(FailureCode::PaymentMethodInvalid)),
    (
        &["TRANSFER_LIMIT_REACHED", "TRANSFER_LIMIT_EXCEEDED", "TRANSFER_NETWORK_LIMIT_EXCEEDED"],
        Some(FailureCode::Declined),
    ),
    (
        &[
            "TRANSFER_FORBIDDEN_ACH_CLASS",
            "TRANSFER_UI_UNAUTHORIZED",
            "TRANSFER_ORIGINATOR_NOT_FOUND",
            "TRANSFER_MISSING_ORIGINATION_ACCOUNT",
            "TRANSFER_INVALID_ORIGINATION_ACCOUNT",
            "INCOMPLETE_CUSTOMER_ONBOARDING",
            "UNAUTHORIZED_ACCESS",
        ],
        None,
    ),
];

/// Why Plaid's rules refuse what it has understood; `None`: it is the request that is wrong.
fn refused(error: &ErrorBody, otherwise: FailureCode) -> Option<FailureCode> {
    let (kind, code) = error.words();
    if is_unlinked(error) {
        return Some(FailureCode::PaymentMethodInvalid);
    }
    if let Some((_, meaning)) = REFUSALS.iter().find(|(codes, _)| codes.contains(&code)) {
        return *meaning;
    }
    if error.says_insufficient() {
        return Some(FailureCode::InsufficientFunds);
    }
    (kind == "TRANSFER_ERROR").then_some(otherwise)
}

/// Further words, of decisions, of what became of transfers and of requests, that mean what they are taken for
/// (plaid.com/docs/api/products/transfer, plaid.com/docs/errors).
const PLAIN: [&str; 15] = [
    "NSF",
    "RISK",
    "declined",
    "user_action_required",
    "failed",
    "returned",
    "INSUFFICIENT_BALANCE",
    "ITEM_LOGIN_REQUIRED",
    "INVALID_FIELD",
    "INVALID_API_KEYS",
    "UNAUTHORIZED",
    "PRODUCT_NOT_READY",
    "PRODUCTS_NOT_SUPPORTED",
    "RATE_LIMIT_EXCEEDED",
    "INTERNAL_SERVER_ERROR",
];

/// The words of the tables.
fn words() -> impl Iterator<Item = &'static str> {
    REFUSALS.iter().flat_map(|(codes, _)| *codes).chain(&UNLINKED).chain(&PLAIN).copied()
}

/// Whether a code is one that we know the meaning of.
pub(in crate::gateway) fn knows(code: &str) -> bool {
    return_code::meaning(code).is_some() || words().any(|word| word == code)
}

/// The answer of a reply that brought no object. A refusal says nothing of an earlier send.
fn refusal(reply: &Reply, otherwise: FailureCode) -> Answer {
    let error = reply.error();
    let trouble = trouble(reply);
    let code = (trouble == Trouble::Rejected).then(|| refused(&error, otherwise)).flatten();
    let answer = match code {
        Some(code) => Answer::without_object(Outcome::Refused(Failure::new(code, error.code())), false),
        None => Answer::of_trouble(trouble),
    };
    Answer { retry_after: reply.retry_after, gateway_code: error.code(), ..answer }
}

/// The answer to asking for leave: nothing has moved, whatever came of it.
pub(super) fn leave(reply: &Reply, payment: &Payment) -> Leave {
    let Some(Authorized { authorization }) = reply.object() else {
        return Leave::Answer(unmoved(refusal(reply, FailureCode::Declined)));
    };
    let declined = |failure: Failure| {
        let gateway_code = failure.gateway_code.clone();
        Answer { gateway_code, ..Answer::without_object(Outcome::Declined(failure), false) }
    };
    let answer = match authorization.decision.as_str() {
        "approved" if authorization.proposed_transfer.is_some_and(|proposed| is_for(&proposed, payment)) => {
            return Leave::Granted(authorization.id);
        }
        // For something else: a transfer under it would not be this payment. None has been made, so nothing is unknown.
        "approved" => Answer::of_trouble(Trouble::Rejected),
        "declined" => {
            let reason = authorization.decision_rationale.code;
            let code = match reason.as_deref() {
                Some("NSF") => FailureCode::InsufficientFunds,
                _ => FailureCode::Declined,
            };
            declined(Failure::new(code, reason.or_else(|| Some("declined".to_owned()))))
        }
        // The customer signs in at the bank again, with Link, and then asks anew.
        "user_action_required" => {
            declined(Failure::new(FailureCode::PaymentMethodInvalid, Some("user_action_required".to_owned())))
        }
        _ => Answer::of_trouble(Trouble::Unreadable),
    };
    Leave::Answer(unmoved(answer))
}

/// Whether an authorization is for the payment.
fn is_for(proposed: &Proposed, payment: &Payment) -> bool {
    let frozen = &payment.frozen;
    proposed.money() == Some(payment.money())
        && frozen.transfer.as_ref().is_some_and(|transfer| proposed.direction == transfer.direction.as_str())
        && proposed.account_id.as_ref().is_none_or(|account| *account == frozen.method)
}

/// The same of a request that moves nothing: what is not known of it is not executed either, and a refusal is the end.
pub(super) fn unmoved(answer: Answer) -> Answer {
    let outcome = match answer.outcome {
        Outcome::Unknown(trouble) => Outcome::NotSent(trouble),
        Outcome::Refused(failure) => Outcome::Declined(failure),
        outcome => outcome,
    };
    Answer { outcome, ..answer }
}

/// The answer to making a transfer.
pub(super) fn transfer_reply(reply: &Reply) -> Answer {
    match reply.object::<Transferred>() {
        Some(Transferred { transfer }) => self::transfer(&transfer),
        None => refusal(reply, FailureCode::Declined),
    }
}

/// What a transfer says.
pub(super) fn transfer(transfer: &Transfer) -> Answer {
    let code = transfer.failure_reason.code();
    let or = |status: &str| Some(code.unwrap_or(status).to_owned());
    let outcome = match transfer.status.as_str() {
        "pending" | "posted" => Outcome::Pending,
        "settled" | "funds_available" => Outcome::Succeeded,
        "cancelled" => Outcome::Canceled,
        // No bank has seen it.
        "failed" => Outcome::Declined(Failure::new(FailureCode::Declined, or("failed"))),
        // Without a code it is looked at by a person, like one that is in no table.
        "returned" => Outcome::Declined(return_code::failure(code.unwrap_or_default(), or("returned"))),
        _ => Outcome::Unknown(Trouble::Undecided),
    };
    Answer {
        seen: Some(Seen {
            reference: transfer.id.clone(),
            money: transfer.money(),
            our_id: transfer.metadata.payment_id.clone(),
        }),
        came_back: transfer.status == "returned",
        expected: transfer.expected(),
        gateway_code: failed_with(&outcome),
        ..Answer::without_object(outcome, false)
    }
}

fn failed_with(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Declined(failure) => failure.gateway_code.clone(),
        _ => None,
    }
}

/// The answer to making a refund.
pub(super) fn refund_reply(reply: &Reply) -> Answer {
    if let Some(Refunded { refund }) = reply.object() {
        return self::refund(&refund);
    }
    let error = reply.error();
    // Its three fields are Plaid's own id, our key and an amount in the right form: a field that can't be used is the
    // amount, for this transfer.
    if trouble(reply) == Trouble::Rejected && error.words().1 == "INVALID_FIELD" && !error.says_insufficient() {
        let failure = Failure::new(FailureCode::NotRefundable, error.code());
        return Answer { gateway_code: error.code(), ..Answer::without_object(Outcome::Refused(failure), false) };
    }
    refusal(reply, FailureCode::NotRefundable)
}

/// What a refund says. It carries no id of ours.
pub(super) fn refund(refund: &Refund) -> Answer {
    let outcome = match refund.status.as_str() {
        "pending" | "posted" => Outcome::Pending,
        "settled" => Outcome::Succeeded,
        "cancelled" => Outcome::Canceled,
        status @ ("failed" | "returned") => {
            let code = refund.failure_reason.code().unwrap_or(status);
            Outcome::Declined(Failure::new(FailureCode::Declined, Some(code.to_owned())))
        }
        _ => Outcome::Unknown(Trouble::Undecided),
    };
    Answer {
        seen: Some(Seen { reference: refund.id.clone(), money: refund.money(), our_id: None }),
        gateway_code: failed_with(&outcome),
        ..Answer::without_object(outcome, false)
    }
}

#[cfg(test)]
mod tests;
