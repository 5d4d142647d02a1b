//! An authorization makes one transfer, within the hour, of no more than was authorized.

use super::*;

#[tokio::test]
async fn an_authorization_makes_one_transfer_however_often_it_is_sent() {
    let api = Api::start().await;
    let authorization = api.authorized("debit", "10.00").await;
    let by_authorization = json!({ "authorization_id": authorization });
    assert_eq!(refusal(&api.post("/transfer/get", &by_authorization).await), NOT_FOUND);
    let (_, first) = api.transfer(&authorization).await;
    let transfer = &first["transfer"];
    assert_eq!((&transfer["amount"], &transfer["cancellable"]), (&json!("10.00"), &json!(true)));
    assert_eq!((&transfer["failure_reason"], &transfer["refunds"]), (&Value::Null, &json!([])));
    assert_eq!(transfer["metadata"], json!({ "payment_id": "pay_1" }));
    assert_eq!(transfer["expected_settlement_date"], "2026-01-16");
    assert_eq!(transfer["expected_funds_available_date"], "2026-01-26");
    assert_eq!(transfer["standard_return_window"], "2026-01-22");
    // Long after, and with another body.
    api.clock.advance(Duration::from_hours(2));
    let other = with(&api.order(&authorization), "amount", json!("5.00"));
    assert_eq!(api.post("/transfer/create", &other).await.1["transfer"], *transfer);
    assert_eq!(api.post("/transfer/get", &by_authorization).await.1["transfer"], *transfer);
    assert_eq!((api.plaid.books(CLIENT).len(), api.ledger(), api.told()), (1, (0, 1000), vec!["pending".to_owned()]));
    let entry = &api.plaid.books(CLIENT)[0];
    assert_eq!((entry.authorization.as_str(), entry.presented), (authorization.as_str(), false));
}

#[tokio::test]
async fn what_was_not_approved_or_is_over_an_hour_old_is_refused() {
    let api = Api::start().await;
    let (_, declined) = api.authorize(&api.proposal("debit", "100.01")).await;
    let declined = declined["authorization"]["id"].as_str().unwrap();
    assert_eq!(refusal(&api.transfer(declined).await), INVALID_FIELD);
    let in_time = api.authorized("debit", "10.00").await;
    let late = api.authorized("debit", "10.00").await;
    api.clock.advance(Duration::from_hours(1));
    assert_eq!(api.transfer(&in_time).await.0, 200);
    api.clock.advance(Duration::from_secs(1));
    assert_eq!(refusal(&api.transfer(&late).await), INVALID_FIELD);
    assert_eq!(refusal(&api.transfer("other").await), NOT_FOUND);
    assert_eq!(api.plaid.books(CLIENT).len(), 1);
}

#[tokio::test]
async fn transfers_that_are_wrong_are_refused() {
    let api = Api::start().await;
    let authorization = api.authorized("debit", "10.00").await;
    let body = api.order(&authorization);
    let send = async |name: &str, value: Value| api.post("/transfer/create", &with(&body, name, value)).await;
    for name in ["access_token", "account_id", "authorization_id", "description"] {
        assert_eq!(refusal(&send(name, Value::Null).await), MISSING_FIELDS, "{name}");
    }
    let many: Value = (0..51).map(|number| (number.to_string(), json!("x"))).collect::<serde_json::Map<_, _>>().into();
    for (name, value) in [
        ("description", json!("")),
        ("description", json!("01234567890")),
        ("description", json!("Retry 1")),
        ("amount", json!("10.01")),
        ("amount", json!("10.001")),
        ("metadata", json!({ "k".repeat(41): "v" })),
        ("metadata", json!({ "k": "v".repeat(501) })),
        ("metadata", json!({ "k": "é" })),
        ("metadata", json!({ "k": 1 })),
        ("metadata", many),
        ("type", json!("credit")),
        ("network", json!("same-day-ach")),
        ("ach_class", json!("web")),
    ] {
        assert_eq!(refusal(&send(name, value.clone()).await), INVALID_FIELD, "{name} {value}");
    }
    assert_eq!(refusal(&send("wish", json!(1)).await), UNKNOWN_FIELDS);
    assert_eq!(refusal(&send("account_id", json!("other")).await), (400, "INVALID_INPUT", "INVALID_ACCOUNT_ID"));
    assert_eq!(api.plaid.books(CLIENT), []);
    let (status, made) = send("amount", json!("9.00")).await;
    assert_eq!((status, &made["transfer"]["amount"]), (200, &json!("9.00")));
}

#[tokio::test]
async fn credits_leave_the_ledger_at_once_and_never_more_than_is_there() {
    let api = Api::start().await;
    api.plaid.set_ledger(CLIENT, 1500);
    let (first, second) = (api.authorized("credit", "10.00").await, api.authorized("credit", "10.00").await);
    let (_, made) = api.transfer(&first).await;
    assert_eq!(api.ledger(), (500, 0));
    assert_eq!(refusal(&api.transfer(&second).await), INVALID_FIELD);
    assert_eq!(made["transfer"]["expected_funds_available_date"], Value::Null);
    let transfer = made["transfer"]["id"].as_str().unwrap();
    assert_eq!(api.post("/transfer/cancel", &json!({ "transfer_id": transfer })).await.0, 200);
    assert_eq!(api.ledger(), (1500, 0));
    let (_, ledger) = api.post("/transfer/ledger/get", &json!({})).await;
    assert_eq!(ledger["balance"], json!({ "available": "15.00", "pending": "0.00" }));
    let other = json!({ "ledger_id": "other" });
    assert_eq!(refusal(&api.post("/transfer/ledger/get", &other).await), INVALID_FIELD);
}

#[tokio::test]
async fn only_what_is_pending_is_cancelled() {
    let api = Api::start().await;
    let [cancelled, posted] = [api.made("debit", "10.00").await, api.made("debit", "10.00").await];
    let cancel = async |id: &str| api.post("/transfer/cancel", &json!({ "transfer_id": id })).await;
    assert_eq!(cancel(&cancelled).await.0, 200);
    assert!(api.plaid.post(&posted));
    let refused = (400, "TRANSFER_ERROR", "TRANSFER_NOT_CANCELLABLE");
    for id in [&cancelled, &posted] {
        assert_eq!(refusal(&cancel(id).await), refused);
        assert_eq!(api.read(id).await["cancellable"], false);
    }
    assert_eq!(refusal(&cancel("other").await), NOT_FOUND);
    assert!(!api.plaid.post(&cancelled), "what was cancelled never goes to a bank");
    assert_eq!((api.ledger(), api.plaid.presentments(ACCOUNT).len()), ((0, 1000), 1));
}

#[tokio::test]
async fn look_ups_name_one_thing() {
    let api = Api::start().await;
    let transfer = api.made("debit", "10.00").await;
    let get = async |body: Value| api.post("/transfer/get", &body).await;
    assert_eq!(refusal(&get(json!({})).await), MISSING_FIELDS);
    assert_eq!(refusal(&get(json!({ "transfer_id": "other" })).await), NOT_FOUND);
    assert_eq!(refusal(&get(json!({ "authorization_id": "other" })).await), NOT_FOUND);
    assert_eq!(refusal(&get(json!({ "transfer_id": transfer, "wish": 1 })).await), UNKNOWN_FIELDS);
}

#[tokio::test]
async fn a_debit_that_came_back_for_want_of_money_is_presented_twice_more_and_says_so() {
    let api = Api::start().await;
    let again = async |description: &str, amount: &str| {
        let authorization = api.authorized("debit", amount).await;
        let body = with(&api.order(&authorization), "description", json!(description));
        api.post("/transfer/create", &body).await
    };
    let comes_back = |answer: &Value, code: &str| {
        let id = answer["transfer"]["id"].as_str().unwrap();
        assert!(api.plaid.post(id) && api.plaid.return_transfer(id, code));
    };
    let (_, first) = again("INV-1", "10.00").await;
    assert_eq!(refusal(&again("Retry 1", "10.00").await), INVALID_FIELD);
    comes_back(&first, "R01");
    assert_eq!(refusal(&again("Retry 1", "9.00").await), INVALID_FIELD);
    assert_eq!(refusal(&again("Retry 2", "10.00").await), INVALID_FIELD);
    let (status, second) = again("Retry 1", "10.00").await;
    assert_eq!(status, 200);
    comes_back(&second, "R09");
    assert_eq!(again("Retry 2", "10.00").await.0, 200);
    assert_eq!(refusal(&again("Retry 3", "10.00").await), INVALID_FIELD);
    api.clock.advance(Duration::from_hours(181 * 24));
    assert_eq!(refusal(&again("Retry 1", "10.00").await), INVALID_FIELD);
}
