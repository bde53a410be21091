//! How long rounds took, of a ping or of a load, in order of size and in bounded memory: a histogram that is merged with
//! others.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::clock::nanos;

/// Times are told apart by at least so many nanoseconds.
const FINEST: u64 = 100;
/// What takes longer counts as this long.
const LONGEST: u64 = 3_600_000_000_000;
/// Digits of a time that are kept: it is known to a thousandth.
const DIGITS: u8 = 3;

/// Times in order of size, each known to a thousandth; the least and the most are exact.
#[derive(Clone)]
pub struct Latencies {
    histogram: Histogram<u64>,
    /// More than any other where none was counted.
    least: Duration,
    most: Duration,
}

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(FINEST, LONGEST, DIGITS);
        Latencies {
            histogram: histogram.expect("the bounds are a thousandth apart"),
            least: Duration::MAX,
            most: Duration::ZERO,
        }
    }
}

/// Without the histogram, which has thousands of buckets.
impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Latencies");
        let shown = shown.field("count", &self.count()).field("least", &self.least());
        shown.field("most", &self.most()).finish_non_exhaustive()
    }
}

impl Latencies {
    /// Counts a time.
    pub fn add(&mut self, time: Duration) {
        self.histogram.saturating_record(nanos(time));
        self.least = self.least.min(time);
        self.most = self.most.max(time);
    }

    /// Counts all that another one has counted.
    pub fn merge(&mut self, other: &Latencies) {
        self.histogram.add(&other.histogram).expect("both have the same bounds");
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The least; zero where none was counted.
    pub fn least(&self) -> Duration {
        self.least.min(self.most)
    }

    /// The most.
    pub fn most(&self) -> Duration {
        self.most
    }

    /// The mean.
    pub fn mean(&self) -> Duration {
        Duration::try_from_secs_f64(self.histogram.mean() / 1e9).unwrap_or_default()
    }

    /// The time which this share of all does not exceed: 0.5 for the median.
    pub fn share(&self, share: f64) -> Duration {
        let time = Duration::from_nanos(self.histogram.value_at_quantile(share));
        time.clamp(self.least(), self.most)
    }

    /// How many took so long or longer, and less than `below`.
    pub fn between(&self, from: Duration, below: Duration) -> u64 {
        let last = nanos(below).saturating_sub(1).max(nanos(from));
        self.histogram.count_between(nanos(from), last)
    }

    /// The counts by powers of two of a microsecond: from where, and how many, from the first to the last that has any.
    pub fn doublings(&self) -> Vec<(Duration, u64)> {
        if self.count() == 0 {
            return Vec::new();
        }
        let edge = |power: u32| match power {
            0 => 0,
            power => 1_000_u64 << (power - 1),
        };
        let power = |time: Duration| {
            let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            micros.checked_ilog2().map_or(0, |log| log + 1)
        };
        let mut rows = vec![0; (power(self.most()) + 1) as usize];
        for value in self.histogram.iter_recorded() {
            let at = Duration::from_nanos(value.value_iterated_to()).min(self.most);
            let row = (power(at) as usize).min(rows.len() - 1);
            rows[row] += value.count_at_value();
        }
        let counted =
            (0_u32..).zip(rows).map(|(row, count)| (Duration::from_nanos(edge(row)), count));
        counted.skip_while(|(_, count)| *count == 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(times: &[u64]) -> Latencies {
        let mut latencies = Latencies::default();
        for time in times {
            latencies.add(Duration::from_micros(*time));
        }
        latencies
    }

    fn is_near(time: Duration, micros: u64) -> bool {
        let nanos = micros * 1_000;
        crate::clock::nanos(time).abs_diff(nanos) <= nanos / 1_000 + FINEST
    }

    #[test]
    fn shares_of_times_are_known_to_a_thousandth() {
        let mut one = micros(&(1..=500).collect::<Vec<_>>());
        one.merge(&micros(&(501..=1_000).collect::<Vec<_>>()));
        assert_eq!(one.count(), 1_000);
        for (share, expected) in [(0.5, 500), (0.9, 900), (0.99, 990), (0.999, 999), (1.0, 1_000)] {
            assert!(is_near(one.share(share), expected), "{share}: {:?}", one.share(share));
        }
        assert!(is_near(one.least(), 1) && is_near(one.most(), 1_000));
        let long = micros(&[40_000_000]);
        assert!(is_near(long.share(0.5), 40_000_000));
        assert_eq!(Latencies::default().share(0.99), Duration::ZERO);
    }

    #[test]
    fn doublings_hold_every_count_once() {
        let latencies = micros(&[3, 40, 41, 70, 5_000]);
        let rows = latencies.doublings();
        let shown: Vec<_> = rows.iter().map(|(from, count)| (from.as_micros(), *count)).collect();
        assert_eq!((shown[0], shown[4], shown[5]), ((2, 1), (32, 2), (64, 1)));
        assert_eq!(shown.last(), Some(&(4_096, 1)));
        assert_eq!(shown.iter().map(|(_, count)| count).sum::<u64>(), 5);
        assert_eq!(latencies.between(Duration::from_micros(32), Duration::from_micros(64)), 2);
    }
}
