//! The seeded tenant's accounts at the gateways: in the simulators, or its own in their sandboxes.

use std::io;

use secrecy::ExposeSecret;
use serde_json::json;

use super::{SECRET_KEY, TENANT, WEBHOOK_SECRET};
use crate::stack::Stack;
use crate::test_keys::TestKeys;
use crate::try_page;

pub(super) const ACCOUNT: &str = "acct_acme";
/// With which browsers do their part in that account; made up, and known to the simulator by the same words.
pub const PUBLISHABLE_KEY: &str = "pk_test_acme_local_stack";
/// Its PayPal app, and the id of the webhook that tells of it.
pub(crate) const PAYPAL_CLIENT: &str = "client-acme-local-stack";
pub(crate) const PAYPAL_SECRET: &str = "secret-acme-local-stack";
const PAYPAL_WEBHOOK: &str = "WH-ACME-LOCAL-STACK";
pub(super) const VENDOR_ACCOUNT: &str = "acct_officesupplies";
/// Its client at Plaid.
pub(crate) const PLAID_CLIENT: &str = "plaid-acme-local-stack";
const PLAID_SECRET: &str = "plaid-secret-acme-local-stack";

/// The deployment's key at Anthropic.
const ANTHROPIC_KEY: &str = "sk-ant-local-stack";

/// Opens the accounts, and keeps what opens them as the tenant's secrets. No sandbox can reach this machine with a
/// webhook: simulators alone are told to.
pub(super) fn open(stack: &Stack) -> io::Result<()> {
    let (keys, api) = (&stack.test_keys, &stack.urls.api);
    // Nobody's account, and used only where a model is to explain alerts.
    stack.anthropic.add_key(ANTHROPIC_KEY);
    let analysis = keys.anthropic.as_ref().map_or(ANTHROPIC_KEY, ExposeSecret::expose_secret);
    stack.secrets.add("passerelle/error-analysis", &json!({ "api_key": analysis }))?;
    let keep = |gateway: &str, secret| stack.secrets.add(&format!("passerelle/{TENANT}/{gateway}"), &secret);
    match &keys.stripe {
        Some(stripe) => keep("stripe", stripe.secret())?,
        None => {
            stack.stripe.add_account(ACCOUNT, SECRET_KEY);
            stack.stripe.add_publishable_key(ACCOUNT, PUBLISHABLE_KEY);
            stack.stripe.add_connected_account(ACCOUNT, VENDOR_ACCOUNT);
            stack.stripe.add_webhook_endpoint(ACCOUNT, &format!("{api}/webhooks/stripe/{TENANT}"), WEBHOOK_SECRET);
            let signing = [WEBHOOK_SECRET];
            keep("stripe", json!({ "account": ACCOUNT, "secret_key": SECRET_KEY, "webhook_secrets": signing }))?;
        }
    }
    match &keys.paypal {
        Some(paypal) => keep("paypal", paypal.secret())?,
        None => {
            stack.paypal.add_account(PAYPAL_CLIENT, PAYPAL_CLIENT, PAYPAL_SECRET);
            let url = format!("{api}/webhooks/paypal/{TENANT}");
            stack.paypal.add_webhook(PAYPAL_CLIENT, &url, PAYPAL_WEBHOOK);
            let (id, secret) = (PAYPAL_CLIENT, PAYPAL_SECRET);
            keep("paypal", json!({ "client_id": id, "client_secret": secret, "webhook_id": PAYPAL_WEBHOOK }))?;
        }
    }
    match &keys.plaid {
        Some(plaid) => keep("plaid", plaid.secret()),
        None => {
            stack.plaid.add_client(PLAID_CLIENT, PLAID_SECRET);
            stack.plaid.add_webhook_endpoint(PLAID_CLIENT, &format!("{api}/webhooks/plaid/{TENANT}"));
            for origin in [api.clone(), api.replace("127.0.0.1", "localhost")] {
                stack.plaid.add_redirect_uri(PLAID_CLIENT, &format!("{origin}{}", try_page::PATH));
            }
            keep("plaid", json!({ "client_id": PLAID_CLIENT, "secret": PLAID_SECRET }))
        }
    }
}

/// What is not seeded, since only a simulator can be told to have it.
#[must_use]
pub fn left_out(keys: &TestKeys) -> Vec<&'static str> {
    let stripe = "Stripe: globex's bank account, the balance, the vendor's connected account (INV-2025-001 is paid into \
                  your own balance), webhooks";
    let paypal = "PayPal: webhooks";
    let plaid = "Plaid: northwind's bank account and with it INV-2025-005, the ledger, webhooks";
    let left_out = [(keys.stripe.is_some(), stripe), (keys.paypal.is_some(), paypal), (keys.plaid.is_some(), plaid)];
    left_out.into_iter().filter_map(|(is_real, what)| is_real.then_some(what)).collect()
}
