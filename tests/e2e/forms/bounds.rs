//! The parsers take what the document says, to its very bounds, and nothing beyond them.

use serde_json::{Value, json};

use super::edges::{Edges, currencies};
use super::stage::{Form, Stage};
use super::walk::{Field, Place, substance};
use super::{is_refused, refuses_form};

/// How a text begins where the document says so in words only: what one gateway's ids look like, pages, addresses.
fn begins(field: &Field) -> &'static str {
    match field.path.last().unwrap().as_str() {
        "reference" => "pm_",
        "return_url" | "cancel_url" => "https://example.com/",
        "email" | "alert_email" | "paypal_email" => "a@",
        _ => "",
    }
}

/// What is taken where not all that fits the schema is: the names are those of a list that others keep, or the days of a
/// calendar, or no address in a path could have them.
fn named(form: &Form, field: &Field, good: Vec<Value>) -> Vec<Value> {
    let name = field.path.last().unwrap().as_str();
    match (name, field.place) {
        ("currency", _) | (_, Place::Name) => currencies().into_iter().step_by(40).map(Value::from).collect(),
        ("timezone", _) => ["Europe/Paris", "UTC", "America/Argentina/ComodRivadavia"].map(Value::from).into(),
        ("scheduled_date", _) if form.path() == "/payments" => ["immediate", "2026-02-28"].map(Value::from).into(),
        ("approved_by", _) => {
            good.into_iter().filter(|id| !id.as_str().unwrap().contains(['/', '\\', '?', '#', '%'])).collect()
        }
        _ => good,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_within_the_documents_bounds_is_taken() {
    let stage = Stage::new().await;
    for form in stage.forms() {
        for field in form.fields() {
            let good = named(&form, &field, Edges::of(field.schema, begins(&field)).good);
            for value in good {
                let answer = stage.send(&form, form.with(&field, value.clone()).to_string()).await;
                let what = format!("{} {field:?}: {value}", form.path());
                assert!(!refuses_form(&answer, &field.name(), &what), "{what}: {}", answer.body);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_beyond_the_documents_bounds_is_refused_by_its_field_and_nothing_is_written() {
    let stage = Stage::new().await;
    let before = stage.written().await;
    for form in stage.forms() {
        for field in form.fields() {
            for value in Edges::of(field.schema, begins(&field)).bad {
                let answer = stage.send(&form, form.with(&field, value.clone()).to_string()).await;
                let what = format!("{} {field:?}: {value}", form.path());
                is_refused(&answer, 422, "invalid_field", Some(&field.name()), &what);
            }
        }
    }
    stage.is_as(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn null_is_taken_where_the_document_says_so_and_nowhere_else() {
    let stage = Stage::new().await;
    let mut taken = 0;
    for form in stage.forms() {
        for field in form.fields().iter().filter(|field| field.place != Place::Name) {
            let answer = stage.send(&form, form.with(field, Value::Null).to_string()).await;
            let what = format!("{} {field:?}", form.path());
            let is_refused = refuses_form(&answer, &field.name(), &what);
            if field.takes("null") {
                // It may be missed all the same, as if it were not there.
                assert!(!answer.codes().contains(&"invalid_field"), "{what}: {}", answer.body);
                taken += 1;
            } else {
                assert!(is_refused, "{what}: {}", answer.body);
            }
        }
    }
    assert!(taken > 40, "only {taken} fields take null");
}

/// JSON Schema counts characters, and the bounds of texts are bytes: what items and gateways' fields hold.
#[tokio::test(flavor = "multi_thread")]
async fn the_bounds_of_texts_are_bytes() {
    let stage = Stage::new().await;
    let mut tried = 0;
    for form in stage.forms() {
        for field in form.fields() {
            let Some(most) = substance(field.schema)["maxLength"].as_u64() else { continue };
            let name = field.path.last().unwrap().as_str();
            // Those are in ASCII.
            if ["reference", "return_url", "cancel_url", "timezone"].contains(&name) {
                continue;
            }
            let most = usize::try_from(most).unwrap();
            let of = |bytes: usize| {
                let rest = bytes - begins(&field).len();
                json!(format!("{}{}{}", begins(&field), "é".repeat(rest / 2), "a".repeat(rest % 2)))
            };
            let taken = stage.send(&form, form.with(&field, of(most)).to_string()).await;
            let what = format!("{} {field:?}", form.path());
            assert!(!refuses_form(&taken, &field.name(), &what), "{what}: {}", taken.body);
            let refused = stage.send(&form, form.with(&field, of(most + 1)).to_string()).await;
            is_refused(&refused, 422, "invalid_field", Some(&field.name()), &what);
            tried += 1;
        }
    }
    assert!(tried > 15, "only {tried} texts were tried");
}

/// Lists that others keep, calendars, what a gateway's ids look like, what changes meaning in a path.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_document_says_in_words_only_is_refused_by_its_field_too() {
    let stage = Stage::new().await;
    let before = stage.written().await;
    let bad = [
        ("currency", json!("ZZZ")),
        ("currency", json!("XAU")),
        ("second_approval_above", json!({ "ZZZ": 1 })),
        ("approval_limits", json!({ "ZZZ": 1 })),
        ("approval_limits", json!({ "*": 1 })),
        ("approved_by", json!("a/b")),
        ("timezone", json!("Mars/Base")),
        ("scheduled_date", json!("2026-02-30")),
        ("reference", json!("tok_visa")),
        ("return_url", json!("http://example.com/")),
        ("cancel_url", json!("javascript:alert(1)")),
    ];
    let forms = stage.forms();
    for (name, value) in bad {
        let mut tried = 0;
        for (form, field) in forms.iter().flat_map(|form| form.fields().into_iter().map(move |field| (form, field))) {
            if field.place == Place::Itself && field.name() == name {
                let answer = stage.send(form, form.with(&field, value.clone()).to_string()).await;
                is_refused(&answer, 422, "invalid_field", Some(name), &format!("{} {name}: {value}", form.path()));
                tried += 1;
            }
        }
        assert!(tried > 0, "{name}");
    }
    stage.is_as(&before).await;
}
