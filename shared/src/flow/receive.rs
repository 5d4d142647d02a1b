//! Receiving what a gateway tells: each event is applied once, in whatever order it comes, or not marked as done, so
//! that it is delivered again.
//!
//! An event is a hint. A success is applied as it stands; everything else is what the gateway shows when it is asked:
//! a failure, refunds, disputes. What an event brings about and the mark that it is dealt with are one transaction.

mod aftermath;
mod method;

use super::alert::alert;
use super::recover::recover;
use super::send::Sent;
use super::settle::{Finding, Pace, Source, schedule_of, settle, was_paid};
use super::{Invocation, Stop};
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::gateway::{Answer, Found, Hint, Labels, Outcome, Told, Trouble};
use crate::id::{AlertId, InvoiceId, PaymentId};
use crate::model::alert::{Alert, AlertKind, RunAction};
use crate::model::event::Event;
use crate::model::invoice::Invoice;
use crate::model::movement::Movement;
use crate::model::payment::Payment;
use crate::model::transition::Case;
use crate::policy::{failure, retry};
use crate::secrets::Keys;
use crate::store::commit::{Commit, CommitError, Part};
use crate::store::{Consistency, Key};

/// An event whose signature has been verified with the tenant's secret.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// What tells it from others.
    pub event: Event,
    /// When it happened.
    pub created_at: Time,
    /// What it says.
    pub told: Told,
    /// The secret that it came under.
    pub keys: Keys,
}

/// What came of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It is applied, or there was nothing left to apply.
    Done,
    /// It was dealt with before.
    Seen,
    /// It is about something that is not ours.
    NotOurs,
}

/// What is asked of an event's payment.
struct About<'a> {
    reference: &'a str,
    hint: &'a Hint,
}

impl About<'_> {
    /// PayPal's order, where that is all that there is.
    fn order(&self) -> Option<&str> {
        let Hint::Payment(answer) = self.hint else { return None };
        answer.begun.as_ref().filter(|_| answer.seen.is_none()).map(|begun| begun.reference.as_str())
    }
}

/// Applies an event.
///
/// # Errors
/// Whatever kept it from being applied; it is not marked then, so that it is delivered again.
pub async fn receive(app: &App, invocation: &Invocation, arrival: &Arrival) -> Result<Received, Stop> {
    let mut received = apply(app, invocation, arrival).await;
    if matches!(received, Err(Stop::Gateway(why)) if why == Trouble::KeyRefused.as_str()) {
        // Rotated since it was cached.
        let fresh = app.secrets.keys_anew(invocation.tenant(), arrival.keys.gateway()).await?;
        received = apply(app, invocation, &Arrival { keys: fresh, ..arrival.clone() }).await;
    }
    let is_old = app.clock.now().since(arrival.created_at) >= bounds::EVENT_EARLY;
    if let Err(Stop::Gateway(why)) = received
        && is_old
        && why != Trouble::OtherAccount.as_str()
    {
        // It is delivered again, but not for ever.
        let message = format!("Event {} ({}) can't be applied: {why}.", arrival.event.id, arrival.event.kind);
        let mut commit = Commit::default();
        commit.alert(&event_alert(app, arrival, AlertKind::EventNotApplied, None, message));
        app.store.commit(commit, invocation.deadline).await?;
    }
    received
}

/// An alert about what an event names.
fn event_alert(
    app: &App,
    arrival: &Arrival,
    kind: AlertKind,
    payment_id: Option<&PaymentId>,
    message: String,
) -> Alert {
    let (severity, next_action) = failure::next_action(kind);
    let tenant = &arrival.event.tenant_id;
    let entity = payment_id.map_or_else(|| format!("event/{}", arrival.event.kind), |id| format!("payment/{id}"));
    Alert {
        tenant_id: tenant.clone(),
        alert_id: AlertId::of(tenant, kind.as_str(), &entity),
        kind,
        severity,
        invoice_id: None,
        payment_id: payment_id.cloned(),
        schedule_id: None,
        method_id: None,
        message,
        next_action: next_action.to_owned(),
        at: app.clock.now(),
    }
}

async fn apply(app: &App, invocation: &Invocation, arrival: &Arrival) -> Result<Received, Stop> {
    match &arrival.told {
        Told::Nothing => Ok(Received::NotOurs),
        Told::Method { reference, detached } => method::receive(app, invocation, arrival, reference, *detached).await,
        Told::Payment { reference, labels, hint } => {
            let about = About { reference, hint };
            let Some((payment_id, invoice_id)) = ours(app, invocation, arrival, &about, labels).await? else {
                return Ok(Received::NotOurs);
            };
            for round in 1..=bounds::DECISIONS {
                let attempt = attempt(app, invocation, arrival, &about, &payment_id, invoice_id.as_ref()).await?;
                if let Some(received) = attempt {
                    return Ok(received);
                }
                if !invocation.wait_for_turn(app, round).await {
                    break;
                }
            }
            Err(Stop::Busy)
        }
    }
}

/// Which payment of ours it is about, and of which invoice where that is told; `None`: of nobody, or of another tenant.
///
/// By our marks on the event's object, else on the PaymentIntent, which costs no round trip to the tables; at last by
/// the gateway's id: somebody may have taken our marks off in the dashboard, or the account is another one by now.
async fn ours(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    about: &About<'_>,
    labels: &Labels,
) -> Result<Option<(PaymentId, Option<InvoiceId>)>, Stop> {
    let tenant = invocation.tenant();
    let mut labels = labels.clone();
    // An event about a PaymentIntent has all of it.
    if labels.payment_id.is_none() && !matches!(about.hint, Hint::Payment(_)) {
        let Some(timeout) = invocation.gateway_time(app) else { return Err(Stop::Busy) };
        let found = arrival.keys.labels(app, about.reference, timeout).await;
        labels = found.map_err(|trouble| Stop::Gateway(trouble.as_str()))?.unwrap_or_default();
    }
    if labels.tenant_id.as_deref().is_some_and(|other| other != tenant.as_str()) {
        return Ok(None);
    }
    let invoice_id = labels.invoice_id.and_then(|id| id.parse().ok());
    if let Some(id) = labels.payment_id.and_then(|id| id.parse().ok()) {
        return Ok(Some((id, invoice_id)));
    }
    let known = app.store.by_reference(tenant, about.reference).await?;
    Ok(known.and_then(|id| id.parse().ok()).map(|id| (id, None)))
}

/// One try on what is read now; `None`: somebody else changed it meanwhile.
async fn attempt(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    about: &About<'_>,
    payment_id: &PaymentId,
    invoice_id: Option<&InvoiceId>,
) -> Result<Option<Received>, Stop> {
    // Refunds only ever go forward: their list may be older than what is read here. Disputes are asked for afterwards.
    let refunds = match about.hint {
        Hint::Refunds(told) => {
            Some(aftermath::refunds(app, invocation, arrival, about.reference, payment_id, Some(told)).await?)
        }
        Hint::TransferReversed(_) => {
            Some(aftermath::refunds(app, invocation, arrival, about.reference, payment_id, None).await?)
        }
        Hint::Payment(_) | Hint::Dispute(..) => None,
    };
    let tenant = invocation.tenant();
    let event_key = Key::event(&arrival.event);
    let payment_key = Key::payment(tenant, payment_id);
    let invoice_key = invoice_id.map(|id| Key::invoice(tenant, id));
    let refund_keys = refunds.iter().flatten().flat_map(|listed| listed.keys(tenant));
    let keys = [event_key.clone(), payment_key.clone()].into_iter().chain(invoice_key).chain(refund_keys);
    let mut found = app.store.read(keys, Consistency::Strong).await?;
    if found.has(&event_key) {
        return Ok(Some(Received::Seen));
    }
    let Some(payment) = found.get::<Payment>(&payment_key)? else {
        return unknown(app, invocation, arrival, payment_id).await.map(Some);
    };
    let invoice_key = Key::invoice(tenant, &payment.invoice_id);
    if !found.has(&invoice_key) {
        found.extend(app.store.read([invoice_key.clone()], Consistency::Strong).await?);
    }
    let invoice = found.get::<Invoice>(&invoice_key)?.ok_or(Stop::Impossible("a payment without its invoice"))?;
    let schedule = schedule_of(app, &invoice).await?;
    let case = Case { invoice, payment, refund: None, schedule };
    if case.payment.frozen.account != arrival.keys.account() {
        // The other account can't be asked. Once its secret is back, the event is wanted again.
        let mut commit = Commit::default();
        commit.alert(&alert(&case, AlertKind::AccountChanged, None, app.clock.now()));
        app.store.commit(commit, invocation.deadline).await?;
        return Err(Stop::Gateway(Trouble::OtherAccount.as_str()));
    }
    let order = about.order();
    let known = if order.is_some() { case.payment.order_id.as_deref() } else { case.payment.reference() };
    if known.is_some_and(|known| known != about.reference) {
        let alert = alert(&case, AlertKind::AnswerMismatch, None, app.clock.now());
        return mark(app, invocation, arrival, Some(alert)).await;
    }
    // Ahead of us: what is told happens to payments that were paid.
    if !was_paid(&case.payment) && !matches!(about.hint, Hint::Payment(_)) {
        let answer = shown(app, invocation, arrival, about, case.movement()).await?;
        let sent = Sent::found(case.movement(), answer);
        if sent.mismatch {
            let alert = alert(&case, AlertKind::AnswerMismatch, None, app.clock.now());
            return mark(app, invocation, arrival, Some(alert)).await;
        }
        let finding = Finding { sent, source: Source::Lookup, action: RunAction::Receive };
        let case = settle(app, invocation, case, &finding, Pace::Touch).await?;
        if !was_paid(&case.payment) {
            if let Some(alert) = aftermath::of_ended(app, &case, &finding.sent, refunds.as_deref()) {
                return mark(app, invocation, arrival, alert).await;
            }
            return Err(Stop::Gateway("the gateway tells of what became of a payment, and does not show it as paid"));
        }
        return Ok(None);
    }
    match about.hint {
        Hint::Refunds(told) => {
            aftermath::apply_refunds(app, invocation, arrival, case, &found, refunds.unwrap_or_default(), told).await
        }
        Hint::TransferReversed(reversed) => {
            aftermath::apply_reversal(app, invocation, arrival, case, &refunds.unwrap_or_default(), *reversed).await
        }
        Hint::Dispute(id, has_ended) => {
            aftermath::apply_disputes(app, invocation, arrival, case, about.reference, (id, *has_ended)).await
        }
        Hint::Payment(answer) => payment_told(app, invocation, arrival, about, case, answer).await.map(Some),
    }
}

/// A payment, as it was when the event was made. Only what can't be undone is taken from there.
async fn payment_told(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    about: &About<'_>,
    case: Case,
    answer: &Answer,
) -> Result<Received, Stop> {
    if about.order().is_some() {
        return Box::pin(approved(app, invocation, arrival, case, answer)).await;
    }
    let answer = match answer.outcome {
        // That it has come back, a payout says itself; of what a customer paid, only the event does.
        _ if answer.came_back && case.movement().is_payout() => {
            shown(app, invocation, arrival, about, case.movement()).await?
        }
        Outcome::Succeeded | Outcome::Pending => answer.clone(),
        _ if was_paid(&case.payment) => answer.clone(),
        _ => shown(app, invocation, arrival, about, case.movement()).await?,
    };
    let has_failed = matches!(answer.outcome, Outcome::Declined(_) | Outcome::Canceled);
    let came_back = answer.came_back;
    let sent = Sent::found(case.movement(), answer);
    if came_back && sent.mismatch && app.clock.now().since(arrival.created_at) < bounds::EVENT_EARLY {
        // What was refunded before may not have been told yet.
        return Err(Stop::Gateway("what came back is another amount than is left"));
    }
    let movement = case.movement();
    let may_be_under_way =
        movement.may_be_under_way() && !retry::failure_is_final(app.clock.now(), movement.progress().send_until);
    if has_failed && may_be_under_way && !sent.mismatch {
        // Noted, so that recovery looks soon; the event itself is wanted again when no send can be open.
        let finding = Finding { sent, source: Source::Lookup, action: RunAction::Receive };
        settle(app, invocation, case, &finding, Pace::Touch).await?;
        return Err(Stop::Gateway(SEND_OPEN));
    }
    let source = Source::Event(arrival.event.clone());
    let finding = Finding { sent, source, action: RunAction::Receive };
    settle(app, invocation, case, &finding, Pace::Touch).await?;
    Ok(Received::Done)
}

/// An order that its customer has approved, and that has no capture yet: it goes on by a send, which is recovery's. Of a
/// payment that is settled it says nothing: it is never captured.
async fn approved(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    case: Case,
    answer: &Answer,
) -> Result<Received, Stop> {
    let sent = Sent::found(case.movement(), answer.clone());
    if sent.mismatch {
        let alert = alert(&case, AlertKind::AnswerMismatch, None, app.clock.now());
        return Ok(mark(app, invocation, arrival, Some(alert)).await?.unwrap_or(Received::Seen));
    }
    let mut case = case;
    // The customer was sent there by a refusal that did not name it.
    if case.movement().is_unsettled() && case.movement().order().is_none() {
        let finding = Finding { sent, source: Source::Lookup, action: RunAction::Receive };
        case = settle(app, invocation, case, &finding, Pace::Touch).await?;
    }
    let recovered = Box::pin(recover(app, invocation, case.movement(), Pace::Touch)).await?;
    if recovered.case.movement().waits_for_customer() {
        return Err(Stop::Gateway("an order is approved and can't be captured yet"));
    }
    Ok(mark(app, invocation, arrival, None).await?.unwrap_or(Received::Seen))
}

/// Why a failure is not applied yet.
const SEND_OPEN: &str = "a failure is told while a send may be open";

async fn shown(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    about: &About<'_>,
    movement: Movement<'_>,
) -> Result<Answer, Stop> {
    let Some(timeout) = invocation.gateway_time(app) else { return Err(Stop::Busy) };
    match arrival.keys.read(app, movement, about.reference, timeout).await {
        Found::Object(answer) => Ok(answer),
        Found::Nothing => Err(Stop::Gateway(Trouble::Undecided.as_str())),
        Found::Unanswered(trouble) => Err(Stop::Gateway(trouble.as_str())),
    }
}

/// It names an id of ours that is not in the books: they may be behind, or incomplete.
async fn unknown(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    payment_id: &PaymentId,
) -> Result<Received, Stop> {
    let now = app.clock.now();
    if now.since(arrival.created_at) < bounds::EVENT_EARLY {
        return Err(Stop::Early);
    }
    let Event { gateway, kind, .. } = &arrival.event;
    let message = format!("{gateway} tells of payment {payment_id} ({kind}), which is not in the books.");
    let alert = event_alert(app, arrival, AlertKind::UnknownToUs, Some(payment_id), message);
    Ok(mark(app, invocation, arrival, Some(alert)).await?.unwrap_or(Received::Seen))
}

/// Marks an event as done, with the alert that is all that comes of it.
async fn mark(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    alert: Option<Alert>,
) -> Result<Option<Received>, Stop> {
    let mut commit = Commit::default();
    if let Some(alert) = &alert {
        commit.alert(alert);
    }
    last(app, invocation, arrival, commit).await.map(|done| done.then_some(Received::Done).or(Some(Received::Seen)))
}

/// Commits what an event brings about, with the mark that it is dealt with; `false`: another delivery was faster.
async fn last(app: &App, invocation: &Invocation, arrival: &Arrival, mut commit: Commit) -> Result<bool, Stop> {
    commit.event(&app.store, &arrival.event, app.clock.now());
    match app.store.commit(commit, invocation.deadline).await {
        Ok(()) => Ok(true),
        Err(error) if error.is_on(Part::Event) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// One step of several; `false`: somebody else was faster with something, and everything is to be read again.
async fn step(app: &App, invocation: &Invocation, commit: Commit) -> Result<bool, Stop> {
    match app.store.commit(commit, invocation.deadline).await {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
