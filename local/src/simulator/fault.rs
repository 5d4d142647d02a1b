//! Faults to switch on, one request at a time.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// What goes wrong; in JSON `"reply_lost"`, or `{"slow": 2000}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The request is executed; the connection is dropped before the answer.
    ReplyLost,
    /// The connection is dropped before anything happens.
    NothingReached,
    /// An error before any effect; Stripe saves a 500 under the key all the same.
    ErrorBefore(u16),
    /// The request is executed, the answer is an error, and Stripe saves a 500 under the key.
    ErrorAfter(u16),
    /// 429; nothing is executed or saved.
    RateLimited,
    /// Stripe's 429 `lock_timeout`; nothing is executed or saved. Elsewhere as [`Kind::RateLimited`].
    LockTimeout,
    /// As if another request were running under the key.
    Conflict,
    /// The request is executed at once and answered after so many milliseconds.
    Slow(u64),
    /// Another answer; nothing is executed.
    Status(u16, Value),
    /// The request is executed; the answer is no JSON.
    Unreadable,
    /// The request is executed; the answer shows another amount.
    OtherAmount,
}

/// A fault, and the requests that it meets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: Kind,
    /// `GET` or `POST`.
    #[serde(default = "post")]
    pub method: String,
    /// What the path begins with; over HTTP it may be left out, and is then where the gateway takes payments.
    pub path: String,
    /// How many requests are spared first.
    #[serde(default)]
    pub after: u32,
    /// How many requests it meets.
    #[serde(default = "once")]
    pub times: u32,
}

fn post() -> String {
    "POST".to_owned()
}

fn once() -> u32 {
    1
}

impl Fault {
    /// Of the next request to a path that begins like this.
    #[must_use]
    pub fn new(kind: Kind, method: &str, path: &str) -> Self {
        Self { kind, method: method.to_owned(), path: path.to_owned(), after: 0, times: once() }
    }

    /// Of so many requests.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Of requests after so many.
    #[must_use]
    pub fn after(self, after: u32) -> Self {
        Self { after, ..self }
    }

    /// Whether it meets this request; counts it.
    fn meets(&mut self, method: &str, path: &str) -> bool {
        if self.times == 0 || self.method != method || !path.starts_with(&self.path) {
            return false;
        }
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

/// What is switched on.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    faults: VecDeque<Fault>,
    /// How long every answer takes.
    pub latency: Duration,
}

impl Switches {
    pub fn add(&mut self, fault: Fault) {
        self.faults.push_back(fault);
    }

    pub fn clear(&mut self) {
        self.faults.clear();
    }

    pub fn count(&self) -> usize {
        self.faults.len()
    }

    /// The first fault that meets a request.
    pub fn meet(&mut self, method: &str, path: &str) -> Option<Kind> {
        self.faults.iter_mut().find_map(|fault| fault.meets(method, path).then(|| fault.kind.clone()))
    }
}
