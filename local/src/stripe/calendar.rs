//! When bank debits leave and settle: on the days of the Federal Reserve, with Stripe's daily hour after which a debit waits for the
//! next one (docs.stripe.com/payments/ach-direct-debit, "Payment confirmation").

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use shared::clock::Time;
use shared::policy::bank_day;

/// New York's time of day.
const CUT_OFF: Duration = Duration::from_hours(21);

/// When what reaches Stripe at `time` leaves for the bank: the cut-off of a bank's day.
pub(super) fn leaves(time: Time) -> Time {
    let zone = zone();
    let today = bank_day::on_or_after(time.date_in(&zone));
    let cut_off = |date| Time::start_of(date, &zone).plus(CUT_OFF);
    if cut_off(today) > time { cut_off(today) } else { cut_off(bank_day::after(today)) }
}

/// The day so many bank days after what reached Stripe at `time` has left.
pub(super) fn settles(time: Time, bank_days: u32) -> Date {
    bank_day::plus(leaves(time).date_in(&zone()), bank_days)
}

/// Whether the day has come.
pub(super) fn has_come(date: Date, now: Time) -> bool {
    Time::start_of(date, &zone()) <= now
}

fn zone() -> TimeZone {
    TimeZone::get("America/New_York").unwrap_or(TimeZone::UTC)
}
