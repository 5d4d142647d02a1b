//! Payment methods: begun and added by reference, read back from the gateway, one default for each owner and payment
//! method, and taken out of use.
//!
//! `setup` begins, `add` finishes, `detach` ends; `gateway` asks the gateways; `change` writes what a method becomes, its
//! default with it; `expiry` follows the calendar.

mod add;
pub(super) mod change;
mod detach;
pub mod expiry;
mod gateway;
mod setup;

use std::collections::BTreeSet;

use serde_json::json;

pub use self::add::{MethodOrder, add};
pub use self::detach::{Detached, detach};
pub(super) use self::gateway::read_known;
pub use self::setup::{SetupOrder, begin};
use super::schedule::wake;
use super::{Invocation, Stop, require};
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::id::{MethodId, TenantId};
use crate::model::audit::Audited;
use crate::model::method::{Method, Owner};
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;
use crate::store::commit::{Commit, CommitError};
use crate::store::list::{Page, PageRequest};
use crate::store::{Consistency, Key, Table};

/// A method as it is at the moment, and whether it is its owner's default.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The method; its status is that of today.
    pub method: Method,
    /// Whether payments take it when none is named.
    pub default: bool,
}

impl Listed {
    fn of(method: Method, default: bool, now: Time) -> Self {
        Self { method: Method { status: method.status_at(now), ..method }, default }
    }
}

/// The tenant's method.
///
/// # Errors
/// `payment_method_not_found`, or the store.
async fn find(app: &App, tenant: &TenantId, id: &MethodId) -> Result<Method, Stop> {
    let found = app.store.get::<Method>(&Key::method(tenant, id)).await?;
    let missing = || Refusal::new(Code::PaymentMethodNotFound, format!("There is no payment method {id}."));
    found.ok_or_else(|| Stop::refused(missing()))
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
        let before = find(app, invocation.tenant(), id).await?;
        let (now, status) = (app.clock.now(), before.status_at(app.clock.now()));
        if !status.is_usable() {
            let detail = format!("{id} is {status}; only a method that can be used can be the default.");
            return Err(Stop::refused(Refusal::new(Code::PaymentMethodInactive, detail)));
        }
        let default = default_of(app, &before).await?;
        let mut method = before.clone();
        let changes = json!({ "default": [default.map(|default| default.id), method.id] });
        let entry = method.record(&invocation.actor, "set_default", &changes, now);
        let mut commit = Commit::default();
        commit.method(&app.store, &method, before.version);
        commit.default_method(&app.store, &method, now);
        commit.entry(&app.store, entry);
        match app.store.commit(commit, invocation.deadline).await {
            Ok(()) => {
                wake(app, invocation, &method).await;
                return Ok(Listed::of(method, true, now));
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
    let now = app.clock.now();
    let of = |method: Method| {
        let is_default = defaults.contains(&method.id);
        Listed::of(method, is_default, now)
    };
    let items = items.into_iter().map(of).collect();
    Ok(Page { items, cursor })
}
