//! Stripe's errors, as they stand on the wire.

use serde_json::{Value, json};

/// An error answer.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    pub status: u16,
    /// The object inside `error`.
    pub body: Value,
    /// Whether it is replayed under the key: only what came after the parameters had been checked.
    pub saved: bool,
}

impl ApiError {
    fn invalid(status: u16, code: Option<&str>, param: Option<&str>, message: &str) -> Self {
        let mut body = json!({ "type": "invalid_request_error", "message": message });
        if let Some(members) = body.as_object_mut() {
            members.extend(code.map(|code| ("code".to_owned(), json!(code))));
            members.extend(param.map(|param| ("param".to_owned(), json!(param))));
        }
        Self { status, body, saved: false }
    }

    /// A parameter that is wrong.
    pub fn parameter(code: &str, param: &str, message: &str) -> Self {
        Self::invalid(400, Some(code), Some(param), message)
    }

    /// A request that is wrong and has no code.
    pub fn request(message: &str) -> Self {
        Self::invalid(400, None, None, message)
    }

    /// No such object; 404 in a path, 400 in a parameter.
    pub fn missing(status: u16, param: &str, id: &str) -> Self {
        Self::invalid(status, Some("resource_missing"), Some(param), &format!("No such object: '{id}'"))
    }

    /// Wrong or no key.
    pub fn unauthorized() -> Self {
        Self::invalid(401, None, None, "Invalid API Key provided.")
    }

    /// A key for browsers, and something that they may not do.
    pub fn secret_key_required() -> Self {
        let message = "This API call cannot be made with a publishable API key. Please use a secret API key. You can \
                       find a list of your API keys at https://dashboard.stripe.com/account/apikeys.";
        Self::invalid(403, Some("secret_key_required"), None, message)
    }

    /// Whoever asks does not know the secret of the SetupIntent.
    pub fn other_client_secret() -> Self {
        let message = "The client_secret provided does not match the client_secret associated with the SetupIntent.";
        Self::invalid(400, None, Some("client_secret"), message)
    }

    /// No such path.
    pub fn unknown_url(method: &str, path: &str) -> Self {
        Self::invalid(404, None, None, &format!("Unrecognized request URL ({method}: {path})."))
    }

    /// The key belongs to other parameters.
    pub fn other_parameters() -> Self {
        let message =
            "Keys for idempotent requests can only be used with the same parameters they were first used with.";
        Self { status: 400, body: json!({ "type": "idempotency_error", "message": message }), saved: false }
    }

    /// The first request under the key is still running.
    pub fn key_in_use() -> Self {
        Self::invalid(
            409,
            Some("idempotency_key_in_use"),
            None,
            "There is currently another in-progress request using this key.",
        )
    }

    /// A limit.
    pub fn limited(code: &str) -> Self {
        Self::invalid(429, Some(code), None, "Request rate limit exceeded.")
    }

    /// Stripe's own fault.
    pub fn fault(status: u16) -> Self {
        let message = "An unknown error occurred.";
        Self { status, body: json!({ "type": "api_error", "message": message }), saved: status == 500 }
    }

    /// The object's state does not allow it.
    pub fn unexpected_state(intent: &Value) -> Self {
        let mut error = Self::invalid(
            400,
            Some("payment_intent_unexpected_state"),
            None,
            "The PaymentIntent is in a state that does not allow this.",
        );
        if let Some(members) = error.body.as_object_mut() {
            members.insert("payment_intent".to_owned(), intent.clone());
        }
        Self { saved: true, ..error }
    }

    /// The same of a SetupIntent.
    pub fn unexpected_setup_state(setup: &Value, status: &str) -> Self {
        let message = format!(
            "You cannot perform this action on a SetupIntent because it has a status of {status}. Only a SetupIntent with \
             one of the following statuses may be confirmed or canceled: requires_payment_method, \
             requires_confirmation, requires_action."
        );
        let mut error = Self::refused(Some("setup_intent_unexpected_state"), None, &message);
        if let Some(members) = error.body.as_object_mut() {
            members.insert("setup_intent".to_owned(), setup.clone());
        }
        error
    }

    /// The state of what it is about does not allow it; found out in execution, hence kept under the key.
    pub fn refused(code: Option<&str>, param: Option<&str>, message: &str) -> Self {
        Self { saved: true, ..Self::invalid(400, code, param, message) }
    }

    /// The account's balance, or a connected account's, does not cover it.
    pub fn balance_insufficient() -> Self {
        let message = "You have insufficient available funds in your Stripe account. Try adding funds directly to your \
                       available balance by creating Charges using the 4000000000000077 test card. See: \
                       https://stripe.com/docs/testing#available-balance";
        Self::refused(Some("balance_insufficient"), None, message)
    }

    /// A declined card.
    pub fn card(body: Value) -> Self {
        Self { status: 402, body, saved: true }
    }
}
