//! An Anthropic that lives in this process: the Messages API over HTTP, with keys, models, faults to switch on and a log.
//! It takes nothing that the API would refuse, and writes what the schema of a request asks for, always the same.
//!
//! `server` speaks HTTP and plays the faults, `shapes` checks bodies, `error` is how it refuses.

mod error;
pub mod fault;
mod server;
mod shapes;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use self::fault::Fault;
pub use self::server::serve;
use crate::simulator::fault::Switches;

/// The simulator. Clones share its state, which lives as long as the process.
#[derive(Clone, Debug, Default)]
pub struct Anthropic(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    keys: BTreeSet<String>,
    /// What the next answers say, instead of the usual.
    answers: VecDeque<Said>,
    switches: Switches,
    requests: Vec<LoggedRequest>,
}

/// What a model says.
#[derive(Clone, Debug)]
struct Said {
    text: String,
    stop_reason: &'static str,
}

/// A request that arrived, without its key.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedRequest {
    /// `POST`, if the client knows the API.
    pub method: String,
    /// The path.
    pub path: String,
    /// The API version asked for.
    pub version: Option<String>,
    /// The body; null where there was none, or no JSON.
    pub body: Value,
    /// The status answered; 0 where the connection was dropped.
    pub status: u16,
}

impl Anthropic {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an API key.
    pub fn add_key(&self, key: &str) {
        self.state().keys.insert(key.to_owned());
    }

    /// Takes an API key back.
    pub fn revoke_key(&self, key: &str) {
        self.state().keys.remove(key);
    }

    /// The next answer says this.
    pub fn say(&self, answer: &Value) {
        self.say_text(&answer.to_string(), "end_turn");
    }

    /// The next answer is this text, and ends for this reason.
    pub fn say_text(&self, text: &str, stop_reason: &'static str) {
        self.state().answers.push_back(Said { text: text.to_owned(), stop_reason });
    }

    /// Adds a fault; each request meets the first that fits.
    pub fn add_fault(&self, fault: Fault) {
        self.state().switches.add(fault);
    }

    /// Switches all faults off.
    pub fn clear_faults(&self) {
        self.state().switches.clear();
    }

    /// Lets every answer take this long.
    pub fn set_latency(&self, latency: Duration) {
        self.state().switches.latency = latency;
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.state().requests.clone()
    }

    /// The next answer: what was put there, else what the request's schema asks for.
    fn next(&self, schema: Option<&Value>) -> Said {
        let usual = || {
            let text = schema.map_or_else(|| "I see.".to_owned(), |schema| sample(schema, "answer").to_string());
            Said { text, stop_reason: "end_turn" }
        };
        self.state().answers.pop_front().unwrap_or_else(usual)
    }
}

/// A value that fits a schema of objects, texts and enumerations.
fn sample(schema: &Value, name: &str) -> Value {
    if let Some(first) = schema.get("enum").and_then(Value::as_array).and_then(|values| values.first()) {
        return first.clone();
    }
    match schema.get("properties").and_then(Value::as_object) {
        Some(members) => members.iter().map(|(name, member)| (name.clone(), sample(member, name))).collect(),
        None => json!(format!("Simulated {}: no model was asked.", name.replace('_', " "))),
    }
}
