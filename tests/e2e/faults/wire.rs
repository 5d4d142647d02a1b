//! The wire between an execution and the outside: counts calls, and breaks those that the execution's plan names.
//!
//! One execution is awake at a time; one that was frozen keeps its place at the call where it was stopped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::Notify;

/// Who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    DynamoDb,
    Gateway,
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The caller dies before the call arrives.
    KillBefore,
    /// The call has its effect, and the caller dies before it hears of it.
    KillAfter,
    /// The caller stands still before the call arrives.
    FreezeBefore,
    /// The call has its effect, and the caller stands still before it hears of it.
    FreezeAfter,
    /// The connection breaks before the call arrives.
    NothingReached,
    /// The call has its effect, and the connection breaks before the answer.
    ReplyLost,
    /// The call has its effect, and no answer comes in time.
    TimedOut,
    /// The call does not arrive, and nobody answers: only the caller's own patience ends it.
    Hangs,
    /// An error of the other side, before any effect.
    ErrorBefore,
    /// An error of the other side, after the effect.
    ErrorAfter,
    /// Too many requests.
    Throttled,
    /// DynamoDB: another transaction is under way on the last item of this one.
    Conflict,
    /// A gateway: the answer shows another amount.
    OtherAmount,
    /// A gateway: another answer; nothing is executed.
    Answer(u16, Value),
    /// A gateway: this is the last answer; afterwards connections are refused.
    LastAnswer,
    /// A gateway: the connection breaks before the call arrives, and afterwards connections are refused.
    LastLost,
}

/// Faults by who is called and the how manieth call of the execution it is, from 1.
pub type Plan = BTreeMap<(Party, u32), Fault>;

/// What an execution waits for, and is waited for.
#[derive(Default)]
pub(super) struct Signals {
    pub killed: Notify,
    pub frozen: Notify,
    pub thawed: Notify,
}

#[derive(Default)]
struct Execution {
    plan: Plan,
    counts: BTreeMap<Party, u32>,
    calls: Vec<String>,
    signals: Arc<Signals>,
}

#[derive(Default)]
struct State {
    awake: usize,
    executions: Vec<Execution>,
}

/// The wire; clones are the same one.
#[derive(Clone, Default)]
pub struct Wire(Arc<Mutex<State>>);

/// How a party answers when something is broken.
pub trait Language {
    type Reply: Send;
    const PARTY: Party;

    fn connection_lost() -> Self::Reply;
    fn timed_out() -> impl Future<Output = Self::Reply> + Send;
    fn error() -> Self::Reply;
    fn throttled() -> Self::Reply;
    /// `None`: the call knows no conflicts.
    fn conflict(name: &str, body: &Bytes) -> Option<Self::Reply>;
    fn answer(status: u16, body: &Value) -> Self::Reply;
    fn other_amount(reply: Self::Reply) -> impl Future<Output = Self::Reply> + Send;
}

impl Wire {
    /// Wakes a new execution.
    pub(super) fn begin(&self, plan: Plan) -> (usize, Arc<Signals>) {
        let mut state = self.0.lock().unwrap();
        state.executions.push(Execution { plan, ..Execution::default() });
        state.awake = state.executions.len() - 1;
        (state.awake, state.executions[state.awake].signals.clone())
    }

    /// Wakes one again.
    pub(super) fn wake(&self, execution: usize) {
        self.0.lock().unwrap().awake = execution;
    }

    /// The calls of the newest execution, in their order: DynamoDB's operation, or method and path.
    pub fn calls(&self) -> Vec<String> {
        self.0.lock().unwrap().executions.last().map(|execution| execution.calls.clone()).unwrap_or_default()
    }

    /// Takes a call to its effect and back, unless the plan says otherwise. Without an execution nothing is broken.
    pub async fn pass<L: Language>(
        &self,
        name: &str,
        body: &Bytes,
        effect: impl Future<Output = L::Reply>,
    ) -> L::Reply {
        let Some((fault, signals)) = self.arrive(L::PARTY, name) else { return effect.await };
        match &fault {
            Some(Fault::KillBefore) => return die(&signals).await,
            Some(Fault::FreezeBefore) => stand_still(&signals).await,
            Some(Fault::NothingReached | Fault::LastLost) => return L::connection_lost(),
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::ErrorBefore) => return L::error(),
            Some(Fault::Throttled) => return L::throttled(),
            Some(Fault::Answer(status, body)) => return L::answer(*status, body),
            Some(Fault::Conflict) => {
                if let Some(conflict) = L::conflict(name, body) {
                    return conflict;
                }
            }
            _ => {}
        }
        let reply = effect.await;
        match fault {
            Some(Fault::KillAfter) => die(&signals).await,
            Some(Fault::FreezeAfter) => {
                stand_still(&signals).await;
                reply
            }
            Some(Fault::ReplyLost) => L::connection_lost(),
            Some(Fault::TimedOut) => L::timed_out().await,
            Some(Fault::ErrorAfter) => L::error(),
            Some(Fault::OtherAmount) => L::other_amount(reply).await,
            _ => reply,
        }
    }

    fn arrive(&self, party: Party, name: &str) -> Option<(Option<Fault>, Arc<Signals>)> {
        let mut state = self.0.lock().unwrap();
        let awake = state.awake;
        let execution = state.executions.get_mut(awake)?;
        let count = execution.counts.entry(party).or_default();
        *count += 1;
        let place = (party, *count);
        execution.calls.push(name.to_owned());
        Some((execution.plan.remove(&place), execution.signals.clone()))
    }

    /// Whether the call that is about to arrive is the last one before connections are refused.
    pub(super) fn is_last_call(&self) -> bool {
        let state = self.0.lock().unwrap();
        let Some(execution) = state.executions.get(state.awake) else { return false };
        let next = execution.counts.get(&Party::Gateway).copied().unwrap_or_default() + 1;
        matches!(execution.plan.get(&(Party::Gateway, next)), Some(Fault::LastAnswer | Fault::LastLost))
    }
}

/// The caller hears nothing any more.
async fn die<T>(signals: &Signals) -> T {
    signals.killed.notify_one();
    std::future::pending().await
}

async fn stand_still(signals: &Signals) {
    signals.frozen.notify_one();
    signals.thawed.notified().await;
}
