//! Stripe's webhooks: who signed them, and what they are about (docs.stripe.com/webhooks, "Verify manually").
//!
//! A signature is HMAC-SHA256 over `t`, a full stop and the raw body, with the whole signing secret as the key. Any of
//! several `v1` signatures may fit any of several secrets, while one is rotated; other schemes are no proof. Unknown
//! fields and types are fine.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::Sha256;

use super::object::{Charge, Dispute, Intent, Reference, Refund, Transfer};
use super::{amount, classify};
use crate::bounds;
use crate::clock::Time;
use crate::gateway::{Hint, Labels, Refunded, Told};

/// The header that carries the signatures.
pub const SIGNATURE: &str = "stripe-signature";

/// What the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// As it is signed.
    timestamp: String,
    seconds: i64,
    /// `v1` signatures that have the right form.
    signatures: Vec<Vec<u8>>,
}

impl Signature {
    /// Reads the header; `None`: nothing in it proves anything.
    #[must_use]
    pub fn parse(header: &[u8]) -> Option<Self> {
        let header = std::str::from_utf8(header).ok()?;
        let mut timestamp = None;
        let mut signatures = Vec::new();
        for (name, value) in header.split(',').filter_map(|part| part.split_once('=')) {
            match name {
                "t" => timestamp = Some(value),
                "v1" => signatures.extend(HEXLOWER.decode(value.as_bytes()).ok()),
                _ => {}
            }
        }
        let timestamp = timestamp?;
        let digits = !timestamp.is_empty() && timestamp.bytes().all(|b| b.is_ascii_digit());
        let seconds = timestamp.parse().ok().filter(|_| digits)?;
        let usable = !signatures.is_empty();
        usable.then(|| Self { timestamp: timestamp.to_owned(), seconds, signatures })
    }

    /// Whether it was made about now.
    #[must_use]
    pub fn is_recent(&self, now: Time) -> bool {
        let at = Time::from_seconds(self.seconds);
        now.since(at) <= bounds::SIGNATURE_AGE && at.since(now) <= bounds::SIGNATURE_AGE
    }

    /// Whether one of the secrets has signed `body`. Compares in constant time.
    #[must_use]
    pub fn is_valid(&self, body: &[u8], secrets: &[SecretString]) -> bool {
        // An empty one is a placeholder, and anybody's.
        secrets.iter().filter(|secret| !secret.expose_secret().trim().is_empty()).any(|secret| {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { return false };
            mac.update(self.timestamp.as_bytes());
            mac.update(b".");
            mac.update(body);
            self.signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
        })
    }
}

/// An event, as far as it is read.
#[derive(Clone, Debug)]
pub struct StripeEvent {
    /// `evt_…`.
    pub id: String,
    /// In Stripe's words.
    pub kind: String,
    /// When it happened.
    pub created_at: Time,
    /// The connected account that it happened in, where it is not the endpoint's own.
    pub account: Option<String>,
    /// What it says.
    pub told: Told,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    id: String,
    object: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    account: Option<String>,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
}

/// A payment method, as far as an event about it is read.
#[derive(Deserialize)]
struct MethodId {
    id: String,
}

/// Reads an event; `None`: it is none, or its object is not what its type says.
#[must_use]
pub fn parse(body: &[u8]) -> Option<StripeEvent> {
    let event: Envelope<'_> = serde_json::from_slice(body).ok()?;
    // A thin event (`v2.core.event`) has no object in it; endpoints for those are others.
    if event.object != "event" || event.id.is_empty() || event.id.len() > bounds::REFERENCE_BYTES {
        return None;
    }
    Some(StripeEvent {
        told: told(&event.kind, event.data.object.get())?,
        id: event.id,
        kind: event.kind,
        created_at: Time::from_seconds(event.created),
        account: event.account,
    })
}

fn told(kind: &str, object: &str) -> Option<Told> {
    let told = match kind {
        "payment_intent.succeeded"
        | "payment_intent.payment_failed"
        | "payment_intent.processing"
        | "payment_intent.requires_action"
        | "payment_intent.canceled" => {
            let intent: Intent = serde_json::from_str(object).ok()?;
            let hint = Hint::Payment(Box::new(classify::intent(&intent)));
            Told::Payment { reference: intent.id, labels: intent.metadata.into(), hint }
        }
        "charge.refunded" => {
            let charge: Charge = serde_json::from_str(object).ok()?;
            let total = amount::from_wire(charge.amount_refunded, &charge.currency);
            let hint = Hint::Refunds(Refunded::Total(total));
            about(charge.payment_intent, charge.metadata.into(), hint)
        }
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            let mut refund: Refund = serde_json::from_str(object).ok()?;
            let payment = refund.payment_intent.take();
            let labels = refund.metadata.clone().into();
            about(payment, labels, Hint::Refunds(Refunded::One(Box::new(super::refund::seen(refund)))))
        }
        _ if kind.starts_with("charge.dispute.") => {
            let dispute: Dispute = serde_json::from_str(object).ok()?;
            let has_ended = kind == "charge.dispute.closed";
            about(dispute.payment_intent, Labels::default(), Hint::Dispute(dispute.id, has_ended))
        }
        "transfer.reversed" => {
            let transfer: Transfer = serde_json::from_str(object).ok()?;
            let ours = transfer.metadata.payment_id.as_deref();
            // One that is a payment itself says so twice: its reversals are its refunds.
            if ours.is_some() && ours == transfer.transfer_group.as_deref() {
                let total = amount::from_wire(transfer.amount_reversed, &transfer.currency);
                let hint = Hint::Refunds(Refunded::Total(total));
                return Some(Told::Payment { reference: transfer.id, labels: transfer.metadata.into(), hint });
            }
            // The transfer of a charge with `transfer_data` is in a group that is named by its PaymentIntent.
            let intent = transfer.transfer_group.as_deref().and_then(|group| group.strip_prefix("group_"));
            let intent = intent.filter(|id| id.starts_with("pi_")).map(|id| Reference::Id(id.to_owned()));
            match amount::from_wire(transfer.amount_reversed, &transfer.currency) {
                Some(reversed) => about(intent, transfer.metadata.into(), Hint::TransferReversed(reversed)),
                None => Told::Nothing,
            }
        }
        "payment_method.detached" | "payment_method.automatically_updated" => {
            let method: MethodId = serde_json::from_str(object).ok()?;
            Told::Method { reference: method.id, detached: kind == "payment_method.detached" }
        }
        _ => Told::Nothing,
    };
    Some(told)
}

/// What has no PaymentIntent is none of our business: charges of ours have one.
fn about(payment: Option<Reference>, labels: Labels, hint: Hint) -> Told {
    match payment {
        Some(reference) => Told::Payment { reference: reference.id(), labels, hint },
        None => Told::Nothing,
    }
}

#[cfg(test)]
mod tests;
