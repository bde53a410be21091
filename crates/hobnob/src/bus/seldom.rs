//! What may happen thousands of times a second is told once a second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Bus;
use crate::address::Address;
use crate::error::{Error, Kind};
use crate::event::Fact;

/// How long nothing is told of a subject after it was told.
const SILENCE: Duration = Duration::from_secs(1);

/// Tells of each subject at most once a second. Failures that are not told are counted, and the next one that is told
/// says how many there were.
#[derive(Default)]
pub(crate) struct Seldom(Mutex<HashMap<Subject, Last>>);

/// What an event is about. Each subject is told by itself, so that one does not hide another.
#[derive(PartialEq, Eq, Hash)]
enum Subject {
    /// Accepting stopped by this limit.
    Pause(&'static str),
    /// Errors of this kind, at the listener of this address.
    Failure(Address, Kind),
    /// A limit that turns away, drops or cuts.
    Loss(&'static str),
}

/// When a subject was last told, and how often it came since without being told.
struct Last {
    told: Duration,
    untold: u64,
}

impl Seldom {
    /// Tells that accepting stops by this limit. True: that was told now, and so the end of the pause is to be told too.
    pub(crate) fn paused(&self, bus: &Bus, limit: &'static str) -> bool {
        self.paused_with(bus, limit, None)
    }

    /// The same where it is known how many peers wait.
    pub(crate) fn paused_with(&self, bus: &Bus, limit: &'static str, waiting: Option<u64>) -> bool {
        let is_due = self.due(bus, Subject::Pause(limit)).is_some();
        if is_due {
            bus.emit(0, 0, Fact::Paused { limit, waiting });
        }
        is_due
    }

    /// Counts an error at the listener of this address, and tells of it where that is due.
    pub(crate) fn failed(&self, bus: &Bus, shard: usize, at: &Address, error: Error) {
        if let Some(error) = self.due_failure(bus, at, error) {
            bus.emit(shard, 0, Fact::Failed(error));
        }
    }

    /// The error as it is to be told now, by whoever asks. One that is not told is counted here.
    pub(crate) fn due_failure(&self, bus: &Bus, at: &Address, error: Error) -> Option<Error> {
        match self.due(bus, Subject::Failure(at.clone(), error.kind())) {
            Some(0) => Some(error),
            Some(untold) => {
                Some(error.why(format!("so did {untold} more since this was last told")))
            }
            None => {
                bus.count_failure();
                None
            }
        }
    }

    /// Warns that this limit cost somebody something. `text` is given how often it did since that was last told.
    pub(crate) fn warned(&self, bus: &Bus, limit: &'static str, text: impl FnOnce(u64) -> String) {
        self.warned_of(bus, limit, 1, text);
    }

    /// The same, of so many at once.
    pub(crate) fn warned_of(
        &self,
        bus: &Bus,
        limit: &'static str,
        count: u64,
        text: impl FnOnce(u64) -> String,
    ) {
        if let Some(untold) = self.due_of(bus, Subject::Loss(limit), count) {
            bus.emit(0, 0, Fact::Warning(text(untold + count)));
        }
    }

    /// How often this subject came without being told, if it is to be told now.
    fn due(&self, bus: &Bus, subject: Subject) -> Option<u64> {
        self.due_of(bus, subject, 1)
    }

    fn due_of(&self, bus: &Bus, subject: Subject, count: u64) -> Option<u64> {
        let now = bus.clock().now();
        let mut subjects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = subjects.get_mut(&subject) else {
            subjects.insert(subject, Last { told: now, untold: 0 });
            return Some(0);
        };
        if now.saturating_sub(last.told) < SILENCE {
            last.untold += count;
            return None;
        }
        last.told = now;
        Some(std::mem::take(&mut last.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Wish;
    use crate::clock::Clock;

    #[tokio::test(start_paused = true)]
    async fn what_was_not_told_is_said_with_the_next_that_is() {
        let bus = Bus::new(Clock::start(), 1);
        let told = bus.subscribe(Wish { data: false, upstream: false, snap: 0, capacity: 16 });
        let (seldom, here) = (Seldom::default(), Address::name("here"));
        let fails = |kind| seldom.failed(&bus, 0, &here, Error::new(kind, "it fails"));
        (0..10).for_each(|_| fails(Kind::BadFrame));
        fails(Kind::TlsFailed);
        tokio::time::advance(SILENCE).await;
        fails(Kind::BadFrame);
        let mut events = Vec::new();
        told.pull(&mut events);
        let said = events.into_iter().map(|event| match event.fact {
            Fact::Failed(error) => (error.kind(), error.reasons().concat()),
            fact => panic!("{fact:?}"),
        });
        let more = "so did 9 more since this was last told".to_owned();
        let (none, once) = (String::new(), Kind::BadFrame);
        let all = [(once, none.clone()), (Kind::TlsFailed, none), (once, more)];
        assert_eq!(said.collect::<Vec<_>>(), all);
        assert_eq!(bus.failures(), 12);
    }
}
