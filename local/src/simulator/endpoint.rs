//! A webhook's receiver, for tests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

pub(crate) type Arrived = Vec<(HeaderMap, Bytes)>;

/// A server that fails the first so many requests.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    arrived: Arc<Mutex<Arrived>>,
}

impl Endpoint {
    pub(crate) async fn start(failures: usize) -> Self {
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&arrived);
        let router = Router::new().fallback(async move |headers: HeaderMap, body: Bytes| {
            let mut seen = seen.lock().unwrap();
            seen.push((headers, body));
            if seen.len() <= failures { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, arrived }
    }

    /// Waits until so much has arrived, and a little longer, that what is too much shows.
    pub(crate) async fn arrived(&self, count: usize) -> Arrived {
        let enough = async {
            while self.arrived.lock().unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), enough).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.arrived.lock().unwrap().clone()
    }
}
