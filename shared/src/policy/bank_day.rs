//! Bank days: the days on which the Federal Reserve moves money, in New York, computed for any year.
//!
//! Closed are Saturdays, Sundays and eleven holidays. One that falls on a Sunday is kept on Monday; one that falls on a
//! Saturday is not kept on another day (frbservices.org, holiday schedules).

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use crate::clock::Time;

/// Whether banks move money on this day.
#[must_use]
pub fn is_bank_day(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) && !is_holiday(date)
}

/// The first bank day that is not before `date`.
#[must_use]
pub fn on_or_after(date: Date) -> Date {
    let mut day = date;
    // Three days in a row at most are closed.
    while !is_bank_day(day) {
        let Ok(next) = day.tomorrow() else { return day };
        day = next;
    }
    day
}

/// The first bank day that is after `date`.
#[must_use]
pub fn after(date: Date) -> Date {
    date.tomorrow().map_or(date, on_or_after)
}

/// The bank day that is `days` of them after `date`, which need not be one itself.
#[must_use]
pub fn plus(date: Date, days: u32) -> Date {
    (0..days).fold(on_or_after(date), |day, _| after(day))
}

/// The day in New York at an instant.
#[must_use]
pub fn day_at(now: Time) -> Date {
    now.date_in(&new_york())
}

/// The hour in New York at an instant, 0 to 23.
#[must_use]
pub fn hour_at(now: Time) -> i8 {
    now.hour_in(&new_york())
}

/// When a bank payment that is promised for `date` in `zone` goes: on the first bank day in New York that is not before
/// the date and not before now, once that day has begun in both places. In the past or now: at once.
#[must_use]
pub fn goes_at(date: Date, zone: &TimeZone, now: Time) -> Time {
    let day = on_or_after(date.max(day_at(now)));
    Time::start_of(day, zone).max(Time::start_of(day, &new_york()))
}

/// New York's days; should the time zone database lack them, UTC's.
fn new_york() -> TimeZone {
    TimeZone::get("America/New_York").unwrap_or(TimeZone::UTC)
}

/// Whether the Federal Reserve keeps a holiday on this day, which is no weekend.
fn is_holiday(date: Date) -> bool {
    let on_sunday = date.weekday() == Weekday::Monday && date.yesterday().is_ok_and(is_fixed);
    is_fixed(date) || on_sunday || is_floating(date)
}

/// Holidays on a date: New Year, Juneteenth (since 2021), Independence Day, Veterans Day, Christmas.
fn is_fixed(date: Date) -> bool {
    let juneteenth = date.year() >= 2021 && (date.month(), date.day()) == (6, 19);
    juneteenth || [(1, 1), (7, 4), (11, 11), (12, 25)].contains(&(date.month(), date.day()))
}

/// Holidays on a weekday: Martin Luther King, Washington, Memorial Day, Labor Day, Columbus, Thanksgiving.
fn is_floating(date: Date) -> bool {
    let is = |month, nth, weekday| {
        date.month() == month && date.nth_weekday_of_month(nth, weekday).is_ok_and(|holiday| holiday == date)
    };
    is(1, 3, Weekday::Monday)
        || is(2, 3, Weekday::Monday)
        || is(5, -1, Weekday::Monday)
        || is(9, 1, Weekday::Monday)
        || is(10, 2, Weekday::Monday)
        || is(11, 4, Weekday::Thursday)
}

#[cfg(test)]
mod tests;
