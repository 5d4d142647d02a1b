//! PayPal, over the same flows: payouts to vendors, orders of customers, refunds, webhooks, methods, recovery.

use std::time::Duration;

use local::client::Answer;
use local::paypal::fault::{Fault, Kind};
use local::paypal::{CaptureEntry, ItemEntry, ItemStatus, PayoutsBecome, RefundEntry};
use reqwest::Method;
use serde_json::{Value, json};
use shared::id::PaymentId;

use crate::executors::{executor, run};
use crate::world::{ADMIN, TENANT, World, refused};

pub const CLIENT: &str = "client_acme";
pub const SECRET: &str = "secret_CANARY_acme";
pub const WEBHOOK: &str = "WH-CANARY-ACME";

impl World {
    /// The world with a PayPal account of the tenant's.
    async fn with_paypal() -> Self {
        let world = Self::new().await;
        world.paypal_account().await;
        world
    }

    /// Gives the tenant a PayPal account.
    pub async fn paypal_account(&self) {
        let paypal = &self.stack.paypal;
        paypal.add_account(CLIENT, CLIENT, SECRET);
        paypal.set_payouts(PayoutsBecome::DoneAtOnce);
        let secret = json!({ "client_id": CLIENT, "client_secret": SECRET, "webhook_id": WEBHOOK });
        self.stack.secrets.put("passerelle/acme/paypal", &secret).unwrap();
        let gateways = json!({ "stripe": { "enabled": true }, "paypal": { "enabled": true } });
        assert_eq!(self.settings(json!({ "gateways": gateways })).await.status, 200);
    }

    /// From now on PayPal's events are delivered.
    pub fn hear_paypal(&self) {
        self.stack.paypal.add_webhook(CLIENT, &format!("{}/webhooks/paypal/{TENANT}", self.stack.urls.api), WEBHOOK);
    }

    /// An approved payable to this address.
    pub async fn payout_to(&self, email: &str) -> String {
        self.approved(json!({ "counterparty": { "name": "Office Supplies Ltd", "paypal_email": email } })).await
    }

    /// An approved receivable of a customer with this method by default; the invoice and the method.
    async fn receivable_of(&self, method: &str) -> (String, String) {
        let method = json!({ "gateway": "paypal", "reference": method, "customer_id": "globex", "default": true });
        let added = self.admin().post("/payment-methods", &method).await.unwrap();
        assert!([200, 201].contains(&added.status), "{}", added.body);
        let counterparty = json!({ "name": "Globex Corporation", "customer_id": "globex" });
        let invoice = self.approved(json!({ "kind": "receivable", "counterparty": counterparty })).await;
        (invoice, added.body["id"].as_str().unwrap().to_owned())
    }

    /// Pays it by PayPal.
    pub async fn pay_by_paypal(&self, invoice: &str) -> Answer {
        self.pay(invoice, json!({ "payment_method": "paypal" })).await
    }

    /// A paid receivable: the invoice, our payment, the capture.
    pub async fn paid_by_paypal(&self, method: &str) -> (String, String, String) {
        let (invoice, _) = self.receivable_of(method).await;
        let answer = self.pay_by_paypal(&invoice).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        (invoice, text("id"), text("payment_id"))
    }

    fn captures(&self) -> Vec<CaptureEntry> {
        self.stack.paypal.books(CLIENT).captures
    }

    fn payouts(&self) -> Vec<ItemEntry> {
        self.stack.paypal.books(CLIENT).items
    }

    fn paypal_refunds(&self) -> Vec<RefundEntry> {
        self.stack.paypal.books(CLIENT).refunds
    }

    /// How often PayPal was asked to make something below this path.
    fn posts(&self, path: &str) -> usize {
        let posted = |request: &&local::paypal::LoggedRequest| request.method == "POST" && request.path == path;
        self.stack.paypal.requests().iter().filter(posted).count()
    }

    /// Waits for what an event brings about.
    pub async fn until(&self, path: &str, status: &str) -> Value {
        for _ in 0..200 {
            let found = self.admin().get(path).await.unwrap().body;
            if found["status"] == json!(status) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{path} is {} and not {status}", self.admin().get(path).await.unwrap().body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_is_paid_by_payout_without_a_method_and_the_sweep_settles_it_in_minutes() {
    let world = World::with_paypal().await;
    let invoice = world.payout_to("vendor@example.com").await;
    let answer = world.pay_by_paypal(&invoice).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    assert_eq!(answer.body["payment_id"], json!(world.payouts()[0].batch));
    assert!(answer.body["payment_method_id"].is_null(), "{}", answer.body);
    world.clock.advance(Duration::from_mins(2));
    world.sweep().await;
    let payment = answer.body["id"].as_str().unwrap();
    assert_eq!(world.payment(payment).await["status"], json!("paid"));
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    let item = &world.payouts()[0];
    assert_eq!((item.amount, item.currency.as_str()), (50_000, "USD"));
    assert_eq!(item.sender_item_id.as_deref(), Some(payment));
    assert_eq!(world.posts("/v1/payments/payouts"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_charged_by_order_and_paid_at_once() {
    let world = World::with_paypal().await;
    let (invoice, payment, capture) = world.paid_by_paypal("paypal_ok").await;
    let captures = world.captures();
    assert_eq!((captures[0].id.as_str(), captures[0].amount), (capture.as_str(), 50_000));
    assert_eq!(captures[0].custom_id.as_deref(), Some(payment.as_str()));
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    assert_eq!(world.admin().get(&format!("/payments/{capture}")).await.unwrap().body["id"], json!(payment));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decline_frees_the_invoice_and_says_why() {
    let world = World::with_paypal().await;
    for (method, code) in [
        ("paypal_INSTRUMENT_DECLINED", "payment_method_invalid"),
        ("card_5120", "insufficient_funds"),
        ("paypal_declined", "declined"),
    ] {
        let (invoice, _) = world.receivable_of(method).await;
        let answer = world.pay_by_paypal(&invoice).await;
        assert_eq!((answer.status, answer.code()), (402, code), "{method}: {}", answer.body);
        assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_paid_is_refused_before_anything_is_reserved() {
    let world = World::with_paypal().await;
    let nobody = world.approved(json!({})).await;
    let answer = world.pay_by_paypal(&nobody).await;
    refused(&answer, 422, &["counterparty_account_required"]);
    assert_eq!(answer.body["errors"][0]["field"], json!("counterparty.paypal_email"));

    let (receivable, method) = world.receivable_of("paypal_ok").await;
    // Of another gateway, and so of another account.
    let mismatches = ["payment_method_mismatch", "payment_method_mismatch"];
    refused(&world.pay(&receivable, json!({ "payment_method_id": method })).await, 422, &mismatches);
    let payout = world.payout_to("vendor@example.com").await;
    let named = json!({ "payment_method": "paypal", "payment_method_id": method });
    refused(&world.pay(&payout, named).await, 422, &["payment_method_mismatch"]);

    let vendor = json!({ "name": "Office Supplies Ltd", "paypal_email": "vendor@example.com" });
    for (amount, currency) in [(50_050, "HUF"), (50_000, "KRW"), (50_000, "BRL")] {
        let invoice = world
            .approved(json!({ "counterparty": vendor, "amount": amount, "currency": currency,
                                              "invoice_number": currency }))
            .await;
        refused(&world.pay_by_paypal(&invoice).await, 422, &["amount_out_of_range"]);
        assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    }
    let gateways = json!({ "stripe": { "enabled": true } });
    assert_eq!(world.settings(json!({ "gateways": gateways })).await.status, 200);
    refused(&world.pay_by_paypal(&payout).await, 422, &["gateway_not_configured"]);
    assert!(world.payouts().is_empty() && world.captures().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_reply_is_lost_is_sent_again_under_the_same_id_and_paid_once() {
    let world = World::with_paypal().await;
    let (invoice, _) = world.receivable_of("paypal_ok").await;
    world.stack.paypal.add_fault(Fault::order(Kind::ReplyLost));
    let answer = world.pay_by_paypal(&invoice).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(world.captures().len(), 1);
    assert_eq!(world.posts("/v2/checkout/orders"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_nobody_heard_of_is_finished_by_the_sweep() {
    let world = World::with_paypal().await;
    let (invoice, _) = world.receivable_of("paypal_ok").await;
    world.stack.paypal.add_fault(Fault::order(Kind::ReplyLost).times(3));
    let answer = world.pay_by_paypal(&invoice).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    world.clock.advance(Duration::from_mins(10));
    world.sweep().await;
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    assert_eq!(world.captures().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_never_arrived_is_sent_for_five_hours_and_then_a_person_is_called() {
    let world = World::with_paypal().await;
    let (invoice, _) = world.receivable_of("paypal_ok").await;
    world.stack.paypal.add_fault(Fault::order(Kind::NothingReached).times(u32::MAX));
    let answer = world.pay_by_paypal(&invoice).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    world.clock.advance(Duration::from_mins(10));
    world.sweep().await;
    let sent = world.posts("/v2/checkout/orders");
    assert!(sent > 3, "{sent}");
    world.clock.advance(Duration::from_hours(5));
    world.sweep().await;
    assert_eq!(world.posts("/v2/checkout/orders"), sent);
    assert_eq!(world.alerts().await, ["outcome_unknown"]);
    let payment = answer.body["id"].as_str().unwrap();
    let body = json!({ "outcome": "not_executed", "note": "not in the dashboard" });
    let resolved = world.admin().post(&format!("/payments/{payment}/resolve"), &body).await.unwrap();
    assert_eq!((resolved.status, &resolved.body["status"]), (200, &json!("failed")), "{}", resolved.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_is_never_sent_again_after_its_fence_but_found_by_paypals_events() {
    let world = World::with_paypal().await;
    let invoice = world.payout_to("vendor@example.com").await;
    world.stack.paypal.add_fault(Fault::payout(Kind::ReplyLost).times(3));
    // Not even the one that is linked to can be read.
    world.stack.paypal.add_fault(Fault::new(Kind::ErrorBefore(503), "GET", "/v1/payments/payouts").times(10));
    let answer = world.pay_by_paypal(&invoice).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    let sent = world.posts("/v1/payments/payouts");
    world.stack.paypal.clear_faults();
    world.clock.advance(Duration::from_mins(10));
    world.sweep().await;
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    assert_eq!((world.payouts().len(), world.posts("/v1/payments/payouts")), (1, sent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_that_never_arrived_is_a_persons_business_after_an_hour() {
    let world = World::with_paypal().await;
    let invoice = world.payout_to("vendor@example.com").await;
    world.stack.paypal.add_fault(Fault::payout(Kind::NothingReached).times(u32::MAX));
    let answer = world.pay_by_paypal(&invoice).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    let sent = world.posts("/v1/payments/payouts");
    world.stack.paypal.clear_faults();
    for minutes in [3, 10, 40] {
        world.clock.advance(Duration::from_mins(minutes));
        world.sweep().await;
    }
    assert!(world.alerts().await.is_empty());
    world.clock.advance(Duration::from_hours(4));
    world.sweep().await;
    assert_eq!(world.alerts().await, ["outcome_unknown"]);
    assert_eq!(world.posts("/v1/payments/payouts"), sent);
    let payment = answer.body["id"].as_str().unwrap();
    let body = json!({ "outcome": "not_executed", "note": "not in the dashboard" });
    let resolved = world.admin().post(&format!("/payments/{payment}/resolve"), &body).await.unwrap();
    assert_eq!((resolved.status, &resolved.body["status"]), (200, &json!("failed")), "{}", resolved.body);
    assert!(world.payouts().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_that_fails_frees_the_invoice() {
    let world = World::with_paypal().await;
    for email in ["failed.RECEIVER_ACCOUNT_LOCKED@example.com", "denied.RISK_DECLINE@example.com"] {
        let invoice = world.payout_to(email).await;
        let answer = world.pay_by_paypal(&invoice).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        world.clock.advance(Duration::from_mins(10));
        world.sweep().await;
        let payment = world.payment(answer.body["id"].as_str().unwrap()).await;
        assert_eq!(payment["status"], json!("failed"), "{email}: {payment}");
        assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unclaimed_payout_is_canceled_and_a_claimed_one_is_not_refundable() {
    let world = World::with_paypal().await;
    let invoice = world.payout_to("unregistered@example.com").await;
    let payment = world.pay_by_paypal(&invoice).await.body["id"].as_str().unwrap().to_owned();
    world.clock.advance(Duration::from_mins(10));
    world.sweep().await;
    refused(&world.refund("r1", &payment, json!({})).await, 409, &["not_refundable"]);
    let canceled = world.admin().post(&format!("/payments/{payment}/cancel"), &json!({})).await.unwrap();
    assert_eq!((canceled.status, &canceled.body["status"]), (200, &json!("canceled")), "{}", canceled.body);
    assert_eq!(world.payouts()[0].status, ItemStatus::Returned);
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));

    let invoice = world.payout_to("vendor@example.com").await;
    let payment = world.pay_by_paypal(&invoice).await.body["id"].as_str().unwrap().to_owned();
    world.clock.advance(Duration::from_mins(2));
    world.sweep().await;
    refused(&world.refund("r2", &payment, json!({})).await, 409, &["not_refundable"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_is_refunded_in_parts_and_the_claim_is_checked() {
    let world = World::with_paypal().await;
    let (invoice, _, capture) = world.paid_by_paypal("paypal_ok").await;
    let part = world.refund("r1", &capture, json!({ "amount": 20_000, "payment_method": "paypal" })).await;
    assert_eq!((part.status, &part.body["status"]), (201, &json!("succeeded")), "{}", part.body);
    assert_eq!(part.body["gateway_refund_id"], json!(world.paypal_refunds()[0].id));
    refused(&world.refund("r2", &capture, json!({ "payment_method": "stripe" })).await, 422, &["payment_mismatch"]);
    let rest = world.refund("r3", &capture, json!({})).await;
    assert_eq!((rest.status, &rest.body["amount"]), (201, &json!(30_000)), "{}", rest.body);
    assert_eq!(world.invoice(&invoice).await["status"], json!("refunded"));

    let (_, _, intent) = world.paid().await;
    refused(&world.refund("r4", &intent, json!({ "payment_method": "paypal" })).await, 422, &["payment_mismatch"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_whose_reply_is_lost_is_made_once() {
    let world = World::with_paypal().await;
    let (_, _, capture) = world.paid_by_paypal("paypal_ok").await;
    world.stack.paypal.add_fault(Fault::capture_refund(Kind::ReplyLost).times(3));
    let answer = world.refund("r1", &capture, json!({ "amount": 20_000 })).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    world.clock.advance(Duration::from_mins(10));
    world.sweep().await;
    let refund = answer.body["id"].as_str().unwrap();
    assert_eq!(world.admin().get(&format!("/refunds/{refund}")).await.unwrap().body["status"], json!("succeeded"));
    assert_eq!(world.paypal_refunds().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn paypals_events_settle_payouts_and_pending_captures() {
    let world = World::with_paypal().await;
    world.hear_paypal();
    let invoice = world.payout_to("vendor@example.com").await;
    let payment = world.pay_by_paypal(&invoice).await.body["id"].as_str().unwrap().to_owned();
    world.until(&format!("/payments/{payment}"), "paid").await;

    let (invoice, _) = world.receivable_of("paypal_pending").await;
    let answer = world.pay_by_paypal(&invoice).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
    assert!(world.stack.paypal.finish_capture(answer.body["payment_id"].as_str().unwrap(), true));
    world.until(&format!("/invoices/{invoice}"), "paid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_is_returned_and_the_invoice_is_to_be_paid_again() {
    let world = World::with_paypal().await;
    world.hear_paypal();
    let (invoice, payment, capture) = world.paid_by_paypal("paypal_ok").await;
    assert!(world.stack.paypal.reverse_capture(&capture));
    world.until(&format!("/payments/{payment}"), "returned").await;
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    assert_eq!(world.alerts().await, ["returned"]);

    let invoice = world.payout_to("vendor@example.com").await;
    let payment = world.pay_by_paypal(&invoice).await.body["id"].as_str().unwrap().to_owned();
    world.until(&format!("/payments/{payment}"), "paid").await;
    assert!(world.stack.paypal.move_payout_item(&world.payouts()[0].id, ItemStatus::Refunded, None));
    world.until(&format!("/payments/{payment}"), "returned").await;
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_and_disputes_that_began_at_paypal_are_followed() {
    let world = World::with_paypal().await;
    world.hear_paypal();
    let (invoice, payment, capture) = world.paid_by_paypal("paypal_ok").await;
    assert!(world.stack.paypal.refund_in_dashboard(&capture, Some(20_000)).is_some());
    world.until(&format!("/invoices/{invoice}"), "partially_refunded").await;
    assert_eq!(world.payment(&payment).await["refundable"], json!(30_000));

    let (_, payment, capture) = world.paid_by_paypal("paypal_ok").await;
    let dispute = world.stack.paypal.open_dispute(&capture, "UNAUTHORISED").unwrap();
    for _ in 0..200 {
        if world.alerts().await.contains(&"disputed".to_owned()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(world.alerts().await.contains(&"disputed".to_owned()));
    assert!(world.stack.paypal.resolve_dispute(&dispute, false));
    world.until(&format!("/payments/{payment}"), "returned").await;
}

/// An order that waits for its customer, under the id of the payment that is to be made: PayPal answers with it.
async fn order_that_waits(world: &World, payment: &str) -> String {
    let base = &world.stack.urls.paypal;
    let form = [("grant_type", "client_credentials")];
    let token = world.stack.http.post(format!("{base}/v1/oauth2/token")).basic_auth(CLIENT, Some(SECRET)).form(&form);
    let token: Value = serde_json::from_str(&token.send().await.unwrap().text().await.unwrap()).unwrap();
    let context = json!({ "return_url": "https://example.com/a", "cancel_url": "https://example.com/b" });
    let order = json!({
        "intent": "CAPTURE", "payment_source": { "paypal": { "experience_context": context } },
        "purchase_units": [{ "reference_id": "default", "amount": { "currency_code": "USD", "value": "500.00" },
                             "custom_id": payment, "invoice_id": payment }],
    });
    let made = world.stack.http.post(format!("{base}/v2/checkout/orders"));
    let made = made.bearer_auth(token["access_token"].as_str().unwrap()).header("PayPal-Request-Id", payment);
    let made = made.header("content-type", "application/json").body(order.to_string()).send().await.unwrap();
    let made: Value = serde_json::from_str(&made.text().await.unwrap()).unwrap();
    made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

async fn pay_what_waits(world: &World) -> (String, String, String) {
    let (invoice, _) = world.receivable_of("paypal_ok").await;
    let payment = PaymentId::keyed(&TENANT.parse().unwrap(), "k1").to_string();
    let order = order_that_waits(world, &payment).await;
    let body = json!({ "invoice_id": invoice, "payment_method": "paypal" });
    let answer = world.user(ADMIN).send(Method::POST, "/payments", Some("k1"), Some(&body)).await.unwrap();
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("requires_action")), "{}", answer.body);
    assert_eq!(answer.body["next_action"]["type"], json!("paypal_approve"));
    assert!(answer.body["next_action"]["approval_url"].is_string(), "{}", answer.body);
    assert_eq!(answer.body["id"], json!(payment));
    (invoice, payment, order)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_its_customer_approves_is_captured_once() {
    let world = World::with_paypal().await;
    let (invoice, payment, order) = pay_what_waits(&world).await;
    world.clock.advance(Duration::from_hours(2));
    world.hear_paypal();
    assert!(world.stack.paypal.approve_order(&order, "paypal_ok"));
    world.until(&format!("/payments/{payment}"), "paid").await;
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    assert_eq!(world.captures().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_nobody_approves_is_given_up_after_a_day_and_never_captured() {
    let world = World::with_paypal().await;
    let (invoice, payment, order) = pay_what_waits(&world).await;
    world.clock.advance(Duration::from_hours(25));
    world.sweep().await;
    assert_eq!(world.payment(&payment).await["status"], json!("canceled"));
    assert_eq!(world.invoice(&invoice).await["status"], json!("approved"));
    world.hear_paypal();
    world.stack.paypal.approve_order(&order, "paypal_ok");
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.sweep().await;
    assert!(world.captures().is_empty());
    assert_eq!(world.payment(&payment).await["status"], json!("canceled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_setup_becomes_a_method_and_a_deleted_token_makes_it_inactive() {
    let world = World::with_paypal().await;
    let unknown = json!({ "gateway": "paypal", "reference": "nothing", "customer_id": "globex" });
    refused(&world.admin().post("/payment-methods", &unknown).await.unwrap(), 422, &["reference_invalid"]);
    let card = json!({ "gateway": "paypal", "reference": "card_ok", "customer_id": "globex" });
    let added = world.admin().post("/payment-methods", &card).await.unwrap();
    assert_eq!((added.status, &added.body["kind"], &added.body["last4"]), (201, &json!("card"), &json!("7704")));
    let account = json!({ "gateway": "paypal", "reference": "paypal_ok", "customer_id": "initech" });
    let added = world.admin().post("/payment-methods", &account).await.unwrap();
    assert_eq!((&added.body["kind"], &added.body["gateway"]), (&json!("paypal"), &json!("paypal")), "{}", added.body);
    assert_eq!(added.body["brand"], json!("p***@example.com"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_paypal_has_not_signed_for_the_tenant_is_refused() {
    let world = World::with_paypal().await;
    let url = format!("{}/webhooks/paypal/{TENANT}", world.stack.urls.api);
    let body = json!({ "id": "WH-1", "event_type": "PAYMENT.CAPTURE.COMPLETED" }).to_string();
    let bare = world.stack.http.post(&url).header("content-type", "application/json").body(body.clone());
    let bare = bare.send().await.unwrap();
    assert_eq!(bare.status(), 400, "{}", bare.text().await.unwrap());
    let forged = world.stack.http.post(&url).header("content-type", "application/json").body(body);
    let forged = forged
        .header("paypal-transmission-id", "1")
        .header("paypal-transmission-time", world.clock.now().to_string())
        .header("paypal-transmission-sig", "AAAA")
        .header("paypal-auth-algo", "SHA256withRSA")
        .header("paypal-cert-url", "https://example.com/v1/notifications/certs/CERT-1");
    assert_eq!(forged.send().await.unwrap().status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_payout_is_paid_on_its_day() {
    let world = World::with_paypal().await;
    let invoice = world.payout_to("vendor@example.com").await;
    let body = json!({ "invoice_id": invoice, "payment_method": "paypal", "scheduled_date": world.in_days(3) });
    let promised = world.admin().post("/scheduled-payments", &body).await.unwrap();
    assert_eq!(promised.status, 202, "{}", promised.body);
    world.clock.advance(Duration::from_hours(4 * 24));
    world.execute().await;
    world.clock.advance(Duration::from_mins(10));
    world.execute().await;
    assert_eq!(world.invoice(&invoice).await["status"], json!("paid"));
    assert_eq!(world.payouts().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_payouts_begin_no_faster_than_paypal_takes_them() {
    let world = World::with_paypal().await;
    for _ in 0..7 {
        let invoice = world.payout_to("vendor@example.com").await;
        let body = json!({ "invoice_id": invoice, "payment_method": "paypal", "scheduled_date": world.in_days(3) });
        assert_eq!(world.admin().post("/scheduled-payments", &body).await.unwrap().status, 202);
    }
    world.clock.advance(Duration::from_hours(4 * 24));
    let begun = std::time::Instant::now();
    executor(&world, 100_000).run(&run(&world, "payouts")).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(990), "{:?}", begun.elapsed());
    assert_eq!(world.payouts().len(), 7);
}
