//! HTTP: who calls, what the body says, and how refusals are answered.
//!
//! A function's router is made from its list of routes, so that the template can be held against that list.

pub mod caller;
pub mod card_data;
pub mod door;
pub mod form;
pub mod idempotency;
pub mod pay_answer;
pub mod pay_request;
pub mod problem;
pub mod resolution;
pub mod view;

use axum::Router;
use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::HeaderValue;
use http::request::Parts;
use lambda_http::RequestExt;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tracing::Instrument;

use self::door::Door;
use self::form::Fields;
use self::problem::Problem;
use crate::app::App;
use crate::bounds;
use crate::id::TenantId;
use crate::policy::refusal::{Code, Refusal};
use crate::store::list::{Page, PageRequest};
use crate::telemetry;

/// One route of a function.
#[derive(Debug)]
pub struct Route {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// As API Gateway writes it: `/payments/{id}`.
    pub path: &'static str,
    /// What answers.
    pub handler: MethodRouter<App>,
    /// What becomes of a request with card data.
    pub door: Door,
}

impl Route {
    /// A route; the handler must be one for `method`. Card data is refused.
    #[must_use]
    pub fn new(method: &'static str, path: &'static str, handler: MethodRouter<App>) -> Self {
        Self { method, path, handler, door: Door::Guarded }
    }

    /// With another door.
    #[must_use]
    pub fn behind(self, door: Door) -> Self {
        Self { door, ..self }
    }
}

/// The router of a function.
pub fn router(app: App, routes: Vec<Route>) -> Router {
    let router = routes
        .into_iter()
        .fold(Router::new(), |router, route| router.route(route.path, door::before(route.handler, &app, route.door)));
    router
        .fallback(|| async { Problem::from(no_path()) })
        .method_not_allowed_fallback(|| async {
            Problem::from(Refusal::new(Code::MethodNotAllowed, "The path knows no such method."))
        })
        .layer(middleware::from_fn_with_state(app.clone(), request_line))
        .with_state(app)
}

fn no_path() -> Refusal {
    Refusal::new(Code::NotFound, "There is no such path.")
}

/// One log line per request, with the route and never the path, and the request id in every problem.
async fn request_line(axum::extract::State(app): axum::extract::State<App>, request: Request, next: Next) -> Response {
    let started = app.clock.now();
    let method = request.method().clone();
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "-".to_owned(), |path| path.as_str().to_owned());
    let context = request.lambda_context_ref();
    let request_id = context.map(|context| context.request_id.clone()).unwrap_or_default();
    let tenant_id = caller::claim(request.request_context_ref(), &app.config.tenant_claim)
        .and_then(|text| text.parse::<TenantId>().ok())
        .map(|tenant| tenant.to_string());
    let span = telemetry::invocation(context, tenant_id.as_deref());
    let mut response = match percent_decode_str(request.uri().path()).decode_utf8() {
        Ok(_) => next.run(request).instrument(span.clone()).await,
        // No parameter could be read from it.
        Err(_) => Problem::from(no_path()).into_response(),
    };
    let _entered = span.entered();
    let about = response.extensions_mut().remove::<About>().unwrap_or_default();
    let replayed = response.extensions_mut().remove::<Replayed>().is_some();
    let problem = response.extensions_mut().remove::<Problem>();
    let code = problem.as_ref().map(|problem| problem.code().as_str());
    if let Some(problem) = &problem {
        problem.log(&request_id);
        response = problem.render(&request_id);
    }
    if replayed {
        response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    tracing::info!(
        request_id,
        %method,
        route,
        status = response.status().as_u16(),
        code,
        tenant_id,
        invoice_id = about.invoice_id,
        payment_id = about.payment_id,
        duration_ms = u64::try_from(app.clock.now().since(started).as_millis()).unwrap_or(u64::MAX),
        "request"
    );
    response
}

/// Marks the answer to a request that was made before.
#[derive(Clone, Copy, Debug)]
pub struct Replayed;

/// Ids that a response is about, for its log line.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The invoice.
    pub invoice_id: Option<String>,
    /// The payment.
    pub payment_id: Option<String>,
}

/// The parameters behind the question mark.
#[derive(Debug)]
pub struct Params(pub Fields);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(Fields::query(&parts.uri)?))
    }
}

impl Params {
    /// `limit` (1 to 100, else 25) and `cursor`.
    pub fn page(&mut self) -> PageRequest {
        let limit = self.0.parsed::<usize>("limit");
        let cursor = self.0.text("cursor", 1_000);
        if limit.is_some_and(|limit| limit == 0 || limit > bounds::PAGE_MAX) {
            self.0.refuse(Code::InvalidField, "limit", format!("A number from 1 to {} is expected.", bounds::PAGE_MAX));
        }
        PageRequest { limit: limit.unwrap_or(bounds::PAGE), cursor }
    }
}

/// A page as it is answered: `{items, cursor}`.
pub fn page<T>(page: Page<T>, view: impl Fn(T) -> Value) -> Response {
    let items: Vec<Value> = page.items.into_iter().map(view).collect();
    axum::Json(json!({ "items": items, "cursor": page.cursor })).into_response()
}
