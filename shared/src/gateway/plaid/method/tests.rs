use serde_json::{Value, json};

use super::*;
use crate::gateway::paypal::stub::Stub;
use crate::gateway::plaid::stub::{TIMEOUT, access, error, plaid, secret, stub};

fn account(id: &str, kind: &str, subtype: &str) -> Value {
    json!({ "account_id": id, "type": kind, "subtype": subtype, "mask": "0000", "name": "Plaid Checking",
            "official_name": null, "balances": { "available": 100.0 } })
}

fn linked(accounts: Vec<Value>, institution: Option<&'static str>) -> Stub {
    stub(move |_| {
        let item = json!({ "item_id": "item1", "institution_name": institution, "error": null });
        Some((200, json!({ "accounts": accounts, "item": item, "request_id": "q" })))
    })
}

async fn the_one(accounts: Vec<Value>) -> Result<KnownMethod, MethodError> {
    plaid(&linked(accounts, Some("First Platypus Bank"))).account(&secret(), &access(), TIMEOUT).await
}

#[tokio::test]
async fn a_public_token_becomes_an_access_token_that_nobody_sees() {
    let stub = stub(|asked| match asked.body["public_token"].as_str() {
        Some("public-1") => Some((200, json!({ "access_token": "access-sandbox-2", "item_id": "item1" }))),
        Some("public-2") => Some((200, json!({ "access_token": "access-sandbox-2", "item_id": "" }))),
        Some("public-3") => Some((503, error("API_ERROR", "PLANNED_MAINTENANCE"))),
        _ => Some((400, error("INVALID_INPUT", "INVALID_PUBLIC_TOKEN"))),
    });
    let plaid = plaid(&stub);
    let (access, item) = plaid.exchange(&secret(), "public-1", TIMEOUT).await.unwrap();
    assert_eq!((access.access_token.expose_secret(), item.as_str()), ("access-sandbox-2", "item1"));
    assert!(!format!("{access:?}").contains("access-sandbox"));
    let said = plaid.exchange(&secret(), "public-2", TIMEOUT).await;
    assert!(matches!(said, Err(MethodError::Gateway(Trouble::Unreadable))));
    let said = plaid.exchange(&secret(), "public-3", TIMEOUT).await;
    assert!(matches!(said, Err(MethodError::Gateway(Trouble::Fault))));
    let said = plaid.exchange(&secret(), "public-4", TIMEOUT).await.unwrap_err().to_string();
    assert!(said.contains("link the account again"), "{said}");
}

#[tokio::test]
async fn the_one_account_that_transfers_can_use_is_the_method() {
    let card = account("acc2", "credit", "credit card");
    let known = the_one(vec![card.clone(), account("acc1", "depository", "checking")]).await.unwrap();
    assert_eq!(
        known,
        KnownMethod {
            mandate: None,
            barred: None,
            reference: "acc1".to_owned(),
            customer: Some("item1".to_owned()),
            attached_here: false,
            kind: MethodKind::BankAccount,
            brand: Some("First Platypus Bank".to_owned()),
            last4: Some("0000".to_owned()),
            exp_month: None,
            exp_year: None,
        }
    );
    for accounts in [
        vec![],
        vec![card],
        vec![account("acc1", "depository", "cd")],
        vec![account("acc1", "depository", "checking"), account("acc2", "depository", "savings")],
    ] {
        let said = the_one(accounts).await.unwrap_err();
        assert!(matches!(&said, MethodError::NotUsable(why) if why.contains("link exactly one account")), "{said}");
    }
}

#[tokio::test]
async fn an_account_without_a_banks_name_goes_by_its_own_and_a_number_is_no_mask() {
    let mut one = account("acc1", "depository", "cash management");
    one["mask"] = json!("000123456789");
    let known = plaid(&linked(vec![one], None)).account(&secret(), &access(), TIMEOUT).await.unwrap();
    assert_eq!((known.brand.as_deref(), known.last4), (Some("Plaid Checking"), None));
}

#[tokio::test]
async fn a_bank_that_does_not_answer_is_not_an_account_that_is_gone() {
    for (kind, code, is_gone) in [
        ("ITEM_ERROR", "ITEM_LOGIN_REQUIRED", true),
        ("INVALID_INPUT", "INVALID_ACCESS_TOKEN", true),
        ("INSTITUTION_ERROR", "INSTITUTION_DOWN", false),
        ("INVALID_INPUT", "INVALID_API_KEYS", false),
    ] {
        let stub = stub(move |_| Some((400, error(kind, code))));
        let said = plaid(&stub).account(&secret(), &access(), TIMEOUT).await.unwrap_err();
        assert_eq!(matches!(said, MethodError::NotUsable(_)), is_gone, "{code}: {said}");
    }
}
