//! The body of a pay request, parsed into what the flow can work with.

use jiff::civil::Date;
use shared::api::form::Fields;
use shared::api::view::counterparty;
use shared::bounds;
use shared::id::{InvoiceId, MethodId, TenantId, UserId};
use shared::model::invoice::Kind;
use shared::model::payment::PaymentMethod;
use shared::money::{Currency, MAX_AMOUNT_MINOR, Money};
use shared::policy::pay::{NewInvoice, PayRequest, Target, When};
use shared::policy::refusal::{Code, Refusal};

/// The request of `POST /payments`.
///
/// # Errors
/// All that is wrong with its form.
pub fn pay(mut body: Fields) -> Result<PayRequest, Vec<Refusal>> {
    let tenant_id = body.parsed::<TenantId>("tenant_id");
    let payment_method = body.choice("payment_method", PaymentMethod::ALL);
    let payment_method = body.required("payment_method", payment_method);
    let payment_method_id = body.parsed::<MethodId>("payment_method_id");
    let approved_by = body.parsed::<UserId>("approved_by");
    let scheduled_date = when(&mut body);
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

fn when(body: &mut Fields) -> When {
    const FIELD: &str = "scheduled_date";
    let Some(text) = body.text(FIELD, bounds::NAME_BYTES) else { return When::Now };
    if text == "immediate" {
        return When::Now;
    }
    match text.parse::<Date>() {
        // Only the plain form: a time of day would be dropped in silence.
        Ok(date) if date.to_string() == text => When::On(date),
        _ => {
            body.refuse(Code::InvalidField, FIELD, "\"immediate\" or a date as YYYY-MM-DD is expected.");
            When::Now
        }
    }
}
