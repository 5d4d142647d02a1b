//! What payments and refunds have in common: money that moves at a gateway, once, under a key of ours.

use serde::{Deserialize, Serialize};

use super::payment::{Gateway, Payment, PaymentMethod, PaymentStatus};
use super::refund::Refund;
use crate::bounds;
use crate::clock::Time;
use crate::id::{InvoiceId, PaymentId, TenantId, hash_hex};
use crate::money::Money;

/// How far the pursuit of an outcome is. Bookkeeping: it changes neither the invoice's version nor its audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// A send may start only before this instant.
    pub send_until: Time,
    /// When recovery looks next; absent once it is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_check_at: Option<Time>,
    /// Shard of the index of unsettled movements; absent once it is settled.
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

impl Progress {
    /// Of a reservation made now: it may be sent for a while, and recovery looks at it soon.
    #[must_use]
    pub fn reserved(tenant: &TenantId, now: Time) -> Self {
        Self {
            send_until: now.plus(bounds::SEND_WINDOW),
            next_check_at: Some(now.plus(bounds::FIRST_CHECK)),
            unsettled_shard: Some(shard(tenant)),
            checked_at: None,
            checks: 0,
            revision: 1,
        }
    }

    /// Of what the gateway has executed without us.
    #[must_use]
    pub fn settled(now: Time) -> Self {
        Self {
            send_until: now,
            next_check_at: None,
            unsettled_shard: None,
            checked_at: Some(now),
            checks: 0,
            revision: 1,
        }
    }

    /// Nobody has to look any more.
    pub fn settle(&mut self) {
        self.next_check_at = None;
        self.unsettled_shard = None;
    }

    /// Somebody has to look again.
    pub fn pursue(&mut self, tenant: &TenantId, next_check_at: Time) {
        self.next_check_at = Some(next_check_at);
        self.unsettled_shard = Some(shard(tenant));
    }
}

/// The shard of the indexes of what is unsettled and of what is due: all of a tenant's work is in one.
#[must_use]
pub fn shard(tenant: &TenantId) -> String {
    let first = u8::from_str_radix(hash_hex(&["shard", tenant.as_str()]).get(..2).unwrap_or("0"), 16).unwrap_or(0);
    (first % bounds::SHARDS).to_string()
}

/// A payment or a refund.
#[derive(Clone, Copy, Debug)]
pub enum Movement<'a> {
    /// Money that is paid.
    Payment(&'a Payment),
    /// Money that goes back.
    Refund(&'a Refund),
}

impl<'a> Movement<'a> {
    /// `payment` or `refund`.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Payment(_) => "payment",
            Self::Refund(_) => "refund",
        }
    }

    /// Our id; the gateway's key.
    #[must_use]
    pub fn id(self) -> &'a str {
        match self {
            Self::Payment(payment) => payment.id.as_str(),
            Self::Refund(refund) => refund.id.as_str(),
        }
    }

    /// Whose.
    #[must_use]
    pub fn tenant_id(self) -> &'a TenantId {
        match self {
            Self::Payment(payment) => &payment.tenant_id,
            Self::Refund(refund) => &refund.tenant_id,
        }
    }

    /// The invoice it belongs to.
    #[must_use]
    pub fn invoice_id(self) -> &'a InvoiceId {
        match self {
            Self::Payment(payment) => &payment.invoice_id,
            Self::Refund(refund) => &refund.invoice_id,
        }
    }

    /// The payment: itself, or the one that is refunded.
    #[must_use]
    pub fn payment_id(self) -> &'a PaymentId {
        match self {
            Self::Payment(payment) => &payment.id,
            Self::Refund(refund) => &refund.payment_id,
        }
    }

    /// What moves.
    #[must_use]
    pub fn money(self) -> Money {
        match self {
            Self::Payment(payment) => payment.money(),
            Self::Refund(refund) => refund.money(),
        }
    }

    /// The gateway account that it was reserved for.
    #[must_use]
    pub fn account(self) -> &'a str {
        match self {
            Self::Payment(payment) => &payment.frozen.account,
            Self::Refund(refund) => &refund.frozen.account,
        }
    }

    /// Who moves the money.
    #[must_use]
    pub fn gateway(self) -> Gateway {
        match self {
            Self::Payment(payment) => payment.frozen.gateway,
            Self::Refund(refund) => refund.frozen.gateway,
        }
    }

    /// PayPal's order of a payment, once it is known.
    #[must_use]
    pub fn order(self) -> Option<&'a str> {
        match self {
            Self::Payment(payment) => payment.order_id.as_deref(),
            Self::Refund(_) => None,
        }
    }

    /// Whether a send of it may be under way before its fence has passed. What waits for its customer has been replied
    /// to, and so has a payout whose batch is known, or what a bank moves whose object is: all its sends made that one.
    /// But an approved order is gone on with by a send.
    #[must_use]
    pub fn may_be_under_way(self) -> bool {
        let is_by_bank = matches!(self, Self::Payment(payment) if payment.payment_method == PaymentMethod::Ach);
        let is_named_once = self.is_payout() || is_by_bank || self.gateway() == Gateway::Plaid;
        let is_replied_to = is_named_once && self.reference().is_some();
        self.is_unsettled() && !is_replied_to && (!self.waits_for_customer() || self.gateway() == Gateway::Paypal)
    }

    /// Whether it is a payout at PayPal.
    #[must_use]
    pub fn is_payout(self) -> bool {
        matches!(self, Self::Payment(payment) if payment.is_payout())
    }

    /// The gateway's id, once it is known.
    #[must_use]
    pub fn reference(self) -> Option<&'a str> {
        match self {
            Self::Payment(payment) => payment.reference(),
            Self::Refund(refund) => refund.reference(),
        }
    }

    /// Whether it was made at the gateway without us, and therefore carries no id of ours there.
    #[must_use]
    pub fn is_external(self) -> bool {
        matches!(self, Self::Refund(refund) if refund.external)
    }

    /// When it was reserved.
    #[must_use]
    pub fn created_at(self) -> Time {
        match self {
            Self::Payment(payment) => payment.created_at,
            Self::Refund(refund) => refund.created_at,
        }
    }

    /// How far the pursuit of its outcome is.
    #[must_use]
    pub fn progress(self) -> &'a Progress {
        match self {
            Self::Payment(payment) => &payment.progress,
            Self::Refund(refund) => &refund.progress,
        }
    }

    /// How far it is, in a word.
    #[must_use]
    pub fn status(self) -> &'static str {
        match self {
            Self::Payment(payment) => payment.status.as_str(),
            Self::Refund(refund) => refund.status.as_str(),
        }
    }

    /// Whether the gateway still has something to say before it is final.
    #[must_use]
    pub fn is_unsettled(self) -> bool {
        match self {
            Self::Payment(payment) => payment.status.is_unsettled(),
            Self::Refund(refund) => refund.status.is_unsettled(),
        }
    }

    /// Whether its customer has to act before it goes on.
    #[must_use]
    pub fn waits_for_customer(self) -> bool {
        matches!(self, Self::Payment(payment) if payment.status == PaymentStatus::RequiresAction)
    }
}
