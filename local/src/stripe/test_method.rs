//! The documented test payment methods (docs.stripe.com/testing), one row each.

use serde_json::{Value, json};

use super::attempt::Decline;
use super::dispute::{Opened, Terms};

/// What happens when it is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    Succeeds,
    /// Code, decline code, advice code.
    Declined(&'static str, Option<&'static str>, Option<&'static str>),
    /// The customer must authenticate, each time.
    Authenticates,
    /// The customer must authenticate, unless the card was set up.
    AuthenticatesOnce,
    /// A bank debit.
    Debit(Bank),
}

/// What comes of a bank debit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bank {
    /// Days later it is good.
    Pays,
    /// Days later the bank refuses it, with this code.
    Fails(&'static str),
    /// It waits for good.
    Silent,
    /// Stripe itself refuses it at once, with this code.
    Refused(&'static str),
}

/// What comes after a charge that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Later {
    Nothing,
    /// Its refunds wait for the bank.
    RefundPends,
    /// It is disputed so many times.
    Disputed(usize, Opened<'static>),
}

pub(super) struct TestMethod {
    pub id: &'static str,
    pub behaviour: Behaviour,
    pub later: Later,
    brand: &'static str,
    last4: &'static str,
}

const fn card(id: &'static str, brand: &'static str, last4: &'static str, behaviour: Behaviour) -> TestMethod {
    TestMethod { id, behaviour, later: Later::Nothing, brand, last4 }
}

const fn bank(id: &'static str, last4: &'static str, says: Bank) -> TestMethod {
    card(id, "", last4, Behaviour::Debit(says))
}

const fn then(id: &'static str, last4: &'static str, later: Later) -> TestMethod {
    TestMethod { id, behaviour: OK, later, brand: "visa", last4 }
}

const fn declined(
    id: &'static str,
    last4: &'static str,
    code: &'static str,
    decline_code: &'static str,
    advice: Option<&'static str>,
) -> TestMethod {
    card(id, "visa", last4, Behaviour::Declined(code, Some(decline_code), advice))
}

const LATER: Option<&str> = Some("try_again_later");
const NEVER: Option<&str> = Some("do_not_try_again");
const CHECK: Option<&str> = Some("confirm_card_data");
const OK: Behaviour = Behaviour::Succeeds;
const FRAUD: Opened<'_> = Opened { reason: "fraudulent", terms: Terms::Claim };
const NOT_RECEIVED: Opened<'_> = Opened { reason: "product_not_received", terms: Terms::Claim };
const INQUIRY: Opened<'_> = Opened { reason: "fraudulent", terms: Terms::Inquiry };
const RETURNED: Opened<'_> = Opened { reason: "debit_not_authorized", terms: Terms::Final };

const ALL: &[TestMethod] = &[
    card("pm_card_visa", "visa", "4242", OK),
    card("pm_card_visa_debit", "visa", "5556", OK),
    card("pm_card_us", "visa", "4242", OK),
    card("pm_card_mastercard", "mastercard", "4444", OK),
    card("pm_card_amex", "amex", "8431", OK),
    card("pm_card_discover", "discover", "9424", OK),
    card("pm_card_diners", "diners", "0004", OK),
    card("pm_card_jcb", "jcb", "0505", OK),
    card("pm_card_unionpay", "unionpay", "0005", OK),
    card("pm_card_bypassPending", "visa", "0077", OK),
    card("pm_card_bypassPendingInternational", "visa", "0077", OK),
    then("pm_card_pendingRefund", "7726", Later::RefundPends),
    // Its refunds succeed, and fail when the test says so.
    card("pm_card_refundFail", "visa", "5126", OK),
    then("pm_card_createDispute", "0259", Later::Disputed(1, FRAUD)),
    then("pm_card_createDisputeProductNotReceived", "2685", Later::Disputed(1, NOT_RECEIVED)),
    then("pm_card_createDisputeInquiry", "1976", Later::Disputed(1, INQUIRY)),
    then("pm_card_createMultipleDisputes", "0079", Later::Disputed(2, FRAUD)),
    card("pm_card_riskLevelElevated", "visa", "9235", OK),
    card("pm_card_cvcCheckFail", "visa", "0101", OK),
    card("pm_card_avsFail", "visa", "0010", OK),
    card("pm_card_avsZipFail", "visa", "0036", OK),
    card("pm_card_avsLine1Fail", "visa", "0028", OK),
    card("pm_card_avsUnchecked", "visa", "0044", OK),
    declined("pm_card_visa_chargeDeclined", "0002", "card_declined", "generic_decline", LATER),
    declined("pm_card_visa_chargeDeclinedInsufficientFunds", "9995", "card_declined", "insufficient_funds", LATER),
    declined("pm_card_visa_chargeDeclinedLostCard", "9987", "card_declined", "lost_card", NEVER),
    declined("pm_card_visa_chargeDeclinedStolenCard", "9979", "card_declined", "stolen_card", NEVER),
    declined(
        "pm_card_visa_chargeDeclinedVelocityLimitExceeded",
        "6975",
        "card_declined",
        "card_velocity_exceeded",
        None,
    ),
    declined("pm_card_chargeDeclinedExpiredCard", "0069", "expired_card", "expired_card", CHECK),
    declined("pm_card_chargeDeclinedIncorrectCvc", "0127", "incorrect_cvc", "incorrect_cvc", CHECK),
    declined("pm_card_chargeDeclinedProcessingError", "0119", "processing_error", "processing_error", LATER),
    declined("pm_card_chargeDeclinedFraudulent", "0019", "card_declined", "fraudulent", None),
    declined("pm_card_radarBlock", "0019", "card_declined", "fraudulent", None),
    declined("pm_card_riskLevelHighest", "4954", "card_declined", "fraudulent", None),
    declined("pm_card_chargeCustomerFail", "0341", "card_declined", "generic_decline", LATER),
    card("pm_card_authenticationRequired", "visa", "3184", Behaviour::Authenticates),
    card("pm_card_authenticationRequiredOnSetup", "visa", "3155", Behaviour::AuthenticatesOnce),
    card("pm_card_threeDSecure2Required", "visa", "3220", Behaviour::Authenticates),
    bank("pm_usBankAccount_success", "6789", Bank::Pays),
    bank("pm_usBankAccount_accountClosed", "1113", Bank::Fails("account_closed")),
    bank("pm_usBankAccount_noAccount", "1116", Bank::Fails("no_account")),
    bank("pm_usBankAccount_insufficientFunds", "2227", Bank::Fails("insufficient_funds")),
    bank("pm_usBankAccount_debitNotAuthorized", "3335", Bank::Fails("debit_not_authorized")),
    bank("pm_usBankAccount_invalidCurrency", "4440", Bank::Fails("invalid_currency")),
    TestMethod { later: Later::Disputed(1, RETURNED), ..bank("pm_usBankAccount_dispute", "5559", Bank::Pays) },
    bank("pm_usBankAccount_processing", "0009", Bank::Silent),
    bank("pm_usBankAccount_weeklyLimitExceeded", "7771", Bank::Refused("charge_exceeds_weekly_limit")),
];

pub(super) fn find(id: &str) -> Option<&'static TestMethod> {
    ALL.iter().find(|method| method.id == id)
}

impl TestMethod {
    /// Why it can't even be set up. Of cards that are refused for fraud, and of one that charges alone are declined of,
    /// that is not documented.
    pub fn setup_decline(&self) -> Option<Decline> {
        match self.behaviour {
            Behaviour::Declined(code, decline_code, advice_code)
                if decline_code != Some("fraudulent") && self.id != "pm_card_chargeCustomerFail" =>
            {
                Some(Decline { code, decline_code, advice_code })
            }
            _ => None,
        }
    }

    /// The test method that it behaves like once it was set up.
    pub fn once_set_up(&self) -> &'static str {
        if self.behaviour == Behaviour::AuthenticatesOnce { "pm_card_visa" } else { self.id }
    }

    /// The payment method's type.
    pub fn kind(&self) -> &'static str {
        if matches!(self.behaviour, Behaviour::Debit(_)) { "us_bank_account" } else { "card" }
    }

    /// The PaymentMethod object, without id and customer.
    pub fn object(&self) -> Value {
        let is_bank = self.kind() == "us_bank_account";
        let name = is_bank.then_some("Test Holder");
        let billing = json!({ "address": null, "email": null, "name": name, "phone": null });
        if is_bank {
            return json!({
                "object": "payment_method", "type": "us_bank_account", "billing_details": billing, "livemode": false,
                "metadata": {},
                "us_bank_account": { "account_holder_type": "individual", "account_type": "checking", "bank_name": "STRIPE TEST BANK",
                                     "last4": self.last4, "routing_number": "110000000", "status_details": {} },
            });
        }
        json!({
            "object": "payment_method", "type": "card", "billing_details": billing, "livemode": false, "metadata": {},
            "card": { "brand": self.brand, "last4": self.last4, "exp_month": 8, "exp_year": 2030, "funding": "credit",
                      "country": "US", "checks": { "cvc_check": "pass" } },
        })
    }
}
