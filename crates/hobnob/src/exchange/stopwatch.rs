//! What took how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::socket::{KernelCall, Observer};

/// Each counted from the beginning, so that the last one is the whole; none where there was nothing of the kind, or it
/// has not come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The name had an address.
    pub look_up: Option<Duration>,
    /// The transport was connected.
    pub connect: Option<Duration>,
    /// The handshakes of the layers were done.
    pub layers: Option<Duration>,
    /// The first byte of the answer came.
    pub first_byte: Option<Duration>,
    /// The answer was whole, or is this old.
    pub total: Duration,
}

/// Sees how long the resolver took.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    micros: AtomicU64,
}

impl Stopwatch {
    pub(crate) fn start() -> Arc<Self> {
        Arc::default()
    }

    /// How long looking up took; none where nothing was looked up.
    pub(crate) fn look_up(&self) -> Option<Duration> {
        let micros = self.micros.load(Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }
}

impl Observer for Stopwatch {
    fn sees_sockets(&self) -> bool {
        false
    }

    fn saw(&self, call: &KernelCall<'_>) {
        if call.name == "getaddrinfo" {
            let micros = u64::try_from(call.took.as_micros()).unwrap_or(u64::MAX);
            self.micros.store(micros.max(1), Relaxed);
        }
    }
}
