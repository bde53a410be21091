//! Which of many talkers were woken: a waker each, which rings one bit, so that one task goes through those that were rung
//! and asks nobody else.

use std::sync::atomic::{
    AtomicBool, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Release,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

const BITS: usize = 64;

/// A bell for each talker of a worker.
pub(super) struct Bells {
    rope: Arc<BellRope>,
    wakers: Vec<Waker>,
}

struct BellRope {
    rung: Box<[AtomicU64]>,
    /// Whether the worker was woken since it looked last: only the first bell wakes it, so that its lock is taken once
    /// for all that come together.
    is_rung: AtomicBool,
    worker: Mutex<Waker>,
}

struct TalkerBell {
    rope: Arc<BellRope>,
    at: usize,
}

impl Wake for TalkerBell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rope.ring(self.at);
    }
}

impl BellRope {
    fn ring(&self, at: usize) {
        self.rung[at / BITS].fetch_or(1 << (at % BITS), Release);
        if !self.is_rung.swap(true, AcqRel) {
            self.worker.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
        }
    }
}

impl Bells {
    pub(super) fn of(count: usize) -> Self {
        let rope = Arc::new(BellRope {
            rung: (0..count.div_ceil(BITS)).map(|_| AtomicU64::new(0)).collect(),
            is_rung: AtomicBool::new(false),
            worker: Mutex::new(Waker::noop().clone()),
        });
        let bell = |at| Waker::from(Arc::new(TalkerBell { rope: rope.clone(), at }));
        Bells { wakers: (0..count).map(bell).collect(), rope }
    }

    /// The waker of one talker.
    pub(super) fn waker(&self, at: usize) -> &Waker {
        &self.wakers[at]
    }

    /// Rings a bell.
    pub(super) fn ring(&self, at: usize) {
        self.rope.ring(at);
    }

    /// Has this waker woken from now on.
    pub(super) fn listen(&self, worker: &Waker) {
        self.rope.worker.lock().unwrap_or_else(PoisonError::into_inner).clone_from(worker);
    }

    /// Adds those that were rung since the last call.
    pub(super) fn take(&self, rung: &mut Vec<usize>) {
        // Before the bits: a bell that rings meanwhile wakes the worker once more.
        self.rope.is_rung.store(false, Release);
        for (word, bits) in self.rope.rung.iter().enumerate() {
            if bits.load(Acquire) == 0 {
                continue;
            }
            let mut bits = bits.swap(0, AcqRel);
            while bits != 0 {
                rung.push(word * BITS + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, AcqRel);
        }
    }

    #[test]
    fn those_that_were_rung_are_told_once_and_wake_the_worker_once() {
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let bells = Bells::of(130);
        bells.listen(&Waker::from(woken.clone()));
        for at in [129, 0, 64, 0] {
            bells.waker(at).wake_by_ref();
        }
        let mut rung = Vec::new();
        bells.take(&mut rung);
        assert_eq!((rung.as_slice(), woken.0.load(Acquire)), (&[0, 64, 129][..], 1));
        rung.clear();
        bells.take(&mut rung);
        assert!(rung.is_empty(), "{rung:?}");
        bells.ring(7);
        bells.take(&mut rung);
        assert_eq!((rung, woken.0.load(Acquire)), (vec![7], 2));
    }
}
