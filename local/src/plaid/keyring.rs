//! Keys that sign webhooks: each is handed out by its id, and webhooks are sealed with the newest.
//!
//! A seal is a JWT (ES256) that names its key, its time and the SHA-256 of the body.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::clock::Time;

use super::new_id;
use crate::simulator::delivery::{Headers, Seal};

/// The header that holds the seal.
const HEADER: &str = "plaid-verification";
/// Bytes of a coordinate.
const COORDINATE: usize = 32;

/// All keys, oldest first. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Keyring(Arc<Mutex<Vec<Key>>>);

#[derive(Debug)]
struct Key {
    id: String,
    pair: KeyPair,
    created: Time,
    expired: Option<Time>,
}

impl Keyring {
    /// With one key.
    pub fn new(now: Time) -> Self {
        let keyring = Self(Arc::default());
        keyring.rotate(now);
        keyring
    }

    fn keys(&self) -> MutexGuard<'_, Vec<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a key, which signs from now on. `None`: the system gives none.
    pub fn rotate(&self, now: Time) -> Option<String> {
        let pair = KeyPair::generate().inspect_err(|error| {
            tracing::warn!(%error, "the Plaid simulator can't sign webhooks");
        });
        let key = Key { id: new_id(), pair: pair.ok()?, created: now, expired: None };
        let id = key.id.clone();
        self.keys().push(key);
        Some(id)
    }

    /// A key has expired; it is still handed out, as such. Whether there is one.
    pub fn expire(&self, id: &str, now: Time) -> bool {
        let mut keys = self.keys();
        let found = keys.iter_mut().find(|key| key.id == id);
        found.map(|key| key.expired = Some(now)).is_some()
    }

    /// A key as Plaid hands it out.
    pub fn public(&self, id: &str) -> Option<Value> {
        let keys = self.keys();
        let key = keys.iter().find(|key| key.id == id)?;
        // 4, x and y.
        let (x, y) = key.pair.public_key_raw().get(1..)?.split_at_checked(COORDINATE)?;
        Some(json!({
            "alg": "ES256", "crv": "P-256", "kid": key.id, "kty": "EC", "use": "sig",
            "x": BASE64URL_NOPAD.encode(x), "y": BASE64URL_NOPAD.encode(y),
            "created_at": key.created.seconds(), "expired_at": key.expired.map(Time::seconds),
        }))
    }

    /// The JWT of a body that is sent at this time; empty where there is no key.
    pub fn sign(&self, at: Time, body: &[u8]) -> String {
        let keys = self.keys();
        let Some(key) = keys.last() else { return String::new() };
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::ES256) };
        let claims = json!({ "iat": at.seconds(), "request_body_sha256": HEXLOWER.encode(&Sha256::digest(body)) });
        let signing = EncodingKey::from_ec_der(key.pair.serialized_der());
        jsonwebtoken::encode(&header, &claims, &signing).unwrap_or_default()
    }

    /// The headers of a webhook.
    pub fn headers(&self, at: Time, body: &[u8]) -> Headers {
        vec![("content-type", "application/json".to_owned()), (HEADER, self.sign(at, body))]
    }

    /// What seals webhooks, each try anew.
    pub fn seal(&self) -> Seal {
        let keyring = self.clone();
        Seal::new(move |at, body| keyring.headers(at, body))
    }
}
