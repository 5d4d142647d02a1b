//! What a start costs: each built function is started many times under a Runtime API, with TLS between it and DynamoDB
//! and Stripe, and without.
//!
//! `pay` is held against the smallest function that makes the same four round trips, in the same run.
#![expect(clippy::print_stdout, reason = "it speaks to the person who started it")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde_json::Value;
use tokio::process::Command;

use super::backend::{Options as Holds, invoice_id};
use super::call::{delivering, paying, reading, sweep};
use super::report::{millis, percentile, thousandths};
use super::{BenchError, start};
use crate::bootstrap::{Bootstrap, Environment};
use crate::seed::SECRET_KEY;
use crate::template::{Function, Template};

/// How often.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Options {
    /// How often each function is started
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    starts: u32,
    /// How many events each handles after its last start
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    warm: u32,
}

/// The function that all others are held against.
const BASELINE: &str = "four_round_trips";
/// Without the packages whose tests give dependencies features that nothing deployed has.
const BUILD: &str = "cargo build --release --workspace --exclude shared --exclude tests --bins --examples";
/// More than any event here takes.
const TIME: Duration = Duration::from_mins(1);
/// Where systems keep the authorities that they trust: Lambda's, and others.
const AUTHORITIES: [&str; 2] = ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"];

/// A function, and the event that it is sent.
struct Subject {
    name: String,
    program: PathBuf,
    sent: Sent,
}

enum Sent {
    /// Pays an invoice, another one each time.
    Payment,
    Event(Value),
}

/// What was measured of one function.
#[derive(Default)]
struct Figures {
    init: Vec<Duration>,
    first: Vec<Duration>,
    warm: Vec<Duration>,
    /// In KiB.
    memory: u64,
}

/// Measures, and prints it.
///
/// # Errors
/// [`BenchError`].
pub async fn run(options: Options) -> Result<(), BenchError> {
    let subjects = subjects()?;
    let invoices = options.starts.saturating_add(options.warm).saturating_mul(2);
    let (mut child, backend) = start(Holds { invoices, scheduled: 0, latency_ms: 0 }).await?;
    println!("{} starts of each function; then {} more events, one after the other", options.starts, options.warm);
    println!("p50 where not said otherwise; what is first is the first event after a start\n");
    sizes(&subjects)?;
    let trusted = trust(&backend.certificate)?;
    let mut payments = 0..invoices;
    for (what, dynamodb, stripe) in [
        ("without TLS", &backend.dynamodb, &backend.stripe),
        ("with TLS to DynamoDB and Stripe", &backend.dynamodb_tls, &backend.stripe_tls),
    ] {
        let environment = Environment::new(dynamodb, &backend.secrets, stripe, &backend.tables)
            .with("SSL_CERT_FILE", &trusted.to_string_lossy())
            // For the baseline, which does not ask Secrets Manager.
            .with("STRIPE_SECRET_KEY", SECRET_KEY);
        let mut all: Vec<Figures> = subjects.iter().map(|_| Figures::default()).collect();
        let first = payments.start;
        for round in 1..=options.starts {
            for (subject, figures) in subjects.iter().zip(&mut all) {
                let warm = if round == options.starts { options.warm } else { 0 };
                // The functions that pay are sent the same invoices: the baseline keeps its books elsewhere.
                let begun = first.saturating_add(round).saturating_sub(1);
                measure(subject, &environment, begun, warm, figures).await?;
            }
        }
        payments.start = first.saturating_add(options.starts).saturating_add(options.warm);
        print(what, &subjects, &mut all);
    }
    std::fs::remove_file(trusted)?;
    child.kill().await?;
    Ok(())
}

/// Starts a function once, and sends it its first event and so many more, from the given invoice on.
async fn measure(
    subject: &Subject,
    environment: &Environment,
    invoice: u32,
    warm: u32,
    figures: &mut Figures,
) -> Result<(), BenchError> {
    let mut command = Command::new(&subject.program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = Bootstrap::start(command, environment).await.map_err(BenchError::stack)?;
    figures.init.push(running.init);
    for number in 0..=warm {
        let event = match &subject.sent {
            Sent::Payment => paying(&invoice_id(invoice.saturating_add(number)))?,
            Sent::Event(event) => event.clone(),
        };
        let sent = Instant::now();
        let answer = running.invoke(&event, TIME).await;
        let took = sent.elapsed();
        let answer = answer.map_err(|error| BenchError::Stack(format!("{}: {error}", subject.name)))?;
        let status = answer.get("statusCode").and_then(Value::as_u64).unwrap_or(200);
        if !(200..300).contains(&status) {
            return Err(BenchError::Answered { what: subject.name.clone(), status, body: answer.to_string() });
        }
        if number == 0 { figures.first.push(took) } else { figures.warm.push(took) }
    }
    figures.memory = figures.memory.max(running.peak_memory());
    Ok(running.end().await?)
}

/// The functions of the template, the baseline next to the one that it is for.
fn subjects() -> Result<Vec<Subject>, BenchError> {
    let template = Template::bundled().map_err(BenchError::stack)?;
    let built = std::env::current_exe()?.parent().map(Path::to_path_buf).unwrap_or_default();
    let baseline =
        Subject { name: BASELINE.to_owned(), program: built.join("examples").join(BASELINE), sent: Sent::Payment };
    let mut subjects = vec![baseline];
    for function in &template.functions {
        let (name, program) = (function.folder.clone(), built.join(&function.folder));
        subjects.push(Subject { name, program, sent: sent(&template, function)? });
    }
    subjects.sort_by_key(|subject| (subject.name != BASELINE, subject.name != PAY));
    match subjects.iter().find(|subject| !subject.program.is_file()) {
        Some(missing) => Err(BenchError::NotBuilt { program: missing.program.clone(), command: BUILD }),
        None => Ok(subjects),
    }
}

const PAY: &str = "pay";

/// A payment for `pay`; for the others a list that they answer, or else their sample.
fn sent(template: &Template, function: &Function) -> Result<Sent, BenchError> {
    if function.folder == PAY {
        return Ok(Sent::Payment);
    }
    let mut routes = template.routes.iter().filter(|route| route.function == function.folder);
    let list = routes.find(|route| route.method == http::Method::GET && !route.path.contains('{'));
    Ok(Sent::Event(match list {
        Some(route) => reading(&route.path)?,
        None if function.url => delivering()?,
        None => sweep()?,
    }))
}

/// A file with what the system trusts, and the certificate: as many authorities as in Lambda are read at start.
fn trust(certificate: &str) -> Result<PathBuf, BenchError> {
    let system = AUTHORITIES.iter().find_map(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let path = std::env::temp_dir().join(format!("passerelle-bench-{}.pem", std::process::id()));
    std::fs::write(&path, format!("{system}\n{certificate}"))?;
    Ok(path)
}

fn sizes(subjects: &[Subject]) -> Result<(), BenchError> {
    println!("{:<20} {:>12} {:>12}", "size in KiB", "bootstrap", "zipped");
    for subject in subjects {
        let binary = std::fs::read(&subject.program)?;
        let mut zip = DeflateEncoder::new(Vec::new(), Compression::default());
        zip.write_all(&binary)?;
        println!("{:<20} {:>12} {:>12}", subject.name, binary.len() / 1024, zip.finish()?.len() / 1024);
    }
    println!();
    Ok(())
}

fn print(what: &str, subjects: &[Subject], all: &mut [Figures]) {
    println!("{what}");
    println!(
        "{:<20} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "init ms", "init p99", "first ms", "warm ms", "warm p99", "mem KiB"
    );
    for (subject, figures) in subjects.iter().zip(all.iter_mut()) {
        let Figures { init, first, warm, memory } = figures;
        for times in [&mut *init, &mut *first, &mut *warm] {
            times.sort_unstable();
        }
        println!(
            "{:<20} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
            subject.name,
            millis(percentile(init, 50)),
            millis(percentile(init, 99)),
            millis(percentile(first, 50)),
            millis(percentile(warm, 50)),
            millis(percentile(warm, 99)),
            memory
        );
    }
    if let [baseline, pay, ..] = all {
        let times = |of: fn(&Figures) -> &Vec<Duration>| {
            let micros = |figures: &Figures| u64::try_from(percentile(of(figures), 50).as_micros()).unwrap_or(u64::MAX);
            ratio(micros(pay), micros(baseline))
        };
        println!(
            "pay / baseline        init {}, warm {}, memory {}\n",
            times(|figures| &figures.init),
            times(|figures| &figures.warm),
            ratio(pay.memory, baseline.memory)
        );
    }
}

fn ratio(ours: u64, theirs: u64) -> String {
    thousandths(ours.saturating_mul(1_000) / theirs.max(1))
}
