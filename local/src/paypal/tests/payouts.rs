//! Batches of payouts are checked at once and paid later, and a batch id pays once.

use super::*;
use crate::paypal::{ItemStatus, PayoutsBecome};

const PAYOUTS: &str = "/v1/payments/payouts";

fn batch(id: &str, receivers: &[&str]) -> Value {
    let item = |(index, receiver): (usize, &&str)| {
        json!({ "recipient_type": "EMAIL", "receiver": receiver, "sender_item_id": format!("item_{index}"),
                "amount": { "value": "10.00", "currency": "USD" } })
    };
    let items: Vec<Value> = receivers.iter().enumerate().map(item).collect();
    json!({ "sender_batch_header": { "sender_batch_id": id, "email_subject": "You have a payment" }, "items": items })
}

impl Api {
    async fn pay_out(&self, id: &str, receivers: &[&str]) -> (u16, Value) {
        self.post(PAYOUTS, None, &batch(id, receivers)).await
    }

    /// A batch's id, once it is done.
    async fn paid_out(&self, id: &str, receivers: &[&str]) -> String {
        self.paypal.set_payouts(PayoutsBecome::DoneAtOnce);
        let (status, made) = self.pay_out(id, receivers).await;
        assert_eq!((status, &made["batch_header"]["batch_status"]), (201, &json!("PENDING")), "{made}");
        made["batch_header"]["payout_batch_id"].as_str().unwrap().to_owned()
    }

    /// A batch's status, and those of its items with their errors.
    async fn batch(&self, id: &str) -> (String, Vec<(String, String)>) {
        let (_, batch) = self.get(&format!("{PAYOUTS}/{id}")).await;
        let texts = |item: &Value| {
            let error = item["errors"]["name"].as_str().unwrap_or_default().to_owned();
            (item["transaction_status"].as_str().unwrap().to_owned(), error)
        };
        let items = batch["items"].as_array().into_iter().flatten().map(texts).collect();
        (batch["batch_header"]["batch_status"].as_str().unwrap().to_owned(), items)
    }

    fn paid_to_receivers(&self) -> usize {
        self.paypal.books(ACCOUNT).items.iter().filter(|item| item.status == ItemStatus::Success).count()
    }
}

#[tokio::test]
async fn a_batch_is_pending_then_processing_then_done() {
    let api = Api::start().await;
    let (status, made) = api.pay_out("b1", &["a@example.com"]).await;
    assert_eq!((status, &made["batch_header"]["batch_status"]), (201, &json!("PENDING")));
    let id = made["batch_header"]["payout_batch_id"].as_str().unwrap();
    assert_eq!(api.batch(id).await, ("PENDING".to_owned(), vec![]));
    api.clock.advance(Duration::from_secs(5));
    assert_eq!(api.batch(id).await, ("PROCESSING".to_owned(), vec![("PENDING".to_owned(), String::new())]));
    api.clock.advance(Duration::from_secs(15));
    // Without being asked.
    while api.told().len() < 3 {
        tokio::task::yield_now().await;
    }
    let names = ["PAYOUTSBATCH.PROCESSING", "PAYOUTS-ITEM.SUCCEEDED", "PAYOUTSBATCH.SUCCESS"];
    assert_eq!(api.told(), names.map(|name| format!("PAYMENT.{name}")));
    let (_, batch) = api.get(&format!("{PAYOUTS}/{id}?total_required=true")).await;
    assert_eq!((&batch["total_items"], &batch["batch_header"]["amount"]["value"]), (&json!(1), &json!("10.00")));
    let item = batch["items"][0]["payout_item_id"].as_str().unwrap();
    let (_, item) = api.get(&format!("/v1/payments/payouts-item/{item}")).await;
    assert_eq!((&item["transaction_status"], &item["sender_batch_id"]), (&json!("SUCCESS"), &json!("b1")));
    assert_eq!(item["payout_item"]["sender_item_id"], "item_0");
}

#[tokio::test]
async fn a_batch_id_pays_once_in_thirty_days_and_the_second_is_told_of_the_first() {
    let mut api = Api::start().await;
    let first = api.paid_out("b1", &["a@example.com"]).await;
    let (status, again) = api.pay_out("b1", &["b@example.com"]).await;
    let detail = &again["details"][0];
    assert_eq!(
        (status, &again["name"], &detail["field"]),
        (400, &json!("USER_BUSINESS_ERROR"), &json!("SENDER_BATCH_ID"))
    );
    assert_eq!(detail["issue"], "Batch with given sender_batch_id already exists");
    let link = detail["link"][0]["href"].as_str().unwrap();
    assert_eq!(link, format!("{}{PAYOUTS}/{first}", api.base));
    assert_eq!(api.paid_to_receivers(), 1);
    api.clock.advance(Duration::from_hours(30 * 24));
    api.log_in().await;
    assert_eq!(api.pay_out("b1", &["a@example.com"]).await.0, 201);
    assert_eq!(api.paid_to_receivers(), 2);
}

#[tokio::test]
async fn what_protects_is_the_batch_id_and_no_request_id() {
    let api = Api::start().await;
    api.paypal.set_payouts(PayoutsBecome::DoneAtOnce);
    let mut nameless = batch("", &["a@example.com"]);
    nameless["sender_batch_header"].as_object_mut().unwrap().remove("sender_batch_id");
    for body in [&nameless, &nameless, &batch("b1", &["a@example.com"]), &batch("b2", &["a@example.com"])] {
        assert_eq!(api.post(PAYOUTS, Some("same"), body).await.0, 201);
    }
    assert_eq!(api.paid_to_receivers(), 4);
}

#[tokio::test]
async fn receivers_decide_what_becomes_of_items() {
    let api = Api::start().await;
    let cases = [
        ("a@example.com", "SUCCESS", ""),
        ("first.last@example.com", "SUCCESS", ""),
        ("unregistered+1@example.com", "UNCLAIMED", "RECEIVER_UNREGISTERED"),
        ("unconfirmed@example.com", "UNCLAIMED", "RECEIVER_UNCONFIRMED"),
        ("failed@example.com", "FAILED", "RECEIVER_ACCOUNT_LOCKED"),
        ("failed.RECEIVING_LIMIT_EXCEEDED@example.com", "FAILED", "RECEIVING_LIMIT_EXCEEDED"),
        ("onhold@example.com", "ONHOLD", "REGULATORY_PENDING"),
        ("blocked.RISK_DECLINE@example.com", "BLOCKED", "RISK_DECLINE"),
        ("returned@example.com", "RETURNED", ""),
        ("refunded@example.com", "REFUNDED", ""),
        ("reversed@example.com", "REVERSED", ""),
    ];
    let id = api.paid_out("b1", &cases.map(|case| case.0)).await;
    let expected = cases.map(|(_, status, error)| (status.to_owned(), error.to_owned()));
    assert_eq!(api.batch(&id).await, ("SUCCESS".to_owned(), expected.to_vec()));

    let waiting = api.paid_out("b2", &["pending@example.com"]).await;
    assert_eq!(api.batch(&waiting).await.0, "PROCESSING");
    let item = api.paypal.books(ACCOUNT).items.pop().unwrap().id;
    assert!(api.paypal.move_payout_item(&item, ItemStatus::Onhold, Some("RISK_DECLINE")));
    assert_eq!(
        api.batch(&waiting).await,
        ("SUCCESS".to_owned(), vec![("ONHOLD".to_owned(), "RISK_DECLINE".to_owned())])
    );
    assert!(api.paypal.move_payout_item(&item, ItemStatus::Success, None));
    assert!(api.paypal.move_payout_item(&item, ItemStatus::Reversed, None));
    assert!(!api.paypal.move_payout_item(&item, ItemStatus::Success, None), "that is over");
}

#[tokio::test]
async fn a_batch_of_which_nothing_could_be_paid_is_denied_and_frees_its_id() {
    let api = Api::start().await;
    let denied = api.paid_out("b1", &["own@example.com", "denied@example.com"]).await;
    let (status, items) = api.batch(&denied).await;
    assert_eq!(
        (status.as_str(), items[0].1.as_str(), items[1].1.as_str()),
        ("DENIED", "SELF_PAY_NOT_ALLOWED", "RECEIVER_ACCOUNT_INVALID")
    );
    let again = api.paid_out("b1", &["a@example.com", "own@example.com"]).await;
    assert_ne!(again, denied);
    assert_eq!(api.batch(&again).await.0, "SUCCESS");

    let mut bogus = batch("b2", &["2345678923456"]);
    bogus["items"][0]["recipient_type"] = json!("PAYPAL_ID");
    let (_, made) = api.post(PAYOUTS, None, &bogus).await;
    let id = made["batch_header"]["payout_batch_id"].as_str().unwrap();
    let items = vec![("FAILED".to_owned(), "RECEIVER_ACCOUNT_INVALID".to_owned())];
    assert_eq!(api.batch(id).await, ("DENIED".to_owned(), items));
}

#[tokio::test]
async fn unclaimed_money_comes_back_when_it_is_called_for_or_after_thirty_days() {
    let mut api = Api::start().await;
    api.paypal.set_balance(ACCOUNT, "USD", 10_000);
    let id = api.paid_out("b1", &["unregistered@example.com", "unregistered@example.com", "a@example.com"]).await;
    api.batch(&id).await;
    let items = api.paypal.books(ACCOUNT).items;
    let cancel = |index: usize| format!("/v1/payments/payouts-item/{}/cancel", items[index].id);
    let (status, item) = api.post(&cancel(0), None, &json!({})).await;
    assert_eq!((status, &item["transaction_status"]), (200, &json!("RETURNED")));
    assert_eq!(api.post(&cancel(0), None, &json!({})).await.1["name"], "ITEM_ALREADY_CANCELLED");
    let (status, body) = api.post(&cancel(2), None, &json!({})).await;
    assert_eq!((status, &body["name"]), (400, &json!("ITEM_INCORRECT_STATUS")));
    api.clock.advance(Duration::from_hours(30 * 24));
    api.log_in().await;
    assert_eq!(api.batch(&id).await.1[1].0, "RETURNED");
    let ends: Vec<String> = api.told().into_iter().skip(5).collect();
    assert_eq!(ends, ["PAYMENT.PAYOUTS-ITEM.CANCELED", "PAYMENT.PAYOUTS-ITEM.RETURNED"]);
    // 100.00 less three fees and one payment.
    let pay_all = json!({ "value": "89.00", "currency": "USD" });
    let mut body = batch("b2", &["a@example.com"]);
    body["items"][0]["amount"] = pay_all;
    assert_eq!(api.post(PAYOUTS, None, &body).await.0, 201);
    assert_eq!(api.pay_out("b3", &["a@example.com"]).await.0, 422, "now there is no money left");
}

#[tokio::test]
async fn without_money_a_batch_is_refused_or_taken_and_denied() {
    let api = Api::start().await;
    api.paypal.set_balance(ACCOUNT, "USD", 1_024);
    let (status, body) = api.pay_out("b1", &["a@example.com"]).await;
    assert_eq!((status, &body["name"]), (422, &json!("INSUFFICIENT_FUNDS")));
    api.paypal.set_shortage_denies(true);
    let id = api.paid_out("b1", &["a@example.com"]).await;
    let items = vec![("FAILED".to_owned(), "INSUFFICIENT_FUNDS".to_owned())];
    assert_eq!(api.batch(&id).await, ("DENIED".to_owned(), items));
    api.paypal.set_balance(ACCOUNT, "USD", 1_025);
    api.paid_out("b1", &["a@example.com"]).await;
    assert_eq!(api.paid_to_receivers(), 1);
}

#[tokio::test]
async fn payouts_that_paypal_refuses_are_refused() {
    let api = Api::start().await;
    let with = |pointer: &str, value: Value| {
        let mut body = batch("b1", &["a@example.com", "b@example.com"]);
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let money = |currency: &str, value: &str| with("/items/0/amount", json!({ "currency": currency, "value": value }));
    for (body, field) in [
        (with("/items", json!([])), "items"),
        (with("/items/0/receiver", json!("nobody")), "items[0].receiver"),
        (with("/items/1/recipient_type", json!("PIGEON")), "items[1].recipient_type"),
        (with("/items/0/amount", json!({ "currency_code": "USD", "value": "1" })), "items[0].amount.currency_code"),
        (money("USD", "1.234"), "items[0].amount.value"),
        (money("JPY", "1.00"), "items[0].amount.value"),
        (money("USD", "0.00"), "items[0].amount.value"),
        (money("XXX", "1.00"), "items[0].amount.currency"),
        (money("EUR", "1.00"), "items.amount.currency"),
        (with("/sender_batch_header/sender_batch_id", json!("x".repeat(257))), "sender_batch_header.sender_batch_id"),
    ] {
        let (status, answer) = api.post(PAYOUTS, None, &body).await;
        assert_eq!((status, &answer["name"]), (400, &json!("VALIDATION_ERROR")), "{body}");
        assert_eq!(answer["details"][0]["field"], field);
    }
    let (status, answer) = api.post(PAYOUTS, None, &money("BRL", "1.00")).await;
    assert_eq!((status, &answer["name"]), (400, &json!("NON_HOLDING_CURRENCY")));
    for (note, status, name) in [
        ("ERRPYO001", 403, "SENDER_RESTRICTED"),
        ("ERRPYO003", 403, "AUTHORIZATION_ERROR"),
        ("ERRPYO005", 422, "INSUFFICIENT_FUNDS"),
        ("ERRPYO006", 500, "INTERNAL_ERROR"),
        ("ERRPYO010", 400, "VALIDATION_ERROR"),
    ] {
        let mut body = batch("b1", &["a@example.com"]);
        body["items"][0]["note"] = json!(note);
        let (answered, body) = api.post(PAYOUTS, None, &body).await;
        assert_eq!((answered, &body["name"]), (status, &json!(name)));
    }
    assert_eq!(api.get(&format!("{PAYOUTS}/ERRPYO015")).await.1["name"], "CLOSED_MARKET");
    assert_eq!(api.get(&format!("{PAYOUTS}/NOBODY")).await.0, 404);
    assert!(api.paypal.books(ACCOUNT).items.is_empty());
}
