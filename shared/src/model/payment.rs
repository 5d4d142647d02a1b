//! A payment: one attempt to pay one invoice through one gateway.
//!
//! Its id is the idempotency record, and what its reservation froze is all that is ever sent for it.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::movement::Progress;
use super::names;
use super::return_code::ReturnClass;
use crate::clock::Time;
use crate::id::{InvoiceId, MethodId, PaymentId, ScheduleId, TenantId, UserId};
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
        /// PayPal.
        Paypal = "paypal",
        /// Plaid: bank payments.
        Plaid = "plaid",
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
        /// What was paid can't be refunded, or not that much of it.
        NotRefundable = "not_refundable",
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
    /// It was put before the bank, which returned it: in what class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<ReturnClass>,
}

impl Failure {
    /// One that no bank has seen, or of which no bank says why.
    #[must_use]
    pub const fn new(code: FailureCode, gateway_code: Option<String>) -> Self {
        Self { code, gateway_code, returned: None }
    }

    /// Whether it was concluded from there being nothing at the gateway.
    #[must_use]
    pub fn is_from_absence(&self) -> bool {
        matches!(self.code, FailureCode::GatewayUnavailable | FailureCode::NotExecuted)
    }
}

names! {
    /// Which way a bank transfer moves money.
    Direction {
        /// From the customer to the tenant.
        Debit = "debit",
        /// From the tenant to the vendor.
        Credit = "credit",
    }
}

/// What a transfer at Plaid is made of besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenTransfer {
    /// Which way the money goes.
    pub direction: Direction,
    /// SEC code of the entry, such as `ccd`.
    pub ach_class: String,
    /// The ledger that is drawn on or paid into; the account's only one where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_id: Option<String>,
    /// Legal name of the account's holder.
    pub holder: String,
    /// What the bank statement says; ten characters at most.
    pub statement: String,
}

/// Plaid's leave to make a transfer, kept before it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// Plaid's id of it. No second transfer is ever made under it.
    pub id: String,
    /// When it was written down, before the transfer was sent.
    pub at: Time,
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
    /// The gateway's id of the method's owner; empty where the gateway keeps none, or no method is taken.
    #[serde(default)]
    pub customer: String,
    /// The gateway's id of the method; at PayPal with what it draws on. Empty where no method is taken.
    #[serde(default)]
    pub method: String,
    /// Stripe's id of the consent under which a bank account is debited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandate: Option<String>,
    /// Who is paid: a connected account at Stripe, an e-mail address at PayPal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// What a transfer at Plaid is made of besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<FrozenTransfer>,
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
    /// The scheduled payment that it executes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_id: Option<ScheduleId>,
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
    /// PayPal's order, once an answer has told of it: it stands for the payment before there is a capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// Plaid's authorization: without one no transfer was ever asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// Of a bank payment: when the money should have arrived, a bank day in New York.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_settlement_date: Option<Date>,
    /// What can still be refunded, in minor units. Below zero while a refund of ours that the gateway will refuse is
    /// still on its way, and where a refund that was given up turned out to be executed.
    #[serde(default)]
    pub refundable_minor: i64,
    /// What went back, and what is on its way back.
    #[serde(default)]
    pub refunds: Refunds,
    /// A dispute is open.
    #[serde(default)]
    pub disputed: bool,
    /// Disputes that the gateway has told of.
    #[serde(default)]
    pub disputes: Disputes,
    /// How far the pursuit of its outcome is.
    #[serde(flatten)]
    pub progress: Progress,
}

/// The disputes about a payment so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disputes {
    /// How many.
    pub seen: u32,
    /// What was lost with them, in minor units.
    pub lost: i64,
}

/// The sums of a payment's refunds, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refunds {
    /// Of our records, running and succeeded.
    pub held: i64,
    /// Of our records, succeeded.
    pub succeeded: i64,
    /// Of our records that are known at the gateway, whatever became of them.
    pub listed: i64,
    /// The greatest running total that the gateway has told.
    pub told: i64,
}

impl Refunds {
    /// What the gateway has told of beyond its list: refunded, and not yet to be seen one by one.
    #[must_use]
    pub fn external(self) -> i64 {
        self.told.saturating_sub(self.listed).max(0)
    }

    /// What went back.
    #[must_use]
    pub fn refunded(self) -> i64 {
        self.succeeded.saturating_add(self.external())
    }

    /// What went back, and what is on its way.
    #[must_use]
    pub fn gone(self) -> i64 {
        self.held.saturating_add(self.external())
    }

    /// Whether nothing went back or is on its way.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.held == 0 && self.external() == 0
    }
}

impl Payment {
    /// What is paid.
    #[must_use]
    pub fn money(&self) -> Money {
        Money { amount_minor: self.amount, currency: self.currency }
    }

    /// Whether all of it is refunded or on its way back.
    #[must_use]
    pub fn is_going_back(&self) -> bool {
        self.refunds.gone() >= self.amount
    }

    /// The gateway's id, once it is known.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        reference_in(self.gateway_ref.as_deref())
    }

    /// Whether it is a payout at PayPal: of those there, only it has somebody to whom it goes.
    #[must_use]
    pub fn is_payout(&self) -> bool {
        self.frozen.gateway == Gateway::Paypal && self.frozen.destination.is_some()
    }

    /// Whether it is a transfer to a vendor's connected account at Stripe: the tenant's balance there pays it.
    #[must_use]
    pub fn is_transfer(&self) -> bool {
        let Frozen { gateway, destination, .. } = &self.frozen;
        *gateway == Gateway::Stripe && self.payment_method == PaymentMethod::Ach && destination.is_some()
    }

    /// Whether it is put before a bank that may return it unpaid.
    #[must_use]
    pub fn is_debit(&self) -> bool {
        let is_credit = self.frozen.transfer.as_ref().is_some_and(|transfer| transfer.direction == Direction::Credit);
        self.payment_method == PaymentMethod::Ach && !self.is_transfer() && !is_credit
    }

    /// Whether a vendor has it for good once it is paid: the gateway takes nothing back.
    #[must_use]
    pub fn is_out_of_reach(&self) -> bool {
        self.is_payout() || (self.frozen.gateway == Gateway::Plaid && !self.is_debit())
    }

    /// Notes PayPal's order. Known once, it never changes.
    pub fn learn_order(&mut self, order: &str) {
        self.order_id.get_or_insert_with(|| order.to_owned());
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

/// The gateway's own id in such a key.
#[must_use]
pub fn reference_in(key: Option<&str>) -> Option<&str> {
    key.and_then(|key| key.splitn(3, '#').nth(2))
}
