//! Setups: what a browser may do with its key, and what becomes of the customer's method.

use reqwest::header::HeaderMap;

use super::*;

const PUBLISHABLE: &str = "pk_test_1";

/// A SetupIntent that waits for a browser, in an account with a publishable key: its id and its secret.
async fn begun(api: &Api, kind: &str) -> (String, String, String) {
    api.stripe.add_publishable_key("acct_1", PUBLISHABLE);
    let (_, customer, _) = api.post("/v1/customers", None, &[]).await;
    let customer = customer["id"].as_str().unwrap().to_owned();
    let form = [("customer", customer.as_str()), ("payment_method_types[0]", kind), ("usage", "off_session")];
    let (status, setup, _) = api.post("/v1/setup_intents", None, &form).await;
    assert_eq!((status, setup["status"].as_str()), (200, Some("requires_payment_method")), "{setup}");
    let text = |name: &str| setup[name].as_str().unwrap().to_owned();
    (text("id"), text("client_secret"), customer)
}

/// What Stripe.js sends: the key is among the parameters.
async fn confirm(api: &Api, id: &str, form: &[(&str, &str)]) -> (u16, Value) {
    let form = [form, &[("key", PUBLISHABLE)]].concat();
    let reply = api.http.post(format!("{}/v1/setup_intents/{id}/confirm", api.base)).form(&form).send().await.unwrap();
    assert_eq!(reply.headers()["access-control-allow-origin"], "*");
    (reply.status().as_u16(), reply.json().await.unwrap())
}

async fn kinds(api: &Api) -> Vec<String> {
    let events = api.stripe.events("acct_1").into_iter();
    let kinds = events.map(|event| event["type"].as_str().unwrap().to_owned());
    kinds.filter(|kind| kind != "customer.created").collect()
}

#[tokio::test]
async fn a_browser_sets_up_a_card_and_sees_no_more_than_it_needs() {
    let api = Api::start().await;
    let (id, secret, customer) = begun(&api, "card").await;
    let (status, seen) = confirm(&api, &id, &[("client_secret", &secret), ("payment_method", "pm_card_visa")]).await;
    assert_eq!((status, seen["status"].as_str()), (200, Some("succeeded")), "{seen}");
    assert!(seen.get("customer").is_none() && seen.get("metadata").is_none(), "{seen}");
    let url = format!("{}/v1/setup_intents/{id}?client_secret={secret}", api.base);
    let read: Value = api.http.get(&url).bearer_auth(PUBLISHABLE).send().await.unwrap().json().await.unwrap();
    assert_eq!(read, seen);

    let (_, whole) = api.get(&format!("/v1/setup_intents/{id}")).await;
    assert_eq!((&whole["customer"], &whole["usage"]), (&json!(customer), &json!("off_session")));
    let method = whole["payment_method"].as_str().unwrap();
    assert_eq!(api.get(&format!("/v1/payment_methods/{method}")).await.1["customer"], json!(customer));
    assert_eq!(kinds(&api).await, ["setup_intent.created", "payment_method.attached", "setup_intent.succeeded"]);

    // Once is enough.
    let (status, again) = confirm(&api, &id, &[("client_secret", &secret), ("payment_method", "pm_card_visa")]).await;
    assert_eq!((status, error(&again, "code")), (400, "setup_intent_unexpected_state"));
    let log = format!("{:?}", api.stripe.requests());
    assert!(!log.contains(&secret) && !log.contains(PUBLISHABLE), "{log}");
}

#[tokio::test]
async fn a_browser_does_nothing_else_and_nothing_without_the_secret() {
    let api = Api::start().await;
    let (id, secret, _) = begun(&api, "card").await;
    let (other, _, _) = begun(&api, "card").await;
    let card = ("payment_method", "pm_card_visa");
    let (status, refused) = confirm(&api, &id, &[card]).await;
    assert_eq!((status, error(&refused, "param")), (400, "client_secret"));
    let (status, refused) = confirm(&api, &other, &[card, ("client_secret", &secret)]).await;
    assert_eq!((status, error(&refused, "param")), (400, "client_secret"), "the secret of another one");
    api.stripe.add_account("acct_2", "sk_test_2");
    api.stripe.add_publishable_key("acct_2", "pk_test_2");
    let url = format!("{}/v1/setup_intents/{id}?client_secret={secret}", api.base);
    let elsewhere = api.http.get(&url).bearer_auth("pk_test_2").send().await.unwrap();
    assert_eq!(elsewhere.status(), 404);
    for path in ["/v1/customers", "/v1/payment_intents", "/v1/setup_intents", &format!("/v1/setup_intents/{id}/cancel")]
    {
        let url = format!("{}{path}", api.base);
        let refused = api.http.post(url).bearer_auth(PUBLISHABLE).form(&[("a", "b")]).send().await.unwrap();
        let status = refused.status().as_u16();
        let body: Value = refused.json().await.unwrap();
        assert_eq!((status, error(&body, "code")), (403, "secret_key_required"), "{path}");
    }
    let secret_key = ("key", KEY);
    let url = format!("{}/v1/customers", api.base);
    assert_eq!(api.http.post(url).form(&[secret_key]).send().await.unwrap().status(), 401, "no secret key in a form");
}

#[tokio::test]
async fn pages_of_other_origins_may_ask() {
    let api = Api::start().await;
    let url = format!("{}/v1/setup_intents/seti_1/confirm", api.base);
    let asked = api.http.request(reqwest::Method::OPTIONS, url);
    let reply = asked.header("access-control-request-headers", "authorization").send().await.unwrap();
    let header = |headers: &HeaderMap, name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(reply.status(), 200);
    assert_eq!(header(reply.headers(), "access-control-allow-origin"), "*");
    assert_eq!(header(reply.headers(), "access-control-allow-headers"), "authorization");
    assert!(header(reply.headers(), "access-control-allow-methods").contains("POST"));
}

#[tokio::test]
async fn a_declined_card_fails_the_setup_which_may_be_tried_again() {
    let api = Api::start().await;
    let (id, secret, _) = begun(&api, "card").await;
    let secret = ("client_secret", secret.as_str());
    let card = "pm_card_visa_chargeDeclinedInsufficientFunds";
    let (status, body) = confirm(&api, &id, &[secret, ("payment_method", card)]).await;
    let words = (error(&body, "type"), error(&body, "code"), error(&body, "decline_code"));
    assert_eq!((status, words), (402, ("card_error", "card_declined", "insufficient_funds")));
    assert_eq!(body["error"]["setup_intent"]["status"], "requires_payment_method");
    let (_, setup) = api.get(&format!("/v1/setup_intents/{id}")).await;
    assert_eq!(setup["last_setup_error"]["decline_code"], "insufficient_funds");
    assert_eq!(setup["payment_method"], Value::Null);
    let (status, _) = confirm(&api, &id, &[secret, ("payment_method", "pm_card_mastercard")]).await;
    let (_, setup) = api.get(&format!("/v1/setup_intents/{id}")).await;
    assert_eq!((status, &setup["status"], &setup["last_setup_error"]), (200, &json!("succeeded"), &Value::Null));
    assert_eq!(kinds(&api).await[1], "setup_intent.setup_failed");
    // One that is only declined when it is charged is set up.
    let (id, secret, _) = begun(&api, "card").await;
    let form = [("client_secret", secret.as_str()), ("payment_method", "pm_card_chargeCustomerFail")];
    assert_eq!(confirm(&api, &id, &form).await.1["status"], "succeeded");
}

#[tokio::test]
async fn a_customer_authenticates_at_a_page_that_sends_them_back() {
    let api = Api::start().await;
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for (answer, status) in [("complete", "succeeded"), ("fail", "requires_payment_method")] {
        let (id, secret, customer) = begun(&api, "card").await;
        let card = ("payment_method", "pm_card_authenticationRequiredOnSetup");
        let form = [("client_secret", secret.as_str()), card, ("return_url", "https://app.example.com/back")];
        let (_, waiting) = confirm(&api, &id, &form).await;
        assert_eq!(waiting["status"], "requires_action", "{waiting}");
        assert!(api.get(&format!("/v1/customers/{customer}/payment_methods")).await.1["data"] == json!([]));
        let url = waiting["next_action"]["redirect_to_url"]["url"].as_str().unwrap();
        assert_eq!(browser.get(url.replace("secret=", "secret=x")).send().await.unwrap().status(), 404);
        assert!(browser.get(url).send().await.unwrap().text().await.unwrap().contains("Complete authentication"));
        let form = [("client_secret", secret.as_str()), ("result", answer)];
        let back = browser.post(url.split('?').next().unwrap()).form(&form).send().await.unwrap();
        let back = back.headers()["location"].to_str().unwrap().to_owned();
        let word = if answer == "complete" { "succeeded" } else { "failed" };
        assert!(back.starts_with("https://app.example.com/back?setup_intent=seti_"), "{back}");
        assert!(back.ends_with(&format!("redirect_status={word}")), "{back}");
        let (_, setup) = api.get(&format!("/v1/setup_intents/{id}")).await;
        assert_eq!(setup["status"], status);
        if answer == "fail" {
            assert_eq!(setup["last_setup_error"]["code"], "setup_intent_authentication_failure");
            continue;
        }
        // Charged without the customer, it does not ask again.
        let method = setup["payment_method"].as_str().unwrap();
        let charge = [charge(method), vec![("customer", customer.as_str())]].concat();
        assert_eq!(api.post("/v1/payment_intents", None, &charge).await.1["status"], "succeeded");
    }
    // One that asks each time asks again; without an address to go to, Stripe.js would show it.
    let (id, secret, _) = begun(&api, "card").await;
    let form = [("client_secret", secret.as_str()), ("payment_method", "pm_card_authenticationRequired")];
    assert_eq!(confirm(&api, &id, &form).await.1["next_action"]["type"], "use_stripe_sdk");
    api.stripe.authenticate(&id, true);
    let (_, setup) = api.get(&format!("/v1/setup_intents/{id}")).await;
    let charge =
        [charge(setup["payment_method"].as_str().unwrap()), vec![("customer", setup["customer"].as_str().unwrap())]];
    assert_eq!(api.post("/v1/payment_intents", None, &charge.concat()).await.0, 402);
}

#[tokio::test]
async fn a_bank_account_is_set_up_by_a_browser_that_says_its_customer_agrees() {
    let api = Api::start().await;
    let (id, secret, _) = begun(&api, "us_bank_account").await;
    let base = [("client_secret", secret.as_str()), ("payment_method", "pm_usBankAccount_success")];
    let online = ("mandate_data[customer_acceptance][type]", "online");
    let inferred = ("mandate_data[customer_acceptance][online][infer_from_client]", "true");
    assert_eq!(confirm(&api, &id, &base).await.0, 400, "without consent");
    assert_eq!(confirm(&api, &id, &[base.as_slice(), &[online]].concat()).await.0, 400);
    let offline = ("mandate_data[customer_acceptance][type]", "offline");
    assert_eq!(confirm(&api, &id, &[base.as_slice(), &[offline]].concat()).await.0, 400);
    let card = [("client_secret", secret.as_str()), ("payment_method", "pm_card_visa"), online, inferred];
    assert_eq!(confirm(&api, &id, &card).await.0, 400, "another type");
    let form = [base.as_slice(), &[online, inferred]].concat();
    let path = format!("/v1/setup_intents/{id}/confirm");
    let (status, refused, _) = api.post(&path, None, &form).await;
    assert_eq!((status, error(&refused, "code")), (400, "parameter_unknown"), "a server is no browser");
    let (status, seen) = confirm(&api, &id, &form).await;
    assert_eq!((status, &seen["status"]), (200, &json!("succeeded")), "{seen}");
    let (_, setup) = api.get(&format!("/v1/setup_intents/{id}")).await;
    let (_, mandate) = api.get(&format!("/v1/mandates/{}", setup["mandate"].as_str().unwrap())).await;
    assert_eq!(mandate["customer_acceptance"]["online"]["ip_address"], "127.0.0.1", "{mandate}");

    let method = setup["payment_method"].as_str().unwrap();
    assert!(!api.stripe.block_bank(method, "R99") && !api.stripe.block_bank("pm_1", "R02"));
    assert!(api.stripe.block_bank(method, "R02"));
    let (_, blocked) = api.get(&format!("/v1/payment_methods/{method}")).await;
    let why = json!({ "network_code": "R02", "reason": "bank_account_closed" });
    assert_eq!(blocked["us_bank_account"]["status_details"]["blocked"], why);
    assert_eq!(kinds(&api).await.last().unwrap(), "payment_method.automatically_updated");
}

#[tokio::test]
async fn a_canceled_setup_is_over() {
    let api = Api::start().await;
    let (id, secret, _) = begun(&api, "card").await;
    let path = format!("/v1/setup_intents/{id}/cancel");
    assert_eq!(api.post(&path, None, &[("cancellation_reason", "bored")]).await.0, 400);
    let (_, canceled, _) = api.post(&path, None, &[("cancellation_reason", "abandoned")]).await;
    assert_eq!((&canceled["status"], &canceled["cancellation_reason"]), (&json!("canceled"), &json!("abandoned")));
    let (status, again, _) = api.post(&path, None, &[]).await;
    assert_eq!((status, error(&again, "code")), (400, "setup_intent_unexpected_state"));
    let (status, late) = confirm(&api, &id, &[("client_secret", &secret), ("payment_method", "pm_card_visa")]).await;
    assert_eq!((status, error(&late, "code")), (400, "setup_intent_unexpected_state"));
    assert_eq!(kinds(&api).await, ["setup_intent.created", "setup_intent.canceled"]);
}
