//! The bodies that the API takes, as its public specification has them; `client_id` and `secret` are the server's.

use super::schema::Shape::{Anything, Flag, List, Number, Object, OneOf, Text, Texts, Unsupported};
use super::schema::{Field, Shape, may, must, null_or};

const ID: Shape = Text(128);
const KEY: Shape = Text(50);
const AMOUNT: Shape = Text(20);
const URL: Shape = Text(2048);
const KIND: Shape = OneOf(&["debit", "credit"]);
const NETWORK: Shape = OneOf(&["ach", "same-day-ach", "rtp", "wire"]);
const ACH_CLASS: Shape = OneOf(&["ccd", "ppd", "tel", "web"]);
const CURRENCY: Shape = OneOf(&["USD"]);

const ADDRESS: Shape = Object(&[
    may("street", &Anything),
    may("city", &Anything),
    may("region", &Anything),
    may("postal_code", &Anything),
    may("country", &Text(2)),
]);

const USER: Shape = Object(&[
    must("legal_name", &Text(255)),
    may("phone_number", &Anything),
    may("email_address", &Anything),
    may("address", &ADDRESS),
]);

const DEVICE: Shape = Object(&[may("ip_address", &Anything), may("user_agent", &Anything)]);

const FAILURE: Shape =
    Object(&[null_or("failure_code", &Text(4)), null_or("ach_return_code", &Text(4)), may("description", &Anything)]);

/// Those that a client here is approved for.
const PRODUCTS: Shape = List(&OneOf(&["auth", "identity", "transactions", "transfer", "signal", "balance"]));

pub(super) const PUBLIC_TOKEN: &[Field] = &[
    must("institution_id", &ID),
    must("initial_products", &PRODUCTS),
    may(
        "options",
        &Object(&[
            may("webhook", &URL),
            null_or("override_username", &Text(255)),
            null_or("override_password", &Text(255)),
            null_or("transactions", &Unsupported),
            null_or("statements", &Unsupported),
            may("income_verification", &Unsupported),
        ]),
    ),
    may("user_token", &ID),
    may("user_id", &ID),
];

const LANGUAGES: Shape =
    OneOf(&["da", "de", "en", "es", "et", "fr", "hi", "it", "lt", "lv", "nl", "no", "pl", "pt", "ro", "sv", "vi"]);
const COUNTRIES: Shape = List(&OneOf(&[
    "AT", "BE", "CA", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "IE", "IT", "LT", "LV", "NL", "NO", "PL", "PT", "SE",
    "US",
]));

/// Whose Link it is. Names of people are for another product.
const LINK_USER: Shape = Object(&[
    must("client_user_id", &ID),
    may("legal_name", &Anything),
    may("phone_number", &Anything),
    may("email_address", &Anything),
    may("name", &Unsupported),
    null_or("phone_number_verified_time", &Unsupported),
    null_or("email_address_verified_time", &Unsupported),
    may("ssn", &Unsupported),
    null_or("date_of_birth", &Unsupported),
    may("address", &Unsupported),
    may("id_number", &Unsupported),
]);

const DEPOSITORY: Shape = List(&OneOf(&[
    "checking",
    "savings",
    "hsa",
    "cd",
    "money market",
    "paypal",
    "prepaid",
    "cash management",
    "ebt",
    "limited purpose checking",
    "all",
]));
const CREDIT: Shape = List(&OneOf(&["credit card", "paypal", "all"]));
const ACCOUNT_FILTERS: Shape = Object(&[
    may("depository", &Object(&[must("account_subtypes", &DEPOSITORY), may("limited_purpose_types", &Unsupported)])),
    may("credit", &Object(&[must("account_subtypes", &CREDIT)])),
    may("loan", &Unsupported),
    may("investment", &Unsupported),
    may("other", &Unsupported),
]);

pub(super) const LINK_TOKEN: &[Field] = &[
    must("client_name", &Text(255)),
    must("language", &LANGUAGES),
    must("country_codes", &COUNTRIES),
    may("user", &LINK_USER),
    may("user_id", &Unsupported),
    may("products", &PRODUCTS),
    null_or("required_if_supported_products", &Unsupported),
    null_or("optional_products", &Unsupported),
    null_or("additional_consented_products", &Unsupported),
    may("webhook", &URL),
    null_or("access_token", &ID),
    may("link_customization_name", &Unsupported),
    may("appearance_mode", &Unsupported),
    may("redirect_uri", &URL),
    may("android_package_name", &Unsupported),
    may("institution_data", &Unsupported),
    may("card_switch", &Unsupported),
    may("account_filters", &ACCOUNT_FILTERS),
    may("eu_config", &Unsupported),
    may("institution_id", &Unsupported),
    may("payment_configuration", &Unsupported),
    may("payment_initiation", &Unsupported),
    may("employment", &Unsupported),
    may("income_verification", &Unsupported),
    may("base_report", &Unsupported),
    may("credit_partner_insights", &Unsupported),
    may("cra_options", &Unsupported),
    may("consumer_report_permissible_purpose", &Unsupported),
    may("auth", &Unsupported),
    may("transfer", &Unsupported),
    may("update", &Unsupported),
    may("identity_verification", &Unsupported),
    may("statements", &Unsupported),
    may("investments", &Unsupported),
    may("investments_auth", &Unsupported),
    may("hosted_link", &Unsupported),
    may("transactions", &Unsupported),
    may("cashflow_report", &Unsupported),
    may("identity", &Unsupported),
    may("enable_multi_item_link", &Unsupported),
    may("user_token", &Unsupported),
];

pub(super) const EXCHANGE: &[Field] = &[must("public_token", &ID)];
pub(super) const ACCOUNTS: &[Field] =
    &[must("access_token", &ID), may("options", &Object(&[may("account_ids", &List(&ID))]))];
pub(super) const ITEM_REMOVE: &[Field] = &[
    must("access_token", &ID),
    null_or(
        "reason_code",
        &OneOf(&[
            "FRAUD_FIRST_PARTY",
            "FRAUD_FALSE_IDENTITY",
            "FRAUD_ABUSE",
            "FRAUD_OTHER",
            "CONNECTION_IS_NON_FUNCTIONAL",
            "OTHER",
        ]),
    ),
    null_or("reason_note", &Text(512)),
];
pub(super) const RESET_LOGIN: &[Field] = &[must("access_token", &ID)];

pub(super) const AUTHORIZATION: &[Field] = &[
    must("access_token", &ID),
    must("account_id", &ID),
    must("type", &KIND),
    must("network", &NETWORK),
    must("amount", &AMOUNT),
    must("user", &USER),
    may("ach_class", &ACH_CLASS),
    null_or("funding_account_id", &ID),
    null_or("ledger_id", &ID),
    may("payment_profile_token", &Unsupported),
    null_or("wire_details", &Unsupported),
    may("device", &DEVICE),
    may("origination_account_id", &Anything),
    may("iso_currency_code", &CURRENCY),
    null_or("idempotency_key", &KEY),
    null_or("user_present", &Flag),
    null_or("with_guarantee", &Flag),
    null_or("request_guarantee", &Unsupported),
    null_or("beacon_session_id", &Unsupported),
    null_or("originator_client_id", &ID),
    null_or("credit_funds_source", &OneOf(&["sweep", "prefunded_rtp_credits", "prefunded_ach_credits"])),
    null_or("test_clock_id", &Unsupported),
    null_or("ruleset_key", &Anything),
    null_or("custom_attributes", &Texts(100, 500, 500)),
];

pub(super) const TRANSFER: &[Field] = &[
    must("access_token", &ID),
    must("account_id", &ID),
    must("authorization_id", &ID),
    must("description", &Text(15)),
    may("amount", &AMOUNT),
    null_or("metadata", &Texts(50, 40, 500)),
    may("idempotency_key", &KEY),
    may("type", &KIND),
    may("network", &NETWORK),
    may("ach_class", &ACH_CLASS),
    null_or("user", &USER),
    null_or("origination_account_id", &Anything),
    may("iso_currency_code", &CURRENCY),
    null_or("test_clock_id", &Unsupported),
    may("facilitator_fee", &Unsupported),
];

pub(super) const TRANSFER_GET: &[Field] =
    &[may("transfer_id", &ID), may("authorization_id", &ID), null_or("originator_client_id", &ID)];
pub(super) const TRANSFER_CANCEL: &[Field] = &[
    must("transfer_id", &ID),
    null_or("originator_client_id", &ID),
    may(
        "reason_code",
        &OneOf(&[
            "AC03", "AM09", "CUST", "DUPL", "FRAD", "TECH", "UPAY", "AC14", "AM06", "BE05", "FOCR", "MS02", "MS03",
            "RR04", "RUTA",
        ]),
    ),
];

pub(super) const REFUND: &[Field] = &[must("transfer_id", &ID), must("amount", &AMOUNT), must("idempotency_key", &KEY)];
pub(super) const REFUND_ID: &[Field] = &[must("refund_id", &ID)];
pub(super) const LEDGER: &[Field] = &[null_or("ledger_id", &ID), null_or("originator_client_id", &ID)];
pub(super) const SYNC: &[Field] = &[must("after_id", &Number(0, u64::MAX)), null_or("count", &Number(1, 500))];
pub(super) const KEY_GET: &[Field] = &[must("key_id", &ID)];

pub(super) const SIMULATE: &[Field] = &[
    must("transfer_id", &ID),
    must("event_type", &OneOf(&["posted", "settled", "failed", "funds_available", "returned"])),
    may("failure_reason", &FAILURE),
    may("webhook", &URL),
    null_or("test_clock_id", &Unsupported),
];
pub(super) const REFUND_SIMULATE: &[Field] = &[
    must("refund_id", &ID),
    must("event_type", &OneOf(&["refund.posted", "refund.settled", "refund.failed", "refund.returned"])),
    may("failure_reason", &FAILURE),
    may("webhook", &URL),
    null_or("test_clock_id", &Unsupported),
];
pub(super) const FIRE_WEBHOOK: &[Field] = &[must("webhook", &URL)];
