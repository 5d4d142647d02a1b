//! What the tests of Plaid share: a customer who is debited, banks that move when they are told to, and what our own
//! tables say.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Service};
use local::client::Answer;
use local::plaid::Entry;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{CLIENT, SECRET};
use crate::world::{ADMIN, TENANT, World};

/// The customer's bank account.
pub const ACCOUNT: &str = "acc_globex";
/// Where Plaid gives leave for a transfer.
pub const AUTHORIZE: &str = "/transfer/authorization/create";
/// Where it makes one.
pub const CREATE: &str = "/transfer/create";
/// Where it tells of them.
pub const SYNC: &str = "/transfer/event/sync";

/// A world with a customer who has linked a bank account; its method. Banks do nothing by themselves.
pub async fn debtor() -> (World, String) {
    let world = World::with_plaid().await;
    let method = linked(&world).await;
    (world, method)
}

/// Links the customer's account in a world that has Plaid already, and closes the banks.
pub async fn linked(world: &World) -> String {
    world.stack.plaid.set_banks_closed(true);
    world.plaid_bank(ACCOUNT, 1_000_000, json!({ "customer_id": "globex" })).await
}

/// A payment over Plaid.
pub struct Moved {
    pub invoice: String,
    pub payment: String,
    pub transfer: String,
}

/// A debit that is under way, and no send of which can be open.
pub async fn debited(world: &World) -> Moved {
    let invoice = world.receivable(json!({})).await;
    moved(world, invoice).await
}

/// The same of an invoice that is there.
pub async fn moved(world: &World, invoice: String) -> Moved {
    let (payment, transfer) = world.under_way(&invoice).await;
    later(world);
    Moved { invoice, payment, transfer }
}

/// A debit that has settled, and that we know of.
pub async fn settled(world: &World) -> Moved {
    let moved = debited(world).await;
    settle(world, &moved).await;
    moved
}

/// Banks move it to its end, and we are told.
pub async fn settle(world: &World, moved: &Moved) {
    assert!(world.stack.plaid.post(&moved.transfer) && world.stack.plaid.settle(&moved.transfer));
    world.plaid_told().await;
    assert_eq!(standing(world, moved).await, both("paid", "paid"));
}

/// Its bank sends it back, and we are told.
pub async fn send_back(world: &World, moved: &Moved, code: &str) {
    world.stack.plaid.post(&moved.transfer);
    assert!(world.stack.plaid.return_transfer(&moved.transfer, code), "{code}");
    world.plaid_told().await;
}

/// Until no send can be open any more.
pub fn later(world: &World) {
    world.clock.advance(Duration::from_mins(3));
}

/// How a payment and its invoice stand.
pub fn both(payment: &str, invoice: &str) -> (String, String) {
    (payment.to_owned(), invoice.to_owned())
}

/// The same in our tables: nobody at Plaid is asked.
pub async fn standing(world: &World, moved: &Moved) -> (String, String) {
    let status = |item: HashMap<String, AttributeValue>| item["status"].as_s().unwrap().clone();
    let payment = item(world, "PAYMENTS_TABLE", "id", &moved.payment).await.unwrap();
    (status(payment), status(item(world, "INVOICES_TABLE", "invoice_id", &moved.invoice).await.unwrap()))
}

/// An item of the tenant's.
pub async fn item(world: &World, table: &str, key: &str, id: &str) -> Option<HashMap<String, AttributeValue>> {
    let items = world.items(table, "tenant_id", TENANT).await;
    items.into_iter().find(|item| item.get(key).is_some_and(|found| found.as_s().unwrap() == id))
}

/// What the books say of a method.
pub async fn method_status(world: &World, method: &str) -> String {
    item(world, "PAYMENT_METHODS_TABLE", "method_id", method).await.unwrap()["status"].as_s().unwrap().clone()
}

/// The secret of a method, as it is.
pub async fn secret_of(world: &World, method: &str) -> Option<Value> {
    let asked =
        world.stack.http.post(&world.stack.urls.secrets).header("x-amz-target", "secretsmanager.GetSecretValue");
    let asked = asked.body(json!({ "SecretId": format!("passerelle/{TENANT}/plaid/{method}") }).to_string());
    let answer: Value = asked.send().await.unwrap().json().await.unwrap();
    answer["SecretString"].as_str().map(|text| serde_json::from_str(text).unwrap())
}

/// How far Plaid's events are read; `None`: nobody asks for them.
pub async fn cursor(world: &World) -> Option<u64> {
    cursor_of(world, CLIENT).await
}

/// The same, of another client's events.
pub async fn cursor_of(world: &World, client: &str) -> Option<u64> {
    let cursor = item(world, "TENANTS_TABLE", "record", "cursor#plaid").await?;
    let accounts = cursor["accounts"].as_m().unwrap();
    Some(accounts[client].as_m().unwrap()["after"].as_n().unwrap().parse().unwrap())
}

/// The bodies of the requests to a path, with the status that each was answered with.
pub fn asked(world: &World, path: &str) -> Vec<(u16, Value)> {
    let requests = world.stack.plaid.requests().into_iter().filter(|request| request.path == path);
    requests.map(|request| (request.status, request.body)).collect()
}

/// The one transfer that Plaid has.
#[track_caller]
pub fn only(world: &World) -> Entry {
    let mut books = world.plaid_books();
    assert_eq!(books.len(), 1, "{books:?}");
    books.pop().unwrap()
}

/// What customers read of their debits, oldest first.
pub fn descriptions(world: &World) -> Vec<String> {
    world.plaid_books().into_iter().map(|entry| entry.description).collect()
}

/// How often the customer's bank was shown a debit.
pub fn presented(world: &World) -> usize {
    world.stack.plaid.presentments(ACCOUNT).len()
}

/// Debits a method for an invoice.
pub async fn pay(world: &World, invoice: &str, method: &str) -> Answer {
    world.pay_by_bank(invoice, json!({ "payment_method_id": method })).await
}

/// How often each alert was raised.
pub async fn counts(world: &World) -> Vec<String> {
    let alerts = world.items("ALERTS_TABLE", "tenant_id", TENANT).await;
    alerts.iter().map(|alert| alert["count"].as_n().unwrap().clone()).collect()
}

/// The recovery sweep, so many minutes on.
pub async fn sweep_after(world: &World, minutes: u64) {
    world.clock.advance(Duration::from_mins(minutes));
    world.sweep().await;
}

impl World {
    /// Somebody refunds in Plaid's dashboard; Plaid's id of the refund.
    pub async fn refund_at_plaid(&self, transfer: &str, amount: &str) -> String {
        let key = uuid::Uuid::new_v4().to_string();
        let body = json!({ "transfer_id": transfer, "amount": amount, "idempotency_key": key });
        let asked = self.stack.http.post(format!("{}/transfer/refund/create", self.stack.urls.plaid)).json(&body);
        let asked = asked.header("PLAID-CLIENT-ID", CLIENT).header("PLAID-SECRET", SECRET);
        let answer: Value = asked.send().await.unwrap().json().await.unwrap();
        answer["refund"]["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

/// What Plaid answers with an error.
pub fn error(kind: &str, code: &str) -> Value {
    json!({ "error_type": kind, "error_code": code, "error_message": "no", "display_message": null, "request_id": "r" })
}

/// An answer's payment.
pub fn payment_of(answer: &Answer) -> String {
    let id = answer.body.get("id").or(answer.body["payment"].get("id"));
    id.and_then(Value::as_str).unwrap_or_else(|| panic!("{}", answer.body)).to_owned()
}

/// A payment in a sandbox that can be killed.
pub fn begin(world: &World, invoice: &str) -> JoinHandle<()> {
    let mut event: Value = serde_json::from_str(include_str!("../../../events/pay.json")).unwrap();
    event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = json!(ADMIN);
    event["headers"].as_object_mut().unwrap().remove("idempotency-key");
    event["body"] = json!(json!({ "invoice_id": invoice, "payment_method": "ach" }).to_string());
    let request: LambdaRequest = serde_json::from_value(event).unwrap();
    let mut context = Context::default();
    context.request_id = uuid::Uuid::new_v4().to_string();
    context.deadline = u64::try_from(world.clock.now().plus(Duration::from_secs(29)).millis()).unwrap();
    let router = pay::router(world.stack.functions["pay"].app.clone());
    tokio::spawn(async move {
        let call = Adapter::from(router).call(LambdaEvent::new(request, context));
        drop(call.await);
    })
}
