//! Lambda's Runtime API, for one process of a function.
//!
//! Promises what a runtime relies on: an event waits until the process asks for it, has a deadline, and is answered
//! once. Dropped, it is gone with all its connections, as it is when Lambda takes a sandbox down.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{Response, StatusCode};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

/// The version that all paths begin with.
const VERSION: &str = "/2018-06-01/runtime";
/// What Lambda takes as an answer.
const MAX_ANSWER: usize = 6 * 1024 * 1024;

/// An invocation, or the start of a function, that ended in an error.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{error_type}: {error_message}")]
pub struct FunctionError {
    /// What kind of error.
    #[serde(default)]
    pub error_type: String,
    /// What is wrong.
    #[serde(default)]
    pub error_message: String,
}

type Answer = Result<Value, FunctionError>;

/// A running Runtime API.
#[derive(Debug)]
pub struct RuntimeApi {
    address: SocketAddr,
    events: mpsc::UnboundedSender<Event>,
    state: Arc<Shared>,
    /// The server; it ends with this.
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Event {
    id: String,
    deadline_ms: i64,
    payload: String,
}

#[derive(Debug)]
struct Shared {
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>,
    open: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    /// When the process first asked for an event, or why it could not start.
    started: watch::Sender<Option<Result<Instant, FunctionError>>>,
}

impl RuntimeApi {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (events, waiting) = mpsc::unbounded_channel();
        let state = Arc::new(Shared {
            waiting: tokio::sync::Mutex::new(waiting),
            open: Mutex::default(),
            started: watch::Sender::new(None),
        });
        let router = Router::new()
            .route(&format!("{VERSION}/invocation/next"), get(next))
            .route(&format!("{VERSION}/invocation/{{id}}/response"), post(response))
            .route(&format!("{VERSION}/invocation/{{id}}/error"), post(invocation_error))
            .route(&format!("{VERSION}/init/error"), post(init_error))
            .layer(DefaultBodyLimit::max(MAX_ANSWER))
            .with_state(state.clone());
        let mut server = JoinSet::new();
        server.spawn(serve(listener, router));
        Ok(Self { address, events, state, _server: server })
    }

    /// Where it is, for `AWS_LAMBDA_RUNTIME_API`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the process asks for its first event, which is the end of its start; when that was.
    ///
    /// # Errors
    /// What the process says that keeps it from starting.
    pub async fn ready(&self) -> Result<Instant, FunctionError> {
        let mut started = self.state.started.subscribe();
        // It can't end as long as `self` is there.
        let known = started.wait_for(Option::is_some).await.ok().and_then(|known| known.clone());
        known.unwrap_or_else(|| Err(timed_out("it never asked for an event")))
    }

    /// Has the process handle an event within `time`; what it answers.
    ///
    /// # Errors
    /// The error that it answers, or that the time is up.
    pub async fn invoke(&self, event: &Value, time: Duration) -> Answer {
        let id = Uuid::new_v4().to_string();
        let (answer, answered) = oneshot::channel();
        self.state.open().insert(id.clone(), answer);
        let deadline_ms = Clock::system().now().plus(time).millis();
        let event = Event { id: id.clone(), deadline_ms, payload: event.to_string() };
        let sent = self.events.send(event).is_ok();
        match tokio::time::timeout(time, answered).await {
            Ok(Ok(answer)) if sent => answer,
            _ => {
                self.state.open().remove(&id);
                Err(timed_out("it did not answer in time"))
            }
        }
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Answer>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, id: &str, answer: Answer) -> (StatusCode, Json<Value>) {
        let open = self.open().remove(id);
        if open.is_some_and(|open| open.send(answer).is_ok()) {
            return taken();
        }
        let error = json!({ "errorType": "InvalidRequestID", "errorMessage": "Invalid request ID" });
        (StatusCode::BAD_REQUEST, Json(error))
    }
}

/// Serves until it is dropped, and then nobody any more.
async fn serve(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, for instance: not at once again.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            // A process that is ended hangs up.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// The X-Ray trace that every event belongs to.
pub const TRACE: &str = "1-5759e988-bd862e3fe1be46a994272793";

async fn next(State(state): State<Arc<Shared>>) -> Result<Response<Body>, StatusCode> {
    state.started.send_if_modified(|started| {
        let first = started.is_none();
        started.get_or_insert_with(|| Ok(Instant::now()));
        first
    });
    let Some(event) = state.waiting.lock().await.recv().await else {
        // Nobody can send any more: the connection is about to end, without an answer.
        return std::future::pending().await;
    };
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", event.id)
        .header("lambda-runtime-deadline-ms", event.deadline_ms)
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:local")
        .header("lambda-runtime-trace-id", format!("Root={TRACE};Parent=53995c3f42cd8ad8;Sampled=0"))
        .body(event.payload.into());
    response.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn response(State(state): State<Arc<Shared>>, Path(id): Path<String>, body: String) -> impl IntoResponse {
    let answer = serde_json::from_str(&body).map_err(|error| FunctionError {
        error_type: "Runtime.MalformedResponse".to_owned(),
        error_message: error.to_string(),
    });
    state.answer(&id, answer)
}

async fn invocation_error(State(state): State<Arc<Shared>>, Path(id): Path<String>, body: String) -> impl IntoResponse {
    state.answer(&id, Err(read_error(&body)))
}

async fn init_error(State(state): State<Arc<Shared>>, body: String) -> impl IntoResponse {
    state.started.send_replace(Some(Err(read_error(&body))));
    taken()
}

fn read_error(body: &str) -> FunctionError {
    let unreadable = || FunctionError { error_type: "Runtime.Unknown".to_owned(), error_message: body.to_owned() };
    serde_json::from_str(body).unwrap_or_else(|_| unreadable())
}

fn timed_out(what: &str) -> FunctionError {
    FunctionError { error_type: "Sandbox.Timedout".to_owned(), error_message: what.to_owned() }
}

fn taken() -> (StatusCode, Json<Value>) {
    (StatusCode::ACCEPTED, Json(json!({ "status": "OK" })))
}
