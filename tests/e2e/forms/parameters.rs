//! What stands beside the body: the path, the query, the Idempotency-Key.

use serde_json::{Value, json};

use super::edges::Edges;
use super::stage::{Call, Form, Stage};
use super::{is_refused, refuses_form};
use crate::openapi::document::{Operation, judge, operations};

/// The parameters of an operation in a place: `path`, `query`, `header`.
fn parameters(operation: &Operation, place: &str) -> Vec<&'static Value> {
    let all = operation.entry["parameters"].as_array().into_iter().flatten();
    all.filter(|one| one["in"] == json!(place)).collect()
}

/// Those of an operation behind the API that has one there.
fn all(place: &str) -> Vec<(Operation, Vec<&'static Value>)> {
    let of_api = operations().into_iter().filter(|one| !one.path.starts_with("/webhooks"));
    let with = of_api.map(|one| {
        let parameters = parameters(&one, place);
        (one, parameters)
    });
    with.filter(|(_, parameters)| !parameters.is_empty()).collect()
}

fn text(value: Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A query that the operation takes, with these parameters.
fn query<'a>(parameters: &[&'a Value], with: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let required = parameters.iter().filter(|one| one["required"] == json!(true));
    let required = required.map(|one| (one["name"].as_str().unwrap(), "2026-01-15"));
    required.filter(|(name, _)| with.iter().all(|(other, _)| other != name)).chain(with.iter().copied()).collect()
}

async fn listed(stage: &Stage, operation: &Operation, query: &[(&str, &str)]) -> local::client::Answer {
    stage.call(Call { operation, id: "", query, headers: &[], body: None }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_parameter_of_a_list_is_taken_to_its_bounds_and_named_beyond_them() {
    let stage = Stage::new().await;
    let mut tried = 0;
    for (operation, parameters) in all("query") {
        for parameter in parameters.iter().filter(|one| one["name"] != json!("cursor")) {
            let name = parameter["name"].as_str().unwrap();
            let edges = Edges::of(&parameter["schema"], "");
            for value in edges.good.into_iter().map(text) {
                let answer = listed(&stage, &operation, &query(&parameters, &[(name, &value)])).await;
                let what = format!("{} {name}={value}", operation.path);
                assert!(!refuses_form(&answer, name, &what), "{what}: {}", answer.body);
                tried += 1;
            }
            let odd = match parameter["schema"]["type"].as_str() {
                Some("integer") => ["x", "1.5", "1e1", "0x1", "１", "١", "-1", "99999999999999999999"].as_slice(),
                _ => &["\u{0}", "a\u{1b}b", " ", "\u{3000}"],
            };
            let odd = odd.iter().copied().chain(["", "\n"]).map(str::to_owned);
            for value in edges.bad.into_iter().map(text).chain(odd) {
                let answer = listed(&stage, &operation, &query(&parameters, &[(name, &value)])).await;
                let what = format!("{} {name}={value:?}", operation.path);
                is_refused(&answer, 422, "invalid_field", Some(name), &what);
            }
        }
    }
    assert!(tried > 60, "only {tried} values were taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_parameter_of_a_list_that_is_unknown_or_missing_is_named() {
    let stage = Stage::new().await;
    for (operation, parameters) in all("query") {
        let long = "x".repeat(3_000);
        let unknown = [
            ("memo", "memo"),
            ("Limit", "Limit"),
            ("limit ", "limit "),
            ("", ""),
            ("ключ", "ключ"),
            ("👛", "👛"),
            ("\u{202e}di", "\u{202e}di"),
            ("limit\u{0}", "limit"),
            ("limit[]", "limit[]"),
            (&long, &long[..64]),
        ];
        for (name, told) in unknown {
            let answer = listed(&stage, &operation, &query(&parameters, &[(name, "1")])).await;
            is_refused(&answer, 422, "unknown_field", Some(told), &format!("{}?{told}", operation.path));
        }
        for required in parameters.iter().filter(|one| one["required"] == json!(true)) {
            let answer = listed(&stage, &operation, &[]).await;
            is_refused(&answer, 422, "missing_field", required["name"].as_str(), &operation.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_with_a_parameter_that_it_does_not_take_is_refused_and_nothing_is_written() {
    let stage = Stage::new().await;
    let before = stage.written().await;
    let forms = stage.forms();
    for operation in operations().into_iter().filter(|one| !one.path.starts_with("/webhooks")) {
        let id = operation.entry["operationId"].as_str();
        let form = forms.iter().find(|form| form.operation.entry["operationId"].as_str() == id);
        let body = form.map(|form| form.body.to_string());
        let taken = parameters(&operation, "query");
        // Would be a field of the body, if it stood there.
        for name in ["dry_run", "amount"] {
            let (query, key) = (query(&taken, &[(name, "1")]), format!("unasked-{name}"));
            let headers = [("Idempotency-Key", key.as_bytes())];
            let call = Call {
                operation: &operation,
                id: stage.id(&operation.path),
                query: &query,
                headers: &headers,
                body: body.clone(),
            };
            let answer = stage.call(call).await;
            is_refused(&answer, 422, "unknown_field", Some(name), &format!("{id:?}?{name}"));
        }
    }
    stage.is_as(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_parameter_that_is_given_twice_is_named() {
    let stage = Stage::new().await;
    let mut tried = 0;
    for (operation, parameters) in all("query") {
        for parameter in &parameters {
            let name = parameter["name"].as_str().unwrap();
            // Twice the same is as odd: only one of them was meant to be there.
            let value =
                parameter["schema"]["minimum"].as_i64().map_or("2026-01-15".to_owned(), |least| least.to_string());
            let query = query(&parameters, &[(name, value.as_str()), (name, value.as_str())]);
            let answer = listed(&stage, &operation, &query).await;
            is_refused(&answer, 422, "invalid_field", Some(name), &format!("{} {name} twice", operation.path));
            tried += 1;
        }
    }
    assert!(tried > 20, "only {tried} parameters were given twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cursor_that_is_not_its_lists_is_named() {
    let stage = Stage::new().await;
    for (operation, parameters) in all("query") {
        let long = "x".repeat(3_000);
        let cursors = [
            "x",
            "",
            " ",
            "é",
            "\u{0}",
            "e30",
            "W10",
            "bnVsbA",
            "eyJpZCI6MX0",
            "eyJleGFtcGxlIjp0cnVlfQ",
            "👛",
            "../",
            &long,
        ];
        for cursor in cursors {
            let answer = listed(&stage, &operation, &query(&parameters, &[("cursor", cursor)])).await;
            let code = answer.code().to_owned();
            assert!(["invalid_cursor", "invalid_field"].contains(&code.as_str()), "{cursor:?}: {}", answer.body);
            is_refused(&answer, 422, &code, Some("cursor"), &format!("{} {cursor:?}", operation.path));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_no_known_form_names_nothing_and_nothing_is_written() {
    let stage = Stage::new().await;
    let before = stage.written().await;
    let forms = stage.forms();
    let mut tried = 0;
    for (operation, parameters) in all("path") {
        let (name, schema) = (parameters[0]["name"].as_str().unwrap(), &parameters[0]["schema"]);
        let id = operation.entry["operationId"].as_str();
        let form = forms.iter().find(|form| form.operation.entry["operationId"].as_str() == id);
        let judge = judge(schema);
        let odd = ["\u{0}", "a\u{1b}b", "\u{202e}x", "👛", "é", " ", "%00", "%ff", "%2e%2e", "\u{feff}", "{id}"];
        let huge = ["x".repeat(2_100), "é".repeat(1_500), "/".repeat(300)];
        let odd = odd.iter().map(|text| (*text).to_owned()).chain(huge);
        let bad = Edges::of(schema, "")
            .bad
            .into_iter()
            .map(text)
            .chain(odd)
            .filter(|id| !judge.is_valid(&json!(id)) || id.len() > 255);
        // A line break is gone before a function sees the path, and without an id it is another path.
        for id in bad.filter(|id| !id.is_empty() && !id.contains('\n')) {
            let body = form.map(|form| form.body.to_string());
            let answer = stage.call(Call { operation: &operation, id: &id, query: &[], headers: &[], body }).await;
            let what = format!("{} {} {id:?}", operation.method, operation.path);
            match answer.status {
                404 => assert!(answer.codes()[0].ends_with("not_found"), "{what}: {}", answer.body),
                _ => is_refused(&answer, 422, "invalid_field", Some(name), &what),
            }
            tried += 1;
        }
    }
    assert!(tried > 200, "only {tried} ids were tried");
    stage.is_as(&before).await;
}

async fn under(stage: &Stage, form: &Form, key: &[u8]) -> local::client::Answer {
    let headers = [("Idempotency-Key", key)];
    let (operation, body) = (&form.operation, Some(form.body.to_string()));
    stage.call(Call { operation, id: "", query: &[], headers: &headers, body }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_none_is_refused_and_nothing_is_written() {
    let stage = Stage::new().await;
    let before = stage.written().await;
    let forms = stage.forms();
    let keyed: Vec<_> = forms.iter().filter(|form| !parameters(&form.operation, "header").is_empty()).collect();
    assert_eq!(keyed.len(), 4, "requests with a key");
    let (long, quoted) = ("k".repeat(256), format!("\"{}\"", "k".repeat(256)));
    for form in &keyed {
        let bad: [&[u8]; 12] = [
            b"",
            b" ",
            b"\"\"",
            b"a b",
            b"\"a b\"",
            b"a\tb",
            "é".as_bytes(),
            "👛".as_bytes(),
            b"\xff",
            "\u{202e}a".as_bytes(),
            long.as_bytes(),
            quoted.as_bytes(),
        ];
        for key in bad {
            let answer = under(&stage, form, key).await;
            is_refused(&answer, 400, "idempotency_key_invalid", None, &format!("{} {key:?}", form.path()));
            assert!(answer.body["detail"].as_str().unwrap().contains("Idempotency-Key"), "{}", answer.body);
        }
    }
    stage.is_as(&before).await;
    for form in keyed {
        for key in [long[1..].to_owned(), format!("\"{}\"", &long[1..]), "!".to_owned(), "\"".to_owned()] {
            let answer = under(&stage, form, key.as_bytes()).await;
            // The books may say otherwise.
            let is_taken = answer.status < 300 || answer.status == 409 || answer.code() == "idempotency_key_reused";
            assert!(is_taken, "{} {key}: {}", form.path(), answer.body);
        }
    }
}
