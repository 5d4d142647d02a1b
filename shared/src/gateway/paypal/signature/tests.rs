use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_RSA_SHA256, RsaKeySize, SigningKey as _,
    date_time_ymd,
};
use serde_json::json;

use super::*;
use crate::gateway::paypal::stub::{Stub, TIMEOUT, now};
use crate::gateway::wire::http_client;

const BODY: &[u8] = br#"{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED"}"#;
const CERT: &str = "/v1/notifications/certs/CERT-360caa42-fca2a594";

/// A root, and what it has signed.
struct Authority {
    root: String,
    leaf: String,
    key: KeyPair,
}

fn params(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2028, 1, 1);
    params
}

fn authority(leaf: CertificateParams) -> Authority {
    let mut root = params(&[]);
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.not_after = date_time_ymd(2040, 1, 1);
    let root_key = KeyPair::generate().unwrap();
    let root_certificate = root.self_signed(&root_key).unwrap();
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(root, root_key)).unwrap();
    Authority { root: root_certificate.pem(), leaf: leaf.pem(), key }
}

fn paypals() -> Authority {
    authority(params(&["messageverificationcerts.paypal.com"]))
}

fn transmission(by: &Authority, base: &str) -> Transmission {
    let message = format!("ID-1|2027-01-15T08:00:00Z|WH-ID|{}", crc32fast::hash(BODY));
    let signature = by.key.sign(message.as_bytes()).unwrap();
    Transmission::parse(&headers(&BASE64.encode(&signature), &format!("{base}{CERT}"))).unwrap()
}

fn headers(signature: &str, certificate: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut insert = |name: &'static str, value: &str| headers.insert(name, value.parse().unwrap());
    insert("paypal-transmission-id", "ID-1");
    insert("paypal-transmission-time", "2027-01-15T08:00:00Z");
    insert("paypal-transmission-sig", signature);
    insert("paypal-cert-url", certificate);
    insert("paypal-auth-algo", "SHA256withRSA");
    headers
}

fn serving(pem: String) -> Stub {
    Stub::start(move |asked| (asked.line == format!("GET {CERT}")).then(|| (200, json!(pem))))
}

fn verifier(root: &str, stub: &Stub, clock: &Clock) -> Verifier {
    Verifier::new(http_client().unwrap(), clock.clone()).trusting(root, &stub.base).unwrap()
}

async fn verify(by: &Authority, change: impl FnOnce(&mut Transmission)) -> Result<(), SignatureError> {
    let stub = serving(by.leaf.clone());
    let mut transmission = transmission(by, &stub.base);
    change(&mut transmission);
    verifier(&by.root, &stub, &Clock::simulated(now())).verify(&transmission, "WH-ID", BODY, TIMEOUT).await
}

#[test]
fn the_checksum_is_that_of_zlib() {
    assert_eq!(crc32fast::hash(b"123456789"), 3_421_780_262);
    assert_eq!(crc32fast::hash(BODY), 2_325_436_976);
}

#[tokio::test]
async fn a_signature_fits_its_body_its_endpoint_and_its_transmission() {
    let by = paypals();
    let stub = serving(by.leaf.clone());
    let verifier = verifier(&by.root, &stub, &Clock::simulated(now()));
    let transmission = transmission(&by, &stub.base);
    for _ in 0..3 {
        assert_eq!(verifier.verify(&transmission, "WH-ID", BODY, TIMEOUT).await, Ok(()));
    }
    assert_eq!(stub.asked().len(), 1, "a certificate is kept");
    let refused = SignatureError::Refused("another body, webhook id or key");
    assert_eq!(verifier.verify(&transmission, "WH-OTHER", BODY, TIMEOUT).await, Err(refused));
    assert_eq!(verifier.verify(&transmission, "WH-ID", b"{}", TIMEOUT).await, Err(refused));
    assert!(verifier.verify(&transmission, " ", BODY, TIMEOUT).await.is_err(), "a placeholder is nobody's endpoint");
    let other = Transmission { id: "ID-2".to_owned(), ..transmission.clone() };
    assert_eq!(verifier.verify(&other, "WH-ID", BODY, TIMEOUT).await, Err(refused));
    let later = Transmission { time: "2027-01-15T08:00:01Z".to_owned(), ..transmission };
    assert_eq!(verifier.verify(&later, "WH-ID", BODY, TIMEOUT).await, Err(refused));
}

#[tokio::test]
async fn other_algorithms_and_other_keys_prove_nothing() {
    let by = paypals();
    for algorithm in ["SHA1withRSA", "SHA256withECDSA", "none", "sha256withrsa"] {
        let said = verify(&by, |transmission| transmission.algorithm = algorithm.to_owned()).await;
        assert_eq!(said, Err(SignatureError::Refused("another algorithm")), "{algorithm}");
    }
    let stranger = paypals();
    let said = verify(&by, |transmission| transmission.signature = transmission_of(&stranger)).await;
    assert!(matches!(said, Err(SignatureError::Refused(_))));
    let said = verify(&by, |transmission| transmission.signature.truncate(255)).await;
    assert!(matches!(said, Err(SignatureError::Refused(_))));
}

fn transmission_of(by: &Authority) -> Vec<u8> {
    transmission(by, "https://api.paypal.com").signature
}

#[tokio::test]
async fn certificates_that_are_not_paypals_now_prove_nothing() {
    let mut expired = params(&["messageverificationcerts.paypal.com"]);
    expired.not_after = date_time_ymd(2027, 1, 1);
    let mut early = params(&["messageverificationcerts.paypal.com"]);
    early.not_before = date_time_ymd(2027, 6, 1);
    let invalid = SignatureError::Refused("a certificate that is not valid");
    assert_eq!(verify(&authority(expired), |_| ()).await, Err(invalid));
    assert_eq!(verify(&authority(early), |_| ()).await, Err(invalid));
    let misnamed = SignatureError::Refused("a certificate with another name");
    for name in ["paypal.com.example.com", "evilpaypal.com", "example.com"] {
        assert_eq!(verify(&authority(params(&[name])), |_| ()).await, Err(misnamed), "{name}");
    }
    for name in ["*.paypal.com", "MessageVerificationCerts.PayPal.com", "127.0.0.1"] {
        assert_eq!(verify(&authority(params(&[name])), |_| ()).await, Ok(()), "{name}");
    }

    // Signed by itself, and by a root that nobody trusts.
    let by = paypals();
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let own = params(&["messageverificationcerts.paypal.com"]).self_signed(&key).unwrap();
    let own = Authority { root: by.root.clone(), leaf: own.pem(), key };
    assert_eq!(verify(&own, |_| ()).await, Err(invalid));
    let untrusted = Authority { root: paypals().root, ..by };
    assert_eq!(verify(&untrusted, |_| ()).await, Err(invalid));
}

#[tokio::test]
async fn a_kept_certificate_ends_too() {
    let mut params = params(&["messageverificationcerts.paypal.com"]);
    params.not_after = date_time_ymd(2027, 1, 16);
    let by = authority(params);
    let stub = serving(by.leaf.clone());
    let clock = Clock::simulated(now());
    let verifier = verifier(&by.root, &stub, &clock);
    let transmission = transmission(&by, &stub.base);
    assert_eq!(verifier.verify(&transmission, "WH-ID", BODY, TIMEOUT).await, Ok(()));
    clock.advance(Duration::from_hours(36));
    assert!(matches!(verifier.verify(&transmission, "WH-ID", BODY, TIMEOUT).await, Err(SignatureError::Refused(_))));
}

#[tokio::test]
async fn a_chain_may_come_with_its_intermediate() {
    let mut root = params(&[]);
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().unwrap();
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let mut middle = params(&["middle"]);
    middle.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    middle.distinguished_name.push(rcgen::DnType::CommonName, "middle");
    let middle_key = KeyPair::generate().unwrap();
    let middle_pem = middle.signed_by(&middle_key, &Issuer::new(root, root_key)).unwrap().pem();
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let leaf =
        params(&["messageverificationcerts.paypal.com"]).signed_by(&key, &Issuer::new(middle, middle_key)).unwrap();
    let chained = Authority { root: root_pem, leaf: format!("{}{middle_pem}", leaf.pem()), key };
    assert_eq!(verify(&chained, |_| ()).await, Ok(()));
    let alone = Authority { leaf: leaf.pem(), ..chained };
    assert!(verify(&alone, |_| ()).await.is_err());
}

#[test]
fn certificates_come_from_paypals_hosts_alone() {
    let http = http_client().unwrap();
    let strict = Verifier::new(http.clone(), Clock::simulated(now())).trust;
    for url in ["https://api.paypal.com", "https://api.sandbox.paypal.com", "https://API.PayPal.com:443"] {
        assert!(strict.source(&format!("{url}{CERT}")).is_ok(), "{url}");
    }
    let bad = [
        format!("http://api.paypal.com{CERT}"),
        format!("https://api.paypal.com:8443{CERT}"),
        format!("https://api.paypal.com.example.com{CERT}"),
        format!("https://example.com/api.paypal.com{CERT}"),
        format!("https://www.paypal.com{CERT}"),
        format!("https://user@api.paypal.com{CERT}"),
        format!("https://api.paypal.com@example.com{CERT}"),
        format!("https://api.paypal.com{CERT}?x=y"),
        format!("https://api.paypal.com{CERT}#x"),
        format!("https://api.paypal.com{CERT}/../../../v1/other"),
        "https://api.paypal.com/v1/notifications/certs/".to_owned(),
        "https://api.paypal.com/v1/notifications/certs/%2e%2e%2fx".to_owned(),
        "https://api.paypal.com/v1/other/CERT".to_owned(),
        format!("http://127.0.0.1:9012{CERT}"),
        format!("https://127.0.0.1{CERT}"),
        String::new(),
    ];
    for url in &bad {
        assert!(strict.source(url).is_err(), "{url}");
    }
    let root = paypals().root;
    let simulated =
        Verifier::new(http, Clock::simulated(now())).trusting(&root, "http://127.0.0.1:9012").unwrap().trust;
    assert!(simulated.source(&format!("http://127.0.0.1:9012{CERT}")).is_ok());
    assert!(simulated.source(&format!("http://127.0.0.1:1{CERT}")).is_ok(), "any port");
    assert!(simulated.source(&format!("https://127.0.0.1:9012{CERT}")).is_err(), "its own scheme");
    assert!(simulated.source(&format!("http://127.0.0.2:9012{CERT}")).is_err());
    assert!(simulated.source("http://127.0.0.1:9012/v1/other").is_err());
    assert!(simulated.source(&format!("https://api.paypal.com{CERT}")).is_ok());
}

#[tokio::test]
async fn a_certificate_that_can_not_be_had_is_wanted_again_and_a_redirect_is_none() {
    let by = paypals();
    for (status, unavailable) in [(500, true), (503, true), (429, true), (0, true), (302, false), (404, false)] {
        let stub = Stub::start(move |_| Some((status, json!("elsewhere"))));
        let verifier = verifier(&by.root, &stub, &Clock::simulated(now()));
        let said = verifier.verify(&transmission(&by, &stub.base), "WH-ID", BODY, TIMEOUT).await;
        assert_eq!(matches!(said, Err(SignatureError::Unavailable(_))), unavailable, "{status}: {said:?}");
        assert!(said.is_err());
    }
    for pem in ["no certificate".to_owned(), "x".repeat(bounds::CERTIFICATE_BYTES + 1)] {
        let stub = serving(pem);
        let verifier = verifier(&by.root, &stub, &Clock::simulated(now()));
        let said = verifier.verify(&transmission(&by, &stub.base), "WH-ID", BODY, TIMEOUT).await;
        assert!(matches!(said, Err(SignatureError::Refused(_))), "{said:?}");
    }
}

/// The URL of another certificate of the stub's.
fn naming(transmission: &Transmission, stub: &Stub, name: &str) -> Transmission {
    let certificate = format!("{}/v1/notifications/certs/{name}", stub.base);
    Transmission { certificate, ..transmission.clone() }
}

#[tokio::test]
async fn whoever_names_certificates_that_are_none_makes_us_ask_a_few_times_a_minute() {
    let by = paypals();
    let stub = serving(by.leaf.clone());
    let clock = Clock::simulated(now());
    let verifier = verifier(&by.root, &stub, &clock);
    let good = transmission(&by, &stub.base);
    assert_eq!(verifier.verify(&good, "WH-ID", BODY, TIMEOUT).await, Ok(()));
    for _ in 0..3 {
        let said = verifier.verify(&naming(&good, &stub, "NONE"), "WH-ID", BODY, TIMEOUT).await;
        assert!(matches!(said, Err(SignatureError::Refused(_))), "{said:?}");
    }
    assert_eq!(stub.asked().len(), 2, "one that is none is remembered");
    for name in 0..50 {
        let said = verifier.verify(&naming(&good, &stub, &format!("NONE-{name}")), "WH-ID", BODY, TIMEOUT).await;
        assert!(said.is_err());
    }
    assert_eq!(stub.asked().len(), 1 + bounds::CERTIFICATE_FETCHES);
    let said = verifier.verify(&naming(&good, &stub, "NEW"), "WH-ID", BODY, TIMEOUT).await;
    assert_eq!(said, Err(SignatureError::Unavailable(Trouble::Busy)), "it may be PayPal's: it is wanted again");
    assert_eq!(verifier.verify(&good, "WH-ID", BODY, TIMEOUT).await, Ok(()), "what is known is not held up");
    clock.advance(bounds::CERTIFICATE_PAUSE);
    let _ = verifier.verify(&naming(&good, &stub, "NEW"), "WH-ID", BODY, TIMEOUT).await;
    assert_eq!(stub.asked().len(), 2 + bounds::CERTIFICATE_FETCHES);
}

/// A server whose certificate is the first of these, then the next and so on; the last stays.
fn serving_in_turn(pems: Vec<String>) -> Stub {
    let pems = Mutex::new(pems);
    Stub::start(move |_| {
        let mut pems = pems.lock().unwrap();
        let pem = if pems.len() > 1 { pems.remove(0) } else { pems[0].clone() };
        Some((200, json!(pem)))
    })
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_not_kept() {
    let by = paypals();
    let clock = Clock::simulated(now());
    // Once, another's, or not all of it.
    let stub = serving_in_turn(vec![paypals().leaf, by.leaf.clone()]);
    let verifier = verifier(&by.root, &stub, &clock);
    let transmission = transmission(&by, &stub.base);
    assert!(verifier.verify(&transmission, "WH-ID", BODY, TIMEOUT).await.is_err());
    clock.advance(bounds::CERTIFICATE_PAUSE);
    assert_eq!(verifier.verify(&transmission, "WH-ID", BODY, TIMEOUT).await, Ok(()));
}

#[tokio::test]
async fn a_kept_certificate_that_has_ended_makes_room_for_the_one_after_it() {
    let (mut root, root_key) = (params(&[]), KeyPair::generate().unwrap());
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let issuer = Issuer::new(root, root_key);
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let until = |day| {
        let mut params = params(&["messageverificationcerts.paypal.com"]);
        params.not_after = date_time_ymd(2027, 1, day);
        params.signed_by(&key, &issuer).unwrap().pem()
    };
    let stub = serving_in_turn(vec![until(16), until(30)]);
    let by = Authority { root: root_pem, leaf: String::new(), key };
    let clock = Clock::simulated(now());
    let verifier = verifier(&by.root, &stub, &clock);
    let transmission = transmission(&by, &stub.base);
    for hours in [0, 36, 1] {
        clock.advance(Duration::from_hours(hours));
        assert_eq!(verifier.verify(&transmission, "WH-ID", BODY, TIMEOUT).await, Ok(()), "{hours}");
    }
    assert_eq!(stub.asked().len(), 2);
}

#[test]
fn extra_roots_that_are_none_are_refused() {
    let http = http_client().unwrap();
    let strict = || Verifier::new(http.clone(), Clock::simulated(now()));
    assert!(strict().trusting("", "http://127.0.0.1").is_err());
    assert!(strict().trusting("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "http://x").is_err());
    assert!(strict().trusting(&paypals().root, "no URL").is_err());
}

#[test]
fn a_signature_ages_by_days_and_comes_from_no_future() {
    let transmission = Transmission::parse(&headers("AAAA", "https://api.paypal.com/x")).unwrap();
    for (seconds, recent) in [(0, true), (3 * 86_400, true), (3 * 86_400 + 1, false), (-300, true), (-301, false)] {
        assert_eq!(transmission.is_recent(Time::from_seconds(1_800_000_000 + seconds)), recent, "{seconds}");
    }
}

#[test]
fn headers_that_prove_nothing_are_refused() {
    let all = headers("AAAA", "https://api.paypal.com/x");
    assert!(Transmission::parse(&all).is_some());
    let names: Vec<_> = all.keys().cloned().collect();
    for name in names {
        for bad in [None, Some(""), Some("\u{fc}")] {
            let mut headers = all.clone();
            headers.remove(&name);
            if let Some(bad) = bad {
                headers.insert(name.clone(), http::HeaderValue::from_bytes(bad.as_bytes()).unwrap());
            }
            assert_eq!(Transmission::parse(&headers), None, "{name} {bad:?}");
        }
    }
    for bad in ["not base64!", &"A".repeat(1028)] {
        assert_eq!(Transmission::parse(&headers(bad, "https://api.paypal.com/x")), None);
    }
}

proptest! {
    #[test]
    fn no_url_makes_it_panic(url in "\\PC{0,80}", path in "[a-zA-Z0-9/.%?#@:-]{0,40}") {
        let trust = Trust { roots: Vec::new().into(), simulator: None };
        for url in [url, format!("https://api.paypal.com{path}"), format!("https://{path}api.paypal.com/v1/notifications/certs/x")] {
            if let Ok((url, host)) = trust.source(&url) {
                prop_assert!(HOSTS.contains(&host.as_str()) && url.scheme() == "https" && url.path().starts_with(PATH));
            }
        }
    }
}
