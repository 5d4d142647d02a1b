//! No secret and no card number in any log line of the whole test run.
//!
//! One subscriber writes every line, at the finest level of our own crates, past a tripwire: a line with a canary in
//! it ends the run.

use std::io::{self, Write};
use std::sync::{LazyLock, Mutex, Once};

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;

use crate::card_data;

/// What must never be logged: the tests use these, and only these, as secrets. Card data has its own list.
const SECRETS: [&str; 9] = [
    "sk_test_CANARY",
    "sk-ant-CANARY",
    "whsec_CANARY",
    "secret_CANARY",
    "access-sandbox-",
    "public-sandbox-",
    "link-sandbox-",
    "_secret_",
    "Bearer ",
];

/// All canaries, as a line of JSON writes them.
static CANARIES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let texts = card_data::TEXTS.into_iter().chain(card_data::MORE);
    let escaped = texts.map(|text| serde_json::json!(text).to_string().trim_matches('"').to_owned());
    SECRETS.into_iter().map(str::to_owned).chain(escaped).collect()
});

/// Starts the watch; every world does.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(Tripwire);
        tracing_subscriber::registry().with(shared::telemetry::filter("trace")).with(lines).init();
    });
}

/// What must not be in a line, and is.
pub fn canary_in(line: &str) -> Option<&'static str> {
    CANARIES.iter().map(String::as_str).find(|canary| line.contains(canary))
}

/// What is listened for, and the lines that had it.
static LISTENERS: Mutex<Vec<(String, Vec<String>)>> = Mutex::new(Vec::new());

/// Keeps the lines that have `mark` in them, from now on: an id, so that they are those of one test.
pub fn listen(mark: &str) {
    LISTENERS.lock().unwrap().push((mark.to_owned(), Vec::new()));
}

/// The lines with `mark` that were logged since it was listened for.
pub fn heard(mark: &str) -> Vec<String> {
    let listeners = LISTENERS.lock().unwrap();
    listeners.iter().find(|(listened, _)| listened == mark).map(|(_, lines)| lines.clone()).unwrap_or_default()
}

struct Tripwire;

impl Write for Tripwire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        if let Some(canary) = canary_in(&line) {
            // Not a panic: that would fail one test of many, and maybe none.
            let _ = writeln!(io::stderr(), "a log line holds the canary {canary:?}:\n{line}");
            std::process::exit(101);
        }
        for (mark, lines) in LISTENERS.lock().unwrap().iter_mut() {
            if line.contains(mark.as_str()) {
                lines.push(line.to_string());
            }
        }
        if std::env::var_os("SHOW_LOGS").is_some() {
            io::stderr().write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Tripwire {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

#[test]
fn the_tripwire_knows_its_canaries() {
    assert_eq!(canary_in(r#"{"message":"key sk_test_CANARY_acme"}"#), Some("sk_test_CANARY"));
    assert_eq!(canary_in(r#"{"client":"pi_1_secret_2"}"#), Some("_secret_"));
    assert_eq!(canary_in(r#"{"note":"4242\n4242\n4242\n4242"}"#), Some(r"4242\n4242\n4242\n4242"));
    assert_eq!(canary_in(r#"{"note":"iban DE89370400440532013000"}"#), Some("DE89370400440532013000"));
    assert_eq!(canary_in(r#"{"message":"request","status":200}"#), None);
}
