//! PayPal's objects, as far as they are read. Every field that may be missing is optional and every word an open string:
//! PayPal adds to both.

use serde::{Deserialize, Deserializer};

use super::amount;
use crate::gateway::Labels;
use crate::id::{PaymentId, RefundId};
use crate::money::Money;

/// A member that is null is one that is not there.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// An amount; the older APIs call the currency otherwise.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Amount {
    #[serde(alias = "currency")]
    pub currency_code: String,
    pub value: String,
}

impl Amount {
    pub fn money(&self) -> Option<Money> {
        amount::from_wire(&self.value, &self.currency_code)
    }
}

/// A link to something else.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Link {
    pub href: String,
    pub rel: String,
}

/// The id at the end of the first link of this relation that leads below `path`.
pub(super) fn linked<'a>(links: &'a [Link], rel: &str, path: &str) -> Option<&'a str> {
    links.iter().filter(|link| link.rel == rel).find_map(|link| {
        let (_, rest) = link.href.split_once(path)?;
        let id = rest.split(['/', '?', '#']).next().unwrap_or_default();
        (!id.is_empty()).then_some(id)
    })
}

/// An order.
#[derive(Deserialize)]
pub(super) struct Order {
    pub id: String,
    pub status: String,
    #[serde(default, deserialize_with = "or_default")]
    pub purchase_units: Vec<Unit>,
    #[serde(default, deserialize_with = "or_default")]
    pub payment_source: Sources,
    #[serde(default, deserialize_with = "or_default")]
    pub links: Vec<Link>,
}

/// What is paid with an order.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Unit {
    pub amount: Option<Amount>,
    pub custom_id: Option<String>,
    pub invoice_id: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub payments: Payments,
}

impl Unit {
    pub fn our_id(&self) -> Option<String> {
        self.custom_id.clone().or_else(|| self.invoice_id.clone())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Payments {
    #[serde(deserialize_with = "or_default")]
    pub captures: Vec<Capture>,
    #[serde(deserialize_with = "or_default")]
    pub refunds: Vec<Refund>,
}

/// A capture.
#[derive(Clone, Deserialize)]
pub(super) struct Capture {
    pub id: String,
    pub status: String,
    #[serde(default)]
    pub amount: Option<Amount>,
    #[serde(default)]
    pub custom_id: Option<String>,
    #[serde(default)]
    pub invoice_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub status_details: StatusDetails,
    #[serde(default)]
    pub processor_response: Option<ProcessorResponse>,
    #[serde(default, deserialize_with = "or_default")]
    pub supplementary_data: Supplement,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct StatusDetails {
    pub reason: Option<String>,
}

/// What a card's processor said.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ProcessorResponse {
    pub response_code: Option<String>,
    pub payment_advice_code: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Supplement {
    #[serde(deserialize_with = "or_default")]
    pub related_ids: Related,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Related {
    pub order_id: Option<String>,
    pub capture_id: Option<String>,
}

/// A refund of a capture.
#[derive(Clone, Deserialize)]
pub(super) struct Refund {
    pub id: String,
    #[serde(default)]
    pub status: Option<String>,
    #[serde(default)]
    pub amount: Option<Amount>,
    #[serde(default)]
    pub custom_id: Option<String>,
    #[serde(default)]
    pub invoice_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub status_details: StatusDetails,
    #[serde(default)]
    pub create_time: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub links: Vec<Link>,
    #[serde(default, deserialize_with = "or_default")]
    pub supplementary_data: Supplement,
}

impl Refund {
    /// The capture that it refunds.
    pub fn capture(&self) -> Option<String> {
        let linked = linked(&self.links, "up", "/payments/captures/").map(ToOwned::to_owned);
        linked.or_else(|| self.supplementary_data.related_ids.capture_id.clone())
    }
}

/// Ids of ours among `ids`: a payment's and a refund's can be told apart.
pub(super) fn labels(ids: [Option<&String>; 2]) -> Labels {
    let is_payment = |id: &&&String| id.parse::<PaymentId>().is_ok();
    let is_refund = |id: &&&String| id.parse::<RefundId>().is_ok();
    Labels {
        payment_id: ids.iter().flatten().find(is_payment).map(ToString::to_string),
        refund_id: ids.iter().flatten().find(is_refund).map(ToString::to_string),
        ..Labels::default()
    }
}

/// A batch of payouts.
#[derive(Deserialize)]
pub(super) struct Batch {
    pub batch_header: BatchHeader,
    #[serde(default, deserialize_with = "or_default")]
    pub items: Vec<Item>,
}

#[derive(Deserialize)]
pub(super) struct BatchHeader {
    pub payout_batch_id: String,
    #[serde(default)]
    pub batch_status: String,
    #[serde(default)]
    pub amount: Option<Amount>,
    #[serde(default, deserialize_with = "or_default")]
    pub sender_batch_header: SenderHeader,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SenderHeader {
    pub sender_batch_id: Option<String>,
}

/// One payout.
#[derive(Clone, Deserialize)]
pub(super) struct Item {
    #[serde(default)]
    pub payout_item_id: String,
    #[serde(default)]
    pub payout_batch_id: Option<String>,
    #[serde(default)]
    pub sender_batch_id: Option<String>,
    #[serde(default)]
    pub transaction_status: String,
    #[serde(default, deserialize_with = "or_default")]
    pub payout_item: ItemDetail,
    #[serde(default)]
    pub errors: Option<ErrorBody>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ItemDetail {
    pub amount: Option<Amount>,
    pub sender_item_id: Option<String>,
}

/// Where the money comes from.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Sources {
    pub card: Option<Card>,
    pub paypal: Option<Wallet>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Card {
    pub brand: Option<String>,
    pub last_digits: Option<String>,
    /// `YYYY-MM`.
    pub expiry: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wallet {
    pub email_address: Option<String>,
}

/// A setup token or a payment token.
#[derive(Deserialize)]
pub(super) struct Token {
    pub id: String,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub customer: Option<Customer>,
    #[serde(default, deserialize_with = "or_default")]
    pub payment_source: Sources,
    #[serde(default, deserialize_with = "or_default")]
    pub links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct Customer {
    #[serde(default)]
    pub id: Option<String>,
    /// Whose it is, in the words of whoever set it up.
    #[serde(default)]
    pub merchant_customer_id: Option<String>,
}

/// What went wrong, by the words of either generation of the API, or of its token service.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorBody {
    pub name: Option<String>,
    /// The token service's.
    pub error: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub details: Vec<ErrorDetail>,
    #[serde(deserialize_with = "or_default")]
    pub links: Vec<Link>,
}

impl ErrorBody {
    /// Whether it is PayPal that speaks.
    pub fn is_readable(&self) -> bool {
        self.name.is_some() || self.error.is_some()
    }

    /// Everything that may name what went wrong, the finest first.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let issues = self.details.iter().filter_map(|detail| detail.issue.as_deref());
        issues.chain(self.name.as_deref()).chain(self.error.as_deref())
    }

    /// For support.
    pub fn code(&self) -> Option<String> {
        // The issue of an older API is a sentence, and may quote what was sent.
        let is_word = |word: &&str| word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        self.words().find(is_word).or(self.error.as_deref()).map(ToOwned::to_owned)
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorDetail {
    pub field: Option<String>,
    pub issue: Option<String>,
    /// Payouts' own name for links.
    #[serde(alias = "links", deserialize_with = "or_default")]
    pub link: Vec<Link>,
}

/// A page of events that were sent, or would have been.
#[derive(Deserialize)]
pub(super) struct Events<'a> {
    #[serde(borrow, default)]
    pub events: Vec<Event<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    pub links: Vec<Link>,
}

/// An event, as it is sent and listed.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    pub event_type: String,
    #[serde(default)]
    pub create_time: Option<String>,
    #[serde(borrow, default)]
    pub resource: Option<&'a serde_json::value::RawValue>,
}

/// A dispute.
#[derive(Deserialize)]
pub(super) struct Dispute {
    pub dispute_id: String,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub create_time: Option<String>,
    #[serde(default)]
    pub dispute_life_cycle_stage: Option<String>,
    #[serde(default)]
    pub dispute_amount: Option<Amount>,
    #[serde(default, deserialize_with = "or_default")]
    pub dispute_outcome: DisputeOutcome,
    #[serde(default, deserialize_with = "or_default")]
    pub disputed_transactions: Vec<Disputed>,
}

/// How a dispute has ended.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct DisputeOutcome {
    pub outcome_code: Option<String>,
    pub amount_refunded: Option<Amount>,
}

/// A page of disputes.
#[derive(Deserialize)]
pub(super) struct Disputes {
    #[serde(default, deserialize_with = "or_default")]
    pub items: Vec<DisputeId>,
    #[serde(default, deserialize_with = "or_default")]
    pub links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct DisputeId {
    pub dispute_id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Disputed {
    pub seller_transaction_id: Option<String>,
    pub invoice_number: Option<String>,
    pub custom: Option<String>,
}

/// Anything, by its id.
#[derive(Deserialize)]
pub(super) struct Named {
    pub id: String,
}
