//! An event of a gateway, as far as it is remembered: that it has been dealt with.

use crate::id::TenantId;

/// What tells an event from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whose endpoint it came to.
    pub tenant_id: TenantId,
    /// The gateway's name.
    pub gateway: &'static str,
    /// The gateway's id of the event.
    pub id: String,
    /// What happened, in the gateway's words.
    pub kind: String,
}

impl Event {
    /// The record's key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}#{}#{}", self.gateway, self.tenant_id, self.id)
    }
}
