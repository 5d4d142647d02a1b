//! A tenant's settings: made by the operator, changed by admins, never so that nobody could approve any more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Invocation, Stop, permitted};
use crate::app::App;
use crate::bounds;
use crate::id::UserId;
use crate::model::audit::{Audited, Entry, GENESIS};
use crate::model::tenant::{Member, Settings};
use crate::policy::approval::somebody_can_approve;
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;
use crate::store::Key;
use crate::store::commit::{Commit, CommitError};

/// Settings and members as they were read: one aggregate.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// The settings; `None`: the tenant is not set up.
    pub settings: Option<Settings>,
    /// The members.
    pub members: BTreeMap<UserId, Member>,
}

impl Aggregate {
    /// Reads both, as they are now.
    ///
    /// # Errors
    /// The store.
    pub async fn read(app: &App, invocation: &Invocation) -> Result<Self, Stop> {
        let tenant = invocation.tenant();
        // Settings first: a change of members after this read moves their version on, and the commit fails.
        let settings = app.store.get::<Settings>(&Key::settings(tenant)).await?;
        let members = app.store.members(tenant).await?;
        Ok(Self { settings, members: members.into_iter().map(|one| (one.user_id.clone(), one)).collect() })
    }

    /// The caller, if an admin; `None`: the operator, who is none.
    ///
    /// # Errors
    /// `permission_denied`.
    pub fn caller(&self, invocation: &Invocation, operator: bool) -> Result<Option<&Member>, Stop> {
        match permitted(self.members.get(&invocation.actor.user_id).cloned(), Permission::SettingsWrite) {
            Ok(_) => Ok(self.members.get(&invocation.actor.user_id)),
            Err(_) if operator => Ok(None),
            Err(stop) => Err(stop),
        }
    }

    /// Refuses a change after which nobody could approve, though before it somebody could, or nobody could undo it.
    ///
    /// # Errors
    /// `locks_out`.
    pub fn check_lock_out(&self, settings: &Settings, members: &BTreeMap<UserId, Member>) -> Result<(), Stop> {
        let before = self.settings.as_ref().is_some_and(|before| somebody_can_approve(before, &self.members));
        let detail = if !members.values().any(|member| member.may(Permission::SettingsWrite)) {
            "Afterwards nobody could keep settings and members: at least one admin must stay."
        } else if !before || somebody_can_approve(settings, members) {
            return Ok(());
        } else if settings.four_eyes {
            "Afterwards nobody could approve: four eyes need an approver with a limit and somebody else who enters invoices."
        } else {
            "Afterwards nobody could approve: an approver with a limit must stay, and two where a second approval is asked for."
        };
        Err(Stop::refused(Refusal::new(Code::LocksOut, detail)))
    }
}

/// Reads the settings.
///
/// # Errors
/// `permission_denied`, `tenant_not_found`, or the store.
pub async fn read(app: &App, invocation: &Invocation) -> Result<Settings, Stop> {
    super::require(app, invocation, Permission::SettingsWrite).await?;
    app.store.get(&Key::settings(invocation.tenant())).await?.ok_or_else(no_tenant)
}

/// Replaces the settings. The operator makes them once, and nothing else.
///
/// # Errors
/// `permission_denied`, `locks_out`, or the store.
pub async fn put(app: &App, invocation: &Invocation, operator: bool, wanted: &Settings) -> Result<Settings, Stop> {
    for round in 1..=bounds::DECISIONS {
        let before = Aggregate::read(app, invocation).await?;
        let caller = before.caller(invocation, operator)?;
        let (version, head) = before
            .settings
            .as_ref()
            .map_or((0, GENESIS.to_owned()), |settings| (settings.version, settings.audit_head.clone()));
        let mut after = Settings { version, audit_head: head, ..wanted.clone() };
        if before.settings.as_ref() == Some(&after) {
            return Ok(after);
        }
        if caller.is_none() && before.settings.is_some() {
            let detail = "The operator creates a tenant; its settings are its admins' to change.";
            return Err(Stop::refused(Refusal::new(Code::PermissionDenied, detail)));
        }
        if caller.is_some() {
            before.check_lock_out(&after, &before.members)?;
        }
        let changes = differences(&json!(before.settings), &json!(after));
        let entry = after.record(&invocation.actor, "put_settings", &changes, app.clock.now());
        let mut commit = Commit::default();
        commit.settings(&app.store, &after, version);
        match finish(app, invocation, commit, entry, round).await? {
            true => return Ok(after),
            false => continue,
        }
    }
    Err(Stop::Busy)
}

/// What differs between two objects, and only that: `[old, new]` by name, null for what is not there.
fn differences(old: &Value, new: &Value) -> Value {
    let names = [old, new].into_iter().filter_map(Value::as_object).flat_map(Map::keys).collect::<BTreeSet<_>>();
    let of = |object: &Value, name: &str| object.get(name).cloned().unwrap_or_default();
    let changes = names
        .into_iter()
        .filter(|name| !matches!(name.as_str(), "version" | "audit_head" | "tenant_id"))
        .filter(|name| of(old, name) != of(new, name))
        .map(|name| (name.clone(), json!([of(old, name), of(new, name)])));
    Value::Object(changes.collect())
}

/// Commits with its audit entry; `false`: somebody else was faster, read and decide again.
pub(super) async fn finish(
    app: &App,
    invocation: &Invocation,
    mut commit: Commit,
    entry: Entry,
    round: u32,
) -> Result<bool, Stop> {
    commit.entry(&app.store, entry);
    match app.store.commit(commit, invocation.deadline).await {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round).await => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The tenant is not set up.
#[must_use]
pub fn no_tenant() -> Stop {
    Stop::refused(Refusal::new(Code::TenantNotFound, "The tenant has no settings yet: PUT /tenant."))
}
