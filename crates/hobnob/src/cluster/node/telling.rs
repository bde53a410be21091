//! What is shown of a batch.

use std::time::Duration;

use super::super::batch::RoomBatch;
use super::{ClusterNode, JoinPhase, NodeTold};

impl ClusterNode {
    /// Shows the entries of a batch from this number on. Of our own, those that were shown while alone are not.
    pub(super) fn show(&mut self, batch: &RoomBatch, from: u64) {
        let is_own = batch.origin == self.me;
        let is_twins = is_own && batch.next() > self.outbox.last() + 1;
        if is_twins {
            self.tell(NodeTold::Twin);
        }
        let is_past = self.phase != JoinPhase::Joined;
        for (number, entry) in batch.entries().filter(|(number, _)| *number >= from) {
            if !(is_own && number <= self.shown_to) {
                self.tell(NodeTold::Heard { origin: batch.origin, number, entry, is_past });
            }
        }
        // What somebody else says in our name has not brought back what we said.
        if is_own && !is_twins {
            self.returned(batch.next());
        }
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
