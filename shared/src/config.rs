//! Configuration: read from the environment once, at start, and checked as a whole.

use std::num::NonZeroU32;

use crate::bounds;
use crate::telemetry::metrics::NAMESPACE;

/// The default of `STRIPE_API_BASE`.
pub const STRIPE_API_BASE: &str = "https://api.stripe.com";

/// The default of `PAYPAL_API_BASE`.
pub const PAYPAL_API_BASE: &str = "https://api-m.paypal.com";

/// The default of `PLAID_API_BASE`.
pub const PLAID_API_BASE: &str = "https://production.plaid.com";

/// The default of `ANTHROPIC_API_BASE`.
pub const ANTHROPIC_API_BASE: &str = "https://api.anthropic.com";

/// The default of `ERROR_ANALYSIS_MODEL`: the Claude Sonnet of late 2026 (platform.claude.com/docs, "Claude Sonnet 5.5
/// migration guide"). Claude Sonnet 4 was retired in June 2026.
pub const ERROR_ANALYSIS_MODEL: &str = "claude-sonnet-5-5";

/// What a function is configured with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Names of the tables.
    pub tables: Tables,
    /// Secrets are named `<prefix>/<tenant>/<gateway>`.
    pub secrets_prefix: String,
    /// Where Stripe is.
    pub stripe_api_base: String,
    /// Where PayPal is.
    pub paypal_api_base: String,
    /// Where Plaid is.
    pub plaid_api_base: String,
    /// Where Anthropic's API is.
    pub anthropic_api_base: String,
    /// The model that explains alerts; `None`: no model is asked anything.
    pub error_analysis: Option<String>,
    /// PEM of further roots for the certificates of PayPal's webhooks: a simulator's.
    pub paypal_webhook_ca: Option<String>,
    /// The claim that names the tenant.
    pub tenant_claim: String,
    /// The claim that names the user.
    pub user_claim: String,
    /// Nothing new moves money.
    pub payments_paused: bool,
    /// Scheduled payments that one executor works on at a time.
    pub executor_concurrency: usize,
    /// Scheduled payments that an executor starts in a second for one gateway account.
    pub gateway_rate: NonZeroU32,
    /// Where the daily run sends a message for each shard; none: it drains them all itself.
    pub executor_queue_url: Option<String>,
    /// CloudWatch's namespace of the metrics.
    pub metrics_namespace: String,
    /// Time for one request to a gateway.
    pub gateway_timeout: std::time::Duration,
    /// Time for one request to a model.
    pub analysis_timeout: std::time::Duration,
}

/// Names of the tables.
#[derive(Clone, Debug)]
pub struct Tables {
    /// Settings, members, customers at gateways.
    pub tenants: String,
    /// Payment methods and defaults.
    pub payment_methods: String,
    /// Invoices and the locks on bills.
    pub invoices: String,
    /// Payments and refunds.
    pub payments: String,
    /// Scheduled payments.
    pub scheduled_payments: String,
    /// The audit trail.
    pub audit_log: String,
    /// Alerts.
    pub alerts: String,
    /// Agent runs.
    pub agent_runs: String,
    /// Webhook events that were processed.
    pub webhook_events: String,
}

/// What is wrong with the environment, all of it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment can't be used: {}", .0.join("; "))]
pub struct ConfigError(Vec<String>);

impl Config {
    /// From variables, looked up by name.
    ///
    /// # Errors
    /// [`ConfigError`] names every variable that is missing or malformed.
    pub fn from_lookup(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut wrong = Vec::new();
        let present = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut required = |name: &str| {
            present(name).unwrap_or_else(|| {
                wrong.push(format!("{name} is missing"));
                String::new()
            })
        };
        let tables = Tables {
            tenants: required("TENANTS_TABLE"),
            payment_methods: required("PAYMENT_METHODS_TABLE"),
            invoices: required("INVOICES_TABLE"),
            payments: required("PAYMENTS_TABLE"),
            scheduled_payments: required("SCHEDULED_PAYMENTS_TABLE"),
            audit_log: required("AUDIT_LOG_TABLE"),
            alerts: required("ALERTS_TABLE"),
            agent_runs: required("AGENT_RUNS_TABLE"),
            webhook_events: required("WEBHOOK_EVENTS_TABLE"),
        };
        let or = |name: &str, default: &str| present(name).unwrap_or_else(|| default.to_owned());
        let mut base = |name: &str, default: &str| {
            let base = or(name, default);
            if reqwest::Url::parse(&base).is_err() {
                wrong.push(format!("{name} is no URL"));
            }
            base
        };
        let stripe_api_base = base("STRIPE_API_BASE", STRIPE_API_BASE);
        let paypal_api_base = base("PAYPAL_API_BASE", PAYPAL_API_BASE);
        let plaid_api_base = base("PLAID_API_BASE", PLAID_API_BASE);
        let anthropic_api_base = base("ANTHROPIC_API_BASE", ANTHROPIC_API_BASE);
        let error_analysis = match or("ERROR_ANALYSIS", "off").as_str() {
            "on" => Some(or("ERROR_ANALYSIS_MODEL", ERROR_ANALYSIS_MODEL)),
            "off" => None,
            _ => {
                wrong.push("ERROR_ANALYSIS is neither on nor off".to_owned());
                None
            }
        };
        let payments_paused = match or("PAYMENTS_PAUSED", "false").as_str() {
            "true" => true,
            "false" => false,
            _ => {
                wrong.push("PAYMENTS_PAUSED is neither true nor false".to_owned());
                false
            }
        };
        let mut number = |name: &str, default: u32| {
            let given = present(name).map_or(Ok(default), |text| text.parse::<u32>());
            given.ok().and_then(NonZeroU32::new).unwrap_or_else(|| {
                wrong.push(format!("{name} is no number above 0"));
                NonZeroU32::MIN
            })
        };
        let executor_concurrency = number("EXECUTOR_CONCURRENCY", bounds::EXECUTOR_CONCURRENCY);
        let gateway_rate = number("GATEWAY_RATE_PER_SECOND", bounds::GATEWAY_RATE);
        if !wrong.is_empty() {
            return Err(ConfigError(wrong));
        }
        Ok(Self {
            tables,
            secrets_prefix: or("SECRETS_PREFIX", "passerelle"),
            stripe_api_base,
            paypal_api_base,
            plaid_api_base,
            anthropic_api_base,
            error_analysis,
            paypal_webhook_ca: present("PAYPAL_WEBHOOK_CA"),
            tenant_claim: or("TENANT_CLAIM", "tenant_id"),
            user_claim: or("USER_CLAIM", "sub"),
            metrics_namespace: or("METRICS_NAMESPACE", NAMESPACE),
            payments_paused,
            executor_concurrency: usize::try_from(executor_concurrency.get()).unwrap_or(1),
            gateway_rate,
            executor_queue_url: present("EXECUTOR_QUEUE_URL"),
            gateway_timeout: bounds::GATEWAY_TIMEOUT,
            analysis_timeout: bounds::ANALYSIS_TIMEOUT,
        })
    }

    /// From the process's environment.
    ///
    /// # Errors
    /// [`ConfigError`] names every variable that is missing or malformed.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_missing_is_named_in_one_message() {
        let error = Config::from_lookup(|name| match name {
            "INVOICES_TABLE" => Some("invoices".to_owned()),
            "PAYMENTS_PAUSED" => Some("yes".to_owned()),
            "GATEWAY_RATE_PER_SECOND" => Some("0".to_owned()),
            "ERROR_ANALYSIS" => Some("true".to_owned()),
            _ => None,
        })
        .unwrap_err()
        .to_string();
        for name in [
            "TENANTS_TABLE",
            "PAYMENTS_TABLE",
            "AUDIT_LOG_TABLE",
            "WEBHOOK_EVENTS_TABLE",
            "PAYMENTS_PAUSED",
            "GATEWAY_RATE_PER_SECOND",
            "ERROR_ANALYSIS is neither on nor off",
        ] {
            assert!(error.contains(name), "{name} in {error}");
        }
        assert!(!error.contains("INVOICES_TABLE"), "{error}");
    }

    #[test]
    fn what_has_a_default_may_be_left_out() {
        let config = Config::from_lookup(|name| name.ends_with("_TABLE").then(|| name.to_lowercase())).unwrap();
        assert_eq!(config.stripe_api_base, STRIPE_API_BASE);
        assert_eq!((config.paypal_api_base.as_str(), config.paypal_webhook_ca), (PAYPAL_API_BASE, None));
        assert_eq!((config.tenant_claim.as_str(), config.user_claim.as_str()), ("tenant_id", "sub"));
        assert!(!config.payments_paused);
        assert_eq!(config.error_analysis, None, "no model is asked anything unless the owner wants it");
    }
}
