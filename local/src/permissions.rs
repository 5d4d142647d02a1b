//! What each function may do in DynamoDB and Secrets Manager: what its policy in the template says, and no more.
//!
//! In AWS IAM refuses the rest; here the HTTP client of the function's own SDK does, and keeps what was used. So a
//! missing permission shows on a laptop, and one that nothing uses in a test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use crate::template::{Grant, Template};

/// What one function may do, and what it has done; clones are the same.
#[derive(Clone, Debug)]
pub struct Permissions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    function: String,
    granted: BTreeSet<Grant>,
    used: Mutex<BTreeSet<Grant>>,
    /// The tables' names in the template by those in AWS.
    tables: BTreeMap<String, String>,
}

impl Permissions {
    /// Of the function in `folder`, in the stack called `stack`.
    #[must_use]
    pub fn of(template: &Template, folder: &str, stack: &str) -> Self {
        let function = template.functions.iter().find(|function| function.folder == folder);
        let granted = function.map(|function| function.grants.iter().cloned().collect()).unwrap_or_default();
        let tables = template.tables.iter().map(|table| (table.name(stack), table.logical_id.clone())).collect();
        Self(Arc::new(Inner { function: folder.to_owned(), granted, used: Mutex::default(), tables }))
    }

    /// What is granted and was not used so far.
    #[must_use]
    pub fn unused(&self) -> Vec<Grant> {
        let used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.granted.difference(&used).cloned().collect()
    }

    /// An HTTP client for the function's SDK; what is permitted goes through `real`, or over the network.
    #[must_use]
    pub fn http_client(&self, real: Option<SharedHttpClient>) -> SharedHttpClient {
        let real = real.unwrap_or_else(|| {
            let tls = Provider::Rustls(CryptoMode::AwsLc);
            aws_smithy_http_client::Builder::new().tls_provider(tls).build_https()
        });
        SharedHttpClient::new(Guarded { permissions: self.clone(), real })
    }

    /// Notes that it is used; `Err`: what it may not do.
    fn take(&self, wanted: Vec<Grant>) -> Result<(), Grant> {
        let mut used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        // A request that is not understood needs what nobody has.
        let wanted =
            if wanted.is_empty() { vec![Grant::new("an unknown request", "an unknown resource")] } else { wanted };
        for grant in wanted {
            if !self.0.granted.contains(&grant) {
                return Err(grant);
            }
            used.insert(grant);
        }
        Ok(())
    }

    /// What a request needs.
    fn needed(&self, target: &str, body: &Value) -> Vec<Grant> {
        let (service, operation) = target.split_once('.').unwrap_or_default();
        if service == "secretsmanager" {
            let action = format!("secretsmanager:{operation}");
            // `CreateSecret` calls it by its name to be.
            let secret = body.get("SecretId").or(body.get("Name")).and_then(Value::as_str).unwrap_or_default();
            let granted =
                self.0.granted.iter().filter(|grant| grant.action == action && is_of(&grant.resource, secret));
            let granted: Vec<_> = granted.cloned().collect();
            // By its ARN if it is there, by its name if not: whoever asks does not know.
            let is_either = granted.len() == 2 || granted.iter().any(|grant| grant.resource.ends_with('*'));
            return if is_either { granted } else { vec![Grant::new(&action, secret)] };
        }
        let on = |action: &str, table: &str| {
            let table = self.0.tables.get(table).map_or(table, String::as_str);
            Grant::new(&format!("dynamodb:{action}"), table)
        };
        let name = |value: &Value| value.get("TableName").and_then(Value::as_str).unwrap_or_default().to_owned();
        match operation {
            "BatchGetItem" => {
                let tables = body.get("RequestItems").and_then(Value::as_object);
                tables.into_iter().flatten().map(|(table, _)| on(operation, table)).collect()
            }
            // A transaction needs the permission for each of its parts.
            "TransactWriteItems" => {
                let items = body.get("TransactItems").and_then(Value::as_array);
                let parts = items.into_iter().flatten().filter_map(Value::as_object).flatten();
                parts
                    .map(|(part, write)| {
                        let action =
                            if part == "ConditionCheck" { "ConditionCheckItem" } else { &format!("{part}Item") };
                        on(action, &name(write))
                    })
                    .collect()
            }
            _ => {
                let mut grant = on(operation, &name(body));
                if let Some(index) = body.get("IndexName").and_then(Value::as_str) {
                    grant.resource.push_str(&format!("/index/{index}"));
                }
                vec![grant]
            }
        }
    }
}

/// Whether a secret's ARN, which is its name and six random characters, or its name alone has the form of a granted
/// resource.
fn is_of(resource: &str, secret: &str) -> bool {
    let form = resource.split_once(":secret:${SecretsPrefix}").map(|(_, form)| form.trim_end_matches("-??????"));
    let (Some(form), Some(secret)) = (form, secret.strip_prefix(PREFIX)) else { return false };
    let (form, secret): (Vec<&str>, Vec<&str>) = (form.split('/').collect(), secret.split('/').collect());
    form.len() == secret.len()
        && form.iter().zip(&secret).all(|(form, part)| *form == *part || (*form == "*" && !part.is_empty()))
}

/// The secrets' prefix, which no local stack sets otherwise.
const PREFIX: &str = "passerelle";

#[derive(Debug)]
struct Guarded {
    permissions: Permissions,
    real: SharedHttpClient,
}

impl HttpClient for Guarded {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let real = self.real.http_connector(settings, components);
        SharedHttpConnector::new(Connector { permissions: self.permissions.clone(), real })
    }
}

#[derive(Debug)]
struct Connector {
    permissions: Permissions,
    real: SharedHttpConnector,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        match self.permissions.take(self.permissions.needed(&target, &body)) {
            Ok(()) => self.real.call(request),
            Err(grant) => HttpConnectorFuture::ready(Ok(self.refused(&grant))),
        }
    }
}

impl Connector {
    /// As both services say it.
    fn refused(&self, grant: &Grant) -> HttpResponse {
        let function = &self.permissions.0.function;
        let message =
            format!("the function {function} is not authorized to perform {} on {}", grant.action, grant.resource);
        tracing::error!("{message}");
        let body = json!({ "__type": "com.amazon.coral.service#AccessDeniedException", "message": message });
        let status = aws_smithy_runtime_api::http::StatusCode::try_from(400_u16);
        let body = SdkBody::from(body.to_string());
        HttpResponse::new(status.unwrap_or_else(|_| unreachable!("400 is a status")), body)
    }
}
