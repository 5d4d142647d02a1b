//! Adding: what a finished setup, or a reference, has become at its gateway is written down, once.

use serde_json::json;

use super::gateway::{self, AtGateway, Customer, Desk};
use super::{Listed, default_of};
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::flow::schedule::wake;
use crate::flow::{Invocation, Stop, require};
use crate::gateway::KnownMethod;
use crate::id::{MethodId, TenantId};
use crate::model::audit::{Audited, GENESIS};
use crate::model::method::{Method, MethodStatus, Owner, end, status_of};
use crate::model::payment::Gateway;
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;
use crate::secrets::Keys;
use crate::store::commit::{Commit, CommitError};
use crate::store::{CustomerRecord, Key};

/// A method to add.
#[derive(Clone, Debug)]
pub struct MethodOrder {
    /// Who knows it.
    pub gateway: Gateway,
    /// The gateway's id of a finished setup, or of the method.
    pub reference: String,
    /// Whose it is.
    pub owner: Owner,
    /// Whether it becomes the default; the first one does anyway.
    pub default: bool,
}

/// Adds a method that the gateway knows.
///
/// # Errors
/// `gateway_not_configured`, `reference_invalid`, or a part that did not answer.
pub async fn add(app: &App, invocation: &Invocation, order: &MethodOrder) -> Result<Listed, Stop> {
    require(app, invocation, Permission::MethodsWrite).await?;
    let tenant = invocation.tenant();
    let customer_of = Customer::of(app, tenant, &order.owner, order.gateway).await?;
    let Some(mut desk) = Desk::open(app, tenant, order.gateway).await? else {
        return Err(gateway::not_configured(order.gateway));
    };
    let seen = loop {
        let asked = gateway::read(app, invocation, order, &desk.keys, customer_of.known_to(&desk.keys)).await;
        if let Some(seen) = desk.heard(app, tenant, asked, unusable).await? {
            break seen;
        }
    };
    let written = write_down(app, invocation, order, &customer_of, &desk.keys, &seen).await;
    if let (Err(Stop::Refused(_) | Stop::Busy), Keys::Plaid(secret), Some(access)) =
        (&written, &desk.keys, &seen.access)
    {
        gateway::end_link(app, invocation, secret, access).await;
        let id = MethodId::of(tenant, order.gateway.as_str(), &seen.method.reference);
        if let Err(error) = app.secrets.forget_this_bank(tenant, &id, access).await {
            tracing::warn!(%error, "what opened an account that became no method could not be deleted");
        }
    }
    written
}

/// Writes the method down as its gateway shows it.
async fn write_down(
    app: &App,
    invocation: &Invocation,
    order: &MethodOrder,
    customer_of: &Customer,
    keys: &Keys,
    seen: &AtGateway,
) -> Result<Listed, Stop> {
    let tenant = invocation.tenant();
    let recorded = customer_of.known_to(keys);
    // A method that came attached has its own customer; one that was attached here has the owner's.
    let replaced = seen.method.attached_here && recorded.as_ref() != Some(&seen.customer);
    let id = MethodId::of(tenant, order.gateway.as_str(), &seen.method.reference);
    let mut found = seen.method.clone();
    for round in 1..=bounds::DECISIONS {
        let now = app.clock.now();
        let stored = app.store.get::<Method>(&Key::method(tenant, &id)).await?;
        let before = stored.as_ref();
        if let Some(before) = before {
            addable(before, &order.owner)?;
            // Who detached it before it was read here has done so at the gateway before; who does so from now on makes
            // the write below fail.
            let confirmed = gateway::confirm(app, invocation, keys, before, seen).await;
            found = confirmed.map_err(|error| gateway::stop(error, unusable))?;
        }
        usable(&found, now)?;
        // Before the method is in the books: it is of no use without.
        if let Some(access) = &seen.access {
            app.secrets.keep_bank(tenant, &id, access, invocation.deadline).await?;
        }
        let mut method = match stored.clone() {
            Some(before) => renewed(before, &found, &seen.customer, keys.account(), now),
            None => new(order, tenant, id.clone(), &found, seen, keys.account(), now),
        };
        let default = default_of(app, &method).await?;
        let is_default = default.as_ref().is_some_and(|default| default.id == id);
        let is_good = default.as_ref().is_some_and(|default| default.status_at(now).is_usable());
        let becomes_default = order.default || !is_good;
        // Choosing what is the default already is a choice as well: promises that wait for one go on with it.
        if before == Some(&method) && !order.default && (is_default || !becomes_default) {
            return Ok(Listed::of(method, is_default, now));
        }
        let changes = json!({ "status": [before.map(|before| before.status), method.status], "owner": method.owner,
                              "gateway": method.gateway, "reference": method.reference, "default": becomes_default || is_default });
        let entry = method.record(&invocation.actor, "add_method", &changes, now);
        let mut commit = Commit::default();
        commit.method(&app.store, &method, before.map_or(0, |before| before.version));
        match default {
            _ if order.default => commit.default_method(&app.store, &method, now),
            // One that is only renewed is the default since when it was; one that was no good, since now.
            Some(default) if is_default => {
                let since = default.default_since.filter(|_| is_good);
                commit.renew_default_method(&app.store, &method, since.unwrap_or(now));
            }
            other if becomes_default => commit.first_default_method(&app.store, &method, other.as_ref(), now),
            _ => {}
        }
        // At PayPal each method has a customer of its own, and nothing is attached to it.
        if order.gateway == Gateway::Stripe && (recorded.is_none() || replaced) {
            let record = CustomerRecord { customer: seen.customer.clone(), account: keys.account().to_owned() };
            commit.customer(&app.store, &customer_of.key, &record);
        }
        commit.entry(&app.store, entry);
        match app.store.commit(commit, invocation.deadline).await {
            Ok(()) => {
                if becomes_default {
                    wake(app, invocation, &method).await;
                }
                return Ok(Listed::of(method, becomes_default || is_default, now));
            }
            Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round).await => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Busy)
}

/// A method that is not in the books yet.
fn new(
    order: &MethodOrder,
    tenant: &TenantId,
    id: MethodId,
    found: &KnownMethod,
    seen: &AtGateway,
    account: &str,
    now: Time,
) -> Method {
    Method {
        tenant_id: tenant.clone(),
        id,
        gateway: order.gateway,
        reference: found.reference.clone(),
        account: account.to_owned(),
        customer: seen.customer.clone(),
        mandate: found.mandate.clone(),
        kind: found.kind,
        owner: order.owner.clone(),
        brand: found.brand.clone(),
        last4: found.last4.clone(),
        exp_month: found.exp_month,
        exp_year: found.exp_year,
        status: MethodStatus::Active,
        detached_at: None,
        created_at: now,
        default_since: None,
        version: 0,
        audit_head: GENESIS.to_owned(),
    }
}

/// The method as the gateway shows it now. One whose card, consent or link is another is in use again.
fn renewed(before: Method, found: &KnownMethod, customer: &str, account: &str, now: Time) -> Method {
    Method {
        brand: found.brand.clone(),
        last4: found.last4.clone(),
        exp_month: found.exp_month,
        exp_year: found.exp_year,
        // Another consent is renewal too: the one before may have ended with a return.
        mandate: found.mandate.clone().or(before.mandate),
        customer: customer.to_owned(),
        account: account.to_owned(),
        detached_at: None,
        ..before
    }
    .in_use(now)
}

fn unusable(detail: String) -> Refusal {
    Refusal::field(Code::ReferenceInvalid, "reference", detail)
}

/// Whether anything can be paid with what the gateway shows.
fn usable(found: &KnownMethod, now: Time) -> Result<(), Stop> {
    let refused = |detail: String| Err(Stop::refused(unusable(detail)));
    match (end(found.exp_year, found.exp_month), found.barred) {
        (Some(end), _) if !status_of(end, now).is_usable() => {
            refused(format!("The card ended in {}; add another.", end.strftime("%m/%Y")))
        }
        (_, Some(_)) => refused("Its bank does not let the account be debited any more; add another.".to_owned()),
        _ => Ok(()),
    }
}

/// Whether a method that is there may be added again.
fn addable(method: &Method, owner: &Owner) -> Result<(), Stop> {
    if method.owner != *owner {
        let detail = format!("The method is {} already and belongs to {}.", method.id, method.owner);
        return Err(Stop::refused(unusable(detail)));
    }
    if method.status == MethodStatus::Blocked {
        let detail = format!("{} is blocked: its owner did not authorize a debit. Add another method.", method.id);
        return Err(Stop::refused(Refusal::field(Code::PaymentMethodBlocked, "reference", detail)));
    }
    Ok(())
}
