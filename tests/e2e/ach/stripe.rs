//! What the tests of bank payments by Stripe do and look at: consent, debits under way, what banks say, the books.

use std::time::Duration;

use local::stripe::{BookEntry, LoggedRequest};
use serde_json::{Value, json};

use crate::world::{ACCOUNT, TENANT, World};

/// The customer's bank pays, unless a test says otherwise.
pub const GOOD: &str = "pm_usBankAccount_success";

impl World {
    /// The world with a bank account of the customer's: the account's id.
    pub async fn with_bank() -> (Self, String) {
        let world = Self::with_stripe_ach().await;
        let bank = world.stripe_bank(GOOD).await;
        (world, bank)
    }

    /// A new debit that is under way: the invoice, our payment, and Stripe's.
    pub async fn debit(&self) -> (String, String, String) {
        let invoice = self.receivable(json!({})).await;
        let (payment, intent) = self.under_way(&invoice).await;
        (invoice, payment, intent)
    }

    /// A debit whose bank has paid.
    pub async fn debited(&self) -> (String, String, String) {
        let (invoice, payment, intent) = self.debit().await;
        self.bank_pays(&intent).await;
        (invoice, payment, intent)
    }

    /// The bank pays days later, and Stripe tells of it.
    pub async fn bank_pays(&self, intent: &str) {
        self.clock.advance(Duration::from_hours(7 * 24));
        self.stack.stripe.finish_processing(intent, true);
        self.stripe_told("payment_intent.succeeded", intent).await;
    }

    /// The bank refuses two days later, and Stripe tells of it.
    pub async fn bank_refuses(&self, intent: &str, code: &str) {
        self.clock.advance(Duration::from_hours(2 * 24));
        assert!(self.stack.stripe.fail_debit(intent, code), "{code}");
        self.stripe_told("payment_intent.payment_failed", intent).await;
    }

    /// The bank takes back what it has paid, and Stripe tells of it.
    pub async fn bank_takes_back(&self, intent: &str, reason: &str) {
        self.clock.advance(Duration::from_hours(24));
        let dispute = self.stack.stripe.return_debit(intent, reason).unwrap();
        for kind in ["charge.dispute.created", "charge.dispute.closed"] {
            self.stripe_told(kind, &dispute).await;
        }
    }

    /// Delivers Stripe's last event of this type about an object; the word it is answered with.
    pub async fn stripe_told(&self, kind: &str, object: &str) -> String {
        let mut events = self.events(&[kind]).into_iter();
        let event = events.rfind(|event| event["data"]["object"]["id"] == json!(object));
        self.told(&event.unwrap_or_else(|| panic!("Stripe has made no {kind} of {object}"))).await
    }

    /// The customer consents anew to debits of the same account; the id of the finished setup.
    pub async fn consent_anew(&self, reference: &str) -> String {
        let url = format!("{}/v1/payment_methods/{reference}", self.stack.urls.stripe);
        let asked = self.stack.http.get(url).bearer_auth("sk_test_CANARY_acme").send();
        let method: Value = asked.await.unwrap().json().await.unwrap();
        let form = [
            ("confirm", "true"),
            ("customer", method["customer"].as_str().unwrap()),
            ("payment_method", reference),
            ("payment_method_types[0]", "us_bank_account"),
            ("mandate_data[customer_acceptance][type]", "offline"),
        ];
        let url = format!("{}/v1/setup_intents", self.stack.urls.stripe);
        let asked = self.stack.http.post(url).bearer_auth("sk_test_CANARY_acme").form(&form);
        let setup: Value = asked.send().await.unwrap().json().await.unwrap();
        assert_eq!(setup["status"], "succeeded", "{setup}");
        setup["id"].as_str().unwrap().to_owned()
    }

    /// Somebody takes a bank account off its customer in Stripe's dashboard, and Stripe tells of it.
    pub async fn taken_off(&self, method: &str) {
        let items = self.items("PAYMENT_METHODS_TABLE", "tenant_id", TENANT).await;
        let item = items.into_iter().find(|item| item["method_id"].as_s().unwrap() == method).unwrap();
        let reference = item["reference"].as_s().unwrap();
        let url = format!("{}/v1/payment_methods/{reference}/detach", self.stack.urls.stripe);
        let nothing: [(&str, &str); 0] = [];
        let asked = self.stack.http.post(url).bearer_auth("sk_test_CANARY_acme").form(&nothing).send();
        assert_eq!(asked.await.unwrap().status(), 200);
        assert_eq!(self.stripe_told("payment_method.detached", reference).await, "done");
    }

    /// What Stripe's books say of a PaymentIntent.
    pub fn booked(&self, intent: &str) -> BookEntry {
        let mut books = self.stack.stripe.books(ACCOUNT).into_iter();
        books.rfind(|entry| entry.id == intent).unwrap()
    }

    /// How often the account that a PaymentIntent has debited was debited in all.
    pub fn presentments(&self, intent: &str) -> u32 {
        self.stack.stripe.presentments(ACCOUNT, &self.booked(intent).method.unwrap())
    }

    /// What was posted to Stripe under a path so far, oldest first.
    pub fn posted(&self, path: &str) -> Vec<LoggedRequest> {
        let requests = self.stack.stripe.requests().into_iter();
        requests.filter(|request| request.method == "POST" && request.path == path).collect()
    }

    /// The method's state, and whether it is a default.
    pub async fn method_stands(&self, method: &str) -> (String, bool) {
        let methods = self.listed(TENANT, "/payment-methods", 100).await;
        let method = methods.into_iter().find(|item| item["id"] == json!(method)).unwrap();
        (method["status"].as_str().unwrap().to_owned(), method["default"].as_bool().unwrap())
    }

    /// The alert of a kind: severity and the method that it is about.
    pub async fn alert(&self, kind: &str) -> (String, Option<String>) {
        let items = self.items("ALERTS_TABLE", "tenant_id", TENANT).await;
        let item = items.into_iter().find(|item| item["kind"].as_s().unwrap() == kind).unwrap();
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        (text("severity").unwrap(), text("method_id"))
    }
}
