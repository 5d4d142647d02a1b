//! The interface as an OpenAPI document: every path, field, unit, code, example and error, written down in this module
//! and nowhere else, outside of what is deployed. Only the local stack serves it, beside the API, with a page to read it.
//!
//! Promises to be true: `tests/e2e/openapi` holds it against the routes, the parsers, and every answer of the tests.

mod answers;
mod catalog;
mod examples;
mod operation;
mod requests;
mod schema;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use http::header;
use shared::policy::refusal::Code;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::server::{ServerBuilder, ServerVariableBuilder};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, License, OneOfBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Schema, Server, Tag,
};

use self::examples::Played;
use self::schema::{any_object, named};

pub use self::examples::EXAMPLES;

/// Where the document is.
pub const PATH: &str = "/openapi.json";
/// Where the page is.
pub const DOCS: &str = "/docs";

const HTML: &str = include_str!("page.html");
const BEARER: &str = "token";
const PROBLEM: &str = "application/problem+json";

const ABOUT: &str = "\
Pays approved invoices over Stripe, PayPal and bank transfers, now or on a date, refunds them, and takes the gateways' webhooks.

**Amounts** are integers in the currency's minor unit. **Times** are RFC 3339, in UTC, with milliseconds. **Fields** that are not described are refused, with their names; a null is as good as a field left out, where it is taken at all. **Lists** are `{items, cursor}`, newest first.

**Errors** are RFC 9457 problems. `code` is stable; `errors` has all that is wrong; the status is that of the first, in this order: what the caller may not do at all (403, alone), then 404, other 403, 409, 422. Errors of form (400, 413, 422) are answered before anything is read.

**Card data** anywhere in a request (card numbers, IBANs, fields named like one) is `422 card_data_forbidden` and nothing else. Add cards and accounts at the gateway and send its token.

**Codes**, which may come with any member of `errors`:

";

/// The document.
#[must_use]
pub fn document() -> OpenApi {
    let played = Played::recorded();
    let mut paths = PathsBuilder::new();
    let mut problems = BTreeMap::new();
    for operation in catalog::all() {
        let path = operation.path;
        problems.extend(operation.common_problems(&played));
        let item = utoipa::openapi::PathItem::new(operation.method.clone(), operation.described(&played));
        paths = paths.path(path, item);
    }
    let mut about = ABOUT.to_owned();
    for code in Code::ALL {
        let _ = writeln!(about, "- {} `{}`: {}", code.status(), code.as_str(), code.title());
    }
    let info = InfoBuilder::new()
        .title("Passerelle")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(about))
        .license(Some(License::builder().name("Apache-2.0").identifier(Some("Apache-2.0")).build()));
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("A token of the issuer's, with the tenant and the user in its claims. Roles come from the member's record, not from the token"))
        .build();
    let either = OneOfBuilder::new().item(named("Payment")).item(named("ScheduledPayment"));
    let either = either.description(Some("A payment that is not final yet, or the promise of one")).build();
    let components = ComponentsBuilder::new()
        .security_scheme(BEARER, SecurityScheme::Http(token))
        .schemas_from_iter(requests::all())
        .schemas_from_iter(answers::all())
        .schema("PaymentOrSchedule", Schema::from(either))
        .responses_from_iter(problems)
        .schema("Event", any_object("An event, as the gateway sends it"));
    OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([server("api", "The stack's output `ApiUrl`")]))
        .tags(Some(tags()))
        .paths(paths.build())
        .components(Some(components.build()))
        .build()
}

/// Where something is: a variable of this name, which on a laptop is the local stack.
fn server(name: &str, about: &str) -> Server {
    let place = ServerVariableBuilder::new().default_value("http://127.0.0.1:9000").description(Some(about));
    ServerBuilder::new().url(format!("{{{name}}}")).parameter(name, place).build()
}

fn tags() -> impl Iterator<Item = Tag> {
    [
        ("Payments", "One attempt each to pay one invoice through one gateway"),
        ("Scheduled payments", "Payments that are promised for a date"),
        ("Refunds", "Money of one payment that goes back"),
        ("Invoices", "What is to be paid: the root of all that follows"),
        ("Payment methods", "A gateway's tokens for cards, bank accounts and PayPal accounts"),
        ("Review", "What people look at"),
        ("Settings", "The tenant and its people"),
        ("Webhooks", "What gateways tell, on a function URL of their own"),
    ]
    .map(|(name, about)| {
        let mut tag = Tag::new(name);
        tag.description = Some(about.to_owned());
        tag
    })
    .into_iter()
}

/// The document as it is written down.
#[must_use]
pub fn text() -> String {
    // Texts, numbers and names only: it always has a JSON text.
    let mut text = document().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// The routes of the document and its page, to be merged with the API's.
pub(crate) fn router() -> Router {
    let document = text();
    // Nothing in it may end the script element that it is in.
    let page = HTML.replace("__DOCUMENT__", &document.replace('<', "\\u003c"));
    Router::new()
        .route(PATH, get(async move || ([(header::CONTENT_TYPE, "application/json")], document.clone())))
        .route(DOCS, get(async move || Html(page.clone())))
}
