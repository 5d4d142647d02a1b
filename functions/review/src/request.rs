//! What requests say, parsed into what the flow and the lists can work with.

use jiff::civil::Date;
use shared::api::Params;
use shared::api::form::Fields;
use shared::bounds;
use shared::flow::review::AlertOrder;
use shared::policy::refusal::{Code, Refusal};

/// The body of `POST /alerts/{id}/resolve`.
///
/// # Errors
/// All that is wrong with its form.
pub fn resolution(mut body: Fields) -> Result<AlertOrder, Vec<Refusal>> {
    let note = body.text("note", bounds::NOTE_BYTES);
    let note = body.required("note", note);
    let count = body.integer("count", 1, i64::from(u32::MAX)).and_then(|count| u64::try_from(count).ok());
    match (note, body.finish()) {
        (Some(note), Ok(())) => Ok(AlertOrder { note, count }),
        (_, Err(refusals)) => Err(refusals),
        (None, Ok(())) => Err(vec![unread()]),
    }
}

/// The day of `GET /audit`.
///
/// # Errors
/// All that is wrong with its query.
pub fn day(mut params: Params) -> Result<Date, Vec<Refusal>> {
    let day = params.0.date("day");
    let day = params.0.required("day", day);
    params.0.finish()?;
    day.ok_or_else(|| vec![unread()])
}

fn unread() -> Refusal {
    Refusal::new(Code::Internal, "The form was read and is not there.")
}
