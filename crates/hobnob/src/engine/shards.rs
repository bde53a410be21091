//! One current-thread runtime per core. A session lives on one shard from open to close.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

use crate::error::{Error, Kind, Result};
use crate::session::Session;

/// One shard: a thread, its runtime, and the sessions on it.
pub(super) struct Shard {
    pub index: usize,
    pub handle: Handle,
    live: AtomicUsize,
    /// Bytes of buffers that its sessions held when it was last swept.
    pub held: AtomicU64,
    sessions: Mutex<HashMap<u64, Arc<Session>>>,
}

impl Shard {
    /// Notes a session that is about to be spawned here.
    pub(super) fn enter(&self, session: &Arc<Session>) {
        self.live.fetch_add(1, Relaxed);
        self.lock().insert(session.id, session.clone());
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

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads, to be stopped and joined.
pub(super) struct Threads {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

/// Starts one shard per core that this process may use.
pub(super) fn start(count: usize) -> Result<(Vec<Arc<Shard>>, Threads)> {
    let (stop, stopped) = watch::channel(false);
    let mut shards = Vec::new();
    let mut threads = Vec::new();
    for index in 0..count {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::from_io("epoll_create1()", &error))?;
        shards.push(Arc::new(Shard {
            index,
            handle: runtime.handle().clone(),
            live: AtomicUsize::new(0),
            held: AtomicU64::new(0),
            sessions: Mutex::default(),
        }));
        let mut stopped = stopped.clone();
        let thread = std::thread::Builder::new().name(format!("hobnob-{index}")).spawn(move || {
            // An error means that the sender is gone, which is a stop too.
            runtime.block_on(async { drop(stopped.wait_for(|stop| *stop).await) });
            // A look-up of a name cannot be called back; it must not hold up the exit.
            runtime.shutdown_background();
        });
        threads.push(thread.map_err(|error| {
            Error::from_io("clone()", &error)
                .with_kind(Kind::System)
                .with_message("cannot start a thread")
        })?);
    }
    Ok((shards, Threads { stop, threads }))
}

/// The shard with the fewest sessions; the first of equals.
pub(super) fn least_busy(shards: &[Arc<Shard>]) -> &Arc<Shard> {
    shards.iter().min_by_key(|shard| shard.live.load(Relaxed)).expect("there is at least one shard")
}

impl Threads {
    /// Stops the shards. Tasks that still stand are dropped with their conns.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for the threads to end.
    pub(super) fn join(self) {
        self.stop();
        for thread in self.threads {
            // A shard panics only by a bug of ours; the others are to be joined all the same.
            drop(thread.join());
        }
    }
}
