//! PayPal, over the same flows: orders of customers, payouts to vendors, refunds, webhooks, methods, recovery.

mod accounts;
pub mod approvals;
mod captures;
mod currencies;
mod disputes;
mod methods;
mod orders;
mod payouts;
mod refunds;
mod signatures;

use std::time::Duration;

use local::client::Answer;
use local::paypal::{CaptureEntry, ItemEntry, PayoutsBecome, RefundEntry};
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock::Time;

use crate::world::{TENANT, World};

pub const CLIENT: &str = "client_acme";
pub const SECRET: &str = "secret_CANARY_acme";
/// The id of the tenant's webhook, which signatures cover.
pub const WEBHOOK: &str = "WH-CANARY-ACME";

impl World {
    /// The world with a PayPal account of the tenant's.
    pub async fn with_paypal() -> Self {
        let world = Self::new().await;
        world.paypal_account().await;
        world
    }

    /// Gives the tenant a PayPal account.
    pub async fn paypal_account(&self) {
        let paypal = &self.stack.paypal;
        paypal.add_account(CLIENT, CLIENT, SECRET);
        paypal.set_payouts(PayoutsBecome::DoneAtOnce);
        self.paypal_secret(CLIENT, SECRET);
        let gateways = json!({ "stripe": { "enabled": true }, "paypal": { "enabled": true } });
        assert_eq!(self.settings(json!({ "gateways": gateways })).await.status, 200);
    }

    /// From now on the tenant's secret names this client.
    fn paypal_secret(&self, client: &str, secret: &str) {
        let secret = json!({ "client_id": client, "client_secret": secret, "webhook_id": WEBHOOK });
        self.stack.secrets.put("passerelle/acme/paypal", &secret).unwrap();
    }

    /// From now on PayPal's events are delivered.
    pub fn hear_paypal(&self) {
        self.stack.paypal.add_webhook(CLIENT, &format!("{}/webhooks/paypal/{TENANT}", self.stack.urls.api), WEBHOOK);
    }

    /// PayPal's events so far, of these types, oldest first.
    fn paypal_events(&self, kinds: &[&str]) -> Vec<Value> {
        let events = self.stack.paypal.events(CLIENT).into_iter();
        events.filter(|event| kinds.contains(&event["event_type"].as_str().unwrap())).collect()
    }

    /// Delivers an event to the tenant's endpoint, signed as PayPal does.
    pub async fn paypal_tells(&self, event: &Value) -> Answer {
        let body = event.to_string();
        let headers = self.stack.paypal.sign(WEBHOOK, self.clock.now(), body.as_bytes());
        self.post_paypal_webhook(TENANT, headers, body.into_bytes()).await
    }

    /// Delivers the last event of this type, which is expected to be taken; the word it is answered with.
    async fn paypal_told(&self, kind: &str) -> String {
        let event = self.paypal_events(&[kind]).pop().unwrap_or_else(|| panic!("PayPal has made no {kind}"));
        let answer = self.paypal_tells(&event).await;
        assert_eq!(answer.status, 200, "{kind}: {}", answer.body);
        answer.body["status"].as_str().unwrap().to_owned()
    }

    /// Posts to a tenant's endpoint.
    async fn post_paypal_webhook(&self, tenant: &str, headers: Vec<(&str, String)>, body: Vec<u8>) -> Answer {
        let mut request = self.stack.http.post(format!("{}/webhooks/paypal/{tenant}", self.stack.urls.api)).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null);
        Answer { status, headers, body }
    }

    /// Asks PayPal itself, as a program of the tenant's does.
    async fn at_paypal(&self, verb: Method, path: &str, key: &str, body: &Value) -> Value {
        let base = &self.stack.urls.paypal;
        let form = [("grant_type", "client_credentials")];
        let asked = self.stack.http.post(format!("{base}/v1/oauth2/token")).basic_auth(CLIENT, Some(SECRET));
        let token: Value = asked.form(&form).send().await.unwrap().json().await.unwrap();
        let request = self.stack.http.request(verb, format!("{base}{path}"));
        let request = request.bearer_auth(token["access_token"].as_str().unwrap()).header("PayPal-Request-Id", key);
        let response = request.json(body).send().await.unwrap();
        let status = response.status();
        let answer: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    /// An approved payable to this address.
    pub async fn payout_to(&self, email: &str) -> String {
        self.approved(json!({ "counterparty": { "name": "Office Supplies Ltd", "paypal_email": email } })).await
    }

    /// A payout to this address, as it is answered: the invoice, and our payment.
    async fn paid_out_to(&self, email: &str) -> (String, String) {
        let invoice = self.payout_to(email).await;
        let answer = self.pay_by_paypal(&invoice).await;
        assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
        (invoice, answer.body["id"].as_str().unwrap().to_owned())
    }

    /// Adds a method of a customer's at PayPal, by default theirs; its id.
    pub async fn paypal_method(&self, reference: &str) -> String {
        let method = json!({ "gateway": "paypal", "reference": reference, "customer_id": "globex", "default": true });
        let added = self.admin().post("/payment-methods", &method).await.unwrap();
        assert_eq!(added.status, 201, "{}", added.body);
        added.body["id"].as_str().unwrap().to_owned()
    }

    /// An approved receivable of the customer with this method, with `change` over the invoice; the invoice and the
    /// method.
    pub async fn receivable_with(&self, method: &str, change: Value) -> (String, String) {
        let method = self.paypal_method(method).await;
        let counterparty = json!({ "name": "Globex Corporation", "customer_id": "globex" });
        let mut invoice = json!({ "kind": "receivable", "counterparty": counterparty });
        invoice.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        (self.approved(invoice).await, method)
    }

    /// The same, over 500.00 USD.
    async fn receivable_of(&self, method: &str) -> (String, String) {
        self.receivable_with(method, json!({})).await
    }

    /// Pays it by PayPal.
    pub async fn pay_by_paypal(&self, invoice: &str) -> Answer {
        self.pay(invoice, json!({ "payment_method": "paypal" })).await
    }

    /// A paid receivable: the invoice, our payment, the capture.
    pub async fn paid_by_paypal(&self, method: &str) -> (String, String, String) {
        let (invoice, _) = self.receivable_of(method).await;
        let answer = self.pay_by_paypal(&invoice).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        (invoice, text("id"), text("payment_id"))
    }

    fn captures(&self) -> Vec<CaptureEntry> {
        self.stack.paypal.books(CLIENT).captures
    }

    fn payouts(&self) -> Vec<ItemEntry> {
        self.stack.paypal.books(CLIENT).items
    }

    fn paypal_refunds(&self) -> Vec<RefundEntry> {
        self.stack.paypal.books(CLIENT).refunds
    }

    /// How often PayPal was asked to make something below this path.
    fn posts(&self, path: &str) -> usize {
        let posted = |request: &&local::paypal::LoggedRequest| request.method == "POST" && request.path == path;
        self.stack.paypal.requests().iter().filter(posted).count()
    }

    /// A sweep after so many minutes, as recovery looks.
    async fn sweep_after(&self, minutes: u64) {
        self.clock.advance(Duration::from_mins(minutes));
        self.sweep().await;
    }

    /// How a payment and its invoice stand.
    pub async fn standing(&self, invoice: &str, payment: &str) -> (String, String) {
        let status = |of: Value| of["status"].as_str().unwrap().to_owned();
        (status(self.payment(payment).await), status(self.invoice(invoice).await))
    }

    /// Waits for what an event brings about.
    pub async fn until(&self, path: &str, status: &str) -> Value {
        for _ in 0..200 {
            let found = self.admin().get(path).await.unwrap().body;
            if found["status"] == json!(status) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{path} is {} and not {status}", self.admin().get(path).await.unwrap().body);
    }
}

/// A sample of PayPal's events as it would come at this time, to this stack: only PayPal's key could sign it for good.
pub fn signed_by_paypal(world: &World, mut event: Value, at: Time) -> Value {
    let body = event["body"].as_str().unwrap().as_bytes().to_vec();
    for (name, value) in world.stack.paypal.sign(WEBHOOK, at, &body) {
        event["headers"][name] = json!(value);
    }
    event
}

/// Two words, as [`World::standing`] has them.
pub fn both(payment: &str, invoice: &str) -> (String, String) {
    (payment.to_owned(), invoice.to_owned())
}
