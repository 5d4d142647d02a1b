//! What operators see. `metrics` has the metrics.
//!
//! Logs: JSON lines on standard output, with ids and never with bodies.
//!
//! `LOG_LEVEL` speaks of our own crates. Libraries stay at `warn`: at finer levels some of them write requests. The
//! heads of the audit chains are written at any level: they are proof that lies outside the tables.

pub mod metrics;

use lambda_http::Context;
use tracing::Span;
use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Crates whose lines are ours.
pub const OURS: [&str; 11] = [
    "shared",
    "pay",
    "invoices",
    "settings",
    "payment_methods",
    "refund",
    "review",
    "schedule",
    "scheduled_executor",
    "webhook",
    "error_analyst",
];

/// The target of the lines that hold the head of an audit chain.
pub const AUDIT: &str = "audit";

/// The filter for a level such as `info`. Not `EnvFilter`, which brings two engines of regular expressions.
#[must_use]
pub fn filter(level: &str) -> Targets {
    let level = level.parse::<tracing::Level>().unwrap_or(tracing::Level::INFO);
    Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target(AUDIT, tracing::Level::INFO)
        .with_targets(OURS.map(|name| (name, level)))
}

/// Starts logging for a function. A second call does nothing.
pub fn init() {
    let level = std::env::var("LOG_LEVEL").unwrap_or_default();
    let lines =
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
    let _ = tracing_subscriber::registry().with(filter(&level)).with(lines).try_init();
}

/// The span of an invocation: every line that is written in it carries the ids of its request and of its X-Ray trace,
/// and the tenant, where there is one. A webhook's records its tenant, event and kind when it knows them. Of the level
/// that is never filtered out: ids are wanted most when only errors are written.
#[must_use]
pub fn invocation(context: Option<&Context>, tenant_id: Option<&str>) -> Span {
    let request_id = context.map_or("", |context| context.request_id.as_str());
    let trace_id = context.and_then(|context| trace_id(context.xray_trace_id.as_deref()?));
    tracing::error_span!("invocation", request_id, trace_id, tenant_id, event = Empty, kind = Empty)
}

/// The trace of a header such as `Root=1-…;Parent=…;Sampled=1`, as X-Ray's console finds it.
fn trace_id(header: &str) -> Option<&str> {
    header.split(';').find_map(|part| part.trim().strip_prefix("Root="))
}
