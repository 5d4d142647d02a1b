//! Who signed a webhook: whatever PayPal has not signed for the tenant, now, is refused, and nothing of it is applied.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use local::paypal::fault::{Fault, Kind};
use local::template::Template;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize, SigningKey, date_time_ymd};
use serde_json::{Value, json};

use super::WEBHOOK;
use crate::world::{TENANT, World, refused};

type Headers = Vec<(&'static str, String)>;

/// A payout that PayPal has made, and that the tenant would learn of by the event: the payment, and the event's body.
async fn untold() -> (World, String, Vec<u8>) {
    let world = World::with_paypal().await;
    let (_, payment) = world.paid_out_to("vendor@example.com").await;
    let event = world.paypal_events(&["PAYMENT.PAYOUTS-ITEM.SUCCEEDED"]).pop().unwrap();
    (world, payment, event.to_string().into_bytes())
}

fn with(headers: &Headers, name: &str, value: &str) -> Headers {
    let put =
        |(known, old): &(&'static str, String)| (*known, if *known == name { value.to_owned() } else { old.clone() });
    headers.iter().map(put).collect()
}

fn header<'a>(headers: &'a Headers, name: &str) -> &'a str {
    headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str()).unwrap()
}

/// What the books say of the payment, without asking PayPal.
async fn booked(world: &World, payment: &str) -> String {
    let items = world.items("PAYMENTS_TABLE", "tenant_id", TENANT).await;
    let item = items.iter().find(|item| item["id"].as_s().unwrap() == payment).unwrap();
    item["status"].as_s().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_paypal_has_not_signed_for_the_tenant_is_refused_in_the_same_words() {
    let (world, payment, body) = untold().await;
    world.tenant("evil", "acct_evil").await;
    let secret =
        json!({ "client_id": "client_evil", "client_secret": "secret_CANARY_evil", "webhook_id": "WH-CANARY-EVIL" });
    world.stack.secrets.put("passerelle/evil/paypal", &secret).unwrap();
    let now = world.clock.now();
    let sign = |webhook: &str, at| world.stack.paypal.sign(webhook, at, &body);
    let good = sign(WEBHOOK, now);
    let certificate = header(&good, "paypal-cert-url");
    let name = certificate.rsplit('/').next().unwrap();
    let from = |url: String| with(&good, "paypal-cert-url", &url);
    let cases: Vec<(&str, &str, Headers)> = vec![
        ("no headers", TENANT, vec![]),
        ("no signature", TENANT, with(&good, "paypal-transmission-sig", "")),
        (
            "another signature",
            TENANT,
            with(&good, "paypal-transmission-sig", header(&sign(WEBHOOK, now), "paypal-transmission-sig")),
        ),
        ("another algorithm", TENANT, with(&good, "paypal-auth-algo", "SHA1withRSA")),
        ("another transmission", TENANT, with(&good, "paypal-transmission-id", "69cd13f0-d67a-11e5-baa3-778b53f4ae55")),
        ("another time", TENANT, with(&good, "paypal-transmission-time", "2026-01-15T14:29:59Z")),
        // Tenant evil's own webhook, sent to acme; acme's, sent to evil; and to those who are nobody.
        ("another tenant's webhook", TENANT, sign("WH-CANARY-EVIL", now)),
        ("another tenant's event", "evil", good.clone()),
        ("no tenant", "nobody", good.clone()),
        ("no tenant's name", "No-Tenant", good.clone()),
        ("a placeholder", TENANT, sign("", now)),
        ("too old", TENANT, sign(WEBHOOK, now.minus(Duration::from_hours(3 * 24 + 1)))),
        ("of the future", TENANT, sign(WEBHOOK, now.plus(Duration::from_mins(6)))),
        ("another host", TENANT, from(format!("https://example.com/v1/notifications/certs/{name}"))),
        (
            "a host that looks like it",
            TENANT,
            from(format!("https://api.paypal.com.example.com/v1/notifications/certs/{name}")),
        ),
        (
            "a user of that name",
            TENANT,
            from(format!("https://api.paypal.com@example.com/v1/notifications/certs/{name}")),
        ),
        ("without TLS", TENANT, from(format!("http://api.paypal.com/v1/notifications/certs/{name}"))),
        ("another port", TENANT, from(format!("https://api.paypal.com:8443/v1/notifications/certs/{name}"))),
        ("another path", TENANT, from(certificate.replace("/v1/notifications/certs/", "/v1/oauth2/"))),
        ("a certificate that is not there", TENANT, from(certificate.replace(name, "CERT-0-0"))),
    ];
    let mut details = std::collections::BTreeSet::new();
    for (what, tenant, headers) in cases {
        let answer = world.post_paypal_webhook(tenant, headers, body.clone()).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.body);
        refused(&answer, 400, &["signature_invalid"]);
        details.insert(answer.body["detail"].to_string());
        assert_eq!(booked(&world, &payment).await, "processing", "{what}");
    }
    assert_eq!(details.len(), 1, "nobody learns why, or who is a customer");
    let mut changed = body.clone();
    *changed.last_mut().unwrap() = b' ';
    refused(&world.post_paypal_webhook(TENANT, good.clone(), changed).await, 400, &["signature_invalid"]);
    assert_eq!(booked(&world, &payment).await, "processing");
    assert!(world.alerts().await.is_empty());

    // What evil's own webhook tells of acme's payment is in nobody's books.
    let answer = world.post_paypal_webhook("evil", sign("WH-CANARY-EVIL", now), body.clone()).await;
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert_eq!(booked(&world, &payment).await, "processing");

    // Redelivered as it was, three days later at most.
    let late = sign(WEBHOOK, now.minus(Duration::from_hours(3 * 24 - 1)));
    assert_eq!(world.post_paypal_webhook(TENANT, late, body).await.status, 200);
    assert_eq!(booked(&world, &payment).await, "paid");
}

/// A certificate of PayPal's name that has only itself to answer for it, where the stack may fetch certificates from:
/// a transmission under it.
async fn signed_by_itself(world: &World, body: &[u8]) -> Headers {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let mut params = CertificateParams::new(vec!["messageverificationcerts.paypal.com".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2030, 1, 1);
    let pem = params.self_signed(&key).unwrap().pem();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/notifications/certs/CERT-1", listener.local_addr().unwrap());
    let serving = Router::new().route("/v1/notifications/certs/CERT-1", get(move || async { pem }));
    tokio::spawn(async move { axum::serve(listener, serving).await });

    let genuine = world.stack.paypal.sign(WEBHOOK, world.clock.now(), body);
    let (id, time) = (header(&genuine, "paypal-transmission-id"), header(&genuine, "paypal-transmission-time"));
    let message = format!("{id}|{time}|{WEBHOOK}|{}", crc32fast::hash(body));
    let signature = data_encoding::BASE64.encode(&key.sign(message.as_bytes()).unwrap());
    with(&with(&genuine, "paypal-transmission-sig", &signature), "paypal-cert-url", &url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_answers_for_or_that_has_ended_proves_nothing() {
    let (world, payment, body) = untold().await;
    let forged = signed_by_itself(&world, &body).await;
    refused(&world.post_paypal_webhook(TENANT, forged, body.clone()).await, 400, &["signature_invalid"]);
    assert_eq!(booked(&world, &payment).await, "processing");

    // The simulator's own is good for ten years from the first of January.
    let new = br#"{"id":"WH-1","event_type":"BILLING.PLAN.CREATED","resource":{}}"#;
    for (years, status) in [(9, 200), (2, 400)] {
        world.clock.advance(Duration::from_hours(24 * 365 * years));
        let signed = world.stack.paypal.sign(WEBHOOK, world.clock.now(), new);
        let answer = world.post_paypal_webhook(TENANT, signed, new.to_vec()).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}

#[test]
fn in_aws_nobody_but_public_authorities_answers_for_a_certificate() {
    for function in Template::bundled().unwrap().functions {
        assert!(!function.environment.iter().any(|(name, _)| name == "PAYPAL_WEBHOOK_CA"), "{}", function.folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_can_not_be_had_is_no_reason_to_refuse_for_good() {
    let (world, payment, body) = untold().await;
    let sign = || world.stack.paypal.sign(WEBHOOK, world.clock.now(), &body);
    for kind in [Kind::ErrorBefore(503), Kind::NothingReached] {
        world.stack.paypal.add_fault(Fault::new(kind, "GET", "/v1/notifications/certs/"));
        assert_eq!(world.post_paypal_webhook(TENANT, sign(), body.clone()).await.status, 500);
        assert_eq!(booked(&world, &payment).await, "processing");
    }
    assert_eq!(world.post_paypal_webhook(TENANT, sign(), body.clone()).await.status, 200);
    assert_eq!(booked(&world, &payment).await, "paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_of_another_id_is_found_at_once() {
    let (world, payment, body) = untold().await;
    let sign = || world.stack.paypal.sign("WH-CANARY-NEW", world.clock.now(), &body);
    refused(&world.post_paypal_webhook(TENANT, sign(), body.clone()).await, 400, &["signature_invalid"]);
    let secret = json!({ "client_id": super::CLIENT, "client_secret": super::SECRET, "webhook_id": "WH-CANARY-NEW" });
    world.stack.secrets.put("passerelle/acme/paypal", &secret).unwrap();
    // Not more often than twice a minute.
    world.clock.advance(Duration::from_secs(31));
    assert_eq!(world.post_paypal_webhook(TENANT, sign(), body.clone()).await.status, 200);
    assert_eq!(booked(&world, &payment).await, "paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_and_no_event_or_too_large_is_refused_and_what_is_new_is_taken() {
    let world = World::with_paypal().await;
    let post = async |body: Vec<u8>| {
        let headers = world.stack.paypal.sign(WEBHOOK, world.clock.now(), &body);
        world.post_paypal_webhook(TENANT, headers, body).await
    };
    refused(&post(vec![b' '; 256 * 1024 + 1]).await, 413, &["body_too_large"]);
    for body in ["", "[]", "{}"] {
        refused(&post(body.into()).await, 400, &["invalid_json"]);
    }
    // The account may do other business, by an older API: sent again it would say no more.
    let old = post(br#"{"id":"WH-2","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":{}}"#.to_vec()).await;
    assert_eq!((old.status, &old.body["status"]), (200, &json!("ignored")), "{}", old.body);
    let new: Value =
        json!({ "id": "WH-1", "event_type": "BILLING.PLAN.CREATED", "resource": { "n": "4242424242424242" } });
    let answer = post(new.to_string().into_bytes()).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("ignored")));
}
