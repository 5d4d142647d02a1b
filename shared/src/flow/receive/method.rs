//! A payment method that was detached or renewed at the gateway: ours follows, and so does the default.

use serde_json::json;

use super::{Arrival, Received, last, mark};
use crate::app::App;
use crate::bounds;
use crate::flow::method::{default_of, read_known};
use crate::flow::{Invocation, Stop};
use crate::gateway::MethodError;
use crate::id::MethodId;
use crate::model::audit::Audited;
use crate::model::method::{Method, MethodStatus};
use crate::store::commit::Commit;
use crate::store::{Consistency, Key};

/// Applies it.
pub(super) async fn receive(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    reference: &str,
    detached: bool,
) -> Result<Received, Stop> {
    let tenant = invocation.tenant();
    let id = MethodId::of(tenant, arrival.event.gateway, reference);
    let (event_key, method_key) = (Key::event(&arrival.event), Key::method(tenant, &id));
    for round in 1..=bounds::DECISIONS {
        let found = app.store.read([event_key.clone(), method_key.clone()], Consistency::Strong).await?;
        if found.has(&event_key) {
            return Ok(Received::Seen);
        }
        let Some(before) = found.get::<Method>(&method_key)? else { return Ok(Received::NotOurs) };
        let after = if detached && before.status == MethodStatus::Blocked {
            before.clone()
        } else if detached {
            Method { status: MethodStatus::Inactive, ..before.clone() }
        } else {
            renewed(app, invocation, arrival, &before).await?
        };
        if after == before {
            return Ok(mark(app, invocation, arrival, None).await?.unwrap_or(Received::Seen));
        }
        let commit = commit(app, invocation, arrival, &before, after).await?;
        match last(app, invocation, arrival, commit).await {
            Ok(true) => return Ok(Received::Done),
            Ok(false) => return Ok(Received::Seen),
            Err(Stop::Busy) if invocation.wait_for_turn(app, round).await => {}
            Err(error) => return Err(error),
        }
    }
    Err(Stop::Busy)
}

/// What the gateway shows of it now: a card that was replaced has another end.
async fn renewed(app: &App, invocation: &Invocation, arrival: &Arrival, before: &Method) -> Result<Method, Stop> {
    let Some(timeout) = invocation.gateway_time(app) else { return Err(Stop::Busy) };
    match read_known(app, &arrival.keys, before, timeout).await {
        Ok(known) => Ok(Method {
            brand: known.brand,
            last4: known.last4,
            exp_month: known.exp_month,
            exp_year: known.exp_year,
            ..before.clone()
        }),
        // Gone meanwhile: an event says so.
        Err(MethodError::NotUsable(_) | MethodError::NoCustomer) => Ok(before.clone()),
        Err(MethodError::Gateway(trouble)) => Err(Stop::Gateway(trouble.as_str())),
    }
}

async fn commit(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    before: &Method,
    mut after: Method,
) -> Result<Commit, Stop> {
    let default = default_of(app, before).await?.filter(|default| default.id == before.id);
    let is_default = default.is_some();
    let is_gone = after.status == MethodStatus::Inactive;
    let ends = |method: &Method| json!([method.exp_month, method.exp_year]);
    let changes = json!({
        "status": [before.status, after.status], "last4": [before.last4, after.last4],
        "ends": [ends(before), ends(&after)], "default": [is_default, is_default && !is_gone], "event": arrival.event.id,
    });
    let action = if is_gone { "detach_method" } else { "renew_method" };
    let entry = after.record(&invocation.actor, action, &changes, app.clock.now());
    let mut commit = Commit::default();
    commit.method(&app.store, &after, before.version);
    match (is_default, is_gone) {
        // The default is a copy.
        (true, false) => {
            commit.renew_default_method(&app.store, &after, default.and_then(|default| default.default_since))
        }
        (true, true) => commit.no_default_method(&app.store, &after),
        (false, _) => {}
    }
    commit.entry(&app.store, entry);
    Ok(commit)
}
