//! A gate on the way to DynamoDB: it holds one request, or its answer, while the test does something else.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use tokio::sync::Notify;

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The request, before DynamoDB has it.
    Request,
    /// What DynamoDB has answered.
    Answer,
}

/// Clones are one gate.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<State>);

#[derive(Debug, Default)]
struct State {
    armed: Mutex<Option<(Held, &'static [&'static str])>>,
    reached: Notify,
    opened: Notify,
}

impl Gate {
    /// What the stack is to reach DynamoDB with.
    pub fn http_client(&self) -> SharedHttpClient {
        let tls = Provider::Rustls(CryptoMode::AwsLc);
        let real = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
        let gate = self.clone();
        http_client_fn(move |settings, components| {
            let real = real.http_connector(settings, components);
            SharedHttpConnector::new(Gated { gate: gate.clone(), real })
        })
    }

    /// Holds the next request that has all these texts in its body.
    pub fn arm(&self, held: Held, texts: &'static [&'static str]) {
        *self.0.armed.lock().unwrap() = Some((held, texts));
    }

    /// Whether nothing that it waits for has come.
    pub fn is_armed(&self) -> bool {
        self.0.armed.lock().unwrap().is_some()
    }

    /// Waits until something is held.
    pub async fn reached(&self) {
        self.0.reached.notified().await;
    }

    /// Lets it through.
    pub fn open(&self) {
        self.0.opened.notify_one();
    }

    async fn pass(&self, here: Held, body: &str) {
        let is_held =
            |(held, texts): &mut (Held, &[&str])| *held == here && texts.iter().all(|text| body.contains(text));
        if self.0.armed.lock().unwrap().take_if(is_held).is_some() {
            self.0.reached.notify_one();
            self.0.opened.notified().await;
        }
    }
}

#[derive(Debug)]
struct Gated {
    gate: Gate,
    real: SharedHttpConnector,
}

impl HttpConnector for Gated {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let (gate, real) = (self.gate.clone(), self.real.clone());
        HttpConnectorFuture::new(async move {
            gate.pass(Held::Request, &body).await;
            let answer = real.call(request).await;
            gate.pass(Held::Answer, &body).await;
            answer
        })
    }
}
