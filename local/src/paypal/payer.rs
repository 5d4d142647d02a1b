//! What payers do at PayPal's site, when they follow a link of ours: they approve, and are sent back.

use std::collections::BTreeMap;

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use shared::clock::Clock;

use super::vault::Chargeable;
use super::{State, order, vault};

/// The test method of a payer who says nothing else (`&method=…`).
const USUAL: &str = "paypal_ok";

/// The page behind an `approve` or `payer-action` link; `None`: no page of PayPal's.
pub(super) fn visit(
    state: &mut State,
    clock: &Clock,
    path: &str,
    query: &BTreeMap<String, String>,
) -> Option<Response<Body>> {
    let word = |name: &str| query.get(name).map_or("", String::as_str);
    let method = Chargeable::test(query.get("method").map_or(USUAL, String::as_str));
    let approved = match path {
        "/checkoutnow" => method.and_then(|method| order::approve(state, clock, word("token"), method)),
        "/agreements/approve" => method.and_then(|method| vault::approve(state, word("approval_session_id"), method)),
        _ => return None,
    };
    let (status, text) = match &approved {
        Some(Some(_)) => (StatusCode::FOUND, ""),
        Some(None) => (StatusCode::OK, "Approved. You may close this page.\n"),
        None => (StatusCode::NOT_FOUND, "There is nothing to approve.\n"),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    if let Some(to) = approved.flatten().and_then(|url| HeaderValue::from_str(&url).ok()) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    Some(response)
}
