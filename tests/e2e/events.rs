//! The samples in `events/` are what the functions take: each is answered as its trigger expects.

use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Service};
use serde_json::{Value, json};

use local::stripe::fault::{Fault, Kind};

use crate::ach::signed_by_plaid;
use crate::analysis::{Analyst, decline, deliver};
use crate::paypal::signed_by_paypal;
use crate::world::{ACCOUNT, World};

const PAY: &str = include_str!("../../events/pay.json");

const REFUND: &str = include_str!("../../events/refund.json");
const WEBHOOK: &str = include_str!("../../events/webhook.json");
const WEBHOOK_BASE64: &str = include_str!("../../events/webhook-base64.json");
const WEBHOOK_PAYPAL: &str = include_str!("../../events/webhook-paypal.json");
const ERROR_ANALYST: &str = include_str!("../../events/error-analyst.json");
const WEBHOOK_PLAID: &str = include_str!("../../events/webhook-plaid.json");

/// Hands an event to the pay function as the Lambda runtime does.
async fn invoke(world: &World, event: &Value) -> Value {
    hand(pay::router(world.stack.app.clone()), event).await
}

async fn hand(router: axum::Router, event: &Value) -> Value {
    let request: LambdaRequest = serde_json::from_value(event.clone()).unwrap();
    let mut context = Context::default();
    context.request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef".to_owned();
    let mut function = Adapter::from(router);
    serde_json::to_value(function.call(LambdaEvent::new(request, context)).await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_event_of_pay_pays_the_invoice_once_even_when_it_comes_again_in_base64() {
    let world = World::new().await;
    world.approved(json!({ "invoice_id": "INV-2025-001" })).await;
    let mut event: Value = serde_json::from_str(PAY).unwrap();
    let answer = invoke(&world, &event).await;
    assert_eq!(answer["statusCode"], json!(201), "{answer}");
    let paid: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(paid["invoice_id"], json!("INV-2025-001"));

    let body = event["body"].as_str().unwrap().as_bytes().to_vec();
    event["body"] = json!(data_encoding::BASE64.encode(&body));
    event["isBase64Encoded"] = json!(true);
    let again = invoke(&world, &event).await;
    assert_eq!(again["statusCode"], json!(200), "{again}");
    assert_eq!(world.charged("INV-2025-001"), [50_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_verified_token_is_nobodys() {
    let world = World::new().await;
    let mut event: Value = serde_json::from_str(PAY).unwrap();
    event["requestContext"]["authorizer"] = Value::Null;
    assert_eq!(invoke(&world, &event).await["statusCode"], json!(401));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_event_of_refund_gives_a_part_of_the_sample_payment_back() {
    let world = World::new().await;
    world.approved(json!({ "invoice_id": "INV-2025-001" })).await;
    assert_eq!(invoke(&world, &serde_json::from_str(PAY).unwrap()).await["statusCode"], json!(201));
    let event: Value = serde_json::from_str(REFUND).unwrap();
    let answer = hand(refund::router(world.stack.app.clone()), &event).await;
    assert_eq!(answer["statusCode"], json!(201), "{answer}");
    let refunds: Vec<i64> = world.stack.stripe.refunds(ACCOUNT).iter().map(|refund| refund.amount).collect();
    assert_eq!(refunds, [12_500]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_webhooks_plain_and_in_base64_are_one_event_and_settle_the_sample_payment() {
    let world = World::new().await;
    let secret =
        json!({ "account": ACCOUNT, "secret_key": "sk_test_CANARY_acme", "webhook_secrets": ["whsec_sample"] });
    world.stack.secrets.put("passerelle/acme/stripe", &secret).unwrap();
    // A sandbox that starts with this secret.
    let app = world.stack.app.at(world.clock.clone());
    world.approved(json!({ "invoice_id": "INV-2025-001" })).await;
    // Nobody knows what became of the payment.
    world.stack.stripe.add_fault(Fault::pay(Kind::NothingReached).times(3));
    assert_eq!(invoke(&world, &serde_json::from_str(PAY).unwrap()).await["statusCode"], json!(202));
    for (sample, status) in [(WEBHOOK, "done"), (WEBHOOK_BASE64, "seen")] {
        let event: Value = serde_json::from_str(sample).unwrap();
        let answer = hand(webhook::router(app.clone()), &event).await;
        assert_eq!(answer["statusCode"], json!(200), "{answer}");
        assert_eq!(answer["body"], json!(json!({ "status": status }).to_string()));
    }
    assert_eq!(world.invoice("INV-2025-001").await["status"], json!("paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_webhook_of_paypal_settles_the_sample_payment_once_even_when_it_comes_again_in_base64() {
    let world = World::new().await;
    world.paypal_account().await;
    let (invoice, _) = world.receivable_with("paypal_ok", json!({ "invoice_id": "INV-2025-001" })).await;
    world.stack.paypal.add_fault(Fault::new(Kind::NothingReached, "POST", "/v2/checkout/orders").times(3));
    let mut pay: Value = serde_json::from_str(PAY).unwrap();
    pay["body"] = json!(json!({ "invoice_id": invoice, "payment_method": "paypal" }).to_string());
    assert_eq!(invoke(&world, &pay).await["statusCode"], json!(202));

    let event: Value = serde_json::from_str(WEBHOOK_PAYPAL).unwrap();
    let mut event = signed_by_paypal(&world, event, world.clock.now());
    let take = async |event: &Value| {
        let answer = hand(webhook::router(world.stack.app.clone()), event).await;
        assert_eq!(answer["statusCode"], json!(200), "{answer}");
        answer["body"].as_str().unwrap().to_owned()
    };
    assert_eq!(take(&event).await, r#"{"status":"done"}"#);
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    event["body"] = json!(data_encoding::BASE64.encode(event["body"].as_str().unwrap().as_bytes()));
    event["isBase64Encoded"] = json!(true);
    assert_eq!(take(&event).await, r#"{"status":"seen"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_webhook_of_plaid_settles_what_plaid_has_events_of() {
    let world = World::with_plaid().await;
    world.plaid_bank("acc_globex", 1_000_000, json!({ "customer_id": "globex" })).await;
    let invoice = world.receivable(json!({})).await;
    let (_, transfer) = world.under_way(&invoice).await;
    assert!(world.stack.plaid.post(&transfer) && world.stack.plaid.settle(&transfer));
    let event = signed_by_plaid(&world, serde_json::from_str(WEBHOOK_PLAID).unwrap(), world.clock.now());
    let answer = hand(webhook::router(world.stack.app.clone()), &event).await;
    assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(200), &json!(r#"{"status":"done"}"#)), "{answer}");
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_payments_are_paused_nothing_new_goes_back() {
    let world = World::new().await;
    world.approved(json!({ "invoice_id": "INV-2025-001" })).await;
    invoke(&world, &serde_json::from_str(PAY).unwrap()).await;
    let mut app = world.stack.app.clone();
    std::sync::Arc::make_mut(&mut app.config).payments_paused = true;
    let event: Value = serde_json::from_str(REFUND).unwrap();
    assert_eq!(hand(refund::router(app), &event).await["statusCode"], json!(503));
    assert!(world.stack.stripe.refunds(ACCOUNT).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_of_the_alerts_stream_has_its_alert_explained() {
    let world = World::new().await;
    let analyst = Analyst::of(&world).await;
    let invoice = world.approved(json!({ "invoice_id": "INV-2025-001" })).await;
    decline(&world, &invoice, "brand_new_word").await;
    let event: Value = serde_json::from_str(ERROR_ANALYST).unwrap();
    let answer = deliver(&analyst.app, event.clone(), std::time::Duration::from_mins(5)).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    let alerts = world.listed("acme", "/alerts", 100).await;
    assert_eq!(alerts[0]["id"], event["Records"][0]["dynamodb"]["Keys"]["alert_id"]["S"]);
    assert!(alerts[0]["explanation"]["summary"].is_string(), "{}", alerts[0]);
}
