//! What people look at: alerts, which they resolve, the audit trail by day, agent runs.

mod request;
mod response;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use shared::api::caller::Caller;
use shared::api::form::Body;
use shared::api::problem::Problem;
use shared::api::{Params, Route, page, view};
use shared::app::App;
use shared::flow::{Stop, require, review};
use shared::id::PaymentId;
use shared::model::alert::{AgentRun, AlertStatus};
use shared::policy::roles::Permission;

/// The routes; the template has the same.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::new("GET", "/alerts", get(alerts)),
        Route::new("POST", "/alerts/{id}/resolve", post(resolve)),
        Route::new("GET", "/audit", get(audit)),
        Route::new("GET", "/agent-runs", get(runs)),
    ]
}

/// The router.
pub fn router(app: App) -> Router {
    shared::api::router(app, routes())
}

/// What waits for a person, unless the resolved ones are asked for.
async fn alerts(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Problem> {
    let request = params.page();
    let status = params.0.choice("status", AlertStatus::ALL).unwrap_or(AlertStatus::Open);
    params.0.finish()?;
    require(&app, &caller.invocation, Permission::AlertsRead).await?;
    let found = app.store.alerts(caller.invocation.tenant(), status, &request).await.map_err(Stop::from)?;
    Ok(page(found, |alert| response::alert(&alert)))
}

async fn resolve(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let order = request::resolution(body.map_err(|unreadable| unreadable.0)?)?;
    Ok(response::resolved(&review::resolve_alert(&app, &caller.invocation, &id, &order).await?))
}

async fn audit(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Problem> {
    let request = params.page();
    let day = request::day(params)?;
    require(&app, &caller.invocation, Permission::AuditRead).await?;
    let found = app.store.entries(caller.invocation.tenant(), day, &request).await.map_err(Stop::from)?;
    Ok(page(found, |entry| view::entry(&entry)))
}

async fn runs(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Problem> {
    let request = params.page();
    let payment = params.0.parsed::<PaymentId>("payment_id");
    params.0.finish()?;
    require(&app, &caller.invocation, Permission::AuditRead).await?;
    let keep = |run: &AgentRun| payment.as_ref().is_none_or(|payment| run.payment_id == *payment);
    let found = app.store.runs(caller.invocation.tenant(), &request, keep).await.map_err(Stop::from)?;
    Ok(page(found, |run| response::run(&run)))
}
