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
use crate::id::MethodId;
use crate::model::audit::{Audited, GENESIS};
use crate::model::method::{Method, MethodStatus, Owner, end, status_of};
use crate::model::payment::Gateway;
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;
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
    let AtGateway { method: found, customer, access } = loop {
        let asked = gateway::read(app, invocation, order, &desk.keys, customer_of.known_to(&desk.keys)).await;
        if let Some(found) = desk.heard(app, tenant, asked, unusable).await? {
            break found;
        }
    };
    let keys = desk.keys;
    let recorded = customer_of.known_to(&keys);
    // A method that came attached has its own customer; one that was attached here has the owner's.
    let replaced = found.attached_here && recorded.as_ref() != Some(&customer);

    let id = MethodId::of(tenant, order.gateway.as_str(), &found.reference);
    usable(&found, app.clock.now())?;
    if let Some(stored) = app.store.get::<Method>(&Key::method(tenant, &id)).await? {
        addable(&stored, &order.owner)?;
    }
    for round in 1..=bounds::DECISIONS {
        let now = app.clock.now();
        // Before the method is in the books: it is of no use without. Again in each round: who detached it meanwhile
        // has deleted it.
        if let Some(access) = &access {
            app.secrets.keep_bank(tenant, &id, access, invocation.deadline).await?;
        }
        let stored = app.store.get::<Method>(&Key::method(tenant, &id)).await?;
        let version = stored.as_ref().map_or(0, |method| method.version);
        let mut method = stored.clone().unwrap_or_else(|| Method {
            tenant_id: tenant.clone(),
            id: id.clone(),
            gateway: order.gateway,
            reference: found.reference.clone(),
            account: keys.account().to_owned(),
            customer: customer.clone(),
            mandate: found.mandate.clone(),
            kind: found.kind,
            owner: order.owner.clone(),
            brand: found.brand.clone(),
            last4: found.last4.clone(),
            exp_month: found.exp_month,
            exp_year: found.exp_year,
            status: MethodStatus::Active,
            created_at: now,
            default_since: None,
            version: 0,
            audit_head: GENESIS.to_owned(),
        });
        addable(&method, &order.owner)?;
        let default = default_of(app, &method).await?;
        let becomes_default = order.default || default.is_none();
        let is_default = default.as_ref().is_some_and(|default| default.id == id);
        let before = stored.as_ref();
        method = renewed(method, &found, &customer);
        let is_renewed = before.is_some_and(|before| *before != method);
        // Choosing what is the default already is a choice as well: promises that wait for one go on with it.
        if before.is_some() && !is_renewed && !order.default && (is_default || !becomes_default) {
            return Ok(Listed::of(method, is_default, now));
        }
        let changes = json!({ "status": [before.map(|before| before.status), method.status], "owner": method.owner,
                              "gateway": method.gateway, "reference": method.reference, "default": becomes_default || is_default });
        let entry = method.record(&invocation.actor, "add_method", &changes, now);
        let mut commit = Commit::default();
        commit.method(&app.store, &method, version);
        if order.default || is_default {
            // One that is the default already and is only renewed stays it since when it was.
            let kept = default.as_ref().filter(|_| !order.default);
            let since = kept.and_then(|default| default.default_since);
            commit.default_method(&app.store, &method, since.unwrap_or(now));
        } else if becomes_default {
            commit.first_default_method(&app.store, &method, now);
        }
        // At PayPal each method has a customer of its own, and nothing is attached to it.
        if order.gateway == Gateway::Stripe && (recorded.is_none() || replaced) {
            let record = CustomerRecord { customer: customer.clone(), account: keys.account().to_owned() };
            commit.customer(&app.store, &customer_of.key, &record);
        }
        commit.entry(&app.store, entry);
        match app.store.commit(commit, invocation.deadline).await {
            Ok(()) => {
                if becomes_default && (order.default || !is_default) {
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

/// The method as the gateway shows it now. One whose card, consent or link is another is in use again.
fn renewed(before: Method, found: &KnownMethod, customer: &str) -> Method {
    let mut after = Method {
        brand: found.brand.clone(),
        last4: found.last4.clone(),
        exp_month: found.exp_month,
        exp_year: found.exp_year,
        // Another consent is renewal too: the one before may have ended with a return.
        mandate: found.mandate.clone().or_else(|| before.mandate.clone()),
        customer: customer.to_owned(),
        ..before.clone()
    };
    if after != before || before.status == MethodStatus::Inactive {
        after.status = MethodStatus::Active;
    }
    after
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
