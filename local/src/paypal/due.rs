//! What happens by itself when its time has come.

use serde::{Deserialize, Serialize};
use shared::clock::Clock;

use super::item::ItemStatus;
use super::{State, item, payout};

/// What may be due, and of which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Due {
    BatchStarts(String),
    BatchEnds(String),
    ItemReturns(String),
}

/// Does everything that is due, in the order of time; whether there was anything.
pub(super) fn run(state: &mut State, clock: &Clock) -> bool {
    let now = clock.now();
    let mut any = false;
    while let Some((time, _)) = state.due.first() {
        if *time > now {
            break;
        }
        let Some((_, due)) = state.due.pop_first() else { break };
        any = true;
        match due {
            Due::BatchStarts(id) => payout::start(state, clock, &id),
            Due::BatchEnds(id) => payout::end(state, clock, &id),
            Due::ItemReturns(id) => returns(state, clock, &id),
        }
    }
    any
}

/// Nobody claimed the money; an item that was claimed meanwhile stays as it is.
fn returns(state: &mut State, clock: &Clock, id: &str) {
    let Some(item) = state.items.get(id).filter(|item| item.status == ItemStatus::Unclaimed) else { return };
    let error = item.error.clone();
    item::move_to(state, clock, id, ItemStatus::Returned, error.as_deref());
}
