//! A payment: one attempt to pay one invoice through one gateway.
//!
//! Its id is the idempotency record, and what its reservation froze is all that is ever sent for it.

use serde::{Deserialize, Serialize};

use super::names;
use crate::clock::Time;
use crate::id::{InvoiceId, MethodId, PaymentId, TenantId, UserId};
use crate::money::{Currency, Money};

names! {
    /// How a client asks to pay.
    PaymentMethod {
        /// A card over Stripe.
        Stripe = "stripe",
        /// A bank payment.
        Ach = "ach",
        /// PayPal.
        Paypal = "paypal",
    }
}

names! {
    /// The system that moves the money.
    Gateway {
        /// Stripe.
        Stripe = "stripe",
    }
}

names! {
    /// How far a payment is.
    PaymentStatus {
        /// Reserved or sent; the outcome is not known or not final.
        Processing = "processing",
        /// The customer must authenticate or approve.
        RequiresAction = "requires_action",
        /// The money moved.
        Paid = "paid",
        /// The money did not move.
        Failed = "failed",
        /// The gateway confirmed that it will not move.
        Canceled = "canceled",
        /// A part went back.
        PartiallyRefunded = "partially_refunded",
        /// All of it went back.
        Refunded = "refunded",
        /// The bank or the payer took it back.
        Returned = "returned",
    }
}

impl PaymentStatus {
    /// Whether the gateway still has something to say before the payment is final.
    #[must_use]
    pub fn is_unsettled(self) -> bool {
        matches!(self, Self::Processing | Self::RequiresAction)
    }
}

names! {
    /// Why a payment failed, as callers are told.
    FailureCode {
        /// Not enough money on the method.
        InsufficientFunds = "insufficient_funds",
        /// The method is wrong, expired or closed.
        PaymentMethodInvalid = "payment_method_invalid",
        /// Refused for another reason, or for none given.
        Declined = "declined",
        /// Certainly not executed: the gateway was not reached or refused the request itself.
        GatewayUnavailable = "gateway_unavailable",
        /// Canceled at the gateway.
        Canceled = "canceled",
        /// A person found that it was not executed.
        NotExecuted = "not_executed",
    }
}

/// Why a payment failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// As callers are told.
    pub code: FailureCode,
    /// The gateway's own code, for support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_code: Option<String>,
}

/// What the gateway request is built from, fixed by the reservation (with amount, currency and ids of the payment).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Who moves the money.
    pub gateway: Gateway,
    /// Whose account there; nothing is sent once the secret names another.
    pub account: String,
    /// Version of the gateway's API.
    pub api_version: String,
    /// The gateway's id of the method's owner.
    pub customer: String,
    /// The gateway's id of the method.
    pub method: String,
    /// The connected account that is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// What statements say.
    pub description: String,
}

/// A payment as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Whose.
    pub tenant_id: TenantId,
    /// The record.
    pub id: PaymentId,
    /// What it pays.
    pub invoice_id: InvoiceId,
    /// How far it is.
    pub status: PaymentStatus,
    /// In minor units.
    pub amount: i64,
    /// Of the amount.
    pub currency: Currency,
    /// As the client asked.
    pub payment_method: PaymentMethod,
    /// The method that was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method_id: Option<MethodId>,
    /// Money stays in the tenant's own balance at the gateway: a payable without a connected account.
    #[serde(default)]
    pub own_balance: bool,
    /// What is sent.
    pub frozen: Frozen,
    /// Who approved it.
    pub approved_by: Vec<UserId>,
    /// Who asked for it.
    pub created_by: UserId,
    /// When it was reserved.
    pub created_at: Time,
    /// When the gateway executed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Time>,
    /// Of the request that made it.
    pub fingerprint: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// `tenant#gateway#reference`: the key of the index by the gateway's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_ref: Option<String>,
    /// What can still be refunded, in minor units.
    #[serde(default)]
    pub refundable_minor: i64,
    /// A send may start only before this instant.
    pub send_until: Time,
    /// When recovery looks at it next; absent once it is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_check_at: Option<Time>,
    /// Shard of the index of unsettled payments; absent once it is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled_shard: Option<String>,
    /// When it was last looked up at the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Time>,
    /// How often it was looked up without an end.
    #[serde(default)]
    pub checks: u32,
    /// Grows with each write, bookkeeping included.
    pub revision: u64,
}

impl Payment {
    /// What is paid.
    #[must_use]
    pub fn money(&self) -> Money {
        Money { amount_minor: self.amount, currency: self.currency }
    }

    /// The gateway's id, once it is known.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.gateway_ref.as_deref().and_then(|key| key.splitn(3, '#').nth(2))
    }

    /// Moves the revision on, as every write must.
    #[must_use]
    pub fn revised(mut self) -> Self {
        self.revision += 1;
        self
    }

    /// Notes the gateway's id. Known once, it never changes.
    pub fn learn_reference(&mut self, reference: &str) {
        if self.gateway_ref.is_none() {
            self.gateway_ref = Some(reference_key(&self.tenant_id, self.frozen.gateway, reference));
        }
    }
}

/// Key of the index by the gateway's own id.
#[must_use]
pub fn reference_key(tenant: &TenantId, gateway: Gateway, reference: &str) -> String {
    format!("{tenant}#{gateway}#{reference}")
}
