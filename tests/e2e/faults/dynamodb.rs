//! The wire to DynamoDB, inside the SDK's HTTP client.

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use serde_json::{Value, json};

use super::wire::{Language, Party, Wire};

/// An HTTP client for the SDK whose calls go over the wire.
pub fn http_client(wire: &Wire) -> SharedHttpClient {
    let real = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
    SharedHttpClient::new(Client { wire: wire.clone(), real })
}

struct Client {
    wire: Wire,
    real: SharedHttpClient,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let real = self.real.http_connector(settings, components);
        SharedHttpConnector::new(Connector { wire: self.wire.clone(), real })
    }
}

struct Connector {
    wire: Wire,
    real: SharedHttpConnector,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let (wire, real) = (self.wire.clone(), self.real.clone());
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
            let operation = target.split('.').next_back().unwrap_or_default().to_owned();
            let body = without_token(&mut request);
            wire.pass::<DynamoDb>(&operation, &body, async move { real.call(request).await }).await
        })
    }
}

/// DynamoDB forgets a transaction's token after ten minutes: what a commit knows of itself must not hang on it.
fn without_token(request: &mut HttpRequest) -> Bytes {
    let sent = Bytes::copy_from_slice(request.body().bytes().unwrap_or_default());
    let Ok(mut body) = serde_json::from_slice::<Value>(&sent) else { return sent };
    if body.as_object_mut().and_then(|members| members.remove("ClientRequestToken")).is_none() {
        return sent;
    }
    let body = body.to_string();
    request.headers_mut().insert("content-length", body.len().to_string());
    *request.body_mut() = SdkBody::from(body.clone());
    body.into()
}

struct DynamoDb;

impl Language for DynamoDb {
    type Reply = Result<HttpResponse, ConnectorError>;
    const PARTY: Party = Party::DynamoDb;

    fn connection_lost() -> Self::Reply {
        Err(ConnectorError::io("injected: the connection broke".into()))
    }

    async fn timed_out() -> Self::Reply {
        Err(ConnectorError::timeout("injected: no answer in time".into()))
    }

    fn error() -> Self::Reply {
        failure(500, "InternalServerError", &json!({}))
    }

    fn throttled() -> Self::Reply {
        failure(400, "ThrottlingException", &json!({}))
    }

    fn conflict(name: &str, body: &Bytes) -> Option<Self::Reply> {
        if name != "TransactWriteItems" {
            return None;
        }
        let request: Value = serde_json::from_slice(body).unwrap();
        let writes = request["TransactItems"].as_array().unwrap().len();
        let mut reasons = vec![json!({ "Code": "None" }); writes];
        reasons[writes - 1] =
            json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" });
        Some(failure(400, "TransactionCanceledException", &json!({ "CancellationReasons": reasons })))
    }

    fn answer(status: u16, body: &Value) -> Self::Reply {
        Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string())))
    }

    async fn other_amount(reply: Self::Reply) -> Self::Reply {
        reply
    }
}

fn failure(status: u16, code: &str, more: &Value) -> Result<HttpResponse, ConnectorError> {
    let mut body = json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "injected" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    DynamoDb::answer(status, &body)
}
