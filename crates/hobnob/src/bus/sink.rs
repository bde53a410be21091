//! A sink that loses nothing: for a recording. Beside the bus, which drops and counts rather than slow a byte, a sink
//! slows the session that it cannot keep up with.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;

use crate::event::{Data, Event, Fact};

/// The reader's end of a sink, from [`Bus::sink`](crate::bus::Bus::sink). It yields the facts of each session that opens
/// from then on, and every byte on both sides of that session, in the order in which they came. After it is dropped, no
/// session waits for it.
pub struct EventSink(Arc<Basin>);

/// Where the events of all sessions of a sink gather.
pub(super) struct Basin {
    /// Bytes that may wait for the reader, for each session.
    room: usize,
    queue: Mutex<VecDeque<(Event, Arc<Lane>)>>,
    came: Notify,
    is_closed: AtomicBool,
    /// The sessions that may wait for room.
    lanes: Mutex<HashMap<u64, Weak<Lane>>>,
}

/// One session's part of a sink.
struct Lane {
    session: u64,
    /// What waits of this session, in bytes, each event with its own weight.
    held: AtomicUsize,
    /// The session's task, where it waits for room.
    waiting: Mutex<Option<Waker>>,
    basin: Arc<Basin>,
}

/// One session's parts of all sinks.
pub(crate) struct Lanes(Vec<Arc<Lane>>);

impl EventSink {
    pub(super) fn new(room: usize) -> (Self, Arc<Basin>) {
        let basin = Arc::new(Basin {
            room: room.max(1),
            queue: Mutex::default(),
            came: Notify::new(),
            is_closed: AtomicBool::new(false),
            lanes: Mutex::default(),
        });
        (EventSink(basin.clone()), basin)
    }

    /// The next event, once there is one. The call may be given up at any time, and no event is lost by that.
    pub async fn next(&self) -> Event {
        loop {
            let came = self.0.came.notified();
            if let Some(event) = self.take() {
                return event;
            }
            came.await;
        }
    }

    /// The next event, if there is one.
    pub fn take(&self) -> Option<Event> {
        let (event, lane) = lock(&self.0.queue).pop_front()?;
        lane.held.fetch_sub(weight(&event.fact), SeqCst);
        lane.wake();
        Some(event)
    }
}

impl Drop for EventSink {
    fn drop(&mut self) {
        self.0.is_closed.store(true, SeqCst);
        lock(&self.0.queue).clear();
        let lanes: Vec<_> = lock(&self.0.lanes).values().filter_map(Weak::upgrade).collect();
        for lane in lanes {
            lane.wake();
        }
    }
}

impl Basin {
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(SeqCst)
    }
}

impl Lanes {
    /// The parts of a new session; none where there is no sink.
    pub(super) fn of(basins: &[Arc<Basin>], session: u64) -> Option<Box<Self>> {
        let lanes: Vec<_> = basins
            .iter()
            .filter(|basin| !basin.is_closed())
            .map(|it| Lane::open(it, session))
            .collect();
        (!lanes.is_empty()).then(|| Box::new(Lanes(lanes)))
    }

    /// Ready when every sink has room for more of this session.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let is_full = |lane: &&Arc<Lane>| !lane.has_room();
        let Some(full) = self.0.iter().find(is_full) else { return Poll::Ready(()) };
        *lock(&full.waiting) = Some(cx.waker().clone());
        // Room that was made before the waker was in place has woken nobody, so look again.
        if self.0.iter().any(|lane| !lane.has_room()) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Keeps a chunk whole.
    pub(crate) fn keep(&self, at: Duration, data: &Data) {
        self.0.iter().for_each(|lane| lane.push(at, Fact::Data(Box::new(data.clone()))));
    }

    /// Keeps a fact. Facts are few, so none of them waits for room.
    pub(crate) fn note(&self, at: Duration, fact: &Fact) {
        self.0.iter().for_each(|lane| lane.push(at, fact.clone()));
    }
}

impl Lane {
    fn open(basin: &Arc<Basin>, session: u64) -> Arc<Self> {
        let (held, waiting) = (AtomicUsize::new(0), Mutex::default());
        let lane = Arc::new(Lane { session, held, waiting, basin: basin.clone() });
        lock(&basin.lanes).insert(session, Arc::downgrade(&lane));
        lane
    }

    fn has_room(&self) -> bool {
        self.basin.is_closed() || self.held.load(SeqCst) < self.basin.room
    }

    fn push(self: &Arc<Self>, at: Duration, fact: Fact) {
        if self.basin.is_closed() {
            return;
        }
        self.held.fetch_add(weight(&fact), SeqCst);
        let event = Event { at, session: self.session, fact };
        lock(&self.basin.queue).push_back((event, self.clone()));
        self.basin.came.notify_one();
    }

    fn wake(&self) {
        let waiting = if self.has_room() { lock(&self.waiting).take() } else { None };
        if let Some(task) = waiting {
            task.wake();
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        lock(&self.basin.lanes).remove(&self.session);
    }
}

/// What an event costs while it waits.
fn weight(fact: &Fact) -> usize {
    let bytes = match fact {
        Fact::Data(data) => data.bytes.len(),
        _ => 0,
    };
    bytes + size_of::<(Event, Arc<Lane>)>() + size_of::<Data>()
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
