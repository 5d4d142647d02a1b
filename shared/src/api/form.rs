//! Request bodies and queries: parsed field by field, so that everything that is wrong with the form is said at once.
//!
//! Card data anywhere is refused alone, before a field is looked at.

use axum::extract::{FromRequest, Query, Request};
use http::{Method, Uri};
use jiff::civil::Date;
use reqwest::Url;
use serde_json::{Map, Value};

use super::card_data;
use super::problem::Problem;
use crate::bounds;
use crate::policy::refusal::{Code, Refusal};

/// The fields of an object, taken one by one; what is left at the end is unknown.
#[derive(Debug)]
pub struct Fields {
    members: Map<String, Value>,
    /// Where the object stands in the body: `counterparty.`.
    path: String,
    refusals: Vec<Refusal>,
}

/// What a body that is no usable object says instead.
#[derive(Debug)]
pub struct Unreadable(pub Refusal);

/// A JSON body: its fields, or why it has none. The handler answers, so that it can log the attempt. There is no query
/// beside it.
#[derive(Debug)]
pub struct Body(pub Result<Fields, Unreadable>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let refusals = unasked(request.uri()).err().unwrap_or_default();
        let Ok(bytes) = axum::body::to_bytes(request.into_body(), bounds::BODY_BYTES).await else {
            return Ok(Self(Err(Unreadable(too_large()))));
        };
        Ok(Self(Fields::parse(&bytes).map(|fields| Fields { refusals, ..fields }).map_err(Unreadable)))
    }
}

/// The rest of a request that says all in its path: no query, and no body or an empty object.
#[derive(Debug)]
pub struct Empty;

impl<S: Send + Sync> FromRequest<S> for Empty {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        unasked(request.uri())?;
        // A body has no meaning there (RFC 9110, 9.3.1).
        if request.method() == Method::GET {
            return Ok(Self);
        }
        let Ok(bytes) = axum::body::to_bytes(request.into_body(), bounds::BODY_BYTES).await else {
            return Err(too_large().into());
        };
        if bytes.is_empty() {
            return Ok(Self);
        }
        Fields::parse(&bytes)?.finish()?;
        Ok(Self)
    }
}

/// Refuses the query of a request that takes none.
fn unasked(uri: &Uri) -> Result<(), Vec<Refusal>> {
    Fields::query(uri).map_err(|refusal| vec![refusal])?.finish()
}

fn too_large() -> Refusal {
    Refusal::new(Code::BodyTooLarge, format!("At most {} bytes are taken.", bounds::BODY_BYTES))
}

impl Fields {
    fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let value: Value = serde_json::from_slice(bytes)
            // The parser's own message may quote the body.
            .map_err(|error| {
                let place = format!("line {}, column {}", error.line(), error.column());
                Refusal::new(Code::InvalidJson, format!("The body is not JSON: see {place}."))
            })?;
        if card_data::is_within(&value) {
            return Err(card_data::refusal());
        }
        match value {
            Value::Object(members) => Ok(Self::of(members)),
            _ => Err(Refusal::new(Code::InvalidJson, "The body must be a JSON object.")),
        }
    }

    /// The parameters behind the question mark. Of one that is given twice nobody knows which was meant.
    ///
    /// # Errors
    /// The query is not encoded as a form.
    pub fn query(uri: &Uri) -> Result<Self, Refusal> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| Refusal::new(Code::InvalidField, "The query can't be read; encode it as a form."))?;
        let mut fields = Self::of(Map::new());
        for (name, value) in pairs {
            if fields.members.insert(name.clone(), Value::String(value)).is_some() {
                fields.refuse(Code::InvalidField, &shown(&name), "It is given more than once; give it once.");
            }
        }
        Ok(fields)
    }

    /// Over the members of an object.
    #[must_use]
    pub fn of(members: Map<String, Value>) -> Self {
        Self { members, path: String::new(), refusals: Vec::new() }
    }

    /// The members, in the order of their names, as one text: the same request has the same.
    #[must_use]
    pub fn canonical(&self) -> String {
        let present: Map<String, Value> =
            self.members.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect();
        Value::Object(present).to_string()
    }

    /// The text of a field as it stands, without taking it or judging it.
    #[must_use]
    pub fn peek(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    /// Takes a field that is refused for another reason than its own.
    pub fn discard(&mut self, name: &str) {
        self.members.remove(name);
    }

    /// Notes what is wrong with a field.
    pub fn refuse(&mut self, code: Code, name: &str, detail: impl Into<String>) {
        self.refusals.push(Refusal::field(code, format!("{}{name}", self.path), detail));
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Refuses a field that is there and null, where leaving it out means something that null may not have meant.
    pub fn refuse_null(&mut self, name: &str, cure: &str) {
        if self.members.get(name).is_some_and(Value::is_null) {
            self.refuse(Code::InvalidField, name, cure);
        }
    }

    /// Whether the field is there, and not null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// A text of at most `most` bytes, without control characters; blank counts as wrong.
    pub fn text(&mut self, name: &str, most: usize) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => {
                if text.trim().is_empty() || text.len() > most || text.chars().any(char::is_control) {
                    let detail =
                        format!("1 to {most} bytes (characters, in ASCII) without control characters are expected.");
                    self.refuse(Code::InvalidField, name, detail);
                    return None;
                }
                Some(text)
            }
            _ => self.wrong_type(name, "a string"),
        }
    }

    /// A page that a browser may be sent to: over TLS, or, for those who develop, on the machine that the browser runs
    /// on, where nobody else listens. It is handed on as it was understood here, so that the gateway understands no other.
    pub fn page(&mut self, name: &str) -> Option<String> {
        let text = self.text(name, bounds::URL_BYTES)?;
        let page = Url::parse(&text).ok().filter(|url| {
            let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
            let names_nobody = url.username().is_empty() && url.password().is_none();
            let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_here;
            names_nobody && is_safe && url.as_str().len() <= bounds::URL_BYTES
        });
        if page.is_none() {
            self.refuse(Code::InvalidField, name, "An address that begins with https:// is expected.");
        }
        page.map(String::from)
    }

    /// A text that a type can be read from.
    pub fn parsed<T>(&mut self, name: &str) -> Option<T>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        match self.take(name)? {
            Value::String(text) => match text.parse() {
                Ok(value) => Some(value),
                Err(error) => {
                    self.refuse(Code::InvalidField, name, format!("{error}."));
                    None
                }
            },
            _ => self.wrong_type(name, "a string"),
        }
    }

    /// One of a few words.
    pub fn choice<T: Copy + std::fmt::Display>(&mut self, name: &str, all: &[T]) -> Option<T> {
        let value = self.take(name)?;
        let found = value.as_str().and_then(|text| all.iter().find(|one| one.to_string() == text));
        if found.is_none() {
            let words: Vec<String> = all.iter().map(ToString::to_string).collect();
            self.refuse(Code::InvalidField, name, format!("One of {} is expected.", words.join(", ")));
        }
        found.copied()
    }

    /// An integer between two bounds, both included.
    pub fn integer(&mut self, name: &str, least: i64, most: i64) -> Option<i64> {
        let value = self.take(name)?;
        let found = value.as_i64().filter(|number| (least..=most).contains(number));
        if found.is_none() {
            self.refuse(Code::InvalidField, name, format!("An integer from {least} to {most} is expected."));
        }
        found
    }

    /// A calendar date, written as `YYYY-MM-DD`.
    pub fn date(&mut self, name: &str) -> Option<Date> {
        let text = self.text(name, bounds::NAME_BYTES)?;
        let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
        if date.is_none() {
            self.refuse(Code::InvalidField, name, "A date as YYYY-MM-DD is expected.");
        }
        date
    }

    /// True or false.
    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(value) => Some(value),
            _ => self.wrong_type(name, "true or false"),
        }
    }

    /// A list of at most `most` values.
    pub fn list(&mut self, name: &str, most: usize) -> Option<Vec<Value>> {
        match self.take(name)? {
            Value::Array(values) if values.len() <= most => Some(values),
            Value::Array(_) => {
                self.refuse(Code::InvalidField, name, format!("At most {most} entries are taken."));
                None
            }
            _ => self.wrong_type(name, "a list"),
        }
    }

    /// An object whose names are not known beforehand.
    pub fn map(&mut self, name: &str, most: usize) -> Option<Map<String, Value>> {
        match self.take(name)? {
            Value::Object(members) if members.len() <= most => Some(members),
            Value::Object(_) => {
                self.refuse(Code::InvalidField, name, format!("At most {most} members are taken."));
                None
            }
            _ => self.wrong_type(name, "an object"),
        }
    }

    /// An object with fields of its own.
    pub fn nested<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        match self.take(name)? {
            Value::Object(members) => {
                let mut inner = Self { path: format!("{}{name}.", self.path), ..Self::of(members) };
                let value = read(&mut inner);
                inner.refuse_unknown();
                self.refusals.append(&mut inner.refusals);
                Some(value)
            }
            _ => self.wrong_type(name, "an object"),
        }
    }

    /// A field that must be there; says so unless something else is wrong with it already.
    pub fn required<T>(&mut self, name: &str, value: Option<T>) -> Option<T> {
        let path = format!("{}{name}", self.path);
        // Of the field itself or of one inside it.
        let about =
            |field: &str| field.strip_prefix(&path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let judged = self.refusals.iter().any(|refusal| refusal.field.as_deref().is_some_and(about));
        if value.is_none() && !judged {
            self.refuse(Code::MissingField, name, format!("{path} is required."));
        }
        value
    }

    fn wrong_type<T>(&mut self, name: &str, expected: &str) -> Option<T> {
        self.refuse(Code::InvalidField, name, format!("{expected} is expected."));
        None
    }

    fn refuse_unknown(&mut self) {
        let unknown: Vec<String> = std::mem::take(&mut self.members).into_iter().map(|(name, _)| name).collect();
        for name in unknown {
            let name = shown(&name);
            self.refuse(Code::UnknownField, &name, format!("{name} is not a field of this request."));
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// All that was wrong, unknown fields included.
    pub fn finish(mut self) -> Result<(), Vec<Refusal>> {
        self.refuse_unknown();
        if self.refusals.is_empty() { Ok(()) } else { Err(self.refusals) }
    }
}

/// What a caller made up may be long; its beginning will do.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is made of an address.
    fn page(text: &str) -> Option<String> {
        let Value::Object(members) = json!({ "return_url": text }) else { return None };
        let mut fields = Fields::of(members);
        let page = fields.page("return_url");
        assert_eq!(fields.finish().is_ok(), page.is_some(), "{text}");
        page
    }

    #[test]
    fn a_page_is_handed_on_as_it_was_understood() {
        for text in
            ["https://example.com/done?of=1#end", "http://localhost:3000/x", "http://127.0.0.1/", "http://[::1]:1/"]
        {
            assert_eq!(page(text).as_deref(), Some(text));
        }
        for (text, understood) in [
            ("https://example.com", "https://example.com/"),
            ("HTTPS://Example.COM:443/a/../b", "https://example.com/b"),
            (" https:\\\\example.com\\@evil.example/", "https://example.com/@evil.example/"),
            ("https://ex\u{ad}ample.com/\u{e9}", "https://example.com/%C3%A9"),
            ("http://0x7f.1/", "http://127.0.0.1/"),
        ] {
            assert_eq!(page(text).as_deref(), Some(understood));
        }
    }

    #[test]
    fn no_page_is_taken_that_names_a_user_or_a_password_or_is_not_over_tls() {
        for text in [
            "https://user@example.com/",
            "https://user:word@example.com/",
            "https://:word@example.com/",
            "http://example.com/",
            "http://localhost.example.com/",
            "javascript:alert(1)",
            "https://",
            "/done",
            // Short as it was sent, and too long as it is handed on.
            &format!("https://example.com/{}", "\u{e9}".repeat(900)),
        ] {
            assert_eq!(page(text), None, "{text}");
        }
    }
}
