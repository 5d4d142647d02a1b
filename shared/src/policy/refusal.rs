//! Refusals: every code that a caller can meet, with its HTTP status, in one table.
//!
//! Codes are stable; clients branch on them. The text beside a code names the field and the cure.

use serde_json::{Map, Value};

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $text:literal, $status:literal, $title:literal;)+) => {
        /// What is wrong with a request, in one stable word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* #[doc = $title] $code),+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text),+ }
            }

            /// The HTTP status that it is answered with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$code => $status),+ }
            }

            /// A title for people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$code => $title),+ }
            }
        }
    };
}

codes! {
    InvalidJson = "invalid_json", 400, "The body is not JSON";
    IdempotencyKeyRequired = "idempotency_key_required", 400, "An Idempotency-Key is required";
    SignatureInvalid = "signature_invalid", 400, "The signature is not valid";
    IdempotencyKeyInvalid = "idempotency_key_invalid", 400, "The Idempotency-Key is malformed";
    Unauthenticated = "unauthenticated", 401, "The caller is not known";
    InsufficientFunds = "insufficient_funds", 402, "Not enough funds";
    PaymentMethodInvalid = "payment_method_invalid", 402, "The payment method is invalid or expired";
    Declined = "declined", 402, "The payment was declined";
    PermissionDenied = "permission_denied", 403, "Not permitted";
    TenantMismatch = "tenant_mismatch", 403, "Another tenant";
    ApproverNotPermitted = "approver_not_permitted", 403, "The approver is not permitted";
    ApprovalLimitExceeded = "approval_limit_exceeded", 403, "Above the approval limit";
    FourEyes = "four_eyes", 403, "The creator may not approve";
    NotFound = "not_found", 404, "No such path";
    TenantNotFound = "tenant_not_found", 404, "No such tenant";
    MemberNotFound = "member_not_found", 404, "No such member";
    InvoiceNotFound = "invoice_not_found", 404, "No such invoice";
    ScheduledPaymentNotFound = "scheduled_payment_not_found", 404, "No such scheduled payment";
    RefundNotFound = "refund_not_found", 404, "No such refund";
    PaymentNotFound = "payment_not_found", 404, "No such payment";
    PaymentMethodNotFound = "payment_method_not_found", 404, "No such payment method";
    AlertNotFound = "alert_not_found", 404, "No such alert";
    MethodNotAllowed = "method_not_allowed", 405, "The path knows no such method";
    InvoiceNotApproved = "invoice_not_approved", 409, "The invoice is not approved";
    InvoiceApproved = "invoice_approved", 409, "The invoice is approved already";
    InvoicePaid = "invoice_paid", 409, "The invoice is paid";
    InvoiceBeingPaid = "invoice_being_paid", 409, "The invoice is being paid";
    InvoiceScheduled = "invoice_scheduled", 409, "The invoice is scheduled";
    InvoiceRefunded = "invoice_refunded", 409, "The invoice is refunded";
    InvoiceVoid = "invoice_void", 409, "The invoice is void";
    InvoiceExists = "invoice_exists", 409, "Another invoice has this id";
    DuplicateInvoice = "duplicate_invoice", 409, "The bill is entered already";
    SecondApprovalRequired = "second_approval_required", 409, "A second approval is required";
    LocksOut = "locks_out", 409, "Nobody could approve any more";
    ScheduleExecuting = "schedule_executing", 409, "The scheduled payment is being executed";
    ScheduleClosed = "schedule_closed", 409, "The scheduled payment is over";
    NotRefundable = "not_refundable", 409, "Can't be refunded";
    RefundExceedsRemaining = "refund_exceeds_remaining", 409, "More than is left to refund";
    PresentmentLimit = "presentment_limit", 409, "The bank account may not be debited again";
    NotCancelable = "not_cancelable", 409, "Can't be canceled";
    NotResolvable = "not_resolvable", 409, "Can't be resolved by a person";
    AlertChanged = "alert_changed", 409, "The alert was raised again";
    BodyTooLarge = "body_too_large", 413, "The body is too large";
    UnknownField = "unknown_field", 422, "Unknown field";
    MissingField = "missing_field", 422, "Missing field";
    InvalidField = "invalid_field", 422, "Invalid field";
    CardDataForbidden = "card_data_forbidden", 422, "Card data is not taken";
    InvalidCursor = "invalid_cursor", 422, "The cursor is not one of ours";
    IdempotencyKeyReused = "idempotency_key_reused", 422, "The Idempotency-Key belongs to another request";
    AmountMismatch = "amount_mismatch", 422, "Not the invoice's amount";
    CurrencyMismatch = "currency_mismatch", 422, "Not the invoice's currency";
    AmountOutOfRange = "amount_out_of_range", 422, "The gateway does not take this amount";
    GatewayNotConfigured = "gateway_not_configured", 422, "The gateway is not configured";
    PaymentMethodRequired = "payment_method_required", 422, "A payment method is required";
    PaymentMethodInactive = "payment_method_inactive", 422, "The payment method is inactive";
    PaymentMethodBlocked = "payment_method_blocked", 422, "The payment method is blocked";
    PaymentMethodMismatch = "payment_method_mismatch", 422, "The payment method does not fit";
    CounterpartyAccountRequired = "counterparty_account_required", 422, "The counterparty needs an account";
    PaymentMismatch = "payment_mismatch", 422, "Not what the record says";
    ReferenceInvalid = "reference_invalid", 422, "The gateway does not know this as a usable method";
    ScheduledDateTooFar = "scheduled_date_too_far", 422, "The date is too far ahead";
    ScheduledDatePast = "scheduled_date_past", 422, "The date is past";
    Internal = "internal", 500, "Something is wrong on our side";
    GatewayUnavailable = "gateway_unavailable", 502, "The gateway is not available";
    Paused = "paused", 503, "Payments are paused";
    Busy = "busy", 503, "Others are changing the same thing";
    Unavailable = "unavailable", 503, "A part of the system is not available";
}

/// One thing that is wrong, with the field it is wrong in and the cure.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The stable word.
    pub code: Code,
    /// Name of the request's field, where it is one.
    pub field: Option<String>,
    /// What is wrong and what to do, for people.
    pub detail: String,
    /// Further members of the problem, such as the id of the payment in the way.
    pub members: Map<String, Value>,
}

impl Refusal {
    /// Of the request as a whole.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, field: None, detail: detail.into(), members: Map::new() }
    }

    /// Of one field.
    pub fn field(code: Code, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(code, detail) }
    }

    /// With a further member of the problem.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }
}

/// The refusals in the order in which they decide the answer: 404, 403, 409, 422, then as they were found.
#[must_use]
pub fn ordered(mut refusals: Vec<Refusal>) -> Vec<Refusal> {
    let rank = |refusal: &Refusal| match refusal.code.status() {
        404 => 0,
        403 => 1,
        409 => 2,
        422 => 3,
        _ => 4,
    };
    refusals.sort_by_key(rank);
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_invoice_decides_over_limits_states_and_fields() {
        let codes = [Code::AmountMismatch, Code::InvoicePaid, Code::FourEyes, Code::InvoiceNotFound];
        let refusals = codes.map(|code| Refusal::new(code, "")).to_vec();
        let order: Vec<u16> = ordered(refusals).iter().map(|r| r.code.status()).collect();
        assert_eq!(order, [404, 403, 409, 422]);
    }

    #[test]
    fn no_two_codes_share_a_word() {
        let mut words: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
