//! x

pub mod api_gateway;
pub mod dynamodb;
pub mod secrets_manager;
pub mod tables;
pub mod template;
pub mod token;
