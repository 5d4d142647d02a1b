//! Faults to switch on, one request at a time.

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
    /// An error before any effect; a 500 is saved under the key all the same.
    ErrorBefore(u16),
    /// The request is executed, the answer is an error, and a 500 is saved under the key.
    ErrorAfter(u16),
    /// 429 `rate_limit`; nothing is executed or saved.
    RateLimited,
    /// 429 `lock_timeout`; nothing is executed or saved.
    LockTimeout,
    /// 409 as if another request were running under the key.
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
    /// What the path begins with.
    #[serde(default = "intents")]
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

fn intents() -> String {
    "/v1/payment_intents".to_owned()
}

fn once() -> u32 {
    1
}

impl Fault {
    /// Of the next creation of a PaymentIntent.
    #[must_use]
    pub fn pay(kind: Kind) -> Self {
        Self { kind, method: post(), path: intents(), after: 0, times: once() }
    }

    /// Of the next look-up of PaymentIntents.
    #[must_use]
    pub fn look_up(kind: Kind) -> Self {
        Self { method: "GET".to_owned(), ..Self::pay(kind) }
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
    pub(super) fn meets(&mut self, method: &str, path: &str) -> bool {
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
