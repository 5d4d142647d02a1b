//! What a request to the Messages API may hold (platform.claude.com/docs/en/api/messages, and the guides on structured
//! outputs and on effort). What a newer model refuses is refused for all: a forced tool, sampling, thinking that is off.

use serde_json::{Map, Value};

use super::error::ApiError;

/// Models that take structured outputs and an effort.
const MODELS: [&str; 6] = [
    "claude-sonnet-5-5",
    "claude-sonnet-5",
    "claude-sonnet-4-6",
    "claude-opus-5",
    "claude-opus-4-8",
    "claude-opus-4-7",
];

/// Tokens that a model writes at most.
const TOKENS: u64 = 128_000;

const MEMBERS: [&str; 7] = ["model", "max_tokens", "system", "messages", "output_config", "metadata", "stop_sequences"];

/// A request, as far as the answer depends on it.
#[derive(Debug)]
pub(super) struct Asked {
    pub model: String,
    /// What the answer must look like.
    pub schema: Option<Value>,
    /// Characters of what is asked.
    pub length: usize,
}

pub(super) fn read(body: &[u8]) -> Result<Asked, ApiError> {
    let body: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|_| ApiError::invalid("The request body is not valid JSON: expected an object"))?;
    only(&body, &MEMBERS, "")?;
    let model = text(&body, "model", "")?;
    let tokens = body.get("max_tokens").ok_or_else(|| required("max_tokens"))?;
    if !tokens.as_u64().is_some_and(|tokens| (1..=TOKENS).contains(&tokens)) {
        return Err(ApiError::invalid(format!("max_tokens: Input should be a number from 1 to {TOKENS}")));
    }
    if body.get("system").is_some_and(|system| !system.is_string()) {
        return Err(ApiError::invalid("system: Input should be a valid string"));
    }
    let length = messages(&body)?;
    let schema = body.get("output_config").map(output).transpose()?.flatten();
    if !MODELS.contains(&model.as_str()) {
        return Err(ApiError::missing(&format!("model: {model}")));
    }
    Ok(Asked { model, schema, length })
}

fn messages(body: &Map<String, Value>) -> Result<usize, ApiError> {
    let messages = body.get("messages").ok_or_else(|| required("messages"))?;
    let messages = messages.as_array().ok_or_else(|| ApiError::invalid("messages: Input should be a valid list"))?;
    let mut length = 0;
    for (place, message) in messages.iter().enumerate() {
        let at = format!("messages.{place}.");
        let Some(message) = message.as_object() else {
            return Err(ApiError::invalid(format!("messages.{place}: Input should be an object")));
        };
        only(message, &["role", "content"], &at)?;
        let (role, content) = (text(message, "role", &at)?, text(message, "content", &at)?);
        // An answer that is begun for the model is refused.
        if role != "user" {
            return Err(ApiError::invalid(format!("{at}role: Input should be 'user'")));
        }
        if content.trim().is_empty() {
            return Err(ApiError::invalid(format!("{at}content: text content blocks must be non-empty")));
        }
        length += content.len();
    }
    if messages.is_empty() {
        return Err(ApiError::invalid("messages: at least one message is required"));
    }
    Ok(length)
}

/// The schema of structured outputs.
fn output(config: &Value) -> Result<Option<Value>, ApiError> {
    let config = config.as_object().ok_or_else(|| ApiError::invalid("output_config: Input should be an object"))?;
    only(config, &["effort", "format"], "output_config.")?;
    let efforts = ["low", "medium", "high", "xhigh", "max"];
    if config.get("effort").is_some_and(|effort| !effort.as_str().is_some_and(|effort| efforts.contains(&effort))) {
        return Err(ApiError::invalid(format!("output_config.effort: Input should be one of {efforts:?}")));
    }
    let Some(format) = config.get("format") else { return Ok(None) };
    let at = "output_config.format.";
    let format =
        format.as_object().ok_or_else(|| ApiError::invalid("output_config.format: Input should be an object"))?;
    only(format, &["type", "schema"], at)?;
    if text(format, "type", at)? != "json_schema" {
        return Err(ApiError::invalid("output_config.format.type: Input should be 'json_schema'"));
    }
    let schema = format.get("schema").ok_or_else(|| required("output_config.format.schema"))?;
    checked(schema)?;
    Ok(Some(schema.clone()))
}

/// Of JSON Schema structured outputs take a part: no bounds of lengths or numbers, and objects that are closed.
fn checked(schema: &Value) -> Result<(), ApiError> {
    let refused = |why: &str| Err(ApiError::invalid(format!("output_config.format.schema: {why}")));
    let Some(members) = schema.as_object() else { return refused("a schema should be an object") };
    let known = ["type", "properties", "required", "additionalProperties", "description", "enum", "title"];
    if let Some(unknown) = members.keys().find(|name| !known.contains(&name.as_str())) {
        return refused(&format!("For this type, property '{unknown}' is not supported"));
    }
    if members.get("type").and_then(Value::as_str) == Some("object") {
        if members.get("additionalProperties") != Some(&Value::Bool(false)) {
            return refused("For 'object' type, 'additionalProperties' must be explicitly set to false");
        }
        members.get("properties").and_then(Value::as_object).into_iter().flatten().try_for_each(|(_, s)| checked(s))?;
    }
    Ok(())
}

fn only(members: &Map<String, Value>, known: &[&str], at: &str) -> Result<(), ApiError> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(ApiError::invalid(format!("{at}{unknown}: Extra inputs are not permitted"))),
        None => Ok(()),
    }
}

fn text(members: &Map<String, Value>, name: &str, at: &str) -> Result<String, ApiError> {
    let value = members.get(name).ok_or_else(|| required(&format!("{at}{name}")))?;
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| ApiError::invalid(format!("{at}{name}: Input should be a valid string")))
}

fn required(name: &str) -> ApiError {
    ApiError::invalid(format!("{name}: Field required"))
}
