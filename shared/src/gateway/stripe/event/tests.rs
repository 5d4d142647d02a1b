use proptest::prelude::*;

use super::*;

const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;
/// `BODY` at 1700000000 with `whsec_test_secret`.
const VECTOR: &str = "0c8670ed117751cc551a20e35839447075c42800ea3cf3e8a2fbda99cd1e6edd";

fn secrets(of: &[&str]) -> Vec<SecretString> {
    of.iter().map(|secret| SecretString::from(*secret)).collect()
}

fn valid(header: &str, body: &[u8], of: &[&str]) -> bool {
    Signature::parse(header.as_bytes()).is_some_and(|signature| signature.is_valid(body, &secrets(of)))
}

fn local_signature(secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(b"1700000000.");
    mac.update(BODY);
    format!("t=1700000000,v1={}", HEXLOWER.encode(&mac.finalize().into_bytes()))
}

#[test]
fn a_signature_fits_its_body_its_time_and_its_secret() {
    let header = format!("t=1700000000,v1={VECTOR}");
    assert!(valid(&header, BODY, &["whsec_test_secret"]));
    assert!(!valid(&header, br#"{"id":"evt_2","object":"event"}"#, &["whsec_test_secret"]));
    assert!(!valid(&format!("t=1700000001,v1={VECTOR}"), BODY, &["whsec_test_secret"]));
    assert!(!valid(&header, BODY, &["whsec_other"]));
    assert!(!valid(&header, BODY, &[]));
    let by_nobody = local_signature("");
    assert!(!valid(&by_nobody, BODY, &[""]), "a placeholder signs nothing");
    assert!(valid(&local_signature("whsec_x"), BODY, &["", "whsec_x"]));
}

#[test]
fn any_signature_may_fit_any_secret_while_one_is_rotated() {
    let other = "f".repeat(64);
    let header = format!("t=1700000000,v1={other},v1={VECTOR},v0=abc");
    assert!(valid(&header, BODY, &["whsec_old", "whsec_test_secret"]));
}

#[test]
fn what_proves_nothing_is_refused() {
    let bad = [
        String::new(),
        format!("v1={VECTOR}"),
        "t=1700000000".to_owned(),
        format!("t=1700000000,v0={VECTOR}"),
        format!("t=now,v1={VECTOR}"),
        format!("t=+1700000000,v1={VECTOR}"),
        format!("t=1700000000,v1={}", &VECTOR[..62]),
        format!("t=1700000000,v1={}", VECTOR.to_ascii_uppercase()),
        format!("t=1700000000,v1={VECTOR}00"),
        format!("t=99999999999999999999,v1={VECTOR}"),
    ];
    for header in bad {
        assert!(!valid(&header, BODY, &["whsec_test_secret"]), "{header}");
    }
}

#[test]
fn a_signature_ages_in_both_directions() {
    let signature = Signature::parse(format!("t=1700000000,v1={VECTOR}").as_bytes()).unwrap();
    for (seconds, recent) in [(0, true), (300, true), (301, false), (-300, true), (-301, false)] {
        assert_eq!(signature.is_recent(Time::from_seconds(1_700_000_000 + seconds)), recent, "{seconds}");
    }
}

#[test]
fn unknown_types_and_fields_are_fine_and_thin_events_are_not() {
    let event = parse(br#"{"id":"evt_1","object":"event","type":"new.thing","x":1,"data":{"object":{"y":null}}}"#);
    assert!(matches!(event.unwrap().told, Told::Nothing));
    assert!(parse(br#"{"id":"evt_1","object":"v2.core.event","type":"new.thing","data":{"object":{}}}"#).is_none());
    assert!(
        parse(br#"{"id":"evt_1","object":"event","type":"payment_intent.succeeded","data":{"object":{}}}"#).is_none()
    );
    assert!(parse(b"[]").is_none());
}

#[test]
fn an_object_may_be_expanded_and_its_metadata_null() {
    let body = br#"{"id":"evt_1","object":"event","type":"charge.refunded","created":1,"data":{"object":{
        "id":"ch_1","currency":"usd","amount_refunded":700,"metadata":null,"payment_intent":{"id":"pi_1","object":"payment_intent"}}}}"#;
    let Told::Payment { reference, labels, hint: Hint::Refunds(Refunded::Total(Some(total))) } =
        parse(body).unwrap().told
    else {
        panic!("not refunds")
    };
    assert_eq!((reference.as_str(), labels, total.amount_minor), ("pi_1", Labels::default(), 700));
}

#[test]
fn reversals_of_a_transfer_that_is_a_payment_are_its_refunds() {
    let told = |group: &str| {
        let body = serde_json::json!({ "id": "evt_1", "object": "event", "type": "transfer.reversed", "created": 1,
            "data": { "object": { "id": "tr_1", "currency": "usd", "amount": 900, "amount_reversed": 700,
                                  "transfer_group": group, "metadata": { "payment_id": "pay_1" } } } });
        parse(body.to_string().as_bytes()).unwrap().told
    };
    let Told::Payment { reference, labels, hint: Hint::Refunds(Refunded::Total(Some(total))) } = told("pay_1") else {
        panic!("not refunds")
    };
    assert_eq!((reference.as_str(), labels.payment_id.as_deref(), total.amount_minor), ("tr_1", Some("pay_1"), 700));
    let of_charge = told("group_pi_1");
    assert!(matches!(of_charge, Told::Payment { hint: Hint::TransferReversed(_), .. }), "{of_charge:?}");
    assert!(matches!(told("another"), Told::Nothing));
}

/// A million in the long run: `PROPTEST_CASES=1000000 cargo test --release -p shared no_body`.
mod anything {
    use super::*;

    proptest! {
        #[test]
        fn no_body_and_no_header_makes_the_parser_panic(
            body in prop::collection::vec(any::<u8>(), 0..300),
            header in prop::collection::vec(any::<u8>(), 0..120),
            text in "\\PC{0,120}",
            kind in "(payment_intent|charge|refund|charge\\.dispute|transfer|payment_method)\\.[a-z_]{0,12}",
            object in "(\\{\"id\":\"[a-z_0-9]{0,9}\",\"amount\":-?[0-9]{1,25},\"currency\":\"[a-z]{0,4}\"[^}]{0,40}\\}|null|\\[\\])",
        ) {
            let _ = parse(&body);
            let _ = parse(text.as_bytes());
            let event = format!("{{\"id\":\"evt\",\"object\":\"event\",\"type\":\"{kind}\",\"data\":{{\"object\":{object}}}}}");
            let _ = parse(event.as_bytes());
            for header in [&header[..], text.as_bytes(), format!("t={text},v1={VECTOR}").as_bytes()] {
                if let Some(signature) = Signature::parse(header) {
                    let _ = signature.is_recent(Time::from_seconds(0));
                    prop_assert!(!signature.is_valid(&body, &secrets(&["whsec_x"])));
                }
            }
        }
    }
}
