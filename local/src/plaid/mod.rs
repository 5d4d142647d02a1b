//! A Plaid that lives in this process: Transfer, and the Items that it needs, over HTTP, with state, idempotency,
//! ledger, bank days, signed webhooks, and faults to switch on. It takes nothing that Plaid would refuse.
//!
//! `server` speaks HTTP and plays the faults, `operation` finds what a path means, `shapes` and `schema` check bodies,
//! `link` is the page of Link and its tokens, `item`, `authorization`, `transfer` and `refund` are the objects, `ledger` is the client's money, `event` tells what
//! changed, sealed by `keyring`; `calendar` knows the days of banks, `due` does what waits for its time, `sandbox` is
//! what tests ask for by HTTP, `control` and `books` are what happens outside of the API.

mod authorization;
mod books;
mod calendar;
mod control;
mod due;
mod error;
mod event;
pub mod fault;
mod item;
mod keyring;
mod ledger;
mod link;
mod money;
mod operation;
mod proposal;
mod refund;
mod sandbox;
mod schema;
mod server;
mod shapes;
mod transfer;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::clock::{Clock, Time};

use self::authorization::Authorization;
pub use self::books::{Entry, RefundEntry};
use self::due::Due;
use self::fault::Fault;
use self::item::Item;
pub use self::item::{Account, Seeded};
use self::keyring::Keyring;
use self::ledger::Ledger;
use self::link::Link;
pub(crate) use self::link::PAGE as LINK_PAGE;
pub use self::proposal::Direction;
use self::refund::Refund;
pub use self::refund::RefundStatus;
pub use self::server::serve;
use self::transfer::Transfer;
pub use self::transfer::TransferStatus;
pub use crate::simulator::delivery::Delivery;
use crate::simulator::delivery::Post;
use crate::simulator::fault::Switches;
use crate::simulator::file;

/// The simulator. Clones share its state.
#[derive(Clone, Debug)]
pub struct Plaid {
    clock: Clock,
    file: Option<PathBuf>,
    state: Arc<Mutex<State>>,
    /// Apart from the state: webhooks are sealed while somebody else may hold that.
    keyring: Keyring,
}

/// Everything it knows. Keys, faults, latency, webhooks and the request log live as long as the process.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// By `client_id`.
    clients: BTreeMap<String, Client>,
    items: BTreeMap<String, Item>,
    /// By link token.
    #[serde(default)]
    links: BTreeMap<String, Link>,
    authorizations: BTreeMap<String, Authorization>,
    transfers: BTreeMap<String, Transfer>,
    refunds: BTreeMap<String, Refund>,
    /// Ids of transfers in the order of their creation.
    made: Vec<String>,
    /// Events by client, oldest first; the id of each is its place, counted from 1.
    events: BTreeMap<String, Vec<Value>>,
    /// Authorizations by client and `idempotency_key`.
    authorization_keys: BTreeMap<String, String>,
    /// Refunds by client and `idempotency_key`.
    refund_keys: BTreeMap<String, String>,
    /// Returns that wait for the next debit of an account: code, and business days after it was posted.
    booked: BTreeMap<String, Vec<(String, u32)>>,
    /// Accounts from and to which nothing is transferred any more.
    blocked: BTreeSet<String>,
    /// What happens at its time.
    due: BTreeSet<(Time, Due)>,
    /// Banks move nothing by themselves.
    #[serde(skip)]
    banks_closed: bool,
    #[serde(skip)]
    post: Post,
    #[serde(skip)]
    switches: Switches,
    #[serde(skip)]
    requests: Vec<LoggedRequest>,
}

/// Who calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Client {
    secret: String,
    ledger: Ledger,
    funding_account: String,
    /// What ACH it may do.
    ach_classes: BTreeSet<String>,
    /// Where Link may send customers back to, as the dashboard lists it.
    #[serde(default)]
    redirect_uris: BTreeSet<String>,
    /// The rationale of every decision, instead of what the account's balance says.
    rationale: Option<String>,
}

/// A request that arrived, without what is secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// `POST`, if the client knows Plaid.
    pub method: String,
    /// The path.
    pub path: String,
    /// The `client_id`, from the body or its header.
    pub client: Option<String>,
    /// The API version asked for.
    pub version: Option<String>,
    /// The body without secrets and tokens; null where there was none, or no JSON.
    pub body: Value,
    /// The status answered; 0 where the connection was dropped.
    pub status: u16,
}

impl Plaid {
    /// An empty one, in memory.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let keyring = Keyring::new(clock.now());
        Self { clock, file: None, state: Arc::default(), keyring }
    }

    /// One that keeps its state in a file.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn open(clock: Clock, path: &Path) -> io::Result<Self> {
        let state: State = file::read(path)?;
        Ok(Self { file: Some(path.to_owned()), state: Arc::new(Mutex::new(state)), ..Self::new(clock) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a request changed.
    fn save(&self, state: &State) {
        file::keep(self.file.as_deref(), state, "Plaid");
    }

    /// What happens outside of a request.
    fn happens<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        due::run(&mut state, self.clock.now());
        let done = change(&mut state);
        self.save(&state);
        done
    }

    /// Adds a client with an empty ledger, which may do ACH of every class.
    pub fn add_client(&self, client: &str, secret: &str) {
        self.happens(|state| match state.clients.get_mut(client) {
            Some(known) => secret.clone_into(&mut known.secret),
            None => {
                state.clients.insert(client.to_owned(), Client::new(secret));
            }
        });
    }

    /// Takes a client's secret back.
    pub fn revoke_secret(&self, client: &str) {
        self.happens(|state| {
            if let Some(known) = state.clients.get_mut(client) {
                known.secret = new_id();
            }
        });
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

impl Client {
    fn new(secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            ledger: Ledger::new(),
            funding_account: new_id(),
            ach_classes: ["ccd", "ppd", "tel", "web"].map(str::to_owned).into(),
            redirect_uris: BTreeSet::new(),
            rationale: None,
        }
    }
}

/// A new id of transfers and their like.
fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A new id of accounts and Items: 37 letters and digits.
fn new_account_id() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(37).collect()
}

/// A time as Plaid writes it: whole seconds.
fn time_text(time: Time) -> String {
    Time::from_seconds(time.seconds()).to_string().replace(".000Z", "Z")
}

#[cfg(test)]
mod tests;
