//! The books, to compare with: every transfer of a client with what the client wrote on it, and its refunds.

use std::collections::BTreeMap;

use super::proposal::Direction;
use super::refund::{self, Refund, RefundStatus};
use super::transfer::{Transfer, TransferStatus};
use super::{Plaid, State};

/// What Plaid's books say of a transfer. Amounts are in cents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The transfer.
    pub id: String,
    /// Its authorization.
    pub authorization: String,
    /// Whose money it is.
    pub direction: Direction,
    /// How much.
    pub amount: i64,
    /// What became of it.
    pub status: TransferStatus,
    /// With what it came back.
    pub return_code: Option<String>,
    /// The user's account.
    pub account: String,
    /// What the user reads.
    pub description: String,
    /// What the client wrote on it.
    pub metadata: BTreeMap<String, String>,
    /// It was put before the bank, whatever came of it.
    pub presented: bool,
    /// Oldest first.
    pub refunds: Vec<RefundEntry>,
}

/// What Plaid's books say of a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundEntry {
    /// The refund.
    pub id: String,
    /// The key that it was made under: all that the client can write on it.
    pub key: Option<String>,
    /// In cents.
    pub amount: i64,
    /// What became of it.
    pub status: RefundStatus,
    /// With what it came back.
    pub return_code: Option<String>,
}

impl Plaid {
    /// The client's transfers, oldest first.
    #[must_use]
    pub fn books(&self, client: &str) -> Vec<Entry> {
        self.entries(|transfer| transfer.proposal.client == client)
    }

    /// The debits of an account that were put before its bank, oldest first.
    #[must_use]
    pub fn presentments(&self, account: &str) -> Vec<Entry> {
        self.entries(|transfer| {
            transfer.proposal.account == account && transfer.proposal.is_debit() && transfer.presented
        })
    }

    fn entries(&self, wanted: impl Fn(&Transfer) -> bool) -> Vec<Entry> {
        self.happens(|state| {
            let made = state.made.iter().filter_map(|id| state.transfers.get(id));
            made.filter(|transfer| wanted(transfer)).map(|transfer| entry(state, transfer)).collect()
        })
    }
}

fn entry(state: &State, transfer: &Transfer) -> Entry {
    Entry {
        id: transfer.id.clone(),
        authorization: transfer.authorization.clone(),
        direction: transfer.proposal.direction,
        amount: transfer.proposal.amount,
        status: transfer.status,
        return_code: transfer.return_code.clone(),
        account: transfer.proposal.account.clone(),
        description: transfer.description.clone(),
        metadata: transfer.metadata.clone(),
        presented: transfer.presented,
        refunds: refund::of(state, &transfer.id).map(|refund| refund_entry(state, refund)).collect(),
    }
}

fn refund_entry(state: &State, refund: &Refund) -> RefundEntry {
    RefundEntry {
        id: refund.id.clone(),
        key: refund::key(state, refund).map(str::to_owned),
        amount: refund.amount,
        status: refund.status,
        return_code: refund.return_code.clone(),
    }
}
