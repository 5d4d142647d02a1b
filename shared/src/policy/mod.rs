//! Decisions: who may, what a failure means, when to try again. Pure: facts in, verdict out.

pub mod approval;
pub mod failure;
pub mod pay;
pub mod refusal;
pub mod retry;
pub mod roles;
