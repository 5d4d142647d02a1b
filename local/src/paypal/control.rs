//! What happens outside of the API: on PayPal's site, at banks and at receivers; and how the simulator behaves.

use serde_json::{Value, json};
use shared::clock::Time;

use super::capture::{self, CapturesBecome};
use super::item::{self, ItemStatus};
use super::money::Money;
use super::payout::{self, BatchStatus, PayoutsBecome};
use super::refund::{self, RefundStatus, RefundsBecome};
use super::vault::{self, Chargeable};
use super::webhook::{self, Webhook};
use super::{Delivery, PayPal, dispute, order};

impl PayPal {
    /// The account's events so far, oldest first, sent or not.
    #[must_use]
    pub fn events(&self, account: &str) -> Vec<Value> {
        self.happens(|state| state.events.get(account).cloned().unwrap_or_default())
    }

    /// Sends all of the account's events to `url` from now on, signed for the webhook `id`; another id for the same
    /// `url` takes the place of the one before. To be called within a Tokio runtime, after [`super::serve`].
    pub fn add_webhook(&self, account: &str, url: &str, id: &str) {
        let Some(notary) = self.notary() else { return };
        let [id, account, url] = [id, account, url].map(str::to_owned);
        let webhook = Webhook { id, account, url, events: vec!["*".to_owned()] };
        self.happens(|state| webhook::add(state, &self.clock, notary, webhook));
    }

    /// The headers by which the webhook `id` knows that a body is PayPal's, sent at this time.
    #[must_use]
    pub fn sign(&self, id: &str, at: Time, body: &[u8]) -> Vec<(&'static str, String)> {
        let base = self.state().base.clone();
        self.notary().map(|notary| notary.sign(&base, id, at, body)).unwrap_or_default()
    }

    /// How events are delivered from now on.
    pub fn set_delivery(&self, delivery: Delivery) {
        self.state().post.how = delivery;
    }

    /// What captures become that would complete.
    pub fn set_captures(&self, become_: CapturesBecome) {
        self.state().settings.captures = become_;
    }

    /// What new refunds become.
    pub fn set_refunds(&self, become_: RefundsBecome) {
        self.state().settings.refunds = become_;
    }

    /// When new payouts are made.
    pub fn set_payouts(&self, become_: PayoutsBecome) {
        self.state().settings.payouts = become_;
    }

    /// Whether the account lets no invoice id be paid, or refunded, twice.
    pub fn set_unique_invoices(&self, account: &str, on: bool) {
        let invoices = &mut self.state().settings.unique_invoices;
        if on {
            invoices.insert(account.to_owned());
        } else {
            invoices.remove(account);
        }
    }

    /// What the account has in a currency, in PayPal's smallest units. Until then it never runs out.
    pub fn set_balance(&self, account: &str, currency: &str, amount: i64) {
        self.happens(|state| state.set_balance(account, &Money::new(amount, currency)));
    }

    /// Whether a batch for which there is no money is taken and then denied, where else it is refused.
    pub fn set_shortage_denies(&self, on: bool) {
        self.state().settings.shortage_denies = on;
    }

    /// The payer approves an order, to be paid with a test method such as `paypal_ok`. Whether that could be.
    pub fn approve_order(&self, order: &str, method: &str) -> bool {
        let Some(method) = Chargeable::test(method) else { return false };
        self.happens(|state| order::approve(state, &self.clock, order, method))
    }

    /// The payer approves a setup token; charges of its payment token end like those of the test method.
    pub fn approve_setup_token(&self, setup_token: &str, method: &str) -> bool {
        let Some(method) = Chargeable::test(method) else { return false };
        self.happens(|state| vault::approve(state, &self.clock, setup_token, method))
    }

    /// PayPal ends its review of a pending capture: it completes, or is denied.
    pub fn finish_capture(&self, capture: &str, succeeds: bool) -> bool {
        self.happens(|state| capture::finish(state, &self.clock, capture, succeeds))
    }

    /// The payer's bank takes back what has not been refunded of a capture.
    pub fn reverse_capture(&self, capture: &str) -> bool {
        self.happens(|state| capture::reverse(state, &self.clock, capture))
    }

    /// Somebody refunds a capture on PayPal's site, all that remains or an amount in PayPal's smallest units. `None`:
    /// refused, as the API would have done.
    pub fn refund_in_dashboard(&self, capture: &str, amount: Option<i64>) -> Option<String> {
        self.happens(|state| {
            let found = state.captures.get(capture)?;
            let (account, currency) = (found.account.clone(), found.amount.currency.clone());
            let amount = amount.map(|minor| Money::new(minor, &currency).v2());
            let body = amount.map_or_else(|| json!({}), |amount| json!({ "amount": amount }));
            refund::make(state, &self.clock, &account, capture, &body).ok().map(|refund| refund.id)
        })
    }

    /// A pending refund ends.
    pub fn finish_refund(&self, refund: &str, status: RefundStatus) -> bool {
        self.happens(|state| refund::finish(state, &self.clock, refund, status))
    }

    /// Pays all batches that are not done.
    pub fn finish_payouts(&self) {
        self.happens(|state| {
            let open = |status| matches!(status, BatchStatus::Pending | BatchStatus::Processing);
            let batches = state.batches.values().filter(|batch| open(batch.status));
            for id in batches.map(|batch| batch.id.clone()).collect::<Vec<_>>() {
                payout::end(state, &self.clock, &id);
            }
        });
    }

    /// A payout item is claimed, returned, blocked, pulled back, … with an error's name if there is one. Whether that
    /// could be.
    pub fn move_payout_item(&self, item: &str, status: ItemStatus, error: Option<&str>) -> bool {
        self.happens(|state| item::move_to(state, &self.clock, item, status, error))
    }

    /// The payer disputes a capture: what is about goods is an inquiry first, all else a claim at once. `None`: it moved no money, or is disputed already.
    pub fn open_dispute(&self, capture: &str, reason: &str) -> Option<String> {
        self.happens(|state| dispute::open(state, &self.clock, capture, reason))
    }

    /// The payer makes a claim of an inquiry, which PayPal is to decide.
    pub fn escalate_dispute(&self, dispute: &str) -> bool {
        self.happens(|state| dispute::escalate(state, &self.clock, dispute))
    }

    /// PayPal decides an open dispute; what the payer wins is taken from the account.
    pub fn resolve_dispute(&self, dispute: &str, won: bool) -> bool {
        self.happens(|state| dispute::resolve(state, &self.clock, dispute, won))
    }

    /// The account's disputes: id, capture, and whether the account won; `None` while they are open.
    #[must_use]
    pub fn disputes(&self, account: &str) -> Vec<(String, String, Option<bool>)> {
        dispute::list(&self.state(), account)
    }
}
