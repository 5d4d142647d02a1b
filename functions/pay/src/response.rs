//! How the state of a payment is answered: confirmation, not yet, or why not.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use shared::api::problem::Problem;
use shared::api::{About, view};
use shared::flow::pay::PayResult;
use shared::model::payment::{Failure, FailureCode, Payment, PaymentStatus};
use shared::policy::failure::consequence;
use shared::policy::refusal::Refusal;

/// The answer to a pay request.
pub fn paid(result: PayResult) -> Response {
    let PayResult { payment, next_action, replayed } = result;
    let view = view::payment(&payment, next_action.as_ref());
    let mut response = match payment.status {
        PaymentStatus::Processing | PaymentStatus::RequiresAction => {
            (StatusCode::ACCEPTED, axum::Json(view)).into_response()
        }
        PaymentStatus::Canceled if replayed => (StatusCode::OK, axum::Json(view)).into_response(),
        PaymentStatus::Failed | PaymentStatus::Canceled => {
            let unnamed = Failure { code: FailureCode::Declined, gateway_code: None };
            let consequence = consequence(payment.failure.as_ref().unwrap_or(&unnamed));
            Problem::from(Refusal::new(consequence.code, consequence.detail)).with("payment", view).into_response()
        }
        _ if replayed => (StatusCode::OK, axum::Json(view)).into_response(),
        _ => (StatusCode::CREATED, axum::Json(view)).into_response(),
    };
    if replayed {
        response.extensions_mut().insert(shared::api::Replayed);
    }
    about(&payment, response)
}

/// The answer to a cancellation or resolution: `200` final, `202` not yet.
pub fn state(payment: &Payment) -> Response {
    let status = if payment.status.is_unsettled() { StatusCode::ACCEPTED } else { StatusCode::OK };
    about(payment, (status, axum::Json(view::payment(payment, None))).into_response())
}

/// Names the payment in the request's log line.
pub fn about(payment: &Payment, mut response: Response) -> Response {
    response
        .extensions_mut()
        .insert(About { invoice_id: Some(payment.invoice_id.to_string()), payment_id: Some(payment.id.to_string()) });
    response
}
