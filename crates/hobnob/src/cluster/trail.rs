//! How far a stream was taken, and what stood where: by that a stream that went back is known. Without clock and I/O.

use std::collections::VecDeque;

use super::batch::BatchMark;

/// Marks that are kept.
const MARKS: usize = 1_024;

/// What was taken of a stream, without a hole.
#[derive(Debug, Default)]
pub struct StreamTrail {
    last: u64,
    /// The marks of the last places, up to `last`.
    marks: VecDeque<BatchMark>,
}

impl StreamTrail {
    /// The place up to which all was taken.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The first place of which the mark is kept; one behind the last where none is.
    pub fn start(&self) -> u64 {
        self.last + 1 - self.marks.len() as u64
    }

    /// What stood at a place when it was taken.
    pub fn at(&self, place: u64) -> Option<BatchMark> {
        let index = place.checked_sub(self.start())?;
        self.marks.get(usize::try_from(index).ok()?).copied()
    }

    /// What stands at the next place was taken.
    pub fn step(&mut self, mark: BatchMark) {
        self.last += 1;
        self.marks.push_back(mark);
        if self.marks.len() > MARKS {
            self.marks.pop_front();
        }
    }

    /// Goes on behind this place, as if nothing had been taken.
    pub fn restart(&mut self, last: u64) {
        self.last = last;
        self.marks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::name::NodeId;

    #[test]
    fn marks_are_kept_where_they_stood_and_the_oldest_go() {
        let mark = |first| BatchMark { origin: NodeId::NOBODY, first, last: first };
        let mut trail = StreamTrail::default();
        assert_eq!((trail.start(), trail.at(0), trail.at(1)), (1, None, None));
        trail.restart(10);
        assert_eq!((trail.start(), trail.last()), (11, 10));
        (11..=2_000).for_each(|first| trail.step(mark(first)));
        assert_eq!((trail.start(), trail.last()), (977, 2_000));
        assert_eq!(trail.at(976), None);
        assert_eq!((trail.at(977), trail.at(2_000)), (Some(mark(977)), Some(mark(2_000))));
        assert_eq!(trail.at(2_001), None);
    }
}
