//! Expiry: cards whose end has come nearer are written down as what they are, once a day. A method is judged by its own
//! date before each use, so what is late here is late for the alert and the default only.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use super::change::Change;
use super::find;
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::flow::{Invocation, Stop, alert};
use crate::id::UserId;
use crate::model::alert::AlertKind;
use crate::model::audit::Actor;
use crate::model::method::{Method, MethodStatus, status_of};
use crate::store::commit::{Commit, CommitError};
use crate::store::list::Expiring;

/// Writes down which cards end soon, or have ended. Whoever has one that ends soon is called once. What fails for one
/// method is logged, and looked at again the next day; so is what there was no time for.
///
/// # Errors
/// The store, when the index can't be read.
pub async fn expire(app: &App, request_id: &str, deadline: Time) -> Result<(), Stop> {
    let now = app.clock.now();
    let until = deadline.minus(bounds::SETTLE_RESERVE).min(now.plus(bounds::EXPIRY_TIME));
    let is_late = || {
        let is_late = app.clock.now() >= until;
        if is_late {
            tracing::warn!("cards that end soon are left for tomorrow, for want of time");
        }
        is_late
    };
    for month in months(now) {
        let mut rest = None;
        loop {
            if is_late() {
                return Ok(());
            }
            let (page, next) = app.store.expiring(month, rest).await?;
            for due in page.iter().filter(|due| due.status != status_of(month, now)) {
                if is_late() {
                    return Ok(());
                }
                if let Err(error) = expire_one(app, request_id, deadline, due).await {
                    tracing::error!(tenant_id = %due.tenant_id, method_id = %due.method_id, error = error.chain(),
                                    "what a card's end makes of a method could not be written down");
                }
            }
            rest = next;
            if rest.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// The months in which cards end that are not what they may be written down as: each by its first day.
fn months(now: Time) -> impl Iterator<Item = Date> {
    let month = |time: Time| time.date_in(&TimeZone::UTC).first_of_month();
    let first = month(now).saturating_sub(Span::new().months(bounds::EXPIRY_MONTHS_BACK));
    let last = month(now.plus(bounds::EXPIRY_NOTICE));
    first.series(1.month()).take_while(move |month| *month <= last)
}

async fn expire_one(app: &App, request_id: &str, deadline: Time, due: &Expiring) -> Result<(), Stop> {
    let actor =
        Actor { tenant_id: due.tenant_id.clone(), user_id: UserId::executor(), request_id: request_id.to_owned() };
    let invocation = Invocation { actor, started_at: app.clock.now(), deadline };
    for round in 1..=bounds::DECISIONS {
        let (now, before) = (app.clock.now(), find(app, &due.tenant_id, &due.method_id).await?);
        let after = Method { status: before.status_at(now), ..before.clone() };
        let is_called = before.status == MethodStatus::Active && after.status != MethodStatus::Active;
        let change = Change::of(app, before.clone(), after).await?;
        if change.is_nothing() {
            return Ok(());
        }
        let mut commit = Commit::default();
        let after = change.write(app, &invocation, "expire_method", serde_json::Value::Null, &mut commit);
        if is_called {
            commit.alert(&alert::method_alert(&after, AlertKind::PaymentMethodExpiring, now));
        }
        match app.store.commit(commit, deadline).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round).await => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Busy)
}
