//! What a function works with, built once at start.

use std::sync::Arc;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;

use crate::analysis::anthropic::Anthropic;
use crate::bounds;
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::gateway;
use crate::gateway::paypal::PayPal;
use crate::gateway::paypal::signature::{NoRoots, Verifier};
use crate::gateway::plaid::{self, Plaid};
use crate::gateway::stripe::Stripe;
use crate::secrets::Secrets;
use crate::store::Store;
use crate::telemetry::metrics::Metrics;

/// The clients and the configuration; cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    /// DynamoDB.
    pub store: Store,
    /// Secrets Manager.
    pub secrets: Secrets,
    /// Stripe.
    pub stripe: Stripe,
    /// PayPal.
    pub paypal: PayPal,
    /// Who signs PayPal's webhooks.
    pub paypal_signatures: Verifier,
    /// Plaid.
    pub plaid: Plaid,
    /// Who signs Plaid's webhooks.
    pub plaid_signatures: plaid::signature::Verifier,
    /// Who explains alerts.
    pub anthropic: Anthropic,
    /// What the function is configured with.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Clock,
    /// Where metrics go; nowhere, unless said otherwise.
    pub metrics: Metrics,
}

/// How often the AWS clients try a read. (Commits are tried by the store, which looks at each answer.)
#[must_use]
pub fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(bounds::AWS_TRIES).with_initial_backoff(bounds::AWS_BACKOFF)
}

/// How long the AWS clients wait; without a bound a connection that died silently would cost the whole invocation.
#[must_use]
pub fn timeouts() -> TimeoutConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(bounds::AWS_CONNECT_TIMEOUT);
    timeouts.operation_attempt_timeout(bounds::AWS_TIMEOUT).build()
}

/// Why a function can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The environment is not complete.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The HTTP client can't be set up.
    #[error("no HTTP client")]
    Http(#[source] reqwest::Error),
    /// The further roots for PayPal's webhooks.
    #[error(transparent)]
    Roots(#[from] NoRoots),
}

impl App {
    /// From parts; what the local stack and tests use.
    ///
    /// # Errors
    /// [`StartError::Http`] and [`StartError::Roots`].
    pub fn new(
        dynamodb: aws_sdk_dynamodb::Client,
        secrets: aws_sdk_secretsmanager::Client,
        config: Config,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let http = gateway::http_client().map_err(StartError::Http)?;
        let signatures = Verifier::new(http.clone(), clock.clone());
        let paypal_signatures = match &config.paypal_webhook_ca {
            Some(pem) => signatures.trusting(pem, &config.paypal_api_base)?,
            None => signatures,
        };
        Ok(Self {
            paypal: PayPal::new(http.clone(), &config.paypal_api_base, clock.clone()),
            paypal_signatures,
            plaid: Plaid::new(http.clone(), &config.plaid_api_base),
            anthropic: Anthropic::new(http.clone(), &config.anthropic_api_base),
            plaid_signatures: plaid::signature::Verifier::new(clock.clone()),
            store: Store::new(dynamodb, config.tables.clone(), clock.clone()),
            secrets: Secrets::new(secrets, config.secrets_prefix.clone(), clock.clone()),
            stripe: Stripe::new(http, &config.stripe_api_base),
            config: Arc::new(config),
            clock,
            metrics: Metrics::default(),
        })
    }

    /// The same, with metrics.
    #[must_use]
    pub fn reporting(self, metrics: Metrics) -> Self {
        Self { store: self.store.reporting(metrics.clone()), metrics, ..self }
    }

    /// The same, going by another clock.
    #[must_use]
    pub fn at(&self, clock: Clock) -> Self {
        Self {
            store: self.store.at(clock.clone()),
            secrets: self.secrets.at(clock.clone()),
            paypal: self.paypal.at(clock.clone()),
            paypal_signatures: self.paypal_signatures.at(clock.clone()),
            plaid_signatures: self.plaid_signatures.at(clock.clone()),
            clock,
            ..self.clone()
        }
    }

    /// From the environment, with the connection to DynamoDB open: Lambda's processor time at start is free.
    ///
    /// # Errors
    /// [`StartError`] names all that is missing.
    pub async fn from_env() -> Result<Self, StartError> {
        let config = Config::from_env()?;
        let aws = aws_config::defaults(BehaviorVersion::latest()).retry_config(retries()).timeout_config(timeouts());
        let aws = aws.load().await;
        let metrics = Metrics::stdout(&config.metrics_namespace);
        let app = Self::new(
            aws_sdk_dynamodb::Client::new(&aws),
            aws_sdk_secretsmanager::Client::new(&aws),
            config,
            Clock::system(),
        )?
        .reporting(metrics);
        app.store.warm().await;
        Ok(app)
    }
}
