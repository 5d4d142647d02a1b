//! A person says that an alert is dealt with.

use serde_json::json;

use super::{Invocation, Stop, require};
use crate::app::App;
use crate::bounds;
use crate::id::AlertId;
use crate::model::alert::{AlertResolution, AlertStatus, Raised};
use crate::model::audit::Audited;
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;
use crate::store::Key;
use crate::store::commit::{Commit, CommitError};

/// How an alert was dealt with.
#[derive(Clone, Debug)]
pub struct AlertOrder {
    /// What was done or found.
    pub note: String,
    /// The count that the caller saw; without it the alert is resolved however often it was raised.
    pub count: Option<u64>,
}

/// Marks an alert resolved; one that is resolved stays as it is.
///
/// # Errors
/// `alert_not_found`; `alert_changed` when it was raised again since the caller saw it; or the store.
pub async fn resolve_alert(app: &App, invocation: &Invocation, id: &str, order: &AlertOrder) -> Result<Raised, Stop> {
    require(app, invocation, Permission::AlertsWrite).await?;
    // What is no alert id names no alert.
    let key = Key::alert(invocation.tenant(), &id.parse::<AlertId>().map_err(|_| not_found())?);
    for round in 1..=bounds::DECISIONS {
        let found = app.store.get::<Raised>(&key).await?;
        let mut alert = found.ok_or_else(not_found)?;
        if alert.status == AlertStatus::Resolved {
            return Ok(alert);
        }
        if order.count.is_some_and(|count| count != alert.count) {
            return Err(changed(&alert));
        }
        let now = app.clock.now();
        let changes = json!({ "status": [alert.status, AlertStatus::Resolved], "kind": alert.kind,
                              "count": alert.count, "note": order.note });
        let entry = alert.record(&invocation.actor, "resolve", &changes, now);
        let resolution = AlertResolution {
            resolved_by: invocation.actor.user_id.clone(),
            resolved_at: now,
            note: order.note.clone(),
        };
        let mut commit = Commit::default();
        commit.resolve_alert(&app.store, &alert, &resolution);
        commit.entry(&app.store, entry);
        match app.store.commit(commit, invocation.deadline).await {
            Ok(()) => {
                alert.status = AlertStatus::Resolved;
                alert.resolution = Some(resolution);
                return Ok(alert);
            }
            Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round).await => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Busy)
}

fn not_found() -> Stop {
    Stop::refused(Refusal::new(Code::AlertNotFound, "There is no such alert."))
}

fn changed(alert: &Raised) -> Stop {
    let detail = format!("It has been raised {} times by now; look at it again.", alert.count);
    Stop::refused(Refusal::field(Code::AlertChanged, "count", detail).with("count", alert.count))
}
