//! The bodies of settings and members. PUT replaces: what is absent takes its default.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use shared::api::form::Fields;
use shared::api::view::email;
use shared::bounds;
use shared::clock::Time;
use shared::id::{TenantId, UserId};
use shared::model::tenant::{
    ACH_CLASSES, AchProvider, AchSettings, Gateways, Limits, Member, OnInsufficientFunds, PaypalSettings,
    PlaidSettings, Role, Settings, StripeSettings,
};
use shared::money::{Currency, MAX_AMOUNT_MINOR};
use shared::policy::refusal::{Code, Refusal};

/// The settings of `PUT /tenant`.
///
/// # Errors
/// All that is wrong with its form.
pub fn settings(mut body: Fields, tenant: &TenantId) -> Result<Settings, Vec<Refusal>> {
    let name = body.text("name", bounds::NAME_BYTES);
    let name = body.required("name", name);
    let timezone = body.text("timezone", bounds::NAME_BYTES);
    let timezone = body.required("timezone", timezone);
    if timezone.as_ref().is_some_and(|name| TimeZone::get(name).is_err()) {
        body.refuse(Code::InvalidField, "timezone", "An IANA time zone such as Europe/Paris is expected.");
    }
    let four_eyes = body.boolean("four_eyes").unwrap_or(false);
    let second_approval_above = amounts(&mut body, "second_approval_above");
    let retry_days = days(&mut body, "retry_days").unwrap_or_else(|| vec![1, 3, 7]);
    let on_insufficient_funds =
        body.choice("on_insufficient_funds", OnInsufficientFunds::ALL).unwrap_or(OnInsufficientFunds::Reschedule);
    let alert_email = email(&mut body, "alert_email");
    let gateways = body.nested("gateways", gateways).unwrap_or_default();
    match (name, timezone, body.finish()) {
        (Some(name), Some(timezone), Ok(())) => Ok(Settings {
            tenant_id: tenant.clone(),
            name,
            timezone,
            four_eyes,
            second_approval_above,
            retry_days,
            on_insufficient_funds,
            alert_email,
            gateways,
            version: 0,
            audit_head: String::new(),
        }),
        (_, _, Err(refusals)) => Err(refusals),
        _ => Err(vec![Refusal::new(Code::Internal, "The form was read and is not there.")]),
    }
}

fn amounts(body: &mut Fields, name: &str) -> BTreeMap<Currency, i64> {
    let mut amounts = BTreeMap::new();
    for (code, value) in body.map(name, bounds::CURRENCIES).unwrap_or_default() {
        match (code.parse::<Currency>(), value.as_i64().filter(|amount| (0..=MAX_AMOUNT_MINOR).contains(amount))) {
            (Ok(currency), Some(amount)) => {
                amounts.insert(currency, amount);
            }
            _ => body.refuse(Code::InvalidField, name, "Amounts in minor units by currency code are expected."),
        }
    }
    amounts
}

fn days(body: &mut Fields, name: &str) -> Option<Vec<u16>> {
    let values = body.list(name, bounds::RETRIES)?;
    let day =
        |value: &Value| u16::try_from(value.as_u64()?).ok().filter(|days| (1..=bounds::RETRY_DAYS_MAX).contains(days));
    let days: Option<Vec<u16>> = values.iter().map(day).collect();
    if days.is_none() {
        body.refuse(
            Code::InvalidField,
            name,
            format!("Numbers of days from 1 to {} are expected.", bounds::RETRY_DAYS_MAX),
        );
    }
    days
}

fn gateways(body: &mut Fields) -> Gateways {
    Gateways {
        stripe: body.nested("stripe", |body| StripeSettings {
            enabled: body.boolean("enabled").unwrap_or(false),
            payable_without_destination: body.boolean("payable_without_destination").unwrap_or(true),
        }),
        paypal: body.nested("paypal", |body| PaypalSettings { enabled: body.boolean("enabled").unwrap_or(false) }),
        ach: body.nested("ach", |body| AchSettings {
            enabled: body.boolean("enabled").unwrap_or(false),
            provider: body.choice("provider", AchProvider::ALL).unwrap_or(AchProvider::Stripe),
            own_retries: body.boolean("own_retries").unwrap_or(false),
            plaid: body.nested("plaid", |body| PlaidSettings {
                ach_class: body.choice("ach_class", &ACH_CLASSES).map(str::to_owned),
                ledger_id: body.text("ledger_id", bounds::NAME_BYTES),
            }),
        }),
    }
}

/// The member of `PUT /members/{user_id}`.
///
/// # Errors
/// All that is wrong with its form.
pub fn member(mut body: Fields, tenant: &TenantId, user_id: UserId, now: Time) -> Result<Member, Vec<Refusal>> {
    let roles = roles(&mut body);
    let roles = body.required("roles", roles);
    let limits = body.map("approval_limits", bounds::CURRENCIES).unwrap_or_default();
    let approval_limits = approval_limits(&mut body, limits);
    match (roles, body.finish()) {
        (Some(roles), Ok(())) => {
            Ok(Member { tenant_id: tenant.clone(), user_id, roles, approval_limits, created_at: now })
        }
        (_, Err(refusals)) => Err(refusals),
        _ => Err(vec![Refusal::new(Code::Internal, "The form was read and is not there.")]),
    }
}

fn roles(body: &mut Fields) -> Option<BTreeSet<Role>> {
    let values = body.list("roles", Role::ALL.len())?;
    let roles: Option<BTreeSet<Role>> = values.iter().map(|value| Role::named(value.as_str()?)).collect();
    let roles = roles.filter(|roles| !roles.is_empty());
    if roles.is_none() {
        let words: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
        body.refuse(Code::InvalidField, "roles", format!("At least one of {} is expected.", words.join(", ")));
    }
    roles
}

fn approval_limits(body: &mut Fields, limits: Map<String, Value>) -> Limits {
    let mut read = BTreeMap::new();
    for (code, value) in limits {
        let limit = match (&value, value.as_i64()) {
            (Value::Null, _) => Some(None),
            // One amount for every currency would mean another sum in each.
            (_, Some(amount)) if code != "*" && (0..=MAX_AMOUNT_MINOR).contains(&amount) => Some(Some(amount)),
            _ => None,
        };
        match limit {
            Some(limit) if code == "*" || code.parse::<Currency>().is_ok() => {
                read.insert(code, limit);
            }
            _ => body.refuse(
                Code::InvalidField,
                "approval_limits",
                "Amounts in minor units by currency code are expected; null lifts a limit, and so does \"*\": null for all others.",
            ),
        }
    }
    Limits(read)
}
