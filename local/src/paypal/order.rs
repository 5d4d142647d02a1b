//! Orders: charged at once where a vaulted method pays, else approved by the payer and captured.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clock::{Clock, Time};

use super::error::ApiError;
use super::event::Kind;
use super::money::Money;
use super::operation::{Answer, Call};
use super::payer::Question;
use super::schema::{self, text};
use super::vault::Chargeable;
use super::{State, capture, link, new_id, refund, shapes, time_text};

/// An order that no payer has approved is forgotten after this.
const WAITS: Duration = Duration::from_hours(3);

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum OrderStatus {
    Created,
    PayerActionRequired,
    Approved,
    Completed,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub id: String,
    pub account: String,
    pub status: OrderStatus,
    pub units: Vec<Unit>,
    /// What pays, once that is known.
    pub method: Option<Chargeable>,
    /// What the client said of the payer's way back.
    context: Value,
    created: Time,
    updated: Time,
}

impl Order {
    /// Whether PayPal still knows it.
    fn is_unapproved(&self) -> bool {
        matches!(self.status, OrderStatus::Created | OrderStatus::PayerActionRequired)
    }

    fn is_there(&self, now: Time) -> bool {
        !self.is_unapproved() || now < self.created.plus(WAITS)
    }

    fn waits(&self, now: Time) -> bool {
        self.is_unapproved() && self.is_there(now)
    }
}

/// A purchase unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Unit {
    /// As it was sent, with its `reference_id`.
    request: Value,
    pub amount: Money,
    pub capture: Option<String>,
}

impl Unit {
    pub fn text(&self, name: &str) -> Option<String> {
        self.request.get(name).and_then(Value::as_str).map(str::to_owned)
    }
}

pub(super) fn create(state: &mut State, clock: &Clock, call: &Call) -> Result<Answer, ApiError> {
    let violations = schema::check(&shapes::ORDER, &call.body);
    if !violations.is_empty() {
        return Err(ApiError::schema(&violations));
    }
    let source = call.body.get("payment_source");
    if source.is_some() && call.request_id.is_none() {
        return Err(ApiError::issue("PAYPAL_REQUEST_ID_REQUIRED"));
    }
    if text(&call.body, "/intent") != Some("CAPTURE") {
        return Err(ApiError::field("UNSUPPORTED_INTENT", "/intent", "AUTHORIZE"));
    }
    let units = read_units(&call.body)?;
    check_initiator(&call.body, units.len())?;
    let method = source.map(|source| pays(state, &call.account, source)).transpose()?.flatten();
    let now = clock.now();
    let context = ["/payment_source/paypal/experience_context", "/application_context"];
    let mut order = Order {
        id: new_id(17),
        account: call.account.clone(),
        status: OrderStatus::Created,
        units,
        method: None,
        context: context.iter().find_map(|pointer| call.body.pointer(pointer)).cloned().unwrap_or_default(),
        created: now,
        updated: now,
    };
    let status = match (method, source) {
        (Some(method), _) => {
            order.method = Some(method);
            capture::settle(state, clock, &mut order)?;
            201
        }
        (None, Some(_)) => {
            order.status = OrderStatus::PayerActionRequired;
            200
        }
        (None, None) => 201,
    };
    let id = order.id.clone();
    let body = view(state, &order, call.representation);
    state.orders.insert(id.clone(), order);
    Ok(Answer { status, body, made: Some(id) })
}

/// What pays; `None`: the payer has to say so at PayPal.
fn pays(state: &State, account: &str, source: &Value) -> Result<Option<Chargeable>, ApiError> {
    let members = source.as_object().map_or(0, serde_json::Map::len);
    if members != 1 {
        return Err(ApiError::field("INCOMPATIBLE_PARAMETER_VALUE", "/payment_source", ""));
    }
    if let Some(id) = text(source, "/token/id") {
        let method = state.vault.chargeable(account, id, "paypal");
        return method
            .map(Some)
            .map_err(|_| ApiError::field("BILLING_AGREEMENT_NOT_FOUND", "/payment_source/token/id", id));
    }
    for kind in ["paypal", "card"] {
        if let Some(id) = text(source, &format!("/{kind}/vault_id")) {
            return state.vault.chargeable(account, id, kind).map(Some);
        }
    }
    // Numbers of cards are not taken: the account has no leave to.
    if source.get("card").is_some() { Err(ApiError::issue("NOT_ENABLED_FOR_CARD_PROCESSING")) } else { Ok(None) }
}

fn read_units(body: &Value) -> Result<Vec<Unit>, ApiError> {
    let requests = body.get("purchase_units").and_then(Value::as_array).cloned().unwrap_or_default();
    let several = requests.len() > 1;
    let mut units: Vec<Unit> = Vec::new();
    for (index, mut request) in requests.into_iter().enumerate() {
        let field = |name: &str| format!("/purchase_units/{index}/{name}");
        let reference = text(&request, "/reference_id").map(str::to_owned);
        if several && reference.is_none() {
            return Err(ApiError::field("REFERENCE_ID_REQUIRED", &field("reference_id"), ""));
        }
        let reference = reference.unwrap_or_else(|| "default".to_owned());
        if units.iter().any(|unit| unit.text("reference_id").as_ref() == Some(&reference)) {
            return Err(ApiError::field("DUPLICATE_REFERENCE_ID", &field("reference_id"), &reference));
        }
        let amount = money(&request, "/amount", &field("amount"), Money::positive)?;
        if units.first().is_some_and(|first| first.amount.currency != amount.currency) {
            return Err(ApiError::field("MULTI_CURRENCY_ORDER", &field("amount/currency_code"), &amount.currency));
        }
        check_breakdown(&request, &amount, &field("amount"))?;
        if let Some(members) = request.as_object_mut() {
            members.insert("reference_id".to_owned(), json!(reference));
        }
        units.push(Unit { request, amount, capture: None });
    }
    Ok(units)
}

/// Reads an amount at a place in a request.
pub(super) fn money(
    request: &Value,
    pointer: &str,
    field: &str,
    read: fn(&str, &str) -> Result<Money, &'static str>,
) -> Result<Money, ApiError> {
    let part = |name: &str| text(request, &format!("{pointer}/{name}")).unwrap_or_default();
    let (value, currency) = (part("value"), part("currency_code"));
    read(value, currency).map_err(|issue| match issue {
        "INVALID_CURRENCY_CODE" => ApiError::field(issue, &format!("{field}/currency_code"), currency),
        _ => ApiError::field(issue, &format!("{field}/value"), value),
    })
}

/// The parts of an amount must make up the whole, and the items the total of items.
fn check_breakdown(request: &Value, amount: &Money, field: &str) -> Result<(), ApiError> {
    let part = |pointer: &str| match request.pointer(pointer) {
        Some(_) => {
            let part = money(request, pointer, &format!("{field}/breakdown"), Money::read)?;
            let same = part.currency == amount.currency;
            if same { Ok(part.minor) } else { Err(ApiError::field("MULTI_CURRENCY_ORDER", field, &part.currency)) }
        }
        None => Ok(0),
    };
    let mut total = 0_i64;
    for name in ["item_total", "shipping", "handling", "tax_total", "insurance"] {
        total = total.saturating_add(part(&format!("/amount/breakdown/{name}"))?);
    }
    for name in ["shipping_discount", "discount"] {
        total = total.saturating_sub(part(&format!("/amount/breakdown/{name}"))?);
    }
    if request.pointer("/amount/breakdown").is_some() && total != amount.minor {
        return Err(ApiError::field("AMOUNT_MISMATCH", &format!("{field}/value"), &amount.to_string()));
    }
    let items = request.get("items").and_then(Value::as_array).map_or(0, Vec::len);
    let mut sum = 0_i64;
    for index in 0..items {
        let quantity = text(request, &format!("/items/{index}/quantity")).and_then(|text| text.parse::<i64>().ok());
        let price = part(&format!("/items/{index}/unit_amount"))?;
        sum = sum.saturating_add(price.saturating_mul(quantity.unwrap_or_default()));
    }
    if items > 0 && request.pointer("/amount/breakdown/item_total").is_none() {
        return Err(ApiError::field("ITEM_TOTAL_REQUIRED", &format!("{field}/breakdown/item_total"), ""));
    }
    if items > 0 && sum != part("/amount/breakdown/item_total")? {
        return Err(ApiError::field("ITEM_TOTAL_MISMATCH", &format!("{field}/breakdown/item_total/value"), ""));
    }
    Ok(())
}

/// What may not be said when the merchant starts the payment.
fn check_initiator(body: &Value, units: usize) -> Result<(), ApiError> {
    let places = [
        "/payment_source/paypal/stored_credential",
        "/payment_source/card/stored_credential",
        "/application_context/stored_payment_source",
    ];
    for place in places {
        let says = |name: &str| text(body, &format!("{place}/{name}")).unwrap_or_default();
        if says("payment_initiator") != "MERCHANT" {
            continue;
        }
        for (name, value) in [("payment_type", "ONE_TIME"), ("usage", "FIRST")] {
            if says(name) == value {
                return Err(ApiError::field("INCOMPATIBLE_PARAMETER_VALUE", &format!("{place}/{name}"), value));
            }
        }
        if body.pointer("/payment_source/card/security_code").is_some() {
            return Err(ApiError::issue("MERCHANT_INITIATED_WITH_SECURITY_CODE"));
        }
        if units > 1 {
            return Err(ApiError::issue("MERCHANT_INITIATED_WITH_MULTIPLE_PURCHASE_UNITS"));
        }
    }
    Ok(())
}

/// An order of the account.
fn find(state: &State, clock: &Clock, account: &str, id: &str) -> Result<Order, ApiError> {
    let found = state.orders.get(id).filter(|order| order.account == account && order.is_there(clock.now()));
    found.cloned().ok_or_else(ApiError::missing)
}

pub(super) fn read(state: &State, clock: &Clock, account: &str, id: &str, whole: bool) -> Result<Value, ApiError> {
    Ok(view(state, &find(state, clock, account, id)?, whole))
}

/// `POST …/capture`.
pub(super) fn capture(state: &mut State, clock: &Clock, call: &Call, id: &str) -> Result<Answer, ApiError> {
    let body = if call.body.is_null() { json!({}) } else { call.body.clone() };
    let violations = schema::check(&shapes::CAPTURE, &body);
    if !violations.is_empty() {
        return Err(ApiError::schema(&violations));
    }
    let mut order = find(state, clock, &call.account, id)?;
    let source = body.get("payment_source");
    if source.is_some() && call.request_id.is_none() {
        return Err(ApiError::issue("PAYPAL_REQUEST_ID_REQUIRED"));
    }
    match order.status {
        OrderStatus::Completed => return Err(ApiError::issue("ORDER_ALREADY_CAPTURED")),
        OrderStatus::Approved => {}
        OrderStatus::Created | OrderStatus::PayerActionRequired => {
            check_initiator(&body, order.units.len())?;
            let method = source.map(|source| pays(state, &call.account, source)).transpose()?.flatten();
            order.method = Some(method.ok_or_else(|| ApiError::issue("ORDER_NOT_APPROVED"))?);
        }
    }
    capture::settle(state, clock, &mut order)?;
    order.updated = clock.now();
    let view = view(state, &order, call.representation);
    state.orders.insert(order.id.clone(), order);
    Ok(Answer { status: 201, body: view, made: Some(id.to_owned()) })
}

/// What a payer is asked, while there is something to approve.
pub(super) fn question(state: &State, clock: &Clock, id: &str) -> Option<Question> {
    let order = state.orders.get(id).filter(|order| order.waits(clock.now()))?;
    let of = |name: &str| text(&order.context, name).map(str::to_owned);
    Some(Question {
        brand: of("/brand_name"),
        asks: "for a payment",
        return_url: of("/return_url"),
        cancel_url: of("/cancel_url"),
        told: vec![("token", id.to_owned())],
    })
}

/// The payer approves, with a test method. Whether there was something to approve.
pub(super) fn approve(state: &mut State, clock: &Clock, id: &str, method: Chargeable) -> bool {
    let Some(order) = state.orders.get_mut(id).filter(|order| order.waits(clock.now())) else { return false };
    order.status = OrderStatus::Approved;
    order.method = Some(method);
    order.updated = clock.now();
    let order = order.clone();
    tell(state, clock, &order, "CHECKOUT.ORDER.APPROVED");
    true
}

/// Tells of an order.
pub(super) fn tell(state: &mut State, clock: &Clock, order: &Order, event: &'static str) {
    let resource = view(state, order, true);
    let kind = Kind { event, resource: "checkout-order", version: "2.0", summary: "An order has changed." };
    state.tell(clock, &order.account, kind, resource);
}

fn view(state: &State, order: &Order, whole: bool) -> Value {
    let path = format!("/v2/checkout/orders/{}", order.id);
    let at = |path: &str, rel: &str, method: &str| link(&state.base, path, rel, method);
    let visit = format!("/checkoutnow?token={}", order.id);
    let capture = at(&format!("{path}/capture"), "capture", "POST");
    let mut links = vec![at(&path, "self", "GET")];
    match order.status {
        OrderStatus::Created => links.extend([at(&visit, "approve", "GET"), at(&path, "update", "PATCH"), capture]),
        OrderStatus::PayerActionRequired => links.push(at(&visit, "payer-action", "GET")),
        OrderStatus::Approved => links.push(capture),
        OrderStatus::Completed => {}
    }
    let mut view = json!({ "id": order.id, "status": order.status, "links": links });
    let Some(members) = view.as_object_mut().filter(|_| whole) else { return view };
    let units = order.units.iter().map(|unit| {
        let mut shown = unit.request.clone();
        if let (Some(members), Some(capture)) = (shown.as_object_mut(), &unit.capture) {
            let mut payments = json!({});
            if let Some(payments) = payments.as_object_mut() {
                let shown = state.captures.get(capture).map(|capture| capture::view(state, capture, false));
                payments.insert("captures".to_owned(), json!([shown]));
                let refunds = refund::of(state, capture);
                if !refunds.is_empty() {
                    payments.insert("refunds".to_owned(), refunds.into());
                }
            }
            members.insert("payments".to_owned(), payments);
        }
        shown
    });
    members.insert("purchase_units".to_owned(), units.collect());
    members.insert("intent".to_owned(), json!("CAPTURE"));
    members.insert("create_time".to_owned(), json!(time_text(order.created)));
    members.insert("update_time".to_owned(), json!(time_text(order.updated)));
    if let Some(method) = &order.method {
        members.insert("payment_source".to_owned(), method.view.clone());
    }
    view
}
