//! A run of the executor: what is due is paid, what is unsettled is recovered, until it is all done or time is short.
//!
//! Bounded in how many at a time, and in how many a second for one gateway account. All of a tenant's work is in one
//! shard, and a soft lease keeps a shard with one executor at a time: for the rate only. Two at once are safe.

use std::num::NonZeroU32;
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
        self.due += u32::from(executed != Executed::Skipped);
        match executed {
            Executed::NoTime => self.remaining += 1,
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
        let rate =
            Arc::new(RateLimiter::hashmap(Quota::per_second(app.config.gateway_rate).allow_burst(NonZeroU32::MIN)));
        Self { app, rate }
    }

    /// Everything: all shards and, beside them, recovery.
    ///
    /// # Errors
    /// The store, when an index can't be read; the rest is done all the same. What fails for one payment is logged, and
    /// stays due.
    pub async fn run(&self, run: &Run) -> Result<Summary, Stop> {
        let (mut summary, mut recovered) = (Summary::default(), Summary::default());
        // Not always the same first: time may be short.
        let first = fastrand::u8(0..bounds::SHARDS);
        let shards = async {
            let mut failed = None;
            for shard in 0..bounds::SHARDS {
                if let Err(error) = self.drain(run, (first + shard) % bounds::SHARDS, &mut summary).await {
                    tracing::error!(shard, %error, "a shard could not be drained");
                    failed = Some(error);
                }
            }
            failed
        };
        let (failed, swept) = tokio::join!(shards, self.recover(run, &mut recovered));
        swept?;
        summary.recovered += recovered.recovered;
        summary.remaining += recovered.remaining;
        failed.map_or(Ok(summary), Err)
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

    /// Pays what is due in one shard; `true`: something is left that was not begun, for want of time or since another
    /// executor has the shard.
    ///
    /// # Errors
    /// The store, when the index can't be read.
    pub async fn drain(&self, run: &Run, shard: u8, summary: &mut Summary) -> Result<bool, Stop> {
        let clock = &self.app.clock;
        let (mut page, mut after) = self.app.store.due(shard, clock.now(), None).await?;
        let mut leased_at: Option<Time> = None;
        let mut is_ours = !self.app.config.payments_paused;
        while is_ours && !page.is_empty() && run.is_open(clock.now()) {
            is_ours = self.keep_lease(run, shard, &mut leased_at).await?;
            if !is_ours {
                break;
            }
            self.pay(run, shard, std::mem::take(&mut page), &mut leased_at, summary).await;
            if let Some(rest) = after.take() {
                (page, after) = self.app.store.due(shard, clock.now(), Some(rest)).await?;
            }
        }
        // Another executor has it, payments are paused, or time is short.
        summary.remaining += u32::try_from(page.len()).unwrap_or(u32::MAX) + u32::from(after.is_some());
        if leased_at.is_some() && is_ours {
            self.app.store.lease(shard, &run.request_id, clock.now()).await?;
        }
        Ok(!self.app.config.payments_paused && (!page.is_empty() || after.is_some()))
    }

    /// Takes the lease, or says again that it is ours; `false`: another has it.
    async fn keep_lease(&self, run: &Run, shard: u8, leased_at: &mut Option<Time>) -> Result<bool, Stop> {
        let now = self.app.clock.now();
        if leased_at.is_some_and(|at| now.since(at) < bounds::LEASE_RENEWAL) {
            return Ok(true);
        }
        let is_ours = self.app.store.lease(shard, &run.request_id, now.plus(bounds::LEASE)).await?;
        *leased_at = Some(now);
        Ok(is_ours)
    }

    async fn pay(&self, run: &Run, shard: u8, page: Vec<Due>, leased_at: &mut Option<Time>, summary: &mut Summary) {
        let mut page = page.into_iter();
        let mut running: JoinSet<Result<Executed, Stop>> = JoinSet::new();
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
                Ok(Ok(executed)) => summary.count(executed),
                Ok(Err(error)) => {
                    tracing::error!(%error, "a scheduled payment could not be executed");
                    summary.remaining += 1;
                }
                Err(error) => {
                    tracing::error!(%error, "executing a scheduled payment panicked");
                    summary.remaining += 1;
                }
            }
            // For the rate only: one that is lost meanwhile makes nothing unsafe.
            if let Err(error) = self.keep_lease(run, shard, leased_at).await {
                tracing::warn!(shard, %error, "the lease on a shard could not be renewed");
            }
        }
        summary.remaining += u32::try_from(page.count()).unwrap_or(u32::MAX);
    }

    async fn pay_one(&self, run: &Run, due: &Due) -> Result<Executed, Stop> {
        self.rate.until_key_ready(&self.account(&due.tenant_id).await).await;
        if !run.is_open(self.app.clock.now()) {
            return Ok(Executed::NoTime);
        }
        let actor =
            Actor { tenant_id: due.tenant_id.clone(), user_id: UserId::executor(), request_id: run.request_id.clone() };
        let invocation = Invocation { actor, started_at: self.app.clock.now(), deadline: run.deadline };
        execute_due(&self.app, &invocation, due).await
    }

    /// Whose rate it is: the gateway account's, where there is one.
    async fn account(&self, tenant: &TenantId) -> String {
        match self.app.secrets.stripe(tenant).await {
            Ok(secret) => secret.account.clone(),
            Err(_) => tenant.to_string(),
        }
    }
}
