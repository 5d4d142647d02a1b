//! Items of payouts: what is asked of them, what becomes of them, and what happens to them afterwards.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clock::{Clock, Time};

use super::due::Due;
use super::error::ApiError;
use super::event::Kind;
use super::issue;
use super::money::{Money, decimals};
use super::payout::{self, Batch};
use super::receiver::{self, Fate};
use super::schema::{is_digits, is_email, text};
use super::{State, link, new_id, time_text};

/// Money that nobody claims comes back after this.
const UNCLAIMED: Duration = Duration::from_hours(30 * 24);

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ItemStatus {
    /// Not yet.
    Pending,
    /// Paid.
    Success,
    /// Paid to nobody who could take it.
    Unclaimed,
    /// Not taken; the money is back.
    Returned,
    /// Not paid.
    Failed,
    /// PayPal looks into it.
    Onhold,
    /// PayPal won't pay it.
    Blocked,
    /// Paid, and sent back by the receiver.
    Refunded,
    /// Paid, and pulled back.
    Reversed,
}

impl ItemStatus {
    /// Whether the money is away.
    fn holds_money(self) -> bool {
        matches!(self, Self::Pending | Self::Success | Self::Unclaimed | Self::Onhold)
    }

    /// The event that tells of it; PayPal lists none for what is pending or reversed.
    fn event(self) -> Option<&'static str> {
        match self {
            Self::Success => Some("PAYMENT.PAYOUTS-ITEM.SUCCEEDED"),
            Self::Unclaimed => Some("PAYMENT.PAYOUTS-ITEM.UNCLAIMED"),
            Self::Returned => Some("PAYMENT.PAYOUTS-ITEM.RETURNED"),
            Self::Failed => Some("PAYMENT.PAYOUTS-ITEM.FAILED"),
            Self::Onhold => Some("PAYMENT.PAYOUTS-ITEM.HELD"),
            Self::Blocked => Some("PAYMENT.PAYOUTS-ITEM.BLOCKED"),
            Self::Refunded => Some("PAYMENT.PAYOUTS-ITEM.REFUNDED"),
            Self::Pending | Self::Reversed => None,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Item {
    pub id: String,
    pub account: String,
    pub batch: String,
    pub sender_batch_id: Option<String>,
    /// As it was sent, with its `recipient_type`.
    request: Value,
    pub amount: Money,
    pub status: ItemStatus,
    pub error: Option<String>,
    /// Whether it failed for a reason to deny the batch.
    pub denies: bool,
    cancelled: bool,
    transaction: Option<String>,
    processed: Option<Time>,
}

impl Item {
    pub fn new(batch: &Batch, mut request: Value, amount: Money) -> Self {
        let kind = recipient_type(batch.header(), &request).unwrap_or_default().to_owned();
        if let Some(members) = request.as_object_mut() {
            members.insert("recipient_type".to_owned(), json!(kind));
            members.insert("amount".to_owned(), amount.v1());
            members.entry("recipient_wallet").or_insert(json!("PAYPAL"));
        }
        Self {
            id: new_id(13),
            account: batch.account.clone(),
            batch: batch.id.clone(),
            sender_batch_id: batch.sender_id().map(str::to_owned),
            request,
            amount,
            status: ItemStatus::Pending,
            error: None,
            denies: false,
            cancelled: false,
            transaction: None,
            processed: None,
        }
    }

    pub fn sender_item_id(&self) -> Option<String> {
        text(&self.request, "/sender_item_id").map(str::to_owned)
    }
}

/// What PayPal takes for an item.
pub(super) fn fee(amount: &Money) -> Money {
    amount.with(25)
}

fn recipient_type<'a>(header: &'a Value, request: &'a Value) -> Option<&'a str> {
    text(request, "/recipient_type").or_else(|| text(header, "/recipient_type"))
}

/// Checks what the schema can't; the amounts, where nothing is wrong.
pub(super) fn check(header: &Value, requests: &[Value]) -> Result<Vec<Money>, ApiError> {
    let mut amounts: Vec<Money> = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        let refused = |name: &str, issue: &str| Err(ApiError::payouts_field(&format!("items[{index}].{name}"), issue));
        let receiver = text(request, "/receiver").unwrap_or_default();
        let fits = match recipient_type(header, request) {
            Some("EMAIL") => is_email(receiver),
            Some("PHONE") => is_phone(receiver),
            Some("PAYPAL_ID") => receiver.len() == 13 && receiver.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            _ => return refused("recipient_type", "Recipient type is required"),
        };
        if !fits {
            return refused("receiver", "Receiver is invalid or does not match with type");
        }
        let value = text(request, "/amount/value").unwrap_or_default();
        let currency = text(request, "/amount/currency").unwrap_or_default();
        if matches!(currency, "BRL" | "MYR" | "RUB" | "THB") {
            let message = "The sender can't hold a balance in this currency.";
            return Err(ApiError::payouts(400, "NON_HOLDING_CURRENCY", message));
        }
        if decimals(currency).is_none() {
            return refused("amount.currency", "Currency code is invalid");
        }
        let amount = match Money::positive(value, currency) {
            Ok(amount) => amount,
            Err(problem) => return refused("amount.value", &issue::describe(problem)),
        };
        if amounts.first().is_some_and(|first| first.currency != amount.currency) {
            return Err(ApiError::payouts_field(
                "items.amount.currency",
                "Currency codes of all items must be the same",
            ));
        }
        amounts.push(amount);
    }
    Ok(amounts)
}

fn is_phone(text: &str) -> bool {
    let digits: String = text.trim_start_matches('+').split('-').collect();
    (8..=15).contains(&digits.len()) && is_digits(&digits)
}

/// Pays an item, if it can be paid.
pub(super) fn process(state: &mut State, clock: &Clock, id: &str, short: bool) {
    // A test may have moved it already.
    let Some(item) = state.items.get(id).filter(|item| item.status == ItemStatus::Pending) else { return };
    let kind = text(&item.request, "/recipient_type").unwrap_or_default();
    let mut fate = receiver::fate(kind, text(&item.request, "/receiver").unwrap_or_default());
    if short {
        fate = Fate { status: ItemStatus::Failed, error: Some("INSUFFICIENT_FUNDS"), denies: true };
    }
    if fate.status == ItemStatus::Pending {
        return;
    }
    if let Some(item) = state.items.get_mut(id) {
        item.denies = fate.denies;
        // No money left for it, and so none comes back.
        item.transaction = (!short).then(|| new_id(17));
    }
    if matches!(fate.status, ItemStatus::Refunded | ItemStatus::Reversed) {
        become_(state, clock, id, ItemStatus::Success, None);
    }
    become_(state, clock, id, fate.status, fate.error);
    if fate.status == ItemStatus::Unclaimed {
        state.due.insert((clock.now().plus(UNCLAIMED), Due::ItemReturns(id.to_owned())));
    }
}

/// Changes an item, moves its money and tells of it.
fn become_(state: &mut State, clock: &Clock, id: &str, status: ItemStatus, error: Option<&str>) {
    let Some(item) = state.items.get_mut(id) else { return };
    let comes_back = item.status.holds_money() && !status.holds_money() && item.transaction.is_some();
    item.status = status;
    item.error = error.map(str::to_owned);
    item.processed = Some(clock.now());
    let item = item.clone();
    if comes_back {
        state.receive(&item.account, &item.amount);
    }
    if let Some(event) = status.event() {
        tell(state, clock, &item, event);
    }
}

fn tell(state: &mut State, clock: &Clock, item: &Item, event: &'static str) {
    let resource = view(state, item, true);
    let kind = Kind { event, resource: "payouts_item", version: "1.0", summary: "A payout item has changed." };
    state.tell(clock, &item.account, kind, resource);
}

/// What happens to an item by itself, or by its receiver; whether that could be.
pub(super) fn move_to(state: &mut State, clock: &Clock, id: &str, status: ItemStatus, error: Option<&str>) -> bool {
    use ItemStatus::{Blocked, Failed, Onhold, Pending, Refunded, Returned, Reversed, Success, Unclaimed};
    let Some(item) = state.items.get_mut(id) else { return false };
    let batch = item.batch.clone();
    let can_be = match item.status {
        Pending => matches!(status, Success | Unclaimed | Failed | Onhold | Blocked | Returned),
        Unclaimed => matches!(status, Success | Returned | Onhold | Blocked),
        Onhold => matches!(status, Success | Returned | Blocked | Failed),
        Success => matches!(status, Refunded | Reversed),
        _ => false,
    };
    if can_be {
        item.transaction.get_or_insert_with(|| new_id(17));
        become_(state, clock, id, status, error);
        if let Some(batch) = state.batches.get(&batch).cloned() {
            payout::finish(state, clock, &batch);
        }
    }
    can_be
}

/// `POST …/cancel`: only what nobody has claimed.
pub(super) fn cancel(state: &mut State, clock: &Clock, account: &str, id: &str) -> Result<Value, ApiError> {
    let item = state.items.get_mut(id).filter(|item| item.account == account).ok_or_else(ApiError::missing)?;
    if item.cancelled {
        return Err(ApiError::payouts(400, "ITEM_ALREADY_CANCELLED", "The item has been cancelled already."));
    }
    if item.status != ItemStatus::Unclaimed {
        return Err(ApiError::payouts(400, "ITEM_INCORRECT_STATUS", "Only unclaimed items can be cancelled."));
    }
    item.cancelled = true;
    item.status = ItemStatus::Returned;
    item.processed = Some(clock.now());
    let item = item.clone();
    state.receive(&item.account, &item.amount);
    tell(state, clock, &item, "PAYMENT.PAYOUTS-ITEM.CANCELED");
    Ok(view(state, &item, true))
}

pub(super) fn read(state: &State, account: &str, id: &str) -> Result<Value, ApiError> {
    if id == "ERRPYO015" {
        return Err(ApiError::payouts(422, "CLOSED_MARKET", "Made to happen by the id."));
    }
    let item = state.items.get(id).filter(|item| item.account == account).ok_or_else(ApiError::missing)?;
    Ok(view(state, item, true))
}

pub(super) fn view(state: &State, item: &Item, alone: bool) -> Value {
    let own = link(&state.base, &format!("/v1/payments/payouts-item/{}", item.id), "item", "GET");
    let mut view = json!({
        "payout_item_id": item.id, "transaction_status": item.status, "payout_batch_id": item.batch,
        "payout_item_fee": fee(&item.amount).v1(), "payout_item": item.request, "links": [own],
    });
    let Some(members) = view.as_object_mut() else { return view };
    let mut put = |name: &str, value: Option<Value>| members.extend(value.map(|value| (name.to_owned(), value)));
    put("transaction_id", item.transaction.as_ref().map(|id| json!(id)));
    put("sender_batch_id", item.sender_batch_id.as_ref().filter(|_| alone).map(|id| json!(id)));
    put("time_processed", item.processed.map(|time| json!(time_text(time))));
    let link = "https://developer.paypal.com/docs/api/payments.payouts-batch/v1/#errors";
    let error = |name: &String| {
        json!({ "name": name, "message": issue::describe(name), "information_link": link, "debug_id": item.id.to_lowercase(),
                "details": [], "links": [] })
    };
    put("errors", item.error.as_ref().map(error));
    view
}
