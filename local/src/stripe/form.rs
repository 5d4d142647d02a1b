//! Form parameters with brackets, and what Stripe checks of them first.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::ApiError;
use super::method::set;

/// Parameters by their full name, such as `metadata[payment_id]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Form(pub BTreeMap<String, String>);

/// The parameter by which a browser shows that it knows an object.
pub(super) const CLIENT_SECRET: &str = "client_secret";

impl Form {
    pub fn parse(text: &[u8]) -> Self {
        let mut form = Self::default();
        let Ok(mut url) = reqwest::Url::parse("form:/") else { return form };
        url.set_query(std::str::from_utf8(text).ok());
        for (name, value) in url.query_pairs().into_owned() {
            // The elements of a list may all have the same name.
            let repeated = name.strip_suffix("[]").filter(|_| form.0.contains_key(&name));
            let name = repeated.map(|list| format!("{list}[{}]", form.0.len())).unwrap_or(name);
            form.0.insert(name, value);
        }
        form
    }

    /// Refuses what the operation does not take. `metadata[]` stands for `metadata` and all its members.
    pub fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        for name in self.0.keys() {
            let covers = |known: &&str| match known.strip_suffix("[]") {
                Some(base) => name.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('[')),
                None => *known == name,
            };
            if !known.iter().any(covers) {
                let message = format!("Received unknown parameter: {name}");
                return Err(ApiError::parameter("parameter_unknown", name, &message));
            }
        }
        self.check_metadata()
    }

    fn check_metadata(&self) -> Result<(), ApiError> {
        let metadata = self.members("metadata");
        if metadata.len() > 50 {
            return Err(ApiError::request("Metadata can have at most 50 keys."));
        }
        for (key, value) in &metadata {
            if key.len() > 40 || key.contains(['[', ']']) || value.chars().count() > 500 {
                return Err(ApiError::parameter("parameter_invalid", &format!("metadata[{key}]"), "Invalid metadata."));
            }
        }
        Ok(())
    }

    /// Changes the metadata of an object, member by member: an empty one is taken away, `metadata=` takes all.
    pub fn write_metadata(&self, object: &mut Value) {
        if self.text("metadata") == Some("") {
            set(object, "metadata", json!({}));
        }
        let Some(Value::Object(metadata)) = object.get_mut("metadata") else { return };
        for (name, value) in self.members("metadata") {
            match value.as_str() {
                "" => drop(metadata.remove(&name)),
                text => drop(metadata.insert(name, json!(text))),
            }
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn required(&self, name: &str) -> Result<&str, ApiError> {
        match self.text(name) {
            Some("") => Err(ApiError::parameter("parameter_invalid_empty", name, "You passed an empty string.")),
            Some(value) => Ok(value),
            None => {
                let message = format!("Missing required param: {name}.");
                Err(ApiError::parameter("parameter_missing", name, &message))
            }
        }
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(ApiError::parameter("parameter_invalid_integer", name, &format!("Invalid integer: {text}"))),
        }
    }

    pub fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ApiError::parameter("parameter_invalid", name, "Invalid boolean.")),
        }
    }

    /// Values of `name[…]` by what is inside the brackets.
    pub fn members(&self, name: &str) -> BTreeMap<String, String> {
        let inside = |key: &str| key.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']').map(str::to_owned);
        self.0.iter().filter_map(|(key, value)| Some((inside(key)?, value.clone()))).collect()
    }
}
