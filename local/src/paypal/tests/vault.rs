//! Payers approve setup tokens, of which payment tokens are made that can be charged until they are deleted.

use super::*;

const SETUPS: &str = "/v3/vault/setup-tokens";
const TOKENS: &str = "/v3/vault/payment-tokens";

fn setup() -> Value {
    let urls = json!({ "return_url": "https://example.com/back", "cancel_url": "https://example.com/no",
                       "brand_name": "Acme & Sons" });
    json!({ "customer": { "id": "customer_1", "merchant_customer_id": "m-1" },
            "payment_source": { "paypal": { "usage_type": "MERCHANT", "experience_context": urls } } })
}

fn of(setup: &str) -> Value {
    json!({ "payment_source": { "token": { "id": setup, "type": "SETUP_TOKEN" } } })
}

impl Api {
    /// Where a payer is sent who answers at PayPal's page.
    async fn answered(&self, link: &str, choice: &str) -> String {
        let page = self.http.post(link).form(&[("choice", choice), ("method", "paypal_ok")]).send().await.unwrap();
        assert_eq!(page.status(), 303);
        page.headers()["location"].to_str().unwrap().to_owned()
    }

    /// A payment token that behaves like a test method.
    async fn token(&self, method: &str) -> String {
        let (_, made) = self.post(SETUPS, Some(&format!("s {method}")), &setup()).await;
        let id = made["id"].as_str().unwrap();
        assert!(self.paypal.approve_setup_token(id, method));
        let (status, token) = self.post(TOKENS, Some(&format!("t {method}")), &of(id)).await;
        assert_eq!(status, 201, "{token}");
        token["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn an_approved_setup_token_becomes_a_payment_token_that_can_be_charged() {
    let api = Api::start().await;
    let (status, made) = api.post(SETUPS, Some("1"), &setup()).await;
    assert_eq!((status, &made["status"]), (201, &json!("PAYER_ACTION_REQUIRED")));
    assert_eq!(api.post(SETUPS, Some("1"), &setup()).await, (200, made.clone()));
    let id = made["id"].as_str().unwrap();
    assert_eq!(refusal(&api.post(TOKENS, Some("2"), &of(id)).await), (422, "PAYER_ACTION_REQUIRED"));
    let approve = made["links"].as_array().unwrap().iter().find(|link| link["rel"] == "approve").unwrap();
    let link = approve["href"].as_str().unwrap();
    let page = api.http.get(link).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("<strong>Acme &amp; Sons</strong> asks to save your PayPal account"), "{page}");
    assert_eq!(api.get(&format!("{SETUPS}/{id}")).await.1["status"], "PAYER_ACTION_REQUIRED", "looking is no approval");
    let back = api.answered(link, "cancel").await;
    assert_eq!(back, format!("https://example.com/no?approval_token_id={id}&approval_session_id={id}"));
    let back = api.answered(link, "approve").await;
    assert_eq!(back, format!("https://example.com/back?approval_token_id={id}&approval_session_id={id}"));
    assert_eq!(api.http.get(link).send().await.unwrap().status(), 404, "it was approved");
    assert_eq!(api.get(&format!("{SETUPS}/{id}")).await.1["status"], "APPROVED");

    let (status, token) = api.post(TOKENS, Some("2"), &of(id)).await;
    let customer = json!({ "id": "customer_1", "merchant_customer_id": "m-1" });
    assert_eq!((status, &token["customer"], &made["customer"]), (201, &customer, &customer));
    assert_eq!(token["payment_source"]["paypal"]["email_address"], "payer@example.com");
    assert_eq!(api.post(TOKENS, Some("2"), &of(id)).await, (200, token.clone()));
    assert_eq!(refusal(&api.post(TOKENS, Some("3"), &of(id)).await), (422, "TOKEN_EXPIRED"));
    let (status, order) = api.pay("4", token["id"].as_str().unwrap()).await;
    assert_eq!((status, &capture_of(&order)["status"]), (201, &json!("COMPLETED")));
    assert_eq!(api.captured(), 2500);
}

#[tokio::test]
async fn a_setup_token_is_there_for_three_days() {
    let mut api = Api::start().await;
    let (_, made) = api.post(SETUPS, Some("1"), &setup()).await;
    let (_, late) = api.post(SETUPS, Some("2"), &setup()).await;
    let [id, late] = [&made, &late].map(|setup| setup["id"].as_str().unwrap());
    api.clock.advance(Duration::from_hours(71));
    assert!(api.paypal.approve_setup_token(id, "paypal_ok"));
    api.clock.advance(Duration::from_hours(1));
    api.log_in().await;
    assert_eq!(refusal(&api.post(TOKENS, Some("3"), &of(id)).await), (422, "TOKEN_EXPIRED"));
    assert!(!api.paypal.approve_setup_token(late, "paypal_ok"));
    assert_eq!(api.get(&format!("{SETUPS}/{late}")).await.0, 404);
}

#[tokio::test]
async fn without_a_way_back_there_is_nothing_to_approve() {
    let api = Api::start().await;
    let body = json!({ "payment_source": { "paypal": { "usage_type": "MERCHANT" } } });
    let (status, made) = api.post(SETUPS, Some("1"), &body).await;
    assert_eq!((status, &made["status"], made["links"].as_array().unwrap().len()), (201, &json!("CREATED"), 1));
}

#[tokio::test]
async fn a_payment_token_behaves_like_the_method_that_its_payer_chose() {
    let api = Api::start().await;
    let declined = api.token("paypal_INSTRUMENT_DECLINED").await;
    assert_eq!(refusal(&api.pay("1", &declined).await), (422, "INSTRUMENT_DECLINED"));
    let card = api.token("card_9500").await;
    let mut order = charge("card");
    order["payment_source"]["card"]["vault_id"] = json!(card);
    let (_, order) = api.post("/v2/checkout/orders", Some("2"), &order).await;
    assert_eq!(capture_of(&order)["processor_response"]["response_code"], "9500");
    assert_eq!(api.captured(), 0);
}

#[tokio::test]
async fn tokens_are_listed_by_customer_in_pages_and_deleted() {
    let api = Api::start().await;
    let mut made = [api.token("paypal_ok").await, api.token("paypal_declined").await, api.token("card_ok").await];
    made.sort_unstable();
    let path = format!("{TOKENS}?customer_id=customer_1");
    let ids = |page: &Value| {
        let ids =
            page["payment_tokens"].as_array().unwrap().iter().map(|token| token["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let (_, first) = api.get(&format!("{path}&page_size=2&total_required=true")).await;
    assert_eq!((ids(&first), &first["total_items"], &first["total_pages"]), (made[..2].to_vec(), &json!(3), &json!(2)));
    assert_eq!(ids(&api.get(&format!("{path}&page_size=2&page=2")).await.1), made[2..]);
    for refused in
        [TOKENS.to_owned(), format!("{TOKENS}?customer_id=short"), format!("{path}&page=0"), format!("{path}&pages=1")]
    {
        assert_eq!(api.get(&refused).await.0, 400, "{refused}");
    }
    let one = format!("{TOKENS}/{}", made[0]);
    for _ in 0..2 {
        let reply = api.request(reqwest::Method::DELETE, &one, None).send().await.unwrap();
        assert_eq!((reply.status().as_u16(), reply.bytes().await.unwrap().len()), (204, 0));
    }
    assert_eq!(api.get(&one).await.0, 404);
    assert_eq!(ids(&api.get(&path).await.1), made[1..]);
    assert_eq!(refusal(&api.pay("1", &made[0]).await), (422, "TOKEN_ID_NOT_FOUND"));
    let told = api.told();
    assert_eq!((told.len(), told[3].as_str()), (4, "VAULT.PAYMENT-TOKEN.DELETED"));
}

#[tokio::test]
async fn vault_requests_that_paypal_refuses_are_refused() {
    let api = Api::start().await;
    assert_eq!(refusal(&api.post(SETUPS, None, &setup()).await), (400, "PAYPAL_REQUEST_ID_REQUIRED"));
    let card = json!({ "payment_source": { "card": { "number": "4111111111111111", "expiry": "2030-08" } } });
    let answer = api.post(SETUPS, Some("1"), &card).await;
    assert_eq!(
        (refusal(&answer), &answer.1["name"]),
        ((403, "NOT_ENABLED_TO_VAULT_PAYMENT_SOURCE"), &json!("NOT_AUTHORIZED"))
    );
    let empty = json!({ "payment_source": {} });
    assert_eq!(refusal(&api.post(SETUPS, Some("1"), &empty).await), (400, "MISSING_REQUIRED_PARAMETER"));
    assert_eq!(refusal(&api.post(TOKENS, Some("1"), &of("NOBODY")).await), (422, "TOKEN_ID_NOT_FOUND"));
    assert_eq!(api.get(&format!("{SETUPS}/NOBODY")).await.0, 404);
}
