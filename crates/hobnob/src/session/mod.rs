//! One conversation with one peer, open to close: the unit of limits and events.

mod decisions;
mod keeper;
pub(crate) mod powers;
pub(crate) mod tap;
mod ways;

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use crate::address::Address;
use crate::bus::Bus;
use crate::bus::sink::Lanes;
use crate::chunk::{Direction, Side};
use crate::clock::{Clock, nanos};
use crate::codec::text::Cutting;
use crate::conn::Facts;
use crate::conn::link::Pipes;
use crate::event::{By, End, Fact, How, Learnt, Upstream};
use crate::session::powers::Powers;

pub(crate) use decisions::Decisions;
pub use keeper::Keeper;
pub use powers::{Destination, Dress};

/// What a session knows of itself: its peer, what has passed, and the ways out that its service is given.
///
/// The engine makes it, and lends it to [`Service::run`](crate::service::Service::run).
pub struct Session {
    /// The number of this session, from 1.
    pub id: u64,
    /// The number of the session that this one belongs to; 0: none.
    pub parent: u64,
    /// The door of the service by which the peer came in.
    door: OnceLock<&'static str>,
    /// What is known of its conn: the transport, and the addresses of both ends.
    pub facts: Arc<Facts>,
    /// When the session opened, in nanoseconds of the clock: 8 bytes where a `Duration` is 16, as thousands lie idle.
    opened: u64,
    /// The seed of all chance in this session, made from the seed of the run: with it, a run can be repeated.
    pub seed: u64,
    /// The index of the shard that the session lives on.
    shard: u32,
    notice: AtomicU8,
    cut: AtomicU8,
    /// How each direction ended.
    ends: [AtomicU8; 2],
    counters: Counters,
    /// When something last passed, in nanoseconds of the clock; 0: that is not watched.
    active: AtomicU64,
    /// Since when a send waits, to the peer and to the far side, in tenths of seconds since the session opened, rounded
    /// up; 0: none waits. A session may be thirteen years old before 32 bits of them run out.
    stalled: [AtomicU32; 2],
    /// Bytes that the service holds in buffers for this session.
    held: AtomicU64,
    /// What the service says of an end in order. Boxed, because most sessions have nothing to say.
    conclusion: OnceLock<Box<Conclusion>>,
    /// The far side, once the session has dialled. Boxed, because most sessions have none.
    upstream: OnceLock<Box<FarSide>>,
    /// The way into all sinks that keep everything; none where there is no sink.
    lanes: Option<Box<Lanes>>,
    task: OnceLock<Waker>,
    bus: Bus,
    powers: Arc<dyn Powers>,
}

/// What the engine knows when it opens a session.
pub(crate) struct Opening {
    /// The number of the session.
    pub(crate) id: u64,
    /// The number of the session that this one belongs to; 0: none.
    pub(crate) parent: u64,
    /// The door, where it is known before the layers are on; empty for a service with one door.
    pub(crate) door: Option<&'static str>,
    /// What is known of the conn.
    pub(crate) facts: Arc<Facts>,
    /// The index of the shard that the session lives on.
    pub(crate) shard: usize,
    /// The engine's bus.
    pub(crate) bus: Bus,
    /// The seed of all chance in the session.
    pub(crate) seed: u64,
    /// The engine's powers.
    pub(crate) powers: Arc<dyn Powers>,
}

/// What a session notes of the conns that it dialled.
struct FarSide {
    /// What is known of the first of these conns.
    facts: Arc<Facts>,
    counters: Counters,
}

/// Counts of bytes and chunks that passed. Only the session's own thread writes them; any
/// thread may read.
#[derive(Default)]
struct Counters {
    bytes: [AtomicU64; 2],
    chunks: [AtomicU64; 2],
}

/// What a service says of how its session ended, where the conn ends in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conclusion {
    /// The limit of ours that ended it, as the reference page names it; none: both sides had said all.
    pub(crate) limit: Option<&'static str>,
    /// In plain words: `said /quit`.
    pub(crate) detail: Option<String>,
    /// The fault that ended it.
    pub(crate) fault: Option<&'static str>,
    /// The far side that the session had dialled, and how that went.
    pub(crate) upstream: Option<Upstream>,
}

/// A tenth of a second, in nanoseconds.
const TENTH: u64 = 100_000_000;

const DRAINING: u8 = 1;
const WATCHED: u8 = 2;
const HUSHED: u8 = 4;
const PARENT: u8 = 8;

/// Why the engine ends a session before the service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Silence for longer than `idle`.
    Idle,
    /// The peer took nothing of what we sent for longer than `stall`.
    Stall,
    /// All sessions together filled the budget of buffers, and this one held most.
    Memory,
    /// The drain ran out of patience.
    Stopped,
    /// A console asked for the end of this very session.
    Killed,
}

impl Session {
    /// A session that opens now.
    pub(crate) fn open(opening: Opening) -> Self {
        Session {
            lanes: opening.bus.lanes(opening.id),
            id: opening.id,
            parent: opening.parent,
            door: opening.door.map_or_else(OnceLock::new, OnceLock::from),
            facts: opening.facts,
            opened: nanos(opening.bus.clock().now()),
            seed: opening.seed,
            shard: u32::try_from(opening.shard).unwrap_or(u32::MAX),
            notice: AtomicU8::new(0),
            cut: AtomicU8::new(0),
            ends: Default::default(),
            counters: Counters::default(),
            active: AtomicU64::new(0),
            stalled: Default::default(),
            held: AtomicU64::new(0),
            conclusion: OnceLock::new(),
            upstream: OnceLock::new(),
            task: OnceLock::new(),
            bus: opening.bus,
            powers: opening.powers,
        }
    }

    /// The door of the service by which the peer came in. Empty where the service has one door, and as long as no layer
    /// has decided which.
    pub fn door(&self) -> &'static str {
        self.door.get().copied().unwrap_or_default()
    }

    /// Notes the door, where only the layers could tell. Only the first call counts.
    pub(crate) fn enters_by(&self, door: &'static str) {
        let _ = self.door.set(door);
    }

    /// When the session opened, as time of the clock.
    pub fn opened(&self) -> Duration {
        Duration::from_nanos(self.opened)
    }

    /// The index of the shard that the session lives on.
    pub(crate) fn shard(&self) -> usize {
        self.shard as usize
    }

    /// The clock that stamps the events.
    pub fn clock(&self) -> Clock {
        self.bus.clock()
    }

    /// The bus that the events go to. [`Bus::is_watched`] says whether anybody looks.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Tells a fact about this session.
    pub fn emit(&self, fact: Fact) {
        if let Some(lanes) = &self.lanes {
            lanes.note(self.clock().now(), &fact);
        }
        self.bus.emit(self.shard(), self.id, fact);
    }

    /// Tells and counts that one packet was dropped, because the packet is longer than a buffer or a medium takes. The
    /// limit is called `packet-size`.
    pub fn drop_packet(&self) {
        self.bus.drop_by("packet-size", 1);
    }

    /// Tells what the layers of a conn learnt. `with` says whose conn that is: the peer's, or one that was dialled.
    pub fn tell_learnt(&self, with: By, learnt: &[Learnt]) {
        if self.bus.is_watched() && !learnt.is_empty() {
            self.emit(Fact::Dressed { with, learnt: learnt.to_vec() });
        }
    }

    /// The way into all sinks that keep everything; none where there is no sink.
    pub(crate) fn lanes(&self) -> Option<&Lanes> {
        self.lanes.as_deref()
    }

    /// Says that a secret passes from now on, or no longer. While one does, the tap shows only how long each chunk is.
    pub fn hush(&self, is_secret: bool) {
        if is_secret {
            self.notice.fetch_or(HUSHED, Relaxed);
        } else {
            self.notice.fetch_and(!HUSHED, Relaxed);
        }
    }

    /// Whether what passes now is a secret.
    pub(crate) fn is_hushed(&self) -> bool {
        self.notice.load(Relaxed) & HUSHED != 0
    }

    fn counters(&self, side: Side) -> &Counters {
        match (side, self.upstream.get()) {
            (Side::Upstream, Some(far)) => &far.counters,
            _ => &self.counters,
        }
    }

    /// Counts a chunk, and returns the chunk's ordinal in its direction. Only the session's own thread may call this.
    pub(crate) fn count(&self, side: Side, direction: Direction, bytes: usize) -> u64 {
        let (at, counters) = (direction as usize, self.counters(side));
        // As only one thread writes, a load and a store do. An atomic addition would lock the memory bus for each chunk.
        let total = counters.bytes[at].load(Relaxed) + bytes as u64;
        counters.bytes[at].store(total, Relaxed);
        let ordinal = counters.chunks[at].load(Relaxed) + 1;
        counters.chunks[at].store(ordinal, Relaxed);
        if self.notice.load(Relaxed) & WATCHED != 0 {
            self.active.store(nanos(self.clock().now()), Relaxed);
        }
        ordinal
    }

    /// Notes that a send to one of the two sides waits, or that the send went on.
    pub(crate) fn note_stall(&self, side: Side, is_stalled: bool) {
        let stalled = &self.stalled[side as usize];
        let is_noted = stalled.load(Relaxed) != 0;
        if is_stalled != is_noted {
            let age = || nanos(self.clock().now()).saturating_sub(self.opened);
            let tenths = if is_stalled { age().div_ceil(TENTH).max(1) } else { 0 };
            stalled.store(u32::try_from(tenths).unwrap_or(u32::MAX), Relaxed);
        }
    }

    /// Notes how many bytes of buffers a service holds for this session. Where all sessions together hold too much, those
    /// that hold most are cut right now.
    pub fn note_held(&self, bytes: usize) {
        let bytes = bytes as u64;
        if self.held.load(Relaxed) != bytes {
            let before = self.held.swap(bytes, Relaxed);
            self.powers.note_held(before, bytes);
        }
    }

    /// Whether there is room for more buffers in the budget of all sessions. Where there is none, those that hold most are
    /// being cut.
    pub(crate) fn may_hold_more(&self) -> bool {
        self.powers.may_hold_more()
    }

    /// Bytes that this session costs: buffers that are held for it, and packets that wait in this process to be
    /// received.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Relaxed) + self.unread()
    }

    /// Bytes that wait in this process to be received.
    pub(crate) fn unread(&self) -> u64 {
        self.facts.unread() as u64
    }

    /// Whether other sessions belong to this one. Nothing passes in such a session.
    pub(crate) fn has_children(&self) -> bool {
        self.notice.load(Relaxed) & PARENT != 0
    }

    /// Notes that other sessions are to belong to this one.
    pub(crate) fn expect_children(&self) {
        self.notice.fetch_or(PARENT, Relaxed);
    }

    /// Has the session note when something passes, from now on: a limit on silence needs that.
    pub(crate) fn watch_silence(&self) {
        self.active.store(self.opened, Relaxed);
        self.notice.fetch_or(WATCHED, Relaxed);
    }

    /// A service says why it ends the session, although it ends the session in order. An error would tear the conn down,
    /// and the last words with it. Only the first call counts.
    pub fn conclude(&self, limit: Option<&'static str>, detail: impl Into<String>) {
        let detail = Some(detail.into());
        let (fault, upstream) = (None, None);
        self.conclusion.get_or_init(|| Box::new(Conclusion { limit, detail, fault, upstream }));
    }

    /// A service that dials says how the far side ended, and which fault ended the session. Both are told at the end of
    /// the session. Only the first call counts.
    pub fn conclude_between(&self, upstream: Option<Upstream>, fault: Option<&'static str>) {
        let detail = fault.map(|fault| format!("closed by the fault {fault}"));
        self.conclusion
            .get_or_init(|| Box::new(Conclusion { limit: None, detail, fault, upstream }));
    }

    /// What the service said of the end, if it said anything.
    pub(crate) fn conclusion(&self) -> Option<&Conclusion> {
        self.conclusion.get().map(|conclusion| &**conclusion)
    }

    /// Whether the peer is the standard streams of this process.
    pub(crate) fn is_over_own_streams(&self) -> bool {
        self.facts.patience().is_some()
    }

    /// Since when nothing has passed, if that is watched.
    pub(crate) fn silent_since(&self) -> Option<Duration> {
        let is_watched = self.notice.load(Relaxed) & WATCHED != 0;
        is_watched.then(|| Duration::from_nanos(self.active.load(Relaxed)))
    }

    /// Since when a send waits, to the peer or to the far side; the earlier of the two times.
    pub(crate) fn stalled_since(&self) -> Option<Duration> {
        let stalled = self.stalled.iter().map(|tenths| tenths.load(Relaxed));
        let earlier = stalled.filter(|tenths| *tenths != 0).min()?;
        Some(Duration::from_nanos(self.opened.saturating_add(u64::from(earlier) * TENTH)))
    }

    /// Bytes that passed between the peer and us so far.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.counters.bytes[direction as usize].load(Relaxed)
    }

    /// Bytes that passed between us and the far side that the session dialled: `In` is what came from there.
    pub fn upstream_bytes(&self, direction: Direction) -> u64 {
        self.upstream.get().map_or(0, |far| far.counters.bytes[direction as usize].load(Relaxed))
    }

    /// Chunks that passed between the peer and us so far.
    pub fn chunks(&self, direction: Direction) -> u64 {
        self.counters.chunks[direction as usize].load(Relaxed)
    }

    /// Notes how a direction ended. Only the first call for a direction counts.
    pub(crate) fn note_end(&self, direction: Direction, by: By, how: How) {
        let code = 1 + (by as u8) * 4 + how as u8;
        let slot = &self.ends[direction as usize];
        if slot.load(Relaxed) == 0 {
            slot.store(code, Relaxed);
        }
    }

    /// How a direction ended, if it has ended.
    pub(crate) fn end_of(&self, direction: Direction) -> Option<End> {
        let code = self.ends[direction as usize].load(Relaxed).checked_sub(1)?;
        let by = [By::Us, By::Peer, By::Kernel, By::Upstream][usize::from(code / 4)];
        let how = [How::Fin, How::Rst, How::None, How::Truncated][usize::from(code % 4)];
        Some(End { by, how })
    }

    /// Whether the engine asks the session to come to an end. A polite service looks each time that it is polled; the
    /// request wakes the task of the session.
    pub fn is_draining(&self) -> bool {
        self.notice.load(Relaxed) & DRAINING != 0
    }

    /// Asks the session to come to an end, and wakes the task that it lives in.
    pub(crate) fn ask_to_end(&self) {
        self.notice.fetch_or(DRAINING, Relaxed);
        self.wake();
    }

    /// Ends the session, whatever the service is doing. Only the first call counts.
    pub(crate) fn cut(&self, why: Cut) {
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

    /// Why the session is to be cut, if it is.
    pub(crate) fn cut_by(&self) -> Option<Cut> {
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

    /// Notes the task that a cut or a drain is to wake. A session lives in one task, so only the first call counts.
    pub(crate) fn lives_in(&self, task: &Waker) {
        self.task.get_or_init(|| task.clone());
    }

    fn powers(&self) -> &Arc<dyn Powers> {
        &self.powers
    }

    fn note_upstream(&self, facts: &Arc<Facts>) {
        self.upstream.get_or_init(|| {
            Box::new(FarSide { facts: facts.clone(), counters: Counters::default() })
        });
    }

    /// The address that the session dialled, if it did; the first, where there were several.
    pub fn upstream(&self) -> Option<&Address> {
        self.upstream.get().map(|far| &far.facts.peer)
    }

    /// How the person wants text cut into messages: `--framing`.
    pub fn cutting(&self) -> Cutting {
        self.powers.cutting()
    }

    /// The pipes that the links of this session may splice through; none: the links copy.
    pub fn pipes(&self) -> Option<&Pipes> {
        self.powers.pipes()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.note_held(0);
    }
}
