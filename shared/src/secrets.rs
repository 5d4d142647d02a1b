//! Secrets: read from Secrets Manager, kept for minutes, printed never.
//!
//! One task at a time fetches a secret, the others wait for it. A key that the gateway refuses has its secret
//! fetched anew at once, but no more than twice a minute, so that a wrong key is no storm.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use secrecy::{ExposeSecret, SecretString};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use tokio::sync::Mutex as AsyncMutex;

use crate::bounds;
use crate::clock::{Clock, Time};
use crate::id::{MethodId, TenantId};
use crate::model::payment::Gateway;

/// What a tenant's secret for Stripe holds.
#[derive(Clone, Debug, Deserialize)]
pub struct StripeSecret {
    /// `acct_…`: payments are bound to it.
    #[serde(deserialize_with = "account")]
    pub account: String,
    /// `sk_…` or `rk_…`.
    pub secret_key: SecretString,
    /// `whsec_…`; several while one is rotated.
    #[serde(default)]
    pub webhook_secrets: Vec<SecretString>,
}

/// Payments would be bound to whatever stands here: it must at least look like an account.
fn account<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let account = String::deserialize(deserializer)?;
    if account.starts_with("acct_") { Ok(account) } else { Err(D::Error::custom("no id of an account")) }
}

/// What a tenant's secret for PayPal holds.
#[derive(Clone, Debug, Deserialize)]
pub struct PayPalSecret {
    /// The account: payments are bound to it.
    #[serde(deserialize_with = "client_id")]
    pub client_id: String,
    /// Proves to be the client.
    pub client_secret: SecretString,
    /// Of the endpoint that the webhooks come to; each signature covers it.
    #[serde(default)]
    pub webhook_id: String,
}

/// The same: two placeholders would be one account.
fn client_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    let is_one = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
    if is_one { Ok(id) } else { Err(D::Error::custom("no id of a client")) }
}

/// What a tenant's secret for Plaid holds.
#[derive(Clone, Debug, Deserialize)]
pub struct PlaidSecret {
    /// The account: payments are bound to it.
    #[serde(deserialize_with = "client_id")]
    pub client_id: String,
    /// Proves to be the client.
    pub secret: SecretString,
}

/// What opens the bank account behind a payment method at Plaid; each method has a secret of its own.
#[derive(Clone, Debug, Deserialize)]
pub struct BankAccess {
    /// Plaid's access token.
    pub access_token: SecretString,
}

/// The secret of the whole deployment for explaining alerts.
#[derive(Clone, Debug, Deserialize)]
pub struct AnalysisSecret {
    /// Anthropic's key.
    pub api_key: SecretString,
}

/// A tenant's secret for the gateway that something goes through.
#[derive(Clone, Debug)]
pub enum Keys {
    /// For Stripe.
    Stripe(Arc<StripeSecret>),
    /// For PayPal.
    Paypal(Arc<PayPalSecret>),
    /// For Plaid.
    Plaid(Arc<PlaidSecret>),
}

impl Keys {
    /// Which gateway's.
    #[must_use]
    pub const fn gateway(&self) -> Gateway {
        match self {
            Self::Stripe(_) => Gateway::Stripe,
            Self::Paypal(_) => Gateway::Paypal,
            Self::Plaid(_) => Gateway::Plaid,
        }
    }

    /// The account there: payments are bound to it.
    #[must_use]
    pub fn account(&self) -> &str {
        match self {
            Self::Stripe(secret) => &secret.account,
            Self::Paypal(secret) => &secret.client_id,
            Self::Plaid(secret) => &secret.client_id,
        }
    }
}

/// Why a secret could not be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SecretError {
    /// There is none of this name.
    #[error("the secret {0} does not exist")]
    Missing(String),
    /// It is there and is not what it should be. The text names no part of it.
    #[error("the secret {0} is not the JSON that is expected")]
    Malformed(String),
    /// Secrets Manager refuses to say.
    #[error("the secret {name} is refused: {reason}")]
    Refused {
        /// Which.
        name: String,
        /// The SDK's account of it.
        reason: String,
    },
    /// Secrets Manager did not answer.
    #[error("the secret {name} could not be read: {reason}")]
    Unavailable {
        /// Which.
        name: String,
        /// The SDK's account of it.
        reason: String,
    },
}

/// The tenants' secrets.
#[derive(Clone, Debug)]
pub struct Secrets {
    client: Client,
    prefix: String,
    clock: Clock,
    stripe: Slots<StripeSecret>,
    paypal: Slots<PayPalSecret>,
    plaid: Slots<PlaidSecret>,
    banks: Slots<BankAccess>,
    analysis: Slots<AnalysisSecret>,
}

/// The secrets of one gateway, by name.
type Slots<T> = Arc<Mutex<HashMap<String, SharedSlot<T>>>>;

/// Locked while its secret is being fetched.
type SharedSlot<T> = Arc<AsyncMutex<Option<Slot<T>>>>;

/// A fetched secret, or why there is none.
#[derive(Debug)]
struct Slot<T> {
    value: Result<Arc<T>, SecretError>,
    fetched_at: Time,
}

impl<T> Slot<T> {
    fn is_fresh(&self, now: Time) -> bool {
        let ttl = if self.value.is_ok() { bounds::SECRET_TTL } else { bounds::SECRET_MISSING_TTL };
        now < self.fetched_at.plus(ttl)
    }

    /// Whether it was fetched moments ago.
    fn is_new(&self, now: Time) -> bool {
        now < self.fetched_at.plus(bounds::SECRET_REFRESH_PAUSE)
    }
}

/// Whether a slot is in use or holds a secret.
fn is_worth_keeping<T>(slot: &SharedSlot<T>) -> bool {
    let in_use = Arc::strong_count(slot) > 1;
    in_use || slot.try_lock().is_ok_and(|slot| slot.as_ref().is_some_and(|slot| slot.value.is_ok()))
}

impl Secrets {
    /// Secrets named `<prefix>/<tenant>/<gateway>`.
    #[must_use]
    pub fn new(client: Client, prefix: String, clock: Clock) -> Self {
        let (stripe, paypal, plaid, banks, analysis) = Default::default();
        Self { client, prefix, clock, stripe, paypal, plaid, banks, analysis }
    }

    /// The same secrets going by another clock, with a cache of their own: ages of two clocks don't mix.
    #[must_use]
    pub fn at(&self, clock: Clock) -> Self {
        Self::new(self.client.clone(), self.prefix.clone(), clock)
    }

    /// The tenant's Stripe secret, from the cache if it is fresh.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn stripe(&self, tenant: &TenantId) -> Result<Arc<StripeSecret>, SecretError> {
        self.get(&self.stripe, tenant, "stripe", Slot::is_fresh).await
    }

    /// The tenant's Stripe secret, fetched anew unless that was done moments ago.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn stripe_anew(&self, tenant: &TenantId) -> Result<Arc<StripeSecret>, SecretError> {
        self.get(&self.stripe, tenant, "stripe", Slot::is_new).await
    }

    /// The tenant's PayPal secret, from the cache if it is fresh.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn paypal(&self, tenant: &TenantId) -> Result<Arc<PayPalSecret>, SecretError> {
        self.get(&self.paypal, tenant, "paypal", Slot::is_fresh).await
    }

    /// The tenant's PayPal secret, fetched anew unless that was done moments ago.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn paypal_anew(&self, tenant: &TenantId) -> Result<Arc<PayPalSecret>, SecretError> {
        self.get(&self.paypal, tenant, "paypal", Slot::is_new).await
    }

    /// What opens the bank account behind a method at Plaid, from the cache if it is fresh.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn bank(&self, tenant: &TenantId, method: &MethodId) -> Result<Arc<BankAccess>, SecretError> {
        self.get(&self.banks, tenant, &format!("plaid/{method}"), Slot::is_fresh).await
    }

    /// The secret for explaining alerts, from the cache if it is fresh.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn analysis(&self) -> Result<Arc<AnalysisSecret>, SecretError> {
        self.named(&self.analysis, self.analysis_name(), Slot::is_fresh).await
    }

    /// The secret for explaining alerts, fetched anew unless that was done moments ago.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn analysis_anew(&self) -> Result<Arc<AnalysisSecret>, SecretError> {
        self.named(&self.analysis, self.analysis_name(), Slot::is_new).await
    }

    /// No tenant's, and no tenant can be called so: what a tenant has is a level deeper.
    fn analysis_name(&self) -> String {
        format!("{}/error-analysis", self.prefix)
    }

    /// Keeps what opens the bank account behind a method at Plaid, instead of what was kept before. One that is being
    /// deleted is tried again while there is time before the `deadline`.
    ///
    /// # Errors
    /// [`SecretError::Refused`] or [`SecretError::Unavailable`].
    pub async fn keep_bank(
        &self,
        tenant: &TenantId,
        method: &MethodId,
        access: &BankAccess,
        deadline: Time,
    ) -> Result<(), SecretError> {
        let name = self.bank_name(tenant, method);
        let text = serde_json::json!({ "access_token": access.access_token.expose_secret() }).to_string();
        let mut round = 0;
        loop {
            round += 1;
            let created = self.client.create_secret().name(&name).secret_string(&text).send().await;
            let Err(error) = created else { return Ok(()) };
            if !matches!(error.code(), Some("ResourceExistsException" | "InvalidRequestException")) {
                return Err(failure(&name, &error));
            }
            let put = self.client.put_secret_value().secret_id(&name).secret_string(&text).send().await;
            let Err(error) = put else { return Ok(()) };
            // Deleted between the two, or being deleted, which takes Secrets Manager a moment.
            let is_going = matches!(error.code(), Some("ResourceNotFoundException" | "InvalidRequestException"));
            let next = self.clock.now().plus(bounds::SECRET_WRITE_PAUSE);
            let is_late = next.plus(bounds::SETTLE_RESERVE) >= deadline;
            if !is_going || is_late || round == bounds::SECRET_WRITES {
                return Err(failure(&name, &error));
            }
            self.clock.sleep(bounds::SECRET_WRITE_PAUSE).await;
        }
    }

    /// What opens the bank account behind a method at Plaid, as it is kept now; `None`: nothing is.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn bank_as_stored(
        &self,
        tenant: &TenantId,
        method: &MethodId,
    ) -> Result<Option<BankAccess>, SecretError> {
        match self.fetch(&self.bank_name(tenant, method)).await {
            Err(SecretError::Missing(_)) => Ok(None),
            access => access.map(Some),
        }
    }

    /// Deletes what opens the bank account behind a method at Plaid, at once: the account may be linked again, under the
    /// same name. What is gone is deleted.
    ///
    /// # Errors
    /// [`SecretError::Refused`] or [`SecretError::Unavailable`].
    pub async fn forget_bank(&self, tenant: &TenantId, method: &MethodId) -> Result<(), SecretError> {
        let name = self.bank_name(tenant, method);
        let deleted = self.client.delete_secret().secret_id(&name).force_delete_without_recovery(true).send().await;
        deleted.map(drop).map_err(|error| failure(&name, &error))
    }

    /// Deletes it if it is still this one.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn forget_this_bank(
        &self,
        tenant: &TenantId,
        method: &MethodId,
        access: &BankAccess,
    ) -> Result<(), SecretError> {
        let kept = self.bank_as_stored(tenant, method).await?;
        let is_this = |kept: &BankAccess| kept.access_token.expose_secret() == access.access_token.expose_secret();
        if kept.as_ref().is_some_and(is_this) { self.forget_bank(tenant, method).await } else { Ok(()) }
    }

    fn bank_name(&self, tenant: &TenantId, method: &MethodId) -> String {
        format!("{}/{tenant}/plaid/{method}", self.prefix)
    }

    /// The tenant's secret for a gateway, from the cache if it is fresh.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn keys(&self, tenant: &TenantId, gateway: Gateway) -> Result<Keys, SecretError> {
        Ok(match gateway {
            Gateway::Stripe => Keys::Stripe(self.stripe(tenant).await?),
            Gateway::Paypal => Keys::Paypal(self.paypal(tenant).await?),
            Gateway::Plaid => Keys::Plaid(self.get(&self.plaid, tenant, "plaid", Slot::is_fresh).await?),
        })
    }

    /// The tenant's secret for a gateway, fetched anew unless that was done moments ago.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn keys_anew(&self, tenant: &TenantId, gateway: Gateway) -> Result<Keys, SecretError> {
        Ok(match gateway {
            Gateway::Stripe => Keys::Stripe(self.stripe_anew(tenant).await?),
            Gateway::Paypal => Keys::Paypal(self.paypal_anew(tenant).await?),
            Gateway::Plaid => Keys::Plaid(self.get(&self.plaid, tenant, "plaid", Slot::is_new).await?),
        })
    }

    async fn get<T: DeserializeOwned>(
        &self,
        slots: &Slots<T>,
        tenant: &TenantId,
        gateway: &str,
        usable: impl Fn(&Slot<T>, Time) -> bool,
    ) -> Result<Arc<T>, SecretError> {
        self.named(slots, format!("{}/{tenant}/{gateway}", self.prefix), usable).await
    }

    async fn named<T: DeserializeOwned>(
        &self,
        slots: &Slots<T>,
        name: String,
        usable: impl Fn(&Slot<T>, Time) -> bool,
    ) -> Result<Arc<T>, SecretError> {
        let slot = {
            let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
            if slots.len() >= bounds::SECRET_SLOTS && !slots.contains_key(&name) {
                slots.retain(|_, slot| is_worth_keeping(slot));
            }
            Arc::clone(slots.entry(name.clone()).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some(known) = slot.as_ref().filter(|known| usable(known, self.clock.now())) {
            return known.value.clone();
        }
        let value = match (self.fetch(&name).await, slot.as_ref()) {
            // What is known is better than nothing while Secrets Manager is away, and only then: a secret that was
            // deleted or is refused is not used any longer.
            (Err(SecretError::Unavailable { .. }), Some(Slot { value: Ok(known), .. })) => Ok(Arc::clone(known)),
            (Err(error @ SecretError::Unavailable { .. }), _) => return Err(error),
            (fetched, _) => fetched.map(Arc::new),
        };
        *slot = Some(Slot { value: value.clone(), fetched_at: self.clock.now() });
        value
    }

    async fn fetch<T: DeserializeOwned>(&self, name: &str) -> Result<T, SecretError> {
        let answer =
            self.client.get_secret_value().secret_id(name).send().await.map_err(|error| unread(name, &error))?;
        let text = answer.secret_string().ok_or_else(|| SecretError::Malformed(name.to_owned()))?;
        // serde's own message may quote the value: it is dropped.
        serde_json::from_str(text).map_err(|_| SecretError::Malformed(name.to_owned()))
    }
}

/// What a request that failed says of Secrets Manager.
fn failure<E: ProvideErrorMetadata + std::error::Error + 'static>(name: &str, error: &SdkError<E>) -> SecretError {
    let (name, reason) = (name.to_owned(), DisplayErrorContext(error).to_string());
    let is_refusal = match error {
        // Too many requests are answered with 400.
        SdkError::ServiceError(service) => {
            !service.raw().status().is_server_error() && error.code() != Some("ThrottlingException")
        }
        _ => false,
    };
    if is_refusal { SecretError::Refused { name, reason } } else { SecretError::Unavailable { name, reason } }
}

fn unread(name: &str, error: &SdkError<GetSecretValueError>) -> SecretError {
    match error.as_service_error() {
        // `InvalidRequestException`: it is marked for deletion.
        Some(GetSecretValueError::ResourceNotFoundException(_) | GetSecretValueError::InvalidRequestException(_)) => {
            SecretError::Missing(name.to_owned())
        }
        _ => failure(name, error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_placeholder_is_no_account() {
        let read = |id: &str| serde_json::from_value::<PayPalSecret>(json!({ "client_id": id, "client_secret": "s" }));
        for bad in ["", " ", "\t\n", "AY x", "AY\u{a0}"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert_eq!(read("AYSq3RDGsmBLJE-otTkBtM_jBRd1").unwrap().client_id, "AYSq3RDGsmBLJE-otTkBtM_jBRd1");
        for bad in ["", "acct", " acct_1"] {
            let secret = json!({ "account": bad, "secret_key": "s" });
            assert!(serde_json::from_value::<StripeSecret>(secret).is_err(), "{bad:?}");
        }
    }
}
