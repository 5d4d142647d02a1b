//! What becomes of a promise to pay when a payment of it has failed: one pure function, and its table.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::bounds;
use crate::clock::Time;
use crate::model::payment::Gateway;
use crate::model::payment::{Failure, FailureCode};
use crate::model::schedule::{Next, Schedule};
use crate::model::tenant::{OnInsufficientFunds, Settings};
use crate::model::transition::Case;
use crate::policy::presentment;

/// What a tenant has said about failures.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Days after which a payment that failed for want of money is tried again.
    pub retry_days: Vec<u16>,
    /// Where its days begin.
    pub zone: TimeZone,
    /// A payment that fails for want of money is tried again; one that was made at once becomes a scheduled payment.
    pub reschedules: bool,
    /// How often a debit over Stripe, and one over another gateway, may be put before the bank.
    pub presentments: (u32, u32),
}

impl Terms {
    /// Of a tenant.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let ach = settings.gateways.ach.as_ref();
        Self {
            retry_days: settings.retry_days.clone(),
            zone: settings.zone(),
            reschedules: settings.on_insufficient_funds == OnInsufficientFunds::Reschedule,
            presentments: [Gateway::Stripe, Gateway::Plaid].map(|gateway| presentment::limit(gateway, ach)).into(),
        }
    }
}

impl Terms {
    /// Whether what a payment has debited, and what came back as `why` says, may be debited again.
    #[must_use]
    pub fn may_come_again(&self, case: &Case, why: &Failure, now: Time) -> bool {
        let (stripe, others) = self.presentments;
        let limit = if case.payment.frozen.gateway == Gateway::Stripe { stripe } else { others };
        let so_far = case.payment.payment_method_id.as_ref().and_then(|id| case.invoice.presentments.get(id));
        // What no bank has seen is no presentment.
        why.returned.is_none_or(|class| class.may_come_again() && presentment::is_left(so_far, limit, now))
    }
}

/// What follows from a failure. `schedule` is the promise that the failed payment executed; a pay-now has none.
/// `may_come_again`: the bank account may be debited once more.
#[must_use]
pub fn after(why: &Failure, schedule: Option<&Schedule>, may_come_again: bool, terms: &Terms, now: Time) -> Next {
    let code = why.code;
    let retry = |tries: u32| {
        let days = usize::try_from(tries).ok().and_then(|tries| terms.retry_days.get(tries))?;
        Some(on(terms, now, *days))
    };
    match (code, schedule) {
        (FailureCode::InsufficientFunds, Some(_)) if !terms.reschedules => Next::Fail,
        (FailureCode::InsufficientFunds, Some(_)) if !may_come_again => Next::Review,
        (FailureCode::InsufficientFunds, None) if !may_come_again => Next::Nothing,
        (FailureCode::InsufficientFunds, Some(schedule)) => retry(schedule.retries).unwrap_or(Next::Review),
        (FailureCode::InsufficientFunds, None) if terms.reschedules => retry(0).unwrap_or(Next::Nothing),
        (FailureCode::PaymentMethodInvalid, Some(_)) => Next::AwaitMethod(now.plus(bounds::DAILY)),
        (FailureCode::GatewayUnavailable, Some(schedule)) if schedule.outages < bounds::OUTAGES => {
            let step = usize::try_from(schedule.outages).unwrap_or(usize::MAX);
            let pause = bounds::OUTAGE_PAUSES.get(step).copied().unwrap_or(bounds::DAILY);
            Next::Again { date: now.plus(pause).date_in(&terms.zone), at: now.plus(pause), for_funds: false }
        }
        (_, Some(_)) => Next::Review,
        (_, None) => Next::Nothing,
    }
}

/// Another payment, so many days from today.
fn on(terms: &Terms, now: Time, days: u16) -> Next {
    let today = now.date_in(&terms.zone);
    let date = today.checked_add(i64::from(days).days()).unwrap_or(Date::MAX);
    Next::Again { date, at: Time::start_of(date, &terms.zone), for_funds: true }
}

/// The policy as a Markdown table.
#[must_use]
pub fn table() -> String {
    let mut text = String::from("| a payment failed with | pay-now | of a scheduled payment |\n|---|---|---|\n");
    for code in FailureCode::ALL {
        let (now, scheduled) = match code {
            FailureCode::InsufficientFunds => (
                "scheduled by `retry_days`, if the tenant reschedules",
                "`pending` again by the next of `retry_days`, `in_review` after the last, or when the bank account may not be debited again; `failed`, if the tenant does not reschedule",
            ),
            FailureCode::PaymentMethodInvalid => ("·", "`awaiting_method`, looked at daily"),
            FailureCode::GatewayUnavailable => {
                ("·", "`pending` again after 15 min, 1 h, 4 h, then daily; `in_review` after the tenth")
            }
            _ => ("·", "`in_review`"),
        };
        text.push_str(&format!("| `{code}` | {now} | {scheduled} |\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(reschedules: bool) -> Terms {
        Terms {
            retry_days: vec![1, 3, 7],
            zone: TimeZone::get("America/New_York").unwrap(),
            reschedules,
            presentments: (1, 3),
        }
    }

    #[test]
    fn a_pay_now_without_money_is_promised_for_the_start_of_a_later_day_if_the_tenant_wants_it() {
        // 23:30 in New York.
        let now: Time = "2026-03-08T04:30:00Z".parse().unwrap();
        let after =
            |code, terms: &Terms, may_come_again| after(&Failure::new(code, None), None, may_come_again, terms, now);
        let next = after(FailureCode::InsufficientFunds, &terms(true), true);
        // Clocks go forward on the 8th; midnight is still at 05:00 UTC.
        let expected: Time = "2026-03-08T05:00:00Z".parse().unwrap();
        assert!(matches!(next, Next::Again { at, for_funds: true, .. } if at == expected), "{next:?}");
        assert_eq!(after(FailureCode::InsufficientFunds, &terms(false), true), Next::Nothing);
        assert_eq!(after(FailureCode::InsufficientFunds, &terms(true), false), Next::Nothing);
        assert_eq!(after(FailureCode::Declined, &terms(true), true), Next::Nothing);
    }

    #[test]
    fn the_table_names_every_failure() {
        for code in FailureCode::ALL {
            assert!(table().contains(&format!("| `{code}` |")), "{code}");
        }
    }
}
