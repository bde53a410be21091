//! One current-thread runtime per core. A session lives on one shard from open to close. Servers of one process may
//! share the threads; each has shards of its own on them.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, watch};

use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::session::Session;
use crate::thread;

/// One server's part of a thread: its runtime, and the sessions of that server on it.
pub(super) struct Shard {
    pub index: usize,
    pub handle: Handle,
    /// How many sessions of all servers are on the thread.
    live: Arc<AtomicUsize>,
    /// Bytes that waited to be received by the sessions here at the last sweep.
    pub unread: AtomicU64,
    /// Bytes that wait here without a session: answers on datagrams that are held back.
    pub queued: AtomicU64,
    /// Notified when a session comes to this shard while there is none on it.
    pub entered: Notify,
    sessions: Mutex<HashMap<u64, Arc<Session>>>,
}

impl Shard {
    /// Notes a session that is about to be spawned here.
    pub(super) fn enter(&self, session: &Arc<Session>) {
        self.live.fetch_add(1, Relaxed);
        let mut sessions = self.lock();
        sessions.insert(session.id, session.clone());
        if sessions.len() == 1 {
            self.entered.notify_one();
        }
    }

    /// Forgets a session that is over.
    pub(super) fn leave(&self, id: u64) {
        self.lock().remove(&id);
        self.live.fetch_sub(1, Relaxed);
    }

    /// Does something with every session on it.
    pub(super) fn each(&self, mut visit: impl FnMut(&Arc<Session>)) {
        self.lock().values().for_each(&mut visit);
    }

    /// Whether no session is on it.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The session of this number, if it is here.
    pub(super) fn session(&self, id: u64) -> Option<Arc<Session>> {
        self.lock().get(&id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Threads for sessions, one a core, and the clock of their events. Several servers may share a crew. When the last of
/// them lets go of it, the threads are stopped and joined.
#[derive(Clone)]
pub struct Crew(Arc<Threads>);

struct Threads {
    clock: Clock,
    each: Vec<(Handle, Arc<AtomicUsize>)>,
    stop: watch::Sender<bool>,
    running: Mutex<Vec<Thread>>,
}

/// A thread, and word of its end.
type Thread = (JoinHandle<()>, mpsc::Receiver<()>);

/// How long a thread may take to stop. A thread that a service blocks for longer is left to itself.
const PATIENCE: Duration = Duration::from_secs(2);

impl Crew {
    /// Starts one thread per core that this process may use.
    pub fn start() -> Result<Self> {
        Crew::of(cores(), Clock::start())
    }

    /// Starts so many threads.
    pub(super) fn of(count: usize, clock: Clock) -> Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let mut threads = Threads { clock, each: Vec::new(), stop, running: Mutex::default() };
        for index in 0..count {
            let (handle, thread) = start(index, stopped.clone())?;
            threads.each.push((handle, Arc::default()));
            lock(&threads.running).push(thread);
        }
        Ok(Crew(Arc::new(threads)))
    }

    /// Runs a future on one of the threads, the one with the fewest sessions, until it is done or the crew is gone.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        let idlest = self.0.each.iter().min_by_key(|(_, live)| live.load(Relaxed));
        let (handle, _) = idlest.expect("a crew has a thread");
        handle.spawn(work)
    }

    /// Runs a future on the thread of this index, below [`count`](Self::count).
    pub(crate) fn spawn_on(&self, index: usize, work: impl Future<Output = ()> + Send + 'static) {
        self.0.each[index].0.spawn(work);
    }

    /// The clock that stamps the events of the crew's servers.
    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    /// How many threads it has.
    pub fn count(&self) -> usize {
        self.0.each.len()
    }

    /// New shards for one server, one a thread.
    pub(super) fn shards(&self) -> Vec<Arc<Shard>> {
        let each = self.0.each.iter().enumerate();
        each.map(|(index, (handle, live))| {
            Arc::new(Shard {
                index,
                handle: handle.clone(),
                live: live.clone(),
                unread: AtomicU64::new(0),
                queued: AtomicU64::new(0),
                entered: Notify::new(),
                sessions: Mutex::default(),
            })
        })
        .collect()
    }
}

impl Drop for Threads {
    /// Tasks that still stand are dropped with their conns.
    fn drop(&mut self) {
        self.stop.send_replace(true);
        let running = std::mem::take(&mut *lock(&self.running));
        for (thread, is_over) in running {
            if is_over.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                continue;
            }
            // A shard panics only by a bug of ours; the others are to be joined all the same.
            drop(thread.join());
        }
    }
}

/// The cores that this process may use.
///
/// The standard library reads files to know it, so it is asked once.
pub(super) fn cores() -> usize {
    static CORES: LazyLock<usize> =
        LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));
    *CORES
}

fn start(index: usize, mut stopped: watch::Receiver<bool>) -> Result<(Handle, Thread)> {
    let (over, is_over) = mpsc::channel::<()>();
    let (built, handle) = mpsc::channel();
    // The runtime is made where it ends: who starts a server may be inside a runtime, where another may not be dropped.
    let thread = thread::start(&format!("hobnob-{index}"), move || {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(built.send(Err(error))),
        };
        drop(built.send(Ok(runtime.handle().clone())));
        // An error means that the sender is gone, which is a stop too.
        runtime.block_on(async { drop(stopped.wait_for(|stop| *stop).await) });
        // A look-up of a name cannot be called off, and must not hold up the exit.
        runtime.shutdown_background();
        drop(over);
    })?;
    let handle = handle.recv().map_err(|_| Error::new(Kind::Bug, "a shard died"))?;
    let handle = handle.map_err(|error| Error::from_io("epoll_create1()", &error))?;
    Ok((handle, (thread, is_over)))
}

/// The shard with the fewest sessions; the first of equals.
pub(super) fn least_busy(shards: &[Arc<Shard>]) -> &Arc<Shard> {
    shards.iter().min_by_key(|shard| shard.live.load(Relaxed)).expect("there is at least one shard")
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
