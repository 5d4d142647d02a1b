//! The OpenAPI document as a judge: of every answer that the tests get, whether its status, its media type and its body
//! are described for its route, with no member that is not.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use local::client::Answer;
use reqwest::Method;
use serde_json::{Value, json};

/// The document.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&local::openapi::text()).unwrap());

/// What judges a body, by method, path, status and media type.
type Answers = HashMap<(String, String, u16, String), Validator>;
static ANSWERS: LazyLock<Answers> = LazyLock::new(answers);

/// One operation.
pub struct Operation {
    pub method: String,
    pub path: String,
    /// Its entry.
    pub entry: &'static Value,
}

/// Every operation of the document.
pub fn operations() -> Vec<Operation> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &'static Value)| {
        let path = path.clone();
        item.as_object().unwrap().iter().map(move |(method, entry)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            entry,
        })
    };
    paths.iter().flat_map(of).collect()
}

/// What judges values of a schema.
pub fn judge(schema: &Value) -> Validator {
    // References lead into the document.
    let mut schema = schema.clone();
    schema["components"] = json!({ "schemas": DOCUMENT["components"]["schemas"] });
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

/// What a reference leads to, if it is one.
pub fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(place) => DOCUMENT.pointer(place.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

fn answers() -> Answers {
    let mut answers = HashMap::new();
    for operation in operations() {
        for (status, response) in operation.entry["responses"].as_object().unwrap() {
            let status: u16 = status.parse().unwrap();
            let content = resolved(response)["content"].as_object();
            for (media, content) in content.into_iter().flatten() {
                let key = (operation.method.clone(), operation.path.clone(), status, media.clone());
                answers.insert(key, judge(&content["schema"]));
            }
            if content.is_none() {
                let key = (operation.method.clone(), operation.path.clone(), status, String::new());
                answers.insert(key, judge(&json!({ "type": "null" })));
            }
        }
    }
    answers
}

/// The path of the document that a request's path is one of; names win over parameters.
pub fn route(method: &str, path: &str) -> Option<String> {
    let path = path.split('?').next().unwrap();
    let fits = |of: &str| {
        of.split('/').count() == path.split('/').count()
            && of.split('/').zip(path.split('/')).all(|(of, is)| (of.starts_with('{') && !is.is_empty()) || of == is)
    };
    let found = operations().into_iter().filter(|one| one.method == method && fits(&one.path));
    found.map(|one| one.path).min_by_key(|path| path.matches('{').count())
}

/// The answer is one that the document describes.
#[track_caller]
pub fn holds(method: &Method, path: &str, answer: &Answer) {
    let Some(route) = route(method.as_str(), path) else {
        assert!(answer.status == 404, "{method} {path} is in no document, and answers {}", answer.status);
        return;
    };
    let media = answer.headers.get("content-type").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let what = format!("{method} {route} {} {media}", answer.status);
    let described = &DOCUMENT["paths"][&route][method.as_str().to_lowercase()]["responses"][answer.status.to_string()];
    for header in ["idempotent-replayed", "retry-after"].into_iter().filter(|name| answer.headers.contains_key(*name)) {
        assert!(
            resolved(described)["headers"][header].is_object(),
            "{what} has a header {header} that is in no document"
        );
    }
    let judge = ANSWERS.get(&(method.to_string(), route, answer.status, media));
    let judge = judge.unwrap_or_else(|| panic!("{what} is not in the document: {}", answer.body));
    let faults: Vec<String> =
        judge.iter_errors(&answer.body).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{what} is not as the document says: {faults:#?}\n{}", answer.body);
}
