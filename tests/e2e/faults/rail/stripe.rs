//! Stripe: cards, bank debits, and transfers to vendors' accounts.

use fastrand::Rng;
use local::stripe::fault::{Fault, Kind};
use local::stripe::{RefundsBecome, Stripe};
use serde_json::{Value, json};
use shared::model::payment::{Payment, PaymentStatus};
use shared::model::refund::RefundStatus;

use super::super::ledger::{State, charges, given_back};
use super::super::wire;
use super::{OTHER, Rail};
use crate::ach::VENDOR;
use crate::world::{ACCOUNT, WEBHOOK_SECRET, World};

/// Cards, by what comes of them.
const CARDS: [&str; 5] = [
    "pm_card_visa",
    "pm_card_visa_chargeDeclinedInsufficientFunds",
    "pm_card_visa_chargeDeclinedStolenCard",
    "pm_card_authenticationRequired",
    "pm_card_chargeDeclinedExpiredCard",
];
/// Bank accounts, likewise.
const BANKS: [&str; 5] = [
    "pm_usBankAccount_success",
    "pm_usBankAccount_weeklyLimitExceeded",
    "pm_usBankAccount_insufficientFunds",
    "pm_usBankAccount_accountClosed",
    "pm_usBankAccount_debitNotAuthorized",
];
/// Why a bank refuses a debit.
const REFUSED: [&str; 4] = ["insufficient_funds", "account_closed", "debit_not_authorized", "refer_to_customer"];
/// Why a bank takes one back.
const TAKEN_BACK: [&str; 3] = ["insufficient_funds", "debit_not_authorized", "incorrect_account_details"];
/// More than the tenant's balance there.
const TOO_MUCH: i64 = 20_000_000;

pub(super) async fn cards(world: &World) -> Vec<Option<String>> {
    let mut methods = Vec::new();
    for reference in CARDS {
        methods.push(Some(world.method(reference, json!({})).await));
    }
    methods
}

pub(super) async fn banks(world: &World) -> Vec<Option<String>> {
    let mut methods = Vec::new();
    for reference in BANKS {
        methods.push(Some(world.stripe_bank(reference).await));
    }
    methods
}

/// An invoice of a vendor with a connected account; all but the first are over more than the balance pays.
pub(super) fn to_vendor(vendor: usize) -> Value {
    let mut entered = json!({ "counterparty": { "name": "Office Supplies Ltd", "stripe_account": VENDOR } });
    if vendor > 0 {
        entered["amount"] = json!(TOO_MUCH);
    }
    entered
}

pub(super) fn secret(world: &World, own: bool) {
    let (account, key) = if own { (ACCOUNT, "sk_test_CANARY_acme") } else { (OTHER, "sk_test_CANARY_other") };
    world.stack.stripe.add_account(account, key);
    let webhooks = if own { vec![WEBHOOK_SECRET] } else { Vec::new() };
    let secret = json!({ "account": account, "secret_key": key, "webhook_secrets": webhooks });
    world.stack.secrets.put("passerelle/acme/stripe", &secret).unwrap();
}

pub(super) fn other_account_moved(world: &World) -> bool {
    let stripe = &world.stack.stripe;
    !stripe.books(OTHER).is_empty() || !stripe.transfers(OTHER).is_empty()
}

pub(super) fn sign(world: &World, body: &[u8]) -> Vec<(&'static str, String)> {
    vec![("stripe-signature", local::stripe::sign(WEBHOOK_SECRET, world.clock.now(), body))]
}

pub(super) fn mute(stripe: &Stripe, on: bool) {
    if !on {
        return stripe.clear_faults();
    }
    stripe.set_processing(true);
    stripe.add_fault(Fault::pay(Kind::ReplyLost).times(3));
    stripe.add_fault(Fault::vendor(Kind::ReplyLost).times(3));
    blind(stripe);
}

pub(super) fn cut_off(stripe: &Stripe, on: bool) {
    if !on {
        return stripe.clear_faults();
    }
    stripe.add_fault(Fault::pay(Kind::NothingReached).times(3));
    stripe.add_fault(Fault::vendor(Kind::NothingReached).times(3));
    blind(stripe);
}

fn blind(stripe: &Stripe) {
    stripe.add_fault(Fault::look_up(Kind::Status(503, json!({}))).times(100));
    stripe.add_fault(Fault::vendor_look_up(Kind::Status(503, json!({}))).times(100));
}

pub(super) fn live(rail: Rail, stripe: &Stripe, id: &str) {
    if rail == Rail::StripeTransfer {
        stripe.reverse_in_dashboard(id, Some(100)).unwrap();
        return;
    }
    stripe.finish_processing(id, true);
    let given = stripe.refund_in_dashboard(id, Some(100)).unwrap();
    stripe.finish_refund(&given, true);
    let came_back = stripe.refund_in_dashboard(id, Some(200)).unwrap();
    stripe.finish_refund(&came_back, false);
    // What a bank says about a debit is its return.
    if rail == Rail::Stripe {
        let dispute = stripe.open_dispute(id, "general").unwrap();
        stripe.close_dispute(&dispute, true);
    }
}

pub(super) fn customers_act(stripe: &Stripe, payments: &[Payment], agree: bool) {
    for payment in payments.iter().filter(|payment| payment.status == PaymentStatus::RequiresAction) {
        if let Some(reference) = payment.reference() {
            stripe.authenticate(reference, agree);
        }
    }
}

pub(super) fn meddle(rail: Rail, world: &World, random: &mut Rng) {
    let stripe = &world.stack.stripe;
    if rail == Rail::StripeDebit && random.bool() {
        return answer_debits(world, random);
    }
    let moved = charges(world).into_iter().filter(|one| one.state == State::Moved).map(|one| one.id);
    let Some(charge) = random.choice(moved.collect::<Vec<_>>()) else { return };
    let part = random.bool().then_some(12_500);
    let what = random.u32(0..6);
    match (rail, what) {
        (Rail::StripeTransfer, 0 | 1) => drop(stripe.reverse_in_dashboard(&charge, part)),
        // The vendor has spent it, or has money again.
        (Rail::StripeTransfer, what) => stripe.set_balance(VENDOR, "usd", if what < 4 { 0 } else { 10_000_000 }),
        (_, 0 | 1) => drop(stripe.refund_in_dashboard(&charge, part)),
        (Rail::StripeDebit, 2) => drop(stripe.return_debit(&charge, TAKEN_BACK[random.usize(0..TAKEN_BACK.len())])),
        (_, 2) => drop(stripe.open_dispute(&charge, "general")),
        (_, 3) => {
            if let Some((dispute, _, _)) = random.choice(stripe.disputes(ACCOUNT)) {
                stripe.close_dispute(&dispute, random.bool());
            }
        }
        (_, 4) => {
            let refunds = [RefundsBecome::Succeeded, RefundsBecome::Pending, RefundsBecome::RequiresAction];
            stripe.set_refunds(refunds[random.usize(0..3)]);
        }
        _ => {
            if let Some(refund) = random.choice(stripe.refunds(ACCOUNT)) {
                stripe.finish_refund(&refund.id, random.bool());
            }
        }
    }
}

/// Banks answer debits that wait for them: most are good.
fn answer_debits(world: &World, random: &mut Rng) {
    let stripe = &world.stack.stripe;
    for charge in charges(world).into_iter().filter(|one| one.state == State::Open) {
        if random.u32(0..3) == 0 {
            stripe.fail_debit(&charge.id, REFUSED[random.usize(0..REFUSED.len())]);
        } else {
            stripe.finish_processing(&charge.id, true);
        }
    }
}

pub(super) fn finish(world: &World, random: &mut Rng) {
    let stripe = &world.stack.stripe;
    stripe.set_refunds(RefundsBecome::Succeeded);
    stripe.set_balance(VENDOR, "usd", 10_000_000);
    answer_debits(world, random);
    for refund in given_back(world).into_iter().filter(|one| one.status == RefundStatus::Processing) {
        stripe.finish_refund(&refund.id, random.bool());
    }
}

pub(super) fn settle(world: &World) {
    for charge in charges(world).into_iter().filter(|one| one.state == State::Open) {
        world.stack.stripe.finish_processing(&charge.id, true);
    }
    for refund in given_back(world).into_iter().filter(|one| one.status == RefundStatus::Processing) {
        world.stack.stripe.finish_refund(&refund.id, true);
    }
}

pub(super) fn refusals() -> Vec<(&'static str, wire::Fault)> {
    let words = [
        ("400", 400, "invalid_request_error", "parameter_missing"),
        ("401", 401, "invalid_request_error", "api_key_expired"),
        ("403", 403, "invalid_request_error", "more_permissions_required"),
        ("404", 404, "invalid_request_error", "resource_missing"),
        ("409", 409, "invalid_request_error", "idempotency_key_in_use"),
        ("429", 429, "invalid_request_error", "rate_limit"),
        ("429 lock", 429, "invalid_request_error", "lock_timeout"),
        ("idempotency_error", 400, "idempotency_error", "idempotency_error"),
        ("503", 503, "api_error", ""),
    ];
    let refusal = |(what, status, kind, code): (&'static str, u16, &str, &str)| {
        let body = json!({ "error": { "type": kind, "code": code, "message": "injected" } });
        (what, wire::Fault::Answer(status, body))
    };
    words.map(refusal).into()
}
