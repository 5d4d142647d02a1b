//! The document and the parsers know the same fields. The parsers' own words are tried: whatever stands between quotes in
//! their sources and looks like a name. A parser that does not refuse one as unknown knows it.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use shared::api::card_data;

use super::document::{Operation, operations};
use crate::card_data::{is_name, sources};
use crate::forms::walk;
use crate::world::World;

/// Every word that could be a field's name.
fn words() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = sources(&root.join("functions")).into_iter().chain(sources(&root.join("shared/src/api")));
    let texts: Vec<String> = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let words = texts.iter().flat_map(|text| text.split('"')).filter(|word| is_name(word));
    let words = words.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
    let words = words.filter(|word| !card_data::is_account_field(word) && !card_data::is_in(word));
    let words: BTreeSet<String> = words.map(str::to_owned).collect();
    words.into_iter().collect()
}

/// An object with all the words, each with a value that no field takes.
fn object(words: &[String]) -> Value {
    words.iter().map(|word| (word.clone(), json!([[]]))).collect()
}

/// The words under `path` that are known.
async fn known(world: &World, operation: &Operation, words: &[String], path: &str, body: &Value) -> BTreeSet<String> {
    let at = walk::filled(&operation.path);
    let method: Method = operation.method.parse().unwrap();
    let answer = world.admin().send(method, &at, Some("words"), Some(body)).await.unwrap();
    assert_eq!(answer.status, 422, "{at}: {}", answer.body);
    let errors = answer.body["errors"].as_array().unwrap();
    let unknown: BTreeSet<&str> = errors
        .iter()
        .filter(|error| error["code"] == json!("unknown_field"))
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    words.iter().filter(|word| !unknown.contains(format!("{path}{word}").as_str())).cloned().collect()
}

/// A body in which `inner` stands at `path`.
fn at(path: &[String], inner: Value) -> Value {
    path.iter().rev().fold(inner, |inner, name| json!({ name: inner }))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_that_a_request_knows_is_in_the_document_and_none_that_it_does_not_know() {
    let world = World::new().await;
    let words = words();
    let mut objects = 0;
    for operation in operations() {
        let content = operation.entry["requestBody"].pointer("/content/application~1json/schema");
        let Some(schema) = content.filter(|_| !operation.path.starts_with("/webhooks")) else { continue };
        for described in walk::objects(schema) {
            let body = at(&described.path, object(&words));
            let path: String = described.path.iter().map(|name| format!("{name}.")).collect();
            let known = known(&world, &operation, &words, &path, &body).await;
            assert_eq!(known, described.names(), "{} {} {path}", operation.method, operation.path);
            objects += 1;
        }
    }
    assert!(objects > 25, "only {objects} objects were tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_parameter_of_a_list_is_in_the_document_and_none_that_it_does_not_know() {
    let world = World::new().await;
    let words = words();
    for operation in operations().into_iter().filter(|one| one.method == "GET") {
        let parameters = operation.entry["parameters"].as_array();
        let query = parameters.into_iter().flatten().filter(|one| one["in"] == json!("query"));
        let described: BTreeSet<String> = query.map(|one| one["name"].as_str().unwrap().to_owned()).collect();
        if described.is_empty() {
            continue;
        }
        let query: Vec<String> = words.iter().map(|word| format!("{word}=")).collect();
        let at = format!("{}?{}", operation.path, query.join("&"));
        let answer = world.admin().get(&at).await.unwrap();
        let errors = answer.body["errors"].as_array().unwrap_or_else(|| panic!("{at}: {}", answer.body));
        let unknown: BTreeSet<&str> = errors
            .iter()
            .filter(|error| error["code"] == json!("unknown_field"))
            .map(|error| error["field"].as_str().unwrap())
            .collect();
        let known: BTreeSet<String> = words.iter().filter(|word| !unknown.contains(word.as_str())).cloned().collect();
        assert_eq!(known, described, "{}", operation.path);
    }
}
