//! A function as Lambda runs it: its `bootstrap` in a process of its own, under a Runtime API of its own.
//!
//! Promises that the process sees nothing of this one's environment, and ends with its handle.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::runtime_api::{FunctionError, RuntimeApi};
use crate::stack::Stack;

/// What a function's process finds in its environment.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// What Lambda sets by itself, and the addresses and tables of a local stack.
    #[must_use]
    pub fn new(dynamodb: &str, secrets: &str, stripe: &str, tables: &HashMap<String, String>) -> Self {
        let fixed = [
            ("AWS_LAMBDA_FUNCTION_NAME", "local"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/local"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "local"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets),
            ("STRIPE_API_BASE", stripe),
        ];
        let tables = tables.iter().map(|(name, value)| (name.clone(), value.clone()));
        Self(fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).chain(tables).collect())
    }

    /// The same, for a stack that runs.
    #[must_use]
    pub fn of(stack: &Stack) -> Self {
        Self::new(&stack.urls.dynamodb, &stack.urls.secrets, &stack.urls.stripe, &stack.tables)
            .with("PAYPAL_API_BASE", &stack.urls.paypal)
            .with("PLAID_API_BASE", &stack.urls.plaid)
            .with("PAYPAL_WEBHOOK_CA", &stack.paypal.webhook_ca())
    }

    /// With another variable, or another value of one.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// Why a function's process does not work.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// It can't be run.
    #[error("{program}: {source}")]
    Run {
        /// What should run.
        program: PathBuf,
        /// Why it does not.
        source: io::Error,
    },
    /// It ended before it asked for an event.
    #[error("the function did not start: {0}")]
    Ended(ExitStatus),
    /// It said why it can't start.
    #[error("the function did not start: {0}")]
    Start(FunctionError),
}

/// A running process.
#[derive(Debug)]
pub struct Bootstrap {
    child: Child,
    api: RuntimeApi,
    /// How long it took until it could take an event.
    pub init: Duration,
}

impl Bootstrap {
    /// Starts what `command` says, and waits until it can take an event.
    ///
    /// # Errors
    /// [`BootstrapError`].
    pub async fn start(mut command: Command, environment: &Environment) -> Result<Self, BootstrapError> {
        let program = PathBuf::from(command.as_std().get_program());
        let failed = |source| BootstrapError::Run { program: program.clone(), source };
        let api = RuntimeApi::start().await.map_err(failed)?;
        command.env_clear().envs(&environment.0).kill_on_drop(true);
        command.env("AWS_LAMBDA_RUNTIME_API", api.address().to_string());
        let spawned = Instant::now();
        let mut child = command.spawn().map_err(failed)?;
        let ready = tokio::select! {
            ready = api.ready() => ready.map_err(BootstrapError::Start)?,
            ended = child.wait() => return Err(BootstrapError::Ended(ended.map_err(failed)?)),
        };
        Ok(Self { child, api, init: ready.duration_since(spawned) })
    }

    /// Has it handle an event within `time`; what it answers.
    ///
    /// # Errors
    /// The error that it answers, that it ended, or that the time is up.
    pub async fn invoke(&mut self, event: &Value, time: Duration) -> Result<Value, FunctionError> {
        tokio::select! {
            answer = self.api.invoke(event, time) => answer,
            ended = self.child.wait() => Err(FunctionError {
                error_type: "Runtime.ExitError".to_owned(),
                error_message: ended.map_or_else(|error| error.to_string(), |status| status.to_string()),
            }),
        }
    }

    /// The most memory that it has had, in KiB, as Linux counts it; 0 where that is not known.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let status = self.child.id().and_then(|id| std::fs::read_to_string(format!("/proc/{id}/status")).ok());
        let status = status.unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
    }

    /// Takes the Runtime API away, and waits until the process ends.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub async fn without_api(self) -> io::Result<ExitStatus> {
        let Self { mut child, api, .. } = self;
        drop(api);
        child.wait().await
    }

    /// Ends it, and waits until it has.
    ///
    /// # Errors
    /// When it can't be ended.
    pub async fn end(mut self) -> io::Result<()> {
        self.child.kill().await
    }
}
