//! How Anthropic refuses (platform.claude.com/docs/en/api/errors).

use serde_json::{Value, json};

/// A refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    pub status: u16,
    message: String,
}

impl ApiError {
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into() }
    }

    pub fn unauthorized() -> Self {
        Self { status: 401, message: "invalid x-api-key".to_owned() }
    }

    pub fn missing(what: &str) -> Self {
        Self { status: 404, message: what.to_owned() }
    }

    /// What a status alone says.
    pub fn status(status: u16) -> Self {
        let message = match status {
            405 => "Method Not Allowed",
            429 => "This request would exceed your organization's rate limit.",
            529 => "Overloaded",
            _ => "Internal server error",
        };
        Self { status, message: message.to_owned() }
    }

    pub fn body(&self, request_id: &str) -> Value {
        let kind = match self.status {
            400 => "invalid_request_error",
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 | 405 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            504 => "timeout_error",
            529 => "overloaded_error",
            _ => "api_error",
        };
        json!({ "type": "error", "error": { "type": kind, "message": self.message }, "request_id": request_id })
    }
}
