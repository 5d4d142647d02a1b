//! The days on which the Federal Reserve settles, and the hours of its days in New York.
//!
//! A holiday on a Sunday closes the Monday after it; one on a Saturday closes no other day.

use std::time::Duration;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use shared::clock::Time;

/// Until when what is sent goes out the same day.
const STANDARD_CUTOFF: Duration = Duration::from_mins(20 * 60 + 30);
const SAME_DAY_CUTOFF: Duration = Duration::from_hours(15);
const WIRE_CUTOFF: Duration = Duration::from_mins(18 * 60 + 30);
/// When a bank's morning file has been read.
pub(super) const MORNING: Duration = Duration::from_mins(8 * 60 + 30);
/// When what settles the same day has settled.
pub(super) const EVENING: Duration = Duration::from_hours(19);
/// When holds end.
pub(super) const AFTERNOON: Duration = Duration::from_hours(15);

fn zone() -> TimeZone {
    TimeZone::get("America/New_York").unwrap_or(TimeZone::UTC)
}

/// Whether banks settle on a date.
pub(super) fn is_open(date: Date) -> bool {
    let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
    let is = |month: i8, nth: i8, weekday: Weekday| {
        date.month() == month && date.nth_weekday_of_month(nth, weekday).is_ok_and(|holiday| holiday == date)
    };
    let moving = is(1, 3, Weekday::Monday)
        || is(2, 3, Weekday::Monday)
        || is(5, -1, Weekday::Monday)
        || is(9, 1, Weekday::Monday)
        || is(10, 2, Weekday::Monday)
        || is(11, 4, Weekday::Thursday);
    let observed = date.weekday() == Weekday::Monday && date.yesterday().is_ok_and(is_fixed_holiday);
    !(weekend || moving || is_fixed_holiday(date) || observed)
}

fn is_fixed_holiday(date: Date) -> bool {
    matches!((date.month(), date.day()), (1, 1) | (6, 19) | (7, 4) | (11, 11) | (12, 25))
}

/// The business day that is so many after a date.
pub(super) fn days_after(date: Date, days: u32) -> Date {
    let mut day = date;
    for _ in 0..days {
        day = open_from(day.tomorrow().unwrap_or(day));
    }
    day
}

/// The date, or the first business day after it.
fn open_from(date: Date) -> Date {
    let mut day = date;
    while !is_open(day) {
        let Ok(next) = day.tomorrow() else { break };
        day = next;
    }
    day
}

/// The date in New York.
pub(super) fn date(time: Time) -> Date {
    time.date_in(&zone())
}

/// An hour of a date in New York. Clocks change on Sundays alone, when nothing happens.
pub(super) fn at(date: Date, hour: Duration) -> Time {
    Time::start_of(date, &zone()).plus(hour)
}

/// When what is made now goes to its network; at once where that never closes.
pub(super) fn sending(network: &str, now: Time) -> Time {
    let cutoff = match network {
        "rtp" => return now,
        "same-day-ach" => SAME_DAY_CUTOFF,
        "wire" => WIRE_CUTOFF,
        _ => STANDARD_CUTOFF,
    };
    let today = open_from(date(now));
    let time = at(today, cutoff);
    if time > now { time } else { at(days_after(today, 1), cutoff) }
}

/// When what went to its network has settled.
pub(super) fn settling(network: &str, posted: Time) -> Time {
    let time = match network {
        "rtp" => posted,
        "same-day-ach" | "wire" => at(open_from(date(posted)), EVENING),
        _ => at(days_after(date(posted), 1), MORNING),
    };
    time.max(posted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn banks_are_closed_on_the_holidays_of_their_calendar_and_open_on_the_friday_before_one() {
        let closed = [
            "2026-01-01",
            "2026-01-19",
            "2026-02-16",
            "2026-05-25",
            "2026-06-19",
            "2026-09-07",
            "2026-10-12",
            "2026-11-11",
            "2026-11-26",
            "2026-12-25",
            "2027-07-05",
            "2028-11-23",
            "2026-01-17",
            "2026-01-18",
        ];
        for date in closed {
            assert!(!is_open(day(date)), "{date}");
        }
        for date in ["2026-07-03", "2027-06-18", "2027-12-24", "2026-01-20", "2028-11-10"] {
            assert!(is_open(day(date)), "{date}");
        }
    }

    #[test]
    fn what_misses_its_cutoff_goes_out_on_the_next_business_day() {
        let time = |text: &str| text.parse::<Time>().unwrap();
        for (network, made, sent, settled) in [
            // Half past eight in New York is half past one in London.
            ("ach", "2026-01-15T12:00:00Z", "2026-01-16T01:30:00Z", "2026-01-16T13:30:00Z"),
            // Friday night before a long weekend.
            ("ach", "2026-01-17T01:30:00Z", "2026-01-21T01:30:00Z", "2026-01-21T13:30:00Z"),
            ("ach", "2026-07-02T12:00:00Z", "2026-07-03T00:30:00Z", "2026-07-03T12:30:00Z"),
            ("same-day-ach", "2026-01-15T12:00:00Z", "2026-01-15T20:00:00Z", "2026-01-16T00:00:00Z"),
            ("rtp", "2026-01-17T03:00:00Z", "2026-01-17T03:00:00Z", "2026-01-17T03:00:00Z"),
        ] {
            let posted = sending(network, time(made));
            assert_eq!((posted, settling(network, posted)), (time(sent), time(settled)), "{network} {made}");
        }
    }
}
