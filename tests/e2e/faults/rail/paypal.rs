//! PayPal: orders of customers, and payouts to vendors.

use fastrand::Rng;
use local::paypal::fault::{Fault, Kind};
use local::paypal::{CapturesBecome, ItemStatus, PayPal, PayoutsBecome, RefundStatus as Refunded, RefundsBecome};
use serde_json::{Value, json};
use shared::model::refund::RefundStatus;

use super::super::ledger::{State, charges, given_back};
use super::super::wire;
use super::{OTHER, Rail};
use crate::paypal::{CLIENT, SECRET, WEBHOOK};
use crate::world::World;

/// What customers have left there, by what comes of it.
const VAULTED: [&str; 5] =
    ["paypal_ok", "card_5120", "paypal_TRANSACTION_REFUSED", "paypal_PAYER_ACTION_REQUIRED", "paypal_pending"];
/// Vendors, by what becomes of what they are paid.
const RECEIVERS: [&str; 5] = ["vendor", "failed", "denied", "unregistered", "onhold"];

pub(super) async fn vaulted(world: &World) -> Vec<Option<String>> {
    let mut methods = Vec::new();
    for reference in VAULTED {
        let of = json!({ "gateway": "paypal", "customer_id": "globex" });
        methods.push(Some(world.method(reference, of).await));
    }
    methods
}

pub(super) fn to_vendor(vendor: usize) -> Value {
    let email = format!("{}@example.com", RECEIVERS[vendor]);
    json!({ "counterparty": { "name": "Office Supplies Ltd", "paypal_email": email } })
}

pub(super) fn secret(world: &World, own: bool) {
    // PayPal does not know the other one: payouts need nothing that belongs to an account, and could be made there.
    let (client, secret) = if own { (CLIENT, SECRET) } else { (OTHER, "secret_CANARY_other") };
    let webhook = if own { WEBHOOK } else { "" };
    let secret = json!({ "client_id": client, "client_secret": secret, "webhook_id": webhook });
    world.stack.secrets.put("passerelle/acme/paypal", &secret).unwrap();
}

pub(super) fn other_account_moved(world: &World) -> bool {
    let books = world.stack.paypal.books(OTHER);
    !books.captures.is_empty() || !books.items.is_empty()
}

pub(super) fn mute(paypal: &PayPal, on: bool) {
    if !on {
        return paypal.clear_faults();
    }
    paypal.set_captures(CapturesBecome::Pending);
    paypal.set_payouts(PayoutsBecome::Pending);
    paypal.add_fault(Fault::order(Kind::ReplyLost).times(3));
    paypal.add_fault(Fault::payout(Kind::ReplyLost).times(3));
}

pub(super) fn cut_off(paypal: &PayPal, on: bool) {
    if !on {
        return paypal.clear_faults();
    }
    paypal.add_fault(Fault::order(Kind::NothingReached).times(3));
}

pub(super) fn live(rail: Rail, paypal: &PayPal, id: &str) {
    if rail == Rail::PaypalPayout {
        paypal.finish_payouts();
        paypal.move_payout_item(id, ItemStatus::Refunded, None);
        return;
    }
    paypal.finish_capture(id, true);
    paypal.refund_in_dashboard(id, Some(100)).unwrap();
    paypal.set_refunds(RefundsBecome::Pending);
    let came_back = paypal.refund_in_dashboard(id, Some(200)).unwrap();
    paypal.finish_refund(&came_back, Refunded::Failed);
    let dispute = paypal.open_dispute(id, "UNAUTHORISED").unwrap();
    paypal.resolve_dispute(&dispute, true);
}

pub(super) fn meddle(rail: Rail, world: &World, random: &mut Rng) {
    let paypal = &world.stack.paypal;
    let moved = charges(world).into_iter().filter(|one| one.state == State::Moved).map(|one| one.id);
    let Some(charge) = random.choice(moved.collect::<Vec<_>>()) else { return };
    let part = random.bool().then_some(12_500);
    match random.u32(0..6) {
        what if rail == Rail::PaypalPayout => {
            // PayPal has no event for what it pulls back by itself.
            if what < 2 {
                paypal.move_payout_item(&charge, ItemStatus::Refunded, None);
            }
        }
        0 | 1 => drop(paypal.refund_in_dashboard(&charge, part)),
        2 if random.bool() => drop(paypal.reverse_capture(&charge)),
        2 => drop(paypal.open_dispute(&charge, "UNAUTHORISED")),
        3 => {
            if let Some((dispute, _, _)) = random.choice(paypal.disputes(CLIENT)) {
                paypal.resolve_dispute(&dispute, random.bool());
            }
        }
        4 => {
            let refunds = [RefundsBecome::Completed, RefundsBecome::Pending, RefundsBecome::Failed];
            paypal.set_refunds(refunds[random.usize(0..3)]);
        }
        _ => {
            if let Some(refund) = random.choice(paypal.books(CLIENT).refunds) {
                paypal.finish_refund(&refund.id, ended(random));
            }
        }
    }
}

fn ended(random: &mut Rng) -> Refunded {
    if random.bool() { Refunded::Completed } else { Refunded::Failed }
}

pub(super) fn finish(world: &World, random: &mut Rng) {
    let paypal = &world.stack.paypal;
    paypal.set_refunds(RefundsBecome::Completed);
    paypal.set_captures(CapturesBecome::Completed);
    paypal.set_payouts(PayoutsBecome::DoneAtOnce);
    for refund in given_back(world).into_iter().filter(|one| one.status == RefundStatus::Processing) {
        paypal.finish_refund(&refund.id, ended(random));
    }
    paypal.finish_payouts();
    for charge in charges(world).into_iter().filter(|one| one.state == State::Open) {
        let ends = [ItemStatus::Success, ItemStatus::Returned][random.usize(0..2)];
        if !paypal.finish_capture(&charge.id, random.bool()) {
            paypal.move_payout_item(&charge.id, ends, None);
        }
    }
}

pub(super) fn moods(paypal: &PayPal, random: &mut Rng) {
    let payouts = [PayoutsBecome::DoneAtOnce, PayoutsBecome::DoneSoon, PayoutsBecome::Pending];
    paypal.set_payouts(payouts[random.usize(0..payouts.len())]);
    paypal.set_captures(if random.bool() { CapturesBecome::Completed } else { CapturesBecome::Pending });
}

pub(super) fn refusals() -> Vec<(&'static str, wire::Fault)> {
    let words = [
        ("400", 400, "INVALID_REQUEST", "INVALID_PARAMETER_SYNTAX"),
        ("401", 401, "AUTHENTICATION_FAILURE", ""),
        ("403", 403, "NOT_AUTHORIZED", "PERMISSION_DENIED"),
        ("404", 404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"),
        ("409", 409, "RESOURCE_CONFLICT", "PREVIOUS_REQUEST_IN_PROGRESS"),
        ("429", 429, "RATE_LIMIT_REACHED", ""),
        ("503", 503, "SERVICE_UNAVAILABLE", ""),
    ];
    let refusal = |(what, status, name, issue): (&'static str, u16, &str, &str)| {
        let details = if issue.is_empty() { json!([]) } else { json!([{ "issue": issue }]) };
        let body = json!({ "name": name, "message": "injected", "debug_id": "f1", "details": details });
        (what, wire::Fault::Answer(status, body))
    };
    words.map(refusal).into()
}
