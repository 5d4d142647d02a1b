//! One operation of the interface, and what the document says of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::bounds;
use shared::policy::refusal::Code;
use shared::policy::roles::Permission;
use utoipa::openapi::example::Example;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Header, HttpMethod, Ref, Required, Response, ResponseBuilder};

use super::examples::Played;
use super::schema::{Part, any_text, integer, named, problem_of, shaped};
use super::{BEARER, PROBLEM, server};

/// What a header of an answer to a repeated request is called.
const REPLAYED: &str = "idempotent-replayed";
/// The statuses that API Gateway gives by itself too, with a message of its own.
const GATEWAYS_OWN: [u16; 6] = [401, 404, 413, 429, 500, 503];

/// One operation.
pub(super) struct Operation {
    pub(super) method: HttpMethod,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    tag: &'static str,
    summary: &'static str,
    about: &'static str,
    /// What the caller's roles must permit; `None`: it says itself who may call.
    permission: Option<Permission>,
    is_signed: bool,
    /// By their names.
    parameters: Vec<(String, ParameterBuilder)>,
    body: Option<(&'static str, Required)>,
    answers: Vec<(u16, &'static str, Option<&'static str>)>,
    codes: Vec<Code>,
    replays: bool,
}

/// Of every operation behind the API.
const ALWAYS: [Code; 7] = [
    Code::Unauthenticated,
    Code::PermissionDenied,
    Code::CardDataForbidden,
    // A parameter that it does not take, and one that is given twice.
    Code::UnknownField,
    Code::InvalidField,
    Code::Internal,
    Code::Unavailable,
];

impl Operation {
    pub(super) fn new(
        method: HttpMethod,
        path: &'static str,
        id: &'static str,
        tag: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            method,
            path,
            id,
            tag,
            summary,
            about: "",
            permission: None,
            is_signed: false,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            codes: ALWAYS.to_vec(),
            replays: false,
        }
    }

    /// What else there is to know.
    pub(super) fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    pub(super) fn needs(self, permission: Permission) -> Self {
        Self { permission: Some(permission), ..self }
    }

    /// At the function URL: a gateway's signature in place of a token, and no door.
    pub(super) fn signed(self) -> Self {
        Self { is_signed: true, codes: Vec::new(), ..self }
    }

    /// With a part of the path that is a name. API Gateway decodes it before the function sees it: with a slash or a
    /// question mark in it, it is another path.
    pub(super) fn at(self, name: &str, part: impl Into<Part>) -> Self {
        self.with(ParameterIn::Path, name, Required::True, part).fails(&[Code::NotFound, Code::MethodNotAllowed])
    }

    pub(super) fn header(self, name: &str, part: impl Into<Part>) -> Self {
        self.with(ParameterIn::Header, name, Required::True, part)
    }

    /// With a parameter of the query.
    pub(super) fn asks(self, name: &str, required: Required, part: impl Into<Part>) -> Self {
        self.with(ParameterIn::Query, name, required, part)
    }

    /// A list, page by page.
    pub(super) fn pages(self) -> Self {
        let most = i64::try_from(bounds::PAGE_MAX).ok();
        let mut limit = integer(1, most, "How many at most");
        limit.default = Some(json!(bounds::PAGE));
        self.asks("limit", Required::False, limit)
            .asks("cursor", Required::False, any_text("The `cursor` of the page before; it belongs to its list"))
            .fails(&[Code::InvalidCursor])
    }

    fn with(mut self, place: ParameterIn, name: &str, required: Required, part: impl Into<Part>) -> Self {
        let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(required);
        self.parameters.push((name.to_owned(), parameter.schema(Some(part))));
        self
    }

    /// With an Idempotency-Key.
    pub(super) fn keyed(self, required: Required, about: &str) -> Self {
        let key = shaped(
            r"^[!-~]{1,257}$",
            &format!("1 to 255 visible ASCII characters; quotes around them are taken off. {about}"),
        );
        let keyed = self.with(ParameterIn::Header, "Idempotency-Key", required, key);
        Self { replays: true, ..keyed }.fails(&[Code::IdempotencyKeyInvalid, Code::IdempotencyKeyReused])
    }

    pub(super) fn takes(self, schema: &'static str) -> Self {
        let codes = [Code::InvalidJson, Code::BodyTooLarge, Code::MissingField];
        Self { body: Some((schema, Required::True)), ..self }.fails(&codes)
    }

    /// The path says it all.
    pub(super) fn takes_nothing(self) -> Self {
        let codes = [Code::InvalidJson, Code::BodyTooLarge];
        Self { body: Some(("Nothing", Required::False)), ..self }.fails(&codes)
    }

    pub(super) fn gives(mut self, status: u16, about: &'static str, schema: &'static str) -> Self {
        self.answers.push((status, about, Some(schema)));
        self
    }

    pub(super) fn gives_nothing(mut self, status: u16, about: &'static str) -> Self {
        self.answers.push((status, about, None));
        self
    }

    /// What else it may be refused with.
    pub(super) fn fails(mut self, codes: &[Code]) -> Self {
        self.codes.extend(codes);
        self
    }

    /// All that it may be refused with.
    pub(super) fn failing(self, codes: &[Code]) -> Self {
        Self { codes: codes.to_vec(), ..self }
    }

    /// As the document has it.
    pub(super) fn described(mut self, played: &Played) -> OperationBuilder {
        let mut about = self.about.to_owned();
        if let Some(permission) = self.permission {
            about = format!("{about}\n\nNeeds the permission `{permission}`.");
        }
        let mut operation = OperationBuilder::new()
            .operation_id(Some(self.id))
            .tag(self.tag)
            .summary(Some(self.summary))
            .description(Some(about.trim()));
        operation = match self.is_signed {
            true => operation.security(SecurityRequirement::default()),
            false => operation.security(SecurityRequirement::new(BEARER, [""; 0])),
        };
        if self.is_signed {
            let about = "The stack's output `WebhookUrl`, without the slash at its end";
            operation = operation.servers(Some([server("webhooks", about)]));
        }
        for (name, parameter) in std::mem::take(&mut self.parameters) {
            operation = operation.parameter(parameter.example(played.parameter(self.id, &name)));
        }
        if let Some((schema, required)) = &self.body {
            let content = ContentBuilder::new().schema(Some(named(schema)));
            let content = content.examples_from_iter(examples(played.requests(self.id)));
            let body = RequestBodyBuilder::new().content("application/json", content.build());
            operation = operation.request_body(Some(body.required(Some(required.clone())).build()));
        }
        for (status, about, schema) in &self.answers {
            operation = operation.response(status.to_string(), self.answer(*status, about, *schema, played));
        }
        for (status, codes) in self.problems() {
            let examples = examples(played.answers(self.id, status));
            operation = match self.common(status, &codes).filter(|_| examples.is_empty()) {
                Some(name) => operation.response(status.to_string(), Ref::from_response_name(name)),
                None => operation.response(status.to_string(), self.problem(status, &codes, examples)),
            };
        }
        operation
    }

    /// The refusals that many operations share, by their names, as far as `played` has no examples of them.
    pub(super) fn common_problems(&self, played: &Played) -> impl Iterator<Item = (&'static str, Response)> {
        let unplayed = self.problems().into_iter().filter(|(status, _)| played.answers(self.id, *status).is_empty());
        unplayed.filter_map(|(status, codes)| {
            Some((self.common(status, &codes)?, self.problem(status, &codes, Vec::new()).build()))
        })
    }

    /// What a refusal is called among the document's components, where many operations have the very same: a name that
    /// stays, whatever else may be refused one day.
    fn common(&self, status: u16, codes: &[Code]) -> Option<&'static str> {
        match (status, codes) {
            _ if self.is_signed || self.replays => None,
            (400, [Code::InvalidJson]) => Some("InvalidJson"),
            (401, [Code::Unauthenticated]) => Some("Unauthenticated"),
            (403, [Code::PermissionDenied]) => Some("PermissionDenied"),
            (405, [Code::MethodNotAllowed]) => Some("MethodNotAllowed"),
            (413, [Code::BodyTooLarge]) => Some("BodyTooLarge"),
            (422, [Code::CardDataForbidden, Code::UnknownField, Code::InvalidField]) => Some("InvalidRequest"),
            (429, []) => Some("TooManyRequests"),
            (500, [Code::Internal]) => Some("InternalError"),
            (503, [Code::Unavailable]) => Some("Unavailable"),
            (503, [Code::Unavailable, Code::Busy]) => Some("UnavailableOrBusy"),
            _ => None,
        }
    }

    fn answer(&self, status: u16, about: &str, schema: Option<&str>, played: &Played) -> ResponseBuilder {
        let mut response = ResponseBuilder::new().description(about);
        if let Some(schema) = schema {
            let content = ContentBuilder::new().schema(Some(named(schema)));
            let content = content.examples_from_iter(examples(played.answers(self.id, status)));
            response = response.content("application/json", content.build());
        }
        if self.replays {
            response = response.header(REPLAYED, replayed());
        }
        response
    }

    /// The codes by their statuses; 429 has none of ours.
    fn problems(&self) -> BTreeMap<u16, Vec<Code>> {
        let mut problems: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
        for code in &self.codes {
            let codes = problems.entry(code.status()).or_default();
            if !codes.contains(code) {
                codes.push(*code);
            }
        }
        if !self.is_signed {
            problems.entry(429).or_default();
        }
        problems
    }

    fn problem(&self, status: u16, codes: &[Code], examples: Vec<(String, Example)>) -> ResponseBuilder {
        if codes.is_empty() {
            let content = ContentBuilder::new().schema(Some(named("GatewayMessage")));
            return ResponseBuilder::new()
                .description("More requests than API Gateway lets through")
                .content("application/json", content.build());
        }
        let told: Vec<String> = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.title())).collect();
        let words: Vec<Value> = codes.iter().map(|code| json!(code.as_str())).collect();
        let content = ContentBuilder::new().schema(Some(problem_of(&words)));
        let content = content.examples_from_iter(examples);
        let mut response = ResponseBuilder::new().description(told.join("; ")).content(PROBLEM, content.build());
        if GATEWAYS_OWN.contains(&status) && !self.is_signed {
            let message = ContentBuilder::new().schema(Some(named("GatewayMessage")));
            response = response.content("application/json", message.build());
        }
        if status == 503 {
            let seconds = integer(1, None, "Seconds after which to send the same request again, where that helps");
            response = response.header("retry-after", Header::new(seconds));
        }
        // What has failed is answered so again under its key.
        if self.replays && [402, 409, 502].contains(&status) {
            response = response.header(REPLAYED, replayed());
        }
        response
    }
}

fn replayed() -> Header {
    Header::new(any_text("`true`: the answer to a request that was made before"))
}

fn examples(of: Vec<(String, Value)>) -> Vec<(String, Example)> {
    of.into_iter()
        .map(|(name, value)| (name.replace(' ', "_"), Example::builder().summary(name).value(Some(value)).build()))
        .collect()
}
