//! Bank payments over the same flows: debits and transfers by Stripe, debits and credits by Plaid.

mod bank_days;
pub mod plaid;
mod plaid_clients;
mod plaid_credits;
mod plaid_debits;
mod plaid_methods;
mod plaid_presentments;
mod plaid_refunds;
mod plaid_returns;
mod plaid_signatures;
mod plaid_sync;
mod stripe;
mod stripe_debits;
mod stripe_returns;
mod stripe_transfers;

use local::client::Answer;
use local::plaid::{Account, Entry};
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock::Time;

use crate::world::{ACCOUNT, TENANT, World};

/// The tenant's client at Plaid.
pub const CLIENT: &str = "client_plaid_acme";
pub const SECRET: &str = "secret_CANARY_plaid_acme";
/// A vendor's connected account at Stripe.
pub const VENDOR: &str = "acct_vendor";

impl World {
    /// The world with bank payments by Stripe: the tenant's balance covers what is paid, a vendor is connected.
    pub async fn with_stripe_ach() -> Self {
        let world = Self::new().await;
        world.stripe_ach().await;
        world
    }

    /// Bank payments by Stripe for the tenant.
    pub async fn stripe_ach(&self) {
        self.stack.stripe.add_connected_account(ACCOUNT, VENDOR);
        self.stack.stripe.set_balance(ACCOUNT, "usd", 10_000_000);
        self.ach(json!({ "provider": "stripe" })).await;
    }

    /// The world with bank payments by Plaid: its ledger covers what is paid.
    pub async fn with_plaid() -> Self {
        let world = Self::new().await;
        world.plaid_account().await;
        world
    }

    /// Gives the tenant an account at Plaid.
    pub async fn plaid_account(&self) {
        self.stack.plaid.add_client(CLIENT, SECRET);
        self.stack.plaid.set_ledger(CLIENT, 10_000_000);
        let secret = json!({ "client_id": CLIENT, "secret": SECRET });
        self.stack.secrets.put("passerelle/acme/plaid", &secret).unwrap();
        self.ach(json!({ "provider": "plaid" })).await;
    }

    /// The tenant's settings for bank payments, with `change` over them.
    pub async fn ach(&self, change: Value) {
        self.ach_and(change, json!({})).await;
    }

    /// The same, with further settings of the tenant's.
    pub async fn ach_and(&self, change: Value, more: Value) {
        let mut ach = json!({ "enabled": true, "plaid": { "ach_class": "ccd" } });
        ach.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let mut settings = json!({ "gateways": { "stripe": { "enabled": true }, "ach": ach } });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = self.settings(settings).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// A bank account of the customer's at Stripe, with the consent to debit it, by one of Stripe's test methods; its id.
    pub async fn stripe_bank(&self, test_method: &str) -> String {
        let setup = self.stripe_consent(test_method).await;
        self.method(&setup, json!({ "customer_id": "globex" })).await
    }

    /// The customer consents in the browser; the id of the finished setup.
    pub async fn stripe_consent(&self, test_method: &str) -> String {
        let form = [
            ("confirm", "true"),
            ("payment_method", test_method),
            ("payment_method_types[0]", "us_bank_account"),
            ("mandate_data[customer_acceptance][type]", "offline"),
        ];
        let url = format!("{}/v1/setup_intents", self.stack.urls.stripe);
        let asked = self.stack.http.post(url).bearer_auth("sk_test_CANARY_acme").form(&form);
        let setup: Value = asked.send().await.unwrap().json().await.unwrap();
        assert_eq!(setup["status"], "succeeded", "{setup}");
        setup["id"].as_str().unwrap().to_owned()
    }

    /// A bank account that its owner has linked at Plaid; its id. `owner`: `customer_id` or `vendor_id`, and who.
    pub async fn plaid_bank(&self, account: &str, balance: i64, owner: Value) -> String {
        let tokens = self.stack.plaid.add_item(CLIENT, vec![Account::checking(account, balance)]).unwrap();
        let mut of = json!({ "gateway": "plaid" });
        of.as_object_mut().unwrap().extend(owner.as_object().unwrap().clone());
        self.method(&tokens.public_token, of).await
    }

    /// An approved receivable over 500.00 USD from the customer.
    pub async fn receivable(&self, change: Value) -> String {
        let mut invoice =
            json!({ "kind": "receivable", "counterparty": { "name": "Globex Corporation", "customer_id": "globex" } });
        invoice.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        self.approved(invoice).await
    }

    /// An approved payable over 500.00 USD to a vendor with this account: `stripe_account` or `plaid_method_id`.
    pub async fn payable(&self, account: Value) -> String {
        let mut vendor = json!({ "name": "Office Supplies Ltd", "vendor_id": "office" });
        vendor.as_object_mut().unwrap().extend(account.as_object().unwrap().clone());
        self.approved(json!({ "counterparty": vendor })).await
    }

    /// Pays an invoice over a bank, in the admin's name, with `change` over the body.
    pub async fn pay_by_bank(&self, invoice: &str, change: Value) -> Answer {
        let mut body = json!({ "payment_method": "ach" });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        self.pay(invoice, body).await
    }

    /// A payment over a bank that is under way: ours, and the gateway's.
    pub async fn under_way(&self, invoice: &str) -> (String, String) {
        let answer = self.pay_by_bank(invoice, json!({})).await;
        assert_eq!((answer.status, &answer.body["status"]), (202, &json!("processing")), "{}", answer.body);
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        (text("id"), text("payment_id"))
    }

    /// Plaid tells the tenant's endpoint that there are events, signed as Plaid does.
    pub async fn plaid_tells(&self) -> Answer {
        let body = "{\n  \"webhook_type\": \"TRANSFER\",\n  \"webhook_code\": \"TRANSFER_EVENTS_UPDATE\",\n  \"environment\": \"sandbox\"\n}";
        let token = self.stack.plaid.sign(self.clock.now(), body.as_bytes());
        self.post_plaid_webhook(TENANT, Some(&token), body.as_bytes().to_vec()).await
    }

    /// The same, where it is expected to be taken.
    pub async fn plaid_told(&self) {
        let answer = self.plaid_tells().await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!("done")), "{}", answer.body);
    }

    /// Posts to a tenant's endpoint.
    pub async fn post_plaid_webhook(&self, tenant: &str, token: Option<&str>, body: Vec<u8>) -> Answer {
        let url = format!("{}/webhooks/plaid/{tenant}", self.stack.urls.api);
        let mut request = self.stack.http.request(Method::POST, url).body(body);
        if let Some(token) = token {
            request = request.header("Plaid-Verification", token);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null);
        Answer { status, headers, body }
    }

    /// Plaid's books of the tenant, oldest first.
    pub fn plaid_books(&self) -> Vec<Entry> {
        self.stack.plaid.books(CLIENT)
    }
}

/// A call of the function URL as Plaid signs it at a time.
pub fn signed_by_plaid(world: &World, mut event: Value, at: Time) -> Value {
    let token = world.stack.plaid.sign(at, event["body"].as_str().unwrap().as_bytes());
    event["headers"]["plaid-verification"] = json!(token);
    event
}
