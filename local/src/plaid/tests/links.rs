//! Link gives one Item with one account, to whom it was opened for.

use super::*;

const CREATE: &str = "/link/token/create";
const BACK: &str = "https://app.example.com/linked";

fn wanted() -> Value {
    json!({
        "client_name": "Acme <Corporation>", "language": "en", "country_codes": ["US"], "products": ["transfer"],
        "user": { "client_user_id": "customer-globex" }, "redirect_uri": BACK,
        "account_filters": { "depository": { "account_subtypes": ["checking", "savings"] } },
    })
}

/// A link token of this body, with `change` over it.
async fn token(api: &Api, change: Value) -> String {
    let mut body = wanted();
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let (status, made) = api.post(CREATE, &body).await;
    assert_eq!(status, 200, "{made}");
    made["link_token"].as_str().unwrap().to_owned()
}

/// A browser that shows where it is sent instead of going there.
fn browser() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// The page of Link: status and HTML.
async fn shown(api: &Api, token: &str, more: &str) -> (u16, String) {
    let url = format!("{}/link/v2/stable/link.html?token={token}{more}", api.base);
    let page = browser().get(url).send().await.unwrap();
    (page.status().as_u16(), page.text().await.unwrap())
}

/// The values of the accounts that a page offers.
fn offered(page: &str) -> Vec<String> {
    let after = page.split("name=\"account\" value=\"").skip(1);
    after.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// The button of the page: status, and where the browser is sent.
async fn chosen(api: &Api, token: &str, account: &str, webview: &str) -> (u16, String) {
    let form = [("token", token), ("account", account), ("isWebview", webview)];
    let sent = browser().post(format!("{}/link/v2/stable/link.html", api.base)).form(&form).send().await.unwrap();
    let to = sent.headers().get("location").map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
    (sent.status().as_u16(), to)
}

async fn started() -> Api {
    let api = Api::start().await;
    api.plaid.add_redirect_uri(CLIENT, BACK);
    api
}

#[tokio::test]
async fn a_customer_chooses_one_account_and_only_that_one_is_in_the_item() {
    let api = started().await;
    let token = token(&api, json!({})).await;
    assert!(token.starts_with("link-sandbox-"), "{token}");
    let (status, page) = shown(&api, &token, "").await;
    assert_eq!(status, 200);
    assert!(page.contains("Acme &lt;Corporation&gt;") && !page.contains("Acme <"), "{page}");
    let offered = offered(&page);
    assert_eq!(offered.len(), 2, "no card, since the filter names none: {page}");
    let (status, to) = chosen(&api, &token, &offered[1], "false").await;
    let public = to.strip_prefix("https://app.example.com/linked?public_token=").unwrap();
    assert_eq!((status, public.starts_with("public-sandbox-")), (303, true));

    let (_, item) = api.post("/item/public_token/exchange", &json!({ "public_token": public })).await;
    let (_, accounts) = api.post("/accounts/get", &json!({ "access_token": item["access_token"] })).await;
    let ids: Vec<&Value> = accounts["accounts"].as_array().unwrap().iter().map(|one| &one["account_id"]).collect();
    assert_eq!((ids, &accounts["accounts"][0]["subtype"]), (vec![&json!(offered[1])], &json!("savings")));
    assert_eq!(accounts["item"]["products"], json!(["transfer"]));

    // It was for one time.
    assert_eq!(shown(&api, &token, "").await.0, 400);
    assert_eq!(chosen(&api, &token, &offered[0], "false").await, (400, String::new()));
}

#[tokio::test]
async fn without_a_filter_all_accounts_are_shown_and_an_app_hears_by_its_own_scheme() {
    let api = started().await;
    let body = with(&wanted(), "account_filters", json!({ "credit": { "account_subtypes": ["all"] } }));
    let cards = api.post(CREATE, &body).await.1["link_token"].as_str().unwrap().to_owned();
    assert_eq!(offered(&shown(&api, &cards, "").await.1).len(), 1);
    let mut body = wanted();
    body.as_object_mut().unwrap().remove("account_filters");
    let all = api.post(CREATE, &body).await.1["link_token"].as_str().unwrap().to_owned();
    let (_, page) = shown(&api, &all, "&isWebview=true").await;
    let accounts = offered(&page);
    assert_eq!(accounts.len(), 3);
    assert_eq!(chosen(&api, &all, "another", "true").await, (400, String::new()), "nothing but what was shown");
    let (status, to) = chosen(&api, &all, &accounts[0], "true").await;
    assert_eq!((status, to.split("public-").next().unwrap()), (303, "plaidlink://connected?public_token="));
}

#[tokio::test]
async fn a_link_token_is_good_for_four_hours_or_for_half_an_hour_where_the_item_is_there() {
    let api = started().await;
    let (_, made) = api.post(CREATE, &wanted()).await;
    assert_eq!(made["expiration"], "2026-01-15T16:00:00Z");
    let fresh = made["link_token"].as_str().unwrap();
    assert!(api.plaid.set_login_required("item_1", true));
    let again = json!({ "client_name": "Acme", "language": "en", "country_codes": ["US"], "redirect_uri": BACK,
                        "user": { "client_user_id": "c" }, "access_token": api.item.access_token });
    let (_, update) = api.post(CREATE, &again).await;
    assert_eq!(update["expiration"], "2026-01-15T12:30:00Z");
    let late = update["link_token"].as_str().unwrap();
    let (_, other) = api.post(CREATE, &again).await;
    assert_eq!(chosen(&api, other["link_token"].as_str().unwrap(), "", "false").await, (303, BACK.to_owned()));
    let accounts = api.post("/accounts/get", &json!({ "access_token": api.item.access_token })).await;
    assert_eq!(accounts.0, 200, "the customer has logged in again: {}", accounts.1);

    api.clock.advance(Duration::from_mins(30));
    assert_eq!((shown(&api, late, "").await.0, shown(&api, fresh, "").await.0), (400, 200));
    api.clock.advance(Duration::from_mins(210));
    assert_eq!(api.plaid.link(fresh, "0000"), None);
    let unknown = shown(&api, "link-sandbox-1", "").await;
    assert_eq!(unknown.0, 400);
    assert!(unknown.1.contains("invalid link_token provided"));
}

#[tokio::test]
async fn a_link_token_is_made_of_what_the_specification_lists() {
    let api = started().await;
    for name in ["client_name", "language", "country_codes", "products", "user"] {
        let mut body = wanted();
        body.as_object_mut().unwrap().remove(name);
        assert_eq!(refusal(&api.post(CREATE, &body).await), MISSING_FIELDS, "{name}");
    }
    assert_eq!(refusal(&api.post(CREATE, &with(&wanted(), "extra", json!(1))).await), UNKNOWN_FIELDS);
    for (name, value) in [
        ("client_name", json!("")),
        ("language", json!("xx")),
        ("country_codes", json!(["XX"])),
        ("country_codes", json!([])),
        ("products", json!(["cards"])),
        ("account_filters", json!({ "depository": { "account_subtypes": ["credit card"] } })),
        ("redirect_uri", json!("https://app.example.com/linked?owner=1")),
        ("redirect_uri", json!("https://app.example.com/other")),
        ("access_token", json!(api.item.access_token)),
    ] {
        assert_eq!(refusal(&api.post(CREATE, &with(&wanted(), name, value)).await), INVALID_FIELD, "{name}");
    }
    assert_eq!(refusal(&api.post(CREATE, &with(&wanted(), "user", json!({}))).await), MISSING_FIELDS);
    // A name that is too long is taken, and not shown.
    let long = "A name of more than thirty letters";
    let token = token(&api, json!({ "client_name": long })).await;
    let (_, page) = shown(&api, &token, "").await;
    assert!(page.contains("This Application") && !page.contains(long), "{page}");
}
