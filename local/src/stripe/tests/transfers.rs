//! A transfer takes what is there and no more, and its reversals give back what went.

use super::*;

impl Api {
    async fn start_connected() -> Self {
        let api = Self::start().await;
        api.stripe.add_connected_account("acct_1", "acct_2");
        api.stripe.set_balance("acct_1", "usd", 10_000);
        api
    }

    async fn transfer(&self, key: Option<&str>, amount: &str, more: &[(&str, &str)]) -> (u16, Value, bool) {
        let form = [&[("amount", amount), ("currency", "usd"), ("destination", "acct_2")], more].concat();
        self.post("/v1/transfers", key, &form).await
    }

    fn balances(&self) -> (i64, i64) {
        (self.stripe.balance("acct_1", "usd"), self.stripe.balance("acct_2", "usd"))
    }
}

#[tokio::test]
async fn a_transfer_moves_balance_once_under_its_key() {
    let api = Api::start_connected().await;
    let marks = [("transfer_group", "g1"), ("metadata[payment_id]", "p1"), ("description", "d")];
    let (status, made, _) = api.transfer(Some("k"), "4000", &marks).await;
    assert_eq!((status, made["object"].as_str(), made.get("status")), (200, Some("transfer"), None));
    assert!(made["id"].as_str().unwrap().starts_with("tr_"));
    assert!(api.transfer(Some("k"), "4000", &marks).await.2);
    assert_eq!(api.balances(), (6000, 4000));
    assert_eq!(api.event_types(), ["transfer.created"]);
    let balance = api.get("/v1/balance").await.1;
    let available = json!([{ "amount": 6000, "currency": "usd", "source_types": { "card": 6000 } }]);
    assert_eq!((&balance["object"], &balance["available"]), (&json!("balance"), &available));
    let books = api.stripe.transfers("acct_1");
    assert_eq!((books.len(), books[0].amount, books[0].destination.as_str()), (1, 4000, "acct_2"));
    assert_eq!((books[0].transfer_group.as_deref(), books[0].reversed), (Some("g1"), 0));
    assert_eq!(books[0].metadata.get("payment_id").map(String::as_str), Some("p1"));
}

#[tokio::test]
async fn a_transfer_beyond_the_balance_is_refused_for_good_under_its_key() {
    let api = Api::start_connected().await;
    let (status, refused, _) = api.transfer(Some("k"), "10001", &[]).await;
    assert_eq!((status, error(&refused, "code")), (400, "balance_insufficient"));
    assert_eq!(error(&refused, "type"), "invalid_request_error");
    api.stripe.set_balance("acct_1", "usd", 20_000);
    let (status, _, replayed) = api.transfer(Some("k"), "10001", &[]).await;
    assert_eq!((status, replayed), (400, true));
    assert_eq!(api.transfer(None, "100", &[("source_type", "bank_account")]).await.0, 400);
    assert_eq!(api.balances(), (20_000, 0));
}

#[tokio::test]
async fn transfers_that_stripe_refuses_are_refused() {
    let api = Api::start_connected().await;
    type Form = &'static [(&'static str, &'static str)];
    let cases: [(Form, &str, &str); 6] = [
        (&[("amount", "1"), ("currency", "usd")], "parameter_missing", "destination"),
        (&[("currency", "usd"), ("destination", "acct_2")], "parameter_missing", "amount"),
        (&[("amount", "1"), ("destination", "acct_2")], "parameter_missing", "currency"),
        (&[("amount", "1"), ("currency", "usd"), ("destination", "acct_3")], "resource_missing", "destination"),
        (&[("amount", "0"), ("currency", "usd"), ("destination", "acct_2")], "parameter_invalid_integer", "amount"),
        (
            &[("amount", "1"), ("currency", "usd"), ("destination", "acct_2"), ("status", "paid")],
            "parameter_unknown",
            "status",
        ),
    ];
    for (form, code, param) in cases {
        let (status, body, _) = api.post("/v1/transfers", None, form).await;
        assert_eq!((status, error(&body, "code"), error(&body, "param")), (400, code, param));
    }
    assert_eq!(api.stripe.transfers("acct_1"), []);
}

#[tokio::test]
async fn a_charge_is_handed_on_up_to_its_amount() {
    let api = Api::start_connected().await;
    let intent = api.paid("pm_card_visa").await;
    assert_eq!(api.balances(), (12_500, 0));
    let charge = api.get(&format!("/v1/payment_intents/{intent}")).await.1["latest_charge"].clone();
    let source = [("source_transaction", charge.as_str().unwrap())];
    let (_, made, _) = api.transfer(None, "2000", &source).await;
    assert_eq!(made["transfer_group"], json!(format!("group_{intent}")));
    let (status, over, _) = api.transfer(None, "501", &source).await;
    assert_eq!((status, error(&over, "param")), (400, "amount"));
    assert_eq!(api.balances(), (10_500, 2000));
}

#[tokio::test]
async fn reversals_give_back_up_to_what_went_and_what_is_left_there() {
    let api = Api::start_connected().await;
    let id = api.transfer(None, "4000", &[]).await.1["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/transfers/{id}/reversals");
    let (status, first, _) = api.post(&path, Some("r"), &[("amount", "1500"), ("metadata[refund_id]", "r1")]).await;
    assert_eq!(
        (status, first["object"].as_str(), first["transfer"].as_str()),
        (200, Some("transfer_reversal"), Some(id.as_str()))
    );
    assert!(api.post(&path, Some("r"), &[("amount", "1500"), ("metadata[refund_id]", "r1")]).await.2);
    assert_eq!(api.balances(), (7500, 2500));
    let (status, over, _) = api.post(&path, None, &[("amount", "2501")]).await;
    assert_eq!((status, error(&over, "param"), error(&over, "code")), (400, "amount", ""));
    api.stripe.set_balance("acct_2", "usd", 2499);
    let (status, poor, _) = api.post(&path, None, &[]).await;
    assert_eq!((status, error(&poor, "code")), (400, "balance_insufficient"));
    api.stripe.set_balance("acct_2", "usd", 2500);
    let rest = api.post(&path, None, &[]).await.1;
    assert_eq!((rest["amount"].as_i64(), api.balances()), (Some(2500), (10_000, 0)));
    assert_eq!(api.post(&path, None, &[]).await.0, 400);
    assert_eq!(api.event_types(), ["transfer.created", "transfer.reversed", "transfer.reversed"]);
    let shown = api.get(&format!("/v1/transfers/{id}")).await.1;
    assert_eq!((shown["amount_reversed"].as_i64(), shown["reversed"].as_bool()), (Some(4000), Some(true)));
    let list = api.get(&format!("{path}?limit=1")).await.1;
    assert_eq!((&list["data"][0], &list["has_more"]), (&rest, &json!(true)));
    let one = api.get(&format!("{path}/{}", first["id"].as_str().unwrap())).await.1;
    assert_eq!((one["amount"].as_i64(), &one["metadata"]), (Some(1500), &json!({ "refund_id": "r1" })));
    assert_eq!(api.get(&format!("{path}/trr_1")).await.0, 404);
    let books = &api.stripe.transfers("acct_1")[0];
    let amounts: Vec<i64> = books.reversals.iter().map(|reversal| reversal.amount).collect();
    assert_eq!((books.reversed, amounts), (4000, vec![1500, 2500]));
}

#[tokio::test]
async fn transfers_are_listed_by_group_and_destination_and_described_anew() {
    let api = Api::start_connected().await;
    for group in ["g1", "g2", "g1"] {
        api.transfer(None, "100", &[("transfer_group", group), ("metadata[a]", "1")]).await;
    }
    let count = async |query: &str| {
        let (status, list) = api.get(&format!("/v1/transfers?{query}")).await;
        (status, list["data"].as_array().map_or(0, Vec::len))
    };
    assert_eq!(count("transfer_group=g1").await, (200, 2));
    assert_eq!(count("destination=acct_3").await, (200, 0));
    assert_eq!(count("status=paid").await.0, 400);
    let id = api.stripe.transfers("acct_1")[1].id.clone();
    let path = format!("/v1/transfers/{id}");
    let changed = api.post(&path, None, &[("metadata[a]", ""), ("metadata[b]", "2"), ("description", "d")]).await.1;
    assert_eq!((&changed["metadata"], &changed["description"]), (&json!({ "b": "2" }), &json!("d")));
    assert_eq!(api.event_types().last().map(String::as_str), Some("transfer.updated"));
    assert_eq!(api.post(&path, None, &[("amount", "1")]).await.0, 400);
}

#[tokio::test]
async fn charges_refunds_and_disputes_move_the_balance_of_who_was_paid() {
    let api = Api::start().await;
    api.stripe.add_connected_account("acct_1", "acct_2");
    let own = api.paid("pm_card_visa").await;
    let form = [charge("pm_card_visa"), vec![("transfer_data[destination]", "acct_2")]].concat();
    let vendors = api.post("/v1/payment_intents", None, &form).await.1["id"].as_str().unwrap().to_owned();
    assert_eq!(api.balances(), (2500, 2500));
    let refund = [("payment_intent", vendors.as_str()), ("amount", "500"), ("reverse_transfer", "true")];
    let made = api.post("/v1/refunds", None, &refund).await.1["id"].as_str().unwrap().to_owned();
    assert_eq!(api.balances(), (2500, 2000));
    api.stripe.finish_refund(&made, false);
    assert_eq!(api.balances(), (2500, 2500));
    api.stripe.refund_in_dashboard(&vendors, None).unwrap();
    let dispute = api.stripe.open_dispute(&own, "general").unwrap();
    assert_eq!(api.balances(), (-2500, 2500));
    api.stripe.close_dispute(&dispute, true);
    assert_eq!(api.balances(), (0, 2500));
}
