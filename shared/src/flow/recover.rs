//! Recovery: finding out what became of a payment, and finishing it.
//!
//! Looks it up at the gateway first. Sends again only when the fence has passed, after a write that renews it, and only
//! while the key still protects; afterwards nothing but a look-up or a person ends it. Never concludes "failed" from
//! an absence.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::send::{Sent, send};
use super::settle::{Finding, Pace, Source, reread, settle, waits_until};
use super::{Invocation, Stop};
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::gateway::{Answer, Found, NextAction, Outcome, Trouble};
use crate::id::{PaymentId, TenantId, UserId};
use crate::model::alert::RunAction;
use crate::model::audit::Actor;
use crate::model::invoice::Invoice;
use crate::model::payment::{Payment, PaymentStatus};
use crate::policy::retry;
use crate::secrets::{SecretError, StripeSecret};
use crate::store::Key;
use crate::store::commit::{Commit, CommitError};

/// A payment as it stands after recovery, with what its customer needs to act.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The payment.
    pub payment: Payment,
    /// What its customer needs; read from the gateway each time, never stored.
    pub next_action: Option<NextAction>,
}

impl Recovered {
    fn as_it_is(payment: Payment) -> Self {
        Self { payment, next_action: None }
    }
}

/// Recovers a payment that somebody touches, unless it is settled or was looked up moments ago.
///
/// # Errors
/// The store.
pub async fn touch(app: &App, invocation: &Invocation, payment: Payment) -> Result<Recovered, Stop> {
    let fresh = payment.checked_at.is_some_and(|at| app.clock.now().since(at) < bounds::LOOKUP_PAUSE);
    // What a customer needs to act is not stored: it is asked for each time.
    let waits = payment.status == PaymentStatus::RequiresAction;
    if !payment.status.is_unsettled() || (fresh && !waits) {
        return Ok(Recovered::as_it_is(payment));
    }
    recover(app, invocation, payment, Pace::Touch).await
}

/// Looks a payment up and finishes it as far as can be.
///
/// # Errors
/// The store.
pub async fn recover(app: &App, invocation: &Invocation, payment: Payment, pace: Pace) -> Result<Recovered, Stop> {
    let (payment, invoice) = reread(app, &payment).await?;
    if !payment.status.is_unsettled() {
        return Ok(Recovered::as_it_is(payment));
    }
    let secret = match account_secret(app, &payment).await {
        Ok(secret) => secret,
        // A payment is what it was, and is answered so.
        Err(trouble) => return note(app, invocation, (payment, invoice), trouble, pace).await,
    };
    let (found, secret) = look_up(app, invocation, &payment, secret).await;
    match found {
        Found::Object(answer) => found_object(app, invocation, (payment, invoice), answer, &secret, pace).await,
        Found::Nothing if may_send_again(app, &payment) => {
            send_again(app, invocation, (payment, invoice), secret, pace).await
        }
        Found::Nothing => note(app, invocation, (payment, invoice), Trouble::Lost, pace).await,
        Found::Unanswered(trouble) => note(app, invocation, (payment, invoice), trouble, pace).await,
    }
}

/// The secret of the account that a payment was reserved for. Where it is another's or gone, a stale cache is excluded
/// first; nothing is sent or asked there.
pub(super) async fn account_secret(app: &App, payment: &Payment) -> Result<Arc<StripeSecret>, Trouble> {
    let is_right = |secret: &Arc<StripeSecret>| secret.account == payment.frozen.account;
    let secret = match app.secrets.stripe(&payment.tenant_id).await {
        Ok(secret) if is_right(&secret) => Ok(secret),
        Ok(_) | Err(SecretError::Missing(_)) => app.secrets.stripe_anew(&payment.tenant_id).await,
        Err(error) => Err(error),
    };
    match secret {
        Ok(secret) if is_right(&secret) => Ok(secret),
        Ok(_) | Err(SecretError::Missing(_)) => Err(Trouble::OtherAccount),
        Err(error) => {
            tracing::error!(payment_id = %payment.id, %error, "the gateway could not be asked about a payment");
            Err(if matches!(error, SecretError::Unavailable { .. }) {
                Trouble::Unreachable
            } else {
                Trouble::KeyRefused
            })
        }
    }
}

/// Looks a payment up, with a fresh secret should the gateway refuse the key.
pub(super) async fn look_up(
    app: &App,
    invocation: &Invocation,
    payment: &Payment,
    secret: Arc<StripeSecret>,
) -> (Found, Arc<StripeSecret>) {
    let time = || invocation.gateway_time(app);
    let until = retry::created_until(app.clock.now(), payment.created_at, payment.send_until);
    let found = app.stripe.find(&secret, payment, until, &time).await;
    if !matches!(found, Found::Unanswered(Trouble::KeyRefused)) {
        return (found, secret);
    }
    match app.secrets.stripe_anew(&payment.tenant_id).await {
        Ok(fresh) if fresh.account == payment.frozen.account => {
            (app.stripe.find(&fresh, payment, until, &time).await, fresh)
        }
        _ => (found, secret),
    }
}

async fn found_object(
    app: &App,
    invocation: &Invocation,
    (payment, invoice): (Payment, Invoice),
    mut answer: Answer,
    secret: &StripeSecret,
    pace: Pace,
) -> Result<Recovered, Stop> {
    let overdue = payment.status == PaymentStatus::RequiresAction && app.clock.now() >= waits_until(&payment);
    if overdue
        && !matches!(answer.outcome, Outcome::Succeeded | Outcome::Canceled)
        && let Some(reference) = payment.reference()
        && let Some(timeout) = invocation.gateway_time(app)
        && let Found::Object(after) = app.stripe.cancel(secret, &payment, reference, timeout).await
    {
        answer = after;
    }
    let next_action = answer.next_action.clone();
    let sent = Sent::found(&payment, answer);
    let next_action = next_action.filter(|_| !sent.mismatch);
    let finding = Finding { sent, source: Source::Lookup, action: RunAction::Recover };
    let payment = settle(app, invocation, (payment, invoice), &finding, pace).await?;
    let waits = payment.status == PaymentStatus::RequiresAction;
    Ok(Recovered { payment, next_action: next_action.filter(|_| waits) })
}

/// Whether a payment that the gateway does not show may be sent again.
fn may_send_again(app: &App, payment: &Payment) -> bool {
    let now = app.clock.now();
    payment.status == PaymentStatus::Processing
        && payment.reference().is_none()
        && now >= payment.send_until
        && retry::key_protects(now, payment.created_at)
        && !app.config.payments_paused
}

async fn send_again(
    app: &App,
    invocation: &Invocation,
    (payment, invoice): (Payment, Invoice),
    secret: Arc<StripeSecret>,
    pace: Pace,
) -> Result<Recovered, Stop> {
    let mut renewed = payment.clone().revised();
    renewed.send_until = app.clock.now().plus(bounds::SEND_WINDOW);
    let mut commit = Commit::default();
    commit.payment(&app.store, &renewed);
    match app.store.commit(commit, invocation.deadline).await {
        Ok(()) => {}
        // Somebody else renewed the fence, or settled: theirs is the send.
        Err(CommitError::Conflict(_)) => return Ok(Recovered::as_it_is(reread(app, &payment).await?.0)),
        Err(CommitError::Store(error)) => return Err(error.into()),
        Err(_) => return Ok(Recovered::as_it_is(payment)),
    }
    let sent = send(app, invocation, &renewed, secret, true).await;
    let next_action = sent.next_action.clone();
    let finding = Finding { sent, source: Source::Reply, action: RunAction::Recover };
    let payment = settle(app, invocation, (renewed, invoice), &finding, pace).await?;
    let waits = payment.status == PaymentStatus::RequiresAction;
    Ok(Recovered { payment, next_action: next_action.filter(|_| waits) })
}

/// Nothing is known: the next check is set, and past the key's lifetime a person is called.
async fn note(
    app: &App,
    invocation: &Invocation,
    known: (Payment, Invoice),
    trouble: Trouble,
    pace: Pace,
) -> Result<Recovered, Stop> {
    let mut sent = Sent::found(&known.0, Answer::without_object(Outcome::Unknown(trouble), false));
    sent.rejected = matches!(trouble, Trouble::KeyRefused | Trouble::Rejected);
    let finding = Finding { sent, source: Source::Lookup, action: RunAction::Recover };
    settle(app, invocation, known, &finding, pace).await.map(Recovered::as_it_is)
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Payments whose check was due.
    pub due: u32,
    /// Of those, settled now.
    pub recovered: u32,
    /// Of those, still open.
    pub remaining: u32,
}

/// Recovers every payment whose next check is due, of all tenants, until `deadline`.
///
/// # Errors
/// The store, when the index can't be read. What fails for one payment is logged and left for the next sweep.
pub async fn sweep(app: &App, request_id: &str, deadline: Time) -> Result<Swept, Stop> {
    let now = app.clock.now();
    let mut swept = Swept::default();
    for shard in 0..bounds::SHARDS {
        let mut due = app.store.due_for_check(shard, now).await?.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < bounds::SWEEP_CONCURRENCY
                && app.clock.now().plus(bounds::SETTLE_RESERVE) < deadline
                && let Some((tenant, id)) = due.next()
            {
                swept.due += 1;
                let (app, request_id) = (app.clone(), request_id.to_owned());
                running.spawn(async move { recover_one(&app, &tenant, &id, request_id, deadline, now).await });
            }
            let Some(done) = running.join_next().await else { break };
            match done {
                Ok(Ok(true)) => swept.recovered += 1,
                Ok(Ok(false)) => swept.remaining += 1,
                Ok(Err(error)) => {
                    tracing::error!(error = %error, "a payment could not be recovered");
                    swept.remaining += 1;
                }
                Err(error) => {
                    tracing::error!(%error, "recovery of a payment panicked");
                    swept.remaining += 1;
                }
            }
        }
        swept.remaining += u32::try_from(due.count()).unwrap_or(u32::MAX);
    }
    Ok(swept)
}

/// Whether the payment is settled afterwards.
async fn recover_one(
    app: &App,
    tenant: &TenantId,
    id: &PaymentId,
    request_id: String,
    deadline: Time,
    now: Time,
) -> Result<bool, Stop> {
    let Some(payment) = app.store.get::<Payment>(&Key::payment(tenant, id)).await? else { return Ok(true) };
    // The index may be behind the table.
    if payment.next_check_at.is_none_or(|at| at > now) {
        return Ok(!payment.status.is_unsettled());
    }
    let actor = Actor { tenant_id: tenant.clone(), user_id: UserId::system(), request_id };
    let invocation = Invocation { actor, started_at: now, deadline };
    let recovered = recover(app, &invocation, payment, Pace::Check).await?;
    Ok(!recovered.payment.status.is_unsettled())
}
