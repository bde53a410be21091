//! How a load went over time: its rate and its latencies in steps of a tenth of a second.

use std::collections::VecDeque;
use std::time::Duration;

use crate::latencies::Latencies;
use crate::load::figures::Figures;
use crate::load::measuring::Beat;
use crate::load::worker::{BEAT, Stretch};

/// Slots to which some worker may still add.
const OPEN: usize = 4;

/// A load over time, made of the beats of all its workers.
#[derive(Default, Clone)]
pub struct Course {
    slots: Vec<CourseSlot>,
    /// The latencies of the latest slots, by their index.
    open: VecDeque<(usize, Latencies)>,
}

/// A tenth of a second of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CourseSlot {
    /// When it was over, counted from the start of the load.
    pub until: Duration,
    /// The part of the time that it is of.
    pub stretch: Stretch,
    /// Rounds that are done.
    pub done: u64,
    /// Bytes that were sent and received in them.
    pub bytes: u64,
    /// Rounds that were lost, wrong, or failed.
    pub bad: u64,
    /// The median.
    pub p50: Duration,
    /// What 99 of 100 do not exceed.
    pub p99: Duration,
    /// The most.
    pub most: Duration,
}

impl Course {
    /// Takes a beat in.
    pub fn add(&mut self, beat: &Beat<Figures>) {
        let at = nearest(beat.until).saturating_sub(1);
        while self.slots.len() <= at {
            let next = u32::try_from(self.slots.len() + 1).unwrap_or(u32::MAX);
            self.slots.push(CourseSlot {
                until: BEAT * next,
                stretch: beat.stretch,
                done: 0,
                bytes: 0,
                bad: 0,
                p50: Duration::ZERO,
                p99: Duration::ZERO,
                most: Duration::ZERO,
            });
        }
        let figures = &beat.figures;
        let (slot, latencies) = (&mut self.slots[at], latencies(&mut self.open, at));
        latencies.merge(&figures.latencies);
        slot.stretch = slot.stretch.min(beat.stretch);
        slot.done += figures.done();
        slot.bytes += figures.sent + figures.received;
        slot.bad += figures.lost + figures.wrong + figures.failed() + figures.failed_here();
        slot.p50 = latencies.share(0.5);
        slot.p99 = latencies.share(0.99);
        slot.most = latencies.most();
    }

    /// Takes in what came after it, as if it had gone on.
    pub fn append(&mut self, later: Course) {
        let passed = self.slots.last().map_or(Duration::ZERO, |slot| slot.until);
        let later = later.slots.into_iter();
        self.slots.extend(later.map(|slot| CourseSlot { until: slot.until + passed, ..slot }));
        self.open.clear();
    }

    /// All tenths of a second, the first one first.
    pub fn slots(&self) -> &[CourseSlot] {
        &self.slots
    }

    /// Those that are measured, without the one that may still grow.
    pub fn measured(&self) -> impl Iterator<Item = &CourseSlot> {
        self.slots.iter().filter(|slot| slot.stretch == Stretch::Measured)
    }

    /// Rounds a second in the part of the time that is measured; none where it was too short to say.
    pub fn rate(&self) -> Option<f64> {
        let (mut done, mut count) = (0, 0_u32);
        for slot in self.measured() {
            (done, count) = (done + slot.done, count + 1);
        }
        #[allow(clippy::cast_precision_loss, reason = "a rate is shown to three digits")]
        let rate = done as f64 / (BEAT * count.max(1)).as_secs_f64();
        (count > 0).then_some(rate)
    }
}

/// How many beats have passed by a time, to the nearest.
fn nearest(time: Duration) -> usize {
    let half = BEAT / 2;
    usize::try_from((time + half).as_nanos() / BEAT.as_nanos()).unwrap_or(usize::MAX)
}

fn latencies(open: &mut VecDeque<(usize, Latencies)>, at: usize) -> &mut Latencies {
    let known = open.iter().position(|(slot, _)| *slot == at);
    let index = known.unwrap_or_else(|| {
        if open.len() == OPEN {
            open.pop_front();
        }
        open.push_back((at, Latencies::default()));
        open.len() - 1
    });
    &mut open[index].1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::driver::{Round, Upshot};
    use crate::load::figures::Recorder;

    const MS: Duration = Duration::from_millis(1);

    fn beat(until: u32, took: u32, done: usize) -> Beat<Figures> {
        let mut figures = Figures::default();
        for _ in 0..done {
            let round = Round { number: 0, due: MS * until, begun: MS * until };
            figures.note(Upshot::Done { round, sent: 10, received: 20 }, MS * (until + took));
        }
        Beat { stretch: Stretch::Measured, until: MS * until, figures }
    }

    #[test]
    fn beats_of_two_workers_are_one_slot() {
        let mut course = Course::default();
        for beat in [beat(101, 5, 3), beat(99, 5, 4), beat(200, 7, 5), beat(420, 1, 1)] {
            course.add(&beat);
        }
        let done: Vec<_> = course.slots().iter().map(|slot| slot.done).collect();
        assert_eq!(done, [7, 5, 0, 1]);
        assert_eq!(course.slots()[0].bytes, 210);
        assert!(course.slots()[1].p99 >= MS * 7 && course.slots()[2].p99.is_zero());
        let rate = course.rate().expect("four tenths of a second");
        assert!((rate - 32.5).abs() < 0.01, "{rate}");
        course.append(course.clone());
        let until: Vec<_> = course.slots().iter().map(|slot| slot.until.as_millis()).collect();
        assert_eq!(until, [100, 200, 300, 400, 500, 600, 700, 800]);
    }
}
