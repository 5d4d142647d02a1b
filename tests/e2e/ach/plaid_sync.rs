//! Plaid's events: asked for from a cursor, whoever asks, each applied once and in whatever order.

use std::time::Duration;

use local::plaid::fault::{Fault, Kind};
use local::plaid::{Account, TransferStatus};
use serde_json::{Value, json};

use super::plaid::{
    ACCOUNT, AUTHORIZE, CREATE, Moved, SYNC, asked, both, counts, cursor, debited, debtor, later, linked, moved,
    send_back, settled, standing,
};
use super::{CLIENT, SECRET};
use crate::schedules::days;
use crate::world::{ADMIN, TENANT, World};

/// Where the asking for events has begun, each time.
fn asked_after(world: &World) -> Vec<u64> {
    asked(world, SYNC).iter().map(|(_, body)| body["after_id"].as_u64().unwrap()).collect()
}

/// Plaid's last event.
fn last_event(world: &World) -> u64 {
    u64::try_from(world.stack.plaid.events(CLIENT).len()).unwrap()
}

/// A page of Plaid's events as it never was: these, by their ids, in this order.
fn page(world: &World, ids: &[usize]) -> Fault {
    let events = world.stack.plaid.events(CLIENT);
    let told: Vec<&Value> = ids.iter().map(|id| &events[id - 1]).collect();
    let body = json!({ "transfer_events": told, "has_more": false, "request_id": "r" });
    Fault::event_sync(Kind::Status(200, body))
}

/// A transfer that somebody else makes with the tenant's client; Plaid's id of it.
async fn transfer_of_others(world: &World, access_token: &str, account: &str) -> String {
    let post = async |path: &str, body: Value| -> Value {
        let asked = world.stack.http.post(format!("{}{path}", world.stack.urls.plaid)).json(&body);
        let asked = asked.header("PLAID-CLIENT-ID", CLIENT).header("PLAID-SECRET", SECRET);
        asked.send().await.unwrap().json().await.unwrap()
    };
    let mut body = json!({ "access_token": access_token, "account_id": account, "type": "debit", "network": "ach",
        "ach_class": "ccd", "amount": "1.00", "user": { "legal_name": "Somebody" } });
    let leave = post(AUTHORIZE, body.take()).await;
    let body = json!({ "access_token": access_token, "account_id": account, "description": "theirs",
        "authorization_id": leave["authorization"]["id"] });
    post(CREATE, body).await["transfer"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_asked_for_twice_are_applied_once_and_the_cursor_goes_on() {
    let (world, _) = debtor().await;
    let debit = debited(&world).await;
    assert_eq!(cursor(&world).await, Some(0), "there from the first payment on");
    assert!(world.stack.plaid.post(&debit.transfer) && world.stack.plaid.settle(&debit.transfer));
    for _ in 0..3 {
        world.plaid_told().await;
        assert_eq!((cursor(&world).await, standing(&world, &debit).await), (Some(3), both("paid", "paid")));
    }
    assert_eq!(asked_after(&world), [0, 3, 3]);
    send_back(&world, &debit, "R01").await;
    world.plaid_told().await;
    assert_eq!(world.trail(&debit.invoice).await, ["create", "approve", "pay", "settle", "settle"]);
    assert_eq!(counts(&world).await, ["1"]);
    assert_eq!(cursor(&world).await, Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_and_executors_that_ask_at_once_apply_each_event_once() {
    let (world, _) = debtor().await;
    let mut debits = Vec::new();
    for number in 0..8 {
        let debit = debited(&world).await;
        assert!(world.stack.plaid.post(&debit.transfer));
        if number % 2 == 0 {
            assert!(world.stack.plaid.settle(&debit.transfer));
        } else {
            assert!(world.stack.plaid.return_transfer(&debit.transfer, "R01"));
        }
        debits.push(debit);
    }
    world.clock.advance(days(1));
    let (one, two, three, ..) =
        tokio::join!(world.plaid_tells(), world.plaid_tells(), world.plaid_tells(), world.execute(), world.execute());
    let statuses = [one.status, two.status, three.status];
    assert!(statuses.iter().all(|status| [200, 500, 503].contains(status)), "{statuses:?}");
    world.plaid_told().await;
    for (number, debit) in debits.iter().enumerate() {
        let expected = if number % 2 == 0 { both("paid", "paid") } else { both("failed", "approved") };
        assert_eq!(standing(&world, debit).await, expected, "{number}");
        assert_eq!(world.trail(&debit.invoice).await, ["create", "approve", "pay", "settle"], "{number}");
    }
    assert_eq!(counts(&world).await, ["1", "1", "1", "1"]);
    assert_eq!(cursor(&world).await, Some(last_event(&world)));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_out_of_order_lead_to_the_same_end() {
    // Posted, settled, available, returned; 1 is that it was begun.
    for order in [[5, 4, 3, 2], [4, 5, 2, 3], [3, 2, 5, 4]] {
        let (world, _) = debtor().await;
        let debit = debited(&world).await;
        assert!(world.stack.plaid.post(&debit.transfer) && world.stack.plaid.settle(&debit.transfer));
        assert!(world.stack.plaid.make_available(&debit.transfer));
        assert!(world.stack.plaid.return_transfer(&debit.transfer, "R02"));
        for id in order {
            world.stack.plaid.add_fault(page(&world, &[id]));
            world.plaid_told().await;
        }
        world.plaid_told().await;
        // It has come back before anybody knew that it was paid.
        assert_eq!(standing(&world, &debit).await, both("failed", "approved"), "{order:?}");
        assert_eq!(world.alerts().await, ["payment_method_invalid"], "{order:?}");
        assert_eq!(counts(&world).await, ["1"], "{order:?}");
        assert_eq!(world.trail(&debit.invoice).await, ["create", "approve", "pay", "settle"], "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_from_before_moves_neither_the_books_nor_the_cursor_back() {
    let (world, _) = debtor().await;
    let debit = settled(&world).await;
    send_back(&world, &debit, "R01").await;
    let again = moved(&world, debit.invoice.clone()).await;
    let here = cursor(&world).await.unwrap();
    for ids in [&[1][..], &[3, 2, 1], &[3], &[]] {
        world.stack.plaid.add_fault(page(&world, ids));
        world.plaid_told().await;
        assert_eq!(cursor(&world).await, Some(here), "{ids:?}");
        assert_eq!(standing(&world, &debit).await, both("returned", "paying"), "{ids:?}");
    }
    super::plaid::settle(&world, &again).await;
    assert_eq!(standing(&world, &again).await, both("paid", "paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_held_up_over_an_older_page_does_not_move_the_cursor_back() {
    let world = World::with(|options| options.gateway_timeout = Some(Duration::from_secs(30))).await;
    world.plaid_account().await;
    linked(&world).await;
    let first = debited(&world).await;
    assert!(world.stack.plaid.post(&first.transfer) && world.stack.plaid.settle(&first.transfer));
    world.stack.plaid.add_fault(Fault::transfer_look_up(Kind::Slow(1_000)));
    let overtakes = async {
        while asked(&world, SYNC).is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(world.stack.plaid.make_available(&first.transfer));
        world.plaid_told().await;
        assert_eq!(cursor(&world).await, Some(4));
    };
    let (held_up, ()) = tokio::join!(world.plaid_tells(), overtakes);
    assert_eq!(held_up.status, 200, "{}", held_up.body);
    assert_eq!(cursor(&world).await, Some(4));
    assert_eq!(world.trail(&first.invoice).await, ["create", "approve", "pay", "settle"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_can_t_be_applied_yet_holds_the_cursor_and_not_what_is_behind_it() {
    let (world, _) = debtor().await;
    let behind = debited(&world).await;
    // A send whose answer nobody has, and which may be open for all that we know.
    world.stack.plaid.add_fault(Fault::transfer(Kind::ReplyLost).times(3));
    world.stack.plaid.add_fault(Fault::transfer_look_up(Kind::ErrorBefore(500)).times(100));
    let invoice = world.receivable(json!({})).await;
    let answer = world.pay_by_bank(&invoice, json!({})).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    world.stack.plaid.clear_faults();
    let payment = answer.body["id"].as_str().unwrap().to_owned();
    let transfer = world.plaid_books()[1].id.clone();
    let stuck = Moved { invoice, payment, transfer };
    let before = last_event(&world);
    assert!(world.stack.plaid.fail_transfer(&stuck.transfer));
    assert!(world.stack.plaid.post(&behind.transfer) && world.stack.plaid.settle(&behind.transfer));
    assert_eq!(world.plaid_tells().await.status, 500, "it is to be told again");
    assert_eq!(standing(&world, &stuck).await, both("processing", "paying"));
    assert_eq!(standing(&world, &behind).await, both("paid", "paid"));
    assert_eq!(cursor(&world).await, Some(before));

    later(&world);
    world.plaid_told().await;
    assert_eq!(standing(&world, &stuck).await, both("failed", "approved"));
    assert_eq!(cursor(&world).await, Some(last_event(&world)));
    assert_eq!(world.trail(&behind.invoice).await, ["create", "approve", "pay", "settle"]);
    assert_eq!(counts(&world).await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_up_is_asked_for_again_in_a_minute_without_a_webhook() {
    let (world, _) = debtor().await;
    let debit = debited(&world).await;
    assert!(world.stack.plaid.post(&debit.transfer) && world.stack.plaid.settle(&debit.transfer));
    world.stack.plaid.add_fault(Fault::transfer_look_up(Kind::ErrorBefore(500)));
    assert_eq!(world.plaid_tells().await.status, 500);
    assert_eq!(standing(&world, &debit).await, both("processing", "paying"));
    world.clock.advance(Duration::from_mins(2));
    world.execute().await;
    assert_eq!(standing(&world, &debit).await, both("paid", "paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_plaid_does_not_say_what_happened_the_webhook_is_wanted_again() {
    let (world, _) = debtor().await;
    let debit = debited(&world).await;
    assert!(world.stack.plaid.post(&debit.transfer) && world.stack.plaid.settle(&debit.transfer));
    for kind in [Kind::ErrorBefore(500), Kind::RateLimited, Kind::NothingReached, Kind::Unreadable, Kind::Slow(2_000)] {
        world.stack.plaid.add_fault(Fault::event_sync(kind.clone()));
        let status = world.plaid_tells().await.status;
        assert!(status >= 500, "{kind:?}: {status}");
        assert_eq!(cursor(&world).await, Some(0), "{kind:?}");
    }
    world.plaid_told().await;
    assert_eq!(standing(&world, &debit).await, both("paid", "paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_transfers_on_the_same_client_are_the_other_tenants_alone() {
    let (world, _) = debtor().await;
    world.tenant("globex", "acct_globex").await;
    let secret = json!({ "client_id": CLIENT, "secret": SECRET });
    world.stack.secrets.put("passerelle/globex/plaid", &secret).unwrap();
    let admin = world.of("globex", ADMIN);
    let settings = json!({ "name": "globex", "timezone": "America/New_York",
        "gateways": { "ach": { "enabled": true, "provider": "plaid" } } });
    assert_eq!(admin.put("/tenant", &settings).await.unwrap().status, 200);
    let tokens = world.stack.plaid.add_item(CLIENT, vec![Account::checking("acc_theirs", 1_000_000)]).unwrap();
    let method = json!({ "gateway": "plaid", "reference": tokens.public_token, "customer_id": "c" });
    assert_eq!(admin.post("/payment-methods", &method).await.unwrap().status, 201);
    let invoice = json!({ "invoice_id": "THEIRS", "kind": "receivable", "amount": 100, "currency": "USD",
        "counterparty": { "name": "C", "customer_id": "c" } });
    assert_eq!(admin.post("/invoices", &invoice).await.unwrap().status, 201);
    assert_eq!(admin.post("/invoices/THEIRS/approve", &json!({})).await.unwrap().status, 200);
    let pay = json!({ "invoice_id": "THEIRS", "payment_method": "ach" });
    let paid = admin.post("/payments", &pay).await.unwrap();
    assert_eq!(paid.status, 202, "{}", paid.body);
    let theirs = paid.body["payment_id"].as_str().unwrap();

    let ours = debited(&world).await;
    for transfer in [theirs, &ours.transfer] {
        assert!(world.stack.plaid.post(transfer) && world.stack.plaid.settle(transfer));
    }
    world.plaid_told().await;
    assert_eq!(standing(&world, &ours).await, both("paid", "paid"));
    assert_eq!(cursor(&world).await, Some(last_event(&world)));
    assert!(world.alerts().await.is_empty());
    // Nobody has told the other tenant.
    let items = world.items("PAYMENTS_TABLE", "tenant_id", "globex").await;
    assert_eq!(items[0]["status"].as_s().unwrap(), "processing");
    world.clock.advance(days(1));
    world.execute().await;
    let items = world.items("PAYMENTS_TABLE", "tenant_id", "globex").await;
    assert_eq!(items[0]["status"].as_s().unwrap(), "paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_executor_asks_once_a_day_where_no_webhook_comes() {
    let (world, _) = debtor().await;
    let debit = settled(&world).await;
    let before = asked(&world, SYNC).len();
    for _ in 0..5 {
        world.clock.advance(Duration::from_mins(15));
        world.execute().await;
    }
    assert_eq!(asked(&world, SYNC).len(), before, "not more often");
    assert!(world.stack.plaid.return_transfer(&debit.transfer, "R01"));
    world.clock.advance(days(1));
    world.execute().await;
    assert_eq!(asked(&world, SYNC).len(), before + 1);
    assert_eq!(standing(&world, &debit).await, both("returned", "approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_any_more_90_days_after_the_last_payment() {
    let (world, _) = debtor().await;
    settled(&world).await;
    world.clock.advance(days(50));
    world.execute().await;
    let debit = settled(&world).await;
    world.clock.advance(days(88));
    world.execute().await;
    assert!(world.stack.plaid.return_transfer(&debit.transfer, "R10"));
    world.clock.advance(days(1));
    world.execute().await;
    assert_eq!(standing(&world, &debit).await, both("returned", "approved"), "on the 89th day it is heard of");
    world.clock.advance(days(3));
    world.execute().await;
    let before = asked(&world, SYNC).len();
    for _ in 0..3 {
        world.clock.advance(days(2));
        world.execute().await;
    }
    assert_eq!(asked(&world, SYNC).len(), before);
    // Paying again begins again.
    let method = world.plaid_bank("acc_second", 1_000_000, json!({ "customer_id": "initech" })).await;
    let counterparty = json!({ "name": "Initech", "customer_id": "initech" });
    let again = moved(&world, world.receivable(json!({ "counterparty": counterparty })).await).await;
    assert!(world.stack.plaid.post(&again.transfer) && world.stack.plaid.settle(&again.transfer));
    world.clock.advance(days(1));
    world.execute().await;
    assert_eq!(standing(&world, &again).await, both("paid", "paid"), "{method}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_events_than_a_page_holds_are_all_heard_of() {
    let (world, _) = debtor().await;
    let debit = debited(&world).await;
    let tokens = world.stack.plaid.add_item(CLIENT, vec![Account::checking("acc_other", 1_000_000)]).unwrap();
    let exchange = format!("{}/item/public_token/exchange", world.stack.urls.plaid);
    let asked = world.stack.http.post(exchange).json(&json!({ "public_token": tokens.public_token }));
    asked.header("PLAID-CLIENT-ID", CLIENT).header("PLAID-SECRET", SECRET).send().await.unwrap();
    let account = || transfer_of_others(&world, &tokens.access_token, "acc_other");
    // Business of the tenant's that is none of ours: each has three events.
    for _ in 0..180 {
        let transfer = account().await;
        assert!(world.stack.plaid.post(&transfer) && world.stack.plaid.settle(&transfer));
    }
    assert!(world.stack.plaid.post(&debit.transfer) && world.stack.plaid.settle(&debit.transfer));
    assert!(last_event(&world) > 540);
    world.plaid_told().await;
    assert_eq!(asked_after(&world), [0, 500]);
    assert_eq!(standing(&world, &debit).await, both("paid", "paid"));
    assert_eq!(cursor(&world).await, Some(last_event(&world)));
    assert!(world.alerts().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_with_our_ids_that_the_books_do_not_have_is_called_about_once_it_is_an_hour_old() {
    let (world, _) = debtor().await;
    let debit = debited(&world).await;
    let key = |name: &str, value: &str| (name.to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(value.to_owned()));
    let table = &world.stack.tables["PAYMENTS_TABLE"];
    let gone = world.stack.dynamodb.delete_item().table_name(table);
    let gone = gone.set_key(Some([key("tenant_id", TENANT), key("id", &debit.payment)].into()));
    gone.send().await.unwrap();
    assert!(world.stack.plaid.post(&debit.transfer) && world.stack.plaid.settle(&debit.transfer));
    assert_eq!(world.plaid_tells().await.status, 500, "the books may be behind");
    world.clock.advance(Duration::from_hours(1));
    world.plaid_told().await;
    assert_eq!(world.alerts().await, ["unknown_to_us"]);
    assert_eq!(cursor(&world).await, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_as_plaid_sends_them_lead_to_paid() {
    let (world, _) = debtor().await;
    let debit = debited(&world).await;
    world.stack.plaid.add_webhook_endpoint(CLIENT, &format!("{}/webhooks/plaid/{TENANT}", world.stack.urls.api));
    assert!(world.stack.plaid.post(&debit.transfer) && world.stack.plaid.settle(&debit.transfer));
    world.until(&format!("/payments/{}", debit.payment), "paid").await;
    assert_eq!(world.plaid_books()[0].status, TransferStatus::Settled);
    assert_eq!(world.plaid_books()[0].account, ACCOUNT);
}
