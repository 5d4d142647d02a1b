//! Payment methods at their gateways: read, attached, let go. A key that was rotated since it was cached is fetched anew.

use std::time::Duration;

use super::add::MethodOrder;
use crate::app::App;
use crate::flow::{Invocation, Stop};
use crate::gateway::paypal::method::Holder;
use crate::gateway::{KnownMethod, MethodError, Trouble};
use crate::id::TenantId;
use crate::model::method::{Method, Owner};
use crate::model::payment::Gateway;
use crate::policy::refusal::{Code, Refusal};
use crate::secrets::{BankAccess, Keys, PayPalSecret, PlaidSecret, SecretError, StripeSecret};
use crate::store::{CustomerRecord, Key};

/// The method as the gateway has it.
pub(super) struct AtGateway {
    pub method: KnownMethod,
    /// Its owner there.
    pub customer: String,
    /// What opens the bank account behind it.
    pub access: Option<BankAccess>,
}

/// Time for one request; none is left.
pub(super) fn time(app: &App, invocation: &Invocation) -> Result<Duration, MethodError> {
    invocation.gateway_time(app).ok_or(MethodError::Gateway(Trouble::Unreachable))
}

/// The method that an order refers to.
pub(super) async fn read(
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
    let (access, item) = app.plaid.exchange(secret, &order.reference, time(app, invocation)?).await?;
    match app.plaid.account(secret, &access, time(app, invocation)?).await {
        Ok(method) => Ok(AtGateway { method, customer: item, access: Some(access) }),
        Err(error) => {
            end_link(app, invocation, secret, &access).await;
            Err(error)
        }
    }
}

/// Ends a link that becomes no method: its public token is spent, so nobody can ask for it again. Best effort.
pub(super) async fn end_link(app: &App, invocation: &Invocation, secret: &PlaidSecret, access: &BankAccess) {
    let ended = match time(app, invocation) {
        Ok(time) => app.plaid.remove(secret, access, time).await,
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        tracing::warn!(%error, "a link to a bank that became no method could not be ended");
    }
}

/// A method that is in the books, as its gateway has it after it was read there. One that was let go since is refused.
pub(super) async fn confirm(
    app: &App,
    invocation: &Invocation,
    keys: &Keys,
    before: &Method,
    seen: &AtGateway,
) -> Result<KnownMethod, MethodError> {
    let time = time(app, invocation)?;
    let found = match (keys, &seen.access) {
        (Keys::Plaid(secret), Some(access)) => app.plaid.account(secret, access, time).await?,
        _ => read_known(app, keys, before, time).await?,
    };
    if matches!(keys, Keys::Stripe(_)) && found.customer.as_deref() != Some(seen.customer.as_str()) {
        return Err(MethodError::NotUsable("The method was detached meanwhile; set up another.".to_owned()));
    }
    Ok(KnownMethod { mandate: seen.method.mandate.clone(), ..found })
}

/// A payment token of PayPal's vault, or the one that a setup token becomes: both look alike.
async fn at_paypal(
    app: &App,
    invocation: &Invocation,
    order: &MethodOrder,
    secret: &PayPalSecret,
) -> Result<(KnownMethod, String), MethodError> {
    let holder = Holder::of(invocation.tenant(), &order.owner);
    let found = match app.paypal.read_method(secret, &holder, &order.reference, time(app, invocation)?).await {
        Err(MethodError::NotUsable(_)) => {
            app.paypal.set_up_method(secret, &holder, &order.reference, time(app, invocation)?).await?
        }
        found => found?,
    };
    let customer = found.customer.clone().unwrap_or_default();
    Ok((found, customer))
}

/// The method as its gateway has it now.
pub(in crate::flow) async fn read_known(
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
    let (reference, mandate) = if order.reference.starts_with("seti_") {
        stripe.set_up_method(secret, &order.reference, time(app, invocation)?).await?
    } else {
        (order.reference.clone(), None)
    };
    let found = stripe.read_method(secret, &reference, time(app, invocation)?).await?;
    let (found, customer) = match (found.customer.clone(), recorded) {
        (Some(customer), Some(own)) if customer == own => (found, customer),
        (Some(customer), _) => {
            stripe.claim_customer(secret, &customer, invocation.tenant(), &order.owner, time(app, invocation)?).await?;
            (found, customer)
        }
        (None, recorded) => {
            let customer = customer(app, invocation, &order.owner, secret, recorded.as_deref()).await?;
            (stripe.attach_method(secret, &reference, &customer, time(app, invocation)?).await?, customer)
        }
    };
    // Only the setup tells of consent, not the method.
    Ok((KnownMethod { mandate, ..found }, customer))
}

/// The owner's customer at Stripe: the one in the books unless it is gone there, else one that is made.
pub(super) async fn customer(
    app: &App,
    invocation: &Invocation,
    owner: &Owner,
    secret: &StripeSecret,
    recorded: Option<&str>,
) -> Result<String, MethodError> {
    if let Some(known) = recorded
        && app.stripe.has_customer(secret, known, time(app, invocation)?).await?
    {
        return Ok(known.to_owned());
    }
    app.stripe.create_customer(secret, invocation.tenant(), owner, recorded, time(app, invocation)?).await
}

/// The owner's customer at a gateway, and where that stands.
pub(super) struct Customer {
    pub key: Key,
    record: Option<CustomerRecord>,
}

impl Customer {
    pub async fn of(app: &App, tenant: &TenantId, owner: &Owner, gateway: Gateway) -> Result<Self, Stop> {
        let key = Key::customer(tenant, &owner.to_string(), gateway.as_str());
        let record = app.store.get::<CustomerRecord>(&key).await?;
        Ok(Self { key, record })
    }

    /// Its id in the account that the keys open.
    pub fn known_to(&self, keys: &Keys) -> Option<String> {
        self.record.as_ref().filter(|record| record.account == keys.account()).map(|record| record.customer.clone())
    }
}

/// A tenant's key to a gateway, with which something is asked.
pub(super) struct Desk {
    pub keys: Keys,
    /// Fetched anew for this request.
    is_new: bool,
}

impl Desk {
    /// `None`: the tenant has no secret for the gateway.
    pub async fn open(app: &App, tenant: &TenantId, gateway: Gateway) -> Result<Option<Self>, Stop> {
        match app.secrets.keys(tenant, gateway).await {
            Ok(keys) => return Ok(Some(Self { keys, is_new: false })),
            // It may have been made since that was cached.
            Err(SecretError::Missing(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match app.secrets.keys_anew(tenant, gateway).await {
            Ok(keys) => Ok(Some(Self { keys, is_new: true })),
            Err(SecretError::Missing(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What the gateway has answered; `None`: it is to be asked once more, since the key that it refuses may have been
    /// rotated, and is another now. `unusable` makes a refusal of what it says against the request.
    pub async fn heard<T>(
        &mut self,
        app: &App,
        tenant: &TenantId,
        answer: Result<T, MethodError>,
        unusable: fn(String) -> Refusal,
    ) -> Result<Option<T>, Stop> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(MethodError::Gateway(Trouble::KeyRefused)) if !self.is_new => {
                let keys = app.secrets.keys_anew(tenant, self.keys.gateway()).await?;
                *self = Self { keys, is_new: true };
                Ok(None)
            }
            Err(error) => Err(stop(error, unusable)),
        }
    }
}

/// What the gateway's words come to.
pub(super) fn stop(error: MethodError, unusable: fn(String) -> Refusal) -> Stop {
    match error {
        MethodError::NotUsable(detail) => Stop::refused(unusable(detail)),
        MethodError::Gateway(trouble) => Stop::Gateway(trouble.as_str()),
    }
}

/// What is said where a tenant has no secret for the gateway.
pub(super) fn not_configured(gateway: Gateway) -> Stop {
    let detail = format!("{gateway} has no secret in Secrets Manager for the tenant.");
    Stop::refused(Refusal::field(Code::GatewayNotConfigured, "gateway", detail))
}
