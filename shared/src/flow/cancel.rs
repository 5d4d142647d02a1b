//! Canceling a payment at its gateway; it is `canceled` only when the gateway confirms it.

use super::recover::{account_secret, look_up, touch};
use super::send::Sent;
use super::settle::{Finding, Pace, Source, reread, settle};
use super::{Invocation, Stop, find_payment, require};
use crate::app::App;
use crate::gateway::{Found, Trouble};
use crate::model::alert::RunAction;
use crate::model::payment::{Payment, PaymentStatus};
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;

/// Cancels a payment that is not final, by our id or the gateway's.
///
/// # Errors
/// `not_cancelable` says what stands in the way; the payment may have been settled by the look-up.
pub async fn cancel(app: &App, invocation: &Invocation, id: &str) -> Result<Payment, Stop> {
    require(app, invocation, Permission::PaymentsRefund).await?;
    let payment = find_payment(app, invocation, id).await?;
    let payment = touch(app, invocation, payment).await?.payment;
    if payment.status == PaymentStatus::Canceled {
        return Ok(payment);
    }
    if !payment.status.is_unsettled() {
        return Err(not_cancelable(&payment, "It is final; money that moved goes back by a refund."));
    }
    let secret = match account_secret(app, &payment).await {
        Ok(secret) => secret,
        Err(Trouble::OtherAccount) => {
            return Err(not_cancelable(&payment, "The tenant's secret names another gateway account, or is gone."));
        }
        Err(_) => return Err(not_cancelable(&payment, "The tenant's secret can't be read; try again later.")),
    };
    // The reference may have been found by another execution.
    let (payment, invoice) = reread(app, &payment).await?;
    let (found, secret) = look_up(app, invocation, &payment, secret).await;
    let Found::Object(answer) = found else {
        return Err(not_cancelable(
            &payment,
            "The gateway does not show it yet; try again later, or resolve it once the gateway's key has expired.",
        ));
    };
    let Some(reference) = answer.seen.as_ref().map(|seen| seen.reference.clone()) else {
        return Err(not_cancelable(&payment, "The gateway shows no id for it."));
    };
    let sent = Sent::found(&payment, answer);
    if sent.mismatch {
        return Err(not_cancelable(&payment, "The gateway's object differs from the reservation."));
    }
    let Some(timeout) = invocation.gateway_time(app) else { return Err(Stop::Busy) };
    let Found::Object(answer) = app.stripe.cancel(&secret, &payment, &reference, timeout).await else {
        return Err(not_cancelable(&payment, "The gateway did not confirm the cancellation; try again."));
    };
    let finding = Finding { sent: Sent::found(&payment, answer), source: Source::Lookup, action: RunAction::Recover };
    let payment = settle(app, invocation, (payment, invoice), &finding, Pace::Check).await?;
    match payment.status {
        PaymentStatus::Canceled | PaymentStatus::Processing | PaymentStatus::RequiresAction => Ok(payment),
        _ => Err(not_cancelable(&payment, "The gateway had executed or refused it before.")),
    }
}

fn not_cancelable(payment: &Payment, why: &str) -> Stop {
    let detail = format!("{} is {}. {why}", payment.id, payment.status);
    Stop::refused(Refusal::new(Code::NotCancelable, detail).with("payment_status", payment.status.as_str()))
}
