//! HTTP: credentials, versions, and faults.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::error::ApiError;
use super::fault::{Kind, TRANSFERS};
use super::{LoggedRequest, Plaid, due, link, operation};
use crate::simulator::server::{self, Reply, Simulator};

/// The one version that is spoken.
const VERSION: &str = "2020-09-14";
/// Real time between looks at what has come due.
const TICK: Duration = Duration::from_millis(100);
/// Members of bodies that nobody may read.
const SECRET: &[&str] = &["secret", "access_token", "public_token"];

/// Serves until the process ends.
pub async fn serve(plaid: Plaid, listener: TcpListener) {
    let mut ticks = tokio::time::interval(TICK);
    let ticking = async {
        loop {
            ticks.tick().await;
            plaid.tick();
        }
    };
    tokio::select! {
        () = server::serve(plaid.clone(), listener) => {}
        () = ticking => {}
    }
}

/// A request as it came.
struct Arrived {
    verb: Method,
    path: String,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Arrived {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn body(&self) -> Result<Map<String, Value>, ApiError> {
        let is_json = self.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
        if !is_json {
            let message = "the Content-Type header must be application/json";
            return Err(ApiError::request("INVALID_HEADERS", message));
        }
        let malformed = |_| ApiError::request("INVALID_BODY", "body could not be parsed as JSON");
        serde_json::from_slice(&self.bytes).map_err(malformed)
    }

    /// A credential, from the body or else the header.
    fn credential(&self, body: &mut Map<String, Value>, name: &str, header: &str) -> Option<String> {
        let from_body = body.remove(name).and_then(|value| value.as_str().map(str::to_owned));
        from_body.or_else(|| self.header(header).map(str::to_owned))
    }
}

impl Simulator for Plaid {
    async fn answer(&self, Parts { method, uri, headers, .. }: &Parts, bytes: Bytes) -> Reply {
        match uri.path() {
            server::FAULTS => return Some(self.state().switches.switch(method, &bytes, TRANSFERS)),
            server::DELIVERY => return Some(self.state().post.switch(method, &bytes)),
            link::PAGE => return Some(self.visit(method, uri.query().unwrap_or_default(), &bytes)),
            _ => {}
        }
        let request = Arrived { verb: method.clone(), path: uri.path().to_owned(), headers: headers.clone(), bytes };
        let (fault, latency) = {
            let mut state = self.state();
            (state.switches.meet(method.as_str(), &request.path), state.switches.latency)
        };
        if latency > Duration::ZERO {
            tokio::time::sleep(latency).await;
        }
        let reply = self.play(&request, fault).await;
        self.log(&request, reply.as_ref().map_or(0, |reply| reply.status().as_u16()));
        reply
    }
}

impl Plaid {
    /// Does what has come due since.
    fn tick(&self) {
        let mut state = self.state();
        if due::run(&mut state, self.clock.now()) {
            self.save(&state);
        }
    }

    /// The page of Link, for browsers: a host without credentials.
    fn visit(&self, verb: &Method, query: &str, bytes: &[u8]) -> Response<Body> {
        let form = std::str::from_utf8(bytes).unwrap_or_default();
        let parameters = server::parameters(if verb == Method::POST { form } else { query });
        self.happens(|state| link::visit(state, &self.clock, verb, &parameters))
    }

    async fn play(&self, request: &Arrived, fault: Option<Kind>) -> Reply {
        let refused = |status: u16| Some(respond(Err(ApiError::status(status))));
        match &fault {
            Some(Kind::NothingReached) => return None,
            // Plaid knows no conflict of keys.
            Some(Kind::RateLimited | Kind::LockTimeout | Kind::Conflict) => return refused(429),
            Some(Kind::ErrorBefore(status)) => return refused(*status),
            Some(Kind::Status(status, body)) => return Some(with_status(*status, body)),
            _ => {}
        }
        let answer = self.execute(request);
        match fault {
            Some(Kind::ErrorAfter(status)) => return refused(status),
            Some(Kind::Slow(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
            _ => {}
        }
        server::on_its_way(respond(answer), fault, other_amount).await
    }

    fn execute(&self, request: &Arrived) -> Result<Value, ApiError> {
        if request.verb != Method::POST {
            return Err(ApiError::status(404));
        }
        let mut body = request.body()?;
        let client = self.caller(request, &mut body)?;
        let mut state = self.state();
        due::run(&mut state, self.clock.now());
        let answer = operation::execute(&mut state, &self.clock, &self.keyring, &client, &request.path, &body);
        self.save(&state);
        answer
    }

    /// Who calls; takes the credentials out of the body.
    fn caller(&self, request: &Arrived, body: &mut Map<String, Value>) -> Result<String, ApiError> {
        let client = request.credential(body, "client_id", "plaid-client-id");
        let secret = request.credential(body, "secret", "plaid-secret");
        let (Some(client), Some(secret)) = (client, secret) else {
            let message = "the following required fields are missing: client_id, secret";
            return Err(ApiError::request("MISSING_FIELDS", message));
        };
        if self.state().clients.get(&client).is_none_or(|known| known.secret != secret) {
            return Err(ApiError::input("INVALID_API_KEYS", "invalid client_id or secret provided"));
        }
        // Without the header it is the version that the client chose in the dashboard: this one.
        if request.header("plaid-version").is_some_and(|version| version != VERSION) {
            let message = format!("the API version must be {VERSION}");
            return Err(ApiError::request("INCOMPATIBLE_API_VERSION", &message));
        }
        Ok(client)
    }

    fn log(&self, request: &Arrived, status: u16) {
        let mut body = request.body().ok();
        let client = request.credential(&mut body.clone().unwrap_or_default(), "client_id", "plaid-client-id");
        if let Some(body) = &mut body {
            body.retain(|name, _| !SECRET.contains(&name.as_str()));
        }
        let logged = LoggedRequest {
            method: request.verb.to_string(),
            path: request.path.clone(),
            client,
            version: request.header("plaid-version").map(str::to_owned),
            body: body.map_or(Value::Null, Value::Object),
            status,
        };
        self.state().requests.push(logged);
    }
}

fn other_amount(answer: &mut Value) {
    match answer {
        Value::Object(members) => {
            for (name, member) in members {
                if name == "amount" {
                    *member = json!("0.01");
                } else {
                    other_amount(member);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(other_amount),
        _ => {}
    }
}

fn respond(answer: Result<Value, ApiError>) -> Response<Body> {
    let (status, mut body) = match answer {
        Ok(body) => (200, body),
        Err(error) => (error.status, error.body()),
    };
    if let Some(members) = body.as_object_mut() {
        let id: String = std::iter::repeat_with(fastrand::alphanumeric).take(15).collect();
        members.insert("request_id".to_owned(), json!(id));
    }
    with_status(status, &body)
}

fn with_status(status: u16, body: &Value) -> Response<Body> {
    let mut reply = Response::new(Body::from(body.to_string()));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    reply
}
