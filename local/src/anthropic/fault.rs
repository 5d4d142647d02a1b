//! Faults at Anthropic.

pub use crate::simulator::fault::{Fault, Kind};

/// Where models are asked.
pub(super) const MESSAGES: &str = "/v1/messages";

impl Fault {
    /// Of the next question.
    #[must_use]
    pub fn question(kind: Kind) -> Self {
        Self::new(kind, "POST", MESSAGES)
    }
}
