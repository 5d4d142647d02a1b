//! The simulator is no kinder than Stripe.

mod afterwards;
mod bank_debits;
mod refunds;
mod setups;
mod transfers;
mod webhooks;

use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::{Clock, Time};
use tokio::net::TcpListener;

use super::fault::{Fault, Kind};
use super::{Stripe, serve};

const KEY: &str = "sk_test_1";

struct Api {
    stripe: Stripe,
    clock: Clock,
    base: String,
    http: reqwest::Client,
}

impl Api {
    async fn start() -> Self {
        Self::start_with(Stripe::new).await
    }

    async fn start_with(stripe: impl FnOnce(Clock) -> Stripe) -> Self {
        let clock = Clock::simulated("2026-01-15T12:00:00Z".parse::<Time>().unwrap());
        let stripe = stripe(clock.clone());
        stripe.add_account("acct_1", KEY);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(stripe.clone(), listener));
        Self { stripe, clock, base, http: reqwest::Client::new() }
    }

    async fn try_post(
        &self,
        path: &str,
        key: Option<&str>,
        form: &[(&str, &str)],
    ) -> reqwest::Result<(u16, Value, bool)> {
        let mut request = self.http.post(format!("{}{path}", self.base)).bearer_auth(KEY).form(form);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let reply = request.send().await?;
        let (status, replayed) = (reply.status().as_u16(), reply.headers().contains_key("idempotent-replayed"));
        Ok((status, reply.json().await.unwrap_or_default(), replayed))
    }

    async fn post(&self, path: &str, key: Option<&str>, form: &[(&str, &str)]) -> (u16, Value, bool) {
        self.try_post(path, key, form).await.unwrap()
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let reply = self.http.get(format!("{}{path}", self.base)).bearer_auth(KEY).send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap())
    }

    async fn pay(&self, key: Option<&str>, method: &str) -> (u16, Value, bool) {
        self.post("/v1/payment_intents", key, &charge(method)).await
    }

    fn captured(&self) -> usize {
        self.stripe.books("acct_1").iter().filter(|entry| entry.captured).count()
    }
}

fn charge(method: &str) -> Vec<(&str, &str)> {
    vec![
        ("amount", "2500"),
        ("currency", "usd"),
        ("payment_method", method),
        ("confirm", "true"),
        ("off_session", "true"),
    ]
}

fn debit(method: &str) -> Vec<(&str, &str)> {
    let consent = ("mandate_data[customer_acceptance][type]", "offline");
    [charge(method), vec![("payment_method_types[0]", "us_bank_account"), consent]].concat()
}

fn error<'a>(body: &'a Value, name: &str) -> &'a str {
    body["error"][name].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_charge_moves_money_and_a_decline_leaves_its_intent() {
    let api = Api::start().await;
    let (status, body, _) = api.pay(None, "pm_card_visa").await;
    assert_eq!((status, body["status"].as_str()), (200, Some("succeeded")));
    for (method, code, decline) in [
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_authenticationRequired", "authentication_required", "authentication_required"),
    ] {
        let (status, body, _) = api.pay(None, method).await;
        assert_eq!((status, error(&body, "code"), error(&body, "decline_code")), (402, code, decline), "{method}");
        let intent = body["error"]["payment_intent"]["id"].as_str().unwrap();
        assert_eq!(
            api.get(&format!("/v1/payment_intents/{intent}")).await.1["status"],
            json!("requires_payment_method")
        );
    }
    assert_eq!(api.captured(), 1);
}

#[tokio::test]
async fn a_key_replays_its_first_answer_and_refuses_other_parameters() {
    let api = Api::start().await;
    for method in ["pm_card_visa", "pm_card_visa_chargeDeclined"] {
        let first = api.pay(Some(method), method).await;
        let again = api.pay(Some(method), method).await;
        assert_eq!((first.0, &first.1, first.2, again.2), (again.0, &again.1, false, true), "{method}");
    }
    let (status, body, _) = api.pay(Some("pm_card_visa"), "pm_card_amex").await;
    assert_eq!((status, error(&body, "type"), error(&body, "code")), (400, "idempotency_error", ""));
    assert_eq!(api.captured(), 1);
    api.clock.advance(Duration::from_hours(25));
    api.pay(Some("pm_card_visa"), "pm_card_visa").await;
    assert_eq!(api.captured(), 2, "a forgotten key protects no more");
}

#[tokio::test]
async fn faults_are_switched_on_and_off_over_http() {
    let api = Api::start().await;
    let switch = async |method: reqwest::Method, body: Value| {
        let request = api.http.request(method, format!("{}/_faults", api.base)).json(&body);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(switch(reqwest::Method::POST, json!({ "kind": "rate_limited" })).await, 200);
    assert_eq!(switch(reqwest::Method::POST, json!({ "kind": { "error_after": 503 }, "after": 1 })).await, 200);
    assert_eq!(switch(reqwest::Method::POST, json!({ "kind": "bad_mood" })).await, 400);
    let statuses = [api.pay(None, "pm_card_visa").await.0, api.pay(None, "pm_card_visa").await.0];
    assert_eq!(statuses, [429, 200]);
    assert_eq!(switch(reqwest::Method::DELETE, json!({})).await, 200);
    assert_eq!(api.pay(None, "pm_card_visa").await.0, 200);
}

#[tokio::test]
async fn a_client_that_hangs_up_is_charged_all_the_same() {
    let api = Api::start().await;
    api.stripe.set_latency(Duration::from_millis(100));
    let form = charge("pm_card_visa");
    let request = api.http.post(format!("{}/v1/payment_intents", api.base)).bearer_auth(KEY).form(&form);
    let hung_up = request.header("Idempotency-Key", "k").timeout(Duration::from_millis(20)).send().await;
    assert!(hung_up.unwrap_err().is_timeout());
    api.stripe.set_latency(Duration::ZERO);
    loop {
        let (status, _, replayed) = api.pay(Some("k"), "pm_card_visa").await;
        if status == 200 {
            // Either of the two was first; the other has its answer.
            break assert!(replayed || api.captured() == 1);
        }
        tokio::task::yield_now().await;
    }
    while api.stripe.requests().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(api.captured(), 1);
}

#[tokio::test]
async fn a_misspelled_member_of_a_parameter_is_unknown() {
    let api = Api::start().await;
    for (name, value) in
        [("transfer_data[destinaton]", "acct_2"), ("amount[x]", "1"), ("automatic_payment_methods[x]", "1")]
    {
        let mut form = charge("pm_card_visa");
        form.push((name, value));
        let (status, body, _) = api.post("/v1/payment_intents", None, &form).await;
        assert_eq!((status, error(&body, "code"), error(&body, "param")), (400, "parameter_unknown", name));
    }
    assert_eq!(api.get("/v1/payment_intents?created[foo]=1").await.0, 400);
    assert_eq!(api.captured(), 0);
}

#[tokio::test]
async fn what_was_refused_before_execution_leaves_the_key_free() {
    let api = Api::start().await;
    let mut unknown = charge("pm_card_visa");
    unknown.push(("amout", "1"));
    let (status, body, _) = api.post("/v1/payment_intents", Some("k"), &unknown).await;
    assert_eq!((status, error(&body, "code"), error(&body, "param")), (400, "parameter_unknown", "amout"));
    api.stripe.add_fault(Fault::pay(Kind::RateLimited));
    assert_eq!(api.pay(Some("k"), "pm_card_visa").await.0, 429);
    api.stripe.add_fault(Fault::pay(Kind::ErrorBefore(503)));
    assert_eq!(api.pay(Some("k"), "pm_card_visa").await.0, 503);
    assert_eq!(api.pay(Some("k"), "pm_card_visa").await.0, 200);
    assert_eq!(api.captured(), 1);
}

#[tokio::test]
async fn a_500_is_saved_under_the_key_whether_or_not_the_charge_was_made() {
    for (kind, captured) in [(Kind::ErrorBefore(500), 0), (Kind::ErrorAfter(500), 1)] {
        let api = Api::start().await;
        api.stripe.add_fault(Fault::pay(kind));
        assert_eq!(api.pay(Some("k"), "pm_card_visa").await.0, 500);
        assert_eq!(api.pay(Some("k"), "pm_card_visa").await.0, 500);
        assert_eq!(api.captured(), captured);
    }
}

#[tokio::test]
async fn a_lost_reply_charges_and_a_request_that_never_arrived_does_not() {
    for (kind, captured) in [(Kind::ReplyLost, 1), (Kind::NothingReached, 0)] {
        let api = Api::start().await;
        api.stripe.add_fault(Fault::pay(kind));
        assert!(api.try_post("/v1/payment_intents", Some("k"), &charge("pm_card_visa")).await.is_err());
        assert_eq!(api.captured(), captured);
    }
}

#[tokio::test]
async fn while_the_first_request_is_running_the_second_is_told_so() {
    let api = Api::start().await;
    api.stripe.add_fault(Fault::pay(Kind::Slow(300)));
    let (slow, (status, body, _)) = tokio::join!(api.pay(Some("k"), "pm_card_visa"), async {
        while api.captured() == 0 {
            tokio::task::yield_now().await;
        }
        api.pay(Some("k"), "pm_card_visa").await
    });
    assert_eq!((slow.0, status, error(&body, "code")), (200, 409, "idempotency_key_in_use"));
    assert_eq!(api.captured(), 1);
}

#[tokio::test]
async fn requests_that_stripe_refuses_are_refused() {
    let api = Api::start().await;
    let cases: [(&[(&str, &str)], &str); 8] = [
        (&[("currency", "usd")], "parameter_missing"),
        (&[("amount", "5.00"), ("currency", "usd")], "parameter_invalid_integer"),
        (&[("amount", "49"), ("currency", "usd")], "amount_too_small"),
        (&[("amount", "49"), ("currency", "jpy")], "amount_too_small"),
        (&[("amount", "100000000"), ("currency", "usd")], "amount_too_large"),
        (&[("amount", "500"), ("currency", "usd"), ("off_session", "true")], "parameter_invalid"),
        (&[("amount", "500"), ("currency", "usd"), ("payment_method", "pm_none")], "resource_missing"),
        (&[("amount", "500"), ("currency", "usd"), ("transfer_data[destination]", "acct_2")], "resource_missing"),
    ];
    for (form, code) in cases {
        let (status, body, _) = api.post("/v1/payment_intents", None, form).await;
        assert_eq!((status, error(&body, "code")), (400, code), "{form:?}");
    }
    assert_eq!(api.http.get(format!("{}/v1/account", api.base)).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn lists_are_windows_of_time_newest_first_in_pages() {
    let api = Api::start().await;
    let customer = api.post("/v1/customers", None, &[("name", "A")]).await.1["id"].as_str().unwrap().to_owned();
    let mut made = Vec::new();
    for _ in 0..5 {
        let form = [("amount", "500"), ("currency", "usd"), ("customer", customer.as_str())];
        made.push(api.post("/v1/payment_intents", None, &form).await.1["id"].as_str().unwrap().to_owned());
        api.clock.advance(Duration::from_secs(10));
    }
    let first = api.get(&format!("/v1/payment_intents?customer={customer}&limit=2")).await.1;
    let ids = |page: &Value| {
        page["data"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((ids(&first), first["has_more"].as_bool()), (vec![made[4].clone(), made[3].clone()], Some(true)));
    let rest =
        api.get(&format!("/v1/payment_intents?customer={customer}&limit=100&starting_after={}", made[3])).await.1;
    assert_eq!((ids(&rest).len(), rest["has_more"].as_bool()), (3, Some(false)));
    let from = "2026-01-15T12:00:15Z".parse::<Time>().unwrap().seconds();
    let window = api.get(&format!("/v1/payment_intents?created[gte]={from}&created[lt]={}", from + 10)).await.1;
    assert_eq!(ids(&window), [made[2].clone()]);
}

#[tokio::test]
async fn accounts_do_not_see_each_others_objects() {
    let api = Api::start().await;
    let intent = api.pay(None, "pm_card_visa").await.1["id"].as_str().unwrap().to_owned();
    api.stripe.add_account("acct_2", "sk_test_2");
    let url = format!("{}/v1/payment_intents/{intent}", api.base);
    assert_eq!(api.http.get(url).bearer_auth("sk_test_2").send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn only_what_has_not_succeeded_is_canceled() {
    let api = Api::start().await;
    let paid = api.pay(None, "pm_card_visa").await.1["id"].as_str().unwrap().to_owned();
    let (status, body, _) = api.post(&format!("/v1/payment_intents/{paid}/cancel"), None, &[]).await;
    assert_eq!((status, error(&body, "code")), (400, "payment_intent_unexpected_state"));
    let open = api.post("/v1/payment_intents", None, &[("amount", "500"), ("currency", "usd")]).await.1;
    let (status, body, _) =
        api.post(&format!("/v1/payment_intents/{}/cancel", open["id"].as_str().unwrap()), None, &[]).await;
    assert_eq!((status, body["status"].as_str()), (200, Some("canceled")));
}
