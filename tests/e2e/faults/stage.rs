//! The stage for a flow under faults: a world whose functions reach DynamoDB and the gateway over the wire, and
//! invocations of the real functions, as the Lambda runtime makes them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Service};
use serde_json::{Value, json};
use shared::app::App;
use shared::flow::recover::{self, Swept};
use shared::flow::run::{Executor, Run, Summary};
use shared::model::movement::shard;
use shared::model::payment::Gateway as Side;

use super::dynamodb;
use super::gateway::Gateway;
use super::rail::Rail;
use super::wire::Wire;
use crate::world::{ACCOUNT, TENANT, World};

/// Real time that a gateway has for an answer: injected time-outs wait for it.
const GATEWAY_TIMEOUT: Duration = Duration::from_millis(250);

/// What a function answered.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    pub body: Value,
}

/// One request to a function.
#[derive(Clone, Debug)]
pub struct Call {
    pub user: String,
    pub method: &'static str,
    pub path: String,
    pub key: Option<String>,
    pub body: Value,
}

/// The same, with little time for a gateway.
fn hurried(mut app: App) -> App {
    Arc::make_mut(&mut app.config).gateway_timeout = GATEWAY_TIMEOUT;
    app
}

/// A world on the wire.
pub struct Stage {
    pub rail: Rail,
    pub world: World,
    pub wire: Wire,
    pub gateway: Gateway,
    /// A warm sandbox: its caches live until it is replaced.
    pub app: App,
}

impl Stage {
    /// With the tenant `acme` set up for Stripe, and nothing broken.
    pub async fn new() -> Self {
        Self::of(Rail::Stripe).await
    }

    /// The same for another rail.
    pub async fn of(rail: Rail) -> Self {
        let wire = Wire::default();
        let gateway = Gateway::start(&wire, rail).await;
        let world = World::empty(|options| {
            options.dynamodb_http = Some(dynamodb::http_client(&wire));
            let proxy = match rail.gateway() {
                Side::Stripe => &mut options.stripe_proxy,
                Side::Paypal => &mut options.paypal_proxy,
                Side::Plaid => &mut options.plaid_proxy,
            };
            *proxy = Some(gateway.url.clone());
            // For what is set up beside the plan, on a busy machine.
            options.gateway_timeout = Some(Duration::from_secs(10));
        })
        .await;
        gateway.forward_to(rail.url(&world));
        world.tenant(TENANT, ACCOUNT).await;
        rail.set_up(&world).await;
        let app = hurried(world.stack.app.clone());
        Self { rail, world, wire, gateway, app }
    }

    /// A new sandbox, with nothing in its caches.
    pub fn cold(&mut self) {
        self.app = hurried(self.world.stack.app.at(self.world.clock.clone()));
    }

    /// One invocation of the function that the path leads to.
    pub fn invoke(&self, call: &Call) -> impl Future<Output = Answered> + Send + 'static {
        let function = self.function(&call.path);
        let mut event: Value = serde_json::from_str(include_str!("../../../events/pay.json")).unwrap();
        event["rawPath"] = json!(call.path);
        event["requestContext"]["http"]["path"] = json!(call.path);
        event["requestContext"]["http"]["method"] = json!(call.method);
        event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = json!(call.user);
        event["headers"].as_object_mut().unwrap().remove("idempotency-key");
        if let Some(key) = &call.key {
            event["headers"]["idempotency-key"] = json!(key);
        }
        event["body"] = if call.method == "GET" { Value::Null } else { json!(call.body.to_string()) };
        self.call(function, event)
    }

    /// One delivery of an event of the gateway's to the webhook's function URL.
    pub fn deliver(&self, event: &Value) -> impl Future<Output = Answered> + Send + 'static {
        let mut call: Value = serde_json::from_str(include_str!("../../../events/webhook.json")).unwrap();
        let body = event.to_string();
        let path = format!("/webhooks/{}/{TENANT}", self.rail.gateway());
        call["rawPath"] = json!(path);
        call["requestContext"]["http"]["path"] = json!(path);
        for (name, value) in self.rail.sign(&self.world, body.as_bytes()) {
            call["headers"][name] = json!(value);
        }
        call["body"] = json!(body);
        self.call(webhook::router(self.app.clone()), call)
    }

    fn call(&self, function: Router, event: Value) -> impl Future<Output = Answered> + Send + 'static {
        let request: LambdaRequest = serde_json::from_value(event).unwrap();
        let mut context = Context::default();
        context.request_id = uuid::Uuid::new_v4().to_string();
        let deadline = self.world.clock.now().plus(Duration::from_secs(29));
        context.deadline = u64::try_from(deadline.millis()).unwrap();
        async move {
            let call = Adapter::from(function).call(LambdaEvent::new(request, context));
            let answer = serde_json::to_value(call.await.unwrap()).unwrap();
            let status = u16::try_from(answer["statusCode"].as_u64().unwrap()).unwrap();
            let body = serde_json::from_str(answer["body"].as_str().unwrap_or("null")).unwrap_or_default();
            Answered { status, body }
        }
    }

    fn function(&self, path: &str) -> Router {
        let app = self.app.clone();
        match path.split(['/', '?']).nth(1) {
            Some("payments") => pay::router(app),
            Some("refunds") => refund::router(app),
            Some("scheduled-payments") => schedule::router(app),
            Some("invoices") => invoices::router(app),
            Some("alerts" | "audit" | "agent-runs") => review::router(app),
            Some("payment-methods") => payment_methods::router(app),
            Some("tenant" | "members") => settings::router(app),
            other => panic!("no function for {other:?}"),
        }
    }

    /// One run of the executor over the tenant's shard, call by call in the same order each time.
    pub fn execute(&self) -> impl Future<Output = ()> + Send + 'static {
        let (executor, run) = self.executor();
        let shard = shard(&TENANT.parse().unwrap()).parse().unwrap();
        async move {
            let _ = executor.drain(&run, shard, &mut Summary::default()).await;
        }
    }

    /// One whole run of the executor.
    pub fn execute_all(&self) -> impl Future<Output = Option<Summary>> + Send + 'static {
        let (executor, run) = self.executor();
        async move { executor.run(&run).await.ok() }
    }

    fn executor(&self) -> (Executor, Run) {
        let mut app = self.app.clone();
        Arc::make_mut(&mut app.config).gateway_rate = 100_000.try_into().unwrap();
        let started_at = self.world.clock.now();
        let deadline = started_at.plus(Duration::from_mins(15));
        // Of its own: a lease that a killed one holds ends with time.
        let run = Run { request_id: uuid::Uuid::new_v4().to_string(), started_at, deadline };
        (Executor::new(app), run)
    }

    /// What banks have comes to a good end, and is heard of on the next day. What needs no bank stays as it is.
    pub async fn banks_end(&self) {
        if self.rail.waits_for_bank() {
            self.rail.settle(&self.world);
            self.world.clock.advance(Duration::from_hours(25));
            self.sweep().await.unwrap();
        }
    }

    /// One run of the recovery sweep.
    pub fn sweep(&self) -> impl Future<Output = Option<Swept>> + Send + 'static {
        let app = self.app.clone();
        let deadline = self.world.clock.now().plus(Duration::from_mins(15));
        async move { recover::sweep(&app, "sweep", deadline).await.ok() }
    }
}
