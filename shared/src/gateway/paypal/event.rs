//! PayPal's webhooks: what they are about (developer.paypal.com/api/rest/webhooks/event-names). Who signed them is
//! `signature`'s business. Unknown fields and types are fine.

use serde::de::DeserializeOwned;

use super::classify::{self, Known};
use super::object::{Batch, Capture, Dispute, Event, Item, Named, Order, Refund, labels};
use super::refund::seen;
use crate::bounds;
use crate::clock::Time;
use crate::gateway::{Answer, Hint, Labels, Outcome, Refunded, Seen, Told};

/// An event, as far as it is read.
#[derive(Clone, Debug)]
pub struct PayPalEvent {
    /// `WH-…`.
    pub id: String,
    /// In PayPal's words.
    pub kind: String,
    /// When it happened; when it came, where PayPal does not say.
    pub created_at: Time,
    /// What it says.
    pub told: Told,
}

/// Reads an event; `None`: it is none. One whose object can't be read tells nothing: an account may do other business
/// over an older API, and delivered again it would be no better. What is ours is found without it.
#[must_use]
pub fn parse(body: &[u8], now: Time) -> Option<PayPalEvent> {
    let event: Event<'_> = serde_json::from_slice(body).ok()?;
    if event.id.is_empty() || event.id.len() > bounds::REFERENCE_BYTES || event.event_type.is_empty() {
        return None;
    }
    let created_at = event.create_time.as_deref().and_then(|text| text.parse().ok()).unwrap_or(now);
    let told = event.resource.and_then(|resource| told(&event.event_type, resource.get(), created_at));
    if told.is_none() {
        tracing::warn!(event = event.id, kind = event.event_type, "an event's object can't be read; it tells nothing");
    }
    Some(PayPalEvent { told: told.unwrap_or(Told::Nothing), id: event.id, kind: event.event_type, created_at })
}

fn object<T: DeserializeOwned>(resource: &str) -> Option<T> {
    serde_json::from_str(resource).ok()
}

fn told(kind: &str, resource: &str, created_at: Time) -> Option<Told> {
    let told = match kind {
        "CHECKOUT.ORDER.APPROVED" | "CHECKOUT.ORDER.COMPLETED" => {
            let order: Order = object(resource)?;
            // What the customer needs is asked for when it is wanted, and not taken from here.
            let answer = classify::order(&order, "");
            let unit = order.purchase_units.first();
            let labels = unit.map(|unit| labels([unit.custom_id.as_ref(), unit.invoice_id.as_ref()]));
            // Without a capture it has no id but the order's.
            let reference = answer.seen.as_ref().map_or(order.id, |seen| seen.reference.clone());
            payment(reference, labels.unwrap_or_default(), answer)
        }
        "PAYMENT.CAPTURE.COMPLETED"
        | "PAYMENT.CAPTURE.PENDING"
        | "PAYMENT.CAPTURE.DENIED"
        | "PAYMENT.CAPTURE.DECLINED" => {
            let capture: Capture = object(resource)?;
            let labels = labels([capture.custom_id.as_ref(), capture.invoice_id.as_ref()]);
            payment(capture.id.clone(), labels, classify::capture(&capture, None))
        }
        "PAYMENT.CAPTURE.REFUNDED" => {
            let refund: Refund = object(resource)?;
            match refund.capture() {
                Some(reference) => {
                    let labels = labels([refund.custom_id.as_ref(), refund.invoice_id.as_ref()]);
                    let hint = Hint::Refunds(Refunded::One(Box::new(seen(refund, created_at))));
                    Told::Payment { reference, labels, hint }
                }
                None => Told::Nothing,
            }
        }
        "PAYMENT.CAPTURE.REVERSED" => reversed(&object(resource)?),
        _ if kind.starts_with("PAYMENT.PAYOUTS-ITEM.") => {
            let item: Item = object(resource)?;
            match classify::item(&item) {
                Some(answer) => {
                    let ids = [item.payout_item.sender_item_id.as_ref(), item.sender_batch_id.as_ref()];
                    payment(item.payout_batch_id.unwrap_or_default(), labels(ids), answer)
                }
                None => Told::Nothing,
            }
        }
        _ if kind.starts_with("PAYMENT.PAYOUTSBATCH.") => {
            let batch: Batch = object(resource)?;
            let header = &batch.batch_header;
            let labels = labels([header.sender_batch_header.sender_batch_id.as_ref(), None]);
            // A hint: whether its batch is the stored one is asked when it is read.
            let answer = classify::batch(&batch, Known { stored: true, ours: None });
            payment(header.payout_batch_id.clone(), labels, answer)
        }
        "CUSTOMER.DISPUTE.CREATED" | "CUSTOMER.DISPUTE.UPDATED" | "CUSTOMER.DISPUTE.RESOLVED" => {
            let dispute: Dispute = object(resource)?;
            let has_ended = kind == "CUSTOMER.DISPUTE.RESOLVED" || dispute.status == "RESOLVED";
            disputed(dispute, has_ended)
        }
        "VAULT.PAYMENT-TOKEN.DELETED" => {
            let token: Named = object(resource)?;
            Told::Method { reference: token.id, detached: true }
        }
        _ => Told::Nothing,
    };
    Some(told)
}

fn payment(reference: String, labels: Labels, answer: Answer) -> Told {
    if reference.is_empty() {
        return Told::Nothing;
    }
    Told::Payment { reference, labels, hint: Hint::Payment(Box::new(answer)) }
}

/// A capture that was reversed. The object is what took the money, with a link up to the capture, or the capture.
fn reversed(object: &Refund) -> Told {
    let ids = labels([object.custom_id.as_ref(), object.invoice_id.as_ref()]);
    let reference = object.capture().unwrap_or_else(|| object.id.clone());
    let seen = Seen {
        reference: reference.clone(),
        money: object.amount.as_ref().and_then(|amount| amount.money()),
        our_id: ids.payment_id.clone(),
    };
    let answer = Answer { seen: Some(seen), came_back: true, ..Answer::without_object(Outcome::Succeeded, false) };
    payment(reference, ids, answer)
}

/// What is about no transaction of the seller's is none of our business.
fn disputed(dispute: Dispute, has_ended: bool) -> Told {
    let transaction = dispute.disputed_transactions.into_iter().find(|one| one.seller_transaction_id.is_some());
    match transaction.and_then(|one| Some((one.seller_transaction_id?, one.custom, one.invoice_number))) {
        Some((reference, custom, invoice)) => {
            let labels = labels([custom.as_ref(), invoice.as_ref()]);
            Told::Payment { reference, labels, hint: Hint::Dispute(dispute.dispute_id, has_ended) }
        }
        None => Told::Nothing,
    }
}

#[cfg(test)]
mod tests;
