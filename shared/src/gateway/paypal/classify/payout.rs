//! What PayPal says of payouts: of a batch of one, and of its item.

use super::refusal;
use super::table::{Meaning, PAYOUT, meaning};
use crate::gateway::paypal::object::{Batch, ErrorBody, Item, linked};
use crate::gateway::paypal::transport::Reply;
use crate::gateway::{Answer, Outcome, Seen, Trouble};
use crate::model::payment::{Failure, FailureCode};
use crate::money::Money;

/// What is known of a batch apart from what it says.
#[derive(Clone, Copy, Debug)]
pub(in crate::gateway::paypal) struct Known<'a> {
    /// Its id is in our books. A denied batch frees our id for another: its failure counts only then.
    pub stored: bool,
    /// Our id and amount: whatever is under the id is what we sent, where the batch does not say the amount yet.
    pub ours: Option<(&'a str, Money)>,
}

/// The answer to creating a payout: the batch was taken, and nothing in it has been decided.
pub(in crate::gateway::paypal) fn payout_reply(reply: &Reply, known: Known<'_>) -> Answer {
    match reply.object::<Batch>() {
        Some(batch) => {
            let header = &batch.batch_header;
            // It answers our own request: it is ours without saying so. A batch that is read must say it.
            let seen = batch_seen(&batch, None, known, known.ours.map(|(id, _)| id));
            Answer { seen: Some(seen), ..Answer::without_object(Outcome::Pending, false) }
                .with_code(Some(header.batch_status.as_str()).filter(|status| *status == "DENIED"))
        }
        None if is_about_receiver(reply) => {
            // No method of the tenant's can put right what is wrong with whom it is for.
            let failure = Failure::new(FailureCode::Declined, reply.error().code());
            Answer::without_object(Outcome::Refused(failure), false)
        }
        None => refusal(reply, PAYOUT, Outcome::Refused, None),
    }
}

/// Whether PayPal does not take the address that is to be paid.
fn is_about_receiver(reply: &Reply) -> bool {
    let error = reply.error();
    let names_it = |field: &str| field.to_ascii_lowercase().ends_with("receiver");
    reply.status == 400
        && error.name.as_deref() == Some("VALIDATION_ERROR")
        && error.details.iter().any(|detail| detail.field.as_deref().is_some_and(names_it))
}

/// Whether a batch under our id exists already, and the id of it where PayPal links to it.
pub(in crate::gateway::paypal) fn duplicate(reply: &Reply) -> Option<Option<String>> {
    let error = reply.error();
    if reply.status != 400 || error.name.as_deref() != Some("USER_BUSINESS_ERROR") {
        return None;
    }
    error.details.iter().find_map(|detail| {
        let id = linked(&detail.link, "self", "/payments/payouts/").map(ToOwned::to_owned);
        let names_it = detail.field.as_deref().is_some_and(|field| field.eq_ignore_ascii_case("sender_batch_id"));
        (id.is_some() || names_it).then_some(id)
    })
}

/// What a batch of one says.
pub(in crate::gateway::paypal) fn batch(batch: &Batch, known: Known<'_>) -> Answer {
    let item = batch.items.first().filter(|_| batch.items.len() == 1);
    let status = batch.batch_header.batch_status.as_str();
    let name = item.and_then(|item| item.errors.as_ref()).and_then(ErrorBody::code);
    let failed = |fallback| Outcome::Declined(payout_failure(name.as_deref(), fallback));
    let (outcome, came_back) = match (status, item) {
        ("DENIED", _) => (failed(FailureCode::Declined), false),
        ("CANCELED", _) => (Outcome::Canceled, false),
        (_, Some(item)) => item_outcome(item),
        ("PENDING" | "PROCESSING" | "SUCCESS", None) => (Outcome::Pending, false),
        _ => (Outcome::Unknown(Trouble::Undecided), false),
    };
    let seen = batch_seen(batch, item, known, None);
    // Nothing else can be under our id, now or later: PayPal is done with the batch, and did not deny it.
    let keeps_id = status == "SUCCESS";
    payout(outcome, came_back, seen, name, known.stored || keeps_id)
}

/// What an item says without its batch.
pub(in crate::gateway::paypal) fn item(item: &Item) -> Option<Answer> {
    let batch_id = item.payout_batch_id.clone().filter(|id| !id.is_empty())?;
    let (outcome, came_back) = item_outcome(item);
    let name = item.errors.as_ref().and_then(ErrorBody::code);
    let seen = Seen {
        reference: batch_id,
        money: item.payout_item.amount.as_ref().and_then(|amount| amount.money()),
        our_id: item.payout_item.sender_item_id.clone().or_else(|| item.sender_batch_id.clone()),
    };
    // An event is a hint: whether its batch is the stored one is asked when it is read.
    Some(payout(outcome, came_back, seen, name, true))
}

fn payout(outcome: Outcome, came_back: bool, seen: Seen, name: Option<String>, is_the_one: bool) -> Answer {
    let has_failed = matches!(outcome, Outcome::Declined(_) | Outcome::Canceled);
    if has_failed && !is_the_one {
        // There may be another under the same id, or there will be: neither its failure nor its id is taken.
        return Answer::without_object(Outcome::Unknown(Trouble::Undecided), false).with_code(name.as_deref());
    }
    Answer { seen: Some(seen), came_back, ..Answer::without_object(outcome, false) }.with_code(name.as_deref())
}

impl Answer {
    fn with_code(self, code: Option<&str>) -> Self {
        Self { gateway_code: code.map(ToOwned::to_owned).or(self.gateway_code), ..self }
    }
}

/// `unsaid`: whose it is where it does not say it.
fn batch_seen(batch: &Batch, item: Option<&Item>, known: Known<'_>, unsaid: Option<&str>) -> Seen {
    let header = &batch.batch_header;
    let our_id = item
        .and_then(|item| item.payout_item.sender_item_id.clone())
        .or_else(|| header.sender_batch_header.sender_batch_id.clone())
        .or_else(|| unsaid.map(ToOwned::to_owned));
    let amount = item.and_then(|item| item.payout_item.amount.as_ref()).or(header.amount.as_ref());
    let money = match (amount, known.ours) {
        // More than one payout: nothing that can be ours.
        _ if batch.items.len() > 1 => None,
        (Some(amount), _) => amount.money(),
        // Not told yet; under our id is what we sent: PayPal refuses a second batch under it.
        (None, Some((id, money))) if our_id.as_deref() == Some(id) => Some(money),
        (None, _) => None,
    };
    Seen { reference: header.payout_batch_id.clone(), money, our_id }
}

/// How an item stands, and whether what was paid with it has come back
/// (developer.paypal.com/docs/payouts/standard/reference/payouts-item-status).
fn item_outcome(item: &Item) -> (Outcome, bool) {
    let name = item.errors.as_ref().and_then(ErrorBody::code);
    let failed = |fallback| Outcome::Declined(payout_failure(name.as_deref(), fallback));
    match item.transaction_status.as_str() {
        "SUCCESS" => (Outcome::Succeeded, false),
        // Not paid: waits for the recipient, for a review, or for its turn.
        "UNCLAIMED" | "PENDING" | "ONHOLD" => (Outcome::Pending, false),
        "FAILED" | "BLOCKED" | "DENIED" => (failed(FailureCode::Declined), false),
        // Nobody claimed it for a month, or the sender took it back: if it had been paid, it has come back.
        "RETURNED" => (failed(FailureCode::Declined), true),
        "CANCELED" => (Outcome::Canceled, true),
        // It was paid, and came back.
        "REFUNDED" | "REVERSED" => (Outcome::Succeeded, true),
        _ => (Outcome::Unknown(Trouble::Undecided), false),
    }
}

/// Why a payout failed, by the name of its error. A name that is not in the table is declined, for review.
fn payout_failure(name: Option<&str>, unnamed: FailureCode) -> Failure {
    let code = match name.map(|name| meaning(PAYOUT, name)) {
        None => unnamed,
        Some(Some(Meaning::Refused(code))) => code,
        Some(_) => FailureCode::Declined,
    };
    Failure::new(code, name.map(ToOwned::to_owned))
}
