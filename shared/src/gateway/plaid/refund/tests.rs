use serde_json::Value;

use super::*;
use crate::gateway::plaid::stub::{TIMEOUT, error, plaid, refund, refunded, secret, stub, transfer};
use crate::model::movement::Movement;

#[tokio::test]
async fn the_reply_under_our_key_is_our_refund_and_what_is_read_is_anybodys() {
    let stub = stub(|_| Some((200, refunded("pending", None))));
    let (plaid, refund) = (plaid(&stub), refund());
    let answer = plaid.refund(&secret(), &refund, TIMEOUT).await;
    assert_eq!(answer.outcome, Outcome::Pending);
    assert_eq!(answer.seen.unwrap().our_id, Some(refund.id.to_string()));
    let Found::Object(read) = plaid.read(&secret(), Movement::Refund(&refund), "rf1", TIMEOUT).await else { panic!() };
    assert_eq!(read.seen.unwrap().our_id, None);
    let [sent, read] = stub.asked().try_into().unwrap();
    assert_eq!(sent.line, "POST /transfer/refund/create");
    assert_eq!(sent.body, json!({ "transfer_id": "tr1", "amount": "5.00", "idempotency_key": refund.id.as_str() }));
    assert!(refund.id.as_str().len() <= 50, "Plaid takes 50 characters");
    assert_eq!((read.line.as_str(), read.body), ("POST /transfer/refund/get", json!({ "refund_id": "rf1" })));
}

#[tokio::test]
async fn a_refund_of_another_transfer_is_not_ours() {
    let stub = stub(|_| {
        let mut body = refunded("pending", None);
        body["refund"]["transfer_id"] = json!("tr2");
        Some((200, body))
    });
    assert_eq!(plaid(&stub).refund(&secret(), &refund(), TIMEOUT).await.seen.unwrap().our_id, None);
}

#[tokio::test]
async fn a_refund_that_plaid_does_not_know_is_not_found() {
    let stub = stub(|_| None);
    let found = plaid(&stub).read(&secret(), Movement::Refund(&refund()), "rf9", TIMEOUT).await;
    assert!(matches!(found, Found::Nothing));
}

#[tokio::test]
async fn the_refunds_of_a_transfer_come_newest_first_and_without_labels() {
    let listed = |created: &'static str| {
        stub(move |_| {
            let one = |id: &str, created: &str| {
                let mut refund: Value = refunded("settled", None)["refund"].take();
                refund["id"] = json!(id);
                refund["created"] = json!(created);
                refund
            };
            let mut body = transfer("settled", None);
            body["transfer"]["refunds"] = json!([one("old", "2027-01-16T08:00:00Z"), one("new", created)]);
            Some((200, body))
        })
    };
    let stub_of_two = listed("2027-01-17T08:00:00+02:00");
    let refunds = plaid(&stub_of_two).refunds(&secret(), "tr1", TIMEOUT).await.unwrap();
    let ids: Vec<&str> = refunds.iter().map(|refund| refund.reference.as_str()).collect();
    assert_eq!(ids, ["new", "old"]);
    assert!(refunds.iter().all(|refund| refund.labels.refund_id.is_none()));
    assert!(refunds.iter().all(|refund| refund.answer.outcome == Outcome::Succeeded));
    let undated = listed("yesterday");
    assert_eq!(plaid(&undated).refunds(&secret(), "tr1", TIMEOUT).await.unwrap_err(), Trouble::Unreadable);
    let unknown = stub(|_| Some((400, error("INSTITUTION_ERROR", "INSTITUTION_DOWN"))));
    assert_eq!(plaid(&unknown).refunds(&secret(), "tr1", TIMEOUT).await.unwrap_err(), Trouble::Busy);
}
