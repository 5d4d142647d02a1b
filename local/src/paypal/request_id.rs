//! Request ids: what was made under an id is answered again, in its latest state and whatever the body says now.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::clock::Time;

/// The requests that keep ids. What was used for one of them says nothing to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Order,
    Capture,
    Refund,
    SetupToken,
    PaymentToken,
}

impl Rule {
    /// How long an id is kept.
    fn lifetime(self) -> Duration {
        let hours = match self {
            Self::Order | Self::Capture => 6,
            Self::Refund => 45 * 24,
            Self::SetupToken | Self::PaymentToken => 3,
        };
        Duration::from_hours(hours)
    }

    /// How long an id may be; where PayPal does not say, it is what Payouts have.
    pub fn max_length(self) -> usize {
        match self {
            Self::Order | Self::Capture => 108,
            _ => 1000,
        }
    }

    /// What the second of two at once is told.
    pub fn in_progress(self) -> &'static str {
        match self {
            Self::Order | Self::Capture => "ORDER_COMPLETION_IN_PROGRESS",
            _ => "PREVIOUS_REQUEST_IN_PROGRESS",
        }
    }
}

/// All ids, by account, rule and id.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Ids(BTreeMap<String, Entry>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    first_used: Time,
    /// What was made; `None` while the first request is running.
    made: Option<String>,
}

/// What an id says about a request.
pub(super) enum Verdict {
    Execute,
    Made(String),
    StillRunning,
}

impl Ids {
    pub fn key(account: &str, rule: Rule, id: &str) -> String {
        format!("{account} {rule:?} {id}")
    }

    /// Judges a request, and marks the id as running where it is to be executed.
    pub fn begin(&mut self, key: &str, rule: Rule, now: Time) -> Verdict {
        // Forgotten when it is next asked for: a sweep through all ids would cost more with each.
        if self.0.get(key).is_some_and(|entry| now >= entry.first_used.plus(rule.lifetime())) {
            self.0.remove(key);
        }
        match self.0.get(key) {
            Some(Entry { made: Some(made), .. }) => Verdict::Made(made.clone()),
            Some(_) => Verdict::StillRunning,
            None => {
                self.0.insert(key.to_owned(), Entry { first_used: now, made: None });
                Verdict::Execute
            }
        }
    }

    /// Ends the first request: what it made is kept, or the id is free again.
    pub fn end(&mut self, key: &str, made: Option<String>) {
        match (made, self.0.get_mut(key)) {
            (Some(made), Some(entry)) => entry.made = Some(made),
            _ => {
                self.0.remove(key);
            }
        }
    }
}
