//! Plaid's events: the log that its webhooks only point at (plaid.com/docs/api/products/transfer/reading-transfers). What
//! an event names is read before it counts.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::object::{Event, EventPage};
use super::{Plaid, classify};
use crate::bounds;
use crate::clock::Time;
use crate::gateway::Trouble;
use crate::secrets::PlaidSecret;

/// A page of events.
#[derive(Clone, Debug)]
pub struct Events {
    /// In the order of their ids.
    pub events: Vec<PlaidEvent>,
    /// Whether there are more after them.
    pub has_more: bool,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaidEvent {
    /// Grows with each: where the next page begins.
    pub id: u64,
    /// In Plaid's words.
    pub kind: String,
    /// When it happened; long ago where Plaid does not say.
    pub at: Time,
    /// The transfer that it is about, or whose refund.
    pub transfer: Option<String>,
    /// The refund that it is about.
    pub refund: Option<String>,
}

impl From<Event> for PlaidEvent {
    fn from(event: Event) -> Self {
        let named = |id: String| Some(id).filter(|id| !id.is_empty() && id.len() <= bounds::REFERENCE_BYTES);
        Self {
            id: event.event_id,
            kind: event.event_type,
            at: event.timestamp.parse().unwrap_or_else(|_| Time::from_millis(0)),
            transfer: named(event.transfer_id),
            refund: event.refund_id.and_then(named),
        }
    }
}

impl Plaid {
    /// The events after the one with the id `after`; 0: from the first.
    ///
    /// # Errors
    /// Why Plaid did not say.
    pub async fn events(&self, secret: &PlaidSecret, after: u64, timeout: Duration) -> Result<Events, Trouble> {
        let body = json!({ "after_id": after, "count": bounds::PLAID_EVENTS });
        let reply = self.post(secret, "/transfer/event/sync", &body, timeout).await?;
        let page: EventPage = reply.object().ok_or_else(|| classify::trouble(&reply))?;
        let mut events: Vec<PlaidEvent> = page.transfer_events.into_iter().map(PlaidEvent::from).collect();
        events.sort_by_key(|event| event.id);
        // A page that leads no further is the last, whatever it says: nobody is to ask for it forever.
        let has_more = page.has_more && events.last().is_some_and(|last| last.id > after);
        Ok(Events { events, has_more })
    }
}

/// Whether such an event can change something in the books: what is sent and not done, and the sweeps between Plaid and
/// the tenant's own bank, can't.
#[must_use]
pub fn is_worth_a_look(kind: &str) -> bool {
    matches!(
        kind,
        "settled"
            | "funds_available"
            | "failed"
            | "cancelled"
            | "returned"
            | "refund.cancelled"
            | "refund.failed"
            | "refund.posted"
            | "refund.settled"
            | "refund.returned"
    )
}

/// A webhook, as far as it is read.
#[derive(Clone, Debug)]
pub struct Notice {
    /// In Plaid's words, for the log.
    pub code: String,
    /// There are events of transfers to ask for.
    pub is_about_transfers: bool,
}

/// Reads a webhook; `None`: it is none.
#[must_use]
pub fn notice(body: &[u8]) -> Option<Notice> {
    #[derive(Deserialize)]
    struct Webhook {
        webhook_type: String,
        webhook_code: String,
    }
    let Webhook { webhook_type, webhook_code } = serde_json::from_slice(body).ok()?;
    let is_about_transfers = webhook_type == "TRANSFER" && webhook_code == "TRANSFER_EVENTS_UPDATE";
    Some(Notice { code: webhook_code.chars().take(64).collect(), is_about_transfers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::plaid::stub::{TIMEOUT, plaid, secret, stub};

    #[tokio::test]
    async fn a_page_is_told_in_order_and_says_where_to_go_on() {
        let stub = stub(|asked| {
            let event = |id: u64, more| {
                let mut event = json!({ "event_id": id, "timestamp": "2027-01-15T08:00:00Z", "event_type": "settled",
                    "transfer_id": "t1", "refund_id": null, "sweep_id": null, "failure_reason": null });
                event.as_object_mut()?.extend(serde_json::Map::clone(more));
                Some(event)
            };
            let sweep = json!({ "event_type": "sweep.settled", "transfer_id": "", "timestamp": "soon" });
            let refund = json!({ "event_type": "refund.returned", "refund_id": "r1" });
            let events = match asked.body["after_id"].as_u64()? {
                0 => vec![event(u64::MAX, refund.as_object()?)?, event(7, sweep.as_object()?)?],
                _ => vec![],
            };
            Some((200, json!({ "transfer_events": events, "has_more": true, "request_id": "q" })))
        });
        let Events { events, has_more } = plaid(&stub).events(&secret(), 0, TIMEOUT).await.unwrap();
        assert!(has_more);
        let [sweep, refund] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((sweep.id, sweep.transfer.as_deref(), sweep.at), (7, None, Time::from_millis(0)));
        assert_eq!(
            (refund.id, refund.transfer.as_deref(), refund.refund.as_deref()),
            (u64::MAX, Some("t1"), Some("r1"))
        );
        assert_eq!(refund.at.to_string(), "2027-01-15T08:00:00.000Z");
        let Events { events, has_more } = plaid(&stub).events(&secret(), 9, TIMEOUT).await.unwrap();
        assert!(events.is_empty() && !has_more, "a page that leads nowhere is the last");
        assert_eq!(stub.asked()[1].body, json!({ "after_id": 9, "count": 500 }));
    }

    #[tokio::test]
    async fn an_event_without_an_id_makes_no_page_as_the_cursor_would_pass_it() {
        let stub =
            stub(|_| Some((200, json!({ "transfer_events": [{ "event_type": "settled" }], "has_more": false }))));
        assert_eq!(plaid(&stub).events(&secret(), 0, TIMEOUT).await.unwrap_err(), Trouble::Unreadable);
    }

    #[test]
    fn only_events_that_can_change_the_books_are_looked_at() {
        for kind in
            ["settled", "funds_available", "failed", "cancelled", "returned", "refund.posted", "refund.returned"]
        {
            assert!(is_worth_a_look(kind), "{kind}");
        }
        for kind in
            ["", "pending", "posted", "swept", "return_swept", "sweep.failed", "sweep.returned", "refund.swept", "new"]
        {
            assert!(!is_worth_a_look(kind), "{kind}");
        }
    }
}
