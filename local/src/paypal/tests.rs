//! The simulator is no kinder than PayPal.

mod faults;
mod orders;
mod payouts;
mod refunds;
mod vault;
mod webhooks;

use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::{Clock, Time};
use tokio::net::TcpListener;

use super::fault::{Fault, Kind};
use super::{PayPal, serve};

const ACCOUNT: &str = "merchant_1";
const CLIENT: (&str, &str) = ("client_1", "secret_1");

struct Api {
    paypal: PayPal,
    clock: Clock,
    base: String,
    http: reqwest::Client,
    token: String,
}

impl Api {
    async fn start() -> Self {
        Self::start_with(PayPal::new).await
    }

    async fn start_with(paypal: impl FnOnce(Clock) -> PayPal) -> Self {
        let clock = Clock::simulated("2026-01-15T12:00:00Z".parse::<Time>().unwrap());
        let paypal = paypal(clock.clone());
        paypal.add_account(ACCOUNT, CLIENT.0, CLIENT.1);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(paypal.clone(), listener));
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut api = Self { paypal, clock, base, http, token: String::new() };
        api.log_in().await;
        api
    }

    async fn log_in(&mut self) {
        let (status, body) = self.ask_for_token(CLIENT, "client_credentials").await;
        assert_eq!(status, 200, "{body}");
        self.token = body["access_token"].as_str().unwrap().to_owned();
    }

    async fn ask_for_token(&self, (id, secret): (&str, &str), grant: &str) -> (u16, Value) {
        let request = self.http.post(format!("{}/v1/oauth2/token", self.base)).basic_auth(id, Some(secret));
        let reply = request.form(&[("grant_type", grant)]).send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap())
    }

    fn request(&self, method: reqwest::Method, path: &str, id: Option<&str>) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        let request = request.header("Prefer", "return=representation");
        match id {
            Some(id) => request.header("PayPal-Request-Id", id),
            None => request,
        }
    }

    async fn try_post(&self, path: &str, id: Option<&str>, body: &Value) -> reqwest::Result<(u16, Value)> {
        let reply = self.request(reqwest::Method::POST, path, id).json(body).send().await?;
        let status = reply.status().as_u16();
        Ok((status, reply.json().await.unwrap_or_default()))
    }

    async fn post(&self, path: &str, id: Option<&str>, body: &Value) -> (u16, Value) {
        self.try_post(path, id, body).await.unwrap()
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let reply = self.request(reqwest::Method::GET, path, None).send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap_or_default())
    }

    async fn pay(&self, id: &str, method: &str) -> (u16, Value) {
        self.post("/v2/checkout/orders", Some(id), &charge(method)).await
    }

    /// A capture of 25.00 USD.
    async fn paid(&self, id: &str) -> String {
        let (status, order) = self.pay(id, "paypal_ok").await;
        assert_eq!(status, 201, "{order}");
        order["purchase_units"][0]["payments"]["captures"][0]["id"].as_str().unwrap().to_owned()
    }

    /// How much was captured, in all.
    fn captured(&self) -> i64 {
        self.paypal.books(ACCOUNT).captures.iter().filter(|entry| entry.paid).map(|entry| entry.amount).sum()
    }

    /// The events so far, by name.
    fn told(&self) -> Vec<String> {
        let name = |event: &Value| event["event_type"].as_str().unwrap().to_owned();
        self.paypal.events(ACCOUNT).iter().map(name).collect()
    }
}

/// A charge of a vaulted method by the merchant, of 25.00 USD.
fn charge(method: &str) -> Value {
    let source = if method.starts_with("card") { "card" } else { "paypal" };
    let credential = json!({ "payment_initiator": "MERCHANT", "payment_type": "UNSCHEDULED", "usage": "SUBSEQUENT" });
    json!({
        "intent": "CAPTURE",
        "purchase_units": [{ "amount": { "currency_code": "USD", "value": "25.00" }, "custom_id": "pay_1",
                             "invoice_id": "pay_1", "description": "Invoice 1 - A" }],
        "payment_source": { source: { "vault_id": method, "stored_credential": credential } },
    })
}

fn capture_of(order: &Value) -> &Value {
    &order["purchase_units"][0]["payments"]["captures"][0]
}

/// Status and issue of a refusal.
fn refusal((status, body): &(u16, Value)) -> (u16, &str) {
    (*status, body["details"][0]["issue"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn tokens_are_given_for_credentials_alone_and_expire() {
    let mut api = Api::start().await;
    let (status, body) = api.ask_for_token((CLIENT.0, "wrong"), "client_credentials").await;
    assert_eq!((status, &body["error"]), (401, &json!("invalid_client")));
    let (status, body) = api.ask_for_token(CLIENT, "password").await;
    assert_eq!((status, &body["error"]), (400, &json!("unsupported_grant_type")));
    assert_eq!(api.ask_for_token(CLIENT, "client_credentials").await.1["expires_in"], json!(32_400));

    let nobody = api.http.get(format!("{}/v2/checkout/orders/1", api.base)).send().await.unwrap();
    assert_eq!(nobody.status(), 401);
    assert_eq!(nobody.json::<Value>().await.unwrap()["name"], "AUTHENTICATION_FAILURE");
    api.clock.advance(Duration::from_secs(32_399));
    assert_eq!(api.get("/v1/notifications/webhooks").await.0, 200);
    api.clock.advance(Duration::from_secs(1));
    let (status, body) = api.get("/v1/notifications/webhooks").await;
    assert_eq!((status, &body["error"]), (401, &json!("invalid_token")));
    api.log_in().await;
    assert_eq!(api.get("/v1/notifications/webhooks").await.0, 200);
    api.paypal.expire_tokens();
    assert_eq!(api.get("/v1/notifications/webhooks").await.0, 401);
    api.log_in().await;
    api.paypal.revoke_client(CLIENT.0);
    assert_eq!(api.get("/v1/notifications/webhooks").await.0, 401);
}

#[tokio::test]
async fn accounts_do_not_see_each_others_objects() {
    let mut api = Api::start().await;
    let capture = api.paid("1").await;
    api.paypal.add_account("merchant_2", "client_2", "secret_2");
    let (_, body) = api.ask_for_token(("client_2", "secret_2"), "client_credentials").await;
    api.token = body["access_token"].as_str().unwrap().to_owned();
    let answer = api.get(&format!("/v2/payments/captures/{capture}")).await;
    assert_eq!((refusal(&answer), &answer.1["name"]), ((404, "INVALID_RESOURCE_ID"), &json!("RESOURCE_NOT_FOUND")));
    let refund = api.post(&format!("/v2/payments/captures/{capture}/refund"), None, &json!({})).await;
    assert_eq!(refund.0, 404);
    // The same id of another account is another id.
    assert_eq!(api.pay("1", "paypal_ok").await.0, 201);
}

#[tokio::test]
async fn state_in_a_file_outlives_the_simulator() {
    let path = std::env::temp_dir().join(format!("paypal-{}.json", uuid::Uuid::new_v4()));
    let open = |clock| PayPal::open(clock, &path).unwrap();
    let api = Api::start_with(open).await;
    let capture = api.paid("1").await;
    let item = json!({ "recipient_type": "EMAIL", "receiver": "a@example.com",
                       "amount": { "value": "10.00", "currency": "USD" } });
    let batch = json!({ "sender_batch_header": { "sender_batch_id": "b1" }, "items": [item] });
    assert_eq!(api.post("/v1/payments/payouts", None, &batch).await.0, 201);
    let api = Api::start_with(open).await;
    assert_eq!(api.get(&format!("/v2/payments/captures/{capture}")).await.1["status"], "COMPLETED");
    assert_eq!(api.post("/v1/payments/payouts", None, &batch).await.0, 400, "the batch is known");
    api.clock.advance(Duration::from_secs(20));
    assert_eq!(api.paypal.books(ACCOUNT).items[0].status, crate::paypal::ItemStatus::Success);
    assert_eq!(api.pay("1", "paypal_ok").await.0, 200, "the request id is known");
    assert_eq!(api.captured(), 2500);
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn requests_are_logged_without_what_is_secret() {
    let api = Api::start().await;
    api.pay("1", "paypal_ok").await;
    let log = api.paypal.requests();
    assert_eq!(log[0].body, Value::Null);
    let order = log.last().unwrap();
    assert_eq!((order.method.as_str(), order.path.as_str(), order.status), ("POST", "/v2/checkout/orders", 201));
    assert_eq!((order.request_id.as_deref(), &order.body["intent"]), (Some("1"), &json!("CAPTURE")));
    assert!(!format!("{log:?}").contains(CLIENT.1));
}
