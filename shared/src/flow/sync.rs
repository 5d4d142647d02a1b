//! Plaid's events: asked for from where the tenant's cursor stands, each applied once.
//!
//! Plaid's webhook says only that there are some; the executor asks too, in case one is lost. The cursor moves on by a
//! conditional write, past what is applied: one event that can't be applied holds it, and not the events behind. Two who
//! ask at once do no harm, since the mark of each event is in the transaction of what it brings about.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::receive::{Arrival, Received, receive};
use super::{Invocation, Stop};
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::gateway::plaid::event::is_worth_a_look;
use crate::gateway::plaid::{Events, PlaidEvent};
use crate::gateway::{Hint, Labels, Outcome, Refunded, Told, Trouble};
use crate::id::{AlertId, TenantId, UserId};
use crate::model::alert::{Alert, AlertKind};
use crate::model::audit::Actor;
use crate::model::event::Event;
use crate::model::movement::shard;
use crate::model::payment::Gateway;
use crate::policy::failure;
use crate::secrets::{Keys, PlaidSecret, SecretError};
use crate::store::commit::{Commit, CommitError};
use crate::store::{Consistency, Cursor, Key, Position};

/// Makes sure that Plaid's events are asked for as long as a payment that is made now may come back. `known`: the cursor
/// as it was read; once a day it is written.
///
/// # Errors
/// The store; nothing was reserved then.
pub(super) async fn watch(app: &App, invocation: &Invocation, keys: &Keys, known: Option<&Cursor>) -> Result<(), Stop> {
    if keys.gateway() != Gateway::Plaid {
        return Ok(());
    }
    let (tenant, now) = (invocation.tenant(), app.clock.now());
    let watch_until = now.plus(bounds::PLAID_WATCH);
    let mut known = known.cloned();
    for round in 1..=bounds::DECISIONS {
        let position = known.as_ref().and_then(|cursor| cursor.accounts.get(keys.account())).copied();
        if position.is_some_and(|position| position.watch_until >= watch_until.minus(bounds::DAILY)) {
            return Ok(());
        }
        let mut cursor = known.unwrap_or_else(|| Cursor {
            accounts: BTreeMap::new(),
            next_check_at: None,
            sync_shard: None,
            synced_at: now,
            called_at: None,
            revision: 0,
        });
        let Position { after, since, .. } = position.unwrap_or(Position { after: 0, since: now, watch_until });
        cursor.accounts.insert(keys.account().to_owned(), Position { after, since, watch_until });
        cursor.next_check_at = cursor.next_check_at.or(Some(now.plus(bounds::DAILY)));
        cursor.sync_shard = Some(shard(tenant));
        cursor.revision += 1;
        match write(app, invocation, &cursor).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round).await => {
                known = app.store.get(&Key::cursor(tenant)).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Busy)
}

async fn write(app: &App, invocation: &Invocation, cursor: &Cursor) -> Result<(), CommitError> {
    let mut commit = Commit::default();
    commit.cursor(&app.store, invocation.tenant(), cursor);
    app.store.commit(commit, invocation.deadline).await
}

/// Applies all that Plaid tells of the tenant's transfers, with a fresh secret should it refuse the one at hand; the
/// secret that it was told under.
///
/// # Errors
/// Whatever kept an event from being applied, or from being heard of: it is asked for again.
pub async fn sync(app: &App, invocation: &Invocation, secret: &Arc<PlaidSecret>) -> Result<Arc<PlaidSecret>, Stop> {
    match sync_with(app, invocation, secret).await {
        Err(Stop::Gateway(why)) if why == Trouble::KeyRefused.as_str() => {
            let Keys::Plaid(fresh) = app.secrets.keys_anew(invocation.tenant(), Gateway::Plaid).await? else {
                return Err(Stop::Impossible("keys of another gateway"));
            };
            sync_with(app, invocation, &fresh).await.map(|()| fresh)
        }
        done => done.map(|()| Arc::clone(secret)),
    }
}

async fn sync_with(app: &App, invocation: &Invocation, secret: &Arc<PlaidSecret>) -> Result<(), Stop> {
    let cursor = app.store.get::<Cursor>(&Key::cursor(invocation.tenant())).await?;
    let position = cursor.and_then(|cursor| cursor.accounts.get(&secret.client_id).copied());
    // Nothing was ever paid over this account.
    let Some(Position { after, since, .. }) = position else { return Ok(()) };
    let mut heard = Heard { after, stuck: None };
    loop {
        let (is_last, stopped) = match page(app, invocation, secret, heard.after).await {
            Ok(page) => {
                let stopped = apply_all(app, invocation, secret, &page.events, since, &mut heard).await.err();
                (!page.has_more || page.events.is_empty(), stopped)
            }
            Err(stop) => (false, Some(stop)),
        };
        let is_done = is_last && stopped.is_none() && heard.stuck.is_none();
        move_on(app, invocation, secret, heard.applied(), is_done).await?;
        if is_last || stopped.is_some() {
            let stuck = heard.stuck.map(|(_, stop)| stop);
            return stuck.or(stopped).map_or(Ok(()), Err);
        }
    }
}

/// How far one sync has come.
struct Heard {
    /// The last event that was looked at.
    after: u64,
    /// The first that could not be applied, and why.
    stuck: Option<(u64, Stop)>,
}

impl Heard {
    /// The last event before which everything is applied.
    fn applied(&self) -> u64 {
        self.stuck.as_ref().map_or(self.after, |(id, _)| id.saturating_sub(1))
    }
}

async fn page(app: &App, invocation: &Invocation, secret: &PlaidSecret, after: u64) -> Result<Events, Stop> {
    let Some(timeout) = invocation.gateway_time(app) else { return Err(Stop::Busy) };
    app.plaid.events(secret, after, timeout).await.map_err(unanswered)
}

fn unanswered(trouble: Trouble) -> Stop {
    Stop::Gateway(trouble.as_str())
}

/// Applies the events of a page, but for those that are dealt with, and those from before our time.
///
/// # Errors
/// [`Stop::Busy`] when time is short, or the store. An event that can't be applied stops none behind it.
async fn apply_all(
    app: &App,
    invocation: &Invocation,
    secret: &Arc<PlaidSecret>,
    events: &[PlaidEvent],
    since: Time,
    heard: &mut Heard,
) -> Result<(), Stop> {
    let wanted = |event: &&PlaidEvent| event.transfer.is_some() && is_worth_a_look(&event.kind);
    let named = |event: &PlaidEvent| named(invocation.tenant(), secret, event);
    let marks = events.iter().filter(wanted).map(|event| Key::event(&named(event)));
    let dealt_with = app.store.read(marks, Consistency::Strong).await?;
    for event in events {
        if wanted(&event) && !dealt_with.has(&Key::event(&named(event))) {
            if invocation.gateway_time(app).is_none() {
                return Err(Stop::Busy);
            }
            // The account may have a history: what is of a time before ours is asked for only where we know it.
            // One whose time can't be read may be of any.
            let is_old = event.at < since.minus(bounds::DAILY) && event.at != Time::from_millis(0);
            if is_old && !is_known(app, invocation, event).await? {
                heard.after = heard.after.max(event.id);
                continue;
            }
            match Box::pin(apply(app, invocation, secret, event)).await {
                // As long as the cursor is held, it is asked for each time: what is nobody's only once.
                Ok(Received::NotOurs) if heard.stuck.is_some() => pass(app, invocation, named(event)).await?,
                Ok(_) => {}
                Err(stop) => {
                    tracing::warn!(event = event.id, kind = event.kind, error = %stop, "event not applied: it is asked for again");
                    heard.stuck.get_or_insert((event.id, stop));
                }
            }
        }
        heard.after = heard.after.max(event.id);
    }
    Ok(())
}

/// Whether an event is about a transfer that is in the books by Plaid's id.
async fn is_known(app: &App, invocation: &Invocation, event: &PlaidEvent) -> Result<bool, Stop> {
    match &event.transfer {
        Some(transfer) => Ok(app.store.by_reference(invocation.tenant(), transfer).await?.is_some()),
        None => Ok(false),
    }
}

/// Marks an event that is nobody's.
async fn pass(app: &App, invocation: &Invocation, event: Event) -> Result<(), Stop> {
    let mut commit = Commit::default();
    commit.event(&app.store, &event, app.clock.now());
    match app.store.commit(commit, invocation.deadline).await {
        Ok(()) | Err(CommitError::Conflict(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What is remembered of an event.
fn named(tenant: &TenantId, secret: &PlaidSecret, event: &PlaidEvent) -> Event {
    Event {
        tenant_id: tenant.clone(),
        gateway: Gateway::Plaid.as_str(),
        // Each account counts its own.
        id: format!("{}.{}", secret.client_id, event.id),
        kind: event.kind.clone(),
    }
}

/// Moves the cursor on, never back; `all`: there is nothing left to ask for until tomorrow.
async fn move_on(app: &App, invocation: &Invocation, secret: &PlaidSecret, after: u64, all: bool) -> Result<(), Stop> {
    let now = app.clock.now();
    rewrite(app, invocation, |cursor| {
        let Some(position) = cursor.accounts.get_mut(&secret.client_id) else { return false };
        position.after = position.after.max(after);
        cursor.next_check_at =
            if all { next_check(cursor, now, bounds::DAILY) } else { Some(now.plus(bounds::FIRST_CHECK)) };
        cursor.synced_at = if all { now } else { cursor.synced_at };
        cursor.called_at = None;
        true
    })
    .await
}

/// Nothing can be asked for with the secret as it is, that of the account `asked`: that is looked at again tomorrow, and
/// sooner where there is none, since one that is new may not have been seen. `called_at`: when a person was called last.
async fn put_off(app: &App, invocation: &Invocation, asked: Option<&str>, called_at: Option<Time>) -> Result<(), Stop> {
    let now = app.clock.now();
    rewrite(app, invocation, |cursor| {
        // A payment over the account was made meanwhile: it stays due.
        if asked.is_some_and(|account| cursor.accounts.contains_key(account)) {
            return false;
        }
        let pause = if asked.is_some() { bounds::DAILY } else { bounds::PLAID_SECRET_PAUSE };
        cursor.next_check_at = next_check(cursor, now, pause);
        cursor.called_at = called_at;
        true
    })
    .await
}

/// When to ask next where nothing is left to ask for; `None`: nothing can come back any more.
fn next_check(cursor: &Cursor, now: Time, pause: Duration) -> Option<Time> {
    let is_watched = cursor.accounts.values().any(|position| now < position.watch_until);
    is_watched.then(|| now.plus(pause))
}

/// Changes the cursor as it is now, unless `change` says that there is nothing to change.
async fn rewrite(app: &App, invocation: &Invocation, change: impl Fn(&mut Cursor) -> bool) -> Result<(), Stop> {
    let tenant = invocation.tenant();
    for round in 1..=bounds::DECISIONS {
        let Some(mut cursor) = app.store.get::<Cursor>(&Key::cursor(tenant)).await? else { return Ok(()) };
        if !change(&mut cursor) {
            return Ok(());
        }
        cursor.sync_shard = cursor.next_check_at.map(|_| shard(tenant));
        cursor.revision += 1;
        match write(app, invocation, &cursor).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round).await => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Busy)
}

/// Applies one event, by what Plaid shows of its transfer now.
async fn apply(
    app: &App,
    invocation: &Invocation,
    secret: &Arc<PlaidSecret>,
    event: &PlaidEvent,
) -> Result<Received, Stop> {
    let Some(transfer) = &event.transfer else { return Ok(Received::NotOurs) };
    let time = || invocation.gateway_time(app).ok_or(Stop::Busy);
    let shown = match &event.refund {
        Some(refund) => {
            let shown = app.plaid.refund_shown(secret, refund, time()?).await.map_err(unanswered)?;
            shown.map(|refund| (Labels::default(), Hint::Refunds(Refunded::One(Box::new(refund)))))
        }
        None => {
            let shown = app.plaid.shown(secret, transfer, time()?).await.map_err(unanswered)?;
            shown.map(|(labels, answer)| (labels, Hint::Payment(Box::new(answer))))
        }
    };
    let Some((labels, hint)) = shown else {
        // What Plaid does not know is nobody's, unless it is ours: then a person must look.
        return if is_known(app, invocation, event).await? {
            Err(Stop::Gateway("Plaid tells of a transfer of ours and does not show it"))
        } else {
            Ok(Received::NotOurs)
        };
    };
    if is_behind(&hint, event) {
        return Err(Stop::Gateway("a transfer at Plaid is behind its event"));
    }
    let arrival = Arrival {
        event: named(invocation.tenant(), secret, event),
        created_at: event.at,
        told: Told::Payment { reference: transfer.clone(), labels, hint },
        keys: Keys::Plaid(Arc::clone(secret)),
    };
    receive(app, invocation, &arrival).await
}

/// Whether a transfer, as it was read, has not come to what an event tells of it.
fn is_behind(hint: &Hint, event: &PlaidEvent) -> bool {
    let Hint::Payment(answer) = hint else { return false };
    match event.kind.as_str() {
        "returned" => !answer.came_back,
        "failed" => !matches!(answer.outcome, Outcome::Declined(_)),
        "cancelled" => answer.outcome != Outcome::Canceled,
        "settled" | "funds_available" => answer.outcome == Outcome::Pending,
        _ => false,
    }
}

/// Asks for the events of every tenant of which none were heard for a day, until `deadline`.
///
/// # Errors
/// The store, when the index can't be read. What fails for one tenant is logged and left for the next time.
pub async fn sync_due(app: &App, request_id: &str, deadline: Time) -> Result<(), Stop> {
    let now = app.clock.now();
    for shard in 0..bounds::SHARDS {
        for tenant in app.store.due_for_sync(shard, now).await? {
            if app.clock.now().plus(bounds::SETTLE_RESERVE) >= deadline {
                return Ok(());
            }
            if let Err(error) = sync_tenant(app, &tenant, request_id, deadline).await {
                tracing::warn!(tenant_id = %tenant, error = error.chain(), "events at Plaid are left for the next time");
            }
        }
    }
    Ok(())
}

async fn sync_tenant(app: &App, tenant: &TenantId, request_id: &str, deadline: Time) -> Result<(), Stop> {
    let actor = Actor { tenant_id: tenant.clone(), user_id: UserId::executor(), request_id: request_id.to_owned() };
    let started_at = app.clock.now();
    // One tenant with much to tell keeps the others waiting no longer.
    let deadline = deadline.min(started_at.plus(bounds::SYNC_TIME));
    let invocation = Invocation { actor, started_at, deadline };
    let done = match app.secrets.keys(tenant, Gateway::Plaid).await {
        Ok(Keys::Plaid(secret)) => sync(app, &invocation, &secret).await.map(Some),
        Ok(_) => Err(Stop::Impossible("keys of another gateway")),
        Err(SecretError::Missing(_)) => Ok(None),
        Err(error) => Err(error.into()),
    };
    let Some(cursor) = app.store.get::<Cursor>(&Key::cursor(tenant)).await? else { return done.map(drop) };
    match done {
        Ok(asked) => missed(app, &invocation, &cursor, asked.as_ref().map(|secret| secret.client_id.as_str())).await,
        Err(stop) => {
            // It is tried again; when that goes on beyond the day after the last time, somebody must know.
            if app.clock.now().since(cursor.synced_at) >= bounds::DAILY + bounds::EVENT_EARLY {
                let message =
                    format!("Plaid's events have not been applied since {}: {}.", cursor.synced_at, stop.chain());
                call(app, &invocation, AlertKind::EventNotApplied, message).await?;
            }
            Err(stop)
        }
    }
}

/// Calls a person, once a day, where payments may still come back over another client than was `asked`, the secret's;
/// `None`: it is gone.
async fn missed(app: &App, invocation: &Invocation, cursor: &Cursor, asked: Option<&str>) -> Result<(), Stop> {
    let now = app.clock.now();
    let is_missed = |(other, position): &(&String, &Position)| asked != Some(other) && now < position.watch_until;
    // A secret that is gone is looked for more often than that.
    let is_called = asked.is_none() && cursor.called_at.is_some_and(|at| now.since(at) < bounds::DAILY);
    let missed = cursor.accounts.iter().find(is_missed).filter(|_| !is_called);
    if let Some((other, _)) = missed {
        let secret = asked.map_or_else(|| "is gone".to_owned(), |account| format!("names {account}"));
        let message = format!(
            "Payments over Plaid's client {other} may still come back, and its events can't be asked for: the secret {secret}."
        );
        call(app, invocation, AlertKind::AccountChanged, message).await?;
    }
    match asked {
        Some(account) if cursor.accounts.contains_key(account) => Ok(()),
        // Nothing was ever paid over this account.
        _ => put_off(app, invocation, asked, missed.map_or(cursor.called_at, |_| Some(now))).await,
    }
}

/// Calls a person about the tenant's events.
async fn call(app: &App, invocation: &Invocation, kind: AlertKind, message: String) -> Result<(), Stop> {
    let tenant = invocation.tenant();
    let (severity, next_action) = failure::next_action(kind);
    let alert = Alert {
        tenant_id: tenant.clone(),
        alert_id: AlertId::of(tenant, kind.as_str(), "sync/plaid"),
        kind,
        severity,
        invoice_id: None,
        payment_id: None,
        schedule_id: None,
        method_id: None,
        message,
        next_action: next_action.to_owned(),
        at: app.clock.now(),
    };
    let mut commit = Commit::default();
    commit.alert(&alert);
    Ok(app.store.commit(commit, invocation.deadline).await?)
}
