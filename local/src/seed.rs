//! The tenant `acme`, set up as a customer would do it: through the API, and a secret. Seeded again, nothing changes.

mod accounts;

use serde_json::{Value, json};

use self::accounts::{ACCOUNT, VENDOR_ACCOUNT};
pub(crate) use self::accounts::{PAYPAL_CLIENT, PAYPAL_SECRET, PLAID_CLIENT};
pub use self::accounts::{PUBLISHABLE_KEY, left_out};
use crate::client::{Answer, Client, NoAnswer};
use crate::plaid::{Account, Seeded};
use crate::stack::Stack;
use crate::token::{self, TokenError};

/// The seeded tenant.
pub const TENANT: &str = "acme";
/// Its first admin.
pub const ADMIN: &str = "admin@example.com";

/// Its Stripe account's secret key; made up, and known to the simulator by the same words.
pub const SECRET_KEY: &str = "sk_test_acme_local_stack";
/// Signs the events of that account.
pub const WEBHOOK_SECRET: &str = "whsec_acme_local_stack";

/// The last thing that is seeded.
const LAST: &str = "INV-2025-005";
/// What Link has given for a vendor's bank account.
const VENDOR_TOKEN: &str = "public-sandbox-northwind-local-stack";
/// What the balances at Stripe and at Plaid begin with: 10,000.00 USD each.
const BALANCE: i64 = 1_000_000;

/// Why the seeds did not take.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The API did not answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// A token could not be made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The secret could not be kept.
    #[error("the secret could not be kept: {0}")]
    Secret(#[from] std::io::Error),
    /// The API refused a seed.
    #[error("{what} was answered {status}: {body}")]
    Refused {
        /// What was sent.
        what: String,
        /// The answer's status.
        status: u16,
        /// The answer.
        body: Value,
    },
}

/// A client in the name of a user of `tenant`.
///
/// # Errors
/// When the token can't be made.
pub fn client(stack: &Stack, tenant: &str, user: &str) -> Result<Client, TokenError> {
    Ok(Client::new(stack.http.clone(), &stack.urls.api, token::issue(user, tenant, &[], &stack.clock)?))
}

/// A client in the name of the operator, who may set up `tenant`.
///
/// # Errors
/// When the token can't be made.
pub fn operator(stack: &Stack, tenant: &str) -> Result<Client, TokenError> {
    Ok(Client::new(
        stack.http.clone(),
        &stack.urls.api,
        token::issue("operator", tenant, &["passerelle/operator"], &stack.clock)?,
    ))
}

/// Sets up `acme`: settings, members, accounts at Stripe, PayPal and Plaid, cards and bank accounts, approved invoices.
/// Where it has accounts of its own at the gateways' sandboxes, without what is [`left_out`].
///
/// # Errors
/// [`SeedError`].
pub async fn acme(stack: &Stack) -> Result<(), SeedError> {
    accounts::open(stack)?;
    // What was seeded before is its owners' by now, even what they changed or removed.
    let kept = client(stack, TENANT, ADMIN)?.get(&format!("/invoices/{LAST}")).await?;
    if kept.body.get("status").is_some_and(|status| status != "draft") && kept.status == 200 {
        return Ok(());
    }

    let operator = operator(stack, TENANT)?;
    let settings = json!({ "name": "Acme Corporation", "timezone": "America/New_York",
                           "gateways": { "stripe": { "enabled": true }, "paypal": { "enabled": true },
                                         "ach": { "enabled": true, "provider": "stripe", "plaid": { "ach_class": "ccd" } } } });
    let admin = json!({ "roles": ["admin"], "approval_limits": { "*": null } });
    // On data that was kept, the tenant has admins of its own and the operator no say.
    let made = operator.put("/tenant", &settings).await?;
    if made.status == 200 {
        ok("PUT /tenant", made)?;
        ok("PUT /members/admin", operator.put("/members/admin@example.com", &admin).await?)?;
    }

    let admin = client(stack, TENANT, ADMIN)?;
    let approver = json!({ "roles": ["approver"], "approval_limits": { "USD": 1_000_000 } });
    for (user, member) in
        [("jdoe", approver), ("clerk", json!({ "roles": ["clerk"] })), ("worker", json!({ "roles": ["service"] }))]
    {
        ok("PUT /members", admin.put(&format!("/members/{user}"), &member).await?)?;
    }
    for card in [
        json!({ "gateway": "stripe", "reference": "pm_card_visa" }),
        json!({ "gateway": "stripe", "reference": "pm_card_mastercard", "customer_id": "globex" }),
    ] {
        ok("POST /payment-methods", admin.post("/payment-methods", &card).await?)?;
    }
    let mut vendor = json!({ "name": "Office Supplies Ltd", "vendor_id": "office-supplies" });
    if stack.test_keys.stripe.is_none() {
        stack.stripe.set_balance(ACCOUNT, "usd", BALANCE);
        let account = json!({ "gateway": "stripe", "reference": consent(stack).await?, "customer_id": "globex" });
        ok("POST /payment-methods", admin.post("/payment-methods", &account).await?)?;
        vendor =
            json!({ "name": "Office Supplies Ltd", "vendor_id": "office-supplies", "stripe_account": VENDOR_ACCOUNT });
    }
    let carrier = if stack.test_keys.plaid.is_none() { Some(linked(stack, &admin).await?) } else { None };

    let clerk = client(stack, TENANT, "clerk")?;
    let customer = json!({ "name": "Globex Corporation", "customer_id": "globex" });
    let caterer =
        json!({ "name": "Riverside Catering", "vendor_id": "riverside", "paypal_email": "billing@riverside.example" });
    let mut invoices = vec![
        json!({ "invoice_id": "INV-2025-001", "kind": "payable", "counterparty": vendor, "amount": 50_000, "currency": "USD" }),
        json!({ "invoice_id": "INV-2025-002", "kind": "receivable", "counterparty": customer, "amount": 125_000, "currency": "USD" }),
        json!({ "invoice_id": "INV-2025-003", "kind": "receivable", "counterparty": customer, "amount": 9_900, "currency": "EUR" }),
        json!({ "invoice_id": "INV-2025-004", "kind": "payable", "counterparty": caterer, "amount": 32_000, "currency": "USD" }),
    ];
    invoices.extend(carrier.map(|carrier| {
        json!({ "invoice_id": LAST, "kind": "payable", "counterparty": carrier, "amount": 84_000, "currency": "USD" })
    }));
    for invoice in invoices {
        let made = ok("POST /invoices", clerk.post("/invoices", &invoice).await?)?;
        if made.body.get("status") == Some(&json!("draft")) {
            let id = invoice.get("invoice_id").and_then(Value::as_str).unwrap_or_default();
            ok("approve", admin.post(&format!("/invoices/{id}/approve"), &json!({})).await?)?;
        }
    }
    Ok(())
}

/// A customer lets us debit their bank account, in the browser; the finished setup.
async fn consent(stack: &Stack) -> Result<String, SeedError> {
    let form = [
        ("confirm", "true"),
        ("payment_method", "pm_usBankAccount_success"),
        ("payment_method_types[0]", "us_bank_account"),
        ("mandate_data[customer_acceptance][type]", "offline"),
    ];
    let request = stack.http.post(format!("{}/v1/setup_intents", stack.urls.stripe)).bearer_auth(SECRET_KEY);
    let unanswered = |error: reqwest::Error| SeedError::Refused {
        what: "POST /v1/setup_intents".to_owned(),
        status: 0,
        body: json!(error.to_string()),
    };
    let setup: Value = request.form(&form).send().await.map_err(unanswered)?.json().await.map_err(unanswered)?;
    Ok(setup.get("id").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// A vendor who has linked a bank account with Plaid's Link, as an invoice names them.
async fn linked(stack: &Stack, admin: &Client) -> Result<Value, SeedError> {
    let tokens = Seeded {
        item: "item-northwind-local-stack".to_owned(),
        access_token: "access-sandbox-northwind-local-stack".to_owned(),
        public_token: VENDOR_TOKEN.to_owned(),
    };
    stack.plaid.seed_item(PLAID_CLIENT, &tokens, vec![Account::checking("account-northwind-local-stack", 0)]);
    stack.plaid.set_ledger(PLAID_CLIENT, BALANCE);
    let link = json!({ "gateway": "plaid", "reference": VENDOR_TOKEN, "vendor_id": "northwind" });
    let method = ok("POST /payment-methods", admin.post("/payment-methods", &link).await?)?;
    Ok(json!({ "name": "Northwind Freight", "vendor_id": "northwind", "plaid_method_id": method.body.get("id") }))
}

fn ok(what: &str, answer: Answer) -> Result<Answer, SeedError> {
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    Err(SeedError::Refused { what: what.to_owned(), status: answer.status, body: answer.body })
}
