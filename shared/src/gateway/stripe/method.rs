//! Payment methods at Stripe: set up in the owner's browser, read by reference, attached to their owner's customer, let go.
//! Numbers never pass through here.

use std::time::{Duration, Instant};

use http::Method as Verb;

use super::object::{Bank, Blocked, Card, Customer, Method, Reference, SetupIntent};
use super::transport::{Reply, Request, Stripe, segment};
use super::{API_VERSION, classify};
use crate::gateway::{KnownMethod, MethodError, NextAction, Setup, Trouble};
use crate::id::{TenantId, fingerprint};
use crate::model::method::{MethodKind, MethodStatus, Owner};
use crate::model::return_code::{self, ReturnClass};
use crate::secrets::StripeSecret;

/// Stripe's types of methods.
const CARD: &str = "card";
const BANK_ACCOUNT: &str = "us_bank_account";

impl Stripe {
    /// Begins the setup of a card or a US bank account for a customer, to be charged while they are away. The browser
    /// finishes it with the client secret (docs.stripe.com/payments/setup-intents). Each call begins another.
    ///
    /// # Errors
    /// [`MethodError`].
    pub async fn begin_setup(
        &self,
        secret: &StripeSecret,
        customer: &str,
        kind: MethodKind,
        timeout: Duration,
    ) -> Result<Setup, MethodError> {
        let kind = if kind == MethodKind::BankAccount { BANK_ACCOUNT } else { CARD };
        let form = [
            ("customer", customer.to_owned()),
            ("payment_method_types[0]", kind.to_owned()),
            ("usage", "off_session".to_owned()),
        ];
        let key = uuid::Uuid::new_v4().to_string();
        let reply = self.post_once(secret, timeout, "/v1/setup_intents", &form, &key).await?;
        let setup: SetupIntent = object(&reply, "the setup")?;
        let next_action = setup.client_secret.map(NextAction::SetupSecret);
        Ok(Setup { reference: Some(setup.id), next_action, expires_at: None })
    }

    /// The method that a finished SetupIntent set up, and the mandate of one that is a bank account.
    ///
    /// # Errors
    /// [`MethodError::NotUsable`] while the customer is not done.
    pub async fn set_up_method(
        &self,
        secret: &StripeSecret,
        setup: &str,
        timeout: Duration,
    ) -> Result<(String, Option<String>), MethodError> {
        let reply = self.get_once(secret, timeout, &format!("/v1/setup_intents/{}", segment(setup))).await?;
        let setup: SetupIntent = object(&reply, setup)?;
        match (setup.status.as_str(), setup.payment_method) {
            ("succeeded", Some(method)) => Ok((method, setup.mandate.map(Reference::id))),
            (status, _) => Err(MethodError::NotUsable(format!("The setup is not finished: it is {status} at Stripe."))),
        }
    }

    /// Reads a method.
    ///
    /// # Errors
    /// [`MethodError`].
    pub async fn read_method(
        &self,
        secret: &StripeSecret,
        method: &str,
        timeout: Duration,
    ) -> Result<KnownMethod, MethodError> {
        let reply = self.get_once(secret, timeout, &format!("/v1/payment_methods/{}", segment(method))).await?;
        known(object(&reply, method)?)
    }

    /// Attaches a method to a customer. The answer's id may differ: Stripe copies its shared test methods.
    ///
    /// # Errors
    /// [`MethodError`].
    pub async fn attach_method(
        &self,
        secret: &StripeSecret,
        method: &str,
        customer: &str,
        timeout: Duration,
    ) -> Result<KnownMethod, MethodError> {
        let path = format!("/v1/payment_methods/{}/attach", segment(method));
        let form = [("customer", customer.to_owned())];
        // A key of its own: the answer to another would still say that a method is attached which was let go since. Where
        // the answer is lost, the method is found attached.
        let key = uuid::Uuid::new_v4().to_string();
        let reply = self.post_once(secret, timeout, &path, &form, &key).await?;
        known(object(&reply, method)?).map(|method| KnownMethod { attached_here: true, ..method })
    }

    /// Lets a method go, for good. One that is gone, or attached to nobody, is let go already.
    ///
    /// # Errors
    /// [`MethodError`].
    pub async fn detach_method(
        &self,
        secret: &StripeSecret,
        method: &str,
        timeout: Duration,
    ) -> Result<(), MethodError> {
        let started = Instant::now();
        let path = format!("/v1/payment_methods/{}", segment(method));
        let key = uuid::Uuid::new_v4().to_string();
        let reply = self.post_once(secret, timeout, &format!("{path}/detach"), &[], &key).await?;
        match object::<Method>(&reply, method) {
            Ok(_) => Ok(()),
            // Stripe has no code for what was let go before: its object tells.
            Err(MethodError::NotUsable(_)) => {
                let left = timeout.saturating_sub(started.elapsed());
                let reply = self.get_once(secret, left, &path).await?;
                match object::<Method>(&reply, method) {
                    Ok(Method { customer: Some(_), .. }) => Err(MethodError::Gateway(Trouble::Rejected)),
                    Ok(_) | Err(MethodError::NotUsable(_)) => Ok(()),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Creates the customer that stands for an owner, instead of one that was `lost`. The same owner is the same
    /// customer within a key's lifetime.
    ///
    /// # Errors
    /// [`MethodError`].
    pub async fn create_customer(
        &self,
        secret: &StripeSecret,
        tenant: &TenantId,
        owner: &Owner,
        lost: Option<&str>,
        timeout: Duration,
    ) -> Result<String, MethodError> {
        let form = marks(tenant, owner);
        // Hashed: an owner may be called by an e-mail address, which has no place in a key.
        let key = fingerprint(&["customer", tenant.as_str(), &owner.to_string(), lost.unwrap_or_default()]);
        let reply = self.post_once(secret, timeout, "/v1/customers", &form, &key).await?;
        object::<Customer>(&reply, "customer").map(|customer| customer.id)
    }

    /// Whether a customer is still there.
    ///
    /// # Errors
    /// [`MethodError`], when Stripe does not say.
    pub async fn has_customer(
        &self,
        secret: &StripeSecret,
        customer: &str,
        timeout: Duration,
    ) -> Result<bool, MethodError> {
        let reply = self.get_once(secret, timeout, &format!("/v1/customers/{}", segment(customer))).await?;
        match object::<Customer>(&reply, customer) {
            Ok(found) => Ok(!found.deleted),
            Err(MethodError::NotUsable(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that a customer stands for this owner and no other: one that nobody has marked yet is marked.
    ///
    /// Each customer is claimed under one key, whoever claims it: of two who found it unmarked, Stripe takes the marks of
    /// one and refuses the other's, for the 24 hours that it keeps the key. Whoever begins after that finds the marks.
    ///
    /// # Errors
    /// [`MethodError::NotUsable`] when it is another's. [`MethodError::Gateway`] when a claim was not taken and no marks
    /// are there: another's is on its way.
    pub async fn claim_customer(
        &self,
        secret: &StripeSecret,
        customer: &str,
        tenant: &TenantId,
        owner: &Owner,
        timeout: Duration,
    ) -> Result<(), MethodError> {
        let path = format!("/v1/customers/{}", segment(customer));
        let reply = self.get_once(secret, timeout, &path).await?;
        let mut found: Customer = object(&reply, customer)?;
        if is_free(&found) {
            let key = fingerprint(&["claim", customer]);
            let claimed = self.post_once(secret, timeout, &path, &marks(tenant, owner), &key).await?;
            // The answer may be one that was kept: the customer itself says whose it is.
            let reply = self.get_once(secret, timeout, &path).await?;
            found = object(&reply, customer)?;
            if is_free(&found) {
                object::<Customer>(&claimed, customer)?;
            }
        }
        let marked = |key: &str, ours: &str| found.metadata.get(key).is_some_and(|value| value == ours);
        if found.deleted || !marked("tenant_id", tenant.as_str()) || !marked("owner", &owner.to_string()) {
            return Err(MethodError::NotUsable(
                "The method belongs to another customer at Stripe; set up one for this owner.".to_owned(),
            ));
        }
        Ok(())
    }

    async fn get_once(&self, secret: &StripeSecret, timeout: Duration, path: &str) -> Result<Reply, MethodError> {
        let request =
            Request { verb: Verb::GET, path, query: &[], form: &[], key: None, version: API_VERSION, timeout };
        self.send_request(secret, &request).await.map_err(MethodError::Gateway)
    }

    async fn post_once(
        &self,
        secret: &StripeSecret,
        timeout: Duration,
        path: &str,
        form: &[(&str, String)],
        key: &str,
    ) -> Result<Reply, MethodError> {
        let key = Some(key);
        let request = Request { verb: Verb::POST, path, query: &[], form, key, version: API_VERSION, timeout };
        self.send_request(secret, &request).await.map_err(MethodError::Gateway)
    }
}

/// Whether a customer is there, and nobody's yet.
fn is_free(customer: &Customer) -> bool {
    !customer.deleted && !customer.metadata.contains_key("tenant_id") && !customer.metadata.contains_key("owner")
}

/// What says on a customer whose it is: accounts may be shared.
fn marks(tenant: &TenantId, owner: &Owner) -> [(&'static str, String); 2] {
    [("metadata[tenant_id]", tenant.to_string()), ("metadata[owner]", owner.to_string())]
}

fn object<T: serde::de::DeserializeOwned>(reply: &Reply, reference: &str) -> Result<T, MethodError> {
    reply.object().ok_or_else(|| match classify::trouble(reply) {
        Trouble::Rejected => {
            MethodError::NotUsable(format!("Stripe does not know {reference} as usable in this account."))
        }
        trouble => MethodError::Gateway(trouble),
    })
}

fn known(method: Method) -> Result<KnownMethod, MethodError> {
    let Method { id, kind, customer, card, us_bank_account } = method;
    let known = |kind, brand, last4| KnownMethod {
        reference: id.clone(),
        customer: customer.clone(),
        attached_here: false,
        kind,
        brand,
        last4,
        exp_month: None,
        exp_year: None,
        mandate: None,
        barred: None,
    };
    match (kind.as_str(), card, us_bank_account) {
        (CARD, Some(Card { brand, last4, exp_month, exp_year }), _) => {
            Ok(KnownMethod { exp_month, exp_year, ..known(MethodKind::Card, brand, last4) })
        }
        (BANK_ACCOUNT, _, Some(Bank { bank_name, last4, status_details })) => {
            let blocked = status_details.and_then(|details| details.blocked);
            Ok(KnownMethod { barred: blocked.map(bars), ..known(MethodKind::BankAccount, bank_name, last4) })
        }
        (other, _, _) => Err(MethodError::NotUsable(format!("Methods of the type {other} are not taken."))),
    }
}

/// What a block that a return has brought about makes of the account
/// (docs.stripe.com/payments/ach-direct-debit/blocked-bank-accounts).
fn bars(blocked: Blocked) -> MethodStatus {
    let class = blocked.network_code.as_deref().map(return_code::class);
    class.and_then(ReturnClass::method).unwrap_or(MethodStatus::Inactive)
}
