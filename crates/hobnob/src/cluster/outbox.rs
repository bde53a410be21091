//! What members of this node have said and the stream does not have yet. Without clock and I/O: the time is given.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::batch::{BATCH_BYTES, BATCH_ENTRIES, ENTRY_TEXT, EntryKind, RoomBatch, RoomEntry};
use super::name::NodeId;

/// Entries that wait at most.
pub const OUTBOX_ENTRIES: usize = 4_096;

/// Bytes of entries that wait at most.
pub const OUTBOX_BYTES: usize = 1 << 20;

/// How late entries are before the next try of their batch says so.
const LATE: Duration = Duration::from_secs(1);

/// Bytes that an entry grows by when it says how late it is.
const WAIT_BYTES: usize = 22;

/// The longest wait that an entry says, in milliseconds.
const LONGEST_WAIT: u64 = 9_000_000_000_000_000;

/// Entries, numbered as they were said, that wait for their batch, and the batches that are on their way: one, by the rules.
#[derive(Debug)]
pub struct RoomOutbox {
    origin: NodeId,
    waiting: VecDeque<Unstored>,
    bytes: usize,
    /// The number of the next entry.
    next: u64,
    flying: VecDeque<FrozenBatch>,
    /// The last number that the stream has, as it said, and where it said it stands.
    acked: u64,
    at: u64,
    most: usize,
    /// Bytes that a batch may have.
    payload: usize,
}

/// An entry, its number, and when it was said.
type Unstored = (u64, RoomEntry, Duration);

#[derive(Debug)]
struct FrozenBatch {
    batch: Arc<RoomBatch>,
    entries: Vec<Unstored>,
}

impl RoomOutbox {
    /// An empty one, for at most so many entries.
    pub fn new(origin: NodeId, most: usize) -> Self {
        let (waiting, flying) = (VecDeque::new(), VecDeque::new());
        RoomOutbox {
            origin,
            waiting,
            bytes: 0,
            next: 1,
            flying,
            acked: 0,
            at: 0,
            most,
            payload: usize::MAX,
        }
    }

    /// Takes an entry: its number, and the numbers of the oldest, which had to make room.
    pub fn push(&mut self, entry: RoomEntry, now: Duration) -> (u64, Option<(u64, u64)>) {
        let number = self.next;
        self.next += 1;
        self.bytes += entry.weight();
        self.waiting.push_back((number, entry, now));
        let mut dropped: Option<(u64, u64)> = None;
        while self.waiting.len() > 1
            && (self.waiting.len() > self.most || self.bytes > OUTBOX_BYTES)
        {
            let Some((oldest, entry, _)) = self.waiting.pop_front() else { break };
            self.bytes -= entry.weight();
            dropped = Some((dropped.map_or(oldest, |(from, _)| from), oldest));
        }
        (number, dropped)
    }

    /// Whether half of the room is taken: who says more is slowed down.
    pub fn is_half_full(&self) -> bool {
        self.waiting.len() * 2 > self.most || self.bytes * 2 > OUTBOX_BYTES
    }

    /// Freezes what waits into a batch that is to be sent now, if fewer than so many are on their way. It has the same
    /// entries until it is acked: a server that has it may say so of a second try, and would say it of one that has grown
    /// in between, too.
    pub fn freeze(&mut self, now: Duration, window: usize) -> Option<Arc<RoomBatch>> {
        if self.flying.len() >= window {
            return None;
        }
        let frozen = self.frozen(now)?;
        let batch = frozen.batch.clone();
        self.flying.push_back(frozen);
        Some(batch)
    }

    /// The next batch of entries that wait. It ends at a jump of the numbers.
    fn frozen(&mut self, now: Duration) -> Option<FrozenBatch> {
        let (first, ..) = *self.waiting.front()?;
        let waited = |said: Duration| now.saturating_sub(said).as_millis().try_into().unwrap_or(0);
        let (mut count, mut body) = (0, String::new());
        for (number, entry, said) in self.waiting.iter().take(BATCH_ENTRIES) {
            let line = entry.line(waited(*said));
            let grown = body.len() + line.len() + WAIT_BYTES * (count + 1);
            let is_full = count > 0 && grown > BATCH_BYTES.min(self.payload);
            if *number != first + count as u64 || is_full {
                break;
            }
            body += &line;
            count += 1;
        }
        let entries: Vec<_> = self.waiting.drain(..count).collect();
        self.bytes -= entries.iter().map(|(_, entry, _)| entry.weight()).sum::<usize>();
        let numbers = (first, count as u64);
        let before = (self.acked, self.at);
        let batch = Arc::new(RoomBatch::frozen(self.origin, numbers, before, body));
        Some(FrozenBatch { batch, entries })
    }

    /// Forgets all that it has, and numbers what comes from 1 on, as another node.
    pub fn begin_anew(&mut self, origin: NodeId) {
        let RoomOutbox { most, payload, .. } = *self;
        *self = RoomOutbox { payload, ..RoomOutbox::new(origin, most) };
    }

    /// From now on a batch may have so many bytes.
    pub fn bound(&mut self, payload: usize) {
        self.payload = payload;
    }

    /// The bytes of text that an entry may have at most, where it has more than a batch takes.
    pub fn too_long(&self, entry: &RoomEntry) -> Option<usize> {
        let size = entry.line(LONGEST_WAIT).len();
        let around = RoomEntry { text: "".into(), ..entry.clone() }.line(LONGEST_WAIT).len();
        let most = self.payload.saturating_sub(around).min(ENTRY_TEXT);
        (size > self.payload || entry.text.len() > ENTRY_TEXT).then_some(most)
    }

    /// No server will take the batch that begins with this number: it is forgotten.
    pub fn give_up(&mut self, first: u64) -> Option<Arc<RoomBatch>> {
        let found = self.flying.iter().position(|frozen| frozen.batch.first == first)?;
        Some(self.flying.remove(found)?.batch)
    }

    /// The batch on its way that begins with this number, for another try: the same entries, and how late they are now.
    pub fn late(&mut self, first: u64, now: Duration) -> Option<Arc<RoomBatch>> {
        let frozen = self.flying.iter_mut().find(|frozen| frozen.batch.first == first)?;
        let waited = |said: Duration| now.saturating_sub(said);
        if frozen.entries.first().is_some_and(|(_, _, said)| waited(*said) >= LATE) {
            let millis = |said| waited(said).as_millis().try_into().unwrap_or(0);
            let lines = frozen.entries.iter().map(|(_, entry, said)| entry.line(millis(*said)));
            let body = lines.collect::<String>().into();
            frozen.batch = Arc::new(RoomBatch { body, ..(*frozen.batch).clone() });
        }
        Some(frozen.batch.clone())
    }

    /// Takes a batch back and freezes it anew with what was said since. No node does that; a simulator shows why.
    pub fn refreeze(&mut self, first: u64, now: Duration) -> Option<Arc<RoomBatch>> {
        let at = self.flying.iter().position(|frozen| frozen.batch.first == first)?;
        for entry in self.flying.remove(at)?.entries.into_iter().rev() {
            self.bytes += entry.1.weight();
            self.waiting.push_front(entry);
        }
        self.freeze(now, usize::MAX)
    }

    /// The stream has the batch that begins with this number, and says where. None: that is none of those on their way.
    pub fn ack(&mut self, first: u64, at: u64) -> Option<Arc<RoomBatch>> {
        let found = self.flying.iter().position(|frozen| frozen.batch.first == first)?;
        let batch = self.flying.remove(found)?.batch;
        (self.acked, self.at) = (self.acked.max(batch.next() - 1), at);
        Some(batch)
    }

    /// The last number that the stream has, as it said; and where.
    pub fn acked(&self) -> (u64, u64) {
        (self.acked, self.at)
    }

    /// The last number that was given.
    pub fn last(&self) -> u64 {
        self.next - 1
    }

    /// Messages that the stream does not have, as far as it has said. Those on their way it may have all the same.
    pub fn unstored(&self) -> usize {
        let flying = self.flying.iter().flat_map(|frozen| &frozen.entries);
        let all = flying.chain(&self.waiting);
        all.filter(|(_, entry, _)| entry.kind == EntryKind::Say).count()
    }

    /// Whether nothing waits and nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.flying.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn say(length: usize) -> RoomEntry {
        let text = "x".repeat(length).into();
        RoomEntry { kind: EntryKind::Say, seat: 1, name: "Ada".into(), text, waited: 0 }
    }

    proptest! {
        /// However pushes, tries and acks follow each other: what leaves has every number once, in order, but those that
        /// were told as dropped; and a batch stays what it is until it is acked.
        #[test]
        fn every_number_leaves_once_or_is_told(steps in prop::collection::vec((0..4_u8, 0..40_000_usize), 0..200)) {
            let mut outbox = RoomOutbox::new(NodeId::drawn([1, 1]), 16);
            let (mut left, mut dropped, mut at) = (Vec::new(), Vec::new(), 0);
            let mut on_its_way: Option<Arc<RoomBatch>> = None;
            for (step, length) in steps {
                if step < 3 {
                    let (_, lost) = outbox.push(say(length), Duration::ZERO);
                    dropped.extend(lost.into_iter().flat_map(|(from, to)| from..=to));
                    continue;
                }
                let frozen = outbox.freeze(Duration::ZERO, 1);
                prop_assert!(frozen.is_none() || on_its_way.is_none(), "two are on their way");
                on_its_way = on_its_way.or(frozen);
                let Some(batch) = &on_its_way else { continue };
                prop_assert_eq!(outbox.ack(batch.first + 1, 1), None, "of another batch");
                if length % 2 == 0 {
                    continue;
                }
                prop_assert_eq!(batch.prev, at);
                at += 1;
                let acked = outbox.ack(batch.first, at);
                prop_assert_eq!(acked.as_ref(), Some(batch));
                prop_assert_eq!(outbox.acked(), (batch.next() - 1, at));
                left.extend(batch.first..batch.next());
                on_its_way = None;
            }
            left.extend(on_its_way.iter().flat_map(|batch| batch.first..batch.next()));
            while let Some(batch) = outbox.freeze(Duration::ZERO, usize::MAX) {
                left.extend(batch.first..batch.next());
            }
            prop_assert!(left.is_sorted());
            left.extend(dropped);
            left.sort_unstable();
            prop_assert_eq!(left, (1..=outbox.last()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_batch_says_how_long_its_entries_have_waited() {
        let mut outbox = RoomOutbox::new(NodeId::drawn([1, 1]), 16);
        outbox.push(say(1), Duration::from_millis(10));
        outbox.push(say(1), Duration::from_millis(40));
        let batch = outbox.freeze(Duration::from_millis(51), 1).expect("two wait");
        assert_eq!(batch.entries().map(|(_, entry)| entry.waited).collect::<Vec<_>>(), [41, 11]);
    }

    #[test]
    fn a_batch_has_no_more_bytes_than_the_servers_take() {
        let mut outbox = RoomOutbox::new(NodeId::drawn([1, 1]), 16);
        let fits = |outbox: &RoomOutbox, length| outbox.too_long(&say(length));
        assert_eq!(fits(&outbox, ENTRY_TEXT), None, "nothing is known of the servers yet");
        outbox.bound(1_000);
        let most = fits(&outbox, 2_000).expect("it is longer");
        assert_eq!((fits(&outbox, most), fits(&outbox, most + 1)), (None, Some(most)));
        (0..4).for_each(|_| _ = outbox.push(say(300), Duration::ZERO));
        let batch = outbox.freeze(Duration::ZERO, 1).expect("some wait");
        assert_eq!(batch.count, 2);
        assert!(batch.body.len() <= 1_000);
        assert_eq!(outbox.give_up(batch.first + 1), None);
        assert_eq!(outbox.give_up(batch.first), Some(batch));
        let next = outbox.freeze(Duration::ZERO, 1).expect("the rest waits");
        assert_eq!((next.first, next.after, next.prev), (3, 0, 0), "a jump that others see");
    }

    #[test]
    fn what_no_node_would_show_is_refused_before_it_is_said() {
        let outbox = RoomOutbox::new(NodeId::drawn([1, 1]), 16);
        assert_eq!(outbox.too_long(&say(ENTRY_TEXT)), None);
        assert_eq!(outbox.too_long(&say(ENTRY_TEXT + 1)), Some(ENTRY_TEXT));
    }

    #[test]
    fn another_try_says_how_late_its_entries_are_and_has_the_same() {
        let mut outbox = RoomOutbox::new(NodeId::drawn([1, 1]), 64);
        let said = Duration::from_secs(1);
        for _ in 0..3 {
            outbox.push(say(10), said);
        }
        outbox.bound(1 << 20);
        let first = outbox.freeze(said, 1).expect("some wait");
        let soon = outbox.late(1, said + LATE / 2).expect("it is on its way");
        assert_eq!(soon, first, "nobody need be told");
        let late = outbox.late(1, said + LATE * 5).expect("it is on its way");
        let waits: Vec<_> = late.entries().map(|(_, entry)| entry.waited).collect();
        assert_eq!(waits, [5_000; 3]);
        assert_eq!((late.id(), late.header()), (first.id(), first.header()));
        assert!(outbox.late(2, said).is_none() && outbox.late(1, said).is_some());
    }

    #[test]
    fn a_batch_that_is_late_is_no_larger_than_the_servers_take() {
        let mut outbox = RoomOutbox::new(NodeId::drawn([1, 1]), 64);
        outbox.bound(400);
        for _ in 0..32 {
            outbox.push(say(10), Duration::ZERO);
        }
        while let Some(batch) = outbox.freeze(Duration::ZERO, 1) {
            let late = outbox.late(batch.first, Duration::from_hours(1_000)).expect("it flies");
            assert!(late.body.len() <= 400, "{}", late.body.len());
            assert!(outbox.ack(batch.first, 1).is_some());
        }
        assert!(outbox.is_empty());
    }

    #[test]
    fn long_entries_wait_up_to_so_many_bytes() {
        let mut outbox = RoomOutbox::new(NodeId::drawn([1, 1]), OUTBOX_ENTRIES);
        let weight = say(40_000).weight();
        let most = OUTBOX_BYTES / weight;
        let mut dropped = Vec::new();
        for _ in 0..2 * most {
            let (_, lost) = outbox.push(say(40_000), Duration::ZERO);
            dropped.extend(lost.into_iter().flat_map(|(from, to)| from..=to));
        }
        assert_eq!(dropped, (1..=most as u64).collect::<Vec<_>>(), "the oldest of them go");
        assert_eq!(outbox.unstored(), most);
    }

    #[test]
    fn it_is_half_full_before_it_is_full() {
        let mut outbox = RoomOutbox::new(NodeId::drawn([1, 1]), 4);
        let full = (0..4).map(|_| {
            assert_eq!(outbox.push(say(1), Duration::ZERO).1, None);
            outbox.is_half_full()
        });
        assert_eq!(full.collect::<Vec<_>>(), [false, false, true, true]);
        assert_eq!(outbox.push(say(1), Duration::ZERO), (5, Some((1, 1))));
    }
}
