//! One conversation with one peer, open to close: the unit of limits and events.

pub mod keeper;
pub mod powers;
pub mod tap;
mod ways;

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use crate::address::Address;
use crate::bus::Bus;
use crate::bus::sink::Lanes;
use crate::chunk::{Direction, Side};
use crate::clock::Clock;
use crate::codec::text::Cutting;
use crate::conn::Facts;
use crate::conn::link::Pipes;
use crate::event::{By, End, Fact, How, Learnt, Upstream};
use crate::session::powers::Powers;

pub use keeper::Keeper;
pub use powers::{Destination, Dress};

/// A session's own: who talks to whom, how much, and the ways out that its service is given.
pub struct Session {
    /// Its number, from 1.
    pub id: u64,
    /// The session that it belongs to; 0: none.
    pub parent: u64,
    /// Which door of the service it came in by.
    door: OnceLock<&'static str>,
    /// Who talks to whom.
    pub facts: Arc<Facts>,
    /// When it opened, in nanoseconds of the clock: thousands lie idle.
    opened: u64,
    /// Its own source of chance, so that a run can be repeated.
    pub seed: u64,
    /// The shard that it lives on.
    pub shard: usize,
    counters: Counters,
    notice: AtomicU8,
    cut: AtomicU8,
    /// When something last passed, and since when a send waits; in nanoseconds of the clock, 0: not.
    active: AtomicU64,
    stalled: AtomicU64,
    /// Bytes that its service holds in buffers.
    held: AtomicU64,
    /// What its service says of an end in order. Boxed: most sessions have nothing to say.
    conclusion: OnceLock<Box<Conclusion>>,
    /// Its far side, once it has dialled. Boxed: most sessions have none.
    upstream: OnceLock<Box<FarSide>>,
    /// Where everything that passes is kept whole; none: nowhere.
    lanes: Option<Box<Lanes>>,
    task: OnceLock<Waker>,
    bus: Bus,
    powers: Arc<dyn Powers>,
}

/// What the engine knows when it opens a session.
pub struct Opening {
    /// Its number.
    pub id: u64,
    /// Its parent's number; 0: none.
    pub parent: u64,
    /// The door, where it is known before the layers are on; empty for a service with one.
    pub door: Option<&'static str>,
    /// Who talks to whom.
    pub facts: Arc<Facts>,
    /// The shard that it lives on.
    pub shard: usize,
    /// The engine's bus.
    pub bus: Bus,
    /// Its seed.
    pub seed: u64,
    /// The engine's powers.
    pub powers: Arc<dyn Powers>,
}

/// What a session notes of the conns that it dialled.
struct FarSide {
    /// Of the first of them.
    facts: Arc<Facts>,
    counters: Counters,
    stalled: AtomicU64,
}

/// Bytes and chunks that passed. Written by the session's own thread alone, read by any.
#[derive(Default)]
struct Counters {
    bytes: [AtomicU64; 2],
    chunks: [AtomicU64; 2],
    ends: [AtomicU8; 2],
}

/// What a service says of how its session ended, where the conn ends in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conclusion {
    /// The limit of ours that ended it, as the reference page names it; none: both sides had said all.
    pub limit: Option<&'static str>,
    /// In plain words: `said /quit`.
    pub detail: Option<String>,
    /// The fault that ended it.
    pub fault: Option<&'static str>,
    /// Whom the session had dialled, and how that went.
    pub upstream: Option<Upstream>,
}

const DRAINING: u8 = 1;
const WATCHED: u8 = 2;
const HUSHED: u8 = 4;
const PARENT: u8 = 8;

/// Why the engine ends a session before its service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Silence for longer than `idle`.
    Idle,
    /// The peer took nothing of what we sent for longer than `stall`.
    Stall,
    /// All sessions together held more than the budget of buffers, and this one held most.
    Memory,
    /// The drain ran out of patience.
    Stopped,
    /// Somebody asked for the end of this very session.
    Killed,
}

impl Session {
    /// A session that opens now.
    pub fn open(opening: Opening) -> Self {
        Session {
            lanes: opening.bus.lanes(opening.id),
            id: opening.id,
            parent: opening.parent,
            door: opening.door.map_or_else(OnceLock::new, OnceLock::from),
            facts: opening.facts,
            opened: nanos(opening.bus.clock().now()),
            seed: opening.seed,
            shard: opening.shard,
            counters: Counters::default(),
            notice: AtomicU8::new(0),
            cut: AtomicU8::new(0),
            active: AtomicU64::new(0),
            stalled: AtomicU64::new(0),
            held: AtomicU64::new(0),
            conclusion: OnceLock::new(),
            upstream: OnceLock::new(),
            task: OnceLock::new(),
            bus: opening.bus,
            powers: opening.powers,
        }
    }

    /// Which door of the service it came in by; empty for a service with one, and as long as no layer has decided it.
    pub fn door(&self) -> &'static str {
        self.door.get().copied().unwrap_or_default()
    }

    /// The engine's: the door, where only the layers could tell. The first word counts.
    pub fn enters_by(&self, door: &'static str) {
        let _ = self.door.set(door);
    }

    /// When it opened.
    pub fn opened(&self) -> Duration {
        Duration::from_nanos(self.opened)
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        self.bus.clock()
    }

    /// The bus, for who must know whether anybody looks.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Tells a fact about this session.
    pub fn emit(&self, fact: Fact) {
        if let Some(lanes) = &self.lanes {
            lanes.note(self.clock().now(), &fact);
        }
        self.bus.emit(self.shard, self.id, fact);
    }

    /// Tells and counts that one packet was dropped, because it is longer than a buffer or a medium takes
    /// (`packet-size`).
    pub fn drop_packet(&self) {
        self.bus.drop_by("packet-size", 1);
    }

    /// Tells what the layers of one of its conns learnt: the peer's, or that of whom it has dialled.
    pub fn tell_learnt(&self, with: By, learnt: &[Learnt]) {
        if self.bus.is_watched() && !learnt.is_empty() {
            self.emit(Fact::Dressed { with, learnt: learnt.to_vec() });
        }
    }

    /// Whether somebody keeps everything that passes.
    pub(crate) fn lanes(&self) -> Option<&Lanes> {
        self.lanes.as_deref()
    }

    /// From now on, or no longer, the tap shows only how long a chunk is: a secret passes.
    pub fn hush(&self, is_secret: bool) {
        if is_secret {
            self.notice.fetch_or(HUSHED, Relaxed);
        } else {
            self.notice.fetch_and(!HUSHED, Relaxed);
        }
    }

    /// Whether what passes is a secret.
    pub fn is_hushed(&self) -> bool {
        self.notice.load(Relaxed) & HUSHED != 0
    }

    fn counters(&self, side: Side) -> &Counters {
        match (side, self.upstream.get()) {
            (Side::Upstream, Some(far)) => &far.counters,
            _ => &self.counters,
        }
    }

    /// Counts a chunk and says its ordinal in its direction. Only the session's own thread calls it.
    pub(crate) fn count(&self, side: Side, direction: Direction, bytes: usize) -> u64 {
        let (at, counters) = (direction as usize, self.counters(side));
        // One writer: a plain load and store does, where an atomic addition would lock the bus per chunk.
        let total = counters.bytes[at].load(Relaxed) + bytes as u64;
        counters.bytes[at].store(total, Relaxed);
        let ordinal = counters.chunks[at].load(Relaxed) + 1;
        counters.chunks[at].store(ordinal, Relaxed);
        if self.notice.load(Relaxed) & WATCHED != 0 {
            self.active.store(nanos(self.clock().now()), Relaxed);
        }
        ordinal
    }

    /// Notes that a send to one of the two sides waits, or that it went on.
    pub(crate) fn note_stall(&self, side: Side, is_stalled: bool) {
        let stalled = match (side, self.upstream.get()) {
            (Side::Upstream, Some(far)) => &far.stalled,
            _ => &self.stalled,
        };
        let is_noted = stalled.load(Relaxed) != 0;
        if is_stalled != is_noted {
            let since = if is_stalled { nanos(self.clock().now()).max(1) } else { 0 };
            stalled.store(since, Relaxed);
        }
    }

    /// Notes how many bytes of buffers a driver or service holds for this session while it waits.
    pub fn note_held(&self, bytes: usize) {
        if self.held.load(Relaxed) != bytes as u64 {
            self.held.store(bytes as u64, Relaxed);
        }
    }

    /// Bytes of buffers that are held for it, and of what waits in this process to be received by it.
    pub fn held(&self) -> u64 {
        self.held.load(Relaxed) + self.facts.unread() as u64
    }

    /// The engine's: other sessions belong to this one, and nothing passes in it.
    pub fn has_children(&self) -> bool {
        self.notice.load(Relaxed) & PARENT != 0
    }

    /// The engine's: marks it as such.
    pub fn expect_children(&self) {
        self.notice.fetch_or(PARENT, Relaxed);
    }

    /// The engine's: from now on note when something passes, because somebody minds silence.
    pub fn watch_silence(&self) {
        self.active.store(self.opened, Relaxed);
        self.notice.fetch_or(WATCHED, Relaxed);
    }

    /// The service's: why it ends the session, although it ends it in order. An error would tear the conn down, and
    /// its last words with it. The first word counts.
    pub fn conclude(&self, limit: Option<&'static str>, detail: impl Into<String>) {
        let detail = Some(detail.into());
        let (fault, upstream) = (None, None);
        self.conclusion.get_or_init(|| Box::new(Conclusion { limit, detail, fault, upstream }));
    }

    /// The service's: whom it had dialled, and the fault that ended it, told at the session's end. The first word
    /// counts.
    pub fn conclude_between(&self, upstream: Option<Upstream>, fault: Option<&'static str>) {
        let detail = fault.map(|fault| format!("closed by the fault {fault}"));
        self.conclusion
            .get_or_init(|| Box::new(Conclusion { limit: None, detail, fault, upstream }));
    }

    /// What its service said of the end, if it did.
    pub fn conclusion(&self) -> Option<&Conclusion> {
        self.conclusion.get().map(|conclusion| &**conclusion)
    }

    /// Since when nothing has passed, if that is watched.
    pub fn silent_since(&self) -> Option<Duration> {
        let is_watched = self.notice.load(Relaxed) & WATCHED != 0;
        is_watched.then(|| Duration::from_nanos(self.active.load(Relaxed)))
    }

    /// Since when a send waits, for the peer or for whom the session dialled; the longer of the two.
    pub fn stalled_since(&self) -> Option<Duration> {
        let far = self.upstream.get().map_or(0, |far| far.stalled.load(Relaxed));
        let stalled = [self.stalled.load(Relaxed), far].into_iter().filter(|since| *since != 0);
        stalled.min().map(Duration::from_nanos)
    }

    /// Bytes that passed between its peer and us so far.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.counters.bytes[direction as usize].load(Relaxed)
    }

    /// Bytes that passed between us and whom it dialled: `In` is what came from there.
    pub fn upstream_bytes(&self, direction: Direction) -> u64 {
        self.upstream.get().map_or(0, |far| far.counters.bytes[direction as usize].load(Relaxed))
    }

    /// Chunks that passed so far.
    pub fn chunks(&self, direction: Direction) -> u64 {
        self.counters.chunks[direction as usize].load(Relaxed)
    }

    /// Notes how a direction ended; the first word counts. The tap's and the engine's to call.
    pub fn note_end(&self, direction: Direction, by: By, how: How) {
        let code = 1 + (by as u8) * 4 + how as u8;
        let slot = &self.counters.ends[direction as usize];
        if slot.load(Relaxed) == 0 {
            slot.store(code, Relaxed);
        }
    }

    /// How a direction ended, if it has.
    pub fn end_of(&self, direction: Direction) -> Option<End> {
        let code = self.counters.ends[direction as usize].load(Relaxed).checked_sub(1)?;
        let by = [By::Us, By::Peer, By::Kernel, By::Upstream][usize::from(code / 4)];
        let how = [How::Fin, How::Rst, How::None][usize::from(code % 4)];
        Some(End { by, how })
    }

    /// Whether the engine asks sessions to come to an end. A polite service looks when it is polled; the notice
    /// wakes its task.
    pub fn is_draining(&self) -> bool {
        self.notice.load(Relaxed) & DRAINING != 0
    }

    /// The engine's: asks the session to come to an end, and wakes it.
    pub fn ask_to_end(&self) {
        self.notice.fetch_or(DRAINING, Relaxed);
        self.wake();
    }

    /// The engine's: ends the session whatever its service is doing. The first word counts.
    pub fn cut(&self, why: Cut) {
        let code = match why {
            Cut::Idle => 1,
            Cut::Stall => 2,
            Cut::Stopped => 3,
            Cut::Memory => 4,
            Cut::Killed => 5,
        };
        if self.cut.load(Relaxed) == 0 {
            self.cut.store(code, Relaxed);
        }
        self.wake();
    }

    /// Why it is to be cut, if it is.
    pub fn cut_by(&self) -> Option<Cut> {
        match self.cut.load(Relaxed) {
            1 => Some(Cut::Idle),
            2 => Some(Cut::Stall),
            3 => Some(Cut::Stopped),
            4 => Some(Cut::Memory),
            5 => Some(Cut::Killed),
            _ => None,
        }
    }

    fn wake(&self) {
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    /// The engine's: the task that a notice is to wake. A session lives in one task, so once is enough.
    pub fn lives_in(&self, task: &Waker) {
        self.task.get_or_init(|| task.clone());
    }

    fn powers(&self) -> &Arc<dyn Powers> {
        &self.powers
    }

    fn note_upstream(&self, facts: &Arc<Facts>) {
        self.upstream.get_or_init(|| {
            let (counters, stalled) = (Counters::default(), AtomicU64::new(0));
            Box::new(FarSide { facts: facts.clone(), counters, stalled })
        });
    }

    /// Whom it has dialled, if it has: the first, where there were several.
    pub fn upstream(&self) -> Option<&Address> {
        self.upstream.get().map(|far| &far.facts.peer)
    }

    /// How text is to be cut into messages: `--framing`.
    pub fn cutting(&self) -> Cutting {
        self.powers.cutting()
    }

    /// The pipes that its links may splice through; none: they copy.
    pub fn pipes(&self) -> Option<&Pipes> {
        self.powers.pipes()
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) // 584 years
}
