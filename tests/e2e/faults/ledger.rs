//! The gateways' own books of the tenant's accounts, in one language: what moved, what went back, what was refused.

use std::collections::BTreeSet;

use local::paypal::{CaptureStatus, ItemStatus, RefundStatus as PaypalRefund};
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
            id: entry.id,
        }
    });
    // There is no status: one that is there has moved.
    let transfers = stripe.transfers(ACCOUNT).into_iter().map(|entry| Charge {
        payment: entry.metadata.get("payment_id").cloned().unwrap_or_default(),
        amount: entry.amount,
        state: State::Moved,
        refunded: entry.reversed,
        disputed: false,
        came_back: false,
        id: entry.id,
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
        id: entry.id,
    });
    let payouts = books.items.iter().cloned().map(|entry| Charge {
        id: entry.id,
        payment: entry.sender_item_id.unwrap_or_default(),
        amount: entry.amount,
        state: match entry.status {
            ItemStatus::Success | ItemStatus::Refunded | ItemStatus::Reversed => State::Moved,
            ItemStatus::Pending | ItemStatus::Unclaimed | ItemStatus::Onhold => State::Open,
            ItemStatus::Failed | ItemStatus::Blocked => State::Refused,
            ItemStatus::Returned => State::Canceled,
        },
        refunded: 0,
        disputed: false,
        came_back: matches!(entry.status, ItemStatus::Refunded | ItemStatus::Reversed),
    });
    cards.chain(transfers).chain(orders).chain(payouts).collect()
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
    let reversals = world.stack.stripe.transfers(ACCOUNT).into_iter().flat_map(|transfer| {
        let charge = transfer.id;
        transfer.reversals.into_iter().map(move |entry| GivenBack {
            id: entry.id,
            charge: charge.clone(),
            refund: entry.metadata.get("refund_id").cloned(),
            amount: entry.amount,
            status: RefundStatus::Succeeded,
        })
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
    cards.chain(reversals).chain(captures).collect()
}

/// Our ids under which PayPal has refused what was sent, and keeps nothing of it.
pub fn refused_at_paypal(world: &World) -> BTreeSet<String> {
    let requests = world.stack.paypal.requests().into_iter();
    requests.filter(|one| one.status == 422).filter_map(|one| one.request_id).collect()
}
