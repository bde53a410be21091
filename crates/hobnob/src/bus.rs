//! The event bus: bounded, and free when nobody looks.
//!
//! Each subscriber has one ring per shard, so that shards never wait for each other. Events wake nobody while they are
//! pulled at a rhythm (waking a thread per event cost 60 to 80 % of the throughput of a busy echo); a subscriber that has
//! gone to sleep is woken by the first. A full ring drops the newest and counts it.

mod seldom;
pub mod sink;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Relaxed, Release},
};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};

use crate::bus::sink::{Basin, EventSink, Lanes};
use crate::chunk::Side;
use crate::clock::Clock;
use crate::event::{Event, Fact};

pub(crate) use seldom::Seldom;

/// Where events go. Cheap to clone; one is shared by all of an engine.
#[derive(Clone)]
pub struct Bus(Arc<Shared>);

struct Shared {
    clock: Clock,
    shards: usize,
    /// Whether there is a subscriber at all.
    has_ears: AtomicBool,
    is_watched: AtomicBool,
    /// Whether a subscriber wants the bytes too.
    wants_data: AtomicBool,
    /// Whether a subscriber wants the bytes of the dialled side as well.
    wants_upstream: AtomicBool,
    /// Whether a subscriber wants each call to the kernel.
    wants_calls: AtomicBool,
    subscribers: RwLock<Vec<Arc<Rings>>>,
    /// How much limits have dropped, whether or not anybody looked.
    drops: AtomicU64,
    /// How often something failed without ending a session, whether or not that was told.
    failures: AtomicU64,
    /// The sinks, which lose nothing and slow a session instead.
    basins: RwLock<Vec<Arc<Basin>>>,
}

struct Rings {
    by_shard: Vec<Mutex<Ring>>,
    capacity: usize,
    wants_data: bool,
    wants_upstream: bool,
    wants_calls: AtomicBool,
    wants_failures_alone: AtomicBool,
    /// Bytes kept of each chunk.
    snap: usize,
    dropped: AtomicU64,
    is_closed: AtomicBool,
    /// Whether the subscriber waits for an event and has found none.
    is_asleep: AtomicBool,
    sleeper: Mutex<Option<Waker>>,
}

/// One shard's events, and the bytes that they carry.
#[derive(Default)]
struct Ring {
    events: VecDeque<Event>,
    bytes: usize,
}

/// Bytes of chunks that a ring holds; a slow subscriber must not cost memory without end.
const RING_BYTES: usize = 16 * 1_024 * 1_024;

/// What a subscriber wants.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish {
    /// Data events too, not only the facts about sessions: what passes between a peer and us.
    pub data: bool,
    /// With `data`, also what passes between us and the far side that a session dialled. In a relay those are the same
    /// bytes once more.
    pub upstream: bool,
    /// Bytes kept of each chunk.
    pub snap: usize,
    /// Events held per shard between two pulls.
    pub capacity: usize,
}

/// A subscriber's end. Dropping it unsubscribes.
pub struct Subscription {
    bus: Bus,
    rings: Arc<Rings>,
}

impl Bus {
    /// A bus for this many shards.
    pub fn new(clock: Clock, shards: usize) -> Self {
        Bus(Arc::new(Shared {
            clock,
            shards: shards.max(1),
            has_ears: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
            wants_data: AtomicBool::new(false),
            wants_upstream: AtomicBool::new(false),
            wants_calls: AtomicBool::new(false),
            subscribers: RwLock::new(Vec::new()),
            drops: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            basins: RwLock::new(Vec::new()),
        }))
    }

    /// A sink that gets everything of the sessions that open from now on, and slows each that has `room` bytes waiting.
    pub fn sink(&self, room: usize) -> EventSink {
        let (sink, basin) = EventSink::new(room);
        let mut basins = self.0.basins.write().unwrap_or_else(PoisonError::into_inner);
        basins.retain(|basin| !basin.is_closed());
        basins.push(basin);
        sink
    }

    /// Whether there is a sink that loses nothing.
    pub(crate) fn has_sinks(&self) -> bool {
        !self.0.basins.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// A new session's way into all sinks.
    pub(crate) fn lanes(&self, session: u64) -> Option<Box<Lanes>> {
        Lanes::of(&self.0.basins.read().unwrap_or_else(PoisonError::into_inner), session)
    }

    /// The clock that stamps the events.
    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    /// Whether anybody wants more than failures: one relaxed load.
    pub fn is_watched(&self) -> bool {
        self.0.is_watched.load(Relaxed)
    }

    /// Whether anybody wants the bytes that pass: one relaxed load.
    pub(crate) fn wants_data(&self) -> bool {
        self.0.wants_data.load(Relaxed)
    }

    /// Whether anybody wants the bytes of this side: one relaxed load.
    pub(crate) fn wants_data_of(&self, side: Side) -> bool {
        match side {
            Side::Downstream => self.wants_data(),
            Side::Upstream => self.0.wants_upstream.load(Relaxed),
        }
    }

    /// Whether anybody wants each call to the kernel: one relaxed load.
    pub(crate) fn wants_calls(&self) -> bool {
        self.0.wants_calls.load(Relaxed)
    }

    /// The most bytes of a chunk that any subscriber keeps.
    pub(crate) fn snap(&self) -> usize {
        let subscribers = self.0.subscribers.read().unwrap_or_else(PoisonError::into_inner);
        subscribers
            .iter()
            .filter(|rings| rings.wants_data)
            .map(|rings| rings.snap)
            .max()
            .unwrap_or(0)
    }

    /// Tells every subscriber a fact about a session; session 0: about none. `shard` is the index of the caller's own
    /// shard; any other is only slower.
    pub fn emit(&self, shard: usize, session: u64, fact: Fact) {
        if matches!(fact, Fact::Failed(_)) {
            self.count_failure();
        }
        if self.0.has_ears.load(Relaxed) {
            self.spread(shard, Event { at: self.0.clock.now(), session, fact });
        }
    }

    /// Tells and counts what a limit dropped.
    pub(crate) fn drop_by(&self, limit: &'static str, count: usize) {
        let count = count as u64;
        if count > 0 {
            self.0.drops.fetch_add(count, Relaxed);
            self.emit(0, 0, Fact::Dropped { limit, count });
        }
    }

    /// How much all limits together have dropped so far.
    pub(crate) fn drops(&self) -> u64 {
        self.0.drops.load(Relaxed)
    }

    /// Counts a failure that no event of its own tells.
    fn count_failure(&self) {
        self.0.failures.fetch_add(1, Relaxed);
    }

    /// How often something failed so far without ending a session.
    pub(crate) fn failures(&self) -> u64 {
        self.0.failures.load(Relaxed)
    }

    fn spread(&self, shard: usize, event: Event) {
        let subscribers = self.0.subscribers.read().unwrap_or_else(PoisonError::into_inner);
        let mut wanting = subscribers.iter().filter(|rings| rings.wants(&event.fact)).peekable();
        while let Some(rings) = wanting.next() {
            if wanting.peek().is_none() {
                rings.push(shard, event);
                return;
            }
            rings.push(shard, event.clone());
        }
    }

    /// A new subscriber; it sees what is emitted from now on.
    pub fn subscribe(&self, wish: Wish) -> Subscription {
        let rings = Arc::new(Rings {
            by_shard: (0..self.0.shards).map(|_| Mutex::default()).collect(),
            capacity: wish.capacity.max(1),
            wants_data: wish.data,
            wants_upstream: wish.data && wish.upstream,
            wants_calls: AtomicBool::new(false),
            wants_failures_alone: AtomicBool::new(false),
            snap: wish.snap,
            dropped: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            is_asleep: AtomicBool::new(false),
            sleeper: Mutex::default(),
        });
        let mut subscribers = self.0.subscribers.write().unwrap_or_else(PoisonError::into_inner);
        subscribers.push(rings.clone());
        self.note_wishes(&subscribers);
        Subscription { bus: self.clone(), rings }
    }

    fn note_wishes(&self, subscribers: &[Arc<Rings>]) {
        self.0.has_ears.store(!subscribers.is_empty(), Relaxed);
        let is_watched = subscribers.iter().any(|rings| !rings.wants_failures_alone.load(Relaxed));
        self.0.is_watched.store(is_watched, Relaxed);
        self.0.wants_data.store(subscribers.iter().any(|rings| rings.wants_data), Relaxed);
        let wants_upstream = subscribers.iter().any(|rings| rings.wants_upstream);
        self.0.wants_upstream.store(wants_upstream, Relaxed);
        let wants_calls = subscribers.iter().any(|rings| rings.wants_calls.load(Relaxed));
        self.0.wants_calls.store(wants_calls, Relaxed);
    }
}

impl Rings {
    /// Whether the subscriber wants it. Bytes and calls are for who has asked for them.
    fn wants(&self, fact: &Fact) -> bool {
        match fact {
            Fact::Data(data) if data.side == Side::Upstream => self.wants_upstream,
            Fact::Data(_) => self.wants_data,
            Fact::Called(_) => self.wants_calls.load(Relaxed),
            Fact::Failed(_) => true,
            _ => !self.wants_failures_alone.load(Relaxed),
        }
    }

    fn push(&self, shard: usize, event: Event) {
        let ring = &self.by_shard[shard % self.by_shard.len()];
        let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match &event.fact {
            Fact::Data(data) => data.bytes.len(),
            Fact::Called(call) => call.bytes.len(),
            _ => 0,
        };
        // Bytes come in floods, and must not crowd out that a session opened or closed.
        let is_data = matches!(event.fact, Fact::Data(_) | Fact::Called(_));
        let capacity = if is_data { self.capacity } else { 2 * self.capacity };
        if ring.events.len() < capacity && ring.bytes + bytes <= RING_BYTES {
            ring.events.push_back(event);
            ring.bytes += bytes;
        } else {
            self.dropped.fetch_add(1, Relaxed);
        }
        drop(ring);
        // A subscriber marks itself as asleep before it looks into the rings. A subscriber that missed this event held
        // the lock of the ring before us, so that its mark is visible here.
        if self.is_asleep.load(Relaxed) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        // The first event wakes the subscriber; later events find it awake.
        if self.is_asleep.swap(false, AcqRel) {
            let sleeper = self.sleeper.lock().unwrap_or_else(PoisonError::into_inner).take();
            sleeper.into_iter().for_each(Waker::wake);
        }
    }

    fn has_something(&self) -> bool {
        let is_empty = |ring: &Mutex<Ring>| {
            ring.lock().unwrap_or_else(PoisonError::into_inner).events.is_empty()
        };
        !self.by_shard.iter().all(is_empty) || self.dropped.load(Relaxed) > 0
    }
}

impl Subscription {
    /// The same, which also gets each call to the kernel, on sockets that are opened from now on.
    pub fn with_calls(self) -> Self {
        self.rings.wants_calls.store(true, Relaxed);
        self.wishes()
    }

    /// The same, which gets none of the facts about sessions but failures. Where nobody wants those facts, nothing is spent
    /// on them.
    pub fn of_failures(self) -> Self {
        self.rings.wants_failures_alone.store(true, Relaxed);
        self.wishes()
    }

    fn wishes(self) -> Self {
        let subscribers = self.bus.0.subscribers.read().unwrap_or_else(PoisonError::into_inner);
        self.bus.note_wishes(&subscribers);
        drop(subscribers);
        self
    }

    /// Waits until there is something to [`pull`](Self::pull). One task at a time may wait.
    ///
    /// While events come, pull them at a rhythm, and wait only where a pull has brought none: each wait costs a wake-up
    /// of the task.
    pub async fn changed(&self) {
        poll_fn(|cx| self.poll_changed(cx)).await;
    }

    /// Ready when there is something to [`pull`](Self::pull), as [`changed`](Self::changed).
    pub fn poll_changed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let rings = &self.rings;
        *rings.sleeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        rings.is_asleep.store(true, Release);
        if rings.has_something() {
            rings.is_asleep.store(false, Relaxed);
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Moves the events that have come into `into`, in the order of time, and returns how many were dropped since the
    /// last pull.
    pub fn pull(&self, into: &mut Vec<Event>) -> u64 {
        let start = into.len();
        for ring in &self.rings.by_shard {
            let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
            into.extend(ring.events.drain(..));
            ring.bytes = 0;
        }
        into[start..].sort_by_key(|event| event.at);
        self.rings.dropped.swap(0, Relaxed)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.rings.is_closed.store(true, Relaxed);
        let mut subscribers =
            self.bus.0.subscribers.write().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|rings| !rings.is_closed.load(Relaxed));
        self.bus.note_wishes(&subscribers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};

    fn note(text: &str) -> Fact {
        Fact::Note(text.to_owned())
    }

    #[test]
    fn a_full_ring_drops_the_newest_and_counts() {
        let bus = Bus::new(Clock::start(), 1);
        let subscription =
            bus.subscribe(Wish { data: false, upstream: false, snap: 0, capacity: 1 });
        for text in ["one", "two", "three"] {
            bus.emit(0, 0, note(text));
        }
        let mut events = Vec::new();
        assert_eq!(subscription.pull(&mut events), 1);
        assert_eq!(events.len(), 2, "facts may fill twice the capacity");
        assert_eq!(subscription.pull(&mut events), 0, "the count starts anew");
    }

    #[derive(Default)]
    struct Bell(AtomicU64);

    impl std::task::Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn the_first_event_wakes_who_sleeps_and_the_others_wake_nobody() {
        let bus = Bus::new(Clock::start(), 2);
        let subscription =
            bus.subscribe(Wish { data: false, upstream: false, snap: 0, capacity: 8 });
        let bell = Arc::new(Bell::default());
        let waker = bell.clone().into();
        let mut cx = Context::from_waker(&waker);
        let rung = || bell.0.load(Relaxed);
        bus.emit(0, 0, note("before it waits"));
        assert!(subscription.poll_changed(&mut cx).is_ready());
        assert_eq!(rung(), 0);
        subscription.pull(&mut Vec::new());
        assert!(subscription.poll_changed(&mut cx).is_pending());
        for shard in [1, 0, 1] {
            bus.emit(shard, 0, note("it sleeps, once"));
        }
        assert_eq!(rung(), 1);
        assert!(subscription.poll_changed(&mut cx).is_ready());
    }

    #[tokio::test]
    async fn nobody_sleeps_through_an_event() {
        let bus = Bus::new(Clock::start(), 1);
        let subscription =
            bus.subscribe(Wish { data: false, upstream: false, snap: 0, capacity: 100_000 });
        let emitting = std::thread::spawn(move || {
            for _ in 0..20_000 {
                bus.emit(0, 0, note("one of many"));
                std::thread::yield_now();
            }
        });
        let mut events = Vec::new();
        let all = async {
            while events.len() < 20_000 {
                subscription.changed().await;
                subscription.pull(&mut events);
            }
        };
        tokio::time::timeout(std::time::Duration::from_mins(1), all).await.expect("it is woken");
        emitting.join().expect("no panic");
    }

    #[test]
    fn nobody_looking_costs_nothing_and_keeps_nothing() {
        let bus = Bus::new(Clock::start(), 2);
        bus.emit(0, 0, note("unheard"));
        let subscription =
            bus.subscribe(Wish { data: true, upstream: false, snap: 16, capacity: 8 });
        assert!(bus.wants_data());
        bus.emit(1, 0, note("heard"));
        let mut events = Vec::new();
        subscription.pull(&mut events);
        assert_eq!(events.len(), 1);
        drop(subscription);
        assert!(!bus.wants_data());
    }

    #[test]
    fn who_hears_of_failures_alone_makes_nobody_tell_more() {
        let bus = Bus::new(Clock::start(), 1);
        let wish = Wish { capacity: 8, ..Wish::default() };
        let heard = |subscription: &Subscription| {
            let mut events = Vec::new();
            subscription.pull(&mut events);
            events.iter().map(|event| matches!(event.fact, Fact::Failed(_))).collect::<Vec<_>>()
        };
        let tell = || {
            bus.emit(0, 7, note("a fact"));
            bus.emit(0, 0, Fact::Failed(Error::new(Kind::TooManyFiles, "no more files")));
        };
        let quiet = bus.subscribe(wish).of_failures();
        assert!(!bus.is_watched());
        tell();
        assert_eq!(heard(&quiet), [true]);
        let curious = bus.subscribe(wish);
        assert!(bus.is_watched());
        tell();
        assert_eq!((heard(&quiet), heard(&curious)), (vec![true], vec![false, true]));
        drop(curious);
        assert!(!bus.is_watched());
    }
}
