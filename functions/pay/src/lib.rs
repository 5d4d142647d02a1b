//! Payments: pay, list, read, cancel, resolve.

mod request;
mod response;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use shared::api::caller::Caller;
use shared::api::form::{Body, Empty};
use shared::api::idempotency::IdempotencyKey;
use shared::api::problem::Problem;
use shared::api::resolution::resolution;
use shared::api::{About, Params, Route, page, view};
use shared::app::App;
use shared::flow::pay::PayOrder;
use shared::flow::{self, Stop, cancel, find_payment, recover, refuse, require, resolve};
use shared::id::{InvoiceId, fingerprint};
use shared::model::payment::{Payment, PaymentStatus};
use shared::policy::refusal::{Code, Refusal};
use shared::policy::roles::Permission;

/// The routes; the template has the same.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::new("POST", "/payments", post(pay)),
        Route::new("GET", "/payments", get(list)),
        Route::new("GET", "/payments/{id}", get(read)),
        Route::new("POST", "/payments/{id}/cancel", post(cancel_payment)),
        Route::new("POST", "/payments/{id}/resolve", post(resolve_payment)),
    ]
}

/// The router.
pub fn router(app: App) -> Router {
    shared::api::router(app, routes())
}

async fn pay(
    State(app): State<App>,
    caller: Caller,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body,
) -> Response {
    let invocation = &caller.invocation;
    let mut invoice = None;
    let outcome = match order(key, body, &mut invoice) {
        Ok(order) => flow::pay::pay(&app, invocation, &order).await.map_err(Problem::from),
        Err(refusals) => Err(Problem::from(refusals)),
    };
    match outcome {
        Ok(result) => response::paid(result),
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
    body: Result<shared::api::form::Fields, shared::api::form::Unreadable>,
    invoice: &mut Option<String>,
) -> Result<PayOrder, Vec<Refusal>> {
    let fields = body.map_err(|unreadable| vec![unreadable.0])?;
    *invoice = fields.peek("invoice_id").filter(|id| id.parse::<InvoiceId>().is_ok()).map(str::to_owned);
    let key = key.map_err(|refusal| vec![refusal])?;
    if key.is_none() && !fields.has("invoice_id") {
        let detail = "A payment without invoice_id needs the header Idempotency-Key, so that a repeated request is not a second payment.";
        return Err(vec![Refusal::new(Code::IdempotencyKeyRequired, detail)]);
    }
    let fingerprint = fingerprint(&["POST /payments", &fields.canonical()]);
    Ok(PayOrder { request: request::pay(fields)?, key, fingerprint })
}

async fn list(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Problem> {
    let invocation = &caller.invocation;
    let request = params.page();
    let invoice = params.0.parsed::<InvoiceId>("invoice_id");
    let status = params.0.choice("status", PaymentStatus::ALL);
    params.0.finish()?;
    require(&app, invocation, Permission::PaymentsRead).await?;
    let keep = |payment: &Payment| status.is_none_or(|status| payment.status == status);
    let found = match invoice {
        // The invoice lists its payments; there are few.
        Some(invoice) => {
            app.store.payments_of(invocation.tenant(), &invoice, &request, keep).await.map_err(Stop::from)?
        }
        None => app.store.payments(invocation.tenant(), &request, keep).await.map_err(Stop::from)?,
    };
    Ok(page(found, |payment| view::payment(&payment, None)))
}

async fn read(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    let invocation = &caller.invocation;
    require(&app, invocation, Permission::PaymentsRead).await?;
    let payment = find_payment(&app, invocation, &id).await?;
    let (payment, next_action) = recover::touch_payment(&app, invocation, payment).await?;
    let view = view::payment(&payment, next_action.as_ref());
    Ok(response::about(&payment, (StatusCode::OK, axum::Json(view)).into_response()))
}

async fn cancel_payment(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    _: Empty,
) -> Result<Response, Problem> {
    let payment = cancel::cancel_payment(&app, &caller.invocation, &id).await?;
    Ok(response::state(&payment))
}

async fn resolve_payment(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let resolution = resolution(body.map_err(|unreadable| unreadable.0)?)?;
    let payment = resolve::resolve_payment(&app, &caller.invocation, &id, &resolution).await?;
    Ok(response::state(&payment))
}
