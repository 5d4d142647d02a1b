//! A PayPal that lives in this process: its wire protocol over HTTP, with state, request ids, test payment methods and
//! receivers, signed webhooks, and faults to switch on. It takes nothing that PayPal would refuse.
//!
//! `server` speaks HTTP and plays the faults, `token` knows who is calling, `request_id` replays, `operation` finds
//! what a path means, `shapes` and `schema` check bodies, `order`, `capture`, `refund`, `payout`, `item`, `vault` and
//! `dispute` are the objects, `test_method` and `receiver` are the test values, `event` tells what changed, `webhook`
//! to whom, sealed by `notary`; `due` does what waits for its time, `control` and `books` are what happens outside of
//! the API.

mod balance;
mod books;
mod capture;
mod control;
mod dispute;
mod due;
mod error;
mod event;
pub mod fault;
mod issue;
mod item;
mod money;
mod notary;
mod operation;
mod order;
mod payer;
mod payout;
mod receiver;
mod refund;
mod request_id;
mod schema;
mod server;
mod shapes;
mod test_method;
mod token;
mod vault;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::clock::{Clock, Time};

pub use self::books::{Books, CaptureEntry, ItemEntry, RefundEntry};
use self::capture::Capture;
pub use self::capture::{CaptureStatus, CapturesBecome};
use self::dispute::Dispute;
use self::due::Due;
use self::fault::Fault;
use self::item::Item;
pub use self::item::ItemStatus;
use self::notary::Notary;
use self::order::Order;
use self::payout::Batch;
pub use self::payout::PayoutsBecome;
use self::refund::Refund;
pub use self::refund::{RefundStatus, RefundsBecome};
use self::request_id::Ids;
pub use self::server::serve;
use self::token::Tokens;
use self::vault::Vault;
use self::webhook::Webhook;
pub use crate::simulator::delivery::Delivery;
use crate::simulator::delivery::Post;
use crate::simulator::fault::Switches;
use crate::simulator::file;

/// The simulator. Clones share its state.
#[derive(Clone, Debug)]
pub struct PayPal {
    clock: Clock,
    file: Option<PathBuf>,
    state: Arc<Mutex<State>>,
    /// Found when it is first asked for.
    notary: Arc<OnceLock<Option<Arc<Notary>>>>,
}

/// Everything it knows. Faults, latency, webhooks, settings and the request log live as long as the process.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    tokens: Tokens,
    orders: BTreeMap<String, Order>,
    captures: BTreeMap<String, Capture>,
    refunds: BTreeMap<String, Refund>,
    batches: BTreeMap<String, Batch>,
    items: BTreeMap<String, Item>,
    vault: Vault,
    disputes: BTreeMap<String, Dispute>,
    /// Ids of captures, payout items and refunds in the order of their creation.
    made: Vec<String>,
    /// Events by account, oldest first.
    events: BTreeMap<String, Vec<Value>>,
    /// What an account has, by account and currency; what is not named has no end.
    balances: BTreeMap<String, i64>,
    /// What happens at its time.
    due: BTreeSet<(Time, Due)>,
    ids: Ids,
    /// Where this simulator is; links begin with it.
    #[serde(skip)]
    base: String,
    #[serde(skip)]
    webhooks: Vec<Webhook>,
    #[serde(skip)]
    post: Post,
    #[serde(skip)]
    settings: Settings,
    #[serde(skip)]
    switches: Switches,
    #[serde(skip)]
    requests: Vec<LoggedRequest>,
}

/// How it behaves where PayPal's accounts and days differ.
#[derive(Debug, Default)]
struct Settings {
    captures: CapturesBecome,
    refunds: RefundsBecome,
    payouts: PayoutsBecome,
    /// A batch for which there is no money is taken and then denied, where else it is refused.
    shortage_denies: bool,
    /// Accounts that let no invoice id be used twice.
    unique_invoices: BTreeSet<String>,
}

/// A request that arrived, without what is secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// The path.
    pub path: String,
    /// Parameters of the query.
    pub query: BTreeMap<String, String>,
    /// The `PayPal-Request-Id`.
    pub request_id: Option<String>,
    /// The body; null where there was none, or no JSON.
    pub body: Value,
    /// The status answered; 0 where the connection was dropped.
    pub status: u16,
}

impl PayPal {
    /// An empty one, in memory.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, file: None, state: Arc::default(), notary: Arc::default() }
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
        file::keep(self.file.as_deref(), state, "PayPal");
    }

    /// What happens outside of a request.
    fn happens<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        due::run(&mut state, &self.clock);
        let done = change(&mut state);
        self.save(&state);
        done
    }

    /// Does what has come due since.
    fn tick(&self) {
        let mut state = self.state();
        if due::run(&mut state, &self.clock) {
            self.save(&state);
        }
    }

    /// Who signs events; `None`: the system gives no keys.
    fn notary(&self) -> Option<Arc<Notary>> {
        self.notary.get_or_init(|| notary(self.clock.now())).clone()
    }

    /// Adds an account, known by the credentials of its app.
    pub fn add_account(&self, account: &str, client_id: &str, client_secret: &str) {
        self.happens(|state| state.tokens.add_client(account, client_id, client_secret));
    }

    /// Takes credentials back, with the tokens that they got.
    pub fn revoke_client(&self, client_id: &str) {
        self.happens(|state| state.tokens.revoke_client(client_id));
    }

    /// All access tokens have expired.
    pub fn expire_tokens(&self) {
        self.happens(|state| state.tokens.expire());
    }

    /// How long new access tokens live.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.state().tokens.lifetime = Some(lifetime);
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

    /// The authority that answers for the certificate of the webhooks' signatures, as PEM.
    #[must_use]
    pub fn webhook_ca(&self) -> String {
        self.notary().map(|notary| notary.authority.clone()).unwrap_or_default()
    }
}

/// Who signs in a year: the same for all simulators of the process, since an RSA key takes its time.
fn notary(now: Time) -> Option<Arc<Notary>> {
    static NOTARIES: Mutex<BTreeMap<i16, Arc<Notary>>> = Mutex::new(BTreeMap::new());
    let mut notaries = NOTARIES.lock().unwrap_or_else(PoisonError::into_inner);
    let year = now.date_in(&jiff::tz::TimeZone::UTC).year();
    let known = notaries.get(&year).cloned();
    known.or_else(|| match Notary::new(now) {
        Ok(notary) => Some(Arc::clone(notaries.entry(year).or_insert(Arc::new(notary)))),
        Err(error) => {
            tracing::warn!(%error, "the PayPal simulator can't sign events");
            None
        }
    })
}

/// Letters and digits that PayPal's ids are made of; none that could be read as another.
const LETTERS: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// A new id of so many letters and digits.
fn new_id(length: usize) -> String {
    std::iter::repeat_with(|| fastrand::choice(LETTERS).copied().map_or('2', char::from)).take(length).collect()
}

/// A link of PayPal's.
fn link(base: &str, path: &str, rel: &str, method: &str) -> Value {
    serde_json::json!({ "href": format!("{base}{path}"), "rel": rel, "method": method })
}

/// A time as PayPal writes it: whole seconds.
fn time_text(time: Time) -> String {
    let text = time.to_string();
    text.split_once('.').map_or(text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

#[cfg(test)]
mod tests;
