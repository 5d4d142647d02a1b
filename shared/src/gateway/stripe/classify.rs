//! What Stripe's answers mean. Pure, and cautious: only an answer that proves it says "not executed".

use super::amount;
use super::object::{ApiError, Intent, Refund, Reversal, Transfer};
use super::transport::Reply;
use crate::gateway::{Answer, NextAction, Outcome, Seen, Trouble};
use crate::model::payment::{Failure, FailureCode};
use crate::model::return_code;

/// The answer to "create and confirm".
pub(super) fn create(reply: &Reply) -> Answer {
    if let Some(intent) = reply.object::<Intent>() {
        return self::intent(&intent);
    }
    let error = reply.error();
    let gateway_code = code(&error);
    let mut answer = match (reply.status, &error.payment_intent) {
        // A declined attempt leaves its PaymentIntent inside the error.
        (402, Some(intent)) => {
            let outcome = declined(&error);
            let mut answer = self::intent(intent);
            answer.next_action = next_action(intent).filter(|_| outcome == Outcome::RequiresAction);
            answer.outcome = outcome;
            answer
        }
        // A debit for which there is no consent any more stays unconfirmed, and nobody can confirm it after this: that
        // takes the tenant's key and a request of its own, which we never make, or its client secret, which is handed
        // out for nothing but `requires_action`. The request that made it was answered with this, and is answered so
        // under the payment's id for as long as Stripe keeps that. (One that a look-up shows may be in the middle of
        // such a request, so that recovery cancels it first.) Stripe has a code for consent that is void, and none for
        // consent that is missing.
        (400, Some(intent)) if is_unconfirmed_debit(intent) => {
            let mut answer = self::intent(intent);
            let gateway_code = error.code.clone().or_else(|| Some(NO_MANDATE.to_owned()));
            answer.outcome = Outcome::Declined(Failure::new(FailureCode::PaymentMethodInvalid, gateway_code));
            answer
        }
        (402, None) if error.kind.as_deref() == Some("card_error") => Answer::without_object(declined(&error), false),
        // Another error with an object in it: the object exists, so something was executed.
        (_, Some(_)) => Answer::without_object(Outcome::Unknown(Trouble::Undecided), false),
        _ => Answer::of_trouble(trouble(reply)),
    };
    if let Some(said) = reply.should_retry {
        answer.again = said && !answer.outcome.is_known();
    }
    answer.retry_after = reply.retry_after;
    answer.gateway_code = gateway_code.or(answer.gateway_code);
    answer
}

/// The answer to "refund".
pub(super) fn create_refund(reply: &Reply) -> Answer {
    reply.object().map_or_else(|| refused(reply, not_refundable), |refund: Refund| self::refund(&refund))
}

/// The answer to "transfer".
pub(super) fn create_transfer(reply: &Reply) -> Answer {
    reply.object().map_or_else(|| refused(reply, uncovered), |transfer: Transfer| self::transfer(&transfer))
}

/// The answer to "reverse a transfer".
pub(super) fn create_reversal(reply: &Reply) -> Answer {
    reply.object().map_or_else(|| refused(reply, not_reversible), |reversal: Reversal| self::reversal(&reversal))
}

/// An answer without an object, with those refusals that are about the money.
fn refused(reply: &Reply, refusal: impl Fn(&ApiError) -> Option<FailureCode>) -> Answer {
    let error = reply.error();
    let mut answer = match refusal(&error).filter(|_| reply.status == 400) {
        Some(code) => {
            let failure = Failure::new(code, self::code(&error));
            // Kept under the key, it is what came of the first request. Fresh, it says nothing of one that may still be
            // on its way; sent again, it is kept.
            let outcome = if reply.replayed { Outcome::Declined(failure) } else { Outcome::Refused(failure) };
            Answer::without_object(outcome, true)
        }
        None => Answer::of_trouble(trouble(reply)),
    };
    if let Some(said) = reply.should_retry.filter(|_| !matches!(answer.outcome, Outcome::Refused(_))) {
        answer.again = said && !answer.outcome.is_known();
    }
    answer.retry_after = reply.retry_after;
    answer.gateway_code = code(&error);
    answer
}

/// Refusals because of what became of the payment meanwhile. One that exceeds what is left has no code, only the
/// parameter's name.
fn not_refundable(error: &ApiError) -> Option<FailureCode> {
    match (error.code.as_deref(), error.param.as_deref()) {
        (
            Some("charge_already_refunded" | "charge_disputed" | "refund_disputed_payment" | "charge_not_refundable"),
            _,
        )
        | (None, Some("amount")) => Some(FailureCode::NotRefundable),
        (Some("balance_insufficient"), _) => Some(FailureCode::InsufficientFunds),
        _ => None,
    }
}

/// The balance that would pay is too low.
fn uncovered(error: &ApiError) -> Option<FailureCode> {
    (error.code.as_deref() == Some("balance_insufficient")).then_some(FailureCode::InsufficientFunds)
}

/// Refusals because of what became of the transfer meanwhile: they have no code, and at most the amount's name.
fn not_reversible(error: &ApiError) -> Option<FailureCode> {
    let is_refused = error.kind.as_deref() == Some("invalid_request_error");
    match (error.code.as_deref(), error.param.as_deref()) {
        (None, None | Some("amount")) if is_refused => Some(FailureCode::NotRefundable),
        _ => uncovered(error),
    }
}

/// What a Transfer says: that it is there. What was reversed of it are its refunds.
pub(super) fn transfer(transfer: &Transfer) -> Answer {
    let our_id = transfer.metadata.payment_id.clone();
    moved(&transfer.id, transfer.amount, &transfer.currency, our_id)
}

/// What a reversal says: that it is there.
pub(super) fn reversal(reversal: &Reversal) -> Answer {
    moved(&reversal.id, reversal.amount, &reversal.currency, reversal.metadata.refund_id.clone())
}

fn moved(reference: &str, amount: i64, currency: &str, our_id: Option<String>) -> Answer {
    let money = amount::from_wire(amount, currency);
    Answer {
        seen: Some(Seen { reference: reference.to_owned(), money, our_id }),
        ..Answer::without_object(Outcome::Succeeded, false)
    }
}

/// What a Refund says.
pub(super) fn refund(refund: &Refund) -> Answer {
    let outcome = match refund.status.as_deref() {
        Some("succeeded") => Outcome::Succeeded,
        // The customer is asked for an account outside of us: it is followed like one that takes days.
        Some("pending" | "requires_action") => Outcome::Pending,
        Some("failed") => {
            let code = match refund.failure_reason.as_deref() {
                Some("insufficient_funds") => FailureCode::InsufficientFunds,
                _ => FailureCode::Declined,
            };
            Outcome::Declined(Failure::new(code, refund.failure_reason.clone()))
        }
        Some("canceled") => Outcome::Canceled,
        _ => Outcome::Unknown(Trouble::Undecided),
    };
    Answer {
        seen: Some(Seen {
            reference: refund.id.clone(),
            money: amount::from_wire(refund.amount, &refund.currency),
            our_id: refund.metadata.refund_id.clone(),
        }),
        ..Answer::without_object(outcome, false)
    }
}

/// What kind of trouble a reply without a usable object is.
pub(super) fn trouble(reply: &Reply) -> Trouble {
    let error = reply.error();
    match reply.status {
        424 | 500.. => Trouble::Fault,
        // Not Stripe's words, or not all of them can be read: something else may have answered, and proves nothing.
        _ if error.kind.is_none() => Trouble::Unreadable,
        _ if error.kind.as_deref() == Some("idempotency_error") => Trouble::Conflict,
        401 | 403 => Trouble::KeyRefused,
        409 => Trouble::Conflict,
        // The limiter runs before anything is executed; a lock that was not had executes nothing either.
        429 => Trouble::Busy,
        400 | 402 | 404 => Trouble::Rejected,
        _ => Trouble::Unreadable,
    }
}

/// What a PaymentIntent says.
pub(super) fn intent(intent: &Intent) -> Answer {
    let error = intent.last_payment_error.as_ref();
    let outcome = match (intent.status.as_str(), error) {
        ("succeeded", _) => Outcome::Succeeded,
        ("processing", _) => Outcome::Pending,
        ("requires_action", _) => Outcome::RequiresAction,
        ("requires_payment_method", Some(error)) => returned(intent, error).unwrap_or_else(|| declined(error)),
        ("canceled", _) => Outcome::Canceled,
        // No attempt yet, not confirmed, or a status that is new to us: it says nothing yet.
        _ => Outcome::Unknown(Trouble::Undecided),
    };
    let wire = match (&outcome, intent.amount_received) {
        (Outcome::Succeeded, Some(received)) => received,
        _ => intent.amount,
    };
    Answer {
        next_action: next_action(intent).filter(|_| outcome == Outcome::RequiresAction),
        seen: Some(Seen {
            reference: intent.id.clone(),
            money: amount::from_wire(wire, &intent.currency),
            our_id: intent.metadata.payment_id.clone(),
        }),
        gateway_code: error.and_then(code).or_else(|| is_unconfirmed_debit(intent).then(|| UNCONFIRMED.to_owned())),
        ..Answer::without_object(outcome, false)
    }
}

/// Why the bank returned a debit that had been put before it; `None`: it is none, or it failed before.
fn returned(intent: &Intent, error: &ApiError) -> Option<Outcome> {
    let code = error.code.as_deref().unwrap_or_default();
    let was_presented =
        is_debit(intent) && !BEFORE_BANK.contains(&code) && !code.starts_with("payment_method_microdeposit");
    was_presented.then(|| Outcome::Declined(debit_failure(error.code.as_deref())))
}

/// Why a bank took a debit back, in Stripe's words; what has none of the network's is for a person to look at.
#[must_use]
pub fn debit_failure(word: Option<&str>) -> Failure {
    let code = word.and_then(bank_return).unwrap_or_default();
    return_code::failure(code, word.map(str::to_owned))
}

/// Why Stripe itself refuses a debit: no bank has seen it.
const BEFORE_BANK: [&str; 4] =
    ["charge_exceeds_source_limit", "charge_exceeds_transaction_limit", "charge_exceeds_weekly_limit", NO_MANDATE];

fn is_debit(intent: &Intent) -> bool {
    intent.payment_method_types.iter().any(|kind| kind == "us_bank_account")
}

/// Whether it is a bank debit whose confirmation was refused. Ours are confirmed as they are made.
fn is_unconfirmed_debit(intent: &Intent) -> bool {
    intent.status == UNCONFIRMED && is_debit(intent)
}

/// What we call a debit that is there, and whose confirmation was refused: it could be confirmed yet.
pub const UNCONFIRMED: &str = "requires_confirmation";

/// Stripe's code of a mandate that can't be used.
const NO_MANDATE: &str = "payment_intent_mandate_invalid";

fn next_action(intent: &Intent) -> Option<NextAction> {
    intent.client_secret.clone().map(NextAction::ClientSecret)
}

fn code(error: &ApiError) -> Option<String> {
    error.decline_code.clone().or_else(|| error.code.clone()).or_else(|| error.kind.clone())
}

/// A decline, by advice code, then decline code, then code; the groups are those of docs.stripe.com/declines/codes.
fn declined(error: &ApiError) -> Outcome {
    let by_code = [&error.decline_code, &error.code].into_iter().flatten().find_map(|code| group(code));
    let code = match (by_code, error.advice_code.as_deref()) {
        (Some(Group::Authentication), _) => return Outcome::RequiresAction,
        (Some(Group::Method), _) => FailureCode::PaymentMethodInvalid,
        (_, Some("do_not_try_again")) => FailureCode::Declined,
        (Some(Group::Funds), _) => FailureCode::InsufficientFunds,
        (None, Some("confirm_card_data")) => FailureCode::PaymentMethodInvalid,
        (None, _) => FailureCode::Declined,
    };
    Outcome::Declined(Failure::new(code, self::code(error)))
}

enum Group {
    Funds,
    Method,
    Authentication,
}

fn group(code: &str) -> Option<Group> {
    Some(match code {
        "insufficient_funds"
        | "card_velocity_exceeded"
        | "withdrawal_count_limit_exceeded"
        | "payment_limit_exceeded"
        | "charge_exceeds_source_limit"
        | "charge_exceeds_transaction_limit"
        | "charge_exceeds_weekly_limit" => Group::Funds,
        "authentication_required" | "authentication_not_handled" | "mobile_device_authentication_required" => {
            Group::Authentication
        }
        "expired_card"
        | "incorrect_number"
        | "incorrect_cvc"
        | "incorrect_zip"
        | "incorrect_address"
        | "incorrect_pin"
        | "invalid_number"
        | "invalid_cvc"
        | "invalid_expiry_month"
        | "invalid_expiry_year"
        | "invalid_account"
        | "invalid_pin"
        | "invalid_customer_account"
        | "invalid_billing_agreement"
        | "invalid_payment_information"
        | "expired_payment_information"
        | "new_account_information_available"
        | "card_not_supported"
        | "currency_not_supported"
        | "pin_try_exceeded"
        | "offline_pin_required"
        | "online_or_offline_pin_required"
        | "testmode_decline"
        | "account_closed"
        | "no_account"
        | "bank_account_restricted"
        | "bank_account_unusable"
        | "payment_method_bank_account_blocked"
        | "tokenized_account_number_deactivated"
        // The customer has revoked the consent: it takes a new setup.
        | "debit_not_authorized"
        | "refer_to_customer"
        | NO_MANDATE => Group::Method,
        _ => return None,
    })
}

/// Words that mean what they are taken for though they stand in no group: declined, for review
/// (docs.stripe.com/declines/codes), and what stands where Stripe says no reason.
const PLAIN: [&str; 53] = [
    "approve_with_id",
    "call_issuer",
    "compliance_violation",
    "do_not_honor",
    "do_not_try_again",
    "duplicate_transaction",
    "fraudulent",
    "generic_decline",
    "invalid_amount",
    "invalid_authorization",
    "invalid_business_account",
    "issuer_not_available",
    "lost_card",
    "merchant_blacklist",
    "no_action_taken",
    "not_permitted",
    "partner_generic_decline",
    "partner_high_risk_customer",
    "partner_payment_not_found",
    "payment_disputed",
    "payment_method_customer_decline",
    "payment_method_provider_decline",
    "payment_method_provider_timeout",
    "pickup_card",
    "processing_error",
    "reenter_transaction",
    "restricted_card",
    "revocation_of_all_authorizations",
    "revocation_of_authorization",
    "security_violation",
    "service_not_allowed",
    "stolen_card",
    "stop_payment_order",
    "transaction_not_allowed",
    "try_again_later",
    "card_declined",
    // Of refunds and transfers.
    "balance_insufficient",
    "charge_already_refunded",
    "charge_disputed",
    "charge_not_refundable",
    "refund_disputed_payment",
    "expired_or_canceled_card",
    "lost_or_stolen_card",
    // Of requests that come too fast or with a key that is none any more (docs.stripe.com/error-codes).
    "rate_limit",
    "lock_timeout",
    "api_key_expired",
    "platform_api_key_expired",
    "secret_key_required",
    // Types of errors that have no code.
    "api_error",
    "card_error",
    "idempotency_error",
    "invalid_request_error",
    UNCONFIRMED,
];

/// Whether a code is one that we know the meaning of.
#[must_use]
pub fn knows(code: &str) -> bool {
    group(code).is_some() || bank_return(code).is_some() || PLAIN.contains(&code)
}

/// The return code of the ACH network (Nacha Operating Rules, appendix on returns) that stands for why a bank debit
/// failed or was disputed, in Stripe's words; `None`: none does. Stripe tells the network's own code only of accounts
/// that it has blocked.
#[must_use]
pub fn bank_return(code: &str) -> Option<&'static str> {
    Some(match code {
        "insufficient_funds" => "R01",
        "account_closed" | "bank_account_closed" => "R02",
        "no_account" => "R03",
        "incorrect_account_details" | "bank_account_invalid_details" => "R04",
        "refer_to_customer" => "R08",
        "debit_not_authorized" | "customer_initiated" => "R10",
        "bank_account_frozen" => "R16",
        "bank_cannot_process" => "R17",
        // Unusable is what an account is that Stripe has stopped.
        "bank_account_restricted" | "bank_account_unusable" | "payment_method_bank_account_blocked" => "R20",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
