//! Faults at PayPal.

pub use crate::simulator::fault::{Fault, Kind};

/// Where customers' payments are made.
pub(super) const ORDERS: &str = "/v2/checkout/orders";

impl Fault {
    /// Of the next creation of an order.
    #[must_use]
    pub fn order(kind: Kind) -> Self {
        Self::new(kind, "POST", ORDERS)
    }

    /// Of the next creation of a batch of payouts.
    #[must_use]
    pub fn payout(kind: Kind) -> Self {
        Self::new(kind, "POST", "/v1/payments/payouts")
    }

    /// Of the next refund of a capture.
    #[must_use]
    pub fn capture_refund(kind: Kind) -> Self {
        Self::new(kind, "POST", "/v2/payments/captures")
    }
}
