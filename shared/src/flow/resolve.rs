//! A person's word on a payment that nobody can look up any more.
//!
//! Taken only when the key has expired, so that no send can execute it any more, and a look-up has just found nothing
//! that is believed. Without the account's secret only "executed" is taken: it pays nothing a second time.

use super::recover::{account_secret, look_up, touch};
use super::send::Sent;
use super::settle::{Finding, Pace, Source, reread, settle};
use super::{Invocation, Stop, find_payment, permitted};
use crate::app::App;
use crate::gateway::{Found, Outcome, Trouble};
use crate::model::alert::RunAction;
use crate::model::payment::{Payment, PaymentStatus};
use crate::model::tenant::Settings;
use crate::policy::refusal::{Code, Refusal};
use crate::policy::retry;
use crate::policy::roles::Permission;
use crate::secrets::StripeSecret;
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
pub async fn resolve(app: &App, invocation: &Invocation, id: &str, resolution: &Resolution) -> Result<Payment, Stop> {
    let tenant = invocation.tenant();
    let caller_key = Key::member(tenant, &invocation.actor.user_id);
    let settings_key = Key::settings(tenant);
    let found = app.store.read([caller_key.clone(), settings_key.clone()], Consistency::Strong).await?;
    let caller = permitted(found.get(&caller_key)?, Permission::PaymentsResolve)?;
    let payment = find_payment(app, invocation, id).await?;
    let four_eyes = found.get::<Settings>(&settings_key)?.is_some_and(|settings| settings.four_eyes);
    if four_eyes && payment.created_by == caller.user_id {
        let detail = "Whoever asked for a payment may not resolve it: the tenant asks for four eyes.";
        return Err(Stop::refused(Refusal::new(Code::FourEyes, detail)));
    }

    touch(app, invocation, payment.clone()).await?;
    let (payment, invoice) = reread(app, &payment).await?;
    if payment.status != PaymentStatus::Processing {
        return Err(not_resolvable(&payment, "Its outcome is known."));
    }
    let now = app.clock.now();
    if retry::key_protects(now, payment.created_at) || !retry::failure_is_final(now, payment.send_until) {
        return Err(not_resolvable(&payment, "It is still being looked up; that ends by itself."));
    }
    let sent = match account_secret(app, &payment).await {
        Ok(secret) => {
            let (found, secret) = look_up(app, invocation, &payment, secret).await;
            match found {
                Found::Nothing => {}
                Found::Unanswered(_) => {
                    return Err(not_resolvable(&payment, "The gateway does not answer; try again."));
                }
                Found::Object(answer) => {
                    let found_outcome = answer.outcome.clone();
                    let sent = Sent::found(&payment, answer);
                    // What is not believed ends nothing: a person's word does. But "not executed" needs an object that
                    // will not be.
                    let may_be_executed = !resolution.executed && found_outcome != Outcome::Canceled;
                    if sent.mismatch && may_be_executed {
                        return Err(not_resolvable(
                            &payment,
                            "The gateway shows an object of another amount for it; cancel that first.",
                        ));
                    }
                    if !sent.mismatch {
                        let finding = Finding { sent, source: Source::Lookup, action: RunAction::Recover };
                        let payment = settle(app, invocation, (payment, invoice), &finding, Pace::Touch).await?;
                        let why = "The gateway shows it after all; if it stays open there, cancel it.";
                        return Err(not_resolvable(&payment, why));
                    }
                }
            }
            said(app, invocation, &payment, &secret, resolution).await?
        }
        // Nobody can be asked any more. "Executed" pays nothing a second time; "not executed" would free the invoice.
        Err(Trouble::OtherAccount) if resolution.executed && resolution.gateway_reference.is_none() => word(resolution),
        Err(Trouble::OtherAccount) => {
            let why = "The tenant's secret names another gateway account, or is gone; restore it, so that it can be looked up.";
            return Err(not_resolvable(&payment, why));
        }
        Err(_) => return Err(not_resolvable(&payment, "The tenant's secret can't be read; try again later.")),
    };
    let wanted = if resolution.executed { PaymentStatus::Paid } else { PaymentStatus::Failed };
    let finding =
        Finding { sent, source: Source::Person { note: resolution.note.clone() }, action: RunAction::Recover };
    let payment = settle(app, invocation, (payment, invoice), &finding, Pace::Touch).await?;
    match payment.status {
        status if status == wanted => Ok(payment),
        PaymentStatus::Processing => Err(Stop::Busy),
        _ => Err(not_resolvable(&payment, "Somebody else was faster.")),
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
    payment: &Payment,
    secret: &StripeSecret,
    resolution: &Resolution,
) -> Result<Sent, Stop> {
    let Some(reference) = resolution.gateway_reference.as_ref().filter(|_| resolution.executed) else {
        return Ok(word(resolution));
    };
    let Some(timeout) = invocation.gateway_time(app) else { return Err(Stop::Busy) };
    match app.stripe.read(secret, payment, reference, timeout).await {
        Found::Object(answer) => {
            let sent = Sent::found(payment, answer);
            let holds = !sent.mismatch && sent.outcome == Outcome::Succeeded;
            if holds { Ok(sent) } else { Err(mismatch(reference, payment)) }
        }
        Found::Nothing => Err(mismatch(reference, payment)),
        Found::Unanswered(_) => Err(not_resolvable(payment, "The gateway does not answer; try again.")),
    }
}

fn mismatch(reference: &str, payment: &Payment) -> Stop {
    let detail = format!(
        "The gateway shows no executed payment {reference} of {} with the id {}; leave gateway_reference out if it was paid another way.",
        payment.money(),
        payment.id
    );
    Stop::refused(Refusal::field(Code::PaymentMismatch, "gateway_reference", detail))
}

fn not_resolvable(payment: &Payment, why: &str) -> Stop {
    let detail = format!("{} is {}. {why}", payment.id, payment.status);
    Stop::refused(Refusal::new(Code::NotResolvable, detail).with("payment_status", payment.status.as_str()))
}
