//! The vault: setup tokens that payers approve, and the payment tokens made of them, which merchants may charge.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clock::{Clock, Time};

use super::error::ApiError;
use super::event::Kind;
use super::operation::{Answer, Call};
use super::payer::Question;
use super::schema::{self, Violation, text};
use super::{State, link, new_id, shapes, test_method};

/// A setup token is there for so long, approved or not.
const SETUP_LIFETIME: Duration = Duration::from_hours(72);

/// Tokens by id.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Vault {
    setups: BTreeMap<String, Setup>,
    tokens: BTreeMap<String, Token>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum SetupStatus {
    Created,
    PayerActionRequired,
    Approved,
    Vaulted,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Setup {
    id: String,
    account: String,
    customer: Customer,
    status: SetupStatus,
    /// `payment_source` as it was sent.
    request: Value,
    /// What the payer chose.
    method: Option<Chargeable>,
    #[serde(default)]
    expires: Option<Time>,
}

impl Setup {
    fn is_there(&self, now: Time) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    fn waits(&self, now: Time) -> bool {
        self.is_there(now) && matches!(self.status, SetupStatus::Created | SetupStatus::PayerActionRequired)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Token {
    id: String,
    account: String,
    customer: Customer,
    method: Chargeable,
}

/// Whose a token is, by PayPal's id and by the merchant's.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Customer {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    merchant_customer_id: Option<String>,
}

/// What can be charged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Chargeable {
    /// The test method whose behaviour it has.
    pub test: String,
    /// As `payment_source` shows it.
    pub view: Value,
}

impl Chargeable {
    /// A test method, as it is shown. Each payer has an id of their own.
    pub fn test(name: &str) -> Option<Self> {
        let method = test_method::find(name)?;
        let view = if method.source == "card" {
            json!({ "card": { "last_digits": "7704", "brand": "VISA", "expiry": "2030-08", "type": "CREDIT",
                              "name": "Test Payer" } })
        } else {
            json!({ "paypal": { "email_address": "payer@example.com", "account_id": "PAYERTEST2345",
                                "payer_id": "PAYERTEST2345", "account_status": "VERIFIED",
                                "name": { "given_name": "Test", "surname": "Payer" } } })
        };
        Some(Self { test: name.to_owned(), view })
    }

    fn is(&self, source: &str) -> bool {
        self.view.get(source).is_some()
    }
}

impl Vault {
    /// What a `vault_id` stands for: the account's own token, or a test method.
    pub fn chargeable(&self, account: &str, id: &str, source: &str) -> Result<Chargeable, ApiError> {
        let field = format!("/payment_source/{source}/vault_id");
        let stored = self.tokens.get(id).filter(|token| token.account == account).map(|token| token.method.clone());
        match stored.or_else(|| Chargeable::test(id)) {
            Some(method) if method.is(source) => Ok(method),
            Some(_) => Err(ApiError::field("MISMATCHED_VAULT_ID_TO_PAYMENT_SOURCE", &field, id)),
            None => Err(ApiError::field("TOKEN_ID_NOT_FOUND", &field, id)),
        }
    }
}

/// `POST /v3/vault/setup-tokens`.
pub(super) fn create_setup(state: &mut State, clock: &Clock, call: &Call) -> Result<Answer, ApiError> {
    check(&shapes::SETUP_TOKEN, call)?;
    let source = call.body.get("payment_source").cloned().unwrap_or_default();
    if source.get("card").is_some() {
        // Numbers of cards are not taken: the account has no leave to.
        let mut error = ApiError::issue("NOT_ENABLED_TO_VAULT_PAYMENT_SOURCE");
        let named = ApiError::status(403).body;
        error.status = 403;
        if let (Some(body), Value::Object(named)) = (error.body.as_object_mut(), named) {
            body.extend(named.into_iter().filter(|(name, _)| name != "links"));
        }
        return Err(error);
    }
    if source.get("paypal").is_none() {
        let pointer = "/payment_source/paypal".to_owned();
        let violation = Violation { pointer, location: Some("body"), value: None, issue: "MISSING_REQUIRED_PARAMETER" };
        return Err(ApiError::schema(&[violation]));
    }
    let url = |name: &str| text(&source, &format!("/paypal/experience_context/{name}")).is_some();
    let asks = url("return_url") && url("cancel_url");
    let setup = Setup {
        id: new_id(17),
        account: call.account.clone(),
        customer: Customer {
            id: text(&call.body, "/customer/id").map_or_else(|| new_id(10), str::to_owned),
            merchant_customer_id: text(&call.body, "/customer/merchant_customer_id").map(str::to_owned),
        },
        status: if asks { SetupStatus::PayerActionRequired } else { SetupStatus::Created },
        request: source,
        method: None,
        expires: Some(clock.now().plus(SETUP_LIFETIME)),
    };
    let (id, body) = (setup.id.clone(), setup_view(state, &setup));
    state.vault.setups.insert(id.clone(), setup);
    Ok(Answer { status: 201, body, made: Some(id) })
}

fn check(shape: &schema::Shape, call: &Call) -> Result<(), ApiError> {
    if call.request_id.is_none() {
        return Err(ApiError::issue("PAYPAL_REQUEST_ID_REQUIRED"));
    }
    let violations = schema::check(shape, &call.body);
    if violations.is_empty() { Ok(()) } else { Err(ApiError::schema(&violations)) }
}

pub(super) fn read_setup(state: &State, clock: &Clock, account: &str, id: &str) -> Result<Value, ApiError> {
    let there = |setup: &&Setup| setup.account == account && setup.is_there(clock.now());
    Ok(setup_view(state, state.vault.setups.get(id).filter(there).ok_or_else(ApiError::missing)?))
}

fn setup_view(state: &State, setup: &Setup) -> Value {
    let path = format!("/v3/vault/setup-tokens/{}", setup.id);
    let mut links = vec![link(&state.base, &path, "self", "GET")];
    match setup.status {
        SetupStatus::PayerActionRequired => {
            let visit = format!("/agreements/approve?approval_session_id={}", setup.id);
            links.push(link(&state.base, &visit, "approve", "GET"));
        }
        SetupStatus::Approved => links.push(link(&state.base, "/v3/vault/payment-tokens", "confirm", "POST")),
        _ => {}
    }
    let source = setup.method.as_ref().map_or(&setup.request, |method| &method.view);
    json!({ "id": setup.id, "status": setup.status, "customer": setup.customer, "payment_source": source,
            "links": links })
}

/// What a payer is asked, while there is something to approve.
pub(super) fn question(state: &State, clock: &Clock, id: &str) -> Option<Question> {
    let setup = state.vault.setups.get(id).filter(|setup| setup.waits(clock.now()))?;
    let of = |name: &str| text(&setup.request, &format!("/paypal/experience_context/{name}")).map(str::to_owned);
    Some(Question {
        brand: of("brand_name"),
        asks: "to save your PayPal account for later payments",
        return_url: of("return_url"),
        cancel_url: of("cancel_url"),
        told: vec![("approval_token_id", id.to_owned()), ("approval_session_id", id.to_owned())],
    })
}

/// The payer approves, with a test method. Whether there was something to approve.
pub(super) fn approve(state: &mut State, clock: &Clock, id: &str, method: Chargeable) -> bool {
    let Some(setup) = state.vault.setups.get_mut(id).filter(|setup| setup.waits(clock.now())) else { return false };
    setup.status = SetupStatus::Approved;
    setup.method = Some(method);
    true
}

/// `POST /v3/vault/payment-tokens`: out of an approved setup token, once.
pub(super) fn create_token(state: &mut State, clock: &Clock, call: &Call) -> Result<Answer, ApiError> {
    check(&shapes::PAYMENT_TOKEN, call)?;
    let id = text(&call.body, "/payment_source/token/id").unwrap_or_default();
    let field = "/payment_source/token/id";
    if text(&call.body, "/payment_source/token/type") == Some("BILLING_AGREEMENT") {
        return Err(ApiError::field("BILLING_AGREEMENT_NOT_FOUND", field, id));
    }
    let setup = state.vault.setups.get_mut(id).filter(|setup| setup.account == call.account);
    let Some(setup) = setup else { return Err(ApiError::field("TOKEN_ID_NOT_FOUND", field, id)) };
    let method = match (setup.status, &setup.method) {
        _ if !setup.is_there(clock.now()) => return Err(ApiError::field("TOKEN_EXPIRED", field, id)),
        (SetupStatus::Approved, Some(method)) => method.clone(),
        (SetupStatus::Vaulted, _) => return Err(ApiError::field("TOKEN_EXPIRED", field, id)),
        _ => return Err(ApiError::field("PAYER_ACTION_REQUIRED", field, id)),
    };
    setup.status = SetupStatus::Vaulted;
    let customer = setup.customer.clone();
    let token = Token { id: new_id(10).to_lowercase(), account: call.account.clone(), customer, method };
    let (id, body) = (token.id.clone(), token_view(state, &token));
    state.vault.tokens.insert(id.clone(), token);
    tell(state, clock, &call.account, "VAULT.PAYMENT-TOKEN.CREATED", body.clone());
    Ok(Answer { status: 201, body, made: Some(id) })
}

fn tell(state: &mut State, clock: &Clock, account: &str, event: &'static str, resource: Value) {
    let kind = Kind { event, resource: "payment_token", version: "3.0", summary: "A payment token has changed." };
    state.tell(clock, account, kind, resource);
}

fn token_view(state: &State, token: &Token) -> Value {
    let path = format!("/v3/vault/payment-tokens/{}", token.id);
    let links = [link(&state.base, &path, "self", "GET"), link(&state.base, &path, "delete", "DELETE")];
    json!({ "id": token.id, "customer": token.customer, "payment_source": token.method.view, "links": links })
}

pub(super) fn read_token(state: &State, account: &str, id: &str) -> Result<Value, ApiError> {
    let stored = state.vault.tokens.get(id).filter(|token| token.account == account).cloned();
    let shared = || {
        let method = Chargeable::test(id)?;
        let customer = Customer { id: "test_payer".to_owned(), merchant_customer_id: None };
        Some(Token { id: id.to_owned(), account: account.to_owned(), customer, method })
    };
    let token = stored.or_else(shared).ok_or_else(ApiError::missing)?;
    Ok(token_view(state, &token))
}

/// A customer's tokens, in pages.
pub(super) fn list(state: &State, call: &Call) -> Result<Value, ApiError> {
    let refused = |violation| ApiError::schema(&[violation]);
    call.only_query(&["customer_id", "page_size", "page", "total_required"]).map_err(refused)?;
    let missing = || Violation::query("customer_id", "", "MISSING_REQUIRED_PARAMETER");
    let customer = call.query.get("customer_id").ok_or_else(missing).map_err(refused)?;
    if !(7..=36).contains(&customer.len()) || !schema::is_id(customer) {
        return Err(refused(Violation::query("customer_id", customer, "INVALID_PARAMETER_SYNTAX")));
    }
    let (page, size) =
        (call.number("page", 1, 1_000).map_err(refused)?, call.number("page_size", 5, 1_000).map_err(refused)?);
    let owned = |token: &&Token| token.account == call.account && token.customer.id == *customer;
    let tokens: Vec<&Token> = state.vault.tokens.values().filter(owned).collect();
    let shown = tokens.iter().skip((page - 1).saturating_mul(size)).take(size);
    let shown: Vec<Value> = shown.map(|token| token_view(state, token)).collect();
    let path = format!("/v3/vault/payment-tokens?customer_id={customer}&page={page}&page_size={size}");
    let mut view = json!({ "customer": { "id": customer }, "payment_tokens": shown,
                           "links": [link(&state.base, &path, "self", "GET")] });
    if let Some(members) =
        view.as_object_mut().filter(|_| call.query.get("total_required").is_some_and(|v| v == "true"))
    {
        members.insert("total_items".to_owned(), json!(tokens.len()));
        members.insert("total_pages".to_owned(), json!(tokens.len().div_ceil(size)));
    }
    Ok(view)
}

/// Deletes a token; one that is not there is as good as deleted.
pub(super) fn delete(state: &mut State, clock: &Clock, account: &str, id: &str) {
    if state.vault.tokens.get(id).is_none_or(|token| token.account != account) {
        return;
    }
    if let Some(token) = state.vault.tokens.remove(id) {
        let resource = token_view(state, &token);
        tell(state, clock, account, "VAULT.PAYMENT-TOKEN.DELETED", resource);
    }
}
