//! What the gateway says, and what we make of it: code, state, alert and agent run.

use local::stripe::fault::{Fault, Kind};
use serde_json::{Value, json};

use crate::world::{ACCOUNT, World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn each_decline_is_named_by_its_cure_frees_the_invoice_and_calls_a_person() {
    for (reference, code, gateway_code) in [
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedVelocityLimitExceeded", "insufficient_funds", "card_velocity_exceeded"),
        ("pm_card_chargeDeclinedExpiredCard", "payment_method_invalid", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "payment_method_invalid", "incorrect_cvc"),
        ("pm_card_visa_chargeDeclined", "declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedStolenCard", "declined", "stolen_card"),
        ("pm_card_chargeDeclinedFraudulent", "declined", "fraudulent"),
    ] {
        let world = World::new().await;
        let method = world.method(reference, json!({})).await;
        let invoice = world.approved(json!({})).await;
        let answer = world.pay(&invoice, json!({ "payment_method_id": method })).await;
        refused(&answer, 402, &[code]);
        let payment = &answer.body["payment"];
        assert_eq!((&payment["status"], &payment["success"]), (&json!("failed"), &json!(false)));
        assert_eq!(payment["failure"], json!({ "code": code }), "the gateway's own code is not the caller's");
        let run = world.items("AGENT_RUNS_TABLE", "tenant_id", "acme").await.swap_remove(0);
        assert_eq!(run["gateway_code"].as_s().unwrap(), gateway_code);
        assert!(
            payment["payment_id"].as_str().unwrap().starts_with("pi_"),
            "a declined attempt leaves its PaymentIntent"
        );
        assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
        assert_eq!(world.alerts().await, [code]);
        assert_eq!(world.runs().await, [code]);
        let trail = world.admin().get(&format!("/invoices/{invoice}/audit")).await.unwrap().body;
        let alerts = &trail["entries"][3]["changes"]["alerts"];
        assert_eq!(alerts[0]["kind"], json!(code), "the settlement's entry records the alert: {alerts}");
        assert!(world.charged(&invoice).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_failure_again_is_the_same_alert_with_a_higher_count() {
    let world = World::new().await;
    let broke = world.method("pm_card_visa_chargeDeclinedInsufficientFunds", json!({})).await;
    let invoice = world.approved(json!({})).await;
    for _ in 0..3 {
        refused(&world.pay(&invoice, json!({ "payment_method_id": broke })).await, 402, &["insufficient_funds"]);
        world.clock.advance(std::time::Duration::from_hours(1));
    }
    let alerts = world.items("ALERTS_TABLE", "tenant_id", "acme").await;
    assert_eq!(alerts.len(), 1);
    let text = |name: &str| alerts[0][name].as_s().unwrap().clone();
    assert_eq!((alerts[0]["count"].as_n().unwrap().as_str(), text("status").as_str()), ("3", "open"));
    assert_eq!(text("first_seen"), "2026-01-15T14:30:00.000Z");
    assert_eq!(text("last_seen"), "2026-01-15T16:30:00.000Z");
    assert!(text("next_action").contains("funds") && text("message").contains(&invoice));
    assert_eq!(world.runs().await.len(), 3, "each execution is a run of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_must_authenticate_gets_what_the_browser_needs_and_then_has_paid() {
    let world = World::new().await;
    let card = world.method("pm_card_authenticationRequired", json!({})).await;
    let invoice = world.approved(json!({})).await;
    let answer = world.pay(&invoice, json!({ "payment_method_id": card })).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("requires_action")));
    let action = &answer.body["next_action"];
    assert!(action["client_secret"].as_str().unwrap().contains("_secret_"));
    assert_eq!(action["expires_at"], json!("2026-01-16T14:30:00.000Z"));
    assert!(world.alerts().await.is_empty(), "authentication required is no decline");
    let (ours, intent) = (answer.body["id"].as_str().unwrap(), answer.body["payment_id"].as_str().unwrap());

    // The secret is not stored: it is asked for each time, and only for whoever may read the payment.
    let item = world.items("PAYMENTS_TABLE", "tenant_id", "acme").await;
    assert!(!format!("{item:?}").contains("_secret_"));
    let read = world.admin().get(&format!("/payments/{ours}")).await.unwrap();
    assert_eq!(read.body["next_action"]["client_secret"], action["client_secret"]);

    world.stack.stripe.authenticate(intent, true);
    world.clock.advance(std::time::Duration::from_secs(5));
    let read = world.admin().get(&format!("/payments/{intent}")).await.unwrap();
    assert_eq!((&read.body["status"], &read.body["next_action"]), (&json!("paid"), &Value::Null));
    assert_eq!(world.charged(&invoice), [50_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_never_comes_has_the_payment_canceled_at_the_gateway_after_a_day() {
    let world = World::new().await;
    let card = world.method("pm_card_authenticationRequired", json!({})).await;
    let invoice = world.approved(json!({})).await;
    let answer = world.pay(&invoice, json!({ "payment_method_id": card })).await;
    let (ours, intent) = (answer.body["id"].as_str().unwrap(), answer.body["payment_id"].as_str().unwrap());
    // A decline of one try of his ends nothing: he may try again.
    world.stack.stripe.authenticate(intent, false);
    world.clock.advance(std::time::Duration::from_mins(10));
    world.sweep().await;
    assert_eq!(world.admin().get(&format!("/payments/{ours}")).await.unwrap().body["status"], json!("requires_action"));
    world.clock.advance(std::time::Duration::from_hours(24));
    world.sweep().await;
    let read = world.admin().get(&format!("/payments/{ours}")).await.unwrap().body;
    assert_eq!(read["status"], json!("canceled"));
    assert_eq!(world.stack.stripe.books(ACCOUNT)[0].status, "canceled");
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_fetched_anew_once_and_then_certainly_not_executed() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    let name = "passerelle/acme/stripe";
    // Rotated: the cache has the old key, Secrets Manager the new one.
    world.stack.stripe.revoke_key("sk_test_CANARY_acme");
    world.stack.stripe.add_account(ACCOUNT, "sk_test_CANARY_new");
    world.stack.secrets.put(name, &json!({ "account": ACCOUNT, "secret_key": "sk_test_CANARY_new" })).unwrap();
    world.clock.advance(std::time::Duration::from_secs(31));
    assert_eq!(world.pay(&invoice, json!({})).await.status, 201, "no request fails for a rotation");

    // Revoked without a successor: a person of the operator's is called, and Secrets Manager is not stormed.
    world.stack.stripe.revoke_key("sk_test_CANARY_new");
    world.clock.advance(std::time::Duration::from_secs(31));
    let before = world.stack.secrets.reads(name);
    for _ in 0..3 {
        let invoice = world.approved(json!({})).await;
        refused(&world.pay(&invoice, json!({})).await, 502, &["gateway_unavailable"]);
        assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    }
    assert_eq!(world.stack.secrets.reads(name) - before, 1);
    assert!(world.alerts().await.iter().all(|kind| kind == "gateway_rejected"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_shows_another_amount_is_not_believed() {
    let world = World::new().await;
    let invoice = world.approved(json!({})).await;
    world.stack.stripe.add_fault(Fault::pay(Kind::OtherAmount));
    let answer = world.pay(&invoice, json!({})).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")));
    assert_eq!(world.alerts().await, ["answer_mismatch"]);
    assert_eq!(world.runs().await, ["answer_mismatch"]);
    world.clock.advance(std::time::Duration::from_secs(3));
    assert_eq!(
        world.invoice(&invoice).await["status"],
        json!("paid"),
        "the object itself is right, and reading looks it up"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_trouble_before_execution_is_tried_three_times_under_the_same_key() {
    for kind in [Kind::RateLimited, Kind::LockTimeout] {
        let world = World::new().await;
        let invoice = world.approved(json!({})).await;
        world.stack.stripe.add_fault(Fault::pay(kind.clone()).times(2));
        assert_eq!(world.pay(&invoice, json!({})).await.status, 201, "{kind:?}");
        let keys: Vec<_> = world
            .stack
            .stripe
            .requests()
            .into_iter()
            .filter(|request| request.method == "POST" && request.path == "/v1/payment_intents")
            .map(|request| (request.key, request.version))
            .collect();
        assert_eq!(keys.len(), 3);
        assert!(keys.iter().all(|one| *one == keys[0]), "{keys:?}");
        assert!(keys[0].0.as_ref().is_some_and(|key| key.starts_with("pay_")));
        assert_eq!(keys[0].1.as_deref(), Some(shared::gateway::stripe::API_VERSION));
        assert_eq!(world.charged(&invoice), [50_000]);
    }
}
