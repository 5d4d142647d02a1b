//! Gateways: they send, read and classify, and decide nothing.
//!
//! Every answer becomes an [`Outcome`], with what the gateway's object says of itself in [`Seen`], so that the flow
//! can compare it with the reservation before it believes it.

pub mod paypal;
pub mod plaid;
pub mod stripe;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;

pub use self::wire::http_client;
use crate::clock::Time;
use crate::model::method::{MethodKind, MethodStatus};
use crate::model::payment::{Failure, Gateway};
use crate::model::transition::Standing;
use crate::money::Money;

/// Whether a gateway's code, or its word where it has no code, is one that we know the meaning of.
#[must_use]
pub fn knows(gateway: Gateway, code: &str) -> bool {
    match gateway {
        Gateway::Stripe => stripe::knows(code),
        Gateway::Paypal => paypal::knows(code),
        Gateway::Plaid => plaid::knows(code),
    }
}

/// What a send, a look-up or a cancellation shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The money moved.
    Succeeded,
    /// The gateway has it and is not done.
    Pending,
    /// The customer must act.
    RequiresAction,
    /// The gateway refused it.
    Declined(Failure),
    /// This send was refused and did nothing. What came of an earlier one it does not say.
    Refused(Failure),
    /// The gateway will not execute it any more.
    Canceled,
    /// Certainly not executed.
    NotSent(Trouble),
    /// Nobody can say yet.
    Unknown(Trouble),
}

impl Outcome {
    /// Whether it says something about the money.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::NotSent(_) | Self::Unknown(_))
    }
}

/// Why a request did not lead to an answer about the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No connection, or none in time.
    Unreachable,
    /// Connected, then no answer in time, or the connection was lost.
    Lost,
    /// The gateway failed: any 5xx.
    Fault,
    /// The gateway's own idempotency conflict, or a request under the same key that is still running.
    Conflict,
    /// Too many requests, or a lock that was not had.
    Busy,
    /// The gateway refuses our key.
    KeyRefused,
    /// The gateway refuses the request itself.
    Rejected,
    /// An answer that can't be read.
    Unreadable,
    /// The object is there and says nothing yet.
    Undecided,
    /// The secret names another account than the payment was reserved for, or is gone: nobody was asked.
    OtherAccount,
}

impl Trouble {
    /// Whether it is us whom the gateway refuses: our key, or what we send.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        matches!(self, Self::KeyRefused | Self::Rejected)
    }

    /// A word for logs and agent runs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Lost => "lost",
            Self::Fault => "fault",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::KeyRefused => "key_refused",
            Self::Rejected => "rejected",
            Self::Unreadable => "unreadable",
            Self::Undecided => "undecided",
            Self::OtherAccount => "account_changed",
        }
    }
}

/// What the gateway's object says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The gateway's id.
    pub reference: String,
    /// Amount and currency; `None`: nothing that can be ours.
    pub money: Option<Money>,
    /// The id of ours that it carries: a payment's, or a refund's.
    pub our_id: Option<String>,
}

/// Ids of ours that an object carries, as they stand there: not to be believed before they are found in the books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// Whose it says it is.
    pub tenant_id: Option<String>,
    /// The invoice.
    pub invoice_id: Option<String>,
    /// The payment.
    pub payment_id: Option<String>,
    /// The refund.
    pub refund_id: Option<String>,
}

/// A refund in the gateway's list.
#[derive(Clone, Debug)]
pub struct SeenRefund {
    /// How it stands.
    pub answer: Answer,
    /// The gateway's id.
    pub reference: String,
    /// What it carries.
    pub labels: Labels,
    /// When it was made.
    pub created_at: Time,
}

/// The disputes of a payment.
#[derive(Clone, Debug, Default)]
pub struct SeenDisputes {
    /// How they stand, all of them together.
    pub standing: Standing,
    /// Their ids, and whether each has ended.
    pub ended: BTreeMap<String, bool>,
    /// Stripe's reason of the latest one: of a bank debit, why the bank took it back.
    pub reason: Option<String>,
}

/// What an event is about. It is a hint: what it says is compared with the gateway before it counts.
#[derive(Clone, Debug)]
pub enum Hint {
    /// A payment, as it was then.
    Payment(Box<Answer>),
    /// Refunds of a payment: their running total, or one of them.
    Refunds(Refunded),
    /// A dispute about a payment, by its id there; whether it has ended.
    Dispute(String, bool),
    /// The transfer of a payment to a connected account was reversed, this much of it by now.
    TransferReversed(Money),
}

/// What an event tells of refunds.
#[derive(Clone, Debug)]
pub enum Refunded {
    /// The running total; `None`: none that can be ours.
    Total(Option<Money>),
    /// One of them, as it was then.
    One(Box<SeenRefund>),
}

/// What an event says.
#[derive(Clone, Debug)]
pub enum Told {
    /// Something about a payment.
    Payment {
        /// The gateway's id of the payment.
        reference: String,
        /// What the event's object carries.
        labels: Labels,
        /// What happened.
        hint: Hint,
    },
    /// A payment method changed, or is no longer attached.
    Method {
        /// The gateway's id of the method.
        reference: String,
        /// It can't be used any more.
        detached: bool,
    },
    /// Nothing that is of use.
    Nothing,
}

/// An answer, classified.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What it shows.
    pub outcome: Outcome,
    /// The object it is about.
    pub seen: Option<Seen>,
    /// What stands for it there before it has an id of its own, and above it afterwards: a PayPal order, whose capture
    /// is the payment. It is compared like `seen`, and its id is no reference.
    pub begun: Option<Box<Seen>>,
    /// When the gateway expects the money to have arrived.
    pub expected: Option<Date>,
    /// What was paid with it has come back since: reversed by PayPal or a bank, or by whom it was paid to.
    pub came_back: bool,
    /// What the customer needs to act; never stored.
    pub next_action: Option<NextAction>,
    /// Whether a refusal also shows that nothing was executed before under the same id, as long as that is kept.
    pub conclusive: bool,
    /// Whether the same request may be sent again.
    pub again: bool,
    /// The pause that the gateway asks for.
    pub retry_after: Option<Duration>,
    /// The gateway's own code, for support.
    pub gateway_code: Option<String>,
}

impl Answer {
    /// An answer without an object.
    #[must_use]
    pub fn without_object(outcome: Outcome, again: bool) -> Self {
        Self {
            outcome,
            seen: None,
            begun: None,
            expected: None,
            came_back: false,
            next_action: None,
            conclusive: false,
            again,
            retry_after: None,
            gateway_code: None,
        }
    }

    /// Of a request that brought no object.
    #[must_use]
    pub fn of_trouble(trouble: Trouble) -> Self {
        let (outcome, again) = match trouble {
            Trouble::Unreachable | Trouble::Busy => (Outcome::NotSent(trouble), true),
            Trouble::KeyRefused | Trouble::Rejected => (Outcome::NotSent(trouble), false),
            Trouble::Fault | Trouble::Conflict | Trouble::Lost => (Outcome::Unknown(trouble), true),
            Trouble::Unreadable | Trouble::Undecided | Trouble::OtherAccount => (Outcome::Unknown(trouble), false),
        };
        Self::without_object(outcome, again)
    }
}

/// A payment method as its gateway shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMethod {
    /// The gateway's id of it.
    pub reference: String,
    /// The gateway's id of its owner.
    pub customer: Option<String>,
    /// Stripe's id of the consent to debit a bank account.
    pub mandate: Option<String>,
    /// It was not attached to its owner before.
    pub attached_here: bool,
    /// What it draws on.
    pub kind: MethodKind,
    /// Card brand or bank name; of a PayPal account the e-mail address, masked.
    pub brand: Option<String>,
    /// The last four digits.
    pub last4: Option<String>,
    /// Month in which the card ends, 1 to 12.
    pub exp_month: Option<u8>,
    /// Year in which the card ends.
    pub exp_year: Option<u16>,
    /// What its bank has made of it, where it lets nobody debit it any more.
    pub barred: Option<MethodStatus>,
}

/// Why a reference did not lead to a usable method.
#[derive(Debug, thiserror::Error)]
pub enum MethodError {
    /// The gateway does not know it, or it can't be used; says why.
    #[error("{0}")]
    NotUsable(String),
    /// The gateway did not answer the question.
    #[error("the gateway did not answer: {}", .0.as_str())]
    Gateway(Trouble),
}

/// What the customer needs to act. Whoever has it can finish the payment: never stored, never logged.
#[derive(Clone, PartialEq, Eq)]
pub enum NextAction {
    /// For Stripe's own client library.
    ClientSecret(String),
    /// The same, to set a method up.
    SetupSecret(String),
    /// Where the customer approves at PayPal.
    ApprovalUrl(String),
    /// For Plaid's Link.
    LinkToken(String),
}

impl NextAction {
    /// What to do with it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ClientSecret(_) => "stripe_confirm_payment",
            Self::SetupSecret(_) => "stripe_confirm_setup",
            Self::ApprovalUrl(_) => "paypal_approve",
            Self::LinkToken(_) => "plaid_link",
        }
    }

    /// What the customer needs, by the name that answers give it.
    #[must_use]
    pub fn key(&self) -> (&'static str, &str) {
        match self {
            Self::ClientSecret(secret) | Self::SetupSecret(secret) => ("client_secret", secret),
            Self::ApprovalUrl(url) => ("approval_url", url),
            Self::LinkToken(token) => ("link_token", token),
        }
    }
}

/// The setup of a method, which waits for its owner.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What the method is added by afterwards; Plaid gives that to its owner's browser.
    pub reference: Option<String>,
    /// What its owner does now; absent where the gateway asks for nothing.
    pub next_action: Option<NextAction>,
    /// Until when, if the gateway says.
    pub expires_at: Option<Time>,
}

impl std::fmt::Debug for NextAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("NextAction").field(&self.kind()).finish_non_exhaustive()
    }
}

/// What a look-up finds.
#[derive(Clone, Debug)]
pub enum Found {
    /// The object.
    Object(Answer),
    /// No object: it may still appear.
    Nothing,
    /// The gateway did not say.
    Unanswered(Trouble),
}
