//! Passerelle on a laptop: the functions as they are, and stand-ins for everything around them.

pub mod anthropic;
pub mod api_gateway;
pub mod bench;
pub mod bootstrap;
pub mod client;
pub mod demo;
pub mod dynamodb;
pub mod openapi;
pub mod paypal;
pub mod permissions;
pub mod plaid;
pub mod runtime_api;
pub mod secrets_manager;
pub mod seed;
mod simulator;
pub mod stack;
pub mod stream;
pub mod stripe;
pub mod tables;
pub mod template;
pub mod test_keys;
pub mod token;
pub mod try_page;
