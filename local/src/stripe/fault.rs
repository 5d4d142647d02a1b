//! Faults at Stripe.

pub use crate::simulator::fault::{Fault, Kind};

/// Where payments are made.
pub(super) const INTENTS: &str = "/v1/payment_intents";
/// Where vendors are paid.
const TRANSFERS: &str = "/v1/transfers";

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

    /// Of the next transfer to a connected account.
    #[must_use]
    pub fn vendor(kind: Kind) -> Self {
        Self::new(kind, "POST", TRANSFERS)
    }

    /// Of the next look-up of transfers.
    #[must_use]
    pub fn vendor_look_up(kind: Kind) -> Self {
        Self::new(kind, "GET", TRANSFERS)
    }
}
