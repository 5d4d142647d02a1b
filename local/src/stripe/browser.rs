//! What browsers do with a publishable key: Stripe.js's part, the page where a customer authenticates, and the headers
//! that let pages of other origins ask.

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde_json::Value;

use super::form::CLIENT_SECRET;
use super::method::text;
use super::{Stripe, setup};
use crate::simulator::page::{escape, go, page, with_query};
use crate::simulator::server;

/// What publishable keys begin with.
pub(super) const PUBLISHABLE: &str = "pk_";
/// Where the customer's bank asks whether it is them; at a host of its own.
pub(super) const AUTHENTICATE: &str = "/redirect/authenticate/";
/// Seconds for which a browser keeps the answer to a preflight.
const MAX_AGE: &str = "300";
const METHODS: &str = "GET, HEAD, PUT, PATCH, POST, DELETE";

/// Members of a SetupIntent that a browser sees.
const SHOWN: &[&str] = &[
    "id",
    "object",
    "cancellation_reason",
    "client_secret",
    "created",
    "description",
    "last_setup_error",
    "livemode",
    "next_action",
    "payment_method",
    "payment_method_types",
    "status",
    "usage",
];

/// Whether a publishable key is enough.
pub(super) fn may(verb: &Method, path: &str) -> bool {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    matches!(
        (verb.as_str(), parts.as_slice()),
        ("GET", ["v1", "setup_intents", _]) | ("POST", ["v1", "setup_intents", _, "confirm"])
    )
}

/// A SetupIntent as a browser sees it.
pub(super) fn shown(mut setup: Value) -> Value {
    if let Some(members) = setup.as_object_mut() {
        members.retain(|name, _| SHOWN.contains(&name.as_str()));
    }
    setup
}

/// Lets every page read an answer.
pub(super) fn allow_origins(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Request-Id"));
}

/// What a browser asks before it sends headers of its own.
pub(super) fn preflight(asked: &HeaderMap) -> Response<Body> {
    let mut reply = Response::new(Body::empty());
    let headers = reply.headers_mut();
    allow_origins(headers);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    if let Some(wanted) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    reply
}

impl Stripe {
    /// The page of a bank: GET shows it, POST says whether it was the customer, who is sent back.
    pub(super) fn authentication(&self, verb: &Method, path: &str, query: &str, body: &[u8]) -> Response<Body> {
        let id = path.strip_prefix(AUTHENTICATE).unwrap_or_default();
        let form = std::str::from_utf8(body).unwrap_or_default();
        let parameters = server::parameters(if verb == Method::POST { form } else { query });
        let word = |name: &str| parameters.get(name).map_or("", String::as_str);
        let waits = |setup: &Value| {
            text(setup, "status") == "requires_action" && text(setup, CLIENT_SECRET) == word(CLIENT_SECRET)
        };
        let found = self.state().objects.get(id).map(|stored| stored.value.clone()).filter(waits);
        let Some(found) = found else {
            return page(StatusCode::NOT_FOUND, "There is nothing to authenticate", "");
        };
        if verb != Method::POST {
            return question(id, word(CLIENT_SECRET));
        }
        let succeeds = word("result") == "complete";
        self.happens(|state| setup::authenticate(state, &self.clock, id, succeeds));
        let back = found.pointer("/next_action/redirect_to_url/return_url").and_then(Value::as_str).unwrap_or_default();
        let status = if succeeds { "succeeded" } else { "failed" };
        go(&with_query(
            back,
            &[("setup_intent", id), ("setup_intent_client_secret", word(CLIENT_SECRET)), ("redirect_status", status)],
        ))
    }
}

fn question(id: &str, secret: &str) -> Response<Body> {
    let body = format!(
        "<p>Your bank wants to know whether it is you.</p><form method=\"post\" action=\"{AUTHENTICATE}{}\">\
         <input type=\"hidden\" name=\"{CLIENT_SECRET}\" value=\"{}\">\
         <button id=\"complete\" name=\"result\" value=\"complete\">Complete authentication</button> \
         <button id=\"fail\" class=\"quiet\" name=\"result\" value=\"fail\">Fail authentication</button></form>",
        escape(id),
        escape(secret),
    );
    page(StatusCode::OK, "3D Secure test page", &body)
}
