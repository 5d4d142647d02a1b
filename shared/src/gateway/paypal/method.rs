//! Payment methods at PayPal: tokens in its vault (developer.paypal.com/docs/api/payment-tokens/v3).
//!
//! A setup token, which the customer has approved, becomes a payment token, which orders are paid with. Tenants may share
//! an account: what was set up for one owner carries a mark of it, and is nobody else's. Numbers never pass through here,
//! and e-mail addresses leave it masked.

use std::time::Duration;

use http::Method as Verb;
use serde_json::json;

use super::object::{Card, Token, Wallet};
use super::transport::{Budget, Reply, Request, segment};
use super::{PayPal, classify};
use crate::gateway::{KnownMethod, MethodError, Setup, Trouble};
use crate::id::TenantId;
use crate::model::method::{MethodKind, Owner};
use crate::secrets::PayPalSecret;

/// Whose a method is, as PayPal keeps it: the same for a tenant's owner each time, and it says nothing of either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder(String);

impl Holder {
    /// Of a tenant's owner.
    #[must_use]
    pub fn of(tenant: &TenantId, owner: &Owner) -> Self {
        Self(owner.mark(tenant))
    }

    /// Refuses what was set up for somebody else. What carries no mark was not set up here, and is whose it is first.
    fn check(&self, token: &Token) -> Result<(), MethodError> {
        let mark = token.customer.as_ref().and_then(|customer| customer.merchant_customer_id.as_ref());
        if mark.is_none_or(|mark| *mark == self.0) {
            return Ok(());
        }
        Err(MethodError::NotUsable("It was set up at PayPal for somebody else.".to_owned()))
    }
}

impl PayPal {
    /// Begins the setup of a customer's PayPal account. `key` tells this setup from others.
    ///
    /// # Errors
    /// [`MethodError`].
    pub async fn begin_setup(
        &self,
        secret: &PayPalSecret,
        holder: &Holder,
        return_url: &str,
        cancel_url: &str,
        key: &str,
        timeout: Duration,
    ) -> Result<Setup, MethodError> {
        let context = json!({ "return_url": return_url, "cancel_url": cancel_url });
        let source = json!({ "paypal": { "usage_type": "MERCHANT", "experience_context": context } });
        let body = json!({ "customer": { "merchant_customer_id": holder.0 }, "payment_source": source });
        let request = Request::post("/v3/vault/setup-tokens", &body, Some(key));
        let reply = self.ask(secret, &request, timeout).await?;
        let token: Token = object(&reply, "the setup")?;
        let next_action = classify::approval(&token.links, &self.base);
        Ok(Setup { reference: Some(token.id), next_action, expires_at: None })
    }

    /// Makes the payment token of a setup token that its customer has approved. Done again, it is the same token.
    ///
    /// # Errors
    /// [`MethodError::NotUsable`] while the customer is not done, and for another holder.
    pub async fn set_up_method(
        &self,
        secret: &PayPalSecret,
        holder: &Holder,
        setup: &str,
        timeout: Duration,
    ) -> Result<KnownMethod, MethodError> {
        let path = format!("/v3/vault/setup-tokens/{}", segment(setup));
        let reply = self.ask(secret, &Request::get(&path), timeout).await?;
        let token: Token = object(&reply, setup)?;
        holder.check(&token)?;
        if !["APPROVED", "VAULTED", "TOKENIZED"].contains(&token.status.as_str()) {
            let status = token.status.to_ascii_lowercase();
            return Err(MethodError::NotUsable(format!("The setup is not finished: it is {status} at PayPal.")));
        }
        let body = json!({ "payment_source": { "token": { "id": token.id, "type": "SETUP_TOKEN" } } });
        // A lost answer is asked for again under the same id.
        let key = format!("token-{}", segment(setup));
        let reply = self.ask(secret, &Request::post("/v3/vault/payment-tokens", &body, Some(&key)), timeout).await?;
        let made: Token = object(&reply, setup)?;
        // Read: what is answered under an id that was used before says nothing of a token that was deleted since.
        self.read_method(secret, holder, &made.id, timeout).await
    }

    /// Reads a payment token.
    ///
    /// # Errors
    /// [`MethodError`].
    pub async fn read_method(
        &self,
        secret: &PayPalSecret,
        holder: &Holder,
        method: &str,
        timeout: Duration,
    ) -> Result<KnownMethod, MethodError> {
        let reply = self.ask(secret, &Request::get(&path(method)), timeout).await?;
        known(object(&reply, method)?, holder)
    }

    /// Deletes a payment token. One that is gone is deleted.
    ///
    /// # Errors
    /// [`MethodError`].
    pub async fn delete_method(
        &self,
        secret: &PayPalSecret,
        method: &str,
        timeout: Duration,
    ) -> Result<(), MethodError> {
        let path = path(method);
        let request = Request { verb: Verb::DELETE, ..Request::get(&path) };
        let reply = self.ask(secret, &request, timeout).await?;
        if reply.is_success() || classify::is_missing(&reply) {
            return Ok(());
        }
        Err(refused(&reply, method))
    }

    async fn ask(&self, secret: &PayPalSecret, request: &Request<'_>, timeout: Duration) -> Result<Reply, MethodError> {
        self.send_request(secret, request, Budget::of(timeout)).await.map_err(MethodError::Gateway)
    }
}

fn path(method: &str) -> String {
    format!("/v3/vault/payment-tokens/{}", segment(method))
}

fn object<T: serde::de::DeserializeOwned>(reply: &Reply, reference: &str) -> Result<T, MethodError> {
    reply.object().ok_or_else(|| refused(reply, reference))
}

fn refused(reply: &Reply, reference: &str) -> MethodError {
    if let Some(word) = classify::rejected(reply) {
        // Asked again, PayPal says the same.
        return MethodError::NotUsable(format!(
            "PayPal does not do this for the account ({word}); whoever runs it must have it enabled at PayPal."
        ));
    }
    match classify::trouble(reply) {
        Trouble::Rejected => {
            MethodError::NotUsable(format!("PayPal does not know {reference} as usable in this account."))
        }
        trouble => MethodError::Gateway(trouble),
    }
}

fn known(token: Token, holder: &Holder) -> Result<KnownMethod, MethodError> {
    holder.check(&token)?;
    let customer = token.customer.and_then(|customer| customer.id);
    let known = |kind| KnownMethod {
        mandate: None,
        barred: None,
        reference: token.id.clone(),
        customer: customer.clone(),
        attached_here: false,
        kind,
        brand: None,
        last4: None,
        exp_month: None,
        exp_year: None,
    };
    match (token.payment_source.card, token.payment_source.paypal) {
        (Some(Card { brand, last_digits, expiry }), _) => {
            let (exp_year, exp_month) = expiry.as_deref().and_then(ends).unzip();
            Ok(KnownMethod { brand, last4: last_digits, exp_month, exp_year, ..known(MethodKind::Card) })
        }
        (None, Some(Wallet { email_address })) => {
            Ok(KnownMethod { brand: email_address.as_deref().map(masked), ..known(MethodKind::Paypal) })
        }
        (None, None) => Err(MethodError::NotUsable("Only PayPal accounts and cards are taken from PayPal.".to_owned())),
    }
}

/// Year and month of `YYYY-MM`.
fn ends(expiry: &str) -> Option<(u16, u8)> {
    let (year, month) = expiry.split_once('-')?;
    Some((year.parse().ok()?, month.parse().ok().filter(|month| (1..=12).contains(month))?))
}

/// An e-mail address that its owner recognizes and nobody else can use.
fn masked(email: &str) -> String {
    match email.split_once('@') {
        Some((name, domain)) => {
            let first: String = name.chars().take(1).collect();
            format!("{first}***@{domain}")
        }
        None => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::paypal::stub::{Stub, TIMEOUT, clock, secret};

    fn token(json: serde_json::Value) -> Result<KnownMethod, MethodError> {
        known(serde_json::from_value(json).unwrap(), &holder())
    }

    fn owner(customer: &str) -> Owner {
        Owner::Customer(customer.parse().unwrap())
    }

    fn holder() -> Holder {
        Holder::of(&"acme".parse().unwrap(), &owner("globex"))
    }

    #[tokio::test]
    async fn a_setup_that_its_customer_has_approved_becomes_a_token_once() {
        let stub = Stub::start(|asked| match asked.line.as_str() {
            "POST /v3/vault/setup-tokens" => Some((
                201,
                json!({ "id": "SET1", "status": "PAYER_ACTION_REQUIRED",
                "links": [{ "rel": "approve", "href": "https://www.paypal.com/agreements/approve?token=SET1" }] }),
            )),
            "GET /v3/vault/setup-tokens/SET1" => Some((200, json!({ "id": "SET1", "status": "APPROVED" }))),
            "GET /v3/vault/setup-tokens/SET2" => {
                Some((200, json!({ "id": "SET2", "status": "PAYER_ACTION_REQUIRED" })))
            }
            "POST /v3/vault/payment-tokens" => Some((
                201,
                json!({ "id": "tok1",
                "payment_source": { "paypal": { "email_address": "jane@example.com" } } }),
            )),
            "GET /v3/vault/payment-tokens/tok1" => Some((
                200,
                json!({ "id": "tok1", "payment_source": { "paypal": { "email_address": "jane@example.com" } } }),
            )),
            "DELETE /v3/vault/payment-tokens/tok1" => Some((204, json!(""))),
            _ => None,
        });
        let paypal = stub.paypal(&clock());
        let begun =
            paypal.begin_setup(&secret(), &holder(), "https://a", "https://b", "setup-1", TIMEOUT).await.unwrap();
        assert_eq!(begun.reference.as_deref(), Some("SET1"));
        assert!(matches!(begun.next_action, Some(crate::gateway::NextAction::ApprovalUrl(_))));
        let method = paypal.set_up_method(&secret(), &holder(), "SET1", TIMEOUT).await.unwrap();
        assert_eq!((method.reference.as_str(), method.brand.as_deref()), ("tok1", Some("j***@example.com")));
        let made = stub.asked().into_iter().find(|asked| asked.line == "POST /v3/vault/payment-tokens").unwrap();
        assert_eq!(made.body["payment_source"]["token"], json!({ "id": "SET1", "type": "SETUP_TOKEN" }));
        assert_eq!(made.header("paypal-request-id"), Some("token-SET1"));
        let unfinished = paypal.set_up_method(&secret(), &holder(), "SET2", TIMEOUT).await;
        assert!(matches!(unfinished, Err(MethodError::NotUsable(why)) if why.contains("payer_action_required")));
        assert!(matches!(
            paypal.read_method(&secret(), &holder(), "tok9", TIMEOUT).await,
            Err(MethodError::NotUsable(_))
        ));
        assert!(paypal.delete_method(&secret(), "tok1", TIMEOUT).await.is_ok());
        assert!(paypal.delete_method(&secret(), "tok9", TIMEOUT).await.is_ok(), "gone is deleted");
    }

    #[tokio::test]
    async fn a_token_that_was_deleted_is_not_brought_back_by_the_answer_to_an_old_request() {
        let stub = Stub::start(|asked| match asked.line.as_str() {
            "GET /v3/vault/setup-tokens/SET1" => Some((200, json!({ "id": "SET1", "status": "VAULTED" }))),
            "POST /v3/vault/payment-tokens" => Some((
                200,
                json!({ "id": "tok1", "payment_source": { "paypal": { "email_address": "j@example.com" } } }),
            )),
            _ => None,
        });
        let said = stub.paypal(&clock()).set_up_method(&secret(), &holder(), "SET1", TIMEOUT).await;
        assert!(matches!(said, Err(MethodError::NotUsable(_))), "{said:?}");
    }

    #[tokio::test]
    async fn what_was_set_up_for_one_owner_is_nobody_elses() {
        let marked = |mark: Option<&Holder>| {
            let mark = mark.map(|mark| mark.0.clone());
            let wallet = json!({ "email_address": "jane@example.com" });
            let customer = json!({ "id": "cust_1", "merchant_customer_id": mark });
            let stub = Stub::start(move |asked| {
                let token = json!({ "id": "t1", "status": "APPROVED", "customer": customer, "payment_source": { "paypal": wallet } });
                asked.line.contains("/v3/vault/").then_some((200, token))
            });
            (stub.paypal(&clock()), stub)
        };
        let (acme, bobs) = ("acme".parse().unwrap(), "bobs".parse().unwrap());
        let others = [
            Holder::of(&acme, &owner("initech")),
            Holder::of(&bobs, &owner("globex")),
            Holder::of(&acme, &Owner::Tenant),
        ];
        for other in &others {
            let (paypal, stub) = marked(Some(other));
            let read = paypal.read_method(&secret(), &holder(), "t1", TIMEOUT).await;
            assert!(matches!(read, Err(MethodError::NotUsable(_))), "{read:?}");
            let set_up = paypal.set_up_method(&secret(), &holder(), "t1", TIMEOUT).await;
            assert!(matches!(set_up, Err(MethodError::NotUsable(_))), "{set_up:?}");
            assert!(stub.lines().iter().all(|line| line.starts_with("GET ")), "no token is made of it");
        }
        for own in [Some(holder()), None] {
            let (paypal, _stub) = marked(own.as_ref());
            assert!(paypal.read_method(&secret(), &holder(), "t1", TIMEOUT).await.is_ok());
            assert!(paypal.set_up_method(&secret(), &holder(), "t1", TIMEOUT).await.is_ok());
        }
        let (paypal, stub) = marked(None);
        paypal.begin_setup(&secret(), &holder(), "https://a", "https://b", "k", TIMEOUT).await.unwrap();
        let mark = stub.asked().pop().unwrap().body["customer"]["merchant_customer_id"].clone();
        assert_eq!(mark, json!(holder().0));
        assert!(mark.as_str().unwrap().len() <= 64 && !mark.as_str().unwrap().contains("acme"));
    }

    #[tokio::test]
    async fn what_the_account_may_not_do_is_said_and_not_tried_for_ever() {
        for (status, word, says_it) in [
            (403, "NOT_ENABLED_TO_VAULT_PAYMENT_SOURCE", true),
            (403, "PERMISSION_DENIED", true),
            (422, "PAYEE_ACCOUNT_RESTRICTED", true),
            // The key itself, which may have been rotated.
            (401, "INVALID_ACCOUNT_STATUS", false),
            (403, "SOMETHING_ELSE", false),
        ] {
            let stub = Stub::start(move |asked| {
                let error = json!({ "name": "NOT_AUTHORIZED", "details": [{ "issue": word }] });
                asked.line.contains("/v3/vault/").then_some((status, error))
            });
            let said = stub.paypal(&clock()).read_method(&secret(), &holder(), "t1", TIMEOUT).await;
            match said {
                Err(MethodError::NotUsable(why)) => assert!(says_it && why.contains(word), "{why}"),
                other => {
                    assert!(!says_it && matches!(other, Err(MethodError::Gateway(Trouble::KeyRefused))), "{other:?}")
                }
            }
        }
    }

    #[test]
    fn a_card_shows_its_brand_its_last_digits_and_its_end() {
        let card = json!({ "brand": "VISA", "last_digits": "1111", "expiry": "2027-02", "name": "J" });
        let method =
            token(json!({ "id": "8kk8451t", "customer": { "id": "cust_1" }, "payment_source": { "card": card } }))
                .unwrap();
        assert_eq!((method.kind, method.reference.as_str()), (MethodKind::Card, "8kk8451t"));
        assert_eq!((method.brand.as_deref(), method.last4.as_deref()), (Some("VISA"), Some("1111")));
        assert_eq!((method.exp_month, method.exp_year), (Some(2), Some(2027)));
        assert_eq!(method.customer.as_deref(), Some("cust_1"));
    }

    #[test]
    fn an_account_shows_its_address_masked() {
        let wallet = json!({ "email_address": "jane.doe@example.com", "account_id": "X" });
        let method = token(json!({ "id": "t", "payment_source": { "paypal": wallet } })).unwrap();
        assert_eq!((method.kind, method.brand.as_deref()), (MethodKind::Paypal, Some("j***@example.com")));
        assert!(!format!("{method:?}").contains("jane"));
        assert_eq!(masked("no address"), "***");
        assert_eq!(masked("@example.com"), "***@example.com");
        assert_eq!(masked("é@x"), "é***@x");
    }

    #[test]
    fn other_sources_are_not_taken() {
        for source in [json!({ "venmo": {} }), json!({}), json!(null)] {
            assert!(matches!(token(json!({ "id": "t", "payment_source": source })), Err(MethodError::NotUsable(_))));
        }
    }

    #[test]
    fn an_end_that_is_none_is_left_out() {
        for expiry in ["2027-13", "2027-00", "2027", "", "-", "99999-01"] {
            assert_eq!(ends(expiry), None, "{expiry}");
        }
        assert_eq!(ends("2027-12"), Some((2027, 12)));
    }
}
