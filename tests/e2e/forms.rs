//! Bad forms: of every request and in every field, what is unknown, missing, of the wrong type, huge, strange or nested
//! too deep is refused with the field's name, and nothing is written. Which requests and fields there are, says the
//! OpenAPI document; its examples are the good requests that are spoiled here.

use std::collections::BTreeMap;

use local::client::Answer;
use proptest::prelude::{Strategy, any};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::openapi::document::{self, operations, resolved};
use crate::world::{ADMIN, World};

/// A request of the document with a body.
struct Form {
    method: Method,
    path: String,
    /// A good one.
    body: Value,
    /// The schema of its body.
    schema: &'static Value,
}

/// Every request that takes fields.
fn forms() -> Vec<Form> {
    let of_document = operations().into_iter().filter(|one| !one.path.starts_with("/webhooks"));
    let forms = of_document.filter_map(|one| {
        let content = &one.entry["requestBody"]["content"]["application/json"];
        let schema = resolved(content.get("schema")?);
        schema["properties"].as_object()?;
        let judge = document::judge(schema);
        let body = content["examples"]
            .as_object()?
            .values()
            .map(|one| one["value"].clone())
            .find(|one| judge.is_valid(one))?;
        Some(Form { method: one.method.parse().unwrap(), path: at(&one.path), body, schema })
    });
    let forms: Vec<Form> = forms.collect();
    assert_eq!(forms.len(), 12, "requests that take fields");
    forms
}

/// A path with ids of the right form in it.
fn at(path: &str) -> String {
    let prefix = match path.split('/').nth(1).unwrap() {
        "payments" => "pay",
        "refunds" => "ref",
        "scheduled-payments" => "sch",
        "payment-methods" => "mth",
        _ => "alr",
    };
    path.replace("{id}", &format!("{prefix}_{}", "a".repeat(26))).replace("{user_id}", "jdoe")
}

/// Sends a body as it stands.
async fn send(world: &World, form: &Form, body: String) -> Answer {
    let token = local::token::issue(ADMIN, "acme", &[], &world.clock).unwrap();
    let url = format!("{}{}", world.stack.urls.api, form.path);
    let request = world.stack.http.request(form.method.clone(), url).bearer_auth(token);
    // One key for all: nothing that is refused takes it.
    let request = request.header("Idempotency-Key", "form").header("content-type", "application/json").body(body);
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null);
    let answer = Answer { status, headers, body };
    document::holds(&form.method, &form.path, &answer);
    answer
}

/// It is refused with this code for this field, if for one.
#[track_caller]
fn is_refused(answer: &Answer, status: u16, code: &str, field: Option<&str>, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    let errors = answer.body["errors"].as_array().unwrap();
    let named = errors
        .iter()
        .any(|error| error["code"] == json!(code) && field.is_none_or(|field| error["field"] == json!(field)));
    assert!(named, "{what}: {}", answer.body);
}

/// The items of every table but the trail of refused attempts to move money, which is meant to grow.
async fn items(world: &World) -> BTreeMap<String, i32> {
    let mut counts = BTreeMap::new();
    for (name, table) in &world.stack.tables {
        if name != "AUDIT_LOG_TABLE" {
            let scan = world.stack.dynamodb.scan().table_name(table).send().await.unwrap();
            counts.insert(name.clone(), scan.count());
        }
    }
    counts
}

/// Every field of a form by its path, with its schema.
fn fields(schema: &'static Value, path: &str) -> Vec<(String, &'static Value)> {
    let schema = resolved(schema);
    if let Some(either) = schema["oneOf"].as_array() {
        return either.iter().flat_map(|one| fields(one, path)).collect();
    }
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .flat_map(|(name, property)| {
            let path = format!("{path}{name}");
            let inner = fields(property, &format!("{path}."));
            [(path, property)].into_iter().chain(inner)
        })
        .collect()
}

/// The form's good body, with `value` for a field; its neighbours in an object that is made for it stay away.
fn with(form: &Form, field: &str, value: Value) -> Value {
    let mut body = form.body.clone();
    // What says which fields go together gives way to the field that is tried.
    let alone = ["kind", "counterparty", "description"].iter().any(|name| field.split('.').next() == Some(name));
    if alone && form.schema["properties"].get("invoice_id").is_some() {
        body.as_object_mut().unwrap().remove("invoice_id");
    }
    let mut place = &mut body;
    let (objects, last) =
        field.rsplit_once('.').map_or((Vec::new(), field), |(path, last)| (path.split('.').collect(), last));
    for name in objects {
        let members = place.as_object_mut().unwrap();
        let inner = members.entry(name).or_insert_with(|| json!({}));
        if !inner.is_object() {
            *inner = json!({});
        }
        place = inner;
    }
    place.as_object_mut().unwrap().insert(last.to_owned(), value);
    body
}

fn types(schema: &'static Value) -> Vec<&'static str> {
    let schema = resolved(schema);
    if let Some(either) = schema["oneOf"].as_array() {
        return either.iter().flat_map(types).collect();
    }
    match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(many) => many.iter().map(|one| one.as_str().unwrap()).collect(),
        _ => Vec::new(),
    }
}

/// Values that no field of this schema takes.
fn wrong(schema: &'static Value) -> Vec<Value> {
    let types = types(schema);
    let of = [
        ("string", json!("x")),
        ("integer", json!(7)),
        ("integer", json!(1.5)),
        ("boolean", json!(true)),
        ("array", json!([])),
        ("array", json!([[{}]])),
        ("object", json!({})),
    ];
    let mut wrong: Vec<Value> = of.into_iter().filter(|(of, _)| !types.contains(of)).map(|(_, value)| value).collect();
    if types.contains(&"integer") {
        wrong.extend([json!(-1), json!(i64::MAX), json!(u64::MAX), json!(1.0), json!(1e300)]);
    }
    wrong
}

/// Texts that no text field takes: too long for any, blank, or with control characters.
fn bad_texts() -> Vec<String> {
    let controls = (0..0x20).chain(0x7f..0xa0).filter_map(char::from_u32).map(|c| format!("a{c}b"));
    let huge =
        ["x".repeat(3_000), "é".repeat(2_000), "👩‍👩‍👧‍👦".repeat(200), "e\u{301}".repeat(1_000), "\u{202e}א".repeat(800)];
    controls.chain(huge).chain(["".to_owned(), " ".to_owned(), "\u{3000}\u{2003}".to_owned()]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_that_is_unknown_missing_or_of_the_wrong_type_is_named_and_nothing_is_written() {
    let world = World::new().await;
    let before = items(&world).await;
    for form in forms() {
        for name in ["memo", "Amount", "amount ", "__proto__", "", "ключ", "👛", "\u{202e}di"] {
            let answer = send(&world, &form, with(&form, name, json!(1)).to_string()).await;
            is_refused(&answer, 422, "unknown_field", Some(name), &format!("{} {name:?}", form.path));
        }
        let required = form.schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
        for name in required {
            for body in [without(&form.body, name), with(&form, name, Value::Null)] {
                let answer = send(&world, &form, body.to_string()).await;
                is_refused(&answer, 422, "missing_field", Some(name), &format!("{} without {name}", form.path));
            }
        }
        for (field, schema) in fields(form.schema, "") {
            for value in wrong(schema) {
                let answer = send(&world, &form, with(&form, &field, value.clone()).to_string()).await;
                is_refused(&answer, 422, "invalid_field", Some(&field), &format!("{} {field}: {value}", form.path));
            }
        }
    }
    assert_eq!(items(&world).await, before);
}

fn without(body: &Value, name: &str) -> Value {
    let members: Map<String, Value> =
        body.as_object().unwrap().clone().into_iter().filter(|(one, _)| one != name).collect();
    Value::Object(members)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_that_is_huge_blank_or_has_control_characters_is_refused_by_its_field_and_nothing_is_written() {
    let world = World::new().await;
    let before = items(&world).await;
    for form in forms() {
        for (field, _) in fields(form.schema, "").into_iter().filter(|(_, schema)| types(schema).contains(&"string")) {
            for text in bad_texts() {
                let answer = send(&world, &form, with(&form, &field, json!(text)).to_string()).await;
                is_refused(&answer, 422, "invalid_field", Some(&field), &format!("{} {field}: {text:?}", form.path));
            }
        }
    }
    assert_eq!(items(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large_too_deep_or_no_objects_are_refused_and_nothing_is_written() {
    let world = World::new().await;
    let before = items(&world).await;
    for form in forms() {
        let deep = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
        let lone = [r#"{"a":"\ud800"}"#, r#"{"\udc00":1}"#, r#"{"a":"\ud83d\u0041"}"#];
        let broken = ["", "{", "null", "[]", "7", "\"x\"", "{\"a\":1}{", "{'a':1}", "{\"a\":NaN}", "\u{feff}{}"];
        for body in broken.into_iter().chain(lone).map(str::to_owned).chain([deep(200), deep(20_000)]) {
            let answer = send(&world, &form, body.clone()).await;
            let what = body.chars().take(40).collect::<String>();
            is_refused(&answer, 400, "invalid_json", None, &format!("{} {what}", form.path));
        }
        // Within what JSON parsers read, it is a field like any other.
        let answer = send(&world, &form, deep(100)).await;
        is_refused(&answer, 422, "unknown_field", Some("a"), &form.path);
        for filler in ["x".repeat(65_537), "é".repeat(40_000), format!("\"{}\"", "\\u0000".repeat(11_000))] {
            let answer = send(&world, &form, json!({ "note": filler }).to_string()).await;
            is_refused(&answer, 413, "body_too_large", None, &form.path);
        }
    }
    assert_eq!(items(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_that_can_be_thought_up_makes_a_request_fail() {
    let world = World::new().await;
    let mut runner = TestRunner::deterministic();
    let texts = any::<String>();
    for form in forms() {
        for (field, _) in fields(form.schema, "").into_iter().filter(|(_, schema)| types(schema).contains(&"string")) {
            for _ in 0..4 {
                let text = texts.new_tree(&mut runner).unwrap().current();
                // With a field that nobody knows, so that nothing is done even where the text is good.
                let mut body = with(&form, &field, json!(text));
                body["memo"] = json!(1);
                let answer = send(&world, &form, body.to_string()).await;
                let what = format!("{} {field}: {text:?}", form.path);
                assert_eq!(answer.status, 422, "{what}: {}", answer.body);
            }
        }
    }
}
