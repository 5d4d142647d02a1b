//! What becomes of a method that is in the books, with the default that is a copy of it, in one transaction: a method that
//! can't be used is nobody's default, and one that can be used again is its owner's where there is none.

use serde_json::{Value, json};

use super::default_of;
use crate::app::App;
use crate::clock::Time;
use crate::flow::{Invocation, Stop};
use crate::model::audit::Audited;
use crate::model::method::{Method, MethodStatus};
use crate::store::commit::Commit;

/// A change of a method.
#[derive(Debug)]
pub(in crate::flow) struct Change {
    before: Method,
    after: Method,
    /// The default of its owner.
    default: Option<Method>,
}

impl Change {
    /// Of a method that was read, into what it is to be.
    pub async fn of(app: &App, before: Method, after: Method) -> Result<Self, Stop> {
        let default = default_of(app, &before).await?;
        Ok(Self { before, after, default })
    }

    /// What it becomes.
    pub fn status(&self) -> MethodStatus {
        self.after.status
    }

    /// The method, if it could not be used and now can: promises that wait for one may go on.
    pub fn revived(&self, now: Time) -> Option<&Method> {
        let is_usable = |method: &Method| method.status_at(now).is_usable();
        (is_usable(&self.after) && !is_usable(&self.before)).then_some(&self.after)
    }

    /// Whether nothing would be written.
    pub fn is_nothing(&self) -> bool {
        let stays_default = self.after.status.is_usable() || !self.is_default();
        self.after == self.before && stays_default
    }

    fn is_default(&self) -> bool {
        self.default.as_ref().is_some_and(|default| default.id == self.before.id)
    }

    /// Writes it, with an entry that says what was done and, in the members of `about`, why. Gives the method as it is
    /// then.
    pub fn write(self, app: &App, invocation: &Invocation, action: &str, about: Value, commit: &mut Commit) -> Method {
        let now = app.clock.now();
        let (was_default, revived) = (self.is_default(), self.revived(now).is_some());
        let Self { before, mut after, default } = self;
        let has_other = default.as_ref().is_some_and(|default| !was_default && default.status_at(now).is_usable());
        let is_default = after.status.is_usable() && (was_default || (revived && !has_other));
        let end = |method: &Method| json!([method.exp_month, method.exp_year]);
        let mut changes = json!({
            "status": [before.status, after.status], "default": [was_default, is_default],
            "last4": [before.last4, after.last4], "end": [end(&before), end(&after)],
        });
        if let (Some(changes), Value::Object(about)) = (changes.as_object_mut(), about) {
            changes.extend(about);
        }
        let entry = after.record(&invocation.actor, action, &changes, now);
        commit.method(&app.store, &after, before.version);
        match (was_default, is_default) {
            // What can be used again is so since now, for those who wait for a default.
            (true, true) => {
                let since = default.and_then(|default| default.default_since).filter(|_| !revived);
                commit.renew_default_method(&app.store, &after, since.unwrap_or(now));
            }
            (true, false) => commit.no_default_method(&app.store, &after),
            (false, true) => commit.first_default_method(&app.store, &after, default.as_ref(), now),
            (false, false) => {}
        }
        commit.entry(&app.store, entry);
        after
    }
}
