//! A customer is charged and a vendor paid by PayPal, and money goes back the way it came.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::card::ByCard;
use super::show::{CONFIRMATION, INVOICE, METHOD, REFUND, heading, holds, is, line, text};
use super::{Cast, DemoError};
use crate::paypal::CaptureStatus;
use crate::seed::{PAYPAL_CLIENT, PAYPAL_SECRET, TENANT};
use crate::stack::Stack;

const RECEIVABLE: &str = "INV-2025-003";
const PAYABLE: &str = "INV-2025-004";

/// A payment by PayPal: its capture.
pub(super) struct ByPaypal {
    capture: String,
}

pub(super) async fn charges_a_customer(Cast { stack, admin, clerk }: &Cast<'_>) -> Result<ByPaypal, DemoError> {
    heading("A customer lets us charge their PayPal account: our web shop begins it, they approve it at PayPal");
    let context = json!({ "return_url": "https://shop.example/done", "cancel_url": "https://shop.example/back" });
    let source = json!({ "paypal": { "usage_type": "MERCHANT", "experience_context": context } });
    let setup = begin_setup(stack, &json!({ "payment_source": source })).await?;
    let of = |pointer: &str| setup.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let links = setup.get("links").and_then(Value::as_array);
    let approval = links.into_iter().flatten().find(|link| link.get("rel") == Some(&json!("approve")));
    let approval = approval.and_then(|link| link.get("href")?.as_str()).unwrap_or_default();
    holds(of("/status") == "PAYER_ACTION_REQUIRED", "PayPal waits for the customer")?;
    approve(approval).await?;
    let body = json!({ "gateway": "paypal", "reference": of("/id"), "customer_id": "globex" });
    let method = admin.post("/payment-methods", None, &body, METHOD).await?;
    holds(method.status == 201 && is(&method, "kind", &json!("paypal")), "the account is a payment method of theirs")?;

    heading("The clerk charges them");
    let body = json!({ "invoice_id": RECEIVABLE, "payment_method": "paypal" });
    let paid = clerk.post("/payments", Some("demo-6"), &body, CONFIRMATION).await?;
    holds(paid.status == 201 && is(&paid, "status", &json!("paid")), "it is paid")?;
    holds(is(&paid, "payment_method_id", &json!(text(&method, "id"))), "with the method that was added just now")?;
    Ok(ByPaypal { capture: text(&paid, "payment_id") })
}

pub(super) async fn pays_a_vendor(Cast { stack, clerk, .. }: &Cast<'_>) -> Result<(), DemoError> {
    heading("A vendor with a PayPal address is paid, by a payout that PayPal makes a little later");
    let path = format!("/invoices/{PAYABLE}");
    clerk.get(&path, INVOICE).await?;
    let body = json!({ "invoice_id": PAYABLE, "payment_method": "paypal" });
    let begun = clerk.post("/payments", Some("demo-7"), &body, CONFIRMATION).await?;
    holds(begun.status == 202 && is(&begun, "status", &json!("processing")), "it is under way, and not called paid")?;
    stack.paypal.finish_payouts();
    line(&format!("PayPal > POST /webhooks/paypal/{TENANT}   Paypal-Transmission-Sig: …"));
    let payment = format!("/payments/{}", text(&begun, "id"));
    let shown = &["id", "payment_id", "amount", "status", "paid_at"];
    let paid = clerk.awaits(&payment, "status", &json!("paid"), shown).await?;
    holds(text(&paid, "payment_id") == text(&begun, "payment_id"), "PayPal's event tells that it is paid")?;
    let invoice = clerk.get(&path, &["invoice_id", "status", "payments"]).await?;
    holds(is(&invoice, "status", &json!("paid")), "its invoice is paid")
}

pub(super) async fn gives_money_back(
    Cast { admin, clerk, .. }: &Cast<'_>,
    by_card: &ByCard,
    by_paypal: &ByPaypal,
) -> Result<(), DemoError> {
    heading("Somebody takes a payment by card for one by PayPal: nothing goes back");
    let body = json!({ "payment_id": by_card.intent, "payment_method": "paypal", "reason": "requested_by_customer" });
    let mistaken = admin.post("/refunds", Some("demo-8"), &body, REFUND).await?;
    holds(mistaken.status == 422 && mistaken.code() == "payment_mismatch", "the refund is refused")?;
    let detail = text(&mistaken, "detail");
    let names_both = [by_card.intent.as_str(), "stripe", "paypal"].iter().all(|word| detail.contains(word));
    holds(names_both, "the answer names what is claimed and what is recorded")?;

    heading("The payment by PayPal is refunded");
    let body =
        json!({ "payment_id": by_paypal.capture, "payment_method": "paypal", "reason": "requested_by_customer" });
    let refund = admin.post("/refunds", Some("demo-9"), &body, REFUND).await?;
    holds(refund.status == 201 && is(&refund, "status", &json!("succeeded")), "it is refunded")?;
    let invoice = clerk.get(&format!("/invoices/{RECEIVABLE}"), &["invoice_id", "status", "payments"]).await?;
    holds(is(&invoice, "status", &json!("refunded")), "its invoice is refunded")
}

pub(super) fn is_in_paypals_books(stack: &Stack) -> Result<(), DemoError> {
    heading("What PayPal's books say");
    let books = stack.paypal.books(PAYPAL_CLIENT);
    for one in &books.captures {
        line(&format!("  {}  {} {}  {:?}, refunded {}", one.id, one.amount, one.currency, one.status, one.refunded));
    }
    for one in &books.items {
        line(&format!("  {}  {} {}  {:?}", one.batch, one.amount, one.currency, one.status));
    }
    let is_whole = |status| matches!(status, CaptureStatus::Refunded);
    let captured = books.captures.iter().all(|one| one.amount == 9_900 && is_whole(one.status));
    holds(books.captures.len() == 1 && captured, "one capture of 99.00 EUR, all of which went back")?;
    holds(books.items.len() == 1 && books.items.iter().all(|one| one.amount == 32_000), "one payout of 320.00 USD")
}

/// What a web shop asks PayPal for itself: a setup token, with where its customer approves.
async fn begin_setup(stack: &Stack, body: &Value) -> Result<Value, DemoError> {
    let base = &stack.urls.paypal;
    line("shop > POST /v1/oauth2/token, at PayPal");
    let request = stack.http.post(format!("{base}/v1/oauth2/token")).basic_auth(PAYPAL_CLIENT, Some(PAYPAL_SECRET));
    let (_, token) = sent(request.form(&[("grant_type", "client_credentials")])).await?;
    let token = token.get("access_token").and_then(Value::as_str).unwrap_or_default();
    line(&format!("shop > POST /v3/vault/setup-tokens, at PayPal\n    {body}"));
    let request = stack.http.request(Method::POST, format!("{base}/v3/vault/setup-tokens")).bearer_auth(token);
    let (status, setup) = sent(request.header("PayPal-Request-Id", "demo-setup").json(body)).await?;
    line(&format!("< {status}"));
    for name in ["id", "status"] {
        line(&format!("  {name:<20} {}", setup.get(name).unwrap_or(&Value::Null)));
    }
    Ok(setup)
}

/// The customer follows the link, approves, and is sent back to the shop, which is not there.
async fn approve(link: &str) -> Result<(), DemoError> {
    line(&format!("customer > POST {link}\n    choice=approve"));
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
    let visit = async { browser?.post(link).form(&[("choice", "approve")]).send().await };
    let page = visit.await.map_err(unreachable)?;
    let back = page.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or_default();
    line(&format!("< {}   Location: {back}", page.status().as_u16()));
    Ok(())
}

async fn sent(request: RequestBuilder) -> Result<(u16, Value), DemoError> {
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(unreachable)?;
    Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

fn unreachable(error: reqwest::Error) -> DemoError {
    DemoError::Broken(format!("PayPal answers: {error}"))
}
