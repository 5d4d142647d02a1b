//! Plaid's errors, as they stand on the wire. Messages are Plaid's where its documentation has one.

use serde_json::{Value, json};

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    pub status: u16,
    kind: &'static str,
    code: &'static str,
    pub message: String,
}

impl ApiError {
    fn new(status: u16, kind: &'static str, code: &'static str, message: &str) -> Self {
        Self { status, kind, code, message: message.to_owned() }
    }

    /// The request itself is wrong.
    pub fn request(code: &'static str, message: &str) -> Self {
        Self::new(400, "INVALID_REQUEST", code, message)
    }

    /// A value of a known field can't be used.
    pub fn field(message: &str) -> Self {
        Self::request("INVALID_FIELD", message)
    }

    /// What was named is not the client's, or not at all.
    pub fn input(code: &'static str, message: &str) -> Self {
        Self::new(400, "INVALID_INPUT", code, message)
    }

    /// Transfer refuses.
    pub fn transfer(code: &'static str, message: &str) -> Self {
        Self::new(400, "TRANSFER_ERROR", code, message)
    }

    /// An Item can't be used.
    pub fn item(code: &'static str, message: &str) -> Self {
        Self::new(400, "ITEM_ERROR", code, message)
    }

    /// A state can't become the wanted one.
    pub fn transition() -> Self {
        let message = "the transfer event transition is not valid";
        Self::new(400, "SANDBOX_ERROR", "SANDBOX_TRANSFER_EVENT_TRANSITION_INVALID", message)
    }

    /// No such object.
    pub fn missing(what: &str) -> Self {
        Self::new(404, "INVALID_REQUEST", "NOT_FOUND", &format!("{what} not found"))
    }

    /// What a status alone says.
    pub fn status(status: u16) -> Self {
        match status {
            429 => Self::new(429, "RATE_LIMIT_EXCEEDED", "RATE_LIMIT", "rate limit exceeded, please try again later"),
            503 => Self::new(503, "API_ERROR", "PLANNED_MAINTENANCE", "planned maintenance is under way"),
            500.. => Self::new(status, "API_ERROR", "INTERNAL_SERVER_ERROR", "an unexpected error occurred"),
            404 => Self::missing("the requested resource"),
            _ => Self { status, ..Self::field("the request is not valid") },
        }
    }

    /// Without the `request_id`, which is the answer's.
    pub fn body(&self) -> Value {
        json!({
            "error_type": self.kind, "error_code": self.code, "error_message": self.message, "display_message": null,
            "documentation_url": format!("https://plaid.com/docs/?ref=error#{}", self.kind.to_lowercase()),
            "suggested_action": null, "error_code_reason": null, "causes": [],
        })
    }
}
