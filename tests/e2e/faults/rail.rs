//! The rails that money goes by, for plays that are the same over each of them: how the tenant is set up for one, what
//! a payment by it is asked for, and what happens at its gateway.

use fastrand::Rng;
use local::client::Answer;
use local::paypal::fault as paypal_fault;
use local::paypal::fault::Kind;
use local::paypal::{CapturesBecome, ItemStatus, PayoutsBecome, RefundStatus as PaypalRefund};
use local::paypal::{PayPal, RefundsBecome as PaypalRefunds};
use local::stripe::{RefundsBecome, fault as stripe_fault};
use serde_json::{Value, json};
use shared::model::payment::{Payment, PaymentStatus};
use shared::model::refund::RefundStatus;

use super::ledger::{State, charges, given_back};
use super::wire::Fault;
use crate::paypal::{CLIENT, SECRET, WEBHOOK};
use crate::world::{ACCOUNT, TENANT, WEBHOOK_SECRET, World};

/// A rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rail {
    /// The tenant's card at Stripe.
    Stripe,
    /// An order at PayPal, paid with what a customer has left there.
    PaypalOrder,
    /// A payout to a vendor's PayPal account.
    PaypalPayout,
}

/// An account that is not the tenant's.
pub const OTHER: &str = "acct_other";

/// All of them.
pub const RAILS: [Rail; 3] = [Rail::Stripe, Rail::PaypalOrder, Rail::PaypalPayout];

/// Stripe's methods, by what comes of them; the first works.
const CARDS: [&str; 5] = [
    "pm_card_visa",
    "pm_card_visa_chargeDeclinedInsufficientFunds",
    "pm_card_visa_chargeDeclinedStolenCard",
    "pm_card_authenticationRequired",
    "pm_card_chargeDeclinedExpiredCard",
];
/// The same at PayPal.
const VAULTED: [&str; 5] =
    ["paypal_ok", "card_5120", "paypal_TRANSACTION_REFUSED", "paypal_PAYER_ACTION_REQUIRED", "paypal_pending"];
/// Vendors, by what becomes of what they are paid.
const RECEIVERS: [&str; 5] = ["vendor", "failed", "denied", "unregistered", "onhold"];

impl Rail {
    /// Whether its gateway is PayPal.
    pub const fn is_paypal(self) -> bool {
        matches!(self, Self::PaypalOrder | Self::PaypalPayout)
    }

    /// Its name in paths and bodies.
    pub const fn gateway(self) -> &'static str {
        if self.is_paypal() { "paypal" } else { "stripe" }
    }

    /// Calls of a cold sandbox to the gateway before its first send: a token.
    pub const fn calls_before_send(self) -> u32 {
        if self.is_paypal() { 1 } else { 0 }
    }

    /// Whether what was sent can be refunded.
    pub const fn refunds(self) -> bool {
        !matches!(self, Self::PaypalPayout)
    }

    /// Whether recovery may send it again when its fence has passed.
    pub const fn is_sent_again(self) -> bool {
        !matches!(self, Self::PaypalPayout)
    }

    /// Gives the tenant what it needs beside Stripe.
    pub async fn set_up(self, world: &World) {
        if self.is_paypal() {
            world.paypal_account().await;
        }
    }

    /// Where its simulator is.
    pub fn url(self, world: &World) -> &str {
        if self.is_paypal() { &world.stack.urls.paypal } else { &world.stack.urls.stripe }
    }

    /// Methods of whoever pays, the first of which works; `None`: none is needed.
    pub async fn methods(self, world: &World) -> Vec<Option<String>> {
        let mut methods = Vec::new();
        match self {
            Self::Stripe => {
                for reference in CARDS {
                    methods.push(Some(world.method(reference, json!({})).await));
                }
            }
            Self::PaypalOrder => {
                for reference in VAULTED {
                    let of = json!({ "gateway": "paypal", "customer_id": "globex" });
                    methods.push(Some(world.method(reference, of).await));
                }
            }
            Self::PaypalPayout => methods.resize(RECEIVERS.len(), None),
        }
        methods
    }

    /// An approved invoice that it can pay; to a vendor of this kind, 0: one who can be paid.
    pub async fn invoice(self, world: &World, vendor: usize) -> String {
        world.approved(self.entered(vendor)).await
    }

    fn entered(self, vendor: usize) -> Value {
        match self {
            Self::Stripe => json!({}),
            Self::PaypalOrder => {
                json!({ "kind": "receivable", "counterparty": { "name": "Globex Corporation", "customer_id": "globex" } })
            }
            Self::PaypalPayout => {
                let email = format!("{}@example.com", RECEIVERS[vendor]);
                json!({ "counterparty": { "name": "Office Supplies Ltd", "paypal_email": email } })
            }
        }
    }

    /// The body of a request to pay.
    pub fn order(self, invoice: &str, method: Option<&str>) -> Value {
        let mut body = json!({ "invoice_id": invoice, "payment_method": self.gateway() });
        if let Some(method) = method {
            body["payment_method_id"] = json!(method);
        }
        body
    }

    /// What was charged for an invoice and has not come back, by the gateway's books.
    pub async fn charged(self, world: &World, invoice: &str) -> Vec<i64> {
        let items = world.items("PAYMENTS_TABLE", "tenant_id", TENANT).await;
        let is_of = |payment: &str| {
            items.iter().any(|item| {
                item["id"].as_s().is_ok_and(|id| id == payment)
                    && item["invoice_id"].as_s().is_ok_and(|id| id == invoice)
            })
        };
        let charges = charges(world).into_iter();
        charges.filter(|one| one.state == State::Moved && is_of(&one.payment)).map(|one| one.amount).collect()
    }

    /// How often the gateway was asked to make a payment.
    pub fn sends(self, world: &World) -> usize {
        let (stripe, paypal) = (&world.stack.stripe, &world.stack.paypal);
        let is_send = |method: &str, path: &str| {
            method == "POST" && ["/v1/payment_intents", "/v2/checkout/orders", "/v1/payments/payouts"].contains(&path)
        };
        stripe.requests().iter().filter(|one| is_send(&one.method, &one.path)).count()
            + paypal.requests().iter().filter(|one| is_send(&one.method, &one.path)).count()
    }

    /// The secret of the tenant's account, or of another one.
    pub fn secret(self, world: &World, own: bool) {
        if self.is_paypal() {
            // PayPal does not know the other one: payouts need nothing that belongs to an account, and could be made there.
            let (client, secret) = if own { (CLIENT, SECRET) } else { (OTHER, "secret_CANARY_other") };
            let webhook = if own { WEBHOOK } else { "" };
            let secret = json!({ "client_id": client, "client_secret": secret, "webhook_id": webhook });
            return world.stack.secrets.put("passerelle/acme/paypal", &secret).unwrap();
        }
        let (account, key) = if own { (ACCOUNT, "sk_test_CANARY_acme") } else { (OTHER, "sk_test_CANARY_other") };
        world.stack.stripe.add_account(account, key);
        let webhooks = if own { vec![WEBHOOK_SECRET] } else { Vec::new() };
        let secret = json!({ "account": account, "secret_key": key, "webhook_secrets": webhooks });
        world.stack.secrets.put("passerelle/acme/stripe", &secret).unwrap();
    }

    /// From now on the other account can be asked.
    pub fn open_other_account(self, world: &World) {
        world.stack.paypal.add_account(OTHER, OTHER, "secret_CANARY_other");
    }

    /// Whether anything was moved in the other account.
    pub fn other_account_moved(self, world: &World) -> bool {
        let books = world.stack.paypal.books(OTHER);
        !world.stack.stripe.books(OTHER).is_empty() || !books.captures.is_empty() || !books.items.is_empty()
    }

    /// The gateway's events so far, oldest first.
    pub fn events(self, world: &World) -> Vec<Value> {
        if self.is_paypal() { world.stack.paypal.events(CLIENT) } else { world.stack.stripe.events(ACCOUNT) }
    }

    /// Delivers an event to the tenant's endpoint over HTTP; the status that it is answered with.
    pub async fn tell(self, world: &World, event: &Value) -> u16 {
        if self.is_paypal() { world.paypal_tells(event).await.status } else { world.deliver(event).await.status }
    }

    /// Pays an invoice, and no answer of the gateway's arrives.
    pub async fn pay_unheard(self, world: &World, invoice: &str) -> Answer {
        let (stripe, paypal) = (&world.stack.stripe, &world.stack.paypal);
        stripe.set_processing(true);
        stripe.add_fault(stripe_fault::Fault::pay(Kind::ReplyLost).times(3));
        stripe.add_fault(stripe_fault::Fault::look_up(Kind::Status(503, json!({}))).times(100));
        paypal.set_captures(CapturesBecome::Pending);
        paypal.set_payouts(PayoutsBecome::Pending);
        paypal.add_fault(paypal_fault::Fault::order(Kind::ReplyLost).times(3));
        paypal.add_fault(paypal_fault::Fault::payout(Kind::ReplyLost).times(3));
        let answer = world.pay(invoice, self.order(invoice, None)).await;
        stripe.clear_faults();
        paypal.clear_faults();
        answer
    }

    /// A payment's life: it is executed, refunded in part with one refund that fails, and disputed without success; or a
    /// vendor gets it and sends it back.
    pub fn live(self, world: &World) {
        let (stripe, paypal) = (&world.stack.stripe, &world.stack.paypal);
        let id = charges(world).remove(0).id;
        match self {
            Self::Stripe => {
                stripe.finish_processing(&id, true);
                stripe.refund_in_dashboard(&id, Some(100)).unwrap();
                let came_back = stripe.refund_in_dashboard(&id, Some(200)).unwrap();
                stripe.finish_refund(&came_back, false);
                let dispute = stripe.open_dispute(&id, "general").unwrap();
                stripe.close_dispute(&dispute, true);
            }
            Self::PaypalOrder => {
                paypal.finish_capture(&id, true);
                paypal.refund_in_dashboard(&id, Some(100)).unwrap();
                paypal.set_refunds(PaypalRefunds::Pending);
                let came_back = paypal.refund_in_dashboard(&id, Some(200)).unwrap();
                paypal.finish_refund(&came_back, PaypalRefund::Failed);
                let dispute = paypal.open_dispute(&id, "UNAUTHORISED").unwrap();
                paypal.resolve_dispute(&dispute, true);
            }
            Self::PaypalPayout => {
                paypal.finish_payouts();
                paypal.move_payout_item(&id, ItemStatus::Refunded, None);
            }
        }
    }

    /// The headers with which the gateway delivers an event now.
    pub fn sign(self, world: &World, body: &[u8]) -> Vec<(&'static str, String)> {
        if self.is_paypal() {
            return world.stack.paypal.sign(WEBHOOK, world.clock.now(), body);
        }
        vec![("stripe-signature", local::stripe::sign(WEBHOOK_SECRET, world.clock.now(), body))]
    }

    /// The customers of payments that wait for them act, or refuse.
    pub fn customers_act(self, world: &World, payments: &[Payment], agree: bool) {
        let waits = |payment: &&Payment| payment.status == PaymentStatus::RequiresAction;
        for payment in payments.iter().filter(waits) {
            if let (Self::Stripe, Some(reference)) = (self, payment.reference()) {
                world.stack.stripe.authenticate(reference, agree);
            }
        }
    }

    /// Something happens to what was paid, outside of us: in the gateway's dashboard, at the payer's bank, at the
    /// vendor's.
    pub fn meddle(self, world: &World, random: &mut Rng) {
        let moved = charges(world).into_iter().filter(|one| one.state == State::Moved).map(|one| one.id);
        let Some(charge) = random.choice(moved.collect::<Vec<_>>()) else { return };
        let part = random.bool().then_some(12_500);
        let what = random.u32(0..6);
        match self {
            Self::Stripe => stripe(world, random, &charge, part, what),
            Self::PaypalOrder => paypal(&world.stack.paypal, random, &charge, part, what),
            Self::PaypalPayout => {
                // PayPal has no event for what it pulls back by itself.
                if what < 2 {
                    world.stack.paypal.move_payout_item(&charge, ItemStatus::Refunded, None);
                }
            }
        }
    }

    /// What is open at the gateway comes to its end there, and so will what is begun from now on.
    pub fn finish(self, world: &World, random: &mut Rng) {
        world.stack.stripe.set_refunds(RefundsBecome::Succeeded);
        world.stack.paypal.set_refunds(PaypalRefunds::Completed);
        world.stack.paypal.set_captures(CapturesBecome::Completed);
        world.stack.paypal.set_payouts(PayoutsBecome::DoneAtOnce);
        for refund in given_back(world).into_iter().filter(|one| one.status == RefundStatus::Processing) {
            let succeeds = random.bool();
            if self.is_paypal() {
                let status = if succeeds { PaypalRefund::Completed } else { PaypalRefund::Failed };
                world.stack.paypal.finish_refund(&refund.id, status);
            } else {
                world.stack.stripe.finish_refund(&refund.id, succeeds);
            }
        }
        let paypal = &world.stack.paypal;
        paypal.finish_payouts();
        for charge in charges(world).into_iter().filter(|one| one.state == State::Open) {
            let ends = [ItemStatus::Success, ItemStatus::Returned][random.usize(0..2)];
            if self.is_paypal() && !paypal.finish_capture(&charge.id, random.bool()) {
                paypal.move_payout_item(&charge.id, ends, None);
            }
        }
    }

    /// How payments and payouts end from now on, where that differs from day to day.
    pub fn moods(self, world: &World, random: &mut Rng) {
        let payouts = [PayoutsBecome::DoneAtOnce, PayoutsBecome::DoneSoon, PayoutsBecome::Pending];
        world.stack.paypal.set_payouts(payouts[random.usize(0..payouts.len())]);
        let captures = if random.bool() { CapturesBecome::Completed } else { CapturesBecome::Pending };
        world.stack.paypal.set_captures(captures);
    }

    /// Refusals of a send that say nothing about the money that an earlier one may have moved.
    pub fn refusals(self) -> Vec<(&'static str, Fault)> {
        let words: &[(&str, u16, &str, &str)] = if self.is_paypal() {
            &[
                ("400", 400, "INVALID_REQUEST", "INVALID_PARAMETER_SYNTAX"),
                ("401", 401, "AUTHENTICATION_FAILURE", ""),
                ("403", 403, "NOT_AUTHORIZED", "PERMISSION_DENIED"),
                ("404", 404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"),
                ("409", 409, "RESOURCE_CONFLICT", "PREVIOUS_REQUEST_IN_PROGRESS"),
                ("429", 429, "RATE_LIMIT_REACHED", ""),
                ("503", 503, "SERVICE_UNAVAILABLE", ""),
            ]
        } else {
            &[
                ("400", 400, "invalid_request_error", "parameter_missing"),
                ("401", 401, "invalid_request_error", "api_key_expired"),
                ("403", 403, "invalid_request_error", "more_permissions_required"),
                ("404", 404, "invalid_request_error", "resource_missing"),
                ("409", 409, "invalid_request_error", "idempotency_key_in_use"),
                ("429", 429, "invalid_request_error", "rate_limit"),
                ("429 lock", 429, "invalid_request_error", "lock_timeout"),
                ("idempotency_error", 400, "idempotency_error", "idempotency_error"),
                ("503", 503, "api_error", ""),
            ]
        };
        let refusals = words.iter().map(|(what, status, name, code)| {
            let body = if self.is_paypal() {
                json!({ "name": name, "message": "injected", "debug_id": "f1",
                        "details": if code.is_empty() { json!([]) } else { json!([{ "issue": code }]) } })
            } else {
                json!({ "error": { "type": name, "code": code, "message": "injected" } })
            };
            (*what, Fault::Answer(*status, body))
        });
        let broken = [
            ("500", Fault::ErrorBefore),
            ("no json", Fault::Answer(400, Value::Null)),
            ("connection lost", Fault::NothingReached),
            ("time-out", Fault::TimedOut),
        ];
        refusals.chain(broken).collect()
    }
}

fn stripe(world: &World, random: &mut Rng, charge: &str, part: Option<i64>, what: u32) {
    let stripe = &world.stack.stripe;
    match what {
        0 | 1 => drop(stripe.refund_in_dashboard(charge, part)),
        2 => drop(stripe.open_dispute(charge, "general")),
        3 => {
            if let Some((dispute, _, _)) = random.choice(stripe.disputes(ACCOUNT)) {
                stripe.close_dispute(&dispute, random.bool());
            }
        }
        4 => {
            let refunds = [RefundsBecome::Succeeded, RefundsBecome::Pending, RefundsBecome::RequiresAction];
            stripe.set_refunds(refunds[random.usize(0..3)]);
        }
        _ => {
            if let Some(refund) = random.choice(stripe.refunds(ACCOUNT)) {
                stripe.finish_refund(&refund.id, random.bool());
            }
        }
    }
}

fn paypal(paypal: &PayPal, random: &mut Rng, charge: &str, part: Option<i64>, what: u32) {
    match what {
        0 | 1 => drop(paypal.refund_in_dashboard(charge, part)),
        2 if random.bool() => drop(paypal.reverse_capture(charge)),
        2 => drop(paypal.open_dispute(charge, "UNAUTHORISED")),
        3 => {
            if let Some((dispute, _, _)) = random.choice(paypal.disputes(CLIENT)) {
                paypal.resolve_dispute(&dispute, random.bool());
            }
        }
        4 => {
            let refunds = [PaypalRefunds::Completed, PaypalRefunds::Pending, PaypalRefunds::Failed];
            paypal.set_refunds(refunds[random.usize(0..3)]);
        }
        _ => {
            if let Some(refund) = random.choice(paypal.books(CLIENT).refunds) {
                let ends = if random.bool() { PaypalRefund::Completed } else { PaypalRefund::Failed };
                paypal.finish_refund(&refund.id, ends);
            }
        }
    }
}
