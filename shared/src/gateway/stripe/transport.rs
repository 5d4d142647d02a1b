//! One request to Stripe and its reply; knows nothing of what either means.

use std::time::Duration;

use http::{HeaderMap, Method as Verb};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;

use super::object::{ApiError, Envelope};
use crate::gateway::Trouble;
pub(super) use crate::gateway::wire::segment;
use crate::gateway::wire::{retry_after, trouble};
use crate::secrets::StripeSecret;

/// The client; cheap to clone, keeps its connections.
#[derive(Clone, Debug)]
pub struct Stripe {
    http: reqwest::Client,
    base: String,
}

/// One request.
pub(super) struct Request<'a> {
    pub verb: Verb,
    pub path: &'a str,
    pub query: &'a [(&'a str, String)],
    pub form: &'a [(&'a str, String)],
    pub key: Option<&'a str>,
    pub version: &'a str,
    pub timeout: Duration,
}

/// One reply, read to its end.
pub(super) struct Reply {
    pub status: u16,
    /// `Stripe-Should-Retry`, where Stripe says so.
    pub should_retry: Option<bool>,
    pub retry_after: Option<Duration>,
    /// `Idempotent-Replayed`: it is the answer that was kept under the key when the request was first executed.
    pub replayed: bool,
    body: Vec<u8>,
}

impl Reply {
    #[cfg(test)]
    pub fn of(status: u16, should_retry: Option<bool>, body: &serde_json::Value) -> Self {
        Self { status, should_retry, retry_after: None, replayed: false, body: body.to_string().into_bytes() }
    }

    /// The object of a 2xx reply; unknown fields are fine.
    pub fn object<T: DeserializeOwned>(&self) -> Option<T> {
        if !(200..300).contains(&self.status) {
            return None;
        }
        serde_json::from_slice(&self.body).ok()
    }

    /// The error of another reply; empty where it has none that can be read.
    pub fn error(&self) -> ApiError {
        serde_json::from_slice::<Envelope>(&self.body).map(|envelope| envelope.error).unwrap_or_default()
    }
}

impl Stripe {
    /// A client for the API at `base`, without a trailing slash.
    #[must_use]
    pub fn new(http: reqwest::Client, base: &str) -> Self {
        Self { http, base: base.trim_end_matches('/').to_owned() }
    }

    pub(super) async fn send_request(&self, secret: &StripeSecret, request: &Request<'_>) -> Result<Reply, Trouble> {
        let mut builder = self
            .http
            .request(request.verb.clone(), format!("{}{}", self.base, request.path))
            .timeout(request.timeout)
            .bearer_auth(secret.secret_key.expose_secret())
            .header("Stripe-Version", request.version);
        if !request.query.is_empty() {
            builder = builder.query(request.query);
        }
        if request.verb == Verb::POST {
            builder = builder.form(request.form);
        }
        if let Some(key) = request.key {
            builder = builder.header("Idempotency-Key", key);
        }
        let response = builder.send().await.map_err(|error| trouble(&error))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await.map_err(|_| Trouble::Lost)?.to_vec();
        let replayed = headers.get("idempotent-replayed").is_some_and(|value| value == "true");
        Ok(Reply { status, should_retry: should_retry(&headers), retry_after: retry_after(&headers), replayed, body })
    }
}

fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match headers.get("stripe-should-retry")?.to_str().ok()? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}
