//! Tests only: payments and refunds to send to a server that answers as a test says, and what Plaid would answer.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::Plaid;
use crate::clock::Time;
use crate::gateway::paypal::stub;
pub use crate::gateway::paypal::stub::{Asked, Stub};
use crate::gateway::wire::http_client;
use crate::model::payment::{
    Authorization, Direction, Frozen, FrozenTransfer, Gateway, Payment, PaymentMethod, reference_key,
};
use crate::model::refund::{FrozenRefund, Refund};
use crate::secrets::{BankAccess, PlaidSecret};

/// Time for one call.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Starts a server. What `answer` leaves open is not found.
pub fn stub(answer: impl Fn(&Asked) -> Option<(u16, Value)> + Send + 'static) -> Stub {
    Stub::start(move |asked| answer(asked).or_else(|| Some((404, error("INVALID_REQUEST", "NOT_FOUND")))))
}

pub fn plaid(stub: &Stub) -> Plaid {
    Plaid::new(http_client().unwrap(), &stub.base)
}

pub fn now() -> Time {
    stub::now()
}

pub fn secret() -> PlaidSecret {
    PlaidSecret { client_id: "client".to_owned(), secret: SecretString::from("hush") }
}

pub fn access() -> BankAccess {
    BankAccess { access_token: SecretString::from("access-sandbox-1") }
}

/// 500.00 USD from a customer.
pub fn debit() -> Payment {
    let payment = stub::receivable();
    let transfer = FrozenTransfer {
        direction: Direction::Debit,
        ach_class: "ccd".to_owned(),
        ledger_id: None,
        holder: "Globex Inc".to_owned(),
        statement: "INV-1".to_owned(),
    };
    let frozen = Frozen {
        gateway: Gateway::Plaid,
        method: "acc1".to_owned(),
        api_version: super::API_VERSION.to_owned(),
        transfer: Some(transfer),
        ..payment.frozen
    };
    Payment { payment_method: PaymentMethod::Ach, frozen, ..payment }
}

/// 500.00 USD to a vendor, out of the ledger `led1`.
pub fn credit() -> Payment {
    let mut payment = debit();
    if let Some(transfer) = payment.frozen.transfer.as_mut() {
        transfer.direction = Direction::Credit;
        transfer.ledger_id = Some("led1".to_owned());
    }
    payment
}

/// The same, authorized.
pub fn authorized(payment: Payment) -> Payment {
    Payment { authorization: Some(Authorization { id: "auth1".to_owned(), at: now() }), ..payment }
}

/// The same, with an id at Plaid.
pub fn known(payment: Payment) -> Payment {
    Payment { gateway_ref: Some(reference_key(&payment.tenant_id, Gateway::Plaid, "tr1")), ..payment }
}

/// 5.00 USD of the transfer `tr1`.
pub fn refund() -> Refund {
    let refund = stub::refund();
    let frozen = FrozenRefund { gateway: Gateway::Plaid, payment: "tr1".to_owned(), ..refund.frozen };
    Refund { frozen, ..refund }
}

/// What Plaid says of leave to make the debit.
pub fn authorization(decision: &str, rationale: Option<&str>) -> Value {
    json!({ "request_id": "q", "authorization": {
        "id": "auth1", "created": "2027-01-15T08:00:00Z", "decision": decision,
        "decision_rationale": rationale.map(|code| json!({ "code": code, "description": "…" })),
        "guarantee_decision": null, "guarantee_decision_rationale": null, "payment_risk": null,
        "proposed_transfer": { "account_id": "acc1", "type": "debit", "amount": "500.00", "network": "ach",
            "iso_currency_code": "USD", "user": { "legal_name": "Globex Inc" }, "originator_client_id": null } } })
}

/// The transfer of the debit.
pub fn transfer(status: &str, code: Option<&str>) -> Value {
    json!({ "request_id": "q", "transfer": {
        "id": "tr1", "authorization_id": "auth1", "account_id": "acc1", "type": "debit", "network": "ach",
        "amount": "500.00", "iso_currency_code": "USD", "status": status, "created": "2027-01-15T08:00:00Z",
        "expected_settlement_date": "2027-01-20", "cancellable": status == "pending",
        "failure_reason": code.map(|code| json!({ "failure_code": code, "ach_return_code": code, "description": "…" })),
        "metadata": { "tenant_id": "acme", "invoice_id": "INV-1", "payment_id": stub::payment_id() },
        "refunds": [] } })
}

/// The refund of it.
pub fn refunded(status: &str, code: Option<&str>) -> Value {
    json!({ "request_id": "q", "refund": {
        "id": "rf1", "transfer_id": "tr1", "amount": "5.00", "status": status, "created": "2027-01-16T08:00:00Z",
        "failure_reason": code.map(|code| json!({ "failure_code": code, "description": "…" })) } })
}

pub fn error(kind: &str, code: &str) -> Value {
    json!({ "error_type": kind, "error_code": code, "error_message": "…", "display_message": null, "request_id": "q" })
}
