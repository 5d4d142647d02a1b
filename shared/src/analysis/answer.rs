//! What is taken from a model's answer: four members, and only in the form that they were asked for.
//!
//! A model may be wrong, may have been talked into something, or may be no model. Whatever is not plain text of bounded
//! length, about as long as it was asked for, without links, addresses, markup, keys and long numbers, is refused whole:
//! an alert without an explanation is better than one with a link in it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::case;
use crate::bounds;
use crate::clock::Time;
use crate::model::alert::{Confidence, Explanation};

/// Why an answer is not taken. It says nothing of what stood there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is not the JSON that was asked for.
    #[error("not the JSON that was asked for")]
    Form,
    /// A text is empty, or longer than asked for.
    #[error("{0} is empty or too long")]
    Length(&'static str),
    /// A text holds what nobody should follow, copy or see.
    #[error("{0} holds a link, an address, markup, a key or a long number")]
    Content(&'static str),
    /// It ended early, or the model would not answer.
    #[error("it is not complete")]
    Incomplete,
    /// It is longer than any that was asked for.
    #[error("it is too large")]
    Size,
}

/// What a model is asked to write.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    summary: String,
    likely_cause: String,
    suggested_action: String,
    confidence: Confidence,
}

/// The form that the answer must have, as JSON Schema. Structured outputs know no bounds of lengths: those are in the
/// words for the model, and checked afterwards.
#[must_use]
pub fn schema() -> Value {
    let text = |description: String| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "properties": {
            "summary": text(format!("What happened, in one or two plain sentences, under {} characters", bounds::SUMMARY_CHARS)),
            "likely_cause": text(format!("The most likely cause, under {} characters", bounds::EXPLANATION_CHARS)),
            "suggested_action": text(format!("What a person should check or do next, under {} characters", bounds::EXPLANATION_CHARS)),
            "confidence": { "type": "string", "enum": Confidence::ALL },
        },
        "required": ["summary", "likely_cause", "suggested_action", "confidence"],
        "additionalProperties": false,
    })
}

/// The explanation in an answer's text.
///
/// # Errors
/// [`Unusable`].
pub fn read(text: &str, model: &str, count: u64, at: Time) -> Result<Explanation, Unusable> {
    let written: Written = serde_json::from_str(text).map_err(|_| Unusable::Form)?;
    Ok(Explanation {
        summary: plain("summary", &written.summary, bounds::SUMMARY_CHARS)?,
        likely_cause: plain("likely_cause", &written.likely_cause, bounds::EXPLANATION_CHARS)?,
        suggested_action: plain("suggested_action", &written.suggested_action, bounds::EXPLANATION_CHARS)?,
        confidence: written.confidence,
        count,
        model: model.to_owned(),
        at,
    })
}

/// A text in one line, without characters that are not to be seen.
fn plain(name: &'static str, text: &str, longest: usize) -> Result<String, Unusable> {
    let visible: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !is_invisible(*c)).collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() || line.chars().count() > longest {
        return Err(Unusable::Length(name));
    }
    if is_dangerous(&line) {
        return Err(Unusable::Content(name));
    }
    Ok(line)
}

/// Characters that change how others are shown, hide among them or show nothing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Links, addresses and markup.
const FORBIDDEN: [&str; 8] = ["://", "www.", "mailto:", "javascript:", "](", "<", "@", "-----begin"];

fn is_dangerous(text: &str) -> bool {
    let lower = text.to_lowercase();
    let is_data = |word: &str| word.trim_start_matches(|c: char| !c.is_alphanumeric()).starts_with("data:");
    FORBIDDEN.iter().any(|forbidden| lower.contains(forbidden))
        || lower.split_whitespace().any(|word| is_data(word) && !word.ends_with(':'))
        || lower.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').any(case::is_key)
        || text.split(|c: char| !c.is_alphanumeric()).any(is_token)
        || has_host(&lower)
        || has_long_number(text)
}

/// Letters in one piece, with digits among them, from which on nobody would say it aloud.
const TOKEN: usize = 20;

/// What a key, a hash or an id looks like, whatever it begins with.
fn is_token(word: &str) -> bool {
    word.chars().count() >= TOKEN && word.chars().filter(|c| c.is_numeric()).count() > 1
}

/// What a reader, or a mail program, would take for a link: letters right behind a dot that is right behind others.
fn has_host(text: &str) -> bool {
    let mut parts = text.split('.');
    let mut before = parts.next().unwrap_or_default();
    parts.any(|part| {
        let follows = before.ends_with(|c: char| c.is_alphanumeric() || c == '-');
        before = part;
        follows && part.chars().take_while(|c| c.is_alphabetic()).count() > 1
    })
}

/// Digits of a number, in groups or not, that could be of a card or of an account. A time has fewer in a row.
const DIGITS: usize = 12;

fn has_long_number(text: &str) -> bool {
    let (mut digits, mut gap) = (0, 0);
    for c in text.chars() {
        if c.is_numeric() {
            digits += 1;
            gap = 0;
        } else if " -.".contains(c) && gap == 0 {
            gap = 1;
        } else {
            digits = 0;
            gap = 0;
        }
        if digits >= DIGITS {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(change: impl FnOnce(&mut Value)) -> Result<Explanation, Unusable> {
        let mut answer = json!({ "summary": "The gateway declined payment_1 on 2026-01-15 14:30.", "likely_cause": "R01\u{202e}, again.\u{7}",
            "suggested_action": "Ask\nthe vendor.", "confidence": "medium" });
        change(&mut answer);
        read(&answer.to_string(), "claude-test", 2, Time::from_millis(0))
    }

    #[test]
    fn what_was_asked_for_is_taken_in_one_line_without_what_can_not_be_seen() {
        let explanation = written(|_| {}).unwrap();
        assert_eq!(explanation.likely_cause, "R01, again.");
        assert_eq!(explanation.suggested_action, "Ask the vendor.");
        assert_eq!((explanation.confidence, explanation.model.as_str()), (Confidence::Medium, "claude-test"));
    }

    #[test]
    fn another_form_is_refused() {
        assert_eq!(written(|a| a["status"] = json!("resolved")), Err(Unusable::Form));
        assert_eq!(written(|a| a["confidence"] = json!("certain")), Err(Unusable::Form));
        assert_eq!(written(|a| a["confidence"] = json!(0.9)), Err(Unusable::Form));
        assert_eq!(written(|a| drop(a.as_object_mut().unwrap().remove("summary"))), Err(Unusable::Form));
        assert_eq!(read("Sure! {}", "m", 1, Time::from_millis(0)), Err(Unusable::Form));
    }

    #[test]
    fn empty_and_long_texts_are_refused() {
        assert_eq!(written(|a| a["summary"] = json!(" \n")), Err(Unusable::Length("summary")));
        assert_eq!(written(|a| a["summary"] = json!("é".repeat(301))), Err(Unusable::Length("summary")));
        assert!(written(|a| a["summary"] = json!("é".repeat(300))).is_ok());
        assert_eq!(
            written(|a| a["likely_cause"] = json!("a ".repeat(401))).unwrap_err(),
            Unusable::Length("likely_cause")
        );
    }

    #[test]
    fn links_addresses_markup_keys_and_long_numbers_are_refused() {
        for bad in [
            "See https://evil.example/x",
            "See www.evil.test",
            "See evil.com/login.",
            "See evil.com:8080",
            "See evil.app?x=1",
            "See paypal-support.de",
            "Write to a@b.example",
            "[here](evil)",
            "<b>now</b>",
            "The key sk_live_1234",
            "The key is (sk_live_1234)",
            "Use Bearer q7Rk2mPz9wXc4vBn8tLs",
            "The token eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ",
            "Open data:text/html,x",
            "Use sk-ant-1",
            "Card 4242 4242 4242 4242",
            "Account 4242424242424242",
            "4242-4242-4242-4242",
            "ht\u{200b}tps://evil.test",
            "JAVASCRIPT:alert(1)",
        ] {
            let refused = written(|a| a["suggested_action"] = json!(bad));
            assert_eq!(refused, Err(Unusable::Content("suggested_action")), "{bad}");
        }
        for good in [
            "Between 2026-01-15T14:30:00.000Z and 2026-01-16",
            "POST /payments/{id}/resolve",
            "50000 of 50000 USD, a fee > 0.50, e.g. of U.S. banks",
            "RISK_DECLINE, or partner_high_risk_customer: a risk-based decision",
            "Check the following data: the access-token, the bearer token, the bank in Slovakia.",
        ] {
            assert!(written(|a| a["suggested_action"] = json!(good)).is_ok(), "{good}");
        }
    }

    #[test]
    fn every_word_that_we_tell_may_be_said_again() {
        use crate::model::alert::AlertKind;
        use crate::model::payment::{FailureCode, PaymentStatus};
        let kinds = AlertKind::ALL.iter().map(|kind| kind.as_str());
        let codes = FailureCode::ALL.iter().map(|code| code.as_str());
        let statuses = PaymentStatus::ALL.iter().map(|status| status.as_str());
        let gateways = ["RISK_DECLINE", "partner_high_risk_customer", "TRANSFER_NETWORK_LIMIT_EXCEEDED", "R01", "5120"];
        for word in kinds.chain(codes).chain(statuses).chain(gateways) {
            let answer = written(|a| a["likely_cause"] = json!(format!("The code was {word}.")));
            assert!(answer.is_ok(), "{word}: {answer:?}");
        }
    }

    #[test]
    fn the_schema_asks_for_what_is_read() {
        let schema = schema();
        let names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["confidence", "likely_cause", "suggested_action", "summary"]);
        assert_eq!(schema["required"].as_array().unwrap().len(), names.len());
    }
}
