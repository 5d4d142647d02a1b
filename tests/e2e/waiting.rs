//! Scheduled payments whose method is no good: they wait for another, that somebody chose for them, and go on with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;
use local::stripe::fault::{Fault, Kind};
use serde_json::{Value, json};

use crate::faults::books::Books;
use crate::gate::{Gate, Held};
use crate::schedules::{EXPIRED, days, patch, read, scheduled};
use crate::world::{ADMIN, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_whose_method_is_no_good_waits_for_another_and_goes_on_when_there_is_one() {
    let world = World::new().await;
    let bad = world.method(EXPIRED, json!({ "default": true })).await;
    let invoice = world.approved(json!({})).await;
    let schedule = scheduled(&world, &invoice, 1, json!({ "payment_method_id": bad })).await;
    world.clock.advance(days(1));
    let summary = world.execute().await;
    assert_eq!(summary["failed"], json!(1), "{summary}");
    assert_eq!(read(&world, &schedule).await["status"], json!("awaiting_method"));
    assert_eq!(world.alerts().await, ["payment_method_invalid"]);
    world.clock.advance(days(2));
    world.execute().await;
    assert_eq!(world.charged(&invoice), [0; 0], "the same default is not tried again");
    let attempts = world.stack.stripe.books("acct_acme").len();
    assert_eq!(attempts, 1);
    world.method("pm_card_mastercard", json!({ "default": true })).await;
    let summary = world.execute().await;
    assert_eq!(summary["paid"], json!(1), "{summary}");
    assert_eq!(read(&world, &schedule).await["status"], json!("completed"));
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_that_waits_is_not_paid_with_a_default_that_nobody_chose_for_it() {
    let world = World::new().await;
    let bad = world.method(EXPIRED, json!({})).await;
    let invoice = world.approved(json!({})).await;
    // The tenant's default is another card, and good.
    let schedule = scheduled(&world, &invoice, 1, json!({ "payment_method_id": bad })).await;
    for _ in 0..3 {
        world.clock.advance(days(1));
        world.execute().await;
        assert_eq!(read(&world, &schedule).await["status"], json!("awaiting_method"));
    }
    let named = world.method("pm_card_mastercard", json!({})).await;
    assert_eq!(patch(&world, &schedule, json!({ "payment_method_id": named })).await.status, 200);
    assert_eq!(world.execute().await["paid"], json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn choosing_the_default_that_there_is_lets_a_promise_go_on_that_waits_for_a_method() {
    let world = World::new().await;
    let good = world.method("pm_card_mastercard", json!({ "default": true })).await;
    let bad = world.method(EXPIRED, json!({})).await;
    let invoice = world.approved(json!({})).await;
    let schedule = scheduled(&world, &invoice, 1, json!({ "payment_method_id": bad })).await;
    world.clock.advance(days(1));
    world.execute().await;
    assert_eq!(read(&world, &schedule).await["status"], json!("awaiting_method"));
    world.clock.advance(Duration::from_mins(1));
    let chosen = world.admin().post(&format!("/payment-methods/{good}/default"), &json!({})).await.unwrap();
    assert_eq!(chosen.status, 200);
    assert_eq!(world.execute().await["paid"], json!(1), "at once, not a day later");
    assert_eq!(read(&world, &schedule).await["status"], json!("completed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_date_alone_does_not_pay_with_a_default_that_nobody_chose_for_it() {
    let world = World::new().await;
    let bad = world.method(EXPIRED, json!({})).await;
    let invoice = world.approved(json!({})).await;
    let schedule = scheduled(&world, &invoice, 1, json!({ "payment_method_id": bad })).await;
    world.clock.advance(days(1));
    world.execute().await;
    let moved = patch(&world, &schedule, json!({ "scheduled_date": world.in_days(2) })).await;
    assert_eq!((moved.status, &moved.body["status"]), (200, &json!("pending")), "{}", moved.body);
    world.clock.advance(days(2));
    assert_eq!(world.execute().await["failed"], json!(1));
    assert_eq!(read(&world, &schedule).await["status"], json!("awaiting_method"));
    assert_eq!(world.charged(&invoice), [0; 0]);
    let alerts = Books::of(&world).await.alerts;
    assert_eq!(
        alerts.iter().map(|alert| (alert.kind.as_str(), alert.count)).collect::<Vec<_>>(),
        [("payment_method_invalid", 2)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_that_is_set_while_nobody_knows_of_the_decline_is_another_method() {
    let world = World::new().await;
    world.method(EXPIRED, json!({ "default": true })).await;
    let invoice = world.approved(json!({})).await;
    let schedule = scheduled(&world, &invoice, 1, json!({})).await;
    world.clock.advance(days(1));
    for fault in [Fault::pay(Kind::ReplyLost), Fault::look_up(Kind::ErrorBefore(503))] {
        world.stack.stripe.add_fault(fault.times(100));
    }
    assert_eq!(world.execute().await["pending"], json!(1));
    world.clock.advance(Duration::from_mins(1));
    world.method("pm_card_mastercard", json!({ "default": true })).await;
    world.stack.stripe.clear_faults();
    world.clock.advance(Duration::from_mins(10));
    world.execute().await;
    assert_eq!(read(&world, &schedule).await["status"], json!("awaiting_method"));
    world.clock.advance(days(1));
    assert_eq!(world.execute().await["paid"], json!(1));
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_used_calls_the_operator_and_the_promise_stays_due() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    let schedule = scheduled(&world, &invoice, 1, json!({})).await;
    world.clock.advance(days(1));
    let secret = json!({ "account": "acct_acme", "secret_key": "sk_test_CANARY_acme", "webhook_secrets": ["whsec_CANARY_acme"] });
    let no_account = json!({ "account": "null", "secret_key": "sk_test_CANARY_acme" });
    for unusable in [json!({ "key": "of another form" }), no_account] {
        world.stack.secrets.put("passerelle/acme/stripe", &unusable).unwrap();
        world.clock.advance(Duration::from_mins(15));
        assert_eq!(world.execute().await["remaining"], json!(1));
    }
    assert_eq!(read(&world, &schedule).await["status"], json!("pending"));
    let alerts = Books::of(&world).await.alerts;
    assert_eq!(
        alerts.iter().map(|alert| (alert.kind.as_str(), alert.count)).collect::<Vec<_>>(),
        [("gateway_rejected", 2)]
    );
    world.stack.secrets.put("passerelle/acme/stripe", &secret).unwrap();
    world.clock.advance(Duration::from_mins(15));
    assert_eq!(world.execute().await["paid"], json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_whose_setting_began_before_the_payment_that_is_declined_is_another_method() {
    let gate = Gate::default();
    let world = Arc::new(World::with(|options| options.dynamodb_http = Some(gate.http_client())).await);
    world.method(EXPIRED, json!({ "default": true })).await;
    let invoice = world.approved(json!({})).await;
    let schedule = scheduled(&world, &invoice, 1, json!({})).await;
    world.clock.advance(days(1));
    gate.arm(Held::Request, &["add_method"]);
    let adding = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.method("pm_card_mastercard", json!({ "default": true })).await })
    };
    gate.reached().await;
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.execute().await["failed"], json!(1));
    gate.open();
    adding.await.unwrap();
    assert_eq!(read(&world, &schedule).await["status"], json!("awaiting_method"));
    assert_eq!(world.execute().await["paid"], json!(1), "its owner's wish has reached the books last");
    Books::of(&world).await.at_rest();
}

/// A replica that has heard of no payment method yet, while it is told to be behind.
#[derive(Clone, Debug)]
struct Behind {
    is_behind: Arc<AtomicBool>,
    real: SharedHttpClient,
}

#[derive(Debug)]
struct BehindConnector {
    is_behind: Arc<AtomicBool>,
    real: SharedHttpConnector,
}

impl Behind {
    fn new() -> Self {
        let tls = Provider::Rustls(CryptoMode::AwsLc);
        let real = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
        Self { is_behind: Arc::default(), real }
    }
}

impl HttpClient for Behind {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let real = self.real.http_connector(settings, components);
        SharedHttpConnector::new(BehindConnector { is_behind: self.is_behind.clone(), real })
    }
}

impl HttpConnector for BehindConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (is_behind, real) = (self.is_behind.load(Ordering::SeqCst), self.real.clone());
        HttpConnectorFuture::new(async move {
            let asked: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
            let mut response = real.call(request).await?;
            if !is_behind {
                return Ok(response);
            }
            let bytes = response.take_body().collect().await.unwrap().to_bytes();
            let mut answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            for (table, items) in answer["Responses"].as_object_mut().into_iter().flatten() {
                if table.ends_with("payment-methods") && asked["RequestItems"][table]["ConsistentRead"] != json!(true) {
                    *items = json!([]);
                }
            }
            let bytes = answer.to_string();
            response.headers_mut().insert("content-length", bytes.len().to_string());
            *response.body_mut() = SdkBody::from(bytes);
            Ok(response)
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_put_off_for_what_a_replica_has_not_heard_of_yet() {
    let behind = Behind::new();
    let http = SharedHttpClient::new(behind.clone());
    let world = World::with(|options| options.dynamodb_http = Some(http)).await;
    let (named, by_default) = (world.approved(json!({})).await, world.approved(json!({})).await);
    let method = world.method("pm_card_mastercard", json!({})).await;
    let customers =
        world.approved(json!({ "kind": "receivable", "counterparty": { "name": "C", "customer_id": "c1" } })).await;
    let added = json!({ "gateway": "stripe", "reference": "pm_card_visa", "customer_id": "c1" });
    assert_eq!(world.of("acme", ADMIN).post("/payment-methods", &added).await.unwrap().status, 201);
    scheduled(&world, &named, 1, json!({ "payment_method_id": method })).await;
    scheduled(&world, &by_default, 1, json!({})).await;
    scheduled(&world, &customers, 1, json!({})).await;
    world.clock.advance(days(1));
    behind.is_behind.store(true, Ordering::SeqCst);
    let summary = world.execute().await;
    assert_eq!(summary["paid"], json!(3), "{summary}");
    assert_eq!(world.alerts().await, [""; 0]);
}

/// A promise of a customer's who has no method, due now, and the gate to its books.
async fn promised_without_a_method() -> (Arc<World>, Value, Gate) {
    let gate = Gate::default();
    let world = World::with(|options| options.dynamodb_http = Some(gate.http_client())).await;
    let old = world.method("pm_card_visa", json!({ "customer_id": "globex" })).await;
    let invoice = world.receivable(json!({})).await;
    let schedule = scheduled(&world, &invoice, 1, json!({})).await;
    assert_eq!(world.delete(ADMIN, &format!("/payment-methods/{old}")).await.status, 200);
    world.clock.advance(days(1));
    (Arc::new(world), schedule, gate)
}

async fn added_default(world: &World) -> String {
    world.method("pm_card_mastercard", json!({ "customer_id": "globex", "default": true })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_that_is_set_while_a_promise_is_put_off_is_another_method() {
    let (world, schedule, gate) = promised_without_a_method().await;
    gate.arm(Held::Answer, &["\"default#customer:globex#stripe\"", "\"ConsistentRead\":true"]);
    let executing = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.execute().await })
    };
    // The executor has read that there is none.
    gate.reached().await;
    world.clock.advance(Duration::from_secs(1));
    added_default(&world).await;
    world.clock.advance(Duration::from_secs(1));
    gate.open();
    assert_eq!(executing.await.unwrap()["failed"], json!(1));
    assert_eq!(read(&world, &schedule).await["status"], json!("awaiting_method"));
    world.clock.advance(days(1));
    assert_eq!(world.execute().await["paid"], json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_whose_setting_began_before_a_promise_was_put_off_is_another_method() {
    let (world, schedule, gate) = promised_without_a_method().await;
    gate.arm(Held::Request, &["add_method"]);
    let adding = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { added_default(&world).await })
    };
    gate.reached().await;
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.execute().await["failed"], json!(1));
    gate.open();
    adding.await.unwrap();
    assert_eq!(read(&world, &schedule).await["status"], json!("awaiting_method"));
    assert_eq!(world.execute().await["paid"], json!(1), "its owner's wish has reached the books last");
}
