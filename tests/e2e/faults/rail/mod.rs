//! The rails that money goes by, for plays that are the same over each of them: how the tenant is set up for one, what
//! a payment by it is asked for, and what happens at its gateway.
//!
//! What differs by gateway is in `stripe`, `paypal` and `plaid`.

mod paypal;
mod plaid;
mod stripe;

pub use self::plaid::words_of;

use fastrand::Rng;
use local::client::Answer;
use serde_json::{Value, json};
use shared::model::payment::{Gateway, Payment};

use super::ledger::{State, charges};
use super::wire::Fault;
use crate::world::{TENANT, World};

/// A rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rail {
    /// The tenant's card at Stripe.
    Stripe,
    /// A customer's bank account, debited by Stripe.
    StripeDebit,
    /// A transfer of the balance at Stripe to a vendor's connected account.
    StripeTransfer,
    /// An order at PayPal, paid with what a customer has left there.
    PaypalOrder,
    /// A payout to a vendor's PayPal account.
    PaypalPayout,
    /// A customer's bank account, debited by Plaid.
    PlaidDebit,
    /// A vendor's bank account, paid into by Plaid.
    PlaidCredit,
}

/// An account that is not the tenant's.
pub const OTHER: &str = "acct_other";

/// All of them.
pub const RAILS: [Rail; 7] = [
    Rail::Stripe,
    Rail::StripeDebit,
    Rail::StripeTransfer,
    Rail::PaypalOrder,
    Rail::PaypalPayout,
    Rail::PlaidDebit,
    Rail::PlaidCredit,
];

/// Vendors, or methods of whoever pays, of each rail: the first works, the second is refused.
const KINDS: usize = 5;

impl Rail {
    /// Who moves its money.
    pub const fn gateway(self) -> Gateway {
        match self {
            Self::Stripe | Self::StripeDebit | Self::StripeTransfer => Gateway::Stripe,
            Self::PaypalOrder | Self::PaypalPayout => Gateway::Paypal,
            Self::PlaidDebit | Self::PlaidCredit => Gateway::Plaid,
        }
    }

    /// Whether its gateway is PayPal, where the same send once more is the look-up.
    pub const fn is_paypal(self) -> bool {
        matches!(self, Self::PaypalOrder | Self::PaypalPayout)
    }

    /// Its name in bodies.
    pub const fn payment_method(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::PaypalOrder | Self::PaypalPayout => "paypal",
            Self::StripeDebit | Self::StripeTransfer | Self::PlaidDebit | Self::PlaidCredit => "ach",
        }
    }

    /// Calls of a cold sandbox to the gateway before its first send: a token, what a balance covers, leave.
    pub const fn calls_before_send(self) -> u32 {
        match self {
            Self::Stripe | Self::StripeDebit => 0,
            Self::StripeTransfer | Self::PaypalOrder | Self::PaypalPayout | Self::PlaidDebit => 1,
            Self::PlaidCredit => 2,
        }
    }

    /// Whether what was sent can be refunded.
    pub const fn refunds(self) -> bool {
        !matches!(self, Self::PaypalPayout | Self::PlaidCredit)
    }

    /// Whether recovery may send it again when its fence has passed.
    pub const fn is_sent_again(self) -> bool {
        !matches!(self, Self::PaypalPayout)
    }

    /// Whether it is under way for days, until a bank has answered.
    pub const fn waits_for_bank(self) -> bool {
        matches!(self, Self::StripeDebit | Self::PlaidDebit | Self::PlaidCredit)
    }

    /// Whether what becomes of it is not known at once.
    pub const fn is_late(self) -> bool {
        self.waits_for_bank() || matches!(self, Self::PaypalPayout)
    }

    /// Gives the tenant what it needs beside Stripe.
    pub async fn set_up(self, world: &World) {
        match self {
            Self::Stripe => {}
            Self::StripeDebit | Self::StripeTransfer => world.stripe_ach().await,
            Self::PaypalOrder | Self::PaypalPayout => world.paypal_account().await,
            Self::PlaidDebit | Self::PlaidCredit => world.plaid_account().await,
        }
    }

    /// The tenant's settings of its gateways; `own_retries`: debits are presented again by us at Stripe too.
    pub fn settings(self, own_retries: bool) -> Value {
        let provider = if self.gateway() == Gateway::Plaid { "plaid" } else { "stripe" };
        let ach = json!({ "enabled": self.payment_method() == "ach", "provider": provider, "own_retries": own_retries,
                          "plaid": { "ach_class": "ccd" } });
        json!({ "stripe": { "enabled": true }, "paypal": { "enabled": self.is_paypal() }, "ach": ach })
    }

    /// Where its simulator is.
    pub fn url(self, world: &World) -> &str {
        let urls = &world.stack.urls;
        match self.gateway() {
            Gateway::Stripe => &urls.stripe,
            Gateway::Paypal => &urls.paypal,
            Gateway::Plaid => &urls.plaid,
        }
    }

    /// Methods of whoever pays, the first of which works; `None`: none is needed.
    pub async fn methods(self, world: &World) -> Vec<Option<String>> {
        match self {
            Self::Stripe => stripe::cards(world).await,
            Self::StripeDebit => stripe::banks(world).await,
            Self::PaypalOrder => paypal::vaulted(world).await,
            Self::PlaidDebit => plaid::customers(world).await,
            Self::StripeTransfer | Self::PaypalPayout | Self::PlaidCredit => vec![None; KINDS],
        }
    }

    /// An approved invoice that it can pay; to a vendor of this kind, 0: one who can be paid.
    pub async fn invoice(self, world: &World, vendor: usize) -> String {
        let entered = match self {
            Self::Stripe => json!({}),
            Self::StripeDebit | Self::PaypalOrder | Self::PlaidDebit => {
                json!({ "kind": "receivable", "counterparty": { "name": "Globex Corporation", "customer_id": "globex" } })
            }
            Self::StripeTransfer => stripe::to_vendor(vendor),
            Self::PaypalPayout => paypal::to_vendor(vendor),
            Self::PlaidCredit => plaid::to_vendor(world, vendor).await,
        };
        world.approved(entered).await
    }

    /// The body of a request to pay.
    pub fn order(self, invoice: &str, method: Option<&str>) -> Value {
        let mut body = json!({ "invoice_id": invoice, "payment_method": self.payment_method() });
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
        let stack = &world.stack;
        let asked = |path: &str| match self.gateway() {
            Gateway::Stripe => {
                stack.stripe.requests().iter().filter(|one| one.method == "POST" && one.path == path).count()
            }
            Gateway::Paypal => {
                stack.paypal.requests().iter().filter(|one| one.method == "POST" && one.path == path).count()
            }
            Gateway::Plaid => stack.plaid.requests().iter().filter(|one| one.path == path).count(),
        };
        asked(match self {
            Self::Stripe | Self::StripeDebit => "/v1/payment_intents",
            Self::StripeTransfer => "/v1/transfers",
            Self::PaypalOrder => "/v2/checkout/orders",
            Self::PaypalPayout => "/v1/payments/payouts",
            Self::PlaidDebit | Self::PlaidCredit => "/transfer/create",
        })
    }

    /// The secret of the tenant's account, or of another one.
    pub fn secret(self, world: &World, own: bool) {
        match self.gateway() {
            Gateway::Stripe => stripe::secret(world, own),
            Gateway::Paypal => paypal::secret(world, own),
            Gateway::Plaid => plaid::secret(world, own),
        }
    }

    /// From now on the other account can be asked.
    pub fn open_other_account(self, world: &World) {
        world.stack.paypal.add_account(OTHER, OTHER, "secret_CANARY_other");
        world.stack.plaid.add_client(OTHER, "secret_CANARY_other");
    }

    /// Whether anything was moved in the other account.
    pub fn other_account_moved(self, world: &World) -> bool {
        stripe::other_account_moved(world)
            || paypal::other_account_moved(world)
            || !world.stack.plaid.books(OTHER).is_empty()
    }

    /// What the gateway has delivered so far, oldest first.
    pub fn events(self, world: &World) -> Vec<Value> {
        match self.gateway() {
            Gateway::Stripe => world.stack.stripe.events(crate::world::ACCOUNT),
            Gateway::Paypal => world.stack.paypal.events(crate::paypal::CLIENT),
            Gateway::Plaid => plaid::webhooks(world),
        }
    }

    /// Delivers an event to the tenant's endpoint over HTTP; the status that it is answered with.
    pub async fn tell(self, world: &World, event: &Value) -> u16 {
        let answer = match self.gateway() {
            Gateway::Stripe => world.deliver(event).await,
            Gateway::Paypal => world.paypal_tells(event).await,
            Gateway::Plaid => world.plaid_tells().await,
        };
        answer.status
    }

    /// From now on three sends of a payment have their effect, and nothing is heard of them nor of what is looked up;
    /// or from now on all is heard.
    pub fn mute(self, world: &World, on: bool) {
        match self.gateway() {
            Gateway::Stripe => stripe::mute(&world.stack.stripe, on),
            Gateway::Paypal => paypal::mute(&world.stack.paypal, on),
            Gateway::Plaid => plaid::mute(&world.stack.plaid, on),
        }
    }

    /// From now on three sends of a payment do not arrive, and look-ups are not answered; or from now on all is.
    pub fn cut_off(self, world: &World, on: bool) {
        match self.gateway() {
            Gateway::Stripe => stripe::cut_off(&world.stack.stripe, on),
            Gateway::Paypal => paypal::cut_off(&world.stack.paypal, on),
            Gateway::Plaid => plaid::cut_off(&world.stack.plaid, on),
        }
    }

    /// Pays an invoice, and no answer of the gateway's arrives.
    pub async fn pay_unheard(self, world: &World, invoice: &str) -> Answer {
        self.mute(world, true);
        let answer = world.pay(invoice, self.order(invoice, None)).await;
        self.mute(world, false);
        answer
    }

    /// A payment's life: it is executed, refunded in part with one refund that fails, and disputed without success; or a
    /// vendor gets it and sends it back.
    pub fn live(self, world: &World) {
        let id = charges(world).remove(0).id;
        match self.gateway() {
            Gateway::Stripe => stripe::live(self, &world.stack.stripe, &id),
            Gateway::Paypal => paypal::live(self, &world.stack.paypal, &id),
            Gateway::Plaid => plaid::live(self, &world.stack.plaid, &id),
        }
    }

    /// How its payment is shown at the end of that life: status, what is refunded and what may be, whether it is disputed;
    /// and how many refunds and disputes its trail tells of.
    pub fn lived(self) -> (Value, usize, usize) {
        match self {
            Self::Stripe | Self::PaypalOrder => (json!(["partially_refunded", 100, 49_900, false]), 2, 1),
            Self::StripeDebit | Self::PlaidDebit => (json!(["partially_refunded", 100, 49_900, false]), 2, 0),
            Self::StripeTransfer => (json!(["partially_refunded", 100, 49_900, false]), 1, 0),
            Self::PaypalPayout => (json!(["returned", 0, 0, false]), 0, 0),
            // Plaid shows a transfer as it is now: that it was settled before it came back, nobody has seen.
            Self::PlaidCredit => (json!(["failed", 0, 0, false]), 0, 0),
        }
    }

    /// The headers with which the gateway delivers an event now.
    pub fn sign(self, world: &World, body: &[u8]) -> Vec<(&'static str, String)> {
        match self.gateway() {
            Gateway::Stripe => stripe::sign(world, body),
            Gateway::Paypal => world.stack.paypal.sign(crate::paypal::WEBHOOK, world.clock.now(), body),
            Gateway::Plaid => vec![("plaid-verification", world.stack.plaid.sign(world.clock.now(), body))],
        }
    }

    /// The customers of payments that wait for them act, or refuse.
    pub fn customers_act(self, world: &World, payments: &[Payment], agree: bool) {
        if self == Self::Stripe {
            stripe::customers_act(&world.stack.stripe, payments, agree);
        }
    }

    /// Something happens to what was paid, or is to be, outside of us: in the gateway's dashboard, at the payer's bank, at
    /// the vendor's.
    pub fn meddle(self, world: &World, random: &mut Rng) {
        match self.gateway() {
            Gateway::Stripe => stripe::meddle(self, world, random),
            Gateway::Paypal => paypal::meddle(self, world, random),
            Gateway::Plaid => plaid::meddle(self, world, random),
        }
    }

    /// Banks do what has come due by the clock.
    pub fn banks_work(self, world: &World) {
        world.stack.stripe.run_banks();
        world.stack.plaid.run_due();
    }

    /// What is open at the gateway comes to its end there, good or bad, and so will what is begun from now on.
    pub fn finish(self, world: &World, random: &mut Rng) {
        match self.gateway() {
            Gateway::Stripe => stripe::finish(world, random),
            Gateway::Paypal => paypal::finish(world, random),
            Gateway::Plaid => plaid::finish(world, random),
        }
    }

    /// What banks have of it comes to a good end.
    pub fn settle(self, world: &World) {
        match self.gateway() {
            Gateway::Stripe if self.waits_for_bank() => stripe::settle(world),
            Gateway::Plaid => plaid::settle(world),
            Gateway::Stripe | Gateway::Paypal => {}
        }
    }

    /// How payments and payouts end from now on, where that differs from day to day.
    pub fn moods(self, world: &World, random: &mut Rng) {
        if self.is_paypal() {
            paypal::moods(&world.stack.paypal, random);
        }
    }

    /// Whether somebody who looks into the gateway's dashboard finds this payment or refund of ours there; its id.
    pub fn in_dashboard(self, world: &World, ours: &str) -> Option<String> {
        let payment = charges(world).into_iter().find(|one| one.payment == ours).map(|one| one.id);
        let refunds = super::ledger::given_back(world).into_iter();
        let mut refund = refunds.filter(|one| one.refund.as_deref() == Some(ours)).map(|one| one.id);
        payment.or_else(|| refund.next())
    }

    /// Refusals of a send that say nothing about the money that an earlier one may have moved.
    pub fn refusals(self) -> Vec<(&'static str, Fault)> {
        let refusals = match self.gateway() {
            Gateway::Stripe => stripe::refusals(),
            Gateway::Paypal => paypal::refusals(),
            Gateway::Plaid => plaid::refusals(),
        };
        let broken = [
            ("500", Fault::ErrorBefore),
            ("no json", Fault::Answer(400, Value::Null)),
            ("connection lost", Fault::NothingReached),
            ("time-out", Fault::TimedOut),
        ];
        refusals.into_iter().chain(broken).collect()
    }
}
