//! What happens outside of the API: in the dashboard, at banks and at card networks.

use serde_json::Value;

use super::form::Form;
use super::method::text;
use super::refund::{self, RefundsBecome};
use super::{Delivery, State, Stripe, attempt, bank, dispute, method, reversal, setup, signature};

impl Stripe {
    /// The account's events so far, oldest first, sent or not.
    #[must_use]
    pub fn events(&self, account: &str) -> Vec<Value> {
        self.state().events.get(account).cloned().unwrap_or_default()
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

    /// The customer authenticates, as the browser would: the PaymentIntent or SetupIntent succeeds, or fails.
    pub fn authenticate(&self, intent: &str, succeeds: bool) {
        let authenticate = if intent.starts_with("seti_") { setup::authenticate } else { attempt::authenticate };
        self.happens(|state| authenticate(state, &self.clock, intent, succeeds));
    }

    /// Stripe takes no more debits of a bank account, for a network code such as `R02`. False: no such code or account.
    pub fn block_bank(&self, method: &str, network_code: &str) -> bool {
        self.happens(|state| bank::block_for(state, &self.clock, method, network_code))
    }

    /// The banks work up to now: debits and their refunds whose day has come end, as their test methods say.
    pub fn run_banks(&self) {
        self.happens(|state| bank::run(state, &self.clock));
    }

    /// The bank refuses a debit that is `processing`, with one of Stripe's failure codes. False: no such code or debit.
    pub fn fail_debit(&self, intent: &str, code: &str) -> bool {
        self.happens(|state| bank::fail(state, &self.clock, intent, code))
    }

    /// The bank takes a debit back that succeeded. Gives the dispute; `None`: there is no such debit, or it was taken
    /// back before.
    pub fn return_debit(&self, intent: &str, reason: &str) -> Option<String> {
        self.happens(|state| bank::take_back(state, &self.clock, intent, reason))
    }

    /// Names the holder of a bank account, or forgets the name.
    pub fn set_holder(&self, method: &str, name: Option<&str>) {
        self.happens(|state| method::set_holder(state, method, name));
    }

    /// What an account, or a connected one, has available from now on, in Stripe's units.
    pub fn set_balance(&self, account: &str, currency: &str, amount: i64) {
        self.happens(|state| state.balances.set(account, currency, amount));
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

    /// Somebody reverses a transfer in the dashboard, all that remains or an amount; the reversal's id. `None`: refused,
    /// as the API would have done.
    pub fn reverse_in_dashboard(&self, transfer: &str, amount: Option<i64>) -> Option<String> {
        self.happens(|state| {
            let account = state.objects.get(transfer)?.account.clone();
            let mut form = Form::default();
            form.0.extend(amount.map(|amount| ("amount".to_owned(), amount.to_string())));
            let reversal = reversal::create(state, &self.clock, &account, transfer, &form).ok()?;
            Some(text(&reversal, "id").to_owned())
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

    pub(super) fn happens<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let done = change(&mut state);
        self.save(&state);
        done
    }
}
