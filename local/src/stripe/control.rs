//! What happens outside of the API: in the dashboard, at banks and at card networks; and the books, to compare with.

use std::collections::BTreeMap;

use serde_json::Value;

use super::form::Form;
use super::method::{self, text};
use super::refund::{self, RefundsBecome};
use super::{Delivery, State, Stripe, attempt, charge, dispute, intent, signature};

/// What Stripe's books say of a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundEntry {
    /// `re_…`, or `pyr_…` for a bank debit.
    pub id: String,
    /// The PaymentIntent.
    pub intent: String,
    /// In Stripe's units.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    /// The refund's status.
    pub status: String,
    /// What the client wrote on it.
    pub metadata: BTreeMap<String, String>,
    /// The reason that was given.
    pub reason: Option<String>,
    /// Whether the connected account paid it.
    pub reverse_transfer: bool,
}

impl Stripe {
    /// The account's events so far, oldest first, sent or not.
    #[must_use]
    pub fn events(&self, account: &str) -> Vec<Value> {
        self.state().events.get(account).cloned().unwrap_or_default()
    }

    /// The account's refunds, oldest first.
    #[must_use]
    pub fn refunds(&self, account: &str) -> Vec<RefundEntry> {
        let state = self.state();
        state.refunds.iter().filter_map(|id| state.find(account, id, "refund")).map(|s| entry(&s.value)).collect()
    }

    /// The account's disputes, oldest first: id, PaymentIntent and status.
    #[must_use]
    pub fn disputes(&self, account: &str) -> Vec<(String, String, String)> {
        let state = self.state();
        let disputes = state.disputes.iter().filter_map(|id| state.find(account, id, "dispute"));
        let texts = |value: &Value| ["id", "payment_intent", "status"].map(|name| text(value, name).to_owned());
        disputes.map(|stored| texts(&stored.value).into()).collect()
    }

    /// Sends the account's events to `url` from now on, signed with `secret`; another secret for the same `url`
    /// takes the place of the one before. To be called within a Tokio runtime.
    pub fn add_webhook_endpoint(&self, account: &str, url: &str, secret: &str) {
        let clock = self.clock.clone();
        self.state().post.add(clock, account, url, signature::seal(secret));
    }

    /// How events are delivered from now on.
    pub fn set_delivery(&self, delivery: Delivery) {
        self.state().post.how = delivery;
    }

    /// What new refunds become.
    pub fn set_refunds(&self, become_: RefundsBecome) {
        self.state().refunds_become = become_;
    }

    /// Whether attempts that would succeed stay `processing` until [`Stripe::finish_processing`].
    pub fn set_processing(&self, on: bool) {
        self.state().processing = on;
    }

    /// The customer authenticates, as the browser would: the PaymentIntent succeeds, or is declined.
    pub fn authenticate(&self, intent: &str, succeeds: bool) {
        self.happens(|state| attempt::authenticate(state, &self.clock, intent, succeeds));
    }

    /// The bank answers an attempt that is `processing`: it succeeds, or funds are insufficient.
    pub fn finish_processing(&self, intent: &str, succeeds: bool) {
        self.happens(|state| attempt::finish(state, &self.clock, intent, succeeds));
    }

    /// Somebody refunds a PaymentIntent in the dashboard, all that remains or an amount. `None`: refused, as the API
    /// would have done.
    pub fn refund_in_dashboard(&self, intent: &str, amount: Option<i64>) -> Option<String> {
        self.happens(|state| {
            let account = state.objects.get(intent)?.account.clone();
            let mut form = Form::default();
            form.0.insert("payment_intent".to_owned(), intent.to_owned());
            form.0.extend(amount.map(|amount| ("amount".to_owned(), amount.to_string())));
            let refund = refund::create(state, &self.clock, &account, &form).ok()?;
            Some(text(&refund, "id").to_owned())
        })
    }

    /// The customer's bank takes a refund, or sends it back, which may happen after it succeeded.
    pub fn finish_refund(&self, refund: &str, succeeds: bool) {
        self.happens(|state| refund::finish(state, &self.clock, refund, succeeds));
    }

    /// The customer disputes a PaymentIntent's charge. `None`: it moved no money.
    pub fn open_dispute(&self, intent: &str, reason: &str) -> Option<String> {
        self.happens(|state| dispute::open_on_intent(state, &self.clock, intent, reason))
    }

    /// The bank decides an open dispute.
    pub fn close_dispute(&self, dispute: &str, won: bool) {
        self.happens(|state| dispute::close(state, &self.clock, dispute, won));
    }

    /// The card's network tells of a new card.
    pub fn update_card(&self, method: &str, exp_year: u16) {
        self.happens(|state| method::update_card(state, &self.clock, method, exp_year));
    }

    fn happens<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let done = change(&mut state);
        self.save(&state);
        done
    }
}

fn entry(refund: &Value) -> RefundEntry {
    RefundEntry {
        id: text(refund, "id").to_owned(),
        intent: text(refund, "payment_intent").to_owned(),
        amount: charge::number(refund, "amount"),
        currency: text(refund, "currency").to_owned(),
        status: text(refund, "status").to_owned(),
        metadata: intent::metadata(refund),
        reason: refund.get("reason").and_then(Value::as_str).map(str::to_owned),
        reverse_transfer: refund.get("transfer_reversal").is_some_and(Value::is_string),
    }
}
