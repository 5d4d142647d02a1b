//! The bodies that the API takes, as its public specification has them.

use super::schema::Shape::{Flag, List, Object, OneOf, Text};
use super::schema::{
    Field, Shape, any, is_digits, is_email, is_id, is_language, is_month, is_number, is_quantity, is_url, may, must,
};

const CURRENCY_CODE: Shape = Text(3, 3, any);
const VALUE: Shape = Text(1, 32, is_number);
const MONEY: Shape = Object(&[must("currency_code", &CURRENCY_CODE), must("value", &VALUE)]);
const TEXT_127: Shape = Text(1, 127, any);
const URL: Shape = Text(1, 4000, is_url);
const LANGUAGE: Shape = Text(2, 10, is_language);
const VAULT_ID: Shape = Text(1, 255, is_id);
const EMAIL: Shape = Text(3, 254, is_email);

const ADDRESS: Shape = Object(&[
    may("address_line_1", &Text(0, 300, any)),
    may("address_line_2", &Text(0, 300, any)),
    may("admin_area_1", &Text(0, 300, any)),
    may("admin_area_2", &Text(0, 120, any)),
    may("postal_code", &Text(0, 60, any)),
    must("country_code", &Text(2, 2, any)),
]);

const STORED_CREDENTIAL: Shape = Object(&[
    must("payment_initiator", &OneOf(&["CUSTOMER", "MERCHANT"])),
    must("payment_type", &OneOf(&["ONE_TIME", "RECURRING", "UNSCHEDULED"])),
    may("usage", &OneOf(&["FIRST", "SUBSEQUENT", "DERIVED"])),
    may(
        "previous_network_transaction_reference",
        &Object(&[
            must("id", &Text(9, 36, any)),
            may("date", &Text(4, 4, is_digits)),
            may("network", &Text(1, 255, any)),
            may("acquirer_reference_number", &Text(1, 36, is_id)),
        ]),
    ),
]);

const EXPERIENCE: Shape = Object(&[
    may("brand_name", &Text(1, 300, any)),
    may("locale", &LANGUAGE),
    may("shipping_preference", &OneOf(&["GET_FROM_FILE", "NO_SHIPPING", "SET_PROVIDED_ADDRESS"])),
    may("return_url", &URL),
    may("cancel_url", &URL),
    may("landing_page", &OneOf(&["LOGIN", "GUEST_CHECKOUT", "NO_PREFERENCE"])),
    may("user_action", &OneOf(&["CONTINUE", "PAY_NOW"])),
    may("payment_method_preference", &OneOf(&["UNRESTRICTED", "IMMEDIATE_PAYMENT_REQUIRED"])),
]);

const CARD_NUMBER: Shape = Text(13, 19, is_digits);
const SECURITY_CODE: Shape = Text(3, 4, is_digits);
const EXPIRY: Shape = Text(7, 7, is_month);
const CARD_NAME: Shape = Text(1, 300, any);

const PAYMENT_SOURCE: Shape = Object(&[
    may(
        "paypal",
        &Object(&[
            may("vault_id", &VAULT_ID),
            may("email_address", &EMAIL),
            may("stored_credential", &STORED_CREDENTIAL),
            may("experience_context", &EXPERIENCE),
        ]),
    ),
    may(
        "card",
        &Object(&[
            may("vault_id", &VAULT_ID),
            may("name", &CARD_NAME),
            may("number", &CARD_NUMBER),
            may("expiry", &EXPIRY),
            may("security_code", &SECURITY_CODE),
            may("billing_address", &ADDRESS),
            may("stored_credential", &STORED_CREDENTIAL),
        ]),
    ),
    may("token", &Object(&[must("id", &VAULT_ID), must("type", &OneOf(&["BILLING_AGREEMENT"]))])),
]);

const BREAKDOWN: Shape = Object(&[
    may("item_total", &MONEY),
    may("shipping", &MONEY),
    may("handling", &MONEY),
    may("tax_total", &MONEY),
    may("insurance", &MONEY),
    may("shipping_discount", &MONEY),
    may("discount", &MONEY),
]);

const ITEM: Shape = Object(&[
    must("name", &TEXT_127),
    must("unit_amount", &MONEY),
    must("quantity", &Text(1, 10, is_quantity)),
    may("tax", &MONEY),
    may("description", &Text(0, 127, any)),
    may("sku", &Text(0, 127, any)),
    may("category", &OneOf(&["DIGITAL_GOODS", "PHYSICAL_GOODS", "DONATION"])),
]);

const PURCHASE_UNIT: Shape = Object(&[
    may("reference_id", &Text(1, 256, any)),
    must(
        "amount",
        &Object(&[must("currency_code", &CURRENCY_CODE), must("value", &VALUE), may("breakdown", &BREAKDOWN)]),
    ),
    may("description", &TEXT_127),
    may("custom_id", &TEXT_127),
    may("invoice_id", &TEXT_127),
    may("soft_descriptor", &Text(1, 22, any)),
    may("items", &List(0, 1000, &ITEM)),
]);

/// `POST /v2/checkout/orders`.
pub(super) const ORDER: Shape = Object(&[
    must("intent", &OneOf(&["CAPTURE", "AUTHORIZE"])),
    must("purchase_units", &List(1, 10, &PURCHASE_UNIT)),
    may("payment_source", &PAYMENT_SOURCE),
    may(
        "application_context",
        &Object(&[
            may("brand_name", &TEXT_127),
            may("locale", &LANGUAGE),
            may("landing_page", &OneOf(&["LOGIN", "BILLING", "NO_PREFERENCE"])),
            may("shipping_preference", &OneOf(&["GET_FROM_FILE", "NO_SHIPPING", "SET_PROVIDED_ADDRESS"])),
            may("user_action", &OneOf(&["CONTINUE", "PAY_NOW"])),
            may("return_url", &URL),
            may("cancel_url", &URL),
            may("stored_payment_source", &STORED_CREDENTIAL),
        ]),
    ),
]);

/// `POST /v2/checkout/orders/{id}/capture`.
pub(super) const CAPTURE: Shape = Object(&[may("payment_source", &PAYMENT_SOURCE)]);

/// `POST /v2/payments/captures/{id}/refund`.
pub(super) const REFUND: Shape = Object(&[
    may("amount", &MONEY),
    may("custom_id", &TEXT_127),
    may("invoice_id", &TEXT_127),
    may("note_to_payer", &Text(1, 255, any)),
]);

const PURPOSES: &[&str] = &[
    "AWARDS",
    "PRIZES",
    "DONATIONS",
    "GOODS",
    "SERVICES",
    "REBATES",
    "CASHBACK",
    "DISCOUNTS",
    "NON_GOODS_OR_SERVICES",
];
const RECIPIENT_TYPE: Shape = OneOf(&["EMAIL", "PHONE", "PAYPAL_ID"]);

const PAYOUT_ITEM: Shape = Object(&[
    may("recipient_type", &RECIPIENT_TYPE),
    must("amount", &Object(&[must("currency", &CURRENCY_CODE), must("value", &VALUE)])),
    may("note", &Text(0, 4000, any)),
    must("receiver", &TEXT_127),
    may("sender_item_id", &Text(0, 63, any)),
    may("recipient_wallet", &OneOf(&["PAYPAL", "VENMO", "RECIPIENT_SELECTED"])),
    may("notification_language", &LANGUAGE),
    may("purpose", &OneOf(PURPOSES)),
]);

/// `POST /v1/payments/payouts`.
pub(super) const PAYOUT: Shape = Object(&[
    must(
        "sender_batch_header",
        &Object(&[
            may("sender_batch_id", &Text(1, 256, any)),
            may("recipient_type", &RECIPIENT_TYPE),
            may("email_subject", &Text(0, 255, any)),
            may("email_message", &Text(0, 1000, any)),
            may("note", &Text(0, 1000, any)),
        ]),
    ),
    must("items", &List(1, 15_000, &PAYOUT_ITEM)),
]);

/// `POST …/cancel` and `…/resend`, which need nothing.
pub(super) const NOTHING: Shape = Object(&[]);

const CUSTOMER: Field = may(
    "customer",
    &Object(&[may("id", &Text(1, 22, is_id)), may("merchant_customer_id", &Text(1, 64, is_merchants_id))]),
);

fn is_merchants_id(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.^*$@#".contains(&byte))
}

/// `POST /v3/vault/setup-tokens`.
pub(super) const SETUP_TOKEN: Shape = Object(&[
    CUSTOMER,
    must(
        "payment_source",
        &Object(&[
            may(
                "paypal",
                &Object(&[
                    may("description", &Text(1, 128, any)),
                    may("permit_multiple_payment_tokens", &Flag),
                    may("usage_type", &OneOf(&["MERCHANT", "PLATFORM"])),
                    may("customer_type", &OneOf(&["CONSUMER", "BUSINESS"])),
                    may("experience_context", &VAULT_EXPERIENCE),
                ]),
            ),
            may(
                "card",
                &Object(&[
                    may("name", &CARD_NAME),
                    may("number", &CARD_NUMBER),
                    may("expiry", &EXPIRY),
                    may("security_code", &SECURITY_CODE),
                    may("billing_address", &ADDRESS),
                    may("verification_method", &OneOf(&["SCA_WHEN_REQUIRED", "SCA_ALWAYS"])),
                    may("experience_context", &VAULT_EXPERIENCE),
                ]),
            ),
        ]),
    ),
]);

const VAULT_EXPERIENCE: Shape = Object(&[
    may("brand_name", &Text(1, 300, any)),
    may("locale", &LANGUAGE),
    may("return_url", &URL),
    may("cancel_url", &URL),
    may("shipping_preference", &OneOf(&["GET_FROM_FILE", "NO_SHIPPING", "SET_PROVIDED_ADDRESS"])),
    may("vault_instruction", &OneOf(&["ON_CREATE_PAYMENT_TOKENS", "ON_PAYER_APPROVAL"])),
]);

/// `POST /v3/vault/payment-tokens`.
pub(super) const PAYMENT_TOKEN: Shape = Object(&[
    CUSTOMER,
    must(
        "payment_source",
        &Object(&[must(
            "token",
            &Object(&[must("id", &VAULT_ID), must("type", &OneOf(&["SETUP_TOKEN", "BILLING_AGREEMENT"]))]),
        )]),
    ),
]);

/// `POST /v1/notifications/webhooks`.
pub(super) const WEBHOOK: Shape = Object(&[
    must("url", &Text(1, 2048, is_url)),
    must("event_types", &List(1, 500, &Object(&[must("name", &Text(1, 255, any))]))),
]);
