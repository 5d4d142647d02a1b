//! Invoices: create, list, read, approve, void, audit trail.

mod request;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde_json::{Value, json};
use shared::api::caller::Caller;
use shared::api::form::{Body, Empty};
use shared::api::idempotency::IdempotencyKey;
use shared::api::problem::Problem;
use shared::api::{About, Params, Replayed, Route, page, view};
use shared::app::App;
use shared::bounds;
use shared::flow::{Stop, invoice, require};
use shared::id::InvoiceId;
use shared::model::invoice::{Invoice, InvoiceStatus};
use shared::policy::refusal::{Code, Refusal};
use shared::policy::roles::Permission;

/// The routes; the template has the same.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::new("POST", "/invoices", post(create)),
        Route::new("GET", "/invoices", get(list)),
        Route::new("GET", "/invoices/{id}", get(read)),
        Route::new("POST", "/invoices/{id}/approve", post(approve)),
        Route::new("POST", "/invoices/{id}/void", post(void)),
        Route::new("GET", "/invoices/{id}/audit", get(audit)),
    ]
}

/// The router.
pub fn router(app: App) -> Router {
    shared::api::router(app, routes())
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body,
) -> Result<Response, Problem> {
    let order = request::invoice(body.map_err(|unreadable| unreadable.0)?, key?)?;
    let (invoice, replayed) = invoice::create(&app, &caller.invocation, &order).await?;
    let status = if replayed { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = shown(&invoice, status);
    if replayed {
        response.extensions_mut().insert(Replayed);
    }
    Ok(response)
}

async fn list(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Problem> {
    let request = params.page();
    let number = params.0.text("number", bounds::NAME_BYTES);
    let status = params.0.choice("status", InvoiceStatus::ALL);
    params.0.finish()?;
    require(&app, &caller.invocation, Permission::InvoicesRead).await?;
    let keep = |invoice: &Invoice| status.is_none_or(|status| invoice.status == status);
    let found =
        app.store.invoices(caller.invocation.tenant(), number.as_deref(), &request, keep).await.map_err(Stop::from)?;
    Ok(page(found, |invoice| view::invoice(&invoice)))
}

async fn read(State(app): State<App>, caller: Caller, Path(id): Path<String>, _: Empty) -> Result<Response, Problem> {
    let invoice = invoice::read(&app, &caller.invocation, &named(&id)?).await?;
    Ok(shown(&invoice, StatusCode::OK))
}

async fn approve(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    _: Empty,
) -> Result<Response, Problem> {
    let invoice = invoice::approve(&app, &caller.invocation, &named(&id)?).await?;
    // One of two approvals: not yet.
    let status = if invoice.status == InvoiceStatus::Draft { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(shown(&invoice, status))
}

async fn void(State(app): State<App>, caller: Caller, Path(id): Path<String>, _: Empty) -> Result<Response, Problem> {
    let invoice = invoice::void(&app, &caller.invocation, &named(&id)?).await?;
    Ok(shown(&invoice, StatusCode::OK))
}

async fn audit(State(app): State<App>, caller: Caller, Path(id): Path<String>, _: Empty) -> Result<Response, Problem> {
    let trail = invoice::trail(&app, &caller.invocation, &named(&id)?).await?;
    let entries: Vec<Value> = trail.entries.iter().map(view::entry).collect();
    Ok(axum::Json(json!({ "entries": entries, "intact": trail.intact })).into_response())
}

/// What is no invoice id names no invoice.
fn named(id: &str) -> Result<InvoiceId, Refusal> {
    id.parse().map_err(|_| Refusal::new(Code::InvoiceNotFound, "There is no such invoice."))
}

fn shown(invoice: &Invoice, status: StatusCode) -> Response {
    let mut response = (status, axum::Json(view::invoice(invoice))).into_response();
    response.extensions_mut().insert(About { invoice_id: Some(invoice.invoice_id.to_string()), payment_id: None });
    response
}
