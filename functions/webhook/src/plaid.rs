//! Plaid's webhook: it says only that there are events, and they are asked for.
//!
//! Its signature is bound to Plaid and to the body, not to the tenant. That is safe only because nothing follows but the
//! tenant's own question to Plaid, with the tenant's own secret.

use std::sync::Arc;

use super::{Delivery, unsigned, without};
use axum::extract::Request;
use http::HeaderMap;
use shared::api::problem::Problem;
use shared::app::App;
use shared::flow::sync::sync;
use shared::flow::{Invocation, Stop};
use shared::gateway::Trouble;
use shared::gateway::plaid::event;
use shared::gateway::plaid::signature::Refused;
use shared::id::{TenantId, UserId};
use shared::model::audit::Actor;
use shared::model::payment::Gateway;
use shared::policy::refusal::{Code, Refusal};
use shared::secrets::{Keys, PlaidSecret};

/// The header with the signature.
const HEADER: &str = "plaid-verification";

/// Takes a webhook; what became of it.
pub(super) async fn take(
    app: &App,
    tenant: &str,
    headers: &HeaderMap,
    request: Request,
) -> Result<&'static str, Problem> {
    let Delivery { request_id, started_at, deadline, body } = Delivery::read(app, request).await?;
    let token = headers.get(HEADER).and_then(|header| header.to_str().ok()).ok_or_else(unsigned)?;
    let tenant_id: TenantId = tenant.parse().map_err(|_| unsigned())?;
    let secret = verified(app, &tenant_id, token, &body).await?;
    let no_webhook = || Refusal::new(Code::InvalidJson, "The body is no webhook of Plaid's.");
    let notice = event::notice(&body).ok_or_else(no_webhook)?;
    let span = tracing::Span::current();
    span.record("tenant_id", tenant_id.as_str());
    span.record("kind", notice.code.as_str());
    // Of accounts and bank links nothing is kept that could change.
    if !notice.is_about_transfers {
        tracing::info!(outcome = "ignored", "event received");
        return Ok("ignored");
    }
    let actor = Actor { tenant_id, user_id: UserId::webhook(), request_id };
    let invocation = Invocation { actor, started_at, deadline };
    sync(app, &invocation, &secret).await.map_err(|stop| {
        tracing::warn!(error = %stop, "events not applied: the webhook is to be delivered again");
        Problem::again(stop)
    })?;
    tracing::info!(outcome = "done", "event received");
    Ok("done")
}

/// The tenant's secret, once Plaid has signed the body within the last minutes.
async fn verified(app: &App, tenant: &TenantId, token: &str, body: &[u8]) -> Result<Arc<PlaidSecret>, Problem> {
    let timeout = app.config.gateway_timeout;
    let signed = async |secret: &PlaidSecret| match app
        .plaid_signatures
        .verify(&app.plaid, secret, token, body, timeout)
        .await
    {
        Ok(()) => Ok(true),
        Err(Refused::NotGenuine(why)) => {
            tracing::warn!(why, "the signature is refused");
            Ok(false)
        }
        Err(Refused::Unavailable(trouble)) => Err(trouble),
    };
    let of_plaid = |keys: Keys| match keys {
        Keys::Plaid(secret) => Ok(secret),
        _ => Err(unsigned()),
    };
    let mut secret = of_plaid(app.secrets.keys(tenant, Gateway::Plaid).await.map_err(without)?)?;
    let mut genuine = signed(&secret).await;
    if genuine == Err(Trouble::KeyRefused) {
        // Rotated since it was cached.
        secret = of_plaid(app.secrets.keys_anew(tenant, Gateway::Plaid).await.map_err(without)?)?;
        genuine = signed(&secret).await;
    }
    match genuine {
        Ok(true) => Ok(secret),
        Ok(false) => Err(unsigned()),
        // The delivery is wanted again.
        Err(trouble) => Err(Problem::again(Stop::Gateway(trouble.as_str()))),
    }
}
