use jiff::ToSpan;

use super::*;

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

/// As published by the Federal Reserve Banks; a year's Saturday holidays are left out, since nothing is kept for them.
const PUBLISHED: [&str; 7] = [
    "2024-01-01 2024-01-15 2024-02-19 2024-05-27 2024-06-19 2024-07-04 2024-09-02 2024-10-14 2024-11-11 2024-11-28 2024-12-25",
    "2025-01-01 2025-01-20 2025-02-17 2025-05-26 2025-06-19 2025-07-04 2025-09-01 2025-10-13 2025-11-11 2025-11-27 2025-12-25",
    "2026-01-01 2026-01-19 2026-02-16 2026-05-25 2026-06-19 2026-09-07 2026-10-12 2026-11-11 2026-11-26 2026-12-25",
    "2027-01-01 2027-01-18 2027-02-15 2027-05-31 2027-07-05 2027-09-06 2027-10-11 2027-11-11 2027-11-25",
    "2028-01-17 2028-02-21 2028-05-29 2028-06-19 2028-07-04 2028-09-04 2028-10-09 2028-11-23 2028-12-25",
    "2029-01-01 2029-01-15 2029-02-19 2029-05-28 2029-06-19 2029-07-04 2029-09-03 2029-10-08 2029-11-12 2029-11-22 2029-12-25",
    "2030-01-01 2030-01-21 2030-02-18 2030-05-27 2030-06-19 2030-07-04 2030-09-02 2030-10-14 2030-11-11 2030-11-28 2030-12-25",
];

#[test]
fn the_computed_holidays_are_the_published_ones_of_2024_to_2030() {
    for (year, published) in (2024..).zip(PUBLISHED) {
        let published: Vec<Date> = published.split(' ').map(date).collect();
        let computed: Vec<Date> = Date::new(year, 1, 1)
            .unwrap()
            .series(1.day())
            .take_while(|day| day.year() == year)
            .filter(|day| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !is_bank_day(*day))
            .collect();
        assert_eq!(computed, published, "{year}");
    }
}

#[test]
fn the_friday_before_a_saturday_holiday_is_a_bank_day_and_the_monday_after_a_sunday_one_is_none() {
    assert!(is_bank_day(date("2026-07-03")));
    assert!(!is_bank_day(date("2027-07-05")));
    // Juneteenth was not kept before 2021.
    assert!(is_bank_day(date("2020-06-19")));
}

#[test]
fn a_date_that_is_no_bank_day_moves_to_the_next_one() {
    assert_eq!(on_or_after(date("2026-03-01")), date("2026-03-02"));
    // Thanksgiving, then a Friday that is open.
    assert_eq!(on_or_after(date("2026-11-26")), date("2026-11-27"));
    // Christmas on a Friday, then a weekend.
    assert_eq!(on_or_after(date("2026-12-25")), date("2026-12-28"));
    assert_eq!(plus(date("2026-12-23"), 2), date("2026-12-28"));
    assert_eq!(plus(date("2026-03-01"), 0), date("2026-03-02"));
}

#[test]
fn a_promise_goes_once_its_bank_day_has_begun_for_the_tenant_and_in_new_york() {
    let zone = |name: &str| TimeZone::get(name).unwrap();
    let goes = |on: &str, in_zone: &str, now: &str| goes_at(date(on), &zone(in_zone), now.parse().unwrap()).to_string();
    // Monday in Paris begins on Sunday in New York.
    let sunday_evening = "2026-03-01T23:00:00Z";
    assert_eq!(goes("2026-03-02", "Europe/Paris", sunday_evening), "2026-03-02T05:00:00.000Z");
    // Saturday in Paris begins on Friday in New York, and is no bank day all the same.
    assert_eq!(goes("2026-03-07", "Europe/Paris", "2026-03-06T23:00:00Z"), "2026-03-09T04:00:00.000Z");
    // Monday in Los Angeles begins when New York's is three hours old.
    assert_eq!(goes("2026-03-02", "America/Los_Angeles", sunday_evening), "2026-03-02T08:00:00.000Z");
    // Missed on Friday, it goes on Monday.
    assert_eq!(goes("2026-03-06", "America/New_York", "2026-03-07T15:00:00Z"), "2026-03-09T04:00:00.000Z");
    // Daylight saving began on the 8th.
    assert_eq!(goes("2026-03-06", "America/New_York", "2026-03-06T15:00:00Z"), "2026-03-06T05:00:00.000Z");
}
