//! The OpenAPI document: it is pinned, has every route and nothing else, knows every field that the parsers know, and has
//! the requests and answers of a play as its examples.

pub mod document;
mod fields;
mod mask;
mod play;

use std::collections::BTreeSet;

use serde_json::Value;
use shared::policy::refusal::Code;

use self::document::{DOCUMENT, operations, resolved};
use crate::routes;
use crate::world::World;

#[test]
fn the_document_is_the_one_that_is_written_down() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == local::openapi::text(),
        "docs/openapi.json is not what the code says. See what changed:\n\n  cargo run -- openapi > docs/openapi.json && git diff docs/openapi.json"
    );
}

#[test]
fn the_document_has_the_routes_of_the_functions_and_no_other() {
    let line = |method: &str, path: &str| format!("{method} {path}");
    let described: BTreeSet<String> = operations().iter().map(|one| line(&one.method, &one.path)).collect();
    let routed = routes::all().into_iter().map(|(_, route)| route).chain(webhook::routes());
    let routed: BTreeSet<String> = routed.map(|route| line(route.method, route.path)).collect();
    assert_eq!(described, routed);
}

#[test]
fn every_code_is_among_the_answers_of_an_operation_under_its_status() {
    let mut told = BTreeSet::new();
    for operation in operations() {
        for (status, response) in operation.entry["responses"].as_object().unwrap() {
            let codes =
                resolved(response).pointer("/content/application~1problem+json/schema/allOf/1/properties/code/enum");
            for code in codes.and_then(Value::as_array).into_iter().flatten() {
                told.insert(format!("{status} {}", code.as_str().unwrap()));
            }
        }
    }
    let all: BTreeSet<String> = Code::ALL.iter().map(|code| format!("{} {}", code.status(), code.as_str())).collect();
    assert_eq!(told, all);
}

#[test]
fn every_operation_has_an_example_of_what_it_takes_and_of_what_it_answers() {
    let has_example = |content: &Value| {
        content.as_object().is_some_and(|content| content.values().any(|one| one["examples"].is_object()))
    };
    for operation in operations() {
        let (entry, id) = (operation.entry, &operation.entry["operationId"]);
        let body = &entry["requestBody"];
        assert!(body.is_null() || has_example(&body["content"]), "{id} has no example of a body");
        let mut good = entry["responses"].as_object().unwrap().iter().filter(|(status, _)| status.starts_with('2'));
        assert!(
            good.any(|(status, answer)| status == "204" || has_example(&resolved(answer)["content"])),
            "{id} has no example of what it answers when it does what was asked"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stack_serves_the_document_and_a_page_that_needs_nothing_else() {
    let world = World::empty(|_| {}).await;
    let get = async |path: &str| {
        world.stack.http.get(format!("{}{path}", world.stack.urls.api)).send().await.unwrap().text().await.unwrap()
    };
    assert_eq!(serde_json::from_str::<Value>(&get("/openapi.json").await).unwrap(), *DOCUMENT);
    let page = get("/docs").await;
    assert!(page.contains("\"operationId\": \"create_payment\""));
    for outside in ["src=", "href=\"http", "@import", "url(", "fetch("] {
        assert!(!page.contains(outside), "the page asks for something: {outside}");
    }
}
