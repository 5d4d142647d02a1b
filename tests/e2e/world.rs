//! A world for one test: a stack on free ports, a simulated clock, a tenant that can pay.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use local::client::{Answer, Client};
use local::seed;
use local::stack::{Options, Stack};
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock::{Clock, Time};
use shared::model::audit::Entry;

use crate::openapi::document;

/// The tenant of most tests.
pub const TENANT: &str = "acme";
/// Its admin, who may do everything.
pub const ADMIN: &str = "admin@example.com";
/// Its Stripe account.
pub const ACCOUNT: &str = "acct_acme";

/// What signs its events.
pub const WEBHOOK_SECRET: &str = "whsec_CANARY_acme";

/// An answer is this refusal, with these codes, the first of which decides.
#[track_caller]
pub fn refused(answer: &Answer, status: u16, codes: &[&str]) {
    assert_eq!((answer.status, answer.codes().as_slice()), (status, codes), "{}", answer.body);
    assert_eq!(answer.code(), codes[0], "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert!(answer.body["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{}", answer.body);
}

/// A running stack with a tenant in it.
pub struct World {
    pub stack: Stack,
    pub clock: Clock,
    counter: AtomicU32,
}

impl World {
    /// A stack with the tenant `acme`: an admin without limits, Stripe, a card of the tenant's own.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same, with other options.
    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let world = Self::empty(change).await;
        world.tenant(TENANT, ACCOUNT).await;
        world
    }

    /// A stack without a tenant.
    pub async fn empty(change: impl FnOnce(&mut Options)) -> Self {
        crate::logs::watch();
        let clock = Clock::simulated("2026-01-15T14:30:00Z".parse::<Time>().unwrap());
        let mut options =
            Options { clock: clock.clone(), gateway_timeout: Some(Duration::from_millis(500)), ..Options::default() };
        change(&mut options);
        let clock = options.clock.clone();
        let stack = Stack::start(options).await.unwrap();
        Self { stack, clock, counter: AtomicU32::new(0) }
    }

    /// Sets up a tenant with a Stripe account, an admin and a card of its own.
    pub async fn tenant(&self, tenant: &str, account: &str) {
        let key = format!("sk_test_CANARY_{tenant}");
        self.stack.stripe.add_account(account, &key);
        let secret =
            json!({ "account": account, "secret_key": key, "webhook_secrets": [format!("whsec_CANARY_{tenant}")] });
        self.stack.secrets.put(&format!("passerelle/{tenant}/stripe"), &secret).unwrap();
        let operator = seed::operator(&self.stack, tenant).unwrap().watched(document::holds);
        let settings = json!({ "name": tenant, "timezone": "America/New_York", "on_insufficient_funds": "fail",
                                "gateways": { "stripe": { "enabled": true } } });
        assert_eq!(operator.put("/tenant", &settings).await.unwrap().status, 200);
        let admin = json!({ "roles": ["admin"], "approval_limits": { "*": null } });
        assert_eq!(operator.put(&format!("/members/{ADMIN}"), &admin).await.unwrap().status, 200);
        let card = json!({ "gateway": "stripe", "reference": "pm_card_visa" });
        let added = self.of(tenant, ADMIN).post("/payment-methods", &card).await.unwrap();
        assert_eq!(added.status, 201, "{}", added.body);
    }

    /// A client in the name of a user of `acme`. Made anew each time: tokens expire when the clock moves.
    pub fn user(&self, user: &str) -> Client {
        self.of(TENANT, user)
    }

    /// A client in the name of a user of a tenant.
    pub fn of(&self, tenant: &str, user: &str) -> Client {
        seed::client(&self.stack, tenant, user).unwrap().watched(document::holds)
    }

    /// A client in the admin's name.
    pub fn admin(&self) -> Client {
        self.user(ADMIN)
    }

    /// Adds a member; limits are for USD.
    pub async fn member(&self, user: &str, roles: &[&str], limit: Option<i64>) {
        let limits = limit.map_or(json!({}), |limit| json!({ "USD": limit }));
        let member = json!({ "roles": roles, "approval_limits": limits });
        let answer = self.admin().put(&format!("/members/{user}"), &member).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Changes the tenant's settings: the usual ones with `change` over them.
    pub async fn settings(&self, change: Value) -> Answer {
        let mut settings = json!({ "name": TENANT, "timezone": "America/New_York", "on_insufficient_funds": "fail",
                                    "gateways": { "stripe": { "enabled": true } } });
        settings.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        self.admin().put("/tenant", &settings).await.unwrap()
    }

    /// A payable draft over 500.00 USD, with `change` over it, entered by the admin; its id.
    pub async fn draft(&self, change: Value) -> String {
        let number = self.counter.fetch_add(1, Ordering::SeqCst);
        let mut invoice = json!({ "invoice_id": format!("INV-{number}"), "kind": "payable", "amount": 50_000, "currency": "USD",
                                  "counterparty": { "name": "Office Supplies Ltd" } });
        invoice.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = self.admin().post("/invoices", &invoice).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["invoice_id"].as_str().unwrap().to_owned()
    }

    /// The same, approved by the admin.
    pub async fn approved(&self, change: Value) -> String {
        let id = self.draft(change).await;
        let answer = self.admin().post(&format!("/invoices/{id}/approve"), &json!({})).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        id
    }

    /// Pays an invoice in the admin's name without a key, with `change` over the body.
    pub async fn pay(&self, invoice: &str, change: Value) -> Answer {
        self.pay_as(ADMIN, None, invoice, change).await
    }

    /// Pays an invoice.
    pub async fn pay_as(&self, user: &str, key: Option<&str>, invoice: &str, change: Value) -> Answer {
        let mut body = json!({ "invoice_id": invoice, "payment_method": "stripe" });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        self.user(user).send(Method::POST, "/payments", key, Some(&body)).await.unwrap()
    }

    /// Deletes something in a user's name.
    pub async fn delete(&self, user: &str, path: &str) -> Answer {
        self.user(user).send(Method::DELETE, path, None, None).await.unwrap()
    }

    /// Refunds a payment in the admin's name, with `change` over the body.
    pub async fn refund(&self, key: &str, payment: &str, change: Value) -> Answer {
        self.refund_as(ADMIN, key, payment, change).await
    }

    /// Refunds a payment.
    pub async fn refund_as(&self, user: &str, key: &str, payment: &str, change: Value) -> Answer {
        let mut body = json!({ "payment_id": payment });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        self.user(user).send(Method::POST, "/refunds", Some(key), Some(&body)).await.unwrap()
    }

    /// A paid invoice over 500.00 USD: the invoice, our payment, and Stripe's.
    pub async fn paid(&self) -> (String, String, String) {
        let invoice = self.approved(json!({})).await;
        let answer = self.pay(&invoice, json!({})).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        (invoice, text("id"), text("payment_id"))
    }

    /// The payment, read by the admin.
    pub async fn payment(&self, id: &str) -> Value {
        self.admin().get(&format!("/payments/{id}")).await.unwrap().body
    }

    /// Stripe's events so far, of these types, oldest first.
    pub fn events(&self, kinds: &[&str]) -> Vec<Value> {
        let events = self.stack.stripe.events(ACCOUNT).into_iter();
        events.filter(|event| kinds.contains(&event["type"].as_str().unwrap())).collect()
    }

    /// Delivers an event to the tenant's endpoint, signed as Stripe does.
    pub async fn deliver(&self, event: &Value) -> Answer {
        let body = event.to_string();
        let signature = local::stripe::sign(WEBHOOK_SECRET, self.clock.now(), body.as_bytes());
        self.post_webhook(TENANT, Some(&signature), body.into_bytes()).await
    }

    /// Delivers one that is expected to be taken; the word it is answered with.
    pub async fn told(&self, event: &Value) -> String {
        let answer = self.deliver(event).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["status"].as_str().unwrap().to_owned()
    }

    /// Posts to a tenant's endpoint.
    pub async fn post_webhook(&self, tenant: &str, signature: Option<&str>, body: Vec<u8>) -> Answer {
        let url = format!("{}/webhooks/stripe/{tenant}", self.stack.urls.api);
        let mut request =
            self.stack.http.post(url).header("content-type", "application/json; charset=utf-8").body(body);
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null);
        let answer = Answer { status, headers, body };
        document::holds(&Method::POST, &format!("/webhooks/stripe/{tenant}"), &answer);
        answer
    }

    /// Adds a payment method in the admin's name; its id.
    pub async fn method(&self, reference: &str, change: Value) -> String {
        let mut body = json!({ "gateway": "stripe", "reference": reference });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = self.admin().post("/payment-methods", &body).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// The invoice, read by the admin.
    pub async fn invoice(&self, id: &str) -> Value {
        self.admin().get(&format!("/invoices/{id}")).await.unwrap().body
    }

    /// The audit trail of an invoice: its actions, once the chain has been found intact.
    pub async fn trail(&self, invoice: &str) -> Vec<String> {
        let answer = self.admin().get(&format!("/invoices/{invoice}/audit")).await.unwrap();
        assert_eq!(answer.body["intact"], json!(true), "{}", answer.body);
        let entries = answer.body["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
    }

    /// Charges that Stripe's own books show for an invoice: the amounts that were captured.
    pub fn charged(&self, invoice: &str) -> Vec<i64> {
        self.stack
            .stripe
            .books(ACCOUNT)
            .into_iter()
            .filter(|entry| entry.captured && entry.metadata.get("invoice_id").is_some_and(|id| id == invoice))
            .map(|entry| entry.amount)
            .collect()
    }

    /// All items of a partition, straight from the table.
    pub async fn items(&self, table: &str, key: &str, partition: &str) -> Vec<HashMap<String, AttributeValue>> {
        let query = self
            .stack
            .dynamodb
            .query()
            .table_name(&self.stack.tables[table])
            .key_condition_expression("#key = :partition")
            .expression_attribute_names("#key", key)
            .expression_attribute_values(":partition", AttributeValue::S(partition.to_owned()))
            .consistent_read(true);
        query.send().await.unwrap().items.unwrap_or_default()
    }

    /// All items of all tables, by table and keys.
    pub async fn everything(&self) -> BTreeMap<String, HashMap<String, AttributeValue>> {
        let mut all = BTreeMap::new();
        for table in self.stack.tables.values() {
            let scan = self.stack.dynamodb.scan().table_name(table).consistent_read(true);
            let mut items = scan.into_paginator().items().send();
            while let Some(item) = items.next().await {
                let item = item.unwrap();
                let keys =
                    ["tenant_id", "alert_id", "id", "invoice_id", "entity", "seq", "record", "run_id", "method_id"];
                let key: Vec<String> = keys.iter().filter_map(|key| Some(format!("{:?}", item.get(*key)?))).collect();
                assert_eq!(all.insert(format!("{table} {key:?}"), item), None, "two items of {table} are {key:?}");
            }
        }
        all
    }

    /// The audit trail of any entity, straight from the table.
    pub async fn entries(&self, entity: &str) -> Vec<Entry> {
        let items = self.items("AUDIT_LOG_TABLE", "entity", entity).await;
        items.into_iter().map(|item| serde_dynamo::aws_sdk_dynamodb_1::from_item(item).unwrap()).collect()
    }

    /// A list, page by page, `limit` items at a time.
    pub async fn listed(&self, tenant: &str, path: &str, limit: usize) -> Vec<Value> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        let separator = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = format!("{path}{separator}limit={limit}{cursor}");
            let answer = self.of(tenant, ADMIN).get(&page).await.unwrap();
            assert_eq!(answer.status, 200, "{page}: {}", answer.body);
            let items = answer.body["items"].as_array().unwrap();
            assert!(items.len() <= limit, "{page}: {}", items.len());
            found.extend(items.iter().cloned());
            match answer.body["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    }

    /// One attribute of all of the tenant's alerts or agent runs, in the order of that text.
    pub async fn texts(&self, table: &str, attribute: &str) -> Vec<String> {
        let items = self.items(table, "tenant_id", TENANT).await;
        let mut texts: Vec<String> = items.iter().map(|item| item[attribute].as_s().unwrap().clone()).collect();
        texts.sort_unstable();
        texts
    }

    /// The kinds of the alerts that are there.
    pub async fn alerts(&self) -> Vec<String> {
        self.texts("ALERTS_TABLE", "kind").await
    }

    /// The error classes of the agent runs that are there.
    pub async fn runs(&self) -> Vec<String> {
        self.texts("AGENT_RUNS_TABLE", "error_class").await
    }

    /// A date in the tenant's time zone, so many days from today.
    pub fn in_days(&self, days: i64) -> String {
        let today = self.clock.now().date_in(&jiff::tz::TimeZone::get("America/New_York").unwrap());
        today.checked_add(jiff::Span::new().days(days)).unwrap().to_string()
    }

    /// One run of the executor, as EventBridge starts it every few minutes; its summary.
    pub async fn execute(&self) -> Value {
        self.run("sweep").await
    }

    /// The run that EventBridge starts once a day.
    pub async fn daily(&self) -> Value {
        self.run("daily").await
    }

    async fn run(&self, run: &str) -> Value {
        let executor = shared::flow::run::Executor::new(self.stack.functions["scheduled-executor"].app.clone());
        let mut context = lambda_http::lambda_runtime::Context::default();
        context.request_id = uuid::Uuid::new_v4().to_string();
        context.deadline = u64::try_from(self.clock.now().plus(Duration::from_mins(15)).millis()).unwrap();
        let event = lambda_http::lambda_runtime::LambdaEvent::new(json!({ "run": run }), context);
        scheduled_executor::handle(&executor, None, event).await.unwrap()
    }

    /// What recovery does every few minutes.
    pub async fn sweep(&self) {
        let deadline = self.clock.now().plus(Duration::from_mins(15));
        shared::flow::recover::sweep(&self.stack.app, "sweep", deadline).await.unwrap();
    }
}
