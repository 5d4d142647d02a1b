//! Who signed a webhook: whatever Plaid has not signed in the last minutes is refused, and nobody is asked for events.

use std::collections::BTreeSet;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use local::client::Answer;
use local::plaid::fault::{Fault, Kind};
use rcgen::KeyPair;
use serde_json::{Value, json};
use shared::clock::Time;
use shared::model::payment::Gateway;

use super::plaid::{Moved, SYNC, asked, both, debited, debtor, standing};
use crate::schedules::days;
use crate::world::{TENANT, World, refused};

const BODY: &str = "{\n  \"webhook_type\": \"TRANSFER\",\n  \"webhook_code\": \"TRANSFER_EVENTS_UPDATE\"\n}";
const KEY: &str = "/webhook_verification_key/get";

/// A debit that has settled, which the tenant would learn of by the webhook.
async fn untold() -> (World, Moved) {
    let (world, _) = debtor().await;
    let debit = debited(&world).await;
    assert!(world.stack.plaid.post(&debit.transfer) && world.stack.plaid.settle(&debit.transfer));
    (world, debit)
}

fn signed(world: &World, at: Time) -> String {
    world.stack.plaid.sign(at, BODY.as_bytes())
}

/// A part of a token: 0 its header, 1 its claims.
fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

fn kid(token: &str) -> String {
    part(token, 0)["kid"].as_str().unwrap().to_owned()
}

/// A token of these parts, with the signature of another.
fn joined(header: &Value, claims: &Value, signature: &str) -> String {
    let encoded = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    format!("{}.{}.{signature}", encoded(header), encoded(claims))
}

/// What somebody signs who has a key of the same kind.
fn forged(kid: &str, claims: &Value) -> String {
    let key = KeyPair::generate().unwrap();
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_der(key.serialized_der())).unwrap()
}

async fn post(world: &World, tenant: &str, token: &str) -> Answer {
    world.post_plaid_webhook(tenant, Some(token), BODY.as_bytes().to_vec()).await
}

/// The public key of a token, as Plaid hands it out.
async fn public_key(world: &World, kid: &str) -> Value {
    let asked = world.stack.http.post(format!("{}{KEY}", world.stack.urls.plaid)).json(&json!({ "key_id": kid }));
    let asked = asked.header("PLAID-CLIENT-ID", super::CLIENT).header("PLAID-SECRET", super::SECRET);
    asked.send().await.unwrap().json::<Value>().await.unwrap()["key"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_plaid_has_not_signed_just_now_is_refused_in_the_same_words() {
    let (world, debit) = untold().await;
    world.tenant("evil", "acct_evil").await;
    let now = world.clock.now();
    let good = signed(&world, now);
    let (header, claims, kid) = (part(&good, 0), part(&good, 1), kid(&good));
    let signature = good.rsplit('.').next().unwrap();
    let public = public_key(&world, &kid).await;
    let confused = |secret: &[u8]| {
        let header = Header { kid: Some(kid.clone()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    let x = BASE64URL_NOPAD.decode(public["x"].as_str().unwrap().as_bytes()).unwrap();
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let of = |alg: &str| json!({ "alg": alg, "kid": kid, "typ": "JWT" });
    let other = world.stack.plaid.sign(now, b"{}");
    let cases = [
        ("no token", TENANT, "no token".to_owned()),
        ("nothing", TENANT, String::new()),
        ("no signature", TENANT, joined(&header, &claims, "")),
        ("alg none", TENANT, joined(&of("none"), &claims, "")),
        ("alg none, signed", TENANT, joined(&of("none"), &claims, signature)),
        ("alg HS256, with the public key", TENANT, confused(&x)),
        ("alg HS256, with the key as JSON", TENANT, confused(public.to_string().as_bytes())),
        ("alg ES384", TENANT, joined(&of("ES384"), &claims, signature)),
        ("no kid", TENANT, joined(&json!({ "alg": "ES256" }), &claims, signature)),
        ("a kid that is a path", TENANT, joined(&json!({ "alg": "ES256", "kid": "../x" }), &claims, signature)),
        ("another key", TENANT, forged(&kid, &claims)),
        ("an unknown key", TENANT, forged("5a4b", &claims)),
        ("another body", TENANT, other.clone()),
        ("the hash put in", TENANT, joined(&header, &claims, other.rsplit('.').next().unwrap())),
        ("no hash", TENANT, joined(&header, &with("request_body_sha256", json!("")), signature)),
        ("another time", TENANT, joined(&header, &with("iat", json!(now.seconds() - 1)), signature)),
        ("too old", TENANT, signed(&world, now.minus(Duration::from_secs(301)))),
        ("of the future", TENANT, signed(&world, now.plus(Duration::from_secs(301)))),
        ("too long", TENANT, format!("{good}{}", "A".repeat(4_000))),
        ("a tenant without the secret", "evil", good.clone()),
        ("no tenant", "nobody", good.clone()),
        ("no tenant's name", "No-Tenant", good.clone()),
    ];
    let mut details = BTreeSet::new();
    for (what, tenant, token) in cases {
        let answer = post(&world, tenant, &token).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.body);
        refused(&answer, 400, &["signature_invalid"]);
        details.insert(answer.body["detail"].to_string());
    }
    let bare = world.post_plaid_webhook(TENANT, None, BODY.as_bytes().to_vec()).await;
    refused(&bare, 400, &["signature_invalid"]);
    details.insert(bare.body["detail"].to_string());
    assert_eq!(details.len(), 1, "nobody learns why, or who is a customer");
    // One byte more, or other spaces.
    for body in [format!("{BODY}\n"), BODY.replace("  ", " ")] {
        refused(&world.post_plaid_webhook(TENANT, Some(&good), body.into_bytes()).await, 400, &["signature_invalid"]);
    }
    assert!(asked(&world, SYNC).is_empty(), "nobody was asked for events");
    assert_eq!(standing(&world, &debit).await, both("processing", "paying"));
    assert!(world.alerts().await.is_empty());

    // Nearly too old.
    let late = signed(&world, now.minus(Duration::from_secs(299)));
    assert_eq!(post(&world, TENANT, &late).await.status, 200);
    assert_eq!(standing(&world, &debit).await, both("paid", "paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_asked_for_once_a_day_and_a_new_one_when_it_comes() {
    let (world, _) = untold().await;
    let old = signed(&world, world.clock.now());
    for _ in 0..3 {
        assert_eq!(post(&world, TENANT, &old).await.status, 200);
    }
    assert_eq!(asked(&world, KEY).len(), 1);
    world.stack.plaid.rotate_key().unwrap();
    let new = signed(&world, world.clock.now());
    assert_ne!(kid(&old), kid(&new));
    for token in [&new, &old, &new] {
        assert_eq!(post(&world, TENANT, token).await.status, 200, "both are in use for a while");
    }
    assert_eq!(asked(&world, KEY).len(), 2);
    world.clock.advance(days(1));
    assert_eq!(post(&world, TENANT, &signed(&world, world.clock.now())).await.status, 200);
    assert_eq!(asked(&world, KEY).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_has_ended_proves_nothing() {
    let (world, debit) = untold().await;
    let kid = kid(&signed(&world, world.clock.now()));
    assert!(world.stack.plaid.expire_key(&kid));
    refused(&post(&world, TENANT, &signed(&world, world.clock.now())).await, 400, &["signature_invalid"]);
    assert_eq!(standing(&world, &debit).await, both("processing", "paying"));
    world.stack.plaid.rotate_key().unwrap();
    let token = signed(&world, world.clock.now());
    assert_eq!(post(&world, TENANT, &token).await.status, 200);
    // One that is kept ends for us within a day.
    assert!(world.stack.plaid.expire_key(&self::kid(&token)));
    world.clock.advance(days(1));
    refused(&post(&world, TENANT, &signed(&world, world.clock.now())).await, 400, &["signature_invalid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_names_keys_that_are_none_has_plaid_asked_a_few_times_a_minute_at_most() {
    let (world, _) = untold().await;
    let known = signed(&world, world.clock.now());
    assert_eq!(post(&world, TENANT, &known).await.status, 200);
    let claims = part(&known, 1);
    let before = asked(&world, KEY).len();
    for _ in 0..3 {
        refused(&post(&world, TENANT, &forged("none", &claims)).await, 400, &["signature_invalid"]);
    }
    assert_eq!(asked(&world, KEY).len(), before + 1, "one that was none is remembered");
    for number in 0..20 {
        let answer = post(&world, TENANT, &forged(&format!("none-{number}"), &claims)).await;
        assert!(answer.status == 400 || answer.status >= 500, "{}", answer.body);
    }
    assert_eq!(asked(&world, KEY).len(), before + 5);
    assert_eq!(post(&world, TENANT, &known).await.status, 200, "a key that is known is not asked for");
    // A new one is wanted again, and taken a minute later.
    world.stack.plaid.rotate_key().unwrap();
    assert!(post(&world, TENANT, &signed(&world, world.clock.now())).await.status >= 500);
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(post(&world, TENANT, &signed(&world, world.clock.now())).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_plaid_hands_out_no_key_the_webhook_is_wanted_again() {
    let (world, debit) = untold().await;
    for kind in [Kind::ErrorBefore(500), Kind::RateLimited, Kind::Unreadable] {
        world.stack.plaid.add_fault(Fault::new(kind.clone(), "POST", KEY));
        let answer = post(&world, TENANT, &signed(&world, world.clock.now())).await;
        assert!(answer.status >= 500, "{kind:?}: {}", answer.body);
    }
    assert_eq!(post(&world, TENANT, &signed(&world, world.clock.now())).await.status, 200);
    assert_eq!(standing(&world, &debit).await, both("paid", "paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_rotated_before_the_first_webhook_is_read_anew_at_once() {
    let (world, debit) = untold().await;
    // The webhook's own sandbox has the old one.
    let (webhook, acme) = (&world.stack.functions["webhook"].app, TENANT.parse().unwrap());
    webhook.secrets.keys(&acme, Gateway::Plaid).await.unwrap();
    world.stack.plaid.add_client(super::CLIENT, "secret_CANARY_plaid_new");
    let secret = json!({ "client_id": super::CLIENT, "secret": "secret_CANARY_plaid_new" });
    world.stack.secrets.put("passerelle/acme/plaid", &secret).unwrap();
    world.clock.advance(Duration::from_secs(31));
    assert_eq!(post(&world, TENANT, &signed(&world, world.clock.now())).await.status, 200);
    assert_eq!(standing(&world, &debit).await, both("paid", "paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_no_transfers_is_taken_and_nobody_asked_for_events() {
    let (world, debit) = untold().await;
    for (kind, code) in [
        ("ITEM", "ERROR"),
        ("ITEM", "PENDING_EXPIRATION"),
        ("ITEM", "TRANSFER_EVENTS_UPDATE"),
        ("TRANSFER", "RECURRING_NEW_TRANSFER"),
        ("NEW", "NEW"),
    ] {
        let body = json!({ "webhook_type": kind, "webhook_code": code, "item_id": "i" }).to_string().into_bytes();
        let token = world.stack.plaid.sign(world.clock.now(), &body);
        let answer = world.post_plaid_webhook(TENANT, Some(&token), body).await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!("ignored")), "{code}: {}", answer.body);
    }
    let token = world.stack.plaid.sign(world.clock.now(), b"not JSON");
    let answer = world.post_plaid_webhook(TENANT, Some(&token), b"not JSON".to_vec()).await;
    refused(&answer, 400, &["invalid_json"]);
    assert!(asked(&world, SYNC).is_empty());
    assert_eq!(standing(&world, &debit).await, both("processing", "paying"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_plaid_signed_for_one_tenant_makes_another_ask_for_its_own_events_and_no_more() {
    let (world, debit) = untold().await;
    world.tenant("evil", "acct_evil").await;
    world.stack.plaid.add_client("client_evil", "secret_CANARY_evil");
    let secret = json!({ "client_id": "client_evil", "secret": "secret_CANARY_evil" });
    world.stack.secrets.put("passerelle/evil/plaid", &secret).unwrap();
    assert_eq!(post(&world, "evil", &signed(&world, world.clock.now())).await.status, 200);
    assert!(asked(&world, SYNC).is_empty(), "it has never paid by Plaid");
    assert_eq!(standing(&world, &debit).await, both("processing", "paying"));
}
