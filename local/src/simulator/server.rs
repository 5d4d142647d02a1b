//! HTTP for simulators, with connections that break off without an answer.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;

use axum::body::{Body, Bytes};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::delivery::{Delivery, Post};
use super::fault::{Kind, Switches};

/// Where faults are switched on from outside; no path of a gateway begins like this.
pub(crate) const FAULTS: &str = "/_faults";
/// Where the delivery of events is set.
pub(crate) const DELIVERY: &str = "/_delivery";

/// What goes back; `None`: the connection is dropped.
pub(crate) type Reply = Option<Response<Body>>;

/// A simulator, as its server sees it. Clones share their state.
pub(crate) trait Simulator: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, request: &Parts, body: Bytes) -> impl Future<Output = Reply> + Send;
}

/// Serves until the process ends.
pub(crate) async fn serve(simulator: impl Simulator, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let simulator = simulator.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let simulator = simulator.clone();
                async move {
                    // A task of its own: what has arrived is executed to its end even if the client hangs up.
                    let reply = tokio::spawn(async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                        simulator.answer(&parts, body).await
                    });
                    // An error ends the connection before a byte of an answer is written.
                    reply.await.ok().flatten().ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset))
                }
            });
            // A client that hangs up, and a reply that is lost on purpose, both end here.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Parameters of a query or a form, by name.
pub(crate) fn parameters(text: &str) -> BTreeMap<String, String> {
    let Ok(mut url) = reqwest::Url::parse("query:/") else { return BTreeMap::new() };
    url.set_query(Some(text));
    url.query_pairs().into_owned().collect()
}

impl Switches {
    /// Switches a fault on (POST), or all of them off (DELETE). A fault that names no path meets those that begin
    /// with `path`.
    pub fn switch(&mut self, verb: &Method, body: &[u8], path: &str) -> Response<Body> {
        let (status, answer) = match *verb {
            Method::DELETE => {
                self.clear();
                (StatusCode::OK, json!({ "faults": 0 }))
            }
            Method::POST => match read_fault(body, path) {
                Ok(fault) => {
                    self.add(fault);
                    (StatusCode::OK, json!({ "faults": self.count() }))
                }
                Err(error) => (StatusCode::BAD_REQUEST, json!({ "error": error.to_string() })),
            },
            _ => (StatusCode::METHOD_NOT_ALLOWED, json!({ "error": "POST a fault, or DELETE all of them" })),
        };
        switched(status, &answer)
    }
}

fn read_fault(body: &[u8], path: &str) -> serde_json::Result<super::fault::Fault> {
    let mut fault: Value = serde_json::from_slice(body)?;
    if let Some(members) = fault.as_object_mut() {
        members.entry("path").or_insert_with(|| json!(path));
    }
    serde_json::from_value(fault)
}

impl Post {
    /// Sets how events are delivered (POST), or sets it back (DELETE).
    pub fn switch(&mut self, verb: &Method, body: &[u8]) -> Response<Body> {
        let wanted = match *verb {
            Method::DELETE => Ok(Delivery::default()),
            Method::POST => serde_json::from_slice(body).map_err(|error| error.to_string()),
            _ => return switched(StatusCode::METHOD_NOT_ALLOWED, &json!({ "error": "POST a delivery, or DELETE it" })),
        };
        match wanted {
            Ok(delivery) => {
                self.how = delivery;
                switched(StatusCode::OK, &json!({}))
            }
            Err(error) => switched(StatusCode::BAD_REQUEST, &json!({ "error": error })),
        }
    }
}

/// An answer of the simulator's own.
fn switched(status: StatusCode, answer: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.to_string()));
    *response.status_mut() = status;
    response
}

/// What happens to an answer on its way; `change` shows another amount in it.
pub(crate) async fn on_its_way(
    reply: Response<Body>,
    fault: Option<Kind>,
    change: impl FnOnce(&mut Value) + Send,
) -> Reply {
    match fault {
        Some(Kind::ReplyLost) => None,
        Some(Kind::Unreadable) => Some(Response::new(Body::from("<html>gateway time-out</html>"))),
        Some(Kind::OtherAmount) => {
            let (parts, body) = reply.into_parts();
            let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let mut value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            change(&mut value);
            Some(Response::from_parts(parts, Body::from(value.to_string())))
        }
        _ => Some(reply),
    }
}
