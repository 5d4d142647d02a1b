//! Debits that banks send back: every row of the table of return codes, before and after they were paid, and what was
//! believed to be otherwise until then.

use std::time::Duration;

use local::plaid::fault::{Fault, Kind};
use serde_json::json;
use shared::model::return_code::{RETURN_CODES, ReturnClass, ReturnCode};

use super::plaid::{
    Moved, both, debited, debtor, descriptions, error, item, later, method_status, moved, only, pay, payment_of,
    presented, send_back, settle, settled, standing, sweep_after,
};
use crate::schedules::{days, read, scheduled};
use crate::world::{TENANT, World, refused};

/// What follows from a row, written down apart from the code: why the payment failed, whom the alert calls, and what
/// becomes of the method.
fn follows(class: ReturnClass) -> (&'static str, &'static str, &'static str) {
    match class {
        ReturnClass::Funds => ("insufficient_funds", "insufficient_funds", "active"),
        ReturnClass::Account => ("payment_method_invalid", "payment_method_invalid", "inactive"),
        ReturnClass::Unauthorized => ("declined", "debit_not_authorized", "blocked"),
        ReturnClass::Review => ("declined", "declined", "active"),
        ReturnClass::Frozen => ("declined", "declined", "inactive"),
    }
}

/// A row that every reader of NACHA's rules would have the same: the table itself is checked against these.
const KNOWN: [(&str, &str); 18] = [
    ("R01", "active"),
    ("R09", "active"),
    ("R02", "inactive"),
    ("R03", "inactive"),
    ("R04", "inactive"),
    ("R12", "inactive"),
    ("R13", "inactive"),
    ("R16", "inactive"),
    ("R20", "inactive"),
    ("R05", "blocked"),
    ("R07", "blocked"),
    ("R10", "blocked"),
    ("R11", "blocked"),
    ("R29", "blocked"),
    ("R51", "blocked"),
    ("R08", "active"),
    ("R24", "active"),
    ("R90", "active"),
];

/// A customer of a row's own, who is to pay an invoice: the account, its method, the invoice.
struct Debtor {
    row: &'static ReturnCode,
    account: String,
    method: String,
    invoice: String,
}

impl Debtor {
    async fn of(world: &World, row: &'static ReturnCode) -> Self {
        let (account, customer) = (format!("acc_{}", row.code), row.code.to_lowercase());
        let method = world.plaid_bank(&account, 1_000_000, json!({ "customer_id": customer })).await;
        let counterparty = json!({ "name": "Globex Corporation", "customer_id": customer });
        let invoice = world.receivable(json!({ "counterparty": counterparty })).await;
        Self { row, account, method, invoice }
    }

    fn presented(&self, world: &World) -> usize {
        world.stack.plaid.presentments(&self.account).len()
    }

    /// The method is what the row makes of it, the default no more unless it is active, and the alerts about the invoice
    /// are these.
    async fn has_led_to(&self, world: &World, alerts: &[&str]) {
        let (row, status) = (self.row, follows(self.row.class).2);
        assert_eq!(method_status(world, &self.method).await, status, "{row:?}");
        let default = format!("default#customer:{}#ach", row.code.to_lowercase());
        let default = item(world, "PAYMENT_METHODS_TABLE", "method_id", &default).await;
        assert_eq!(default.is_some(), status == "active", "{row:?}");
        assert_eq!(about(world, "ALERTS_TABLE", "kind", &self.invoice).await, alerts, "{row:?}");
        assert_eq!(self.presented(world), 1, "{row:?}");
    }

    /// What stands against debiting the same method for the same invoice again, if anything.
    async fn pays_again(&self, world: &World) {
        let row = self.row;
        let answer = pay(world, &self.invoice, &self.method).await;
        let code = match (row.class, follows(row.class).2) {
            (ReturnClass::Funds, _) => {
                assert_eq!(answer.status, 202, "{row:?}: {}", answer.body);
                return assert_eq!(descriptions(world).last().unwrap(), "Retry 1", "{row:?}");
            }
            (_, "blocked") => "payment_method_blocked",
            (_, "inactive") => "payment_method_inactive",
            _ => "presentment_limit",
        };
        assert!(answer.codes().contains(&code), "{row:?}: {}", answer.body);
        assert!(answer.codes().contains(&"presentment_limit"), "{row:?}: {}", answer.body);
        assert_eq!(self.presented(world), 1, "{row:?}");
    }
}

/// One attribute of the items about an invoice, in the order of that text.
async fn about(world: &World, table: &str, attribute: &str, invoice: &str) -> Vec<String> {
    let items = world.items(table, "tenant_id", TENANT).await.into_iter();
    let about = items.filter(|item| item["invoice_id"].as_s().unwrap() == invoice);
    let mut texts: Vec<String> = about.map(|item| item[attribute].as_s().unwrap().clone()).collect();
    texts.sort_unstable();
    texts
}

/// A world whose banks are closed.
async fn world() -> World {
    let world = World::with_plaid().await;
    world.stack.plaid.set_banks_closed(true);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_says_what_the_rules_say() {
    for (code, status) in KNOWN {
        let row = RETURN_CODES.iter().find(|row| row.code == code).unwrap();
        assert_eq!(follows(row.class).2, status, "{code}");
    }
    let again = RETURN_CODES.iter().filter(|row| row.class.may_come_again()).map(|row| row.code);
    assert_eq!(again.collect::<Vec<_>>(), ["R01", "R09"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_return_before_a_debit_is_paid_fails_it_frees_its_invoice_and_calls_whom_it_must() {
    let world = world().await;
    for row in &RETURN_CODES {
        let debtor = Debtor::of(&world, row).await;
        let debit = moved(&world, debtor.invoice.clone()).await;
        send_back(&world, &debit, row.code).await;
        let (code, alert, _) = follows(row.class);
        assert_eq!(standing(&world, &debit).await, both("failed", "approved"), "{row:?}");
        assert_eq!(world.payment(&debit.payment).await["failure"], json!({ "code": code }), "{row:?}");
        assert_eq!(about(&world, "AGENT_RUNS_TABLE", "error_class", &debtor.invoice).await, [code], "{row:?}");
        debtor.has_led_to(&world, &[alert]).await;
        debtor.pays_again(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_return_after_a_debit_was_paid_takes_it_back_and_its_invoice_is_to_be_paid_again() {
    let world = world().await;
    for row in &RETURN_CODES {
        let debtor = Debtor::of(&world, row).await;
        let debit = moved(&world, debtor.invoice.clone()).await;
        settle(&world, &debit).await;
        send_back(&world, &debit, row.code).await;
        assert_eq!(standing(&world, &debit).await, both("returned", "approved"), "{row:?}");
        let alerts: &[&str] = match follows(row.class).2 {
            "inactive" => &["payment_method_invalid", "returned"],
            "blocked" => &["debit_not_authorized", "returned"],
            _ => &["returned"],
        };
        debtor.has_led_to(&world, alerts).await;
        assert_eq!(world.trail(&debit.invoice).await, ["create", "approve", "pay", "settle", "settle"], "{row:?}");
        debtor.pays_again(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_return_of_a_scheduled_debit_puts_its_promise_where_it_belongs() {
    let world = world().await;
    world.ach_and(json!({ "provider": "plaid" }), json!({ "on_insufficient_funds": "reschedule" })).await;
    let mut promises = Vec::new();
    for row in &RETURN_CODES {
        let debtor = Debtor::of(&world, row).await;
        let promise = scheduled(&world, &debtor.invoice, 1, json!({ "payment_method": "ach" })).await;
        promises.push((debtor, promise));
    }
    world.clock.advance(days(1));
    world.execute().await;
    later(&world);
    let books = world.plaid_books();
    let of = |debtor: &Debtor| books.iter().find(|entry| entry.account == debtor.account).unwrap().id.clone();
    for (debtor, _) in &promises {
        let transfer = of(debtor);
        assert!(world.stack.plaid.post(&transfer));
        assert!(world.stack.plaid.return_transfer(&transfer, debtor.row.code));
    }
    world.plaid_told().await;
    for (debtor, promise) in &promises {
        let row = debtor.row;
        let status = match row.class {
            ReturnClass::Funds => "pending",
            ReturnClass::Account => "awaiting_method",
            ReturnClass::Unauthorized | ReturnClass::Review | ReturnClass::Frozen => "in_review",
        };
        let promise = read(&world, promise).await;
        assert_eq!(promise["status"], json!(status), "{row:?}");
        let payment = promise["payments"][0].as_str().unwrap().to_owned();
        let debit = Moved { invoice: debtor.invoice.clone(), payment, transfer: of(debtor) };
        assert_eq!(standing(&world, &debit).await, both("failed", "scheduled"), "{row:?}");
        debtor.has_led_to(&world, &[follows(row.class).1]).await;
    }
    // Whatever the executor does afterwards: nothing but want of money is put before the bank again.
    for _ in 0..5 {
        world.clock.advance(days(1));
        world.execute().await;
    }
    for (debtor, _) in &promises {
        let made = world.plaid_books().iter().filter(|entry| entry.account == debtor.account).count();
        assert_eq!(made, if debtor.row.class == ReturnClass::Funds { 2 } else { 1 }, "{:?}", debtor.row);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_sixty_days_later_is_heard_of_without_a_webhook() {
    let (world, method) = debtor().await;
    let debit = settled(&world).await;
    for _ in 0..60 {
        world.clock.advance(days(1));
        world.execute().await;
    }
    assert!(world.stack.plaid.return_transfer(&debit.transfer, "R10"));
    world.clock.advance(days(1));
    world.execute().await;
    assert_eq!(standing(&world, &debit).await, both("returned", "approved"));
    assert_eq!(method_status(&world, &method).await, "blocked");
    assert_eq!(world.alerts().await, ["debit_not_authorized", "returned"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_of_what_was_refunded_leaves_the_invoice_as_it_is_and_calls_somebody() {
    let (world, _) = debtor().await;
    let debit = settled(&world).await;
    let refund = world.refund("r", &debit.payment, json!({ "amount": 10_000 })).await;
    assert_eq!(refund.status, 202, "{}", refund.body);
    world.clock.advance(Duration::from_mins(3));
    send_back(&world, &debit, "R10").await;
    assert_eq!(world.payment(&debit.payment).await["status"], json!("returned"));
    assert_ne!(world.invoice(&debit.invoice).await["status"], json!("approved"));
    assert!(world.alerts().await.contains(&"returned_after_refund".to_owned()), "{:?}", world.alerts().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_in_no_table_is_looked_at_by_a_person() {
    let (world, method) = debtor().await;
    let debit = debited(&world).await;
    send_back(&world, &debit, "R99").await;
    assert_eq!(standing(&world, &debit).await, both("failed", "approved"));
    assert_eq!(
        (world.alerts().await, method_status(&world, &method).await),
        (vec!["declined".to_owned()], "active".to_owned())
    );
    refused(&pay(&world, &debit.invoice, &method).await, 409, &["presentment_limit"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn promises_to_debit_a_blocked_account_are_stopped_before_they_are_sent() {
    let (world, method) = debtor().await;
    let other = world.receivable(json!({})).await;
    let promise = scheduled(&world, &other, 2, json!({ "payment_method": "ach", "payment_method_id": method })).await;
    let debit = debited(&world).await;
    send_back(&world, &debit, "R07").await;
    world.clock.advance(days(2));
    world.execute().await;
    assert_ne!(read(&world, &promise).await["status"], json!("executing"));
    assert_eq!((presented(&world), world.plaid_books().len()), (1, 1));
    let path = format!("/payment-methods/{method}/default");
    refused(&world.admin().post(&path, &json!({})).await.unwrap(), 422, &["payment_method_inactive"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_believed_never_made_that_comes_back_counts_retires_its_account_and_calls_somebody() {
    for (code, alert, status) in [("R01", "insufficient_funds", "active"), ("R10", "debit_not_authorized", "blocked")] {
        let (world, method) = debtor().await;
        let invoice = world.receivable(json!({})).await;
        world.stack.plaid.add_fault(Fault::transfer(Kind::ReplyLost).times(3));
        let hidden = Kind::Status(404, error("INVALID_REQUEST", "NOT_FOUND"));
        world.stack.plaid.add_fault(Fault::transfer_look_up(hidden).times(u32::MAX));
        let payment = payment_of(&world.pay_by_bank(&invoice, json!({})).await);
        sweep_after(&world, 121).await;
        world.stack.plaid.clear_faults();
        let debit = Moved { invoice, payment, transfer: only(&world).id };
        assert_eq!(standing(&world, &debit).await, both("failed", "approved"));
        // Somebody pays by other means meanwhile.
        let other = world.plaid_bank("acc_second", 1_000_000, json!({ "customer_id": "globex" })).await;
        let paid = pay(&world, &debit.invoice, &other).await;
        later(&world);
        let paid = Moved {
            invoice: debit.invoice.clone(),
            payment: payment_of(&paid),
            transfer: world.plaid_books().last().unwrap().id.clone(),
        };
        settle(&world, &paid).await;

        send_back(&world, &debit, code).await;
        let failed = world.payment(&debit.payment).await;
        assert_eq!(failed["failure"]["code"], json!(if code == "R01" { "insufficient_funds" } else { "declined" }));
        assert_eq!(failed["payment_id"], json!(debit.transfer), "{code}");
        assert_eq!(standing(&world, &debit).await, both("failed", "paid"), "{code}");
        assert_eq!(method_status(&world, &method).await, status, "{code}");
        let mut alerts = world.alerts().await;
        alerts.retain(|kind| kind != "gateway_unavailable");
        assert_eq!(alerts, [alert], "{code}");
        let invoice = item(&world, "INVOICES_TABLE", "invoice_id", &debit.invoice).await.unwrap();
        let count = invoice["presentments"].as_m().unwrap()[&method].as_m().unwrap();
        assert_eq!(count["made"].as_n().unwrap(), "1", "{code}");
        assert_eq!(count["barred"].as_bool().unwrap(), &(code == "R10"), "{code}");
    }
}
