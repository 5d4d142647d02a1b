//! Webhooks: events on their way to the endpoints, at least once, in no order that could be relied on.
//!
//! Promises that an event is sealed anew at each try, and tried again after growing pauses until an endpoint has
//! answered 2xx or the tries are used up. Nothing waits for a delivery.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use shared::clock::{Clock, Time};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

/// Real time between the tries.
const PAUSES: [Duration; 7] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(25),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
];
/// Time for an endpoint to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Shuffled events arrive within this time.
const SPREAD: Duration = Duration::from_millis(100);

/// How events are delivered; in JSON `{"copies": 2, "delay_ms": 500, "shuffled": true, "dropped": false}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delivery {
    /// How often each is sent.
    pub copies: u32,
    /// How long it is held back.
    #[serde(rename = "delay_ms", deserialize_with = "millis")]
    pub delay: Duration,
    /// At the same time and in random order, where else one follows the other.
    pub shuffled: bool,
    /// Not sent at all, only listed.
    pub dropped: bool,
}

impl Default for Delivery {
    fn default() -> Self {
        Self { copies: 1, delay: Duration::ZERO, shuffled: false, dropped: false }
    }
}

fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

/// Headers of a request.
pub(crate) type Headers = Vec<(&'static str, String)>;

/// Makes the headers by which an endpoint knows that a body, sent at some time, comes from the gateway.
pub(crate) struct Seal(Box<Make>);

type Make = dyn Fn(Time, &[u8]) -> Headers + Send + Sync;

impl Seal {
    pub fn new(seal: impl Fn(Time, &[u8]) -> Headers + Send + Sync + 'static) -> Self {
        Self(Box::new(seal))
    }

    /// The headers for a body that is sent at this time.
    pub fn headers(&self, at: Time, body: &[u8]) -> Headers {
        (self.0)(at, body)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

/// All endpoints, and how they are served.
#[derive(Debug, Default)]
pub(crate) struct Post {
    pub how: Delivery,
    endpoints: Vec<Endpoint>,
    http: Option<reqwest::Client>,
}

#[derive(Debug)]
struct Endpoint {
    account: String,
    url: String,
    seal: Shared,
    queue: UnboundedSender<Letter>,
}

/// With what is under way: the next try is sealed with the newest.
type Shared = Arc<Mutex<Seal>>;

/// An event to be sent.
#[derive(Debug)]
struct Letter {
    body: String,
    how: Delivery,
    due: Instant,
}

impl Post {
    /// Adds an endpoint, or gives one another seal.
    pub fn add(&mut self, clock: Clock, account: &str, url: &str, seal: Seal) {
        let same = |endpoint: &&Endpoint| endpoint.account == account && endpoint.url == url;
        if let Some(endpoint) = self.endpoints.iter().find(same) {
            *endpoint.seal.lock().unwrap_or_else(PoisonError::into_inner) = seal;
            return;
        }
        let http = self.http.get_or_insert_with(client).clone();
        let seal = Arc::new(Mutex::new(seal));
        let address = Address { http, clock, url: url.to_owned(), seal: Arc::clone(&seal) };
        let (queue, letters) = unbounded_channel();
        tokio::spawn(carry(address, letters));
        self.endpoints.push(Endpoint { account: account.to_owned(), url: url.to_owned(), seal, queue });
    }

    /// Hands an event over to the account's endpoints that want it; it is on its way when this returns.
    pub fn send(&self, account: &str, event: &Value, wanted: impl Fn(&str) -> bool) {
        self.send_text(account, &event.to_string(), wanted);
    }

    /// As [`Post::send`], of a body that is to arrive as it stands.
    pub fn send_text(&self, account: &str, body: &str, wanted: impl Fn(&str) -> bool) {
        if self.how.dropped {
            return;
        }
        for endpoint in self.endpoints.iter().filter(|endpoint| endpoint.account == account && wanted(&endpoint.url)) {
            let now = Instant::now();
            let due = now.checked_add(self.how.delay).unwrap_or(now);
            let letter = Letter { body: body.to_owned(), how: self.how.clone(), due };
            if endpoint.queue.send(letter).is_err() {
                tracing::warn!(url = endpoint.url, "the runtime that delivered to this endpoint has ended");
            }
        }
    }
}

/// One that takes a redirect for a failure, as Stripe, PayPal and Plaid do.
fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT);
    builder.build().unwrap_or_default()
}

/// Where letters go.
#[derive(Clone)]
struct Address {
    http: reqwest::Client,
    clock: Clock,
    url: String,
    seal: Shared,
}

/// Sends one letter after the other; what has to be tried again holds nothing up.
async fn carry(address: Address, mut letters: UnboundedReceiver<Letter>) {
    while let Some(Letter { body, how, due }) = letters.recv().await {
        for _ in 0..how.copies {
            let (address, body) = (address.clone(), body.clone());
            if how.shuffled {
                let due = due + SPREAD.mul_f64(fastrand::f64());
                tokio::spawn(async move {
                    tokio::time::sleep_until(due).await;
                    if !address.reached(&body).await {
                        address.try_again(&body).await;
                    }
                });
                continue;
            }
            tokio::time::sleep_until(due).await;
            if !address.reached(&body).await {
                tokio::spawn(async move { address.try_again(&body).await });
            }
        }
    }
}

impl Address {
    async fn try_again(&self, body: &str) {
        for pause in PAUSES {
            tokio::time::sleep(pause).await;
            if self.reached(body).await {
                return;
            }
        }
        tracing::warn!(url = self.url, "a simulator gave up delivering an event");
    }

    /// One try; whether the endpoint took it.
    async fn reached(&self, body: &str) -> bool {
        let headers = {
            let seal = self.seal.lock().unwrap_or_else(PoisonError::into_inner);
            seal.headers(self.clock.now(), body.as_bytes())
        };
        let mut request = self.http.post(&self.url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(body.to_owned()).send().await.is_ok_and(|reply| reply.status().is_success())
    }
}
