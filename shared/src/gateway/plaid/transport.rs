//! One request to Plaid and its reply; knows nothing of what either means.
//!
//! Every call is a POST with a JSON body, reads too (plaid.com/docs/api). Who asks stands in headers, so that no body
//! holds the account's secret; a bank's access token has no header, and bodies are never logged.

use std::time::Duration;

use http::HeaderValue;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::API_VERSION;
use super::object::{ErrorBody, is_word};
use crate::gateway::Trouble;
use crate::gateway::wire::{retry_after, trouble};
use crate::secrets::PlaidSecret;

/// The client; cheap to clone, keeps its connections.
#[derive(Clone, Debug)]
pub struct Plaid {
    http: reqwest::Client,
    base: String,
}

/// One reply, read to its end.
pub(super) struct Reply {
    pub status: u16,
    pub retry_after: Option<Duration>,
    body: Vec<u8>,
}

/// What Plaid's support wants to know; it stands in every body.
#[derive(Deserialize)]
struct Named {
    request_id: Option<String>,
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
        self.is_success().then(|| serde_json::from_slice(&self.body).ok()).flatten()
    }

    /// The error of another reply; empty where it has none that can be read.
    pub fn error(&self) -> ErrorBody {
        if self.is_success() {
            return ErrorBody::default();
        }
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Plaid {
    /// A client for the API at `base`, without a trailing slash.
    #[must_use]
    pub fn new(http: reqwest::Client, base: &str) -> Self {
        Self { http, base: base.trim_end_matches('/').to_owned() }
    }

    pub(super) async fn post(
        &self,
        secret: &PlaidSecret,
        path: &'static str,
        body: &Value,
        timeout: Duration,
    ) -> Result<Reply, Trouble> {
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .timeout(timeout)
            .header("Plaid-Version", API_VERSION)
            .header("PLAID-CLIENT-ID", sensitive(&secret.client_id)?)
            .header("PLAID-SECRET", sensitive(secret.secret.expose_secret())?)
            .json(body);
        let response = request.send().await.map_err(|error| trouble(&error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let body = response.bytes().await.map_err(|_| Trouble::Lost)?.to_vec();
        let request_id = serde_json::from_slice(&body).ok().and_then(|named: Named| named.request_id);
        let request_id = request_id.filter(|id| is_word(id));
        tracing::info!(http_status = status, path, request_id, "Plaid replied");
        Ok(Reply { status, retry_after, body })
    }
}

/// A header that no log shows. A text that fits into none is no key that Plaid would take.
fn sensitive(text: &str) -> Result<HeaderValue, Trouble> {
    let mut value = HeaderValue::from_str(text).map_err(|_| Trouble::KeyRefused)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
