//! One conversation with one peer, open to close: the unit of limits and events.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use crate::address::Address;
use crate::bus::Bus;
use crate::chunk::Direction;
use crate::clock::Clock;
use crate::codec::text::Cutting;
use crate::conn::link::Pipes;
use crate::conn::{Boxed, Conn, Facts};
use crate::error::Result;
use crate::event::{By, End, Fact, How, Upstream};

/// A session's own: who talks to whom, how much, and the ways out that its service is given.
pub struct Session {
    /// Its number, from 1.
    pub id: u64,
    /// The session that it belongs to; 0: none.
    pub parent: u64,
    /// Which door of the service it came in by; empty for a service with one.
    pub door: &'static str,
    /// Who talks to whom.
    pub facts: Arc<Facts>,
    /// When it opened.
    pub opened: Duration,
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
    /// Whom it dialled first.
    upstream: OnceLock<Arc<Facts>>,
    task: OnceLock<Waker>,
    bus: Bus,
    powers: Arc<dyn Powers>,
}

/// What a session may ask of the engine.
pub trait Powers: Send + Sync {
    /// Opens a conn to an endpoint, layers and all. `asker` is the session that wants it.
    fn dial<'a>(&'a self, to: &'a str, asker: &'a Facts) -> Boxed<'a, Conn>;

    /// How the person wants text cut into messages.
    fn cutting(&self) -> Cutting;

    /// The pipes that links of its sessions may splice through; none: they copy.
    fn pipes(&self) -> Option<&Pipes> {
        None
    }

    /// Puts a layer on a conn in mid-session (STARTTLS), as the side that was dialled. Its settings follow its name:
    /// `tls,cert=c.pem`.
    fn dress<'a>(&'a self, layer: &'a str, conn: &'a mut Conn) -> Boxed<'a, ()>;
}

/// What the engine knows when it opens a session.
pub struct Opening {
    /// Its number.
    pub id: u64,
    /// Its parent's number; 0: none.
    pub parent: u64,
    /// The door.
    pub door: &'static str,
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
            id: opening.id,
            parent: opening.parent,
            door: opening.door,
            facts: opening.facts,
            opened: opening.bus.clock().now(),
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
        self.bus.emit(self.shard, self.id, fact);
    }

    /// Tells and counts that one packet was dropped, because it is longer than a buffer or a medium takes
    /// (`packet-size`).
    pub fn drop_packet(&self) {
        self.bus.drop_by("packet-size", 1);
    }

    /// Tells what the layers of one of its conns learnt: the peer's, or that of whom it has dialled.
    pub fn tell_learnt(&self, with: By, facts: &Facts) {
        if self.bus.is_watched() && !facts.learnt().is_empty() {
            self.emit(Fact::Dressed { with, learnt: facts.learnt().to_vec() });
        }
    }

    /// Counts a chunk and answers its ordinal: its number in its direction, from 1. Only the session's own thread calls
    /// it.
    pub fn count(&self, direction: Direction, bytes: usize) -> u64 {
        let at = direction as usize;
        // One writer: a plain load and store does, where an atomic addition would lock the bus per chunk.
        let total = self.counters.bytes[at].load(Relaxed) + bytes as u64;
        self.counters.bytes[at].store(total, Relaxed);
        let ordinal = self.counters.chunks[at].load(Relaxed) + 1;
        self.counters.chunks[at].store(ordinal, Relaxed);
        if self.notice.load(Relaxed) & WATCHED != 0 {
            self.active.store(nanos(self.clock().now()), Relaxed);
        }
        ordinal
    }

    /// Notes that a send waits for the peer, or that it went on. The tap's to call.
    pub fn note_stall(&self, is_stalled: bool) {
        let is_noted = self.stalled.load(Relaxed) != 0;
        if is_stalled != is_noted {
            let since = if is_stalled { nanos(self.clock().now()).max(1) } else { 0 };
            self.stalled.store(since, Relaxed);
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

    /// The engine's: from now on note when something passes, because somebody minds silence.
    pub fn watch_silence(&self) {
        self.active.store(nanos(self.opened), Relaxed);
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

    /// Since when a send waits for the peer.
    pub fn stalled_since(&self) -> Option<Duration> {
        Some(self.stalled.load(Relaxed)).filter(|since| *since != 0).map(Duration::from_nanos)
    }

    /// Bytes that passed so far.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.counters.bytes[direction as usize].load(Relaxed)
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

    /// Opens another conn, layers and all.
    pub async fn dial(&self, to: &str) -> Result<Conn> {
        let conn = self.powers.dial(to, &self.facts).await?;
        self.upstream.get_or_init(|| conn.facts().clone());
        Ok(conn)
    }

    /// Whom it has dialled, if it has: the first, where there were several.
    pub fn upstream(&self) -> Option<&Address> {
        self.upstream.get().map(|facts| &facts.peer)
    }

    /// How text is to be cut into messages: `--framing`.
    pub fn cutting(&self) -> Cutting {
        self.powers.cutting()
    }

    /// The pipes that its links may splice through; none: they copy.
    pub fn pipes(&self) -> Option<&Pipes> {
        self.powers.pipes()
    }

    /// Puts a layer on its conn in mid-session.
    pub async fn dress(&self, layer: &str, conn: &mut Conn) -> Result<()> {
        self.powers.dress(layer, conn).await
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) // 584 years
}
