//! The event that API Gateway or a function URL makes of a request (payload format 2.0), and the answer it makes of
//! a function's response.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::response::Response;
use data_encoding::BASE64;
use http::header::{CONTENT_TYPE, COOKIE, HOST, HeaderMap, SET_COOKIE, USER_AGENT};
use http::request::Parts;
use lambda_http::Body;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use shared::clock::Time;

use super::routes::PathParameters;
use crate::template::Route;
use crate::token::Claims;

/// How a request came to the function.
pub(super) enum Entry<'a> {
    /// By a route of the HTTP API, with a token.
    Route { route: &'a Route, path_parameters: &'a PathParameters, claims: &'a Claims },
    /// By the function's own URL, which asks for nothing.
    Url,
}

/// A request that has been let in.
pub(super) struct Admitted<'a> {
    pub(super) entry: Entry<'a>,
    pub(super) parts: &'a Parts,
    pub(super) body: &'a [u8],
    pub(super) source_ip: String,
    pub(super) request_id: &'a str,
    pub(super) time: Time,
}

impl Admitted<'_> {
    /// The event for the function. What a request lacks (a body, cookies, parameters) its event lacks too.
    pub(super) fn event(&self) -> Value {
        let (headers, uri) = (&self.parts.headers, &self.parts.uri);
        let (route_key, path, account_id) = match &self.entry {
            Entry::Route { route, .. } => (
                format!("{} {}", route.method, route.path),
                // API Gateway decodes the path of an HTTP API before the function sees it; a function URL does not.
                percent_decode_str(uri.path()).decode_utf8_lossy(),
                "000000000000",
            ),
            Entry::Url => ("$default".to_owned(), uri.path().into(), "anonymous"),
        };
        let domain_name = header(headers, HOST.as_str());
        let mut event = json!({
            "version": "2.0",
            "routeKey": route_key,
            "rawPath": path,
            "rawQueryString": uri.query().unwrap_or_default(),
            "headers": self.headers(),
            "requestContext": {
                "accountId": account_id,
                "apiId": "local",
                "domainName": domain_name,
                "domainPrefix": domain_name.split('.').next(),
                "http": {
                    "method": self.parts.method.as_str(),
                    "path": path,
                    "protocol": format!("{:?}", self.parts.version),
                    "sourceIp": self.source_ip,
                    "userAgent": header(headers, USER_AGENT.as_str()),
                },
                "requestId": self.request_id,
                "routeKey": route_key,
                "stage": "$default",
                "time": self.common_log_time(),
                "timeEpoch": self.time.millis(),
            },
            "isBase64Encoded": false,
        });
        if let Entry::Route { claims, .. } = &self.entry
            && let Some(context) = event.get_mut("requestContext").and_then(Value::as_object_mut)
        {
            let claims: BTreeMap<&String, String> = claims.iter().map(|(name, value)| (name, text(value))).collect();
            context.insert("authorizer".to_owned(), json!({ "jwt": { "claims": claims, "scopes": null } }));
        }
        let mut add = |name: &str, value: Value| {
            if let Some(event) = event.as_object_mut() {
                event.insert(name.to_owned(), value);
            }
        };
        let cookies = header(headers, COOKIE.as_str());
        if !cookies.is_empty() {
            add("cookies", cookies.split(';').map(str::trim).collect());
        }
        let query = self.query();
        if !query.is_empty() {
            add("queryStringParameters", json!(query));
        }
        if let Entry::Route { path_parameters, .. } = &self.entry
            && !path_parameters.is_empty()
        {
            add("pathParameters", json!(path_parameters));
        }
        match std::str::from_utf8(self.body) {
            Ok("") => {}
            Ok(text) if is_text(&header(headers, CONTENT_TYPE.as_str())) => add("body", text.into()),
            _ => {
                add("body", BASE64.encode(self.body).into());
                add("isBase64Encoded", true.into());
            }
        }
        event
    }

    /// The headers without the cookies, and those that API Gateway adds.
    fn headers(&self) -> BTreeMap<&str, String> {
        let sent = self.parts.headers.keys().map(http::HeaderName::as_str).filter(|name| *name != COOKIE.as_str());
        let mut headers: BTreeMap<&str, String> = sent.map(|name| (name, header(&self.parts.headers, name))).collect();
        headers.insert("x-forwarded-for", self.source_ip.clone());
        headers.insert("x-forwarded-proto", "http".to_owned());
        headers
    }

    /// The query, decoded; the values of a repeated name are joined.
    fn query(&self) -> BTreeMap<String, String> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&self.parts.uri).map(|Query(pairs)| pairs);
        let mut query: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in pairs.unwrap_or_default() {
            query.entry(name).and_modify(|values| *values = format!("{values},{value}")).or_insert(value);
        }
        query
    }

    fn common_log_time(&self) -> String {
        let time = jiff::Timestamp::from_millisecond(self.time.millis()).unwrap_or_default();
        time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
    }
}

/// All values of a header, joined; empty if there is none.
fn header(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values.collect::<Vec<_>>().join(",")
}

fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/") || kind == "application/json" || kind == "application/x-www-form-urlencoded"
}

/// A claim as API Gateway hands it on: always text, lists in brackets.
fn text(claim: &Value) -> String {
    match claim {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(" ")),
        other => other.to_string(),
    }
}

/// Why a function's response is no HTTP answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResponseError {
    #[error("its body is not base64: {0}")]
    Base64(#[from] data_encoding::DecodeError),
    #[error("its status or headers are not HTTP: {0}")]
    Http(#[from] http::Error),
    #[error("its status is out of range: {0}")]
    Status(#[from] std::num::TryFromIntError),
}

/// The HTTP answer of a function's response.
pub(super) fn answer(response: ApiGatewayV2httpResponse) -> Result<Response, ResponseError> {
    let body = match response.body {
        Some(Body::Text(text)) if response.is_base64_encoded => BASE64.decode(text.as_bytes())?,
        Some(body) => body.to_vec(),
        None => Vec::new(),
    };
    let mut builder = Response::builder().status(u16::try_from(response.status_code)?);
    for (name, value) in response.headers.iter().chain(&response.multi_value_headers) {
        builder = builder.header(name, value);
    }
    for cookie in response.cookies {
        builder = builder.header(SET_COOKIE, cookie);
    }
    Ok(builder.body(body.into())?)
}
