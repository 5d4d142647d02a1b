//! The one place where it matters which gateway a payment goes through: what the keys at hand open is asked.

use std::time::Duration;

use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::gateway::plaid::{self, Leave};
use crate::gateway::{Answer, Found, Labels, Outcome, SeenDisputes, SeenRefund, Trouble, paypal, stripe};
use crate::model::invoice::Kind;
use crate::model::movement::Movement;
use crate::model::payment::{Direction, Failure, FailureCode, Gateway, Payment, PaymentMethod};
use crate::money::{Currency, Money};
use crate::policy::retry;
use crate::secrets::{BankAccess, Keys, PlaidSecret, SecretError, StripeSecret};

impl Keys {
    /// Sends a payment or a refund; `order`: the one at PayPal that an answer before this has told of; `unsent`: nothing
    /// of it has been sent so far, for certain. What Plaid gives first is leave to send.
    pub(super) async fn send(
        &self,
        app: &App,
        movement: Movement<'_>,
        order: Option<&str>,
        unsent: bool,
        timeout: Duration,
    ) -> Leave {
        Leave::Answer(match (self, movement) {
            (Self::Stripe(secret), Movement::Payment(payment)) if payment.is_transfer() && unsent => {
                transfer(app, secret, payment, timeout).await
            }
            (Self::Stripe(secret), _) => app.stripe.send(secret, movement, timeout).await,
            (Self::Paypal(secret), _) => app.paypal.send(secret, movement, order, timeout).await,
            (Self::Plaid(secret), Movement::Refund(refund)) => app.plaid.refund(secret, refund, timeout).await,
            (Self::Plaid(secret), Movement::Payment(payment)) => {
                return plaid_payment(app, secret, payment, timeout).await;
            }
        })
    }

    /// Looks a payment or a refund up. Moves no money.
    pub(super) async fn find(
        &self,
        app: &App,
        movement: Movement<'_>,
        order: Option<&str>,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Found {
        match self {
            Self::Stripe(secret) => {
                let until = retry::created_until(app.clock.now(), movement);
                app.stripe.find(secret, movement, until, time).await
            }
            Self::Paypal(secret) => app.paypal.find(secret, movement, order, time).await,
            Self::Plaid(secret) => match time() {
                Some(timeout) => app.plaid.find(secret, movement, timeout).await,
                None => Found::Unanswered(Trouble::Unreachable),
            },
        }
    }

    /// Reads one object.
    pub(super) async fn read(&self, app: &App, movement: Movement<'_>, reference: &str, timeout: Duration) -> Found {
        match self {
            Self::Stripe(secret) => app.stripe.read(secret, movement, reference, timeout).await,
            Self::Paypal(secret) => app.paypal.read(secret, movement, reference, timeout).await,
            Self::Plaid(secret) => app.plaid.read(secret, movement, reference, timeout).await,
        }
    }

    /// Cancels what a look-up has just shown. What counts is the answer.
    ///
    /// An order at PayPal can't be canceled, and need not be: it moves nothing before we capture it. As long as its
    /// payment waits for its customer we have not, and once it is given up nobody ever will.
    pub(super) async fn cancel(&self, app: &App, movement: Movement<'_>, shown: Answer, timeout: Duration) -> Found {
        let reference = shown.seen.as_ref().map(|seen| seen.reference.as_str());
        match (self, reference.or(movement.reference())) {
            (Self::Stripe(secret), Some(reference)) => app.stripe.cancel(secret, movement, reference, timeout).await,
            (Self::Paypal(secret), Some(reference)) => app.paypal.cancel(secret, movement, reference, timeout).await,
            (Self::Plaid(secret), Some(reference)) => app.plaid.cancel(secret, movement, reference, timeout).await,
            (Self::Paypal(_), None) if is_uncaptured(&shown) && may_be_given_up(app.clock.now(), movement) => {
                Found::Object(Answer { outcome: Outcome::Canceled, next_action: None, again: false, ..shown })
            }
            (_, None) => Found::Unanswered(Trouble::Undecided),
        }
    }

    /// The refunds of a payment, newest first; `order`: as above.
    pub(super) async fn refunds(
        &self,
        app: &App,
        payment: &str,
        order: Option<&str>,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Result<Vec<SeenRefund>, Trouble> {
        match self {
            Self::Stripe(secret) => app.stripe.refunds(secret, payment, time).await,
            Self::Paypal(secret) => app.paypal.refunds(secret, payment, order, time).await,
            Self::Plaid(secret) => app.plaid.refunds(secret, payment, time().ok_or(Trouble::Unreachable)?).await,
        }
    }

    /// How the disputes of a payment stand; `order`: as above.
    pub(super) async fn disputes(
        &self,
        app: &App,
        payment: &str,
        order: Option<&str>,
        money: Money,
        time: &(impl Fn() -> Option<Duration> + Sync),
    ) -> Result<SeenDisputes, Trouble> {
        match self {
            Self::Stripe(secret) => app.stripe.disputes(secret, payment, money, time).await,
            Self::Paypal(secret) => app.paypal.disputes(secret, payment, order, money, time).await,
            // Banks return, and don't dispute.
            Self::Plaid(_) => Err(Trouble::Undecided),
        }
    }

    /// What the payment there carries.
    pub(super) async fn labels(&self, app: &App, payment: &str, timeout: Duration) -> Result<Option<Labels>, Trouble> {
        match self {
            Self::Stripe(secret) => app.stripe.labels(secret, payment, timeout).await,
            Self::Paypal(secret) => app.paypal.labels(secret, payment, timeout).await,
            Self::Plaid(secret) => app.plaid.labels(secret, payment, timeout).await,
        }
    }
}

/// A transfer from the tenant's balance at Stripe, which is looked at before. What was asked for once may have taken
/// from it since: then it is no use looking.
async fn transfer(app: &App, secret: &StripeSecret, payment: &Payment, timeout: Duration) -> Answer {
    let began = app.clock.now();
    let available = app.stripe.available(secret, payment.currency, timeout).await;
    match covered(app, payment, available, began, timeout) {
        Ok(rest) => app.stripe.send(secret, Movement::Payment(payment), rest).await,
        Err(answer) => *answer,
    }
}

/// A transfer at Plaid: under the authorization that is in the books, else the leave for one. A credit is paid from the
/// ledger, which is looked at before.
async fn plaid_payment(app: &App, secret: &PlaidSecret, payment: &Payment, timeout: Duration) -> Leave {
    let began = app.clock.now();
    let access = match bank(app, payment).await {
        Ok(access) => access,
        Err(answer) => return Leave::Answer(*answer),
    };
    let timeout = match in_time(app, began, timeout) {
        Ok(rest) => rest,
        Err(answer) => return Leave::Answer(*answer),
    };
    if let Some(authorization) = &payment.authorization {
        return Leave::Answer(app.plaid.transfer(secret, &access, payment, &authorization.id, timeout).await);
    }
    let frozen = payment.frozen.transfer.as_ref().filter(|transfer| transfer.direction == Direction::Credit);
    let mut rest = timeout;
    if let Some(credit) = frozen {
        let began = app.clock.now();
        let available = app.plaid.available(secret, credit.ledger_id.as_deref(), timeout).await;
        match covered(app, payment, available, began, timeout) {
            Ok(left) => rest = left,
            Err(answer) => return Leave::Answer(*answer),
        }
    }
    app.plaid.authorize(secret, &access, payment, rest).await
}

/// The time that is left to send what the balance covers; else why nothing was sent.
fn covered(
    app: &App,
    payment: &Payment,
    available: Result<i64, Trouble>,
    began: Time,
    timeout: Duration,
) -> Result<Duration, Box<Answer>> {
    match available {
        Ok(available) if available >= payment.amount => in_time(app, began, timeout),
        Ok(_) => {
            let failure = Failure::new(FailureCode::InsufficientFunds, Some("balance_insufficient".to_owned()));
            Err(Box::new(Answer::without_object(Outcome::Declined(failure), false)))
        }
        Err(trouble) => Err(Box::new(Answer { outcome: Outcome::NotSent(trouble), ..Answer::of_trouble(trouble) })),
    }
}

/// What is left of the time for a send; too little is not begun with.
fn in_time(app: &App, began: Time, timeout: Duration) -> Result<Duration, Box<Answer>> {
    let rest = timeout.saturating_sub(app.clock.now().since(began));
    if rest >= bounds::GATEWAY_TIMEOUT_MIN.min(timeout) {
        return Ok(rest);
    }
    Err(Box::new(Answer::without_object(Outcome::NotSent(Trouble::Unreachable), true)))
}

/// What opens the bank account that takes part in a payment; else why nothing was sent.
async fn bank(app: &App, payment: &Payment) -> Result<std::sync::Arc<BankAccess>, Box<Answer>> {
    let refused = |outcome, again| Box::new(Answer::without_object(outcome, again));
    let Some(method) = &payment.payment_method_id else {
        return Err(refused(Outcome::NotSent(Trouble::Rejected), false));
    };
    app.secrets.bank(&payment.tenant_id, method).await.map_err(|error| match error {
        // The link to the bank is lost, and only its owner can make another.
        SecretError::Missing(_) | SecretError::Malformed(_) if payment.authorization.is_none() => {
            let failure = Failure::new(FailureCode::PaymentMethodInvalid, Some("access_token_missing".to_owned()));
            refused(Outcome::Declined(failure), false)
        }
        SecretError::Unavailable { .. } => refused(Outcome::NotSent(Trouble::Unreachable), true),
        _ => refused(Outcome::NotSent(Trouble::KeyRefused), false),
    })
}

/// Whether all that is there is an order without a capture.
fn is_uncaptured(shown: &Answer) -> bool {
    let is_open = matches!(shown.outcome, Outcome::RequiresAction | Outcome::Unknown(Trouble::Undecided));
    shown.begun.is_some() && shown.seen.is_none() && is_open
}

/// Whether nothing moves it any more once we say so: what waits for its customer at PayPal is captured by us alone, and
/// a capture is begun by a write that ends the waiting.
pub(super) fn may_be_given_up(now: Time, movement: Movement<'_>) -> bool {
    movement.gateway() == Gateway::Paypal
        && movement.waits_for_customer()
        && movement.reference().is_none()
        && retry::failure_is_final(now, movement.progress().send_until)
}

/// What the gateway says against the amount of a payment of such an invoice.
pub(super) fn amount_refusal(by: PaymentMethod, gateway: Gateway, kind: Kind, money: Money) -> Option<String> {
    let is_dollars = money.currency == Currency::USD;
    match (gateway, kind) {
        _ if by == PaymentMethod::Ach && !is_dollars => {
            Some(format!("Bank payments in the US are in USD, not {}.", money.currency))
        }
        (Gateway::Plaid, _) => plaid::amount::to_wire(money).err().map(|error| format!("{error}.")),
        (Gateway::Stripe, _) => stripe::amount::to_wire(money).err().map(|error| format!("{error}.")),
        (Gateway::Paypal, Kind::Receivable) => paypal::amount::to_wire(money).err().map(|error| format!("{error}.")),
        (Gateway::Paypal, Kind::Payable) => {
            paypal::amount::payout_to_wire(money).err().map(|error| format!("{error}."))
        }
    }
}

/// What the gateway says against the amount of a refund.
pub(super) fn refund_refusal(gateway: Gateway, money: Money) -> Option<String> {
    match gateway {
        Gateway::Stripe => stripe::amount::refund_to_wire(money).err().map(|error| format!("{error}.")),
        // Only what customers have paid is refunded.
        Gateway::Paypal => paypal::amount::to_wire(money).err().map(|error| format!("{error}.")),
        Gateway::Plaid => plaid::amount::to_wire(money).err().map(|error| format!("{error}.")),
    }
}

/// The version of the gateway's API that requests are written for.
pub(super) const fn api_version(gateway: Gateway) -> &'static str {
    match gateway {
        Gateway::Stripe => stripe::API_VERSION,
        Gateway::Paypal => paypal::API_VERSION,
        Gateway::Plaid => plaid::API_VERSION,
    }
}

/// When to look again at what the gateway has and is not done with. A payout is done in minutes, or waits for whom it
/// is for; banks take days.
pub(super) fn pending_check(now: Time, movement: Movement<'_>) -> Time {
    if movement.is_payout() { retry::next_check(now, movement.progress().checks) } else { now.plus(bounds::DAILY) }
}
