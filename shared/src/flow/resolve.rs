//! A person's word on a payment or refund that nobody can look up any more.
//!
//! Taken only when the key has expired, so that no send can execute it any more, and a look-up has just found nothing
//! that is believed. Without the account's secret only "executed" is taken: it pays nothing a second time.

use super::recover::{account_keys, look_up, touch};
use super::send::Sent;
use super::settle::{Finding, Pace, Source, reread, settle};
use super::{Invocation, Stop, find_payment, find_refund, permitted, unlabeled};
use crate::app::App;
use crate::gateway::{Found, Outcome, Trouble};
use crate::id::UserId;
use crate::model::alert::RunAction;
use crate::model::movement::Movement;
use crate::model::payment::{Gateway, Payment, PaymentStatus};
use crate::model::refund::{Refund, RefundStatus};
use crate::model::tenant::{Member, Settings};
use crate::model::transition::Case;
use crate::policy::refusal::{Code, Refusal};
use crate::policy::retry;
use crate::policy::roles::Permission;
use crate::secrets::Keys;
use crate::store::{Consistency, Key};

/// What a person found out.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// Whether the money moved.
    pub executed: bool,
    /// The gateway's id of the object that moved it.
    pub gateway_reference: Option<String>,
    /// How they know.
    pub note: String,
}

/// Settles a payment of unknown outcome, by our id or the gateway's, on a person's word.
///
/// # Errors
/// `not_resolvable` while the gateway may still say it, or has; `four_eyes` for the one who asked for the payment.
pub async fn resolve_payment(
    app: &App,
    invocation: &Invocation,
    id: &str,
    resolution: &Resolution,
) -> Result<Payment, Stop> {
    let (caller, four_eyes) = caller(app, invocation).await?;
    let payment = find_payment(app, invocation, id).await?;
    check_four_eyes(four_eyes, &payment.created_by, &caller)?;
    Ok(resolve(app, invocation, Movement::Payment(&payment), resolution).await?.payment)
}

/// Settles a refund of unknown outcome, by our id or the gateway's, on a person's word.
///
/// # Errors
/// As for a payment.
pub async fn resolve_refund(
    app: &App,
    invocation: &Invocation,
    id: &str,
    resolution: &Resolution,
) -> Result<Refund, Stop> {
    let (caller, four_eyes) = caller(app, invocation).await?;
    let refund = find_refund(app, invocation, id).await?;
    check_four_eyes(four_eyes, &refund.created_by, &caller)?;
    let resolved = resolve(app, invocation, Movement::Refund(&refund), resolution).await?;
    resolved.refund.ok_or(Stop::Impossible("a refund's case without the refund"))
}

/// The caller, who may resolve, and whether the tenant asks for four eyes.
async fn caller(app: &App, invocation: &Invocation) -> Result<(Member, bool), Stop> {
    let tenant = invocation.tenant();
    let caller_key = Key::member(tenant, &invocation.actor.user_id);
    let settings_key = Key::settings(tenant);
    let found = app.store.read([caller_key.clone(), settings_key.clone()], Consistency::Strong).await?;
    let caller = permitted(found.get(&caller_key)?, Permission::PaymentsResolve)?;
    Ok((caller, found.get::<Settings>(&settings_key)?.is_some_and(|settings| settings.four_eyes)))
}

fn check_four_eyes(four_eyes: bool, created_by: &UserId, caller: &Member) -> Result<(), Stop> {
    if four_eyes && *created_by == caller.user_id {
        let detail = "Whoever asked for it may not resolve it: the tenant asks for four eyes.";
        return Err(Stop::refused(Refusal::new(Code::FourEyes, detail)));
    }
    Ok(())
}

async fn resolve(
    app: &App,
    invocation: &Invocation,
    movement: Movement<'_>,
    resolution: &Resolution,
) -> Result<Case, Stop> {
    touch(app, invocation, movement).await?;
    let case = reread(app, movement).await?;
    let movement = case.movement();
    if !movement.is_unsettled() || movement.waits_for_customer() {
        return Err(not_resolvable(movement, "Its outcome is known."));
    }
    let now = app.clock.now();
    if retry::is_pursued(now, movement) || !retry::failure_is_final(now, movement.progress().send_until) {
        return Err(not_resolvable(movement, "It is still being looked up; that ends by itself."));
    }
    let sent = match account_keys(app, movement).await {
        Ok(keys) => {
            let (found, keys) = look_up(app, invocation, movement, keys).await;
            match found {
                Found::Nothing => {}
                // Nothing that could be it, or an order that nothing was taken with: no more than that can be shown.
                Found::Object(answer) if answer.seen.is_none() && !answer.outcome.is_known() => {}
                Found::Unanswered(_) => {
                    return Err(unanswered(movement));
                }
                Found::Object(answer) => {
                    let found_outcome = answer.outcome.clone();
                    let sent = Sent::found(movement, answer);
                    // What is not believed ends nothing: a person's word does. But "not executed" needs an object that
                    // will not be.
                    let may_be_executed = !resolution.executed && found_outcome != Outcome::Canceled;
                    if sent.mismatch && may_be_executed {
                        return Err(not_resolvable(
                            movement,
                            "The gateway shows an object of another amount for it; cancel that first.",
                        ));
                    }
                    if !sent.mismatch {
                        let finding = Finding { sent, source: Source::Lookup, action: RunAction::Recover };
                        let case = settle(app, invocation, case, &finding, Pace::Touch).await?;
                        let why = "The gateway shows it after all; if it stays open there, cancel it.";
                        return Err(not_resolvable(case.movement(), why));
                    }
                }
            }
            said(app, invocation, movement, &keys, resolution).await?
        }
        // Nobody can be asked any more. "Executed" pays nothing a second time; "not executed" would free the invoice.
        Err(Trouble::OtherAccount) if resolution.executed && resolution.gateway_reference.is_none() => word(resolution),
        Err(Trouble::OtherAccount) => {
            let why = "The tenant's secret names another gateway account, or is gone; restore it, so that it can be looked up.";
            return Err(not_resolvable(movement, why));
        }
        Err(_) => return Err(not_resolvable(movement, "The tenant's secret can't be read; try again later.")),
    };
    let finding =
        Finding { sent, source: Source::Person { note: resolution.note.clone() }, action: RunAction::Recover };
    let case = settle(app, invocation, case, &finding, Pace::Touch).await?;
    let movement = case.movement();
    if is_as_said(movement, resolution.executed) {
        return Ok(case);
    }
    if movement.is_unsettled() { Err(Stop::Busy) } else { Err(not_resolvable(movement, "Somebody else was faster.")) }
}

fn is_as_said(movement: Movement<'_>, executed: bool) -> bool {
    match (movement, executed) {
        (Movement::Payment(payment), true) => payment.status == PaymentStatus::Paid,
        (Movement::Payment(payment), false) => payment.status == PaymentStatus::Failed,
        (Movement::Refund(refund), true) => refund.status == RefundStatus::Succeeded,
        (Movement::Refund(refund), false) => refund.status == RefundStatus::Failed,
    }
}

/// A person's word as it stands.
fn word(resolution: &Resolution) -> Sent {
    Sent::said(if resolution.executed { Outcome::Succeeded } else { Outcome::NotSent(Trouble::Lost) })
}

/// A person's word, with the reference checked that comes with it.
async fn said(
    app: &App,
    invocation: &Invocation,
    movement: Movement<'_>,
    keys: &Keys,
    resolution: &Resolution,
) -> Result<Sent, Stop> {
    let Some(reference) = resolution.gateway_reference.as_ref().filter(|_| resolution.executed) else {
        return Ok(word(resolution));
    };
    let Some(timeout) = invocation.gateway_time(app) else { return Err(Stop::Busy) };
    match keys.read(app, movement, reference, timeout).await {
        Found::Object(mut answer) => {
            // Plaid's refunds carry no mark: which it is rests on the person's word, on its payment and on its amount.
            if let (Some(seen), Gateway::Plaid) = (answer.seen.as_mut(), movement.gateway())
                && is_unclaimed(app, invocation, movement, keys, reference).await?
            {
                seen.our_id = Some(movement.id().to_owned());
            }
            let sent = Sent::found(movement, answer);
            let holds = !sent.mismatch && sent.outcome == Outcome::Succeeded;
            if holds {
                return Ok(sent);
            }
            match app.store.by_reference(movement.tenant_id(), reference).await? {
                // The same money under two records would count twice.
                Some(other) if other != movement.id() => {
                    let detail =
                        format!("{reference} is recorded as {other}; resolve {} as not_executed.", movement.id());
                    Err(Stop::refused(Refusal::field(Code::PaymentMismatch, "gateway_reference", detail)))
                }
                _ => Err(mismatch(reference, movement)),
            }
        }
        Found::Nothing => Err(mismatch(reference, movement)),
        Found::Unanswered(_) => Err(unanswered(movement)),
    }
}

/// Whether a refund of the payment at the gateway is in no record yet. That holds for as long as the invoice is as it was
/// read before: whoever claims it changes that too.
async fn is_unclaimed(
    app: &App,
    invocation: &Invocation,
    movement: Movement<'_>,
    keys: &Keys,
    reference: &str,
) -> Result<bool, Stop> {
    let Movement::Refund(refund) = movement else { return Ok(false) };
    let time = || invocation.gateway_time(app);
    let refunds = keys.refunds(app, &refund.frozen.payment, None, &time).await;
    let refunds = refunds.map_err(|_| unanswered(movement))?;
    let is_of_payment = refunds.iter().any(|seen| seen.reference == reference);
    Ok(is_of_payment && unlabeled::is_unclaimed(app, &refund.tenant_id, &refund.payment_id, reference).await?)
}

fn mismatch(reference: &str, movement: Movement<'_>) -> Stop {
    let detail = format!(
        "The gateway shows no executed {} {reference} of {} with the id {}; leave gateway_reference out if it was done another way.",
        movement.noun(),
        movement.money(),
        movement.id()
    );
    Stop::refused(Refusal::field(Code::PaymentMismatch, "gateway_reference", detail))
}

fn unanswered(movement: Movement<'_>) -> Stop {
    not_resolvable(movement, "The gateway does not answer; try again.")
}

fn not_resolvable(movement: Movement<'_>, why: &str) -> Stop {
    let detail = format!("{} is {}. {why}", movement.id(), movement.status());
    let member = format!("{}_status", movement.noun());
    Stop::refused(Refusal::new(Code::NotResolvable, detail).with(&member, movement.status()))
}
