//! How the state of a refund is answered: done, not yet, or why not.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use shared::api::problem::Problem;
use shared::api::{About, view};
use shared::flow::refund::RefundResult;
use shared::model::payment::{Failure, FailureCode};
use shared::model::refund::{Refund, RefundStatus};
use shared::policy::failure::refund_consequence;
use shared::policy::refusal::Refusal;

/// The answer to a refund request.
pub fn refunded(result: RefundResult) -> Response {
    let RefundResult { refund, replayed } = result;
    let view = view::refund(&refund);
    let mut response = match refund.status {
        RefundStatus::Processing => (StatusCode::ACCEPTED, axum::Json(view)).into_response(),
        RefundStatus::Canceled if replayed => (StatusCode::OK, axum::Json(view)).into_response(),
        RefundStatus::Failed | RefundStatus::Canceled => {
            let unnamed = Failure::new(FailureCode::Declined, None);
            let consequence = refund_consequence(refund.failure.as_ref().unwrap_or(&unnamed));
            Problem::from(Refusal::new(consequence.code, consequence.detail)).with("refund", view).into_response()
        }
        RefundStatus::Succeeded if replayed => (StatusCode::OK, axum::Json(view)).into_response(),
        RefundStatus::Succeeded => (StatusCode::CREATED, axum::Json(view)).into_response(),
    };
    if replayed {
        response.extensions_mut().insert(shared::api::Replayed);
    }
    about(&refund, response)
}

/// The answer to a cancellation or resolution: `200` final, `202` not yet.
pub fn state(refund: &Refund) -> Response {
    let status = if refund.status.is_unsettled() { StatusCode::ACCEPTED } else { StatusCode::OK };
    about(refund, (status, axum::Json(view::refund(refund))).into_response())
}

/// Names the payment in the request's log line.
pub fn about(refund: &Refund, mut response: Response) -> Response {
    let about =
        About { invoice_id: Some(refund.invoice_id.to_string()), payment_id: Some(refund.payment_id.to_string()) };
    response.extensions_mut().insert(about);
    response
}
