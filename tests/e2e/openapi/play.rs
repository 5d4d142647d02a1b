//! The document's examples: a play of requests against a whole stack, which is written down with its answers.

use std::time::Duration;

use local::stripe::RefundsBecome;
use local::stripe::fault::{Fault, Kind};
use reqwest::Method;
use serde_json::{Value, json};

use super::document::{self, DOCUMENT, judge, operations};
use super::mask::Mask;
use crate::world::{ADMIN, TENANT, WEBHOOK_SECRET, World};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../local/src/openapi/examples.json");

const PAYPAL_WEBHOOK: &str = "WH-CANARY-ACME";

/// A play, as far as it is.
struct Play {
    world: World,
    steps: Vec<Value>,
}

impl Play {
    /// One step: somebody asks for an operation. `parameters` stand in the path, the query and the headers.
    async fn by(
        &mut self,
        user: &str,
        name: &str,
        operation: &str,
        parameters: Value,
        request: Option<Value>,
    ) -> Value {
        self.world.clock.advance(Duration::from_secs(1));
        let described = operations().into_iter().find(|one| one.entry["operationId"] == json!(operation)).unwrap();
        let parameters = parameters.as_object().unwrap().clone();
        let (mut path, mut query) = (described.path.clone(), Vec::new());
        let token = match user {
            "operator" => local::token::issue(user, TENANT, &["passerelle/operator"], &self.world.clock),
            _ => local::token::issue(user, TENANT, &[], &self.world.clock),
        };
        let mut headers = vec![("authorization".to_owned(), format!("Bearer {}", token.unwrap()))];
        for (name, value) in &parameters {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match self.place(&described, name) {
                "path" => path = path.replace(&format!("{{{name}}}"), &text),
                "query" => query.push((name.clone(), text)),
                _ => headers.push((name.clone(), text)),
            }
        }
        let method: Method = described.method.parse().unwrap();
        let url = format!("{}{path}", self.world.stack.urls.api);
        let mut sent = self.world.stack.http.request(method.clone(), url).query(&query);
        for (name, value) in headers {
            sent = sent.header(name, value);
        }
        if let Some(request) = &request {
            let schema = &described.entry["requestBody"]["content"]["application/json"]["schema"];
            assert!(judge(schema).is_valid(request) || name.starts_with("A request with"), "{name}: {request}");
            sent = sent.header("content-type", "application/json").body(request.to_string());
        }
        let response = sent.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null);
        let answer = local::client::Answer { status, headers, body: body.clone() };
        document::holds(&method, &path, &answer);
        self.steps.push(json!({ "name": name, "operation": operation, "parameters": parameters, "request": request,
                                "status": status, "answer": body }));
        body
    }

    /// One that the admin takes.
    async fn step(&mut self, name: &str, operation: &str, parameters: Value, request: Option<Value>) -> Value {
        self.by(ADMIN, name, operation, parameters, request).await
    }

    /// The status of the last answer.
    #[track_caller]
    fn was(&self, status: u16) {
        let last = self.steps.last().unwrap();
        assert_eq!(last["status"], json!(status), "{last:#}");
    }

    fn place(&self, operation: &document::Operation, name: &str) -> &'static str {
        let parameters = operation.entry["parameters"].as_array().unwrap();
        let found = parameters.iter().find(|one| one["name"] == json!(name));
        found.unwrap_or_else(|| panic!("{} has no parameter {name}", operation.path))["in"].as_str().unwrap()
    }
}

fn id(of: &Value) -> Value {
    json!({ "id": of["id"] })
}

fn none() -> Value {
    json!({})
}

async fn settings(play: &mut Play) {
    let settings = json!({
        "name": "Acme Corporation", "timezone": "America/New_York", "second_approval_above": { "USD": 1_000_000 },
        "retry_days": [1, 3, 7], "on_insufficient_funds": "fail", "alert_email": "treasury@example.com",
        "gateways": { "stripe": { "enabled": true }, "paypal": { "enabled": false },
                      "ach": { "enabled": true, "provider": "stripe", "plaid": { "ach_class": "ccd" } } },
    });
    play.by("operator", "The operator makes the tenant", "put_tenant", none(), Some(settings)).await;
    play.was(200);
    let admin = json!({ "roles": ["admin"], "approval_limits": { "*": null } });
    play.by("operator", "The operator adds the first admin", "put_member", json!({ "user_id": ADMIN }), Some(admin))
        .await;
    play.was(200);
    let approver = json!({ "roles": ["approver"], "approval_limits": { "USD": 10_000 } });
    play.step("The admin adds an approver", "put_member", json!({ "user_id": "jdoe" }), Some(approver)).await;
    play.was(200);
    play.step("The settings", "read_tenant", none(), None).await;
    play.step("The members", "list_members", json!({ "limit": 25 }), None).await;
    let nobody = json!({ "user_id": "nobody" });
    play.step("Somebody who is no member", "remove_member", nobody, Some(none())).await;
    play.was(404);
    play.step("The last admin", "remove_member", json!({ "user_id": ADMIN }), Some(none())).await;
    play.was(409);
}

async fn methods(play: &mut Play) -> Value {
    let card = json!({ "gateway": "stripe", "kind": "card", "customer_id": "globex" });
    play.step("A customer's card at Stripe", "begin_method_setup", none(), Some(card)).await;
    play.was(201);
    let own = json!({ "gateway": "stripe", "reference": "pm_card_visa" });
    play.step("The tenant's own card", "add_method", none(), Some(own)).await;
    play.was(201);
    let theirs =
        json!({ "gateway": "stripe", "reference": "pm_card_mastercard", "customer_id": "globex", "default": true });
    let card = play.step("A customer's card", "add_method", none(), Some(theirs)).await;
    play.step("A customer's methods", "list_methods", json!({ "customer_id": "globex" }), None).await;
    play.step("A method becomes the default", "set_default_method", id(&card), Some(none())).await;
    play.was(200);
    play.step("A method is detached", "detach_method", id(&card), Some(none())).await;
    play.was(200);
    let poor = json!({ "gateway": "stripe", "reference": "pm_card_visa_chargeDeclinedInsufficientFunds" });
    play.step("A card without funds", "add_method", none(), Some(poor)).await
}

/// An invoice that is entered; its id.
async fn entered(play: &mut Play, name: &str, number: &str, amount: i64) -> Value {
    let invoice = json!({
        "invoice_id": number, "kind": "payable", "amount": amount, "currency": "USD", "due_date": "2026-02-15",
        "counterparty": { "name": "Office Supplies Ltd", "email": "billing@office-supplies.example", "vendor_id": "office-supplies" },
    });
    play.step(name, "create_invoice", none(), Some(invoice)).await;
    json!({ "id": number })
}

/// One that is approved.
async fn approved(play: &mut Play, number: &str) -> Value {
    let invoice = entered(play, &format!("Invoice {number}"), number, 50_000).await;
    play.step(&format!("Invoice {number} is approved"), "approve_invoice", invoice.clone(), Some(none())).await;
    play.was(200);
    invoice
}

async fn invoices(play: &mut Play) {
    let draft = entered(play, "A draft", "INV-2026-001", 50_000).await;
    play.was(201);
    entered(play, "Another invoice under the same id", "INV-2026-001", 60_000).await;
    play.was(409);
    play.by("jdoe", "Above the approver's limit", "approve_invoice", draft.clone(), Some(none())).await;
    play.was(403);
    play.step("It is approved", "approve_invoice", draft.clone(), Some(none())).await;
    play.was(200);
    play.step("An invoice", "read_invoice", draft, None).await;
    let large = entered(play, "A large invoice", "INV-2026-002", 2_000_000).await;
    play.step("One of two approvals", "approve_invoice", large.clone(), Some(none())).await;
    play.was(202);
    play.step("It is void", "void_invoice", large, Some(none())).await;
    play.was(200);
    play.step("Approved invoices", "list_invoices", json!({ "status": "approved", "limit": 1 }), None).await;
    play.step("No such invoice", "read_invoice", json!({ "id": "INV-0000" }), None).await;
    play.was(404);
}

async fn payments(play: &mut Play, poor: &Value) -> Value {
    let body = json!({ "invoice_id": "INV-2026-001", "payment_method": "stripe" });
    let key = |key: &str| json!({ "Idempotency-Key": key });
    let paid = play.step("An approved invoice is paid", "create_payment", key("order-1"), Some(body.clone())).await;
    play.was(201);
    play.step("The same request again", "create_payment", key("order-1"), Some(body.clone())).await;
    play.was(200);
    play.step("The invoice is paid already", "create_payment", key("order-2"), Some(body)).await;
    play.was(409);
    approved(play, "INV-2026-003").await;
    let declined = json!({ "invoice_id": "INV-2026-003", "payment_method": "stripe", "payment_method_id": poor["id"] });
    play.step("The card has no funds", "create_payment", none(), Some(declined)).await;
    play.was(402);
    let wrong = json!({ "invoice_id": "INV-2026-003", "payment_method": "cash", "memo": "x" });
    play.step("A request with two wrong fields", "create_payment", none(), Some(wrong)).await;
    play.was(422);
    let new = json!({ "amount": 2_500, "currency": "USD", "kind": "payable", "counterparty": { "name": "Corner Café" },
                      "description": "Coffee for the team", "payment_method": "stripe" });
    play.step("Without an invoice", "create_payment", key("coffee-1"), Some(new)).await;
    play.was(201);
    let method = json!({ "gateway": "stripe", "reference": "pm_card_authenticationRequired" });
    let strict = play.step("A card that asks its owner", "add_method", none(), Some(method)).await;
    play.was(201);
    let asked = json!({ "invoice_id": "INV-2026-003", "payment_method": "stripe", "payment_method_id": strict["id"] });
    let waiting = play.step("The customer must act", "create_payment", none(), Some(asked)).await;
    play.was(202);
    play.step("Nobody acts: it is canceled", "cancel_payment", id(&waiting), Some(none())).await;
    play.was(200);
    play.step("It is final", "cancel_payment", id(&paid), Some(none())).await;
    play.was(409);
    let word = json!({ "outcome": "executed", "gateway_reference": "pi_3ExampleOfStripes", "note": "Seen in Stripe's dashboard" });
    play.step("Its outcome is known", "resolve_payment", id(&paid), Some(word)).await;
    play.was(409);
    play.step("A payment", "read_payment", id(&paid), None).await;
    play.step("An invoice's payments", "list_payments", json!({ "invoice_id": "INV-2026-003" }), None).await;
    paid
}

async fn refunds(play: &mut Play, paid: &Value) {
    let key = |key: &str| json!({ "Idempotency-Key": key });
    let part = json!({ "payment_id": paid["payment_id"], "amount": 12_500, "reason": "requested_by_customer" });
    let refund = play.step("A part of a payment", "create_refund", key("return-1"), Some(part)).await;
    play.was(201);
    let more = json!({ "payment_id": paid["id"], "amount": 37_501 });
    play.step("More than is left", "create_refund", key("return-2"), Some(more)).await;
    play.was(409);
    play.step("Without a key", "create_refund", none(), Some(json!({ "payment_id": paid["id"] }))).await;
    play.was(400);
    play.step("A refund", "read_refund", id(&refund), None).await;
    play.step("A payment's refunds", "list_refunds", json!({ "payment_id": paid["id"] }), None).await;
    play.step("It is final", "cancel_refund", id(&refund), Some(none())).await;
    play.was(409);
    let word = json!({ "outcome": "not_executed", "note": "The customer has not got it" });
    play.step("Its outcome is known", "resolve_refund", id(&refund), Some(word)).await;
    play.was(409);
}

async fn schedules(play: &mut Play) {
    approved(play, "INV-2026-004").await;
    let body = json!({ "invoice_id": "INV-2026-004", "payment_method": "stripe", "scheduled_date": "2026-03-02" });
    let promised = play
        .step("A payment is promised", "schedule_payment", json!({ "Idempotency-Key": "march-1" }), Some(body))
        .await;
    play.was(202);
    play.step("A scheduled payment", "read_scheduled_payment", id(&promised), None).await;
    play.step("What is promised", "list_scheduled_payments", json!({ "status": "pending" }), None).await;
    play.step(
        "It is put off",
        "change_scheduled_payment",
        id(&promised),
        Some(json!({ "scheduled_date": "2026-03-09" })),
    )
    .await;
    play.was(200);
    play.step(
        "The day is past",
        "change_scheduled_payment",
        id(&promised),
        Some(json!({ "scheduled_date": "2020-01-01" })),
    )
    .await;
    play.was(422);
    play.step("It is called off", "cancel_scheduled_payment", id(&promised), Some(none())).await;
    play.was(200);
}

async fn review(play: &mut Play) {
    let alerts = play.step("What waits for a person", "list_alerts", none(), None).await;
    let alert = &alerts["items"][0];
    let order = json!({ "note": "The owner of the card has been told", "count": alert["count"] });
    play.step("An alert is resolved", "resolve_alert", id(alert), Some(order)).await;
    play.was(200);
    play.step("Failed executions", "list_agent_runs", json!({ "payment_id": alert["payment_id"] }), None).await;
    play.was(200);
    play.step("The trail of a day", "list_audit_entries", json!({ "day": "2026-01-15", "limit": 2 }), None).await;
    play.step("An invoice's trail", "read_invoice_audit", json!({ "id": "INV-2026-002" }), None).await;
}

/// What a person says or stops, where nobody else knows.
async fn people(play: &mut Play, paid: &Value) {
    let key = |key: &str| json!({ "Idempotency-Key": key });
    play.world.stack.stripe.set_refunds(RefundsBecome::RequiresAction);
    let part = json!({ "payment_id": paid["id"], "amount": 1_000 });
    let waiting = play.step("The customer must say where to", "create_refund", key("return-3"), Some(part)).await;
    play.was(202);
    play.world.clock.advance(Duration::from_secs(200));
    play.step("Nobody says it: it is canceled", "cancel_refund", id(&waiting), Some(none())).await;
    play.was(200);

    approved(play, "INV-2026-005").await;
    let of_refunds = Fault { path: "/v1/refunds".to_owned(), ..Fault::pay(Kind::NothingReached) };
    for fault in [Fault::pay(Kind::NothingReached), of_refunds] {
        play.world.stack.stripe.add_fault(fault.times(1_000));
    }
    let body = json!({ "invoice_id": "INV-2026-005", "payment_method": "stripe" });
    let payment = play.step("Stripe does not answer", "create_payment", key("order-5"), Some(body)).await;
    play.was(202);
    let part = json!({ "payment_id": paid["id"], "amount": 2_000 });
    let refund = play.step("Stripe does not answer", "create_refund", key("return-4"), Some(part)).await;
    play.was(202);
    for hours in [1, 2, 4, 8, 16] {
        play.world.clock.advance(Duration::from_hours(hours));
        play.world.sweep().await;
    }
    play.world.stack.stripe.clear_faults();
    let word = json!({ "outcome": "executed", "note": "The vendor has the money" });
    play.step("A person knows that it was paid", "resolve_payment", id(&payment), Some(word)).await;
    play.was(200);
    let word = json!({ "outcome": "not_executed", "note": "The customer has not got it" });
    play.step("A person knows that nothing went back", "resolve_refund", id(&refund), Some(word)).await;
    play.was(200);
    play.step("An approver leaves", "remove_member", json!({ "user_id": "jdoe" }), Some(none())).await;
    play.was(204);
}

async fn webhooks(play: &mut Play) {
    let at = |play: &Play| play.world.clock.now().plus(Duration::from_secs(1));
    let event = json!({ "id": "evt_1ExampleOfStripes", "object": "event", "type": "customer.created", "created": 1_768_487_400,
                        "data": { "object": { "id": "cus_ExampleOfStripes", "object": "customer" } } });
    let signature = local::stripe::sign(WEBHOOK_SECRET, at(play), event.to_string().as_bytes());
    let signed = json!({ "tenant_id": TENANT, "Stripe-Signature": signature });
    play.step("An event about nothing of ours", "receive_stripe_event", signed, Some(event)).await;
    play.was(200);

    let event = json!({ "id": "WH-EXAMPLE", "event_type": "PAYMENT.CAPTURE.COMPLETED", "resource": { "id": "3C679366HH908993F" } });
    let mut signed = json!({ "tenant_id": TENANT });
    let headers = play.world.stack.paypal.sign(PAYPAL_WEBHOOK, at(play), event.to_string().as_bytes());
    for (name, value) in headers.into_iter().filter(|(name, _)| name.starts_with("paypal-")) {
        signed[title(name)] = json!(value);
    }
    play.step("An event about nothing of ours", "receive_paypal_event", signed, Some(event.clone())).await;
    play.was(200);
    play.step("Without a signature", "receive_paypal_event", json!({ "tenant_id": TENANT }), Some(event)).await;
    play.was(400);

    let event =
        json!({ "webhook_type": "TRANSFER", "webhook_code": "TRANSFER_EVENTS_UPDATE", "environment": "sandbox" });
    let token = play.world.stack.plaid.sign(at(play), event.to_string().as_bytes());
    let signed = json!({ "tenant_id": TENANT, "Plaid-Verification": token });
    play.step("There are events to fetch", "receive_plaid_event", signed, Some(event.clone())).await;
    play.was(200);
    play.step("Without a signature", "receive_plaid_event", json!({ "tenant_id": TENANT }), Some(event)).await;
    play.was(400);
}

/// A header's name as PayPal writes it.
fn title(name: &str) -> String {
    let words = name.split('-').map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..]));
    words.collect::<Vec<_>>().join("-")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_are_what_a_whole_stack_was_asked_and_answered() {
    let world = World::empty(|_| {}).await;
    let key = format!("sk_test_CANARY_{TENANT}");
    world.stack.stripe.add_account(crate::world::ACCOUNT, &key);
    let secret = json!({ "account": crate::world::ACCOUNT, "secret_key": key, "webhook_secrets": [WEBHOOK_SECRET] });
    world.stack.secrets.put("passerelle/acme/stripe", &secret).unwrap();
    let secret =
        json!({ "client_id": "client_acme", "client_secret": "secret_CANARY_acme", "webhook_id": PAYPAL_WEBHOOK });
    world.stack.secrets.put("passerelle/acme/paypal", &secret).unwrap();
    world.stack.plaid.add_client("client_acme", "secret_CANARY_acme");
    let secret = json!({ "client_id": "client_acme", "secret": "secret_CANARY_acme" });
    world.stack.secrets.put("passerelle/acme/plaid", &secret).unwrap();
    let mut play = Play { world, steps: Vec::new() };
    settings(&mut play).await;
    let poor = methods(&mut play).await;
    invoices(&mut play).await;
    let paid = payments(&mut play, &poor).await;
    refunds(&mut play, &paid).await;
    schedules(&mut play).await;
    review(&mut play).await;
    people(&mut play, &paid).await;
    webhooks(&mut play).await;

    assert!(!DOCUMENT["paths"].is_null());
    let played = Mask::default().value(&Value::Array(play.steps));
    let text = format!("{}\n", serde_json::to_string_pretty(&played).unwrap());
    if std::env::var_os("RECORD_EXAMPLES").is_some() {
        std::fs::write(FILE, &text).unwrap();
        return;
    }
    let recorded: Value = serde_json::from_str(local::openapi::EXAMPLES).unwrap();
    assert!(
        recorded == played,
        "local/src/openapi/examples.json is not what is played now. Write it anew and see what changed:\n\n  RECORD_EXAMPLES=1 cargo test -p tests openapi::play && cargo run -- openapi > docs/openapi.json && git diff"
    );
}
