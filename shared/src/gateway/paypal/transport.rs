//! One request to PayPal and its reply, and the token that every request carries; knows nothing of what either means.
//!
//! A token is kept for each secret until shortly before it ends, and fetched by one task while the others wait
//! (developer.paypal.com/api/rest/authentication). It serves nobody who does not know the secret: the client's id alone
//! is public. One that PayPal refuses is dropped and fetched anew, once. What goes
//! wrong with a token has sent nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Method as Verb;
use http::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex as AsyncMutex;

use super::object::ErrorBody;
use crate::bounds;
use crate::clock::{Clock, Time};
use crate::gateway::Trouble;
pub(super) use crate::gateway::wire::segment;
use crate::gateway::wire::{retry_after, trouble};
use crate::secrets::PayPalSecret;

/// The client; cheap to clone, keeps its connections and tokens.
#[derive(Clone, Debug)]
pub struct PayPal {
    http: reqwest::Client,
    pub(super) base: String,
    pub(super) clock: Clock,
    tokens: Arc<Mutex<HashMap<Client, SharedToken>>>,
}

/// Who has a token: a hash of the client's id and its secret, which are not kept.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Client([u8; 32]);

impl Client {
    fn of(secret: &PayPalSecret) -> Self {
        // The hash of each, so that no two pairs read the same.
        let hash = |text: &str| Sha256::digest(text.as_bytes());
        let both = Sha256::new().chain_update(hash(&secret.client_id));
        Self(both.chain_update(hash(secret.client_secret.expose_secret())).finalize().into())
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").finish_non_exhaustive()
    }
}

/// Locked while the token is being fetched.
type SharedToken = Arc<AsyncMutex<Option<Token>>>;

#[derive(Clone, Debug)]
struct Token {
    text: SecretString,
    good_until: Time,
}

/// What the token service answers.
#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    /// Seconds.
    expires_in: u64,
}

/// One request.
pub(super) struct Request<'a> {
    pub verb: Verb,
    /// With its query, where a link is followed.
    pub path: &'a str,
    pub query: &'a [(&'a str, String)],
    pub body: Option<&'a Value>,
    /// `PayPal-Request-Id`.
    pub key: Option<&'a str>,
}

impl<'a> Request<'a> {
    pub fn get(path: &'a str) -> Self {
        Self { verb: Verb::GET, path, query: &[], body: None, key: None }
    }

    pub fn post(path: &'a str, body: &'a Value, key: Option<&'a str>) -> Self {
        Self { verb: Verb::POST, path, query: &[], body: Some(body), key }
    }
}

/// The time that one call of ours has, however many requests it takes.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    until: Instant,
    /// With less a request that moves money is not worth starting.
    least: Duration,
}

impl Budget {
    pub fn of(timeout: Duration) -> Self {
        let now = Instant::now();
        Self { until: now.checked_add(timeout).unwrap_or(now), least: bounds::GATEWAY_TIMEOUT_MIN.min(timeout / 2) }
    }

    fn left(self) -> Option<Duration> {
        self.until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Whether there is time to hear what becomes of one more request.
    pub fn is_enough(self) -> bool {
        self.left().is_some_and(|left| left >= self.least)
    }
}

/// One reply, read to its end.
pub(super) struct Reply {
    pub status: u16,
    pub retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Reply {
    #[cfg(test)]
    pub fn of(status: u16, body: &Value) -> Self {
        Self { status, retry_after: None, body: body.to_string().into_bytes() }
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The object of a 2xx reply; unknown fields are fine.
    pub fn object<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok().filter(|_| self.is_success())
    }

    /// The body of a 2xx reply.
    pub fn body(&self) -> Option<&[u8]> {
        self.is_success().then_some(&self.body)
    }

    /// The error of another reply; empty where it has none that can be read.
    pub fn error(&self) -> ErrorBody {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl PayPal {
    /// A client for the API at `base`, without a trailing slash.
    #[must_use]
    pub fn new(http: reqwest::Client, base: &str, clock: Clock) -> Self {
        Self { http, base: base.trim_end_matches('/').to_owned(), clock, tokens: Arc::default() }
    }

    /// The same, going by another clock, with tokens of its own: ages of two clocks don't mix.
    #[must_use]
    pub fn at(&self, clock: Clock) -> Self {
        Self { clock, tokens: Arc::default(), ..self.clone() }
    }

    pub(super) async fn send_request(
        &self,
        secret: &PayPalSecret,
        request: &Request<'_>,
        budget: Budget,
    ) -> Result<Reply, Trouble> {
        let token = self.token(secret, budget).await?;
        let reply = self.send_once(&token, request, budget).await?;
        if reply.status != 401 || !reply.error().is_readable() {
            return Ok(reply);
        }
        // Revoked before its time; the request did nothing.
        self.forget(secret, &token, budget).await;
        let token = self.token(secret, budget).await?;
        self.send_once(&token, request, budget).await
    }

    async fn send_once(&self, token: &SecretString, request: &Request<'_>, budget: Budget) -> Result<Reply, Trouble> {
        let timeout = budget.left().ok_or(Trouble::Unreachable)?;
        let mut builder = self
            .http
            .request(request.verb.clone(), format!("{}{}", self.base, request.path))
            .timeout(timeout)
            .bearer_auth(token.expose_secret());
        if !request.query.is_empty() {
            builder = builder.query(request.query);
        }
        if let Some(body) = request.body {
            builder = builder.json(body).header("Prefer", "return=representation");
        } else if request.verb == Verb::POST {
            // Without a body too it must be JSON.
            builder = builder.header(CONTENT_TYPE, "application/json").body("");
        }
        if let Some(key) = request.key {
            builder = builder.header("PayPal-Request-Id", key);
        }
        let response = builder.send().await.map_err(|error| trouble(&error))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let debug_id = headers.get("paypal-debug-id").and_then(|value| value.to_str().ok());
        tracing::info!(http_status = status, http_method = %request.verb, debug_id, "PayPal replied");
        let body = response.bytes().await.map_err(|_| Trouble::Lost)?.to_vec();
        Ok(Reply { status, retry_after: retry_after(&headers), body })
    }

    fn slot(&self, secret: &PayPalSecret) -> SharedToken {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let client = Client::of(secret);
        if tokens.len() >= bounds::SECRET_SLOTS && !tokens.contains_key(&client) {
            tokens.retain(|_, token| Arc::strong_count(token) > 1);
        }
        Arc::clone(tokens.entry(client).or_default())
    }

    /// The token of a secret, from the cache while it is good.
    async fn token(&self, secret: &PayPalSecret, budget: Budget) -> Result<SecretString, Trouble> {
        let slot = self.slot(secret);
        let timeout = budget.left().ok_or(Trouble::Unreachable)?;
        let wait = async {
            let mut slot = slot.lock().await;
            if let Some(token) = slot.as_ref().filter(|token| self.clock.now() < token.good_until) {
                return Ok(token.text.clone());
            }
            let token = self.fetch_token(secret, timeout).await?;
            let text = token.text.clone();
            *slot = Some(token);
            Ok(text)
        };
        tokio::time::timeout(timeout, wait).await.unwrap_or(Err(Trouble::Unreachable))
    }

    /// Drops a token that PayPal refuses, unless another task has replaced it.
    async fn forget(&self, secret: &PayPalSecret, refused: &SecretString, budget: Budget) {
        let slot = self.slot(secret);
        let timeout = budget.left().unwrap_or_default();
        let Ok(mut slot) = tokio::time::timeout(timeout, slot.lock()).await else { return };
        if slot.as_ref().is_some_and(|token| token.text.expose_secret() == refused.expose_secret()) {
            *slot = None;
        }
    }

    async fn fetch_token(&self, secret: &PayPalSecret, timeout: Duration) -> Result<Token, Trouble> {
        let asked_at = self.clock.now();
        let request = self
            .http
            .post(format!("{}/v1/oauth2/token", self.base))
            .timeout(timeout)
            .basic_auth(&secret.client_id, Some(secret.client_secret.expose_secret()))
            .form(&[("grant_type", "client_credentials")]);
        // Whatever became of it, nothing that moves money was sent.
        let response = request.send().await.map_err(|_| Trouble::Unreachable)?;
        let status = response.status().as_u16();
        let debug_id = response.headers().get("paypal-debug-id").and_then(|value| value.to_str().ok());
        tracing::info!(http_status = status, debug_id, "PayPal was asked for a token");
        let body = response.bytes().await.map_err(|_| Trouble::Unreachable)?;
        match status {
            200 => {}
            429 => return Err(Trouble::Busy),
            400 | 401 | 403 if serde_json::from_slice::<ErrorBody>(&body).is_ok_and(|error| error.is_readable()) => {
                return Err(Trouble::KeyRefused);
            }
            _ => return Err(Trouble::Unreachable),
        }
        let granted: Granted = serde_json::from_slice(&body).map_err(|_| Trouble::Unreachable)?;
        let lifetime = Duration::from_secs(granted.expires_in);
        let margin = bounds::PAYPAL_TOKEN_MARGIN.min(lifetime / 2);
        Ok(Token { text: granted.access_token, good_until: asked_at.plus(lifetime.saturating_sub(margin)) })
    }
}

#[cfg(test)]
mod tests;
