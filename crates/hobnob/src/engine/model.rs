//! How a server runs its sessions: as tasks on its shards, or on threads that block. A session is the same future either
//! way, so that limits, events, drain and cut are too.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

use crate::conn::Conn;
use crate::conn::blocking::Sentry;
use crate::engine::shards::Shard;
use crate::error::Result;
use crate::thread;

/// How a server runs its sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Model {
    /// Each is a task, and thousands share a thread.
    #[default]
    Async,
    /// Each has a thread, which blocks while its peer is silent. Of responders on plain stream sockets only.
    Threads,
    /// One thread has all of them, one after another: whoever comes meanwhile waits. Of responders on plain stream
    /// sockets only.
    Serial,
}

impl Model {
    /// All of them, the usual one first.
    pub const ALL: [Model; 3] = [Model::Async, Model::Threads, Model::Serial];

    /// As a person types it: `async`, `threads`, `serial`.
    pub fn name(self) -> &'static str {
        match self {
            Model::Async => "async",
            Model::Threads => "threads",
            Model::Serial => "serial",
        }
    }

    /// How many sessions may be open at once, where descriptors allow so many.
    pub(super) fn most(self, max_conns: usize) -> usize {
        if self == Model::Serial { 1 } else { max_conns }
    }

    /// Descriptors of a session: a thread that blocks has a bell beside its socket.
    pub(super) fn descriptors(self) -> usize {
        if self == Model::Async { 1 } else { 2 }
    }
}

/// What runs the sessions of one server.
pub(super) enum Hands {
    /// The shards.
    Shards,
    /// A worker for each session.
    Many,
    /// One worker for all of them.
    One(Worker),
}

impl Hands {
    /// The error is that the one thread cannot be had.
    pub(super) fn of(model: Model) -> Result<Self> {
        Ok(match model {
            Model::Async => Hands::Shards,
            Model::Threads => Hands::Many,
            Model::Serial => Hands::One(Worker::start("hobnob-serial")?),
        })
    }

    /// Whether only one session is served at a time.
    pub(super) fn is_one(&self) -> bool {
        matches!(self, Hands::One(_))
    }

    /// Whether sessions live longer than the shards, unless they are cut.
    pub(super) fn outlive_shards(&self) -> bool {
        !matches!(self, Hands::Shards)
    }

    /// What is to run the session of this conn, whose socket is out of its runtime then if a thread is. The error is that a
    /// thread or a descriptor cannot be had, and the conn is as it was.
    pub(super) fn engage(&self, conn: &mut Conn) -> Result<Engaged> {
        if matches!(self, Hands::Shards) {
            return Ok(Engaged::Shard);
        }
        let mut sentry = Sentry::new()?;
        let worker = match self {
            Hands::One(worker) => worker.clone(),
            _ => Worker::start("hobnob-session")?,
        };
        sentry.take_over(conn)?;
        Ok(Engaged::Worker(worker, sentry))
    }
}

/// What is to run one session.
pub(super) enum Engaged {
    Shard,
    Worker(Worker, Sentry),
}

impl Engaged {
    /// Runs the session. The shard is the one that it belongs to, whose timers it has in any case.
    pub(super) fn run(self, shard: &Shard, session: impl Future<Output = ()> + Send + 'static) {
        match self {
            Engaged::Shard => drop(shard.handle.spawn(session)),
            Engaged::Worker(worker, sentry) => {
                let handle = shard.handle.clone();
                worker.give(Box::new(move || {
                    let _timers = handle.enter();
                    sentry.block_on(session);
                }));
            }
        }
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does one job after another, until nobody can give it any more.
#[derive(Clone)]
pub(super) struct Worker(mpsc::Sender<Job>);

impl Worker {
    fn start(name: &str) -> Result<Self> {
        let (jobs, given) = mpsc::channel::<Job>();
        thread::start(name, move || {
            for job in given {
                // A session that panics has told its end as it was dropped, and the next is served all the same.
                drop(catch_unwind(AssertUnwindSafe(job)));
            }
        })?;
        Ok(Worker(jobs))
    }

    fn give(&self, job: Job) {
        // The thread ends only after us. If it did not, the session would be told as ended where the job is dropped.
        drop(self.0.send(job));
    }
}
