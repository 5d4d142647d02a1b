//! Days on which banks work: those of the Federal Reserve, with Stripe's daily hour after which a debit waits for the
//! next one (docs.stripe.com/payments/ach-direct-debit, "Payment confirmation").

use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use shared::clock::Time;

/// New York's time of day.
const CUT_OFF: Duration = Duration::from_hours(21);

/// When what reaches Stripe at `time` leaves for the bank: the cut-off of a bank's day.
pub(super) fn leaves(time: Time) -> Time {
    let zone = zone();
    let mut date = time.date_in(&zone);
    while !is_bank_day(date) || Time::start_of(date, &zone).plus(CUT_OFF) <= time {
        date = date.saturating_add(1.day());
    }
    Time::start_of(date, &zone).plus(CUT_OFF)
}

/// The day so many bank days after what reached Stripe at `time` has left.
pub(super) fn settles(time: Time, bank_days: u32) -> Date {
    let mut date = leaves(time).date_in(&zone());
    for _ in 0..bank_days {
        date = date.saturating_add(1.day());
        while !is_bank_day(date) {
            date = date.saturating_add(1.day());
        }
    }
    date
}

/// Whether the day has come.
pub(super) fn has_come(date: Date, now: Time) -> bool {
    Time::start_of(date, &zone()) <= now
}

fn zone() -> TimeZone {
    TimeZone::get("America/New_York").unwrap_or(TimeZone::UTC)
}

fn is_bank_day(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) && !is_holiday(date)
}

/// Holidays of the Federal Reserve; one on a Sunday is kept on Monday, one on a Saturday is not kept.
fn is_holiday(date: Date) -> bool {
    let is_fixed = |date: Date| matches!((date.month(), date.day()), (1, 1) | (6, 19) | (7, 4) | (11, 11) | (12, 25));
    let yesterday = date.saturating_sub(1.day());
    let is_moved = date.weekday() == Weekday::Monday && is_fixed(yesterday);
    let nth = |month, nth, weekday| {
        date.month() == month && date.nth_weekday_of_month(nth, weekday).is_ok_and(|holiday| holiday == date)
    };
    is_fixed(date)
        || is_moved
        || nth(1, 3, Weekday::Monday)
        || nth(2, 3, Weekday::Monday)
        || nth(5, -1, Weekday::Monday)
        || nth(9, 1, Weekday::Monday)
        || nth(10, 2, Weekday::Monday)
        || nth(11, 4, Weekday::Thursday)
}
