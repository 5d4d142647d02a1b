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
        failure(json!({ "code": "expired_card", "decline_code": "expired_card", "advice_code": "confirm_card_data" })),
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

#[test]
fn a_debit_without_consent_failed_and_is_no_riddle() {
    let mut unconfirmed = intent_json("requires_confirmation");
    unconfirmed["payment_method_types"] = json!(["us_bank_account"]);
    let mut void = error(json!({ "type": "invalid_request_error", "payment_intent": unconfirmed }));
    for code in [None, Some(NO_MANDATE)] {
        void["error"]["code"] = json!(code);
        let answer = create(&Reply::of(400, None, &void));
        let gateway_code = Some(NO_MANDATE.to_owned());
        let failure = Failure::new(FailureCode::PaymentMethodInvalid, gateway_code);
        assert_eq!(answer.outcome, Outcome::Declined(failure));
        assert_eq!(answer.seen.map(|seen| seen.reference).as_deref(), Some("pi_1"));
    }
    assert!(matches!(outcome(200, &unconfirmed), Outcome::Unknown(_)), "read later, it may still be confirmed");
    void["error"]["payment_intent"] = intent_json("requires_confirmation");
    assert!(matches!(outcome(400, &void), Outcome::Unknown(_)), "of a card it would be new to us");
}

#[test]
fn a_blocked_account_needs_another_method_and_a_limit_another_day() {
    use FailureCode::{Declined, InsufficientFunds, PaymentMethodInvalid};
    for (code, expected) in [
        ("insufficient_funds", InsufficientFunds),
        ("charge_exceeds_weekly_limit", InsufficientFunds),
        ("bank_account_unusable", PaymentMethodInvalid),
        ("debit_not_authorized", PaymentMethodInvalid),
        ("refer_to_customer", PaymentMethodInvalid),
        ("invalid_currency", Declined),
    ] {
        let why = json!({ "type": "invalid_request_error", "code": code });
        let mut failed = intent_json("requires_payment_method");
        failed["last_payment_error"] = why.clone();
        let Outcome::Declined(failure) = outcome(200, &failed) else { panic!("{code}") };
        assert_eq!(failure, Failure::new(expected, Some(code.to_owned())));
        let mut refused = error(why);
        refused["error"]["payment_intent"] = intent_json("requires_payment_method");
        assert_eq!(outcome(402, &refused), Outcome::Declined(failure));
    }
}

#[test]
fn why_a_bank_did_not_pay_is_a_return_unless_stripe_itself_refused() {
    use crate::model::return_code::ReturnClass::{Account, Funds, Review};
    for (word, class) in [
        ("insufficient_funds", Some(Funds)),
        ("bank_account_unusable", Some(Account)),
        ("a_code_of_tomorrow", Some(Review)),
        ("charge_exceeds_weekly_limit", None),
        (NO_MANDATE, None),
    ] {
        let mut failed = intent_json("requires_payment_method");
        failed["payment_method_types"] = json!(["us_bank_account"]);
        failed["last_payment_error"] = json!({ "type": "invalid_request_error", "code": word });
        let Outcome::Declined(failure) = outcome(200, &failed) else { panic!("{word}") };
        assert_eq!((failure.returned, failure.gateway_code.as_deref()), (class, Some(word)));
    }
}

#[test]
fn banks_words_have_the_networks_return_codes() {
    let cases = [
        ("insufficient_funds", Some("R01")),
        ("account_closed", Some("R02")),
        ("no_account", Some("R03")),
        ("incorrect_account_details", Some("R04")),
        ("refer_to_customer", Some("R08")),
        ("debit_not_authorized", Some("R10")),
        ("bank_account_unusable", Some("R20")),
        ("bank_cannot_process", Some("R17")),
        ("bank_account_restricted", Some("R20")),
        ("product_not_received", None),
        ("a_code_of_tomorrow", None),
    ];
    for (word, code) in cases {
        assert_eq!(bank_return(word), code, "{word}");
    }
}

fn refusal_of(answer: impl Fn(&Reply) -> Answer, of: Value, replayed: bool) -> Outcome {
    let mut reply = Reply::of(400, None, &error(of));
    reply.replayed = replayed;
    answer(&reply).outcome
}

#[test]
fn what_a_balance_does_not_cover_is_refused_and_its_replay_is_final() {
    let poor = json!({ "type": "invalid_request_error", "code": "balance_insufficient" });
    let failure = Failure::new(FailureCode::InsufficientFunds, Some("balance_insufficient".to_owned()));
    for answer in [create_transfer, create_reversal] {
        assert_eq!(refusal_of(answer, poor.clone(), false), Outcome::Refused(failure.clone()));
        assert_eq!(refusal_of(answer, poor.clone(), true), Outcome::Declined(failure.clone()));
    }
    let unknown = json!({ "type": "invalid_request_error", "code": "resource_missing", "param": "destination" });
    assert_eq!(refusal_of(create_transfer, unknown, false), Outcome::NotSent(Trouble::Rejected));
    let no_amount = json!({ "type": "invalid_request_error", "param": "amount" });
    assert_eq!(refusal_of(create_transfer, no_amount, false), Outcome::NotSent(Trouble::Rejected));
}

#[test]
fn a_transfer_that_has_gone_back_can_not_be_reversed_again() {
    for of in
        [json!({ "type": "invalid_request_error", "param": "amount" }), json!({ "type": "invalid_request_error" })]
    {
        let Outcome::Refused(failure) = refusal_of(create_reversal, of, false) else { panic!("not refused") };
        assert_eq!(failure.code, FailureCode::NotRefundable);
    }
    assert_eq!(refusal_of(create_reversal, json!({}), false), Outcome::Unknown(Trouble::Unreadable));
    let reversed = json!({ "id": "tr_1", "amount": 50_000, "amount_reversed": 50_000, "reversed": true,
                           "currency": "usd", "metadata": { "payment_id": "pay_1" } });
    let answer = create_transfer(&Reply::of(200, None, &reversed));
    assert_eq!(answer.outcome, Outcome::Succeeded, "what came back are its refunds");
    let seen = answer.seen.unwrap();
    assert_eq!((seen.reference.as_str(), seen.our_id.as_deref()), ("tr_1", Some("pay_1")));
    assert_eq!(seen.money.map(|money| money.amount_minor), Some(50_000));
}
