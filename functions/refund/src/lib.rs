//! Refunds: refund, list, read, cancel, resolve.

mod request;
mod response;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use shared::api::caller::Caller;
use shared::api::door::Door;
use shared::api::form::{Body, Empty, Fields, Unreadable};
use shared::api::idempotency::IdempotencyKey;
use shared::api::problem::Problem;
use shared::api::resolution::resolution;
use shared::api::{About, Params, Route, page, view};
use shared::app::App;
use shared::bounds;
use shared::flow::refund::RefundOrder;
use shared::flow::{self, Stop, cancel, find_payment, find_refund, recover, refuse, require, resolve};
use shared::id::{InvoiceId, fingerprint};
use shared::model::movement::Movement;
use shared::policy::refusal::{Code, Refusal};
use shared::policy::roles::Permission;

/// The routes; the template has the same.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::new("POST", "/refunds", post(refund)).behind(Door::Audited),
        Route::new("GET", "/refunds", get(list)),
        Route::new("GET", "/refunds/{id}", get(read)),
        Route::new("POST", "/refunds/{id}/cancel", post(cancel_refund)),
        Route::new("POST", "/refunds/{id}/resolve", post(resolve_refund)),
    ]
}

/// The router.
pub fn router(app: App) -> Router {
    shared::api::router(app, routes())
}

async fn refund(
    State(app): State<App>,
    caller: Caller,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body,
) -> Response {
    let invocation = &caller.invocation;
    let mut invoice = None;
    let outcome = match order(key, body, &mut invoice) {
        Ok(order) => flow::refund::refund(&app, invocation, &order).await.map_err(Problem::from),
        Err(refusals) => Err(Problem::from(refusals)),
    };
    match outcome {
        Ok(result) => response::refunded(result),
        Err(problem) => {
            if problem.code().status() < 500 {
                refuse::refuse(&app, invocation, invoice.as_deref(), problem.refusals()).await;
            }
            let about = About { invoice_id: invoice, payment_id: None };
            let mut response = problem.into_response();
            response.extensions_mut().insert(about);
            response
        }
    }
}

/// The order of a request; `invoice` learns what the body names even where its form is wrong.
fn order(
    key: Result<Option<String>, Refusal>,
    body: Result<Fields, Unreadable>,
    invoice: &mut Option<String>,
) -> Result<RefundOrder, Vec<Refusal>> {
    let fields = body.map_err(|unreadable| vec![unreadable.0])?;
    *invoice = fields.peek("invoice_id").filter(|id| id.parse::<InvoiceId>().is_ok()).map(str::to_owned);
    let Some(key) = key.map_err(|refusal| vec![refusal])? else {
        let detail = "A refund needs the header Idempotency-Key, so that a repeated request is not a second refund.";
        return Err(vec![Refusal::new(Code::IdempotencyKeyRequired, detail)]);
    };
    let fingerprint = fingerprint(&["POST /refunds", &fields.canonical()]);
    Ok(RefundOrder { request: request::refund(fields)?, key, fingerprint })
}

async fn list(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Problem> {
    let invocation = &caller.invocation;
    let request = params.page();
    let payment = params.0.text("payment_id", bounds::REFERENCE_BYTES);
    params.0.finish()?;
    require(&app, invocation, Permission::PaymentsRead).await?;
    let payment = match payment {
        Some(id) => Some(find_payment(&app, invocation, &id).await?.id),
        None => None,
    };
    let found = app.store.refunds(invocation.tenant(), payment.as_ref(), &request).await.map_err(Stop::from)?;
    Ok(page(found, |refund| view::refund(&refund)))
}

async fn read(State(app): State<App>, caller: Caller, Path(id): Path<String>, _: Empty) -> Result<Response, Problem> {
    let invocation = &caller.invocation;
    require(&app, invocation, Permission::PaymentsRead).await?;
    let refund = find_refund(&app, invocation, &id).await?;
    let recovered = recover::touch(&app, invocation, Movement::Refund(&refund)).await?;
    let refund = recovered.and_then(|recovered| recovered.case.refund).unwrap_or(refund);
    Ok(response::about(&refund, (StatusCode::OK, axum::Json(view::refund(&refund))).into_response()))
}

async fn cancel_refund(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    _: Empty,
) -> Result<Response, Problem> {
    let refund = cancel::cancel_refund(&app, &caller.invocation, &id).await?;
    Ok(response::state(&refund))
}

async fn resolve_refund(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let resolution = resolution(body.map_err(|unreadable| unreadable.0)?)?;
    let refund = resolve::resolve_refund(&app, &caller.invocation, &id, &resolution).await?;
    Ok(response::state(&refund))
}
