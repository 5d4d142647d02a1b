//! What becomes of a payment after it was paid: refunds from the dashboard, refunds that fail or live, disputes, reversed
//! transfers; told by events, in whatever order.

use std::time::Duration;

use local::stripe::RefundsBecome;
use local::stripe::fault::{Fault, Kind};
use serde_json::{Value, json};

use crate::faults::books::Books;
use crate::webhooks::lost;
use crate::world::{ACCOUNT, TENANT, World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn refunds_from_the_dashboard_become_records_and_the_running_total_is_not_read_as_an_amount() {
    let world = World::new().await;
    let (invoice, payment, reference) = world.paid().await;
    assert_eq!(world.refund("r1", &payment, json!({ "amount": 1_000 })).await.status, 201);
    world.stack.stripe.refund_in_dashboard(&reference, Some(2_000)).unwrap();
    world.stack.stripe.refund_in_dashboard(&reference, Some(3_000)).unwrap();
    let events = world.events(&["charge.refunded"]);
    assert_eq!(events.len(), 3);
    // The last one first: it tells 6000, and lists all three.
    for event in events.iter().rev() {
        world.told(event).await;
    }
    let now = world.payment(&payment).await;
    assert_eq!(
        (&now["status"], &now["refunded"], &now["refundable"]),
        (&json!("partially_refunded"), &json!(6_000), &json!(44_000))
    );
    let list = world.admin().get(&format!("/refunds?payment_id={payment}")).await.unwrap();
    let external = list.body["items"].as_array().unwrap().iter().filter(|item| item["external"] == json!(true)).count();
    assert_eq!(external, 2);
    // One entry for each refund that was found, none for an event that told nothing new.
    assert_eq!(world.trail(&invoice).await[4..], ["refund", "settle", "refund", "refund"]);
    refused(&world.refund("r2", &payment, json!({ "amount": 44_001 })).await, 409, &["refund_exceeds_remaining"]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_total_tells_before_the_list_shows_it_can_not_be_refunded_again() {
    let world = World::new().await;
    let (_, payment, reference) = world.paid().await;
    world.stack.stripe.refund_in_dashboard(&reference, Some(2_000)).unwrap();
    let empty = json!({ "object": "list", "data": [], "has_more": false, "url": "/v1/refunds" });
    let behind = Fault { path: "/v1/refunds".to_owned(), ..Fault::look_up(Kind::Status(200, empty)) };
    world.stack.stripe.add_fault(behind.times(2));
    world.told(&world.events(&["charge.refunded"])[0]).await;
    let now = world.payment(&payment).await;
    assert_eq!((&now["status"], &now["refundable"]), (&json!("partially_refunded"), &json!(48_000)));
    // It is a total, not one more amount.
    world.stack.stripe.refund_in_dashboard(&reference, Some(1_000)).unwrap();
    world.told(&world.events(&["charge.refunded"])[1]).await;
    assert_eq!(world.payment(&payment).await["refundable"], json!(47_000));
    // Then the list shows both: the same money, not more.
    world.told(&world.events(&["refund.created"])[0]).await;
    let now = world.payment(&payment).await;
    assert_eq!(
        (&now["status"], &now["refundable"], &now["refunded"]),
        (&json!("partially_refunded"), &json!(47_000), &json!(3_000))
    );
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_fails_later_comes_off_again_and_calls_a_person() {
    let world = World::new().await;
    let (invoice, payment, _) = world.paid().await;
    let refund = world.refund("r1", &payment, json!({})).await;
    assert_eq!(world.invoice(&invoice).await["status"], json!("refunded"));
    world.stack.stripe.finish_refund(refund.body["gateway_refund_id"].as_str().unwrap(), false);
    for event in world.events(&["refund.failed", "refund.created", "refund.updated", "charge.refunded"]) {
        world.told(&event).await;
    }
    let now = world.payment(&payment).await;
    assert_eq!((&now["status"], &now["refundable"]), (&json!("paid"), &json!(50_000)));
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    assert_eq!(world.alerts().await, ["refund_came_back"]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_stops_refunds_and_a_lost_one_takes_the_payment_back() {
    for (won, reversed_order) in [(true, false), (true, true), (false, false), (false, true)] {
        let world = World::new().await;
        let (invoice, payment, reference) = world.paid().await;
        let dispute = world.stack.stripe.open_dispute(&reference, "fraudulent").unwrap();
        let created = world.events(&["charge.dispute.created"]);
        if !reversed_order {
            world.told(&created[0]).await;
            assert_eq!(world.invoice(&invoice).await["disputed"], json!(true));
            assert_eq!(world.alerts().await, ["disputed"]);
            refused(&world.refund("r1", &payment, json!({})).await, 409, &["not_refundable"]);
        }
        world.stack.stripe.close_dispute(&dispute, won);
        world.told(&world.events(&["charge.dispute.closed"])[0]).await;
        world.told(&created[0]).await;
        let now = world.invoice(&invoice).await;
        assert_eq!(now["disputed"], json!(false), "won: {won}, reversed: {reversed_order}");
        assert_eq!(now["status"], json!(if won { "paid" } else { "approved" }));
        assert_eq!(world.payment(&payment).await["status"], json!(if won { "paid" } else { "returned" }));
        let alerts = world.alerts().await;
        assert_eq!(alerts.contains(&"returned".to_owned()), !won, "{alerts:?}");
        let book = Books::of(&world).await;
        book.at_rest();
        if !won {
            assert_eq!(world.pay(&invoice, json!({})).await.status, 201, "it is to be paid again");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_dispute_after_a_refund_leaves_the_invoice_to_a_person() {
    let world = World::new().await;
    let (invoice, payment, reference) = world.paid().await;
    assert_eq!(world.refund("r1", &payment, json!({ "amount": 100 })).await.status, 201);
    let dispute = world.stack.stripe.open_dispute(&reference, "general").unwrap();
    world.stack.stripe.close_dispute(&dispute, false);
    world.told(&world.events(&["charge.dispute.closed"])[0]).await;
    assert_eq!(world.payment(&payment).await["status"], json!("returned"));
    assert_eq!(world.invoice(&invoice).await["status"], json!("partially_refunded"));
    assert!(world.alerts().await.contains(&"returned_after_refund".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_or_dispute_that_arrives_while_we_are_still_processing_applies_all_that_it_implies() {
    for dispute in [true, false] {
        let world = World::new().await;
        let (invoice, payment) = lost(&world).await;
        let reference = world.stack.stripe.books(ACCOUNT)[0].id.clone();
        let kind = if dispute {
            world.stack.stripe.open_dispute(&reference, "general").unwrap();
            "charge.dispute.created"
        } else {
            world.stack.stripe.refund_in_dashboard(&reference, Some(700)).unwrap();
            "charge.refunded"
        };
        assert_eq!(world.told(&world.events(&[kind])[0]).await, "done");
        let now = world.payment(&payment).await;
        let expected = if dispute { ("paid", true) } else { ("partially_refunded", false) };
        assert_eq!((now["status"].as_str().unwrap(), now["disputed"].as_bool().unwrap()), expected);
        let last = if dispute { "dispute" } else { "refund" };
        assert_eq!(world.trail(&invoice).await[3..], ["settle", last]);
        Books::of(&world).await.at_rest();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_processing_fails_is_processed_on_redelivery() {
    let world = World::new().await;
    let (_, payment, reference) = world.paid().await;
    world.stack.stripe.refund_in_dashboard(&reference, Some(700)).unwrap();
    let event = &world.events(&["charge.refunded"])[0];
    let down = Fault { path: "/v1/refunds".to_owned(), ..Fault::look_up(Kind::Status(503, json!({}))) };
    world.stack.stripe.add_fault(down);
    assert_eq!(world.deliver(event).await.status, 500);
    assert_eq!(world.payment(&payment).await["refunded"], json!(0));
    assert_eq!(world.told(event).await, "done");
    assert_eq!(world.payment(&payment).await["refunded"], json!(700));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_is_reversed_without_a_refund_of_ours_calls_a_person() {
    let world = World::new().await;
    let (_, payment, reference) = world.paid().await;
    let transfer = |reversed: i64, id: &str| {
        json!({ "id": id, "object": "event", "type": "transfer.reversed", "created": 1, "data": { "object": {
            "id": "tr_1", "object": "transfer", "amount": 50_000, "amount_reversed": reversed, "currency": "usd",
            "transfer_group": format!("group_{reference}"), "metadata": {} } } })
    };
    assert_eq!(world.refund("r1", &payment, json!({ "amount": 700 })).await.status, 201);
    assert_eq!(world.told(&transfer(700, "evt_1")).await, "done");
    assert_eq!(world.alerts().await, [""; 0]);
    assert_eq!(world.told(&transfer(800, "evt_2")).await, "done");
    assert_eq!(world.alerts().await, ["transfer_reversed"]);
}

/// Makes a refund at Stripe as the bundle would, as if a request of ours had arrived late.
async fn arrives_late(world: &World, reference: &str, refund: &Value) {
    let text = |name: &str| refund[name].as_str().unwrap().to_owned();
    let form = [
        ("payment_intent", reference.to_owned()),
        ("amount", refund["amount"].to_string()),
        ("metadata[tenant_id]", TENANT.to_owned()),
        ("metadata[invoice_id]", text("invoice_id")),
        ("metadata[payment_id]", text("payment_id")),
        ("metadata[refund_id]", text("id")),
    ];
    let url = format!("{}/v1/refunds", world.stack.urls.stripe);
    let sent = world.stack.http.post(url).bearer_auth("sk_test_CANARY_acme").form(&form).send().await.unwrap();
    assert_eq!(sent.status(), 200);
}

fn on_refund(kind: Kind) -> Fault {
    Fault { path: "/v1/refunds".to_owned(), ..Fault::pay(kind) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_a_person_gave_up_and_that_lives_is_followed_again_and_calls_somebody() {
    let world = World::new().await;
    let (_, payment, reference) = world.paid().await;
    world.stack.stripe.add_fault(on_refund(Kind::NothingReached).times(3));
    let refund = world.refund("r1", &payment, json!({ "amount": 400 })).await;
    world.clock.advance(Duration::from_hours(25));
    let word = json!({ "outcome": "not_executed", "note": "not in the dashboard" });
    let path = format!("/refunds/{}", refund.body["id"].as_str().unwrap());
    assert_eq!(world.admin().post(&format!("{path}/resolve"), &word).await.unwrap().status, 200);
    assert_eq!(world.payment(&payment).await["refundable"], json!(50_000));

    world.stack.stripe.set_refunds(RefundsBecome::Pending);
    arrives_late(&world, &reference, &refund.body).await;
    world.told(&world.events(&["refund.created"])[0]).await;
    assert_eq!(world.payment(&payment).await["refundable"], json!(49_600));
    assert!(world.alerts().await.contains(&"refund_executed_after_all".to_owned()));
    let at_stripe = world.stack.stripe.refunds(ACCOUNT)[0].id.clone();
    world.stack.stripe.finish_refund(&at_stripe, true);
    world.clock.advance(Duration::from_hours(25));
    world.sweep().await;
    assert_eq!(world.admin().get(&path).await.unwrap().body["status"], json!("succeeded"));
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_behind_its_event_is_asked_for_again() {
    let world = World::new().await;
    let (invoice, payment, reference) = world.paid().await;
    let refund = world.refund("r1", &payment, json!({ "amount": 400 })).await;
    let dispute = world.stack.stripe.open_dispute(&reference, "general").unwrap();
    let behind = |path: &str, data: Value| {
        let list = json!({ "object": "list", "data": data, "has_more": false, "url": path });
        Fault { path: path.to_owned(), ..Fault::look_up(Kind::Status(200, list)) }
    };
    let before = world.events(&["refund.created"])[0]["data"]["object"].clone();
    world.stack.stripe.finish_refund(refund.body["gateway_refund_id"].as_str().unwrap(), false);
    let failed = &world.events(&["refund.failed"])[0];
    world.stack.stripe.add_fault(behind("/v1/refunds", json!([before])));
    assert_eq!(world.deliver(failed).await.status, 500);
    assert_eq!(world.told(failed).await, "done");
    assert_eq!(world.payment(&payment).await["refunded"], json!(0));

    let created = &world.events(&["charge.dispute.created"])[0];
    world.stack.stripe.add_fault(behind("/v1/disputes", json!([])));
    assert_eq!(world.deliver(created).await.status, 500);
    assert_eq!(world.told(created).await, "done");
    world.stack.stripe.close_dispute(&dispute, true);
    let closed = &world.events(&["charge.dispute.closed"])[0];
    world.stack.stripe.add_fault(behind("/v1/disputes", json!([created["data"]["object"]])));
    assert_eq!(world.deliver(closed).await.status, 500);
    assert_eq!(world.told(closed).await, "done");
    assert_eq!(world.invoice(&invoice).await["disputed"], json!(false));
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_carries_the_mark_of_another_payments_refund_is_not_taken_for_it() {
    let world = World::new().await;
    let (_, one, _) = world.paid().await;
    let (_, two, reference) = world.paid().await;
    let refund = world.refund("r1", &one, json!({ "amount": 400 })).await;
    // In the dashboard somebody copies the marks.
    arrives_late(&world, &reference, &refund.body).await;
    for event in world.events(&["charge.refunded"]) {
        world.told(&event).await;
    }
    for payment in [one, two] {
        let now = world.payment(&payment).await;
        assert_eq!((&now["refunded"], &now["refundable"]), (&json!(400), &json!(49_600)));
    }
    assert!(world.alerts().await.contains(&"unknown_to_us".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_with_more_refunds_than_one_read_takes_is_followed_all_the_same() {
    let world = World::new().await;
    let (_, payment, reference) = world.paid().await;
    for _ in 0..130 {
        world.stack.stripe.refund_in_dashboard(&reference, Some(10)).unwrap();
    }
    let last = world.events(&["charge.refunded"]).pop().unwrap();
    assert_eq!(world.told(&last).await, "done");
    assert_eq!(world.payment(&payment).await["refunded"], json!(1_300));
    assert_eq!(world.told(&world.events(&["charge.refunded"])[0]).await, "done");
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inquiry_calls_somebody_without_stopping_refunds_and_calls_again_when_it_becomes_a_dispute() {
    let world = World::new().await;
    let (invoice, payment, reference) = world.paid().await;
    world.stack.stripe.open_dispute(&reference, "general").unwrap();
    let created = &world.events(&["charge.dispute.created"])[0];
    let mut inquiry = created["data"]["object"].clone();
    inquiry["status"] = json!("warning_needs_response");
    let list = json!({ "object": "list", "data": [inquiry], "has_more": false, "url": "/v1/disputes" });
    world.stack.stripe.add_fault(Fault { path: "/v1/disputes".to_owned(), ..Fault::look_up(Kind::Status(200, list)) });
    assert_eq!(world.told(created).await, "done");
    assert_eq!(world.invoice(&invoice).await["disputed"], json!(false));
    let alerts = Books::of(&world).await.alerts;
    assert_eq!((alerts.len(), alerts[0].kind.as_str(), alerts[0].count), (1, "disputed", 1));
    let escalated = json!({ "id": "evt_escalated", "object": "event", "type": "charge.dispute.updated",
                            "created": created["created"], "data": created["data"] });
    assert_eq!(world.told(&escalated).await, "done");
    assert_eq!(world.payment(&payment).await["disputed"], json!(true));
    assert_eq!(Books::of(&world).await.alerts[0].count, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_whose_marks_were_taken_off_is_still_the_same_refund() {
    let world = World::new().await;
    let (_, payment, reference) = world.paid().await;
    let refund = world.refund("r1", &payment, json!({ "amount": 400 })).await;
    let created = world.events(&["refund.created"]).remove(0);
    let mut bare = created["data"]["object"].clone();
    bare["metadata"] = json!({});
    let list = json!({ "object": "list", "data": [bare], "has_more": false, "url": "/v1/refunds" });
    world.stack.stripe.add_fault(Fault { path: "/v1/refunds".to_owned(), ..Fault::look_up(Kind::Status(200, list)) });
    let updated = json!({ "id": "evt_bare", "object": "event", "type": "refund.updated", "created": created["created"],
                          "data": { "object": bare } });
    assert_eq!(bare["payment_intent"], json!(reference));
    assert_eq!(world.told(&updated).await, "done");
    assert_eq!(world.payment(&payment).await["refunded"], json!(400));
    let list = world.admin().get("/refunds").await.unwrap();
    assert_eq!(list.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(list.body["items"][0]["id"], refund.body["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_total_that_can_not_be_is_not_believed() {
    for (amount, currency) in [(50_001, "usd"), (i64::MAX, "usd"), (700, "eur")] {
        let world = World::new().await;
        let (_, payment, reference) = world.paid().await;
        let charge = json!({ "id": "ch_1", "object": "charge", "amount_refunded": amount, "currency": currency,
                             "payment_intent": reference, "metadata": {} });
        let event = json!({ "id": "evt_total", "object": "event", "type": "charge.refunded", "created": 1,
                            "data": { "object": charge } });
        assert_eq!(world.told(&event).await, "done");
        assert_eq!(world.payment(&payment).await["refundable"], json!(50_000), "{amount} {currency}");
        assert_eq!(world.alerts().await, ["answer_mismatch"]);
    }
}
