//! What an error of accepting means for the peers that come next.

use std::time::Duration;

use crate::error::{Error, Kind};

/// How long accepting waits at most where descriptors or memory are exhausted. A freed descriptor ends the wait at
/// once.
pub(super) const EXHAUSTED_WAIT: Duration = Duration::from_millis(50);

/// Whether the error concerns only the peer that came, so that the next may come at once.
pub(super) fn is_the_peers_fault(error: &Error) -> bool {
    matches!(
        error.errno(),
        Some(
            libc::ECONNABORTED | libc::EPROTO | libc::EINTR | libc::ECONNRESET | libc::ECONNREFUSED
        )
    )
}

pub(super) fn is_exhaustion(error: &Error) -> bool {
    error.kind() == Kind::TooManyFiles
        || matches!(error.errno(), Some(libc::ENOBUFS | libc::ENOMEM))
}
