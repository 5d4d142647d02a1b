//! The whole bundle in one process: tables and routes from the template, the functions' own routers behind an API
//! Gateway, DynamoDB and Secrets Manager over HTTP, and the gateways' simulators.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use shared::app::{self, App, StartError};
use shared::clock::{Clock, Time};
use shared::config::{ANTHROPIC_API_BASE, Config, ConfigError};
use shared::flow::run::Executor;
use shared::telemetry::metrics::Metrics;
use tokio::net::TcpListener;

use crate::anthropic::{self, Anthropic};
use crate::api_gateway::{ApiGateway, NoRouter};
use crate::dynamodb::{DynamoDb, DynamoDbError};
use crate::openapi;
use crate::paypal::{self, PayPal};
use crate::permissions::Permissions;
use crate::plaid::{self, Plaid};
use crate::secrets_manager::SecretsManager;
use crate::stream::{self, Stream, StreamError};
use crate::stripe::{self, Stripe};
use crate::tables::{self, TablesError};
use crate::template::{Template, TemplateError};
use crate::test_keys::{self, TestKeys};
use crate::try_page;

/// The name that the tables' names begin with.
const STACK: &str = "passerelle";
/// Time that one run of the executor has, as in Lambda.
const EXECUTOR_TIME: Duration = Duration::from_mins(15);

/// How the stack is to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The first port; `None`: free ones.
    pub port: Option<u16>,
    /// Where data is kept; `None`: in memory.
    pub data: Option<PathBuf>,
    /// The time that everything in it goes by.
    pub clock: Clock,
    /// Time for one request to a gateway, where it is not the usual one.
    pub gateway_timeout: Option<Duration>,
    /// Nothing new moves money.
    pub payments_paused: bool,
    /// What the functions' DynamoDB client sends through, when something stands in between.
    pub dynamodb_http: Option<SharedHttpClient>,
    /// Where the functions reach Stripe, when something stands in between.
    pub stripe_proxy: Option<String>,
    /// Where the functions reach PayPal, when something stands in between.
    pub paypal_proxy: Option<String>,
    /// Where the functions reach Plaid, when something stands in between.
    pub plaid_proxy: Option<String>,
    /// Whether a model explains alerts: `on` or `off`, which it is without.
    pub error_analysis: Option<String>,
    /// Where the functions' metrics go.
    pub metrics: Metrics,
    /// Accounts at the gateways' own sandboxes, which take the places of their simulators.
    pub test_keys: TestKeys,
}

/// Why the stack did not start.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// Something listens there.
    #[error("port {0} is in use: stop the other stack, or choose other ports with --port")]
    PortInUse(u16),
    /// A port is taken, or a file can't be used.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// The template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// DynamoDB.
    #[error(transparent)]
    DynamoDb(#[from] DynamoDbError),
    /// The tables.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// The functions' configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The functions' clients.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A stream that starts a function.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// A function of the template has no code.
    #[error(transparent)]
    NoRouter(#[from] NoRouter),
}

/// A running stack. It serves until the process ends.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Where its parts are.
    pub urls: Urls,
    /// What the functions work with.
    pub app: App,
    /// The functions, by their folders.
    pub functions: BTreeMap<String, Function>,
    /// The Stripe simulator.
    pub stripe: Stripe,
    /// The PayPal simulator.
    pub paypal: PayPal,
    /// The Plaid simulator.
    pub plaid: Plaid,
    /// The Anthropic simulator.
    pub anthropic: Anthropic,
    /// Secrets Manager.
    pub secrets: SecretsManager,
    /// The tables' names by environment variable.
    pub tables: HashMap<String, String>,
    /// For clients of the API: one, since each loads the system's certificates anew.
    pub http: reqwest::Client,
    /// DynamoDB, without the functions in between.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The time.
    pub clock: Clock,
    /// Accounts at the gateways' own sandboxes.
    pub test_keys: TestKeys,
}

/// What a function has for itself.
#[derive(Clone, Debug)]
pub struct Function {
    /// What it works with.
    pub app: App,
    /// What that may do, and has done.
    pub permissions: Permissions,
}

/// Where the parts are.
#[derive(Clone, Debug)]
pub struct Urls {
    /// The API.
    pub api: String,
    /// DynamoDB.
    pub dynamodb: String,
    /// Secrets Manager.
    pub secrets: String,
    /// Runs the executor: what EventBridge does in AWS.
    pub control: String,
    /// Stripe.
    pub stripe: String,
    /// PayPal.
    pub paypal: String,
    /// Plaid.
    pub plaid: String,
    /// Anthropic.
    pub anthropic: String,
}

/// Ports count from the first.
const DYNAMODB: u16 = 1;
const SECRETS: u16 = 2;
/// Where the executor is asked to run.
pub const CONTROL: u16 = 3;
const STRIPE: u16 = 11;
const PAYPAL: u16 = 12;
const PLAID: u16 = 13;
const ANTHROPIC: u16 = 14;

impl Stack {
    /// Starts everything.
    ///
    /// # Errors
    /// [`StackError`] says which part could not start.
    pub async fn start(options: Options) -> Result<Self, StackError> {
        let template = Template::bundled()?;
        let clock = options.clock.clone();
        if let Some(directory) = &options.data {
            std::fs::create_dir_all(directory).map_err(|source| failed(&directory.display(), source))?;
        }
        let file = |name: &str| options.data.as_ref().map(|directory| directory.join(name));
        let bind = |offset: u16| listener(options.port, offset);

        let dynamodb = DynamoDb::start(bind(DYNAMODB).await?, file("dynamodb.sqlite").as_deref())?;
        // Another engine may stand in for the embedded one.
        let database = match std::env::var("AWS_ENDPOINT_URL_DYNAMODB") {
            Ok(endpoint) if !endpoint.is_empty() => DynamoDb::at(endpoint),
            _ => dynamodb,
        };
        let name = stack_name(&database);
        let tables: HashMap<String, String> =
            tables::create(&database.client(), &template, &name).await?.into_iter().collect();

        let secrets = match file("secrets.json") {
            Some(path) => SecretsManager::in_file(path.clone()).map_err(|source| failed(&path.display(), source))?,
            None => SecretsManager::default(),
        };
        let secrets_listener = bind(SECRETS).await?;
        let secrets_url = url(&secrets_listener)?;
        tokio::spawn(secrets.clone().serve(secrets_listener));

        let stripe = match file("stripe.json") {
            Some(path) => Stripe::open(clock.clone(), &path).map_err(|source| failed(&path.display(), source))?,
            None => Stripe::new(clock.clone()),
        };
        let stripe_listener = bind(STRIPE).await?;
        let stripe_url = url(&stripe_listener)?;
        tokio::spawn(stripe::serve(stripe.clone(), stripe_listener));

        let paypal = match file("paypal.json") {
            Some(path) => PayPal::open(clock.clone(), &path).map_err(|source| failed(&path.display(), source))?,
            None => PayPal::new(clock.clone()),
        };
        let paypal_listener = bind(PAYPAL).await?;
        let paypal_url = url(&paypal_listener)?;
        tokio::spawn(paypal::serve(paypal.clone(), paypal_listener));

        let plaid = match file("plaid.json") {
            Some(path) => Plaid::open(clock.clone(), &path).map_err(|source| failed(&path.display(), source))?,
            None => Plaid::new(clock.clone()),
        };
        let plaid_listener = bind(PLAID).await?;
        let plaid_url = url(&plaid_listener)?;
        tokio::spawn(plaid::serve(plaid.clone(), plaid_listener));

        let anthropic = Anthropic::default();
        let anthropic_listener = bind(ANTHROPIC).await?;
        let anthropic_url = url(&anthropic_listener)?;
        tokio::spawn(anthropic::serve(anthropic.clone(), anthropic_listener));

        let keys = &options.test_keys;
        let base = |name: &str, proxy: &Option<String>, gateway: &str| {
            proxy.clone().or_else(|| std::env::var(name).ok()).or_else(|| Some(gateway.to_owned()))
        };
        // The sandbox of which there are keys, else the simulator.
        let stripe_at = if keys.stripe.is_some() { test_keys::STRIPE } else { &stripe_url };
        let paypal_at = if keys.paypal.is_some() { test_keys::PAYPAL } else { &paypal_url };
        let plaid_at = if keys.plaid.is_some() { test_keys::PLAID } else { &plaid_url };
        // Anthropic has no sandbox: a question costs what it costs.
        let anthropic_at = if keys.anthropic.is_some() { ANTHROPIC_API_BASE } else { &anthropic_url };
        // Who brings a key wants to see what it is for.
        let explains = options.error_analysis.clone().or_else(|| keys.anthropic.as_ref().map(|_| "on".to_owned()));
        let mut config = Config::from_lookup(|name| match name {
            "STRIPE_API_BASE" => base(name, &options.stripe_proxy, stripe_at),
            "PAYPAL_API_BASE" => base(name, &options.paypal_proxy, paypal_at),
            "PLAID_API_BASE" => base(name, &options.plaid_proxy, plaid_at),
            "ANTHROPIC_API_BASE" => base(name, &None, anthropic_at),
            "ERROR_ANALYSIS" => explains.clone(),
            "ERROR_ANALYSIS_MODEL" => std::env::var(name).ok(),
            "PAYPAL_WEBHOOK_CA" => keys.paypal.is_none().then(|| paypal.webhook_ca()),
            "PAYMENTS_PAUSED" => Some(options.payments_paused.to_string()),
            _ => tables.get(name).cloned(),
        })?;
        config.gateway_timeout = options.gateway_timeout.unwrap_or(config.gateway_timeout);
        config.analysis_timeout = options.gateway_timeout.unwrap_or(config.analysis_timeout);
        let client = match options.dynamodb_http.clone() {
            Some(http) => database.client_through(http),
            None => database.client(),
        };
        let app = App::new(client, secrets_client(&secrets_url), config.clone(), clock.clone())?
            .reporting(options.metrics.clone());

        // Each function has clients of its own, which do what its policy permits.
        let mut functions = BTreeMap::new();
        let mut app_of = |folder: &str| {
            let permissions = Permissions::of(&template, folder, &name);
            let dynamodb = database.client_through(permissions.http_client(options.dynamodb_http.clone()));
            let secrets = secrets_client_through(&secrets_url, permissions.http_client(None));
            let app = App::new(dynamodb, secrets, config.clone(), clock.clone())?.reporting(options.metrics.clone());
            functions.insert(folder.to_owned(), Function { app: app.clone(), permissions });
            Ok::<_, StartError>(app)
        };
        let routers: HashMap<String, Router> = HashMap::from([
            ("pay".to_owned(), pay::router(app_of("pay")?)),
            ("invoices".to_owned(), invoices::router(app_of("invoices")?)),
            ("settings".to_owned(), settings::router(app_of("settings")?)),
            ("payment-methods".to_owned(), payment_methods::router(app_of("payment-methods")?)),
            ("refund".to_owned(), refund::router(app_of("refund")?)),
            ("schedule".to_owned(), schedule::router(app_of("schedule")?)),
            ("review".to_owned(), review::router(app_of("review")?)),
            ("webhook".to_owned(), webhook::router(app_of("webhook")?)),
        ]);
        let executor = app_of("scheduled-executor")?;
        let analyst = app_of("error-analyst")?;
        if analyst.config.error_analysis.is_some() {
            follow(&database, &template, &name, analyst).await?;
        }
        let api_listener = bind(0).await?;
        let api_url = url(&api_listener)?;
        let api = ApiGateway::new(&template, routers, clock.clone())?.into_router();

        let control_listener = bind(CONTROL).await?;
        let control_url = url(&control_listener)?;
        let control = Router::new().route("/execute", post(execute)).with_state(executor);
        tokio::spawn(async move { axum::serve(control_listener, control).await });

        let urls = Urls {
            api: api_url,
            dynamodb: database.endpoint().to_owned(),
            secrets: secrets_url,
            control: control_url,
            stripe: stripe_url,
            paypal: paypal_url,
            plaid: plaid_url,
            anthropic: anthropic_url,
        };
        // Beside the API, as a tenant's own page would be.
        let served = api.merge(try_page::router(&urls, &options.test_keys, clock.clone())).merge(openapi::router());
        let served = served.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(api_listener, served).await });
        Ok(Self {
            urls,
            http: reqwest::Client::new(),
            app,
            functions,
            stripe,
            paypal,
            plaid,
            anthropic,
            secrets,
            tables,
            dynamodb: database.client(),
            clock,
            test_keys: options.test_keys,
        })
    }
}

/// Runs what is due at `{"at": TIME}`, else now.
async fn execute(State(app): State<App>, body: axum::Json<Value>) -> axum::Json<Value> {
    let at = body.get("at").and_then(Value::as_str).map(str::parse::<Time>);
    let app = match at {
        None => app,
        Some(Ok(time)) => app.at(Clock::simulated(time)),
        Some(Err(error)) => return axum::Json(json!({ "error": format!("at: {error}") })),
    };
    let event = LambdaEvent::new(json!({ "run": "daily" }), context(&app.clock, EXECUTOR_TIME));
    axum::Json(match scheduled_executor::handle(&Executor::new(app), None, event).await {
        Ok(summary) => summary,
        Err(error) => json!({ "error": error.to_string() }),
    })
}

/// Has the analyst started by the streams that the template gives it, as Lambda does.
async fn follow(database: &DynamoDb, template: &Template, stack: &str, app: App) -> Result<(), StackError> {
    for source in &template.streams {
        let Some(table) = template.tables.iter().find(|table| table.logical_id == source.table) else { continue };
        let function = template.functions.iter().find(|function| function.logical_id == source.function);
        let time = function.map(|function| function.timeout).unwrap_or_default();
        // What is in a file was looked at when it was written.
        let stream = Stream::open(reqwest::Client::new(), database.endpoint(), &table.name(stack), "LATEST").await?;
        let app = app.clone();
        let invoke = async move |event: Value| {
            let event = LambdaEvent::new(event, context(&app.clock, time));
            error_analyst::handle(&app, event).await.unwrap_or_default()
        };
        tokio::spawn(stream::follow(stream, source.clone(), invoke));
    }
    Ok(())
}

/// An invocation that begins now.
fn context(clock: &Clock, time: Duration) -> Context {
    let mut context = Context::default();
    context.request_id = uuid::Uuid::new_v4().to_string();
    context.deadline = u64::try_from(clock.now().plus(time).millis()).unwrap_or_default();
    context
}

/// A name of its own for each stack on a shared engine; the embedded one has only this stack.
fn stack_name(database: &DynamoDb) -> String {
    if database.is_shared() { format!("{STACK}-{}", uuid::Uuid::new_v4().simple()) } else { STACK.to_owned() }
}

pub(crate) fn secrets_client(endpoint: &str) -> aws_sdk_secretsmanager::Client {
    aws_sdk_secretsmanager::Client::from_conf(secrets_config(endpoint).build())
}

fn secrets_client_through(endpoint: &str, http: SharedHttpClient) -> aws_sdk_secretsmanager::Client {
    aws_sdk_secretsmanager::Client::from_conf(secrets_config(endpoint).http_client(http).build())
}

fn secrets_config(endpoint: &str) -> aws_sdk_secretsmanager::config::Builder {
    aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .retry_config(app::retries())
        .timeout_config(app::timeouts())
        .endpoint_url(endpoint)
}

async fn listener(first: Option<u16>, offset: u16) -> Result<TcpListener, StackError> {
    let port = first.map_or(0, |first| first.saturating_add(offset));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StackError::PortInUse(port),
        _ => failed(&format!("port {port}"), source),
    })
}

fn url(listener: &TcpListener) -> Result<String, StackError> {
    let address = listener.local_addr().map_err(|source| failed(&"a port", source))?;
    Ok(format!("http://{address}"))
}

fn failed(what: &dyn std::fmt::Display, source: io::Error) -> StackError {
    StackError::Io { what: what.to_string(), source }
}
