//! What is counted of a load, and the contract of whoever counts otherwise.

use std::time::Duration;

use crate::error::Error;
use crate::latencies::Latencies;
use crate::load::driver::{Mismatch, Stray, Upshot, is_ours};

/// Notes what comes of the rounds of one worker. Each worker has recorders of its own, which are merged.
pub trait Recorder: Default + Send + 'static {
    /// Something came at that time of the load's clock.
    fn note(&mut self, came: Upshot, at: Duration);

    /// Takes in what another one has noted, which came later or on another worker.
    fn merge(&mut self, other: Self);
}

/// Counts of rounds, and how long they took.
#[derive(Default, Clone)]
pub struct Figures {
    /// From when a round was due until all of its reply was there, of rounds that are done.
    pub latencies: Latencies,
    /// How long conns took, handshakes of the layers included.
    pub connects: Latencies,
    /// Bytes that were sent in rounds that are done.
    pub sent: u64,
    /// Bytes that were received in them.
    pub received: u64,
    /// Rounds without a reply within the patience.
    pub lost: u64,
    /// Lost ones whose reply came after all.
    pub late: u64,
    /// Replies that came once more.
    pub doubled: u64,
    /// Packets that were no reply of ours.
    pub strange: u64,
    /// Rounds whose reply was another than expected.
    pub wrong: u64,
    /// The first of these replies.
    pub first_wrong: Option<Box<Mismatch>>,
    /// What failed, by what it was.
    pub failures: Vec<Failure>,
    /// When a round was last done, by the load's clock.
    pub last: Duration,
}

/// Errors of one kind.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The first of them.
    pub error: Error,
    /// How many there were.
    pub count: u64,
    /// Whether it was this machine that had no more to give, which tells nothing of the server.
    pub is_ours: bool,
}

impl Failure {
    /// One error.
    pub fn of(error: Error) -> Self {
        Failure { is_ours: is_ours(&error), error, count: 1 }
    }

    fn is_like(&self, other: &Error) -> bool {
        (self.error.kind(), self.error.errno()) == (other.kind(), other.errno())
    }
}

/// Adds an error to those of its kind.
pub(super) fn add_failure(failures: &mut Vec<Failure>, failure: Failure) {
    match failures.iter_mut().find(|known| known.is_like(&failure.error)) {
        Some(known) => known.count += failure.count,
        None => failures.push(failure),
    }
}

impl Figures {
    /// Rounds that are done.
    pub fn done(&self) -> u64 {
        self.latencies.count()
    }

    /// Rounds and talkers that failed, those aside that failed by this machine's own limits.
    pub fn failed(&self) -> u64 {
        let theirs = self.failures.iter().filter(|failure| !failure.is_ours);
        theirs.map(|failure| failure.count).sum()
    }

    /// Rounds that this machine itself could not do.
    pub fn failed_here(&self) -> u64 {
        let ours = self.failures.iter().filter(|failure| failure.is_ours);
        ours.map(|failure| failure.count).sum()
    }

    /// Whether anything came that was not as expected. A packet that comes twice or late is none of that.
    pub fn is_flawless(&self) -> bool {
        self.failures.is_empty() && self.lost + self.wrong + self.strange == 0
    }
}

impl Recorder for Figures {
    fn note(&mut self, came: Upshot, at: Duration) {
        match came {
            Upshot::Done { round, sent, received } => {
                self.latencies.add(at.saturating_sub(round.due));
                self.sent += sent;
                self.received += received;
                self.last = at;
            }
            Upshot::Lost(_) => self.lost += 1,
            Upshot::Wrong(_, mismatch) => {
                self.wrong += 1;
                self.first_wrong.get_or_insert(mismatch);
            }
            Upshot::Failed(_, error) | Upshot::Broken(error) => {
                add_failure(&mut self.failures, Failure::of(error));
            }
            Upshot::GivenUp => {}
            Upshot::Connected(time) => self.connects.add(time),
            Upshot::Stray(Stray::Late) => self.late += 1,
            Upshot::Stray(Stray::Doubled) => self.doubled += 1,
            Upshot::Stray(Stray::Strange) => self.strange += 1,
        }
    }

    fn merge(&mut self, other: Self) {
        self.latencies.merge(&other.latencies);
        self.connects.merge(&other.connects);
        for (ours, theirs) in [
            (&mut self.sent, other.sent),
            (&mut self.received, other.received),
            (&mut self.lost, other.lost),
            (&mut self.late, other.late),
            (&mut self.doubled, other.doubled),
            (&mut self.strange, other.strange),
            (&mut self.wrong, other.wrong),
        ] {
            *ours += theirs;
        }
        if self.first_wrong.is_none() {
            self.first_wrong = other.first_wrong;
        }
        other.failures.into_iter().for_each(|failure| add_failure(&mut self.failures, failure));
        self.last = self.last.max(other.last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::driver::Round;

    const MS: Duration = Duration::from_millis(1);

    fn done(due: u32, sent: u64) -> Upshot {
        let round = Round { number: 0, due: MS * due, begun: MS * (due + 5) };
        Upshot::Done { round, sent, received: 2 * sent }
    }

    fn failed(errno: i32) -> Upshot {
        let error = std::io::Error::from_raw_os_error(errno);
        Upshot::Broken(Error::from_io("connect()", &error))
    }

    #[test]
    fn a_time_counts_from_when_a_round_was_due_and_not_from_when_it_began() {
        let mut figures = Figures::default();
        figures.note(done(10, 64), MS * 30);
        let took = figures.latencies.most();
        assert!(took >= MS * 20 && took < MS * 21, "{took:?}");
        assert_eq!((figures.sent, figures.received, figures.last), (64, 128, MS * 30));
    }

    #[test]
    fn what_two_workers_noted_is_one_sum_with_the_first_of_each() {
        let (mut one, mut other) = (Figures::default(), Figures::default());
        for (figures, word) in [(&mut one, b"one"), (&mut other, b"two")] {
            let round = Round { number: 1, due: MS, begun: MS };
            figures.note(Upshot::Wrong(round, Mismatch::new(b"", word)), MS);
            figures.note(Upshot::Lost(round), MS);
            figures.note(failed(libc::ECONNRESET), MS);
            for stray in [Stray::Late, Stray::Doubled, Stray::Strange] {
                figures.note(Upshot::Stray(stray), MS);
            }
            figures.note(Upshot::Connected(MS), MS);
            figures.note(done(1, 10), MS * 2);
        }
        one.merge(other);
        assert_eq!((one.done(), one.lost, one.wrong, one.sent), (2, 2, 2, 20));
        assert_eq!((one.late, one.doubled, one.strange, one.connects.count()), (2, 2, 2, 2));
        assert_eq!(one.first_wrong.as_ref().map(|first| first.came.as_slice()), Some(&b"one"[..]));
        assert_eq!((one.failures.len(), one.failed(), one.failed_here()), (1, 2, 0));
    }

    #[test]
    fn limits_of_this_machine_are_not_the_servers() {
        let mut figures = Figures::default();
        for errno in [libc::EADDRNOTAVAIL, libc::EMFILE, libc::ECONNREFUSED, libc::EMFILE] {
            figures.note(failed(errno), MS);
        }
        assert_eq!((figures.failed(), figures.failed_here()), (1, 3));
        assert!(!figures.is_flawless());
    }
}
