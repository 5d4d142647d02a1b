//! Currencies that PayPal counts in whole units, two of them against ISO 4217.

use serde_json::{Value, json};

use super::both;
use crate::world::{World, refused};

/// Currency, our minor units, and what PayPal calls them: a refund is of a tenth.
const WHOLE: [(&str, i64, i64); 3] = [("JPY", 50_000, 50_000), ("HUF", 50_000, 500), ("TWD", 50_000, 500)];

fn vendor(amount: i64, currency: &str) -> Value {
    let counterparty = json!({ "name": "Office Supplies Ltd", "paypal_email": "vendor@example.com" });
    json!({ "counterparty": counterparty, "amount": amount, "currency": currency })
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_payouts_and_refunds_in_whole_units_are_what_was_meant() {
    let world = World::with_paypal().await;
    for (currency, amount, at_paypal) in WHOLE {
        let (invoice, _) = world.receivable_with("paypal_ok", json!({ "amount": amount, "currency": currency })).await;
        let paid = world.pay_by_paypal(&invoice).await;
        assert_eq!((paid.status, &paid.body["amount"]), (201, &json!(amount)), "{}", paid.body);
        let capture = world.captures().pop().unwrap();
        assert_eq!((capture.amount, capture.currency.as_str()), (at_paypal, currency));

        let reference = paid.body["payment_id"].as_str().unwrap();
        let part = world.refund(&format!("part-{currency}"), reference, json!({ "amount": amount / 10 })).await;
        assert_eq!((part.status, &part.body["status"]), (201, &json!("succeeded")), "{}", part.body);
        let refund = world.paypal_refunds().pop().unwrap();
        assert_eq!((refund.amount, refund.currency.as_str()), (at_paypal / 10, currency));
        assert_eq!(world.payment(reference).await["refundable"], json!(amount - amount / 10));
        // Somebody gives the rest back at PayPal: the event says it in PayPal's units.
        assert!(world.stack.paypal.refund_in_dashboard(reference, None).is_some());
        assert_eq!(world.paypal_told("PAYMENT.CAPTURE.REFUNDED").await, "done");
        assert_eq!(world.standing(&invoice, reference).await, both("refunded", "refunded"), "{currency}");

        let invoice = world.approved(vendor(amount, currency)).await;
        let answer = world.pay_by_paypal(&invoice).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        let item = world.payouts().pop().unwrap();
        assert_eq!((item.amount, item.currency.as_str()), (at_paypal, currency));
        world.sweep_after(2).await;
        assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    }
    assert!(world.alerts().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_paypal_would_have_to_round_or_does_not_take_is_refused_before_anything_is_reserved() {
    let world = World::with_paypal().await;
    for (amount, currency) in [(50_050, "HUF"), (1, "TWD"), (50_000, "KRW"), (50_000, "KWD")] {
        let payable = world.approved(vendor(amount, currency)).await;
        let change = json!({ "amount": amount, "currency": currency });
        let (receivable, _) = world.receivable_with("paypal_ok", change).await;
        for invoice in [payable, receivable] {
            refused(&world.pay_by_paypal(&invoice).await, 422, &["amount_out_of_range"]);
            let left = world.invoice(&invoice).await;
            assert_eq!((&left["status"], &left["payments"]), (&json!("approved"), &json!([])), "{currency}");
        }
    }
    let (invoice, _) = world.receivable_with("paypal_ok", json!({ "amount": 50_000, "currency": "HUF" })).await;
    let paid = world.pay_by_paypal(&invoice).await;
    let reference = paid.body["payment_id"].as_str().unwrap();
    refused(&world.refund("r1", reference, json!({ "amount": 150 })).await, 422, &["amount_out_of_range"]);
    assert_eq!(world.payment(reference).await["refundable"], json!(50_000));
    assert!(world.payouts().is_empty() && world.paypal_refunds().is_empty() && world.captures().len() == 1);
}
