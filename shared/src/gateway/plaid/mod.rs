//! Plaid Transfer: bank debits of customers and credits to vendors over ACH, and refunds of debits
//! (plaid.com/docs/api/products/transfer).
//!
//! `transport` sends, `object` reads what comes back, `classify` says what it means, `amount` knows what ACH carries,
//! `transfer` and `refund` move money, `ledger` says what there is to move, `method` reads linked accounts, `event` and
//! `signature` read the log of events and check the webhooks that point at it.
//!
//! A payment takes two requests. The first asks for leave, an authorization, and moves nothing; its id is kept before
//! the second makes the transfer under it. That id is what a transfer is found by.

pub mod amount;
mod classify;
pub mod event;
mod ledger;
mod method;
mod object;
mod refund;
pub mod signature;
#[cfg(test)]
mod stub;
mod transfer;
mod transport;

use std::time::{Duration, Instant};

use serde_json::json;

pub(super) use self::classify::knows;
pub use self::event::{Events, PlaidEvent};
use self::object::Transferred;
pub use self::transport::Plaid;
use super::{Answer, Found, Labels, Trouble};
use crate::model::movement::Movement;
use crate::secrets::PlaidSecret;

/// The API version that requests are written for, and sent with.
pub const API_VERSION: &str = "2020-09-14";

/// What came of asking for leave to make a transfer.
#[derive(Clone, Debug)]
pub enum Leave {
    /// Plaid's id of the authorization.
    Granted(String),
    /// There is none, and nothing has moved.
    Answer(Answer),
}

impl Plaid {
    /// Looks a payment or refund up: by Plaid's id where it is known, else a payment by its authorization. Without one
    /// no transfer was ever asked for, and a refund can't be found at all: only sent again.
    pub async fn find(&self, secret: &PlaidSecret, movement: Movement<'_>, timeout: Duration) -> Found {
        let authorization = match movement {
            Movement::Payment(payment) => payment.authorization.as_ref(),
            Movement::Refund(_) => None,
        };
        match (movement.reference(), authorization) {
            (Some(reference), _) => self.read(secret, movement, reference, timeout).await,
            (None, Some(authorization)) => {
                self.read_transfer(secret, "authorization_id", &authorization.id, timeout).await
            }
            (None, None) => Found::Nothing,
        }
    }

    /// Reads one object: a transfer or a refund.
    pub async fn read(
        &self,
        secret: &PlaidSecret,
        movement: Movement<'_>,
        reference: &str,
        timeout: Duration,
    ) -> Found {
        match movement {
            Movement::Payment(_) => self.read_transfer(secret, "transfer_id", reference, timeout).await,
            Movement::Refund(_) => self.read_refund(secret, reference, timeout).await,
        }
    }

    /// Cancels what has not gone to the network yet. What counts is the object afterwards.
    pub async fn cancel(
        &self,
        secret: &PlaidSecret,
        movement: Movement<'_>,
        reference: &str,
        timeout: Duration,
    ) -> Found {
        let (path, body) = match movement {
            Movement::Payment(_) => ("/transfer/cancel", json!({ "transfer_id": reference })),
            Movement::Refund(_) => ("/transfer/refund/cancel", json!({ "refund_id": reference })),
        };
        let started = Instant::now();
        match self.post(secret, path, &body, timeout).await {
            Ok(reply) if reply.is_success() || classify::trouble(&reply) == Trouble::Rejected => {
                self.read(secret, movement, reference, timeout.saturating_sub(started.elapsed())).await
            }
            Ok(reply) => Found::Unanswered(classify::trouble(&reply)),
            Err(trouble) => Found::Unanswered(trouble),
        }
    }

    /// The ids of ours that a transfer carries; `None`: Plaid does not know it.
    ///
    /// # Errors
    /// Why Plaid did not say.
    pub async fn labels(
        &self,
        secret: &PlaidSecret,
        transfer: &str,
        timeout: Duration,
    ) -> Result<Option<Labels>, Trouble> {
        Ok(self.shown(secret, transfer, timeout).await?.map(|(labels, _)| labels))
    }

    /// A transfer as it is now, with the ids of ours that it carries; `None`: Plaid does not know it.
    ///
    /// # Errors
    /// Why Plaid did not say.
    pub async fn shown(
        &self,
        secret: &PlaidSecret,
        transfer: &str,
        timeout: Duration,
    ) -> Result<Option<(Labels, Answer)>, Trouble> {
        let reply = self.post(secret, "/transfer/get", &json!({ "transfer_id": transfer }), timeout).await?;
        if classify::is_missing(&reply) {
            return Ok(None);
        }
        let Transferred { transfer } = reply.object().ok_or_else(|| classify::trouble(&reply))?;
        let answer = classify::transfer(&transfer);
        let object::Metadata { tenant_id, invoice_id, payment_id } = transfer.metadata;
        Ok(Some((Labels { tenant_id, invoice_id, payment_id, refund_id: None }, answer)))
    }
}

#[cfg(test)]
mod tests;
