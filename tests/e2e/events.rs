//! The samples in `events/` are what the functions take: each is answered as its trigger expects.

use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Service};
use serde_json::{Value, json};

use crate::world::World;

const PAY: &str = include_str!("../../events/pay.json");

/// Hands an event to the pay function as the Lambda runtime does.
async fn invoke(world: &World, event: &Value) -> Value {
    let request: LambdaRequest = serde_json::from_value(event.clone()).unwrap();
    let mut context = Context::default();
    context.request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef".to_owned();
    let mut function = Adapter::from(pay::router(world.stack.app.clone()));
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
