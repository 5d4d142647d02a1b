//! Lists: newest first, in a window of creation times, in pages.

use serde_json::{Value, json};

use super::error::ApiError;
use super::form::Form;
use super::method::text;

/// The parameters that every list takes.
const COMMON: &[&str] = &[
    "created[gt]",
    "created[gte]",
    "created[lt]",
    "created[lte]",
    "limit",
    "starting_after",
    "ending_before",
    "expand[]",
];

/// A page of `newest_first`, of what matches the `filters`: parameters that name a member of the same name.
pub(super) fn page<'a>(
    form: &Form,
    url: &str,
    filters: &[&str],
    newest_first: impl Iterator<Item = &'a Value>,
) -> Result<Value, ApiError> {
    form.only(&[COMMON, filters].concat())?;
    let limit = form.integer("limit")?.unwrap_or(10);
    if !(1..=100).contains(&limit) {
        return Err(ApiError::parameter("parameter_invalid_integer", "limit", "Limit must be from 1 to 100."));
    }
    let limit = usize::try_from(limit).unwrap_or(10);
    let [from, above, to, below] = ["gte", "gt", "lte", "lt"].map(|name| form.integer(&format!("created[{name}]")));
    let (from, above, to, below) = (from?, above?, to?, below?);
    let fits = |object: &&Value| {
        let created = object.get("created").and_then(Value::as_i64).unwrap_or_default();
        filters.iter().all(|name| form.text(name).is_none_or(|wanted| text(object, name) == wanted))
            && from.is_none_or(|from| created >= from)
            && above.is_none_or(|above| created > above)
            && to.is_none_or(|to| created <= to)
            && below.is_none_or(|below| created < below)
    };
    let all: Vec<&Value> = newest_first.collect();
    let position = |cursor: &str| {
        let Some(id) = form.text(cursor) else { return Ok(None) };
        let place = all.iter().position(|object| text(object, "id") == id);
        place.map(Some).ok_or_else(|| ApiError::missing(400, cursor, id))
    };
    let start = position("starting_after")?.map_or(0, |place| place + 1);
    let end = position("ending_before")?;
    let window = all.iter().copied().take(end.unwrap_or(all.len())).skip(start);
    let (data, has_more) = if end.is_some() {
        // The page that ends at the cursor, not the first one.
        let mut matching = window.filter(fits).collect::<Vec<_>>().into_iter().rev();
        let mut data: Vec<&Value> = matching.by_ref().take(limit).collect();
        data.reverse();
        (data, matching.next().is_some())
    } else {
        let mut matching = window.filter(fits);
        let data: Vec<&Value> = matching.by_ref().take(limit).collect();
        (data, matching.next().is_some())
    };
    Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": url }))
}
