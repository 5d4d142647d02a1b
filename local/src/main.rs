//! `passerelle`: the bundle on a laptop.
#![expect(clippy::print_stdout, reason = "a command line speaks to people")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use local::seed::{self, ADMIN, TENANT};
use local::stack::{Options, Stack};
use local::test_keys::TestKeys;
use local::{bench, demo, openapi, token, try_page};
use serde_json::json;
use shared::clock::Clock;

/// Passerelle on a laptop: API, DynamoDB, secrets, and simulated Stripe, PayPal, Plaid and Anthropic, in one process.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    serve: Serve,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Starts everything and stays (what no command at all does)
    Serve(Serve),
    /// Prints a token for a user, and nothing else
    Token {
        /// The user
        user: String,
        /// The user's tenant
        #[arg(long, default_value = TENANT)]
        tenant: String,
        /// With the scope that may set up the tenant
        #[arg(long)]
        operator: bool,
    },
    /// Asks the running stack to do what is due
    Execute {
        /// As if it were this time (RFC 3339)
        #[arg(long)]
        at: Option<String>,
        /// The first port of the running stack
        #[arg(long, default_value_t = 9000)]
        port: u16,
    },
    /// Pays many invoices and prints what that takes; the database and Stripe are in a process of their own
    #[command(args_conflicts_with_subcommands = true)]
    Bench {
        #[command(flatten)]
        options: bench::Options,
        #[command(subcommand)]
        what: Option<Bench>,
    },
    /// The other process of the benchmark
    #[command(hide = true)]
    BenchBackend(bench::BackendOptions),
    /// Prints the OpenAPI document of the interface, and nothing else
    Openapi,
    /// Plays the stories on free ports, shows it, and exits 0 only if all of it held
    Demo {
        /// The first port, instead of free ones
        #[arg(long)]
        port: Option<u16>,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// Starts each built function many times, and prints what starts, events, memory and zip files take
    Cold(bench::cold::Options),
}

#[derive(clap::Args)]
struct Serve {
    /// The first port: the API. DynamoDB has the next, secrets the one after, Stripe the eleventh after, PayPal the twelfth, Plaid the thirteenth, Anthropic the fourteenth
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Keeps everything in this folder
    #[arg(long)]
    data: Option<PathBuf>,
    /// Real test keys, in a TOML file: the gateways' own sandboxes instead of their simulators. They are kept nowhere
    #[arg(long, conflicts_with = "data")]
    secrets: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command.unwrap_or(Command::Serve(arguments.serve))).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("passerelle: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        Command::Serve(arguments) => serve(arguments).await,
        Command::Token { user, tenant, operator } => {
            let scopes: &[&str] = if operator { &["passerelle/operator"] } else { &[] };
            println!("{}", token::issue(&user, &tenant, scopes, &Clock::system())?);
            Ok(())
        }
        Command::Execute { at, port } => {
            // Beside the API, where EventBridge would be.
            let url = format!("http://127.0.0.1:{}/execute", port.saturating_add(local::stack::CONTROL));
            let sent = reqwest::Client::new().post(url).json(&json!({ "at": at })).send().await;
            let answer = match sent {
                Err(error) if error.is_connect() => {
                    let cure = "start it with cargo run, or say where it is with execute --port";
                    return Err(format!("no stack answers whose API is on port {port}: {cure}").into());
                }
                sent => sent?,
            };
            let answer: serde_json::Value = answer.json().await?;
            if let Some(error) = answer.get("error").and_then(serde_json::Value::as_str) {
                return Err(error.to_owned().into());
            }
            println!("{answer}");
            Ok(())
        }
        Command::Bench { what: Some(Bench::Cold(options)), .. } => Ok(bench::cold::run(options).await?),
        Command::Bench { options, what: None } => Ok(bench::run(options).await?),
        Command::BenchBackend(options) => Ok(bench::backend(options).await?),
        Command::Openapi => {
            print!("{}", openapi::text());
            Ok(())
        }
        Command::Demo { port } => {
            let stack = Stack::start(Options { port, ..Options::default() }).await?;
            Ok(demo::run(&stack).await?)
        }
    }
}

async fn serve(arguments: Serve) -> Result<(), Box<dyn std::error::Error>> {
    let port = Some(arguments.port);
    let test_keys = arguments.secrets.as_deref().map(TestKeys::read).transpose()?.unwrap_or_default();
    let error_analysis = std::env::var("ERROR_ANALYSIS").ok();
    let options = Options { port, data: arguments.data, error_analysis, test_keys, ..Options::default() };
    let stack = Stack::start(options).await?;
    seed::acme(&stack).await?;
    let urls = &stack.urls;
    let token = token::issue(ADMIN, TENANT, &[], &stack.clock)?;
    println!("API              {}", urls.api);
    println!("DynamoDB         {}", urls.dynamodb);
    println!("Secrets Manager  {}", urls.secrets);
    let config = &stack.app.config;
    println!("Stripe           {}", config.stripe_api_base);
    println!("PayPal           {}", config.paypal_api_base);
    println!("Plaid            {}", config.plaid_api_base);
    if let Some(model) = &config.error_analysis {
        println!("Anthropic        {} ({model} explains complex alerts)", config.anthropic_api_base);
    }
    println!("Documentation    {}{}", urls.api, openapi::DOCS);
    println!("Try it           {}{}", urls.api, try_page::PATH);
    let left_out = seed::left_out(&stack.test_keys);
    if !left_out.is_empty() {
        println!("\nNot seeded, since that needs a simulator:\n");
        left_out.iter().for_each(|what| println!("  {what}"));
    }
    println!("\nA token of {ADMIN}, tenant {TENANT}, for 12 hours:\n\n  export TOKEN={token}\n");
    println!("Three commands to try:\n");
    println!("  curl -s -H \"Authorization: Bearer $TOKEN\" {}/invoices", urls.api);
    println!(
        "  curl -s -H \"Authorization: Bearer $TOKEN\" -d '{{\"invoice_id\":\"INV-2025-001\",\"payment_method\":\"stripe\"}}' {}/payments",
        urls.api
    );
    println!("  curl -s -H \"Authorization: Bearer $TOKEN\" {}/invoices/INV-2025-001/audit\n", urls.api);
    // From here on the terminal belongs to the log.
    shared::telemetry::init();
    tokio::signal::ctrl_c().await?;
    Ok(())
}
