//! What happens outside of the API: at banks, in the dashboard and in Link; and how the simulator behaves.

use serde_json::Value;
use shared::clock::Time;

use super::item::{self, Account, Seeded};
use super::refund::{self, RefundStatus};
use super::transfer::{self, TransferStatus};
use super::{Delivery, Plaid, authorization, due, link, money, new_id};

impl Plaid {
    /// Adds an Item of a client with these accounts, known by new tokens; `None`: there is no such client.
    pub fn add_item(&self, client: &str, accounts: Vec<Account>) -> Option<Seeded> {
        let tokens = item::seed();
        self.seed_item(client, &tokens, accounts).then_some(tokens)
    }

    /// Adds an Item with tokens that are given, such as `access-sandbox-…`. Whether there is such a client.
    pub fn seed_item(&self, client: &str, tokens: &Seeded, accounts: Vec<Account>) -> bool {
        self.happens(|state| {
            let known = state.clients.contains_key(client);
            // What is there already has a history.
            if known && !state.items.contains_key(&tokens.item) {
                item::add(state, &self.clock, client, tokens, accounts);
            }
            known
        })
    }

    /// Allows Link to send a client's customers back to a URI, as is done in the dashboard.
    pub fn add_redirect_uri(&self, client: &str, uri: &str) {
        self.happens(|state| {
            if let Some(client) = state.clients.get_mut(client) {
                client.redirect_uris.insert(uri.to_owned());
            }
        });
    }

    /// A customer goes through Link with a link token, and chooses the account whose number ends so; the public token.
    /// `None`: the token is worth nothing (any more), or no such account is shown.
    pub fn link(&self, link_token: &str, mask: &str) -> Option<String> {
        self.happens(|state| {
            let link = link::open(state, &self.clock, link_token).ok()?;
            let account = link.shown().find(|account| account.mask == mask)?.id.clone();
            link::finish(state, &self.clock, link_token, &account).ok()?.public_token
        })
    }

    /// What is on an account, in cents. Whether there is one.
    pub fn set_balance(&self, account: &str, minor: i64) -> bool {
        self.happens(|state| state.account_mut(account).map(|account| account.available = minor).is_some())
    }

    /// The holder has to log in to an Item's bank again, or has done so. Whether there is such an Item.
    pub fn set_login_required(&self, item: &str, on: bool) -> bool {
        self.happens(|state| state.items.get_mut(item).map(|item| item.login_required = on).is_some())
    }

    /// What a client's ledger has available, in cents.
    pub fn set_ledger(&self, client: &str, minor: i64) {
        self.happens(|state| {
            if let Some(client) = state.clients.get_mut(client) {
                client.ledger.available = minor;
            }
        });
    }

    /// A client's ledger: its id, what is available and what is pending, in cents.
    #[must_use]
    pub fn ledger(&self, client: &str) -> Option<(String, i64, i64)> {
        self.happens(|state| {
            let ledger = &state.clients.get(client)?.ledger;
            Some((ledger.id.clone(), ledger.available, ledger.pending))
        })
    }

    /// The classes of ACH that a client may use; until then all.
    pub fn set_ach_classes(&self, client: &str, classes: &[&str]) {
        self.happens(|state| {
            if let Some(client) = state.clients.get_mut(client) {
                client.ach_classes = classes.iter().map(|class| (*class).to_owned()).collect();
            }
        });
    }

    /// Lets all of a client's authorizations end with a rationale such as `TRANSFER_LIMIT_REACHED` or `ERROR`; `None`:
    /// as balances say. Whether that is known.
    pub fn set_rationale(&self, client: &str, code: Option<&str>) -> bool {
        let rationale = code.and_then(authorization::rationale);
        if code.is_some() != rationale.is_some() {
            return false;
        }
        self.happens(|state| state.clients.get_mut(client).map(|client| client.rationale = rationale).is_some())
    }

    /// Plaid takes nothing of an account any more, or again.
    pub fn set_blocked(&self, account: &str, on: bool) {
        self.happens(|state| {
            if on {
                state.blocked.insert(account.to_owned());
            } else {
                state.blocked.remove(account);
            }
        });
    }

    /// The next debit of an account that is posted comes back with a code, so many business days later: after it has
    /// settled, and even after its hold has ended.
    pub fn book_return(&self, account: &str, code: &str, business_days: u32) {
        let booked = (code.to_owned(), business_days);
        self.happens(|state| state.booked.entry(account.to_owned()).or_default().push(booked));
    }

    fn moved(&self, id: &str, next: TransferStatus, code: Option<&str>) -> bool {
        self.happens(|state| transfer::move_to(state, id, next, code, self.clock.now()))
    }

    /// A pending transfer goes to its network. Whether that could be, as of all that follow.
    pub fn post(&self, transfer: &str) -> bool {
        self.moved(transfer, TransferStatus::Posted, None)
    }

    /// The network settles a posted transfer.
    pub fn settle(&self, transfer: &str) -> bool {
        self.moved(transfer, TransferStatus::Settled, None)
    }

    /// The hold of a settled debit ends.
    pub fn make_available(&self, transfer: &str) -> bool {
        self.moved(transfer, TransferStatus::FundsAvailable, None)
    }

    /// A pending transfer fails, or one that the receiver of an instant payment refuses.
    pub fn fail_transfer(&self, transfer: &str) -> bool {
        self.moved(transfer, TransferStatus::Failed, None)
    }

    /// A bank sends back what was posted, however long ago.
    pub fn return_transfer(&self, transfer: &str, code: &str) -> bool {
        self.moved(transfer, TransferStatus::Returned, Some(code))
    }

    /// Somebody refunds a debit in the dashboard, an amount in cents; the refund's id. `None`: refused, as the API would
    /// have done.
    pub fn refund_in_dashboard(&self, transfer: &str, minor: i64) -> Option<String> {
        self.happens(|state| {
            let client = state.transfers.get(transfer)?.proposal.client.clone();
            let members = [("transfer_id", transfer), ("amount", &money::text(minor)), ("idempotency_key", &new_id())];
            let body = members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            let made = refund::create(state, &self.clock, &client, &body).ok()?;
            made.pointer("/refund/id")?.as_str().map(str::to_owned)
        })
    }

    /// A refund ends: it goes to its network, if it has not yet, and settles; or it fails before it goes, and comes
    /// back after.
    pub fn finish_refund(&self, refund: &str, succeeds: bool) -> bool {
        self.happens(|state| {
            let now = self.clock.now();
            if succeeds {
                refund::move_to(state, refund, RefundStatus::Posted, None, now);
                return refund::move_to(state, refund, RefundStatus::Settled, None, now);
            }
            refund::move_to(state, refund, RefundStatus::Failed, None, now)
                || refund::move_to(state, refund, RefundStatus::Returned, Some("R03"), now)
        })
    }

    /// A bank sends a posted or settled refund back.
    pub fn return_refund(&self, refund: &str, code: &str) -> bool {
        self.happens(|state| refund::move_to(state, refund, RefundStatus::Returned, Some(code), self.clock.now()))
    }

    /// Banks do what has come due by the clock. Every request, and every call here, begins with that.
    pub fn run_due(&self) {
        self.happens(|_| ());
    }

    /// Banks take the next step with all that is under way, whatever the time; how much has moved.
    pub fn advance_banks(&self) -> usize {
        self.happens(|state| due::advance(state, self.clock.now()))
    }

    /// Whether banks move nothing by themselves, as in the real Sandbox.
    pub fn set_banks_closed(&self, closed: bool) {
        self.state().banks_closed = closed;
    }

    /// The client's events so far, oldest first, as `/transfer/event/sync` has them.
    #[must_use]
    pub fn events(&self, client: &str) -> Vec<Value> {
        self.happens(|state| state.events.get(client).cloned().unwrap_or_default())
    }

    /// Tells `url` of each of the client's events from now on. To be called within a Tokio runtime.
    pub fn add_webhook_endpoint(&self, client: &str, url: &str) {
        let clock = self.clock.clone();
        self.state().post.add(clock, client, url, self.keyring.seal());
    }

    /// How webhooks are delivered from now on.
    pub fn set_delivery(&self, delivery: Delivery) {
        self.state().post.how = delivery;
    }

    /// The `Plaid-Verification` of a body that is sent at this time.
    #[must_use]
    pub fn sign(&self, at: Time, body: &[u8]) -> String {
        self.keyring.sign(at, body)
    }

    /// Signs with a new key from now on; its id. The one before is still handed out. `None`: the system gives no key.
    pub fn rotate_key(&self) -> Option<String> {
        self.keyring.rotate(self.clock.now())
    }

    /// A key has expired, and is handed out as such. Whether there is one.
    pub fn expire_key(&self, id: &str) -> bool {
        self.keyring.expire(id, self.clock.now())
    }
}
