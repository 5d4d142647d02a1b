//! Stripe: PaymentIntents, transfers, customers and payment methods over its form-encoded API.
//!
//! `transport` sends, `object` reads what comes back, `classify` says what it means, `amount` knows Stripe's own
//! currency exponents, `method` reads and attaches payment methods, `transfer` pays out of the balance and
//! reverses that, `refund` refunds, `aftermath` lists what became of a payment later, `event` checks and reads webhooks. Sources: docs.stripe.com/api and, for error
//! classes, docs.stripe.com/error-handling and /declines/codes.

pub mod aftermath;
pub mod amount;
mod classify;
pub mod event;
pub mod method;
mod object;
mod refund;
mod transfer;
mod transport;

use std::time::Duration;

use http::Method as Verb;

pub use self::classify::{UNCONFIRMED, bank_return, debit_failure, knows};
use self::object::{Intent, Page, Refund, Reversal, Transfer};
pub use self::transport::Stripe;
use self::transport::{Reply, Request};
use super::{Answer, Found, Outcome, Trouble};
use crate::bounds;
use crate::clock::Time;
use crate::model::movement::Movement;
use crate::model::payment::{Payment, PaymentMethod};
use crate::secrets::StripeSecret;

/// The API version that requests pin, whatever the account's default is.
pub const API_VERSION: &str = "2026-08-26.dahlia";

impl Stripe {
    /// Sends a payment or a refund. The same one is always the same request under the same idempotency key: within the
    /// key's lifetime Stripe executes it once.
    pub async fn send(&self, secret: &StripeSecret, movement: Movement<'_>, timeout: Duration) -> Answer {
        match movement {
            Movement::Payment(payment) if payment.is_transfer() => self.transfer(secret, payment, timeout).await,
            Movement::Payment(payment) => self.pay(secret, payment, timeout).await,
            Movement::Refund(refund) => self.refund(secret, refund, timeout).await,
        }
    }

    /// Looks a payment or refund up: by the gateway's id when it is known, else by our id in the metadata of what may be
    /// it. (Search lags behind; it is not used.)
    ///
    /// `until` is when it may have been created at the latest; `time` what there is for the next request, where `None`
    /// ends the look-up.
    pub async fn find(
        &self,
        secret: &StripeSecret,
        movement: Movement<'_>,
        until: Time,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Found {
        match (movement.reference(), time(), movement) {
            (_, None, _) => Found::Unanswered(Trouble::Unreachable),
            (Some(reference), Some(timeout), _) => self.read(secret, movement, reference, timeout).await,
            (None, _, Movement::Payment(payment)) if payment.is_transfer() => {
                self.find_transfer(secret, payment, time).await
            }
            (None, _, Movement::Payment(payment)) => self.find_payment(secret, payment, until, time).await,
            (None, _, Movement::Refund(refund)) => self.find_refund(secret, refund, time).await,
        }
    }

    /// Reads one object.
    pub async fn read(
        &self,
        secret: &StripeSecret,
        movement: Movement<'_>,
        reference: &str,
        timeout: Duration,
    ) -> Found {
        let path = format!("{}/{}", Self::path(movement), transport::segment(reference));
        match self.get(secret, &path, &[], Self::version(movement), timeout).await {
            Ok(reply) if is_missing(&reply) => Found::Nothing,
            Ok(reply) => Self::found(movement, &reply),
            Err(trouble) => Found::Unanswered(trouble),
        }
    }

    /// Cancels a payment or refund. What counts is the object afterwards: it may have succeeded before. A transfer and
    /// its reversals have happened once they are there, and are only read.
    pub async fn cancel(
        &self,
        secret: &StripeSecret,
        movement: Movement<'_>,
        reference: &str,
        timeout: Duration,
    ) -> Found {
        if matches!(Kind::of(movement), Kind::Transfer | Kind::Reversal) {
            return self.read(secret, movement, reference, timeout).await;
        }
        let path = format!("{}/{}/cancel", Self::path(movement), transport::segment(reference));
        // A key of this execution only: a saved refusal must not be replayed once the state has changed.
        let key = uuid::Uuid::new_v4().to_string();
        let request = Request {
            verb: Verb::POST,
            path: &path,
            query: &[],
            form: &[],
            key: Some(&key),
            version: Self::version(movement),
            timeout,
        };
        let reply = match self.send_request(secret, &request).await {
            Ok(reply) => reply,
            Err(trouble) => return Found::Unanswered(trouble),
        };
        match (movement, reply.error().payment_intent) {
            (Movement::Payment(_), Some(intent)) => Found::Object(classify::intent(&intent)),
            _ => Self::found(movement, &reply),
        }
    }

    fn path(movement: Movement<'_>) -> String {
        match (Kind::of(movement), movement) {
            (Kind::Reversal, Movement::Refund(refund)) => transfer::reversals_of(&refund.frozen.payment),
            (Kind::Transfer, _) => transfer::PATH.to_owned(),
            (_, Movement::Payment(_)) => "/v1/payment_intents".to_owned(),
            (_, Movement::Refund(_)) => "/v1/refunds".to_owned(),
        }
    }

    fn version(movement: Movement<'_>) -> &str {
        match movement {
            Movement::Payment(payment) => &payment.frozen.api_version,
            Movement::Refund(refund) => &refund.frozen.api_version,
        }
    }

    fn found(movement: Movement<'_>, reply: &Reply) -> Found {
        let answer = match Kind::of(movement) {
            Kind::Intent => reply.object().map(|intent: Intent| classify::intent(&intent)),
            Kind::Transfer => reply.object().map(|transfer: Transfer| classify::transfer(&transfer)),
            Kind::Refund => reply.object().map(|refund: Refund| classify::refund(&refund)),
            Kind::Reversal => reply.object().map(|reversal: Reversal| classify::reversal(&reversal)),
        };
        answer.map_or_else(|| Found::Unanswered(classify::trouble(reply)), Found::Object)
    }

    /// Creates and confirms the PaymentIntent of a payment in one call.
    async fn pay(&self, secret: &StripeSecret, payment: &Payment, timeout: Duration) -> Answer {
        let Some(amount) = amount::to_wire(payment.money()).ok() else {
            return Answer::without_object(Outcome::NotSent(Trouble::Rejected), false);
        };
        let frozen = &payment.frozen;
        let mut form = vec![
            ("amount", amount.to_string()),
            ("currency", payment.currency.code().to_ascii_lowercase()),
            ("customer", frozen.customer.clone()),
            ("payment_method", frozen.method.clone()),
            ("payment_method_types[0]", method_type(payment).to_owned()),
            ("confirm", "true".to_owned()),
            ("off_session", "true".to_owned()),
            ("description", frozen.description.clone()),
            ("metadata[tenant_id]", payment.tenant_id.to_string()),
            ("metadata[invoice_id]", payment.invoice_id.to_string()),
            ("metadata[payment_id]", payment.id.to_string()),
        ];
        if let Some(account) = &frozen.destination {
            form.push(("transfer_data[destination]", account.clone()));
        }
        // Else Stripe takes the one that it knows of the method.
        form.extend(frozen.mandate.clone().filter(|_| is_debit(payment)).map(|mandate| ("mandate", mandate)));
        match self.create(secret, Movement::Payment(payment), &form, timeout).await {
            Ok(reply) => classify::create(&reply),
            Err(trouble) => Answer::of_trouble(trouble),
        }
    }

    /// Creates what a movement is at Stripe, under our id as idempotency key.
    async fn create(
        &self,
        secret: &StripeSecret,
        movement: Movement<'_>,
        form: &[(&str, String)],
        timeout: Duration,
    ) -> Result<Reply, Trouble> {
        let request = Request {
            verb: Verb::POST,
            path: &Self::path(movement),
            query: &[],
            form,
            key: Some(movement.id()),
            version: Self::version(movement),
            timeout,
        };
        self.send_request(secret, &request).await
    }

    async fn find_payment(
        &self,
        secret: &StripeSecret,
        payment: &Payment,
        until: Time,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Found {
        let from = payment.created_at.minus(bounds::LOOKUP_SKEW).seconds();
        let to = until.plus(bounds::LOOKUP_SKEW).seconds();
        let mut after: Option<String> = None;
        for _ in 0..bounds::LOOKUP_PAGES {
            let Some(timeout) = time() else { return Found::Unanswered(Trouble::Unreachable) };
            let mut query = vec![
                ("customer", payment.frozen.customer.clone()),
                ("created[gte]", from.to_string()),
                ("created[lte]", to.to_string()),
                ("limit", "100".to_owned()),
            ];
            query.extend(after.take().map(|last| ("starting_after", last)));
            let reply =
                match self.get(secret, "/v1/payment_intents", &query, &payment.frozen.api_version, timeout).await {
                    Ok(reply) => reply,
                    Err(trouble) => return Found::Unanswered(trouble),
                };
            let Some(page) = reply.object::<Page<Intent>>() else {
                return Found::Unanswered(classify::trouble(&reply));
            };
            if let Some(intent) =
                page.data.iter().find(|intent| intent.metadata.payment_id.as_deref() == Some(payment.id.as_str()))
            {
                return Found::Object(classify::intent(intent));
            }
            match page.data.last() {
                Some(last) if page.has_more => after = Some(last.id.clone()),
                _ => return Found::Nothing,
            }
        }
        // More pages than a customer's day should have: not seen is not the same as not there.
        Found::Unanswered(Trouble::Undecided)
    }

    async fn get(
        &self,
        secret: &StripeSecret,
        path: &str,
        query: &[(&str, String)],
        version: &str,
        timeout: Duration,
    ) -> Result<Reply, Trouble> {
        let request = Request { verb: Verb::GET, path, query, form: &[], key: None, version, timeout };
        self.send_request(secret, &request).await
    }
}

/// What a movement is at Stripe.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Intent,
    Transfer,
    Refund,
    Reversal,
}

impl Kind {
    fn of(movement: Movement<'_>) -> Self {
        match movement {
            Movement::Payment(payment) if payment.is_transfer() => Self::Transfer,
            Movement::Payment(_) => Self::Intent,
            Movement::Refund(refund) if transfer::is_one(&refund.frozen.payment) => Self::Reversal,
            Movement::Refund(_) => Self::Refund,
        }
    }
}

fn is_debit(payment: &Payment) -> bool {
    payment.payment_method == PaymentMethod::Ach
}

fn method_type(payment: &Payment) -> &'static str {
    if is_debit(payment) { "us_bank_account" } else { "card" }
}

/// Whether Stripe has no such object.
fn is_missing(reply: &Reply) -> bool {
    reply.status == 404 && reply.error().code.as_deref() == Some("resource_missing")
}
