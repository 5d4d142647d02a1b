//! A run of the executor: what is due is paid, what is unsettled is recovered, until it is all done or time is short.
//!
//! Bounded in how many at a time, and in how many a second for one gateway account. All of a tenant's work is in one
//! shard, and a soft lease keeps a shard with one executor at a time: for the rate only. Two at once are safe.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;

use super::execute::{Executed, call_about_secret, execute_due};
use super::recover::sweep;
use super::sync::sync_due;
use super::{Invocation, Stop};
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::id::UserId;
use crate::model::audit::Actor;
use crate::model::payment::{Gateway, PaymentMethod};
use crate::secrets::SecretError;
use crate::store::Item;
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

    /// It was due, and is left for the next run.
    fn failed_to_execute(&mut self) {
        self.due += 1;
        self.remaining += 1;
    }

    fn add(&mut self, other: Self) {
        self.due += other.due;
        self.paid += other.paid;
        self.pending += other.pending;
        self.failed += other.failed;
        self.rescheduled += other.rescheduled;
        self.recovered += other.recovered;
        self.remaining += other.remaining;
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
    /// Of payouts at PayPal, which takes fewer of those.
    payout_rate: Arc<Rate>,
    /// Payments at work.
    at_work: Arc<Semaphore>,
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

/// What is due in a shard, page by page.
struct Pages {
    page: VecDeque<Due>,
    rest: Option<Item>,
}

impl Pages {
    async fn first(app: &App, shard: u8) -> Result<Self, Stop> {
        let (page, rest) = app.store.due(shard, app.clock.now(), None).await?;
        Ok(Self { page: page.into(), rest })
    }

    /// Whether nothing is left, as far as is known: a page that is still to be read may turn out to be empty.
    fn is_empty(&self) -> bool {
        self.page.is_empty() && self.rest.is_none()
    }

    async fn next(&mut self, app: &App, shard: u8) -> Result<Option<Due>, Stop> {
        while self.page.is_empty()
            && let Some(rest) = self.rest.take()
        {
            let (page, rest) = app.store.due(shard, app.clock.now(), Some(rest)).await?;
            (self.page, self.rest) = (page.into(), rest);
        }
        Ok(self.page.pop_front())
    }

    /// How many are left at least.
    fn left(&self) -> u32 {
        u32::try_from(self.page.len()).unwrap_or(u32::MAX).saturating_add(self.rest.is_some().into())
    }
}

/// What this run knows of a shard's lease.
#[derive(Clone, Copy, Debug, Default)]
enum Lease {
    /// Not asked for yet.
    #[default]
    None,
    /// Ours, said last at that time.
    Ours(Time),
    /// Another executor has the shard.
    Lost,
}

impl Lease {
    fn is_ours(self) -> bool {
        matches!(self, Self::Ours(_))
    }
}

impl Executor {
    /// With the rate and concurrency of the configuration.
    #[must_use]
    pub fn new(app: App) -> Self {
        let rate = |rate| Arc::new(RateLimiter::hashmap(Quota::per_second(rate).allow_burst(NonZeroU32::MIN)));
        let payouts = NonZeroU32::new(bounds::PAYPAL_PAYOUT_RATE).unwrap_or(NonZeroU32::MIN);
        let (payout_rate, rate) = (rate(app.config.gateway_rate.min(payouts)), rate(app.config.gateway_rate));
        let at_work = Arc::new(Semaphore::new(app.config.executor_concurrency));
        Self { app, rate, payout_rate, at_work }
    }

    /// Everything: all shards side by side, so that none waits for a tenant whose rate is used up, and recovery.
    ///
    /// # Errors
    /// The store, when an index can't be read; the rest is done all the same. What fails for one payment is logged, and
    /// stays due.
    pub async fn run(&self, run: &Run) -> Result<Summary, Stop> {
        let mut shards = JoinSet::new();
        for shard in 0..bounds::SHARDS {
            let (executor, run) = (self.clone(), run.clone());
            let drain = async move {
                let mut summary = Summary::default();
                let drained = executor.drain(&run, shard, &mut summary).await;
                (shard, summary, drained)
            };
            shards.spawn(drain.in_current_span());
        }
        let mut summary = Summary::default();
        let mut failed = self.recover(run, &mut summary).await.err();
        while let Some(done) = shards.join_next().await {
            let (shard, drained) = match done {
                Ok((shard, of_shard, drained)) => {
                    summary.add(of_shard);
                    (Some(shard), drained.map(drop))
                }
                Err(error) => {
                    tracing::error!(%error, "draining a shard panicked");
                    (None, Err(Stop::Impossible("draining a shard panicked")))
                }
            };
            if let Err(error) = drained {
                tracing::error!(shard, %error, "a shard could not be drained");
                failed = Some(error);
            }
        }
        failed.map_or(Ok(summary), Err)
    }

    /// Recovery alone.
    ///
    /// # Errors
    /// The store, when the index can't be read.
    pub async fn recover(&self, run: &Run, summary: &mut Summary) -> Result<(), Stop> {
        // Side by side: neither is to wait for the other's tenants.
        let (synced, swept) = tokio::join!(
            sync_due(&self.app, &run.request_id, run.deadline),
            sweep(&self.app, &run.request_id, run.deadline)
        );
        if let Err(error) = synced {
            tracing::error!(error = error.chain(), "events at Plaid could not be asked for");
        }
        let swept = swept?;
        summary.recovered += swept.recovered;
        summary.remaining += swept.remaining;
        Ok(())
    }

    /// Pays what is due in one shard; `true`: something is left that was not begun, for want of time or since another
    /// executor has the shard.
    ///
    /// # Errors
    /// The store, when the index can't be read; what was begun by then is finished all the same.
    pub async fn drain(&self, run: &Run, shard: u8, summary: &mut Summary) -> Result<bool, Stop> {
        let mut due = Pages::first(&self.app, shard).await?;
        let mut lease = Lease::default();
        let mut running: JoinSet<Result<Executed, Stop>> = JoinSet::new();
        let (mut stopped, mut no_time) = (Ok(()), false);
        let mut count = |done: Result<Result<Executed, Stop>, JoinError>| match done {
            Ok(Ok(executed)) => {
                no_time |= executed == Executed::NoTime;
                summary.count(executed);
            }
            Ok(Err(_)) => summary.failed_to_execute(),
            Err(error) => {
                tracing::error!(%error, "executing a scheduled payment panicked");
                summary.failed_to_execute();
            }
        };
        let may_begin = !self.app.config.payments_paused;
        while may_begin && run.is_open(self.app.clock.now()) {
            let next = match self.next(run, shard, &mut due, &mut lease).await {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(error) => {
                    stopped = Err(error);
                    break;
                }
            };
            // In this order: what waits for its rate must not keep others from working.
            let Some(at_work) = self.turn(run, &next).await else {
                due.page.push_front(next);
                break;
            };
            let (executor, run) = (self.clone(), run.clone());
            let pay = async move {
                let _at_work = at_work;
                executor.pay_one(&run, &next).await
            };
            running.spawn(pay.in_current_span());
            while let Some(done) = running.try_join_next() {
                count(done);
            }
        }
        while let Some(done) = running.join_next().await {
            count(done);
        }
        // Another executor has it, payments are paused, or time is short.
        summary.remaining += due.left();
        if lease.is_ours()
            && let Err(error) = self.app.store.lease(shard, &run.request_id, self.app.clock.now()).await
        {
            tracing::warn!(shard, %error, "the lease on a shard was not given back; it ends by itself");
        }
        stopped.map(|()| may_begin && (no_time || !due.is_empty()))
    }

    /// When one may start: by the rate of its gateway account, and by how many are at work; `None`: not in this run.
    async fn turn(&self, run: &Run, due: &Due) -> Option<OwnedSemaphorePermit> {
        let account = self.account(due).await;
        // What names no method there is a payout, or is as good as one: for the rate only.
        let is_payout = due.payment_method == Some(PaymentMethod::Paypal) && due.payment_method_id.is_none();
        let rate = if is_payout { &self.payout_rate } else { &self.rate };
        while let Err(not_yet) = rate.check_key(&account) {
            let wait = not_yet.wait_time_from(DefaultClock::default().now());
            if !run.is_open(self.app.clock.now().plus(wait)) {
                return None;
            }
            tokio::time::sleep(wait).await;
        }
        let permit = Arc::clone(&self.at_work).acquire_owned().await.ok()?;
        run.is_open(self.app.clock.now()).then_some(permit)
    }

    /// The next that is due, while the shard is ours. Another page is read while the last of this one are being paid.
    async fn next(&self, run: &Run, shard: u8, due: &mut Pages, lease: &mut Lease) -> Result<Option<Due>, Stop> {
        if !self.keep(run, shard, lease).await? {
            return Ok(None);
        }
        due.next(&self.app, shard).await
    }

    /// Takes the lease, or says again that it is ours; `false`: another has it. For the rate only: one that can't be
    /// renewed is still ours, as far as anybody knows.
    async fn keep(&self, run: &Run, shard: u8, lease: &mut Lease) -> Result<bool, Stop> {
        let now = self.app.clock.now();
        match *lease {
            Lease::Lost => return Ok(false),
            Lease::Ours(since) if now.since(since) < bounds::LEASE_RENEWAL => return Ok(true),
            Lease::Ours(_) | Lease::None => {}
        }
        let is_ours = match self.app.store.lease(shard, &run.request_id, now.plus(bounds::LEASE)).await {
            Ok(is_ours) => is_ours,
            Err(error) if lease.is_ours() => {
                tracing::warn!(shard, %error, "the lease on a shard could not be renewed");
                true
            }
            Err(error) => return Err(error.into()),
        };
        *lease = if is_ours { Lease::Ours(now) } else { Lease::Lost };
        Ok(is_ours)
    }

    async fn pay_one(&self, run: &Run, due: &Due) -> Result<Executed, Stop> {
        let actor =
            Actor { tenant_id: due.tenant_id.clone(), user_id: UserId::executor(), request_id: run.request_id.clone() };
        let invocation = Invocation { actor, started_at: self.app.clock.now(), deadline: run.deadline };
        let done = execute_due(&self.app, &invocation, due).await;
        if let Err(error) = &done {
            tracing::error!(
                tenant_id = %due.tenant_id, invoice_id = %due.invoice_id, schedule_id = %due.schedule_id,
                error = error.chain(), "a scheduled payment could not be executed; it stays due"
            );
        }
        if let Err(Stop::Secret(error @ (SecretError::Malformed(_) | SecretError::Refused { .. }))) = &done {
            let by = due.payment_method.unwrap_or(PaymentMethod::Stripe);
            call_about_secret(&self.app, &invocation, by, error).await?;
        }
        done
    }

    /// Whose rate it is: the gateway account's, where there is one.
    async fn account(&self, due: &Due) -> String {
        let gateways: &[Gateway] = match due.payment_method {
            Some(PaymentMethod::Paypal) => &[Gateway::Paypal],
            // Which of its providers a bank payment goes over is not known before all is read: Stripe takes the fewest.
            Some(PaymentMethod::Ach) => &[Gateway::Stripe, Gateway::Plaid],
            Some(PaymentMethod::Stripe) | None => &[Gateway::Stripe],
        };
        for gateway in gateways {
            if let Ok(keys) = self.app.secrets.keys(&due.tenant_id, *gateway).await {
                return keys.account().to_owned();
            }
        }
        due.tenant_id.to_string()
    }
}
