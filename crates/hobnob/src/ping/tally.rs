//! Which rounds are under way, which are back, and what became of the others.

use std::collections::VecDeque;
use std::time::Duration;

use super::jitter::PingJitter;
use super::round::{PingBack, PingEvent};
use crate::latencies::Latencies;

/// Rounds that are remembered: what comes back for an older one is a stranger's.
const REMEMBERED: usize = 65_536;

/// What all rounds come to.
#[derive(Debug, Clone, Default)]
pub struct PingSummary {
    /// Rounds that were begun.
    pub sent: u64,
    /// Rounds that are back, late ones too.
    pub back: u64,
    /// Rounds that are not back and not lost yet.
    pub awaited: u64,
    /// Rounds of which somebody said that they cannot come back.
    pub failed: u64,
    /// Copies that came beyond the first.
    pub doubled: u64,
    /// Rounds and copies that came after a later round.
    pub overtaken: u64,
    /// Rounds that were told to be lost, and came.
    pub late: u64,
    /// Packets that were no probe of this run, or were damaged.
    pub strange: u64,
    /// How long those took that are back.
    pub times: Latencies,
    /// How much they differ from one to the next.
    pub jitter: PingJitter,
}

impl PingSummary {
    /// Rounds that were begun and are not back, failed ones too.
    pub fn lost(&self) -> u64 {
        self.sent - self.back - self.awaited
    }
}

/// The rounds of one run, from its first one that is remembered.
#[derive(Debug, Default)]
pub(super) struct Tally {
    rounds: VecDeque<TallyEntry>,
    /// The number of the first one that is remembered.
    first: u64,
    /// The first one that may still be awaited.
    oldest: u64,
    /// The last one that is back.
    farthest: u64,
    summary: PingSummary,
}

#[derive(Debug, Clone, Copy)]
struct TallyEntry {
    sent: Duration,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Awaited,
    Back,
    Lost,
    Failed,
}

impl Tally {
    pub(super) fn new() -> Self {
        Tally { first: 1, oldest: 1, ..Tally::default() }
    }

    /// The number of the next round.
    pub(super) fn next(&self) -> u64 {
        self.summary.sent + 1
    }

    /// Whether one more can be remembered without one that is awaited being forgotten.
    pub(super) fn has_room(&self) -> bool {
        self.rounds.len() < REMEMBERED || self.rounds[0].fate != Fate::Awaited
    }

    /// Begins the next round.
    pub(super) fn sent(&mut self, at: Duration) {
        if self.rounds.len() == REMEMBERED {
            self.rounds.pop_front();
            self.first += 1;
        }
        self.rounds.push_back(TallyEntry { sent: at, fate: Fate::Awaited });
        self.summary.sent += 1;
        self.summary.awaited += 1;
    }

    fn entry(&mut self, round: u64) -> Option<&mut TallyEntry> {
        let at = usize::try_from(round.checked_sub(self.first)?).ok()?;
        self.rounds.get_mut(at)
    }

    /// A round is back, or a copy of it.
    pub(super) fn back(&mut self, round: u64, at: Duration) -> Option<PingEvent> {
        let is_overtaken = round < self.farthest;
        let Some(entry) = self.entry(round) else {
            self.strange();
            return None;
        };
        let (sent, was) = (entry.sent, std::mem::replace(&mut entry.fate, Fate::Back));
        self.summary.overtaken += u64::from(is_overtaken);
        self.farthest = self.farthest.max(round);
        match was {
            Fate::Back => {
                self.summary.doubled += 1;
                return Some(PingEvent::Doubled { round, is_overtaken });
            }
            Fate::Awaited => self.summary.awaited -= 1,
            Fate::Failed => self.summary.failed -= 1,
            Fate::Lost => {}
        }
        let (took, is_late) = (at.saturating_sub(sent), was == Fate::Lost);
        self.summary.back += 1;
        self.summary.late += u64::from(is_late);
        self.summary.times.add(took);
        self.summary.jitter.add(took);
        Some(PingEvent::Back(PingBack { round, took, is_overtaken, is_late }))
    }

    /// Somebody said that a round cannot come back. False: it is over already.
    pub(super) fn fail(&mut self, round: u64) -> bool {
        let Some(entry) = self.entry(round).filter(|entry| entry.fate == Fate::Awaited) else {
            return false;
        };
        entry.fate = Fate::Failed;
        self.summary.awaited -= 1;
        self.summary.failed += 1;
        true
    }

    pub(super) fn strange(&mut self) {
        self.summary.strange += 1;
    }

    /// The oldest round that is awaited, and when it was sent.
    pub(super) fn oldest(&mut self) -> Option<(u64, Duration)> {
        self.oldest = self.oldest.max(self.first);
        loop {
            let round = self.oldest;
            let entry = *self.entry(round)?;
            if entry.fate == Fate::Awaited {
                return Some((round, entry.sent));
            }
            self.oldest += 1;
        }
    }

    /// The youngest round that is awaited.
    pub(super) fn youngest(&self) -> Option<u64> {
        let at = self.rounds.iter().rposition(|entry| entry.fate == Fate::Awaited)?;
        Some(self.first + at as u64)
    }

    /// Nothing of the round has come in time.
    pub(super) fn lose(&mut self, round: u64) -> PingEvent {
        if let Some(entry) = self.entry(round).filter(|entry| entry.fate == Fate::Awaited) {
            entry.fate = Fate::Lost;
            self.summary.awaited -= 1;
        }
        PingEvent::Lost { round }
    }

    pub(super) fn summary(&self) -> &PingSummary {
        &self.summary
    }

    pub(super) fn longest(&self) -> Duration {
        self.summary.times.most()
    }

    pub(super) fn are_all_over(&self) -> bool {
        self.summary.awaited == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn sent(count: u32) -> Tally {
        let mut tally = Tally::new();
        (0..count).for_each(|at| tally.sent(MS * at));
        tally
    }

    #[test]
    fn lost_doubled_overtaken_and_late_are_told_apart() {
        let mut tally = sent(5);
        let back = |round, is_overtaken, is_late| {
            let took = MS * 10;
            Some(PingEvent::Back(PingBack { round, took, is_overtaken, is_late }))
        };
        assert_eq!(tally.back(1, MS * 10), back(1, false, false));
        assert_eq!(tally.back(3, MS * 12), back(3, false, false));
        assert_eq!(tally.back(2, MS * 11), back(2, true, false));
        let doubled = |round, is_overtaken| Some(PingEvent::Doubled { round, is_overtaken });
        assert_eq!(tally.back(3, MS * 13), doubled(3, false));
        assert_eq!(tally.back(2, MS * 13), doubled(2, true));
        assert_eq!(tally.oldest(), Some((4, MS * 3)));
        assert_eq!(tally.lose(4), PingEvent::Lost { round: 4 });
        assert_eq!((tally.oldest(), tally.youngest()), (Some((5, MS * 4)), Some(5)));
        assert!(tally.fail(5) && !tally.fail(5) && tally.are_all_over());
        assert_eq!((tally.summary().lost(), tally.summary().failed), (2, 1));
        assert_eq!(tally.back(4, MS * 13), back(4, false, true));
        assert_eq!((tally.back(6, MS), tally.back(0, MS)), (None, None));
        let summary = tally.summary();
        assert_eq!((summary.sent, summary.back, summary.lost(), summary.failed), (5, 4, 1, 1));
        assert_eq!(
            (summary.doubled, summary.overtaken, summary.late, summary.strange),
            (2, 2, 1, 2)
        );
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_awaited_is_not_forgotten() {
        let many = u32::try_from(REMEMBERED).expect("small");
        let mut tally = sent(many);
        assert!(!tally.has_room());
        tally.lose(1);
        assert!(tally.has_room());
        tally.sent(MS);
        assert_eq!(tally.back(1, MS), None, "it is forgotten");
        assert_eq!(tally.oldest().map(|(round, _)| round), Some(2));
        assert_eq!(tally.next(), u64::from(many) + 2);
    }
}
