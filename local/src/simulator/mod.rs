//! What the simulators of the gateways have in common: a server that can break off, faults and delays to switch on,
//! and webhooks on their way.

pub(crate) mod delivery;
pub(crate) mod fault;
pub(crate) mod page;
pub(crate) mod server;
