//! Adding, choosing and removing payment methods as people do it: a real browser on the page of the local stack, at the
//! gateways' pages and back. And the page of the interface as it is read.

mod docs;
mod driver;

use local::seed;
use local::stack::{Options, Stack};
use local::try_page::PATH;
use serde_json::{Value, json};

use self::driver::Browser;

/// A customer who has nothing yet.
const CUSTOMER: &str = "initech";

/// A person at the page of a stack that has just been seeded.
struct Visit {
    stack: Stack,
    browser: Browser,
}

impl Visit {
    /// They look at a customer's methods, of which there are none.
    async fn begin() -> Self {
        crate::logs::watch();
        let stack = Stack::start(Options::default()).await.unwrap();
        seed::acme(&stack).await.unwrap();
        let browser = Browser::start().await;
        let visit = Self { stack, browser };
        visit.browser.go(&visit.page()).await;
        visit.look_at(CUSTOMER).await;
        visit.browser.sees("//p[@id='none'][.='Nothing yet.']").await;
        visit
    }

    fn page(&self) -> String {
        format!("{}{PATH}", self.stack.urls.api)
    }

    async fn look_at(&self, customer: &str) {
        self.browser.choose("owner-kind", "customer").await;
        self.browser.write("owner-id", customer).await;
        self.browser.click("//button[@id='show'][not(@disabled)]").await;
    }

    /// They press the button with this id, once nothing else is going on.
    async fn press(&self, button: &str) {
        self.browser.click(&format!("//button[@id='{button}'][not(@disabled)]")).await;
    }

    /// They press a button beside a method.
    async fn press_beside(&self, method: &str, button: &str) {
        let row = format!("//table[@id='list']//tr[td[1][contains(., '{method}')]]");
        self.browser.click(&format!("{row}//button[.='{button}'][not(@disabled)]")).await;
    }

    /// What the page says, in the end.
    async fn is_told(&self, words: &str) {
        self.browser.sees(&format!("//p[@id='status'][contains(., '{words}')]")).await;
    }

    /// The rows of the list: method, end and status.
    async fn listed(&self) -> Vec<[String; 3]> {
        let rows = self
            .browser
            .run("return [...document.querySelectorAll('#list tbody tr')].map((row) => [...row.cells].slice(0, 3).map((cell) => cell.textContent))")
            .await;
        serde_json::from_value(rows).unwrap()
    }

    /// What the API says of the customer's methods.
    async fn methods(&self) -> Vec<Value> {
        let admin = seed::client(&self.stack, seed::TENANT, seed::ADMIN).unwrap();
        let answer = admin.get(&format!("/payment-methods?customer_id={CUSTOMER}")).await.unwrap();
        answer.body["items"].as_array().unwrap().clone()
    }
}

fn row(method: &str, end: &str, status: &str) -> [String; 3] {
    [method, end, status].map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: tests/browser runs them"]
async fn cards_are_added_chosen_and_removed_without_a_number_being_typed() {
    let visit = Visit::begin().await;
    visit.press("add-card").await;
    visit.is_told("Visa •••• 4242 (Stripe) was added.").await;
    assert_eq!(visit.listed().await, [row("Visa •••• 4242 (Stripe)default", "08/2030", "active")]);
    visit.browser.choose("card", "pm_card_mastercard").await;
    visit.press("add-card").await;
    visit.is_told("Mastercard •••• 4444 (Stripe) was added.").await;

    visit.press_beside("Mastercard", "Make default").await;
    visit.is_told("Mastercard •••• 4444 (Stripe) is the default.").await;
    let defaults: Vec<String> = visit.listed().await.into_iter().map(|[method, ..]| method).collect();
    assert!(defaults.contains(&"Mastercard •••• 4444 (Stripe)default".to_owned()), "{defaults:?}");
    assert!(defaults.contains(&"Visa •••• 4242 (Stripe)".to_owned()), "{defaults:?}");

    visit.press_beside("Visa", "Remove").await;
    visit.is_told("Visa •••• 4242 (Stripe) was removed.").await;
    let methods = visit.methods().await;
    let status = |last4: &str| methods.iter().find(|method| method["last4"] == last4).unwrap()["status"].clone();
    assert_eq!((status("4242"), status("4444")), (json!("inactive"), json!("active")));
    // It is gone at Stripe too: nobody can be charged with it.
    let detached = visit.stack.stripe.events("acct_acme").into_iter();
    assert_eq!(detached.filter(|event| event["type"] == "payment_method.detached").count(), 1);
    visit.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: tests/browser runs them"]
async fn a_declined_card_is_told_and_not_added() {
    let visit = Visit::begin().await;
    visit.browser.choose("card", "pm_card_visa_chargeDeclinedInsufficientFunds").await;
    visit.press("add-card").await;
    visit.is_told("Your card was declined. (insufficient funds)").await;
    assert_eq!(visit.methods().await, Vec::<Value>::new());
    // The page goes on.
    visit.browser.choose("card", "pm_card_visa").await;
    visit.press("add-card").await;
    visit.is_told("was added.").await;
    visit.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: tests/browser runs them"]
async fn a_card_whose_bank_asks_is_added_once_its_holder_has_answered() {
    let visit = Visit::begin().await;
    for (answer, told) in [("fail", "unable to authenticate"), ("complete", "Visa •••• 3155 (Stripe) was added.")]
    {
        visit.browser.choose("card", "pm_card_authenticationRequiredOnSetup").await;
        visit.press("add-card").await;
        visit.browser.click(&format!("//button[@id='{answer}']")).await;
        visit.is_told(told).await;
    }
    assert_eq!(visit.listed().await, [row("Visa •••• 3155 (Stripe)default", "08/2030", "active")]);
    visit.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: tests/browser runs them"]
async fn a_bank_account_is_added_at_stripe_once_its_holder_agrees() {
    let visit = Visit::begin().await;
    visit.press("add-bank").await;
    visit.is_told("only debited with its holder").await;
    visit.browser.click("//input[@id='consent']").await;
    visit.press("add-bank").await;
    visit.is_told("was added.").await;
    let methods = visit.methods().await;
    let seen = (&methods[0]["kind"], &methods[0]["gateway"], &methods[0]["last4"]);
    assert_eq!((methods.len(), seen), (1, (&json!("bank_account"), &json!("stripe"), &json!("6789"))));
    visit.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: tests/browser runs them"]
async fn a_bank_account_is_chosen_in_plaids_link_and_left_there_if_one_leaves() {
    let visit = Visit::begin().await;
    visit.press("add-plaid").await;
    visit.browser.click("//a[@id='exit']").await;
    visit.is_told("Nothing was added.").await;
    visit.press("add-plaid").await;
    visit.browser.sees("//p[contains(., 'Acme Corporation')]").await;
    visit.browser.click("//label[contains(., 'savings')]").await;
    visit.browser.click("//button[@id='continue']").await;
    visit.is_told("1111 (Plaid) was added.").await;
    let methods = visit.methods().await;
    assert_eq!((methods.len(), &methods[0]["gateway"], &methods[0]["last4"]), (1, &json!("plaid"), &json!("1111")));
    visit.press_beside("1111", "Remove").await;
    visit.is_told("was removed.").await;
    assert_eq!(visit.listed().await[0][2], "inactive");
    visit.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: tests/browser runs them"]
async fn a_paypal_account_is_approved_at_paypal_or_not() {
    let visit = Visit::begin().await;
    visit.press("add-paypal").await;
    visit.browser.click("//button[@id='cancel']").await;
    visit.is_told("Canceled at PayPal. Nothing was added.").await;
    assert_eq!(visit.methods().await, Vec::<Value>::new());
    visit.press("add-paypal").await;
    visit.browser.sees("//p[contains(., 'asks to save your PayPal account')]").await;
    visit.browser.click("//button[@id='approve']").await;
    visit.is_told("(PayPal) was added.").await;
    assert_eq!(visit.methods().await[0]["kind"], "paypal");
    // What is in the address is of that visit: seen again, the page adds nothing.
    visit.browser.go(&visit.page()).await;
    visit.look_at(CUSTOMER).await;
    visit.browser.sees("//table[@id='list']//td[contains(., '(PayPal)')]").await;
    assert_eq!(visit.methods().await.len(), 1);
    visit.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: tests/browser runs them"]
async fn what_the_api_refuses_is_told_in_its_own_words() {
    let visit = Visit::begin().await;
    let admin = seed::client(&visit.stack, seed::TENANT, seed::ADMIN).unwrap();
    visit.stack.secrets.delete("passerelle/acme/paypal").unwrap();
    let order = json!({ "gateway": "paypal", "return_url": "https://a.example/", "cancel_url": "https://a.example/" });
    let refused = admin.post("/payment-methods/setup", &order).await.unwrap();
    assert_eq!((refused.status, refused.code()), (422, "gateway_not_configured"), "{}", refused.body);
    visit.press("add-paypal").await;
    visit.is_told(refused.body["detail"].as_str().unwrap()).await;
    visit.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: tests/browser runs them"]
async fn with_test_keys_stripes_own_form_takes_the_place_of_test_cards() {
    let (stack, _) = crate::test_keys::with_keys().await;
    let browser = Browser::start().await;
    browser.go(&format!("{}{PATH}", stack.urls.api)).await;
    browser.sees("//script[@src='https://js.stripe.com/v3/']").await;
    let shown = browser
        .run("return [...document.querySelectorAll('[data-simulated]')].filter((part) => !part.hidden).length")
        .await;
    assert_eq!(shown, json!(0), "no test card can be chosen");
    browser.quit().await;
}
