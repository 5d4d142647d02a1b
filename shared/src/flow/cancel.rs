//! Canceling a payment or refund at its gateway; it is `canceled` only when the gateway confirms it.

use super::keys::{is_payout, may_be_given_up};
use super::recover::{account_keys, look_up, touch};
use super::send::Sent;
use super::settle::{Finding, Pace, Source, reread, settle};
use super::{Invocation, Stop, find_payment, find_refund, require};
use crate::app::App;
use crate::gateway::{Found, Trouble};
use crate::model::alert::RunAction;
use crate::model::movement::Movement;
use crate::model::payment::{Payment, PaymentStatus};
use crate::model::refund::{Refund, RefundStatus};
use crate::model::transition::Case;
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;

/// Cancels a payment that is not final, by our id or the gateway's.
///
/// # Errors
/// `not_cancelable` says what stands in the way; the payment may have been settled by the look-up.
pub async fn cancel_payment(app: &App, invocation: &Invocation, id: &str) -> Result<Payment, Stop> {
    require(app, invocation, Permission::PaymentsRefund).await?;
    let payment = find_payment(app, invocation, id).await?;
    Ok(cancel(app, invocation, Movement::Payment(&payment)).await?.payment)
}

/// Cancels a refund that is not final, by our id or the gateway's.
///
/// # Errors
/// `not_cancelable` says what stands in the way; the refund may have been settled by the look-up.
pub async fn cancel_refund(app: &App, invocation: &Invocation, id: &str) -> Result<Refund, Stop> {
    require(app, invocation, Permission::PaymentsRefund).await?;
    let refund = find_refund(app, invocation, id).await?;
    let canceled = cancel(app, invocation, Movement::Refund(&refund)).await?;
    canceled.refund.ok_or(Stop::Impossible("a refund's case without the refund"))
}

async fn cancel(app: &App, invocation: &Invocation, movement: Movement<'_>) -> Result<Case, Stop> {
    touch(app, invocation, movement).await?;
    // The reference may have been found by another execution.
    let case = reread(app, movement).await?;
    let movement = case.movement();
    if is_canceled(movement) {
        return Ok(case);
    }
    if !movement.is_unsettled() {
        let why = match movement {
            Movement::Payment(_) => "It is final; money that moved goes back by a refund.",
            Movement::Refund(_) => "It is final.",
        };
        return Err(not_cancelable(movement, why));
    }
    let keys = match account_keys(app, movement).await {
        Ok(keys) => keys,
        Err(Trouble::OtherAccount) => {
            return Err(not_cancelable(movement, "The tenant's secret names another gateway account, or is gone."));
        }
        Err(_) => return Err(not_cancelable(movement, "The tenant's secret can't be read; try again later.")),
    };
    let (found, keys) = look_up(app, invocation, movement, keys).await;
    let Found::Object(answer) = found else {
        return Err(not_cancelable(
            movement,
            "The gateway does not show it yet; try again later, or resolve it once the gateway's key has expired.",
        ));
    };
    if answer.seen.is_none() && answer.begun.is_none() {
        return Err(not_cancelable(movement, "The gateway shows no id for it."));
    }
    if Sent::found(movement, answer.clone()).mismatch {
        return Err(not_cancelable(movement, "The gateway's object differs from the reservation."));
    }
    // Written down only once no send can be under way, it would look by then like a payout that nobody has claimed.
    if is_payout(movement) && !may_be_given_up(app.clock.now(), movement) {
        return Err(not_cancelable(movement, "It was sent moments ago; try again in a few minutes."));
    }
    let Some(timeout) = invocation.gateway_time(app) else { return Err(Stop::Busy) };
    let Found::Object(answer) = keys.cancel(app, movement, answer, timeout).await else {
        return Err(not_cancelable(movement, "The gateway did not confirm the cancellation; try again."));
    };
    let sent = Sent::found(movement, answer);
    let finding = Finding { sent, source: Source::Lookup, action: RunAction::Recover };
    let case = settle(app, invocation, case, &finding, Pace::Check).await?;
    let movement = case.movement();
    if is_canceled(movement) || movement.is_unsettled() {
        return Ok(case);
    }
    Err(not_cancelable(movement, "The gateway had executed or refused it before."))
}

fn is_canceled(movement: Movement<'_>) -> bool {
    match movement {
        Movement::Payment(payment) => payment.status == PaymentStatus::Canceled,
        Movement::Refund(refund) => refund.status == RefundStatus::Canceled,
    }
}

fn not_cancelable(movement: Movement<'_>, why: &str) -> Stop {
    let detail = format!("{} is {}. {why}", movement.id(), movement.status());
    let member = format!("{}_status", movement.noun());
    Stop::refused(Refusal::new(Code::NotCancelable, detail).with(&member, movement.status()))
}
