//! A client of the API, as small as one can be: for seeds, the demo and tests.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// Calls the API in somebody's name.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
    watch: Option<Watch>,
}

/// Sees every answer: to which method and path, and what.
pub type Watch = fn(&Method, &str, &Answer);

/// What the API answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null where there was none.
    pub body: Value,
}

impl Answer {
    /// The problem's code, if it is one.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body.get("code").and_then(Value::as_str).unwrap_or_default()
    }

    /// The codes of all errors in a problem, in their order.
    #[must_use]
    pub fn codes(&self) -> Vec<&str> {
        let errors = self.body.get("errors").and_then(Value::as_array);
        errors.into_iter().flatten().filter_map(|error| error.get("code")?.as_str()).collect()
    }
}

/// No answer.
#[derive(Debug, thiserror::Error)]
#[error("the API did not answer {method} {path}")]
pub struct NoAnswer {
    method: Method,
    path: String,
    #[source]
    source: reqwest::Error,
}

impl Client {
    /// For the API at `base`, with a token.
    #[must_use]
    pub fn new(http: reqwest::Client, base: &str, token: String) -> Self {
        Self { http, base: base.to_owned(), token, watch: None }
    }

    /// With somebody who sees every answer.
    #[must_use]
    pub fn watched(self, watch: Watch) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// Sends one request; `key` becomes its Idempotency-Key.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, NoAnswer> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let no_answer = |source| NoAnswer { method: method.clone(), path: path.to_owned(), source };
        let response = request.send().await.map_err(no_answer)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.map_err(no_answer)?;
        let answer = Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) };
        if let Some(watch) = self.watch {
            watch(&method, path, &answer);
        }
        Ok(answer)
    }

    /// GET.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn get(&self, path: &str) -> Result<Answer, NoAnswer> {
        self.send(Method::GET, path, None, None).await
    }

    /// POST.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, NoAnswer> {
        self.send(Method::POST, path, None, Some(body)).await
    }

    /// PUT.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer, NoAnswer> {
        self.send(Method::PUT, path, None, Some(body)).await
    }
}
