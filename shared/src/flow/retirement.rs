//! Retirement: what a bank's return makes of the payment method that was debited or paid into.
//!
//! It is written in the transaction of what it makes of the payment: a closed account is not used again, and one whose
//! owner did not authorize a debit never.

use serde_json::json;

use super::method::change::Change;
use super::{Invocation, Stop};
use crate::app::App;
use crate::gateway::stripe;
use crate::model::alert::AlertKind;
use crate::model::method::{Method, MethodStatus};
use crate::model::payment::{Failure, Payment, PaymentStatus};
use crate::model::return_code::{self, ReturnClass};
use crate::model::transition::Case;
use crate::store::Key;
use crate::store::commit::Commit;

/// A payment method that must not be used any more, since a bank said so.
#[derive(Debug)]
pub(super) struct Retirement {
    change: Change,
}

impl Retirement {
    /// What a return makes of the method that was debited or paid into; `None`: it stays as it is.
    pub(super) async fn of(app: &App, before: &Case, after: &Case) -> Result<Option<Self>, Stop> {
        let payment = &after.payment;
        let has_ended = payment.status != before.payment.status
            && matches!(payment.status, PaymentStatus::Failed | PaymentStatus::Returned);
        // One that was believed never to have been sent has failed before.
        let is_newly_returned = is_by_bank(payment) && !is_by_bank(&before.payment);
        let status = payment.failure.as_ref().and_then(|failure| class_of(payment, failure)?.method());
        let (Some(status), Some(id), None, true) =
            (status, &payment.payment_method_id, &after.refund, has_ended || is_newly_returned)
        else {
            return Ok(None);
        };
        let Some(method) = app.store.get::<Method>(&Key::method(&payment.tenant_id, id)).await? else {
            return Ok(None);
        };
        let change = Change::of(app, method.clone(), method.retired(status)).await?;
        Ok((!change.is_nothing()).then_some(Self { change }))
    }

    /// Who is called about it.
    pub(super) fn alert(&self) -> AlertKind {
        match self.change.status() {
            MethodStatus::Blocked => AlertKind::DebitNotAuthorized,
            _ => AlertKind::PaymentMethodInvalid,
        }
    }

    /// Writes it with what brought it about.
    pub(super) fn write(self, app: &App, invocation: &Invocation, commit: &mut Commit, payment: &Payment) {
        let code = payment.failure.as_ref().and_then(|failure| failure.gateway_code.as_deref());
        let about = json!({ "payment": payment.id, "return_code": code });
        self.change.write(app, invocation, "retire_method", about, commit);
    }
}

/// Whether a bank has returned it.
fn is_by_bank(payment: &Payment) -> bool {
    payment.failure.as_ref().is_some_and(|failure| failure.returned.is_some())
}

/// What a failure says of the bank account. Stripe refuses at once what it knows from a return before: that is no
/// presentment, and the account is no better for it.
fn class_of(payment: &Payment, failure: &Failure) -> Option<ReturnClass> {
    let known_before = || {
        let word = failure.gateway_code.as_deref().filter(|_| payment.is_debit())?;
        stripe::bank_return(word).map(return_code::class)
    };
    failure.returned.or_else(known_before)
}
