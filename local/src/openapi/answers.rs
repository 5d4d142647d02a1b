//! What answers say. None has a member that is not described: every answer of the end-to-end tests is held against this.

use shared::model::alert::{AlertKind, AlertStatus, Confidence, RunAction, Severity};
use shared::model::invoice::{InvoiceStatus, Kind};
use shared::model::method::{MethodKind, MethodStatus};
use shared::model::payment::{FailureCode, Gateway, PaymentMethod, PaymentStatus};
use shared::model::refund::{Reason, RefundStatus};
use shared::model::schedule::ScheduleStatus;
use shared::model::tenant::{AchProvider, OnInsufficientFunds, Role};
use shared::policy::refusal::Code;

use utoipa::openapi::schema::Discriminator;
use utoipa::openapi::{OneOfBuilder, Schema};

use super::schema::{
    Form, Part, amount, any_object, any_text, boolean, currency, date, integer, invoice_id, list, map, named, named_as,
    one_of, or_null, ours, part_or_null, party_id, shaped, tenant_id, time, total, user_id,
};

/// Every answer by its name.
pub(super) fn all() -> Vec<(&'static str, Part)> {
    vec![
        ("Payment", payment()),
        ("NextAction", next_action()),
        (
            "StripeConfirmPayment",
            act("Stripe.js confirms the payment", "stripe_confirm_payment", "client_secret", "For Stripe.js"),
        ),
        (
            "StripeConfirmSetup",
            act("Stripe.js confirms the setup", "stripe_confirm_setup", "client_secret", "For Stripe.js"),
        ),
        (
            "PaypalApprove",
            act("The owner approves at PayPal", "paypal_approve", "approval_url", "The page to send them to"),
        ),
        (
            "PlaidLink",
            act("The owner links an account in Plaid's Link", "plaid_link", "link_token", "For Plaid's Link"),
        ),
        ("Failure", failure()),
        ("ScheduledPayment", schedule()),
        ("Refund", refund()),
        ("Invoice", invoice()),
        ("Approval", approval()),
        ("Counterparty", counterparty()),
        ("AuditEntry", entry()),
        ("AuditTrail", trail()),
        ("Method", method()),
        ("Setup", setup()),
        ("Alert", alert()),
        ("Explanation", explanation()),
        ("AgentRun", run()),
        ("Settings", settings()),
        ("GatewaySettings", gateway_settings()),
        ("StripeSettings", stripe_settings()),
        ("PaypalSettings", paypal_settings()),
        ("AchSettings", ach_settings()),
        ("PlaidSettings", plaid_settings()),
        ("Member", member()),
        ("Received", received()),
        ("Problem", problem()),
        ("FieldError", field_error()),
        ("NextTry", next_try()),
        (
            "GatewayMessage",
            Form::new("What API Gateway says by itself").must("message", any_text("A short message")).into(),
        ),
    ]
    .into_iter()
    .chain(words())
    .chain(pages())
    .collect()
}

/// The words that answers and requests share.
fn words() -> impl Iterator<Item = (&'static str, Part)> {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    [
        ("PaymentStatus", one_of(PaymentStatus::ALL, "processing: not known yet, or the banks take their days; requires_action: the customer must confirm or approve; returned: the bank or the vendor gave it back")),
        ("PaymentMethodType", one_of(PaymentMethod::ALL, "stripe: a card at Stripe; ach: a US bank account; paypal: a PayPal account or a card in PayPal's vault")),
        ("FailureCode", one_of(FailureCode::ALL, "Why a payment or refund failed; the gateway's own code is not told")),
        ("ScheduleStatus", one_of(ScheduleStatus::ALL, "executing lasts until its payment is final")),
        ("RefundStatus", one_of(RefundStatus::ALL, "processing: the gateway has not confirmed it yet")),
        ("RefundReason", one_of(Reason::ALL, "Why money goes back")),
        ("InvoiceStatus", one_of(InvoiceStatus::ALL, "paying: a payment of it is under way; scheduled: one is promised")),
        ("InvoiceKind", one_of(Kind::ALL, "payable: the tenant pays a vendor; receivable: a customer pays the tenant")),
        ("Gateway", one_of(Gateway::ALL, "Who keeps the card or account, and moves the money")),
        ("MethodKind", one_of(MethodKind::ALL, "What a payment method is")),
        ("MethodStatus", one_of(MethodStatus::ALL, "expiring: a card in its last month; inactive: detached, expired or closed; blocked: its owner did not authorize a debit")),
        ("AlertKind", one_of(AlertKind::ALL, "What an alert is about; the runbook has a line for each")),
        ("AlertSeverity", one_of(Severity::ALL, "How urgent it is")),
        ("AlertStatus", one_of(AlertStatus::ALL, "resolved: somebody has dealt with it")),
        ("Confidence", one_of(Confidence::ALL, "How sure a model is, by its own account")),
        ("RunAction", one_of(RunAction::ALL, "What an execution was for")),
        ("Role", one_of(Role::ALL, "What a member may do; roles add up")),
        ("AchProvider", one_of(AchProvider::ALL, "Who moves bank payments where both could")),
        ("OnInsufficientFunds", one_of(OnInsufficientFunds::ALL, "What becomes of a payment for want of money")),
        ("ErrorCode", one_of(&codes, "A stable word to branch on")),
    ]
    .map(|(name, words)| (name, words.into()))
    .into_iter()
}

/// The lists, by what they list.
fn pages() -> impl Iterator<Item = (&'static str, Part)> {
    [
        ("Payments", "Payment"),
        ("ScheduledPayments", "ScheduledPayment"),
        ("Refunds", "Refund"),
        ("Invoices", "Invoice"),
        ("Methods", "Method"),
        ("Alerts", "Alert"),
        ("AgentRuns", "AgentRun"),
        ("AuditEntries", "AuditEntry"),
        ("Members", "Member"),
    ]
    .map(|(name, of)| {
        let form = Form::new("A page of a list, newest first. With a filter it may be empty and yet not the last")
            .must("items", list(named(of), "What is on it"))
            .must("cursor", or_null(any_text("What asks for the next page; null at the end")));
        (name, form.into())
    })
    .into_iter()
}

fn payment() -> Part {
    Form::new("One attempt to pay one invoice: the confirmation, once it is paid")
        .must("success", boolean("The money moved, and was not taken back"))
        .must("id", ours("pay", "Our id"))
        .must("invoice_id", invoice_id("What it pays"))
        .must("payment_id", or_null(any_text("The gateway's id; null until it is known, then it never changes")))
        .must("amount", amount("What is paid"))
        .must("currency", currency())
        .must(
            "status",
            named_as(
                "PaymentStatus",
                "processing: nobody knows yet, or the banks take their days; requires_action: the customer must act",
            ),
        )
        .must("paid_at", or_null(time("When the gateway had paid")))
        .must("payment_method", named_as("PaymentMethodType", "How"))
        .must("payment_method_id", or_null(ours("mth", "With which method; null where none is needed")))
        .must("approved_by", list(user_id("A member"), "Whose approval it rests on"))
        .must("created_at", time("When it was reserved"))
        .must("confirmation_number", shaped("^PSL-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$", "For people"))
        .must("refundable", total("What can still be refunded"))
        .must("refunded", total("What went back"))
        .must("disputed", boolean("The customer disputes it at the gateway"))
        .may("destination", one_of(&["own_balance"], "There when it went to the tenant's own balance"))
        .may("expected_settlement_date", date("When the banks should be done; for bank payments"))
        .may("failure", named("Failure"))
        .may("next_action", named("NextAction"))
        .into()
}

fn failure() -> Part {
    Form::new("Why it failed")
        .must("code", named_as("FailureCode", "In a word; the gateway's own code is not told"))
        .into()
}

/// By its `type`, one form each.
fn next_action() -> Part {
    let kinds = ["StripeConfirmPayment", "StripeConfirmSetup", "PaypalApprove", "PlaidLink"];
    let words = ["stripe_confirm_payment", "stripe_confirm_setup", "paypal_approve", "plaid_link"];
    let places = kinds.map(|kind| format!("#/components/schemas/{kind}"));
    let by_type = Discriminator::with_mapping("type", words.into_iter().zip(places));
    let one = kinds.into_iter().fold(OneOfBuilder::new(), |one, kind| one.item(named(kind)));
    let about = "What the owner of the method does next, in their browser";
    Schema::from(one.discriminator(Some(by_type)).description(Some(about)).build()).into()
}

fn act(about: &str, word: &str, member: &str, what: &str) -> Part {
    Form::new(about)
        .must("type", one_of(&[word], "With which library or page"))
        .must(member, any_text(what))
        .must("expires_at", or_null(time("Until when, where that is known")))
        .into()
}

fn schedule() -> Part {
    Form::new("A payment that is promised for a date")
        .must("id", ours("sch", "Its id"))
        .must("invoice_id", invoice_id("What it will pay"))
        .must("status", named_as("ScheduleStatus", "executing lasts until its payment is final"))
        .must("scheduled_date", date("The day, in the tenant's time zone"))
        .must("due_at", time("That day's beginning, or when it is tried next"))
        .must("amount", amount("What will be paid"))
        .must("currency", currency())
        .must("payment_method", named_as("PaymentMethodType", "How"))
        .must("payment_method_id", or_null(ours("mth", "With which method; null: the default of that day")))
        .must("approved_by", list(user_id("A member"), "Whose approval it rests on"))
        .must("payments", list(ours("pay", "A payment"), "The attempts so far"))
        .must("created_by", user_id("Who promised it"))
        .must("created_at", time("When it was promised"))
        .may("failure", named_as("Failure", "Why the last attempt failed"))
        .into()
}

fn refund() -> Part {
    Form::new("Money of one payment that goes back")
        .must("id", ours("ref", "Our id"))
        .must("payment_id", ours("pay", "The payment, by our id"))
        .must("gateway_payment_id", any_text("The payment, by the gateway's id"))
        .must("invoice_id", invoice_id("The invoice that it paid"))
        .must("amount", amount("What goes back"))
        .must("currency", currency())
        .must("status", named_as("RefundStatus", "Where it stands"))
        .must("gateway_refund_id", or_null(any_text("The gateway's id; null until it is known")))
        .must("reason", part_or_null(named("RefundReason"), "Why, where somebody has said so"))
        .must("external", boolean("It was made at the gateway, not by us"))
        .must("created_by", user_id("Who asked for it"))
        .must("created_at", time("When it was reserved"))
        .may("failure", named("Failure"))
        .into()
}

fn invoice() -> Part {
    Form::new("What is to be paid, or was")
        .must("invoice_id", invoice_id("Its id"))
        .must("invoice_number", any_text("Its number"))
        .must("kind", named_as("InvoiceKind", "Who pays whom"))
        .must("counterparty", named("Counterparty"))
        .must("amount", amount("What is to be paid"))
        .must("currency", currency())
        .must("due_date", or_null(date("When it is due")))
        .must("description", or_null(any_text("What it is for, where a payment made it")))
        .must("status", named_as("InvoiceStatus", "Where it stands"))
        .must("disputed", boolean("Its payment is disputed"))
        .must("approvals", list(named("Approval"), "Who approved it"))
        .must("created_by", user_id("Who entered it"))
        .must("created_at", time("When"))
        .must("current_payment", or_null(ours("pay", "The payment that is running, or that paid it")))
        .must("payments", list(ours("pay", "A payment"), "All attempts"))
        .must("schedule_id", or_null(ours("sch", "The scheduled payment that will pay it")))
        .must("version", integer(1, None, "How often it changed; the number of its last audit entry"))
        .into()
}

fn approval() -> Part {
    Form::new("An approval").must("user_id", user_id("By whom")).must("at", time("When")).into()
}

fn counterparty() -> Part {
    Form::new("Who is paid, or who pays")
        .must("name", any_text("Their name"))
        .may("email", any_text("Their e-mail address"))
        .may("customer_id", party_id("Your id of the customer"))
        .may("vendor_id", party_id("Your id of the vendor"))
        .may("stripe_account", any_text("Their connected account at Stripe"))
        .may("paypal_email", any_text("Where PayPal pays them"))
        .may("plaid_method_id", ours("mth", "Their linked bank account"))
        .into()
}

fn hash() -> utoipa::openapi::Object {
    shaped(
        "^[0-9a-f]{64}$",
        "SHA-256, in hex, over the previous entry's hash (64 zeros before the first) followed by `record`",
    )
}

fn entry() -> Part {
    Form::new("One change, and who brought it about")
        .must("tenant_id", tenant_id("The tenant"))
        .must("user_id", any_text("Who; `system:…` for what nobody asked for"))
        .must("action", any_text("What was done"))
        .must("entity_type", any_text("To what kind of thing: invoice, tenant, method, alert, requests"))
        .must("entity_id", any_text("To which"))
        .must("seq", integer(1, None, "Its number in the trail of that thing"))
        .must("changes", any_object("Names with their values before and after"))
        .must("at", time("When"))
        .must("request_id", any_text("The invocation, for its log lines"))
        .must("record", any_text("The exact text that is hashed: all of the above"))
        .must("hash", hash())
        .into()
}

fn trail() -> Part {
    Form::new("The trail of an invoice and of all that belongs to it")
        .must("entries", list(named("AuditEntry"), "Oldest first"))
        .must("intact", boolean("Nothing is missing, edited or put over another"))
        .into()
}

fn owner() -> utoipa::openapi::Object {
    shaped("^(tenant|(customer|vendor):[A-Za-z0-9._@:-]{1,64})$", "Whose it is")
}

fn method() -> Part {
    Form::new("A card, bank account or PayPal account, which the gateway keeps")
        .must("id", ours("mth", "Its id"))
        .must("gateway", named_as("Gateway", "Who keeps it"))
        .must("kind", named_as("MethodKind", "What it is"))
        .must("owner", owner())
        .must("brand", or_null(any_text("The card's brand, the bank's name, or a masked address")))
        .must("last4", or_null(any_text("The last digits")))
        .must("exp_month", or_null(integer(1, Some(12), "The month in which the card expires; null for others")))
        .must("exp_year", or_null(integer(2000, None, "The year in which the card expires; null for others")))
        .must(
            "status",
            named_as(
                "MethodStatus",
                "inactive: detached, ended or closed; blocked: its owner did not authorize a debit",
            ),
        )
        .must("default", boolean("It pays where none is named"))
        .must("created_at", time("When it was added"))
        .may("detached_at_gateway", boolean("In the answer to detaching it: the gateway has let it go too"))
        .into()
}

fn setup() -> Part {
    Form::new("A setup that waits for its owner. Nothing is in the books until it is finished by POST /payment-methods")
        .must("gateway", named_as("Gateway", "With whom"))
        .must("owner", owner())
        .must(
            "reference",
            or_null(any_text("What it is finished by; null at Plaid, which gives the browser a public token")),
        )
        .must("next_action", part_or_null(named("NextAction"), "What its owner does next"))
        .into()
}

fn explanation() -> Part {
    Form::new("What a language model makes of it, where the owner has turned that on. Nothing follows from it")
        .must("suggestion", boolean("Always true: a model's guess, for people"))
        .must("summary", any_text("What happened"))
        .must("likely_cause", any_text("Why, probably"))
        .must("suggested_action", any_text("What to do"))
        .must("confidence", named_as("Confidence", "How sure it is"))
        .must("count", integer(1, None, "How often the alert had been raised then: it may have been raised since"))
        .must("model", any_text("Which model"))
        .must("at", time("When"))
        .into()
}

fn alert() -> Part {
    Form::new("Something that a person should look at")
        .must("id", ours("alr", "Its id"))
        .must("kind", named_as("AlertKind", "What it is about"))
        .must("severity", named_as("AlertSeverity", "How much it matters"))
        .must("status", named_as("AlertStatus", "Whether it waits for somebody"))
        .may("invoice_id", invoice_id("The invoice"))
        .may("payment_id", ours("pay", "The payment"))
        .may("schedule_id", ours("sch", "The scheduled payment"))
        .may("method_id", ours("mth", "The method"))
        .must("message", any_text("What happened"))
        .must("next_action", any_text("What to do"))
        .must("count", integer(1, None, "How often it was raised"))
        .must("first_seen", time("The first time"))
        .must("last_seen", time("The last time"))
        .may("explanation", named("Explanation"))
        .may("resolved_by", user_id("Who dealt with it"))
        .may("resolved_at", time("When"))
        .may("note", any_text("What they found or did"))
        .into()
}

fn run() -> Part {
    Form::new("An execution that failed or was abnormal")
        .must("id", any_text("Its id, in the order of time"))
        .must("action", named_as("RunAction", "What it was for"))
        .must("user_id", any_text("In whose name"))
        .must("request_id", any_text("The invocation, for its log lines"))
        .must("invoice_id", invoice_id("The invoice"))
        .must("payment_id", ours("pay", "The payment"))
        .may("refund_id", ours("ref", "The refund"))
        .must("error_class", any_text("What went wrong, in a word"))
        .may("gateway_code", any_text("What the gateway called it"))
        .must("attempts", integer(0, None, "How often it was sent"))
        .must("duration_ms", integer(0, None, "How long it took, in milliseconds"))
        .must("at", time("When"))
        .into()
}

/// Of a gateway's switch.
const ENABLED: &str = "Whether it may be used";

fn stripe_settings() -> Part {
    let about = "Whether a vendor without a connected account may be paid into the tenant's own balance";
    Form::new("Payments by card, and vendors with an account at Stripe")
        .must("enabled", boolean(ENABLED))
        .must("payable_without_destination", boolean(about))
        .into()
}

fn paypal_settings() -> Part {
    Form::new("Payments and payouts by PayPal").must("enabled", boolean(ENABLED)).into()
}

fn ach_settings() -> Part {
    Form::new("Bank transfers in the US")
        .must("enabled", boolean(ENABLED))
        .must("provider", named("AchProvider"))
        .must("own_retries", boolean("Present a debit again that came back to Stripe"))
        .may("plaid", named("PlaidSettings"))
        .into()
}

fn plaid_settings() -> Part {
    Form::new("What Plaid is told")
        .may("ach_class", any_text("The SEC code of transfers"))
        .may("ledger_id", any_text("The ledger that vendors are paid from"))
        .into()
}

fn gateway_settings() -> Part {
    Form::new("The gateways; what is absent is off")
        .may("stripe", named("StripeSettings"))
        .may("paypal", named("PaypalSettings"))
        .may("ach", named("AchSettings"))
        .into()
}

fn settings() -> Part {
    Form::new("A tenant's settings")
        .must("tenant_id", tenant_id("The tenant"))
        .must("name", any_text("The company's name"))
        .must("timezone", any_text("When its days begin"))
        .must("four_eyes", boolean("Nobody approves what they entered"))
        .must(
            "second_approval_above",
            map("^[A-Z]{3}$", None, total("More than this needs two approvers"), "Amounts by currency"),
        )
        .must(
            "retry_days",
            list(integer(1, None, "Days"), "When a payment is tried again that failed for want of money"),
        )
        .must("on_insufficient_funds", named_as("OnInsufficientFunds", "What becomes of one for want of money"))
        .must("alert_email", or_null(any_text("Who is told of alerts")))
        .must("gateways", named("GatewaySettings"))
        .must("version", integer(0, None, "How often settings and members changed"))
        .into()
}

fn member() -> Part {
    let limit = or_null(integer(0, None, "In minor units; null: any amount"));
    Form::new("A user of a tenant")
        .must("user_id", user_id("As the issuer of tokens names them"))
        .must("roles", list(named_as("Role", "A role"), "What they may do: roles add up"))
        .must("approval_limits", map(r"^([A-Z]{3}|\*)$", None, limit, "What they may approve, by currency"))
        .must("created_at", time("When they were first added"))
        .into()
}

fn received() -> Part {
    Form::new("What became of an event")
        .must(
            "status",
            one_of(&["done", "seen", "ignored"], "seen: it had come before; ignored: it is not about anything of ours"),
        )
        .into()
}

fn field_error() -> Part {
    Form::new("One thing that is wrong")
        .must("field", or_null(any_text("The field, where it is about one: `counterparty.name`")))
        .must("code", named("ErrorCode"))
        .must("detail", any_text("What is wrong and what to do"))
        .into()
}

fn next_try() -> Part {
    Form::new("The scheduled payment that goes on where this one failed")
        .must("id", ours("sch", "Its id"))
        .must("scheduled_date", date("When it is tried next"))
        .must("due_at", time("When exactly"))
        .must("status", named("ScheduleStatus"))
        .into()
}

fn problem() -> Part {
    Form::new("Why a request was not done (RFC 9457)")
        .must("type", shaped("^urn:passerelle:problem:[a-z_]+$", "The code as a URN"))
        .must("title", any_text("The code for people"))
        .must("status", integer(400, Some(599), "The HTTP status"))
        .must("detail", any_text("What is wrong and what to do"))
        .must("code", named_as("ErrorCode", "The first of `errors`, which decides the status"))
        .must("request_id", any_text("Finds the log lines"))
        .must("errors", list(named("FieldError"), "All that is wrong"))
        .may("payment", named_as("Payment", "The payment that was declined"))
        .may("scheduled_payment", named("NextTry"))
        .may("refund", named_as("Refund", "The refund that failed"))
        .may("payment_id", ours("pay", "The payment in the way"))
        .may("schedule_id", ours("sch", "The scheduled payment in the way"))
        .may("invoice_id", invoice_id("The invoice in the way"))
        .may("remaining", total("What is left to refund"))
        .may(
            "presentments",
            integer(0, None, "How often the debit was presented to the bank; Nacha allows three times"),
        )
        .may("count", integer(1, None, "How often the alert was raised by now"))
        .may("payment_status", named_as("PaymentStatus", "Where the payment stands"))
        .may("refund_status", named_as("RefundStatus", "Where the refund stands"))
        .may("schedule_status", named_as("ScheduleStatus", "Where the scheduled payment stands"))
        .into()
}
