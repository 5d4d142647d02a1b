//! A run of the executor: what is due is paid, what is unsettled is recovered, until it is all done or time is short.
//!
//! Bounded in how many at a time, and in how many a second for one gateway account. All of a tenant's work is in one
//! shard, and a soft lease keeps a shard with one executor at a time: for the rate only. Two at once are safe.

use std::sync::Arc;

use governor::clock::DefaultClock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use serde::Serialize;
use tokio::task::JoinSet;

use super::execute::{Executed, execute_due};
use super::recover::sweep;
use super::{Invocation, Stop};
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::id::{TenantId, UserId};
use crate::model::audit::Actor;
use crate::store::list::Due;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Scheduled payments that it looked at.
    pub due: u32,
    /// Of those, paid.
    pub paid: u32,
    /// Of those, under way.
    pub pending: u32,
    /// Of those, waiting for a method or a person.
    pub failed: u32,
    /// Of those, promised for another time.
    pub rescheduled: u32,
    /// Payments and refunds of unknown outcome that were settled.
    pub recovered: u32,
    /// What was due and is left for the next run.
    pub remaining: u32,
}

impl Summary {
    fn count(&mut self, executed: Executed) {
        match executed {
            Executed::Paid => self.paid += 1,
            Executed::Pending => self.pending += 1,
            Executed::Failed => self.failed += 1,
            Executed::Rescheduled => self.rescheduled += 1,
            Executed::Skipped => {}
        }
    }
}

/// Starts per second, by gateway account.
type Rate = RateLimiter<String, HashMapStateStore<String>, DefaultClock>;

/// What runs, built once in a sandbox: the rate is kept over its runs.
#[derive(Clone, Debug)]
pub struct Executor {
    /// The clients and the configuration.
    pub app: App,
    rate: Arc<Rate>,
}

/// One run: which, and until when.
#[derive(Clone, Debug)]
pub struct Run {
    /// Of the invocation; in every audit entry, and the owner of leases.
    pub request_id: String,
    /// When it began.
    pub started_at: Time,
    /// When its time is up.
    pub deadline: Time,
}

impl Run {
    /// Whether there is time to start another payment.
    fn is_open(&self, now: Time) -> bool {
        let third = self.deadline.since(self.started_at) / 3;
        now < self.deadline.minus(bounds::EXECUTOR_RESERVE.min(third))
    }
}

impl Executor {
    /// With the rate and concurrency of the configuration.
    #[must_use]
    pub fn new(app: App) -> Self {
        let rate = Arc::new(RateLimiter::hashmap(Quota::per_second(app.config.gateway_rate)));
        Self { app, rate }
    }

    /// Everything: all shards, then recovery.
    ///
    /// # Errors
    /// The store, when an index can't be read. What fails for one payment is logged, and stays due.
    pub async fn run(&self, run: &Run) -> Result<Summary, Stop> {
        let mut summary = Summary::default();
        for shard in 0..bounds::SHARDS {
            self.drain(run, shard, &mut summary).await?;
        }
        self.recover(run, &mut summary).await?;
        Ok(summary)
    }

    /// Recovery alone.
    ///
    /// # Errors
    /// The store, when the index can't be read.
    pub async fn recover(&self, run: &Run, summary: &mut Summary) -> Result<(), Stop> {
        let swept = sweep(&self.app, &run.request_id, run.deadline).await?;
        summary.recovered += swept.recovered;
        summary.remaining += swept.remaining;
        Ok(())
    }

    /// Pays what is due in one shard, unless another executor has it.
    ///
    /// # Errors
    /// The store, when the index can't be read.
    pub async fn drain(&self, run: &Run, shard: u8, summary: &mut Summary) -> Result<(), Stop> {
        let clock = &self.app.clock;
        let mut after = None;
        let mut leased_at = None;
        loop {
            let now = clock.now();
            if leased_at.is_none_or(|at| now.since(at) >= bounds::LEASE_RENEWAL) {
                if !self.app.store.lease(shard, &run.request_id, now.plus(bounds::LEASE)).await? {
                    summary.remaining += u32::from(leased_at.is_none());
                    return Ok(());
                }
                leased_at = Some(now);
            }
            let (page, more) = self.app.store.due(shard, now, after).await?;
            self.pay(run, page, summary).await;
            after = more;
            if after.is_none() || !run.is_open(clock.now()) {
                break;
            }
        }
        if let Some(rest) = after {
            let (page, more) = self.app.store.due(shard, clock.now(), Some(rest)).await?;
            summary.remaining += u32::try_from(page.len()).unwrap_or(u32::MAX) + u32::from(more.is_some());
        }
        self.app.store.lease(shard, &run.request_id, clock.now()).await?;
        Ok(())
    }

    async fn pay(&self, run: &Run, page: Vec<Due>, summary: &mut Summary) {
        let mut page = page.into_iter();
        let mut running: JoinSet<Result<Option<Executed>, Stop>> = JoinSet::new();
        loop {
            while running.len() < self.app.config.executor_concurrency
                && run.is_open(self.app.clock.now())
                && let Some(due) = page.next()
            {
                let (executor, run) = (self.clone(), run.clone());
                running.spawn(async move { executor.pay_one(&run, &due).await });
            }
            let Some(done) = running.join_next().await else { break };
            match done {
                Ok(Ok(Some(executed))) => {
                    summary.due += u32::from(executed != Executed::Skipped);
                    summary.count(executed);
                }
                // No time was left.
                Ok(Ok(None)) => summary.remaining += 1,
                Ok(Err(error)) => {
                    tracing::error!(%error, "a scheduled payment could not be executed");
                    summary.remaining += 1;
                }
                Err(error) => {
                    tracing::error!(%error, "executing a scheduled payment panicked");
                    summary.remaining += 1;
                }
            }
        }
        summary.remaining += u32::try_from(page.count()).unwrap_or(u32::MAX);
    }

    /// `None`: there was no time left.
    async fn pay_one(&self, run: &Run, due: &Due) -> Result<Option<Executed>, Stop> {
        self.rate.until_key_ready(&self.account(&due.tenant_id).await).await;
        if !run.is_open(self.app.clock.now()) {
            return Ok(None);
        }
        let actor =
            Actor { tenant_id: due.tenant_id.clone(), user_id: UserId::executor(), request_id: run.request_id.clone() };
        let invocation = Invocation { actor, started_at: self.app.clock.now(), deadline: run.deadline };
        execute_due(&self.app, &invocation, due).await.map(Some)
    }

    /// Whose rate it is: the gateway account's, where there is one.
    async fn account(&self, tenant: &TenantId) -> String {
        match self.app.secrets.stripe(tenant).await {
            Ok(secret) => secret.account.clone(),
            Err(_) => tenant.to_string(),
        }
    }
}
