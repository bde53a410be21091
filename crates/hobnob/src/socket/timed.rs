//! Python's three modes: blocking, non-blocking, and with a timeout that bounds the whole operation.
//!
//! As `CPython` does it (Modules/socketmodule.c, `sock_call_ex`): with a timeout the descriptor is non-blocking, poll(2)
//! waits up to the deadline before each try, and a try that would block after all waits on.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::clock::Clock;

/// A socket's mode, which threads may share.
pub(super) struct Timeout(AtomicU64);

/// The number that stands for no timeout; as nanoseconds it would be 584 years.
const BLOCKING: u64 = u64::MAX;

impl Timeout {
    pub(super) fn new(timeout: Option<Duration>) -> Self {
        let new = Timeout(AtomicU64::new(BLOCKING));
        new.set(timeout);
        new
    }

    pub(super) fn set(&self, timeout: Option<Duration>) {
        let nanos = timeout.map_or(BLOCKING, |timeout| {
            u64::try_from(timeout.as_nanos()).unwrap_or(BLOCKING).min(BLOCKING - 1)
        });
        self.0.store(nanos, Ordering::Relaxed);
    }

    pub(super) fn value(&self) -> Option<Duration> {
        let nanos = self.0.load(Ordering::Relaxed);
        (nanos != BLOCKING).then(|| Duration::from_nanos(nanos))
    }
}

/// The end of an operation's time.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    clock: Clock,
    within: Duration,
}

impl Deadline {
    /// The deadline of an operation that begins now; none unless the timeout is above zero.
    pub(super) fn of(timeout: Option<Duration>) -> Option<Self> {
        let within = timeout.filter(|timeout| !timeout.is_zero())?;
        Some(Deadline { clock: Clock::start(), within })
    }

    fn left(&self) -> io::Result<Duration> {
        self.within.checked_sub(self.clock.now()).ok_or_else(timed_out)
    }
}

/// An operation of ours ran out of its time; without an errno, so that it is not the kernel's `ETIMEDOUT`.
pub(super) fn timed_out() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

/// Makes the call when the descriptor is ready, as often as it takes, until the deadline. Without one it is made once.
pub(super) fn call_in_time<T>(
    fd: BorrowedFd<'_>,
    ready: PollFlags,
    deadline: Option<Deadline>,
    mut call: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    loop {
        if deadline.is_some() {
            wait(fd, ready, deadline)?;
        }
        match uninterrupted(&mut call) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && deadline.is_some() => {}
            result => return result,
        }
    }
}

/// Waits until the descriptor is ready.
pub(super) fn wait(
    fd: BorrowedFd<'_>,
    ready: PollFlags,
    deadline: Option<Deadline>,
) -> io::Result<()> {
    loop {
        let limit = match &deadline {
            // Rounded up, as Python does: waking early would only mean waiting again.
            Some(deadline) => i32::try_from(deadline.left()?.as_nanos().div_ceil(1_000_000)).ok(),
            None => None,
        };
        let timeout = limit.map_or(Ok(PollTimeout::NONE), PollTimeout::try_from);
        let timeout = timeout.map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(fd, ready)], timeout) {
            Ok(0) => return Err(timed_out()),
            Ok(_) => return Ok(()),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// A call that a signal interrupts is made again (PEP 475).
pub(super) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
