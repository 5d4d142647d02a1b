//! What `POST /payments` and `POST /scheduled-payments` take: the same body, parsed into one order.

use super::form::{Fields, Unreadable};
use super::view::counterparty;
use crate::bounds;
use crate::flow::pay::PayOrder;
use crate::id::{InvoiceId, MethodId, TenantId, UserId, fingerprint};
use crate::model::invoice::Kind;
use crate::model::payment::PaymentMethod;
use crate::money::{Currency, MAX_AMOUNT_MINOR, Money};
use crate::policy::pay::{NewInvoice, PayRequest, Target, When};
use crate::policy::refusal::{Code, Refusal};
/// The order of a request; `invoice` learns what the body names even where its form is wrong. `schedules`: it makes a
/// scheduled payment, whose date is required.
///
/// # Errors
/// All that is wrong with its form.
pub fn order(
    key: Result<Option<String>, Refusal>,
    body: Result<Fields, Unreadable>,
    schedules: bool,
    invoice: &mut Option<String>,
) -> Result<PayOrder, Vec<Refusal>> {
    let fields = body.map_err(|unreadable| vec![unreadable.0])?;
    *invoice = fields.peek("invoice_id").filter(|id| id.parse::<InvoiceId>().is_ok()).map(str::to_owned);
    let key = key.map_err(|refusal| vec![refusal])?;
    if key.is_none() && !fields.has("invoice_id") {
        let detail = "A payment without invoice_id needs the header Idempotency-Key, so that a repeated request is not a second payment.";
        return Err(vec![Refusal::new(Code::IdempotencyKeyRequired, detail)]);
    }
    // One for both paths: the same body under the same key is one operation, on either side of midnight.
    let fingerprint = fingerprint(&["payment", &fields.canonical()]);
    Ok(PayOrder { request: request(fields, schedules)?, key, fingerprint, schedules })
}

fn request(mut body: Fields, schedules: bool) -> Result<PayRequest, Vec<Refusal>> {
    let tenant_id = body.parsed::<TenantId>("tenant_id");
    let payment_method = body.choice("payment_method", PaymentMethod::ALL);
    let payment_method = body.required("payment_method", payment_method);
    let payment_method_id = body.parsed::<MethodId>("payment_method_id");
    let approved_by = body.parsed::<UserId>("approved_by");
    let scheduled_date = when(&mut body, schedules);
    let target = if body.has("invoice_id") { existing(&mut body) } else { new(&mut body) };
    match (payment_method, target, body.finish()) {
        (Some(payment_method), Some(target), Ok(())) => {
            Ok(PayRequest { tenant_id, target, payment_method, payment_method_id, approved_by, scheduled_date })
        }
        (_, _, Err(refusals)) => Err(refusals),
        _ => Err(vec![Refusal::new(Code::Internal, "The form was read and is not there.")]),
    }
}

fn existing(body: &mut Fields) -> Option<Target> {
    let invoice_id = body.parsed::<InvoiceId>("invoice_id");
    let amount = body.integer("amount", 1, MAX_AMOUNT_MINOR);
    let currency = body.parsed::<Currency>("currency");
    for name in ["kind", "counterparty", "description"] {
        if body.has(name) {
            body.refuse(
                Code::InvalidField,
                name,
                format!("{name} is for payments without invoice_id; the invoice has its own."),
            );
            body.discard(name);
        }
    }
    Some(Target::Existing { invoice_id: invoice_id?, amount, currency })
}

/// An invoice that the payment makes.
fn new(body: &mut Fields) -> Option<Target> {
    let amount = body.integer("amount", 1, MAX_AMOUNT_MINOR);
    let amount_minor = body.required("amount", amount);
    let currency = body.parsed::<Currency>("currency");
    let currency = body.required("currency", currency);
    let kind = body.choice("kind", Kind::ALL);
    let kind = body.required("kind", kind);
    let description = body.text("description", bounds::NAME_BYTES);
    let description = body.required("description", description);
    let counterparty = body.nested("counterparty", counterparty).flatten();
    let counterparty = body.required("counterparty", counterparty);
    let money = Money { amount_minor: amount_minor?, currency: currency? };
    Some(Target::New(Box::new(NewInvoice {
        money,
        kind: kind?,
        counterparty: counterparty?,
        description: description?,
    })))
}

fn when(body: &mut Fields, schedules: bool) -> When {
    const FIELD: &str = "scheduled_date";
    if !schedules && body.peek(FIELD) == Some("immediate") {
        body.discard(FIELD);
        return When::Now;
    }
    let date = body.date(FIELD);
    let date = if schedules { body.required(FIELD, date) } else { date };
    date.map_or(When::Now, When::On)
}
