//! Link: tokens that clients ask for, and the page that a customer clicks through with one of them.
//!
//! At Plaid, a script in the client's page opens Link and hears the public token from it. Here customers go to Link's
//! address, as in a webview, and are sent on: to `plaidlink://connected`, which an app would intercept, where the address
//! says `isWebview=true`; else to the link token's `redirect_uri`, with the `public_token` in the query, where the script
//! would have told it.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use shared::clock::{Clock, Time};

use super::error::ApiError;
use super::item::{self, Account};
use super::schema::{self, text};
use super::{State, new_id, shapes, time_text};
use crate::simulator::page::{escape, go, page, with_query};

/// Where Link is, at a host of its own.
pub(crate) const PAGE: &str = "/link/v2/stable/link.html";

const LIFETIME: Duration = Duration::from_hours(4);
/// That of a token for an Item that is there.
const UPDATE_LIFETIME: Duration = Duration::from_mins(30);
/// Characters of a client's name that Link shows.
const SHOWN_NAME: usize = 30;

/// What a link token stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Link {
    client: String,
    name: String,
    redirect_uri: Option<String>,
    webhook: Option<String>,
    products: Vec<String>,
    /// Subtypes to show, by type of account; `None`: all.
    filters: Option<BTreeMap<String, Vec<String>>>,
    /// The Item that a customer logs in to again.
    item: Option<String>,
    expires: Time,
    /// What the customer has at the bank.
    accounts: Vec<Account>,
    finished: bool,
}

/// What a customer who has gone through Link leaves behind.
pub(super) struct Finished {
    /// None in update mode: the client has its access token.
    pub public_token: Option<String>,
    redirect_uri: Option<String>,
}

impl Link {
    /// The accounts to choose from.
    pub fn shown(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter().filter(|account| {
            self.filters.as_ref().is_none_or(|filters| {
                let subtypes = filters.get(account.kind());
                subtypes.is_some_and(|known| known.iter().any(|one| one == "all" || *one == account.subtype))
            })
        })
    }
}

/// `POST /link/token/create`.
pub(super) fn create(
    state: &mut State,
    clock: &Clock,
    client: &str,
    body: &Map<String, Value>,
) -> Result<Value, ApiError> {
    schema::check(shapes::LINK_TOKEN, body)?;
    let missing = |name: &str| {
        let message = format!("the following required fields are missing: {name}");
        Err(ApiError::request("MISSING_FIELDS", &message))
    };
    if !body.contains_key("user") {
        return missing("user.client_user_id");
    }
    let is_update = text(body, "access_token").is_some();
    match (is_update, body.contains_key("products")) {
        (false, false) => return missing("products"),
        (true, true) => return Err(ApiError::field("products must be left out in update mode")),
        _ => {}
    }
    let item = if is_update { Some(item::find(state, client, body)?.id.clone()) } else { None };
    let redirect_uri = text(body, "redirect_uri").map(str::to_owned);
    if let Some(uri) = &redirect_uri {
        check_redirect(state, client, uri)?;
    }
    let filters = body.get("account_filters").and_then(Value::as_object).map(|filters| {
        let subtypes = |filter: &Value| strings(filter.get("account_subtypes"));
        filters.iter().map(|(kind, filter)| (kind.clone(), subtypes(filter))).collect()
    });
    let expires = clock.now().plus(if is_update { UPDATE_LIFETIME } else { LIFETIME });
    let link = Link {
        client: client.to_owned(),
        name: text(body, "client_name").unwrap_or_default().to_owned(),
        redirect_uri,
        webhook: text(body, "webhook").map(str::to_owned),
        products: strings(body.get("products")),
        filters,
        item,
        expires,
        accounts: item::sandbox_accounts(),
        finished: false,
    };
    let token = format!("link-sandbox-{}", new_id());
    state.links.insert(token.clone(), link);
    Ok(json!({ "link_token": token, "expiration": time_text(expires) }))
}

/// Only where the dashboard allows it, and never with parameters.
fn check_redirect(state: &State, client: &str, uri: &str) -> Result<(), ApiError> {
    if uri.contains('?') {
        return Err(ApiError::field("redirect_uri must not contain query parameters"));
    }
    if state.clients.get(client).is_some_and(|client| client.redirect_uris.contains(uri)) {
        return Ok(());
    }
    Err(ApiError::field("OAuth redirect URI must be configured in the developer dashboard"))
}

fn strings(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What a link token stands for, as long as it is good.
pub(super) fn open<'a>(state: &'a State, clock: &Clock, token: &str) -> Result<&'a Link, ApiError> {
    let link = state.links.get(token).filter(|link| !link.finished && clock.now() < link.expires);
    link.ok_or_else(|| ApiError::input("INVALID_LINK_TOKEN", "invalid link_token provided"))
}

/// The customer has logged in, and chosen an account: the only one that the Item has.
pub(super) fn finish(state: &mut State, clock: &Clock, token: &str, account: &str) -> Result<Finished, ApiError> {
    let mut link = open(state, clock, token)?.clone();
    let public_token = match &link.item {
        Some(known) => {
            if let Some(item) = state.items.get_mut(known) {
                item.login_required = false;
            }
            None
        }
        None => {
            let chosen = link.shown().find(|shown| shown.id == account).cloned();
            let chosen = chosen.ok_or_else(|| ApiError::input("INVALID_ACCOUNT_ID", "no account was chosen"))?;
            let tokens = item::seed();
            item::add(state, clock, &link.client, &tokens, vec![chosen]);
            if let Some(item) = state.items.get_mut(&tokens.item) {
                item.products.clone_from(&link.products);
                item.webhook.clone_from(&link.webhook);
            }
            Some(tokens.public_token)
        }
    };
    link.finished = true;
    let redirect_uri = link.redirect_uri.clone();
    state.links.insert(token.to_owned(), link);
    Ok(Finished { public_token, redirect_uri })
}

/// The page of Link: GET shows it, POST is what its button does. `parameters` are those of the query or of the form.
pub(super) fn visit(
    state: &mut State,
    clock: &Clock,
    verb: &Method,
    parameters: &BTreeMap<String, String>,
) -> Response<Body> {
    let word = |name: &str| parameters.get(name).map_or("", String::as_str);
    let is_webview = word("isWebview") == "true";
    let seen = if verb == Method::POST {
        finish(state, clock, word("token"), word("account")).map(|finished| leave(&finished, is_webview))
    } else {
        open(state, clock, word("token")).map(|link| chooser(link, word("token"), is_webview))
    };
    seen.unwrap_or_else(|error| {
        let body = format!("<p role=\"alert\" id=\"error\">{}</p>", escape(&error.message));
        page(StatusCode::BAD_REQUEST, "Something went wrong", &body)
    })
}

fn chooser(link: &Link, token: &str, is_webview: bool) -> Response<Body> {
    let name = if link.name.chars().count() > SHOWN_NAME { "This Application" } else { &link.name };
    let accounts: String = link.shown().enumerate().map(|(index, account)| choice(account, index == 0)).collect();
    let (asks, choose) = match &link.item {
        Some(_) => ("asks you to log in again.".to_owned(), String::new()),
        None if accounts.is_empty() => ("can use none of your accounts there.".to_owned(), String::new()),
        None => {
            let choose = format!("<fieldset><legend>Choose an account</legend>{accounts}</fieldset>");
            ("wants to use one of your accounts there.".to_owned(), choose)
        }
    };
    let can_go_on = link.item.is_some() || !accounts.is_empty();
    let button = if can_go_on { "<button id=\"continue\">Continue</button>" } else { "" };
    let exit = match (&link.redirect_uri, is_webview) {
        (_, true) => "<p><a id=\"exit\" href=\"plaidlink://exit\">Exit</a></p>".to_owned(),
        (Some(uri), false) => format!("<p><a id=\"exit\" href=\"{}\">Exit</a></p>", escape(uri)),
        (None, false) => String::new(),
    };
    let body = format!(
        "<p>{} {asks}</p><form method=\"post\" action=\"{PAGE}\"><input type=\"hidden\" name=\"token\" value=\"{}\">\
         <input type=\"hidden\" name=\"isWebview\" value=\"{is_webview}\">{choose}{button}</form>{exit}",
        escape(name),
        escape(token),
    );
    page(StatusCode::OK, item::BANK, &body)
}

fn choice(account: &Account, checked: bool) -> String {
    let checked = if checked { " checked" } else { "" };
    format!(
        "<label><input type=\"radio\" name=\"account\" value=\"{}\"{checked} required> {} ••••{} ({})</label>",
        escape(&account.id),
        escape(&account.name),
        escape(&account.mask),
        escape(&account.subtype),
    )
}

/// Where the customer goes from here.
fn leave(finished: &Finished, is_webview: bool) -> Response<Body> {
    let told: Vec<(&str, &str)> = finished.public_token.iter().map(|token| ("public_token", token.as_str())).collect();
    match (&finished.redirect_uri, is_webview) {
        (_, true) => go(&with_query("plaidlink://connected", &told)),
        (Some(uri), false) => go(&with_query(uri, &told)),
        (None, false) => {
            let token = finished.public_token.as_deref().unwrap_or_default();
            page(StatusCode::OK, "Done", &format!("<p>You may close this page.</p><code id=\"token\">{token}</code>"))
        }
    }
}
