//! Events: what changed in an account, as it was at that moment.

use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::{Clock, Time};

use super::error::ApiError;
use super::operation::Call;
use super::schema::{Violation, text};
use super::{State, link, new_id};

/// Older ones are not listed any more.
const LISTED: Duration = Duration::from_hours(30 * 24);

/// What an event is about.
pub(super) struct Kind {
    pub event: &'static str,
    pub resource: &'static str,
    /// Of the resource.
    pub version: &'static str,
    pub summary: &'static str,
}

impl State {
    /// Keeps a new event, and sends it to the account's webhooks that want it.
    pub fn tell(&mut self, clock: &Clock, account: &str, kind: Kind, resource: Value) {
        let id = format!("WH-{}-{}", new_id(17), new_id(17));
        let path = format!("/v1/notifications/webhooks-events/{id}");
        let links =
            [link(&self.base, &path, "self", "GET"), link(&self.base, &format!("{path}/resend"), "resend", "POST")];
        let event = json!({
            "id": id, "event_version": "1.0", "create_time": clock.now().to_string(), "resource_type": kind.resource,
            "resource_version": kind.version, "event_type": kind.event, "summary": kind.summary, "resource": resource,
            "links": links,
        });
        self.send(account, &event);
        self.events.entry(account.to_owned()).or_default().push(event);
    }

    fn send(&self, account: &str, event: &Value) {
        let name = text(event, "/event_type").unwrap_or_default();
        let wanted = |url: &str| {
            self.webhooks.iter().any(|webhook| webhook.account == account && webhook.url == url && webhook.wants(name))
        };
        self.post.send(account, event, wanted);
    }
}

/// `GET /v1/notifications/webhooks-events`, newest first.
pub(super) fn list(state: &State, clock: &Clock, call: &Call) -> Result<Value, ApiError> {
    let refused = |violation| ApiError::schema(&[violation]);
    let known = ["page_size", "start_time", "end_time", "transaction_id", "event_type", "next_page_token"];
    call.only_query(&known).map_err(refused)?;
    let size = call.number("page_size", 10, 300).map_err(refused)?;
    let time = |name: &str| {
        let Some(text) = call.query.get(name) else { return Ok(None) };
        let wrong = |_| refused(Violation::query(name, text, "INVALID_PARAMETER_SYNTAX"));
        text.parse::<Time>().map(Some).map_err(wrong)
    };
    let (start, end) = (time("start_time")?, time("end_time")?);
    let oldest = clock.now().minus(LISTED);
    let fits = |event: &&Value| {
        let created: Option<Time> = text(event, "/create_time").and_then(|text| text.parse().ok());
        let within = created.is_some_and(|created| {
            created >= oldest && start.is_none_or(|start| created >= start) && end.is_none_or(|end| created <= end)
        });
        let of_kind = call.query.get("event_type").is_none_or(|kind| text(event, "/event_type") == Some(kind));
        let about = |id: &String| {
            ["/resource/id", "/resource/transaction_id"].iter().any(|pointer| text(event, pointer) == Some(id))
        };
        within && of_kind && call.query.get("transaction_id").is_none_or(about)
    };
    let newest_first = || state.events.get(&call.account).into_iter().flatten().rev().filter(fits);
    // The token is the id of the last event of the page before: what is newer does not move the pages.
    let token = call.query.get("next_page_token");
    if let Some(token) = token.filter(|token| !newest_first().any(|event| text(event, "/id") == Some(token))) {
        return Err(refused(Violation::query("next_page_token", token, "INVALID_PARAMETER_VALUE")));
    }
    let seen = |event: &&Value| token.is_some_and(|token| text(event, "/id") != Some(token));
    let rest = newest_first().skip_while(seen).skip(usize::from(token.is_some()));
    let mut page: Vec<&Value> = rest.take(size.saturating_add(1)).collect();
    let more = page.len() > size;
    page.truncate(size);
    let mut links = vec![link(&state.base, &address(call, token.map(String::as_str)), "self", "GET")];
    if let Some(last) = page.last().filter(|_| more) {
        links.push(link(&state.base, &address(call, text(last, "/id")), "next", "GET"));
    }
    Ok(json!({ "events": page, "count": page.len(), "links": links }))
}

/// The path of a page.
fn address(call: &Call, token: Option<&str>) -> String {
    let kept = call.query.iter().filter(|(name, _)| *name != "next_page_token");
    let all = kept.map(|(name, value)| (name.as_str(), value.as_str())).chain(token.map(|t| ("next_page_token", t)));
    let Ok(mut url) = reqwest::Url::parse("http://localhost/v1/notifications/webhooks-events") else {
        return String::new();
    };
    url.query_pairs_mut().extend_pairs(all);
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

fn find<'a>(state: &'a State, account: &str, id: &str) -> Result<&'a Value, ApiError> {
    let mut events = state.events.get(account).into_iter().flatten();
    events.find(|event| text(event, "/id") == Some(id)).ok_or_else(ApiError::missing)
}

pub(super) fn read(state: &State, account: &str, id: &str) -> Result<Value, ApiError> {
    find(state, account, id).cloned()
}

/// Sends an event once more.
pub(super) fn resend(state: &State, account: &str, id: &str) -> Result<Value, ApiError> {
    let event = find(state, account, id)?;
    state.send(account, event);
    Ok(event.clone())
}
