//! Payments: pay, list, read, cancel, resolve.

mod response;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use shared::api::caller::Caller;
use shared::api::door::Door;
use shared::api::form::{Body, Empty};
use shared::api::idempotency::IdempotencyKey;
use shared::api::pay_answer::{about, answer};
use shared::api::pay_request::order;
use shared::api::problem::Problem;
use shared::api::resolution::resolution;
use shared::api::{About, Params, Route, page, view};
use shared::app::App;
use shared::flow::{self, Stop, cancel, find_payment, recover, refuse, require, resolve};
use shared::id::InvoiceId;
use shared::model::payment::{Payment, PaymentStatus};
use shared::policy::roles::Permission;

/// The routes; the template has the same.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::new("POST", "/payments", post(pay)).behind(Door::Audited),
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
    let outcome = match order(key, body, false, &mut invoice) {
        Ok(order) => flow::pay::pay(&app, invocation, &order).await.map_err(Problem::from),
        Err(refusals) => Err(Problem::from(refusals)),
    };
    match outcome {
        Ok(result) => answer(result),
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

async fn read(State(app): State<App>, caller: Caller, Path(id): Path<String>, _: Empty) -> Result<Response, Problem> {
    let invocation = &caller.invocation;
    require(&app, invocation, Permission::PaymentsRead).await?;
    let payment = find_payment(&app, invocation, &id).await?;
    let (payment, next_action) = recover::touch_payment(&app, invocation, payment).await?;
    let view = view::payment(&payment, next_action.as_ref());
    Ok(about(&payment, (StatusCode::OK, axum::Json(view)).into_response()))
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
