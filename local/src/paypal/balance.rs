//! What accounts have. One whose balance was never set never runs out.

use super::State;
use super::money::Money;

impl State {
    fn key(account: &str, currency: &str) -> String {
        format!("{account} {currency}")
    }

    /// Sets what an account has in the amount's currency.
    pub fn set_balance(&mut self, account: &str, amount: &Money) {
        self.balances.insert(Self::key(account, &amount.currency), amount.minor);
    }

    /// Money comes in.
    pub fn receive(&mut self, account: &str, amount: &Money) {
        if let Some(balance) = self.balances.get_mut(&Self::key(account, &amount.currency)) {
            *balance = balance.saturating_add(amount.minor);
        }
    }

    /// Money goes out, if there is enough of it.
    pub fn spend(&mut self, account: &str, amount: &Money) -> bool {
        match self.balances.get_mut(&Self::key(account, &amount.currency)) {
            Some(balance) if *balance < amount.minor => false,
            Some(balance) => {
                *balance -= amount.minor;
                true
            }
            None => true,
        }
    }

    /// Money goes out; a balance may become negative.
    pub fn pay_in_any_case(&mut self, account: &str, amount: &Money) {
        if let Some(balance) = self.balances.get_mut(&Self::key(account, &amount.currency)) {
            *balance = balance.saturating_sub(amount.minor);
        }
    }
}
