//! Which role may do what. The matrix is printed from here and pinned by a golden file.

use std::fmt::Write as _;

use crate::model::names;
use crate::model::tenant::{Member, Role};

names! {
    /// What a member may do.
    Permission {
        /// Read invoices.
        InvoicesRead = "invoices:read",
        /// Enter invoices.
        InvoicesWrite = "invoices:write",
        /// Approve and void invoices.
        InvoicesApprove = "invoices:approve",
        /// Read payments, schedules and refunds.
        PaymentsRead = "payments:read",
        /// Pay approved invoices.
        PaymentsCreate = "payments:create",
        /// Answer for a payment.
        PaymentsApprove = "payments:approve",
        /// Refund and cancel.
        PaymentsRefund = "payments:refund",
        /// Say what became of a payment that nobody can look up.
        PaymentsResolve = "payments:resolve",
        /// Read payment methods.
        MethodsRead = "methods:read",
        /// Add, choose and remove payment methods.
        MethodsWrite = "methods:write",
        /// Read alerts.
        AlertsRead = "alerts:read",
        /// Resolve alerts.
        AlertsWrite = "alerts:write",
        /// Read the audit trail and agent runs.
        AuditRead = "audit:read",
        /// Keep settings and members.
        SettingsWrite = "settings:write",
    }
}

impl Role {
    /// Whether the role gives the permission.
    #[must_use]
    pub fn grants(self, permission: Permission) -> bool {
        use Permission as P;
        let added = match self {
            Self::Viewer => {
                matches!(permission, P::InvoicesRead | P::PaymentsRead | P::MethodsRead | P::AlertsRead | P::AuditRead)
            }
            Self::Clerk | Self::Service => matches!(permission, P::InvoicesWrite | P::PaymentsCreate),
            Self::Approver => matches!(permission, P::InvoicesApprove | P::PaymentsApprove),
            Self::Treasurer => {
                matches!(permission, P::PaymentsRefund | P::PaymentsResolve | P::MethodsWrite | P::AlertsWrite)
            }
            Self::Admin => permission == P::SettingsWrite,
        };
        added || self.includes().is_some_and(|lesser| lesser.grants(permission))
    }

    /// The role whose permissions this one has too.
    fn includes(self) -> Option<Self> {
        match self {
            Self::Viewer => None,
            Self::Clerk | Self::Service => Some(Self::Viewer),
            Self::Approver => Some(Self::Clerk),
            Self::Treasurer => Some(Self::Approver),
            Self::Admin => Some(Self::Treasurer),
        }
    }
}

impl Member {
    /// Whether any of the member's roles gives the permission.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.roles.iter().any(|role| role.grants(permission))
    }
}

/// The role matrix as a Markdown table.
#[must_use]
pub fn table() -> String {
    let mut text = String::from("| permission |");
    for role in Role::ALL {
        let _ = write!(text, " {role} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(Role::ALL.len()));
    for permission in Permission::ALL {
        let _ = write!(text, "\n| `{permission}` |");
        for role in Role::ALL {
            text.push_str(if role.grants(*permission) { " yes |" } else { " |" });
        }
    }
    text.push('\n');
    text
}
