//! What asks a server to stop: Ctrl-C, SIGTERM, and the terminal that is closed.

use hobnob::error::{Error, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Who asks for an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Ctrl-C.
    Typed,
    /// SIGTERM.
    Told,
    /// The terminal is closed, which a shell and the kernel may both say: it asks once.
    HungUp,
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
    pub(crate) async fn next(&mut self) -> Asked {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Typed,
            _ = self.terminate.recv() => Asked::Told,
            _ = hangup => Asked::HungUp,
        }
    }
}

/// Whether who started us wants this signal ignored (`SigIgn` in proc(5)). Asking sigaction(2) would need
/// unsafe.
fn ignores(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (kind.as_raw_value() - 1)) != 0
}
