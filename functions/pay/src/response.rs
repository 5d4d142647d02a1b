//! How a cancellation or resolution is answered.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use shared::api::pay_answer::about;
use shared::api::view;
use shared::model::payment::Payment;

/// The answer to a cancellation or resolution: `200` final, `202` not yet.
pub fn state(payment: &Payment) -> Response {
    let status = if payment.status.is_unsettled() { StatusCode::ACCEPTED } else { StatusCode::OK };
    about(payment, (status, axum::Json(view::payment(payment, None))).into_response())
}
