//! What the simulators of the gateways have in common: a server that can break off, faults and delays to switch on,
//! webhooks on their way, and state in a file.

pub(crate) mod delivery;
#[cfg(test)]
pub(crate) mod endpoint;
pub(crate) mod fault;
pub(crate) mod file;
pub(crate) mod page;
pub(crate) mod server;
