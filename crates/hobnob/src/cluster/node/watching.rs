//! Nodes that say they have said more than was heard of them, ourselves among them.

use std::time::Duration;

use super::super::name::NodeId;
use super::super::rule::ClusterRule;
use super::{BEHIND, ClusterNode, JoinPhase, NodeLag, NodeTold, TAIL};

/// Nodes of which it is noted that they are ahead.
const AHEAD: usize = 1_024;

impl ClusterNode {
    /// A node says that the stream has its numbers up to `acked`, the last at a place.
    pub(super) fn compare(&mut self, now: Duration, origin: NodeId, acked: u64, at: u64) {
        if acked == 0 || self.phase != JoinPhase::Joined || acked > u64::MAX / 2 {
            return;
        }
        let is_behind = match self.ledger.expected(origin) {
            Some(next) => next <= acked,
            None if !self.keeps(ClusterRule::BaselineFromStream) => {
                self.ledger.expect(origin, acked + 1);
                false
            }
            // Where we begin to count a node comes from the stream. This was said before we came.
            None => at > self.joined_at || at >= self.trail.start(),
        };
        if !is_behind {
            self.behind.remove(&origin);
        } else if self.behind.len() < AHEAD {
            self.behind.entry(origin).or_insert(NodeLag { since: now, acked, at });
        }
    }

    /// Asks the leader where somebody is ahead for too long.
    pub(super) fn watch(&mut self, now: Duration) {
        let (acked, at) = self.outbox.acked();
        if self.keeps(ClusterRule::OwnIsWatched) {
            self.compare(now, self.me, acked, at);
        }
        if !self.keeps(ClusterRule::LookBeforeTelling) {
            self.tell_tails(now, now);
        }
        let looked = self.looked_at;
        let is_due = |lag: &NodeLag| {
            let due = |after| lag.since + after <= now && looked < Some(lag.since + after);
            due(BEHIND) || due(TAIL)
        };
        if self.behind.values().any(is_due) {
            self.wants_look = true;
        }
    }

    /// Tells what nodes have said, as they say, and what never came, though the leader was asked at a time when it had to
    /// have it and all was read that the stream has.
    pub(super) fn tell_tails(&mut self, now: Duration, asked: Duration) {
        let is_read = self.doubt.is_none() && self.trail.last() >= self.end;
        if !is_read && self.keeps(ClusterRule::LookBeforeTelling) {
            return;
        }
        let is_due = |lag: &NodeLag| lag.since + TAIL <= asked && asked <= now;
        let due: Vec<_> = self
            .behind
            .iter()
            .filter(|(_, lag)| is_due(lag))
            .map(|(origin, lag)| (*origin, *lag))
            .collect();
        for (origin, lag) in due {
            self.behind.remove(&origin);
            let from = self.ledger.expected(origin);
            if from.is_some_and(|from| from > lag.acked) {
                continue;
            }
            self.tell(NodeTold::Missed { origin, from, before: lag.acked + 1, is_dropped: false });
            self.ledger.expect(origin, lag.acked + 1);
            if origin == self.me {
                self.returned(lag.acked + 1);
            }
        }
    }
}
