use std::collections::HashMap;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;
use crate::gateway::paypal::stub::{Asked, Stub, TIMEOUT, now, payable, payment_id, receivable, refund, refund_id};
use crate::gateway::wire::http_client;
use crate::model::movement::Movement;
use crate::model::payment::PaymentMethod;

fn secret() -> StripeSecret {
    let secret_key = SecretString::from("sk_test_1");
    StripeSecret { account: "acct_1".to_owned(), secret_key, webhook_secrets: Vec::new() }
}

/// 500.00 USD to a vendor's connected account.
fn to_vendor() -> Payment {
    let mut payment = Payment { payment_method: PaymentMethod::Ach, ..payable() };
    payment.frozen.destination = Some("acct_2".to_owned());
    payment
}

/// 500.00 USD out of a customer's bank account.
fn debit() -> Payment {
    let mut payment = Payment { payment_method: PaymentMethod::Ach, ..receivable() };
    payment.frozen.mandate = Some("mandate_1".to_owned());
    payment
}

fn reversal() -> Refund {
    let mut refund = refund();
    refund.frozen.payment = "tr_1".to_owned();
    refund
}

fn stripe(stub: &Stub) -> Stripe {
    Stripe::new(http_client().unwrap(), &stub.base)
}

fn form(asked: &Asked) -> HashMap<String, String> {
    let mut url: reqwest::Url = "form:/".parse().unwrap();
    url.set_query(asked.body.as_str());
    url.query_pairs().into_owned().collect()
}

fn time() -> Option<Duration> {
    Some(TIMEOUT)
}

fn transfer_json(id: &str, payment: &str) -> Value {
    json!({ "id": id, "object": "transfer", "amount": 50_000, "amount_reversed": 0, "currency": "usd",
            "transfer_group": payment_id(), "metadata": { "payment_id": payment } })
}

#[tokio::test]
async fn a_transfer_is_always_the_same_request_under_the_payments_key() {
    let stub = Stub::start(|_| Some((200, transfer_json("tr_1", &payment_id()))));
    let payment = to_vendor();
    let answer = stripe(&stub).send(&secret(), Movement::Payment(&payment), TIMEOUT).await;
    assert_eq!(answer.outcome, Outcome::Succeeded);
    let seen = answer.seen.unwrap();
    assert_eq!((seen.reference.as_str(), seen.money), ("tr_1", Some(payment.money())));
    assert_eq!(seen.our_id, Some(payment_id()));
    let asked = &stub.asked()[0];
    assert_eq!(asked.line, "POST /v1/transfers");
    assert_eq!(asked.header("idempotency-key"), Some(payment_id().as_str()));
    let expected = [
        ("amount", "50000"),
        ("currency", "usd"),
        ("destination", "acct_2"),
        ("transfer_group", payment.id.as_str()),
        ("description", "Invoice INV-1 - Widgets"),
        ("metadata[tenant_id]", "acme"),
        ("metadata[invoice_id]", "INV-1"),
        ("metadata[payment_id]", payment.id.as_str()),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(form(asked), HashMap::from(expected));
}

#[tokio::test]
async fn a_debit_names_the_bank_account_its_consent_and_nobody_who_is_paid() {
    let stub = Stub::start(|_| {
        Some((200, json!({ "id": "pi_1", "status": "processing", "amount": 50_000, "currency": "usd" })))
    });
    for mandate in [Some("mandate_1"), None] {
        let mut payment = debit();
        payment.frozen.mandate = mandate.map(str::to_owned);
        let answer = stripe(&stub).send(&secret(), Movement::Payment(&payment), TIMEOUT).await;
        assert_eq!(answer.outcome, Outcome::Pending);
        let asked = stub.asked().pop().unwrap();
        assert_eq!(
            (asked.line.as_str(), asked.header("idempotency-key")),
            ("POST /v1/payment_intents", Some(payment.id.as_str()))
        );
        let form = form(&asked);
        assert_eq!(form["payment_method_types[0]"], "us_bank_account");
        assert_eq!((form["confirm"].as_str(), form["off_session"].as_str()), ("true", "true"));
        assert_eq!(form.get("mandate").map(String::as_str), mandate);
        assert!(!form.contains_key("transfer_data[destination]"));
    }
}

#[tokio::test]
async fn a_transfer_is_found_in_its_group_by_our_mark() {
    let stub = Stub::start(|asked| match asked.line.as_str() {
        line if line.contains("starting_after=tr_9") => {
            Some((200, json!({ "data": [transfer_json("tr_1", &payment_id())], "has_more": false })))
        }
        line if line.contains(&format!("transfer_group={}", payment_id())) => {
            Some((200, json!({ "data": [transfer_json("tr_9", "another")], "has_more": true })))
        }
        _ => None,
    });
    let payment = to_vendor();
    let Found::Object(found) = stripe(&stub).find(&secret(), Movement::Payment(&payment), now(), &time).await else {
        panic!("not found")
    };
    assert_eq!(found.seen.map(|seen| seen.reference).as_deref(), Some("tr_1"));
    let empty = Stub::start(|_| Some((200, json!({ "data": [], "has_more": false }))));
    let found = stripe(&empty).find(&secret(), Movement::Payment(&payment), now(), &time).await;
    assert!(matches!(found, Found::Nothing));
}

#[tokio::test]
async fn what_has_moved_is_read_where_it_would_be_canceled() {
    let stub = Stub::start(|asked| match asked.line.as_str() {
        "GET /v1/transfers/tr_1" => Some((200, transfer_json("tr_1", &payment_id()))),
        "GET /v1/transfers/tr_1/reversals/trr_1" => Some((
            200,
            json!({ "id": "trr_1", "amount": 500, "currency": "usd", "metadata": { "refund_id": refund_id() } }),
        )),
        _ => None,
    });
    let (payment, refund) = (to_vendor(), reversal());
    for (movement, reference) in [(Movement::Payment(&payment), "tr_1"), (Movement::Refund(&refund), "trr_1")] {
        let Found::Object(found) = stripe(&stub).cancel(&secret(), movement, reference, TIMEOUT).await else {
            panic!("not found")
        };
        let seen = found.seen.unwrap();
        assert_eq!((found.outcome, seen.money), (Outcome::Succeeded, Some(movement.money())));
        assert_eq!(seen.our_id.as_deref(), Some(movement.id()));
    }
    let labels = stripe(&stub).labels(&secret(), "tr_1", TIMEOUT).await.unwrap().unwrap();
    assert_eq!(labels.payment_id, Some(payment_id()));
}

#[tokio::test]
async fn a_refund_of_a_transfer_is_its_reversal() {
    let stub = Stub::start(|asked| match asked.line.as_str() {
        "POST /v1/transfers/tr_1/reversals" => Some((
            200,
            json!({ "id": "trr_1", "amount": 500, "currency": "usd", "metadata": { "refund_id": refund_id() } }),
        )),
        "GET /v1/transfers/tr_1/reversals?limit=100" => Some((
            200,
            json!({ "data": [{ "id": "trr_2", "amount": 100, "currency": "usd", "created": 7, "metadata": {} },
                             { "id": "trr_1", "amount": 500, "currency": "usd",
                               "metadata": { "refund_id": refund_id() } }] }),
        )),
        _ => None,
    });
    let refund = reversal();
    let answer = stripe(&stub).send(&secret(), Movement::Refund(&refund), TIMEOUT).await;
    assert_eq!(answer.outcome, Outcome::Succeeded);
    assert_eq!(answer.seen.map(|seen| seen.reference).as_deref(), Some("trr_1"));
    let asked = &stub.asked()[0];
    assert_eq!(asked.header("idempotency-key"), Some(refund_id().as_str()));
    let form = form(asked);
    assert_eq!((form["amount"].as_str(), &form["metadata[refund_id]"], form.len()), ("500", &refund_id(), 5));
    let found = stripe(&stub).find(&secret(), Movement::Refund(&refund), now(), &time).await;
    assert!(matches!(found, Found::Object(Answer { outcome: Outcome::Succeeded, .. })));
    let all = stripe(&stub).refunds(&secret(), "tr_1", &time).await.unwrap();
    let seen: Vec<_> = all.iter().map(|one| (one.reference.as_str(), one.labels.refund_id.clone())).collect();
    assert_eq!(seen, [("trr_2", None), ("trr_1", Some(refund_id()))]);
    assert_eq!(all[0].created_at, Time::from_seconds(7));
}

#[tokio::test]
async fn nobody_is_asked_for_the_disputes_of_a_transfer_and_a_debits_have_their_reason() {
    let stub = Stub::start(|asked| {
        asked.line.contains("/v1/disputes?").then(|| {
            let one = |id: &str, reason: &str| {
                json!({ "id": id, "amount": 50_000, "currency": "usd", "status": "lost", "reason": reason })
            };
            (200, json!({ "data": [one("dp_2", "debit_not_authorized"), one("dp_1", "insufficient_funds")] }))
        })
    });
    let money = debit().money();
    let of_transfer = stripe(&stub).disputes(&secret(), "tr_1", money, &time).await.unwrap();
    assert_eq!((of_transfer.ended.len(), of_transfer.reason), (0, None));
    assert_eq!(stub.lines(), Vec::<String>::new());
    let of_debit = stripe(&stub).disputes(&secret(), "pi_1", money, &time).await.unwrap();
    assert_eq!((of_debit.ended.len(), of_debit.reason.as_deref()), (2, Some("debit_not_authorized")));
}

#[tokio::test]
async fn only_what_is_available_in_the_currency_counts() {
    let stub = Stub::start(|_| {
        Some((
            200,
            json!({ "object": "balance", "available": [{ "amount": 12_345, "currency": "usd" },
                                                       { "amount": 9_950, "currency": "isk" }],
                    "pending": [{ "amount": 99_999, "currency": "usd" }] }),
        ))
    });
    let available = async |code: &str| stripe(&stub).available(&secret(), code.parse().unwrap(), TIMEOUT).await;
    assert_eq!([available("USD").await, available("ISK").await, available("EUR").await], [Ok(12_345), Ok(99), Ok(0)]);
    let broken = Stub::start(|_| Some((500, json!({ "error": { "type": "api_error" } }))));
    let failed = stripe(&broken).available(&secret(), "USD".parse().unwrap(), TIMEOUT).await;
    assert_eq!(failed, Err(Trouble::Fault));
}

#[tokio::test]
async fn a_setup_tells_the_method_and_its_mandate() {
    let stub = Stub::start(|asked| {
        let setup = |mandate| {
            let setup = json!({ "id": "seti_1", "status": "succeeded", "payment_method": "pm_1", "mandate": mandate });
            Some((200, setup))
        };
        match asked.line.as_str() {
            "GET /v1/setup_intents/seti_1" => setup(json!("mandate_1")),
            "GET /v1/setup_intents/seti_2" => setup(Value::Null),
            _ => None,
        }
    });
    let set_up = async |id: &str| stripe(&stub).set_up_method(&secret(), id, TIMEOUT).await.unwrap();
    assert_eq!(set_up("seti_1").await, ("pm_1".to_owned(), Some("mandate_1".to_owned())));
    assert_eq!(set_up("seti_2").await, ("pm_1".to_owned(), None));
}
