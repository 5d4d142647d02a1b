//! Least privilege: each function does what its policy in the template says, all of it, and nothing else.
//!
//! Every test runs under these policies: whatever they do not grant is refused by the stack.

use std::time::Duration;

use http::Method;
use local::client::Answer;
use local::plaid::fault::Fault as PlaidFault;
use local::stripe::fault::{Fault, Kind};
use local::template::{Grant, Template};
use serde_json::{Value, json};
use shared::model::tenant::{Limits, Member};
use shared::store::commit::Commit;

use crate::analysis::{Analyst, declined_with};
use crate::schedules::{EXPIRED, days, patch, read, scheduled};
use crate::world::{ADMIN, TENANT, World};

const NO_MONEY: &str = "pm_card_visa_chargeDeclinedInsufficientFunds";

/// Has no reply of Stripe arrive while `call` runs.
async fn unheard<T>(world: &World, call: impl Future<Output = T>) -> T {
    for fault in [Fault::pay(Kind::ReplyLost), Fault::look_up(Kind::ErrorBefore(503))] {
        world.stack.stripe.add_fault(fault.times(100));
    }
    let outcome = call.await;
    world.stack.stripe.clear_faults();
    outcome
}

/// A payment that Stripe declines, which nobody knows yet: its invoice and itself. Whoever finds out alerts and
/// schedules another one.
async fn declined_unheard(world: &World, card: &str) -> (String, String) {
    let invoice = world.approved(json!({})).await;
    let answer = unheard(world, world.pay(&invoice, json!({ "payment_method_id": card }))).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    // No send can be on its way any more.
    world.clock.advance(Duration::from_mins(10));
    (invoice, answer.body["id"].as_str().unwrap().to_owned())
}

async fn get(world: &World, path: &str) -> Value {
    let answer = world.admin().get(path).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

async fn post(world: &World, path: &str, body: Value) -> Answer {
    world.admin().post(path, &body).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_function_uses_all_that_its_policy_grants() {
    // Each stage in a box: all in one they are too large for the stack of a test's thread.
    let world = Box::pin(World::new()).await;
    for function in world.stack.functions.values() {
        function.app.store.warm().await;
    }
    Box::pin(settings(&world)).await;
    Box::pin(touched(&world)).await;
    Box::pin(invoices(&world)).await;
    Box::pin(payments_and_refunds(&world)).await;
    Box::pin(promises(&world)).await;
    Box::pin(stripe_tells(&world)).await;
    Box::pin(analysis(&world)).await;
    Box::pin(review(&world)).await;
    Box::pin(paypal(&world)).await;
    Box::pin(plaid(&world)).await;
    Box::pin(methods(&world)).await;

    for (name, function) in &world.stack.functions {
        let unused: Vec<Grant> = function.permissions.unused();
        // Queues and streams are not here: Lambda reads them, and the samples of their events are tested elsewhere.
        let is_lambdas = |grant: &Grant| grant.action.starts_with("sqs:") || grant.resource.ends_with("/stream");
        let unused: Vec<&Grant> = unused.iter().filter(|grant| !is_lambdas(grant)).collect();
        assert!(unused.is_empty(), "{name} does not use {unused:?}");
    }
}

async fn settings(world: &World) {
    get(world, "/tenant").await;
    get(world, "/members").await;
    world.member("guest", &["viewer"], None).await;
    assert_eq!(world.admin().send(Method::DELETE, "/members/guest", None, None).await.unwrap().status, 204);
}

/// Whoever touches a payment finds out what became of it, and does all that follows.
async fn touched(world: &World) {
    assert_eq!(world.settings(json!({ "on_insufficient_funds": "reschedule" })).await.status, 200);
    let broke = world.method(NO_MONEY, json!({})).await;
    let (invoice, _) = declined_unheard(world, &broke).await;
    assert_eq!(get(world, &format!("/invoices/{invoice}")).await["status"], json!("scheduled"));
    let (_, payment) = declined_unheard(world, &broke).await;
    assert_eq!(get(world, &format!("/payments/{payment}")).await["status"], json!("failed"));
    let (_, payment) = declined_unheard(world, &broke).await;
    assert_eq!(world.refund("of-nothing", &payment, json!({})).await.status, 409);
    let (invoice, _) = declined_unheard(world, &broke).await;
    for event in world.events(&["payment_intent.payment_failed"]) {
        world.told(&event).await;
    }
    assert_eq!(world.invoice(&invoice).await["status"], json!("scheduled"));
    let (invoice, _) = declined_unheard(world, &broke).await;
    let body = json!({ "invoice_id": invoice, "payment_method": "stripe", "scheduled_date": world.in_days(9) });
    assert_eq!(post(world, "/scheduled-payments", body).await.status, 409, "it is tried again before");
    let (invoice, _) = declined_unheard(world, &broke).await;
    world.clock.advance(days(1));
    assert_ne!(world.execute().await["recovered"], json!(0));
    assert_eq!(world.invoice(&invoice).await["status"], json!("scheduled"));
}

async fn invoices(world: &World) {
    let invoice = world.approved(json!({ "invoice_number": "7" })).await;
    get(world, "/invoices").await;
    get(world, "/invoices?number=7").await;
    world.trail(&invoice).await;
    let voided = post(world, &format!("/invoices/{invoice}/void"), json!({})).await;
    assert_eq!(voided.status, 200, "{}", voided.body);
    let invoice = world.approved(json!({})).await;
    let promise = scheduled(world, &invoice, 30, json!({})).await;
    assert_eq!(post(world, &format!("/invoices/{invoice}/void"), json!({})).await.status, 200);
    assert_eq!(read(world, &promise).await["status"], json!("canceled"));
}

async fn payments_and_refunds(world: &World) {
    get(world, "/payments").await;
    let bill = json!({ "amount": 700, "currency": "USD", "kind": "payable", "counterparty": { "name": "Vendor" },
        "description": "without an invoice", "payment_method": "stripe" });
    let paid = world.admin().send(Method::POST, "/payments", Some("bill"), Some(&bill)).await.unwrap();
    assert_eq!(paid.status, 201, "{}", paid.body);
    let (_, ours, theirs) = world.paid().await;
    get(world, &format!("/payments/{theirs}")).await;
    let refund = world.refund("a-part", &ours, json!({ "amount": 100 })).await;
    assert_eq!(refund.status, 201, "{}", refund.body);
    get(world, "/refunds").await;
    get(world, &format!("/refunds?payment_id={ours}")).await;
    get(world, &format!("/refunds/{}", refund.body["gateway_refund_id"].as_str().unwrap())).await;
}

async fn promises(world: &World) {
    get(world, "/scheduled-payments").await;
    get(world, "/payment-methods").await;
    let invoice = world.approved(json!({})).await;
    let promise = scheduled(world, &invoice, 30, json!({})).await;
    assert_eq!(patch(world, &promise, json!({ "scheduled_date": world.in_days(31) })).await.status, 200);

    // A promise without an invoice.
    let body = json!({ "amount": 900, "currency": "USD", "kind": "payable", "counterparty": { "name": "Vendor" },
        "description": "later", "payment_method": "stripe", "scheduled_date": world.in_days(1) });
    let promise = world.admin().send(Method::POST, "/scheduled-payments", Some("later"), Some(&body)).await.unwrap();
    assert_eq!(promise.status, 202, "{}", promise.body);

    // One that is refunded before anybody knows that it is paid.
    let invoice = world.approved(json!({})).await;
    let promise = scheduled(world, &invoice, 1, json!({})).await;
    world.clock.advance(days(1));
    assert_ne!(unheard(world, world.execute()).await["pending"], json!(0));
    let payment = read(world, &promise).await["payments"][0].as_str().unwrap().to_owned();
    world.clock.advance(Duration::from_mins(10));
    let refund = world.refund("at-once", &payment, json!({})).await;
    assert_eq!(refund.status, 201, "{}", refund.body);

    // One that waits for a method.
    let expired = world.method(EXPIRED, json!({ "default": true })).await;
    let invoice = world.approved(json!({})).await;
    let promise = scheduled(world, &invoice, 1, json!({ "payment_method_id": expired })).await;
    world.clock.advance(days(1));
    world.execute().await;
    assert_eq!(read(world, &promise).await["status"], json!("awaiting_method"));
    world.clock.advance(Duration::from_mins(1));
    world.method("pm_card_mastercard", json!({ "default": true })).await;
    world.execute().await;
    assert_eq!(read(world, &promise).await["status"], json!("completed"));
}

async fn stripe_tells(world: &World) {
    for event in world.events(&["payment_intent.succeeded", "refund.created"]) {
        world.told(&event).await;
    }
    // A refund in Stripe's dashboard, and a default card that is taken away there.
    let (_, _, payment) = world.paid().await;
    world.stack.stripe.refund_in_dashboard(&payment, Some(300)).unwrap();
    for event in world.events(&["charge.refunded", "refund.created"]) {
        world.told(&event).await;
    }
    let attached = world.events(&["payment_method.attached"]);
    let detached = json!({ "id": "evt_gone", "object": "event", "type": "payment_method.detached", "created": 1,
                           "data": { "object": attached.last().unwrap()["data"]["object"] } });
    world.told(&detached).await;
    // A dispute; the second event of it tells nothing new.
    let disputing = world.method("pm_card_createDispute", json!({})).await;
    let invoice = world.approved(json!({})).await;
    assert_eq!(world.pay(&invoice, json!({ "payment_method_id": disputing })).await.status, 201);
    for event in world.events(&["charge.dispute.created"]) {
        world.told(&event).await;
        let mut again = event;
        again["id"] = json!("evt_again");
        world.told(&again).await;
    }
}

/// Each function that asks a gateway asks PayPal too.
async fn paypal(world: &World) {
    world.paypal_account().await;
    world.hear_paypal();
    let (_, _, capture) = world.paid_by_paypal("paypal_ok").await;
    assert_eq!(world.refund("at-paypal", &capture, json!({})).await.status, 201);
    let invoice = world.payout_to("pending@example.com").await;
    assert_eq!(world.pay_by_paypal(&invoice).await.status, 202);
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(get(world, &format!("/invoices/{invoice}")).await["status"], json!("paying"));
    let invoice = world.payout_to("vendor@example.com").await;
    scheduled(world, &invoice, 1, json!({ "payment_method": "paypal" })).await;
    world.clock.advance(days(1));
    world.execute().await;
    world.until(&format!("/invoices/{invoice}"), "paid").await;
}

/// Each function that finds out what became of a payment makes a transfer that was held up, with what opens the bank
/// account, and takes a method out of use that a bank has ended.
async fn plaid(world: &World) {
    world.plaid_account().await;
    world.stack.plaid.set_banks_closed(true);
    for function in ["pay", "invoices", "refund", "schedule", "scheduled-executor", "webhook"] {
        let account = format!("acc_{function}");
        // Linked twice: the first time makes the secret, the second one changes it.
        for _ in 0..2 {
            world.plaid_bank(&account, 1_000_000, json!({ "customer_id": function })).await;
        }
        let counterparty = json!({ "name": "Globex Corporation", "customer_id": function });
        let invoice = world.receivable(json!({ "counterparty": counterparty })).await;
        world.stack.plaid.add_fault(PlaidFault::transfer(Kind::NothingReached).times(100));
        let answer = world.pay_by_bank(&invoice, json!({})).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        world.stack.plaid.clear_faults();
        let payment = answer.body["id"].as_str().unwrap();
        let finds_out = async |after: Duration| {
            world.clock.advance(after);
            let promise = json!({ "invoice_id": invoice, "payment_method": "ach", "scheduled_date": world.in_days(9) });
            match function {
                "pay" => drop(get(world, &format!("/payments/{payment}")).await),
                "invoices" => drop(get(world, &format!("/invoices/{invoice}")).await),
                "refund" => drop(world.refund(&format!("of-{invoice}"), payment, json!({})).await),
                "schedule" => drop(post(world, "/scheduled-payments", promise).await),
                _ => drop(world.execute().await),
            }
        };
        finds_out(Duration::from_mins(3)).await;
        let transfer = world.plaid_books().pop().unwrap();
        assert_eq!(transfer.account, account);
        assert!(world.stack.plaid.post(&transfer.id) && world.stack.plaid.return_transfer(&transfer.id, "R03"));
        if function == "webhook" {
            world.plaid_told().await;
        } else {
            // The executor asks once a day what banks did.
            finds_out(if function == "scheduled-executor" { days(1) } else { Duration::from_mins(3) }).await;
        }
        let methods = get(world, &format!("/payment-methods?customer_id={function}")).await;
        assert_eq!(methods["items"][0]["status"], json!("inactive"), "{function}");
    }
    // Refunds in Plaid's dashboard: a webhook tells of the first, and none of the second.
    world.plaid_bank("acc_last", 1_000_000, json!({ "customer_id": "globex" })).await;
    let invoice = world.receivable(json!({})).await;
    let (payment, transfer) = world.under_way(&invoice).await;
    assert!(world.stack.plaid.post(&transfer) && world.stack.plaid.settle(&transfer));
    for refunded in [100, 200] {
        let refund = world.refund_at_plaid(&transfer, "1.00").await;
        assert!(world.stack.plaid.finish_refund(&refund, true));
        if refunded == 100 {
            world.plaid_told().await;
        } else {
            world.clock.advance(days(1));
            world.execute().await;
        }
        assert_eq!(get(world, &format!("/payments/{payment}")).await["refunded"], json!(refunded));
    }
}

/// Detached, and ended and renewed.
async fn methods(world: &World) {
    let hooli = json!({ "customer_id": "hooli" });
    let account = world.plaid_bank("acc_gone", 1_000_000, hooli.clone()).await;
    let setup = json!({ "gateway": "stripe", "customer_id": "hooli" });
    assert_eq!(post(world, "/payment-methods/setup", setup).await.status, 201);
    let card = world.method("pm_card_visa", hooli.clone()).await;
    for method in [account, card] {
        assert_eq!(world.delete(ADMIN, &format!("/payment-methods/{method}")).await.status, 200);
    }
    world.method("pm_card_visa", hooli).await;
    let card = world.events(&["payment_method.attached"]).pop().unwrap()["data"]["object"]["id"].clone();
    world.clock.set("2030-09-02T12:00:00Z".parse().unwrap());
    world.daily().await;
    world.stack.stripe.update_card(card.as_str().unwrap(), 2034);
    world.told(&world.events(&["payment_method.automatically_updated"]).pop().unwrap()).await;
}

/// A decline in a word that nobody knows is explained.
async fn analysis(world: &World) {
    let mut analyst = Analyst::of(world).await;
    declined_with(world, "permission_story").await;
    assert_eq!(analyst.work().await, json!({ "batchItemFailures": [] }));
    assert!(!world.stack.anthropic.requests().is_empty());
}

async fn review(world: &World) {
    let alert = get(world, "/alerts").await["items"][0]["id"].clone();
    let path = format!("/alerts/{}/resolve", alert.as_str().unwrap());
    assert_eq!(post(world, &path, json!({ "note": "a new card" })).await.status, 200);
    get(world, "/alerts?status=resolved").await;
    get(world, "/agent-runs").await;
    let today = world.clock.now().date_in(&jiff::tz::TimeZone::UTC);
    get(world, &format!("/audit?day={today}")).await;
}

#[test]
fn only_lambda_uses_queues_and_streams_with_the_roles_of_functions_but_for_the_executor_which_sends_to_its_own() {
    for function in Template::bundled().unwrap().functions {
        let grants = function.grants.iter().filter(|grant| grant.action.starts_with("sqs:"));
        let mut granted: Vec<(&str, &str)> =
            grants.map(|grant| (grant.action.as_str(), grant.resource.as_str())).collect();
        granted.sort_unstable();
        // All but the last are for Lambda, which polls with the function's role.
        let needed = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"];
        let needed = needed.map(|action| (action, "ExecutorQueue"));
        let expected = match function.folder.as_str() {
            "scheduled-executor" => needed.to_vec(),
            // What Lambda gives up on.
            "error-analyst" => vec![("sqs:SendMessage", "AnalystDeadLetterQueue")],
            _ => vec![],
        };
        assert_eq!(granted, expected);
        let streams = function.grants.iter().filter(|grant| grant.resource.ends_with("/stream"));
        let mut streams: Vec<&str> = streams.map(|grant| grant.action.as_str()).collect();
        streams.sort_unstable();
        let needed = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"];
        let needed = needed.map(|action| format!("dynamodb:{action}"));
        assert_eq!(streams, if function.folder == "error-analyst" { needed.to_vec() } else { vec![] });
    }
}

#[test]
fn nobody_may_change_an_audit_entry_and_no_policy_reaches_further_than_it_says() {
    for function in Template::bundled().unwrap().functions {
        for grant in function.grants {
            let Grant { action, resource } = &grant;
            let on_the_log = resource.starts_with("AuditLogTable");
            let reads_or_appends = ["dynamodb:PutItem", "dynamodb:Query", "dynamodb:BatchGetItem"];
            assert!(!on_the_log || reads_or_appends.contains(&action.as_str()), "{}: {grant:?}", function.folder);
            // Of all tenants, but of the gateways' secrets only; the rest is what Secrets Manager appends to a name, if there
            // is a secret of that name.
            let name = resource.trim_end_matches("-??????");
            let named = |gateway: &str| name.ends_with(&format!(":secret:${{SecretsPrefix}}/*/{gateway}"));
            let gateways = ["stripe", "paypal", "plaid", "plaid/*"];
            // What opens bank accounts is written and deleted by who links and detaches them alone.
            let links = function.folder == "payment-methods";
            let secret = match action.as_str() {
                // The one secret of the whole deployment, for the one function that asks a model, which reads no other.
                "secretsmanager:GetSecretValue" if function.folder == "error-analyst" => {
                    name.ends_with(":secret:${SecretsPrefix}/error-analysis")
                }
                "secretsmanager:GetSecretValue" => gateways.into_iter().any(named),
                "secretsmanager:CreateSecret" | "secretsmanager:PutSecretValue" | "secretsmanager:DeleteSecret" => {
                    links && named("plaid/*")
                }
                _ => false,
            };
            assert!(secret || !resource.contains('*'), "{}: {grant:?}", function.folder);
            // A model's answer reaches nothing but the alert that it is written on.
            let writes = ["PutItem", "UpdateItem", "DeleteItem"].iter().any(|write| action.ends_with(write));
            let is_analyst = function.folder == "error-analyst" && writes;
            assert!(!is_analyst || (action.as_str(), resource.as_str()) == ("dynamodb:UpdateItem", "AlertsTable"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_does_not_grant_is_refused() {
    let world = World::new().await;
    let review = &world.stack.functions["review"].app;
    let mut commit = Commit::default();
    let stranger = Member {
        tenant_id: TENANT.parse().unwrap(),
        user_id: ADMIN.parse().unwrap(),
        roles: [].into(),
        approval_limits: Limits::default(),
        created_at: world.clock.now(),
    };
    commit.member(&review.store, &stranger);
    let refused = review.store.commit(commit, world.clock.now().plus(Duration::from_mins(1))).await;
    let said = format!("{:?}", refused.unwrap_err());
    assert!(said.contains("not authorized to perform dynamodb:PutItem on TenantsTable"), "{said}");
}
