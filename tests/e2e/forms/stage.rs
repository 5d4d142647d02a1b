//! Good requests of every kind, and a tenant with all that they are about: but for what is wrong with its form, each
//! would be carried out.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use local::client::Answer;
use reqwest::Method;
use serde_json::{Value, json};

use super::walk::{self, Field, put};
use crate::openapi::document::{self, Operation, operations, resolved};
use crate::schedules::{DECLINED, scheduled};
use crate::world::{ADMIN, TENANT, World};

/// A request of the document with a body.
pub struct Form {
    pub operation: Operation,
    /// A good one.
    pub body: Value,
    /// The schema of its body.
    pub schema: &'static Value,
}

impl Form {
    pub fn path(&self) -> &str {
        &self.operation.path
    }

    pub fn fields(&self) -> Vec<Field> {
        walk::fields(self.schema)
    }

    /// A good body but for this field: one in which `value`, where it is good in itself, is good.
    pub fn about(&self, path: &[String], value: &Value) -> Value {
        let mut body = self.body.clone();
        let pages =
            json!({ "gateway": "paypal", "return_url": "https://example.com/", "cancel_url": "https://example.com/" });
        match (self.path(), path[0].as_str(), value.as_str().unwrap_or_default()) {
            ("/payments" | "/scheduled-payments", "kind" | "counterparty" | "description", _) => self.without_invoice(),
            ("/payments" | "/scheduled-payments", "invoice_id", _) if value.is_null() => self.without_invoice(),
            ("/payment-methods/setup", "return_url" | "cancel_url", _) => pages,
            ("/payment-methods/setup", "gateway", "paypal") => pages,
            ("/payment-methods/setup", "gateway", "plaid") => json!({}),
            ("/payment-methods", "gateway", "plaid") => json!({ "reference": "public-x" }),
            // A method has one owner.
            (_, "vendor_id", _) => {
                body.as_object_mut().unwrap().remove("customer_id");
                body
            }
            (_, "gateway_reference", _) => json!({ "outcome": "executed", "note": "x" }),
            (_, "outcome", _) => json!({ "note": "x" }),
            _ => body,
        }
    }

    /// A payment that makes its invoice itself.
    pub fn without_invoice(&self) -> Value {
        let mut body = json!({ "amount": 2_500, "currency": "USD", "kind": "payable", "payment_method": "stripe",
                               "counterparty": { "name": "Vendor" }, "description": "Order 1" });
        if self.path() == "/scheduled-payments" {
            body["scheduled_date"] = self.body["scheduled_date"].clone();
        }
        body
    }

    /// A good body, but for `value` where the field is.
    pub fn with(&self, field: &Field, value: Value) -> Value {
        let mut body = self.about(&field.path, &value);
        put(&mut body, &field.path, field.holding(value));
        body
    }
}

/// One request, as it stands.
pub struct Call<'a> {
    pub operation: &'a Operation,
    /// What stands for the parameter of the path, if it has one.
    pub id: &'a str,
    pub query: &'a [(&'a str, &'a str)],
    pub headers: &'a [(&'a str, &'a [u8])],
    pub body: Option<String>,
}

/// A text as a part of a path.
fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Items, by table and keys.
pub type Written = BTreeMap<String, HashMap<String, AttributeValue>>;

/// The tenant.
pub struct Stage {
    pub world: World,
    token: String,
    /// By the first part of the path.
    ids: HashMap<&'static str, String>,
    counter: AtomicU32,
}

impl Stage {
    pub async fn new() -> Self {
        let world = World::new().await;
        world.member("jdoe", &["approver"], Some(5_000)).await;
        for invoice in ["INV-2026-001", "INV-2026-004"] {
            world.approved(json!({ "invoice_id": invoice })).await;
        }
        let (_, _, paid) = world.paid().await;
        let refund = world.refund("part", &paid, json!({ "amount": 1 })).await;
        let asks = world.method("pm_card_authenticationRequired", json!({})).await;
        let declines = world.method(DECLINED, json!({})).await;
        let waiting = world.approved(json!({})).await;
        let waiting = world.pay(&waiting, json!({ "payment_method_id": asks })).await;
        let declined = world.approved(json!({})).await;
        assert_eq!(world.pay(&declined, json!({ "payment_method_id": declines })).await.status, 402);
        let promised = scheduled(&world, &world.approved(json!({})).await, 9, json!({})).await;
        let draft = world.draft(json!({})).await;
        let alerts = world.admin().get("/alerts").await.unwrap().body;
        let of = |object: &Value| object["id"].as_str().unwrap().to_owned();
        let ids = [
            ("payments", of(&waiting.body)),
            ("refunds", of(&refund.body)),
            ("scheduled-payments", of(&promised)),
            ("payment-methods", asks),
            ("alerts", of(&alerts["items"][0])),
            ("invoices", draft),
            ("members", "jdoe".to_owned()),
            ("paid", paid),
        ];
        let token = local::token::issue(ADMIN, TENANT, &[], &world.clock).unwrap();
        Self { world, token, ids: ids.into(), counter: AtomicU32::new(0) }
    }

    /// The id of what the tenant has, of the kind that a path is about.
    pub fn id(&self, path: &str) -> &str {
        self.ids.get(path.split('/').nth(1).unwrap()).map(String::as_str).unwrap_or_default()
    }

    /// Every request that takes a body, those too that take an empty one only.
    pub fn forms(&self) -> Vec<Form> {
        let of_document = operations().into_iter().filter(|one| !one.path.starts_with("/webhooks"));
        let forms: Vec<Form> = of_document.filter_map(|operation| self.form(operation)).collect();
        let empty = forms.iter().filter(|form| form.fields().is_empty()).count();
        assert_eq!((forms.len(), empty), (20, 8), "requests with a body, and those whose body is empty");
        forms
    }

    fn form(&self, operation: Operation) -> Option<Form> {
        let content = &operation.entry["requestBody"]["content"]["application/json"];
        let schema = resolved(content.get("schema")?);
        let examples = content["examples"].as_object().unwrap().iter();
        // As the play calls those that are wrong.
        let mut good = examples.filter(|(name, _)| !name.starts_with("A_request_with"));
        let mut body = good.next().unwrap().1["value"].clone();
        match (operation.method.as_str(), operation.path.as_str()) {
            // The examples' ids are masked, and this one is taken.
            ("POST", "/refunds") => body["payment_id"] = json!(self.ids["paid"]),
            ("POST", "/invoices") => walk::remove(&mut body, &["invoice_id".to_owned()]),
            _ => {}
        }
        Some(Form { operation, body, schema })
    }

    /// Sends a request as it stands, in the admin's name.
    pub async fn call(&self, call: Call<'_>) -> Answer {
        self.call_with(&self.token, call).await
    }

    /// The same with another token; path and query are encoded here.
    pub async fn call_with(&self, token: &str, call: Call<'_>) -> Answer {
        let url = format!("{}{}", self.world.stack.urls.api, walk::with(&call.operation.path, &encoded(call.id)));
        let method: Method = call.operation.method.parse().unwrap();
        let mut request = self.world.stack.http.request(method.clone(), url).bearer_auth(token).query(call.query);
        for (name, value) in call.headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = call.body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null);
        let answer = Answer { status, headers, body };
        document::holds(&method, &walk::filled(&call.operation.path), &answer);
        answer
    }

    /// Sends a body to its request, under a key of its own.
    pub async fn send(&self, form: &Form, body: String) -> Answer {
        let key = format!("form-{}", self.counter.fetch_add(1, Ordering::SeqCst));
        let operation = &form.operation;
        let headers = [("Idempotency-Key", key.as_bytes())];
        self.call(Call { operation, id: self.id(form.path()), query: &[], headers: &headers, body: Some(body) }).await
    }

    /// All that is written down, but for the trail of refused attempts to move money, which is meant to grow.
    pub async fn written(&self) -> Written {
        let mut all = self.world.everything().await;
        let refused = format!("{TENANT}/requests/");
        let entity =
            |item: &HashMap<String, AttributeValue>| item.get("entity").and_then(|one| one.as_s().ok().cloned());
        all.retain(|_, item| !entity(item).is_some_and(|entity| entity.starts_with(&refused)));
        all
    }

    /// Nothing has been written, changed or deleted since.
    pub async fn is_as(&self, before: &Written) {
        let now = self.written().await;
        let changed: Vec<_> = now.iter().filter(|(key, item)| before.get(*key) != Some(item)).collect();
        let gone: Vec<_> = before.keys().filter(|key| !now.contains_key(*key)).collect();
        assert!(changed.is_empty() && gone.is_empty(), "written: {changed:#?}, deleted: {gone:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_that_is_spoiled_here_would_be_carried_out_as_it_stands() {
    let stage = Stage::new().await;
    let (last, first): (Vec<Form>, Vec<Form>) =
        stage.forms().into_iter().partition(|form| form.operation.method == "DELETE");
    let mut not = Vec::new();
    for form in first.iter().chain(&last) {
        let before = stage.written().await;
        let answer = stage.send(form, form.body.to_string()).await;
        if answer.status >= 300 {
            not.push(form.operation.entry["operationId"].as_str().unwrap());
            assert_eq!(answer.status, 409, "{}: {}", form.path(), answer.body);
        } else if form.path() != "/payment-methods/setup" {
            assert_ne!(stage.written().await, before, "{}", form.path());
        }
    }
    // A refund is final at once, and nothing waits for a person's word.
    not.sort_unstable();
    assert_eq!(not, ["cancel_refund", "resolve_payment", "resolve_refund"]);
}
