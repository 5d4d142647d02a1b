//! Settling: writing down what the gateway did, once, whoever reports it.
//!
//! Payment or refund, invoice, audit entry, alert and agent run are one transaction, decided by the transition
//! function on what was read. When somebody else was faster, everything is read and decided again.

mod note;
mod wait;

pub(super) use self::note::check_when_final;
use self::note::{called, noted};
use self::wait::waiting_check;
pub use self::wait::{acts_until, waits_until};
use super::alert::{Execution, run};
use super::keys::{may_be_given_up, pending_check};
use super::record::{Told, record};
use super::retirement::Retirement;
use super::send::Sent;
use super::{Invocation, Stop};
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::gateway::Outcome;
use crate::model::alert::{AlertKind, RunAction};
use crate::model::event::Event;
use crate::model::invoice::Invoice;
use crate::model::movement::Movement;
use crate::model::payment::{Failure, FailureCode, Gateway, Payment, PaymentStatus};
use crate::model::schedule::{Next, Schedule, ScheduleStatus};
use crate::model::tenant::Settings;
use crate::model::transition::{self, Case, Change, Report};
use crate::policy::next::{self, Terms};
use crate::policy::{failure, retry};
use crate::store::commit::{Commit, CommitError, Part};
use crate::store::{Consistency, Key, StoreError};

/// Who reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The reply to the send that the caller's own fence protects.
    Reply,
    /// The gateway, asked later.
    Lookup,
    /// The gateway, by an event, which is marked as done in the same transaction.
    Event(Event),
    /// A person, who found out outside.
    Person {
        /// What they say about it.
        note: String,
    },
}

/// What is reported.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was sent or seen.
    pub sent: Sent,
    /// Who reports.
    pub source: Source,
    /// What the execution was for.
    pub action: RunAction,
}

impl Finding {
    fn by_person(&self) -> bool {
        matches!(self.source, Source::Person { .. })
    }

    fn event(&self) -> Option<&Event> {
        match &self.source {
            Source::Event(event) => Some(event),
            _ => None,
        }
    }
}

/// Whether recovery moves the next check on, or only notes that somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// A scheduled check, which counts.
    Check,
    /// Somebody touched it; polling must not postpone recovery.
    Touch,
}

/// Applies a finding to a case, as last read or written by the caller, and answers with the case as it then stands.
///
/// # Errors
/// The store. What could not be written stays as it was, for recovery; for an event that is an error, so that it is
/// delivered again.
pub async fn settle(
    app: &App,
    invocation: &Invocation,
    known: Case,
    finding: &Finding,
    pace: Pace,
) -> Result<Case, Stop> {
    let mut case = known;
    let own_fence = case.movement().progress().send_until;
    let looked_up = case.clone();
    let terms = terms(app, &case, finding).await?;
    for round in 1..=bounds::DECISIONS {
        let now = app.clock.now();
        let (mut commit, settled) = match decide(app, &case, finding, own_fence, terms.as_ref()) {
            Decision::Apply(change, why) => {
                let retirement = Retirement::of(app, &case, &change.case).await?;
                applied(app, invocation, &case, *change, finding, why.as_ref(), retirement)
            }
            Decision::Note => match (noted(app, invocation, &case, finding, pace), finding.event()) {
                (Some(noted), _) => noted,
                (None, Some(_)) => (called(app, &case, finding), case.clone()),
                (None, None) => return Ok(case),
            },
        };
        if let Some(event) = finding.event() {
            commit.event(&app.store, event, now);
        }
        match app.store.commit(commit, invocation.deadline).await {
            Ok(()) => {
                let movement = settled.movement();
                tracing::info!(
                    tenant_id = %settled.payment.tenant_id, payment_id = %settled.payment.id, invoice_id = %settled.invoice.invoice_id,
                    noun = movement.noun(), id = movement.id(), status = movement.status(),
                    age_ms = now.since(movement.created_at()).as_millis(), "noted"
                );
                return Ok(settled);
            }
            // Another delivery of the same event was faster.
            Err(error) if error.is_on(Part::Event) => return Ok(case),
            Err(CommitError::Conflict(_)) => {
                if !invocation.wait_for_turn(app, round).await {
                    break;
                }
                case = reread(app, case.movement()).await?;
                // A person's word rests on the look-up before it, and contradicts nobody who has found out more since.
                if finding.by_person() && !is_as_looked_up(&case, &looked_up) {
                    return Ok(case);
                }
            }
            Err(CommitError::Store(error)) => return Err(error.into()),
            Err(error) if finding.event().is_some() => return Err(error.into()),
            // Reserved and perhaps executed, not written down: recovery does that.
            Err(error) => {
                tracing::error!(tenant_id = %case.payment.tenant_id, payment_id = %case.payment.id, %error, "settlement left to recovery");
                return Ok(case);
            }
        }
    }
    if finding.event().is_some() { Err(Stop::Busy) } else { Ok(case) }
}

/// Whether it stands as it did. What a person names was in no other record of the invoice either.
fn is_as_looked_up(now: &Case, then: &Case) -> bool {
    let is_named_alone = now.invoice.version == then.invoice.version;
    let (now, then) = (now.movement(), then.movement());
    is_named_alone
        && now.status() == then.status()
        && now.reference() == then.reference()
        && now.progress().send_until == then.progress().send_until
}

enum Decision {
    Apply(Box<Change>, Option<Failure>),
    Note,
}

/// What the tenant has said about failures; read only where one may be written down.
async fn terms(app: &App, case: &Case, finding: &Finding) -> Result<Option<Terms>, StoreError> {
    let may_fail = matches!(
        finding.sent.outcome,
        Outcome::Declined(_) | Outcome::Refused(_) | Outcome::Canceled | Outcome::NotSent(_)
    );
    if !may_fail || case.refund.is_some() {
        return Ok(None);
    }
    let settings = app.store.get::<Settings>(&Key::settings(&case.payment.tenant_id)).await?;
    Ok(settings.as_ref().map(Terms::of))
}

fn decide(app: &App, case: &Case, finding: &Finding, own_fence: Time, terms: Option<&Terms>) -> Decision {
    let now = app.clock.now();
    let movement = case.movement();
    if differs(movement, finding) {
        return Decision::Note;
    }
    let send_until = movement.progress().send_until;
    let answers_open_send = finding.source == Source::Reply && send_until == own_fence;
    let is_over = retry::failure_is_final(now, send_until);
    let is_order = movement.gateway() == Gateway::Paypal && case.refund.is_none() && !movement.is_payout();
    let failed = |code| Failure::new(code, finding.sent.gateway_code.clone());
    let (report, why) = match &finding.sent.outcome {
        Outcome::Succeeded => (Report::Succeeded, None),
        // The capture of an order is there: its customer can do no more, and what becomes of it is asked soon.
        Outcome::Pending | Outcome::Declined(_) if is_captured(movement, finding) => (Report::Capturing, None),
        Outcome::Pending => (Report::Pending, None),
        // An order that may have been captured moments ago is read as it was before.
        Outcome::RequiresAction if !answers_open_send && movement.order().is_some() && !is_over => {
            return Decision::Note;
        }
        Outcome::RequiresAction => (Report::RequiresAction, None),
        Outcome::Declined(failure) => (Report::Declined, Some(failure.clone())),
        // That an order is given up, we conclude from its payment as it was then: it may have been gone on with.
        Outcome::Canceled if is_order && finding.sent.seen.is_none() && !may_be_given_up(now, movement) => {
            return Decision::Note;
        }
        Outcome::Canceled => (Report::Canceled, Some(Failure::new(FailureCode::Canceled, None))),
        Outcome::NotSent(_) if finding.by_person() => {
            (Report::NotExecuted, Some(Failure::new(FailureCode::NotExecuted, None)))
        }
        // Only the execution that set the fence knows that nothing of it was taken.
        // Another fence since then is another send.
        Outcome::NotSent(_) if finding.sent.unsent_for_good && send_until == own_fence => {
            (Report::NotSent, Some(failed(FailureCode::GatewayUnavailable)))
        }
        Outcome::Refused(failure) if answers_open_send => (Report::Declined, Some(failure.clone())),
        Outcome::NotSent(_) if answers_open_send => (Report::NotSent, Some(failed(FailureCode::GatewayUnavailable))),
        Outcome::NotSent(_) | Outcome::Refused(_) | Outcome::Unknown(_) => return Decision::Note,
    };
    // A failure that is not the reply to the open send waits until no send can be under way.
    let may_be_under_way = movement.may_be_under_way() && !retry::failure_is_final(now, send_until);
    let is_hint = !answers_open_send && !finding.by_person();
    if why.is_some() && is_hint && may_be_under_way {
        return Decision::Note;
    }
    let reference = finding.sent.seen.as_ref().map(|seen| seen.reference.as_str());
    let executed = case.schedule.as_ref().filter(|schedule| schedule.is_executed_by(&case.payment.id));
    let next = match (&why, terms) {
        (Some(why), Some(terms)) => next::after(why, executed, terms.may_come_again(case, why, now), terms, now),
        _ => Next::Nothing,
    };
    let mut change = transition::apply(case, report, why.as_ref(), &next, reference, now);
    let mut why = why;
    if finding.sent.came_back
        && let Some(returned) = transition::returned(change.as_ref().map_or(case, |change| &change.case), why.as_ref())
    {
        let told = change.take().map(|change| change.alerts).unwrap_or_default();
        change = Some(Change { alerts: told.into_iter().chain(returned.alerts).collect(), ..returned });
        // It is no failure to pay.
        why = None;
    }
    match change {
        Some(mut change) => {
            learn(&mut change.case, finding);
            if change.case.movement().waits_for_customer() {
                let check = waiting_check(now, &change.case.payment);
                let progress = &mut change.case.payment.progress;
                progress.next_check_at = Some(check);
                if answers_open_send && finding.sent.attempts == 1 {
                    // Replied to: nothing of it is under way.
                    progress.send_until = send_until.min(now);
                }
            } else if change.case.movement().is_unsettled() && report == Report::Pending {
                change.case.progress_mut().next_check_at = Some(pending_check(now, case.movement()));
            } else if report == Report::Capturing {
                change.case.payment.progress.next_check_at = Some(now.plus(bounds::FIRST_CHECK));
            }
            Decision::Apply(Box::new(change), why)
        }
        None => Decision::Note,
    }
}

/// Whether the finding is about another object than the one that is known: between reading and writing, or beside it,
/// somebody else has found one. Neither is believed.
fn differs(movement: Movement<'_>, finding: &Finding) -> bool {
    let seen = finding.sent.seen.as_ref().map(|seen| seen.reference.as_str());
    let another = seen.is_some_and(|seen| movement.reference().is_some_and(|known| known != seen));
    finding.sent.mismatch || another
}

/// Whether PayPal shows the capture of an order that its customer was asked to approve.
fn is_captured(movement: Movement<'_>, finding: &Finding) -> bool {
    movement.waits_for_customer() && movement.gateway() == Gateway::Paypal && finding.sent.seen.is_some()
}

/// Notes PayPal's order as soon as an answer tells of it, and when the money is expected.
fn learn(case: &mut Case, finding: &Finding) {
    if finding.sent.mismatch {
        return;
    }
    if let Some(order) = &finding.sent.order {
        case.payment.learn_order(order);
    }
    if case.refund.is_none() && finding.sent.expected.is_some() {
        case.payment.expected_settlement_date = finding.sent.expected;
    }
}

/// The transaction that makes a change.
pub(super) fn applied(
    app: &App,
    invocation: &Invocation,
    before: &Case,
    change: Change,
    finding: &Finding,
    why: Option<&Failure>,
    retirement: Option<Retirement>,
) -> (Commit, Case) {
    let mut told = Told::action(if finding.by_person() { "resolve" } else { "settle" });
    told.why = why;
    match &finding.source {
        Source::Person { note } => told = told.saying("note", note.as_str()),
        Source::Event(event) => told = told.saying("event", event.id.as_str()),
        Source::Reply | Source::Lookup => {}
    }
    let rejected = finding.sent.rejected.then_some(AlertKind::GatewayRejected);
    let calls = |why: &Failure| match before.refund {
        Some(_) => failure::refund_consequence(why).alert,
        None => failure::consequence(why).alert,
    };
    told.alerts.extend(why.and_then(|why| rejected.or(calls(why))));
    // One that came back late does not fail; its method is no good all the same.
    if let (Some(retirement), None) = (&retirement, why) {
        told.alerts.push(retirement.alert());
    }
    // What came back has an alert of its own.
    if change.alerts.contains(&AlertKind::RefundCameBack) {
        told.alerts.clear();
    }
    // Whatever stops a promise calls somebody, even where the failure itself does not.
    let stops = |case: &Case| case.schedule.as_ref().is_some_and(|one| one.status == ScheduleStatus::InReview);
    if told.alerts.is_empty() && stops(&change.case) && !stops(before) {
        told.alerts.push(AlertKind::ScheduleStopped);
    }
    let is_alerted = !told.alerts.is_empty() || !change.alerts.is_empty();
    let (mut commit, case) = record(app, invocation, before, change, told);
    if let Some(retirement) = retirement {
        retirement.write(app, invocation, &mut commit, &case.payment);
    }
    if (why.is_some() && !finding.by_person()) || is_alerted {
        commit.run(&app.store, &run(app, invocation, &case, execution(finding, why)));
    }
    (commit, case)
}

/// What the log says of the execution that brought a finding.
fn execution<'a>(finding: &'a Finding, why: Option<&'a Failure>) -> Execution<'a> {
    let class = match &finding.sent.outcome {
        _ if finding.sent.mismatch => "answer_mismatch",
        Outcome::NotSent(trouble) | Outcome::Unknown(trouble) => trouble.as_str(),
        _ => why.map_or("abnormal", |why| why.code.as_str()),
    };
    let gateway_code = finding.sent.gateway_code.as_deref();
    Execution { action: finding.action, class, gateway_code, attempts: finding.sent.attempts }
}

/// The case of a payment or refund, as it is now.
///
/// # Errors
/// The store.
pub async fn reread(app: &App, movement: Movement<'_>) -> Result<Case, StoreError> {
    let tenant = movement.tenant_id();
    let invoice_key = Key::invoice(tenant, movement.invoice_id());
    let payment_key = Key::payment(tenant, movement.payment_id());
    let refund_key = match movement {
        Movement::Refund(refund) => Some(Key::refund(tenant, &refund.id)),
        Movement::Payment(_) => None,
    };
    let keys = [invoice_key.clone(), payment_key.clone()].into_iter().chain(refund_key.clone());
    let found = app.store.read(keys, Consistency::Strong).await?;
    let gone = |table| StoreError::Malformed { table, reason: "the item is gone".to_owned() };
    let refund = match &refund_key {
        Some(key) => Some(found.get(key)?.ok_or_else(|| gone("refunds"))?),
        None => None,
    };
    let invoice = found.get(&invoice_key)?.ok_or_else(|| gone("invoices"))?;
    let schedule = schedule_of(app, &invoice).await?;
    Ok(Case { payment: found.get(&payment_key)?.ok_or_else(|| gone("payments"))?, invoice, refund, schedule })
}

/// The scheduled payment that an invoice waits for, or is being paid by.
///
/// # Errors
/// The store.
pub(super) async fn schedule_of(app: &App, invoice: &Invoice) -> Result<Option<Schedule>, StoreError> {
    match &invoice.schedule_id {
        Some(id) => app.store.get(&Key::schedule(&invoice.tenant_id, id)).await,
        None => Ok(None),
    }
}

/// Whether a case is about a payment that has been paid.
#[must_use]
pub fn was_paid(payment: &Payment) -> bool {
    !matches!(
        payment.status,
        PaymentStatus::Processing | PaymentStatus::RequiresAction | PaymentStatus::Failed | PaymentStatus::Canceled
    )
}
