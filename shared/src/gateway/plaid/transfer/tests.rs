use super::*;
use crate::gateway::plaid::stub::transfer as transferred;
use crate::gateway::plaid::stub::{
    TIMEOUT, access, authorization, authorized, credit, debit, error, plaid, secret, stub,
};

#[tokio::test]
async fn leave_is_asked_for_in_plaids_words_under_the_payments_id() {
    let stub = stub(|_| Some((200, authorization("approved", None))));
    let leave = plaid(&stub).authorize(&secret(), &access(), &debit(), TIMEOUT).await;
    assert!(matches!(leave, Leave::Granted(id) if id == "auth1"));
    let asked = stub.asked().remove(0);
    assert_eq!(asked.line, "POST /transfer/authorization/create");
    assert_eq!(
        asked.body,
        json!({ "access_token": "access-sandbox-1", "account_id": "acc1", "type": "debit", "network": "ach",
                "ach_class": "ccd", "amount": "500.00", "iso_currency_code": "USD",
                "user": { "legal_name": "Globex Inc" }, "idempotency_key": debit().id })
    );
    assert!(debit().id.as_str().len() <= 50, "Plaid takes 50 characters");
}

#[tokio::test]
async fn a_credit_names_the_ledger_that_pays_it() {
    let stub = stub(|_| Some((200, authorization("declined", Some("NSF")))));
    let leave = plaid(&stub).authorize(&secret(), &access(), &credit(), TIMEOUT).await;
    let Leave::Answer(Answer { outcome: Outcome::Declined(failure), .. }) = leave else { panic!("{leave:?}") };
    assert_eq!(failure.gateway_code.as_deref(), Some("NSF"));
    let body = stub.asked().remove(0).body;
    assert_eq!((&body["type"], &body["ledger_id"]), (&json!("credit"), &json!("led1")));
}

#[tokio::test]
async fn leave_that_was_not_heard_of_has_moved_nothing() {
    let stub = stub(|_| Some((0, json!({}))));
    let leave = plaid(&stub).authorize(&secret(), &access(), &debit(), TIMEOUT).await;
    let Leave::Answer(answer) = leave else { panic!("{leave:?}") };
    assert_eq!((answer.outcome, answer.again), (Outcome::NotSent(Trouble::Lost), true));
}

#[tokio::test]
async fn a_transfer_is_made_under_its_authorization_and_carries_our_ids() {
    let stub = stub(|_| Some((200, transferred("pending", None))));
    let mut payment = debit();
    if let Some(frozen) = payment.frozen.transfer.as_mut() {
        frozen.statement = "longer than ten".to_owned();
    }
    let answer = plaid(&stub).transfer(&secret(), &access(), &payment, "auth1", TIMEOUT).await;
    assert_eq!(answer.outcome, Outcome::Pending);
    let asked = stub.asked().remove(0);
    assert_eq!(asked.line, "POST /transfer/create");
    assert_eq!(
        asked.body,
        json!({ "access_token": "access-sandbox-1", "account_id": "acc1", "authorization_id": "auth1",
                "amount": "500.00", "description": "longer tha",
                "metadata": { "tenant_id": "acme", "invoice_id": "INV-1", "payment_id": payment.id } })
    );
}

#[tokio::test]
async fn a_transfer_that_was_not_heard_of_may_have_been_made() {
    for (status, trouble) in [(0, Trouble::Lost), (500, Trouble::Fault)] {
        let stub = stub(move |_| Some((status, error("API_ERROR", "INTERNAL_SERVER_ERROR"))));
        let answer = plaid(&stub).transfer(&secret(), &access(), &authorized(debit()), "auth1", TIMEOUT).await;
        assert_eq!((answer.outcome, answer.again), (Outcome::Unknown(trouble), true));
    }
}

#[tokio::test]
async fn what_can_not_be_said_is_not_sent() {
    let stub = stub(|_| None);
    let plaid = plaid(&stub);
    let mut euros = debit();
    euros.currency = "EUR".parse().unwrap();
    let mut card = debit();
    card.frozen.transfer = None;
    for payment in [euros, card] {
        let leave = plaid.authorize(&secret(), &access(), &payment, TIMEOUT).await;
        let Leave::Answer(answer) = leave else { panic!("{leave:?}") };
        assert_eq!(answer.outcome, Outcome::NotSent(Trouble::Rejected));
        let answer = plaid.transfer(&secret(), &access(), &payment, "auth1", TIMEOUT).await;
        assert_eq!(answer.outcome, Outcome::NotSent(Trouble::Rejected));
    }
    assert!(stub.asked().is_empty());
}
