//! `/try/payment-method`: a page on which a person adds, chooses and removes payment methods, as a tenant's own page
//! would have it done. Only the local stack has it, beside the API; what it does, it does through the API, with a token
//! of the seeded admin, and at the gateways.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use shared::clock::Clock;

use crate::seed::{ADMIN, PUBLISHABLE_KEY, TENANT};
use crate::stack::Urls;
use crate::test_keys::TestKeys;
use crate::{plaid, token};

/// Where it is.
pub const PATH: &str = "/try/payment-method";

const HTML: &str = include_str!("page.html");

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

/// The page, with a token that is good from now on: never to be kept.
async fn show(State(page): State<Arc<Page>>) -> Response {
    let Ok(token) = token::issue(ADMIN, TENANT, &[], &page.clock) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut settings = page.settings.clone();
    if let Some(members) = settings.as_object_mut() {
        members.insert("token".to_owned(), json!(token));
    }
    // Nothing in it may end the script element that it is in.
    let settings = settings.to_string().replace('<', "\\u003c");
    let mut response = Html(HTML.replace("__SETTINGS__", &settings)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
