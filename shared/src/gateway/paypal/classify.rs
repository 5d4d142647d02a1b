//! What PayPal's answers mean. Pure, and cautious: only an answer that proves it says "not executed".
//!
//! `table` holds the words that PayPal documents, `payout` reads batches. A word that is in no table is declined, for a
//! person to look at, and says nothing of an earlier send; one that sounds as if something had been done before leaves
//! the outcome open.

mod payout;
mod table;

use reqwest::Url;

pub(super) use self::payout::{Known, batch, duplicate, item, payout_reply};
pub(in crate::gateway) use self::table::knows;
use self::table::{Meaning, ORDER, REFUND, Table, by_processor, decisive};
use super::object::{Capture, Link, Order, Refund, Unit};
use super::transport::Reply;
use crate::gateway::{Answer, NextAction, Outcome, Seen, Trouble};
use crate::model::payment::{Failure, FailureCode};

/// What kind of trouble a reply without a usable object is.
pub(super) fn trouble(reply: &Reply) -> Trouble {
    match reply.status {
        500.. => Trouble::Fault,
        // Not PayPal's words: something else may have answered, and proves nothing.
        _ if !reply.error().is_readable() => Trouble::Unreadable,
        401 | 403 => Trouble::KeyRefused,
        409 => Trouble::Conflict,
        // The limiter runs before anything is executed.
        429 => Trouble::Busy,
        400 | 404 | 405 | 406 | 415 | 422 => Trouble::Rejected,
        _ => Trouble::Unreadable,
    }
}

/// Whether PayPal has no such object.
pub(super) fn is_missing(reply: &Reply) -> bool {
    let error = reply.error();
    reply.status == 404 && error.words().any(|word| ["RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"].contains(&word))
}

/// The answer of a reply that brought no object, by a table; `refused` says what a refusal is, `action` what the
/// customer may do about it.
fn refusal(reply: &Reply, table: &Table, refused: fn(Failure) -> Outcome, action: Option<NextAction>) -> Answer {
    let error = reply.error();
    let may_say = matches!(reply.status, 400 | 403 | 404 | 409 | 422) && error.is_readable();
    let said = decisive(table, &error).filter(|_| may_say);
    let failure = |code| refused(Failure::new(code, error.code()));
    let mut answer = match said {
        Some(Meaning::Wait) => Answer::of_trouble(Trouble::Conflict),
        // Under another request, or one whose id is forgotten: only reading tells.
        Some(Meaning::Done) => Answer::without_object(Outcome::Unknown(Trouble::Conflict), false),
        Some(Meaning::Action) => match action {
            Some(_) => Answer { next_action: action, ..Answer::without_object(Outcome::RequiresAction, false) },
            // Nobody can act without a link: the customer must set the method up anew.
            None => Answer::without_object(failure(FailureCode::PaymentMethodInvalid), false),
        },
        Some(Meaning::Refused(code)) => Answer::without_object(failure(code), false),
        Some(Meaning::Rejected) => Answer::of_trouble(Trouble::Rejected),
        Some(Meaning::Busy) => Answer::of_trouble(Trouble::Busy),
        // A business rule that is new to us.
        None if reply.status == 422 && error.is_readable() => {
            // Of an earlier send it may say anything.
            let failure = Failure::new(FailureCode::Declined, error.code());
            Answer::without_object(Outcome::Refused(failure), false)
        }
        None => Answer::of_trouble(trouble(reply)),
    };
    // Of a rule of business: judged where what is under an id already would have been answered with.
    answer.conclusive = reply.status == 422;
    answer.retry_after = reply.retry_after;
    answer.gateway_code = error.code();
    answer
}

/// The answer to creating, capturing or reading an order at `base`.
pub(super) fn order_reply(reply: &Reply, base: &str) -> Answer {
    match reply.object::<Order>() {
        Some(order) => self::order(&order, base),
        None => refusal(reply, ORDER, Outcome::Declined, approval(&reply.error().links, base)),
    }
}

/// Whether a refusal is that the customer must act.
pub(super) fn asks_customer(reply: &Reply) -> bool {
    decisive(ORDER, &reply.error()) == Some(Meaning::Action)
}

/// The word by which PayPal refuses what only the operator can put right: the request, or what the account may do.
pub(super) fn rejected(reply: &Reply) -> Option<String> {
    let error = reply.error();
    let is_said = matches!(reply.status, 400 | 403 | 422) && decisive(ORDER, &error) == Some(Meaning::Rejected);
    error.code().filter(|_| is_said)
}

/// Whether an error has this word.
pub(super) fn says(reply: &Reply, word: &str) -> bool {
    reply.error().words().any(|said| said == word)
}

/// Where the customer approves: a page of PayPal's, or of what stands in for it at `base`.
pub(super) fn approval(links: &[Link], base: &str) -> Option<NextAction> {
    let link = links.iter().find(|link| ["payer-action", "approve"].contains(&link.rel.as_str()))?;
    is_page(&link.href, base).then(|| NextAction::ApprovalUrl(link.href.clone()))
}

/// Whether a customer may be sent there: whoever stands between us and PayPal could name any place.
fn is_page(url: &str, base: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    let is_paypals = url.scheme() == "https"
        && url.port().is_none()
        && host.strip_suffix("paypal.com").is_some_and(|below| below.is_empty() || below.ends_with('.'));
    let is_at_home =
        || Url::parse(base).is_ok_and(|base| url.scheme() == base.scheme() && base.host_str() == Some(host));
    url.username().is_empty() && url.password().is_none() && (is_paypals || is_at_home())
}

/// What an order at `base` says. It may be completed although its capture was declined or is pending: the capture
/// decides.
pub(super) fn order(order: &Order, base: &str) -> Answer {
    let unit = order.purchase_units.first().filter(|_| order.purchase_units.len() == 1);
    let begun = Seen {
        reference: order.id.clone(),
        money: unit.and_then(|unit| unit.amount.as_ref()?.money()),
        our_id: unit.and_then(Unit::our_id),
    };
    let brand = order.payment_source.card.as_ref().and_then(|card| card.brand.as_deref());
    let captures = unit.map(|unit| unit.payments.captures.as_slice()).unwrap_or_default();
    let answer = match (captures.iter().min_by_key(|capture| weight(&capture.status)), order.status.as_str()) {
        (Some(capture), _) => {
            let mut answer = self::capture(capture, brand);
            // A capture in an order may carry less than one alone: the ids are the order's.
            if let Some(seen) = answer.seen.as_mut().filter(|seen| seen.our_id.is_none()) {
                seen.our_id.clone_from(&begun.our_id);
            }
            answer
        }
        (None, "PAYER_ACTION_REQUIRED") => Answer {
            next_action: approval(&order.links, base),
            ..Answer::without_object(Outcome::RequiresAction, false)
        },
        (None, "VOIDED") => Answer::without_object(Outcome::Canceled, false),
        // Approved, and now to be captured: sent again, it is.
        (None, "APPROVED") => Answer::without_object(Outcome::Unknown(Trouble::Undecided), true),
        // Without a capture, whatever its status, it says nothing yet.
        _ => Answer::without_object(Outcome::Unknown(Trouble::Undecided), false),
    };
    Answer { begun: Some(Box::new(begun)), ..answer }
}

/// Of several captures the one that moved money decides, then the one that may.
fn weight(status: &str) -> u8 {
    match status {
        "COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED" => 0,
        "DECLINED" | "FAILED" => 2,
        _ => 1,
    }
}

/// What a capture says.
pub(super) fn capture(capture: &Capture, brand: Option<&str>) -> Answer {
    let reason = capture.status_details.reason.clone();
    let processor = capture.processor_response.clone().unwrap_or_default();
    let gateway_code = processor.response_code.clone().or(reason);
    let outcome = match capture.status.as_str() {
        "COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED" => Outcome::Succeeded,
        "PENDING" => Outcome::Pending,
        "DECLINED" | "FAILED" => {
            let code = by_processor(&processor, brand);
            Outcome::Declined(Failure::new(code, gateway_code.clone()))
        }
        _ => Outcome::Unknown(Trouble::Undecided),
    };
    Answer {
        seen: Some(Seen {
            reference: capture.id.clone(),
            money: capture.amount.as_ref().and_then(|amount| amount.money()),
            our_id: capture.custom_id.clone().or_else(|| capture.invoice_id.clone()),
        }),
        gateway_code: gateway_code.filter(|_| outcome != Outcome::Succeeded),
        ..Answer::without_object(outcome, false)
    }
}

/// The answer to creating or reading a refund.
pub(super) fn refund_reply(reply: &Reply) -> Answer {
    match reply.object::<Refund>() {
        Some(refund) => self::refund(&refund),
        // PayPal does not keep refusals: one says nothing of an earlier send.
        None => refusal(reply, REFUND, Outcome::Refused, None),
    }
}

/// What a refund says.
pub(super) fn refund(refund: &Refund) -> Answer {
    let reason = refund.status_details.reason.clone();
    let outcome = match refund.status.as_deref() {
        Some("COMPLETED") => Outcome::Succeeded,
        Some("PENDING") => Outcome::Pending,
        Some("FAILED") => Outcome::Declined(Failure::new(FailureCode::Declined, reason.clone())),
        Some("CANCELLED") => Outcome::Canceled,
        _ => Outcome::Unknown(Trouble::Undecided),
    };
    Answer {
        seen: Some(Seen {
            reference: refund.id.clone(),
            money: refund.amount.as_ref().and_then(|amount| amount.money()),
            our_id: refund.custom_id.clone().or_else(|| refund.invoice_id.clone()),
        }),
        gateway_code: reason,
        ..Answer::without_object(outcome, false)
    }
}

#[cfg(test)]
mod tests;
