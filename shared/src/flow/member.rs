//! Members: added, changed and removed by admins; the first admin by the operator, once.

use serde_json::json;

use super::settings::{Aggregate, finish, no_tenant};
use super::{Invocation, Stop, require};
use crate::app::App;
use crate::bounds;
use crate::id::UserId;
use crate::model::audit::Audited;
use crate::model::tenant::{Member, Role};
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;
use crate::store::commit::Commit;

/// Lists the members.
///
/// # Errors
/// `permission_denied`, or the store.
pub async fn list(app: &App, invocation: &Invocation) -> Result<Vec<Member>, Stop> {
    require(app, invocation, Permission::SettingsWrite).await?;
    Ok(app.store.members(invocation.tenant()).await?)
}

/// Adds or replaces a member.
///
/// # Errors
/// `permission_denied`, `locks_out`, `tenant_not_found`, or the store.
pub async fn put(app: &App, invocation: &Invocation, operator: bool, wanted: &Member) -> Result<Member, Stop> {
    for round in 1..=bounds::DECISIONS {
        let before = Aggregate::read(app, invocation).await?;
        let caller = before.caller(invocation, operator)?;
        let mut settings = before.settings.clone().ok_or_else(no_tenant)?;
        let old = before.members.get(&wanted.user_id);
        let member = Member { created_at: old.map_or(wanted.created_at, |old| old.created_at), ..wanted.clone() };
        if old == Some(&member) {
            return Ok(member);
        }
        if caller.is_none() && !(before.members.is_empty() && member.roles.contains(&Role::Admin)) {
            let detail = "The operator adds a tenant's first admin; further members are that admin's to add.";
            return Err(Stop::refused(Refusal::new(Code::PermissionDenied, detail)));
        }
        if old.is_none() && before.members.len() >= bounds::MEMBERS {
            let detail = format!("A tenant has at most {} members; remove one first.", bounds::MEMBERS);
            return Err(Stop::refused(Refusal::field(Code::InvalidField, "user_id", detail)));
        }
        let mut after = before.members.clone();
        after.insert(member.user_id.clone(), member.clone());
        if caller.is_some() {
            before.check_lock_out(&settings, &after)?;
        }
        let changes = json!({
            "member": member.user_id,
            "roles": [old.map(|old| &old.roles), member.roles],
            "approval_limits": [old.map(|old| &old.approval_limits), member.approval_limits],
        });
        let version = settings.version;
        let entry = settings.record(&invocation.actor, "put_member", &changes, app.clock.now());
        let mut commit = Commit::default();
        commit.settings(&app.store, &settings, version);
        commit.member(&app.store, &member);
        if finish(app, invocation, commit, entry, round).await? {
            return Ok(member);
        }
    }
    Err(Stop::Busy)
}

/// Removes a member.
///
/// # Errors
/// `permission_denied`, `member_not_found`, `locks_out`, or the store.
pub async fn remove(app: &App, invocation: &Invocation, user: &UserId) -> Result<(), Stop> {
    for round in 1..=bounds::DECISIONS {
        let before = Aggregate::read(app, invocation).await?;
        before.caller(invocation, false)?;
        let mut settings = before.settings.clone().ok_or_else(no_tenant)?;
        let mut after = before.members.clone();
        let Some(old) = after.remove(user) else {
            return Err(Stop::refused(Refusal::new(Code::MemberNotFound, format!("There is no member {user}."))));
        };
        before.check_lock_out(&settings, &after)?;
        let changes =
            json!({ "member": user, "roles": [old.roles, null], "approval_limits": [old.approval_limits, null] });
        let version = settings.version;
        let entry = settings.record(&invocation.actor, "remove_member", &changes, app.clock.now());
        let mut commit = Commit::default();
        commit.settings(&app.store, &settings, version);
        commit.remove_member(&app.store, invocation.tenant(), user);
        if finish(app, invocation, commit, entry, round).await? {
            return Ok(());
        }
    }
    Err(Stop::Busy)
}
