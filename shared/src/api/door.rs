//! The door of every route: what a request says in its path, its query and its headers is searched for card data before
//! any handler sees it. Bodies are searched where they are read, in `form`.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;

use super::caller::Caller;
use super::card_data;
use super::problem::Problem;
use crate::app::App;
use crate::flow::refuse::refuse;

/// What becomes of a request with card data in its path, query or headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// It is refused.
    Guarded,
    /// It is refused, and logged in the audit trail as every refused attempt to move money is.
    Audited,
    /// It is let in: for gateways, which sign what they send, and whose ids and times look like card numbers often enough.
    Open,
}

/// Puts the door before a handler.
pub(super) fn before(handler: MethodRouter<App>, app: &App, door: Door) -> MethodRouter<App, Infallible> {
    match door {
        Door::Guarded => handler.layer(middleware::from_fn(refused)),
        Door::Audited => handler.layer(middleware::from_fn_with_state(app.clone(), refused_and_logged)),
        Door::Open => handler,
    }
}

async fn refused(request: Request, next: Next) -> Response {
    if has_card_data(&request) { Problem::from(card_data::refusal()).into_response() } else { next.run(request).await }
}

async fn refused_and_logged(State(app): State<App>, request: Request, next: Next) -> Response {
    if !has_card_data(&request) {
        return next.run(request).await;
    }
    let problem = Problem::from(card_data::refusal());
    let (mut parts, _) = request.into_parts();
    match Caller::from_request_parts(&mut parts, &app).await {
        Ok(caller) => refuse(&app, &caller.invocation, None, problem.refusals()).await,
        Err(unknown) => return unknown.into_response(),
    }
    problem.into_response()
}

fn has_card_data(request: &Request) -> bool {
    in_path(request.uri()) || in_query(request.uri()) || in_headers(request.headers())
}

/// The path as the handler will read it: decoded once more than API Gateway has already.
fn in_path(uri: &Uri) -> bool {
    card_data::is_in(&percent_decode_str(uri.path()).decode_utf8_lossy())
}

fn in_query(uri: &Uri) -> bool {
    match Query::<Vec<(String, String)>>::try_from_uri(uri) {
        Ok(Query(pairs)) => pairs.iter().any(|(name, value)| {
            card_data::is_in(name) || card_data::is_in(value) || card_data::is_account_field(name)
        }),
        // What can't be read is refused by whoever reads it.
        Err(_) => card_data::is_in(uri.query().unwrap_or_default()),
    }
}

fn in_headers(headers: &HeaderMap) -> bool {
    headers.iter().filter(|(name, _)| !is_infrastructures(name.as_str())).any(|(name, value)| {
        card_data::is_account_field(name.as_str()) || card_data::is_in(&String::from_utf8_lossy(value.as_bytes()))
    })
}

/// Headers by which proxies, tracers and the issuer of tokens tell requests apart. Their values are made by machines, not
/// by who calls, and many are sixteen hexadecimal or nineteen decimal digits: some in a hundred would be card numbers,
/// and the caller could do nothing about it. Nothing of ours reads them but the verified token.
fn is_infrastructures(name: &str) -> bool {
    NAMES.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

const NAMES: [&str; 24] = [
    "authorization",
    "b3",
    "baggage",
    "cdn-loop",
    "content-length",
    "content-md5",
    "date",
    "elastic-apm-traceparent",
    "etag",
    "forwarded",
    "host",
    "if-match",
    "if-none-match",
    "newrelic",
    "request-id",
    "sentry-trace",
    "traceparent",
    "tracestate",
    "uber-trace-id",
    "via",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-request-id",
    "x-trace-id",
];

const FAMILIES: [&str; 8] =
    ["cf-", "cloudfront-", "x-amz-", "x-amzn-", "x-b3-", "x-datadog-", "x-forwarded-", "x-ot-span-"];
