//! Canceling a payment or refund at its gateway; it is `canceled` only when the gateway confirms it.

use super::keys::may_be_given_up;
use super::recover::{account_keys, look_up, touch};
use super::send::Sent;
use super::settle::{Finding, Pace, Source, reread, settle};
use super::{Invocation, Stop, find_payment, find_refund, require};
use crate::app::App;
use crate::gateway::{Answer, Found, Outcome, Trouble};
use crate::model::alert::RunAction;
use crate::model::movement::Movement;
use crate::model::payment::{Gateway, Payment, PaymentStatus};
use crate::model::refund::{Refund, RefundStatus};
use crate::model::transition::Case;
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;
use crate::secrets::Keys;

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
    // What waits for its customer is not gone on with first.
    if !movement.waits_for_customer() {
        touch(app, invocation, movement).await?;
    }
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
    let answer = match found {
        Found::Object(answer) => confirmed(app, invocation, movement, &keys, answer).await?,
        // The order is not there any more, and we have not captured it; or it is not even in our books.
        Found::Nothing if may_be_given_up(app.clock.now(), movement) => {
            Answer::without_object(Outcome::Canceled, false)
        }
        Found::Unanswered(_) if movement.order().is_none() && may_be_given_up(app.clock.now(), movement) => {
            Answer::without_object(Outcome::Canceled, false)
        }
        Found::Nothing | Found::Unanswered(_) if movement.waits_for_customer() => {
            return Err(not_cancelable(movement, "The gateway does not show it just now; try again in a minute."));
        }
        Found::Nothing | Found::Unanswered(_) => {
            let why =
                "The gateway does not show it yet; try again later, or resolve it once the gateway's key has expired.";
            return Err(not_cancelable(movement, why));
        }
    };
    let sent = Sent::found(movement, answer);
    let finding = Finding { sent, source: Source::Lookup, action: RunAction::Recover };
    let case = settle(app, invocation, case, &finding, Pace::Check).await?;
    let movement = case.movement();
    if movement.is_unsettled()
        && let Some(why) = beyond_recall(movement)
    {
        return Err(not_cancelable(movement, why));
    }
    if is_canceled(movement) || movement.is_unsettled() {
        return Ok(case);
    }
    Err(not_cancelable(movement, "The gateway had executed or refused it before."))
}

/// What the gateway says of a cancellation of what it shows.
async fn confirmed(
    app: &App,
    invocation: &Invocation,
    movement: Movement<'_>,
    keys: &Keys,
    shown: Answer,
) -> Result<Answer, Stop> {
    if shown.seen.is_none() && shown.begun.is_none() {
        return Err(not_cancelable(movement, "The gateway shows no id for it."));
    }
    if Sent::found(movement, shown.clone()).mismatch {
        return Err(not_cancelable(movement, "The gateway's object differs from the reservation."));
    }
    let Some(timeout) = invocation.gateway_time(app) else { return Err(Stop::Busy) };
    match keys.cancel(app, movement, shown, timeout).await {
        Found::Object(answer) => Ok(answer),
        _ => Err(not_cancelable(movement, "The gateway did not confirm the cancellation; try again.")),
    }
}

/// Why what was to be canceled is still under way; `None`: it may be canceled yet.
fn beyond_recall(movement: Movement<'_>) -> Option<&'static str> {
    match (movement.gateway(), movement) {
        (Gateway::Paypal, _) => Some(
            "PayPal takes back only a payout that nobody has claimed, once it is in the books; wait for the outcome, or try again in some minutes.",
        ),
        (Gateway::Plaid, _) => Some("It is with the banks already; wait for the outcome, then refund it."),
        (Gateway::Stripe, Movement::Payment(payment)) if payment.is_debit() && !movement.waits_for_customer() => {
            Some("It is with the banks already; wait for the outcome, then refund it.")
        }
        (Gateway::Stripe, _) => None,
    }
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
