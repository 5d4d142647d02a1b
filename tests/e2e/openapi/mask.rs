//! What is random in a play, written in the same form every time.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

/// Replaces what is random, each by another of the same kind: the first of a kind is always the same.
#[derive(Default)]
pub struct Mask {
    seen: HashMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Mask {
    fn text(&mut self, text: &str) -> String {
        let mut masked = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            masked.push_str(&self.word(word));
            let next = after.find(is_word).unwrap_or(after.len());
            masked.push_str(&after[..next]);
            rest = &after[next..];
        }
        masked
    }

    fn word(&mut self, word: &str) -> String {
        if let Some((object, _)) = word.split_once("_secret_") {
            return format!("{}_secret_Example", self.word(object));
        }
        if let Some(id) = word.strip_prefix("run_") {
            return format!("run_{}", self.word(id));
        }
        let Some(kind) = kind(word) else { return word.to_owned() };
        if let Some(known) = self.seen.get(word) {
            return known.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let masked = match kind {
            "uuid" => format!("00000000-0000-4000-8000-{count:012}"),
            "hash" => format!("{count:064x}"),
            "mth_" => format!("mth_{}{}", "a".repeat(25), char::from(b'a' + u8::try_from(*count).unwrap())),
            _ => format!("{kind}Example{count:04}"),
        };
        self.seen.insert(word.to_owned(), masked.clone());
        masked
    }

    /// The value with what is random replaced.
    pub fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => json!(self.text(text)),
            Value::Array(values) => values.iter().map(|value| self.value(value)).collect(),
            Value::Object(members) => {
                let members: Map<String, Value> = members
                    .iter()
                    .map(|(name, value)| match name.as_str() {
                        "cursor" if value.is_string() => (name.clone(), json!("eyJleGFtcGxlIjp0cnVlfQ")),
                        "Stripe-Signature" => (name.clone(), value.clone()),
                        "Paypal-Transmission-Sig" => (name.clone(), json!("VGhlIHNpZ25hdHVyZSBvZiBQYXlQYWw=")),
                        "Paypal-Cert-Url" => {
                            (name.clone(), json!("https://api.paypal.com/v1/notifications/certs/CERT-EXAMPLE"))
                        }
                        "Plaid-Verification" => {
                            (name.clone(), json!("eyJhbGciOiJFUzI1NiJ9.e30.VGhlIHNpZ25hdHVyZSBvZiBQbGFpZA"))
                        }
                        _ => (name.clone(), self.value(value)),
                    })
                    .collect();
                Value::Object(members)
            }
            other => other.clone(),
        }
    }
}

/// What kind of random word it is.
fn kind(word: &str) -> Option<&'static str> {
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if word.len() == 36 && word.split('-').count() == 5 && is_hex(&word.replace('-', "")) {
        return Some("uuid");
    }
    if word.len() == 64 && is_hex(word) {
        return Some("hash");
    }
    let prefix = ["mth_", "pi_", "re_", "seti_", "pm_"].into_iter().find(|prefix| word.starts_with(prefix))?;
    let rest = word.strip_prefix(prefix).unwrap();
    (rest.len() > 16 && rest.bytes().all(|b| b.is_ascii_alphanumeric()) && !rest.contains("Example")).then_some(prefix)
}
