//! Orders that wait for their customer at PayPal: captured once they are approved, and never after they were given up.

use std::time::Duration;

use local::paypal::fault::{Fault, Kind};
use reqwest::Method;
use serde_json::json;
use shared::id::PaymentId;

use super::both;
use crate::world::{ADMIN, TENANT, World};

/// An order that waits for its customer, under the id of the payment that is to be made: PayPal answers with it.
async fn order_that_waits(world: &World, payment: &str) -> String {
    let context = json!({ "return_url": "https://example.com/a", "cancel_url": "https://example.com/b" });
    let order = json!({
        "intent": "CAPTURE", "payment_source": { "paypal": { "experience_context": context } },
        "purchase_units": [{ "reference_id": "default", "amount": { "currency_code": "USD", "value": "500.00" },
                             "custom_id": payment, "invoice_id": payment }],
    });
    let made = world.at_paypal(Method::POST, "/v2/checkout/orders", payment, &order).await;
    made["id"].as_str().unwrap().to_owned()
}

/// A payment that waits for its customer: the invoice, our payment, PayPal's order.
pub async fn pay_what_waits(world: &World) -> (String, String, String) {
    pay_what_waits_as(world, "k1").await
}

/// The same, under another key.
pub async fn pay_what_waits_as(world: &World, key: &str) -> (String, String, String) {
    let (invoice, _) = world.receivable_of("paypal_ok").await;
    let payment = PaymentId::keyed(&TENANT.parse().unwrap(), key).to_string();
    let order = order_that_waits(world, &payment).await;
    let body = json!({ "invoice_id": invoice, "payment_method": "paypal" });
    let answer = world.user(ADMIN).send(Method::POST, "/payments", Some(key), Some(&body)).await.unwrap();
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("requires_action")), "{}", answer.body);
    assert_eq!(answer.body["next_action"]["type"], json!("paypal_approve"));
    assert!(answer.body["next_action"]["approval_url"].is_string(), "{}", answer.body);
    assert_eq!(answer.body["id"], json!(payment));
    (invoice, payment, order)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_its_customer_approves_is_captured_once() {
    let world = World::with_paypal().await;
    let (invoice, payment, order) = pay_what_waits(&world).await;
    world.clock.advance(Duration::from_hours(2));
    assert!(world.stack.paypal.approve_order(&order, "paypal_ok"));
    assert_eq!(world.paypal_told("CHECKOUT.ORDER.APPROVED").await, "done");
    assert_eq!(world.standing(&invoice, &payment).await, both("paid", "paid"));
    assert_eq!(world.paypal_told("CHECKOUT.ORDER.APPROVED").await, "seen");
    assert_eq!(world.captures().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_a_payment_that_waits_gets_the_link_again_and_captures_what_was_approved_unheard() {
    let world = World::with_paypal().await;
    let (invoice, payment, order) = pay_what_waits(&world).await;
    world.clock.advance(Duration::from_mins(10));
    let waits = world.payment(&payment).await;
    assert!(waits["next_action"]["approval_url"].as_str().unwrap().contains(&order), "{waits}");
    assert!(world.stack.paypal.approve_order(&order, "paypal_ok"));
    assert_eq!(world.standing(&invoice, &payment).await, both("paid", "paid"));
    assert_eq!(world.captures().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_nobody_approves_is_given_up_after_a_day_and_never_captured() {
    let world = World::with_paypal().await;
    let (invoice, payment, order) = pay_what_waits(&world).await;
    world.clock.advance(Duration::from_hours(25));
    world.sweep().await;
    assert_eq!(world.standing(&invoice, &payment).await, both("canceled", "approved"));
    // Nor does PayPal know the order any more.
    assert!(!world.stack.paypal.approve_order(&order, "paypal_ok"));
    assert!(world.captures().is_empty() && world.posts(&format!("/v2/checkout/orders/{order}/capture")) == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_is_captured_even_if_nobody_heard_of_it_for_a_day() {
    let world = World::with_paypal().await;
    let (invoice, payment, order) = pay_what_waits(&world).await;
    world.clock.advance(Duration::from_hours(2));
    // Neither the event nor a sweep arrives in time.
    assert!(world.stack.paypal.approve_order(&order, "paypal_ok"));
    world.clock.advance(Duration::from_hours(23));
    world.sweep().await;
    assert_eq!(world.standing(&invoice, &payment).await, both("paid", "paid"));
    assert_eq!(world.paypal_told("CHECKOUT.ORDER.APPROVED").await, "done");
    assert_eq!(world.captures().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_must_act_is_sent_to_paypal_where_it_says_so_and_asked_for_another_method_where_it_does_not() {
    let world = World::with_paypal().await;
    let (invoice, _) = world.receivable_of("paypal_PAYER_ACTION_REQUIRED").await;
    let answer = world.pay_by_paypal(&invoice).await;
    assert_eq!((answer.status, answer.code()), (402, "payment_method_invalid"), "{}", answer.body);
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));

    let link = json!({ "rel": "payer-action", "href": "https://www.paypal.com/agreements/approve?ba_token=BA-1" });
    let refusal = json!({ "name": "UNPROCESSABLE_ENTITY", "message": "…", "links": [link],
                          "details": [{ "issue": "PAYER_ACTION_REQUIRED" }] });
    world.stack.paypal.add_fault(Fault::order(Kind::Status(422, refusal)));
    let (invoice, _) = world.receivable_of("paypal_ok").await;
    let answer = world.pay_by_paypal(&invoice).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("requires_action")), "{}", answer.body);
    assert_eq!(answer.body["next_action"]["approval_url"], link["href"]);
    let payment = answer.body["id"].as_str().unwrap();
    // There is no order that could be gone on with: nothing is ever charged for it.
    world.clock.advance(Duration::from_hours(1));
    world.sweep().await;
    assert_eq!(world.standing(&invoice, payment).await, both("requires_action", "paying"));
    world.clock.advance(Duration::from_hours(24));
    world.sweep().await;
    assert_eq!(world.standing(&invoice, payment).await, both("canceled", "approved"));
    assert!(world.captures().is_empty());
}
