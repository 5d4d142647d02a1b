//! The bundle from the outside: real routers, the real AWS SDK, real HTTP to the simulators.
//!
//! Every test starts a stack of its own, with a clock that only the test moves. `logs` watches every line that any of
//! them writes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets what it does not expect has failed"
)]

mod ach;
mod aftermath;
mod analysis;
mod approval;
mod audit;
mod bootstraps;
mod browser;
mod card_data;
mod demo;
mod events;
mod executor_events;
mod executors;
mod faults;
mod forms;
mod gate;
mod golden;
mod invoices;
mod isolation;
mod logs;
mod methods;
mod metrics;
mod money;
mod openapi;
mod outcome;
mod pay;
mod paypal;
mod permissions;
mod recovery;
mod refunds;
mod replay;
mod resolution;
mod review;
mod routes;
mod runbook;
mod schedules;
mod secrets;
mod settings;
mod store_faults;
mod test_keys;
mod trail;
mod validation;
mod waiting;
mod webhooks;
mod world;
