//! Signatures of webhooks.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use shared::clock::Time;

use crate::simulator::delivery::Seal;

/// The header `Stripe-Signature` of `body`, sent at `at` to an endpoint with this secret.
#[must_use]
pub fn sign(secret: &str, at: Time, body: &[u8]) -> String {
    let seconds = at.seconds();
    // A key of any length will do, so there is always a signature.
    let signature = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map(|mac| {
        let mac = mac.chain_update(seconds.to_string()).chain_update(".").chain_update(body);
        HEXLOWER.encode(&mac.finalize().into_bytes())
    });
    format!("t={seconds},v1={}", signature.unwrap_or_default())
}

/// What seals events for an endpoint with this secret.
pub(super) fn seal(secret: &str) -> Seal {
    let secret = secret.to_owned();
    Seal::new(move |at, body| {
        vec![
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("stripe-signature", sign(&secret, at, body)),
            ("user-agent", "Stripe/1.0".to_owned()),
        ]
    })
}
