//! Settling: writing down what the gateway did, once, whoever reports it.
//!
//! Payment, invoice, audit entry, alert and agent run are one transaction, decided by the transition function on what
//! was read. When somebody else was faster, everything is read and decided again.

use serde_json::{Map, Value, json};

use super::send::Sent;
use super::{Invocation, Stop};
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::gateway::{Outcome, Trouble};
use crate::id::{AlertId, time_ordered};
use crate::model::alert::{AgentRun, Alert, AlertKind, RunAction};
use crate::model::audit::Audited;
use crate::model::invoice::Invoice;
use crate::model::payment::{Failure, FailureCode, Payment, PaymentStatus};
use crate::model::transition::{self, Change, Report};
use crate::policy::{failure, retry};
use crate::store::commit::{Commit, CommitError};
use crate::store::{Consistency, Key, StoreError};

/// Who reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The reply to the send that the caller's own fence protects.
    Reply,
    /// The gateway, asked later.
    Lookup,
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

/// Whether recovery moves the next check on, or only notes that somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// A scheduled check, which counts.
    Check,
    /// Somebody touched the payment; polling must not postpone recovery.
    Touch,
}

/// Applies a finding to a payment and answers with the payment as it then stands.
///
/// `known` is the payment and its invoice as last read or written by the caller.
///
/// # Errors
/// The store; a payment that could not be written stays as it was, for recovery.
pub async fn settle(
    app: &App,
    invocation: &Invocation,
    known: (Payment, Invoice),
    finding: &Finding,
    pace: Pace,
) -> Result<Payment, Stop> {
    let (mut payment, mut invoice) = known;
    let own_fence = payment.send_until;
    let by_person = matches!(finding.source, Source::Person { .. });
    let looked_up = payment.clone();
    for round in 1..=bounds::DECISIONS {
        let now = app.clock.now();
        let (commit, settled) = match decide(app, &payment, &invoice, finding, own_fence) {
            Decision::Apply(change, why) => {
                applied(app, invocation, &payment, &invoice, *change, finding, why.as_ref())
            }
            Decision::Note => match noted(app, invocation, &payment, finding, pace) {
                Some(noted) => noted,
                None => return Ok(payment),
            },
        };
        match app.store.commit(commit, invocation.deadline).await {
            Ok(()) => {
                tracing::info!(
                    payment_id = %settled.id, invoice_id = %settled.invoice_id, status = %settled.status,
                    age_ms = now.since(settled.created_at).as_millis(), "payment noted"
                );
                return Ok(settled);
            }
            Err(CommitError::Conflict(_)) => {
                if !invocation.wait_for_turn(app, round).await {
                    break;
                }
                (payment, invoice) = reread(app, &payment).await?;
                // A person's word rests on the look-up before it, and contradicts nobody who has found out more since.
                let is_as_looked_up = payment.status == looked_up.status
                    && payment.gateway_ref == looked_up.gateway_ref
                    && payment.send_until == looked_up.send_until;
                if by_person && !is_as_looked_up {
                    return Ok(payment);
                }
            }
            Err(CommitError::Store(error)) => return Err(error.into()),
            // Reserved and perhaps executed, not written down: recovery does that.
            Err(error) => {
                tracing::error!(payment_id = %payment.id, %error, "settlement left to recovery");
                return Ok(payment);
            }
        }
    }
    Ok(payment)
}

enum Decision {
    Apply(Box<Change>, Option<Failure>),
    Note,
}

fn decide(app: &App, payment: &Payment, invoice: &Invoice, finding: &Finding, own_fence: Time) -> Decision {
    let now = app.clock.now();
    let by_person = matches!(finding.source, Source::Person { .. });
    let answers_open_send = finding.source == Source::Reply && payment.send_until == own_fence;
    let (report, why) = match &finding.sent.outcome {
        Outcome::Succeeded => (Report::Succeeded, None),
        Outcome::Pending => (Report::Pending, None),
        Outcome::RequiresAction => (Report::RequiresAction, None),
        Outcome::Declined(failure) => (Report::Declined, Some(failure.clone())),
        Outcome::Canceled => (Report::Canceled, Some(Failure { code: FailureCode::Canceled, gateway_code: None })),
        Outcome::NotSent(_) if by_person => {
            (Report::NotExecuted, Some(Failure { code: FailureCode::NotExecuted, gateway_code: None }))
        }
        // Only the execution that set the fence knows that nothing of it was taken.
        Outcome::NotSent(_) if answers_open_send => {
            let gateway_code = finding.sent.gateway_code.clone();
            (Report::NotSent, Some(Failure { code: FailureCode::GatewayUnavailable, gateway_code }))
        }
        Outcome::NotSent(_) | Outcome::Unknown(_) => return Decision::Note,
    };
    // A failure that is not the reply to the open send waits until no send can be under way. A customer's own payment
    // has been replied to.
    let may_be_under_way =
        payment.status == PaymentStatus::Processing && !retry::failure_is_final(now, payment.send_until);
    let is_hint = !answers_open_send && !by_person;
    if why.is_some() && is_hint && may_be_under_way {
        return Decision::Note;
    }
    match transition::apply(invoice, payment, report, why.as_ref(), now) {
        Some(mut change) => {
            if let Some(seen) = &finding.sent.seen {
                change.payment.learn_reference(&seen.reference);
            }
            if change.payment.status == PaymentStatus::RequiresAction {
                change.payment.next_check_at = Some(waits_until(payment));
            }
            Decision::Apply(Box::new(change), why)
        }
        None => Decision::Note,
    }
}

/// The transaction that makes a change.
fn applied(
    app: &App,
    invocation: &Invocation,
    before: &Payment,
    invoice_before: &Invoice,
    change: Change,
    finding: &Finding,
    why: Option<&Failure>,
) -> (Commit, Payment) {
    let now = app.clock.now();
    let Change { payment, mut invoice, alerts } = change;
    let payment = payment.revised();
    let mut kinds = alerts;
    let rejected = finding.sent.rejected.then_some(AlertKind::GatewayRejected);
    kinds.extend(why.and_then(|why| rejected.or(failure::consequence(why).alert)));
    let alerts: Vec<Alert> = kinds.into_iter().map(|kind| alert(&payment, &invoice, kind, why, now)).collect();

    let mut changes = Map::new();
    let mut about_payment = json!({ "id": payment.id, "status": [before.status, payment.status] });
    if let Some(about) = about_payment.as_object_mut() {
        about.extend(payment.reference().map(|reference| ("reference".to_owned(), json!(reference))));
        about.extend(why.map(|why| ("failure".to_owned(), json!(why))));
    }
    changes.insert("payment".to_owned(), about_payment);
    if invoice.status != invoice_before.status {
        changes.insert("status".to_owned(), json!([invoice_before.status, invoice.status]));
    }
    if !alerts.is_empty() {
        let ids: Vec<_> = alerts.iter().map(|alert| json!({ "id": alert.alert_id, "kind": alert.kind })).collect();
        changes.insert("alerts".to_owned(), json!(ids));
    }
    let action = match &finding.source {
        Source::Person { note } => {
            changes.insert("note".to_owned(), json!(note));
            "resolve"
        }
        Source::Reply | Source::Lookup => "settle",
    };

    let mut commit = Commit::default();
    let entry = invoice.record(&invocation.actor, action, &Value::Object(changes), now);
    commit.invoice(&app.store, &invoice, invoice_before.version);
    commit.payment(&app.store, &payment);
    commit.entry(&app.store, entry);
    for alert in &alerts {
        commit.alert(&app.store, alert);
    }
    let by_person = matches!(finding.source, Source::Person { .. });
    if (why.is_some() && !by_person) || !alerts.is_empty() {
        commit.run(&app.store, &run(app, invocation, &payment, finding, why));
    }
    (commit, payment)
}

/// The bookkeeping after a finding that changes no state: the gateway's id, the next check, and what a person must
/// be told. `None`: there is nothing to write.
fn noted(
    app: &App,
    invocation: &Invocation,
    before: &Payment,
    finding: &Finding,
    pace: Pace,
) -> Option<(Commit, Payment)> {
    if !before.status.is_unsettled() {
        return None;
    }
    let now = app.clock.now();
    let fresh = before.checked_at.is_some_and(|at| now.since(at) < bounds::LOOKUP_PAUSE);
    let known = before.reference().is_some() || finding.sent.seen.is_none();
    if pace == Pace::Touch && finding.source == Source::Lookup && fresh && known {
        return None;
    }
    let mut payment = before.clone().revised();
    if let Some(seen) = finding.sent.seen.as_ref().filter(|_| !finding.sent.mismatch) {
        payment.learn_reference(&seen.reference);
    }
    payment.checked_at = Some(now);
    if pace == Pace::Check || payment.reference() != before.reference() {
        payment.next_check_at = Some(match &finding.sent.outcome {
            _ if payment.status == PaymentStatus::RequiresAction && now < waits_until(&payment) => {
                waits_until(&payment)
            }
            Outcome::Pending => now.plus(bounds::DAILY),
            // Believed once no send can be under way any more.
            Outcome::Declined(_) | Outcome::Canceled => payment.send_until.plus(bounds::SEND_MARGIN),
            _ => retry::next_check(now, payment.checks),
        });
    }
    if pace == Pace::Check {
        payment.checks = payment.checks.saturating_add(1);
    }
    let mut commit = Commit::default();
    // Polling calls nobody: the sweep looks too, at its own pace.
    let calls = pace == Pace::Check || finding.source == Source::Reply;
    let kind = if !calls {
        None
    } else if finding.sent.mismatch {
        Some(AlertKind::AnswerMismatch)
    } else if finding.sent.rejected {
        Some(AlertKind::GatewayRejected)
    } else if finding.sent.outcome == Outcome::Unknown(Trouble::OtherAccount) {
        Some(AlertKind::AccountChanged)
    } else if is_lost_for_good(now, before, finding) {
        Some(AlertKind::OutcomeUnknown)
    } else {
        None
    };
    commit.payment(&app.store, &payment);
    if let Some(kind) = kind {
        commit.alert(&app.store, &alert_about_payment(before, kind, now));
    }
    let unknown_reply = finding.source == Source::Reply && matches!(finding.sent.outcome, Outcome::Unknown(_));
    if kind.is_some() || unknown_reply {
        commit.run(&app.store, &run(app, invocation, before, finding, None));
    }
    Some((commit, payment))
}

/// Until when a customer may act; then the payment is canceled at the gateway.
#[must_use]
pub fn waits_until(payment: &Payment) -> Time {
    payment.created_at.plus(bounds::ACTION_LIFETIME)
}

/// Past the key's lifetime a look-up that finds nothing, or nothing that says something, leaves only a person.
fn is_lost_for_good(now: Time, payment: &Payment, finding: &Finding) -> bool {
    let found_nothing = match finding.sent.outcome {
        Outcome::Unknown(Trouble::Undecided) => true,
        // Known at the gateway, it is only not answered for just now.
        Outcome::Unknown(_) => payment.status == PaymentStatus::Processing && payment.reference().is_none(),
        _ => false,
    };
    finding.source == Source::Lookup && found_nothing && !retry::key_protects(now, payment.created_at)
}

fn run(app: &App, invocation: &Invocation, payment: &Payment, finding: &Finding, why: Option<&Failure>) -> AgentRun {
    let now = app.clock.now();
    let class = match &finding.sent.outcome {
        _ if finding.sent.mismatch => "answer_mismatch",
        Outcome::NotSent(trouble) | Outcome::Unknown(trouble) => trouble.as_str(),
        _ => why.map_or("abnormal", |why| why.code.as_str()),
    };
    AgentRun {
        tenant_id: payment.tenant_id.clone(),
        run_id: format!("run_{}", time_ordered(now)),
        action: finding.action,
        user_id: invocation.actor.user_id.clone(),
        request_id: invocation.actor.request_id.clone(),
        invoice_id: payment.invoice_id.clone(),
        payment_id: payment.id.clone(),
        error_class: class.to_owned(),
        gateway_code: finding.sent.gateway_code.clone(),
        attempts: finding.sent.attempts,
        duration_ms: u64::try_from(now.since(invocation.started_at).as_millis()).unwrap_or(u64::MAX),
        at: now,
    }
}

/// An alert about why an invoice is not paid; the same failure of the same invoice is the same alert.
fn alert(payment: &Payment, invoice: &Invoice, kind: AlertKind, why: Option<&Failure>, at: Time) -> Alert {
    let entity = match kind {
        AlertKind::PaidTwice | AlertKind::PaidVoidInvoice => return paid_too_often(payment, invoice, kind, at),
        _ => format!("invoice/{}", payment.invoice_id),
    };
    let detail = why.map_or("", |why| why.code.as_str());
    let code = why.and_then(|why| why.gateway_code.as_deref()).unwrap_or("none");
    let message = format!(
        "Payment {} of {} for invoice {} failed: {detail} (gateway code {code}).",
        payment.id,
        payment.money(),
        payment.invoice_id
    );
    raise(payment, kind, &entity, message, at)
}

fn paid_too_often(payment: &Payment, invoice: &Invoice, kind: AlertKind, at: Time) -> Alert {
    let message = match kind {
        AlertKind::PaidVoidInvoice => format!(
            "Payment {} of {} was executed for invoice {}, which is void: refund {}.",
            payment.id,
            payment.money(),
            payment.invoice_id,
            payment.id
        ),
        _ => {
            // The one that is not the invoice's own is the one to give back.
            let is_current = invoice.current.as_ref() == Some(&payment.id);
            let refund = invoice.also_paid.first().filter(|_| is_current).unwrap_or(&payment.id);
            format!("Invoice {} was paid twice: refund {refund} of {}.", payment.invoice_id, payment.money())
        }
    };
    raise(payment, kind, &format!("payment/{}", payment.id), message, at)
}

/// An alert about one payment.
#[must_use]
pub fn alert_about_payment(payment: &Payment, kind: AlertKind, at: Time) -> Alert {
    let what = match kind {
        AlertKind::OutcomeUnknown if payment.reference().is_some() => {
            "is open at the gateway and says nothing about money; cancel it"
        }
        AlertKind::OutcomeUnknown => {
            "is not to be found at the gateway, or the gateway does not say, and its key has expired"
        }
        AlertKind::AnswerMismatch => "differs from what the gateway shows",
        AlertKind::AccountChanged => "was reserved for another gateway account than the secret names",
        _ => "was refused by the gateway as a request",
    };
    let message = format!("Payment {} of {} for invoice {} {what}.", payment.id, payment.money(), payment.invoice_id);
    raise(payment, kind, &format!("payment/{}", payment.id), message, at)
}

fn raise(payment: &Payment, kind: AlertKind, entity: &str, message: String, at: Time) -> Alert {
    let (severity, next_action) = failure::next_action(kind);
    Alert {
        tenant_id: payment.tenant_id.clone(),
        alert_id: AlertId::of(&payment.tenant_id, kind.as_str(), entity),
        kind,
        severity,
        invoice_id: payment.invoice_id.clone(),
        payment_id: payment.id.clone(),
        message,
        next_action: next_action.replace("{id}", payment.id.as_str()),
        at,
    }
}

/// Payment and invoice, as they are now.
///
/// # Errors
/// The store.
pub async fn reread(app: &App, payment: &Payment) -> Result<(Payment, Invoice), StoreError> {
    let keys = [Key::payment(&payment.tenant_id, &payment.id), Key::invoice(&payment.tenant_id, &payment.invoice_id)];
    let found = app.store.read(keys.clone(), Consistency::Strong).await?;
    let [payment_key, invoice_key] = keys;
    let gone = |table| StoreError::Malformed { table, reason: "the item is gone".to_owned() };
    Ok((
        found.get(&payment_key)?.ok_or_else(|| gone("payments"))?,
        found.get(&invoice_key)?.ok_or_else(|| gone("invoices"))?,
    ))
}
