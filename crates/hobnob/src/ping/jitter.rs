//! How much rounds differ from one to the next.

use std::time::Duration;

/// The differences from the time of each round to that of the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PingJitter {
    last: Option<Duration>,
    /// Of all differences, and how many these are.
    sum: Duration,
    count: u32,
}

impl PingJitter {
    /// Takes the time of the next round.
    pub fn add(&mut self, time: Duration) {
        if let Some(last) = self.last.replace(time) {
            self.sum = self.sum.saturating_add(last.abs_diff(time));
            self.count = self.count.saturating_add(1);
        }
    }

    /// The mean difference; zero before the second round.
    pub fn mean(&self) -> Duration {
        self.sum / self.count.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_of_the_differences_from_one_to_the_next() {
        let mut jitter = PingJitter::default();
        assert_eq!(jitter.mean(), Duration::ZERO);
        for micros in [30, 10, 20, 100] {
            jitter.add(Duration::from_micros(micros));
        }
        assert_eq!(jitter.mean(), Duration::from_nanos((20_000 + 10_000 + 80_000) / 3));
    }
}
