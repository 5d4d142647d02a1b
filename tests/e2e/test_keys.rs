//! Real test keys take the place of a gateway's simulator. Here another simulator stands where the sandbox would be: who
//! knows these keys is only there.

use local::seed;
use local::stack::{Options, Stack};
use local::stripe::{self, Stripe};
use local::test_keys::TestKeys;
use local::try_page::PATH;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use shared::clock::Clock;
use tokio::net::TcpListener;

const ACCOUNT: &str = "acct_sandbox";
const SECRET_KEY: &str = "sk_test_CANARY_sandbox";

/// A stack with keys to a sandbox, and the sandbox.
pub async fn with_keys() -> (Stack, Stripe) {
    crate::logs::watch();
    let sandbox = Stripe::new(Clock::system());
    sandbox.add_account(ACCOUNT, SECRET_KEY);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(stripe::serve(sandbox.clone(), listener));
    let keys = format!(
        "[stripe]\naccount = \"{ACCOUNT}\"\nsecret_key = \"{SECRET_KEY}\"\npublishable_key = \"pk_test_sandbox\""
    );
    let test_keys = TestKeys::parse(&keys).unwrap();
    let stack = Stack::start(Options { test_keys, stripe_proxy: Some(base), ..Options::default() }).await.unwrap();
    seed::acme(&stack).await.unwrap();
    (stack, sandbox)
}

#[tokio::test]
async fn the_tenant_pays_with_its_own_test_keys_and_what_needs_a_simulator_is_left_out() {
    let (stack, sandbox) = with_keys().await;
    let admin = seed::client(&stack, seed::TENANT, seed::ADMIN).unwrap();
    let order = json!({ "invoice_id": "INV-2025-001", "payment_method": "stripe" });
    let paid = admin.post("/payments", &order).await.unwrap();
    assert_eq!((paid.status, &paid.body["status"]), (201, &json!("paid")), "{}", paid.body);
    let charged: Vec<i64> = sandbox.books(ACCOUNT).iter().map(|entry| entry.amount).collect();
    assert_eq!((charged, stack.stripe.requests().len()), (vec![50_000], 0), "the simulator was asked nothing");
    let methods = admin.get("/payment-methods?customer_id=globex").await.unwrap();
    let kinds: Vec<&Value> = methods.body["items"].as_array().unwrap().iter().map(|method| &method["kind"]).collect();
    assert_eq!(kinds, ["card"]);
    let left_out = seed::left_out(&stack.test_keys);
    assert!(left_out.len() == 1 && left_out[0].contains("globex's bank account"), "{left_out:?}");
    // Plaid's simulator is still there, and so is what depends on it.
    assert_eq!(admin.get("/invoices/INV-2025-005").await.unwrap().body["status"], "approved");
}

#[tokio::test]
async fn the_page_is_served_with_the_publishable_key_and_never_with_the_secret_one() {
    let (stack, _) = with_keys().await;
    let url = format!("{}{PATH}", stack.urls.api);
    let reply = stack.http.get(&url).send().await.unwrap();
    assert_eq!((reply.status().as_u16(), &reply.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
    let page = reply.text().await.unwrap();
    let settings = page.split("type=\"application/json\">").nth(1).unwrap().split("</script>").next().unwrap();
    let settings: Value = serde_json::from_str(settings).unwrap();
    let stripe = &settings["stripe"];
    assert_eq!((&stripe["simulated"], &stripe["publishable_key"]), (&json!(false), &json!("pk_test_sandbox")));
    assert_eq!(settings["plaid"]["simulated"], json!(true));
    assert!(!page.contains("CANARY"), "{page}");
    assert_eq!(stack.http.post(&url).send().await.unwrap().status(), 405, "it is a page, and nothing else");
}

#[tokio::test]
async fn the_page_is_shown_under_no_other_name_and_in_no_frame() {
    let (stack, _) = with_keys().await;
    let url = format!("{}{PATH}", stack.urls.api);
    let show = async |host: &str| stack.http.get(&url).header("host", host).send().await.unwrap();
    for host in ["localhost", "localhost:3000", "LOCALHOST:80", "127.0.0.1:3000", "[::1]", "[::1]:3000"] {
        assert_eq!(show(host).await.status(), 200, "{host}");
    }
    // A name of somebody else's that leads here would let their page read the token.
    for host in
        ["evil.example", "localhost.evil.example:3000", "127.0.0.1.evil.example", "[::2]", "x@evil.example", "", "a b"]
    {
        let refused = show(host).await;
        assert!(refused.status().is_client_error(), "{host}: {}", refused.status());
        assert!(!refused.text().await.unwrap().contains("token"), "{host}");
    }
    let shown = show("localhost").await;
    let policy = shown.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(shown.headers()["x-content-type-options"], "nosniff");
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    let page = shown.text().await.unwrap();
    let scripts: Vec<&str> = page.split("<script").skip(1).map(|rest| rest.split('>').next().unwrap()).collect();
    let ours = format!(" nonce=\"{nonce}\"");
    assert_eq!(scripts, [" id=\"settings\" type=\"application/json\"", ours.as_str()]);
    assert!(!show("localhost").await.text().await.unwrap().contains(nonce), "a nonce is for one answer");
}

#[tokio::test]
async fn who_brings_a_key_of_anthropics_has_alerts_explained_by_it() {
    crate::logs::watch();
    let test_keys = TestKeys::parse("[anthropic]\napi_key = \"sk-ant-CANARY-real\"").unwrap();
    let stack = Stack::start(Options { test_keys, ..Options::default() }).await.unwrap();
    seed::acme(&stack).await.unwrap();
    let analyst = &stack.functions["error-analyst"].app;
    assert_eq!(analyst.config.anthropic_api_base, "https://api.anthropic.com");
    assert!(analyst.config.error_analysis.is_some(), "it is on without saying so");
    let secret = analyst.secrets.analysis().await.unwrap();
    assert_eq!(secret.api_key.expose_secret(), "sk-ant-CANARY-real");
    assert!(stack.anthropic.requests().is_empty());
}
