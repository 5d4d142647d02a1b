//! The benchmark: pays many approved invoices through the function as Lambda calls it, and says what that takes.
//!
//! Database, secrets and Stripe are in a process of their own, so that time and memory are the function's.
#![expect(clippy::print_stdout, reason = "it speaks to the person who started it")]

mod backend;
mod meter;

use std::process::Stdio;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Service};
use serde_json::{Value, json};
use shared::app::App;
use shared::clock::Clock;
use shared::config::Config;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

pub use self::backend::backend;
use self::backend::{Backend, invoice_id};
use self::meter::Meter;
use crate::dynamodb::DynamoDb;
use crate::seed::ADMIN;
use crate::stack;

/// What is to be paid, and how.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Options {
    /// How many invoices are paid
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=999_999))]
    payments: u32,
    /// How many at a time
    #[arg(long, default_value_t = 8, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    concurrency: usize,
    /// How long Stripe takes for an answer, in milliseconds
    #[arg(long, default_value_t = 50)]
    latency_ms: u64,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The other process did not start, or ended.
    #[error("the other process: {0}")]
    Backend(#[from] std::io::Error),
    /// It said something else than where its parts are.
    #[error("the other process did not say where its parts are: {0}")]
    Said(#[from] serde_json::Error),
    /// The stack, or its seeds.
    #[error("{0}")]
    Stack(String),
    /// A payment was not paid.
    #[error("{invoice} was answered {status}: {body}")]
    NotPaid {
        /// The invoice.
        invoice: String,
        /// The answer's status.
        status: u64,
        /// The answer.
        body: String,
    },
}

impl BenchError {
    fn stack(error: impl std::fmt::Display) -> Self {
        Self::Stack(error.to_string())
    }
}

/// Runs the benchmark and prints its figures.
///
/// # Errors
/// [`BenchError`].
pub async fn run(options: Options) -> Result<(), BenchError> {
    println!(
        "{} payments, {} at a time, Stripe answers after {} ms",
        options.payments, options.concurrency, options.latency_ms
    );
    let (mut child, backend) = start(options).await?;
    let meter = Meter::default();
    let app = app(&backend, &meter)?;
    // The first payment opens the connections and fills the caches: the start of a sandbox, not the cost of a payment.
    let first = pay(app.clone(), invoice_id(options.payments)).await?;
    meter.reset();
    let idle = ticks();

    let bar = ProgressBar::new(u64::from(options.payments));
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len}  {per_sec}  {eta} left") {
        bar.set_style(style);
    }
    let started = Instant::now();
    let mut times = Vec::new();
    let mut next = 0..options.payments;
    let mut running = JoinSet::new();
    loop {
        while running.len() < options.concurrency
            && let Some(number) = next.next()
        {
            running.spawn(pay(app.clone(), invoice_id(number)));
        }
        let Some(done) = running.join_next().await else { break };
        times.push(done.map_err(BenchError::stack)??);
        bar.inc(1);
    }
    let elapsed = started.elapsed();
    bar.finish_and_clear();
    report(options, first, &mut times, elapsed, &meter);
    println!("processor time        {} ms per payment", per_payment(ticks().saturating_sub(idle), options.payments));
    println!("peak memory           {} (this process: the function)", peak_memory());
    child.kill().await?;
    Ok(())
}

/// Starts the other process and waits until it is ready.
async fn start(options: Options) -> Result<(Child, Backend), BenchError> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["bench-backend", "--payments", &options.payments.to_string()])
        .args(["--latency-ms", &options.latency_ms.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().ok_or_else(|| std::io::Error::other("no output"))?;
    let line = BufReader::new(output).lines().next_line().await?.unwrap_or_default();
    Ok((child, serde_json::from_str(&line)?))
}

fn app(backend: &Backend, meter: &Meter) -> Result<App, BenchError> {
    let config = Config::from_lookup(|name| match name {
        "STRIPE_API_BASE" => Some(backend.stripe.clone()),
        _ => backend.tables.get(name).cloned(),
    });
    let dynamodb = DynamoDb::at(backend.dynamodb.clone()).client_through(meter.http_client());
    let secrets = stack::secrets_client(&backend.secrets);
    App::new(dynamodb, secrets, config.map_err(BenchError::stack)?, Clock::system()).map_err(BenchError::stack)
}

/// Pays one invoice as Lambda does; how long that took.
async fn pay(app: App, invoice: String) -> Result<Duration, BenchError> {
    let mut event: Value = serde_json::from_str(include_str!("../../events/pay.json"))?;
    let body = json!({ "invoice_id": invoice, "payment_method": "stripe" }).to_string();
    for (pointer, value) in [
        ("/body", body),
        ("/headers/idempotency-key", format!("bench-{invoice}")),
        ("/requestContext/authorizer/jwt/claims/sub", ADMIN.to_owned()),
    ] {
        if let Some(place) = event.pointer_mut(pointer) {
            *place = json!(value);
        }
    }
    let request: LambdaRequest = serde_json::from_value(event)?;
    let mut context = Context::default();
    context.request_id = uuid::Uuid::new_v4().to_string();
    let started = Instant::now();
    let call = Adapter::from(pay::router(app)).call(LambdaEvent::new(request, context));
    let Ok(answer) = call.await;
    let took = started.elapsed();
    let answer = serde_json::to_value(answer)?;
    let status = answer.get("statusCode").and_then(Value::as_u64).unwrap_or_default();
    if status == 201 {
        return Ok(took);
    }
    let body = answer.get("body").map(ToString::to_string).unwrap_or_default();
    Err(BenchError::NotPaid { invoice, status, body })
}

fn report(options: Options, first: Duration, times: &mut [Duration], elapsed: Duration, meter: &Meter) {
    let gateway = Duration::from_millis(options.latency_ms);
    times.sort_unstable();
    let at = |percent: usize| {
        let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        millis(times.get(place).copied().unwrap_or_default().saturating_sub(gateway))
    };
    let each = |tenths: u64| thousandths(tenths.saturating_mul(100) / u64::from(options.payments.max(1)));
    let cost = meter.cost();
    let rate = u128::from(options.payments) * 1_000_000 / elapsed.as_micros().max(1);
    println!("throughput            {rate} payments/s, {} s in all", millis(elapsed / 1_000));
    println!("our own time          p50 {} ms, p95 {} ms, p99 {} ms (Stripe's time taken off)", at(50), at(95), at(99));
    println!("first payment         {} ms (connections, secrets)", millis(first.saturating_sub(gateway)));
    println!(
        "DynamoDB round trips  {} per payment, in sequence; with Stripe's one more",
        each(cost.calls.saturating_mul(10))
    );
    println!("write units           {} per payment, indexes included", each(cost.write_tenths));
    println!("read units            {} per payment", each(cost.read_tenths));
}

fn millis(duration: Duration) -> String {
    thousandths(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

/// A number of thousandths, with three decimals.
fn thousandths(number: u64) -> String {
    format!("{}.{:03}", number / 1_000, number % 1_000)
}

/// Hundredths of a second for each payment, in milliseconds.
fn per_payment(ticks: u64, payments: u32) -> String {
    thousandths(ticks.saturating_mul(10_000) / u64::from(payments.max(1)))
}

/// Processor time of this process so far, in hundredths of a second, as Linux counts it.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // User and system time are the 12th and 13th field after the name, which may hold blanks.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// The most memory that this process has had, as Linux counts it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(str::trim);
    peak.unwrap_or("not known on this system").to_owned()
}
