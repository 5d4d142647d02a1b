//! An invoice: what is to be paid, and the root of its payments, refunds and audit entries.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::audit::{GENESIS, audited};
use super::names;
use super::payment::{Payment, PaymentStatus};
use crate::clock::Time;
use crate::id::{InvoiceId, MethodId, PartyId, PaymentId, ScheduleId, TenantId, UserId, hash_hex};
use crate::money::{Currency, Money};

names! {
    /// Which way the money goes.
    Kind {
        /// The tenant pays a vendor.
        Payable = "payable",
        /// A customer pays the tenant.
        Receivable = "receivable",
    }
}

names! {
    /// How far an invoice is.
    InvoiceStatus {
        /// Entered; nobody, or not everybody needed, has approved it.
        Draft = "draft",
        /// May be paid.
        Approved = "approved",
        /// Promised for a date.
        Scheduled = "scheduled",
        /// A payment is under way.
        Paying = "paying",
        /// Paid.
        Paid = "paid",
        /// Paid, and a part was refunded.
        PartiallyRefunded = "partially_refunded",
        /// Paid, and all of it was refunded.
        Refunded = "refunded",
        /// Will not be paid.
        Void = "void",
    }
}

/// Who pays or is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counterparty {
    /// For people, and in the duplicate check.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The customer, as the tenant names them: owner of the methods that a receivable is paid with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<PartyId>,
    /// The vendor, as the tenant names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_id: Option<PartyId>,
    /// The vendor's connected account at Stripe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_account: Option<String>,
    /// The vendor's PayPal account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paypal_email: Option<String>,
    /// The vendor's bank account, linked over Plaid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaid_method_id: Option<MethodId>,
}

/// One person's approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub user_id: UserId,
    /// When.
    pub at: Time,
}

/// A payment that has paid an invoice beside its own, as far as the invoice must know when it becomes its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlsoPaid {
    /// Which.
    pub payment_id: PaymentId,
    /// A part of it is refunded.
    #[serde(default)]
    pub refunded: bool,
    /// All of it is refunded or on its way back.
    #[serde(default)]
    pub going_back: bool,
    /// It is disputed.
    #[serde(default)]
    pub disputed: bool,
}

impl AlsoPaid {
    /// As the payment stands.
    #[must_use]
    pub fn by(payment: &Payment) -> Self {
        Self {
            payment_id: payment.id.clone(),
            refunded: payment.status == PaymentStatus::PartiallyRefunded,
            going_back: payment.is_going_back(),
            disputed: payment.disputed,
        }
    }
}

/// The presentments of an invoice on one payment method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presentments {
    /// How many.
    pub made: u32,
    /// When the first was asked for.
    pub first_at: Time,
    /// The bank has returned one for another reason than want of money: there must be no other.
    #[serde(default)]
    pub barred: bool,
}

/// An invoice as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// Whose.
    pub tenant_id: TenantId,
    /// The record.
    pub invoice_id: InvoiceId,
    /// For people.
    pub invoice_number: String,
    /// Which way the money goes.
    pub kind: Kind,
    /// The other side.
    pub counterparty: Counterparty,
    /// What is owed, in minor units.
    pub amount: i64,
    /// Of the amount.
    pub currency: Currency,
    /// `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_date: Option<String>,
    /// What it says in the gateway's statement; given by a payment that made its invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How far it is.
    pub status: InvoiceStatus,
    /// Who has approved it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// Who entered it.
    pub created_by: UserId,
    /// When.
    pub created_at: Time,
    /// Of the request that made it.
    pub fingerprint: String,
    /// Payments and schedules made for it so far.
    #[serde(default)]
    pub attempts: u32,
    /// Its payments, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<PaymentId>,
    /// The payment that is running or that paid it: only this one's failure changes the invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<PaymentId>,
    /// Payments that turned out to have paid it too, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_paid: Vec<AlsoPaid>,
    /// How often a debit of it was put before the bank, by payment method; one that is under way counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub presentments: BTreeMap<MethodId, Presentments>,
    /// The schedule that it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_id: Option<ScheduleId>,
    /// A dispute is open.
    #[serde(default)]
    pub disputed: bool,
    /// Grows with each change of the invoice or anything under it.
    pub version: u64,
    /// Hash of the last audit entry.
    pub audit_head: String,
}

audited!(Invoice, "invoice", invoice_id);

/// What an invoice is made of.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Whose.
    pub tenant_id: TenantId,
    /// The record.
    pub invoice_id: InvoiceId,
    /// For people; else the id.
    pub invoice_number: Option<String>,
    /// Which way the money goes.
    pub kind: Kind,
    /// The other side.
    pub counterparty: Counterparty,
    /// What is owed.
    pub money: Money,
    /// `YYYY-MM-DD`.
    pub due_date: Option<String>,
    /// What it says in the gateway's statement.
    pub description: Option<String>,
    /// Who enters it.
    pub created_by: UserId,
    /// When.
    pub created_at: Time,
    /// Of the request that makes it.
    pub fingerprint: String,
}

impl Invoice {
    /// A draft that nobody has approved, and that is not written down yet.
    #[must_use]
    pub fn enter(draft: Draft) -> Self {
        Self {
            tenant_id: draft.tenant_id,
            invoice_number: draft.invoice_number.unwrap_or_else(|| draft.invoice_id.to_string()),
            invoice_id: draft.invoice_id,
            kind: draft.kind,
            counterparty: draft.counterparty,
            amount: draft.money.amount_minor,
            currency: draft.money.currency,
            due_date: draft.due_date,
            description: draft.description,
            status: InvoiceStatus::Draft,
            approvals: Vec::new(),
            created_by: draft.created_by,
            created_at: draft.created_at,
            fingerprint: draft.fingerprint,
            attempts: 0,
            payments: Vec::new(),
            current: None,
            also_paid: Vec::new(),
            presentments: BTreeMap::new(),
            schedule_id: None,
            disputed: false,
            version: 0,
            audit_head: GENESIS.to_owned(),
        }
    }

    /// What is owed.
    #[must_use]
    pub fn money(&self) -> Money {
        Money { amount_minor: self.amount, currency: self.currency }
    }

    /// The sort key that two invoices for the same bill share.
    #[must_use]
    pub fn bill_key(&self) -> String {
        bill_key(&self.invoice_number, &self.counterparty.name)
    }
}

/// The sort key of the lock on a bill: the hash of its number and counterparty, without regard to case or outer blanks.
#[must_use]
pub fn bill_key(number: &str, counterparty: &str) -> String {
    let fold = |text: &str| text.trim().to_lowercase();
    format!("bill#{}", hash_hex(&[&fold(number), &fold(counterparty)]))
}
