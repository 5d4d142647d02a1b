//! Events reach their webhooks, signed as PayPal signs, again where they must, and only as the test wants them.

use axum::body::Bytes;
use data_encoding::{BASE64, BASE64_MIME_PERMISSIVE};
use http::HeaderMap;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256;

use super::*;
use crate::paypal::Delivery;
use crate::simulator::endpoint::Endpoint;

const WEBHOOK: &str = "8PT597110X687430LKGECATA";

fn ids(arrived: &[(HeaderMap, Bytes)]) -> Vec<String> {
    let id = |body: &Bytes| serde_json::from_slice::<Value>(body).unwrap()["id"].as_str().unwrap().to_owned();
    arrived.iter().map(|(_, body)| id(body)).collect()
}

impl Api {
    fn event_ids(&self) -> Vec<String> {
        self.paypal.events(ACCOUNT).iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Whether a receiver that has only the authority, and its own webhook's id, would believe it.
    async fn is_genuine(&self, webhook: &str, (headers, body): &(HeaderMap, Bytes)) -> bool {
        let text = |name: &str| headers[name].to_str().unwrap();
        assert_eq!(text("paypal-auth-algo"), "SHA256withRSA");
        let url = text("paypal-cert-url");
        assert!(url.starts_with(&format!("{}/v1/notifications/certs/CERT-", self.base)), "{url}");
        let chain = certificates(&self.http.get(url).send().await.unwrap().text().await.unwrap());
        let root = certificates(&self.paypal.webhook_ca());
        let anchor = webpki::anchor_from_trusted_cert(&root[0]).unwrap();
        let leaf = webpki::EndEntityCert::try_from(&chain[0]).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(self.clock.now().millis()).unwrap()));
        let anchors = [anchor];
        leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &chain[1..],
            now,
            webpki::KeyUsage::server_auth(),
            None,
            None,
        )
        .unwrap();
        let name = "messageverificationcerts.paypal.com".try_into().unwrap();
        leaf.verify_is_valid_for_subject_name(&name).unwrap();
        let (id, time) = (text("paypal-transmission-id"), text("paypal-transmission-time"));
        let signed = format!("{id}|{time}|{webhook}|{}", crc32fast::hash(body));
        let signature = BASE64.decode(text("paypal-transmission-sig").as_bytes()).unwrap();
        leaf.verify_signature(RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).is_ok()
    }
}

/// The certificates of a PEM.
fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    let inside = |part: &str| part.split_once("-----END CERTIFICATE-----").map(|(inside, _)| inside.to_owned());
    let parts = pem.split("-----BEGIN CERTIFICATE-----").filter_map(inside);
    parts.map(|part| BASE64_MIME_PERMISSIVE.decode(part.as_bytes()).unwrap().into()).collect()
}

#[test]
fn the_checksum_is_the_one_that_paypal_takes() {
    assert_eq!(crc32fast::hash(b"123456789"), 3_421_780_262);
    assert_eq!(crc32fast::hash(br#"{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED"}"#), 2_325_436_976);
}

#[tokio::test]
async fn events_arrive_in_their_order_signed_for_their_webhook() {
    let (api, endpoint, other) = (Api::start().await, Endpoint::start(0).await, Endpoint::start(0).await);
    api.paypal.add_webhook(ACCOUNT, &endpoint.url, WEBHOOK);
    api.paypal.add_webhook("merchant_2", &other.url, WEBHOOK);
    api.paid("1").await;
    let arrived = endpoint.arrived(2).await;
    assert_eq!(ids(&arrived), api.event_ids());
    for letter in &arrived {
        assert!(api.is_genuine(WEBHOOK, letter).await);
        assert!(!api.is_genuine("another", letter).await);
        let altered = (letter.0.clone(), Bytes::from(format!("{} ", String::from_utf8_lossy(&letter.1))));
        assert!(!api.is_genuine(WEBHOOK, &altered).await);
    }
    assert_eq!(arrived[0].0["paypal-transmission-time"], "2026-01-15T12:00:00Z");
    assert_eq!(other.arrived(0).await.len(), 0);
}

#[tokio::test]
async fn what_was_not_taken_comes_again_signed_anew() {
    let (api, endpoint) = (Api::start().await, Endpoint::start(1).await);
    api.paypal.add_webhook(ACCOUNT, &endpoint.url, WEBHOOK);
    api.paid("1").await;
    let arrived = endpoint.arrived(3).await;
    let [first, second] = <[String; 2]>::try_from(api.event_ids()).unwrap();
    assert_eq!(ids(&arrived), [first.clone(), second, first]);
    assert_ne!(arrived[0].0["paypal-transmission-id"], arrived[2].0["paypal-transmission-id"]);
    assert!(api.is_genuine(WEBHOOK, &arrived[2]).await);
}

#[tokio::test]
async fn events_come_twice_or_not_at_all_when_asked_to() {
    let (api, endpoint) = (Api::start().await, Endpoint::start(0).await);
    api.paypal.add_webhook(ACCOUNT, &endpoint.url, WEBHOOK);
    api.paypal.set_delivery(Delivery { dropped: true, ..Delivery::default() });
    api.paid("1").await;
    assert_eq!((endpoint.arrived(0).await.len(), api.event_ids().len()), (0, 2));
    let request = api.http.post(format!("{}/_delivery", api.base)).json(&json!({ "copies": 2 }));
    assert_eq!(request.send().await.unwrap().status(), 200);
    api.paid("2").await;
    let twice: Vec<String> = api.event_ids()[2..].iter().flat_map(|id| [id.clone(), id.clone()]).collect();
    assert_eq!(ids(&endpoint.arrived(4).await), twice);
}

#[tokio::test]
async fn a_webhook_that_is_registered_over_http_is_told_of_what_it_asked_for() {
    let (api, endpoint) = (Api::start().await, Endpoint::start(0).await);
    let path = "/v1/notifications/webhooks";
    let named = |url: &str, name: &str| json!({ "url": url, "event_types": [{ "name": name }] });
    for refused in [
        json!({ "url": endpoint.url }),
        named("example.com", "*"),
        named("http://example.com/", "*"),
        json!({ "url": endpoint.url, "event_types": [] }),
    ] {
        assert_eq!(api.post(path, None, &refused).await.0, 400, "{refused}");
    }
    let (status, made) = api.post(path, None, &named(&endpoint.url, "PAYMENT.CAPTURE.COMPLETED")).await;
    assert_eq!(status, 201, "{made}");
    let (status, again) = api.post(path, None, &named(&endpoint.url, "*")).await;
    assert_eq!((status, &again["name"]), (400, &json!("WEBHOOK_URL_ALREADY_EXISTS")));
    let id = made["id"].as_str().unwrap();
    assert_eq!(api.get(path).await.1["webhooks"][0], made);
    api.paid("1").await;
    let arrived = endpoint.arrived(1).await;
    assert_eq!(ids(&arrived), api.event_ids()[1..]);
    assert!(api.is_genuine(id, &arrived[0]).await);

    let event = format!("/v1/notifications/webhooks-events/{}", api.event_ids()[1]);
    assert_eq!(api.get(&event).await.1["event_type"], "PAYMENT.CAPTURE.COMPLETED");
    assert_eq!(api.post(&format!("{event}/resend"), None, &json!({})).await.0, 202);
    endpoint.arrived(2).await;
    let one = format!("{path}/{id}");
    assert_eq!(api.request(reqwest::Method::DELETE, &one, None).send().await.unwrap().status(), 204);
    api.paid("2").await;
    assert_eq!(endpoint.arrived(2).await.len(), 2);
    for number in 0..10 {
        assert_eq!(api.post(path, None, &named(&format!("https://example.com/{number}"), "*")).await.0, 201);
    }
    let (status, eleventh) = api.post(path, None, &named("https://example.com/10", "*")).await;
    assert_eq!((status, &eleventh["name"]), (400, &json!("WEBHOOK_NUMBER_LIMIT_EXCEEDED")));
}

#[tokio::test]
async fn events_of_the_last_thirty_days_are_listed_newest_first_in_pages() {
    let mut api = Api::start().await;
    let path = "/v1/notifications/webhooks-events";
    let capture = api.paid("old").await;
    api.clock.advance(Duration::from_hours(29 * 24));
    api.log_in().await;
    for id in ["1", "2"] {
        api.paid(id).await;
        api.clock.advance(Duration::from_secs(60));
    }
    let mut newest_first = api.event_ids();
    newest_first.reverse();
    let ids = |page: &Value| -> Vec<String> {
        page["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    };
    let (_, first) = api.get(&format!("{path}?page_size=4")).await;
    assert_eq!((ids(&first), &first["count"]), (newest_first[..4].to_vec(), &json!(4)));
    let next = first["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next").unwrap();
    let next = next["href"].as_str().unwrap().strip_prefix(&api.base).unwrap().to_owned();
    let (_, rest) = api.get(&next).await;
    assert_eq!((ids(&rest), rest["links"].as_array().unwrap().len()), (newest_first[4..].to_vec(), 1));
    let (_, of_kind) = api.get(&format!("{path}?event_type=PAYMENT.CAPTURE.COMPLETED&transaction_id={capture}")).await;
    assert_eq!(of_kind["count"], 1);
    let window = format!("{path}?start_time=2026-02-13T12:00:30Z&end_time=2026-02-13T12:01:30Z");
    assert_eq!(ids(&api.get(&window).await.1), newest_first[..2]);
    api.clock.advance(Duration::from_hours(2 * 24));
    api.log_in().await;
    assert_eq!(ids(&api.get(path).await.1), newest_first[..4]);
    for refused in ["?page_size=0", "?start_time=yesterday", "?custom_id=pay_1", "?next_page_token=none"] {
        assert_eq!(api.get(&format!("{path}{refused}")).await.0, 400, "{refused}");
    }
}
