//! The books, to compare with: every capture, payout item and refund of an account, with the ids that the client gave.

use super::capture::{self, CaptureStatus};
use super::item::ItemStatus;
use super::refund::RefundStatus;
use super::{PayPal, State};

/// What PayPal's books say of an account, oldest first. Amounts are in PayPal's smallest units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// What customers paid, or did not.
    pub captures: Vec<CaptureEntry>,
    /// What the account paid out, or did not.
    pub items: Vec<ItemEntry>,
    /// What was given back, or taken.
    pub refunds: Vec<RefundEntry>,
}

/// What PayPal's books say of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureEntry {
    /// The capture.
    pub id: String,
    /// Its order.
    pub order: String,
    /// How much.
    pub amount: i64,
    /// Upper case.
    pub currency: String,
    /// What became of it.
    pub status: CaptureStatus,
    /// The client's `custom_id`.
    pub custom_id: Option<String>,
    /// The client's `invoice_id`.
    pub invoice_id: Option<String>,
    /// Money moved, even if it was given back since.
    pub paid: bool,
    /// What was given back for good.
    pub refunded: i64,
    /// The payer's bank took what remained.
    pub reversed: bool,
}

/// What PayPal's books say of a payout item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemEntry {
    /// The item.
    pub id: String,
    /// Its batch.
    pub batch: String,
    /// How much.
    pub amount: i64,
    /// Upper case.
    pub currency: String,
    /// What became of it.
    pub status: ItemStatus,
    /// Why, if there is a reason.
    pub error: Option<String>,
    /// The client's `sender_batch_id`.
    pub sender_batch_id: Option<String>,
    /// The client's `sender_item_id`.
    pub sender_item_id: Option<String>,
}

/// What PayPal's books say of a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundEntry {
    /// The refund.
    pub id: String,
    /// Its capture.
    pub capture: String,
    /// How much.
    pub amount: i64,
    /// Upper case.
    pub currency: String,
    /// What became of it.
    pub status: RefundStatus,
    /// The client's `custom_id`.
    pub custom_id: Option<String>,
    /// The client's `invoice_id`.
    pub invoice_id: Option<String>,
    /// Taken by the payer's bank, not given.
    pub reversal: bool,
}

impl PayPal {
    /// What the books say of an account.
    #[must_use]
    pub fn books(&self, account: &str) -> Books {
        self.happens(|state| Books {
            captures: state.made.iter().filter_map(|id| capture(state, account, id)).collect(),
            items: state.made.iter().filter_map(|id| item(state, account, id)).collect(),
            refunds: state.made.iter().filter_map(|id| refund(state, account, id)).collect(),
        })
    }
}

fn capture(state: &State, account: &str, id: &str) -> Option<CaptureEntry> {
    let capture = state.captures.get(id).filter(|capture| capture.account == account)?;
    Some(CaptureEntry {
        id: capture.id.clone(),
        order: capture.order.clone(),
        amount: capture.amount.minor,
        currency: capture.amount.currency.clone(),
        status: capture.status,
        custom_id: capture.custom_id.clone(),
        invoice_id: capture.invoice_id.clone(),
        paid: !matches!(capture.status, CaptureStatus::Declined | CaptureStatus::Pending),
        refunded: capture::given_back(state, capture).0,
        reversed: capture.reversed,
    })
}

fn item(state: &State, account: &str, id: &str) -> Option<ItemEntry> {
    let item = state.items.get(id).filter(|item| item.account == account)?;
    Some(ItemEntry {
        id: item.id.clone(),
        batch: item.batch.clone(),
        amount: item.amount.minor,
        currency: item.amount.currency.clone(),
        status: item.status,
        error: item.error.clone(),
        sender_batch_id: item.sender_batch_id.clone(),
        sender_item_id: item.sender_item_id(),
    })
}

fn refund(state: &State, account: &str, id: &str) -> Option<RefundEntry> {
    let refund = state.refunds.get(id).filter(|refund| refund.account == account)?;
    Some(RefundEntry {
        id: refund.id.clone(),
        capture: refund.capture.clone(),
        amount: refund.amount.minor,
        currency: refund.amount.currency.clone(),
        status: refund.status,
        custom_id: refund.custom_id.clone(),
        invoice_id: refund.invoice_id.clone(),
        reversal: refund.reversal,
    })
}
