//! The words that schemas are made of: amounts, times, ids, texts, names. Limits and lists of names are the code's own.

use std::fmt::Display;

use serde_json::{Value, json};
use shared::bounds;
use shared::money::MAX_AMOUNT_MINOR;
use utoipa::openapi::schema::{AdditionalProperties, AllOfBuilder, ArrayBuilder, SchemaType, Type};
use utoipa::openapi::{KnownFormat, Object, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, SchemaFormat};

/// A schema where one is expected.
pub(super) type Part = RefOr<Schema>;

/// An object that has no other members than those that are described.
pub(super) struct Form {
    object: ObjectBuilder,
}

impl Form {
    pub(super) fn new(about: &str) -> Self {
        let object = ObjectBuilder::new().description(Some(about));
        Self { object: object.additional_properties(Some(AdditionalProperties::FreeForm(false))) }
    }

    /// With a member that is always there.
    pub(super) fn must(self, name: &str, part: impl Into<Part>) -> Self {
        Self { object: self.object.property(name, part).required(name) }
    }

    /// With a member that may be left out.
    pub(super) fn may(self, name: &str, part: impl Into<Part>) -> Self {
        Self { object: self.object.property(name, part) }
    }
}

impl From<Form> for Part {
    fn from(form: Form) -> Self {
        form.object.build().into()
    }
}

/// Names a schema among the document's components.
pub(super) fn named(name: &str) -> Part {
    Ref::from_schema_name(name).into()
}

/// The same, with what it is here.
pub(super) fn named_as(name: &str, about: &str) -> Part {
    let mut one = Ref::from_schema_name(name);
    about.clone_into(&mut one.description);
    one.into()
}

/// The same object, or null.
pub(super) fn or_null(mut object: Object) -> Object {
    if let SchemaType::Type(one) = object.schema_type {
        object.schema_type = SchemaType::Array(vec![one, Type::Null]);
    }
    if let Some(words) = &mut object.enum_values {
        words.push(Value::Null);
    }
    object
}

/// Another schema, or null.
pub(super) fn part_or_null(part: Part, about: &str) -> Part {
    let null = ObjectBuilder::new().schema_type(Type::Null).build();
    Schema::from(OneOfBuilder::new().item(part).item(null).description(Some(about)).build()).into()
}

/// A problem with one of these codes.
pub(super) fn problem_of(codes: &[Value]) -> Part {
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes.to_vec()));
    let narrowed = ObjectBuilder::new().property("code", code.build());
    Schema::from(AllOfBuilder::new().item(named("Problem")).item(narrowed.build()).build()).into()
}

fn leaf(kind: Type, about: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind).description(Some(about))
}

fn formatted(format: KnownFormat, about: &str) -> ObjectBuilder {
    leaf(Type::String, about).format(Some(SchemaFormat::KnownFormat(format)))
}

/// A text of at most `most` bytes, not blank, without control characters.
pub(super) fn text(most: usize, about: &str) -> Object {
    let about = format!("{about} (at most {most} bytes, not blank, no control characters)");
    leaf(Type::String, &about)
        .min_length(Some(1))
        .max_length(Some(most))
        .pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"))
        .build()
}

/// A text of an answer, of which nothing more is promised.
pub(super) fn any_text(about: &str) -> Object {
    leaf(Type::String, about).build()
}

/// A text of a fixed form.
pub(super) fn shaped(pattern: &str, about: &str) -> Object {
    leaf(Type::String, about).pattern(Some(pattern)).build()
}

/// An e-mail address.
pub(super) fn email(about: &str) -> Object {
    let about = format!("{about} (at most {} bytes)", bounds::NAME_BYTES);
    leaf(Type::String, &about)
        .max_length(Some(bounds::NAME_BYTES))
        .pattern(Some(r"^[^@ \u0000-\u001f\u007f-\u009f]+@[^@ \u0000-\u001f\u007f-\u009f]+$"))
        .build()
}

/// An id of ours with this prefix: `pay_`, `sch_`, `ref_`, `mth_`, `alr_`.
pub(super) fn ours(prefix: &str, about: &str) -> Object {
    shaped(&format!("^{prefix}_[a-z2-7]{{26}}$"), about)
}

/// A tenant's id.
pub(super) fn tenant_id(about: &str) -> Object {
    shaped("^[a-z0-9][a-z0-9-]{0,62}$", about)
}

/// A user's id.
pub(super) fn user_id(about: &str) -> Object {
    shaped(r#"^[!"$&-.0->@-\[\]-~]{1,100}$"#, &format!("{about} (visible ASCII other than / \\ ? # %)"))
}

/// An invoice's id.
pub(super) fn invoice_id(about: &str) -> Object {
    shaped("^[A-Za-z0-9._-]{1,64}$", about)
}

/// The id of a customer or vendor.
pub(super) fn party_id(about: &str) -> Object {
    shaped("^[A-Za-z0-9._@:-]{1,64}$", about)
}

/// An amount that moves: at least one minor unit.
pub(super) fn amount(about: &str) -> Object {
    sum(1, about)
}

/// An amount that may be nothing.
pub(super) fn total(about: &str) -> Object {
    sum(0, about)
}

fn sum(least: i64, about: &str) -> Object {
    let about = format!("{about}, in the currency's minor unit: 50000 USD is 500.00, 500 JPY is 500");
    leaf(Type::Integer, &about)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(number(least)))
        .maximum(Some(number(MAX_AMOUNT_MINOR)))
        .build()
}

/// An integer between two bounds, both included.
pub(super) fn integer(least: i64, most: Option<i64>, about: &str) -> Object {
    let format = SchemaFormat::KnownFormat(KnownFormat::Int64);
    leaf(Type::Integer, about).format(Some(format)).minimum(Some(number(least))).maximum(most.map(number)).build()
}

#[expect(clippy::as_conversions, reason = "no integer of ours is anywhere near the size of a machine's word")]
fn number(of: i64) -> isize {
    of as isize
}

/// A currency.
pub(super) fn currency() -> Object {
    shaped("^[A-Z]{3}$", "The currency's code (ISO 4217)")
}

/// An instant.
pub(super) fn time(about: &str) -> Object {
    formatted(KnownFormat::DateTime, &format!("{about} (RFC 3339, UTC, milliseconds)")).build()
}

/// A calendar date.
pub(super) fn date(about: &str) -> Object {
    formatted(KnownFormat::Date, &format!("{about} (YYYY-MM-DD)")).build()
}

/// True or false.
pub(super) fn boolean(about: &str) -> Object {
    leaf(Type::Boolean, about).build()
}

/// One of a few names.
pub(super) fn one_of<T: Display>(names: &[T], about: &str) -> Object {
    leaf(Type::String, about).enum_values(Some(names.iter().map(|name| json!(name.to_string())))).build()
}

/// The same object, which is `value` unless it is given.
pub(super) fn unless_given(mut object: Object, value: impl Into<Value>) -> Object {
    object.default = Some(value.into());
    object
}

/// A list.
pub(super) fn list(of: impl Into<Part>, about: &str) -> Schema {
    ArrayBuilder::new().items(of.into()).description(Some(about)).build().into()
}

/// A list with at least and at most so many entries.
pub(super) fn bounded(of: impl Into<Part>, least: usize, most: usize, about: &str) -> ArrayBuilder {
    let list = ArrayBuilder::new().items(of.into()).description(Some(about));
    list.min_items(Some(least)).max_items(Some(most))
}

/// An object whose members are all alike, under names of this form.
pub(super) fn map(names: &str, most: Option<usize>, of: impl Into<Part>, about: &str) -> Object {
    let names = ObjectBuilder::new().schema_type(Type::String).pattern(Some(names)).build();
    ObjectBuilder::new()
        .description(Some(about))
        .property_names(Some(names))
        .additional_properties(Some(of.into()))
        .max_properties(most)
        .build()
}

/// An object of which nothing more is promised.
pub(super) fn any_object(about: &str) -> Object {
    leaf(Type::Object, about).build()
}
