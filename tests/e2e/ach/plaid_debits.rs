//! What customers pay through Plaid: leave is written down before anything moves, and each debit is made once.

use std::time::Duration;

use local::plaid::fault::{Fault, Kind};
use local::plaid::{Direction, TransferStatus};
use reqwest::Method;
use serde_json::{Value, json};

use super::CLIENT;
use super::plaid::{
    ACCOUNT, AUTHORIZE, CREATE, asked, begin, both, debited, debtor, descriptions, error, item, later, linked,
    method_status, moved, only, payment_of, settle, settled, standing, sweep_after,
};
use crate::schedules::{read, scheduled};
use crate::world::{ADMIN, TENANT, World, refused};

/// What our table says of a payment's authorization.
async fn authorization(world: &World, payment: &str) -> Option<String> {
    let payment = item(world, "PAYMENTS_TABLE", "id", payment).await.unwrap();
    Some(payment.get("authorization")?.as_m().unwrap()["id"].as_s().unwrap().clone())
}

/// A payment whose transfer nobody has made yet, though there is leave for it: the invoice, and ours.
async fn held_up(world: &World) -> (String, String) {
    let invoice = world.receivable(json!({})).await;
    world.stack.plaid.add_fault(Fault::transfer(Kind::NothingReached).times(u32::MAX));
    let answer = world.pay_by_bank(&invoice, json!({})).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    assert!(answer.body["payment_id"].is_null() && world.plaid_books().is_empty());
    (invoice, payment_of(&answer))
}

/// Pays the invoice after all: a debit and no more.
async fn pays(world: &World, invoice: &str, change: Value) {
    let answer = world.pay_by_bank(invoice, change).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    only(world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_by_plaid_is_paid_when_it_has_settled() {
    let (world, method) = debtor().await;
    let invoice = world.receivable(json!({ "invoice_number": "2026/INV-0001234567" })).await;
    let answer = world.pay_by_bank(&invoice, json!({})).await;
    assert_eq!((answer.status, &answer.body["success"]), (202, &json!(false)), "{}", answer.body);
    assert_eq!(answer.body["payment_method_id"], json!(method));
    // Sent on a Thursday, before the banks' last hour.
    assert_eq!(answer.body["expected_settlement_date"], json!("2026-01-16"));
    let debit = only(&world);
    assert_eq!((debit.direction, debit.amount, debit.account.as_str()), (Direction::Debit, 50_000, ACCOUNT));
    assert_eq!((debit.description.as_str(), &json!(debit.id)), ("0001234567", &answer.body["payment_id"]));
    let payment = payment_of(&answer);
    let mine = json!({ "tenant_id": TENANT, "invoice_id": invoice, "payment_id": payment });
    assert_eq!(json!(debit.metadata), mine);
    let (_, proposal) = asked(&world, AUTHORIZE).pop().unwrap();
    for (name, value) in [
        ("type", json!("debit")),
        ("network", json!("ach")),
        ("ach_class", json!("ccd")),
        ("amount", json!("500.00")),
        ("idempotency_key", json!(payment)),
        ("account_id", json!(ACCOUNT)),
    ] {
        assert_eq!(proposal[name], value, "{name}");
    }
    assert_eq!(proposal["user"]["legal_name"], json!("Globex Corporation"));
    assert_eq!(authorization(&world, &payment).await, Some(debit.authorization));
    later(&world);
    settle(&world, &super::plaid::Moved { invoice, payment, transfer: debit.id }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn banks_that_do_their_work_by_themselves_lead_to_paid_without_a_webhook() {
    let world = World::with_plaid().await;
    world.plaid_bank(ACCOUNT, 1_000_000, json!({ "customer_id": "globex" })).await;
    let debit = debited(&world).await;
    for _ in 0..3 {
        world.clock.advance(Duration::from_hours(24));
        world.execute().await;
    }
    assert_eq!(standing(&world, &debit).await, both("paid", "paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn leave_is_written_down_before_the_transfer_and_the_transfer_is_made_under_it() {
    let (world, _) = debtor().await;
    let (invoice, payment) = held_up(&world).await;
    let leave = authorization(&world, &payment).await.unwrap();
    world.stack.plaid.clear_faults();
    sweep_after(&world, 3).await;
    let debit = only(&world);
    assert_eq!(debit.authorization, leave);
    assert!(asked(&world, CREATE).iter().all(|(_, body)| body["authorization_id"] == json!(leave)));
    assert_eq!(asked(&world, AUTHORIZE).len(), 1, "what is stored is used, and no other asked for");
    later(&world);
    settle(&world, &super::plaid::Moved { invoice, payment, transfer: debit.id }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_decision_of_plaids_leads_to_its_outcome() {
    for (rationale, status, code) in [
        ("NSF", 402, "insufficient_funds"),
        ("RISK", 402, "declined"),
        ("TRANSFER_LIMIT_REACHED", 402, "declined"),
        ("MANUALLY_VERIFIED_ITEM", 202, ""),
        ("ITEM_LOGIN_REQUIRED", 202, ""),
        ("MIGRATED_ACCOUNT_ITEM", 202, ""),
        ("ERROR", 202, ""),
    ] {
        let (world, method) = debtor().await;
        assert!(world.stack.plaid.set_rationale(CLIENT, Some(rationale)), "{rationale}");
        let invoice = world.receivable(json!({})).await;
        let answer = world.pay_by_bank(&invoice, json!({})).await;
        assert_eq!(answer.status, status, "{rationale}: {}", answer.body);
        if status == 402 {
            assert_eq!(answer.code(), code, "{rationale}");
            assert_eq!(world.alerts().await, [code], "{rationale}");
            assert_eq!(world.invoice(&invoice).await["status"], json!("approved"), "{rationale}");
            assert!(world.plaid_books().is_empty(), "{rationale}");
            // No bank has seen it: it is no presentment.
            world.stack.plaid.set_rationale(CLIENT, None);
            pays(&world, &invoice, json!({})).await;
            assert_eq!(descriptions(&world), [invoice], "{rationale}");
        }
        assert_eq!(method_status(&world, &method).await, "active", "{rationale}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_enough_on_it_is_declined_however_often() {
    let (world, _) = debtor().await;
    let invoice = world.receivable(json!({})).await;
    for (balance, code) in
        [(49_999, "insufficient_funds"), (0, "declined"), (1, "insufficient_funds"), (1, "insufficient_funds")]
    {
        assert!(world.stack.plaid.set_balance(ACCOUNT, balance));
        refused(&world.pay_by_bank(&invoice, json!({})).await, 402, &[code]);
    }
    world.stack.plaid.set_balance(ACCOUNT, 50_000);
    pays(&world, &invoice, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_has_to_sign_in_at_the_bank_again_is_asked_to_and_pays_then() {
    let (world, method) = debtor().await;
    let invoice = world.receivable(json!({})).await;
    let link = item(&world, "PAYMENT_METHODS_TABLE", "method_id", &method).await.unwrap()["customer"].clone();
    assert!(world.stack.plaid.set_login_required(link.as_s().unwrap(), true));
    refused(&world.pay_by_bank(&invoice, json!({})).await, 402, &["payment_method_invalid"]);
    assert_eq!(world.alerts().await, ["payment_method_invalid"]);
    world.stack.plaid.set_login_required(link.as_s().unwrap(), false);
    for (kind, code) in [
        ("ITEM_ERROR", "ITEM_LOGIN_REQUIRED"),
        ("INVALID_INPUT", "INVALID_ACCESS_TOKEN"),
        ("TRANSFER_ERROR", "TRANSFER_ACCOUNT_BLOCKED"),
        ("TRANSFER_ERROR", "TRANSFER_UNSUPPORTED_ACCOUNT_TYPE"),
    ] {
        world.stack.plaid.add_fault(Fault::authorization(Kind::Status(400, error(kind, code))));
        refused(&world.pay_by_bank(&invoice, json!({})).await, 402, &["payment_method_invalid"]);
    }
    pays(&world, &invoice, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_debit_of_a_customer_who_has_to_sign_in_again_waits_for_a_method() {
    let (world, method) = debtor().await;
    let invoice = world.receivable(json!({})).await;
    let promise = scheduled(&world, &invoice, 1, json!({ "payment_method": "ach" })).await;
    let link = item(&world, "PAYMENT_METHODS_TABLE", "method_id", &method).await.unwrap()["customer"].clone();
    world.stack.plaid.set_login_required(link.as_s().unwrap(), true);
    world.clock.advance(Duration::from_hours(24));
    world.execute().await;
    assert_eq!(read(&world, &promise).await["status"], json!("awaiting_method"));
    assert!(world.plaid_books().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_secret_of_the_account_nothing_is_sent_and_a_new_method_is_asked_for() {
    let (world, method) = debtor().await;
    world.stack.secrets.delete(&format!("passerelle/{TENANT}/plaid/{method}")).unwrap();
    let invoice = world.receivable(json!({})).await;
    refused(&world.pay_by_bank(&invoice, json!({})).await, 402, &["payment_method_invalid"]);
    assert!(asked(&world, AUTHORIZE).is_empty());
    assert_eq!(world.alerts().await, ["payment_method_invalid"]);
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn leave_that_can_t_be_had_moves_nothing_and_a_new_key_pays() {
    for kind in [
        Kind::ReplyLost,
        Kind::NothingReached,
        Kind::ErrorBefore(500),
        Kind::ErrorAfter(503),
        Kind::Unreadable,
        Kind::RateLimited,
        Kind::Status(400, error("INSTITUTION_ERROR", "INSTITUTION_DOWN")),
        Kind::Slow(2_000),
    ] {
        let (world, _) = debtor().await;
        world.stack.plaid.add_fault(Fault::authorization(kind.clone()).times(3));
        let invoice = world.receivable(json!({})).await;
        let body = json!({ "payment_method": "ach" });
        let answer = world.pay_as(ADMIN, Some("k1"), &invoice, body.clone()).await;
        refused(&answer, 502, &["gateway_unavailable"]);
        assert!(world.plaid_books().is_empty(), "{kind:?}");
        assert_eq!(world.invoice(&invoice).await["status"], json!("approved"), "{kind:?}");
        world.stack.plaid.clear_faults();
        // The key is spent.
        assert_eq!(world.pay_as(ADMIN, Some("k1"), &invoice, body.clone()).await.status, 502, "{kind:?}");
        assert_eq!(world.pay_as(ADMIN, Some("k2"), &invoice, body).await.status, 202, "{kind:?}");
        assert_eq!(descriptions(&world), [invoice], "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_whose_answer_is_lost_is_found_by_its_authorization_or_sent_again_and_made_once() {
    for kind in [
        Kind::ReplyLost,
        Kind::NothingReached,
        Kind::ErrorBefore(500),
        Kind::ErrorAfter(500),
        Kind::Unreadable,
        Kind::Slow(2_000),
    ] {
        for blind in [false, true] {
            let (world, _) = debtor().await;
            world.stack.plaid.add_fault(Fault::transfer(kind.clone()).times(3));
            if blind {
                world.stack.plaid.add_fault(Fault::transfer_look_up(Kind::ErrorBefore(500)).times(20));
            }
            let invoice = world.receivable(json!({})).await;
            let answer = world.pay_by_bank(&invoice, json!({})).await;
            assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{kind:?}");
            world.stack.plaid.clear_faults();
            sweep_after(&world, 3).await;
            let debit = only(&world);
            let payment = payment_of(&answer);
            assert_eq!(world.payment(&payment).await["payment_id"], json!(debit.id), "{kind:?}, {blind}");
            later(&world);
            settle(&world, &super::plaid::Moved { invoice, payment, transfer: debit.id }).await;
            assert_eq!(asked(&world, AUTHORIZE).len(), 1, "{kind:?}, {blind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leave_that_was_never_used_has_failed_two_hours_later_and_not_before() {
    let (world, _) = debtor().await;
    let (invoice, payment) = held_up(&world).await;
    let leave = authorization(&world, &payment).await;
    let mut sent = 0;
    for minutes in [5, 40, 10, 30, 34] {
        sent = sent.max(asked(&world, CREATE).len());
        sweep_after(&world, minutes).await;
        assert_eq!(world.payment(&payment).await["status"], json!("processing"));
    }
    assert_eq!(asked(&world, CREATE).len(), sent, "nothing is sent when the leave may have ended");
    assert_eq!(authorization(&world, &payment).await, leave);
    sweep_after(&world, 2).await;
    assert_eq!(world.payment(&payment).await["status"], json!("failed"));
    assert_eq!(world.payment(&payment).await["failure"], json!({ "code": "gateway_unavailable" }));
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    assert_eq!(world.alerts().await, ["gateway_unavailable"]);
    assert_eq!(asked(&world, AUTHORIZE).len(), 1);
    assert!(
        asked(&world, CREATE)
            .iter()
            .all(|(_, body)| Some(&body["authorization_id"]) == leave.as_ref().map(|id| json!(id)).as_ref())
    );

    world.stack.plaid.clear_faults();
    pays(&world, &invoice, json!({})).await;
    assert_eq!(descriptions(&world), [invoice], "no bank had seen the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn leave_that_was_never_used_puts_a_promise_off() {
    let (world, _) = debtor().await;
    let invoice = world.receivable(json!({})).await;
    let promise = scheduled(&world, &invoice, 1, json!({ "payment_method": "ach" })).await;
    world.clock.advance(Duration::from_hours(24));
    world.stack.plaid.add_fault(Fault::transfer(Kind::NothingReached).times(u32::MAX));
    world.execute().await;
    assert_eq!(read(&world, &promise).await["status"], json!("executing"));
    sweep_after(&world, 60).await;
    assert_eq!(read(&world, &promise).await["status"], json!("executing"));
    sweep_after(&world, 61).await;
    assert_eq!(read(&world, &promise).await["status"], json!("pending"));
    assert!(world.plaid_books().is_empty());

    world.stack.plaid.clear_faults();
    world.clock.advance(Duration::from_mins(16));
    world.execute().await;
    assert_eq!(read(&world, &promise).await["status"], json!("executing"));
    let debit = only(&world);
    assert_eq!((debit.description, asked(&world, AUTHORIZE).len()), (invoice, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_is_killed_before_leave_is_written_down_is_gone_on_with_for_40_hours() {
    for (hours, is_paid) in [(39, true), (41, false)] {
        let world = World::with(|options| options.gateway_timeout = Some(Duration::from_secs(30))).await;
        world.plaid_account().await;
        linked(&world).await;
        let invoice = world.receivable(json!({})).await;
        // Nothing of the request is executed before it is dropped.
        world.stack.plaid.set_latency(Duration::from_secs(60));
        let call = begin(&world, &invoice);
        let payment = loop {
            let payments = world.items("PAYMENTS_TABLE", "tenant_id", TENANT).await;
            if let Some(payment) = payments.first() {
                break payment["id"].as_s().unwrap().clone();
            }
            tokio::task::yield_now().await;
        };
        call.abort();
        assert!(call.await.is_err(), "it was killed");
        world.stack.plaid.set_latency(Duration::ZERO);
        assert_eq!(authorization(&world, &payment).await, None);
        sweep_after(&world, hours * 60).await;
        let status = world.payment(&payment).await["status"].clone();
        if is_paid {
            let debit = only(&world);
            assert_eq!(authorization(&world, &payment).await, Some(debit.authorization));
            assert_eq!(status, json!("processing"));
        } else {
            // The key may be forgotten soon, and nothing was sent: leave alone moves no money.
            assert_eq!((status, world.plaid_books().len()), (json!("failed"), 0));
            assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
            assert_eq!(world.alerts().await, ["gateway_unavailable"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_is_killed_with_the_transfer_made_leaves_one_that_is_found() {
    let world = World::with(|options| options.gateway_timeout = Some(Duration::from_secs(30))).await;
    world.plaid_account().await;
    linked(&world).await;
    let invoice = world.receivable(json!({})).await;
    world.stack.plaid.add_fault(Fault::transfer(Kind::Slow(60_000)));
    let call = begin(&world, &invoice);
    while world.plaid_books().is_empty() {
        tokio::task::yield_now().await;
    }
    call.abort();
    sweep_after(&world, 3).await;
    let debit = only(&world);
    let payment = debit.metadata["payment_id"].clone();
    assert_eq!(authorization(&world, &payment).await, Some(debit.authorization));
    later(&world);
    settle(&world, &super::plaid::Moved { invoice, payment, transfer: debit.id }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_pay_the_same_invoice_at_once_debit_it_once() {
    let (world, _) = debtor().await;
    let invoice = world.receivable(json!({})).await;
    let body = json!({ "invoice_id": invoice, "payment_method": "ach" });
    let pay = |key: &'static str| {
        let (client, body) = (world.admin(), body.clone());
        tokio::spawn(
            async move { client.send(Method::POST, "/payments", Some(key), Some(&body)).await.unwrap().status },
        )
    };
    let mut statuses = Vec::new();
    for call in ["a", "a", "b", "a", "b"].map(pay) {
        statuses.push(call.await.unwrap());
    }
    assert!(statuses.iter().all(|status| matches!(status, 200 | 202 | 409)), "{statuses:?}");
    only(&world);
    sweep_after(&world, 3).await;
    only(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_that_has_not_left_yet_is_canceled_and_one_that_has_is_not() {
    let (world, _) = debtor().await;
    let invoice = world.receivable(json!({})).await;
    let (payment, transfer) = world.under_way(&invoice).await;
    let cancel = |id: String| {
        let client = world.admin();
        async move { client.post(&format!("/payments/{id}/cancel"), &json!({})).await.unwrap() }
    };
    // At once, by Plaid's id.
    let canceled = cancel(transfer).await;
    assert_eq!((canceled.status, &canceled.body["status"]), (200, &json!("canceled")), "{}", canceled.body);
    assert_eq!(only(&world).status, TransferStatus::Cancelled);
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    assert_eq!(cancel(payment).await.status, 200, "it is canceled");
    assert!(world.alerts().await.is_empty());

    let debit = moved(&world, invoice).await;
    assert_eq!(descriptions(&world)[1], debit.invoice, "no bank has seen the first");
    assert!(world.stack.plaid.post(&debit.transfer));
    refused(&cancel(debit.payment.clone()).await, 409, &["not_cancelable"]);
    assert_eq!(standing(&world, &debit).await, both("processing", "paying"));
    settle_posted(&world, &debit).await;
    refused(&cancel(debit.payment).await, 409, &["not_cancelable"]);
}

async fn settle_posted(world: &World, debit: &super::plaid::Moved) {
    assert!(world.stack.plaid.settle(&debit.transfer));
    world.plaid_told().await;
    assert_eq!(standing(world, debit).await, both("paid", "paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_that_was_called_off_in_plaids_dashboard_or_failed_there_frees_its_invoice() {
    let (world, method) = debtor().await;
    let debit = debited(&world).await;
    assert!(world.stack.plaid.fail_transfer(&debit.transfer));
    world.plaid_told().await;
    assert_eq!(standing(&world, &debit).await, both("failed", "approved"));
    assert_eq!(world.alerts().await, ["declined"]);
    assert_eq!(method_status(&world, &method).await, "active");
    let again = moved(&world, debit.invoice).await;
    assert_eq!(descriptions(&world)[1], again.invoice, "no bank has seen the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_again_is_answered_with_the_payment_as_it_stands() {
    let (world, _) = debtor().await;
    let invoice = world.receivable(json!({})).await;
    let body = json!({ "payment_method": "ach" });
    let first = world.pay_as(ADMIN, Some("k"), &invoice, body.clone()).await;
    assert_eq!(first.status, 202);
    let again = world.pay_as(ADMIN, Some("k"), &invoice, body.clone()).await;
    assert_eq!((again.status, &again.body["id"]), (202, &first.body["id"]));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    later(&world);
    let debit = only(&world).id;
    settle(&world, &super::plaid::Moved { invoice: invoice.clone(), payment: payment_of(&first), transfer: debit })
        .await;
    let last = world.pay_as(ADMIN, Some("k"), &invoice, body.clone()).await;
    assert_eq!((last.status, &last.body["status"]), (200, &json!("paid")));
    let other = world.receivable(json!({})).await;
    refused(&world.pay_as(ADMIN, Some("k"), &other, body).await, 422, &["idempotency_key_reused"]);
    only(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_plaids_that_was_rotated_is_read_anew_once_and_one_that_is_wrong_moves_nothing() {
    let (world, _) = debtor().await;
    settled(&world).await;
    world.stack.plaid.add_client(CLIENT, "secret_CANARY_plaid_new");
    let secret = json!({ "client_id": CLIENT, "secret": "secret_CANARY_plaid_new" });
    world.stack.secrets.put("passerelle/acme/plaid", &secret).unwrap();
    world.clock.advance(Duration::from_secs(31));
    debited(&world).await;

    world.stack.plaid.revoke_secret(CLIENT);
    let invoice = world.receivable(json!({})).await;
    refused(&world.pay_by_bank(&invoice, json!({})).await, 502, &["gateway_unavailable"]);
    assert_eq!(world.alerts().await, ["gateway_rejected"]);
    assert_eq!(world.plaid_books().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_another_amount_is_not_believed_and_called_about() {
    let (world, _) = debtor().await;
    let invoice = world.receivable(json!({})).await;
    // Leave for another amount is no leave.
    world.stack.plaid.add_fault(Fault::authorization(Kind::OtherAmount));
    let answer = world.pay_by_bank(&invoice, json!({})).await;
    assert!(answer.status == 502 && world.plaid_books().is_empty(), "{}", answer.body);
    world.stack.plaid.add_fault(Fault::transfer(Kind::OtherAmount));
    let answer = world.pay_by_bank(&invoice, json!({})).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    assert!(world.alerts().await.contains(&"answer_mismatch".to_owned()));
    only(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_that_is_not_in_dollars_or_is_too_large_is_refused_before_plaid_is_asked() {
    let (world, _) = debtor().await;
    let euros = world.receivable(json!({ "currency": "EUR" })).await;
    let answer = world.pay_by_bank(&euros, json!({})).await;
    refused(&answer, 422, &["amount_out_of_range"]);
    assert!(asked(&world, AUTHORIZE).is_empty());
}
