use super::*;
use crate::gateway::Outcome;
use crate::gateway::plaid::stub::{
    TIMEOUT, authorized, debit, error, known, plaid, refund, refunded, secret, stub, transfer,
};

#[tokio::test]
async fn a_payment_is_found_by_its_id_else_by_its_authorization_and_a_refund_only_by_its_id() {
    let stub = stub(|asked| asked.line.ends_with("/transfer/get").then(|| (200, transfer("posted", None))));
    let plaid = plaid(&stub);
    for payment in [known(authorized(debit())), authorized(debit())] {
        let found = plaid.find(&secret(), Movement::Payment(&payment), TIMEOUT).await;
        let Found::Object(answer) = found else { panic!("{found:?}") };
        assert_eq!(answer.outcome, Outcome::Pending);
    }
    assert!(matches!(plaid.find(&secret(), Movement::Payment(&debit()), TIMEOUT).await, Found::Nothing));
    assert!(matches!(plaid.find(&secret(), Movement::Refund(&refund()), TIMEOUT).await, Found::Nothing));
    let bodies: Vec<_> = stub.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(bodies, [json!({ "transfer_id": "tr1" }), json!({ "authorization_id": "auth1" })]);
}

#[tokio::test]
async fn an_authorization_without_a_transfer_shows_nothing_and_a_fault_shows_no_absence() {
    let payment = authorized(debit());
    let unused = stub(|_| None);
    assert!(matches!(plaid(&unused).find(&secret(), Movement::Payment(&payment), TIMEOUT).await, Found::Nothing));
    for (status, body, trouble) in [
        (500, json!(""), Trouble::Fault),
        (404, json!("no such route"), Trouble::Unreadable),
        (400, error("INVALID_INPUT", "INVALID_API_KEYS"), Trouble::KeyRefused),
    ] {
        let stub = stub(move |_| Some((status, body.clone())));
        let found = plaid(&stub).find(&secret(), Movement::Payment(&payment), TIMEOUT).await;
        assert!(matches!(found, Found::Unanswered(said) if said == trouble), "{found:?}");
    }
}

#[tokio::test]
async fn what_counts_after_a_cancellation_is_the_object() {
    let canceled = stub(|asked| match asked.line.as_str() {
        "POST /transfer/cancel" | "POST /transfer/refund/cancel" => Some((200, json!({ "request_id": "q" }))),
        "POST /transfer/get" => Some((200, transfer("cancelled", None))),
        _ => Some((200, refunded("cancelled", None))),
    });
    let (payment, refund) = (known(debit()), refund());
    for (movement, reference) in [(Movement::Payment(&payment), "tr1"), (Movement::Refund(&refund), "rf1")] {
        let found = plaid(&canceled).cancel(&secret(), movement, reference, TIMEOUT).await;
        assert!(matches!(found, Found::Object(Answer { outcome: Outcome::Canceled, .. })), "{found:?}");
    }
    assert_eq!(canceled.asked()[2].body, json!({ "refund_id": "rf1" }));

    let late = stub(|asked| match asked.line.as_str() {
        "POST /transfer/cancel" => Some((400, error("TRANSFER_ERROR", "TRANSFER_NOT_CANCELLABLE"))),
        _ => Some((200, transfer("posted", None))),
    });
    let found = plaid(&late).cancel(&secret(), Movement::Payment(&payment), "tr1", TIMEOUT).await;
    assert!(matches!(found, Found::Object(Answer { outcome: Outcome::Pending, .. })), "{found:?}");

    let down = stub(|_| Some((503, error("API_ERROR", "PLANNED_MAINTENANCE"))));
    let found = plaid(&down).cancel(&secret(), Movement::Payment(&payment), "tr1", TIMEOUT).await;
    assert!(matches!(found, Found::Unanswered(Trouble::Fault)), "{found:?}");
}

#[tokio::test]
async fn a_transfer_says_whose_it_is_and_an_unknown_one_says_nothing() {
    let stub = stub(|asked| (asked.body["transfer_id"] == "tr1").then(|| (200, transfer("settled", None))));
    let plaid = plaid(&stub);
    let labels = plaid.labels(&secret(), "tr1", TIMEOUT).await.unwrap().unwrap();
    assert_eq!((labels.tenant_id.as_deref(), labels.invoice_id.as_deref()), (Some("acme"), Some("INV-1")));
    assert_eq!(labels.payment_id, Some(debit().id.to_string()));
    assert!(plaid.labels(&secret(), "tr2", TIMEOUT).await.unwrap().is_none());
}
