//! An execution under a plan: it answers, is killed, or stands still until it is thawed.

use std::pin::Pin;
use std::sync::Arc;

use super::wire::{Plan, Signals, Wire};

/// How far an execution came.
pub enum End<T> {
    Answered(T),
    Killed,
    Frozen(Frozen<T>),
}

/// An execution that stands still at a call. Nothing of it runs meanwhile.
pub struct Frozen<T> {
    number: usize,
    signals: Arc<Signals>,
    future: Pin<Box<dyn Future<Output = T> + Send>>,
}

impl Wire {
    /// Runs `future` under a plan.
    pub async fn run<T>(&self, plan: Plan, future: impl Future<Output = T> + Send + 'static) -> End<T> {
        let (number, signals) = self.begin(plan);
        self.go_on(Frozen { number, signals, future: Box::pin(future) }).await
    }

    /// Lets a frozen execution go on.
    pub async fn thaw<T>(&self, frozen: Frozen<T>) -> End<T> {
        self.wake(frozen.number);
        frozen.signals.thawed.notify_one();
        self.go_on(frozen).await
    }

    async fn go_on<T>(&self, mut execution: Frozen<T>) -> End<T> {
        let signals = execution.signals.clone();
        let end = tokio::select! {
            biased;
            answer = &mut execution.future => End::Answered(answer),
            () = signals.killed.notified() => End::Killed,
            () = signals.frozen.notified() => End::Frozen(execution),
        };
        // Whoever calls now is no execution's: a check from outside, or what a dead one left behind.
        self.wake(usize::MAX);
        end
    }
}
