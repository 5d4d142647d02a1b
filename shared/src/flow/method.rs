//! Payment methods: added by reference, read back from the gateway, one default for each owner and payment method.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::schedule::wake;
use super::{Invocation, Stop, require};
use crate::app::App;
use crate::bounds;
use crate::gateway::paypal::method::Holder;
use crate::gateway::{KnownMethod, MethodError, Trouble};
use crate::id::MethodId;
use crate::model::audit::{Audited, GENESIS};
use crate::model::method::{Method, MethodStatus, Owner};
use crate::model::payment::Gateway;
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;
use crate::secrets::{BankAccess, Keys, PayPalSecret, PlaidSecret, SecretError, StripeSecret};
use crate::store::commit::{Commit, CommitError};
use crate::store::list::{Page, PageRequest};
use crate::store::{Consistency, CustomerRecord, Key, Table};

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

/// A method, and whether it is its owner's default.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The method.
    pub method: Method,
    /// Whether payments take it when none is named.
    pub default: bool,
}

/// Adds a method that the gateway knows.
///
/// # Errors
/// `gateway_not_configured`, `reference_invalid`, or a part that did not answer.
pub async fn add(app: &App, invocation: &Invocation, order: &MethodOrder) -> Result<Listed, Stop> {
    require(app, invocation, Permission::MethodsWrite).await?;
    let tenant = invocation.tenant();
    let mut keys = keys(app, invocation, order.gateway).await?;
    let customer_key = Key::customer(tenant, &order.owner.to_string(), order.gateway.as_str());
    let known_customer = app.store.get::<CustomerRecord>(&customer_key).await?;
    let in_account = |keys: &Keys| {
        known_customer.as_ref().filter(|record| record.account == keys.account()).map(|record| record.customer.clone())
    };
    let mut asked = at_gateway(app, invocation, order, &keys, in_account(&keys)).await;
    if matches!(asked, Err(MethodError::Gateway(Trouble::KeyRefused))) {
        // Rotated since it was cached.
        keys = app.secrets.keys_anew(tenant, order.gateway).await?;
        asked = at_gateway(app, invocation, order, &keys, in_account(&keys)).await;
    }
    let AtGateway { method: found, customer, access } = asked.map_err(|error| refused(&error))?;
    let recorded = in_account(&keys);
    // A method that came attached has its own customer; one that was attached here has the owner's.
    let replaced = found.attached_here && recorded.as_ref() != Some(&customer);

    let id = MethodId::of(tenant, order.gateway.as_str(), &found.reference);
    if let Some(stored) = app.store.get::<Method>(&Key::method(tenant, &id)).await? {
        addable(&stored, &order.owner)?;
    }
    // Before the method is in the books: it is of no use without.
    if let Some(access) = &access {
        app.secrets.keep_bank(tenant, &id, access).await?;
    }
    for round in 1..=bounds::DECISIONS {
        let now = app.clock.now();
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
        let revived = method.status == MethodStatus::Inactive;
        let seen = (found.brand.clone(), found.last4.clone(), found.exp_month, found.exp_year);
        // Another consent is renewal too: the one before may have ended with a return.
        let is_consented = found.mandate.is_some() && found.mandate != method.mandate;
        let known = (method.brand.clone(), method.last4.clone(), method.exp_month, method.exp_year);
        let renewed = is_consented || seen != known;
        // Choosing what is the default already is a choice as well: promises that wait for one go on with it.
        if stored.is_some() && !revived && !renewed && !order.default && (is_default || !becomes_default) {
            return Ok(Listed { method, default: is_default });
        }
        (method.brand, method.last4, method.exp_month, method.exp_year) = seen;
        method.mandate = found.mandate.clone().or(method.mandate);
        if revived {
            method.status = MethodStatus::Active;
        }
        let changes = json!({ "status": [stored.as_ref().map(|m| m.status), method.status], "owner": method.owner,
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
            commit.customer(&app.store, &customer_key, &record);
        }
        commit.entry(&app.store, entry);
        match app.store.commit(commit, invocation.deadline).await {
            Ok(()) => {
                if becomes_default && (order.default || !is_default) {
                    wake(app, invocation, &method).await;
                }
                return Ok(Listed { method, default: becomes_default || is_default });
            }
            Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round).await => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Busy)
}

/// Whether a method that is there may be added again.
fn addable(method: &Method, owner: &Owner) -> Result<(), Stop> {
    if method.owner != *owner {
        let detail = format!("The method is {} already and belongs to {}.", method.id, method.owner);
        return Err(Stop::refused(Refusal::field(Code::ReferenceInvalid, "reference", detail)));
    }
    if method.status == MethodStatus::Blocked {
        let detail = format!("{} is blocked: its owner did not authorize a debit. Add another method.", method.id);
        return Err(Stop::refused(Refusal::field(Code::PaymentMethodBlocked, "reference", detail)));
    }
    Ok(())
}

/// The method as the gateway has it.
struct AtGateway {
    method: KnownMethod,
    /// Its owner there.
    customer: String,
    /// What opens the bank account behind it.
    access: Option<BankAccess>,
}

async fn at_gateway(
    app: &App,
    invocation: &Invocation,
    order: &MethodOrder,
    keys: &Keys,
    recorded: Option<String>,
) -> Result<AtGateway, MethodError> {
    let (method, customer) = match keys {
        Keys::Stripe(secret) => at_stripe(app, invocation, order, secret, recorded).await?,
        Keys::Paypal(secret) => at_paypal(app, invocation, order, secret).await?,
        Keys::Plaid(secret) => return at_plaid(app, invocation, order, secret).await,
    };
    Ok(AtGateway { method, customer, access: None })
}

/// The bank account that was linked, for the public token that Link has given, which can be exchanged once.
async fn at_plaid(
    app: &App,
    invocation: &Invocation,
    order: &MethodOrder,
    secret: &PlaidSecret,
) -> Result<AtGateway, MethodError> {
    let time = || invocation.gateway_time(app).ok_or(MethodError::Gateway(Trouble::Unreachable));
    let (access, item) = app.plaid.exchange(secret, &order.reference, time()?).await?;
    let method = app.plaid.account(secret, &access, time()?).await?;
    Ok(AtGateway { method, customer: item, access: Some(access) })
}

/// A payment token of PayPal's vault, or the one that a setup token becomes: both look alike.
async fn at_paypal(
    app: &App,
    invocation: &Invocation,
    order: &MethodOrder,
    secret: &PayPalSecret,
) -> Result<(KnownMethod, String), MethodError> {
    let time = || invocation.gateway_time(app).ok_or(MethodError::Gateway(Trouble::Unreachable));
    let holder = Holder::of(invocation.tenant(), &order.owner);
    let found = match app.paypal.read_method(secret, &holder, &order.reference, time()?).await {
        Err(MethodError::NotUsable(_)) => app.paypal.set_up_method(secret, &holder, &order.reference, time()?).await?,
        found => found?,
    };
    let customer = found.customer.clone().unwrap_or_default();
    Ok((found, customer))
}

/// The method as its gateway has it now.
pub(super) async fn read_known(
    app: &App,
    keys: &Keys,
    method: &Method,
    timeout: Duration,
) -> Result<KnownMethod, MethodError> {
    match keys {
        Keys::Stripe(secret) => app.stripe.read_method(secret, &method.reference, timeout).await,
        Keys::Paypal(secret) => {
            let holder = Holder::of(&method.tenant_id, &method.owner);
            app.paypal.read_method(secret, &holder, &method.reference, timeout).await
        }
        // It tells nothing of its accounts.
        Keys::Plaid(_) => Err(MethodError::Gateway(Trouble::Undecided)),
    }
}

/// The method as Stripe has it, attached to the owner's customer there, which is made when absent.
async fn at_stripe(
    app: &App,
    invocation: &Invocation,
    order: &MethodOrder,
    secret: &StripeSecret,
    recorded: Option<String>,
) -> Result<(KnownMethod, String), MethodError> {
    let stripe = &app.stripe;
    let time = || invocation.gateway_time(app).ok_or(MethodError::Gateway(Trouble::Unreachable));
    let (reference, mandate) = if order.reference.starts_with("seti_") {
        stripe.set_up_method(secret, &order.reference, time()?).await?
    } else {
        (order.reference.clone(), None)
    };
    let found = stripe.read_method(secret, &reference, time()?).await?;
    let (found, customer) = match (found.customer.clone(), recorded) {
        (Some(customer), Some(own)) if customer == own => (found, customer),
        (Some(customer), _) => {
            stripe.claim_customer(secret, &customer, invocation.tenant(), &order.owner, time()?).await?;
            (found, customer)
        }
        (None, Some(customer)) => match stripe.attach_method(secret, &reference, &customer, time()?).await {
            Err(MethodError::NoCustomer) => {
                create_and_attach(app, invocation, order, secret, &reference, Some(&customer)).await?
            }
            attached => (attached?, customer),
        },
        (None, None) => create_and_attach(app, invocation, order, secret, &reference, None).await?,
    };
    // Only the setup tells of consent, not the method.
    Ok((KnownMethod { mandate, ..found }, customer))
}

async fn create_and_attach(
    app: &App,
    invocation: &Invocation,
    order: &MethodOrder,
    secret: &StripeSecret,
    reference: &str,
    lost: Option<&str>,
) -> Result<(KnownMethod, String), MethodError> {
    let time = || invocation.gateway_time(app).ok_or(MethodError::Gateway(Trouble::Unreachable));
    let customer = app.stripe.create_customer(secret, invocation.tenant(), &order.owner, lost, time()?).await?;
    Ok((app.stripe.attach_method(secret, reference, &customer, time()?).await?, customer))
}

async fn keys(app: &App, invocation: &Invocation, gateway: Gateway) -> Result<Keys, Stop> {
    match app.secrets.keys(invocation.tenant(), gateway).await {
        Ok(keys) => Ok(keys),
        Err(SecretError::Missing(_)) => Err(Stop::refused(Refusal::field(
            Code::GatewayNotConfigured,
            "gateway",
            format!("{gateway} has no secret in Secrets Manager for the tenant."),
        ))),
        Err(error) => Err(error.into()),
    }
}

fn refused(error: &MethodError) -> Stop {
    match error {
        MethodError::NotUsable(detail) => {
            Stop::refused(Refusal::field(Code::ReferenceInvalid, "reference", detail.clone()))
        }
        MethodError::Gateway(trouble) => Stop::Gateway(trouble.as_str()),
        MethodError::NoCustomer => Stop::Gateway("customer_gone"),
    }
}

/// The default of the method's owner.
pub(super) async fn default_of(app: &App, method: &Method) -> Result<Option<Method>, Stop> {
    let key = Key::new(Table::PaymentMethods, &method.tenant_id, method.default_key());
    Ok(app.store.get(&key).await?)
}

/// Makes a method its owner's default. One that is it already is chosen anew: promises that wait for a method go on.
///
/// # Errors
/// `payment_method_not_found`, `payment_method_inactive`, or the store.
pub async fn set_default(app: &App, invocation: &Invocation, id: &MethodId) -> Result<Listed, Stop> {
    require(app, invocation, Permission::MethodsWrite).await?;
    for round in 1..=bounds::DECISIONS {
        let Some(before) = app.store.get::<Method>(&Key::method(invocation.tenant(), id)).await? else {
            let detail = format!("There is no payment method {id}.");
            return Err(Stop::refused(Refusal::new(Code::PaymentMethodNotFound, detail)));
        };
        if before.status != MethodStatus::Active {
            let detail = format!("{id} is {}; only an active method can be the default.", before.status);
            return Err(Stop::refused(Refusal::new(Code::PaymentMethodInactive, detail)));
        }
        let default = default_of(app, &before).await?;
        let mut method = before.clone();
        let changes = json!({ "default": [default.map(|default| default.id), method.id] });
        let entry = method.record(&invocation.actor, "set_default", &changes, app.clock.now());
        let mut commit = Commit::default();
        commit.method(&app.store, &method, before.version);
        commit.default_method(&app.store, &method, app.clock.now());
        commit.entry(&app.store, entry);
        match app.store.commit(commit, invocation.deadline).await {
            Ok(()) => {
                wake(app, invocation, &method).await;
                return Ok(Listed { method, default: true });
            }
            Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round).await => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Busy)
}

/// Lists the tenant's methods, those of one owner if given.
///
/// # Errors
/// `permission_denied`, `invalid_cursor`, or the store.
pub async fn list(
    app: &App,
    invocation: &Invocation,
    owner: Option<&Owner>,
    page: &PageRequest,
) -> Result<Page<Listed>, Stop> {
    require(app, invocation, Permission::MethodsRead).await?;
    let tenant = invocation.tenant();
    let Page { items, cursor } =
        app.store.methods(tenant, page, |method| owner.is_none_or(|owner| method.owner == *owner)).await?;
    let keys: BTreeSet<Key> =
        items.iter().map(|method| Key::new(Table::PaymentMethods, tenant, method.default_key())).collect();
    let mut defaults = BTreeSet::new();
    if !keys.is_empty() {
        let found = app.store.read(keys.clone(), Consistency::Strong).await?;
        for key in &keys {
            defaults.extend(found.get::<Method>(key)?.map(|method| method.id));
        }
    }
    let items = items.into_iter().map(|method| Listed { default: defaults.contains(&method.id), method }).collect();
    Ok(Page { items, cursor })
}
