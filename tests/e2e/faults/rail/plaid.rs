//! Plaid: debits of customers' bank accounts, and credits to vendors'.
//!
//! What it tells is in its log of events, in its own order; what it delivers says only that there are some.

use fastrand::Rng;
use local::plaid::fault::{Fault, Kind};
use local::plaid::{Account, Plaid};
use serde_json::{Value, json};
use shared::model::refund::RefundStatus;

use super::super::ledger::{State, charges, given_back};
use super::super::wire;
use super::{OTHER, Rail};
use crate::ach::{CLIENT, SECRET};
use crate::world::World;

/// Customers' accounts, by what comes of their debits: name, and what is on them.
const CUSTOMERS: [(&str, i64); 5] = [
    ("Checking", 1_000_000),
    ("Empty", 100),
    ("Checking R01", 1_000_000),
    ("Checking R03", 1_000_000),
    ("Checking R10", 1_000_000),
];
/// With what banks send back.
const CODES: [&str; 7] = ["R01", "R09", "R01", "R02", "R08", "R10", "R16"];

/// Links an account of its own, that nobody else has; its method and its id at Plaid.
async fn linked(world: &World, name: &str, balance: i64, owner: Value) -> (String, String) {
    let id = format!("acc_{}", uuid::Uuid::new_v4());
    let account = Account { name: name.to_owned(), ..Account::checking(&id, balance) };
    let tokens = world.stack.plaid.add_item(CLIENT, vec![account]).unwrap();
    let mut of = json!({ "gateway": "plaid" });
    of.as_object_mut().unwrap().extend(owner.as_object().unwrap().clone());
    (world.method(&tokens.public_token, of).await, id)
}

pub(super) async fn customers(world: &World) -> Vec<Option<String>> {
    let mut methods = Vec::new();
    for (name, balance) in CUSTOMERS {
        methods.push(Some(linked(world, name, balance, json!({ "customer_id": "globex" })).await.0));
    }
    methods
}

/// An invoice of a vendor; to all but the first Plaid pays nothing.
pub(super) async fn to_vendor(world: &World, vendor: usize) -> Value {
    let (method, account) = linked(world, "Checking", 0, json!({ "vendor_id": "office" })).await;
    if vendor > 0 {
        world.stack.plaid.set_blocked(&account, true);
    }
    json!({ "counterparty": { "name": "Office Supplies Ltd", "vendor_id": "office", "plaid_method_id": method } })
}

pub(super) fn secret(world: &World, own: bool) {
    let (client, secret) = if own { (CLIENT, SECRET) } else { (OTHER, "secret_CANARY_other") };
    world.stack.secrets.put("passerelle/acme/plaid", &json!({ "client_id": client, "secret": secret })).unwrap();
}

/// One for each event so far.
pub(super) fn webhooks(world: &World) -> Vec<Value> {
    let webhook =
        json!({ "webhook_type": "TRANSFER", "webhook_code": "TRANSFER_EVENTS_UPDATE", "environment": "sandbox" });
    vec![webhook; world.stack.plaid.events(CLIENT).len()]
}

pub(super) fn mute(plaid: &Plaid, on: bool) {
    if !on {
        return plaid.clear_faults();
    }
    plaid.add_fault(Fault::transfer(Kind::ReplyLost).times(3));
    plaid.add_fault(Fault::transfer_look_up(Kind::Status(503, json!({}))).times(100));
}

pub(super) fn cut_off(plaid: &Plaid, on: bool) {
    if !on {
        return plaid.clear_faults();
    }
    plaid.add_fault(Fault::transfer(Kind::NothingReached).times(3));
    plaid.add_fault(Fault::transfer_look_up(Kind::Status(503, json!({}))).times(100));
}

pub(super) fn live(rail: Rail, plaid: &Plaid, id: &str) {
    assert!(plaid.post(id) && plaid.settle(id));
    if rail == Rail::PlaidCredit {
        assert!(plaid.return_transfer(id, "R03"));
        return;
    }
    let given = plaid.refund_in_dashboard(id, 100).unwrap();
    assert!(plaid.finish_refund(&given, true));
    let came_back = plaid.refund_in_dashboard(id, 200).unwrap();
    assert!(plaid.finish_refund(&came_back, false));
}

fn code(random: &mut Rng) -> &'static str {
    CODES[random.usize(0..CODES.len())]
}

pub(super) fn meddle(rail: Rail, world: &World, random: &mut Rng) {
    let plaid = &world.stack.plaid;
    let Some(charge) = random.choice(charges(world)) else { return };
    let is_debit = rail == Rail::PlaidDebit;
    match random.u32(0..10) {
        0 => drop(plaid.post(&charge.id)),
        1 => drop(plaid.settle(&charge.id)),
        2 => drop(plaid.make_available(&charge.id)),
        3 => drop(plaid.fail_transfer(&charge.id)),
        4 => drop(plaid.return_transfer(&charge.id, code(random))),
        5 | 6 if is_debit => drop(plaid.refund_in_dashboard(&charge.id, 12_500)),
        7 if is_debit => {
            // Before it would have settled, then, or after.
            let entry = plaid.books(CLIENT).into_iter().find(|entry| entry.id == charge.id).unwrap();
            plaid.book_return(&entry.account, code(random), random.u32(0..4));
        }
        8 if is_debit => {
            if let Some(refund) = random.choice(given_back(world)) {
                plaid.finish_refund(&refund.id, random.bool());
            }
        }
        // Too little for a refund, or a credit.
        9 => plaid.set_ledger(CLIENT, if random.bool() { 1_000 } else { 10_000_000 }),
        _ => drop(plaid.advance_banks()),
    }
}

pub(super) fn finish(world: &World, random: &mut Rng) {
    let plaid = &world.stack.plaid;
    plaid.set_ledger(CLIENT, 10_000_000);
    for charge in charges(world).into_iter().filter(|one| one.state == State::Open) {
        let end = random.u32(0..6);
        if end == 0 && plaid.fail_transfer(&charge.id) {
            continue;
        }
        plaid.post(&charge.id);
        if end == 1 {
            plaid.return_transfer(&charge.id, code(random));
        } else {
            plaid.settle(&charge.id);
        }
    }
    for refund in given_back(world).into_iter().filter(|one| one.status == RefundStatus::Processing) {
        plaid.finish_refund(&refund.id, random.bool());
    }
}

pub(super) fn settle(world: &World) {
    let plaid = &world.stack.plaid;
    for charge in charges(world).into_iter().filter(|one| one.state == State::Open) {
        plaid.post(&charge.id);
        plaid.settle(&charge.id);
    }
    for refund in given_back(world).into_iter().filter(|one| one.status == RefundStatus::Processing) {
        plaid.finish_refund(&refund.id, true);
    }
}

pub(super) fn refusals() -> Vec<(&'static str, wire::Fault)> {
    let words = [
        ("400", 400, "INVALID_REQUEST", "INVALID_FIELD"),
        ("401", 401, "INVALID_INPUT", "INVALID_API_KEYS"),
        ("403", 403, "INVALID_INPUT", "UNAUTHORIZED_ENVIRONMENT"),
        ("404", 404, "INVALID_REQUEST", "NOT_FOUND"),
        ("429", 429, "RATE_LIMIT_EXCEEDED", "RATE_LIMIT"),
        ("refused", 400, "TRANSFER_ERROR", "TRANSFER_LIMIT_REACHED"),
        ("503", 503, "API_ERROR", "PLANNED_MAINTENANCE"),
    ];
    let refusal = |(what, status, kind, code): (&'static str, u16, &str, &str)| {
        (what, wire::Fault::Answer(status, words_of(kind, code)))
    };
    words.map(refusal).into()
}

/// An error, as Plaid words it.
pub fn words_of(kind: &str, code: &str) -> Value {
    json!({ "error_type": kind, "error_code": code, "error_message": "injected", "display_message": null,
            "request_id": "injected" })
}
