//! Detaching: the gateway lets the method go first, and what it has let go is written down. Where the gateway does not
//! answer nothing has changed here; asked again, it ends the same.

use serde_json::json;

use super::change::Change;
use super::gateway::{Desk, time};
use super::{Listed, find};
use crate::app::App;
use crate::bounds;
use crate::flow::{Invocation, Stop, require};
use crate::gateway::MethodError;
use crate::id::MethodId;
use crate::model::method::{Method, MethodStatus};
use crate::model::payment::Gateway;
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;
use crate::secrets::{BankAccess, Keys};
use crate::store::commit::{Commit, CommitError};

/// Takes a method out of use, at its gateway and here. What is blocked stays blocked. One that was detached before is.
///
/// # Errors
/// `payment_method_not_found`, or a part that did not answer.
pub async fn detach(app: &App, invocation: &Invocation, id: &MethodId) -> Result<Listed, Stop> {
    require(app, invocation, Permission::MethodsWrite).await?;
    for round in 1..=bounds::DECISIONS {
        let before = find(app, invocation.tenant(), id).await?;
        let at_gateway = let_go(app, invocation, &before).await?;
        let change = Change::of(app, before.clone(), before.retired(MethodStatus::Inactive)).await?;
        if change.is_nothing() {
            return Ok(Listed::of(before, false, app.clock.now()));
        }
        let mut commit = Commit::default();
        let about = json!({ "at_gateway": at_gateway });
        let after = change.write(app, invocation, "detach_method", about, &mut commit);
        match app.store.commit(commit, invocation.deadline).await {
            Ok(()) => return Ok(Listed::of(after, false, app.clock.now())),
            // Whoever changed it may have linked it anew.
            Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round).await => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Busy)
}

/// Detaches it at the gateway; `false`: the tenant has no key to the account that it is in, so nothing can be charged
/// there either.
async fn let_go(app: &App, invocation: &Invocation, method: &Method) -> Result<bool, Stop> {
    let access = match method.gateway {
        // Without one its link was ended before.
        Gateway::Plaid => app.secrets.bank_as_stored(&method.tenant_id, &method.id).await?,
        Gateway::Stripe | Gateway::Paypal => None,
    };
    let unusable = |detail| Refusal::new(Code::GatewayNotConfigured, detail);
    let mut is_done = None;
    let mut desk = Desk::open(app, &method.tenant_id, method.gateway).await?;
    while let Some(desk) = desk.as_mut().filter(|desk| is_done.is_none() && desk.keys.account() == method.account) {
        let asked = at_gateway(app, invocation, method, &desk.keys, access.as_ref()).await;
        is_done = desk.heard(app, &method.tenant_id, asked, unusable).await?;
    }
    // Whoever links the account anew meanwhile writes the secret before the method: then this one is decided again.
    if access.is_some() {
        app.secrets.forget_bank(&method.tenant_id, &method.id).await?;
    }
    Ok(is_done.is_some())
}

async fn at_gateway(
    app: &App,
    invocation: &Invocation,
    method: &Method,
    keys: &Keys,
    access: Option<&BankAccess>,
) -> Result<(), MethodError> {
    let time = time(app, invocation)?;
    match (keys, access) {
        (Keys::Stripe(secret), _) => app.stripe.detach_method(secret, &method.reference, time).await,
        (Keys::Paypal(secret), _) => app.paypal.delete_method(secret, &method.reference, time).await,
        (Keys::Plaid(secret), Some(access)) => app.plaid.remove(secret, access, time).await,
        (Keys::Plaid(_), None) => Ok(()),
    }
}
