//! Webhooks: verified before anything is believed, applied once, in whatever order they come.

use std::sync::Arc;
use std::time::Duration;

use local::stripe::fault::{Fault, Kind};
use local::stripe::{Delivery, RefundsBecome, sign};
use serde_json::json;
use tokio::task::JoinSet;

use crate::faults::books::Books;
use crate::world::{ACCOUNT, TENANT, WEBHOOK_SECRET, World, refused};

/// A payment whose reply was lost, and which nobody has looked up: invoice and payment.
pub async fn lost(world: &World) -> (String, String) {
    let invoice = world.approved(json!({})).await;
    world.stack.stripe.add_fault(Fault::pay(Kind::ReplyLost).times(3));
    world.stack.stripe.add_fault(Fault::look_up(Kind::Status(503, json!({}))).times(100));
    let answer = world.pay(&invoice, json!({})).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    world.stack.stripe.clear_faults();
    (invoice, answer.body["id"].as_str().unwrap().to_owned())
}

fn requests(world: &World) -> usize {
    world.stack.stripe.requests().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_settles_a_payment_once_without_asking_the_gateway() {
    let world = World::new().await;
    let (invoice, payment) = lost(&world).await;
    let event = &world.events(&["payment_intent.succeeded"])[0];
    let before = requests(&world);
    assert_eq!(world.told(event).await, "done");
    assert_eq!(world.told(event).await, "seen");
    assert_eq!(requests(&world), before);
    assert_eq!(world.payment(&payment).await["status"], json!("paid"));
    assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle"]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_can_not_sign_is_refused_in_the_same_words_as_for_a_tenant_that_is_not_there() {
    let world = World::new().await;
    world.tenant("evil", "acct_evil").await;
    let (_, payment) = lost(&world).await;
    let body = world.events(&["payment_intent.succeeded"])[0].to_string().into_bytes();
    let now = world.clock.now();
    let signed = |secret: &str, at| sign(secret, at, &body);
    let good = signed(WEBHOOK_SECRET, now);
    let late = signed(WEBHOOK_SECRET, now.minus(Duration::from_secs(301)));
    let early = signed(WEBHOOK_SECRET, now.plus(Duration::from_secs(301)));
    let other = signed("whsec_CANARY_evil", now);
    let cases = [
        (TENANT, None),
        (TENANT, Some("")),
        (TENANT, Some("t=1,v1=00")),
        (TENANT, Some(late.as_str())),
        (TENANT, Some(early.as_str())),
        // Tenant evil signs an event of acme's with its own secret, or sends acme's to its own endpoint.
        (TENANT, Some(other.as_str())),
        ("evil", Some(good.as_str())),
        ("nobody", Some(good.as_str())),
        ("No-Tenant", Some(good.as_str())),
    ];
    let mut details = std::collections::BTreeSet::new();
    for (tenant, signature) in cases {
        let answer = world.post_webhook(tenant, signature, body.clone()).await;
        refused(&answer, 400, &["signature_invalid"]);
        details.insert(answer.body["detail"].to_string());
    }
    assert_eq!(details.len(), 1);
    let mut changed = body.clone();
    *changed.last_mut().unwrap() = b' ';
    refused(&world.post_webhook(TENANT, Some(&good), changed).await, 400, &["signature_invalid"]);
    assert_eq!(Books::of(&world).await.payments[0].status.as_str(), "processing", "{payment}");
    // An event signed by evil for evil's endpoint that names a payment of acme's is not evil's.
    let answer = world.post_webhook("evil", Some(&other), body.clone()).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("ignored")));
    assert_eq!(Books::of(&world).await.payments[0].status.as_str(), "processing");
    assert_eq!(world.post_webhook(TENANT, Some(&good), body).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_secret_is_rotated_both_are_taken_and_a_new_one_is_found_at_once() {
    let world = World::new().await;
    let (_, payment) = lost(&world).await;
    let body = world.events(&["payment_intent.succeeded"])[0].to_string().into_bytes();
    let signature = sign("whsec_CANARY_new", world.clock.now(), &body);
    refused(&world.post_webhook(TENANT, Some(&signature), body.clone()).await, 400, &["signature_invalid"]);
    let secret = json!({ "account": ACCOUNT, "secret_key": "sk_test_CANARY_acme",
                         "webhook_secrets": [WEBHOOK_SECRET, "whsec_CANARY_new"] });
    world.stack.secrets.put("passerelle/acme/stripe", &secret).unwrap();
    // Not more often than twice a minute.
    world.clock.advance(Duration::from_secs(31));
    for secret in ["whsec_CANARY_new", WEBHOOK_SECRET] {
        let signature = sign(secret, world.clock.now(), &body);
        assert_eq!(world.post_webhook(TENANT, Some(&signature), body.clone()).await.status, 200, "{secret}");
    }
    assert_eq!(world.payment(&payment).await["status"], json!("paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large_or_no_events_are_refused_and_other_paths_are_not_found() {
    let world = World::new().await;
    let now = world.clock.now();
    let large = vec![b' '; 256 * 1024 + 1];
    refused(
        &world.post_webhook(TENANT, Some(&sign(WEBHOOK_SECRET, now, &large)), large).await,
        413,
        &["body_too_large"],
    );
    for body in ["", "[]", "{}", r#"{"id":"evt_1","object":"v2.core.event","type":"a.b","data":{"object":{}}}"#] {
        let signature = sign(WEBHOOK_SECRET, now, body.as_bytes());
        refused(&world.post_webhook(TENANT, Some(&signature), body.into()).await, 400, &["invalid_json"]);
    }
    let answer =
        world.told(&json!({ "id": "evt_1", "object": "event", "type": "new.kind", "data": { "object": {} } })).await;
    assert_eq!(answer, "ignored");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_carries_no_id_of_ours_is_not_ours_and_a_number_that_looks_like_a_card_is_no_reason_to_refuse() {
    let world = World::new().await;
    let intent = json!({ "id": "pi_other", "object": "payment_intent", "amount": 5, "currency": "usd", "status": "succeeded",
                         "metadata": { "order": "4242424242424242" } });
    let event = json!({ "id": "evt_other", "object": "event", "type": "payment_intent.succeeded", "created": 1,
                        "data": { "object": intent } });
    assert_eq!(world.told(&event).await, "ignored");
    assert_eq!(world.alerts().await, [""; 0]);
    assert!(world.items("WEBHOOK_EVENTS_TABLE", "event", "stripe#acme#evt_other").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_ahead_of_the_books_is_asked_for_again_and_an_old_one_calls_a_person() {
    let world = World::new().await;
    let metadata = json!({ "tenant_id": "acme", "payment_id": format!("pay_{}", "a".repeat(26)) });
    let intent = json!({ "id": "pi_1", "object": "payment_intent", "amount": 500, "currency": "usd", "status": "succeeded",
                         "metadata": metadata });
    let event = json!({ "id": "evt_1", "object": "event", "type": "payment_intent.succeeded",
                        "created": world.clock.now().seconds(), "data": { "object": intent } });
    assert_eq!(world.deliver(&event).await.status, 500);
    assert_eq!(world.alerts().await, [""; 0]);
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(world.told(&event).await, "done");
    assert_eq!(world.alerts().await, ["unknown_to_us"]);
    assert_eq!(world.told(&event).await, "seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_differs_from_the_reservation_is_not_applied_and_calls_a_person() {
    for (pointer, value) in [("/amount_received", json!(49_999)), ("/currency", json!("eur"))] {
        let world = World::new().await;
        let (invoice, payment) = lost(&world).await;
        let mut event = world.events(&["payment_intent.succeeded"])[0].clone();
        *event.pointer_mut(&format!("/data/object{pointer}")).unwrap() = value;
        assert_eq!(world.told(&event).await, "done");
        assert_eq!(Books::of(&world).await.payments[0].status.as_str(), "processing", "{payment}");
        assert_eq!(world.alerts().await, ["answer_mismatch"]);
        assert_eq!(world.trail(&invoice).await.len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_failure_does_not_undo_a_payment_and_an_early_one_frees_its_invoice_only_when_no_send_is_open() {
    let world = World::new().await;
    let declined = world.method("pm_card_visa_chargeDeclined", json!({})).await;
    let invoice = world.approved(json!({})).await;
    world.stack.stripe.add_fault(Fault::pay(Kind::ReplyLost).times(3));
    world.stack.stripe.add_fault(Fault::look_up(Kind::Status(503, json!({}))).times(3));
    let answer = world.pay(&invoice, json!({ "payment_method_id": declined })).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    world.stack.stripe.clear_faults();
    let id = answer.body["id"].as_str().unwrap();
    let failed = &world.events(&["payment_intent.payment_failed"])[0];
    assert_eq!(world.deliver(failed).await.status, 500);
    assert_eq!(Books::of(&world).await.payments[0].status.as_str(), "processing", "a send may still be open");
    world.clock.advance(Duration::from_secs(160));
    world.sweep().await;
    assert_eq!(world.payment(id).await["status"], json!("failed"));
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));

    // The event of that failure comes once more, under another id, when another payment has paid the invoice.
    assert_eq!(world.pay(&invoice, json!({})).await.status, 201);
    let again = json!({ "id": "evt_again", "object": "event", "type": "payment_intent.payment_failed",
                        "created": failed["created"], "data": failed["data"] });
    world.told(&again).await;
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_customer_does_later_is_settled_by_the_event() {
    for succeeds in [true, false] {
        let world = World::new().await;
        let waits = world.method("pm_card_authenticationRequired", json!({})).await;
        let invoice = world.approved(json!({})).await;
        let answer = world.pay(&invoice, json!({ "payment_method_id": waits })).await;
        assert_eq!(answer.body["status"], json!("requires_action"), "{}", answer.body);
        world.stack.stripe.authenticate(answer.body["payment_id"].as_str().unwrap(), succeeds);
        let kind = if succeeds { "payment_intent.succeeded" } else { "payment_intent.payment_failed" };
        for event in world.events(&[kind]) {
            world.told(&event).await;
        }
        let status = Books::of(&world).await.payments[0].status;
        // Who holds the client secret may try again.
        assert_eq!(status.as_str(), if succeeds { "paid" } else { "requires_action" });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_takes_days_is_settled_by_the_event() {
    for succeeds in [true, false] {
        let world = World::new().await;
        world.stack.stripe.set_processing(true);
        let invoice = world.approved(json!({})).await;
        let answer = world.pay(&invoice, json!({})).await;
        assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
        world.told(&world.events(&["payment_intent.processing"])[0]).await;
        world.clock.advance(Duration::from_hours(48));
        world.stack.stripe.finish_processing(answer.body["payment_id"].as_str().unwrap(), succeeds);
        for event in world.events(&["payment_intent.succeeded", "payment_intent.payment_failed"]) {
            world.told(&event).await;
        }
        let expected = if succeeds { "paid" } else { "approved" };
        let at_rest = Books::of(&world).await;
        assert_eq!(at_rest.invoices[0].status.as_str(), expected, "{invoice}");
        at_rest.at_rest();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_reported_failed_and_paid_again_by_another_is_paid_twice_when_it_turns_out_to_be_paid() {
    let world = World::new().await;
    let waits = world.method("pm_card_authenticationRequired", json!({})).await;
    let invoice = world.approved(json!({})).await;
    let first = world.pay(&invoice, json!({ "payment_method_id": waits })).await;
    let (id, reference) = (first.body["id"].as_str().unwrap(), first.body["payment_id"].as_str().unwrap());
    world.stack.stripe.authenticate(reference, true);
    // Somebody believed it to be canceled, as after a restore.
    let mut item = world.items("PAYMENTS_TABLE", "tenant_id", TENANT).await.remove(0);
    item.insert("status".to_owned(), aws_sdk_dynamodb::types::AttributeValue::S("canceled".to_owned()));
    for name in ["next_check_at", "unsettled_shard"] {
        item.remove(name);
    }
    let table = &world.stack.tables["PAYMENTS_TABLE"];
    world.stack.dynamodb.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    let mut item = world
        .items("INVOICES_TABLE", "tenant_id", TENANT)
        .await
        .into_iter()
        .find(|i| i["invoice_id"].as_s().unwrap() == &invoice)
        .unwrap();
    item.insert("status".to_owned(), aws_sdk_dynamodb::types::AttributeValue::S("approved".to_owned()));
    item.remove("current");
    let table = &world.stack.tables["INVOICES_TABLE"];
    world.stack.dynamodb.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();

    assert_eq!(world.pay(&invoice, json!({})).await.status, 201);
    let event =
        world.events(&["payment_intent.succeeded"]).into_iter().find(|e| e["data"]["object"]["id"] == json!(reference));
    assert_eq!(world.told(&event.unwrap()).await, "done");
    assert_eq!(world.payment(id).await["status"], json!("paid"));
    assert_eq!(world.alerts().await, ["paid_twice"]);
    let alert = &world.items("ALERTS_TABLE", "tenant_id", TENANT).await[0];
    assert_eq!(alert["payment_id"].as_s().unwrap(), id, "it names the one to refund");
    assert!(alert["message"].as_s().unwrap().contains(&format!("refund {id} of 500.00 USD")));
    // The way out.
    assert_eq!(world.refund("r1", id, json!({ "reason": "duplicate" })).await.status, 201);
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"), "the invoice's own payment stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_was_detached_is_not_used_any_more_and_a_renewed_card_has_its_new_end() {
    let world = World::new().await;
    let methods = world.admin().get("/payment-methods").await.unwrap();
    let reference = world.stack.stripe.requests().iter().rev().find_map(|request| {
        request.path.strip_prefix("/v1/payment_methods/")?.strip_suffix("/attach").map(str::to_owned)
    });
    let events = world.events(&["payment_method.attached"]);
    let method = events[0]["data"]["object"]["id"].as_str().unwrap().to_owned();
    assert!(reference.is_some() && methods.body["items"].as_array().unwrap().len() == 1);
    world.stack.stripe.update_card(&method, 2035);
    assert_eq!(world.told(&world.events(&["payment_method.automatically_updated"])[0]).await, "done");
    let renewed = world.admin().get("/payment-methods").await.unwrap();
    assert_eq!(renewed.body["items"][0]["exp_year"], json!(2035), "{}", renewed.body);
    assert_eq!(renewed.body["items"][0]["default"], json!(true));

    let detached = json!({ "id": "evt_gone", "object": "event", "type": "payment_method.detached", "created": 1,
                           "data": { "object": { "id": method, "object": "payment_method" } } });
    assert_eq!(world.told(&detached).await, "done");
    assert_eq!(world.told(&detached).await, "seen");
    let gone = world.admin().get("/payment-methods").await.unwrap();
    assert_eq!(
        (&gone.body["items"][0]["status"], &gone.body["items"][0]["default"]),
        (&json!("inactive"), &json!(false))
    );
    let invoice = world.approved(json!({})).await;
    refused(&world.pay(&invoice, json!({})).await, 422, &["payment_method_required"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_delivers_by_itself_repeated_and_out_of_order_and_the_books_agree() {
    let world = Arc::new(World::new().await);
    let url = format!("{}/webhooks/stripe/{TENANT}", world.stack.urls.api);
    world.stack.stripe.set_delivery(Delivery { copies: 3, shuffled: true, ..Delivery::default() });
    world.stack.stripe.add_webhook_endpoint(ACCOUNT, &url, WEBHOOK_SECRET);
    let (invoice, payment, reference) = world.paid().await;
    world.stack.stripe.set_refunds(RefundsBecome::Pending);
    let refund = world.refund("r1", &payment, json!({ "amount": 700 })).await;
    world.stack.stripe.finish_refund(refund.body["gateway_refund_id"].as_str().unwrap(), true);
    world.stack.stripe.refund_in_dashboard(&reference, Some(300)).unwrap();
    // Await the last of them.
    let last = world.events(&["charge.refunded"]).pop().unwrap();
    let key = format!("stripe#acme#{}", last["id"].as_str().unwrap());
    for _ in 0..600 {
        let now = world.payment(&payment).await;
        if now["refunded"] == json!(700) && !world.items("WEBHOOK_EVENTS_TABLE", "event", &key).await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let now = world.payment(&payment).await;
    assert_eq!(
        (&now["refunded"], &now["refundable"]),
        (&json!(700), &json!(49_000)),
        "the one in the dashboard is pending"
    );
    assert_eq!(world.trail(&invoice).await.iter().filter(|action| *action == "settle").count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_deliveries_at_once_of_one_event_are_one() {
    let world = Arc::new(World::new().await);
    let (invoice, _) = lost(&world).await;
    let event = world.events(&["payment_intent.succeeded"])[0].clone();
    let mut deliveries = JoinSet::new();
    for _ in 0..10 {
        let (world, event) = (world.clone(), event.clone());
        deliveries.spawn(async move { world.deliver(&event).await.status });
    }
    assert_eq!(deliveries.join_all().await, [200; 10]);
    assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle"]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_races_with_the_reply_and_the_payment_is_settled_once() {
    let world = Arc::new(World::with(|options| options.gateway_timeout = Some(Duration::from_secs(10))).await);
    let url = format!("{}/webhooks/stripe/{TENANT}", world.stack.urls.api);
    world.stack.stripe.add_webhook_endpoint(ACCOUNT, &url, WEBHOOK_SECRET);
    // The event arrives long before the reply.
    world.stack.stripe.add_fault(Fault::pay(Kind::Slow(400)));
    let invoice = world.approved(json!({})).await;
    let answer = world.pay(&invoice, json!({})).await;
    assert_eq!((answer.status, &answer.body["status"]), (201, &json!("paid")), "{}", answer.body);
    assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle"]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_is_told_while_a_send_may_be_open_is_applied_minutes_later_not_a_day() {
    let world = World::new().await;
    let (_, payment, _) = world.paid().await;
    world.stack.stripe.set_refunds(RefundsBecome::Pending);
    let refund = world.refund("r1", &payment, json!({ "amount": 400 })).await;
    world.stack.stripe.finish_refund(refund.body["gateway_refund_id"].as_str().unwrap(), false);
    world.stack.stripe.set_processing(true);
    let invoice = world.approved(json!({})).await;
    let paying = world.pay(&invoice, json!({})).await;
    world.stack.stripe.finish_processing(paying.body["payment_id"].as_str().unwrap(), false);
    world.clock.advance(Duration::from_secs(60));
    for event in world.events(&["refund.failed", "payment_intent.payment_failed"]) {
        assert_eq!(world.deliver(&event).await.status, 500, "it is wanted again");
    }
    let books = Books::of(&world).await;
    assert_eq!(books.refunds[0].status.as_str(), "processing");
    world.clock.advance(Duration::from_secs(100));
    world.sweep().await;
    let books = Books::of(&world).await;
    assert_eq!(books.refunds[0].status.as_str(), "failed");
    assert!(books.invoices.iter().any(|one| one.invoice_id.as_str() == invoice && one.status.as_str() == "approved"));
    books.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_about_another_account_waits_until_that_accounts_secret_is_back() {
    let world = World::new().await;
    let (_, payment, reference) = world.paid().await;
    world.stack.stripe.open_dispute(&reference, "general").unwrap();
    world.stack.stripe.refund_in_dashboard(&world.paid().await.2, Some(5)).unwrap();
    let secret = |account: &str, key: &str| json!({ "account": account, "secret_key": key, "webhook_secrets": [WEBHOOK_SECRET] });
    world.stack.stripe.add_account("acct_other", "sk_test_CANARY_other");
    world.stack.secrets.put("passerelle/acme/stripe", &secret("acct_other", "sk_test_CANARY_other")).unwrap();
    world.clock.advance(Duration::from_mins(6));
    let events = world.events(&["charge.dispute.created", "charge.refunded"]);
    for event in &events {
        assert_eq!(world.deliver(event).await.status, 500, "{}", event["type"]);
    }
    assert_eq!(world.alerts().await, ["account_changed", "account_changed"]);
    world.stack.secrets.put("passerelle/acme/stripe", &secret(ACCOUNT, "sk_test_CANARY_acme")).unwrap();
    world.clock.advance(Duration::from_mins(6));
    for event in &events {
        assert_eq!(world.told(event).await, "done");
    }
    assert_eq!(world.payment(&payment).await["disputed"], json!(true));
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_rotated_since_it_was_cached_is_found_anew_for_an_event() {
    let world = World::new().await;
    let (_, payment, reference) = world.paid().await;
    world.stack.stripe.refund_in_dashboard(&reference, Some(700)).unwrap();
    world.clock.advance(Duration::from_secs(31));
    world.stack.stripe.revoke_key("sk_test_CANARY_acme");
    world.stack.stripe.add_account(ACCOUNT, "sk_test_CANARY_rotated");
    let secret =
        json!({ "account": ACCOUNT, "secret_key": "sk_test_CANARY_rotated", "webhook_secrets": [WEBHOOK_SECRET] });
    world.stack.secrets.put("passerelle/acme/stripe", &secret).unwrap();
    assert_eq!(world.told(&world.events(&["charge.refunded"])[0]).await, "done");
    assert_eq!(world.payment(&payment).await["refunded"], json!(700));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_can_never_be_applied_calls_the_operator_and_is_still_wanted() {
    let world = World::new().await;
    let (_, _, reference) = world.paid().await;
    world.stack.stripe.open_dispute(&reference, "general").unwrap();
    let event = &world.events(&["charge.dispute.created"])[0];
    let refused = json!({ "error": { "type": "invalid_request_error", "code": "more_permissions_required" } });
    let fault = Fault { path: "/v1/disputes".to_owned(), ..Fault::look_up(Kind::Status(403, refused)) };
    world.stack.stripe.add_fault(fault.times(10));
    assert_eq!(world.deliver(event).await.status, 500);
    assert_eq!(world.alerts().await, [""; 0]);
    world.clock.advance(Duration::from_hours(2));
    assert_eq!(world.deliver(event).await.status, 500);
    assert_eq!(world.alerts().await, ["event_not_applied"]);
    world.stack.stripe.clear_faults();
    assert_eq!(world.told(event).await, "done");
}
