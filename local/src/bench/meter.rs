//! Counts calls to DynamoDB and what they consume, inside the SDK's HTTP client.
//!
//! Each request is sent with `ReturnConsumedCapacity`; the local engine does not look at signatures.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;
use serde_json::{Value, json};

/// What was consumed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub calls: u64,
    /// From sending a request to having read its answer, of all calls together.
    pub time: Duration,
    /// Tenths of capacity units.
    pub write_tenths: u64,
    pub read_tenths: u64,
}

/// Counts; clones count together.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(Arc<Mutex<Cost>>);

impl Meter {
    pub fn cost(&self) -> Cost {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Cost::default();
    }

    /// An HTTP client for the SDK that counts.
    pub fn http_client(&self) -> SharedHttpClient {
        let tls = Provider::Rustls(CryptoMode::AwsLc);
        let real = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
        SharedHttpClient::new(Metered { meter: self.clone(), real })
    }

    fn count(&self, writes: bool, took: Duration, answer: &Value) {
        let tenths: u64 = answer
            .get("ConsumedCapacity")
            .map(|consumed| consumed.as_array().cloned().unwrap_or_else(|| vec![consumed.clone()]))
            .unwrap_or_default()
            .iter()
            .filter_map(|table| tenths(table.get("CapacityUnits")?))
            .sum();
        let mut cost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cost.calls += 1;
        cost.time += took;
        if writes {
            cost.write_tenths += tenths;
        } else {
            cost.read_tenths += tenths;
        }
    }
}

/// A decimal number such as `4.5` in tenths, without a float.
fn tenths(number: &Value) -> Option<u64> {
    let text = number.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, "0"));
    let tenth = part.get(..1).unwrap_or("0");
    Some(whole.parse::<u64>().ok()? * 10 + tenth.parse::<u64>().ok()?)
}

#[derive(Debug)]
struct Metered {
    meter: Meter,
    real: SharedHttpClient,
}

impl HttpClient for Metered {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let real = self.real.http_connector(settings, components);
        SharedHttpConnector::new(Connector { meter: self.meter.clone(), real })
    }
}

#[derive(Debug)]
struct Connector {
    meter: Meter,
    real: SharedHttpConnector,
}

impl HttpConnector for Connector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let (meter, real) = (self.meter.clone(), self.real.clone());
        HttpConnectorFuture::new(async move {
            let reads = |target: &str| ["Get", "Query", "Scan"].iter().any(|name| target.contains(name));
            let writes = request.headers().get("x-amz-target").is_some_and(|target| !reads(target));
            let mut body: Value =
                serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
            if let Some(members) = body.as_object_mut() {
                members.insert("ReturnConsumedCapacity".to_owned(), json!("INDEXES"));
            }
            let body = body.to_string();
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = SdkBody::from(body);
            let sent = Instant::now();
            let mut response = real.call(request).await?;
            let bytes = response.take_body().collect().await.map_err(ConnectorError::io)?.to_bytes();
            meter.count(writes, sent.elapsed(), &serde_json::from_slice(&bytes).unwrap_or_default());
            *response.body_mut() = SdkBody::from(bytes);
            Ok(response)
        })
    }
}
