//! What is noted of a finding that changes no state: the gateway's id, the next check, and what a person must be told.

use super::{Finding, Pace, Source, differs, execution, learn, waiting_check, was_paid};
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::flow::Invocation;
use crate::flow::alert::{alert, run};
use crate::flow::keys::pending_check;
use crate::gateway::{Outcome, Trouble};
use crate::model::alert::AlertKind;
use crate::model::movement::{Movement, Progress};
use crate::model::transition::Case;
use crate::policy::retry;
use crate::store::commit::Commit;

/// The bookkeeping after a finding that changes no state: the gateway's id, the next check, and what a person must
/// be told. `None`: there is nothing to write.
pub(super) fn noted(
    app: &App,
    invocation: &Invocation,
    before: &Case,
    finding: &Finding,
    pace: Pace,
) -> Option<(Commit, Case)> {
    let movement = before.movement();
    if !movement.is_unsettled() {
        return learned(app, before, finding);
    }
    let now = app.clock.now();
    let fresh = movement.progress().checked_at.is_some_and(|at| now.since(at) < bounds::LOOKUP_PAUSE);
    let known = (movement.reference().is_some() || finding.sent.seen.is_none())
        && (movement.order().is_some() || finding.sent.order.is_none());
    if pace == Pace::Touch && finding.source == Source::Lookup && fresh && known {
        return None;
    }
    let mut case = before.clone();
    // While a payout may be sent, only its own reply names its batch: one that is denied meanwhile frees the id for the
    // next send, and must not be the one that is believed.
    // Afterwards it is read, since an event may tell of a batch that has been denied by now.
    let was_read = finding.event().is_none() && retry::failure_is_final(now, movement.progress().send_until);
    let may_be_known = finding.source == Source::Reply || !movement.is_payout() || was_read;
    let seen = finding.sent.seen.as_ref().filter(|_| may_be_known && !differs(movement, finding));
    // A refund that is known at the gateway changes what the gateway's running total means: that is no bookkeeping.
    if let (Some(seen), None) = (seen, &before.refund) {
        case.payment.learn_reference(&seen.reference);
    }
    learn(&mut case, finding);
    let learned =
        (case.payment.reference(), &case.payment.order_id) != (before.payment.reference(), &before.payment.order_id);
    let waiting_check = case.movement().waits_for_customer().then(|| waiting_check(now, &case.payment));
    let waits = waiting_check.is_some();
    let progress = case.progress_mut();
    progress.revision += 1;
    progress.checked_at = Some(now);
    let has_failed = matches!(finding.sent.outcome, Outcome::Declined(_) | Outcome::Canceled);
    if !waits && has_failed {
        check_when_final(progress);
    } else if pace == Pace::Check || learned {
        progress.next_check_at = Some(match (&finding.sent.outcome, waiting_check) {
            (_, Some(check)) if now < check => check,
            (Outcome::Pending, _) => pending_check(now, before.movement()),
            _ => retry::next_check(now, progress.checks),
        });
    }
    if pace == Pace::Check {
        progress.checks = progress.checks.saturating_add(1);
    }
    // Polling calls nobody: the sweep looks too, at its own pace.
    let calls = pace == Pace::Check || finding.source != Source::Lookup;
    let kind = calls.then(|| worth_a_call(now, before, finding)).flatten();
    let mut commit = Commit::default();
    match &case.refund {
        Some(refund) => commit.refund(&app.store, refund),
        None => commit.payment(&app.store, &case.payment),
    }
    if let Some(kind) = kind {
        commit.alert(&alert(before, kind, None, now));
    }
    let unknown_reply = finding.source == Source::Reply && matches!(finding.sent.outcome, Outcome::Unknown(_));
    if kind.is_some() || unknown_reply {
        commit.run(&app.store, &run(app, invocation, before, execution(finding, None)));
    }
    Some((commit, case))
}

/// The gateway's id of a payment that was settled without it, by a person: it can be refunded from now on.
fn learned(app: &App, before: &Case, finding: &Finding) -> Option<(Commit, Case)> {
    let seen = finding.sent.seen.as_ref().filter(|_| !finding.sent.mismatch)?;
    if before.refund.is_some() || before.payment.reference().is_some() || !was_paid(&before.payment) {
        return None;
    }
    let mut case = before.clone();
    case.payment.learn_reference(&seen.reference);
    case.payment.progress.revision += 1;
    let mut commit = Commit::default();
    commit.payment(&app.store, &case.payment);
    Some((commit, case))
}

/// A failure was shown: it is believed, and looked for again, once no send can be under way any more.
pub(in crate::flow) fn check_when_final(progress: &mut Progress) {
    let at = progress.send_until.plus(bounds::SEND_MARGIN);
    progress.next_check_at = Some(progress.next_check_at.map_or(at, |planned| planned.min(at)));
}

/// An event that changes nothing and has nothing noted: of a settled movement. What is not believed calls a person.
pub(super) fn called(app: &App, case: &Case, finding: &Finding) -> Commit {
    let mut commit = Commit::default();
    if differs(case.movement(), finding) {
        commit.alert(&alert(case, AlertKind::AnswerMismatch, None, app.clock.now()));
    }
    commit
}

/// What a person must be told of an outcome that is not known.
fn worth_a_call(now: Time, case: &Case, finding: &Finding) -> Option<AlertKind> {
    if differs(case.movement(), finding) {
        Some(AlertKind::AnswerMismatch)
    } else if is_lost_for_good(now, case.movement(), finding) {
        Some(AlertKind::OutcomeUnknown)
    } else if finding.sent.rejected {
        Some(AlertKind::GatewayRejected)
    } else if finding.sent.outcome == Outcome::Unknown(Trouble::OtherAccount) {
        Some(AlertKind::AccountChanged)
    } else {
        None
    }
}

/// Past the key's lifetime a look-up that finds nothing, or nothing that says something, leaves only a person.
fn is_lost_for_good(now: Time, movement: Movement<'_>, finding: &Finding) -> bool {
    let found_nothing = match finding.sent.outcome {
        Outcome::Unknown(Trouble::Undecided) => true,
        // Known at the gateway, it is only not answered for just now.
        Outcome::Unknown(_) => !movement.waits_for_customer() && movement.reference().is_none(),
        _ => false,
    };
    finding.source == Source::Lookup && found_nothing && !retry::is_pursued(now, movement)
}
