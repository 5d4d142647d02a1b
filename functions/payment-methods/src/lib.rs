//! Payment methods: add by reference, list, choose the default.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde_json::{Value, json};
use shared::api::caller::Caller;
use shared::api::form::{Body, Empty, Fields};
use shared::api::problem::Problem;
use shared::api::{Params, Route, page};
use shared::app::App;
use shared::bounds;
use shared::flow::method::{self, Listed, MethodOrder};
use shared::id::{MethodId, PartyId};
use shared::model::method::Owner;
use shared::model::payment::Gateway;
use shared::policy::refusal::{Code, Refusal};

/// The routes; the template has the same.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::new("POST", "/payment-methods", post(add)),
        Route::new("GET", "/payment-methods", get(list)),
        Route::new("POST", "/payment-methods/{id}/default", post(set_default)),
    ]
}

/// The router.
pub fn router(app: App) -> Router {
    shared::api::router(app, routes())
}

async fn add(State(app): State<App>, caller: Caller, Body(body): Body) -> Result<Response, Problem> {
    let order = order(body.map_err(|unreadable| unreadable.0)?)?;
    let added = method::add(&app, &caller.invocation, &order).await?;
    Ok((StatusCode::CREATED, axum::Json(view(&added))).into_response())
}

async fn list(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Problem> {
    let request = params.page();
    let owner = owner(&mut params.0);
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
    let id: MethodId =
        id.parse().map_err(|_| Refusal::new(Code::PaymentMethodNotFound, "There is no such payment method."))?;
    let chosen = method::set_default(&app, &caller.invocation, &id).await?;
    Ok(axum::Json(view(&chosen)).into_response())
}

fn order(mut body: Fields) -> Result<MethodOrder, Vec<Refusal>> {
    let gateway = body.choice("gateway", &["stripe", "paypal", "plaid"]);
    let gateway = body.required("gateway", gateway);
    let reference = body.text("reference", bounds::NAME_BYTES);
    let reference = body.required("reference", reference);
    let known = |text: &String| {
        ["seti_", "pm_"].iter().any(|prefix| text.starts_with(prefix))
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if gateway == Some("stripe") && reference.as_ref().is_some_and(|text| !known(text)) {
        body.refuse(
            Code::InvalidField,
            "reference",
            "The id of a SetupIntent (seti_…) or PaymentMethod (pm_…) is expected.",
        );
    }
    let is_token = |text: &String| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if gateway == Some("paypal") && reference.as_ref().is_some_and(|text| !is_token(text)) {
        body.refuse(Code::InvalidField, "reference", "The id of a setup token or a payment token is expected.");
    }
    let is_public = |text: &String| text.starts_with("public-") && is_token(text);
    if gateway == Some("plaid") && reference.as_ref().is_some_and(|text| !is_public(text)) {
        body.refuse(
            Code::InvalidField,
            "reference",
            "The public token that Plaid Link has given (public-…) is expected.",
        );
    }
    let owner = owner(&mut body);
    let default = body.boolean("default").unwrap_or(false);
    let owner = owner.unwrap_or(Owner::Tenant);
    body.finish()?;
    let gateway = gateway.and_then(Gateway::named);
    match (gateway, reference) {
        (Some(gateway), Some(reference)) => Ok(MethodOrder { gateway, reference, owner, default }),
        // What is missing has been said.
        _ => Err(Vec::new()),
    }
}

/// The owner that `customer_id` or `vendor_id` names; neither: none.
fn owner(fields: &mut Fields) -> Option<Owner> {
    let customer = fields.parsed::<PartyId>("customer_id");
    let vendor = fields.parsed::<PartyId>("vendor_id");
    if customer.is_some() && vendor.is_some() {
        fields.refuse(Code::InvalidField, "vendor_id", "A method belongs to a customer or to a vendor, not to both.");
    }
    customer.map(Owner::Customer).or(vendor.map(Owner::Vendor))
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
