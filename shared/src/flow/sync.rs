//! Plaid's events: asked for from where the tenant's cursor stands, each applied once.
//!
//! Plaid's webhook says only that there are some; the executor asks too, in case one is lost. The cursor moves on by a
//! conditional write, past what is applied: one event that can't be applied holds it, and not the events behind. Two who
//! ask at once do no harm, since the mark of each event is in the transaction of what it brings about.

use std::sync::Arc;

use super::receive::{Arrival, receive};
use super::{Invocation, Stop};
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::gateway::plaid::event::is_worth_a_look;
use crate::gateway::plaid::{Events, PlaidEvent};
use crate::gateway::{Hint, Labels, Refunded, Told, Trouble};
use crate::id::{TenantId, UserId};
use crate::model::audit::Actor;
use crate::model::event::Event;
use crate::model::movement::shard;
use crate::model::payment::Gateway;
use crate::secrets::{Keys, PlaidSecret};
use crate::store::commit::{Commit, CommitError};
use crate::store::{Cursor, Key};

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
    let enough = now.plus(bounds::PLAID_WATCH).minus(bounds::DAILY);
    let mut known = known.cloned();
    for round in 1..=bounds::DECISIONS {
        let of_account = known.as_ref().filter(|cursor| cursor.account == keys.account());
        if of_account.is_some_and(|cursor| cursor.watch_until >= enough) {
            return Ok(());
        }
        let cursor = Cursor {
            account: keys.account().to_owned(),
            // Another account has events of its own.
            after: of_account.map_or(0, |cursor| cursor.after),
            next_check_at: of_account.and_then(|cursor| cursor.next_check_at).or(Some(now.plus(bounds::DAILY))),
            sync_shard: Some(shard(tenant)),
            watch_until: now.plus(bounds::PLAID_WATCH),
            revision: known.as_ref().map_or(1, |cursor| cursor.revision + 1),
        };
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

/// Applies all that Plaid tells of the tenant's transfers.
///
/// # Errors
/// Whatever kept an event from being applied, or from being heard of: it is asked for again.
pub async fn sync(app: &App, invocation: &Invocation, secret: &Arc<PlaidSecret>) -> Result<(), Stop> {
    match ask(app, invocation, secret).await {
        // Rotated since it was cached.
        Err(Stop::Gateway(why)) if why == Trouble::KeyRefused.as_str() => {
            let Keys::Plaid(fresh) = app.secrets.keys_anew(invocation.tenant(), Gateway::Plaid).await? else {
                return Err(Stop::Impossible("keys of another gateway"));
            };
            ask(app, invocation, &fresh).await
        }
        done => done,
    }
}

async fn ask(app: &App, invocation: &Invocation, secret: &Arc<PlaidSecret>) -> Result<(), Stop> {
    let key = Key::cursor(invocation.tenant());
    let cursor = app.store.get::<Cursor>(&key).await?.filter(|cursor| cursor.account == secret.client_id);
    // Nothing was ever paid over this account.
    let Some(cursor) = cursor else { return Ok(()) };
    let mut after = cursor.after;
    // The first event that could not be applied, and why.
    let mut stuck: Option<(u64, Stop)> = None;
    loop {
        let Events { events, has_more } = match page(app, invocation, secret, after).await {
            Ok(page) => page,
            Err(stop) => {
                let behind = stuck.map_or((after, stop), |(id, stop)| (id.saturating_sub(1), stop));
                move_on(app, invocation, secret, behind.0, false).await?;
                return Err(behind.1);
            }
        };
        for event in &events {
            let applied = match invocation.gateway_time(app) {
                Some(_) => Box::pin(apply(app, invocation, secret, event)).await,
                None => Err(Stop::Busy),
            };
            if let Err(stop) = applied {
                tracing::warn!(event = event.id, kind = event.kind, error = %stop, "event not applied: it is asked for again");
                if stuck.is_none() {
                    stuck = Some((event.id, stop));
                }
                if invocation.gateway_time(app).is_none() {
                    break;
                }
            }
            after = after.max(event.id);
        }
        if invocation.gateway_time(app).is_none() {
            let behind = stuck.as_ref().map_or(after, |(id, _)| id.saturating_sub(1));
            move_on(app, invocation, secret, behind, false).await?;
            return Err(stuck.map_or(Stop::Busy, |(_, stop)| stop));
        }
        let is_last = !has_more || events.is_empty();
        let behind = stuck.as_ref().map_or(after, |(id, _)| id.saturating_sub(1));
        move_on(app, invocation, secret, behind, is_last && stuck.is_none()).await?;
        if is_last {
            return stuck.map_or(Ok(()), |(_, stop)| Err(stop));
        }
    }
}

async fn page(app: &App, invocation: &Invocation, secret: &PlaidSecret, after: u64) -> Result<Events, Stop> {
    let Some(timeout) = invocation.gateway_time(app) else { return Err(Stop::Busy) };
    app.plaid.events(secret, after, timeout).await.map_err(|trouble| Stop::Gateway(trouble.as_str()))
}

/// Moves the cursor on, never back; `all`: there is nothing left to ask for until tomorrow.
async fn move_on(app: &App, invocation: &Invocation, secret: &PlaidSecret, after: u64, all: bool) -> Result<(), Stop> {
    let (tenant, now) = (invocation.tenant(), app.clock.now());
    for round in 1..=bounds::DECISIONS {
        let known = app.store.get::<Cursor>(&Key::cursor(tenant)).await?;
        let Some(known) = known.filter(|cursor| cursor.account == secret.client_id) else { return Ok(()) };
        let next_check_at = match all {
            true if now >= known.watch_until => None,
            true => Some(now.plus(bounds::DAILY)),
            false => Some(now.plus(bounds::FIRST_CHECK)),
        };
        let cursor = Cursor {
            after: known.after.max(after),
            sync_shard: next_check_at.map(|_| shard(tenant)),
            next_check_at,
            revision: known.revision + 1,
            ..known
        };
        match write(app, invocation, &cursor).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round).await => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Busy)
}

/// Applies one event, by what Plaid shows of its transfer now.
async fn apply(app: &App, invocation: &Invocation, secret: &Arc<PlaidSecret>, event: &PlaidEvent) -> Result<(), Stop> {
    let Some(transfer) = event.transfer.as_ref().filter(|_| is_worth_a_look(&event.kind)) else { return Ok(()) };
    let time = || invocation.gateway_time(app).ok_or(Stop::Busy);
    let unanswered = |trouble: Trouble| Stop::Gateway(trouble.as_str());
    let (labels, hint) = match &event.refund {
        Some(refund) => match app.plaid.refund_shown(secret, refund, time()?).await.map_err(unanswered)? {
            Some(refund) => (Labels::default(), Hint::Refunds(Refunded::One(Box::new(refund)))),
            None => return Ok(()),
        },
        None => match app.plaid.shown(secret, transfer, time()?).await.map_err(unanswered)? {
            Some((labels, answer)) => (labels, Hint::Payment(Box::new(answer))),
            None => return Ok(()),
        },
    };
    let arrival = Arrival {
        event: Event {
            tenant_id: invocation.tenant().clone(),
            gateway: Gateway::Plaid.as_str(),
            // Each account counts its own.
            id: format!("{}.{}", secret.client_id, event.id),
            kind: event.kind.clone(),
        },
        created_at: event.at,
        told: Told::Payment { reference: transfer.clone(), labels, hint },
        keys: Keys::Plaid(Arc::clone(secret)),
    };
    receive(app, invocation, &arrival).await.map(drop)
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
    let invocation = Invocation { actor, started_at: app.clock.now(), deadline };
    let Keys::Plaid(secret) = app.secrets.keys(tenant, Gateway::Plaid).await? else {
        return Err(Stop::Impossible("keys of another gateway"));
    };
    sync(app, &invocation, &secret).await
}
