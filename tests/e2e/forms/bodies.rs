//! Bodies: fields that are unknown, missing, of the wrong type or nested too deep, and bodies that are none.

use serde_json::{Value, json};

use super::is_refused;
use super::stage::{Form, Stage};
use super::walk::{Field, Place, objects, put, remove};

/// Values that no field of this schema takes.
fn wrong(field: &Field) -> Vec<Value> {
    let of = [
        ("string", json!("x")),
        ("integer", json!(7)),
        ("integer", json!(1.5)),
        ("boolean", json!(true)),
        ("array", json!([])),
        ("array", json!([{}])),
        ("object", json!({})),
    ];
    let mut wrong: Vec<Value> = of.into_iter().filter(|(of, _)| !field.takes(of)).map(|(_, value)| value).collect();
    if field.takes("integer") {
        wrong.extend([json!(-1), json!(i64::MAX), json!(u64::MAX), json!(1.0), json!(1e300)]);
    }
    if field.takes("array") {
        wrong.extend([json!([{}]), json!([[]])]);
    }
    // Of a field itself it is as good as none.
    if field.place != Place::Itself && !field.takes("null") {
        wrong.push(Value::Null);
    }
    wrong
}

/// Names that no form knows, each as a refusal repeats it: without what does not show, and not all of it.
fn unknown() -> Vec<(String, String)> {
    let plain = ["memo", "Amount", "amount ", "__proto__", "", "ключ", "👛", "\u{202e}di", "a.b", "amount.x", "*"];
    let mut names: Vec<(String, String)> = plain.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect();
    names.push(("a\u{0}\u{1b}b\u{85}".to_owned(), "ab".to_owned()));
    names.push(("x".repeat(3_000), "x".repeat(64)));
    names.push(("👛".repeat(1_000), "👛".repeat(64)));
    names
}

/// Lists in lists, and objects in objects.
fn deep(levels: usize) -> [String; 2] {
    ["[", "{\"a\":"].map(|open| {
        let close = if open == "[" { "]" } else { "}" };
        format!("{}1{}", open.repeat(levels), close.repeat(levels))
    })
}

/// A good body with a text of JSON where the field is.
fn with_text(form: &Form, field: &Field, text: &str) -> String {
    form.with(field, json!("HERE")).to_string().replace("\"HERE\"", text)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_that_is_unknown_is_named_and_nothing_is_written() {
    let stage = Stage::new().await;
    let before = stage.written().await;
    for form in stage.forms() {
        for object in objects(form.schema) {
            for (name, told) in unknown() {
                let path = [object.path.as_slice(), &[name]].concat();
                let mut body = form.about(&path, &json!(1));
                put(&mut body, &path, json!(1));
                let told: Vec<&str> = object.path.iter().map(String::as_str).chain([told.as_str()]).collect();
                let answer = stage.send(&form, body.to_string()).await;
                let what = format!("{} {told:?}", form.path());
                is_unknown(&answer, &told.join("."), &object.path, &what);
            }
        }
    }
    stage.is_as(&before).await;
}

/// In an object that was not there before, what it requires is missing too.
#[track_caller]
fn is_unknown(answer: &local::client::Answer, name: &str, object: &[String], what: &str) {
    assert_eq!(answer.status, 422, "{what}: {}", answer.body);
    let errors = answer.body["errors"].as_array().unwrap();
    let is_it = |error: &Value| (&error["code"], &error["field"]) == (&json!("unknown_field"), &json!(name));
    let within = |error: &Value| {
        error["code"] == json!("missing_field")
            && error["field"].as_str().unwrap().starts_with(&format!("{}.", object.join(".")))
    };
    assert!(errors.iter().any(is_it), "{what}: {}", answer.body);
    assert!(errors.iter().all(|error| is_it(error) || within(error)), "{what}: {}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_that_is_missing_is_named_and_nothing_is_written() {
    let stage = Stage::new().await;
    let before = stage.written().await;
    let mut tried = 0;
    for form in stage.forms() {
        let required = form.fields().into_iter().filter(|field| field.required).map(|field| field.path);
        let of_form = required.map(|path| (form.about(&path, &json!(1)), path));
        let pays = matches!(form.path(), "/payments" | "/scheduled-payments");
        let names = ["amount", "currency", "kind", "counterparty", "description"].into_iter().filter(|_| pays);
        let of_new = names.map(|name| (form.without_invoice(), vec![name.to_owned()]));
        for (good, path) in of_form.chain(of_new).collect::<Vec<_>>() {
            let (mut without, mut null) = (good.clone(), good);
            remove(&mut without, &path);
            put(&mut null, &path, Value::Null);
            for body in [without, null] {
                let answer = stage.send(&form, body.to_string()).await;
                let name = path.join(".");
                is_refused(&answer, 422, "missing_field", Some(&name), &format!("{}: {body}", form.path()));
            }
            tried += 1;
        }
    }
    // At the top, in counterparties, and without an invoice.
    assert!(tried > 30, "only {tried} fields were missed");
    stage.is_as(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_the_wrong_type_is_named_and_nothing_is_written() {
    let stage = Stage::new().await;
    let before = stage.written().await;
    for form in stage.forms() {
        for field in form.fields().iter().filter(|field| field.place != Place::Name) {
            for value in wrong(field) {
                let answer = stage.send(&form, form.with(field, value.clone()).to_string()).await;
                let what = format!("{} {field:?}: {value}", form.path());
                is_refused(&answer, 422, "invalid_field", Some(&field.name()), &what);
            }
        }
    }
    stage.is_as(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_that_is_nested_too_deep_is_named_and_nothing_is_written() {
    let stage = Stage::new().await;
    let before = stage.written().await;
    for form in stage.forms() {
        for (number, field) in form.fields().iter().filter(|field| field.place != Place::Name).enumerate() {
            for text in deep(100) {
                let answer = stage.send(&form, with_text(&form, field, &text)).await;
                let what = format!("{} {field:?}: {}", form.path(), &text[..10]);
                // An object of ours has no member of that name.
                let is_object =
                    field.place == Place::Itself && objects(form.schema).iter().any(|one| one.path == field.path);
                if is_object && text.starts_with('{') {
                    is_unknown(&answer, &format!("{}.a", field.name()), &field.path, &what);
                } else {
                    is_refused(&answer, 422, "invalid_field", Some(&field.name()), &what);
                }
            }
            // From the 128th level on nothing is read: the parser ends there, before any field has a value, and what it
            // says about the place is where in the text it ended. One field is as good as another.
            for text in deep(200).iter().filter(|_| number == 0) {
                let answer = stage.send(&form, with_text(&form, field, text)).await;
                is_refused(&answer, 400, "invalid_json", None, &format!("{} {field:?}", form.path()));
                assert!(answer.body["detail"].as_str().unwrap().contains("line 1, column"), "{}", answer.body);
            }
        }
    }
    stage.is_as(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large_too_deep_or_no_objects_are_refused_and_nothing_is_written() {
    let stage = Stage::new().await;
    let before = stage.written().await;
    for form in stage.forms() {
        let lone = [r#"{"a":"\ud800"}"#, r#"{"\udc00":1}"#, r#"{"a":"\ud83d\u0041"}"#];
        let broken = ["{", "null", "[]", "7", "\"x\"", "{\"a\":1}{", "{'a':1}", "{\"a\":NaN}", "\u{feff}{}", " "];
        // Where a form may be empty, nothing at all is good.
        let nothing = (!form.fields().is_empty()).then_some("");
        let deepest = [200, 20_000, 60_000].into_iter().map(|levels| "[".repeat(levels));
        for body in broken.into_iter().chain(lone).chain(nothing).map(str::to_owned).chain(deepest) {
            let answer = stage.send(&form, body.clone()).await;
            let what = body.chars().take(40).collect::<String>();
            is_refused(&answer, 400, "invalid_json", None, &format!("{} {what}", form.path()));
        }
        for text in deep(100) {
            // Within what JSON parsers read, it is a field like any other.
            let answer = stage.send(&form, format!("{{\"a\":{text}}}")).await;
            let errors = answer.body["errors"].as_array().unwrap();
            let named = json!(["unknown_field", "a"]);
            assert!(errors.iter().any(|one| json!([one["code"], one["field"]]) == named), "{}", answer.body);
        }
        for filler in ["x".repeat(65_537), "é".repeat(40_000), format!("\"{}\"", "\\u0000".repeat(11_000))] {
            let answer = stage.send(&form, json!({ "note": filler }).to_string()).await;
            is_refused(&answer, 413, "body_too_large", None, form.path());
        }
    }
    stage.is_as(&before).await;
}
