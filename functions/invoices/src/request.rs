//! The body of an invoice, parsed into what the flow can work with.

use shared::api::form::Fields;
use shared::api::view::counterparty;
use shared::bounds;
use shared::flow::invoice::InvoiceOrder;
use shared::id::{InvoiceId, fingerprint};
use shared::model::invoice::Kind;
use shared::money::{Currency, MAX_AMOUNT_MINOR, Money};
use shared::policy::refusal::{Code, Refusal};

/// The order of `POST /invoices`.
///
/// # Errors
/// All that is wrong with its form.
pub fn invoice(mut body: Fields, key: Option<String>) -> Result<InvoiceOrder, Vec<Refusal>> {
    let fingerprint = fingerprint(&["POST /invoices", &body.canonical()]);
    let invoice_id = body.parsed::<InvoiceId>("invoice_id");
    let invoice_number = body.text("invoice_number", bounds::NUMBER_BYTES);
    let kind = body.choice("kind", Kind::ALL);
    let kind = body.required("kind", kind);
    let counterparty = body.nested("counterparty", counterparty).flatten();
    let counterparty = body.required("counterparty", counterparty);
    let amount = body.integer("amount", 1, MAX_AMOUNT_MINOR);
    let amount_minor = body.required("amount", amount);
    let currency = body.parsed::<Currency>("currency");
    let currency = body.required("currency", currency);
    let due_date = body.date("due_date").map(|date| date.to_string());
    let allow_duplicate = body.boolean("allow_duplicate").unwrap_or(false);
    match (kind, counterparty, amount_minor, currency, body.finish()) {
        (Some(kind), Some(counterparty), Some(amount_minor), Some(currency), Ok(())) => Ok(InvoiceOrder {
            invoice_id,
            key,
            invoice_number,
            kind,
            counterparty,
            money: Money { amount_minor, currency },
            due_date,
            allow_duplicate,
            fingerprint,
        }),
        (.., Err(refusals)) => Err(refusals),
        _ => Err(vec![Refusal::new(Code::Internal, "The form was read and is not there.")]),
    }
}
