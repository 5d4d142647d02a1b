use jsonwebtoken::{EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::Value;

use super::*;
use crate::gateway::paypal::stub::Stub;
use crate::gateway::plaid::stub::{TIMEOUT, error, now, plaid, secret, stub};

/// As Plaid sends it; whitespace counts.
const BODY: &[u8] = b"{\n  \"webhook_code\": \"TRANSFER_EVENTS_UPDATE\"\n}";
/// Computed elsewhere.
const HASH: &str = "3def9ace3bad61a58f0b0d43389774102708766b3eade31af1d3d5e08ff77cc6";
const KID: &str = "bfbd5111-8e33-4643-8ced-b2e642a72f3c";

fn jwk(pair: &KeyPair, kid: &str, expired_at: Option<i64>) -> Value {
    let point = pair.public_key_raw();
    json!({ "request_id": "q", "key": {
        "alg": "ES256", "kty": "EC", "crv": "P-256", "use": "sig", "kid": kid, "created_at": 1_560_466_143,
        "expired_at": expired_at,
        "x": BASE64URL_NOPAD.encode(&point[1..33]), "y": BASE64URL_NOPAD.encode(&point[33..]) } })
}

fn signed(pair: &KeyPair, header: &Header, iat: i64, hash: &str) -> String {
    let claims = json!({ "iat": iat, "request_body_sha256": hash });
    jsonwebtoken::encode(header, &claims, &EncodingKey::from_ec_der(&pair.serialize_der())).unwrap()
}

fn header(kid: &str) -> Header {
    Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) }
}

fn token(pair: &KeyPair) -> String {
    signed(pair, &header(KID), now().seconds(), HASH)
}

/// A Plaid that knows one key.
fn serving(pair: &KeyPair, expired_at: Option<i64>) -> Stub {
    let key = jwk(pair, KID, expired_at);
    stub(move |asked| {
        assert_eq!(asked.line, "POST /webhook_verification_key/get");
        let is_known = asked.body["key_id"] == KID;
        let unknown = || error("INVALID_REQUEST", "INVALID_WEBHOOK_VERIFICATION_KEY_ID");
        Some(if is_known { (200, key.clone()) } else { (400, unknown()) })
    })
}

fn pair() -> KeyPair {
    KeyPair::generate().unwrap()
}

struct Desk {
    pair: KeyPair,
    stub: Stub,
    clock: Clock,
    verifier: Verifier,
}

impl Desk {
    fn new(expired_at: Option<i64>) -> Self {
        let pair = pair();
        let clock = Clock::simulated(now());
        Self { stub: serving(&pair, expired_at), verifier: Verifier::new(clock.clone()), pair, clock }
    }

    async fn verify(&self, token: &str) -> Result<(), Refused> {
        self.verifier.verify(&plaid(&self.stub), &secret(), token, BODY, TIMEOUT).await
    }
}

#[tokio::test]
async fn what_plaid_has_signed_is_believed_and_its_key_is_kept() {
    let desk = Desk::new(None);
    for _ in 0..3 {
        assert_eq!(desk.verify(&token(&desk.pair)).await, Ok(()));
    }
    assert_eq!(desk.stub.asked().len(), 1);
    assert_eq!(desk.stub.asked()[0].body, json!({ "key_id": KID }));
}

#[tokio::test]
async fn another_body_another_key_and_another_token_prove_nothing() {
    let desk = Desk::new(None);
    let plaid = plaid(&desk.stub);
    let said = desk.verifier.verify(&plaid, &secret(), &token(&desk.pair), b"{}", TIMEOUT).await;
    assert_eq!(said, Err(Refused::NotGenuine("another body")));
    for hash in ["", "zz", &HASH[2..], &HASH.to_uppercase()] {
        let token = signed(&desk.pair, &header(KID), now().seconds(), hash);
        assert_eq!(desk.verify(&token).await, Err(Refused::NotGenuine("another body")), "{hash}");
    }
    assert!(matches!(desk.verify(&token(&pair())).await, Err(Refused::NotGenuine(_))), "a stranger's key");
    let (head, rest) = token(&desk.pair).split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let claims = json!({ "iat": now().seconds() + 1, "request_body_sha256": HASH }).to_string();
    let forged = format!("{head}.{}.{signature}", BASE64URL_NOPAD.encode(claims.as_bytes()));
    for other in ["", "a.b.c", &format!("{head}.{rest}x"), &forged, &"x".repeat(3_000)] {
        assert!(matches!(desk.verify(other).await, Err(Refused::NotGenuine(_))), "{other}");
    }
}

#[tokio::test]
async fn no_other_algorithm_is_taken_whatever_the_token_says() {
    let desk = Desk::new(None);
    let claims = json!({ "iat": now().seconds(), "request_body_sha256": HASH });
    let hmac = Header { kid: Some(KID.to_owned()), ..Header::new(Algorithm::HS256) };
    let by_public_key = EncodingKey::from_secret(desk.pair.public_key_raw());
    let hmac = jsonwebtoken::encode(&hmac, &claims, &by_public_key).unwrap();
    assert_eq!(desk.verify(&hmac).await, Err(Refused::NotGenuine("another algorithm")));
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let none = format!("{}.{}.", part(&json!({ "alg": "none", "kid": KID })), part(&claims));
    assert_eq!(desk.verify(&none).await, Err(Refused::NotGenuine("no token")));
    assert!(desk.stub.asked().is_empty(), "nothing is asked for such a token");
}

#[tokio::test]
async fn a_token_is_good_for_five_minutes() {
    let desk = Desk::new(None);
    for (age, is_good) in [(0, true), (300, true), (301, false), (-300, true), (-301, false)] {
        let token = signed(&desk.pair, &header(KID), now().seconds() - age, HASH);
        assert_eq!(desk.verify(&token).await.is_ok(), is_good, "{age}");
    }
    let token = signed(&desk.pair, &header(KID), i64::MIN, HASH);
    assert!(desk.verify(&token).await.is_err());
}

#[tokio::test]
async fn a_key_that_has_ended_proves_nothing_even_if_it_was_kept() {
    let desk = Desk::new(Some(now().seconds()));
    assert_eq!(desk.verify(&token(&desk.pair)).await, Err(ENDED));
    assert_eq!(desk.verify(&token(&desk.pair)).await, Err(ENDED));
    assert_eq!(desk.stub.asked().len(), 1, "that it has ended is kept too");

    let desk = Desk::new(Some(now().seconds() + 60));
    assert_eq!(desk.verify(&token(&desk.pair)).await, Ok(()));
    desk.clock.advance(Duration::from_mins(1));
    assert_eq!(desk.verify(&token(&desk.pair)).await, Err(ENDED));
}

#[tokio::test]
async fn a_kept_key_is_asked_for_anew_each_day() {
    let desk = Desk::new(None);
    assert_eq!(desk.verify(&token(&desk.pair)).await, Ok(()));
    desk.clock.advance(bounds::DAILY);
    let token = signed(&desk.pair, &header(KID), desk.clock.now().seconds(), HASH);
    assert_eq!(desk.verify(&token).await, Ok(()));
    assert_eq!(desk.stub.asked().len(), 2);
}

#[tokio::test]
async fn made_up_keys_are_asked_for_a_few_times_and_keep_no_other_client_out() {
    let desk = Desk::new(None);
    let made_up = |kid: &str| signed(&desk.pair, &header(kid), now().seconds(), HASH);
    for _ in 0..3 {
        let unknown = Refused::NotGenuine("a key that Plaid does not know");
        assert_eq!(desk.verify(&made_up("k0")).await, Err(unknown));
    }
    assert_eq!(desk.stub.asked().len(), 1, "what is no key is not asked for again at once");
    for number in 1..20 {
        assert!(desk.verify(&made_up(&format!("k{number}"))).await.is_err());
    }
    assert_eq!(desk.stub.asked().len(), bounds::PLAID_KEY_FETCHES);
    assert_eq!(desk.verify(&token(&desk.pair)).await, Err(Refused::Unavailable(Trouble::Busy)));
    let other = PlaidSecret { client_id: "other".to_owned(), ..secret() };
    let said = desk.verifier.verify(&plaid(&desk.stub), &other, &token(&desk.pair), BODY, TIMEOUT).await;
    assert_eq!(said, Ok(()));
    desk.clock.advance(bounds::PLAID_KEY_PAUSE);
    assert_eq!(desk.verify(&token(&desk.pair)).await, Ok(()));
}

#[tokio::test]
async fn an_id_of_a_key_that_is_none_is_asked_of_nobody() {
    let desk = Desk::new(None);
    let no_id = Refused::NotGenuine("no id of a key");
    for kid in ["", "a b", "../x", "k\u{e9}", &"k".repeat(65)] {
        assert_eq!(desk.verify(&signed(&desk.pair, &header(kid), now().seconds(), HASH)).await, Err(no_id), "{kid}");
    }
    let without = signed(&desk.pair, &Header::new(Algorithm::ES256), now().seconds(), HASH);
    assert_eq!(desk.verify(&without).await, Err(no_id));
    assert!(desk.stub.asked().is_empty());
}

#[tokio::test]
async fn a_key_that_could_not_be_fetched_says_nothing_of_the_webhook() {
    let pair = pair();
    let verify = async |status: u16, body: Value| {
        let stub = stub(move |_| Some((status, body.clone())));
        let verifier = Verifier::new(Clock::simulated(now()));
        verifier.verify(&plaid(&stub), &secret(), &token(&pair), BODY, TIMEOUT).await
    };
    let key = |field: &str, value: &str| {
        let mut body = jwk(&pair, KID, None);
        body["key"][field] = json!(value);
        body
    };
    for (status, body, trouble) in [
        (503, error("API_ERROR", "PLANNED_MAINTENANCE"), Trouble::Fault),
        (429, error("RATE_LIMIT_EXCEEDED", "RATE_LIMIT"), Trouble::Busy),
        (400, error("INVALID_INPUT", "INVALID_API_KEYS"), Trouble::KeyRefused),
        (200, json!({}), Trouble::Unreadable),
        (200, key("alg", "RS256"), Trouble::Unreadable),
        (200, key("use", "enc"), Trouble::Unreadable),
        (200, key("kid", "another"), Trouble::Unreadable),
        (200, key("x", "AQAB"), Trouble::Unreadable),
        (200, key("crv", "P-384"), Trouble::Unreadable),
    ] {
        assert_eq!(verify(status, body.clone()).await, Err(Refused::Unavailable(trouble)), "{status} {body}");
    }
    assert_eq!(verify(200, jwk(&pair, KID, None)).await, Ok(()));
}

#[test]
fn a_verifier_shows_no_key() {
    assert_eq!(format!("{:?}", Verifier::new(Clock::simulated(now()))), "Verifier { .. }");
}
