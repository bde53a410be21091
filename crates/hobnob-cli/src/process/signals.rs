//! What asks us to stop: Ctrl-C, SIGTERM, and the terminal that is closed.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

use hobnob::error::{Error, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::process::{HUNG_UP, INTERRUPTED, TERMINATED};

/// What asks this process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quit {
    /// Ctrl-C.
    Typed,
    /// SIGTERM.
    Told,
    /// The terminal is closed, which a shell and the kernel may both say: it asks once.
    HungUp,
}

impl Quit {
    /// The exit code of what ends at once: 128 and the signal's number, as a shell says it.
    pub(crate) fn code(self) -> u8 {
        match self {
            Quit::Typed => INTERRUPTED,
            Quit::Told => TERMINATED,
            Quit::HungUp => HUNG_UP,
        }
    }
}

/// The signals that ask for an end.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None under nohup, which means to outlive its terminal.
    hangup: Option<Signal>,
}

impl Signals {
    /// Catches them from here on. To be called before anything is open, so that none is missed.
    pub(crate) fn catch() -> Result<Self> {
        let open = |kind| signal(kind).map_err(|error| Error::from_io("sigaction", &error));
        let is_ignored = ignores(SignalKind::hangup());
        Ok(Signals {
            interrupt: open(SignalKind::interrupt())?,
            terminate: open(SignalKind::terminate())?,
            hangup: if is_ignored { None } else { Some(open(SignalKind::hangup())?) },
        })
    }

    /// The next of them.
    pub(crate) async fn next(&mut self) -> Quit {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// What comes of some work, unless somebody asks for an end before: then it is given up.
    pub(crate) async fn unless_asked<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, Quit> {
        tokio::select! {
            biased;
            by = self.next() => Err(by),
            done = work => Ok(done),
        }
    }

    /// As [`next`](Self::next), for a future that polls other things, too.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Quit> {
        let all = [
            (Quit::Typed, Some(&mut self.interrupt)),
            (Quit::Told, Some(&mut self.terminate)),
            (Quit::HungUp, self.hangup.as_mut()),
        ];
        for (asked, signal) in all {
            if signal.is_some_and(|signal| signal.poll_recv(cx).is_ready()) {
                return Poll::Ready(asked);
            }
        }
        Poll::Pending
    }
}

/// Whether our parent process wants this signal ignored (`SigIgn` in proc(5)). Asking sigaction(2) would need
/// unsafe.
fn ignores(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (kind.as_raw_value() - 1)) != 0
}
