//! What payers do at PayPal's site, when they follow a link of ours: they approve or not, and are sent back.

use std::collections::BTreeMap;

use axum::body::Body;
use http::{Method, Response, StatusCode};
use shared::clock::Clock;

use super::vault::Chargeable;
use super::{State, order, vault};
use crate::simulator::page::{escape, go, page, with_query};

const ORDER: &str = "/checkoutnow";
const SETUP: &str = "/agreements/approve";
/// Pages of PayPal's site.
pub(super) const PATHS: [&str; 2] = [ORDER, SETUP];

/// The test method of a payer who says nothing else.
const USUAL: &str = "paypal_ok";
/// Those to choose from at the page, and what comes of them.
const METHODS: [(&str, &str); 5] = [
    (USUAL, "PayPal account"),
    ("paypal_INSTRUMENT_DECLINED", "PayPal account whose card is declined"),
    ("paypal_declined", "PayPal account whose payments are declined"),
    ("paypal_pending", "PayPal account whose payments are reviewed"),
    ("card_ok", "Card kept at PayPal"),
];

/// What a payer is asked, and where they go with their answer.
pub(super) struct Question {
    /// Who asks.
    pub brand: Option<String>,
    /// For what.
    pub asks: &'static str,
    pub return_url: Option<String>,
    pub cancel_url: Option<String>,
    /// What the merchant's page is told in its query, either way.
    pub told: Vec<(&'static str, String)>,
}

impl Question {
    fn back(&self, url: Option<&str>, otherwise: &str) -> Response<Body> {
        let told: Vec<(&str, &str)> = self.told.iter().map(|(name, value)| (*name, value.as_str())).collect();
        match url {
            Some(url) => go(&with_query(url, &told)),
            None => page(StatusCode::OK, otherwise, "<p>You may close this page.</p>"),
        }
    }
}

/// The page behind an `approve` or `payer-action` link: GET shows it, POST is what its buttons do (`choice`, and
/// `method`, a test method).
pub(super) fn visit(
    state: &mut State,
    clock: &Clock,
    verb: &Method,
    path: &str,
    words: &BTreeMap<String, String>,
) -> Response<Body> {
    let word = |name: &str| words.get(name).map_or("", String::as_str);
    let id = if path == ORDER { word("token") } else { word("approval_session_id") };
    let question = if path == ORDER { order::question(state, clock, id) } else { vault::question(state, clock, id) };
    let method = Chargeable::test(words.get("method").map_or(USUAL, String::as_str));
    let (Some(question), Some(method)) = (question, method) else {
        return page(StatusCode::NOT_FOUND, "There is nothing to approve", "");
    };
    match (verb.as_str(), word("choice")) {
        ("POST", "approve") => {
            let approve = |state: &mut State| match path {
                ORDER => order::approve(state, clock, id, method),
                _ => vault::approve(state, clock, id, method),
            };
            approve(state);
            question.back(question.return_url.as_deref(), "Approved")
        }
        // It may still be approved another time.
        ("POST", "cancel") => question.back(question.cancel_url.as_deref(), "Canceled"),
        _ => shown(&question, word("method")),
    }
}

fn shown(question: &Question, chosen: &str) -> Response<Body> {
    let options: String = METHODS
        .iter()
        .map(|(name, label)| {
            let selected = if *name == chosen { " selected" } else { "" };
            format!("<option value=\"{name}\"{selected}>{label}</option>")
        })
        .collect();
    let body = format!(
        "<p><strong>{}</strong> asks {}.</p><form method=\"post\"><p><label for=\"method\">Pay with</label>\
         <select id=\"method\" name=\"method\">{options}</select></p>\
         <button id=\"approve\" name=\"choice\" value=\"approve\">Agree and continue</button> \
         <button id=\"cancel\" class=\"quiet\" name=\"choice\" value=\"cancel\">Cancel</button></form>",
        escape(question.brand.as_deref().unwrap_or("A merchant")),
        question.asks,
    );
    page(StatusCode::OK, "PayPal", &body)
}
