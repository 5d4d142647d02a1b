//! What becomes of a payment after it was paid: refunds, disputes, reversed transfers, as the gateway shows them.

use super::{Arrival, Received, last, mark, step};
use crate::app::App;
use crate::flow::alert::alert;
use crate::flow::record::{Told, record};
use crate::flow::send::Sent;
use crate::flow::settle::{Finding, Source, applied};
use crate::flow::{Invocation, Stop};
use crate::gateway::{Outcome, SeenRefund};
use crate::id::{RefundId, UserId};
use crate::model::alert::{AlertKind, RunAction};
use crate::model::movement::Progress;
use crate::model::payment::{Failure, FailureCode, Payment, PaymentStatus};
use crate::model::refund::{FrozenRefund, Refund, RefundStatus, refund_of};
use crate::model::transition::{self, Case, Change, Report};
use crate::money::Money;
use crate::policy::retry;
use crate::store::commit::Commit;
use crate::store::{Items, Key};

/// The payment's refunds as the gateway lists them, oldest first, each with the id that it has in our books.
pub(super) async fn refunds(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    reference: &str,
) -> Result<Vec<(RefundId, SeenRefund)>, Stop> {
    let time = || invocation.gateway_time(app);
    let listed = app.stripe.refunds(&arrival.secret, reference, &time).await;
    let mut listed = listed.map_err(|trouble| Stop::Gateway(trouble.as_str()))?;
    listed.reverse();
    let tenant = invocation.tenant();
    let named = |seen: SeenRefund| {
        let is_ours = seen.labels.tenant_id.as_deref() == Some(tenant.as_str());
        let ours = seen.labels.refund_id.as_deref().filter(|_| is_ours).and_then(|id| id.parse().ok());
        let id = ours.unwrap_or_else(|| RefundId::external(tenant, arrival.event.gateway, &seen.reference));
        (id, seen)
    };
    Ok(listed.into_iter().map(named).collect())
}

/// Applies what the list shows and the running total beyond it. Each refund that changes is a change of its own; the
/// last one marks the event. `None`: somebody else changed something meanwhile.
pub(super) async fn apply_refunds(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    mut case: Case,
    found: &Items,
    listed: Vec<(RefundId, SeenRefund)>,
    total: Option<Money>,
) -> Result<Option<Received>, Stop> {
    let mut pending: Option<(Commit, Case)> = None;
    for (id, seen) in listed {
        let known = found.get::<Refund>(&Key::refund(invocation.tenant(), &id))?;
        case.refund = known;
        let Some((change, why)) = refund_change(app, &case, id, &seen) else { continue };
        // The one before was not the last.
        if let Some((commit, _)) = pending.take()
            && !step(app, invocation, commit).await?
        {
            return Ok(None);
        }
        let (commit, after) = if case.refund.is_some() {
            let sent = Sent::found(case.movement(), seen.answer);
            let source = Source::Event(arrival.event.clone());
            let finding = Finding { sent, source, action: RunAction::Receive };
            applied(app, invocation, &case, change, &finding, why.as_ref())
        } else {
            tracing::info!(payment_id = %case.payment.id, "a refund that was made at the gateway");
            change_of(app, invocation, arrival, &case, change, why.as_ref())
        };
        case = Case { refund: None, ..after.clone() };
        pending = Some((commit, after));
    }
    case.refund = None;
    let told = total.filter(|money| money.currency == case.payment.currency);
    if let Some(change) = told.and_then(|total| transition::told(&case, total.amount_minor)) {
        if let Some((commit, _)) = pending.take()
            && !step(app, invocation, commit).await?
        {
            return Ok(None);
        }
        pending = Some(change_of(app, invocation, arrival, &case, change, None));
    }
    finish(app, invocation, arrival, pending.map(|(commit, _)| commit)).await
}

/// What the gateway's refund changes in the books, and why, where that is a failure.
fn refund_change(app: &App, case: &Case, id: RefundId, seen: &SeenRefund) -> Option<(Change, Option<Failure>)> {
    let now = app.clock.now();
    let shown = seen.answer.seen.as_ref()?;
    let (report, status, why) = match &seen.answer.outcome {
        Outcome::Succeeded => (Report::Succeeded, RefundStatus::Succeeded, None),
        Outcome::Pending => (Report::Pending, RefundStatus::Processing, None),
        Outcome::Declined(failure) => (Report::Declined, RefundStatus::Failed, Some(failure.clone())),
        Outcome::Canceled => {
            let failure = Failure { code: FailureCode::Canceled, gateway_code: None };
            (Report::Canceled, RefundStatus::Canceled, Some(failure))
        }
        Outcome::RequiresAction | Outcome::NotSent(_) | Outcome::Unknown(_) => return None,
    };
    if let Some(known) = &case.refund {
        // Another amount than ours is nothing to be applied; recovery, which looks at it too, calls a person.
        if shown.money != Some(known.money()) {
            return None;
        }
        // A failure waits until no send of ours can be under way: the reply or recovery brings it.
        let is_open = known.status.is_unsettled() && !known.external;
        if why.is_some() && is_open && !retry::failure_is_final(now, known.progress.send_until) {
            return None;
        }
        let change = transition::apply(case, report, why.as_ref(), Some(&shown.reference), now)?;
        return Some((change, why));
    }
    let money = shown.money.filter(|money| money.currency == case.payment.currency)?;
    let refund = external(&case.payment, id, seen, status, money, why.clone(), app);
    Some((transition::discover(case, refund), why))
}

/// The record of a refund that was made at the gateway without us.
fn external(
    payment: &Payment,
    id: RefundId,
    seen: &SeenRefund,
    status: RefundStatus,
    money: Money,
    failure: Option<Failure>,
    app: &App,
) -> Refund {
    let now = app.clock.now();
    let mut progress = Progress::settled(now);
    if status.is_unsettled() {
        progress.pursue(&payment.tenant_id, now.plus(crate::bounds::DAILY));
    }
    let mut refund = Refund {
        tenant_id: payment.tenant_id.clone(),
        refund_of: refund_of(&payment.tenant_id, &payment.id),
        id,
        payment_id: payment.id.clone(),
        invoice_id: payment.invoice_id.clone(),
        status,
        amount: money.amount_minor,
        currency: money.currency,
        reason: None,
        external: true,
        frozen: FrozenRefund {
            gateway: payment.frozen.gateway,
            account: payment.frozen.account.clone(),
            api_version: payment.frozen.api_version.clone(),
            payment: payment.reference().unwrap_or_default().to_owned(),
            reverse_transfer: false,
        },
        created_by: UserId::webhook(),
        created_at: seen.created_at,
        fingerprint: String::new(),
        failure,
        gateway_ref: None,
        progress,
    };
    refund.learn_reference(&seen.reference);
    refund
}

/// Applies how the payment's disputes stand at the gateway now.
pub(super) async fn apply_disputes(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    case: Case,
    reference: &str,
) -> Result<Option<Received>, Stop> {
    let time = || invocation.gateway_time(app);
    let standing = app.stripe.disputes(&arrival.secret, reference, case.payment.currency, &time).await;
    let standing = standing.map_err(|trouble| Stop::Gateway(trouble.as_str()))?;
    let change = transition::standing(&case, standing);
    let commit = change.map(|change| change_of(app, invocation, arrival, &case, change, None).0);
    finish(app, invocation, arrival, commit).await
}

/// The transfer to a vendor's account was reversed. Refunds of ours reverse it too; what is beyond them, a person must
/// look at.
pub(super) async fn apply_reversal(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    case: Case,
    reversed: Money,
) -> Result<Option<Received>, Stop> {
    let by_refunds = case.payment.refunds.held.max(case.payment.refunds.refunded());
    if reversed.currency == case.payment.currency && reversed.amount_minor <= by_refunds {
        return mark(app, invocation, arrival, None).await;
    }
    let alert = alert(&case, AlertKind::TransferReversed, None, app.clock.now());
    mark(app, invocation, arrival, Some(alert)).await
}

fn change_of(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    before: &Case,
    change: Change,
    why: Option<&Failure>,
) -> (Commit, Case) {
    let refunds_changed = change.case.payment.refunds != before.payment.refunds;
    let action = match change.case.payment.status {
        _ if refunds_changed => "refund",
        PaymentStatus::Returned => "return",
        _ => "dispute",
    };
    let mut told = Told::action(action).saying("event", arrival.event.id.as_str());
    told.why = why;
    record(app, invocation, before, change, told)
}

/// The end of an event: its last change, or nothing, with the mark.
async fn finish(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    commit: Option<Commit>,
) -> Result<Option<Received>, Stop> {
    match last(app, invocation, arrival, commit.unwrap_or_default()).await {
        Ok(true) => Ok(Some(Received::Done)),
        Ok(false) => Ok(Some(Received::Seen)),
        // Something that it was decided on has changed.
        Err(Stop::Busy) => Ok(None),
        Err(error) => Err(error),
    }
}
