//! API Gateway's HTTP API, a function URL and Lambda, in front of the functions' own routers.
//!
//! Promises that a function runs here as it does in Lambda: it gets the event that API Gateway would send, through
//! the same adapter, with a deadline; it runs to its end even if the client hangs up, and is stopped at its time-out.

mod event;
mod routes;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use http::request::Parts;
use lambda_http::{Adapter, Context, LambdaEvent};
use serde_json::{Value, json};
use shared::clock::Clock;
use tower::Service;
use uuid::Uuid;

use crate::template::{Route, Template};
use crate::token::{self, Claims};
use event::{Admitted, Entry};

/// What API Gateway takes.
const MAX_BODY: usize = 10 * 1024 * 1024;

/// What Lambda takes from a function URL.
const MAX_URL_BODY: usize = 6 * 1024 * 1024;
/// What paths to the function with a URL begin with: in AWS that has a domain of its own.
const URL_PATHS: &str = "/webhooks/";

/// The HTTP API of the template, and its function URL.
#[derive(Debug)]
pub struct ApiGateway {
    routes: Vec<Route>,
    functions: HashMap<String, Function>,
    /// The folder of the function that has a URL.
    url: Option<String>,
    clock: Clock,
}

#[derive(Clone, Debug)]
struct Function {
    router: Router,
    timeout: Duration,
}

/// The template has a function that nobody passed in.
#[derive(Debug, thiserror::Error)]
#[error("the template has a function {0}, but no such router was given")]
pub struct NoRouter(String);

impl ApiGateway {
    /// The template's routes and function URL in front of `routers`, which are named by their function's folder.
    ///
    /// # Errors
    /// When a route or the URL leads to a function without router.
    pub fn new(template: &Template, mut routers: HashMap<String, Router>, clock: Clock) -> Result<Self, NoRouter> {
        let mut functions = HashMap::new();
        for function in &template.functions {
            if let Some(router) = routers.remove(&function.folder) {
                functions.insert(function.folder.clone(), Function { router, timeout: function.timeout });
            }
        }
        let url = template.functions.iter().find(|function| function.url).map(|function| function.folder.clone());
        let mut called = template.routes.iter().map(|route| &route.function).chain(&url);
        match called.find(|function| !functions.contains_key(*function)) {
            Some(function) => Err(NoRouter(function.clone())),
            None => Ok(Self { routes: template.routes.clone(), functions, url, clock }),
        }
    }

    /// A router that answers everything as the HTTP API does, to be served with the addresses of clients, or merged with
    /// routes of one's own.
    pub fn into_router(self) -> Router {
        Router::new().fallback(answer).with_state(Arc::new(self))
    }

    async fn admit(&self, request: Request) -> Result<Response, Refusal> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        if let Some(folder) = self.url.as_ref().filter(|_| path.starts_with(URL_PATHS)) {
            return self.call(folder, Entry::Url, &parts, body, MAX_URL_BODY).await;
        }
        let (route, path_parameters) = &routes::find(&self.routes, &parts.method, path).ok_or(Refusal::NotFound)?;
        let claims = &self.authorize(&parts.headers)?;
        self.call(&route.function, Entry::Route { route, path_parameters, claims }, &parts, body, MAX_BODY).await
    }

    async fn call(
        &self,
        folder: &str,
        entry: Entry<'_>,
        parts: &Parts,
        body: Body,
        most: usize,
    ) -> Result<Response, Refusal> {
        let function = self.functions.get(folder).ok_or(Refusal::NotFound)?;
        let body = axum::body::to_bytes(body, most).await.map_err(|_| Refusal::TooLarge)?;
        let event = Admitted {
            entry,
            source_ip: source_ip(parts).to_string(),
            parts,
            body: &body,
            request_id: &Uuid::new_v4().to_string(),
            time: self.clock.now(),
        }
        .event();
        self.invoke(function.clone(), &event).await
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<Claims, Refusal> {
        let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // API Gateway takes the token with or without the scheme.
        let token = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => value,
        };
        token::verify(token, &self.clock).map_err(|error| {
            tracing::debug!(%error, "token refused");
            Refusal::Unauthorized
        })
    }

    async fn invoke(&self, function: Function, event: &Value) -> Result<Response, Refusal> {
        let mut context = Context::default();
        context.request_id = Uuid::new_v4().to_string();
        context.deadline = u64::try_from(self.clock.now().plus(function.timeout).millis()).unwrap_or_default();
        // Through text, as Lambda does.
        let payload = serde_json::from_str(&event.to_string()).map_err(failed)?;

        // A task of its own: it outlives a client that hangs up, and its panic is no panic of ours.
        let call = async move {
            // The adapter is no `Send`, so it may not live over the await; a router is always ready.
            let call = Adapter::from(function.router).call(LambdaEvent::new(payload, context));
            call.await
        };
        let response = tokio::spawn(tokio::time::timeout(function.timeout, call)).await;
        let Ok(response) = response.map_err(failed)?.map_err(|_| Refusal::TimedOut)?;

        let response = serde_json::to_value(response).and_then(serde_json::from_value).map_err(failed)?;
        event::answer(response).map_err(failed)
    }
}

async fn answer(State(gateway): State<Arc<ApiGateway>>, request: Request) -> Response {
    gateway.admit(request).await.unwrap_or_else(IntoResponse::into_response)
}

fn failed(error: impl Display) -> Refusal {
    tracing::error!(%error, "the function failed");
    Refusal::FunctionFailed
}

/// The client's address; this machine's, when whoever serves the router doesn't tell.
fn source_ip(parts: &Parts) -> IpAddr {
    let client = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    client.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(address)| address.ip())
}

/// An answer that API Gateway gives by itself.
#[derive(Debug)]
enum Refusal {
    NotFound,
    Unauthorized,
    TooLarge,
    FunctionFailed,
    TimedOut,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "Not Found"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
            // Lambda stops the function before API Gateway gives up: an error of the function.
            Self::FunctionFailed | Self::TimedOut => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        };
        let mut response = (status, Json(json!({ "message": message }))).into_response();
        if let Self::Unauthorized = self {
            response.headers_mut().insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
        }
        response
    }
}
