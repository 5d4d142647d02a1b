//! Texts: whatever anybody may think up is refused by its field or taken as it is.

use proptest::prelude::{Strategy, any};
use proptest::strategy::Just;
use proptest::test_runner::{Config, TestRunner};
use proptest::{collection, prop_oneof, sample};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::stage::{Form, Stage};
use super::walk::{Field, Place};
use super::{is_refused, refuses_form};

/// Draws for one field; `PROPTEST_CASES` says otherwise.
const DRAWS: u32 = 12;

/// Every eighth control character, from the `number`th on: of eight fields, all.
fn controls(number: usize) -> impl Iterator<Item = String> {
    let all = (0..0x20).chain(0x7f..0xa0).filter_map(char::from_u32);
    all.skip(number % 8).step_by(8).map(|c| format!("a{c}b"))
}

/// Texts that no text field takes: too long for any, blank, or with control characters.
fn bad_texts() -> Vec<String> {
    let some = ["\u{0}", "a\n"].map(str::to_owned);
    let huge = ["x".repeat(3_000), "👩‍👩‍👧‍👦".repeat(200), "\u{202e}א".repeat(800)];
    some.into_iter().chain(huge).chain(["".to_owned(), "\u{3000} ".to_owned()]).collect()
}

fn fields(form: &Form) -> Vec<Field> {
    form.fields().into_iter().filter(|field| field.takes("string")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_that_is_huge_blank_or_has_control_characters_is_refused_by_its_field_and_nothing_is_written() {
    let stage = Stage::new().await;
    let before = stage.written().await;
    for form in stage.forms() {
        for (number, field) in fields(&form).into_iter().enumerate() {
            for text in bad_texts().into_iter().chain(controls(number)) {
                let answer = stage.send(&form, form.with(&field, json!(text)).to_string()).await;
                let what = format!("{} {field:?}: {text:?}", form.path());
                is_refused(&answer, 422, "invalid_field", Some(&field.name()), &what);
            }
        }
    }
    stage.is_as(&before).await;
}

/// Pieces that somebody takes for something else: marks that turn the direction or do not show, escapes of one layer or
/// another, ends of strings, paths and names of ours.
const PIECES: [&str; 32] = [
    "\u{0}",
    "\u{1b}[31m",
    "\r\n",
    "\u{7f}",
    "\u{85}",
    "\u{202e}",
    "\u{2066}",
    "\u{200f}",
    "\u{feff}",
    "\u{200d}",
    "\u{ad}",
    "\\ud800",
    "\\udc00\\ud800",
    "\\u0000",
    "%00",
    "%ed%a0%80",
    "&#0;",
    "\u{fffd}",
    "\u{ffff}",
    "\u{10ffff}",
    "\u{e000}",
    "e\u{301}",
    "👩‍👩‍👧‍👦",
    "ﬁ",
    "İ",
    "\"",
    "'",
    "\\",
    "../",
    "#",
    "{}",
    "system:",
];

/// Any text, of any length, alone and in the midst of a good one.
fn texts(good: String) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        sample::select(PIECES.as_slice()).prop_map(str::to_owned),
        any::<String>(),
    ];
    let odd = prop_oneof![
        3 => collection::vec(piece.clone(), 0..8).prop_map(|pieces| pieces.concat()),
        1 => (piece, 0_usize..3_000).prop_map(|(piece, times)| piece.repeat(times.min(9_000 / piece.len().max(1)))),
    ];
    let good = Just(good);
    prop_oneof![
        odd.clone(),
        (good, odd, any::<sample::Index>()).prop_map(|(good, odd, at)| {
            let places: Vec<usize> = good.char_indices().map(|(place, _)| place).chain([good.len()]).collect();
            let (before, after) = good.split_at(*at.get(&places));
            format!("{before}{odd}{after}")
        }),
    ]
}

/// What stands in the good body, if anything does.
fn good(form: &Form, field: &Field) -> String {
    let body = form.about(&field.path, &json!("x"));
    let there = body.pointer(&format!("/{}", field.path.join("/"))).and_then(Value::as_str);
    there.unwrap_or("x").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_that_can_be_thought_up_makes_a_request_fail() {
    let stage = Stage::new().await;
    let cases = std::env::var("PROPTEST_CASES").map_or(DRAWS, |count| count.parse().unwrap());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    for form in stage.forms() {
        for field in fields(&form) {
            let mut runner = TestRunner::new(config.clone());
            let drawn = tokio::task::block_in_place(|| {
                runner.run(&texts(good(&form, &field)), |text| {
                    Handle::current().block_on(is_taken_or_named(&stage, &form, &field, &text));
                    Ok(())
                })
            });
            drawn.unwrap_or_else(|fault| panic!("{} {}: {fault}", form.path(), field.name()));
        }
    }
}

/// It is refused for this field, or for what is behind the form; or it is taken, and then it is as it was sent.
async fn is_taken_or_named(stage: &Stage, form: &Form, field: &Field, text: &str) {
    let answer = stage.send(form, form.with(field, json!(text)).to_string()).await;
    let what = format!("{} {field:?}: {text:?}", form.path());
    let is_refused = refuses_form(&answer, &field.name(), &what);
    let is_shown = ["/invoices", "/payments", "/tenant"].contains(&form.path()) && field.place == Place::Itself;
    if !is_refused && answer.status < 300 && is_shown {
        let shown = answer.body.pointer(&format!("/{}", field.path.join("/"))).and_then(Value::as_str);
        assert!(shown.is_none_or(|shown| shown == text), "{what}: {}", answer.body);
    }
}
