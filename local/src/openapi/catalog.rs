//! Every operation, and the codes that it may be refused with. A test holds it against the functions' routes; every
//! answer of the end-to-end tests holds the statuses and codes.

use shared::bounds;
use shared::policy::refusal::Code;
use shared::policy::roles::Permission;
use utoipa::openapi::HttpMethod::{Delete, Get, Patch, Post, Put};
use utoipa::openapi::Required::{False, True};

use super::operation::Operation;
use super::schema::{any_text, date, invoice_id, named_as, ours, party_id, tenant_id, text, user_id};

/// What a payment may be refused for before anything moves.
const OF_PAYMENTS: [Code; 31] = [
    Code::IdempotencyKeyRequired,
    Code::TenantMismatch,
    Code::ApproverNotPermitted,
    Code::ApprovalLimitExceeded,
    Code::FourEyes,
    Code::TenantNotFound,
    Code::InvoiceNotFound,
    Code::InvoiceNotApproved,
    Code::InvoicePaid,
    Code::InvoiceBeingPaid,
    Code::InvoiceScheduled,
    Code::InvoiceRefunded,
    Code::InvoiceVoid,
    Code::SecondApprovalRequired,
    Code::PresentmentLimit,
    Code::AmountMismatch,
    Code::CurrencyMismatch,
    Code::AmountOutOfRange,
    Code::GatewayNotConfigured,
    Code::PaymentMethodRequired,
    Code::PaymentMethodInactive,
    Code::PaymentMethodBlocked,
    Code::PaymentMethodMismatch,
    Code::CounterpartyAccountRequired,
    Code::ScheduledDateTooFar,
    Code::ScheduledDatePast,
    Code::InsufficientFunds,
    Code::PaymentMethodInvalid,
    Code::Declined,
    Code::GatewayUnavailable,
    Code::Busy,
];

/// Every operation, in the order of the document.
pub(super) fn all() -> Vec<Operation> {
    let groups = [payments(), schedules(), refunds(), invoices(), methods(), review(), settings(), webhooks()];
    groups.into_iter().flatten().collect()
}

fn payments() -> Vec<Operation> {
    let id = || text(bounds::REFERENCE_BYTES, "Our id (pay_…) or the gateway's");
    vec![
        Operation::new(Post, "/payments", "create_payment", "Payments", "Pay an invoice, now or on a date")
            .about("`201` paid; `202` not yet known, the customer must act (`next_action`), or promised for a later `scheduled_date`; `402` declined: nothing was taken; `502 gateway_unavailable`: certainly not executed. After either of them the payment is over, and the same key is answered the same: pay its invoice (`payment.invoice_id`) again with a new one. Everything that stands against it is in `errors` at once, and nothing has moved then.")
            .needs(Permission::PaymentsCreate)
            .keyed(False, "Required without `invoice_id`. The same request again is answered as its payment stands; another request under the same key is refused.")
            .takes("PayRequest")
            .gives(201, "Paid", "Payment")
            .gives(200, "Final, and the answer to a request that was made before", "PaymentOrSchedule")
            .gives(202, "Not final yet, or promised for a date", "PaymentOrSchedule")
            .fails(&OF_PAYMENTS)
            .fails(&[Code::Paused]),
        Operation::new(Get, "/payments", "list_payments", "Payments", "List payments")
            .needs(Permission::PaymentsRead)
            .asks("invoice_id", False, invoice_id("Those of one invoice"))
            .asks("status", False, named_as("PaymentStatus", "Those in this status"))
            .pages()
            .gives(200, "A page", "Payments"),
        Operation::new(Get, "/payments/{id}", "read_payment", "Payments", "Read a payment")
            .about("One whose outcome is not known is looked up at the gateway first.")
            .needs(Permission::PaymentsRead)
            .at("id", id())
            .gives(200, "The payment as it stands", "Payment")
            .fails(&[Code::PaymentNotFound]),
        Operation::new(Post, "/payments/{id}/cancel", "cancel_payment", "Payments", "Cancel a payment at its gateway")
            .about("What a customer has not confirmed, a bank debit under way, a payout that nobody has claimed. It is `canceled` only when the gateway confirms.")
            .needs(Permission::PaymentsRefund)
            .at("id", id())
            .takes_nothing()
            .gives(200, "Canceled", "Payment")
            .gives(202, "Asked for; the gateway has not confirmed it yet", "Payment")
            .fails(&[Code::PaymentNotFound, Code::NotCancelable, Code::Busy]),
        Operation::new(Post, "/payments/{id}/resolve", "resolve_payment", "Payments", "Say what became of a payment")
            .about("A person's word, once look-up has found nothing past the lifetime of the gateway's key. Under four eyes not by who created it.")
            .needs(Permission::PaymentsResolve)
            .at("id", id())
            .takes("Resolution")
            .gives(200, "As was said", "Payment")
            .gives(202, "Not final yet", "Payment")
            .fails(&[Code::PaymentNotFound, Code::NotResolvable, Code::PaymentMismatch, Code::FourEyes, Code::Busy]),
    ]
}

fn schedules() -> Vec<Operation> {
    let id = || ours("sch", "Its id");
    vec![
        Operation::new(
            Post,
            "/scheduled-payments",
            "schedule_payment",
            "Scheduled payments",
            "Promise a payment for a date",
        )
        .about("Today is taken too: it is paid by the next run of the executor.")
        .needs(Permission::PaymentsCreate)
        .keyed(False, "Required without `invoice_id`.")
        .takes("ScheduleRequest")
        .gives(202, "Promised, and open", "PaymentOrSchedule")
        .gives(200, "Over, and the answer to a request that was made before", "PaymentOrSchedule")
        .fails(&OF_PAYMENTS),
        Operation::new(
            Get,
            "/scheduled-payments",
            "list_scheduled_payments",
            "Scheduled payments",
            "List scheduled payments",
        )
        .needs(Permission::PaymentsRead)
        .asks("status", False, named_as("ScheduleStatus", "Those in this status"))
        .pages()
        .gives(200, "A page", "ScheduledPayments"),
        Operation::new(
            Get,
            "/scheduled-payments/{id}",
            "read_scheduled_payment",
            "Scheduled payments",
            "Read a scheduled payment",
        )
        .needs(Permission::PaymentsRead)
        .at("id", id())
        .gives(200, "The scheduled payment", "ScheduledPayment")
        .fails(&[Code::ScheduledPaymentNotFound]),
        Operation::new(
            Patch,
            "/scheduled-payments/{id}",
            "change_scheduled_payment",
            "Scheduled payments",
            "Change its date or method",
        )
        .about("A new date takes it back to `pending`; a named method wakes one that waits for one.")
        .needs(Permission::PaymentsCreate)
        .at("id", id())
        .takes("ScheduleChange")
        .gives(200, "As it is now", "ScheduledPayment")
        .fails(&[
            Code::ScheduledPaymentNotFound,
            Code::TenantNotFound,
            Code::ScheduleExecuting,
            Code::ScheduleClosed,
            Code::ScheduledDateTooFar,
            Code::ScheduledDatePast,
            Code::PaymentMethodRequired,
            Code::PaymentMethodInactive,
            Code::PaymentMethodBlocked,
            Code::PaymentMethodMismatch,
            Code::Busy,
        ]),
        Operation::new(
            Delete,
            "/scheduled-payments/{id}",
            "cancel_scheduled_payment",
            "Scheduled payments",
            "Call it off",
        )
        .needs(Permission::PaymentsCreate)
        .at("id", id())
        .takes_nothing()
        .gives(200, "Canceled", "ScheduledPayment")
        .fails(&[
            Code::ScheduledPaymentNotFound,
            Code::TenantNotFound,
            Code::ScheduleExecuting,
            Code::ScheduleClosed,
            Code::Busy,
        ]),
    ]
}

fn refunds() -> Vec<Operation> {
    let id = || text(bounds::REFERENCE_BYTES, "Our id (ref_…) or the gateway's");
    vec![
        Operation::new(Post, "/refunds", "create_refund", "Refunds", "Refund a payment, in part or all that is left")
            .about("`201` succeeded; `202` processing. What is claimed about the payment is held against the record. After `402` and `502` it is over: again with a new key. A refund above the caller's approval limit is refused.")
            .needs(Permission::PaymentsRefund)
            .keyed(True, "Without one a retry could be a second refund.")
            .takes("RefundRequest")
            .gives(201, "The money went back", "Refund")
            .gives(200, "Final, and the answer to a request that was made before", "Refund")
            .gives(202, "Not final yet", "Refund")
            .fails(&[
                Code::IdempotencyKeyRequired,
                Code::TenantMismatch,
                Code::ApprovalLimitExceeded,
                Code::PaymentNotFound,
                Code::NotRefundable,
                Code::RefundExceedsRemaining,
                Code::PaymentMismatch,
                Code::CurrencyMismatch,
                Code::AmountOutOfRange,
                Code::InsufficientFunds,
                Code::Declined,
                Code::GatewayUnavailable,
                Code::Paused,
                Code::Busy,
            ]),
        Operation::new(Get, "/refunds", "list_refunds", "Refunds", "List refunds")
            .needs(Permission::PaymentsRead)
            .asks("payment_id", False, text(bounds::REFERENCE_BYTES, "Those of one payment, by our id or the gateway's"))
            .pages()
            .gives(200, "A page", "Refunds")
            .fails(&[Code::PaymentNotFound]),
        Operation::new(Get, "/refunds/{id}", "read_refund", "Refunds", "Read a refund")
            .about("One whose outcome is not known is looked up at the gateway first.")
            .needs(Permission::PaymentsRead)
            .at("id", id())
            .gives(200, "The refund as it stands", "Refund")
            .fails(&[Code::RefundNotFound]),
        Operation::new(Post, "/refunds/{id}/cancel", "cancel_refund", "Refunds", "Cancel a refund at its gateway")
            .needs(Permission::PaymentsRefund)
            .at("id", id())
            .takes_nothing()
            .gives(200, "Canceled", "Refund")
            .gives(202, "Asked for; the gateway has not confirmed it yet", "Refund")
            .fails(&[Code::RefundNotFound, Code::NotCancelable, Code::Busy]),
        Operation::new(Post, "/refunds/{id}/resolve", "resolve_refund", "Refunds", "Say what became of a refund")
            .about("A person's word, once look-up has found nothing past the lifetime of the gateway's key. Under four eyes not by who created it.")
            .needs(Permission::PaymentsResolve)
            .at("id", id())
            .takes("Resolution")
            .gives(200, "As was said", "Refund")
            .gives(202, "Not final yet", "Refund")
            .fails(&[Code::RefundNotFound, Code::NotResolvable, Code::PaymentMismatch, Code::FourEyes, Code::Busy]),
    ]
}

fn invoices() -> Vec<Operation> {
    let id = || invoice_id("Its id");
    vec![
        Operation::new(Post, "/invoices", "create_invoice", "Invoices", "Enter an invoice, as a draft")
            .about("Its id is the record: the same body again is answered `200`.")
            .needs(Permission::InvoicesWrite)
            .keyed(False, "The invoice's id is made from it where none is given.")
            .takes("InvoiceRequest")
            .gives(201, "Entered", "Invoice")
            .gives(200, "The same request had entered it before", "Invoice")
            .fails(&[Code::InvoiceExists, Code::DuplicateInvoice, Code::Busy]),
        Operation::new(Get, "/invoices", "list_invoices", "Invoices", "List invoices")
            .needs(Permission::InvoicesRead)
            .asks("number", False, text(bounds::NAME_BYTES, "Those with this number"))
            .asks("status", False, named_as("InvoiceStatus", "Those in this status"))
            .pages()
            .gives(200, "A page", "Invoices"),
        Operation::new(Get, "/invoices/{id}", "read_invoice", "Invoices", "Read an invoice")
            .needs(Permission::InvoicesRead)
            .at("id", id())
            .gives(200, "The invoice", "Invoice")
            .fails(&[Code::InvoiceNotFound]),
        Operation::new(Post, "/invoices/{id}/approve", "approve_invoice", "Invoices", "Approve an invoice")
            .needs(Permission::InvoicesApprove)
            .at("id", id())
            .takes_nothing()
            .gives(200, "Approved", "Invoice")
            .gives(202, "One of two approvals: it is a draft until somebody else approves it too", "Invoice")
            .fails(&[
                Code::InvoiceNotFound,
                Code::TenantNotFound,
                Code::ApprovalLimitExceeded,
                Code::FourEyes,
                Code::InvoiceApproved,
                Code::InvoicePaid,
                Code::InvoiceBeingPaid,
                Code::InvoiceScheduled,
                Code::InvoiceRefunded,
                Code::InvoiceVoid,
                Code::Busy,
            ]),
        Operation::new(
            Post,
            "/invoices/{id}/void",
            "void_invoice",
            "Invoices",
            "Void an invoice that nothing was paid on",
        )
        .about("Its scheduled payment is called off with it, and its number is free again.")
        .needs(Permission::InvoicesApprove)
        .at("id", id())
        .takes_nothing()
        .gives(200, "Void", "Invoice")
        .fails(&[
            Code::InvoiceNotFound,
            Code::TenantNotFound,
            Code::InvoicePaid,
            Code::InvoiceBeingPaid,
            Code::InvoiceRefunded,
            Code::Busy,
        ]),
        Operation::new(Get, "/invoices/{id}/audit", "read_invoice_audit", "Invoices", "Read its audit trail")
            .about("The chain of hashes is computed anew.")
            .needs(Permission::AuditRead)
            .at("id", id())
            .gives(200, "The trail", "AuditTrail")
            .fails(&[Code::InvoiceNotFound, Code::Busy]),
    ]
}

fn methods() -> Vec<Operation> {
    let id = || ours("mth", "Its id");
    vec![
        Operation::new(Post, "/payment-methods/setup", "begin_method_setup", "Payment methods", "Begin the setup of a method")
            .about("Its owner goes on in their browser, with the gateway: no number comes here.")
            .needs(Permission::MethodsWrite)
            .takes("SetupRequest")
            .gives(201, "Begun", "Setup")
            .fails(&[Code::GatewayNotConfigured, Code::GatewayUnavailable, Code::Busy]),
        Operation::new(Post, "/payment-methods", "add_method", "Payment methods", "Add a method by its reference")
            .about("It is read back from the gateway. The first of an owner and kind of payment is the default. Added twice, it is the same.")
            .needs(Permission::MethodsWrite)
            .takes("MethodRequest")
            .gives(201, "Added", "Method")
            .fails(&[Code::GatewayNotConfigured, Code::ReferenceInvalid, Code::PaymentMethodBlocked, Code::GatewayUnavailable, Code::Busy]),
        Operation::new(Get, "/payment-methods", "list_methods", "Payment methods", "List methods")
            .needs(Permission::MethodsRead)
            .asks("customer_id", False, party_id("Those of a customer"))
            .asks("vendor_id", False, party_id("Those of a vendor; not with customer_id"))
            .pages()
            .gives(200, "A page", "Methods"),
        Operation::new(Post, "/payment-methods/{id}/default", "set_default_method", "Payment methods", "Make a method the default")
            .about("Scheduled payments that wait for a method of its owner go on with it.")
            .needs(Permission::MethodsWrite)
            .at("id", id())
            .takes_nothing()
            .gives(200, "The default", "Method")
            .fails(&[Code::PaymentMethodNotFound, Code::PaymentMethodInactive, Code::Busy]),
        Operation::new(Delete, "/payment-methods/{id}", "detach_method", "Payment methods", "Detach a method")
            .about("The gateway lets it go, and it is `inactive` here. Detaching it again does nothing more.")
            .needs(Permission::MethodsWrite)
            .at("id", id())
            .takes_nothing()
            .gives(200, "As it is now", "Method")
            .fails(&[Code::PaymentMethodNotFound, Code::GatewayNotConfigured, Code::GatewayUnavailable, Code::Busy]),
    ]
}

fn review() -> Vec<Operation> {
    vec![
        Operation::new(Get, "/alerts", "list_alerts", "Review", "List what waits for a person")
            .about("The last occurrence first.")
            .needs(Permission::AlertsRead)
            .asks("status", False, named_as("AlertStatus", "open unless the resolved ones are asked for"))
            .pages()
            .gives(200, "A page", "Alerts"),
        Operation::new(Post, "/alerts/{id}/resolve", "resolve_alert", "Review", "Resolve an alert")
            .about("`409 alert_changed`: it was raised again since that `count` was read.")
            .needs(Permission::AlertsWrite)
            .at("id", ours("alr", "Its id"))
            .takes("AlertResolution")
            .gives(200, "Resolved", "Alert")
            .fails(&[Code::AlertNotFound, Code::AlertChanged, Code::Busy]),
        Operation::new(Get, "/audit", "list_audit_entries", "Review", "Read the tenant's whole trail of a day")
            .about("Refused attempts to move money are in it too.")
            .needs(Permission::AuditRead)
            .asks("day", True, date("The day, in UTC"))
            .pages()
            .gives(200, "A page", "AuditEntries")
            .fails(&[Code::MissingField]),
        Operation::new(Get, "/agent-runs", "list_agent_runs", "Review", "List executions that failed or were abnormal")
            .needs(Permission::AuditRead)
            .asks("payment_id", False, ours("pay", "Those for one payment"))
            .pages()
            .gives(200, "A page", "AgentRuns"),
    ]
}

fn settings() -> Vec<Operation> {
    let user = || user_id("The user");
    vec![
        Operation::new(Get, "/tenant", "read_tenant", "Settings", "Read the settings")
            .needs(Permission::SettingsWrite)
            .gives(200, "The settings", "Settings")
            .fails(&[Code::TenantNotFound]),
        Operation::new(Put, "/tenant", "put_tenant", "Settings", "Replace the settings")
            .about("An operator (scope `passerelle/operator`) makes the tenant of the token, once. `409 locks_out`: nobody could approve any more.")
            .needs(Permission::SettingsWrite)
            .takes("SettingsRequest")
            .gives(200, "The settings as they are now", "Settings")
            .fails(&[Code::LocksOut, Code::Busy]),
        Operation::new(Get, "/members", "list_members", "Settings", "List members")
            .needs(Permission::SettingsWrite)
            .pages()
            .gives(200, "A page", "Members"),
        Operation::new(Put, "/members/{user_id}", "put_member", "Settings", "Add a member, or replace their roles and limits")
            .about("An operator adds the first admin, and nobody else. Names that begin with `system:` are the system's own.")
            .needs(Permission::SettingsWrite)
            .at("user_id", user())
            .takes("MemberRequest")
            .gives(200, "The member as they are now", "Member")
            .fails(&[Code::TenantNotFound, Code::LocksOut, Code::Busy]),
        Operation::new(Delete, "/members/{user_id}", "remove_member", "Settings", "Remove a member")
            .needs(Permission::SettingsWrite)
            .at("user_id", user())
            .takes_nothing()
            .gives_nothing(204, "Removed")
            .fails(&[Code::MemberNotFound, Code::TenantNotFound, Code::LocksOut, Code::Busy]),
    ]
}

fn webhooks() -> Vec<Operation> {
    let of = |path, id, summary| {
        Operation::new(Post, path, id, "Webhooks", summary)
            .about("On the function URL. The tenant counts once one of that tenant's secrets has signed the body. `500`: to be delivered again. Unknown events are taken and ignored.")
            .signed()
            .at("tenant_id", tenant_id("The tenant"))
            .takes("Event")
            .gives(200, "Taken", "Received")
    };
    let failing = |operation: Operation| {
        operation.failing(&[
            Code::SignatureInvalid,
            Code::InvalidJson,
            Code::BodyTooLarge,
            Code::Internal,
            Code::NotFound,
            Code::MethodNotAllowed,
        ])
    };
    let paypal = [
        "Paypal-Transmission-Id",
        "Paypal-Transmission-Time",
        "Paypal-Transmission-Sig",
        "Paypal-Cert-Url",
        "Paypal-Auth-Algo",
    ];
    let signed = any_text("Of PayPal's signature");
    vec![
        failing(of("/webhooks/stripe/{tenant_id}", "receive_stripe_event", "What Stripe tells"))
            .header("Stripe-Signature", any_text("`t=…,v1=…`, not older than 5 minutes")),
        paypal.into_iter().fold(
            failing(of("/webhooks/paypal/{tenant_id}", "receive_paypal_event", "What PayPal tells")),
            |operation, name| operation.header(name, signed.clone()),
        ),
        failing(of("/webhooks/plaid/{tenant_id}", "receive_plaid_event", "What Plaid tells"))
            .header("Plaid-Verification", any_text("A JWT of Plaid's over the body, not older than 5 minutes")),
    ]
}
