//! The gateways' own books of the tenant's accounts, in one language: what moved, what went back, what was refused.

use std::collections::BTreeSet;

use local::paypal::{CaptureStatus, ItemStatus, RefundStatus as PaypalRefund};
use local::plaid::{Entry, RefundStatus as PlaidRefund, TransferStatus};
use shared::model::refund::RefundStatus;

use crate::paypal::CLIENT;
use crate::world::{ACCOUNT, World};

/// How a movement of money stands at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The money moved, whatever became of it later.
    Moved,
    /// It may still move.
    Open,
    /// It was refused.
    Refused,
    /// It was called off, or came back before anybody had it.
    Canceled,
    /// A bank sent it back. Whether it counts as moved is a matter of when it was looked at.
    Returned,
}

/// A payment in the gateway's books.
#[derive(Clone, Debug)]
pub struct Charge {
    pub id: String,
    /// The id of ours that it carries.
    pub payment: String,
    pub amount: i64,
    pub state: State,
    /// What was given back for good.
    pub refunded: i64,
    /// A dispute about it is open.
    pub disputed: bool,
    /// What had moved was taken back.
    pub came_back: bool,
    /// It was put before a bank, whatever came of it.
    pub presented: bool,
    /// Why it failed or came back, in the words of the gateway or the bank.
    pub why: Option<String>,
    /// The leave that it was made under.
    pub leave: Option<String>,
}

/// A refund in the gateway's books.
#[derive(Clone, Debug)]
pub struct GivenBack {
    pub id: String,
    /// The payment there.
    pub charge: String,
    /// The id of ours that it carries.
    pub refund: Option<String>,
    pub amount: i64,
    pub status: RefundStatus,
}

/// What all gateways have in their books for the tenant.
pub fn charges(world: &World) -> Vec<Charge> {
    let stripe = &world.stack.stripe;
    let disputes = stripe.disputes(ACCOUNT);
    let cards = stripe.books(ACCOUNT).into_iter().map(|entry| {
        let stands =
            |words: &[&str]| disputes.iter().any(|(_, of, status)| *of == entry.id && words.contains(&status.as_str()));
        Charge {
            payment: entry.metadata.get("payment_id").cloned().unwrap_or_default(),
            amount: entry.amount,
            state: match entry.status.as_str() {
                _ if entry.captured => State::Moved,
                "canceled" => State::Canceled,
                "requires_payment_method" => State::Refused,
                _ => State::Open,
            },
            refunded: entry.refunded,
            disputed: stands(&["needs_response", "under_review"]),
            came_back: stands(&["lost"]),
            presented: entry.presented,
            why: entry.failure,
            leave: None,
            id: entry.id,
        }
    });
    let books = world.stack.paypal.books(CLIENT);
    let disputes = world.stack.paypal.disputes(CLIENT);
    // A reversal is a refund there, and a return here.
    let refunded = |capture: &str| {
        let of_it = books.refunds.iter().filter(|refund| refund.capture == capture && !refund.reversal);
        of_it.filter(|refund| refund.status == PaypalRefund::Completed).map(|refund| refund.amount).sum()
    };
    let orders = books.captures.iter().cloned().map(|entry| Charge {
        payment: entry.custom_id.unwrap_or_default(),
        amount: entry.amount,
        state: match entry.status {
            CaptureStatus::Declined => State::Refused,
            CaptureStatus::Pending => State::Open,
            _ => State::Moved,
        },
        refunded: refunded(&entry.id),
        disputed: disputes.iter().any(|(_, of, won)| *of == entry.id && won.is_none()),
        came_back: entry.reversed,
        ..Charge::new(entry.id)
    });
    let payouts = books.items.iter().cloned().map(|entry| Charge {
        payment: entry.sender_item_id.unwrap_or_default(),
        amount: entry.amount,
        state: match entry.status {
            ItemStatus::Success | ItemStatus::Refunded | ItemStatus::Reversed => State::Moved,
            ItemStatus::Pending | ItemStatus::Unclaimed | ItemStatus::Onhold => State::Open,
            ItemStatus::Failed | ItemStatus::Blocked => State::Refused,
            ItemStatus::Returned => State::Canceled,
        },
        came_back: matches!(entry.status, ItemStatus::Refunded | ItemStatus::Reversed),
        ..Charge::new(entry.id)
    });
    let transfers = stripe.transfers(ACCOUNT).into_iter().map(|entry| Charge {
        payment: entry.metadata.get("payment_id").cloned().unwrap_or_default(),
        amount: entry.amount,
        state: State::Moved,
        refunded: entry.reversed,
        ..Charge::new(entry.id)
    });
    let at_plaid = world.plaid_books().into_iter().map(at_plaid);
    cards.chain(orders).chain(payouts).chain(transfers).chain(at_plaid).collect()
}

impl Charge {
    fn new(id: String) -> Self {
        Self {
            id,
            payment: String::new(),
            amount: 0,
            state: State::Open,
            refunded: 0,
            disputed: false,
            came_back: false,
            presented: false,
            why: None,
            leave: None,
        }
    }

    /// Whether it failed or came back for want of money.
    pub fn wanted_money(&self) -> bool {
        let has_ended = matches!(self.state, State::Refused | State::Returned) || self.came_back;
        has_ended && matches!(self.why.as_deref(), Some("R01" | "R09" | "insufficient_funds"))
    }
}

fn at_plaid(entry: Entry) -> Charge {
    let alive = |refund: &&local::plaid::RefundEntry| {
        matches!(refund.status, PlaidRefund::Pending | PlaidRefund::Posted | PlaidRefund::Settled)
    };
    Charge {
        payment: entry.metadata.get("payment_id").cloned().unwrap_or_default(),
        amount: entry.amount,
        state: match entry.status {
            TransferStatus::Pending | TransferStatus::Posted => State::Open,
            TransferStatus::Settled | TransferStatus::FundsAvailable => State::Moved,
            TransferStatus::Cancelled => State::Canceled,
            TransferStatus::Failed => State::Refused,
            TransferStatus::Returned => State::Returned,
        },
        refunded: entry.refunds.iter().filter(alive).map(|refund| refund.amount).sum(),
        came_back: entry.status == TransferStatus::Returned,
        presented: entry.presented,
        why: entry.return_code,
        leave: Some(entry.authorization),
        ..Charge::new(entry.id)
    }
}

/// What all gateways have given back.
pub fn given_back(world: &World) -> Vec<GivenBack> {
    let cards = world.stack.stripe.refunds(ACCOUNT).into_iter().map(|entry| GivenBack {
        id: entry.id,
        charge: entry.intent,
        refund: entry.metadata.get("refund_id").cloned(),
        amount: entry.amount,
        status: match entry.status.as_str() {
            "succeeded" => RefundStatus::Succeeded,
            "failed" => RefundStatus::Failed,
            "canceled" => RefundStatus::Canceled,
            _ => RefundStatus::Processing,
        },
    });
    let refunds = world.stack.paypal.books(CLIENT).refunds.into_iter();
    let captures = refunds.filter(|entry| !entry.reversal).map(|entry| GivenBack {
        id: entry.id,
        charge: entry.capture,
        refund: entry.custom_id,
        amount: entry.amount,
        status: match entry.status {
            PaypalRefund::Completed => RefundStatus::Succeeded,
            PaypalRefund::Pending => RefundStatus::Processing,
            PaypalRefund::Failed => RefundStatus::Failed,
            PaypalRefund::Cancelled => RefundStatus::Canceled,
        },
    });
    let transfers = world.stack.stripe.transfers(ACCOUNT).into_iter();
    let reversals = transfers.flat_map(|transfer| {
        transfer.reversals.into_iter().map(move |entry| GivenBack {
            id: entry.id,
            charge: transfer.id.clone(),
            refund: entry.metadata.get("refund_id").cloned(),
            amount: entry.amount,
            status: RefundStatus::Succeeded,
        })
    });
    let debits = world.plaid_books().into_iter();
    let at_plaid = debits.flat_map(|debit| {
        debit.refunds.into_iter().map(move |entry| GivenBack {
            id: entry.id,
            charge: debit.id.clone(),
            refund: entry.key,
            amount: entry.amount,
            status: match entry.status {
                PlaidRefund::Pending | PlaidRefund::Posted => RefundStatus::Processing,
                PlaidRefund::Settled => RefundStatus::Succeeded,
                PlaidRefund::Failed | PlaidRefund::Returned => RefundStatus::Failed,
                PlaidRefund::Cancelled => RefundStatus::Canceled,
            },
        })
    });
    cards.chain(captures).chain(reversals).chain(at_plaid).collect()
}

/// Our ids under which PayPal has refused what was sent, or Plaid was asked for leave, and keeps nothing of it.
pub fn refused(world: &World) -> BTreeSet<String> {
    let at_paypal = world.stack.paypal.requests().into_iter();
    let at_paypal = at_paypal.filter(|one| one.status == 422).filter_map(|one| one.request_id);
    let at_plaid = world.stack.plaid.requests().into_iter();
    let at_plaid = at_plaid.filter(|one| one.path == "/transfer/authorization/create");
    let at_plaid = at_plaid.filter_map(|one| one.body["idempotency_key"].as_str().map(str::to_owned));
    at_paypal.chain(at_plaid).collect()
}
