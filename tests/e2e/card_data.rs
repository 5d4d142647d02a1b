//! Card data is refused at the door of every function but `webhook`: in every shape, wherever it stands, alone, and
//! without a trace (the tripwire in `logs` watches the lines). What is ordinary is let in.

use std::path::{Path, PathBuf};

use local::client::Answer;
use reqwest::Url;
use serde_json::{Value, json};
use shared::api::Route;
use shared::api::card_data;
use shared::api::door::Door;

use crate::forms::walk::{self, filled};
use crate::openapi::document;
use crate::routes;
use crate::world::{ADMIN, WEBHOOK_SECRET, World, refused};

const CARD: &str = "4242424242424242";

/// Canaries that fit wherever a text does.
pub const TEXTS: [&str; 34] = [
    CARD,
    "4242 4242 4242 4242",
    "4242-4242-4242-4242",
    "4242.4242.4242.4242",
    "4242_4242_4242_4242",
    "4242  4242  4242  4242",
    "4242 - 4242 - 4242 - 4242",
    "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
    "4-2-4-2-4-2-4-2-4-2-4-2-4-2-4-2",
    "42 42 42 42 42 42 42 42",
    "424 242 424 242 424 2",
    "42424 24242 42424 2",
    "424242-424242-4242",
    "42424242 42424242",
    "424242424242-4242",
    "(4242424242424242)",
    "VISA4242424242424242",
    "4242424242424242visa",
    "card: 4242 4242 4242 4242, 12/27, 123",
    "4.242424242424242E+15",
    "4222222222222",
    "5555 5555 5555 4444",
    "2223-0031-2200-3222",
    "378282246310005",
    "3782 822463 10005",
    "3056 930902 5904",
    "6011111111111117",
    "3566002020360505",
    "6205500000000000004",
    "DE89370400440532013000",
    "DE89 3704 0044 0532 0130 00",
    "gb29 nwbk 6016 1331 9268 19",
    "NL91-ABNA-0417-1643-00",
    "pay to fr1420041010050500013m02606",
];

/// Canaries that headers and paths can't carry as they are.
pub const MORE: [&str; 6] = [
    "4242/4242/4242/4242",
    "4242\n4242\n4242\n4242",
    "4242\u{a0}4242\u{a0}4242\u{a0}4242",
    "4\u{200b}242\u{ad}4242\u{feff}4242\u{2060}4242",
    "\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}",
    "4242\u{2011}4242\u{2011}4242\u{2011}4242",
];

fn texts() -> impl Iterator<Item = &'static str> {
    TEXTS.into_iter().chain(MORE)
}

/// Bodies with a canary in them.
fn bodies() -> Vec<String> {
    let fixed = [
        r#"{ "amount": 4242424242424242 }"#,
        r#"{ "amount": -4242424242424242 }"#,
        r#"{ "amount": 4242424242424242.0 }"#,
        r#"{ "amount": 4.242424242424242e15 }"#,
        r#"{ "amount": 6205500000000000004 }"#,
        r#"{ "x": { "y": [[{ "z": ["4242 4242 4242 4242"] }]] } }"#,
        r#"{ "4242424242424242": null }"#,
        r#"{ "x": { "DE89 3704 0044 0532 0130 00": 1 } }"#,
        r#"{ "card_number": "x" }"#,
        r#"{ "note": { "Card-Number": [] } }"#,
        r#"{ "card": { "number": "x" } }"#,
        r#"{ "CVC": 123 }"#,
        r#"{ "bankAccountNumber": "x" }"#,
        r#"{ "counterparty": { "name": "x", "iban": "x" } }"#,
        r#"["4242424242424242"]"#,
        "4242424242424242",
    ];
    // Under a field that every request refuses, and under one that several take.
    let named = texts().flat_map(|text| [json!({ "x": text }), json!({ "note": text })]);
    named.map(|body| body.to_string()).chain(fixed.map(str::to_owned)).collect()
}

/// Sends a request as it stands; path and query are encoded here.
async fn send(
    world: &World,
    method: &str,
    path: &str,
    query: &[(&str, &str)],
    headers: &[(&str, &str)],
    body: Option<String>,
) -> Answer {
    let mut url = Url::parse(&world.stack.urls.api).unwrap();
    url.path_segments_mut().unwrap().clear().extend(path.split('/').skip(1));
    let token = local::token::issue(ADMIN, "acme", &[], &world.clock).unwrap();
    let mut request = world.stack.http.request(method.parse().unwrap(), url).bearer_auth(token).query(query);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null);
    let answer = Answer { status, headers, body };
    document::holds(&method.parse().unwrap(), path, &answer);
    answer
}

/// The refusal, alone, with nothing of the request in it.
#[track_caller]
fn is_refusal(mut answer: Answer, request: &str) {
    assert_eq!(answer.codes(), ["card_data_forbidden"], "{request}: {} {}", answer.status, answer.body);
    refused(&answer, 422, &["card_data_forbidden"]);
    assert!(answer.body["detail"].as_str().unwrap().contains("token instead"));
    // Random: it may hold any digits.
    answer.body.as_object_mut().unwrap().remove("request_id");
    let said = answer.body.to_string().replace("422", "");
    assert!(!said.contains(|c: char| c.is_ascii_digit()), "{said}");
}

/// No table holds a canary, or anything else that the door refuses.
async fn no_table_has_any(world: &World) {
    for table in world.stack.tables.values() {
        let mut pages = world.stack.dynamodb.scan().table_name(table).into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let text = format!("{:?}", item.unwrap());
            assert_eq!(texts().find(|canary| text.contains(canary)), None, "{table}: {text}");
            assert!(!card_data::is_in(&text), "{table}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn card_data_in_the_body_of_any_request_is_refused_alone_and_kept_nowhere() {
    let world = World::new().await;
    let routes = routes::all();
    let with_bodies = routes.iter().filter(|(_, route)| ["POST", "PUT", "PATCH"].contains(&route.method));
    for (_, route) in with_bodies {
        for body in bodies() {
            let answer = send(&world, route.method, &filled(route.path), &[], &[], Some(body.clone())).await;
            is_refusal(answer, &format!("{} {} {body}", route.method, route.path));
        }
    }
    no_table_has_any(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn card_data_in_the_query_of_any_request_is_refused_alone_and_kept_nowhere() {
    let world = World::new().await;
    for (_, route) in routes::all() {
        let (method, path) = (route.method, filled(route.path));
        let body = (method != "GET").then(|| "{}".to_owned());
        for text in texts() {
            let answer = send(&world, method, &path, &[("number", text)], &[], body.clone()).await;
            is_refusal(answer, &format!("{method} {path}?number={text}"));
        }
        for name in [CARD, "4242 4242 4242 4242", "card_number", "card[number]", "cvc", "iban", "accountNumber"] {
            let answer = send(&world, method, &path, &[(name, "x")], &[], body.clone()).await;
            is_refusal(answer, &format!("{method} {path}?{name}"));
        }
    }
    no_table_has_any(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn card_data_in_the_path_of_any_request_is_refused_alone_and_kept_nowhere() {
    let world = World::new().await;
    for (_, route) in routes::all().into_iter().filter(|(_, route)| route.path.contains('{')) {
        // A slash and a line break are API Gateway's to refuse.
        for text in texts().filter(|text| !text.contains(['/', '\n'])) {
            let path = walk::with(route.path, text);
            let body = (route.method != "GET").then(|| "{}".to_owned());
            let answer = send(&world, route.method, &path, &[], &[], body).await;
            is_refusal(answer, &format!("{} {path}", route.method));
        }
    }
    no_table_has_any(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn card_data_in_a_header_of_any_request_is_refused_alone_and_kept_nowhere() {
    let world = World::new().await;
    for (_, route) in routes::all() {
        let (method, path) = (route.method, filled(route.path));
        let body = (method != "GET").then(|| "{}".to_owned());
        let others = [
            ("x-note", "pay with 4242 4242 4242 4242, please"),
            ("user-agent", CARD),
            ("cookie", "a=1; b=4242424242424242"),
            ("referer", "https://shop.example/?n=4242-4242-4242-4242"),
            ("x-card-number", "x"),
        ];
        for header in TEXTS.into_iter().map(|text| ("idempotency-key", text)).chain(others) {
            let answer = send(&world, method, &path, &[], &[header], body.clone()).await;
            is_refusal(answer, &format!("{method} {path} {header:?}"));
        }
    }
    no_table_has_any(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_payment_or_refund_refused_for_card_data_only_the_caller_and_the_code_are_kept() {
    let world = World::new().await;
    let body = json!({ "invoice_id": "INV-7", "payment_method": "stripe", "card": CARD }).to_string();
    for path in ["/payments", "/refunds", "/scheduled-payments"] {
        for (headers, body) in [(vec![], body.as_str()), (vec![("idempotency-key", CARD)], "{}")] {
            let answer = send(&world, "POST", path, &[], &headers, Some(body.to_owned())).await;
            let request = answer.body["request_id"].as_str().unwrap();
            let entries = world.items("AUDIT_LOG_TABLE", "entity", &format!("acme/requests/{request}")).await;
            let record: Value = serde_json::from_str(entries[0]["record"].as_s().unwrap()).unwrap();
            assert_eq!(record["changes"], json!({ "codes": ["card_data_forbidden"] }));
            assert_eq!((&record["user_id"], &record["action"]), (&json!(ADMIN), &json!("refuse")));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_times_amounts_and_telephone_numbers_of_ordinary_requests_are_let_in() {
    let world = World::new().await;
    let headers = [
        // All digits, and one of ten of them would pass for a card.
        ("traceparent", "00-42424242424242424242424242424242-4242424242424242-01"),
        ("x-b3-traceid", CARD),
        ("x-datadog-trace-id", "6205500000000000004"),
        ("x-amzn-trace-id", "Root=1-42424242-424242424242424242424242;Parent=4242424242424242"),
        ("x-request-id", CARD),
        ("if-none-match", "\"4242424242424242\""),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.6778.85 Safari/537.36",
        ),
        // With the digits of a card in its first three groups.
        ("idempotency-key", "42424242-4242-4242-8242-0967dbc38a39"),
    ];
    let body = json!({
        "amount": 2_500, "currency": "USD", "kind": "payable", "payment_method": "stripe",
        "counterparty": { "name": "Vendor 5012-2025-000002", "email": "4915123456789x@example.com" },
        "description": "Call +4915123456789 before 2026-01-15T14:30:00.000Z; PO 5012-2025-000002",
    });
    let paid = send(&world, "POST", "/payments", &[], &headers, Some(body.to_string())).await;
    assert_eq!(paid.status, 201, "{}", paid.body);
    let [id, invoice] = ["id", "invoice_id"].map(|name| paid.body[name].as_str().unwrap());
    assert_eq!(send(&world, "GET", &format!("/payments/{id}"), &[], &headers, None).await.status, 200);
    let listed = send(&world, "GET", "/payments", &[("invoice_id", invoice), ("limit", "100")], &headers, None).await;
    assert_eq!(listed.body["items"].as_array().map(Vec::len), Some(1), "{}", listed.body);
    let most = shared::money::MAX_AMOUNT_MINOR;
    for amount in [most, most - 1, 424_242_424_242, 1] {
        world.draft(json!({ "amount": amount, "invoice_number": "5012-2025-000002", "allow_duplicate": true })).await;
    }
    assert_eq!(world.charged(invoice), [2_500]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_taken_whatever_digits_its_body_its_query_and_its_headers_hold() {
    let world = World::new().await;
    let intent = json!({ "id": "pi_other", "object": "payment_intent", "amount": 5, "currency": "usd", "status": "succeeded",
                         "metadata": { "card_number": CARD, "iban": "DE89370400440532013000" } });
    let event = json!({ "id": "evt_other", "object": "event", "type": "payment_intent.succeeded", "created": 1,
                        "data": { "object": intent } });
    let body = event.to_string();
    let signature = local::stripe::sign(WEBHOOK_SECRET, world.clock.now(), body.as_bytes());
    let headers = [("stripe-signature", signature.as_str()), ("x-delivery", CARD)];
    let taken = send(&world, "POST", "/webhooks/stripe/acme", &[("n", CARD)], &headers, Some(body)).await;
    assert_eq!((taken.status, &taken.body["status"]), (200, &json!("ignored")), "{}", taken.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_nested_without_end_is_refused_as_any_other_that_is_none() {
    let world = World::new().await;
    for body in ["[".repeat(60_000), "{\"a\":".repeat(10_000), format!("{}{CARD}{}", "[".repeat(500), "]".repeat(500))]
    {
        let answer = send(&world, "POST", "/payments", &[], &[], Some(body)).await;
        refused(&answer, 400, &["invalid_json"]);
    }
    let deep = format!("{}\"{CARD}\"{}", "[".repeat(120), "]".repeat(120));
    is_refusal(send(&world, "POST", "/payments", &[], &[], Some(deep)).await, "120 levels");
}

#[test]
fn only_the_gateways_webhooks_have_an_open_door() {
    let doors = |door| move |(_, route): &(&'static str, Route)| route.door == door;
    assert_eq!(routes::all().iter().filter(|route| doors(Door::Open)(route)).count(), 0);
    assert!(webhook::routes().iter().all(|route| route.door == Door::Open));
    let audited: Vec<_> =
        routes::all().into_iter().filter(doors(Door::Audited)).map(|(_, route)| (route.method, route.path)).collect();
    assert_eq!(audited, [("POST", "/payments"), ("POST", "/refunds"), ("POST", "/scheduled-payments")]);
}

#[test]
fn no_field_of_our_own_is_taken_for_one_of_an_account_number() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut words = 0;
    for file in sources(&root.join("functions")).into_iter().chain(sources(&root.join("shared/src/api"))) {
        if file.components().any(|part| part.as_os_str() == "card_data") {
            continue;
        }
        // Every second piece is between quotes.
        for word in std::fs::read_to_string(&file).unwrap().split('"').filter(|word| is_name(word)) {
            assert!(!card_data::is_account_field(word), "{}: {word}", file.display());
            words += 1;
        }
    }
    assert!(words > 300, "only {words} words were read");
}

/// Whether a word looks like the name of a field.
pub fn is_name(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The source files under a folder.
pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|file| file.extension().is_some_and(|kind| kind == "rs"));
    files.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}
