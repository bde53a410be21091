//! One of the addresses that are measured, over all of its turns; and how two of them compare.

use std::time::Duration;

use hobnob::load::{Course, Measured, Recorder as _};

use crate::report::benched::{BenchMode, BenchTerms, Benched};

/// An address over its turns.
pub(super) struct Rival {
    pub(super) terms: BenchTerms,
    workers: usize,
    is_local: bool,
    measured: Measured,
    course: Course,
    /// Rounds that were done in time, and bytes that were sent and received in them.
    in_time: (u64, u64, u64),
    own: Duration,
    busy: Vec<f64>,
    /// What each turn came to: what is compared.
    marks: Vec<f64>,
}

impl Rival {
    pub(super) fn new(terms: BenchTerms, workers: usize, is_local: bool) -> Self {
        Rival {
            terms,
            workers,
            is_local,
            measured: Measured::default(),
            course: Course::default(),
            in_time: (0, 0, 0),
            own: Duration::ZERO,
            busy: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// What a turn took of this machine.
    pub(super) fn add_spent(&mut self, own: Duration, busy: Option<f64>) {
        self.own += own;
        self.busy.extend(busy);
    }

    /// What a turn came to.
    pub(super) fn add(&mut self, measured: Measured, course: Course, in_time: (u64, u64, u64)) {
        self.marks.push(mark(&self.terms, &measured, in_time));
        self.in_time.0 += in_time.0;
        self.in_time.1 += in_time.1;
        self.in_time.2 += in_time.2;
        self.course.append(course);
        let into = &mut self.measured;
        into.figures.merge(measured.figures);
        into.warm.merge(measured.warm);
        into.talkers = into.talkers.max(measured.talkers);
        into.lasted += measured.lasted;
        into.unbegun += measured.unbegun;
        into.unanswered += measured.unanswered;
        into.broke = into.broke.or(measured.broke);
    }

    pub(super) fn turns(&self) -> usize {
        self.marks.len()
    }

    pub(super) fn has_broken(&self) -> bool {
        self.measured.broke.is_some()
    }

    pub(super) fn result(&self, is_cut: bool) -> Benched {
        #[allow(clippy::cast_precision_loss, reason = "a machine has some cores")]
        let whole = self.measured.lasted.as_secs_f64() * self.workers as f64;
        let busy = self.busy.iter().copied().reduce(f64::max);
        Benched {
            terms: self.terms.clone(),
            measured: self.measured.clone(),
            course: self.course.clone(),
            in_time: self.in_time.0,
            sent: self.in_time.1,
            received: self.in_time.2,
            own_cpu: if whole > 0.0 { self.own.as_secs_f64() / whole } else { 0.0 },
            busy,
            workers: self.workers,
            is_local: self.is_local,
            is_cut,
            turns: self.turns(),
            marks: self.marks.clone(),
            notes: Vec::new(),
        }
    }
}

/// What is compared of two: in an open loop, whose rate is the same for both, the median, and the rate otherwise.
pub(super) fn figure(terms: &BenchTerms) -> &'static str {
    match terms.mode {
        BenchMode::Stream(_) => "rate",
        _ if terms.rate.is_some() => "p50",
        _ => "rate",
    }
}

fn mark(terms: &BenchTerms, measured: &Measured, (done, sent, received): (u64, u64, u64)) -> f64 {
    if figure(terms) == "p50" {
        return measured.figures.latencies.share(0.5).as_secs_f64();
    }
    let amount = if let BenchMode::Stream(_) = terms.mode { sent + received } else { done };
    #[allow(clippy::cast_precision_loss, reason = "a rate is compared to some digits")]
    let amount = amount as f64;
    amount / measured.lasted.as_secs_f64()
}
