//! Tokens as an identity provider would give them: made and verified with a key that is fixed and public, so they
//! are worth nothing outside the local stack. Lifetimes are judged by the clock that is passed in.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value, json};
use shared::clock::{Clock, Time};

/// The issuer of local tokens.
pub const ISSUER: &str = "https://passerelle.localhost/";
/// The audience of local tokens.
pub const AUDIENCE: &str = "passerelle";

/// For the local stack only. A deployed bundle takes no tokens signed like this: API Gateway wants the issuer's RSA key.
const SIGNING_KEY: &[u8] = b"passerelle, local stack only: this key protects nothing";
const LIFETIME: Duration = Duration::from_hours(12);

/// The claims of a token, by name.
pub type Claims = Map<String, Value>;

/// Why a token is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is not one of ours, or not for us.
    #[error("the token is not valid: {0}")]
    Invalid(#[from] jsonwebtoken::errors::Error),
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYet,
}

/// A token for `user` of `tenant`, good for 12 hours.
///
/// # Errors
/// When it can't be signed.
pub fn issue(user: &str, tenant: &str, scopes: &[&str], clock: &Clock) -> Result<String, TokenError> {
    let now = clock.now();
    let mut claims = json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": user,
        "tenant_id": tenant,
        "iat": now.seconds(),
        "exp": now.plus(LIFETIME).seconds(),
    });
    if let (false, Some(claims)) = (scopes.is_empty(), claims.as_object_mut()) {
        claims.insert("scope".to_owned(), scopes.join(" ").into());
    }
    Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SIGNING_KEY))?)
}

/// The claims of a token, once signature, issuer, audience and lifetime have been checked.
///
/// # Errors
/// When one of them is wrong.
pub fn verify(token: &str, clock: &Clock) -> Result<Claims, TokenError> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    // By our own clock, below.
    validation.validate_exp = false;
    let claims: Claims = jsonwebtoken::decode(token, &DecodingKey::from_secret(SIGNING_KEY), &validation)?.claims;
    let time = |name: &str| claims.get(name).and_then(Value::as_i64).map(Time::from_seconds);
    if time("exp").is_none_or(|exp| exp <= clock.now()) {
        return Err(TokenError::Expired);
    }
    if ["nbf", "iat"].into_iter().filter_map(time).any(|from| from > clock.now()) {
        return Err(TokenError::NotYet);
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock::simulated(Time::from_seconds(1_700_000_000))
    }

    /// A token like those of `issue`, but for one claim and the key.
    fn forged(claim: &str, value: Value, key: &[u8]) -> String {
        let mut claims = json!({"iss": ISSUER, "aud": AUDIENCE, "exp": 1_700_000_060});
        claims[claim] = value;
        jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(key)).unwrap()
    }

    #[test]
    fn a_token_tells_user_tenant_and_scopes() {
        let token = issue("ann@acme.test", "acme", &["passerelle/operator", "other"], &clock()).unwrap();
        let claims = verify(&token, &clock()).unwrap();
        assert_eq!(claims["sub"], "ann@acme.test");
        assert_eq!(claims["tenant_id"], "acme");
        assert_eq!(claims["scope"], "passerelle/operator other");
        let plain = verify(&issue("ann", "acme", &[], &clock()).unwrap(), &clock()).unwrap();
        assert!(!plain.contains_key("scope"));
    }

    #[test]
    fn a_token_is_good_for_twelve_hours_by_the_clock_given() {
        let clock = clock();
        let token = issue("ann", "acme", &[], &clock).unwrap();
        clock.advance(LIFETIME - Duration::from_secs(1));
        assert!(verify(&token, &clock).is_ok());
        clock.advance(Duration::from_secs(1));
        assert!(matches!(verify(&token, &clock), Err(TokenError::Expired)));
    }

    #[test]
    fn what_another_made_or_what_is_for_another_is_refused() {
        assert!(verify(&forged("sub", "ann".into(), SIGNING_KEY), &clock()).is_ok());
        for (claim, value, key) in [
            ("sub", Value::from("ann"), b"another key".as_slice()),
            ("iss", "https://elsewhere.test/".into(), SIGNING_KEY),
            ("aud", "another".into(), SIGNING_KEY),
            ("exp", Value::Null, SIGNING_KEY),
            ("nbf", 1_700_000_001.into(), SIGNING_KEY),
            ("iat", 1_700_000_001.into(), SIGNING_KEY),
        ] {
            assert!(verify(&forged(claim, value, key), &clock()).is_err(), "{claim}");
        }
        for text in ["", "a.b.c", "not a token"] {
            assert!(verify(text, &clock()).is_err(), "{text}");
        }
    }
}
