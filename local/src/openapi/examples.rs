//! The examples: requests that a test has played against a whole stack, and what they were answered. The test writes the
//! file and holds it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What was played, step by step.
pub const EXAMPLES: &str = include_str!("examples.json");

/// One request and its answer.
#[derive(Debug, Deserialize)]
struct Step {
    /// What happens in it.
    name: String,
    /// Which operation it asks for.
    operation: String,
    /// What stands in its path, query and headers.
    #[serde(default)]
    parameters: BTreeMap<String, Value>,
    #[serde(default)]
    request: Option<Value>,
    status: u16,
    #[serde(default)]
    answer: Option<Value>,
}

/// All that was played.
#[derive(Debug)]
pub(super) struct Played(Vec<Step>);

impl Played {
    /// From the file that the test has written; nothing, should it be broken: the test says so.
    pub(super) fn recorded() -> Self {
        Self(serde_json::from_str(EXAMPLES).unwrap_or_default())
    }

    fn of<'a>(&'a self, operation: &'a str) -> impl Iterator<Item = &'a Step> {
        self.0.iter().filter(move |step| step.operation == operation)
    }

    /// The bodies that an operation was asked with.
    pub(super) fn requests(&self, operation: &str) -> Vec<(String, Value)> {
        self.of(operation).filter_map(|step| Some((step.name.clone(), step.request.clone()?))).collect()
    }

    /// What it was answered with this status.
    pub(super) fn answers(&self, operation: &str, status: u16) -> Vec<(String, Value)> {
        let steps = self.of(operation).filter(|step| step.status == status);
        steps.filter_map(|step| Some((step.name.clone(), step.answer.clone()?))).collect()
    }

    /// What a parameter was the first time.
    pub(super) fn parameter(&self, operation: &str, name: &str) -> Option<Value> {
        self.of(operation).find_map(|step| step.parameters.get(name).cloned())
    }
}
