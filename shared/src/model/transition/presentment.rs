//! What payments do to the count of an invoice's presentments: it is taken by the reservation, given back where no bank
//! has seen the debit, and barred where the bank returned it for another reason than want of money.

use super::super::invoice::{Invoice, Presentments};
use super::super::payment::{Failure, Payment};
use crate::clock::Time;

/// A debit is about to be presented.
pub fn present(invoice: &mut Invoice, payment: &Payment, at: Time) {
    let Some(method) = payment.payment_method_id.as_ref().filter(|_| payment.is_debit()) else { return };
    let none = Presentments { made: 0, first_at: at, barred: false };
    let so_far = invoice.presentments.entry(method.clone()).or_insert(none);
    if so_far.made == 0 {
        so_far.first_at = at;
    }
    so_far.made = so_far.made.saturating_add(1);
}

/// A debit has failed, or has come back.
pub(super) fn ended(invoice: &mut Invoice, payment: &Payment, failure: Option<&Failure>) {
    let Some(method) = payment.payment_method_id.as_ref().filter(|_| payment.is_debit()) else { return };
    let Some(so_far) = invoice.presentments.get_mut(method) else { return };
    match failure.and_then(|failure| failure.returned) {
        None => so_far.made = so_far.made.saturating_sub(1),
        Some(class) => so_far.barred |= !class.may_come_again(),
    }
}
