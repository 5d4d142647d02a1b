//! Authorizations are decided by balances, replayed by their keys, and refused where they are wrong.

use super::*;

/// Decision and code of an answer.
fn decision((status, answer): &(u16, Value)) -> (String, Value) {
    assert_eq!(*status, 200, "{answer}");
    let authorization = &answer["authorization"];
    let code = authorization["decision_rationale"].get("code").cloned().unwrap_or_default();
    (authorization["decision"].as_str().unwrap().to_owned(), code)
}

fn decided(decision: &str, code: impl Into<Value>) -> (String, Value) {
    (decision.to_owned(), code.into())
}

#[tokio::test]
async fn debits_are_decided_by_the_accounts_balance() {
    let api = Api::start().await;
    let authorize = async |amount: &str| decision(&api.authorize(&api.proposal("debit", amount)).await);
    assert_eq!(authorize("100.00").await, decided("approved", Value::Null));
    assert_eq!(authorize("100.01").await, decided("declined", "NSF"));
    assert!(api.plaid.set_balance(ACCOUNT, 0));
    assert_eq!(authorize("0.01").await, decided("declined", "RISK"));
    assert!(api.plaid.set_balance(ACCOUNT, 10_000));
    assert!(api.plaid.set_rationale(CLIENT, Some("TRANSFER_LIMIT_REACHED")));
    assert_eq!(authorize("1.00").await, decided("declined", "TRANSFER_LIMIT_REACHED"));
    assert!(api.plaid.set_rationale(CLIENT, Some("ERROR")));
    assert_eq!(authorize("100.01").await, decided("approved", "ERROR"));
    assert!(!api.plaid.set_rationale(CLIENT, Some("BAD_MOOD")));
    assert!(api.plaid.set_rationale(CLIENT, None));
    let (_, answer) = api.authorize(&api.proposal("debit", "1.00")).await;
    let proposed = &answer["authorization"]["proposed_transfer"];
    assert_eq!(
        (&proposed["amount"], &proposed["type"], &proposed["ach_class"]),
        (&json!("1.00"), &json!("debit"), &json!("ccd"))
    );
    assert_eq!(proposed["user"]["legal_name"], "Ann Example");
    assert_eq!(proposed["ledger_id"], api.plaid.ledger(CLIENT).unwrap().0);
}

#[tokio::test]
async fn credits_are_decided_by_the_ledger() {
    let api = Api::start().await;
    let authorize = async |amount: &str| decision(&api.authorize(&api.proposal("credit", amount)).await);
    assert_eq!(authorize("500.00").await, decided("declined", "NSF"));
    api.plaid.set_ledger(CLIENT, 50_000);
    api.plaid.set_balance(ACCOUNT, 0);
    assert_eq!(authorize("500.00").await, decided("approved", Value::Null));
}

#[tokio::test]
async fn a_key_gives_the_same_authorization_for_two_days_whatever_the_body_says() {
    let api = Api::start().await;
    let body = with(&api.proposal("debit", "10.00"), "idempotency_key", json!("k1"));
    let (_, first) = api.authorize(&body).await;
    let other = with(&body, "amount", json!("20.00"));
    api.plaid.set_balance(ACCOUNT, 0);
    api.clock.advance(Duration::from_hours(48) - Duration::from_secs(1));
    assert_eq!(api.authorize(&other).await.1["authorization"], first["authorization"]);
    api.clock.advance(Duration::from_secs(1));
    let (_, second) = api.authorize(&other).await;
    assert_ne!(second["authorization"]["id"], first["authorization"]["id"]);
    assert_eq!(second["authorization"]["decision"], "declined");
    // A decline is kept too.
    api.plaid.set_balance(ACCOUNT, 10_000);
    assert_eq!(api.authorize(&other).await.1["authorization"], second["authorization"]);
    let none = api.proposal("debit", "10.00");
    assert_ne!(api.authorize(&none).await.1["authorization"], api.authorize(&none).await.1["authorization"]);
    assert_eq!(refusal(&api.authorize(&with(&body, "idempotency_key", json!("k".repeat(51)))).await), INVALID_FIELD);
}

#[tokio::test]
async fn a_stale_login_is_mended_under_the_same_key() {
    let api = Api::start().await;
    let body = with(&api.proposal("debit", "10.00"), "idempotency_key", json!("k1"));
    let access = json!({ "access_token": api.item.access_token });
    let (status, reset) = api.post("/sandbox/item/reset_login", &access).await;
    assert_eq!((status, &reset["reset_login"]), (200, &json!(true)));
    let accounts = api.post("/accounts/get", &access).await;
    assert_eq!(refusal(&accounts), (400, "ITEM_ERROR", "ITEM_LOGIN_REQUIRED"));
    let (_, stale) = api.authorize(&body).await;
    assert_eq!(decision(&(200, stale.clone())), decided("user_action_required", Value::Null));
    let refused = api.transfer(stale["authorization"]["id"].as_str().unwrap()).await;
    assert_eq!(refusal(&refused), INVALID_FIELD);
    assert!(api.plaid.set_login_required("item_1", false));
    assert_eq!(decision(&api.authorize(&body).await), decided("approved", Value::Null));
}

#[tokio::test]
async fn classes_are_for_a_direction_and_for_clients_that_have_them() {
    let api = Api::start().await;
    api.plaid.set_ledger(CLIENT, 50_000);
    let authorize = async |kind: &str, class: &str| {
        api.authorize(&with(&api.proposal(kind, "10.00"), "ach_class", json!(class))).await
    };
    let forbidden = (400, "TRANSFER_ERROR", "TRANSFER_FORBIDDEN_ACH_CLASS");
    for (kind, class, allowed) in [
        ("debit", "ccd", true),
        ("debit", "ppd", true),
        ("debit", "web", true),
        ("debit", "tel", true),
        ("credit", "ccd", true),
        ("credit", "ppd", true),
        ("credit", "web", false),
        ("credit", "tel", false),
    ] {
        let answer = authorize(kind, class).await;
        assert_eq!(answer.0 == 200, allowed, "{kind} {class}");
        assert!(allowed || refusal(&answer) == forbidden);
    }
    api.plaid.set_ach_classes(CLIENT, &["ppd"]);
    assert_eq!(refusal(&authorize("debit", "ccd").await), forbidden);
    assert_eq!(authorize("debit", "ppd").await.0, 200);
}

#[tokio::test]
async fn proposals_that_are_wrong_are_refused() {
    let api = Api::start().await;
    let body = api.proposal("debit", "10.00");
    for name in ["access_token", "account_id", "type", "network", "amount", "user", "ach_class"] {
        assert_eq!(refusal(&api.authorize(&with(&body, name, Value::Null)).await), MISSING_FIELDS, "{name}");
    }
    for (name, value) in [
        ("amount", json!("10")),
        ("amount", json!("0.00")),
        ("amount", json!(10)),
        ("type", json!("both")),
        ("network", json!("carrier-pigeon")),
        ("network", json!("rtp")),
        ("ach_class", json!("xyz")),
        ("iso_currency_code", json!("EUR")),
        ("ledger_id", json!("other")),
        ("funding_account_id", json!("other")),
        ("credit_funds_source", json!("sweep")),
        ("test_clock_id", json!("clock")),
        ("user", json!({ "legal_name": "" })),
        ("user_present", json!("yes")),
    ] {
        assert_eq!(refusal(&api.authorize(&with(&body, name, value.clone())).await), INVALID_FIELD, "{name} {value}");
    }
    for (name, value, kind, code) in [
        ("access_token", json!("access-sandbox-2"), "INVALID_INPUT", "INVALID_ACCESS_TOKEN"),
        ("account_id", json!("account_2"), "INVALID_INPUT", "INVALID_ACCOUNT_ID"),
        ("amount", json!("10000000.01"), "TRANSFER_ERROR", "TRANSFER_NETWORK_LIMIT_EXCEEDED"),
        ("originator_client_id", json!("other"), "TRANSFER_ERROR", "TRANSFER_ORIGINATOR_NOT_FOUND"),
        ("guarantee", json!(true), "INVALID_REQUEST", "UNKNOWN_FIELDS"),
        ("user", json!({ "legal_name": "Ann", "age": 7 }), "INVALID_REQUEST", "UNKNOWN_FIELDS"),
        ("user", json!({}), "INVALID_REQUEST", "MISSING_FIELDS"),
    ] {
        assert_eq!(refusal(&api.authorize(&with(&body, name, value)).await), (400, kind, code));
    }
    // All that a client may send beside.
    let ledger = api.plaid.ledger(CLIENT).unwrap().0;
    let mut full = with(&body, "ledger_id", json!(ledger));
    full["user"] = json!({ "legal_name": "Ann", "phone_number": "1", "email_address": "a@example.com",
                           "address": { "street": "1 Main", "city": "Reno", "region": "NV", "postal_code": "1", "country": "US" } });
    full["device"] = json!({ "ip_address": "192.0.2.1", "user_agent": "test" });
    full["user_present"] = json!(false);
    full["idempotency_key"] = json!("k1");
    full["iso_currency_code"] = json!("USD");
    assert_eq!(api.authorize(&full).await.0, 200);
}

#[tokio::test]
async fn an_account_that_is_not_there_is_not_asked_again() {
    let api = Api::start().await;
    for (code, blocks) in [("R01", false), ("R02", true)] {
        let transfer = api.made("debit", "10.00").await;
        assert!(api.plaid.post(&transfer) && api.plaid.return_transfer(&transfer, code));
        let answer = api.authorize(&api.proposal("debit", "10.00")).await;
        assert_eq!(answer.0 == 400, blocks, "{code}");
    }
    let blocked = api.authorize(&api.proposal("debit", "10.00")).await;
    assert_eq!(refusal(&blocked), (400, "TRANSFER_ERROR", "TRANSFER_ACCOUNT_BLOCKED"));
    api.plaid.set_blocked(ACCOUNT, false);
    api.made("debit", "10.00").await;
}
