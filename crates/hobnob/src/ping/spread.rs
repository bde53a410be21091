//! How long rounds took: the least, the most, and shares of them, in bounded memory.
//!
//! A time is counted in a bucket of its own up to 255 us, and above that in one of 128 for each power of two, so that it is
//! known to 0.8 %. The least and the most are exact.

use std::time::Duration;

/// Buckets for each power of two, and their logarithm.
const FINE: u64 = 128;
const FINE_BITS: u32 = 7;

/// Times in order of size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread {
    /// The count in each bucket, as far as any was used.
    buckets: Vec<u64>,
    count: u64,
    least: Duration,
    most: Duration,
    last: Option<Duration>,
    /// The sum of the differences from each to the next, in nanoseconds, and how many these are.
    changes: (u128, u32),
}

impl Spread {
    /// Counts a time.
    pub fn add(&mut self, time: Duration) {
        let at = bucket(micros(time));
        if self.buckets.len() <= at {
            self.buckets.resize(at + 1, 0);
        }
        self.buckets[at] += 1;
        self.least = if self.count == 0 { time } else { self.least.min(time) };
        self.most = self.most.max(time);
        self.count += 1;
        if let Some(last) = self.last.replace(time) {
            self.changes.0 += last.abs_diff(time).as_nanos();
            self.changes.1 = self.changes.1.saturating_add(1);
        }
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The least; zero where none was counted.
    pub fn least(&self) -> Duration {
        self.least
    }

    /// The most.
    pub fn most(&self) -> Duration {
        self.most
    }

    /// The time which this share of all does not exceed: 0.5 for the median.
    pub fn share(&self, share: f64) -> Duration {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a count is a count"
        )]
        let rank = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            below += count;
            if below >= rank {
                return Duration::from_micros(middle(at)).clamp(self.least, self.most);
            }
        }
        self.most
    }

    /// The mean difference from each time to the next.
    pub fn jitter(&self) -> Duration {
        let nanos = self.changes.0.checked_div(u128::from(self.changes.1)).unwrap_or(0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn bucket(micros: u64) -> usize {
    let halvings = micros.checked_ilog2().unwrap_or(0).saturating_sub(FINE_BITS);
    let at = u64::from(halvings) * FINE + (micros >> halvings);
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// The middle of what a bucket counts, in microseconds.
fn middle(at: usize) -> u64 {
    let at = at as u64;
    let halvings = (at / FINE).saturating_sub(1);
    let low = (at - halvings * FINE) << halvings;
    low + ((1 << halvings) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_within_a_hundredth_of_what_it_counts() {
        for micros in (0..2_000).chain((11..50).map(|bits| (1_u64 << bits) + 12_345)) {
            let told = middle(bucket(micros));
            assert!(told.abs_diff(micros) * 100 <= micros, "{micros} is told as {told}");
        }
    }

    #[test]
    fn shares_of_times_and_their_jitter() {
        let mut spread = Spread::default();
        assert_eq!((spread.share(0.5), spread.jitter()), (Duration::ZERO, Duration::ZERO));
        for micros in [30, 10, 20, 100] {
            spread.add(Duration::from_micros(micros));
        }
        let micros = |time: Duration| time.as_micros();
        assert_eq!((micros(spread.least()), micros(spread.most())), (10, 100));
        assert_eq!(
            [0.25, 0.5, 0.75, 0.99].map(|share| micros(spread.share(share))),
            [10, 20, 30, 100]
        );
        assert_eq!(spread.jitter(), Duration::from_nanos((20_000 + 10_000 + 80_000) / 3));
    }
}
