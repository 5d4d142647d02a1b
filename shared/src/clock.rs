//! The time, passed in: nothing else in the bundle asks the system for it.
//!
//! Owns [`Time`], an instant in whole milliseconds with one fixed-width spelling (so that its text sorts like its
//! value), and [`Clock`], which tells it. A simulated clock stands still until it is moved, and its `sleep` returns at
//! once, so that tests of hours take none.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// An instant, in whole milliseconds, UTC. Written as RFC 3339 with exactly three decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(Timestamp);

impl Time {
    /// From milliseconds since 1970. Out of range: the nearest instant that exists.
    #[must_use]
    pub fn from_millis(ms: i64) -> Self {
        let far = if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Self(Timestamp::from_millisecond(ms).unwrap_or(far))
    }

    /// From Unix seconds, as Stripe writes times.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self::from_millis(seconds.saturating_mul(1000))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Unix seconds, rounded down.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.millis().div_euclid(1000)
    }

    /// This instant and `duration` more.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration).unwrap_or(Timestamp::MAX))
    }

    /// This instant less `duration`.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration).unwrap_or(Timestamp::MIN))
    }

    /// The time from `earlier` to this instant; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let gap: SignedDuration = self.0.duration_since(earlier.0);
        Duration::try_from(gap).unwrap_or(Duration::ZERO)
    }

    /// The first instant of a date in `zone`: midnight, or what comes after it where clocks skip midnight.
    #[must_use]
    pub fn start_of(date: Date, zone: &TimeZone) -> Self {
        let far = if date.year() < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let start = date.to_zoned(zone.clone()).map_or(far, |zoned| zoned.timestamp());
        Self::from_millis(start.as_millisecond())
    }

    /// The hour of the day in `zone` at this instant, 0 to 23.
    #[must_use]
    pub fn hour_in(self, zone: &TimeZone) -> i8 {
        zone.to_datetime(self.0).hour()
    }

    /// The calendar date in `zone` at this instant.
    #[must_use]
    pub fn date_in(self, zone: &TimeZone) -> Date {
        zone.to_datetime(self.0).date()
    }
}

impl From<Time> for std::time::SystemTime {
    fn from(time: Time) -> Self {
        time.0.into()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Time {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<Timestamp>().map(|t| Self::from_millis(t.as_millisecond()))
    }
}

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Tells the time: the system's, or a simulated one that its owner moves.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// `None`: the system's.
    simulated: Option<Arc<Simulated>>,
}

#[derive(Debug)]
struct Simulated {
    /// Milliseconds since 1970.
    now: AtomicI64,
    /// Milliseconds that were to be slept, all together.
    slept: AtomicI64,
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands at `time` until it is moved; clones move together.
    #[must_use]
    pub fn simulated(time: Time) -> Self {
        Self { simulated: Some(Arc::new(Simulated { now: AtomicI64::new(time.millis()), slept: AtomicI64::new(0) })) }
    }

    /// The time now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    pub fn now(&self) -> Time {
        match &self.simulated {
            Some(simulated) => Time::from_millis(simulated.now.load(Ordering::SeqCst)),
            None => Time::from_millis(Timestamp::now().as_millisecond()),
        }
    }

    /// Moves a simulated clock on; the system's stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Some(simulated) = &self.simulated {
            simulated.now.fetch_add(millis(by), Ordering::SeqCst);
        }
    }

    /// Sets a simulated clock; the system's stays as it is.
    pub fn set(&self, time: Time) {
        if let Some(simulated) = &self.simulated {
            simulated.now.store(time.millis(), Ordering::SeqCst);
        }
    }

    /// Waits. Under a simulated clock it gives way to other tasks and returns.
    pub async fn sleep(&self, duration: Duration) {
        if let Some(simulated) = &self.simulated {
            simulated.slept.fetch_add(millis(duration), Ordering::SeqCst);
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(duration).await;
        }
    }

    /// How long would have been slept by a simulated clock, all together; zero by the system's.
    #[must_use]
    pub fn slept(&self) -> Duration {
        let slept = self.simulated.as_ref().map(|simulated| simulated.slept.load(Ordering::SeqCst));
        Duration::from_millis(slept.and_then(|ms| u64::try_from(ms).ok()).unwrap_or_default())
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_time_sorts_like_its_value() {
        let mut times =
            [1_700_000_000_500, 1_700_000_000_000, 1_699_999_999_999, 1_700_000_000_050].map(Time::from_millis);
        times.sort_unstable();
        let texts = times.map(|t| t.to_string());
        assert!(texts.is_sorted(), "{texts:?}");
        assert_eq!(texts.last().map(String::as_str), Some("2023-11-14T22:13:20.500Z"));
    }

    #[test]
    fn a_time_reads_back_what_it_writes() {
        let time = Time::from_millis(1_700_000_000_123);
        assert_eq!(time.to_string().parse::<Time>().ok(), Some(time));
    }
}
