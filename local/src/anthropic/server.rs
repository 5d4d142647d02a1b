//! HTTP: keys, versions, and faults.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::error::ApiError;
use super::fault::{Kind, MESSAGES};
use super::{Anthropic, LoggedRequest, shapes};
use crate::simulator::server::{self, Reply, Simulator};

/// The one version that is spoken.
const VERSION: &str = "2023-06-01";

/// Seconds after which a client that was too quick may come again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Serves until the process ends.
pub async fn serve(anthropic: Anthropic, listener: TcpListener) {
    server::serve(anthropic, listener).await;
}

impl Simulator for Anthropic {
    async fn answer(&self, Parts { method, uri, headers, .. }: &Parts, bytes: Bytes) -> Reply {
        if uri.path() == server::FAULTS {
            return Some(self.state().switches.switch(method, &bytes, MESSAGES));
        }
        let (fault, latency) = {
            let mut state = self.state();
            (state.switches.meet(method.as_str(), uri.path()), state.switches.latency)
        };
        if latency > Duration::ZERO {
            tokio::time::sleep(latency).await;
        }
        let reply = self.play(method, uri.path(), headers, &bytes, fault).await;
        let logged = LoggedRequest {
            method: method.to_string(),
            path: uri.path().to_owned(),
            version: header(headers, "anthropic-version").map(str::to_owned),
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
            status: reply.as_ref().map_or(0, |reply| reply.status().as_u16()),
        };
        self.state().requests.push(logged);
        reply
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Anthropic {
    async fn play(&self, verb: &Method, path: &str, headers: &HeaderMap, body: &[u8], fault: Option<Kind>) -> Reply {
        let refused = |status: u16| Some(respond(Err(ApiError::status(status))));
        match &fault {
            Some(Kind::NothingReached) => return None,
            // There are no keys for requests that could clash.
            Some(Kind::RateLimited | Kind::LockTimeout | Kind::Conflict) => return refused(429),
            Some(Kind::ErrorBefore(status) | Kind::ErrorAfter(status)) => return refused(*status),
            Some(Kind::Status(status, body)) => return Some(with_status(*status, body)),
            _ => {}
        }
        let answer = self.execute(verb, path, headers, body);
        if let Some(Kind::Slow(ms)) = fault {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        // There is no amount in what it says.
        server::on_its_way(respond(answer), fault, |_| {}).await
    }

    fn execute(&self, verb: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Result<Value, ApiError> {
        if path != MESSAGES {
            return Err(ApiError::missing("Not Found"));
        }
        if verb != Method::POST {
            return Err(ApiError::status(405));
        }
        let key = header(headers, "x-api-key");
        if !key.is_some_and(|key| self.state().keys.contains(key)) {
            return Err(ApiError::unauthorized());
        }
        match header(headers, "anthropic-version") {
            Some(VERSION) => {}
            Some(other) => {
                return Err(ApiError::invalid(format!("anthropic-version: \"{other}\" is not a valid version")));
            }
            None => return Err(ApiError::invalid("anthropic-version: header is required")),
        }
        if !header(headers, "content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            return Err(ApiError::invalid("content-type: should be application/json"));
        }
        let asked = shapes::read(body)?;
        let said = self.next(asked.schema.as_ref());
        Ok(json!({
            "id": format!("msg_{}", uuid::Uuid::new_v4().simple()),
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            // It thinks before it writes, and does not show what.
            "content": [{ "type": "thinking", "thinking": "", "signature": "c2ltdWxhdGVk" },
                        { "type": "text", "text": said.text }],
            "stop_reason": said.stop_reason,
            "stop_sequence": null,
            "usage": { "input_tokens": asked.length / 4, "output_tokens": said.text.len() / 4,
                       "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0 },
        }))
    }
}

fn respond(answer: Result<Value, ApiError>) -> Response<Body> {
    let request_id = format!("req_{}", uuid::Uuid::new_v4().simple());
    let (status, body) = match answer {
        Ok(body) => (200, body),
        Err(error) => (error.status, error.body(&request_id)),
    };
    let mut reply = with_status(status, &body);
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        reply.headers_mut().insert("request-id", id);
    }
    if status == 429 {
        reply.headers_mut().insert("retry-after", RETRY_AFTER);
    }
    reply
}

fn with_status(status: u16, body: &Value) -> Response<Body> {
    let mut reply = Response::new(Body::from(body.to_string()));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    reply
}
