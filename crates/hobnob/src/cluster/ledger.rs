//! Which numbers of each node were taken: what is missing, and what was there before. Without clock and I/O.

use std::collections::HashMap;

use super::batch::RoomBatch;
use super::name::NodeId;

/// Nodes that are kept in mind. One more, and who was heard longest ago is a stranger again; but not the node itself.
const ORIGINS: usize = 4_096;

/// How a batch goes with what was taken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchFit {
    /// All of it was taken before.
    Known,
    /// It goes on where the last one ended, or holds that place.
    Next,
    /// Numbers are missing between the last one and this one.
    Gap,
    /// Nothing of its node was taken before, and it is not the node's first.
    Stranger,
}

/// The next number that is expected of each node.
#[derive(Debug, Default)]
pub struct OriginLedger {
    rows: HashMap<NodeId, LedgerRow>,
    turn: u64,
    /// The node whose ledger it is.
    me: Option<NodeId>,
}

#[derive(Debug)]
struct LedgerRow {
    next: u64,
    /// When it was last heard, in turns.
    heard: u64,
}

impl OriginLedger {
    /// From now on the node has this number, and its first entry is to come.
    pub fn begin(&mut self, me: NodeId) {
        self.me = Some(me);
        self.expect(me, 1);
    }

    /// The number that is expected of a node. None: it is a stranger.
    pub fn expected(&self, origin: NodeId) -> Option<u64> {
        self.rows.get(&origin).map(|row| row.next)
    }

    /// How a batch goes with what was taken. What is [foreign](RoomBatch::foreign) is known, and nothing of it new.
    pub fn fit(&self, batch: &RoomBatch) -> BatchFit {
        match self.expected(batch.origin) {
            _ if batch.count == 0 => BatchFit::Known,
            None if batch.first == 1 => BatchFit::Next,
            None => BatchFit::Stranger,
            Some(next) if batch.next() <= next => BatchFit::Known,
            Some(next) if batch.first <= next => BatchFit::Next,
            Some(_) => BatchFit::Gap,
        }
    }

    /// Takes a batch: from which number on its entries are new. What was missing before it is given up.
    pub fn take(&mut self, batch: &RoomBatch) -> u64 {
        let expected = self.expected(batch.origin).unwrap_or(batch.first);
        if batch.next() > expected && batch.count > 0 {
            self.expect(batch.origin, batch.next());
        }
        expected.max(batch.first)
    }

    /// From now on this number is the next of a node.
    pub fn expect(&mut self, origin: NodeId, next: u64) {
        self.turn += 1;
        let heard = self.turn;
        self.rows.insert(origin, LedgerRow { next, heard });
        if self.rows.len() > ORIGINS {
            let others = self.rows.iter().filter(|(origin, _)| Some(**origin) != self.me);
            let oldest = others.min_by_key(|(_, row)| row.heard).map(|(origin, _)| *origin);
            oldest.and_then(|origin| self.rows.remove(&origin));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batch(origin: u64, first: u64, count: u64) -> RoomBatch {
        RoomBatch { origin: NodeId::drawn([origin, 0]), first, count, ..RoomBatch::foreign() }
    }

    proptest! {
        /// However batches come, each number is new once at most, and what is new rises.
        #[test]
        fn no_number_is_new_twice(batches in prop::collection::vec((0..3_u64, 1..60_u64, 1..9_u64), 0..200)) {
            let mut ledger = OriginLedger::default();
            let mut highest = [0; 3];
            for (origin, first, count) in batches {
                let batch = batch(origin, first, count);
                let fit = ledger.fit(&batch);
                let from = ledger.take(&batch);
                let highest = &mut highest[usize::try_from(origin).expect("small")];
                prop_assert_eq!(fit == BatchFit::Known, from >= batch.next());
                for number in from..batch.next() {
                    prop_assert!(number > *highest);
                    *highest = number;
                }
                prop_assert_eq!(ledger.fit(&batch), BatchFit::Known);
            }
        }
    }

    #[test]
    fn each_way_in_which_a_batch_comes_is_told_apart() {
        let mut ledger = OriginLedger::default();
        assert_eq!(ledger.fit(&batch(1, 1, 2)), BatchFit::Next);
        assert_eq!(ledger.fit(&batch(1, 2, 2)), BatchFit::Stranger);
        assert_eq!(ledger.take(&batch(1, 1, 2)), 1);
        assert_eq!(ledger.fit(&batch(1, 2, 1)), BatchFit::Known);
        assert_eq!(ledger.fit(&batch(1, 2, 2)), BatchFit::Next);
        assert_eq!(ledger.take(&batch(1, 2, 2)), 3, "the known part is dropped");
        assert_eq!(ledger.fit(&batch(1, 6, 1)), BatchFit::Gap);
        assert_eq!(ledger.fit(&RoomBatch::foreign()), BatchFit::Known);
    }

    #[test]
    fn who_was_heard_longest_ago_makes_room() {
        let mut ledger = OriginLedger::default();
        (0..=ORIGINS as u64).for_each(|origin| _ = ledger.take(&batch(origin, 1, 1)));
        assert_eq!(ledger.expected(NodeId::drawn([0, 0])), None);
        assert_eq!(ledger.expected(NodeId::drawn([1, 0])), Some(2));
        assert_eq!(ledger.rows.len(), ORIGINS);
    }
}
