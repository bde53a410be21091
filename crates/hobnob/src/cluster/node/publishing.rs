//! What members of this node say: on its way, and back.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::batch::RoomEntry;
use super::super::name::NodeId;
use super::super::rule::ClusterRule;
use super::{ACK, ALONE, ClusterNode, JoinPhase, LONG_TICK, NodeFlight, NodeTold, NodeWish};

/// Own entries that the stream has and that have not come back, at most; and bytes of them.
const UNRETURNED: usize = 16_384;
const UNRETURNED_BYTES: usize = 16 << 20;

impl ClusterNode {
    /// Takes what a member has said; its number.
    pub fn say(&mut self, now: Duration, entry: RoomEntry) -> u64 {
        let number = self.queue(entry, now);
        if self.is_alone() {
            self.show_own(number);
        }
        self.fly(now);
        number
    }

    /// Has an entry wait for its batch, and tells what had to make room.
    fn queue(&mut self, entry: RoomEntry, said: Duration) -> u64 {
        let (number, dropped) = self.outbox.push(entry.clone(), said);
        if self.unreturned.is_empty() {
            self.counted_to = self.counted_to.max(said); // nothing was away before
        }
        self.unreturned.push_back((number, entry, said));
        if let Some((from, to)) = dropped {
            self.give_up(from, to);
            self.tell(NodeTold::Dropped(from, to));
        }
        number
    }

    /// Whether so much waits that who says more is to be slowed down.
    pub fn is_behind(&self) -> bool {
        self.outbox.is_half_full()
    }

    /// Messages of members here that the stream does not have, as far as it has said.
    pub fn unstored(&self) -> usize {
        self.outbox.unstored()
    }

    /// The stream has our batch that begins with this number, at this place.
    pub fn acked(&mut self, now: Duration, first: u64, at: u64) {
        let Some(batch) = self.outbox.ack(first, at) else { return };
        self.flights.retain(|flight| flight.batch.first != first);
        self.forget_shown();
        if !self.keeps(ClusterRule::OwnComeBack) {
            self.show_own(batch.next() - 1);
        }
        self.fly(now);
    }

    /// The batch that begins with this number was refused, or nobody was there to take it.
    pub fn refused(&mut self, now: Duration, first: u64) {
        let again = now + self.pause();
        let flight = self.flights.iter_mut().find(|flight| flight.batch.first == first);
        if let Some(flight) = flight {
            flight.again = again;
        }
    }

    /// From now on the servers take batches of so many bytes.
    pub fn bound(&mut self, payload: usize) {
        self.outbox.bound(payload);
    }

    /// The bytes of text that an entry may have at most, where it has more than the servers take.
    pub fn too_long(&self, entry: &RoomEntry) -> Option<usize> {
        self.outbox.too_long(entry)
    }

    /// The batch that begins with this number is larger than the servers take, and always will be.
    pub fn never(&mut self, now: Duration, first: u64) {
        let Some(batch) = self.outbox.give_up(first) else { return };
        self.flights.retain(|flight| flight.batch.first != first);
        self.give_up(first, batch.next() - 1);
        self.tell(NodeTold::TooLong(first, batch.next() - 1));
        self.fly(now);
    }

    /// Own entries of these numbers will never be in the stream.
    fn give_up(&mut self, from: u64, to: u64) {
        self.show_dropped(from, to);
        let place = self.dropped.partition_point(|(first, _)| *first < from);
        let before = place.checked_sub(1).and_then(|before| self.dropped.get_mut(before));
        match before.filter(|(_, last)| last + 1 == from) {
            Some((_, last)) => *last = to,
            None => self.dropped.insert(place, (from, to)),
        }
    }

    /// From now on the node has another number, because somebody else speaks under the one that it had: what has not come
    /// back is said anew. Who has heard the other one takes nothing more of the old number, so nothing is said twice.
    pub fn reborn(&mut self, now: Duration, me: NodeId) {
        self.behind.remove(&self.me);
        self.me = me;
        self.ledger.begin(me);
        let shown = self.unreturned.iter().filter(|(number, ..)| *number <= self.shown_to).count();
        self.outbox.begin_anew(me);
        (self.shown_to, self.dropped) = (shown as u64, VecDeque::new());
        self.flights.clear();
        self.wishes.retain(|wish| !matches!(wish, NodeWish::Publish(_)));
        let unreturned = std::mem::take(&mut self.unreturned);
        for (_, entry, said) in unreturned {
            self.queue(entry, said);
        }
        self.next_beat = now;
        self.fly(now);
    }

    /// Sends what waits, if nothing is on its way.
    pub(super) fn fly(&mut self, now: Duration) {
        let window = if self.keeps(ClusterRule::OneInFlight) { 1 } else { 4 };
        if self.phase != JoinPhase::Joined || self.down_since.is_some() {
            return;
        }
        while let Some(batch) = self.outbox.freeze(now, window) {
            self.wishes.push_back(NodeWish::Publish(batch.clone()));
            self.flights.push(NodeFlight { batch, again: now + ACK });
        }
    }

    /// Sends again what was not acked in time.
    pub(super) fn retry(&mut self, now: Duration) {
        self.fly(now);
        if self.down_since.is_some() {
            return;
        }
        for at in 0..self.flights.len() {
            if self.flights[at].again > now {
                continue;
            }
            if !self.keeps(ClusterRule::FrozenBatch) {
                let first = self.flights[at].batch.first;
                self.flights[at].batch =
                    self.outbox.refreeze(first, now).expect("it is on its way");
            }
            let first = self.flights[at].batch.first;
            if let Some(late) = self.outbox.late(first, now) {
                self.flights[at].batch = late;
            }
            self.flights[at].again = now + ACK + self.pause();
            self.wishes.push_back(NodeWish::Publish(self.flights[at].batch.clone()));
        }
    }

    /// Shows own entries that no other node will ever have.
    fn show_dropped(&mut self, from: u64, to: u64) {
        let is_dropped = |number: u64| (from..=to).contains(&number);
        for (number, entry, _) in self.unreturned.iter().filter(|(number, ..)| is_dropped(*number))
        {
            if *number > self.shown_to {
                self.told.push_back(NodeTold::Own { number: *number, entry: entry.clone() });
            }
        }
        self.unreturned.retain(|(number, ..)| !is_dropped(*number));
    }

    /// Shows own entries up to this number here, before they came back.
    fn show_own(&mut self, to: u64) {
        let from = self.shown_to;
        let own = self.unreturned.iter().filter(|(number, ..)| (from + 1..=to).contains(number));
        let own =
            own.map(|(number, entry, _)| NodeTold::Own { number: *number, entry: entry.clone() });
        self.told.extend(own);
        self.shown_to = self.shown_to.max(to);
    }

    /// A node that may publish, and hear nothing, keeps no more than so many of its own: the oldest that the stream has, and
    /// that were shown here.
    fn forget_shown(&mut self) {
        let done = self.shown_to.min(self.last_acked().0);
        if self.unreturned.front().is_none_or(|(number, ..)| *number > done) {
            return;
        }
        let mut bytes: usize = self.unreturned.iter().map(|(_, entry, _)| entry.weight()).sum();
        let is_much = |count: usize, bytes: usize| count > UNRETURNED || bytes > UNRETURNED_BYTES;
        while is_much(self.unreturned.len(), bytes)
            && let Some((_, entry, _)) =
                self.unreturned.pop_front_if(|(number, ..)| *number <= done)
        {
            bytes -= entry.weight();
        }
    }

    /// Counts for how long no own line came back. Lines that wait behind others, and a node that did not run, are no silence.
    pub(super) fn count_silence(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.counted_to).min(LONG_TICK);
        self.counted_to = now;
        self.unanswered_for =
            if self.unreturned.is_empty() { Duration::ZERO } else { self.unanswered_for + passed };
    }

    /// Goes alone when own lines stay away, and comes back when all is heard again.
    pub(super) fn judge_alone(&mut self, now: Duration) {
        let is_over = |since: Duration| since + ALONE <= now;
        let is_away = match self.alone_since {
            None => self.unanswered_for >= ALONE,
            Some(_) => self.unreturned.front().is_some_and(|(_, _, said)| is_over(*said)),
        };
        let is_late = is_away
            || self.down_since.is_some_and(is_over)
            || self.phase != JoinPhase::Joined && is_over(self.begun);
        match self.alone_since {
            None if is_late => {
                self.alone_since = Some(now);
                self.wants_look = true;
                self.tell(NodeTold::Alone);
                self.show_own(self.outbox.last());
            }
            Some(since) if !is_late && self.is_caught_up() && self.looked_at >= Some(since) => {
                (self.alone_since, self.unanswered_for) = (None, Duration::ZERO);
                self.tell(NodeTold::Back(now.saturating_sub(since)));
            }
            _ => {}
        }
    }

    pub(super) fn is_caught_up(&self) -> bool {
        self.phase == JoinPhase::Joined
            && self.down_since.is_none()
            && self.doubt.is_none()
            && self.trail.last() >= self.end
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NodeTerms, StreamLook, TICK};
    use super::*;
    use crate::cluster::batch::{EntryKind, RoomBatch};

    const NOW: Duration = Duration::from_secs(1);

    /// A node that has joined a room in which nothing was said.
    fn joined(me: NodeId) -> ClusterNode {
        let terms = NodeTerms { me, seed: 0, outbox: 16, past: 0 };
        let mut node = ClusterNode::new(terms, NOW);
        node.up(NOW);
        while let Some(wish) = node.wish() {
            if let NodeWish::Look { id, .. } = wish {
                node.looked(NOW, id, &StreamLook { first: 1, end: 0, marks: Vec::new() });
            }
        }
        assert_eq!(node.told(), Some(NodeTold::Joined));
        node
    }

    fn say(text: &str) -> RoomEntry {
        let (name, text) = ("Ada".into(), text.into());
        RoomEntry { kind: EntryKind::Say, seat: 1, name, text, waited: 0 }
    }

    fn publishes(node: &mut ClusterNode) -> Vec<RoomBatch> {
        let wishes = std::iter::from_fn(|| node.wish());
        let batches = wishes.filter_map(|wish| match wish {
            NodeWish::Publish(batch) => Some((*batch).clone()),
            _ => None,
        });
        batches.collect()
    }

    fn texts(batch: &RoomBatch) -> Vec<String> {
        batch.entries().map(|(_, entry)| entry.text.to_string()).collect()
    }

    #[test]
    fn a_node_under_another_number_says_anew_what_has_not_come_back_and_nothing_else() {
        let (me, other) = (NodeId::drawn([1, 1]), NodeId::drawn([2, 2]));
        let mut node = joined(me);
        node.say(NOW, say("one"));
        let first = publishes(&mut node).remove(0);
        node.acked(NOW, 1, 1);
        node.heard(NOW, 1, first);
        node.say(NOW, say("two"));
        node.say(NOW, say("three"));
        let second = publishes(&mut node).remove(0);
        assert_eq!(texts(&second), ["two"]);
        while node.told().is_some() {}

        // Somebody else says what we never said, before our second batch is stored.
        let body = say("forged").line(0);
        node.heard(NOW, 2, RoomBatch::frozen(me, (50, 1), (1, 1), body));
        while let Some(NodeWish::Look { id, .. }) = node.wish() {
            let look = StreamLook { first: 1, end: 2, marks: Vec::new() };
            node.looked(NOW, id, &look);
        }
        let told: Vec<_> = std::iter::from_fn(|| node.told()).collect();
        assert!(told.contains(&NodeTold::Twin), "{told:?}");
        node.reborn(NOW, other);
        let anew = publishes(&mut node);
        let said: Vec<_> = anew.iter().flat_map(texts).collect();
        assert_eq!(anew[0].mark().origin, other);
        assert_eq!((anew[0].first, anew[0].prev, anew[0].after), (1, 0, 0));

        // The old batch comes after all: it is not shown, as nobody shows it.
        node.heard(NOW, 3, second);
        let shown = std::iter::from_fn(|| node.told()).count();
        assert_eq!(shown, 0);
        node.acked(NOW, 1, 4);
        let rest: Vec<_> = publishes(&mut node).iter().flat_map(texts).collect();
        assert_eq!([said, rest].concat(), ["two", "three"]);
    }

    #[test]
    fn what_a_node_under_another_number_has_no_room_for_is_told() {
        let mut node = joined(NodeId::drawn([1, 1]));
        // Sixteen are on their way, of which nothing came back, and as many wait.
        for number in 0..16 {
            node.say(NOW, say(&number.to_string()));
        }
        while let Some(batch) = publishes(&mut node).pop() {
            node.acked(NOW, batch.first, batch.first);
        }
        for number in 16..32 {
            node.say(NOW, say(&number.to_string()));
        }
        while node.told().is_some() {}
        node.reborn(NOW, NodeId::drawn([2, 2]));
        let told: Vec<_> = std::iter::from_fn(|| node.told()).collect();
        let dropped: u64 = told
            .iter()
            .map(|told| if let NodeTold::Dropped(from, to) = told { to + 1 - from } else { 0 })
            .sum();
        let mut sent = 0;
        while let Some(batch) = publishes(&mut node).pop() {
            sent += batch.count;
            node.acked(NOW, batch.first, batch.first);
        }
        assert_eq!((dropped, sent + dropped), (16, 32), "{told:?}");
    }

    /// Whether the node tells that it is alone.
    fn tells_alone(node: &mut ClusterNode) -> bool {
        std::iter::from_fn(|| node.told()).any(|told| told == NodeTold::Alone)
    }

    #[test]
    fn a_node_is_alone_when_nothing_of_its_own_comes_back_while_it_runs() {
        let mut node = joined(NodeId::drawn([1, 1]));
        node.say(NOW, say("one"));
        let ticks = (1..).map(|tick| NOW + TICK * tick);
        let alone = ticks.take(100).find(|now| {
            node.tick(*now);
            tells_alone(&mut node)
        });
        assert_eq!(alone, Some(NOW + ALONE));
    }

    #[test]
    fn a_node_that_waits_for_nothing_rests_until_its_beat_and_counts_no_silence_before_a_line() {
        let mut node = joined(NodeId::drawn([1, 1]));
        let mut now = NOW;
        for _ in 0..3 {
            node.tick(now);
            assert_eq!(node.wish(), Some(NodeWish::Beat { acked: (0, 0) }));
            let beat = now + super::super::super::beat::BEAT;
            assert_eq!(node.rests_until(), Some(beat));
            now = beat;
        }
        // It is said long after the last tick, and then every tick counts.
        let said = now + TICK / 2;
        node.say(said, say("one"));
        assert_eq!(node.rests_until(), None, "it waits for an ack");
        let ticks = (1..).map(|tick| said + TICK * tick);
        let alone = ticks.take(100).find(|now| {
            node.tick(*now);
            tells_alone(&mut node)
        });
        assert_eq!(alone, Some(said + ALONE));
        let batch = publishes(&mut node).remove(0);
        assert_eq!(node.rests_until(), None, "it is alone");
        node.acked(said + ALONE, 1, 1);
        node.heard(said + ALONE, 1, batch);
        node.tick(said + ALONE);
        while let Some(wish) = node.wish() {
            assert_eq!(node.rests_until(), None, "it has asked");
            if let NodeWish::Look { id, .. } = wish {
                node.looked(said + ALONE, id, &StreamLook { first: 1, end: 1, marks: Vec::new() });
            }
        }
        assert!(node.rests_until().is_some() && !node.is_alone());
        node.down(said + ALONE);
        assert_eq!(node.rests_until(), None);
    }

    #[test]
    fn a_node_that_hears_nothing_of_what_it_publishes_keeps_no_more_of_it_than_so_much() {
        let mut node = joined(NodeId::drawn([1, 1]));
        node.say(NOW, say("one"));
        let ticks = (1..).map(|tick| NOW + TICK * tick);
        assert!(ticks.take(100).any(|now| {
            node.tick(now);
            tells_alone(&mut node)
        }));
        let mut at = 0;
        for (text, count) in [("more", UNRETURNED + 100), (&*"x".repeat(60_000), 400)] {
            for _ in 0..count {
                at += 1;
                while let Some(batch) = publishes(&mut node).pop() {
                    node.acked(NOW, batch.first, at);
                }
                node.say(NOW, say(text));
                while node.told().is_some() {}
            }
            let kept = node.unreturned.len();
            assert!(kept <= UNRETURNED + 2, "{kept} of {} bytes", text.len());
            assert!(kept * text.len() <= UNRETURNED_BYTES + 200_000, "{kept} of {}", text.len());
        }
        assert!(node.is_alone() && node.outbox.last() > UNRETURNED as u64 + 400);
    }

    #[test]
    fn a_node_that_did_not_run_is_not_alone_before_it_has_listened() {
        let mut node = joined(NodeId::drawn([1, 1]));
        node.say(NOW, say("one"));
        let first = publishes(&mut node).remove(0);
        // It was not let run for a minute: what came meanwhile is heard behind this tick.
        let late = NOW + Duration::from_mins(1);
        node.tick(late);
        assert!(!tells_alone(&mut node));
        node.acked(late, 1, 1);
        node.heard(late, 1, first);
        node.tick(late + TICK);
        assert!(!tells_alone(&mut node) && node.is_settled());

        // Who never runs in time is alone all the same.
        node.say(late, say("two"));
        let alone = (1..100).find(|pause| {
            node.tick(late + Duration::from_secs(10) * *pause);
            tells_alone(&mut node)
        });
        assert_eq!(alone, Some(4));
    }

    #[test]
    fn lines_that_wait_behind_others_that_come_back_do_not_make_a_node_alone() {
        let mut node = joined(NodeId::drawn([1, 1]));
        for number in 0..8 {
            node.say(NOW, say(&number.to_string()));
        }
        let (mut now, mut at) = (NOW, 0);
        while let Some(batch) = publishes(&mut node).pop() {
            // Each batch takes nearly as long as a line may be away.
            for _ in 0..19 {
                now += TICK;
                node.tick(now);
            }
            at += 1;
            node.acked(now, batch.first, at);
            node.heard(now, at, batch);
            node.say(now, say("more"));
            if at == 8 {
                break;
            }
        }
        assert_eq!(at, 8);
        assert!(!tells_alone(&mut node));
    }

    #[test]
    fn what_no_server_takes_is_given_up_once_and_what_was_said_behind_it_goes() {
        let mut node = joined(NodeId::drawn([1, 1]));
        node.bound(400);
        assert_eq!(node.too_long(&say("short")), None);
        assert!(node.too_long(&say(&"x".repeat(400))).is_some());
        node.say(NOW, say(&"x".repeat(200)));
        node.say(NOW, say("next"));
        assert_eq!(publishes(&mut node).len(), 1);
        while node.told().is_some() {}
        node.never(NOW, 1);
        let told: Vec<_> = std::iter::from_fn(|| node.told()).collect();
        assert!(told.contains(&NodeTold::TooLong(1, 1)), "{told:?}");
        assert!(matches!(told[0], NodeTold::Own { number: 1, .. }), "it is shown here: {told:?}");
        let next = publishes(&mut node).remove(0);
        assert_eq!((next.first, texts(&next)), (2, vec!["next".to_owned()]));
    }
}
