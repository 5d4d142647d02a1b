//! Disputes of captures, as PayPal lists them.

use local::paypal::fault::{Fault, Kind};
use serde_json::json;

use super::both;
use crate::world::{World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn an_inquiry_calls_a_person_and_a_claim_stops_refunds_until_it_is_won() {
    let world = World::with_paypal().await;
    let (invoice, payment, capture) = world.paid_by_paypal("paypal_ok").await;
    let dispute = world.stack.paypal.open_dispute(&capture, "MERCHANDISE_OR_SERVICE_NOT_RECEIVED").unwrap();
    assert_eq!(world.paypal_told("CUSTOMER.DISPUTE.CREATED").await, "done");
    let alert = world.admin().get("/alerts").await.unwrap().body["items"][0].clone();
    assert!(alert["message"].as_str().unwrap().ends_with("the payer, or the payer's bank, asks about it."), "{alert}");
    assert_eq!(alert["kind"], json!("disputed"));
    assert_eq!(world.payment(&payment).await["disputed"], json!(false), "payer and seller talk about it so far");

    assert!(world.stack.paypal.escalate_dispute(&dispute));
    assert_eq!(world.paypal_told("CUSTOMER.DISPUTE.UPDATED").await, "done");
    assert_eq!(world.payment(&payment).await["disputed"], json!(true));
    assert_eq!(world.invoice(&invoice).await["disputed"], json!(true));
    refused(&world.refund("r1", &capture, json!({})).await, 409, &["not_refundable"]);

    assert!(world.stack.paypal.resolve_dispute(&dispute, true));
    assert_eq!(world.paypal_told("CUSTOMER.DISPUTE.RESOLVED").await, "done");
    assert_eq!(world.payment(&payment).await["disputed"], json!(false));
    assert_eq!(world.standing(&invoice, &payment).await, both("paid", "paid"));
    assert_eq!(world.refund("r2", &capture, json!({})).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_dispute_takes_the_payment_back_once_whatever_tells_of_it_first() {
    let world = World::with_paypal().await;
    let told = ["CUSTOMER.DISPUTE.RESOLVED", "PAYMENT.CAPTURE.REVERSED"];
    for kinds in [told, [told[1], told[0]]] {
        let (invoice, payment, capture) = world.paid_by_paypal("paypal_ok").await;
        let dispute = world.stack.paypal.open_dispute(&capture, "UNAUTHORISED").unwrap();
        assert_eq!(world.paypal_told("CUSTOMER.DISPUTE.CREATED").await, "done");
        assert_eq!(world.payment(&payment).await["disputed"], json!(true));
        assert!(world.stack.paypal.resolve_dispute(&dispute, false));
        for kind in kinds {
            assert_eq!(world.paypal_told(kind).await, "done");
            assert_eq!(world.standing(&invoice, &payment).await, both("returned", "approved"), "{kind}");
        }
        assert_eq!(world.payment(&payment).await["disputed"], json!(false));
        let again = world.pay_by_paypal(&invoice).await;
        assert_eq!(again.status, 201, "{}", again.body);
    }
    let alerts = world.alerts().await;
    assert_eq!(alerts, ["disputed", "disputed", "returned", "returned"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_that_paypal_does_not_list_yet_is_asked_for_again() {
    let world = World::with_paypal().await;
    let (_, payment, capture) = world.paid_by_paypal("paypal_ok").await;
    world.stack.paypal.open_dispute(&capture, "UNAUTHORISED").unwrap();
    let behind = Kind::Status(200, json!({ "items": [], "links": [] }));
    world.stack.paypal.add_fault(Fault::new(behind, "GET", "/v1/customer/disputes"));
    let event = world.paypal_events(&["CUSTOMER.DISPUTE.CREATED"]).pop().unwrap();
    assert_eq!(world.paypal_tells(&event).await.status, 500);
    assert_eq!(world.payment(&payment).await["disputed"], json!(false));
    assert_eq!(world.paypal_told("CUSTOMER.DISPUTE.CREATED").await, "done");
    assert_eq!(world.payment(&payment).await["disputed"], json!(true));
}
