//! What stands in the stream, taken place by place.

use std::time::Duration;

use super::super::batch::{BatchMark, RoomBatch};
use super::super::ledger::BatchFit;
use super::super::rule::ClusterRule;
use super::{
    ClusterNode, HELD, HELD_BYTES, JoinPhase, NodeAsking, NodeDoubt, NodeWish, READ_PLACES,
    READS_FAILED, SUSPECTS, TAIL,
};

/// How often the next place is not found before the leader is asked for it.
const NEAR_MISSES: u32 = 2;

impl ClusterNode {
    /// A batch was heard that the stream has at this place.
    pub fn heard(&mut self, now: Duration, place: u64, batch: RoomBatch) {
        if let Some(asking) = &mut self.asking {
            asking.heard = asking.heard.max(place);
        }
        if self.phase == JoinPhase::New {
            return; // the end is not known yet: it will be read
        }
        if place > self.trail.last() {
            self.end = self.end.max(place);
            if place == self.trail.last() + 1 || self.has_room_for(&batch) {
                self.hold(place, batch, false);
            }
        } else if self.trail.at(place) != Some(batch.mark())
            && (place >= self.trail.start() || self.ledger.fit(&batch) != BatchFit::Known)
        {
            self.contradict(place);
        }
        self.settle(now);
    }

    /// Whether something else was taken where a node says that its last batch stands: the stream may have gone back.
    fn has_other_before(&self, batch: &RoomBatch) -> bool {
        let is_it = |mark: BatchMark| mark.origin == batch.origin && mark.last == batch.after;
        self.trail.at(batch.prev).is_some_and(|mark| !is_it(mark))
            && self.keeps(ClusterRule::StreamGoesBack)
    }

    /// Whether a batch behind a hole may be kept.
    fn has_room_for(&self, batch: &RoomBatch) -> bool {
        let bytes: usize = self.held.values().map(|batch| batch.body.len()).sum();
        self.held.len() < HELD && bytes + batch.body.len() <= HELD_BYTES
    }

    /// Has this place compared with the leader's.
    pub(super) fn suspect(&mut self, place: u64) {
        self.wants_look = true;
        if self.suspects.len() < SUSPECTS {
            self.suspects.insert(place);
        }
    }

    /// What was found at the places that were asked for with this number.
    pub fn read(&mut self, now: Duration, id: u64, found: Vec<(u64, Option<RoomBatch>)>) {
        let Some(asking) = self.asking.take_if(|asking| asking.id == id) else { return };
        if asking.is_leader && self.reads_failed >= READS_FAILED {
            self.back_to = self.back_to.max(self.trail.last() + 1 + READ_PLACES); // what nobody near could send stands here
        }
        (self.has_read, self.reads_failed) = (true, 0);
        let next = self.trail.last() + 1;
        for (place, batch) in found {
            match batch {
                Some(batch) if place + 1 == next => self.compare_last(place, &batch),
                Some(batch) if place >= next => self.hold(place, batch, asking.is_leader),
                None if !self.keeps(ClusterRule::NotFoundIsLate) && place >= next => {
                    self.held.entry(place).or_insert_with(RoomBatch::foreign);
                }
                _ => {}
            }
        }
        if self.held.contains_key(&next) {
            self.misses = 0;
        } else {
            self.miss(now, next);
        }
        self.settle(now);
    }

    /// Keeps what stands at a place that is not taken yet. Where something else was kept, one of the two is of a stream that
    /// went back: the leader is asked which.
    fn hold(&mut self, place: u64, batch: RoomBatch, is_of_leader: bool) {
        let is_other = self.held.get(&place).is_some_and(|held| held.mark() != batch.mark());
        if is_other && !is_of_leader && self.keeps(ClusterRule::StreamGoesBack) {
            self.held.remove(&place);
            self.back_to = self.back_to.max(place);
        } else {
            self.held.insert(place, batch);
        }
    }

    /// Compares what was read with what was taken there.
    fn compare_last(&mut self, place: u64, batch: &RoomBatch) {
        if self.trail.at(place).is_some_and(|mark| mark != batch.mark()) {
            self.contradict(place);
        }
    }

    /// Something else stands at a place than was taken there: nothing is taken before the leader was asked.
    fn contradict(&mut self, place: u64) {
        self.suspect(place);
        self.is_contradicted = self.keeps(ClusterRule::StreamGoesBack);
    }

    /// The next place was not found. Whoever was asked may lag, and so may a leader that is new: it is asked again, and
    /// skipped only where it was never found while the leader answered.
    fn miss(&mut self, now: Duration, next: u64) {
        if self.misses == 0 {
            self.missed_since = now;
        }
        self.misses += 1;
        self.wants_look = true;
        self.next_ask = now + self.pause();
        if self.misses > 10 && self.missed_since + TAIL <= now {
            self.held.insert(next, RoomBatch::foreign());
            self.misses = 0;
        }
    }

    /// Takes what can be taken, and asks for what is missing.
    pub(super) fn settle(&mut self, now: Duration) {
        self.take();
        if let JoinPhase::Reading(until) = self.phase
            && self.trail.last() >= until
        {
            (self.phase, self.wants_look) = (JoinPhase::Comparing, true);
        }
        if self.has_read && self.doubt.is_none() && self.trail.last() >= self.end {
            (self.has_read, self.wants_look) = (false, true);
        }
        self.ask(now);
    }

    fn take(&mut self) {
        while self.doubt.is_none() && !self.is_contradicted && self.phase != JoinPhase::New {
            let place = self.trail.last() + 1;
            let Some(batch) = self.held.remove(&place) else { break };
            let fit = self.ledger.fit(&batch);
            let is_known_gap = self.phase != JoinPhase::Joined || self.is_own_and_known(&batch);
            let is_gap = matches!(fit, BatchFit::Gap | BatchFit::Stranger) && !is_known_gap;
            let is_odd = self.has_other_before(&batch) && self.phase == JoinPhase::Joined;
            if is_gap || is_odd && fit != BatchFit::Known {
                self.doubt = Some(NodeDoubt { batch, asked: self.asked });
                return;
            }
            self.accept(&batch);
        }
        let last = self.trail.last();
        self.held.retain(|place, _| *place > last);
    }

    /// Whether a gap of our own is nothing to ask about: all of it was dropped here, which was told.
    fn is_own_and_known(&self, batch: &RoomBatch) -> bool {
        let from = self.ledger.expected(batch.origin).unwrap_or(1);
        let is_dropped = |(first, last): &(u64, u64)| *first <= from && batch.first <= last + 1;
        batch.origin == self.me
            && (self.dropped.iter().any(is_dropped) || !self.keeps(ClusterRule::OwnIsWatched))
    }

    /// Takes the batch at the next place, whatever was before it.
    pub(super) fn accept(&mut self, batch: &RoomBatch) {
        let from = self.ledger.take(batch);
        self.trail.step(batch.mark());
        self.show(batch, from);
        let is_behind = self.behind.get(&batch.origin);
        if is_behind.is_some_and(|lag| lag.acked < batch.next()) {
            self.behind.remove(&batch.origin);
        }
    }

    fn ask(&mut self, now: Duration) {
        if self.asking.is_some() || now < self.next_ask || self.down_since.is_some() {
            return;
        }
        let last = self.trail.last();
        // A look that is not answered in time may never be: what is known to be there is read between two.
        let is_read_first = std::mem::take(&mut self.looks_failed) > 0 && last < self.end;
        let wants_look = self.wants_look && !is_read_first;
        let is_look = wants_look || self.doubt.is_some() || self.phase == JoinPhase::New;
        if !is_look && last >= self.end {
            return;
        }
        self.asked += 1;
        let id = self.asked;
        // Where reads bring nothing again and again, it may be for what stands there: a header that the client does not
        // understand ends the link. The leader sends the same as text; and where there is none, others may still have it.
        let is_leaders_turn = self.reads_failed / READS_FAILED % 2 == 1;
        let is_leader = self.misses >= NEAR_MISSES || last < self.back_to || is_leaders_turn;
        if is_look {
            self.wants_look = false;
            let places = self.take_places();
            self.wishes.push_back(NodeWish::Look { id, places });
        } else {
            let to = self.end.min(last + READ_PLACES);
            // What was taken last is read again: a stream that went back has something else there.
            let from = if self.trail.at(last).is_some() { last } else { last + 1 };
            self.wishes.push_back(NodeWish::Read { id, from, to, is_leader });
        }
        self.asking = Some(NodeAsking { id, at: now, is_look, is_leader, last, heard: 0 });
    }
}
