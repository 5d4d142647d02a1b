//! What a person says of a payment or refund: the body of both `/resolve` requests.

use super::form::Fields;
use crate::bounds;
use crate::flow::resolve::Resolution;
use crate::policy::refusal::{Code, Refusal};

/// What they may say: whether the money moved.
pub const OUTCOMES: [&str; 2] = [EXECUTED, NOT_EXECUTED];
const EXECUTED: &str = "executed";
const NOT_EXECUTED: &str = "not_executed";

/// The request of `POST /payments/{id}/resolve` and `POST /refunds/{id}/resolve`.
///
/// # Errors
/// All that is wrong with its form.
pub fn resolution(mut body: Fields) -> Result<Resolution, Vec<Refusal>> {
    let outcome = body.choice("outcome", &OUTCOMES);
    let outcome = body.required("outcome", outcome);
    let gateway_reference = body.text("gateway_reference", bounds::NAME_BYTES);
    if gateway_reference.is_some() && outcome == Some(NOT_EXECUTED) {
        body.refuse(Code::InvalidField, "gateway_reference", "What was not executed has no reference.");
    }
    let note = body.text("note", bounds::NOTE_BYTES);
    let note = body.required("note", note);
    match (outcome, note, body.finish()) {
        (Some(outcome), Some(note), Ok(())) => {
            Ok(Resolution { executed: outcome == EXECUTED, gateway_reference, note })
        }
        (_, _, Err(refusals)) => Err(refusals),
        _ => Err(vec![Refusal::new(Code::Internal, "The form was read and is not there.")]),
    }
}
