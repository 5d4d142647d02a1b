//! The page of the interface (`/docs`) in a real browser: all of the document is drawn, and from nowhere else.

use std::collections::BTreeSet;

use local::openapi::DOCS;
use local::stack::{Options, Stack};
use serde_json::{Value, json};

use super::driver::Browser;
use crate::openapi::document::{DOCUMENT, operations};

/// The ids of the sections of operations, in the order of the page.
const DRAWN: &str = "return [...document.querySelectorAll('section.operation')].map((part) => part.id)";
/// Tables without a caption or without a head of header cells.
const BARE: &str = "return [...document.querySelectorAll('table')]
    .filter((table) => !table.caption?.textContent.trim() || !table.querySelector('thead th[scope=col]'))
    .map((table) => table.closest('section').id)";
/// How far below the top of the window what the address names begins.
const BELOW: &str = "return document.getElementById(location.hash.slice(1)).getBoundingClientRect().top";
/// The names of fields, parameters and headers that nothing is said of.
const WORDLESS: &str = "return [...document.querySelectorAll('tbody tr')]
    .filter((row) => !row.cells[1].firstChild.textContent.trim()).map((row) => row.cells[0].textContent)";
/// What the tables say of each.
const FORMS: &str = "return [...document.querySelectorAll('tbody td')].map((cell) => cell.textContent)";

fn strings(of: Value) -> Vec<String> {
    serde_json::from_value(of).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: tests/browser runs them"]
async fn the_interface_is_drawn_whole_from_the_document_alone() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let page = format!("{}{DOCS}", stack.urls.api);
    let browser = Browser::start().await;
    // What the browser's own first page asks for is not ours.
    browser.go("about:blank").await;
    browser.requested().await;
    browser.go(&page).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());

    let ids: Vec<String> = operations().iter().map(|of| of.entry["operationId"].as_str().unwrap().to_owned()).collect();
    let drawn = strings(browser.run(DRAWN).await);
    assert_eq!(drawn.len(), ids.len(), "{drawn:?}");
    assert_eq!(BTreeSet::from_iter(&drawn), BTreeSet::from_iter(&ids));
    assert_eq!(browser.run(BARE).await, json!([]), "tables without a caption or header cells");

    // An address that names an operation shows it: the last is furthest away.
    let far = drawn.last().unwrap();
    browser.go("about:blank").await;
    browser.go(&format!("{page}#{far}")).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    let below = browser.run(BELOW).await.as_f64().unwrap();
    assert!((0.0..200.0).contains(&below), "{far} begins {below} pixels below the top of the window");

    let elsewhere = |url: &String| url.contains("://") && !url.starts_with(&format!("{}/", stack.urls.api));
    let requested = browser.requested().await;
    assert!(requested.contains(&page), "{requested:?}");
    assert_eq!(requested.iter().filter(|url| elsewhere(url)).collect::<Vec<_>>(), Vec::<&String>::new());
    browser.quit().await;
}

/// The limits that a part of the document sets, as the page words them, wherever in a schema they are: on an entry of a
/// list, on the names of a map, behind a reference.
fn limits(part: &Value, found: &mut BTreeSet<String>) {
    if let Some(pattern) = part["pattern"].as_str() {
        found.insert(pattern.to_owned());
    }
    for (least, most, unit) in [("minimum", "maximum", ""), ("minItems", "maxItems", " entries")] {
        if part[least].is_i64() && part[most].is_i64() {
            found.insert(format!("{} to {}{unit}", part[least], part[most]));
        }
    }
    if let Some(most) = part["maxProperties"].as_i64() {
        found.insert(format!("at most {most} entries"));
    }
    let members = part.as_object().into_iter().flat_map(|object| object.values());
    members.chain(part.as_array().into_iter().flatten()).for_each(|inner| limits(inner, found));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: tests/browser runs them"]
async fn every_field_has_words_and_every_limit_is_drawn() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let browser = Browser::start().await;
    browser.go(&format!("{}{DOCS}", stack.urls.api)).await;
    assert_eq!(browser.run(WORDLESS).await, json!([]), "fields that nothing is said of");

    let mut set = BTreeSet::new();
    limits(&DOCUMENT["components"]["schemas"], &mut set);
    assert!(set.len() > 20, "{set:?}");
    for operation in operations() {
        for parameter in operation.entry["parameters"].as_array().into_iter().flatten() {
            let example = parameter["example"].as_str().map(|example| format!("Example: {example}"));
            set.extend(example);
        }
    }
    let forms = strings(browser.run(FORMS).await).concat();
    let missing: Vec<&String> = set.iter().filter(|limit| !forms.contains(*limit)).collect();
    assert_eq!(missing, Vec::<&String>::new());
    browser.quit().await;
}
