//! The simulator is no kinder than Plaid.

mod authorizations;
mod banks;
mod faults;
mod items;
mod links;
mod refunds;
mod transfers;
mod webhooks;

use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::{Clock, Time};
use tokio::net::TcpListener;

use super::fault::{Fault, Kind};
use super::{Account, Plaid, Seeded, TransferStatus, serve};

const CLIENT: &str = "client_1";
const SECRET: &str = "secret_1";
/// A checking account with 100.00 on it.
const ACCOUNT: &str = "account_1";

struct Api {
    plaid: Plaid,
    clock: Clock,
    base: String,
    http: reqwest::Client,
    item: Seeded,
}

impl Api {
    async fn start() -> Self {
        Self::start_with(Plaid::new).await
    }

    /// On a Thursday, at seven in the morning in New York.
    async fn start_with(plaid: impl FnOnce(Clock) -> Plaid) -> Self {
        let clock = Clock::simulated("2026-01-15T12:00:00Z".parse::<Time>().unwrap());
        let plaid = plaid(clock.clone());
        plaid.add_client(CLIENT, SECRET);
        let item = Seeded {
            item: "item_1".to_owned(),
            access_token: "access-sandbox-1".to_owned(),
            public_token: "public-sandbox-1".to_owned(),
        };
        assert!(plaid.seed_item(CLIENT, &item, vec![Account::checking(ACCOUNT, 10_000)]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(plaid.clone(), listener));
        Self { plaid, clock, base, http: reqwest::Client::new(), item }
    }

    async fn try_post(&self, path: &str, body: &Value) -> reqwest::Result<(u16, Value)> {
        let request = self.http.post(format!("{}{path}", self.base)).header("Plaid-Version", "2020-09-14");
        let request = request.header("PLAID-CLIENT-ID", CLIENT).header("PLAID-SECRET", SECRET);
        let reply = request.json(body).send().await?;
        let status = reply.status().as_u16();
        let body: Value = reply.json().await?;
        assert!(status == 0 || body["request_id"].is_string(), "{body}");
        Ok((status, body))
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.try_post(path, body).await.unwrap()
    }

    /// A body for an authorization.
    fn proposal(&self, kind: &str, amount: &str) -> Value {
        json!({
            "access_token": self.item.access_token, "account_id": ACCOUNT, "type": kind, "network": "ach",
            "ach_class": "ccd", "amount": amount, "user": { "legal_name": "Ann Example" },
        })
    }

    async fn authorize(&self, body: &Value) -> (u16, Value) {
        self.post("/transfer/authorization/create", body).await
    }

    async fn authorized(&self, kind: &str, amount: &str) -> String {
        let (status, answer) = self.authorize(&self.proposal(kind, amount)).await;
        assert_eq!((status, &answer["authorization"]["decision"]), (200, &json!("approved")), "{answer}");
        answer["authorization"]["id"].as_str().unwrap().to_owned()
    }

    /// A body for a transfer.
    fn order(&self, authorization: &str) -> Value {
        json!({
            "access_token": self.item.access_token, "account_id": ACCOUNT, "authorization_id": authorization,
            "description": "INV-1", "metadata": { "payment_id": "pay_1" },
        })
    }

    async fn transfer(&self, authorization: &str) -> (u16, Value) {
        self.post("/transfer/create", &self.order(authorization)).await
    }

    /// The id of a new transfer.
    async fn made(&self, kind: &str, amount: &str) -> String {
        let (status, answer) = self.transfer(&self.authorized(kind, amount).await).await;
        assert_eq!((status, &answer["transfer"]["status"]), (200, &json!("pending")), "{answer}");
        answer["transfer"]["id"].as_str().unwrap().to_owned()
    }

    async fn read(&self, transfer: &str) -> Value {
        let (status, mut answer) = self.post("/transfer/get", &json!({ "transfer_id": transfer })).await;
        assert_eq!(status, 200, "{answer}");
        answer["transfer"].take()
    }

    /// What the ledger has available, and pending.
    fn ledger(&self) -> (i64, i64) {
        let (_, available, pending) = self.plaid.ledger(CLIENT).unwrap();
        (available, pending)
    }

    /// The events so far, by type.
    fn told(&self) -> Vec<String> {
        let kind = |event: &Value| event["event_type"].as_str().unwrap().to_owned();
        self.plaid.events(CLIENT).iter().map(kind).collect()
    }
}

/// A body with one member more, or another one; null takes it out.
fn with(body: &Value, name: &str, value: Value) -> Value {
    let mut body = body.clone();
    match value {
        Value::Null => {
            body.as_object_mut().unwrap().remove(name);
        }
        value => body[name] = value,
    }
    body
}

/// Status, type and code of a refusal.
fn refusal((status, body): &(u16, Value)) -> (u16, &str, &str) {
    assert!(body["error_message"].is_string() && body.as_object().unwrap().contains_key("display_message"), "{body}");
    (*status, body["error_type"].as_str().unwrap(), body["error_code"].as_str().unwrap())
}

const INVALID_FIELD: (u16, &str, &str) = (400, "INVALID_REQUEST", "INVALID_FIELD");
const UNKNOWN_FIELDS: (u16, &str, &str) = (400, "INVALID_REQUEST", "UNKNOWN_FIELDS");
const MISSING_FIELDS: (u16, &str, &str) = (400, "INVALID_REQUEST", "MISSING_FIELDS");
const NOT_FOUND: (u16, &str, &str) = (404, "INVALID_REQUEST", "NOT_FOUND");

#[tokio::test]
async fn clients_are_known_by_their_secrets_in_body_or_headers_and_speak_one_version() {
    let api = Api::start().await;
    let url = format!("{}/transfer/ledger/get", api.base);
    let send = async |headers: &[(&str, &str)], body: Value| {
        let request = headers.iter().fold(api.http.post(&url), |request, (name, value)| request.header(*name, *value));
        let reply = request.json(&body).send().await.unwrap();
        (reply.status().as_u16(), reply.json::<Value>().await.unwrap())
    };
    let by_header = [("PLAID-CLIENT-ID", CLIENT), ("PLAID-SECRET", SECRET)];
    let by_body = json!({ "client_id": CLIENT, "secret": SECRET });
    assert_eq!(send(&by_header, json!({})).await.0, 200);
    assert_eq!(send(&[], by_body.clone()).await.0, 200);
    assert_eq!(refusal(&send(&[], json!({})).await), MISSING_FIELDS);
    let wrong = send(&[], json!({ "client_id": CLIENT, "secret": "other" })).await;
    assert_eq!(refusal(&wrong), (400, "INVALID_INPUT", "INVALID_API_KEYS"));
    let old = send(&[("Plaid-Version", "2019-05-29")], by_body.clone()).await;
    assert_eq!(refusal(&old), (400, "INVALID_REQUEST", "INCOMPATIBLE_API_VERSION"));
    let get = api.http.get(&url).send().await.unwrap();
    assert_eq!(get.status(), 404);
    assert_eq!(refusal(&api.post("/transfer/sweep/everything", &json!({})).await), NOT_FOUND);
    let text = api.http.post(&url).header("content-type", "application/json").body("{").send().await.unwrap();
    assert_eq!(text.json::<Value>().await.unwrap()["error_code"], "INVALID_BODY");
    let form = api.http.post(&url).body("{}").send().await.unwrap();
    assert_eq!(form.json::<Value>().await.unwrap()["error_code"], "INVALID_HEADERS");
    api.plaid.revoke_secret(CLIENT);
    assert_eq!(send(&[], by_body).await.1["error_code"], "INVALID_API_KEYS");
}

#[tokio::test]
async fn clients_do_not_see_each_others_objects() {
    let api = Api::start().await;
    let transfer = api.made("debit", "10.00").await;
    api.plaid.add_client("client_2", "secret_2");
    let post = async |path: &str, mut body: Value| {
        body["client_id"] = json!("client_2");
        body["secret"] = json!("secret_2");
        let reply = api.http.post(format!("{}{path}", api.base)).json(&body).send().await.unwrap();
        (reply.status().as_u16(), reply.json::<Value>().await.unwrap())
    };
    assert_eq!(refusal(&post("/transfer/get", json!({ "transfer_id": transfer })).await), NOT_FOUND);
    assert_eq!(refusal(&post("/transfer/cancel", json!({ "transfer_id": transfer })).await), NOT_FOUND);
    let accounts = post("/accounts/get", json!({ "access_token": api.item.access_token })).await;
    assert_eq!(refusal(&accounts), (400, "INVALID_INPUT", "INVALID_ACCESS_TOKEN"));
    let events = post("/transfer/event/sync", json!({ "after_id": 0 })).await.1;
    assert_eq!((&events["transfer_events"], &events["has_more"]), (&json!([]), &json!(false)));
}

#[tokio::test]
async fn state_in_a_file_outlives_the_simulator() {
    let path = std::env::temp_dir().join(format!("plaid-{}.json", uuid::Uuid::new_v4()));
    let open = |clock| Plaid::open(clock, &path).unwrap();
    let api = Api::start_with(open).await;
    let keyed = with(&api.proposal("debit", "10.00"), "idempotency_key", json!("k1"));
    let (_, first) = api.authorize(&keyed).await;
    let authorization = first["authorization"]["id"].as_str().unwrap();
    let (_, made) = api.transfer(authorization).await;
    let api = Api::start_with(open).await;
    assert_eq!(api.authorize(&keyed).await.1["authorization"], first["authorization"]);
    assert_eq!(api.transfer(authorization).await.1["transfer"], made["transfer"]);
    assert_eq!((api.plaid.books(CLIENT).len(), api.ledger(), api.told()), (1, (0, 1000), vec!["pending".to_owned()]));
    api.clock.advance(Duration::from_hours(24));
    assert_eq!(api.plaid.books(CLIENT)[0].status, TransferStatus::Posted);
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn requests_are_logged_without_what_is_secret() {
    let api = Api::start().await;
    let body = json!({ "client_id": CLIENT, "secret": SECRET, "public_token": "public-sandbox-1" });
    api.post("/item/public_token/exchange", &body).await;
    api.made("debit", "10.00").await;
    let log = api.plaid.requests();
    let last = log.last().unwrap();
    assert_eq!((last.method.as_str(), last.path.as_str(), last.status), ("POST", "/transfer/create", 200));
    assert_eq!((last.client.as_deref(), last.version.as_deref()), (Some(CLIENT), Some("2020-09-14")));
    assert_eq!(last.body["metadata"], json!({ "payment_id": "pay_1" }));
    let log = format!("{log:?}");
    assert!(![SECRET, "access-sandbox", "public-sandbox"].iter().any(|secret| log.contains(secret)), "{log}");
}
