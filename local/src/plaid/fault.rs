//! Faults at Plaid.

pub use crate::simulator::fault::{Fault, Kind};

/// Where payments are made.
pub(super) const TRANSFERS: &str = "/transfer/";

impl Fault {
    /// Of the next authorization.
    #[must_use]
    pub fn authorization(kind: Kind) -> Self {
        Self::new(kind, "POST", "/transfer/authorization/create")
    }

    /// Of the next creation of a transfer.
    #[must_use]
    pub fn transfer(kind: Kind) -> Self {
        Self::new(kind, "POST", "/transfer/create")
    }

    /// Of the next look-up of a transfer.
    #[must_use]
    pub fn transfer_look_up(kind: Kind) -> Self {
        Self::new(kind, "POST", "/transfer/get")
    }

    /// Of the next refund of a transfer.
    #[must_use]
    pub fn transfer_refund(kind: Kind) -> Self {
        Self::new(kind, "POST", "/transfer/refund/create")
    }

    /// Of the next reading of events.
    #[must_use]
    pub fn event_sync(kind: Kind) -> Self {
        Self::new(kind, "POST", "/transfer/event/sync")
    }
}
