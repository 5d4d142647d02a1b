//! What a schema of the document takes to its very bounds, and what is one beyond them.

use proptest::strategy::{Strategy, ValueTree};
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use shared::money::Currency;

use super::walk::substance;
use crate::openapi::document::judge;

/// The codes of currencies.
pub fn currencies() -> Vec<String> {
    let letters = || 'A'..='Z';
    let codes = letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))));
    codes.filter(|code| code.parse::<Currency>().is_ok()).collect()
}

/// What is taken and what is not.
pub struct Edges {
    pub good: Vec<Value>,
    pub bad: Vec<Value>,
}

impl Edges {
    /// Of a schema. `begins`: how a text of it begins, where the document says so in words.
    pub fn of(schema: &'static Value, begins: &str) -> Self {
        let inner = substance(schema);
        if inner["properties"].is_object() {
            return Self { good: Vec::new(), bad: Vec::new() };
        }
        let edges = match inner {
            one if one["enum"].is_array() => choices(one),
            one if one["items"].is_object() => lists(one),
            one if one["additionalProperties"].is_object() => maps(one),
            one if one["format"] == json!("date") => dates(),
            one => match one["type"].as_str().or_else(|| one["type"][0].as_str()).unwrap() {
                "integer" => integers(one),
                "boolean" => Self { good: vec![json!(true), json!(false)], bad: vec![json!("true"), json!(1)] },
                _ => texts(one, begins),
            },
        };
        let judge = judge(schema);
        for good in &edges.good {
            assert!(judge.is_valid(good), "{inner}: {good}");
        }
        for bad in &edges.bad {
            assert!(!judge.is_valid(bad), "{inner}: {bad}");
        }
        edges
    }
}

fn choices(schema: &Value) -> Edges {
    let good: Vec<Value> = schema["enum"].as_array().unwrap().iter().filter(|word| !word.is_null()).cloned().collect();
    let spoiled = |word: &Value| {
        let word = word.as_str().unwrap();
        [word.to_uppercase(), format!("{word} "), format!("{word}\u{0}"), word[1..].to_owned()].map(Value::from)
    };
    Edges { bad: good.iter().flat_map(spoiled).collect(), good }
}

fn integers(schema: &Value) -> Edges {
    let least = schema["minimum"].as_i64().unwrap();
    let mut edges = Edges { good: vec![json!(least)], bad: vec![json!(least - 1), json!(i64::MIN)] };
    if let Some(most) = schema["maximum"].as_i64() {
        edges.good.push(json!(most));
        edges.bad.extend([json!(most + 1), json!(i64::MAX)]);
    }
    edges
}

fn dates() -> Edges {
    let bad = ["2026-02-30", "2026-2-03", "20260203", "2026-02-03T00:00:00Z", "26-02-03", "2026-02-03 ", "2026-13-01"];
    Edges { good: vec![json!("2026-02-28"), json!("2028-02-29")], bad: bad.into_iter().map(Value::from).collect() }
}

fn lists(schema: &'static Value) -> Edges {
    let item = Edges::of(&schema["items"], "").good.remove(0);
    let of = |count: u64| Value::Array(vec![item.clone(); usize::try_from(count).unwrap()]);
    let [least, most] = ["minItems", "maxItems"].map(|bound| schema[bound].as_u64().unwrap());
    Edges {
        good: vec![of(least), of(most)],
        bad: [of(most + 1)].into_iter().chain(least.checked_sub(1).map(of)).collect(),
    }
}

fn maps(schema: &'static Value) -> Edges {
    let entry = Edges::of(&schema["additionalProperties"], "").good.remove(0);
    let most = usize::try_from(schema["maxProperties"].as_u64().unwrap()).unwrap();
    let of = |count: usize| currencies().into_iter().take(count).map(|code| (code, entry.clone())).collect::<Value>();
    Edges { good: vec![json!({}), of(most)], bad: vec![of(most + 1)] }
}

/// A pattern with another number where it says how often; each of its bounds and one beyond it.
fn repeated(pattern: &str) -> (Vec<String>, Vec<String>) {
    let Some((start, end)) = pattern.find('{').zip(pattern.find('}')) else { return (Vec::new(), Vec::new()) };
    let (least, most) = pattern[start + 1..end].split_once(',').unwrap_or([&pattern[start + 1..end]; 2].into());
    let (least, most): (usize, usize) = (least.parse().unwrap(), most.parse().unwrap());
    let of = |times: usize| format!("{}{{{times}}}{}", &pattern[..start], &pattern[end + 1..]);
    (vec![of(least), of(most)], least.checked_sub(1).into_iter().chain([most + 1]).map(of).collect())
}

fn texts(schema: &'static Value, begins: &str) -> Edges {
    let pattern = schema["pattern"].as_str();
    let (mut good, mut bad) = (Vec::new(), vec![json!(format!("{begins}a\u{0}b")), json!(format!("{begins}\u{85}"))]);
    if let Some(most) = schema["maxLength"].as_u64() {
        let of =
            |length: u64| json!(format!("{begins}{}", "a".repeat(usize::try_from(length).unwrap() - begins.len())));
        good.push(of(most));
        bad.extend([of(most + 1), of(most + 1_000), json!("")]);
    } else {
        let mut runner = TestRunner::deterministic();
        let mut draw = |pattern: &String| {
            let texts = string_regex(pattern.trim_matches(['^', '$'])).unwrap();
            (0..4).map(|_| json!(texts.new_tree(&mut runner).unwrap().current())).collect::<Vec<_>>()
        };
        let (within, beyond) = repeated(pattern.unwrap());
        good.extend(within.iter().flat_map(&mut draw));
        bad.extend(beyond.iter().flat_map(&mut draw));
        bad.extend(["", "é", "a b", "a\n"].map(Value::from));
    }
    let judge = judge(schema);
    // A pattern's parts may overlap: what is one more of one is another's.
    good.retain(|text| judge.is_valid(text));
    bad.retain(|text| !judge.is_valid(text));
    assert!(!good.is_empty() && bad.len() > 1, "{schema}");
    Edges { good, bad }
}
