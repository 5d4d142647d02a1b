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
use crate::model::method::Method;
use crate::model::payment::Gateway;
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;
use crate::secrets::{BankAccess, Keys};
use crate::store::commit::{Commit, CommitError};

/// What became of a detached method.
#[derive(Clone, Debug)]
pub struct Detached {
    /// The method, which is nobody's default.
    pub listed: Listed,
    /// Whether its gateway has let it go. Not where the tenant has no key to its account any more: nothing can be charged
    /// there by us either.
    pub at_gateway: bool,
}

/// Takes a method out of use, at its gateway and here. What is blocked stays blocked. One that was detached before is.
///
/// # Errors
/// `payment_method_not_found`, or a part that did not answer.
pub async fn detach(app: &App, invocation: &Invocation, id: &MethodId) -> Result<Detached, Stop> {
    require(app, invocation, Permission::MethodsWrite).await?;
    for round in 1..=bounds::DECISIONS {
        let before = find(app, invocation.tenant(), id).await?;
        let let_go = let_go(app, invocation, &before).await?;
        let at_gateway = let_go != LetGo::NotThere;
        let now = app.clock.now();
        let change = Change::of(app, before.clone(), before.detached(now)).await?;
        if change.is_nothing() && let_go != LetGo::Anew {
            return Ok(Detached { listed: Listed::of(before, false, now), at_gateway });
        }
        let mut commit = Commit::default();
        let about = json!({ "at_gateway": at_gateway });
        let after = change.write(app, invocation, "detach_method", about, &mut commit);
        match app.store.commit(commit, invocation.deadline).await {
            Ok(()) => return Ok(Detached { listed: Listed::of(after, false, now), at_gateway }),
            // Whoever changed it may have linked it anew.
            Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round).await => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Busy)
}

/// What the gateway did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LetGo {
    /// A link to a bank was ended, and its secret deleted: whoever links the account anew at the same time has to see it.
    Anew,
    /// It has let the method go, now or before.
    Done,
    /// Nobody was asked: the tenant has no key to the account that the method is in, or to the bank.
    NotThere,
}

/// Detaches it at the gateway.
async fn let_go(app: &App, invocation: &Invocation, method: &Method) -> Result<LetGo, Stop> {
    let tenant = &method.tenant_id;
    let access = match method.gateway {
        Gateway::Plaid => match app.secrets.bank_as_stored(tenant, &method.id).await? {
            None => return Ok(if method.detached_at.is_some() { LetGo::Done } else { LetGo::NotThere }),
            access => access,
        },
        Gateway::Stripe | Gateway::Paypal => None,
    };
    let unusable = |detail| Refusal::new(Code::GatewayNotConfigured, detail);
    let Some(mut desk) = Desk::open(app, tenant, method.gateway).await? else { return Ok(LetGo::NotThere) };
    loop {
        if desk.keys.account() != method.account {
            return Ok(LetGo::NotThere);
        }
        let asked = at_gateway(app, invocation, method, &desk.keys, access.as_ref()).await;
        if desk.heard(app, tenant, asked, unusable).await?.is_some() {
            break;
        }
    }
    if access.is_none() {
        return Ok(LetGo::Done);
    }
    app.secrets.forget_bank(tenant, &method.id).await?;
    Ok(LetGo::Anew)
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
