//! Tests only: a server that answers as a test says, and payments and refunds to send to it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::PayPal;
use crate::clock::{Clock, Time};
use crate::gateway::wire::http_client;
use crate::id::{InvoiceId, PaymentId, RefundId, TenantId};
use crate::model::movement::Progress;
use crate::model::payment::{Disputes, Frozen, Gateway, Payment, PaymentMethod, PaymentStatus, Refunds, reference_key};
use crate::model::refund::{FrozenRefund, Refund, RefundStatus};
use crate::secrets::PayPalSecret;

/// Time for one call.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// What a server was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `POST /v2/checkout/orders`.
    pub line: String,
    head: String,
    pub body: Value,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = |line: &&str| line.to_ascii_lowercase().starts_with(&format!("{name}:"));
        self.head.lines().find(found)?.split_once(": ").map(|(_, value)| value.trim())
    }
}

/// A server.
pub struct Stub {
    pub base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    /// Starts one. What `answer` leaves open is answered with a token, or with "no such thing"; status 0 hangs up.
    pub fn start(answer: impl Fn(&Asked) -> Option<(u16, Value)> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &answer, &log);
            }
        });
        Self { base, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The requests without those for tokens.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).filter(|line| !line.contains("oauth2")).collect()
    }

    pub fn paypal(&self, clock: &Clock) -> PayPal {
        PayPal::new(http_client().unwrap(), &self.base, clock.clone())
    }
}

fn serve(mut stream: TcpStream, answer: &impl Fn(&Asked) -> Option<(u16, Value)>, log: &Mutex<Vec<Asked>>) {
    let mut bytes = Vec::new();
    let mut part = [0_u8; 4096];
    let (head, from) = loop {
        match stream.read(&mut part) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&part[..read]),
            _ => return,
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Some(end) = text.find("\r\n\r\n") {
            break (text[..end].to_owned(), end + 4);
        }
    };
    let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let mut asked = Asked { line, head, body: Value::Null };
    let length: usize = asked.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while bytes.len() < from + length {
        match stream.read(&mut part) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&part[..read]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&bytes[from..]).into_owned();
    asked.body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    let said = answer(&asked);
    log.lock().unwrap().push(asked.clone());
    let (status, body) = said.unwrap_or_else(|| match asked.line.as_str() {
        "POST /v1/oauth2/token" => (200, json!({ "access_token": "A21", "token_type": "Bearer", "expires_in": 32400 })),
        _ => (404, json!({ "name": "RESOURCE_NOT_FOUND", "details": [{ "issue": "INVALID_RESOURCE_ID" }] })),
    });
    if status == 0 {
        return;
    }
    let body = match body {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nPayPal-Debug-Id: f1\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

pub fn now() -> Time {
    Time::from_seconds(1_800_000_000)
}

pub fn clock() -> Clock {
    Clock::simulated(now())
}

pub fn secret() -> PayPalSecret {
    PayPalSecret {
        client_id: "client".to_owned(),
        client_secret: SecretString::from("hush"),
        webhook_id: "WH-ID".to_owned(),
    }
}

fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

pub fn payment_id() -> String {
    PaymentId::keyed(&tenant(), "k1").to_string()
}

pub fn refund_id() -> String {
    RefundId::keyed(&tenant(), "r1").to_string()
}

fn payment(method: &str, destination: Option<&str>) -> Payment {
    let user: crate::id::UserId = "u".parse().unwrap();
    Payment {
        order_id: None,
        tenant_id: tenant(),
        id: PaymentId::keyed(&tenant(), "k1"),
        invoice_id: "INV-1".parse::<InvoiceId>().unwrap(),
        schedule_id: None,
        status: PaymentStatus::Processing,
        amount: 50_000,
        currency: "USD".parse().unwrap(),
        payment_method: PaymentMethod::Paypal,
        payment_method_id: None,
        own_balance: false,
        frozen: Frozen {
            // The books know no other gateway yet.
            gateway: Gateway::Stripe,
            account: "client".to_owned(),
            api_version: super::API_VERSION.to_owned(),
            customer: "cust".to_owned(),
            method: method.to_owned(),
            mandate: None,
            destination: destination.map(ToOwned::to_owned),
            description: "Invoice INV-1 - Widgets".to_owned(),
        },
        approved_by: Vec::new(),
        created_by: user,
        created_at: now(),
        paid_at: None,
        fingerprint: String::new(),
        failure: None,
        gateway_ref: None,
        refundable_minor: 0,
        refunds: Refunds::default(),
        disputed: false,
        disputes: Disputes::default(),
        progress: Progress::reserved(&tenant(), now()),
    }
}

/// 500.00 USD from a customer.
pub fn receivable() -> Payment {
    payment("paypal:8kk8451t", None)
}

/// 500.00 USD to a vendor.
pub fn payable() -> Payment {
    payment("", Some("vendor@example.com"))
}

/// The same, with an id at PayPal.
pub fn known(payment: Payment, reference: &str) -> Payment {
    Payment { gateway_ref: Some(reference_key(&payment.tenant_id, Gateway::Stripe, reference)), ..payment }
}

/// 5.00 USD of capture `CAP1`.
pub fn refund() -> Refund {
    let of = receivable();
    Refund {
        tenant_id: tenant(),
        id: RefundId::keyed(&tenant(), "r1"),
        payment_id: of.id,
        invoice_id: of.invoice_id,
        refund_of: String::new(),
        status: RefundStatus::Processing,
        amount: 500,
        currency: of.currency,
        reason: None,
        external: false,
        frozen: FrozenRefund {
            gateway: Gateway::Stripe,
            account: "client".to_owned(),
            api_version: super::API_VERSION.to_owned(),
            payment: "CAP1".to_owned(),
            reverse_transfer: false,
        },
        created_by: of.created_by,
        created_at: now(),
        fingerprint: String::new(),
        failure: None,
        gateway_ref: None,
        progress: Progress::reserved(&tenant(), now()),
    }
}

pub fn usd(value: &str) -> Value {
    json!({ "currency_code": "USD", "value": value })
}

/// A capture of the receivable.
pub fn capture(status: &str) -> Value {
    json!({ "id": "CAP1", "status": status, "amount": usd("500.00"), "final_capture": true,
            "custom_id": payment_id(), "invoice_id": payment_id(), "create_time": "2027-01-15T08:00:00Z",
            "supplementary_data": { "related_ids": { "order_id": "ORD1" } } })
}

/// Its order, with these captures.
pub fn order(status: &str, captures: &[Value]) -> Value {
    json!({ "id": "ORD1", "status": status, "intent": "CAPTURE",
            "purchase_units": [{ "reference_id": "default", "amount": usd("500.00"), "custom_id": payment_id(),
                                 "invoice_id": payment_id(), "payments": { "captures": captures } }],
            "links": [{ "href": "https://www.sandbox.paypal.com/checkoutnow?token=ORD1", "rel": "payer-action" }] })
}

/// The payable's batch, with its item in this state.
pub fn batch(status: &str, item: &str, error: Option<&str>) -> Value {
    let mut one = json!({ "payout_item_id": "ITEM1", "transaction_status": item, "payout_batch_id": "BAT1",
                          "payout_item": { "amount": { "currency": "USD", "value": "500.00" },
                                           "receiver": "vendor@example.com", "sender_item_id": payment_id() } });
    if let Some(name) = error {
        one["errors"] = json!({ "name": name, "message": "…", "information_link": "https://…" });
    }
    json!({ "batch_header": header(status), "items": [one], "total_items": 1 })
}

pub fn header(status: &str) -> Value {
    json!({ "payout_batch_id": "BAT1", "batch_status": status,
            "sender_batch_header": { "sender_batch_id": payment_id() } })
}

/// A refusal by its issue.
pub fn issue(issue: &str) -> Value {
    json!({ "name": "UNPROCESSABLE_ENTITY", "message": "…", "debug_id": "f1", "details": [{ "issue": issue, "description": "…" }] })
}
