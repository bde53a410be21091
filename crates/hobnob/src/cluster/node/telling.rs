//! What is shown of a batch.

use std::time::Duration;

use super::super::batch::{EntryKind, RoomBatch, RoomEntry};
use super::{ClusterNode, JoinPhase, NodeTold};

impl ClusterNode {
    /// Shows the entries of a batch from this number on. Of our own, those that were shown while alone are not.
    pub(super) fn show(&mut self, batch: &RoomBatch, from: u64) {
        let is_own = batch.origin == self.me;
        let entries: Vec<_> = batch.entries().collect();
        let is_ahead = batch.next() > self.outbox.last() + 1;
        let is_twins = is_own && (is_ahead || !entries.iter().all(|said| self.is_as_said(said)));
        if is_twins {
            self.tell(NodeTold::Twin);
        }
        let is_past = self.phase != JoinPhase::Joined;
        let mut unreadable = 0;
        for (number, entry) in entries.into_iter().filter(|(number, _)| *number >= from) {
            if entry.kind == EntryKind::Unknown {
                unreadable += 1;
            } else if !(is_own && self.was_shown(number)) {
                self.tell(NodeTold::Heard { origin: batch.origin, number, entry, is_past });
            }
        }
        if unreadable > 0 && !is_past {
            self.tell(NodeTold::Unreadable { origin: batch.origin, count: unreadable });
        }
        // What somebody else says in our name has not brought back what we said.
        if is_own && !is_twins {
            self.returned(batch.next());
        }
    }

    /// Whether an own entry was shown here before it came back: while we were alone, or when it was given up.
    fn was_shown(&self, number: u64) -> bool {
        let is_in = |(first, last): &(u64, u64)| (*first..=*last).contains(&number);
        number <= self.shown_to || self.dropped.iter().any(is_in)
    }

    /// Whether an entry in our name is what we said under its number, as far as that is known and can be read.
    fn is_as_said(&self, (number, theirs): &(u64, RoomEntry)) -> bool {
        let at = self.unreturned.binary_search_by_key(number, |(number, ..)| *number);
        let Some((_, ours, _)) = at.ok().and_then(|at| self.unreturned.get(at)) else {
            return true;
        };
        let (seats, names) = ((ours.seat, theirs.seat), (&ours.name, &theirs.name));
        let is_same = ours.kind == theirs.kind && seats.0 == seats.1 && names.0 == names.1;
        theirs.kind == EntryKind::Unknown || is_same && ours.text == theirs.text
    }

    /// Own entries before this number came back, or never will.
    pub(super) fn returned(&mut self, before: u64) {
        while self.unreturned.front().is_some_and(|(number, ..)| *number < before) {
            self.unreturned.pop_front();
            self.unanswered_for = Duration::ZERO;
        }
        while self.dropped.front().is_some_and(|(_, last)| *last < before) {
            self.dropped.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::NodeId;
    use super::super::super::batch::ENTRY_TEXT;
    use super::super::{HELD_BYTES, NodeTerms, NodeWish, StreamLook};
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn say(text: &str) -> RoomEntry {
        let (name, text) = ("Ada".into(), text.into());
        RoomEntry { kind: EntryKind::Say, seat: 1, name, text, waited: 0 }
    }

    fn joined() -> ClusterNode {
        let terms = NodeTerms { me: NodeId::drawn([1, 1]), seed: 0, outbox: 16, past: 0 };
        let mut node = ClusterNode::new(terms, NOW);
        node.up(NOW);
        answer(&mut node, 0);
        while node.told().is_some() {}
        node
    }

    /// Answers each look: the stream has so many places.
    fn answer(node: &mut ClusterNode, end: u64) {
        while let Some(wish) = node.wish() {
            if let NodeWish::Look { id, .. } = wish {
                node.looked(NOW, id, &StreamLook { first: 1, end, marks: Vec::new() });
            }
        }
    }

    fn told(node: &mut ClusterNode) -> Vec<NodeTold> {
        std::iter::from_fn(|| node.told()).collect()
    }

    #[test]
    fn another_one_that_says_something_else_under_our_number_is_a_twin() {
        for (text, is_twin) in [("ours", false), ("theirs", true)] {
            let mut node = joined();
            node.say(NOW, say("ours"));
            let late = RoomEntry { waited: 7, ..say(text) };
            node.heard(NOW, 1, RoomBatch::frozen(node.me(), (1, 1), (0, 0), late.line(7)));
            assert_eq!(told(&mut node).contains(&NodeTold::Twin), is_twin, "{text}");
            assert_eq!(node.unreturned.is_empty(), !is_twin, "what we said is said anew");
        }
    }

    #[test]
    fn what_another_version_says_is_counted() {
        let (mut node, other) = (joined(), NodeId::drawn([2, 2]));
        let newer = RoomBatch::read(other, &format!("2 {other} 1 3 0 0"), b"?");
        node.heard(NOW, 1, newer);
        let long = say(&"x".repeat(ENTRY_TEXT + 1)).line(0) + &say("short").line(0);
        node.heard(NOW, 2, RoomBatch::frozen(other, (4, 2), (3, 1), long));
        let unreadable = |count| NodeTold::Unreadable { origin: other, count };
        let short =
            NodeTold::Heard { origin: other, number: 5, entry: say("short"), is_past: false };
        assert_eq!(told(&mut node), [unreadable(3), short, unreadable(1)]);
    }

    /// The requests that it makes until it makes none.
    fn asked(node: &mut ClusterNode) -> Vec<NodeWish> {
        let is_request =
            |wish: &NodeWish| matches!(wish, NodeWish::Look { .. } | NodeWish::Read { .. });
        std::iter::from_fn(|| node.wish()).filter(is_request).collect()
    }

    #[test]
    fn a_place_that_ends_the_link_of_whoever_reads_it_is_read_of_the_leader() {
        let mut node = joined();
        let mut reads = Vec::new();
        for step in 1..=3 {
            let now = NOW + Duration::from_secs(step);
            node.down(now);
            node.up(now);
            let [NodeWish::Look { id, .. }] = asked(&mut node)[..] else {
                panic!("it looks first")
            };
            node.looked(now, id, &StreamLook { first: 1, end: 1, marks: Vec::new() });
            let [NodeWish::Read { is_leader, .. }] = asked(&mut node)[..] else {
                panic!("it reads")
            };
            reads.push(is_leader);
        }
        assert_eq!(reads, [false, false, true]);
    }

    #[test]
    fn a_look_that_takes_too_long_keeps_nobody_from_reading() {
        let mut node = joined();
        node.trouble(NOW);
        node.end = 5;
        let mut requests = Vec::new();
        for second in 1..20 {
            node.tick(NOW + Duration::from_secs(second));
            requests
                .extend(asked(&mut node).iter().map(|wish| matches!(wish, NodeWish::Read { .. })));
        }
        assert!(requests.contains(&true), "{requests:?}");
    }

    #[test]
    fn what_is_given_up_as_too_long_and_comes_back_all_the_same_is_shown_once() {
        let mut node = joined();
        let number = node.say(NOW, say("ours"));
        let batch = std::iter::from_fn(|| node.wish()).find_map(|wish| match wish {
            NodeWish::Publish(batch) => Some(batch),
            _ => None,
        });
        let batch = batch.expect("it is sent");
        node.never(NOW, number);
        node.heard(NOW, 1, RoomBatch::clone(&batch));
        let own = NodeTold::Own { number, entry: say("ours") };
        assert_eq!(told(&mut node), [own, NodeTold::TooLong(number, number)]);
    }

    #[test]
    fn what_is_said_to_stand_far_beyond_the_end_is_kept_in_bounds_and_not_for_long() {
        let (mut node, other) = (joined(), NodeId::drawn([2, 2]));
        let body = "x".repeat(1 << 20);
        for place in 100..1_000 {
            node.heard(NOW, place, RoomBatch::frozen(other, (place, 1), (0, 0), body.clone()));
        }
        let bytes: usize = node.held.values().map(|batch| batch.body.len()).sum();
        assert!(bytes > 0 && bytes <= HELD_BYTES, "{bytes}");
        // The first answer counts what was heard while it was asked for.
        for _ in 0..4 {
            node.trouble(NOW);
            node.tick(NOW);
            answer(&mut node, 0);
        }
        assert!(node.held.is_empty(), "{:?}", node.held.keys().collect::<Vec<_>>());
    }
}
