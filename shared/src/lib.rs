//! What the functions of Passerelle have in common.
//!
//! `model` and `policy` are pure; `store`, `gateway` and `secrets` do the reading and writing; `flow` puts them
//! together step by step; `analysis` asks a language model about alerts; `api` speaks HTTP. ARCHITECTURE.md walks through the house.

pub mod analysis;
pub mod api;
pub mod app;
pub mod bounds;
pub mod clock;
pub mod config;
pub mod flow;
pub mod gateway;
pub mod id;
pub mod model;
pub mod money;
pub mod policy;
pub mod secrets;
pub mod store;
pub mod telemetry;
