//! What an error of accepting means for those who come next.

use std::time::Duration;

use crate::error::{Error, Kind};

/// How long to wait for what is exhausted, at most: a freed descriptor ends the wait at once.
pub(super) const EXHAUSTED_WAIT: Duration = Duration::from_millis(50);

/// Whether only who came is concerned, and the next may come at once.
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
