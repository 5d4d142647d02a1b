//! Idempotency keys: kept per account for 24 hours, replayed with the first answer, refused with other parameters.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::clock::Time;

const LIFETIME: Duration = Duration::from_hours(24);

/// All keys, by account and key.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Keys(BTreeMap<String, Entry>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    /// Path and parameters of the first request.
    request: String,
    request_id: String,
    first_used: Time,
    /// `None` while the first request is running.
    answer: Option<Saved>,
}

/// An answer that is replayed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    pub status: u16,
    pub body: Value,
    /// The first request's id.
    pub request_id: String,
}

/// What a key says about a request.
pub(super) enum Verdict {
    Execute,
    Replay(Saved),
    OtherParameters,
    StillRunning,
}

impl Keys {
    /// Judges a request, and marks the key as running where it is to be executed.
    pub fn begin(&mut self, key: &str, request: &str, request_id: &str, now: Time) -> Verdict {
        // Forgotten when it is next asked for: a sweep through all keys would cost more with each.
        if self.0.get(key).is_some_and(|entry| now >= entry.first_used.plus(LIFETIME)) {
            self.0.remove(key);
        }
        match self.0.get(key) {
            Some(entry) if entry.request != request => Verdict::OtherParameters,
            Some(Entry { answer: Some(saved), .. }) => Verdict::Replay(saved.clone()),
            Some(_) => Verdict::StillRunning,
            None => {
                let entry = Entry {
                    request: request.to_owned(),
                    request_id: request_id.to_owned(),
                    first_used: now,
                    answer: None,
                };
                self.0.insert(key.to_owned(), entry);
                Verdict::Execute
            }
        }
    }

    /// Ends the first request: its answer is kept, or the key is free again.
    pub fn end(&mut self, key: &str, answer: Option<(u16, Value)>) {
        match answer {
            Some((status, body)) => {
                if let Some(entry) = self.0.get_mut(key) {
                    entry.answer = Some(Saved { status, body, request_id: entry.request_id.clone() });
                }
            }
            None => {
                self.0.remove(key);
            }
        }
    }
}
