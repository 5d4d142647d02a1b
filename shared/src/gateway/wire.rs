//! What the gateways' clients have in common on the wire.

use std::time::Duration;

use http::HeaderMap;

use super::Trouble;
use crate::bounds;

/// The HTTP client that gateways share: connections are kept, redirects are not followed.
///
/// # Errors
/// When the TLS backend can't be set up.
pub fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .connect_timeout(bounds::CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        // Our own retries carry the payment's key and its fence; hidden ones would not.
        .retry(reqwest::retry::never())
        .user_agent(concat!("passerelle/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// A path segment without the characters that would leave it.
pub(super) fn segment(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect()
}

/// Only a connection that was never made proves that nothing was sent.
pub(crate) fn trouble(error: &reqwest::Error) -> Trouble {
    if error.is_connect() || error.is_builder() { Trouble::Unreachable } else { Trouble::Lost }
}

/// RFC 9110, 10.2.3, in seconds; a date is not something that they send.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get("retry-after")?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
        .map(|asked| asked.min(bounds::RETRY_AFTER_MAX))
}
