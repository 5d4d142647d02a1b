//! The body of a refund request, parsed into what the flow can work with.

use shared::api::form::Fields;
use shared::bounds;
use shared::id::{InvoiceId, TenantId};
use shared::model::payment::PaymentMethod;
use shared::model::refund::Reason;
use shared::money::{Currency, MAX_AMOUNT_MINOR};
use shared::policy::refund::RefundRequest;
use shared::policy::refusal::{Code, Refusal};

/// The request of `POST /refunds`.
///
/// # Errors
/// All that is wrong with its form.
pub fn refund(mut body: Fields) -> Result<RefundRequest, Vec<Refusal>> {
    let tenant_id = body.parsed::<TenantId>("tenant_id");
    let payment_id = body.text("payment_id", bounds::REFERENCE_BYTES);
    let payment_id = body.required("payment_id", payment_id);
    let invoice_id = body.parsed::<InvoiceId>("invoice_id");
    body.refuse_null("amount", "null is no amount; leave it out to refund all that is left.");
    let amount = body.integer("amount", 1, MAX_AMOUNT_MINOR);
    let currency = body.parsed::<Currency>("currency");
    let reason = body.choice("reason", Reason::ALL);
    let payment_method = body.choice("payment_method", PaymentMethod::ALL);
    match (payment_id, body.finish()) {
        (Some(payment_id), Ok(())) => {
            Ok(RefundRequest { tenant_id, payment_id, invoice_id, amount, currency, reason, payment_method })
        }
        (_, Err(refusals)) => Err(refusals),
        (None, Ok(())) => Err(vec![Refusal::new(Code::Internal, "The form was read and is not there.")]),
    }
}
