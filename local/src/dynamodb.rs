//! DynamoDB inside this process: the engine `dynoxide`, over HTTP as the AWS SDK speaks it.

use std::path::Path;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use dynoxide::{Database, DynoxideError};
use shared::app;
use tokio::net::TcpListener;

/// A running DynamoDB. It serves until the process ends.
#[derive(Clone, Debug)]
pub struct DynamoDb {
    endpoint: String,
    shared: bool,
}

/// Why DynamoDB did not start.
#[derive(Debug, thiserror::Error)]
pub enum DynamoDbError {
    /// The database could not be opened.
    #[error("the local DynamoDB could not open its data: {0}")]
    Open(#[from] DynoxideError),
    /// The listener has no address.
    #[error("the local DynamoDB has no address: {0}")]
    Address(#[from] std::io::Error),
}

impl DynamoDb {
    /// Serves on `listener`, with the data in `file` or, without one, in memory.
    ///
    /// # Errors
    /// When the file can't be opened or the listener has no address.
    pub fn start(listener: TcpListener, file: Option<&Path>) -> Result<Self, DynamoDbError> {
        let database = match file {
            Some(file) => Database::new(&file.to_string_lossy())?,
            None => Database::memory()?,
        };
        let endpoint = format!("http://{}", listener.local_addr()?);
        tokio::spawn(dynoxide::server::serve_on(listener, database));
        Ok(Self { endpoint, shared: false })
    }

    /// Another engine, which runs elsewhere and may serve others too.
    #[must_use]
    pub fn at(endpoint: String) -> Self {
        Self { endpoint, shared: true }
    }

    /// Whether others use it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// The URL for `AWS_ENDPOINT_URL_DYNAMODB`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A client for it. The engine takes any credentials.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::from_conf(self.config().build())
    }

    /// A client for it that sends through `http`.
    #[must_use]
    pub fn client_through(&self, http: SharedHttpClient) -> Client {
        Client::from_conf(self.config().http_client(http).build())
    }

    fn config(&self) -> aws_sdk_dynamodb::config::Builder {
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .retry_config(app::retries())
            .timeout_config(app::timeouts())
            .endpoint_url(&self.endpoint)
    }
}
