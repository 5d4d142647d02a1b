//! Secrets Manager inside this process, in its own protocol (JSON 1.1): get, create, put and delete.
//!
//! Values live in memory, and in one file when the local stack keeps its data. They show up in no log and no `Debug`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, fs, io};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderName, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

const ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:";
const CONTENT: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "application/x-amz-json-1.1")];

/// The secrets of the local stack. Clones share them.
#[derive(Clone, Default)]
pub struct SecretsManager {
    file: Option<PathBuf>,
    vault: Arc<Mutex<Vault>>,
}

#[derive(Default)]
struct Vault {
    secrets: BTreeMap<String, Secret>,
    reads: BTreeMap<String, u64>,
    writes: BTreeMap<String, u64>,
    failures: u32,
    throttled: u32,
}

#[derive(Serialize, Deserialize)]
struct Secret {
    value: String,
    version: String,
    /// Deleted, but restorable for some days: it can't be read and its name is not free.
    marked: bool,
}

impl Secret {
    fn new(value: String) -> Self {
        Self { value, version: Uuid::new_v4().to_string(), marked: false }
    }
}

/// The inputs of all operations; each reads its own.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    /// A name or an ARN. `CreateSecret` calls it `Name`.
    #[serde(alias = "Name")]
    secret_id: String,
    secret_string: Option<String>,
    #[serde(default)]
    force_delete_without_recovery: bool,
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("Secrets Manager can't find the specified secret.")]
    ResourceNotFoundException,
    #[error("The operation failed because the secret {0} already exists.")]
    ResourceExistsException(String),
    #[error("You can't perform this operation on the secret because it was marked for deletion.")]
    InvalidRequestException,
    #[error("The request is not valid: {0}")]
    ValidationException(#[from] serde_json::Error),
    #[error("Rate exceeded")]
    ThrottlingException,
    #[error("This local Secrets Manager has no operation {0}.")]
    UnknownOperationException(String),
    #[error("The secrets could not be kept: {0}")]
    InternalServiceError(#[from] io::Error),
}

impl SecretsManager {
    /// One that keeps its secrets, unencrypted, in `file`, and begins with those that are there.
    ///
    /// # Errors
    /// When the file is there but can't be read.
    pub fn in_file(file: PathBuf) -> io::Result<Self> {
        let secrets = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        let vault = Vault { secrets, ..Vault::default() };
        Ok(Self { file: Some(file), vault: Arc::new(Mutex::new(vault)) })
    }

    /// Sets a secret, whatever it was before.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn put(&self, name: &str, value: &Value) -> io::Result<()> {
        let mut vault = self.vault();
        vault.secrets.insert(name.to_owned(), Secret::new(value.to_string()));
        self.save(&vault)
    }

    /// Sets a secret unless there is one.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn add(&self, name: &str, value: &Value) -> io::Result<()> {
        let mut vault = self.vault();
        vault.secrets.entry(name.to_owned()).or_insert_with(|| Secret::new(value.to_string()));
        self.save(&vault)
    }

    /// Deletes a secret in the usual way: it is marked, and no longer to be had.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn delete(&self, name: &str) -> io::Result<()> {
        let mut vault = self.vault();
        if let Some(secret) = vault.secrets.get_mut(name) {
            secret.marked = true;
        }
        self.save(&vault)
    }

    /// How often `name` was asked for with `GetSecretValue`.
    #[must_use]
    pub fn reads(&self, name: &str) -> u64 {
        self.vault().reads.get(name).copied().unwrap_or_default()
    }

    /// How often `CreateSecret` or `PutSecretValue` was called for `name`, whatever came of it.
    #[must_use]
    pub fn writes(&self, name: &str) -> u64 {
        self.vault().writes.get(name).copied().unwrap_or_default()
    }

    /// Answers the next `calls` calls with an internal error.
    pub fn fail_next(&self, calls: u32) {
        self.vault().failures = calls;
    }

    /// Refuses the next `calls` calls since there were too many.
    pub fn throttle_next(&self, calls: u32) {
        self.vault().throttled = calls;
    }

    /// Serves on `listener` for ever.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        axum::serve(listener, Router::new().route("/", post(answer)).with_state(self)).await
    }

    fn vault(&self) -> MutexGuard<'_, Vault> {
        self.vault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self, vault: &Vault) -> io::Result<()> {
        match &self.file {
            Some(file) => fs::write(file, serde_json::to_vec(&vault.secrets)?),
            None => Ok(()),
        }
    }

    fn call(&self, operation: &str, body: &[u8]) -> Result<Value, Fault> {
        let mut vault = self.vault();
        if vault.failures > 0 {
            vault.failures -= 1;
            return Err(io::Error::other("a failure was asked for").into());
        }
        if vault.throttled > 0 {
            vault.throttled -= 1;
            return Err(Fault::ThrottlingException);
        }
        let input: Input = serde_json::from_slice(body)?;
        let name = name_in(&input.secret_id);
        let output = match operation {
            "GetSecretValue" => return vault.get(name),
            "CreateSecret" => vault.create(name, input.secret_string.unwrap_or_default()),
            "PutSecretValue" => vault.update(name, input.secret_string.unwrap_or_default()),
            "DeleteSecret" => vault.delete(name, input.force_delete_without_recovery),
            other => return Err(Fault::UnknownOperationException(other.to_owned())),
        }?;
        self.save(&vault)?;
        Ok(output)
    }
}

impl fmt::Debug for SecretsManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsManager").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Vault {
    fn get(&mut self, name: &str) -> Result<Value, Fault> {
        *self.reads.entry(name.to_owned()).or_default() += 1;
        let secret = self.usable(name)?;
        Ok(json!({
            "ARN": arn(name),
            "Name": name,
            "SecretString": secret.value,
            "VersionId": secret.version,
            "VersionStages": ["AWSCURRENT"],
        }))
    }

    fn create(&mut self, name: &str, value: String) -> Result<Value, Fault> {
        *self.writes.entry(name.to_owned()).or_default() += 1;
        match self.secrets.get(name) {
            Some(secret) if secret.marked => Err(Fault::InvalidRequestException),
            Some(_) => Err(Fault::ResourceExistsException(name.to_owned())),
            None => {
                let secret = self.secrets.entry(name.to_owned()).or_insert(Secret::new(value));
                Ok(json!({ "ARN": arn(name), "Name": name, "VersionId": secret.version }))
            }
        }
    }

    fn update(&mut self, name: &str, value: String) -> Result<Value, Fault> {
        *self.writes.entry(name.to_owned()).or_default() += 1;
        let secret = self.usable(name)?;
        *secret = Secret::new(value);
        Ok(json!({
            "ARN": arn(name),
            "Name": name,
            "VersionId": secret.version,
            "VersionStages": ["AWSCURRENT"],
        }))
    }

    /// Marks the secret; with `force` it is gone at once, and nothing to delete is no error.
    fn delete(&mut self, name: &str, force: bool) -> Result<Value, Fault> {
        if force {
            self.secrets.remove(name);
        } else {
            self.usable(name)?.marked = true;
        }
        Ok(json!({ "ARN": arn(name), "Name": name }))
    }

    fn usable(&mut self, name: &str) -> Result<&mut Secret, Fault> {
        match self.secrets.get_mut(name) {
            Some(secret) if secret.marked => Err(Fault::InvalidRequestException),
            Some(secret) => Ok(secret),
            None => Err(Fault::ResourceNotFoundException),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (status, kind) = match self {
            Self::ResourceNotFoundException => (StatusCode::BAD_REQUEST, "ResourceNotFoundException"),
            Self::ResourceExistsException(_) => (StatusCode::BAD_REQUEST, "ResourceExistsException"),
            Self::InvalidRequestException => (StatusCode::BAD_REQUEST, "InvalidRequestException"),
            Self::ValidationException(_) => (StatusCode::BAD_REQUEST, "ValidationException"),
            Self::ThrottlingException => (StatusCode::BAD_REQUEST, "ThrottlingException"),
            Self::UnknownOperationException(_) => (StatusCode::BAD_REQUEST, "UnknownOperationException"),
            Self::InternalServiceError(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalServiceError"),
        };
        (status, CONTENT, json!({ "__type": kind, "Message": self.to_string() }).to_string()).into_response()
    }
}

async fn answer(State(secrets): State<SecretsManager>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    match secrets.call(target.trim_start_matches("secretsmanager."), &body) {
        Ok(output) => (CONTENT, output.to_string()).into_response(),
        Err(fault) => fault.into_response(),
    }
}

/// The real one ends in a hyphen and six random characters; this suffix stands for them.
const ARN_SUFFIX: &str = "-LOCAL0";

fn arn(name: &str) -> String {
    format!("{ARN}{name}{ARN_SUFFIX}")
}

fn name_in(secret_id: &str) -> &str {
    secret_id.strip_prefix(ARN).and_then(|rest| rest.strip_suffix(ARN_SUFFIX)).unwrap_or(secret_id)
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::config::retry::RetryConfig;
    use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
    use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
    use aws_sdk_secretsmanager::{Client, Error};

    use super::*;

    const NAME: &str = "passerelle/acme/stripe";

    async fn client(secrets: &SecretsManager) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(secrets.clone().serve(listener));
        Client::from_conf(config.build())
    }

    async fn read(client: &Client, id: &str) -> Result<GetSecretValueOutput, Error> {
        client.get_secret_value().secret_id(id).send().await.map_err(Error::from)
    }

    #[tokio::test]
    async fn a_secret_is_created_read_changed_and_deleted() {
        let secrets = SecretsManager::default();
        let client = client(&secrets).await;
        let created = client.create_secret().name(NAME).secret_string("one").send().await.unwrap();
        let first = read(&client, NAME).await.unwrap();
        assert_eq!((first.name(), first.secret_string()), (Some(NAME), Some("one")));
        assert_eq!((first.arn(), first.version_id()), (created.arn(), created.version_id()));

        client.put_secret_value().secret_id(NAME).secret_string("two").send().await.unwrap();
        let second = read(&client, created.arn().unwrap()).await.unwrap();
        assert_eq!(second.secret_string(), Some("two"));
        assert_ne!(second.version_id(), first.version_id());

        let delete = client.delete_secret().secret_id(NAME).force_delete_without_recovery(true);
        delete.clone().send().await.unwrap();
        assert!(matches!(read(&client, NAME).await, Err(Error::ResourceNotFoundException(_))));
        delete.send().await.unwrap();
        assert_eq!(secrets.reads(NAME), 3);
        assert_eq!(secrets.reads("another"), 0);
    }

    #[tokio::test]
    async fn what_is_put_in_process_is_read_over_the_wire() {
        let secrets = SecretsManager::default();
        let client = client(&secrets).await;
        for key in ["sk_test_1", "sk_test_2"] {
            secrets.put(NAME, &json!({ "secret_key": key })).unwrap();
            let expected = json!({ "secret_key": key }).to_string();
            assert_eq!(read(&client, NAME).await.unwrap().secret_string(), Some(expected.as_str()));
        }
        assert!(!format!("{secrets:?}").contains("sk_test"));
    }

    #[tokio::test]
    async fn a_name_that_is_taken_or_unknown_is_refused() {
        let secrets = SecretsManager::default();
        let client = client(&secrets).await;
        secrets.put(NAME, &json!({})).unwrap();
        let create = client.create_secret().name(NAME).secret_string("x").send().await.map_err(Error::from);
        assert!(matches!(create, Err(Error::ResourceExistsException(_))));
        let put = client.put_secret_value().secret_id("other").secret_string("x").send().await.map_err(Error::from);
        assert!(matches!(put, Err(Error::ResourceNotFoundException(_))));
        let delete = client.delete_secret().secret_id("other").send().await.map_err(Error::from);
        assert!(matches!(delete, Err(Error::ResourceNotFoundException(_))));
    }

    #[tokio::test]
    async fn a_secret_marked_for_deletion_is_not_to_be_had_and_keeps_its_name() {
        let secrets = SecretsManager::default();
        let client = client(&secrets).await;
        secrets.put(NAME, &json!({})).unwrap();
        client.delete_secret().secret_id(NAME).send().await.unwrap();
        assert!(matches!(read(&client, NAME).await, Err(Error::InvalidRequestException(_))));
        let create = client.create_secret().name(NAME).secret_string("x").send().await.map_err(Error::from);
        assert!(matches!(create, Err(Error::InvalidRequestException(_))));
    }

    #[tokio::test]
    async fn failures_come_as_often_as_asked_for() {
        let secrets = SecretsManager::default();
        let client = client(&secrets).await;
        secrets.put(NAME, &json!({})).unwrap();
        secrets.fail_next(2);
        for _ in 0..2 {
            let error = client.get_secret_value().secret_id(NAME).send().await.unwrap_err();
            assert_eq!(error.raw_response().map(|response| response.status().as_u16()), Some(500));
            assert_eq!(error.code(), Some("InternalServiceError"));
        }
        assert!(read(&client, NAME).await.is_ok());
    }

    #[test]
    fn secrets_in_a_file_outlive_the_process() {
        let file = std::env::temp_dir().join(format!("passerelle-{}.json", Uuid::new_v4()));
        SecretsManager::in_file(file.clone()).unwrap().put(NAME, &json!({ "secret_key": "sk_test_1" })).unwrap();
        let again = SecretsManager::in_file(file.clone()).unwrap();
        assert!(again.vault().secrets[NAME].value.contains("sk_test_1"));
        fs::remove_file(file).unwrap();
    }
}
