//! When a load is over.

use std::time::Duration;

/// When no more rounds begin: after so much time, after so many rounds, or whichever comes first. Without either a load
/// goes on until it is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Until {
    /// So much time after the warm-up.
    pub time: Option<Duration>,
    /// So many rounds, those of the warm-up too.
    pub rounds: Option<u64>,
}

impl Until {
    /// After so much time.
    pub fn time(time: Duration) -> Self {
        Until { time: Some(time), rounds: None }
    }

    /// After so many rounds.
    pub fn rounds(rounds: u64) -> Self {
        Until { time: None, rounds: Some(rounds) }
    }

    /// Also after so many rounds, if they are done before.
    pub fn or_rounds(self, rounds: u64) -> Self {
        Until { rounds: Some(rounds), ..self }
    }

    /// How many rounds worker `index` of so many may begin.
    pub(super) fn share(self, index: usize, workers: usize) -> u64 {
        let (index, workers) = (index as u64, workers.max(1) as u64);
        self.rounds
            .map_or(u64::MAX, |rounds| rounds / workers + u64::from(index < rounds % workers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_a_count_are_the_count() {
        for (rounds, workers) in [(0, 1), (1, 3), (100, 3), (7, 8)] {
            let until = Until::time(Duration::from_secs(1)).or_rounds(rounds);
            let shares = (0..workers).map(|index| until.share(index, workers));
            assert_eq!(shares.sum::<u64>(), rounds);
        }
        assert_eq!(Until::time(Duration::ZERO).share(0, 2), u64::MAX);
    }
}
