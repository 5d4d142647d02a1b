//! What holds of bank payments at any time: how often a debit is put before its bank, and that whatever is told of it
//! later will be heard.

use std::collections::BTreeMap;

use shared::model::invoice::Invoice;
use shared::model::payment::{Gateway, Payment};

use super::books::Books;
use super::ledger::Charge;

impl Books {
    pub(super) fn banks(&self) {
        for invoice in &self.invoices {
            self.presentments(invoice);
        }
        for payment in &self.payments {
            self.transfers(payment);
        }
    }

    /// Each debit that a bank has seen was counted before, none is put before it more often than it may be, and again only
    /// for want of money.
    fn presentments(&self, invoice: &Invoice) {
        let mut seen: BTreeMap<_, Vec<&Charge>> = BTreeMap::new();
        for payment in self.payments_of(invoice).filter(|payment| payment.is_debit()) {
            let presented = self.charges.iter().filter(|one| one.presented && one.payment == payment.id.as_str());
            seen.entry((payment.payment_method_id.clone().unwrap(), payment.frozen.gateway))
                .or_default()
                .extend(presented);
        }
        for ((method, gateway), mut debits) in seen {
            debits.sort_by_key(|debit| self.charges.iter().position(|one| one.id == debit.id));
            let made = invoice.presentments.get(&method).map_or(0, |so_far| so_far.made as usize);
            let what = format!("{} by {method}", invoice.invoice_id);
            assert!(debits.len() <= made, "{what} counts {made} presentments: {debits:?}");
            assert!(debits.len() <= self.limit(gateway), "{what} is presented too often: {debits:?}");
            let (_, earlier) = debits.split_last().map_or((None, &[][..]), |(last, earlier)| (Some(last), earlier));
            assert!(earlier.iter().all(|debit| debit.wanted_money()), "{what} is presented again: {debits:?}");
        }
    }

    fn limit(&self, gateway: Gateway) -> usize {
        let own_retries = self.settings.gateways.ach.as_ref().is_some_and(|ach| ach.own_retries);
        if gateway == Gateway::Plaid || own_retries { 3 } else { 1 }
    }

    /// One at most is made of a payment, whatever became of it, and at Plaid under the leave that was written down before;
    /// what is told of it later is asked for.
    fn transfers(&self, payment: &Payment) {
        let is_at_plaid = payment.frozen.gateway == Gateway::Plaid;
        let made = self.at_gateway(payment.id.as_str());
        if is_at_plaid || payment.is_transfer() {
            assert!(made.len() <= 1, "{} is {made:?}", payment.id);
        }
        if is_at_plaid {
            let leave = payment.authorization.as_ref().map(|authorization| authorization.id.as_str());
            assert!(
                made.iter().all(|one| one.leave.as_deref() == leave),
                "{} has leave {leave:?}: {made:?}",
                payment.id
            );
            let is_watched = self
                .cursor
                .as_ref()
                .is_some_and(|cursor| cursor.next_check_at.is_some() && cursor.sync_shard.is_some());
            assert!(is_watched, "nobody asks what becomes of {}", payment.id);
        }
    }
}
