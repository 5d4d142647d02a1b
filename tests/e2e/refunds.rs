//! Refunds: the amount is taken before the gateway is called, and given back when nothing went back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use local::stripe::RefundsBecome;
use local::stripe::fault::{Fault, Kind};
use serde_json::{Value, json};
use shared::clock::Clock;
use tokio::task::JoinSet;

use crate::faults::books::Books;
use crate::world::{ACCOUNT, ADMIN, World, refused};

/// Of the next refund.
fn on_refund(kind: Kind) -> Fault {
    Fault { path: "/v1/refunds".to_owned(), ..Fault::pay(kind) }
}

/// Of the next look-up of refunds.
fn on_list(kind: Kind) -> Fault {
    Fault { path: "/v1/refunds".to_owned(), ..Fault::look_up(kind) }
}

fn at_stripe(world: &World) -> Vec<(i64, String)> {
    world.stack.stripe.refunds(ACCOUNT).into_iter().map(|refund| (refund.amount, refund.status)).collect()
}

async fn read(world: &World, id: &Value) -> Value {
    world.admin().get(&format!("/refunds/{}", id.as_str().unwrap())).await.unwrap().body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_goes_back_in_parts_and_payment_and_invoice_follow() {
    let world = World::new().await;
    let (invoice, payment, reference) = world.paid().await;
    let part = world.refund("r1", &reference, json!({ "amount": 12_500, "reason": "requested_by_customer" })).await;
    assert_eq!(part.status, 201, "{}", part.body);
    let expected = json!({ "payment_id": payment, "gateway_payment_id": reference, "invoice_id": invoice, "amount": 12_500,
                           "currency": "USD", "status": "succeeded", "reason": "requested_by_customer" });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&part.body[name], value, "{name} in {}", part.body);
    }
    let at_gateway = &world.stack.stripe.refunds(ACCOUNT)[0];
    assert_eq!(part.body["gateway_refund_id"], json!(at_gateway.id));
    assert_eq!(at_gateway.reason.as_deref(), Some("requested_by_customer"));
    let now = world.payment(&payment).await;
    assert_eq!(
        (&now["status"], &now["refundable"], &now["refunded"]),
        (&json!("partially_refunded"), &json!(37_500), &json!(12_500))
    );
    assert_eq!(world.invoice(&invoice).await["status"], json!("partially_refunded"));

    // Without an amount: all that is left.
    let rest = world.refund("r2", &payment, json!({ "invoice_id": invoice, "payment_method": "stripe" })).await;
    assert_eq!((rest.status, &rest.body["amount"]), (201, &json!(37_500)), "{}", rest.body);
    assert_eq!(world.payment(&payment).await["status"], json!("refunded"));
    assert_eq!(world.invoice(&invoice).await["status"], json!("refunded"));
    assert_eq!(world.trail(&invoice).await[3..], ["settle", "refund", "settle", "refund", "settle"]);

    let list = world.admin().get(&format!("/refunds?payment_id={reference}")).await.unwrap();
    let ids: Vec<&Value> = list.body["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
    assert_eq!(ids.len(), 2, "{}", list.body);
    assert!(ids.contains(&&part.body["id"]) && ids.contains(&&rest.body["id"]));
    assert_eq!(read(&world, &part.body["gateway_refund_id"]).await["id"], part.body["id"]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_again_is_the_same_refund_and_another_under_its_key_is_refused() {
    let world = World::new().await;
    let (_, payment, _) = world.paid().await;
    let first = world.refund("r1", &payment, json!({ "amount": 100 })).await;
    let again = world.refund("r1", &payment, json!({ "amount": 100 })).await;
    assert_eq!((again.status, &again.body["id"]), (200, &first.body["id"]));
    assert!(again.headers.contains_key("idempotent-replayed"));
    refused(&world.refund("r1", &payment, json!({ "amount": 101 })).await, 422, &["idempotency_key_reused"]);
    assert_eq!(at_stripe(&world), [(100, "succeeded".to_owned())]);
    let none = world.admin().post("/refunds", &json!({ "payment_id": payment })).await.unwrap();
    refused(&none, 400, &["idempotency_key_required"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_claims_is_checked_against_the_record() {
    let world = World::new().await;
    let (invoice, payment, reference) = world.paid().await;
    let other = world.approved(json!({})).await;
    let answer = world
        .refund("r1", &reference, json!({ "payment_method": "paypal", "invoice_id": other, "currency": "EUR" }))
        .await;
    refused(&answer, 422, &["payment_mismatch", "payment_mismatch", "currency_mismatch"]);
    let details: Vec<&str> =
        answer.body["errors"].as_array().unwrap().iter().map(|e| e["detail"].as_str().unwrap()).collect();
    assert_eq!(details[0], format!("{reference} was paid with stripe, not paypal."));
    assert_eq!(details[1], format!("{reference} paid invoice {invoice}, not {other}."));
    for (amount, status, code) in [
        (json!(-1), 422, "invalid_field"),
        (json!(0), 422, "invalid_field"),
        (json!("100"), 422, "invalid_field"),
        (json!(1.5), 422, "invalid_field"),
        (Value::Null, 422, "invalid_field"),
        (json!(50_001), 409, "refund_exceeds_remaining"),
    ] {
        refused(&world.refund("r2", &payment, json!({ "amount": amount })).await, status, &[code]);
    }
    let exceeds = world.refund("r2", &payment, json!({ "amount": 50_001 })).await;
    assert_eq!(exceeds.body["remaining"], json!(50_000));
    refused(&world.refund("r2", "pi_nobodys", json!({})).await, 404, &["payment_not_found"]);
    refused(&world.refund("r2", &payment, json!({ "reason": "because" })).await, 422, &["invalid_field"]);
    assert_eq!(at_stripe(&world), []);
    assert_eq!(world.payment(&payment).await["refundable"], json!(50_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_refund_does_and_up_to_his_limit() {
    let world = World::new().await;
    let (_, payment, _) = world.paid().await;
    world.member("ann", &["approver"], Some(100_000)).await;
    world.member("tom", &["treasurer"], Some(1_000)).await;
    refused(&world.refund_as("ann", "r1", &payment, json!({ "amount": 1 })).await, 403, &["permission_denied"]);
    refused(
        &world.refund_as("tom", "r1", &payment, json!({ "amount": 1_001 })).await,
        403,
        &["approval_limit_exceeded"],
    );
    assert_eq!(world.refund_as("tom", "r1", &payment, json!({ "amount": 1_000 })).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_payments_and_refunds_are_not_to_be_found() {
    let world = World::new().await;
    let (_, payment, reference) = world.paid().await;
    let refund = world.refund("r1", &payment, json!({ "amount": 1 })).await;
    world.tenant("evil", "acct_evil").await;
    let evil = world.of("evil", ADMIN);
    for id in [&payment, &reference] {
        let body = json!({ "payment_id": id });
        let answer = evil.send(reqwest::Method::POST, "/refunds", Some("r1"), Some(&body)).await.unwrap();
        refused(&answer, 404, &["payment_not_found"]);
    }
    for id in [&refund.body["id"], &refund.body["gateway_refund_id"]] {
        let id = id.as_str().unwrap();
        refused(&evil.get(&format!("/refunds/{id}")).await.unwrap(), 404, &["refund_not_found"]);
        refused(&evil.post(&format!("/refunds/{id}/cancel"), &json!({})).await.unwrap(), 404, &["refund_not_found"]);
    }
    assert_eq!(evil.get("/refunds").await.unwrap().body["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_paid_is_not_refunded() {
    let world = World::new().await;
    let declined = world.method("pm_card_visa_chargeDeclined", json!({})).await;
    let invoice = world.approved(json!({})).await;
    let failed = world.pay(&invoice, json!({ "payment_method_id": declined })).await;
    let id = failed.body["payment"]["id"].as_str().unwrap();
    refused(&world.refund("r1", id, json!({})).await, 409, &["not_refundable"]);

    let waits = world.method("pm_card_authenticationRequired", json!({})).await;
    let waiting = world.pay(&invoice, json!({ "payment_method_id": waits })).await;
    let id = waiting.body["id"].as_str().unwrap();
    let answer = world.refund("r1", id, json!({})).await;
    refused(&answer, 409, &["not_refundable"]);
    assert!(answer.body["detail"].as_str().unwrap().contains("/cancel"), "it says what to do instead");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_refunds_at_once_no_more_go_back_than_was_paid() {
    // In real time: those that are in each other's way wait for their turn.
    let world = World::with(|options| {
        options.gateway_timeout = Some(Duration::from_secs(10));
        options.clock = Clock::system();
    });
    let world = Arc::new(world.await);
    let (invoice, payment, _) = world.paid().await;
    let mut requests = JoinSet::new();
    for n in 0..100 {
        let (world, payment) = (world.clone(), payment.clone());
        requests.spawn(async move { world.refund(&format!("r{n}"), &payment, json!({ "amount": 1_000 })).await });
    }
    let answers = requests.join_all().await;
    let mut tally: BTreeMap<(u16, String), usize> = BTreeMap::new();
    for answer in &answers {
        *tally.entry((answer.status, answer.code().to_owned())).or_default() += 1;
    }
    let count = |status: u16, code: &str| tally.get(&(status, code.to_owned())).copied().unwrap_or_default();
    // Written down later, where nobody got a turn.
    for later in answers.iter().filter(|answer| answer.status == 202) {
        assert_eq!(read(&world, &later.body["id"]).await["status"], json!("succeeded"));
    }
    let done = count(201, "") + count(202, "");
    // Reserved, and then no time was left to send: certainly not executed, and given back.
    let failed = count(502, "gateway_unavailable");
    assert_eq!(done + failed + count(409, "refund_exceeds_remaining") + count(503, "busy"), 100, "{tally:?}");
    assert!((1..=50).contains(&done), "{tally:?}");
    assert!(
        count(409, "refund_exceeds_remaining") == 0 || done == 50,
        "refused although something was left: {tally:?}"
    );
    assert_eq!(at_stripe(&world).len(), done, "{tally:?}");
    let now = world.payment(&payment).await;
    assert_eq!(now["refundable"], json!(50_000 - i64::try_from(done).unwrap() * 1_000));
    assert_eq!(world.trail(&invoice).await.len(), 4 + 2 * (done + failed), "one entry for each change");
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_definitely_failed_gives_its_amount_back_and_calls_somebody() {
    let world = World::new().await;
    let (invoice, payment, _) = world.paid().await;
    world.stack.stripe.add_fault(on_refund(Kind::RateLimited).times(3));
    let answer = world.refund("r1", &payment, json!({ "amount": 100 })).await;
    assert_eq!((answer.status, answer.code()), (502, "gateway_unavailable"), "{}", answer.body);
    assert_eq!(answer.body["refund"]["status"], json!("failed"));
    assert_eq!(world.payment(&payment).await["refundable"], json!(50_000));
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    assert_eq!(world.alerts().await, ["refund_failed"]);
    // The same request says the same; a new key refunds.
    assert_eq!(world.refund("r1", &payment, json!({ "amount": 100 })).await.status, 502);
    assert_eq!(world.refund("r2", &payment, json!({ "amount": 100 })).await.status, 201);
    assert_eq!(at_stripe(&world), [(100, "succeeded".to_owned())]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_unknown_outcome_is_processing_and_found_or_sent_again_once() {
    for kind in [Kind::ReplyLost, Kind::NothingReached, Kind::ErrorAfter(500), Kind::ErrorBefore(503)] {
        let world = World::new().await;
        let (_, payment, _) = world.paid().await;
        world.stack.stripe.add_fault(on_refund(kind.clone()).times(3));
        world.stack.stripe.add_fault(on_list(Kind::Status(503, json!({}))).times(10));
        let answer = world.refund("r1", &payment, json!({ "amount": 100 })).await;
        assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{kind:?}: {}", answer.body);
        assert_eq!(world.payment(&payment).await["refundable"], json!(49_900), "{kind:?}: the amount stays taken");
        world.stack.stripe.clear_faults();
        world.clock.advance(Duration::from_secs(125));
        assert_eq!(read(&world, &answer.body["id"]).await["status"], json!("succeeded"), "{kind:?}");
        assert_eq!(at_stripe(&world), [(100, "succeeded".to_owned())], "{kind:?}");
        Books::of(&world).await.at_rest();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_nobody_can_find_is_resolved_by_a_person() {
    let world = World::new().await;
    let (_, payment, _) = world.paid().await;
    world.stack.stripe.add_fault(on_refund(Kind::NothingReached).times(3));
    let answer = world.refund("r1", &payment, json!({ "amount": 100 })).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let path = format!("/refunds/{}/resolve", answer.body["id"].as_str().unwrap());
    let word = json!({ "outcome": "not_executed", "note": "not in the dashboard" });
    refused(&world.admin().post(&path, &word).await.unwrap(), 409, &["not_resolvable"]);
    world.clock.advance(Duration::from_hours(25));
    world.sweep().await;
    assert_eq!(world.alerts().await, ["outcome_unknown"]);
    let resolved = world.admin().post(&path, &word).await.unwrap();
    assert_eq!((resolved.status, &resolved.body["status"]), (200, &json!("failed")), "{}", resolved.body);
    assert_eq!(world.payment(&payment).await["refundable"], json!(50_000));
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_refund_is_followed_until_it_succeeds_or_fails() {
    for succeeds in [true, false] {
        let world = World::new().await;
        let (invoice, payment, _) = world.paid().await;
        world.stack.stripe.set_refunds(RefundsBecome::Pending);
        let answer = world.refund("r1", &payment, json!({ "amount": 100 })).await;
        assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")));
        let reference = answer.body["gateway_refund_id"].as_str().unwrap();
        assert_eq!(world.invoice(&invoice).await["status"], json!("paid"), "nothing went back yet");
        assert_eq!(world.payment(&payment).await["refundable"], json!(49_900));
        world.stack.stripe.finish_refund(reference, succeeds);
        world.clock.advance(Duration::from_hours(25));
        world.sweep().await;
        let (status, of_payment, refundable) =
            if succeeds { ("succeeded", "partially_refunded", 49_900) } else { ("failed", "paid", 50_000) };
        assert_eq!(read(&world, &answer.body["id"]).await["status"], json!(status));
        let now = world.payment(&payment).await;
        assert_eq!((&now["status"], &now["refundable"]), (&json!(of_payment), &json!(refundable)));
        Books::of(&world).await.at_rest();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_waits_for_the_customer_can_be_canceled_and_gives_its_amount_back() {
    let world = World::new().await;
    let (_, payment, _) = world.paid().await;
    world.stack.stripe.set_refunds(RefundsBecome::RequiresAction);
    let answer = world.refund("r1", &payment, json!({})).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let path = format!("/refunds/{}/cancel", answer.body["id"].as_str().unwrap());
    world.clock.advance(Duration::from_secs(200));
    let canceled = world.admin().post(&path, &json!({})).await.unwrap();
    assert_eq!((canceled.status, &canceled.body["status"]), (200, &json!("canceled")), "{}", canceled.body);
    assert_eq!(world.payment(&payment).await["refundable"], json!(50_000));
    world.stack.stripe.set_refunds(RefundsBecome::Succeeded);
    let done = world.refund("r2", &payment, json!({})).await;
    let path = format!("/refunds/{}/cancel", done.body["id"].as_str().unwrap());
    refused(&world.admin().post(&path, &json!({})).await.unwrap(), 409, &["not_cancelable"]);
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_the_gateway_refuses_since_the_money_went_back_another_way_fails() {
    let world = World::new().await;
    let (_, payment, reference) = world.paid().await;
    // Nobody has told us.
    world.stack.stripe.refund_in_dashboard(&reference, None).unwrap();
    let answer = world.refund("r1", &payment, json!({})).await;
    assert_eq!((answer.status, answer.code()), (409, "not_refundable"), "{}", answer.body);
    assert_eq!(world.stack.stripe.refunds(ACCOUNT).len(), 1);
    for event in world.events(&["charge.refunded"]) {
        world.told(&event).await;
    }
    let now = world.payment(&payment).await;
    assert_eq!((&now["status"], &now["refundable"]), (&json!("refunded"), &json!(0)));
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_more_than_is_left_at_the_gateway_is_refused_in_those_words_and_calls_no_operator() {
    let world = World::new().await;
    let (_, payment, reference) = world.paid().await;
    world.stack.stripe.refund_in_dashboard(&reference, Some(100)).unwrap();
    let answer = world.refund("r1", &payment, json!({})).await;
    assert_eq!((answer.status, answer.code()), (409, "not_refundable"), "{}", answer.body);
    assert_eq!(world.alerts().await, ["refund_failed"]);
    assert_eq!(world.payment(&payment).await["refundable"], json!(50_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_after_a_lost_send_is_believed_only_once_the_key_has_kept_it() {
    for (replies, status) in [(2, 409), (1, 202)] {
        let world = World::new().await;
        let (_, payment, reference) = world.paid().await;
        world.stack.stripe.refund_in_dashboard(&reference, None).unwrap();
        // The first send is lost; what it was, nobody knows. Then the gateway refuses, and says the same once more.
        world.stack.stripe.add_fault(on_refund(Kind::NothingReached));
        world.stack.stripe.add_fault(on_refund(Kind::NothingReached).after(replies));
        let answer = world.refund("r1", &payment, json!({})).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        if status == 202 {
            world.clock.advance(Duration::from_secs(125));
            assert_eq!(read(&world, &answer.body["id"]).await["status"], json!("failed"), "recovery sends it again");
        }
        assert_eq!(at_stripe(&world), [(50_000, "succeeded".to_owned())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_a_payment_to_a_vendor_takes_the_money_back_from_the_vendors_account() {
    let world = World::new().await;
    world.stack.stripe.add_connected_account(ACCOUNT, "acct_vendor");
    let invoice =
        world.approved(json!({ "counterparty": { "name": "Vendor", "stripe_account": "acct_vendor" } })).await;
    let paid = world.pay(&invoice, json!({})).await;
    assert_eq!(paid.status, 201, "{}", paid.body);
    assert_eq!(world.refund("r1", paid.body["id"].as_str().unwrap(), json!({})).await.status, 201);
    assert!(world.stack.stripe.refunds(ACCOUNT)[0].reverse_transfer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_through_an_account_that_the_secret_no_longer_names_is_not_refunded_elsewhere() {
    let world = World::new().await;
    let (_, payment, _) = world.paid().await;
    world.stack.stripe.add_account("acct_other", "sk_test_CANARY_other");
    let secret = json!({ "account": "acct_other", "secret_key": "sk_test_CANARY_other" });
    world.stack.secrets.put("passerelle/acme/stripe", &secret).unwrap();
    world.clock.advance(Duration::from_mins(6));
    refused(&world.refund("r1", &payment, json!({})).await, 409, &["not_refundable"]);
    assert!(world.stack.stripe.refunds("acct_other").is_empty());
    assert_eq!(at_stripe(&world), []);
}
