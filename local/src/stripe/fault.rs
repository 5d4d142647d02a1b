//! Faults at Stripe.

pub use crate::simulator::fault::{Fault, Kind};

/// Where payments are made.
pub(super) const INTENTS: &str = "/v1/payment_intents";

impl Fault {
    /// Of the next creation of a PaymentIntent.
    #[must_use]
    pub fn pay(kind: Kind) -> Self {
        Self::new(kind, "POST", INTENTS)
    }

    /// Of the next look-up of PaymentIntents.
    #[must_use]
    pub fn look_up(kind: Kind) -> Self {
        Self::new(kind, "GET", INTENTS)
    }
}
