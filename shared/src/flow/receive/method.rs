//! A payment method that was detached or renewed at the gateway: ours follows, and so does the default.

use serde_json::json;

use super::{Arrival, Received, last, mark};
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::flow::method::change::Change;
use crate::flow::method::read_known;
use crate::flow::schedule::wake;
use crate::flow::{Invocation, Stop, alert};
use crate::gateway::{KnownMethod, MethodError};
use crate::id::MethodId;
use crate::model::alert::AlertKind;
use crate::model::method::{Method, MethodStatus, status_of};
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
        let known = if detached { None } else { Some(shown(app, invocation, arrival, &before).await?) };
        let after = match &known {
            None => before.detached(app.clock.now()),
            Some(known) => known.as_ref().map_or(before.clone(), |known| renewed(&before, known, app.clock.now())),
        };
        let change = Change::of(app, before.clone(), after).await?;
        if change.is_nothing() {
            return Ok(mark(app, invocation, arrival, None).await?.unwrap_or(Received::Seen));
        }
        let revived = change.revived(app.clock.now()).cloned();
        let mut commit = Commit::default();
        let action = if detached { "detach_method" } else { "renew_method" };
        if let Some(kind) = barred(&before, change.status()).filter(|_| !detached) {
            commit.alert(&alert::method_alert(&before, kind, app.clock.now()));
        }
        change.write(app, invocation, action, json!({ "event": arrival.event.id }), &mut commit);
        match last(app, invocation, arrival, commit).await {
            Ok(true) => {
                if let Some(method) = revived {
                    wake(app, invocation, &method).await;
                }
                return Ok(Received::Done);
            }
            Ok(false) => return Ok(Received::Seen),
            Err(Stop::Busy) if invocation.wait_for_turn(app, round).await => {}
            Err(error) => return Err(error),
        }
    }
    Err(Stop::Busy)
}

/// What the gateway shows of it now; `None`: it is gone meanwhile, which another event says.
async fn shown(
    app: &App,
    invocation: &Invocation,
    arrival: &Arrival,
    before: &Method,
) -> Result<Option<KnownMethod>, Stop> {
    let Some(timeout) = invocation.gateway_time(app) else { return Err(Stop::Busy) };
    match read_known(app, &arrival.keys, before, timeout).await {
        Ok(known) => Ok(Some(known)),
        Err(MethodError::NotUsable(_)) => Ok(None),
        Err(MethodError::Gateway(trouble)) => Err(Stop::Gateway(trouble.as_str())),
    }
}

/// What it becomes. A card that had ended and has another end is good again, a bank account that its bank has closed is
/// good no more.
fn renewed(before: &Method, known: &KnownMethod, now: Time) -> Method {
    let after = Method {
        brand: known.brand.clone(),
        last4: known.last4.clone(),
        exp_month: known.exp_month,
        exp_year: known.exp_year,
        ..before.clone()
    };
    let ends = |method: &Method| method.end().map(|end| status_of(end, now));
    let (had_ended, ends_later) = (ends(before) == Some(MethodStatus::Inactive), before.end() < after.end());
    let is_attached = before.detached_at.is_none() && known.customer.as_deref() == Some(before.customer.as_str());
    if let Some(status) = known.barred {
        return after.retired(status);
    }
    // Else it was let go, or its bank has said no.
    let may_be_used =
        before.status.is_usable() || (before.status == MethodStatus::Inactive && had_ended && is_attached);
    if ends_later && may_be_used { after.in_use(now) } else { after }
}

/// Who is called about a method that its bank has barred.
fn barred(before: &Method, status: MethodStatus) -> Option<AlertKind> {
    match (before.status, status) {
        (before, now) if before == now => None,
        (_, MethodStatus::Blocked) => Some(AlertKind::DebitNotAuthorized),
        (before, MethodStatus::Inactive) if before.is_usable() => Some(AlertKind::PaymentMethodInvalid),
        _ => None,
    }
}
