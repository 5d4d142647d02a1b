//! The client at Plaid that the tenant's secret names: rotated, another one, or gone.

use std::sync::Arc;
use std::time::Duration;

use local::plaid::Account;
use local::plaid::fault::{Fault, Kind};
use serde_json::json;

use super::plaid::{
    Moved, SYNC, asked, both, counts, cursor, cursor_of, debited, debtor, later, linked, settled, standing, sweep_after,
};
use super::{CLIENT, SECRET};
use crate::gate::{Gate, Held};
use crate::schedules::days;
use crate::world::World;

/// The secret names another client.
fn replaced(world: &World) {
    world.stack.plaid.add_client("client_new", SECRET);
    world.stack.secrets.put("passerelle/acme/plaid", &json!({ "client_id": "client_new", "secret": SECRET })).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_in_the_secret_is_asked_from_its_own_first_event() {
    let (world, _) = debtor().await;
    let debit = debited(&world).await;
    world.plaid_told().await;
    replaced(&world);
    world.clock.advance(Duration::from_mins(6));
    assert!(world.stack.plaid.post(&debit.transfer) && world.stack.plaid.settle(&debit.transfer));
    let before = asked(&world, SYNC).len();
    world.plaid_told().await;
    assert_eq!(asked(&world, SYNC).len(), before, "nothing was paid over the new account");
    assert_eq!(standing(&world, &debit).await, both("processing", "paying"));
    world.clock.advance(days(1));
    world.sweep().await;
    assert_eq!(world.alerts().await, ["account_changed"]);

    // The old account's bank account is of no use at the new one.
    let other = world.receivable(json!({})).await;
    crate::world::refused(&world.pay_by_bank(&other, json!({})).await, 422, &["payment_method_mismatch"]);
    let tokens = world.stack.plaid.add_item("client_new", vec![Account::checking("acc_new", 1_000_000)]).unwrap();
    let of = json!({ "gateway": "plaid", "customer_id": "globex", "default": true });
    world.method(&tokens.public_token, of).await;
    let (payment, transfer) = world.under_way(&other).await;
    later(&world);
    assert!(world.stack.plaid.post(&transfer) && world.stack.plaid.settle(&transfer));
    world.plaid_told().await;
    assert_eq!(cursor_of(&world, "client_new").await, Some(3));
    assert_eq!(standing(&world, &Moved { invoice: other, payment, transfer }).await, both("paid", "paid"));
    let heard = cursor(&world).await.unwrap();

    // With the old secret back, its payment is found out about, and its events are asked for from where they stood.
    world.stack.secrets.put("passerelle/acme/plaid", &json!({ "client_id": CLIENT, "secret": SECRET })).unwrap();
    world.clock.advance(Duration::from_mins(6));
    sweep_after(&world, 24 * 60).await;
    assert_eq!(standing(&world, &debit).await, both("paid", "paid"));
    world.plaid_told().await;
    assert!(cursor(&world).await.unwrap() > heard);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_rotated_is_read_anew_at_once() {
    let (world, _) = debtor().await;
    let debit = debited(&world).await;
    world.plaid_told().await;
    world.stack.plaid.add_client(CLIENT, "secret_CANARY_plaid_new");
    let secret = json!({ "client_id": CLIENT, "secret": "secret_CANARY_plaid_new" });
    world.stack.secrets.put("passerelle/acme/plaid", &secret).unwrap();
    world.clock.advance(Duration::from_secs(31));
    assert!(world.stack.plaid.post(&debit.transfer) && world.stack.plaid.settle(&debit.transfer));
    world.plaid_told().await;
    assert_eq!(standing(&world, &debit).await, both("paid", "paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_can_t_be_asked_any_more_is_called_about_once_a_day() {
    for is_gone in [false, true] {
        let (world, _) = debtor().await;
        settled(&world).await;
        if is_gone {
            world.stack.secrets.delete("passerelle/acme/plaid").unwrap();
        } else {
            replaced(&world);
        }
        for day in ["1", "2"] {
            world.clock.advance(days(1));
            for _ in 0..9 {
                world.execute().await;
                world.clock.advance(Duration::from_mins(15));
            }
            assert_eq!(
                (world.alerts().await, counts(&world).await),
                (vec!["account_changed".to_owned()], vec![day.to_owned()])
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_that_is_named_is_that_of_the_secret_which_was_read_anew() {
    let (world, _) = debtor().await;
    settled(&world).await;
    world.stack.plaid.add_fault(Fault::event_sync(Kind::ErrorBefore(500)));
    world.clock.advance(days(1));
    world.execute().await;
    // The executor still has the old secret, which Plaid takes no more.
    world.stack.plaid.revoke_secret(CLIENT);
    replaced(&world);
    world.clock.advance(Duration::from_mins(2));
    world.execute().await;
    let messages = world.texts("ALERTS_TABLE", "message").await;
    assert!(messages.iter().any(|text| text.contains(CLIENT) && text.ends_with("names client_new.")), "{messages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_only_away_is_used_again_within_an_hour() {
    let (world, _) = debtor().await;
    let debit = settled(&world).await;
    let gone = async || {
        world.stack.secrets.delete("passerelle/acme/plaid").unwrap();
        world.execute().await;
    };
    let back = || world.stack.secrets.put("passerelle/acme/plaid", &json!({ "client_id": CLIENT, "secret": SECRET }));
    world.clock.advance(days(1));
    gone().await;
    back().unwrap();
    assert!(world.stack.plaid.return_transfer(&debit.transfer, "R01"));
    world.clock.advance(Duration::from_hours(1));
    world.execute().await;
    assert_eq!(standing(&world, &debit).await, both("returned", "approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_over_a_new_client_that_is_made_while_it_is_put_off_is_asked_about_at_once() {
    let gate = Gate::default();
    let world = World::with(|options| options.dynamodb_http = Some(gate.http_client())).await;
    world.plaid_account().await;
    linked(&world).await;
    settled(&world).await;
    replaced(&world);
    world.clock.advance(days(1));
    let tokens = world.stack.plaid.add_item("client_new", vec![Account::checking("acc_new", 1_000_000)]).unwrap();
    let of = json!({ "gateway": "plaid", "customer_id": "globex", "default": true });
    world.method(&tokens.public_token, of).await;
    let world = Arc::new(world);
    // The executor has found that nothing was paid over the new client.
    gate.arm(Held::Request, &["account_changed"]);
    let executing = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.execute().await })
    };
    gate.reached().await;
    let invoice = world.receivable(json!({})).await;
    let (payment, transfer) = world.under_way(&invoice).await;
    gate.open();
    executing.await.unwrap();
    assert!(world.stack.plaid.post(&transfer) && world.stack.plaid.settle(&transfer));
    world.clock.advance(Duration::from_mins(15));
    world.execute().await;
    assert_eq!(standing(&world, &Moved { invoice, payment, transfer }).await, both("paid", "paid"));
}
