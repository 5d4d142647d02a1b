//! `/try/payment-method`: a page on which a person adds, chooses and removes payment methods, as a tenant's own page
//! would have it done. Only the local stack has it, beside the API; what it does, it does through the API, with a token
//! of the seeded admin, and at the gateways.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::uri::Authority;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use shared::clock::Clock;
use uuid::Uuid;

use crate::seed::{ADMIN, PUBLISHABLE_KEY, TENANT};
use crate::stack::Urls;
use crate::test_keys::TestKeys;
use crate::{plaid, token};

/// Where it is.
pub const PATH: &str = "/try/payment-method";

const HTML: &str = include_str!("page.html");

/// Where the gateways' own scripts come from, with real test keys (docs.stripe.com/security/guide,
/// plaid.com/docs/link/web).
const SCRIPTS: &str = "https://js.stripe.com https://*.js.stripe.com https://cdn.plaid.com";

/// What the page has to know.
struct Page {
    clock: Clock,
    settings: Value,
}

/// The page's route, to be merged with the API's.
pub(crate) fn router(urls: &Urls, keys: &TestKeys, clock: Clock) -> Router {
    let publishable = keys.stripe.as_ref().map_or(PUBLISHABLE_KEY, |stripe| &stripe.publishable_key);
    let settings = json!({
        "stripe": { "simulated": keys.stripe.is_none(), "api": urls.stripe, "publishable_key": publishable },
        "plaid": { "simulated": keys.plaid.is_none(), "link": format!("{}{}", urls.plaid, plaid::LINK_PAGE) },
    });
    Router::new().route(PATH, get(show)).with_state(Arc::new(Page { clock, settings }))
}

/// The page, with a token that is good from now on: never to be kept, to be framed, or to be read by the page of somebody
/// else whose name leads here.
async fn show(State(page): State<Arc<Page>>, headers: HeaderMap) -> Response {
    if !is_here(&headers) {
        return (StatusCode::MISDIRECTED_REQUEST, "This page is at localhost only.").into_response();
    }
    let Ok(token) = token::issue(ADMIN, TENANT, &[], &page.clock) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut settings = page.settings.clone();
    if let Some(members) = settings.as_object_mut() {
        members.insert("token".to_owned(), json!(token));
    }
    // Nothing in it may end the script element that it is in.
    let settings = settings.to_string().replace('<', "\\u003c");
    let nonce = Uuid::new_v4().to_string();
    let html = HTML.replace("__NONCE__", &nonce).replace("__SETTINGS__", &settings);
    let policy = format!(
        "script-src 'nonce-{nonce}' {SCRIPTS}; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, &policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, Html(html)).into_response()
}

/// Whether the page was asked for by a name of this machine.
fn is_here(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    host.is_some_and(|host| {
        let name = host.host().to_ascii_lowercase();
        // What stands before an `@` is nobody's business here.
        matches!(name.as_str(), "localhost" | "127.0.0.1" | "[::1]") && !host.as_str().contains('@')
    })
}
