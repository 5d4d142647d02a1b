//! Webhooks: what gateways tell, under a function URL that anybody can reach.
//!
//! The tenant in the path counts only once one of that tenant's own secrets has signed the body. Nothing is parsed, and
//! nobody is asked, before that. Bodies are neither stored nor logged, and are not searched for card numbers: a gateway's
//! ids and times look like some often enough.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use lambda_http::RequestExt;
use serde_json::json;
use shared::api::Route;
use shared::api::problem::Problem;
use shared::app::App;
use shared::bounds;
use shared::clock::Time;
use shared::flow::Invocation;
use shared::flow::receive::{Arrival, Received, receive};
use shared::gateway::Told;
use shared::gateway::stripe::event::{SIGNATURE, Signature, parse};
use shared::id::{TenantId, UserId};
use shared::model::audit::Actor;
use shared::model::event::Event;
use shared::model::payment::Gateway;
use shared::policy::refusal::{Code, Refusal};
use shared::secrets::{SecretError, StripeSecret};
use tracing::Span;

/// The routes; the template has a function URL instead.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![Route::new("POST", "/webhooks/stripe/{tenant_id}", post(stripe))]
}

/// The router.
pub fn router(app: App) -> Router {
    shared::api::router(app, routes())
}

async fn stripe(
    State(app): State<App>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let taken = take(&app, &tenant, &headers, request).await;
    let result = match &taken {
        Ok(word) => word,
        Err(problem) if problem.code().status() < 500 => "refused",
        Err(_) => "failed",
    };
    app.metrics.event(Gateway::Stripe, result, app.clock.now());
    taken.map(|word| (StatusCode::OK, axum::Json(json!({ "status": word }))).into_response())
}

/// Takes an event of Stripe's; what became of it.
async fn take(app: &App, tenant: &str, headers: &HeaderMap, request: Request) -> Result<&'static str, Problem> {
    let started_at = app.clock.now();
    let latest = started_at.plus(bounds::WEBHOOK_TIME);
    let context = request.lambda_context_ref();
    let deadline = context
        .and_then(|context| i64::try_from(context.deadline).ok())
        .filter(|ms| *ms > 0)
        .map_or(latest, |ms| Time::from_millis(ms).min(latest));
    let request_id = context.map(|context| context.request_id.clone()).unwrap_or_default();
    let body = axum::body::to_bytes(request.into_body(), bounds::WEBHOOK_BYTES).await.map_err(|_| too_large())?;

    let (tenant_id, secret) = verified(app, tenant, headers, &body).await?;
    let Some(event) = parse(&body) else {
        return Err(Refusal::new(Code::InvalidJson, "The body is no event of Stripe's API v1.").into());
    };
    let actor = Actor { tenant_id: tenant_id.clone(), user_id: UserId::webhook(), request_id };
    let invocation = Invocation { actor, started_at, deadline };
    // What happens in a connected account is that account's business.
    let elsewhere = event.account.as_ref().is_some_and(|account| *account != secret.account);
    let arrival = Arrival {
        event: Event { tenant_id, gateway: "stripe", id: event.id, kind: event.kind },
        created_at: event.created_at,
        told: if elsewhere { Told::Nothing } else { event.told },
        secret,
    };
    let span = Span::current();
    span.record("tenant_id", arrival.event.tenant_id.as_str());
    span.record("event", arrival.event.id.as_str());
    span.record("kind", arrival.event.kind.as_str());
    let received = receive(app, &invocation, &arrival).await.map_err(|stop| {
        tracing::warn!(error = %stop, "event not applied: it is to be delivered again");
        Problem::again(stop)
    })?;
    let word = match received {
        Received::Done => "done",
        Received::Seen => "seen",
        Received::NotOurs => "ignored",
    };
    tracing::info!(outcome = word, "event received");
    Ok(word)
}

/// The tenant, once a secret of theirs has signed the body about now.
async fn verified(
    app: &App,
    tenant: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<(TenantId, Arc<StripeSecret>), Problem> {
    let now = app.clock.now();
    let signature = headers
        .get(SIGNATURE)
        .and_then(|header| Signature::parse(header.as_bytes()))
        .filter(|signature| signature.is_recent(now))
        .ok_or_else(unsigned)?;
    let tenant_id: TenantId = tenant.parse().map_err(|_| unsigned())?;
    let signed = |secret: &StripeSecret| signature.is_valid(body, &secret.webhook_secrets);
    match app.secrets.stripe(&tenant_id).await {
        Ok(secret) if signed(&secret) => return Ok((tenant_id, secret)),
        Ok(_) => {}
        Err(error) => return Err(without(error)),
    }
    // Rotated since it was cached.
    match app.secrets.stripe_anew(&tenant_id).await {
        Ok(secret) if signed(&secret) => Ok((tenant_id, secret)),
        Ok(_) => Err(unsigned()),
        Err(error) => Err(without(error)),
    }
}

/// A tenant that doesn't exist is answered like a bad signature: nobody learns who is a customer.
fn without(error: SecretError) -> Problem {
    match error {
        SecretError::Missing(_) => unsigned(),
        error => Problem::again(error.into()),
    }
}

fn unsigned() -> Problem {
    Refusal::new(Code::SignatureInvalid, "The signature is missing, too old, or not made with the endpoint's secret.")
        .into()
}

fn too_large() -> Problem {
    let detail = format!("An event has at most {} bytes.", bounds::WEBHOOK_BYTES);
    Refusal::new(Code::BodyTooLarge, detail).into()
}
