//! The signals that end a verb of one conversation.

use hobnob::error::{Error, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::command::{INTERRUPTED, TERMINATED};

/// SIGINT and SIGTERM.
pub(crate) struct Signals {
    pub(crate) interrupt: Signal,
    pub(crate) terminate: Signal,
}

impl Signals {
    /// Takes them over from the kernel's default, inside a runtime.
    pub(crate) fn open() -> Result<Self> {
        let open = |kind| signal(kind).map_err(|error| Error::from_io("sigaction", &error));
        Ok(Signals {
            interrupt: open(SignalKind::interrupt())?,
            terminate: open(SignalKind::terminate())?,
        })
    }

    /// Waits for one of them: the exit code that it means.
    pub(crate) async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPTED,
            _ = self.terminate.recv() => TERMINATED,
        }
    }
}
