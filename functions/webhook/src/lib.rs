//! Webhooks: what gateways tell, under a function URL that anybody can reach.
//!
//! The tenant in the path counts only once one of that tenant's own secrets has signed the body. Nothing is parsed, and
//! nobody is asked, before that. Bodies are neither stored nor logged, and are not searched for card numbers: a gateway's
//! ids and times look like some often enough.

mod plaid;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use lambda_http::RequestExt;
use serde_json::json;
use shared::api::Route;
use shared::api::door::Door;
use shared::api::problem::Problem;
use shared::app::App;
use shared::bounds;
use shared::clock::Time;
use shared::flow::receive::{Arrival, Received, receive};
use shared::flow::{Invocation, Stop};
use shared::gateway::paypal::signature::{SignatureError, Transmission};
use shared::gateway::stripe::event::{SIGNATURE, Signature};
use shared::gateway::{Told, paypal, stripe};
use shared::id::{TenantId, UserId};
use shared::model::audit::Actor;
use shared::model::event::Event;
use shared::model::payment::Gateway;
use shared::policy::refusal::{Code, Refusal};
use shared::secrets::{Keys, PayPalSecret, SecretError, StripeSecret};
use tracing::Span;

/// The routes; the template has a function URL instead.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::new("POST", "/webhooks/stripe/{tenant_id}", post(from_stripe)).behind(Door::Open),
        Route::new("POST", "/webhooks/paypal/{tenant_id}", post(from_paypal)).behind(Door::Open),
        Route::new("POST", "/webhooks/plaid/{tenant_id}", post(from_plaid)).behind(Door::Open),
    ]
}

/// The router.
pub fn router(app: App) -> Router {
    shared::api::router(app, routes())
}

async fn from_stripe(
    State(app): State<App>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    answer(&app, Gateway::Stripe, take(&app, Gateway::Stripe, &tenant, &headers, request).await)
}

async fn from_paypal(
    State(app): State<App>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    answer(&app, Gateway::Paypal, take(&app, Gateway::Paypal, &tenant, &headers, request).await)
}

async fn from_plaid(
    State(app): State<App>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    answer(&app, Gateway::Plaid, plaid::take(&app, &tenant, &headers, request).await)
}

fn answer(app: &App, gateway: Gateway, taken: Result<&'static str, Problem>) -> Result<Response, Problem> {
    let result = match &taken {
        Ok(word) => word,
        Err(problem) if problem.code().status() < 500 => "refused",
        Err(_) => "failed",
    };
    app.metrics.event(gateway, result, app.clock.now());
    taken.map(|word| (StatusCode::OK, axum::Json(json!({ "status": word }))).into_response())
}

/// What an event tells, and of which.
struct Read {
    id: String,
    kind: String,
    created_at: Time,
    told: Told,
}

/// A webhook before anything of it is believed.
struct Delivery {
    /// Of the invocation.
    request_id: String,
    started_at: Time,
    deadline: Time,
    body: Bytes,
}

impl Delivery {
    async fn read(app: &App, request: Request) -> Result<Self, Problem> {
        let started_at = app.clock.now();
        let latest = started_at.plus(bounds::WEBHOOK_TIME);
        let context = request.lambda_context_ref();
        let deadline = context
            .and_then(|context| i64::try_from(context.deadline).ok())
            .filter(|ms| *ms > 0)
            .map_or(latest, |ms| Time::from_millis(ms).min(latest));
        let request_id = context.map(|context| context.request_id.clone()).unwrap_or_default();
        let body = axum::body::to_bytes(request.into_body(), bounds::WEBHOOK_BYTES).await.map_err(|_| too_large())?;
        Ok(Self { request_id, started_at, deadline, body })
    }
}

/// Takes an event; what became of it.
async fn take(
    app: &App,
    gateway: Gateway,
    tenant: &str,
    headers: &HeaderMap,
    request: Request,
) -> Result<&'static str, Problem> {
    let Delivery { request_id, started_at, deadline, body } = Delivery::read(app, request).await?;
    let (tenant_id, keys) = match gateway {
        Gateway::Stripe => verified(app, tenant, headers, &body).await?,
        Gateway::Paypal => verified_paypal(app, tenant, headers, &body).await?,
        Gateway::Plaid => return Err(unsigned()),
    };
    let Some(read) = read(&keys, &body, started_at) else {
        return Err(Refusal::new(Code::InvalidJson, "The body is no event of the gateway's.").into());
    };
    let actor = Actor { tenant_id: tenant_id.clone(), user_id: UserId::webhook(), request_id };
    let invocation = Invocation { actor, started_at, deadline };
    let arrival = Arrival {
        event: Event { tenant_id, gateway: gateway.as_str(), id: read.id, kind: read.kind },
        created_at: read.created_at,
        told: read.told,
        keys,
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

/// Reads an event whose signature is right; `None`: it is none.
fn read(keys: &Keys, body: &[u8], now: Time) -> Option<Read> {
    match keys {
        Keys::Stripe(secret) => {
            let event = stripe::event::parse(body)?;
            // What happens in a connected account is that account's business.
            let elsewhere = event.account.as_ref().is_some_and(|account| *account != secret.account);
            let told = if elsewhere { Told::Nothing } else { event.told };
            Some(Read { id: event.id, kind: event.kind, created_at: event.created_at, told })
        }
        Keys::Paypal(_) => {
            let event = paypal::event::parse(body, now)?;
            Some(Read { id: event.id, kind: event.kind, created_at: event.created_at, told: event.told })
        }
        Keys::Plaid(_) => None,
    }
}

/// The tenant, once PayPal has signed the body for the tenant's own webhook within the last days.
async fn verified_paypal(
    app: &App,
    tenant: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<(TenantId, Keys), Problem> {
    let transmission = Transmission::parse(headers).filter(|sent| sent.is_recent(app.clock.now()));
    let transmission = transmission.ok_or_else(unsigned)?;
    let tenant_id: TenantId = tenant.parse().map_err(|_| unsigned())?;
    let timeout = app.config.gateway_timeout;
    let signed = async |secret: &PayPalSecret| {
        let checked = app.paypal_signatures.verify(&transmission, &secret.webhook_id, body, timeout).await;
        match checked {
            Ok(()) => Ok(true),
            Err(SignatureError::Refused(why)) => {
                tracing::warn!(why, "the signature is refused");
                Ok(false)
            }
            // The delivery is wanted again.
            Err(SignatureError::Unavailable(trouble)) => Err(Problem::again(Stop::Gateway(trouble.as_str()))),
        }
    };
    let secret = app.secrets.paypal(&tenant_id).await.map_err(without)?;
    if signed(&secret).await? {
        return Ok((tenant_id, Keys::Paypal(secret)));
    }
    // Another webhook since it was cached.
    let fresh = app.secrets.paypal_anew(&tenant_id).await.map_err(without)?;
    if fresh.webhook_id != secret.webhook_id && signed(&fresh).await? {
        return Ok((tenant_id, Keys::Paypal(fresh)));
    }
    Err(unsigned())
}

/// The tenant, once a secret of theirs has signed the body about now.
async fn verified(app: &App, tenant: &str, headers: &HeaderMap, body: &Bytes) -> Result<(TenantId, Keys), Problem> {
    let now = app.clock.now();
    let signature = headers
        .get(SIGNATURE)
        .and_then(|header| Signature::parse(header.as_bytes()))
        .filter(|signature| signature.is_recent(now))
        .ok_or_else(unsigned)?;
    let tenant_id: TenantId = tenant.parse().map_err(|_| unsigned())?;
    let signed = |secret: &StripeSecret| signature.is_valid(body, &secret.webhook_secrets);
    match app.secrets.stripe(&tenant_id).await {
        Ok(secret) if signed(&secret) => return Ok((tenant_id, Keys::Stripe(secret))),
        Ok(_) => {}
        Err(error) => return Err(without(error)),
    }
    // Rotated since it was cached.
    match app.secrets.stripe_anew(&tenant_id).await {
        Ok(secret) if signed(&secret) => Ok((tenant_id, Keys::Stripe(secret))),
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
