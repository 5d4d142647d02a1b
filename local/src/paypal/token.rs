//! Who is calling: apps by their credentials, and the access tokens that they get.

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clock::{Clock, Time};

use super::error::ApiError;
use super::new_id;

/// Nine hours.
const LIFETIME: Duration = Duration::from_secs(32_400);

/// Apps and tokens.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Tokens {
    /// By client id.
    clients: BTreeMap<String, Client>,
    /// By token.
    tokens: BTreeMap<String, Token>,
    /// Of new tokens; `None`: nine hours.
    #[serde(skip)]
    pub lifetime: Option<Duration>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Client {
    account: String,
    secret: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Token {
    account: String,
    client: String,
    expires: Time,
}

impl Tokens {
    pub fn add_client(&mut self, account: &str, client_id: &str, secret: &str) {
        let client = Client { account: account.to_owned(), secret: secret.to_owned() };
        self.clients.insert(client_id.to_owned(), client);
    }

    pub fn revoke_client(&mut self, client_id: &str) {
        self.clients.remove(client_id);
        self.tokens.retain(|_, token| token.client != client_id);
    }

    pub fn expire(&mut self) {
        self.tokens.clear();
    }

    /// The account that a header `Authorization` speaks for.
    pub fn account(&self, authorization: Option<&str>, now: Time) -> Result<String, ApiError> {
        let Some(authorization) = authorization else { return Err(ApiError::status(401)) };
        let token = authorization.strip_prefix("Bearer ").and_then(|token| self.tokens.get(token));
        match token {
            Some(token) if now < token.expires => Ok(token.account.clone()),
            Some(_) => Err(ApiError::oauth(401, "invalid_token", "Access Token has expired")),
            None => Err(ApiError::oauth(401, "invalid_token", "Token signature verification failed")),
        }
    }

    /// `POST /v1/oauth2/token`.
    pub fn issue(&mut self, clock: &Clock, authorization: Option<&str>, form: &[u8]) -> Result<Value, ApiError> {
        let refused = || ApiError::oauth(401, "invalid_client", "Client Authentication failed");
        let (client_id, secret) = authorization.and_then(credentials).ok_or_else(refused)?;
        let client = self.clients.get(&client_id).filter(|client| client.secret == secret).ok_or_else(refused)?;
        match grant(form).as_deref() {
            Some("client_credentials") => {}
            Some(_) => return Err(ApiError::oauth(400, "unsupported_grant_type", "Grant Type is not supported")),
            None => return Err(ApiError::oauth(400, "invalid_request", "Grant Type is NULL")),
        }
        let lifetime = self.lifetime.unwrap_or(LIFETIME);
        let text = format!("A21AA{}", new_id(60));
        let account = client.account.clone();
        let expires = clock.now().plus(lifetime);
        self.tokens.insert(text.clone(), Token { account, client: client_id, expires });
        Ok(json!({
            "scope": "https://uri.paypal.com/services/payments/payment https://uri.paypal.com/payments/payouts",
            "access_token": text, "token_type": "Bearer", "app_id": "APP-80W284485P519543T",
            "expires_in": lifetime.as_secs(), "nonce": format!("{}{}", clock.now(), new_id(20)),
        }))
    }
}

/// Id and secret of a header `Authorization: Basic …`.
fn credentials(authorization: &str) -> Option<(String, String)> {
    let bytes = BASE64.decode(authorization.strip_prefix("Basic ")?.as_bytes()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn grant(form: &[u8]) -> Option<String> {
    let mut url = reqwest::Url::parse("form:/").ok()?;
    url.set_query(std::str::from_utf8(form).ok());
    url.query_pairs().find(|(name, _)| name == "grant_type").map(|(_, value)| value.into_owned())
}
