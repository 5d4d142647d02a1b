//! Events reach their endpoints signed, again and again where they must, and only as the test wants them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use http::{HeaderMap, StatusCode};

use super::*;
use crate::stripe::{Delivery, sign};

const SECRET: &str = "whsec_test_secret";

/// What arrived: signature and body.
type Arrived = Vec<(String, String)>;

/// A server that fails the first so many requests.
struct Endpoint {
    url: String,
    arrived: Arc<Mutex<Arrived>>,
}

impl Endpoint {
    async fn start(failures: usize, status: StatusCode) -> Self {
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&arrived);
        let router = Router::new().fallback(async move |headers: HeaderMap, body: Bytes| {
            assert_eq!(headers["content-type"], "application/json; charset=utf-8");
            let signature = headers["stripe-signature"].to_str().unwrap().to_owned();
            let mut seen = seen.lock().unwrap();
            seen.push((signature, String::from_utf8(body.to_vec()).unwrap()));
            if seen.len() <= failures { (status, [("location", "/")]) } else { (StatusCode::OK, [("location", "/")]) }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks/stripe", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, arrived }
    }

    /// Waits until so much has arrived, and a little longer, that what is too much shows.
    async fn arrived(&self, count: usize) -> Arrived {
        let enough = async {
            while self.arrived.lock().unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(10), enough).await;
        assert!(in_time.is_ok(), "{:?}", self.arrived.lock().unwrap());
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.arrived.lock().unwrap().clone()
    }
}

fn ids(arrived: &Arrived) -> Vec<String> {
    let id = |body: &str| serde_json::from_str::<Value>(body).unwrap()["id"].as_str().unwrap().to_owned();
    arrived.iter().map(|(_, body)| id(body)).collect()
}

impl Api {
    fn event_ids(&self) -> Vec<String> {
        self.stripe.events("acct_1").iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }

    async fn with_endpoint(failures: usize, status: StatusCode) -> (Self, Endpoint) {
        let (api, endpoint) = (Self::start().await, Endpoint::start(failures, status).await);
        api.stripe.add_webhook_endpoint("acct_1", &endpoint.url, SECRET);
        (api, endpoint)
    }
}

#[test]
fn the_signature_is_the_one_that_stripe_would_make() {
    let header = sign(SECRET, Time::from_seconds(1_700_000_000), br#"{"id":"evt_1","object":"event"}"#);
    let v1 = "0c8670ed117751cc551a20e35839447075c42800ea3cf3e8a2fbda99cd1e6edd";
    assert_eq!(header, format!("t=1700000000,v1={v1}"));
}

#[tokio::test]
async fn events_arrive_signed_in_their_order_at_their_own_accounts_endpoint() {
    let (api, endpoint) = Api::with_endpoint(0, StatusCode::OK).await;
    let other = Endpoint::start(0, StatusCode::OK).await;
    api.stripe.add_webhook_endpoint("acct_2", &other.url, SECRET);
    let intent = api.paid("pm_card_visa").await;
    api.stripe.refund_in_dashboard(&intent, None);
    let arrived = endpoint.arrived(5).await;
    assert_eq!(ids(&arrived), api.event_ids());
    for ((signature, body), event) in arrived.iter().zip(api.stripe.events("acct_1")) {
        assert_eq!(signature, &sign(SECRET, api.clock.now(), body.as_bytes()));
        assert_eq!(serde_json::from_str::<Value>(body).unwrap(), event);
    }
    assert_eq!(other.arrived(0).await, []);
}

#[tokio::test]
async fn what_was_not_taken_comes_again_with_a_new_signature() {
    for status in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::TEMPORARY_REDIRECT] {
        let (api, endpoint) = Api::with_endpoint(1, status).await;
        api.post("/v1/customers", None, &[("name", "A")]).await;
        while endpoint.arrived.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let first = api.clock.now();
        api.clock.advance(Duration::from_secs(60));
        // Another secret is in force at the next try.
        api.stripe.add_webhook_endpoint("acct_1", &endpoint.url, "whsec_new");
        let arrived = endpoint.arrived(2).await;
        let body = arrived[0].1.clone();
        let signatures = [sign(SECRET, first, body.as_bytes()), sign("whsec_new", api.clock.now(), body.as_bytes())];
        assert_eq!(arrived, signatures.map(|signature| (signature, body.clone())), "{status}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_down_holds_nothing_up() {
    let api = Api::start().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", gone.local_addr().unwrap());
    drop(gone);
    let endpoint = Endpoint::start(1, StatusCode::SERVICE_UNAVAILABLE).await;
    api.stripe.add_webhook_endpoint("acct_1", &url, SECRET);
    api.stripe.add_webhook_endpoint("acct_1", &endpoint.url, SECRET);
    api.paid("pm_card_visa").await;
    let [first, second, third] = <[String; 3]>::try_from(api.event_ids()).unwrap();
    assert_eq!(ids(&endpoint.arrived(4).await), [first.clone(), second, third, first]);
}

#[tokio::test]
async fn events_come_twice_late_shuffled_or_not_at_all_when_asked_to() {
    let (api, endpoint) = Api::with_endpoint(0, StatusCode::OK).await;
    let switch = async |method: reqwest::Method, body: Value| {
        let request = api.http.request(method, format!("{}/_delivery", api.base)).json(&body);
        request.send().await.unwrap().status().as_u16()
    };
    api.stripe.set_delivery(Delivery { dropped: true, ..Delivery::default() });
    api.paid("pm_card_visa").await;
    assert_eq!((endpoint.arrived(0).await, api.event_ids().len()), (vec![], 3));

    assert_eq!(switch(reqwest::Method::POST, json!({ "copies": 2, "delay_ms": 1000 })).await, 200);
    assert_eq!(switch(reqwest::Method::POST, json!({ "copys": 2 })).await, 400);
    api.paid("pm_card_visa").await;
    assert_eq!(endpoint.arrived.lock().unwrap().len(), 0, "held back");
    let twice: Vec<String> = api.event_ids()[3..].iter().flat_map(|id| [id.clone(), id.clone()]).collect();
    assert_eq!(ids(&endpoint.arrived(6).await), twice);

    api.stripe.set_delivery(Delivery { shuffled: true, ..Delivery::default() });
    for _ in 0..10 {
        api.paid("pm_card_visa").await;
    }
    let mut arrived = ids(&endpoint.arrived(36).await).split_off(6);
    let mut sent = api.event_ids().split_off(6);
    assert_ne!(arrived, sent, "thirty events in order by chance");
    arrived.sort_unstable();
    sent.sort_unstable();
    assert_eq!(arrived, sent);

    assert_eq!(switch(reqwest::Method::DELETE, json!({})).await, 200);
    api.paid("pm_card_visa").await;
    assert_eq!(ids(&endpoint.arrived(39).await)[36..], api.event_ids()[36..], "as it was at first");
}

#[tokio::test]
async fn events_are_listed_newest_first_by_type_and_in_pages() {
    let api = Api::start().await;
    for _ in 0..3 {
        api.paid("pm_card_visa").await;
    }
    let kind = |event: &Value| event["type"] == json!("payment_intent.succeeded");
    let mut expected: Vec<Value> = api.stripe.events("acct_1").into_iter().filter(kind).collect();
    expected.reverse();
    let (status, page) = api.get("/v1/events?type=payment_intent.succeeded&limit=2").await;
    assert_eq!((status, &page["has_more"]), (200, &json!(true)));
    assert_eq!(page["data"], json!(expected[..2]));
    let last = expected[1]["id"].as_str().unwrap();
    let (_, page) = api.get(&format!("/v1/events?type=payment_intent.succeeded&starting_after={last}")).await;
    assert_eq!((&page["data"], &page["has_more"]), (&json!(expected[2..]), &json!(false)));
    assert_eq!(api.get("/v1/events?kind=refund").await.0, 400);
}

#[tokio::test]
async fn an_endpoint_that_is_registered_over_http_is_told_with_the_secret_that_it_got() {
    let (api, endpoint) = (Api::start().await, Endpoint::start(0, StatusCode::OK).await);
    let create = async |form: &[(&str, &str)]| api.post("/v1/webhook_endpoints", None, form).await;
    for refused in [
        vec![("url", endpoint.url.as_str())],
        vec![("enabled_events[]", "*")],
        vec![("url", "example.com"), ("enabled_events[]", "*")],
        vec![("url", endpoint.url.as_str()), ("enabled_events[]", "refund.created")],
    ] {
        assert_eq!(create(&refused).await.0, 400, "{refused:?}");
    }
    let (status, made, _) = create(&[("url", &endpoint.url), ("enabled_events[0]", "*")]).await;
    assert_eq!((status, made["status"].as_str()), (200, Some("enabled")));
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    api.paid("pm_card_visa").await;
    for (signature, body) in endpoint.arrived(3).await {
        assert_eq!(signature, sign(secret, api.clock.now(), body.as_bytes()));
    }
}
