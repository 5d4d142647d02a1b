//! What Stripe's answers mean. Pure, and cautious: only an answer that proves it says "not executed".

use super::amount;
use super::object::{ApiError, Intent, Refund};
use super::transport::Reply;
use crate::gateway::{Answer, NextAction, Outcome, Seen, Trouble};
use crate::model::payment::{Failure, FailureCode};

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
    if let Some(refund) = reply.object::<Refund>() {
        return self::refund(&refund);
    }
    let error = reply.error();
    let mut answer = match not_refundable(&error).filter(|_| reply.status == 400) {
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
        ("requires_payment_method", Some(error)) => declined(error),
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
        gateway_code: error.and_then(code),
        ..Answer::without_object(outcome, false)
    }
}

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
        | "payment_limit_exceeded" => Group::Funds,
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
        | "payment_method_bank_account_blocked" => Group::Method,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn error(of: Value) -> Value {
        json!({ "error": of })
    }

    fn outcome(status: u16, body: &Value) -> Outcome {
        create(&Reply::of(status, None, body)).outcome
    }

    fn failure(decline: Value) -> FailureCode {
        let mut body = json!({ "type": "card_error" });
        body.as_object_mut().unwrap().extend(decline.as_object().unwrap().clone());
        match outcome(402, &error(body)) {
            Outcome::Declined(failure) => failure.code,
            other => panic!("{other:?}"),
        }
    }

    fn intent_json(status: &str) -> Value {
        json!({ "id": "pi_1", "status": status, "amount": 50_000, "currency": "usd", "client_secret": "pi_1_secret_x",
                "metadata": { "payment_id": "pay_1" }, "a_field_of_tomorrow": [1, 2] })
    }

    #[test]
    fn only_answers_that_prove_it_say_not_executed() {
        let not_sent = |status, body: Value| matches!(outcome(status, &body), Outcome::NotSent(_));
        assert!(not_sent(400, error(json!({ "type": "invalid_request_error", "code": "parameter_missing" }))));
        assert!(not_sent(401, error(json!({ "type": "invalid_request_error" }))));
        let request = "invalid_request_error";
        assert!(not_sent(403, error(json!({ "type": request }))));
        assert!(not_sent(404, error(json!({ "type": request, "code": "resource_missing" }))));
        assert!(not_sent(429, error(json!({ "type": request, "code": "rate_limit" }))));
        assert!(not_sent(429, error(json!({ "type": request, "code": "lock_timeout" }))));
        // Who knows who answered.
        for status in [400, 401, 402, 403, 404, 429] {
            assert!(!not_sent(status, json!("<html>")), "{status}");
            assert!(!not_sent(status, error(json!({}))), "{status}");
            let unreadable = json!({ "type": request, "payment_intent": { "id": 7 } });
            assert!(!not_sent(status, error(unreadable)), "{status}");
        }
        for status in [409, 424, 500, 502, 503, 504, 302, 418] {
            assert!(!not_sent(status, error(json!({ "type": "api_error" }))), "{status}");
        }
        assert!(!not_sent(200, json!("not an object")));
        assert!(!not_sent(400, error(json!({ "type": "idempotency_error" }))));
        assert!(!not_sent(
            400,
            error(json!({ "code": "payment_intent_unexpected_state", "payment_intent": intent_json("succeeded") }))
        ));
    }

    #[test]
    fn a_decline_is_named_by_what_can_be_done_about_it() {
        use FailureCode::{Declined, InsufficientFunds, PaymentMethodInvalid};
        assert_eq!(
            failure(
                json!({ "code": "card_declined", "decline_code": "insufficient_funds", "advice_code": "try_again_later" })
            ),
            InsufficientFunds
        );
        assert_eq!(
            failure(
                json!({ "code": "card_declined", "decline_code": "insufficient_funds", "advice_code": "do_not_try_again" })
            ),
            Declined
        );
        assert_eq!(failure(json!({ "code": "expired_card" })), PaymentMethodInvalid);
        assert_eq!(
            failure(
                json!({ "code": "expired_card", "decline_code": "expired_card", "advice_code": "confirm_card_data" })
            ),
            PaymentMethodInvalid
        );
        assert_eq!(
            failure(json!({ "code": "card_declined", "decline_code": "lost_card", "advice_code": "do_not_try_again" })),
            Declined
        );
        assert_eq!(failure(json!({ "code": "card_declined", "decline_code": "fraudulent" })), Declined);
        assert_eq!(failure(json!({ "code": "card_declined", "decline_code": "a_code_of_tomorrow" })), Declined);
        assert_eq!(
            failure(
                json!({ "code": "card_declined", "decline_code": "a_code_of_tomorrow", "advice_code": "confirm_card_data" })
            ),
            PaymentMethodInvalid
        );
    }

    #[test]
    fn authentication_required_asks_the_customer_and_hands_out_the_secret() {
        let body = error(
            json!({ "type": "card_error", "code": "authentication_required", "decline_code": "authentication_required",
                                 "payment_intent": intent_json("requires_payment_method") }),
        );
        let answer = create(&Reply::of(402, None, &body));
        assert_eq!(answer.outcome, Outcome::RequiresAction);
        assert_eq!(answer.next_action, Some(NextAction::ClientSecret("pi_1_secret_x".to_owned())));
        assert_eq!(answer.seen.map(|seen| seen.reference).as_deref(), Some("pi_1"));
    }

    #[test]
    fn a_client_secret_shows_up_in_no_debug_output() {
        let answer = create(&Reply::of(200, None, &intent_json("requires_action")));
        assert!(!format!("{answer:?}").contains("secret_x"));
    }

    #[test]
    fn an_intent_without_an_attempt_or_of_a_new_status_says_nothing_yet() {
        for status in ["requires_payment_method", "requires_confirmation", "requires_capture", "a_status_of_tomorrow"] {
            assert!(matches!(outcome(200, &intent_json(status)), Outcome::Unknown(_)), "{status}");
        }
    }

    #[test]
    fn stripe_decides_whether_the_same_request_may_come_again() {
        let again = |status, said| create(&Reply::of(status, said, &error(json!({ "type": "api_error" })))).again;
        assert!(again(500, None) && again(409, None) && again(429, None) && again(503, None));
        assert!(!again(500, Some(false)));
        assert!(again(400, Some(true)));
        assert!(!again(400, None) && !again(401, None));
    }
}
