//! Faults: whatever breaks, on either side, at any call, an invoice is charged once and our books say what the
//! gateway's say.
//!
//! [`wire`] stands between an execution and the outside, counts its calls and breaks those that a plan names:
//! [`dynamodb`] does so inside the SDK's HTTP client, [`gateway`] as a server in front of a gateway. [`execution`]
//! runs anything under a plan until it answers, is killed or is frozen; [`stage`] has what a flow needs for that;
//! [`books`] compares both sides afterwards, those of `banks` too, the gateway's as [`ledger`] has them, whichever [`rail`] the money went by. `seeds`, `steps`, `deliveries`, `unknown`, `late` and `races` put paying and refunding through it.

mod banks;
pub mod books;
mod deliveries;
pub mod dynamodb;
pub mod execution;
pub mod gateway;
mod late;
mod ledger;
mod races;
pub mod rail;
mod seeds;
pub mod stage;
mod steps;
mod unknown;
pub mod wire;
