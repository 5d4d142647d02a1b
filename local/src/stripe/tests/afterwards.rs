//! What banks, customers and card networks do afterwards, and what the API then shows.

use std::collections::HashSet;

use super::*;
use crate::stripe::{RefundsBecome, Stripe};

impl Api {
    /// The types of the account's events so far.
    pub(super) fn event_types(&self) -> Vec<String> {
        self.stripe.events("acct_1").iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// The events since there were so many: type, and a member of the object.
    fn events_since(&self, seen: usize, member: &str) -> Vec<(String, Value)> {
        let events = self.stripe.events("acct_1").split_off(seen);
        let part = |event: &Value| event["data"]["object"].pointer(member).cloned().unwrap_or_default();
        events.iter().map(|event| (event["type"].as_str().unwrap().to_owned(), part(event))).collect()
    }
}

fn expected(events: &[(&str, Value)]) -> Vec<(String, Value)> {
    events.iter().map(|(kind, value)| ((*kind).to_owned(), value.clone())).collect()
}

#[tokio::test]
async fn each_outcome_of_a_charge_has_its_events_in_order() {
    let cases: [(&str, &str, &[&str]); 4] = [
        ("pm_card_visa", "true", &["charge.succeeded", "payment_intent.succeeded"]),
        ("pm_card_visa_chargeDeclined", "true", &["charge.failed", "payment_intent.payment_failed"]),
        ("pm_card_authenticationRequired", "false", &["payment_intent.requires_action"]),
        (
            "pm_card_createMultipleDisputes",
            "true",
            &["charge.succeeded", "payment_intent.succeeded", "charge.dispute.created", "charge.dispute.created"],
        ),
    ];
    for (method, off_session, types) in cases {
        let api = Api::start().await;
        let mut form = charge(method);
        form.retain(|(name, _)| *name != "off_session");
        form.push(("off_session", off_session));
        api.post("/v1/payment_intents", Some("k"), &form).await;
        api.post("/v1/payment_intents", Some("k"), &form).await;
        assert_eq!(api.event_types(), [&["payment_intent.created"], types].concat(), "{method}: a replay is no change");
    }
}

#[tokio::test]
async fn an_event_shows_its_object_as_it_was_then() {
    let api = Api::start().await;
    api.pay(Some("k1"), "pm_card_visa").await;
    let intent = api.stripe.books("acct_1")[0].id.clone();
    api.stripe.refund_in_dashboard(&intent, Some(1000));
    api.stripe.refund_in_dashboard(&intent, None);
    let events = api.stripe.events("acct_1");
    let first = &events[0];
    assert_eq!((&first["object"], &first["api_version"]), (&json!("event"), &json!("2026-08-26.dahlia")));
    assert_eq!((&first["livemode"], &first["pending_webhooks"]), (&json!(false), &json!(1)));
    assert_eq!(first["created"], json!(api.clock.now().seconds()));
    assert_eq!(first["request"]["idempotency_key"], json!("k1"));
    assert_eq!(first["data"]["object"]["status"], json!("requires_confirmation"));
    let succeeded = &events[2]["data"]["object"];
    assert_eq!((&succeeded["id"], &succeeded["amount_received"]), (&json!(intent), &json!(2500)));
    let last = events.last().unwrap();
    assert_eq!(last["request"], json!({ "id": null, "idempotency_key": null }), "the dashboard is no request");
    assert_eq!(last["data"]["previous_attributes"], json!({ "amount_refunded": 1000, "refunded": false }));
    let ids: HashSet<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 7);
    let seen = api.events_since(3, "/amount_refunded");
    let refunded = "charge.refunded";
    let created = ("refund.created", Value::Null);
    assert_eq!(seen, expected(&[created.clone(), (refunded, json!(1000)), created, (refunded, json!(2500))]));
}

#[tokio::test]
async fn a_refund_tells_of_each_of_its_ends() {
    let api = Api::start().await;
    let intent = api.paid("pm_card_visa").await;
    let part = |amount| api.stripe.refund_in_dashboard(&intent, Some(amount)).unwrap();
    let done = part(1);
    api.stripe.set_refunds(RefundsBecome::RequiresAction);
    let (taken, canceled) = (part(2), part(3));
    let seen = api.event_types().len();
    api.stripe.finish_refund(&done, false);
    api.stripe.finish_refund(&taken, true);
    api.post(&format!("/v1/refunds/{canceled}/cancel"), None, &[]).await;
    let ends = [
        ("refund.failed", json!("failed")),
        ("refund.updated", json!("failed")),
        ("refund.updated", json!("succeeded")),
        ("refund.updated", json!("canceled")),
    ];
    assert_eq!(api.events_since(seen, "/status"), expected(&ends));
}

#[tokio::test]
async fn a_disputed_charge_is_not_refunded_but_one_only_asked_about_is() {
    let api = Api::start().await;
    for (method, count, status, refusal) in [
        ("pm_card_createDispute", 1, "needs_response", Some("charge_disputed")),
        ("pm_card_createMultipleDisputes", 2, "needs_response", Some("charge_disputed")),
        ("pm_card_createDisputeInquiry", 1, "warning_needs_response", None),
    ] {
        let intent = api.paid(method).await;
        let charge = api.get(&format!("/v1/payment_intents/{intent}?expand[]=latest_charge")).await.1;
        assert_eq!(charge["latest_charge"]["disputed"], json!(true), "{method}");
        let list = api.get(&format!("/v1/disputes?payment_intent={intent}")).await.1["data"].clone();
        assert_eq!(list.as_array().unwrap().len(), count);
        let dispute = &list[0];
        assert_eq!((dispute["status"].as_str(), dispute["reason"].as_str()), (Some(status), Some("fraudulent")));
        assert_eq!(dispute["is_charge_refundable"], json!(refusal.is_none()));
        assert!(dispute["evidence_details"]["due_by"].as_i64() > Some(api.clock.now().seconds()));
        let (_, read) = api.get(&format!("/v1/disputes/{}", dispute["id"].as_str().unwrap())).await;
        assert_eq!(&read, dispute);
        let reply = api.post("/v1/refunds", None, &[("payment_intent", &intent)]).await;
        assert_eq!(reply.0, if refusal.is_some() { 400 } else { 200 }, "{method}");
        assert_eq!(error(&reply.1, "code"), refusal.unwrap_or_default());
    }
}

#[tokio::test]
async fn a_dispute_is_opened_about_money_and_decided_once() {
    let api = Api::start().await;
    api.pay(None, "pm_card_visa_chargeDeclined").await;
    let declined = api.stripe.books("acct_1")[0].id.clone();
    assert_eq!(api.stripe.open_dispute(&declined, "general"), None);
    let (won, lost) = (api.paid("pm_card_visa").await, api.paid("pm_card_visa").await);
    let (first, second) =
        (api.stripe.open_dispute(&won, "general").unwrap(), api.stripe.open_dispute(&lost, "duplicate").unwrap());
    assert!(first.starts_with("dp_"));
    assert_eq!(api.stripe.refund_in_dashboard(&won, None), None);
    let seen = api.event_types().len();
    api.stripe.close_dispute(&first, true);
    api.stripe.close_dispute(&first, false);
    api.stripe.close_dispute(&second, false);
    let closed = [("charge.dispute.closed", json!("won")), ("charge.dispute.closed", json!("lost"))];
    assert_eq!(api.events_since(seen, "/status"), expected(&closed));
    let disputes = [(first, won, "won".to_owned()), (second, lost, "lost".to_owned())];
    assert_eq!(api.stripe.disputes("acct_1"), disputes);
    assert_eq!(api.stripe.disputes("acct_2"), []);
}

#[tokio::test]
async fn an_attempt_is_processing_until_the_bank_has_answered() {
    let api = Api::start().await;
    api.stripe.set_processing(true);
    let (good, bad) = (api.pay(None, "pm_card_visa").await.1, api.pay(None, "pm_card_createDispute").await.1);
    assert_eq!((good["status"].as_str(), &good["latest_charge"]), (Some("processing"), &Value::Null));
    assert_eq!((api.captured(), api.event_types()[1].as_str()), (0, "payment_intent.processing"));
    let seen = api.event_types().len();
    let (good, bad) = (good["id"].as_str().unwrap(), bad["id"].as_str().unwrap());
    api.stripe.finish_processing(good, true);
    api.stripe.finish_processing(bad, false);
    // It ends once.
    api.stripe.finish_processing(bad, true);
    assert_eq!(api.captured(), 1);
    let ends = [
        ("charge.succeeded", json!("succeeded")),
        ("payment_intent.succeeded", json!("succeeded")),
        ("charge.failed", json!("failed")),
        ("payment_intent.payment_failed", json!("requires_payment_method")),
    ];
    assert_eq!(api.events_since(seen, "/status"), expected(&ends));
    let (_, failed) = api.get(&format!("/v1/payment_intents/{bad}?expand[]=latest_charge")).await;
    let cause = &failed["last_payment_error"];
    assert_eq!((&cause["type"], &cause["code"]), (&json!("card_error"), &json!("insufficient_funds")));
    assert_eq!((&cause["charge"], &cause["payment_method"]["type"]), (&failed["latest_charge"]["id"], &json!("card")));
    assert_eq!(failed["latest_charge"]["status"], json!("failed"));
}

#[tokio::test]
async fn authentication_and_cancellation_tell_what_came_of_them() {
    let api = Api::start().await;
    let mut form = charge("pm_card_authenticationRequired");
    form.retain(|(name, _)| *name != "off_session");
    for (succeeds, types) in
        [(true, &["charge.succeeded", "payment_intent.succeeded"][..]), (false, &["payment_intent.payment_failed"])]
    {
        let intent = api.post("/v1/payment_intents", None, &form).await.1["id"].as_str().unwrap().to_owned();
        let seen = api.event_types().len();
        api.stripe.authenticate(&intent, succeeds);
        assert_eq!(api.event_types()[seen..], *types);
        api.post(&format!("/v1/payment_intents/{intent}/cancel"), None, &[]).await;
        assert_eq!(api.event_types().last().unwrap() == "payment_intent.canceled", !succeeds);
    }
}

#[tokio::test]
async fn payment_methods_tell_when_they_are_attached_renewed_and_detached() {
    let api = Api::start().await;
    let customer = api.post("/v1/customers", None, &[("name", "A")]).await.1["id"].as_str().unwrap().to_owned();
    let attach = api.post("/v1/payment_methods/pm_card_visa/attach", None, &[("customer", &customer)]).await.1;
    let method = attach["id"].as_str().unwrap();
    api.stripe.update_card(method, 2035);
    assert_eq!(api.get(&format!("/v1/payment_methods/{method}")).await.1["card"]["exp_year"], json!(2035));
    api.post(&format!("/v1/payment_methods/{method}/detach"), None, &[]).await;
    let seen = [
        ("customer.created", Value::Null),
        ("payment_method.attached", json!(2030)),
        ("payment_method.automatically_updated", json!(2035)),
        ("payment_method.detached", json!(2035)),
    ];
    assert_eq!(api.events_since(0, "/card/exp_year"), expected(&seen));
    let events = api.stripe.events("acct_1");
    assert_eq!(events[2]["data"]["previous_attributes"], json!({ "card": { "exp_year": 2030 } }));
    assert_eq!(events[3]["data"]["previous_attributes"], json!({ "customer": customer }));
    assert!(events[3]["data"]["object"].get("detached").is_none());
}

#[tokio::test]
async fn only_what_can_be_expanded_is_and_nothing_is_charged_for_a_mistake() {
    let api = Api::start().await;
    let mut form = charge("pm_card_visa");
    form.extend([("metadata[payment_id]", "p1"), ("expand[0]", "latest_charge")]);
    let charge = api.post("/v1/payment_intents", None, &form).await.1["latest_charge"].clone();
    assert_eq!((&charge["metadata"]["payment_id"], &charge["disputed"]), (&json!("p1"), &json!(false)));
    assert_eq!(charge["payment_method_details"]["type"], json!("card"));
    assert_eq!(charge["transfer_data"], Value::Null);
    let intent = charge["payment_intent"].as_str().unwrap();
    let twice = "expand[]=payment_intent.latest_charge&expand[]=charge";
    let id = api.stripe.refund_in_dashboard(intent, None).unwrap();
    let refund = api.get(&format!("/v1/refunds/{id}?{twice}")).await.1;
    assert_eq!(refund["charge"]["refunded"], json!(true));
    assert_eq!(refund["payment_intent"]["latest_charge"], refund["charge"]);
    let list = api.get("/v1/payment_intents?expand[]=data.latest_charge").await.1;
    assert_eq!(list["data"][0]["latest_charge"]["object"], json!("charge"));
    form.pop();
    form.push(("expand[0]", "latest_charg"));
    assert_eq!(api.post("/v1/payment_intents", None, &form).await.0, 400);
    assert_eq!(api.get("/v1/payment_intents?expand[]=latest_charge").await.0, 400);
    assert_eq!(api.captured(), 1);
}

#[tokio::test]
async fn what_happened_outlives_the_process_and_an_old_file_can_be_read() {
    let file = std::env::temp_dir().join(format!("stripe-{}.json", uuid::Uuid::new_v4()));
    let old = json!({ "accounts": { KEY: "acct_1" }, "connected": [], "objects": {}, "intents": [], "keys": {} });
    std::fs::write(&file, old.to_string()).unwrap();
    let api = Api::start_with(|clock| Stripe::open(clock, &file).unwrap()).await;
    let intent = api.pay(Some("k"), "pm_card_visa").await.1["id"].as_str().unwrap().to_owned();
    let refund = api.stripe.refund_in_dashboard(&intent, Some(1)).unwrap();
    let dispute = api.stripe.open_dispute(&intent, "general").unwrap();
    let again = Stripe::open(api.clock.clone(), &file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(again.refunds("acct_1")[0].id, refund);
    assert_eq!(again.disputes("acct_1")[0].0, dispute);
    assert_eq!((again.events("acct_1"), again.books("acct_1")[0].refunded), (api.stripe.events("acct_1"), 1));
}
