//! The wire to a gateway: a server in front of its simulator, for any gateway that speaks HTTP.

use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Collected};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use shared::model::payment::Gateway as Side;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::rail::{Rail, words_of};
use super::wire::{Language, Party, Wire};

/// The server; clones are the same one.
#[derive(Clone)]
pub struct Gateway {
    pub url: String,
    rail: Rail,
    address: SocketAddr,
    wire: Wire,
    upstream: Arc<OnceLock<String>>,
    http: reqwest::Client,
    listening: Arc<Mutex<Option<JoinHandle<()>>>>,
    /// What has been connected before connections are refused goes on to be served, but is not answered.
    is_closed: Arc<AtomicBool>,
}

impl Gateway {
    pub async fn start(wire: &Wire, rail: Rail) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = Self {
            url: format!("http://{address}"),
            rail,
            address,
            wire: wire.clone(),
            upstream: Arc::default(),
            http: reqwest::Client::new(),
            listening: Arc::default(),
            is_closed: Arc::default(),
        };
        gateway.listen(listener);
        gateway
    }

    /// Where calls go on to.
    pub fn forward_to(&self, upstream: &str) {
        self.upstream.set(upstream.to_owned()).unwrap();
    }

    /// Takes connections again.
    pub async fn open(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.is_closed.store(false, Ordering::SeqCst);
        self.listen(listener);
    }

    fn listen(&self, listener: TcpListener) {
        let gateway = self.clone();
        let serving = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let gateway = gateway.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let gateway = gateway.clone();
                        async move {
                            // A task of its own: what has arrived goes on even if the caller hangs up.
                            let reply = tokio::spawn(async move { gateway.call(request).await }).await;
                            reply.ok().flatten().ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset))
                        }
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        *self.listening.lock().unwrap() = Some(serving);
    }

    /// `None`: the connection is dropped without an answer.
    async fn call(&self, request: Request<Incoming>) -> Option<Response<Body>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        let name = format!("{} {}", parts.method, parts.uri.path());
        if self.is_closed.load(Ordering::SeqCst) {
            return None;
        }
        let last = self.wire.is_last_call();
        let effect = self.pass_on(&parts, body.clone());
        let mut reply = match self.rail.gateway() {
            Side::Stripe => self.wire.pass::<OverHttp<AsStripe>>(&name, &body, effect).await,
            Side::Paypal => self.wire.pass::<OverHttp<AsPaypal>>(&name, &body, effect).await,
            Side::Plaid => self.wire.pass::<OverHttp<AsPlaid>>(&name, &body, effect).await,
        };
        if last {
            // The listener goes with its task; the connection with its answer.
            self.is_closed.store(true, Ordering::SeqCst);
            let listening = self.listening.lock().unwrap().take().unwrap();
            listening.abort();
            let _ = listening.await;
            let reply = reply.as_mut()?;
            reply.headers_mut().insert("connection", HeaderValue::from_static("close"));
        }
        reply
    }

    async fn pass_on(&self, parts: &http::request::Parts, body: Bytes) -> Option<Response<Body>> {
        let url = format!("{}{}", self.upstream.get()?, parts.uri.path_and_query()?);
        let mut headers = parts.headers.clone();
        headers.remove("host");
        let sent = self.http.request(parts.method.clone(), url).headers(headers).body(body).send().await.ok()?;
        let mut answer = Response::builder().status(sent.status());
        let of_this_connection = ["transfer-encoding", "connection", "content-length"];
        for (name, value) in sent.headers().iter().filter(|(name, _)| !of_this_connection.contains(&name.as_str())) {
            answer = answer.header(name, value);
        }
        Some(answer.body(Body::from(sent.bytes().await.ok()?)).unwrap())
    }
}

/// The words of a gateway's errors.
trait Words {
    fn error() -> Value;
    fn throttled() -> Value;
}

struct AsStripe;
struct AsPaypal;
struct AsPlaid;

impl Words for AsStripe {
    fn error() -> Value {
        json!({ "error": { "type": "api_error", "code": "", "message": "injected" } })
    }

    fn throttled() -> Value {
        json!({ "error": { "type": "invalid_request_error", "code": "rate_limit", "message": "injected" } })
    }
}

impl Words for AsPaypal {
    fn error() -> Value {
        json!({ "name": "INTERNAL_SERVER_ERROR", "message": "injected", "debug_id": "f1" })
    }

    fn throttled() -> Value {
        json!({ "name": "RATE_LIMIT_REACHED", "message": "injected", "debug_id": "f1" })
    }
}

impl Words for AsPlaid {
    fn error() -> Value {
        words_of("API_ERROR", "INTERNAL_SERVER_ERROR")
    }

    fn throttled() -> Value {
        words_of("RATE_LIMIT_EXCEEDED", "RATE_LIMIT")
    }
}

/// A gateway, in whose words errors are.
struct OverHttp<W>(PhantomData<W>);

impl<W: Words> Language for OverHttp<W> {
    type Reply = Option<Response<Body>>;
    const PARTY: Party = Party::Gateway;

    fn connection_lost() -> Self::Reply {
        None
    }

    async fn timed_out() -> Self::Reply {
        std::future::pending().await
    }

    fn error() -> Self::Reply {
        Self::answer(500, &W::error())
    }

    fn throttled() -> Self::Reply {
        Self::answer(429, &W::throttled())
    }

    fn conflict(_: &str, _: &Bytes) -> Option<Self::Reply> {
        None
    }

    fn answer(status: u16, body: &Value) -> Self::Reply {
        let answer = Response::builder().status(status).header("content-type", "application/json");
        Some(answer.body(Body::from(body.to_string())).unwrap())
    }

    async fn other_amount(reply: Self::Reply) -> Self::Reply {
        let (parts, body) = reply?.into_parts();
        let bytes = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        let mut value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        raise(&mut value);
        Some(Response::from_parts(parts, Body::from(value.to_string())))
    }
}

/// One more in every amount, wherever it stands.
fn raise(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value.as_i64(), value.as_str()) {
                    ("amount" | "amount_received", Some(amount), _) => *value = json!(amount + 1),
                    // A decimal: one more in front is another amount, whatever follows.
                    ("value" | "amount", _, Some(amount)) => *value = json!(format!("1{amount}")),
                    _ => raise(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(raise),
        _ => {}
    }
}
