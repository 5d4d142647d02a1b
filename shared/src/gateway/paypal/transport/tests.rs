use serde_json::json;

use super::*;
use crate::gateway::Outcome;
use crate::gateway::paypal::stub::{Stub, TIMEOUT, capture, clock, known, order, receivable, secret};
use crate::model::movement::Movement;

fn tokens(stub: &Stub) -> usize {
    stub.asked().iter().filter(|asked| asked.line.contains("oauth2")).count()
}

async fn read(paypal: &PayPal) -> Outcome {
    let payment = known(receivable(), "CAP1");
    match paypal.find(&secret(), Movement::Payment(&payment), None, &|| Some(TIMEOUT)).await {
        crate::gateway::Found::Object(answer) => answer.outcome,
        crate::gateway::Found::Nothing => Outcome::Unknown(Trouble::Undecided),
        crate::gateway::Found::Unanswered(trouble) => Outcome::NotSent(trouble),
    }
}

#[tokio::test]
async fn callers_at_once_share_one_token_and_say_who_they_are() {
    let stub = Stub::start(|asked| asked.line.contains("captures").then(|| (200, capture("COMPLETED"))));
    let paypal = stub.paypal(&clock());
    let all = (0..10).map(|_| {
        let paypal = paypal.clone();
        tokio::spawn(async move { read(&paypal).await })
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), Outcome::Succeeded);
    }
    assert_eq!(tokens(&stub), 1);
    let asked = stub.asked();
    let token = asked.iter().find(|asked| asked.line.contains("oauth2")).unwrap();
    assert_eq!(token.header("authorization"), Some("Basic Y2xpZW50Omh1c2g="));
    assert_eq!(token.body, json!("grant_type=client_credentials"));
    let read = asked.iter().find(|asked| asked.line.contains("captures")).unwrap();
    assert_eq!(read.header("authorization"), Some("Bearer A21"));
    assert!(!format!("{paypal:?}").contains("A21"), "no token in debug output");
}

#[tokio::test]
async fn a_token_is_replaced_five_minutes_before_it_ends() {
    let stub = Stub::start(|asked| asked.line.contains("captures").then(|| (200, capture("COMPLETED"))));
    let clock = clock();
    let paypal = stub.paypal(&clock);
    for (seconds, fetched) in [(0, 1), (32_400 - 301, 1), (2, 2), (1, 2)] {
        clock.advance(Duration::from_secs(seconds));
        assert_eq!(read(&paypal).await, Outcome::Succeeded);
        assert_eq!(tokens(&stub), fetched, "{seconds}");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let stub = Stub::start(|asked| {
        let refused = asked.header("authorization") == Some("Bearer A21");
        let error = json!({ "name": "AUTHENTICATION_FAILURE", "message": "…" });
        asked.line.contains("captures").then(|| if refused { (401, error) } else { (200, capture("COMPLETED")) })
    });
    let paypal = stub.paypal(&clock());
    assert_eq!(read(&paypal).await, Outcome::NotSent(Trouble::KeyRefused));
    assert_eq!((tokens(&stub), stub.lines().len()), (2, 2), "once, and no storm");

    let counter = std::sync::atomic::AtomicU32::new(0);
    let stub = Stub::start(move |asked| match asked.line.as_str() {
        "POST /v1/oauth2/token" => {
            let n = counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Some((200, json!({ "access_token": format!("T{n}"), "expires_in": 32400 })))
        }
        _ if asked.header("authorization") == Some("Bearer T0") => Some((401, json!({ "error": "invalid_token" }))),
        _ => Some((200, capture("COMPLETED"))),
    });
    let paypal = stub.paypal(&clock());
    assert_eq!(read(&paypal).await, Outcome::Succeeded);
    assert_eq!(read(&paypal).await, Outcome::Succeeded);
    assert_eq!(tokens(&stub), 2);
}

#[tokio::test]
async fn whatever_goes_wrong_with_a_token_has_sent_nothing() {
    let cases = [
        (500, json!({}), Trouble::Unreachable),
        (0, json!(null), Trouble::Unreachable),
        (200, json!("<html>"), Trouble::Unreachable),
        (401, json!("<html>"), Trouble::Unreachable),
        (401, json!({ "error": "invalid_client" }), Trouble::KeyRefused),
        (429, json!({ "name": "RATE_LIMIT_REACHED" }), Trouble::Busy),
    ];
    for (status, body, trouble) in cases {
        let stub = Stub::start(move |_| Some((status, body.clone())));
        let paypal = stub.paypal(&clock());
        let payment = receivable();
        let answer = paypal.send(&secret(), Movement::Payment(&payment), None, TIMEOUT).await;
        assert_eq!(answer.outcome, Outcome::NotSent(trouble), "{status}");
        assert!(stub.lines().is_empty());
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_leaves_the_outcome_open_and_one_that_is_refused_does_not() {
    let stub = Stub::start(|asked| asked.line.contains("orders").then_some((0, json!(null))));
    let payment = receivable();
    let answer = stub.paypal(&clock()).send(&secret(), Movement::Payment(&payment), None, TIMEOUT).await;
    assert_eq!(answer.outcome, Outcome::Unknown(Trouble::Lost));
    assert!(answer.again);

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let http = crate::gateway::wire::http_client().unwrap();
    let paypal = PayPal::new(http, &format!("http://{nobody}"), clock());
    let answer = paypal.send(&secret(), Movement::Payment(&payment), None, TIMEOUT).await;
    assert_eq!(answer.outcome, Outcome::NotSent(Trouble::Unreachable));
}

#[tokio::test]
async fn every_request_of_a_send_shares_its_time() {
    let stub = Stub::start(|asked| {
        std::thread::sleep(Duration::from_millis(600));
        asked.line.contains("orders").then(|| (200, order("COMPLETED", &[capture("COMPLETED")])))
    });
    let payment = receivable();
    // Enough for each of the two, and not for both.
    let timeout = Duration::from_millis(1_000);
    let answer = stub.paypal(&clock()).send(&secret(), Movement::Payment(&payment), None, timeout).await;
    assert_eq!(answer.outcome, Outcome::Unknown(Trouble::Lost));
}

#[tokio::test]
async fn a_token_serves_the_secret_alone_that_it_was_given_for() {
    let stub = Stub::start(|asked| match asked.line.as_str() {
        // Whoever does not know the secret gets none.
        "POST /v1/oauth2/token" if asked.header("authorization") != Some("Basic Y2xpZW50Omh1c2g=") => {
            Some((401, json!({ "error": "invalid_client" })))
        }
        line => line.contains("captures").then(|| (200, capture("COMPLETED"))),
    });
    let paypal = stub.paypal(&clock());
    assert_eq!(read(&paypal).await, Outcome::Succeeded);
    // Another tenant, with a client id that stands in every page of the first one's shop.
    let other = PayPalSecret { client_secret: SecretString::from("guessed"), ..secret() };
    let payment = known(receivable(), "CAP1");
    let answer = paypal.send(&other, Movement::Payment(&payment), None, TIMEOUT).await;
    assert_eq!(answer.outcome, Outcome::Unknown(Trouble::KeyRefused));
    assert_eq!(stub.lines().len(), 1, "nothing was asked under the other's token");
    assert_eq!(read(&paypal).await, Outcome::Succeeded);
    assert_eq!(tokens(&stub), 2, "the first one's token is still good");
    assert!(!format!("{paypal:?}").contains("hush"));
}
