//! The document's paths and schemas, walked: what fits into a path, the objects of a form, their fields.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::openapi::document::resolved;

/// What stands for the parameter of a path: an id of the right form, of nothing that is there.
pub fn id(path: &str) -> String {
    let prefix = match path.split('/').nth(1) {
        Some("payments") => "pay",
        Some("refunds") => "ref",
        Some("scheduled-payments") => "sch",
        Some("payment-methods") => "mth",
        Some("alerts") => "alr",
        _ => return "jdoe".to_owned(),
    };
    format!("{prefix}_{}", "a".repeat(26))
}

/// The path with such an id in it.
pub fn filled(path: &str) -> String {
    with(path, &id(path))
}

/// The path with `value` for its parameter.
pub fn with(path: &str, value: &str) -> String {
    let parts: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { value } else { part }).collect();
    parts.join("/")
}

/// An object that has the members which are described, and no other.
pub struct Object {
    /// The names that lead to it.
    pub path: Vec<String>,
    pub schema: &'static Value,
}

impl Object {
    pub fn names(&self) -> BTreeSet<String> {
        let properties = self.schema["properties"].as_object();
        properties.into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }
}

/// The form itself and every object in it.
pub fn objects(schema: &'static Value) -> Vec<Object> {
    within(schema, &[])
}

fn within(schema: &'static Value, path: &[String]) -> Vec<Object> {
    let found = variants(schema).into_iter().filter(|one| one["additionalProperties"] == json!(false));
    let with_inner = found.flat_map(|schema| {
        let properties = schema["properties"].as_object().into_iter().flatten();
        let inner = properties.flat_map(|(name, property)| within(property, &under(path, name)));
        [Object { path: path.to_vec(), schema }].into_iter().chain(inner).collect::<Vec<_>>()
    });
    with_inner.collect()
}

fn under(path: &[String], name: &str) -> Vec<String> {
    path.iter().cloned().chain([name.to_owned()]).collect()
}

/// What a schema leads to, or each of those that it leaves the choice of.
fn variants(schema: &'static Value) -> Vec<&'static Value> {
    let schema = resolved(schema);
    match schema["oneOf"].as_array() {
        Some(either) => either.iter().flat_map(variants).collect(),
        None => vec![schema],
    }
}

/// The one that is not null.
pub fn substance(schema: &'static Value) -> &'static Value {
    variants(schema).into_iter().find(|one| one["type"] != json!("null")).unwrap()
}

/// The types that a schema takes.
pub fn types(schema: &'static Value) -> Vec<&'static str> {
    let of = |schema: &'static Value| match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(many) => many.iter().map(|one| one.as_str().unwrap()).collect(),
        _ => Vec::new(),
    };
    variants(schema).into_iter().flat_map(of).collect()
}

/// Where a value is put, seen from the field that a refusal names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    Itself,
    /// Into its list.
    Item,
    /// Under a name of its map.
    Entry,
    /// As a name of its map.
    Name,
}

/// One field of a form, or what a list or map among its fields holds.
#[derive(Debug)]
pub struct Field {
    /// The names that lead to it.
    pub path: Vec<String>,
    pub place: Place,
    pub schema: &'static Value,
    pub required: bool,
}

impl Field {
    /// As refusals name it.
    pub fn name(&self) -> String {
        self.path.join(".")
    }

    pub fn takes(&self, of: &str) -> bool {
        types(self.schema).contains(&of)
    }

    /// What the field is, so that `value` is in its place.
    pub fn holding(&self, value: Value) -> Value {
        match self.place {
            Place::Itself => value,
            Place::Item => json!([value]),
            Place::Entry => json!({ "USD": value }),
            Place::Name => json!({ value.as_str().unwrap(): 1 }),
        }
    }
}

/// Every field of a form, those of its inner objects too, and what its lists and maps hold.
pub fn fields(schema: &'static Value) -> Vec<Field> {
    objects(schema).into_iter().flat_map(|object| of(&object)).collect()
}

fn of(object: &Object) -> Vec<Field> {
    let required = object.schema["required"].as_array();
    let is_required = |name: &str| required.is_some_and(|names| names.contains(&json!(name)));
    let properties = object.schema["properties"].as_object().into_iter().flatten();
    let with_parts = properties.flat_map(|(name, schema)| {
        let path = under(&object.path, name);
        let inner = substance(schema);
        let parts = [("items", Place::Item), ("additionalProperties", Place::Entry), ("propertyNames", Place::Name)];
        let parts = parts.into_iter().filter_map(|(part, place)| Some((inner.get(part)?, place)));
        let parts = parts.filter(|(part, _)| part.is_object()).collect::<Vec<_>>();
        let itself = Field { path: path.clone(), place: Place::Itself, schema, required: is_required(name) };
        let parts =
            parts.into_iter().map(move |(schema, place)| Field { path: path.clone(), place, schema, required: false });
        [itself].into_iter().chain(parts)
    });
    with_parts.collect()
}

/// Puts a value into a body, with the objects on the way to it.
pub fn put(body: &mut Value, path: &[String], value: Value) {
    let (last, above) = path.split_last().unwrap();
    let mut place = body;
    for name in above {
        let inner = place.as_object_mut().unwrap().entry(name).or_insert_with(|| json!({}));
        if !inner.is_object() {
            *inner = json!({});
        }
        place = inner;
    }
    place.as_object_mut().unwrap().insert(last.clone(), value);
}

/// Takes a field out of a body, if it is there.
pub fn remove(body: &mut Value, path: &[String]) {
    let (last, above) = path.split_last().unwrap();
    let mut place = body;
    for name in above {
        let Some(inner) = place.get_mut(name) else { return };
        place = inner;
    }
    place.as_object_mut().unwrap().remove(last);
}
