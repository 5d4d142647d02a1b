//! Scheduled payments: schedule, list, read, change, cancel.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use http::StatusCode;
use shared::api::caller::Caller;
use shared::api::door::Door;
use shared::api::form::{Body, Empty, Fields};
use shared::api::idempotency::IdempotencyKey;
use shared::api::pay_answer::answer;
use shared::api::pay_request::order;
use shared::api::problem::Problem;
use shared::api::{About, Params, Route, page, view};
use shared::app::App;
use shared::flow::schedule::{Wanted, change, find};
use shared::flow::{Stop, pay, refuse, require};
use shared::id::{MethodId, ScheduleId};
use shared::model::schedule::{Schedule, ScheduleStatus};
use shared::policy::refusal::{Code, Refusal};
use shared::policy::roles::Permission;

/// The routes; the template has the same.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::new("POST", "/scheduled-payments", post(schedule)).behind(Door::Audited),
        Route::new("GET", "/scheduled-payments", get(list)),
        Route::new("GET", "/scheduled-payments/{id}", get(read)),
        Route::new("PATCH", "/scheduled-payments/{id}", patch(change_schedule)),
        Route::new("DELETE", "/scheduled-payments/{id}", delete(cancel)),
    ]
}

/// The router.
pub fn router(app: App) -> Router {
    shared::api::router(app, routes())
}

async fn schedule(
    State(app): State<App>,
    caller: Caller,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body,
) -> Response {
    let invocation = &caller.invocation;
    let mut invoice = None;
    let outcome = match order(key, body, true, &mut invoice) {
        Ok(order) => pay::pay(&app, invocation, &order).await.map_err(Problem::from),
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
    let status = params.0.choice("status", ScheduleStatus::ALL);
    params.0.finish()?;
    require(&app, invocation, Permission::PaymentsRead).await?;
    let keep = |schedule: &Schedule| status.is_none_or(|status| schedule.status == status);
    let found = app.store.schedules(invocation.tenant(), &request, keep).await.map_err(Stop::from)?;
    Ok(page(found, |schedule| view::schedule(&schedule)))
}

async fn read(State(app): State<App>, caller: Caller, Path(id): Path<String>, _: Empty) -> Result<Response, Problem> {
    let invocation = &caller.invocation;
    require(&app, invocation, Permission::PaymentsRead).await?;
    let schedule = find(&app, invocation, &parsed(&id)?).await?;
    Ok((StatusCode::OK, axum::Json(view::schedule(&schedule))).into_response())
}

async fn change_schedule(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let wanted = wanted(body.map_err(|unreadable| unreadable.0)?)?;
    let schedule = change(&app, &caller.invocation, &parsed(&id)?, &wanted).await?;
    Ok((StatusCode::OK, axum::Json(view::schedule(&schedule))).into_response())
}

async fn cancel(State(app): State<App>, caller: Caller, Path(id): Path<String>, _: Empty) -> Result<Response, Problem> {
    let schedule = change(&app, &caller.invocation, &parsed(&id)?, &Wanted::Cancel).await?;
    Ok((StatusCode::OK, axum::Json(view::schedule(&schedule))).into_response())
}

fn wanted(mut body: Fields) -> Result<Wanted, Vec<Refusal>> {
    const DATE: &str = "scheduled_date";
    let date = body.date(DATE);
    let method = body.parsed::<MethodId>("payment_method_id");
    body.finish()?;
    if date.is_none() && method.is_none() {
        let detail = "scheduled_date or payment_method_id, or both, is expected.";
        return Err(vec![Refusal::field(Code::MissingField, DATE, detail)]);
    }
    Ok(Wanted::Change { date, method })
}

fn parsed(id: &str) -> Result<ScheduleId, Refusal> {
    let detail = "There is no such scheduled payment.";
    id.parse().map_err(|_| Refusal::new(Code::ScheduledPaymentNotFound, detail))
}
