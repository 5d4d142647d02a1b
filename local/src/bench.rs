//! The benchmark: pays many approved invoices, refunds the payments, pays as many scheduled ones and takes Stripe's
//! events, through the functions as Lambda calls them, and says what that takes.
//!
//! Database, secrets and Stripe are in a process of their own, so that time and memory are the functions'.
#![expect(clippy::print_stdout, reason = "it speaks to the person who started it")]

mod backend;
mod call;
pub mod cold;
mod meter;
mod report;
mod tls;

use std::collections::HashSet;
use std::ops::Range;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use shared::app::App;
use shared::clock::Clock;
use shared::config::Config;
use shared::flow::run::{Executor, Run, Summary};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use self::backend::{Backend, invoice_id};
pub use self::backend::{Options as BackendOptions, backend};
use self::call::{Done, deliver, pay, refund, text};
use self::meter::Meter;
use self::report::{Block, Times, millis, peak_memory, percent, ticks};
use crate::dynamodb::DynamoDb;
use crate::seed::SECRET_KEY;
use crate::stack;

/// What is to be paid, and how.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Options {
    /// How many invoices are paid; as many payments are refunded, scheduled, and settled by events
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=999_999))]
    payments: u32,
    /// How many at a time
    #[arg(long, default_value_t = 8, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    concurrency: usize,
    /// How long Stripe takes for an answer, in milliseconds
    #[arg(long, default_value_t = 50)]
    latency_ms: u64,
    /// Only the scheduled payments, which the executor pays
    #[arg(long)]
    executor: bool,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The other process did not start, or ended.
    #[error("the other process: {0}")]
    Backend(#[from] std::io::Error),
    /// Something that should be JSON of a known form is not.
    #[error("not the JSON that it should be: {0}")]
    Json(#[from] serde_json::Error),
    /// The stack, or its seeds.
    #[error("{0}")]
    Stack(String),
    /// Stripe's simulator.
    #[error("the Stripe simulator: {0}")]
    Stripe(#[from] reqwest::Error),
    /// A call was not answered as it should be.
    #[error("{what} was answered {status}: {body}")]
    Answered {
        /// What was asked.
        what: String,
        /// The answer's status.
        status: u64,
        /// The answer.
        body: String,
    },
    /// A function is not there.
    #[error("{} is missing: {command} builds it", program.display())]
    NotBuilt {
        /// What is missing.
        program: PathBuf,
        /// What builds it.
        command: &'static str,
    },
    /// The executor did something else than to pay all that is due.
    #[error("the executor should pay {expected} and nothing more, but: {summary:?}")]
    Executed {
        /// How many are due.
        expected: u32,
        /// What it did.
        summary: Summary,
    },
    /// Stripe has other events than there should be.
    #[error("Stripe has {found} events {kind}, where there should be {expected}")]
    Events {
        /// Their type.
        kind: String,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
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
    // As many again for payments that events settle, and one for the first payment.
    let invoices = if options.executor { 0 } else { options.payments.saturating_mul(2).saturating_add(1) };
    let holds = BackendOptions { invoices, scheduled: options.payments, latency_ms: options.latency_ms };
    let (mut child, backend) = start(holds).await?;
    let meter = Meter::default();
    let app = app(&backend, &meter)?;
    let bench = Bench { options, app, meter, stripe: backend.stripe, http: reqwest::Client::new() };
    if options.executor {
        bench.scheduled().await?;
    } else {
        let paid = bench.payments().await?;
        bench.refunds(paid).await?;
        bench.scheduled().await?;
        bench.events().await?;
    }
    child.kill().await?;
    Ok(())
}

/// Longer than any run of this size.
const EXECUTOR_TIME: Duration = Duration::from_hours(24);

/// Starts per second: no bound.
const GATEWAY_RATE: &str = "1000000";

type Called = Result<Done, BenchError>;

/// What all blocks work with.
struct Bench {
    options: Options,
    app: App,
    meter: Meter,
    /// Where Stripe is.
    stripe: String,
    http: reqwest::Client,
}

impl Bench {
    /// Pays invoices; the payments.
    async fn payments(&self) -> Result<Vec<Value>, BenchError> {
        let Options { payments, concurrency, latency_ms, .. } = self.options;
        println!("{payments} payments, {concurrency} at a time, Stripe answers after {latency_ms} ms");
        // The first payment opens the connections and fills the caches: the start of a sandbox, not the cost of a payment.
        let first = pay(self.app.clone(), invoice_id(self.unknown().end), 201).await?;
        let paid = self.block("payment", 1, Some(first.took), self.pay(0..payments, 201)).await?;
        println!("peak memory           {} (this process: the function)", peak_memory());
        Ok(paid)
    }

    /// Gives a part of each payment back.
    async fn refunds(&self, payments: Vec<Value>) -> Result<(), BenchError> {
        println!("\n{} refunds of a part, of as many payments", payments.len());
        let jobs = payments.into_iter().map(|payment| refund(self.app.clone(), payment));
        self.block("refund", 1, None, jobs).await?;
        println!("peak memory           {} (this process: both functions)", peak_memory());
        Ok(())
    }

    /// Has the executor pay what is scheduled, all of it in one run, with no bound on starts per second.
    async fn scheduled(&self) -> Result<(), BenchError> {
        let expected = self.options.payments;
        let at_a_time = self.app.config.executor_concurrency;
        println!(
            "\n{expected} scheduled payments that are due, {at_a_time} at a time, Stripe answers after {} ms",
            self.options.latency_ms
        );
        let executor = Executor::new(self.app.clone());
        let now = self.app.clock.now();
        let run = Run { request_id: "bench".to_owned(), started_at: now, deadline: now.plus(EXECUTOR_TIME) };
        self.meter.reset();
        let (idle, started) = (ticks(), Instant::now());
        let summary = executor.run(&run).await.map_err(BenchError::stack)?;
        let (elapsed, ticks) = (started.elapsed(), ticks().saturating_sub(idle));
        if summary != (Summary { due: expected, paid: expected, ..Summary::default() }) {
            return Err(BenchError::Executed { expected, summary });
        }
        // What is common to all of them, such as the look into empty shards, is in it too.
        let lanes = u32::try_from(at_a_time).unwrap_or(u32::MAX);
        let mean = elapsed.saturating_mul(lanes) / expected;
        let latency = Duration::from_millis(self.options.latency_ms);
        let (count, times) = (usize::try_from(expected).unwrap_or(usize::MAX), Times::Mean(mean));
        Block {
            unit: "payment",
            stripe: 1,
            latency,
            count,
            times,
            elapsed,
            cost: self.meter.cost(),
            ticks,
            first: None,
        }
        .print();
        // Nothing but Stripe and the store would take time if the executor's own work took none.
        let cost = self.meter.cost();
        let store = cost.time / expected;
        let possible = (latency + store).saturating_mul(expected) / lanes;
        println!(
            "kept busy             {} of what Stripe and the store allow ({} ms a payment in the store)",
            percent(possible, elapsed),
            millis(store)
        );
        // From here on the events that are to be delivered are in memory as well.
        let functions = if self.options.executor { "the function" } else { "three functions" };
        println!("peak memory           {} (this process: {functions})", peak_memory());
        Ok(())
    }

    /// Takes the events of payments and refunds that are known already, then of payments that only the event settles.
    async fn events(&self) -> Result<(), BenchError> {
        let paid = 0..self.options.payments;
        self.delivered("payment_intent.succeeded", paid.clone(), "paid before: the mark alone", 0).await?;
        self.delivered("charge.refunded", paid, "refunded before: a list at Stripe, and the mark", 1).await?;
        self.pay_unheard().await?;
        let unknown = self.unknown();
        self.delivered("payment_intent.succeeded", unknown, "of unknown outcome: settled by the event alone", 0).await
    }

    /// The invoices whose payments are known to nobody but Stripe.
    fn unknown(&self) -> Range<u32> {
        self.options.payments..self.options.payments.saturating_mul(2)
    }

    /// Pays them: Stripe charges, says that it failed, and does not answer who asks.
    async fn pay_unheard(&self) -> Result<(), BenchError> {
        let faults = format!("{}/_faults", self.stripe);
        for fault in [
            json!({ "kind": { "error_after": 500 }, "times": u32::MAX }),
            json!({ "kind": { "error_before": 503 }, "method": "GET", "times": u32::MAX }),
        ] {
            self.http.post(&faults).json(&fault).send().await?.error_for_status()?;
        }
        self.all(self.pay(self.unknown(), 202)).await?;
        self.http.delete(&faults).send().await?.error_for_status()?;
        Ok(())
    }

    fn pay(&self, invoices: Range<u32>, status: u64) -> impl Iterator<Item = impl Future<Output = Called> + use<>> {
        let app = self.app.clone();
        invoices.map(move |number| pay(app.clone(), invoice_id(number), status))
    }

    /// Delivers the events of a type, one of each payment.
    async fn delivered(&self, kind: &str, of: Range<u32>, what: &str, stripe: u32) -> Result<(), BenchError> {
        let events = self.listed(kind, of).await?;
        println!("\n{} events {kind}, of payments {what}", events.len());
        self.block("event", stripe, None, events.into_iter().map(|event| deliver(self.app.clone(), event))).await?;
        Ok(())
    }

    /// The events of a type that Stripe has about payments, oldest first.
    async fn listed(&self, kind: &str, of: Range<u32>) -> Result<Vec<Value>, BenchError> {
        let expected = of.len();
        let invoices: HashSet<String> = of.map(invoice_id).collect();
        let mut events = Vec::new();
        let mut last = String::new();
        loop {
            let mut query = vec![("type", kind), ("limit", "100")];
            query.extend((!last.is_empty()).then_some(("starting_after", last.as_str())));
            let request = self.http.get(format!("{}/v1/events", self.stripe)).bearer_auth(SECRET_KEY).query(&query);
            let mut page: Value = request.send().await?.error_for_status()?.json().await?;
            let data = page.get_mut("data").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
            last = data.last().map(|event| text(event, "/id")).unwrap_or_default();
            let ours = |event: &Value| invoices.contains(&text(event, "/data/object/metadata/invoice_id"));
            events.extend(data.into_iter().filter(ours));
            if page.get("has_more") != Some(&json!(true)) {
                break;
            }
        }
        events.reverse();
        if events.len() == expected {
            return Ok(events);
        }
        Err(BenchError::Events { kind: kind.to_owned(), found: events.len(), expected })
    }

    /// Calls so many at a time and prints what that took; `stripe` is how often each asks Stripe. The answers.
    async fn block<F: Future<Output = Called> + Send + 'static>(
        &self,
        unit: &'static str,
        stripe: u32,
        first: Option<Duration>,
        jobs: impl Iterator<Item = F>,
    ) -> Result<Vec<Value>, BenchError> {
        self.meter.reset();
        let (idle, started) = (ticks(), Instant::now());
        let done = self.all(jobs).await?;
        let (elapsed, ticks) = (started.elapsed(), ticks().saturating_sub(idle));
        let count = done.len();
        let (times, answers) = done.into_iter().map(|done| (done.took, done.answer)).unzip();
        let times = Times::Each(times);
        let latency = Duration::from_millis(self.options.latency_ms);
        Block { unit, stripe, latency, count, times, elapsed, cost: self.meter.cost(), ticks, first }.print();
        Ok(answers)
    }

    async fn all<F: Future<Output = Called> + Send + 'static>(
        &self,
        mut jobs: impl Iterator<Item = F>,
    ) -> Result<Vec<Done>, BenchError> {
        let bar = ProgressBar::new(u64::from(self.options.payments));
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len}  {per_sec}  {eta} left") {
            bar.set_style(style);
        }
        let mut all = Vec::new();
        let mut running = JoinSet::new();
        loop {
            while running.len() < self.options.concurrency
                && let Some(job) = jobs.next()
            {
                running.spawn(job);
            }
            let Some(done) = running.join_next().await else { break };
            all.push(done.map_err(BenchError::stack)??);
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(all)
    }
}

/// Starts the other process and waits until it is ready.
async fn start(holds: BackendOptions) -> Result<(Child, Backend), BenchError> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["bench-backend", "--invoices", &holds.invoices.to_string()])
        .args(["--scheduled", &holds.scheduled.to_string(), "--latency-ms", &holds.latency_ms.to_string()])
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
        "GATEWAY_RATE_PER_SECOND" => Some(GATEWAY_RATE.to_owned()),
        _ => backend.tables.get(name).cloned(),
    });
    let dynamodb = DynamoDb::at(backend.dynamodb.clone()).client_through(meter.http_client());
    let secrets = stack::secrets_client(&backend.secrets);
    App::new(dynamodb, secrets, config.map_err(BenchError::stack)?, Clock::system()).map_err(BenchError::stack)
}
