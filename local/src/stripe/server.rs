//! HTTP: keys, versions, idempotency, faults, and connections that break off without an answer.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::error::ApiError;
use super::event::{API_VERSION, Cause};
use super::fault::{INTENTS, Kind};
use super::form::{CLIENT_SECRET, Form};
use super::idempotency::Verdict;
use super::{LoggedRequest, Stripe, browser, new_id, operation};
use crate::simulator::server::{self, Reply, Simulator};

/// Serves until the process ends.
pub async fn serve(stripe: Stripe, listener: TcpListener) {
    if let Ok(address) = listener.local_addr() {
        stripe.state().base = format!("http://{address}");
    }
    server::serve(stripe, listener).await;
}

impl Simulator for Stripe {
    async fn answer(&self, Parts { method: verb, uri, headers, .. }: &Parts, body: Bytes) -> Reply {
        let path = uri.path().to_owned();
        match path.as_str() {
            server::FAULTS => return Some(self.state().switches.switch(verb, &body, INTENTS)),
            server::DELIVERY => return Some(self.state().post.switch(verb, &body)),
            _ => {}
        }
        if verb == Method::OPTIONS {
            return Some(browser::preflight(headers));
        }
        if path.starts_with(browser::AUTHENTICATE) {
            return Some(self.authentication(verb, &path, uri.query().unwrap_or_default(), &body));
        }
        let mut form =
            Form::parse(if verb == Method::GET { uri.query().unwrap_or_default().as_bytes() } else { &body });
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        // Stripe.js sends its key among the parameters, which needs no preflight.
        let key = form.0.remove("key").filter(|key| key.starts_with(browser::PUBLISHABLE));
        let request = Call {
            verb: verb.clone(),
            path,
            key: header("idempotency-key").filter(|_| verb == Method::POST),
            version: header("stripe-version"),
            secret: header("authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned)).or(key),
            user_agent: header("user-agent").unwrap_or_default(),
            is_form: header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")),
            form,
        };
        let (fault, latency) = {
            let mut state = self.state();
            (state.switches.meet(verb.as_str(), &request.path), state.switches.latency)
        };
        if latency > Duration::ZERO {
            tokio::time::sleep(latency).await;
        }
        let mut reply = self.play(&request, fault).await;
        if let Some(reply) = &mut reply {
            browser::allow_origins(reply.headers_mut());
        }
        let mut parameters = request.form.0;
        parameters.remove(CLIENT_SECRET);
        self.state().requests.push(LoggedRequest {
            method: verb.to_string(),
            path: request.path,
            key: request.key,
            version: request.version,
            parameters,
            status: reply.as_ref().map_or(0, |reply| reply.status().as_u16()),
        });
        reply
    }
}

impl Stripe {
    async fn play(&self, request: &Call, fault: Option<Kind>) -> Reply {
        let request_id = new_id("req");
        let refused =
            |error: ApiError| Some(respond(error.status, &json!({ "error": error.body }), &request_id, request));
        match &fault {
            Some(Kind::NothingReached) => return None,
            Some(Kind::RateLimited) => {
                let mut reply = refused(ApiError::limited("rate_limit"))?;
                reply.headers_mut().insert("stripe-rate-limited-reason", HeaderValue::from_static("endpoint-rate"));
                return Some(reply);
            }
            Some(Kind::LockTimeout) => return refused(ApiError::limited("lock_timeout")),
            Some(Kind::Conflict) => return refused(ApiError::key_in_use()),
            Some(Kind::Status(status, body)) => return Some(respond(*status, body, &request_id, request)),
            _ => {}
        }
        let (account, is_browser) = match self.caller(request) {
            Ok(caller) => caller,
            Err(error) => return refused(error),
        };
        if let Err(error) = request.check() {
            return refused(error);
        }
        let scoped_key = request.key.as_ref().map(|key| format!("{account} {key}"));
        if let Some(key) = &scoped_key {
            let signature = format!("{} {:?}", request.path, request.form.0);
            let verdict = self.state().keys.begin(key, &signature, &request_id, self.clock.now());
            match verdict {
                Verdict::Execute => {}
                Verdict::OtherParameters => return refused(ApiError::other_parameters()),
                Verdict::StillRunning => return refused(ApiError::key_in_use()),
                Verdict::Replay(saved) => {
                    let mut reply = respond(saved.status, &saved.body, &request_id, request);
                    let headers = reply.headers_mut();
                    headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
                    if let Ok(original) = HeaderValue::from_str(&saved.request_id) {
                        headers.insert("original-request", original);
                    }
                    return server::on_its_way(reply, fault, other_amount).await;
                }
            }
        }
        let (status, body, saved) = self.execute((&account, is_browser), request, &request_id, fault.as_ref());
        if let Some(Kind::Slow(ms)) = fault {
            // The key is still taken meanwhile.
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        if let Some(key) = &scoped_key {
            let mut state = self.state();
            state.keys.end(key, saved.then(|| (status, body.clone())));
            self.save(&state);
        }
        server::on_its_way(respond(status, &body, &request_id, request), fault, other_amount).await
    }

    /// The account that asks, and whether it is a browser that does, which may do little.
    fn caller(&self, request: &Call) -> Result<(String, bool), ApiError> {
        let state = self.state();
        let secret = request.secret.as_deref().unwrap_or_default();
        match (state.accounts.get(secret), state.publishable.get(secret)) {
            (Some(account), _) => Ok((account.clone(), false)),
            (None, Some(account)) if browser::may(&request.verb, &request.path) => Ok((account.clone(), true)),
            (None, Some(_)) => Err(ApiError::secret_key_required()),
            (None, None) => Err(ApiError::unauthorized()),
        }
    }

    /// Executes, and says whether the answer is kept under the key.
    fn execute(
        &self,
        (account, is_browser): (&str, bool),
        request: &Call,
        id: &str,
        fault: Option<&Kind>,
    ) -> (u16, Value, bool) {
        let failed = |error: ApiError| (error.status, json!({ "error": error.body }), error.saved);
        if let Some(Kind::ErrorBefore(status)) = fault {
            return failed(ApiError::fault(*status));
        }
        let mut state = self.state();
        state.cause = Cause {
            request_id: Some(id.to_owned()),
            idempotency_key: request.key.clone(),
            browser: is_browser.then(|| request.user_agent.clone()),
        };
        let done = operation::execute(&mut state, &self.clock, account, &request.verb, &request.path, &request.form);
        state.cause = Cause::default();
        match (done, fault) {
            (_, Some(Kind::ErrorAfter(status))) => failed(ApiError::fault(*status)),
            (Ok(body), _) => (200, body, true),
            (Err(error), _) => failed(error),
        }
    }
}

fn other_amount(answer: &mut Value) {
    for name in ["amount", "amount_received"] {
        if let Some(amount) = answer.get_mut(name) {
            *amount = json!(amount.as_i64().unwrap_or_default() + 1);
        }
    }
}

/// A request, taken apart.
struct Call {
    verb: Method,
    path: String,
    key: Option<String>,
    version: Option<String>,
    secret: Option<String>,
    user_agent: String,
    is_form: bool,
    form: Form,
}

impl Call {
    fn check(&self) -> Result<(), ApiError> {
        if self.key.as_ref().is_some_and(|key| key.len() > 255) {
            return Err(ApiError::request("Idempotency keys are at most 255 characters."));
        }
        if self.verb == Method::POST && !self.is_form {
            return Err(ApiError::request("POST requests are form-encoded."));
        }
        let is_version =
            |version: &String| version.get(..10).is_some_and(|day| day.parse::<jiff::civil::Date>().is_ok());
        if self.version.as_ref().is_some_and(|version| !is_version(version)) {
            return Err(ApiError::request("Invalid Stripe API version."));
        }
        Ok(())
    }
}

fn respond(status: u16, body: &Value, request_id: &str, request: &Call) -> Response<Body> {
    let mut reply = Response::new(Body::from(body.to_string()));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = body.pointer("/error/code").and_then(Value::as_str);
    let should_retry = match (status, code) {
        (409, _) | (429, Some("lock_timeout")) => Some("true"),
        // A replay would only bring the same 500.
        (500, _) => Some("false"),
        _ => None,
    };
    let texts = [
        ("content-type", Some("application/json")),
        ("request-id", Some(request_id)),
        ("idempotency-key", request.key.as_deref()),
        ("stripe-version", Some(request.version.as_deref().unwrap_or(API_VERSION))),
        ("stripe-should-retry", should_retry),
    ];
    for (name, value) in texts {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            reply.headers_mut().insert(name, value);
        }
    }
    reply
}
