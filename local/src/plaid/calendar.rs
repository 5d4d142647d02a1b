//! The hours at which banks work on the days of the Federal Reserve, in New York.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use shared::clock::Time;
use shared::policy::bank_day;

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

/// The business day that is so many after a date.
pub(super) fn days_after(date: Date, days: u32) -> Date {
    (0..days).fold(date, |day, _| bank_day::after(day))
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
    let today = bank_day::on_or_after(date(now));
    let time = at(today, cutoff);
    if time > now { time } else { at(days_after(today, 1), cutoff) }
}

/// When what went to its network has settled.
pub(super) fn settling(network: &str, posted: Time) -> Time {
    let time = match network {
        "rtp" => posted,
        "same-day-ach" | "wire" => at(bank_day::on_or_after(date(posted)), EVENING),
        _ => at(days_after(date(posted), 1), MORNING),
    };
    time.max(posted)
}

#[cfg(test)]
mod tests {
    use super::*;

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
