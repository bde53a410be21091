//! The budget of buffers: what all sessions of a server hold together, as of now, and which of them are cut where it is
//! full. A session notes what it holds before it asks for more, so that the budget is kept before it is passed.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::shards::Shard;
use crate::session::{Cut, Session};

/// The share of the budget, in percent, from which on nobody new is let in.
const CROWDED: u64 = 88;
/// The share from which on the heaviest sessions are cut, and what is left of it then. Those that are cut let go of what
/// they hold once their tasks run, and others take more until then: that is what the rest of the budget is for.
const FULL: u64 = 90;
const RELIEVED: u64 = 82;
/// The heaviest are looked for again once so small a share more is held: those that were cut need a moment to let go.
const STEP: u64 = 128;

/// What all sessions of a server hold.
pub(super) struct Ledger {
    budget: u64,
    shards: Vec<Arc<Shard>>,
    /// Bytes that sessions have noted. Two threads may note one session, and what is taken away may be told before it was
    /// added: for that moment it is less than nothing.
    held: AtomicI64,
    /// What was held when the heaviest were looked for last; 0: the budget was not full since.
    looked: AtomicU64,
    /// One look at a time, so that each sees whom the others have cut.
    looking: Mutex<()>,
}

impl Ledger {
    pub(super) fn new(budget: u64, shards: Vec<Arc<Shard>>) -> Self {
        let (held, looked) = (AtomicI64::new(0), AtomicU64::new(0));
        Ledger { budget, shards, held, looked, looking: Mutex::default() }
    }

    /// A session held so many bytes, and now holds so many. Where the budget is full, the heaviest are cut.
    pub(super) fn note(&self, before: u64, after: u64) {
        let change = after.cast_signed() - before.cast_signed();
        let held = self.held.fetch_add(change, Relaxed) + change;
        if change < 0 {
            return;
        }
        let held = u64::try_from(held).unwrap_or(0);
        if self.percent_of(held + self.beside()) < FULL {
            if self.looked.load(Relaxed) != 0 {
                self.looked.store(0, Relaxed);
            }
            return;
        }
        let looked = self.looked.load(Relaxed);
        if looked == 0 || held >= looked.saturating_add(self.budget / STEP) {
            self.looked.store(held, Relaxed);
            self.relieve();
        }
    }

    /// The share of the budget that is used, in percent. What waits to be received, and answers that are held back, are
    /// those of the last sweep.
    pub(super) fn percent(&self) -> u64 {
        let held = u64::try_from(self.held.load(Relaxed)).unwrap_or(0);
        self.percent_of(held + self.beside())
    }

    /// Cuts the sessions that hold most, if those that are not cut yet still hold too much.
    pub(super) fn relieve(&self) {
        let _turn = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let mut total = self.shards.iter().map(|shard| shard.queued.load(Relaxed)).sum::<u64>();
        let mut sessions: Vec<(u64, Arc<Session>)> = Vec::new();
        for shard in &self.shards {
            shard.each(|session| {
                let held = session.held();
                if held > 0 && session.cut_by().is_none() {
                    total += held;
                    sessions.push((held, session.clone()));
                }
            });
        }
        if self.percent_of(total) < FULL {
            return;
        }
        sessions.sort_unstable_by_key(|(held, _)| Reverse(*held));
        for (held, session) in sessions {
            if self.percent_of(total) < RELIEVED {
                return;
            }
            total -= held;
            session.cut(Cut::Memory);
        }
    }

    /// Whether nobody new is to be let in.
    pub(super) fn is_crowded(&self) -> bool {
        self.percent() >= CROWDED
    }

    /// Whether the budget is full.
    pub(super) fn is_full(&self) -> bool {
        self.percent() >= FULL
    }

    /// What no session has noted: packets that wait to be received, and answers that are held back.
    fn beside(&self) -> u64 {
        let of = |shard: &Arc<Shard>| shard.unread.load(Relaxed) + shard.queued.load(Relaxed);
        self.shards.iter().map(of).sum()
    }

    fn percent_of(&self, held: u64) -> u64 {
        held.saturating_mul(100) / self.budget.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::bus::Bus;
    use crate::clock::Clock;
    use crate::conn::Facts;
    use crate::engine::shards::Crew;
    use crate::session::Opening;
    use crate::session::powers::Powers;

    impl Powers for Ledger {
        fn note_held(&self, before: u64, after: u64) {
            self.note(before, after);
        }
    }

    /// Of two threads that note one session the one that came second may be heard first.
    #[test]
    fn what_is_taken_away_before_it_was_added_fills_no_budget() {
        let shards = Crew::of(1, Clock::start()).expect("a thread").shards();
        let ledger = Ledger::new(1_000, shards);
        ledger.note(600, 0);
        assert_eq!(ledger.percent(), 0);
        ledger.note(0, 500); // another session
        assert_eq!(ledger.percent(), 0, "as much as is known is added yet");
        ledger.note(0, 600);
        assert_eq!(ledger.percent(), 50);
    }

    /// Nobody sweeps here.
    #[test]
    fn the_heaviest_is_cut_at_once_when_more_is_noted_than_the_budget_has() {
        let clock = Clock::start();
        let shards = Crew::of(1, clock).expect("a thread").shards();
        let ledger = Arc::new(Ledger::new(1_000, shards.clone()));
        let [large, middle, small] = [1, 2, 3].map(|id| {
            let name = Address::name("far");
            let session = Arc::new(Session::open(Opening {
                id,
                parent: 0,
                door: Some(""),
                facts: Facts::new("memory", name.clone(), name).into(),
                shard: 0,
                bus: Bus::new(clock, 1),
                seed: 1,
                powers: ledger.clone(),
            }));
            shards[0].enter(&session);
            session
        });
        let cut = || [&large, &middle, &small].map(|session| session.cut_by());
        large.note_held(500);
        middle.note_held(300);
        small.note_held(99);
        assert_eq!((ledger.percent(), cut()), (89, [None; 3]));
        small.note_held(100);
        assert_eq!((ledger.percent(), cut()), (90, [Some(Cut::Memory), None, None]));
        // Until it has let go of what it holds, no other one is cut for that.
        middle.note_held(310);
        assert_eq!(cut(), [Some(Cut::Memory), None, None]);
        large.note_held(0);
        assert_eq!(ledger.percent(), 41);
        for id in [1, 2, 3] {
            shards[0].leave(id);
        }
    }
}
