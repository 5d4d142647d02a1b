//! The steps: what happens when somebody pays, approves, cancels or asks what became of a payment.
//!
//! A flow reads, lets `policy` and `model` decide, commits, and calls a gateway only after the intent is written.

pub mod alert;
pub mod analyze;
pub mod cancel;
pub mod execute;
pub mod invoice;
mod keys;
pub mod member;
pub mod method;
pub mod pay;
pub mod receive;
pub mod record;
pub mod recover;
pub mod refund;
pub mod refuse;
pub mod resolve;
mod retirement;
pub mod review;
pub mod run;
pub mod schedule;
pub mod send;
pub mod settings;
pub mod settle;
pub mod sync;
mod unlabeled;

use std::error::Error as _;
use std::time::Duration;

use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::id::{PaymentId, RefundId, TenantId};
use crate::model::audit::Actor;
use crate::model::payment::Payment;
use crate::model::refund::Refund;
use crate::model::tenant::Member;
use crate::policy::refusal::{Code, Refusal};
use crate::policy::retry;
use crate::policy::roles::Permission;
use crate::secrets::SecretError;
use crate::store::commit::CommitError;
use crate::store::list::ListError;
use crate::store::{Key, StoreError, Table};

/// One invocation: who asked, and until when there is time.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Who, for whom, in which request.
    pub actor: Actor,
    /// When it began.
    pub started_at: Time,
    /// When the answer must be out.
    pub deadline: Time,
}

impl Invocation {
    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.actor.tenant_id
    }

    /// Waits a little, at random, before a decision is made again after `rounds` conflicts; `false`: the time is up.
    pub async fn wait_for_turn(&self, app: &App, rounds: u32) -> bool {
        let pause = retry::backoff(bounds::COMMIT_BACKOFF, bounds::COMMIT_BACKOFF_MAX, rounds, None);
        let in_time = app.clock.now().plus(pause) < self.deadline;
        if in_time {
            app.clock.sleep(pause).await;
        }
        in_time
    }

    /// Time for one request to a gateway that leaves enough to settle; `None`: too little.
    #[must_use]
    pub fn gateway_time(&self, app: &App) -> Option<Duration> {
        let left = self.deadline.minus(bounds::SETTLE_RESERVE).since(app.clock.now());
        (left >= bounds::GATEWAY_TIMEOUT_MIN).then(|| left.min(app.config.gateway_timeout))
    }
}

/// Why a flow ended without doing what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The request can't be done; says all that stands against it.
    #[error("refused: {}", .0.iter().map(|refusal| refusal.code.as_str()).collect::<Vec<_>>().join(", "))]
    Refused(Vec<Refusal>),
    /// Others keep changing the same thing. Nothing was done.
    #[error("busy")]
    Busy,
    /// Nobody answered whether it was written down.
    #[error("it may have been accepted")]
    Unsure(#[source] CommitError),
    /// DynamoDB.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// Secrets Manager.
    #[error("a secret could not be read")]
    Secret(#[from] SecretError),
    /// The code contradicts itself. Nothing was done.
    #[error("impossible: {0}")]
    Impossible(&'static str),
    /// The gateway tells of something that is not in the books yet.
    #[error("ahead of the books")]
    Early,
    /// A gateway did not answer a question that moves no money.
    #[error("the gateway did not answer: {0}")]
    Gateway(&'static str),
}

impl Stop {
    /// With one refusal.
    #[must_use]
    pub fn refused(refusal: Refusal) -> Self {
        Self::Refused(vec![refusal])
    }

    /// It and all that caused it, for the log.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut chain = self.to_string();
        let mut next = self.source();
        while let Some(error) = next {
            chain.push_str(": ");
            chain.push_str(&error.to_string());
            next = error.source();
        }
        chain
    }
}

impl From<CommitError> for Stop {
    fn from(error: CommitError) -> Self {
        match error {
            // A conflict that nobody handled is one that went on until the tries ran out.
            CommitError::Conflict(_) | CommitError::Busy => Self::Busy,
            CommitError::Unknown(_) => Self::Unsure(error),
            CommitError::Store(error) => Self::Store(error),
        }
    }
}

impl From<ListError> for Stop {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Cursor => Self::refused(Refusal::field(
                Code::InvalidCursor,
                "cursor",
                "Use the cursor of the page before, as it was given, or none.",
            )),
            ListError::Store(error) => Self::Store(error),
        }
    }
}

/// The caller, if a member with the permission.
///
/// # Errors
/// `permission_denied`, alone.
pub fn permitted(member: Option<Member>, permission: Permission) -> Result<Member, Stop> {
    let Some(member) = member else {
        let detail = "The caller is no member of the tenant; an admin adds members: PUT /members/{user_id}.";
        return Err(Stop::refused(Refusal::new(Code::PermissionDenied, detail)));
    };
    if member.may(permission) {
        return Ok(member);
    }
    let detail = format!("{} has no role with the permission {permission}.", member.user_id);
    Err(Stop::refused(Refusal::new(Code::PermissionDenied, detail)))
}

/// Reads the caller's record and checks it.
///
/// # Errors
/// `permission_denied`, or the store.
pub async fn require(app: &App, invocation: &Invocation, permission: Permission) -> Result<Member, Stop> {
    let key = Key::member(invocation.tenant(), &invocation.actor.user_id);
    permitted(app.store.get(&key).await?, permission)
}

/// The tenant's payment with our id or the gateway's, as it is now.
///
/// # Errors
/// `payment_not_found`, or the store.
pub async fn find_payment(app: &App, invocation: &Invocation, id: &str) -> Result<Payment, Stop> {
    let payment = find(app, invocation, id).await?;
    payment.ok_or_else(|| Stop::refused(Refusal::new(Code::PaymentNotFound, "There is no such payment.")))
}

/// The tenant's refund with our id or the gateway's, as it is now.
///
/// # Errors
/// `refund_not_found`, or the store.
pub async fn find_refund(app: &App, invocation: &Invocation, id: &str) -> Result<Refund, Stop> {
    let refund = find(app, invocation, id).await?;
    refund.ok_or_else(|| Stop::refused(Refusal::new(Code::RefundNotFound, "There is no such refund.")))
}

/// What has our id or the gateway's, if it is of the kind.
async fn find<T: Stored>(app: &App, invocation: &Invocation, id: &str) -> Result<Option<T>, StoreError> {
    let tenant = invocation.tenant();
    let ours = if T::is_id(id) {
        Some(id.to_owned())
    } else if id.len() > bounds::REFERENCE_BYTES {
        // Longer than any gateway's: DynamoDB would not take it as a key.
        None
    } else {
        app.store.by_reference(tenant, id).await?.filter(|id| T::is_id(id))
    };
    match ours {
        Some(ours) => app.store.get(&Key::new(Table::Payments, tenant, ours)).await,
        None => Ok(None),
    }
}

trait Stored: serde::de::DeserializeOwned {
    fn is_id(id: &str) -> bool;
}

impl Stored for Payment {
    fn is_id(id: &str) -> bool {
        id.parse::<PaymentId>().is_ok()
    }
}

impl Stored for Refund {
    fn is_id(id: &str) -> bool {
        id.parse::<RefundId>().is_ok()
    }
}
