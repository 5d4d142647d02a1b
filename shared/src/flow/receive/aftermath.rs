//! What becomes of a payment after it was paid: refunds, disputes, reversed transfers, as the gateway shows them.

use super::{Arrival, Received, SEND_OPEN, last, mark, step};
use crate::app::App;
use crate::clock::Time;
use crate::flow::alert::{Execution, alert, run};
use crate::flow::record::{Told, record};
use crate::flow::retirement::Retirement;
use crate::flow::send::{Sent, is_ours};
use crate::flow::settle::{Finding, Source, applied, check_when_final};
use crate::flow::{Invocation, Stop, unlabeled};
use crate::gateway::{Outcome, Refunded, SeenRefund, stripe};
use crate::id::{PaymentId, RefundId, TenantId, UserId};
use crate::model::alert::{Alert, AlertKind, RunAction};
use crate::model::movement::Progress;
use crate::model::payment::{Disputes, Failure, FailureCode, Gateway, Payment, PaymentStatus};
use crate::model::refund::{FrozenRefund, Refund, RefundStatus, refund_of};
use crate::model::schedule::Next;
use crate::model::transition::{self, Case, Change, Report};
use crate::money::Money;
use crate::policy::retry;
use crate::store::commit::Commit;
use crate::store::{Items, Key};

/// A refund in the gateway's list, with the ids that it may have in our books.
pub(super) struct Listed {
    /// The one that it carries.
    ours: Option<RefundId>,
    /// The one that it gets when it was made without us.
    external: RefundId,
    seen: SeenRefund,
}

impl Listed {
    /// What must be read to know which it is.
    pub(super) fn keys(&self, tenant: &TenantId) -> impl Iterator<Item = Key> + use<> {
        let keys = [Some(&self.external), self.ours.as_ref()];
        keys.map(|id| id.map(|id| Key::refund(tenant, id))).into_iter().flatten()
    }

    fn is_alive(&self) -> bool {
        matches!(self.seen.answer.outcome, Outcome::Succeeded | Outcome::Pending)
    }
}

/// The payment's refunds as the gateway lists them, oldest first. A list that is behind what an event tells is none.
pub(super) async fn refunds(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    reference: &str,
    payment_id: &PaymentId,
    told: Option<&Refunded>,
) -> Result<Vec<Listed>, Stop> {
    let time = || invocation.gateway_time(app);
    // PayPal lists them by the order. Once it is in the books it does not change.
    let order = match arrival.keys.gateway() {
        Gateway::Paypal => app.store.get::<Payment>(&Key::payment(invocation.tenant(), payment_id)).await?,
        Gateway::Stripe | Gateway::Plaid => None,
    };
    let order = order.and_then(|payment| payment.order_id);
    let listed = arrival.keys.refunds(app, reference, order.as_deref(), &time).await;
    let mut listed = listed.map_err(|trouble| Stop::Gateway(trouble.as_str()))?;
    if arrival.keys.gateway() == Gateway::Plaid {
        unlabeled::told_apart(app, invocation.tenant(), payment_id, &mut listed).await?;
    }
    listed.reverse();
    if let Some(Refunded::One(one)) = told {
        let stage = |seen: &SeenRefund| match seen.answer.outcome {
            Outcome::Declined(_) | Outcome::Canceled => 2,
            Outcome::Succeeded => 1,
            _ => 0,
        };
        let there = listed.iter().find(|seen| seen.reference == one.reference);
        if there.is_none_or(|there| stage(one) > stage(there)) {
            return Err(Stop::Gateway("the gateway's list of refunds is behind its event"));
        }
    }
    let tenant = invocation.tenant();
    let named = |seen: SeenRefund| {
        // PayPal's objects name no tenant: what is in the tenant's books is of its own.
        let named = seen.labels.tenant_id.as_deref();
        let is_ours = named == Some(tenant.as_str()) || (named.is_none() && arrival.keys.gateway() != Gateway::Stripe);
        let ours = seen.labels.refund_id.as_deref().filter(|_| is_ours).and_then(|id| id.parse().ok());
        let external = RefundId::external(tenant, arrival.event.gateway, &seen.reference);
        Listed { ours, external, seen }
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
    listed: Vec<Listed>,
    told: &Refunded,
) -> Result<Option<Received>, Stop> {
    // The last one is kept back for the mark.
    let mut last: Option<Commit> = None;
    for one in listed {
        let Some((commit, after)) = refund_shown(app, invocation, arrival, &case, found, one).await? else { continue };
        if let Some(before) = last.replace(commit)
            && !step(app, invocation, before).await?
        {
            return Ok(None);
        }
        // What was written so far stays; the rest comes with the next delivery.
        if invocation.gateway_time(app).is_none() {
            return Err(Stop::Busy);
        }
        case = Case { refund: None, ..after };
    }
    let total = match told {
        Refunded::Total(Some(total))
            if total.currency == case.payment.currency && total.amount_minor <= case.payment.amount =>
        {
            Some(total.amount_minor)
        }
        // More than was paid, or in another currency.
        Refunded::Total(_) => {
            let alert = alert(&case, AlertKind::AnswerMismatch, None, app.clock.now());
            last.get_or_insert_default().alert(&alert);
            None
        }
        Refunded::One(_) => None,
    };
    if let Some(change) = total.and_then(|total| transition::told(&case, total)) {
        let (commit, _) = change_of(app, invocation, arrival, &case, change, None);
        if let Some(before) = last.replace(commit)
            && !step(app, invocation, before).await?
        {
            return Ok(None);
        }
    }
    finish(app, invocation, arrival, last.unwrap_or_default()).await
}

/// What refunds of a payment mean that has ended before anybody saw it paid, as the gateway shows it, and will never be
/// paid: nothing, where they were called off with it; money that went out besides, a person must look at. `None`: it has
/// not ended so, or the gateway says two things.
pub(super) fn of_ended(app: &App, case: &Case, shown: &Sent, refunds: Option<&[Listed]>) -> Option<Option<Alert>> {
    let has_ended = matches!(case.payment.status, PaymentStatus::Failed | PaymentStatus::Canceled)
        && matches!(shown.outcome, Outcome::Declined(_) | Outcome::Canceled);
    let refunds = refunds?;
    let is_out = refunds.iter().any(Listed::is_alive);
    let has_failed = |listed: &Listed| matches!(listed.seen.answer.outcome, Outcome::Declined(_) | Outcome::Canceled);
    // An empty list may be behind.
    let are_off = !refunds.is_empty() && refunds.iter().all(has_failed);
    (has_ended && (are_off || (is_out && shown.came_back)))
        .then(|| is_out.then(|| alert(case, AlertKind::ReturnedAfterRefund, None, app.clock.now())))
}

/// What the gateway's refund changes in the books; `None`: nothing.
async fn refund_shown(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    case: &Case,
    found: &Items,
    listed: Listed,
) -> Result<Option<(Commit, Case)>, Stop> {
    let now = app.clock.now();
    let tenant = invocation.tenant();
    let of_payment = |refund: &Refund| {
        refund.payment_id == case.payment.id
            && refund.reference().is_none_or(|reference| reference == listed.seen.reference)
    };
    let ours: Option<Refund> = match &listed.ours {
        Some(id) => found.get::<Refund>(&Key::refund(tenant, id))?.filter(of_payment),
        None => None,
    };
    let is_known = ours.is_some();
    let stored = match ours {
        Some(ours) => Some(ours),
        None => match found.get::<Refund>(&Key::refund(tenant, &listed.external))? {
            Some(external) => Some(external),
            // Somebody may have taken our mark off.
            None => by_reference(app, tenant, &listed.seen.reference).await?.filter(of_payment),
        },
    };
    let (report, status, why) = match &listed.seen.answer.outcome {
        Outcome::Succeeded => (Report::Succeeded, RefundStatus::Succeeded, None),
        Outcome::Pending => (Report::Pending, RefundStatus::Processing, None),
        Outcome::Declined(failure) => (Report::Declined, RefundStatus::Failed, Some(failure.clone())),
        Outcome::Canceled => {
            let failure = Failure::new(FailureCode::Canceled, None);
            (Report::Canceled, RefundStatus::Canceled, Some(failure))
        }
        _ => return Ok(None),
    };
    let Some(shown) = listed.seen.answer.seen.clone() else { return Ok(None) };
    let Some(stored) = stored else {
        let Some(money) = shown.money.filter(|money| money.currency == case.payment.currency) else { return Ok(None) };
        tracing::info!(payment_id = %case.payment.id, reference = shown.reference, "a refund that was made at the gateway");
        let refund = external(&case.payment, listed.external, &listed.seen, status, money, why.clone(), now);
        let mut change = transition::discover(case, refund);
        // It carries an id of ours, and the books don't have it.
        change.alerts.extend((listed.ours.is_some() && !is_known).then_some(AlertKind::UnknownToUs));
        return Ok(Some(change_of(app, invocation, arrival, case, change, why.as_ref())));
    };
    let case = Case { refund: Some(stored), ..case.clone() };
    // What differs from the reservation is not applied; recovery, which looks at it too, calls a person.
    if !is_ours(case.movement(), &shown) {
        return Ok(None);
    }
    // A failure waits until no send of ours can be under way.
    let movement = case.movement();
    let is_open = movement.is_unsettled() && !movement.is_external();
    if why.is_some() && is_open && !retry::failure_is_final(now, movement.progress().send_until) {
        // Noted, so that recovery looks soon; the event itself is wanted again when no send can be open.
        let mut case = case;
        let progress = case.progress_mut();
        progress.revision += 1;
        check_when_final(progress);
        let mut commit = Commit::default();
        if let Some(refund) = &case.refund {
            commit.refund(&app.store, refund);
        }
        step(app, invocation, commit).await?;
        return Err(Stop::Gateway(SEND_OPEN));
    }
    let Some(change) = transition::apply(&case, report, why.as_ref(), &Next::Nothing, Some(&shown.reference), now)
    else {
        return Ok(None);
    };
    let sent = Sent::found(case.movement(), listed.seen.answer);
    let source = Source::Event(arrival.event.clone());
    let finding = Finding { sent, source, action: RunAction::Receive };
    Ok(Some(applied(app, invocation, &case, change, &finding, why.as_ref(), None)))
}

/// The record that is known by the gateway's id.
async fn by_reference(app: &App, tenant: &TenantId, reference: &str) -> Result<Option<Refund>, Stop> {
    let id = app.store.by_reference(tenant, reference).await?.and_then(|id| id.parse::<RefundId>().ok());
    match id {
        Some(id) => Ok(app.store.get(&Key::refund(tenant, &id)).await?),
        None => Ok(None),
    }
}

/// The record of a refund that was made at the gateway without us.
fn external(
    payment: &Payment,
    id: RefundId,
    seen: &SeenRefund,
    status: RefundStatus,
    money: Money,
    failure: Option<Failure>,
    now: Time,
) -> Refund {
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

/// Applies how the payment's disputes stand at the gateway now. A list that is behind the event is none.
pub(super) async fn apply_disputes(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    case: Case,
    reference: &str,
    (id, has_ended): (&str, bool),
) -> Result<Option<Received>, Stop> {
    let time = || invocation.gateway_time(app);
    let seen =
        arrival.keys.disputes(app, reference, case.payment.order_id.as_deref(), case.payment.money(), &time).await;
    let seen = seen.map_err(|trouble| Stop::Gateway(trouble.as_str()))?;
    let Disputes { seen: known, lost } = case.payment.disputes;
    // What PayPal has taken is found out by what was refunded since, and may turn out to be less.
    let only_grows = case.payment.frozen.gateway == Gateway::Stripe;
    let is_behind = seen.standing.disputes.seen < known || (only_grows && seen.standing.disputes.lost < lost);
    if is_behind || seen.ended.get(id).is_none_or(|ended| has_ended && !ended) {
        return Err(Stop::Gateway("the gateway's list of disputes is behind its event"));
    }
    // A dispute about a bank debit is the bank's return.
    let failure = case.payment.is_debit().then(|| stripe::debit_failure(seen.reason.as_deref()));
    let commit = match transition::standing(&case, seen.standing, failure.as_ref()) {
        Some(mut change) => {
            let retirement = Retirement::of(app, &case, &change.case).await?;
            change.alerts.extend(retirement.as_ref().map(Retirement::alert));
            let (mut commit, after) = change_of(app, invocation, arrival, &case, change, None);
            if let Some(retirement) = retirement {
                retirement.write(app, invocation, &mut commit, &after.payment);
            }
            commit
        }
        // Nothing to change, if nobody else has changed it.
        None => {
            let mut commit = Commit::default();
            commit.unchanged(&app.store, &case.invoice);
            commit
        }
    };
    finish(app, invocation, arrival, commit).await
}

/// The transfer to a vendor's account was reversed. Refunds reverse it too; what is beyond them, a person must look at.
pub(super) async fn apply_reversal(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    case: Case,
    refunds: &[Listed],
    reversed: Money,
) -> Result<Option<Received>, Stop> {
    let money = |listed: &Listed| listed.seen.answer.seen.as_ref().and_then(|seen| seen.money);
    let alive = refunds.iter().filter(|listed| listed.is_alive()).filter_map(money);
    let by_refunds = alive.map(|money| money.amount_minor).fold(0, i64::saturating_add);
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
    let is_returned = |payment: &Payment| payment.status == PaymentStatus::Returned;
    let action = match () {
        () if refunds_changed => "refund",
        () if is_returned(&change.case.payment) && !is_returned(&before.payment) => "return",
        () => "dispute",
    };
    let mut told = Told::action(action).saying("event", arrival.event.id.as_str());
    told.why = why;
    let class = change.alerts.first().map(|kind| kind.as_str());
    let (mut commit, case) = record(app, invocation, before, change, told);
    if let Some(class) = class {
        let execution = Execution { action: RunAction::Receive, class, gateway_code: None, attempts: 0 };
        commit.run(&app.store, &run(app, invocation, &case, execution));
    }
    (commit, case)
}

/// The end of an event: its last change, with the mark.
async fn finish(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    commit: Commit,
) -> Result<Option<Received>, Stop> {
    match last(app, invocation, arrival, commit).await {
        Ok(true) => Ok(Some(Received::Done)),
        Ok(false) => Ok(Some(Received::Seen)),
        // Something that it was decided on has changed.
        Err(Stop::Busy) => Ok(None),
        Err(error) => Err(error),
    }
}
