//! Refunds never exceed their capture, and each is made once for each request id.

use super::*;
use crate::paypal::{RefundStatus, RefundsBecome};

impl Api {
    async fn refund(&self, capture: &str, id: Option<&str>, value: Option<&str>) -> (u16, Value) {
        let body = match value {
            Some(value) => json!({ "amount": { "currency_code": "USD", "value": value }, "custom_id": "ref_1" }),
            None => json!({}),
        };
        self.post(&format!("/v2/payments/captures/{capture}/refund"), id, &body).await
    }

    async fn capture_status(&self, capture: &str) -> String {
        let (_, capture) = self.get(&format!("/v2/payments/captures/{capture}")).await;
        capture["status"].as_str().unwrap().to_owned()
    }

    fn refunded(&self) -> i64 {
        self.paypal.books(ACCOUNT).captures.iter().map(|capture| capture.refunded).sum()
    }
}

#[tokio::test]
async fn a_capture_is_refunded_in_parts_up_to_all_of_it() {
    let api = Api::start().await;
    let capture = api.paid("1").await;
    let (status, refund) = api.refund(&capture, Some("a"), Some("10.00")).await;
    assert_eq!((status, &refund["status"], &refund["custom_id"]), (201, &json!("COMPLETED"), &json!("ref_1")));
    assert_eq!(refund["seller_payable_breakdown"]["total_refunded_amount"]["value"], "10.00");
    assert_eq!(api.capture_status(&capture).await, "PARTIALLY_REFUNDED");
    assert_eq!(refusal(&api.refund(&capture, Some("b"), Some("15.01")).await), (422, "REFUND_AMOUNT_EXCEEDED"));
    let (_, rest) = api.refund(&capture, Some("c"), None).await;
    assert_eq!(rest["amount"]["value"], "15.00");
    assert_eq!(api.capture_status(&capture).await, "REFUNDED");
    assert_eq!(refusal(&api.refund(&capture, Some("d"), Some("1.00")).await), (422, "CAPTURE_FULLY_REFUNDED"));
    let id = refund["id"].as_str().unwrap();
    assert_eq!(api.get(&format!("/v2/payments/refunds/{id}")).await, (200, refund.clone()));
    let up = refund["links"].as_array().unwrap().iter().find(|link| link["rel"] == "up").unwrap();
    assert!(up["href"].as_str().unwrap().ends_with(&format!("/v2/payments/captures/{capture}")));
    assert_eq!(api.told()[2..], ["PAYMENT.CAPTURE.REFUNDED", "PAYMENT.CAPTURE.REFUNDED"]);
}

#[tokio::test]
async fn a_request_id_brings_the_first_refund_for_45_days() {
    let api = Api::start().await;
    let (first, other) = (api.paid("1").await, api.paid("2").await);
    let (_, refund) = api.refund(&first, Some("a"), Some("5.00")).await;
    assert_eq!(api.refund(&first, Some("a"), Some("6.00")).await, (200, refund.clone()));
    assert_eq!(api.refund(&other, Some("a"), None).await, (200, refund));
    assert_eq!(api.refunded(), 500);
    api.refund(&first, None, Some("5.00")).await;
    api.refund(&first, None, Some("5.00")).await;
    assert_eq!(api.refunded(), 1500, "without an id each counts");
    api.clock.advance(Duration::from_hours(45 * 24));
    let mut api = api;
    api.log_in().await;
    assert_eq!(api.refund(&first, Some("a"), Some("5.00")).await.0, 201);
    assert_eq!(api.refunded(), 2000, "a forgotten id protects no more");
}

#[tokio::test]
async fn a_pending_refund_holds_its_money_and_gives_it_back_when_it_fails() {
    let api = Api::start().await;
    let capture = api.paid("1").await;
    api.paypal.set_refunds(RefundsBecome::Pending);
    let (status, refund) = api.refund(&capture, Some("a"), Some("20.00")).await;
    assert_eq!(
        (status, &refund["status"], &refund["status_details"]["reason"]),
        (201, &json!("PENDING"), &json!("ECHECK"))
    );
    assert_eq!(refusal(&api.refund(&capture, Some("b"), Some("10.00")).await), (422, "REFUND_AMOUNT_EXCEEDED"));
    assert_eq!((api.capture_status(&capture).await.as_str(), api.refunded()), ("COMPLETED", 0));
    let id = refund["id"].as_str().unwrap();
    assert!(api.paypal.finish_refund(id, RefundStatus::Failed));
    assert!(!api.paypal.finish_refund(id, RefundStatus::Completed), "that is over");
    let (_, second) = api.refund(&capture, Some("c"), None).await;
    assert!(api.paypal.finish_refund(second["id"].as_str().unwrap(), RefundStatus::Completed));
    assert_eq!((api.capture_status(&capture).await.as_str(), api.refunded()), ("REFUNDED", 2500));
    let names =
        ["PAYMENT.REFUND.PENDING", "PAYMENT.REFUND.FAILED", "PAYMENT.REFUND.PENDING", "PAYMENT.CAPTURE.REFUNDED"];
    assert_eq!(api.told()[2..], names);
}

#[tokio::test]
async fn refunds_that_paypal_refuses_are_refused() {
    let mut api = Api::start().await;
    let capture = api.paid("1").await;
    let pending = capture_of(&api.pay("2", "paypal_pending").await.1)["id"].as_str().unwrap().to_owned();
    let declined = capture_of(&api.pay("3", "card_declined").await.1)["id"].as_str().unwrap().to_owned();
    assert_eq!(refusal(&api.refund("NOBODY", None, None).await), (404, "INVALID_RESOURCE_ID"));
    assert_eq!(refusal(&api.refund(&pending, None, None).await), (422, "PENDING_CAPTURE"));
    assert_eq!(refusal(&api.refund(&declined, None, None).await), (422, "REFUND_NOT_ALLOWED"));
    for (amount, issue) in [
        (json!({ "currency_code": "EUR", "value": "1.00" }), (422, "REFUND_CAPTURE_CURRENCY_MISMATCH")),
        (json!({ "currency_code": "USD", "value": "1.001" }), (422, "DECIMAL_PRECISION")),
        (json!({ "currency_code": "TWD", "value": "1.0" }), (422, "DECIMALS_NOT_SUPPORTED")),
        (json!({ "currency_code": "USD", "value": "0" }), (422, "CANNOT_BE_ZERO_OR_NEGATIVE")),
        (json!({ "currency_code": "USD", "value": "-1.00" }), (422, "CANNOT_BE_NEGATIVE")),
        (json!({ "currency_code": "USD", "value": "1e2" }), (400, "INVALID_PARAMETER_SYNTAX")),
        (json!({ "value": "1.00" }), (400, "MISSING_REQUIRED_PARAMETER")),
    ] {
        let path = format!("/v2/payments/captures/{capture}/refund");
        assert_eq!(refusal(&api.post(&path, None, &json!({ "amount": amount })).await), issue, "{amount}");
    }
    api.paypal.set_balance(ACCOUNT, "USD", 100);
    assert_eq!(refusal(&api.refund(&capture, None, None).await), (422, "REFUND_FAILED_INSUFFICIENT_FUNDS"));
    api.paypal.set_balance(ACCOUNT, "USD", 100_000);
    api.clock.advance(Duration::from_hours(181 * 24));
    api.log_in().await;
    assert_eq!(refusal(&api.refund(&capture, None, None).await), (422, "REFUND_TIME_LIMIT_EXCEEDED"));
    assert!(api.paypal.books(ACCOUNT).refunds.is_empty());
}

#[tokio::test]
async fn what_a_bank_takes_back_is_told_as_a_refund_and_can_not_be_refunded() {
    let api = Api::start().await;
    let capture = api.paid("1").await;
    api.refund(&capture, Some("a"), Some("5.00")).await;
    assert!(api.paypal.reverse_capture(&capture));
    assert!(!api.paypal.reverse_capture(&capture), "nothing is left");
    assert_eq!(refusal(&api.refund(&capture, None, None).await), (422, "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK"));
    let event = api.paypal.events(ACCOUNT).pop().unwrap();
    assert_eq!(event["event_type"], "PAYMENT.CAPTURE.REVERSED");
    assert_eq!((&event["resource_type"], &event["resource"]["amount"]["value"]), (&json!("refund"), &json!("20.00")));
    let books = api.paypal.books(ACCOUNT);
    assert_eq!(
        books.refunds.iter().map(|entry| (entry.amount, entry.reversal)).collect::<Vec<_>>(),
        [(500, false), (2000, true)]
    );
    assert!(books.captures[0].reversed);
}

#[tokio::test]
async fn while_a_dispute_is_open_only_all_of_a_capture_is_refunded() {
    let api = Api::start().await;
    let capture = api.paid("1").await;
    let dispute = api.paypal.open_dispute(&capture, "MERCHANDISE_OR_SERVICE_NOT_RECEIVED").unwrap();
    assert_eq!(api.paypal.open_dispute(&capture, "OTHER"), None, "it is disputed already");
    assert_eq!(refusal(&api.refund(&capture, None, Some("5.00")).await), (422, "TRANSACTION_DISPUTED"));
    let (_, read) = api.get(&format!("/v1/customer/disputes/{dispute}")).await;
    assert_eq!(read["disputed_transactions"][0]["custom"], "pay_1");
    assert!(api.paypal.resolve_dispute(&dispute, true));
    assert_eq!(api.refund(&capture, None, Some("5.00")).await.0, 201);

    let (_, order) = api.pay("2", "paypal_disputed").await;
    let (dispute, of, won) = api.paypal.disputes(ACCOUNT).into_iter().find(|(_, _, won)| won.is_none()).unwrap();
    assert_eq!((Some(of.as_str()), won), (capture_of(&order)["id"].as_str(), None));
    assert!(api.paypal.resolve_dispute(&dispute, false));
    let told = api.told();
    assert_eq!(
        told[told.len() - 3..],
        ["CUSTOMER.DISPUTE.CREATED", "CUSTOMER.DISPUTE.RESOLVED", "PAYMENT.CAPTURE.REVERSED"]
    );
}

#[tokio::test]
async fn disputes_are_listed_by_their_capture_and_how_one_ended_shows_only_by_itself() {
    let api = Api::start().await;
    let capture = api.paid("1").await;
    let other = api.paid("2").await;
    let list = |of: &str, more: &str| format!("/v1/customer/disputes?disputed_transaction_id={of}{more}");
    assert_eq!(api.get(&list(&capture, "")).await.1["items"], json!([]));
    let inquiry = api.paypal.open_dispute(&capture, "MERCHANDISE_OR_SERVICE_NOT_AS_DESCRIBED").unwrap();
    let claim = api.paypal.open_dispute(&other, "UNAUTHORISED").unwrap();

    let shown = async |of: &str, name: &str| api.get(&list(of, "")).await.1["items"][0][name].clone();
    assert_eq!(shown(&capture, "dispute_id").await, json!(inquiry));
    assert_eq!(shown(&capture, "dispute_life_cycle_stage").await, "INQUIRY");
    assert_eq!(shown(&other, "dispute_life_cycle_stage").await, "CHARGEBACK");
    assert!(api.paypal.escalate_dispute(&inquiry) && !api.paypal.escalate_dispute(&claim));
    assert_eq!(shown(&capture, "dispute_life_cycle_stage").await, "CHARGEBACK");
    assert_eq!(api.told().last().unwrap(), "CUSTOMER.DISPUTE.UPDATED");

    assert!(api.paypal.resolve_dispute(&inquiry, true));
    api.clock.advance(Duration::from_mins(1));
    let second = api.paypal.open_dispute(&capture, "UNAUTHORISED").unwrap();
    let (_, page) = api.get(&list(&capture, "&page_size=1")).await;
    assert_eq!((&page["items"][0]["dispute_id"], page["items"].as_array().unwrap().len()), (&json!(second), 1));
    let next = page["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next").unwrap();
    let (_, page) = api.get(next["href"].as_str().unwrap().strip_prefix(&api.base).unwrap()).await;
    let ended = &page["items"][0];
    assert_eq!((&ended["dispute_id"], &ended["status"]), (&json!(inquiry), &json!("RESOLVED")));
    assert!(ended["dispute_outcome"].is_null() && ended["disputed_transactions"].is_null(), "{ended}");
    assert!(page["links"].as_array().unwrap().iter().all(|link| link["rel"] != "next"), "{page}");
    let (_, read) = api.get(&format!("/v1/customer/disputes/{inquiry}")).await;
    assert_eq!(read["dispute_outcome"]["outcome_code"], "RESOLVED_SELLER_FAVOUR");

    assert_eq!(api.get("/v1/customer/disputes").await.1["items"].as_array().unwrap().len(), 3);
    assert_eq!(api.get(&list(&capture, "&page_size=51")).await.0, 400);
    assert_eq!(api.get(&list(&capture, "&next_page_token=PP-D-1")).await.0, 400);
}
