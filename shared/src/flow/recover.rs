//! Recovery: finding out what became of a payment or refund, and finishing it.
//!
//! Looks it up at the gateway first, where another send is not the look-up itself. Sends again only when the fence has passed, after a write that renews it, and only
//! while the key still protects; afterwards nothing but a look-up or a person ends it. Never concludes "failed" from
//! an absence.

use std::time::Duration;

use tokio::task::JoinSet;
use tracing::Instrument;

use super::keys::may_be_given_up;
use super::record::{Told, record};
use super::send::{Earlier, Sent, send};
use super::settle::{Finding, Pace, Source, reread, settle, waits_until};
use super::{Invocation, Stop};
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::gateway::{Answer, Found, NextAction, Outcome, Trouble, stripe};
use crate::id::{RefundId, TenantId, UserId};
use crate::model::alert::RunAction;
use crate::model::audit::Actor;
use crate::model::movement::Movement;
use crate::model::payment::{Gateway, Payment, PaymentStatus};
use crate::model::refund::Refund;
use crate::model::schedule::Next;
use crate::model::transition::{self, Case, Report};
use crate::policy::retry;
use crate::secrets::{Keys, SecretError};
use crate::store::commit::{Commit, CommitError};
use crate::store::{Consistency, Key, StoreError, Table};

/// A case as it stands after recovery, with what its customer needs to act.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The payment or refund, with what is above it.
    pub case: Case,
    /// What its customer needs; read from the gateway each time, never stored.
    pub next_action: Option<NextAction>,
}

impl Recovered {
    fn as_it_is(case: Case) -> Self {
        Self { case, next_action: None }
    }
}

/// Recovers what somebody touches, unless it is settled or was looked up moments ago; `None`: it is as it was read.
///
/// # Errors
/// The store.
pub async fn touch(app: &App, invocation: &Invocation, movement: Movement<'_>) -> Result<Option<Recovered>, Stop> {
    let checked_at = movement.progress().checked_at;
    let fresh = checked_at.is_some_and(|at| app.clock.now().since(at) < bounds::LOOKUP_PAUSE);
    // What a customer needs to act is not stored: it is asked for each time.
    if !movement.is_unsettled() || (fresh && !movement.waits_for_customer()) {
        return Ok(None);
    }
    recover(app, invocation, movement, Pace::Touch).await.map(Some)
}

/// The same, for a payment.
///
/// # Errors
/// The store.
pub async fn touch_payment(
    app: &App,
    invocation: &Invocation,
    payment: Payment,
) -> Result<(Payment, Option<NextAction>), Stop> {
    let recovered = touch(app, invocation, Movement::Payment(&payment)).await?;
    Ok(recovered.map_or((payment, None), |recovered| (recovered.case.payment, recovered.next_action)))
}

/// Looks a payment or refund up and finishes it as far as can be.
///
/// # Errors
/// The store.
pub async fn recover(
    app: &App,
    invocation: &Invocation,
    movement: Movement<'_>,
    pace: Pace,
) -> Result<Recovered, Stop> {
    // Each way on is boxed: all of them within one frame, below a webhook's, would be too deep for a thread's stack.
    let case = reread(app, movement).await?;
    if !case.movement().is_unsettled() {
        return Ok(Recovered::as_it_is(case));
    }
    let keys = match account_keys(app, case.movement()).await {
        Ok(keys) => keys,
        // It is what it was, and is answered so.
        Err(trouble) => return Box::pin(note(app, invocation, case, trouble, pace)).await,
    };
    if is_found_by_sending(case.movement()) && may_send_again(app, &case) {
        return Box::pin(send_again(app, invocation, case, keys, pace)).await;
    }
    // Nothing of it can be captured before its order is in our books.
    if case.movement().order().is_none() && is_given_up(app, case.movement()) {
        let answer = Answer::without_object(Outcome::Canceled, false);
        return Box::pin(found_object(app, invocation, case, answer, &keys, pace)).await;
    }
    let (found, keys) = look_up(app, invocation, case.movement(), keys).await;
    match found {
        Found::Nothing if was_never_sent(app, &case) => {
            let finding = Finding { sent: Sent::never(), source: Source::Lookup, action: RunAction::Recover };
            let case = settle(app, invocation, case, &finding, pace).await?;
            Ok(Recovered::as_it_is(case))
        }
        Found::Object(answer) if goes_on_by_us(case.movement(), &answer) && may_send_again(app, &case) => {
            Box::pin(send_again(app, invocation, case, keys, pace)).await
        }
        Found::Object(answer) => Box::pin(found_object(app, invocation, case, answer, &keys, pace)).await,
        // The order is not there any more, and we have not captured it.
        Found::Nothing if is_given_up(app, case.movement()) => {
            let answer = Answer::without_object(Outcome::Canceled, false);
            Box::pin(found_object(app, invocation, case, answer, &keys, pace)).await
        }
        Found::Nothing if may_send_again(app, &case) && !case.movement().waits_for_customer() => {
            Box::pin(send_again(app, invocation, case, keys, pace)).await
        }
        Found::Nothing => Box::pin(note(app, invocation, case, Trouble::Lost, pace)).await,
        Found::Unanswered(trouble) => Box::pin(note(app, invocation, case, trouble, pace)).await,
    }
}

/// The secret of the account that something was reserved for. Where it is another's or gone, a stale cache is excluded
/// first; nothing is sent or asked there.
pub(super) async fn account_keys(app: &App, movement: Movement<'_>) -> Result<Keys, Trouble> {
    let (tenant, gateway) = (movement.tenant_id(), movement.gateway());
    let is_right = |keys: &Keys| keys.account() == movement.account();
    let keys = match app.secrets.keys(tenant, gateway).await {
        Ok(keys) if is_right(&keys) => Ok(keys),
        Ok(_) | Err(SecretError::Missing(_)) => app.secrets.keys_anew(tenant, gateway).await,
        Err(error) => Err(error),
    };
    match keys {
        Ok(keys) if is_right(&keys) => Ok(keys),
        Ok(_) | Err(SecretError::Missing(_)) => Err(Trouble::OtherAccount),
        Err(error) => {
            tracing::error!(tenant_id = %movement.tenant_id(), id = movement.id(), %error, "the gateway could not be asked");
            Err(if matches!(error, SecretError::Unavailable { .. }) {
                Trouble::Unreachable
            } else {
                Trouble::KeyRefused
            })
        }
    }
}

/// Looks it up, with a fresh secret should the gateway refuse the key.
pub(super) async fn look_up(app: &App, invocation: &Invocation, movement: Movement<'_>, keys: Keys) -> (Found, Keys) {
    let time = || invocation.gateway_time(app);
    let found = keys.find(app, movement, movement.order(), &time).await;
    if !matches!(found, Found::Unanswered(Trouble::KeyRefused)) {
        return (found, keys);
    }
    match app.secrets.keys_anew(movement.tenant_id(), movement.gateway()).await {
        Ok(fresh) if fresh.account() == movement.account() => {
            (fresh.find(app, movement, movement.order(), &time).await, fresh)
        }
        _ => (found, keys),
    }
}

async fn found_object(
    app: &App,
    invocation: &Invocation,
    case: Case,
    mut answer: Answer,
    keys: &Keys,
    pace: Pace,
) -> Result<Recovered, Stop> {
    let movement = case.movement();
    let now = app.clock.now();
    let overdue = movement.waits_for_customer() && now >= waits_until(&case.payment);
    // What was refused as it was confirmed is open there, and could be confirmed yet.
    let unconfirmed = answer.outcome == Outcome::Unknown(Trouble::Undecided)
        && answer.gateway_code.as_deref() == Some(stripe::UNCONFIRMED)
        && retry::failure_is_final(now, movement.progress().send_until)
        && !Sent::found(movement, answer.clone()).mismatch;
    if (overdue || unconfirmed)
        && !matches!(answer.outcome, Outcome::Succeeded | Outcome::Canceled)
        && let Some(timeout) = invocation.gateway_time(app)
        && let Found::Object(after) = keys.cancel(app, movement, answer.clone(), timeout).await
    {
        answer = after;
    }
    let next_action = answer.next_action.clone();
    let sent = Sent::found(movement, answer);
    let next_action = next_action.filter(|_| !sent.mismatch);
    let finding = Finding { sent, source: Source::Lookup, action: RunAction::Recover };
    let case = settle(app, invocation, case, &finding, pace).await?;
    let waits = case.movement().waits_for_customer();
    Ok(Recovered { case, next_action: next_action.filter(|_| waits) })
}

/// Whether what the gateway does not show may be sent again.
fn may_send_again(app: &App, case: &Case) -> bool {
    let (now, movement) = (app.clock.now(), case.movement());
    // What its bank has taken back meanwhile is not given back once more.
    let is_owed = case.refund.is_none() || case.payment.status != PaymentStatus::Returned;
    is_owed
        && movement.is_unsettled()
        && movement.may_be_under_way()
        && movement.reference().is_none()
        && now >= movement.progress().send_until
        && retry::key_protects(now, movement)
        && !app.config.payments_paused
}

/// Whether Plaid would show a transfer, and shows none. It takes an authorization for an hour: whoever was stopped before
/// the transfer can't make it any more. Without one nothing was sent, and once the key has expired nothing will be.
fn was_never_sent(app: &App, case: &Case) -> bool {
    let (now, payment) = (app.clock.now(), &case.payment);
    let is_ours_to_say = case.refund.is_none()
        && payment.frozen.gateway == Gateway::Plaid
        && payment.reference().is_none()
        && retry::failure_is_final(now, payment.progress.send_until);
    is_ours_to_say
        && match &payment.authorization {
            Some(authorization) => now >= authorization.at.plus(bounds::PLAID_UNUSED),
            None => !retry::key_protects(now, case.movement()),
        }
}

/// Whether what is shown goes on only by a send of ours: an order that its customer has approved.
fn goes_on_by_us(movement: Movement<'_>, answer: &Answer) -> bool {
    let is_approved = answer.begun.is_some() && answer.seen.is_none() && answer.again;
    is_approved
        && answer.outcome == Outcome::Unknown(Trouble::Undecided)
        && !Sent::found(movement, answer.clone()).mismatch
}

/// Whether PayPal answers the same send with what an earlier one has made, while its list of events may lag, be long, or
/// be closed to us. Never of a payout: nothing protects it for ever.
fn is_found_by_sending(movement: Movement<'_>) -> bool {
    let is_known = movement.reference().or(movement.order()).is_some();
    movement.gateway() == Gateway::Paypal && !movement.is_payout() && !is_known && !movement.waits_for_customer()
}

/// Whether an order that is gone has waited for its customer for so long that its absence is its end.
fn is_given_up(app: &App, movement: Movement<'_>) -> bool {
    let now = app.clock.now();
    let Movement::Payment(payment) = movement else { return false };
    let is_forgotten = payment.order_id.is_some() && now >= payment.created_at.plus(bounds::PAYPAL_APPROVAL);
    (is_forgotten || now >= waits_until(payment)) && may_be_given_up(now, movement)
}

async fn send_again(app: &App, invocation: &Invocation, case: Case, keys: Keys, pace: Pace) -> Result<Recovered, Stop> {
    let is_over = retry::failure_is_final(app.clock.now(), case.movement().progress().send_until);
    let earlier = if is_over { Earlier::Over } else { Earlier::Unknown };
    let (commit, renewed) = renewed(app, invocation, &case);
    match app.store.commit(commit, invocation.deadline).await {
        Ok(()) => {}
        // Somebody else renewed the fence, or settled: theirs is the send.
        Err(CommitError::Conflict(_)) => return Ok(Recovered::as_it_is(reread(app, case.movement()).await?)),
        Err(CommitError::Store(error)) => return Err(error.into()),
        Err(_) => return Ok(Recovered::as_it_is(case)),
    }
    let (renewed, sent) = send(app, invocation, renewed, keys, earlier).await;
    let next_action = sent.next_action.clone();
    let finding = Finding { sent, source: Source::Reply, action: RunAction::Recover };
    let case = settle(app, invocation, renewed, &finding, pace).await?;
    let waits = case.movement().waits_for_customer();
    Ok(Recovered { case, next_action: next_action.filter(|_| waits) })
}

/// The write that renews the fence. Where a customer has approved an order, it also says that we go on: from then on
/// nobody may believe that nothing was captured.
fn renewed(app: &App, invocation: &Invocation, case: &Case) -> (Commit, Case) {
    let now = app.clock.now();
    if let Some(mut change) = transition::apply(case, Report::Capturing, None, &Next::Nothing, None, now) {
        let progress = change.case.progress_mut();
        progress.send_until = now.plus(bounds::SEND_WINDOW);
        progress.next_check_at = Some(now.plus(bounds::FIRST_CHECK));
        progress.checks = 0;
        return record(app, invocation, case, change, Told::action("capture"));
    }
    let mut renewed = case.clone();
    let progress = renewed.progress_mut();
    progress.revision += 1;
    progress.send_until = now.plus(bounds::SEND_WINDOW);
    let mut commit = Commit::default();
    match &renewed.refund {
        Some(refund) => commit.refund(&app.store, refund),
        None => commit.payment(&app.store, &renewed.payment),
    }
    (commit, renewed)
}

/// Nothing is known: the next check is set, and past the key's lifetime a person is called.
async fn note(app: &App, invocation: &Invocation, case: Case, trouble: Trouble, pace: Pace) -> Result<Recovered, Stop> {
    let sent = Sent::found(case.movement(), Answer::without_object(Outcome::Unknown(trouble), false));
    let finding = Finding { sent, source: Source::Lookup, action: RunAction::Recover };
    settle(app, invocation, case, &finding, pace).await.map(Recovered::as_it_is)
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Payments and refunds whose check was due.
    pub due: u32,
    /// Of those, settled now.
    pub recovered: u32,
    /// Of those, still open.
    pub remaining: u32,
}

/// Recovers every payment and refund whose next check is due, of all tenants, until `deadline`.
///
/// # Errors
/// The store, when the index can't be read. What fails for one is logged and left for the next sweep.
pub async fn sweep(app: &App, request_id: &str, deadline: Time) -> Result<Swept, Stop> {
    let now = app.clock.now();
    // First, so that a sweep with too much to do says it all the same.
    if let Err(error) = report_unsettled(app).await {
        tracing::warn!(%error, "what is unsettled could not be counted");
    }
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
                let recover = async move {
                    let recovered = recover_one(&app, &tenant, &id, request_id, deadline, now).await;
                    recovered.inspect_err(|error| {
                        tracing::error!(tenant_id = %tenant, id, %error, "a payment or refund could not be recovered");
                    })
                };
                running.spawn(recover.in_current_span());
            }
            let Some(done) = running.join_next().await else { break };
            match done {
                Ok(Ok(true)) => swept.recovered += 1,
                Ok(Ok(false) | Err(_)) => swept.remaining += 1,
                Err(error) => {
                    tracing::error!(%error, "recovery of a payment or refund panicked");
                    swept.remaining += 1;
                }
            }
        }
        swept.remaining += u32::try_from(due.count()).unwrap_or(u32::MAX);
    }
    Ok(swept)
}

/// Says how much is unsettled, and since when the oldest is: no sweep may leave either to grow unseen.
async fn report_unsettled(app: &App) -> Result<(), StoreError> {
    let (mut count, mut oldest) = (0, None::<Time>);
    for shard in 0..bounds::SHARDS {
        let (more, begun) = app.store.unsettled(shard).await?;
        count += more;
        oldest = oldest.into_iter().chain(begun).min();
    }
    let now = app.clock.now();
    app.metrics.unsettled(count, oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)), now);
    Ok(())
}

/// Whether the payment or refund is settled afterwards.
async fn recover_one(
    app: &App,
    tenant: &TenantId,
    id: &str,
    request_id: String,
    deadline: Time,
    now: Time,
) -> Result<bool, Stop> {
    let key = Key::new(Table::Payments, tenant, id);
    let found = app.store.read([key.clone()], Consistency::Strong).await?;
    let refund: Option<Refund> = if id.parse::<RefundId>().is_ok() { found.get(&key)? } else { None };
    let payment: Option<Payment> = if refund.is_none() { found.get(&key)? } else { None };
    let movement = match (&refund, &payment) {
        (Some(refund), _) => Movement::Refund(refund),
        (None, Some(payment)) => Movement::Payment(payment),
        (None, None) => return Ok(true),
    };
    // The index may be behind the table.
    if movement.progress().next_check_at.is_none_or(|at| at > now) {
        return Ok(!movement.is_unsettled());
    }
    let actor = Actor { tenant_id: tenant.clone(), user_id: UserId::system(), request_id };
    let invocation = Invocation { actor, started_at: now, deadline };
    let recovered = recover(app, &invocation, movement, Pace::Check).await?;
    Ok(!recovered.case.movement().is_unsettled())
}
