//! Items come from Link, and their tokens are good for one thing each.

use super::*;

const CREATE: &str = "/sandbox/public_token/create";
const EXCHANGE: &str = "/item/public_token/exchange";

#[tokio::test]
async fn a_public_token_is_exchanged_once_and_soon() {
    let api = Api::start().await;
    let wanted = json!({ "institution_id": "ins_109508", "initial_products": ["transfer"],
                         "options": { "webhook": "https://example.com/plaid" } });
    let (status, made) = api.post(CREATE, &wanted).await;
    assert_eq!(status, 200, "{made}");
    let token = json!({ "public_token": made["public_token"] });
    let (status, exchanged) = api.post(EXCHANGE, &token).await;
    assert_eq!(status, 200, "{exchanged}");
    let used = (400, "INVALID_INPUT", "INVALID_PUBLIC_TOKEN");
    assert_eq!(refusal(&api.post(EXCHANGE, &token).await), used);
    let seeded = json!({ "public_token": api.item.public_token });
    api.clock.advance(Duration::from_mins(30));
    assert_eq!(refusal(&api.post(EXCHANGE, &seeded).await), used);

    let access = json!({ "access_token": exchanged["access_token"] });
    let (status, accounts) = api.post("/accounts/get", &access).await;
    assert_eq!((status, &accounts["item"]["item_id"]), (200, &exchanged["item_id"]));
    let subtypes: Vec<&Value> = accounts["accounts"].as_array().unwrap().iter().map(|a| &a["subtype"]).collect();
    assert_eq!(subtypes, ["checking", "savings", "credit card"]);
    assert_eq!(accounts["accounts"][0]["balances"]["available"].to_string(), "100.0");
    let one = json!([accounts["accounts"][1]["account_id"]]);
    let (_, chosen) = api.post("/accounts/get", &with(&access, "options", json!({ "account_ids": one }))).await;
    assert_eq!(chosen["accounts"], json!([accounts["accounts"][1]]));
    let none = with(&access, "options", json!({ "account_ids": ["other"] }));
    assert_eq!(refusal(&api.post("/accounts/get", &none).await), (400, "INVALID_INPUT", "INVALID_ACCOUNT_ID"));

    // A card is no account to transfer from.
    let body = with(&api.proposal("debit", "10.00"), "access_token", exchanged["access_token"].clone());
    let card = with(&body, "account_id", accounts["accounts"][2]["account_id"].clone());
    let refused = (400, "TRANSFER_ERROR", "TRANSFER_UNSUPPORTED_ACCOUNT_TYPE");
    assert_eq!(refusal(&api.authorize(&card).await), refused);
}

#[tokio::test]
async fn a_removed_item_is_worth_nothing_but_what_was_transferred_is_still_read_and_refunded() {
    let api = Api::start().await;
    api.plaid.set_ledger(CLIENT, 10_000);
    let transfer = api.made("debit", "10.00").await;
    let unused = api.authorized("debit", "10.00").await;
    let access = json!({ "access_token": api.item.access_token });
    assert_eq!(api.post("/item/remove", &with(&access, "reason_code", json!("OTHER"))).await.0, 200);
    let gone = (400, "ITEM_ERROR", "ITEM_NOT_FOUND");
    assert_eq!(refusal(&api.post("/item/remove", &access).await), gone);
    assert_eq!(refusal(&api.post("/accounts/get", &access).await), gone);
    assert_eq!(refusal(&api.authorize(&api.proposal("debit", "10.00")).await), gone);
    assert_eq!(refusal(&api.transfer(&unused).await), gone);
    assert_eq!(api.read(&transfer).await["status"], "pending");
    let refund = json!({ "transfer_id": transfer, "amount": "1.00", "idempotency_key": "r1" });
    assert_eq!(api.post("/transfer/refund/create", &refund).await.0, 200);
}

#[tokio::test]
async fn what_the_specification_does_not_list_is_refused() {
    let api = Api::start().await;
    let wanted = json!({ "institution_id": "ins_1", "initial_products": ["transfer"] });
    assert_eq!(refusal(&api.post(CREATE, &with(&wanted, "extra", json!(1))).await), UNKNOWN_FIELDS);
    let nested = with(&wanted, "options", json!({ "extra": 1 }));
    let refused = api.post(CREATE, &nested).await;
    assert!(refused.1["error_message"].as_str().unwrap().ends_with("options.extra"), "{}", refused.1);
    assert_eq!(refusal(&api.post(CREATE, &with(&wanted, "institution_id", Value::Null)).await), MISSING_FIELDS);
    assert_eq!(refusal(&api.post(CREATE, &with(&wanted, "initial_products", json!([]))).await), INVALID_FIELD);
    let other = api.post(CREATE, &with(&wanted, "institution_id", json!("bank"))).await;
    assert_eq!(refusal(&other), (400, "INVALID_INPUT", "INVALID_INSTITUTION"));
    assert_eq!(refusal(&api.post("/accounts/get", &json!({})).await), MISSING_FIELDS);
    let wrong = api.post("/accounts/get", &json!({ "access_token": "access-sandbox-2" })).await;
    assert_eq!(refusal(&wrong), (400, "INVALID_INPUT", "INVALID_ACCESS_TOKEN"));
}
