//! How a pay or schedule request is answered: confirmation, not yet, why not, or when.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::problem::Problem;
use super::{About, Replayed, view};
use crate::flow::pay::{Made, PayResult};
use crate::gateway::NextAction;
use crate::model::payment::{Failure, FailureCode, Payment, PaymentStatus};
use crate::model::schedule::{Schedule, ScheduleStatus};
use crate::policy::failure::consequence;
use crate::policy::refusal::Refusal;

/// The answer to a pay or schedule request.
pub fn answer(result: PayResult) -> Response {
    let PayResult { made, replayed } = result;
    let mut response = match made {
        Made::Payment { payment, next_action, schedule } => {
            let response = paid(&payment, next_action.as_ref(), schedule.as_deref(), replayed);
            about(&payment, response)
        }
        Made::Schedule(schedule) => scheduled(&schedule),
    };
    if replayed {
        response.extensions_mut().insert(Replayed);
    }
    response
}

fn paid(payment: &Payment, next_action: Option<&NextAction>, schedule: Option<&Schedule>, replayed: bool) -> Response {
    let view = view::payment(payment, next_action);
    match payment.status {
        PaymentStatus::Processing | PaymentStatus::RequiresAction => {
            (StatusCode::ACCEPTED, axum::Json(view)).into_response()
        }
        PaymentStatus::Canceled if replayed => (StatusCode::OK, axum::Json(view)).into_response(),
        PaymentStatus::Failed | PaymentStatus::Canceled => {
            let unnamed = Failure::new(FailureCode::Declined, None);
            let consequence = consequence(payment.failure.as_ref().unwrap_or(&unnamed));
            let Some(schedule) = schedule else {
                let refusal = Refusal::new(consequence.code, consequence.detail);
                return Problem::from(refusal).with("payment", view).into_response();
            };
            let detail = match schedule.status {
                ScheduleStatus::Pending => {
                    format!("Nothing was taken; it is tried again on {}.", schedule.scheduled_date)
                }
                status => format!("Nothing was taken by this payment. Its invoice's scheduled payment is {status}."),
            };
            let promise = json!({ "id": schedule.id, "scheduled_date": schedule.scheduled_date, "due_at": schedule.due_at,
                                  "status": schedule.status });
            let problem = Problem::from(Refusal::new(consequence.code, detail)).with("payment", view);
            problem.with("scheduled_payment", promise).into_response()
        }
        _ if replayed => (StatusCode::OK, axum::Json(view)).into_response(),
        _ => (StatusCode::CREATED, axum::Json(view)).into_response(),
    }
}

/// A scheduled payment: `202` while it is open, `200` once it is over.
pub fn scheduled(schedule: &Schedule) -> Response {
    let status = if schedule.status.is_open() { StatusCode::ACCEPTED } else { StatusCode::OK };
    let mut response = (status, axum::Json(view::schedule(schedule))).into_response();
    response.extensions_mut().insert(About { invoice_id: Some(schedule.invoice_id.to_string()), payment_id: None });
    response
}

/// Names the payment in the request's log line.
pub fn about(payment: &Payment, mut response: Response) -> Response {
    response
        .extensions_mut()
        .insert(About { invoice_id: Some(payment.invoice_id.to_string()), payment_id: Some(payment.id.to_string()) });
    response
}
