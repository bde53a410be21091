//! A look at the leader: whether the stream is the one that was taken, and what comes of doubts.

use std::time::Duration;

use super::super::batch::BatchMark;
use super::super::ledger::BatchFit;
use super::super::rule::ClusterRule;
use super::{ClusterNode, JoinPhase, NodeAsking, NodeDoubt, NodeTold, StreamLook};

impl ClusterNode {
    /// Takes the places that the next look compares: what the leader has vouched for before, what was taken since, what is
    /// suspected, and where the origin of a doubt says that its batch before stands. Two marks are the least: with the
    /// last alone, a stream that went back while it was read looks the same.
    pub(super) fn take_places(&mut self) -> Vec<u64> {
        let mut places = std::mem::take(&mut self.suspects);
        places.extend([self.verified, self.trail.last()]);
        places.extend(self.doubt.as_ref().map(|doubt| doubt.batch.prev));
        places.extend(self.behind.values().map(|lag| lag.at).take(8));
        places.into_iter().filter(|place| *place > 0).collect()
    }

    /// What the leader said to the look with this number.
    pub fn looked(&mut self, now: Duration, id: u64, look: &StreamLook) {
        let Some(asking) = self.asking.take_if(|asking| asking.id == id && asking.is_look) else {
            return;
        };
        self.is_contradicted &= !self.suspects.is_empty(); // what came since is asked for next
        if self.phase == JoinPhase::New {
            self.begin(look, &asking);
        } else if self.keeps(ClusterRule::StreamGoesBack) && self.has_gone_back(look, &asking) {
            self.go_back(now, look);
        } else if let Some(place) = self.not_found(look) {
            self.looked_at = Some(asking.at); // it is there, and it lags
            self.end = self.end.max(look.end);
            self.suspect(place);
            self.next_ask = now + self.pause();
        } else {
            self.trust(now, look, &asking);
        }
        self.settle(now);
        self.fly(now);
        self.judge_alone(now);
    }

    /// The end of the stream is known: the last batches are read. One at least, whatever a room wants to show: by what
    /// stands at the end a stream that goes back is known.
    fn begin(&mut self, look: &StreamLook, asking: &NodeAsking) {
        self.joined_at = look.end;
        self.end = look.end.max(asking.heard);
        if self.back_to > 0 {
            self.back_to = self.back_to.max(self.end); // what was said meanwhile may be elsewhere for whoever lags
        }
        self.verified = 0;
        self.held.clear();
        self.trail
            .restart(look.first.max((look.end + 1).saturating_sub(self.past.max(1))).max(1) - 1);
        self.phase = JoinPhase::Reading(look.end);
    }

    /// Whether the stream is another one than the one that was taken.
    fn has_gone_back(&self, look: &StreamLook, asking: &NodeAsking) -> bool {
        let differs = |(place, mark): &(u64, Option<BatchMark>)| {
            *place <= asking.last
                && mark.is_some_and(|mark| self.trail.at(*place).is_some_and(|ours| ours != mark))
        };
        let is_shorter = matches!(self.phase, JoinPhase::Reading(until) if look.end < until);
        is_shorter
            || look.end < asking.last
            || look.marks.iter().any(differs)
            || self.must_reread_for_doubt(look)
    }

    /// Whether the leader has what we miss at a place that we have left behind. An example: 4 of kite is in doubt, whose 3
    /// stands at place 7, as it says; the trail begins at 20, and the leader has 3 of kite at 7. It was put there after we
    /// had passed 7, so all is read again, once for each doubt.
    fn must_reread_for_doubt(&self, look: &StreamLook) -> bool {
        let Some(NodeDoubt { batch, .. }) = &self.doubt else { return false };
        let mark = look.marks.iter().find(|(place, _)| *place == batch.prev);
        let Some(mark) = mark.and_then(|(_, mark)| *mark) else { return false };
        let is_of_it = mark.origin == batch.origin && mark.first < batch.first;
        let is_ours_to_miss =
            self.ledger.expected(batch.origin).is_some() || batch.prev > self.joined_at;
        is_of_it
            && is_ours_to_miss
            && batch.prev < self.trail.start()
            && self.reread_for != Some(batch.mark())
    }

    /// A place that the leader must have, and has not: it lags.
    fn not_found(&self, look: &StreamLook) -> Option<u64> {
        let is_late = |(place, mark): &&(u64, Option<BatchMark>)| {
            mark.is_none()
                && (look.first..=look.end).contains(place)
                && self.trail.at(*place).is_some()
        };
        look.marks.iter().find(is_late).map(|(place, _)| *place)
    }

    /// The stream went back: all of it is read again, and what is known by its numbers is not shown again.
    fn go_back(&mut self, now: Duration, look: &StreamLook) {
        // Servers that lag have what was there before up to where the stream ended then, and not only up to where it does now.
        let before = self.end.max(self.trail.last());
        self.back_to = look.end.max(before);
        if self.phase != JoinPhase::Joined {
            self.phase = JoinPhase::New;
            self.next_ask = now + self.pause();
            return;
        }
        if look.end < self.trail.start() {
            self.tell(NodeTold::WentBack);
        }
        self.reread_for = self.doubt.take().map(|doubt| doubt.batch.mark());
        // Above the last place that is the same in both, what a place says of the time before we came is not known.
        let is_same = |(place, mark): &&(u64, Option<BatchMark>)| {
            mark.is_some() && self.trail.at(*place) == *mark
        };
        let same = look.marks.iter().filter(is_same).map(|(place, _)| *place).max().unwrap_or(0);
        self.joined_at = self.joined_at.min(look.end).min(same);
        self.trail.restart(look.first.max(1) - 1);
        self.held.clear();
        self.end = look.end;
        (self.verified, self.misses, self.has_read) = (0, 0, true);
    }

    /// The stream is the one that was taken.
    fn trust(&mut self, now: Duration, look: &StreamLook, asking: &NodeAsking) {
        self.looked_at = Some(asking.at);
        self.verified = asking.last;
        self.end = look.end.max(asking.heard).max(self.trail.last());
        let (end, had_joined) = (self.end, self.has_joined());
        self.held.retain(|place, _| *place <= end); // no server has what was said to stand beyond
        if self.phase == JoinPhase::Comparing {
            self.phase = JoinPhase::Joined;
            if self.keeps(ClusterRule::EndBeforeMembers) {
                self.tell(NodeTold::Joined);
            }
        }
        if self.doubt.as_ref().is_some_and(|doubt| asking.id > doubt.asked) {
            self.resolve();
        }
        if self.doubt.is_none()
            && look.first > self.trail.last() + 1
            && self.held.keys().next() != Some(&(self.trail.last() + 1))
        {
            // What is missing of it the numbers tell, but of those nodes alone that say something again.
            if had_joined {
                self.tell(NodeTold::Expired);
            }
            self.trail.restart(look.first - 1);
            self.verified = 0;
        }
        self.tell_tails(now, asking.at);
    }

    /// What is missing before the batch in doubt is missing: tells it and takes the batch.
    fn resolve(&mut self) {
        let Some(NodeDoubt { batch, .. }) = self.doubt.take() else { return };
        let before = batch.first;
        let is_whole = matches!(self.ledger.fit(&batch), BatchFit::Next | BatchFit::Known);
        let told = match self.ledger.expected(batch.origin) {
            Some(from) => Some(Some(from)),
            // It was said before we came, and before all that we have seen: but for what its node dropped since.
            None if batch.prev <= self.joined_at && batch.prev < self.trail.start() => {
                (batch.after + 1 < before).then_some(Some(batch.after + 1))
            }
            None => Some(None),
        };
        if let Some(from) = told.filter(|_| !is_whole) {
            let is_dropped = from.is_some_and(|from| from > batch.after);
            self.tell(NodeTold::Missed { origin: batch.origin, from, before, is_dropped });
        }
        self.accept(&batch);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NodeTerms, NodeWish};
    use super::*;
    use crate::cluster::batch::{EntryKind, RoomBatch, RoomEntry};
    use crate::cluster::name::NodeId;

    fn batch(origin: NodeId, number: u64) -> RoomBatch {
        let (name, text) = ("Ada".into(), "x".into());
        let entry = RoomEntry { kind: EntryKind::Say, seat: 1, name, text, waited: 0 };
        RoomBatch::frozen(origin, (number, 1), (number - 1, number - 1), entry.line(0))
    }

    /// What it asks for next.
    fn asks(node: &mut ClusterNode) -> NodeWish {
        let mut wishes = std::iter::from_fn(|| node.wish());
        wishes.find(|wish| !matches!(wish, NodeWish::Beat { .. })).expect("it asks for something")
    }

    /// Whoever is near may have something else than the leader for as long as a server lags, or for ever.
    #[test]
    fn a_node_that_cannot_join_by_what_others_have_joins_by_what_the_leader_has() {
        let [me, leaders, others] = [1, 2, 3].map(|seed| NodeId::drawn([seed, seed]));
        let mut now = Duration::from_secs(1);
        let terms = NodeTerms { me, seed: 0, outbox: 16, past: 8 };
        let mut node = ClusterNode::new(terms, now);
        node.up(now);
        let mut attempts = Vec::new();
        while !node.has_joined() {
            match asks(&mut node) {
                NodeWish::Look { id, places } => {
                    let mark = |place| (place, Some(batch(leaders, place).mark()));
                    let marks = places.into_iter().map(mark).collect();
                    node.looked(now, id, &StreamLook { first: 1, end: 3, marks });
                }
                NodeWish::Read { id, from, to, is_leader } => {
                    attempts.push(is_leader);
                    assert!(attempts.len() < 5, "it does not join: {attempts:?}");
                    let origin = if is_leader { leaders } else { others };
                    let found = (from..=to).map(|place| (place, Some(batch(origin, place))));
                    node.read(now, id, found.collect());
                }
                other => panic!("{other:?}"),
            }
            now += Duration::from_millis(500);
            node.tick(now);
        }
        assert_eq!(attempts, [false, true]);
    }
}
