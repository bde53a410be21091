//! What a fault speaks to: the one queue of what it holds, with its chunks, its end and its abort in one row.

use std::collections::VecDeque;
use std::time::Duration;

use crate::chunk::Chunk;

/// A time that never comes: what is held until then goes on when the fault is over, or taken away.
pub const NEVER: Duration = Duration::MAX;

/// One thing in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Bytes or a packet.
    Chunk(Chunk),
    /// Nothing more comes: the sender has said all, or the fault `by` says that it has.
    End {
        /// The fault that made it.
        by: Option<&'static str>,
    },
    /// Both conns are torn down, by this fault.
    Abort {
        /// The fault that made it.
        by: &'static str,
    },
}

/// What a fault did, worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Held bytes or a packet for so long.
    Held(Duration),
    /// Discarded so many bytes, or a packet of so many.
    Discarded(u64),
    /// Changed something, in a word: `flipped a bit`.
    Changed(&'static str),
    /// Ended both directions in order.
    Ended,
    /// Tore both conns down.
    Aborted,
    /// Was answered by this code, and not as usual.
    Answered(u16),
}

impl Act {
    /// What it did, in a word of JSON.
    pub fn word(self) -> &'static str {
        match self {
            Act::Held(_) => "hold",
            Act::Discarded(_) => "discard",
            Act::Changed(what) => what,
            Act::Ended => "close",
            Act::Aborted => "reset",
            Act::Answered(_) => "answer",
        }
    }
}

/// A decision: what a fault chose to do, and where. Two runs with the same seed and input have the same ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The offset of the byte, or the number of the packet, that it is about.
    pub at: u64,
    /// In a word.
    pub what: &'static str,
    /// With a number, where there is one: microseconds held, a bit's place.
    pub value: Option<u64>,
}

/// What a fault speaks to.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Outbox {
    name: &'static str,
    keeps_order: bool,
    queue: VecDeque<HeldItem>,
    weight: usize,
    wake: Option<Duration>,
    /// The clock, as of this call.
    now: Duration,
    pub(super) has_closed: bool,
    pub(super) acts: Vec<Act>,
    pub(super) decisions: Vec<Decision>,
    pub(super) logs: bool,
    /// It did something to what came in last.
    pub(super) is_hit: bool,
    /// It hands the sender's own end on.
    pub(super) is_ending: bool,
}

#[derive(Debug)]
struct HeldItem {
    due: Duration,
    since: Duration,
    item: Item,
}

impl Outbox {
    /// The outbox of a fault of this name, that claims to keep the order or not.
    pub fn new(name: &'static str, keeps_order: bool) -> Self {
        Outbox {
            name,
            keeps_order,
            queue: VecDeque::new(),
            weight: 0,
            wake: None,
            now: Duration::ZERO,
            has_closed: false,
            acts: Vec::new(),
            decisions: Vec::new(),
            logs: false,
            is_hit: false,
            is_ending: false,
        }
    }

    /// Passes on, behind what is held already where the fault keeps the order.
    pub fn send(&mut self, chunk: Chunk) {
        self.put(self.now, Item::Chunk(chunk));
    }

    /// Passes on at that time; with [`NEVER`] when the fault is over.
    pub fn send_at(&mut self, due: Duration, chunk: Chunk) {
        self.is_hit |= due > self.now;
        self.put(due, Item::Chunk(chunk));
    }

    /// Does not pass it on, and says why, in a word.
    pub fn discard(&mut self, chunk: &Chunk, why: &'static str) {
        self.note(Act::Discarded(chunk.bytes.len() as u64));
        self.decide(chunk.at, why, None);
    }

    /// Asks for a call of [`wake`](super::Fault::wake) at that time. The last word counts.
    pub fn wake_at(&mut self, time: Duration) {
        self.wake = Some(time);
    }

    /// Ends this direction then, behind all that is held. If its sender has not said all, both are over.
    pub fn end_at(&mut self, due: Duration) {
        let by = (!self.is_ending).then_some(self.name);
        self.put_last(due, Item::End { by });
        if by.is_some() {
            self.note(Act::Ended);
            self.has_closed = true;
        }
    }

    /// Ends it behind all that is held.
    pub fn end(&mut self) {
        self.end_at(self.now);
    }

    /// Ends both directions now, in place of what is held for later.
    pub fn close(&mut self) {
        let now = self.now;
        self.queue.retain(|held| held.due <= now && matches!(held.item, Item::Chunk(_)));
        self.weight = self.queue.iter().map(|held| weight(&held.item)).sum();
        self.end();
    }

    /// Tears both conns down then, behind all that is held.
    pub fn abort_at(&mut self, due: Duration) {
        self.put_last(due, Item::Abort { by: self.name });
        self.note(Act::Aborted);
        self.has_closed = true;
    }

    /// Tells that it changed what came in.
    pub fn changed(&mut self, at: u64, what: &'static str, value: Option<u64>) {
        self.note(Act::Changed(what));
        self.decide(at, what, value);
    }

    /// Notes a decision, so that two runs can be compared.
    pub fn decide(&mut self, at: u64, what: &'static str, value: Option<u64>) {
        if self.logs {
            self.decisions.push(Decision { at, what, value });
        }
    }

    fn note(&mut self, act: Act) {
        self.is_hit = true;
        self.acts.push(act);
    }

    fn put_last(&mut self, due: Duration, item: Item) {
        let last = self.queue.back().map_or(Duration::ZERO, |held| held.due);
        self.push(due.max(last), item);
    }

    fn put(&mut self, due: Duration, item: Item) {
        if self.keeps_order { self.put_last(due, item) } else { self.push(due, item) }
    }

    /// In the order of the times; at the same time in the order of coming.
    fn push(&mut self, due: Duration, item: Item) {
        // Behind what closes it nothing goes.
        if self.has_closed {
            return;
        }
        self.weight += weight(&item);
        let behind = self.queue.iter().rev().take_while(|held| held.due > due).count();
        let at = self.queue.len() - behind;
        self.queue.insert(at, HeldItem { due, since: self.now, item });
    }

    // What follows is the chain's.

    /// The time of the calls to come.
    pub(super) fn begin(&mut self, now: Duration) {
        self.now = now;
        self.is_hit = false;
    }

    /// The first thing whose time has come, of a stream at most so many bytes, and how long it was held, if the fault
    /// wanted that.
    pub(super) fn take(&mut self, now: Duration, most: usize) -> Option<(Item, Duration)> {
        let mut held = self.queue.pop_front_if(|held| held.due <= now)?;
        self.weight -= weight(&held.item);
        if let Item::Chunk(chunk) = &mut held.item
            && !chunk.is_packet
            && chunk.bytes.len() > most
        {
            let front = Item::Chunk(chunk.split_off_front(most));
            let rest = HeldItem { item: std::mem::replace(&mut held.item, front), ..held };
            self.weight += weight(&rest.item);
            self.queue.push_front(rest);
        }
        // A queue that was long once keeps no room for that.
        if self.queue.is_empty() && self.queue.capacity() > SHORT {
            self.queue = VecDeque::new();
        }
        let is_wanted = held.due > held.since;
        let time = if is_wanted { now.saturating_sub(held.since) } else { Duration::ZERO };
        Some((held.item, time))
    }

    /// Puts something on the way that the fault is not asked about.
    pub(super) fn pass(&mut self, item: Item) {
        match item {
            Item::Chunk(chunk) => self.send(chunk),
            item => {
                let closes = !matches!(item, Item::End { by: None });
                self.put_last(self.now, item);
                self.has_closed |= closes;
            }
        }
    }

    /// What was held without a time goes now, and what stands behind it.
    pub(super) fn release(&mut self) {
        for held in self.queue.iter_mut().filter(|held| held.due == NEVER) {
            held.due = self.now;
        }
    }

    /// All that is held, in the order in which it would have gone.
    pub(super) fn empty(&mut self) -> impl Iterator<Item = Item> {
        self.weight = 0;
        std::mem::take(&mut self.queue).into_iter().map(|held| held.item)
    }

    /// When the first thing is due.
    pub(super) fn due(&self) -> Option<Duration> {
        self.queue.front().map(|held| held.due)
    }

    /// Bytes held, and what holding them costs.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn wake(&self) -> Option<Duration> {
        self.wake
    }

    /// Whether a wake is due; it is asked for once.
    pub(super) fn take_wake(&mut self, now: Duration) -> bool {
        self.wake.take_if(|time| *time <= now).is_some()
    }
}

/// What holding an item costs beside its bytes: a place in a queue that may be half empty.
pub(super) const PLACE: usize = 2 * size_of::<HeldItem>();
/// Places of a queue that may stay when it is empty.
const SHORT: usize = 16;

/// The bytes of an item, and what holding it costs.
pub(super) fn weight(item: &Item) -> usize {
    match item {
        Item::Chunk(chunk) => PLACE + chunk.bytes.len(),
        _ => PLACE,
    }
}
