//! When the rounds of a load are due.

use std::time::Duration;

use crate::error::{Error, Kind, Result};

/// When the rounds of a load are due.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Schedule {
    /// A closed loop: the next round of a talker is due once one of its rounds is over. A slow reply delays the question
    /// after it, so that the tail looks better than users see it.
    #[default]
    Closed,
    /// An open loop: so many rounds a second, evenly, whether or not replies have come. A round that cannot begin when it is
    /// due is as late as that, and counts from when it was due.
    Rate(f64),
}

impl Schedule {
    /// Rounds a second of one load at most.
    pub const MOST_A_SECOND: f64 = 10_000_000.0;

    /// An open loop of so many rounds a second. An error where that is none, or more than
    /// [`MOST_A_SECOND`](Self::MOST_A_SECOND).
    pub fn rate(rounds_a_second: f64) -> Result<Self> {
        if rounds_a_second > 0.0 && rounds_a_second <= Self::MOST_A_SECOND {
            return Ok(Schedule::Rate(rounds_a_second));
        }
        let text = "a rate is more than no message a second, and at most ten million";
        Err(Error::new(Kind::BadOption, text).hint_option("rate", "1000/s", ""))
    }

    /// When a round is due, counted from the start of the load, where its number says that: the first one is number 0.
    pub fn due(self, number: u64) -> Option<Duration> {
        match self {
            Schedule::Closed => None,
            #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53 rounds")]
            Schedule::Rate(rate) => Duration::try_from_secs_f64(number as f64 / rate).ok(),
        }
    }

    /// How many rounds are due in so much time from the start.
    pub fn due_within(self, time: Duration) -> u64 {
        match self {
            Schedule::Closed => 0,
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count that is not negative; what is over saturates"
            )]
            Schedule::Rate(rate) => (time.as_secs_f64() * rate).ceil() as u64,
        }
    }
}

/// One worker's share of a schedule: every so-manieth round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    schedule: Schedule,
    /// The number of the next round.
    next: u64,
    step: u64,
}

impl Pace {
    /// The share of worker `index` of so many.
    pub(super) fn of(schedule: Schedule, index: usize, workers: usize) -> Self {
        Pace { schedule, next: index as u64, step: workers.max(1) as u64 }
    }

    /// Whether a round begins whenever one is over.
    pub(super) fn is_closed(self) -> bool {
        self.schedule == Schedule::Closed
    }

    /// When the next round is due, counted from the start; none in a closed loop.
    pub(super) fn next_due(self) -> Option<Duration> {
        self.schedule.due(self.next)
    }

    /// Takes the next round: its number.
    pub(super) fn take(&mut self) -> u64 {
        let number = self.next;
        self.next += self.step;
        number
    }

    /// How many rounds were due within so much time and were not taken.
    pub(super) fn left_within(self, time: Duration) -> u64 {
        let due = self.schedule.due_within(time);
        due.saturating_sub(self.next).div_ceil(self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_due_evenly_and_none_is_due_in_a_closed_loop() {
        let schedule = Schedule::rate(250.0).expect("a rate");
        let due = [0, 1, 2, 1_000_000].map(|number| schedule.due(number).expect("open"));
        assert_eq!(due.map(|due| due.as_millis()), [0, 4, 8, 4_000_000]);
        assert_eq!(schedule.due_within(Duration::from_secs(2)), 500);
        assert_eq!(Schedule::Closed.due(7), None);
    }

    #[test]
    fn shares_of_a_schedule_are_the_schedule() {
        let schedule = Schedule::Rate(10.0);
        let mut shares: Vec<_> = (0..3).map(|index| Pace::of(schedule, index, 3)).collect();
        let mut taken = Vec::new();
        for share in &mut shares {
            while share.next_due().is_some_and(|due| due < Duration::from_secs(1)) {
                taken.push(share.take());
            }
            assert_eq!(share.left_within(Duration::from_secs(1)), 0);
        }
        taken.sort_unstable();
        assert_eq!(taken, (0..10).collect::<Vec<_>>());
        let left: u64 = shares.iter().map(|share| share.left_within(Duration::from_secs(3))).sum();
        assert_eq!(left, 20);
    }

    #[test]
    fn a_rate_of_nothing_is_refused() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(Schedule::rate(rate).expect_err("no rate").kind(), Kind::BadOption);
        }
    }
}
