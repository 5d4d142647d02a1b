use proptest::prelude::*;
use serde_json::{Value, json};

use super::table::PAYOUT;
use super::*;
use crate::gateway::paypal::object::ErrorBody;
use crate::gateway::paypal::stub::{batch, capture, header, issue, order, payable, payment_id, usd};

fn create(status: u16, body: &Value) -> Answer {
    order_reply(&Reply::of(status, body), "")
}

fn code(outcome: &Outcome) -> Option<FailureCode> {
    match outcome {
        Outcome::Declined(failure) | Outcome::Refused(failure) => Some(failure.code),
        _ => None,
    }
}

fn of_batch(body: Value, stored: bool) -> Answer {
    let id = payment_id();
    super::batch(&serde_json::from_value(body).unwrap(), Known { stored, ours: Some((&id, payable().money())) })
}

#[test]
fn the_capture_decides_and_not_the_order() {
    let cases = [
        ("COMPLETED", Outcome::Succeeded),
        ("PARTIALLY_REFUNDED", Outcome::Succeeded),
        ("REFUNDED", Outcome::Succeeded),
        ("PENDING", Outcome::Pending),
        ("A_STATUS_OF_TOMORROW", Outcome::Unknown(Trouble::Undecided)),
    ];
    for (status, outcome) in cases {
        assert_eq!(create(201, &order("COMPLETED", &[capture(status)])).outcome, outcome, "{status}");
    }
    for status in ["DECLINED", "FAILED"] {
        let answer = create(201, &order("COMPLETED", &[capture(status)]));
        assert_eq!(code(&answer.outcome), Some(FailureCode::Declined), "{status}");
        assert_eq!(answer.seen.unwrap().reference, "CAP1");
    }
    let both = [capture("DECLINED"), json!({ "id": "CAP2", "status": "COMPLETED", "amount": usd("500.00") })];
    let answer = create(201, &order("COMPLETED", &both));
    let seen = answer.seen.unwrap();
    assert_eq!((seen.reference.as_str(), seen.our_id), ("CAP2", Some(payment_id())), "the ids are the order's");
}

#[test]
fn an_order_without_a_capture_has_an_id_of_its_own_and_none_of_the_payment() {
    let cases = [
        ("PAYER_ACTION_REQUIRED", Outcome::RequiresAction, false),
        ("VOIDED", Outcome::Canceled, false),
        ("APPROVED", Outcome::Unknown(Trouble::Undecided), true),
        ("CREATED", Outcome::Unknown(Trouble::Undecided), false),
        ("SAVED", Outcome::Unknown(Trouble::Undecided), false),
        ("COMPLETED", Outcome::Unknown(Trouble::Undecided), false),
    ];
    for (status, outcome, again) in cases {
        let answer = create(200, &order(status, &[]));
        assert_eq!((answer.outcome, answer.again), (outcome, again), "{status}");
        assert_eq!(answer.seen, None, "{status}");
        let begun = answer.begun.unwrap();
        assert_eq!((begun.reference.as_str(), begun.our_id), ("ORD1", Some(payment_id())));
        assert_eq!(begun.money, Some(payable().money()));
    }
    let next = create(200, &order("PAYER_ACTION_REQUIRED", &[])).next_action.unwrap();
    assert!(next == NextAction::ApprovalUrl("https://www.sandbox.paypal.com/checkoutnow?token=ORD1".to_owned()));
    assert!(!format!("{next:?}").contains("ORD1"), "whoever has the link can approve");
}

#[test]
fn only_answers_that_prove_it_say_not_executed() {
    let not_sent = |status, body: Value| matches!(create(status, &body).outcome, Outcome::NotSent(_));
    assert!(not_sent(400, json!({ "name": "INVALID_REQUEST", "details": [{ "issue": "INVALID_PARAMETER_VALUE" }] })));
    assert!(not_sent(401, json!({ "name": "AUTHENTICATION_FAILURE" })));
    assert!(not_sent(403, json!({ "name": "NOT_AUTHORIZED", "details": [{ "issue": "PERMISSION_DENIED" }] })));
    assert!(not_sent(404, json!({ "name": "RESOURCE_NOT_FOUND" })));
    assert!(not_sent(415, json!({ "name": "UNSUPPORTED_MEDIA_TYPE" })));
    assert!(not_sent(429, json!({ "name": "RATE_LIMIT_REACHED", "message": "Too many requests." })));
    assert!(not_sent(422, issue("DECIMAL_PRECISION")));
    assert!(not_sent(422, issue("PAYEE_ACCOUNT_RESTRICTED")));
    // Who knows who answered.
    for status in [400, 401, 403, 404, 422, 429] {
        assert!(!not_sent(status, json!("<html>")), "{status}");
        assert!(!not_sent(status, json!({})), "{status}");
    }
    for status in [409, 500, 502, 503, 504, 302, 418] {
        assert!(!not_sent(status, json!({ "name": "X" })), "{status}");
    }
    assert!(!not_sent(200, json!("not an object")));
    for done in ["ORDER_ALREADY_CAPTURED", "DUPLICATE_INVOICE_ID", "ORDER_COMPLETION_IN_PROGRESS"] {
        let answer = create(422, &issue(done));
        assert_eq!(answer.outcome, Outcome::Unknown(Trouble::Conflict), "{done}");
        assert_eq!(answer.again, done == "ORDER_COMPLETION_IN_PROGRESS", "{done}");
    }
}

#[test]
fn a_decline_is_named_by_what_can_be_done_about_it() {
    use FailureCode::{Declined, InsufficientFunds, PaymentMethodInvalid};
    let cases = [
        ("INSTRUMENT_DECLINED", PaymentMethodInvalid),
        ("AGREEMENT_ALREADY_CANCELLED", PaymentMethodInvalid),
        ("PAYER_CANNOT_PAY", PaymentMethodInvalid),
        ("TRANSACTION_LIMIT_EXCEEDED", InsufficientFunds),
        ("TRANSACTION_REFUSED", Declined),
        ("COMPLIANCE_VIOLATION", Declined),
        ("PREVIOUS_TRANSACTION_REFERENCE_VOIDED", Declined),
        ("AN_ISSUE_OF_TOMORROW", Declined),
        // Nobody can act without a link.
        ("PAYER_ACTION_REQUIRED", PaymentMethodInvalid),
    ];
    for (word, failure) in cases {
        let answer = create(422, &issue(word));
        assert_eq!((code(&answer.outcome), answer.again), (Some(failure), false), "{word}");
        assert_eq!(answer.gateway_code.as_deref(), Some(word));
    }
    let new = create(422, &issue("AN_ISSUE_OF_TOMORROW")).outcome;
    assert!(matches!(new, Outcome::Refused(_)), "of an earlier send it says nothing");
    let mut with_link = issue("PAYER_ACTION_REQUIRED");
    with_link["links"] = json!([{ "href": "https://www.paypal.com/x", "rel": "payer-action" }]);
    let answer = create(422, &with_link);
    assert_eq!(answer.outcome, Outcome::RequiresAction);
    assert!(answer.next_action.is_some());
    with_link["links"][0]["href"] = json!("https://example.com/x");
    assert!(matches!(create(422, &with_link).outcome, Outcome::Declined(_)), "a link elsewhere is none");
}

#[test]
fn a_new_word_that_sounds_as_if_something_was_done_leaves_the_outcome_open() {
    for word in ["ORDER_ALREADY_SETTLED", "DUPLICATE_TRANSACTION", "CAPTURE_IN_PROGRESS", "Batch already exists"] {
        assert!(matches!(create(422, &issue(word)).outcome, Outcome::Unknown(_)), "{word}");
        let refund = refund_reply(&Reply::of(422, &issue(word)));
        assert!(matches!(refund.outcome, Outcome::Unknown(_)), "{word}");
    }
    // Of several words the one that says most about the money counts.
    let several = json!({ "name": "UNPROCESSABLE_ENTITY",
                          "details": [{ "issue": "INSTRUMENT_DECLINED" }, { "issue": "ORDER_ALREADY_CAPTURED" }] });
    assert!(matches!(create(422, &several).outcome, Outcome::Unknown(_)));
}

#[test]
fn the_networks_advice_outranks_the_processors_code() {
    use FailureCode::{Declined, GatewayUnavailable, InsufficientFunds, PaymentMethodInvalid};
    let cases = [
        ("5120", None, None, InsufficientFunds),
        ("5400", None, None, PaymentMethodInvalid),
        ("5650", None, None, PaymentMethodInvalid),
        ("9500", None, None, Declined),
        ("0500", None, None, Declined),
        ("5200", None, None, Declined),
        ("8110", None, None, GatewayUnavailable),
        ("ZZZZ", None, None, Declined),
        ("5120", Some("03"), None, Declined),
        ("5120", Some("21"), None, Declined),
        ("0500", Some("01"), None, PaymentMethodInvalid),
        ("0500", Some("02"), Some("MASTERCARD"), InsufficientFunds),
        ("0500", Some("02"), Some("VISA"), Declined),
        ("5120", Some("02"), None, Declined),
        ("0500", Some("25"), None, InsufficientFunds),
        ("5400", Some("43"), None, PaymentMethodInvalid),
    ];
    for (response, advice, brand, expected) in cases {
        let mut one = capture("DECLINED");
        one["processor_response"] = json!({ "response_code": response, "payment_advice_code": advice });
        let mut order = order("COMPLETED", &[one]);
        order["payment_source"] = json!({ "card": { "brand": brand, "last_digits": "1111" } });
        let answer = create(201, &order);
        assert_eq!(code(&answer.outcome), Some(expected), "{response} {advice:?} {brand:?}");
        assert_eq!(answer.gateway_code.as_deref(), Some(response));
    }
}

#[test]
fn refunds_stand_as_paypal_says_and_a_refusal_says_nothing_of_an_earlier_send() {
    let refund = |status: &str| json!({ "id": "REF1", "status": status, "amount": usd("5.00"), "custom_id": "ref_x" });
    let of = |status, body: Value| refund_reply(&Reply::of(status, &body));
    assert_eq!(of(201, refund("COMPLETED")).outcome, Outcome::Succeeded);
    assert_eq!(of(200, refund("PENDING")).outcome, Outcome::Pending);
    assert_eq!(of(200, refund("CANCELLED")).outcome, Outcome::Canceled);
    assert!(matches!(of(200, refund("FAILED")).outcome, Outcome::Declined(_)));
    assert!(matches!(of(200, refund("NEW")).outcome, Outcome::Unknown(_)));
    let seen = of(201, refund("COMPLETED")).seen.unwrap();
    assert_eq!((seen.reference.as_str(), seen.our_id.as_deref()), ("REF1", Some("ref_x")));

    let cases = [
        ("CAPTURE_FULLY_REFUNDED", FailureCode::NotRefundable),
        ("REFUND_AMOUNT_EXCEEDED", FailureCode::NotRefundable),
        ("REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK", FailureCode::NotRefundable),
        ("REFUND_TIME_LIMIT_EXCEEDED", FailureCode::NotRefundable),
        ("REFUND_FAILED_INSUFFICIENT_FUNDS", FailureCode::InsufficientFunds),
        ("AN_ISSUE_OF_TOMORROW", FailureCode::Declined),
    ];
    for (word, expected) in cases {
        let outcome = of(422, issue(word)).outcome;
        assert!(matches!(outcome, Outcome::Refused(_)), "{word}");
        assert_eq!(code(&outcome), Some(expected), "{word}");
    }
    assert_eq!(of(422, issue("PENDING_CAPTURE")).outcome, Outcome::NotSent(Trouble::Busy));
    let conflict = json!({ "name": "RESOURCE_CONFLICT", "details": [{ "issue": "PREVIOUS_REQUEST_IN_PROGRESS" }] });
    assert_eq!(of(409, conflict).outcome, Outcome::Unknown(Trouble::Conflict));
    assert_eq!(of(422, issue("CURRENCY_MISMATCH")).outcome, Outcome::NotSent(Trouble::Rejected));
}

#[test]
fn a_payout_is_paid_when_its_item_is() {
    for (item, outcome, came_back) in [
        ("SUCCESS", Outcome::Succeeded, false),
        ("UNCLAIMED", Outcome::Pending, false),
        ("PENDING", Outcome::Pending, false),
        ("ONHOLD", Outcome::Pending, false),
        ("REFUNDED", Outcome::Succeeded, true),
        ("REVERSED", Outcome::Succeeded, true),
        ("A_STATUS_OF_TOMORROW", Outcome::Unknown(Trouble::Undecided), false),
    ] {
        let answer = of_batch(batch("SUCCESS", item, None), true);
        assert_eq!((answer.outcome, answer.came_back), (outcome, came_back), "{item}");
        let seen = answer.seen.unwrap();
        assert_eq!(
            (seen.reference.as_str(), seen.money, seen.our_id),
            ("BAT1", Some(payable().money()), Some(payment_id()))
        );
    }
    let returned = of_batch(batch("SUCCESS", "RETURNED", None), true);
    assert!(matches!(returned.outcome, Outcome::Declined(_)) && returned.came_back);
}

#[test]
fn a_payout_fails_by_the_name_of_its_error() {
    use FailureCode::{Declined, GatewayUnavailable, InsufficientFunds};
    let cases = [
        ("FAILED", Some("INSUFFICIENT_FUNDS"), InsufficientFunds),
        ("FAILED", Some("RECEIVER_ACCOUNT_INVALID"), Declined),
        ("RETURNED", Some("RECEIVER_UNREGISTERED"), Declined),
        ("RETURNED", None, Declined),
        ("FAILED", Some("RECEIVER_COUNTRY_NOT_ALLOWED"), Declined),
        ("FAILED", Some("GAMER_FAILED_COUNTRY_OF_RESIDENCE_CHECK"), Declined),
        ("FAILED", Some("SENDER_ACCOUNT_LOCKED"), Declined),
        ("BLOCKED", Some("RISK_DECLINE"), Declined),
        ("BLOCKED", None, Declined),
        ("FAILED", Some("ZERO_AMOUNT"), Declined),
        ("FAILED", Some("A_NAME_OF_TOMORROW"), Declined),
        ("FAILED", Some("CLOSED_MARKET"), GatewayUnavailable),
    ];
    for (status, name, expected) in cases {
        let answer = of_batch(batch("SUCCESS", status, name), true);
        assert_eq!(code(&answer.outcome), Some(expected), "{status} {name:?}");
        assert_eq!(answer.gateway_code.as_deref(), name);
    }
}

#[test]
fn a_failure_counts_of_the_stored_batch_or_of_one_that_keeps_our_id() {
    for (status, item) in
        [("DENIED", "FAILED"), ("DENIED", "PENDING"), ("PROCESSING", "FAILED"), ("CANCELED", "PENDING")]
    {
        assert!(of_batch(batch(status, item, None), true).outcome.is_known(), "{status} {item}");
        let other = of_batch(batch(status, item, None), false);
        assert_eq!((other.outcome, other.seen), (Outcome::Unknown(Trouble::Undecided), None), "{status} {item}");
    }
    for (item, known) in [("FAILED", true), ("RETURNED", true), ("UNCLAIMED", true), ("NEW", false)] {
        let answer = of_batch(batch("SUCCESS", item, None), false);
        assert_eq!((answer.outcome.is_known(), answer.seen.is_some()), (known, true), "{item}");
    }
}

#[test]
fn a_batch_that_carries_no_id_of_ours_is_ours_only_in_the_reply_to_our_own_request() {
    let mut foreign = batch("SUCCESS", "SUCCESS", None);
    foreign["batch_header"]["sender_batch_header"] = json!({});
    foreign["items"][0]["payout_item"]["sender_item_id"] = json!(null);
    assert_eq!(of_batch(foreign, false).seen.unwrap().our_id, None);
    let bare = json!({ "batch_header": { "payout_batch_id": "BAT1", "batch_status": "PENDING" } });
    let id = payment_id();
    let known = Known { stored: false, ours: Some((&id, payable().money())) };
    let seen = payout_reply(&Reply::of(201, &bare), known).seen.unwrap();
    assert_eq!((seen.our_id, seen.money), (Some(id.clone()), Some(payable().money())));
}

#[test]
fn a_batch_that_shows_no_amount_yet_is_what_we_sent_under_our_id_and_nothing_else_is() {
    let empty = json!({ "batch_header": header("PROCESSING") });
    assert_eq!(of_batch(empty.clone(), false).seen.unwrap().money, Some(payable().money()));
    let mut other = empty;
    other["batch_header"]["sender_batch_header"]["sender_batch_id"] = json!("pay_other");
    let seen = of_batch(other, false).seen.unwrap();
    assert_eq!((seen.money, seen.our_id.as_deref()), (None, Some("pay_other")));
    let mut two = batch("SUCCESS", "SUCCESS", None);
    let item = two["items"][0].clone();
    two["items"].as_array_mut().unwrap().push(item);
    let answer = of_batch(two, true);
    assert_eq!(answer.seen.unwrap().money, None, "more than one payout is nothing of ours");
}

#[test]
fn a_sentence_of_an_older_api_is_no_code_for_support() {
    let error: ErrorBody = serde_json::from_value(
        json!({ "name": "VALIDATION_ERROR", "details": [{ "issue": "x@example.com is invalid" }] }),
    )
    .unwrap();
    assert_eq!(error.code().as_deref(), Some("VALIDATION_ERROR"));
}

#[test]
fn every_word_of_a_table_is_in_it_once() {
    for table in [ORDER, REFUND, PAYOUT] {
        let mut words: Vec<&str> = table.iter().flat_map(|(words, _)| words.iter().copied()).collect();
        let all = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), all);
    }
}

proptest! {
    #[test]
    fn once_anything_may_have_been_done_no_answer_says_not_sent(
        status in prop_oneof![Just(409_u16), 500_u16..600, 200_u16..300],
        word in "[A-Z_]{1,20}",
    ) {
        let outcome = create(status, &issue(&word)).outcome;
        prop_assert!(!matches!(outcome, Outcome::NotSent(_)), "{:?}", outcome);
    }

    #[test]
    fn no_body_makes_it_panic_or_succeed(status in 200_u16..600, body in "\\PC{0,200}", id in "[A-Z0-9]{0,9}") {
        for body in [json!(body), json!({ "id": id, "status": body }), json!({ "name": body, "details": [{ "issue": id }] })] {
            let reply = Reply::of(status, &body);
            for answer in [order_reply(&reply, ""), refund_reply(&reply)] {
                let moved = matches!(answer.outcome, Outcome::Succeeded);
                prop_assert!(!moved || body["status"] == "COMPLETED");
            }
            let _ = duplicate(&reply);
        }
    }
}
