//! What the bodies about payment methods say.

use shared::api::form::Fields;
use shared::bounds;
use shared::flow::method::{MethodOrder, SetupOrder};
use shared::id::PartyId;
use shared::model::method::{MethodKind, Owner};
use shared::model::payment::Gateway;
use shared::policy::refusal::{Code, Refusal};

const GATEWAYS: [Gateway; 3] = [Gateway::Stripe, Gateway::Paypal, Gateway::Plaid];

/// A method to set up.
pub(crate) fn setup(mut body: Fields) -> Result<SetupOrder, Vec<Refusal>> {
    let gateway = body.choice("gateway", &GATEWAYS);
    let gateway = body.required("gateway", gateway);
    let kind = body.choice("kind", &[MethodKind::Card, MethodKind::BankAccount]);
    if kind.is_some() && gateway.is_some_and(|gateway| gateway != Gateway::Stripe) {
        body.refuse(Code::InvalidField, "kind", "Only Stripe is told what kind is set up; leave it out.");
    }
    let [return_url, cancel_url] = ["return_url", "cancel_url"].map(|name| body.page(name));
    let takes: &[bool; 2] = match gateway {
        Some(Gateway::Stripe) => &[false, false],
        Some(Gateway::Plaid) => &[true, false],
        Some(Gateway::Paypal) | None => &[true, true],
    };
    for ((name, url), takes) in [("return_url", &return_url), ("cancel_url", &cancel_url)].into_iter().zip(takes) {
        if gateway == Some(Gateway::Paypal) {
            body.required(name, url.as_ref());
        } else if url.is_some() && !takes {
            body.refuse(Code::InvalidField, name, "This gateway's setup sends nobody there; leave it out.");
        }
    }
    let owner = owner(&mut body).unwrap_or(Owner::Tenant);
    body.finish()?;
    // What is missing has been said.
    let gateway = gateway.ok_or_else(Vec::new)?;
    Ok(SetupOrder { gateway, kind: kind.unwrap_or(MethodKind::Card), owner, return_url, cancel_url })
}

/// A method to add.
pub(crate) fn order(mut body: Fields) -> Result<MethodOrder, Vec<Refusal>> {
    let gateway = body.choice("gateway", &GATEWAYS);
    let gateway = body.required("gateway", gateway);
    let reference = body.text("reference", bounds::NAME_BYTES);
    let reference = body.required("reference", reference);
    let known = |text: &String| {
        ["seti_", "pm_"].iter().any(|prefix| text.starts_with(prefix))
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if gateway == Some(Gateway::Stripe) && reference.as_ref().is_some_and(|text| !known(text)) {
        body.refuse(
            Code::InvalidField,
            "reference",
            "The id of a SetupIntent (seti_…) or PaymentMethod (pm_…) is expected.",
        );
    }
    let is_token = |text: &String| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if gateway == Some(Gateway::Paypal) && reference.as_ref().is_some_and(|text| !is_token(text)) {
        body.refuse(Code::InvalidField, "reference", "The id of a setup token or a payment token is expected.");
    }
    let is_public = |text: &String| text.starts_with("public-") && is_token(text);
    if gateway == Some(Gateway::Plaid) && reference.as_ref().is_some_and(|text| !is_public(text)) {
        body.refuse(
            Code::InvalidField,
            "reference",
            "The public token that Plaid Link has given (public-…) is expected.",
        );
    }
    let owner = owner(&mut body);
    let default = body.boolean("default").unwrap_or(false);
    let owner = owner.unwrap_or(Owner::Tenant);
    body.finish()?;
    match (gateway, reference) {
        (Some(gateway), Some(reference)) => Ok(MethodOrder { gateway, reference, owner, default }),
        // What is missing has been said.
        _ => Err(Vec::new()),
    }
}

/// The owner that `customer_id` or `vendor_id` names; neither: none.
pub(crate) fn owner(fields: &mut Fields) -> Option<Owner> {
    let customer = fields.parsed::<PartyId>("customer_id");
    let vendor = fields.parsed::<PartyId>("vendor_id");
    if customer.is_some() && vendor.is_some() {
        fields.refuse(Code::InvalidField, "vendor_id", "A method belongs to a customer or to a vendor, not to both.");
    }
    customer.map(Owner::Customer).or(vendor.map(Owner::Vendor))
}
