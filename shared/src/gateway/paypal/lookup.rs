//! The last resort of a look-up: the events that PayPal has made, each with its object, which carries our id
//! (developer.paypal.com/docs/api/webhooks/v1, "List event notifications"). What an event names is read before it
//! counts.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::object::{Batch, Capture, Event, Events, Item, Refund};
use super::transport::{Budget, Request};
use super::{PayPal, Route, classify};
use crate::bounds;
use crate::gateway::{Found, Outcome, Trouble};
use crate::model::movement::Movement;
use crate::secrets::PayPalSecret;

/// The list; pages after the first are below it too.
const EVENTS: &str = "/v1/notifications/webhooks-events";

impl PayPal {
    /// Searches the events for what carries our id, newest first, and reads what they name until something shows more
    /// than a failure.
    pub(super) async fn find_by_events(
        &self,
        secret: &PayPalSecret,
        movement: Movement<'_>,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Found {
        let references = match self.named_in_events(secret, movement, time).await {
            Ok(references) => references,
            Err(trouble) => return Found::Unanswered(trouble),
        };
        let mut failure = None;
        for reference in references {
            let Some(timeout) = time() else { return Found::Unanswered(Trouble::Unreachable) };
            match self.read(secret, movement, &reference, timeout).await {
                Found::Object(answer) if says_more(&answer.outcome) => return Found::Object(answer),
                // A batch that was denied may not be the only one under our id: it is nothing to go by.
                Found::Object(answer) if answer.seen.is_none() => {}
                Found::Object(answer) => failure = Some(answer),
                Found::Nothing => {}
                Found::Unanswered(trouble) => return Found::Unanswered(trouble),
            }
        }
        failure.map_or(Found::Nothing, Found::Object)
    }

    /// PayPal's ids of what carries our id, each once.
    async fn named_in_events(
        &self,
        secret: &PayPalSecret,
        movement: Movement<'_>,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Result<Vec<String>, Trouble> {
        let now = self.clock.now();
        // PayPal has none that are older, and may not take the question.
        let start = movement.created_at().minus(bounds::LOOKUP_SKEW).max(now.minus(bounds::PAYPAL_EVENTS_KEPT));
        // Up to now: what waits for a review, or for PayPal, has its first event long after it was sent.
        let query = [("page_size", "100".to_owned()), ("start_time", start.to_string()), ("end_time", now.to_string())];
        let mut references: Vec<String> = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..bounds::LOOKUP_PAGES {
            let timeout = time().ok_or(Trouble::Unreachable)?;
            let request = match &next {
                Some(path) => Request::get(path),
                None => Request { query: &query, ..Request::get(EVENTS) },
            };
            let reply = self.send_request(secret, &request, Budget::of(timeout)).await?;
            let body = reply.body().ok_or_else(|| classify::trouble(&reply))?;
            let page: Events<'_> = serde_json::from_slice(body).map_err(|_| Trouble::Unreadable)?;
            for reference in page.events.iter().filter_map(|event| named(movement, event)) {
                if !references.contains(&reference) {
                    references.push(reference);
                }
            }
            let is_last = page.events.is_empty() || references.len() >= bounds::PAYPAL_EVENT_OBJECTS;
            next = page.links.iter().find(|link| link.rel == "next").and_then(|link| below_list(&link.href));
            if is_last || next.is_none() {
                references.truncate(bounds::PAYPAL_EVENT_OBJECTS);
                return Ok(references);
            }
        }
        // More events than can be read: not seen is not the same as not there.
        Err(Trouble::Undecided)
    }
}

/// Whether an answer says that money moved, or may.
fn says_more(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Succeeded | Outcome::Pending | Outcome::RequiresAction)
}

/// The path of a link, which is asked for where all is asked for, and only below the list.
fn below_list(href: &str) -> Option<String> {
    let (_, query) = href.split_once(EVENTS)?;
    (query.is_empty() || query.starts_with('?')).then(|| format!("{EVENTS}{query}"))
}

/// PayPal's id of the event's object where it carries our id.
fn named(movement: Movement<'_>, event: &Event<'_>) -> Option<String> {
    let id = movement.id();
    let is_it = |ids: [Option<&str>; 2]| ids.contains(&Some(id));
    let kind = event.event_type.as_str();
    match movement {
        Movement::Refund(_) if kind == "PAYMENT.CAPTURE.REFUNDED" || kind.starts_with("PAYMENT.REFUND.") => {
            let refund: Refund = object(event.resource?)?;
            is_it([refund.custom_id.as_deref(), refund.invoice_id.as_deref()]).then_some(refund.id)
        }
        // What was refunded or reversed is another object in such an event.
        Movement::Payment(payment)
            if Route::of(payment) == Route::Order
                && kind.starts_with("PAYMENT.CAPTURE.")
                && !["PAYMENT.CAPTURE.REFUNDED", "PAYMENT.CAPTURE.REVERSED"].contains(&kind) =>
        {
            let capture: Capture = object(event.resource?)?;
            is_it([capture.custom_id.as_deref(), capture.invoice_id.as_deref()]).then_some(capture.id)
        }
        Movement::Payment(payment) if Route::of(payment) != Route::Order => {
            if kind.starts_with("PAYMENT.PAYOUTSBATCH.") {
                let header = object::<Batch>(event.resource?)?.batch_header;
                is_it([header.sender_batch_header.sender_batch_id.as_deref(), None]).then_some(header.payout_batch_id)
            } else if kind.starts_with("PAYMENT.PAYOUTS-ITEM.") {
                let item: Item = object(event.resource?)?;
                let ids = [item.sender_batch_id.as_deref(), item.payout_item.sender_item_id.as_deref()];
                item.payout_batch_id.clone().filter(|_| is_it(ids))
            } else {
                None
            }
        }
        _ => None,
    }
}

fn object<T: DeserializeOwned>(resource: &RawValue) -> Option<T> {
    serde_json::from_str(resource.get()).ok()
}

#[cfg(test)]
mod tests;
