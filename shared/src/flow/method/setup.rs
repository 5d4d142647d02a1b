//! Beginning: the owner of a method sets it up with the gateway in their own browser, so that no number comes to us. Until
//! it is finished nothing is in the books, but for the customer that stands for the owner at Stripe.

use super::gateway::{self, Customer, Desk, time};
use crate::app::App;
use crate::flow::{Invocation, Stop, require};
use crate::gateway::paypal::method::Holder;
use crate::gateway::{MethodError, Setup};
use crate::model::method::{MethodKind, Owner};
use crate::model::payment::Gateway;
use crate::model::tenant::Settings;
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;
use crate::secrets::Keys;
use crate::store::commit::Commit;
use crate::store::{CustomerRecord, Key};

/// A method to set up.
#[derive(Clone, Debug)]
pub struct SetupOrder {
    /// With whom.
    pub gateway: Gateway,
    /// At Stripe: a card or a bank account.
    pub kind: MethodKind,
    /// Whose it is to be.
    pub owner: Owner,
    /// Where the browser goes afterwards; PayPal needs one, Plaid only for banks with a page of their own.
    pub return_url: Option<String>,
    /// Where the browser goes when its user does not approve; PayPal needs one.
    pub cancel_url: Option<String>,
}

/// Begins a setup.
///
/// # Errors
/// `gateway_not_configured`, or a part that did not answer.
pub async fn begin(app: &App, invocation: &Invocation, order: &SetupOrder) -> Result<Setup, Stop> {
    require(app, invocation, Permission::MethodsWrite).await?;
    let tenant = invocation.tenant();
    let settings = app.store.get::<Settings>(&Key::settings(tenant)).await?;
    let settings = settings.ok_or(Stop::Impossible("a member of a tenant without settings"))?;
    let customer = Customer::of(app, tenant, &order.owner, order.gateway).await?;
    let Some(mut desk) = Desk::open(app, tenant, order.gateway).await? else {
        return Err(gateway::not_configured(order.gateway));
    };
    loop {
        let asked = at_gateway(app, invocation, order, &desk.keys, &settings, &customer).await;
        if let Some((setup, id)) = desk.heard(app, tenant, asked, unusable).await? {
            if let Some(id) = id.filter(|id| customer.known_to(&desk.keys).as_ref() != Some(id)) {
                let record = CustomerRecord { customer: id, account: desk.keys.account().to_owned() };
                let mut commit = Commit::default();
                commit.customer(&app.store, &customer.key, &record);
                app.store.commit(commit, invocation.deadline).await?;
            }
            return Ok(setup);
        }
    }
}

/// The setup, and Stripe's id of the customer whose method it sets up: theirs from the beginning.
async fn at_gateway(
    app: &App,
    invocation: &Invocation,
    order: &SetupOrder,
    keys: &Keys,
    settings: &Settings,
    customer: &Customer,
) -> Result<(Setup, Option<String>), MethodError> {
    let (tenant, owner) = (invocation.tenant(), &order.owner);
    let [back, cancel] = [&order.return_url, &order.cancel_url].map(Option::as_deref);
    match keys {
        Keys::Stripe(secret) => {
            let known = customer.known_to(keys);
            let id = gateway::customer(app, invocation, owner, secret, known.as_deref()).await?;
            Ok((app.stripe.begin_setup(secret, &id, order.kind, time(app, invocation)?).await?, Some(id)))
        }
        Keys::Paypal(secret) => {
            let (holder, key) = (Holder::of(tenant, owner), uuid::Uuid::new_v4().to_string());
            let (back, cancel) = (back.unwrap_or_default(), cancel.unwrap_or_default());
            let time = time(app, invocation)?;
            Ok((app.paypal.begin_setup(secret, &holder, back, cancel, &key, time).await?, None))
        }
        Keys::Plaid(secret) => {
            let time = time(app, invocation)?;
            Ok((app.plaid.begin_setup(secret, &owner.mark(tenant), &settings.name, back, time).await?, None))
        }
    }
}

/// Nothing of the order is at fault: the account can't do it.
fn unusable(detail: String) -> Refusal {
    Refusal::field(Code::GatewayNotConfigured, "gateway", detail)
}
