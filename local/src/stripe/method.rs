//! Customers and payment methods.

use serde_json::{Map, Value, json};
use shared::clock::Clock;

use super::error::ApiError;
use super::form::Form;
use super::{State, Stored, new_id, test_method};

type Answer = Result<Value, ApiError>;

/// A method that can be charged: the stored one, or a shared test method, of which Stripe makes a copy.
pub(super) struct Chargeable {
    pub object: Value,
    pub origin: String,
}

impl State {
    /// An object of the account, of one kind.
    pub fn find(&self, account: &str, id: &str, object: &str) -> Option<&Stored> {
        self.objects.get(id).filter(|stored| {
            stored.account == account && stored.value.get("object").and_then(Value::as_str) == Some(object)
        })
    }

    pub fn keep(&mut self, account: &str, value: Value, origin: &str) -> Value {
        let id = text(&value, "id").to_owned();
        let stored = Stored { account: account.to_owned(), value: value.clone(), origin: origin.to_owned() };
        self.objects.insert(id, stored);
        value
    }

    pub fn chargeable(&self, account: &str, id: &str) -> Result<Chargeable, ApiError> {
        if let Some(stored) = self.find(account, id, "payment_method") {
            if stored.value.get("detached") == Some(&json!(true)) {
                return Err(ApiError::request(
                    "The provided PaymentMethod was previously detached and may not be used again.",
                ));
            }
            return Ok(Chargeable { object: stored.value.clone(), origin: stored.origin.clone() });
        }
        match test_method::find(id) {
            Some(method) => Ok(Chargeable { object: with_id(method.object(), new_id("pm")), origin: id.to_owned() }),
            None => Err(ApiError::missing(400, "payment_method", id)),
        }
    }
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn with_id(mut object: Value, id: String) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.insert("id".to_owned(), json!(id));
        members.entry("customer").or_insert(Value::Null);
    }
    object
}

const CUSTOMER: &[&str] = &["email", "name", "description", "metadata[]", "phone"];

/// Changes what is given, member by member of the metadata.
pub(super) fn update_customer(state: &mut State, account: &str, id: &str, form: &Form) -> Answer {
    form.only(CUSTOMER)?;
    let Some(stored) = state.find(account, id, "customer") else {
        return Err(ApiError::missing(404, "id", id));
    };
    let mut customer = stored.value.clone();
    for name in ["email", "name", "description", "phone"] {
        if let Some(text) = form.text(name) {
            set(&mut customer, name, json!(text));
        }
    }
    form.write_metadata(&mut customer);
    Ok(state.keep(account, customer, ""))
}

pub(super) fn delete_customer(state: &mut State, account: &str, id: &str) -> Answer {
    if state.find(account, id, "customer").is_none() {
        return Err(ApiError::missing(404, "id", id));
    }
    state.objects.remove(id);
    Ok(json!({ "id": id, "object": "customer", "deleted": true }))
}

pub(super) fn create_customer(state: &mut State, clock: &Clock, account: &str, form: &Form) -> Answer {
    form.only(CUSTOMER)?;
    let customer = json!({
        "id": new_id("cus"), "object": "customer", "created": clock.now().seconds(), "livemode": false,
        "email": form.text("email"), "name": form.text("name"), "description": form.text("description"),
        "metadata": form.members("metadata"), "invoice_settings": { "default_payment_method": null },
    });
    let customer = state.keep(account, customer, "");
    state.tell(clock, account, "customer.created", &customer);
    Ok(customer)
}

/// Reads an object by its id in the path.
pub(super) fn read(state: &State, account: &str, object: &str, id: &str) -> Answer {
    if object == "payment_method"
        && let Some(method) = test_method::find(id)
    {
        return Ok(with_id(method.object(), id.to_owned()));
    }
    let found = state.find(account, id, object).map(|stored| stored.value.clone());
    found.map(without_marks).ok_or_else(|| ApiError::missing(404, object, id))
}

/// What only the simulator knows stays inside.
pub(super) fn without_marks(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.remove("detached");
    }
    value
}

pub(super) fn attach(state: &mut State, clock: &Clock, account: &str, id: &str, form: &Form) -> Answer {
    form.only(&["customer"])?;
    let customer = form.required("customer")?.to_owned();
    if state.find(account, &customer, "customer").is_none() {
        return Err(ApiError::missing(400, "customer", &customer));
    }
    if test_method::find(id).is_none() && state.find(account, id, "payment_method").is_none() {
        return Err(ApiError::missing(404, "payment_method", id));
    }
    let Chargeable { mut object, origin } = state.chargeable(account, id)?;
    if !object.get("customer").is_none_or(Value::is_null) {
        return Err(ApiError::request("The payment method you provided has already been attached to a customer."));
    }
    set(&mut object, "customer", json!(customer));
    let method = state.keep(account, object, &origin);
    state.tell(clock, account, "payment_method.attached", &method);
    Ok(method)
}

pub(super) fn detach(state: &mut State, clock: &Clock, account: &str, id: &str, form: &Form) -> Answer {
    form.only(&[])?;
    let Some(stored) = state.objects.get_mut(id).filter(|stored| stored.account == account) else {
        return Err(ApiError::missing(404, "payment_method", id));
    };
    if stored.value.get("customer").is_none_or(Value::is_null) {
        return Err(ApiError::request("The payment method you provided is not attached to a customer."));
    }
    let previous = json!({ "customer": text(&stored.value, "customer") });
    set(&mut stored.value, "customer", Value::Null);
    set(&mut stored.value, "detached", json!(true));
    let method = without_marks(stored.value.clone());
    state.tell_change(clock, account, "payment_method.detached", &method, previous);
    Ok(method)
}

/// The card's network tells a new date of expiry.
pub(super) fn update_card(state: &mut State, clock: &Clock, id: &str, exp_year: u16) {
    let Some(stored) = state.objects.get_mut(id) else { return };
    let Some(card) = stored.value.get_mut("card") else { return };
    let previous = json!({ "card": { "exp_year": card.get("exp_year") } });
    set(card, "exp_year", json!(exp_year));
    let (account, method) = (stored.account.clone(), without_marks(stored.value.clone()));
    state.tell_change(clock, &account, "payment_method.automatically_updated", &method, previous);
}

/// Names the holder of a bank account, or forgets the name.
pub(super) fn set_holder(state: &mut State, id: &str, name: Option<&str>) {
    let Some(stored) = state.objects.get_mut(id) else { return };
    if let Some(billing) = stored.value.get_mut("billing_details") {
        set(billing, "name", json!(name));
    }
}

/// The methods of a customer.
pub(super) fn list(state: &State, account: &str, customer: Option<&str>) -> Answer {
    let of_customer = |stored: &&Stored| {
        stored.account == account
            && text(&stored.value, "object") == "payment_method"
            && customer.is_some_and(|customer| text(&stored.value, "customer") == customer)
    };
    let data: Vec<Value> = state.objects.values().filter(of_customer).map(|stored| stored.value.clone()).collect();
    Ok(json!({ "object": "list", "data": data, "has_more": false, "url": "/v1/payment_methods" }))
}

pub(super) fn set(object: &mut Value, name: &str, value: Value) {
    object.as_object_mut().unwrap_or(&mut Map::new()).insert(name.to_owned(), value);
}
