//! Figures of a block, as they are printed.
#![expect(clippy::print_stdout, reason = "it speaks to the person who started it")]

use std::time::Duration;

use super::meter::Cost;

/// How long they took.
#[derive(Debug)]
pub(super) enum Times {
    /// Each of them.
    Each(Vec<Duration>),
    /// On average.
    Mean(Duration),
}

/// What was done, and what it took.
#[derive(Debug)]
pub(super) struct Block {
    /// What one of them is called.
    pub unit: &'static str,
    /// Requests to Stripe that each makes, and how long Stripe takes for one.
    pub stripe: u32,
    pub latency: Duration,
    pub count: usize,
    pub times: Times,
    pub elapsed: Duration,
    pub cost: Cost,
    /// Hundredths of a second of processor time.
    pub ticks: u64,
    /// The first of all, where it is shown.
    pub first: Option<Duration>,
}

impl Block {
    pub fn print(self) {
        let (unit, count) = (self.unit, u64::try_from(self.count).unwrap_or(u64::MAX).max(1));
        let gateway = self.latency.saturating_mul(self.stripe);
        let own = match self.times {
            Times::Mean(mean) => format!("mean {} ms", millis(mean.saturating_sub(gateway))),
            Times::Each(mut times) => {
                times.sort_unstable();
                let at = |percent: usize| millis(percentile(&times, percent).saturating_sub(gateway));
                format!("p50 {} ms, p95 {} ms, p99 {} ms", at(50), at(95), at(99))
            }
        };
        let each = |tenths: u64| thousandths(tenths.saturating_mul(100) / count);
        let rate = u128::from(count) * 1_000_000 / self.elapsed.as_micros().max(1);
        let (off, more) = match self.stripe {
            0 => ("", "Stripe is not asked".to_owned()),
            1 => (" (Stripe's time taken off)", "with Stripe's one more".to_owned()),
            calls => (" (Stripe's time taken off)", format!("with Stripe's {calls} more")),
        };
        println!("throughput            {rate} {unit}s/s, {} s in all", millis(self.elapsed / 1_000));
        println!("our own time          {own}{off}");
        if let Some(first) = self.first {
            println!("first {:<15} {} ms (connections, secrets)", unit, millis(first.saturating_sub(gateway)));
        }
        println!("DynamoDB round trips  {} per {unit}, in sequence; {more}", each(self.cost.calls.saturating_mul(10)));
        println!("write units           {} per {unit}, indexes included", each(self.cost.write_tenths));
        println!("read units            {} per {unit}", each(self.cost.read_tenths));
        println!("processor time        {} ms per {unit}", thousandths(self.ticks.saturating_mul(10_000) / count));
    }
}

/// How much of `whole` a part is, with one decimal.
pub(super) fn percent(part: Duration, whole: Duration) -> String {
    let tenths = part.as_micros() * 1_000 / whole.as_micros().max(1);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// What so many in a hundred of the sorted times do not exceed.
pub(super) fn percentile(times: &[Duration], percent: usize) -> Duration {
    let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or_default()
}

/// In milliseconds, with three decimals.
pub(super) fn millis(duration: Duration) -> String {
    thousandths(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

/// A number of thousandths, with three decimals.
pub(super) fn thousandths(number: u64) -> String {
    format!("{}.{:03}", number / 1_000, number % 1_000)
}

/// Processor time of this process so far, in hundredths of a second, as Linux counts it.
pub(super) fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // User and system time are the 12th and 13th field after the name, which may hold blanks.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// The most memory that this process has had, as Linux counts it.
pub(super) fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(str::trim);
    peak.unwrap_or("not known on this system").to_owned()
}
