//! Something that stands between the functions and DynamoDB or Stripe, counts calls, and breaks some of them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use axum::body::{Body, Bytes};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Collected};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller dies before the call is made.
    KillBefore,
    /// The call is executed, then the caller dies.
    KillAfter,
    /// The connection is dropped before the call arrives.
    NothingReached,
    /// The call is executed and its answer lost.
    ReplyLost,
    /// 500 before anything is executed.
    ErrorBefore,
    /// The call is executed, and answered 500.
    ErrorAfter,
    /// Throttled; nothing is executed.
    Throttled,
    /// A transaction that met another one; nothing is executed. Other calls pass.
    Conflict,
}

/// A proxy. Clones share its plan.
#[derive(Clone)]
pub struct Proxy {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: OnceLock<String>,
    http: reqwest::Client,
    state: Mutex<State>,
    killed: Notify,
}

#[derive(Default)]
struct State {
    /// Calls since the plan was made, by what they do.
    calls: BTreeMap<String, u32>,
    count: u32,
    /// Faults by the number of the call, counted from 1.
    plan: BTreeMap<u32, Fault>,
}

impl Proxy {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            upstream: OnceLock::new(),
            http: reqwest::Client::new(),
            state: Mutex::default(),
            killed: Notify::new(),
        });
        let proxy = Self { url, shared };
        tokio::spawn(proxy.clone().serve(listener));
        proxy
    }

    /// Where calls go on to.
    pub fn forward_to(&self, upstream: &str) {
        self.shared.upstream.set(upstream.to_owned()).unwrap();
    }

    /// Counts from one again, with these faults.
    pub fn plan(&self, plan: impl IntoIterator<Item = (u32, Fault)>) {
        *self.shared.state.lock().unwrap() = State { plan: plan.into_iter().collect(), ..State::default() };
    }

    /// The calls since the plan was made, by DynamoDB's operation or Stripe's method and path.
    pub fn calls(&self) -> BTreeMap<String, u32> {
        self.shared.state.lock().unwrap().calls.clone()
    }

    /// Waits until a caller is to die.
    pub async fn killed(&self) {
        self.shared.killed.notified().await;
    }

    async fn serve(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let proxy = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let proxy = proxy.clone();
                    async move { proxy.call(request).await.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset)) }
                });
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    /// `None`: the connection is dropped without an answer.
    async fn call(&self, request: Request<Incoming>) -> Option<Response<Body>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        let operation = parts
            .headers
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok()?.split('.').nth(1).map(str::to_owned));
        let is_dynamodb = operation.is_some();
        let name = operation.unwrap_or_else(|| format!("{} {}", parts.method, parts.uri.path()));
        let fault = {
            let mut state = self.shared.state.lock().unwrap();
            *state.calls.entry(name.clone()).or_default() += 1;
            state.count += 1;
            let count = state.count;
            state.plan.remove(&count)
        };
        match fault {
            Some(Fault::KillBefore) => self.kill().await,
            Some(Fault::NothingReached) => return None,
            Some(Fault::ErrorBefore) => return Some(error(500, "InternalServerError", is_dynamodb)),
            Some(Fault::Throttled) if is_dynamodb => return Some(error(400, "ThrottlingException", true)),
            Some(Fault::Throttled) => return Some(error(429, "rate_limit", false)),
            Some(Fault::Conflict) if name == "TransactWriteItems" => return Some(conflict(&body)),
            _ => {}
        }
        let answer = self.pass_on(&parts, body).await;
        match fault {
            Some(Fault::KillAfter) => self.kill().await,
            Some(Fault::ReplyLost) => None,
            Some(Fault::ErrorAfter) => Some(error(500, "InternalServerError", is_dynamodb)),
            _ => answer,
        }
    }

    /// The caller dies: it hears nothing any more.
    async fn kill<T>(&self) -> T {
        self.shared.killed.notify_one();
        std::future::pending().await
    }

    async fn pass_on(&self, parts: &http::request::Parts, body: Bytes) -> Option<Response<Body>> {
        let url = format!("{}{}", self.shared.upstream.get()?, parts.uri.path_and_query()?);
        let mut headers: HeaderMap = parts.headers.clone();
        headers.remove("host");
        let sent = self.shared.http.request(parts.method.clone(), url).headers(headers).body(body).send().await.ok()?;
        let mut answer = Response::builder().status(sent.status());
        for (name, value) in
            sent.headers().iter().filter(|(name, _)| *name != "transfer-encoding" && *name != "connection")
        {
            answer = answer.header(name, value);
        }
        Some(answer.body(Body::from(sent.bytes().await.ok()?)).unwrap())
    }
}

fn error(status: u16, code: &str, is_dynamodb: bool) -> Response<Body> {
    let body = if is_dynamodb {
        json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "injected" })
    } else {
        json!({ "error": { "type": "api_error", "code": code, "message": "injected" } })
    };
    let kind = if is_dynamodb { "application/x-amz-json-1.0" } else { "application/json" };
    Response::builder().status(status).header("content-type", kind).body(Body::from(body.to_string())).unwrap()
}

/// A transaction canceled because another one was under way on its last item.
fn conflict(body: &[u8]) -> Response<Body> {
    let request: serde_json::Value = serde_json::from_slice(body).unwrap();
    let writes = request["TransactItems"].as_array().unwrap().len();
    let mut reasons = vec![json!({ "Code": "None" }); writes];
    reasons[writes - 1] = json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" });
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons [TransactionConflict]",
        "CancellationReasons": reasons,
    });
    let answer = Response::builder().status(400).header("content-type", "application/x-amz-json-1.0");
    answer.body(Body::from(body.to_string())).unwrap()
}
