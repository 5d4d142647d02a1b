//! Who calls: what the JWT authorizer verified, never what a body says.

use axum::extract::FromRequestParts;
use http::request::Parts;
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;

use super::problem::Problem;
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::flow::Invocation;
use crate::id::{TenantId, UserId};
use crate::model::audit::Actor;
use crate::policy::refusal::{Code, Refusal};

/// The scope of a token that may set up a tenant.
const OPERATOR_SCOPE: &str = "passerelle/operator";

/// A verified caller and the invocation that serves him.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The invocation in his name.
    pub invocation: Invocation,
    /// His token may set up the tenant of its claim.
    pub operator: bool,
}

/// A claim of the token that the authorizer verified.
pub(super) fn claim<'a>(context: Option<&'a RequestContext>, name: &str) -> Option<&'a str> {
    let Some(RequestContext::ApiGatewayV2(context)) = context else { return None };
    context.authorizer.as_ref()?.jwt.as_ref()?.claims.get(name).map(String::as_str)
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let unknown = |detail: &str| Refusal::new(Code::Unauthenticated, detail);
        let claim = |name: &str| claim(parts.request_context_ref(), name);
        let tenant_id: TenantId = claim(&app.config.tenant_claim)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| unknown("The token's tenant claim is missing or malformed."))?;
        let user_id: UserId = claim(&app.config.user_claim)
            .and_then(|text| text.parse().ok())
            // Those names are ours.
            .filter(|user: &UserId| !user.is_system())
            .ok_or_else(|| unknown("The token's user claim is missing or malformed."))?;
        let operator = claim("scope").is_some_and(|scope| scope.split(' ').any(|one| one == OPERATOR_SCOPE));
        let now = app.clock.now();
        let latest = now.plus(bounds::REQUEST_TIME);
        let context = parts.lambda_context_ref();
        let deadline = context
            .and_then(|context| i64::try_from(context.deadline).ok())
            .filter(|ms| *ms > 0)
            .map_or(latest, |ms| Time::from_millis(ms).min(latest));
        let request_id = context.map(|context| context.request_id.clone()).unwrap_or_default();
        let actor = Actor { tenant_id, user_id, request_id };
        Ok(Self { invocation: Invocation { actor, started_at: now, deadline }, operator })
    }
}
