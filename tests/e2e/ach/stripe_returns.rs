//! What banks send back: before a debit was paid and long after, and how often one may be put before them.

use local::stripe::fault::{Fault, Kind};
use reqwest::Method;
use serde_json::{Value, json};

use super::stripe::GOOD;
use crate::faults::books::Books;
use crate::paypal::both;
use crate::schedules::{days, patch, read, scheduled};
use crate::world::{ACCOUNT, World, refused};

const NO_MONEY: &str = "insufficient_funds";
const INTENTS: &str = "/v1/payment_intents";

/// How Stripe calls a failure, and what follows: the failure's code, who is called, the method's state, and whether the
/// same account may be debited again without a new word of the tenant's.
const FAILURES: [(&str, &str, &str, &str, bool); 14] = [
    ("insufficient_funds", "insufficient_funds", "insufficient_funds", "active", false),
    ("account_closed", "payment_method_invalid", "payment_method_invalid", "inactive", false),
    ("no_account", "payment_method_invalid", "payment_method_invalid", "inactive", false),
    ("bank_account_restricted", "payment_method_invalid", "payment_method_invalid", "inactive", false),
    ("bank_account_unusable", "payment_method_invalid", "payment_method_invalid", "inactive", false),
    ("payment_method_bank_account_blocked", "payment_method_invalid", "payment_method_invalid", "inactive", false),
    ("debit_not_authorized", "declined", "debit_not_authorized", "blocked", false),
    ("refer_to_customer", "declined", "declined", "active", false),
    ("invalid_currency", "declined", "declined", "active", false),
    ("payment_method_not_available", "declined", "declined", "active", false),
    ("payment_intent_payment_attempt_failed", "declined", "declined", "active", false),
    // Stripe's own limits: no bank has seen it.
    ("charge_exceeds_source_limit", "insufficient_funds", "insufficient_funds", "active", true),
    ("charge_exceeds_transaction_limit", "insufficient_funds", "insufficient_funds", "active", true),
    ("charge_exceeds_weekly_limit", "insufficient_funds", "insufficient_funds", "active", true),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_of_a_debit_has_its_code_its_alert_and_its_method() {
    for (code, failure, alert, method, may_come_again) in FAILURES {
        let (world, bank) = World::with_bank().await;
        let (invoice, payment, intent) = world.debit().await;
        world.bank_refuses(&intent, code).await;
        assert_eq!(world.standing(&invoice, &payment).await, both("failed", "approved"), "{code}");
        assert_eq!(world.payment(&payment).await["failure"], json!({ "code": failure }), "{code}");
        assert_eq!(world.alerts().await, [alert], "{code}");
        let (severity, about) = world.alert(alert).await;
        assert_eq!(severity, if method == "blocked" { "critical" } else { "warning" }, "{code}");
        let is_about_method = matches!(alert, "payment_method_invalid" | "debit_not_authorized");
        assert_eq!(about, is_about_method.then(|| bank.clone()), "{code}");
        assert_eq!(world.method_stands(&bank).await, (method.to_owned(), method == "active"), "{code}");
        // What Stripe tells of the account changes nothing more, but where Stripe itself takes no more debits of it.
        for event in world.events(&["payment_method.automatically_updated"]) {
            world.told(&event).await;
        }
        let method = if code == "refer_to_customer" { "inactive" } else { method };
        assert_eq!(world.method_stands(&bank).await.0, method, "{code}");

        let again = world.pay_by_bank(&invoice, json!({ "payment_method_id": bank })).await;
        let codes = again.codes();
        assert_eq!(codes.contains(&"presentment_limit"), !may_come_again, "{code}: {}", again.body);
        assert_eq!(codes.contains(&"payment_method_inactive"), method == "inactive", "{code}");
        assert_eq!(codes.contains(&"payment_method_blocked"), method == "blocked", "{code}");
        if !may_come_again {
            assert_eq!(world.presentments(&intent), 1, "{code}");
        }
        assert_eq!(world.trail(&invoice).await[..4], ["create", "approve", "pay", "settle"], "{code}");
        Books::of(&world).await.always();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_whose_debit_fails_waits_for_a_method_or_for_a_person() {
    for (code, _, _, method, may_come_again) in FAILURES {
        let (world, bank) = World::with_bank().await;
        world.ach_and(json!({}), json!({ "on_insufficient_funds": "reschedule" })).await;
        let invoice = world.receivable(json!({})).await;
        let promise = scheduled(&world, &invoice, 1, json!({ "payment_method": "ach" })).await;
        world.clock.advance(days(1));
        let summary = world.execute().await;
        assert_eq!((&summary["due"], &summary["pending"]), (&json!(1), &json!(1)), "{code}: {summary}");
        let done = read(&world, &promise).await;
        let payment = done["payments"][0].as_str().unwrap().to_owned();
        let intent = world.payment(&payment).await["payment_id"].as_str().unwrap().to_owned();
        world.bank_refuses(&intent, code).await;
        let expected = match (method, may_come_again) {
            ("inactive", _) => "awaiting_method",
            (_, true) => "pending",
            _ => "in_review",
        };
        assert_eq!(read(&world, &promise).await["status"], json!(expected), "{code}");
        assert_eq!(world.standing(&invoice, &payment).await, both("failed", "scheduled"), "{code}");
        assert!(!world.alerts().await.is_empty(), "{code}");
        if expected == "awaiting_method" {
            // It goes on with the new account by itself, once there is one and banks work.
            let new = world.stripe_bank(GOOD).await;
            assert_eq!(world.method_stands(&new).await, ("active".to_owned(), true));
            world.clock.advance(days(2));
            world.execute().await;
            let held = world.invoice(&invoice).await;
            assert_eq!(held["status"], json!("paying"), "{code}");
        }
        // Stripe applies its own limits before a debit leaves.
        let presented = u32::from(!code.starts_with("charge_exceeds_"));
        assert_eq!(world.presentments(&intent), presented, "{code}");
        assert_eq!(world.method_stands(&bank).await.0, method, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_that_is_returned_after_it_was_paid_frees_its_invoice_and_calls_a_person() {
    for (reason, alerts, method) in [
        ("insufficient_funds", vec!["returned"], "active"),
        ("bank_cannot_process", vec!["returned"], "active"),
        ("general", vec!["returned"], "active"),
        ("incorrect_account_details", vec!["payment_method_invalid", "returned"], "inactive"),
        ("debit_not_authorized", vec!["debit_not_authorized", "returned"], "blocked"),
        ("customer_initiated", vec!["debit_not_authorized", "returned"], "blocked"),
    ] {
        let (world, bank) = World::with_bank().await;
        // Whoever may present again, may after this one reason only.
        world.ach(json!({ "own_retries": true })).await;
        let (invoice, payment, intent) = world.debited().await;
        world.bank_takes_back(&intent, reason).await;
        assert_eq!(world.standing(&invoice, &payment).await, both("returned", "approved"), "{reason}");
        let returned = world.payment(&payment).await;
        assert_eq!((&returned["success"], &returned["refundable"]), (&json!(false), &json!(0)), "{reason}");
        assert_eq!(world.invoice(&invoice).await["disputed"], json!(false), "{reason}");
        assert_eq!(world.alerts().await, alerts, "{reason}");
        assert_eq!(world.alert("returned").await.0, "critical");
        assert_eq!(world.method_stands(&bank).await, (method.to_owned(), method == "active"), "{reason}");
        assert_eq!(world.trail(&invoice).await, ["create", "approve", "pay", "settle", "return"], "{reason}");
        refused(&world.refund("r1", &payment, json!({})).await, 409, &["not_refundable"]);
        Books::of(&world).await.at_rest();

        // Nothing is put off: another debit is another payment, and its consent ended with the return.
        let again = world.pay_by_bank(&invoice, json!({ "payment_method_id": bank })).await;
        if reason == "insufficient_funds" {
            refused(&again, 402, &["payment_method_invalid"]);
        } else {
            assert!(again.codes().contains(&"presentment_limit"), "{reason}: {}", again.body);
        }
        assert_eq!(world.presentments(&intent), 1, "{reason}");
        let paid = world.pay(&invoice, json!({ "payment_method_id": another_card(&world).await })).await;
        assert_eq!(paid.status, 201, "{reason}: {}", paid.body);
    }
}

async fn another_card(world: &World) -> String {
    world.method("pm_card_mastercard", json!({ "customer_id": "globex" })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_after_a_refund_leaves_the_invoice_to_a_person() {
    for (amount, arrived, invoice_is) in
        [(50_000, true, "refunded"), (20_000, true, "partially_refunded"), (50_000, false, "paid")]
    {
        let (world, bank) = World::with_bank().await;
        let (invoice, payment, intent) = world.debited().await;
        let refund = world.refund("r1", &payment, json!({ "amount": amount })).await;
        assert_eq!(refund.status, 202, "{}", refund.body);
        if arrived {
            world.clock.advance(days(7));
            world.stack.stripe.run_banks();
            world.sweep().await;
        }
        world.bank_takes_back(&intent, "debit_not_authorized").await;
        assert_eq!(world.standing(&invoice, &payment).await, both("returned", invoice_is), "{amount} {arrived}");
        assert!(world.alerts().await.contains(&"returned_after_refund".to_owned()), "{:?}", world.alerts().await);
        assert_eq!(world.alert("returned_after_refund").await.0, "critical");
        assert_eq!(world.method_stands(&bank).await.0, "blocked");
        assert!(world.trail(&invoice).await.contains(&"return".to_owned()));
        let again = world.pay_by_bank(&invoice, json!({ "payment_method_id": bank })).await;
        assert_eq!(again.status, 409, "{}", again.body);
        Books::of(&world).await.always();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_that_is_told_before_its_success_is_a_return_all_the_same() {
    let (world, _) = World::with_bank().await;
    let (invoice, payment, intent) = world.debit().await;
    world.clock.advance(days(7));
    world.stack.stripe.finish_processing(&intent, true);
    world.bank_takes_back(&intent, "incorrect_account_details").await;
    assert_eq!(world.stripe_told("payment_intent.succeeded", &intent).await, "done");
    assert_eq!(world.standing(&invoice, &payment).await, both("returned", "approved"));
    assert!(world.alerts().await.contains(&"returned".to_owned()));
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_consent_is_void_is_debited_again_after_a_new_one() {
    let (world, bank) = World::with_bank().await;
    let (_, _, intent) = world.debited().await;
    world.bank_takes_back(&intent, NO_MONEY).await;
    let invoice = world.receivable(json!({})).await;
    let void = world.pay_by_bank(&invoice, json!({})).await;
    refused(&void, 402, &["payment_method_invalid"]);
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    assert_eq!(world.presentments(&intent), 1);

    let reference = world.booked(&intent).method.unwrap();
    let setup = world.consent_anew(&reference).await;
    assert_eq!(world.method(&setup, json!({ "customer_id": "globex" })).await, bank, "it is the same account");
    let (payment, intent) = world.under_way(&invoice).await;
    world.bank_pays(&intent).await;
    assert_eq!(world.standing(&invoice, &payment).await, both("paid", "paid"));
    assert_eq!(world.presentments(&intent), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_presents_again_by_itself_and_so_we_do_not() {
    let (world, bank) = World::with_bank().await;
    world.ach_and(json!({}), json!({ "on_insufficient_funds": "reschedule" })).await;
    let (invoice, payment, intent) = world.debit().await;
    world.bank_refuses(&intent, NO_MONEY).await;
    assert_eq!(world.standing(&invoice, &payment).await, both("failed", "approved"));
    assert!(world.listed("acme", "/scheduled-payments", 10).await.is_empty());

    let again = world.pay_by_bank(&invoice, json!({})).await;
    refused(&again, 409, &["presentment_limit"]);
    assert_eq!((&again.body["presentments"], world.posted(INTENTS).len()), (&json!(1), 1), "{}", again.body);
    assert!(again.body["detail"].as_str().unwrap().contains(&bank), "{}", again.body);
    // The promise is refused as the payment is.
    let body = json!({ "invoice_id": invoice, "payment_method": "ach", "scheduled_date": world.in_days(3) });
    refused(&world.admin().post("/scheduled-payments", &body).await.unwrap(), 409, &["presentment_limit"]);
    let other = world.stripe_bank(GOOD).await;
    let paid = world.pay_by_bank(&invoice, json!({ "payment_method_id": other })).await;
    assert_eq!(paid.status, 202, "{}", paid.body);
}

/// The payment of a promise that is under way, and Stripe's.
async fn running(world: &World, promise: &Value) -> String {
    let payments = read(world, promise).await["payments"].as_array().unwrap().clone();
    let last = payments.last().unwrap().as_str().unwrap();
    world.payment(last).await["payment_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_comes_before_its_bank_three_times_over_pay_now_and_reschedules() {
    let (world, _) = World::with_bank().await;
    world.ach_and(json!({ "own_retries": true }), json!({ "on_insufficient_funds": "reschedule" })).await;
    let (invoice, _, intent) = world.debit().await;
    world.bank_refuses(&intent, NO_MONEY).await;
    // Saturday morning; a day later is Sunday, and Monday is a holiday.
    let promise = world.listed("acme", "/scheduled-payments", 10).await.pop().unwrap();
    assert_eq!((&promise["status"], &promise["scheduled_date"]), (&json!("pending"), &json!("2026-01-18")));
    for (round, status) in [(2, "pending"), (3, "in_review")] {
        for _ in 0..8 {
            world.clock.advance(days(1));
            world.execute().await;
        }
        let intent = running(&world, &promise).await;
        assert_eq!(world.presentments(&intent), round);
        world.bank_refuses(&intent, NO_MONEY).await;
        assert_eq!(read(&world, &promise).await["status"], json!(status), "{round}");
    }
    assert_eq!(world.presentments(&intent), 3);

    // Neither a new date nor a pay-now makes it a fourth.
    let moved = patch(&world, &promise, json!({ "scheduled_date": world.in_days(3) })).await;
    assert_eq!(moved.status, 200, "{}", moved.body);
    for _ in 0..8 {
        world.clock.advance(days(1));
        world.execute().await;
    }
    assert_eq!(read(&world, &promise).await["status"], json!("in_review"));
    assert_eq!(world.presentments(&intent), 3);
    let path = format!("/scheduled-payments/{}", promise["id"].as_str().unwrap());
    assert_eq!(world.admin().send(Method::DELETE, &path, None, None).await.unwrap().status, 200);
    let again = world.pay_by_bank(&invoice, json!({})).await;
    refused(&again, 409, &["presentment_limit"]);
    assert_eq!((&again.body["presentments"], world.presentments(&intent)), (&json!(3), 3));
    Books::of(&world).await.at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn three_payments_made_at_once_are_three_presentments_too() {
    let (world, _) = World::with_bank().await;
    world.ach(json!({ "own_retries": true })).await;
    let invoice = world.receivable(json!({})).await;
    for round in 1..=3 {
        let (_, intent) = world.under_way(&invoice).await;
        world.bank_refuses(&intent, NO_MONEY).await;
        assert_eq!(world.presentments(&intent), round);
    }
    let again = world.pay_by_bank(&invoice, json!({})).await;
    refused(&again, 409, &["presentment_limit"]);
    assert_eq!(again.body["presentments"], json!(3));
    // Another invoice is another debit.
    world.debit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_bank_has_seen_is_no_presentment() {
    let (world, _) = World::with_bank().await;
    let invoice = world.receivable(json!({})).await;

    // Stripe's own limit, at once.
    let limited = world.stripe_bank("pm_usBankAccount_weeklyLimitExceeded").await;
    for _ in 0..2 {
        let answer = world.pay_by_bank(&invoice, json!({ "payment_method_id": limited })).await;
        refused(&answer, 402, &["insufficient_funds"]);
        let intent = answer.body["payment"]["payment_id"].as_str().unwrap();
        assert_eq!(world.presentments(intent), 0);
    }
    // Certainly not sent.
    world.stack.stripe.add_fault(Fault::pay(Kind::RateLimited).times(3));
    refused(&world.pay_by_bank(&invoice, json!({})).await, 502, &["gateway_unavailable"]);
    // Called off.
    let (payment, intent) = world.under_way(&invoice).await;
    let path = format!("/payments/{payment}/cancel");
    assert_eq!(world.admin().post(&path, &json!({})).await.unwrap().body["status"], json!("canceled"));
    assert_eq!(world.presentments(&intent), 0);

    let (_, intent) = world.under_way(&invoice).await;
    assert_eq!(world.presentments(&intent), 1);
    world.bank_refuses(&intent, NO_MONEY).await;
    refused(&world.pay_by_bank(&invoice, json!({})).await, 409, &["presentment_limit"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_stripe_has_blocked_is_refused_at_once_and_asks_for_another() {
    let (world, bank) = World::with_bank().await;
    let (_, _, intent) = world.debit().await;
    world.bank_refuses(&intent, "refer_to_customer").await;
    // Stripe has blocked the account, and we have not: the next invoice finds out.
    let invoice = world.receivable(json!({})).await;
    let answer = world.pay_by_bank(&invoice, json!({ "payment_method_id": bank })).await;
    refused(&answer, 402, &["payment_method_invalid"]);
    assert!(world.alerts().await.contains(&"payment_method_invalid".to_owned()));
    assert_eq!(world.presentments(&intent), 1);
    assert_eq!(world.stack.stripe.books(ACCOUNT).len(), 2);
}
