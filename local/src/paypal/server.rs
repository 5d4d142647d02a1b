//! HTTP: tokens, request ids, mock answers, faults, and pages for payers.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::error::ApiError;
use super::fault::{Kind, ORDERS};
use super::notary::CERTIFICATES;
use super::operation::{self, Answer, Call};
use super::request_id::{Ids, Rule, Verdict};
use super::schema::Violation;
use super::{LoggedRequest, PayPal, due, issue, new_id, payer};
use crate::simulator::server::{self, Reply, Simulator};

const TOKEN: &str = "/v1/oauth2/token";
/// Real time between looks at what has come due.
const TICK: Duration = Duration::from_millis(100);

/// Serves until the process ends. Its address is known as soon as this returns, before anything is served.
pub fn serve(paypal: PayPal, listener: TcpListener) -> impl Future<Output = ()> + Send {
    if let Ok(address) = listener.local_addr() {
        paypal.state().base = format!("http://{address}");
    }
    async move {
        let mut ticks = tokio::time::interval(TICK);
        let ticking = async {
            loop {
                ticks.tick().await;
                paypal.tick();
            }
        };
        tokio::select! {
            () = server::serve(paypal.clone(), listener) => {}
            () = ticking => {}
        }
    }
}

/// A request as it came.
struct Arrived {
    verb: Method,
    path: String,
    query: BTreeMap<String, String>,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Arrived {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body; null where there is none.
    fn body(&self) -> Result<Value, ApiError> {
        let is_json = self.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
        if self.verb == Method::POST && !is_json {
            return Err(ApiError::status(415));
        }
        if self.bytes.is_empty() {
            return Ok(Value::Null);
        }
        let malformed = |_| match self.path.starts_with("/v1/payments/") {
            true => ApiError::payouts(400, "VALIDATION_ERROR", "The request JSON is not well formed."),
            false => ApiError::issue("MALFORMED_REQUEST_JSON"),
        };
        serde_json::from_slice(&self.bytes).map_err(malformed)
    }
}

impl Simulator for PayPal {
    async fn answer(&self, Parts { method, uri, headers, .. }: &Parts, bytes: Bytes) -> Reply {
        match uri.path() {
            server::FAULTS => return Some(self.state().switches.switch(method, &bytes, ORDERS)),
            server::DELIVERY => return Some(self.state().post.switch(method, &bytes)),
            _ => {}
        }
        let request = Arrived {
            verb: method.clone(),
            path: uri.path().to_owned(),
            query: server::parameters(uri.query().unwrap_or_default()),
            headers: headers.clone(),
            bytes,
        };
        let (fault, latency) = {
            let mut state = self.state();
            (state.switches.meet(method.as_str(), &request.path), state.switches.latency)
        };
        if latency > Duration::ZERO {
            tokio::time::sleep(latency).await;
        }
        let reply = self.play(&request, fault).await;
        // The secret of an app is in a header, but what else is sent for a token is nobody's business either.
        let body = if request.path == TOKEN { Value::Null } else { request.body().unwrap_or_default() };
        self.state().requests.push(LoggedRequest {
            method: method.to_string(),
            request_id: request.header("paypal-request-id").map(str::to_owned),
            path: request.path,
            query: request.query,
            body,
            status: reply.as_ref().map_or(0, |reply| reply.status().as_u16()),
        });
        reply
    }
}

impl PayPal {
    async fn play(&self, request: &Arrived, fault: Option<Kind>) -> Reply {
        let refused = |error: ApiError| Some(respond(error.status, error.body));
        match &fault {
            Some(Kind::NothingReached) => return None,
            Some(Kind::RateLimited | Kind::LockTimeout) => return refused(ApiError::status(429)),
            Some(Kind::Status(status, body)) => return Some(respond(*status, body.clone())),
            Some(Kind::ErrorBefore(status)) => return refused(ApiError::status(*status)),
            _ => {}
        }
        if let Some(reply) = self.outside(request) {
            return server::on_its_way(reply, fault, other_amount).await;
        }
        let call = match self.call(request) {
            Ok(call) => call,
            Err(error) => return refused(error),
        };
        let conflict = |rule: Option<Rule>| ApiError::issue(rule.unwrap_or(Rule::Refund).in_progress());
        let kept = call.rule().zip(call.request_id.as_ref());
        let key = kept.map(|(rule, id)| (rule, Ids::key(&call.account, rule, id)));
        if fault == Some(Kind::Conflict) {
            return refused(conflict(call.rule()));
        }
        if let Some((rule, key)) = &key {
            let verdict = self.state().ids.begin(key, *rule, self.clock.now());
            match verdict {
                Verdict::Execute => {}
                Verdict::StillRunning => return refused(conflict(Some(*rule))),
                Verdict::Made(made) => {
                    let answer = operation::replay(&self.state(), &self.clock, &call, *rule, &made);
                    return server::on_its_way(shown(answer, fault.as_ref()), fault, other_amount).await;
                }
            }
        }
        let answer = self.execute(&call);
        if let Some(Kind::Slow(ms)) = fault {
            // The id is still taken meanwhile.
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        if let Some((_, key)) = &key {
            let mut state = self.state();
            state.ids.end(key, answer.as_ref().ok().and_then(|answer| answer.made.clone()));
            self.save(&state);
        }
        server::on_its_way(shown(answer, fault.as_ref()), fault, other_amount).await
    }

    /// What needs no token: the token itself, certificates, and the pages that payers see.
    fn outside(&self, request: &Arrived) -> Option<Response<Body>> {
        if request.path == TOKEN && request.verb == Method::POST {
            let mut state = self.state();
            let issued = state.tokens.issue(&self.clock, request.header("authorization"), &request.bytes);
            self.save(&state);
            return Some(match issued {
                Ok(token) => respond(200, token),
                Err(error) => respond(error.status, error.body),
            });
        }
        if let Some(id) = request.path.strip_prefix(CERTIFICATES).filter(|_| request.verb == Method::GET) {
            let notary = self.notary().filter(|notary| notary.id == id);
            return Some(match notary {
                Some(notary) => Response::new(Body::from(notary.chain.clone())),
                None => respond(404, ApiError::missing().body),
            });
        }
        if !payer::PATHS.contains(&request.path.as_str()) {
            return None;
        }
        let mut words = request.query.clone();
        if request.verb == Method::POST {
            words.extend(server::parameters(std::str::from_utf8(&request.bytes).unwrap_or_default()));
        }
        Some(self.happens(|state| payer::visit(state, &self.clock, &request.verb, &request.path, &words)))
    }

    /// The request of an account.
    fn call(&self, request: &Arrived) -> Result<Call, ApiError> {
        let account = self.state().tokens.account(request.header("authorization"), self.clock.now())?;
        let call = Call {
            account,
            verb: request.verb.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            body: request.body()?,
            request_id: request.header("paypal-request-id").filter(|id| !id.is_empty()).map(str::to_owned),
            representation: request.header("prefer").is_some_and(|prefer| prefer == "return=representation"),
        };
        let length = call.request_id.as_ref().map_or(0, String::len);
        if call.rule().is_some_and(|rule| length > rule.max_length()) {
            let violation = Violation::header("PayPal-Request-Id", None, "INVALID_STRING_LENGTH");
            return Err(ApiError::schema(&[violation]));
        }
        match request.header("paypal-mock-response").filter(|_| call.is_mockable()) {
            Some(header) => Err(mocked(header)),
            None => Ok(call),
        }
    }

    fn execute(&self, call: &Call) -> Result<Answer, ApiError> {
        let mut state = self.state();
        due::run(&mut state, &self.clock);
        let answer = operation::execute(&mut state, &self.clock, || self.notary(), call);
        if call.verb != Method::GET {
            self.save(&state);
        }
        answer
    }
}

/// The error that a header `PayPal-Mock-Response` asks for.
fn mocked(header: &str) -> ApiError {
    let codes: Option<Value> = serde_json::from_str(header).ok();
    let code = codes.as_ref().and_then(|codes| codes.get("mock_application_codes")).and_then(Value::as_str);
    match code.and_then(issue::find) {
        Some((500.., name)) => ApiError::status(if name == "SERVICE_UNAVAILABLE" { 503 } else { 500 }),
        Some((_, issue)) => ApiError::issue(issue),
        None => {
            let violation = Violation::header("PayPal-Mock-Response", Some(header), "INVALID_PARAMETER_VALUE");
            ApiError::schema(&[violation])
        }
    }
}

/// An answer, or what a fault makes of it after all was executed.
fn shown(answer: Result<Answer, ApiError>, fault: Option<&Kind>) -> Response<Body> {
    match (answer, fault) {
        (_, Some(Kind::ErrorAfter(status))) => respond(*status, ApiError::status(*status).body),
        (Ok(answer), _) => respond(answer.status, answer.body),
        (Err(error), _) => respond(error.status, error.body),
    }
}

fn other_amount(answer: &mut Value) {
    match answer {
        Value::Object(members) => {
            for (name, member) in members {
                match member.get_mut("value") {
                    Some(value) if name == "amount" => *value = json!("0.01"),
                    _ => other_amount(member),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(other_amount),
        _ => {}
    }
}

fn respond(status: u16, mut body: Value) -> Response<Body> {
    let debug_id = new_id(13).to_lowercase();
    // Errors have a name; those of the token's own protocol have not, and no id either.
    if let Some(members) = body.as_object_mut().filter(|members| status >= 400 && members.contains_key("name")) {
        members.insert("debug_id".to_owned(), json!(debug_id));
    }
    let empty = body.is_null();
    let mut reply = Response::new(if empty { Body::empty() } else { Body::from(body.to_string()) });
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = reply.headers_mut();
    if !empty {
        headers.insert("content-type", HeaderValue::from_static("application/json"));
    }
    if let Ok(debug_id) = HeaderValue::from_str(&debug_id) {
        headers.insert("paypal-debug-id", debug_id);
    }
    reply
}
