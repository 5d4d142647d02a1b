//! Refunds give back no more than was paid, and each answer is Stripe's.

use super::*;
use crate::stripe::RefundsBecome;

impl Api {
    /// A PaymentIntent that succeeded: its id.
    pub(super) async fn paid(&self, method: &str) -> String {
        let (status, body, _) = self.pay(None, method).await;
        assert_eq!(status, 200, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    async fn refund(&self, key: Option<&str>, form: &[(&str, &str)]) -> (u16, Value, bool) {
        self.post("/v1/refunds", key, form).await
    }

    /// The charge of a PaymentIntent: running total, and whether all was given back.
    async fn refunded(&self, intent: &str) -> (i64, bool) {
        let (_, body) = self.get(&format!("/v1/payment_intents/{intent}?expand[]=latest_charge")).await;
        let charge = &body["latest_charge"];
        let entry = self.stripe.books("acct_1").into_iter().find(|entry| entry.id == intent).unwrap();
        assert_eq!(charge["amount_refunded"], json!(entry.refunded));
        (entry.refunded, charge["refunded"].as_bool().unwrap())
    }
}

/// Status, code and parameter of an error; a code or parameter that is not there is empty.
type Refusal<'a> = (u16, &'a str, &'a str);

fn refusal(reply: &(u16, Value, bool)) -> Refusal<'_> {
    (reply.0, error(&reply.1, "code"), error(&reply.1, "param"))
}

#[tokio::test]
async fn partial_refunds_add_up_to_the_charge_and_no_further() {
    let api = Api::start().await;
    let intent = api.paid("pm_card_visa").await;
    let part = [("payment_intent", intent.as_str()), ("amount", "1000"), ("metadata[refund_id]", "r1")];
    let (status, first, _) = api.refund(None, &part).await;
    assert_eq!((status, first["status"].as_str(), first["amount"].as_i64()), (200, Some("succeeded"), Some(1000)));
    assert_eq!((&first["payment_intent"], &first["metadata"]), (&json!(intent), &json!({ "refund_id": "r1" })));
    assert!(first.get("failure_reason").is_none() && first.get("pending_reason").is_none());
    assert_eq!(api.refunded(&intent).await, (1000, false));
    let over = api.refund(None, &[("payment_intent", &intent), ("amount", "1501")]).await;
    assert_eq!(refusal(&over), (400, "", "amount"));
    let charge = first["charge"].as_str().unwrap();
    let (status, rest, _) = api.refund(None, &[("charge", charge), ("reason", "duplicate")]).await;
    assert_eq!((status, rest["amount"].as_i64(), rest["reason"].as_str()), (200, Some(1500), Some("duplicate")));
    assert_eq!(api.refunded(&intent).await, (2500, true));
    let again = api.refund(None, &[("payment_intent", &intent)]).await;
    assert_eq!(refusal(&again), (400, "charge_already_refunded", ""));
    let over = api.refund(None, &[("payment_intent", &intent), ("amount", "1")]).await;
    assert_eq!(refusal(&over), (400, "charge_already_refunded", ""));
    let amounts: Vec<i64> = api.stripe.refunds("acct_1").iter().map(|refund| refund.amount).collect();
    assert_eq!(amounts, [1000, 1500]);
}

#[tokio::test]
async fn refunds_that_stripe_refuses_are_refused() {
    let api = Api::start().await;
    let intent = api.paid("pm_card_visa").await;
    let failed = api.pay(None, "pm_card_visa_chargeDeclined").await.1["error"]["payment_intent"].clone();
    let failed = failed["id"].as_str().unwrap().to_owned();
    let bare = api.post("/v1/payment_intents", None, &[("amount", "500"), ("currency", "usd")]).await.1;
    let bare = bare["id"].as_str().unwrap().to_owned();
    let of = |id: &'static str| ("charge", id);
    let paid = || ("payment_intent", intent.as_str());
    let cases: [(&[(&str, &str)], Refusal<'_>); 13] = [
        (&[], (400, "parameter_missing", "payment_intent")),
        (&[paid(), of("ch_1")], (400, "parameters_exclusive", "charge")),
        (&[of("ch_1")], (400, "resource_missing", "charge")),
        (&[("payment_intent", "pi_1")], (400, "resource_missing", "payment_intent")),
        (&[paid(), ("amount", "0")], (400, "parameter_invalid_integer", "amount")),
        (&[paid(), ("amount", "-1")], (400, "parameter_invalid_integer", "amount")),
        (&[paid(), ("amount", "1.0")], (400, "parameter_invalid_integer", "amount")),
        (&[paid(), ("reason", "expired_uncaptured_charge")], (400, "parameter_invalid", "reason")),
        (&[paid(), ("currency", "usd")], (400, "parameter_unknown", "currency")),
        (&[paid(), ("reverse_transfer", "true")], (400, "", "")),
        (&[paid(), ("refund_application_fee", "true")], (400, "", "")),
        (&[("payment_intent", &failed)], (400, "", "")),
        (&[("payment_intent", &bare)], (400, "", "")),
    ];
    for (form, expected) in cases {
        let reply = api.refund(None, form).await;
        assert_eq!(refusal(&reply), expected, "{form:?}");
    }
    assert_eq!((api.stripe.refunds("acct_1"), api.refunded(&intent).await), (vec![], (0, false)));
}

#[tokio::test]
async fn a_refund_answer_is_replayed_under_its_key_and_so_is_a_refusal_by_the_charges_state() {
    let api = Api::start().await;
    let intent = api.paid("pm_card_visa").await;
    let part = [("payment_intent", intent.as_str()), ("amount", "1000")];
    let first = api.refund(Some("a"), &part).await;
    let again = api.refund(Some("a"), &part).await;
    assert_eq!((first.0, &first.1, first.2, again.2), (200, &again.1, false, true));
    assert_eq!(api.refunded(&intent).await, (1000, false));
    // What the state refused stays refused under the key, though the state has changed.
    let (most, id) = ([("payment_intent", intent.as_str()), ("amount", "2500")], first.1["id"].as_str().unwrap());
    assert_eq!(refusal(&api.refund(Some("b"), &most).await), (400, "", "amount"));
    api.stripe.finish_refund(id, false);
    let replayed = api.refund(Some("b"), &most).await;
    assert_eq!((refusal(&replayed), replayed.2), ((400, "", "amount"), true));
    // What the parameters refused leaves the key free.
    let wrong = [("payment_intent", intent.as_str()), ("amount", "0")];
    assert_eq!(api.refund(Some("c"), &wrong).await.0, 400);
    assert_eq!(api.refund(Some("c"), &most).await.0, 200);
    let full = api.refund(Some("d"), &part).await;
    let again = api.refund(Some("d"), &part).await;
    assert_eq!((refusal(&full), again.2), ((400, "charge_already_refunded", ""), true));
    assert_eq!(api.refunded(&intent).await, (2500, true));
}

#[tokio::test]
async fn failed_and_canceled_refunds_can_be_refunded_again() {
    let api = Api::start().await;
    let intent = api.paid("pm_card_refundFail").await;
    let part = [("payment_intent", intent.as_str()), ("amount", "1000")];
    let made = api.refund(None, &part).await.1;
    assert_eq!((made["status"].as_str(), api.refunded(&intent).await), (Some("succeeded"), (1000, false)));
    let id = made["id"].as_str().unwrap();
    api.stripe.finish_refund(id, false);
    let failed = api.get(&format!("/v1/refunds/{id}")).await.1;
    assert_eq!((failed["status"].as_str(), failed["failure_reason"].is_string()), (Some("failed"), true));
    assert_eq!(api.refunded(&intent).await, (0, false));
    // It ends once.
    api.stripe.finish_refund(id, false);
    api.stripe.finish_refund(id, true);
    assert_eq!(api.refunded(&intent).await, (0, false));

    api.stripe.set_refunds(RefundsBecome::RequiresAction);
    let waiting = api.refund(None, &[("payment_intent", &intent)]).await.1;
    assert_eq!((waiting["status"].as_str(), api.refunded(&intent).await), (Some("requires_action"), (2500, true)));
    let cancel = format!("/v1/refunds/{}/cancel", waiting["id"].as_str().unwrap());
    let (status, canceled, _) = api.post(&cancel, None, &[]).await;
    assert_eq!((status, canceled["status"].as_str()), (200, Some("canceled")));
    assert_eq!(api.refunded(&intent).await, (0, false));
    assert_eq!(refusal(&api.post(&cancel, None, &[]).await), (400, "", ""));
    let cancel = format!("/v1/refunds/{id}/cancel");
    assert_eq!(refusal(&api.post(&cancel, None, &[]).await), (400, "", ""));
    assert_eq!(api.refunded(&intent).await, (0, false));
    let statuses: Vec<String> = api.stripe.refunds("acct_1").into_iter().map(|refund| refund.status).collect();
    assert_eq!(statuses, ["failed", "canceled"]);
}

#[tokio::test]
async fn a_refund_is_pending_until_the_bank_has_answered() {
    let api = Api::start().await;
    let bank = {
        let form = debit("pm_usBankAccount_success");
        let intent = api.post("/v1/payment_intents", None, &form).await.1["id"].as_str().unwrap().to_owned();
        api.stripe.finish_processing(&intent, true);
        intent
    };
    for (intent, prefix) in [(api.paid("pm_card_pendingRefund").await, "re_"), (bank, "pyr_")] {
        let made = api.refund(None, &[("payment_intent", &intent)]).await.1;
        assert_eq!((made["status"].as_str(), made["pending_reason"].as_str()), (Some("pending"), Some("processing")));
        assert_eq!((&made["balance_transaction"], api.refunded(&intent).await), (&Value::Null, (2500, true)));
        let id = made["id"].as_str().unwrap();
        assert!(id.starts_with(prefix), "{id}");
        api.stripe.finish_refund(id, true);
        let done = api.get(&format!("/v1/refunds/{id}")).await.1;
        assert_eq!((done["status"].as_str(), done.get("pending_reason")), (Some("succeeded"), None));
        assert!(done["balance_transaction"].is_string());
    }
    api.stripe.set_refunds(RefundsBecome::Pending);
    let intent = api.paid("pm_card_visa").await;
    assert_eq!(api.refund(None, &[("payment_intent", &intent)]).await.1["status"], json!("pending"));
}

#[tokio::test]
async fn a_bank_debit_is_refunded_within_180_days_only() {
    let api = Api::start().await;
    let form = debit("pm_usBankAccount_success");
    let intent = api.post("/v1/payment_intents", None, &form).await.1["id"].as_str().unwrap().to_owned();
    assert_eq!(refusal(&api.refund(None, &[("payment_intent", &intent)]).await), (400, "", ""), "nothing captured");
    api.stripe.finish_processing(&intent, true);
    api.clock.advance(Duration::from_hours(180 * 24));
    assert_eq!(api.refund(None, &[("payment_intent", &intent), ("amount", "1")]).await.0, 200);
    api.clock.advance(Duration::from_secs(1));
    let late = api.refund(None, &[("payment_intent", &intent)]).await;
    assert_eq!(refusal(&late), (400, "charge_not_refundable", ""));
}

#[tokio::test]
async fn a_transfer_is_reversed_with_the_refund_where_there_is_one() {
    let api = Api::start().await;
    api.stripe.add_connected_account("acct_1", "acct_2");
    let mut form = charge("pm_card_visa");
    form.push(("transfer_data[destination]", "acct_2"));
    let intent = api.post("/v1/payment_intents", None, &form).await.1["id"].as_str().unwrap().to_owned();
    let (status, made, _) = api.refund(None, &[("payment_intent", &intent), ("reverse_transfer", "true")]).await;
    assert_eq!((status, made["transfer_reversal"].is_string()), (200, true));
    assert!(api.stripe.refunds("acct_1")[0].reverse_transfer);
}

#[tokio::test]
async fn refunds_are_listed_newest_first_in_pages_of_both_directions() {
    let api = Api::start().await;
    let (intent, other) = (api.paid("pm_card_visa").await, api.paid("pm_card_visa").await);
    let mut made = Vec::new();
    for amount in ["1", "2", "3", "4"] {
        let reply = api.refund(None, &[("payment_intent", &intent), ("amount", amount)]).await;
        made.push(reply.1["id"].as_str().unwrap().to_owned());
        api.stripe.refund_in_dashboard(&other, Some(1)).unwrap();
    }
    let page = async |query: String| {
        let (status, body) = api.get(&format!("/v1/refunds?payment_intent={intent}&{query}")).await;
        assert_eq!((status, body["url"].as_str()), (200, Some("/v1/refunds")));
        let ids = body["data"].as_array().unwrap().iter().map(|refund| refund["id"].as_str().unwrap().to_owned());
        (ids.collect::<Vec<_>>(), body["has_more"].as_bool().unwrap())
    };
    let ids = |places: [usize; 2]| places.map(|place| made[place].clone()).to_vec();
    assert_eq!(page("limit=2".to_owned()).await, (ids([3, 2]), true));
    assert_eq!(page(format!("limit=2&starting_after={}", made[2])).await, (ids([1, 0]), false));
    assert_eq!(page(format!("limit=2&ending_before={}", made[0])).await, (ids([2, 1]), true));
    assert_eq!(page(format!("limit=2&ending_before={}", made[1])).await, (ids([3, 2]), false));
    assert_eq!(page("created[lt]=1".to_owned()).await, (vec![], false));
    let (status, body) = api.get("/v1/refunds?ending_before=re_1").await;
    assert_eq!((status, error(&body, "param")), (400, "ending_before"));
    assert_eq!(api.get("/v1/refunds?status=failed").await.0, 400);
    assert_eq!(api.get("/v1/refunds/re_1").await.0, 404);
}

#[tokio::test]
async fn the_dashboard_refunds_by_the_same_rules_and_writes_nothing_of_ours() {
    let api = Api::start().await;
    let intent = api.paid("pm_card_visa").await;
    assert_eq!(api.stripe.refund_in_dashboard(&intent, Some(2501)), None);
    assert_eq!(api.stripe.refund_in_dashboard(&intent, Some(0)), None);
    let id = api.stripe.refund_in_dashboard(&intent, Some(500)).unwrap();
    let all = api.stripe.refund_in_dashboard(&intent, None).unwrap();
    assert_eq!(api.stripe.refund_in_dashboard(&intent, None), None);
    let refunds = api.stripe.refunds("acct_1");
    let seen: Vec<_> =
        refunds.iter().map(|refund| (refund.id.as_str(), refund.amount, refund.metadata.len())).collect();
    assert_eq!(seen, [(id.as_str(), 500, 0), (all.as_str(), 2000, 0)]);
    assert_eq!(refunds[0].intent, intent);
}
