//! Decisions: who may, what a failure means, what can be refunded, when to try again. Pure: facts in, verdict out.

pub mod analysis;
pub mod approval;
pub mod bank_day;
pub mod failure;
pub mod next;
pub mod pay;
pub mod presentment;
pub mod refund;
pub mod refusal;
pub mod retry;
pub mod roles;
pub mod route;
