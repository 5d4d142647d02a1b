//! Batches of payouts: checked for their form when they arrive, paid later.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clock::{Clock, Time};

use super::due::Due;
use super::error::ApiError;
use super::event::Kind;
use super::item::{self, Item, ItemStatus};
use super::money::Money;
use super::operation::{Answer, Call};
use super::schema::{self, text};
use super::{State, link, new_id, shapes, time_text};

/// A `sender_batch_id` may be used again after this.
const UNIQUE: Duration = Duration::from_hours(30 * 24);
/// The sandbox takes about so long for a batch.
const USUAL: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum BatchStatus {
    Pending,
    Processing,
    Success,
    Denied,
}

/// When payouts are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayoutsBecome {
    /// Done after 20 s, of which their batch is pending for 5 s.
    #[default]
    DoneSoon,
    /// Done before anybody can ask. The answer to the request that made them says `PENDING` all the same.
    DoneAtOnce,
    /// Pending until [`super::PayPal::finish_payouts`].
    Pending,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Batch {
    pub id: String,
    pub account: String,
    /// `sender_batch_header` as it was sent.
    header: Value,
    pub status: BatchStatus,
    pub items: Vec<String>,
    total: Money,
    fees: Money,
    /// The account had no money for it.
    short: bool,
    created: Time,
    completed: Option<Time>,
}

impl Batch {
    pub fn header(&self) -> &Value {
        &self.header
    }

    pub fn sender_id(&self) -> Option<&str> {
        text(&self.header, "/sender_batch_id")
    }
}

/// What a note in an item makes of the whole request.
fn trigger(note: &str) -> Option<ApiError> {
    let (status, name) = match note {
        "ERRPYO001" => (403, "SENDER_RESTRICTED"),
        "ERRPYO002" => (403, "SENDER_EMAIL_UNCONFIRMED"),
        "ERRPYO003" => (403, "AUTHORIZATION_ERROR"),
        "ERRPYO005" => (422, "INSUFFICIENT_FUNDS"),
        "ERRPYO006" => (500, "INTERNAL_ERROR"),
        "ERRPYO010" => (400, "VALIDATION_ERROR"),
        _ => return None,
    };
    Some(ApiError::payouts(status, name, "Made to happen by the note of an item."))
}

pub(super) fn create(state: &mut State, clock: &Clock, call: &Call) -> Result<Answer, ApiError> {
    let violations = schema::check(&shapes::PAYOUT, &call.body);
    if !violations.is_empty() {
        return Err(ApiError::payouts_schema(&violations));
    }
    let header = call.body.get("sender_batch_header").cloned().unwrap_or_default();
    let requests = call.body.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let amounts = item::check(&header, &requests)?;
    if let Some(error) = requests.iter().find_map(|request| trigger(text(request, "/note")?)) {
        return Err(error);
    }
    let now = clock.now();
    if let Some(before) = text(&header, "/sender_batch_id").and_then(|id| taken(state, &call.account, id, now)) {
        let link = link(&state.base, &format!("/v1/payments/payouts/{}", before.id), "self", "GET");
        let detail = json!({ "field": "SENDER_BATCH_ID", "location": "body", "link": [link],
                             "issue": "Batch with given sender_batch_id already exists" });
        let message = "User business error.";
        return Err(ApiError::payouts_details(400, "USER_BUSINESS_ERROR", message, &[detail]));
    }
    let first = amounts.first().cloned().unwrap_or(Money::new(0, "USD"));
    let total = first.with(amounts.iter().map(|amount| amount.minor).sum());
    let fees = first.with(amounts.iter().map(|amount| item::fee(amount).minor).sum());
    let short = !state.spend(&call.account, &total.with(total.minor.saturating_add(fees.minor)));
    if short && !state.settings.shortage_denies {
        let message = "Sender does not have sufficient funds. Please add funds and retry.";
        return Err(ApiError::payouts(422, "INSUFFICIENT_FUNDS", message));
    }
    let mut batch = Batch {
        id: new_id(13),
        account: call.account.clone(),
        header,
        status: BatchStatus::Pending,
        items: Vec::new(),
        total,
        fees,
        short,
        created: now,
        completed: None,
    };
    for (request, amount) in requests.into_iter().zip(amounts) {
        let item = Item::new(&batch, request, amount);
        batch.items.push(item.id.clone());
        state.made.push(item.id.clone());
        state.items.insert(item.id.clone(), item);
    }
    match state.settings.payouts {
        PayoutsBecome::DoneSoon => {
            state.due.insert((now.plus(USUAL / 4), Due::BatchStarts(batch.id.clone())));
            state.due.insert((now.plus(USUAL), Due::BatchEnds(batch.id.clone())));
        }
        PayoutsBecome::DoneAtOnce => {
            state.due.insert((now, Due::BatchEnds(batch.id.clone())));
        }
        PayoutsBecome::Pending => {}
    }
    let path = format!("/v1/payments/payouts/{}", batch.id);
    let shown = json!({ "payout_batch_id": batch.id, "batch_status": batch.status,
                        "sender_batch_header": batch.header, "time_created": time_text(now) });
    let body = json!({ "batch_header": shown, "links": [link(&state.base, &path, "self", "GET")] });
    let id = batch.id.clone();
    state.batches.insert(id.clone(), batch);
    Ok(Answer { status: 201, body, made: Some(id) })
}

/// The batch that keeps a `sender_batch_id` from being used.
fn taken<'a>(state: &'a State, account: &str, sender_id: &str, now: Time) -> Option<&'a Batch> {
    state.batches.values().find(|batch| {
        let counts = batch.status != BatchStatus::Denied && now < batch.created.plus(UNIQUE);
        counts && batch.account == account && batch.sender_id() == Some(sender_id)
    })
}

/// PayPal begins with a batch.
pub(super) fn start(state: &mut State, clock: &Clock, id: &str) {
    let Some(batch) = state.batches.get_mut(id).filter(|batch| batch.status == BatchStatus::Pending) else { return };
    batch.status = BatchStatus::Processing;
    tell(state, clock, id, "PAYMENT.PAYOUTSBATCH.PROCESSING");
}

/// PayPal pays what can be paid.
pub(super) fn end(state: &mut State, clock: &Clock, id: &str) {
    start(state, clock, id);
    let Some(batch) = state.batches.get(id).filter(|batch| batch.status == BatchStatus::Processing).cloned() else {
        return;
    };
    for item in &batch.items {
        item::process(state, clock, item, batch.short);
    }
    finish(state, clock, &batch);
}

/// Ends a batch, if no item waits any more.
pub(super) fn finish(state: &mut State, clock: &Clock, batch: &Batch) {
    let items: Vec<&Item> = batch.items.iter().filter_map(|id| state.items.get(id)).collect();
    if items.iter().any(|item| item.status == ItemStatus::Pending) {
        return;
    }
    let denied = items.iter().all(|item| item.status == ItemStatus::Failed && item.denies);
    let (status, event) = match denied {
        true => (BatchStatus::Denied, "PAYMENT.PAYOUTSBATCH.DENIED"),
        false => (BatchStatus::Success, "PAYMENT.PAYOUTSBATCH.SUCCESS"),
    };
    let Some(kept) = state.batches.get_mut(&batch.id).filter(|batch| batch.status == BatchStatus::Processing) else {
        return;
    };
    kept.status = status;
    kept.completed = Some(clock.now());
    let fees = kept.fees.clone();
    if denied && !batch.short {
        state.receive(&batch.account, &fees);
    }
    tell(state, clock, &batch.id, event);
}

fn tell(state: &mut State, clock: &Clock, id: &str, event: &'static str) {
    let Some(batch) = state.batches.get(id).cloned() else { return };
    let path = format!("/v1/payments/payouts/{}", batch.id);
    let resource = json!({ "batch_header": header(&batch), "links": [link(&state.base, &path, "self", "GET")] });
    let kind = Kind { event, resource: "payouts", version: "1.0", summary: "A batch of payouts has changed." };
    state.tell(clock, &batch.account, kind, resource);
}

/// `GET …/{id}`. Its items are shown once PayPal has begun with them.
pub(super) fn read(state: &State, call: &Call, id: &str) -> Result<Value, ApiError> {
    if id == "ERRPYO015" {
        return Err(ApiError::payouts(422, "CLOSED_MARKET", "Made to happen by the id."));
    }
    call.only_query(&["page", "page_size", "total_required", "fields"]).map_err(|v| ApiError::payouts_schema(&[v]))?;
    let number = |name, default, max| call.number(name, default, max).map_err(|v| ApiError::payouts_schema(&[v]));
    let (page, size) = (number("page", 1, 1_000)?, number("page_size", 1_000, 1_000)?);
    let batch = state.batches.get(id).filter(|batch| batch.account == call.account).ok_or_else(ApiError::missing)?;
    let begun = batch.status != BatchStatus::Pending;
    let items = batch.items.iter().filter(|_| begun).filter_map(|id| state.items.get(id));
    let shown: Vec<Value> =
        items.skip((page - 1).saturating_mul(size)).take(size).map(|item| item::view(state, item, false)).collect();
    let path = format!("/v1/payments/payouts/{id}");
    let mut view = json!({ "batch_header": header(batch), "links": [link(&state.base, &path, "self", "GET")] });
    if let Some(members) = view.as_object_mut() {
        if begun {
            members.insert("items".to_owned(), json!(shown));
        }
        if call.query.get("total_required").is_some_and(|value| value == "true") {
            members.insert("total_items".to_owned(), json!(batch.items.len()));
            members.insert("total_pages".to_owned(), json!(batch.items.len().div_ceil(size)));
        }
        if let Some(fields) = call.query.get("fields") {
            members.retain(|name, _| fields.split(',').any(|field| field == name));
        }
    }
    Ok(view)
}

fn header(batch: &Batch) -> Value {
    let mut header = json!({
        "payout_batch_id": batch.id, "batch_status": batch.status, "time_created": time_text(batch.created),
        "funding_source": "BALANCE", "amount": batch.total.v1(), "fees": batch.fees.v1(),
        "sender_batch_header": batch.header,
    });
    if let (Some(completed), Some(members)) = (batch.completed, header.as_object_mut()) {
        members.insert("time_completed".to_owned(), json!(time_text(completed)));
    }
    header
}
