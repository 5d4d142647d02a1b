//! A refund: money of one payment that goes back, in part or in full.
//!
//! Its amount is taken from what the payment can still refund before the gateway is called. Refunds that were made at
//! the gateway without us are records of the same kind, marked `external`.

use serde::{Deserialize, Serialize};

use super::movement::Progress;
use super::names;
use super::payment::{Failure, Gateway, reference_in, reference_key};
use crate::clock::Time;
use crate::id::{InvoiceId, PaymentId, RefundId, TenantId, UserId};
use crate::money::{Currency, Money};

names! {
    /// How far a refund is.
    RefundStatus {
        /// Reserved, sent or pending; the outcome is not known or not final.
        Processing = "processing",
        /// The money went back.
        Succeeded = "succeeded",
        /// The money did not go back, or came back again.
        Failed = "failed",
        /// The gateway confirmed that it will not go back.
        Canceled = "canceled",
    }
}

impl RefundStatus {
    /// Whether the gateway still has something to say before the refund is final.
    #[must_use]
    pub fn is_unsettled(self) -> bool {
        self == Self::Processing
    }

    /// Whether the amount is taken from what can still be refunded.
    #[must_use]
    pub fn holds(self) -> bool {
        matches!(self, Self::Processing | Self::Succeeded)
    }
}

names! {
    /// Why money goes back, as the caller says.
    Reason {
        /// It was paid twice.
        Duplicate = "duplicate",
        /// It should not have been paid.
        Fraudulent = "fraudulent",
        /// The customer asked for it.
        RequestedByCustomer = "requested_by_customer",
        /// Another reason.
        Other = "other",
    }
}

/// What the gateway request is built from, fixed by the reservation (with amount, currency and ids of the refund).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenRefund {
    /// Who moves the money.
    pub gateway: Gateway,
    /// Whose account there.
    pub account: String,
    /// Version of the gateway's API.
    pub api_version: String,
    /// The gateway's id of the payment.
    pub payment: String,
    /// The connected account that was paid gives the money back.
    #[serde(default)]
    pub reverse_transfer: bool,
}

/// A refund as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Whose.
    pub tenant_id: TenantId,
    /// The record.
    pub id: RefundId,
    /// What is refunded.
    pub payment_id: PaymentId,
    /// The invoice that was paid.
    pub invoice_id: InvoiceId,
    /// `tenant#payment`: the key of the index of refunds by payment. Payments have none.
    pub refund_of: String,
    /// How far it is.
    pub status: RefundStatus,
    /// In minor units.
    pub amount: i64,
    /// Of the amount.
    pub currency: Currency,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Made at the gateway without us.
    #[serde(default)]
    pub external: bool,
    /// What is sent.
    pub frozen: FrozenRefund,
    /// Who asked for it.
    pub created_by: UserId,
    /// When it was reserved.
    pub created_at: Time,
    /// Of the request that made it.
    pub fingerprint: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// `tenant#gateway#reference`: the key of the index by the gateway's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_ref: Option<String>,
    /// How far the pursuit of its outcome is.
    #[serde(flatten)]
    pub progress: Progress,
}

impl Refund {
    /// What goes back.
    #[must_use]
    pub fn money(&self) -> Money {
        Money { amount_minor: self.amount, currency: self.currency }
    }

    /// The gateway's id, once it is known.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        reference_in(self.gateway_ref.as_deref())
    }

    /// Notes the gateway's id. Known once, it never changes.
    pub fn learn_reference(&mut self, reference: &str) {
        if self.gateway_ref.is_none() {
            self.gateway_ref = Some(reference_key(&self.tenant_id, self.frozen.gateway, reference));
        }
    }
}

/// Key of the index of refunds by payment.
#[must_use]
pub fn refund_of(tenant: &TenantId, payment: &PaymentId) -> String {
    format!("{tenant}#{payment}")
}
