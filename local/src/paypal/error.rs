//! PayPal's errors, as they stand on the wire. Details have no description: PayPal's differ from one operation to
//! another, and nobody may rely on them.

use serde_json::{Value, json};

use super::issue;
use super::schema::Violation;

/// An error answer.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    pub status: u16,
    /// Without the `debug_id`, which is the answer's.
    pub body: Value,
}

/// Name and message of a status.
fn named(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => ("INVALID_REQUEST", "Request is not well-formed, syntactically incorrect, or violates schema."),
        401 => (
            "AUTHENTICATION_FAILURE",
            "Authentication failed due to missing authorization header, or invalid authentication credentials.",
        ),
        403 => ("NOT_AUTHORIZED", "Authorization failed due to insufficient permissions."),
        404 => ("RESOURCE_NOT_FOUND", "The specified resource does not exist."),
        409 => ("RESOURCE_CONFLICT", "The server has detected a conflict while processing this request."),
        415 => ("UNSUPPORTED_MEDIA_TYPE", "The server does not support the request payload's media type."),
        422 => (
            "UNPROCESSABLE_ENTITY",
            "The requested action could not be performed, semantically incorrect, or failed business validation.",
        ),
        429 => ("RATE_LIMIT_REACHED", "Too many requests. Blocked due to rate limiting."),
        503 => ("SERVICE_UNAVAILABLE", "Service Unavailable."),
        _ => ("INTERNAL_SERVER_ERROR", "An internal server error occurred."),
    }
}

impl ApiError {
    /// What a status alone says.
    pub fn status(status: u16) -> Self {
        let (name, message) = named(status);
        Self { status, body: json!({ "name": name, "message": message, "links": [] }) }
    }

    /// An issue, with the status that it always has.
    pub fn issue(issue: &str) -> Self {
        let status = issue::find(issue).map_or(422, |(status, _)| status);
        Self::details(status, vec![json!({ "issue": issue })])
    }

    /// An issue of a field in the body.
    pub fn field(issue: &str, field: &str, value: &str) -> Self {
        let status = issue::find(issue).map_or(422, |(status, _)| status);
        let detail = json!({ "field": field, "value": value, "location": "body", "issue": issue });
        Self::details(status, vec![detail])
    }

    /// What the schema refuses.
    pub fn schema(violations: &[Violation]) -> Self {
        let details = violations.iter().map(|violation| {
            let mut detail = json!({ "field": violation.pointer, "issue": violation.issue });
            if let Some(members) = detail.as_object_mut() {
                members.extend(violation.location.map(|location| ("location".to_owned(), json!(location))));
                members.extend(violation.value.as_ref().map(|value| ("value".to_owned(), json!(value))));
            }
            detail
        });
        Self::details(400, details.collect())
    }

    fn details(status: u16, details: Vec<Value>) -> Self {
        let mut error = Self::status(status);
        if let Some(members) = error.body.as_object_mut() {
            members.insert("details".to_owned(), Value::Array(details));
            let issue = members.get("details").and_then(|details| details.pointer("/0/issue")).and_then(Value::as_str);
            let href = format!("https://developer.paypal.com/api/rest/reference/#error-{}", issue.unwrap_or_default());
            let link = json!([{ "href": href, "rel": "information_link", "method": "GET" }]);
            members.insert("links".to_owned(), link);
        }
        error
    }

    /// No such object.
    pub fn missing() -> Self {
        Self::issue("INVALID_RESOURCE_ID")
    }

    /// An error of Payouts, by name.
    pub fn payouts(status: u16, name: &str, message: &str) -> Self {
        Self::payouts_details(status, name, message, &[])
    }

    /// As [`ApiError::payouts`], with details.
    pub fn payouts_details(status: u16, name: &str, message: &str, details: &[Value]) -> Self {
        let link = "https://developer.paypal.com/docs/api/payments.payouts-batch/v1/#errors";
        let body =
            json!({ "name": name, "message": message, "information_link": link, "details": details, "links": [] });
        Self { status, body }
    }

    /// What the schema of Payouts refuses; its fields are written as `items[0].receiver`.
    pub fn payouts_schema(violations: &[Violation]) -> Self {
        let details: Vec<Value> = violations
            .iter()
            .map(|violation| {
                json!({ "field": dotted(&violation.pointer), "location": violation.location,
                        "issue": issue::describe(violation.issue) })
            })
            .collect();
        Self::payouts_details(400, "VALIDATION_ERROR", "Invalid request - see details", &details)
    }

    /// Of one field.
    pub fn payouts_field(field: &str, issue: &str) -> Self {
        let details = [json!({ "field": field, "location": "body", "issue": issue })];
        Self::payouts_details(400, "VALIDATION_ERROR", "Invalid request - see details", &details)
    }

    /// Of the token's own protocol.
    pub fn oauth(status: u16, error: &str, description: &str) -> Self {
        Self { status, body: json!({ "error": error, "error_description": description }) }
    }
}

/// `/items/0/receiver` as `items[0].receiver`.
fn dotted(pointer: &str) -> String {
    let mut field = String::new();
    for step in pointer.split('/').filter(|step| !step.is_empty()) {
        if step.bytes().all(|byte| byte.is_ascii_digit()) {
            field.push_str(&format!("[{step}]"));
        } else {
            if !field.is_empty() {
                field.push('.');
            }
            field.push_str(step);
        }
    }
    field
}
