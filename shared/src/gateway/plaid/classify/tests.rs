use serde_json::{Value, json};

use super::*;
use crate::gateway::plaid::stub::{authorization, debit, error, refunded, transfer};
use crate::model::return_code::ReturnClass;

fn failed(outcome: &Outcome) -> (FailureCode, Option<&str>) {
    match outcome {
        Outcome::Declined(failure) | Outcome::Refused(failure) => (failure.code, failure.gateway_code.as_deref()),
        other => panic!("{other:?}"),
    }
}

fn left(status: u16, body: &Value) -> Answer {
    match leave(&Reply::of(status, body), &debit()) {
        Leave::Granted(id) => panic!("granted: {id}"),
        Leave::Answer(answer) => answer,
    }
}

fn sent(status: u16, body: &Value) -> Answer {
    transfer_reply(&Reply::of(status, body))
}

/// Errors that say nothing of the money, by their HTTP status, type and code, and what they are.
const TROUBLES: [(u16, &str, &str, Trouble); 14] = [
    (500, "API_ERROR", "INTERNAL_SERVER_ERROR", Trouble::Fault),
    (503, "API_ERROR", "PLANNED_MAINTENANCE", Trouble::Fault),
    (400, "API_ERROR", "INTERNAL_SERVER_ERROR", Trouble::Fault),
    (429, "RATE_LIMIT_EXCEEDED", "TRANSFER_LIMIT", Trouble::Busy),
    (429, "TRANSFER_ERROR", "NEW", Trouble::Busy),
    (400, "INSTITUTION_ERROR", "INSTITUTION_DOWN", Trouble::Busy),
    (400, "ITEM_ERROR", "PRODUCT_NOT_READY", Trouble::Busy),
    (400, "INVALID_INPUT", "INVALID_API_KEYS", Trouble::KeyRefused),
    (400, "INVALID_INPUT", "UNAUTHORIZED_ENVIRONMENT", Trouble::KeyRefused),
    (401, "INVALID_REQUEST", "NEW", Trouble::KeyRefused),
    (400, "INVALID_REQUEST", "MISSING_FIELDS", Trouble::Rejected),
    (400, "TRANSFER_ERROR", "TRANSFER_FORBIDDEN_ACH_CLASS", Trouble::Rejected),
    (400, "TRANSFER_ERROR", "INCOMPLETE_CUSTOMER_ONBOARDING", Trouble::Rejected),
    (404, "INVALID_INPUT", "NOT_FOUND", Trouble::Rejected),
];

#[test]
fn an_error_is_read_by_its_type_and_not_by_its_status_alone() {
    for (status, kind, code, trouble) in TROUBLES {
        let answer = sent(status, &error(kind, code));
        let expected = Answer::of_trouble(trouble);
        assert_eq!((&answer.outcome, answer.again), (&expected.outcome, expected.again), "{status} {kind} {code}");
        assert_eq!(answer.gateway_code.as_deref(), Some(code));
        assert!(!answer.conclusive);
    }
}

#[test]
fn what_is_not_in_plaids_words_proves_nothing() {
    for (status, body) in [
        (400, json!("<html>bad gateway</html>")),
        (404, json!({ "message": "no route" })),
        (429, json!({ "error_code": "RATE_LIMIT" })),
        (302, json!({})),
        (200, json!({ "transfer": { "status": "settled" } })),
        (200, error("TRANSFER_ERROR", "TRANSFER_LIMIT_REACHED")),
    ] {
        assert_eq!(sent(status, &body).outcome, Outcome::Unknown(Trouble::Unreadable), "{status} {body}");
        assert!(!is_missing(&Reply::of(status, &body)), "{status} {body}");
    }
}

#[test]
fn only_plaids_own_word_says_that_something_is_not_there() {
    assert!(is_missing(&Reply::of(404, &error("INVALID_INPUT", "NOT_FOUND"))));
    assert!(!is_missing(&Reply::of(404, &error("INVALID_INPUT", "INVALID_ACCESS_TOKEN"))));
    assert!(!is_missing(&Reply::of(500, &error("INVALID_INPUT", "NOT_FOUND"))));
    assert!(!is_missing(&Reply::of(404, &json!(""))));
}

#[test]
fn an_authorization_moves_nothing_whatever_goes_wrong_with_it() {
    for (status, kind, code, trouble) in TROUBLES {
        let answer = left(status, &error(kind, code));
        assert_eq!(answer.outcome, Outcome::NotSent(trouble), "{status} {kind} {code}");
        assert_eq!(answer.again, matches!(trouble, Trouble::Fault | Trouble::Busy), "{status} {kind} {code}");
    }
    assert_eq!(left(502, &json!("")).outcome, Outcome::NotSent(Trouble::Fault));
    assert_eq!(left(200, &json!({})).outcome, Outcome::NotSent(Trouble::Unreadable));
    assert_eq!(left(200, &authorization("reviewed", None)).outcome, Outcome::NotSent(Trouble::Unreadable));
}

#[test]
fn a_decision_against_the_payment_says_why() {
    use FailureCode::{Declined, InsufficientFunds, PaymentMethodInvalid};
    for (decision, rationale, code, gateway_code) in [
        ("declined", Some("NSF"), InsufficientFunds, "NSF"),
        ("declined", Some("RISK"), Declined, "RISK"),
        ("declined", Some("TRANSFER_LIMIT_REACHED"), Declined, "TRANSFER_LIMIT_REACHED"),
        ("declined", Some("NEW"), Declined, "NEW"),
        ("declined", None, Declined, "declined"),
        ("user_action_required", None, PaymentMethodInvalid, "user_action_required"),
    ] {
        let answer = left(200, &authorization(decision, rationale));
        assert!(matches!(answer.outcome, Outcome::Declined(_)));
        assert_eq!(failed(&answer.outcome), (code, Some(gateway_code)));
        assert_eq!((answer.gateway_code.as_deref(), answer.again), (Some(gateway_code), false));
    }
}

#[test]
fn a_refusal_is_the_end_of_an_authorization_and_of_one_send_of_a_transfer() {
    use FailureCode::{Declined, InsufficientFunds, PaymentMethodInvalid};
    for (kind, word, code) in [
        ("ITEM_ERROR", "ITEM_LOGIN_REQUIRED", PaymentMethodInvalid),
        ("INVALID_INPUT", "INVALID_ACCESS_TOKEN", PaymentMethodInvalid),
        ("INVALID_INPUT", "INVALID_ACCOUNT_ID", PaymentMethodInvalid),
        ("INVALID_INPUT", "ITEM_NOT_FOUND", PaymentMethodInvalid),
        ("TRANSFER_ERROR", "TRANSFER_ACCOUNT_BLOCKED", PaymentMethodInvalid),
        ("TRANSFER_ERROR", "TRANSFER_UNSUPPORTED_ACCOUNT_TYPE", PaymentMethodInvalid),
        ("TRANSFER_ERROR", "TRANSFER_LIMIT_REACHED", Declined),
        ("TRANSFER_ERROR", "TRANSFER_NETWORK_LIMIT_EXCEEDED", Declined),
        ("TRANSFER_ERROR", "INSUFFICIENT_FUNDS", InsufficientFunds),
        ("TRANSFER_ERROR", "NEW", Declined),
    ] {
        let body = error(kind, word);
        let answer = left(400, &body);
        assert!(matches!(answer.outcome, Outcome::Declined(_)), "{word}");
        assert_eq!(failed(&answer.outcome), (code, Some(word)));
        let answer = sent(400, &body);
        assert!(matches!(answer.outcome, Outcome::Refused(_)) && !answer.conclusive && !answer.again, "{word}");
        assert_eq!(failed(&answer.outcome), (code, Some(word)));
    }
}

#[test]
fn leave_for_something_else_is_no_leave() {
    let granted = |change: &dyn Fn(&mut Value)| {
        let mut body = authorization("approved", Some("MANUALLY_VERIFIED_ITEM"));
        change(&mut body["authorization"]["proposed_transfer"]);
        matches!(leave(&Reply::of(200, &body), &debit()), Leave::Granted(id) if id == "auth1")
    };
    assert!(granted(&|_| ()));
    assert!(granted(&|proposed| proposed["account_id"] = Value::Null), "Plaid may leave it out");
    for (field, other) in [
        ("amount", json!("500.01")),
        ("iso_currency_code", json!("CAD")),
        ("type", json!("credit")),
        ("account_id", json!("acc2")),
    ] {
        assert!(!granted(&|proposed| proposed[field] = other.clone()), "{field}");
        let mut body = authorization("approved", None);
        body["authorization"]["proposed_transfer"][field] = other;
        assert_eq!(left(200, &body).outcome, Outcome::NotSent(Trouble::Rejected), "{field}");
    }
    let mut body = authorization("approved", None);
    body["authorization"]["proposed_transfer"] = Value::Null;
    assert_eq!(left(200, &body).outcome, Outcome::NotSent(Trouble::Rejected));
}

#[test]
fn a_transfer_is_paid_once_the_network_has_settled_it() {
    for (status, outcome) in [
        ("pending", Outcome::Pending),
        ("posted", Outcome::Pending),
        ("settled", Outcome::Succeeded),
        ("funds_available", Outcome::Succeeded),
        ("cancelled", Outcome::Canceled),
        ("new", Outcome::Unknown(Trouble::Undecided)),
    ] {
        let answer = sent(200, &transfer(status, None));
        assert_eq!((&answer.outcome, answer.came_back), (&outcome, false), "{status}");
        let seen = answer.seen.unwrap();
        assert_eq!(
            (seen.reference.as_str(), seen.money, seen.our_id),
            ("tr1", Some(debit().money()), Some(debit().id.to_string()))
        );
        assert_eq!(answer.expected, Some("2027-01-20".parse().unwrap()));
        assert_eq!(answer.gateway_code, None);
    }
}

#[test]
fn a_debit_without_a_day_of_settlement_arrives_when_its_funds_do() {
    let mut body = transfer("pending", None);
    body["transfer"]["expected_funds_available_date"] = json!("2027-01-22");
    assert_eq!(sent(200, &body).expected, Some("2027-01-20".parse().unwrap()));
    body["transfer"]["expected_settlement_date"] = Value::Null;
    assert_eq!(sent(200, &body).expected, Some("2027-01-22".parse().unwrap()));
}

#[test]
fn a_return_is_told_from_a_failure_that_no_bank_has_seen() {
    for (code, expected, class) in [
        (Some("R01"), FailureCode::InsufficientFunds, ReturnClass::Funds),
        (Some("R10"), FailureCode::Declined, ReturnClass::Unauthorized),
        (Some("R99"), FailureCode::Declined, ReturnClass::Review),
        (None, FailureCode::Declined, ReturnClass::Review),
    ] {
        let answer = sent(200, &transfer("returned", code));
        let Outcome::Declined(failure) = &answer.outcome else { panic!("{answer:?}") };
        assert_eq!((failure.code, failure.returned, answer.came_back), (expected, Some(class), true), "{code:?}");
        assert_eq!(failure.gateway_code.as_deref(), Some(code.unwrap_or("returned")));
        assert_eq!(answer.gateway_code, failure.gateway_code);
    }
    for code in [Some("9910"), None] {
        let answer = sent(200, &transfer("failed", code));
        let Outcome::Declined(failure) = &answer.outcome else { panic!("{answer:?}") };
        assert_eq!((failure.code, failure.returned, answer.came_back), (FailureCode::Declined, None, false));
        assert_eq!(failure.gateway_code.as_deref(), Some(code.unwrap_or("failed")));
    }
    let mut body = transfer("returned", None);
    body["transfer"]["failure_reason"] = json!({ "failure_code": null, "ach_return_code": "R02" });
    assert_eq!(failed(&sent(200, &body).outcome), (FailureCode::PaymentMethodInvalid, Some("R02")));
    body["transfer"]["failure_reason"]["ach_return_code"] = json!("a sentence, with a name in it");
    assert_eq!(failed(&sent(200, &body).outcome), (FailureCode::Declined, Some("returned")));
}

#[test]
fn a_transfer_that_says_little_is_still_seen() {
    let answer = sent(
        200,
        &json!({ "transfer": { "id": "tr9", "status": null, "metadata": null, "refunds": null,
        "expected_settlement_date": "soon", "amount": "1.00" } }),
    );
    assert_eq!(answer.outcome, Outcome::Unknown(Trouble::Undecided));
    assert_eq!(answer.seen, Some(Seen { reference: "tr9".to_owned(), money: None, our_id: None }));
    assert_eq!(answer.expected, None);
}

#[test]
fn a_refund_has_its_own_states() {
    let refund = |status, code| refund_reply(&Reply::of(200, &refunded(status, code)));
    for (status, outcome) in [
        ("pending", Outcome::Pending),
        ("posted", Outcome::Pending),
        ("settled", Outcome::Succeeded),
        ("cancelled", Outcome::Canceled),
        ("new", Outcome::Unknown(Trouble::Undecided)),
    ] {
        assert_eq!(refund(status, None).outcome, outcome, "{status}");
    }
    let returned = refund("returned", Some("R03"));
    assert_eq!(failed(&returned.outcome), (FailureCode::Declined, Some("R03")));
    assert_eq!(failed(&refund("failed", None).outcome), (FailureCode::Declined, Some("failed")));
    let seen = returned.seen.unwrap();
    assert_eq!((seen.reference.as_str(), seen.our_id), ("rf1", None));
    assert_eq!(seen.money.map(|money| money.amount_minor), Some(500));
}

#[test]
fn a_refund_that_is_refused_says_why_and_nothing_of_an_earlier_send() {
    let with = |kind, code, message: &str| {
        let mut body = error(kind, code);
        body["error_message"] = json!(message);
        refund_reply(&Reply::of(400, &body))
    };
    for (kind, code, message, expected) in [
        ("TRANSFER_ERROR", "NEW", "transfer is too old", FailureCode::NotRefundable),
        ("INVALID_REQUEST", "INVALID_FIELD", "refund amount exceeds the rest", FailureCode::NotRefundable),
        ("TRANSFER_ERROR", "NEW", "Insufficient available balance", FailureCode::InsufficientFunds),
        ("INVALID_REQUEST", "INVALID_FIELD", "insufficient available balance", FailureCode::InsufficientFunds),
        ("TRANSFER_ERROR", "INSUFFICIENT_LEDGER_BALANCE", "…", FailureCode::InsufficientFunds),
        ("TRANSFER_ERROR", "TRANSFER_ACCOUNT_BLOCKED", "…", FailureCode::PaymentMethodInvalid),
    ] {
        let answer = with(kind, code, message);
        assert!(matches!(answer.outcome, Outcome::Refused(_)) && !answer.conclusive, "{message}");
        assert_eq!(failed(&answer.outcome), (expected, Some(code)), "{message}");
    }
    let rejected = with("INVALID_REQUEST", "MISSING_FIELDS", "…");
    assert_eq!(rejected.outcome, Outcome::NotSent(Trouble::Rejected));
    assert_eq!(refund_reply(&Reply::of(500, &json!(""))).outcome, Outcome::Unknown(Trouble::Fault));
}

#[test]
fn what_is_no_code_is_not_kept_as_one() {
    let answer = sent(400, &error("TRANSFER_ERROR", "account of Jane Doe, 000123456789"));
    assert_eq!(failed(&answer.outcome), (FailureCode::Declined, None));
    assert_eq!(answer.gateway_code, None);
}
