//! A tenant's settings and members, and the operator's bootstrap of both.

mod request;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use http::StatusCode;
use serde_json::{Value, json};
use shared::api::caller::Caller;
use shared::api::form::{Body, Empty};
use shared::api::problem::Problem;
use shared::api::{Params, Route, page};
use shared::app::App;
use shared::flow::{Stop, member, settings};
use shared::id::UserId;
use shared::model::tenant::{Member, Settings};
use shared::policy::refusal::{Code, Refusal};
use shared::store::list::page_of;

/// The routes; the template has the same.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::new("GET", "/tenant", get(read_tenant)),
        Route::new("PUT", "/tenant", put(put_tenant)),
        Route::new("GET", "/members", get(list_members)),
        Route::new("PUT", "/members/{user_id}", put(put_member)),
        Route::new("DELETE", "/members/{user_id}", axum::routing::delete(remove_member)),
    ]
}

/// The router.
pub fn router(app: App) -> Router {
    shared::api::router(app, routes())
}

async fn read_tenant(State(app): State<App>, caller: Caller, _: Empty) -> Result<Response, Problem> {
    let settings = settings::read(&app, &caller.invocation).await?;
    Ok(axum::Json(tenant(&settings)).into_response())
}

async fn put_tenant(State(app): State<App>, caller: Caller, Body(body): Body) -> Result<Response, Problem> {
    let wanted = request::settings(body.map_err(|unreadable| unreadable.0)?, caller.invocation.tenant())?;
    let settings = settings::put(&app, &caller.invocation, caller.operator, &wanted).await?;
    Ok(axum::Json(tenant(&settings)).into_response())
}

async fn list_members(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Problem> {
    let request = params.page();
    params.0.finish()?;
    let mut members = member::list(&app, &caller.invocation).await?;
    members.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.user_id.cmp(&b.user_id)));
    let found = page_of(members, &request, |member| member.user_id.as_str()).map_err(Stop::from)?;
    Ok(page(found, |member| shown(&member)))
}

async fn put_member(
    State(app): State<App>,
    caller: Caller,
    Path(user): Path<String>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let user: UserId =
        user.parse().map_err(|error| Refusal::field(Code::InvalidField, "user_id", format!("{error}.")))?;
    if user.is_system() {
        return Err(Refusal::field(Code::InvalidField, "user_id", "Names that begin with system: are ours.").into());
    }
    let body = body.map_err(|unreadable| unreadable.0)?;
    let wanted = request::member(body, caller.invocation.tenant(), user, app.clock.now())?;
    let member = member::put(&app, &caller.invocation, caller.operator, &wanted).await?;
    Ok(axum::Json(shown(&member)).into_response())
}

async fn remove_member(
    State(app): State<App>,
    caller: Caller,
    Path(user): Path<String>,
    _: Empty,
) -> Result<Response, Problem> {
    let user: UserId = user.parse().map_err(|_| Refusal::new(Code::MemberNotFound, "There is no such member."))?;
    member::remove(&app, &caller.invocation, &user).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn tenant(settings: &Settings) -> Value {
    json!({
        "tenant_id": settings.tenant_id,
        "name": settings.name,
        "timezone": settings.timezone,
        "four_eyes": settings.four_eyes,
        "second_approval_above": settings.second_approval_above,
        "retry_days": settings.retry_days,
        "on_insufficient_funds": settings.on_insufficient_funds,
        "alert_email": settings.alert_email,
        "gateways": settings.gateways,
        "version": settings.version,
    })
}

fn shown(member: &Member) -> Value {
    json!({
        "user_id": member.user_id,
        "roles": member.roles,
        "approval_limits": member.approval_limits,
        "created_at": member.created_at,
    })
}
