//! A Stripe that lives in this process: its wire protocol over HTTP, with state, idempotency keys, test payment
//! methods, webhooks, and faults to switch on. It takes nothing that Stripe would refuse.
//!
//! `server` speaks HTTP and plays the faults, `idempotency` replays keys, `operation` finds what a path means,
//! `browser` lets publishable keys do what they may, `intent`, `attempt`, `charge`, `refund`, `dispute`, `method`, `setup`, `mandate`, `transfer`, `reversal` and `balance` are the
//! objects, `bank` is what becomes of debits on the days of `calendar`, `page` and `expand` show objects, `event` tells
//! what changed, sealed by `signature`, `control` is what happens outside of the API, `books` what can be compared,
//! `test_method` are the documented test payment methods.

mod attempt;
mod balance;
mod bank;
mod books;
mod browser;
mod calendar;
mod charge;
mod control;
mod dispute;
mod error;
mod event;
mod expand;
pub mod fault;
mod form;
mod idempotency;
mod intent;
mod mandate;
mod method;
mod operation;
mod page;
mod refund;
mod reversal;
mod server;
mod setup;
mod signature;
mod test_method;
mod transfer;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::clock::Clock;

use self::balance::Balances;
use self::bank::Debit;
pub use self::books::{BookEntry, RefundEntry, ReversalEntry, TransferEntry};
use self::event::Cause;
use self::fault::Fault;
use self::idempotency::Keys;
pub use self::refund::RefundsBecome;
pub use self::server::serve;
pub use self::signature::sign;
pub use crate::simulator::delivery::Delivery;
use crate::simulator::delivery::Post;
use crate::simulator::fault::Switches;
use crate::simulator::file;

/// The simulator. Clones share its state.
#[derive(Clone, Debug)]
pub struct Stripe {
    clock: Clock,
    file: Option<PathBuf>,
    state: Arc<Mutex<State>>,
}

/// Everything it knows. Faults, latency, webhook endpoints and the request log live as long as the process.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// Accounts by secret key.
    accounts: BTreeMap<String, String>,
    /// Accounts by publishable key.
    #[serde(default)]
    publishable: BTreeMap<String, String>,
    /// Pairs of account and connected account.
    connected: BTreeSet<(String, String)>,
    /// All objects by id.
    objects: BTreeMap<String, Stored>,
    /// Ids of PaymentIntents in the order of their creation.
    intents: Vec<String>,
    /// Ids of refunds in the order of their creation.
    #[serde(default)]
    refunds: Vec<String>,
    /// Ids of disputes in the order of their creation.
    #[serde(default)]
    disputes: Vec<String>,
    /// Ids of mandates in the order of their creation.
    #[serde(default)]
    mandates: Vec<String>,
    /// Debits that were handed to banks, oldest first.
    #[serde(default)]
    debits: Vec<Debit>,
    /// Ids of transfers in the order of their creation.
    #[serde(default)]
    transfers: Vec<String>,
    /// Ids of reversals in the order of their creation.
    #[serde(default)]
    reversals: Vec<String>,
    #[serde(default)]
    balances: Balances,
    /// Events by account, oldest first.
    #[serde(default)]
    events: BTreeMap<String, Vec<Value>>,
    keys: Keys,
    /// Where it is, for links.
    #[serde(skip)]
    base: String,
    #[serde(skip)]
    post: Post,
    /// The request that is being executed.
    #[serde(skip)]
    cause: Cause,
    #[serde(skip)]
    refunds_become: RefundsBecome,
    /// Whether what would succeed waits for the bank.
    #[serde(skip)]
    processing: bool,
    #[serde(skip)]
    switches: Switches,
    #[serde(skip)]
    requests: Vec<LoggedRequest>,
}

/// An object of an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    account: String,
    value: Value,
    /// For payment methods: the test id whose behaviour they have.
    #[serde(default)]
    origin: String,
}

/// A request that arrived, without what is secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// The path.
    pub path: String,
    /// The idempotency key.
    pub key: Option<String>,
    /// The API version asked for.
    pub version: Option<String>,
    /// Parameters of body or query.
    pub parameters: BTreeMap<String, String>,
    /// The status answered; 0 where the connection was dropped.
    pub status: u16,
}

impl Stripe {
    /// An empty one, in memory.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, file: None, state: Arc::default() }
    }

    /// One that keeps its state in a file.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn open(clock: Clock, path: &Path) -> io::Result<Self> {
        let state: State = file::read(path)?;
        Ok(Self { clock, file: Some(path.to_owned()), state: Arc::new(Mutex::new(state)) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a request changed.
    fn save(&self, state: &State) {
        file::keep(self.file.as_deref(), state, "Stripe");
    }

    /// Adds an account, known by its secret key.
    pub fn add_account(&self, account: &str, secret_key: &str) {
        self.state().accounts.insert(secret_key.to_owned(), account.to_owned());
    }

    /// Adds a publishable key of an account, such as `pk_test_…`, with which browsers do their part.
    pub fn add_publishable_key(&self, account: &str, key: &str) {
        self.state().publishable.insert(key.to_owned(), account.to_owned());
    }

    /// Takes a secret key back.
    pub fn revoke_key(&self, secret_key: &str) {
        self.state().accounts.remove(secret_key);
    }

    /// Connects another account, which may then be paid.
    pub fn add_connected_account(&self, account: &str, connected: &str) {
        self.state().connected.insert((account.to_owned(), connected.to_owned()));
    }

    /// Adds a fault; each request meets the first that fits.
    pub fn add_fault(&self, fault: Fault) {
        self.state().switches.add(fault);
    }

    /// Switches all faults off.
    pub fn clear_faults(&self) {
        self.state().switches.clear();
    }

    /// Lets every answer take this long.
    pub fn set_latency(&self, latency: Duration) {
        self.state().switches.latency = latency;
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.state().requests.clone()
    }
}

/// A new id: prefix and 24 random letters and digits.
fn new_id(prefix: &str) -> String {
    let random: String = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
    format!("{prefix}_{random}")
}

#[cfg(test)]
mod tests;
