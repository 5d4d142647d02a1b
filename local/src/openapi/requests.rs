//! What requests say. A null is as good as a field left out, except where it is not said to be taken.
//!
//! Held against the parsers by a test: every field here is known to its route, and every word of the parsers that its
//! route knows is here.

use shared::api::resolution::OUTCOMES;
use shared::bounds;
use shared::model::method::MethodKind;
use shared::model::tenant::{ACH_CLASSES, AchProvider, OnInsufficientFunds, Role};
use shared::money::MAX_AMOUNT_MINOR;
use utoipa::openapi::{Object, Schema};

use super::schema::{
    Form, Part, amount, boolean, bounded, currency, date, email, integer, invoice_id, map, named, named_as, one_of,
    or_null, ours, part_or_null, party_id, shaped, tenant_id, text, total, unless_given, user_id,
};

/// Every request by its name.
pub(super) fn all() -> Vec<(&'static str, Part)> {
    vec![
        ("PayRequest", payment(false)),
        ("ScheduleRequest", payment(true)),
        ("ScheduleChange", schedule_change()),
        ("RefundRequest", refund()),
        ("Resolution", resolution()),
        ("InvoiceRequest", invoice()),
        ("CounterpartyRequest", counterparty()),
        ("MethodRequest", method()),
        ("SetupRequest", setup()),
        ("AlertResolution", alert_resolution()),
        ("SettingsRequest", settings()),
        ("GatewaySettingsRequest", gateways()),
        ("StripeSettingsRequest", stripe()),
        ("PaypalSettingsRequest", paypal()),
        ("AchSettingsRequest", ach()),
        ("PlaidSettingsRequest", plaid()),
        ("MemberRequest", member()),
        ("Nothing", Form::new("Nothing: no body at all, or an empty object").into()),
    ]
}

fn payment(schedules: bool) -> Part {
    let form = Form::new(
        "Which invoice is paid, or what a new one is about that the payment makes: then amount, currency, kind, counterparty, description and the header Idempotency-Key are required",
    )
    .may("tenant_id", or_null(tenant_id("The caller's own tenant")))
    .may("invoice_id", or_null(invoice_id("An approved invoice; absent: a new one is made and approved in the same step")))
    .may("amount", or_null(amount("What is paid. With invoice_id it must be the invoice's")))
    .may("currency", or_null(currency()))
    .may("kind", part_or_null(named("InvoiceKind"), "Without invoice_id only: who pays whom"))
    .may("counterparty", part_or_null(named("CounterpartyRequest"), "Without invoice_id only: who pays, or is paid"))
    .may("description", or_null(text(bounds::NAME_BYTES, "Without invoice_id only: what it is for")))
    .must("payment_method", named_as("PaymentMethodType", "What pays: a card at Stripe, a bank account, PayPal"))
    .may("payment_method_id", or_null(ours("mth", "Which method pays; absent: its owner's default")))
    .may("approved_by", or_null(user_id("Whose approval it rests on: the caller, unless a member with the role service names somebody")));
    if schedules {
        form.must("scheduled_date", date("The day, from today to two years ahead, in the tenant's time zone")).into()
    } else {
        let day = shaped(
            r"^(immediate|\d{4}-\d{2}-\d{2})$",
            "absent, `immediate` or today: now; a later day (YYYY-MM-DD): it becomes a scheduled payment",
        );
        form.may("scheduled_date", or_null(day)).into()
    }
}

fn schedule_change() -> Part {
    Form::new("One of them, or both")
        .may("scheduled_date", or_null(date("The new day")))
        .may("payment_method_id", or_null(ours("mth", "The method that pays from now on")))
        .into()
}

fn refund() -> Part {
    Form::new("Which payment goes back, and how much of it. What is said about the payment is held against the record")
        .may("tenant_id", or_null(tenant_id("The caller's own tenant")))
        .must("payment_id", text(bounds::REFERENCE_BYTES, "The payment: our id (pay_…) or the gateway's (pi_…)"))
        .may("invoice_id", or_null(invoice_id("The invoice that it paid")))
        .may("amount", amount("How much; absent: all that is left. Null is no amount"))
        .may("currency", or_null(currency()))
        .may("reason", part_or_null(named("RefundReason"), "Why"))
        .may("payment_method", part_or_null(named("PaymentMethodType"), "How it was paid"))
        .into()
}

fn resolution() -> Part {
    Form::new("What a person has found out, once nothing can be looked up any more")
        .must("outcome", one_of(&OUTCOMES, "Whether the money moved"))
        .may("gateway_reference", or_null(text(bounds::NAME_BYTES, "What was executed, by the gateway's id")))
        .must("note", text(bounds::NOTE_BYTES, "How they know"))
        .into()
}

fn invoice() -> Part {
    Form::new("An invoice to enter, as a draft")
        .may("invoice_id", or_null(invoice_id("Its id; absent: made from the Idempotency-Key, or a UUID")))
        .may("invoice_number", or_null(text(bounds::NUMBER_BYTES, "The number that is printed on it; absent: its id")))
        .must(
            "kind",
            named_as("InvoiceKind", "payable: the tenant pays a vendor; receivable: a customer pays the tenant"),
        )
        .must("counterparty", named("CounterpartyRequest"))
        .must("amount", amount("What is to be paid"))
        .must("currency", currency())
        .may("due_date", or_null(date("When it is due")))
        .may(
            "allow_duplicate",
            or_null(unless_given(
                boolean("Enter it though the counterparty's invoice of this number is entered already"),
                false,
            )),
        )
        .into()
}

fn counterparty() -> Part {
    Form::new("Who is paid, or who pays")
        .must("name", text(bounds::NAME_BYTES, "Their name"))
        .may("email", or_null(email("Their e-mail address")))
        .may("customer_id", or_null(party_id("Your id of the customer: whose methods may pay")))
        .may("vendor_id", or_null(party_id("Your id of the vendor")))
        .may("stripe_account", or_null(shaped("^acct_[A-Za-z0-9]{1,95}$", "The vendor's connected account at Stripe")))
        .may("paypal_email", or_null(email("Where PayPal pays the vendor")))
        .may("plaid_method_id", or_null(ours("mth", "The vendor's bank account, linked with Plaid")))
        .into()
}

fn gateway() -> Part {
    named_as("Gateway", "Who keeps the card or account")
}

fn method() -> Part {
    Form::new("A finished setup, or a method that the gateway already knows. Neither owner: it is the tenant's own")
        .must("gateway", gateway())
        .must(
            "reference",
            text(
                bounds::NAME_BYTES,
                "Stripe's SetupIntent (seti_…) or PaymentMethod (pm_…), PayPal's setup or payment token, Plaid's public token (public-…)",
            ),
        )
        .may("customer_id", or_null(party_id("The customer whose it is")))
        .may("vendor_id", or_null(party_id("The vendor whose it is; not with customer_id")))
        .may("default", or_null(unless_given(boolean("Make it the default of its owner; the first one always is"), false)))
        .into()
}

fn setup() -> Part {
    let url = |about: &str| or_null(text(bounds::URL_BYTES, about));
    Form::new("What its owner is to set up in their browser. Neither owner: it is the tenant's own")
        .must("gateway", gateway())
        .may(
            "kind",
            or_null(one_of(&[MethodKind::Card, MethodKind::BankAccount], "Stripe only: what is set up (a card)")),
        )
        .may("return_url", url("Where the browser comes back to, https://…: required by PayPal, not taken by Stripe"))
        .may(
            "cancel_url",
            url("Where it comes back to without consent, https://…: required by PayPal, taken by nobody else"),
        )
        .may("customer_id", or_null(party_id("The customer whose it will be")))
        .may("vendor_id", or_null(party_id("The vendor whose it will be; not with customer_id")))
        .into()
}

fn alert_resolution() -> Part {
    Form::new("What was done about the alert")
        .must("note", text(bounds::NOTE_BYTES, "What they found or did"))
        .may("count", or_null(integer(1, Some(i64::from(u32::MAX)), "The alert's `count` as it was read")))
        .into()
}

/// The form of the names in a map of amounts.
const CURRENCIES: &str = "^[A-Z]{3}$";

fn settings() -> Part {
    Form::new("All of the settings: what is absent takes its default")
        .must("name", text(bounds::NAME_BYTES, "The company's name"))
        .must("timezone", text(bounds::NAME_BYTES, "An IANA time zone, such as Europe/Paris: when its days begin"))
        .may("four_eyes", or_null(unless_given(boolean("Nobody approves what they entered"), false)))
        .may(
            "second_approval_above",
            or_null(map(
                CURRENCIES,
                Some(bounds::CURRENCIES),
                total("More than this needs two approvers"),
                "Amounts by currency; absent: one approver will do",
            )),
        )
        .may("retry_days", part_or_null(retry_days(), "On which days after its own a payment is tried again that failed for want of money; [1, 3, 7] unless given"))
        .may(
            "on_insufficient_funds",
            or_null(unless_given(
                one_of(OnInsufficientFunds::ALL, "What becomes of a payment for want of money"),
                "reschedule",
            )),
        )
        .may("alert_email", or_null(email("Who is told of alerts")))
        .may("gateways", part_or_null(named("GatewaySettingsRequest"), "Which gateways may be used"))
        .into()
}

fn retry_days() -> Part {
    let day = integer(1, Some(i64::from(bounds::RETRY_DAYS_MAX)), "Days after the payment's own");
    let days = bounded(day, 0, bounds::RETRIES, "Days");
    Schema::from(days.build()).into()
}

fn enabled() -> Object {
    or_null(unless_given(boolean("Whether it may be used"), false))
}

fn stripe() -> Part {
    let about = "Whether a vendor without a connected account may be paid into the tenant's own balance";
    Form::new("Payments by card, and vendors with an account at Stripe")
        .may("enabled", enabled())
        .may("payable_without_destination", or_null(unless_given(boolean(about), true)))
        .into()
}

fn paypal() -> Part {
    Form::new("Payments and payouts by PayPal").may("enabled", enabled()).into()
}

fn ach() -> Part {
    Form::new("Bank transfers in the US")
        .may("enabled", enabled())
        .may("provider", or_null(unless_given(one_of(AchProvider::ALL, "Who moves them where both could"), "stripe")))
        .may("own_retries", or_null(unless_given(boolean("Present a debit again that came back to Stripe"), false)))
        .may("plaid", part_or_null(named("PlaidSettingsRequest"), "What Plaid is told"))
        .into()
}

fn plaid() -> Part {
    Form::new("What Plaid is told")
        .may("ach_class", or_null(one_of(&ACH_CLASSES, "The SEC code of transfers")))
        .may("ledger_id", or_null(text(bounds::NAME_BYTES, "The ledger that vendors are paid from")))
        .into()
}

fn gateways() -> Part {
    Form::new("The gateways; what is absent is off")
        .may("stripe", part_or_null(named("StripeSettingsRequest"), "Cards, and vendors with an account at Stripe"))
        .may("paypal", part_or_null(named("PaypalSettingsRequest"), "PayPal"))
        .may("ach", part_or_null(named("AchSettingsRequest"), "Bank transfers in the US"))
        .into()
}

fn member() -> Part {
    let limit =
        or_null(integer(0, Some(MAX_AMOUNT_MINOR), "The most they may approve, in minor units; null: any amount"));
    let roles = bounded(named_as("Role", "A role"), 1, Role::ALL.len(), "What they may do: roles add up");
    Form::new("A member, as they are from now on")
        .must("roles", Schema::from(roles.build()))
        .may(
            "approval_limits",
            or_null(map(
                r"^([A-Z]{3}|\*)$",
                Some(bounds::CURRENCIES),
                limit,
                "Limits by currency. Without one nothing in it may be approved; `\"*\": null` lifts it for every other currency",
            )),
        )
        .into()
}
