//! Threads, and the one way to start one. A thread that cannot be had is an error, so that whoever needs it never takes
//! its absence for the end of what it was to do.

use std::thread::{Builder, JoinHandle};

use tokio::sync::oneshot;

use crate::error::{Error, Kind, Result};

/// Starts a thread of this name. The error is that the kernel gives none (`EAGAIN`, `pthread_create(3)`): its user has as
/// many as `RLIMIT_NPROC` allows, its control group as many as `pids.max` does, or there is no memory for a stack.
pub fn start<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(work).map_err(|error| unavailable(name, &error))
}

/// Runs work that may block on a thread of its own, and returns what the work made. Nothing calls it off: when the future
/// is dropped, the work goes on, and what it makes is dropped.
pub async fn run<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (done, made) = oneshot::channel();
    // The send fails where nobody waits for the outcome any more.
    start(name, move || drop(done.send(work())))?;
    made.await.map_err(|_| Error::new(Kind::Bug, format!("the thread {name} panicked")))
}

fn unavailable(name: &str, error: &std::io::Error) -> Error {
    Error::from_io("clone()", error)
        .with_kind(Kind::System)
        .with_message(format!("cannot start a thread ({name})"))
        .why("this user or this container has as many as it may have, or there is no memory left")
        .hint_shell("ulimit -u", "how many processes and threads one user may have")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_under_its_name() {
        let thread = start("worker", || std::thread::current().name().map(str::to_owned));
        let name = thread.expect("a thread").join().expect("no panic");
        assert_eq!(name.as_deref(), Some("worker"));
    }

    #[tokio::test]
    async fn what_blocks_is_waited_for_and_a_panic_is_an_error() {
        assert_eq!(run("sum", || 1 + 1).await.expect("a thread"), 2);
        let panicked = run("bad", || panic!("on purpose")).await.expect_err("no outcome");
        assert_eq!(panicked.kind(), Kind::Bug);
    }
}
