//! The binaries that are deployed: each is started under the Runtime API as Lambda does, with the local DynamoDB, secrets
//! and Stripe around it, and takes the samples in `events/`.
//!
//! They go by this machine's clock. So that something is due for them, the stack's clock is two days behind.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use axum::routing::get;
use local::bootstrap::{Bootstrap, Environment};
use local::runtime_api::{FunctionError, TRACE};
use local::stripe::fault::{Fault, Kind};
use local::stripe::sign;
use local::template::{Setting, Template};
use serde_json::{Value, json};
use shared::api::Route;
use shared::app::App;
use shared::clock::Clock;
use tokio::process::Command;

use crate::ach::signed_by_plaid;
use crate::logs::canary_in;
use crate::paypal::signed_by_paypal;
use crate::world::{ACCOUNT, WEBHOOK_SECRET, World};

/// More than any event here takes, on any machine.
const TIME: Duration = Duration::from_mins(1);
const INVOICE: &str = "INV-2025-001";

/// Builds the bootstraps as this test was built; the folder that they are in.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    // target/<profile>/deps/<test>
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    let profile = folder.file_name().and_then(|name| name.to_str()).unwrap();
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--workspace", "--profile", if profile == "debug" { "dev" } else { profile }]);
    cargo.arg("--target-dir").arg(folder.parent().unwrap());
    // With a test among the targets the dependencies have the features that they have for tests: they are built already.
    cargo.args(["--test", "bundle"]);
    for function in Template::bundled().unwrap().functions {
        cargo.args(["--bin", &function.folder]);
    }
    // What cargo says about this package is not true of the others.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name.to_string_lossy().starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    let built = cargo.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    folder.to_owned()
});

/// A running function, and what it logs.
struct Function {
    bootstrap: Bootstrap,
    log: File,
}

impl Function {
    /// Starts the one of a folder.
    async fn start(world: &World, folder: &str) -> Self {
        Self::run(Command::new(BUILT.join(folder)), world, "trace").await
    }

    async fn run(mut command: Command, world: &World, level: &str) -> Self {
        // A file that has no name any more.
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(uuid::Uuid::new_v4().to_string());
        let log = File::options().read(true).append(true).create(true).open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap());
        let environment = Environment::of(&world.stack).with("LOG_LEVEL", level);
        let bootstrap = Bootstrap::start(command, &environment).await.unwrap();
        Self { bootstrap, log }
    }

    async fn invoke(&mut self, event: &Value) -> Result<Value, FunctionError> {
        self.bootstrap.invoke(event, TIME).await
    }

    /// Sends a request's event; its answer's status and body.
    async fn answers(&mut self, event: &Value) -> (u64, Value) {
        let answer = self.invoke(event).await.unwrap();
        let body = answer["body"].as_str().unwrap_or_default();
        (answer["statusCode"].as_u64().unwrap(), serde_json::from_str(body).unwrap_or(json!(body)))
    }

    /// Ends it; its log, in which nothing is that must not be.
    async fn end(self) -> String {
        let Self { bootstrap, mut log } = self;
        bootstrap.end().await.unwrap();
        let mut lines = String::new();
        log.rewind().unwrap();
        log.read_to_string(&mut lines).unwrap();
        assert_eq!(canary_in(&lines), None, "{lines}");
        lines
    }
}

/// A world without an invoice.
async fn empty() -> World {
    World::with(|options| {
        options.clock = Clock::simulated(Clock::system().now().minus(Duration::from_hours(48)));
    })
    .await
}

async fn world() -> World {
    let world = empty().await;
    world.approved(json!({ "invoice_id": INVOICE })).await;
    world
}

fn events() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

fn sample(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(events().join(name).with_extension("json")).unwrap()).unwrap()
}

/// A sample of the webhook's as it would come now: signatures are good for minutes.
fn signed_now(mut event: Value) -> Value {
    let body = event["body"].as_str().unwrap().as_bytes();
    let encoded = event["isBase64Encoded"] == json!(true);
    let body = if encoded { data_encoding::BASE64.decode(body).unwrap() } else { body.to_vec() };
    event["headers"]["stripe-signature"] = json!(sign(WEBHOOK_SECRET, Clock::system().now(), &body));
    event
}

/// The sample of pay's, as a request without a body for another path.
fn reading(path: &str) -> Value {
    let mut event = sample("pay");
    event["routeKey"] = json!(format!("GET {path}"));
    event["rawPath"] = json!(path);
    event["requestContext"]["routeKey"] = event["routeKey"].clone();
    event["requestContext"]["http"]["method"] = json!("GET");
    event["requestContext"]["http"]["path"] = json!(path);
    event.as_object_mut().unwrap().remove("body");
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_of_the_template_starts_as_it_is_built_and_answers() {
    let world = world().await;
    let template = Template::bundled().unwrap();
    for function in &template.functions {
        let folder = &function.folder;
        let mut running = Function::start(&world, folder).await;
        let mut routes = template.routes.iter().filter(|route| route.function == *folder);
        let list = routes.find(|route| route.method == http::Method::GET && !route.path.contains('{'));
        match list {
            Some(route) => {
                let (status, body) = running.answers(&reading(&route.path)).await;
                assert_eq!((status, body.is_object()), (200, true), "{folder}: {body}");
            }
            None if function.url => {
                let (status, body) = running.answers(&signed_now(sample("webhook"))).await;
                assert_eq!((status, body), (200, json!({ "status": "done" })), "{folder}");
            }
            // Off: it answers for records that it does not look at.
            None if folder == "error-analyst" => {
                let answer = running.invoke(&sample("error-analyst")).await.unwrap();
                assert_eq!(answer, json!({ "batchItemFailures": [] }));
            }
            None => {
                let summary = running.invoke(&sample("sweep")).await.unwrap();
                assert_eq!(summary["due"], json!(0), "{folder}: {summary}");
            }
        }
        let log = running.end().await;
        let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let told = lines.iter().filter(|line| [json!("request"), json!("run")].contains(&line["message"]));
        let traces: Vec<&Value> = told.map(|line| &line["span"]["trace_id"]).collect();
        assert_eq!(traces, [TRACE], "{folder} logs one line for its event, with the ids that belong to it: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_heads_of_audit_chains_are_logged_with_their_ids_when_nothing_but_errors_is() {
    let world = world().await;
    let mut pay = Function::run(Command::new(BUILT.join("pay")), &world, "error").await;
    assert_eq!(pay.answers(&sample("pay")).await.0, 201);
    let log = pay.end().await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lines: Vec<&Value> = lines.iter().filter(|line| line["_aws"].is_null()).collect();
    assert_eq!(lines.iter().map(|line| &line["message"]).collect::<Vec<_>>(), ["audit head", "audit head"]);
    for line in lines {
        assert_eq!((&line["span"]["trace_id"], &line["span"]["tenant_id"]), (&json!(TRACE), &json!("acme")), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_functions_pay_and_refund_what_the_samples_say() {
    let world = world().await;
    let mut pay = Function::start(&world, "pay").await;
    let (status, paid) = pay.answers(&sample("pay")).await;
    assert_eq!((status, &paid["status"]), (201, &json!("paid")), "{paid}");
    let (status, again) = pay.answers(&sample("pay")).await;
    assert_eq!((status, &again["id"]), (200, &paid["id"]), "{again}");
    assert_eq!(world.charged(INVOICE), [50_000]);
    pay.end().await;

    let mut refund = Function::start(&world, "refund").await;
    let (status, refunded) = refund.answers(&sample("refund")).await;
    assert_eq!((status, &refunded["status"]), (201, &json!("succeeded")), "{refunded}");
    let refunds: Vec<i64> = world.stack.stripe.refunds(ACCOUNT).iter().map(|refund| refund.amount).collect();
    assert_eq!(refunds, [12_500]);
    refund.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_webhook_settles_the_sample_payment_once() {
    let world = world().await;
    // Nobody knows what became of the payment.
    world.stack.stripe.add_fault(Fault::pay(Kind::NothingReached).times(3));
    let mut pay = Function::start(&world, "pay").await;
    assert_eq!(pay.answers(&sample("pay")).await.0, 202);
    pay.end().await;
    let mut webhook = Function::start(&world, "webhook").await;
    for (event, status) in [(sample("webhook"), "done"), (sample("webhook-base64"), "seen")] {
        assert_eq!(webhook.answers(&signed_now(event.clone())).await, (200, json!({ "status": status })));
        // As it stands it is of another day.
        assert_eq!(webhook.answers(&event).await.0, 400);
    }
    assert_eq!(world.invoice(INVOICE).await["status"], json!("paid"));
    webhook.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_functions_pay_with_paypal_and_settle_its_sample() {
    let world = empty().await;
    world.paypal_account().await;
    world.receivable_with("paypal_ok", json!({ "invoice_id": INVOICE })).await;
    world.stack.paypal.add_fault(Fault::new(Kind::NothingReached, "POST", "/v2/checkout/orders").times(3));
    let mut order = sample("pay");
    order["body"] = json!(json!({ "invoice_id": INVOICE, "payment_method": "paypal" }).to_string());
    let mut pay = Function::start(&world, "pay").await;
    assert_eq!(pay.answers(&order).await.0, 202);
    pay.end().await;
    let mut webhook = Function::start(&world, "webhook").await;
    let event = sample("webhook-paypal");
    assert_eq!(webhook.answers(&event).await.0, 400, "as it stands it is of another day");
    for status in ["done", "seen"] {
        let signed = signed_by_paypal(&world, event.clone(), Clock::system().now());
        assert_eq!(webhook.answers(&signed).await, (200, json!({ "status": status })));
    }
    assert_eq!(world.invoice(INVOICE).await["status"], json!("paid"));
    webhook.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_functions_debit_over_plaid_and_settle_by_its_sample() {
    let world = empty().await;
    world.plaid_account().await;
    world.plaid_bank("acc_globex", 1_000_000, json!({ "customer_id": "globex" })).await;
    let invoice = world.receivable(json!({ "invoice_id": INVOICE })).await;
    let mut order = sample("pay");
    order["body"] = json!(json!({ "invoice_id": invoice, "payment_method": "ach" }).to_string());
    let mut pay = Function::start(&world, "pay").await;
    let (status, begun) = pay.answers(&order).await;
    assert_eq!((status, &begun["status"]), (202, &json!("processing")), "{begun}");
    pay.end().await;
    let transfer = begun["payment_id"].as_str().unwrap();
    assert!(world.stack.plaid.post(transfer) && world.stack.plaid.settle(transfer));
    let mut webhook = Function::start(&world, "webhook").await;
    let event = sample("webhook-plaid");
    assert_eq!(webhook.answers(&event).await.0, 400, "as it stands nobody has signed it");
    let signed = signed_by_plaid(&world, event, Clock::system().now());
    assert_eq!(webhook.answers(&signed).await, (200, json!({ "status": "done" })));
    assert_eq!(world.invoice(INVOICE).await["status"], json!("paid"));
    webhook.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_executor_pays_what_is_due_for_each_of_its_samples() {
    let world = world().await;
    let mut executor = Function::start(&world, "scheduled-executor").await;
    let paid =
        json!({ "due": 1, "paid": 1, "pending": 0, "failed": 0, "rescheduled": 0, "recovered": 0, "remaining": 0 });
    let drained = json!({ "batchItemFailures": [] });
    for (event, answer) in [(sample("sweep"), &paid), (sample("daily"), &paid), (sample("executor-queue"), &drained)] {
        let invoice = world.approved(json!({})).await;
        let body = json!({ "invoice_id": invoice, "payment_method": "stripe", "scheduled_date": world.in_days(1) });
        assert_eq!(world.admin().post("/scheduled-payments", &body).await.unwrap().status, 202);
        assert_eq!(executor.invoke(&event).await.unwrap(), *answer, "{event}");
        assert_eq!(world.charged(&invoice), [50_000], "{event}");
    }
    executor.end().await;
}

#[test]
fn every_sample_is_sent_to_a_built_function() {
    for file in fs::read_dir(events()).unwrap() {
        let path = file.unwrap().path();
        let sent = format!("sample(\"{}\")", path.file_stem().and_then(|name| name.to_str()).unwrap());
        assert!(include_str!("bootstraps.rs").contains(&sent), "{}", path.display());
    }
}

async fn panics() -> &'static str {
    panic!("as it was told to")
}

#[tokio::test]
#[ignore = "the process of the test of panics"]
async fn function_that_panics() {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return;
    }
    let app = App::from_env().await.unwrap();
    let routes = vec![Route::new("GET", "/panic", get(panics)), Route::new("GET", "/calm", get(|| async { "calm" }))];
    lambda_http::run(shared::api::router(app, routes)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_its_own_event_and_the_next_one_is_answered() {
    let world = world().await;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "bootstraps::function_that_panics", "--ignored", "--nocapture"]);
    let mut function = Function::run(command, &world, "trace").await;
    for _ in 0..2 {
        // API Gateway answers 500 to an event that failed.
        let error = function.invoke(&reading("/panic")).await.unwrap_err();
        assert_eq!(error.error_message, "Lambda panicked: as it was told to");
        assert_eq!(function.answers(&reading("/calm")).await, (200, json!("calm")));
    }
    function.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_ends_when_the_runtime_api_goes_away() {
    let world = world().await;
    for folder in ["pay", "scheduled-executor"] {
        let function = Function::start(&world, folder).await;
        let ended = tokio::time::timeout(TIME, function.bootstrap.without_api()).await;

        assert!(ended.is_ok_and(|status| !status.unwrap().success()), "{folder}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_without_its_variables_does_not_start_and_names_them_all_at_once() {
    for function in Template::bundled().unwrap().functions {
        let started = Command::new(BUILT.join(&function.folder)).env_clear().output().await.unwrap();
        assert!(!started.status.success(), "{}", function.folder);
        let said = [started.stdout, started.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        let tables = function.environment.iter().filter(|(_, setting)| matches!(setting, Setting::Table(_)));
        let tables: Vec<&String> = tables.map(|(name, _)| name).collect();
        assert_eq!(tables.len(), 9, "{}", function.folder);
        for name in tables {
            assert!(said.contains(&format!("{name} is missing")), "{name}: {said}");
        }
    }
}
