//! Refunds give back no more than came, out of what is available, and once for each key.

use super::*;
use crate::plaid::RefundStatus;

const REFUND: &str = "/transfer/refund/create";

fn refund(transfer: &str, amount: &str, key: &str) -> Value {
    json!({ "transfer_id": transfer, "amount": amount, "idempotency_key": key })
}

impl Api {
    async fn refund(&self, transfer: &str, amount: &str, key: &str) -> (u16, Value) {
        self.post(REFUND, &refund(transfer, amount, key)).await
    }

    async fn refunded(&self, transfer: &str, amount: &str, key: &str) -> String {
        let (status, answer) = self.refund(transfer, amount, key).await;
        assert_eq!((status, &answer["refund"]["status"]), (200, &json!("pending")), "{answer}");
        answer["refund"]["id"].as_str().unwrap().to_owned()
    }

    /// A debit whose hold has ended.
    async fn available(&self, amount: &str) -> String {
        let transfer = self.made("debit", amount).await;
        assert!(self.plaid.post(&transfer) && self.plaid.settle(&transfer) && self.plaid.make_available(&transfer));
        transfer
    }

    async fn status(&self, refund: &str) -> Value {
        self.post("/transfer/refund/get", &json!({ "refund_id": refund })).await.1["refund"]["status"].clone()
    }
}

#[tokio::test]
async fn a_key_refunds_once_and_all_refunds_together_no_more_than_the_transfer() {
    let api = Api::start().await;
    let transfer = api.available("10.00").await;
    let first = api.refunded(&transfer, "6.00", "r1").await;
    assert_eq!(api.refunded(&transfer, "1.00", "r1").await, first);
    assert_eq!(api.ledger(), (400, 0));
    assert_eq!(refusal(&api.refund(&transfer, "4.01", "r2").await), INVALID_FIELD);
    let second = api.refunded(&transfer, "4.00", "r2").await;
    assert_eq!(refusal(&api.refund(&transfer, "0.01", "r3").await), INVALID_FIELD);
    // What failed can be given back again.
    assert!(api.plaid.finish_refund(&second, false));
    assert_eq!((api.status(&second).await, api.ledger()), (json!("failed"), (400, 0)));
    api.refunded(&transfer, "4.00", "r4").await;
    let books = api.plaid.books(CLIENT);
    let statuses: Vec<RefundStatus> = books[0].refunds.iter().map(|refund| refund.status).collect();
    assert_eq!(statuses, [RefundStatus::Pending, RefundStatus::Failed, RefundStatus::Pending]);
    assert_eq!(api.read(&transfer).await["refunds"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn refunds_that_are_wrong_are_refused() {
    let api = Api::start().await;
    api.plaid.set_ledger(CLIENT, 1000);
    let debit = api.made("debit", "50.00").await;
    assert_eq!(refusal(&api.refund(&debit, "10.01", "r1").await), INVALID_FIELD, "more than is available");
    let credit = api.made("credit", "10.00").await;
    api.plaid.set_ledger(CLIENT, 100_000);
    assert_eq!(refusal(&api.refund(&credit, "1.00", "r1").await), INVALID_FIELD);
    assert_eq!(refusal(&api.refund("other", "1.00", "r1").await), NOT_FOUND);
    let body = refund(&debit, "1.00", "r1");
    for name in ["transfer_id", "amount", "idempotency_key"] {
        assert_eq!(refusal(&api.post(REFUND, &with(&body, name, Value::Null)).await), MISSING_FIELDS);
    }
    for (name, value) in [("amount", json!("1")), ("idempotency_key", json!("k".repeat(51)))] {
        assert_eq!(refusal(&api.post(REFUND, &with(&body, name, value)).await), INVALID_FIELD);
    }
    assert_eq!(refusal(&api.post(REFUND, &with(&body, "reason", json!("x"))).await), UNKNOWN_FIELDS);
    for ended in ["cancelled", "failed", "returned"] {
        let transfer = api.made("debit", "1.00").await;
        match ended {
            "cancelled" => drop(api.post("/transfer/cancel", &json!({ "transfer_id": transfer })).await),
            "failed" => assert!(api.plaid.fail_transfer(&transfer)),
            _ => assert!(api.plaid.post(&transfer) && api.plaid.return_transfer(&transfer, "R01")),
        }
        assert_eq!(refusal(&api.refund(&transfer, "1.00", ended).await), INVALID_FIELD, "{ended}");
    }
    api.clock.advance(Duration::from_hours(180 * 24));
    api.refunded(&debit, "1.00", "r2").await;
    api.clock.advance(Duration::from_secs(1));
    assert_eq!(refusal(&api.refund(&debit, "1.00", "r3").await), INVALID_FIELD, "too old");
}

#[tokio::test]
async fn a_refund_goes_out_after_its_transfer_has_settled() {
    let api = Api::start().await;
    api.plaid.set_ledger(CLIENT, 1000);
    let transfer = api.made("debit", "10.00").await;
    let id = api.refunded(&transfer, "10.00", "r1").await;
    let simulate = async |event: &str| {
        api.post("/sandbox/transfer/refund/simulate", &json!({ "refund_id": id, "event_type": event })).await
    };
    let refused = (400, "SANDBOX_ERROR", "SANDBOX_TRANSFER_EVENT_TRANSITION_INVALID");
    assert_eq!(refusal(&simulate("refund.posted").await), refused);
    // The first cutoff is too early, the second one is not.
    api.clock.advance(Duration::from_hours(36));
    assert_eq!(
        (api.read(&transfer).await["status"].clone(), api.status(&id).await),
        (json!("settled"), json!("pending"))
    );
    api.clock.advance(Duration::from_hours(2));
    assert_eq!(api.status(&id).await, "posted");
    let cancel = api.post("/transfer/refund/cancel", &json!({ "refund_id": id })).await;
    assert_eq!(refusal(&cancel), (400, "TRANSFER_ERROR", "TRANSFER_NOT_CANCELLABLE"));
    api.clock.advance(Duration::from_hours(4 * 24));
    assert_eq!(api.status(&id).await, "settled");
    assert_eq!(refusal(&simulate("refund.failed").await), refused);
    assert!(api.plaid.return_refund(&id, "R02"));
    let (_, read) = api.post("/transfer/refund/get", &json!({ "refund_id": id })).await;
    assert_eq!(read["refund"]["failure_reason"]["failure_code"], "R02");
    assert_eq!(api.ledger(), (1000, 1000));
    let kinds = ["refund.pending", "refund.posted", "refund.settled", "refund.returned"];
    let events = api.plaid.events(CLIENT);
    let told: Vec<&Value> = events.iter().filter(|e| e["refund_id"] == id.as_str()).map(|e| &e["event_type"]).collect();
    assert_eq!(told, kinds);
}

#[tokio::test]
async fn a_refund_that_was_not_sent_is_cancelled_by_the_client_or_with_its_transfer() {
    let api = Api::start().await;
    api.plaid.set_ledger(CLIENT, 1000);
    let transfer = api.made("debit", "10.00").await;
    let [first, second] = [api.refunded(&transfer, "3.00", "r1").await, api.refunded(&transfer, "4.00", "r2").await];
    assert_eq!(api.post("/transfer/refund/cancel", &json!({ "refund_id": first })).await.0, 200);
    assert_eq!((api.status(&first).await, api.ledger().0), (json!("cancelled"), 600));
    assert!(api.plaid.post(&transfer) && api.plaid.return_transfer(&transfer, "R01"));
    assert_eq!((api.status(&second).await, api.ledger()), (json!("cancelled"), (1000, 0)));
    assert_eq!(refusal(&api.post("/transfer/refund/get", &json!({ "refund_id": "other" })).await), NOT_FOUND);
}

#[tokio::test]
async fn a_refund_that_was_sent_is_lost_when_its_transfer_comes_back() {
    let api = Api::start().await;
    let transfer = api.available("10.00").await;
    let id = api.refunded(&transfer, "10.00", "r1").await;
    assert!(api.plaid.finish_refund(&id, true));
    assert!(api.plaid.return_transfer(&transfer, "R10"));
    assert_eq!((api.status(&id).await, api.ledger()), (json!("settled"), (-1000, 0)));
}
