//! Payment methods: begin, add by reference, list, choose the default, detach.

mod request;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::StatusCode;
use serde_json::{Value, json};
use shared::api::caller::Caller;
use shared::api::form::{Body, Empty};
use shared::api::problem::Problem;
use shared::api::view::to_do;
use shared::api::{Params, Route, page};
use shared::app::App;
use shared::flow::method::{self, Listed};
use shared::id::MethodId;
use shared::policy::refusal::{Code, Refusal};

/// The routes; the template has the same.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::new("POST", "/payment-methods/setup", post(begin)),
        Route::new("POST", "/payment-methods", post(add)),
        Route::new("GET", "/payment-methods", get(list)),
        Route::new("POST", "/payment-methods/{id}/default", post(set_default)),
        Route::new("DELETE", "/payment-methods/{id}", delete(detach)),
    ]
}

/// The router.
pub fn router(app: App) -> Router {
    shared::api::router(app, routes())
}

async fn begin(State(app): State<App>, caller: Caller, Body(body): Body) -> Result<Response, Problem> {
    let order = request::setup(body.map_err(|unreadable| unreadable.0)?)?;
    let begun = method::begin(&app, &caller.invocation, &order).await?;
    let next = begun.next_action.as_ref().map(|action| to_do(action, begun.expires_at));
    let answer = json!({
        "gateway": order.gateway, "owner": order.owner, "reference": begun.reference, "next_action": next,
    });
    Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
}

async fn add(State(app): State<App>, caller: Caller, Body(body): Body) -> Result<Response, Problem> {
    let order = request::order(body.map_err(|unreadable| unreadable.0)?)?;
    let added = method::add(&app, &caller.invocation, &order).await?;
    Ok((StatusCode::CREATED, axum::Json(view(&added))).into_response())
}

async fn list(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Problem> {
    let request = params.page();
    let owner = request::owner(&mut params.0);
    params.0.finish()?;
    let found = method::list(&app, &caller.invocation, owner.as_ref(), &request).await?;
    Ok(page(found, |listed| view(&listed)))
}

async fn set_default(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    _: Empty,
) -> Result<Response, Problem> {
    let chosen = method::set_default(&app, &caller.invocation, &named(&id)?).await?;
    Ok(axum::Json(view(&chosen)).into_response())
}

async fn detach(State(app): State<App>, caller: Caller, Path(id): Path<String>, _: Empty) -> Result<Response, Problem> {
    let detached = method::detach(&app, &caller.invocation, &named(&id)?).await?;
    let mut answer = view(&detached.listed);
    if let Some(members) = answer.as_object_mut() {
        members.insert("detached_at_gateway".to_owned(), json!(detached.at_gateway));
    }
    Ok(axum::Json(answer).into_response())
}

fn named(id: &str) -> Result<MethodId, Refusal> {
    id.parse().map_err(|_| Refusal::new(Code::PaymentMethodNotFound, "There is no such payment method."))
}

fn view(listed: &Listed) -> Value {
    let method = &listed.method;
    json!({
        "id": method.id,
        "gateway": method.gateway,
        "kind": method.kind,
        "owner": method.owner,
        "brand": method.brand,
        "last4": method.last4,
        "exp_month": method.exp_month,
        "exp_year": method.exp_year,
        "status": method.status,
        "default": listed.default,
        "created_at": method.created_at,
    })
}
