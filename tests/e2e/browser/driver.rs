//! A browser, driven over WebDriver (w3.org/TR/webdriver2): the few commands that the tests need, to the chromedriver at
//! `WEBDRIVER_URL`. Looking for something waits until it is there: nothing here sleeps.

use std::path::PathBuf;

use reqwest::{Client, Method};
use serde_json::{Value, json};

/// How long something may take to appear, in milliseconds; on a busy machine much does.
const PATIENCE_MS: u64 = 30_000;
/// What an element's id is called in an answer.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Neither a screen nor a sandbox of its own, and nothing that asks the internet.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1200,1400",
];

/// A browser with a profile of its own.
pub struct Browser {
    http: Client,
    session: String,
    profile: PathBuf,
}

impl Browser {
    pub async fn start() -> Self {
        let driver = std::env::var("WEBDRIVER_URL").expect("WEBDRIVER_URL: tests/browser sets it");
        let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("browser-{}", uuid::Uuid::new_v4()));
        let flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        let flags = [flags, vec![format!("--user-data-dir={}", profile.display())]].concat();
        let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": { "args": flags },
                             "goog:loggingPrefs": { "browser": "SEVERE", "performance": "ALL" },
                             "timeouts": { "implicit": PATIENCE_MS, "pageLoad": PATIENCE_MS, "script": PATIENCE_MS } });
        let http = Client::new();
        let body = json!({ "capabilities": { "alwaysMatch": wanted } });
        let made = command(&http, Method::POST, &format!("{driver}/session"), Some(&body)).await;
        let session = format!("{driver}/session/{}", made["sessionId"].as_str().unwrap());
        Self { http, session, profile }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        command(&self.http, Method::POST, &format!("{}{path}", self.session), Some(&body)).await
    }

    /// Goes to a page.
    pub async fn go(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// Waits for an element, by XPath; its id.
    pub async fn sees(&self, xpath: &str) -> String {
        let found = self.post("/element", json!({ "using": "xpath", "value": xpath })).await;
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Clicks on an element, once it is there.
    pub async fn click(&self, xpath: &str) {
        let element = self.sees(xpath).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    /// Chooses an option of a select, by the id of one and the value of the other.
    pub async fn choose(&self, select: &str, value: &str) {
        self.click(&format!("//select[@id='{select}']/option[@value='{value}']")).await;
    }

    /// Writes into a field, by its id.
    pub async fn write(&self, field: &str, text: &str) {
        let element = self.sees(&format!("//input[@id='{field}']")).await;
        self.post(&format!("/element/{element}/clear"), json!({})).await;
        self.post(&format!("/element/{element}/value"), json!({ "text": text })).await;
    }

    /// What a script in the page returns.
    pub async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// What pages have complained of since it was last asked: errors of scripts, what could not be loaded.
    pub async fn complaints(&self) -> Vec<String> {
        self.log("browser").await
    }

    /// What pages have requested since it was last asked, loaded or not: addresses.
    pub async fn requested(&self) -> Vec<String> {
        let log = self.log("performance").await;
        let told = log.iter().map(|entry| serde_json::from_str::<Value>(entry).unwrap()["message"].clone());
        let sent = told.filter(|told| told["method"] == "Network.requestWillBeSent");
        sent.map(|sent| sent["params"]["request"]["url"].as_str().unwrap().to_owned()).collect()
    }

    /// The messages of one of the driver's logs (chromedriver's own command).
    async fn log(&self, kind: &str) -> Vec<String> {
        let entries = self.post("/se/log", json!({ "type": kind })).await;
        entries.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Closes it. One that a failed test leaves open ends with its driver.
    pub async fn quit(self) {
        command(&self.http, Method::DELETE, &self.session, None).await;
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// Sends a command; the value that it is answered with.
async fn command(http: &Client, method: Method, url: &str, body: Option<&Value>) -> Value {
    let request = http.request(method, url);
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let value = answer["value"].clone();
    assert!(value["error"].is_null(), "{url} {body:?}: {} {}", value["error"], value["message"]);
    value
}
