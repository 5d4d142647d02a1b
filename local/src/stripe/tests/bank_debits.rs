//! A bank debit takes days, needs consent, and can come back; an account that can't be debited is not asked twice.

use super::*;

const DAY: Duration = Duration::from_hours(24);

impl Api {
    async fn debited(&self, method: &str) -> Value {
        let (status, body, _) = self.post("/v1/payment_intents", None, &debit(method)).await;
        assert_eq!((status, body["status"].as_str()), (200, Some("processing")), "{body}");
        body
    }

    /// A customer's bank account, set up by a SetupIntent: customer, method and mandate.
    async fn set_up(&self, method: &str) -> (String, String, String) {
        let customer = self.post("/v1/customers", None, &[("name", "A")]).await.1["id"].as_str().unwrap().to_owned();
        let form = [
            ("customer", customer.as_str()),
            ("payment_method", method),
            ("payment_method_types[0]", "us_bank_account"),
            ("confirm", "true"),
            ("mandate_data[customer_acceptance][type]", "online"),
            ("mandate_data[customer_acceptance][online][ip_address]", "192.0.2.1"),
            ("mandate_data[customer_acceptance][online][user_agent]", "test"),
        ];
        let (status, setup, _) = self.post("/v1/setup_intents", None, &form).await;
        assert_eq!((status, setup["status"].as_str()), (200, Some("succeeded")), "{setup}");
        let text = |name: &str| setup[name].as_str().unwrap().to_owned();
        (customer.clone(), text("payment_method"), text("mandate"))
    }

    async fn debit_saved(&self, customer: &str, method: &str, more: &[(&str, &str)]) -> (u16, Value, bool) {
        let mut form = charge(method);
        form.extend([("customer", customer), ("payment_method_types[0]", "us_bank_account")]);
        form.extend(more);
        self.post("/v1/payment_intents", None, &form).await
    }

    async fn intent(&self, id: &str) -> Value {
        self.get(&format!("/v1/payment_intents/{id}?expand[]=latest_charge")).await.1
    }
}

#[tokio::test]
async fn a_debit_is_good_on_the_fourth_bank_day_and_not_before() {
    let api = Api::start().await;
    // Thursday at noon in London: Friday, then a holiday's Monday is left out.
    let made = api.debited("pm_usBankAccount_success").await;
    let (id, method) = (made["id"].as_str().unwrap(), made["payment_method"].as_str().unwrap());
    let charge = api.intent(id).await["latest_charge"].clone();
    assert!(charge["id"].as_str().unwrap().starts_with("py_"));
    assert_eq!((charge["status"].as_str(), charge["paid"].as_bool()), (Some("pending"), Some(false)));
    let details = &charge["payment_method_details"]["us_bank_account"];
    assert_eq!(details["expected_debit_date"], json!("2026-01-22"));
    assert!(details["mandate"].as_str().unwrap().starts_with("mandate_"));
    assert_eq!(api.event_types()[1..], ["charge.pending", "payment_intent.processing"]);
    api.clock.advance(6 * DAY);
    api.stripe.run_banks();
    assert_eq!(api.captured(), 0);
    assert_eq!(api.post(&format!("/v1/payment_intents/{id}/cancel"), None, &[]).await.0, 400, "it has left");
    api.clock.advance(DAY);
    api.stripe.run_banks();
    api.stripe.run_banks();
    assert_eq!(api.event_types()[3..], ["charge.succeeded", "payment_intent.succeeded"]);
    let books = api.stripe.books("acct_1");
    assert_eq!((books.len(), books[0].captured, books[0].method_type.as_str()), (1, true, "us_bank_account"));
    assert_eq!(books[0].method.as_deref(), Some(method));
    assert_eq!((api.stripe.presentments("acct_1", method), api.stripe.balance("acct_1", "usd")), (1, 2500));
}

#[tokio::test]
async fn a_debit_that_the_bank_refuses_fails_days_after_it_was_taken() {
    for (method, code, network_code) in [
        ("pm_usBankAccount_insufficientFunds", "insufficient_funds", None),
        ("pm_usBankAccount_accountClosed", "account_closed", Some("R02")),
        ("pm_usBankAccount_noAccount", "no_account", Some("R03")),
        ("pm_usBankAccount_debitNotAuthorized", "debit_not_authorized", Some("R10")),
        ("pm_usBankAccount_invalidCurrency", "invalid_currency", None),
    ] {
        let api = Api::start().await;
        let (customer, method, _) = api.set_up(method).await;
        let made = api.debit_saved(&customer, &method, &[]).await.1;
        let id = made["id"].as_str().unwrap();
        assert_eq!(made["status"], json!("processing"));
        api.clock.advance(7 * DAY);
        api.stripe.run_banks();
        let failed = api.intent(id).await;
        let cause = &failed["last_payment_error"];
        assert_eq!((&failed["status"], &cause["code"]), (&json!("requires_payment_method"), &json!(code)));
        assert_eq!(cause["type"], json!("invalid_request_error"));
        assert_eq!(failed["latest_charge"]["failure_code"], json!(code));
        let known = api.get(&format!("/v1/payment_methods/{method}")).await.1;
        let blocked = &known["us_bank_account"]["status_details"]["blocked"]["network_code"];
        assert_eq!(blocked.as_str(), network_code, "{code}");
        let told = api.event_types().contains(&"payment_method.automatically_updated".to_owned());
        assert_eq!(told, network_code.is_some());
        let (status, again, _) = api.debit_saved(&customer, &method, &[]).await;
        match network_code {
            Some(_) => {
                assert_eq!((status, error(&again, "code")), (402, "bank_account_unusable"));
                let left = again["error"]["payment_intent"]["id"].as_str().unwrap();
                let charge = api.intent(left).await["latest_charge"].clone();
                assert_eq!(charge["failure_code"], json!("bank_account_unusable"));
                assert_eq!(api.stripe.presentments("acct_1", &method), 1, "no bank was asked");
            }
            None => assert_eq!((status, api.stripe.presentments("acct_1", &method)), (200, 2)),
        }
    }
}

#[tokio::test]
async fn a_debit_ends_as_the_test_says_once() {
    let api = Api::start().await;
    let ids = [api.debited("pm_usBankAccount_success").await, api.debited("pm_usBankAccount_success").await];
    let [good, bad] = ids.each_ref().map(|intent| intent["id"].as_str().unwrap());
    assert!(!api.stripe.fail_debit(good, "a_code_of_tomorrow"));
    assert!(api.stripe.fail_debit(bad, "bank_account_restricted"));
    assert!(!api.stripe.fail_debit(bad, "no_account"), "it ends once");
    api.stripe.finish_processing(good, true);
    assert!(!api.stripe.fail_debit(good, "no_account"), "what comes after success is a return");
    api.clock.advance(30 * DAY);
    api.stripe.run_banks();
    let ends = api.stripe.books("acct_1").into_iter().map(|entry| entry.status).collect::<Vec<_>>();
    assert_eq!(ends, ["succeeded", "requires_payment_method"]);
}

#[tokio::test]
async fn nothing_is_debited_without_the_customers_consent() {
    let api = Api::start().await;
    let mut form = debit("pm_usBankAccount_success");
    form.retain(|(name, _)| !name.starts_with("mandate_data"));
    let (status, refused, _) = api.post("/v1/payment_intents", Some("k"), &form).await;
    let intent = &refused["error"]["payment_intent"];
    assert_eq!((status, error(&refused, "type"), error(&refused, "code")), (400, "invalid_request_error", ""));
    assert_eq!(intent["status"], json!("requires_confirmation"));
    assert!(api.post("/v1/payment_intents", Some("k"), &form).await.2, "it was executed, and is replayed");
    let confirm = format!("/v1/payment_intents/{}/confirm", intent["id"].as_str().unwrap());
    assert_eq!(api.post(&confirm, None, &[]).await.0, 400);
    let consent = [("mandate_data[customer_acceptance][type]", "offline")];
    assert_eq!(api.post(&confirm, None, &consent).await.1["status"], json!("processing"));
    let (customer, method, mandate) = api.set_up("pm_usBankAccount_success").await;
    let known = api.get(&format!("/v1/mandates/{mandate}")).await.1;
    assert_eq!((&known["object"], &known["status"]), (&json!("mandate"), &json!("active")));
    assert_eq!((&known["payment_method"], &known["type"]), (&json!(method), &json!("multi_use")));
    assert_eq!(api.debit_saved(&customer, &method, &[("mandate", &mandate)]).await.0, 200);
    let (other, others, _) = api.set_up("pm_usBankAccount_success").await;
    let (status, refused, _) = api.debit_saved(&other, &others, &[("mandate", &mandate)]).await;
    assert_eq!((status, error(&refused, "code")), (400, "payment_intent_mandate_invalid"));
    let (status, refused, _) = api.debit_saved(&other, &others, &[("mandate", "mandate_1")]).await;
    assert_eq!((status, error(&refused, "code"), error(&refused, "param")), (400, "resource_missing", "mandate"));
    assert_eq!((api.stripe.presentments("acct_1", &method), api.stripe.presentments("acct_1", &others)), (1, 0));
}

#[tokio::test]
async fn a_debit_that_stripe_would_refuse_is_refused() {
    let api = Api::start().await;
    let euros = debit("pm_usBankAccount_success").into_iter().map(|(name, value)| match name {
        "currency" => (name, "eur"),
        _ => (name, value),
    });
    let cards = debit("pm_usBankAccount_success").into_iter().filter(|(name, _)| *name != "payment_method_types[0]");
    let (customer, nameless, _) = api.set_up("pm_usBankAccount_success").await;
    api.stripe.set_holder(&nameless, None);
    let nobody = [debit(&nameless), vec![("customer", customer.as_str())]].concat();
    for form in [euros.collect::<Vec<_>>(), cards.collect(), nobody] {
        assert_eq!(api.post("/v1/payment_intents", None, &form).await.0, 400, "{form:?}");
    }
    for left_out in ["payment_method_types[0]", "mandate_data[customer_acceptance][type]"] {
        let mut form = vec![
            ("payment_method", "pm_usBankAccount_success"),
            ("payment_method_types[0]", "us_bank_account"),
            ("confirm", "true"),
            ("mandate_data[customer_acceptance][type]", "offline"),
        ];
        form.retain(|(name, _)| *name != left_out);
        assert_eq!(api.post("/v1/setup_intents", None, &form).await.0, 400, "{left_out}");
    }
    assert_eq!(api.stripe.books("acct_1"), []);
    let limit = api.post("/v1/payment_intents", None, &debit("pm_usBankAccount_weeklyLimitExceeded")).await;
    assert_eq!((limit.0, error(&limit.1, "code")), (402, "charge_exceeds_weekly_limit"));
}

#[tokio::test]
async fn a_return_is_a_dispute_that_is_lost_and_ends_the_consent_then_the_account() {
    let api = Api::start().await;
    let (customer, method, mandate) = api.set_up("pm_usBankAccount_success").await;
    let first = api.debit_saved(&customer, &method, &[]).await.1["id"].as_str().unwrap().to_owned();
    assert_eq!(api.stripe.return_debit(&first, "debit_not_authorized"), None, "nothing has moved yet");
    api.stripe.finish_processing(&first, true);
    let pending = api.stripe.refund_in_dashboard(&first, Some(100)).unwrap();
    let seen = api.event_types().len();
    let dispute = api.stripe.return_debit(&first, "debit_not_authorized").unwrap();
    assert_eq!(api.stripe.return_debit(&first, "debit_not_authorized"), None);
    assert_eq!(
        api.event_types()[seen..],
        ["charge.dispute.created", "charge.dispute.closed", "mandate.updated", "refund.failed", "refund.updated"]
    );
    let shown = api.get(&format!("/v1/disputes/{dispute}")).await.1;
    assert_eq!((&shown["status"], &shown["reason"]), (&json!("lost"), &json!("debit_not_authorized")));
    assert_eq!(shown["is_charge_refundable"], json!(false));
    let refund = api.get(&format!("/v1/refunds/{pending}")).await.1;
    assert_eq!(refund["failure_reason"], json!("charge_for_pending_refund_disputed"));
    assert_eq!(api.get(&format!("/v1/mandates/{mandate}")).await.1["status"], json!("inactive"));
    assert_eq!(api.stripe.balance("acct_1", "usd"), 0);
    let (status, refused, _) = api.debit_saved(&customer, &method, &[("mandate", &mandate)]).await;
    assert_eq!((status, error(&refused, "code")), (400, "payment_intent_mandate_invalid"));
    assert_eq!(api.debit_saved(&customer, &method, &[]).await.0, 400);
    let consent = [("mandate_data[customer_acceptance][type]", "offline")];
    let second = api.debit_saved(&customer, &method, &consent).await.1["id"].as_str().unwrap().to_owned();
    api.stripe.finish_processing(&second, true);
    api.stripe.return_debit(&second, "debit_not_authorized").unwrap();
    let (status, refused, _) = api.debit_saved(&customer, &method, &consent).await;
    assert_eq!((status, error(&refused, "code")), (402, "bank_account_unusable"));
    assert_eq!(api.stripe.presentments("acct_1", &method), 2);
}

#[tokio::test]
async fn the_disputed_test_account_comes_back_by_itself() {
    let api = Api::start().await;
    api.debited("pm_usBankAccount_dispute").await;
    api.clock.advance(7 * DAY);
    api.stripe.run_banks();
    let disputes = api.stripe.disputes("acct_1");
    assert_eq!((disputes.len(), disputes[0].2.as_str()), (1, "lost"));
}

#[tokio::test]
async fn a_debit_can_be_called_off_until_it_leaves() {
    let api = Api::start().await;
    let (early, waiting) =
        (api.debited("pm_usBankAccount_success").await, api.debited("pm_usBankAccount_processing").await);
    let cancel = async |intent: &Value| {
        let path = format!("/v1/payment_intents/{}/cancel", intent["id"].as_str().unwrap());
        api.post(&path, None, &[]).await.1["status"].clone()
    };
    assert_eq!(cancel(&early).await, json!("canceled"));
    assert_eq!(api.stripe.presentments("acct_1", early["payment_method"].as_str().unwrap()), 0);
    api.clock.advance(30 * DAY);
    api.stripe.run_banks();
    assert_eq!(api.intent(waiting["id"].as_str().unwrap()).await["status"], json!("processing"));
    assert_eq!(cancel(&waiting).await, json!("canceled"));
    assert_eq!(api.captured(), 0);
}

#[tokio::test]
async fn a_debits_refund_arrives_days_later() {
    let api = Api::start().await;
    let id = api.debited("pm_usBankAccount_success").await["id"].as_str().unwrap().to_owned();
    assert_eq!(api.stripe.refund_in_dashboard(&id, None), None, "it has not cleared");
    api.stripe.finish_processing(&id, true);
    let refund = api.stripe.refund_in_dashboard(&id, None).unwrap();
    assert!(refund.starts_with("pyr_"));
    let status = || api.stripe.refunds("acct_1")[0].status.clone();
    api.stripe.run_banks();
    assert_eq!((status().as_str(), api.stripe.balance("acct_1", "usd")), ("pending", 2500));
    api.clock.advance(6 * DAY);
    api.stripe.run_banks();
    assert_eq!((status().as_str(), api.stripe.balance("acct_1", "usd")), ("succeeded", 0));
}
