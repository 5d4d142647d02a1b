//! Plaid's refunds carry no mark of ours: which are ours is told by their ids, and by the books.

use super::Stop;
use crate::app::App;
use crate::bounds;
use crate::gateway::{Outcome, SeenRefund};
use crate::id::{PaymentId, RefundId, TenantId};
use crate::model::payment::{Payment, PaymentStatus};
use crate::model::refund::Refund;
use crate::policy::retry;
use crate::store::Key;
use crate::store::list::{Page, PageRequest};

/// Tells which of Plaid's refunds are ours: they carry no mark. One of ours that has not heard its id yet may be any that
/// nobody knows; it hears it by being sent again, and until then nothing is recorded as made without us.
///
/// Of a debit that came back nothing is sent again: then it is the one of its amount and time.
pub(super) async fn told_apart(
    app: &App,
    tenant: &TenantId,
    payment_id: &PaymentId,
    listed: &mut [SeenRefund],
) -> Result<(), Stop> {
    let (payment, known) = in_books(app, tenant, payment_id).await?;
    let has_come_back = payment.is_some_and(|payment| payment.status == PaymentStatus::Returned);
    let now = app.clock.now();
    let mut taken: Vec<RefundId> = Vec::new();
    for seen in listed {
        let is_it = |refund: &&Refund| refund.reference() == Some(seen.reference.as_str());
        let money = seen.answer.seen.as_ref().and_then(|seen| seen.money);
        let nameless = |refund: &Refund| refund.reference().is_none() && Some(refund.money()) == money;
        let hears_its_id = |refund: &Refund| {
            let is_sent_no_more = has_come_back && retry::failure_is_final(now, refund.progress.send_until);
            refund.status.is_unsettled() && !is_sent_no_more
        };
        if !known.iter().any(|refund| is_it(&refund))
            && known.iter().any(|refund| nameless(refund) && hears_its_id(refund))
        {
            return Err(Stop::Gateway("a refund is told of that may be one of ours which has not heard its id"));
        }
        // Sent, or executed by a person's word, while Plaid kept its key.
        let is_alive = matches!(seen.answer.outcome, Outcome::Succeeded | Outcome::Pending);
        let by_time = |refund: &&Refund| {
            let from = refund.created_at.minus(bounds::LOOKUP_SKEW);
            let until = refund.created_at.plus(bounds::PLAID_KEY);
            let may_be_it = refund.status.is_unsettled() || (refund.status.holds() && is_alive);
            nameless(refund) && may_be_it && (from..until).contains(&seen.created_at) && !taken.contains(&refund.id)
        };
        let ours = known.iter().find(is_it).or_else(|| known.iter().find(by_time));
        if let Some(refund) = ours.filter(|refund| !refund.external) {
            seen.labels.refund_id = Some(refund.id.to_string());
            if let Some(shown) = seen.answer.seen.as_mut() {
                shown.our_id = Some(refund.id.to_string());
            }
            taken.push(refund.id.clone());
        }
    }
    Ok(())
}

/// Whether no refund of the payment in the books has this id of Plaid's.
pub(super) async fn is_unclaimed(
    app: &App,
    tenant: &TenantId,
    payment_id: &PaymentId,
    reference: &str,
) -> Result<bool, Stop> {
    let (_, known) = in_books(app, tenant, payment_id).await?;
    Ok(known.iter().all(|refund| refund.reference() != Some(reference)))
}

/// A payment and all of its refunds, as the table has them.
async fn in_books(
    app: &App,
    tenant: &TenantId,
    payment_id: &PaymentId,
) -> Result<(Option<Payment>, Vec<Refund>), Stop> {
    let mut known: Vec<Refund> = Vec::new();
    let mut page = PageRequest { limit: bounds::PAGE_MAX, cursor: None };
    loop {
        let Page { items, cursor } = app.store.refunds(tenant, Some(payment_id), &page).await?;
        for refund in items {
            known.extend(app.store.get::<Refund>(&Key::refund(tenant, &refund.id)).await?);
        }
        match cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => break,
        }
    }
    // The index may be behind the books, which know how much they hold.
    let held =
        known.iter().filter(|refund| refund.status.holds()).map(|refund| refund.amount).fold(0, i64::saturating_add);
    let payment = app.store.get::<Payment>(&Key::payment(tenant, payment_id)).await?;
    if payment.as_ref().is_some_and(|payment| payment.refunds.held != held) {
        return Err(Stop::Gateway("the index of refunds is behind the books"));
    }
    Ok((payment, known))
}
