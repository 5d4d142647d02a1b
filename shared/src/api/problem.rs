//! Refusals and failures as RFC 9457 problems. The caller gets a stable code and the cure, the log gets the chain.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::flow::Stop;
use crate::policy::refusal::{Code, Refusal, ordered};

/// A problem on its way to the caller; the request id is added on the way out.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The first decides the status.
    refusals: Vec<Refusal>,
    /// Seconds after which to try again.
    retry_after: Option<u32>,
    /// For the log.
    cause: Option<Arc<Stop>>,
}

impl Problem {
    /// The code that decides.
    #[must_use]
    pub fn code(&self) -> Code {
        self.refusals.first().map_or(Code::Internal, |refusal| refusal.code)
    }

    /// All that was refused.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// With a further member.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        if let Some(first) = self.refusals.first_mut() {
            first.members.insert(member.to_owned(), value.into());
        }
        self
    }

    /// Whatever kept a webhook from being applied: `500`, so that the gateway delivers it again.
    #[must_use]
    pub fn again(stop: Stop) -> Self {
        Self::failed(stop, Code::Internal, "The event could not be applied; deliver it again.")
    }

    fn failed(stop: Stop, code: Code, detail: &str) -> Self {
        Self {
            refusals: vec![Refusal::new(code, detail)],
            retry_after: (code.status() == 503).then_some(2),
            cause: Some(Arc::new(stop)),
        }
    }

    /// Writes what the caller is not told.
    pub(super) fn log(&self, request_id: &str) {
        let Some(cause) = &self.cause else { return };
        tracing::error!(request_id, code = self.code().as_str(), error = cause.chain(), "request failed");
    }

    pub(super) fn render(&self, request_id: &str) -> Response {
        let code = self.code();
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = Map::new();
        body.insert("type".to_owned(), json!(format!("urn:passerelle:problem:{}", code.as_str())));
        body.insert("title".to_owned(), json!(code.title()));
        body.insert("status".to_owned(), json!(status.as_u16()));
        body.insert("detail".to_owned(), json!(self.refusals.first().map(|refusal| refusal.detail.as_str())));
        body.insert("code".to_owned(), json!(code.as_str()));
        body.insert("request_id".to_owned(), json!(request_id));
        let errors: Vec<Value> = self
            .refusals
            .iter()
            .map(|refusal| json!({ "field": refusal.field, "code": refusal.code.as_str(), "detail": refusal.detail }))
            .collect();
        body.insert("errors".to_owned(), json!(errors));
        for refusal in &self.refusals {
            for (member, value) in &refusal.members {
                body.entry(member.clone()).or_insert_with(|| value.clone());
            }
        }
        let mut response = (status, Value::Object(body).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::from(vec![refusal])
    }
}

impl From<Vec<Refusal>> for Problem {
    fn from(refusals: Vec<Refusal>) -> Self {
        Self { refusals: ordered(refusals), retry_after: None, cause: None }
    }
}

impl From<Stop> for Problem {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(refusals) => Self::from(refusals),
            Stop::Busy => Self {
                refusals: vec![Refusal::new(
                    Code::Busy,
                    "Others are changing the same thing; send the same request again.",
                )],
                retry_after: Some(1),
                cause: None,
            },
            stop @ Stop::Unsure(_) => Self::failed(
                stop,
                Code::Unavailable,
                "It is not known whether the request was taken. Send it again with the same Idempotency-Key, or read the invoice.",
            ),
            stop @ (Stop::Store(_) | Stop::Secret(_)) => Self::failed(
                stop,
                Code::Unavailable,
                "A part of the system is not available; send the same request again.",
            ),
            stop @ Stop::Gateway(_) => {
                Self::failed(stop, Code::GatewayUnavailable, "The gateway did not answer; send the same request again.")
            }
            stop @ Stop::Early => Self::again(stop),
            stop @ Stop::Impossible(_) => Self::failed(stop, Code::Internal, "Something is wrong on our side."),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // The body is made where the request id is known.
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
