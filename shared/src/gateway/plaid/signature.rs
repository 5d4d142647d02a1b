//! Who signed a webhook (plaid.com/docs/api/webhooks/webhook-verification).
//!
//! The header is a JWT of a few minutes, signed with ECDSA on P-256, whose claim is the SHA-256 of the body as it was
//! sent. The public key is asked of Plaid by its id, which anybody may make up: what is no key is not asked for again at
//! once, and a client's made-up ids are few a minute. A key is asked for anew each day, so that its end is noticed.
//!
//! The signature is Plaid's and not bound to the tenant: it proves that there is something to ask Plaid for, no more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hmac::digest::CtOutput;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::json;
use sha2::digest::array::Array;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex as AsyncMutex;

use super::object::{Jwk, VerificationKey, is_word};
use super::{Plaid, classify};
use crate::bounds;
use crate::clock::{Clock, Time};
use crate::gateway::Trouble;
use crate::secrets::PlaidSecret;

/// Why a webhook is not believed, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not Plaid's, or not of now. Says why, for the log.
    #[error("not signed by Plaid: {0}")]
    NotGenuine(&'static str),
    /// The key could not be fetched: the delivery is wanted again.
    #[error("Plaid's key could not be had: {}", .0.as_str())]
    Unavailable(Trouble),
}

/// What is signed.
#[derive(Deserialize)]
struct Claims {
    /// When, in Unix seconds.
    iat: i64,
    /// In lower-case hex.
    request_body_sha256: String,
}

/// Checks signatures; cheap to clone, keeps keys by the client that asked and their id.
#[derive(Clone)]
pub struct Verifier {
    clock: Clock,
    keys: Arc<Mutex<HashMap<Name, Key>>>,
    /// Locked while a key is being fetched.
    misses: Arc<AsyncMutex<Vec<Miss>>>,
}

/// Whose key, by its id.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Name {
    client_id: String,
    kid: String,
}

#[derive(Clone)]
struct Key {
    key: DecodingKey,
    fetched_at: Time,
    expired_at: Option<Time>,
}

impl Key {
    fn has_ended(&self, now: Time) -> bool {
        self.expired_at.is_some_and(|end| end <= now)
    }
}

/// A key that was asked for lately, in vain: anybody may name one.
struct Miss {
    name: Name,
    at: Time,
    why: Refused,
}

/// Why a key that was in use proves nothing any more.
const ENDED: Refused = Refused::NotGenuine("a key that has ended");

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier without keys.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, keys: Arc::default(), misses: Arc::default() }
    }

    /// The same, going by another clock, with keys of its own: ages of two clocks don't mix.
    #[must_use]
    pub fn at(&self, clock: Clock) -> Self {
        Self::new(clock)
    }

    /// Whether Plaid has signed `body` in the last minutes. `header` is the value of `Plaid-Verification`; `body` is as
    /// it was received, whitespace included.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn verify(
        &self,
        plaid: &Plaid,
        secret: &PlaidSecret,
        header: &str,
        body: &[u8],
        timeout: Duration,
    ) -> Result<(), Refused> {
        if header.len() > bounds::PLAID_TOKEN_BYTES {
            return Err(Refused::NotGenuine("a header of that size is none"));
        }
        let named = jsonwebtoken::decode_header(header).map_err(|_| Refused::NotGenuine("no token"))?;
        if named.alg != Algorithm::ES256 {
            return Err(Refused::NotGenuine("another algorithm"));
        }
        let kid = named.kid.filter(|kid| is_word(kid)).ok_or(Refused::NotGenuine("no id of a key"))?;
        let name = Name { client_id: secret.client_id.clone(), kid };
        let key = self.key(plaid, secret, &name, timeout).await?;
        let token = jsonwebtoken::decode::<Claims>(header, &key.key, &rules());
        let Claims { iat, request_body_sha256 } =
            token.map_err(|_| Refused::NotGenuine("another key, or other claims"))?.claims;
        let (now, at) = (self.clock.now(), Time::from_seconds(iat));
        if now.since(at) > bounds::SIGNATURE_AGE || at.since(now) > bounds::SIGNATURE_AGE {
            return Err(Refused::NotGenuine("too old, or of the future"));
        }
        if is_of(&request_body_sha256, body) { Ok(()) } else { Err(Refused::NotGenuine("another body")) }
    }

    /// A key that is in use now: one that is kept, or as Plaid has it. One task at a time asks.
    async fn key(&self, plaid: &Plaid, secret: &PlaidSecret, name: &Name, timeout: Duration) -> Result<Key, Refused> {
        let now = self.clock.now();
        if let Some(key) = self.kept(name, now) {
            return key;
        }
        let busy = Refused::Unavailable(Trouble::Busy);
        let mut misses = tokio::time::timeout(timeout, self.misses.lock()).await.map_err(|_| busy)?;
        if let Some(key) = self.kept(name, now) {
            return key;
        }
        misses.retain(|miss| now < miss.at.plus(bounds::PLAID_KEY_PAUSE));
        let known = misses.iter().find(|miss| miss.name == *name).map(|miss| miss.why);
        if let Some(why @ Refused::NotGenuine(_)) = known {
            return Err(why);
        }
        // Whoever forges one tenant's webhooks keeps no other's from being verified.
        let of_client = misses.iter().filter(|miss| miss.name.client_id == name.client_id).count();
        if of_client >= bounds::PLAID_KEY_FETCHES {
            return Err(busy);
        }
        let fetched = plaid.verification_key(secret, &name.kid, now, timeout).await;
        match fetched.and_then(|key| if key.has_ended(now) { Err(ENDED) } else { Ok(key) }) {
            Ok(key) => {
                let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
                if keys.len() >= bounds::PLAID_KEY_SLOTS {
                    keys.clear();
                }
                keys.insert(name.clone(), key.clone());
                Ok(key)
            }
            Err(why) => {
                misses.push(Miss { name: name.clone(), at: now, why });
                Err(why)
            }
        }
    }

    /// The key that is kept under a name, unless it is to be asked for anew.
    fn kept(&self, name: &Name, now: Time) -> Option<Result<Key, Refused>> {
        let key = self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()?;
        if now >= key.fetched_at.plus(bounds::DAILY) {
            return None;
        }
        Some(if key.has_ended(now) { Err(ENDED) } else { Ok(key) })
    }
}

impl Plaid {
    async fn verification_key(
        &self,
        secret: &PlaidSecret,
        kid: &str,
        now: Time,
        timeout: Duration,
    ) -> Result<Key, Refused> {
        let reply = self.post(secret, "/webhook_verification_key/get", &json!({ "key_id": kid }), timeout).await;
        let reply = reply.map_err(Refused::Unavailable)?;
        match reply.object::<VerificationKey>() {
            Some(VerificationKey { key }) => usable(&key, kid, now),
            None => Err(match classify::trouble(&reply) {
                Trouble::Rejected => Refused::NotGenuine("a key that Plaid does not know"),
                trouble => Refused::Unavailable(trouble),
            }),
        }
    }
}

/// The key for its one use.
fn usable(jwk: &Jwk, kid: &str, now: Time) -> Result<Key, Refused> {
    let Jwk { alg, kty, crv, purpose, x, y, .. } = jwk;
    let is_one = [alg, kty, crv, purpose].map(String::as_str) == ["ES256", "EC", "P-256", "sig"] && jwk.kid == kid;
    let is_coordinate = |text: &String| BASE64URL_NOPAD.decode(text.as_bytes()).is_ok_and(|bytes| bytes.len() == 32);
    let key = (is_one && is_coordinate(x) && is_coordinate(y)).then(|| DecodingKey::from_ec_components(x, y).ok());
    Ok(Key {
        key: key.flatten().ok_or(Refused::Unavailable(Trouble::Unreadable))?,
        fetched_at: now,
        expired_at: jwk.expired_at.map(Time::from_seconds),
    })
}

/// What a token must hold to: the signature alone. Its time is compared with our own clock.
fn rules() -> Validation {
    let mut rules = Validation::new(Algorithm::ES256);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules
}

/// Whether a hash is the body's, told in the same time whichever byte differs.
fn is_of(hash: &str, body: &[u8]) -> bool {
    let said = HEXLOWER.decode(hash.as_bytes()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    said.is_some_and(|said| CtOutput::<Sha256>::new(Array::from(said)) == CtOutput::<Sha256>::new(Sha256::digest(body)))
}

#[cfg(test)]
mod tests;
