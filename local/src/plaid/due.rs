//! What happens by itself when its time has come: the days of banks.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use shared::clock::Time;

use super::refund::{self, RefundStatus};
use super::transfer::{self, TransferStatus};
use super::{State, calendar};

/// What may be due, and of which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Due {
    Posts(String),
    /// With this code.
    Returns(String, String),
    Settles(String),
    IsAvailable(String),
    RefundPosts(String),
    RefundSettles(String),
}

impl Due {
    fn id(&self) -> &str {
        match self {
            Self::Posts(id)
            | Self::Returns(id, _)
            | Self::Settles(id)
            | Self::IsAvailable(id)
            | Self::RefundPosts(id)
            | Self::RefundSettles(id) => id,
        }
    }
}

/// Does everything that is due, in the order of time and as of then; whether there was anything. What was moved by
/// hand meanwhile stays as it is.
pub(super) fn run(state: &mut State, now: Time) -> bool {
    let mut any = false;
    while let Some((at, _)) = state.due.first() {
        if *at > now || state.banks_closed {
            break;
        }
        let Some((at, due)) = state.due.pop_first() else { break };
        any = true;
        take(state, due, at);
    }
    any
}

/// Whether it moved anything.
fn take(state: &mut State, due: Due, at: Time) -> bool {
    match due {
        Due::Posts(id) => transfer::move_to(state, &id, TransferStatus::Posted, None, at),
        Due::Settles(id) => transfer::move_to(state, &id, TransferStatus::Settled, None, at),
        Due::IsAvailable(id) => transfer::move_to(state, &id, TransferStatus::FundsAvailable, None, at),
        Due::Returns(id, code) => transfer::move_to(state, &id, TransferStatus::Returned, Some(&code), at),
        Due::RefundSettles(id) => refund::move_to(state, &id, RefundStatus::Settled, None, at),
        Due::RefundPosts(id) => {
            let posted = refund::move_to(state, &id, RefundStatus::Posted, None, at);
            let waits = state.refunds.get(&id).is_some_and(|refund| refund.status == RefundStatus::Pending);
            if waits {
                state.due.insert((calendar::sending("ach", at), Due::RefundPosts(id)));
            }
            posted
        }
    }
}

/// Banks do what is next with everything, whatever the time; how much has moved.
pub(super) fn advance(state: &mut State, now: Time) -> usize {
    let mut taken = BTreeSet::new();
    let mut moved = 0;
    for (at, due) in std::mem::take(&mut state.due) {
        if !taken.insert(due.id().to_owned()) {
            state.due.insert((at, due));
        } else if take(state, due, now) {
            moved += 1;
        }
    }
    moved
}
