//! Items, which are logins at banks, with their accounts; public tokens, and the access tokens that they become.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use shared::clock::{Clock, Time};

use super::error::ApiError;
use super::schema::{self, text};
use super::{State, money, new_account_id, new_id, shapes};

/// A public token is exchanged within this time.
const PUBLIC_TOKEN_LIFETIME: Duration = Duration::from_mins(30);
const PUBLIC_PREFIX: &str = "public-sandbox-";
const ACCESS_PREFIX: &str = "access-sandbox-";
/// Kinds of accounts that Transfer takes.
const TRANSFERABLE: &[&str] = &["checking", "savings", "cash management"];

/// An account at a bank. One with an ACH return code in its name, such as `Checking R01`, sends every debit back with
/// that code, two business days after it was posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The `account_id`.
    pub id: String,
    /// What its holder reads.
    pub name: String,
    /// The last four digits of its number.
    pub mask: String,
    /// `checking`, `savings`, `credit card`, …
    pub subtype: String,
    /// What is on it, in cents.
    pub available: i64,
}

impl Account {
    /// A checking account with this on it, in cents.
    #[must_use]
    pub fn checking(id: &str, available: i64) -> Self {
        let [name, mask, subtype] = ["Plaid Checking", "0000", "checking"].map(str::to_owned);
        Self { id: id.to_owned(), name, mask, subtype, available }
    }

    /// `depository` or `credit`.
    pub(super) fn kind(&self) -> &'static str {
        if self.subtype == "credit card" { "credit" } else { "depository" }
    }

    pub(super) fn is_transferable(&self) -> bool {
        TRANSFERABLE.contains(&self.subtype.as_str())
    }

    /// The code with which its name says that debits come back.
    pub(super) fn test_code(&self) -> Option<&str> {
        self.name.split(' ').find(|word| is_return_code(word))
    }
}

/// `R01` and its like.
pub(super) fn is_return_code(text: &str) -> bool {
    text.len() == 3 && text.strip_prefix('R').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What an Item that was added by hand is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeded {
    /// The `item_id`.
    pub item: String,
    /// What is stored, and never shown.
    pub access_token: String,
    /// What Link would hand over; exchanged once, it gives the access token.
    pub public_token: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Item {
    pub id: String,
    pub client: String,
    institution: String,
    pub webhook: Option<String>,
    pub products: Vec<String>,
    access_token: String,
    /// Until it is exchanged, and for how long.
    public_token: Option<(String, Time)>,
    pub accounts: Vec<Account>,
    /// The holder has to log in again.
    pub login_required: bool,
    removed: bool,
}

/// Adds an Item with these tokens, which must be new ones.
pub(super) fn add(state: &mut State, clock: &Clock, client: &str, tokens: &Seeded, accounts: Vec<Account>) {
    let item = Item {
        id: tokens.item.clone(),
        client: client.to_owned(),
        institution: BANK_ID.to_owned(),
        webhook: None,
        products: vec!["transfer".to_owned()],
        access_token: tokens.access_token.clone(),
        public_token: Some((tokens.public_token.clone(), clock.now().plus(PUBLIC_TOKEN_LIFETIME))),
        accounts,
        login_required: false,
        removed: false,
    };
    state.items.insert(item.id.clone(), item);
}

/// New tokens.
pub(super) fn seed() -> Seeded {
    Seeded {
        item: new_account_id(),
        access_token: format!("{ACCESS_PREFIX}{}", new_id()),
        public_token: format!("{PUBLIC_PREFIX}{}", new_id()),
    }
}

/// `POST /sandbox/public_token/create`: what a customer would do in Link.
pub(super) fn create(
    state: &mut State,
    clock: &Clock,
    client: &str,
    body: &Map<String, Value>,
) -> Result<Value, ApiError> {
    schema::check(shapes::PUBLIC_TOKEN, body)?;
    let institution = text(body, "institution_id").unwrap_or_default();
    if !institution.starts_with("ins_") {
        return Err(ApiError::input("INVALID_INSTITUTION", "invalid institution_id provided"));
    }
    let tokens = seed();
    add(state, clock, client, &tokens, sandbox_accounts());
    if let Some(item) = state.items.get_mut(&tokens.item) {
        institution.clone_into(&mut item.institution);
        let products = body.get("initial_products").and_then(Value::as_array).into_iter().flatten();
        item.products = products.filter_map(Value::as_str).map(str::to_owned).collect();
        let webhook = body.get("options").and_then(|options| options.get("webhook"));
        item.webhook = webhook.and_then(Value::as_str).map(str::to_owned);
    }
    Ok(json!({ "public_token": tokens.public_token }))
}

/// The bank that every test customer is at.
pub(super) const BANK: &str = "First Platypus Bank";
const BANK_ID: &str = "ins_109508";

/// Those that every test customer of the Sandbox has, or nearly.
pub(super) fn sandbox_accounts() -> Vec<Account> {
    let account = |name: &str, mask: &str, subtype: &str, available: i64| {
        let [name, mask, subtype] = [name, mask, subtype].map(str::to_owned);
        Account { id: new_account_id(), name, mask, subtype, available }
    };
    vec![
        account("Plaid Checking", "0000", "checking", 10_000),
        account("Plaid Saving", "1111", "savings", 20_000),
        account("Plaid Credit Card", "3333", "credit card", 200_000),
    ]
}

/// `POST /item/public_token/exchange`.
pub(super) fn exchange(
    state: &mut State,
    clock: &Clock,
    client: &str,
    body: &Map<String, Value>,
) -> Result<Value, ApiError> {
    schema::check(shapes::EXCHANGE, body)?;
    let token = text(body, "public_token").unwrap_or_default();
    let (now, refused) = (clock.now(), |message| ApiError::input("INVALID_PUBLIC_TOKEN", message));
    let mut items = state.items.values_mut().filter(|item| item.client == client && !item.removed);
    let found = items.find_map(|item| {
        let expires = item.public_token.as_ref().filter(|(known, _)| known == token).map(|(_, expires)| *expires)?;
        Some((item, expires))
    });
    match found {
        Some((_, expires)) if now >= expires => Err(refused("provided public token is expired")),
        Some((item, _)) => {
            item.public_token = None;
            Ok(json!({ "access_token": item.access_token, "item_id": item.id }))
        }
        None => Err(refused("could not find matching public token")),
    }
}

/// The client's Item of a body's `access_token`.
pub(super) fn find<'a>(state: &'a State, client: &str, body: &Map<String, Value>) -> Result<&'a Item, ApiError> {
    let token = text(body, "access_token").unwrap_or_default();
    let mut items = state.items.values().filter(|item| item.client == client);
    match items.find(|item| item.access_token == token) {
        Some(item) if item.removed => Err(ApiError::item("ITEM_NOT_FOUND", "the Item has been removed")),
        Some(item) => Ok(item),
        None => Err(ApiError::input("INVALID_ACCESS_TOKEN", "could not find matching access token")),
    }
}

impl Item {
    pub fn account(&self, id: &str) -> Result<&Account, ApiError> {
        let message = "failed to find requested account ID for requested item";
        let found = self.accounts.iter().find(|account| account.id == id);
        found.ok_or_else(|| ApiError::input("INVALID_ACCOUNT_ID", message))
    }

    fn view(&self) -> Value {
        let error = self.login_required.then(|| login_required().body());
        json!({
            "item_id": self.id, "institution_id": self.institution, "webhook": self.webhook, "error": error,
            "available_products": [], "billed_products": self.products, "products": self.products,
            "consent_expiration_time": null, "update_type": "background",
        })
    }
}

fn login_required() -> ApiError {
    let message = "the login details of this item have changed and a user login is required to update this information";
    ApiError::item("ITEM_LOGIN_REQUIRED", message)
}

/// `POST /accounts/get`.
pub(super) fn accounts(state: &State, client: &str, body: &Map<String, Value>) -> Result<Value, ApiError> {
    schema::check(shapes::ACCOUNTS, body)?;
    let item = find(state, client, body)?;
    if item.login_required {
        return Err(login_required());
    }
    let wanted = body.get("options").and_then(|options| options.get("account_ids")).and_then(Value::as_array);
    let accounts: Vec<Value> = match wanted {
        None => item.accounts.iter().map(view).collect(),
        Some(ids) => {
            let of = |id: &Value| item.account(id.as_str().unwrap_or_default()).map(view);
            ids.iter().map(of).collect::<Result<_, _>>()?
        }
    };
    Ok(json!({ "accounts": accounts, "item": item.view() }))
}

fn view(account: &Account) -> Value {
    let available = money::number(account.available);
    let balances = json!({
        "available": available, "current": available, "limit": null, "iso_currency_code": "USD",
        "unofficial_currency_code": null,
    });
    json!({
        "account_id": account.id, "balances": balances, "mask": account.mask, "name": account.name,
        "official_name": null, "type": account.kind(), "subtype": account.subtype,
    })
}

/// `POST /item/remove`: its tokens are worth nothing any more.
pub(super) fn remove(state: &mut State, client: &str, body: &Map<String, Value>) -> Result<Value, ApiError> {
    schema::check(shapes::ITEM_REMOVE, body)?;
    let id = find(state, client, body)?.id.clone();
    if let Some(item) = state.items.get_mut(&id) {
        item.removed = true;
        item.public_token = None;
    }
    Ok(json!({}))
}

/// `POST /sandbox/item/reset_login`.
pub(super) fn reset(state: &mut State, client: &str, body: &Map<String, Value>) -> Result<Value, ApiError> {
    schema::check(shapes::RESET_LOGIN, body)?;
    let id = find(state, client, body)?.id.clone();
    if let Some(item) = state.items.get_mut(&id) {
        item.login_required = true;
    }
    Ok(json!({ "reset_login": true }))
}

impl State {
    /// Finds an account, whosever it is.
    pub fn account_mut(&mut self, id: &str) -> Option<&mut Account> {
        self.items.values_mut().flat_map(|item| item.accounts.iter_mut()).find(|account| account.id == id)
    }
}
